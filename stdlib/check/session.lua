-- session.lua: what is typed at a prompt, as it is compiled.  An expression is returned, so that it is shown;
-- what a line makes local at its outermost level belongs to the session, and is there in the next line.

local parser = require "check.parser"

local session = {}

local function blank(source, from, to)
  return source:sub(1, from - 1) .. (" "):rep(to - from + 1) .. source:sub(to + 1)
end

-- `local a <const>, b` becomes `a, b = nil`: same lines, same columns.
local function open_local(source, n)
  for i = #n.names, 1, -1 do
    local name = n.names[i]
    if name.attrib then
      local from, to = source:find("^%s*<%s*%w+%s*>", name.to + 1)
      if from then source = blank(source, from, to) end
    end
  end
  if #n.exprs == 0 then source = source:sub(1, n.to) .. " = nil" .. source:sub(n.to + 1) end
  return blank(source, n.from, n.from + #"local" - 1)
end

-- A variable that is closed at the end of its block is the line's own.
local function closes(n)
  for _, name in ipairs(n.names) do
    if name.attrib == "close" then return true end
  end
end

local function open_locals(source)
  local tree = parser.parse(source)
  for i = tree and #tree.body or 0, 1, -1 do
    local n = tree.body[i]
    if n.tag == "LocalFunction" then source = blank(source, n.from, n.from + #"local" - 1)
    elseif n.tag == "Local" and not closes(n) then source = open_local(source, n)
    end
  end
  return source
end

---A line's source as a session compiles it; the chunk's first argument answers what it is given.
---@param text string
---@param name string   of the chunk, for messages: "=line 3"
---@return string? source
---@return string? problem   Lua's own words
function session.source(text, name)
  local comment = text:find("--", 1, true) and "\n" or ""  -- it would hide what comes after it
  if load("return " .. text, name, "t") then return "return (...)(" .. text .. comment .. ")" end
  local chunk, problem = load(text, name, "t")
  if not chunk then return nil, problem end
  return open_locals(text)
end

---May what was typed go on with another line?
---@param text string
---@return boolean
function session.incomplete(text)
  local as_value, why = load("return " .. text, "=line", "t")
  local chunk, problem = load(text, "=line", "t")
  return not as_value and not chunk and (why:find "<eof>$" or problem:find "<eof>$") ~= nil
end

return session
