-- reload_test.lua: scripts that are edited while `lunette serve` runs: each way of saving, folders that come and go,
-- many files at once, what is broken or half written, and runs that are under way meanwhile.
local sys = dofile "tests/system/harness.lua"
local eq, has, hasnt = sys.eq, sys.has, sys.hasnt

local PLAYBOOK = [[local v = %s
return playbook { name = "p", summary = "a test", run = function() return v end }
]]

local function text(v) return PLAYBOOK:format(v) end

local function put(path, content)
  local f = assert(io.open(path, "wb"))
  f:write(content)
  f:close()
end

local function sh(t, command) assert(os.execute(("cd '%s' && { %s; } >/dev/null 2>&1"):format(t.dir, command))) end

local function count(said, event) return select(2, said:gsub("event=scripts%." .. event, "")) end

---Serves a folder of scripts, with what else the configuration has: job.said() is what it wrote so far.
local function serve(t, more)
  t:write("lunette.conf.lua", ("return { scripts = { \"scripts\", \"later/on\" }, %s }\n"):format(more or ""))
  if not t:read "scripts/p.lua" then t:write("scripts/p.lua", text "1") end
  local job = t:serve()
  local log = ("%s/.%d.err"):format(t.dir, t.turns)
  function job.said() return sys.slurp(log) end
  return job
end

local function result(t, name) return t:expect(0, { "run", name or "p", "--json" }).doc().result end

---What a run that begins once the change is seen returns.
local function becomes(t, want, name)
  assert(t:until_true(function()
    local r = t:run { "run", name or "p", "--json" }
    return r.code == 0 and r.doc().result == want
  end), ("%s does not become %s"):format(name or "p", tostring(want)))
end

sys.test("a saved script is what the next run begins with, whichever way it was saved", function(t)
  local job = serve(t)
  eq(result(t), 1)
  put(t.dir .. "/scripts/p.lua", text "2")                -- in place
  becomes(t, 2)
  put(t.dir .. "/scripts/.p.tmp", text "3")               -- renamed over
  assert(os.rename(t.dir .. "/scripts/.p.tmp", t.dir .. "/scripts/p.lua"))
  becomes(t, 3)
  assert(os.rename(t.dir .. "/scripts/p.lua", t.dir .. "/scripts/p.lua~")) -- moved away, written anew
  put(t.dir .. "/scripts/p.lua", text "4")
  becomes(t, 4)
  sh(t, "ln -f scripts/p.lua~ scripts/p.lua")             -- a link
  becomes(t, 3)
  put(t.dir .. "/scripts/p.lua~", "no script")            -- and what is none
  put(t.dir .. "/scripts/p.lua", text "5")
  becomes(t, 5)
  eq(job.stop().code, 0)
end)

sys.test("folders come and go, also one that was configured before it was there", function(t)
  local job = serve(t)
  t:write("scripts/soc/deep/q.lua", text "1")
  becomes(t, 1, "soc.deep.q")
  t:write("scripts/soc/deep/q.lua", text "2")
  becomes(t, 2, "soc.deep.q")
  sh(t, "mv scripts/soc scripts/other")
  becomes(t, 2, "other.deep.q")
  t:until_true(function() return t:run({ "run", "soc.deep.q" }).code == 1 end)
  has(t:expect(1, { "run", "soc.deep.q" }).err, "there is no playbook soc.deep.q")
  t:write("later/on/r.lua", text "1")
  becomes(t, 1, "r")
  t:write("later/on/r.lua", text "2")
  becomes(t, 2, "r")
  sh(t, "mkdir new && printf '%s' 'return playbook { name = \"n\", run = function() return 7 end }' > new/n.lua; "
        .. "mv scripts old; mv new scripts")              -- another folder in its place
  becomes(t, 7, "n")
  has(t:expect(1, { "run", "p" }).err, "there is no playbook p")
  job.stop()
end)

sys.test("a folder that is gone as a whole leaves its scripts as they were, and is told of", function(t)
  local job = serve(t)
  sh(t, "mv scripts elsewhere")
  assert(t:until_true(function() return count(job.said(), "unread") > 0 end))
  has(job.said(), "the folder of scripts " .. "scripts" .. " cannot be read")
  eq(result(t), 1)
  sh(t, "mv elsewhere scripts")
  t:write("scripts/p.lua", text "2")
  becomes(t, 2)
  job.stop()
end)

sys.test("hundreds of files that are written at once are one snapshot", function(t)
  for i = 1, 300 do t:write(("scripts/many/m%d.lua"):format(i), text(i)) end
  local job = serve(t)
  eq(result(t, "many.m7"), 7)
  local before = count(job.said(), "active")
  for i = 1, 300 do                                       -- as git does: each is removed, and made anew
    local path = ("%s/scripts/many/m%d.lua"):format(t.dir, i)
    assert(os.remove(path))
    put(path, text(1000 + i))
  end
  becomes(t, 1007, "many.m7")
  eq(result(t, "many.m300"), 1300)
  eq(count(job.said(), "active"), before + 1)
  job.stop()
end)

sys.test("a script that is broken keeps its last good version, and says so once", function(t)
  local job = serve(t)
  t:write("scripts/p.lua", "local v = 2\nreturn playbook { name = \"p\", run = function() return v end\n\n\n")
  assert(t:until_true(function() return count(job.said(), "broken") == 1 end))
  has(job.said(), [[at=scripts/p.lua:5 kept="the version before" error="'}' expected]])
  local r = t:expect(0, { "run", "p" })
  has(r.err, "scripts/p.lua:5: '}' expected")
  has(r.err, "the version before it is used")
  eq(result(t), 1)
  sh(t, "mkdir -p later/on")
  has(t:expect(1, { "check" }).out, "scripts/p.lua:")
  t:write("scripts/q.lua", text "3")                      -- another change: the first one is not told again
  becomes(t, 3, "q")
  hasnt(t:expect(0, { "run", "q" }).err, "scripts/p.lua") -- and is not its affair
  eq(count(job.said(), "broken"), 1)
  t:write("scripts/p.lua", text "4")
  becomes(t, 4)
  eq(t:expect(0, { "run", "p" }).err, "")
  eq(count(job.said(), "broken"), 1)
  job.stop()
end)

sys.test("so does one whose declaration is wrong, whose library is, or that loops", function(t)
  t:write("scripts/lib.lua", "return { input = { n = \"integer = 1\" } }\n")
  t:write("scripts/p.lua", 'local lib = require "lib"\n\nreturn playbook { name = "p", input = lib.input, '
                           .. "run = function(i) return i.n end }\n")
  local job = serve(t)
  local function broken(said)
    local n = count(job.said(), "broken")
    return function()
      assert(t:until_true(function() return count(job.said(), "broken") > n end), "nothing is said")
      has(job.said(), said)
      eq(result(t), 1)
    end
  end
  local is = broken [[at=scripts/p.lua:2 kept="the version before" error="playbook: there is no field 'runs']]
  t:write("scripts/p.lua", "local x\nreturn playbook { name = \"p\", runs = print }\n")
  is()
  is = broken [[error="input n: there is no type \"integre\""]]
  t:write("scripts/p.lua", "local x\nreturn playbook { name = \"p\", input = { n = \"integre\" }, run = print }\n")
  is()
  t:write("scripts/p.lua", 'local lib = require "lib"\n\nreturn playbook { name = "p", input = lib.input, '
                           .. "run = function(i) return i.n end }\n")
  assert(t:until_true(function() return t:expect(0, { "run", "p" }).err == "" end))
  is = broken [[at=scripts/lib.lua:1 kept="the version before" error="scripts/p.lua would fail with it: ]]
  t:write("scripts/lib.lua", "return { input = { n = \"integre = 1\" } }\n")
  is()
  is = broken "at=scripts/lib.lua"
  t:write("scripts/lib.lua", "while true do end\n")
  is()
  is = broken "at=scripts/lib.lua"
  os.remove(t.dir .. "/scripts/lib.lua")
  is()
  job.stop()
end)

sys.test("a new one that is broken fails whoever runs it; after a restart the store knows the last good one",
         function(t)
  local job = serve(t)
  t:write("scripts/n.lua", "return playbook {\n")
  assert(t:until_true(function() return count(job.said(), "broken") == 1 end))
  has(job.said(), "at=scripts/n.lua:2 kept=none")
  has(t:expect(1, { "run", "n" }).err, "scripts/n.lua:2:")
  eq(result(t), 1)                                        -- its snapshot is in the store
  t:write("scripts/p.lua", "return playbook {\n")
  job.stop()
  job = serve(t)
  eq(result(t), 1)
  has(job.said(), [[at=scripts/p.lua:2 kept="the version before"]])
  job.stop()
end)

sys.test("what is open for writing is not taken, however long it is", function(t)
  local job = serve(t)
  local f = assert(io.open(t.dir .. "/scripts/p.lua", "wb"))
  f:write(text "13")                                      -- whole, as far as one can see
  f:flush()
  t:write("scripts/q.lua", text "2")                      -- something else is saved meanwhile
  becomes(t, 2, "q")
  eq(result(t), 1)
  f:seek "set"
  f:write(text "14")
  f:close()
  becomes(t, 14)
  job.stop()
end)

sys.test("connectors likewise", function(t)
  local function connector(v)
    return ([[return connector { name = "mine", config = {},
  operations = { look = { summary = "s", source = "x", class = "read", params = {}, method = "GET", path = "/" } },
  flows = { which = { summary = "s", uses = {}, params = {}, run = function() return %s end } } }
]]):format(v)
  end
  t:write("own/mine.lua", connector "1")
  t:write("scripts/c.lua", 'local mine = require "connectors.mine"\nreturn playbook { name = "c", uses = { "mine" }, '
                           .. 'run = function() local v = mine.which {}; await_signal "go"; '
                           .. 'return { v, mine.which {} } end }\n')
  local job = serve(t, 'connectors_path = { "own" }, connectors = { mine = { url = "http://127.0.0.1:9" } }')
  local function start() return t:expect(0, { "run", "c", "--detach" }).out:match "%w+" end
  local function ends(run)
    t:expect(0, { "signal", run, "go" })
    local doc
    t:until_true(function()
      doc = t:expect(0, { "show", run, "--json" }).doc()
      return doc.state == "completed"
    end)
    return table.concat(doc.result, " ")
  end
  local first = start()
  t:write("own/mine.lua", connector "2")
  assert(t:until_true(function() return count(job.said(), "active") == 2 end))
  local second = start()
  t:write("own/mine.lua", "return connector { name = \"mine\", operations = 7 }\n")
  assert(t:until_true(function() return count(job.said(), "broken") == 1 end))
  has(job.said(), [[at=own/mine.lua:1 kept="the version before"]])
  local third = start()
  eq(ends(third), "2 2")
  eq(ends(second), "2 2")
  eq(ends(first), "1 1")
  job.stop()
end)

sys.test("a playbook by its path stands beside the scripts as they are", function(t)
  local job = serve(t)
  t:write("scripts/lib.lua", "return 5\n")
  t:write("mine.lua", 'return playbook { name = "mine", run = function() return require "lib" end }\n')
  becomes(t, 5, "mine.lua")
  t:write("scripts/lib.lua", "return 6\n")
  becomes(t, 6, "mine.lua")
  t:write("scripts/lib.lua", "return\n")
  assert(t:until_true(function() return count(job.said(), "broken") == 1 end))
  t:write("mine.lua", 'return playbook { name = "mine", run = function() return 1 + require "lib" end }\n')
  eq(result(t, "mine.lua"), 7)
  job.stop()
end)

-- Many edits, many runs --------------------------------------------------------------------------------------

local EDITS, RUNS = 1000, 200

-- What a run began with it must have at its end, in a VM of another process, too.  A negative one is half written.
local VERSION = [[local v = %6d
return playbook { name = "p", summary = "a test", run = function()
  local began = step("began", function() return v end)
  await_signal "go"
  if began ~= v or v < 0 then fail("mixed", began .. " became " .. v) end
  return v
end }
]]

local function memory(job)
  local f = assert(io.open(("/proc/%s/status"):format(job.pid)))
  local kib = f:read("a"):match "VmRSS:%s*(%d+)"
  f:close()
  return tonumber(kib) / 1024
end

---Edit number i: in place, or renamed over; in place it is a good script with a wrong version until it is closed.
local function edit(t, i, meanwhile)
  local path = t.dir .. "/scripts/p.lua"
  if i % 2 == 0 then
    put(path .. "~", VERSION:format(i))
    assert(os.rename(path .. "~", path))
    return meanwhile()
  end
  local f = assert(io.open(path, "wb"))
  f:write(VERSION:format(-i))
  f:flush()
  meanwhile()
  f:seek "set"
  f:write(VERSION:format(i))
  f:close()
end

local function is_time_to_start(i) return i <= EDITS // 2 and (i % 5 == 0 or i % 5 == 3) end

---Half of the edits while runs are begun; the other half, seen one after the other, while all of them wait.
local function edit_and_start(t, job)
  local runs, early = {}, nil
  for i = 1, EDITS do
    edit(t, i, function()
      if not is_time_to_start(i) then return end
      if i % 50 == 0 then os.execute "sleep 0.1" end      -- long enough for this edit to be taken
      runs[#runs + 1] = t:expect(0, { "run", "p", "--detach" }).out:match "%w+"
    end)
    if i == EDITS // 2 then early = memory(job) end
    if i > EDITS // 2 and i % 2 == 0 then os.execute "sleep 0.03" end
  end
  return runs, memory(job) - early
end

sys.test(EDITS .. " edits while " .. RUNS .. " runs are under way: none is mixed, and nothing piles up", function(t)
  t:write("scripts/p.lua", VERSION:format(0))
  t:write("scripts/open.lua", [[return playbook { name = "open", input = { runs = "[string]" }, run = function(input)
    for _, id in ipairs(input.runs) do signal(id, "go") end end }
]])
  local job = serve(t)
  local runs, grown = edit_and_start(t, job)
  eq(#runs, RUNS)
  local taken = count(job.said(), "active")
  assert(taken > RUNS, taken .. " snapshots")
  eq(count(job.said(), "broken"), 0)
  if not os.getenv "SANITIZED" then assert(grown < 4, ("%.1f MiB more"):format(grown)) end
  job.kill "KILL"                                         -- from here on they are what the store has of them
  job.wait()
  job = serve(t)
  t:expect(0, { "run", "open", "--set", "runs=" .. table.concat(runs, ",") })
  local function all(state)
    return select(2, t:expect(0, { "runs", "--playbook", "p", "--state", state, "--json" }).out:gsub("\n", ""))
  end
  assert(t:until_true(function() return all "completed" + all "failed" == RUNS end))
  eq(all "failed", 0)
  local last, kinds = -1, 0
  for i = 1, RUNS, RUNS // 10 do
    local v = t:expect(0, { "show", runs[i], "--json" }).doc().result
    assert(v >= last, "one began with an older version than one before it")
    if v > last then kinds = kinds + 1 end
    last = v
  end
  assert(kinds > 3, kinds .. " versions among them")
  job.stop()
end)

sys.done()
