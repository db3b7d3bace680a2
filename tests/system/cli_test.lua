-- cli_test.lua: the command line itself: options that are wrong, streams that are full or closed, signals, and
-- questions at a terminal.
local sys = dofile "tests/system/harness.lua"
local eq, has, hasnt = sys.eq, sys.has, sys.hasnt

---Runs a script in the test's folder, where `lunette` is the program: its exit status, and what it printed.
local function shell(t, script)
  local file = t:write("it.sh", ("cd '%s'\nlunette() { '%s' \"$@\"; }\n%s\n"):format(t.dir, sys.binary, script))
  local _, _, code = os.execute(("timeout -k 2 60 sh '%s' >'%s/it.out' 2>&1 </dev/null"):format(file, t.dir))
  return code, t:read "it.out"
end

---Runs a command at a terminal, types `keys` (a printf format) once `sign` is to be seen, and says how it ended:
---what was seen has "rc=STATUS" and the terminal's settings in it.
local function terminal(t, command, sign, keys)
  t:write("typed.sh", ("trap : INT\n'%s' %s\necho rc=$?\nstty -a\n"):format(sys.binary, command))
  local _, seen = shell(t, ([[
: >seen
{ until grep -q '%s' seen; do sleep 0.05; done; printf '%s'; until grep -q rc= seen; do sleep 0.05; done; } |
  script -qfec 'sh typed.sh' seen >/dev/null
cat seen]]):format(sign, keys))
  return seen:gsub("\r", "")
end

local function waiting(t) t:playbook("waiting", [[return approve { title = "go on?" }]]) end

-- Options -------------------------------------------------------------------------------------------------

local wrong = {
  { "run", "hello", "--nope" }, { "run", "hello", "-x" }, { "run", "hello", "--set" },
  { "run", "hello", "--json=yes" }, { "run", "hello", "--s" }, { "run" }, { "run", "hello", "hello" },
  { "run", "hello", "--set", "x" }, { "run", "hello", "--approve", "perhaps" },
  { "run", "hello", "--seed", "7" }, { "run", "hello", "--sim", "--seed", "many" },
  { "run", "hello", "--sim", "--seed", "0" }, { "run", "hello", "--faults", "okta=429" },
  { "run", "hello", "--assume", "a=1" }, { "runs", "hello" }, { "runs", "--state", "odd" },
  { "runs", "--since", "yesterday" }, { "show" }, { "show", "a", "b" }, { "resume" }, { "cancel" },
  { "approvals", "1" }, { "approve" }, { "approve", "one" }, { "deny", "1", "--answer", "x" }, { "call" },
  { "signal" }, { "signal", "last" }, { "signal", "last", "go", "{}", "x" }, { "signal", "last", "go", "{" },
  { "signal", "last", "" }, { "signal", "last", ("x"):rep(201) },
  { "alert", "a", "b" }, { "sim", "--port", "0" }, { "sim", "--speed", "fast" }, { "sim", "nobody" },
  { "check", "--strict=1" }, { "new" }, { "new", "playbook", "../x" }, { "secret" }, { "secret", "get", "x" },
  { "secret", "list", "--json" }, { "entity", "a", "b" }, { "bench", "hello" },
  { "bench", "hello", "--runs", "3x", "--concurrency", "1" },
  { "bench", "hello", "--runs", "3", "--concurrency", "0" },
  { "replay" }, { "replay", "last", "--all" }, { "replay", "--all", "--with", "scripts", "--last", "2x" },
  { "serve", "--json" }, { "watch" }, { "freeze", "--json" },
  { "thaw", "--why", "x" },
  { "undo" }, { "undo", "last", "--approve", "perhaps" }, { "release", "x" }, { "release", "--why", "x" },
  { "hold", "x" }, { "hold", "x", "--until", "tomorrow" }, { "hold", "x", "--until", "2h", "--json" },
  { "backup" }, { "backup", "a", "b" }, { "prune" }, { "prune", "--older-than", "long" },
  { "prune", "--older-than", "1h", "x" }, { "nothing" },
}

sys.test("what is wrong with an option is one line that says what to do, and exits with 2", function(t)
  t:playbook("hello", "return 1")
  t:expect(0, { "run", "hello" })
  for _, args in ipairs(wrong) do
    local r = t:expect(2, args)
    local said = table.concat(args, " ") .. ": " .. r.err
    assert(r.err:find "^lunette: [^\n]+\n$", said)
    eq(r.out, "", said)
  end
  eq(select(2, t:expect(0, { "runs" }).out:gsub("\n", "")), 1, "runs in the store")
end)

sys.test("what is not there is said, with what to do, and nothing is made in its place", function(t)
  for _, args in ipairs { { "runs" }, { "show", "last" }, { "approvals" }, { "signal", "last", "x" }, { "thaw" },
                          { "freeze" }, { "entity" }, { "watch", "last" }, { "cancel", "last" },
                          { "undo", "last" }, { "release", "x", "--why", "x" }, { "hold", "x", "--until", "2h" },
                          { "replay", "last" }, { "backup", "copy" }, { "prune", "--older-than", "1h" } } do
    has(t:expect(4, args).err, "name a store that is there")
  end
  eq(t:read "lunette.db", nil)
  has(t:expect(0, { "freeze", "--why", "before anything runs" }).out, "everything is frozen in lunette.db")
  eq(t:expect(0, { "thaw" }).out, "thawed\n")
  eq(t:expect(0, { "thaw" }).out, "nothing was frozen\n")
  t:playbook("hello", "return 1")
  t:expect(0, { "new", "playbook", "mine" })
  has(t:expect(1, { "new", "playbook", "mine" }).err, "is there already: take another name")
  has(t:expect(1, { "secret", "rm", "mine" }).err, "lunette secret list")
  has(t:expect(2, { "call", "okta.users", "{no" }).err, "{no is no JSON")
  has(t:expect(1, { "call", "users" }).err, "CONNECTOR.OPERATION")
end)

-- Streams -------------------------------------------------------------------------------------------------

sys.test("output that cannot be written is no success", function(t)
  t:playbook("hello", "return 1")
  t:expect(0, { "run", "hello" })
  for _, command in ipairs { "run hello", "run hello --json", "runs", "show last", "show last --json", "--help" } do
    local code, said = shell(t, "lunette " .. command .. " >/dev/full")
    eq(code, 1, command)
    has(said, "lunette: standard output cannot be written")
  end
end)

sys.test("a closed stream is not taken for the store", function(t)
  t:playbook("hello", "print 'into nothing' fail('no_luck', 'into nothing')", "")
  for _, closed in ipairs { ">&-", "2>&-", "<&-", ">&- 2>&- <&-" } do
    local code = shell(t, "lunette run hello " .. closed)
    eq(code, 1, "the exit status with " .. closed)
  end
  eq(select(2, t:expect(0, { "runs", "--state", "failed" }).out:gsub("\n", "")), 4, "runs in the store")
  eq(io.open(t.dir .. "/lunette.db", "rb"):read(15), "SQLite format 3")
end)

sys.test("a run goes on when nobody reads its output any more", function(t)
  t:playbook("many", "for i = 1, 20000 do step('s' .. i, function() return i end) end return 'all'")
  shell(t, "lunette run many | true")
  local doc = t:expect(0, { "show", "last", "--json" }).doc()
  eq(doc.state, "completed")
  eq(doc.result, "all")
end)

-- Signals -------------------------------------------------------------------------------------------------

local endless = [[while true do sleep "1h" end]]

for _, how in ipairs { "", "--sim" } do
  for _, signal in ipairs { "INT", "TERM" } do
    sys.test(("SIG%s ends run %s, and says how it goes on"):format(signal, how), function(t)
      t:playbook("endless", endless)
      local code, said = shell(t, ([[
"%s" run endless --quiet %s & p=$!
until lunette runs 2>/dev/null | grep -q running; do sleep 0.05; done
kill -%s $p
wait $p]]):format(sys.binary, how, signal))
      eq(code, 130)
      local run = said:match "run%s+(%S+)"
      assert(said:find("lunette: run " .. run .. " was interrupted and waits: lunette resume " .. run .. "\n$"), said)
      eq(t:expect(0, { "show", "last", "--json" }).doc().state, "waiting")
    end)
  end
end

-- Questions -----------------------------------------------------------------------------------------------

local interactive = "return { scripts = { \"scripts\" }, approvals = { self = \"interactive\" } }\n"

sys.test("a question at the terminal: yes, no, nothing, Ctrl-C", function(t)
  t:write("lunette.conf.lua", interactive)
  waiting(t)
  local function ask(keys) return terminal(t, "run waiting --approve ask", "Approve", keys) end
  has(ask "y\\n", "completed, complete")
  local no = ask "n\\n"
  has(no, "denied")
  has(no, "rc=1")
  has(ask "\\004", "rc=3")
  local stopped = ask "\\003"
  has(stopped, "rc=130")
  assert(stopped:find "waits for approval: lunette approve 4 && lunette resume %S+\n%c*rc=130", stopped)
end)

sys.test("an ask at the terminal shows its options, and takes one of them", function(t)
  t:write("lunette.conf.lua", interactive)
  t:playbook("asking", [[return ask { title = "whose?", options = { "ours", "a guest's" } }.answer]])
  local seen = terminal(t, "run asking --approve ask --json >doc", "Answer:", "mine\\na guest'\\''s\\n")
  has(seen, "whose? (ours, a guest's)")
  has(seen, "lunette: \"mine\" is none of the options of approval 1")
  has(seen, "rc=0")
  eq(sys.decode(t:read "doc").result, "a guest's")
end)

sys.test("an ask is answered from elsewhere by one of its options, and nothing else is", function(t)
  t:playbook("asking", [[return ask { title = "whose?", options = { "ours", "theirs" } }.answer]])
  waiting(t)
  local asked = t:expect(3, { "run", "asking" })
  has(asked.err, "waits for approval: lunette approve 1 --answer TEXT && lunette resume ")
  has(asked.out, "(lunette approve 1 --answer TEXT)")
  has(t:expect(0, { "approvals" }).out, "lunette approve 1 --answer ours | theirs")
  local listed = t:expect(0, { "approvals", "--json" }).doc()
  eq(listed.kind, "ask")
  eq(listed.options[2], "theirs")
  t:expect(2, { "approve", "1" })
  has(t:expect(2, { "approve", "1", "--answer", "mine" }).err, "none of the options")
  t:expect(3, { "run", "waiting" })
  has(t:expect(2, { "approve", "2", "--answer", "ours" }).err, "takes no answer")
  t:write("scripts/parent.lua", [[return playbook { name = "parent", summary = "s", uses = { "asking" },
    run = function() return run_playbook "asking" end }]])
  local through = t:expect(3, { "run", "parent", "--json" })
  local next = ("lunette approve 3 --answer TEXT && lunette resume %s\n"):format(through.doc().run)
  has(through.err, "waits for approval: " .. next)
end)

sys.test("resume --approve answers what was asked before", function(t)
  t:playbook("two", [[
    local out = parallel { a = function() return try(approve, { title = "a?" }) ~= nil end,
                           b = function() return try(approve, { title = "b?" }) ~= nil end }
    return { out.a, out.b, (try(approve, { title = "c?" })) ~= nil }]])
  local function begun(options)
    return t:expect(3, { "run", "two", "--json", table.unpack(options or {}) }).doc().run
  end
  local run = begun()
  local r = t:expect(0, { "resume", run, "--approve", "deny", "--json" })
  eq(table.concat({ tostring(r.doc().result[1]), tostring(r.doc().result[2]), tostring(r.doc().result[3]) }, " "),
     "false false false")
  eq(r.doc().approvals[1].by, r.doc().approvals[2].by)
  -- whoever started it says yes to nothing that was asked of others, and hears so once
  run = begun()
  r = t:expect(3, { "resume", run, "--approve", "all" })
  eq(select(2, r.err:gsub("started this run and cannot approve it", "")), 1)
  has(r.err, "waits for approval: lunette approve ")
  t:expect(0, { "resume", run, "--approve", "deny" })
  run = begun { "--sim" }
  r = t:expect(0, { "resume", run, "--sim", "--approve", "all", "--json" })
  for i = 1, 3 do eq(r.doc().result[i], true) end
end)

sys.test("resume --approve answers through the process that serves, by the same rules", function(t)
  t:playbook("two", [[
    local ok = try(approve, { title = "a?" }) ~= nil
    return { ok, try(approve, { title = "b?" }) ~= nil }]])
  local server = t:serve()
  local run = t:expect(3, { "run", "two", "--json" }).doc().run
  local r = t:expect(3, { "resume", run, "--approve", "all" })
  has(r.err, "started this run and cannot approve it")
  r = t:expect(0, { "resume", run, "--approve", "deny", "--json" })
  eq(r.doc().result[1], false)
  eq(r.doc().result[2], false)
  eq(server.stop().code, 0)
end)

sys.test("an ask is not answered by --approve all, at once or later", function(t)
  t:playbook("asking", [[return ask { title = "whose?" }.answer]])
  local run = t:expect(3, { "run", "asking", "--approve", "all", "--json" }).doc().run
  t:expect(3, { "resume", run, "--approve", "all" })
  t:expect(0, { "approve", "1", "--answer", "ours" })
  eq(t:expect(0, { "resume", run, "--approve", "all", "--json" }).doc().result, "ours")
end)

sys.test("a question that wants two is put once to each", function(t)
  t:write("lunette.conf.lua", interactive)
  t:playbook("both", [[return approve { title = "go on?", quorum = 2 }]])
  local seen = terminal(t, "run both --approve ask", "Approve", "y\\n")
  has(seen, "rc=3")
  eq(select(2, seen:gsub("Approve%?", "")), 1)
end)

-- Signals to runs -----------------------------------------------------------------------------------------

local awaits = [[local a = await_signal "go" local b = await_signal "it's" return { a, b }]]

sys.test("a signal reaches a run that is under way in another process", function(t)
  t:playbook("awaits", awaits)
  local job = t:start { "run", "awaits", "--json" }
  t:until_true(function() return t:run { "runs" }.out:find "running" end)
  local sent = t:expect(0, { "signal", "last", "go", '{"n":[1,null]}' })
  eq(sent.out, "sent go to run " .. t:expect(0, { "runs" }).out:match "^%S+" .. "\n")
  t:expect(0, { "signal", "last", "it's" })
  local r = job.wait()
  eq(r.code, 0)
  eq(r.doc().result[1].n[1], 1)
  eq(r.doc().result[2], nil)
  has(t:expect(1, { "signal", "last", "go" }).err, "it has ended: nobody would take the signal")
  has(t:expect(1, { "signal", "01NONE", "go" }).err, "01NONE")
end)

sys.test("a signal waits for a run that nobody carries, which says how to send it", function(t)
  t:playbook("awaits", awaits)
  local job = t:start { "run", "awaits" }
  t:until_true(function() return t:run { "runs" }.out:find "running" end)
  assert(t:until_true(function() return job.seen "out":find "waits" end), "it says nothing")
  job.kill "INT"
  local r = job.wait()
  eq(r.code, 130)
  local doc = t:expect(0, { "show", "last", "--json" }).doc()
  has(r.out, ("  waits     await_signal#1 (lunette signal %s go)\n"):format(doc.run))
  eq(select(2, r.out:gsub("  waits  ", "")), 1, "once")
  eq(doc.waiting["for"], "signal")
  eq(doc.waiting.next, ("lunette signal %s go && lunette resume %s"):format(doc.run, doc.run))
  t:expect(0, { "signal", doc.run, "go", "1" })
  t:expect(0, { "signal", doc.run, "go", "2" })           -- not taken: one at a time
  t:expect(0, { "signal", doc.run, "it's", "3" })
  local result = t:expect(0, { "resume", doc.run, "--json" }).doc().result
  eq(result[1], 1)
  eq(result[2], 3)
end)

sys.test("who follows a run, or wants the document, is told what signal it waits for", function(t)
  t:playbook("awaits", [[return await_signal "go"]])
  local quiet = t:start { "run", "awaits", "--json" }
  assert(t:until_true(function() return quiet.seen "err":find "lunette signal %S+ go\n" end), quiet.seen "err")
  t:expect(0, { "signal", quiet.seen "err":match "lunette signal (%S+)", "go", "1" })
  eq(quiet.wait().doc().result, 1)
  local server = t:serve()
  local job = t:start { "run", "awaits" }
  assert(t:until_true(function() return job.seen "out":find "waits     await_signal#1 %(lunette signal %S+ go%)" end),
         "it says nothing")
  t:expect(0, { "signal", job.seen "out":match "lunette signal (%S+)", "go", "2" })
  eq(job.wait().code, 0)
  eq(server.stop().code, 0)
end)

sys.test("a signal goes through the process that serves, and wakes what was put away", function(t)
  t:playbook("awaits", awaits)
  local server = t:serve()
  local run = t:expect(0, { "run", "awaits", "--detach" }).out:match "%S+"
  local function its() return t:expect(0, { "show", run, "--json" }).doc().waiting or {} end
  assert(t:until_true(function() return its().next end), "it is not put away")
  eq(its().next, "lunette signal " .. run .. " go")
  t:expect(0, { "signal", run, "go", '"x"' })
  assert(t:until_true(function() return (its().next or ""):find("'it'\\''s'", 1, true) end), its().next)
  t:expect(0, { "signal", run, "it's", "true" })
  t:expect(0, { "watch", run })
  eq(t:expect(0, { "show", run, "--json" }).doc().result[2], true)
  has(t:expect(1, { "signal", run, "go" }).err, "it has ended")
  t:expect(2, { "signal", run, "go", "{" })
  t:expect(2, { "signal", run, "" })
  eq(server.stop().code, 0)
end)

-- Secrets -------------------------------------------------------------------------------------------------

sys.test("a secret's prompt does not echo, and leaves the terminal as it was", function(t)
  local seen = terminal(t, "secret set a", "value:", "open sesame\\n")
  hasnt(seen, "sesame")
  has(seen, "rc=0")
  has(seen, " echo ")
  has(t:expect(0, { "secret", "list" }).out, "a  ")
  for _, key in ipairs { "\\003", "\\032" } do
    seen = terminal(t, "secret set b", "value:", key)
    has(seen, "rc=130")
    has(seen, " echo ")
  end
  hasnt(t:expect(0, { "secret", "list" }).out, "b  ")
end)

-- What others wrote ---------------------------------------------------------------------------------------

local BAD = { "\27", "\7", "\155", "\226\128\174", "\r" }   -- ESC, BEL, C1 CSI, right-to-left override

sys.test("no text of others moves the terminal's cursor", function(t)
  t:playbook("odd", [[
    local bad = "x\27[2J\7\u{9b}1m\u{202e}\r\nstate     all is well"
    found { severity = "low", title = bad }
    not_done(bad, bad)
    evidence(bad, bad)
    if input.ask then approve { title = bad } end
    fail("odd", bad)]], [[input = { ask = "boolean = false" },]])
  local seen = { t:expect(1, { "run", "odd" }), t:expect(0, { "show", "last" }),
                 t:expect(0, { "show", "last", "--markdown" }), t:expect(3, { "run", "odd", "--set", "ask=true" }),
                 t:expect(0, { "approvals" }) }
  for _, r in ipairs(seen) do
    for _, bad in ipairs(BAD) do
      hasnt(r.out, bad == "\155" and "\194\155" or bad)
      hasnt(r.err, bad == "\155" and "\194\155" or bad)
    end
    hasnt("\n" .. r.out, "\nstate     all is well")
    hasnt("\n" .. r.err, "\nstate     all is well")
  end
end)

-- Plans, and answers for all ------------------------------------------------------------------------------

sys.test("a plan is judged by its steps, not by what its input says", function(t)
  t:playbook("planned", "return input", [[input = { state = "string" },]])
  t:expect(0, { "run", "planned", "--plan", "--set", "state=refused", "--json" })
end)

sys.test("--approve all looks at the connectors that the playbook uses", function(t)
  t:write("lunette.conf.lua", [[return { scripts = { "scripts" }, connectors = {
    okta = { url = "http://127.0.0.1:9", token = secret "t" },
    qualys = { url = "https://qualys.example", username = "x", password = secret "p" } } }]])
  t:playbook("near", [[return approve { title = "yes?" }.by]], [[uses = { "okta.users" },]])
  t:playbook("far", [[return 1]], [[uses = { "okta.users", "qualys" },]])
  t:playbook("both", [[return 1]], [[uses = { "near" },]])
  eq(t:expect(0, { "run", "near", "--approve", "all", "--json" }).doc().result, "--approve all")
  has(t:expect(2, { "run", "far", "--approve", "all" }).err, "--approve ask")
  t:expect(2, { "run", "both", "--approve", "all" })
  t:expect(2, { "call", "qualys.scanned_hosts", "all=true", "--approve", "all" })
end)

sys.done()
