-- record.lua: what the operations answer with, as the connectors' own tests see it: each test runs against
-- its simulator, and what every call returned is looked at: which members, of which types, and which of them
-- may be absent. A declaration does not say that; its functions make it of the vendor's answers.
--
--   lua5.4 docs/generate/record.lua      from the root of the tree; writes docs/generate/answers.lua

package.path = "tests/lua/?.lua;" .. package.path
local harness = require "harness"

local CONNECTORS = { "crowdstrike", "okta", "qualys", "visionone" }
local OUT = "docs/generate/answers.lua"

local seen = {}                                            -- full name → what its answers look like

local function is_blob(v)
  return type(v.sha256) == "string" and type(v.bytes) == "number" and type(v.name) == "string"
end

-- "string", "string[]", "blob", "table" …
local function type_of(v)
  if type(v) == "number" then return math.type(v) == "integer" and "integer" or "number" end
  if type(v) ~= "table" then return type(v) end
  if v[1] ~= nil then return type_of(v[1]) .. "[]" end
  if next(v) == nil then return "table" end
  return is_blob(v) and "blob" or "table"
end

-- What was so already is answered in another shape: the pages say so of all writes.
local function note(shape, value)
  if value.unchanged then return end
  shape.n = shape.n + 1
  for key, v in pairs(value) do
    if type(key) == "string" then
      local m = shape.members[key] or { n = 0, types = {} }
      shape.members[key] = m
      m.n, m.types[type_of(v)] = m.n + 1, true
    end
  end
end

-- "okta:user:00u1" → "okta:user:…"; a facet "group:00g1" → "group:…".
local function note_entity(op, c, undo)
  local shape = seen[op.name]
  if not shape or op.class ~= "write" or not c.entity then return end
  shape.entities[c.entity:match "^[^:]*:[^:]*:" .. "…"] = true
  if undo then shape.undo[undo.op] = true end
  if c.facet then shape.facets[c.facet:find ":" and c.facet:match "^[^:]*:" .. "…" or c.facet] = true end
end

local function record(op, value)
  local shape = seen[op.name]
                or { n = 0, members = {}, list = op.list, kinds = {}, entities = {}, facets = {}, undo = {} }
  seen[op.name] = shape
  if type(value) == "table" and value[1] ~= nil and type(value[1]) == "table" then
    shape.list = true
    for _, x in ipairs(value) do
      if not op.one_by then note(shape, x) elseif x.ok then note(shape, x.value) end
    end
  elseif type(value) == "table" and (value[1] == nil and next(value) ~= nil) then
    note(shape, value)
  elseif not op.list and value ~= nil then
    shape.kinds[type_of(value)] = true
  end
end

local client = harness.client
function harness.client(name, options)
  local c = client(name, options)
  for key, call in pairs(c[name]) do
    local op = c.declaration.operations[key] or c.declaration.flows[key]
    c[name][key] = function(given)
      local before, value = c.undo, call(given)
      if not c.planning and (given or {}).wait ~= false then record(op, value) end
      note_entity(op, c, c.undo ~= before and c.undo)
      return value
    end
  end
  return c
end

local failed = 0
function harness.test(name, fn)
  if pcall(fn) then return end
  failed = failed + 1
  io.stderr:write("record.lua: a test failed: ", name, "\n")
end
function harness.done() end

for _, name in ipairs(CONNECTORS) do dofile("tests/lua/connectors/" .. name .. "_test.lua") end
-- What no test asks.
do
  local okta = harness.client("okta").okta
  local group = okta.groups { name = "ir-restricted", type = "OKTA_GROUP" }[1]
  okta.group { id = group.id }
  for _, g in ipairs(okta.groups { all = true }) do
    okta.members { group = g.id }
    okta.first_members { group = g.id }
  end
end

assert(failed == 0, "not recorded: " .. failed .. " tests failed")

-- Writing -------------------------------------------------------------------------------------------------

local function sorted(t)
  local out = {}
  for key in pairs(t) do out[#out + 1] = key end
  table.sort(out)
  return out
end

-- An empty table may have been an empty list.
local function types_of(m)
  local types = {}
  for t in pairs(m.types) do types[t] = true end
  for t in pairs(m.types) do
    if t:find "%[%]$" then types.table = nil end
  end
  if types.integer and types.number then types.integer = nil end
  return table.concat(sorted(types), "|")
end

local lines = { "-- Written by docs/generate/record.lua: what the operations answer with.", "return {" }
for _, name in ipairs(sorted(seen)) do
  local shape, members = seen[name], {}
  for _, key in ipairs(sorted(shape.members)) do
    local m = shape.members[key]
    local absent = m.n < shape.n and ", true" or ""
    members[#members + 1] = ('    { "%s", "%s"%s },'):format(key, types_of(m), absent)
  end
  local kinds = sorted(shape.kinds)
  if #members > 0 then
    lines[#lines + 1] = ('  ["%s"] = {%s'):format(name, shape.list and " list = true," or "")
    for _, key in ipairs { "entities", "facets", "undo" } do
      local found = sorted(shape[key])
      local list = table.concat(found, '", "')
      if #found > 0 then lines[#lines + 1] = ('    %s = { "%s" },'):format(key, list) end
    end
    for _, line in ipairs(members) do lines[#lines + 1] = line end
    lines[#lines + 1] = "  },"
  elseif #kinds > 0 then
    lines[#lines + 1] = ('  ["%s"] = { type = "%s" },'):format(name, table.concat(kinds, "|"))
  end
end
lines[#lines + 1] = "}\n"
local f <close> = assert(io.open(OUT, "w"))
f:write(table.concat(lines, "\n"))
