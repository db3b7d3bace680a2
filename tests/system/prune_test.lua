-- prune_test.lua: old runs go to an archive: what is taken, what stays and why, and that nothing is lost when the
-- process dies meanwhile.
local sys = dofile "tests/system/harness.lua"
local eq, has, hasnt = sys.eq, sys.has, sys.hasnt

local function runs(t, args)
  local out = {}
  local words = { "runs", "--json" }
  for _, a in ipairs(args or {}) do words[#words + 1] = a end
  for line in t:expect(0, words).out:gmatch "[^\n]+" do out[#out + 1] = sys.decode(line).run end
  return out
end

local ARCHIVE = { "--store", "lunette.db.archive" }

-- One whose making was killed is an empty store yet.
local function archived(t)
  if not t:read "lunette.db.archive" then return {} end
  local r = t:run { "runs", table.unpack(ARCHIVE) }
  if r.code == 4 and r.err:find("is empty", 1, true) then return {} end
  return runs(t, ARCHIVE)
end

local function family(t)
  t:playbook("p", [[ step("big", function() return ("x"):rep(100000) end)
    found { severity = "low", title = "it is" }
    return run_playbook("c", {}) ]], 'uses = { "c" },')
  t:playbook("c", 'step("big", function() return ("y"):rep(150000) end); return 7')
end

sys.test("what was archived is shown, listed and replayed as it was", function(t)
  family(t)
  t:expect(0, { "run", "p" })
  local all = runs(t)
  eq(#all, 2)
  local before = {}
  for i, run in ipairs(all) do before[i] = t:expect(0, { "show", run, "--json" }).out end
  has(t:expect(0, { "prune", "--older-than", "0s", "--dry-run" }).out, "would take 2 runs")
  eq(#runs(t), 2)
  eq(t:read "lunette.db.archive", nil)
  eq(t:expect(0, { "prune", "--older-than", "1h", "--json" }).doc().runs, 0)
  eq(t:expect(0, { "prune", "--older-than", "0s", "--json" }).doc().runs, 2)
  eq(#runs(t), 0)
  for i, run in ipairs(archived(t)) do
    eq(run, all[i])
    eq(t:expect(0, { "show", run, "--json", table.unpack(ARCHIVE) }).out, before[i])
    has(t:expect(0, { "replay", run, table.unpack(ARCHIVE) }).out, "are the recorded ones")
  end
  has(t:expect(1, { "show", all[1] }).err, "no run is called")
  local p = io.popen("stat -c %a " .. t.dir .. "/lunette.db.archive")
  eq(p:read "l", "600")
  p:close()
  t:expect(0, { "run", "p" })                             -- the next ones go on as ever, and to the same archive
  eq(t:expect(0, { "prune", "--older-than", "0s", "--json" }).doc().runs, 2)
  eq(#archived(t), 4)
end)

sys.test("values that another run names stay, the space of others is given back", function(t)
  t:playbook("same", 'step("big", function() return ("x"):rep(3000000) end)')
  t:playbook("other", 'step("big", function() return ("z"):rep(3000000) end)')
  t:playbook("waits", 'step("big", function() return ("x"):rep(3000000) end); return ask { title = "go on?" }.answer')
  t:expect(0, { "run", "same" })
  t:expect(0, { "run", "other" })
  t:expect(3, { "run", "waits" })
  local was = #t:read "lunette.db"
  local doc = t:expect(0, { "prune", "--older-than", "0s", "--json" }).doc()
  eq(doc.runs, 2)
  eq(doc.values, 1)
  assert(#t:read "lunette.db" < was - 2900000, "the file is as large as before")
  t:expect(0, { "approve", "1", "--answer", "yes" })
  eq(t:expect(0, { "resume", "last", "--json" }).doc().result, "yes")
end)

sys.test("what is held stays on record, with what was done to it, until it is released", function(t)
  t:sim()
  local conf = t:read "sim.conf.lua"
  t.conf = t:write("sim.conf.lua", (conf:gsub("return {", ("return { scripts = { %q }, guards = { approve = 'never' },")
                                              :format(t.dir .. "/scripts"), 1)))
  t:playbook("confine", [[ local okta = require "connectors.okta"
    local u = only(okta.users { login = input.login }); local g = only(okta.groups { name = "ir-restricted", type = "OKTA_GROUP" })
    okta.add_to_group { user = u.id, group = g.id } ]], 'uses = { "okta" }, input = { login = "string" },')
  t:playbook("plain", "return 1")
  t:expect(0, { "run", "confine", "--set", "login=pgustavo@theshire.example" })
  t:expect(0, { "run", "plain" })
  local doc = t:expect(0, { "prune", "--older-than", "0s", "--json" }).doc()
  eq(doc.runs, 1)
  eq(#doc.left, 1)
  has(doc.left[1].why, "is held")
  has(t:expect(0, { "prune", "--older-than", "0s" }).out, "left 1")
  has(t:expect(0, { "entity" }).out, "okta:user")
end)

sys.test("what was taken back says so after the run that took it back has gone", function(t)
  t:sim()
  local conf = t:read "sim.conf.lua"
  t.conf = t:write("sim.conf.lua", (conf:gsub("return {", ("return { scripts = { %q }, guards = { approve = 'never' },")
                                              :format(t.dir .. "/scripts"), 1)))
  t:playbook("confine", [[ local okta = require "connectors.okta"
    local u = only(okta.users { login = input.login })
    local g = only(okta.groups { name = "ir-restricted", type = "OKTA_GROUP" })
    okta.add_to_group { user = u.id, group = g.id } ]], 'uses = { "okta" }, input = { login = "string" },')
  local run = t:expect(0, { "run", "confine", "--set", "login=pgustavo@theshire.example", "--json" }).doc().run
  t:expect(0, { "undo", run })
  local function undone(args)
    local n = 0
    for _, s in ipairs(t:expect(0, { "show", run, "--json", table.unpack(args or {}) }).doc().steps) do
      n = n + (s.state == "undone" and 1 or 0)
    end
    return n
  end
  eq(undone(), 1)
  local doc = t:expect(0, { "prune", "--older-than", "0s", "--json" }).doc()
  eq(doc.runs, 1)                                         -- the undoing; what it undid acted within the hour
  has(doc.left[1].why, "a cap counts it")
  eq(undone(), 1)
end)

sys.test("a waiting parent keeps what it waits for; an open question its run", function(t)
  t:playbook("p", 'run_playbook("c", {}); return ask { title = "go on?" }.answer', 'uses = { "c" },')
  t:playbook("c", "return 7")
  t:expect(3, { "run", "p" })
  t:expect(0, { "run", "c" })
  eq(t:expect(0, { "prune", "--older-than", "0s", "--json" }).doc().runs, 1)
  eq(#runs(t), 2)
end)

sys.test("beside a process that serves the store, which goes on", function(t)
  family(t)
  t:playbook("busy", 'for i = 1, 30 do step("s", function() return i end); sleep "20ms" end; return "done"')
  local job = t:serve()
  for _ = 1, 6 do t:expect(0, { "run", "p", "--quiet" }) end
  local busy = t:start { "run", "busy", "--json" }
  local n = t:expect(0, { "prune", "--older-than", "0s", "--json" }).doc().runs
  assert(n >= 12)
  eq(busy.wait().doc().result, "done")
  t:expect(0, { "run", "p", "--quiet" })                  -- its scripts were pruned, or not: it goes on
  eq(#archived(t), n)
  job.stop()
end)

sys.test("killed at any moment, each run is in the store or in the archive, whole", function(t)
  family(t)
  for _ = 1, 20 do t:expect(0, { "run", "p", "--quiet" }) end
  local all = runs(t)
  eq(#all, 40)
  local before = {}
  for _, run in ipairs(all) do before[run] = t:expect(0, { "show", run, "--json" }).out end
  local kills = 0
  for i = 1, 30 do
    local job = t:start { "prune", "--older-than", "0s" }
    os.execute(("sleep %.3f"):format(0.02 + 0.006 * i))
    job.kill "KILL"
    kills = kills + (job.wait().code == 137 and 1 or 0)
    local here, there = {}, {}
    for _, run in ipairs(runs(t)) do here[run] = true end
    for _, run in ipairs(archived(t)) do there[run] = true end
    for _, run in ipairs(all) do assert(here[run] or there[run], run .. " is in neither") end
    if #runs(t) == 0 then break end
  end
  t:expect(0, { "prune", "--older-than", "0s" })
  eq(#runs(t), 0)
  for _, run in ipairs(all) do
    eq(t:expect(0, { "show", run, "--json", table.unpack(ARCHIVE) }).out, before[run])
  end
  print("# killed: " .. kills)
end)

sys.test("what is wrong is said", function(t)
  t:playbook("p", "return 1")
  t:expect(0, { "run", "p" })
  has(t:expect(2, { "prune" }).err, "--older-than")
  has(t:expect(2, { "prune", "--older-than", "never" }).err, "is wanted")
  has(t:expect(2, { "prune", "--older-than", "0s", "--archive", "lunette.db" }).err, "is the store itself")
  t:write("text", "no store")
  t:expect(4, { "prune", "--older-than", "0s", "--archive", "text" })
  eq(#runs(t), 1)
  hasnt(t:expect(0, { "prune", "--older-than", "0s", "--archive", "a.db" }).out, "left")
  eq(#runs(t, { "--store", "a.db" }), 1)
end)

sys.done()
