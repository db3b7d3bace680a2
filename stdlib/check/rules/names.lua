-- names.lua: names that are not there: globals, modules, members of libraries; and globals that are assigned.

local meaning = require "check.meaning"
local near = require "check.near"

local names = {}

names.rules = {
  ["unknown-global"]  = "error",
  ["global-assigned"] = "error",
  ["unknown-module"]  = "error",
  ["unknown-member"]  = "error",
}

-- Names that a room has besides those of a playbook.
local MORE = { connector = { connector = true, opaque = true }, playbook = {} }
local LIKE_LUA = { sim = { sim = true }, host = {},
                   test = { test = true, same = true, includes = true, lacks = true } }
-- What of Lua a test does not have.
local NOT_IN_TESTS = { os = true, io = true, debug = true, package = true, load = true, loadfile = true,
                       dofile = true, collectgarbage = true }

local function is_there(world, room, name)
  if room == "test" and NOT_IN_TESTS[name] then return false end
  if LIKE_LUA[room] then return rawget(_G, name) ~= nil or name == "require" or LIKE_LUA[room][name] end
  return world.known.globals[name] ~= nil or MORE[room][name]
end

local function globals(f, world, report)
  if f.room == "meta" then return end
  for _, n in ipairs(f.tree.all.Name or {}) do
    if not n.var and not n.declares and n.name ~= "_ENV" then
      if n.assigned and f.room ~= "sim" then
        report("global-assigned", n, ("'%s' is assigned as a global: make it local"):format(n.name))
      elseif not is_there(world, f.room, n.name) then
        local why = world.known.absent and world.known.absent[n.name]
        report("unknown-global", n, why and ("'%s' is not there: %s"):format(n.name, why)
               or ("unknown name '%s'%s"):format(n.name, near.hint(n.name, world.known.globals)))
      end
    end
  end
end

local function modules(f, world, report)
  for _, c in ipairs(f.tree.all.Call or {}) do
    local m = meaning.of(c, world.known)
    if m and m.kind == "module" and not world.known.modules[m.name] and not world.by_module[m.name] then
      local all = {}
      for name in pairs(world.known.modules) do all[name] = true end
      for name in pairs(world.by_module) do all[name] = true end
      report("unknown-module", m.at, ("there is no module '%s'%s"):format(m.name, near.hint(m.name, all)))
    elseif m and m.kind == "connector" and not world.known.connectors[m.name] then
      report("unknown-module", m.at, ("there is no connector '%s'%s"):format(m.name,
             near.hint(m.name, world.known.connectors)))
    end
  end
end

-- The members of a library or module, as a set; nil when they are not known for certain.
local function members_of(m, world)
  local list = m.kind == "library" and world.known.globals[m.of] or world.known.modules[m.of]
  if type(list) == "table" then
    local set = {}
    for _, name in ipairs(list) do set[name] = true end
    return set
  end
  local other = m.kind == "member" and world.by_module[m.of]
  if other and other.exports and not other.exports.open then return other.exports.names end
  return nil
end

local function members(f, world, report)
  for _, n in ipairs(f.tree.all.Index or {}) do
    local m = not n.assigned and meaning.of(n, world.known)
    if m and (m.kind == "library" or m.kind == "member") then
      local set = members_of(m, world)
      if set and not set[m.name] then
        report("unknown-member", m.at, ("%s has no '%s'%s"):format(m.of, m.name, near.hint(m.name, set)))
      end
    end
  end
end

function names.check(f, world, report)
  globals(f, world, report)
  if f.room == "playbook" or f.room == "connector" then
    modules(f, world, report)
    members(f, world, report)
  end
end

return names
