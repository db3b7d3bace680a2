-- dap_test.lua: lunette dap from outside, as an editor speaks to it: a past run stepped through in both directions, with
-- breakpoints, frames, variables and what is evaluated; and what comes over the stream that is not as it should be.
local sys = dofile "tests/system/harness.lua"
local cjson = require "cjson"
local eq, has, hasnt = sys.eq, sys.has, sys.hasnt

local BODY = [[
    local sum, list = 0, { "a", "b", { deep = input.n } }
    local function add(x)
      sum = sum + x
      return sum
    end
    for i = 1, 3 do
      local one = step("one", function()
        return i * 10
      end)
      add(one)
    end
    store.set("sum", sum)
    print("the sum is " .. sum)
    return { sum = sum }]]

local MAIN = "scripts/p.lua"                                -- BODY begins in its line 3

local function framed(text) return ("Content-Length: %d\r\n\r\n%s"):format(#text, text) end

-- A session that is written down before it is read: requests { command, arguments }.
local function stream(requests)
  local out = {}
  for i, r in ipairs(requests) do
    out[i] = type(r) == "string" and r
             or framed(cjson.encode { seq = i, type = "request", command = r[1], arguments = r[2] or { none = true } })
  end
  return table.concat(out)
end

local function messages(text)
  local list, at = {}, 1
  while at <= #text do
    local n, from = text:match("^Content%-Length: (%d+)\r\n\r\n()", at)
    assert(n, "no head at " .. at .. ": " .. text:sub(at, at + 200))
    list[#list + 1] = sys.decode(text:sub(from, from + n - 1))
    at = from + math.tointeger(n)
  end
  return list
end

---What came: answers by the request's number, events of one name in order.
local function session(t, requests, code)
  local r = t:run { "dap", stdin = stream(requests) }
  eq(r.code, code or 0, "exit status (" .. r.err .. ")")
  local s = { all = messages(r.out), answers = {}, err = r.err }
  for _, m in ipairs(s.all) do if m.type == "response" then s.answers[m.request_seq] = m end end
  function s.events(name)
    local list = {}
    for _, m in ipairs(s.all) do if m.event == name then list[#list + 1] = m.body end end
    return list
  end
  function s.output()
    local list = {}
    for _, e in ipairs(s.events "output") do list[#list + 1] = e.output end
    return table.concat(list)
  end
  function s.body(i)
    assert(s.answers[i] and s.answers[i].success, "request " .. i .. ": "
           .. tostring(s.answers[i] and s.answers[i].message))
    return s.answers[i].body
  end
  return s
end

local function a_run(t)
  t:playbook("p", BODY, "uses = { \"store\" }, input = { n = \"integer\" },")
  t:expect(0, { "run", "p", "--set", "n=7" })
end

local function top(body) return body.stackFrames[1] end

sys.test("an editor steps through a run, and back again", function(t)
  a_run(t)
  local s = session(t, {
    { "initialize", { adapterID = "lunette", linesStartAt1 = true } },
    { "launch", { run = "last" } },
    { "setBreakpoints", { source = { path = t.dir .. "/" .. MAIN }, breakpoints = { { line = 5 }, { line = 14 } } } },
    { "configurationDone" },
    { "threads" },
    { "continue", { threadId = 1 } },
    { "stackTrace", { threadId = 1 } },
    { "stepBack", { threadId = 1 } },                       -- 8
    { "stackTrace", { threadId = 1 } },
    { "next", { threadId = 1 } },
    { "continue", { threadId = 1 } },
    { "continue", { threadId = 1 } },
    { "reverseContinue", { threadId = 1 } },                -- 13: the second time in add
    { "evaluate", { expression = "sum" } },
    { "stepOut", { threadId = 1 } },
    { "stackTrace", { threadId = 1 } },
    { "disconnect" } })
  eq(s.body(1).supportsStepBack, true)
  eq(#s.events "initialized", 1)
  local breaks = s.body(3).breakpoints
  eq(breaks[1].verified, true)
  eq(breaks[2].verified, true)
  local stops = s.events "stopped"
  eq(stops[1].reason, "entry")
  eq(stops[2].reason, "breakpoint")
  eq(stops[2].hitBreakpointIds[1], breaks[1].id)
  eq(#s.body(5).threads, 1)
  local frames = s.body(7).stackFrames
  eq(frames[1].line, 5)
  eq(frames[1].name, "add")
  eq(frames[1].source.path, io.popen("realpath " .. t.dir .. "/" .. MAIN):read "l")
  eq(frames[2].line, 12)
  eq(top(s.body(9)).line, 12)
  eq(stops[3].reason, "step")
  eq(s.body(14).result, "10")
  eq(top(s.body(16)).line, 8)
  eq(#s.events "terminated", 1)
  eq(s.events "exited"[1].exitCode, 0)
end)

sys.test("conditions, logpoints, and lines without code", function(t)
  a_run(t)
  local s = session(t, {
    { "initialize" },
    { "launch", { run = "last", stopOnEntry = false } },
    { "setBreakpoints", { source = { path = MAIN }, breakpoints = {
      { line = 5, condition = "x == 30" }, { line = 6, logMessage = "sum {sum} of {x + 1}" }, { line = 999 },
      { line = 5, condition = "x ==" } } } },
    { "setBreakpoints", { source = { path = "nowhere.lua" }, breakpoints = { { line = 1 } } } },
    { "configurationDone" },
    { "evaluate", { expression = "x" } },
    { "continue", { threadId = 1 } },
    { "continue", { threadId = 1 } },
    { "next", { threadId = 1 } },
    { "disconnect" } })
  eq(s.answers[9].success, false)
  has(s.answers[9].message, "over")
  eq(s.answers[10].success, true)
  local b = s.body(3).breakpoints
  eq(b[1].verified, true)
  eq(b[2].verified, true)
  eq(b[3].verified, false)
  has(b[3].message, "the nearest line that has is ")
  eq(b[4].verified, false)
  has(b[4].message, "the condition")
  eq(s.body(4).breakpoints[1].verified, false)
  has(s.body(4).breakpoints[1].message, "no script")
  eq(s.body(6).result, "30")
  local said = s.output()
  has(said, "sum 10 of 11\nsum 30 of 21\n")
  has(said, "sum 60 of 31\n")
  has(said, "the sum is 60\n")
  local stops = s.events "stopped"
  eq(stops[#stops].description, "the end: completed")
  eq(#s.events "terminated", 1)
end)

sys.test("frames, scopes and variables, a page at a time", function(t)
  a_run(t)
  local s = session(t, {
    { "initialize" },
    { "launch", { run = "last", at = "end" } },
    { "configurationDone" },
    { "stackTrace", { threadId = 1 } },
    { "stepBack", { threadId = 1 } },
    { "stackTrace", { threadId = 1 } },
    { "scopes", { frameId = 10001 } },
    { "variables", { variablesReference = 1 } },
    { "evaluate", { expression = "list", frameId = 10001 } },
    { "variables", { variablesReference = 6, filter = "indexed", start = 1, count = 1 } },
    { "variables", { variablesReference = 99 } },
    { "evaluate", { expression = "(function() local t = {}; for i = 1, 5000 do t[i] = i end; return t end)()" } },
    { "evaluate", { expression = "('x'):rep(20000000)" } },
    { "evaluate", { expression = "'\\0\\255'" } },
    { "next", { threadId = 1 } },
    { "variables", { variablesReference = 1 } } })
  eq(top(s.body(4)).name, "the end: completed")
  eq(top(s.body(6)).line, 16)
  local scopes = s.body(7).scopes
  eq(scopes[1].name, "Locals")
  eq(scopes[3].expensive, true)
  local by_name = {}
  for _, v in ipairs(s.body(8).variables) do by_name[v.name] = v end
  eq(by_name.sum.value, "60")
  eq(by_name.list.value, "{ \"a\", \"b\", { deep = 7 } }")
  eq(by_name.input.value, "{ n = 7 }")
  local page = s.body(10).variables
  eq(#page, 1)
  eq(page[1].value, "\"b\"")
  eq(s.answers[11].success, false)
  eq(s.body(12).indexedVariables, 5000)
  has(s.body(13).result, "(20000000 bytes)")
  assert(#s.body(13).result < 400)
  eq(s.body(14).result, "\"\\x00\\xff\"")
  eq(s.answers[16].success, false, "a reference of another point")
end)

sys.test("what is evaluated changes the frame, and nothing else", function(t)
  a_run(t)
  local before = t:expect(0, { "runs" }).out
  local s = session(t, {
    { "initialize" },
    { "launch", { run = "last", stopOnEntry = false } },
    { "setBreakpoints", { source = { path = MAIN }, breakpoints = { { line = 14 } } } },
    { "configurationDone" },
    { "evaluate", { expression = "sum = 1; print 'changed'", context = "repl" } },
    { "evaluate", { expression = "sum" } },
    { "evaluate", { expression = "store.set('sum', 1)" } },
    { "evaluate", { expression = "while true do end" } },
    { "evaluate", { expression = "error('no')" } },
    { "evaluate", { expression = "sum +" } },
    { "evaluate", {} },
    { "stepBack", { threadId = 1 } },
    { "next", { threadId = 1 } },
    { "evaluate", { expression = "sum" } } })
  eq(s.body(6).result, "1")
  has(s.output(), "changed\n")
  for i, why in pairs { [7] = "nothing leaves it", [8] = "CPU budget", [9] = "no", [10] = "near" } do
    eq(s.answers[i].success, false)
    has(s.answers[i].message, why)
  end
  eq(s.body(11).result, "nil")
  eq(s.body(14).result, "60")
  eq(t:expect(0, { "runs" }).out, before)
end)

sys.test("a script that was edited since is the one of then", function(t)
  a_run(t)
  t:write(MAIN, "return 'another'\n")
  local s = session(t, {
    { "initialize", { linesStartAt1 = false } },
    { "attach", { run = "last" } },
    { "setBreakpoints", { source = { path = MAIN }, breakpoints = { { line = 4 } } } },
    { "configurationDone" },
    { "continue", { threadId = 1 } },
    { "stackTrace", { threadId = 1 } },
    { "loadedSources" },
    { "source", { source = { path = MAIN } } },
    { "source", { sourceReference = 100000 } } })
  local frame = top(s.body(6))
  eq(frame.line, 4)
  assert(frame.source.sourceReference > 0)
  eq(s.body(7).sources[frame.source.sourceReference].path, MAIN)
  has(s.body(8).content, "local sum, list")
  eq(s.answers[9].success, false)
  local again = session(t, {
    { "initialize" }, { "launch", { run = "last" } },
    { "source", { sourceReference = frame.source.sourceReference } },
    { "setBreakpoints", { source = frame.source, breakpoints = { { line = 5 } } } } })
  has(again.body(3).content, "local sum, list")
  eq(again.body(4).breakpoints[1].verified, true)
end)

sys.test("a run that waits, one that failed, and a store that a daemon has", function(t)
  t:playbook("w", "    step('a', function() return 1 end)\n    approve { title = 'on?' }")
  t:playbook("f", "    local why = step('a', function() return 'so' end)\n    fail('mine', why)")
  t:expect(3, { "run", "w" })
  t:expect(1, { "run", "f" })
  local daemon = t:serve()
  local function at_end(run)
    return session(t, { { "initialize" }, { "launch", { run = run, at = "end" } }, { "configurationDone" },
                        { "stackTrace", { threadId = 1 } }, { "stepBack", { threadId = 1 } },
                        { "stackTrace", { threadId = 1 } } })
  end
  local runs = {}
  for line in t:expect(0, { "runs", "--json" }).out:gmatch "[^\n]+" do
    local r = sys.decode(line)
    runs[r.playbook] = r.run
  end
  local s = at_end(runs.w)
  eq(s.events "stopped"[1].description, "the end: waits")
  eq(top(s.body(4)).line, 4)
  s = at_end(runs.f)
  eq(s.events "stopped"[1].description, "the end: failed")
  eq(top(s.body(6)).line, 4)
  daemon.stop()
end)

sys.test("what is not as it should be is answered", function(t)
  a_run(t)
  local s = session(t, {
    framed "this is no JSON", framed "[]", framed "", framed "{\"seq\":4,\"type\":\"event\"}", framed "\"text\"",
    framed(("x"):rep(17 << 20)),
    { "nonsense" }, { "threads" }, { "launch" }, { "launch", { run = "nothing" } }, { "launch", { run = "last", at = {} } },
    { "launch", { run = { "last" } } },
    { "launch", { run = "last" } },
    { "launch", { run = "last" } },
    { "stackTrace", { threadId = "one" } },
    { "setBreakpoints", { breakpoints = 7 } },
    { "configurationDone" },
    { "configurationDone" },
    { "stackTrace", { threadId = 12345, startFrame = -5, levels = -1 } },
    { "variables", { variablesReference = "x" } },
    (framed "{ \"type\": \"request\", \"seq\": 21, \"command\": \"threads\", \"arguments\": 1 }")
      :gsub("^(.-)\r\n", function(head) return head:lower() .. "\r\nX-Other: y\r\n" end),
    { "disconnect" } })
  local bad = 0
  for _, m in ipairs(s.all) do
    if m.type == "response" and m.request_seq < 7 then
      eq(m.success, false)
      bad = bad + 1
    end
  end
  eq(bad, 6)
  for i, why in pairs { [7] = "no request nonsense", [8] = "no run is open", [9] = "which one", [10] = "nothing",
                        [11] = "at:", [12] = "which one", [14] = "a run is open", [15] = "not configured",
                        [16] = "a source", [18] = "already", [20] = "no variables" } do
    eq(s.answers[i] and s.answers[i].success, false, "request " .. i)
    has(s.answers[i].message, why)
  end
  eq(#s.body(21).threads, 1)
  for _, text in ipairs { "hello\r\n\r\n", "Content-Length: many\r\n\r\n{}", "X: 1\r\n\r\n{}", ("x"):rep(10000) .. ":\r\n\r\n",
                          "Content-Length: 99999999999999999999\r\n\r\n" } do
    local r = session(t, { text }, 2)
    has(r.err, "is not the Debug Adapter Protocol")
  end
  session(t, { "Content-Length: 100\r\n\r\n{}" })              -- it ends within a message
  session(t, { "" })
end)

sys.test("a pause comes in between", function(t)
  t:playbook("busy", "    step('a', function() return 1 end)\n    local n = 0\n    while n < 1e7 do n = n + 1 end\n    return n")
  t:expect(0, { "run", "busy" })
  os.execute(("cd '%s' && mkfifo in"):format(t.dir))
  local p = io.popen(("cd '%s' && '%s' dap < in"):format(t.dir, sys.binary))
  local to = assert(io.open(t.dir .. "/in", "wb"))
  local seq = 0
  local function say(command, arguments)
    seq = seq + 1
    to:write(framed(cjson.encode { seq = seq, type = "request", command = command, arguments = arguments or { none = 1 } }))
    to:flush()
  end
  local function hear(what, name)                           -- the next of that kind
    while true do
      local n = assert(p:read "l", "it has ended"):match "Content%-Length: (%d+)"
      p:read "l"
      local m = sys.decode(p:read(math.tointeger(n)))
      if m.type == what and (m.event or m.command) == name then return m end
    end
  end
  say "initialize"
  say("launch", { run = "last" })
  say("setBreakpoints", { source = { path = "busy.lua" }, breakpoints = { { line = 5, condition = "n == 10" } } })
  say "configurationDone"
  hear("event", "stopped")
  say("continue", { threadId = 1 })
  eq(hear("event", "stopped").body.reason, "breakpoint")
  say("setBreakpoints", { source = { path = "busy.lua" } })
  say("continue", { threadId = 1 })
  hear("response", "continue")
  say("pause", { threadId = 1 })
  eq(hear("event", "stopped").body.reason, "pause")
  hear("response", "pause")
  say("evaluate", { expression = "n >= 10 and n < 1e7" })
  local m = hear("response", "evaluate")
  eq(m.body.result, "true", m.message)
  say("continue", { threadId = 1 })
  eq(hear("event", "stopped").body.description, "the end: completed")
  say "disconnect"
  hear("event", "terminated")
  to:close()
  assert(p:close())
end)

sys.test("a socket is its owner's, and serves one editor after the other", function(t)
  a_run(t)
  local job = t:start { "dap", "--listen", "s.sock" }
  assert(t:until_true(function() return os.execute(("test -S '%s/s.sock'"):format(t.dir)) end))
  eq(io.popen(("stat -c %%a '%s/s.sock'"):format(t.dir)):read "l", "600")
  local r = t:run { "dap", "--listen", "s.sock" }
  eq(r.code, 2)
  has(r.err, "is there already")
  for _ = 1, 2 do
    t:write("talk", stream { { "initialize" }, { "launch", { run = "last" } }, { "configurationDone" }, { "disconnect" } })
    local out = io.popen(("cd '%s' && nc -q 2 -U s.sock < talk 2>/dev/null || true"):format(t.dir)):read "a"
    if out ~= "" then has(out, "\"event\":\"terminated\"") end
  end
  job.kill "TERM"
  job.wait()
  local again = t:start { "dap", "--listen", "s.sock" }     -- what was left there is replaced
  assert(t:until_true(function() return (t:read(("." .. t.turns .. ".err")) or ""):find "listening" end))
  again.kill "TERM"
  again.wait()
  t:write("plain", "a file")
  eq(t:run { "dap", "--listen", "plain" }.code, 2)
  eq(t:read "plain", "a file")
  hasnt(t:expect(0, { "dap", "--help" }).out, "T1059")
end)

sys.done()
