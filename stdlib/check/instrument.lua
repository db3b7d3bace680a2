-- instrument.lua: a script's source as a plan compiles it.  What a planned write will answer is not known,
-- and a plan that took a branch on it would be a guess; stock Lua has no event for `if x`, for `x ==
-- "text"`, nor for `t[x]`.  So every place where a value decides something is wrapped in a call that lets
-- known values through and raises for an opaque one.  Nothing else changes: the lines are the same, each
-- expression is evaluated as often and in the order as before, with as many values, and the operators
-- themselves stay, with their metamethods, their waits and their error messages.
--
-- Wrapped are: conditions of if, while and until; operands of not; left operands of and/or; operands of ==
-- ~= < <= > >=; keys in t[k] and { [k] = v }; and the bounds of a numeric for.  Arithmetic, .., #, calls
-- and fields raise by the opaque value's own metamethods, and so need nothing.

local parser = require "check.parser"

local instrument = {}

---The name of the function that instrumented code calls: f(v) is v, or raises "unknown".
instrument.helper = "__lnL_known"

local OPEN = " " .. instrument.helper .. "("

local COMPARISONS = { ["=="] = true, ["~="] = true, ["<"] = true, ["<="] = true, [">"] = true, [">="] = true }

-- Expressions whose value may be opaque.  All else is made of known parts, or has raised already.
local MAY_BE_OPAQUE = { Name = true, Index = true, Call = true, Invoke = true, Vararg = true }

-- An operand, whose value is looked at: wrapped as a whole.
local function wrap(edits, e)
  local inner = e
  while inner.tag == "Paren" do inner = inner.inner end
  if MAY_BE_OPAQUE[inner.tag] or (inner.tag == "Binop" and (inner.op == "and" or inner.op == "or")) then
    edits[#edits + 1] = { after = e.from - 1, text = OPEN, order = 1 }
    edits[#edits + 1] = { after = e.to, text = ")", order = 0 }
  end
end

-- A condition.  Of `a and b` the left operand is looked at by the rule for and; what remains is b, and so on:
-- wrapping the leaves instead of the whole keeps long chains flat.
local function wrap_condition(edits, e)
  while true do
    if e.tag == "Paren" then e = e.inner
    elseif e.tag == "Binop" and (e.op == "and" or e.op == "or") then e = e.right
    else return wrap(edits, e)
    end
  end
end

local function refuse(tree, node, message)
  local line, column = parser.place(tree, node)
  return nil, { line = line, column = column, message = message }
end

-- A script that has the helper's name, or an environment of its own, would not be seen through.
local function reserved(tree)
  for _, n in ipairs(tree.all.Name or {}) do
    if n.name:find "^__lnL" then return n, ("the name %s is the runtime's own"):format(n.name) end
    if n.name == "_ENV" and (n.declares or n.assigned) then
      return n, "a script with an _ENV of its own cannot be planned"
    end
  end
end

local function operators(edits, tree)
  for _, n in ipairs(tree.all.Binop or {}) do
    if n.op == "and" or n.op == "or" then wrap_condition(edits, n.left)
    elseif COMPARISONS[n.op] then
      wrap(edits, n.left)
      wrap(edits, n.right)
    end
  end
  for _, n in ipairs(tree.all.Unop or {}) do
    if n.op == "not" then wrap_condition(edits, n.operand) end
  end
end

local function conditions(edits, tree)
  for _, tag in ipairs { "While", "Repeat" } do
    for _, n in ipairs(tree.all[tag] or {}) do wrap_condition(edits, n.cond) end
  end
  for _, n in ipairs(tree.all.If or {}) do
    for _, clause in ipairs(n.clauses) do wrap_condition(edits, clause.cond) end
  end
end

local function keys_and_bounds(edits, tree)
  for _, n in ipairs(tree.all.Index or {}) do
    if not n.dot then wrap(edits, n.key) end
  end
  for _, n in ipairs(tree.all.Item or {}) do
    if n.key and not n.named then wrap(edits, n.key) end
  end
  for _, n in ipairs(tree.all.Fornum or {}) do
    wrap(edits, n.start)
    wrap(edits, n.limit)
    if n.step then wrap(edits, n.step) end
  end
end

-- In the order of the text; of two at one place what closes comes first.  (Whatever opens at one place
-- opens with the same words, so it does not matter which is which.)
local function sorted(edits)
  table.sort(edits, function(a, b)
    if a.after ~= b.after then return a.after < b.after end
    return a.order < b.order
  end)
  return edits
end

local function applied(source, edits)
  local parts, n, at = {}, 0, 1
  for _, e in ipairs(edits) do
    parts[n + 1], parts[n + 2] = source:sub(at, e.after), e.text
    n, at = n + 2, e.after + 1
  end
  parts[n + 1] = source:sub(at)
  return table.concat(parts)
end

---The source as a plan compiles it.
---@param source string
---@return string? source
---@return table? problem  { line, column, message }: it is no Lua, or cannot be planned
function instrument.source(source)
  local tree, problem = parser.parse(source)
  if not tree then return nil, problem end
  local node, why = reserved(tree)
  if node then return refuse(tree, node, why) end
  local edits = {}
  operators(edits, tree)
  conditions(edits, tree)
  keys_and_bounds(edits, tree)
  return applied(source, sorted(edits))
end

return instrument
