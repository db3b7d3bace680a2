-- kit.lua: what every vendor simulator is made with.
--
-- A simulator is declared (`sim { vendor, new, routes, before, none, faults, config }`, see
-- docs/connectors.md) and becomes a *definition*.  `definition:start { … }` gives an *instance*: one
-- pretended vendor with a state of its own. Whoever carries bytes (an HTTP server, or a transport in the
-- same process) calls `instance:handle(raw)` for each request and does what the *reply* says.  Nothing here
-- waits, opens anything, or reads a clock: time is `raw.now`, chance is a generator seeded at the start.  So
-- the same requests at the same times give the same answers.
--
-- definition:start { world?, seed? = 1, faults? = "", base?, latency? = 0 }; raises a text for wrong `faults`
--   world    what all simulators agree on; default `require "sim.world".new()`.  Hosts that run several
--            simulators in one VM give them the same table
--   base     "http://127.0.0.1:7001": how answers that hold absolute addresses spell this server
--   latency  seconds that each answer takes: it is added to `delay`, and is how long a request counts as
--            running
-- definition.vendor, definition.config (connector keys that reach this simulator, secrets in clear: what a
-- written configuration or an in-process run uses beside `url`), definition.operations (names for fault
-- specs)
--
-- instance.vendor, instance.state (the declaration's own), instance.log (= state.log: what was written)
--
-- raw, from the carrier:
--   method   "PUT"
--   target   "/api/v1/users?limit=2": path and query as on the wire, still percent-encoded
--   headers  list of { name, value }, in order, repeated ones repeated
--   body     text, "" when there is none
--   now      seconds since 1970; virtual, or running N times faster than the wall clock
--   running? requests in flight at this vendor, this one included, where the carrier knows
--
-- reply, to the carrier:
--   status, headers (list of { name, value }), body (text)
--            The carrier adds Content-Length and what its protocol needs, but no Date: it is here, by `now`
--   delay    seconds of simulated time before the answer is delivered; 0 is at once
--   times    1, or how often `body` is sent in a row: an answer of times * #body bytes that nobody has to
--            hold
--   truncate nil, or how many bytes of the body are sent before the connection is cut, although
--            Content-Length promises all
--   cut      nil, "before" (the vendor never saw the request) or "after" (it acted): close without a byte. A
--            client cannot tell the two apart: both are "perhaps sent".  status, headers and body are absent
--   op       the operation's name, or nil; fault: what was injected ("slow:3"), or nil.  For logs only
--   did      how often the vendor did what was asked, whatever it then answered: what grew its log, or what its
--            handler took on (req.took = true)
--
-- A fault spec is a comma list of VENDOR[.OPERATION][#N][@P]=FAULT[:ARG]: without #N and @P at every call;
-- #N at the Nth call that the left side matches; @P with that probability.  Rules for other vendors are left
-- alone.
--   429[:S]      not done; wait S (default 1)          409        not done, a conflict
--   5xx[:STATUS] not done (default 500); 504: done, but the gateway gave up waiting
--   reset-before, reset-after   cut                    truncate   done, half the answer arrives
--   slow:S       done, the answer S seconds late       expire     the credentials' token is no longer taken
--   partial      as the vendor half-succeeds           twice      done twice, the second answer arrives
--   html[:STATUS] not done, a gateway's page (503)     empty      done, the body is missing
--   huge[:MIB]   done, the body is MIB MiB (1024)
--   deprecate[:DAYS] done; the answer calls its operation deprecated, and says that it ends in DAYS (30)
-- `faults = { ["429"] = function(req, state, arg, answer) … end }` is a vendor's own spelling: it returns a
-- response, or nil for "this fault means nothing here"; `answer()` does the request as usual and returns its
-- response.

local json = require "json"

local kit = {}

-- Text, time and chance -----------------------------------------------------------------------------------

---Decodes percent-encoding; `plus` also turns "+" into a blank, as queries and forms do.
function kit.decode(s, plus)
  if plus then s = s:gsub("+", " ") end
  return (s:gsub("%%(%x%x)", function(h) return string.char(tonumber(h, 16)) end))
end

---Percent-encodes all but RFC 3986's unreserved characters.
function kit.encode(s)
  return (s:gsub("[^%w%-%._~]", function(c) return ("%%%02X"):format(c:byte()) end))
end

---Decodes "a=1&b=2&b=3" into { a = "1", b = { "2", "3" } }.
function kit.form(text)
  local out = {}
  for pair in text:gmatch "[^&]+" do
    local name, value = pair:match "^([^=]*)=?(.*)$"
    name, value = kit.decode(name, true), kit.decode(value, true)
    local had = out[name]
    if had == nil then out[name] = value
    elseif type(had) == "table" then had[#had + 1] = value
    else out[name] = { had, value } end
  end
  return out
end

-- Days since 1970-01-01 of a date of the Gregorian calendar, and back (the era is 400 years from 1 March).
local function days_of(y, m, d)
  if m <= 2 then y = y - 1 end
  local era = y // 400
  local year = y - era * 400
  local day = (153 * ((m + 9) % 12) + 2) // 5 + d - 1
  return era * 146097 + year * 365 + year // 4 - year // 100 + day - 719468
end

local function date_of(days)
  days = days + 719468
  local era = days // 146097
  local n = days - era * 146097
  local year = (n - n // 1460 + n // 36524 - n // 146096) // 365
  local day = n - (365 * year + year // 4 - year // 100)
  local month = (5 * day + 2) // 153
  local m = month < 10 and month + 3 or month - 9
  return year + era * 400 + (m <= 2 and 1 or 0), m, day - (153 * month + 2) // 5 + 1
end

---Seconds since 1970 as "2026-11-24T09:58:00Z"; `ms` adds ".000".
function kit.iso(seconds, ms)
  local whole = math.floor(seconds)
  local y, m, d = date_of(whole // 86400)
  local s = whole % 86400
  local fraction = ms and (".%03d"):format(math.floor((seconds - whole) * 1000)) or ""
  return ("%04d-%02d-%02dT%02d:%02d:%02d%sZ"):format(y, m, d, s // 3600, s // 60 % 60, s % 60, fraction)
end

---"2026-11-24" or "2026-11-24T09:58:00[.123][Z]" as seconds since 1970; nil for anything else.
function kit.seconds(text)
  local y, m, d, rest = text:match "^(%d%d%d%d)%-(%d%d)%-(%d%d)(.*)$"
  if not y then return nil end
  y, m, d = math.tointeger(y), math.tointeger(m), math.tointeger(d)
  local leap = (y % 4 == 0 and y % 100 ~= 0) or y % 400 == 0
  local long = ({ 31, leap and 29 or 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 })[m]
  if not long or d < 1 or d > long then return nil end
  if rest == "" then return days_of(y, m, d) * 86400 end
  local hh, mm, ss, tail = rest:match "^T(%d%d):(%d%d):(%d%d)(.*)$"
  if not hh or tonumber(hh) > 23 or tonumber(mm) > 59 or tonumber(ss) > 59 then return nil end
  if tail ~= "" and tail ~= "Z" and not tail:match "^%.%d+Z?$" then return nil end
  return days_of(y, m, d) * 86400 + math.tointeger(hh) * 3600 + math.tointeger(mm) * 60 + math.tointeger(ss)
end

local WEEK  = { "Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed" }
local MONTH = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" }

---Seconds since 1970 as HTTP's Date header has it.
function kit.http_date(seconds)
  local whole = math.floor(seconds)
  local y, m, d = date_of(whole // 86400)
  local s = whole % 86400
  return ("%s, %02d %s %04d %02d:%02d:%02d GMT"):format(WEEK[whole // 86400 % 7 + 1], d, MONTH[m], y,
                                                        s // 3600, s // 60 % 60, s % 60)
end

---A seeded generator (SplitMix64): a function that returns the next number in [0, 1).
---`name` tells streams of one seed apart.
function kit.rand(seed, name)
  local x = math.tointeger(seed) or error("kit.rand: the seed must be an integer", 2)
  for i = 1, #(name or "") do x = (x ~ name:byte(i)) * 0x100000001b3 end
  return function()
    x = x + 0x9e3779b97f4a7c15
    local z = x
    z = (z ~ (z >> 30)) * 0xbf58476d1ce4e5b9
    z = (z ~ (z >> 27)) * 0x94d049bb133111eb
    return ((z ~ (z >> 31)) >> 11) / 9007199254740992
  end
end

---An integer from m to n.
function kit.int(rand, m, n) return m + math.floor(rand() * (n - m + 1)) end

---`n` characters drawn from `alphabet` (letters and digits by default).
function kit.pick(rand, n, alphabet)
  alphabet = alphabet or "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
  local out = {}
  for i = 1, n do
    local at = kit.int(rand, 1, #alphabet)
    out[i] = alphabet:sub(at, at)
  end
  return table.concat(out)
end

function kit.hex(rand, n) return kit.pick(rand, n, "0123456789abcdef") end

---A UUID of version 4.
function kit.uuid(rand)
  local h = kit.hex(rand, 30)
  return ("%s-%s-4%s-%s%s-%s"):format(h:sub(1, 8), h:sub(9, 12), h:sub(13, 15),
                                      kit.pick(rand, 1, "89ab"), h:sub(16, 18), h:sub(19, 30))
end

---A deep copy of plain tables, so that one simulator's changes are not another's.
function kit.copy(v)
  if type(v) ~= "table" then return v end
  local out = {}
  for k, x in pairs(v) do out[k] = kit.copy(x) end
  return setmetatable(out, getmetatable(v))
end

-- Requests ------------------------------------------------------------------------------------------------

-- multipart/form-data as a list of { name, filename?, type?, data }; nil when it is malformed.
local function multipart(body, boundary)
  local out, mark = {}, "--" .. boundary
  local at = body:find(mark, 1, true)
  while at do
    local start = at + #mark
    if body:sub(start, start + 1) == "--" then return out end
    local head_end = body:find("\r\n\r\n", start, true)
    local next_at = head_end and body:find("\r\n" .. mark, head_end + 2, true)
    if not next_at then return nil end
    local head = body:sub(start, head_end + 1)
    local name = head:match '[;%s]name="([^"]*)"'
    if not name then return nil end
    out[#out + 1] = { name = name, filename = head:match 'filename="([^"]*)"',
                      type = head:lower():match "content%-type:%s*([^\r\n]*)", data = body:sub(head_end + 4,
                                                                                               next_at - 1) }
    at = next_at + 2
  end
  return nil
end

local function headers_of(list)
  local out = {}
  for _, h in ipairs(list or {}) do
    local name, value = h[1]:lower(), h[2]
    local had = out[name]
    if had == nil then out[name] = value
    elseif type(had) == "table" then had[#had + 1] = value
    else out[name] = { had, value } end
  end
  return out
end

---The first value of a request's header or of a decoded query or form, or nil.
function kit.first(value)
  if type(value) == "table" then return value[1] end
  return value
end

-- What handlers see.  The body is decoded by its declared type; what does not decode leaves `form`, `json`
-- or `multipart` nil (and `json_error` set), and it is the simulator's business to refuse it as its vendor
-- does.
local function request_of(raw, self)
  local path, query_text = raw.target:match "^([^?#]*)%??([^#]*)"
  local req = { method = raw.method, path = path, query_text = query_text, query = kit.form(query_text),
                headers = headers_of(raw.headers), body = raw.body or "", now = raw.now, rand = self.rand,
                base = self.base, params = {}, did = 0 }
  local kind = (kit.first(req.headers["content-type"]) or ""):lower()
  if kind:find("application/x-www-form-urlencoded", 1, true) then
    req.form = kit.form(req.body)
  elseif kind:find("json", 1, true) then
    local ok, value = pcall(json.decode, req.body)
    if ok then req.json = value else req.json_error = tostring(value) end
  elseif kind:find("multipart/form-data", 1, true) then
    local given = kit.first(req.headers["content-type"]):match '[Bb]oundary="?([^";]+)'
    if given then req.multipart = multipart(req.body, given) end
  end
  return req
end

-- Routes --------------------------------------------------------------------------------------------------

local function segments(path)
  local out = {}
  for s in (path .. "/"):gmatch "([^/]*)/" do out[#out + 1] = s end
  return out
end

-- "/a/{x}/" as its segments; an empty last one is a trailing slash, which counts.
local function compile(routes)
  local out = {}
  for i, r in ipairs(routes) do
    local methods = {}
    for m in r[1]:gmatch "%u+" do methods[m] = true end
    out[i] = { methods = methods, parts = segments(r[2]), name = r[3], run = r[4] }
  end
  return out
end

local function matches(parts, given)
  if #parts ~= #given then return nil end
  local params = {}
  for i, p in ipairs(parts) do
    local name = p:match "^{(.*)}$"
    if name then
      if given[i] == "" then return nil end
      params[name] = kit.decode(given[i])
    elseif p ~= given[i] then
      return nil
    end
  end
  return params
end

-- The route of a request, its operation's name in req.op and its parameters in req.params.  When only the
-- method is wrong, req.allow lists those that would do.
local function route(self, req)
  local given, allow = segments(req.path), {}
  for _, r in ipairs(self.routes) do
    local params = matches(r.parts, given)
    if params and r.methods[req.method] then
      req.params = params
      req.op = r.name
      if type(r.name) == "function" then req.op = r.name(req) end
      return r
    elseif params then
      for m in pairs(r.methods) do allow[#allow + 1] = m end
    end
  end
  table.sort(allow)
  if #allow > 0 then req.allow = allow end
  return nil
end

-- Faults --------------------------------------------------------------------------------------------------

local FAULTS = "429 409 5xx reset-before reset-after truncate slow expire partial twice html empty huge deprecate"
local KNOWN = {}
for name in FAULTS:gmatch "%S+" do KNOWN[name] = true end

local function parse_rule(text)
  local left, right = text:match "^%s*([^=%s]+)=(%S+)%s*$"
  if not left then error(("faults: \"%s\" is not VENDOR[.OPERATION][#N][@P]=FAULT[:ARG]"):format(text), 0) end
  local name, arg = right:match "^([^:]+):?(.*)$"
  if not name or not KNOWN[name] then
    error(("faults: \"%s\" names no fault; they are %s"):format(text, FAULTS), 0)
  end
  local where, tail = left:match "^([%w_%.]+)(.*)$"
  local nth, chance = (tail or ""):match "^#?(%d*)@?([%d%.]*)$"
  local rebuilt = where and nth
              and where .. (nth ~= "" and "#" .. nth or "") .. (chance ~= "" and "@" .. chance or "")
  if rebuilt ~= left or nth == "0" or (chance ~= "" and (tonumber(chance) or 2) > 1) then
    error(("faults: the left side of \"%s\" is not VENDOR[.OPERATION][#N][@P] with N >= 1 and 0 <= P <= 1")
          :format(text), 0)
  end
  if arg ~= "" and not tonumber(arg) then error(("faults: \"%s\": %s is not a number"):format(text, arg),
                                                0) end
  if name == "slow" and arg == "" then error(("faults: \"%s\" wants seconds: slow:S"):format(text), 0) end
  local vendor, op = where:match "^([^%.]+)%.?(.*)$"
  if not vendor then error(("faults: \"%s\" names no vendor"):format(text), 0) end
  return { text = right, vendor = vendor, op = op ~= "" and op or nil, nth = math.tointeger(tonumber(nth)),
           chance = tonumber(chance), fault = name, arg = tonumber(arg), seen = 0 }
end

---Reads a fault spec into a list of rules; raises a text that names the wrong part.
function kit.faults(spec)
  local out = {}
  for part in (spec or ""):gmatch "[^,]+" do out[#out + 1] = parse_rule(part) end
  return out
end

local function contains(list, v)
  for _, x in ipairs(list) do
    if x == v then return true end
  end
  return false
end

---Reads a fault spec, and raises as well for a simulator, or an operation of it, that is not there: such a fault
---would never strike.
---@param vendors string[]  the simulators that there are
function kit.checked(spec, vendors)
  for _, rule in ipairs(kit.faults(spec)) do
    if not contains(vendors, rule.vendor) then
      error(("faults: there is no simulator of %s; there are %s"):format(rule.vendor, table.concat(vendors, " ")), 0)
    end
    local known = require("sim." .. rule.vendor).operations
    if rule.op and not contains(known, rule.op) then
      error(("faults: the simulator of %s knows no %s; it knows %s")
            :format(rule.vendor, rule.op, table.concat(known, " ")), 0)
    end
  end
end

-- The rule that strikes this call, if any.  Every rule that matches counts the call, so #N means the same
-- whatever stands before it in the spec.
local function strike(self, op)
  local hit
  for _, rule in ipairs(self.rules) do
    if rule.vendor == self.vendor and (not rule.op or rule.op == op) then
      rule.seen = rule.seen + 1
      local now = (not rule.nth or rule.nth == rule.seen) and (not rule.chance or self.luck() < rule.chance)
      if now and not hit then hit = rule end
    end
  end
  return hit
end

local PAGE = "<!DOCTYPE html><html><head><title>%d</title></head>"
          .. "<body><h1>The service is unavailable</h1></body></html>"

local plain = {
  ["429"] = function(arg) return { status = 429, headers = { { "Retry-After",
                                                               tostring(math.floor(arg or 1)) } } } end,
  ["409"] = function() return { status = 409 } end,
  ["5xx"] = function(arg, answer)
    if arg == 504 then answer() end
    return { status = math.floor(arg or 500) }
  end,
  ["reset-before"] = function() return { cut = "before" } end,
  ["reset-after"] = function(_, answer) answer() return { cut = "after" } end,
  expire  = function() return { status = 401 } end,
  partial = function() return nil end,
  twice   = function(_, answer) answer() return answer() end,
  html    = function(arg)
    local status = math.floor(arg or 503)
    return { status = status, headers = { { "Content-Type", "text/html" } }, body = PAGE:format(status) }
  end,
  slow = function(arg, answer)
    local r = answer()
    r.delay = (r.delay or 0) + arg
    return r
  end,
  truncate = function(_, answer)
    local r = answer()
    if r.body == "" then return { cut = "after" } end
    r.truncate = #r.body // 2
    return r
  end,
  empty = function(_, answer)
    local r = answer()
    r.body = ""
    return r
  end,
  huge = function(arg, answer)
    local r = answer()
    r.body, r.times = (" "):rep(65536), math.floor((arg or 1024) * 16)
    return r
  end,
  deprecate = function(arg, answer, now)
    local r = answer()
    if r.cut then return r end
    for _, h in ipairs { { "Deprecation", ("@%d"):format(math.floor(now) - 86400) },
                         { "Sunset", kit.http_date(now + (arg or 30) * 86400) },
                         { "Link", '<https://vendor.example/changes>; rel="deprecation"; type="text/html"' } } do
      r.headers[#r.headers + 1] = h
    end
    return r
  end,
}

-- Replies -------------------------------------------------------------------------------------------------

local function has(headers, name)
  for _, h in ipairs(headers) do if h[1]:lower() == name then return true end end
  return false
end

-- A handler's response as a reply: the body is text, the type is said, the date is the simulated one.
local function reply_of(r, req)
  if r.cut then return { cut = r.cut, delay = r.delay or 0, op = req.op } end
  local out = { status = r.status or 200, headers = {}, body = r.body or "", delay = r.delay or 0,
                times = r.times or 1,
                truncate = r.truncate, op = req.op }
  for i, h in ipairs(r.headers or {}) do out.headers[i] = { h[1], tostring(h[2]) } end
  if r.json ~= nil then
    out.body = json.encode(r.json)
    if not has(out.headers, "content-type") then out.headers[#out.headers + 1] = { "Content-Type",
                                                                                   "application/json" } end
  end
  if not has(out.headers, "date") then out.headers[#out.headers + 1] = { "Date", kit.http_date(req.now) } end
  return out
end

-- Running requests: those whose answer is not yet delivered at `now`.
local function running(self, now)
  local still = {}
  for _, till in ipairs(self.busy) do if till > now then still[#still + 1] = till end end
  self.busy = still
  return #still + 1
end

-- The request done as usual: the vendor's own gate first, then the route.
local function answer(self, req, r)
  local def = self.definition
  local out = def.before and def.before(req, self.state)
  if not out then
    local noted = #self.log
    out = r and r.run(req, self.state) or def.none(req, self.state)
    if #self.log > noted or req.took then req.did = req.did + 1 end
    req.took = nil
  end
  return reply_of(out, req)
end

local instance = {}
instance.__index = instance

---Answers one request: `raw` in, a reply out, both as the head of this file says.
function instance:handle(raw)
  local req = request_of(raw, self)
  req.running = math.max(running(self, raw.now), raw.running or 0)
  local r = route(self, req)
  local rule = strike(self, req.op)
  local function usual() return answer(self, req, r) end

  local out
  if rule then
    local own = (self.definition.faults or {})[rule.fault]
    if own then out = own(req, self.state, rule.arg, usual) else out = plain[rule.fault](rule.arg, usual, req.now) end
    if out and not out.op then out = reply_of(out, req) end
  end
  out = out or usual()
  if rule then out.fault = rule.text end
  out.did = req.did
  out.delay = out.delay + self.latency
  if out.delay > 0 then self.busy[#self.busy + 1] = raw.now + out.delay end
  return out
end

---What is so at this vendor now, as the ledger spells it: a list of { entity, facet, state }, and the facets of
---which it says all (a text that ends with ":" stands for all that begin so); nothing where a simulator does
---not tell.  What is not in the list is "absent".
function instance:truth(now)
  local tell = self.definition.truth
  if not tell then return {}, {} end
  return tell(self.state, now)
end

local definition = {}
definition.__index = definition

---Starts a simulator: an instance with a fresh state.
function definition:start(options)
  options = options or {}
  local world = options.world or require "sim.world".new()
  local seed = options.seed or 1
  local rand = kit.rand(seed, self.vendor)
  local state = self.new(world, rand)
  state.log = state.log or {}
  return setmetatable({ vendor = self.vendor, definition = self, routes = self.compiled, state = state,
                        log = state.log,
                        world = world, rand = rand, luck = kit.rand(seed, "faults/" .. self.vendor),
                        rules = kit.faults(options.faults), base = options.base or "http://127.0.0.1:7001",
                        latency = options.latency or 0, busy = {} }, instance)
end

---Makes a definition of a declaration, which it checks.
function kit.sim(d)
  for _, key in ipairs { "vendor", "new", "routes", "none" } do
    if d[key] == nil then error("sim: `" .. key .. "` is missing", 2) end
  end
  d.compiled = compile(d.routes)
  if not d.operations then
    d.operations = {}
    for _, r in ipairs(d.routes) do
      if type(r[3]) == "string" then d.operations[#d.operations + 1] = r[3] end
    end
  end
  return setmetatable(d, definition)
end

return kit
