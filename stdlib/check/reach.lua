-- reach.lua: what a function may come to use: the operations and libraries that stand in it, in the local
-- functions that it names, and in the functions of other modules that it names, and so on.

local meaning = require "check.meaning"

local reach = {}

-- The names and members within each function, and the functions right within it.
local function index(f)
  if f.within then return f.within end
  local within = {}
  local function slot(fn)
    local s = within[fn]
    if not s then
      s = { nodes = {}, functions = {} }
      within[fn] = s
    end
    return s
  end
  for _, tag in ipairs { "Name", "Index", "Call" } do
    for _, n in ipairs(f.tree.all[tag] or {}) do table.insert(slot(n.func).nodes, n) end
  end
  for _, fn in ipairs(f.tree.all.Function or {}) do table.insert(slot(fn.func).functions, fn) end
  f.within = within
  return within
end

-- Expressions through which a connector's table is only used: the object of a field, what a local is given.
local function plain_uses(f)
  if f.plain then return f.plain end
  local plain = {}
  for _, n in ipairs(f.tree.all.Index or {}) do plain[n.object] = true end
  for _, s in ipairs(f.tree.all.Local or {}) do
    for i, e in ipairs(s.exprs) do plain[e] = s.names[i] ~= nil end
  end
  f.plain = plain
  return plain
end

-- Functions of libraries that are granted by themselves.
local GRANTED = { ["ledger.lift"] = true }

local visit

local function member(w, m, node, f)
  local other = w.world.by_module[m.of]
  local value = other and other.exports and other.exports.names[m.name]
  if type(value) == "table" then
    local fn = meaning.settled(value)
    if fn.tag == "Function" then visit(w, other, fn, w.via or (m.of .. "." .. m.name), w.at or node) end
  elseif not other then
    local whole = m.of .. "." .. m.name
    w.found(GRANTED[whole] and whole or m.of, w.at or node, w.via, f)
  end
end

-- A connector's table that is indexed by what only the run knows.
local function dynamic(n, known)
  if n.tag == "Index" and n.key.tag ~= "String" then
    local object = meaning.of(n.object, known)
    return object and (object.kind == "connector" or object.kind == "require")
  end
  return false
end

-- A member of the module's own table: another of its functions.
local function own_member(f, n)
  local exports = f.exports
  if not exports or not exports.var or n.tag ~= "Index" or n.key.tag ~= "String" then return nil end
  local value = n.object.tag == "Name" and n.object.var == exports.var and exports.names[n.key.value]
  return type(value) == "table" and value.tag == "Function" and value or nil
end

local function look(w, f, n)
  local m, own = meaning.of(n, w.world.known), own_member(f, n)
  if dynamic(n, w.world.known) then w.open = true end
  if own then
    visit(w, f, own, w.via, w.at)
  elseif not m then
    local value = n.tag == "Name" and n.var and n.var.kind == "function" and n.var.value
    if value then visit(w, f, value, w.via, w.at) end
  elseif m.kind == "operation" then
    w.found(m.of .. "." .. m.name, w.at or n, w.via, f)
  elseif m.kind == "member" then
    member(w, m, n, f)
  elseif m.kind == "require" or (m.kind == "connector" and not n.declares and not plain_uses(f)[n]) then
    w.open = true                                           -- handed on: who knows what is asked of it
  end
end

function visit(w, f, fn, via, at)
  if w.seen[fn] then return end
  w.seen[fn] = true
  local slot = index(f)[fn]
  if not slot then return end
  local old_via, old_at = w.via, w.at
  w.via, w.at = via, at
  for _, n in ipairs(slot.nodes) do look(w, f, n) end
  for _, inner in ipairs(slot.functions) do visit(w, f, inner, via, at) end
  w.via, w.at = old_via, old_at
end

---Calls `found(name, node, via)` for whatever a function of a file may use: "okta.users", "file"; `node`
---stands in that file, `via` names the other module's function through which it is reached.
---@return boolean open  something is named that only the run knows
function reach.of(world, f, fn, found)
  local w = { world = world, found = found, seen = {}, open = false }
  visit(w, f, fn, nil, nil)
  return w.open
end

return reach
