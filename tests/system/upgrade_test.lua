-- upgrade_test.lua: stores that earlier versions made (tests/fixtures/stores) open, and the runs that wait in them
-- finish: each with what it knew before its wait.
local sys = dofile "tests/system/harness.lua"
local eq, has = sys.eq, sys.has

local FOLDER = sys.root .. "/tests/fixtures/stores"
local files = io.popen(("cd '%s' && ls *.gz"):format(FOLDER)):read "a"

for file in files:gmatch "[^\n]+" do
  sys.test("a store of version " .. file:match "^(.*)%.gz$" .. " opens, and what waits in it finishes", function(t)
    assert(os.execute(("gunzip -c '%s/%s' >'%s/lunette.db'"):format(FOLDER, file, t.dir)))
    t:write("lunette.conf.lua", 'return { scripts = { "scripts" }, connectors = { okta = { url = "http://127.0.0.1:9",'
                                .. ' token = secret "okta_token" } } }\n')
    os.execute(("mkdir -p '%s/scripts'"):format(t.dir))
    local run = {}
    for line in t:expect(0, { "runs", "--json" }).out:gmatch "[^\n]+" do
      local id = sys.decode(line).run
      run[t:expect(0, { "show", id, "--json" }).doc().input.what] = id
    end
    t:expect(0, { "thaw" })                               -- it is a copy
    t:expect(0, { "deny", "1" })                          -- whoever runs this may have begun it, and cannot say yes
    t:expect(0, { "signal", run.signal, "go", '{"n":7}' })
    t:run { "resume", run.doubt, "--did" }
    t:run { "resume", run.approval }
    local denied = t:expect(0, { "show", run.approval, "--json" }).doc()
    eq(denied.state, "failed")
    eq(denied.error.code, "denied")
    for _, what in ipairs { "signal", "timer", "doubt" } do
      if t:expect(0, { "show", run[what], "--json" }).doc().state == "waiting" then t:run { "resume", run[what], seconds = 30 } end
      local doc = t:expect(0, { "show", run[what], "--json" }).doc()
      eq(doc.state, "completed", what .. ": " .. t:expect(0, { "show", run[what] }).out)
      eq(table.concat(doc.result.kept, " "), "1 2.5 three", what)
      eq(doc.found[1].title, "went on after " .. what)
      has(t:expect(0, { "replay", run[what] }).out, "replayed")
      if what == "signal" then eq(doc.result.answer, 7) elseif what == "timer" then eq(doc.result.answer, "rested") end
    end
  end)
end

sys.done()
