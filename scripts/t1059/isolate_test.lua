-- isolate_test.lua: malicious is denied, ended and contained, in this order; benign is allowed.

local SHA256 = "c1dadf9fb8021aa205bd52604c4d7330c5e1251198322ac4b8a093dc23df1a10"
local LAUNCHER = { name = "launcher.vbs", kind = "script", path = [[C:\Users\pgustavo\Desktop\launcher.vbs]],
                   sha256 = SHA256, sha1 = "5683729702392da5cfaa8476f96228a9abf08c54", pid = 2440,
                   started = "2020-09-04T20:09:55Z", image = [[C:\Windows\System32\wscript.exe]] }
local MALICIOUS = { subject = LAUNCHER, device = "WORKSTATION5", verdict = "malicious" }

test "a malicious script is denied, its process ended, its host contained" (function(sim)
  sim:approve { title = "Contain WORKSTATION5, and deny and end launcher.vbs" }
  local run = sim:run("t1059.isolate", MALICIOUS)
  same(run.outcome, "complete")
  same(#run.approvals, 1)                                   -- one question for all of it
  sim:order { "visionone.block", "crowdstrike.rtr_kill", "visionone.isolate" }
  sim.visionone:never "terminate_process"                   -- not by image: that is every script host
  sim.crowdstrike:did { op = "rtr_kill", pid = 2440 }
  sim:snapshot(run, "malicious")
end)

test "only the host of the alert is contained" (function(sim)
  sim:approve()
  sim:run("t1059.isolate", MALICIOUS)
  sim.visionone:did("isolate", 1)
  local contained = includes(sim:run("t1059.isolate", MALICIOUS).holds, { facet = "isolation" })
  same(contained.state, "isolated")
  sim.visionone:did("isolate", 1)                           -- and not again
end)

test "an image of its own is ended as such" (function(sim)
  sim:approve()
  local own = { name = "odd.exe", kind = "child", path = [[C:\x\odd.exe]], image = [[C:\x\odd.exe]],
                sha256 = SHA256, sha1 = LAUNCHER.sha1 }
  local run = sim:run("t1059.isolate", { subject = own, device = "WORKSTATION6", verdict = "malicious" })
  same(run.state, "completed")
  sim.visionone:did("terminate_process", 1)
  sim.crowdstrike:never "rtr_kill"
end)

test "one act that fails does not stop the others, and is told" (function(sim)
  sim:approve()
  sim:faults "visionone.block=5xx"
  local run = sim:run("t1059.isolate", MALICIOUS)
  includes(run.not_done, { what = "deny launcher.vbs" })
  sim.visionone:did("isolate", 1)
  sim.crowdstrike:did("rtr_kill", 1)
end)

test "a person who says no: nothing is touched" (function(sim)
  sim:deny { comment = "the finance department needs it" }
  local run = sim:run("t1059.isolate", MALICIOUS)
  same(run.error.code, "denied")
  sim.visionone:never "block"
  sim.visionone:never "isolate"
  sim.crowdstrike:never "rtr_kill"
end)

test "a question that nobody answers lapses" (function(sim)
  local run = sim:run("t1059.isolate", MALICIOUS)
  same(run.state, "waiting")
  sim:pass "2h"
  same(run.error.code, "expired")
  sim.visionone:never "isolate"
end)

test "benign: off the denylist and onto the exceptions, by both hashes" (function(sim)
  sim:approve { title = "Allow launcher.vbs" }
  local run = sim:run("t1059.isolate", { subject = LAUNCHER, verdict = "benign" })
  same(run.state, "completed")
  sim.visionone:did("add_exception", 2)
  sim.visionone:never "isolate"
end)

test "a command has no file whose hash could be denied" (function(sim)
  sim:approve()
  local command = { name = "command.ps1", kind = "command", text = "whoami" }
  local run = sim:run("t1059.isolate", { subject = command, device = "WORKSTATION5", verdict = "malicious" })
  includes(run.not_done, { what = "deny command.ps1" })
  sim.visionone:never "block"
  sim.visionone:did("isolate", 1)
end)
