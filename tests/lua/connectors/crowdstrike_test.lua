-- crowdstrike_test.lua: the CrowdStrike connector against its simulator, one trap of the API after the other.
package.path = "tests/lua/?.lua;" .. package.path
local harness = require "harness"
local walk = require "walk"
local test, eq, raises = harness.test, harness.eq, harness.raises

local LAUNCHER = [[C:\Users\pgustavo\Desktop\launcher.vbs]]
local HASH  = "c1dadf9fb8021aa205bd52604c4d7330c5e1251198322ac4b8a093dc23df1a10"
local NOTES = "88f8421e1fa4468d3d76ac62019ab4a03b3f6af1e17422d722cb46f21df9ec48"
local NOBODY = ("ab"):rep(32)
local WSCRIPT = [[C:\Windows\System32\wscript.exe]]
local STARTED = "2020-09-04T20:09:55Z"

local function falcon(options) return harness.client("crowdstrike", options) end

-- The simulator's device of a host of the world.
local function device(c, key)
  for _, d in ipairs(c.sim.state.device_list) do
    if d.host == c.sim.world.host[key] then return d end
  end
end

local function scene(options)
  local c = falcon(options)
  return c, device(c, "ws5").id, c.crowdstrike
end

local function count(c, op)
  local n = 0
  for _, call in ipairs(c.calls) do n = n + (call.op == op and 1 or 0) end
  return n
end

local function logged(c, op)
  local out = {}
  for _, entry in ipairs(c.sim.log) do
    if entry.op == op then out[#out + 1] = entry end
  end
  return out
end

local function text_sample(name, text) return harness.blob(name, text or "Write-Output 'hello'\r\n") end

-- The token -----------------------------------------------------------------------------------------------

test("the token call says 201, and one token serves many calls", function()
  local c, _, cs = scene()
  cs.hosts { hostname = "WORKSTATION5" }
  cs.hosts { hostname = "WORKSTATION6" }
  eq(count(c, "token"), 1)
  eq(c.calls[1].reply.status, 201)
end)

test("a token is renewed before it ends", function()
  local c, _, cs = scene()
  cs.hosts { hostname = "WORKSTATION5" }
  c.now = c.now + 1799 - 239
  cs.hosts { hostname = "WORKSTATION5" }
  eq(count(c, "token"), 2)
end)

test("a token that is no longer taken is renewed once, and not in a loop", function()
  local c, _, cs = scene { faults = "crowdstrike.hosts#1=expire" }
  eq(#cs.hosts { hostname = "WORKSTATION6" }, 1)
  eq(count(c, "token"), 2)
  c, _, cs = scene { faults = "crowdstrike.hosts=expire" }
  raises("unauthorised", function() cs.hosts { hostname = "WORKSTATION6" } end)
  eq(count(c, "hosts"), 2)
end)

test("a wrong pair is forbidden", function()
  local _, _, cs = scene { config = { client_id = ("0"):rep(32), client_secret = "x" } }
  raises("forbidden", function() cs.hosts { hostname = "WORKSTATION5" } end)
end)

test("a 308 of the token call leads to a region that is known, and to no other", function()
  local c, _, cs = scene()
  c.sim.state.home = "us-2"
  eq(#cs.hosts { hostname = "WORKSTATION6" }, 1)
  eq(c.region, "https://api.us-2.crowdstrike.com")
  c, _, cs = scene()
  c.sim.state.home = "us-2"
  c.declaration.auth.regions = { "https://api.crowdstrike.com" }
  raises("refused", function() cs.hosts { hostname = "WORKSTATION6" } end)
end)

-- Alerts: what is written back ----------------------------------------------------------------------------

-- Three alerts of one host, and their ids.
local function alerts(c)
  local state, d, ids = c.sim.state, device(c, "ws5"), {}
  local rand = require "sim.kit".rand(1, "alerts")
  for i = 1, 3 do
    state.alerts[i] = state.make_alert(rand, d, d.host.processes[1], c.now - 600 * i)
    ids[i] = state.alerts[i].composite_id
  end
  return state.alerts, ids
end

local function commented(alert) return #(alert.comments or {}) end

test("a status and a comment of several alerts are one request each, with texts as values", function()
  local c, _, cs = scene()
  local at, ids = alerts(c)
  eq(cs.set_alert_status { alerts = ids, status = "in_progress" }.status, "in_progress")
  cs.comment_alerts { alerts = ids, text = { "a line", "another" } }
  eq(count(c, "set_alert_status"), 1)
  eq(count(c, "comment_alerts"), 1)
  for _, a in ipairs(at) do
    eq(a.status, "in_progress")
    eq(commented(a), 1)
    assert(a.comments[1].value:find("^a line\nanother\n%(lunette "), a.comments[1].value)
  end
  eq(cs.set_alert_status { alerts = { ids[3], ids[1] }, status = "in_progress" }.unchanged, true)
  eq(count(c, "set_alert_status"), 1)
end)

test("what is so of some alerts only is not so yet", function()
  local c, _, cs = scene()
  local at, ids = alerts(c)
  at[2].status = "closed"
  eq(cs.set_alert_status { alerts = ids, status = "closed" }.unchanged, nil)
  eq(at[1].status, "closed")
end)

test("an alert that is not there is told, whatever became of the others", function()
  local c, _, cs = scene()
  local at, ids = alerts(c)
  local gone = ids[1]:gsub("%d+%-", "9-", 1)
  raises("partial", function() cs.comment_alerts { alerts = { ids[1], gone }, text = { "x" } } end)
  eq(commented(at[1]), 1)
  raises("not_found", function() cs.set_alert_status { alerts = { gone }, status = "closed" } end)
end)

test("a comment that was perhaps sent is looked for, and never sent twice", function()
  for fault in ("reset-after 5xx:504 truncate"):gmatch "%S+" do
    local c, _, cs = scene { faults = "crowdstrike.comment_alerts#1=" .. fault }
    local at, ids = alerts(c)
    cs.comment_alerts { alerts = ids, text = { "once" } }
    for _, a in ipairs(at) do eq(commented(a), 1, fault) end
    eq(count(c, "comment_alerts"), 1, fault)
  end
end)

test("ids of the older detections are refused, and nothing is sent", function()
  local c, _, cs = scene()
  raises("bad_argument", function() cs.comment_alerts { alerts = { "ldt:3f1c:123" }, text = { "x" } } end)
  raises("bad_argument", function() cs.comment_alerts { alerts = {}, text = { "x" } } end)
  eq(count(c, "comment_alerts"), 0)
end)

-- What answers mean ---------------------------------------------------------------------------------------

test("alerts since a time come page by page, whole, the oldest first", function()
  local c, _, cs = scene()
  local state, d = c.sim.state, device(c, "ws5")
  local rand = require "sim.kit".rand(1, "alerts")
  for i = 1, 5 do state.alerts[i] = state.make_alert(rand, d, d.host.processes[1], c.now - 600 * i) end
  state.page = 2
  local found = cs.alerts { since = c.now - 1800 }
  eq(#found, 3)
  eq(found[1].created_timestamp, state.alerts[3].created_timestamp)
  eq(#cs.alerts { since = c.now - 4000, before = c.now - 1500 }, 3)
end)

test("a good status with errors is not success", function()
  local _, _, cs = scene { faults = "crowdstrike.hosts=partial" }
  raises("unavailable", function() cs.hosts { hostname = "WORKSTATION5" } end)
end)

test("the wait after a 429 is an absolute time, in seconds or milliseconds, two minutes at most", function()
  local fault = falcon().declaration.fault
  local date = "Tue, 24 Nov 2026 06:00:00 GMT"
  local function after(at)
    return fault { status = 429, body = { errors = { { code = 429, message = "slow down" } } },
                   headers = { ["x-ratelimit-retryafter"] = at, date = date } }.after
  end
  local now = require "time".parse "2026-11-24T06:00:00Z"
  eq(after(tostring(now + 7)), 7)
  eq(after(tostring((now + 7) * 1000)), 7)
  eq(after(tostring(now + 9000)), 120)
  eq(after(tostring(now - 5)), 1)
end)

test("a 429 is waited for and asked again", function()
  local c, _, cs = scene { faults = "crowdstrike.hosts#1=429:7" }
  local before = c.now
  eq(#cs.hosts { hostname = "WORKSTATION6" }, 1)
  eq(c.now - before, 7)
  local limit = c.declaration.limit
  eq(limit { status = 429, headers = {}, body = {} }.wait, 60)
  eq(limit { status = 429, headers = {}, body = { meta = { quota = {} } } }, nil)
  eq(limit({ status = 200, headers = { ["x-ratelimit-remaining"] = { "5999", "5999" } } }).remaining, 5999)
end)

test("a 404 that is not the vendor's own proves nothing", function()
  local c, id, cs = scene { faults = "crowdstrike.delete_iocs=html:404,crowdstrike.ioc_hosts=html:404" }
  raises("not_found", function() cs.ioc_hosts { sha256 = HASH } end)
  local mine = cs.create_ioc { sha256 = HASH }
  eq(cs.delete_iocs { ids = { mine.id } }[1].ok, false)
  assert(c and id)
end)

test("a missing scope is forbidden, and says what may be wrong", function()
  local c, _, cs = scene()
  c.sim.state.scopes = { ["devices:read"] = true }
  local e = raises("forbidden", function() cs.iocs { sha256 = HASH } end)
  assert(e.message:find("scope", 1, true), e.message)
end)

test("reads survive every fault of the wire once", function()
  for _, fault in ipairs { "429", "5xx", "5xx:504", "html", "truncate", "reset-before", "reset-after" } do
    local _, id, cs = scene { faults = "crowdstrike.host_details#1=" .. fault }
    eq(cs.host_details { host = id }.hostname, "WORKSTATION5", fault)
  end
end)

-- Hosts ---------------------------------------------------------------------------------------------------

test("a host has the fields that playbooks use, and its role", function()
  local c, _, cs = scene()
  local h = cs.host { hostname = "MORDORDC" }
  eq(h.role, "domain_controller")
  eq(h.online, true)
  eq(h.os, "windows")
  eq(h.ip, "10.20.1.10")
  eq(cs.host { hostname = "FILE01" }.role, "server")
  eq(cs.host { id = device(c, "ws6").id }.role, "workstation")
end)

test("how many hosts there are is the total of a page of one", function()
  local c = falcon()
  eq(c.crowdstrike.endpoint_count {}, #c.sim.state.device_list)
  eq(c.declaration.endpoints, "endpoint_count")
  raises("failed", function() c.declaration.operations.endpoint_count.result { meta = {} } end)
end)

test("two hosts of one name are ambiguous; who was seen lately may settle it", function()
  local c, id, cs = scene()
  local e = raises("ambiguous", function() cs.host { hostname = "WORKSTATION5" } end)
  assert(e.message:find(id, 1, true) and e.message:find(device(c, "ws5_old").id, 1, true), e.message)
  eq(cs.host { hostname = "WORKSTATION5", seen_within = "24h" }.id, id)
  c.sim.world.host.ws5.seen_ago = 100 * 86400
  raises("stale", function() cs.host { hostname = "WORKSTATION5", seen_within = "24h" } end)
end)

test("an alert's device is found by agent, by name, by name without its domain, or by address", function()
  local c, id, cs = scene()
  eq(cs.host { device = { hostname = "x", agents = { crowdstrike = id } } }.id, id)
  local old = device(c, "ws5_old").id
  eq(cs.host { device = { hostname = "WORKSTATION5.theshire.local" }, seen_within = "1d" }.id, id)
  eq(cs.host { device = { ip = { "10.20.9.77" } } }.id, old)
  raises("not_found", function() cs.host { device = { hostname = "ws-99" } } end)
  raises("bad_argument", function() cs.host { device = { os = "windows" } } end)
end)

test("a name with a quote or a star never becomes part of a filter", function()
  local c, _, cs = scene()
  for _, name in ipairs { "x'+hostname:*'*", "WORK*", "a'b", "a,b", [[a\b]] } do
    raises("bad_argument", function() cs.hosts { hostname = name } end)
  end
  eq(#c.calls, 0)
  raises("bad_argument", function() cs.hosts {} end)
end)

test("a list goes on to the next page", function()
  local c, _, cs = scene()
  c.sim.state.page = 3
  eq(#cs.hosts { all = true }, #c.sim.state.device_list)
  raises("too_many", function() cs.hosts { all = true, limit = 4 } end)
end)

test("a host that is no Falcon id is refused before anything is sent", function()
  local c, _, cs = scene()
  raises("bad_argument", function() cs.host_details { host = "WORKSTATION5" } end)
  eq(#c.calls, 0)
end)

-- The sandbox ---------------------------------------------------------------------------------------------

test("a text sample is uploaded confidentially, submitted, followed and reported", function()
  local c, _, cs = scene()
  local r = cs.analyse { sample = text_sample "command.ps1" }
  eq(r.verdict, "no specific threat")
  eq(r.submit_name, "command.ps1")
  eq(r.sandbox[1].environment_id, 160)
  eq(logged(c, "upload_sample")[1].confidential, true)
  local seen = table.concat(c.seen, " ")
  assert(seen:find "running" and seen:find "done", seen)
  eq(c.sim.state.quota.used, 42)
end)

test("a report that exists is taken, and nothing is uploaded or submitted", function()
  local c, _, cs = scene()
  local first = cs.analyse { sample = text_sample "command.ps1" }
  c.calls = {}
  eq(cs.analyse { sample = text_sample "command.ps1" }.id, first.id)
  eq(count(c, "submit") + count(c, "upload_sample") + count(c, "samples_known"), 0)
  eq(#cs.reports { sha256 = first.sha256 }, 1)
  eq(cs.report { id = first.id }.verdict, first.verdict)
  eq(cs.report { id = first.id, full = true }.verdict, first.verdict)
  eq(#cs.reports { sha256 = NOBODY }, 0)
end)

test("the and of a filter is sent as %2B", function()
  local c, _, cs = scene()
  cs.reports { sha256 = HASH, environment = 160 }
  local target = c.calls[2].request.target
  assert(target:find("%2Bsandbox.environment_id", 1, true) and not target:find("+", 1, true), target)
end)

test("a report that is not there yet is not_found", function()
  local _, _, cs = scene()
  raises("not_found", function() cs.report { id = "7a_1" } end)
  raises("not_found", function() cs.analysis_status { id = "7a_1" } end)
end)

test("an analysis that failed looks finished, is an error, and is not bought a second time", function()
  local c, _, cs = scene()
  local e = raises("failed", function() cs.analyse { sample = text_sample "what.odd" } end)
  eq(e.vendor_code, "FILE_TYPE_BAD_ERROR")
  eq(c.sim.state.quota.used, 42)
  local sha256 = text_sample("what.odd").sha256
  eq(#cs.reports { sha256 = sha256 }, 0)
  eq(cs.reports { sha256 = sha256, failed = true }[1].error.type, "FILE_TYPE_BAD_ERROR")
  raises("failed", function() cs.analyse { sample = text_sample "what.odd" } end)
  eq(c.sim.state.quota.used, 42)
end)

test("a full quota is told as such, once, and not waited for", function()
  local c, _, cs = scene()
  c.sim.state.quota.used = 500
  local before = c.now
  local e = raises("quota", function() cs.analyse { sample = text_sample "command.ps1" } end)
  assert(e.message:find("500 of 500", 1, true), e.message)
  eq(e.retry or false, false)
  eq(count(c, "submit"), 1)
  eq(c.now, before)
  eq(cs.sandbox_quota {}.used, 500)
end)

test("a rate limit at the submission is not taken for the quota", function()
  local c, _, cs = scene { faults = "crowdstrike.submit#1=429" }
  cs.analyse { sample = text_sample "command.ps1" }
  eq(c.sim.state.quota.used, 42)
end)

test("a submission that was perhaps done is found again by its tag, and not paid twice", function()
  for _, fault in ipairs { "reset-after", "5xx:504", "truncate", "partial" } do
    local c, _, cs = scene { faults = "crowdstrike.submit#1=" .. fault }
    cs.analyse { sample = text_sample "command.ps1" }
    eq(#logged(c, "submit"), 1, fault)
    eq(c.doubts, 1, fault)
  end
end)

test("without tags a submission is told by its time, and by a skewed clock it cannot be told", function()
  local found = falcon().declaration.operations.submit.probe.found
  local at = 1795600000
  local function ours(created, tags)
    local one = { id = "s", created = os.date("!%Y-%m-%dT%H:%M:%SZ", created), tags = tags }
    return found({ one }, {}, { tag = "t", since = at, now = at })
  end
  eq(ours(at + 5).id, "s")
  eq(ours(at - 30).id, "s")
  eq(ours(at - 3600), false)                              -- our clock may have been an hour ahead: a person looks
  eq(ours(at - 2 * 86400), nil)
  eq(ours(at - 2 * 86400, { "t" }).id, "s")
  eq(ours(at + 5, { "other" }), nil)
  eq(found({}, {}, { tag = "t", since = at, now = at }), nil)
end)

test("a submission that was not done is done, and somebody else's is not taken for it", function()
  local c, _, cs = scene { faults = "crowdstrike.submit#2=reset-before" }
  cs.upload_sample { sample = text_sample "command.ps1" }
  local sha256 = text_sample("x").sha256
  c.tag = "another run"
  cs.submit { sha256 = sha256, wait = false }
  c.tag = "this run"
  cs.submit { sha256 = sha256, wait = false }
  eq(#logged(c, "submit"), 2)
end)

test("a handle is all that is needed to go on", function()
  local _, _, cs = scene()
  cs.upload_sample { sample = text_sample "command.ps1" }
  local handle = cs.submit { sha256 = text_sample("x").sha256, wait = false }
  eq(cs.analysis_status { id = handle.id }.state, "created")
end)

test("one who does not wait long enough hears that it is pending", function()
  local _, _, cs = scene()
  cs.upload_sample { sample = text_sample "command.ps1" }
  raises("pending", function() cs.submit { sha256 = text_sample("x").sha256, wait = "1m" } end)
end)

test("a stored sample is not uploaded again", function()
  local c, _, cs = scene()
  cs.upload_sample { sample = text_sample "command.ps1" }
  eq(cs.upload_sample { sample = text_sample "command.ps1" }.unchanged, true)
  eq(#logged(c, "upload_sample"), 1)
end)

test("a sample that nobody has cannot be analysed by its hash", function()
  local _, _, cs = scene()
  raises("not_found", function() cs.analyse { sha256 = NOBODY } end)
  raises("bad_argument", function() cs.analyse { name = "x" } end)
end)

-- Indicators ----------------------------------------------------------------------------------------------

test("an indicator is made once; the same again is unchanged; undo deletes it", function()
  local c, _, cs = scene()
  local i = cs.create_ioc { sha256 = HASH, lease = "30d" }
  eq(i.source, "lunette")
  eq(i.expires, require "time".format(c.now + 30 * 86400))
  eq(c.entity .. " " .. c.facet, "crowdstrike:file:" .. HASH .. " ioc")
  eq(c.effect, "confine")
  local undo = c.undo
  eq(undo.op, "crowdstrike.delete_iocs")
  local again = cs.create_ioc { sha256 = HASH }
  eq(again.unchanged, true)
  eq(again.id, i.id)
  eq(cs.delete_iocs(undo.args)[1].ok, true)
  eq(c.entity, "crowdstrike:file:" .. HASH)
  eq(#c.sim.state.iocs, 0)
end)

test("an indicator that does something else is changed, and undo gives it back what it did", function()
  local c, _, cs = scene()
  local i = cs.create_ioc { sha256 = HASH, action = "detect", severity = "low" }
  local j = cs.create_ioc { sha256 = HASH, action = "prevent" }
  eq(j.id, i.id)
  eq(j.former.action, "detect")
  eq(#c.sim.state.iocs, 1)
  eq(c.sim.state.iocs[1].action, "prevent")
  eq(c.undo.op, "crowdstrike.create_ioc")
  cs.create_ioc(c.undo.args)
  eq(c.sim.state.iocs[1].action .. c.sim.state.iocs[1].severity, "detectlow")
end)

test("a creation that was perhaps done is found by type and value", function()
  for _, fault in ipairs { "reset-after", "5xx:504", "truncate", "partial", "twice" } do
    local c, _, cs = scene { faults = "crowdstrike.create_ioc#1=" .. fault }
    local ok, i = pcall(cs.create_ioc, { sha256 = HASH })
    eq(#c.sim.state.iocs, 1, fault)
    if ok then eq(i.id, c.sim.state.iocs[1].id, fault) end
    eq(ok, fault ~= "twice", fault)                         -- twice: the second is a duplicate, and is told
  end
end)

test("what the vendor would refuse is refused before it is sent", function()
  local c, _, cs = scene()
  raises("bad_argument", function() cs.create_ioc { sha1 = ("a"):rep(40) } end)
  raises("bad_argument", function() cs.create_ioc { domain = "evil.example" } end)
  raises("bad_argument", function() cs.create_ioc { sha256 = HASH, md5 = ("a"):rep(32) } end)
  raises("bad_argument", function() cs.create_ioc { action = "detect" } end)
  raises("bad_argument", function() cs.create_ioc { sha256 = "abc" } end)
  eq(#c.calls, 0)
  eq(cs.create_ioc { domain = "evil.example", action = "detect" }.action, "detect")
  eq(c.effect, "note")
  eq(cs.create_ioc { ip = "198.51.100.9", action = "detect" }.type, "ipv4")
  cs.create_ioc { sha256 = HASH, action = "allow" }
  eq(c.effect, "free")
end)

test("the guards hear every name that a report gives the hash", function()
  local c, _, cs = scene()
  local sample = text_sample "powershell.exe"
  cs.analyse { sample = sample }
  cs.create_ioc { sha256 = sample.sha256, filename = "harmless.txt" }
  local names = table.concat(c.resolved.file, " ")
  assert(names:find("powershell.exe", 1, true) and names:find("harmless.txt", 1, true), names)
end)

test("only our own indicators are deleted, by id, and each is kept whole", function()
  local c, _, cs = scene()
  local mine = cs.create_ioc { sha256 = HASH, tags = { "INC-1" }, description = "dropper",
                               filename = "l.vbs" }
  table.insert(c.sim.state.iocs, { id = ("f"):rep(64), type = "sha256", value = NOTES, action = "prevent",
                                   source = "somebody", platforms = { "windows" }, applied_globally = true })
  local out = cs.delete_iocs { ids = { ("f"):rep(64), mine.id } }
  eq(out[1].error.code, "refused")
  eq(out[2].ok, true)
  eq(#c.sim.state.iocs, 1)
  for _, call in ipairs(c.calls) do
    assert(call.request.method ~= "DELETE" or not call.request.target:find("filter", 1, true))
  end
  local kept = out[2].value.removed
  eq(kept.description, "dropper")
  eq(cs.create_ioc(c.undo.args).value, HASH)
  local back = c.sim.state.iocs[2]
  eq(back.description .. back.tags[1] .. back.metadata.filename, "dropperINC-1l.vbs")
end)

test("an indicator that is gone is unchanged; one of another value is left alone", function()
  local c, _, cs = scene()
  eq(cs.delete_iocs { ids = { ("e"):rep(64) } }[1].value.unchanged, true)
  local mine = cs.create_ioc { sha256 = HASH }
  eq(cs.delete_iocs { ids = { mine.id }, value = NOTES }[1].error.code, "stale")
  eq(#c.sim.state.iocs, 1)
  raises("bad_argument", function() cs.delete_iocs { ids = {} } end)
end)

test("an expired indicator stays, and is made anew", function()
  local c, _, cs = scene()
  local i = cs.create_ioc { sha256 = HASH, lease = "1d" }
  c.now = c.now + 2 * 86400
  eq(cs.iocs { sha256 = HASH }[1].expired, true)
  eq(cs.create_ioc { sha256 = HASH, lease = "1d" }.id, i.id)
  eq(c.sim.state.iocs[1].action, "prevent")
  eq(c.sim.state.iocs[1].expired, false)
end)

test("indicators are listed beyond one page", function()
  local c, _, cs = scene()
  for n = 1, 5 do cs.create_ioc { ip = "198.51.100." .. n, action = "detect" } end
  c.sim.state.page = 2
  eq(#cs.iocs { source = "lunette" }, 5)
  raises("bad_argument", function() cs.iocs {} end)
end)

test("hosts that have a file are ids; nobody is an empty list, and not an error", function()
  local c, id, cs = scene()
  c.sim.state.page = 1
  local hosts = cs.ioc_hosts { sha256 = HASH }
  eq(#hosts, 3)
  eq(hosts[1], id)
  eq(#cs.ioc_hosts { sha256 = NOBODY }, 0)
end)

-- Real Time Response --------------------------------------------------------------------------------------

test("a file's hashes are read, and a file that is not there is not an error", function()
  local _, id, cs = scene()
  eq(cs.rtr_check_hash { host = id, path = LAUNCHER }.sha256, HASH)
  eq(cs.rtr_check_hash { host = id, path = [[C:\Users\pgustavo\gone.vbs]] }.exists, false)
end)

test("a host that is off line is unavailable at once, and nothing is queued for it", function()
  local c, _, cs = scene()
  local id, before = device(c, "ws7").id, c.now
  local e = raises("unavailable", function()
    cs.rtr_remove_file { host = id, path = LAUNCHER, sha256 = HASH }
  end)
  eq(e.vendor_code, "40401")
  eq(e.retry or false, false)
  eq(c.now, before)
  eq(count(c, "rtr_session"), 1)
  assert(c.calls[#c.calls].request.body:find('"queue_offline":false', 1, true))
end)

test("a path that cannot be quoted, or is not one file, is refused before anything is sent", function()
  local c, id, cs = scene()
  for _, path in ipairs { [[C:\a"b.vbs]], "C:\\a\nb.vbs", [[C:\Users\]], [[Desktop\launcher.vbs]],
                          [[C:\*.vbs]], [[C:\Users\..\x.vbs]], "launcher.vbs", "/", [[C:\a\.\b]],
                          "%TEMP%\\x" } do
    raises("bad_argument", function() cs.rtr_remove_file { host = id, path = path, sha256 = HASH } end)
    raises("bad_argument", function() cs.rtr_rm { host = id, path = path, sha256 = HASH } end)
  end
  for _, call in ipairs(c.calls) do
    assert(call.op == "token" or call.op == "rtr_session", call.op)
  end
end)

test("a file named after another file's hash does not pass for it", function()
  local c, id, cs = scene()
  local notes = c.sim.world.files[NOTES]
  local path = [[C:\Temp\]] .. HASH
  device(c, "ws5").files[path:lower()] = { path = path, text = notes.text, sha256 = NOTES, sha1 = notes.sha1,
                                           md5 = notes.md5 }
  eq(cs.rtr_check_hash { host = id, path = path }.sha256, NOTES)
  raises("stale", function() cs.rtr_remove_file { host = id, path = path, sha256 = HASH } end)
end)

test("a file is removed only if it is the one that is meant, and seen to be gone", function()
  local c, id, cs = scene()
  raises("stale", function() cs.rtr_remove_file { host = id, path = LAUNCHER, sha256 = NOTES } end)
  eq(#logged(c, "rm"), 0)
  local r = cs.rtr_remove_file { host = id, path = LAUNCHER, sha256 = HASH }
  eq(r.state, "absent")
  eq(#logged(c, "rm"), 1)
  eq(c.entity .. " " .. c.facet, "crowdstrike:host:" .. id .. " file:" .. LAUNCHER:lower())
  eq(c.calls[#c.calls].op, "rtr_output")
  eq(cs.rtr_remove_file { host = id, path = LAUNCHER, sha256 = HASH }.unchanged, true)
  eq(#logged(c, "rm"), 1)
end)

test("the guards hear the host's names and role, and the file's", function()
  local c, _, cs = scene()
  local dc = device(c, "dc")
  dc.files[LAUNCHER:lower()] = c.sim.world.files[HASH]
  cs.rtr_remove_file { host = dc.id, path = LAUNCHER, sha256 = HASH }
  eq(c.resolved.role, "domain_controller")
  local names = table.concat(c.resolved.host, " ")
  assert(names:find("MORDORDC.theshire.local", 1, true) and names:find("10.20.1.10", 1, true), names)
  assert(table.concat(c.resolved.file, " "):find("launcher.vbs", 1, true))
end)

test("a command that completes with stderr has failed, whatever the status says", function()
  local c, id, cs = scene()
  local e = raises("failed", function()
    cs.rtr_check_hash { host = id, path = [[C:\Users\pgustavo\Desktop]] }
  end)
  assert(e.message:find("directory", 1, true), e.message)
  raises("failed", function()
    cs.rtr_kill { host = id, pid = 2440, image = WSCRIPT, started = STARTED }
    device(c, "ws5").processes = {}
    c.operations.rtr_kill.state = nil
    cs.rtr_kill { host = id, pid = 2440, image = WSCRIPT, started = STARTED }
  end)
end)

test("an error that is not \"no such file\" is no proof that a file is gone", function()
  local c, id = scene()
  local result = c.operations.rtr_check_hash.result
  raises("failed", function()
    result({ { stdout = "", stderr = "Access is denied.", complete = true } }, { host = id, path = LAUNCHER })
  end)
  raises("failed", function()
    result({ { stdout = "nothing of use", stderr = "", complete = true } }, { host = id, path = LAUNCHER })
  end)
end)

test("a removal that was perhaps done is settled by looking", function()
  for _, fault in ipairs { "reset-after", "reset-before", "5xx:504", "truncate", "twice" } do
    local c, id, cs = scene { faults = "crowdstrike.rtr_rm#1=" .. fault }
    eq(cs.rtr_remove_file { host = id, path = LAUNCHER, sha256 = HASH }.state, "absent", fault)
    eq(#logged(c, "rm"), 1, fault)
  end
end)

test("sessions are shared, and one that died or was closed is opened anew", function()
  local c, id, cs = scene()
  local s = cs.rtr_session { host = id }.session
  eq(cs.rtr_session { host = id }.session, s)
  c.now = c.now + 700
  assert(cs.rtr_session { host = id }.session ~= s)
  eq(#logged(c, "open_session"), 2)
  -- Another run closes the session between its opening and our command.
  local handle, closed = c.sim.handle, false
  c.sim.handle = function(self, raw)
    if raw.target:find("/entities/command/v1", 1, true) and not closed then
      closed = true
      self.state.session_of[id].closed = true
    end
    return handle(self, raw)
  end
  eq(cs.rtr_check_hash { host = id, path = LAUNCHER }.sha256, HASH)
  eq(#logged(c, "open_session"), 3)
end)

test("output that comes in pieces is put together", function()
  local c, id, cs = scene()
  local all = cs.rtr_processes { host = id }
  local folder = [[C:\Program Files\Some Company\A Rather Long Product Name\]]
  for n = 1, 60 do
    local name = "p" .. n .. ".exe"
    table.insert(device(c, "ws5").processes, { pid = 9000 + n, name = name, started = STARTED,
                                               image = folder .. name })
  end
  c.sim.state.piece = 1024
  local list = cs.rtr_processes { host = id }
  eq(#list, #all + 60)
  eq(list[#list].path, folder .. "p60.exe")
  eq(list[#list].started, STARTED)
end)

test("a process is ended only if pid, image and start are those that are meant", function()
  local c, id, cs = scene()
  local other = device(c, "ws6").id                        -- there 2440 is the explorer
  local e = raises("stale", function()
    cs.rtr_kill_process { host = other, pid = 2440, image = WSCRIPT, started = STARTED }
  end)
  assert(e.message:find("explorer.exe", 1, true), e.message)
  raises("stale", function()
    cs.rtr_kill_process { host = id, pid = 2440, image = WSCRIPT, started = "2020-09-04T20:10:55Z" }
  end)
  raises("bad_argument", function() cs.rtr_kill_process { host = id, pid = 2440, image = WSCRIPT } end)
  eq(#logged(c, "kill"), 0)
  eq(cs.rtr_kill_process { host = id, pid = 2440, image = "WScript.exe", started = STARTED }.state, "ended")
  eq(logged(c, "kill")[1].pid, 2440)
  eq(cs.rtr_kill_process { host = id, pid = 2440, image = WSCRIPT, started = STARTED }.unchanged, true)
end)

test("a file that is exchanged between the look and the deed is not removed", function()
  local c, id, cs = scene()
  local read, looks = c.operations.rtr_check_hash.result, 0
  c.operations.rtr_check_hash.result = function(...)
    looks = looks + 1
    if looks == 1 then device(c, "ws5").files[LAUNCHER:lower()] = c.sim.world.files[NOTES] end
    return read(...)
  end
  raises("stale", function() cs.rtr_remove_file { host = id, path = LAUNCHER, sha256 = HASH } end)
  eq(#logged(c, "rm"), 0)
end)

test("a process of another image with the same pid and start is not ended", function()
  local _, id, cs = scene()
  local args = { host = id, pid = 2440, image = [[C:\Windows\System32\mshta.exe]], started = STARTED }
  raises("stale", function() cs.rtr_kill_process(args) end)
  raises("stale", function() cs.rtr_kill(args) end)
end)

test("a pid that was given away between the look and the deed is not ended", function()
  local c, id, cs = scene()
  local processes = device(c, "ws5").processes
  local read = c.operations.rtr_processes.result
  c.operations.rtr_processes.result = function(...)        -- once looked at, the pid becomes another's
    local list = read(...)
    for i, p in ipairs(processes) do
      if p.pid == 2440 then
        processes[i] = { pid = 2440, name = "winword.exe", image = [[C:\Office\winword.exe]],
                         started = "2026-11-24T05:00:00Z" }
      end
    end
    return list
  end
  raises("stale", function()
    cs.rtr_kill_process { host = id, pid = 2440, image = WSCRIPT, started = STARTED }
  end)
  eq(#logged(c, "kill"), 0)
end)

test("a plan removes and ends nothing", function()
  local c, id, cs = scene()
  c.planning = true
  eq(cs.rtr_remove_file { host = id, path = LAUNCHER, sha256 = HASH }.planned, true)
  eq(cs.rtr_kill_process { host = id, pid = 2440, image = WSCRIPT, started = STARTED }.planned, true)
  local file = cs.rtr_get_file { host = id, path = LAUNCHER }
  eq(file.planned, true)
  eq(file.sha256, HASH)
  eq(#logged(c, "rm") + #logged(c, "kill") + #logged(c, "get"), 0)
end)

test("read-only commands go through, and none that changes anything does", function()
  local c, id, cs = scene()
  assert(cs.rtr_command { host = id, command = "ls", path = [[C:\Users\pgustavo\Desktop]] }.stdout
         :find("launcher.vbs", 1, true))
  raises("bad_argument", function() cs.rtr_command { host = id, command = "rm", path = LAUNCHER } end)
  assert(c)
end)

-- Fetching a file -----------------------------------------------------------------------------------------

test("a file is fetched sealed, with the hash of what is within, and cleaned up after", function()
  local c, id, cs = scene()
  local f = cs.rtr_get_file { host = id, path = LAUNCHER, sha256 = HASH }
  eq(f.sha256, HASH)
  eq(f.archive, "7z")
  eq(f.name, "launcher.vbs")
  assert(f.blob.sha256 ~= HASH and f.blob.head:sub(1, 6) == "7z\xBC\xAF\x27\x1C")
  eq(#logged(c, "delete_file"), 1)
  eq(#logged(c, "close_session"), 1)
end)

test("a fetched file is chosen by its request, not by name or place", function()
  local c, id, cs = scene()
  local s = cs.rtr_session { host = id }
  local twin = { path = LAUNCHER, text = "another", sha256 = NOBODY }
  table.insert(c.sim.state.sessions[s.session].files, {
    id = "1", cloud_request_id = "other", session_id = s.session, name = LAUNCHER, file = twin, at = c.now,
    ready = c.now })
  eq(cs.rtr_get_file { host = id, path = LAUNCHER }.sha256, HASH)
  eq(c.sim.state.sessions[s.session].files[1].id, "1")
end)

test("what is not there, is another file, or changed on the way, is not fetched", function()
  local c, id, cs = scene()
  raises("not_found", function() cs.rtr_get_file { host = id, path = [[C:\nothing.vbs]] } end)
  raises("stale", function() cs.rtr_get_file { host = id, path = LAUNCHER, sha256 = NOTES } end)
  eq(#logged(c, "get"), 0)
  local get = c.operations.rtr_get.json
  c.operations.rtr_get.json = function(...)
    device(c, "ws5").files[LAUNCHER:lower()] = c.sim.world.files[NOTES]
    return get(...)
  end
  raises("stale", function() cs.rtr_get_file { host = id, path = LAUNCHER } end)
  eq(#logged(c, "delete_file"), 1)
end)

test("a download that is not a 7z is refused", function()
  local _, id, cs = scene { faults = "crowdstrike.rtr_download=html:200" }
  raises("failed", function() cs.rtr_get_file { host = id, path = LAUNCHER } end)
end)

test("while a large file is on its way the session is kept alive", function()
  local c, id, cs = scene()
  local handle = c.sim.handle
  c.sim.handle = function(self, raw)
    for _, s in pairs(self.state.sessions) do
      for _, f in ipairs(s.files) do f.ready = f.at + 900 end
    end
    return handle(self, raw)
  end
  eq(cs.rtr_get_file { host = id, path = LAUNCHER }.sha256, HASH)
  assert(count(c, "rtr_refresh") >= 3)
  eq(#logged(c, "open_session"), 1)
end)

test("a get that was perhaps sent is found among the session's files", function()
  local c, id, cs = scene { faults = "crowdstrike.rtr_get#1=reset-after" }
  eq(cs.rtr_get_file { host = id, path = LAUNCHER }.sha256, HASH)
  eq(#logged(c, "get"), 1)
end)

test("a fetched file is unpacked by the archive service, and analysed under its own hash", function()
  local c, id, cs = scene()
  local r = cs.analyse { sample = cs.rtr_get_file { host = id, path = LAUNCHER, sha256 = HASH } }
  eq(r.verdict, "malicious")
  eq(r.sha256, HASH)
  eq(r.threat_score, 100)
  eq(logged(c, "upload_archive")[1].confidential, true)
  eq(c.sim.state.samples[HASH].confidential, true)
  eq(#logged(c, "delete_archive"), 1)
end)

test("an archive that cannot be opened is an error with its reason", function()
  local _, id, cs = scene()
  local f = cs.rtr_get_file { host = id, path = LAUNCHER }
  local e = raises("failed", function()
    cs.upload_archive { sample = f.blob, name = "x.7z", password = "no" }
  end)
  assert(e.message:find("password", 1, true), e.message)
end)

test("an archive that holds another file is not submitted", function()
  local c, id, cs = scene()
  local f = cs.rtr_get_file { host = id, path = LAUNCHER }
  f.sha256 = NOBODY
  raises("stale", function() cs.analyse { sample = f } end)
  eq(#logged(c, "submit"), 0)
end)

-- Every operation ------------------------------------------------------------------------------------------

local VBS = [[C:\Users\pgustavo\Desktop\launcher.vbs]]
local VBS_HASH = "c1dadf9fb8021aa205bd52604c4d7330c5e1251198322ac4b8a093dc23df1a10"

local function ws5(c) return device(c, "ws5").id end

-- The id of an analysis that is over, and its report there.
local function analysed(c)
  return c.crowdstrike.analyse { sample = text_sample("a.ps1"), name = "a.ps1", wait = "1h" }.id
end

test("every read waits out a limit, and says a lasting error in Falcon's words", function()
  local reads = {
    hosts = function(c) return c.crowdstrike.hosts { hostname = "WORKSTATION5" } end,
    endpoint_count = function(c) return c.crowdstrike.endpoint_count {} end,
    host_details = function(c) return c.crowdstrike.host_details { host = ws5(c) } end,
    host_states = function(c) return c.crowdstrike.host_states { ids = { ws5(c) } } end,
    reports = function(c) return c.crowdstrike.reports { sha256 = VBS_HASH } end,
    report = function(c) return c.crowdstrike.report { id = analysed(c) } end,
    analysis_status = function(c) return c.crowdstrike.analysis_status { id = analysed(c) } end,
    submissions = function(c) return c.crowdstrike.submissions { sha256 = VBS_HASH } end,
    samples_known = function(c) return c.crowdstrike.samples_known { sha256s = { VBS_HASH } } end,
    ioc_hosts = function(c) return c.crowdstrike.ioc_hosts { sha256 = VBS_HASH } end,
    iocs = function(c) return c.crowdstrike.iocs { sha256 = VBS_HASH } end,
    iocs_by_id = function(c) return c.crowdstrike.iocs_by_id { ids = { ("a"):rep(64) } } end,
    rtr_session = function(c) return c.crowdstrike.rtr_session { host = ws5(c) } end,
    rtr_check_hash = function(c) return c.crowdstrike.rtr_check_hash { host = ws5(c), path = VBS } end,
    rtr_processes = function(c) return c.crowdstrike.rtr_processes { host = ws5(c) } end,
    rtr_files = function(c)
      return c.crowdstrike.rtr_files { session = c.crowdstrike.rtr_session { host = ws5(c) }.session }
    end,
  }
  -- Whoever waits for an analysis goes on through what passes; what it ends with is another read's affair.
  local followed = { report = true, analysis_status = true }
  local plain = {}
  for name, call in pairs(reads) do
    if not followed[name] then plain[name] = call end
  end
  walk.reads("crowdstrike", plain, "5xx:500", "500")
  for name in pairs(followed) do
    local c = falcon { faults = "crowdstrike." .. name .. "#1=429" }
    assert(reads[name](c))
  end
end)

test("every list comes page by page", function()
  walk.pages("crowdstrike", {
    hosts = function(c) return c.crowdstrike.hosts { all = true }, #c.sim.state.device_list end,
    iocs = function(c)
      for n = 1, 5 do c.crowdstrike.create_ioc { ip = "198.51.100." .. n, action = "detect" } end
      return c.crowdstrike.iocs { source = "lunette" }, 5
    end,
    ioc_hosts = function(c) return c.crowdstrike.ioc_hosts { sha256 = VBS_HASH }, 3 end,
  }, 2)
end)

test("every write waits out a limit and is done once, and is not done with a token that is not taken", function()
  walk.writes("crowdstrike", {
    upload_sample = { function(c) c.crowdstrike.upload_sample { sample = text_sample("a.ps1") } end },
    submit = { function(c)
      local sample = text_sample("a.ps1")
      c.crowdstrike.upload_sample { sample = sample }
      c.crowdstrike.submit { sha256 = sample.sha256, name = "a.ps1", wait = false }
    end },
    create_ioc = { function(c) c.crowdstrike.create_ioc { sha256 = VBS_HASH, action = "prevent" } end },
    delete_iocs = { function(c)
      local made = c.crowdstrike.create_ioc { sha256 = VBS_HASH, action = "prevent" }
      local o = c.crowdstrike.delete_iocs { ids = { made.id } }[1]
      if not o.ok then error(o.error, 0) end
    end, "delete_ioc" },
    rtr_rm = { function(c) c.crowdstrike.rtr_remove_file { host = ws5(c), path = VBS, sha256 = VBS_HASH } end, "rm" },
    rtr_kill = { function(c)
      local p = device(c, "ws5").processes[1]
      c.crowdstrike.rtr_kill_process { host = ws5(c), pid = p.pid, image = p.image or p.name, started = p.started }
    end, "kill" },
    rtr_get = { function(c) c.crowdstrike.rtr_get_file { host = ws5(c), path = VBS } end, "get" },
  })
end)

harness.done()
