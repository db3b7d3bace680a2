-- told_test.lua: what a run tells whoever looks at it: its playbook's remarks, and whether all of it was done.
--
-- Run from the root of the tree:   lua5.4 tests/system/told_test.lua
local sys = dofile "tests/system/harness.lua"
local cjson = require "cjson"
local eq, has, hasnt = sys.eq, sys.has, sys.hasnt

sys.test("remarks and print are shown as they come, and stand in the report, once", function(t)
  t:playbook("p", [[
    log.warn("the list is old", { days = 9, of = { 1 } })
    print("seen", {}, nil)
    sleep "1s"
    map({ "a" }, function(x) log.info("in\27[31m " .. x) end, { name = "host" })
  ]], "uses = {},")
  local ran = t:expect(0, { "run", "p", "--sim" })
  local live = ran.out:match "^(.-)\nrun  "
  has(live, "  warn      the list is old\n")
  has(live, "  print     seen\\u0009table: 1\\u0009nil\n")
  hasnt(ran.out, "\27")
  local log = t:expect(0, { "show", "last", "--json" }).doc().log
  eq(#log, 3)
  eq(log[1].level .. log[1].message .. log[1].fields.days, "warnthe list is old9")
  has(log[1].at, "T")
  eq(log[2].level .. log[2].message, "printseen\ttable: 1\tnil")
  local text = t:expect(0, { "show", "last" }).out
  has(text, "\nlog\n  warning  the list is old  (days = 9, of = …)\n  print    seen table: 1 nil\n")
  has(t:expect(0, { "show", "last", "--markdown" }).out, "## Log\n\n- warning the list is old")
  has(t:expect(0, { "replay", "last" }).out, "replayed")
end)

sys.test("a write that a guard refused makes the run partial, also where the playbook lives with it", function(t)
  t:playbook("p", [[
    local file = { path = "C:\\Windows\\System32\\cmd.exe", sha256 = ("ab"):rep(32) }
    local _, why = try(require "connectors.visionone".block, { file = file })
    sleep "1s"
    return why.code
  ]], 'uses = { "visionone.block" },')
  local doc = t:expect(5, { "run", "p", "--sim", "--json", "--approve", "all" }).doc()
  eq(doc.state .. " " .. doc.outcome .. " " .. doc.result, "completed nothing refused")
  eq(doc.steps[1].state, "refused")
  has(t:expect(0, { "replay", "last" }).out, "replayed")
  t:expect(1, { "run", "p", "--sim", "--plan" })
end)

sys.test("where nothing may be written the alert is not told, which costs the response nothing", function(t)
  t:sim { "--speed", "500" }
  t:write("never.conf.lua", (t:read "sim.conf.lua":gsub("url = ", 'writes = "never", url = ')))
  t.conf = t.dir .. "/never.conf.lua"
  t:write("alert.json", cjson.encode {
    composite_id = "7a1e0c5d9b3f48e2a6d4c8b0f2e19375:ind:3f1c9d2be47a4c0f8a6b5d2e91c07f44:104857600123-10303-48",
    type = "ldt", product = "epp", status = "new", severity = 70, technique_id = "T1059.001", cmdline = "powershell.exe",
    display_name = "Suspicious script", timestamp = "2026-11-24T05:00:00Z" })
  local r = t:run { "run", "t1059.respond", "--input", "alert.json", "--json" }
  eq(r.code, 5)
  local why
  for _, n in ipairs(r.doc().not_done) do
    if n.what == "say in the alert what was done" then why = n.why end
  end
  has(why, "--plan")
  eq(r.doc().state, "completed")
  eq(t:did "crowdstrike.comment_alerts" + t:did "crowdstrike.set_alert_status", 0)
end)

sys.done()
