-- repl_test.lua: lunette repl over a plain pipe: lines, what they show, what they leave behind, and a past run that is
-- stepped through.  repl_terminal_test.lua is about what somebody sees who types.
local sys = dofile "tests/system/harness.lua"
local eq, has, hasnt = sys.eq, sys.has, sys.hasnt

local ALERT = sys.root .. "/tests/fixtures/alerts/windows/nxlog_sysmon1_wscript_launcher_vbs.json"
local USER = "pgustavo@theshire.example"

---What a prompt says to these lines.
local function typed(t, lines, args, code)
  local words = { "repl", stdin = table.concat(lines, "\n") .. "\n" }
  for k, v in pairs(args or {}) do
    if type(k) == "number" then words[k + 1] = v else words[k] = v end
  end
  return t:expect(code or 0, words)
end

local function out_of(t, lines, args, code) return typed(t, lines, args, code).out end

-- Lines ---------------------------------------------------------------------------------------------------

sys.test("what a line makes is there in the next one", function(t)
  eq(out_of(t, { "1 + 1", "local x, y = 5", "x * 2", "y", "local function f(a)", "  return a + x", "end", "f(3)",
                 "local z <const> = 7", "z = z + 1", "z", "_ + 1", "for i = 1, 2 do", "print(i, 'é')", "end",
                 "-- nothing", "return 1, nil, 'b'" }, { "--sim" }),
     "2\n10\nnil\n8\n8\n9\n1  é\n2  é\n1\nnil\n\"b\"\n")
end)

sys.test("libraries and connectors are there by their names, and a run's id is its own", function(t)
  local out = out_of(t, { "crypto.hash('sha256', 'abc'):sub(1, 8)", "json.encode { a = { 1, 2 } }",
                          "#okta.users { login = '" .. USER .. "' }", "only({ 4 })", "#run.id", "os.exit()" }, { "--sim" })
  has(out, "\"ba7816bf\"\n\"{\\\"a\\\":[1,2]}\"\n1\n4\n26\n")
  has(out, "'os' is not there")
end)

sys.test("an error has the lines of the script that it came through, and the session goes on", function(t)
  t:playbook("unused", "return 1")
  t:write("scripts/helper.lua", "local m = {}\nfunction m.f(x)\n  return x.y.z\nend\nreturn m\n")
  local out = out_of(t, { "h = require 'helper'", "h.f {}", "if then", "fail('not_found', 'no such thing')", "error {}",
                          "error()", "local t = setmetatable({}, { __tostring = error }) error(t)", "unknwon",
                          "string.rep('x', -1, nil, {}, nosuch.y)", "1" }, { conf = false })
  has(out, "helper.lua:3: attempt to index a nil value")
  has(out, "\n  at scripts/helper.lua:3: in field 'f'\n  at line 2:1: in main chunk\n")
  has(out, "line 3:1: unexpected symbol near 'then'\n")
  has(out, "not_found: no such thing\n")
  has(out, "unknown name 'unknwon'")
  eq(out:sub(-3), "\n1\n", "the last line")
  hasnt(out, "[C]")
end)

sys.test("values: bounded, escaped, whatever they are", function(t)
  local r = typed(t, {
    "{ a = 1, b = { c = { 1, 2.0, true } }, ['odd key'] = {}, [3] = 'x' }", "t = {} t.t = t return t", "'a\\0b\\27[2J\\xff\\u{9b}é'",
    "deep = {} at = deep for i = 1, 99 do at.x = {} at = at.x end return deep",
    "big = {} for i = 1, 20000 do big[i] = i end return big", "('x'):rep(100000)", "json.null", "print", "function(a) return a end",
    "{ f = print }", "coroutine.create(print)", "0/0", "-1/0", "2^53", "math.mininteger",
    "table.unpack({}, 1, 30)" }, { "--sim" })
  has(r.out, "{ [3] = \"x\", a = 1, b = { c = { 1, 2.0, true } }, [\"odd key\"] = {} }\n")
  has(r.out, "{ t = (this table again) }\n")
  has(r.out, [["a\x00b\x1b[2J\xff\u{9b}é"]])
  has(r.out, "{ … }")
  has(r.out, "more lines: look at a part of it")
  has(r.out, "… (100,000 bytes)\n")
  has(r.out, "\nnull\nfunction\nfunction (line 9:1)\n{ f = function }\ncoroutine\n")
  assert(r.out:find "nan\n%-inf\n9%.007[%d.e+]+\n%-9223372036854775808\nnil\n", r.out:sub(-200))
  has(r.out, "\n" .. ("nil\n"):rep(20) .. "… and further values\n")
  hasnt(r.out, "\27")
  assert(#r.out < 100000, #r.out)
end)

sys.test("a list of records is a table of its main columns, however narrow", function(t)
  local lines = { "{ { id = 'a1', name = 'one', note = ('n'):rep(90) }, { id = 'a2', name = 'zwei\\27[2J', extra = {} } }" }
  eq(out_of(t, lines, { "--sim" }),
     "name         id  note\none          a1  " .. ("n"):rep(39) .. "…\nzwei\\x1b[2J  a2\n"
     .. "(2 records, 1 more field: _[1] shows one)\n")
  local narrow = out_of(t, lines, { "--sim", env = { COLUMNS = "20" } })
  eq(narrow, "name         id\none          a1\nzwei\\x1b[2J  a2\n(2 records, 2 more fields: _[1] shows one)\n")
end)

sys.test("a line that loops, or takes all memory, is dropped; variables are as before it", function(t)
  t:write("lunette.conf.lua", "return { limits = { cpu = \"200ms\", memory = \"16MiB\" } }\n")
  local r = typed(t, { "x = 1", "x = 2 while true do end", "x", "x = 3 s = ('x'):rep(100 * 1024 * 1024)", "x", "s",
                       "local function f() return f() + 1 end f()",
                       "pcall(function() while true do end end) x = 9", "x" })
  eq(select(2, r.err:gsub("the line is dropped, variables are as before it", "")), 4, "dropped lines")
  has(r.err, "line 2:1: used its CPU budget of 0.2s")
  has(r.err, "line 4:1: needs more than its 16777216 bytes of memory")
  eq(r.out:gsub("unknown name 's'\n  at line 6:1: in main chunk\n", "-\n"), "1\n1\n-\n1\n", "x after each")
  eq(t:expect(0, { "replay", "last", "--json" }).doc().same, true, "a replay leaves dropped lines out")
end)

-- What a line does ----------------------------------------------------------------------------------------

local ADD = "okta.add_to_group { user = u.id, group = g.id }"
local FIND = { "u = only(okta.users { login = '" .. USER .. "' })",
               "g = only(okta.groups { name = 'ir-restricted', type = 'OKTA_GROUP' })" }
local COUNT = "#where(okta.user_groups { user = u.id }, function(x) return x.id == g.id end)"

sys.test("writes go through guards and journal, and the last line that wrote is taken back", function(t)
  local out = out_of(t, { FIND[1], FIND[2], COUNT, ADD, COUNT, "1", ":undo", COUNT, ":undo" },
                     { "--sim", "--approve", "all" })
  assert(out:find "^0\n.-  done +4/okta%.add_to_group#1\n.-\n1\n1\nwhat line 4 did:\n.-\nplaybook  ledger.undo\n", out)
  assert(out:find "\n0\nno line at this prompt did anything itself that is still to be taken back\n$", out)
  local session = t:expect(0, { "runs", "--playbook", "repl", "--json" }).doc()
  eq(session.state, "completed")
  local shown = t:expect(0, { "show", session.run }).out
  has(shown, "okta.add_to_group  " .. USER)
  eq(t:expect(0, { "replay", session.run, "--json" }).doc().same, true)
end)

sys.test("a line begins runs of playbooks, which :undo names and leaves", function(t)
  t:sim { "--speed", "500" }
  t:write("sim.conf.lua", (t:read("sim.conf.lua"):gsub("connectors%s*=",
          "scripts = { \"scripts\" }, guards = { approve = \"never\" }, connectors =", 1)))
  t:playbook("adds", "local okta = require 'connectors.okta'\n"
             .. "local u = only(okta.users { login = '" .. USER .. "' })\n"
             .. "okta.add_to_group { user = u.id, group = only(okta.groups { name = 'ir-restricted', type = 'OKTA_GROUP' }).id }\n"
             .. "return { user = u.id }", "uses = { 'okta' },")
  for _, served in ipairs { false, true } do
    local daemon = served and t:serve()
    local out = out_of(t, { "r = run_playbook('adds')", "r.user:sub(1, 3)", "#start('adds')", ":undo" }, nil)
    has(out, "\"00u\"\n26\n")
    local first, second = out:match("run (%w+), which line 3 began, is left as it is: lunette undo %w+\n"
                                    .. "run (%w+), which line 1 began, is left as it is: lunette undo %w+\n"
                                    .. "no line at this prompt did anything itself")
    assert(first and second and first ~= second, out)
    t:expect(0, { "undo", second })
    eq(t:expect(0, { "show", second, "--json" }).doc().result.user:sub(1, 3), "00u")
    if served then daemon.stop() end
  end
end)

sys.test("a session plans until it is told to act, unless all it could reach is near", function(t)
  t:sim { "--speed", "500" }
  local conf = t:read "sim.conf.lua"
  local near = typed(t, { ":plan" })
  has(near.out, "ACT: writes are made")
  conf = conf:gsub("visionone%s*=%s*%b{}", "visionone = { url = \"https://api.eu.xdr.trendmicro.com\", token = secret \"far\" }")
  t:write("sim.conf.lua", (conf:gsub("connectors%s*=", "guards = { approve = \"never\" }, connectors =", 1)))
  local out = out_of(t, { FIND[1], FIND[2], ":plan", ADD, COUNT, ":plan off", ADD, COUNT },
                     { env = { LUNETTE_SECRET_FAR = "x" } })
  assert(out:find "^plan: writes are looked at.-  planned +3/okta%.add_to_group#1.-\n0\nACT: writes are made\n.-  done .-\n1\n$", out)
  eq(t:did "okta.add_to_group", 1)
end)

sys.test("what a planned line does not know may not be acted on", function(t)
  local out = out_of(t, { ":plan on", "d = store.incr('n')", "if d then x = 1 end", "x = 2", ":plan off",
                          "store.set('a', d)", "store.get 'a'", "store.incr('n')", "x" }, { "--sim" })
  eq(select(2, out:gsub("unknown: the plan cannot know the answer before 1/store.incr#1 is done", "")), 2)
  eq(out:sub(-10), "nil\n0\n1\n2\n", "what is there at the end")
end)

sys.test(":assume answers in a plan, at the prompt and in a fork", function(t)
  t:playbook("p", "local n = store.incr('n')\n    if n > 6 then found { severity = 'low', title = 'many: ' .. n } end\n    return n")
  t:expect(0, { "run", "p" })
  for _, served in ipairs { false, true } do
    local daemon = served and t:serve()
    local out = out_of(t, { ":assume", ":assume store.incr=7", ":assume other={\"a\":[1,null]}", ":assume", "store.incr('n') + 1",
                            ":assume store.incr=", "store.incr('n') + 1", ":assume other", ":assume x=1,", ":plan off",
                            ":assume store.incr=41", "store.incr('m')" })
    assert(out:find("^nothing is assumed: :assume NAME=JSON\nother = {\"a\":%[1,null%]}\nstore.incr = 7\n8\n.-unknown: the plan "
                    .. ".-that holds while writes are planned: :plan on\n[12]\n$"), out)
    local first = t:expect(0, { "runs", "--json", "--playbook", "p" }).out:match "\"run\":\"(%w+)\"[^\n]*\n$"
    has(out_of(t, { ":goto 0", ":assume store.incr=9", ":fork" }, { "--run", first }), "many: 9")
    if served then daemon.stop() end
  end
  eq(t:expect(0, { "replay", "last", "--json" }).doc().same, true)
end)

sys.test("at a pipe a question leaves the run to others, and it ends with the answer", function(t)
  t:sim { "--speed", "500" }
  local lines = { FIND[1], FIND[2], ADD, "error 'not reached'" }
  local r = typed(t, lines, nil, 3)
  has(r.err, "waits for approval: lunette approve 1")
  hasnt(r.out, "not reached")
  eq(t:did "okta.add_to_group", 0)
  t:expect(0, { "deny", "1" })
  t:expect(5, { "resume", "last" })
  eq(t:expect(0, { "runs", "--json" }).doc().state, "completed")
end)

sys.test("a line in doubt is told, and left to people", function(t)
  t:sim { "--speed", "500", "--faults", "okta.clear_sessions=reset-after" }
  t:write("sim.conf.lua", (t:read("sim.conf.lua"):gsub("connectors%s*=", "guards = { approve = \"never\" }, connectors =", 1)))
  for _, served in ipairs { false, true } do
    local daemon = served and t:serve()
    local r = typed(t, { FIND[1], "okta.clear_sessions { user = u.id }", "error 'not reached'" }, nil, 3)
    assert(r.err:find(served and "is in doubt of 2/okta.clear_sessions#1" or "waits for doubt: lunette resume", 1, true), r.err)
    hasnt(r.out, "not reached")
    if served then daemon.stop() end
    t:run { "resume", "last", "--did" }
    eq(sys.decode(t:expect(0, { "runs", "--json" }).out:match "[^\n]+").state, "completed")
  end
end)

sys.test("a session that was killed goes on where it was, does nothing twice, and ends", function(t)
  t:sim { "--speed", "500" }
  t:write("sim.conf.lua", (t:read("sim.conf.lua"):gsub("connectors%s*=", "guards = { approve = \"never\" }, connectors =", 1)))
  t:write("lines", table.concat({ FIND[1], FIND[2], ADD .. " sleep '1s' x = 1", "" }, "\n"))
  local job = t:start { "repl", limit = "exec <lines" }
  assert(t:until_true(function() return t:did "okta.add_to_group" == 1 end), "it was not added")
  os.execute "sleep 0.2"
  job.kill "KILL"
  job.wait()
  eq(t:expect(0, { "runs", "--json" }).doc().state, "waiting")
  t:expect(0, { "resume", "last" })
  eq(t:did "okta.add_to_group", 1)
  eq(t:expect(0, { "runs", "--json" }).doc().state, "completed")
end)

sys.test("only the prompt sends lines", function(t)
  local out = out_of(t, { "signal(run.id, 'run.line', { text = 'x = 1' })", "await_signal 'run.line'", "x" }, { "--sim" })
  eq(select(2, out:gsub("names that begin with \"run%.\" are the core's own", "")), 2)
  has(out, "unknown name 'x'")
  local r = t:expect(2, { "signal", "last", "run.line", "{\"text\":\"x = 1\"}" })
  has(r.err, "the core's own")
end)

-- The prompt's own commands -------------------------------------------------------------------------------

sys.test("help, annotations, sources, times, runs", function(t)
  local r = typed(t, { ":help", ":doc okta.add_to_group", ":doc sleep", ":doc nosuch", ":source t1059.harden", ":source nosuch",
                       ":time 6 * 7", ":runs", ":plan maybe", ":goto 3", ":nosuch", ":r" }, { "--sim" })
  for _, part in ipairs { "  :undo ", "  :reverse-continue ", "okta.add_to_group(args)\nPuts a user into a group.\n",
                          "sleep(time)\n", "   1  -- harden.lua", "\n42\n(", "  running ", } do has(r.out, part) end
  for _, part in ipairs { "there is no annotation of nosuch", "there is no script nosuch", ":plan is on or off",
                          ":goto is for a run that is open", "there is no :nosuch", ":r may be :reload, :runs, :reverse-continue" } do
    has(r.err, part)
  end
end)

sys.test("who only looks around leaves no run behind", function(t)
  typed(t, { ":help", "", "  " }, { "--sim" })
  eq(t:expect(0, { "runs" }).out, "")
end)

sys.test(":reload takes the scripts as they are now, and keeps what there is", function(t)
  t:playbook("unused", "return 1")
  t:write("scripts/m.lua", "return { v = 1 }\n")
  t:write("lines", "old = require('m')\nold.v\n")
  t:write("more", ":reload\nrequire('m').v\nold.v\n")
  os.execute(("cd '%s' && { cat lines; sleep 1; printf 'return { v = 2 }\\n' >scripts/m.lua; cat more; } | ( %s ) >out 2>err")
             :format(t.dir, t:command { "repl" }))
  eq(t:read "out", "1\nscripts as of now: m\nthe scripts are those of now, for what is required from here on\n2\n1\n")
  eq(t:expect(0, { "replay", "last", "--json" }).doc().same, true)
end)

-- Within the process that serves the store ----------------------------------------------------------------

sys.test("a prompt within a process that serves", function(t)
  t:write("lunette.conf.lua", "return { limits = { cpu = \"200ms\" } }\n")
  local daemon = t:serve()
  local lines = { "x = 20", "x * 2", "while true do end", "x + 1", "for i = 1, 2 do print(i) end", "error 'no'", ":runs repl" }
  for _, args in ipairs { {}, { "--connect", "lunette.db.owner/socket" } } do
    local r = typed(t, lines, args)
    has(r.out, "40\n")
    has(r.out, "cpu: line 3:1: used its CPU budget")
    has(r.out, "\n21\n1\n2\nline 6:1: no\n")
    has(r.out, "  repl\n")
  end
  assert(t:until_true(function() return not t:expect(0, { "runs" }).out:find "waiting" end), "sessions end with their prompt")
  eq(t:expect(0, { "replay", "last", "--json" }).doc().same, true)
  daemon.stop()
  has(t:expect(4, { "repl", "--connect", "lunette.db.owner/socket" }).err, "nobody serves at lunette.db.owner/socket")
  has(t:expect(2, { "repl", "--connect", "elsewhere" }).err, "STORE.owner/socket, not elsewhere")
  has(t:expect(2, { "repl", "--connect", "lunette.db.owner/socket", "--sim" }).err, "do not go together")
end)

-- A past run ----------------------------------------------------------------------------------------------

local function step_named(out, name)
  for line in out:gmatch "[^\n]+" do
    local n = line:match "^ *(%d+)  "
    if n and line:find(name, 1, true) then return n end
  end
  error("no step " .. name .. " in:\n" .. out, 2)
end

sys.test("a finished response, back from its end to the verdict, changed, compared, forked", function(t)
  t:run { "run", "t1059.respond", "--sim", "--approve", "all", "--quiet", "--set", "confirmed_by=alice", "--input", ALERT }
  local script = sys.slurp(sys.root .. "/scripts/t1059/respond.lua")
  local before = script:match("^(.-)host%(a%.device, seen%)")
  local line = "t1059/respond.lua:" .. select(2, before:gsub("\n", "")) + 1
  local steps = out_of(t, { ":steps" }, { "--run", "last", "--sim" })
  local verdict = step_named(steps, "host/detect/store.set#1")
  local out = out_of(t, { ":where", ":back", ":break " .. line, ":reverse-continue", ":locals", "seen.verdict",
                          ":up", ":goto " .. verdict, ":where", ":up", ":diff 0 " .. verdict }, { "--run", "last", "--sim" })
  has(out, "the end: completed")
  has(out, "scripts/" .. line .. ": host(a.device, seen)  (breakpoint 1)")
  has(out, "\n\"malicious\"\n")
  has(out, "  seen = { ")
  assert(out:find("step " .. verdict .. "/%d+  host/detect  scripts/t1059/detect.lua:%d+"), out)

  local from = "if is \"malicious\" or is \"benign\" then return true end"
  local at, upto = script:find(from, 1, true)
  t:write("edited/t1059/respond.lua", script:sub(1, at - 1) .. "if is \"benign\" then return true end" .. script:sub(upto + 1))
  local compared = t:expect(1, { "replay", "--all", "--with", "edited" }).out
  has(compared, "gone     host/isolate/approved/visionone.isolate#1")

  local plan = out_of(t, { ":goto " .. verdict, ":fork" }, { "--run", "last", "--sim" })
  has(plan, "goes on from here, planned\n")
  has(plan, "  planned   host/isolate/approved/visionone.isolate#1\n")
  local first = t:expect(0, { "runs", "--json", "--playbook", "t1059.respond" }).out:match "\"run\":\"(%w+)\"[^\n]*\n$"
  local other = out_of(t, { ":goto " .. verdict, ":fork with edited" }, { "--run", first, "--sim" })
  hasnt(other, "visionone.isolate#1")
  has(other, "isolate    skipped: the verdict is malicious: a person decides")
end)

sys.test("a past run touches nothing, and a session beside it is another thing", function(t)
  t:playbook("p", "local a = step('one', function() return 1 end)\n    local b = { n = a }\n    found { severity = 'low', title = 'x' }"
                  .. "\n    return b")
  t:expect(0, { "run", "p" })
  local r = typed(t, { ":goto 1", "b", "a", ":next", "b.n = 7", "b", ":continue", "b", "a.b.c", "while true do end",
                       "store.set('x', 1)", ":break p.lua:4", ":break p.lua:4 if b",
                       ":break p.lua:999", ":break p.lua", ":break p.lua:4 if", ":fork maybe", ":goto 99",
                       ":answer 1", ":answer", ":unbreak 7", ":up", ":diff 0 1", "1 +", "41", ":close", "1 + 1", "b" }, { "--run", "last" })
  assert(r.out:find "step 1/1  scripts/p%.lua:%d+", r.out)
  has(r.out, "{ n = 7 }")
  has(r.out, "    1  scripts/p.lua:4\n    2  scripts/p.lua:4  if b\n")
  has(r.out, "step 0: scripts/p.lua:1\nstep 1: scripts/p.lua:4\n  a: (not there)  →  1\n  input: (not there)  →  {}\n42\n")
  for _, part in ipairs { "used its CPU budget", "p.lua:999 has no code", ":break FILE:LINE [if EXPR]", ":fork [act] [with DIR]",
                          "there is no step 99", "there is no breakpoint 7", "there is no frame above" } do has(r.err, part) end
  has(r.out, "\n2\nunknown name 'b'")
  eq(select(2, t:expect(0, { "runs" }).out:gsub("\n", "")), 2, "runs")
  has(t:expect(1, { "repl", "--run", "nosuch" }).err, "no run is called 'nosuch'")
end)

sys.test("a past run in a store that another process serves: looked at, and forked there", function(t)
  t:playbook("p", "local a = store.incr('n', 41)\n"
             .. "    store.set('n', a + 1)\n    return { n = a + 1 }")
  t:expect(0, { "run", "p" })
  local daemon = t:serve()
  local r = typed(t, { ":goto 1", "a", ":fork act" }, { "--run", "last" })
  local a = math.tointeger(r.out:match "\n(%d+)\n")
  has(r.out, "goes on from here\n")
  local fork = t:expect(0, { "show", "last", "--json" }).doc()
  eq(a, 41)
  eq(fork.result.n, 42)                                     -- what had come in is taken over
  has(t:expect(0, { "replay", "last" }).out, "replayed")
  daemon.stop()
end)

sys.done()
