-- d3fend_test.lua: techniques, retired ids, coverage.

package.path = "tests/lua/alert/?.lua;" .. package.path
local shim = require "shim"
local test = shim.test
local d3fend = require "d3fend"

test("d3fend: labels and tactics of the ontology, whose version is said", function()
  assert(d3fend.ontology.version == "1.2.0")
  assert(d3fend.tactic "D3-UAP" == "Isolate" and d3fend.label "D3-FEV" == "File Eviction")
  assert(d3fend.technique "D3-FEV".counters and not d3fend.technique "D3-NI".counters)
  assert(d3fend.technique "D3-XX" == nil and d3fend.tactic "D3-XX" == nil)
  assert(#d3fend.countermeasures() == 15 and #d3fend.tactics() == 7)
end)

test("d3fend: a retired id names its successor", function()
  assert(d3fend.successor "D3-FR" == "D3-FEV" and d3fend.successor "D3-FEV" == nil)
end)

test("d3fend: coverage counts what playbooks take", function()
  local c = d3fend.coverage {
    { name = "a.detect", d3fend = { "D3-DA", "D3-FA" } }, { name = "a.evict", d3fend = { "D3-FR" } },
    { name = "a.isolate", d3fend = { "D3-NI", "D3-ZZ" } }, { name = "plain" },
  }
  assert(c.covered == 3 and c.total == 15)
  assert(c.retired[1].id == "D3-FR" and c.retired[1].playbook == "a.evict" and c.unknown[1].id == "D3-ZZ")
  local evict, isolate
  for _, row in ipairs(c.by_tactic) do
    if row.tactic == "Evict" then evict = row end
    if row.tactic == "Isolate" then isolate = row end
  end
  assert(evict.covered == 1 and evict.total == 1 and isolate.covered == 0 and isolate.related == 1)
  for _, t in ipairs(c.countermeasures) do assert(t.covered == (#t.playbooks > 0)) end
end)

shim.done()
