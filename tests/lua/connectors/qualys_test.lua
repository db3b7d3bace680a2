-- qualys_test.lua: the Qualys connector against its simulator.
package.path = "tests/lua/?.lua;" .. package.path
local harness = require "harness"
local walk = require "walk"
local xml = require "xml"
local test, eq, raises = harness.test, harness.eq, harness.raises

local HOST, OTHER, OLD, WEB = "10.20.5.15", "10.20.5.16", "10.20.9.77", "198.51.100.80"

local function qualys(options)
  local c = harness.client("qualys", options)
  return c, c.qualys
end

local function launch(q, more)
  local args = { ip = HOST, option = "Initial Options", scanner = "dc1-appliance" }
  for k, v in pairs(more or {}) do args[k] = v end
  return q.launch_scan(args)
end

-- An answer as declarations see it.
local function answer(status, body, headers)
  return { status = status, headers = headers or {}, text = body, body = body ~= "" and xml.decode(body)
           or nil }
end

-- Reading --------------------------------------------------------------------------------------------------

test("a scanned host, with the fields that playbooks use", function()
  local _, q = qualys()
  local list = q.scanned_hosts { ips = HOST }
  eq(#list, 1)
  eq(list[1].ip, HOST)
  eq(list[1].hostname, "WORKSTATION5")
  eq(list[1].dns, "workstation5.theshire.local")
  assert(list[1].last_scan:match "^2026%-11%-%d%dT%d%d:%d%d:%d%dZ$", list[1].last_scan)
end)

test("nothing found is an empty list", function()
  local _, q = qualys()
  eq(#q.scanned_hosts { ips = "198.51.100.200" }, 0)
  eq(#q.host_detections { ips = "198.51.100.200" }, 0)
  eq(#q.knowledge { qids = { 1 } }, 0)
end)

test("a host that nobody scanned lately is not in the list", function()
  local c, q = qualys()
  eq(#q.scanned_hosts { ips = HOST, vm_scan_since = c.now - 7 * 86400 }, 0)
  eq(#q.scanned_hosts { ips = HOST, vm_scan_since = c.now - 30 * 86400 }, 1)
  eq(#q.scanned_hosts { ips = OTHER, vm_scan_since = "2026-11-20T00:00:00Z" }, 1)
end)

test("pages are followed with the reply's parameters on our own host", function()
  local c, q = qualys()
  c.sim.state.page = 2
  local list, seen = q.scanned_hosts { ips = "10.20.0.0/16" }, {}
  eq(#list, 6)
  for _, h in ipairs(list) do
    assert(not seen[h.id], "a host twice")
    seen[h.id] = true
  end
  eq(#c.calls, 3)
  eq(c.calls[2].request.target, "/api/5.0/fo/asset/host/")
  eq(c.calls[2].form.ips, "10.20.0.0-10.20.255.255")
  assert(c.calls[2].form.id_min)
end)

test("a list that is cut and does not go on is an error, and a reply never chooses the action", function()
  local page = qualys().declaration.operations.scanned_hosts.page
  local function cut(url, form)
    local body = ("<HOST_LIST_OUTPUT><RESPONSE><WARNING><CODE>1980</CODE><URL><![CDATA[%s]]></URL></WARNING>"
                  .. "</RESPONSE></HOST_LIST_OUTPUT>"):format(url)
    return page(answer(200, body), {}, { form = form })
  end
  raises("failed", function() cut("https://x/?action=list&id_min=5", { id_min = "5" }) end)
  raises("failed", function() cut("https://x/?action=list", {}) end)
  local _, more = cut("https://elsewhere.example/?action=delete&id_min=6&a=1%2C2", { id_min = "5" })
  eq(more, { form = { id_min = "6", a = "1,2" } })
end)

test("warnings of another code do not mean more, and names in small letters are read", function()
  local page = qualys().declaration.operations.scanned_hosts.page
  local items, more = page(answer(200,
                                  "<host_list_output><response><host_list><host><id>7</id></host></host_list>"
    .. "<warning><code>1981</code></warning></response></host_list_output>"), {}, { form = {} })
  eq(#items, 1)
  eq(more, nil)
end)

test("detections carry severity as a word", function()
  local _, q = qualys()
  local list = q.host_detections { ips = HOST }
  eq(#list, 4)                                        -- information gathered is hidden unless asked for
  local by = {}
  for _, d in ipairs(list) do by[d.qid] = d end
  eq(by[92155].severity, "high")
  eq(by[92155].port, 445)
  eq(by[38173].severity, "low")
  eq(by[105943].kind, "Potential")
  eq(#q.host_detections { ips = HOST, show_igs = true }, 5)
  eq(#q.host_detections { ips = HOST, severities = "4-5" }, 2)
  eq(#q.host_detections { ips = HOST, status = "Fixed" }, 0)
end)

test("with knowledge a finding has title, remedy and CVEs, in plain text", function()
  local c, q = qualys()
  local list = q.detections { ips = HOST, severities = "3-5", with = "knowledge" }
  eq(#list, 3)
  for _, f in ipairs(list) do
    assert(f.title and f.solution and not f.solution:find "[<>]", f.qid)
  end
  eq(list[1].qid, 91974)
  eq(list[1].title, "Script Host May Run Files From Download Folders")
  eq(list[1].cve, { "CVE-2025-00974" })
  eq(#c.calls, 2)
end)

test("knowledge: unknown QIDs are missing, and too many are refused before anything is sent", function()
  local c, q = qualys()
  eq(#q.knowledge { qids = { 92155, 1 } }, 1)
  local many = {}
  for i = 1, 351 do many[i] = i end
  raises("bad_argument", function() q.knowledge { qids = many } end)
  eq(#c.calls, 1)
end)

test("addresses are checked before anything is sent", function()
  local c, q = qualys()
  for _, bad in ipairs { "fin-ws-023", "10.0.0.256", "10.0.0.9-10.0.0.1", "10.0.0.0/33",
                         "1.2.3.4; action=launch" } do
    raises("bad_argument", function() q.scanned_hosts { ips = bad } end)
  end
  raises("bad_argument", function() q.scanned_hosts {} end)
  eq(#c.calls, 0)
end)

-- Scanning -----------------------------------------------------------------------------------------------

test("a scan is launched once, followed through its states, and its results are fetched", function()
  local c, q = qualys()
  local s = q.scan { ip = HOST, option = "Initial Options", scanner = "dc1-appliance", title = "t1059" }
  eq(s.state, "Finished")
  eq(s.target, HOST)
  eq(s.reached, true)
  eq(#s.dropped, 0)
  eq(s.title, "lunette 01JD2M6Q8R5T/model/qualys.launch_scan#1 t1059")
  eq(c.seen[1], "running")
  eq(c.seen[#c.seen], "done")
  eq(#c.sim.log, 1)
  local r = q.scan_results { ref = s.ref }
  eq(#r.findings, 5)
  eq(#r.hosts, 1)
  eq(r.state, "Finished")
  eq(r.findings[1].severity, "high")
  eq(r.findings[1].title, "SMB Server Update Missing")
  assert(r.findings[1].solution)
end)

test("the states are the vendor's, Loading among them", function()
  local c, q = qualys()
  local handle = launch(q, { wait = false })
  assert(handle.ref:match "^scan/%d+%.%d+$")
  local states = {}
  for _, after in ipairs { 0, 60, 600, 60 } do
    c.now = c.now + after
    states[#states + 1] = q.scan_status { ref = handle.ref }.state
  end
  eq(states, { "Queued", "Running", "Loading", "Finished" })
  eq(q.wait_scan { ref = handle.ref }.state, "Finished")
end)

test("after a scan the host is in the list of those lately scanned", function()
  local c, q = qualys()
  q.scan { ip = HOST, option = "Initial Options", scanner = "dc1-appliance" }
  c.now = c.now + 300
  eq(#q.scanned_hosts { ips = HOST, vm_scan_since = c.now - 3600 }, 1)
end)

test("finished, but nobody reached: not_reached", function()
  local _, q = qualys()
  local e = raises("not_reached", function()
    q.scan { ip = OLD, option = "Initial Options", scanner = "dc1-appliance" }
  end)
  assert(e.message:find(OLD, 1, true), e.message)
end)

test("a private address without an appliance is refused before anything is sent, and says what to do",
     function()
  local c, q = qualys()
  local e = raises("bad_argument", function() q.scan { ip = HOST, option = "Initial Options" } end)
  assert(e.message:find("private address", 1, true) and e.message:find("scanner", 1, true), e.message)
  raises("bad_argument", function() q.scan { ip = HOST, option = "Initial Options",
                                             scanner = "External" } end)
  raises("bad_argument", function() q.scan { ip = "10.0.0.0-198.51.100.80", option = "Initial Options" } end)
  eq(#c.calls, 0)
  eq(q.scan { ip = WEB, option = "Initial Options" }.state, "Finished")
end)

test("a target that is out of scope is dropped without a word, and we say so", function()
  local _, q = qualys()
  local e = raises("partial", function()
    q.scan { ip = HOST .. ",10.20.77.1", option = "Initial Options", scanner = "dc1-appliance" }
  end)
  eq(e.dropped, { "10.20.77.1" })
  eq(e.scan.state, "Finished")
  e = raises("refused", function()
    q.scan { ip = "10.20.77.1", option = "Initial Options", scanner = "dc1-appliance" }
  end)
  eq(e.vendor_code, "999")
end)

test("a range in the scan's TARGET covers what was asked", function()
  local c, q = qualys { faults = "qualys.launch_scan=partial" }
  local e = raises("partial", function()
    q.scan { ip = "10.20.5.15-10.20.5.16", option = "Initial Options", scanner = "dc1-appliance" }
  end)
  eq(e.dropped, { "10.20.5.15-10.20.5.16" })
  eq(#c.sim.log, 1)
end)

test("a scan that is paused stays pending, and says what holds it; one that failed is failed", function()
  local c, q = qualys()
  local handle = launch(q, { wait = false })
  c.sim.state.forced[handle.ref] = { state = "Paused" }
  c.tag = "another"
  eq(c.declaration.operations.launch_scan.follow.of({ q.scan_status { ref = handle.ref } }), "pending")
  c.sim.state.forced[handle.ref] = { state = "Error" }
  raises("failed", function() q.wait_scan { ref = handle.ref } end)
end)

test("option and option_id, scanner and scanner_id exclude each other", function()
  local c, q = qualys()
  raises("bad_argument", function() q.launch_scan { ip = WEB } end)
  raises("bad_argument", function() q.launch_scan { ip = WEB, option = "x", option_id = 1 } end)
  raises("bad_argument", function() launch(q, { scanner_id = 4 }) end)
  raises("bad_argument", function() launch(q, { priority = 10 }) end)
  eq(#c.calls, 0)
end)

test("results that are asked for too early are told as such, although they come as XML", function()
  local _, q = qualys()
  local handle = launch(q, { wait = false })
  eq(raises("not_found", function() q.scan_results { ref = handle.ref } end).vendor_code, "15003")
  raises("not_found", function() q.scan_status { ref = "scan/1.1" } end)
end)

test("a scan that runs can be cancelled, one that has ended is unchanged", function()
  local c, q = qualys()
  local handle = launch(q, { wait = false })
  eq(q.cancel_scan { ref = handle.ref }.state, "Canceled")
  eq(q.cancel_scan { ref = handle.ref }.unchanged, true)
  eq(#c.sim.log, 2)
  local undo = c.declaration.operations.launch_scan.undo
  eq(undo({}, nil, handle).op, "qualys.cancel_scan")
  eq(undo({}, nil, { ref = "x", ended = true }), nil)
  assert(not pcall(undo, {}, nil, nil))               -- it waits for the result
end)

-- Doubt --------------------------------------------------------------------------------------------------

test("a launch that was cut after it was done is found by its title, and not done again", function()
  local c, q = qualys { faults = "qualys.launch_scan#1=reset-after" }
  eq(launch(q, { wait = "2h" }).state, "Finished")
  eq(#c.sim.log, 1)
  eq(c.doubts, 1)
end)

test("a launch that is listed late is still found, since \"not there\" is not believed at once", function()
  local c, q = qualys { faults = "qualys.launch_scan#1=reset-after" }
  c.sim.state.listed_after = 20
  eq(launch(q, { wait = "2h" }).state, "Finished")
  eq(#c.sim.log, 1)
end)

test("a launch that was cut before it was done is done once", function()
  local c, q = qualys { faults = "qualys.launch_scan#1=reset-before" }
  eq(launch(q, { wait = "2h" }).state, "Finished")
  eq(#c.sim.log, 1)
end)

test("the probe goes by the vendor's clock, and by the whole tag", function()
  local c, q = qualys()
  launch(q, { wait = false })
  local found = c.declaration.operations.launch_scan.probe.found
  local list = q.recent_scans { within = 600 }
  eq(#list, 1)
  eq(c.calls[#c.calls - 1].form.launched_after_datetime, "2199-01-01T00:00:00Z")
  eq(found(list, {}, { tag = "lunette 01JD2M6Q8R5T/model/qualys.launch_scan#1" }).ref, list[1].ref)
  eq(found(list, {}, { tag = "lunette 01JD2M6Q8R5T/model/qualys.launch_scan#11" }), nil)
  eq(found(list, {}, { tag = "lunette 01JD2M6Q8R5T/model/qualys.launch_scan" }), nil)
  c.now = c.now + 3600
  eq(#q.recent_scans { within = 600 }, 0)
  local args = c.declaration.operations.launch_scan.probe.args
  eq(args({}, { now = c.now, since = c.now - 7200 }).within, 7200 + 86400)
  eq(args({}, { now = c.now, since = c.now + 7200 }).within, 86400)   -- our clock was set back meanwhile
  eq(args({}, { now = c.now }).within, 31 * 86400)
end)

test("a launch lives through every fault, and happens once", function()
  for _, fault in ipairs { "429:700", "409", "5xx", "5xx:503", "5xx:504", "reset-before", "reset-after",
                           "truncate", "html",
                           "html:200", "slow:40", "empty" } do
    local c, q = qualys { faults = "qualys.launch_scan#1=" .. fault }
    local ok, e = pcall(launch, q, { wait = false })
    assert(ok, fault .. ": " .. tostring(e))
    eq(#c.sim.log, 1, fault)
  end
end)

-- Faults and limits --------------------------------------------------------------------------------------

test("a rate block is waited out for as long as it says, and a concurrency block for a while", function()
  local c, q = qualys { faults = "qualys.scanned_hosts#1=429:700" }
  local t = c.now
  q.scanned_hosts { ips = HOST }
  eq(c.now - t, 700)
  c, q = qualys { faults = "qualys.scanned_hosts#1=409" }
  t = c.now
  q.scanned_hosts { ips = HOST }
  eq(c.now - t, 15)
end)

test("a rate block without the header is waited out by its body, and by a minute without either", function()
  local d = qualys().declaration
  local body = "<SIMPLE_RETURN><RESPONSE><CODE>1965</CODE><TEXT>later</TEXT>%s</RESPONSE></SIMPLE_RETURN>"
  local item = "<ITEM_LIST><ITEM><KEY>SECONDS_TO_WAIT</KEY><VALUE>88</VALUE></ITEM></ITEM_LIST>"
  eq(d.fault(answer(409, body:format(item))).after, 88)
  eq(d.fault(answer(409, body:format ""), {}).after, 60)
  eq(d.fault(answer(400, body:format ""), { ["x-ratelimit-towait-sec"] = "5" }).code, "rate_limited")
  eq(d.fault(answer(429, "", { ["x-ratelimit-towait-sec"] = "5" })).after, 5)
end)

test("limits are read off good answers too, and a concurrency block has no wait", function()
  local c, q = qualys()
  q.scanned_hosts { ips = HOST }
  eq(c.told, { remaining = 299, running = 1, concurrency = 2, own = true })
  eq(c.declaration.limit { headers = { ["x-concurrency-limit-limit"] = "2",
                                       ["x-concurrency-limit-running"] = "3" } },
     { running = 3, concurrency = 2, own = true })
  eq(c.declaration.limit { headers = {} }, nil)
end)

test("the limit of an hour is counted, and lets go by itself", function()
  local c, q = qualys()
  c.sim.state.limit = 2
  for _ = 1, 3 do q.scanned_hosts { ips = HOST } end
  eq(#c.calls, 4)
  eq(c.calls[3].reply.status, 409)
end)

test("a CODE is a failure at any status", function()
  local _, q = qualys { faults = "qualys=expire" }
  eq(raises("unauthorised", function() q.scanned_hosts { ips = HOST } end).vendor_code, "2001")
end)

test("a wrong password is tried once, and the message names the other causes", function()
  local c, q = qualys { config = { username = "u", password = "p" } }
  local e = raises("unauthorised", function() q.scanned_hosts { ips = HOST } end)
  assert(e.message:find("platform", 1, true), e.message)
  eq(#c.calls, 1)
end)

test("reads live through every fault that passes", function()
  for _, fault in ipairs { "429:1", "409", "5xx", "5xx:503", "5xx:504", "reset-before", "reset-after",
                           "truncate", "slow:40",
                           "twice", "html", "html:200", "empty", "partial" } do
    local _, q = qualys { faults = "qualys.scanned_hosts#1=" .. fault }
    local ok, e = pcall(function() eq(#q.scanned_hosts { ips = HOST }, 1) end)
    assert(ok, fault .. ": " .. tostring(e))
  end
  local _, q = qualys { faults = "qualys=html:200" }
  raises("unavailable", function() q.scanned_hosts { ips = HOST } end)
end)

test("a JSON answer where XML is due, and XML where JSON is due, are errors and not crashes", function()
  local d = qualys().declaration
  raises("unavailable", function() d.operations.scan_status.result(nil, { ref = "x" }, { body = { 1 } }) end)
  raises("unavailable", function() d.operations.scan_results.result(xml.decode "<A/>", { ref = "x" }) end)
  raises("failed", function() d.operations.launch_scan.handle(xml.decode
    "<SIMPLE_RETURN><RESPONSE><TEXT>ok</TEXT></RESPONSE></SIMPLE_RETURN>") end)
end)

test("versions are settings, each action's own", function()
  local c, q = qualys { config = { username = "theshire_lu1", password = "simulated-qualys-password",
                                   host_version = "4.0" } }
  q.scanned_hosts { ips = HOST }
  eq(c.calls[1].request.target, "/api/4.0/fo/asset/host/")
  c.config.host_version = "../4.0"
  raises("bad_argument", function() q.scanned_hosts { ips = HOST } end)
end)

-- Every operation ------------------------------------------------------------------------------------------

-- The reference of a scan that has ended.
local function ended(c)
  local ref = launch(c.qualys, { wait = false }).ref
  c.now = c.now + 86400
  return ref
end

test("every read waits out a block, and says a lasting error in Qualys's words", function()
  walk.reads("qualys", {
    scanned_hosts = function(c) return c.qualys.scanned_hosts { ips = HOST } end,
    host_detections = function(c) return c.qualys.detections { ips = HOST } end,
    knowledge = function(c) return c.qualys.knowledge { qids = { 105943 } } end,
    scan_results = function(c) return c.qualys.scan_results { ref = ended(c) } end,
    scan_list = function(c) return c.qualys.scan_status { ref = ended(c) } end,
  }, "5xx:500", "999")
end)

test("every list of hosts comes page by page", function()
  walk.pages("qualys", {
    scanned_hosts = function(c) return c.qualys.scanned_hosts { ips = "10.20.0.0/16" }, 6 end,
  }, 2)
  walk.pages("qualys", {
    host_detections = function(c) return c.qualys.host_detections { ips = "10.20.0.0/16" }, 9 end,
  }, 1)
end)

test("every write waits out a block and is done once, and is not done for an account that has expired", function()
  walk.writes("qualys", {
    launch_scan = { function(c) launch(c.qualys, { wait = false }) end },
    cancel_scan = { function(c) c.qualys.cancel_scan { ref = launch(c.qualys, { wait = false }).ref } end },
  })
end)

harness.done()
