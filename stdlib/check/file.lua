-- file.lua: what one source says of itself, gathered once for all rules: its tree, the operations that it
-- calls or names, the playbook that it declares, what it exports as a module, and the lines where a rule is
-- allowed.

local meaning = require "check.meaning"
local parser = require "check.parser"

local file = {}

-- Words that call what they are given: the operation is their first argument, its table the second.
local CALLERS = { try = true, pcall = true, each = true }

---@class check.Call
---@field full string      "okta.users"
---@field of string        "okta"
---@field name string      "users"
---@field node table       the call
---@field at table         where the operation is named
---@field args table?      what it is given; nil: nothing
---@field via string?      "try" "pcall" "each"

local function operation_call(m, node, args, via)
  local full = m.of .. "." .. m.name
  return { full = full, of = m.of, name = m.name, node = node, at = m.at, args = args, via = via }
end

-- All calls of operations.
local function calls_of(tree, known)
  local out = {}
  for _, c in ipairs(tree.all.Call or {}) do
    local m = meaning.of(c.fn, known)
    if m and m.kind == "operation" then
      out[#out + 1] = operation_call(m, c, c.args[1])
    elseif m and m.kind == "global" and CALLERS[m.name] and c.args[1] then
      local given = meaning.of(c.args[1], known)
      if given and given.kind == "operation" then
        out[#out + 1] = operation_call(given, c, c.args[2], m.name)
      end
    end
  end
  return out
end

-- All places where an operation is named, called there or not.
local function mentions_of(tree, known)
  local out = {}
  for _, n in ipairs(tree.all.Index or {}) do
    local m = meaning.of(n, known)
    if m and m.kind == "operation" then
      out[#out + 1] = { full = m.of .. "." .. m.name, of = m.of, name = m.name, node = n, at = m.at }
    end
  end
  return out
end

-- What the chunk returns, if it returns one expression at its end.
local function returned(tree)
  local last = tree.body[#tree.body]
  return last and last.tag == "Return" and #last.exprs == 1 and last.exprs[1] or nil
end

-- The table that a declaring word gets: playbook { … }, connector { … }.
local function declared(e, known, word)
  if not e then return nil end
  e = meaning.settled(e)
  if e.tag ~= "Call" or meaning.word(e, known) ~= word then return nil end
  local arg = e.args[1] and meaning.settled(e.args[1])
  return arg and arg.tag == "Table" and arg or nil, e
end

-- What a module exports: its names, with what they are given, and whether there may be more.
local function exports_of(tree)
  local e = returned(tree)
  if not e then return nil end
  local names, settled = {}, meaning.settled(e)
  if settled.tag ~= "Table" then return nil end
  local open = meaning.open(settled)
  for _, item in ipairs(settled.items) do
    if item.key and item.key.tag == "String" then names[item.key.value] = item.value end
  end
  if e.tag ~= "Name" then return { names = names, open = open } end
  local of_index = {}
  for _, n in ipairs(tree.all.Index or {}) do
    if n.object.tag == "Name" and n.object.var == e.var then
      of_index[n.object] = true
      if n.assigned and n.key.tag == "String" then names[n.key.value] = names[n.key.value] or true
      elseif n.assigned then open = true
      end
    end
  end
  for _, s in ipairs(tree.all.FunctionStat or {}) do
    local t = s.target
    if t.tag == "Index" and t.object.tag == "Name" and t.object.var == e.var then
      of_index[t.object] = true
      names[t.key.value] = s.fn
    end
  end
  for _, n in ipairs(e.var.reads) do
    if not of_index[n] and n ~= e then open = true end         -- handed to somebody: who knows what it gets
  end
  return { names = names, open = open or #e.var.writes > 0, var = e.var }
end

-- "-- check: allow RULE, RULE": on its own line it speaks of the next, else of its own.
local function allowed_of(source)
  local allowed, line = {}, 0
  if not source:find("check: allow", 1, true) then return allowed end
  for text in (source .. "\n"):gmatch "([^\n]*)\n" do
    line = line + 1
    local before, rules = text:match "^(.-)%-%-%s*check: allow ([%w%-, ]+)"
    if rules then
      local at = before:find "%S" and line or line + 1
      allowed[at] = allowed[at] or {}
      for rule in rules:gmatch "[%w%-]+" do allowed[at][rule] = true end
    end
  end
  return allowed
end

-- Where it runs, which decides what names there are.
local function room_of(module, tree, known)
  if tree.source:sub(1, 400):find "^%-%-%-@meta" or tree.source:sub(1, 400):find "\n%-%-%-@meta" then
    return "meta"                                           -- for editors: never run
  end
  if module:find "_test$" then return "test" end
  local e = returned(tree)
  if declared(e, known, "connector") then return "connector" end
  if module:find "^sim%." or declared(e, known, "sim") then return "sim" end
  local of_the_host = module:find "^check%." or module == "report" or module == "site" or module:find "%.site$"
  if of_the_host then return "host" end
  return "playbook"
end

---Reads a source.
---@param given { path: string, module: string, source: string, report: boolean }
---@param known table
function file.new(given, known)
  local f = { path = given.path, module = given.module, report = given.report, source = given.source }
  f.tree, f.problem = parser.parse(given.source)
  if not f.tree then return f end
  local ok, why = load((given.source:gsub("^#[^\r\n]*", "")), "=", "t")
  if not ok then
    local line, text = why:match "^:?(%d+): (.*)$"
    f.problem = { line = tonumber(line) or 1, column = 1, message = text or why }
    f.tree = nil
    return f
  end
  f.room = room_of(f.module, f.tree, known)
  f.calls = calls_of(f.tree, known)
  f.mentions = mentions_of(f.tree, known)
  f.playbook, f.playbook_call = declared(returned(f.tree), known, "playbook")
  f.connector = declared(returned(f.tree), known, "connector")
  f.exports = not f.playbook and exports_of(f.tree) or nil
  f.allowed = allowed_of(f.source)
  return f
end

---The texts of a list of texts that stands in a declaration; nil when it is none, or not there.
---@return table[]? items  String nodes
function file.texts(tbl, name)
  local item = meaning.member(tbl, name)
  local list = item and meaning.settled(item.value)
  if not list or list.tag ~= "Table" then return nil end
  local out = {}
  for _, i in ipairs(list.items) do
    if i.key or i.value.tag ~= "String" then return nil end
    out[#out + 1] = i.value
  end
  return out
end

return file
