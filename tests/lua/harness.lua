-- harness.lua: runs a declared connector against its simulator in one process, by the rules of
-- docs/connectors.md.
--
-- It stands in for the connector engine in the tests of connectors and simulators: arguments are checked, a
-- request is built and signed, the reply is read, faults are retried on a clock of its own, pages followed,
-- and a write goes through state, resolve, doubt, probe and follow.  There is no journal and there are no
-- guards; what they would have been given is kept for the test to look at.
--
--   local c = harness.client("okta", { faults = "okta.users#1=429", config = …, world = …, now = … })
--   c.okta.users { login = … }     an operation or a flow
--   c.sim                          the simulator's instance; c.sim.state is its state
--   c.now                          the clock, in seconds; waits move it
--   c.calls                        every exchange: { op, request, reply }
--   c.resolved                     what `resolve` said at the last write
--   harness.test(name, fn), harness.eq(a, b), harness.raises(code, fn) → the error, harness.done()

package.path = "stdlib/?.lua;tests/lua/?.lua;" .. package.path
require "shims"
local json, xml, kit = require "json", require "xml", require "sim.kit"

local harness = {}

-- Words of a playbook that flows and declarations use -----------------------------------------------------

local ERROR = { __tostring = function(e) return e.code .. ": " .. e.message end }

function fail(code, message, fields)
  local e = setmetatable({ code = code, message = message, fields = fields }, ERROR)
  for k, v in pairs(fields or {}) do e[k] = v end
  error(e, 0)
end

function connector(declaration) return declaration end

---A value that is not known before the thing is done.
function opaque(what) return { opaque = what } end

function where(list, fn)
  local out = {}
  for _, x in ipairs(list) do if fn(x) then out[#out + 1] = x end end
  return out
end

log = { info = function() end }

-- Blobs: what Lua sees of one is a handle; the bytes stay here.
local bytes_of = setmetatable({}, { __mode = "k" })

---A blob's handle, as the word `blob` makes one.
function harness.blob(name, data)
  local handle = { name = name, bytes = #data, sha256 = require "crypto".hash("sha256", data) }
  bytes_of[handle] = data
  return handle
end

-- Arguments -----------------------------------------------------------------------------------------------

local OWN = { as = true, wait = true, lease = true, limit = true, all = true, timeout = true }

local function duration(v)
  if type(v) == "number" then return v end
  local n, unit = v:match "^(%d+)(%a+)$"
  local size = ({ ms = 0.001, s = 1, m = 60, h = 3600, d = 86400 })[unit]
  return n and size and n * size or fail("bad_argument", "not a duration: " .. v)
end

local function spec(text)
  local kind, default = text:match "^(.-)%s*=%s*(.+)$"
  kind = kind or text
  local optional = kind:match "%?$" ~= nil
  return { kind = kind:gsub("%s*%?$", ""), optional = optional or default ~= nil, default = default }
end

local function checked(op, name, p, v)
  local where = ("%s: %s"):format(op.name, name)
  if v == "" or type(v) == "table" and next(v) == nil then fail("bad_argument", where .. " is empty") end
  if p.kind:find "^one of" then
    for word in p.kind:sub(7):gmatch "%S+" do if word == v then return v end end
    fail("bad_argument", ("%s must be %s"):format(where, p.kind))
  end
  local item = p.kind:match "^%[(.*)%]$"
  if item then
    if type(v) ~= "table" then fail("bad_argument", where .. " must be a list") end
    return v
  end
  if p.kind == "integer" then return math.tointeger(tonumber(v)) or fail("bad_argument",
                                                                         where .. " must be an integer") end
  if p.kind == "number" then return tonumber(v) or fail("bad_argument", where .. " must be a number") end
  if p.kind == "boolean" and type(v) ~= "boolean" then fail("bad_argument", where .. " must be a boolean") end
  if p.kind == "sha256" then
    return type(v) == "string" and #v == 64 and not v:find "%X" and v:lower()
           or fail("bad_argument", where .. " must be a SHA-256")
  end
  if p.kind == "host" or p.kind == "device" then return type(v) == "string" and { hostname = v } or v end
  if p.kind == "duration" then return duration(v) end
  if p.kind == "time" then
    local time = require "time"
    return time.format(type(v) == "number" and v or time.parse(v))
  end
  if p.kind == "string" and type(v) ~= "string" then fail("bad_argument", where .. " must be a string") end
  return v
end

local function default_of(p)
  if p.kind == "string" or p.kind:find "^one of" then return p.default end
  if p.kind == "[string]" then return { p.default } end
  if p.kind == "duration" then return duration(p.default) end
  return json.decode(p.default)
end

local function arguments(op, given)
  local out = {}
  for k in pairs(given) do
    if not OWN[k] and not op.params[k] then
      fail("bad_argument", ("%s has no argument `%s`"):format(op.name, tostring(k)))
    end
  end
  for name, text in pairs(op.params) do
    local p = spec(text)
    local v = given[name]
    if v == nil and p.default then v = default_of(p)
    elseif v == nil and not p.optional then fail("bad_argument", ("%s: %s is missing"):format(op.name, name))
    elseif v ~= nil then v = checked(op, name, p, v) end
    out[name] = v
  end
  if op.list and not given.all and next(op.params) then
    local some = false
    for _, name in ipairs(op.select or {}) do some = some or given[name] ~= nil end
    if not op.select then for name in pairs(op.params) do some = some or given[name] ~= nil end end
    if not some then fail("bad_argument", op.name .. ": nothing selects; say all = true") end
  end
  return out
end

-- Requests ------------------------------------------------------------------------------------------------

-- "{x}" alone is the argument with its type; inside a text it is put in as text.
local function filled(v, args, encode)
  if type(v) == "table" then
    local out = {}
    for k, x in pairs(v) do out[k] = filled(x, args, encode) end
    return out
  end
  if type(v) ~= "string" then return v end
  local alone = v:match "^{([%w_]+)}$"
  if alone and not encode then return args[alone] end
  return (v:gsub("{([%w_]+)}", function(name)
    local x = tostring(args[name])
    return encode and kit.encode(x) or x
  end))
end

-- What a function says is not filled again, but for a path: its texts may come from an alert.
local function part(op, key, args, ctx)
  local v = op[key]
  if type(v) == "function" then
    v = v(args, ctx)
    return key == "path" and filled(v, args, true) or v
  end
  return v ~= nil and filled(v, args, key == "path") or nil
end

local function query_text(t)
  local out = {}
  for k, v in pairs(t or {}) do
    for _, x in ipairs(type(v) == "table" and v or { v }) do
      out[#out + 1] = kit.encode(k) .. "=" .. kit.encode(tostring(x))
    end
  end
  table.sort(out)
  return table.concat(out, "&")
end

local function built(op, args, ctx)
  return { method = part(op, "method", args, ctx), path = part(op, "path", args, ctx),
           query = part(op, "query", args, ctx) or {},
           headers = part(op, "headers", args, ctx) or {}, form = part(op, "form", args, ctx),
           json = part(op, "json", args, ctx), multipart = op.multipart and op.multipart(args, ctx) }
end

-- A multipart body: { name, value } or { name, filename, blob, type }.
local BOUNDARY = "lunette0123456789abcdef"
local function multipart_text(parts)
  local out = {}
  for _, p in ipairs(parts) do
    local file = p.filename and ('; filename="%s"'):format(p.filename:gsub('"', "%%22")) or ""
    local kind = p.type and ("Content-Type: %s\r\n"):format(p.type) or ""
    local head = ('--%s\r\nContent-Disposition: form-data; name="%s"%s\r\n%s\r\n')
                 :format(BOUNDARY, p.name, file, kind)
    out[#out + 1] = head .. (p.blob and bytes_of[p.blob] or p.value) .. "\r\n"
  end
  return table.concat(out) .. "--" .. BOUNDARY .. "--\r\n"
end

local function overridden(request, over)
  local out = kit.copy(request)
  out.query = out.query or {}
  if over.url then
    local path, text = over.url:gsub("^%w+://[^/]*", ""):match "^([^?]*)%??(.*)$"
    out.path, out.query = path, kit.form(text)
  end
  for _, key in ipairs { "query", "form", "json" } do
    for k, v in pairs(over[key] or {}) do out[key][k] = v end
  end
  return out
end

-- The wire ------------------------------------------------------------------------------------------------

local client = {}
client.__index = client

local BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
local function base64(s)
  local out = {}
  for i = 1, #s, 3 do
    local a, b, c = s:byte(i, i + 2)
    local n = a << 16 | (b or 0) << 8 | (c or 0)
    for k = 3, 0, -1 do
      local v = n >> k * 6 & 63
      out[#out + 1] = (k == 1 and not b or k == 0 and not c) and "=" or BASE64:sub(v + 1, v + 1)
    end
  end
  return table.concat(out)
end
harness.base64 = base64

local function base64url(s) return (base64(s):gsub("[+/=]", { ["+"] = "-", ["/"] = "_", ["="] = "" })) end

-- An assertion as the core would make it, but for the signature, which no simulator of these tests verifies.
function client:assertion(claims)
  self.jti = (self.jti or 0) + 1
  local c = { iss = self.config.client_id, sub = self.config.client_id,
              aud = self.sim.base .. "/oauth2/v1/token",
              exp = math.floor(self.now) + 300, iat = math.floor(self.now), jti = "jti" .. self.jti }
  for k, v in pairs(claims or {}) do c[k] = v end
  return base64url(json.encode { alg = "RS256", kid = "k1" }) .. "." .. base64url(json.encode(c)) .. ".c2ln"
end

function client:token(a)
  if self.bearer and self.bearer.till > self.now then return self.bearer.text end
  local r = self:wire { method = "POST", path = a.path, query = {}, headers = {}, form = {
    grant_type = "client_credentials", scope = table.concat(self.config[a.scopes], " "),
    client_assertion_type = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    client_assertion = self:assertion() } }
  if r.status ~= 200 then
    local f = self.declaration.fault(r)
    fail(f.code, f.message, f)
  end
  self.bearer = { text = r.body.access_token, till = self.now + r.body.expires_in - 60 }
  return self.bearer.text
end

-- Client credentials.  A 308 names the region that we belong to: the rest is asked there, if the declaration
-- knows it.
function client:client_token(a)
  if self.bearer and self.bearer.till > self.now then return self.bearer.text end
  local r = self:wire { method = "POST", path = a.path, query = {}, headers = {}, form = {
    grant_type = "client_credentials", client_id = self.config[a.id],
    client_secret = self.config[a.secret] } }
  if r and r.status == 308 then
    local base = tostring(r.headers.location):match "^https://[^/]+"
    local known = false
    for _, region in ipairs(a.regions or {}) do known = known or region == base end
    if not known then fail("refused", "the token call leads to " .. tostring(base)) end
    self.region, self.sim.state.home = base, nil
    return self:client_token(a)
  end
  local f = r and (r.status ~= a.expect or nil) and self.declaration.fault(r)
  if not r or f then fail(f and f.code or "unavailable", f and f.message or "no token", f) end
  self.bearer = { text = r.body.access_token, till = self.now + r.body.expires_in - a.early }
  return self.bearer.text
end

function client:authorise(headers)
  local list = self.declaration.auth
  for _, a in ipairs(list.kind and { list } or list) do
    if not a.when or self.config[a.when] then
      if a.kind == "header" then headers[a.header] = a.prefix .. self.config[a.secret]
      elseif a.kind == "basic" then
        headers.Authorization = "Basic " .. base64(self.config[a.user] .. ":" .. self.config[a.secret])
      elseif a.kind == "oauth2" then headers.Authorization = "Bearer " .. self:client_token(a)
      else headers.Authorization = "Bearer " .. self:token(a) end
      return
    end
  end
  fail("unauthorised", "nothing to authenticate with is configured")
end

local function decoded(text)
  local first = text:match "^%s*(.)"
  local decode = first == "<" and xml.decode or (first == "{" or first == "[") and json.decode
  local ok, value = pcall(decode or error, text)
  return ok and value or nil
end

-- One exchange.  Returns an answer as declarations see it, or nil and why it is not known whether it was
-- done.
function client:wire(request)
  local text = query_text(request.query)
  local raw = { method = request.method, target = request.path .. (text ~= "" and "?" .. text or ""),
                headers = {},
                body = "", now = self.now }
  local headers = kit.copy(request.headers)
  if request.form then raw.body, headers["Content-Type"] = query_text(request.form),
  "application/x-www-form-urlencoded" end
  if request.json then
    raw.body = json.encode(request.json)
    headers["Content-Type"] = headers["Content-Type"] or "application/json"
  elseif request.multipart then
    raw.body = multipart_text(request.multipart)
    headers["Content-Type"] = "multipart/form-data; boundary=" .. BOUNDARY
  end
  if request.method ~= "GET" and request.method ~= "DELETE" then headers["Content-Length"] = #raw.body end
  for k, v in pairs(headers) do raw.headers[#raw.headers + 1] = { k, tostring(v) } end

  local reply = self.sim:handle(raw)
  self.calls[#self.calls + 1] = { op = reply.op, request = raw, reply = reply, form = request.form }
  self.now = self.now + reply.delay
  if reply.cut or reply.truncate then return nil, "the connection was cut" end
  if reply.delay > 30 then return nil, "no answer within 30 s" end
  if reply.times * #reply.body > 16 * 1024 * 1024 then return nil, "too_big" end
  local answer = { status = reply.status, headers = {}, text = reply.body:sub(1, 4096),
                   body = decoded(reply.body) }
  answer.whole = reply.body
  for _, h in ipairs(reply.headers) do
    local name = h[1]:lower()
    local had = answer.headers[name]
    if not had then answer.headers[name] = h[2]
    elseif type(had) == "table" then had[#had + 1] = h[2]
    else answer.headers[name] = { had, h[2] } end
  end
  return answer
end

-- A fault, or nil when the answer is a good one.
function client:verdict(op, answer)
  local f
  if op.fault then f = op.fault(answer, op) else f = false end
  if f == nil then return nil end                          -- the operation itself vouches for it
  if f == false then f = self.declaration.fault(answer, op) end
  if f then return f end
  local good = answer.status >= 200 and answer.status < 300
  for _, s in ipairs(op.expect or {}) do good = good or s == answer.status end
  if not good then return { code = "failed", message = "status " .. answer.status } end
  return nil
end

-- Sends until there is an answer that tells something.  Returns it; or nil when a write was perhaps done.
function client:sent(op, request, write, again)
  for attempt = 1, 6 do
    if attempt > 1 and again then request = again() end
    local out = { method = request.method, path = request.path, query = request.query,
                  headers = kit.copy(request.headers), form = request.form, json = request.json,
                  multipart = request.multipart }
    for k, v in pairs(self.declaration.headers or {}) do out.headers[k] = out.headers[k] or v end
    self:authorise(out.headers)
    local answer, why = self:wire(out)
    local f = answer and self:verdict(op, answer)
    local told = answer and self.declaration.limit and self.declaration.limit(answer)
    if told then self.told = told end
    if answer and not f then return answer end
    f = f or { code = why == "too_big" and "too_big" or "unavailable", message = why,
               retry = why ~= "too_big" }
    if f.token and self.bearer and attempt == 1 then
      self.bearer, f.retry, f.after = nil, true, 0
    end
    if write and f.executed ~= false and (not answer or answer.status >= 500 or f.retry) then return nil,
    f end
    if not f.retry or attempt == 6 then fail(f.code, f.message, f) end
    self.now = self.now + (f.after or attempt)
  end
end

-- Operations ----------------------------------------------------------------------------------------------

-- What an operation asks first, by name.
function client:asked_first(op, args)
  local out = {}
  for name, s in pairs(op.first or {}) do out[name] = self:read(self.operations[s.op], s.args(args)) end
  return out
end

-- A body that is kept as a blob; its handle carries the first bytes for the declaration to look at.
local function as_blob(answer, args)
  local blob = harness.blob(args.name or "download", answer.whole)
  blob.head = answer.whole:sub(1, 16)
  answer.blob = blob
end

function client:read(op, given)
  local args = arguments(op, given)
  local ctx = { now = self.now, config = self.config, tag = "none", first = self:asked_first(op, args) }
  local request = built(op, args, ctx)
  if not op.list then
    local answer = self:sent(op, request, false, function()
      ctx.first = self:asked_first(op, args)
      return built(op, args, ctx)
    end)
    if op.binary then as_blob(answer, args) end
    if op.follow then return self:followed(op, args, op.handle(answer.body, args, answer), ctx) end
    if op.result then return op.result(answer.body, args, answer, ctx) end
    return answer.body
  end
  local out, pages, last = json.array {}, 0, nil
  while true do
    local answer = self:sent(op, request)
    local items, more
    if op.page then items, more = op.page(answer, args, request) else items = answer.body end
    for _, x in ipairs(items) do out[#out + 1] = op.item and op.item(x, args) or x end
    if #out > (given.limit or 1000) then fail("too_many",
                                              op.name .. ": more than " .. (given.limit or 1000)) end
    if not more then return out end
    pages = pages + 1
    local key = json.encode(more)
    if key == last or pages > 1000 then fail("failed", "the pages repeat") end
    request, last = overridden(request, more), key
  end
end

-- The parts of a `state` or `resolve`: one, or a list in its `op`.
local function parts_of(spec_) return type(spec_.op) == "table" and spec_.op or { spec_ } end

function client:asked(s, args, ctx)
  local name = s.op
  if type(name) == "function" then name = name(args, ctx) end
  return name and self:read(self.operations[name], s.args(args, ctx)) or nil
end

-- The live state, the value that told it, and the part that read it.
function client:before(op, args)
  for _, s in ipairs(parts_of(op.state)) do
    local value = self:asked(s, args)
    local state = s.of(value, args)
    if state ~= nil then return state, value, s end
  end
end

function client:names(op, args)
  local all = {}
  for _, s in ipairs(parts_of(op.resolve)) do
    for k, v in pairs(s.names(self:asked(s, args), args)) do
      local into = type(v) == "table" and all[k] or nil
      for _, name in ipairs(into and v or {}) do into[#into + 1] = name end
      if not into then all[k] = v end
    end
  end
  return all
end

local function said(v, args, ctx)
  if type(v) == "function" then return v(args, ctx) end
  return filled(v, args)
end

function client:followed(op, args, handle, ctx, wait)
  if wait == false then return handle end
  local f, till, turn = op.follow, self.now + duration(wait or "20m"), 1
  while true do
    local value = self:read(self.operations[f.op], f.args(handle, args))
    local state, why = f.of(value, args, handle)
    self.seen[#self.seen + 1] = state
    if state == "done" then return op.result and op.result(value, args, nil, ctx) or value end
    if state == "failed" then fail("failed", why, { handle = handle }) end
    local pause = f.every[turn] or f.every[#f.every]
    if self.now + pause > till then fail("pending", why or "it still runs", { handle = handle }) end
    self.now, turn = self.now + pause, turn + 1
  end
end

-- What a write that was perhaps done comes to: its handle or result when it was, nil when it was not.
function client:doubt(op, args, ctx, to)
  self.now = self.now + (op.settle or 5)
  self.doubts = self.doubts + 1
  ctx.now = self.now
  if not op.probe and not op.state then fail("doubt", op.name .. ": nothing tells whether it was done") end
  if not op.probe then
    if self:before(op, args) ~= to then return nil end
    local known = said(op.plan, args, ctx) or { state = to }
    for k, v in pairs(known) do
      if k == "planned" or type(v) == "table" and v.opaque then known[k] = nil end
    end
    return nil, known
  end
  local value = self:asked(op.probe, args, ctx)
  local found = op.probe.found(value, args, ctx)
  if found == false then fail("doubt", op.name .. ": it cannot be told whether it was done") end
  return found
end

-- One write after the look: sent, and what it comes to.
function client:carried_out(op, args, ctx, to, wait)
  local function fresh()
    ctx.first = self:asked_first(op, args)
    return built(op, args, ctx)
  end
  for _ = 1, 3 do
    local answer, doubtful = self:sent(op, fresh(), true, fresh)
    local handle = answer and op.handle and op.handle(answer.body, args, answer)
    if handle then return self:followed(op, args, handle, ctx, wait) end
    if answer then return op.result and op.result(answer.body, args, answer, ctx) or answer.body end
    local found, done = self:doubt(op, args, ctx, to)
    if done then return done end
    if found and op.follow then return self:followed(op, args, found, ctx, wait) end
    if found then return found end
    if doubtful and doubtful.code == "too_big" then fail("too_big", doubtful.message) end
  end
  fail("failed", op.name .. ": tried three times")
end

function client:write(op, given)
  local args = arguments(op, given)
  if op.one_by then
    local out = {}
    for i, item in ipairs(args[op.one_by]) do
      local one = kit.copy(args)
      one[op.one_by] = { item }
      local ok, value = pcall(self.write_one, self, op, one, given)
      out[i] = { item = item, ok = ok, value = ok and value or nil, error = not ok and value or nil }
    end
    return out
  end
  return self:write_one(op, args, given)
end

function client:write_one(op, args, given)
  local ctx = { now = self.now, since = self.now, config = self.config, tag = self.tag,
                lease = given.lease and duration(given.lease) }
  local to, plan = said(op.to, args, ctx), said(op.plan, args, ctx)
  self.entity, self.facet, self.effect = said(op.entity, args, ctx), said(op.facet, args, ctx),
                                         said(op.effect, args, ctx)
  built(op, args, ctx)                                     -- as a plan shows it, before anything is asked
  if op.state then
    local s
    ctx.before, ctx.looked, s = self:before(op, args)
    if ctx.before == to then
      return s.unchanged and s.unchanged(ctx.looked, args) or { unchanged = true, state = to }
    end
  end
  if op.resolve then self.resolved = self:names(op, args) end
  if self.planning then return plan end
  local value = self:carried_out(op, args, ctx, to, given.wait)
  self.undo = op.undo and op.undo(args, ctx.before, value)
  return value
end

-- Words that need the clock.
function client:words()
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
end

local function defaults(declaration, config)
  for k, text in pairs(declaration.config or {}) do
    local p = spec(text)
    if config[k] == nil and p.default then config[k] = default_of(p) end
  end
  return config
end

---A connector beside its simulator.
function harness.client(name, options)
  options = options or {}
  local declaration = dofile("stdlib/connectors/" .. name .. ".lua")
  local simulator = require("sim." .. name)
  local self = setmetatable({ declaration = declaration, now = options.now or 1795500000, calls = {},
                              seen = {}, doubts = 0,
                              tag = options.tag or "lunette 01JD2M6Q8R5T/model/qualys.launch_scan#1", operations = declaration.operations },
                              client)
  self.sim = simulator:start { faults = options.faults, seed = options.seed, world = options.world,
                               latency = options.latency }
  self.config = defaults(declaration, kit.copy(options.config or simulator.config))
  self:words()
  local calls = {}
  for key, op in pairs(declaration.operations) do
    op.name = name .. "." .. key
    calls[key] = function(given)
      if op.class == "read" then return self:read(op, given) end
      return self:write(op, given)
    end
  end
  for key, flow in pairs(declaration.flows or {}) do
    flow.name = name .. "." .. key
    calls[key] = function(given)
      local args = arguments(flow, given)
      for k in pairs(OWN) do args[k] = given[k] end
      return flow.run(args)
    end
  end
  self[name] = calls
  package.loaded["connectors." .. name] = calls
  return self
end

-- Tests ---------------------------------------------------------------------------------------------------

local passed, failed = 0, 0

local function shown(v)
  if type(v) == "table" and getmetatable(v) ~= ERROR then
    local ok, text = pcall(json.encode, v)
    return ok and text or tostring(v)
  end
  return tostring(v)
end

function harness.eq(got, wanted, what)
  if shown(got) ~= shown(wanted) then
    error(("%s: got %s, wanted %s"):format(what or "not equal", shown(got), shown(wanted)), 2)
  end
end

---Runs fn, which must raise an error of this code; returns the error.
function harness.raises(code, fn)
  local ok, e = pcall(fn)
  if ok then error("nothing was raised, wanted " .. code, 2) end
  if type(e) ~= "table" or e.code ~= code then error(("raised %s, wanted %s"):format(tostring(e), code),
                                                     2) end
  return e
end

function harness.test(name, fn)
  local ok, e = xpcall(fn, function(e) return type(e) == "table" and e or debug.traceback(e, 2) end)
  if ok then passed = passed + 1 else failed = failed + 1 end
  io.write(ok and "ok " or "not ok ", passed + failed, " - ", name, "\n")
  if not ok then io.write("# ", (tostring(e):gsub("\n", "\n# ")), "\n") end
end

---Prints the plan and the count, and ends the program.
function harness.done()
  io.write(("1..%d\n%d passed, %d failed\n"):format(passed + failed, passed, failed))
  os.exit(failed == 0 and 0 or 1)
end

return harness
