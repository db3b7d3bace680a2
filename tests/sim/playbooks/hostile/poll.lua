-- poll.lua: waits of every kind: for a time, for a state, for work that goes on elsewhere.

local acme = require "connectors.acme"

return playbook {
  name    = "hostile.poll",
  summary = "Waits for a time, a state, and work elsewhere",
  uses    = { "acme" },
  input   = { n = "integer", second = "number = 1" },

  run = function(input)
    local id = "poll-" .. input.n
    local seen = {}
    local handle = acme.scan { id = id, wait = false }
    local job = await_until(function()
      local j = acme.job { job = handle.job }
      return j.state == "done" and j
    end, { every = 3 * input.second, timeout = 3600 * input.second })
    for i = 1, 4 do
      sleep(i * 20 * input.second)
      seen[i] = acme.account { id = id }.state
      store.incr "n/poll"
      acme.mark { id = id, mark = "round " .. i }
    end
    local _, late = try(await_until, function() return acme.account { id = id }.state == "gone" end,
                        { every = 20 * input.second, timeout = 120 * input.second })
    acme.mail { title = "poll " .. input.n }
    acme.scan { id = id .. "-2" }
    return { job = job.job, seen = seen, late = late and late.code, at = now() }
  end,
}
