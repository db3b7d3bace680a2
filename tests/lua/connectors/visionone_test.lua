-- visionone_test.lua: the Vision One connector against its simulator, one trap of the API after the other.
package.path = "tests/lua/?.lua;" .. package.path
local harness = require "harness"
local walk = require "walk"
local json = require "json"
local test, eq, raises = harness.test, harness.eq, harness.raises

local SHA1   = "5683729702392da5cfaa8476f96228a9abf08c54"
local SHA256 = "c1dadf9fb8021aa205bd52604c4d7330c5e1251198322ac4b8a093dc23df1a10"
local WSCRIPT = "542c46c652ddefc87414213a8bea0c65dd0377a9"
local FILE = { path = [[C:\Users\pgustavo\Desktop\launcher.vbs]], name = "launcher.vbs", sha1 = SHA1,
               sha256 = SHA256 }
local ONLY256 = { name = "launcher.vbs", sha256 = SHA256 }

local function endpoint(c, key)
  for _, e in ipairs(c.sim.state.endpoint_list) do
    if e.host == c.sim.world.host[key] then return e end
  end
end

local function scene(options)
  local c = harness.client("visionone", options)
  return c, endpoint(c, "ws5").id, c.visionone
end

local function logged(c, op)
  local out = {}
  for _, entry in ipairs(c.sim.log) do
    if entry.op == op then out[#out + 1] = entry end
  end
  return out
end

local function count(c, op)
  local n = 0
  for _, call in ipairs(c.calls) do n = n + (call.op == op and 1 or 0) end
  return n
end

local function header(call, name)
  for _, h in ipairs(call.request.headers) do
    if h[1]:lower() == name then return h[2] end
  end
end

-- What answers mean ---------------------------------------------------------------------------------------

test("207 says nothing: the element does, be its status a text or its error at the top", function()
  local fault = harness.client("visionone").declaration.fault
  local function code(element)
    local f = fault { status = 207, headers = {}, body = { element } }
    return f and f.code
  end
  eq(code { status = 202 }, nil)
  eq(code { status = "201" }, nil)
  eq(code { status = "400", code = "BadRequest", message = "no" }, "bad_argument")
  eq(code { status = 400, body = { error = { code = "BadRequest", message = "Endpoint not found." } } },
     "not_found")
  eq(code { status = 403, body = { error = { code = "AccessDenied", message = "no" } } }, "forbidden")
  eq(code { status = 400, body = { error = { code = "TaskError", message = "no room" } } }, "bad_argument")
  eq(code { status = 500, body = { error = { code = "InternalServerError" } } }, "unavailable")
  eq(fault { status = 207, headers = {}, body = {} }.code, "failed")
  eq(fault({ status = 502, headers = {}, text = "Bad Gateway" }).code, "unavailable")
  eq(fault({ status = 302, headers = {} }).code, "failed")
end)

test("a refused key is unauthorised, and not tried again", function()
  local c, _, v1 = scene { config = { token = "of another region" } }
  raises("unauthorised", function() v1.endpoints { hostname = "WORKSTATION6" } end)
  eq(#c.calls, 1)
end)

test("a permission that the role lacks is forbidden", function()
  local c, id, v1 = scene()
  c.sim.state.denied.isolate = true
  local e = raises("forbidden", function() v1.isolate { host = id } end)
  assert(e.message:find("permission", 1, true), e.message)
end)

test("a 429 is waited for as its headers say", function()
  local c, _, v1 = scene { faults = "visionone.endpoints#1=429:9" }
  local before = c.now
  eq(#v1.endpoints { hostname = "WORKSTATION6" }, 1)
  eq(c.now - before, 9)
  local limit = c.declaration.limit
  eq(limit { status = 429, headers = { ["ratelimit-reset"] = "9" } }.wait, 9)
  eq(limit { status = 429, headers = { ["retry-after"] = "3", ["ratelimit-reset"] = "9" } }.wait, 3)
  eq(limit { status = 429, headers = {} }.wait, 60)
  eq(limit({ status = 200, headers = { ["ratelimit-remaining"] = "5" } }).remaining, 5)
  eq(limit { status = 200, headers = {} }, nil)
end)

test("reads survive every fault of the wire once", function()
  for _, fault in ipairs { "429", "5xx", "5xx:504", "html", "truncate", "reset-before", "reset-after" } do
    local _, _, v1 = scene { faults = "visionone.endpoints#1=" .. fault }
    eq(#v1.endpoints { hostname = "WORKSTATION6" }, 1, fault)
  end
end)

-- Endpoints -----------------------------------------------------------------------------------------------

test("an endpoint has the fields that playbooks use, and its role", function()
  local c, _, v1 = scene()
  local e = v1.endpoint { hostname = "FILE01" }
  eq(e.role, "server")
  eq(e.ip[1], "10.20.1.20")
  eq(e.isolation, "off")
  eq(v1.endpoint { id = endpoint(c, "ws6").id }.role, "workstation")
  eq(v1.endpoint { hostname = "www" }.role, "server")       -- Linux
end)

-- Alerts: what is written back ----------------------------------------------------------------------------

local function alert(c)
  local state = c.sim.state
  local host = endpoint(c, "ws5")
  state.alerts[1] = state.make_alert(state, host, host.processes[1], c.now - 600)
  return state.alerts[1]
end

test("a status names the version that it was decided on, and says no more than it was told", function()
  local c, _, v1 = scene()
  local a = alert(c)
  eq(v1.set_alert_status { alerts = { a.id }, status = "in_progress" }[1].value.status, "in_progress")
  eq(a.status, "In Progress")
  eq(a.investigationResult, "No Findings")
  eq(v1.set_alert_status { alerts = { a.id }, status = "in_progress" }[1].value.unchanged, true)
  eq(count(c, "set_alert_status"), 1)
  v1.set_alert_status { alerts = { a.id }, status = "closed", finding = "False Positive" }
  eq(a.investigationResult, "False Positive")
end)

test("somebody who was faster: the version is read again, and a status that they set stays", function()
  local c, _, v1 = scene()
  local a = alert(c)
  local handle, first = c.sim.handle, true
  function c.sim:handle(raw)
    if raw.method == "PATCH" and first then                -- an owner is set: another version, the same status
      first = false
      self.state.versions[a.id] = 7
    end
    return handle(self, raw)
  end
  eq(v1.set_alert_status { alerts = { a.id }, status = "in_progress" }[1].ok, true)
  eq(count(c, "set_alert_status"), 2)

  c, _, v1 = scene()
  a = alert(c)
  handle, first = c.sim.handle, true
  function c.sim:handle(raw)
    if raw.method == "PATCH" and first then
      first = false
      self.state.versions[a.id], a.status = 7, "Closed"
    end
    return handle(self, raw)
  end
  local o = v1.set_alert_status { alerts = { a.id }, status = "in_progress" }[1]
  eq(o.ok, false)
  eq(a.status, "Closed")
end)

test("a note that was perhaps sent is looked for, and never sent twice", function()
  for fault in ("reset-after 5xx:504"):gmatch "%S+" do
    local c, _, v1 = scene { faults = "visionone.comment_alerts#1=" .. fault }
    local a = alert(c)
    eq(v1.comment_alerts { alerts = { a.id }, text = { "once", "and for all" } }[1].ok, true, fault)
    eq(#c.sim.state.notes[a.id], 1, fault)
    assert(c.sim.state.notes[a.id][1].content:find "^once\nand for all\n%(lunette ")
  end
end)

test("a note's id is the end of an address; a Workbench id is nothing else", function()
  local c, _, v1 = scene()
  local a = alert(c)
  eq(v1.comment_alerts { alerts = { a.id }, text = { "x" } }[1].value.note, "1")
  eq(v1.alert_notes { id = a.id }[1].id, "1")
  for _, id in ipairs { "WB-1/notes", "../x", "T1-1" } do
    raises("bad_argument", function() v1.alert { id = id } end)
  end
end)

test("alerts since a time come page by page, whole", function()
  local c, _, v1 = scene()
  local state, host = c.sim.state, endpoint(c, "ws5")
  for i = 1, 5 do state.alerts[i] = state.make_alert(state, host, host.processes[1], c.now - 600 * i) end
  state.page, state.empty_first = 2, true
  local found = v1.alerts { since = c.now - 2000 }
  eq(#found, 3)
  eq(found[1].id, state.alerts[1].id)
  eq(found[1].impactScope.entities[1].entityValue.name, "WORKSTATION5")
  eq(#v1.alerts { since = c.now - 4000, before = c.now - 1500 }, 3)
end)

test("how many endpoints there are is asked by the inventory, one page of it", function()
  local c, _, v1 = scene()
  eq(v1.endpoint_count {}, #c.sim.state.endpoint_list)
  eq(count(c, "endpoint_count"), 1)
  eq(c.declaration.endpoints, "endpoint_count")
  raises("failed", function() c.declaration.operations.endpoint_count.result({ items = {} }) end)
end)

test("two endpoints of one name are ambiguous; who was seen lately may settle it", function()
  local c, id, v1 = scene()
  raises("ambiguous", function() v1.endpoint { hostname = "WORKSTATION5" } end)
  eq(v1.endpoint { hostname = "WORKSTATION5", seen_within = "24h" }.id, id)
  c.sim.world.host.ws5.seen_ago = 50 * 86400
  raises("stale", function() v1.endpoint { hostname = "WORKSTATION5", seen_within = "24h" } end)
end)

test("an alert's device is found by agent in any case, by name, by name without domain, or by address",
     function()
  local c, id, v1 = scene()
  eq(v1.endpoint { device = { hostname = "x", agents = { trend_vision_one = id:upper() } } }.id, id)
  eq(v1.endpoint { device = { hostname = "WORKSTATION5.theshire.local" }, seen_within = "1d" }.id, id)
  eq(v1.endpoint { device = { ip = { "10.20.9.77" } } }.id, endpoint(c, "ws5_old").id)
  raises("not_found", function() v1.endpoint { hostname = "ws-99" } end)
  raises("bad_argument", function() v1.endpoint { device = { os = "windows" } } end)
end)

test("a value that could end the header or the filter is refused before anything is sent", function()
  local c, _, v1 = scene()
  for _, name in ipairs { "x' or endpointName eq 'y", "a\r\nX-Evil: 1", "caf\u{E9}", ("x"):rep(1000) } do
    raises("bad_argument", function() v1.endpoints { hostname = name } end)
  end
  raises("bad_argument", function() v1.endpoints {} end)
  eq(#c.calls, 0)
end)

test("the filter goes with every page, only the path of nextLink counts, empty pages go on", function()
  local c, _, v1 = scene()
  c.sim.state.page, c.sim.state.empty_first = 2, true
  eq(#v1.endpoints { all = true }, #c.sim.state.endpoint_list)
  assert(#c.calls >= 4)
  for _, call in ipairs(c.calls) do
    assert(header(call, "tmv1-query"), "a page without the query")
    assert(call.request.target:find "^/v3.0/eiqs/endpoints%?", call.request.target)
    eq(header(call, "content-type"), nil)
  end
end)

-- Isolation -----------------------------------------------------------------------------------------------

test("an endpoint is isolated by its GUID, followed to the end, and looked at", function()
  local c, id, v1 = scene()
  c.sim.state.lag = 20
  local r = v1.isolate { host = v1.endpoint { hostname = "WORKSTATION5", seen_within = "1d" }, lease = "8h" }
  eq(r.state, "isolated")
  eq(r.verified, true)
  eq(r.task, "00004711")
  eq(r.hostname, "WORKSTATION5")
  eq(c.entity .. " " .. c.facet .. " " .. c.effect, "visionone:host:" .. id .. " isolation confine")
  assert(table.concat(c.seen, " "):find "running running")
  eq(c.undo.op, "visionone.end_isolation")
  eq(v1.isolate { host = id }.unchanged, true)
  eq(#logged(c, "isolate"), 1)
  local undo = c.undo.args
  eq(v1.end_isolation(undo).state, "connected")
  eq(c.effect, "free")
  eq(endpoint(c, "ws5").isolation, "off")
end)

test("the guards hear the host's names, its user and its role", function()
  local c, _, v1 = scene()
  local dc = endpoint(c, "dc").id
  v1.isolate { host = dc }
  eq(c.resolved.role, "server")
  local names = table.concat(c.resolved.host, " ")
  for _, name in ipairs { "MORDORDC", "10.20.1.10", dc } do assert(names:find(name, 1, true), names) end
  eq(c.resolved.user[1], [[NT AUTHORITY\SYSTEM]])
end)

test("an equal task that is open is adopted", function()
  local c, id, v1 = scene()
  local handle = v1.isolate { host = id, wait = false }
  local r = v1.isolate { host = id }
  eq(r.task, handle.task)
  eq(#c.sim.state.tasks, 1)
end)

test("an isolation that was perhaps asked for is found by its tag, or by the twin it meets", function()
  for fault in ("reset-after 5xx:504 truncate partial twice reset-before 5xx"):gmatch "%S+" do
    local c, id, v1 = scene { faults = "visionone.isolate#1=" .. fault }
    eq(v1.isolate { host = id }.state, "isolated", fault)
    eq(#c.sim.state.tasks, 1, fault)
  end
end)

test("a probe finds its task also when our clock was set back since it was sent", function()
  local c, id, v1 = scene()
  v1.isolate { host = id }
  local ahead, args = c.now + 7200, c.declaration.operations.isolate.probe.args
  eq(#v1.tasks(args({}, { now = c.now, since = ahead })), 1)
end)

test("a task that waits for a person is pending, and goes on when he has decided", function()
  local c, id, v1 = scene()
  c.sim.state.approval.isolate = true
  local e = raises("pending", function() v1.isolate { host = id, wait = "5m" } end)
  assert(e.message:find("approval", 1, true), e.message)
  eq(endpoint(c, "ws5").isolation, "off")
  c.sim.state.tasks[1].approved = true
  eq(v1.isolate { host = id }.state, "isolated")
  eq(#c.sim.state.tasks, 1)
end)

test("a task that a person rejects has failed", function()
  local c, id, v1 = scene()
  c.sim.state.approval.isolate = true
  v1.isolate { host = id, wait = false }
  c.sim.state.tasks[1].approved = false
  c.now = c.now + 1
  local task = v1.task { id = c.sim.state.tasks[1].id }
  eq(task.status, "rejected")
  eq((c.operations.terminate_process.follow.of(task)), "failed")
end)

test("an agent that is off line keeps the task queued, and fails it after a day", function()
  local c, _, v1 = scene()
  local id = endpoint(c, "ws7").id
  local e = raises("pending", function() v1.isolate { host = id, wait = "20m" } end)
  assert(e.message:find("off line", 1, true), e.message)
  local f = raises("failed", function() v1.isolate { host = id, wait = "2d" } end)
  assert(f.message:find("not reachable", 1, true), f.message)
end)

test("a task that succeeded is not taken for an isolation that is not there", function()
  local c, id, v1 = scene()
  c.sim.state.lag = 10 * 86400
  local e = raises("pending", function() v1.isolate { host = id, wait = "20m" } end)
  assert(e.message:find("still connected", 1, true), e.message)
end)

test("a host that is no agent's GUID is refused before anything is sent", function()
  local c, _, v1 = scene()
  raises("bad_argument", function() v1.isolate { host = "WORKSTATION5" } end)
  raises("bad_argument", function() v1.isolate { host = { id = ("a"):rep(32) } } end)
  eq(#c.calls, 0)
end)

-- Processes -----------------------------------------------------------------------------------------------

test("processes are ended by the SHA-1 of their image", function()
  local c, id, v1 = scene()
  local r = v1.terminate_process { host = id, file = { name = "wscript.exe", sha1 = WSCRIPT } }
  eq(r.state, "ended")
  eq(logged(c, "killed")[1].n, 1)
  eq(c.effect .. " " .. c.facet, "confine process:" .. WSCRIPT)
  local names = table.concat(c.resolved.file, " ")
  assert(names:find("wscript.exe", 1, true) and names:find(WSCRIPT, 1, true), names)
  local body = json.decode(c.calls[2].request.body)
  eq(body[1].processId, nil)
  eq(#body, 1)
end)

test("without a SHA-1 no process can be ended", function()
  local c, id, v1 = scene()
  raises("bad_argument", function() v1.terminate_process { host = id, file = ONLY256 } end)
  raises("bad_argument", function() v1.terminate_process { host = id, sha1 = "abc" } end)
  eq(#c.calls, 0)
end)

test("an end that was perhaps asked for is not asked for again", function()
  local c, id, v1 = scene { faults = "visionone.terminate_process#1=reset-after" }
  v1.terminate_process { host = id, file = FILE, pid = 2440 }
  eq(#c.sim.state.tasks, 1)
  eq(c.doubts, 1)
  -- The task is over by the time that somebody looks: there is no open twin to adopt, but our tag is in it.
  c, id, v1 = scene { faults = "visionone.terminate_process#1=reset-after" }
  c.operations.terminate_process.settle = 3600
  eq(v1.terminate_process { host = id, file = FILE }.task, "00004711")
  eq(#c.sim.state.tasks, 1)
end)

-- The block list ------------------------------------------------------------------------------------------

test("a file is blocked by its SHA-1 and followed; the same again is unchanged", function()
  local c, _, v1 = scene()
  local r = v1.block { file = FILE }
  eq(r.type .. " " .. r.state, "fileSha1 block")
  eq(c.entity .. " " .. c.facet, "visionone:file:" .. SHA1 .. " suspicious")
  eq(logged(c, "block done")[1].value, SHA1)
  eq(c.undo.op, "visionone.unblock")
  local undo = c.undo.args
  eq(v1.block { file = FILE }.unchanged, true)
  eq(v1.unblock(undo).state, "absent")
  eq(#c.sim.state.suspicious, 0)
  eq(c.undo.op, "visionone.block")
  eq(v1.unblock { file = FILE }.unchanged, true)
end)

test("a file of which only the SHA-256 is known goes to the list that takes it, with the lease as its expiry",
     function()
  local c, _, v1 = scene()
  local r = v1.block { file = ONLY256, lease = "36h" }
  eq(r.type .. " " .. r.state, "fileSha256 block")
  eq(#c.sim.state.tasks, 0)
  local o = c.sim.state.suspicious[1]
  eq(o.scanAction .. o.riskLevel, "blockhigh")
  eq(logged(c, "add_suspicious_object")[1].days, 2)
  c.now = c.now + 3 * 86400
  eq(#v1.suspicious_objects { sha256 = SHA256 }, 0)
  eq(v1.block { file = ONLY256 }.state, "block")
  eq(v1.unblock { file = ONLY256 }.state, "absent")
  eq(#c.sim.state.suspicious, 0)
end)

test("the block list refuses a SHA-256, and takes addresses and domains", function()
  local c, _, v1 = scene()
  eq(v1.block { ip = "198.51.100.9" }.state, "block")
  eq(c.entity, "visionone:ip:198.51.100.9")
  eq(c.resolved.host[1], "198.51.100.9")
  eq(v1.block { domain = "cdn-update.example.net" }.state, "block")
  raises("bad_argument", function() v1.block { file = FILE, ip = "198.51.100.9" } end)
  raises("bad_argument", function() v1.block { ip = "198.51.100.9", domain = "a.example" } end)
  raises("bad_argument", function() v1.block {} end)
  raises("bad_argument", function() v1.block { file = { name = "x" } } end)
  raises("bad_argument", function() v1.block { url = "http://a.example/'x" } end)
end)

test("the guards hear a file's path, names and hashes", function()
  local c, _, v1 = scene()
  v1.block { file = { path = [[C:\Windows\System32\wscript.exe]], sha1 = WSCRIPT } }
  local names = table.concat(c.resolved.file, " ")
  assert(names:find([[C:\Windows\System32\wscript.exe]], 1, true), names)
  assert(names:find(" wscript.exe", 1, true), names)
end)

test("the exception list wins, so a block that it would void is refused", function()
  local c, _, v1 = scene()
  v1.add_exception { sha1 = SHA1 }
  local e = raises("conflict", function() v1.block { file = FILE } end)
  assert(e.message:find("exception", 1, true), e.message)
  eq(#logged(c, "block"), 0)
  v1.add_exception { sha256 = SHA256 }
  raises("conflict", function() v1.watch { file = FILE } end)
end)

test("a block that was perhaps asked for is found by its tag", function()
  for _, fault in ipairs { "reset-after", "5xx:504", "partial", "twice", "reset-before" } do
    local c, _, v1 = scene { faults = "visionone.block#1=" .. fault }
    eq(v1.block { file = FILE }.state, "block", fault)
    eq(#c.sim.state.tasks, 1, fault)
  end
end)

-- Suspicious objects --------------------------------------------------------------------------------------

test("a watched file is only logged, and undo takes it off again", function()
  local c, _, v1 = scene()
  eq(v1.watch { file = FILE, lease = "30d" }.state, "log")
  eq(c.effect .. " " .. c.entity, "note visionone:file:" .. SHA256)
  local o = v1.suspicious_objects { sha256 = SHA256 }[1]
  eq(o.action .. " " .. o.risk .. " " .. o.value, "log high " .. SHA256)
  eq(c.undo.op, "visionone.remove_suspicious_object")
  eq(v1.watch { file = FILE }.unchanged, true)
  eq(#logged(c, "add_suspicious_object"), 1)
end)

test("an object that was listed with another action gets it back on undo", function()
  local c, _, v1 = scene()
  v1.watch { file = ONLY256, risk = "low", days = 10 }
  eq(v1.add_suspicious_object { file = ONLY256 }.state, "block")
  eq(c.effect, "confine")
  local undo = c.undo
  eq(undo.op, "visionone.add_suspicious_object")
  v1.add_suspicious_object(undo.args)
  local o = v1.suspicious_objects { sha256 = SHA256 }[1]
  eq(o.action .. " " .. o.risk, "log low")
  eq(logged(c, "add_suspicious_object")[3].days, 10)
end)

test("a removed object is kept, to be put back; one that is gone is unchanged", function()
  local c, _, v1 = scene()
  v1.add_suspicious_object { domain = "cdn-update.example.net", risk = "medium", days = 5 }
  local r = v1.remove_suspicious_object { domain = "cdn-update.example.net" }
  eq(r.former.action, "block")
  v1.add_suspicious_object(c.undo.args)
  eq(v1.suspicious_objects { domain = "cdn-update.example.net" }[1].risk, "medium")
  v1.remove_suspicious_object { domain = "cdn-update.example.net" }
  eq(v1.remove_suspicious_object { domain = "cdn-update.example.net" }.unchanged, true)
end)

test("an object that vanished between the look and the removal is no error", function()
  local c, _, v1 = scene()
  v1.watch { file = FILE }
  local json_of = c.operations.remove_suspicious_object.json
  c.operations.remove_suspicious_object.json = function(...)
    if c.looked_once then c.sim.state.suspicious = {} end
    c.looked_once = true
    return json_of(...)
  end
  eq(v1.remove_suspicious_object { file = FILE }.state, "absent")
end)

test("an addition that was perhaps done is settled by looking", function()
  for _, fault in ipairs { "reset-after", "5xx:504", "truncate", "partial", "reset-before", "twice" } do
    local c, _, v1 = scene { faults = "visionone.add_suspicious_object#1=" .. fault }
    eq(v1.watch { file = FILE }.state, "log", fault)
    eq(#c.sim.state.suspicious, 1, fault)
    assert(#logged(c, "add_suspicious_object") == (fault == "twice" and 2 or 1), fault)
  end
end)

-- Exceptions ----------------------------------------------------------------------------------------------

test("an exception is made with nothing but its object, and undo removes it", function()
  local c, _, v1 = scene()
  eq(v1.add_exception { file = FILE }.state, "excepted")
  eq(c.effect .. " " .. c.facet, "free exception")
  for k in pairs(json.decode(c.calls[#c.calls].request.body)[1]) do
    assert(k == "fileSha256" or k == "description", k)
  end
  local undo = c.undo
  eq(undo.op, "visionone.remove_exception")
  eq(v1.add_exception { file = FILE }.unchanged, true)
  eq(#v1.exceptions { sha256 = SHA256 }, 1)
  eq(v1.remove_exception(undo.args).state, "absent")
  eq(c.effect, "confine")
  eq(c.undo.op, "visionone.add_exception")
  eq(v1.remove_exception { file = FILE }.unchanged, true)
end)

test("a benign file comes off the block list and onto the exceptions", function()
  local c, _, v1 = scene()
  v1.block { file = FILE }
  eq(v1.unblock { file = FILE }.state, "absent")
  eq(v1.add_exception { file = FILE }.state, "excepted")
  eq(#c.sim.state.suspicious, 0)
  -- The other way round: the exception does not hide what is still listed.
  c, _, v1 = scene()
  v1.block { file = FILE }
  v1.add_exception { sha1 = SHA1 }
  eq(v1.unblock { file = FILE }.unchanged, nil)
  eq(#c.sim.state.suspicious, 0)
  eq(c.undo.op, "visionone.block")
end)

-- Tasks and plans -----------------------------------------------------------------------------------------

test("tasks are listed from a time on, without a fraction in it", function()
  local c, id, v1 = scene()
  v1.isolate { host = id }
  eq(#v1.tasks { action = "isolate", since = c.now - 3600 }, 1)
  eq(#v1.tasks { action = "isolate", since = c.now + 3600 }, 0)
  eq(v1.tasks { status = "succeeded" }[1].id, "00004711")
  raises("not_found", function() v1.task { id = "99999999" } end)
  raises("bad_argument", function() v1.tasks { action = "a' or 'b" } end)
end)

test("a plan changes nothing", function()
  local c, id, v1 = scene()
  c.planning = true
  eq(v1.isolate { host = id }.planned, true)
  eq(v1.block { file = FILE }.planned, true)
  eq(v1.watch { file = FILE }.state, "log")
  eq(v1.terminate_process { host = id, file = FILE }.state, "ended")
  eq(#c.sim.log, 0)
end)

test("one element goes with each call, and our tag with it", function()
  local c, id, v1 = scene()
  v1.isolate { host = id, description = "T1059 containment" }
  for _, call in ipairs(c.calls) do
    if call.op == "isolate" then
      local body = json.decode(call.request.body)
      eq(#body, 1)
      eq(body[1].description, c.tag .. ": T1059 containment")
      eq(header(call, "content-type"), "application/json;charset=utf-8")
    end
  end
  eq(count(c, "isolate"), 1)
end)

-- Every operation ------------------------------------------------------------------------------------------

local function ws5(c) return endpoint(c, "ws5").id end

test("every read waits out a limit, and says a lasting error in Vision One's words", function()
  walk.reads("visionone", {
    endpoints = function(c) return c.visionone.endpoints { hostname = "WORKSTATION5" } end,
    endpoint_count = function(c) return c.visionone.endpoint_count {} end,
    isolation = function(c) return c.visionone.isolation { host = ws5(c) } end,
    task = function(c)
      return c.visionone.task { id = c.visionone.terminate_process { host = ws5(c), file = FILE, wait = false }.task }
    end,
    tasks = function(c) return c.visionone.tasks { action = "isolate" } end,
    suspicious_objects = function(c) return c.visionone.suspicious_objects { sha256 = SHA256 } end,
    exceptions = function(c) return c.visionone.exceptions { sha256 = SHA256 } end,
  }, "5xx:500", "InternalServerError")
end)

test("every list comes page by page", function()
  local function five(c, verb, more)
    for n = 1, 5 do
      local args = { ip = "198.51.100." .. n }
      for k, v in pairs(more or {}) do args[k] = v end
      c.visionone[verb](args)
    end
  end
  walk.pages("visionone", {
    endpoints = function(c) return c.visionone.endpoints { all = true }, #c.sim.state.endpoint_list end,
    tasks = function(c)
      five(c, "block")
      return c.visionone.tasks { action = "block" }, 5
    end,
    suspicious_objects = function(c)
      five(c, "add_suspicious_object")
      return c.visionone.suspicious_objects { action = "block" }, 5
    end,
    exceptions = function(c)
      five(c, "add_exception")
      return c.visionone.exceptions { all = true }, 5
    end,
  }, 2)
end)

test("every write waits out a limit and is done once, and is not done with a key that is not taken", function()
  local function before(verb, after)
    return function(c)
      c.visionone[verb] { sha256 = SHA256 }
      after(c)
    end
  end
  walk.writes("visionone", {
    isolate = { function(c) c.visionone.isolate { host = ws5(c) } end, "isolate done" },
    end_isolation = { function(c)
      c.visionone.isolate { host = ws5(c) }
      c.visionone.end_isolation { host = ws5(c) }
    end, "restoreIsolate done" },
    terminate_process = { function(c) c.visionone.terminate_process { host = ws5(c), sha1 = WSCRIPT } end, "killed" },
    block = { function(c) c.visionone.block { file = FILE } end, "block done" },
    unblock = { function(c)
      c.visionone.block { file = FILE }
      c.visionone.unblock { file = FILE }
    end, "restoreBlock done" },
    add_suspicious_object = { function(c) c.visionone.add_suspicious_object { sha256 = SHA256 } end },
    watch = { function(c) c.visionone.watch { sha256 = SHA256 } end, "add_suspicious_object",
              route = "add_suspicious_object" },
    remove_suspicious_object = {
      before("add_suspicious_object", function(c) c.visionone.remove_suspicious_object { sha256 = SHA256 } end) },
    add_exception = { function(c) c.visionone.add_exception { sha256 = SHA256 } end },
    remove_exception = { before("add_exception", function(c) c.visionone.remove_exception { sha256 = SHA256 } end) },
  })
end)

harness.done()
