-- harden_test.lua: the account is confined once somebody says that it is compromised.

local CONFIRMED = { user = [[THESHIRE\pgustavo]], confirmed_by = "alice" }

test "a confirmed account goes into the restricted group, loses its sessions, then its privileges" (function(sim)
  sim:approve()
  local run = sim:run("t1059.harden", CONFIRMED)
  same(run.outcome, "complete")
  same(run.result.user, "pgustavo@theshire.example")
  lacks(run.result.after, "Domain Admins")
  includes(run.result.after, "ir-restricted")
  sim:order { "okta.add_to_group", "okta.clear_sessions", "okta.remove_from_group" }
  sim.okta:did("remove_from_group", 1)
  includes(run.evidence, { name = "groups before" })
  sim:snapshot(run, "confined")
end)

test "it is the group of that very name, and no one's imported from a directory" (function(sim)
  sim:approve()
  sim:run("t1059.harden", CONFIRMED)
  local act = sim.okta:did("add_to_group", 1)[1]
  local group = sim.okta.state.group[act.args.group]
  same(group.profile.name, "ir-restricted")
  same(group.type, "OKTA_GROUP")
end)

test "whoever is in the group already is not put there again" (function(sim)
  sim:approve()
  sim:run("t1059.harden", CONFIRMED)
  local again = sim:run("t1059.harden", CONFIRMED)
  same(again.state, "completed")
  sim.okta:did("add_to_group", 1)
end)

test "nothing is done before somebody approves, and nothing at all when nobody does" (function(sim)
  local run = sim:run("t1059.harden", CONFIRMED)
  same(run.waiting["for"], "approval")
  for _, op in ipairs { "add_to_group", "clear_sessions", "remove_from_group" } do sim.okta:never(op) end
  sim:deny()
  sim:go_on(run)
  same(run.state, "failed")
  same(run.error.code, "denied")
  for _, op in ipairs { "add_to_group", "clear_sessions", "remove_from_group" } do sim.okta:never(op) end
end)

test "whoever started it cannot approve it" (function(sim)
  sim:approve { by = "alice" }
  local ok, why = pcall(sim.run, sim, "t1059.harden", CONFIRMED)
  same(ok, false)
  includes(tostring(why), "alice started this run and cannot approve it")
  sim.okta:never "add_to_group"
end)

test "an account that Okta does not have is told" (function(sim)
  sim:approve()
  local run = sim:run("t1059.harden", { user = [[THESHIRE\nnobody]], confirmed_by = "alice" })
  same(run.state, "failed")
  includes(run.error.message, [[no Okta user for THESHIRE\nnobody]])
  sim.okta:never "add_to_group"
end)

test "nobody's word is not enough" (function(sim)
  local run = sim:run("t1059.harden", { user = [[THESHIRE\pgustavo]], confirmed_by = " " })
  same(run.error.code, "bad_argument")
  same(#sim:effects(), 0)
end)

test "what was done is taken back" (function(sim)
  sim:approve()
  local run = sim:run("t1059.harden", CONFIRMED)
  local back = sim:undo(run)
  same(back.state, "completed")
  local group = sim.okta:did "add_to_group"
  same(#group, 2)                                           -- into the restricted one, and back into the admins'
  sim.okta:did("remove_from_group", 2)
end)
