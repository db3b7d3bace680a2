-- console_test.lua: what a browser gets of the console, without one; and what its scripts decide, by Node.js where it
-- is.  console_browser_test.lua drives it.
local sys = dofile "tests/system/harness.lua"
local kit = dofile "tests/system/http_kit.lua" (sys)
local npm = dofile "tests/system/npm_kit.lua" (sys)
local eq, has, hasnt = sys.eq, sys.has, sys.hasnt

local FOLDER = "runtime/server/console/"
local TYPES = { html = "text/html; charset=utf-8", css = "text/css; charset=utf-8", svg = "image/svg+xml",
                js = "text/javascript; charset=utf-8" }

local function files()
  local out = {}
  for name in io.popen("ls " .. FOLDER):lines() do out[#out + 1] = name end
  return out
end

local function path_of(name) return name == "index.html" and "/" or "/console/" .. name end

sys.test("every file is served to anybody, as it is, and may be kept as long as it is so", function(t)
  local job, http = kit.serve(t)
  assert(#files() > 5)
  for _, name in ipairs(files()) do
    local path = path_of(name)
    local r = http:call("GET", path)
    eq(r.status, 200, name)
    assert(r.body == sys.slurp(FOLDER .. name), name .. " is another")
    eq(r.headers["content-type"], TYPES[name:match "%w+$"], name)
    eq(r.headers["cache-control"], "no-cache")
    eq(r.headers["x-content-type-options"], "nosniff")
    eq(r.headers["content-security-policy"], "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
       .. "img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
    local tag = r.headers.etag
    assert(tag:match '^"%x+"$', tag)
    local head = http:call("HEAD", path)
    eq(head.status, 200)
    eq(head.headers.etag, tag)
    eq(head.headers["content-length"], tostring(#r.body))
    eq(head.body, "")
    for _, kept in ipairs { tag, '"other", W/' .. tag, "*" } do
      local same = http:call("GET", path, { headers = { ["If-None-Match"] = kept } })
      eq(same.status, 304, kept)
      eq(same.body, "")
      eq(same.headers.etag, tag)
    end
    eq(http:call("GET", path, { headers = { ["If-None-Match"] = tag:reverse() .. "0" } }).status, 200)
  end
  job.stop()
end)

sys.test("nothing else is there, and no name leads to the disk", function(t)
  local job, http = kit.serve(t)
  for _, path in ipairs { "/console", "/console/", "/console/index.html", "/console/nothing.js", "/console/main.js/", "/favicon.ico",
                          "/console/main.js%00", "/console/..%2fconsole%2fmain.js", "/console/%2e%2e", "/console/../main.js",
                          "/console/Main.js", "/index.html" } do
    local r = http:call("GET", path)
    assert(r.status == 404 or r.status == 400, path .. ": " .. r.status)
    eq(r.headers["content-type"], "application/problem+json")
    eq(r.headers["cache-control"], "no-store")
  end
  eq(http:call("POST", "/", { body = "{}" }).status, 405)
  eq(http:call("GET", "/?x=1").status, 400)
  job.stop()
end)

sys.test("the page has nothing inline, and every file that it or a script names is there", function()
  local page, known = sys.slurp(FOLDER .. "index.html"), {}
  for _, name in ipairs(files()) do known[name] = true end
  hasnt(page, "<style")
  hasnt(page, " style=")
  hasnt(page, " onclick")
  for tag in page:gmatch "<script[^>]*>[^<]*" do has(tag, 'src="/console/') end
  for name in page:gmatch '="/console/([^"]+)"' do assert(known[name], name) end
  for name in pairs(known) do
    if name:find "%.js$" then
      for other in sys.slurp(FOLDER .. name):gmatch 'from "%./([^"]+)"' do assert(known[other], name .. ": " .. other) end
    end
  end
end)

local missing = not npm.can "node --version" and " # SKIP it needs Node.js (nodejs)" or ""
sys.test("what its scripts decide" .. missing, function()
  if missing ~= "" then return end
  local p = io.popen(("timeout 60 node --test --test-reporter=tap '%s/tests/console/pure_test.mjs' 2>&1"):format(sys.root))
  local out = p:read "a"
  assert(p:close(), out)
  assert(tonumber(out:match "# pass (%d+)") > 10, out)
end)

sys.done()
