-- respond_test.lua: genuine alerts through all stages.

local ALERTS = "../../tests/fixtures/alerts/windows/"

local function alert(sim, name, members)
  local a = sim:json(ALERTS .. name)
  for k, v in pairs(members or {}) do a[k] = v end
  return a
end

local function script(sim, members) return alert(sim, "nxlog_sysmon1_wscript_launcher_vbs.json", members) end
local function encoded(sim) return alert(sim, "nxlog_sysmon1_powershell_enc_huge.json") end

local function stages(run)
  local out = {}
  for _, s in ipairs(run.stages) do out[s.stage] = s.state end
  return out
end

local ALL = { model = "done", harden = "done", detect = "done", isolate = "done", deceive = "done", evict = "done" }

test "a script on disk goes through every stage" (function(sim)
  sim:approve()
  local run = sim:run("t1059.respond", { alert = script(sim), confirmed_by = "alice" })
  same(stages(run), ALL)
  same(run.result.verdict, "malicious")
  sim:order { "crowdstrike.submit", "visionone.block", "crowdstrike.rtr_kill", "visionone.isolate",
              "crowdstrike.rtr_rm" }
  includes(run.not_done, { stage = "evict", what = "remove launcher.vbs from WORKSTATION7" })
  sim:snapshot(run, "a-script-on-disk")
end)

test "an encoded command has no file: none is denied or evicted, and the report says so" (function(sim)
  sim:approve()
  local run = sim:run("t1059.respond", { alert = encoded(sim), confirmed_by = "alice" })
  same(run:stage_of("evict").state, "skipped")
  includes(run:stage_of("evict").why, "there is no file")
  sim.visionone:never "block"
  sim.crowdstrike:never "rtr_rm"
  sim.crowdstrike:did("rtr_kill", 1)
  sim:snapshot(run, "an-encoded-command")
end)

test "the interpreter itself is never denied, ended by image, or removed" (function(sim)
  sim:approve()
  local wscript = sim.world.system
  sim:run("t1059.respond", { alert = script(sim), confirmed_by = "alice" })
  for _, op in ipairs { "visionone.block", "visionone.terminate_process", "crowdstrike.create_ioc",
                        "crowdstrike.rtr_rm" } do
    for _, e in ipairs(sim:effects(op)) do
      assert(not wscript[e.args.sha256] and not wscript[(e.args.file or {}).sha256], op)
    end
  end
end)

test "whether the account is compromised a person says, and nobody waits for that" (function(sim)
  sim:approve { title = "Contain" }
  sim:approve { title = "crowdstrike" }
  local run = sim:run("t1059.respond", { alert = script(sim) })
  same(run.state, "waiting")
  sim.visionone:did("isolate", 1)
  sim.okta:never "add_to_group"

  sim:approve { by = "carol" }
  sim:go_on(run)
  same(run.state, "completed")
  same(run:stage_of("harden").state, "done")
  sim.okta:did("add_to_group", 1)
end)

test "an account that is not compromised stays as it is" (function(sim)
  sim:approve()
  sim:deny { title = "Is the account" }
  local run = sim:run("t1059.respond", { alert = script(sim) })
  same(run:stage_of("harden").state, "skipped")
  sim.okta:never "add_to_group"
  sim.okta:never "clear_sessions"
end)

test "a host that nobody knows: its stages say so, the account's goes on" (function(sim)
  sim:approve()
  local run = sim:run("t1059.respond", { alert = script(sim, { Hostname = "NOWHERE.theshire.local" }),
                                         confirmed_by = "alice" })
  same(stages(run), { model = "skipped", harden = "done", detect = "skipped", isolate = "skipped",
                      deceive = "done", evict = "skipped" })
  sim.visionone:never "isolate"
  sim.okta:did("add_to_group", 1)
end)

test "a vendor's outage costs that vendor's stages, and is told" (function(sim)
  sim:approve()
  sim:faults "okta=5xx"
  local run = sim:run("t1059.respond", { alert = script(sim), confirmed_by = "alice" })
  same(run:stage_of("harden").state, "skipped")
  includes(run:stage_of("harden").why, "Okta could not be asked")
  sim.visionone:did("isolate", 1)
end)

-- What the alert's own product is told --------------------------------------------------------------------

local FALCON = "7a1e0c5d9b3f48e2a6d4c8b0f2e19375:ind:3f1c9d2be47a4c0f8a6b5d2e91c07f44:104857600123-10303-48"
local WORKBENCH = "WB-20417-20261120-00003"

---An alert of an interpreter of which nothing more is known, as Falcon has it.
local function falcon(id)
  return { composite_id = id or FALCON, type = "ldt", product = "epp", cid = "7a1e0c5d9b3f48e2a6d4c8b0f2e19375",
           status = "new", severity = 70, display_name = "Suspicious script", technique_id = "T1059.001",
           timestamp = "2026-11-24T05:00:00Z", created_timestamp = "2026-11-24T05:00:00Z", platform = "Windows",
           cmdline = "powershell.exe", filepath = [[C:\Windows\powershell.exe]] }
end

local function workbench(sim)
  local a = sim:json "../../tests/fixtures/alerts/trend_vision_one/workbench_v3_mimikatz_t1059_003.json"
  a.id = WORKBENCH
  return a
end

local function texts(of)
  local out = {}
  for i, c in ipairs(of.comments or {}) do out[i] = c.value end
  return out
end

test "Falcon's alert says that somebody is at work, and what came of it, each once" (function(sim)
  local a = falcon()
  sim.crowdstrike.state.alerts = { a }
  local run = sim:run("t1059.respond", { alert = falcon() })
  same(a.status, "in_progress")
  same(#texts(a), 2)
  includes(texts(a)[1], "t1059.respond has begun")
  includes(texts(a)[2], "The verdict:\nunknown")
  for _, text in ipairs(texts(a)) do includes(text, run.run) end
  sim.crowdstrike:did("set_alert_status", 1)
  sim.crowdstrike:did("comment_alerts", 2)
  lacks(run.not_done, { what = "say in the alert what was done" })
end)

test "what a person has closed stays closed, and the site says whether we close" (function(sim)
  local a = falcon()
  a.status = "closed"
  sim.crowdstrike.state.alerts = { a }
  sim:run("t1059.respond", { alert = falcon() })
  same(a.status, "closed")
  sim.crowdstrike:never "set_alert_status"

  a = falcon()
  sim.crowdstrike.state.alerts = { a }
  sim:run("t1059.respond", { alert = falcon(), alert_status = "closed" })
  same(a.status, "closed")
end)

test "alerts that joined are told together" (function(sim)
  local other = FALCON:gsub("48$", "49")
  local a, b = falcon(), falcon(other)
  sim.crowdstrike.state.alerts = { a, b }
  sim:after("1s", function() sim:signal("alert", { id = other, source = "crowdstrike" }) end)
  local run = sim:run("t1059.respond", { alert = falcon() })
  same(run.state, "completed")
  same(#texts(a), 2)
  same(#texts(b), 1)
  sim.crowdstrike:did("comment_alerts", 2)
end)

test "a Workbench alert gets a status and notes, and no finding of ours" (function(sim)
  local a = workbench(sim)
  a.status, a.investigationResult = "Open", "No Findings"
  sim.visionone.state.alerts = { a }
  sim:approve()
  sim:run("t1059.respond", { alert = workbench(sim), alert_status = "closed" })
  same(a.status, "Closed")
  same(a.investigationResult, "No Findings")
  same(#sim.visionone.state.notes[WORKBENCH], 2)
end)

test "an alert that cannot be written to costs the response nothing, and is told" (function(sim)
  sim.crowdstrike.state.scopes = { ["alerts:read"] = true, ["devices:read"] = true }
  sim.crowdstrike.state.alerts = { falcon() }
  local run = sim:run("t1059.respond", { alert = falcon() })
  same(run.state, "completed")
  includes(run.not_done, { what = "say in the alert what was done" })
  sim.crowdstrike:did("comment_alerts", 0)
end)

test "alerts of other products, and ids of another kind, are left alone" (function(sim)
  sim:approve()
  sim:run("t1059.respond", { alert = script(sim), confirmed_by = "alice" })
  sim.crowdstrike:never "comment_alerts"
  local old = falcon("ldt:3f1c9d2be47a4c0f8a6b5d2e91c07f44:2345")
  sim:run("t1059.respond", { alert = old })
  sim.crowdstrike:never "comment_alerts"
end)
