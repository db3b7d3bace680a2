-- race.lua: branches that fight over one value, and one that fails and takes the others with it; what is left
-- is tidied up on the way out.

local acme = require "connectors.acme"

-- Counts in a value that others change as well.
local function count(key)
  for try_no = 1, 40 do
    local value, version = store.get(key)
    local _, lost = try(store.set, key, (value or 0) + 1, { if_version = version or 0 })
    if not lost then return try_no end
    if lost.code ~= "conflict" then fail(lost.code, lost.message) end
  end
  fail("failed", "others were always first")
end

return playbook {
  name    = "hostile.race",
  summary = "Branches that fight, fail and are cancelled",
  uses    = { "acme" },
  input   = { n = "integer", breaks = "boolean = true", second = "number = 1" },

  run = function(input)
    local key, tries = "race/" .. input.n, {}
    parallel {
      a = function() tries.a = count(key) end,
      b = function() tries.b = count(key) end,
      c = function() tries.c = count(key) end,
    }
    local _, why = try(parallel, {
      slow = function()
        local guard <close> = setmetatable({}, { __close = function() store.incr "n/race" end })
        for i = 1, 4 do acme.ticket { title = ("race %d/%d"):format(input.n, i) } end
        acme.wipe { id = ("race-%d"):format(input.n) }
        return guard ~= nil
      end,
      breaks = function()
        sleep(input.breaks and random(0, 16) * 0.02 or 3600 * input.second)     -- answers come in steps of 20 ms
        if input.breaks then fail("failed", "it breaks on purpose") end
      end,
    })
    store.incr "n/race"
    acme.mark { id = "race-" .. input.n, mark = "after" }
    return { count = (store.get(key)), why = why and why.code, tries = tries }
  end,
}
