-- guide_test.lua: what README.md and docs/guide.md show works as shown, and the guide knows every key of the
-- configuration, and no others.
local sys = dofile "tests/system/harness.lua"
local eq = sys.eq

local function blocks(page, kind)
  local out = {}
  for block in sys.slurp(page):gmatch("\n```" .. kind .. "\n(.-)```") do out[#out + 1] = block end
  return out
end

---The playbook that a page shows, where `lunette run NAME` finds it.
local function put_playbook(t, page)
  local text
  for _, block in ipairs(blocks(page, "lua")) do
    if block:find "return playbook" then text = block end
  end
  local name = text:match 'name%s*=%s*"([%w.]+)"'
  t:write("scripts/" .. name:gsub("%.", "/") .. ".lua", text)
  t:write("lunette.conf.lua", ('return { scripts = { "scripts", "%s/scripts" } }\n'):format(sys.root))
  return name
end

-- `make demo` and `make test` are what they are; the others are the program's.
sys.test("the commands of README.md work, from the root of a checkout", function(t)
  put_playbook(t, "README.md")
  os.execute(("mkdir '%s/build' && ln -s '%s' '%s/build/lunette' && ln -s '%s/tests' '%s/tests'")
             :format(t.dir, sys.binary, t.dir, sys.root, t.dir))
  local n = 0
  for _, block in ipairs(blocks("README.md", "sh")) do
    if block:find "build/lunette" then
      n = n + 1
      local file = t:write("example.sh", ("set -e\ncd '%s'\n%s"):format(t.dir, block))
      local _, _, code = os.execute(("sh '%s' >'%s/out' 2>&1 </dev/null"):format(file, t.dir))
      eq(code, 0, block .. t:read "out" .. "\nits exit status")
    end
  end
  assert(n >= 2, n .. " examples")
end)

sys.test("the files that README.md sends to are there", function()
  for path in sys.slurp "README.md":gmatch "`(docs/[%w_./]+)`" do
    local _, _, code = os.execute(("test -e '%s'"):format(path))
    eq(code, 0, path .. " is missing: test")
  end
end)

sys.test("the playbook of the guide runs, and check has nothing against it", function(t)
  local name = put_playbook(t, "docs/guide.md")
  local doc = t:expect(0, { "run", name, "--sim", "--approve", "all", "--json", "--set",
                            "login=pgustavo@theshire.example" }).doc()
  eq(doc.found[1].title, "Is in Domain Admins")
  t:expect(0, { "check", "--strict", "scripts/soc/triage.lua" })
end)

sys.test("the tests of the guide pass", function(t)
  put_playbook(t, "docs/guide.md")
  local n = 0
  for _, block in ipairs(blocks("docs/guide.md", "lua")) do
    if block:find "\ntest " then
      n = n + 1
      t:write("scripts/soc/triage_test.lua", block)
      sys.has(t:expect(0, { "test", "scripts/soc/triage.lua" }).out, "\n2 passed, 0 failed\n")
      t:expect(0, { "check", "--strict", "scripts/soc/triage_test.lua" })
    end
  end
  eq(n, 1)
end)

sys.test("the configuration of the guide is one", function(t)
  for _, block in ipairs(blocks("docs/guide.md", "lua")) do
    if not block:find "playbook {" and not block:find "\ntest " and not block:find "require " then
      t:write("lunette.conf.lua", block)
      t:expect(0, { "secret", "list" })
    end
  end
end)

sys.test("the message of the guide's own format can be made", function(t)
  for _, block in ipairs(blocks("docs/guide.md", "lua")) do
    if block:find "require \"notify.say\"" then
      t:write("scripts/soc/pager.lua", block)
      t:write("scripts/soc/one.lua", [[
        local pager = require "soc.pager"
        return playbook { name = "soc.one", summary = "s", run = function()
          return pager { event = "approval", title = "May I?", effects = {}, host = "WS-042" }
        end }]])
    end
  end
  t:write("lunette.conf.lua", 'return { scripts = { "scripts" } }')
  t:expect(0, { "check", "--strict", "scripts/soc/pager.lua" })
  local made = t:expect(0, { "run", "soc.one", "--json" }).doc().result
  eq(made.summary, "Approval wanted: May I?")
  eq(made.details[1][2], "WS-042")
end)

sys.test("the guide knows every key of the configuration", function()
  local source, guide = sys.slurp "runtime/engine/config.c", sys.slurp "docs/guide.md"
  local later = { share = true, value = true } -- read already, and used by nothing yet
  local n, missing = 0, {}
  for _, tables in ipairs { "known%[%] = (%b{})", "keys%[%] = (%b{})" } do
    for list in source:gmatch(tables) do
      for key in list:gmatch '"([%w_]+)"' do
        n = n + 1
        local told = later[key] or guide:find("%f[%w_]" .. key .. "%f[^%w_]")
        if not told then missing[#missing + 1] = key end
      end
    end
  end
  assert(n > 30, n .. " keys")
  eq(table.concat(missing, " "), "", "what the guide does not tell of")
end)

sys.done()
