-- detect_test.lua: what ran is analysed, and the verdict says why.

local HOST = "WORKSTATION5"

local function file(path, sha256) return { path = path, host = HOST, sha256 = sha256 } end

test "a file is fetched from its host and analysed; its verdict is kept" (function(sim)
  sim:approve()
  local run = sim:run("t1059.detect", { subject = file [[C:\Users\pgustavo\Desktop\launcher.vbs]] })
  same(run.result.verdict, "malicious")
  includes(run.found, { severity = "critical", title = "launcher.vbs is malicious" })
  sim:order { "crowdstrike.rtr_get", "crowdstrike.submit" }
  sim.crowdstrike:did("submit", 1)
  includes(run.evidence, { name = "sandbox report" })
  local kept = sim:effects "store.set"[1].args
  same(kept.value.verdict, "malicious")
end)

test "a hash that was analysed before is not analysed again" (function(sim)
  sim:approve()
  local first = sim:run("t1059.detect", { subject = file [[C:\Users\pgustavo\Desktop\launcher.vbs]] })
  local sha256 = first.result.subject.sha256
  local run = sim:run("t1059.detect", { subject = file([[C:\Users\pgustavo\Desktop\launcher.vbs]], sha256) })
  same(run.result.verdict, "malicious")
  sim.crowdstrike:did("submit", 1)
end)

test "a sandbox that knows nothing says unknown, never benign" (function(sim)
  sim:approve()
  local run = sim:run("t1059.detect", { subject = file [[C:\Users\pgustavo\Documents\notes.txt]] })
  same(run.result.verdict, "unknown")
  same(#run.found, 0)
end)

test "what somebody names as benign is benign, and is not analysed" (function(sim)
  sim:approve()
  local sha256 = "88f8421e1fa4468d3d76ac62019ab4a03b3f6af1e17422d722cb46f21df9ec48"
  local subject = file([[C:\Users\pgustavo\Documents\notes.txt]], sha256)
  local run = sim:run("t1059.detect", { subject = subject, benign = { sha256 } })
  same(run.result.verdict, "benign")
  sim.crowdstrike:never "submit"
end)

test "of an interpreter alone nothing can be said" (function(sim)
  local run = sim:run("t1059.detect", { subject = { name = "powershell.exe", kind = "interpreter" } })
  same(run.result.verdict, "unknown")
  same(#sim:effects(), 0)
end)

test "a file that is gone is told, and is no verdict" (function(sim)
  sim:approve()
  local run = sim:run("t1059.detect", { subject = file [[C:\Users\pgustavo\Desktop\gone.vbs]] })
  same(run.state, "failed")
  same(run.error.code, "not_found")
  sim.crowdstrike:never "submit"
end)
