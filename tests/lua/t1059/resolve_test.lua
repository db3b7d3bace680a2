-- resolve_test.lua: who and where, exactly one or a reason why not; the connectors are stood in for.

package.path = "tests/lua/alert/?.lua;" .. package.path
local shim = require "shim"
local test = shim.test

-- The words of a playbook that resolve uses.
local function word(name, value) rawset(_G, name, value) end
word("fail", function(code, message) error({ code = code, message = message }, 0) end)
word("try", function(verb, ...)
  local out = table.pack(pcall(verb, ...))
  if out[1] then return table.unpack(out, 2, out.n) end
  return nil, out[2]
end)
word("where", function(list, fn)
  local out = {}
  for _, v in ipairs(list) do
    if fn(v) then out[#out + 1] = v end
  end
  return out
end)
word("only", function(list, what)
  if #list == 0 then fail("not_found", what .. ": none") end
  if #list > 1 then fail("ambiguous", what .. ": " .. #list) end
  return list[1]
end)

local USERS = {
  { login = "pgustavo@theshire.example", email = "pedro.gustavo@theshire.example", status = "ACTIVE" },
  { login = "twin@theshire.example", status = "ACTIVE" }, { login = "twin@shire.example", status = "ACTIVE" },
  { login = "rgone@theshire.example", status = "DEPROVISIONED" },
}
local asked
package.loaded["connectors.okta"] = {
  users = function(args)
    asked = args
    return where(USERS, function(u)
      return (args.login and u.login == args.login) or (args.email and u.email == args.email)
          or (args.name and u.login:match("^[^@]+") == args.name)
    end)
  end,
}

local falcon, endpoint
package.loaded["connectors.crowdstrike"] = { host = function(args) return falcon(args) end }
package.loaded["connectors.visionone"] = { endpoint = function(args) return endpoint(args) end }
local function nobody() fail("not_found", "no host is there") end

local resolve = require "t1059.resolve"

local function refused(code, fn, ...)
  local out, err = try(fn, ...)
  assert(out == nil and err.code == code, "got " .. tostring(out or err.code) .. ", expected " .. code)
  return err
end

test("resolve: a domain account, an address, a login", function()
  assert(resolve.okta { name = "pgustavo", domain = "THESHIRE",
                        kind = "person" } == "pgustavo@theshire.example")
  assert(asked.name == "pgustavo" and asked.search == nil, "asked by text")
  assert(resolve.okta { name = "x", email = "pgustavo@theshire.example" } == "pgustavo@theshire.example")
  assert(resolve.okta { name = "x", email = "pedro.gustavo@theshire.example" } == "pgustavo@theshire.example")
end)

test("resolve: nobody, several, and those who have left", function()
  refused("not_found", resolve.okta, { name = "nobody", domain = "THESHIRE", kind = "person" })
  refused("ambiguous", resolve.okta, { name = "twin", domain = "THESHIRE", kind = "person" })
  refused("not_found", resolve.okta, { name = "rgone", domain = "THESHIRE", kind = "person" })
  refused("not_found", resolve.okta, { name = "pgustavo", email = "pgustavo@other.example", kind = "person" })
  refused("not_found", resolve.okta, nil)
end)

test("resolve: who is no person is not looked up", function()
  for _, kind in ipairs { "local", "system", "service", "unknown" } do
    asked = nil
    local err = refused("not_found", resolve.okta, { name = "pgustavo", kind = kind })
    assert(asked == nil and err.message:find("not looked up", 1, true))
  end
end)

test("resolve: a device that is none", function()
  for _, device in ipairs { { os = "windows" }, {} } do refused("not_found", resolve.crowdstrike, device) end
  refused("not_found", resolve.visionone, nil)
end)

test("resolve: the alert's own address, if it is one of a private network", function()
  falcon, endpoint = nobody, nobody
  assert(resolve.ip { ip = { "10.10.58.51", "49.206.231.58" } } == "10.10.58.51")
  local err = refused("not_found", resolve.ip, { ip = { "1.1.1.1" }, agents = { crowdstrike = "x" } })
  assert(err.message:find("no host is there", 1, true))
end)

test("resolve: else the address that an EDR knows", function()
  falcon = function(args)
    assert(args.device.hostname == "WORKSTATION5.theshire.local" and args.seen_within)
    return { id = "x", ip = "10.20.5.15" }
  end
  assert(resolve.ip { hostname = "WORKSTATION5.theshire.local" } == "10.20.5.15")
  falcon, endpoint = nobody, function() return { ip = { "2001:db8::1", "192.168.1.9" } } end
  assert(resolve.ip { hostname = "h", ip = { "10.0.0.1", "10.0.0.2" } } == "192.168.1.9")
end)

test("resolve: a host that only the other vendor's agent names is asked for by the name it has there", function()
  falcon = function(args)
    assert(args.hostname == "WS-042" or args.device and args.device.hostname == "WS-042" or
           args.device.agents.crowdstrike == "f1", "asked by what is not known")
    return { id = "f1", hostname = "WS-042" }
  end
  endpoint = function(args)
    local device = args.device
    if device.agents then assert(device.agents.trend_vision_one == "v1") else assert(device.hostname == "WS-042") end
    return { id = "v1", hostname = "WS-042" }
  end
  local outside = { "198.51.100.1" }                      -- a router's, perhaps
  assert(resolve.visionone { agents = { crowdstrike = "f1" }, ip = outside }.id == "v1")
  assert(resolve.crowdstrike { agents = { trend_vision_one = "v1" }, ip = outside }.id == "f1")
  endpoint = nobody
  refused("not_found", resolve.crowdstrike, { agents = { trend_vision_one = "v1" } })
  refused("not_found", resolve.visionone, { agents = { log_analytics = "x" } })
end)

test("resolve: what is missing skips a stage, and what went wrong fails it", function()
  for code, want in pairs { not_found = "skipped", ambiguous = "skipped", stale = "skipped",
                            unavailable = "unavailable", unauthorised = "unauthorised" } do
    local err = refused(want, resolve.needed, function() fail(code, "why") end)
    assert(err.message == "why")
  end
  assert(resolve.needed(function(x) return x end, 7) == 7)
end)

shim.done()
