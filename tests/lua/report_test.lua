-- report_test.lua: a run's document in words: what an analyst reads first stands first, each write is under what
-- became of it, and nothing that an alert or a vendor wrote moves the terminal or the markup.

package.path = "tests/lua/alert/?.lua;" .. package.path
local shim = require "shim"
local test = shim.test
local report = dofile "stdlib/report.lua"

local function step(op, state, more)
  local s = { name = op .. "#1", op = op, class = "write", state = state }
  for k, v in pairs(more or {}) do s[k] = v end
  return s
end

local function document(more)
  local doc = { run = "01JD", playbook = "t1059.respond", state = "completed", outcome = "partial", input = {},
                stages = {}, steps = {}, found = {}, not_done = {}, approvals = {}, holds = {}, evidence = {} }
  for k, v in pairs(more) do doc[k] = v end
  return doc
end

local function has(text, part)
  if not text:find(part, 1, true) then error(("%q is not in:\n%s"):format(part, text), 2) end
end

---The lines of one section.
local function section(text, title)
  local out, within = {}, false
  for line in text:gmatch "([^\n]*)\n" do
    if within and line:sub(1, 2) ~= "  " then break end
    if within then out[#out + 1] = line:sub(3) end
    if line == title then within = true end
  end
  return out
end

local function eq(got, want) if got ~= want then error(("got %s, not %s"):format(got, want), 2) end end

local ALERT = { raw = {}, severity = "high", title = "Odd script", source = "windows", time = "2026-11-24T09:58:00Z",
                technique = { id = "T1059.005", name = "Visual Basic" }, device = { hostname = "WS-042" },
                user = { domain = "ACME", name = "ann" } }

test("report: which alert, what is the matter, and why it is thought to be", function()
  local doc = document { input = { alert = ALERT },
    result = { verdict = "malicious", why = { "the sandbox says so", "score 100" },
               subject = { kind = "script", name = "odd.vbs", path = "C:\\odd.vbs", sha256 = "ab" } } }
  for _, text in ipairs { report.text(doc), (report.markdown(doc):gsub("\\", "")) } do
    has(text, "high: Odd script, T1059.005 Visual Basic, WS-042, ACME")
    has(text, "ann, 2026-11-24T09:58:00Z, windows")
    has(text, "script odd.vbs, C:")
    has(text, "malicious: the sandbox says so; score 100")
  end
end)

test("report: an alert of which little is known, a reason in one text, no reason", function()
  local text = report.text(document { input = { alert = { raw = {}, severity = "unknown" } },
                                      result = { verdict = "unknown", why = "nobody looked" } })
  has(text, "\nalert     unknown\n")
  has(text, "\nverdict   unknown: nobody looked\n")
  has(report.text(document { result = { verdict = "benign" } }), "\nverdict   benign\n")
end)

test("report: a write stands under what became of it, and by its name", function()
  local host = { entity = "v:host:1", label = "WS-042", facet = "isolation", to = "isolated" }
  local in_doubt = { entity = "v:host:1", label = "WS-042", facet = "isolation", to = "isolated",
                     doubt = { why = "the connection was reset", console = "https://v.example/hosts/1" } }
  local text = report.text(document { steps = {
    step("v.isolate", "done", host), step("v.scan", "unchanged", { entity = "v:host:1" }),
    step("v.block", "refused", { entity = "v:file:2", error = { code = "refused", message = "no" } }),
    step("v.kill", "failed", host), step("v.watch", "doubt", in_doubt), step("v.move", "waiting"),
    { name = "v.list#1", op = "v.list", class = "read", state = "failed" },
  }, not_done = { { what = "remove it", why = "off line" } } })
  local done, open, no = section(text, "done"), section(text, "under way"), section(text, "not done")
  eq(done[1], "v.isolate  WS-042  isolation → isolated  (v:host:1)")
  eq(done[2], "v.scan  WS-042  (v:host:1)  [unchanged]")
  eq(#done, 2)
  eq(open[1], "v.watch  WS-042  isolation → isolated  (v:host:1)  [doubt]  the connection was reset: look at "
                 .. "https://v.example/hosts/1")
  eq(open[2], "v.move  v.move#1  [waiting]")
  eq(no[1], "remove it: off line")
  eq(no[2], "v.block  v:file:2  [refused]  refused: no")
  eq(#no, 3)
end)

test("report: a plan has done nothing", function()
  local text = report.text(document { plan = true, unknown = { { branch = "host/evict", why = "the verdict" } },
    steps = { step("v.isolate", "planned", { entity = "v:host:1", would = { from = "", to = "isolated" } }) },
    not_done = { { what = "remove it", why = "off line" } } })
  eq(#section(text, "done"), 0)
  eq(#section(text, "not done"), 0)
  has(section(text, "would do")[1], "v.isolate  v:host:1  ? → isolated")
  eq(section(text, "would not be done")[1], "remove it: off line")
  eq(section(text, "not known")[1], "evict: the verdict")
end)

test("report: findings by severity, with where, when and what helps; what is held, not what was given back",
     function()
  local text = report.text(document {
    found = { { severity = "low", title = "b" }, { severity = "critical", title = "a", host = "10.0.0.1",
              last_found = "2026-11-01", remedy = "patch\nit" } },
    holds = { { entity = "v:host:1", facet = "isolation", state = "isolated", status = "held" },
              { entity = "v:host:1", facet = "isolation", state = "connected", status = "released" } },
  })
  eq(section(text, "found")[1], "critical      a (10.0.0.1; last found 2026-11-01; remedy: patch it)")
  eq(#section(text, "holds"), 1)
end)

test("report: a question that waits says how it is answered, one that was answered by whom", function()
  local lines = section(report.text(document { approvals = {
    { id = "7", state = "waiting", title = "May I?" },
    { id = "8", state = "denied", title = "And this?", by = "bob", comment = "a test" },
    { id = "9", kind = "ask", state = "waiting", title = "Whose?" } } }), "approvals")
  eq(lines[1], "7  waiting  May I?  (lunette approve 7)")
  eq(lines[2], "8  denied  And this?  by bob: a test")
  eq(lines[3], "9  waiting  Whose?  (lunette approve 9 --answer TEXT)")
end)

test("report: what others wrote is one line, without control characters or markup", function()
  local evil = "a\27[2J\rb\nc | <b>*x*</b>"
  local doc = document { input = { alert = { raw = {}, severity = "high", title = evil, device = { hostname = evil } } },
    result = { verdict = "malicious", why = { evil }, subject = { name = evil } },
    error = { code = "odd", message = evil },
    stages = { { stage = "model", state = "failed", why = evil } }, found = { { severity = "low", title = evil,
    remedy = evil, host = evil } }, not_done = { { what = evil, why = evil } },
    steps = { step("v.x", "failed", { entity = "v:host:1", label = evil, facet = evil, to = evil,
                                      error = { code = "e", message = evil } }) },
    approvals = { { id = "1", state = "waiting", title = evil, by = evil, comment = evil } },
    holds = { { entity = "v:host:1", facet = evil, state = "x", status = "held" } },
    evidence = { { name = evil, sha256 = "ab", bytes = 1 } } }
  for _, text in ipairs { report.text(doc), report.markdown(doc) } do
    assert(not text:find("[%z\1-\9\11-\31]"), "a control character")
    assert(not text:find("\nc", 1, true), "a line of its own")
  end
  assert(not report.markdown(doc):find("[^\\]<b>"), "markup")
end)

shim.done()
