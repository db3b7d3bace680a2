-- migrate_test.lua: waiting runs that are moved to edited scripts, by the process that serves and without one.
local sys = dofile "tests/system/harness.lua"
local eq, has, hasnt = sys.eq, sys.has, sys.hasnt

local BODY = [[
  local a = step("first", function() return 1 end)
  %s
  %s
]]

local function write(t, name, wait, last, more) t:playbook(name, BODY:format(wait, last), more) end

local function start(t, name) return t:expect(0, { "run", name, "--detach" }).out:match "%w+" end
local function show(t, run) return t:expect(0, { "show", run, "--json" }).doc() end

local function waits(t, run)
  assert(t:until_true(function()
    local w = show(t, run).waiting
    return w and w["for"] == "signal"
  end), "it does not wait")
  return run
end

local function ends(t, run)
  local doc
  assert(t:until_true(function()
    doc = show(t, run)
    return doc.state == "completed"
  end), "it does not end")
  return doc.result
end

local GO = 'await_signal "go"'

---What `migrate` says of each run once it has seen the newest scripts.
local function migrated(t, code, result, words)
  local out
  assert(t:until_true(function()
    local r = t:run(words)
    out = r.out
    return r.code == code and r.out:find(result, 1, true) ~= nil
  end), ("migrate says no %q but\n%s"):format(result, tostring(out)))
  return out
end

for _, served in ipairs { true, false } do
  local how = served and "through the process that serves: " or "without one: "

  sys.test(how .. "what fits is moved, what does not stays, and each says so", function(t)
    write(t, "fits", GO, "return 1")
    write(t, "other", GO, "return 1")
    local job = t:serve()
    local fits, other = waits(t, start(t, "fits")), waits(t, start(t, "other"))
    if not served then job.stop() end
    has(t:expect(0, { "migrate", fits }).out, "has the newest scripts")
    write(t, "fits", GO, "return 2")
    write(t, "other", 'await_signal "stop"', "return 2")
    local out = migrated(t, 1, "fits  fits: moved", { "migrate", "--all" })
    has(out, other .. "  other  diverges at await_signal#1, scripts/other.lua:4 (was scripts/other.lua:4): ")
    has(out, "2 waiting: 1 moved, 0 had the newest scripts, 1 diverge, 0 under way")
    local doc = t:expect(1, { "migrate", other, "--json" }).doc()
    eq(doc.result, "diverges")
    eq(doc.step, "await_signal#1")
    eq(doc.where, "scripts/other.lua:4")
    assert(doc.from ~= doc.to)
    eq(show(t, other).snapshot, doc.from)
    eq(show(t, fits).snapshot, doc.to)
    t:expect(0, { "signal", fits, "go" })
    t:expect(0, { "signal", other, "go" })
    if not served then job = t:serve() end
    eq(ends(t, fits), 2)
    eq(ends(t, other), 1)
    for _, run in ipairs { fits, other } do has(t:expect(0, { "replay", run }).out, "replayed") end
    has(t:expect(1, { "migrate", fits }).err, "has ended")
    job.stop()
  end)
end

sys.test("it outlives whoever moved it, and keeps its scripts when old ones are pruned", function(t)
  write(t, "p", GO, "return 1")
  local job = t:serve()
  local run = waits(t, start(t, "p"))
  write(t, "p", GO, "return 2")
  migrated(t, 0, "moved", { "migrate", run })
  job.kill "KILL"
  job.wait()
  write(t, "p", GO, "return 3")
  t:playbook("q", "return 1")
  t:expect(0, { "run", "q" })                             -- the newest scripts are others by now
  has(t:expect(0, { "prune", "--older-than", "0s" }).out, "script")
  job = t:serve()
  t:expect(0, { "signal", run, "go" })
  eq(ends(t, run), 2)
  job.stop()
end)

sys.test("a script that is broken, or held back, is none to move to", function(t)
  write(t, "p", GO, "return 1")
  local job = t:serve()
  local run = waits(t, start(t, "p"))
  t:write("scripts/p.lua", "return playbook {\n")
  assert(t:until_true(function() return t:run({ "migrate", run }).err:find("scripts/p.lua:2:", 1, true) end))
  has(t:expect(0, { "migrate", run }).out, "has the newest scripts")
  job.stop()
  local doc = t:expect(1, { "migrate", run, "--json" }).doc()
  eq(doc.result, "diverges")
  has(doc.why, "scripts/p.lua:2:")
end)

sys.test("one that is under way is left alone", function(t)
  t:playbook("busy", 'while true do sleep "200ms" end')
  local job = t:serve()
  local run = start(t, "busy")
  t:playbook("busy", 'while true do sleep "200ms" end -- edited')
  has(migrated(t, 1, "under way", { "migrate", run }), "under way: not now")
  hasnt(t:expect(1, { "migrate", "--all" }).out, "moved  ")
  job.stop()
end)

sys.test("a playbook that was given by its path is looked for there", function(t)
  t:write("sub/mine.lua", 'return playbook { name = "mine", run = function() await_signal "go"; return 1 end }\n')
  local job = t:serve()
  local run = waits(t, start(t, "sub/mine.lua"))
  t:write("sub/mine.lua", 'return playbook { name = "mine", run = function() await_signal "go"; return 2 end }\n')
  migrated(t, 0, "moved", { "migrate", run })
  t:expect(0, { "signal", run, "go" })
  eq(ends(t, run), 2)
  job.stop()
end)

sys.test("usage", function(t)
  for _, words in ipairs { { "migrate" }, { "migrate", "a", "b" }, { "migrate", "--all", "a" } } do
    has(t:expect(2, words).err, "migrate takes one RUN, or --all")
  end
  t:playbook("p", "return 1")
  t:expect(0, { "run", "p" })
  has(t:expect(1, { "migrate", "01ZZ" }).err, "01ZZ")
  eq(t:expect(0, { "migrate", "--all", "--json" }).out, "")
end)

sys.done()
