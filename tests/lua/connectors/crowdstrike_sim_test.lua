-- crowdstrike_sim_test.lua: what the simulated Falcon refuses, and the states that its work passes through.
package.path = "tests/lua/?.lua;" .. package.path
local harness = require "harness"
local json, kit = require "json", require "sim.kit"
local test, eq = harness.test, harness.eq

local HASH = "c1dadf9fb8021aa205bd52604c4d7330c5e1251198322ac4b8a093dc23df1a10"
local LAUNCHER = [[C:\Users\pgustavo\Desktop\launcher.vbs]]

-- A simulator, and a way to ask it: ask(method, target, body, headers) → status, decoded body, reply.
local function falcon(options)
  local sim = require "sim.crowdstrike":start(options)
  local s = { sim = sim, state = sim.state, now = 1795500000 }
  function s.raw(method, target, body, headers)
    local r = sim:handle { method = method, target = target, headers = headers or {}, body = body or "",
                           now = s.now }
    local ok, value = pcall(json.decode, r.body)
    return r.status, ok and value or r.body, r
  end
  local pair = sim.definition.config
  local _, token = s.raw("POST", "/oauth2/token",
                         ("client_id=%s&client_secret=%s"):format(pair.client_id, pair.client_secret),
                         { { "Content-Type", "application/x-www-form-urlencoded" } })
  s.bearer = "Bearer " .. token.access_token
  function s.ask(method, target, body, kind)
    local headers = { { "Authorization", s.bearer } }
    if method ~= "GET" then headers[2] = { "Content-Type", kind or "application/json" } end
    return s.raw(method, target, type(body) == "table" and json.encode(body) or body, headers)
  end
  s.host = sim.state.device_list[1].id
  return s
end

local function message(body) return body.errors[1].message end

test("a token is good for half an hour; strangers are few a minute", function()
  local s = falcon()
  eq((s.ask("GET", "/devices/combined/devices/v1")), 200)
  s.now = s.now + 1800
  eq((s.ask("GET", "/devices/combined/devices/v1")), 401)
  local status, n = 401, 1
  while status == 401 do
    n, status = n + 1, (s.raw("GET", "/devices/combined/devices/v1"))
  end
  eq(status, 429)
  eq(n, 16)
end)

test("the token call wants a form and both halves", function()
  local s = falcon()
  local form = { { "Content-Type", "application/x-www-form-urlencoded" } }
  eq((s.raw("POST", "/oauth2/token", "{}", { { "Content-Type", "application/json" } })), 400)
  eq((s.raw("POST", "/oauth2/token", "client_id=x", form)), 400)
  eq((s.raw("POST", "/oauth2/token", "client_id=x&client_secret=y", form)), 403)
  eq((s.raw("GET", "/oauth2/token")), 405)
end)

-- What falconjs 0.7, which is generated from the vendor's description, expects and does.
test("answers have the members that the vendor's own client reads, and a DELETE may come without a media type", function()
  local s = falcon()
  local _, all = s.ask("GET", "/devices/combined/devices/v1?limit=1")
  local p = all.meta.pagination
  eq(p.offset, p.next)
  eq(p.limit, 1)
  eq(#select(2, s.ask("GET", "/devices/combined/devices/v1?limit=1&offset=" .. p.next)).resources, 1)
  local _, opened = s.ask("POST", "/real-time-response/entities/sessions/v1", { device_id = s.host })
  local _, kept = s.ask("POST", "/real-time-response/entities/refresh-session/v1", { device_id = s.host })
  for member in pairs(opened.resources[1]) do assert(kept.resources[1][member] ~= nil, member) end
  local gone = "/real-time-response/entities/sessions/v1?session_id=" .. opened.resources[1].session_id
  eq((s.raw("DELETE", gone, "", { { "Authorization", s.bearer }, { "Content-Type", "text/plain" } })), 415)
  eq((s.raw("DELETE", gone, "", { { "Authorization", s.bearer } })), 204)
end)

test("wrong paths, methods, media types and booleans are refused", function()
  local s = falcon()
  eq((s.ask("GET", "/nothing/v1")), 404)
  eq((s.ask("PUT", "/iocs/entities/indicators/v1", {})), 405)
  -- what no route takes is not looked at any further: with no body, or one of another kind
  eq((s.raw("PUT", "/iocs/entities/indicators/v1", "", { { "Authorization", s.bearer } })), 405)
  eq((s.raw("POST", "/nothing/v1", "x", { { "Authorization", s.bearer }, { "Content-Type", "text/plain" } })), 404)
  eq((s.ask("POST", "/iocs/entities/indicators/v1", "{}", "text/plain")), 415)
  eq((s.ask("POST", "/iocs/entities/indicators/v1", "not json")), 400)
  eq((s.ask("GET", "/archives/entities/archives/v1?id=x&include_files=True")), 400)
  eq((s.ask("GET", "/devices/combined/devices/v1?filter=" .. ("x"):rep(8200))), 414)
end)

test("a filter's plus must be escaped, and its fields known", function()
  local s = falcon()
  local status, body = s.ask("GET", "/iocs/combined/indicator/v1?filter=type:'sha256'+value:'x'")
  eq(status, 400)
  assert(message(body):find("filter", 1, true))
  eq((s.ask("GET", "/iocs/combined/indicator/v1?filter=type:'sha256'%2Bvalue:'x'")), 200)
  eq((s.ask("GET", "/iocs/combined/indicator/v1?filter=nonsense:'x'")), 400)
  eq((s.ask("GET", "/devices/combined/devices/v1?filter=hostname:['FILE01','MORDORDC']")), 200)
end)

test("per minute there is a limit, and its end is an absolute time", function()
  local s = falcon()
  s.state.per_minute = 3
  for _ = 1, 3 do eq((s.ask("GET", "/devices/combined/devices/v1")), 200) end
  local status, _, reply = s.ask("GET", "/devices/combined/devices/v1")
  eq(status, 429)
  local at
  for _, h in ipairs(reply.headers) do at = h[1] == "X-RateLimit-RetryAfter" and tonumber(h[2]) or at end
  eq(at, s.now + 60)
  s.now = s.now + 61
  eq((s.ask("GET", "/devices/combined/devices/v1")), 200)
end)

test("a submission has one element, of known members, about a sample that is there", function()
  local s = falcon()
  local path = "/falconx/entities/submissions/v1"
  local function why(sandbox)
    local status, body = s.ask("POST", path, { sandbox = json.array(sandbox) })
    eq(status, 400)
    return message(body)
  end
  assert(why({}):find("Invalid number", 1, true))
  assert(why({ { environment_id = 160, sha256 = HASH, url = "http://x.example" } }):find("not both", 1, true))
  assert(why({ { environment_id = "160", sha256 = HASH } }):find("environment_id", 1, true))
  assert(why({ { environment_id = 160, sha256 = HASH, colour = "red" } }):find("colour", 1, true))
  assert(why({ { environment_id = 160, sha256 = HASH } }):find("not found", 1, true))
  eq(s.state.quota.used, 41)
end)

test("an analysis passes through its states, and its report comes a little later", function()
  local s = falcon()
  s.state.samples[HASH] = { sha256 = HASH, file_name = "launcher.vbs" }
  local _, made = s.ask("POST", "/falconx/entities/submissions/v1",
                        { sandbox = json.array { { environment_id = 160, sha256 = HASH } } })
  local id = made.resources[1].id
  local function state()
    local _, body = s.ask("GET", "/falconx/entities/submissions/v1?ids=" .. id)
    local _, report = s.ask("GET", "/falconx/entities/report-summaries/v1?ids=" .. id)
    return body.resources[1].state .. #report.resources
  end
  eq(state(), "created0")
  s.now = s.now + 25
  eq(state(), "running0")
  s.now = s.now + 216
  eq(state(), "success0")
  s.now = s.now + 20
  eq(state(), "success1")
  eq(made.meta.quota.used, 42)
end)

test("an indicator is strict: types, actions, severity, platforms, where it applies", function()
  local s = falcon()
  local function status(change)
    local i = { type = "sha256", value = HASH, action = "prevent", severity = "high",
                platforms = { "windows" }, applied_globally = true }
    for k, v in pairs(change) do i[k] = v ~= "none" and v or nil end
    return (s.ask("POST", "/iocs/entities/indicators/v1", { indicators = { i } }))
  end
  eq(status { type = "sha1", value = ("a"):rep(40) }, 400)
  eq(status { value = "abc" }, 400)
  eq(status { action = "block" }, 400)
  eq(status { severity = "none" }, 400)
  eq(status { platforms = "none" }, 400)
  eq(status { applied_globally = "none" }, 400)
  eq(status { colour = "red" }, 400)
  eq(status { type = "domain", value = "a.example" }, 400)
  eq(status {}, 201)
  eq(status {}, 400)                                       -- the same again
end)

test("a deletion takes ids or a filter, never both; a given empty one counts", function()
  local s = falcon()
  eq((s.ask("DELETE", "/iocs/entities/indicators/v1?ids=&filter=source:'lunette'")), 400)
  eq((s.ask("DELETE", "/iocs/entities/indicators/v1")), 400)
  local status, body = s.ask("DELETE", "/iocs/entities/indicators/v1?ids=nothing")
  eq(status, 200)
  eq(body.errors[1].code, 404)
end)

test("a command that changes something is refused one level lower, and answered on its own path", function()
  local s = falcon()
  local _, made = s.ask("POST", "/real-time-response/entities/sessions/v1", { device_id = s.host })
  local session = made.resources[1].session_id
  local function command(level, base, text)
    return s.ask("POST", "/real-time-response/entities/" .. level .. "/v1",
                 { session_id = session, base_command = base, command_string = text })
  end
  eq((command("command", "rm", 'rm "' .. LAUNCHER .. '"')), 403)
  local status, body = command("active-responder-command", "rm", "rm a b")
  eq(status, 400)
  eq(body.errors[1].code, 40012)
  eq((command("active-responder-command", "rm", 'kill 1')), 400)
  local _, run = command("active-responder-command", "rm", 'rm "' .. LAUNCHER .. '"')
  local id = run.resources[1].cloud_request_id
  eq((s.ask("GET", "/real-time-response/entities/command/v1?sequence_id=0&cloud_request_id=" .. id)), 404)
  local path = "/real-time-response/entities/active-responder-command/v1?cloud_request_id=" .. id
  eq((s.ask("GET", path)), 400)
  local _, early = s.ask("GET", path .. "&sequence_id=0")
  eq(early.resources[1].complete, false)
  s.now = s.now + 5
  local _, late = s.ask("GET", path .. "&sequence_id=0")
  eq(late.resources[1].complete, true)
  eq(late.resources[1].stderr, "")
end)

test("a session is given back, dies of idleness, and is of no use then", function()
  local s = falcon()
  local function open()
    local _, body = s.ask("POST", "/real-time-response/entities/sessions/v1", { device_id = s.host })
    return body.resources[1].session_id
  end
  local first = open()
  s.now = s.now + 599
  eq(open(), first)
  s.now = s.now + 601
  eq((s.ask("GET", "/real-time-response/entities/file/v2?session_id=" .. first)), 404)
  eq((s.ask("DELETE", "/real-time-response/entities/sessions/v1?session_id=" .. first)), 404)
  assert(open() ~= first)
end)

test("a scope that is missing is a 403; the write level is asked for where it is needed", function()
  local s = falcon()
  s.state.scopes = { ["real-time-response:read"] = true }
  eq((s.ask("POST", "/real-time-response/entities/sessions/v1", { device_id = s.host })), 201)
  eq((s.ask("POST", "/real-time-response/entities/active-responder-command/v1", {})), 403)
  eq((s.ask("GET", "/iocs/combined/indicator/v1")), 403)
end)

test("every operation has a name that a fault can be given to", function()
  local names = table.concat(require "sim.crowdstrike".operations, " ")
  for name in ("rtr_rm rtr_kill rtr_get rtr_check_hash rtr_processes submit create_ioc"):gmatch "%S+" do
    assert(names:find("%f[%w_]" .. name .. "%f[^%w_]"), name)
  end
end)

test("the same seed makes the same answers", function()
  local function run()
    local s = falcon { seed = 7 }
    local _, body = s.ask("GET", "/devices/combined/devices/v1")
    return json.encode(body)
  end
  eq(run(), run())
  assert(kit.uuid(kit.rand(1, "a")) ~= kit.uuid(kit.rand(2, "a")))
end)

harness.done()
