-- lines.lua: the lines of a source that have code which can be reached, as Lua's compiler sees them: what the
-- coverage of tests is counted by.  Lua tells the lines of a function that is there, and not of those within;
-- so each function is compiled by itself, at its place (its upvalues are globals then, which changes no line).

local lexer = require "check.lexer"
local parser = require "check.parser"

local lines = {}

local function add_active(out, text, inner)
  local chunk = load(text, "=", "t", {})
  local fn = chunk
  if chunk and inner then fn = chunk() end
  if not fn then return end
  for line in pairs(debug.getinfo(fn, "L").activelines or {}) do out[line] = true end
end

-- What closes a block is reached, or not, with what stands in it.
local function closes(text)
  local word = text:match "^%s*(%a+)[%s,;)}%]]*$"
  return word == "end" or word == "else" or text:find "^%s*[)}%]][%s,;)}%]]*$" ~= nil
end

---@param source string
---@return integer[]  sorted; nothing of what does not compile
function lines.of(source)
  local tree = parser.parse(source)
  if not tree then return {} end
  local active, out = {}, {}
  add_active(active, (source:gsub("^#[^\r\n]*", "")))
  for _, fn in ipairs(tree.all.Function or {}) do
    local from = source:find("(", fn.from, true)
    local line = lexer.place(tree.starts, from)
    add_active(active, ("\n"):rep(line - 1) .. "return function" .. source:sub(from, fn.to), true)
  end
  local n = 0
  for text in (source .. "\n"):gmatch "([^\n]*)\n" do
    n = n + 1
    if active[n] and not closes(text) then out[#out + 1] = n end
  end
  return out
end

return lines
