-- backup_test.lua: backups of a store at work, and what comes of one that is put back while the vendors have moved
-- on: by the simulators' own account nothing is done twice.
local sys = dofile "tests/system/harness.lua"
local eq, has = sys.eq, sys.has

local ALERT = sys.root .. "/tests/fixtures/alerts/windows/nxlog_sysmon1_wscript_launcher_vbs.json"

-- What makes two deeds the same deed: all but when it was, and names that were given to it only then.
local PASSING = { at = true, task = true, ref = true, title = true, description = true, changed = true }
local GIVEN = { submit = { id = true }, create_ioc = { id = true } }
local MAY = { open_session = true, close_session = true }

local function twice(t)
  local seen, again = {}, {}
  for _, line in ipairs(t:log()) do
    if line.did and not MAY[line.did.op] then
      local parts = { line.vendor }
      for k, v in pairs(line.did) do
        if not PASSING[k] and not (GIVEN[line.did.op] or {})[k] then parts[#parts + 1] = k .. "=" .. tostring(v) end
      end
      table.sort(parts)
      local d = table.concat(parts, " ")
      if seen[d] then again[#again + 1] = line.vendor .. "." .. line.did.op end
      seen[d] = true
    end
  end
  return again
end

-- The same configuration with another store: what was in the backup, put back at another place.
local function put_back(t, file, name)
  os.execute(("mkdir -p '%s/%s' && cp '%s/%s' '%s/%s/lunette.db'"):format(t.dir, name, t.dir, file, t.dir, name))
  local conf = t:read "sim.conf.lua"
  t.conf = t:write(name .. "/conf.lua", (conf:gsub("return {", ("return { store = %q,")
                                                   :format("sqlite:" .. t.dir .. "/" .. name .. "/lunette.db"), 1)))
end

-- A person who looks at the vendor before he says whether it was done.
local function settle(t, doc, approve)
  local op = doc.waiting.step:match "([%w_]+%.[%w_]+)#%d+$" or doc.waiting.step
  local vendor, name = op:match "^([^.]+)%.rtr_(.+)$"
  if not vendor then vendor, name = op:match "^([^.]+)%.(.+)$" end
  local did = t:did(vendor .. "." .. name) > 0
  return t:run { "resume", doc.run, did and "--did" or "--did-not", "--approve", approve, "--json" }
end

local function carry(t, run, approve)
  local r = t:run { "resume", run, "--approve", approve, "--json" }
  for _ = 1, 8 do
    local doc = r.code == 3 and r.doc()
    if not doc or doc.waiting["for"] ~= "doubt" then return r end
    r = settle(t, doc, approve)
  end
  return r
end

local function waiting(t)
  local out = {}
  for line in t:expect(0, { "runs", "--state", "waiting", "--json" }).out:gmatch "[^\n]+" do
    out[#out + 1] = sys.decode(line).run
  end
  return out
end

-- What the vendor cannot tell, by a trace or by a state, a person is asked about: one who says yes without looking
-- has it done again.
local UNTOLD = { ["okta.clear_sessions"] = true }

sys.test("backups of a response under way are put back after it ended, and nothing is done twice", function(t)
  t:sim { "--speed", "300" }
  t:playbook("busy", 'for i = 1, 150 do step("s", function() return i end); sleep "10ms" end')
  local conf = t:read "sim.conf.lua"
  t.conf = t:write("sim.conf.lua", (conf:gsub("return {", ("return { scripts = { %q, %q },")
                                              :format(t.dir .. "/scripts", sys.root .. "/scripts"), 1)))
  local job = t:serve()
  local respond = t:start { "run", "t1059.respond", "--input", ALERT, "--set", "confirmed_by=alice", "--approve",
                            "all", "--json" }
  for _ = 1, 2 do t:expect(0, { "run", "busy", "--detach" }) end
  for i = 1, 4 do
    os.execute "sleep 0.4"
    t:expect(0, { "backup", "b" .. i .. ".db" })
  end
  assert(respond.wait().code % 5 == 0)
  eq(#twice(t), 0)
  job.stop()
  local base, put, known = t.conf, 0, 0
  for i = 1, 4 do
    put_back(t, "b" .. i .. ".db", "r" .. i)
    local runs = waiting(t)
    put = put + #runs
    for _, run in ipairs(runs) do eq(t:expect(0, { "show", run, "--json" }).doc().waiting["for"], "restored") end
    has(t:expect(0, { "freeze" }).out, "restored from a backup")
    t:expect(0, { "thaw" })
    for _, run in ipairs(runs) do carry(t, run, i % 2 == 0 and "deny" or "all") end
    local again = twice(t)
    for k = known + 1, #again do
      assert(i % 2 == 1 and UNTOLD[again[k]], ("%s was done again, from backup %d"):format(again[k], i))
    end
    known = #again
    t.conf = base
  end
  assert(put > 2, "the backups held next to nothing under way: " .. put)
end)

sys.test("a backup that was put back starts frozen, and each run waits for a person's word", function(t)
  t:playbook("naps", 'sleep "2s"; return "slept"')
  t:playbook("asks", 'return ask { title = "go on?" }.answer')
  local job = t:serve()
  local naps = t:expect(0, { "run", "naps", "--detach" }).out:match "%w+"
  t:expect(3, { "run", "asks" })
  t:expect(0, { "backup", "b.db", "--json" })
  local p = io.popen("stat -c %a " .. t.dir .. "/b.db")
  eq(p:read "l", "600")
  p:close()
  has(t:expect(1, { "backup", "b.db" }).err, "is there already")
  job.stop()
  os.execute(("cd '%s' && rm -f lunette.db lunette.db-wal lunette.db-shm && cp b.db lunette.db"):format(t.dir))
  local again = t:serve()
  os.execute "sleep 2.5"                                  -- its time is long past
  local doc = t:expect(0, { "show", naps, "--json" }).doc()
  eq(doc.waiting["for"], "restored")
  eq(doc.waiting.next, "lunette thaw && lunette resume " .. naps)
  t:expect(0, { "approve", "1", "--answer", "yes" })      -- an answer alone wakes none
  t:expect(0, { "thaw" })
  os.execute "sleep 0.5"
  eq(#waiting(t), 2)
  eq(t:expect(0, { "resume", naps, "--json" }).doc().result, "slept")
  eq(t:expect(0, { "resume", "last", "--json" }).doc().result, "yes")
  again.stop()
  t:serve().stop()                                        -- it was restored once
  eq(t:expect(0, { "freeze" }).out, "nothing is frozen\n")
end)

sys.test("a store is not put back under a process that has the one before", function(t)
  t:playbook("p", "return 1")
  t:expect(0, { "run", "p" })
  t:expect(0, { "backup", "b.db" })
  local job = t:serve()
  os.execute(("cd '%s' && mv lunette.db old.db && cp b.db lunette.db && rm -f lunette.db-wal lunette.db-shm")
             :format(t.dir))
  has(t:expect(4, { "runs" }).err, "stop that process")
  job.kill "KILL"
  job.wait()
end)

sys.test("a backup that is killed leaves no file of that name, or a whole one", function(t)
  t:playbook("p", 'step("a", function() return ("x"):rep(60000) end)')
  for _ = 1, 60 do t:expect(0, { "run", "p", "--quiet" }) end
  local whole = 0
  for i = 1, 12 do
    local job = t:start { "backup", "k" .. i .. ".db" }
    os.execute(("sleep %.3f"):format(0.02 * i))
    job.kill "KILL"
    job.wait()
    if t:read("k" .. i .. ".db") then
      whole = whole + 1
      t:write("k.conf.lua", ('return { store = "sqlite:k%d.db" }'):format(i))
      local r = t:expect(0, { "runs", "--config", "k.conf.lua", conf = true })
      has(r.err, "restored from a backup")
      eq(select(2, r.out:gsub("\n", "")), 60)
    end
  end
  print("# whole: " .. whole)
end)

sys.done()
