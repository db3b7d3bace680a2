-- release.lua: lifts what is held of some entities, whichever runs hold it; or one hold alone.

local back   = require "ledger.back"
local ledger = require "ledger"

---What can be lifted, the newest first.
local function liftable(held)
  local out = {}
  for i = #held, 1, -1 do
    if held[i].undo then out[#out + 1] = held[i] end
  end
  return out
end

---Of every entity, in the order given.
local function held(input)
  if input.hold then return liftable(ledger.holds { run = input.hold.run, step = input.hold.step }) end
  local out = {}
  for _, entity in ipairs(input.entities) do
    for _, h in ipairs(liftable(ledger.holds { entity = entity })) do out[#out + 1] = h end
  end
  return out
end

return playbook {
  name    = "ledger.release",
  summary = "Lift what is held of an entity, where nobody has changed it since",
  uses    = { "ledger.lift" },
  input   = { entities = "[string]?", asked = "[string]?", hold = "table?", why = "string" },   -- asked: by these names

  run = function(input)
    local holds = held(input)
    if #holds == 0 then fail("nothing_done", "nothing that is held of it can be given back") end
    local names = input.asked or input.entities
    local whom = names and table.concat(names, ", ") or back.told(holds[1])
    return { lifted = back.lift(holds, "Release " .. whom .. ": " .. input.why), of = #holds }
  end,
}
