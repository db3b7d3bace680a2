-- expected_test.lua: every document of tests/fixtures/alerts against the facts that are known of it
-- (expected.jsonl, which PROVENANCE.md explains), and the sets line by line.

package.path = "tests/lua/alert/?.lua;" .. package.path
local shim = require "shim"
local test = shim.test
local alert = require "alert"
local attack = require "attack"

local ROOT = "tests/fixtures/alerts/"

---The alert that the facts of a file are about.
local function subject_of(alerts, record)
  local n = record and (record:match("line (%d+)") or (record:match("%[(%d+)%]")
                                                       and tonumber(record:match("%[(%d+)%]")) + 1))
  return alerts[math.tointeger(tonumber(n or 1))]
end

local function same(a, b)
  if type(a) == "string" and type(b) == "string" then return a:lower() == b:lower() end
  return a == b
end

local function user_matches(u, expected)
  if expected == nil or u == nil then return u == expected end
  return same(u.domain and u.domain .. "\\" .. u.name or u.name, expected) or same(u.email, expected)
end

local function check(what, got, expected)
  if not same(got, expected) then
    error(("%s: got %s, expected %s"):format(what, tostring(got), tostring(expected)), 0)
  end
end

local BASIS = { stated = "stated", stated_old_id = "stated", title = "title", observed = "observed" }

local function compare(a, x)
  local p, d, t = a.process or {}, a.device or {}, a.technique or {}
  check("format", a.format, x.source)
  if not x.ambiguous then
    check("is_t1059", attack.under(a, "T1059"), x.is_t1059)
    check("technique", t.id, x.technique)
    check("basis", t.basis, BASIS[x.technique_basis])
  end
  check("host", d.hostname, x.host)
  check("ips", table.concat(d.ip or {}, " "), table.concat(x.ips or {}, " "))
  check("agent_id", d.agent_id, x.agent_id)
  if not user_matches(a.user, x.user) then check("user", a.user and (a.user.domain or "") .. "\\"
                                                 .. a.user.name, x.user) end
  check("process", p.name, x.process)
  check("parent", p.parent and p.parent.name, x.parent)
  for _, kind in ipairs { "sha256", "sha1", "md5" } do check(kind, p[kind], x[kind]) end
  if x.cmdline_contains then
    assert(p.cmd_line and p.cmd_line:find(x.cmdline_contains, 1, true), "cmd_line: got "
           .. tostring(p.cmd_line))
  end
  if x.script_contains then assert(p.script.text:find(x.script_contains, 1, true), "script text") end
  check("severity_raw", a.severity_raw, x.severity)
  assert(math.type(a.severity_raw) ~= "float", "a severity as a float")
  check("time", a.time, x.time)
  assert(a.id and a.source and a.raw and a.severity)
end

for line in shim.slurp(ROOT .. "expected.jsonl"):gmatch("[^\n]+") do
  local x = require "json".decode(line)
  test("alert: " .. x.file, function()
    local document = shim.document(ROOT .. x.file)
    local alerts, why = alert.normalise(document)
    assert(alerts, why)
    assert(why == nil, type(why) == "table" and why[1] or why)
    compare(assert(subject_of(alerts, x.record), "no such record"), x)
    if x.t1059_lines then
      assert(#alerts == #document, "one alert a line")
      local lines = {}
      for i, a in ipairs(alerts) do
        if attack.under(a, "T1059") then lines[#lines + 1] = i end
      end
      check("lines", table.concat(lines, " "), table.concat(x.t1059_lines, " "))
    end
  end)
end

test("alert: what no adapter knows is refused with a reason", function()
  local out, why = alert.normalise { hello = "world" }
  assert(out == nil and why:find("an object with hello", 1, true), why)
  out = alert.normalise(require "json".array {})
  assert(out == nil or #out == 0)
end)

test("alert: an element that is unknown does not hide the others", function()
  local known = shim.document(ROOT .. "falco/write_below_binary_dir.json")
  local out, skipped = alert.normalise { known, { odd = true } }
  assert(#out == 1 and skipped[1]:find("element 2", 1, true))
end)

test("alert: a document without an id of its own has that of its content", function()
  local document = shim.document(ROOT .. "windows/evtx_sysmon1_mshta_vbscript.json")
  local a, b = alert.normalise(document)[1], alert.normalise(document)[1]
  assert(a.id == b.id and a.id:find("^sha256:%x+$") and #a.id == 71)
end)

test("alert: alerts of a page that carry placeholders for ids do not become one", function()
  local seen = {}
  for _, a in ipairs(alert.normalise(shim.document(ROOT .. "ocsf/detection_findings_prowler_aws.json"))) do
    assert(not seen[a.id], a.id)
    seen[a.id] = true
  end
end)

---Replaces the n-th leaf of a document, wherever it is, by something that does not belong there.
local function misshape(value, at, wrong)
  for k, v in pairs(value) do
    if type(v) == "table" and next(v) then
      at = misshape(v, at, wrong)
    else
      at = at - 1
      if at == 0 then value[k] = wrong end
    end
    if at <= 0 then return at end
  end
  return at
end

local WRONG = { 7, true, "x", { "y" }, { {} } }

test("alert: a member of the wrong type never raises, and the rest of the document is read", function()
  for line in shim.slurp(ROOT .. "expected.jsonl"):gmatch("[^\n]+") do
    local file = require "json".decode(line).file
    local text = not file:find("^sets") and shim.slurp(ROOT .. file)
    for n = 1, text and 40 or 0 do
      local document = require "json".decode(text)
      misshape(document, n, WRONG[n % #WRONG + 1])
      local alerts, why = alert.normalise(document)
      assert(alerts or type(why) == "string", file)
      why = type(why) == "table" and why[1] or why
      assert(not (why and why:find("damaged", 1, true)), file .. ": " .. tostring(why))
    end
  end
end)

shim.done()
