-- d3fend.lua: MITRE D3FEND as a playbook's `d3fend` list and `lunette coverage` need it: a technique's label
-- and tactic, retired ids with what replaced them, and which countermeasures the loaded playbooks take.
--
-- A playbook's stage and the tactics of its techniques need not agree: D3FEND 1.x files User Account
-- Permissions and Local File Permissions under Isolate, where responses have long called them hardening.

local data = require "d3fend_t1059"

local d3fend = { ontology = data.ontology }

local KNOWN, INFERRED, RETIRED = {}, {}, {}
for _, t in ipairs(data.countermeasures) do KNOWN[t.id], INFERRED[t.id] = t, true end
for _, t in ipairs(data.related) do KNOWN[t.id] = t end
for _, r in ipairs(data.retired) do RETIRED[r.id] = r end

---A technique, or nil when it is not known here (which does not mean that D3FEND lacks it).
---@param id string "D3-UAP"
---@return { id: string, label: string, tactic: string, counters: boolean }?
function d3fend.technique(id)
  local t = KNOWN[id]
  return t and { id = t.id, label = t.label, tactic = t.tactic, counters = INFERRED[id] == true }
end

---A technique's tactic: "Isolate".
---@param id string
---@return string?
function d3fend.tactic(id) return KNOWN[id] and KNOWN[id].tactic end

---A technique's label: "User Account Permissions".
---@param id string
---@return string?
function d3fend.label(id) return KNOWN[id] and KNOWN[id].label end

---What replaced a retired id; nil when it is not retired.
---@param id string
---@return string?
function d3fend.successor(id) return RETIRED[id] and RETIRED[id].successor end

---The ontology's tactics, in its own order.
---@return string[]
function d3fend.tactics() return table.move(data.tactics, 1, #data.tactics, 1, {}) end

local function copies(list)
  local out = {}
  for i, t in ipairs(list) do out[i] = d3fend.technique(t.id) end
  return out
end

---The countermeasures that the ontology infers for ATT&CK T1059 and each of its sub-techniques.
---@return table[] as from `technique`
function d3fend.countermeasures() return copies(data.countermeasures) end

---Those that responses to it use besides.
---@return table[]
function d3fend.related() return copies(data.related) end

---Which playbooks take which id; retired ids are counted for their successors.
local function takers(playbooks)
  local by_id, retired, unknown = {}, {}, {}
  for _, p in ipairs(playbooks) do
    for _, id in ipairs(p.d3fend or {}) do
      local now = d3fend.successor(id)
      if now then retired[#retired + 1] = { id = id, successor = now, playbook = p.name } end
      now = now or id
      if KNOWN[now] == nil then unknown[#unknown + 1] = { id = id, playbook = p.name } end
      by_id[now] = by_id[now] or {}
      table.insert(by_id[now], p.name)
    end
  end
  return by_id, retired, unknown
end

local function rows(list, by_id)
  local out, covered = {}, 0
  for i, t in ipairs(copies(list)) do
    t.playbooks = by_id[t.id] or {}
    t.covered = #t.playbooks > 0
    covered = covered + (t.covered and 1 or 0)
    out[i] = t
  end
  return out, covered
end

---The countermeasures for T1059 against playbooks.
---@param playbooks { name: string, d3fend?: string[] }[]
---@return table { ontology, attack, countermeasures, covered, total, related, by_tactic, retired, unknown }:
---`countermeasures` and `related` are techniques with `covered` and `playbooks`; `by_tactic` counts both, in
---the ontology's order: { tactic, covered, total, related }; `retired` and `unknown` name the playbooks to
---mend
function d3fend.coverage(playbooks)
  local by_id, retired, unknown = takers(playbooks)
  local main, covered = rows(data.countermeasures, by_id)
  local related = rows(data.related, by_id)
  local by_tactic = {}
  for i, tactic in ipairs(data.tactics) do
    local row = { tactic = tactic, covered = 0, total = 0, related = 0 }
    for _, t in ipairs(main) do
      if t.tactic == tactic then
        row.total, row.covered = row.total + 1, row.covered + (t.covered and 1 or 0)
      end
    end
    for _, t in ipairs(related) do
      if t.tactic == tactic and t.covered then row.related = row.related + 1 end
    end
    by_tactic[i] = row
  end
  return {
    ontology = data.ontology, attack = data.attack, countermeasures = main, covered = covered, total = #main,
    related = related, by_tactic = by_tactic, retired = retired, unknown = unknown,
  }
end

return d3fend
