-- alerts_test.lua: alerts handed in, as those see it who do: each there once, whatever dies meanwhile, and each
-- of its runs begun once.
local sys = dofile "tests/system/harness.lua"
local eq, has = sys.eq, sys.has

local FALCO = '{"rule":"Shell %d","priority":"Warning","output":"o","time":"2026-11-24T10:00:00Z","uuid":"u-%d",'
              .. '"output_fields":{"proc.cmdline":"bash -c id","proc.name":"bash","container.id":"c%d"}}'

local function falco(n, rule) return FALCO:format(rule or n, n, n) end

---A playbook that alerts start, beside what t:playbook writes.
local function trigger(t, name, head, body)
  t:playbook(name, body or "return input.alert.id", 'uses = { "store" }, input = { alert = "alert" }, ' .. head)
end

local function submit(t, text, code) return t:expect(code or 0, { "alert", "--submit", "-", stdin = text }) end

---A list of the objects on the lines of what a command printed.
local function objects(r)
  local out = {}
  for line in r.out:gmatch "[^\n]+" do out[#out + 1] = sys.decode(line) end
  return out
end

local function listed(t, ...) return objects(t:expect(0, { "alerts", "--json", ... })) end
local function runs(t, ...) return objects(t:expect(0, { "runs", "--json", ... })) end

local function all_end(t, n)
  t:until_true(function() return #runs(t, "--state", "completed") == n end)
  eq(#runs(t), n)
end

sys.test("what lies below the folders of scripts is asked, and nothing else, whatever they are called", function(t)
  t:write("lib/helper.lua", "error 'no playbook, whatever depends on it'\n")
  t:write("stdlib/mine/wants.lua", 'return playbook { name = "wants", summary = "s", uses = {}, input = { alert = "alert" }, '
                                   .. "on = function() return true end, run = function() end }\n")
  t:write("lunette.conf.lua", ("return { scripts = { 'stdlib/mine' }, stdlib = { 'lib', %q } }\n"):format(sys.root .. "/stdlib"))
  local job = t:serve()
  eq(#objects(submit(t, falco(1)))[1].runs, 1)
  eq(#listed(t, "--missed"), 0)
  job.stop()
end)

sys.test("an alert starts the playbooks that want it, and the same again starts nothing", function(t)
  trigger(t, "wants", "on = function(a) return a.title == 'Shell 1' end,")
  trigger(t, "not_this", "on = function(a) return false end,")
  t:playbook("by_hand", "return 1")
  local job = t:serve()
  local first = objects(submit(t, falco(1)))[1]
  eq(first.id, "u-1")
  eq(first.new, true)
  eq(#first.runs, 1)
  local again = objects(submit(t, falco(1)))[1]
  eq(again.new, false)
  eq(again.runs[1], first.runs[1])
  eq(#objects(submit(t, falco(2)))[1].runs, 0)
  all_end(t, 1)
  local doc = t:expect(0, { "show", first.runs[1], "--json" }).doc()
  eq(doc.result, "u-1")
  eq(doc.playbook, "wants")
  job.stop()
  local kept = listed(t)
  eq(#kept, 2)
  eq(kept[2].runs[1].what, "started")
  eq(kept[2].runs[1].run, first.runs[1])
end)

sys.test("handed in while nobody serves, it starts what it starts later", function(t)
  trigger(t, "wants", "on = function() return true end,")
  local r = submit(t, falco(1))
  has(r.err, "lunette serve")
  eq(#objects(r)[1].runs, 0)
  local job = t:serve()
  all_end(t, 1)
  job.stop()
end)

sys.test("arrays, JSON lines and gzip; what nobody knows is kept, and told why", function(t)
  trigger(t, "wants", "on = function() return true end,")
  local job = t:serve()
  local r = submit(t, "[" .. falco(1) .. ', {"odd":1}, ' .. falco(2) .. "]", 1)
  eq(#objects(r), 2)
  has(r.err, "element 2: no known alert format: an object with odd")
  r = submit(t, falco(3) .. "\n{broken\n" .. falco(4) .. "\n", 1)
  eq(#objects(r), 2)
  has(r.err, "line 2")
  t:write("a.json", falco(5) .. "\n" .. falco(6) .. "\n")
  os.execute("gzip '" .. t.dir .. "/a.json'")
  eq(#objects(t:expect(0, { "alert", "--submit", "a.json.gz" })), 2)
  t:write("bad.gz", sys.slurp(t.dir .. "/a.json.gz"):sub(1, 40))
  has(t:expect(1, { "alert", "--submit", "bad.gz" }).err, "gzip is damaged")
  all_end(t, 6)
  job.stop()
  local kept = listed(t, "--kept")
  eq(#kept, 2)
  has(kept[2].why, "an object with odd")
  local one = t:expect(0, { "alerts", tostring(kept[2].alert) }).doc()
  eq(one.document.odd, 1)
  eq(t:expect(0, { "alerts", tostring(kept[1].alert) }).doc().document, "{broken")
end)

sys.test("gzip that unpacks to too much is refused", function(t)
  local f = assert(io.popen("gzip > '" .. t.dir .. "/bomb.gz'", "w"))
  for _ = 1, 40 do f:write((" "):rep(1 << 20)) end
  f:close()
  local job = t:serve()
  has(t:expect(1, { "alert", "--submit", "bomb.gz" }).err, "unpacked it has more than")
  job.stop()
end)

sys.test("an `on` that fails, or does not end, is a missed trigger, and stops no other", function(t)
  trigger(t, "fails", "on = function(a) return a.nothing.there end,")
  trigger(t, "hangs", "on = function() while true do end end,")
  trigger(t, "leaves", "on = function() store.set('k', 1) return true end,")
  trigger(t, "odd_key", "on = function() return true end, key = function() return {} end,")
  trigger(t, "wants", "on = function() return true end,")
  local job = t:serve()
  eq(#objects(submit(t, falco(1))), 1)
  all_end(t, 1)
  job.stop()
  local missed = listed(t, "--missed")[1]
  local why = {}
  for _, r in ipairs(missed.runs) do why[r.playbook] = r.why or r.what end
  has(why.fails, "nothing")
  assert(why.hangs and why.hangs ~= "started")
  has(why.leaves, "store.set in `on`")
  has(why.odd_key, "key must return")
  eq(why.wants, "started")
  has(t:expect(0, { "alerts" }).out, "fails: missed: ")
end)

sys.test("key joins a run that is under way: one run, one approval, all alerts", function(t)
  trigger(t, "joined", "on = function() return true end, key = function(a) return a.severity end,", [[
    local more = {}
    for i = 1, 2 do more[i] = await_signal("alert").id end
    approve { title = "go on?" }
    return { first = input.alert.id, more = more } ]])
  local job = t:serve()
  local first = objects(submit(t, falco(1)))[1].runs[1]
  for i = 2, 3 do eq(objects(submit(t, falco(i)))[1].runs[1], first) end
  t:until_true(function() return #objects(t:expect(0, { "approvals", "--json" })) == 1 end)
  local doc = t:expect(0, { "show", first, "--json" }).doc()
  eq(#doc.alerts, 3)
  eq(doc.alerts[3].id, "u-3")
  job.stop()
  eq(#runs(t), 1)
end)

sys.test("a rule that starts more than 20 runs in five minutes pauses itself and asks", function(t)
  trigger(t, "storm", "on = function() return true end,")
  local job = t:serve()
  local lines = {}
  for i = 1, 25 do lines[i] = falco(i, 7) end
  eq(#objects(submit(t, table.concat(lines, "\n"))), 25)
  t:until_true(function() return #objects(t:expect(0, { "approvals", "--json" })) == 1 end)
  all_end(t, 20)
  local asked = objects(t:expect(0, { "approvals", "--json" }))[1]
  eq(asked.kind, "trigger")
  has(asked.title, "storm was started 20 times")
  -- another rule goes on; this one does not, nor ask again
  submit(t, '{"rule":"Other","priority":"Warning","output":"o","uuid":"x","output_fields":{"proc.name":"bash"}}')
  all_end(t, 21)
  submit(t, falco(30, 8))                                 -- numbers in a title make no other rule
  eq(#runs(t), 21)
  t:expect(0, { "approve", asked.id })
  all_end(t, 27)
  eq(#objects(t:expect(0, { "approvals", "--json" })), 0)
  job.stop()
end)

sys.test("kill -9 in between: every alert that was taken is there once, and every run was begun once", function(t)
  trigger(t, "wants", "on = function(a) return true end,", "store.incr('n/' .. input.alert.id) return 1")
  local taken, n = {}, 0
  for _ = 1, 4 do
    local job = t:serve()
    for _ = 1, 4 do
      local text = {}
      for i = 1, 5 do
        n = n + 1
        text[i] = ('{"rule":"R%s","priority":"Warning","output":"o","uuid":"u-%d","output_fields":{"proc.name":"b"}}')
          :format(("x"):rep(n), n)
      end
      local r = t:run { "alert", "--submit", "-", stdin = table.concat(text, "\n") }
      if r.code == 0 then for _, a in ipairs(objects(r)) do taken[a.id] = true end end
    end
    job.kill "KILL"
    job.wait()
  end
  local job = t:serve()
  t:until_true(function()
    for _, a in ipairs(listed(t)) do if a.state ~= "decided" then return false end end
    return #runs(t, "--state", "completed") == #runs(t)
  end)
  job.stop()
  local seen = {}
  for _, a in ipairs(listed(t)) do
    assert(not seen[a.id], a.id .. " is there twice")
    seen[a.id] = #a.runs
    eq(#a.runs, 1)
  end
  for id in pairs(taken) do assert(seen[id], id .. " was taken and is lost") end
  eq(#runs(t), #listed(t))
end)

sys.done()
