-- parser_test.lua: what is Lua and what is not, with Lua's own compiler as the judge; where things stand; and
-- that no source, however deep or long, does more than fail.

package.path = "tests/lua/check/?.lua;" .. package.path
local tap = require "tap"
local lexer = require "check.lexer"
local parser = require "check.parser"
local test, same = tap.test, tap.same

local function tokens(source)
  local lex, out = lexer.new(source), {}
  repeat
    lex:next()
    out[#out + 1] = { kind = lex.kind, value = lex.value, from = lex.from, to = lex.to }
  until lex.kind == "eof"
  return out
end

local function problem(source)
  local tree, why = parser.parse(source)
  assert(not tree, "it was taken for Lua: " .. source)
  return ("%d:%d: %s"):format(why.line, why.column, why.message)
end

test("lexer: literals mean what they mean to Lua", function()
  for _, text in ipairs { "3", "3.0", "0x10", "0xA.8p1", "1e2", ".5", "9223372036854775807",
    "9223372036854775808",
                          "0xffffffffffffffff", "3.", "0x.1p-2", [["a\tb\\\"\065\x41\u{20AC}\z
                           c"]], "'it''s'", '"\\\n"', "[[\nfirst]]", "[==[ ]] ]==]", '"\\0"',
                           '"\\u{7FFFFFFF}"' } do
    if text ~= "'it''s'" then
      local t = tokens(text)
      local want = assert(load("return " .. text))()
      same(t[1].value, want, text)
      same(math.type(t[1].value), math.type(want), text)
      same(t[1].to, #text, text)
    end
  end
  same(tokens("[[a\r\nb\rc\n\rd]]")[1].value, "a\nb\nc\nd")
end)

test("lexer: what cannot be read says where", function()
  same(problem 'x = "abc', "1:5: unfinished string")
  same(problem 'x = "a\nb"', "1:5: unfinished string")
  same(problem 'x =\n  "\\q"', "2:4: invalid escape sequence '\\q'")
  same(problem 'x = "\\300"', "1:6: decimal escape too large: \\300")
  same(problem 'x = "\\x1"', "1:6: two hexadecimal digits are wanted after \\x")
  same(problem 'x = "\\u{110000000}"', "1:7: the UTF-8 value is too large")
  same(problem "x = 3x", "1:5: malformed number near '3x'")
  same(problem "x = 1..2", "1:5: malformed number near '1..2'")
  same(problem "x = [[abc", "1:5: unfinished long string")
  same(problem "--[[ abc\n", "1:3: unfinished long comment")
  same(problem "x = [=abc", "1:5: invalid long string delimiter")
  same(problem "x = 1 ? 2", "1:7: unexpected symbol near '?'")
  same(problem "x = \1", "1:5: unexpected symbol near '<\\1>'")
  same(problem "\u{FEFF}x = 1", "1:1: the file begins with a byte order mark: remove it")
end)

test("parser: errors have line, column, and what was expected", function()
  same(problem "if x then\n  y()\n", "3:1: 'end' expected (to close 'if' at line 1) near '<eof>'")
  same(problem "local function f(a,) end", "1:20: a name expected near ')'")
  same(problem "f(1", "1:4: ')' expected near '<eof>'")
  same(problem "x =", "1:4: unexpected symbol near '<eof>'")
  same(problem "x", "1:2: syntax error near '<eof>'")
  same(problem "f() = 1", "1:5: syntax error near '='")
  same(problem "local x <foo> = 1", "1:10: unknown attribute 'foo': there are const and close")
  same(problem "for i do end", "1:7: '=' or 'in' expected near 'do'")
  same(problem "return 1 x()", "1:10: '<eof>' expected near 'x'")
  same(problem "a.b:c = 1", "1:7: arguments of the function expected near '='")
  same(problem "{}", "1:1: unexpected symbol near '{'")
end)

test("parser: what it takes, Lua takes, and what it refuses, Lua refuses", function()
  local corpus = {
    "", ";;;", "return", "return;", "return 1, 2;", "local a <const>, b <close> = 1, nil", "goto x ::x::",
    "f{}[1]:g'x'.y = 3", "a.b['c'].d()", "local function f(...) return ... end", "function a.b.c:d(x) end",
    "x = -2^-3^2 .. 'a' .. 'b'", "x = not not a == b", "x = #t + ~5 ~ 3 // 2 << 1 >> 2 & 3 | 4",
    "x = {1, 2; 3, a = 1, [2] = 3, f(), ...}", "repeat local x until x", "for i = 1, 2, 3 do break end",
    "for a, b, c in d, e do end", "while true do end", "if a then elseif b then else end", "do end",
    "local function f() end", "x = function(a, ...) end", "(f)()", "(a or b).c = 1", "f'x'{}[[y]]",
    "::a:: ::b::",
    "local", "local 1", "local function a.b() end", "function f(", "x = = 1", "x = a b", "f(,)", "x = {,}",
      "x = {1,,}",
    "if a", "if a then", "while a", "while a do", "repeat", "repeat until", "for", "for i", "for i = 1",
    "for i = 1 do end",
    "for i in do end", "for a.b in c do end", "function", "function f", "function f()", "goto", "::a",
    "break 1",
    "return return", "x.1 = 2", "x:y = 2", "x:y", "a + b", "f(...", "local x <const", "local x <const> <close>",
    "x = 'a' 'b'", "x = {a = }", "x = {[1] 2}", "x = function end", "x = (1", "x = ()", "(a) = 1", "(a).b = 1",
    "a, b = 1", "a, f() = 1", "a, b.c, d[1] = 1, 2", "a,", "a, b", "local a, = 1", "x = ~", "x = 1 +",
    "x = + 1",
    "not a", "x = a.and", "x = {and = 1}", "x = a:b", "x = a:b 'c'", "elseif", "end", "until x", "x = ...",
    "function f(..., a) end", "function f(a b) end", "x = @", " #!x", "x = 1\n#!x", "x = 0x", "x = 1e",
    "x = 08", "x = a..b", "x = 1 ..2",
  }
  for _, source in ipairs(corpus) do
    local tree, why = parser.parse(source)
    local fn, message = load(source, "=x", "t")
    same(tree ~= nil, fn ~= nil, source .. " : " .. tostring(why and why.message) .. " / " .. tostring(message))
  end
end)

test("parser: a first line for the shell is passed by", function()
  local tree = assert(parser.parse "#!/usr/bin/env lua\nx = 1")
  same(parser.place(tree, tree.body[1]), 2)
  assert(parser.parse "#" and parser.parse "#!x")
end)

test("parser: all of the product's sources, each node within its text", function()
  for _, file in ipairs(tap.sources()) do
    local tree, why = parser.parse(file.source)
    assert(tree, why and ("%s:%d:%d: %s"):format(file.path, why.line, why.column, why.message))
    for tag, list in pairs(tree.all) do
      for _, n in ipairs(list) do
        assert(n.from >= 1 and n.to >= n.from and n.to <= #file.source, file.path .. ": a " .. tag)
        local first, last = file.source:sub(n.from, n.from), file.source:sub(n.to, n.to)
        assert(first:find "%S" and last:find "%S", file.path .. ": a " .. tag .. " begins or ends in the void")
      end
    end
  end
end)

test("parser: what a node's text is, by itself, is that node again", function()
  for _, file in ipairs(tap.sources()) do
    local tree, targets = assert(parser.parse(file.source)), {}
    for _, n in ipairs(tree.all.FunctionStat or {}) do targets[n.target] = true end       -- function a.b:c() …
    for _, tag in ipairs { "Call", "Index", "Binop", "Function", "Table", "Paren", "Unop", "Invoke",
      "String" } do
      for i, n in ipairs(tree.all[tag] or {}) do
        local text = file.source:sub(n.from, n.to)
        local part = (tag == "String" and not text:find "^[\"'%[]")                         -- { name = … }, a.name
                     or targets[n]
                     or (tag == "Function" and not text:find "^function%s*%(")             -- function name() …
        if not part and i % 7 == 0 then
          text = "return " .. text
          local again, why = parser.parse(text)
          assert(again, why and file.path .. ": " .. text .. ": " .. why.message)
          same(again.body[1].exprs[1].tag, tag, text)
        end
      end
    end
  end
end)

test("parser: a prefix of a program is Lua or an error, never a crash", function()
  local source = [==[
local a <const>, b = 1, "x\z
  y" -- c
for i = 1, #b do if a >= i and not (b == [[
z]]) then goto done elseif f{1, [2]=3;}:g "h" then return end ::done:: end
function m.n:o(p, ...) repeat local q = -p^2 // ... until q ~= 0x1p4 end]==]
  for n = 0, #source do
    local cut = source:sub(1, n)
    same(parser.parse(cut) ~= nil, load((cut:gsub("goto done", "          ")), "=x") ~= nil, cut)
  end
end)

test("parser: too deep is an error, long is not", function()
  local function nested(open, core, close, n) return "x = " .. open:rep(n) .. core .. close:rep(n) end
  assert(parser.parse(nested("(", "1", ")", 100)))
  for _, n in ipairs { 250, 100000 } do
    assert(problem(nested("(", "1", ")", n)):find "nested too deeply")
    assert(problem(nested("{", "1", "}", n)):find "nested too deeply")
    assert(problem(nested("- ", "1", "", n)):find "nested too deeply")
    assert(problem(nested("function() return ", "1", " end", n)):find "nested too deeply")
    assert(problem(("do "):rep(n) .. ("end "):rep(n)):find "nested too deeply")
    assert(problem("x = " .. ("a .. "):rep(n) .. "a"):find "nested too deeply")
  end
  assert(parser.parse("x = 1" .. (" + 1"):rep(50000)))
  assert(parser.parse("x = a" .. (".b"):rep(50000)))
  assert(parser.parse("x = a" .. (" and b"):rep(50000)))
  assert(parser.parse("f()" .. ("()"):rep(50000)))
  assert(parser.parse("if a then" .. (" elseif b then"):rep(20000) .. " end"))
end)

test("scope: a name means the nearest variable, or a global", function()
  local tree = assert(parser.parse [[
local x = 1
local x = x
local function f(y) x = y; return f, z end
for i = 1, i do print(i) end
repeat local u = 1 until u
do local w end
return w, f]])
  local by = {}
  for _, n in ipairs(tree.all.Name) do
    if not n.declares then
      local line, column = parser.place(tree, n)
      by[line .. ":" .. column .. " " .. n.name] = n.var and parser.place(tree, n.var.node) or "global"
    end
  end
  same(by["2:11 x"], 1)
  same(by["3:21 x"], 2)
  same(by["3:25 y"], 3)
  same(by["3:35 f"], 3)
  same(by["3:38 z"], "global")
  same(by["4:12 i"], "global")
  same(by["4:23 i"], 4)
  same(by["5:26 u"], 5)
  same(by["7:8 w"], "global")
  same(by["7:11 f"], 3)
  local var = tree.all.Local[2].names[1].var
  same(#var.writes, 1)
  same(#var.reads, 0)
end)

test("scope: functions and loops are known to what stands in them", function()
  local tree = assert(parser.parse [[
while a do
  b()
  local f = function() c() end
end
d()]])
  local loops = {}
  for _, n in ipairs(tree.all.Call) do loops[n.fn.name] = n.loop and n.loop.tag or "none" end
  same(loops.b, "While")
  same(loops.c, "none")
  same(loops.d, "none")
  same(tree.all.Function[1].loop.tag, "While")
end)

test("walk: in the order of the text, and past what is not wanted", function()
  local tree = assert(parser.parse "local a = f(b, { c = d, [e] = g }) if h then i() elseif j then k() else l() end")
  local seen = {}
  parser.walk(tree, function(n)
    if n.tag == "Name" then seen[#seen + 1] = n.name end
    return n.tag ~= "Table"
  end)
  same(table.concat(seen, " "), "f b h i j k l")
  seen = {}
  parser.walk(tree.body, function(n) if n.tag == "Name" then seen[#seen + 1] = n.name end end)
  same(table.concat(seen, " "), "f b d e g h i j k l")
end)

tap.done()
