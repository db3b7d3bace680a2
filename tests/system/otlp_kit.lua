-- otlp_kit.lua: a collector of traces, for tests: a simulator that takes OTLP/HTTP, and a reader that insists on OTLP's
-- JSON mapping.
--
--   local otlp = dofile "tests/system/otlp_kit.lua" (sys)
--   local c = otlp.start(t, { faults = "collector.traces#1=5xx:503" })
--     c.url                   where spans go
--     c.requests()            what came: a list of { headers, body }
--     c.spans()               all spans, in order of their coming: { name, id, parent, trace, attr, failed, events, … }
--     c.one(name)             the one span of that name; an error where there is none, or several that differ
--     c.stop()

local SIMULATOR = [[
local kit = require "sim.kit"
local function take(req, state)
  local headers = {}
  for name, value in pairs(req.headers) do headers[name] = kit.first(value) end
  state.log[#state.log + 1] = { op = "traces", headers = headers, body = req.body }
  return { status = 200, json = { partialSuccess = {} } }
end
return kit.sim { vendor = "collector", new = function() return {} end, none = function() return { status = 404 } end,
                 routes = { { "POST", "/v1/traces", "traces", take } } }
]]

-- What members a message has, and of which kind.
local VALUE = { stringValue = "string", boolValue = "boolean", intValue = "int64", arrayValue = "array" }
local MEMBERS = {
  request = { resourceSpans = "[resource_spans]" }, resource_spans = { resource = "resource", scopeSpans = "[scope_spans]" },
  resource = { attributes = "[attribute]" }, scope_spans = { scope = "scope", spans = "[span]" },
  scope = { name = "string", version = "string" }, attribute = { key = "string", value = "value" },
  value = VALUE, array = { values = "[value]" },
  span = { traceId = "hex32", spanId = "hex16", parentSpanId = "hex16", name = "string", kind = "integer",
           startTimeUnixNano = "int64", endTimeUnixNano = "int64", attributes = "[attribute]", events = "[event]",
           status = "status" },
  event = { timeUnixNano = "int64", name = "string", attributes = "[attribute]" },
  status = { code = "integer" },
}
local SCALARS = {
  string = function(v) return type(v) == "string" end,
  boolean = function(v) return type(v) == "boolean" end,
  integer = function(v) return math.type(v) == "integer" end,
  int64 = function(v) return type(v) == "string" and v:find "^%d+$" and #v <= 19 end,
  hex32 = function(v) return type(v) == "string" and v:find(("^" .. ("%x"):rep(32) .. "$")) and v == v:lower() end,
  hex16 = function(v) return type(v) == "string" and v:find(("^" .. ("%x"):rep(16) .. "$")) and v == v:lower() end,
}

local function check(v, kind, where)
  local item = kind:match "^%[(.*)%]$"
  if item then
    assert(type(v) == "table", where .. " is no list")
    for i, x in ipairs(v) do check(x, item, where .. "[" .. i .. "]") end
  elseif SCALARS[kind] then
    assert(SCALARS[kind](v), where .. " is no " .. kind .. ": " .. tostring(v))
  else
    assert(type(v) == "table", where .. " is no object")
    for k, x in pairs(v) do
      assert(MEMBERS[kind][k], where .. " has a member " .. tostring(k))
      check(x, MEMBERS[kind][k], where .. "." .. k)
    end
  end
end

local function plain(value)
  if value.arrayValue then
    local out = {}
    for i, v in ipairs(value.arrayValue.values) do out[i] = plain(v) end
    return out
  end
  if value.intValue then return math.tointeger(value.intValue) end
  return value.stringValue or value.boolValue
end

local function attributes(list)
  local out = {}
  for _, a in ipairs(list or {}) do
    assert(out[a.key] == nil, a.key .. " is there twice")
    out[a.key] = plain(a.value)
  end
  return out
end

return function(sys)
  local otlp = {}

  local function spans_of(body, out)
    local doc = sys.decode(body)
    check(doc, "request", "request")
    for _, r in ipairs(doc.resourceSpans) do
      local service = attributes(r.resource.attributes)["service.name"]
      for _, scope in ipairs(r.scopeSpans) do
        for _, s in ipairs(scope.spans) do
          local events = {}
          for i, e in ipairs(s.events or {}) do
            events[i] = { name = e.name, time = e.timeUnixNano, attr = attributes(e.attributes) }
          end
          out[#out + 1] = { name = s.name, id = s.spanId, parent = s.parentSpanId, trace = s.traceId, kind = s.kind,
                            from = math.tointeger(s.startTimeUnixNano), to = math.tointeger(s.endTimeUnixNano),
                            attr = attributes(s.attributes), events = events, failed = s.status.code == 2,
                            service = service }
        end
      end
    end
  end

  function otlp.start(t, o)
    local self = {}
    t:write("collector/sim/collector.lua", SIMULATOR)
    local conf = t:write("collector.lua", ("return { stdlib = { %q, %q } }\n")
                                          :format(t.dir .. "/collector", sys.root .. "/stdlib"))
    local words = { "sim", "collector", "--config", conf, "--write", "collector.conf.lua", "--log", "collector.log",
                    conf = true }
    if o and o.faults then words[#words + 1], words[#words + 2] = "--faults", o.faults end
    local job = t:start(words)
    assert(t:until_true(function() return t:read "collector.conf.lua" end), "no collector: " .. job.seen "err")
    self.url = t:read "collector.conf.lua":match "url = \"(http[^\"]+)\"" .. "/v1/traces"

    function self.requests()
      local out = {}
      for line in (t:read "collector.log" or ""):gmatch "([^\n]+)\n" do
        local l = sys.decode(line)
        if l.did then out[#out + 1] = l.did end
      end
      return out
    end
    function self.spans()
      local out = {}
      for _, r in ipairs(self.requests()) do spans_of(r.body, out) end
      return out
    end
    function self.one(name)
      local found
      for _, s in ipairs(self.spans()) do
        if s.name == name then
          assert(not found or found.id == s.id, "several spans are " .. name)
          found = s
        end
      end
      return found or error("no span is " .. name, 2)
    end
    function self.stop()
      job.kill "TERM"
      job.wait()
    end
    return self
  end

  return otlp
end
