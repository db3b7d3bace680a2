-- sim_test.lua: lunette sim: the simulators as servers.
local sys = dofile "tests/system/harness.lua"
local eq, has = sys.eq, sys.has

local ALERT = sys.root .. "/tests/fixtures/alerts/windows/nxlog_sysmon1_wscript_launcher_vbs.json"

sys.test("the written configuration reaches them, and nobody else may read it", function(t)
  t:sim { "--speed", "500" }
  has(t:read "sim.conf.lua", "pace = 500")
  eq(io.popen("stat -c %a " .. t.conf):read "l", "600", "its mode")
  local r = t:expect(0, { "call", "okta.groups", "name=ir-restricted", "type=OKTA_GROUP", "--json" }).doc()
  eq(r.state, "completed")
  eq(r.result[1].name, "ir-restricted")
end)

sys.test("what every operation takes can be said as k=v", function(t)
  t:sim { "okta", "--speed", "500" }
  has(t:expect(1, { "call", "okta.users", "all=true", "limit=1" }).err, "more than 1 items")
  t:expect(0, { "call", "okta.users", "all=true" })
  has(t:expect(1, { "call", "okta.users", "all=perhaps" }).out, "all must be true or false")
end)

sys.test("a vendor's limit that is used up is waited for, and that is said", function(t)
  t:write("scripts/many.lua", [[
local okta = require "connectors.okta"
return playbook { name = "many", summary = "more calls than a minute has", uses = { "okta.users" }, input = {}, run = function()
  for _ = 1, 310 do okta.users { all = true } end
  return now()
end }
]])
  local r = t:expect(0, { "run", "scripts/many.lua", "--sim", "--json" })
  has(r.err, "event=vendor.waits vendor=okta ms=")
  eq(r.doc().state, "completed")
  t:write("lunette.conf.lua", 'return { log = { format = "json" } }\n')
  local line = t:expect(0, { "run", "scripts/many.lua", "--sim", "--json" }).err:match "[^\n]*vendor.waits[^\n]*"
  local event = require "cjson".decode(line)
  eq(event.vendor, "okta")
  eq(event.level, "warn")
  t:write("lunette.conf.lua", 'return { log = { level = "error" } }\n')
  eq(t:expect(0, { "run", "scripts/many.lua", "--sim", "--json" }).err, "")
end)

sys.test("one vendor alone, on the port that was asked for", function(t)
  local port = 20000 + tonumber(t.dir:byte(-1)) * 100 + tonumber(t.dir:byte(-2))
  t:sim { "okta", "--port", tostring(port) }
  has(t:read "sim.conf.lua", ("http://127.0.0.1:%d"):format(port))
  assert(not t:read "sim.conf.lua":find "qualys = ")
  local second = t:expect(1, { "sim", "okta", "--port", tostring(port), conf = true })
  has(second.err, "in use")
end)

sys.test("without --write the configuration is printed, and SIGTERM is a clean end", function(t)
  local job = t:start { "sim", "okta", "--seed", "7" }
  local text
  for _ = 1, 100 do
    text = t:read ".1.out"
    if text and text:find "\n}\n" then break end
    os.execute "sleep 0.05"
  end
  eq(load(text)().connectors.okta.pace, 1, "pace")
  job.kill "TERM"
  eq(job.wait().code, 0, "exit status")
end)

sys.test("wrong usage is told before anything listens", function(t)
  for _, bad in ipairs { { "acme", "acme" }, { "--port", "0" }, { "--port", "http" }, { "--speed", "0" },
                         { "--faults", "okta=explode" }, { "--faults", "okta.users#0=429" },
                         { "--faults", "nobody=429" }, { "--faults", "okta.usres=429" },
                         { "--nonsense" } } do
    local r = t:expect(2, { "sim", bad[1], bad[2] })
    assert(#r.err > 0 and r.out == "", r.err)
  end
end)

sys.test("a fault that could never strike is refused, with what there is", function(t)
  local function why(spec)
    return t:expect(2, { "run", "t1059.model", "--sim", "--set", "ip=10.20.5.15", "--faults", spec }).err
  end
  has(why "okta=429,nobody=429", "there is no simulator of nobody; there are crowdstrike okta qualys visionone")
  has(why "okta.usres=429", "the simulator of okta knows no usres; it knows ")
  has(why "okta=explode", "names no fault")
end)

sys.test("faults come where they were asked for, and are seen in the log", function(t)
  t:sim { "--speed", "500", "--faults", "okta.groups#1=429,okta.groups#2=5xx:503" }
  t:expect(0, { "call", "okta.groups", "name=ir-restricted", "type=OKTA_GROUP" })
  local seen = {}
  for _, l in ipairs(t:log()) do if l.op == "groups" then seen[#seen + 1] = l.status end end
  eq(table.concat(seen, " "), "429 503 200", "the statuses")
end)

sys.test("the same seed makes the same ids", function(t)
  local ids = {}
  for i, seed in ipairs { "3", "3", "4" } do
    local job = t:sim { "okta", "--seed", seed }
    ids[i] = t:expect(0, { "call", "okta.users", "login=pgustavo@theshire.example", "--json" }).doc().result[1].id
    job.kill "TERM"
    job.wait()
  end
  eq(ids[1], ids[2], "the id of the same seed")
  assert(ids[1] ~= ids[3])
end)

sys.test("a whole response, and what the simulators say was done", function(t)
  t:sim { "--speed", "500" }
  local r = t:run { "run", "t1059.respond", "--input", ALERT, "--set", "confirmed_by=alice", "--approve", "all",
                    "--json" }
  assert(r.code == 0 or r.code == 5, r.err)
  eq(r.doc().state, "completed")
  eq(t:did "okta.add_to_group", 1, "moved to the group")
  eq(t:did "visionone.isolate", 1, "isolated")
end)

sys.done()
