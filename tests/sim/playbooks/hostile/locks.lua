-- locks.lua: one at a time, across runs: who finds another inside says so.

local acme = require "connectors.acme"

local function inside(name, me, nap)
  local held <close> = lock(name)
  store.set("inside/" .. name, me)
  acme.account { id = me }
  sleep(nap)
  local who = store.get("inside/" .. name)
  return who == me, held.name
end

return playbook {
  name    = "hostile.locks",
  summary = "Waits for its turn in a narrow place",
  uses    = { "acme" },
  input   = { n = "integer", second = "number = 1" },

  run = function(input)
    local me, overlap = run.id, nil
    for i = 1, 2 do
      if not inside("narrow", me, 5 * input.second) then overlap = "narrow " .. i end
      store.incr "n/locks"
      acme.mark { id = "locks-" .. input.n, mark = "out " .. i }
    end
    parallel {
      a = function() if not inside("side", me .. "/a", 5 * input.second) then overlap = "side a" end end,
      b = function() if not inside("side", me .. "/b", 5 * input.second) then overlap = "side b" end end,
    }
    acme.ticket { title = "locks " .. input.n }
    return { overlap = overlap }
  end,
}
