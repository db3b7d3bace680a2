-- crowdstrike.lua: CrowdStrike Falcon: the sandbox, hosts, indicators, and Real Time Response.
--
-- What must be known to change this file:
--  * A good status is not success.  Every answer has `errors` beside `resources`, and both are looked at; a
--    list may be [], null or absent.
--  * A 429 is the rate limit, or the sandbox's monthly quota: the second has `meta.quota`, and waiting does
--    not help.
--  * A sandbox analysis that failed has a report like any other, with the verdict "no verdict" and `error_*`.
--  * Real Time Response answers 200 with `complete` for a command that failed: `stderr` says so.  A session
--    dies by itself when unused, and is shared by all that our API client does on that host; so each
--    operation asks for one anew (`first`), and a held session comes back.
--  * Nothing is queued for hosts that are off line: a removal that fires days later is nobody's decision.
--  * A fetched file comes as a 7z (password "infected"), and stays sealed: the vendor's archive service
--    unpacks it.
--  * Our own indicators have the source "lunette"; no others are deleted.

local time = require "time"

local SOURCE = "lunette"
local JSON   = { ["Content-Type"] = "application/json" }   -- some calls refuse an empty body without it
local SEVEN_ZIP = "7z\xBC\xAF\x27\x1C"
local MIB = 1024 * 1024

local COMMAND = "/real-time-response/entities/command/v1"
local ACTIVE  = "/real-time-response/entities/active-responder-command/v1"

-- Small things --------------------------------------------------------------------------------------------

local function list(x) return type(x) == "table" and x or {} end

local function resources(body) return list(type(body) == "table" and body.resources or nil) end

local function paging_of(answer) return list(list(list(answer.body).meta).pagination) end

local function first_of(body, what)
  return resources(body)[1] or fail("not_found", what .. ": not there")
end

-- The first of a list, or the thing itself.
local function one(x)
  if type(x) == "table" then return x[1] end
  return x
end

local function base_name(path) return (path:match "([^\\/]*)$") end

local function copy(t)
  local out = {}
  for k, v in pairs(t) do out[k] = v end
  return out
end

local function seconds(t) return type(t) == "number" and t or time.parse(t) end

-- A host's id: as text, as a host that we returned, or among the agents of an alert's device.
local function host_id(host)
  local known = type(host) == "table"
                and { host.id or "", (host.agents or {}).crowdstrike or "", host.hostname or "" } or { host }
  for _, id in ipairs(known) do
    if type(id) == "string" and #id == 32 and id:match "^%x+$" then return id:lower() end
  end
  fail("bad_argument", ("host: \"%s\" is not a Falcon host id (32 hex digits): crowdstrike.host finds it")
                       :format(tostring(known[1] ~= "" and known[1] or known[3])))
end

-- A term of a filter.  How a quote is escaped is not known for every service, so a value that would need it
-- is refused; no value from an alert can change what is asked.
local function term(name, value)
  if value:find "[^%w%._:@ %-]" then
    fail("bad_argument", ("%s: \"%s\" has characters that cannot stand in a filter"):format(name, value))
  end
  return ("%s:'%s'"):format(name, value)
end

local function all_of(terms) return #terms > 0 and table.concat(terms, "+") or nil end

-- One absolute path of a file, quoted for a command; what cannot be quoted, or is not one file, is refused.
local function quoted(path)
  local rooted = path:match "^%a:[\\/]" or path:match "^/" or path:match "^\\[Dd]evice\\[^\\]+\\"
  local why = path:find "[%c\"]" and "has a quote or a control character"
           or path:find "[*?]" and "has a wildcard"
           or not rooted and "is not absolute"
           or path:find "[\\/]$" and "is a directory"
           or ("/" .. path .. "/"):find "[\\/]%.%.?[\\/]" and "has a . or .. in it"
  if why then fail("bad_argument", ("path: \"%s\" %s"):format(path, why)) end
  return '"' .. path .. '"'
end

-- Windows does not tell cases apart, and neither do two runs that want the same file gone.
local function path_key(path) return path:find "\\" and path:lower() or path end

-- What answers mean ---------------------------------------------------------------------------------------

local function header(answer, name) return tonumber(one(answer.headers[name]) or "") end

-- X-RateLimit-RetryAfter is a point in time, in seconds although documented as milliseconds; it is compared
-- with the vendor's own clock.
local function wait_of(answer)
  local at, plain = header(answer, "x-ratelimit-retryafter"), header(answer, "retry-after")
  if not at then return plain and math.max(1, math.min(plain, 120)) end
  if at > 1e11 then at = at / 1000 end
  local date = one(answer.headers.date) or ""
  local d, month, y, clock = date:match "(%d%d) (%a%a%a) (%d%d%d%d) (%d%d:%d%d:%d%d)"
  if not d then return 60 end
  local m = (("JanFebMarAprMayJunJulAugSepOctNovDec"):find(month, 1, true) + 2) // 3
  local now = time.parse(("%s-%02d-%sT%sZ"):format(y, m, d, clock))
  return math.max(1, math.min(math.ceil(at - now), 120))
end

local CODE = { [400] = "bad_argument", [401] = "unauthorised", [403] = "forbidden", [404] = "not_found",
               [409] = "conflict", [413] = "too_big" }

local OFF_LINE = 40401                                     -- "Could not establish sensor comms"

local function quota_used_up(answer)
  local meta = type(answer.body) == "table" and answer.body.meta
  return answer.status == 429 and type(meta) == "table" and meta.quota ~= nil
end

-- What a status, or the first of the errors within a good one, means.
local function fault(answer)
  local body = type(answer.body) == "table" and answer.body or {}
  local e = list(body.errors)[1]
  local good = answer.status >= 200 and answer.status < 300
  if good and not e then return nil end
  e = type(e) == "table" and e or {}
  local status = good and tonumber(e.code) or answer.status
  local f = { message = e.message or ("status " .. answer.status), vendor_code = e.code and tostring(e.code) }

  if quota_used_up(answer) then
    f.code, f.executed = "quota", false
    f.message = ("the sandbox's quota is used up (%s of %s)"):format(tostring(body.meta.quota.used),
                                                                  tostring(body.meta.quota.total))
  elseif tonumber(e.code) == OFF_LINE then
    f.code, f.executed, f.message = "unavailable", false, "the host is off line (" .. f.message .. ")"
  elseif status == 429 then
    f.code, f.executed, f.retry, f.after = "rate_limited", false, true, wait_of(answer) or 60
  elseif status == 401 then
    f.code, f.executed, f.token = "unauthorised", false, true
  elseif status >= 500 and status < 600 then
    f.code, f.retry = "unavailable", true
  elseif status == 403 then
    f.code, f.executed = "forbidden", false
    f.message = f.message .. ": the API client lacks a scope, or its list of addresses lacks ours"
  else
    f.code, f.executed = CODE[status] or "failed", status >= 400 and status < 500 and false or nil
  end
  return f
end

-- For reads by id and for deletions: what is not there is simply not in the list.  A 404 that says nothing is
-- a gateway's, and proves nothing.
local function absent_is_good(answer)
  local errors = type(answer.body) == "table" and list(answer.body.errors) or {}
  if #errors == 0 or answer.status ~= 404 and answer.status >= 300 then return false end
  for _, e in ipairs(errors) do
    if tonumber(e.code) ~= 404 then return false end
  end
  return nil
end

-- A session that another run closed between its opening and the command: nothing ran, and the next attempt
-- gets a new one.
local function session_gone(answer)
  local errors = type(answer.body) == "table" and list(answer.body.errors) or {}
  if answer.status ~= 404 or not errors[1] or tonumber(errors[1].code) == OFF_LINE then return false end
  return { code = "unavailable", message = "the session has ended", retry = true, executed = false }
end

local function limit(answer)
  local remaining = header(answer, "x-ratelimit-remaining")
  if answer.status == 429 and not quota_used_up(answer) then
    return { remaining = remaining, wait = wait_of(answer) or 60 }
  end
  return remaining and { remaining = remaining, reset_after = 60 } or nil
end

-- The vendor's lists of ids, and then what these ids stand for: the second page of the listing is the read
-- by id.
local function ids_then(path, ids)
  if #ids == 0 then return nil end
  return { url = path .. "?ids=" .. table.concat(ids, "&ids=") }
end

local operations = {}

-- The sandbox ---------------------------------------------------------------------------------------------

local SUMMARIES   = "/falconx/entities/report-summaries/v1"
local SUBMISSIONS = "/falconx/entities/submissions/v1"

-- A report as playbooks see it: the vendor's, and what matters of it on top.
local function report_of(r)
  local box = list(r.sandbox)[1] or {}
  local out = { id = r.id, verdict = r.verdict or box.verdict or "no verdict",
                threat_score = box.threat_score, sha256 = box.sha256, submit_name = box.submit_name,
                created = r.created_timestamp, environment = box.environment_id,
                sandbox = list(r.sandbox), intel = r.intel }
  if box.error_type or box.error_message or box.error_origin then
    out.error = { type = box.error_type, message = box.error_message, origin = box.error_origin }
  end
  return out
end

local function analysis_failed(report)
  fail("failed", "the analysis failed: " .. (report.error.message or report.error.type or "no reason"),
       { vendor_code = report.error.type })
end

local function sandbox_filter(a)
  local terms = { term("sandbox.sha256", a.sha256) }
  if a.environment then terms[2] = "sandbox.environment_id:" .. a.environment end
  return all_of(terms)
end

-- Asked by hash: ids first, then what they stand for.  Asked by id: at once.
local function listing(entities)
  return function(answer)
    local found = resources(answer.body)
    if type(found[1]) == "string" then return {}, ids_then(entities, found) end
    return found, nil
  end
end

operations.reports = {
  summary = "The sandbox's reports on a file, newest first, at most 50; failed analyses only when asked for.",
  source = "CrowdStrike Falcon API, 2.1b and 2.1d",
  class = "read", expect = { 200 }, list = true, d3fend = { "D3-DA" },
  params = { sha256 = "sha256?", ids = "[string]?", environment = "integer?", failed = "boolean = false" },
  select = { "sha256", "ids" },
  method = "GET",
  path = function(a) return a.ids and SUMMARIES or "/falconx/queries/reports/v1" end,
  query = function(a)
    if a.ids then return { ids = a.ids } end
    return { filter = sandbox_filter(a), sort = "desc", limit = "50" }
  end,
  fault = absent_is_good,
  page = function(answer, a)
    local found, next_page = listing(SUMMARIES)(answer)
    local out = {}
    for _, r in ipairs(found) do
      local report = report_of(r)
      if a.failed or not report.error then out[#out + 1] = report end
    end
    return out, next_page
  end,
}

operations.report = {
  summary = "One report; `full` for everything that was observed, which can be megabytes.",
  source = "CrowdStrike Falcon API, 2.1d",
  class = "read", expect = { 200 }, d3fend = { "D3-DA" },
  params = { id = "string", full = "boolean = false" },
  method = "GET",
  path = function(a) return a.full and "/falconx/entities/reports/v1" or SUMMARIES end,
  query = { ids = "{id}" },
  result = function(body, a)
    local report = report_of(first_of(body, "report " .. a.id))
    if report.error then analysis_failed(report) end
    return report
  end,
}

local function submission_of(s)
  local box = list(s.sandbox)[1] or {}
  return { id = s.id, state = s.state, created = s.created_timestamp, sha256 = box.sha256,
           environment = box.environment_id, tags = s.user_tags,
           error = (s.error_message or s.error_type) and { type = s.error_type, message = s.error_message } }
end

operations.submissions = {
  summary = "What was submitted to the sandbox, newest first (at most 50).",
  source = "CrowdStrike Falcon API, 2.1b",
  class = "read", expect = { 200 }, list = true,
  params = { sha256 = "sha256", environment = "integer?" },
  method = "GET", path = "/falconx/queries/submissions/v1",
  query = function(a) return { filter = sandbox_filter(a), sort = "desc", limit = "50" } end,
  page = listing(SUBMISSIONS),
  item = submission_of, needs = { id = "string", state = "string" },
}

operations.analysis_status = {
  summary = "How far an analysis is: created, running, success or error.",
  source = "CrowdStrike Falcon API, 2.1c",
  class = "read", expect = { 200 },
  params = { id = "string" },
  method = "GET", path = SUBMISSIONS, query = { ids = "{id}" },
  result = function(body, a) return submission_of(first_of(body, "submission " .. a.id)) end,
  needs = { id = "string", state = "string" },
}

operations.sandbox_quota = {
  summary = "How much of the sandbox's quota is used; asking spends none of it.",
  source = "CrowdStrike Falcon API, 2.1b",
  class = "read", expect = { 200 }, params = {},
  method = "GET", path = SUBMISSIONS, query = { ids = "" },
  fault = absent_is_good,
  result = function(body)
    local q = list(list(body).meta).quota or fail("failed", "the answer names no quota")
    return { total = q.total, used = q.used, in_progress = q.in_progress }
  end,
}

-- The tag is the surest sign of our own submission.  Where the vendor shows no tags the time is one: what came after
-- the send is ours.  Of what came on the day before it cannot be told, for our clock may have been ahead of the
-- vendor's, or have been set back since: a second submission would spend quota.
local function our_submission(found, _, ctx)
  local sent, perhaps = ctx.since or ctx.now, nil
  for _, s in ipairs(found) do
    local tags = type(s.tags) == "table" and s.tags
    for _, tag in ipairs(tags or {}) do
      if tag == ctx.tag then return { id = s.id } end
    end
    local created = not tags and s.created and time.parse(s.created) or 0
    if created >= sent - 60 then return { id = s.id } end
    if created >= sent - 86400 then perhaps = false end
  end
  return perhaps
end

operations.submit = {
  summary = "Has a stored sample analysed, and waits for the end.  Each call spends quota.",
  source = "CrowdStrike Falcon API, 2.1b and 2.1c",
  class = "write", idempotent = false, effect = "note", d3fend = { "D3-DA" },
  params = { sha256 = "sha256", environment = "integer = 160", name = "string?", command_line = "string?",
             password = "string?", network = "one of default tor simulated offline = default",
             script = "string = default", tags = "[string]?" },
  method = "POST", path = SUBMISSIONS,
  json = function(a, ctx)
    local tags = { ctx.tag }
    for _, tag in ipairs(a.tags or {}) do tags[#tags + 1] = tag end
    return { sandbox = { { environment_id = a.environment, sha256 = a.sha256, submit_name = a.name,
                           command_line = a.command_line, document_password = a.password,
                           network_settings = a.network, action_script = a.script } },
             user_tags = tags, send_email_notification = false }
  end,
  expect = { 200 },
  entity = "crowdstrike:sample:{sha256}", facet = "analysis:{environment}", to = "analysed",
  probe = { op = "submissions",
            args = function(a) return { sha256 = a.sha256, environment = a.environment } end,
            found = our_submission },
  settle = 30,
  handle = function(body)
    local s = resources(body)[1] or fail("failed", "the sandbox took the sample and named no submission")
    return { id = s.id }
  end,
  follow = { op = "analysis_status", args = function(handle) return { id = handle.id } end,
             of = function(s)
               if s.state == "success" then return "done" end
               if s.state == "error" then
                 return "failed", (s.error or {}).message or "the analysis failed"
               end
               return "running"                            -- "created", and words not known today
             end,
             every = { 30, 30, 60 } },
  result = function(s, a)
    return { id = s.id, state = s.state, sha256 = a.sha256, environment = a.environment }
  end,
  undo_why = "an analysis stays, and its quota is spent",
  plan = { id = opaque "the submission's id", state = "success", sha256 = "{sha256}",
           environment = "{environment}", planned = true },
}

-- Samples and archives ------------------------------------------------------------------------------------

operations.samples_known = {
  summary = "Which of these files are in the sample store.",
  source = "CrowdStrike Falcon API, 2.1a",
  class = "read", expect = { 200 },
  params = { sha256s = "[sha256]" },
  method = "POST", path = "/samples/queries/samples/GET/v1", json = { sha256s = "{sha256s}" },
  result = function(body) return resources(body) end,
}

local function stored(of)
  return { op = "samples_known", args = function(a) return { sha256s = { of(a) } } end,
           of = function(known, a)
             for _, sha256 in ipairs(known) do
               if sha256:lower() == of(a):lower() then return "stored" end
             end
             return "absent"
           end,
           unchanged = function(_, a) return { sha256 = of(a), unchanged = true } end }
end

operations.upload_sample = {
  summary = "Puts a file into the sample store, for our own eyes only.",
  source = "CrowdStrike Falcon API, 2.1a",
  class = "write", idempotent = true, effect = "note",
  params = { sample = "blob", name = "string?", comment = "string?", confidential = "boolean = true" },
  method = "POST", path = "/samples/entities/samples/v3",
  multipart = function(a, ctx)
    if a.sample.bytes > 256 * MIB then fail("too_big", "the sandbox takes files of at most 256 MiB") end
    local name = a.name or a.sample.name
    return { { name = "sample", filename = name, blob = a.sample, type = "application/octet-stream" },
             { name = "file_name", value = name },
             { name = "comment", value = a.comment or ctx.tag },
             { name = "is_confidential", value = a.confidential and "true" or "false" } }
  end,
  expect = { 200 },
  entity = function(a) return "crowdstrike:sample:" .. a.sample.sha256 end, facet = "store", to = "stored",
  state = stored(function(a) return a.sample.sha256 end),
  result = function(body, a)
    local s = resources(body)[1] or fail("failed", "the sample store took nothing")
    if s.sha256:lower() ~= a.sample.sha256 then
      fail("failed", ("the sample store has %s, and %s was sent"):format(s.sha256, a.sample.sha256))
    end
    return { sha256 = a.sample.sha256, name = s.file_name }
  end,
  undo_why = "a sample in the store harms nobody",
  plan = function(a) return { sha256 = a.sample.sha256, name = a.name or a.sample.name } end,
}

operations.archive_status = {
  summary = "How far an uploaded archive is, and what is in it.",
  source = "CrowdStrike Falcon API, 2.6",
  class = "read", expect = { 200 },
  params = { archive = "sha256" },
  method = "GET", path = "/archives/entities/archives/v1",
  query = { id = "{archive}", include_files = "true" },
  fault = absent_is_good,
  result = function(body, a)
    local x = resources(body)[1]
    if not x then return { archive = a.archive, status = "absent", files = {} } end
    local files = {}
    for i, f in ipairs(list(x.files)) do files[i] = type(f) == "table" and f.name or f end
    return { archive = a.archive, status = x.status, files = files, error = x.error }
  end,
}

-- The words of the archive service other than "done" and "error" are not known: they mean wait.
local function archive_state(x)
  if x.status == "done" then return "done" end
  if x.status == "error" then return "failed", x.error or "the archive cannot be opened" end
  return "running"
end

operations.upload_archive = {
  summary = "Gives the archive service a sealed file, to unpack it there.",
  source = "CrowdStrike Falcon API, 2.6",
  class = "write", idempotent = true, effect = "note",
  params = { sample = "blob", name = "string", password = "string = infected", comment = "string?" },
  method = "POST", path = "/archives/entities/archives/v2",
  multipart = function(a, ctx)
    if a.sample.bytes > 100 * MIB then fail("too_big", "the archive service takes at most 100 MiB") end
    return { { name = "file", filename = a.name, blob = a.sample, type = "application/x-7z-compressed" },
             { name = "name", value = a.name }, { name = "password", value = a.password },
             { name = "is_confidential", value = "true" },
             { name = "comment", value = a.comment or ctx.tag } }
  end,
  expect = { 200, 202 },
  entity = function(a) return "crowdstrike:archive:" .. a.sample.sha256 end, facet = "store", to = "stored",
  state = { op = "archive_status", args = function(a) return { archive = a.sample.sha256 } end,
            of = function(x) return x.status == "done" and "stored" or x.status end,
            unchanged = function(x) return { archive = x.archive, files = x.files, unchanged = true } end },
  probe = { op = "archive_status", args = function(a) return { archive = a.sample.sha256 } end,
            found = function(x) return x.status ~= "absent" and { archive = x.archive } or nil end },
  handle = function(body)
    local x = resources(body)[1] or fail("failed", "the archive service took nothing")
    return { archive = x.sha256 }
  end,
  follow = { op = "archive_status", args = function(handle) return { archive = handle.archive } end,
             of = archive_state, every = { 2, 5, 10, 30 } },
  result = function(x) return { archive = x.archive, files = x.files } end,
  undo_why = "an archive in the store harms nobody",
  plan = { archive = opaque "the archive's SHA-256", files = opaque "the names within", planned = true },
}

operations.extraction_status = {
  summary = "How far an extraction is, and which samples it made.",
  source = "CrowdStrike Falcon API, 2.6",
  class = "read", expect = { 200 },
  params = { id = "string" },
  method = "GET", path = "/archives/entities/extractions/v1", query = { id = "{id}", include_files = "true" },
  result = function(body, a)
    local x = first_of(body, "extraction " .. a.id)
    return { id = x.id or a.id, status = x.status, error = x.error, files = list(x.files) }
  end,
}

operations.extract = {
  summary = "Makes a sample of one file of an uploaded archive; its hash must be the one named.",
  source = "CrowdStrike Falcon API, 2.6",
  class = "write", idempotent = true, effect = "note",
  params = { archive = "sha256", name = "string", sha256 = "sha256" },
  method = "POST", path = "/archives/entities/extractions/v1",
  json = function(a)
    return { sha256 = a.archive, files = { { name = a.name, is_confidential = true } } }
  end,
  expect = { 200, 202 },
  entity = "crowdstrike:sample:{sha256}", facet = "store", to = "stored",
  state = stored(function(a) return a.sha256 end),
  handle = function(body)
    local x = resources(body)[1] or fail("failed", "the archive service began no extraction")
    return { id = x.id }
  end,
  follow = { op = "extraction_status", args = function(handle) return { id = handle.id } end,
             of = archive_state, every = { 2, 5, 10, 30 } },
  result = function(x, a)
    local f = x.files[1] or fail("failed", "the archive held no such file")
    if f.error and f.error ~= "" then fail("failed", "the file could not be extracted: " .. f.error) end
    if (f.sha256 or ""):lower() ~= a.sha256 then
      fail("stale", ("the archive holds %s, not %s"):format(tostring(f.sha256), a.sha256))
    end
    return { sha256 = a.sha256, name = f.name }
  end,
  undo_why = "a sample in the store harms nobody",
  plan = { sha256 = "{sha256}", name = "{name}" },
}

operations.delete_archive = {
  summary = "Takes an archive that was unpacked out of the store again.",
  source = "CrowdStrike Falcon API, 2.6",
  class = "write", idempotent = true, effect = "note",
  params = { archive = "sha256" },
  method = "DELETE", path = "/archives/entities/archives/v1", headers = JSON, query = { id = "{archive}" },
  expect = { 200, 202, 404 },
  fault = absent_is_good,
  entity = "crowdstrike:archive:{archive}", facet = "store", to = "absent",
  state = { op = "archive_status", args = function(a) return { archive = a.archive } end,
            of = function(x) return x.status == "done" and "stored" or x.status end },
  result = function(_, a) return { archive = a.archive, state = "absent" } end,
  undo_why = "it was a copy",
  plan = { archive = "{archive}", state = "absent" },
}

-- Hosts ---------------------------------------------------------------------------------------------------

local ROLE = { Workstation = "workstation", Server = "server", ["Domain Controller"] = "domain_controller",
               ["1"] = "workstation", ["2"] = "domain_controller", ["3"] = "server" }

local function host_of(d)
  local mac = d.platform_name == "Mac" and "workstation"
  return { id = d.device_id, hostname = d.hostname, ip = d.local_ip, external_ip = d.external_ip,
           mac = d.mac_address, domain = d.machine_domain, os = d.platform_name and d.platform_name:lower(),
           os_version = d.os_version, status = d.status, tags = d.tags,
           role = ROLE[d.product_type_desc or ""] or ROLE[d.product_type or ""] or mac or "unknown",
           first_seen = d.first_seen, last_seen = d.last_seen, agent_version = d.agent_version }
end

-- All that the guards may know a host by.
local function host_names(h)
  local names = {}
  for _, key in ipairs { "id", "hostname", "ip", "external_ip", "mac" } do names[#names + 1] = h[key] end
  if h.hostname and h.domain then names[#names + 1] = h.hostname .. "." .. h.domain end
  for _, tag in ipairs(list(h.tags)) do names[#names + 1] = tag end
  return { host = names, role = h.role }
end

operations.hosts = {
  summary = "Hosts by exact name, address or id, the last seen first.",
  source = "CrowdStrike Falcon API, 2.4b",
  class = "read", expect = { 200 }, list = true,
  params = { hostname = "string?", ip = "ip?", id = "string?" },
  method = "GET", path = "/devices/combined/devices/v1",
  query = function(a)
    local terms = {}
    if a.hostname then terms[#terms + 1] = term("hostname", a.hostname) end
    if a.ip then terms[#terms + 1] = term("local_ip", a.ip) end
    if a.id then terms[#terms + 1] = term("device_id", a.id) end
    return { filter = all_of(terms), limit = "1000", sort = "last_seen.desc" }
  end,
  page = function(answer)
    local after = paging_of(answer).next
    return resources(answer.body), after and after ~= "" and { query = { offset = after } } or nil
  end,
  item = host_of, needs = { id = "string", status = "string" },
}

operations.endpoint_count = {
  summary = "How many hosts Falcon knows.",
  source = "CrowdStrike Falcon API, 2.4b",
  class = "read", expect = { 200 }, params = {},
  method = "GET", path = "/devices/queries/devices/v1", query = { limit = "1" },
  result = function(body)
    local total = paging_of({ body = body }).total
    return math.tointeger(total) or fail("failed", "the answer does not say how many hosts there are")
  end,
}

operations.host_details = {
  summary = "One host by its id.",
  source = "CrowdStrike Falcon API, 2.4b",
  class = "read", expect = { 200 },
  params = { host = "host" },
  method = "GET", path = "/devices/entities/devices/v2",
  query = function(a) return { ids = host_id(a.host) } end,
  fault = absent_is_good,
  result = function(body, a) return host_of(first_of(body, "host " .. host_id(a.host))) end,
  needs = { id = "string", status = "string" },
}

operations.host_states = {
  summary = "Which of these hosts are on line: id, state (online, offline, unknown), last_seen.",
  source = "CrowdStrike Falcon API, 2.4b",
  class = "read", expect = { 200 },
  params = { ids = "[string]" },
  method = "GET", path = "/devices/entities/online-state/v1", query = { ids = "{ids}" },
  fault = absent_is_good,
  result = function(body)
    local out = {}
    for i, s in ipairs(resources(body)) do
      out[i] = { id = s.id, state = s.state, last_seen = s.last_seen }
    end
    return out
  end,
}

local function resolve_host()
  return { op = "host_details", args = function(a) return { host = a.host } end, names = host_names }
end

-- Every name that a report gives a hash: an interpreter is known by them, whatever the alert called it.
local function report_names(reports, a)
  local names = { a.sha256 or a.md5 or a.domain or a.ip }
  if a.path then names[#names + 1], names[#names + 2] = a.path, base_name(a.path) end
  names[#names + 1] = a.filename
  for _, r in ipairs(reports or {}) do
    for _, box in ipairs(r.sandbox) do names[#names + 1] = box.submit_name end
  end
  return { file = names }
end

local function resolve_file()
  return { op = "reports", args = function(a) return { sha256 = a.sha256, failed = true } end,
           names = report_names }
end

-- Indicators ----------------------------------------------------------------------------------------------

local INDICATORS = "/iocs/entities/indicators/v1"
local TYPES = { "sha256", "md5", "domain", "ip" }

-- Which single thing an indicator is of: the vendor's type, and the value.  A SHA-1 is not one of them.
local function indicator(a)
  local kind
  for _, t in ipairs(TYPES) do
    if a[t] and kind then fail("bad_argument", kind .. " and " .. t .. ": an indicator is of one thing") end
    if a[t] then kind = t end
  end
  if not kind then fail("bad_argument", "an indicator wants one of sha256, md5, domain, ip") end
  local value = a[kind]:lower()
  if kind == "md5" and (#value ~= 32 or value:find "%X") then
    fail("bad_argument", "md5: wants 32 hex digits")
  end
  if kind == "ip" then return value:find(":", 1, true) and "ipv6" or "ipv4", value end
  return kind, value
end

local function checked_action(a)
  local kind = indicator(a)
  local hash = kind == "sha256" or kind == "md5"
  if not hash and a.action ~= "detect" and a.action ~= "no_action" then
    fail("bad_argument", ("action: %s takes only detect and no_action, not %s"):format(kind, a.action))
  end
  return a.action
end

local function ioc_filter(a)
  local terms = {}
  for _, t in ipairs(TYPES) do
    if a[t] then
      local kind, value = indicator(a)
      terms[1], terms[2] = term("type", kind), term("value", value)
      break
    end
  end
  for _, name in ipairs { "source", "action" } do
    if a[name] then terms[#terms + 1] = term(name, a[name]) end
  end
  return all_of(terms)
end

operations.iocs = {
  summary = "Indicators, whole as the vendor keeps them.",
  source = "CrowdStrike Falcon API, 2.2b",
  class = "read", expect = { 200 }, list = true,
  params = { sha256 = "sha256?", md5 = "string?", domain = "string?", ip = "ip?", source = "string?",
             action = "string?" },
  method = "GET", path = "/iocs/combined/indicator/v1",
  query = function(a) return { filter = ioc_filter(a), limit = "2000" } end,
  page = function(answer)
    local after = paging_of(answer).after
    local found = resources(answer.body)
    return found, after and after ~= "" and #found > 0 and { query = { after = after } } or nil
  end,
}

operations.iocs_by_id = {
  summary = "Indicators by their ids; one that is gone is not in the list.",
  source = "CrowdStrike Falcon API, 2.2b",
  class = "read", expect = { 200 },
  params = { ids = "[string]" },
  method = "GET", path = INDICATORS, query = { ids = "{ids}" },
  fault = absent_is_good,
  result = function(body) return resources(body) end,
}

operations.ioc_hosts = {
  summary = "The ids of the hosts on which a file was seen.",
  source = "CrowdStrike Falcon API, 2.2e",
  class = "read", expect = { 200 }, list = true,
  params = { sha256 = "sha256?", md5 = "string?", domain = "string?", ip = "ip?" },
  method = "GET", path = "/iocs/queries/indicators/devices/v1",
  query = function(a)
    local kind, value = indicator(a)
    return { type = kind, value = value, limit = "100" }
  end,
  fault = absent_is_good,                                  -- 404: nobody saw it
  page = function(answer, _, request)
    local found = resources(answer.body)
    local seen = (tonumber((request.query or {}).offset) or 0) + #found
    local more = #found > 0 and seen < (tonumber(paging_of(answer).total) or 0)
    return found, more and { query = { offset = tostring(seen) } } or nil
  end,
}

-- An indicator's state in a word: what it does, and whether it does so everywhere.
local function ioc_state(found)
  local i = found[1]
  if not i then return "absent" end
  if i.expired then return "expired" end
  return i.applied_globally == false and i.action .. ":some hosts" or i.action
end

local function ioc_wanted(a) return a.groups and a.action .. ":some hosts" or a.action end

local function ioc_object(a) return { sha256 = a.sha256, md5 = a.md5, domain = a.domain, ip = a.ip } end

local function ioc_entity(kind, value)
  local what = (kind == "sha256" or kind == "md5") and "file" or kind == "domain" and "domain" or "ip"
  return ("crowdstrike:%s:%s"):format(what, value)
end

local function expiry(a, ctx)
  if a.expires then return time.format(seconds(a.expires)) end
  return ctx.lease and time.format(ctx.now + ctx.lease) or nil
end

local function ioc_result(i, a, former)
  local kind, value = indicator(a)
  return { id = i.id, type = kind, value = value, action = i.action or a.action, source = i.source,
           expires = i.expiration, former = former }
end

-- What a new indicator says; for one that exists, only what is to be different.
local function ioc_body(a, ctx)
  local kind, value = indicator(a)
  local action = checked_action(a)
  local severity = action ~= "no_action" and a.severity or nil
  local known = (ctx.looked or {})[1]
  if known then
    return { comment = ctx.tag, indicators = { { id = known.id, action = action, severity = severity,
                                                 applied_globally = not a.groups, host_groups = a.groups,
                                                 expiration = expiry(a, ctx) } } }
  end
  return { comment = ctx.tag, indicators = { {
    type = kind, value = value, action = action, severity = severity,
    platforms = a.platforms or { "windows", "mac", "linux" }, applied_globally = not a.groups,
    host_groups = a.groups, source = SOURCE, description = a.description or ctx.tag, tags = a.tags,
    expiration = expiry(a, ctx), metadata = a.filename and { filename = a.filename } or nil } } }
end

-- The arguments that make a kept indicator again.
local function ioc_again(i)
  local kind = (i.type == "ipv4" or i.type == "ipv6") and "ip" or i.type
  return { [kind] = i.value, action = i.action, severity = i.severity, platforms = i.platforms,
           groups = i.applied_globally == false and i.host_groups or nil, description = i.description,
           tags = i.tags, filename = list(i.metadata).filename, expires = i.expiration }
end

operations.create_ioc = {
  summary = "Makes an indicator of a file, domain or address, or gives the one there is this action.",
  source = "CrowdStrike Falcon API, 2.2a and 2.2c",
  class = "write", idempotent = true, d3fend = { "D3-EDL" },
  effect = function(a)
    return a.action:match "^prevent" and "confine" or a.action == "allow" and "free" or "note"
  end,
  params = { sha256 = "sha256?", md5 = "string?", domain = "string?", ip = "ip?",
             action = "one of prevent prevent_no_ui detect allow no_action = prevent",
             severity = "one of informational low medium high critical = high", platforms = "[string]?",
             groups = "[string]?", description = "string?", tags = "[string]?", filename = "string?",
             expires = "time?" },
  method = function(_, ctx) return (ctx.looked or {})[1] and "PATCH" or "POST" end,
  path = INDICATORS, query = { retrodetects = "false", ignore_warnings = "false" },
  json = ioc_body,
  expect = { 200, 201 },
  entity = function(a) return ioc_entity(indicator(a)) end, facet = "ioc",
  to = ioc_wanted,
  state = { op = "iocs", args = ioc_object, of = ioc_state,
            unchanged = function(found, a)
              local out = ioc_result(found[1], a)
              out.unchanged = true
              return out
            end },
  -- The state tells as much, but not the id, by which it is deleted.
  probe = { op = "iocs", args = ioc_object,
            found = function(found, a)
              return ioc_state(found) == ioc_wanted(a) and ioc_result(found[1], a) or nil
            end },
  resolve = { op = function(a) return a.sha256 and "reports" or nil end, args = resolve_file().args,
              names = report_names },
  result = function(body, a, _, ctx)
    local i = resources(body)[1] or fail("failed", "no indicator was made")
    return ioc_result(i, a, ((ctx or {}).looked or {})[1])
  end,
  undo = function(_, before, result)
    if before == "absent" then
      return { op = "crowdstrike.delete_iocs", args = { ids = { result.id }, value = result.value } }
    end
    return result.former and { op = "crowdstrike.create_ioc", args = ioc_again(result.former) } or nil
  end,
  undo_why = "what the indicator was before is not known",
  plan = function(a)
    local kind, value = indicator(a)
    return { id = opaque "the indicator's id", type = kind, value = value, action = a.action, planned = true }
  end,
}

operations.delete_iocs = {
  summary = "Deletes our own indicators, by id only; each is kept whole, to be made again.",
  source = "CrowdStrike Falcon API, 2.2d",
  class = "write", idempotent = true, effect = "free", one_by = "ids", d3fend = { "D3-FEV" },
  params = { ids = "[string]", value = "string?" },
  method = "DELETE", path = INDICATORS, headers = JSON,
  query = function(a, ctx)
    local id = one(a.ids)
    local known = (ctx.looked or {})[1]
    if known and known.source ~= SOURCE then
      fail("refused", ("indicator %s is not ours (its source is \"%s\")"):format(id, tostring(known.source)))
    end
    if known and a.value and known.value:lower() ~= a.value:lower() then
      fail("stale", ("indicator %s is of %s, not of %s"):format(id, known.value, a.value))
    end
    return { ids = id, comment = ctx.tag }                 -- never a filter beside the ids: it would win
  end,
  expect = { 200, 404 },
  fault = absent_is_good,
  entity = function(a)
    if not a.value then return "crowdstrike:ioc:" .. one(a.ids) end
    local hash = (#a.value == 64 or #a.value == 32) and not a.value:find "%X"
    local address = a.value:find ":" or not a.value:find "[^%d%.]"
    return ioc_entity(hash and "sha256" or address and "ip" or "domain", a.value:lower())
  end,
  facet = "ioc", to = "absent",
  state = { op = "iocs_by_id", args = function(a) return { ids = { one(a.ids) } } end, of = ioc_state,
            unchanged = function(_, a) return { id = one(a.ids), state = "absent", unchanged = true } end },
  resolve = { op = "iocs_by_id", args = function(a) return { ids = { one(a.ids) } } end,
              names = function(found, a)
                local i = found[1] or {}
                return { file = { one(a.ids), i.value, list(i.metadata).filename } }
              end },
  result = function(_, a, _, ctx)
    return { id = one(a.ids), state = "absent", removed = ((ctx or {}).looked or {})[1] }
  end,
  undo = function(_, _, result)
    return result.removed and { op = "crowdstrike.create_ioc", args = ioc_again(result.removed) } or nil
  end,
  undo_why = "the indicator was gone already",
  plan = function(a) return { id = one(a.ids), state = "absent", planned = true } end,
}

-- Real Time Response --------------------------------------------------------------------------------------

local SESSION = { session = { op = "rtr_session", args = function(a) return { host = a.host } end } }

local function session_of(ctx) return ctx.first and ctx.first.session and ctx.first.session.session or "" end

local function command(ctx, base, rest)
  return { session_id = session_of(ctx), base_command = base,
           command_string = rest and base .. " " .. rest or base }
end

operations.rtr_session = {
  summary = "Opens a session on a host that is on line, or gets the one that we hold there.",
  source = "CrowdStrike Falcon API, 2.5",
  class = "read",
  params = { host = "host" },
  method = "POST", path = "/real-time-response/entities/sessions/v1", query = { timeout = "30" },
  json = function(a) return { device_id = host_id(a.host), origin = SOURCE, queue_offline = false } end,
  expect = { 201 },
  result = function(body, a)
    local s = first_of(body, "session")
    return { session = s.session_id, host = host_id(a.host), created = s.created_at }
  end,
}

operations.rtr_refresh = {
  summary = "Keeps a host's session alive.",
  source = "CrowdStrike Falcon API, 2.5",
  class = "read",
  params = { host = "host" },
  method = "POST", path = "/real-time-response/entities/refresh-session/v1",
  json = function(a) return { device_id = host_id(a.host) } end,
  expect = { 201 },
  result = function(_, a) return { host = host_id(a.host) } end,
}

operations.rtr_close = {
  summary = "Closes a session; one that is closed already is fine.",
  source = "CrowdStrike Falcon API, 2.5",
  class = "read",
  params = { session = "string" },
  method = "DELETE", path = "/real-time-response/entities/sessions/v1", headers = JSON,
  query = { session_id = "{session}" },
  expect = { 204, 404 },
  fault = absent_is_good,
  result = function(_, a) return { session = a.session, state = "closed" } end,
}

-- Output comes in pieces.  How long a piece may be is not known; a short one is certainly the last.
local LONG = 1000

operations.rtr_output = {
  summary = "What a command has answered so far, in pieces.",
  source = "CrowdStrike Falcon API, 2.5",
  class = "read", expect = { 200 }, list = true,
  params = { request = "string", level = "one of read active = read" }, select = { "request" },
  method = "GET",
  path = function(a) return a.level == "active" and ACTIVE or COMMAND end,   -- the path that ran the command
  query = { cloud_request_id = "{request}", sequence_id = "0" },
  page = function(answer, a, request)
    local asked = tonumber((request.query or {}).sequence_id) or 0
    local piece = resources(answer.body)[1]
    if not piece or (piece.sequence_id or asked) ~= asked then return {}, nil end
    piece = copy(piece)
    piece.request = a.request
    local more = piece.complete and #(piece.stdout or "") >= LONG
    return { piece }, more and { query = { sequence_id = tostring(asked + 1) } } or nil
  end,
}

local function joined(pieces, member)
  local out = {}
  for i, p in ipairs(pieces) do out[i] = p[member] or "" end
  return table.concat(out)
end

local function complete(pieces)
  local last = pieces[#pieces]
  return last ~= nil and last.complete == true
end

local function looked_at(level, of)
  return { op = "rtr_output", args = function(handle) return { request = handle.request, level = level } end,
           of = of, every = { 1, 2, 2, 5 }, within = 600 }
end

-- A look: what it says in stderr may be the answer.
local LOOK = looked_at("read", function(pieces) return complete(pieces) and "done" or "running" end)

-- A deed: what it says in stderr is why it was not done.
local DEED = looked_at("active", function(pieces)
  if not complete(pieces) then return "running" end
  local why = joined(pieces, "stderr")
  if why:find "%S" then return "failed", why:match "^%s*(.-)%s*$" end
  return "done"
end)

local function request_of(body)
  local r = resources(body)[1] or fail("failed", "the host took no command")
  return { request = r.cloud_request_id, session = r.session_id }
end

operations.rtr_command = {
  summary = "One read-only command on a host: stdout and stderr as it wrote them.",
  source = "CrowdStrike Falcon API, 2.5",
  class = "read",
  params = { host = "host", command = "one of ls ps filehash netstat ipconfig mount", path = "string?" },
  first = SESSION,
  method = "POST", path = COMMAND,
  json = function(a, ctx) return command(ctx, a.command, a.path and quoted(a.path)) end,
  expect = { 201 }, fault = session_gone,
  handle = request_of, follow = LOOK,
  result = function(pieces)
    return { stdout = joined(pieces, "stdout"), stderr = joined(pieces, "stderr") }
  end,
}

-- How a host says that there is no such file: not one wording is documented, and an error of another kind
-- must not be taken for it.
local NO_FILE = { "check your filename", "cannot find", "could not find", "couldn't find", "not found",
                  "no such file", "does not exist" }

local function says_no_file(text)
  text = text:lower()
  for _, words in ipairs(NO_FILE) do
    if text:find(words, 1, true) then return true end
  end
  return false
end

-- All hashes of one length in a text, less what the path itself says: a file may be named after another's.
local function hash_in(text, path, digits)
  text = text:lower()
  for _, name in ipairs { path:lower(), base_name(path):lower() } do
    local at, to = text:find(name, 1, true)
    while at do
      text = text:sub(1, at - 1) .. " " .. text:sub(to + 1)
      at, to = text:find(name, at + 1, true)
    end
  end
  local found
  for word in text:gmatch "%f[%w]%x+%f[%W]" do
    if #word == digits and found and found ~= word then
      fail("failed", "filehash named more than one hash: " .. text)
    end
    if #word == digits then found = word end
  end
  return found
end

operations.rtr_check_hash = {
  summary = "The hashes of a file on a host, or that it is not there.",
  source = "CrowdStrike Falcon API, 2.5",
  class = "read", d3fend = { "D3-FH" },
  params = { host = "host", path = "string" },
  first = SESSION,
  method = "POST", path = COMMAND,
  json = function(a, ctx) return command(ctx, "filehash", quoted(a.path)) end,
  expect = { 201 }, fault = session_gone,
  handle = request_of, follow = LOOK,
  result = function(pieces, a)
    local out, err = joined(pieces, "stdout"), joined(pieces, "stderr")
    local at = { host = host_id(a.host), path = a.path, exists = false }
    if err:find "%S" then
      if says_no_file(err) then return at end
      fail("failed", "filehash " .. a.path .. ": " .. err:match "^%s*(.-)%s*$")
    end
    at.exists, at.sha256 = true, hash_in(out, a.path, 64)
    at.sha1, at.md5 = hash_in(out, a.path, 40), hash_in(out, a.path, 32)
    if not at.sha256 then fail("failed", "filehash " .. a.path .. " named no SHA-256") end
    return at
  end,
}

-- Processes as a Windows host lists them:
--   Name                Id Start Time (UTC-7)   WorkingMemory(kb)    CPU(s) HandleCount Path
--   conhost           2216 4/8/2025 12:14:21 PM             5,612      0.05          93 C:\Windows\…
-- Names lack ".exe"; some have no path; a long path goes on in the next line; times are the host's own, and
-- the head says how far they are from UTC.
local function started_at(m, d, y, clock, half, offset)
  local h, rest = clock:match "^(%d+)(:.*)$"
  h = tonumber(h) % 12 + (half == "PM" and 12 or 0)
  local text = ("%04d-%02d-%02dT%02d%sZ"):format(tonumber(y), tonumber(m), tonumber(d), h, rest)
  return time.parse(text) - offset
end

local function utc_offset(head)
  local sign, h, m = head:match "%(UTC([%+%-])(%d+):?(%d*)%)"
  if not sign then return 0 end
  return (sign == "-" and -1 or 1) * (tonumber(h) * 3600 + (tonumber(m) or 0) * 60)
end

local function process_line(line, offset)
  local name, pid, m, d, y, clock, half, rest =
    line:match "^(%S.-)%s+(%d+)%s+(%d+)/(%d+)/(%d%d%d%d)%s+(%d+:%d%d:%d%d)%s+([AP]M)%s+(.*)$"
  if not name then return nil end
  local path = rest:match "^[%d,%.]+%s+[%d,%.]+%s+%d+%s+(%S.-)%s*$"
  return { pid = math.tointeger(tonumber(pid)), name = name, path = path,
           started = time.format(started_at(m, d, y, clock, half, offset)) }
end

local function processes_of(text)
  local head = text:match "[^\r\n]*Id%s+Start Time[^\r\n]*"
  if not head then fail("failed", "the list of processes is not one of a Windows host") end
  local offset, out = utc_offset(head), {}
  for line in text:gmatch "[^\r\n]+" do
    local p = process_line(line, offset)
    local more = not p and #out > 0 and line:match "^%s+(%S.-)%s*$"
    if p then out[#out + 1] = p end
    if more and out[#out].path then out[#out].path = out[#out].path .. " " .. more end
  end
  return out
end

operations.rtr_processes = {
  summary = "What runs on a host: pid, name, path, started.",
  source = "CrowdStrike Falcon API, 2.5",
  class = "read", d3fend = { "D3-PA" },
  params = { host = "host" },
  first = SESSION,
  method = "POST", path = COMMAND,
  json = function(_, ctx) return command(ctx, "ps") end,
  expect = { 201 }, fault = session_gone,
  handle = request_of, follow = LOOK,
  result = function(pieces)
    local err = joined(pieces, "stderr")
    if err:find "%S" then fail("failed", "ps: " .. err:match "^%s*(.-)%s*$") end
    return processes_of(joined(pieces, "stdout"))
  end,
}

operations.rtr_rm = {
  summary = "Removes one file from a host, if it still has the hash that is meant.",
  source = "CrowdStrike Falcon API, 2.5",
  class = "write", idempotent = true, effect = "confine", d3fend = { "D3-FEV" },
  params = { host = "host", path = "string", sha256 = "sha256" },
  first = SESSION,
  method = "POST", path = ACTIVE,
  json = function(a, ctx)
    if ctx.before and ctx.before ~= "present" then
      fail("stale", a.path .. " is no longer the file with SHA-256 " .. a.sha256)
    end
    return command(ctx, "rm", quoted(a.path))              -- without -Force: a directory is refused
  end,
  expect = { 201 }, fault = session_gone,
  entity = function(a) return "crowdstrike:host:" .. host_id(a.host) end,
  facet = function(a) return "file:" .. path_key(a.path) end, to = "absent",
  state = { op = "rtr_check_hash", args = function(a) return { host = a.host, path = a.path } end,
            of = function(at, a)
              return not at.exists and "absent" or at.sha256 == a.sha256 and "present" or "another file"
            end,
            unchanged = function(_, a)
              return { host = host_id(a.host), path = a.path, sha256 = a.sha256, state = "absent",
                       unchanged = true }
            end },
  resolve = { op = { resolve_host(), resolve_file() } },
  handle = request_of, follow = DEED,
  result = function(_, a)
    return { host = host_id(a.host), path = a.path, sha256 = a.sha256, state = "absent" }
  end,
  undo_why = "a removed file is not put back",
  plan = function(a)
    return { host = host_id(a.host), path = a.path, sha256 = a.sha256, state = "absent", planned = true }
  end,
}

-- An image is known by its path, or by its name with or without ".exe"; a path that was broken over lines
-- may have lost or got a blank.
local function same_image(p, image)
  local bare = function(s) return (base_name(s):lower():gsub("%.exe$", "")) end
  local tight = function(s) return (s:lower():gsub("%s", "")) end
  if image:find "[\\/]" and p.path then return tight(p.path) == tight(image) end
  return bare(p.path or p.name) == bare(image)
end

-- "running": the very process that is meant; "ended": no such pid; "another process": the pid was given away.
local function process_state(processes, a)
  for _, p in ipairs(processes) do
    if p.pid == a.pid then
      local same = same_image(p, a.image) and math.abs(time.parse(p.started) - seconds(a.started)) <= 2
      return same and "running" or "another process", p
    end
  end
  return "ended"
end

operations.rtr_kill = {
  summary = "Ends one process on a host, if pid, image and start are those that are meant.",
  source = "CrowdStrike Falcon API, 2.5",
  class = "write", idempotent = true, effect = "confine", d3fend = { "D3-PT" },
  params = { host = "host", pid = "integer", image = "string", started = "time" },
  first = SESSION,
  method = "POST", path = ACTIVE,
  json = function(a, ctx)
    if a.pid <= 0 then fail("bad_argument", "pid: wants a number above 0") end
    if ctx.before and ctx.before ~= "running" then
      fail("stale", ("process %d is no longer the %s that is meant"):format(a.pid, base_name(a.image)))
    end
    return command(ctx, "kill", tostring(a.pid))
  end,
  expect = { 201 }, fault = session_gone,
  entity = function(a) return "crowdstrike:host:" .. host_id(a.host) end,
  facet = function(a) return ("process:%d@%s"):format(a.pid, time.format(seconds(a.started))) end,
  to = "ended",
  state = { op = "rtr_processes", args = function(a) return { host = a.host } end,
            of = function(processes, a) return (process_state(processes, a)) end,
            unchanged = function(_, a)
              return { host = host_id(a.host), pid = a.pid, state = "ended", unchanged = true }
            end },
  resolve = resolve_host(),
  handle = request_of, follow = DEED,
  result = function(_, a) return { host = host_id(a.host), pid = a.pid, state = "ended" } end,
  undo_why = "an ended process is not started again",
  plan = function(a) return { host = host_id(a.host), pid = a.pid, state = "ended", planned = true } end,
}

-- Fetching a file -----------------------------------------------------------------------------------------

local FILES = "/real-time-response/entities/file/v2"

local function file_of(f)
  return { id = tostring(f.id), request = f.cloud_request_id, session = f.session_id, name = f.name,
           sha256 = f.sha256 and f.sha256 ~= "" and f.sha256:lower() or nil, bytes = f.size,
           complete = f.complete == true, stage = f.stage, progress = f.progress, created = f.created_at,
           deleted = f.deleted_at, error = f.error_message ~= "" and f.error_message or nil }
end

operations.rtr_files = {
  summary = "The files that a session has fetched, those of other runs on that host too.",
  source = "CrowdStrike Falcon API, 2.6",
  class = "read", expect = { 200 }, list = true,
  params = { session = "string" },
  method = "GET", path = FILES, query = { session_id = "{session}" },
  page = function(answer) return resources(answer.body), nil end,
  item = file_of,
}

operations.rtr_host_files = {
  summary = "The files that our session on a host has fetched.",
  source = "CrowdStrike Falcon API, 2.6",
  class = "read", expect = { 200 }, list = true,
  params = { host = "host" },
  first = SESSION,
  method = "GET", path = FILES, query = function(_, ctx) return { session_id = session_of(ctx) } end,
  page = function(answer) return resources(answer.body), nil end,
  item = file_of,
}

-- A listed name may be a device path: it ends like the path that was asked for.
local function same_tail(name, path)
  local tail = path:lower():gsub("^%a:", ""):gsub("^\\device\\[^\\]+", "")
  name = (name or ""):lower()
  return #name >= #tail and name:sub(-#tail) == tail
end

operations.rtr_get = {
  summary = "Has a host send a file to the vendor's cloud; it is there once the session says complete.",
  source = "CrowdStrike Falcon API, 2.6",
  class = "write", idempotent = true, effect = "note",
  params = { host = "host", path = "string" },
  first = SESSION,
  method = "POST", path = ACTIVE,
  json = function(a, ctx) return command(ctx, "get", quoted(a.path)) end,
  expect = { 201 }, fault = session_gone,
  entity = function(a) return "crowdstrike:host:" .. host_id(a.host) end,
  facet = function(a) return "copy:" .. path_key(a.path) end, to = "fetched",
  probe = { op = "rtr_host_files", args = function(a) return { host = a.host } end,
            found = function(files, a, ctx)
              for _, f in ipairs(files) do
                if same_tail(f.name, a.path) and f.created and time.parse(f.created) >= ctx.since - 60 then
                  return { request = f.request, session = f.session }
                end
              end
              return nil
            end },
  handle = request_of, follow = DEED,
  result = function(pieces, a)
    return { host = host_id(a.host), path = a.path, request = pieces[1].request,
             session = pieces[1].session_id }
  end,
  undo_why = "it was a copy",
  plan = function(a)
    return { host = host_id(a.host), path = a.path, request = opaque "the request", planned = true,
             session = opaque "the session", blob = opaque "the file" }
  end,
}

operations.rtr_download = {
  summary = "A fetched file, sealed: a 7z with the password \"infected\".",
  source = "CrowdStrike Falcon API, 2.6",
  class = "read", expect = { 200 }, binary = true,
  params = { session = "string", sha256 = "sha256", name = "string = sample" },
  method = "GET", path = "/real-time-response/entities/extracted-file-contents/v1",
  headers = { Accept = "*/*" },
  query = function(a)
    return { session_id = a.session, sha256 = a.sha256, filename = (a.name:gsub("[^%w%._%-]", "_")) }
  end,
  result = function(_, _, answer)
    if answer.blob.head:sub(1, #SEVEN_ZIP) ~= SEVEN_ZIP then
      fail("failed", "what was downloaded is not a 7z archive")
    end
    return answer.blob
  end,
}

operations.rtr_delete_file = {
  summary = "Deletes a fetched file from the vendor's cloud.",
  source = "CrowdStrike Falcon API, 2.6",
  class = "write", idempotent = true, effect = "note",
  params = { session = "string", id = "string" },
  method = "DELETE", path = FILES, headers = JSON, query = { session_id = "{session}", ids = "{id}" },
  expect = { 204, 404 },
  fault = absent_is_good,
  entity = "crowdstrike:session:{session}", facet = "file:{id}", to = "absent",
  state = { op = "rtr_files", args = function(a) return { session = a.session } end,
            of = function(files, a)
              for _, f in ipairs(files) do
                if f.id == a.id and not f.deleted then return "present" end
              end
              return "absent"
            end },
  result = function(_, a) return { id = a.id, state = "absent" } end,
  undo_why = "it was a copy",
  plan = { id = "{id}", state = "absent" },
}

-- Flows ---------------------------------------------------------------------------------------------------

local flows = {}

-- Of a host only the id is handed on: when it was last seen must not make another question of the same deed.
local function falcon() return require "connectors.crowdstrike" end

-- What people call a host that was given as such; else its id.
local function host_name(h) return type(h) == "table" and h.hostname or host_id(h) end

-- Cleaning up is no reason to fail: it is told, and left to the vendor's own expiry.
local function tidy(verb, args, what)
  local _, err = try(verb, args)
  if err then log.warn(what .. " could not be cleaned up", { code = err.code, message = err.message }) end
end

local function described(hosts)
  local out = {}
  for i, h in ipairs(hosts) do out[i] = ("%s (%s, last seen %s)"):format(h.hostname, h.id, h.last_seen) end
  return table.concat(out, ", ")
end

-- The hosts of a name.  One that is known without its domain is meant by the name with it, unless it is in
-- another one.
local function named(cs, hostname)
  local found = cs.hosts { hostname = hostname }
  local short, domain = hostname:match "^([^%.]+)%.(%a.*)$"
  if #found > 0 or not short then return found end
  return where(cs.hosts { hostname = short }, function(h)
    return not (h.domain and h.domain:find(".", 1, true)) or h.domain:lower() == domain:lower()
  end)
end

-- The hosts that an alert's device may be, by the surest thing known of it.
local function candidates(cs, want)
  local id = want.id or (want.agents or {}).crowdstrike
  if id then return cs.hosts { id = id }, "id " .. id end
  if want.hostname then return named(cs, want.hostname), want.hostname end
  local ip = one(want.ip)
  if not ip then fail("bad_argument", "host: wants an id, a hostname or an address") end
  return cs.hosts { ip = ip }, ip
end

flows.host = {
  summary = "Exactly one host.  Several of that name are ambiguous, unless `seen_within` leaves one.",
  source = "CrowdStrike Falcon API, 2.4b",
  params = { device = "device?", id = "string?", hostname = "string?", ip = "ip?",
             seen_within = "duration?" },
  uses = { "hosts", "host_states" },
  run = function(a)
    local cs = falcon()
    local found, what = candidates(cs, a.device or a)
    if #found == 0 then fail("not_found", "no host is " .. what) end
    local recent = a.seen_within and where(found, function(h)
      return h.last_seen and time.parse(h.last_seen) >= now() - a.seen_within
    end) or found
    if #recent == 0 then fail("stale", what .. " was not seen lately: " .. described(found)) end
    if #recent > 1 then fail("ambiguous", what .. " may be any of " .. described(recent)) end
    local host = recent[1]
    local state = cs.host_states { ids = { host.id } }[1] or {}
    host.online = state.state == "online"
    return host
  end,
}

-- Waits until the file that we asked for is in the cloud, and keeps the session alive meanwhile.
local function arrived(cs, host, got)
  local refreshed = now()
  return await_until(function()
    if now() - refreshed > 200 then
      refreshed = now()
      cs.rtr_refresh { host = host }
    end
    for _, f in ipairs(cs.rtr_files { session = got.session }) do
      if f.request == got.request and f.error then fail("failed", "the file did not arrive: " .. f.error) end
      if f.request == got.request and f.complete and f.sha256 then return f end
    end
    return nil
  end, { every = "3s", timeout = "20m" })
end

flows.rtr_get_file = {
  summary = "A file from a host, sealed in an archive; with `sha256`, only if it is that file.",
  source = "CrowdStrike Falcon API, 2.6",
  params = { host = "host", path = "string", sha256 = "sha256?" },
  uses = { "rtr_check_hash", "rtr_get", "rtr_refresh", "rtr_files", "rtr_download", "rtr_delete_file",
           "rtr_close" },
  run = function(a)
    local cs, host = falcon(), host_id(a.host)
    local at = cs.rtr_check_hash { host = host, path = a.path }
    if not at.exists then fail("not_found", ("%s is not on host %s"):format(a.path, host_name(a.host))) end
    if a.sha256 and at.sha256 ~= a.sha256 then
      fail("stale", ("%s on host %s has SHA-256 %s, not %s"):format(a.path, host_name(a.host), at.sha256,
                                                                    a.sha256))
    end
    local out = { host = at.host, path = a.path, name = base_name(a.path), sha256 = at.sha256, sha1 = at.sha1,
                  md5 = at.md5, archive = "7z" }
    local got = cs.rtr_get { host = host, path = a.path }
    if got.planned then
      out.blob, out.planned = got.blob, true
      return out
    end

    local file = arrived(cs, host, got)
    local why = file.sha256 ~= at.sha256 and "it changed while it was fetched"
             or (file.bytes or 0) > 100 * MIB and "it is larger than the archive service takes (100 MiB)"
    if not why then
      out.blob = cs.rtr_download { session = got.session, sha256 = file.sha256, name = out.name }
      out.bytes = file.bytes
    end
    tidy(cs.rtr_delete_file, { session = got.session, id = file.id }, "the copy of " .. a.path)
    tidy(cs.rtr_close, { session = got.session }, "the session")
    if why then fail(file.sha256 ~= at.sha256 and "stale" or "too_big", a.path .. ": " .. why) end
    return out
  end,
}

flows.rtr_remove_file = {
  summary = "Removes a file from a host after checking its hash, and checks that it is gone.",
  source = "CrowdStrike Falcon API, 2.5",
  params = { host = "host", path = "string", sha256 = "sha256" },
  uses = { "rtr_check_hash", "rtr_rm" },
  run = function(a)
    local cs, host = falcon(), host_id(a.host)
    local at = cs.rtr_check_hash { host = host, path = a.path }
    if not at.exists then
      return { host = at.host, path = a.path, sha256 = a.sha256, state = "absent", unchanged = true }
    end
    if at.sha256 ~= a.sha256 then
      fail("stale", ("%s on host %s has SHA-256 %s, not %s: left alone"):format(a.path, host_name(a.host),
                                                                                 at.sha256, a.sha256))
    end
    local removed, err = try(cs.rtr_rm, { host = host, path = a.path, sha256 = a.sha256 })
    if err and err.code ~= "failed" then error(err, 0) end
    if removed and removed.planned then return removed end
    if cs.rtr_check_hash { host = host, path = a.path }.exists then
      fail("failed", ("%s is still on host %s: %s"):format(a.path, host_name(a.host),
                                                           err and err.message or "?"))
    end
    return { host = at.host, path = a.path, sha256 = a.sha256, state = "absent" }
  end,
}

flows.rtr_kill_process = {
  summary = "Ends a process after checking its image and start, and checks that it has ended.",
  source = "CrowdStrike Falcon API, 2.5",
  params = { host = "host", pid = "integer", image = "string", started = "time" },
  uses = { "rtr_processes", "rtr_kill" },
  run = function(a)
    local cs, host = falcon(), host_id(a.host)
    local state, p = process_state(cs.rtr_processes { host = host }, a)
    local out = { host = host, pid = a.pid, state = "ended" }
    if state == "ended" then
      out.unchanged = true
      return out
    end
    if state ~= "running" then
      fail("stale", ("process %d is %s, started %s; %s, started %s, was meant")
                    :format(a.pid, p.path or p.name, p.started, a.image, time.format(seconds(a.started))))
    end
    local ended, err = try(cs.rtr_kill, { host = host, pid = a.pid, image = a.image, started = a.started })
    if err and err.code ~= "failed" then error(err, 0) end
    if ended and ended.planned then return ended end
    if process_state(cs.rtr_processes { host = host }, a) == "running" then
      fail("failed", ("process %d still runs: %s"):format(a.pid, err and err.message or "?"))
    end
    return out
  end,
}

-- Puts a sample where the sandbox finds it.  What came from a host is sealed: the archive service opens it.
local function provide(cs, sample, sha256, name)
  if #cs.samples_known { sha256s = { sha256 } } > 0 then return end
  if not sample then fail("not_found", "the sample store has no file " .. sha256) end
  if type(sample) ~= "table" or not sample.archive then
    cs.upload_sample { sample = sample, name = name }
    return
  end
  local up = cs.upload_archive { sample = sample.blob, name = (name or "sample") .. ".7z" }
  local inner = not up.planned and up.files[1] or name
  if not up.planned and #up.files ~= 1 then
    fail("failed", ("the archive holds %d files, not one"):format(#up.files))
  end
  cs.extract { archive = up.archive, name = inner, sha256 = sha256 }
  tidy(cs.delete_archive, { archive = up.archive }, "the uploaded archive")
end

-- The report of a submission appears a little after its end.
local function report_of_submission(cs, id)
  local report = await_until(function() return cs.reports { ids = { id }, failed = true }[1] end,
                             { every = "10s", timeout = "15m" })
  if report.error then analysis_failed(report) end
  return report
end

flows.analyse = {
  summary = "The sandbox's report on a sample: the newest there is, else it is submitted and waited for.",
  source = "CrowdStrike Falcon API, 2.1a to 2.1d and 2.6",
  params = { sample = "table?", sha256 = "sha256?", environment = "integer = 160", name = "string?",
             command_line = "string?", again = "boolean = false" },
  uses = { "reports", "samples_known", "upload_sample", "upload_archive", "extract", "delete_archive",
           "submit" },
  run = function(a)
    local cs = falcon()
    local sha256 = a.sha256 or a.sample and a.sample.sha256
    if not sha256 then fail("bad_argument", "analyse: wants a sample or a sha256") end
    local name = a.name or a.sample and a.sample.name
    local known = cs.reports { sha256 = sha256, failed = true }
    for _, r in ipairs(known) do
      if not r.error and not a.again then return r end
    end
    local last = known[1]
    local unfit = last and last.error and (last.error.type or ""):find "FILE_TYPE"
    if unfit and last.environment == a.environment then
      fail("failed", "the sandbox cannot analyse this kind of file (no second try: it would spend quota)",
           { vendor_code = last.error.type })
    end
    provide(cs, a.sample, sha256, name)
    local s = cs.submit { sha256 = sha256, environment = a.environment, name = name,
                          command_line = a.command_line, wait = a.wait }
    if s.planned then
      return { id = opaque "the report's id", verdict = opaque "the sandbox's verdict", sha256 = sha256,
               environment = a.environment, planned = true }
    end
    return report_of_submission(cs, s.id)
  end,
}

-- Alerts --------------------------------------------------------------------------------------------------

local function made(how, t) return ("created_timestamp:%s'%s'"):format(how, time.format(math.floor(seconds(t)))) end

operations.alerts = {
  summary = "Alerts made since a time, and before another, whole as the vendor keeps them; the oldest first.",
  source = "CrowdStrike Falcon API, 2.3",
  class = "read", expect = { 200 }, list = true,
  params = { since = "time", before = "time?" },
  method = "POST", path = "/alerts/combined/alerts/v1",
  json = function(a)
    local terms = { made(">", seconds(a.since) - 1) }      -- it has no "at or after"
    if a.before then terms[2] = made("<", a.before) end
    return { filter = all_of(terms), limit = 1000, sort = "created_timestamp|asc" }
  end,
  page = function(answer)
    local after = paging_of(answer).after
    return resources(answer.body), after and after ~= "" and { json = { after = after } } or nil
  end,
}

-- The scopes of the API client (1.6).  Nobody has such a host or file: the answer is empty.
local NOTHING = ("0"):rep(63) .. "1"
local RIGHTS = {
  { name = "Hosts: read", try = "hosts", args = { hostname = "nobody.lunette.invalid" },
    operations = { "hosts", "endpoint_count", "host_details", "host_states" } },
  { name = "Alerts: read", operations = { "alerts" } },
  { name = "IOC Management: read", try = "iocs", args = { sha256 = NOTHING },
    operations = { "iocs", "iocs_by_id", "ioc_hosts" } },
  { name = "IOC Management: write", operations = { "create_ioc", "delete_iocs" } },
  { name = "Sandbox: read", try = "submissions", args = { sha256 = NOTHING },
    operations = { "reports", "report", "submissions", "analysis_status", "sandbox_quota", "samples_known" } },
  { name = "Sandbox: write", operations = { "submit", "upload_sample" } },
  { name = "Real time response: read",
    operations = { "rtr_session", "rtr_refresh", "rtr_close", "rtr_output", "rtr_check_hash", "rtr_processes" } },
  { name = "Real time response: write",
    operations = { "rtr_command", "rtr_rm", "rtr_kill", "rtr_get", "rtr_files", "rtr_host_files", "rtr_download",
                   "rtr_delete_file" } },
  { name = "Sample uploads: read", try = "archive_status", args = { archive = NOTHING },
    operations = { "archive_status", "extraction_status" } },
  { name = "Sample uploads: write", operations = { "upload_archive", "extract", "delete_archive" } },
}

return connector {
  name = "crowdstrike",
  config = { client_id = "string", client_secret = "secret", region = "string?" },
  auth = { kind = "oauth2", path = "/oauth2/token", id = "client_id", secret = "client_secret", expect = 201,
           early = 240,
           -- A 308 of the token call names the region that the API client lives in: these, and no others.
           regions = { "https://api.crowdstrike.com", "https://api.us-2.crowdstrike.com",
                       "https://api.us-3.crowdstrike.com", "https://api.eu-1.crowdstrike.com" } },
  headers = { Accept = "application/json" },
  body = "json",
  endpoints = "endpoint_count",
  rights = RIGHTS,
  fault = fault, limit = limit,
  operations = operations, flows = flows,
}
