-- check_test.lua: `lunette check` as its users call it: what ships is clean, what is wrong is found at its
-- place, and no file brings it down.
--
-- Run from the root of the tree:   lua5.4 tests/system/check_test.lua

local sys = dofile "tests/system/harness.lua"
local eq, has, hasnt = sys.eq, sys.has, sys.hasnt

local function lines(text)
  local out = {}
  for line in text:gmatch "[^\n]+" do out[#out + 1] = line end
  return out
end

sys.test("what ships has nothing to complain of", function(t)
  local r = t:expect(0, { "check", "--strict" })
  eq(r.out, "")
  has(r.err, "0 errors, 0 warnings")
  r = t:expect(0, { "check", "--strict", sys.root .. "/stdlib", sys.root .. "/scripts" })
  eq(r.out, "")
end)

sys.test("the skeleton of a new playbook has nothing to complain of", function(t)
  t:write("lunette.conf.lua", 'return { scripts = { "scripts" } }\n')
  t:expect(0, { "new", "playbook", "contain.host" })
  t:expect(0, { "check", "--strict" })
end)

sys.test("so have those of a connector and of tests, which pass", function(t)
  t:write("lunette.conf.lua", 'return { scripts = { "scripts" }, connectors_path = { "site" } }\n')
  os.execute(("mkdir '%s/scripts' '%s/site'"):format(t.dir, t.dir))
  t:expect(0, { "new", "playbook", "contain.host" })
  eq(t:expect(0, { "new", "test", "contain.host" }).out, "scripts/contain/host_test.lua\n")
  eq(t:expect(0, { "new", "connector", "wiki" }).out, "site/wiki.lua\n")
  eq(t:expect(0, { "check", "--strict" }).out, "")
  has(t:expect(0, { "test" }).out, "1 passed, 0 failed")
  has(t:read "scripts/contain/host_test.lua", 'sim:run("contain.host", { host = "x" })')

  t:playbook("picky", 'fail("refused", "not " .. input.alert.id)', 'input = { alert = "alert", n = "integer" },')
  t:expect(0, { "new", "test", "picky" })                  -- it says how that run ends
  has(t:read "scripts/picky_test.lua", 'same(run.state, "failed")')
  has(t:expect(1, { "new", "test", "picky" }).err, "is there already")
  has(t:expect(1, { "new", "test", "nobody" }).err, "there is no playbook nobody")
  has(t:expect(2, { "new", "connector", "a.b" }).err, "a name is")
  t:write("lunette.conf.lua", 'return { scripts = { "scripts" } }\n')
  has(t:expect(2, { "new", "connector", "other" }).err, "connectors_path")
end)

sys.test("--sarif: one log, whose columns count characters", function(t)
  t:write("a b.lua", 'local s = "ü" mpa(s)\nreturn s\n')
  local log = t:expect(1, { "check", "--sarif", "a b.lua" }).doc()
  eq(log.version, "2.1.0")
  local run = log.runs[1]
  eq(run.columnKind, "unicodeCodePoints")
  eq(#run.results, 1)
  local r = run.results[1]
  eq(r.ruleId, "unknown-global")
  eq(r.level, "error")
  eq(run.tool.driver.rules[r.ruleIndex + 1].id, r.ruleId)
  has(r.message.text, "unknown name 'mpa'")
  local at = r.locations[1].physicalLocation
  eq(at.artifactLocation.uri, "a%20b.lua")
  eq(at.region.startLine, 1)
  eq(at.region.startColumn, 15)
  t:write("c.lua", "return 1\n")
  eq(t:expect(0, { "check", "--sarif", "c.lua" }).out:match '"results":(%b[])', "[]")
end)

sys.test("errors and warnings, with their places", function(t)
  t:playbook("bad", [[
    local okta = require "connectors.okta"
    local u = okta.users { login = "x" }[1]
    okta.clear_session { user = u.id }
    okta.add_to_group { group = 1, user = u.id, grop = 2 }
    sleep "1h30m"
    mpa({}, print)]], [[uses = { "okta" },]])
  local r = t:expect(1, { "check", "scripts/bad.lua" })
  local got = lines(r.out)
  local want = {
    "5:10: error: okta has no operation 'clear_session': did you mean 'clear_sessions'? [unknown-operation]",
    "6:10: warning: okta.add_to_group acts on the first that okta.users listed: only(…) makes sure that there is one [first-match]",
    "6:49: error: okta.add_to_group has no argument 'grop': did you mean 'group'? [unknown-argument]",
    '7:11: error: sleep: "1h30m" is not a duration: write one number and one unit, such as "90m" [bad-duration]',
    "8:5: error: unknown name 'mpa': did you mean 'map'? [unknown-global]" }
  for i, line in ipairs(want) do eq(got[i], "scripts/bad.lua:" .. line) end
  eq(#got, #want)
  has(r.err, "1 file: 4 errors, 1 warning")
end)

sys.test("--json: one object a line", function(t)
  t:write("a.lua", "x = 1\nreturn mpa\n")
  local r = t:expect(1, { "check", "--json", "a.lua" })
  local got = lines(r.out)
  eq(#got, 2)
  local first = sys.decode(got[1])
  eq(first.file, "a.lua")
  eq(first.line, 1)
  eq(first.column, 1)
  eq(first.severity, "error")
  eq(first.rule, "global-assigned")
  has(first.message, "make it local")
  eq(r.err, "")
end)

sys.test("warnings alone pass, unless it is strict", function(t)
  t:write("a.lua", "try(print)\n")
  has(t:expect(0, { "check", "a.lua" }).out, "[dropped-error]")
  t:expect(1, { "check", "a.lua", "--strict" })
  t:write("a.lua", "try(print)  -- check: allow dropped-error\n")
  eq(t:expect(0, { "check", "a.lua", "--strict" }).out, "")
end)

sys.test("a folder, a path that is not there, an unknown option", function(t)
  t:write("some/deep/a.lua", "return mpa\n")
  t:write("some/b.lua", "return 1\n")
  t:write("some/notes.txt", "this is no Lua\n")
  has(t:expect(1, { "check", "some" }).out, "some/deep/a.lua:1:8")
  has(t:expect(2, { "check", "none.lua" }).err, "none.lua cannot be read")
  t:expect(2, { "check", "--nonsense" })
end)

sys.test("nothing is made: no store, no file", function(t)
  t:write("a.lua", "return 1\n")
  t:expect(0, { "check", "a.lua" })
  eq(t:read "lunette.db", nil)
end)

sys.test("a module's function brings what it uses", function(t)
  t:write("scripts/site/who.lua", 'local okta = require "connectors.okta"\nlocal who = {}\n'
          .. "function who.is(name) return only(okta.users { login = name }) end\nreturn who\n")
  t:playbook("p", 'local who = require "site.who"\nreturn who.is(input.name)',
    'uses = {}, input = { name = "string" },')
  local r = t:expect(1, { "check" })
  has(r.out,
    "scripts/p.lua:4:8: error: okta.users is not in `uses`: add \"okta.users\" (site.who.is needs it) [not-granted]")
  t:playbook("p", 'local who = require "site.who"\nreturn who.is(input.name)',
             'uses = { "okta.users" }, input = { name = "string" },')
  eq(t:expect(0, { "check", "--strict" }).out, "")
end)

sys.test("a site's own connector: its operations are known, and what is wrong with it is told", function(t)
  t:write("own/door.lua", [[
return connector { name = "door", config = { token = "secret?" },
  auth = { kind = "header", header = "Authorization", secret = "token" },
  operations = { state = { summary = "s", source = "own", class = "read", params = { id = "string" }, method = "GET",
                           path = "/doors/{id}", expect = { 200 } } } }
]])
  t:write("lunette.conf.lua", 'return { scripts = { "scripts" }, connectors_path = { "own" } }\n')
  t:playbook("p", 'local door = require "connectors.door"\nreturn door.state { ident = "x" }',
    'uses = { "door.state" },')
  local r = t:expect(1, { "check" })
  has(r.out, "scripts/p.lua:4:21: error: door.state has no argument 'ident'")
  has(r.out, "'id' is missing (string) [missing-argument]")
  t:write("own/door.lua", 'return connector { name = "door", operatons = {} }\n')
  has(t:expect(1, { "check" }).out, "[connector]")
end)

sys.test("whatever a file holds, it is one clear error at most", function(t)
  local deep = 10000
  local files = {
    empty = "", nul = "return '\0'", binary = "\27Lua\x54\0\x19\x93", bytes = string.rep("\xff\xfe", 1000),
    parens = "return " .. ("("):rep(deep) .. "1" .. (")"):rep(deep),
    tables = "return " .. ("{"):rep(deep) .. ("}"):rep(deep),
    functions = ("return function() "):rep(deep) .. ("end "):rep(deep),
    blocks = ("do "):rep(deep) .. ("end "):rep(deep),
    nots = "return " .. ("not "):rep(deep) .. "1", open = "return [==[" .. ("x"):rep(100000),
    quote = "return \"" .. ("x"):rep(100000),
    sum = "return 1" .. (" + 1"):rep(20000), chain = "local t return t" .. (".a"):rep(20000),
    calls = "print" .. ("()"):rep(20000),
    many = ("local function f() end "):rep(150) .. "return f",
    elses = "if nil then" .. (" elseif nil then"):rep(5000) .. " end",
  }
  local bad = { binary = true, bytes = true, parens = true, tables = true, functions = true, blocks = true,
    nots = true, open = true,
                quote = true }
  for name, text in pairs(files) do t:write("f/" .. name .. ".lua", text) end
  for name in pairs(files) do
    local r = t:expect(bad[name] and 1 or 0, { "check", "f/" .. name .. ".lua", seconds = 30 })
    eq(#lines(r.out), bad[name] and 1 or 0, name .. ": " .. r.out:sub(1, 300))
    if bad[name] then has(r.out, "[syntax]") end
    hasnt(r.err, "stack traceback")
  end
  t:write("big.lua", "-- " .. ("x"):rep(1 << 20))
  has(t:expect(1, { "check", "big.lua" }).err, "larger than 1 MiB")
end)

sys.done()
