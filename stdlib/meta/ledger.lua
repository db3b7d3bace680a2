-- Written by docs/reference.lua (make reference): for editors; no run loads it.
---@meta ledger

---What Lunette holds: what it confined, and what takes it back. Read only; operations change it.
---@class ledger
local ledger = {}

---The holds of an entity that are not released, the oldest first.
---```lua
---assert(#ledger.holds { entity = "okta:user:nobody" } == 0)
---```
---@async
---@param args { entity: string, facet?: string }  `entity`: "okta:user:00u1", or a bare name such as a hash: then of every vendor
---@return { entity: string, facet: string, state: string, before: string, status: string, op: string, step: string, run: string, open: boolean, since: string, until?: string, undo?: { op: string, args: table } }[]  or raises `too_many`; `open`: the run that holds it has not ended; `undo`: what takes it back, if anything can
function ledger.holds(args) end

return ledger
