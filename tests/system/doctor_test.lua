-- doctor_test.lua: lunette doctor: what it says of a site that is in order, and of one that is not; and that it only
-- reads.
local sys = dofile "tests/system/harness.lua"
local eq, has, hasnt = sys.eq, sys.has, sys.hasnt

local SCOPES = { { "per_minute = 6000", 'per_minute = 6000, scopes = { ["devices:read"] = true, ["devices:write"] = true, '
                   .. '["falconx-sandbox:read"] = true, ["samplestore:read"] = true }' } }

-- Its findings, as { about, state, text }.
local function findings(r)
  local out = {}
  for line in r.out:gmatch "[^\n]+" do out[#out + 1] = require "cjson".decode(line) end
  return out
end

local function find(list, about, part)
  for _, f in ipairs(list) do
    if f.about == about and f.text:find(part, 1, true) then return f end
  end
  error(("nothing is said of %s that has: %s"):format(about, part), 2)
end

sys.test("a site that is in order; nothing is changed, and no run is made", function(t)
  t:record()
  t:sim {}
  local r = t:expect(0, { "doctor" })
  for _, part in ipairs { "4 connectors", "9 playbooks", "okta.users.read", "Hosts: read", "Endpoint Inventory: View",
                          "VM: knowledge base" } do has(r.out, part) end
  hasnt(r.out, "TO DO")
  hasnt(r.out, "take it away")                            -- the shipped playbooks use all that can be looked at
  eq(t:expect(0, { "runs", "--json" }).out, "")
  for _, w in ipairs(t:wire()) do
    local reads = w.method == "GET" or w.op == "token" or w.vendor == "qualys" -- whose lists are POSTs
    assert(reads, "it asked " .. w.vendor .. " " .. w.method .. " " .. w.target)
  end
end)

sys.test("a right that is lacking, and who needs it; one that nobody needs", function(t)
  t:record { crowdstrike = SCOPES }
  t:sim {}
  local list = findings(t:expect(1, { "doctor", "crowdstrike", "--json" }))
  local lacking = find(list, "crowdstrike", "IOC Management: read: is lacking")
  eq(lacking.state, "todo")
  has(lacking.text, "crowdstrike.iocs")
  eq(find(list, "crowdstrike", "Hosts: read").state, "ok")
  for _, f in ipairs(list) do assert(f.about ~= "okta", "okta was not asked for") end

  t:write("only/hosts.lua", 'return playbook { name = "hosts", summary = "x", uses = { "crowdstrike.hosts" }, input = {}, '
                            .. "run = function() end }\n")
  local conf = t:read "sim.conf.lua":gsub("return {", 'return { scripts = { "only" },', 1)
  t:write("only.conf.lua", conf)
  list = findings(t:expect(0, { "doctor", "crowdstrike", "--json", "--config", "only.conf.lua", conf = true }))
  eq(find(list, "crowdstrike", "Hosts: read").state, "ok")
  has(find(list, "crowdstrike", "Sandbox: read").text, "take it away")
  for _, f in ipairs(list) do hasnt(f.text, "IOC Management") end -- neither granted nor needed
end)

sys.test("wrong credentials, and a vendor that is not there, are each said once", function(t)
  t:sim { "okta" }
  local conf = t:read "sim.conf.lua"
  t:write("wrong.conf.lua", (conf:gsub("00SimulatedOktaToken", "00AnotherToken")))
  local list = findings(t:expect(1, { "doctor", "okta", "--json", "--config", "wrong.conf.lua", conf = true }))
  has(find(list, "okta", "unauthorised").state, "todo")
  local n = 0
  for _, f in ipairs(list) do n = n + (f.about == "okta" and 1 or 0) end
  eq(n, 1, "findings of okta")
  t:write("away.conf.lua", (conf:gsub("127%.0%.0%.1:%d+", "127.0.0.1:1")))
  has(find(findings(t:expect(1, { "doctor", "--json", "--config", "away.conf.lua", conf = true })), "okta", "unavailable").state, "todo")
end)

sys.test("scripts that are broken, a store that is frozen or in doubt, no configuration", function(t)
  t:playbook("good", "return 1")
  t:write("lunette.conf.lua", 'return { scripts = { "scripts" } }\n')
  t:write("scripts/library.lua", "return { x = 1 }\n")
  t:expect(0, { "doctor" })
  t:write("scripts/bad.lua", "return playbook {\n")
  t:expect(0, { "freeze", "--why", "an exercise" })
  local list = findings(t:expect(1, { "doctor", "--json" }))
  eq(find(list, "scripts", "bad.lua:").state, "todo")
  eq(find(list, "store", "is frozen by").state, "todo")
  eq(find(list, "scripts", "1 playbooks").state, "ok")
  t:write("lunette.conf.lua", "return { conectors = {} }\n")
  has(t:expect(4, { "doctor" }).err, "connectors")
  has(t:expect(2, { "doctor", "okta", "--config", t:write("none.lua", "return {}\n") }).err, "no connector okta")
end)

sys.done()
