-- doctor_test.lua: lunette doctor: what it says of a site that is in order, and of one that is not; and that it only
-- reads.
local sys = dofile "tests/system/harness.lua"
local kit = dofile "tests/system/http_kit.lua" (sys)
local eq, has, hasnt = sys.eq, sys.has, sys.hasnt

local SCOPES = { { "per_minute = 6000", 'per_minute = 6000, scopes = { ["devices:read"] = true, ["devices:write"] = true, '
                   .. '["falconx-sandbox:read"] = true, ["samplestore:read"] = true }' } }

-- Its findings, as { about, state, text }.
local function findings(r)
  local out = {}
  for line in r.out:gmatch "[^\n]+" do out[#out + 1] = require "cjson".decode(line) end
  return out
end

local function find(list, about, part)
  for _, f in ipairs(list) do
    if f.about == about and f.text:find(part, 1, true) then return f end
  end
  error(("nothing is said of %s that has: %s"):format(about, part), 2)
end

sys.test("a site that is in order; nothing is changed, and no run is made", function(t)
  t:record()
  t:sim {}
  local r = t:expect(0, { "doctor" })
  for _, part in ipairs { "4 connectors", "9 playbooks", "okta.users.read", "Hosts: read", "Endpoint Inventory: View",
                          "VM: knowledge base" } do has(r.out, part) end
  hasnt(r.out, "TO DO")
  hasnt(r.out, "take it away")                            -- the shipped playbooks use all that can be looked at
  eq(t:expect(0, { "runs", "--json" }).out, "")
  for _, w in ipairs(t:wire()) do
    local reads = w.method == "GET" or w.op == "token" or w.vendor == "qualys" -- whose lists are POSTs
    assert(reads, "it asked " .. w.vendor .. " " .. w.method .. " " .. w.target)
  end
end)

sys.test("a right that is lacking, and who needs it; one that nobody needs", function(t)
  t:record { crowdstrike = SCOPES }
  t:sim {}
  local list = findings(t:expect(1, { "doctor", "crowdstrike", "--json" }))
  local lacking = find(list, "crowdstrike", "IOC Management: read: is lacking")
  eq(lacking.state, "todo")
  has(lacking.text, "crowdstrike.iocs")
  eq(find(list, "crowdstrike", "Hosts: read").state, "ok")
  for _, f in ipairs(list) do assert(f.about ~= "okta", "okta was not asked for") end

  t:write("only/hosts.lua", 'return playbook { name = "hosts", summary = "x", uses = { "crowdstrike.hosts" }, input = {}, '
                            .. "run = function() end }\n")
  local conf = t:read "sim.conf.lua":gsub("return {", 'return { scripts = { "only" },', 1)
  t:write("only.conf.lua", conf)
  list = findings(t:expect(0, { "doctor", "crowdstrike", "--json", "--config", "only.conf.lua", conf = true }))
  eq(find(list, "crowdstrike", "Hosts: read").state, "ok")
  has(find(list, "crowdstrike", "Sandbox: read").text, "take it away")
  for _, f in ipairs(list) do hasnt(f.text, "IOC Management") end -- neither granted nor needed
end)

sys.test("wrong credentials, and a vendor that is not there, are each said once", function(t)
  t:sim { "okta" }
  local conf = t:read "sim.conf.lua"
  t:write("wrong.conf.lua", (conf:gsub("00SimulatedOktaToken", "00AnotherToken")))
  local list = findings(t:expect(1, { "doctor", "okta", "--json", "--config", "wrong.conf.lua", conf = true }))
  has(find(list, "okta", "unauthorised").state, "todo")
  local n = 0
  for _, f in ipairs(list) do n = n + (f.about == "okta" and 1 or 0) end
  eq(n, 1, "findings of okta")
  t:write("away.conf.lua", (conf:gsub("127%.0%.0%.1:%d+", "127.0.0.1:1")))
  has(find(findings(t:expect(1, { "doctor", "--json", "--config", "away.conf.lua", conf = true })), "okta", "unavailable").state, "todo")
end)

sys.test("scripts that are broken, a store that is frozen or in doubt, no configuration", function(t)
  t:playbook("good", "return 1")
  t:write("lunette.conf.lua", 'return { scripts = { "scripts" } }\n')
  t:write("scripts/library.lua", "return { x = 1 }\n")
  t:expect(0, { "doctor" })
  t:write("scripts/bad.lua", "return playbook {\n")
  t:expect(0, { "freeze", "--why", "an exercise" })
  local list = findings(t:expect(1, { "doctor", "--json" }))
  eq(find(list, "scripts", "bad.lua:").state, "todo")
  eq(find(list, "store", "is frozen by").state, "todo")
  eq(find(list, "scripts", "1 playbooks").state, "ok")
  t:write("lunette.conf.lua", "return { conectors = {} }\n")
  has(t:expect(4, { "doctor" }).err, "connectors")
  has(t:expect(2, { "doctor", "okta", "--config", t:write("none.lua", "return {}\n") }).err, "no connector okta")
end)

local OKTA = 'local okta = require "connectors.okta" '

sys.test("operations that end: told once in the log, counted, and known to doctor, also by another process", function(t)
  t:sim { "okta", "--faults", "okta.users=deprecate:20,okta.groups=deprecate:400" }
  t:playbook("asks", OKTA .. 'okta.users { login = "x@acme.example" } okta.users { login = "y@acme.example" }',
             'uses = { "okta.users" },')
  t:playbook("other", OKTA .. 'okta.groups { name = "x" }', 'uses = { "okta" },')
  local conf = t:read "sim.conf.lua"
  t:write("sim.conf.lua", (conf:gsub("return {", 'return { listen = "127.0.0.1:0", scripts = { "scripts" },', 1)))
  hasnt(t:run { "doctor", "okta" }.out, "deprecated")
  local job, http = kit.serve(t, { keep = true })
  for _ = 1, 2 do t:expect(0, { "run", "asks" }) end
  local _, said = job.seen "err":gsub("vendor.deprecated", "")
  eq(said, 1, "lines of the log")
  has(job.seen "err", "link=https://vendor.example/changes")
  has(http:call("GET", "/metrics", { as = "viewer" }).body,
      'lunette_vendor_drift_total{operation="okta.users",kind="deprecated"} 4\n')
  job.stop()
  t:expect(0, { "run", "other" })
  local list = findings(t:run { "doctor", "okta", "--json" })
  local users, groups = find(list, "okta", "okta.users: its vendor calls it deprecated since"), find(list, "okta", "okta.groups: its")
  eq(users.state, "todo")                                 -- within 90 days
  eq(groups.state, "note")
  has(users.text, "and ends on " .. os.date("!%Y-%m-%d", os.time() + 20 * 86400))
  has(users.text, "see https://vendor.example/changes")
  t:write("scripts/asks.lua", "return { }")               -- nobody needs it any more
  t:write("scripts/other.lua", "return { }")
  eq(find(findings(t:run { "doctor", "okta", "--json" }), "okta", "okta.users: its").state, "note")
end)

sys.test("answers that differ from what the connector expects", function(t)
  t:record { okta = { { "status = u.status", "condition = u.status" } } }
  t:sim { "okta" }
  t:playbook("asks", OKTA .. 'okta.users { search = [[created gt "2000-01-01T00:00:00.000Z"]] }', 'uses = { "okta.users" },')
  t:write("sim.conf.lua", (t:read "sim.conf.lua":gsub("return {", 'return { scripts = { "scripts" },', 1)))
  for _ = 1, 3 do t:expect(0, { "run", "asks" }) end
  local found = find(findings(t:run { "doctor", "okta", "--json" }), "okta", "okta.users: answers are not as")
  eq(found.state, "todo")
  has(found.text, "status is absent (3 or more")
end)

sys.test("an answer that a connector cannot read, and one in which an object stands for a list", function(t)
  t:write("own/odd.lua", [[return { name = "odd", summary = "an odd one", auth = { kind = "none" }, config = {}, operations = {
    items = { summary = "x", class = "read", list = true, params = {}, select = {}, method = "GET", path = "/v1/traces",
              page = function(answer) return answer.body end },
    depth = { summary = "x", class = "read", params = {}, method = "GET", path = "/v1/traces",
              result = function(body) return { id = body.inner.id } end },
    typed = { summary = "x", class = "read", params = {}, method = "GET", path = "/v1/traces",
              result = function(body) return body end, needs = { ["partial.n"] = "number", other = "string" } } } }
  ]])
  t:write("odd_sim/sim/odd.lua", [[local kit = require "sim.kit"
    return kit.sim { vendor = "odd", new = function() return {} end, none = function() return { status = 404 } end, routes = {
      { "GET", "/v1/traces", "all", function() return { status = 200, json = { partial = { n = "1" } } } end } } }]])
  local conf = t:write("odd.lua", ("return { connectors_path = { %q }, stdlib = { %q, %q } }")
                                  :format(t.dir .. "/own", t.dir .. "/odd_sim", sys.root .. "/stdlib"))
  local job = t:start { "sim", "odd", "--config", conf, "--write", "odd.conf.lua", conf = true }
  assert(t:until_true(function() return t:read "odd.conf.lua" end), job.seen "err")
  t.conf = t:write("site.lua", (t:read "odd.conf.lua":gsub("return {", ("return { scripts = { \"scripts\" }, connectors_path = { %q },")
                                                                      :format(t.dir .. "/own"), 1)))
  t:playbook("asks", [[local odd = require "connectors.odd"
    try(odd.items, { all = true }) try(odd.depth, {}) return odd.typed {} ]], 'uses = { "odd" },')
  t:expect(0, { "run", "asks" })
  local list = findings(t:run { "doctor", "odd", "--json" })
  find(list, "odd", "odd.items: page must return a list, not an object")
  find(list, "odd", "attempt to index a nil value (field 'inner')")
  find(list, "odd", "odd.typed: answers are not as the connector expects: partial.n is a string, not a number")
  find(list, "odd", "other is absent")
end)

sys.done()
