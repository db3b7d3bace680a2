-- notify_test.lua: people are told when something waits for them.  What receives the messages is a simulator of our own:
-- /ok takes them, /fails/N the first N not, /never none, /cut hangs up.
local sys = dofile "tests/system/harness.lua"
local kit = dofile "tests/system/http_kit.lua" (sys)
local eq, has, hasnt = sys.eq, sys.has, sys.hasnt

local RECEIVER = [[
local receiver = { vendor = "hook", config = {}, operations = {} }
function receiver:start()
  local it = { vendor = "hook", state = {}, log = {} }
  function it:handle(raw)
    local headers, path = {}, raw.target
    for _, h in ipairs(raw.headers) do headers[h[1]:lower()] = h[2] end
    self.state[path] = (self.state[path] or 0) + 1
    self.log[#self.log + 1] = { op = "took", path = path, headers = headers, body = raw.body }
    local fails = tonumber(path:match "^/fails/(%d+)")
    local ok = not path:find "^/never" and (not fails or self.state[path] > fails)
    return { status = ok and 200 or 503, headers = {}, body = "", delay = 0, times = 1, did = 1,
             cut = path == "/cut" and "after" or nil }
  end
  return it
end
return receiver
]]

---Starts it; t.hook is its address, t:took(path) what reached it there.
local function receiver(t)
  t:write("stdlib/sim/hook.lua", RECEIVER)
  t:write("receiver.lua", ("return { stdlib = { %q, %q } }\n"):format(t.dir .. "/stdlib", sys.root .. "/stdlib"))
  t:sim { "hook", "--config", t.dir .. "/receiver.lua" }
  t.hook = t:read "sim.conf.lua":match 'url = "(http://[^"]+)"'
  t.conf = nil
  function t.took(path)
    local out = {}
    for _, line in ipairs(t:log()) do
      if line.did and line.did.path == path then out[#out + 1] = line.did end
    end
    return out
  end
  function t.heard(path, n)
    assert(t:until_true(function() return #t.took(path) >= n end), "nothing came to " .. path)
    return t.took(path)
  end
end

local function configure(t, notify, more)
  t:write("lunette.conf.lua", ("return { scripts = { \"scripts\" }, listen = \"127.0.0.1:0\", %s\n  notify = { %s } }\n")
                              :format(more or "", notify))
end

local function asks(t, title, more)
  t:playbook("ask", ("    approve { title = %q, expires = \"1h\" }"):format(title),
             'input = { host = "string?", user = "string?" },' .. (more or ""))
end

local function start(http, input)
  return http:call("POST", "/v1/runs", { as = "operator", json = { playbook = "ask", input = input } }).doc().run
end

sys.test("a question reaches people, with a link that permits nothing and lasts as long as it waits", function(t)
  receiver(t)
  local secret = t.hook .. "/ok?key=5ecret"
  configure(t, ('{ url = secret "hook", format = "slack", events = { "approval", "decided" } }, public = "https://l.example"'))
  asks(t, "Isolate <!channel> & <https://evil.example|WS-042>?\nApproved")
  t:run { "secret", "set", "hook", stdin = secret }
  local job, http = kit.serve(t, { keep = true })
  local run = start(http, { host = "WS-042<", user = "ann" })
  local m = t.heard("/ok?key=5ecret", 1)[1]
  local body, text = sys.decode(m.body), m.body
  eq(m.headers["content-type"], "application/json")
  has(m.headers["idempotency-key"], run .. "-")
  eq(body.text, "Approval wanted: Isolate &lt;!channel&gt; &amp; &lt;https://evil.example|WS-042&gt;? Approved")
  has(text, "WS-042&lt;")
  has(text, "ann")
  has(text, "If nobody answers, nothing is done.")
  has(text, "Expires")
  has(text, "lunette approve 1")
  assert(not text:find("[<>]"), "what Slack reads is escaped")

  local link = body.blocks[#body.blocks].elements[1].url
  local path = link:match "^https://l%.example(/v1/open/[%w_-]+)$"
  for _, method in ipairs { "HEAD", "GET", "GET" } do                 -- as programs do that look at links
    local r = http:call(method, path)
    eq(r.status, 303)
    eq(r.headers.location, "/#/approvals/1")
    hasnt(r.body, "WS-042")
  end
  eq(http:call("GET", "/v1/open/guessed").headers.location, "/#/approvals")
  eq(http:call("GET", "/v1/approvals").status, 401)
  local token = path:match "[^/]+$"
  for _, file in ipairs { "lunette.db", "lunette.db-wal" } do hasnt(t:read(file) or "", token) end

  eq(http:call("POST", "/v1/approvals/1", { as = "approver", json = { decision = "approve", comment = "go" } }).status, 200)
  local after = sys.decode(t.heard("/ok?key=5ecret", 2)[2].body)
  has(after.text, "Approved: Isolate")
  eq(http:call("GET", path).headers.location, "/#/approvals")
  has(http:call("GET", "/metrics", { as = "viewer" }).body, 'lunette_notices_total{to="slack",outcome="sent"} 2')
  job.stop()
  hasnt(job.seen "err", "5ecret")
  hasnt(t:run { "doctor" }.out, "5ecret")
  hasnt(t:run { "show", run, "--json" }.out, "5ecret")
end)

sys.test("what is not taken is tried again under the same id, over a kill, and holds up nobody", function(t)
  receiver(t)
  configure(t, ('{ name = "soc", url = %q }, { name = "dead", url = %q }'):format(t.hook .. "/fails/2", t.hook .. "/never"))
  asks(t, "May I?")
  local job, http = kit.serve(t, { keep = true })
  start(http)
  t.heard("/fails/2", 1)
  t.heard("/never", 1)
  has(t:expect(1, { "doctor" }).out, "soc: 1 messages wait, 0 were given up within the last week: HTTP 503")
  job.kill "KILL"
  job.wait()

  job, http = kit.serve(t, { keep = true, tokens = http.token })
  local took = t.heard("/fails/2", 3)
  eq(took[1].headers["idempotency-key"], took[3].headers["idempotency-key"])
  eq(took[1].body, took[3].body)
  has(took[1].body, "Approval wanted: May I?\n")
  eq(http:call("POST", "/v1/approvals/1", { as = "approver", json = { decision = "approve" } }).status, 200)
  assert(t:until_true(function() return t:run { "runs" }.out:find "completed" end))

  start(http)                                            -- the next one comes behind whatever was left of the first
  assert(t:until_true(function() return #t.took "/fails/2" == 4 end))
  assert(t.took "/fails/2"[4].headers["idempotency-key"] ~= took[1].headers["idempotency-key"])
  job.stop()
  has(job.seen "err", "notify.failed")
end)

sys.test("a process that dies as it begins to wait: the next one tells of it", function(t)
  receiver(t)
  configure(t, ('{ url = %q }'):format(t.hook .. "/ok"))
  asks(t, "Who will hear of this?")
  local run = t:start { "run", "ask" }
  assert(t:until_true(function() return t:run { "approvals" }.out:find "Who will hear" end))
  run.kill "KILL"
  run.wait()
  eq(#t.took "/ok", 0)
  local job = kit.serve(t, { keep = true })
  has(t.heard("/ok", 1)[1].body, "Who will hear of this?")
  job.stop()
end)

sys.test("runs that fail, writes in doubt and a freeze are told, as text and as a card", function(t)
  receiver(t)
  configure(t, ('{ name = "text", url = %q }, { name = "card", url = %q, format = "teams", events = { "doubt" }, auth = "hook" }')
               :format(t.hook .. "/ok", t.hook .. "/card"),
            ('egress = { %q }, credentials = { hook = { hosts = { "127.0.0.1" }, bearer = secret "hook" } },')
            :format(t.hook))
  t:playbook("fails", '    fail("failed", "[it](https://evil.example) is over")')
  t:playbook("doubts", ('    require("http").post { url = %q, body = "x" }'):format(t.hook .. "/cut"), 'uses = { "http" },')
  t:run { "secret", "set", "hook", stdin = "let-me-in" }
  local job, http = kit.serve(t, { keep = true })
  local function begin(name)
    http:call("POST", "/v1/runs", { as = "operator", json = { playbook = name } })
  end
  begin "fails"
  has(t.heard("/ok", 1)[1].body, "A run failed: fails\n")
  has(t.took "/ok"[1].body, "Why: [it](https://evil.example) is over")
  begin "doubts"
  local card = t.heard("/card", 1)[1]
  eq(card.headers.authorization, "Bearer let-me-in")
  local content = sys.decode(card.body).attachments[1].content
  for _, block in ipairs(content.body) do eq(block.type, "RichTextBlock") end      -- nothing is read as Markdown
  has(content.body[1].inlines[1].text, "Nobody knows whether it happened: http.post")
  eq(http:call("POST", "/v1/freeze", { as = "operator", json = { why = "a drill" } }).status, 200)
  has(t.heard("/ok", 3)[3].body, "Writes are frozen: everything\nWhy: a drill\nBy: operator\n")
  job.stop()
  hasnt(job.seen "err", "let-me-in")
end)

sys.test("a module of the site makes the message, and may do nothing else", function(t)
  receiver(t)
  configure(t, ('{ name = "ours", url = %q, format = "site.pager" }, { name = "acts", url = %q, format = "site.acts" }, '
                .. '{ name = "hangs", url = %q, format = "site.hangs" }')
               :format(t.hook .. "/ours", t.hook .. "/acts", t.hook .. "/hangs"))
  t:write("scripts/site/pager.lua", 'return function(n) return { page = n.event .. " " .. n.title, for_ = n.next } end')
  t:write("scripts/site/acts.lua", 'return function(n) require("store").set("a", 1) return n.title end')
  t:write("scripts/site/hangs.lua", "return function() while true do end end")
  asks(t, "Well?")
  local job, http = kit.serve(t, { keep = true })
  start(http)
  eq(sys.decode(t.heard("/ours", 1)[1].body).page, "approval Well?")
  assert(t:until_true(function()
    local said = job.seen "err"
    return said:find "notify.failed.-to=acts" and said:find "notify.failed.-to=hangs"
  end))
  t:write("scripts/site/acts.lua", 'return function(n) return n.title end')         -- mended while it runs
  has(t.heard("/acts", 1)[1].body, "Well?")
  eq(#t.took "/hangs", 0)
  job.stop()
end)

sys.test("a trigger that pauses itself asks, too", function(t)
  receiver(t)
  configure(t, ('{ url = %q, events = { "paused" } }'):format(t.hook .. "/ok"))
  t:playbook("storm", "    return 1", 'input = { alert = "alert" }, on = function() return true end,')
  local job, http = kit.serve(t, { keep = true })
  local lines = {}
  for i = 1, 21 do
    lines[i] = ('{"rule":"<!here> again","priority":"Warning","output":"o","uuid":"a%d","output_fields":{"proc.name":"bash"}}')
               :format(i)
  end
  eq(http:call("POST", "/v1/alerts", { as = "operator", body = table.concat(lines, "\n") }).status, 202)
  local said = t.heard("/ok", 1)[1].body
  has(said, 'A trigger waits: storm was started 20 times within 5 minutes by "falco: <!here> again": may it go on?\n')
  has(said, "Playbook: storm\n")
  has(said, "If nobody answers, nothing is started.")
  job.stop()
end)

sys.test("a configuration that could tell nobody is refused", function(t)
  for notify, why in pairs {
    ['{ url = "http://hooks.example.com/x" }'] = "http:// only on loopback",
    ['{ url = "https://a.example" }, { url = "https://b.example" }'] = "give it a `name`",
    ['{ url = "https://a.example", events = { "aproval" } }'] = 'there is no "aproval"',
    ['{ url = "https://a.example", fromat = "slack" }'] = "did you mean 'format'",
    ['{ url = "https://a.example", auth = "none" }'] = 'no credential "none"',
    ['{ url = "https://a.example" }, public = "l.example"'] = "https://HOST",
    ['{ url = "https://a.example" }, publik = "https://l.example"'] = "did you mean 'public'",
  } do
    configure(t, notify)
    has(t:expect(4, { "runs" }).err, why)
  end
  t:write("scripts/one.lua", 'return playbook { name = "one", run = function() end }')
  configure(t, '{ url = secret "none", format = "slakc" }')
  has(t:expect(4, { "doctor" }).out, "none")
  t:run { "secret", "set", "none", stdin = "https://a.example" }
  has(t:expect(4, { "doctor" }).out, "notify.slakc")
end)

sys.done()
