-- Written by docs/reference.lua (make reference): for editors; no run loads it.
---@meta ledger

---What Lunette holds: what it confined, and what takes it back.
---@class ledger
local ledger = {}

---The holds of an entity or of a run that are not released, the oldest first.
---```lua
---assert(#ledger.holds { entity = "okta:user:nobody" } == 0)
---```
---@async
---@param args { entity?: string, run?: string, facet?: string, step?: string }  `entity`: "okta:user:00u1", or a bare name such as a hash or a host's: then of every vendor; `run`: an id
---@return { entity: string, facet: string, state: string, before: string, status: string, op: string, step: string, run: string, open: boolean, since: string, until?: string, over?: boolean, verdict: string, undo?: { op: string, args: table } }[]  or raises `too_many`; `open`: the run that holds it has not ended; `status`: "held", "pending", "doubt", or "foreign": it was so before us; `over`: its lease is; `verdict`: "malicious" where it rests on that, else empty; `undo`: what takes it back, if anything can
function ledger.holds(args) end

---What a run that has ended did, and the runs that it began, the last first; without what was taken back since.
---```lua
---local acts, none = try(ledger.acts, { run = "01JD0000000000000000000000" })
---assert(acts == nil and none.code == "not_found")
---```
---@async
---@param args { run: string, line?: integer }  `line`: of a prompt's run, what that line did alone
---@return { how: "lift"|"cannot"|"note"|"foreign", step: string, run: string, op: string, entity: string, facet: string, state: string, before: string, at: integer, verdict: string, label?: string, why?: string, undo?: { op: string, args: table } }[]  or raises `conflict`: it has not ended; `how`: "lift": `undo` takes it back; "cannot": nothing does; "note": it took nothing from anybody; "foreign": it was so before; `label`: what people call the entity
function ledger.acts(args) end

---Takes back what a hold's write did, by the operation that the ledger names for it: only where the live state is
---still the one that was set, and only for the last who holds it so: for others' sake it stays as it is, and this
---hold alone is let go. The playbook's `uses` names "ledger.lift".
---```lua
---for _, hold in ipairs(ledger.holds { entity = "okta:user:nobody" }) do ledger.lift(hold) end
---```
---@async
---@param hold table  one of `ledger.holds` or `ledger.acts`
---@param options? { as?: string }
---@return any  what the operation answers; `{ unchanged = true }` where nothing was to be done; or raises `conflict` (somebody has changed it since: it stays so), `pending`, `refused`, or what the operation raises
function ledger.lift(hold, options) end

return ledger
