-- from_run.lua: a past run as the text of a test (runtime/debug/playtest_from.h has what it is made of).  The
-- steps come to what they came to then; what is expected is what the run wrote.

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
  if type(v) == "number" then return math.type(v) == "float" and ("%.17g"):format(v) or tostring(v) end
  if type(v) ~= "table" then return tostring(v) end
  local list = items(v, indent .. "  ")
  if #list == 0 then return "{}" end
  local short = "{ " .. table.concat(list, ", ") .. " }"
  if #short <= LONG and not short:find "\n" then return short end
  return "{\n" .. indent .. "  " .. table.concat(list, ",\n" .. indent .. "  ") .. ",\n" .. indent .. "}"
end

local function answer_of(a, by)
  local who = a.by ~= by and a.by ~= "" and not a.by:find "^%-%-" and a.by or "bob"
  local word = a.kind == "ask" and "answer" or a.yes and "approve" or "deny"
  local rule = { title = a.title, by = who }
  if word == "answer" then rule.answer = a.answer end
  return ("  sim:%s %s\n"):format(word, literal(rule, "  "))
end

-- The core asks about writes; here their answers are known.
local function answers(from)
  local out = {}
  for _, a in ipairs(from.answers) do
    if a.kind ~= "write" then out[#out + 1] = answer_of(a, from.by) end
  end
  return table.concat(out)
end

local HEAD = [[
-- What run %s of %s did: its steps come to what they came to then.
-- Written by `lunette test --from-run %s`; it fails when what the scripts write, or how they end, is another.

local INPUT = %s

local RECORDED = %s

local WRITTEN = %s

test %s (function(sim)
%s  local run = sim:run(%s, INPUT, { by = %s, recorded = RECORDED })
%s  same(sim:written(), WRITTEN, "what it wrote")
end)
]]

-- How it ended.
local function ending(from)
  local out = { "  same(run.state, " .. quoted(from.state) .. ")\n" }
  if from.outcome ~= "" then out[2] = "  same(run.outcome, " .. quoted(from.outcome) .. ")\n" end
  if from.code ~= "" then out[#out + 1] = "  same(run.error.code, " .. quoted(from.code) .. ")\n" end
  return table.concat(out)
end

---@param from table      { playbook, run, by, state, outcome, code, input, recorded, answers }
---@param written? table  [{ args, op, step }]
---@return string
return function(from, written)
  return HEAD:format(from.run, from.playbook, from.run, literal(from.input, ""), literal(from.recorded, ""),
                     literal(written or {}, ""), quoted("as in run " .. from.run), answers(from),
                     quoted(from.playbook), quoted(from.by), ending(from))
end
