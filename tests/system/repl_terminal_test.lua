-- repl_terminal_test.lua: lunette repl as somebody sees it who types: a real terminal (tmux's), keys, and what is on the
-- screen after them.
local sys = dofile "tests/system/harness.lua"
local eq, has, hasnt = sys.eq, sys.has, sys.hasnt

local ALERT = sys.root .. "/tests/fixtures/alerts/windows/nxlog_sysmon1_wscript_launcher_vbs.json"

---A terminal in which the program runs: text(s) and key(name) type, screen() is what is seen, sees(part) waits for it.
local function terminal(t, args, columns, rows)
  t.terminals = (t.terminals or 0) + 1
  local tmux = ("env -u TMUX LC_ALL=C.UTF-8 tmux -u -f /dev/null -S '%s/tmux%d'"):format(t.dir, t.terminals)
  args.env = { XDG_STATE_HOME = t.dir .. "/state", TERM = "screen", NO_COLOR = args.plain and "1" or "" }
  args.seconds = false                                    -- what limits it would take it off its terminal
  t:write("in_terminal", "trap : INT\n" .. t:command(args) .. "\necho \"exit status $?\"\nsleep 100\n")
  os.execute(("%s new-session -d -x %d -y %d 'sh %s/in_terminal'"):format(tmux, columns or 100, rows or 40, t.dir))
  local it = {}
  function it.close() os.execute(tmux .. " kill-server 2>/dev/null") end
  t.jobs[#t.jobs + 1] = { kill = it.close, wait = function() end }
  function it.text(s) os.execute(("%s send-keys -l '%s'"):format(tmux, (s:gsub("'", "'\\''")))) end
  function it.key(name) os.execute(("%s send-keys %s"):format(tmux, name)) end
  function it.line(s)
    it.text(s)
    it.key "Enter"
  end
  function it.screen(colours)
    local p = io.popen(("%s capture-pane -p %s"):format(tmux, colours and "-e" or ""))
    local s = p:read "a"
    p:close()
    return s
  end
  function it.sees(part)
    if not t:until_true(function() return it.screen():find(part, 1, true) end) then
      error(("%q is not on the screen:\n%s"):format(part, it.screen()), 2)
    end
  end
  return it
end

sys.test("lines, history, completion, Ctrl-C, Ctrl-D", function(t)
  local term = terminal(t, { "repl", "--sim" })
  term.sees "ACT crowdstrike,okta,qualys,visionone>"
  has(term.screen(true), "\27[31mACT crowdstrike,okta,qualys,visionone")
  term.text "for i = 1, 2 do"
  term.key "Enter"
  term.sees "...>"
  term.line "print('turn ' .. i)"
  term.line "end"
  term.sees "\nturn 1\nturn 2\n"
  term.text "okta.add_"
  term.key "Tab"
  term.sees "okta.add_to_group"
  term.text " { gr"
  term.key "Tab"
  term.sees "okta.add_to_group { group ="
  term.key "C-c"
  term.sees "^C"
  term.text "crypto."
  term.key "Tab"
  term.sees "crypto.jwt_verify"
  term.text "hash('sha1', ''):sub(1, 4)"
  term.key "Enter"
  term.sees "> crypto.hash('sha1', ''):sub(1, 4)\n\"da39\"\n"
  term.line "'still ' .. 'here'"
  term.sees "\"still here\""
  term.line "counted = 0"
  term.line "while true do counted = counted + 1 end"
  os.execute "sleep 0.5"
  term.key "C-c"
  term.sees "stopped: the line is dropped, variables are as before it"
  term.text "coun"
  term.key "Tab"
  term.line ""
  term.sees "> counted\n0\n"
  term.line ":plan on"
  term.sees "\nplan>"
  term.key "C-d"
  term.sees "exit status 0"
  local p = io.popen(("stat -c %%a '%s/state/lunette' '%s/state/lunette/history'"):format(t.dir, t.dir))
  eq(p:read "a", "700\n600\n")
  p:close()

  term.close()
  local again = terminal(t, { "repl", "--sim", plain = true })
  again.sees "ACT"
  again.key "Up"
  again.key "Up"
  again.sees "> counted"
  hasnt(again.screen(true), "\27[31m")
end)

sys.test("a terminal of twenty columns, and pages", function(t)
  local term = terminal(t, { "repl", "--sim" }, 20, 12)
  term.sees "ACT>"
  term.line "okta.users{all=true}"
  term.sees "records"
  for line in term.screen():gmatch "[^\n]+" do assert(utf8.len(line) <= 20, line) end
  term.line "t={} for i=1,60 do t[i]=i*1111111 end return t"
  term.sees "more lines"
  hasnt(term.screen(), "66666660")
  term.key "Enter"
  os.execute "sleep 0.2"
  term.line "q"
  term.line "'left'"
  term.sees "\"left\""
end)

sys.test("a question is put at the prompt", function(t)
  local term = terminal(t, { "repl", "--sim" }, 200)
  term.sees "ACT"
  term.line "u = only(okta.users { login = 'pgustavo@theshire.example' })"
  os.execute "sleep 0.3"
  term.line "okta.clear_sessions { user = u.id }"
  term.sees "Approve? [y/N]"
  term.line "n"
  term.sees "denied: "
  term.line "okta.clear_sessions { user = u.id }.state"
  term.sees "(approval 2)"
  term.line "y"
  term.sees "\"cleared\""
  term.line "sleep"
  term.sees "\nfunction\n"
end)

sys.test("Ctrl-C lets go of what waits, here and within a process that serves", function(t)
  for _, served in ipairs { false, true } do
    if served then t:serve() end
    local term = terminal(t, { "repl", plain = true })
    term.sees "plan>"
    term.line "x = 1"
    term.line ":plan off"
    term.sees "ACT>"
    term.line "x = 2 sleep '1h'"
    os.execute "sleep 0.5"
    term.key "C-c"
    term.sees "stopped"
    term.line "x + 41"
    term.sees "\n42\n"
    term.key "C-d"
    term.sees "exit status 0"
    term.close()
  end
end)

sys.test("a save is active at the next line, and one that is broken keeps what was before", function(t)
  t:playbook("unused", "return 1")
  for _, way in ipairs { "alone", "sim", "served" } do
    t:write("scripts/m.lua", "return { v = 1 }\n")
    local daemon = way == "served" and t:serve()
    local term = terminal(t, { "repl", way == "sim" and "--sim" or nil })
    term.sees(way == "sim" and "ACT" or "plan>")
    term.line "old = require 'm'"
    term.line "old.v"
    term.sees "old.v\n1\n"

    local function save(text)
      t:write("scripts/m.lua", text)
      if daemon then os.execute "sleep 0.5" end            -- it has its own eyes, and its own pace
    end
    save "return { v = 2 }\n"
    term.line "require('m').v, old.v"
    term.sees("scripts as of now" .. (daemon and "" or ": m") .. "\n2\n1\n")
    save "return {\n  v = \n}\n"
    term.line "require('m').v + 40"
    term.sees "m.lua:3: unexpected symbol near '}': the version before it is used"
    term.sees "\n42\n"
    term.key "C-l"
    save "return { v = 3 }\n"
    term.line "require('m').v"
    term.sees "\n3\n"
    hasnt(term.screen(), "unexpected")
    term.key "C-d"
    term.sees "exit status 0"
    term.close()
    if daemon then daemon.stop() end
    eq(t:expect(0, { "replay", "last", "--json" }).doc().same, true, way)
  end
end)

---A folder with a copy of the response in which a malicious verdict does not contain the host any more.
local function edited(t)
  local script = sys.slurp(sys.root .. "/scripts/t1059/respond.lua")
  local from, to = script:find("if is \"malicious\" or is \"benign\" then return true end", 1, true)
  t:write("edited/t1059/respond.lua", script:sub(1, from - 1) .. "if is \"benign\" then return true end"
                                      .. script:sub(to + 1))
end

sys.test("an incident: back from its end to the verdict, changed, compared, forked", function(t)
  t:run { "run", "t1059.respond", "--sim", "--approve", "all", "--quiet", "--set", "confirmed_by=alice", "--input", ALERT }
  local term = terminal(t, { "repl", "--sim", "--run", "last" }, 140, 50)
  term.sees "the end: completed"
  term.line ":break t1059/detect.lua:54"
  term.sees "scripts/t1059/detect.lua:54"
  term.line ":reverse-continue"
  term.sees "scripts/t1059/detect.lua:54: if SEVERITY[verdict] then  (breakpoint 1)"
  term.line ":locals"
  term.sees "  verdict = \"malicious\""
  term.line ":back"
  term.sees "scripts/t1059/detect.lua:52"
  term.line "why[1]"
  term.sees "\"the sandbox says"
  term.line "while true do end"
  os.execute "sleep 0.3"
  term.key "C-c"
  term.sees "lunette: "
  term.line ":next"
  term.line "verdict .. '!'"
  term.sees "\"malicious!\""
  term.key "C-l"
  term.line ":fork"
  term.sees "would not be done"
  has(term.screen(), "visionone.isolate  WORKSTATION5")

  edited(t)
  local compared = t:expect(1, { "replay", "--all", "--last", "9", "--with", "edited" }).out
  has(compared, "gone     host/isolate/approved/visionone.isolate#1")
  term.key "C-l"
  term.line ":fork with edited"
  term.sees "contain WORKSTATION5.theshire.local: the verdict is malicious: a person decides"
  hasnt(term.screen(), "visionone.isolate  WORKSTATION5")
  term.line ":close"
  term.sees "ACT crowdstrike"
  term.key "C-d"
  term.sees "exit status 0"
end)

sys.test("lists of a past run come in pages of rows, on a screen of any width", function(t)
  t:playbook("p", "local long = ('x'):rep(300)\n"
                  .. "for i = 1, 40 do step('part ' .. i, function() return i end) end\nreturn 1")
  t:expect(0, { "run", "p" })
  local wide = terminal(t, { "repl", "--run", "last" }, 140, 24)
  wide.sees "40/40>"
  wide.line ":steps"
  wide.sees "-- 18 more lines: Enter shows them, q leaves --"
  has(wide.screen(), "\n    1  done      part 1#1  scripts/p.lua:4\n")
  wide.line ""
  wide.sees "*  40  done      part 40#1"
  wide.line ":steps part 39"
  wide.sees ":steps part 39\n   39  done      part 39#1  scripts/p.lua:4\n40/40>"
  wide.line ":steps nowhere"
  wide.sees "no step has that"
  wide.line ":help"
  wide.sees "more lines: Enter"
  wide.line "q"
  wide.close()

  local narrow = terminal(t, { "repl", "--run", "last" }, 20, 12)
  narrow.sees "40/40>"
  narrow.line ":goto 20"
  narrow.sees "20/40>"
  narrow.line ":locals"
  narrow.sees "more lines --"
  local screen = narrow.screen()
  has(screen, "locals:\n  input = {}\n  long = \"xxxxxxxxxx\n" .. ("x"):rep(20))
  hasnt(screen, "\"\n")                                   -- a page ends within a line that is wider than itself
  narrow.line ""
  narrow.sees "i = 21"
end)

sys.done()
