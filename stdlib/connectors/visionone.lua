-- visionone.lua: Trend Vision One: endpoints, response actions, and the lists of what is blocked or allowed.
--
-- What must be known to change this file:
--  * 207 says nothing about success: each element has a status of its own.  We send one element a call.
--  * A response action makes a task.  An equal task that is still open is a 400 "Task duplication." that
--    names it: it is adopted.  Task ids are texts with leading zeros.
--  * `pendingApproval` waits for a person in the console, `queued` for an agent that may be off line; neither
--    is an end.  `succeeded` means commanded, not verified: isolation is looked at afterwards.
--  * Two lists: the block list (SHA-1, addresses; asynchronous, no expiry), and the suspicious objects
--    (SHA-256 too; at once, with action, risk and expiry).  The exception list wins over both.
--  * A filter is a header.  A value that would need quoting there is refused; how one quotes is not known.
--  * Addresses in answers (nextLink, Operation-Location) are read for their path only.

local time = require "time"

local JSON = { ["Content-Type"] = "application/json;charset=utf-8" }

-- Small things --------------------------------------------------------------------------------------------

local function list(x) return type(x) == "table" and x or {} end

local function one(x)
  if type(x) == "table" then return x[1] end
  return x
end

local function base_name(path) return (path:match "([^\\/]*)$") end

local function seconds(t) return type(t) == "number" and t or time.parse(t) end

-- The vendor's times may have a fraction, or lack the Z; all are UTC.
local function utc(text)
  local whole = type(text) == "string" and text:match "^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d"
  return whole and whole .. "Z" or nil
end

-- For queries: at most 20 characters, so no fraction.
local function stamp(t) return time.format(math.floor(seconds(t))) end

local function is_guid(s)
  return type(s) == "string" and s:match "^%x+%-%x+%-%x+%-%x+%-%x+$" ~= nil and #s == 36
end

-- An endpoint's id: as text, as an endpoint that we returned, or among the agents of an alert's device.
local function agent(host)
  local known = { host }
  if type(host) == "table" then
    local agents = host.agents or {}
    known = { host.id or "", agents.trend_vision_one or "", agents.visionone or "", host.hostname or "" }
  end
  for _, id in ipairs(known) do
    if is_guid(id) then return id end
  end
  fail("bad_argument", ("host: \"%s\" is not an agent's GUID: visionone.endpoint finds it")
                       :format(tostring(known[1] ~= "" and known[1] or known[4])))
end

-- "field eq 'value'", for a header: what could end the value, or the header, is refused.
local function equals(field, value)
  if value:find "[%c'\x80-\xff]" or #value > 900 then
    fail("bad_argument", ("%s: \"%s\" cannot stand in a filter: it has a quote, a control or non-ASCII "
                          .. "character, or is too long"):format(field, value))
  end
  return ("%s eq '%s'"):format(field, value)
end

-- A text of ours in the vendor's console: the tag by which a write is found again, and what the author says.
local function description(a, ctx, most)
  local text = ctx.tag .. (a.description and ": " .. a.description or "")
  return text:sub(1, most)
end

-- What answers mean ---------------------------------------------------------------------------------------

local function error_of(body)
  if type(body) ~= "table" then return {} end
  if type(body.error) == "table" then return body.error end
  return body.code and body or {}
end

-- The one element that an answer is about: { status, headers, body, error }.  A plain answer is its own.
local function element(answer)
  local body = answer.body
  if answer.status ~= 207 then
    return { status = answer.status, headers = answer.headers, body = body, error = error_of(body) }
  end
  local e = type(body) == "table" and body[1]
  if type(e) ~= "table" then return { status = 0, headers = {}, error = {} } end
  local headers = {}
  for _, h in ipairs(list(e.headers)) do
    if h.name then headers[h.name:lower()] = h.value end
  end
  local inner = error_of(e.body)
  return { status = tonumber(e.status) or 0, headers = headers, body = e.body,
           error = inner.code and inner or error_of(e) }
end

local function last_segment(url) return one(url) and one(url):match "^([^?#]*)":match "([^/]+)/*$" end

local function task_of(e) return last_segment(e.headers["operation-location"]) end

-- An equal task is open: that is the one we want.
local function duplicate(e)
  return e.status == 400 and e.error.code == "TaskError"
         and (e.error.message or ""):lower():find("duplicat", 1, true) ~= nil and task_of(e) ~= nil
end

local CODE = { BadRequest = "bad_argument", ParameterNotAccepted = "bad_argument",
               NotSupported = "bad_argument", Unsupported = "bad_argument",
               InvalidCredentials = "unauthorised", AccessDenied = "forbidden",
               NotFound = "not_found", ConditionNotMet = "conflict", RequestEntityTooLarge = "too_big",
               TooManyRequests = "rate_limited" }
local BY_STATUS = { [400] = "bad_argument", [401] = "unauthorised", [403] = "forbidden", [404] = "not_found",
                    [412] = "conflict", [413] = "too_big", [429] = "rate_limited" }

local function header(answer, name) return tonumber(one(answer.headers[name]) or "") end

local function wait_of(answer)
  return header(answer, "retry-after") or header(answer, "ratelimit-reset") or 60
end

local function fault(answer)
  local e = element(answer)
  if e.status >= 200 and e.status < 300 or duplicate(e) then return nil end
  local f = { message = e.error.message or ("status " .. e.status), vendor_code = e.error.code }
  if e.status == 0 then
    return { code = "failed", message = "an answer without an element" }
  elseif e.status == 429 then
    f.code, f.retry, f.after, f.executed = "rate_limited", true, wait_of(answer), false
  elseif e.status >= 500 then                              -- also 504: the server gave up waiting
    f.code, f.retry = "unavailable", true
  elseif e.status >= 400 then
    f.code, f.executed = CODE[e.error.code or ""] or BY_STATUS[e.status] or "failed", false
    if f.code == "bad_argument" and f.message:lower():find("not found", 1, true) then f.code = "not_found" end
    if f.code == "forbidden" then f.message = f.message .. ": the key's role lacks a permission" end
    if f.code == "unauthorised" then f.message = f.message .. ": the key is expired, or of another region" end
  else
    f.code = "failed"                                      -- a redirect is never followed
  end
  return f
end

-- Taking off a list what is not on it.
local function gone_is_good(answer)
  if element(answer).error.code == "NotFound" then return nil end
  return false
end

local function limit(answer)
  if answer.status == 429 then return { wait = wait_of(answer) } end
  local remaining = header(answer, "ratelimit-remaining")
  return remaining and { remaining = remaining, reset_after = header(answer, "ratelimit-reset") } or nil
end

local function page(answer)
  local body = list(answer.body)
  local next_link = body.nextLink
  local more = type(next_link) == "string" and next_link ~= ""
  return list(body.items), more and { url = next_link } or nil   -- a page may be empty, and not the last
end

local operations = {}

-- Endpoints -----------------------------------------------------------------------------------------------

-- Domain controllers cannot be told from other servers here, and a Linux machine with an agent is mostly a
-- server: it counts as one.
local function role_of(os, text)
  text = text:lower()
  if text:find("server", 1, true) or os == "linux" then return "server" end
  if os == "windows" or os == "macos" or os == "macosx" then return "workstation" end
  return "unknown"
end

local function values(member)
  if type(member) ~= "table" then return {} end
  return type(member.value) == "table" and member.value or { member.value }
end

-- When an agent last said anything of itself.
local function last_said(e)
  local newest
  for _, name in ipairs { "endpointName", "ip", "macAddress", "loginAccount" } do
    local at = type(e[name]) == "table" and utc(e[name].updatedDateTime)
    if at and (not newest or at > newest) then newest = at end
  end
  return newest
end

local function endpoint_of(e)
  local os = (e.osName or ""):lower()
  return { id = e.agentGuid, hostname = values(e.endpointName)[1], ip = values(e.ip),
           mac = values(e.macAddress), users = values(e.loginAccount), os = os ~= "" and os or nil,
           os_version = e.osDescription or e.osVersion, product = e.productCode,
           role = role_of(os, e.osDescription or ""), last_seen = last_said(e) }
end

operations.endpoints = {
  summary = "Endpoints by exact name, address or agent GUID.",
  source = "Trend Vision One API v3.0, 7",
  class = "read", expect = { 200 }, list = true,
  params = { id = "string?", hostname = "string?", ip = "ip?" },
  method = "GET", path = "/v3.0/eiqs/endpoints", query = { top = "200" },
  headers = function(a)
    local terms = {}
    if a.id then terms[#terms + 1] = equals("agentGuid", a.id) end
    if a.hostname then terms[#terms + 1] = equals("endpointName", a.hostname) end
    if a.ip then terms[#terms + 1] = equals("ip", a.ip) end
    -- The vendor demands a query; this one matches all.
    return { ["TMV1-Query"] = #terms > 0 and table.concat(terms, " and ") or "not (agentGuid eq '')" }
  end,
  page = page, item = endpoint_of, needs = { id = "string", hostname = "string" },
}

operations.endpoint_count = {
  summary = "How many endpoints Vision One knows.",
  source = "Trend Vision One API v3.0, 7",
  class = "read", expect = { 200 }, params = {},
  method = "GET", path = "/v3.0/endpointSecurity/endpoints", query = { top = "10" },
  result = function(body)
    return math.tointeger(body.totalCount) or fail("failed", "the answer does not say how many endpoints there are")
  end,
}

-- Without an end the vendor's list goes on to now; without a beginning it would be the last day.
operations.alerts = {
  summary = "Workbench alerts made since a time, and before another, whole as the vendor keeps them.",
  source = "Trend Vision One API v3.0, 10.1",
  class = "read", expect = { 200 }, list = true,
  params = { since = "time", before = "time?" },
  method = "GET", path = "/v3.0/workbench/alerts",
  query = function(a)
    return { startDateTime = stamp(a.since), endDateTime = a.before and stamp(a.before),
             dateTimeTarget = "createdDateTime" }
  end,
  page = page, needs = { id = "string", createdDateTime = "string" },
}

-- The console's words, and those of every connector.
local ALERT_WORD = { Open = "new", ["In Progress"] = "in_progress", Closed = "closed" }
local ALERT_STATUS = { new = "Open", in_progress = "In Progress", closed = "Closed" }

local function workbench_id(id)
  if not id:match "^WB%-[%w%-]+$" then
    fail("bad_argument", ("\"%s\" is not the id of a Workbench alert (WB-…)"):format(id))
  end
  return id
end

local function workbench_path(id) return "/v3.0/workbench/alerts/" .. workbench_id(id) end

operations.alert = {
  summary = "How far a Workbench alert has been worked on, and the version that a change of it must name.",
  source = "Trend Vision One API v3.0, 10.2",
  class = "read", expect = { 200 },
  params = { id = "string" },
  method = "GET", path = function(a) return workbench_path(a.id) end,
  result = function(body, _, answer)
    return { id = body.id, status = ALERT_WORD[body.status or ""] or "unknown",
             finding = body.investigationResult, version = one(answer.headers.etag) }
  end,
}

operations.alert_notes = {
  summary = "The notes of a Workbench alert.",
  source = "Trend Vision One API v3.0, 10.4",
  class = "read", expect = { 200 }, list = true,
  params = { id = "string" },
  method = "GET", path = function(a) return workbench_path(a.id) .. "/notes" end, query = { top = "200" },
  page = page,
  item = function(n) return { id = tostring(n.id), text = n.content or "" } end,
}

-- Somebody was faster: what is there now is read again, and decides.
local function changed_meanwhile(answer)
  if answer.status ~= 412 then return false end
  return { code = "conflict", message = "somebody changed the alert meanwhile", retry = true, executed = false }
end

local ALERT = { op = "alert", args = function(a) return { id = one(a.alerts) } end }

local function alert_entity(a) return "visionone:alert:" .. workbench_id(one(a.alerts)) end

---How far it is, for one who wants that status and that finding: with another finding it is not there yet.
local function alert_state(x, a)
  if a.finding and x.finding ~= a.finding and x.status == a.status then return "otherwise" end
  return x.status
end

operations.set_alert_status = {
  summary = "Says of Workbench alerts how far the work on them is, and what was found, if that is given.",
  source = "Trend Vision One API v3.0, 10.3",
  class = "write", idempotent = true, effect = "note", one_by = "alerts",
  params = { alerts = "[string]", status = "one of new in_progress closed", finding = "string?" },
  first = { alert = ALERT },
  method = "PATCH", path = function(a) return workbench_path(one(a.alerts)) end,
  headers = function(_, ctx)
    local seen = (ctx.first or {}).alert
    return { ["Content-Type"] = JSON["Content-Type"], ["If-Match"] = seen and seen.version }
  end,
  json = function(a, ctx)
    local seen = (ctx.first or {}).alert
    if seen and ctx.before and alert_state(seen, a) ~= ctx.before then
      fail("stale", ("somebody set the alert to %s meanwhile"):format(seen.status))
    end
    return { status = ALERT_STATUS[a.status], investigationResult = a.finding }
  end,
  expect = { 204 }, fault = changed_meanwhile,
  entity = alert_entity, facet = "status", to = "{status}",
  state = { op = "alert", args = ALERT.args,
            of = alert_state,
            unchanged = function(_, a) return { alert = one(a.alerts), status = a.status, unchanged = true } end },
  result = function(_, a) return { alert = one(a.alerts), status = a.status } end,
  undo_why = "a status says how far the work is: who goes on sets it anew",
  plan = function(a) return { alert = one(a.alerts), status = a.status } end,
}

operations.comment_alerts = {
  summary = "Adds a note to Workbench alerts; its lines, and which run and step it is of.",
  source = "Trend Vision One API v3.0, 10.4",
  class = "write", idempotent = false, effect = "note", one_by = "alerts",
  params = { alerts = "[string]", text = "[string]" },
  method = "POST", path = function(a) return workbench_path(one(a.alerts)) .. "/notes" end, headers = JSON,
  json = function(a, ctx) return { content = table.concat(a.text, "\n") .. "\n(" .. ctx.tag .. ")" } end,
  expect = { 201 },
  entity = alert_entity, facet = "note", to = "noted",
  probe = { op = "alert_notes", args = ALERT.args,
            found = function(notes, a, ctx)
              for _, n in ipairs(notes) do
                if n.text:find(ctx.tag, 1, true) then return { alert = one(a.alerts), note = n.id } end
              end
              return nil
            end },
  settle = 10,
  result = function(_, a, answer)
    return { alert = one(a.alerts), note = last_segment(answer.headers.location) }
  end,
  undo_why = "a note says what was so then",
  plan = function(a) return { alert = one(a.alerts), note = opaque "the note's id" } end,
}

operations.isolation = {
  summary = "Whether an endpoint is isolated: on, off or unknown.",
  source = "Trend Vision One API v3.0, 7",
  class = "read", expect = { 200 },
  params = { host = "host" },
  method = "GET", path = function(a) return "/v3.0/endpointSecurity/endpoints/" .. agent(a.host) end,
  result = function(body, a)
    return { id = agent(a.host), hostname = body.endpointName, isolation = body.isolationStatus or "unknown" }
  end,
}

local function endpoint_names(found)
  local e = found[1]
  if not e then fail("not_found", "no endpoint has this GUID, or the key's role does not see it") end
  local names = { e.id, e.hostname }
  for _, more in ipairs { e.ip, e.mac } do
    for _, name in ipairs(more) do names[#names + 1] = name end
  end
  local perhaps = e.role == "server" and "domain_controller" or nil     -- nothing here tells them apart
  return { host = names, user = e.users, role = e.role, perhaps = perhaps }
end

local RESOLVE_HOST = { op = "endpoints", args = function(a) return { id = agent(a.host) } end,
                       names = endpoint_names }

-- Tasks ---------------------------------------------------------------------------------------------------

local function task_shape(t)
  return { id = t.id, status = t.status, action = t.action, created = utc(t.createdDateTime),
           updated = utc(t.lastActionDateTime), host = t.agentGuid, hostname = t.endpointName,
           sha1 = t.fileSha1, name = t.fileName, description = t.description,
           error = type(t.error) == "table" and { code = t.error.code, message = t.error.message } or nil }
end

operations.task = {
  summary = "One task: queued, running, pendingApproval, succeeded, failed, canceled or rejected.",
  source = "Trend Vision One API v3.0, 8",
  class = "read", expect = { 200 },
  params = { id = "string" },
  method = "GET", path = "/v3.0/response/tasks/{id}",
  result = task_shape, needs = { id = "string", status = "string" },
}

operations.tasks = {
  summary = "Tasks by action or status, from a time on.",
  source = "Trend Vision One API v3.0, 8",
  class = "read", expect = { 200 }, list = true,
  params = { action = "string?", status = "string?", since = "time?" },
  method = "GET", path = "/v3.0/response/tasks",
  query = function(a)
    local terms = {}
    if a.action then terms[#terms + 1] = equals("action", a.action) end
    if a.status then terms[#terms + 1] = equals("status", a.status) end
    return { top = "200", startDateTime = a.since and stamp(a.since) or nil,
             filter = #terms > 0 and table.concat(terms, " and ") or nil }
  end,
  page = page, item = task_shape, needs = { id = "string", status = "string" },
}

-- Of a task's status: is it over?  Words that are not known today mean that it is not.
local function task_state(t)
  if t.status == "succeeded" then return "done" end
  if t.status == "failed" then
    return "failed", (t.error or {}).message or "the task failed"
  elseif t.status == "canceled" or t.status == "rejected" then
    return "failed", "somebody " .. t.status .. " the task in the console"
  elseif t.status == "pendingApproval" or t.status == "waitForApproval" then
    return "pending", "task " .. t.id .. " waits for an approval in the Vision One console"
  end
  return "running", t.status == "queued" and "task " .. t.id .. " is queued: the agent may be off line" or nil
end

local EVERY = { 2, 5, 10, 30, 60 }

local FOLLOW_TASK = { op = "task", args = function(handle) return { id = handle.task } end, of = task_state,
                      every = EVERY }

local function task_handle(_, _, answer)
  local id = task_of(element(answer))
  if not id then fail("failed", "the action was accepted, and no task was named") end
  return { task = id }
end

-- Was this write sent?  Our tag in the task's description tells.  Looked for from a day before on, for our clock
-- may have been another than the vendor's when it was sent, or have been set since.
local function task_probe(action)
  return { op = "tasks",
           args = function(_, ctx)
             return { action = action, since = (ctx.since or ctx.now) - 86400 }
           end,
           found = function(tasks, _, ctx)
             for _, t in ipairs(tasks) do
               if (t.description or ""):find(ctx.tag:sub(1, 256), 1, true) then return { task = t.id } end
             end
             return nil
           end }
end

-- Isolation -----------------------------------------------------------------------------------------------

-- A task, and once that has succeeded, the endpoint as it is now.
operations.isolation_progress = {
  summary = "How far an isolation, or its end, has come: the task, and then the endpoint.",
  source = "Trend Vision One API v3.0, 7 and 8",
  class = "read", expect = { 200 }, list = true,
  params = { task = "string", host = "host" }, select = { "task" },
  method = "GET", path = "/v3.0/response/tasks/{task}",
  page = function(answer, a)
    local body = list(answer.body)
    local over = body.action and body.status == "succeeded"
    return { body }, over and { url = "/v3.0/endpointSecurity/endpoints/" .. agent(a.host) } or nil
  end,
}

local WORD = { on = "isolated", off = "connected" }

local function isolation_state(wanted)
  return function(progress)
    local state, why = task_state(progress[1])
    local e = progress[2]
    if state ~= "done" or not e then return state, why end
    local now_is = WORD[e.isolationStatus or ""]
    if now_is == nil or now_is == wanted then return "done" end       -- nil: the agent cannot tell
    return "running", "the task has succeeded, and the endpoint is still " .. now_is
  end
end

-- Isolating and its end differ in a few words.
local function isolation_write(w)
  return {
    summary = w.summary, source = "Trend Vision One API v3.0, 4.1",
    class = "write", idempotent = true, effect = w.effect, d3fend = w.d3fend,
    params = { host = "host", description = "string?" },
    method = "POST", path = w.path, headers = JSON,
    json = function(a, ctx)
      return { { agentGuid = agent(a.host), description = description(a, ctx, 256) } }
    end,
    expect = { 202, 207 },
    entity = function(a) return "visionone:host:" .. agent(a.host):lower() end, facet = "isolation", to = w.to,
    state = { op = "isolation", args = function(a) return { host = a.host } end,
              of = function(e) return WORD[e.isolation] or "unknown" end,
              unchanged = function(e, a)
                return { host = agent(a.host), hostname = e.hostname, state = w.to, unchanged = true }
              end },
    resolve = RESOLVE_HOST,
    probe = task_probe(w.action), settle = 10,
    handle = task_handle,
    follow = { op = "isolation_progress",
               args = function(handle, a) return { task = handle.task, host = a.host } end,
               of = isolation_state(w.to), every = EVERY },
    result = function(progress, a)
      return { host = agent(a.host), hostname = progress[1].endpointName, state = w.to, task = progress[1].id,
               verified = WORD[(progress[2] or {}).isolationStatus or ""] == w.to }
    end,
    undo = function(a, before)
      return before == w.from and { op = "visionone." .. w.opposite, args = { host = a.host } } or nil
    end,
    undo_why = "what the endpoint was before is not known",
    plan = function(a)
      return { host = agent(a.host), state = w.to, task = opaque "the task's id", planned = true }
    end,
  }
end

operations.isolate = isolation_write {
  summary = "Cuts an endpoint off the network, and returns when it says that it is.",
  effect = "confine", d3fend = { "D3-NI" }, path = "/v3.0/response/endpoints/isolate", action = "isolate",
  from = "connected", to = "isolated", opposite = "end_isolation",
}

operations.end_isolation = isolation_write {
  summary = "Connects an isolated endpoint again.",
  effect = "free", d3fend = { "D3-RNA" }, path = "/v3.0/response/endpoints/restore",
  action = "restoreIsolate", from = "isolated", to = "connected", opposite = "isolate",
}

-- Processes -----------------------------------------------------------------------------------------------

local function image(a)
  local sha1 = a.sha1 or a.file and a.file.sha1
  if not sha1 or #sha1 ~= 40 or sha1:find "%X" then
    fail("bad_argument", "terminate_process: wants the SHA-1 of the image file; a SHA-256 does not help here")
  end
  return sha1:lower(), a.name or a.file and (a.file.name or a.file.path and base_name(a.file.path))
end

local function file_names(a)
  local f, names = a.file or {}, {}
  for _, v in ipairs { a.sha256 or "", a.sha1 or "", a.name or "", f.path or "", f.name or "", f.sha256 or "",
                       f.sha1 or "", f.md5 or "", f.path and base_name(f.path) or "" } do
    if v ~= "" then names[#names + 1] = v end
  end
  return names
end

operations.terminate_process = {
  summary = "Ends every process on an endpoint that runs this image file (by its SHA-1).",
  source = "Trend Vision One API v3.0, 4.2",
  class = "write", idempotent = true, effect = "confine", d3fend = { "D3-PT" },
  params = { host = "host", file = "table?", sha1 = "string?", name = "string?", pid = "integer?",
             description = "string?" },
  method = "POST", path = "/v3.0/response/endpoints/terminateProcess", headers = JSON,
  json = function(a, ctx)
    local sha1, name = image(a)
    return { { agentGuid = agent(a.host), fileSha1 = sha1, fileName = name, processId = a.pid,
               description = description(a, ctx, 256) } }
  end,
  expect = { 202, 207 },
  entity = function(a) return "visionone:host:" .. agent(a.host):lower() end,
  facet = function(a) return "process:" .. (image(a)) end, to = "ended",
  resolve = { op = "endpoints", args = RESOLVE_HOST.args,
              names = function(found, a)
                local names = endpoint_names(found)
                names.file = file_names(a)
                return names
              end },
  probe = task_probe "terminateProcess", settle = 10,
  handle = task_handle, follow = FOLLOW_TASK,
  result = function(t, a)
    return { host = agent(a.host), sha1 = (image(a)), state = "ended", task = t.id }
  end,
  undo_why = "an ended process is not started again",
  plan = function(a)
    return { host = agent(a.host), sha1 = (image(a)), state = "ended", task = opaque "the task's id",
             planned = true }
  end,
}

-- What the lists are about --------------------------------------------------------------------------------

-- The vendor's key of each kind of object, and how the ledger names it.
local KEYS = { sha1 = "fileSha1", sha256 = "fileSha256", ip = "ip", domain = "domain", url = "url",
               sender = "senderMailAddress" }
local KIND = { sha1 = "file", sha256 = "file", ip = "ip", domain = "domain", url = "url", sender = "sender" }
local ORDER = { "sha256", "sha1", "ip", "domain", "url", "sender" }
local HEX = { sha1 = 40, sha256 = 64 }

local OBJECT = { file = "table?", sha1 = "string?", sha256 = "sha256?", ip = "ip?", domain = "string?",
                 url = "string?", sender = "string?" }

local function params(more)
  local out = {}
  for _, t in ipairs { OBJECT, more or {} } do
    for k, v in pairs(t) do out[k] = v end
  end
  return out
end

-- Which one object is meant: its kind and value.  Of a file the hash that the list is sure to take:
-- `preferred`, else the other.
local function object(a, preferred)
  local kind
  for _, k in ipairs(ORDER) do
    if a[k] and kind then fail("bad_argument", kind .. " and " .. k .. ": one object a call") end
    if a[k] then kind = k end
  end
  if kind and a.file then fail("bad_argument", "file and " .. kind .. ": one object a call") end
  local value = kind and a[kind]
  if a.file then
    local other = preferred == "sha1" and "sha256" or "sha1"
    kind = a.file[preferred] and preferred or a.file[other] and other
    if not kind then fail("bad_argument", "file: has neither a SHA-256 nor a SHA-1") end
    value = a.file[kind]
  end
  if not kind then fail("bad_argument", "wants a file, or one of sha256, sha1, ip, domain, url, sender") end
  if HEX[kind] and (#value ~= HEX[kind] or value:find "%X") then
    fail("bad_argument", ("%s: wants %d hex digits"):format(kind, HEX[kind]))
  end
  return kind, HEX[kind] and value:lower() or value
end

-- What the guards may know an object by.
local function object_names(preferred)
  return { names = function(_, a)
    local kind, value = object(a, preferred)
    if KIND[kind] == "file" then return { file = file_names(a) } end
    if kind == "sender" then return { user = { value } } end
    return { host = { value } }
  end }
end

local function entity(preferred)
  return function(a)
    local kind, value = object(a, preferred)
    return ("visionone:%s:%s"):format(KIND[kind], value)
  end
end

local function listed(i)
  return { type = i.type, value = i[i.type or ""], action = i.scanAction, risk = i.riskLevel,
           description = i.description, excepted = i.inExceptionList, expires = utc(i.expiredDateTime),
           modified = utc(i.lastModifiedDateTime) }
end

local function list_filter(a)
  local terms = {}
  for _, k in ipairs(ORDER) do
    if a[k] then terms[#terms + 1] = equals(KEYS[k], HEX[k] and a[k]:lower() or a[k]) end
  end
  if a.action then terms[#terms + 1] = equals("scanAction", a.action) end
  if a.risk then terms[#terms + 1] = equals("riskLevel", a.risk) end
  return #terms > 0 and { ["TMV1-Filter"] = table.concat(terms, " and ") } or {}
end

operations.suspicious_objects = {
  summary = "What is on the list of suspicious objects.",
  source = "Trend Vision One API v3.0, 6.1",
  class = "read", expect = { 200 }, list = true,
  params = { sha1 = "string?", sha256 = "sha256?", ip = "ip?", domain = "string?", url = "string?",
             sender = "string?", action = "string?", risk = "string?" },
  method = "GET", path = "/v3.0/threatintel/suspiciousObjects", query = { top = "200" },
  headers = list_filter, page = page, item = listed,
}

operations.exceptions = {
  summary = "What is on the exception list, which wins over every block.",
  source = "Trend Vision One API v3.0, 6.3",
  class = "read", expect = { 200 }, list = true,
  params = { sha1 = "string?", sha256 = "sha256?", ip = "ip?", domain = "string?", url = "string?",
             sender = "string?" },
  method = "GET", path = "/v3.0/threatintel/suspiciousObjectExceptions", query = { top = "200" },
  headers = list_filter, page = page, item = listed,
}

local function find(found, value)
  for _, i in ipairs(found) do
    if type(i.value) == "string" and i.value:lower() == value:lower() then return i end
  end
  return nil
end

-- Which object a list is asked for, as the arguments of the read.
local function same_object(a, preferred)
  local kind, value = object(a, preferred)
  return { [kind] = value }
end

-- The state of an object on the list of suspicious objects: what it does there, or absent.
local function entry_state(preferred, unchanged)
  return { op = "suspicious_objects", args = function(a) return same_object(a, preferred) end,
           unchanged = unchanged,
           of = function(found, a)
             local i = find(found, (select(2, object(a, preferred))))
             return i and (i.action or "unknown") or "absent"
           end }
end

-- The same for somebody who wants it to have an effect: an exception wins, so it is asked first.
local function effective_state(preferred, unchanged)
  local entry = entry_state(preferred, unchanged)
  local of = entry.of
  entry.of = function(found, a)
    local i = find(found, (select(2, object(a, preferred))))
    return i and i.excepted and "excepted" or of(found, a)
  end
  return { op = { { op = "exceptions", args = entry.args,
                    of = function(found, a)
                      return find(found, (select(2, object(a, preferred)))) and "excepted" or nil
                    end }, entry } }
end

local function refuse_excepted(a, ctx, preferred)
  if ctx.before == "excepted" then
    local kind, value = object(a, preferred)
    fail("conflict", ("%s %s is on the exception list, which wins: visionone.remove_exception first")
                     :format(kind, value))
  end
end

local function object_result(preferred, state)
  return function(a, ctx)
    local kind, value = object(a, preferred)
    local former = find(list((ctx or {}).looked), value)
    if former and former.expires and ctx then
      former.days = math.max(1, math.ceil((time.parse(former.expires) - ctx.now) / 86400))
    end
    return { type = KEYS[kind], [kind] = value, state = type(state) == "function" and state(a) or state,
             former = former }
  end
end

local function unchanged_result(preferred, state)
  return function(_, a)
    local out = object_result(preferred, state)(a)
    out.unchanged = true
    return out
  end
end

local function planned(preferred, state)
  return function(a)
    local out = object_result(preferred, state)(a)
    out.planned = true
    return out
  end
end

-- The block list ------------------------------------------------------------------------------------------

local BLOCK_LIST, SUSPICIOUS = "/v3.0/response/suspiciousObjects", "/v3.0/threatintel/suspiciousObjects"
local EXCEPTIONS = "/v3.0/threatintel/suspiciousObjectExceptions"

-- A SHA-256 alone is safe only on the list of suspicious objects; all else goes to the block list.
local function through_block_list(a) return (object(a, "sha1")) ~= "sha256" end

local function block_path(suffix)
  return function(a) return (through_block_list(a) and BLOCK_LIST or SUSPICIOUS) .. suffix end
end

-- How far a block, or its end, has come: the block list's task, or the entry of the other list.
operations.block_progress = {
  summary = "How far a block, or its end, has come.",
  source = "Trend Vision One API v3.0, 6.1 and 8",
  class = "read", expect = { 200 }, list = true,
  params = { task = "string?", sha256 = "sha256?" },
  method = "GET", path = function(a) return a.task and "/v3.0/response/tasks/{task}" or SUSPICIOUS end,
  query = function(a) return not a.task and { top = "200" } or nil end, headers = list_filter,
  page = function(answer, a)
    if a.task then return { answer.body }, nil end
    return page(answer)
  end,
  item = function(x, a) return a.task and x or listed(x) end,
}

-- The block list answers with a task, the other one at once; then its entry is looked at.  (Taking off what
-- is not on it is as good as done, too.)
local function block_handle(body, a, answer)
  local e = element(answer)
  if through_block_list(a) and (e.status < 300 or duplicate(e)) then return task_handle(body, a, answer) end
  return { listed = true }
end

local function follow_block(blocked)
  return { op = "block_progress", every = EVERY,
           args = function(handle, a)
             return handle.task and { task = handle.task } or same_object(a, "sha1")
           end,
           of = function(found, a, handle)
             if handle.task then return task_state(found[1]) end
             local i = find(found, (select(2, object(a, "sha1"))))
             return (i ~= nil and i.action == "block") == blocked and "done" or "running"
           end }
end

-- Was it sent?  The task has our tag; without one, the entry is there or not.
local function block_probe(action, blocked)
  local by_task = task_probe(action)
  return { op = function(a) return through_block_list(a) and "tasks" or "suspicious_objects" end,
           args = function(a, ctx)
             return through_block_list(a) and by_task.args(a, ctx) or same_object(a, "sha1")
           end,
           found = function(found, a, ctx)
             if through_block_list(a) then return by_task.found(found, a, ctx) end
             local i = find(found, (select(2, object(a, "sha1"))))
             return (i ~= nil and i.action == "block") == blocked and { listed = true } or nil
           end }
end

local function days(a, ctx)
  return a.days or ctx.lease and math.max(1, math.ceil(ctx.lease / 86400)) or nil
end

operations.block = {
  summary = "Denies a file, address, domain, URL or sender everywhere; running processes go on.",
  source = "Trend Vision One API v3.0, 5 and 6.2",
  class = "write", idempotent = true, effect = "confine", d3fend = { "D3-EDL" },
  params = params { description = "string?" },
  method = "POST", path = block_path "", headers = JSON,
  json = function(a, ctx)
    refuse_excepted(a, ctx, "sha1")
    local kind, value = object(a, "sha1")
    local o = { [KEYS[kind]] = value, description = description(a, ctx, 256) }
    if not through_block_list(a) then
      o.scanAction, o.riskLevel, o.daysToExpiration = "block", "high", days(a, ctx)
    end
    return { o }
  end,
  expect = { 201, 202, 207 },
  entity = entity "sha1", facet = "suspicious", to = "block",
  state = effective_state("sha1", unchanged_result("sha1", "block")),
  resolve = object_names "sha1",
  probe = block_probe("block", true), settle = 10,
  handle = block_handle, follow = follow_block(true),
  result = function(_, a, _, ctx) return object_result("sha1", "block")(a, ctx) end,
  undo = function(a, before, result)
    local o = same_object(a, "sha1")
    if before == "absent" then return { op = "visionone.unblock", args = o } end
    if before ~= "log" then return nil end
    o.action, o.risk, o.days = "log", (result.former or {}).risk, (result.former or {}).days
    return { op = "visionone.add_suspicious_object", args = o }
  end,
  undo_why = "what the list said before is not known",
  plan = planned("sha1", "block"),
}

operations.unblock = {
  summary = "Takes an object off the list that `block` put it on.",
  source = "Trend Vision One API v3.0, 5 and 6.2",
  class = "write", idempotent = true, effect = "free", d3fend = { "D3-EAL" },
  params = params { description = "string?" },
  method = "POST", path = block_path "/delete", headers = JSON,
  json = function(a, ctx)
    local kind, value = object(a, "sha1")
    return { { [KEYS[kind]] = value,
               description = through_block_list(a) and description(a, ctx, 256) or nil } }
  end,
  expect = { 202, 204, 207 }, fault = gone_is_good,
  entity = entity "sha1", facet = "suspicious", to = "absent",
  state = entry_state("sha1", unchanged_result("sha1", "absent")),
  resolve = object_names "sha1",
  probe = block_probe("restoreBlock", false), settle = 10,
  handle = block_handle, follow = follow_block(false),
  result = function(_, a, _, ctx) return object_result("sha1", "absent")(a, ctx) end,
  undo = function(a, before)
    return before == "block" and { op = "visionone.block", args = same_object(a, "sha1") } or nil
  end,
  undo_why = "it was not blocked before",
  plan = planned("sha1", "absent"),
}

-- Suspicious objects --------------------------------------------------------------------------------------

-- Adding an object, with the action that is asked for, or always the same one.
local function add_object(w)
  local function action(a) return w.action or a.action end
  return {
    summary = w.summary, source = "Trend Vision One API v3.0, 6.2",
    class = "write", idempotent = true, d3fend = w.d3fend,
    effect = function(a) return action(a) == "log" and "note" or "confine" end,
    params = params(w.params),
    method = "POST", path = SUSPICIOUS, headers = JSON,
    json = function(a, ctx)
      refuse_excepted(a, ctx, "sha256")
      local kind, value = object(a, "sha256")
      return { { [KEYS[kind]] = value, scanAction = action(a), riskLevel = a.risk,
                 daysToExpiration = days(a, ctx), description = description(a, ctx, 1000) } }
    end,
    expect = { 201, 207 },
    entity = entity "sha256", facet = "suspicious", to = action,
    state = effective_state("sha256", unchanged_result("sha256", action)),
    resolve = object_names "sha256",
    result = function(_, a, _, ctx) return object_result("sha256", action)(a, ctx) end,
    undo = function(a, before, result)
      local o = same_object(a, "sha256")
      if before == "absent" then return { op = "visionone.remove_suspicious_object", args = o } end
      if before ~= "block" and before ~= "log" then return nil end
      local former = result.former or {}
      o.action, o.risk, o.days, o.description = before, former.risk, former.days, former.description
      return { op = "visionone.add_suspicious_object", args = o }
    end,
    undo_why = "what the list said before is not known",
    plan = planned("sha256", action),
  }
end

operations.add_suspicious_object = add_object {
  summary = "Puts an object on the list of suspicious objects, to be blocked or only logged.",
  d3fend = { "D3-EDL" },
  params = { action = "one of block log = block", risk = "one of high medium low = high", days = "integer?",
             description = "string?" },
}

operations.watch = add_object {
  summary = "Has an object reported wherever it is seen, and nothing else done about it.",
  action = "log", d3fend = { "D3-DF" },
  params = { risk = "one of high medium low = high", days = "integer?", description = "string?" },
}

operations.remove_suspicious_object = {
  summary = "Takes an object off the list of suspicious objects; it is kept, to be put back.",
  source = "Trend Vision One API v3.0, 6.2",
  class = "write", idempotent = true, effect = "free",
  params = params(),
  method = "POST", path = SUSPICIOUS .. "/delete", headers = JSON,
  json = function(a)
    local kind, value = object(a, "sha256")
    return { { [KEYS[kind]] = value } }                    -- the type's key, and nothing else
  end,
  expect = { 204, 207 }, fault = gone_is_good,
  entity = entity "sha256", facet = "suspicious", to = "absent",
  state = entry_state("sha256", unchanged_result("sha256", "absent")),
  resolve = object_names "sha256",
  result = function(_, a, _, ctx) return object_result("sha256", "absent")(a, ctx) end,
  undo = function(a, before, result)
    if before ~= "block" and before ~= "log" then return nil end
    local o, former = same_object(a, "sha256"), result.former or {}
    o.action, o.risk, o.days, o.description = before, former.risk, former.days, former.description
    return { op = "visionone.add_suspicious_object", args = o }
  end,
  undo_why = "it was not on the list",
  plan = planned("sha256", "absent"),
}

-- Exceptions ----------------------------------------------------------------------------------------------

local function exception_state(unchanged)
  return { op = "exceptions", args = function(a) return same_object(a, "sha256") end,
           unchanged = unchanged,
           of = function(found, a)
             local _, value = object(a, "sha256")
             return find(found, value) and "excepted" or "absent"
           end }
end

operations.add_exception = {
  summary = "Allows an object whatever the lists say: protection against it ends.",
  source = "Trend Vision One API v3.0, 6.3",
  class = "write", idempotent = true, effect = "free", d3fend = { "D3-EAL" },
  params = params { description = "string?" },
  method = "POST", path = EXCEPTIONS, headers = JSON,
  json = function(a, ctx)
    local kind, value = object(a, "sha256")
    return { { [KEYS[kind]] = value, description = description(a, ctx, 256) } }   -- action, risk, days: a 400
  end,
  expect = { 201, 207 },
  entity = entity "sha256", facet = "exception", to = "excepted",
  state = exception_state(unchanged_result("sha256", "excepted")),
  resolve = object_names "sha256",
  result = function(_, a) return object_result("sha256", "excepted")(a) end,
  undo = function(a, before)
    if before ~= "absent" then return nil end
    return { op = "visionone.remove_exception", args = same_object(a, "sha256") }
  end,
  undo_why = "it was excepted before",
  plan = planned("sha256", "excepted"),
}

operations.remove_exception = {
  summary = "Takes an object off the exception list.",
  source = "Trend Vision One API v3.0, 6.3",
  class = "write", idempotent = true, effect = "confine",
  params = params(),
  method = "POST", path = EXCEPTIONS .. "/delete", headers = JSON,
  json = function(a)
    local kind, value = object(a, "sha256")
    return { { [KEYS[kind]] = value } }
  end,
  expect = { 204, 207 }, fault = gone_is_good,
  entity = entity "sha256", facet = "exception", to = "absent",
  state = exception_state(unchanged_result("sha256", "absent")),
  resolve = object_names "sha256",
  result = function(_, a, _, ctx) return object_result("sha256", "absent")(a, ctx) end,
  undo = function(a, before, result)
    if before ~= "excepted" then return nil end
    local o = same_object(a, "sha256")
    o.description = (result.former or {}).description
    return { op = "visionone.add_exception", args = o }
  end,
  undo_why = "it was not excepted",
  plan = planned("sha256", "absent"),
}

-- Flows ---------------------------------------------------------------------------------------------------

local flows = {}

-- The endpoints that an alert's device may be, by the surest thing known of it.
local function candidates(v1, want)
  local agents = want.agents or {}
  local id = want.id or agents.trend_vision_one or agents.visionone
  if id then
    local found = v1.endpoints { id = id }
    if #found == 0 and id:find "%u" then found = v1.endpoints { id = id:lower() } end
    return found, "agent " .. id
  end
  if want.hostname then
    local found = v1.endpoints { hostname = want.hostname }
    local short = want.hostname:match "^([^%.]+)%.%a"
    if #found == 0 and short then found = v1.endpoints { hostname = short } end
    return found, want.hostname
  end
  local ip = one(want.ip)
  if not ip then fail("bad_argument", "endpoint: wants an id, a hostname or an address") end
  return v1.endpoints { ip = ip }, ip
end

local function described(found)
  local out = {}
  for i, e in ipairs(found) do
    out[i] = ("%s (%s, last seen %s)"):format(e.hostname, e.id, e.last_seen or "never")
  end
  return table.concat(out, ", ")
end

flows.endpoint = {
  summary = "Exactly one endpoint.  Several of that name are ambiguous, unless `seen_within` leaves one.",
  source = "Trend Vision One API v3.0, 7",
  params = { device = "device?", id = "string?", hostname = "string?", ip = "ip?",
             seen_within = "duration?" },
  uses = { "endpoints", "isolation" },
  run = function(a)
    local v1 = require "connectors.visionone"
    local found, what = candidates(v1, a.device or a)
    if #found == 0 then fail("not_found", "no endpoint is " .. what) end
    local recent = a.seen_within and where(found, function(e)
      return e.last_seen and time.parse(e.last_seen) >= now() - a.seen_within
    end) or found
    if #recent == 0 then fail("stale", what .. " was not seen lately: " .. described(found)) end
    if #recent > 1 then fail("ambiguous", what .. " may be any of " .. described(recent)) end
    local e = recent[1]
    e.isolation = v1.isolation { host = e.id }.isolation
    return e
  end,
}

-- The permissions of the key's role (12).  Nobody has such a host or file: the answer is empty.
local NOTHING = ("0"):rep(63) .. "1"
local RIGHTS = {
  { name = "Endpoint Inventory: View", try = "endpoints", args = { hostname = "nobody.lunette.invalid" },
    operations = { "endpoints", "endpoint_count", "isolation" } },
  { name = "Workbench: View, filter, and search", operations = { "alerts", "alert", "alert_notes" } },
  { name = "Workbench: Modify alert details", operations = { "set_alert_status", "comment_alerts" } },
  { name = "Response Management: View, filter, and search", try = "tasks", args = { status = "queued" },
    operations = { "task", "tasks", "isolation_progress", "block_progress" } },
  { name = "Response Management: Isolate endpoint", operations = { "isolate", "end_isolation" } },
  { name = "Response Management: Terminate process", operations = { "terminate_process" } },
  { name = "Response Management: Add to block list", operations = { "block", "unblock" } },
  { name = "Suspicious Object Management: View, filter, and search", try = "suspicious_objects",
    args = { sha256 = NOTHING }, operations = { "suspicious_objects", "exceptions" } },
  { name = "Suspicious Object Management: Manage lists and configure settings",
    operations = { "block", "unblock", "add_suspicious_object", "watch", "remove_suspicious_object",
                   "add_exception", "remove_exception" } },
}

return connector {
  name = "visionone",
  config = { token = "secret" },
  auth = { kind = "header", header = "Authorization", prefix = "Bearer ", secret = "token" },
  headers = { Accept = "application/json" },
  body = "json",
  concurrency = 8,
  endpoints = "endpoint_count",
  rights = RIGHTS,
  fault = fault, limit = limit,
  operations = operations, flows = flows,
}
