-- Written by docs/reference.lua (make reference): for editors; no run loads it.
---@meta d3fend

---MITRE D3FEND as a playbook's `d3fend` list and `lunette coverage` need it: a technique's label and tactic, retired ids with what replaced them, and which countermeasures the loaded playbooks take.
---@class d3fend
local d3fend = {}

---A technique, or nil when it is not known here (which does not mean that D3FEND lacks it).
---@param id string "D3-UAP"
---@return { id: string, label: string, tactic: string, counters: boolean }?
function d3fend.technique(id) end

---A technique's tactic: "Isolate".
---@param id string
---@return string?
function d3fend.tactic(id) end

---A technique's label: "User Account Permissions".
---@param id string
---@return string?
function d3fend.label(id) end

---What replaced a retired id; nil when it is not retired.
---@param id string
---@return string?
function d3fend.successor(id) end

---The ontology's tactics, in its own order.
---@return string[]
function d3fend.tactics() end

---The countermeasures that the ontology infers for ATT&CK T1059 and each of its sub-techniques.
---@return table[] as from `technique`
function d3fend.countermeasures() end

---Those that responses to it use besides.
---@return table[]
function d3fend.related() end

---The countermeasures for T1059 against playbooks.
---@param playbooks { name: string, d3fend?: string[] }[]
---@return table { ontology, attack, countermeasures, covered, total, related, by_tactic, retired, unknown }:
---`countermeasures` and `related` are techniques with `covered` and `playbooks`; `by_tactic` counts both, in
---the ontology's order: { tactic, covered, total, related }; `retired` and `unknown` name the playbooks to
---mend
function d3fend.coverage(playbooks) end

return d3fend
