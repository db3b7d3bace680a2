-- intake_test.lua: alerts over HTTP, by people with a token and by sources that sign.
local sys = dofile "tests/system/harness.lua"
local kit = dofile "tests/system/http_kit.lua" (sys)
local eq, has, hasnt = sys.eq, sys.has, sys.hasnt

local function alert(id, rule)
  return ('{"rule":"%s","priority":"Warning","output":"o","uuid":"%s","output_fields":{"proc.name":"bash"}}')
    :format(rule or "Shell in a container", id)
end

local function event(n)
  return ('{"uuid":"ev-%s","eventType":"user.session.start","published":"2026-03-02T09:10:44.120Z","severity":"WARN",'
    .. '"displayMessage":"User login","actor":{"id":"00u1","type":"User","alternateId":"a@b.example"},'
    .. '"outcome":{"result":"FAILURE"}}'):format(n)
end

local function trigger(t)
  t:playbook("wants", "store.incr('n') return input.alert.id",
             'uses = { "store" }, input = { alert = "alert" }, on = function() return true end,')
end

local SOURCES = [[ intake = { sources = {
  edr   = { secret = secret "edr", header = "X-Signature", prefix = "sha256=", time = "X-Time" },
  hooks = { token = secret "hooks", header = "Authorization", challenge = "X-Challenge" } } }, ]]
local KEYS = { edr = "a secret of both", hooks = "another secret" }

---`before`: a client of an earlier one.
local function serve(t, before)
  if not before then
    t:write("lunette.conf.lua", "return { }")
    for name, value in pairs(KEYS) do t:expect(0, { "secret", "set", name, stdin = value }) end
  end
  return kit.serve(t, { conf = SOURCES, tokens = before and before.token })
end

---The headers of a delivery, signed now, or `late` seconds ago.
local function signed(t, body, late, key)
  local time = tostring(os.time() - (late or 0))
  t:write("signed", time .. "." .. body)
  local p = io.popen(("openssl dgst -sha256 -hmac '%s' -r '%s/signed'"):format(key or KEYS.edr, t.dir))
  local hex = p:read "a":match "^%x+"
  p:close()
  return { ["X-Signature"] = "sha256=" .. hex, ["X-Time"] = time }
end

local function listed(http, query)
  return http:call("GET", "/v1/alerts" .. (query or ""), { as = "viewer" }).doc().alerts
end

sys.test("an operator hands in alerts: 202 with the runs, and nothing new the second time", function(t)
  trigger(t)
  local job, http = serve(t)
  local r = http:call("POST", "/v1/alerts", { as = "operator", body = "[" .. alert "a" .. "," .. alert "b" .. "]" })
  eq(r.status, 202)
  local first = r.doc().alerts
  eq(#first, 2)
  eq(#first[1].runs, 1)
  r = http:call("POST", "/v1/alerts", { as = "operator", body = alert "a" })
  eq(r.status, 202)
  eq(r.doc().alerts[1].new, false)
  eq(r.doc().alerts[1].runs[1], first[1].runs[1])
  eq(http:call("POST", "/v1/alerts", { as = "viewer", body = alert "c" }).status, 403)
  local list = listed(http)
  eq(#list, 2)
  eq(list[2].id, "a")
  eq(list[2].runs[1].what, "started")
  local page = http:call("GET", "/v1/alerts?limit=1", { as = "viewer" })
  has(page.headers.link, 'rel="next"')
  eq(#page.doc().alerts, 1)
  -- four eyes: whoever handed in the alert started its run
  has(t:expect(0, { "show", first[1].runs[1], "--json" }).out, '"started_by":"operator"')
  job.stop()
end)

sys.test("what no adapter knows is 422 with why, and kept; half of it known is 202", function(t)
  trigger(t)
  local job, http = serve(t)
  local r = http:call("POST", "/v1/alerts", { as = "operator", body = '{"odd":1}' })
  eq(r.status, 422)
  has(r.doc().detail, "no known alert format: an object with odd")
  eq(http:call("POST", "/v1/alerts", { as = "operator", body = "not JSON" }).status, 422)
  eq(http:call("POST", "/v1/alerts", { as = "operator", body = "[]" }).status, 202)
  r = http:call("POST", "/v1/alerts", { as = "operator", body = '[{"odd":2},' .. alert "a" .. "]" })
  eq(r.status, 202)
  eq(#r.doc().unknown, 1)
  eq(#listed(http, "?state=kept"), 3)
  job.stop()
end)

sys.test("a source's signature lets it in, once, within its window", function(t)
  trigger(t)
  local job, http = serve(t)
  local function post(body, headers, source)
    return http:call("POST", "/v1/alerts?source=" .. (source or "edr"), { body = body, headers = headers }).status
  end
  local h = signed(t, alert "a")
  eq(post(alert "a", h), 202)
  eq(post(alert "a", h), 409)                             -- the very same delivery: a replay
  eq(post(alert "b", h), 401)                             -- another body under it
  eq(post(alert "b", signed(t, alert "b", 400)), 401)     -- too old
  eq(post(alert "b", signed(t, alert "b", -400)), 401)    -- of a time to come
  eq(post(alert "b", signed(t, alert "b", 0, "guessed")), 401)
  eq(post(alert "b", {}), 401)
  eq(post(alert "b", signed(t, alert "b"), "nobody"), 401)
  eq(#listed(http), 1)
  local old = signed(t, alert "c")
  eq(post(alert "c", old), 202)
  job.kill "KILL"
  job.wait()
  job, http = serve(t, http)
  eq(post(alert "c", old), 409)                           -- known after a crash, too
  hasnt(job.seen "err", KEYS.edr)
  eq(#listed(http), 2)
  for _, a in ipairs(listed(http)) do eq(a.by, "source edr") end
  job.stop()
end)

sys.test("a source with a token, and its question whether it may", function(t)
  trigger(t)
  local job, http = serve(t)
  local right, wrong = { Authorization = KEYS.hooks }, { Authorization = "guessed" }
  local function ask(headers)
    headers["X-Challenge"] = "say this"
    return http:call("GET", "/v1/alerts?source=hooks", { headers = headers })
  end
  local r = ask(right)
  eq(r.status, 200)
  eq(r.doc().verification, "say this")
  eq(ask({}).status, 200)                                 -- who it is it says with its deliveries
  right["X-Challenge"] = nil
  local hook = '{"eventType":"com.okta.event_hook","eventId":"e1","data":{"events":[' .. event "1" .. "," .. event "2" .. "]}}"
  r = http:call("POST", "/v1/alerts?source=hooks", { body = hook, headers = right })
  eq(r.status, 200)
  eq(#r.doc().alerts, 2)
  eq(#http:call("POST", "/v1/alerts?source=hooks", { body = hook, headers = right }).doc().alerts, 2)
  eq(#listed(http), 2)
  eq(http:call("POST", "/v1/alerts?source=hooks", { body = alert "b", headers = wrong }).status, 401)
  eq(http:call("GET", "/v1/alerts").status, 401)
  job.stop()
end)

sys.test("a source that is silent for too long makes it red, by name, until it is heard of", function(t)
  trigger(t)
  t:write("lunette.conf.lua", "return { }")
  t:expect(0, { "secret", "set", "hooks", stdin = "a word" })
  local job, http = kit.serve(t, { conf = [[ intake = { sources = {
    hooks = { token = secret "hooks", header = "Authorization", silent = "2s" },
    other = { token = secret "hooks", header = "Authorization" } } }, ]] })
  local function ready() return http:call("GET", "/readyz") end
  assert(t:until_true(function() return ready().status == 503 end), "it stays green")
  eq(ready().doc().why[1], "silent: source hooks")
  eq(#ready().doc().why, 1)
  eq(http:call("GET", "/healthz").status, 503)
  has(http:call("GET", "/metrics", { as = "viewer" }).body, 'lunette_intake_silent{intake="source hooks"} 1\n')
  has(t:expect(1, { "doctor" }).out, "source hooks: nothing for 0 minutes: does it still hand in alerts?")
  job.kill "KILL"
  job.wait()
  job, http = kit.serve(t, { keep = true, tokens = http.token })
  eq(ready().status, 503)                                 -- it is no better for a new process
  assert(t:until_true(function()
    eq(http:call("POST", "/v1/alerts?source=hooks", { body = alert "a", headers = { Authorization = "wrong" } }).status, 401)
    eq(http:call("POST", "/v1/alerts?source=hooks", { body = alert "a", headers = { Authorization = "a word" } }).status, 202)
    return ready().status == 200
  end), "it stays red")
  job.stop()
end)

-- A folder ------------------------------------------------------------------------------------------------

local function drop(t, name, text)
  t:write("spool/." .. name, text)                        -- names with a dot are passed over
  assert(os.rename(t.dir .. "/spool/." .. name, t.dir .. "/spool/" .. name))
end

local function goes_to(t, name)
  local where
  t:until_true(function()
    for _, sub in ipairs { "done", "refused" } do
      if t:read("spool/" .. sub .. "/" .. name) then where = sub end
    end
    return where
  end)
  eq(t:read("spool/" .. name), nil)
  return where
end

local function spool(t)
  trigger(t)
  t:write("lunette.conf.lua", ("return { scripts = { 'scripts' }, intake = { folder = %q } }"):format(t.dir .. "/spool"))
end

local function count(t) return select(2, t:expect(0, { "alerts", "--json" }).out:gsub("\n", "")) end

sys.test("a folder: files are handed in and moved, with the reason beside", function(t)
  spool(t)
  t:write("spool/before.json", alert "a")                 -- it was there before us
  local job = t:serve()
  eq(goes_to(t, "before.json"), "done")
  drop(t, "lines.json", alert "b" .. "\n" .. alert "c" .. "\n")
  eq(goes_to(t, "lines.json"), "done")
  drop(t, "odd.json", '{"odd":1}')
  eq(goes_to(t, "odd.json"), "refused")
  has(t:read "spool/refused/odd.json.why", "an object with odd")
  drop(t, "half.json", "[" .. alert "d" .. ',{"odd":2}]')
  eq(goes_to(t, "half.json"), "done")
  has(t:read "spool/done/half.json.why", "element 2: no known alert format")
  drop(t, "lines.json", alert "e")                        -- a name that was there before
  eq(goes_to(t, "lines.json.1"), "done")
  eq(t:read("spool/done/lines.json"), alert "b" .. "\n" .. alert "c" .. "\n")
  os.execute(("ln -s /etc/passwd '%s/spool/link.json'"):format(t.dir))
  drop(t, "last.json", alert "f")
  eq(goes_to(t, "last.json"), "done")
  eq(t:read "spool/done/link.json", nil)
  eq(count(t), 8)
  job.stop()
end)

sys.test("a file that is being written is not read", function(t)
  spool(t)
  t:write("spool/.keep", "")
  local job = t:serve()
  local f = assert(io.open(t.dir .. "/spool/slow.json", "w"))
  f:write(alert "a", "\n", alert("b"):sub(1, 20))
  f:flush()
  drop(t, "other.json", alert "x")
  eq(goes_to(t, "other.json"), "done")                    -- we have looked around meanwhile
  eq(count(t), 1)
  f:write(alert("b"):sub(21), "\n")
  f:close()
  eq(goes_to(t, "slow.json"), "done")
  eq(t:read "spool/done/slow.json.why", nil)
  eq(count(t), 3)
  job.stop()
end)

sys.test("killed among files, each alert of theirs is there once", function(t)
  spool(t)
  for i = 1, 60 do t:write(("spool/%d.json"):format(i), alert("u" .. i, "R" .. ("x"):rep(i))) end
  for _ = 1, 3 do
    local job = t:serve()
    t:until_true(function() return t:read "lunette.db" end)
    os.execute "sleep 0.05"
    job.kill "KILL"
    job.wait()
  end
  local job = t:serve()
  for i = 1, 60 do eq(goes_to(t, i .. ".json"), "done") end
  eq(count(t), 60)
  job.stop()
end)

-- Polling -------------------------------------------------------------------------------------------------

sys.test("alerts are asked for: each once, whatever dies, and the cursor moves with them", function(t)
  trigger(t)
  t:sim { "--speed", "600" }
  local conf = t:read "sim.conf.lua"
  t:write("sim.conf.lua", (conf:gsub("return {", 'return { intake = { poll = { "crowdstrike", "visionone" } }, '
                                     .. 'scripts = { "scripts" },', 1)))
  local function all()
    local out = {}
    for line in t:expect(0, { "alerts", "--json" }).out:gmatch "[^\n]+" do out[#out + 1] = sys.decode(line) end
    return out
  end
  local function looks()
    local n = 0
    for _, r in ipairs(t:log()) do n = n + (r.request and tostring(r.op):find "alerts" and 1 or 0) end
    return n
  end
  local job = t:serve()
  assert(t:until_true(function()
    local of = {}
    for _, a in ipairs(all()) do of[a.source] = true end
    return of.crowdstrike and of.trend_vision_one
  end), job.seen "err")
  local n = #all()
  job.kill "KILL"
  job.wait()
  job = t:serve()
  local before = looks()
  t:until_true(function() return looks() > before + 4 end) -- they are asked again, and told again
  eq(#all(), n)
  local kept = select(2, t:expect(0, { "runs", "--json" }).out:gsub("%.alerts\"", ""))
  assert(kept <= 4, kept .. " looks are kept that found nothing new")
  for _, a in ipairs(all()) do
    eq(a.by, "poll")
    eq(a.runs[1].what, "started")
  end
  job.stop()
end)

sys.test("a look that finds too much is made again for half of its time", function(t)
  t:playbook("none", "return 1")
  local one = "state.alerts[#state.alerts + 1] = alert_of(state, e, e.processes[#e.processes], now - 60)"
  t:record { visionone = { { one, "for k = 1, 280 do for _ = 1, 3 do "
    .. one:gsub("now %- 60", "now - k") .. " end end" } } }
  t:sim { "--speed", "600" }
  t:write("sim.conf.lua", (t:read "sim.conf.lua":gsub("return {", 'return { intake = { poll = { "visionone" } }, '
                                                      .. 'scripts = { "scripts" },', 1)))
  local job = t:serve()
  local n
  t:until_true(function()
    n = select(2, t:expect(0, { "alerts", "--json" }).out:gsub("\n", ""))
    return n >= 1680
  end)
  eq(n, 1680)
  eq(#t:expect(0, { "alerts", "--kept" }).out, 0)
  has(job.seen "err", "code=too_many")
  job.stop()
end)

sys.test("a connector that cannot be polled is said", function(t)
  t:write("lunette.conf.lua", 'return { intake = { poll = { "crowdstrike" } } }')
  has(t:expect(4, { "serve" }).err, "the connector crowdstrike is not configured")
end)

sys.done()
