-- http_test.lua: the HTTP API of `lunette serve`, as its clients see it.
local sys = dofile "tests/system/harness.lua"
local kit = dofile "tests/system/http_kit.lua" (sys)
local eq, has, hasnt = sys.eq, sys.has, sys.hasnt

-- Who may do what, said once more here: a route that the program has and this does not know fails.
local RULES = {
  ["POST /v1/alerts"] = "operator", ["GET /v1/alerts"] = "viewer",
  ["POST /v1/runs"] = "operator", ["GET /v1/runs"] = "viewer", ["GET /v1/runs/{run}"] = "viewer",
  ["POST /v1/runs/{run}/cancel"] = "operator", ["POST /v1/runs/{run}/undo"] = "operator",
  ["POST /v1/runs/{run}/signals/{name}"] = "operator", ["GET /v1/entities"] = "viewer",
  ["POST /v1/entities/{entity}/release"] = "operator", ["GET /v1/approvals"] = "approver",
  ["POST /v1/approvals/{id}"] = "approver", ["GET /v1/freeze"] = "viewer", ["POST /v1/freeze"] = "operator",
  ["DELETE /v1/freeze"] = "admin", ["GET /v1/playbooks"] = "viewer", ["GET /v1/coverage"] = "viewer",
  ["GET /v1/events"] = "viewer", ["GET /v1/openapi.json"] = "viewer", ["GET /healthz"] = "none",
  ["GET /readyz"] = "none", ["GET /metrics"] = "viewer", ["GET /v1/audit"] = "admin",
  ["GET /v1/approvals/{id}"] = "approver", ["GET /"] = "none", ["GET /console/{file}"] = "none",
  ["POST /v1/session"] = "none", ["GET /v1/session"] = "viewer", ["DELETE /v1/session"] = "viewer",
  ["GET /v1/signin"] = "none", ["GET /v1/signin/oidc"] = "none", ["GET /v1/signin/oidc/callback"] = "none",
}
local INCLUDES = {
  viewer = { viewer = true }, operator = { viewer = true, operator = true },
  approver = { viewer = true, approver = true },
  admin = { viewer = true, operator = true, approver = true, admin = true },
}
local METHODS = { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS" }

local function description(http) return http:call("GET", "/v1/openapi.json", { as = "viewer" }).doc() end

sys.test("every route × role × method: only who may, may", function(t)
  local job, http = kit.serve(t)
  local paths, known = description(http).paths, {}
  for path, methods in pairs(paths) do
    for method, op in pairs(methods) do
      local name = method:upper() .. " " .. path
      eq(op["x-role"], RULES[name], name)
      known[name] = true
    end
  end
  for name in pairs(RULES) do assert(known[name], name .. " is not there") end

  local calls, wanted = {}, {}
  local sessions, forged = {}, "lunette=" .. ("A"):rep(43)
  local function add(path, method, as, o)
    local rule = RULES[(method == "HEAD" and "GET" or method) .. " " .. path]
    local place = path:gsub("{id}", "999"):gsub("{%w+}", "nothing")
    o = o or {}
    if o.session and path == "/v1/session" and method == "DELETE" then return end -- it would be over: session_test.lua
    calls[#calls + 1] = { method, place, as = not o.session and as or nil, token = o.token, session = o.session, who = as,
                          brief = path == "/v1/events" and method == "GET" }
    local want
    if not rule then want = 405
    elseif rule ~= "none" and not INCLUDES[as or ""] then want = 401
    elseif rule ~= "none" and not INCLUDES[as][rule] then want = 403 end
    wanted[#wanted + 1] = want or false
  end
  for path in pairs(paths) do
    for _, method in ipairs(METHODS) do
      for _, as in ipairs { "viewer", "operator", "approver", "admin" } do
        sessions[as] = sessions[as] or http:sign_in(as)
        add(path, method, as)
        add(path, method, as, { session = sessions[as] })
      end
      add(path, method)
      add(path, method, nil, { token = "lnt_" .. ("A"):rep(48) })
      add(path, method, nil, { session = forged })
    end
  end
  local got = http:many(calls)
  eq(#got, #calls, "answers")
  for i, c in ipairs(calls) do
    local what = ("%s %s as %s with %s"):format(c[1], c[2], c.who or "nobody", c.session or c.token or c.as or "nothing")
    if wanted[i] then eq(got[i], wanted[i], what)
    else assert(got[i] > 0 and got[i] ~= 401 and got[i] ~= 403 and got[i] ~= 405 and got[i] < 500,
                what .. " is " .. got[i]) end
  end
  eq(job.stop().code, 0)
  for _, token in pairs(http.token) do hasnt(job.seen "err", token) end
  for _, cookie in pairs(sessions) do hasnt(job.seen "err", cookie:match "=(.*)") end
end)

sys.test("a token that is removed is refused at once", function(t)
  local job, http = kit.serve(t)
  eq(http:call("GET", "/v1/runs", { as = "viewer" }).status, 200)
  t:expect(0, { "token", "rm", "viewer" })
  eq(http:call("GET", "/v1/runs", { as = "viewer" }).status, 401)
  job.stop()
end)

sys.test("the audit, a page at a time, and a refused sign-in is in it", function(t)
  local job, http = kit.serve(t)
  eq(http:call("POST", "/v1/freeze", { as = "operator", json = { why = "a drill" } }).status, 200)
  eq(http:call("GET", "/v1/audit", { token = "lnt_" .. ("A"):rep(48) }).status, 401)
  local whole, seen, pages, path = {}, {}, 0, "/v1/audit?limit=2"
  t:until_true(function()
    whole = http:call("GET", "/v1/audit", { as = "admin" }).doc().audit
    return whole[#whole].what == "sign-in refused"
  end)
  while path do
    local r = http:call("GET", path, { as = "admin" })
    for _, record in ipairs(r.doc().audit) do seen[#seen + 1] = record end
    path = r.headers.link and r.headers.link:match "<([^>]*)>"
    pages = pages + 1
  end
  assert(pages > 2)
  eq(#seen, #whole)
  local frozen
  for i, record in ipairs(seen) do
    eq(record.seq, i)
    eq(record.hash, whole[i].hash)
    if record.what == "freeze" then frozen = record end
  end
  eq(frozen.who, "operator")
  has(frozen.detail, '"why":"a drill"')
  job.stop()
end)

sys.test("errors are problem documents, and nothing is to be kept or guessed", function(t)
  local job, http = kit.serve(t)
  local r = http:call("GET", "/v1/nothing", { as = "viewer" })
  eq(r.status, 404)
  eq(r.headers["content-type"], "application/problem+json")
  eq(r.doc().status, 404)
  eq(r.doc().code, "not_found")
  r = http:call("GET", "/v1/runs", { as = "viewer" })
  eq(r.headers["content-type"], "application/json")
  eq(r.headers["cache-control"], "no-store")
  eq(r.headers["x-content-type-options"], "nosniff")
  has(r.headers["content-security-policy"], "default-src 'none'")
  r = http:call("GET", "/v1/runs")
  eq(r.status, 401)
  has(r.headers["www-authenticate"], "Bearer")
  r = http:call("PUT", "/v1/freeze", { as = "admin" })
  eq(r.status, 405)
  eq(r.headers.allow, "GET, HEAD, POST, DELETE")
  job.stop()
end)

sys.test("what is asked wrongly is refused, and says how", function(t)
  t:playbook("p", "return 1", 'input = { n = "integer" },')
  local job, http = kit.serve(t)
  local function refused(status, method, path, o, part)
    o = o or {}
    o.as = o.as or "admin"
    local r = http:call(method, path, o)
    eq(r.status, status, method .. " " .. path .. " " .. (o.body or ""))
    has(r.doc().detail, part)
  end
  refused(400, "GET", "/v1/runs?colour=red", nil, "colour")
  refused(400, "GET", "/v1/runs?state=asleep", nil, "state is one of")
  refused(400, "GET", "/v1/runs?limit=many", nil, "whole number")
  refused(400, "GET", "/v1/runs?limit=1&limit=2", nil, "twice")
  refused(400, "GET", "/v1/runs?playbook=%ff", nil, "query")
  refused(400, "GET", "/v1/runs?playbook=%00", nil, "query")
  refused(400, "GET", "/v1/runs/%2e%2e", nil, "path")
  refused(400, "GET", "/v1/runs/%c0%af", nil, "path")
  refused(404, "GET", "/v1//runs", nil, "nothing here")
  refused(404, "GET", "/v1/../v1/runs", nil, "nothing here")
  refused(404, "GET", "/v1/runs/", nil, "nothing here")
  refused(400, "POST", "/v1/runs", { body = "{" }, "")
  refused(400, "POST", "/v1/runs", { body = "[]" }, "object")
  refused(400, "POST", "/v1/runs", { body = '{"playbook":"p","colour":1}' }, "colour")
  refused(400, "POST", "/v1/runs", { body = '{"input":{}}' }, "playbook")
  refused(400, "POST", "/v1/runs", { body = '{"playbook":7}' }, "string")
  refused(400, "POST", "/v1/runs", { body = '{"playbook":"p","input":{"n":"x"}}' }, "n")
  refused(400, "POST", "/v1/runs", { body = '{"playbook":"\xff"}' }, "UTF-8")
  refused(404, "POST", "/v1/runs", { body = '{"playbook":"nothing"}' }, "nothing")
  refused(415, "POST", "/v1/runs", { headers = { ["Content-Type"] = "text/plain" } }, "application/json")
  refused(400, "POST", "/v1/runs/last/cancel", { body = "{}" }, "no body")
  refused(400, "DELETE", "/v1/freeze?connector=", nil, "names")
  refused(404, "POST", "/v1/approvals/x", { body = '{"decision":"approve"}' }, "no such")
  refused(400, "POST", "/v1/approvals/1", { body = '{"decision":"perhaps"}' }, "decision")
  job.stop()
end)

sys.test("a playbook is started by its name only: no file of this machine is read", function(t)
  t:write("evil.lua", 'return playbook { name = "evil", summary = "s", uses = {}, run = function() return 1 end }')
  local job, http = kit.serve(t)
  for _, name in ipairs { "evil.lua", "./evil.lua", t.dir .. "/evil.lua", "evil.lua\0", "../evil" } do
    local r = http:call("POST", "/v1/runs", { as = "operator", json = { playbook = name } })
    eq(r.status, 404, name)
  end
  eq(#http:call("GET", "/v1/runs", { as = "viewer" }).doc().runs, 0)
  job.stop()
end)

sys.test("a run started by one is watched, approved by another, and done", function(t)
  t:playbook("p", [[ step("before", function() return input.n end)
    local yes = approve { title = "go on?" }
    return { by = yes.by, n = input.n } ]], 'input = { n = "integer" },')
  local job, http = kit.serve(t)
  local ear = http:listen "viewer"
  assert(t:until_true(function() return ear.seen():find "retry" end))
  local r = http:call("POST", "/v1/runs", { as = "operator", json = { playbook = "p", input = { n = 7 } } })
  eq(r.status, 202)
  local run = r.doc().run
  assert(t:until_true(function() return ear.seen():find "event: approval" end))
  local waiting = http:call("GET", "/v1/approvals", { as = "approver" }).doc().approvals
  eq(#waiting, 1)
  eq(waiting[1].run, run)
  local id = waiting[1].id
  eq(http:call("POST", "/v1/approvals/" .. id, { as = "operator", json = { decision = "approve" } }).status, 403)
  r = http:call("POST", "/v1/approvals/" .. id, { as = "approver", json = { decision = "approve", comment = "yes" } })
  eq(r.status, 200)
  eq(r.doc().state, "approved")
  assert(t:until_true(function() return ear.seen():find '"state":"completed"' end))
  local doc = http:call("GET", "/v1/runs/" .. run, { as = "viewer" }).doc()
  eq(doc.state, "completed")
  eq(doc.result.by, "approver")
  eq(doc.result.n, 7)
  eq(http:call("POST", "/v1/approvals/" .. id, { as = "second", json = { decision = "deny" } }).status, 409)
  local seen = ear.stop()
  for _, part in ipairs { "event: run", '"by":"operator"', "event: step", '"state":"approved"', '"outcome":"complete"' } do
    has(seen, part)
  end
  job.stop()
end)

sys.test("who started a run cannot approve it, whatever the role", function(t)
  t:playbook("p", 'return approve { title = "go on?" }.by')
  local job, http = kit.serve(t)
  http:call("POST", "/v1/runs", { as = "admin", json = { playbook = "p" } })
  assert(t:until_true(function() return #http:call("GET", "/v1/approvals", { as = "admin" }).doc().approvals == 1 end))
  local r = http:call("POST", "/v1/approvals/1", { as = "admin", json = { decision = "approve" } })
  eq(r.status, 403)
  eq(r.doc().code, "denied")
  eq(http:call("POST", "/v1/approvals/1", { as = "second", json = { decision = "approve" } }).status, 200)
  job.stop()
end)

sys.test("cancel, signals, and lists page by page", function(t)
  t:playbook("waits", 'return await_signal("go")')
  t:playbook("naps", 'sleep "1d"')
  t:playbook("short", "return 1")
  local job, http = kit.serve(t)
  local function begin(name) return http:call("POST", "/v1/runs", { as = "operator", json = { playbook = name } }).doc().run end
  local function ends(run, state)
    assert(t:until_true(function() return http:call("GET", "/v1/runs/" .. run, { as = "viewer" }).doc().state == state end))
  end
  local waits, naps = begin "waits", begin "naps"
  local r = http:call("POST", ("/v1/runs/%s/signals/go"):format(waits), { as = "operator", json = { value = { 1, "two" } } })
  eq(r.status, 202)
  ends(waits, "completed")
  eq(http:call("GET", "/v1/runs/" .. waits, { as = "viewer" }).doc().result[2], "two")
  eq(http:call("POST", ("/v1/runs/%s/cancel"):format(naps), { as = "operator" }).status, 202)
  ends(naps, "cancelled")
  eq(http:call("POST", ("/v1/runs/%s/cancel"):format(naps), { as = "operator" }).status, 409)
  eq(http:call("POST", "/v1/runs/01ZZ/cancel", { as = "operator" }).status, 404)

  for _ = 1, 5 do ends(begin "short", "completed") end
  local path, all, pages = "/v1/runs?playbook=short&limit=2", {}, 0
  while path do
    r = http:call("GET", path, { as = "viewer" })
    pages = pages + 1
    for _, row in ipairs(r.doc().runs) do all[#all + 1] = row.run end
    path = r.headers.link and r.headers.link:match '<([^>]+)>; rel="next"'
  end
  eq(pages, 3)
  eq(#all, 5)
  for i = 2, 5 do assert(all[i] < all[i - 1], "newest first, each once") end
  eq(#http:call("GET", "/v1/runs?state=cancelled", { as = "viewer" }).doc().runs, 1)
  job.stop()
end)

sys.test("what each run waits for is in the list, and can be asked for", function(t)
  t:playbook("naps", 'sleep "1d"')
  t:playbook("asks", 'return approve { title = "go on?" }.by')
  local job, http = kit.serve(t)
  for _, name in ipairs { "naps", "asks" } do http:call("POST", "/v1/runs", { as = "operator", json = { playbook = name } }) end
  local function waiting(query) return http:call("GET", "/v1/runs" .. query, { as = "viewer" }).doc().runs end
  assert(t:until_true(function() return #waiting "?for=timer,approval" == 2 end))
  for _, name in ipairs { "naps", "asks" } do
    local rows = waiting("?for=" .. (name == "naps" and "timer" or "doubt,approval"))
    eq(#rows, 1)
    eq(rows[1].playbook, name)
    eq(rows[1]["for"], name == "naps" and "timer" or "approval")
  end
  for _, query in ipairs { "?for=doubt", "?for=time", "?for=,", "?for=approval&state=completed" } do eq(#waiting(query), 0, query) end
  local id = http:call("GET", "/v1/approvals", { as = "approver" }).doc().approvals[1].id
  eq(http:call("GET", "/v1/approvals/" .. id, { as = "approver" }).doc().state, "waiting")
  http:call("POST", "/v1/approvals/" .. id, { as = "approver", json = { decision = "deny" } })
  eq(http:call("GET", "/v1/approvals/" .. id, { as = "approver" }).doc().state, "denied")
  for _, none in ipairs { "999", "0", "x", "1x" } do eq(http:call("GET", "/v1/approvals/" .. none, { as = "approver" }).status, 404) end
  job.stop()
end)

sys.test("freeze: an operator stops writes, an admin lets them go on, and health is red meanwhile", function(t)
  local job, http = kit.serve(t)
  eq(http:call("GET", "/healthz").status, 200)
  local r = http:call("POST", "/v1/freeze", { as = "operator", json = { why = "a drill", connector = "okta" } })
  eq(r.status, 200)
  eq(r.doc().frozen[1].scope, "connector:okta")
  eq(r.doc().frozen[1].by, "operator")
  r = http:call("GET", "/healthz")
  eq(r.status, 503)
  eq(r.doc().why[1], "frozen")
  eq(http:call("GET", "/readyz").status, 503)
  hasnt(r.body, "drill")                                  -- nobody has said who they are
  eq(#http:call("DELETE", "/v1/freeze?connector=okta", { as = "admin" }).doc().frozen, 0)
  eq(http:call("GET", "/readyz").status, 200)
  job.stop()
end)

sys.test("playbooks tell of scripts that are broken on the disk", function(t)
  t:playbook("p", "return 1")
  local job, http = kit.serve(t)
  t:write("scripts/p.lua", "return playbook {")
  local r
  assert(t:until_true(function()
    r = http:call("GET", "/v1/playbooks", { as = "viewer" }).doc()
    return #r.stale == 1
  end))
  eq(r.stale[1].module, "p")
  eq(r.stale[1].last_good, true)
  eq(r.playbooks[1].name, "p")
  eq(http:call("GET", "/healthz").doc().why[1], "scripts")
  job.stop()
end)

sys.test("the same key starts one run, over a crash too; another's key is another's", function(t)
  t:playbook("p", 'sleep "1h"; return input.n', 'input = { n = "integer" },')
  local job, http = kit.serve(t)
  local function begin(as, n, key)
    return http:call("POST", "/v1/runs", { as = as, json = { playbook = "p", input = { n = n } },
                                           headers = { ["Idempotency-Key"] = key } })
  end
  local first = begin("operator", 1, "k").doc().run
  eq(begin("operator", 1, "k").doc().run, first)
  eq(begin("operator", 2, "k").status, 409)
  job.kill "KILL"
  job.wait()
  job, http = kit.serve(t, { keep = true, tokens = http.token })
  eq(begin("operator", 1, "k").doc().run, first)
  assert(begin("admin", 1, "k").doc().run ~= first)
  eq(#http:call("GET", "/v1/runs", { as = "viewer" }).doc().runs, 2)
  job.stop()
end)

sys.test("killed after each 202, no run that was acknowledged is lost", function(t)
  t:playbook("p", 'step("a", function() return 1 end); sleep "100ms"; return 2')
  local job, http = kit.serve(t)
  local runs = {}
  for round = 1, 3 do
    for _ = 1, 5 do
      runs[#runs + 1] = http:call("POST", "/v1/runs", { as = "operator", json = { playbook = "p" } }).doc().run
    end
    job.kill "KILL"
    job.wait()
    job, http = kit.serve(t, { keep = true, tokens = http.token })
    eq(#runs, 5 * round)
  end
  for _, run in ipairs(runs) do
    assert(t:until_true(function() return http:call("GET", "/v1/runs/" .. run, { as = "viewer" }).doc().state == "completed" end))
  end
  job.stop()
end)

sys.test("events go on where the reader was; what is not known any more is said", function(t)
  t:playbook("p", "return 1")
  local job, http = kit.serve(t)
  local function begin() http:call("POST", "/v1/runs", { as = "operator", json = { playbook = "p" } }) end
  local ear = http:listen "viewer"
  assert(t:until_true(function() return ear.seen():find "retry" end))
  begin()
  assert(t:until_true(function() return ear.seen():find '"state":"completed"' end))
  local last
  for id in ear.stop():gmatch "id: (%S+)" do last = id end
  begin()
  begin()
  local again = http:listen("viewer", "Last-Event-ID: " .. last)
  assert(t:until_true(function() return select(2, again.seen():gsub('"state":"completed"', "")) == 2 end))
  hasnt(again.stop(), "event: reset")
  job.stop()
  job, http = kit.serve(t, { keep = true, tokens = http.token })
  local later = http:listen("viewer", "Last-Event-ID: " .. last:gsub("%d+$", "1"))
  assert(t:until_true(function() return later.seen():find "event: reset" end))
  eq(job.stop().code, 0)
  has(later.stop(), "event: bye")                         -- the end is said, and held up by no reader
end)

sys.test("a Unix socket is a door like any: its mode, tokens, and no bound for one address", function(t)
  local path = t.dir .. "/http.sock"
  local function configure(more)
    t:write("lunette.conf.lua", ("return { scripts = {}, listen = %q, %s }"):format("unix:" .. path, more or ""))
  end
  local function curl(words)
    local p = io.popen(("curl -s -m 20 -o /dev/null -w '%%{http_code}\\n' --unix-socket '%s' %s"):format(path, words))
    return p:read "a", p:close()
  end
  local function mode() return io.popen(("stat -c %%a '%s'"):format(path)):read "l" end
  local function listens(job)
    return t:until_true(function() return job.seen "err":find("listening on unix:" .. path, 1, true) end)
  end
  configure()
  local token = t:expect(0, { "token", "add", "ann", "--role", "viewer" }).out:match "%S+"
  local job = t:serve()
  assert(listens(job))
  eq(mode(), "660")
  eq(curl "http://lunette/v1/runs", "401\n")
  eq(curl(("-H 'Authorization: Bearer %s' http://lunette/v1/runs"):format(token)), "200\n")
  eq(curl(("-H 'Authorization: Bearer %s' -d '{}' http://lunette/v1/freeze"):format(token)), "403\n")
  hasnt(curl "'http://lunette/none/[1-3000]'", "429")
  -- another daemon does not take it away; one that comes after a death does
  t:write("other.conf.lua", ("return { store = 'sqlite:other.db', scripts = {}, listen = %q }"):format("unix:" .. path))
  local r = t:run { "serve", "--config", "other.conf.lua" }
  assert(r.code ~= 0)
  has(r.err, "is there already")
  eq(curl "http://lunette/healthz", "200\n")
  job.kill "KILL"
  job.wait()
  configure 'listen_mode = "0600",'
  job = t:serve()
  assert(listens(job))
  eq(mode(), "600")
  eq(curl "http://lunette/healthz", "200\n")
  job.stop()
  -- what is no socket is nobody's to remove
  os.remove(path)
  t:write("http.sock", "a file")
  r = t:run { "serve" }
  assert(r.code ~= 0)
  eq(t:read "http.sock", "a file")
  configure 'listen_mode = "rw",'
  has(t:expect(4, { "runs" }).err, "listen_mode")
end)

sys.test("metrics are counted, and are for everybody only where the configuration says so", function(t)
  t:playbook("p", 'step("a", function() return 1 end); return 1')
  local job, http = kit.serve(t)
  http:call("POST", "/v1/runs", { as = "operator", json = { playbook = "p" } })
  local text
  assert(t:until_true(function()
    text = http:call("GET", "/metrics", { as = "viewer" }).body
    return text:find('lunette_runs_ended_total{state="completed",outcome="complete"} 1', 1, true)
  end))
  has(text, 'lunette_steps_total{operation="step",outcome="done"} 1')
  has(text, "# EOF\n")
  eq(http:call("GET", "/metrics").status, 401)
  job.stop()
  job, http = kit.serve(t, { tokens = http.token, conf = 'metrics = "open"' })
  eq(http:call("GET", "/metrics").status, 200)
  eq(http:call("GET", "/metrics", { token = "wrong" }).status, 401)
  job.stop()
end)

sys.test("beyond this machine it wants TLS", function(t)
  t:write("lunette.conf.lua", 'return { scripts = {}, listen = "0.0.0.0:0" }')
  has(t:expect(4, { "serve" }).err, "TLS")
  t:write("lunette.conf.lua", 'return { scripts = {}, listen = "[::]:0" }')
  has(t:expect(4, { "serve" }).err, "TLS")
  for _, where in ipairs { "localhost:7059", "7059", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000", ":7059" } do
    t:write("lunette.conf.lua", ("return { scripts = {}, listen = %q }"):format(where))
    local r = t:run { "serve" }
    assert(r.code > 0 and r.err:find("127.0.0.1", 1, true) and not r.err:find "TLS", where .. ": " .. r.err)
  end
end)

sys.test("an address that is taken is said, and is fatal where it was asked for", function(t)
  local job, http = kit.serve(t)
  t:write("other/lunette.conf.lua", ('return { store = "sqlite:other/x.db", scripts = {}, listen = %q }')
                                    :format(http.url:match "//(.*)"))
  has(t:expect(1, { "serve", "--config", "other/lunette.conf.lua" }).err, "in use")
  job.stop()
end)

sys.done()
