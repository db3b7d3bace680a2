-- walk.lua: what every operation of a connector has to live up to, one after the other, against its simulator: it waits
-- out a limit, and says a lasting error in the vendor's own words; a write does its deed once, or not at all.
local harness = require "harness"
local eq, raises = harness.eq, harness.raises

local walk = {}

-- How often the simulator answered under this operation's name.
local function asked(c, op)
  local n = 0
  for _, call in ipairs(c.calls) do n = n + (call.op == op and 1 or 0) end
  return n
end

local function deeds(c, op)
  local n = 0
  for _, entry in ipairs(c.sim.log) do n = n + (entry.op == op and 1 or 0) end
  return n
end

---Each read of `reads` (name → function of a client) after one 429, and with a vendor that says `error` for good: then
---it raises `unavailable` with this vendor_code.
function walk.reads(vendor, reads, fault, vendor_code)
  for name, call in pairs(reads) do
    local at = vendor .. "." .. name
    local c = harness.client(vendor, { faults = at .. "#1=429" })
    call(c)
    assert(asked(c, name) >= 2, at .. " was not asked again")
    c = harness.client(vendor, { faults = at .. "=" .. fault })
    eq(raises("unavailable", function() call(c) end).vendor_code, vendor_code, at)
  end
end

---Each list of `lists` (name → function of a client that returns it, and a number) comes whole, page by page.
function walk.pages(vendor, lists, size)
  for name, call in pairs(lists) do
    local c = harness.client(vendor)
    c.sim.state.page = size
    local found, wanted = call(c)
    eq(#found, wanted, vendor .. "." .. name)
    assert(wanted > size and asked(c, name) >= 2, vendor .. "." .. name .. " had one page")
  end
end

---Each write of `writes` (name → { function of a client, what the simulator calls the deed }) after one 429: done once;
---with credentials that are not taken: not done, and `unauthorised`.
function walk.writes(vendor, writes)
  for name, w in pairs(writes) do
    local call, deed, at = w[1], w[2] or name, vendor .. "." .. (w.route or name)
    local c = harness.client(vendor, { faults = at .. "#1=429" })
    call(c)
    eq(deeds(c, deed), 1, at .. ": how often it was done")
    c = harness.client(vendor, { faults = at .. "=expire" })
    raises("unauthorised", function() call(c) end)
    eq(deeds(c, deed), 0, at .. ": how often it was done")
  end
end

return walk
