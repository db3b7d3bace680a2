-- console_browser_test.lua: the console in a real browser (Chromium, by playwright-core from npm): signing in, deciding
-- with the keyboard alone, what happens while one looks on, hostile texts, roles, a narrow screen.  Where there is no
-- Chromium, Node.js or npm it says so, and tests nothing; `make console-test` installs what is missing.
local sys = dofile "tests/system/harness.lua"
local kit = dofile "tests/system/http_kit.lua" (sys)
local npm = dofile "tests/system/npm_kit.lua" (sys)
local cjson = require "cjson"

local function chromium()
  for _, name in ipairs { "chromium", "chromium-browser", "google-chrome" } do
    local path = io.popen("command -v " .. name .. " 2>/dev/null"):read "l"
    if path then return path end
  end
end

local path = chromium()
local modules, missing
if os.getenv "SANITIZED" then missing = "a browser is not our own code"
elseif not path then missing = "it needs Chromium: make console-test"
else modules, missing = npm.kept("console_browser", "playwright-core") end

sys.test("the console in a browser" .. (missing and " # SKIP " .. missing or ""), function(t)
  if missing then return end
  t:playbook("asks", 'local yes = approve { title = "go on with " .. input.n .. "?" }\n return yes.by', 'input = { n = "integer" },')
  t:playbook("counts", 'for i = 1, 3 do step("n" .. i, function() return i end) end return await_signal("go")')
  t:playbook("moves", [[ local okta = require "connectors.okta"
    local user = only(okta.users { login = "pgustavo@theshire.example" })
    local group = only(okta.groups { name = "ir-restricted", type = "OKTA_GROUP" })
    okta.add_to_group { group = group.id, user = user.id } ]], 'uses = { "okta" },')
  t:sim { "--speed", "500" }
  t:write("lunette.conf.lua", (t:read "sim.conf.lua":gsub("return {", 'return { listen = "127.0.0.1:0", scripts = { "scripts" },', 1)))
  t.conf = nil
  local job, http = kit.serve(t, { keep = true })
  t:write("tokens.json", cjson.encode(http.token))
  local p = io.popen(("timeout 120 node '%s/tests/system/console_browser/browser.mjs' '%s' '%s' '%s' '%s' 2>&1")
                     :format(sys.root, path, http.url, t.dir, modules))
  local out = p:read "a"
  assert(p:close(), out .. job.seen "err")
  sys.has(out, "a wrong token is refused\nthe link leads to the question, after signing in\n"
          .. "approved by keyboard, and the run completed\n"
          .. "a write is shown before it is approved, and held after it\na run appears, goes and ends without anybody asking\n"
          .. "a broken script is shown with its line\na hostile title is text\nwho began a run is refused its approval\n"
          .. "every page fits 400 pixels, and says what is frozen\na viewer is offered what a viewer may, and signs out\n"
          .. "signed out, nothing is shown\nend\n")
  job.stop()
end)

sys.done()
