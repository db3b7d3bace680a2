-- back.lua: holds lifted one after the other, in the order given: what undo and release share.

local ledger = require "ledger"

local back = {}

---What people call a hold: "isolation of WS-042".
function back.told(hold)
  return ("%s of %s"):format(hold.facet ~= "" and hold.facet or hold.op, hold.label or hold.entity)
end

---Lifts each, whatever became of the one before; what rests on a malicious verdict is shown to people first.
---@return integer lifted  what could not be is declared as not done
function back.lift(holds, title)
  local lifted = 0
  local function all()
    for _, h in ipairs(holds) do
      local done, err = try(ledger.lift, h)
      if done then lifted = lifted + 1
      else not_done("take back " .. back.told(h), err.message)
      end
    end
  end
  local grave = where(holds, function(h) return h.verdict == "malicious" end)
  if #grave == 0 then all()
  else
    approved({ title = title .. ", which rests on a malicious verdict", expires = "8h" }, function()
      lifted = 0
      all()
    end)
  end
  return lifted
end

return back
