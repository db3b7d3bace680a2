-- walk.lua: one thing after the other, of every class.

local acme = require "connectors.acme"

return playbook {
  name    = "hostile.walk",
  summary = "One thing after the other, of every class",
  uses    = { "acme" },
  input   = { n = "integer", second = "number = 1" },

  run = function(input)
    local id = "walk-" .. input.n
    local before = acme.account { id = id }
    local made = step("made up", function() return { a = random(1, 1000), b = uuid() } end)
    local seen = { store.incr "n/walk" }
    acme.ticket { title = "ticket " .. made.a }
    acme.mark { id = id, mark = "seen" }
    sleep(30 * input.second)
    local _, no = try(acme.lock, { id = id })
    if no then not_done("lock " .. id, no.message) end
    acme.mail { title = "mail " .. made.b }
    try(acme.scan, { id = id })
    store.set("walk/" .. id, { at = now(), before = before })
    seen[2] = store.incr "n/walk"
    for i = 1, 3 do try(acme.ticket, { title = ("more %d %s"):format(i, made.b) }) end
    if not no then try(acme.unlock, { id = id }) end
    found { severity = "low", title = "It walked " .. id }
    return { id = id, after = acme.account { id = id }, made = made, seen = seen, chance = random(1, 1 << 30) }
  end,
}
