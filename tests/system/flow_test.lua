-- flow_test.lua: flows and connectors as a run has them: granted by `uses`, named by `as`, and pinned: a run goes on
-- with the connectors that it began with.
--
-- Run from the root of the tree:   lua5.4 tests/system/flow_test.lua
local sys = dofile "tests/system/harness.lua"
local eq, has = sys.eq, sys.has

sys.test("a flow that `uses` does not grant is refused, whatever it is made of", function(t)
  local body = [[
    return { pcall(require "connectors.crowdstrike".host, { hostname = "none.such" }) }
  ]]
  local function code(uses)
    t:playbook("p", body, "uses = { " .. uses .. " },")
    local doc = t:expect(0, { "run", "p", "--sim", "--json" }).doc()
    return doc.result[2].code, #doc.steps, doc.result[2].message
  end
  local refused, steps, message = code ""
  eq(refused, "refused")
  eq(steps, 0, "steps")
  has(message, "crowdstrike.host is not in `uses` of p")
  eq(code '"crowdstrike.hosts", "crowdstrike.host_states"', "refused")
  eq(code '"crowdstrike.host"', "not_found")
  eq(code '"crowdstrike"', "not_found")
end)

sys.test("`as` names a flow as it names a step: its steps stand below, and no two have one name", function(t)
  t:playbook("p", [[
    local host = require "connectors.crowdstrike".host
    local function try_it(as) return select(2, try(host, { hostname = "none.such", as = as })).message end
    return { try_it "the/host", try_it "the/host", try_it "", try_it(5), try_it(nil) }
  ]], 'uses = { "crowdstrike.host" },')
  local doc = t:expect(0, { "run", "p", "--sim", "--json" }).doc()
  local names = {}
  for i, s in ipairs(doc.steps) do names[i] = s.name end
  eq(table.concat(names, " "), "the%2Fhost/crowdstrike.hosts#1 the%2Fhost/crowdstrike.hosts#2 "
                               .. "crowdstrike.host#1/crowdstrike.hosts#1 crowdstrike.host#1/crowdstrike.hosts#2")
  has(doc.result[1], "no host is")
  has(doc.result[2], "is taken in this branch")
  has(doc.result[3], "as: a name is wanted")
  has(doc.result[4], "as: a name is wanted")
end)

sys.test("--assume answers for a flow by its operation, by its turn, and by the name that it was given", function(t)
  t:playbook("p", [[
    local host = require "connectors.crowdstrike".host
    return { host { id = "a" }.hostname, host { id = "b", as = "second" }.hostname }
  ]], 'uses = { "crowdstrike.host" },')
  local doc = t:expect(0, { "run", "p", "--plan", "--sim", "--json", "--assume", 'second={"hostname":"B"}',
                            "--assume", 'crowdstrike.host#1={"hostname":"A"}' }).doc()
  eq(doc.result[1] .. doc.result[2], "AB")
  doc = t:expect(0, { "run", "p", "--plan", "--sim", "--json", "--assume", 'crowdstrike.host={"hostname":"C"}' }).doc()
  eq(doc.result[1] .. doc.result[2], "CC")
end)

-- A connector of the site's own, at Okta's simulator: `version` is in what its operation, its flow and its defaults say.
-- Nobody can tell whether its write happened, so a run waits there.
local function acme(version)
  return ([[
    return connector {
      name = "acme", config = { token = "secret" },
      auth = { kind = "header", header = "Authorization", prefix = "SSWS ", secret = "token" },
      operations = {
        clear = {
          summary = "Ends sessions.", class = "write", idempotent = false, effect = "note", params = { user = "string" },
          method = "DELETE", path = "/api/v1/users/{user}/sessions", expect = { 204 },
          entity = "acme:user:{user}", facet = "sessions", to = "VERSION",
        },
        groups = {
          summary = "Lists groups.", class = "read", params = { q = "string", tag = "string = VERSION" },
          method = "GET", path = "/api/v1/groups", query = { q = "{q}" },
          result = function(body, a) return { version = "VERSION", tag = a.tag, name = body[1].profile.name } end,
        },
      },
      flows = {
        both = {
          summary = "Asks twice, with a write between.", params = { q = "string" },
          uses = { "acme.groups", "acme.clear" },
          run = function(a)
            local acme = require "connectors.acme"
            local first = acme.groups { q = a.q }
            acme.clear { user = "00u1" }
            return { "VERSION", first, acme.groups { q = a.q } }
          end,
        },
      },
    }
  ]]):gsub("VERSION", version)
end

local function site(t)
  t:sim { "okta", "--speed", "100", "--faults", "okta.clear_sessions=reset-after" }
  t:write("sim.conf.lua", (t:read "sim.conf.lua"
    :gsub("return {", 'return { scripts = { "scripts" }, connectors_path = { "own" }, ', 1)
    :gsub("( okta = )(%b{})", "%1%2, acme = %2", 1)))
  t:write("own/acme.lua", acme "one")
  t:playbook("p", 'return require "connectors.acme".both { q = "ir-restricted" }', 'uses = { "acme" },')
end

local function versions(doc)
  local r = doc.result
  return ("%s %s/%s %s/%s"):format(r[1], r[2].version, r[2].tag, r[3].version, r[3].tag)
end

sys.test("a run goes on with the connector that it began with; the next one has the new", function(t)
  site(t)
  for _, args in ipairs { { "run", "p" }, { "call", "acme.both", "q=ir-restricted", "--act" } } do
    t:write("own/acme.lua", acme "one")
    args[#args + 1] = "--json"
    local id = t:expect(3, args).doc().run
    t:write("own/acme.lua", acme "two")
    local doc = t:expect(0, { "resume", id, "--did", "--json" }).doc()
    eq(versions(doc), "one one/one one/one", args[1])
  end
  local new = t:expect(3, { "run", "p", "--json" }).doc().run
  eq(versions(t:expect(0, { "resume", new, "--did", "--json" }).doc()), "two two/two two/two")
end)

sys.test("also where the connector is gone or broken meanwhile; what begins then is told", function(t)
  site(t)
  local id = t:expect(3, { "run", "p", "--json" }).doc().run
  t:write("own/acme.lua", "return connector { name = 'acme', nonsense = 1 }")
  has(t:expect(4, { "run", "p" }).err, "nonsense")
  t:write("own/acme.lua", acme "two")
  eq(versions(t:expect(0, { "resume", id, "--did", "--json" }).doc()), "one one/one one/one")
end)

sys.test("a folder of scripts shadows no connector", function(t)
  t:playbook("p", 'return require "connectors.okta".groups { name = "ir-restricted" }[1].name', 'uses = { "okta" },')
  t:write("scripts/connectors/okta.lua", 'return { groups = function() return { { name = "shadow" } } end }')
  eq(t:expect(0, { "run", "p", "--sim", "--json" }).doc().result, "ir-restricted")
end)

sys.done()
