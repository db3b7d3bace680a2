-- playtest_test.lua: lunette test from outside: the playbooks' own tests pass; what a test expects and is not so is
-- told with the place and what was instead; each test is a world of its own; a past run becomes a test.
local sys = dofile "tests/system/harness.lua"
package.path = "docs/?.lua;" .. package.path
local annotations = require "generate.annotations"
local eq, has, hasnt = sys.eq, sys.has, sys.hasnt

---The site's scripts, and those that ship.
local function both(t)
  t:write("lunette.conf.lua", ('return { scripts = { "scripts", "%s/scripts" } }\n'):format(sys.root))
end

---Runs tests of a file; `code`: how it is to end.
local function test(t, code, text, ...)
  t:write("scripts/x_test.lua", text)
  return t:expect(code, { "test", "scripts/x_test.lua", ... }).out
end

local WAITER = [[
    local answer = ask { title = "Whose is it?", options = { "ours", "theirs" } }
    local signal = await_signal("go", { timeout = "2d" })
    sleep "2h"
    store.set("seen", { answer = answer, by = signal and signal.by })
    return { answer = answer.answer }]]

-- The playbooks that ship ---------------------------------------------------------------------------------

sys.test("the playbooks' own tests pass, and each playbook has some", function(t)
  t:write("lunette.conf.lua", ('return { scripts = { "%s/scripts" } }\n'):format(sys.root))
  local r = t:expect(0, { "test", seconds = 180 })
  local passed, failed = r.out:match "\n(%d+) passed, (%d+) failed\n$"
  eq(failed, "0")
  assert(tonumber(passed) >= 45, passed .. " tests")
  for _, name in ipairs { "model", "harden", "detect", "isolate", "deceive", "evict", "restore", "respond" } do
    has(r.out, "/t1059/" .. name .. "_test.lua: ")
  end
  has(r.out, "\n1.." .. passed .. "\n")
  eq(io.popen("ls -A '" .. t.dir .. "' | grep -v '^[.]' | tr '\\n' ' '"):read "a", "lunette.conf.lua ")
end)

sys.test("the examples of what a test can say run", function(t)
  both(t)
  local n, out = 0, {}
  for _, x in ipairs(annotations.read(sys.slurp "modules/test.meta.lua")) do
    if x.example then n, out[#out + 1] = n + 1, x.example end
  end
  local said = test(t, 0, table.concat(out, "\n"), "--update")
  has(said, ("\n%d passed, 0 failed\n"):format(n))
  assert(n > 25)
  t:expect(0, { "test", "scripts/x_test.lua" })
end)

-- What is told --------------------------------------------------------------------------------------------

sys.test("an expectation that is not met names it, what was instead, and the line", function(t)
  both(t)
  local out = test(t, 1, [[
test "did" (function(sim)
  sim:run("t1059.deceive", {})
  sim.visionone:did { op = "watch", file = { sha256 = "f00" } }
end)
test "never" (function(sim)
  sim:run("t1059.deceive", {})
  sim.visionone:never "watch"
end)
test "order" (function(sim)
  sim:run("t1059.deceive", {})
  sim:order { "visionone.watch", "file.write" }
end)
test "count" (function(sim)
  sim:run("t1059.deceive", {})
  sim.file:did("write", 2)
end)
test "same" (function() same({ a = { 1, 2 } }, { a = { 1, 3 } }) end)
test "a misspelt operation is no never" (function(sim) sim.okta:never "add_too_group" end)
test "plain" (function() assert(1 == 2, "arithmetic") end)
]])
  has(out, [[expected visionone.watch { file = { sha256 = "f00" } }, and it was never done]])
  has(out, "instead:\n#     visionone.watch { file = { path = ")
  has(out, "#   at scripts/x_test.lua:3\n")
  has(out, "not ok 2 - scripts/x_test.lua: never\n#   expected never\n#   instead: visionone.watch {")
  has(out, "expected file.write after visionone.watch")
  has(out, "expected file.write 2 times, and it was done once")
  has(out, "a[2]: expected 3\n#   instead: 2\n#   at scripts/x_test.lua:17\n")
  has(out, "okta has no operation add_too_group")
  has(out, "scripts/x_test.lua:19: arithmetic")
  has(out, "\n1..7\n0 passed, 7 failed\n")
end)

sys.test("a file that is no Lua, or fails as it is loaded, is a test that failed; the others go on", function(t)
  both(t)
  t:write("scripts/a_test.lua", "test 'x' (function(sim) end")
  t:write("scripts/b_test.lua", "test 'x' (function(sim) end)\nerror 'not today'")
  t:write("scripts/c_test.lua", "test 'x' (function(sim) print('seen', 1) end)")
  local out = t:expect(1, { "test", "scripts" }).out
  has(out, "not ok 1 - scripts/a_test.lua\n#   scripts/a_test.lua:1: ")
  has(out, "not ok 2 - scripts/b_test.lua\n#   scripts/b_test.lua:2: not today")
  has(out, "ok 3 - scripts/c_test.lua: x\n#   seen 1\n")
  has(out, "1 passed, 2 failed")
end)

sys.test("no test sees what another did, and a runaway ends alone", function(t)
  both(t)
  t:write("lunette.conf.lua", t:read "lunette.conf.lua" :gsub("}\n$", ", limits = { cpu = '200ms' } }\n"))
  t:playbook("spin", "while true do end")
  local out = test(t, 1, [[
test "breaks the world" (function(sim)
  for id in pairs(sim.okta.state.user) do sim.okta.state.user[id] = nil end
  string.rep = nil
  sim:run("t1059.deceive", {})
end)
test "has a whole one" (function(sim)
  assert(next(sim.okta.state.user) and string.rep)
  same(#sim:effects(), 0)
  same(sim:run("t1059.decoy_touched", { alert = sim:json "none.json" }), nil)
end)
test "a playbook that does not end" (function(sim) same(sim:run("spin", {}).error.code, "cpu") end)
test "a test that does not end" (function() while true do end end)
]])
  has(out, "ok 1 - ")
  has(out, "not ok 2 - scripts/x_test.lua: has a whole one\n#   scripts/none.json cannot be read")
  has(out, "ok 3 - ")
  has(out, "not ok 4 - scripts/x_test.lua: a test that does not end\n#   it ran too long")
end)

-- Time, people, faults ------------------------------------------------------------------------------------

sys.test("people answer, signals come, hours pass at once", function(t)
  both(t)
  t:playbook("waiter", WAITER)
  test(t, 0, [[
test "all goes well" (function(sim)
  local before = sim:now()
  sim:answer { title = "Whose", answer = "theirs", by = "carol", after = "10m" }
  sim:after("1h", function() sim:signal("go", { by = "dave" }) end)
  local run = sim:run("waiter", {})
  same(run.result, { answer = "theirs" })
  assert(sim:now() - before >= 3 * 3600)
  same(sim:written()[1].args.value, { answer = { answer = "theirs", by = "carol" }, by = "dave" })
  sim.store:did("set", 1)
end)
test "nobody comes" (function(sim)
  local run = sim:run("waiter", {})
  same(run.waiting["for"], "approval")
  same(#sim:questions(), 1)
  sim:answer { answer = "ours" }
  same(sim:go_on(run).error.code, "timeout")                -- the signal
end)
test "cancelled, and undone" (function(sim)
  local run = sim:start("waiter", {})
  sim:after("5m", function() sim:cancel(run, "a false alarm") end)
  same(sim:go_on(run).state, "cancelled")
end)
test "an answer that is none of the options" (function(sim)
  sim:answer { answer = "nobody's" }
  local ok, why = pcall(sim.run, sim, "waiter", {})
  same(ok, false)
  includes(tostring(why), "cannot be answered")
end)
]])
end)

sys.test("leases end by themselves as time passes, and do not make it pass", function(t)
  t:write("lunette.conf.lua", 'return { scripts = { "scripts" } }\n')
  t:playbook("contain", [[
    local visionone = require "connectors.visionone"
    local seen = visionone.isolate { host = visionone.endpoint { hostname = "WORKSTATION6" }, lease = "8h" }
    sleep(input.stay)
    return { at = now() }]], 'uses = { "visionone" }, input = { verdict = "string?", stay = "duration = 0s" },')
  local out = test(t, 0, [[
local function begin(sim, input)
  sim:approve { title = "isolate" }
  return sim:run("contain", input or {})
end
test "where time passes" (function(sim)
  local run = begin(sim)
  assert(sim:now() - run.result.at < 600)
  sim:pass "7h"
  sim.visionone:never "end_isolation"
  sim:pass "2h"
  sim.visionone:did("end_isolation", 1)
end)
test "while the run goes on" (function(sim)
  same(begin(sim, { stay = "9h" }).state, "completed")
  sim.visionone:did("end_isolation", 1)
end)
test "a person is asked first" (function(sim)
  begin(sim, { verdict = "malicious" })
  sim:pass "10h"
  sim.visionone:never "end_isolation"
  sim:approve {}
  sim:pass "1h"
  sim.visionone:did("end_isolation", 1)
end)]])
  has(out, "\n3 passed, 0 failed\n")
end)

sys.test("a stored report is compared line by line, and stored anew when that is wanted", function(t)
  both(t)
  local text = [[
test "report" (function(sim) sim:snapshot(sim:run("t1059.deceive", {}), "decoy") end)
]]
  has(test(t, 1, text), "scripts/x_test/decoy.txt is not there: lunette test --update writes it")
  test(t, 0, text, "--update")
  test(t, 0, text)
  t:write("scripts/x_test/decoy.txt", (t:read("scripts/x_test/decoy.txt"):gsub("completed", "failed")))
  local out = test(t, 1, text)
  has(out, "scripts/x_test/decoy.txt:3: the report is another one")
  has(out, "expected: state     failed, complete\n#   instead:  state     completed, complete")
  hasnt(t:read "scripts/x_test/decoy.txt", "/dev/shm")
end)

-- More than tests -----------------------------------------------------------------------------------------

sys.test("--coverage tells which lines were not reached, to people and as an LCOV tracefile", function(t)
  t:write("lunette.conf.lua", 'return { scripts = { "scripts" } }\n')
  t:write("scripts/two.lua", [[
local function never(x)
  local y = x + 1
  return y
end
return playbook {
  name = "two", summary = "Goes one of two ways", uses = {}, input = { left = "boolean = true" },
  run = function(input)
    if input.left then
      return { way = "left" }
    end
    return { way = never(1) }
  end,
}
]])
  local out = test(t, 0, [[test "left" (function(sim) same(sim:run("two", {}).result.way, "left") end)]],
                   "--coverage=cov.info")
  has(out, "# scripts/two.lua: 4 of 7 lines; not 2-3, 11\n")
  has(out, "\n1 passed, 0 failed\n")
  local lcov = t:read "cov.info"
  has(lcov, "SF:scripts/two.lua\n")
  has(lcov, "\nDA:2,0\n")
  has(lcov, "\nDA:9,1\n")
  has(lcov, "\nLF:7\nLH:4\nend_of_record\n")
end)

sys.test("a runaway ends by its budget where lines are counted, too", function(t)
  t:write("lunette.conf.lua", 'return { scripts = { "scripts" }, limits = { cpu = "300ms" } }\n')
  t:playbook("endless", "local n = 0\n    while true do n = n + 1 end")
  t:playbook("inside", "coroutine.wrap(function()\n    while true do pcall(string.rep, 'x', 10) end end)()")
  local out = test(t, 0, [[
test "in a loop" (function(sim) same(sim:run("endless", {}).error.code, "cpu") end)
test "in a coroutine" (function(sim) same(sim:run("inside", {}).error.code, "cpu") end)]], "--coverage")
  has(out, "\n2 passed, 0 failed\n")
end)

sys.test("--faults all goes through the matrix of what the tests run", function(t)
  t:write("lunette.conf.lua", 'return { scripts = { "scripts" } }\n')
  t:write("scripts/good.lua", [[
local okta = require "connectors.okta"
return playbook {
  name = "good", summary = "Asks", uses = { "okta.users" }, input = {},
  run = function() return { n = #okta.users { login = "pgustavo@theshire.example" } } end,
}
]])
  t:write("scripts/bad.lua", [[
local visionone = require "connectors.visionone"
return playbook {
  name = "bad", summary = "Drops what failed", uses = { "visionone.watch" }, input = {},
  run = function()
    local _, _ = try(visionone.watch, { file = { path = "C:\\x", sha256 = ("0"):rep(63) .. "1" } })
    return { ok = true }
  end,
}
]])
  local out = test(t, 1, [[
test "good" (function(sim) sim:approve() sim:run("good", {}) end)
test "bad" (function(sim) sim:approve() sim:run("bad", {}) end)
test "arranged" (function(sim) sim:faults "okta=5xx" sim:run("good", {}) end)
]], "--faults", "all")
  has(out, "ok 4 - faults: scripts/x_test.lua: good\n#   1 effects, 1 requests")
  has(out, "not ok 5 - faults: scripts/x_test.lua: bad")
  has(out, "unsaid: ")
  has(out, "4 passed, 1 failed")
end)

sys.test("a past run becomes a test, which fails once a script does otherwise", function(t)
  both(t)
  t:write("lunette.conf.lua", ('return { scripts = { "scripts" } }\n'))
  os.execute(("mkdir '%s'/scripts && cp -r '%s'/scripts/t1059 '%s'/scripts/ && rm '%s'/scripts/t1059/*_test.lua")
             :format(t.dir, sys.root, t.dir, t.dir))
  local alert = sys.slurp "tests/fixtures/alerts/windows/nxlog_sysmon1_wscript_launcher_vbs.json"
  t:write("input.json", ('{"confirmed_by": "alice", "alert": %s}'):format(alert))
  t:run { "run", "t1059.respond", "--sim", "--approve", "all", "--input", "input.json" }
  has(t:expect(0, { "test", "--from-run", "last", "-o", "scripts/past_test.lua" }).out, "scripts/past_test.lua\n")
  has(t:expect(0, { "test" }).out, "1 passed, 0 failed")
  local text = t:read "scripts/past_test.lua"
  has(text, 'op = "visionone.isolate"')
  has(t:expect(1, { "test", "--from-run", "last", "-o", "scripts/past_test.lua" }).err, "is there already")

  local isolate = t:read "scripts/t1059/isolate.lua"
  t:write("scripts/t1059/isolate.lua", (isolate:gsub('lease = "duration = 8h"', 'who = "string = x", %0')))
  t:expect(0, { "test" })                                  -- it does what it did
  local low = isolate:gsub("visionone.block { file = s }", 'visionone.block { file = s, risk = "low" }')
  t:write("scripts/t1059/isolate.lua", low)
  has(t:expect(1, { "test" }).out, "what it wrote: ")
end)

sys.test("--watch goes through the tests again that a save touches", function(t)
  t:write("lunette.conf.lua", 'return { scripts = { "scripts" } }\n')
  for _, name in ipairs { "one", "two" } do
    t:playbook("pack/" .. name, "return { is = helped() }")
    local text = t:read("scripts/pack/" .. name .. ".lua")
    t:write("scripts/pack/" .. name .. ".lua", 'local helped = require "pack.help_' .. name .. '"\n' .. text)
    t:write("scripts/pack/help_" .. name .. ".lua", "return function() return 1 end\n")
    t:write("scripts/pack/" .. name .. "_test.lua", ([[
test "is" (function(sim) same(sim:run("pack.%s", {}).result.is, 1) end)
]]):format(name))
  end
  local job = t:start { "test", "--watch" }
  local log = (".%d.out"):format(t.turns)
  local function rounds(n)
    assert(t:until_true(function() return select(2, (t:read(log) or ""):gsub("passed, ", "")) >= n end), t:read(log))
    return t:read(log)
  end
  has(rounds(1), "\n2 passed, 0 failed\n")
  t:write("scripts/pack/help_two.lua", "return function() return 2 end\n")
  local second = rounds(2):match "1%.%.2\n2 passed, 0 failed\n(.*)$"
  has(second, "not ok 1 - scripts/pack/two_test.lua: is")
  hasnt(second, "one_test")
  t:write("scripts/pack/one_test.lua", 'test "is now" (function() end)\n')
  has(rounds(3), "ok 1 - scripts/pack/one_test.lua: is now\n1..1\n")
  job.kill "TERM"
  job.wait()
end)

sys.test("what a killed process left is removed by the next one, and nothing else is", function(t)
  local where = io.open("/dev/shm/.", "r") and "/dev/shm" or "/tmp"
  local function there(name) return os.execute(("test -e %s/%s"):format(where, name)) == true end
  local tag = t.dir:match "[^.]+$"
  os.execute(("cd %s && mkdir lunette-test-%sa lunette-test-%sb lunette-test-%sc && touch lunette-test-%sa/file && "
              .. "touch -d '2 hours ago' lunette-test-%sa lunette-test-%sb"):format(where, tag, tag, tag, tag, tag, tag))
  local holder = io.popen(("flock %s/lunette-test-%sb sh -c 'cat >/dev/null'"):format(where, tag), "w")
  assert(t:until_true(function()
    return not os.execute(("flock -n %s/lunette-test-%sb true"):format(where, tag))
  end), "it is not locked")
  test(t, 0, 'test "nothing" (function() end)')
  eq(there("lunette-test-" .. tag .. "a"), false, "what was left")
  eq(there("lunette-test-" .. tag .. "b"), true, "what somebody holds")
  eq(there("lunette-test-" .. tag .. "c"), true, "what is new")
  holder:close()
  os.execute(("cd %s && rmdir lunette-test-%sb lunette-test-%sc"):format(where, tag, tag))
end)

sys.test("wrong usage, and what is not there", function(t)
  has(t:expect(2, { "test", "--faults", "some" }).err, "--faults is all, not some")
  has(t:expect(2, { "test", "--from-run", "last" }).err, "--from-run RUN -o FILE")
  has(t:expect(2, { "test", "nowhere" }).err, "nowhere cannot be read")
  t:playbook("untested", "return 1")
  has(t:expect(2, { "test", "scripts/untested.lua" }).err, "there are no tests there")
  eq(t:expect(0, { "test" }).out, "1..0\n0 passed, 0 failed\n")
end)

sys.done()
