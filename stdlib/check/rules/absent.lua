-- absent.lua: what an alert may lack on its way to where it would be missed: into a write (maybe-absent), or
-- as all that selects from a list (maybe-no-selector).
--
-- An alert carries few fields for certain; what is absent is nil, and a nil in a table is no argument at all.
-- Followed is what `run` gets, through fields and variables of the file.  Whoever asks anywhere in the file
-- whether a value is there is believed to have thought of it.

local meaning = require "check.meaning"
local parser = require "check.parser"
local types = require "check.types"

local absent = {}

absent.rules = { ["maybe-absent"] = "warning", ["maybe-no-selector"] = "warning" }

-- What each alert has.
local ALWAYS = { id = true, source = true, format = true, severity = true, raw = true, triggers = true }
-- Inputs whose members are an alert's.
local PARTS = { alert = true, device = true, user = true }

-- What `run` gets: its parameter, and the inputs' types by name.
local function input_of(f)
  local run = f.playbook and meaning.member(f.playbook, "run")
  local fn = run and meaning.settled(run.value)
  local param = fn and fn.tag == "Function" and fn.params[1]
  local declared = f.playbook and meaning.member(f.playbook, "input")
  local tbl = declared and meaning.settled(declared.value)
  if not param or not param.var or not tbl or tbl.tag ~= "Table" then return nil end
  local kinds = {}
  for _, item in ipairs(tbl.items) do
    if item.key and item.key.tag == "String" and item.value.tag == "String" then
      kinds[item.key.value] = types.read(item.value.value)
    end
  end
  return param.var, kinds
end

-- The way from the input to a value, as text: "alert.device.hostname"; nil: it does not come from there.
-- (a.device or {}).hostname is one, too.
local function path_of(e, root)
  e = meaning.settled(e)
  if e.tag == "Binop" and e.op == "or" then return path_of(e.left, root) end
  if e.tag == "Name" then return e.var == root and "" or nil end
  if e.tag ~= "Index" or e.key.tag ~= "String" then return nil end
  local before = path_of(e.object, root)
  return before and (before == "" and e.key.value or before .. "." .. e.key.value)
end

-- Whether what lies at a path may be absent.
local function may_be_absent(path, kinds)
  local name, rest = path:match "^([^.]+)%.?(.*)$"
  local kind = name and kinds[name]
  if not kind then return false end
  if rest == "" then return kind.optional and not kind.default end
  if kind.kind == "alert" then return not ALWAYS[rest:match "^[^.]+"] end
  return PARTS[kind.kind] == true
end

-- Marks what a condition asks for.
local function mark(e, root, asked)
  if e.tag == "Paren" then return mark(e.inner, root, asked) end
  if e.tag == "Unop" then return mark(e.operand, root, asked) end
  if e.tag == "Call" then
    for _, arg in ipairs(e.args) do mark(arg, root, asked) end
  elseif e.tag == "Binop" then
    mark(e.left, root, asked)
    mark(e.right, root, asked)
  end
  local path = path_of(e, root)
  if path then asked[path] = true end
end

local function asked_for(f, root)
  local asked = {}
  for _, s in ipairs(f.tree.all.If or {}) do
    for _, clause in ipairs(s.clauses) do mark(clause.cond, root, asked) end
  end
  for _, tag in ipairs { "While", "Repeat" } do
    for _, s in ipairs(f.tree.all[tag] or {}) do mark(s.cond, root, asked) end
  end
  for _, n in ipairs(f.tree.all.Unop or {}) do
    if n.op == "not" then mark(n.operand, root, asked) end
  end
  for _, n in ipairs(f.tree.all.Binop or {}) do
    if n.op == "and" then mark(n.left, root, asked) end
  end
  for _, c in ipairs(f.tree.all.Call or {}) do
    if c.fn.tag == "Name" and not c.fn.var and c.fn.name == "assert" and c.args[1] then mark(c.args[1], root, asked) end
  end
  return asked
end

-- A value that is given as it is: its path, where it may be absent and nobody asks.
local function given_absent(e, root, kinds, asked)
  local settled = meaning.settled(e)
  if settled.tag ~= "Index" then return nil end
  local path = path_of(settled, root)
  return path and path ~= "" and not asked[path] and may_be_absent(path, kinds) and path or nil
end

local function table_of(call)
  local tbl = call.args and meaning.settled(call.args)
  return tbl and tbl.tag == "Table" and tbl or nil
end

local function check_write(call, tbl, is_absent, report)
  parser.walk(tbl, function(n)
    if n.tag == "Function" or n.tag == "Binop" or n.tag == "Call" then return false end
    local path = n.tag ~= "Item" and n.tag ~= "Table" and is_absent(n)
    if path then
      report("maybe-absent", n, ("%s may be absent, and goes into %s: nothing here asks whether it is there")
             :format(path, call.full))
    end
    return n.tag == "Table" or n.tag == "Item"
  end)
end

local function check_selector(call, op, tbl, is_absent, report)
  if meaning.member(tbl, "all") or meaning.open(tbl) then return end
  local select, selects = {}, nil
  for _, name in ipairs(op.select or {}) do select[name] = true end
  for _, item in ipairs(tbl.items) do
    local counts = item.key and (next(select) == nil or select[item.key.value])
    local path = counts and is_absent(item.value)
    if counts and not path then return end
    selects = path or selects
  end
  if selects then
    report("maybe-no-selector", call.at, ("%s: nothing says which where %s is absent: nothing here asks whether "
           .. "it is there"):format(call.full, selects))
  end
end

function absent.check(f, world, report)
  local root, kinds = input_of(f)
  if f.room ~= "playbook" or not root then return end
  local asked = asked_for(f, root)
  local function is_absent(e) return given_absent(e, root, kinds, asked) end
  for _, call in ipairs(f.calls) do
    local tbl, op = table_of(call), world.op(call)
    if tbl and op and op.list then check_selector(call, op, tbl, is_absent, report) end
    if tbl and world.move(call) then check_write(call, tbl, is_absent, report) end
  end
end

return absent
