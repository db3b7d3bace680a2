-- flow.lua: where what a write acts on comes from: the first of a list that was not made sure to have one
-- element (first-match: whoever happens to be listed first is confined), and the hash of an alert's
-- process, which is an interpreter's more often than not (interpreter-hash: PowerShell is blocked in the
-- whole company).
--
-- What is followed are variables of one file, through fields, tables, texts and "and"/"or"; a function's
-- result is its author's business, for it may have made sure.

local meaning = require "check.meaning"
local parser = require "check.parser"

local flow = {}

flow.rules = { ["first-match"] = "warning", ["interpreter-hash"] = "warning" }

local HASHES = { sha256 = true, sha1 = true, md5 = true }
local ROUNDS = 8

-- The last member's name on the way to a value: "process" of alert.process, also through a variable.
local function last_member(e)
  e = meaning.settled(e)
  return e.tag == "Index" and e.key.tag == "String" and e.key.value or nil
end

local function is_process_hash(e)
  local hash = e.tag == "Index" and e.key.tag == "String" and HASHES[e.key.value]
  return hash and last_member(e.object) == "process"
end

local function is_process(e) return e.tag == "Index" and last_member(e) == "process" end

-- Is it ops.list { … }[1], or a variable's [1] that was given such a list?
local function first_of_list(world)
  local lists = {}
  for _, f in ipairs(world.files) do
    for _, call in ipairs(f.calls or {}) do
      local c = world.known.connectors[call.of]
      local op = c and c.operations and c.operations[call.name]
      if op and op.list and call.via ~= "each" then lists[call.node] = call.full end
    end
  end
  return function(e)
    if e.tag ~= "Index" or e.key.tag ~= "Number" or e.key.value ~= 1 then return nil end
    return lists[meaning.settled(e.object)]
  end
end

-- Calls visit for each expression whose value an expression may have, or hold within; with `fields`, also
-- for what it is a field of.
local function parts(e, fields, visit)
  parser.walk(e, function(n)
    if n.tag == "Function" then return false end
    if n.tag == "Binop" then
      if n.op == "or" or n.op == ".." then return true end
      if n.op == "and" then parts(n.right, fields, visit) end
      return false
    end
    if n.tag == "Unop" then return false end
    if visit(n) == false then return false end
    return n.tag == "Table" or n.tag == "Item" or n.tag == "Paren" or (fields and n.tag == "Index")
  end)
end

local function each_given(f, visit)
  for _, s in ipairs(f.tree.all.Local or {}) do
    for i, name in ipairs(s.names) do
      if s.exprs[i] then visit(name.var, s.exprs[i]) end
    end
  end
  for _, s in ipairs(f.tree.all.Assign or {}) do
    for i, target in ipairs(s.targets) do
      if target.tag == "Name" and target.var and s.exprs[i] then visit(target.var, s.exprs[i]) end
    end
  end
end

-- Variables that may hold what `seed` tells of: variable → what.
local function tainted_by(f, fields, seed)
  local tainted = {}
  local function taint_of(e)
    local what
    parts(e, fields, function(n)
      what = what or seed(n) or (n.tag == "Name" and n.var and tainted[n.var]) or nil
      return what == nil
    end)
    return what
  end
  for _ = 1, ROUNDS do
    local more = false
    each_given(f, function(var, e)
      local what = var and not tainted[var] and taint_of(e)
      if what then tainted[var], more = what, true end
    end)
    if not more then break end
  end
  return taint_of
end

local function check_first(f, world, report)
  local taint_of = tainted_by(f, true, world.first_of_list)
  for _, call in ipairs(f.calls) do
    local list = world.move(call) and call.args and taint_of(call.args)
    if list then
      report("first-match", call.at, ("%s acts on the first that %s listed: only(…) makes sure that there is "
             .. "one"):format(call.full, list))
    end
  end
end

local function check_hash(f, world, report)
  local taint_of = tainted_by(f, false, function(n)
    return is_process_hash(n) or is_process(n) or nil
  end)
  for _, call in ipairs(f.calls) do
    local move = world.move(call)
    if move and move ~= "note" and call.args and taint_of(call.args) then
      report("interpreter-hash", call.at, ("%s acts on the alert's process, which is mostly the interpreter "
             .. "itself: take the subject of the alert"):format(call.full))
    end
  end
end

function flow.check(f, world, report)
  if f.room ~= "playbook" then return end
  world.first_of_list = world.first_of_list or first_of_list(world)
  check_first(f, world, report)
  check_hash(f, world, report)
end

return flow
