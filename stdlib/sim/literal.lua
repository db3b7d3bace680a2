-- literal.lua: values as Lua's source, sorted, so that a written test is the same text again.

local json = require "json"

local LONG = 90

local function is_name(k) return type(k) == "string" and k:find "^[%a_][%w_]*$" and load("local " .. k) ~= nil end

local function sorted_keys(t)
  local keys = {}
  for k in pairs(t) do keys[#keys + 1] = k end
  table.sort(keys, function(a, b)
    if type(a) == type(b) then return a < b end
    return type(a) == "number"
  end)
  return keys
end

-- Text that Lua reads back as the same bytes, on one line.
local function quoted(s)
  return '"' .. s:gsub('[%c"\\\127]', function(c)
    local short = { ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t", ['"'] = '\\"', ["\\"] = "\\\\" }
    return short[c] or ("\\x%02x"):format(c:byte())
  end) .. '"'
end

-- A float stays one.
local function number(v)
  if math.type(v) == "integer" then return tostring(v) end
  if v ~= v then return "0/0" end
  if v == math.huge or v == -math.huge then return v > 0 and "math.huge" or "-math.huge" end
  local text = ("%.17g"):format(v)
  return text:find "[.eE]" and text or text .. ".0"
end

local literal

local function items(t, inner)
  local out = {}
  for _, k in ipairs(sorted_keys(t)) do
    local value = literal(t[k], inner)
    if math.type(k) == "integer" and k <= #t then out[#out + 1] = value
    elseif is_name(k) then out[#out + 1] = k .. " = " .. value
    else out[#out + 1] = "[" .. literal(k, inner) .. "] = " .. value end
  end
  return out
end

---A value as Lua's source; `indent`: of the line that it stands on.
function literal(v, indent)
  if type(v) == "string" then return quoted(v) end
  if type(v) == "number" then return number(v) end
  if v == json.null then return 'require "json".null' end
  if type(v) ~= "table" then return tostring(v) end
  local list = items(v, indent .. "  ")
  if #list == 0 then return json.encode(v) == "[]" and 'require "json".array {}' or "{}" end
  local short = "{ " .. table.concat(list, ", ") .. " }"
  if #short <= LONG and not short:find "\n" then return short end
  return "{\n" .. indent .. "  " .. table.concat(list, ",\n" .. indent .. "  ") .. ",\n" .. indent .. "}"
end

---@param v any            plain data
---@param indent? string   of the line that it stands on
---@return string
return function(v, indent) return literal(v, indent or "") end
