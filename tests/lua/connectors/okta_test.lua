-- okta_test.lua: the Okta connector against its simulator.
package.path = "tests/lua/?.lua;" .. package.path
local harness = require "harness"
local walk = require "walk"
local test, eq, raises = harness.test, harness.eq, harness.raises

local function okta(options) return harness.client("okta", options) end

local function only(list)
  eq(#list, 1, "exactly one")
  return list[1]
end

-- The demo's user, the restricted group, and the calls that were made so far forgotten.
local function scene(options)
  local c = okta(options)
  local user = only(c.okta.users { login = "pgustavo@theshire.example" })
  local group = only(c.okta.groups { name = "ir-restricted", type = "OKTA_GROUP" })
  c.calls = {}
  return c, user, group
end

local function ops(c)
  local out = {}
  for i, call in ipairs(c.calls) do out[i] = call.op end
  return table.concat(out, " ")
end

-- Reading -------------------------------------------------------------------------------------------------

test("a user is found by login, with the fields that playbooks use", function()
  local _, user = scene()
  eq(user.login, "pgustavo@theshire.example")
  eq(user.email, "pedro.gustavo@theshire.example")
  eq(user.status, "ACTIVE")
  eq(user.id:sub(1, 3), "00u")
  eq(user.source_type, "ACTIVE_DIRECTORY")
end)

test("a login is never read as part of the search", function()
  local c = okta()
  eq(#c.okta.users { login = [[x" or profile.login sw "]] }, 0)
  eq(#c.okta.users { login = [[\]] }, 0)
  local call = c.calls[1].request.target
  assert(call:find("%%5C%%22", 1) and not call:find('"', 1, true), call)
end)

test("what looks like a template in an argument stays a text", function()
  local c = okta()
  eq(#c.okta.users { login = "{status}", status = "ACTIVE" }, 0)
  assert(c.calls[1].request.target:find("%7Bstatus%7D", 1, true), c.calls[1].request.target)
end)

test("a name with quotes and a backslash is found", function()
  local c = okta()
  eq(only(c.okta.groups { name = [[Sales "EMEA" \ partners]] }).type, "OKTA_GROUP")
end)

test("a character beyond the Basic Multilingual Plane is refused before anything is sent", function()
  local c = okta()
  raises("bad_argument", function() c.okta.users { login = "\u{1F600}@theshire.example" } end)
  eq(#c.calls, 0)
end)

test("a search of the author's own stays inside its brackets", function()
  local c = okta()
  local list = c.okta.users { search = 'profile.lastName eq "Gone" or profile.lastName eq "Martha"',
                              status = "ACTIVE" }
  eq(only(list).last_name, "Martha")
end)

test("a bad search is bad_argument with Okta's code", function()
  local c = okta()
  eq(raises("bad_argument", function() c.okta.users { search = "profile.login ne \"x\"" } end).vendor_code,
     "E0000031")
end)

test("without a selecting argument nothing is sent", function()
  local c = okta()
  raises("bad_argument", function() c.okta.users {} end)
  raises("bad_argument", function() c.okta.groups { type = "OKTA_GROUP" } end)
  raises("bad_argument", function() c.okta.groups { name = "" } end)
  eq(#c.calls, 0)
  assert(#c.okta.groups { all = true } == 9)
end)

test("a name that several groups have is told apart by type, and a prefix is not a name", function()
  local c = okta()
  eq(#c.okta.groups { name = "ir-restricted" }, 2)
  eq(#c.okta.groups { name = "ir-restricted", type = "OKTA_GROUP" }, 1)
  eq(#c.okta.groups { prefix = "ir-restricted" }, 3)
end)

test("pages are followed by their Link header, on our own host", function()
  local c = okta()
  c.sim.state.page = 2
  eq(#c.okta.groups { all = true }, 9)
  eq(#c.calls, 5)
  local seen = {}
  for _, g in ipairs(c.okta.groups { all = true }) do
    assert(not seen[g.id], "a group twice")
    seen[g.id] = true
  end
end)

test("a Link header that joins both links is read too", function()
  local page = okta().declaration.operations.users.page
  local both = '<https://a/x?limit=1>; rel="self", <https://a/x?after=2>; rel="next"'
  local _, more = page({ body = {}, headers = { link = both } })
  eq(more.url, "https://a/x?after=2")
  local _, none = page({ body = {}, headers = { link = { '<https://a/x?limit=1>; rel="self"' } } })
  eq(none, nil)
end)

test("more than the limit is too_many", function()
  local c = okta()
  raises("too_many", function() c.okta.groups { all = true, limit = 3 } end)
end)

test("one user by id, by login, and by a login that no path can hold", function()
  local c, user = scene()
  eq(c.okta.user { id = user.id }.login, user.login)
  eq(c.okta.user { id = user.login }.id, user.id)
  eq(c.okta.user { id = "ann/o'neil@theshire.example" }.last_name, "O'Neil")
  raises("not_found", function() c.okta.user { id = "nobody/at@all" } end)
  raises("not_found", function() c.okta.user { id = "nobody@theshire.example" } end)
  raises("not_found", function() c.okta.user { id = "me" } end)           -- a login, not the token's owner
  eq(c.okta.me {}.login, "svc-lunette@theshire.example")
end)

test("the groups of a user, Everyone among them", function()
  local c, user = scene()
  local names = {}
  for _, g in ipairs(c.okta.user_groups { user = user.id }) do names[g.name] = g.type end
  eq(names, { Everyone = "BUILT_IN", Staff = "OKTA_GROUP", ["Domain Admins"] = "OKTA_GROUP",
              ["Domain Users"] = "APP_GROUP" })
  raises("bad_argument", function() c.okta.user_groups { user = "ann/o'neil@theshire.example" } end)
  raises("not_found", function() c.okta.user_groups { user = "00uNobody" } end)
  raises("not_found", function() c.okta.group { id = "00gNone" } end)
end)

test("a search is behind a change, a read by id is not", function()
  local c, user = scene()
  c.okta.expire_password { user = user.id }
  eq(c.okta.user { id = user.id }.status, "PASSWORD_EXPIRED")
  eq(only(c.okta.users { login = user.login }).status, "ACTIVE")
  c.now = c.now + 10
  eq(only(c.okta.users { login = user.login }).status, "PASSWORD_EXPIRED")
end)

-- Writing -------------------------------------------------------------------------------------------------

test("a user is put into a group: type first, then membership, then the write", function()
  local c, user, group = scene()
  local r = c.okta.add_to_group { group = group.id, user = user.id }
  eq(r, { user = user.id, group = group.id, state = "member" })
  eq(ops(c),
     "group user_groups user user add_to_group")                  -- the second user is the token's owner
  eq(c.entity, "okta:user:" .. user.id)
  eq(c.facet, "group:" .. group.id)
  eq(c.resolved.self, false)
  eq(c.resolved.user[2], "pgustavo@theshire.example")
  eq(#c.sim.log, 1)
  eq(c.sim.log[1].changed, true)
end)

test("a second time is unchanged, and nothing is sent", function()
  local c, user, group = scene()
  c.okta.add_to_group { group = group.id, user = user.id }
  eq(c.okta.add_to_group { group = group.id, user = user.id }.unchanged, true)
  eq(#c.sim.log, 1)
end)

test("the PUT has no body and says so", function()
  local c, user, group = scene()
  c.okta.add_to_group { group = group.id, user = user.id }
  local raw = c.calls[#c.calls].request
  eq(raw.body, "")
  local length
  for _, h in ipairs(raw.headers) do if h[1] == "Content-Length" then length = h[2] end end
  eq(length, "0")
end)

test("undo is the opposite, only where it was not so before", function()
  local c, user, group = scene()
  local op = c.declaration.operations.add_to_group
  local args = { user = user.id, group = group.id }
  eq(op.undo(args, "absent"), { op = "okta.remove_from_group", args = args })
  eq(op.undo(args, "member"), nil)
  c.okta.add_to_group(args)
  c.okta.remove_from_group(args)
  eq(c.sim.state.members[group.id][user.id], nil)
end)

test("imported and built-in groups are refused with the real cause, and nothing is tried", function()
  local c, user = scene()
  local imported = only(c.okta.groups { name = "ir-restricted", type = "APP_GROUP" })
  local everyone = only(c.okta.groups { name = "Everyone" })
  local e = raises("refused", function() c.okta.add_to_group { group = imported.id, user = user.id } end)
  assert(e.message:find("imported from a directory", 1, true), e.message)
  e = raises("refused", function() c.okta.remove_from_group { group = everyone.id, user = user.id } end)
  assert(e.message:find("built in", 1, true), e.message)
  eq(#c.sim.log, 0)
end)

test("the last member of a group, and the account of our own token, are told to the guards", function()
  local c = scene()
  local last = only(c.okta.users { login = "breakglass@theshire.example" })
  local group = only(c.okta.groups { name = "Break Glass" })
  c.okta.remove_from_group { group = group.id, user = last.id }
  eq(c.resolved.last_member, true)
  local one = only(c.okta.users { login = "pgustavo@theshire.example" })
  c.okta.remove_from_group { group = only(c.okta.groups { name = "Domain Admins" }).id, user = one.id }
  eq(c.resolved.last_member, false)
  local own = only(c.okta.users { login = "svc-lunette@theshire.example" })
  c.okta.clear_sessions { user = own.id }
  eq(c.resolved.self, true)
end)

test("a login where the id is wanted is refused before anything is sent", function()
  local c, user, group = scene()
  for _, write in ipairs { c.okta.add_to_group, c.okta.remove_from_group } do
    raises("bad_argument", function() write { group = group.id, user = user.login } end)
  end
  raises("bad_argument", function() c.okta.clear_sessions { user = user.login } end)
  raises("bad_argument", function() c.okta.expire_password { user = user.login } end)
  eq(#c.calls, 0)
end)

test("sessions are cleared, tokens only when asked", function()
  local c, user = scene()
  c.okta.clear_sessions { user = user.id }
  c.okta.clear_sessions { user = user.id, oauth_tokens = true, forget_devices = false }
  eq(c.sim.log[1].oauth_tokens, false)
  eq(c.sim.log[2].oauth_tokens, true)
  assert(c.calls[#c.calls].request.target:find("forgetDevices=false", 1, true))
end)

test("an expired password: once, then unchanged; not where the status forbids it", function()
  local c, user = scene()
  eq(c.okta.expire_password { user = user.id }.status, "PASSWORD_EXPIRED")
  eq(c.okta.expire_password { user = user.id }.unchanged, true)
  local gone = only(c.okta.users { login = "rgone@theshire.example" })
  eq(raises("conflict", function() c.okta.expire_password { user = gone.id } end).vendor_code, "E0000038")
end)

-- Faults --------------------------------------------------------------------------------------------------

test("a 429 is waited for by the vendor's clock and asked again", function()
  local c = okta { faults = "okta.users#1=429:17" }
  local t = c.now
  only(c.okta.users { login = "nmartha@theshire.example" })
  eq(c.now - t, 18)
  eq(#c.calls, 2)
end)

test("half of a bucket is ours: then 429 until its reset", function()
  local c = okta()
  c.sim.state.limits.users = 4
  local t = c.now
  for _ = 1, 3 do only(c.okta.users { login = "nmartha@theshire.example" }) end
  eq(#c.calls, 4)
  assert(c.now - t >= 60 and c.now - t <= 62, c.now - t)
end)

test("too many at once is a short wait, not a bucket that is empty", function()
  local d = okta().declaration
  local answer = { status = 429, text = "{}", body = { errorCode = "E0000047" }, headers = {
    ["x-rate-limit-limit"] = "0", ["x-rate-limit-remaining"] = "0", ["x-rate-limit-reset"] = "1795500600",
    date = "Tue, 24 Nov 2026 09:58:00 GMT" } }
  eq(d.limit(answer), nil)
  eq(d.fault(answer).after, 5)
end)

test("a reset in the past, or told twice, still means a short wait", function()
  local d = okta().declaration
  local answer = { status = 429, text = "{}", body = { errorCode = "E0000047" }, headers = {
    ["x-rate-limit-limit"] = "600", ["x-rate-limit-remaining"] = "0",
    ["x-rate-limit-reset"] = { "1", "2" }, date = "Tue, 24 Nov 2026 09:58:00 GMT" } }
  eq(d.fault(answer).after, 1)
  eq(d.limit(answer).remaining, 0)
end)

test("a write that was cut after it was done is found done, and not sent again", function()
  local c, user, group = scene { faults = "okta.add_to_group#1=reset-after" }
  eq(c.okta.add_to_group { group = group.id, user = user.id }.state, "member")
  eq(#c.sim.log, 1)
  eq(c.doubts, 1)
end)

test("a write that was cut before it was done is done once", function()
  local c, user, group = scene { faults = "okta.add_to_group#1=reset-before" }
  eq(c.okta.add_to_group { group = group.id, user = user.id }.state, "member")
  eq(#c.sim.log, 1)
end)

test("reads live through every fault that passes", function()
  for _, fault in ipairs { "429:1", "409", "5xx", "5xx:503", "5xx:504", "reset-before", "reset-after",
                           "truncate", "slow:40",
                           "twice", "html", "html:200", "empty", "partial" } do
    local c = okta { faults = "okta.users#1=" .. fault }
    local ok, e = pcall(function() only(c.okta.users { login = "nmartha@theshire.example" }) end)
    assert(ok, fault .. ": " .. tostring(e))
  end
  raises("too_big", function() okta { faults = "okta=huge:32" }.okta.users { login = "x" } end)
  raises("unavailable", function() okta { faults = "okta=html:200" }.okta.users { login = "x" } end)
end)

test("memberships live through every fault, and are written at most once more than needed", function()
  for _, fault in ipairs { "429:1", "409", "5xx", "5xx:503", "5xx:504", "reset-before", "reset-after",
                           "twice", "html", "slow:40" } do
    local c, user, group = scene { faults = "okta.add_to_group#1=" .. fault }
    local ok, e = pcall(function() return c.okta.add_to_group { group = group.id, user = user.id } end)
    assert(ok, fault .. ": " .. tostring(e))
    eq(c.sim.state.members[group.id][user.id], true, fault)
    assert(#c.sim.log <= (fault == "twice" and 2 or 1), fault)
  end
end)

test("a token that is not taken is unauthorised, and not tried again", function()
  local c = okta { config = { token = "wrong" } }
  eq(raises("unauthorised", function() c.okta.users { login = "x" } end).vendor_code, "E0000011")
  eq(#c.calls, 1)
end)

-- OAuth ---------------------------------------------------------------------------------------------------

local function app(options)
  options = options or {}
  options.config = { client_id = require "sim.okta".client, private_key = "k", scopes = options.scopes }
  return okta(options)
end

test("a service app: one token for many calls, renewed when it is no longer taken", function()
  local c = app { faults = "okta.groups#1=expire" }
  only(c.okta.users { login = "nmartha@theshire.example" })
  eq(ops(c), "token users")
  only(c.okta.groups { name = "Staff" })
  eq(ops(c), "token users groups token groups")
  eq(c.okta.me {}.id, nil)                                                -- an app belongs to nobody
end)

test("a missing scope is named, although the answer has no body", function()
  local c = app { scopes = { "okta.users.read" } }
  local e = raises("forbidden", function() c.okta.groups { name = "Staff" } end)
  assert(e.message:find("okta.groups.read", 1, true), e.message)
end)

test("an app that demands DPoP is told apart", function()
  local c = app()
  c.sim.state.dpop = true
  local e = raises("unauthorised", function() c.okta.groups { name = "Staff" } end)
  assert(e.message:find("DPoP", 1, true), e.message)
end)

test("errors say Okta's own words, and what 403 may mean", function()
  local d = okta().declaration
  local f = d.fault { status = 403, headers = {}, text = "{",
                      body = { errorCode = "E0000006", errorSummary = "No",
                      errorCauses = { errorSummary = "an object, not a list" } } }
  eq(f.code, "forbidden")
  assert(f.message:find("an object", 1, true) and f.message:find("group cannot be edited", 1, true),
         f.message)
  for status, code in pairs { [409] = "E0000268", [429] = "E0000047", [503] = "E0000010" } do
    f = d.fault { status = status, headers = {}, text = "{", body = { errorCode = code } }
    eq({ f.retry, f.executed }, { true, false }, code)
  end
  f = d.fault { status = 500, headers = {}, text = "{", body = { errorCode = "E0000009" } }
  eq({ f.retry, f.executed == nil }, { true, true })                      -- nobody knows
  f = d.fault { status = 418, headers = {}, text = "", body = nil }
  eq(f, nil)
  eq(d.fault { status = 502, headers = {}, text = "bad gateway" }.code, "unavailable")
  f = d.fault { status = 502, headers = {}, text = "{", body = { error = "bad gateway" } }   -- not the token call's
  eq({ f.code, f.executed == nil }, { "unavailable", true })
end)

-- Every operation ------------------------------------------------------------------------------------------

-- The demo's user and the restricted group, without asking for them.
local function ids(c)
  local user, group
  for _, u in ipairs(c.sim.state.users) do
    if u.profile.login == "pgustavo@theshire.example" then user = u.id end
  end
  for _, g in ipairs(c.sim.state.groups) do
    if g.profile.name == "ir-restricted" and g.type == "OKTA_GROUP" then group = g.id end
  end
  return user, group
end

local function user_of(c) return (ids(c)) end
local function group_of(c) return (select(2, ids(c))) end

test("every read waits out a limit, and says a lasting error in Okta's words", function()
  walk.reads("okta", {
    users = function(c) return c.okta.users { login = "pgustavo@theshire.example" } end,
    groups = function(c) return c.okta.groups { name = "ir-restricted" } end,
    user = function(c) return c.okta.user { id = user_of(c) } end,
    user_groups = function(c) return c.okta.user_groups { user = user_of(c) } end,
    group = function(c) return c.okta.group { id = group_of(c) } end,
    members = function(c) return c.okta.members { group = group_of(c) } end,
  }, "5xx:500", "E0000009")
end)

test("every list comes page by page", function()
  walk.pages("okta", {
    users = function(c) return c.okta.users { status = "ACTIVE" }, #c.okta.users { status = "ACTIVE" } end,
    groups = function(c) return c.okta.groups { all = true }, #c.sim.state.groups end,
    user_groups = function(c) return c.okta.user_groups { user = user_of(c) }, 4 end,
    members = function(c)
      local everyone
      for _, g in ipairs(c.sim.state.groups) do everyone = g.type == "BUILT_IN" and g.id or everyone end
      local n = 0
      for _ in pairs(c.sim.state.members[everyone]) do n = n + 1 end
      return c.okta.members { group = everyone }, n
    end,
  }, 2)
end)

test("every write waits out a limit and is done once, and is not done with a token that is not taken", function()
  walk.writes("okta", {
    add_to_group = { function(c) c.okta.add_to_group { user = user_of(c), group = group_of(c) } end },
    remove_from_group = { function(c)
      c.sim.state.members[group_of(c)][user_of(c)] = true
      c.okta.remove_from_group { user = user_of(c), group = group_of(c) }
    end },
    clear_sessions = { function(c) c.okta.clear_sessions { user = user_of(c) } end },
    expire_password = { function(c) c.okta.expire_password { user = user_of(c) } end },
  })
end)

harness.done()
