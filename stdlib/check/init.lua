-- init.lua: examines scripts.  It is given what there is (the words of a playbook, libraries, connectors
-- with their operations: told by the program itself, so that no list here can grow old) and sources; it
-- gives findings. Every rule is certain of what it says, or says "warning".  docs/check.md has them all.

local file = require "check.file"
local parser = require "check.parser"

local check = {}

local RULES = {}
for i, name in ipairs { "names", "operations", "playbook", "durations", "steps", "flow", "habits", "absent" } do
  RULES[i] = require("check.rules." .. name)
end

---Rules by name: "error" or "warning".
check.rules = { syntax = "error", connector = "error" }
for _, part in ipairs(RULES) do
  for name, severity in pairs(part.rules) do check.rules[name] = severity end
end

---@class check.Known
---@field globals table<string, true|string[]>  words and libraries of a playbook; a library's members
---@field absent? table<string, string>         names of Lua that are not there, and why
---@field modules table<string, true|string[]>  libraries of the core
---@field connectors table<string, { operations?: table<string, check.Operation>, error?: string }>

---@class check.Operation
---@field class string      "read" "write", or "flow"
---@field uses? string[]    of a flow: the full names of its operations
---@field move? string      "note" "confine" "free": of a write, the gravest that it may be
---@field list boolean
---@field select? string[]
---@field params { name: string, type: string }[]

---@class check.Source
---@field path string
---@field module string
---@field source string
---@field report boolean    whether its findings are wanted, or it is only what others are made of

---@class check.Finding
---@field file string
---@field line integer
---@field column integer
---@field severity string   "error" "warning"
---@field message string
---@field rule string

-- A file's findings go through this: once a place and rule, and not where the author allows it.
local function reporter(f, out)
  local seen = {}
  return function(rule, node, message)
    local line, column = parser.place(f.tree, node)
    local allowed = f.allowed and f.allowed[line]
    local key = ("%d:%d:%s:%s"):format(line, column, rule, message)
    if seen[key] or (allowed and allowed[rule]) then return end
    seen[key] = true
    out[#out + 1] = { file = f.path, line = line, column = column, severity = check.rules[rule],
                      message = message, rule = rule }
  end
end

local function problem(f, out)
  out[#out + 1] = { file = f.path, line = f.problem.line, column = f.problem.column, severity = "error",
                    message = f.problem.message, rule = "syntax" }
end

-- A connector that the core could not read says so itself.
local function broken_connectors(known, files, out)
  for name, c in pairs(known.connectors) do
    for _, f in ipairs(files) do
      if c.error and f.module == "connectors." .. name and f.report and not f.problem then
        out[#out + 1] = { file = f.path, line = 1, column = 1, severity = "error", message = c.error,
                          rule = "connector" }
      end
    end
  end
end

local function by_place(a, b)
  if a.file ~= b.file then return a.file < b.file end
  if a.line ~= b.line then return a.line < b.line end
  if a.column ~= b.column then return a.column < b.column end
  if a.rule ~= b.rule then return a.rule < b.rule end
  return a.message < b.message
end

-- Data that is there in the product, and may be missing in a test.
local function optional(name)
  local ok, module = pcall(require, name)
  return ok and module or nil
end

local GRAVITY = { note = 1, free = 2, confine = 3 }

-- What an operation does to somebody: "note", "free" or "confine"; a flow, the gravest of what it uses.
-- Nil: it writes nothing, or is not known.
local function move_of(known, op)
  if not op then return nil end
  if op.class == "write" then return op.move end
  local gravest
  for _, full in ipairs(op.class == "flow" and op.uses or {}) do
    local connector, name = full:match "^([^.]+)%.(.+)$"
    local c = known.connectors[connector]
    local inner = c and c.operations and c.operations[name]
    local move = inner and inner.class == "write" and inner.move
    if move and (not gravest or GRAVITY[move] > GRAVITY[gravest]) then gravest = move end
  end
  return gravest
end

local function world_of(known, sources)
  local world = { known = known, files = {}, by_module = {} }
  world.d3fend, world.attack = optional "d3fend", optional "attack"
  for i, given in ipairs(sources) do
    local f = file.new(given, known)
    world.files[i] = f
    if f.room ~= "test" and not world.by_module[f.module] then world.by_module[f.module] = f end
  end
  function world.op(call)
    local c = known.connectors[call.of]
    return c and c.operations and c.operations[call.name]
  end
  function world.move(call) return move_of(known, world.op(call)) end
  return world
end

---Examines sources.
---@param known check.Known
---@param sources check.Source[]
---@return check.Finding[] in the order of files and lines
function check.run(known, sources)
  local world, out = world_of(known, sources), {}
  for _, f in ipairs(world.files) do
    if f.report and f.problem then
      problem(f, out)
    elseif f.report then
      local report = reporter(f, out)
      for _, part in ipairs(RULES) do part.check(f, world, report) end
    end
  end
  broken_connectors(known, world.files, out)
  table.sort(out, by_place)
  return out
end

return check
