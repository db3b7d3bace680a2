-- undo.lua: takes back what a run did, and the runs that it began: the last first, each only where the live
-- state is still what was set.  What nothing takes back is said.

local back   = require "ledger.back"
local ledger = require "ledger"

return playbook {
  name    = "ledger.undo",
  summary = "Take back what a run did, the last first, where nobody has changed it since",
  uses    = { "ledger.lift" },
  input   = { run = "string", line = "integer?" },         -- line: of a prompt's run, that one alone

  run = function(input)
    local acts = ledger.acts { run = input.run, line = input.line }
    for _, act in ipairs(where(acts, function(a) return a.how == "cannot" end)) do
      not_done("take back " .. back.told(act), act.why)
    end
    local holds = where(acts, function(a) return a.how == "lift" end)
    return { lifted = back.lift(holds, "Take back what run " .. input.run .. " did"), of = #holds }
  end,
}
