-- serve_test.lua: the process that carries all runs of a store, as its users see it: what other commands ask of it,
-- what it takes up when it was killed, and what it does not.
local sys = dofile "tests/system/harness.lua"
local eq, has = sys.eq, sys.has

local function state(t, run) return t:expect(0, { "show", run or "last", "--json" }).doc() end

local function ends(t, run, wanted)
  local doc
  t:until_true(function()
    doc = state(t, run)
    return doc.state ~= "running" and doc.state ~= "waiting"
  end)
  eq(doc.state, wanted or "completed")
  return doc
end

---Has a run that long comes to wait for `what`.
local function waits(t, run, what)
  assert(t:until_true(function()
    local w = state(t, run).waiting
    return w and w["for"] == what
  end), "it does not wait for " .. what)
end

sys.test("run goes through the process that serves, and shows and ends the same", function(t)
  t:playbook("p", [[ step("a", function() return input.n end); found { severity = "low", title = "it is" }
    return { n = input.n } ]], 'input = { n = "integer" },')
  local alone = t:expect(0, { "run", "p", "--set", "n=7" })
  local job = t:serve()
  local served = t:expect(0, { "run", "p", "--set", "n=7" })
  local function plain(text) return (text:gsub("%f[%w]01%w+", "RUN")) end
  eq(plain(served.out), plain(alone.out))
  eq(t:expect(0, { "run", "p", "--set", "n=8", "--json" }).doc().result.n, 8)
  has(t:expect(1, { "run", "p", "--set", "n=many" }).err, "n")
  has(t:expect(1, { "run", "nothing" }).err, "nothing")
  eq(job.stop().code, 0)
  eq(#t:expect(0, { "runs" }).out:gsub("[^\n]", ""), 3)
end)

sys.test("a playbook by its path is the same file for both", function(t)
  t:write("sub/mine.lua", 'return playbook { name = "mine", summary = "s", uses = {}, input = {}, run = function()'
                          .. " return 42 end }")
  local job = t:serve()
  eq(t:expect(0, { "run", "sub/mine.lua", "--json" }).doc().result, 42)
  job.stop()
end)

sys.test("a run that fails, waits or is partial has the same exit status", function(t)
  t:playbook("bad", 'fail("mine", "no")')
  t:playbook("half", 'not_done("this", "that")')
  t:playbook("asks", 'return ask { title = "go on?" }.answer')
  local job = t:serve()
  has(t:expect(1, { "run", "bad" }).out, "no")
  t:expect(5, { "run", "half" })
  local r = t:expect(3, { "run", "asks" })
  has(r.err, "waits for approval: lunette approve 1")
  eq(r.err:find "lunette resume", nil)                    -- the answer is enough
  t:expect(0, { "approve", "1", "--answer", "yes" })
  eq(ends(t).result, "yes")
  has(t:expect(1, { "approve", "1" }).err, "does not wait any more")
  job.stop()
end)

sys.test("--approve deny refuses what is asked", function(t)
  t:playbook("asks", 'local ok, e = pcall(approve, { title = "may I?" }); return e.code')
  local job = t:serve()
  eq(t:expect(0, { "run", "asks", "--approve", "deny", "--json" }).doc().result, "denied")
  job.stop()
end)

sys.test("a second one on the same store refuses", function(t)
  local job = t:serve()
  has(t:expect(4, { "serve" }).err, "`lunette serve` has this store")
  has(t:expect(4, { "bench", "p", "--runs", "1", "--concurrency", "1" }).err, "has this store")
  job.stop()
  local again = t:serve()                                 -- the first one's socket and lock are no obstacle
  again.kill "KILL"
  again.wait()
  t:serve().stop()
end)

sys.test("runs outlive their process: killed and started again, it goes on by itself", function(t)
  t:playbook("long", [[ for i = 1, 5 do step("s", function() return i end); sleep "1s" end; store.incr "done"
    return store.get "done" ]], 'uses = { "store" },')
  local job = t:serve()
  local runs = {}
  for i = 1, 3 do runs[i] = t:expect(0, { "run", "long", "--detach" }).out:match "^(01%w+)\n$" end
  eq(#runs, 3)
  os.execute "sleep 1.5"
  job.kill "KILL"
  job.wait()
  eq(state(t, runs[1]).waiting["for"], "interrupted")     -- nobody runs it
  local again = t:serve()
  for i = 1, 3 do ends(t, runs[i]) end
  again.stop()
end)

sys.test("stopped in order, the runs wait, and the next one takes them up", function(t)
  t:playbook("naps", 'sleep "4s"; return "slept"')
  local job = t:serve()
  local run = t:expect(0, { "run", "naps", "--detach" }).out:match "%w+"
  waits(t, run, "timer")
  eq(job.stop().code, 0)
  eq(state(t, run).state, "waiting")
  local again = t:serve()
  eq(ends(t, run).result, "slept")
  again.stop()
end)

sys.test("a run that waits for an answer needs no process; the answer wakes it once there is one", function(t)
  t:playbook("asks", 'return ask { title = "go on?" }.answer')
  t:expect(3, { "run", "asks" })                          -- nobody serves
  t:expect(0, { "approve", "1", "--answer", "later" })
  local job = t:serve()
  eq(ends(t).result, "later")
  job.stop()
end)

sys.test("cancel stops one that is under way, and one that is put away", function(t)
  t:playbook("busy", 'while true do sleep "200ms" end')
  t:playbook("naps", 'sleep "1d"')
  local job = t:serve()
  for _, name in ipairs { "busy", "naps" } do
    local run = t:expect(0, { "run", name, "--detach" }).out:match "%w+"
    if name == "naps" then waits(t, run, "timer") end
    t:expect(0, { "cancel", run })
    eq(state(t, run).state, "cancelled")
    has(t:expect(1, { "cancel", run }).err, "has ended")
  end
  job.stop()
end)

sys.test("watch shows a run whoever carries it", function(t)
  t:playbook("some", 'for i = 1, 3 do step("s" .. i, function() return i end); sleep "300ms" end')
  local job = t:serve()
  local run = t:expect(0, { "run", "some", "--detach" }).out:match "%w+"
  local seen = t:expect(0, { "watch", run }).out
  for i = 1, 3 do has(seen, "s" .. i) end
  job.stop()
  local alone = t:start { "run", "some" }
  assert(t:until_true(function() return t:run { "watch", "last" }.out:find("s3", 1, true) end))
  eq(alone.wait().code, 0)
end)

sys.test("--detach without one that serves: the run goes on in a process of its own", function(t)
  t:playbook("naps", 'sleep "500ms"; return 5')
  local run = t:expect(0, { "run", "naps", "--detach" }).out:match "^(01%w+)\n$"
  eq(ends(t, run).result, 5)
  has(t:expect(1, { "run", "nothing", "--detach" }).err, "nothing")
  t:expect(2, { "run", "naps", "--detach", "--sim" })
end)

sys.test("one whose process was killed in the foreground is taken up", function(t)
  t:playbook("slow", 'for i = 1, 20 do step("s", function() return i end); sleep "100ms" end; return "all"')
  local alone = t:start { "run", "slow" }
  assert(t:until_true(function() return t:run { "runs" }.out:find("running", 1, true) end))
  alone.kill "KILL"
  alone.wait()
  local job = t:serve()
  eq(ends(t).result, "all")
  job.stop()
end)

sys.test("one that a person interrupted waits for a person", function(t)
  t:playbook("naps", 'sleep "5s"; return 1')
  local alone = t:start { "run", "naps" }
  assert(t:until_true(function() return t:run { "runs" }.out:find("running", 1, true) end))
  alone.kill "INT"
  eq(alone.wait().code, 130)
  local job = t:serve()
  os.execute "sleep 0.5"
  eq(state(t).state, "waiting")
  t:start { "resume", "last" }
  eq(ends(t).result, 1)
  job.stop()
end)

sys.test("Ctrl-C ends a run in virtual time, too", function(t)
  t:playbook("naps", 'while true do sleep "1s" end')
  local alone = t:start { "run", "naps", "--sim", "--quiet" }
  os.execute "sleep 0.5"
  alone.kill "INT"
  local ended = t:until_true(function() return os.execute("kill -0 " .. alone.pid .. " 2>/dev/null") == nil end)
  if not ended then alone.kill "KILL" end
  local r = alone.wait()
  assert(ended, "it goes on")
  eq(r.code, 130)
  has(r.err, "lunette resume")
end)

sys.test("one that takes its process down three times is left alone, and the others go on", function(t)
  t:write("lunette.conf.lua", 'return { scripts = { "scripts" }, limits = { cpu = "60s" } }')
  t:playbook("deadly", "while true do end")
  t:playbook("naps", 'sleep "6s"; return "fine"')
  local run, other
  for i = 1, 3 do
    local job = t:serve()
    if i == 1 then
      other = t:expect(0, { "run", "naps", "--detach" }).out:match "%w+"
      waits(t, other, "timer")
      run = t:expect(0, { "run", "deadly", "--detach" }).out:match "%w+"
    end
    assert(t:until_true(function() return state(t, run).state == "running" end))
    os.execute "sleep 0.4"
    job.kill "KILL"
    job.wait()
  end
  local job = t:serve()
  waits(t, run, "quarantined")
  has(t:expect(0, { "show", run }).out, "lunette resume " .. run)
  eq(ends(t, other).result, "fine")
  t:start { "resume", run }                               -- a person says that it may
  assert(t:until_true(function() return state(t, run).state == "running" end))
  job.kill "KILL"
end)

sys.test("one against simulators is not for those who serve", function(t)
  t:playbook("asks", 'return ask { title = "go on?" }.answer')
  t:expect(3, { "run", "asks", "--sim" })
  t:expect(0, { "approve", "1", "--answer", "yes" })
  local job = t:serve()
  os.execute "sleep 0.5"
  eq(state(t).state, "waiting")
  has(t:expect(1, { "resume", "last" }).err, "--sim")
  job.stop()
end)

sys.test("nobody else may speak to it: the socket is its user's alone", function(t)
  t:playbook("p", "return 1")
  local job = t:serve()
  local p = io.popen("stat -c %a " .. t.dir .. "/lunette.db.owner " .. t.dir .. "/lunette.db.owner/socket")
  eq(p:read "a", "700\n600\n")
  p:close()
  local q = io.popen("curl -s -m 3 --unix-socket " .. t.dir .. "/lunette.db.owner/socket http://x/; echo $?")
  eq(q:read "l", "52")                                    -- a message longer than may be is not waited for
  q:close()
  t:expect(0, { "run", "p" })
  job.stop()
end)

sys.done()
