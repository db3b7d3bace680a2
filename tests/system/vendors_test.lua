-- vendors_test.lua: a vendor that answers HTML, nothing, half, or gigabytes, or acts and closes: each gets one clear
-- error, other steps go on, and nothing is done twice.
local sys = dofile "tests/system/harness.lua"
local eq, has = sys.eq, sys.has

local ALERT = sys.root .. "/tests/fixtures/alerts/windows/nxlog_sysmon1_wscript_launcher_vbs.json"
local GROUPS = { "call", "okta.groups", "name=ir-restricted", "type=OKTA_GROUP" }

local function groups(t, faults, memory)
  t:sim { "--speed", "500", "--faults", faults }
  local args = { table.unpack(GROUPS) }
  args.memory, args.seconds = memory, 50
  return t:run(args)
end

-- The first answer is spoilt, the second is good: a read is simply asked again.
for _, fault in ipairs { "html", "html:200", "truncate", "reset-before", "reset-after", "5xx:502", "429" } do
  sys.test("a read whose first answer is " .. fault .. " is asked again", function(t)
    local r = groups(t, "okta.groups#1=" .. fault)
    if fault == "html:200" then
      assert(r.code == 0 or (r.code == 1 and r.err:find "HTML" or r.err:find "JSON"), r.err)
    else
      eq(r.code, 0, "exit status (" .. r.err .. r.out .. ")")
    end
  end)
end

-- Every answer is spoilt.
for fault, part in pairs { html = "503", truncate = "", ["reset-before"] = "", empty = "", ["html:200"] = "" } do
  sys.test("a vendor that only ever answers " .. fault .. " is one clear error", function(t)
    local r = groups(t, "okta.groups=" .. fault)
    eq(r.code, 1, "exit status (" .. r.err .. r.out .. ")")
    has(r.err, "okta")
    has(r.err, part)
    local _, n = r.err:gsub("lunette: ", "")
    assert(n == 1, r.err)
  end)
end

sys.test("gigabytes are cut off at the limit, and not held", function(t)
  local r = groups(t, "okta.groups=huge:4096", 2000)
  eq(r.code, 1, "exit status (" .. r.err .. ")")
  has(r.err, "larger")
end)

sys.test("a vendor that does not answer in time", function(t)
  t:sim { "--speed", "1", "--faults", "okta.groups=slow:600" }
  local r = t:run { "call", "okta.groups", '{"name":"ir-restricted","type":"OKTA_GROUP","timeout":"1s"}', seconds = 50 }
  eq(r.code, 1, "exit status (" .. r.err .. ")")
  has(r.err, "okta")
end)

sys.test("a vendor that is not there", function(t)
  local job = t:sim { "okta" }
  job.kill "KILL"
  job.wait()
  local r = t:run { table.unpack(GROUPS) }
  eq(r.code, 1, "exit status (" .. r.err .. ")")
  has(r.err, "okta")
end)

-- Writes: acted, and the answer is lost.
local function user_and_group(t)
  local u = t:expect(0, { "call", "okta.users", "login=pgustavo@theshire.example", "--json" }).doc().result[1].id
  local g = t:expect(0, { "call", "okta.groups", "name=ir-restricted", "type=OKTA_GROUP", "--json" }).doc().result[1].id
  return "user=" .. u, "group=" .. g
end

for _, fault in ipairs { "reset-after", "empty", "truncate", "twice", "5xx:504" } do
  sys.test("a write that is done although its answer is " .. fault .. " is known to be done", function(t)
    t:sim { "--speed", "500", "--faults", "okta.add_to_group#1=" .. fault }
    local user, group = user_and_group(t)
    local r = t:expect(0, { "call", "okta.add_to_group", user, group, "--act", "--approve", "all", "--json" })
    eq(r.doc().holds[1].status, "held")
    assert(t:did "okta.add_to_group" >= 1)
  end)
end

sys.test("a scan that was launched before the connection closed is found, and not launched again", function(t)
  t:sim { "--speed", "500", "--faults", "qualys.launch_scan#1=reset-after" }
  local r = t:run { "call", "qualys.launch_scan", "ip=10.20.5.15", "option=Initial Options", "scanner=dc1-appliance",
                    "--act", "--approve", "all", "--json" }
  eq(r.code, 0, "exit status (" .. r.err .. ")")
  eq(t:did "qualys.launch_scan", 1, "scans")
end)

sys.test("a write of which nobody can tell waits for a person, who settles it", function(t)
  t:sim { "--speed", "500", "--faults", "okta.clear_sessions=reset-after" }
  local user = user_and_group(t)
  local r = t:expect(3, { "call", "okta.clear_sessions", user, "--act", "--approve", "all", "--json" })
  eq(r.doc().waiting["for"], "doubt")
  has(r.doc().waiting.next, "--did")
  has(r.err, "doubt")
  local before = t:did "okta.clear_sessions"
  eq(t:expect(3, { "resume", "last", "--approve", "all", "--json" }).doc().waiting["for"], "doubt")
  eq(t:did "okta.clear_sessions", before, "how often it was done")
  eq(t:expect(0, { "resume", "last", "--did", "--json" }).doc().state, "completed")
  eq(t:did "okta.clear_sessions", before, "how often it was done")
end)

-- A whole response: one vendor is ill, the other stages go on.
for _, fault in ipairs { "qualys=html", "crowdstrike=reset-before", "visionone=empty", "okta=huge", "qualys=truncate" } do
  sys.test("a response goes on past " .. fault, function(t)
    t:sim { "--speed", "1000", "--faults", fault }
    local r = t:run { "run", "t1059.respond", "--input", ALERT, "--set", "confirmed_by=alice", "--approve", "all",
                      "--json", seconds = 100 }
    eq(r.code, 5, "exit status (" .. r.err .. ")")
    local doc, done = r.doc(), 0
    eq(doc.state, "completed")
    eq(doc.outcome, "partial")
    for _, s in ipairs(doc.stages) do
      if s.state == "done" then done = done + 1 end
      assert(s.state == "done" or s.why, s.stage .. " does not say why")
    end
    assert(done >= 1, "no stage was done")
  end)
end

sys.done()
