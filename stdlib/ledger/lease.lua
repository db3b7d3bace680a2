-- lease.lua: what becomes of a hold whose lease is over.  It is taken back where nobody has changed it since; a
-- person says so first where it rests on a malicious verdict, or where it ended while nobody watched.

local back   = require "ledger.back"
local ledger = require "ledger"

---The hold, while its lease is over and nobody has put that off.
local function over(which)
  local hold = ledger.holds(which)[1]
  return hold and hold.status == "held" and hold.over and hold or nil
end

local function lift(hold)
  if not hold then return 0 end
  local done, err = try(ledger.lift, hold)
  if not done then not_done("take back " .. back.told(hold), err.message) end
  return done and 1 or 0
end

local function question(hold, unwatched)
  local why = hold.verdict == "malicious" and ", and it rests on a malicious verdict"
              or unwatched and ", while nobody watched" or ""
  return {
    title   = ("The lease on %s was over at %s%s: release it?"):format(back.told(hold), hold["until"], why),
    detail  = "Denied, it stays held; `lunette hold " .. hold.entity .. " --until T` prolongs it.",
    expires = "30d",
  }
end

---Asked about as it is by then: somebody may have prolonged it meanwhile.
local function ask(hold, input)
  local lifted = 0
  local _, err = try(approved, question(hold, input.unwatched), function() lifted = lift(over(input.hold)) end)
  if err and err.code ~= "denied" then fail(err.code, err.message) end
  return { lifted = lifted, kept = err ~= nil }
end

return playbook {
  name    = "ledger.lease",
  summary = "Take back a hold whose lease is over, or ask whether to",
  uses    = { "ledger.lift" },
  input   = { hold = "table", unwatched = "boolean = false" },

  run = function(input)
    local hold = over(input.hold)
    if not hold then return { lifted = 0, kept = true } end
    if not hold.undo then
      not_done("take back " .. back.told(hold), "nothing is known that takes it back")
      return { lifted = 0, kept = true }
    end
    if hold.verdict == "malicious" or input.unwatched then return ask(hold, input) end
    return { lifted = lift(hold), kept = false }
  end,
}
