-- meaning.lua: what an expression stands for, as far as the source tells: a word, a library's function, a
-- connector's operation, a module.  A local variable stands for what it was given, if nothing is given to it
-- later.

local meaning = {}

local DEEP = 12

---@class check.Meaning
---@field kind string   "global" "library" "module" "member" "connector" "operation" "require"
---@field name string   of the global, module, connector or operation ("users")
---@field of string?    of a member: its module or library; of an operation: its connector

-- The expression that a variable stands for, or nil.
local function value_of(var)
  if #var.writes > 0 or var.kind ~= "local" then return nil end
  return var.value
end

local function required(e)
  local arg = e.args[1]
  if not arg or arg.tag ~= "String" then return { kind = "require", name = "" } end
  local connector = arg.value:match "^connectors%.(.+)$"
  if connector then return { kind = "connector", name = connector, at = arg } end
  return { kind = "module", name = arg.value, at = arg }
end

local of

local function of_index(e, known, deep)
  local object = of(e.object, known, deep + 1)
  if not object or e.key.tag ~= "String" then return nil end
  local name = e.key.value
  local kind = object.kind == "connector" and "operation" or object.kind == "module" and "member"
               or object.kind == "global" and type(known.globals[object.name]) == "table" and "library"
  return kind and { kind = kind, of = object.name, name = name, at = e.key } or nil
end

---@return check.Meaning?
function of(e, known, deep)
  deep = deep or 0
  if deep > DEEP then return nil end
  while e.tag == "Paren" do e = e.inner end
  if e.tag == "Name" then
    if not e.var then return { kind = "global", name = e.name, at = e } end
    local value = value_of(e.var)
    if not value or (value.tag ~= "Name" and value.tag ~= "Index" and value.tag ~= "Call") then return nil end
    return of(value, known, deep + 1)
  elseif e.tag == "Index" then
    return of_index(e, known, deep)
  elseif e.tag == "Call" then
    local fn = of(e.fn, known, deep + 1)
    return fn and fn.kind == "global" and fn.name == "require" and required(e) or nil
  end
  return nil
end

meaning.of = of

---The name of the word that a call calls, or nil: it is no word of a playbook.
---@return string?
function meaning.word(call, known)
  local m = of(call.fn, known)
  return m and m.kind == "global" and m.name or nil
end

---The value that an expression is for certain: what a variable that is never changed was given.
function meaning.settled(e)
  for _ = 1, DEEP do
    while e.tag == "Paren" do e = e.inner end
    local value = e.tag == "Name" and e.var and value_of(e.var)
    if not value then break end
    e = value
  end
  return e
end

---A table constructor's member of that name, or nil.
---@return table? item
function meaning.member(tbl, name)
  for _, item in ipairs(tbl.items) do
    if item.key and item.key.tag == "String" and item.key.value == name then return item end
  end
  return nil
end

---Whether a constructor has members that are not named in the source.
function meaning.open(tbl)
  for _, item in ipairs(tbl.items) do
    if item.key and item.key.tag ~= "String" then return true end
  end
  return false
end

return meaning
