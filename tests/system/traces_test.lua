-- traces_test.lua: what runs do, as spans at a collector: one trace from the alert to the last step, over a crash; what
-- vendors are told of it; what must not be in it.
local sys = dofile "tests/system/harness.lua"
local kit = dofile "tests/system/http_kit.lua" (sys)
local otlp = dofile "tests/system/otlp_kit.lua" (sys)
local eq, has, hasnt = sys.eq, sys.has, sys.hasnt

local TRACE, ABOVE = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
local CONTEXT = { traceparent = "00-" .. TRACE .. "-" .. ABOVE .. "-01" }

local function ends(http, run)
  local doc
  return function()
    doc = http:call("GET", "/v1/runs/" .. run, { as = "viewer" }).doc()
    return doc.state == "completed" or doc.state == "failed" or doc.state == "cancelled"
  end, function() return doc end
end

local function begin(http, playbook, o)
  o = o or {}
  local r = http:call("POST", "/v1/runs", { as = "operator", headers = o.headers,
                                            json = { playbook = playbook, input = o.input } })
  eq(r.status, 202, r.body)
  local over, doc = ends(http, r.doc().run)
  assert(http.t:until_true(over), "it does not end")
  return doc()
end

---The configuration that tells c, with further lines.
local function traced(c, more)
  return ("traces = { url = %q, %s },"):format(c.url, more or "")
end

-- One response, one trace -----------------------------------------------------------------------------------

local ALERT = sys.root .. "/tests/fixtures/alerts/windows/nxlog_sysmon1_wscript_launcher_vbs.json"

local function signed(t, body)
  local time = tostring(os.time())
  t:write("signed", time .. "." .. body)
  local p = io.popen(("openssl dgst -sha256 -hmac 'a key of both' -r '%s/signed'"):format(t.dir))
  local hex = p:read "a":match "^%x+"
  p:close()
  return { ["X-Signature"] = hex, ["X-Time"] = time, traceparent = CONTEXT.traceparent }
end

---By id, each once: what was told twice is the same.
local function by_id(spans)
  local out = {}
  for _, s in ipairs(spans) do
    local had = out[s.id]
    if had then
      for _, k in ipairs { "name", "parent", "trace", "from", "to" } do eq(s[k], had[k], s.name .. "'s " .. k) end
    end
    out[s.id] = s
  end
  return out
end

sys.test("a response begun by a signed alert, killed and taken up again, is one trace", function(t)
  t:record()
  t:sim { "--speed", "2000" }
  local c = otlp.start(t)
  local sources = 'sources = { edr = { secret = secret "edr", header = "X-Signature", time = "X-Time" } }'
  t:write("sim.conf.lua", (t:read "sim.conf.lua":gsub("return {", ('return { listen = "127.0.0.1:0", intake = { %s }, %s')
                                                      :format(sources, traced(c)), 1)))
  t:expect(0, { "secret", "set", "edr", stdin = "a key of both" })
  local job, http = kit.serve(t, { keep = true })
  local body = sys.slurp(ALERT)
  local r = http:call("POST", "/v1/alerts?source=edr", { body = body, headers = signed(t, body) })
  eq(r.status, 202, r.body)
  local alert = r.doc().alerts[1]
  local run
  assert(t:until_true(function()
    run = http:call("GET", "/v1/alerts", { as = "viewer" }).doc().alerts[1].runs[1]
    return run
  end), "nothing was begun")
  run = type(run) == "table" and run.run or run
  eq(alert.new, true)

  local function questions() return http:call("GET", "/v1/approvals", { as = "approver" }).doc().approvals end
  assert(t:until_true(function() return #questions() > 0 end), "nobody is asked")
  job.kill "KILL"
  job.wait()
  job, http = kit.serve(t, { keep = true, tokens = http.token })
  local over, doc = ends(http, run)
  assert(t:until_true(function()
    for _, q in ipairs(questions()) do
      http:call("POST", "/v1/approvals/" .. q.id, { as = "approver", json = { decision = "approve" } })
    end
    return over()
  end), "it does not end")
  eq(job.stop().code, 0)
  c.stop()

  local spans = by_id(c.spans())
  local top, of, stages, asked = nil, {}, {}, 0
  for _, s in pairs(spans) do
    if s.name == "t1059.respond" then top = s end
    if s.attr["lunette.run"] == run and s.attr["lunette.outcome"] ~= "planned" then of[s.name] = (of[s.name] or 0) + 1 end
    if s.attr["lunette.class"] == nil and s.name ~= "t1059.respond" then stages[s.name] = s end
    for _, e in ipairs(s.events) do if e.name == "lunette.approval.decided" then asked = asked + 1 end end
  end
  assert(top, "the run itself is no span")
  eq(top.parent, ABOVE)
  eq(top.service, "lunette")
  eq(top.attr["threat.technique.id"]:sub(1, 5), "T1059")
  assert(asked > 0, "no question is on record")
  local steps = 0
  for _, s in pairs(spans) do
    eq(s.trace, TRACE, s.name .. "'s trace")
    assert(s == top or spans[s.parent], s.name .. " has nobody above it")
    assert(s.from <= s.to)
    steps = steps + (s.attr["lunette.class"] and 1 or 0)
  end
  for _, s in ipairs(doc().stages) do
    if s.state == "done" then
      assert(stages[s.stage], s.stage .. " is no span")
      eq(spans[stages[s.stage].parent], top)
    end
  end
  -- each step is a span, below its stage
  local wanted = {}
  for _, s in ipairs(doc().steps) do wanted[s.op] = (wanted[s.op] or 0) + 1 end
  for op, n in pairs(wanted) do eq(of[op], n, "spans of " .. op) end
  for _, s in pairs(spans) do
    local above = spans[s.parent]
    if s.attr["lunette.stage"] and s.attr["lunette.class"] and above ~= top then eq(above.name, s.attr["lunette.stage"]) end
  end
  local harden = spans[stages.harden.id]
  local write = c.one "okta.add_to_group"
  eq(write.parent, harden.id)
  eq(write.kind, 3)
  eq(write.attr["server.address"], "127.0.0.1")
  eq(write.attr["lunette.entity.kind"], "user")
  assert(#write.attr["lunette.d3fend"] > 0)
  assert(#write.events == 2, "it was asked about")

  -- what vendors were told is the step that asked
  local told = 0
  for _, w in ipairs(t:wire()) do
    local id = (w.headers.traceparent or ""):match("^00%-" .. TRACE .. "%-(%x+)%-01$")
    if w.headers.traceparent then
      assert(id, w.headers.traceparent)
      assert(spans[id], w.vendor .. "." .. tostring(w.op) .. " names a span that nobody told")
      told = told + 1
    else has(tostring(w.op), "token") end
  end
  assert(told > steps // 2, told .. " requests")

  -- names only: nothing that the alert, a vendor or a person said
  for _, r2 in ipairs(c.requests()) do
    for _, text in ipairs { "WORKSTATION", "launcher", "jdoe", "@", "Bearer", "approver" } do hasnt(r2.body, text) end
  end
end)

-- Who goes on with whose trace ------------------------------------------------------------------------------

local PARENT = 'run_playbook("below", {}) start("below", {}) log.info("x") return try(fail, "odd_code", "with a secret")'

sys.test("children are below the step that began them; without a context a run begins a trace", function(t)
  local c = otlp.start(t)
  t:playbook("below", 'step("s", function() return 1 end)')
  t:playbook("above", PARENT, 'uses = { "below" },')
  local job, http = kit.serve(t, { conf = traced(c) })
  local given = begin(http, "above", { headers = CONTEXT })
  local own = begin(http, "above")
  local odd = begin(http, "above", { headers = { traceparent = "00-" .. TRACE:upper() .. "-" .. ABOVE .. "-01" } })
  local silent = begin(http, "above", { headers = { traceparent = "00-" .. TRACE .. "-" .. ABOVE .. "-00" } })
  assert(t:until_true(function() return #http:call("GET", "/v1/runs?state=completed", { as = "viewer" }).doc().runs == 12 end))
  has(http:call("GET", "/metrics", { as = "viewer" }).body, "lunette_traces_dropped_total 0\n")
  job.stop()
  c.stop()

  local spans, runs, traces = by_id(c.spans()), {}, {}
  for _, s in pairs(spans) do
    local run = s.attr["lunette.run"]
    assert(not traces[run] or traces[run] == s.trace, "a run is in two traces")
    traces[run] = s.trace
    if not s.attr["lunette.class"] then runs[#runs + 1] = s end
  end
  eq(#runs, 9)
  eq(traces[given.run], TRACE)
  eq(traces[silent.run], nil)
  assert(traces[own.run] ~= TRACE and traces[odd.run] ~= TRACE and traces[own.run] ~= traces[odd.run])
  for _, s in ipairs(runs) do
    if s.name == "above" then
      eq(s.parent, s.attr["lunette.run"] == given.run and ABOVE or nil)
    else
      local step = spans[s.parent]
      assert(step.name == "run_playbook" or step.name == "start")
      eq(s.trace, step.trace)
    end
  end
end)

sys.test("a failed step is an error, by its code; a share of the traces; another name", function(t)
  local c = otlp.start(t)
  t:playbook("fails", 'step("s", function() fail("odd_code", "a secret word") end)')
  t:playbook("many", "return 1")
  local job, http = kit.serve(t, { conf = traced(c, 'service = "soc", sample = 0.5') })
  for _ = 1, 24 do begin(http, "many") end
  begin(http, "fails", { headers = CONTEXT })
  job.stop()
  c.stop()
  local many = 0
  for _, s in ipairs(c.spans()) do
    eq(s.service, "soc")
    many = many + (s.name == "many" and 1 or 0)
  end
  assert(many > 0 and many < 24, many .. " of 24")
  local step, run = c.one "step", c.one "fails"
  assert(step.failed and run.failed)
  eq(step.attr["error.type"], "odd_code")
  eq(run.attr["error.type"], "odd_code")
  eq(run.attr["lunette.state"], "failed")
  eq(step.parent, run.id)
  for _, r in ipairs(c.requests()) do hasnt(r.body, "secret word") end
end)

-- The collector ---------------------------------------------------------------------------------------------

sys.test("a collector that is in trouble gets it later, with the credential that it is owed", function(t)
  local c = otlp.start(t, { faults = "collector.traces#1=5xx:503" })
  t:playbook("many", "return 1")
  t:write("lunette.conf.lua", "return { }")
  t:expect(0, { "secret", "set", "otel", stdin = "the token" })
  local job, http = kit.serve(t, { conf = traced(c, 'auth = "otel"')
    .. 'credentials = { otel = { hosts = { "127.0.0.1" }, bearer = secret "otel" } },' })
  local doc = begin(http, "many")
  assert(t:until_true(function() return #c.requests() > 0 end), "it was not sent again")
  has(http:call("GET", "/metrics", { as = "viewer" }).body, "lunette_traces_sent_total 1\n")
  job.stop()
  c.stop()
  local r = c.requests()[1]
  eq(r.headers.authorization, "Bearer the token")
  eq(r.headers["content-type"], "application/json")
  eq(c.one "many".attr["lunette.run"], doc.run)
  hasnt(job.seen "err", "the token")
end)

sys.test("nobody is there: runs and the end go on, and what is lost is counted", function(t)
  t:playbook("many", "return 1")
  local job, http = kit.serve(t, { conf = 'traces = { url = "http://127.0.0.1:1/v1/traces" },' })
  begin(http, "many")
  has(http:call("GET", "/metrics", { as = "viewer" }).body, "lunette_traces_sent_total 0\n")
  eq(job.stop().code, 0)
  has(job.seen "err", "traces.stopped")
  has(job.seen "err", "dropped=1")
end)

sys.test("lunette run tells it as well", function(t)
  local c = otlp.start(t)
  t:playbook("many", "return 1")
  t:write("lunette.conf.lua", "return { scripts = { \"scripts\" }, " .. traced(c) .. " }\n")
  t:expect(0, { "run", "many" })
  c.stop()
  eq(c.one "many".attr["lunette.outcome"], "complete")
end)

sys.test("raw http: hosts that a credential is bound to are told, others if the site says so", function(t)
  local c = otlp.start(t)
  local base = c.url:match "^(http://[^/]+)"
  local function told(more)
    t:write("lunette.conf.lua", ("return { scripts = { \"scripts\" }, egress = { %q }, %s }\n"):format(base, more))
    local before = #c.requests()
    t:expect(0, { "run", "posts" })
    for i, r in ipairs(c.requests()) do
      if i > before and r.body == "{}" then return r.headers.traceparent end
    end
    error "it was not asked"
  end
  local body = ('local http = require "http" http.post { url = %q, json = {} }'):format(c.url)
  t:playbook("posts", body, 'uses = { "http" },')
  local hook = 'credentials = { hook = { hosts = { "127.0.0.1" }, bearer = secret "hook" } },'
  eq(told(traced(c)), nil)
  eq(told(hook), nil)                                     -- nobody traces
  eq(told(traced(c, 'tell = "none"') .. hook), nil)
  has(told(traced(c) .. hook), "-01")
  has(told(traced(c, 'tell = "any"')), "-01")
  eq(told(traced(c, 'tell = "any", sample = 0')):sub(-3), "-00")
  c.stop()
end)

sys.test("a configuration that cannot be meant is refused", function(t)
  local hook = 'credentials = { hook = { hosts = { "other.example" }, bearer = secret "hook" } },'
  for traces, why in pairs {
    ['url = "http://otel.example.com/v1/traces"'] = "must be https",
    ['auth = "hook"'] = "must be https",
    ['url = "https://otel.example.com/v1/traces", auth = "none"'] = "no credential 'none'",
    ['url = "https://otel.example.com/v1/traces", auth = "hook"'] = "is not for http to the host",
    ['url = "https://otel.example.com/v1/traces", sample = 2'] = "from 0 to 1",
    ['url = "https://otel.example.com/v1/traces", tell = "all"'] = '"known", "any" or "none"',
    ['url = "https://otel.example.com/v1/traces", sampel = 1'] = "did you mean 'sample'",
  } do
    t:write("lunette.conf.lua", ("return { %s traces = { %s } }\n"):format(hook, traces))
    has(t:expect(4, { "runs" }).err, why)
  end
end)

sys.done()
