-- operations.lua: calls of connectors' operations: is there such an operation, and are its arguments those
-- that it declares?  As the core asks before anything is sent, so here before anything runs.

local meaning = require "check.meaning"
local near = require "check.near"
local types = require "check.types"

local operations = {}

operations.rules = {
  ["unknown-operation"] = "error",
  ["unknown-argument"]  = "error",
  ["missing-argument"]  = "error",
  ["wrong-argument"]    = "error",
  ["no-selector"]       = "error",
}

-- What every operation takes besides (INTERFACE: `as`, `wait`, `lease`, `limit`, `all`, `timeout`).
local CORE = { as = "string", wait = "duration", lease = "duration", limit = "integer", all = "boolean",
               timeout = "duration" }

local function unknown(f, world, report)
  for _, m in ipairs(f.mentions) do
    local c = world.known.connectors[m.of]
    if c and c.operations and not c.operations[m.name] then
      report("unknown-operation", m.at, ("%s has no operation '%s'%s"):format(m.of, m.name,
             near.hint(m.name, c.operations)))
    end
  end
end

local function param_of(op, name)
  for _, p in ipairs(op.params) do
    if p.name == name then return p end
  end
  return nil
end

local function is_nil(e) return e.tag == "Nil" end

local function check_core(call, item, report)
  local name, e = item.key.value, item.value
  if name == "wait" and (e.tag == "False" or e.tag == "True") then return end
  local why, at = types.wrong(types.read(CORE[name]), e)
  if why and not (why:find "is not a duration" and e.tag == "String") then
    report("wrong-argument", at, ("%s: %s: %s"):format(call.full, name, why))
  end                                                       -- a bad duration is told by durations.lua
end

local function check_item(call, op, item, report)
  local name = item.key.value
  local p = param_of(op, name)
  if p then
    local t = types.read(p.type)
    local why, at = nil, nil
    if t and not is_nil(item.value) then why, at = types.wrong(t, item.value) end
    if why then report("wrong-argument", at, ("%s: %s: %s"):format(call.full, name, why)) end
  elseif CORE[name] then
    if not is_nil(item.value) then check_core(call, item, report) end
  else
    local all = {}
    for _, q in ipairs(op.params) do all[q.name] = true end
    report("unknown-argument", item.key, ("%s has no argument '%s'%s"):format(call.full, name,
           near.hint(name, all)))
  end
end

local function given(tbl, name)
  local item = meaning.member(tbl, name)
  return item and not is_nil(item.value)
end

local function check_missing(call, op, tbl, report)
  for _, p in ipairs(op.params) do
    local t = types.read(p.type)
    if t and not t.optional and not given(tbl, p.name) then
      report("missing-argument", call.at, ("%s: '%s' is missing (%s)"):format(call.full, p.name, p.type))
    end
  end
end

local function check_selector(call, op, tbl, report)
  if not op.list or given(tbl, "all") then return end
  local select = op.select
  if not select or #select == 0 then
    select = {}
    for i, p in ipairs(op.params) do select[i] = p.name end
  end
  for _, name in ipairs(select) do
    if given(tbl, name) then return end
  end
  report("no-selector", call.at, ("%s: nothing says which: give %s%sall = true"):format(call.full,
         #select > 1 and "one of " or "", #select > 0 and table.concat(select, ", ") .. ", or " or ""))
end

local NO_ARGUMENTS = { tag = "Table", items = {} }

local function check_call(call, op, report)
  local tbl = call.args == nil and NO_ARGUMENTS or meaning.settled(call.args)
  if call.args and (tbl.tag == "String" or tbl.tag == "Number" or tbl.tag == "Function") then
    report("wrong-argument", call.args, call.full .. " takes one table of named arguments")
  end
  if tbl.tag ~= "Table" then return end
  local own = call.args == nil or tbl == call.args           -- a variable's table may get members later
  for _, item in ipairs(tbl.items) do
    if not item.key then
      report("wrong-argument", item, call.full .. " takes named arguments, and this one has no name")
      own = false
    elseif item.key.tag == "String" then
      check_item(call, op, item, report)
    end
  end
  if own and not meaning.open(tbl) then
    check_missing(call, op, tbl, report)
    check_selector(call, op, tbl, report)
  end
end

function operations.check(f, world, report)
  unknown(f, world, report)
  for _, call in ipairs(f.calls) do
    local c = world.known.connectors[call.of]
    local op = c and c.operations and c.operations[call.name]
    if op then check_call(call, op, report) end
  end
end

return operations
