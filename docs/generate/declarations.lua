-- declarations.lua: reads the connectors' declarations as tables, with `connector` the identity, and says of
-- each operation what its page needs. What only the declaration's functions know is not here: answers.lua has
-- what they made of the simulators' answers (record.lua), and where a function decides (an entity, an effect)
-- the page says so.

local declarations = {}

-- Loading -------------------------------------------------------------------------------------------------

-- The libraries that declarations may require: at load they are only looked up, or given a list to mark.
local LIBRARY = { __index = function() return function(value) return value end end }

local function environment()
  local names = { "assert", "error", "getmetatable", "ipairs", "next", "pairs", "pcall", "rawequal", "rawget",
                  "rawlen", "rawset", "select", "setmetatable", "tonumber", "tostring", "type", "string",
                  "table", "utf8", "math" }
  local env = {}
  for _, name in ipairs(names) do env[name] = _G[name] end
  function env.connector(t) return t end
  function env.opaque(what) return { opaque = what } end
  function env.fail(code) error(code, 0) end
  function env.require() return setmetatable({}, LIBRARY) end
  return env
end

local function sorted(t)
  local out = {}
  for key in pairs(t or {}) do out[#out + 1] = key end
  table.sort(out)
  return out
end
declarations.sorted = sorted

-- What an operation says ----------------------------------------------------------------------------------

-- "[sha256] = []" → { type = "sha256", list = true, optional = true, default = "[]", choices = nil }
local function parameter(name, text)
  local kind, default = text:match "^(.-)%s*=%s*(.*)$"
  kind = (kind or text):gsub("^%s+", ""):gsub("%s+$", "")
  local out = { name = name, written = text, default = default, optional = default ~= nil }
  if kind:find "%?$" then kind, out.optional = kind:gsub("%s*%?$", ""), true end
  if kind:find "^%[.*%]$" then kind, out.list = kind:sub(2, -2), true end
  if kind:find "^one of " then
    out.choices = {}
    for word in kind:sub(8):gmatch "%S+" do table.insert(out.choices, word) end
  end
  out.type = kind
  return out
end

local function parameters(t)
  local out = {}
  for _, name in ipairs(sorted(t)) do
    local p = parameter(name, t[name])
    table.insert(out, p)
  end
  table.sort(out, function(a, b)
    if a.optional ~= b.optional then return b.optional end
    return a.name < b.name
  end)
  return out
end

-- The source of a function.
local function source_of(fn, lines)
  local info = debug.getinfo(fn, "S")
  return table.concat(lines, "\n", info.linedefined, info.lastlinedefined)
end

-- What a field says, where it is a text and not a function.
local function text_of(v) return type(v) == "string" and v or nil end

-- Operations that a function names: `op = "okta.remove_from_group"`, read off its source.
local function named_ops(fn, lines)
  local out, seen = {}, {}
  if type(fn) ~= "function" then return out end
  for op in source_of(fn, lines):gmatch 'op = "([%w_]+%.[%w_]+)"' do
    if not seen[op] then table.insert(out, op) end
    seen[op] = true
  end
  return out
end

-- The reads that a part (`state`, `resolve` …) asks: its `op`, or those of its list.
local function reads_of(part)
  if part == nil then return nil end
  local out = {}
  if type(part.op) == "string" then out[1] = part.op
  elseif type(part.op) == "table" then
    for _, p in ipairs(part.op) do table.insert(out, type(p.op) == "string" and p.op or nil) end
  end
  return out
end

-- The reads that an operation asks before each send.
local function firsts(first)
  local out = {}
  for _, name in ipairs(sorted(first)) do table.insert(out, first[name].op) end
  return out
end

local function effect_of(o)
  if type(o.effect) ~= "function" then return o.effect end
  return "confine, free or note, by its arguments"
end

local function operation(name, o, lines)
  local out = {
    name = name, summary = o.summary, source = o.source, class = o.class, d3fend = o.d3fend or {},
    params = parameters(o.params), list = o.list, binary = o.binary, one_by = o.one_by,
    select = o.select, first = firsts(o.first),
  }
  if o.list and not o.select then out.select = sorted(o.params) end
  for _, p in ipairs(out.params) do out.selected = out.selected or not p.optional and not o.select end
  if o.class == "read" then
    out.follows = o.follow and o.follow.op
    return out
  end
  out.idempotent, out.effect = o.idempotent == true, effect_of(o)
  out.entity, out.facet, out.to = text_of(o.entity), text_of(o.facet), text_of(o.to)
  out.state, out.resolve = reads_of(o.state), reads_of(o.resolve)
  out.probe, out.settle = reads_of(o.probe), o.settle or 5
  out.follows = o.follow and o.follow.op
  out.undo, out.undo_why = named_ops(o.undo, lines), o.undo_why
  out.undoable = o.undo ~= nil
  return out
end

local function flow(name, f)
  return { name = name, summary = f.summary, source = f.source, class = "flow", d3fend = f.d3fend or {},
           params = parameters(f.params), first = {}, uses = f.uses or {} }
end

local function auth_of(declaration)
  local list = declaration.auth and (declaration.auth[1] and declaration.auth or { declaration.auth }) or {}
  local out = {}
  for _, a in ipairs(list) do table.insert(out, { kind = a.kind, when = a.when, regions = a.regions }) end
  return out
end

---What a declaration says: { name, config, auth, concurrency, operations }; operations and flows in order.
---@param file string
---@return table
function declarations.read(file)
  local f <close> = assert(io.open(file))
  local source = f:read "a"
  local lines = {}
  for line in (source .. "\n"):gmatch "([^\n]*)\n" do lines[#lines + 1] = line end
  local d = assert(load(source, "@" .. file, "t", environment()))()
  local out = { name = d.name, config = parameters(d.config), auth = auth_of(d),
                concurrency = d.concurrency or 16, operations = {} }
  for name, o in pairs(d.operations or {}) do table.insert(out.operations, operation(name, o, lines)) end
  for name, o in pairs(d.flows or {}) do table.insert(out.operations, flow(name, o)) end
  table.sort(out.operations, function(a, b) return a.name < b.name end)
  return out
end

return declarations
