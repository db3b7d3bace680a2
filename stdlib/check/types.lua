-- types.lua: the types of parameters and inputs, as texts ("string", "[host]", "boolean = false", "one of a
-- b"), and whether a value that stands in the source can be of one.  What cannot be told from the source is
-- left to the run; so every answer here is certain.

local types = {}

local KINDS = {}
for kind in ("string integer number boolean duration time ip sha256 host device user alert table blob secret")
            :gmatch "%S+" do KINDS[kind] = true end

---@class check.Type
---@field kind string      "string" …, or "choice"
---@field list boolean
---@field optional boolean by "?" or a default
---@field choices string[]?
---@field default string?

---Reads a type's text.
---@return check.Type? type
---@return string? why     it is none
function types.read(text)
  local left, default = text:match "^([^=]*)=(.*)$"
  local t = { list = false, optional = default ~= nil, default = default and default:match "^%s*(.-)%s*$" }
  left = (left or text):match "^%s*(.-)%s*$"
  if left:sub(-1) == "?" then t.optional, left = true, left:sub(1, -2):match "^%s*(.-)%s*$" end
  local inner = left:match "^%[%s*(.-)%s*%]$"
  if inner then t.list, left = true, inner end
  local words = left:match "^one of%s+(.+)$"
  if words then
    t.kind, t.choices = "choice", {}
    for word in words:gmatch "%S+" do table.insert(t.choices, word) end
    return t
  end
  if not KINDS[left] then return nil, ("there is no type \"%s\""):format(left) end
  t.kind = left
  return t
end

local FACTORS = { ms = true, s = true, m = true, h = true, d = true }

---Whether a text is a duration; if not, what would be.
---@return boolean ok
---@return string? why
function types.duration(text)
  local digits, unit = text:match "^(%d+)(%a+)$"
  if digits and FACTORS[unit] then return true end
  if text:gsub("%d+%s*[mshd]s?%s*", "") == "" and text:find "%d" then
    return false, ("\"%s\" is not a duration: write one number and one unit, such as \"90m\""):format(text)
  end
  return false, ('"%s" is not a duration: write a whole number and a unit, such as "5ms" "30s" "5m" "2h" "7d"')
                :format(text)
end

local function quoted(text) return #text > 40 and '"' .. text:sub(1, 37) .. '…"' or '"' .. text .. '"' end

-- Of a text: nil when it may be one, else what is wanted.
local TEXTS = {
  integer = function(s) return math.tointeger(tonumber(s)) == nil and "a whole number" end,
  number = function(s) return tonumber(s) == nil and "a number" end,
  boolean = function(s) return s ~= "true" and s ~= "false" and "true or false" end,
  time = function(s)
    return not s:find "^%d%d%d%d%-%d%d%-%d%d[Tt ]" and "a time: seconds since 1970, or RFC 3339"
  end,
  sha256 = function(s) return not (#s == 64 and s:find "^%x+$") and "a SHA-256 of 64 hexadecimal digits" end,
  ip = function(s)
    local four, six = s:find "^%d+%.%d+%.%d+%.%d+$", s:find ":" and s:find "^[%x:.]+$"
    return not (four or six) and "an IP address"
  end,
  table = function() return "a table" end,
  alert = function() return "an alert" end,
  blob = function() return "a blob" end,
}

local function wrong_text(t, s)
  if t.kind == "duration" then
    local ok, why = types.duration(s)
    return not ok and why or nil
  end
  if s == "" then return "an empty text means nothing" end
  if t.kind == "choice" then
    for _, word in ipairs(t.choices) do
      if word == s then return nil end
    end
    return ("one of \"%s\" is wanted, got %s"):format(table.concat(t.choices, " "), quoted(s))
  end
  local wanted = TEXTS[t.kind] and TEXTS[t.kind](s)
  return wanted and ("%s is wanted, got %s"):format(wanted, quoted(s)) or nil
end

-- A type in an error: "a duration", "one of low high".
local function called(t)
  if t.kind == "choice" then return "one of " .. table.concat(t.choices, " ") end
  return (t.kind:find "^[aeiou]" and t.kind ~= "user" and "an " or "a ") .. t.kind
end

local NUMBERS = { integer = true, number = true, duration = true, time = true }

local function wrong_number(t, n)
  if t.kind == "integer" and math.tointeger(n) == nil then
    return ("a whole number is wanted, got %s"):format(n)
  end
  if (t.kind == "duration" or t.kind == "time") and n < 0 then return ("%s is before now"):format(n) end
  if NUMBERS[t.kind] or (t.kind == "string" and math.type(n) == "integer") then return nil end
  return ("%s is wanted, got the number %s"):format(called(t), n)
end

local CONTAINERS = { table = true, host = true, device = true, user = true, alert = true, secret = true }

local function wrong_one(t, e)
  local negative = e.tag == "Unop" and e.op == "-" and e.operand.tag == "Number"
  if negative then return wrong_number(t, -e.operand.value) end
  if e.tag == "String" then return wrong_text(t, e.value) end
  if e.tag == "Number" then return wrong_number(t, e.value) end
  local what = (e.tag == "True" or e.tag == "False") and t.kind ~= "boolean" and "a boolean"
               or e.tag == "Function" and "a function"
               or e.tag == "Table" and not CONTAINERS[t.kind] and "a table"
  return what and ("%s is wanted, got %s"):format(called(t), what) or nil
end

---What is wrong with an expression as a value of a type, and which; nil when nothing is, or it cannot be
---told.
---@param t check.Type
---@param e table an expression
---@return string? why
---@return table? node
function types.wrong(t, e)
  while e.tag == "Paren" do e = e.inner end
  if not (t.list and e.tag == "Table") then
    local why = wrong_one(t, e)
    return why, why and e
  end
  if #e.items == 0 then return "an empty list means nothing", e end
  for _, item in ipairs(e.items) do
    if not item.key then
      local why = wrong_one(t, item.value)
      if why then return why, item.value end
    end
  end
  return nil
end

return types
