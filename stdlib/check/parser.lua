-- parser.lua: Lua 5.4 source into a tree.  It reads as Lua's own compiler does, by recursive descent, one
-- token ahead; what nests deeper than Lua itself allows is an error, and what only goes on for long (a + b
-- + c …) is a loop here, so no source exhausts a stack.
--
-- A node is a table: `tag`, `from` and `to` (offsets of its first and last byte), `func` (the function that
-- it stands in; the chunk is one) and `loop` (the innermost loop of that function, or nil).
--
--   expressions   Nil True False Number String (value)  Vararg  Function (params, vararg, body)  Table (items)
--                 Name (name, var)  Index (object, key, dot)  Call (fn, args)  Invoke (object, name, args)
--                 Paren (inner)  Unop (op, operand)  Binop (op, left, right)
--   within Table  Item (key, value; no key: a position)
--   statements    Local (names, exprs)  LocalFunction (name, fn)  FunctionStat (target, fn)  Assign (targets,
--                 exprs)  Expr (call)  Do (body)  While (cond, body)  Repeat (body, cond)  If (clauses, orelse)
--                 Fornum (name, start, limit, step, body)  Forin (names, exprs, body)  Return (exprs)  Break
--                 Goto (label)  Label (label)
--
-- `tree.all[tag]` lists the nodes of each tag, children before their parents.  Jumps, attributes and Lua's
-- limits (of locals, registers …) are left to the compiler itself, which sees every source as well.

local lexer = require "check.lexer"
local scope = require "check.scope"

local parser = {}

local DEEPEST = 200

-- Binding powers, left and right, as in Lua's own parser.
local BINARY = {
  ["+"] = { 10, 10 }, ["-"] = { 10, 10 }, ["*"] = { 11, 11 }, ["%"] = { 11, 11 }, ["^"] = { 14, 13 },
  ["/"] = { 11, 11 }, ["//"] = { 11, 11 }, ["&"] = { 6, 6 }, ["|"] = { 4, 4 }, ["~"] = { 5, 5 },
  ["<<"] = { 7, 7 }, [">>"] = { 7, 7 }, [".."] = { 9, 8 },
  ["=="] = { 3, 3 }, ["<"] = { 3, 3 }, ["<="] = { 3, 3 },
  ["~="] = { 3, 3 }, [">"] = { 3, 3 }, [">="] = { 3, 3 },
  ["and"] = { 2, 2 }, ["or"] = { 1, 1 },
}
local UNARY = { ["not"] = 12, ["-"] = 12, ["~"] = 12, ["#"] = 12 }

local LITERALS = { ["nil"] = "Nil", ["true"] = "True", ["false"] = "False", ["..."] = "Vararg",
                   number = "Number", string = "String" }

local expression, block                                     -- each other's parts

-- The parser's state ------------------------------------------------------------------------------------

-- A node that begins at `from` and ends with the token before the one at hand.
local function node(p, tag, from, fields)
  fields.tag, fields.from, fields.to = tag, from, p.lex.last
  fields.func, fields.loop = p.scope.func, p.scope.loop
  local list = p.all[tag]
  if not list then
    list = {}
    p.all[tag] = list
  end
  list[#list + 1] = fields
  return fields
end

local function wanted(p, what)
  lexer.fail(p.lex.from, ("%s expected near '%s'"):format(what, p.lex:near()))
end

local function accept(p, kind)
  if p.lex.kind ~= kind then return false end
  p.lex:next()
  return true
end

local function expect(p, kind)
  if not accept(p, kind) then wanted(p, "'" .. kind .. "'") end
end

-- The end of what `opening` began at `from`.
local function expect_close(p, kind, opening, from)
  if accept(p, kind) then return end
  local line, here = lexer.place(p.lex.starts, from), lexer.place(p.lex.starts, p.lex.from)
  local why = line < here and (" (to close '%s' at line %d)"):format(opening, line) or ""
  lexer.fail(p.lex.from, ("'%s' expected%s near '%s'"):format(kind, why, p.lex:near()))
end

local function deeper(p)
  p.depth = p.depth + 1
  if p.depth > DEEPEST then lexer.fail(p.lex.from, ("nested too deeply: %d levels at most"):format(DEEPEST)) end
end

local function shallower(p) p.depth = p.depth - 1 end

local function name_here(p)
  if p.lex.kind ~= "name" then wanted(p, "a name") end
  local name, from = p.lex.value, p.lex.from
  p.lex:next()
  return name, from
end

-- A name as a node that declares something.
local function declared_name(p)
  local name, from = name_here(p)
  return node(p, "Name", from, { name = name, declares = true })
end

-- A name as a node that means something.
local function used_name(p)
  local name, from = name_here(p)
  local var = p.scope:find(name)
  local n = node(p, "Name", from, { name = name, var = var })
  if var then var.reads[#var.reads + 1] = n end
  return n
end

-- Functions and tables ----------------------------------------------------------------------------------

local function parameters(p, fn)
  expect(p, "(")
  while p.lex.kind ~= ")" do
    if accept(p, "...") then
      fn.vararg = true
      break
    end
    local name = declared_name(p)
    fn.params[#fn.params + 1] = name
    p.scope:declare(name.name, name, "param")
    if not accept(p, ",") then break end
    if p.lex.kind == ")" then wanted(p, "a name") end
  end
  expect(p, ")")
end

-- What follows "function" or a function's name; `method`: there is a self.
local function function_body(p, from, method)
  local fn = { params = {}, vararg = false, body = nil }
  p.scope:enter(fn)
  if method then p.scope:declare("self", { tag = "Name", name = "self", from = from, to = from }, "self") end
  parameters(p, fn)
  fn.body = block(p)
  expect_close(p, "end", "function", from)
  p.scope:leave()
  return node(p, "Function", from, fn)
end

local function item(p)
  local from = p.lex.from
  if p.lex.kind == "name" and p.lex:peek() == "=" then
    local name, at = name_here(p)
    local key = node(p, "String", at, { value = name })
    expect(p, "=")
    return node(p, "Item", from, { key = key, named = true, value = expression(p) })
  elseif accept(p, "[") then
    local key = expression(p)
    expect_close(p, "]", "[", from)
    expect(p, "=")
    return node(p, "Item", from, { key = key, value = expression(p) })
  end
  return node(p, "Item", from, { value = expression(p) })
end

local function table_constructor(p)
  local from, items = p.lex.from, {}
  expect(p, "{")
  while p.lex.kind ~= "}" do
    local one = item(p)
    one.to = p.lex.last
    items[#items + 1] = one
    if not (accept(p, ",") or accept(p, ";")) then break end
  end
  expect_close(p, "}", "{", from)
  return node(p, "Table", from, { items = items })
end

-- Expressions -------------------------------------------------------------------------------------------

local function expression_list(p)
  local list = { expression(p) }
  while accept(p, ",") do list[#list + 1] = expression(p) end
  return list
end

local function arguments(p)
  local from = p.lex.from
  if p.lex.kind == "{" then return { table_constructor(p) } end
  if p.lex.kind == "string" then
    local value = p.lex.value
    p.lex:next()
    return { node(p, "String", from, { value = value }) }
  end
  if not accept(p, "(") then wanted(p, "arguments of the function") end
  local args = p.lex.kind ~= ")" and expression_list(p) or {}
  expect_close(p, ")", "(", from)
  return args
end

local function primary(p)
  local from = p.lex.from
  if p.lex.kind == "name" then return used_name(p) end
  if not accept(p, "(") then lexer.fail(from, ("unexpected symbol near '%s'"):format(p.lex:near())) end
  local inner = expression(p)
  expect_close(p, ")", "(", from)
  return node(p, "Paren", from, { inner = inner })
end

local ARGUMENTS = { ["("] = true, ["{"] = true, string = true }

local function suffixed(p)
  local from = p.lex.from
  local e = primary(p)
  while true do
    local kind = p.lex.kind
    if accept(p, ".") then
      local name, at = name_here(p)
      e = node(p, "Index", from, { object = e, key = node(p, "String", at, { value = name }), dot = true })
    elseif kind == "[" then
      local at = p.lex.from
      p.lex:next()
      local key = expression(p)
      expect_close(p, "]", "[", at)
      e = node(p, "Index", from, { object = e, key = key })
    elseif accept(p, ":") then
      local name = name_here(p)
      e = node(p, "Invoke", from, { object = e, name = name, args = arguments(p) })
      e.to = p.lex.last
    elseif ARGUMENTS[kind] then
      local args = arguments(p)
      e = node(p, "Call", from, { fn = e, args = args })
      for i, a in ipairs(args) do
        if a.tag == "Function" then a.call, a.nth = e, i end
      end
    else
      return e
    end
  end
end

local function simple(p)
  local kind, from, value = p.lex.kind, p.lex.from, p.lex.value
  if LITERALS[kind] then
    p.lex:next()
    return node(p, LITERALS[kind], from, { value = value })
  elseif kind == "{" then
    return table_constructor(p)
  elseif kind == "function" then
    p.lex:next()
    return function_body(p, from, false)
  end
  return suffixed(p)
end

-- An expression whose operators bind tighter than `limit`.
local function operation(p, limit)
  deeper(p)
  local from, op, e = p.lex.from, p.lex.kind
  if UNARY[op] then
    p.lex:next()
    e = node(p, "Unop", from, { op = op, operand = operation(p, UNARY[op]) })
    e.to = p.lex.last
  else
    e = simple(p)
  end
  op = p.lex.kind
  while BINARY[op] and BINARY[op][1] > limit do
    local at = p.lex.from
    p.lex:next()
    local right = operation(p, BINARY[op][2])
    e = node(p, "Binop", from, { op = op, at = at, left = e, right = right })
    op = p.lex.kind
  end
  shallower(p)
  return e
end

function expression(p) return operation(p, 0) end

-- Statements --------------------------------------------------------------------------------------------

-- A block of its own: what it declares is gone after it.
local function inner_block(p, loop)
  p.scope:open(loop)
  local body = block(p)
  p.scope:close()
  return body
end

local function if_statement(p)
  local from, clauses, orelse = p.lex.from, {}, nil
  repeat
    p.lex:next()                                            -- if, elseif
    local cond = expression(p)
    expect(p, "then")
    clauses[#clauses + 1] = { cond = cond, body = inner_block(p) }
  until p.lex.kind ~= "elseif"
  if accept(p, "else") then orelse = inner_block(p) end
  expect_close(p, "end", "if", from)
  return node(p, "If", from, { clauses = clauses, orelse = orelse })
end

-- A loop's node is there before its body, which points to it.
local function loop_node(p, tag, from) return node(p, tag, from, {}) end

local function finished(p, n)
  n.to = p.lex.last
  return n
end

local function while_statement(p)
  local from = p.lex.from
  p.lex:next()
  local n = loop_node(p, "While", from)
  n.cond = expression(p)
  expect(p, "do")
  n.body = inner_block(p, n)
  expect_close(p, "end", "while", from)
  return finished(p, n)
end

-- The condition sees what the body declares.
local function repeat_statement(p)
  local from = p.lex.from
  p.lex:next()
  local n = loop_node(p, "Repeat", from)
  p.scope:open(n)
  n.body = block(p)
  expect_close(p, "until", "repeat", from)
  n.cond = expression(p)
  p.scope:close()
  return finished(p, n)
end

local function loop_body(p, n, names)
  expect(p, "do")
  p.scope:open(n)
  for _, name in ipairs(names) do p.scope:declare(name.name, name, "loop") end
  n.body = block(p)
  p.scope:close()
  expect_close(p, "end", "for", n.from)
  return finished(p, n)
end

local function for_statement(p)
  local from = p.lex.from
  p.lex:next()
  local first = declared_name(p)
  if accept(p, "=") then
    local n = loop_node(p, "Fornum", from)
    n.name, n.start = first, expression(p)
    expect(p, ",")
    n.limit = expression(p)
    if accept(p, ",") then n.step = expression(p) end
    return loop_body(p, n, { first })
  end
  local n = loop_node(p, "Forin", from)
  n.names = { first }
  while accept(p, ",") do n.names[#n.names + 1] = declared_name(p) end
  if p.lex.kind ~= "in" then wanted(p, "'=' or 'in'") end
  p.lex:next()
  n.exprs = expression_list(p)
  return loop_body(p, n, n.names)
end

local function function_statement(p)
  local from = p.lex.from
  p.lex:next()
  local at = p.lex.from
  local target, method = used_name(p), false
  while p.lex.kind == "." or p.lex.kind == ":" do
    method = p.lex.kind == ":"
    p.lex:next()
    local name, name_at = name_here(p)
    local key = node(p, "String", name_at, { value = name })
    target = node(p, "Index", at, { object = target, key = key, dot = true })
    if method then break end
  end
  local fn = function_body(p, from, method)
  if target.tag == "Name" then
    target.assigned = true
    if target.var then
      table.remove(target.var.reads)
      table.insert(target.var.writes, target)
    end
  end
  return node(p, "FunctionStat", from, { target = target, fn = fn, method = method })
end

local function local_function(p, from)
  local at = p.lex.from
  p.lex:next()
  local name = declared_name(p)
  local var = p.scope:declare(name.name, name, "function")
  local fn = function_body(p, at, false)
  var.value = fn
  return node(p, "LocalFunction", from, { name = name, fn = fn })
end

-- One name and its attribute, not yet declared: what it is given does not see it.
local function attributed_name(p)
  local name = declared_name(p)
  if accept(p, "<") then
    local attrib, at = name_here(p)
    if attrib ~= "const" and attrib ~= "close" then
      lexer.fail(at, ("unknown attribute '%s': there are const and close"):format(attrib))
    end
    expect(p, ">")
    name.attrib = attrib
  end
  return name
end

local function local_statement(p)
  local from = p.lex.from
  p.lex:next()
  if p.lex.kind == "function" then return local_function(p, from) end
  local names = { attributed_name(p) }
  while accept(p, ",") do names[#names + 1] = attributed_name(p) end
  local exprs = accept(p, "=") and expression_list(p) or {}
  for i, name in ipairs(names) do
    local var = p.scope:declare(name.name, name, "local", name.attrib)
    var.value, var.given = exprs[i], #exprs > 0
    if i > #exprs and #exprs > 0 then var.rest_of, var.nth = exprs[#exprs], i - #exprs + 1 end
  end
  return node(p, "Local", from, { names = names, exprs = exprs })
end

local ASSIGNABLE = { Name = true, Index = true }

local function mark_assigned(p, target)
  if not ASSIGNABLE[target.tag] then lexer.fail(p.lex.from, ("syntax error near '%s'"):format(p.lex:near())) end
  target.assigned = true
  local var = target.tag == "Name" and target.var
  if not var then return end
  for i = #var.reads, 1, -1 do
    if var.reads[i] == target then
      table.remove(var.reads, i)
      break
    end
  end
  table.insert(var.writes, target)
end

local function expression_statement(p)
  local from = p.lex.from
  local e = suffixed(p)
  if p.lex.kind ~= "=" and p.lex.kind ~= "," then
    if e.tag ~= "Call" and e.tag ~= "Invoke" then
      lexer.fail(p.lex.from, ("syntax error near '%s'"):format(p.lex:near()))
    end
    return node(p, "Expr", from, { call = e })
  end
  local targets = { e }
  mark_assigned(p, e)
  while accept(p, ",") do
    local target = suffixed(p)
    mark_assigned(p, target)
    targets[#targets + 1] = target
  end
  expect(p, "=")
  return node(p, "Assign", from, { targets = targets, exprs = expression_list(p) })
end

local BLOCK_ENDS = { ["end"] = true, ["else"] = true, ["elseif"] = true, ["until"] = true, eof = true }

local function return_statement(p)
  local from = p.lex.from
  p.lex:next()
  local exprs = {}
  if not BLOCK_ENDS[p.lex.kind] and p.lex.kind ~= ";" then exprs = expression_list(p) end
  local n = node(p, "Return", from, { exprs = exprs })
  accept(p, ";")
  return n
end

local STATEMENTS = {
  ["if"] = if_statement, ["while"] = while_statement, ["repeat"] = repeat_statement, ["for"] = for_statement,
  ["function"] = function_statement, ["local"] = local_statement, ["return"] = return_statement,
  ["do"] = function(p)
    local from = p.lex.from
    p.lex:next()
    local body = inner_block(p)
    expect_close(p, "end", "do", from)
    return node(p, "Do", from, { body = body })
  end,
  ["break"] = function(p)
    local from = p.lex.from
    p.lex:next()
    return node(p, "Break", from, {})
  end,
  ["goto"] = function(p)
    local from = p.lex.from
    p.lex:next()
    return node(p, "Goto", from, { label = (name_here(p)) })
  end,
  ["::"] = function(p)
    local from = p.lex.from
    p.lex:next()
    local label = name_here(p)
    expect(p, "::")
    return node(p, "Label", from, { label = label })
  end,
}

function block(p)
  local body = {}
  while not BLOCK_ENDS[p.lex.kind] do
    if not accept(p, ";") then
      deeper(p)
      local s = (STATEMENTS[p.lex.kind] or expression_statement)(p)
      shallower(p)
      body[#body + 1] = s
      if s.tag == "Return" then break end
    end
  end
  return body
end

-- All of it ---------------------------------------------------------------------------------------------

local function chunk(source)
  local p = { lex = lexer.new(source), scope = scope.new(), all = {}, depth = 0 }
  local tree = { tag = "Function", chunk = true, params = {}, vararg = true, from = 1, to = #source,
                 source = source, starts = p.lex.starts, all = p.all }
  p.scope:enter(tree)
  p.lex:next()
  tree.body = block(p)
  if p.lex.kind ~= "eof" then wanted(p, "'<eof>'") end
  p.scope:leave()
  return tree
end

---Reads a source.
---@param source string
---@return table? tree
---@return table? problem  { line, column, message }, when it is no Lua
function parser.parse(source)
  local ok, tree = pcall(chunk, source)
  if ok then return tree end
  if type(tree) ~= "table" then error(tree, 0) end
  local line, column = lexer.place(lexer.new(source).starts, tree.at)
  return nil, { line = line, column = column, message = tree.message }
end

---The line and column of a node, or of an offset.
function parser.place(tree, at) return lexer.place(tree.starts, type(at) == "table" and at.from or at) end

-- What a node of each tag holds, in the order of its text.
local CHILDREN = {
  Paren = { "inner" }, Unop = { "operand" }, Binop = { "left", "right" }, Index = { "object", "key" },
  Call = { "fn", "args" }, Invoke = { "object", "args" }, Table = { "items" }, Item = { "key", "value" },
  Function = { "body" }, Local = { "exprs" }, LocalFunction = { "fn" }, FunctionStat = { "target", "fn" },
  Assign = { "targets", "exprs" }, Expr = { "call" }, Do = { "body" }, While = { "cond", "body" },
  Repeat = { "body", "cond" }, If = { "clauses", "orelse" }, Fornum = { "start", "limit", "step", "body" },
  Forin = { "exprs", "body" }, Return = { "exprs" },
}
local CLAUSE = { "cond", "body" }

---Visits a node (or a list of them) and all below it, in the order of their text; `visit` answers false to
---pass by what is below a node.  Iterative, for trees may be deep.
---@param root table
---@param visit fun(node: table): boolean?
function parser.walk(root, visit)
  local stack, n = { root }, 1
  while n > 0 do
    local at = stack[n]
    stack[n], n = nil, n - 1
    local names
    if at.tag == nil then
      if at.cond then names = CLAUSE
      else for i = #at, 1, -1 do n = n + 1; stack[n] = at[i] end
      end
    elseif visit(at) ~= false then
      names = CHILDREN[at.tag]
    end
    for i = names and #names or 0, 1, -1 do
      local child = at[names[i]]
      if child then n = n + 1; stack[n] = child end
    end
  end
end

return parser
