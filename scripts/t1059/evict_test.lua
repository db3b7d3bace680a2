-- evict_test.lua: the file is removed from every host that has it, by hash, and the indicator goes at last.

local NOTES = { path = [[C:\Users\pgustavo\Documents\notes.txt]], name = "notes.txt",
                sha256 = "88f8421e1fa4468d3d76ac62019ab4a03b3f6af1e17422d722cb46f21df9ec48" }
local LAUNCHER = { path = [[C:\Users\pgustavo\Desktop\launcher.vbs]], name = "launcher.vbs", kind = "script",
                   sha256 = "c1dadf9fb8021aa205bd52604c4d7330c5e1251198322ac4b8a093dc23df1a10" }

test "a file on one host is removed there, and then the indicator goes" (function(sim)
  sim:approve()
  local run = sim:run("t1059.evict", { subject = NOTES, device = "WORKSTATION5" })
  same(run.outcome, "complete")
  same(run.result.gone, run.result.hosts)
  sim:order { "crowdstrike.create_ioc", "crowdstrike.rtr_rm", "crowdstrike.delete_iocs" }
end)

test "where a host is off line the indicator stays, and the report says where" (function(sim)
  sim:approve()
  local run = sim:run("t1059.evict", { subject = LAUNCHER, device = "WORKSTATION5" })
  same(run.outcome, "partial")
  includes(run.not_done, { what = "remove launcher.vbs from WORKSTATION7" })
  includes(run.not_done, { what = "delete the indicator of launcher.vbs" })
  sim.crowdstrike:did("rtr_rm", 2)
  sim.crowdstrike:never "delete_iocs"
  sim:snapshot(run, "one-host-off-line")
end)

test "what is no file is not evicted" (function(sim)
  local run = sim:run("t1059.evict", { subject = { name = "command.ps1", kind = "command", text = "whoami" } })
  same(run.error.code, "nothing_to_evict")
  sim.crowdstrike:never "create_ioc"
end)

test "nobody allows it: nothing is removed" (function(sim)
  sim:deny()
  local run = sim:run("t1059.evict", { subject = NOTES, device = "WORKSTATION5" })
  same(run.error.code, "denied")
  sim.crowdstrike:never "rtr_rm"
end)

test "an indicator that may have been set and one that was set twice are the same one" (function(sim)
  sim:approve()
  sim:faults "crowdstrike.create_ioc#1=reset-after"
  local run = sim:run("t1059.evict", { subject = NOTES, device = "WORKSTATION5" })
  same(run.state, "completed")
  sim.crowdstrike:did("create_ioc", 1)
end)
