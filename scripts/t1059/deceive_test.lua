-- deceive_test.lua: a decoy is laid out and watched, and whoever touches it is told.

test "a decoy is written, and its hashes are watched, never blocked" (function(sim)
  local run = sim:run("t1059.deceive", { format = "docx" })
  same(run.outcome, "complete")
  sim.file:did("write", 1)
  sim.visionone:did("watch", 2)
  sim.visionone:never "block"
  includes(run.holds, { facet = "suspicious", state = "log" })
  sim:order { "file.write", "visionone.watch" }             -- what is not there is not watched
end)

test "no two decoys are alike" (function(sim)
  local a, b = sim:run("t1059.deceive", {}), sim:run("t1059.deceive", {})
  assert(a.result.sha256 ~= b.result.sha256)
end)

test "the vendor's bad day: the decoy is there, and the run says what failed" (function(sim)
  sim:faults "visionone=5xx"
  local run = sim:run("t1059.deceive", {})
  same(run.state, "failed")
  sim.file:did("write", 1)
  includes(run.error.op, "visionone.")
end)

test "whoever opens a decoy is told, with host and account" (function(sim)
  local decoy = sim:run("t1059.deceive", {}).result
  local alert = sim:json "../../tests/fixtures/alerts/windows/nxlog_sysmon1_wscript_launcher_vbs.json"
  alert.Hashes = "SHA1=" .. decoy.sha1:upper() .. ",SHA256=" .. decoy.sha256:upper()
  local run = sim:run("t1059.decoy_touched", { alert = alert })
  local found = includes(run.found, { severity = "high", decoy = decoy.path })
  includes(found.title, "A decoy was touched")
  same(found.host, "WORKSTATION5.theshire.local")
  includes(run.evidence, { name = "alert" })
end)

test "an alert that names no decoy of ours is none" (function(sim)
  sim:run("t1059.deceive", {})
  local alert = sim:json "../../tests/fixtures/alerts/windows/nxlog_sysmon1_wscript_launcher_vbs.json"
  local run = sim:run("t1059.decoy_touched", { alert = alert })
  same(run.state, "failed")
  same(run.error.code, "not_found")
end)
