-- fan.lua: many branches at once, whose order is chance's: what they share is told in the result, so a replay
-- that is not the same shows.

local acme = require "connectors.acme"

local function one(id, order)
  local a = acme.account { id = id }
  order[#order + 1] = "looked " .. id
  acme.mark { id = id, mark = "first" }
  order[#order + 1] = "marked " .. id
  local _, why = try(acme.lock, { id = id })
  order[#order + 1] = (why and "left " or "locked ") .. id
  store.incr "n/fan"
  return a.state
end

return playbook {
  name    = "hostile.fan",
  summary = "Many branches at once",
  uses    = { "acme" },
  input   = { n = "integer", width = "integer = 4", second = "number = 1" },

  run = function(input)
    local ids, order = {}, {}
    for i = 1, input.width do ids[i] = ("fan-%d-%d"):format(input.n, i) end
    local out = map(ids, function(id) return one(id, order) end, { name = "account", concurrency = 3 })
    local both = parallel({
      mails = function()
        for i = 1, 2 do
          acme.mail { title = ("fan %d mail %d"):format(input.n, i) }
          order[#order + 1] = "mail " .. i
        end
        return #order
      end,
      scan = function()
        local s = acme.scan { id = ids[1] }
        order[#order + 1] = "scanned"
        return s
      end,
      clock = function()
        sleep(3 * input.second)
        order[#order + 1] = "a nap"
        return now()
      end,
    }, { on_error = "collect" })
    local ok = 0
    for _, o in ipairs(out) do if o.ok then ok = ok + 1 end end
    return { order = order, ok = ok, clock = both.clock, chance = random(1, 1 << 30) }
  end,
}
