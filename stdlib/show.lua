-- show.lua: what came of a line at a prompt, as text: values as Lua spells them, on one line where they fit;
-- a list of records as a table of its main columns; errors with the lines of the scripts they came through.
-- It is given sketches (engine/sketch.c), so everything here is bounded, and ends.

local show = {}

local MARK = "\0"                                           -- the member that says that an object is no plain one
local ESCAPES = { ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t", ["\\"] = "\\\\", ['"'] = '\\"' }
local NAMES = { "name", "id", "login", "email", "hostname", "title", "host", "path", "status", "state", "type",
                "severity", "verdict", "ok" }
local MAIN = {}
for i, name in ipairs(NAMES) do MAIN[name] = i end

-- Text ----------------------------------------------------------------------------------------------------

local function escape(c) return ESCAPES[c] or ("\\x%02x"):format(c:byte()) end

-- Printable whatever it holds: control characters and what is no UTF-8 are spelt.
local function escaped(s)
  local out, at = {}, 1
  while at <= #s do
    local good, bad = utf8.len(s, at)
    local to = good and #s or bad - 1
    out[#out + 1] = s:sub(at, to):gsub('[%c"\\]', escape):gsub("\xc2[\x80-\x9f]", function(c)
      return ("\\u{%x}"):format(utf8.codepoint(c))
    end)
    if not good then out[#out + 1] = ("\\x%02x"):format(s:byte(bad)) end
    at = to + (good and 1 or 2)
  end
  return table.concat(out)
end

local function quoted(s) return '"' .. escaped(s) .. '"' end

local function width(s) return utf8.len(s) or #s end

-- At most n characters wide.
local function cut(s, n)
  if width(s) <= n then return s end
  return n < 1 and "" or s:sub(1, utf8.offset(s, n) - 1) .. "…"
end

local function counted(n)
  local s = tostring(n):reverse():gsub("(%d%d%d)", "%1,"):reverse()
  return (s:gsub("^,", ""))
end

-- Values --------------------------------------------------------------------------------------------------

local scalar = {
  string = quoted,
  number = function(v)
    if v ~= v or v == math.huge or v == -math.huge then return tostring(v) end
    return math.type(v) == "float" and ("%.14g"):format(v):gsub("^(-?%d+)$", "%1.0") or tostring(v)
  end,
  boolean = tostring,
  ["nil"] = tostring,
  userdata = function() return "null" end,
}

local function is_name(k) return type(k) == "string" and k:find "^[%a_][%w_]*$" ~= nil end

local render

-- An object, a list, or a marked one, as { key?, value } each; and what was left out.
local function members(v)
  local what = v[MARK]
  if what == "list" then return v.items, true, v.more end
  if what == "table" then return v.pairs, false, v.more end
  if #v > 0 then return v, true end
  local keys, out = {}, {}
  for k in pairs(v) do keys[#keys + 1] = k end
  table.sort(keys)
  for i, k in ipairs(keys) do out[i] = { k, v[k] } end
  return out, false
end

local function key(k) return is_name(k) and k or "[" .. render(k, 0, 60) .. "]" end

local function parts_of(v, indent, columns)
  local list, plain, more = members(v)
  local parts = {}
  for i, m in ipairs(list) do
    if plain then parts[i] = render(m, indent + 2, columns)
    else
      local k = key(m[1])
      parts[i] = k .. " = " .. render(m[2], indent + 2, columns - width(k) - 3)
    end
  end
  if more and more > 0 then parts[#parts + 1] = ("… %s more"):format(counted(more)) end
  return parts
end

local function marked(v)
  if v[MARK] == "note" then return v.text end
  if v[MARK] == "text" then return quoted(v.text) .. ("… (%s bytes)"):format(counted(v.bytes)) end
end

-- columns: how many there are where it begins, its indentation not counted.
function render(v, indent, columns)
  if type(v) ~= "table" then return scalar[type(v)](v) end
  local text = marked(v)
  if text then return text end
  local parts = parts_of(v, indent, columns - 2)
  if #parts == 0 then return "{}" end
  local line = "{ " .. table.concat(parts, ", ") .. " }"
  if width(line) <= columns and not line:find "\n" then return line end
  local pad = (" "):rep(indent + 2)
  return "{\n" .. pad .. table.concat(parts, ",\n" .. pad) .. "\n" .. (" "):rep(indent) .. "}"
end

-- Lists of records ----------------------------------------------------------------------------------------

local function is_record(v)
  return type(v) == "table" and v[MARK] == nil and #v == 0 and next(v) ~= nil
end

local function records(v)
  if type(v) ~= "table" then return nil end
  local list, plain, more = members(v)
  if not plain or #list < 2 then return nil end
  for _, r in ipairs(list) do
    if not is_record(r) then return nil end
  end
  return list, more
end

local function cell(v)
  if type(v) == "string" then return escaped(v):gsub('\\"', '"') end
  if v == nil then return "" end
  return (render(v, 0, math.huge):gsub("%s+", " "))
end

-- Those that most records have, and that are short, first the ones by which people know things.
local function columns_of(list)
  local count, names = {}, {}
  for _, r in ipairs(list) do
    for k, v in pairs(r) do
      if not count[k] then names[#names + 1] = k end
      count[k] = (count[k] or 0) + (type(v) ~= "table" and 1 or 0)
    end
  end
  table.sort(names, function(a, b)
    local x, y = MAIN[a] or 99, MAIN[b] or 99
    if x ~= y then return x < y end
    if count[a] ~= count[b] then return count[a] > count[b] end
    return a < b
  end)
  return names, count
end

local WIDEST, GAP = 40, 2

local function layout(list, columns)
  local names, count = columns_of(list)
  local out, left = {}, columns
  for _, name in ipairs(names) do
    local w = width(escaped(name))
    for _, r in ipairs(list) do w = math.max(w, width(cell(r[name]))) end
    w = math.min(w, WIDEST)
    if #out == 0 then w = math.min(w, left) end
    if count[name] > 0 and w <= left then
      out[#out + 1] = { name = name, width = w }
      left = left - w - GAP
    end
  end
  return out, #names - #out
end

local function row(layed, text)
  local cells = {}
  for i, c in ipairs(layed) do
    local s = cut(text(c.name), c.width)
    cells[i] = s .. (" "):rep(c.width - width(s))
  end
  return (table.concat(cells, (" "):rep(GAP)):gsub("%s+$", ""))
end

local function as_table(list, more, columns)
  local layed, hidden = layout(list, columns)
  if #layed == 0 then return nil end
  local out = { row(layed, escaped) }
  for i, r in ipairs(list) do out[i + 1] = row(layed, function(name) return cell(r[name]) end) end
  local total = #list + (more or 0)
  local tail = ("%s records"):format(counted(total))
  if more and more > 0 then tail = tail .. (", %s of them shown"):format(counted(#list)) end
  if hidden > 0 then tail = tail .. (", %d more field%s: _[1] shows one"):format(hidden, hidden > 1 and "s" or "") end
  out[#out + 1] = "(" .. tail .. ")"
  return table.concat(out, "\n")
end

-- Errors --------------------------------------------------------------------------------------------------

local function is_ours(line) return line:find("[C]:", 1, true) or line:find("stack traceback", 1, true) end

local function trace_of(text)
  local out = {}
  for line in (text or ""):gmatch "[^\n]+" do
    if not is_ours(line) then out[#out + 1] = "  at " .. line:gsub("^%s+", "") end
  end
  return out
end

-- An author's own text has its place in front; a verb's error has it beside.
local function error_of(doc)
  local out = {}
  for line in doc.error:gmatch "[^\n]+" do out[#out + 1] = escaped(line):gsub('\\"', '"') end
  local first = out[1] or "an error without a message"
  if doc.code and doc.code ~= "failed" and doc.code ~= "syntax" then first = doc.code .. ": " .. first end
  out[1] = first
  local lines = trace_of(doc.trace)
  if #lines == 0 and doc.at then lines = { "  at " .. doc.at } end
  return table.concat(out, "\n") .. (#lines > 0 and "\n" .. table.concat(lines, "\n") or "")
end

-- What prompts ask ----------------------------------------------------------------------------------------

---One value; a list of records as a table.
---@param v any           its sketch
---@param columns integer
---@return string
function show.value(v, columns)
  local list, more = records(v)
  return list and as_table(list, more, columns) or render(v, 0, columns)
end

---What came of a line: its values, one below the other, or its error; "" when it had none.
---@param doc { shown?: any[], error?: string, trace?: string, at?: string, code?: string }
---@param columns integer
---@return string
function show.line(doc, columns)
  if doc.error then return error_of(doc) end
  local out = {}
  for i, v in ipairs(doc.shown or {}) do out[i] = show.value(v, columns) end
  return table.concat(out, "\n")
end

return show
