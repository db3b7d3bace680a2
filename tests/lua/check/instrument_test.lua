-- instrument_test.lua: a plan's source does what the plain one does, step by step; it stands on the same
-- lines; and wherever a value decides something, an opaque one raises.

package.path = "tests/lua/check/?.lua;" .. package.path
local tap = require "tap"
local instrument = require "check.instrument"
local test, same = tap.test, tap.same

local function lines(text) return select(2, text:gsub("\n", "\n")) end

local function instrumented(source)
  local out, why = instrument.source(source)
  return assert(out, why and why.message)
end

-- Runs a source; what it returned or raised, and what it traced, as one text.
local function outcome(source, helper)
  local trace = {}
  local function t(name, ...)
    trace[#trace + 1] = name
    return ...
  end
  local object = setmetatable({}, { __eq = function() return t("eq", true) end,
                                    __lt = function() return t("lt", coroutine.yield "lt") end,
                                    __le = function() return t("le", false) end,
                                    __index = function(_, k) return t("index " .. tostring(k), k) end })
  local other = setmetatable({}, getmetatable(object))
  local env = setmetatable({ t = t, o = object, p = other, [instrument.helper] = helper }, { __index = _G })
  local fn, why = load(source, "=x", "t", env)
  if not fn then return "does not compile: " .. why end
  local co = coroutine.create(fn)
  local results = table.pack(coroutine.resume(co, 1, nil, "three"))
  while coroutine.status(co) == "suspended" do results = table.pack(coroutine.resume(co, true)) end
  for i = 1, results.n do results[i] = tostring(results[i]):gsub("0x%x+", "ADDRESS") end
  return table.concat(results, " ", 1, results.n) .. " | " .. table.concat(trace, " ")
end

local function known(v) return v end

-- Both have the same outcome.
local function both(source)
  local out = instrumented(source)
  same(lines(out), lines(source), source)
  same(outcome(out, known), outcome(source), source .. "\n---\n" .. out)
end

local PROGRAMS = {
  "return 1 == 1, 1 ~= 2, 'a' < 'b', 2 <= 1, 3 > 2, 2 >= 2",
  "local a, b, c = ... return a == 1, b == nil, c == 'three', ... == 1",
  "return t('a', 1) == t('b', 1), t('c', 1) < t('d', 2)",
  "return (t('a', 1, 2)) == t('b', 1, 3)",
  "return t('a') == nil, nil == t('b'), t('c') or t('d', 4, 5)",
  "return t('a', false) and t('b', 1) or t('c', 2) and t('d', nil)",
  "return not t('a', nil), not not t('b', 1), not (t('c', 1) and t('d', nil))",
  "if t('a', nil) then t 'b' elseif t('c', 1) then t 'd' else t 'e' end",
  "local i = 0 while t('w', i < 3) do i = i + 1 if i == 2 then goto next end t(i) ::next:: end return i",
  "local n = 0 repeat local x = t('r', n) n = n + 1 until x == 2 and t('u', true) return n",
  "return o == p, o ~= p, o == o, o < p, o <= p, o > p, o >= p",
  "return pcall(function() return 1 < 'a' end)",
  "return pcall(function() return {} < {} end)",
  "return pcall(function() local q return q.x == 1 end)",
  "return pcall(function() return q.x.y and 1 end)",
  "return pcall(function() local q = {} if q.x.y then end end)",
  "return pcall(function() return (t('a') or q)() == 1 end)",
  "local function f(...) return select('#', ...) end return f(t('a', 1, 2, 3)), f((t('b', 1, 2))), f(t('c', 1) or 2)",
  "local function f(...) return select('#', ...), ... == nil end return f(), f(nil), f(1, 2)",
  "local function f(...) if ... then return 'some' end return 'none' end return f(), f(false), f(1), f(nil, 1)",
  "local function f(...) return not ... and 'none' or ... end return f(), f(false), f(1, 2), f(nil, 1)",
  "local s = 'abc' return s:upper() == 'ABC', s:len() < 4 and s:rep(2), #s == 3, s .. s == 'abcabc'",
  "local x = { [t('k', 'a')] = 1, [1] = 2, b = 3, 4, [t('l', 'c') or 'd'] = 5 } return x.a, x.b, x.c, x[1], x[t('m', 'b')]",
  "local x = {} x[t('a', 1)] = t('b', 2) x[t('c', 2)], x[t('d', 3)] = t('e', 3, 4) return #x, x[1], x[2], x[3]",
  "local s = 0 for i = t('a', 1), t('b', 10), t('c', 3) do s = s + i end for i = 3, 1, -1 do s = s * i end return s",
  "local s = '' for i = t('a', 1, 9), (t('b', 2)) do s = s .. i end return s",
  "for k, v in pairs { 1 } do if k == v then t('same') end end",
  "local a = 1 -- a == b\nlocal b = [[\nif x == y then\n]] return a == 1 -- c\n and b ~= '' or nil",
  "return t('a', 1)\n==\nt('b', 2)\nor\nnot\nt('c')",
  "local f = function(a) return a end return f{1}[1] == 1, f'x' == 'x', f[[y]]\n== 'y', (f)(1) == 1",
  "return((t)('a'))==nil and(t)('b')or(1)",
  "local x=1 if(x)then t'p'end if not(x)then t'q'end while(nil)do end return x==(1)and'yes'or'no'",
  "local function f(...) if...then return 1 end return not...and 2 end return f(), f(3)",
  "local x <const> = 5 local y <close> = nil if x == 5 and not y then return x end",
  "local r = {} for _, f in ipairs { 1, 2, 3 } do r[#r + 1] = function() return f == 2 and 'two' or f end end "
    .. "return r[1](), r[2](), r[3]()",
  "return (function(n) if n == 0 then return 'deep' end return 'no' end)(0)",
  "local function loop(n) if n == 0 then return t('end', 1, 2) end return loop(n - 1) end return loop(100000)",
  "local a, b = 1, 2 a, b = b, a == 1 and b or a return a, b",
  "local m = {} function m.a.b() end",
  "local m = { n = {} } function m.n:f(x) return self == m.n and x end return m.n:f(t('a', 1, 2))",
  "error({ code = 1 == 1 and 'x' })",
  "return 1 < 2 == true, (1 < 2) == (3 < 4), not (1 == 2) == true, not 1 == 2",
  "return -1 ^ 2 == -1, 2 ^ 3 ^ 2 > 500, 'a' .. 'b' .. 'c' == 'abc', 1 .. '' == '1', 7 // 2 == 3 and ~0 == -1",
  "local t2 = setmetatable({}, { __call = function(_, a) return a, 2 end }) return t2(1) == 1, t2(nil) or 3",
  "return coroutine.wrap(function() return coroutine.yield(1) == 2 end)() == 1",
  "return select('#', t('a') == 1, t('b') and 1)",
  "::top:: do local i = (i or 0) if i == 0 then end end return 'done'",
}

test("instrument: the same results, in the same order", function()
  for _, source in ipairs(PROGRAMS) do both(source) end
end)

-- A program of chance: expressions nested at will, each leaf traced.
local function generator(seed)
  local state = seed
  local function roll(n)
    state = (state * 1103515245 + 12345) % 2147483648
    return (state >> 8) % n + 1
  end
  local count = 0
  local LEAVES = { "nil", "true", "false", "1", "2", "'x'", "a", "b", "...", "{}", "o" }
  local BINARY = { "and", "or", "==", "~=", "and", "or", "..", "<" }
  local expression
  local function leaf()
    count = count + 1
    local what = LEAVES[roll(#LEAVES)]
    if roll(3) == 1 then return what end
    return ("t('%d', %s)"):format(count, what)
  end
  function expression(depth)
    if depth == 0 or roll(6) == 1 then return leaf() end
    local kind = roll(8)
    if kind == 1 then return "not " .. expression(depth - 1) end
    if kind == 2 then return "(" .. expression(depth - 1) .. ")" end
    if kind == 3 then return "({ [" .. expression(depth - 1) .. " or 1] = 2, 5 })[" .. expression(depth - 1) .. "]" end
    if kind == 4 then return "(function(...) return " .. expression(depth - 1) .. " end)(" .. expression(depth - 1) .. ")" end
    return expression(depth - 1) .. (roll(5) == 1 and "\n" or " ") .. BINARY[roll(#BINARY)] .. " " .. expression(depth - 1)
  end
  local function statement(depth)
    local kind = roll(6)
    if kind == 1 then return "if " .. expression(depth) .. " then a = 1 elseif " .. expression(depth) .. " then b = 2 end" end
    if kind == 2 then return "for i = 1, 3 do if " .. expression(depth) .. " then break end t(i) end" end
    if kind == 3 then return "do local n = 0 repeat n = n + 1 until n > 2 or " .. expression(depth) .. " end" end
    if kind == 4 then return "do local n = 0 while n < 2 and (" .. expression(depth) .. ") do n = n + 1 end end" end
    if kind == 5 then return "t('call', " .. expression(depth) .. ")" end
    return "a, b = " .. expression(depth) .. ", " .. expression(depth)
  end
  return function()
    local parts = { "local a, b = 1, nil" }
    for _ = 1, 1 + roll(4) do parts[#parts + 1] = statement(3) end
    parts[#parts + 1] = "return " .. expression(4) .. ", a, b"
    return table.concat(parts, "\n")
  end
end

test("instrument: the same results, in programs of chance", function()
  local make = generator(20261124)
  local compiled = 0
  for _ = 1, 3000 do
    local source = make()
    if load(source) then compiled = compiled + 1 end
    both(source)
  end
  assert(compiled > 2900, compiled)
end)

test("instrument: all of the product's sources compile, on the same lines", function()
  for _, file in ipairs(tap.sources()) do
    local out = instrumented(file.source)
    same(lines(out), lines(file.source), file.path)
    assert(load(out, "@" .. file.path, "t"))
  end
end)

-- Where an opaque value decides -------------------------------------------------------------------------

local OPAQUE = setmetatable({}, { __name = "opaque", __index = function() error "unknown" end })

local function strict(v)
  if rawequal(v, OPAQUE) then error("unknown", 0) end
  return v
end

local function with_opaque(source)
  local env = setmetatable({ x = OPAQUE, yes = true, f = function() return OPAQUE end,
    [instrument.helper] = strict },
                           { __index = _G })
  local fn = assert(load(instrumented(source), "=x", "t", env))
  return pcall(fn, OPAQUE)
end

test("instrument: wherever a value decides, an opaque one raises", function()
  for _, source in ipairs {
    "if x then end", "if yes and x then end", "if nil then elseif x then end", "if (x) then end",
    "if not x then end",
    "while x do end", "while yes and x do end", "repeat until x", "repeat until not (yes and x)",
    "return x == 1", "return 1 == x", "return x == x", "return x ~= nil", "return nil == x", "return x < 1",
    "return 1 <= x",
    "return x > x", "return x >= 1", "return x and 1", "return x or 1", "return (x or 1)", "return not x",
    "return (nil or x) == 1", "return (yes and x) and 1", "return (yes and x) or 1", "return f() == 1",
    "return (f()) == 1",
    "return f() and 1", "if f() then end", "local a = x if a then end", "local t = { x } if t[1] then end",
    "if ... then end", "return ... == 1", "return ... and 1", "local t = {} return t[x]",
    "local t = {} t[x] = 1",
    "return { [x] = 1 }", "local t = {} return t[nil or x]", "for i = x, 2 do end", "for i = 1, f() do end",
    "for i = 1, 2, x do end", "return x.y == 1", "if yes and (nil or (yes and x)) then end",
    "local t = { a = { b = x } } return t.a.b == 'c'",
    "local s = { m = function() return x end } if s:m() then end",
    "return function() return x end == nil or not f()",
  } do
    local ok, why = with_opaque(source)
    assert(not ok and tostring(why):find "unknown",
      source .. ": " .. tostring(why) .. "\n" .. instrumented(source))
  end
end)

test("instrument: an opaque value may be passed on, stored and returned", function()
  for _, source in ipairs {
    "local a = x local t = { a, b = a, [1 + 1] = x } t.c = x return t, a, f()", "return yes and x",
    "return nil or x",
    "return (x)", "local function g(...) return ... end return g(x, f())", "local a <const> = x return a",
    "return { yes and x, nil or f() }", "if yes then return x end", "return select(1, x)",
    "return yes == (yes and true)",
  } do
    local ok, why = with_opaque(source)
    assert(ok, source .. ": " .. tostring(why))
  end
end)

test("instrument: what cannot be seen through is refused, with its place", function()
  local function refused(source)
    local out, why = instrument.source(source)
    assert(out == nil, source)
    return ("%d:%d: %s"):format(why.line, why.column, why.message)
  end
  same(refused "local a = 1\nlocal _ENV = {}", "2:7: a script with an _ENV of its own cannot be planned")
  same(refused "return function(_ENV) end", "1:17: a script with an _ENV of its own cannot be planned")
  same(refused "_ENV = {}", "1:1: a script with an _ENV of its own cannot be planned")
  same(refused "for _ENV in f do end", "1:5: a script with an _ENV of its own cannot be planned")
  same(refused "return __lnL_known", "1:8: the name __lnL_known is the runtime's own")
  same(refused "local function __lnL_known() end", "1:16: the name __lnL_known is the runtime's own")
  same(refused "return return", "1:8: unexpected symbol near 'return'")
  assert(instrument.source "return _ENV.x == 1")
end)

test("instrument: long chains stay flat", function()
  for _, source in ipairs {
    "return a" .. (" and a"):rep(20000), "return a" .. (" or a"):rep(20000), "return a" .. (" == a"):rep(150),
    "if a" .. (" and a or a"):rep(5000) .. " then end", "return " .. ("not "):rep(150) .. "a",
  } do
    assert(load(instrumented(source)), source:sub(1, 40))
  end
end)

tap.done()
