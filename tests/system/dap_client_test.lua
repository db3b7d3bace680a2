-- dap_client_test.lua: lunette dap against a client that is not ours: the one that VS Code's adapters are tested with.  It
-- comes from npm, and is kept below the build's folder; where that or Node.js cannot be had this says so, and tests
-- nothing (dap_test.lua speaks the protocol by itself).
local sys = dofile "tests/system/harness.lua"

local npm = dofile "tests/system/npm_kit.lua" (sys)
local modules, missing = npm.kept("dap_client", "@vscode/debugadapter-testsupport")

sys.test("a client of VS Code's steps through a run" .. (missing and " # SKIP " .. missing or ""), function(t)
  if not modules then return end
  t:playbook("p", [[
    local sum, list = 0, { "a", "b", { deep = input.n } }
    local function add(x)
      sum = sum + x
      return sum
    end
    for i = 1, 3 do
      local one = step("one", function()
        return i * 10
      end)
      add(one)
    end
    store.set("sum", sum)
    return { sum = sum }]], "uses = { \"store\" }, input = { n = \"integer\" },")
  t:expect(0, { "run", "p", "--set", "n=7" })
  local p = io.popen(("timeout 60 node '%s/tests/system/dap_client/client.mjs' '%s' '%s' '%s' 2>&1")
                     :format(sys.root, sys.binary, t.dir, modules))
  local out = p:read "a"
  assert(p:close(), out)
  sys.has(out, "breakpoint\nstepBack\nreverseContinue\ncondition and logpoint\nend\n")
end)

sys.done()
