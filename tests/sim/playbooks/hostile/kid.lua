-- kid.lua: what parent.lua begins: does a little, waits to be told to go on, and answers.

local acme = require "connectors.acme"

return playbook {
  name    = "hostile.kid",
  summary = "Is begun by another run",
  uses    = { "acme" },
  input   = { n = "integer", of = "string", waits = "boolean = false", second = "number = 1" },

  run = function(input)
    local id = ("kid-%d-%s"):format(input.n, run.id:sub(-6))
    local heard
    acme.ticket { title = "of " .. id }
    store.incr "n/kid"
    if input.waits then heard = await_signal("go", { timeout = 7200 * input.second }) end
    acme.mark { id = id, mark = "heard " .. tostring(heard) }
    if input.waits then try(signal, input.of, "done", id) end
    return { id = id, heard = heard }
  end,
}
