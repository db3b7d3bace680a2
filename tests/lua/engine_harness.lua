-- engine_harness.lua: the harness of the connectors' tests with the core's connector engine behind it (see
-- tests/unit/connector_lua_test.c).  What a test looks at is kept as harness.lua keeps it.
package.path = "stdlib/?.lua;tests/lua/?.lua;" .. package.path
local harness = require "harness"
local kit = require "sim.kit"

harness.blob = core.blob

local function duration(v)
  if type(v) == "number" then return v end
  local n, unit = v:match "^(%d+)(%a+)$"
  return n * ({ ms = 0.001, s = 1, m = 60, h = 3600, d = 86400 })[unit]
end

-- `now` of a client is the loop's clock.
local client = {}
function client:__index(key)
  if key == "now" then return core.now(rawget(self, "core")) end
end
function client:__newindex(key, value)
  if key == "now" then return core.nap(rawget(self, "core"), value - core.now(rawget(self, "core"))) end
  rawset(self, key, value)
end

local function exchange(self, raw)
  raw.now = self.now
  if raw.base ~= self.url then
    rawset(self, "region", raw.base)
    self.sim.state.home = nil
  end
  local reply = self.sim:handle(raw)
  self.calls[#self.calls + 1] = { op = reply.op, request = raw, reply = reply,
                                  form = raw.method == "POST" and kit.form(raw.body) or nil }
  return reply
end

local function words(self)
  now = function() return self.now end
  await_until = function(fn, o)
    local till = self.now + duration(o.timeout)
    while true do
      local v = fn()
      if v then return v end
      self.now = self.now + duration(o.every)
      if self.now > till then fail("timeout", "not within " .. o.timeout) end
    end
  end
  try = function(verb, ...)
    local ok, v = pcall(verb, ...)
    if ok then return v end
    return nil, v
  end
  map = function(list, fn)
    local out = {}
    for i, item in ipairs(list) do
      local ok, v = pcall(fn, item)
      out[i] = { item = item, ok = ok, value = ok and v or nil, error = not ok and v or nil }
    end
    return out
  end
end

-- What follow's `of` says, for the tests that look at the states.
local function spied(self, declaration)
  for _, op in pairs(declaration.operations) do
    if op.follow and not op.follow.spied then
      local of = op.follow.of
      op.follow.spied, op.follow.of = true, function(...)
        local state, why = of(...)
        self.seen[#self.seen + 1] = state
        return state, why
      end
    end
  end
  local limit = declaration.limit
  if limit then
    declaration.limit = function(answer)
      local told = limit(answer)
      if told then rawset(self, "told", told) end
      return told
    end
  end
end

-- Waits are spread a little, so that callers do not come back all at once.
local eq = harness.eq
function harness.eq(got, wanted, what)
  if math.type(got) == "float" and math.type(wanted) and got >= wanted and got <= wanted * 1.1 + 0.5 then return end
  return eq(got, wanted, what)
end

function harness.client(name, options)
  options = options or {}
  local simulator = require("sim." .. name)
  local self = { calls = {}, seen = {}, doubts = 0, exchange = exchange, url = "https://" .. name .. ".sim",
                 tag = options.tag or "lunette 01JD2M6Q8R5T/model/qualys.launch_scan#1" }
  self.sim = simulator:start { faults = options.faults, seed = options.seed, world = options.world,
                               latency = options.latency, base = self.url }
  self.config = kit.copy(options.config or simulator.config)
  if self.config.private_key then self.config.private_key = core.key() end
  self.core = core.client(self, name, self.config, options.now or 1795500000, self.url)
  setmetatable(self, client)
  core.use(self.core, false)
  self.declaration = core.declaration(self.core)
  self.operations = self.declaration.operations
  words(self)
  spied(self, self.declaration)
  local calls = {}
  for key, fn in pairs(core.open(self.core)) do
    calls[key] = function(args)
      the_client = self
      core.use(self.core, self.planning, self.tag)
      core.doubts()
      local ok, v = pcall(fn, args)
      rawset(self, "doubts", self.doubts + core.doubts())
      if not ok then error(v, 0) end
      return v
    end
  end
  self[name] = calls
  package.loaded["connectors." .. name] = calls
  return self
end

-- Tests of what harness.lua does in its own way: these change a client's configuration or way to authenticate after it
-- was read, or look for a blob's first bytes in a playbook (which has its name, size and hashes only).
-- In the last one a second creation is refused; the core looks, and finds that the first was made.
local OTHERS = {
  ["a 308 of the token call leads to a region that is known, and to no other"] = true,
  ["versions are settings, each action's own"] = true,
  ["a file is fetched sealed, with the hash of what is within, and cleaned up after"] = true,
  ["a creation that was perhaps done is found by type and value"] = true,
}

-- The file's tests, and how many failed.
local passed, failed = 0, 0

function harness.test(name, fn)
  if OTHERS[name] then return end
  if the_only and not name:find(the_only, 1, true) then return end
  local ok, e = xpcall(fn, function(e) return type(e) == "table" and e or debug.traceback(e, 2) end)
  if ok then passed = passed + 1 else failed = failed + 1 end
  io.write(ok and "ok - " or "not ok - ", name, "\n")
  if not ok then io.write("# ", (tostring(e):gsub("\n", "\n# ")), "\n") end
end

function harness.done() io.write(("# %s: %d passed, %d failed\n"):format(the_test, passed, failed)) end

package.loaded.harness = harness
dofile(the_test)
package.loaded.harness = nil
return failed
