-- okta_test.lua: what the simulated Okta refuses, and how.
package.path = "tests/lua/?.lua;" .. package.path
local harness = require "harness"
local json, kit = require "json", require "sim.kit"
local okta = require "sim.okta"
local test, eq = harness.test, harness.eq

local T0 = 1795500000

local function start(faults) return okta:start { seed = 3, faults = faults } end

-- One request; `headers` are laid over the usual ones, false takes one away.
local function ask(s, method, target, options)
  options = options or {}
  local headers = { Authorization = "SSWS " .. okta.config.token, Accept = "application/json" }
  if method == "PUT" or method == "POST" then headers["Content-Length"] = tostring(#(options.body or "")) end
  for k, v in pairs(options.headers or {}) do headers[k] = v end
  local list = {}
  for k, v in pairs(headers) do if v then list[#list + 1] = { k, v } end end
  local r = s:handle { method = method, target = target, headers = list, body = options.body or "",
                       now = options.now or T0,
                       running = options.running }
  local ok, body = pcall(json.decode, r.body)
  return r, ok and body or nil
end

local function header(r, name)
  local out = {}
  for _, h in ipairs(r.headers) do if h[1]:lower() == name then out[#out + 1] = h[2] end end
  return #out > 1 and out or out[1]
end

local function refused(s, status, code, method, target, options)
  local r, body = ask(s, method, target, options)
  eq({ r.status, body and body.errorCode or "no body" }, { status, code or "no body" }, target)
end

local function query(t)
  local out = {}
  for k, v in pairs(t) do out[#out + 1] = k .. "=" .. kit.encode(v) end
  return "?" .. table.concat(out, "&")
end

local function logins(s, search)
  local _, body = ask(s, "GET", "/api/v1/users" .. query { search = search })
  local out = {}
  for i, u in ipairs(body) do out[i] = u.profile.login:match "^[^@]+" end
  return table.concat(out, " ")
end

local function user(s, login)
  for _, u in ipairs(s.state.users) do if u.profile.login:find(login, 1, true) == 1 then return u end end
end

local function group(s, name, kind)
  for _, g in ipairs(s.state.groups) do
    if g.profile.name == name and (not kind or g.type == kind) then return g end
  end
end

-- Credentials and media types ------------------------------------------------------------------------------

test("no token, a wrong token, a wrong scheme", function()
  local s = start()
  for _, value in ipairs { false, "SSWS wrong", "Bearer " .. okta.config.token, "Basic x" } do
    refused(s, 401, "E0000011", "GET", "/api/v1/users", { headers = { Authorization = value } })
  end
end)

test("every answer has the limits and a request id", function()
  local s = start()
  for _, target in ipairs { "/api/v1/users", "/api/v1/users/none", "/api/v2/none" } do
    local r = ask(s, "GET", target)
    eq(header(r, "x-rate-limit-limit") ~= nil, true, target)
    assert(tonumber(header(r, "x-rate-limit-reset")) > T0)
    assert(header(r, "x-okta-request-id"))
  end
end)

test("a PUT without Content-Length is 411 from the edge, without Okta's error", function()
  local s = start()
  local r = ask(s, "PUT", "/api/v1/groups/a/users/b", { headers = { ["Content-Length"] = false } })
  eq(r.status, 411)
  assert(r.body:find("Length Required", 1, true))
end)

test("media types", function()
  local s = start()
  refused(s, 406, "E0000122", "GET", "/api/v1/users", { headers = { Accept = "text/html" } })
  local path = "/api/v1/users/" .. user(s, "pgustavo").id .. "/lifecycle/expire_password"
  refused(s, 404, "E0000012", "POST", path, { body = "a=1", headers = { ["Content-Type"] = "text/plain" } })
  refused(s, 400, "E0000003", "POST", path, { body = "{",
                                              headers = { ["Content-Type"] = "application/json" } })
end)

test("paths and methods that are not there", function()
  local s = start()
  refused(s, 404, "E0000008", "GET", "/api/v1/nothing")
  refused(s, 405, "E0000022", "DELETE", "/api/v1/users")
  refused(s, 405, "E0000022", "GET", "/api/v1/users/a%2Fb")
end)

-- Searching ----------------------------------------------------------------------------------------------

test("search: operators, brackets, case", function()
  local s = start()
  eq(logins(s, [[profile.login eq "PGUSTAVO@theshire.example"]]), "pgustavo")
  eq(logins(s, [[profile.lastName sw "Ma"]]), "nmartha")
  eq(logins(s, [[profile.email co ".gone@"]]), "rgone")
  eq(logins(s, [[status eq "LOCKED_OUT" or (profile.firstName eq "Sam" and status eq "ACTIVE")]]),
     "sbeavers lrodriguez")
  eq(logins(s, [[profile.firstName eq "Sam" and status eq "ACTIVE" or status eq "LOCKED_OUT"]]),
     "sbeavers lrodriguez")
  eq(logins(s, [[created gt "2020-01-01T00:00:00.000Z" and status eq "DEPROVISIONED"]]), "rgone")
  eq(logins(s, [[profile.department eq "operations" and profile.lastName eq "O'Neil"]]), "ann/o'neil")
end)

test("search: what is not one is E0000031", function()
  local s = start()
  for _, bad in ipairs { "x", [[profile.login ne "a"]], [[not (status eq "ACTIVE")]], [[profile.login eq a]],
                         [[profile.login eq 'a']],
                         [[profile.login eq "a]], [[(status eq "ACTIVE"]], [[status eq "ACTIVE")]],
                         [[Profile.login eq "a"]],
                         [[profile.department co "a"]], [[status gt "A"]], [[nothing eq "a"]],
                         [[status eq "ACTIVE" status eq "A"]] } do
    refused(s, 400, "E0000031", "GET", "/api/v1/users" .. query { search = bad })
  end
  refused(s, 400, "E0000033", "GET", "/api/v1/users" .. query { search = [[status eq "A"]],
                                                                filter = [[status eq "A"]] })
end)

test("filter knows less, and is exact about case", function()
  local s = start()
  refused(s, 400, "E0000031", "GET", "/api/v1/users" .. query { filter = [[profile.login sw "a"]] })
  refused(s, 400, "E0000031", "GET", "/api/v1/groups" .. query { filter = [[profile.name eq "Staff"]] })
  local _, body = ask(s, "GET", "/api/v1/users"
                      .. query { filter = [[profile.login eq "PGUSTAVO@theshire.example"]] })
  eq(#body, 0)
end)

test("lists leave out deprovisioned users unless they are searched", function()
  local s = start()
  local _, body = ask(s, "GET", "/api/v1/users")
  eq(#body, 7)
  eq(logins(s, [[status eq "DEPROVISIONED"]]), "rgone")
end)

test("q is a prefix, ten by default, and never pages", function()
  local s = start()
  s.state.page = 1
  local r, body = ask(s, "GET", "/api/v1/groups?q=IR-")
  eq(#body, 1)
  eq(header(r, "link"), nil)
end)

-- Paging -------------------------------------------------------------------------------------------------

test("one Link header a link, absolute, with the query; a bad cursor and a bad limit are refused", function()
  local s = start()
  local r = ask(s, "GET", "/api/v1/groups?limit=2&search=" .. kit.encode [[type eq "OKTA_GROUP"]])
  local links = header(r, "link")
  eq(#links, 2)
  assert(links[1]:find('rel="self"', 1, true))
  local next_ = links[2]:match '^<http://127%.0%.0%.1:7001(/api/v1/groups%?.*)>; rel="next"$'
  assert(next_:find("search=type", 1, true) and next_:find("limit=2", 1, true), next_)
  local seen = 2
  while next_ do
    local again, body = ask(s, "GET", next_)
    seen = seen + #body
    local l = header(again, "link")
    next_ = type(l) == "table" and l[2]:match '^<[^/]*//[^/]*(/.-)>; rel="next"$' or nil
  end
  eq(seen, 6)
  refused(s, 400, "E0000029", "GET", "/api/v1/groups?after=x")
  refused(s, 400, "E0000001", "GET", "/api/v1/groups?limit=none")
end)

-- Users and groups ---------------------------------------------------------------------------------------

test("a user by id, login, short login; what the front end mangles", function()
  local s = start()
  local id = user(s, "pgustavo").id
  for _, key in ipairs { id, "pgustavo%40theshire.example", "PGUSTAVO", "pgustavo;x" } do
    local _, body = ask(s, "GET", "/api/v1/users/" .. key)
    eq(body.id, id, key)
  end
  local _, me = ask(s, "GET", "/api/v1/users/me")
  eq(me.profile.login, "svc-lunette@theshire.example")
  refused(s, 404, "E0000007", "GET", "/api/v1/users/nobody")
end)

test("memberships: ids only, OKTA_GROUP only, the same again is 204", function()
  local s = start()
  local u, g = user(s, "pgustavo"), group(s, "ir-restricted", "OKTA_GROUP")
  local path = "/api/v1/groups/%s/users/%s"
  refused(s, 404, "E0000007", "PUT", path:format(g.id, "pgustavo@theshire.example"))
  refused(s, 404, "E0000007", "PUT", path:format("00gNone", u.id))
  refused(s, 403, "E0000006", "PUT", path:format(group(s, "ir-restricted", "APP_GROUP").id, u.id))
  refused(s, 403, "E0000006", "DELETE", path:format(group(s, "Everyone").id, u.id))
  eq(#s.log, 0)
  eq(ask(s, "PUT", path:format(g.id, u.id)).status, 204)
  eq(ask(s, "PUT", path:format(g.id, u.id)).status, 204)
  eq(ask(s, "DELETE", path:format(g.id, u.id)).status, 204)
  eq(ask(s, "DELETE", path:format(g.id, u.id)).status, 204)
  eq({ s.log[1].changed, s.log[2].changed, s.log[3].changed, s.log[4].changed }, { true, false, true, false })
end)

test("sessions and passwords", function()
  local s = start()
  local u = user(s, "pgustavo")
  refused(s, 400, "E0000001", "DELETE", "/api/v1/users/" .. u.id .. "/sessions?oauthTokens=1")
  refused(s, 404, "E0000007", "DELETE", "/api/v1/users/pgustavo@theshire.example/sessions")
  eq(ask(s, "DELETE", "/api/v1/users/" .. u.id .. "/sessions?oauthTokens=true").status, 204)
  refused(s, 403, "E0000038", "POST", "/api/v1/users/" .. user(s, "rgone").id .. "/lifecycle/expire_password")
end)

-- Limits -------------------------------------------------------------------------------------------------

test("half of a bucket is a token's; another family goes on; after the window it is free again", function()
  local s = start()
  s.state.limits.users = 6
  for _ = 1, 3 do eq(ask(s, "GET", "/api/v1/users").status, 200) end
  refused(s, 429, "E0000047", "GET", "/api/v1/users")
  eq(ask(s, "GET", "/api/v1/groups").status, 200)
  eq(ask(s, "GET", "/api/v1/users", { now = T0 + 61 }).status, 200)
end)

test("too many at once is a 429 of its own", function()
  local s = start()
  local r = ask(s, "GET", "/api/v1/users", { running = 76 })
  eq({ r.status, header(r, "x-rate-limit-limit"), header(r, "x-rate-limit-remaining") }, { 429, "0", "0" })
end)

-- OAuth --------------------------------------------------------------------------------------------------

local function base64url(s) return (harness.base64(s):gsub("[+/=]",
                                                           { ["+"] = "-", ["/"] = "_", ["="] = "" })) end

local function jwt(claims, head)
  local c = { iss = okta.client, sub = okta.client, aud = "http://127.0.0.1:7001/oauth2/v1/token",
              exp = T0 + 300, iat = T0 }
  for k, v in pairs(claims or {}) do c[k] = v end
  return base64url(json.encode(head or { alg = "RS256", kid = "k" })) .. "." .. base64url(json.encode(c))
    .. ".c2ln"
end

local function token(s, form)
  local f = { grant_type = "client_credentials", scope = "okta.users.manage okta.groups.read",
              client_assertion = jwt(),
              client_assertion_type = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" }
  for k, v in pairs(form or {}) do f[k] = v end
  local text = {}
  for k, v in pairs(f) do if v then text[#text + 1] = k .. "=" .. kit.encode(v) end end
  return ask(s, "POST", "/oauth2/v1/token", { body = table.concat(text, "&"), headers = {
    Authorization = false, ["Content-Type"] = "application/x-www-form-urlencoded" } })
end

test("a token for an assertion that is good, with OAuth's own errors for one that is not", function()
  local s = start()
  local r, body = token(s)
  eq({ r.status, body.token_type, body.expires_in, body.scope },
     { 200, "Bearer", 3600, "okta.users.manage okta.groups.read" })
  local function no(status, word, form)
    local got, e = token(s, form)
    eq({ got.status, e.error }, { status, word })
  end
  no(400, "unsupported_grant_type", { grant_type = "password" })
  no(400, "invalid_scope", { scope = "" })
  no(400, "invalid_scope", { scope = "okta.apps.manage" })
  no(401, "invalid_client", { client_assertion = "x" })
  no(401, "invalid_client", { client_assertion_type = "x" })
  no(401, "invalid_client", { client_assertion = jwt { iss = "other" } })
  no(401, "invalid_client", { client_assertion = jwt { aud = "https://acme.okta.com" } })
  no(401, "invalid_client", { client_assertion = jwt { exp = T0 - 1 } })
  no(401, "invalid_client", { client_assertion = jwt { exp = T0 + 3700 } })
  no(401, "invalid_client", { client_assertion = jwt { iat = T0 + 60 } })
  no(401, "invalid_client", { client_assertion = jwt(nil, { alg = "none", kid = "k" }) })
  s.state.dpop = true
  no(400, "invalid_dpop_proof")
end)

test("an assertion with a jti is good once", function()
  local s = start()
  eq(token(s, { client_assertion = jwt { jti = "a" } }).status, 200)
  eq(token(s, { client_assertion = jwt { jti = "a" } }).status, 401)
  eq(token(s, { client_assertion = jwt { jti = "b" } }).status, 200)
end)

test("scopes: manage covers read, what is missing is a 403 without a body, an hour later it is over",
     function()
  local s = start()
  local _, body = token(s)
  local with = { headers = { Authorization = "Bearer " .. body.access_token } }
  eq(ask(s, "GET", "/api/v1/users", with).status, 200)
  eq(ask(s, "GET", "/api/v1/groups", with).status, 200)
  local r = ask(s, "PUT", "/api/v1/groups/a/users/b", with)
  eq({ r.status, r.body }, { 403, "" })
  assert(header(r, "www-authenticate"):find('scope="okta.groups.manage"', 1, true))
  refused(s, 404, "E0000007", "GET", "/api/v1/users/me", with)
  with.now = T0 + 3601
  refused(s, 401, "E0000011", "GET", "/api/v1/users", with)
end)

test("the same seed makes the same ids, and another another", function()
  eq(user(start(), "pgustavo").id, user(start(), "pgustavo").id)
  assert(user(start(), "pgustavo").id ~= user(okta:start { seed = 4 }, "pgustavo").id)
end)

harness.done()
