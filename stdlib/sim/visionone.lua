-- visionone.lua: a strict simulator of Trend Vision One's API v3.0, as far as the connector uses it.
--
-- Facts: the vendor's Python SDK (tm-v1-pytv1), API cookbook and MCP server, its guides on regions,
-- authentication and limits, and other integrations.  It refuses what the vendor refuses, and copies the
-- habits that clients stumble over: 207 whatever became of the elements; an equal task that is open is a 400
-- "Task duplication." that names it; tasks pass queued and running, wait for a person in pendingApproval, and
-- stay queued for an agent that is off line, until they fail after a day; nothing has happened before a task
-- has succeeded; a filter is a header, must be sent again with every page, and endpoints cannot be listed
-- without one; nextLink is absolute and names the vendor's own host; task ids have leading zeros; the
-- exception list wins; errors of the gateway are not JSON.
--
-- Where the vendor's behaviour is not documented: adding an object that is listed replaces it, deleting an
-- absent one is an element 404, an object of the block list shows among the suspicious ones.
--
-- What a test may set: state.approval[ACTION] (tasks of it wait for a person: task.approved = true or false
-- ends that), state.block_sha256 (the block list takes SHA-256), state.shows_blocked, state.page (largest
-- page), state.empty_first (the first page of a list is empty), state.denied[OPERATION] (the role lacks it),
-- state.per_minute, state.alerts (whole; state.make_alert makes one), state.endpoints[guid].online,
-- state.lag (seconds until isolationStatus follows a task).

local kit  = require "sim.kit"
local json = require "json"

local TOKEN  = "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.simulated.visionone"
local VENDOR = "https://api.xdr.trendmicro.com"
local DAY = 86400

-- Answers -------------------------------------------------------------------------------------------------

local function refusal(code, message) return { error = { code = code, message = message } } end

local function refuse(status, code, message)
  return { status = status, json = refusal(code, message) }
end

local function bad(code, message) return { status = 400, body = refusal(code, message) } end

local function set(text)
  local out = {}
  for word in text:gmatch "%S+" do out[word] = true end
  return out
end

local function unknown_member(t, known)
  for k in pairs(t) do
    if not known[k] then return tostring(k) end
  end
  return nil
end

local function note(state, at, entry)
  entry.at = at
  state.log[#state.log + 1] = entry
end

-- Filters -------------------------------------------------------------------------------------------------

-- field eq 'value', joined by and, or, not and parentheses.  `fields` says what a name reads off a record:
-- a text, or a list of which one must be equal.  Returns a function of a record, or nil.
local function filter_of(text, fields)
  local at = 1
  local function skip() at = text:match("^%s*()", at) end
  local function word(w)
    skip()
    local past = text:match("^" .. w .. "()%f[^%w]", at)
    if past then at = past end
    return past ~= nil
  end
  local either

  local function single()
    skip()
    if word "not" then
      local inner = single()
      return inner and function(x) return not inner(x) end
    end
    if text:sub(at, at) == "(" then
      at = at + 1
      local inner = either()
      skip()
      if not inner or text:sub(at, at) ~= ")" then return nil end
      at = at + 1
      return inner
    end
    local name, value, past = text:match("^(%a[%w]*)%s+eq%s+'([^']*)'()", at)
    if not name or not fields[name] then return nil end
    at = past
    return function(x)
      local have = fields[name](x)
      for _, v in ipairs(type(have) == "table" and have or { have }) do
        if v == value or name == "endpointName" and v:lower() == value:lower() then return true end
      end
      return false
    end
  end

  local function all()
    local left = single()
    while left and word "and" do
      local a, b = left, single()
      left = b and function(x) return a(x) and b(x) end
    end
    return left
  end

  function either()
    local left = all()
    while left and word "or" do
      local a, b = left, all()
      left = b and function(x) return a(x) or b(x) end
    end
    return left
  end

  local test = either()
  skip()
  return test and at > #text and test or nil
end

local function member(name) return function(x) return x[name] end end

local function members(names)
  local out = {}
  for name in names:gmatch "%S+" do out[name] = member(name) end
  return out
end

-- Pages ---------------------------------------------------------------------------------------------------

local TOPS = set "50 100 200"

-- A page of `all`, by the header `name`, which must come again with every page.
local function paged(req, state, all, fields, o)
  local top = kit.first(req.query.top) or "100"
  if not (o.any_top and tonumber(top) or TOPS[top]) then
    return refuse(400, "BadRequest", "top: not one of 50, 100, 200")
  end
  local filter = o.header and kit.first(req.headers[o.header]) or o.filter
  if o.required and not filter then return refuse(400, "BadRequest", "TMV1-Query is required") end
  if #(filter or "") > (o.most or 4000) then return refuse(400, "BadRequest", "the filter is too long") end
  local test = not filter and function() return true end or filter_of(filter, fields)
  if not test then return refuse(400, "BadRequest", "the filter is not one: " .. filter) end

  local from, given = 0, kit.first(req.query.skipToken)
  if given then
    local held = state.skips[given]
    if not held or held.filter ~= filter then return refuse(400, "BadRequest", "invalid skipToken") end
    from = held.from
  end
  local found, out = {}, {}
  for _, x in ipairs(all) do
    if test(x) then found[#found + 1] = x end
  end
  local size = math.min(tonumber(top), state.page)
  if state.empty_first and not given then size = 0 end
  for i = from + 1, math.min(from + size, #found) do out[#out + 1] = o.view(found[i]) end
  local link = ""
  if from + #out < #found or size == 0 then
    local skip = kit.pick(req.rand, 16)
    local same = req.query_text:gsub("&?skipToken=[^&]*", "")            -- the link holds the query, no headers
    state.skips[skip] = { filter = filter, from = from + #out }
    link = ("%s%s?%s%sskipToken=%s"):format(VENDOR, req.path, same, same ~= "" and "&" or "", skip)
  end
  return { status = 200, json = { items = size > 0 and json.array(out) or json.null, nextLink = link,
                                  totalCount = o.counted and #found or nil } }
end

-- Endpoints -----------------------------------------------------------------------------------------------

local function stated(value, at) return { value = value, updatedDateTime = at } end

local function endpoint_view(e, now)
  local h = e.host
  local at = kit.iso(now - h.seen_ago)
  return { agentGuid = e.id, endpointName = stated(h.hostname, at), ip = stated(json.array { h.ip }, at),
           loginAccount = stated(json.array { h.user }, kit.iso(now - h.seen_ago - 3600)),
           macAddress = stated(json.array { (h.mac:gsub("-", ":")) }, at), osName = h.platform,
           osVersion = h.os_version, osDescription = h.os .. " (64 bit) build " .. h.build,
           productCode = "xes",
           installedProductCodes = json.array { "xes" }, componentUpdateStatus = "on" }
end

local ENDPOINT_FIELDS = {
  agentGuid = function(e) return e.id end, endpointName = function(e) return e.host.hostname end,
  ip = function(e) return { e.host.ip, e.host.external_ip } end,
  osName = function(e) return e.host.platform end,
  macAddress = function(e) return (e.host.mac:gsub("-", ":")) end,
  loginAccount = function(e) return e.host.user end,
}

local function list_endpoints(req, state)
  return paged(req, state, state.endpoint_list, ENDPOINT_FIELDS, {
    header = "tmv1-query", required = true, most = 1024,
    view = function(e) return endpoint_view(e, req.now) end })
end

-- An endpoint as the inventory has it, with its isolation.
local function inventory_view(e, now)
  return { agentGuid = e.id, endpointName = e.host.hostname, osName = e.host.platform, isolationStatus = e.shown,
           lastConnectedDateTime = kit.iso(now - e.host.seen_ago) }
end

local function inventory(req, state)
  local top = math.tointeger(tonumber(kit.first(req.query.top) or "10"))
  if not top or top < 10 or top > 1000 then return refuse(400, "BadRequest", "top: 10 to 1000") end
  return paged(req, state, state.endpoint_list, ENDPOINT_FIELDS, {
    header = "tmv1-filter", any_top = true, most = 5000, counted = true,
    view = function(e) return inventory_view(e, req.now) end })
end

local function get_endpoint(req, state)
  local e = state.endpoints[req.params.id:lower()]
  if not e then return refuse(404, "NotFound", "The endpoint does not exist.") end
  return { status = 200, json = inventory_view(e, req.now) }
end

-- Tasks ---------------------------------------------------------------------------------------------------

local OPEN = set "queued running pendingApproval"

local function location(task)
  -- The published examples name a path that does not exist: only the last segment means anything.
  return { { name = "Operation-Location", value = VENDOR .. "/v3.0/xdr/response/tasks/" .. task.id } }
end

local function open_task(state, key)
  for _, t in ipairs(state.tasks) do
    if t.key == key and OPEN[t.status] then return t end
  end
  return nil
end

-- Makes a task, or refuses because an equal one is open; as an element.
local function start(state, req, action, key, fields, effect)
  local twin = open_task(state, action .. "/" .. key)
  if twin then
    local e = bad("TaskError", "Task duplication.")
    e.headers = location(twin)
    return e
  end
  state.number = state.number + 1
  local t = { id = ("%08d"):format(state.number), action = action, key = action .. "/" .. key,
              status = state.approval[action] and "pendingApproval" or "queued", at = req.now, last = req.now,
              effect = effect, takes = kit.int(req.rand, 6, 12), fields = fields }
  t.began = t.status == "queued" and req.now or nil
  table.insert(state.tasks, 1, t)
  note(state, req.now, { op = action, task = t.id, host = fields.agentGuid, value = fields.value,
                         sha1 = fields.fileSha1, description = fields.description })
  return { status = 202, headers = location(t) }
end

local function over(state, t, status, at, why)
  t.status, t.last, t.error = status, at, why
  if status == "succeeded" then
    t.effect(state, at)
    note(state, at, { op = t.action .. " done", task = t.id, host = t.fields.agentGuid,
                      value = t.fields.value })
  end
end

local function advance(state, t, now)
  if t.status == "pendingApproval" and t.approved ~= nil then
    t.status, t.began = t.approved and "queued" or "rejected", now
  end
  if not t.began or not OPEN[t.status] then return end
  local endpoint = state.endpoints[t.fields.agentGuid or ""]
  if endpoint and not endpoint.online then
    if now >= t.began + DAY then
      over(state, t, "failed", t.began + DAY, { code = "Timeout", message = "The agent was not reachable." })
    end
    return
  end
  if now >= t.began + 2 then t.status, t.last = "running", t.began + 2 end
  if now >= t.began + t.takes then over(state, t, "succeeded", t.began + t.takes) end
end

local function expire(list, now)
  for i = #list, 1, -1 do
    if list[i].expires and list[i].expires <= now then table.remove(list, i) end
  end
end

local function settle(state, now)
  for i = #state.tasks, 1, -1 do advance(state, state.tasks[i], now) end
  for _, e in ipairs(state.endpoint_list) do
    if e.changes and e.changes <= now then e.shown, e.changes = e.isolation, nil end
  end
  expire(state.suspicious, now)
end

local function task_view(t)
  local out = { id = t.id, status = t.status, action = t.action, createdDateTime = kit.iso(t.at),
                lastActionDateTime = kit.iso(t.last), account = "Lunette API key", error = t.error }
  for k, v in pairs(t.fields) do
    if k ~= "value" then out[k] = v end
  end
  return out
end

local function get_task(req, state)
  for _, t in ipairs(state.tasks) do
    if t.id == req.params.id then return { status = 200, json = task_view(t) } end
  end
  return refuse(404, "NotFound", "The task does not exist.")
end

local function list_tasks(req, state)
  local since = kit.first(req.query.startDateTime)
  if since and (#since > 20 or not kit.seconds(since)) then
    return refuse(400, "BadRequest", "startDateTime: yyyy-MM-ddThh:mm:ssZ")
  end
  local all = {}
  for _, t in ipairs(state.tasks) do
    if not since or t.at >= kit.seconds(since) then all[#all + 1] = t end
  end
  return paged(req, state, all, members "id status action account",
               { filter = kit.first(req.query.filter), most = 2048, view = task_view })
end

-- Response actions ----------------------------------------------------------------------------------------

-- A body that is an array of at most `most` objects; each element becomes what `one` says of it.
local function each(req, most, one)
  if type(req.json) ~= "table" or req.json[1] == nil then
    return refuse(400, "BadRequest", "The body must be an array.")
  end
  if #req.json > most then return refuse(400, "BadRequest", "Too many elements.") end
  local out = {}
  for i, e in ipairs(req.json) do
    out[i] = type(e) == "table" and one(e) or bad("BadRequest", "An element must be an object.")
  end
  return { status = 207, json = json.array(out) }
end

local function target(state, e, known)
  local odd = unknown_member(e, known)
  if odd then return nil, bad("ParameterNotAccepted", odd .. " is not accepted.") end
  for k, v in pairs(e) do
    if v == "" then return nil, bad("BadRequest", k .. " is empty.") end
  end
  if (e.agentGuid == nil) == (e.endpointName == nil) then
    return nil, bad("BadRequest", "Exactly one of agentGuid and endpointName is required.")
  end
  if #(e.description or "") > 256 then return nil, bad("BadRequest", "description is too long.") end
  local found = state.endpoints[(e.agentGuid or ""):lower()]
  for _, x in ipairs(e.endpointName and state.endpoint_list or {}) do
    if x.host.hostname:lower() == e.endpointName:lower() then found = x end
  end
  if not found then return nil, bad("BadRequest", "Endpoint not found.") end
  return found
end

local function isolation(action, status)
  return function(req, state)
    return each(req, 1000, function(e)
      local x, no = target(state, e, set "agentGuid endpointName description")
      if not x then return no end
      return start(state, req, action, x.id,
                   { agentGuid = x.id, endpointName = x.host.hostname, description = e.description },
                   function(_, at) x.isolation, x.changes = status, at + state.lag end)
    end)
  end
end

local function end_processes(x, sha1)
  local killed = 0
  for i = #x.processes, 1, -1 do
    if x.processes[i].sha1 == sha1 then
      table.remove(x.processes, i)
      killed = killed + 1
    end
  end
  return killed
end

local function terminate(req, state)
  return each(req, 1000, function(e)
    local x, no = target(state, e, set "agentGuid endpointName description fileSha1 fileName processId")
    if not x then return no end
    local sha1 = e.fileSha1
    if type(sha1) ~= "string" or #sha1 ~= 40 or sha1:find "%X" then
      return bad("BadRequest", "fileSha1: 40 hex digits are required.")
    end
    return start(state, req, "terminateProcess", x.id .. sha1:lower(),
                 { agentGuid = x.id, endpointName = x.host.hostname, fileSha1 = sha1, fileName = e.fileName,
                   description = e.description },
                 function(st, at)
                   note(st, at, { op = "killed", host = x.id, n = end_processes(x, sha1:lower()) })
                 end)
  end)
end

-- Lists ---------------------------------------------------------------------------------------------------

local TYPES = set "url domain ip senderMailAddress fileSha1 fileSha256"
local LENGTH = { fileSha1 = 40, fileSha256 = 64 }
local LONGEST = { url = 2048, domain = 253, ip = 39, senderMailAddress = 320 }

-- The one type key of an element and its value; or nil and why not.
local function object(e, more)
  local kind
  for k, v in pairs(e) do
    if TYPES[k] and kind then return nil, bad("BadRequest", "Exactly one object is required.") end
    if not TYPES[k] and not more[k] then return nil, bad("ParameterNotAccepted", k .. " is not accepted.") end
    if v == "" then return nil, bad("BadRequest", k .. " is empty.") end
    if TYPES[k] then kind = k end
  end
  if not kind or type(e[kind]) ~= "string" then return nil, bad("BadRequest", "An object is required.") end
  local value = e[kind]
  if LENGTH[kind] and (#value ~= LENGTH[kind] or value:find "%X") or #value > (LONGEST[kind] or 64) then
    return nil, bad("BadRequest", kind .. " is not one.")
  end
  if #(e.description or "") > 1000 then return nil, bad("BadRequest", "description is too long.") end
  return kind, value
end

local function find(list, kind, value)
  for i, x in ipairs(list) do
    if x.type == kind and x.value:lower() == value:lower() then return x, i end
  end
  return nil
end

local function put(state, at, x)
  local _, i = find(state.suspicious, x.type, x.value)
  if i then table.remove(state.suspicious, i) end
  x.modified = at
  table.insert(state.suspicious, 1, x)
end

local function take(list, kind, value)
  local _, i = find(list, kind, value)
  if i then table.remove(list, i) end
  return i ~= nil
end

local function block_list(action)
  return function(req, state)
    return each(req, 1000, function(e)
      local kind, value = object(e, set "description")
      if not kind then return value end
      if kind == "fileSha256" and not state.block_sha256 then
        return bad("NotSupported", "fileSha256 is not supported.")
      end
      local fields = { [kind] = value, value = value, description = e.description }
      return start(state, req, action, kind .. value:lower(), fields, function(st, at)
        if action == "restoreBlock" then take(st.suspicious, kind, value) return end
        if st.shows_blocked then
          put(st, at, { type = kind, value = value, scanAction = "block", riskLevel = "high",
                        description = e.description })
        end
      end)
    end)
  end
end

local function add_object(req, state)
  return each(req, 1000, function(e)
    local kind, value = object(e, set "description scanAction riskLevel daysToExpiration")
    if not kind then return value end
    if e.scanAction and not set "block log"[e.scanAction] then return bad("BadRequest", "scanAction") end
    if e.riskLevel and not set "high medium low"[e.riskLevel] then return bad("BadRequest", "riskLevel") end
    local days = e.daysToExpiration
    if days ~= nil and (math.type(days) ~= "integer" or days == 0 or days < -1) then
      return bad("BadRequest", "daysToExpiration")
    end
    put(state, req.now, { type = kind, value = value, scanAction = e.scanAction or "log",
                          riskLevel = e.riskLevel or "medium", description = e.description,
                          expires = days ~= -1 and req.now + (days or 30) * DAY or nil })
    note(state, req.now, { op = "add_suspicious_object", value = value, action = e.scanAction, days = days })
    return { status = 201 }
  end)
end

local function delete_from(which, op, most)
  return function(req, state)
    return each(req, most, function(e)
      local kind, value = object(e, {})
      if not kind then return value end
      if not take(state[which], kind, value) then
        return { status = 404, body = refusal("NotFound", "The object does not exist.") }
      end
      note(state, req.now, { op = op, value = value })
      return { status = 204 }
    end)
  end
end

local function add_exception(req, state)
  return each(req, 100, function(e)
    local kind, value = object(e, set "description")
    if not kind then return value end
    take(state.excepted, kind, value)
    table.insert(state.excepted, 1, { type = kind, value = value, description = e.description,
                                      modified = req.now })
    note(state, req.now, { op = "add_exception", value = value })
    return { status = 201 }
  end)
end

local OBJECT_FIELDS = members "type scanAction riskLevel"
for kind in pairs(TYPES) do
  OBJECT_FIELDS[kind] = function(x) return x.type == kind and x.value or "" end
end

local function list_objects(req, state)
  return paged(req, state, state.suspicious, OBJECT_FIELDS, { header = "tmv1-filter", view = function(x)
    return { type = x.type, [x.type] = x.value, description = x.description, scanAction = x.scanAction,
             riskLevel = x.riskLevel, inExceptionList = find(state.excepted, x.type, x.value) ~= nil,
             lastModifiedDateTime = kit.iso(x.modified), expiredDateTime = x.expires and kit.iso(x.expires) }
  end })
end

local function list_exceptions(req, state)
  return paged(req, state, state.excepted, OBJECT_FIELDS, { header = "tmv1-filter", view = function(x)
    return { type = x.type, [x.type] = x.value, description = x.description,
             lastModifiedDateTime = kit.iso(x.modified) }
  end })
end

-- The gate ------------------------------------------------------------------------------------------------

local function too_many(state, wait)
  local r = refuse(429, "TooManyRequests", "The number of requests exceeded the limit.")
  r.headers = { { "RateLimit-Limit", state.per_minute }, { "RateLimit-Window", 60 },
                { "RateLimit-Remaining", 0 }, { "RateLimit-Reset", wait } }
  return r
end

-- Requests of the last minute to one API, this one included.
local function crowded(req, state)
  local calls = {}
  for _, at in ipairs(state.calls[req.path] or {}) do
    if at > req.now - 60 then calls[#calls + 1] = at end
  end
  calls[#calls + 1] = req.now
  state.calls[req.path] = calls
  return #calls > state.per_minute
end

local function before(req, state)
  settle(state, req.now)
  if kit.first(req.headers.authorization) ~= "Bearer " .. state.token then
    return refuse(401, "InvalidCredentials", "The API key is invalid or expired.")
  end
  if #req.body > 1024 * 1024 then return refuse(413, "RequestEntityTooLarge", "The body is too large.") end
  if crowded(req, state) then return too_many(state, 60) end
  if state.denied[req.op or ""] then return refuse(403, "AccessDenied", "The role lacks a permission.") end
  if req.method == "POST" and req.json == nil then
    return refuse(400, "BadRequest", "The body must be JSON.")
  end
  return nil
end

local function none(req)
  if req.allow then return refuse(405, "MethodNotAllowed", "The method is not allowed.") end
  return refuse(404, "NotFound", "The path does not exist.")
end

-- Workbench alerts ----------------------------------------------------------------------------------------

-- One of a host's interpreter, as the detection model has it.
local function alert_of(state, host, process, at)
  local host_ref = { guid = host.id, name = host.host.hostname, ips = json.array { host.host.ip } }
  local day = kit.iso(at):sub(1, 10):gsub("-", "")
  local id = ("WB-20417-%s-%05d"):format(day, #state.alerts + 1)
  return { schemaVersion = "1.15", id = id, modelId = "m1", investigationStatus = "New",
           workbenchLink = "https://portal.xdr.trendmicro.com/index.html#/workbench?workbenchId=" .. id,
           alertProvider = "SAE", modelType = "preset", model = "Suspicious Script Execution", score = 64,
           severity = "high", status = "Open", investigationResult = "No Findings",
           createdDateTime = kit.iso(at), updatedDateTime = kit.iso(at), ownerIds = json.array {},
           impactScope = { desktopCount = 1, serverCount = 0, accountCount = 0, emailAddressCount = 0,
             entities = json.array { { entityType = "host", entityId = host.id, entityValue = host_ref,
                                       relatedIndicatorIds = json.array { 1 } } } },
           description = "An interpreter was started with a command.",
           matchedRules = json.array { { id = "r1", name = "Script", matchedFilters = json.array {
             { id = "f1", name = "Script", mitreTechniqueIds = json.array { "T1059" } } } } },
           indicators = json.array { { id = 1, type = "command_line", field = "processCmd",
                                       value = process.cmd_line or process.image,
                                       relatedEntities = json.array { host.id } } } }
end

local TARGETS = set "createdDateTime updatedDateTime firstInvestigatedDateTime"
local ALERT_PARAMETERS = set "startDateTime endDateTime dateTimeTarget orderBy skipToken"

-- What nobody arranged: one of each host that has processes, a minute old when it is first asked for.
local function some_alerts(state, now)
  for _, e in ipairs(#state.alerts == 0 and state.endpoint_list or {}) do
    if e.processes[1] then
      state.alerts[#state.alerts + 1] = alert_of(state, e, e.processes[#e.processes], now - 60)
    end
  end
end

-- The last day where no beginning is given.
local function list_alerts(req, state)
  some_alerts(state, req.now)
  local odd = unknown_member(req.query, ALERT_PARAMETERS)
  if odd then return refuse(400, "BadRequest", "unknown parameter " .. odd) end
  local by = kit.first(req.query.dateTimeTarget) or "createdDateTime"
  if not TARGETS[by] then return refuse(400, "BadRequest", "dateTimeTarget is none") end
  local from, to = kit.first(req.query.startDateTime), kit.first(req.query.endDateTime)
  if (from and not kit.seconds(from)) or (to and not kit.seconds(to)) then
    return refuse(400, "BadRequest", "a time is none")
  end
  local first, last = from and kit.seconds(from) or req.now - DAY, to and kit.seconds(to) or req.now
  local found = {}
  for _, a in ipairs(state.alerts) do
    local at = a[by] and kit.seconds(a[by])
    if at and at >= first and at <= last then found[#found + 1] = a end
  end
  return paged(req, state, found, {}, { view = kit.copy, counted = true })
end

-- What the alert is the version of: it changes with every change.
local function etag(state, a) return ('"%s-%d"'):format(a.id, state.versions[a.id] or 1) end

local function one_alert(fn)
  return function(req, state)
    some_alerts(state, req.now)
    for _, a in ipairs(state.alerts) do
      if a.id == req.params.id then return fn(req, state, a) end
    end
    return refuse(404, "NotFound", "The alert does not exist.")
  end
end

local get_alert = one_alert(function(_, state, a)
  return { status = 200, json = kit.copy(a), headers = { { "ETag", etag(state, a) } } }
end)

local ALERT_STATUSES = { Open = true, ["In Progress"] = true, Closed = true }
local FINDINGS = { ["No Findings"] = true, Noteworthy = true, ["True Positive"] = true, ["False Positive"] = true,
                   ["Benign True Positive"] = true, ["Other Findings"] = true }

-- Strict where the vendor is not: who names no version would overwrite what others did.
local update_alert = one_alert(function(req, state, a)
  local body = type(req.json) == "table" and req.json or {}
  local odd = unknown_member(body, set "status investigationResult")
  if odd then return refuse(400, "BadRequest", "unknown member " .. odd) end
  if next(body) == nil then return refuse(400, "BadRequest", "nothing to change") end
  if body.status ~= nil and not ALERT_STATUSES[body.status] then return refuse(400, "BadRequest", "status is none") end
  if body.investigationResult ~= nil and not FINDINGS[body.investigationResult] then
    return refuse(400, "BadRequest", "investigationResult is none")
  end
  local known = kit.first(req.headers["if-match"])
  if known == nil then return refuse(400, "BadRequest", "If-Match is wanted") end
  if known ~= etag(state, a) then return refuse(412, "ConditionNotMet", "The alert was changed.") end
  a.status, a.investigationResult = body.status or a.status, body.investigationResult or a.investigationResult
  state.versions[a.id] = (state.versions[a.id] or 1) + 1
  note(state, req.now, { op = "set_alert_status", alert = a.id, status = a.status })
  return { status = 204 }
end)

local list_notes = one_alert(function(req, state, a)
  return paged(req, state, state.notes[a.id] or {}, {}, { view = kit.copy })
end)

local add_note = one_alert(function(req, state, a)
  local content = type(req.json) == "table" and req.json.content
  if type(content) ~= "string" or content == "" or #content > 500000 or unknown_member(req.json, set "content") then
    return refuse(400, "BadRequest", "content is wanted")
  end
  local notes = state.notes[a.id] or {}
  state.notes[a.id] = notes
  notes[#notes + 1] = { id = #notes + 1, content = content, createdDateTime = kit.iso(req.now) }
  note(state, req.now, { op = "comment_alerts", alert = a.id, text = content })
  return { status = 201, headers = { { "Location", ("%s%s/%d"):format(VENDOR, req.path, #notes) } } }
end)

-- The whole -----------------------------------------------------------------------------------------------

local function new(world, rand)
  local state = { world = world, token = TOKEN, endpoints = {}, endpoint_list = {}, tasks = {}, number = 4710,
                  approval = {}, suspicious = {}, excepted = {}, skips = {}, calls = {}, denied = {},
                  per_minute = 600, page = 200, lag = 0, block_sha256 = false, shows_blocked = true,
                  alerts = {}, make_alert = alert_of, versions = {}, notes = {}, log = {} }
  for i, h in ipairs(world.hosts) do
    local e = { id = kit.uuid(rand), host = h, online = h.online, isolation = "off", shown = "off",
                processes = {} }
    for n, p in ipairs(h.processes) do e.processes[n] = p end
    state.endpoints[e.id], state.endpoint_list[i] = e, e
  end
  return state
end

-- Done, and the last element says that it was not.
local function half_done(_, _, _, answer)
  local r = answer()
  local ok, body = pcall(json.decode, r.body)
  if r.status ~= 207 or not ok then return r end
  body[#body] = { status = 500, body = refusal("InternalServerError", "Something went wrong.") }
  r.body = json.encode(body)
  return r
end

-- Isolation, and both lists of files, by the names that the ledger has for them.
local function truth(state, now)
  settle(state, now)
  local out = {}
  for _, e in ipairs(state.endpoint_list) do
    out[#out + 1] = { entity = "visionone:host:" .. e.id:lower(), facet = "isolation",
                      state = e.isolation == "on" and "isolated" or "connected" }
  end
  for _, x in ipairs(state.suspicious) do
    out[#out + 1] = { entity = "visionone:file:" .. x.value, facet = "suspicious", state = x.scanAction }
  end
  for _, x in ipairs(state.excepted) do
    out[#out + 1] = { entity = "visionone:file:" .. x.value, facet = "exception", state = "excepted" }
  end
  return out, { "isolation", "suspicious", "exception" }
end

return kit.sim {
  vendor = "visionone",
  config = { token = TOKEN },
  new = new,
  before = before,
  none = none,
  truth = truth,
  routes = {
    { "GET", "/v3.0/healthcheck/connectivity", "healthcheck",
      function() return { status = 200, json = { status = "available" } } end },
    { "GET", "/v3.0/workbench/alerts", "alerts", list_alerts },
    { "GET", "/v3.0/workbench/alerts/{id}", "alert", get_alert },
    { "PATCH", "/v3.0/workbench/alerts/{id}", "set_alert_status", update_alert },
    { "GET", "/v3.0/workbench/alerts/{id}/notes", "alert_notes", list_notes },
    { "POST", "/v3.0/workbench/alerts/{id}/notes", "comment_alerts", add_note },
    { "GET", "/v3.0/eiqs/endpoints", "endpoints", list_endpoints },
    { "GET", "/v3.0/endpointSecurity/endpoints", "endpoint_count", inventory },
    { "GET", "/v3.0/endpointSecurity/endpoints/{id}", "isolation", get_endpoint },
    { "POST", "/v3.0/response/endpoints/isolate", "isolate", isolation("isolate", "on") },
    { "POST", "/v3.0/response/endpoints/restore", "end_isolation", isolation("restoreIsolate", "off") },
    { "POST", "/v3.0/response/endpoints/terminateProcess", "terminate_process", terminate },
    { "POST", "/v3.0/response/suspiciousObjects", "block", block_list "block" },
    { "POST", "/v3.0/response/suspiciousObjects/delete", "unblock", block_list "restoreBlock" },
    { "GET", "/v3.0/response/tasks", "tasks", list_tasks },
    { "GET", "/v3.0/response/tasks/{id}", "task", get_task },
    { "GET", "/v3.0/threatintel/suspiciousObjects", "suspicious_objects", list_objects },
    { "POST", "/v3.0/threatintel/suspiciousObjects", "add_suspicious_object", add_object },
    { "POST", "/v3.0/threatintel/suspiciousObjects/delete", "remove_suspicious_object",
      delete_from("suspicious", "remove_suspicious_object", 1000) },
    { "GET", "/v3.0/threatintel/suspiciousObjectExceptions", "exceptions", list_exceptions },
    { "POST", "/v3.0/threatintel/suspiciousObjectExceptions", "add_exception", add_exception },
    { "POST", "/v3.0/threatintel/suspiciousObjectExceptions/delete", "remove_exception",
      delete_from("excepted", "remove_exception", 100) },
  },
  faults = {
    ["429"] = function(_, state, arg) return too_many(state, math.floor(arg or 2)) end,
    ["409"] = function() return refuse(409, "Conflict", "The request conflicts with another one.") end,
    ["5xx"] = function(_, _, arg, answer)
      if arg == 504 then answer() end
      return refuse(math.floor(arg or 500), "InternalServerError", "Something went wrong.")
    end,
    expire = function() return refuse(401, "InvalidCredentials", "The API key is expired.") end,
    partial = half_done,
  },
}
