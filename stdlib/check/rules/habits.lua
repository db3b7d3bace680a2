-- habits.lua: what is Lua, and is hardly ever meant: a question's answer taken for yes or no, an error that
-- is caught and dropped, writes whose names move when the script is edited, writes that a neighbour's
-- failure cuts off half way, and the length of a table with holes.

local meaning = require "check.meaning"

local habits = {}

habits.rules = {
  ["approve-condition"] = "warning",
  ["dropped-error"]     = "warning",
  ["unnamed-writes"]    = "warning",
  ["stop-writes"]       = "warning",
  ["holes"]             = "warning",
}

-- Conditions --------------------------------------------------------------------------------------------

-- The leaves of a condition: what decides it.
local function leaves(e, visit)
  local stack = { e }
  while #stack > 0 do
    local n = table.remove(stack)
    if n.tag == "Paren" then stack[#stack + 1] = n.inner
    elseif n.tag == "Unop" and n.op == "not" then stack[#stack + 1] = n.operand
    elseif n.tag == "Binop" and (n.op == "and" or n.op == "or") then
      stack[#stack + 1], stack[#stack + 2] = n.right, n.left
    elseif n.tag == "Binop" and (n.op == "==" or n.op == "~=") then visit(n.left); visit(n.right)
    else visit(n)
    end
  end
end

local function conditions(tree, visit)
  for _, s in ipairs(tree.all.If or {}) do
    for _, clause in ipairs(s.clauses) do leaves(clause.cond, visit) end
  end
  for _, tag in ipairs { "While", "Repeat" } do
    for _, s in ipairs(tree.all[tag] or {}) do leaves(s.cond, visit) end
  end
end

local function check_conditions(f, world, report)
  conditions(f.tree, function(leaf)
    local e = meaning.settled(leaf)
    if e.tag == "Call" and meaning.word(e, world.known) == "approve" then
      report("approve-condition", leaf, "approve returns only when somebody said yes, and raises otherwise: "
             .. "this is always true")
    end
  end)
end

-- Errors ------------------------------------------------------------------------------------------------

local function is_try(e, world) return e and e.tag == "Call" and meaning.word(e, world.known) == "try" end

local function dropped(report, call)
  report("dropped-error", call, "what try caught is not looked at: its second result is the error")
end

local function check_local(s, world, report)
  local last = s.exprs[#s.exprs]
  if not is_try(last, world) then return end
  local second = s.names[#s.exprs + 1]
  if not second then
    dropped(report, last)
  elseif second.var and not second.name:find "^_" and #second.var.reads == 0 then
    dropped(report, last)
  end
end

local function check_errors(f, world, report)
  for _, s in ipairs(f.tree.all.Expr or {}) do
    if is_try(s.call, world) then dropped(report, s.call) end
  end
  for _, s in ipairs(f.tree.all.Local or {}) do check_local(s, world, report) end
  for _, s in ipairs(f.tree.all.Assign or {}) do
    if is_try(s.exprs[#s.exprs], world) and #s.targets <= #s.exprs then dropped(report, s.exprs[#s.exprs]) end
  end
end

-- Writes ------------------------------------------------------------------------------------------------

local function check_loops(f, world, report)
  for _, call in ipairs(f.calls) do
    if call.node.loop and world.move(call) then
      local tbl = call.args and meaning.settled(call.args)
      if tbl and tbl.tag == "Table" and not meaning.open(tbl) and not meaning.member(tbl, "as") then
        report("unnamed-writes", call.at, ("%s in a loop is known by its turn, which moves when the script is "
               .. "edited: use map, or give it a name with `as`"):format(call.full))
      end
    end
  end
end

local function writes_within(fn, f, world)
  local n, at = 0, nil
  for _, call in ipairs(f.calls) do
    if call.node.from >= fn.from and call.node.to <= fn.to and world.move(call) then
      n, at = n + 1, at or call
    end
  end
  return n, at
end

local function stops(opts, default)
  local tbl = opts and meaning.settled(opts)
  if tbl and tbl.tag ~= "Table" then return false end
  local item = tbl and meaning.member(tbl, "on_error")
  if not item then return default end
  return item.value.tag == "String" and item.value.value == "stop"
end

local function check_stop(f, world, report)
  for _, c in ipairs(f.tree.all.Call or {}) do
    local word, functions = meaning.word(c, world.known), {}
    if word == "map" and stops(c.args[3], false) and c.args[2] then
      functions[1] = meaning.settled(c.args[2])
    elseif word == "parallel" and stops(c.args[2], true) and c.args[1] and c.args[1].tag == "Table" then
      for i, item in ipairs(c.args[1].items) do functions[i] = meaning.settled(item.value) end
    end
    for _, fn in ipairs(functions) do
      if fn.tag == "Function" then
        local n, at = writes_within(fn, f, world)
        if n > 1 then
          report("stop-writes", at.at, ("%d writes in a branch that is stopped when another one fails: it may "
                 .. "end between them; on_error = \"collect\" lets each come to its end"):format(n))
        end
      end
    end
  end
end

-- Holes -------------------------------------------------------------------------------------------------

-- Variables in whose table a position is emptied: t[2] = nil.
local function emptied(f)
  local out = {}
  for _, s in ipairs(f.tree.all.Assign or {}) do
    for i, t in ipairs(s.targets) do
      local e = s.exprs[i]
      local position = t.tag == "Index" and t.key.tag == "Number" and t.object.tag == "Name" and t.object.var
      if position and e and e.tag == "Nil" then out[position] = true end
    end
  end
  return out
end

local function check_holes(f, report)
  local made = emptied(f)
  for _, n in ipairs(f.tree.all.Unop or {}) do
    local tbl = n.op == "#" and meaning.settled(n.operand)
    if n.op == "#" and n.operand.tag == "Name" and made[n.operand.var] then
      report("holes", n, "the length of a table of which a position was emptied differs from run to run")
    elseif tbl and tbl.tag == "Table" then
      for _, item in ipairs(tbl.items) do
        if not item.key and item.value.tag == "Nil" then
          report("holes", n, "the length of a table with a nil in it differs from run to run")
          break
        end
      end
    end
  end
end

function habits.check(f, world, report)
  if f.room ~= "playbook" and f.room ~= "connector" then return end
  check_conditions(f, world, report)
  check_errors(f, world, report)
  check_loops(f, world, report)
  check_stop(f, world, report)
  check_holes(f, report)
end

return habits
