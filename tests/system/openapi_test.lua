-- openapi_test.lua: what /v1/openapi.json says against what the running server answers: each answer of a response with
-- writes, holds, questions, findings and refusals is what its schema says, member by member.
local sys = dofile "tests/system/harness.lua"
local kit = dofile "tests/system/http_kit.lua" (sys)
local cjson = require "cjson"
local eq = sys.eq

---What is wrong with a value by a schema (of JSON Schema what the description uses); nil: nothing.
local function fault(doc, schema, v, at)
  if schema["$ref"] then
    local name = schema["$ref"]:match "^#/components/schemas/(.+)$"
    return fault(doc, assert(doc.components.schemas[name], name), v, at)
  end
  local kind = v == cjson.null and "null" or type(v)
  if kind == "number" then kind = v == math.floor(v) and "integer" or "number" end
  local types = type(schema.type) == "table" and schema.type or { schema.type }
  local fits = #types == 0
  for _, want in ipairs(types) do
    fits = fits or want == kind or (kind == "table" and (want == "object" or want == "array"))
           or (kind == "integer" and want == "number")
  end
  if not fits then return ("%s is a %s, not %s"):format(at, kind, table.concat(types, " or ")) end
  if kind ~= "table" then return nil end
  for i, item in ipairs(schema.items and v or {}) do
    local why = fault(doc, schema.items, item, ("%s[%d]"):format(at, i))
    if why then return why end
  end
  for _, name in ipairs(schema.required or {}) do
    if v[name] == nil then return at .. " lacks " .. name end
  end
  for name, member in pairs(schema.properties and v or {}) do
    local inner = schema.properties[name]
    if not inner and schema.additionalProperties == false then return at .. " has " .. name end
    local why = inner and fault(doc, inner, member, at .. "." .. name)
    if why then return why end
  end
  return nil
end

---Compares an answer with the description of its route.
local function matches(doc, method, path, r)
  local op = assert(doc.paths[path] and doc.paths[path][method:lower()], method .. " " .. path .. " is not described")
  local said = op.responses[tostring(r.status)] or op.responses.default
  local type = r.headers["content-type"]
  local content = assert(said.content[type] or said.content["*/*"], ("%s %s: %d as %s"):format(method, path, r.status, type))
  local why = content.schema.type ~= "string" and fault(doc, content.schema, cjson.decode(r.body), method .. " " .. path)
  assert(not why, why)
end

sys.test("the comparison finds what is missing, superfluous, or of another type", function()
  local doc = { components = { schemas = { A = { type = "object", properties = { a = { type = "string" },
                b = { type = "array", items = { type = "integer" } } }, required = { "a" }, additionalProperties = false } } } }
  local schema = { ["$ref"] = "#/components/schemas/A" }
  eq(fault(doc, schema, { a = "x", b = { 1, 2 } }, "it"), nil)
  for _, v in ipairs { {}, { a = 1 }, { a = "x", c = 1 }, { a = "x", b = { 1, "2" } }, { a = cjson.null } } do
    assert(fault(doc, schema, v, "it"), cjson.encode(v))
  end
end)

sys.test("every route answers as it is described", function(t)
  t:sim { "--speed", "500" }
  t:playbook("p", [[ found { severity = "low", title = "it is" }
    not_done("this", "that")
    evidence("log", { 1 })
    log.info("hello", { n = 1 })
    local okta = require "connectors.okta"
    local user = only(okta.users { login = input.login })
    local group = only(okta.groups { name = "ir-restricted", type = "OKTA_GROUP" })
    okta.add_to_group { group = group.id, user = user.id }
    return { user = user.id } ]], 'input = { login = "string" }, uses = { "okta" }, ')
  t:write("lunette.conf.lua", (t:read "sim.conf.lua":gsub("return {", 'return { listen = "127.0.0.1:0", scripts = { "scripts" },'
          .. ' metrics = "open", oidc = { issuer = "http://127.0.0.1:1", client_id = "us", roles = { viewer = { "all" } } },', 1)))
  t.conf = nil
  local job, http = kit.serve(t, { keep = true })
  local doc, seen = cjson.decode(http:call("GET", "/v1/openapi.json", { as = "viewer" }).body), {}
  local function call(status, method, route, o, ...)
    local parts, i = { ... }, 0
    local path = route:gsub("{%w+}", function() i = i + 1; return parts[i] end) .. (o.query or "")
    local r = http:call(method, path, o)
    eq(r.status, status, method .. " " .. path .. " " .. r.body:sub(1, 300))
    matches(doc, method, route, r)
    seen[method .. " " .. route] = true
    return r
  end
  local look, act, decide, all = { as = "viewer" }, "operator", "approver", { as = "admin" }

  local run = call(202, "POST", "/v1/runs", { as = act, json = { playbook = "p",
                   input = { login = "pgustavo@theshire.example" } } }).doc().run
  assert(t:until_true(function() return #http:call("GET", "/v1/approvals", { as = decide }).doc().approvals > 0 end))
  call(200, "GET", "/v1/runs/{run}", look, run)
  local id = call(200, "GET", "/v1/approvals", { as = decide }).doc().approvals[1].id
  call(200, "GET", "/v1/approvals/{id}", { as = decide }, id)
  call(200, "POST", "/v1/approvals/{id}", { as = decide, json = { decision = "approve" } }, id)
  call(409, "POST", "/v1/approvals/{id}", { as = decide, json = { decision = "approve" } }, id)
  assert(t:until_true(function() return http:call("GET", "/v1/runs/" .. run, look).doc().state == "completed" end))
  local done = call(200, "GET", "/v1/runs/{run}", look, run).doc()
  eq(#done.holds, 1)
  eq(#done.found, 1)
  call(200, "GET", "/v1/runs", look)
  local held = call(200, "GET", "/v1/entities", look).doc().entities[1].entity
  call(202, "POST", "/v1/entities/{entity}/release", { as = act, json = { why = "over", plan = true } }, held)
  call(202, "POST", "/v1/runs/{run}/undo", { as = act, json = { plan = true } }, run)
  call(409, "POST", "/v1/runs/{run}/cancel", { as = act }, run)
  call(409, "POST", "/v1/runs/{run}/signals/{name}", { as = act, json = { value = 1 } }, run, "go")
  t:playbook("naps", 'sleep "1d"')
  local naps
  assert(t:until_true(function()
    naps = http:call("POST", "/v1/runs", { as = act, json = { playbook = "naps" } }).doc().run
    return naps
  end))
  call(202, "POST", "/v1/runs/{run}/signals/{name}", { as = act, json = { value = 1 } }, naps, "go")
  call(202, "POST", "/v1/runs/{run}/cancel", { as = act }, naps)
  call(200, "POST", "/v1/freeze", { as = act, json = { why = "a drill" } })
  call(200, "GET", "/v1/freeze", look)
  call(503, "GET", "/healthz", {})
  call(503, "GET", "/readyz", {})
  call(200, "DELETE", "/v1/freeze", all)
  call(200, "GET", "/healthz", {})
  t:write("scripts/naps.lua", "return")
  assert(t:until_true(function() return #http:call("GET", "/v1/playbooks", look).doc().stale > 0 end))
  call(200, "GET", "/v1/playbooks", look)
  call(200, "GET", "/v1/coverage", look)
  local metrics = call(200, "GET", "/metrics", {}).body
  for _, line in ipairs { 'lunette_vendor_calls_total{vendor="okta"} ', 'lunette_vendor_breaker_open{vendor="okta"} 0',
                          'lunette_runs{state="waiting"} ', "lunette_store_commit_seconds_sum ", "# EOF\n" } do
    sys.has(metrics, line)
  end
  local told = {}
  for line in metrics:gmatch "[^\n]+" do               -- each sample belongs to what was described just before
    local name = line:match "^# TYPE (%S+)"
    if name then assert(not told[name], name .. " twice") end
    if name then told[name], told.now = true, name end
    assert(line:find "^#" or line:sub(1, #told.now) == told.now, line)
  end
  call(200, "GET", "/v1/openapi.json", look)
  call(202, "POST", "/v1/alerts", { as = act, body = sys.slurp "tests/fixtures/alerts/crowdstrike/alert_v2_partial_git_fetch.json" })
  call(422, "POST", "/v1/alerts", { as = act, body = '{"what":"nobody knows"}' })
  call(200, "GET", "/v1/alerts", look)
  call(200, "GET", "/v1/audit", all)
  local cookie = call(200, "POST", "/v1/session", { json = { token = http.token.viewer } }).headers["set-cookie"]
  eq(cookie:match "^[^=]+", doc.components.securitySchemes.session.name)
  call(401, "POST", "/v1/session", { json = { token = "lnt_" } })
  call(200, "GET", "/v1/session", look)
  call(200, "DELETE", "/v1/session", { session = cookie:match "^[^;]+" })
  call(409, "DELETE", "/v1/session", look)
  call(200, "GET", "/", {})
  call(200, "GET", "/console/{file}", {}, "console.css")
  call(200, "GET", "/v1/signin", {})
  call(503, "GET", "/v1/signin/oidc", {})                 -- nobody is at that port; oidc_test.lua has a provider
  call(403, "GET", "/v1/signin/oidc/callback", { query = "?state=x&session_state=y" })
  call(401, "GET", "/v1/runs", {})
  call(403, "DELETE", "/v1/freeze", look)
  call(400, "GET", "/v1/runs", { as = "viewer", query = "?limit=x" })
  seen["GET /v1/events"] = true                           -- a stream: tests/system/http_test.lua

  for path, methods in pairs(doc.paths) do
    for method in pairs(methods) do
      local name = method:upper() .. " " .. path
      assert(seen[name], name .. " was not compared")
    end
  end
  job.stop()
end)

sys.done()
