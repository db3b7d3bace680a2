-- declarations_test.lua: what every operation of every connector that ships has to say of itself.
package.path = "tests/lua/?.lua;" .. package.path
local harness = require "harness"
local test = harness.test

-- The keys of `names` that the declaration lacks.
local function lacks(o, names)
  local out = {}
  for name in names:gmatch "%S+" do
    if o[name] == nil then out[#out + 1] = name end
  end
  return out
end

local function check(missing, what, names, o)
  for _, name in ipairs(lacks(o, names)) do missing[#missing + 1] = what .. " lacks " .. name end
end

local function check_write(missing, what, o)
  check(missing, what, "effect entity facet to result plan", o)
  if o.effect ~= "note" and not o.resolve then missing[#missing + 1] = what .. " lacks resolve: nobody could guard it" end
  if not o.undo and not o.undo_why then missing[#missing + 1] = what .. " says neither undo nor why not" end
  -- Where nothing tells whether it happened a person is asked: then the declaration has nothing to say.
  if o.probe == nil and o.state == nil and o.effect ~= "confine" then
    missing[#missing + 1] = what .. " lacks state and probe"
  end
end

for _, vendor in ipairs { "crowdstrike", "okta", "qualys", "visionone" } do
  test(vendor .. ": every operation says what it is, and what a write is to whom", function()
    local d, missing = harness.client(vendor).declaration, {}
    for name, o in pairs(d.operations) do
      local what = vendor .. "." .. name
      check(missing, what, "summary source class params method path expect", o)
      if o.list then check(missing, what, "page", o) end
      if o.class == "write" then check_write(missing, what, o) end
    end
    for name, f in pairs(d.flows or {}) do check(missing, vendor .. "." .. name, "summary source params uses run", f) end
    table.sort(missing)
    assert(#missing == 0, table.concat(missing, "\n"))
  end)
end

harness.done()
