-- session_test.lua: a token becomes a session; what a session may, and from where; and how it ends.
local sys = dofile "tests/system/harness.lua"
local kit = dofile "tests/system/http_kit.lua" (sys)
local eq, has, hasnt = sys.eq, sys.has, sys.hasnt

local function who(http, cookie, headers)
  headers = headers or {}
  headers.Cookie = cookie
  return http:call("GET", "/v1/session", { headers = headers })
end

-- The statuses of a change with such headers, besides a cookie.
local function change(http, cookie, headers)
  headers.Cookie = cookie
  return http:call("POST", "/v1/freeze", { json = { why = "a drill" }, headers = headers }).status
end

sys.test("a token becomes a session with its name and role, until somebody signs out", function(t)
  local job, http = kit.serve(t)
  local r = http:call("POST", "/v1/session", { json = { token = http.token.operator } })
  eq(r.status, 200)
  local said = r.headers["set-cookie"]
  for _, part in ipairs { "lunette=", "; Path=/", "; HttpOnly", "; SameSite=Strict" } do has(said, part) end
  hasnt(said, "Secure")                                   -- it is not https
  hasnt(r.body, http.token.operator)
  local cookie = said:match "^[^;]+"
  eq(#cookie, #"lunette=" + 43)
  local doc = who(http, cookie).doc()
  eq(doc.who, "operator")
  eq(doc.role, "operator")
  eq(doc.how, "token")
  assert(doc.expires:match "^%d%d%d%d%-%d%d%-%d%dT")
  eq(http:call("GET", "/v1/session", { as = "operator" }).doc().expires, nil) -- a token without an end
  eq(http:call("GET", "/v1/runs", { session = cookie }).status, 200)
  eq(http:call("GET", "/v1/audit", { session = cookie }).status, 403)

  local other = http:sign_in "operator"
  assert(other ~= cookie)                                 -- each sign-in has an id of its own
  eq(http:call("DELETE", "/v1/session", { headers = { Cookie = cookie } }).status, 403)
  r = http:call("DELETE", "/v1/session", { session = cookie })
  eq(r.status, 200)
  has(r.headers["set-cookie"], "lunette=; ")
  has(r.headers["set-cookie"], "Max-Age=0")
  eq(who(http, cookie).status, 401)
  eq(http:call("DELETE", "/v1/session", { session = cookie }).status, 401)
  eq(who(http, other).status, 200)
  eq(http:call("DELETE", "/v1/session", { as = "operator" }).status, 409)
  local told = {}
  for _, record in ipairs(http:call("GET", "/v1/audit", { as = "admin" }).doc().audit) do
    told[record.what .. " " .. record.who] = record.detail
  end
  eq(told["sign-in operator"], '{"how":"token","role":"operator"}')
  eq(told["sign-out operator"], "{}")
  local events = {}
  for line in t:expect(0, { "audit", "export" }).out:gmatch "[^\n]+" do
    local e = sys.decode(line)
    if e.class_uid == 3002 then events[#events + 1] = e.activity_name .. " " .. e.user.name .. " " .. e.status end
  end
  eq(table.concat(events, ", "), "Logon operator Success, Logon operator Success, Logoff operator Success")
  eq(job.stop().code, 0)
end)

sys.test("whoever signs in again leaves the session that they had", function(t)
  local job, http = kit.serve(t)
  local first = http:sign_in "viewer"
  local r = http:call("POST", "/v1/session", { json = { token = http.token.admin }, headers = { Cookie = first } })
  local second = r.headers["set-cookie"]:match "^[^;]+"
  eq(who(http, first).status, 401)
  eq(who(http, second).doc().who, "admin")
  -- An id that somebody else thought of is never taken over.
  local chosen = "lunette=" .. ("x"):rep(43)
  r = http:call("POST", "/v1/session", { json = { token = http.token.admin }, headers = { Cookie = chosen } })
  assert(r.headers["set-cookie"]:match "^[^;]+" ~= chosen)
  eq(who(http, chosen).status, 401)
  eq(job.stop().code, 0)
end)

sys.test("with a cookie only a page of the server's own may change anything", function(t)
  local job, http = kit.serve(t)
  local cookie = http:sign_in "operator"
  local own, https = http.url, http.url:gsub("^http:", "https:")
  eq(change(http, cookie, { Origin = own, ["X-Lunette"] = "1" }), 200)
  eq(change(http, cookie, { Origin = https, ["X-Lunette"] = "1" }), 200) -- through a proxy that has TLS
  eq(change(http, cookie, { ["Sec-Fetch-Site"] = "same-origin", ["X-Lunette"] = "1" }), 200)
  for _, headers in ipairs {
    {}, { ["X-Lunette"] = "1" }, { Origin = own }, { Origin = own, ["X-Lunette"] = "2" }, { Origin = "null", ["X-Lunette"] = "1" },
    { Origin = own .. "1", ["X-Lunette"] = "1" }, { Origin = "https://evil.example", ["X-Lunette"] = "1" },
    { Origin = "https://evil.example/" .. own, ["X-Lunette"] = "1" }, { Origin = own .. "/", ["X-Lunette"] = "1" },
    { ["Sec-Fetch-Site"] = "cross-site", Origin = own, ["X-Lunette"] = "1" },
    { ["Sec-Fetch-Site"] = "same-site", Origin = own, ["X-Lunette"] = "1" },
    { ["Sec-Fetch-Site"] = "none", ["X-Lunette"] = "1" }, { ["Sec-Fetch-Site"] = "same-origin" },
  } do
    eq(change(http, cookie, headers), 403, require "cjson".encode(headers))
  end
  -- The bearer counts, whatever cookie comes along; two make none, and neither does the cookie then.
  local r = http:call("GET", "/v1/session", { as = "viewer", headers = { Cookie = cookie } })
  eq(r.doc().who, "viewer")
  eq(http:call("POST", "/v1/freeze", { as = "operator", json = { why = "x" }, headers = { Cookie = cookie } }).status, 200)
  eq(http:call("GET", "/v1/session", { token = "lnt_no", headers = { Cookie = cookie } }).status, 401)
  eq(who(http, cookie, { Authorization = "Basic YTpi" }).doc().who, "operator")
  -- Of two sessions nobody knows which is meant.
  eq(who(http, cookie .. "; " .. http:sign_in "viewer").status, 401)
  eq(who(http, "a=b; " .. cookie .. "; c=d").status, 200)
  -- No other site signs somebody in as somebody else.
  r = http:call("POST", "/v1/session", { json = { token = http.token.viewer }, headers = { Origin = "https://evil.example" } })
  eq(r.status, 403)
  eq(r.headers["set-cookie"], nil)
  eq(http:call("POST", "/v1/session", { json = { token = http.token.viewer }, headers = { Origin = own } }).status, 200)
  r = http:call("POST", "/v1/session", { body = '{"token":"' .. http.token.viewer .. '"}',
                                         headers = { ["Content-Type"] = "text/plain" } })
  eq(r.status, 415)                                       -- what a form could send
  eq(job.stop().code, 0)
end)

sys.test("with TLS the cookie is the browser's for this host and https alone", function(t)
  os.execute(("cd '%s' && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=x "
              .. "-addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out cert.pem 2>/dev/null"):format(t.dir))
  local job, http = kit.serve(t, { conf = 'tls = { cert = "cert.pem", key = "key.pem" }' })
  local ca = t.dir .. "/cert.pem"
  local r = http:call("POST", "/v1/session", { json = { token = http.token.viewer }, cacert = ca })
  local cookie, rest = r.headers["set-cookie"]:match "^([^;]+)(.*)"
  assert(cookie:find "^__Host%-lunette=", cookie)
  for _, part in ipairs { "; Path=/", "; HttpOnly", "; SameSite=Strict", "; Secure" } do has(rest, part) end
  eq(http:call("GET", "/v1/session", { session = cookie, cacert = ca }).doc().who, "viewer")
  -- A page that is reached without TLS can set the other name, and can send it.
  eq(http:call("GET", "/v1/session", { session = cookie:match "__Host%-(.*)", cacert = ca }).status, 401)
  local function sign_out(origin)
    return http:call("DELETE", "/v1/session", { headers = { Cookie = cookie, Origin = origin, ["X-Lunette"] = "1" },
                                                cacert = ca }).status
  end
  eq(sign_out((http.url:gsub("^https", "http"))), 403)
  eq(sign_out(http.url), 200)
  eq(http:call("GET", "/v1/openapi.json", { as = "viewer", cacert = ca }).doc().components.securitySchemes.session.name,
     "__Host-lunette")
  eq(job.stop().code, 0)
end)

sys.test("a session outlives a restart, and ends with its token", function(t)
  local job, http = kit.serve(t)
  local viewer, operator = http:sign_in "viewer", http:sign_in "operator"
  eq(job.stop().code, 0)
  job, http = kit.serve(t, { keep = true, tokens = http.token })
  eq(who(http, viewer).doc().who, "viewer")
  t:expect(0, { "token", "rm", "viewer" })
  eq(who(http, viewer).status, 401)
  t:expect(0, { "token", "add", "viewer", "--role", "viewer" })
  eq(who(http, viewer).status, 401)                       -- another token of that name is another one
  eq(who(http, operator).status, 200)
  -- What the disk has is no key to anything.
  eq(os.execute(("grep -rqF '%s' '%s'"):format(operator:match "=(.*)", t.dir)), nil)
  eq(job.stop().code, 0)
end)

sys.test("a stream of events ends with the session, or the token, by which it began", function(t)
  local job, http = kit.serve(t)
  local cookie = http:sign_in "viewer"
  local ears = { http:listen("second"), http:listen("session", "Cookie: " .. cookie), http:listen "approver" }
  for _, ear in ipairs(ears) do assert(t:until_true(function() return ear.seen():find "retry" end)) end
  t:expect(0, { "token", "rm", "second" })
  eq(http:call("DELETE", "/v1/session", { session = cookie }).status, 200)
  local n = 0
  assert(t:until_true(function()                          -- each save is an event
    n = n + 1
    t:write("scripts/s.lua", "return " .. n)
    return ears[1].seen():find "session, or the token, is over" and ears[2].seen():find "session, or the token, is over"
  end), ears[1].seen() .. ears[2].seen())
  hasnt(ears[3].seen(), "is over")
  for _, ear in ipairs(ears) do ear.stop() end
  eq(job.stop().code, 0)
end)

sys.done()
