-- kit_test.lua: what every simulator is made with: time, chance, requests, routes, faults, replies.
package.path = "tests/lua/?.lua;" .. package.path
local harness = require "harness"
local kit = require "sim.kit"
local test, eq = harness.test, harness.eq

local T0 = 1795500000

-- A vendor of the tests' own: it counts, and can be asked what it saw.
local function make(more)
  local d = {
    vendor = "toy",
    new = function(_, rand) return { n = 0, id = kit.hex(rand, 8) } end,
    routes = {
      { "GET POST", "/count", "count", function(req, state)
        state.n = state.n + 1
        state.req = req
        return { json = { n = state.n } }
      end },
      { "PUT", "/things/{id}/parts/{part}", "put", function(req) return { status = 204,
          headers = { { "X-Id", req.params.id } } } end },
      { "GET", "/slash/", function(req) return not req.query.anonymous and "slash" or nil end,
        function() return { body = "x" } end },
    },
    none = function(req) return { status = req.allow and 405 or 404,
                                  body = table.concat(req.allow or {}, ",") } end,
  }
  for k, v in pairs(more or {}) do d[k] = v end
  return kit.sim(d)
end

local function start(faults, more)
  return make(more):start { world = {}, faults = faults, seed = 7 }
end

local function ask(s, method, target, options)
  options = options or {}
  return s:handle { method = method, target = target, headers = options.headers or {}, body = options.body
                    or "",
                    now = options.now or T0, running = options.running }
end

local function header(reply, name)
  for _, h in ipairs(reply.headers) do if h[1]:lower() == name then return h[2] end end
end

-- Time and chance ------------------------------------------------------------------------------------------

test("times there and back", function()
  eq(kit.iso(0), "1970-01-01T00:00:00Z")
  eq(kit.iso(951782400), "2000-02-29T00:00:00Z")
  eq(kit.iso(1790000000.5, true), "2026-09-21T14:13:20.500Z")
  eq(kit.http_date(1790000000), "Mon, 21 Sep 2026 14:13:20 GMT")
  for _, t in ipairs { 0, 951782400, 1790000000, 4102444799 } do eq(kit.seconds(kit.iso(t)), t) end
  eq(kit.seconds "2026-11-24", kit.seconds "2026-11-24T00:00:00Z")
  for _, bad in ipairs { "2026-02-30", "2025-02-29", "2026-13-01", "2026-01-01T24:00:00Z", "2026-1-1", "x",
                         "2026-01-01T00:00:00+02:00" } do
    eq(kit.seconds(bad), nil, bad)
  end
end)

test("chance is the seed's", function()
  local a, b, c, d = kit.rand(1, "x"), kit.rand(1, "x"), kit.rand(1, "y"), kit.rand(2, "x")
  local first = a()
  eq(b(), first)
  assert(c() ~= first and d() ~= first)
  for _ = 1, 1000 do
    local v = a()
    assert(v >= 0 and v < 1)
    local n = kit.int(a, 3, 5)
    assert(n >= 3 and n <= 5)
  end
  assert(kit.uuid(a):match "^%x+%-%x+%-4%x%x%x%-[89ab]%x%x%x%-%x+$")
  eq(#kit.uuid(a), 36)
end)

-- Requests -----------------------------------------------------------------------------------------------

test("queries and forms are decoded, repeated names become lists", function()
  eq(kit.form "a=1&b=x+y%26&b=2&c&=d", { a = "1", b = { "x y&", "2" }, c = "", [""] = "d" })
  local s = start()
  ask(s, "POST", "/count?q=a%2Bb", { body = "k=v", headers = { { "Content-Type",
      "application/x-www-form-urlencoded" } } })
  eq(s.state.req.query, { q = "a+b" })
  eq(s.state.req.form, { k = "v" })
end)

test("JSON is decoded by its type; what does not decode is left to the vendor", function()
  local s = start()
  ask(s, "POST", "/count", { body = '{"a":[1]}', headers = { { "Content-Type",
                                                               "application/json;charset=utf-8" } } })
  eq(s.state.req.json, { a = { 1 } })
  ask(s, "POST", "/count", { body = '{"a":', headers = { { "Content-Type", "application/json" } } })
  eq(s.state.req.json, nil)
  assert(s.state.req.json_error)
  ask(s, "POST", "/count", { body = '{"a":1}' })
  eq(s.state.req.json, nil)
end)

test("multipart is decoded, and a malformed one is not", function()
  local s = start()
  local body = table.concat({ "--b", 'Content-Disposition: form-data; name="file"; filename="a b.vbs"',
                              "Content-Type: text/plain", "", "one", "two", "--b",
                              'Content-Disposition: form-data; name="c"', "", "", "--b--", "" }, "\r\n")
  local type_ = { { "Content-Type", "multipart/form-data; boundary=b" } }
  ask(s, "POST", "/count", { body = body, headers = type_ })
  eq(s.state.req.multipart, { { name = "file", filename = "a b.vbs", type = "text/plain",
                                data = "one\r\ntwo" },
                              { name = "c", data = "" } })
  ask(s, "POST", "/count", { body = body:sub(1, 60), headers = type_ })
  eq(s.state.req.multipart, nil)
end)

test("headers are found whatever their case, repeated ones as a list", function()
  local s = start()
  ask(s, "GET", "/count", { headers = { { "X-A", "1" }, { "x-a", "2" }, { "Accept", "y" } } })
  eq(s.state.req.headers, { ["x-a"] = { "1", "2" }, accept = "y" })
end)

-- Routes -------------------------------------------------------------------------------------------------

test("path parameters are decoded after the path is split", function()
  local r = ask(start(), "PUT", "/things/a%2Fb%20c/parts/1")
  eq(r.status, 204)
  eq(header(r, "x-id"), "a/b c")
end)

test("a wrong method, a wrong path, an empty segment and a missing slash are the vendor's to refuse",
     function()
  local s = start()
  local r = ask(s, "DELETE", "/count")
  eq({ r.status, r.body }, { 405, "GET,POST" })
  eq(ask(s, "GET", "/counts").status, 404)
  eq(ask(s, "PUT", "/things//parts/1").status, 404)
  eq(ask(s, "GET", "/slash").status, 404)
  eq(ask(s, "GET", "/slash/").op, "slash")
  eq(ask(s, "GET", "/slash/?anonymous=1").op, nil)
end)

-- Replies ------------------------------------------------------------------------------------------------

test("JSON and the simulated date are put in, a type that is given stays", function()
  local r = ask(start(), "GET", "/count")
  eq(header(r, "content-type"), "application/json")
  eq(header(r, "date"), kit.http_date(T0))
  eq(r.body, '{"n":1}')
  eq({ r.delay, r.times, r.op }, { 0, 1, "count" })
end)

test("requests that are still being answered are counted as running", function()
  local s = start("toy#1=slow:10")
  ask(s, "GET", "/count")
  ask(s, "GET", "/count", { now = T0 + 5 })
  eq(s.state.req.running, 2)
  ask(s, "GET", "/count", { now = T0 + 11 })
  eq(s.state.req.running, 1)
  ask(s, "GET", "/count", { now = T0 + 11, running = 9 })
  eq(s.state.req.running, 9)
end)

test("two instances share nothing, and equal seeds make equal states", function()
  local a, b = start(), start()
  ask(a, "GET", "/count")
  eq(b.state.n, 0)
  eq(a.state.id, b.state.id)
  assert(make():start { world = {}, seed = 8 }.state.id ~= a.state.id)
end)

-- Faults -------------------------------------------------------------------------------------------------

test("each fault does, or does not do, what it says", function()
  local want = {                       -- fault → how often it was done, status, more
    ["429:3"] = { 0, 429 }, ["409"] = { 0, 409 }, ["5xx"] = { 0, 500 }, ["5xx:503"] = { 0, 503 },
    ["5xx:504"] = { 1, 504 },
    expire = { 0, 401 }, partial = { 1, 200 }, twice = { 2, 200 }, html = { 0, 503 },
    ["html:200"] = { 0, 200 },
    empty = { 1, 200 }, ["slow:4"] = { 1, 200 }, truncate = { 1, 200 }, ["huge:1"] = { 1, 200 },
    ["reset-before"] = { 0 }, ["reset-after"] = { 1 },
  }
  for fault, w in pairs(want) do
    local s = start("toy=" .. fault)
    local r = ask(s, "GET", "/count")
    eq(s.state.n, w[1], fault)
    eq(r.status, w[2], fault)
    eq(r.fault, fault)
    eq(r.op, "count")
  end
end)

test("the details of the faults", function()
  local function one(fault) return ask(start("toy=" .. fault), "GET", "/count") end
  eq(header(one "429:3", "retry-after"), "3")
  eq(one "slow:4".delay, 4)
  eq(one "reset-before".cut, "before")
  eq(one "reset-after".cut, "after")
  eq(one "truncate".truncate, #'{"n":1}' // 2)
  eq(one "empty".body, "")
  eq(one "html:200".body:sub(1, 14), "<!DOCTYPE html")
  local r = one "huge:2"
  eq(r.times * #r.body, 2 * 1024 * 1024)
  eq(one "twice".body, '{"n":2}')
  r = ask(start "toy=truncate", "PUT", "/things/1/parts/1")
  eq(r.cut, "after")                   -- a body that is empty cannot be cut
end)

test("what was done is counted, whatever was answered: by the log, or by what was taken on", function()
  local function writer(faults)
    return start(faults, { routes = {
      { "POST", "/note", "note", function(req, state)
        state.log[#state.log + 1] = { op = "note", at = req.now }
        return { status = 201 }
      end },
      { "POST", "/later", "later", function(req) req.took = true return { status = 202 } end },
      { "POST", "/no", "no", function() return { status = 409 } end },
    } })
  end
  local s = writer()
  eq(ask(s, "POST", "/note").did, 1)
  eq(ask(s, "POST", "/later").did, 1)
  eq(ask(s, "POST", "/no").did, 0)
  for fault, did in pairs { ["reset-before"] = 0, ["409"] = 0, ["5xx:504"] = 1, ["reset-after"] = 1, empty = 1,
                            twice = 2 } do
    eq(ask(writer("toy=" .. fault), "POST", "/note").did, did, fault)
    eq(ask(writer("toy=" .. fault), "POST", "/later").did, did, fault)
  end
end)

test("what is so is the declaration's to say; without it nothing is said, and of no facet", function()
  local facts, facets = start():truth(T0)
  eq(#facts + #facets, 0)
  local s = start("", { truth = function(state, now)
    return { { entity = "toy:thing:1", facet = "lit", state = now == T0 and state.n == 0 and "on" or "off" } }, { "lit" }
  end })
  facts, facets = s:truth(T0)
  eq(facts[1].state, "on")
  eq(facets[1], "lit")
end)

test("a vendor, an operation, the Nth call, a probability", function()
  local s = start "other=429,toy.put=429,toy.count#2=409"
  eq(ask(s, "GET", "/count").status, 200)
  eq(ask(s, "PUT", "/things/1/parts/1").status, 429)
  eq(ask(s, "GET", "/count").status, 409)
  eq(ask(s, "GET", "/count").status, 200)
  local function pattern(seed)
    local v, out = make():start { world = {}, seed = seed, faults = "toy@0.5=429" }, {}
    for i = 1, 40 do out[i] = ask(v, "GET", "/count").status end
    return table.concat(out, " ")
  end
  eq(pattern(1), pattern(1))
  assert(pattern(1) ~= pattern(2))
  assert(pattern(1):find "200" and pattern(1):find "429")
end)

test("of two rules that strike, the first one does", function()
  eq(ask(start "toy=409,toy=429", "GET", "/count").status, 409)
end)

test("#N counts the same whatever stands before it", function()
  local s = start "toy#1=409,toy#2=429"
  eq(ask(s, "GET", "/count").status, 409)
  eq(ask(s, "GET", "/count").status, 429)
end)

test("a vendor's own spelling wins, and may say that a fault means nothing here", function()
  local s = start("toy#1=429,toy#2=partial", { faults = {
    ["429"] = function(_, _, arg) return { status = 420, body = tostring(arg) } end,
    partial = function() return nil end,
  } })
  eq(ask(s, "GET", "/count").status, 420)
  eq(ask(s, "GET", "/count").status, 200)
end)

test("a wrong spec is told with its wrong part", function()
  for _, bad in ipairs { "toy", "toy=", "=429", "toy=nothing", "toy#0=429", "toy@2=429", "toy#x=429",
                         "toy=slow", "toy=5xx:a",
                         ".users=429", "toy users=429" } do
    local ok, e = pcall(kit.faults, "toy=429," .. bad)
    assert(not ok and e:find(bad, 1, true), bad .. ": " .. tostring(e))
  end
  eq(#kit.faults "", 0)
  eq(#kit.faults "a.b#2@0.5=slow:1.5, c=409", 2)
end)

test("a declaration without a needed part is refused", function()
  local ok, e = pcall(kit.sim, { vendor = "x", new = print, routes = {} })
  assert(not ok and e:find("none", 1, true), e)
end)

harness.done()
