-- freeze_test.lua: the kill switch, as people use it: with a process that serves the store and without one.
local sys = dofile "tests/system/harness.lua"
local eq, has = sys.eq, sys.has

local function playbook(t)
  t:sim { "--speed", "500" }
  t:playbook("push", [[
    local v1 = require "connectors.visionone"
    local before = #v1.suspicious_objects { all = true }
    v1.watch { sha256 = ("ab"):rep(32), description = "a decoy" }
    return before]], 'uses = { "visionone" },')
  local conf = sys.slurp(t.conf)
  t:write("sim.conf.lua", (conf:gsub("return {", "return { scripts = { \"scripts\" },", 1)))
end

sys.test("a frozen write waits, a read goes on, and thaw lets it go", function(t)
  playbook(t)
  t:expect(0, { "freeze", "--why", "drill" })
  has(t:expect(0, { "freeze" }).out, "drill")
  local r = t:expect(3, { "run", "push" })
  has(r.err, "waits for frozen: lunette thaw")
  eq(t:did "visionone.add_suspicious_object", 0)
  local doc = t:expect(0, { "show", "last", "--json" }).doc()
  eq(doc.waiting["for"], "frozen")
  eq(doc.steps[1].state, "done")
  t:expect(0, { "thaw" })
  t:expect(0, { "resume", "last" })
  eq(t:expect(0, { "freeze" }).out, "nothing is frozen\n")
end)

sys.test("the process that serves goes on by itself on thaw", function(t)
  playbook(t)
  t:expect(0, { "freeze", "--why", "drill", "--connector", "visionone" })
  local job = t:serve()
  local run = t:expect(0, { "run", "push", "--detach" }).out:match "%w+"
  local function state() return t:expect(0, { "show", run, "--json" }).doc() end
  assert(t:until_true(function() local w = state().waiting return w and w["for"] == "frozen" end))
  t:expect(0, { "thaw", "--connector", "visionone" })
  assert(t:until_true(function() return state().state == "completed" end), state().state)
  job.stop()
end)

sys.test("a call is told, and other scopes do not matter", function(t)
  playbook(t)
  t:expect(0, { "freeze", "--why", "drill", "--connector", "okta" })
  t:expect(0, { "run", "push" })
  t:expect(0, { "freeze", "--why", "drill" })
  has(t:expect(1, { "call", "visionone.watch", "sha256=" .. ("cd"):rep(32), "description=x", "--act" }).out, "frozen")
  t:expect(2, { "freeze", "--connector", "okta" })
  t:expect(2, { "freeze", "--why", "x", "--connector", "okta", "--playbook", "y" })
end)

sys.done()
