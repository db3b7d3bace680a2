-- oidc_test.lua: people sign in at an OpenID provider that is not ours (oidc-provider, from npm, kept below the build's
-- folder), as a browser does it, over its pages of login and consent; then they work with their session.  Where npm or
-- Node.js cannot be had this says so, and tests nothing; what an ID token may say is tested in idtoken_test.c besides.
local sys = dofile "tests/system/harness.lua"
local kit = dofile "tests/system/http_kit.lua" (sys)
local eq, has, hasnt = sys.eq, sys.has, sys.hasnt

local here = sys.root .. "/tests/system/oidc_provider"
local kept = sys.binary:match "^(.*)/[^/]*$" .. "/oidc_provider"

local function can(command) return os.execute("( " .. command .. " ) >/dev/null 2>&1") end
local function quoted(s) return "'" .. tostring(s):gsub("'", [['\'']]) .. "'" end

-- Where the provider is; nil and what is missing.
local function modules()
  local made = kept .. "/node_modules/oidc-provider/package.json"
  if not can "node --version" then return nil, "it needs Node.js (nodejs)" end
  if can(("test -f %s"):format(quoted(made))) then return kept end
  if not can "npm --version" then return nil, "it needs npm" end
  can(("mkdir -p %s && cp %s/package.json %s/package-lock.json %s && cd %s && timeout 120 npm ci --no-audit --no-fund")
      :format(quoted(kept), quoted(here), quoted(here), quoted(kept), quoted(kept)))
  if can(("test -f %s"):format(quoted(made))) then return kept end
  return nil, "npm could not install oidc-provider"
end

local where, missing = modules()
local function test(what, fn)
  sys.test(what .. (missing and " # SKIP " .. missing or ""), function(t) if where then fn(t) end end)
end

-- A provider: its issuer, and what ends it.
local function provider(t, how)
  local out = t.dir .. "/provider"
  local p = io.popen(("exec node %s %s %s >%s 2>%s.err"):format(quoted(here .. "/provider.mjs"), quoted(where), how or "",
                                                             quoted(out), quoted(out)), "w")
  local issuer
  assert(t:until_true(function()
    issuer = (sys.slurp(out) or ""):match "^(http%S+)\n"
    return issuer
  end), sys.slurp(out .. ".err"))
  return issuer, function() p:close() end
end

local ROLES = '{ operator = { "soc-operators" }, approver = { "soc-approvers" }, admin = { "soc-admins" } }'
local function conf(issuer, client, more)
  return ([[oidc = { issuer = %q, client_id = %q, %s domain = "acme.example", name = "Acme", scopes = { "profile", "groups" },
    roles = %s, %s },]]):format(issuer, client, client ~= "public" and 'client_secret = secret "oidc",' or "", ROLES, more or "")
end

-- A browser: a jar of cookies.
local browser = {}
browser.__index = browser

local n_browsers = 0
local function new_browser(t)
  n_browsers = n_browsers + 1
  return setmetatable({ t = t, jar = ("%s/jar.%d"):format(t.dir, n_browsers) }, browser)
end

---One request, without following where it leads; form: what is posted; headers: further ones.
function browser:get(url, form, headers)
  local words = { "curl -sSi -m 20 --path-as-is -b", quoted(self.jar), "-c", quoted(self.jar) }
  for name, value in pairs(form or {}) do words[#words + 1] = "--data-urlencode " .. quoted(name .. "=" .. value) end
  for name, value in pairs(headers or {}) do words[#words + 1] = "-H " .. quoted(name .. ": " .. value) end
  words[#words + 1] = quoted(url) .. " 2>/dev/null"
  local p = io.popen(table.concat(words, " "))
  local text = p:read "a"
  p:close()
  local head, body = text:match "^(.-)\r?\n\r?\n(.*)$"
  assert(head, "no answer from " .. url)
  local location = head:match "\n[Ll]ocation:%s*([^\r\n]*)"
  if location and location:find "^/" then location = url:match "^%a+://[^/]+" .. location end
  return { status = tonumber(head:match "^HTTP/%S+ (%d+)"), location = location, head = head, body = body }
end

---Our session's id, as the Cookie header has it.
function browser:session()
  local id = (sys.slurp(self.jar) or ""):match "\tlunette\t([%w_-]+)"
  return id and "lunette=" .. id
end

-- Signs in at the provider, from where it was led to; the address that it leads back to, not asked for yet.
local function at_provider(b, url, login)
  for _ = 1, 12 do
    local r = b:get(url)
    if r.status == 200 then
      local action = r.body:match 'action="([^"]+)"'
      local prompt = r.body:match 'name="prompt" value="(%a+)"'
      assert(action and prompt, r.body)
      r = b:get(action, prompt == "login" and { prompt = prompt, login = login, password = "x" } or { prompt = prompt })
    end
    url = assert(r.location, r.head .. r.body)
    if url:find("/v1/signin/oidc/callback", 1, true) then return url end
  end
  error "the provider leads nowhere"
end

local function begin(b, http, back)
  return b:get(http.url .. "/v1/signin/oidc" .. (back and "?return=" .. back or ""))
end

-- All of it; the last answer.
local function sign_in(b, http, login, back)
  local r = begin(b, http, back)
  eq(r.status, 303, r.body)
  return b:get(at_provider(b, r.location, login))
end

local function serve(t, issuer, client, more)
  t:expect(0, { "secret", "set", "oidc", stdin = client == "post" and "another" or "a secret: 100% +&" })
  return kit.serve(t, { conf = conf(issuer, client, more) })
end

local function audit(http, what)
  local found = {}
  for _, record in ipairs(http:call("GET", "/v1/audit?limit=500", { as = "admin" }).doc().audit) do
    if record.what == what then found[#found + 1] = record end
  end
  return found
end

test("a person signs in at a provider, and approves what another has started", function(t)
  t:playbook("p", 'local yes = approve { title = "go on?" }\n return { by = yes.by }')
  local issuer, stop = provider(t)
  local job, http = serve(t, issuer, "basic")
  local described = http:call("GET", "/v1/openapi.json", { as = "viewer" }).doc().paths
  assert(described["/v1/signin/oidc"].get.responses["303"] and described["/v1/signin/oidc/callback"].get.responses["303"])
  local offered = http:call("GET", "/v1/signin").doc()
  eq(offered.oidc, true)
  eq(offered.name, "Acme")
  local ann = new_browser(t)
  local r = sign_in(ann, http, "ann", "/%23/approvals/7")
  eq(r.status, 303, r.body)
  eq(r.location, http.url .. "/#/approvals/7")
  has(r.head, "; HttpOnly; SameSite=Strict")
  local cookie = ann:session()
  local doc = http:call("GET", "/v1/session", { session = cookie }).doc()
  eq(doc.who, "ann")
  eq(doc.role, "approver")
  eq(doc.how, "oidc")

  local run = http:call("POST", "/v1/runs", { as = "operator", json = { playbook = "p" } }).doc().run
  local id
  assert(t:until_true(function()
    local waiting = http:call("GET", "/v1/approvals", { session = cookie }).doc().approvals
    id = waiting[1] and waiting[1].id
    return id
  end))
  local body = { json = { decision = "approve" } }
  eq(http:call("POST", "/v1/approvals/" .. id, { json = body.json, headers = { Cookie = cookie } }).status, 403)
  eq(http:call("POST", "/v1/runs", { session = cookie, json = { playbook = "p" } }).status, 403)
  eq(http:call("POST", "/v1/approvals/" .. id, { session = cookie, json = body.json }).status, 200)
  assert(t:until_true(function() return http:call("GET", "/v1/runs/" .. run, { as = "viewer" }).doc().state == "completed" end))
  eq(http:call("GET", "/v1/runs/" .. run, { as = "viewer" }).doc().result.by, "ann")

  -- Four eyes go by the name, whatever door somebody comes by.
  http.token.ann = t:expect(0, { "token", "add", "ann", "--role", "operator" }).out:match "%S+"
  run = http:call("POST", "/v1/runs", { as = "ann", json = { playbook = "p" } }).doc().run
  assert(t:until_true(function()
    local waiting = http:call("GET", "/v1/approvals", { session = cookie }).doc().approvals
    id = waiting[1] and waiting[1].id
    return id
  end), run)
  r = http:call("POST", "/v1/approvals/" .. id, { session = cookie, json = body.json })
  eq(r.status, 403)
  eq(r.doc().code, "denied")

  local told = audit(http, "sign-in")[1]
  eq(told.who, "ann")
  eq(told.detail, ('{"how":"oidc","issuer":"%s","role":"approver","sub":"id-of-ann"}'):format(issuer))
  eq(http:call("DELETE", "/v1/session", { session = cookie }).status, 200)
  eq(http:call("GET", "/v1/session", { session = cookie }).status, 401)
  hasnt(job.seen "err", cookie:match "=(.*)")
  eq(job.stop().code, 0)
  stop()
end)

test("a callback is worth nothing in another browser, with another code, or twice", function(t)
  local issuer, stop = provider(t, "whole")
  local job, http = serve(t, issuer, "public")
  local ann, eve = new_browser(t), new_browser(t)
  local function refused(b, url, headers)
    local r = b:get(url, nil, headers)
    eq(r.status, 403, url)
    hasnt(r.head, "lunette=")
    return r
  end
  local back = at_provider(ann, begin(ann, http).location, "ann")
  refused(eve, back)                                      -- stolen, by who has no cookie
  local hers = at_provider(eve, begin(eve, http).location, "otto")
  refused(eve, back)                                      -- or has one, of another sign-in
  local code = back:match "code=([^&]+)"
  refused(eve, (hers:gsub("code=[^&]+", "code=" .. code))) -- her own, with a stolen code in it
  refused(ann, (back:gsub("state=[^&]+", "state=" .. ("A"):rep(43))))
  refused(ann, (back:gsub("&?state=[^&]+", "")))
  local cookie = sys.slurp(ann.jar):match "\tlunette%-signin\t(%S+)"
  local r = ann:get(back)
  eq(r.status, 303, r.body)
  eq(http:call("GET", "/v1/session", { session = ann:session() }).doc().who, "ann")
  has(r.head, "lunette-signin=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0")
  refused(new_browser(t), back, { Cookie = "lunette-signin=" .. cookie }) -- again
  refused(new_browser(t), back, { Cookie = "lunette-signin=" .. cookie .. "A" })

  -- What comes of another provider, or of none.
  back = at_provider(eve, begin(eve, http).location, "otto")
  refused(eve, (back:gsub("iss=[^&]+", "iss=https%%3A%%2F%%2Fevil.example")))
  back = at_provider(eve, begin(eve, http).location, "otto")
  refused(eve, (back:gsub("&?iss=[^&]+", "")))
  eve = new_browser(t)
  local state = begin(eve, http).location:match "[?&]state=([^&]+)"
  r = refused(eve, http.url .. "/v1/signin/oidc/callback?error=%3Cscript%3E&error_description=%3Cb%3E&state=" .. state)
  hasnt(r.body, "<script")
  hasnt(r.body, "<b>")
  r = refused(eve, http.url .. "/v1/signin/oidc/callback")
  has(r.body, "/v1/signin/oidc")

  -- Nothing leads to another site, or has the provider lead there.
  for _, path in ipairs { "//evil.example", "https://evil.example", "/%5Cevil.example", "%2F%2Fevil.example", "evil", "",
                          "/a%22b", "/a%20b", "/" .. ("a"):rep(1024) } do
    eq(begin(eve, http, path).status, 400, path)
  end
  eq(eve:get(http.url .. "/v1/signin/oidc", nil, { Host = "evil.example" }).status, 400)
  local reasons = {}
  for _, record in ipairs(audit(http, "sign-in refused")) do reasons[record.detail:match '"why":"(%a+)"'] = true end
  for _, why in ipairs { "state", "provider" } do assert(reasons[why], why) end
  eq(job.stop().code, 0)
  stop()
end)

test("who may sign in is a matter of groups; other rules end the sessions", function(t)
  local issuer, stop = provider(t)
  local job, http = serve(t, issuer, "post")
  local ann, other = new_browser(t), new_browser(t)
  eq(sign_in(ann, http, "ann").status, 303)
  local r = sign_in(other, http, "nobody")
  eq(r.status, 403)
  has(r.body, "none of the groups")
  eq(other:session(), nil)
  r = sign_in(new_browser(t), http, "strange")
  eq(r.status, 403)
  has(r.body, "end with @acme.example")
  local root = new_browser(t)
  eq(sign_in(root, http, "Root").status, 303)
  eq(http:call("GET", "/v1/session", { session = root:session() }).doc().who, "root") -- one person is one name
  local reasons = {}
  for _, record in ipairs(audit(http, "sign-in refused")) do
    reasons[#reasons + 1] = record.who .. " " .. record.detail:match '"why":"(%a+)"'
  end
  eq(table.concat(reasons, ", "), "nobody role,  name")
  -- A new sign-in in the same browser ends the session before.
  local cookie = ann:session()
  eq(sign_in(ann, http, "ann").status, 303)
  eq(http:call("GET", "/v1/session", { session = cookie }).status, 401)
  cookie = ann:session()
  eq(job.stop().code, 0)
  job, http = kit.serve(t, { keep = true, tokens = http.token })
  eq(http:call("GET", "/v1/session", { session = cookie }).doc().who, "ann")
  eq(job.stop().code, 0)
  local other_rules = conf(issuer, "post"):gsub("soc%-operators", "operators")
  job, http = kit.serve(t, { tokens = http.token, conf = other_rules })
  eq(http:call("GET", "/v1/session", { session = cookie }).status, 401)
  -- Nobody is there to ask: a page says so, and the next one who comes asks anew.
  eq(job.stop().code, 0)
  stop()
  job, http = kit.serve(t, { tokens = http.token, conf = conf(issuer, "post") })
  r = begin(ann, http)
  eq(r.status, 503)
  has(r.body, "does not work now")
  eq(job.stop().code, 0)
  job, http = kit.serve(t, { tokens = http.token })
  eq(http:call("GET", "/v1/signin").doc().oidc, false)
  eq(begin(ann, http).status, 404)
  eq(job.stop().code, 0)
end)

sys.test("a configuration that would let in anybody, or lead anywhere, is refused", function(t)
  local function refused(part, oidc, more)
    t:write("lunette.conf.lua", ("return { listen = %q, %s oidc = { %s } }"):format("127.0.0.1:0", more or "", oidc))
    local r = t:run { "serve", seconds = 10 }
    assert(r.code ~= 0, oidc)
    has(r.err, part)
  end
  local good = 'issuer = "https://id.example", client_id = "us", roles = { viewer = { "all" } }'
  refused("https://", 'issuer = "http://id.example", client_id = "us", roles = { viewer = { "all" } }')
  refused("https://", 'issuer = "https://id.example?x=1", client_id = "us", roles = { viewer = { "all" } }')
  refused("client_id", 'issuer = "https://id.example", roles = { viewer = { "all" } }')
  refused("nobody could sign in", 'issuer = "https://id.example", client_id = "us"')
  refused("did you mean 'approver'", (good:gsub("viewer", "aprover")))
  refused("did you mean 'issuer'", 'isuer = "https://id.example"')
  refused("secret", good .. ', client_secret = "in the clear"')
  refused("without a path", good .. ', public = "https://ir.example/lunette"')
  refused("without a path", good .. ', public = "http://ir.example"')
  refused("one word", good .. ', scopes = { "a b" }')
end)

sys.done()
