-- fails.lua: an error ends it in the middle, after things were done that count.

local acme = require "connectors.acme"

return playbook {
  name    = "hostile.fails",
  summary = "Ends with an error, in the middle",
  uses    = { "acme" },
  input   = { n = "integer" },

  run = function(input)
    local id = "fails-" .. input.n
    for i = 1, 3 do
      acme.ticket { title = ("before %d/%d"):format(input.n, i) }
      store.incr "n/fails"
      acme.mark { id = id, mark = "mark " .. i }
    end
    local _, cold = try(acme.wipe, { id = id })
    local answers = map({ "a", "b", "c" }, function(x)
      local was = acme.account { id = id .. x }
      if x == "b" then fail("mine", "b is not liked") end
      return was
    end, { name = "each", on_error = "stop" })
    return { cold = cold, answers = answers }
  end,
}
