-- each_test.lua: each over what lists: an operation, page by page, and a flow, whose list is one page.
local sys = dofile "tests/system/harness.lua"
local eq, has = sys.eq, sys.has

local function run(t, body)
  t:playbook("one", 'local q, cs = require "connectors.qualys", require "connectors.crowdstrike"\n' .. body,
             'uses = { "qualys", "crowdstrike" },')
  return t:run({ "run", "one", "--sim", "--json" }).doc()
end

sys.test("a flow that answers a list is walked through, and replayed alike", function(t)
  local doc = run(t, [[
    local out = {}
    for f in each(q.detections, { ips = "10.20.5.15", severities = "3-5", with = "knowledge" }) do
      out[#out + 1] = f.title .. ": " .. f.solution
    end
    return out]])
  eq(doc.state, "completed")
  eq(#doc.result, 3)
  has(table.concat(doc.result, "\n"), "SMB Server Update Missing: Install the update")
end)

sys.test("a flow's list that is empty is at its end; a limit still holds", function(t)
  local doc = run(t, [[
    local n = 0
    for _ in each(q.detections, { ips = "10.20.99.99" }) do n = n + 1 end
    local _, e = try(function()
      for _ in each(q.detections, { ips = "10.20.5.15", limit = 1 }) do n = n + 1 end
    end)
    return { n, e.code }]])
  eq(doc.result[1], 0)
  eq(doc.result[2], "too_many")
end)

sys.test("what answers no list is refused by name, before anybody is asked twice", function(t)
  local doc = run(t, [[
    local out = {}
    for i, x in ipairs { { q.scan_status, { ref = "x" } }, { cs.host, { hostname = "WORKSTATION6" } }, { print, {} },
                         { 7, {} } } do
      local _, e = try(function() for _ in each(x[1], x[2]) do out.never = true end end)
      out[i] = e.code .. " " .. e.message
    end
    return out]])
  eq(doc.result[1], "bad_argument each: qualys.scan_status is not an operation that lists")
  eq(doc.result[2], "bad_argument each: crowdstrike.host answers no list")
  eq(doc.result[3], "bad_argument each: a plain function is not an operation that lists")
  eq(doc.result[4], "bad_argument each: a plain number is not an operation that lists")
  eq(doc.result.never, nil)
end)

sys.done()
