-- okta.lua: a strict simulator of Okta's Management API, as far as the connector uses it.
--
-- Facts: okta-management-openapi-spec 2026.06.3 (paths, parameters, shapes), Okta's error code list, the
-- rate limit pages, and threads of the SDKs' issue trackers for what no page says.  It refuses what Okta
-- refuses, and copies the habits that clients stumble over: a bodiless PUT without Content-Length is 411;
-- membership of APP_GROUP and BUILT_IN groups is 403 E0000006 for everybody; a missing scope is a 403
-- without a body; one Link header a link; `search` lags behind writes; a login with "/" cannot be asked for
-- in a path (405); `q` matches prefixes and does not page; a token may use half of a bucket; too many
-- requests at once is a 429 of another shape.
--
-- Where the vendor's answer is not documented (a PUT for a member, a DELETE for somebody who is none) it
-- answers 204, which all integrations rely on.
--
-- What a test may set: state.page (largest page, 200), state.lag (seconds that searches are behind, 3),
-- state.limits (calls a minute by family), state.concurrency (75), state.dpop (the app demands DPoP),
-- state.public_key (PEM of the client's key: assertions are then verified), state.granted (scopes of the
-- app).

local kit  = require "sim.kit"
local json = require "json"

local TOKEN, CLIENT = "00SimulatedOktaToken", "0oaSimulatedClient5d7"

-- Errors --------------------------------------------------------------------------------------------------

local SUMMARY = {
  E0000001 = "Api validation failed", E0000003 = "The request body was not well-formed.",
  E0000006 = "You do not have permission to perform the requested action",
  E0000007 = "Not found: Resource not found",
  E0000008 = "The requested path was not found", E0000009 = "Internal Server Error",
  E0000010 = "Service is in read only mode", E0000011 = "Invalid token provided",
  E0000012 = "Unsupported media type", E0000022 = "The endpoint does not support the provided HTTP method",
  E0000029 = "Invalid paging request", E0000031 = "Invalid search criteria.",
  E0000033 = "Can't specify a search query and filter in the same request.",
  E0000038 = "This operation is not allowed in the user's current status.",
  E0000047 = "API call exceeded rate limit due to too many requests.",
  E0000122 = "The request's Accept header cannot be satisfied.",
  E0000268 = "The request conflicts with another one.",
}

local function refuse(req, status, code, what)
  local summary = SUMMARY[code] .. (what and ": " .. what or "")
  local id = "oae" .. kit.pick(req.rand, 20)
  return { status = status, json = { errorCode = code, errorSummary = summary, errorLink = code, errorId = id,
                                     errorCauses = json.array {} } }
end

local function oauth_refuse(status, code, text, headers)
  return { status = status, json = { error = code, error_description = text }, headers = headers }
end

-- Searching -----------------------------------------------------------------------------------------------

-- The grammar of `search` and `filter`: comparisons joined by and, or and brackets.  A literal is a JSON
-- string. Returns a function of a record, or nil when the text is not one.  `rule(attribute, operator)` says
-- what is allowed.
local OPERATORS = { eq = true, sw = true, co = true, gt = true, ge = true, lt = true, le = true }

local function tokens_of(text)
  local out, at = {}, 1
  while true do
    at = text:find("%S", at)
    if not at then return out end
    local bracket = text:match("^[()]", at)
    local word = text:match("^[%a_][%w_%.]*", at)
    if bracket then
      out[#out + 1], at = { kind = bracket }, at + 1
    elseif word then
      out[#out + 1], at = { kind = "word", text = word }, at + #word
    elseif text:sub(at, at) == '"' then
      local stop = at + 1
      while text:sub(stop, stop) ~= '"' do
        if stop > #text then return nil end
        stop = stop + (text:sub(stop, stop) == "\\" and 2 or 1)
      end
      local ok, value = pcall(json.decode, "[" .. text:sub(at, stop) .. "]")
      if not ok then return nil end
      out[#out + 1], at = { kind = "text", text = value[1] }, stop + 1
    else
      return nil
    end
  end
end

local function attribute(record, name)
  local v = record
  for part in name:gmatch "[^%.]+" do
    if type(v) ~= "table" then return nil end
    v = v[part]
  end
  return v
end

local function comparison(name, op, value, fold)
  return function(record)
    local v = attribute(record, name)
    if v == nil then return false end
    local a, b = tostring(v), value
    if fold then a, b = a:lower(), b:lower() end
    if op == "eq" then return a == b
    elseif op == "sw" then return a:sub(1, #b) == b
    elseif op == "co" then return a:find(b, 1, true) ~= nil
    elseif op == "gt" then return a > b
    elseif op == "ge" then return a >= b
    elseif op == "lt" then return a < b
    else return a <= b end
  end
end

local function condition(text, rule, fold)
  local tokens, at = tokens_of(text), 1
  if not tokens then return nil end
  local either

  local function one()
    local t = tokens[at]
    if not t then return nil end
    if t.kind == "(" then
      at = at + 1
      local inner = either()
      if not inner or not tokens[at] or tokens[at].kind ~= ")" then return nil end
      at = at + 1
      return inner
    end
    local op, value = tokens[at + 1], tokens[at + 2]
    local shape = t.kind .. " " .. (op and op.kind or "") .. " " .. (value and value.kind or "")
    if shape ~= "word word text" then return nil end
    local word = op.text:lower()
    if not OPERATORS[word] or not rule(t.text, word) then return nil end
    at = at + 3
    return comparison(t.text, word, value.text, fold)
  end

  local function chain(part, word, join)
    return function()
      local left = part()
      while left and tokens[at] and tokens[at].kind == "word" and tokens[at].text:lower() == word do
        at = at + 1
        local first, second = left, part()
        left = second and join(first, second)
      end
      return left
    end
  end
  local both = chain(one, "and", function(a, b) return function(r) return a(r) and b(r) end end)
  either = chain(both, "or", function(a, b) return function(r) return a(r) or b(r) end end)

  local found = either()
  return at > #tokens and found or nil
end

local DATES = { created = true, activated = true, statusChanged = true, lastUpdated = true,
                lastMembershipUpdated = true }
local ORDER = { gt = true, ge = true, lt = true, le = true }

-- What may be compared, and how: `names` the plain attributes, `contains` those that know `co`.
local function rules(names, contains, profile)
  return function(name, op)
    local known = names[name] or (profile and name:match "^profile%.[%w_]+$")
    if not known then return false end
    if op == "co" then return contains[name] or false end
    if ORDER[op] then return DATES[name] or false end
    return op == "eq" or profile
  end
end

local function set(text)
  local out = {}
  for w in text:gmatch "%S+" do out[w] = true end
  return out
end

local RULES = {
  users = {
    search = rules(set "id status created activated statusChanged lastUpdated type.id",
                   set "profile.firstName profile.lastName profile.email profile.login", true),
    filter = rules(set "status lastUpdated id profile.login profile.email profile.firstName profile.lastName",
                   {}, false),
  },
  groups = {
    search = rules(set "id type created lastUpdated lastMembershipUpdated source.id",
                   set "profile.name profile.description", true),
    filter = rules(set "id type lastUpdated lastMembershipUpdated", {}, false),
  },
}

-- Paging --------------------------------------------------------------------------------------------------

local function href(req, query)
  return req.base .. req.path .. (query ~= "" and "?" .. query or "")
end

-- One page of `list`, with its Link headers.  The cursor is opaque to clients: here, a number in disguise.
local function page(req, list, size)
  local from = 1
  local after = kit.first(req.query.after)
  if after then
    from = math.tointeger(tonumber((after:match "^c(%d+)x$")))
    if not from then return refuse(req, 400, "E0000029") end
  end
  local items = json.array {}
  for i = from, math.min(#list, from + size - 1) do items[#items + 1] = list[i] end

  local links = { { "link", ('<%s>; rel="self"'):format(href(req, req.query_text)) } }
  if from + size <= #list then
    local rest = {}
    for pair in req.query_text:gmatch "[^&]+" do
      if not pair:match "^after=" and not pair:match "^limit=" then rest[#rest + 1] = pair end
    end
    table.insert(rest, 1, ("after=c%dx"):format(from + size))
    table.insert(rest, 2, "limit=" .. size)
    links[2] = { "link", ('<%s>; rel="next"'):format(href(req, table.concat(rest, "&"))) }
  end
  return { status = 200, headers = links, json = items }
end

-- The page size that was asked for, or a refusal.
local function page_size(req, state, default, most)
  local given = kit.first(req.query.limit)
  if not given then return math.min(default, state.page) end
  local n = math.tointeger(tonumber(given))
  if not n or n < 1 then return nil, refuse(req, 400, "E0000001", "limit") end
  return math.min(n, most, state.page)
end

-- State ---------------------------------------------------------------------------------------------------

local PAST = "2024-05-02T08:11:19.000Z"

local function make_user(rand, u)
  return {
    id = "00u" .. kit.pick(rand, 17), status = u.status, created = PAST, activated = PAST,
    statusChanged = PAST,
    lastLogin = "2026-03-01T17:40:02.000Z", lastUpdated = PAST, passwordChanged = PAST,
    type = { id = "oty2x8c1ks9f3Hq7J5d6" },
    profile = { login = u.login, email = u.email, firstName = u.first, lastName = u.last,
                department = u.department },
    credentials = { provider = { type = "ACTIVE_DIRECTORY", name = "theshire.local" } },
  }
end

local function make_group(rand, g)
  local app = g.type == "APP_GROUP"
  return {
    id = "00g" .. kit.pick(rand, 17), created = PAST, lastUpdated = PAST, lastMembershipUpdated = PAST,
    type = g.type,
    objectClass = { app and "okta:windows_security_principal" or "okta:user_group" },
    profile = { name = g.name, description = g.description },
    source = app and { id = "0oaSimulatedDirectory" } or nil,
  }
end

local function new(world, rand)
  local state = { users = {}, groups = {}, user = {}, group = {}, members = {}, shadows = {}, tokens = {},
                  used = {},
                  windows = {}, log = {}, page = 200, lag = 3, concurrency = 75,
                  limits = { users = 600, groups = 500, token = 100, default = 1200 },
                  granted = set "okta.users.manage okta.users.read okta.groups.manage okta.groups.read" }
  local groups = {}
  for _, g in ipairs(world.groups) do
    local made = make_group(rand, g)
    groups[g.key], state.group[made.id], state.members[made.id] = made, made, {}
    state.groups[#state.groups + 1] = made
  end
  for _, u in ipairs(world.users) do
    local made = make_user(rand, u)
    state.user[made.id] = made
    state.users[#state.users + 1] = made
    for _, key in ipairs(u.groups) do state.members[groups[key].id][made.id] = true end
    if u.service then state.owner = made end
  end
  return state
end

-- How a record looked to the index `lag` seconds ago.
local function touch(state, record, now)
  state.shadows[record.id] = { till = now + state.lag, was = kit.copy(record) }
  record.lastUpdated = kit.iso(now, true)
end

local function indexed(state, list, now)
  local out = {}
  for i, r in ipairs(list) do
    local shadow = state.shadows[r.id]
    out[i] = shadow and shadow.till > now and shadow.was or r
  end
  return out
end

-- A user by id, by login, or by the login's short form while only one has it.
local function find_user(req, state, key)
  if key:find("/", 1, true) then return nil, refuse(req, 405, "E0000022") end
  key = key:match "^[^;]*"
  if key == "me" then
    if req.client then return nil, refuse(req, 404, "E0000007", "me (User)") end
    return state.owner
  end
  if state.user[key] then return state.user[key] end
  local hits = {}
  for _, u in ipairs(state.users) do
    local login = u.profile.login:lower()
    if login == key:lower() then return u end
    if login:match "^[^@]*" == key:lower() then hits[#hits + 1] = u end
  end
  if #hits == 1 then return hits[1] end
  return nil, refuse(req, 404, "E0000007", key .. " (User)")
end

local function find_group(req, state)
  local g = state.group[req.params.group]
  if g then return g end
  return nil, refuse(req, 404, "E0000007", req.params.group .. " (UserGroup)")
end

-- Shapes --------------------------------------------------------------------------------------------------

local function user_out(req, u)
  local out = kit.copy(u)
  out._links = { self = { href = req.base .. "/api/v1/users/" .. u.id } }
  return out
end

local function group_out(req, g)
  local out = kit.copy(g)
  out.source = nil
  out._links = { users = { href = req.base .. "/api/v1/groups/" .. g.id .. "/users" } }
  return out
end

local function shaped(req, list, shape)
  local out = {}
  for i, x in ipairs(list) do out[i] = shape(req, x) end
  return out
end

-- Reading -------------------------------------------------------------------------------------------------

-- The records that search, filter or neither select; or a refusal.
local function selected(req, state, list, kind)
  local search, filter = kit.first(req.query.search), kit.first(req.query.filter)
  if search and filter then return nil, refuse(req, 400, "E0000033") end
  local text = search or filter
  if not text then return list end
  local holds = condition(text, RULES[kind][search and "search" or "filter"], search ~= nil)
  if not holds then return nil, refuse(req, 400, "E0000031") end
  local out = {}
  for _, r in ipairs(search and indexed(state, list, req.now) or list) do
    if holds(r) then out[#out + 1] = r end
  end
  return out
end

local function starts(text, prefix) return text:lower():sub(1, #prefix) == prefix:lower() end

local function list_users(req, state)
  local q = kit.first(req.query.q)
  local list, no = selected(req, state, state.users, "users")
  if no then return no end
  local out = {}
  for _, u in ipairs(list) do
    local p = u.profile
    local hit = not q or starts(p.firstName, q) or starts(p.lastName, q) or starts(p.email, q)
    local alive = u.status ~= "DEPROVISIONED" or req.query.search or req.query.filter
    if hit and alive then out[#out + 1] = u end
  end
  local size, bad = page_size(req, state, q and 10 or 200, 200)
  if bad then return bad end
  out = shaped(req, out, user_out)
  if q then return { status = 200, json = json.array(table.move(out, 1, math.min(size, #out), 1, {})) } end
  return page(req, out, size)
end

local function list_groups(req, state)
  local q = kit.first(req.query.q)
  local list, no = selected(req, state, state.groups, "groups")
  if no then return no end
  local out = {}
  for _, g in ipairs(list) do
    if not q or starts(g.profile.name, q) then out[#out + 1] = g end
  end
  local size, bad = page_size(req, state, q and 10 or 200, q and 300 or 10000)
  if bad then return bad end
  out = shaped(req, out, group_out)
  if q then return { status = 200, json = json.array(table.move(out, 1, math.min(size, #out), 1, {})) } end
  return page(req, out, size)
end

local function get_user(req, state)
  local u, no = find_user(req, state, req.params.user)
  if not u then return no end
  return { status = 200, headers = { { "ETag", 'W/"' .. u.lastUpdated .. '"' } }, json = user_out(req, u) }
end

local function user_groups(req, state)
  local u, no = find_user(req, state, req.params.user)
  if not u then return no end
  local out = {}
  for _, g in ipairs(state.groups) do
    if state.members[g.id][u.id] then out[#out + 1] = group_out(req, g) end
  end
  return page(req, out, state.page)
end

local function get_group(req, state)
  local g, no = find_group(req, state)
  if not g then return no end
  return { status = 200, json = group_out(req, g) }
end

local function members(req, state)
  local g, no = find_group(req, state)
  if not g then return no end
  local size, bad = page_size(req, state, 1000, 1000)
  if bad then return bad end
  local out = {}
  for _, u in ipairs(state.users) do
    if state.members[g.id][u.id] then out[#out + 1] = user_out(req, u) end
  end
  return page(req, out, size)
end

-- Writing -------------------------------------------------------------------------------------------------

-- Puts a user into a group or takes one out.  Ids only; the type of the group decides before anything is
-- done.
local function membership(into)
  return function(req, state)
    local g, no = find_group(req, state)
    if not g then return no end
    local u = state.user[req.params.user]
    if not u then return refuse(req, 404, "E0000007", req.params.user .. " (User)") end
    if g.type ~= "OKTA_GROUP" then return refuse(req, 403, "E0000006") end
    local had = state.members[g.id][u.id] or false
    state.members[g.id][u.id] = into or nil
    if had ~= into then g.lastMembershipUpdated = kit.iso(req.now, true) end
    state.log[#state.log + 1] = { op = req.op, at = req.now, user = u.id, group = g.id,
                                  changed = had ~= into }
    return { status = 204 }
  end
end

local function boolean(req, name)
  local v = kit.first(req.query[name])
  if v == nil or v == "true" or v == "false" then return v == "true" end
  return nil, refuse(req, 400, "E0000001", name)
end

local function clear_sessions(req, state)
  local u = state.user[req.params.user]
  if not u then return refuse(req, 404, "E0000007", req.params.user .. " (User)") end
  local tokens, bad = boolean(req, "oauthTokens")
  if bad then return bad end
  state.log[#state.log + 1] = { op = req.op, at = req.now, user = u.id, oauth_tokens = tokens }
  return { status = 204 }
end

local MAY_EXPIRE = set "ACTIVE PASSWORD_EXPIRED LOCKED_OUT RECOVERY"

local function expire_password(req, state)
  local u, no = find_user(req, state, req.params.user)
  if not u then return no end
  if not MAY_EXPIRE[u.status] then return refuse(req, 403, "E0000038") end
  if u.status ~= "PASSWORD_EXPIRED" then
    touch(state, u, req.now)
    u.status, u.statusChanged = "PASSWORD_EXPIRED", kit.iso(req.now, true)
  end
  state.log[#state.log + 1] = { op = req.op, at = req.now, user = u.id }
  return { status = 200, json = user_out(req, u) }
end

-- Tokens --------------------------------------------------------------------------------------------------

local function unbase64url(s)
  local digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
  local out, bits, n = {}, 0, 0
  for c in s:gmatch "[^=]" do
    local v = digits:find(c, 1, true)
    if not v then return nil end
    bits, n = (bits << 6 | (v - 1)) & 0xffffff, n + 6
    if n >= 8 then
      n = n - 8
      out[#out + 1] = string.char(bits >> n & 0xff)
    end
  end
  return table.concat(out)
end

local function decoded(part)
  local text = part and unbase64url(part)
  local ok, value = pcall(json.decode, text or "")
  return ok and type(value) == "table" and value or nil
end

local ASSERTION  = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
local ALGORITHMS = set "RS256 RS384 RS512 ES256 ES384 ES512"

-- Why an assertion is not good, or nil.  The signature is verified where the client's key is known.
local function assertion_fault(req, state, assertion)
  local head, body = assertion:match "^([%w_-]+)%.([%w_-]+)%.[%w_-]+$"
  local h, claims = decoded(head), decoded(body)
  if not h or not claims then return "client_assertion is not a JWT." end
  if not ALGORITHMS[h.alg] then return "The client_assertion token has an unsupported alg." end
  if claims.iss ~= CLIENT or claims.sub ~= CLIENT then return "Issuer and subject must be the client id." end
  local host = kit.first(req.headers.host)
  local audience = { [req.base .. "/oauth2/v1/token"] = true }
  if host then audience["https://" .. host .. "/oauth2/v1/token"],
  audience["http://" .. host .. "/oauth2/v1/token"] = true, true end
  if not audience[claims.aud] then return "The audience claim must be the token endpoint's URL." end
  if type(claims.exp) ~= "number" or claims.exp <= req.now or claims.exp > req.now + 3600 then
    return "The exp claim must lie in the future, at most one hour ahead."
  end
  if claims.iat and claims.iat > req.now + 1 then return "The iat claim lies in the future." end
  if claims.jti and state.used[claims.jti] then return "The client_assertion token has been used already." end
  if state.public_key and not pcall(require "crypto".jwt_verify, state.public_key, assertion) then
    return "The client_assertion signature is invalid."
  end
  if claims.jti then state.used[claims.jti] = true end
  return nil
end

local function token(req, state)
  local f = req.form
  if not f then return oauth_refuse(400, "invalid_request", "The request must be a form.") end
  if f.grant_type ~= "client_credentials" then
    return oauth_refuse(400, "unsupported_grant_type", "The authorization grant type is not supported.")
  end
  if not f.scope or f.scope == "" then return oauth_refuse(400, "invalid_scope",
                                                           "The scope parameter is required.") end
  if f.client_assertion_type ~= ASSERTION or not f.client_assertion then
    return oauth_refuse(401, "invalid_client", "Client authentication is required: private_key_jwt.")
  end
  local why = assertion_fault(req, state, f.client_assertion)
  if why then return oauth_refuse(401, "invalid_client", why) end
  if state.dpop and not req.headers.dpop then
    return oauth_refuse(400, "invalid_dpop_proof", "The DPoP proof JWT header is missing.")
  end
  local got = {}
  for s in f.scope:gmatch "%S+" do if state.granted[s] then got[#got + 1] = s end end
  if #got == 0 then return oauth_refuse(400, "invalid_scope",
                                        "One or more scopes are not granted to the app.") end
  local made = "eyJ" .. kit.pick(req.rand, 60)
  state.tokens[made] = { till = req.now + 3600, scopes = set(table.concat(got, " ")) }
  return { status = 200, json = { token_type = "Bearer", expires_in = 3600, access_token = made,
                                  scope = table.concat(got, " ") } }
end

-- The gate ------------------------------------------------------------------------------------------------

local NEEDS = {
  users = "okta.users.read", user = "okta.users.read", user_groups = "okta.users.read",
  groups = "okta.groups.read",
  group = "okta.groups.read", members = "okta.groups.read", add_to_group = "okta.groups.manage",
  remove_from_group = "okta.groups.manage", clear_sessions = "okta.users.manage",
  expire_password = "okta.users.manage",
}

-- A `manage` scope includes its `read`.
local function covers(scopes, needed)
  return scopes[needed] or scopes[needed:gsub("%.read$", ".manage")]
end

local function scope_refused(req, needed)
  local value = ('Bearer authorization_uri="%s/oauth2/v1/authorize", realm="%s", scope="%s", '
                 .. 'error="insufficient_scope", '
                 .. 'error_description="The access token provided does not contain the required scopes."')
                :format(req.base, req.base, needed)
  return { status = 403, headers = { { "WWW-Authenticate", value } } }
end

local function authenticate(req, state)
  if req.op == "token" then return nil end
  local kind, value = (kit.first(req.headers.authorization) or ""):match "^(%S+) (.+)$"
  if kind == "SSWS" and value == TOKEN then return nil end
  local t = kind == "Bearer" and state.tokens[value]
  if not t or t.till <= req.now then return refuse(req, 401, "E0000011") end
  req.client = true
  local needed = NEEDS[req.op]
  if needed and not covers(t.scopes, needed) then return scope_refused(req, needed) end
  return nil
end

local function media(req)
  if req.method == "PUT" or req.method == "POST" then
    if not req.headers["content-length"] and not req.headers["transfer-encoding"] then
      return { status = 411, headers = { { "Content-Type", "text/html" } },
               body = "<html><head><title>411 Length Required</title></head></html>" }
    end
    local kind = kit.first(req.headers["content-type"]) or ""
    if req.op ~= "token" and req.body ~= "" then
      if not kind:lower():find("application/json", 1, true) then return refuse(req, 404, "E0000012") end
      if req.json == nil then return refuse(req, 400, "E0000003") end
    end
  end
  local accept = kit.first(req.headers.accept) or "*/*"
  if not accept:find("json", 1, true) and not accept:find("*/*", 1, true) and not accept:find("application/*",
                                                                                              1, true) then
    return refuse(req, 406, "E0000122")
  end
  return nil
end

-- Limits --------------------------------------------------------------------------------------------------

local function family(req)
  if req.op == "token" then return "token" end
  return req.path:match "^/api/v1/(users)" or req.path:match "^/api/v1/(groups)" or "default"
end

-- The bucket's window: a minute from its first call on.  Counts this call.
local function bucket(req, state)
  local name = family(req)
  local w = state.windows[name]
  if not w or req.now >= w.reset then
    w = { reset = math.floor(req.now) + 60, used = 0 }
    state.windows[name] = w
  end
  w.used = w.used + 1
  return w, state.limits[name]
end

local function rate_headers(limit, remaining, reset)
  return { { "X-Rate-Limit-Limit", limit }, { "X-Rate-Limit-Remaining", remaining },
           { "X-Rate-Limit-Reset", reset } }
end

local function too_many(req, limit, remaining, reset)
  local r = refuse(req, 429, "E0000047")
  r.headers = rate_headers(limit, remaining, reset)
  return r
end

local function limits(req, state)
  if req.running > state.concurrency then
    return too_many(req, 0, 0, math.floor(req.now) + 30)                 -- the reset is a guess
  end
  local w, limit = bucket(req, state)
  if w.used > limit // 2 then return too_many(req, limit, math.max(limit - w.used, 0), w.reset) end
  req.rate = rate_headers(limit, limit - w.used, w.reset)
  return nil
end

-- Every answer carries the limits and a request id.
local function finished(req, r)
  r.headers = r.headers or {}
  for _, h in ipairs(req.rate or {}) do r.headers[#r.headers + 1] = h end
  r.headers[#r.headers + 1] = { "X-Okta-Request-Id", "Z" .. kit.pick(req.rand, 26) }
  return r
end

local function before(req, state)
  local no = limits(req, state) or media(req) or authenticate(req, state)
  return no and finished(req, no)
end

local function none(req)
  return finished(req, req.allow and refuse(req, 405, "E0000022") or refuse(req, 404, "E0000008"))
end

local function route(method, path, name, handler)
  return { method, path, name, function(req, state) return finished(req, handler(req, state)) end }
end

-- Who is in which group, by the names that the ledger has for it.
local function truth(state)
  local out = {}
  for group, users in pairs(state.members) do
    for user in pairs(users) do
      out[#out + 1] = { entity = "okta:user:" .. user, facet = "group:" .. group, state = "member" }
    end
  end
  return out, { "group:" }
end

return kit.sim {
  vendor = "okta",
  config = { token = TOKEN },
  client = CLIENT,
  new = new,
  before = before,
  none = none,
  truth = truth,
  routes = {
    route("POST", "/oauth2/v1/token", "token", token),
    route("GET", "/api/v1/users", "users", list_users),
    route("GET", "/api/v1/users/{user}", "user", get_user),
    route("GET", "/api/v1/users/{user}/groups", "user_groups", user_groups),
    route("DELETE", "/api/v1/users/{user}/sessions", "clear_sessions", clear_sessions),
    route("POST", "/api/v1/users/{user}/lifecycle/expire_password", "expire_password", expire_password),
    route("GET", "/api/v1/groups", "groups", list_groups),
    route("GET", "/api/v1/groups/{group}", "group", get_group),
    route("GET", "/api/v1/groups/{group}/users", "members", members),
    route("PUT", "/api/v1/groups/{group}/users/{user}", "add_to_group", membership(true)),
    route("DELETE", "/api/v1/groups/{group}/users/{user}", "remove_from_group", membership(false)),
  },
  faults = {
    ["429"] = function(req, state, arg)
      local reset = math.floor(req.now) + math.floor(arg or 2)
      return too_many(req, state.limits[family(req)], 0, reset)
    end,
    ["409"] = function(req) return refuse(req, 409, "E0000268") end,
    ["5xx"] = function(req, _, arg, answer)
      if arg == 504 then
        answer()
        return { status = 504, headers = { { "Content-Type", "text/html" } },
                 body = "<html>Gateway Timeout</html>" }
      end
      if arg == 503 then return refuse(req, 503, "E0000010") end
      return refuse(req, math.floor(arg or 500), "E0000009")
    end,
    expire = function(req, state)
      state.tokens = {}
      return refuse(req, 401, "E0000011")
    end,
  },
}
