-- restore_test.lua: what is given back, and when not; the ledger and the connectors are stood in for.

package.path = "tests/lua/alert/?.lua;" .. package.path
local shim = require "shim"
local test = shim.test

-- The words and libraries that restore uses.
local function word(name, value) rawset(_G, name, value) end
word("fail", function(code, message) error({ code = code, message = message }, 0) end)
word("only", function(list) return list[1] end)
word("playbook", function(t) return t end)
word("run", { id = "me" })
word("approved", function(_, fn) return fn() end)
word("map", function(list, fn)
  local out = {}
  for i, item in ipairs(list) do
    local ok, value = pcall(fn, item)
    out[i] = { ok = ok, error = not ok and value or nil }
  end
  return out
end)

local told, holds, kept, did
word("not_done", function(what, why) told[#told + 1] = what .. ": " .. why end)
word("store", { get = function(key) return kept[key] end })
package.loaded["t1059.resolve"] = { okta = function() return "ann" end, told = function() return "ann" end,
                                    visionone = function() return { id = "A" } end }
package.loaded.ledger = {
  holds = function(args) return holds[args.entity] or {} end,
  lift = function(h)
    local vendor, name = h.undo.op:match "^(.-)%.(.*)$"
    return package.loaded["connectors." .. vendor][name](h.undo.args)
  end,
}
package.loaded.time = { parse = function(t) return tonumber((t:gsub("%D", ""))) end }
local user
local function act(name) return function(args) did[#did + 1] = name .. " " .. args.id end end
package.loaded["connectors.okta"] = { users = function() return { user } end, back = act "okta.back" }
package.loaded["connectors.visionone"] = { back = act "visionone.back",
                                            gone = function() fail("unavailable", "nobody answers") end }

local restore = dofile "scripts/t1059/restore.lua"

local steps = 0
local function hold(more)
  steps = steps + 1
  local h = { entity = "e", facet = "f", state = "isolated", status = "held", run = "other", open = false,
              since = "2026-01-02", step = "s" .. steps, undo = { op = "visionone.back", args = { id = "x" } } }
  for k, v in pairs(more or {}) do h[k] = v end
  return h
end

local function try(input)
  told, did = {}, {}
  local ok, out = pcall(restore.run, input)
  return ok and out or nil, not ok and out or nil
end

local function refused(code, input)
  local out, err = try(input)
  assert(out == nil and err.code == code, "got " .. tostring(err and err.code or "a result"))
  assert(#did == 0, "it did something")
  return err.message
end

test("restore: an account only once its password is newer than what confined it", function()
  user, kept = { id = "00u1", login = "ann" }, {}
  holds = { ["okta:user:00u1"] = { hold { undo = { op = "okta.back", args = { id = "1" } } } } }
  for _, changed in ipairs { false, "2026-01-01" } do
    user.password_changed = changed or nil
    assert(refused("refused", { user = {} }):find("was not renewed since 2026-01-02", 1, true))
  end
  user.password_changed = "2026-01-03"
  assert(try { user = {} }.lifted == 1 and did[1] == "okta.back 1")
end)

test("restore: the newest first; what nothing takes back, or only lets be, stays", function()
  user, kept = { id = "00u1", login = "ann", password_changed = "2026-02-01" }, {}
  holds = { ["okta:user:00u1"] = {
    hold { since = "2026-01-02", undo = { op = "okta.back", args = { id = "old" } } },
    hold { since = "2026-01-10", undo = { op = "okta.back", args = { id = "new" } } },
    hold { undo = nil, state = "cleared" } } }
  holds["okta:user:00u1"][3].undo = nil
  assert(try { user = {} }.held == 2)
  assert(table.concat(did, ", ") == "okta.back new, okta.back old")
  holds["okta:user:00u1"] = { hold { state = "excepted" }, hold { state = "log" } }
  refused("nothing_to_restore", { user = {} })
end)

test("restore: not while another run is open; what is in doubt is told, and left", function()
  kept = {}
  holds = { ["visionone:host:a"] = { hold { open = true, status = "doubt" } } }
  refused("refused", { device = {}, benign_by = "bob" })
  holds["visionone:host:a"] = { hold { open = true, run = "me" }, hold { status = "pending" } }
  assert(try { device = {}, benign_by = "bob" }.lifted == 1)
  assert(told[1] == "lift f of e: it is pending")
end)

test("restore: the verdict stands unless a newer one, or a person, says that it is clean", function()
  local H = ("ab"):rep(32)
  holds = { [H] = { hold() }, ["visionone:host:a"] = { hold() }, cafe = { hold { step = "by sha1" } } }
  for verdict, at in pairs { benign = 20260101, malicious = 20260901, unknown = 20260901 } do
    kept = { ["t1059/verdict/" .. H] = { verdict = verdict, at = at } }
    refused("refused", { sha256 = H })
    refused("refused", { sha256 = H, device = {}, benign_by = "" })
  end
  kept = { ["t1059/verdict/" .. H] = { verdict = "benign", at = 20260901, sha1 = "cafe" } }
  assert(try { sha256 = H, device = {} }.lifted == 3)
  kept = {}
  assert(try { sha256 = H, benign_by = "bob" }.lifted == 1)
end)

test("restore: a hold that both hashes lead to is lifted once", function()
  local H, same = ("ab"):rep(32), hold()
  holds = { [H] = { same, hold() }, cafe = { same } }
  kept = { ["t1059/verdict/" .. H] = { verdict = "malicious", at = 20260901, sha1 = "cafe" } }
  local out = try { sha256 = H, benign_by = "bob" }
  assert(out.held == 2 and out.lifted == 2 and #did == 2)
end)

test("restore: one that cannot be lifted is told, and the others are", function()
  kept = {}
  holds = { ["visionone:host:a"] = { hold { undo = { op = "visionone.gone", args = {} } }, hold() } }
  local out = try { device = {}, benign_by = "bob" }
  assert(out.lifted == 1 and out.held == 2 and #told == 1)
  refused("bad_argument", {})
end)

shim.done()
