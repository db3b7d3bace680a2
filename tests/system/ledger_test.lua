-- ledger_test.lua: several processes that want the same thing of one host; what was so before; and leases, watched
-- by the process that serves or found by the next command.
local sys = dofile "tests/system/harness.lua"
local eq, has = sys.eq, sys.has

local CONTAIN = [[
  local v1 = require "connectors.visionone"
  local host = v1.endpoints { hostname = "WORKSTATION5" }[1]
  return v1.isolate { host = host.id, lease = input.lease, wait = "5m" }.state]]

local function set_up(t, speed)
  t:sim { "--speed", tostring(speed or 20) }
  t:playbook("contain", CONTAIN, 'uses = { "visionone" }, input = { lease = "string?" },')
  local conf = sys.slurp(t.conf)
  t:write("sim.conf.lua", (conf:gsub("return {", 'return { scripts = { "scripts" }, guards = { approve = "never" },', 1)))
end

local function holds(t, ...)
  local out = {}
  for line in t:run({ "entity", "WORKSTATION5", "--json", ... }).out:gmatch "[^\n]+" do out[#out + 1] = sys.decode(line) end
  return out
end

local function states(t)
  local out = {}
  for line in t:expect(0, { "runs", "--json" }).out:gmatch "[^\n]+" do
    for _, s in ipairs(t:expect(0, { "show", sys.decode(line).run, "--json" }).doc().steps) do
      if s.class == "write" then out[#out + 1] = s.state end
    end
  end
  table.sort(out)
  return table.concat(out, " ")
end

sys.test("two processes isolate one host: once, and both hold it until the last lets go", function(t)
  set_up(t)
  local first, second = t:start { "run", "contain", "--json" }, t:start { "run", "contain", "--json" }
  local a, b = first.wait(), second.wait()
  assert(a.code == 0, a.err)
  assert(b.code == 0, b.err)
  eq(t:did "visionone.isolate", 1)
  eq(states(t), "done joined")
  local held = holds(t)
  eq(#held, 2)
  for _, h in ipairs(held) do
    eq(h.status, "held")
    eq(h.state, "isolated")
  end
  assert(held[1].run ~= held[2].run)
  eq(held[1].before, held[2].before)
  t:expect(0, { "undo", sys.decode(a.out).run })
  eq(t:did "visionone.restoreIsolate", 0)
  eq(#holds(t), 1)
  t:expect(0, { "undo", sys.decode(b.out).run })
  eq(t:did "visionone.restoreIsolate", 1)
  eq(#holds(t), 0)
  eq(#holds(t, "--all"), 2)
end)

sys.test("a process that is killed keeps its turn: who comes second says what to do, and joins in the end", function(t)
  set_up(t, 1)
  local first = t:start { "run", "contain" }
  assert(t:until_true(function() return t:did "visionone.isolate" == 1 end))
  first.kill "KILL"
  first.wait()
  local r = t:expect(3, { "run", "contain" })
  has(r.err, "waits for entity: lunette resume ")
  t:expect(0, { "resume", r.err:match "lunette resume (%w+)", seconds = 100 })
  t:expect(0, { "resume", "last" })
  eq(t:did "visionone.isolate", 1)
  eq(states(t), "done joined")
end)

sys.test("what was so before is foreign, and nobody takes it back", function(t)
  set_up(t)
  t:expect(0, { "run", "contain" })
  os.execute(("rm -rf %s/lunette.db*"):format(t.dir))     -- whoever that was, this store knows nothing of it
  local run = t:expect(0, { "run", "contain", "--json" }).doc()
  eq(run.steps[2].state, "unchanged")
  eq(run.holds[1].status, "foreign")
  eq(holds(t)[1].status, "foreign")
  eq(t:expect(0, { "entity" }).out, "")                   -- that is nothing that we hold
  has(t:expect(0, { "entity", "--all" }).out, "(foreign)")
  t:run { "undo", run.run }
  eq(t:did "visionone.restoreIsolate", 0)
end)

sys.test("a lease that ends is released by the process that serves", function(t)
  set_up(t, 100)
  local job = t:serve()
  t:expect(0, { "run", "contain", "--set", "lease=3s" })
  eq(#holds(t), 1)
  assert(t:until_true(function() return t:did "visionone.restoreIsolate" == 1 end), "it is not released")
  assert(t:until_true(function() return #holds(t) == 0 end))
  job.stop()
end)

sys.test("a lease that ended while nobody watched is asked about by the next command", function(t)
  set_up(t, 100)
  t:playbook("idle", "return 1")
  t:expect(0, { "run", "contain", "--set", "lease=1s" })
  os.execute "sleep 1.2"
  has(t:expect(0, { "run", "idle" }).err, "lunette approvals")
  has(t:expect(0, { "approvals" }).out, "while nobody watched: release it?")
  eq(t:did "visionone.restoreIsolate", 0)
  t:expect(0, { "run", "idle" })                          -- asked once
  eq(#t:expect(0, { "approvals" }).out:gsub("[^?]", ""), 1)
  local run = t:expect(0, { "approvals", "--json" }).doc().run
  t:expect(0, { "approve", "1" })
  t:expect(0, { "resume", run })
  eq(t:did "visionone.restoreIsolate", 1)
  eq(#holds(t), 0)
end)

sys.done()
