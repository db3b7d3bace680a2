-- qualys_test.lua: what the simulated Qualys refuses, and how.
package.path = "tests/lua/?.lua;" .. package.path
local harness = require "harness"
local json, kit, xml = require "json", require "sim.kit", require "xml"
local qualys = require "sim.qualys"
local test, eq = harness.test, harness.eq

local T0 = 1795500000
local HOSTS, DETECTIONS = "/api/5.0/fo/asset/host/", "/api/5.0/fo/asset/host/vm/detection/"
local SCAN, LIST, KB = "/api/2.0/fo/scan/", "/api/3.0/fo/scan/", "/api/4.0/fo/knowledge_base/vuln/"
local BASIC = "Basic " .. harness.base64(qualys.config.username .. ":" .. qualys.config.password)

local function start(faults) return qualys:start { seed = 3, faults = faults } end

local function encoded(form)
  local out = {}
  for k, v in pairs(form) do out[#out + 1] = kit.encode(k) .. "=" .. kit.encode(tostring(v)) end
  table.sort(out)
  return table.concat(out, "&")
end

-- One request: a POST of a form, or what `options` say otherwise.
local function ask(s, path, form, options)
  options = options or {}
  local headers = { Authorization = BASIC, ["X-Requested-With"] = "test",
                    ["Content-Type"] = "application/x-www-form-urlencoded" }
  for k, v in pairs(options.headers or {}) do headers[k] = v end
  local list = {}
  for k, v in pairs(headers) do if v then list[#list + 1] = { k, v } end end
  local text = type(form) == "string" and form or encoded(form)
  local get = options.method == "GET"
  local r = s:handle { method = options.method or "POST", target = path .. (get and "?" .. text or ""),
                       headers = list,
                       body = get and "" or text, now = options.now or T0, running = options.running }
  local ok, body = pcall(xml.decode, r.body)
  return r, ok and body or nil
end

local function find(node, name)
  for _, c in ipairs(node) do
    if c.name == name then return c end
    local deeper = find(c, name)
    if deeper then return deeper end
  end
  return nil
end

local function text(node, name)
  local c = find(node, name)
  return c and c.text:match "^%s*(.-)%s*$"
end

local function refused(s, status, code, path, form, options)
  local r, body = ask(s, path, form, options)
  eq({ r.status, body and text(body, "CODE") or "none" }, { status, tostring(code) },
     encoded(type(form) == "table" and form or {}))
  eq(body.name, "SIMPLE_RETURN")
end

local function header(r, name)
  for _, h in ipairs(r.headers) do if h[1]:lower() == name then return h[2] end end
end

local LAUNCH = { action = "launch", scan_title = "a title", option_title = "Initial Options",
                 ip = "10.20.5.15",
                 iscanner_name = "dc1-appliance" }

local function launch(s, more, options)
  local form = {}
  for k, v in pairs(LAUNCH) do form[k] = v end
  for k, v in pairs(more or {}) do form[k] = v or nil end
  local r, body = ask(s, SCAN, form, options)
  return text(body, "VALUE") and body.name and find(body, "ITEM_LIST")[2][2].text, r
end

local function state(s, ref, after)
  local _, body = ask(s, LIST, { action = "list", scan_ref = ref }, { now = T0 + after })
  return text(body, "STATE"), text(body, "SUB_STATE"), body
end

-- The gate -------------------------------------------------------------------------------------------------

test("no X-Requested-With, a wrong password, a form that is none", function()
  local s = start()
  refused(s, 400, 999, HOSTS, { action = "list" }, { headers = { ["X-Requested-With"] = false } })
  refused(s, 400, 999, HOSTS, { action = "list" }, { headers = { ["X-Requested-With"] = "" } })
  refused(s, 401, 2000, HOSTS, { action = "list" }, { headers = { Authorization = "Basic eDp5" } })
  refused(s, 401, 2000, HOSTS, { action = "list" }, { headers = { Authorization = false } })
  refused(s, 400, 1907, HOSTS, { action = "list" }, { headers = { ["Content-Type"] = "application/json" } })
end)

test("parameters: unknown, missing, empty, malformed, exclusive, wrong method", function()
  local s = start()
  refused(s, 400, 1903, HOSTS, {})
  refused(s, 400, 1905, HOSTS, { action = "List" })
  refused(s, 400, 1901, HOSTS, { action = "list", Ips = "10.20.5.15" })
  refused(s, 400, 1905, HOSTS, { action = "list", ips = "" })
  for _, bad in ipairs { "10.20.5.256", "x", "10.20.5.9-10.20.5.1", "10.20.5.0/24",
                         "10.20.5.1,,10.20.5.2" } do
    refused(s, 400, 1905, HOSTS, { action = "list", ips = bad })
  end
  refused(s, 400, 1905, HOSTS, { action = "list", vm_scan_since = "20.11.2026" })
  refused(s, 400, 1905, HOSTS, { action = "list", ids = "12x" })
  refused(s, 400, 1905, DETECTIONS, { action = "list", show_igs = "yes" })
  refused(s, 400, 1905, DETECTIONS, { action = "list", severities = "0-9" })
  refused(s, 400, 1905, DETECTIONS, { action = "list", status = "active" })
  refused(s, 400, 1904, HOSTS, { action = "list", ag_ids = "1", ag_titles = "x" })
  refused(s, 400, 1908, SCAN, LAUNCH, { method = "GET" })
  refused(s, 400, 1908, SCAN, { action = "cancel", scan_ref = "x" }, { method = "GET" })
  eq(#s.log, 0)
end)

test("a GET lists as well; a repeated parameter keeps its last value; a path without its slash is HTML",
     function()
  local s = start()
  local _, body = ask(s, HOSTS, "action=list&ips=10.20.5.15&ips=10.20.5.16", { method = "GET" })
  eq(text(body, "IP"), "10.20.5.16")
  local r = ask(s, "/api/5.0/fo/asset/host", { action = "list" })
  eq({ r.status, header(r, "content-type") }, { 404, "text/html" })
  eq(ask(s, "/api/9.0/fo/asset/host/", { action = "list" }).status, 404)
  eq(ask(s, "/api/3.0/fo/asset/host/", { action = "list" }).status, 200)
end)

-- Envelope -----------------------------------------------------------------------------------------------

test("the envelope: document type, comments before and after, padded CDATA, an empty element", function()
  local r = ask(start(), HOSTS, { action = "list" })
  assert(r.body:find('<!DOCTYPE HOST_LIST_OUTPUT SYSTEM "https://qualysapi', 1, true))
  assert(r.body:find("keep%-alive") and r.body:find("</HOST_LIST_OUTPUT>%s*<!%-%-"))
  assert(r.body:find("<DNS><![CDATA[\nworkstation5.theshire.local\n]]></DNS>", 1, true))
  eq(header(r, "content-type"), "application/xml")
  r = ask(start(), KB, { action = "list", ids = "38173" })
  assert(r.body:find("<CVE_LIST />", 1, true))
end)

test("nothing found is a RESPONSE with its time alone", function()
  local s = start()
  for _, c in ipairs { { HOSTS, { action = "list", ips = "198.51.100.9" } },
                       { LIST, { action = "list", scan_ref = "scan/1.1" } },
                       { KB, { action = "list", ids = "1" } },
                       { DETECTIONS, { action = "list", qids = "1" } } } do
    local r, body = ask(s, c[1], c[2])
    eq(r.status, 200)
    eq(#body[1], 1)
    eq(body[1][1].name, "DATETIME")
  end
end)

test("a list is cut at its limit, and the way on is on the vendor's own name", function()
  local s = start()
  local _, body = ask(s, HOSTS, { action = "list", truncation_limit = 3, ips = "10.20.0.0-10.20.255.255" })
  eq(#find(body, "HOST_LIST"), 3)
  eq(text(find(body, "WARNING"), "CODE"), "1980")
  local url = text(body, "URL")
  assert(url:find("https://qualysapi.qg2.apps.qualys.example/api/5.0/fo/asset/host/?", 1, true), url)
  assert(url:find("ips=10.20.0.0", 1, true) and url:find("id_min=", 1, true))
  local id = url:match "id_min=(%d+)"
  _, body = ask(s, HOSTS, { action = "list", truncation_limit = 3, id_min = id,
                            ips = "10.20.0.0-10.20.255.255" })
  eq(text(body, "ID"), id)
  eq(find(body, "WARNING"), nil)
  _, body = ask(s, HOSTS, { action = "list", truncation_limit = 0 })
  eq(#find(body, "HOST_LIST"), 7)
  _, body = ask(s, HOSTS, { action = "list", details = "None" })
  eq(#find(body, "ID_SET"), 7)
end)

test("detections count hosts, hide information, and leave out hosts without any", function()
  local s = start()
  local _, body = ask(s, DETECTIONS, { action = "list", truncation_limit = 1 })
  eq(#find(body, "HOST_LIST"), 1)
  assert(#find(body, "DETECTION_LIST") > 1)
  _, body = ask(s, DETECTIONS, { action = "list", ips = "10.20.1.10" })
  eq(find(body, "HOST_LIST"), nil)
  _, body = ask(s, DETECTIONS, { action = "list", ips = "10.20.1.10", show_igs = 1 })
  eq(text(body, "TYPE"), "Info")
  _, body = ask(s, DETECTIONS, { action = "list", ips = "10.20.5.15", show_results = 0 })
  eq(find(body, "RESULTS"), nil)
end)

-- Scans --------------------------------------------------------------------------------------------------

test("what a launch refuses", function()
  local s = start()
  local function no(status, code, change)
    local form = {}
    for k, v in pairs(LAUNCH) do form[k] = v end
    for k, v in pairs(change) do form[k] = v or nil end
    refused(s, status, code, SCAN, form)
  end
  no(400, 1903, { option_title = false })
  no(400, 1904, { option_id = "1001" })
  no(400, 1905, { option_title = "No Such" })
  no(400, 1905, { iscanner_name = "no-such" })
  no(400, 1904, { iscanner_id = "7" })
  no(400, 1922, { ip = false })
  no(400, 1905, { ip = "" })
  no(400, 1905, { priority = "10" })
  no(400, 1905, { scan_title = "t\u{e9}st" })
  no(400, 1907, { target_from = "tags" })
  no(400, 999, { ip = "192.0.2.1" })
  eq(#s.log, 0)
end)

test("launched twice is two scans, each with a reference of its own", function()
  local s = start()
  local a, b = launch(s), launch(s)
  assert(a:match "^scan/%d+%.%d+$" and a ~= b, a)
  eq(#s.log, 2)
end)

test("the states of a scan go forward with time, and no host is finished, too", function()
  local s = start()
  local ref = launch(s)
  local seen = {}
  for i, after in ipairs { 0, 29, 31, 629, 631, 689, 691 } do seen[i] = state(s, ref, after) end
  eq(seen, { "Queued", "Queued", "Running", "Running", "Loading", "Loading", "Finished" })
  for _, more in ipairs { { ip = "10.20.9.77" }, { iscanner_name = false } } do
    ref = launch(s, more)
    local at, sub = state(s, ref, 700)
    eq({ at, sub }, { "Finished", "No_Host" })
  end
  ref = launch(s, { ip = "10.20.1.10" })
  eq(select(2, state(s, ref, 700)), "No_Vuln")
end)

test("targets out of scope vanish without a word", function()
  local s = start()
  local ref, r = launch(s, { ip = "10.20.5.15,192.0.2.1" })
  eq(r.status, 200)
  eq(text(select(3, state(s, ref, 0)), "TARGET"), "10.20.5.15")
end)

test("results are merged into the hosts some time after the end", function()
  local s = start()
  local ref = launch(s)
  local function last(after)
    local _, body = ask(s, HOSTS, { action = "list", ips = "10.20.5.15" }, { now = T0 + after })
    return text(body, "LAST_VM_SCANNED_DATE")
  end
  local was = last(0)
  state(s, ref, 700)
  eq(last(700), was)
  eq(text(select(3, state(s, ref, 811)), "PROCESSED"), "1")
  eq(last(811), kit.iso(T0 + 690))
end)

test("the list forgets scans older than thirty days unless a date is given, and may be late", function()
  local s = start()
  local ref = launch(s)
  local old = T0 + 31 * 86400
  local _, body = ask(s, LIST, { action = "list" }, { now = old })
  eq(find(body, "SCAN"), nil)
  _, body = ask(s, LIST, { action = "list", launched_after_datetime = "2026-01-01" }, { now = old })
  eq(text(body, "REF"), ref)
  s.state.listed_after = 20
  eq(state(s, launch(s), 19), nil)
end)

test("results: too early is 15003 as XML; then JSON that is called HTML, in two shapes", function()
  local s = start()
  local ref = launch(s)
  local form = { action = "fetch", scan_ref = ref, output_format = "json_extended" }
  refused(s, 409, 15003, SCAN, form)
  refused(s, 409, 15003, SCAN, { action = "fetch", scan_ref = "scan/1.1" })
  refused(s, 400, 1903, SCAN, { action = "fetch" })
  local r = ask(s, SCAN, form, { now = T0 + 700 })
  eq(header(r, "content-type"), "text/html; charset=UTF-8")
  local list = json.decode(r.body)
  eq(list[2].reference, ref)
  eq({ math.type(list[3].qid), list[3].severity, list[3].results ~= nil }, { "integer", "4", true })
  assert(list[#list].target_distribution_across_scanner_appliances)
  form.output_format = "json"
  list = json.decode((ask(s, SCAN, form, { now = T0 + 700 })).body)
  eq({ list[1].severity, list[1].result ~= nil }, { nil, true })
  form.output_format = nil
  assert(ask(s, SCAN, form, { now = T0 + 700 }).body:find('"IP","DNS"', 1, true))
end)

test("a cancel takes a while, and is refused where nothing runs", function()
  local s = start()
  local ref = launch(s)
  local cancel = { action = "cancel", scan_ref = ref }
  eq(ask(s, SCAN, cancel, { now = T0 + 100 }).status, 200)
  eq(state(s, ref, 101), "Canceling")
  refused(s, 409, 1920, SCAN, cancel, { now = T0 + 102 })
  eq(state(s, ref, 121), "Canceled")
  refused(s, 400, 1905, SCAN, { action = "cancel", scan_ref = "scan/1.1" })
end)

-- Limits -------------------------------------------------------------------------------------------------

test("each API has an hour's calls that slide, and both kinds of block are 409", function()
  local s = start()
  s.state.limit = 2
  ask(s, HOSTS, { action = "list" })
  local r = ask(s, HOSTS, { action = "list" }, { now = T0 + 10 })
  eq({ header(r, "x-ratelimit-remaining"), header(r, "x-ratelimit-towait-sec") }, { "0", "0" })
  local body
  r, body = ask(s, HOSTS, { action = "list" }, { now = T0 + 20 })
  eq({ r.status, text(body, "CODE"), header(r, "x-ratelimit-towait-sec") }, { 409, "1965", "3580" })
  eq(text(find(body, "ITEM"), "VALUE"), "3580")
  eq(ask(s, KB, { action = "list", ids = "38173" }, { now = T0 + 20 }).status, 200)
  eq(ask(s, HOSTS, { action = "list" }, { now = T0 + 3601 }).status, 200)
  r, body = ask(s, KB, { action = "list", ids = "38173" }, { now = T0 + 20, running = 3 })
  eq({ r.status, text(body, "CODE"), header(r, "x-ratelimit-remaining"),
       header(r, "x-concurrency-limit-running") },
     { 409, "1960", nil, "3" })
end)

test("an account that has expired is told with status 200", function()
  refused(start "qualys=expire", 200, 2001, HOSTS, { action = "list" })
end)

harness.done()
