-- restore_test.lua: what was confined is given back, once it is clean again, and only what is still as we set it.

local SHA256 = "c1dadf9fb8021aa205bd52604c4d7330c5e1251198322ac4b8a093dc23df1a10"
local LAUNCHER = { name = "launcher.vbs", kind = "script", path = [[C:\Users\pgustavo\Desktop\launcher.vbs]],
                   sha256 = SHA256, sha1 = "5683729702392da5cfaa8476f96228a9abf08c54", pid = 2440,
                   started = "2020-09-04T20:09:55Z", image = [[C:\Windows\System32\wscript.exe]] }

local function isolate(sim)
  sim:approve()
  local run = sim:run("t1059.isolate", { subject = LAUNCHER, device = "WORKSTATION5", verdict = "malicious" })
  same(run.outcome, "complete")
end

test "a contained host is given back when somebody says that it is clean" (function(sim)
  isolate(sim)
  local run = sim:run("t1059.restore", { device = "WORKSTATION5", benign_by = "carol" })
  same(run.outcome, "complete")
  sim.visionone:did("end_isolation", 1)
end)

test "while the verdict stands nothing is given back" (function(sim)
  isolate(sim)
  local run = sim:run("t1059.restore", { device = "WORKSTATION5" })
  same(run.error.code, "refused")
  sim.visionone:never "end_isolation"
end)

test "an account comes back only with a new password" (function(sim)
  sim:approve()
  sim:run("t1059.harden", { user = [[THESHIRE\pgustavo]], confirmed_by = "alice" })
  local early = sim:run("t1059.restore", { user = [[THESHIRE\pgustavo]] })
  includes(early.error.message, "the password was not renewed")
  sim.okta:did("remove_from_group", 1)                      -- that of the privileged one

  for _, user in pairs(sim.okta.state.user) do user.passwordChanged = "2030-01-01T00:00:00.000Z" end
  for _, group in pairs(sim.okta.state.group) do            -- the last member of a group stays in it
    if group.profile.name == "ir-restricted" then
      for id, user in pairs(sim.okta.state.user) do
        if user.profile.login:find "^lrodriguez@" then sim.okta.state.members[group.id][id] = true end
      end
    end
  end
  local run = sim:run("t1059.restore", { user = [[THESHIRE\pgustavo]] })
  same(run.state, "completed")
  sim.okta:did("add_to_group", 2)                           -- the restricted one then, the privileged one now
end)

test "nothing that we hold, nothing to give back" (function(sim)
  local run = sim:run("t1059.restore", { device = "WORKSTATION6" })
  same(run.error.code, "nothing_to_restore")
end)

test "it says what it wants" (function(sim)
  same(sim:run("t1059.restore", {}).error.code, "bad_argument")
end)

test "a person who says no keeps what is held" (function(sim)
  isolate(sim)
  sim:deny { title = "Give back" }
  local run = sim:run("t1059.restore", { device = "WORKSTATION5", benign_by = "carol" })
  same(run.error.code, "denied")
  sim.visionone:never "end_isolation"
end)
