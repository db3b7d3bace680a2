-- okta.lua: accounts and groups in Okta: who somebody is, what groups he is in, and what confines him.
--
-- Facts: okta-management-openapi-spec 2026.06.3 (`management-minimal.yaml`, `oauth-minimal.yaml`), Okta's
-- error code list, the pages on rate limits, service apps and API tokens, and threads of the SDKs' issue
-- trackers where named.
--
-- What is not obvious: * Membership of an APP_GROUP (imported from a directory) or a BUILT_IN group can be
-- changed by nobody; Okta says 403
--   E0000006 then, as it does for missing rights.  So the group's type is read before a membership is
--                                                  written, and
--   the refusal names the real cause.
-- * `search` is answered by an index that lags behind writes.  Names are looked up by search; states are
-- read by id. * A 403 without a body is a missing scope, and the reason stands in WWW-Authenticate alone. *
-- Only the id is promised to work where a membership or sessions are changed: a login is refused here. * The
-- wait after a 429 is X-Rate-Limit-Reset less the answer's own Date: the vendor's clock, not ours.  Too many
--   requests at once is a 429 too, with zeros for limit and remaining and a reset that means nothing.

local json = require "json"

-- Shapes --------------------------------------------------------------------------------------------------

-- What playbooks see of a user.  `profile` is Okta's, whole: sites keep attributes of their own there.
local function user(u)
  local p = u.profile or {}
  local provider = u.credentials and u.credentials.provider or {}
  return {
    id = u.id, login = p.login, email = p.email, status = u.status,
    transitioning_to = u.transitioningToStatus,
    first_name = p.firstName, last_name = p.lastName, source = provider.name, source_type = provider.type,
    created = u.created, last_login = u.lastLogin, last_updated = u.lastUpdated,
    status_changed = u.statusChanged,
    password_changed = u.passwordChanged, profile = p,
  }
end

local function group(g)
  local p = g.profile or {}
  return { id = g.id, name = p.name, description = p.description, type = g.type, created = g.created,
           last_updated = g.lastUpdated, last_membership_updated = g.lastMembershipUpdated, profile = p }
end

-- What has to be there, for guards and states go by it.
local USER  = { id = "string", login = "string", status = "string" }
local GROUP = { id = "string", name = "string", type = "string" }

-- Requests ------------------------------------------------------------------------------------------------

-- A value as Okta's search wants it: a JSON string, with quotes and backslashes escaped, so that nothing in
-- it is ever read as part of the expression.  Characters beyond the Basic Multilingual Plane are not
-- supported (core API).
local function literal(value, what)
  if value:find("[\xF0-\xF7]") then
    fail("bad_argument", ("%s holds a character that Okta does not support (beyond U+FFFF)"):format(what))
  end
  return json.encode(value)
end

-- `parts` joined by "and"; a search that the author wrote stands in brackets, so that its own "or" stays
-- inside.
local function expression(search, parts)
  if search then table.insert(parts, 1, #parts > 0 and "(" .. search .. ")" or search) end
  return table.concat(parts, " and ")
end

local function equals(parts, attribute, value, what)
  if value then parts[#parts + 1] = attribute .. " eq " .. literal(value, what) end
end

-- A domain account's name: what a login has before its @, or the whole of one.
local function named(parts, name)
  if not name then return end
  parts[#parts + 1] = ("(profile.login sw %s or profile.login eq %s)")
                      :format(literal(name .. "@", "name"), literal(name, "name"))
end

local function users_query(a)
  local parts = {}
  equals(parts, "id", a.id, "id")
  equals(parts, "profile.login", a.login, "login")
  equals(parts, "profile.email", a.email, "email")
  equals(parts, "status", a.status, "status")
  named(parts, a.name)
  local search = expression(a.search, parts)
  return { search = search ~= "" and search or nil, limit = 200 }
end

local function groups_query(a)
  local parts = {}
  equals(parts, "id", a.id, "id")
  equals(parts, "profile.name", a.name, "name")
  equals(parts, "type", a.type, "type")
  if a.prefix then parts[#parts + 1] = "profile.name sw " .. literal(a.prefix, "prefix") end
  local search = expression(a.search, parts)
  return { search = search ~= "" and search or nil, limit = 200 }
end

-- These cannot stand in the path: "/" and "?" are 405, ";" and "\" are mangled by the front end, and "me" is
-- the token's owner (okta-sdk-nodejs issue 430, okta-sdk-java pull request 1526, users reference).
local function needs_search(id) return id:find "[/?;\\]" ~= nil or id == "me" end

-- Memberships and sessions are promised to work by id alone.
local function by_id(a)
  if a.user:find "[@/\\]" then
    fail("bad_argument",
         ("user = \"%s\" is a login: this operation takes the id; ask okta.users { login = … } for it")
         :format(a.user))
  end
end

local function membership_path(a)
  by_id(a)
  return "/api/v1/groups/{group}/users/{user}"
end

-- Paging --------------------------------------------------------------------------------------------------

-- The address of `rel="next"` among the Link headers; there is one header a link, but one that joins them is
-- read too.
local function next_link(header)
  local list = type(header) == "table" and header or { header }
  for _, line in ipairs(list) do
    for url, parameters in line:gmatch "<([^>]*)>([^<]*)" do
      if parameters:find('rel="next"', 1, true) then return url end
    end
  end
  return nil
end

local function page(answer)
  local url = next_link(answer.headers.link)
  return answer.body, url and { url = url } or nil
end

-- Limits --------------------------------------------------------------------------------------------------

local MONTH = { Jan = 1, Feb = 2, Mar = 3, Apr = 4, May = 5, Jun = 6, Jul = 7, Aug = 8, Sep = 9, Oct = 10,
                Nov = 11, Dec = 12 }

-- An HTTP date ("Tue, 24 Nov 2026 09:58:00 GMT") as seconds since 1970, or nil.
local function http_date(text)
  local d, name, y, hh, mm, ss = (text or ""):match "(%d%d) (%a%a%a) (%d%d%d%d) (%d%d):(%d%d):(%d%d) GMT"
  local m = MONTH[name]
  if not m then return nil end
  y, d = math.tointeger(y), math.tointeger(d)
  if m <= 2 then y = y - 1 end
  local day = (153 * ((m + 9) % 12) + 2) // 5 + d - 1
  local days = y * 365 + y // 4 - y // 100 + y // 400 + day - 719468
  return days * 86400 + hh * 3600 + mm * 60 + ss
end

-- The first value of a header: some 429 answers repeat X-Rate-Limit-Reset (okta-sdk-java issue 259).
local function number(answer, name)
  local v = answer.headers[name]
  if type(v) == "table" then v = v[1] end
  return tonumber(v)
end

local function reset_after(answer)
  local date = answer.headers.date
  local sent, reset = http_date(type(date) == "table" and date[1] or date), number(answer,
                                                                                   "x-rate-limit-reset")
  if not sent or not reset then return nil end
  return math.max(reset - sent + 1, 1)
end

local function concurrency(answer)
  return answer.status == 429 and number(answer, "x-rate-limit-limit") == 0
end

-- Buckets are kept by family of paths, so what is left is told of the call's own only.
local function limit(answer)
  local remaining = number(answer, "x-rate-limit-remaining")
  if not remaining or concurrency(answer) then return nil end
  return { remaining = remaining, reset_after = reset_after(answer), own = true }
end

-- Faults --------------------------------------------------------------------------------------------------

-- What Okta's error codes mean to a run.  `executed = false`: the vendor refused before it acted.
local CODES = {
  E0000001 = { code = "conflict" },                         -- a precondition, such as the user's status
  E0000004 = { code = "unauthorised" }, E0000015 = { code = "forbidden" },
  E0000006 = { code = "forbidden" },
  E0000007 = { code = "not_found" }, E0000008 = { code = "not_found" },
  E0000009 = { code = "unavailable", retry = true },
  E0000010 = { code = "unavailable", retry = true, after = 30, executed = false },
  E0000011 = { code = "unauthorised", token = true, executed = false },
  E0000012 = { code = "failed" }, E0000022 = { code = "bad_argument" },
  E0000029 = { code = "failed" },
  E0000038 = { code = "conflict" }, E0000107 = { code = "conflict" },
  E0000047 = { code = "rate_limited", retry = true, executed = false },
  E0000100 = { code = "unavailable", retry = true, after = 10, executed = false },
  E0000112 = { code = "conflict", retry = true, after = 60, executed = false },
  E0000155 = { code = "conflict", retry = true, after = 60, executed = false },
  E0000195 = { code = "conflict", retry = true, after = 2, executed = false },
  E0000239 = { code = "conflict", retry = true, after = 60, executed = false },
  E0000268 = { code = "conflict", retry = true, after = 2, executed = false },
}

-- By status, where the body says nothing that is known.
local STATUSES = {
  [400] = { code = "bad_argument" }, [401] = { code = "unauthorised", token = true, executed = false },
  [403] = { code = "forbidden" }, [404] = { code = "not_found" }, [405] = { code = "bad_argument" },
  [409] = { code = "conflict", retry = true, after = 2, executed = false },
  [411] = { code = "failed", executed = false }, [414] = { code = "bad_argument", executed = false },
  [423] = { code = "conflict", retry = true, after = 60, executed = false },
  [429] = { code = "rate_limited", retry = true, executed = false },
}

-- A body that is an object of Okta's; a page of HTML is none, whatever it was decoded to.
local function object(answer)
  if type(answer.body) ~= "table" or not (answer.text or ""):find "^%s*[%[{]" then return nil end
  return answer.body
end

local function causes(body)
  local list = body.errorCauses
  if type(list) ~= "table" then return "" end
  if list.errorSummary then list = { list } end             -- seen as an object instead of a list
  local out = {}
  for _, c in ipairs(list) do out[#out + 1] = type(c) == "table" and c.errorSummary or nil end
  return #out > 0 and " (" .. table.concat(out, "; ") .. ")" or ""
end

local DPOP = "the app demands DPoP, which is not spoken here: switch it off in the app's settings"

-- The reason that stands in WWW-Authenticate alone: a missing scope, a DPoP proof that is not taken.
local function challenge(answer)
  local header = answer.headers["www-authenticate"]
  if type(header) == "table" then header = table.concat(header, ", ") end
  if not header then return nil end
  if header:find("insufficient_scope", 1, true) then
    local scope = header:match 'scope="([^"]*)"' or "that this call needs"
    return "forbidden", ("the token lacks the scope %s: grant it in Okta, name it in `scopes`"):format(scope)
  end
  if header:find("dpop", 1, true) or header:find("DPoP", 1, true) then
    return "unauthorised", DPOP
  end
  return nil
end

-- Errors of /oauth2/v1/token have a shape of their own.
local function oauth_fault(answer, body)
  local text = tostring(body.error_description or body.error)
  if body.error == "invalid_dpop_proof" or body.error == "use_dpop_nonce" then
    text = DPOP
  end
  local code = answer.status == 403 and "forbidden" or "unauthorised"
  return { code = code, message = text, vendor_code = body.error, executed = false }
end

local function message(answer, body)
  if not body then return ("status %d without an explanation"):format(answer.status) end
  local text = tostring(body.errorSummary or "no summary") .. causes(body)
  if body.errorCode == "E0000006" then
    text = text .. ": the role behind the token does not cover this, or the group cannot be edited"
  end
  return text
end

local function fault(answer)
  local body = object(answer)
  if answer.status >= 200 and answer.status < 300 then
    if answer.status ~= 204 and not body then
      return { code = "unavailable", message = "an answer that is not JSON", retry = true }
    end
    return nil
  end
  local code, why = challenge(answer)
  if code and not (body and body.errorCode) then
    return { code = code, message = why, executed = false }
  end
  if body and type(body.error) == "string" and answer.status < 500 then return oauth_fault(answer, body) end
  local known = body and CODES[body.errorCode]
                or STATUSES[answer.status]
                or answer.status >= 500 and { code = "unavailable", retry = true }
  if not known then return nil end
  local out = { message = message(answer, body), vendor_code = body and body.errorCode }
  for k, v in pairs(known) do out[k] = v end
  if answer.status == 429 then out.after = concurrency(answer) and 5 or reset_after(answer) or 60 end
  return out
end

-- Memberships ---------------------------------------------------------------------------------------------

local function editable(g)
  if g.type == "OKTA_GROUP" then return nil end
  local why = g.type == "APP_GROUP" and "it is imported from a directory (APP_GROUP): change it there"
              or "it is built in: Okta itself keeps its members"
  return fail("refused",
              ("nobody can change the members of the group \"%s\" in Okta: %s; if an OKTA_GROUP of "
                          .. "that name is meant, look it up with type = \"OKTA_GROUP\""):format(g.name, why))
end

-- The membership that is so now.  The group is looked at first: what cannot be edited is refused before it
-- is tried.
local membership = {
  op = {
    { op = "group", args = function(a) return { id = a.group } end, of = editable },
    { op = "user_groups", args = function(a) return { user = a.user } end,
      of = function(groups, a)
        for _, g in ipairs(groups) do
          if g.id == a.group then return "member" end
        end
        return "absent"
      end },
  },
}

-- All names of an account, for the guards.  Okta finds people by a short login as well, and then neither the
-- token's own account nor another run's write would be known for the same one: only the id is taken.
local function names_of(u, a)
  if u.id ~= a.user then
    fail("bad_argument", ("user = \"%s\" is not the id of %s: okta.users gives it"):format(a.user, u.login or u.id))
  end
  return { user = { u.id, u.login, u.email, u.login and u.login:match "^[^@]+" } }
end

local account = { op = "user", args = function(a) return { id = a.user } end, names = names_of }

-- Whether it is the account that our own token belongs to.  A service app belongs to nobody.
local owner = {
  op = "me", args = function() return {} end,
  names = function(me, a) return { self = me.id == a.user } end,
}

-- Whether somebody is the last one in the group: two members are enough to know.
local last = {
  op = "first_members", args = function(a) return { group = a.group } end,
  names = function(list, a) return { last_member = #list == 1 and list[1].id == a.user } end,
}

-- The connector -------------------------------------------------------------------------------------------

return connector {
  name = "okta",
  config = {
    token = "secret?", client_id = "string?", private_key = "secret?", key_id = "string?",
    scopes = "[string] = okta.users.manage okta.groups.manage",
  },
  auth = {
    { kind = "header", header = "Authorization", prefix = "SSWS ", secret = "token", when = "token" },
    { kind = "private_key_jwt", path = "/oauth2/v1/token", id = "client_id", key = "private_key",
      kid = "key_id",
      scopes = "scopes", alg = "RS256", when = "private_key" },
  },
  headers = { Accept = "application/json" },
  body = "json",
  fault = fault,
  limit = limit,
  concurrency = 16,                                  -- of the 75 (35 on free orgs) that all clients share

  -- As the sheet's table of operations has them.  Nobody is called so: the answer is an empty list.
  rights = {
    { name = "okta.users.read", try = "users", args = { login = "nobody@lunette.invalid" },
      operations = { "users", "user", "user_groups", "me" } },
    { name = "okta.groups.read", try = "groups", args = { name = "nobody (Lunette looks whether it may)" },
      operations = { "groups", "group", "members", "first_members" } },
    { name = "okta.groups.manage", operations = { "add_to_group", "remove_from_group" } },
    { name = "okta.users.manage", operations = { "clear_sessions", "expire_password" } },
  },

  operations = {
    users = {
      summary = "Lists the users of a login, e-mail, id, status or account name, or that a search finds.",
      source = "Okta Management API, GET /api/v1/users (listUsers)",
      class = "read", list = true, select = { "login", "email", "id", "status", "name", "search" },
      params = { login = "string?", email = "string?", id = "string?", status = "string?", name = "string?",
                 search = "string?" },
      method = "GET", path = "/api/v1/users", query = users_query, expect = { 200 }, page = page, item = user,
      needs = USER,
    },

    user = {
      summary = "Reads one user by id or login; never behind, as a search may be.",
      source = "Okta Management API, GET /api/v1/users/{id} (getUser); okta-sdk-nodejs issue 430",
      class = "read",
      params = { id = "string" },
      method = "GET",
      path = function(a) return needs_search(a.id) and "/api/v1/users" or "/api/v1/users/{id}" end,
      query = function(a) return needs_search(a.id) and users_query { login = a.id } or {} end,
      expect = { 200 },
      result = function(body, a)
        if body.id then return user(body) end
        if #body == 0 then fail("not_found", "no user has the login " .. a.id) end
        if #body > 1 then fail("ambiguous", ("%d users have the login %s"):format(#body, a.id)) end
        return user(body[1])
      end,
      needs = USER,
    },

    user_groups = {
      summary = "Lists the groups that a user is in, the built-in Everyone among them.",
      source = "Okta Management API, GET /api/v1/users/{id}/groups (listUserGroups)",
      class = "read", list = true, params = { user = "string" },
      method = "GET",
      path = function(a)
        if needs_search(a.user) then
          fail("bad_argument", ("the login %s cannot be asked for here: use the user's id"):format(a.user))
        end
        return "/api/v1/users/{user}/groups"
      end,
      expect = { 200 }, page = page, item = group, needs = GROUP,
    },

    groups = {
      summary = "Lists the groups of exactly this name, of a prefix, or that a search expression finds.",
      source = "Okta Management API, GET /api/v1/groups (listGroups)",
      class = "read", list = true, select = { "name", "id", "prefix", "search" },
      params = { name = "string?", id = "string?", prefix = "string?", search = "string?",
                 type = "one of OKTA_GROUP APP_GROUP BUILT_IN ?" },
      method = "GET", path = "/api/v1/groups", query = groups_query, expect = { 200 }, page = page,
      item = group, needs = GROUP,
    },

    group = {
      summary = "Reads one group by its id.",
      source = "Okta Management API, GET /api/v1/groups/{groupId} (getGroup)",
      class = "read", params = { id = "string" },
      method = "GET", path = "/api/v1/groups/{id}", expect = { 200 }, result = group,
      needs = GROUP,
    },

    members = {
      summary = "Lists the users in a group.",
      source = "Okta Management API, GET /api/v1/groups/{groupId}/users (listGroupUsers)",
      class = "read", list = true, params = { group = "string" },
      method = "GET", path = "/api/v1/groups/{group}/users", query = { limit = 200 }, expect = { 200 },
      page = page, item = user, needs = USER,
    },

    first_members = {
      summary = "Reads at most two users of a group: enough to know whether somebody is its last member.",
      source = "Okta Management API, GET /api/v1/groups/{groupId}/users (listGroupUsers)",
      class = "read", params = { group = "string" },
      method = "GET", path = "/api/v1/groups/{group}/users", query = { limit = 2 }, expect = { 200 },
      result = function(body)
        local out = json.array {}
        for i, u in ipairs(body) do out[i] = user(u) end
        return out
      end,
    },

    me = {
      summary = "Reads the user whose token this is; a table without an id for a service app.",
      source = "Okta Management API, GET /api/v1/users/{id} (getUser), with the id `me`",
      class = "read", params = {},
      method = "GET", path = "/api/v1/users/me", expect = { 200, 404 },
      fault = function(answer)
        if answer.status == 404 then return nil end
        return false
      end,
      result = function(body) return body.id and user(body) or {} end,
    },

    add_to_group = {
      summary = "Puts a user into a group.",
      source = "Okta Management API, PUT /api/v1/groups/{groupId}/users/{userId} (assignUserToGroup); "
               .. "terraform-provider-okta pull request 118",
      class = "write", idempotent = true, effect = "confine", d3fend = { "D3-UAP" },
      params = { group = "string", user = "string" },
      method = "PUT", path = membership_path, expect = { 204 },
      entity = "okta:user:{user}", facet = "group:{group}", to = "member",
      state = membership, resolve = { op = { account, owner } },
      undo = function(a, before)
        if before == "absent" then return { op = "okta.remove_from_group", args = a } end
      end,
      undo_why = "the user was in the group before",
      result = function(_, a) return { user = a.user, group = a.group, state = "member" } end,
      plan = { user = "{user}", group = "{group}", state = "member" },
    },

    remove_from_group = {
      summary = "Takes a user out of a group.",
      source = "Okta Management API, DELETE /api/v1/groups/{groupId}/users/{userId} (unassignUserFromGroup)",
      class = "write", idempotent = true, effect = "confine", d3fend = { "D3-UAP" },
      params = { group = "string", user = "string" },
      method = "DELETE", path = membership_path, expect = { 204 },
      entity = "okta:user:{user}", facet = "group:{group}", to = "absent",
      state = membership, resolve = { op = { account, owner, last } },
      undo = function(a, before)
        if before == "member" then return { op = "okta.add_to_group", args = a } end
      end,
      undo_why = "the user was not in the group before",
      result = function(_, a) return { user = a.user, group = a.group, state = "absent" } end,
      plan = { user = "{user}", group = "{group}", state = "absent" },
    },

    clear_sessions = {
      summary = "Ends a user's sessions in Okta, and revokes tokens if asked; sessions inside apps live on.",
      source = "Okta Management API, DELETE /api/v1/users/{userId}/sessions (revokeUserSessions)",
      class = "write", idempotent = true, effect = "confine", d3fend = { "D3-ST" },
      params = { user = "string", oauth_tokens = "boolean = false", forget_devices = "boolean?" },
      method = "DELETE",
      path = function(a)
        by_id(a)
        return "/api/v1/users/{user}/sessions"
      end,
      query = { oauthTokens = "{oauth_tokens}", forgetDevices = "{forget_devices}" }, expect = { 204 },
      entity = "okta:user:{user}", facet = "sessions", to = "cleared",
      resolve = { op = { account, owner } },
      -- Nothing tells whether sessions were cleared; whoever logged in meanwhile would be thrown out by a
      -- second time.  So there is no probe: a person says.
      undo_why = "a session that was ended cannot be brought back; the user logs in again",
      result = function(_, a) return { user = a.user, oauth_tokens = a.oauth_tokens, state = "cleared" } end,
      plan = { user = "{user}", oauth_tokens = "{oauth_tokens}", state = "cleared" },
    },

    expire_password = {
      summary = "Expires a user's password: at the next log-in a new one must be chosen.",
      source = "Okta Management API, POST /api/v1/users/{id}/lifecycle/expire_password (expirePassword)",
      class = "write", idempotent = true, effect = "confine", d3fend = { "D3-CR" },
      params = { user = "string" },
      method = "POST",
      path = function(a)
        by_id(a)
        return "/api/v1/users/{user}/lifecycle/expire_password"
      end,
      expect = { 200 },
      entity = "okta:user:{user}", facet = "password", to = "expired",
      state = {
        op = "user",
        args = function(a) return { id = a.user } end,
        of = function(u) return u.status == "PASSWORD_EXPIRED" and "expired" or "current" end,
      },
      resolve = { op = { account, owner } },
      undo_why = "an expired password cannot be made valid again; the user chooses a new one",
      result = function(body, a)
        local status = body.status
        if status ~= "PASSWORD_EXPIRED" then
          fail("failed", ("Okta answered, but the user's status is %s, not PASSWORD_EXPIRED"):format(status))
        end
        return { user = a.user, status = status, state = "expired" }
      end,
      plan = { user = "{user}", state = "expired" },
    },
  },
}
