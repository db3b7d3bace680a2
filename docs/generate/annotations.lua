-- annotations.lua: reads the `---` comments of a Lua file: what editors complete by, and the reference is
-- made of.
--
-- A block is the comment lines that stand together; what follows it says what it is about: a function, a
-- value, or, where nothing follows, the classes and aliases within it.  Text before the first tag is the
-- description; text after a tag goes on with that tag.
--
--   annotations.read(text) → list, in order, of
--     { kind = "function", name, args, text, params, returns, example, raw (its lines) }
--     { kind = "value", name, text, type, example }          run = {}
--     { kind = "class", name, parent, text, fields }
--     { kind = "alias", name, type, text }
--     { kind = "section", name }                              -- Name ------…
--   each with `line`; params and fields: { name, optional, type, text }; returns: { type, name, text }

local annotations = {}

local OPENING, CLOSING = { ["("] = true, ["{"] = true, ["["] = true, ["<"] = true },
                         { [")"] = true, ["}"] = true, ["]"] = true, [">"] = true }

-- Where the type at the start of s ends: at a blank outside of all brackets, unless the type goes on after
-- it.
local function type_end(s)
  local depth, i = 0, 1
  while i <= #s do
    local c = s:sub(i, i)
    if c == '"' then i = s:find('"', i + 1, true) or #s
    elseif OPENING[c] then depth = depth + 1
    elseif CLOSING[c] then depth = depth - 1
    elseif c == " " and depth == 0 and not s:sub(1, i - 1):find "[:,|]$" then return i - 1
    end
    i = i + 1
  end
  return #s
end

local function take_type(s)
  local at = type_end(s)
  return s:sub(1, at), s:sub(at + 1)
end

local function trimmed(s) return (s:gsub("^%s+", ""):gsub("%s+$", "")) end

-- "group string  its id", "wait? duration  …", "... any", "[integer] Element  a child".
local function named(s)
  local name, rest = s:match "^(%[[^%]]*%]%??)%s+(.*)$"
  if not name then name, rest = s:match "^(%S+)%s*(.*)$" end
  local kind, text = take_type(rest)
  return { name = (name:gsub("%?$", "")), optional = name:find "%?$" ~= nil, type = kind,
           text = trimmed(text) }
end

-- "integer version  or raises …": a name is one word, one blank after the type, two before the text.
local function returned(s)
  local kind, rest = take_type(s)
  local name, text = rest:match "^ ([%a_.]+)%s%s+(.*)$"
  if not name then name, text = rest:match "^ ([%a_.]+)$", "" end
  return { type = kind, name = name, text = trimmed(name and text or rest) }
end

local function add_text(to, line) to.text = to.text == "" and line or to.text .. "\n" .. line end

local function added(list, x)
  list[#list + 1] = x
  return x
end

-- What a tag makes of the rest of its line: what the lines after it go on with.
local TAGS = {}

function TAGS.param(block, s) return added(block.params, named(s)) end
function TAGS.field(block, s)
  local class = block.classes[#block.classes] or block
  class.fields = class.fields or {}
  return added(class.fields, named(s))
end
function TAGS.class(block, s)
  local name, parent = s:match "^([%w_.]+)%s*:?%s*([%w_.]*)"
  if parent == "" then parent = nil end
  local class = { kind = "class", name = name, parent = parent, fields = {}, text = block.text }
  return added(block.classes, class)
end
function TAGS.alias(block, s)
  local name, kind = s:match "^(%S+)%s+(.*)$"
  return added(block.classes, { kind = "alias", name = name, type = kind, text = block.text })
end
TAGS["return"] = function(block, s) return added(block.returns, returned(s)) end
TAGS["type"] = function(block, s)
  block.type = s
  return block
end
function TAGS.async(block) return block end
TAGS.meta, TAGS.generic = TAGS.async, TAGS.async

local function new_block(line)
  return { line = line, text = "", params = {}, returns = {}, classes = {}, raw = {} }
end

local function take_line(block, line)
  table.insert(block.raw, line)
  local body = line:match "^%-%-%-(.*)$"
  local tag, rest = body:match "^@(%w+)%s*(.*)$"
  if body == "```lua" then block.fence = {} end
  if block.fence then
    if body == "```" then block.example, block.fence = table.concat(block.fence, "\n"), nil
    elseif body ~= "```lua" then table.insert(block.fence, body)
    end
  elseif tag and TAGS[tag] then
    block.last = TAGS[tag](block, rest)
  elseif not tag then
    add_text(block.last and block.last ~= block and block.last or block, trimmed(body))
  end
end

-- What the line after a block makes of it.
local function finish(block, line, out)
  local name, args = line:match "^function ([%w_.:]+)%(([^)]*)%)"
  local value = line:match "^([%w_]+) = "
  for _, c in ipairs(block.classes) do
    c.line = block.line
    table.insert(out, c)
  end
  if name or value then
    block.kind, block.name, block.args = name and "function" or "value", name or value, args
    table.insert(out, block)
  end
end

function annotations.read(source)
  local out, block, n = {}, nil, 0
  for line in (source .. "\n"):gmatch "([^\n]*)\n" do
    n = n + 1
    local section = line:match "^%-%- ([^-].-) %-%-%-%-+$"
    if line:find "^%-%-%-" and not line:find "^%-%-%-%-" then
      block = block or new_block(n)
      take_line(block, line)
    else
      if block then finish(block, line, out) end
      if not block and line:match "^function [%w_.:]+%(" then finish(new_block(n), line, out) end
      block = nil
      if section then table.insert(out, { kind = "section", name = section, line = n }) end
    end
  end
  return out
end

---The essay at the head of a file, without "name.lua: ": its first paragraph, as one line.
function annotations.essay(source)
  local out = {}
  for line in source:gmatch "([^\n]*)\n" do
    local text = line:match "^%-%- ?(.*)$"
    if not text or text == "" then break end
    table.insert(out, text)
  end
  return (table.concat(out, " "):gsub("^[%w_]+%.lua: ", ""):gsub("%s+", " "))
end

return annotations
