-- lexer.lua: Lua 5.4 source into tokens, one at a time, each with its place.  A token is its `kind`: a
-- keyword or an operator as it is written, or "name", "string", "number", "eof"; with `from` and `to`, the
-- offsets of its first and last byte, and `value`, what it stands for.  What cannot be read is raised as a
-- table { at, message }, which parser.lua turns into a place and hands back.

local lexer = {}

local KEYWORDS = {}
for word in ([[and break do else elseif end false for function goto if in local nil not or repeat return then
               true until while]]):gmatch "%a+" do KEYWORDS[word] = true end
lexer.keywords = KEYWORDS

-- Operators by their first byte, the longest first.
local OPERATORS = {}
for op in ("... .. . == = ~= ~ <= << < >= >> > // / :: : + - * % ^ # & | ( ) { } [ ] ; ,"):gmatch "%S+" do
  local first = op:byte()
  OPERATORS[first] = OPERATORS[first] or {}
  table.insert(OPERATORS[first], op)
end

local SIMPLE = { a = "\a", b = "\b", f = "\f", n = "\n", r = "\r", t = "\t", v = "\v",
                 ["\\"] = "\\", ['"'] = '"', ["'"] = "'" }

---Raises a syntax error at a byte.
function lexer.fail(at, message) error({ at = at, message = message }, 0) end
local fail = lexer.fail

-- Lines -------------------------------------------------------------------------------------------------

-- The offset of each line's first byte.  "\r\n" and "\n\r" are one line break, as Lua has it.
local function line_starts(source)
  local starts, n, at = { 1 }, 1, source:find "[\r\n]"
  while at do
    local two = source:sub(at, at + 1)
    at = at + ((two == "\r\n" or two == "\n\r") and 2 or 1)
    n = n + 1
    starts[n] = at
    at = source:find("[\r\n]", at)
  end
  return starts
end

---The line and column (in bytes, from 1) of an offset.
function lexer.place(starts, at)
  local low, high = 1, #starts
  while low < high do
    local mid = (low + high + 1) // 2
    if starts[mid] <= at then low = mid else high = mid - 1 end
  end
  return low, at - starts[low] + 1
end

-- Texts -------------------------------------------------------------------------------------------------

-- A UTF-8 sequence as Lua's "\u{…}" makes it: up to 2^31, surrogates too.
local function utf8_of(code, at)
  if code >= 0x80000000 then fail(at, "the UTF-8 value is too large") end
  return utf8.char(code)
end

local function unicode_escape(s, at)
  local digits, to = s:match("^u{(%x+)}()", at)
  if not digits then fail(at - 1, "an escape such as \\u{20AC} is wanted") end
  local short = digits:gsub("^0+", "")
  if #short > 8 then fail(at, "the UTF-8 value is too large") end
  return utf8_of(tonumber(short ~= "" and short or "0", 16), at), to
end

local function decimal_escape(s, at)
  local digits = s:match("^%d%d?%d?", at)
  local code = tonumber(digits)
  if code > 255 then fail(at - 1, "decimal escape too large: \\" .. digits) end
  return string.char(code), at + #digits
end

-- The escape whose letter is at `at`: its bytes, and where it goes on.
local function escape(s, at)
  local c = s:sub(at, at)
  if SIMPLE[c] then return SIMPLE[c], at + 1 end
  if c == "x" then
    local digits = s:match("^x(%x%x)", at)
    if not digits then fail(at - 1, "two hexadecimal digits are wanted after \\x") end
    return string.char(tonumber(digits, 16)), at + 3
  end
  if c == "z" then return "", s:find("[^ \t\r\n\v\f]", at + 1) or #s + 1 end
  if c == "u" then return unicode_escape(s, at) end
  if c:find "%d" then return decimal_escape(s, at) end
  if c == "\n" or c == "\r" then
    local two = s:sub(at, at + 1)
    return "\n", at + ((two == "\r\n" or two == "\n\r") and 2 or 1)
  end
  fail(at - 1, c == "" and "unfinished string" or ("invalid escape sequence '\\%s'"):format(c))
end

-- The text that opens with the quote at `from`.
local function quoted(s, from)
  local quote = s:sub(from, from)
  local parts, n, at = {}, 0, from + 1
  local stop = quote == '"' and '["\\\r\n]' or "['\\\r\n]"
  while true do
    local to = s:find(stop, at)
    local c = to and s:sub(to, to)
    if c == nil or c == "\n" or c == "\r" then fail(from, "unfinished string") end
    n = n + 1
    parts[n] = s:sub(at, to - 1)
    if c == quote then return table.concat(parts), to end
    n = n + 1
    parts[n], at = escape(s, to + 1)
  end
end

-- The long bracket that opens at `from`: its text and the offset of its last byte; nil when none opens there.
local function long_bracket(s, from, what)
  local level = s:match("^%[(=*)%[", from)
  if not level then return nil end
  local first = from + #level + 2
  local close, to = s:find("]" .. level .. "]", first, true)
  if not close then fail(from, "unfinished long " .. what) end
  local text = s:sub(first, close - 1)
  if text:find("\r", 1, true) then text = text:gsub("\r\n", "\n"):gsub("\n\r", "\n"):gsub("\r", "\n") end
  return (text:gsub("^\n", "", 1)), to
end

-- Tokens ------------------------------------------------------------------------------------------------

-- The first byte at or after `at` that is neither space nor within a comment.
local function skip(s, at)
  while true do
    at = s:find("[^ \t\r\n\v\f]", at) or #s + 1
    if s:sub(at, at + 1) ~= "--" then return at end
    local _, to = long_bracket(s, at + 2, "comment")
    at = to and to + 1 or s:find("[\r\n]", at) or #s + 1
  end
end

-- Takes whatever looks like a number, as Lua does, and then asks whether it is one.
local function number(s, from)
  local hex = s:find("^0[xX]", from)
  local at, exponent = from + (hex and 2 or 0), hex and "^[pP][+-]?" or "^[eE][+-]?"
  while true do
    local _, to = s:find(exponent, at)
    if not to then _, to = s:find("^[%x.]", at) end
    if not to then break end
    at = to + 1
  end
  at = s:match("^[%w_]*()", at)
  local text = s:sub(from, at - 1)
  local value = tonumber(text)
  if not value then fail(from, ("malformed number near '%s'"):format(text)) end
  return value, at - 1
end

local function operator(s, from)
  for _, op in ipairs(OPERATORS[s:byte(from)] or {}) do
    if s:sub(from, from + #op - 1) == op then return op end
  end
  local marked = from == 1 and s:sub(1, 3) == "\u{FEFF}"
  if marked then fail(1, "the file begins with a byte order mark: remove it") end
  local c = s:sub(from, from)
  fail(from, ("unexpected symbol near '%s'"):format(c:find "[%g]" and c or ("<\\%d>"):format(c:byte())))
end

-- Reads the token at `from` into the lexer.
local function read(self, s, from)
  local c = s:sub(from, from)
  if c:find "[%a_]" then
    local word = s:match("^[%w_]+", from)
    return KEYWORDS[word] and word or "name", word, from + #word - 1
  elseif c:find "%d" or (c == "." and s:find("^%d", from + 1)) then
    return "number", number(s, from)
  elseif c == '"' or c == "'" then
    return "string", quoted(s, from)
  elseif c == "[" and s:find("^=*%[", from + 1) then
    return "string", long_bracket(s, from, "string")
  elseif c == "[" and s:find("^=", from + 1) then
    fail(from, "invalid long string delimiter")
  end
  self.value = nil
  local op = operator(s, from)
  return op, nil, from + #op - 1
end

local Lexer = {}
Lexer.__index = Lexer

---Makes a lexer, with nothing read yet.  A first line that begins with # is no Lua, and passed by.
---@param source string
function lexer.new(source)
  local before = source:match "^#[^\r\n]*()" or 1
  return setmetatable({ source = source, starts = line_starts(source), kind = nil, value = nil, from = before,
                        to = before - 1, last = 0 }, Lexer)
end

---Goes on to the next token: `kind`, `value`, `from`, `to`; `last` is where the one before ended.
function Lexer:next()
  local s = self.source
  self.last = self.to
  local from = skip(s, self.to + 1)
  self.from = from
  if from > #s then
    self.kind, self.value, self.to = "eof", nil, #s
    self.from = #s + 1
    return
  end
  self.kind, self.value, self.to = read(self, s, from)
end

---The kind of the token after this one; nothing moves.
function Lexer:peek()
  local kind, value, from, to, last = self.kind, self.value, self.from, self.to, self.last
  self:next()
  local ahead = self.kind
  self.kind, self.value, self.from, self.to, self.last = kind, value, from, to, last
  return ahead
end

---How the token reads in an error: 'end', or '<eof>'.
function Lexer:near()
  if self.kind == "eof" then return "<eof>" end
  local text = self.source:sub(self.from, math.min(self.to, self.from + 39))
  return (text:gsub("[\r\n].*", "…"))
end

return lexer
