-- kit.lua: stands in for stdlib/sim/kit.lua: a simulator also says what is so (GET /-/truth), as its ledger's
-- account of it would be spelled, and nothing else is different.
local kit = require "sim.plain_kit"
local truth = require "sim.truth"
local json = require "json"
local make = kit.sim

local function rows(it)
  local tell, log = truth[it.vendor], {}
  for i, x in ipairs(it.state.log) do log[i] = x end
  if tell then tell(setmetatable({ log = log }, { __index = it.state })) else log = {} end
  return json.encode(json.array(log))
end

function kit.sim(declaration)
  local definition = make(declaration)
  local start = definition.start
  function definition:start(options)
    local it = start(self, options)
    local handle = it.handle
    function it.handle(sim, raw)
      if raw.target ~= "/-/truth" then return handle(sim, raw) end
      return { status = 200, headers = { { "Content-Type", "application/json" } }, body = rows(sim), delay = 0,
               times = 1, op = "truth" }
    end
    return it
  end
  return definition
end
return kit
