-- meta.lua: definitions for editors (LuaLS): the words and libraries as they are annotated, and of each
-- connector a class of arguments for every operation, and one of what it answers with.

local meta = {}

local HEAD = "-- Written by docs/reference.lua (make reference): for editors; no run loads it.\n"

---A file of modules/*.meta.lua, as it is.
function meta.copy(source) return HEAD .. source end

---The annotated functions of a library in Lua.
---@param options { module: string, text: string }
function meta.library(items, options)
  local name = options.module
  local out = { HEAD .. "---@meta " .. name, "", "---" .. options.text, "---@class " .. name,
                "local " .. name .. " = {}", "" }
  for _, x in ipairs(items) do
    if x.kind == "function" then
      for _, raw in ipairs(x.raw) do out[#out + 1] = raw end
      out[#out + 1] = ("function %s(%s) end\n"):format(x.name, x.args)
    end
  end
  out[#out + 1] = "return " .. name .. "\n"
  return table.concat(out, "\n")
end

local TYPES = { time = "moment", ip = "string", sha256 = "string", host = "string|table",
                device = "string|table", user = "string|table", alert = "table" }

-- "[sha256]" is string[]|string: one item stands for a list of one.
local function type_of(p)
  local kind = TYPES[p.type] or p.type
  if p.choices then
    local quoted = {}
    for i, word in ipairs(p.choices) do quoted[i] = ('"%s"'):format(word) end
    kind = table.concat(quoted, "|")
  end
  if not p.list then return kind end
  return kind:find("|", 1, true) and ("(%s)[]|%s"):format(kind, kind) or ("%s[]|%s"):format(kind, kind)
end

-- "add_to_group" → "AddToGroup"
local function camel(name)
  return (("_" .. name):gsub("_(%w)", string.upper))
end

local BESIDES = { read = "ReadArgs", write = "WriteArgs", flow = "FlowArgs" }

local function put_args(out, class, o)
  out[#out + 1] = ("---@class %sArgs: %s"):format(class, o.list and "ListArgs" or BESIDES[o.class])
  for _, p in ipairs(o.params) do
    out[#out + 1] = ("---@field %s%s %s%s"):format(p.name, p.optional and "?" or "", type_of(p),
                                                   p.default and "  default " .. p.default or "")
  end
  out[#out + 1] = ""
end

-- The class of what it answers with; returns the type of the answer.
local function put_answer(out, class, o, answer)
  if o.binary then return "blob" end
  if answer and answer.type then return answer.type end
  local list = (answer and answer.list) or o.list
  if not answer then return list and "table[]" or "table" end
  out[#out + 1] = "---@class " .. class
  for _, m in ipairs(answer) do
    out[#out + 1] = ("---@field %s%s %s"):format(m[1], m[3] and "?" or "", m[2])
  end
  out[#out + 1] = ""
  if o.one_by then return "Outcome[]" end
  return list and class .. "[]" or class
end

local function put_operation(out, c, o, answer)
  local class = c.name .. "." .. camel(o.name)
  put_args(out, class, o)
  local kind = put_answer(out, class, o, answer)
  out[#out + 1] = "---" .. (o.summary or "")
  out[#out + 1] = "---@async"
  out[#out + 1] = ("---@param args %sArgs"):format(class)
  out[#out + 1] = "---@return " .. kind
  out[#out + 1] = ("function %s.%s(args) end\n"):format(c.name, o.name)
end

---@param c table        of declarations.read
---@param answers table  of answers.lua
function meta.connector(c, answers)
  local out = { HEAD .. "---@meta connectors." .. c.name, "", "---@class connectors." .. c.name,
                "local " .. c.name .. " = {}", "" }
  for _, o in ipairs(c.operations) do put_operation(out, c, o, answers[c.name .. "." .. o.name]) end
  out[#out + 1] = "return " .. c.name .. "\n"
  return table.concat(out, "\n")
end

return meta
