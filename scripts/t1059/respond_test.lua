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
