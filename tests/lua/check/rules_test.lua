-- rules_test.lua: each rule: something that it finds, where, and something near it that it leaves alone.

package.path = "tests/lua/check/?.lua;" .. package.path
local tap = require "tap"
local check = require "check.init"
local near = require "check.near"
local types = require "check.types"
local test, same = tap.test, tap.same

-- What there is: a small world, told as the program tells the real one ----------------------------------

local function set(text)
  local out = {}
  for name in text:gmatch "%S+" do out[name] = true end
  return out
end

local globals = set [[assert error getmetatable ipairs next pairs pcall print rawequal rawget rawlen rawset select
  setmetatable tonumber tostring type xpcall require playbook stage found not_done evidence approve approved ask step
  map parallel only contains where each all_ok sleep await_until now ago random uuid fail try blob run]]
globals.string = { "format", "find", "gsub", "lower", "rep" }
globals.table = { "concat", "insert", "remove", "sort", "unpack", "pack" }
globals.math = { "floor", "max", "min", "huge" }
globals.attack = { "is", "under" }
globals.store = { "get", "set", "incr", "delete", "list" }
globals.log = { "info", "warn", "error" }

local function params(text)
  local out = {}
  for name, kind in text:gmatch "([%w_]+):([^;]+);" do out[#out + 1] = { name = name, type = kind } end
  return out
end

local known = {
  globals = globals,
  absent = { os = "now() is the time", io = "there is file" },
  modules = { json = { "encode", "decode", "null", "array" }, store = { "get", "set" }, file = { "write",
    "read" },
              time = { "parse", "format" } },
  connectors = {
    acme = { operations = {
      users  = { class = "read", move = "note", list = true, select = { "login", "search" }, uses = {},
                 params = params "login:string?;search:string?;status:one of ACTIVE GONE?;" },
      user   = { class = "read", move = "note", list = false, select = {}, uses = {},
        params = params "id:string;" },
      block  = { class = "write", move = "confine", list = false, select = {}, uses = {},
                 params = params "file:table?;sha256:sha256?;name:string?;hosts:[string]?;" },
      lift   = { class = "write", move = "free", list = false, select = {}, uses = {},
                 params = params "id:string;count:integer = 1;after:duration?;since:time?;deep:boolean?;at:ip?;" },
      watch  = { class = "write", move = "note", list = false, select = {}, uses = {},
        params = params "file:table;" },
      sweep  = { class = "flow", move = "note", list = false, select = {}, uses = { "acme.users",
        "acme.block" },
                 params = params "id:string;" },
    } },
    other = { operations = { ping = { class = "read", move = "note", list = false, select = {}, uses = {},
                                      params = {} } } },
    broken = { error = "stdlib/connectors/broken.lua: operations.x: no path" },
  },
}

local LIBRARY = {
  { module = "pack.helper", source = [[
    local acme = require "connectors.acme"
    local helper = {}
    local function inner(id) return acme.user { id = id } end
    function helper.look(id) return inner(id) end
    function helper.pure(x) return x end
    return helper]] },
  { module = "pack.stage", source = [[
    return playbook { name = "pack.stage", summary = "s", uses = {}, input = { host = "string", deep = "boolean = false" },
                      run = function(input) return input.host end }]] },
}

-- Findings of one source, as "LINE:COL rule" each.
local function findings(source, module)
  local sources = { { path = "sample.lua", module = module or "sample", source = source, report = true } }
  for _, f in ipairs(LIBRARY) do
    sources[#sources + 1] = { path = f.module, module = f.module, source = f.source, report = false }
  end
  return check.run(known, sources)
end

local function told(source, module)
  local out = {}
  for i, f in ipairs(findings(source, module)) do out[i] = ("%d:%d %s"):format(f.line, f.column, f.rule) end
  return table.concat(out, ", ")
end

local seen = {}

-- In each source of `bad` the rule finds what follows "@", and nothing else is found; in those of `good`
-- nothing.
local function rule(name, bad, good)
  seen[name] = true
  test(name, function()
    for _, marked in ipairs(bad) do
      local at = assert(marked:find("@", 1, true), marked)
      local source = marked:gsub("@", "", 1)
      local _, line = source:sub(1, at - 1):gsub("\n", "")
      local column = at - (source:sub(1, at - 1):match ".*()\n" or 0)
      same(told(source), ("%d:%d %s"):format(line + 1, column, name), source)
    end
    for _, source in ipairs(good) do same(told(source), "", source) end
  end)
end

local ACME = 'local acme, input = require "connectors.acme", ...\n'

-- The same with the connector at hand.
local function acme_rule(name, bad, good)
  for i, source in ipairs(bad) do bad[i] = ACME .. source end
  for i, source in ipairs(good) do good[i] = ACME .. source end
  rule(name, bad, good)
end

-- A playbook: its fields besides the needed ones, what run does, what it uses.
local function play(fields, body, uses)
  return ('local acme = require "connectors.acme"\nreturn playbook { name = "sample", summary = "s",\nuses = { %s },\n'
          .. '%s\nrun = function(input)\n%s\nend }'):format(uses or '"acme"', fields, body)
end

-- Names -------------------------------------------------------------------------------------------------

rule("syntax", { "local a = 1 if @+ then end", "local x = (1\n@", "local x = 1\n\n@goto nowhere",
  "@local x <const> = 1 x = 2" },
     { "return 1", "#!/usr/bin/env lunette\nreturn 1" })

rule("unknown-global", { "return @mpa({}, print)", "local f = function()\n  @os.exit()\nend return f" },
     { "local mpa = map return mpa", "return function(os) return os.exit end", "return _ENV" })

rule("global-assigned", { "@x = 1", "function @f() end", "local y y, @x = 1, 2" },
     { "local x x = 1 return x", "local t = {} t.x = 1 function t.f() end return t" })

rule("unknown-module", { 'return require @"jsn"', 'require(@"connectors.amce")',
  'local x = (require) @"pack.helpr" return x',
                         play("", 'stage(@"nowhere.stage")', ""), play("", 'stage(@"pack.helper", {})',
                           '"pack.*"') },
     { 'return require "json"', 'return require "pack.helper"', 'local n = "x" return require(n)' })

rule("unknown-member", { "return string.@fromat", 'local j = require "json" return j.@encod({})',
                         'local h = require "pack.helper" h.@lok()', 'return require("json").@foo',
                         "log.@wran()" },
     { "return string.format", 'local h = require "pack.helper" return h.look',
       "local string = {} return string.x",
       'local j = require "json" j = {} return j.encod', "local t = table return t.concat" })

-- Operations --------------------------------------------------------------------------------------------

acme_rule("unknown-operation", { "acme.@usr {}", "local x, y = try(acme.@usr, {}) return x, y",
  "local f = acme.@blok return f" },
          { 'return acme.user { id = "x" }', 'local b = require "connectors.broken" b.any {}',
            "return function(acme) acme.x {} end" })

acme_rule("unknown-argument", { 'acme.user { id = 1, @ident = "x" }', "local a = { @ident = 1 } acme.user(a)" },
          { 'acme.user { id = "x", as = "name", timeout = "5s" }', "local x = {} acme.user(x)",
            "local k = ... acme.user { id = 'x', [k] = 1 }" })

acme_rule("missing-argument", { 'acme.@user { as = "x" }', "acme.@user()", "acme.@user { id = nil }",
  "pcall(acme.@user)" },
          { 'acme.lift { id = "x" }', "return acme.user", "local a = {} a.id = 1 acme.user(a)" })

acme_rule("wrong-argument", {
  "acme.user { id = @true }", 'acme.user { id = @"" }', "acme.user { id = @1.5 }", "acme.user { id = @{} }",
  'acme.users { login = "x", status = @"HERE" }', 'acme.block { sha256 = @"ab" }',
  'acme.lift { id = "x", count = @1.5 }',
  'acme.lift { id = "x", count = @"many" }', 'acme.lift { id = "x", deep = @1 }',
  'acme.lift { id = "x", deep = @"yes" }',
  'acme.lift { id = "x", since = @"yesterday" }', 'acme.lift { id = "x", since = @-1 }',
  'acme.lift { id = "x", at = @"host" }',
  'acme.lift { id = "x", after = @"1h30m" }', "acme.block { hosts = @{} }",
  'acme.block { hosts = { "a", @"" } }',
  'acme.block { file = @"x" }', 'acme.lift { @"x", id = "y" }', 'acme.lift @"x"',
  'acme.user { id = @function() end }',
  'acme.user { id = "x", as = @{} }', 'acme.users { login = "x", limit = @"all" }',
}, {
  'acme.lift { id = 12, count = "3", deep = "true", since = "2026-01-01T00:00:00Z", at = "10.0.0.1", after = 3 }',
  'acme.block { hosts = "one", sha256 = ("a"):rep(64), file = { path = "x" } }',
  'acme.block { hosts = { "a", input.b } }',
  'acme.lift { id = "x", wait = false, lease = "8h", count = nil }',
  'acme.lift { id = input, deep = input == 1, at = "::1" }',
})

acme_rule("no-selector", { 'acme.@users { status = "ACTIVE" }', "acme.@users {}",
  "for u in each(acme.@users) do print(u) end",
                           "acme.@users { login = nil }" },
          { "acme.users { all = true }", "acme.users { login = ... }", "local a = ... acme.users(a)" })

-- Playbooks ---------------------------------------------------------------------------------------------

rule("playbook-field", {
  'return playbook { name = "sample", summary = "s", @usess = {}, uses = {}, run = print }',
  'return @playbook { name = "sample", uses = {} }',
  'return @playbook { run = print }',
  'return playbook { name = @{}, summary = "s", uses = {}, run = print }',
  'return playbook { name = "sample", summary = "s", uses = {}, run = @"f" }',
  'return playbook { @"sample", name = "sample", summary = "s", uses = {}, run = print }',
  'return playbook { name = "sample", summary = "s", uses = {}, run = print,\n  input = { a = @"strng" } }',
  'return playbook { name = "sample", summary = "s", uses = {}, run = print,\n  input = { @"a" } }',
  'return playbook { name = "sample", summary = "s", uses = {}, run = print,\n  input = { @a = 1 } }',
  'return playbook { name = "sample", summary = "s", uses = {}, run = print,\n  input = { a = @"integer = x" } }',
}, {
  'return playbook { name = "sample", summary = "s", uses = {}, run = print, input = { a = "[host]?", b = "one of x y = x" } }',
  'local run = function() end return playbook { name = "sample", summary = "s", uses = {}, run = run }',
  "local p = ... return playbook(p)",
})

rule("not-granted",
  { 'local acme = require "connectors.acme"\nreturn playbook { name = "sample", run = function()\n@acme.user { id = 1 } end }' },
     { 'return playbook { name = "sample", run = print }' })

rule("playbook-name", { 'return playbook { name = @"smaple", summary = "s", uses = {}, run = print }' },
     { 'return playbook { name = "sample", summary = "s", uses = {}, run = print }' })

rule("unknown-use", { play("", "return input", '@"acme.usr"'), play("", "return input", '@"none.*"'),
  play("", "return input", '@"fiel"') },
     { play("", 'acme.user { id = "x" }', '"acme.user"'), play("", 'stage("pack.stage", {})', '"pack.*"') })

rule("not-granted", {
  play("", '@acme.user { id = "x" }', ""), play("", 'map({}, @acme.block)', ""),
  play("", 'local h = require "pack.helper" @h.look(1)', ""), play("",
    'local f = require "file" @f.read "x"', ""),
  play("", 'stage(@"pack.stage", { host = "x" })', ""), play("",
    'local h = require "pack.helper" return try(@h.look, 1)', ""),
}, {
  play("", 'acme.user { id = "x" }', '"acme.user"'), play("", 'acme.user { id = "x" }', '"acme"'),
  play("", 'local h = require "pack.helper" h.pure(1)', ""), play("", 'stage("pack.stage", { host = "x" })',
    '"pack.*"'),
  play("", 'acme.sweep { id = "x" }', '"acme.sweep"'), play("", 'local j = require "json" j.encode {}', ""),
})

rule("unused-use", { play("", "return input", '@"acme"'), play("", 'acme.user { id = "x" }',
  '"acme.user", @"acme.users"') },
     { play("", 'local h = require "pack.helper" h.look(1)', '"acme.user"'), play("",
       "return acme[input.x] {}", '"acme"'),
       play("", 'return require("connectors." .. input.x)', '"acme"'), play("", "return print(acme)",
         '"acme"') })

rule("stage-input", { play("", 'stage("pack.stage", { @hots = "x" })', '"pack.*"'), play("",
  'stage("pack.stage", { deep = @"x" })', '"pack.*"'),
                      play("", 'stage("pack.stage", { host = @true })', '"pack.*"') },
     { play("", 'stage("pack.stage", { host = input.x, deep = true })', '"pack.*"'), play("",
       "stage(input.x, { y = 1 })", "") })

rule("unknown-id", { play('d3fend = { @"FEV" },', "return input", ""), play('d3fend = { @"D3-XYZZY" },',
  "return input", ""),
                     play('attack = { @"1059" },', "return input", ""), play('attack = { @"T1059.099" },',
                       "return input", ""),
                     'return attack.is @"T59"' },
     { 'return attack.is "T1486"', 'return attack.is "T1059.001"',
       play('d3fend = { "D3-FEV" }, attack = { "T1059" },', "return input", "") })

rule("retired-id", { 'return attack.is @"T1086"', 'return attack.under({}, @"T1064")',
  play('d3fend = { @"D3-FR" },', "return input", "") },
     { 'return attack.under({}, "T1059")' })

-- Durations, steps --------------------------------------------------------------------------------------

acme_rule("bad-duration", {
  'sleep @"1h30m"', 'await_until(function() end, { every = "5s", timeout = @"soon" })',
  'acme.lift { id = "x", timeout = @"1" }',
  'approve { title = "x", expires = @"1 hour" }', 'store.set("k", 1, { ttl = @"a" })',
  'local d = @"5 m" sleep(d)',
}, { 'sleep "90m"', "sleep(5)", "sleep(...)", 'return ago "7d"',
'await_until(function() end, { every = "500ms" })' })

rule("bad-duration", { play('every = @"1 day",', "return input", ""),
  play('input = { a = @"duration = 1h30m" },', "return input", "") },
     { play('every = "1d", input = { a = "duration = 30d" },', "return input", "") })

acme_rule("effect-in-step", {
  'step("x", function() return @acme.user { id = "x" } end)', 'step("x", function() @sleep(1) end)',
  'local function work() return @store.get "x" end step("w", work)',
  'step("x", function() return @map({}, print) end)',
}, { 'step("x", function() return ("x"):rep(3) end)', 'acme.user { id = "x" } step("x", function() end)' })

rule("step-assigns", { 'local x\nstep("x", function() @x = 1 end) return x',
  'local t = {}\nstep("x", function() @t.a[1] = 1 end) return t',
  'local n = 0\nawait_until(function() @n = n + 1 return n > 3 end) return n' },
     { 'step("x", function() local y y = 1 local t = {} t.x = y return function() y = 2 end end)',
       'local n = 0\nawait_until(function() n = n + 1 return n > 3 end)' })

rule("acts-in-on", { play("on = function(a) return @acme.user { id = a.id } end,",
  "return acme.user { id = 1 }"),
                     play('key = function(a) @store.set("x", a) end,', "return acme.user { id = 1 }") },
     { play("on = function(a) return store.get(a.id) ~= nil end,", "acme.user { id = 1 }") })

acme_rule("poll-writes", { 'await_until(function() return @acme.lift { id = "x" } end)',
  'await_until(function() return @acme.sweep { id = "x" } end)',
                           'local function poll() @store.set("x", 1) end await_until(poll)' },
          { 'await_until(function() return acme.user { id = "x" } end)',
            'await_until(function() return store.get "x" end)' })

-- What may be absent ------------------------------------------------------------------------------------

local function playbook_rule(name, bad, good)
  local function around(list)
    local out = {}
    for i, source in ipairs(list) do
      out[i] = 'local acme = require "connectors.acme"\nreturn playbook { name = "sample", summary = "s", uses = { "acme" },\n'
            .. '  input = { alert = "alert", who = "user", hash = "sha256?", sure = "string", some = "string = x" },\n'
            .. "  run = function(input) local a = input.alert\n" .. source .. "\nend }"
    end
    return out
  end
  rule(name, around(bad), around(good))
end

playbook_rule("maybe-absent", {
  "acme.lift { id = @a.process.pid }",
  "acme.lift { id = @input.alert.device.hostname }",
  "local d = a.device acme.block { file = { sha256 = @d.hash } }",
  "acme.lift { id = @(a.device or {}).agent_id }",
  "acme.lift { id = @input.hash }",
  "acme.lift { id = @input.who.email }",
  "if a.device then acme.lift { id = @a.device.hostname } end",
  "local _, e = try(acme.lift, { id = @a.user.name }) print(e)",
}, {
  "acme.lift { id = a.id }",
  "acme.lift { id = input.sure, as = input.some }",
  "acme.user { id = a.process.pid }",
  'acme.lift { id = a.process.pid or "x" }',
  "if a.process.pid then acme.lift { id = a.process.pid } end",
  "if not input.hash then return nil end acme.lift { id = input.hash }",
  "assert(a.user.name) acme.lift { id = a.user.name }",
  "acme.lift { id = a.process and a.process.pid }",
  "local pid = a.process.pid if pid ~= nil then acme.lift { id = pid } end",
})

playbook_rule("maybe-no-selector", {
  "return acme.@users { login = input.who.email }",
  "return acme.@users { login = a.user.name, search = input.hash, status = \"ACTIVE\" }",
}, {
  "return acme.users { login = input.sure }",
  "return acme.users { login = a.user.name, search = input.sure }",
  'return acme.users { login = input.who.email or "x" }',
  "if input.who.email then return acme.users { login = input.who.email } end",
  "return acme.users { login = input.who.email, all = true }",
})

-- What a write acts on ----------------------------------------------------------------------------------

acme_rule("first-match", {
  'local u = acme.users { login = "x" }[1] acme.@lift { id = u.id }',
  'local list = acme.users { login = "x" } local u = list[1] acme.@lift { id = u.id }',
  'local u u = acme.users { login = "x" }[1] or {} local id = u.id acme.@lift { id = "user " .. id }',
  'local _, e = try(acme.@block, { file = { id = acme.users { login = "x" }[1].id } }) print(e)',
  'acme.@sweep { id = (acme.users { login = "x" })[1].id }',
}, {
  'local u = only(acme.users { login = "x" }) acme.lift { id = u.id }',
  'local u = acme.users { login = "x" }[1] return acme.user { id = u.id }',
  'local u = acme.users { login = "x" }[1] acme.lift { id = "x", deep = u ~= nil and not u }',
  'local u = acme.users { login = "x" }[1] acme.lift { id = input.sure(u) }',
  'local list = input.list local u = list[1] acme.lift { id = u.id }',
})

acme_rule("interpreter-hash", {
  "acme.@block { sha256 = input.alert.process.sha256 }",
  "local p = input.process acme.@block { file = { sha256 = p.sha256 } }",
  "acme.@block { file = input.alert.process }",
  "local h = input.process.sha256 or input.process.sha1 acme.@block { sha256 = h }",
}, {
  "acme.watch { file = input.alert.process }", "acme.block { sha256 = input.process.script.sha256 }",
  "acme.block { file = input.files[2] }", "acme.block { file = input.subject(input.process) }",
  "return input.process.sha256",
})

-- Habits ------------------------------------------------------------------------------------------------

rule("approve-condition", { 'if @approve { title = "x" } then end',
  'local yes = approve { title = "x" }\nif 1 and (not @yes) then end',
                            'while nil or @approve { title = "x" } ~= nil do end' },
     { 'local a = approve { title = "x" } return a.by', 'if ask { title = "x" } == "yes" then end',
       'local a = approve { title = "x" } if a.by == "me" then end' })

rule("dropped-error", { "@try(print)", "local x = @try(print) return x",
  "local x, y = @try(print) return x", "local x\nx = @try(print) return x" },
     { "local x, y = try(print) return x, y", "return try(print)", "local x, _ = try(print) return x",
       "print(try(print))",
       "local x, y x, y = try(print) return x, y", "local t, _ = {}, nil _, t.e = try(print) return t" })

acme_rule("unnamed-writes", { 'for i = 1, 3 do acme.@lift { id = i } end',
  'while input do local x, y = try(acme.@lift, { id = "x" }) print(x, y) end' },
          { 'for i = 1, 3 do acme.lift { id = "x", as = "lift " .. i } end',
            'for _ = 1, 3 do acme.user { id = "x" } end',
            'for i = 1, 3 do map({ i }, function() acme.lift { id = "x" } end) end' })

acme_rule("stop-writes", { 'parallel { x = function() acme.@lift { id = "x" } acme.lift { id = "y" } end }',
                           'map({}, function() acme.@lift { id = "x" } acme.lift { id = "y" } end, { on_error = "stop" })' },
          { 'parallel { x = function() acme.lift { id = "x" } end, y = function() acme.lift { id = "y" } end }',
            'parallel({ x = function() acme.lift { id = "x" } acme.lift { id = "y" } end }, { on_error = "collect" })',
            'map({}, function() acme.lift { id = "x" } acme.lift { id = "y" } end)' })

rule("holes", { "return @#{ 1, nil, 3 }", "local t = { nil, 2 }\nreturn @#t",
  "local t = { 1, 2, 3 } t[2] = nil return @#t" }, { "return #{ 1, 2 }",
  "local t = { a = nil } return #t", "local t = { 1 } t[#t] = nil return #t", "local t = { 1 } t.a = nil return #t" })

-- The whole ---------------------------------------------------------------------------------------------

test("connector: one that could not be read says so at its file", function()
  local f = check.run(known, { { path = "stdlib/connectors/broken.lua", module = "connectors.broken",
    report = true,
                                 source = "return connector { name = 'broken' }" } })
  same(#f, 1)
  same(f[1].rule, "connector")
  same(f[1].severity, "error")
  seen.connector = true
end)

test("a line may be excused, by rule", function()
  same(told "local x = try(print) -- check: allow dropped-error\nreturn x", "")
  same(told "-- check: allow holes, dropped-error\nlocal x = try(print)\nreturn x", "")
  same(told "local x = try(print) -- check: allow holes\nreturn x", "1:11 dropped-error")
end)

test("findings come in order, each once, with file, severity and message", function()
  local f = findings "return mpa, mpa, \n string.fromat"
  same(#f, 3)
  same(f[1].message, "unknown name 'mpa': did you mean 'map'?")
  same(f[1].file, "sample.lua")
  same(f[1].severity, "error")
  assert(f[2].column > f[1].column and f[3].line == 2)
end)

test("only what was asked for is reported", function()
  same(#check.run(known, { { path = "a", module = "a", source = "x = 1", report = false } }), 0)
end)

test("rooms: a connector's, a simulator's, the host's and an editor's files have names of their own", function()
  same(told('return connector { name = "x", auth = opaque "y" }'), "")
  same(told('return sim { new = function() return os.time() end }'), "")
  same(told('return os.time()', "check.some"), "")
  same(told('---@meta words\nfunction f() end'), "")
  same(told('return opaque "y"'), "1:8 unknown-global")
end)

test("a flow may use what it says, and no more", function()
  local source = [[
return connector { name = "acme", flows = {
  one = { uses = { "users" }, run = function(a) local acme = require "connectors.acme" return acme.users { login = a.x } end },
  two = { uses = { "users" }, run = function(a) local acme = require "connectors.acme" return acme.block { name = a.x } end },
} }]]
  same(told(source, "connectors.acme"), "3:95 not-granted")
end)

test("every rule has a test, and stands in docs/check.md", function()
  local f <close> = assert(io.open "docs/check.md")
  local text = f:read "a"
  for name, severity in pairs(check.rules) do
    assert(seen[name], "no test of " .. name)
    assert(text:find("| `" .. name .. "` | " .. severity, 1, true), "docs/check.md has no row for " .. name)
  end
  for name in text:gmatch "\n| `([%w%-]+)` |" do assert(check.rules[name], "there is no rule " .. name) end
end)

test("near: what was meant, and nothing when nothing was", function()
  same(near.of("mpa", { map = true, print = true }), "map")
  same(near.of("zzzzzz", { map = true }), nil)
  same(near.of("okta", { "octa", "x" }), "octa")
end)

test("types: durations are one number and one unit", function()
  for _, good in ipairs { "5ms", "30s", "5m", "2h", "7d", "0s" } do assert(types.duration(good), good) end
  for _, bad in ipairs { "1h30m", "5", "s", "5 m", "5w", "-5m", "1.5h", "",
    "5M" } do assert(not types.duration(bad), bad) end
end)

test("no source brings it down", function()
  local state = 7
  local function roll(n) state = (state * 1103515245 + 12345) % 2147483648 return (state >> 8) % n + 1 end
  local words = {}
  for w in ([[local function return end if then else for in do while a acme . : ( ) { } [ ] = == , ; "x" 1 nil playbook
    require "connectors.acme" "json" step try map approve .users [1] uses run name not and or .. # function() end ...
    input store.get await_until parallel on_error "stop" each attack.is]]):gmatch "%S+" do words[#words + 1] = w end
  for _ = 1, 4000 do
    local parts = { 'local acme = require "connectors.acme"' }
    for i = 1, roll(25) do parts[i + 1] = words[roll(#words)] end
    findings(table.concat(parts, " "))
  end
end)

tap.done()
