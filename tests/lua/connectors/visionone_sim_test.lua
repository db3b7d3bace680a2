-- visionone_sim_test.lua: what the simulated Vision One refuses, and the states that its tasks pass through.
package.path = "tests/lua/?.lua;" .. package.path
local harness = require "harness"
local json = require "json"
local test, eq = harness.test, harness.eq

local SHA1   = "5683729702392da5cfaa8476f96228a9abf08c54"
local SHA256 = "c1dadf9fb8021aa205bd52604c4d7330c5e1251198322ac4b8a093dc23df1a10"

-- A simulator, and a way to ask it: ask(method, target, body, headers) → status, decoded body, reply.
local function vision(options)
  local sim = require "sim.visionone":start(options)
  local s = { sim = sim, state = sim.state, now = 1795500000, guid = sim.state.endpoint_list[1].id }
  function s.ask(method, target, body, more)
    local headers = { { "Authorization", "Bearer " .. sim.definition.config.token } }
    if method == "POST" then headers[2] = { "Content-Type", "application/json;charset=utf-8" } end
    for _, h in ipairs(more or {}) do headers[#headers + 1] = h end
    local r = sim:handle { method = method, target = target, headers = headers, now = s.now,
                           body = type(body) == "table" and json.encode(body) or body or "" }
    local ok, value = pcall(json.decode, r.body)
    return r.status, ok and value or r.body, r
  end
  -- One element to a path that answers 207; its status and itself.
  function s.element(path, e)
    local status, body = s.ask("POST", path, { e })
    eq(status, 207)
    return body[1].status, body[1]
  end
  return s
end

local ISOLATE, TERMINATE = "/v3.0/response/endpoints/isolate", "/v3.0/response/endpoints/terminateProcess"
local BLOCK, LIST = "/v3.0/response/suspiciousObjects", "/v3.0/threatintel/suspiciousObjects"
local EXCEPT = "/v3.0/threatintel/suspiciousObjectExceptions"

test("without the key nothing is answered, and what is no JSON is refused", function()
  local s = vision()
  local r = s.sim:handle { method = "GET", target = "/v3.0/eiqs/endpoints", headers = {}, body = "",
                           now = s.now }
  eq(r.status, 401)
  eq((s.ask("POST", ISOLATE, "x")), 400)
  eq((s.ask("GET", ISOLATE)), 405)
  eq((s.ask("GET", "/v3.0/nothing")), 404)
  eq((s.ask("POST", LIST, '"' .. ("x"):rep(1024 * 1024) .. '"')), 413)
end)

test("a body is an array, an element about one endpoint, with known members", function()
  local s = vision()
  eq((s.ask("POST", ISOLATE, '{"agentGuid":"x"}')), 400)
  eq((s.element(ISOLATE, {  description = "x" })), 400)
  eq((s.element(ISOLATE, { agentGuid = s.guid, endpointName = "FILE01" })), 400)
  eq((s.element(ISOLATE, { agentGuid = s.guid, colour = "red" })), 400)
  eq((s.element(ISOLATE, { agentGuid = s.guid, description = "" })), 400)
  eq((s.element(ISOLATE, { agentGuid = s.guid, description = ("x"):rep(257) })), 400)
  eq((s.element(ISOLATE, { agentGuid = "00000000-0000-0000-0000-000000000000" })), 400)
  eq((s.element(TERMINATE, { agentGuid = s.guid })), 400)
  eq((s.element(TERMINATE, { agentGuid = s.guid, fileSha1 = SHA256 })), 400)
  eq(#s.state.tasks, 0)
end)

test("elements fare each on their own, and 207 says so of none", function()
  local s = vision()
  local status, body = s.ask("POST", LIST, { { fileSha1 = SHA1, scanAction = "log", riskLevel = "low" },
                                             { fileSha1 = "short" },
                                             { fileSha256 = SHA256, ip = "198.51.100.1" } })
  eq(status, 207)
  eq(body[1].status .. " " .. body[2].status .. " " .. body[3].status, "201 400 400")
  eq(#s.state.suspicious, 1)
end)

test("a task passes through its states, and before its end nothing has happened", function()
  local s = vision()
  local status, e = s.element(ISOLATE, { agentGuid = s.guid })
  eq(status, 202)
  local id = e.headers[1].value:match "([^/]+)$"
  local function state()
    local _, task = s.ask("GET", "/v3.0/response/tasks/" .. id)
    local _, host = s.ask("GET", "/v3.0/endpointSecurity/endpoints/" .. s.guid)
    return task.status .. " " .. host.isolationStatus
  end
  eq(state(), "queued off")
  s.now = s.now + 3
  eq(state(), "running off")
  local twin, again = s.element(ISOLATE, { agentGuid = s.guid })
  eq(twin, 400)
  eq(again.body.error.code .. " " .. again.headers[1].value:match "([^/]+)$", "TaskError " .. id)
  s.now = s.now + 20
  eq(state(), "succeeded on")
  eq((s.element(ISOLATE, { agentGuid = s.guid })), 202)
  eq(#s.state.tasks, 2)
end)

test("lists are strict: one object, known members and words", function()
  local s = vision()
  eq((s.element(BLOCK, { fileSha256 = SHA256 })), 400)
  s.state.block_sha256 = true
  eq((s.element(BLOCK, { fileSha256 = SHA256 })), 202)
  eq((s.element(BLOCK, { fileSha1 = SHA1, scanAction = "block" })), 400)
  eq((s.element(LIST, { domain = "a.example", scanAction = "deny" })), 400)
  eq((s.element(LIST, { domain = "a.example", riskLevel = "" })), 400)
  eq((s.element(LIST, { domain = "a.example", daysToExpiration = 0 })), 400)
  eq((s.element(EXCEPT, { domain = "a.example", scanAction = "block" })), 400)
  eq((s.element(EXCEPT, { domain = "a.example" })), 201)
  eq((s.element(EXCEPT .. "/delete", { domain = "a.example", description = "x" })), 400)
  eq((s.element(EXCEPT .. "/delete", { domain = "a.example" })), 204)
  eq((s.element(EXCEPT .. "/delete", { domain = "a.example" })), 404)
  local many = {}
  for i = 1, 101 do many[i] = { ip = "198.51.100." .. i } end
  eq((s.ask("POST", EXCEPT, many)), 400)
end)

test("endpoints want a query, pages a size that is listed, and every page its filter", function()
  local s = vision()
  local path, query = "/v3.0/eiqs/endpoints", { { "TMV1-Query", "osName eq 'Windows'" } }
  eq((s.ask("GET", path)), 400)
  eq((s.ask("GET", path .. "?top=10", nil, query)), 400)
  eq((s.ask("GET", path, nil, { { "TMV1-Query", "colour eq 'red'" } })), 400)
  eq((s.ask("GET", path, nil, { { "TMV1-Query", "osName eq 'Windows" } })), 400)
  s.state.page = 2
  local _, body = s.ask("GET", path .. "?top=50", nil, query)
  eq(#body.items, 2)
  local link = body.nextLink:match "^https://api%.xdr%.trendmicro%.com(/.*)$"
  eq((s.ask("GET", link)), 400)
  eq((s.ask("GET", link, nil, { { "TMV1-Query", "osName eq 'Linux'" } })), 400)
  local _, more = s.ask("GET", link, nil, query)
  assert(more.items[1].agentGuid ~= body.items[1].agentGuid)
end)

test("a filter knows and, or, not and brackets", function()
  local s = vision()
  local function n(query)
    local _, body = s.ask("GET", "/v3.0/eiqs/endpoints", nil, { { "TMV1-Query", query } })
    return #body.items
  end
  local all = #s.state.endpoint_list
  eq(n "endpointName eq 'workstation5'", 2)
  eq(n "endpointName eq 'WORKSTATION5' and ip eq '10.20.5.15'", 1)
  eq(n "endpointName eq 'FILE01' or endpointName eq 'MORDORDC'", 2)
  eq(n "not (endpointName eq 'FILE01')", all - 1)
  eq(n "not (agentGuid eq '')", all)
end)

test("per minute and API there is a limit, with its headers", function()
  local s = vision()
  s.state.per_minute = 2
  eq((s.ask("GET", LIST)), 200)
  eq((s.ask("GET", LIST)), 200)
  local status, body, reply = s.ask("GET", LIST)
  eq(status .. " " .. body.error.code, "429 TooManyRequests")
  local names = {}
  for _, h in ipairs(reply.headers) do names[h[1]] = h[2] end
  eq(names["RateLimit-Reset"], "60")
  eq((s.ask("GET", EXCEPT)), 200)
  s.now = s.now + 61
  eq((s.ask("GET", LIST)), 200)
end)

harness.done()
