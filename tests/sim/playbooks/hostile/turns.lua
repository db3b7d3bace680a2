-- turns.lua: several runs want the same few things at the same time; who comes second finds them done, or
-- waits.

local acme = require "connectors.acme"

return playbook {
  name    = "hostile.turns",
  summary = "Takes its turn at what others want, too",
  uses    = { "acme" },
  input   = { n = "integer" },

  run = function(input)
    local got = {}
    for i = 1, 4 do
      local id = "shared-" .. (input.n + i) % 4
      local r, why = try(acme.lock, { id = id })
      got[i] = why and why.code or r.unchanged and "unchanged" or "locked"
      store.incr "n/turns"
      acme.mark { id = id, mark = "by " .. input.n }
    end
    acme.ticket { title = "turns " .. input.n }
    return got
  end,
}
