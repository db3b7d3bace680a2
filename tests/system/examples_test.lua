-- examples_test.lua: the examples of the annotations run: those of the words in runs against simulators, those
-- of declarations as connectors that load.  (The modules' own run in tests/unit/modules_test.c.)
local sys = dofile "tests/system/harness.lua"
package.path = "docs/?.lua;" .. package.path
local annotations = require "generate.annotations"

local USES = 'uses = { "okta", "crowdstrike", "visionone", "qualys", "file", "t1059.*" },'

local function items_of(module) return annotations.read(sys.slurp("modules/" .. module .. ".meta.lua")) end

---An example as a script: what it is, or a playbook around it.
local function put(t, name, example)
  if example:find "^return playbook" then t:write("scripts/" .. name .. ".lua", example)
  else t:playbook(name, example, USES)
  end
end

for _, x in ipairs(items_of "words") do
  if x.example then
    sys.test("words: the example of " .. x.name .. " runs", function(t)
      t:write("lunette.conf.lua", ('return { scripts = { "scripts", "%s/scripts" } }\n'):format(sys.root))
      put(t, "greet", x.example)
      local r = t:run { "run", "greet", "--sim", "--approve", "all", "--json" }
      -- `--approve all` has no answer to a question that is not one of yes or no
      sys.eq(r.doc().state, x.name == "ask" and "waiting" or "completed", r.err .. r.out)
    end)
  end
end

for _, x in ipairs(items_of "connector") do
  if x.example then
    sys.test("declarations: the example of " .. x.name .. " loads", function(t)
      t:write("site/example.lua", x.example)
      t:write("lunette.conf.lua", ('return { connectors_path = { "%s/site" } }\n'):format(t.dir))
      local r = t:expect(1, { "call", "example.nothing" })
      sys.has(r.err, "example has no operation nothing")
    end)
  end
end

sys.done()
