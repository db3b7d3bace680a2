-- model_test.lua: how vulnerable the host is.

test "a host that nobody scanned lately is scanned, and its findings are told, the worst first" (function(sim)
  local run = sim:run("t1059.model", { ip = "10.20.5.15", max_scan_age = "1d" })
  same(run.outcome, "complete")
  sim.qualys:did({ op = "launch_scan", ip = "10.20.5.15" }, 1)
  same(#run.found, run.result.findings)
  includes(run.found, { severity = "critical", qid = 105943 })
  same(run.found[1].severity, "critical")
  includes(run.evidence, { name = "scan results" })
end)

test "a host that was scanned a moment ago is not scanned again" (function(sim)
  local run = sim:run("t1059.model", { ip = "10.20.5.15", max_scan_age = "30d" })
  same(run.outcome, "complete")
  sim.qualys:never "launch_scan"
  same(run.result.scan, nil)
end)

test "a scan that cannot be begun is told, and what is known from before still stands" (function(sim)
  sim:faults "qualys.launch_scan=5xx"
  local run = sim:run("t1059.model", { ip = "10.20.5.15", max_scan_age = "1d" })
  includes(run.not_done, { what = "scan 10.20.5.15" })
  assert(#run.found > 0)
end)

test "a scan of which nobody knows whether it began waits for a person, who looks" (function(sim)
  sim:faults "qualys.launch_scan#1=reset-before,qualys.scan_list@1=html"
  local run = sim:run("t1059.model", { ip = "10.20.5.15", max_scan_age = "1d" })
  same(run.waiting["for"], "doubt")
  sim.qualys:did("launch_scan", 0)
  sim:faults ""
  sim:pass "1m"                                             -- the vendor is left alone for so long
  sim:settle(run, { did = false })
  same(run.state, "completed")
  sim.qualys:did("launch_scan", 1)                          -- now, and not before
end)
