-- crowdstrike.lua: a strict simulator of the Falcon API, as far as the connector uses it.
--
-- Facts: the vendor's Swagger of 2023, gofalcon, falconpy and psfalcon (2026), and threads of the issue
-- trackers of these and of other integrations.  It refuses what Falcon refuses, and copies the habits that
-- clients stumble over: the token call says 201, and 308 to another region; good statuses carry `errors`; a
-- full sandbox quota is a 429 that no waiting helps; a failed analysis has a report; a command that failed is
-- `complete` with a `stderr`; `get` is complete before the file is there; sessions are shared by all that one
-- client does on a host, and die of 10 minutes' idleness; what is fetched comes sealed; an unescaped "+" in a
-- filter is a blank.
--
-- Where the vendor's answer is not documented: a second indicator of the same type and value is a 400;
-- deleting an unknown id, and a download that is too early, are 404; an archive under way says "processing";
-- a piece of a command's output has at most `state.piece` bytes; an unknown alert is left out.
--
-- What a test may set: state.home (another region: the token call says 308), state.quota ({ total, used }),
-- state.per_minute, state.piece, state.page (largest page of ids), state.scopes (a set; nil: all),
-- state.devices[id].online, state.analysis ({ running, done, report }, seconds after submission).

local kit  = require "sim.kit"
local json = require "json"

local CID = "7a1e0c5d9b3f48e2a6d4c8b0f2e19375"
local CLIENT, SECRET = "5c0ffee0d15ea5e0c0dec0de5111a7e0", "SimulatedFalconSecretOfFortyCharacters01"
local SEVEN_ZIP = "7z\xBC\xAF\x27\x1C"
local REGIONS = { ["us-2"] = "https://api.us-2.crowdstrike.com",
                  ["eu-1"] = "https://api.eu-1.crowdstrike.com" }

-- Answers -------------------------------------------------------------------------------------------------

local function envelope(req, status, body)
  body.meta = body.meta or {}
  body.meta.query_time, body.meta.powered_by = 0.0412, "sim"
  body.meta.trace_id = kit.uuid(req.rand)
  if not body.errors then body.errors = json.array {} end
  return { status = status, json = body, headers = { { "X-Cs-Traceid", body.meta.trace_id } } }
end

local function good(req, status, resources, meta)
  return envelope(req, status, { resources = json.array(resources), meta = meta })
end

local function refuse(req, status, message, code, meta)
  return envelope(req, status, { errors = { { code = code or status, message = message } },
                                 resources = json.array {}, meta = meta })
end

local function listed(x)
  if x == nil then return {} end
  return type(x) == "table" and x or { x }
end

local function set(text)
  local out = {}
  for word in text:gmatch "%S+" do out[word] = true end
  return out
end

-- A body's members must be among these; what else it has is named.
local function unknown_member(body, known)
  for name in pairs(body) do
    if not known[name] then return tostring(name) end
  end
  return nil
end

local function page_of(all, offset, limit)
  local out = {}
  for i = offset + 1, math.min(offset + limit, #all) do out[#out + 1] = all[i] end
  return out
end

-- Filters -------------------------------------------------------------------------------------------------

-- name:'value', name:!'value', name:>'value', name:['a','b'], joined by + (and) or , (or).  `fields` says
-- which names there are and how to read them.  Returns a function of a record, or nil and why not.
local function filter_term(text, at, fields)
  local name, after = text:match("^([%w_%.]+):()", at)
  if not name then return nil, "invalid filter near: " .. text:sub(at, at + 20) end
  if not fields[name] then return nil, "invalid filter: unknown field " .. name end
  local op, from = text:match("^([!<>]?=?)()", after)
  local values = {}
  local list, past = text:match("^%[(.-)%]()", from)
  if list then
    for v in list:gmatch "'([^']*)'" do values[#values + 1] = v end
  else
    local v
    v, past = text:match("^'([^']*)'()", from)
    if not v then v, past = text:match("^([%w%.:%-]+)()", from) end
    if not v then return nil, "invalid filter: no value for " .. name end
    values[1] = v
  end
  return function(record)
    local have = tostring(fields[name](record))
    for _, v in ipairs(values) do
      local a, b = tonumber(have) or have, tonumber(v) or v
      if type(a) ~= type(b) then a, b = have, v end
      local yes = op == "" and have:lower() == v:lower() or op == ">" and a > b or op == ">=" and a >= b
               or op == "<" and a < b or op == "<=" and a <= b
      if yes then return true end
      if op == "!" and have:lower() ~= v:lower() then return true end
    end
    return false
  end, past
end

local function filter_of(text, fields)
  if text == nil then return function() return true end end
  local groups, at = { {} }, 1
  while true do
    local test, past = filter_term(text, at, fields)
    if not test then return nil, past end
    table.insert(groups[#groups], test)
    if past > #text then break end
    local join = text:sub(past, past)
    if join == "," then groups[#groups + 1] = {}
    elseif join ~= "+" then return nil, "invalid filter near: " .. text:sub(past, past + 20) end
    at = past + 1
  end
  return function(record)
    for _, all in ipairs(groups) do
      local yes = true
      for _, test in ipairs(all) do yes = yes and test(record) end
      if yes then return true end
    end
    return false
  end
end

local function field(name) return function(x) return x[name] end end

local function fields_of(names)
  local out = {}
  for name in names:gmatch "%S+" do out[name] = field(name) end
  return out
end

local DEVICE_FIELDS = fields_of "hostname device_id local_ip platform_name status last_seen"
local IOC_FIELDS = fields_of("type value action source expired expiration created_on modified_on created_by "
  .. "applied_globally")
local SANDBOX_FIELDS = { ["sandbox.sha256"] = function(x) return x.sandbox[1].sha256 end,
                         ["sandbox.environment_id"] = function(x) return x.sandbox[1].environment_id end,
                         created_timestamp = field "created_timestamp" }

-- Numeric paging of a filtered list, as ids or as they are.
local function query(req, state, all, fields, most)
  local test, why = filter_of(kit.first(req.query.filter), fields)
  if not test then return nil, refuse(req, 400, why) end
  local limit, offset = tonumber(req.query.limit or 100), tonumber(req.query.offset or 0)
  if not limit or limit < 1 or limit > most or not offset then
    return nil, refuse(req, 400, "invalid limit or offset")
  end
  local found = {}
  for _, x in ipairs(all) do
    if test(x) then found[#found + 1] = x end
  end
  limit = math.min(limit, state.page)
  return page_of(found, offset, limit), { pagination = { offset = offset, limit = limit, total = #found } }
end

-- The gate ------------------------------------------------------------------------------------------------

local SCOPES = {
  { "^/alerts/", "alerts" },
  { "^/falconx/", "falconx-sandbox" }, { "^/samples/", "samplestore" }, { "^/archives/", "samplestore" },
  { "^/iocs/", "ioc" }, { "^/devices/", "devices" }, { "^/real%-time%-response/", "real-time-response" },
}

-- Which scope a request needs: reading or writing; a read-only command needs reading only.
local function scope_of(req)
  local path = req.path
  local write = req.method ~= "GET" and not path:find "/GET/v1$" and not path:find "^/alerts/combined/"
                and path ~= "/alerts/entities/alerts/v2"
                and not path:find "/entities/command/v1$"
                and not path:find "sessions?/v1$"
  for _, part in ipairs { "extracted%-file%-contents", "entities/file/v2", "active%-responder" } do
    write = write or path:find(part) ~= nil
  end
  for _, s in ipairs(SCOPES) do
    if path:find(s[1]) then return s[2] .. (write and ":write" or ":read") end
  end
  return nil
end

-- How many calls the last minute saw, this one included.
local function last_minute(list, now)
  local keep = {}
  for _, at in ipairs(list) do
    if at > now - 60 then keep[#keep + 1] = at end
  end
  keep[#keep + 1] = now
  return keep
end

local function too_many(req, per_minute, wait)
  local r = refuse(req, 429, "API rate limit exceeded.")
  local h = r.headers
  h[#h + 1], h[#h + 2] = { "X-RateLimit-Limit", per_minute }, { "X-RateLimit-Remaining", 0 }
  h[#h + 1] = { "X-RateLimit-RetryAfter", math.floor(req.now) + wait }       -- an absolute time
  return r
end

local function authenticate(req, state)
  local token = (kit.first(req.headers.authorization) or ""):match "^[Bb]earer (%S+)$"
  local till = token and state.tokens[token]
  if till and till > req.now then return nil end
  state.strangers = last_minute(state.strangers, req.now)
  if #state.strangers > 15 then return too_many(req, 15, 60) end
  return refuse(req, 401, "access denied, invalid bearer token")
end

local function media(req)
  local kind = (kit.first(req.headers["content-type"]) or ""):lower()
  local upload = req.path == "/samples/entities/samples/v3" or req.path == "/samples/entities/samples/v2"
              or req.path == "/archives/entities/archives/v2"
  if req.method == "GET" or req.method == "DELETE" and kind == "" and req.body == "" then return nil end
  if upload and req.method == "POST" then
    local ok = req.multipart or kind:find("octet-stream", 1, true) and not req.path:find "^/archives"
    return not ok and refuse(req, 400, "a multipart form or an octet-stream is expected") or nil
  end
  if not kind:find("application/json", 1, true) then return refuse(req, 415, "unsupported media type") end
  if req.method ~= "DELETE" and type(req.json) ~= "table" then
    return refuse(req, 400, "Provided data does not match expected format")
  end
  return nil
end

local settle                                               -- what was under way and is over now

local function before(req, state)
  if #req.path + #req.query_text > 8192 then return refuse(req, 414, "request URI too long") end
  settle(state, req.now)
  if req.path == "/oauth2/token" or req.path == "/oauth2/revoke" then return nil end
  local no = authenticate(req, state)
  if no then return no end
  state.calls = last_minute(state.calls, req.now)
  if #state.calls > state.per_minute then return too_many(req, state.per_minute, 60) end
  local scope = scope_of(req)
  if state.scopes and scope and not state.scopes[scope] then
    return refuse(req, 403, "access denied, authorization failed")
  end
  for name, value in pairs(req.query) do
    if value == "True" or value == "False" then return refuse(req, 400, name .. ": invalid boolean") end
  end
  return req.op and media(req)
end

local function none(req)
  if req.allow then return refuse(req, 405, "method not allowed") end
  return refuse(req, 404, "404: Page Not Found")
end

-- Tokens --------------------------------------------------------------------------------------------------

local function token(req, state)
  if not req.form then return refuse(req, 400, "invalid request: a form is expected") end
  if not req.form.client_id or not req.form.client_secret then
    return refuse(req, 400, "invalid request: client_id and client_secret are required")
  end
  if state.home then
    return { status = 308, body = "", headers = { { "Location", REGIONS[state.home] .. "/oauth2/token" },
                                                  { "X-Cs-Region", state.home } } }
  end
  if req.form.client_id ~= CLIENT or req.form.client_secret ~= SECRET then
    return refuse(req, 403, "access denied, authorization failed")
  end
  local t = kit.pick(req.rand, 40)
  state.tokens[t] = req.now + 1799
  return { status = 201, headers = { { "X-Cs-Region", "us-1" } },
           json = { access_token = t, token_type = "bearer", expires_in = 1799 } }
end

local function revoke(req, state)
  if not kit.first(req.headers.authorization or ""):match "^Basic " then
    return refuse(req, 403, "access denied, authorization failed")
  end
  state.tokens[(req.form or {}).token or ""] = nil
  return good(req, 200, {})
end

-- Samples and archives ------------------------------------------------------------------------------------

local function sha256(data) return require "crypto".hash("sha256", data) end

-- Bytes that no scanner takes for what they hold; the simulator alone can read them again.
local function masked(text) return (text:gsub(".", function(c) return string.char(c:byte() ~ 0x5A) end)) end

local function seal(name, data)
  return SEVEN_ZIP .. "\0\4" .. masked(("%d:%s%s"):format(#name, name, data))
end

local function unseal(bytes)
  if bytes:sub(1, #SEVEN_ZIP) ~= SEVEN_ZIP then return nil end
  local n, rest = masked(bytes:sub(#SEVEN_ZIP + 3)):match "^(%d+):(.*)$"
  if not n then return nil end
  return rest:sub(1, tonumber(n)), rest:sub(tonumber(n) + 1)
end

local function part(req, name)
  for _, p in ipairs(req.multipart or {}) do
    if p.name == name then return p end
  end
  return nil
end

local function part_text(req, name)
  local p = part(req, name)
  return p and p.data
end

local function note(state, at, entry)
  entry.at = at
  state.log[#state.log + 1] = entry
end

local function store_sample(state, req, name, data, confidential)
  local hash = sha256(data)
  state.samples[hash] = { sha256 = hash, file_name = name, data = data, confidential = confidential }
  note(state, req.now, { op = "upload_sample", sha256 = hash, confidential = confidential })
  return hash
end

local function upload_sample(req, state)
  local data, name, confidential
  if req.multipart then
    local p = part(req, "sample")
    data, name, confidential = p and p.data, part_text(req, "file_name"), part_text(req, "is_confidential")
  else
    data, name, confidential = req.body, kit.first(req.query.file_name), kit.first(req.query.is_confidential)
  end
  if not data or data == "" or not name or name == "" then
    return refuse(req, 400, "sample and file_name are required")
  end
  local hash = store_sample(state, req, name, data, confidential ~= "false")
  return good(req, 200, { { sha256 = hash, file_name = name } })
end

local function known_samples(req, state)
  local ids = req.json.sha256s
  if type(ids) ~= "table" or #ids > 200 then return refuse(req, 400, "sha256s: a list of at most 200") end
  local out = {}
  for _, id in ipairs(ids) do
    if state.samples[id] then out[#out + 1] = id end
  end
  return good(req, 200, out)
end

local function archive_view(a, files)
  return { sha256 = a.sha256, name = a.name, size = #a.data, mime_type = "application/x-7z-compressed",
           status = a.status, error = a.error, upload_timestamp = kit.iso(a.at),
           files = files and a.status == "done" and json.array { a.inner } or nil }
end

local function upload_archive(req, state)
  local file, name = part(req, "file"), part_text(req, "name")
  if not file or file.data == "" or not name then return refuse(req, 400, "file and name are required") end
  if #file.data > 100 * 1024 * 1024 then return refuse(req, 413, "archive too large") end
  local inner, data = unseal(file.data)
  local a = { sha256 = sha256(file.data), name = name, data = file.data, inner = inner, content = data,
              status = "processing", at = req.now, ready = req.now + 4 }
  if not inner then a.why = "unsupported archive format"
  elseif part_text(req, "password") ~= "infected" then a.why = "wrong password" end
  state.archives[a.sha256] = a
  note(state, req.now, { op = "upload_archive", sha256 = a.sha256,
                                confidential = part_text(req, "is_confidential") ~= "false" })
  return good(req, 202, { archive_view(a) })
end

local function get_archive(req, state)
  local a = state.archives[kit.first(req.query.id) or ""]
  if not a then return refuse(req, 404, "archive not found") end
  return good(req, 200, { archive_view(a, kit.first(req.query.include_files) == "true") })
end

local function delete_archive(req, state)
  local id = kit.first(req.query.id) or ""
  if not state.archives[id] then return refuse(req, 404, "archive not found") end
  state.archives[id] = nil
  note(state, req.now, { op = "delete_archive", sha256 = id })
  return good(req, 202, {})
end

local function extraction_view(x, files)
  local f = { name = x.name, status = x.status, sha256 = x.status == "done" and x.sha256 or nil,
              extract_timestamp = kit.iso(x.at) }
  return { id = x.id, status = x.status, extract_timestamp = kit.iso(x.at),
           files = files and { f } or nil }
end

local function extract(req, state)
  if unknown_member(req.json, set "sha256 files extract_all") then
    return refuse(req, 400, "unknown member")
  end
  local a = state.archives[req.json.sha256 or ""]
  if not a or a.status ~= "done" then return refuse(req, 404, "archive not found") end
  local want = listed(req.json.files)[1] or {}
  if not req.json.extract_all and want.name ~= a.inner then
    return refuse(req, 400, "no such file in the archive")
  end
  local x = { id = kit.uuid(req.rand), name = a.inner, archive = a, status = "processing", at = req.now,
              ready = req.now + 3, sha256 = sha256(a.content), confidential = want.is_confidential ~= false }
  state.extractions[x.id] = x
  note(state, req.now, { op = "extract", archive = a.sha256, sha256 = x.sha256 })
  return good(req, 202, { extraction_view(x) })
end

local function get_extraction(req, state)
  local x = state.extractions[kit.first(req.query.id) or ""]
  if not x then return refuse(req, 404, "extraction not found") end
  return good(req, 200, { extraction_view(x, kit.first(req.query.include_files) == "true") })
end

-- The sandbox ---------------------------------------------------------------------------------------------

local ENVIRONMENTS = { [100] = "Windows 7 32 bit", [110] = "Windows 7 64 bit", [140] = "Windows 11 64 bit",
                       [160] = "Windows 10 64 bit", [200] = "Android (static)", [310] = "Ubuntu 20",
                       [330] = "Ubuntu 24", [400] = "macOS Catalina", [430] = "macOS Tahoe" }
local SANDBOX_MEMBERS = set("environment_id sha256 url submit_name action_script network_settings "
  .. "command_line document_password system_date system_time browser interactivity enable_tor")
local HANDLED = set "exe dll vbs js ps1 bat cmd hta wsf docx xlsx pdf zip 7z jar py sh lnk msi txt csv html"
local NETWORKS = set "default tor simulated offline"

local function quota_meta(state)
  local q = { total = state.quota.total, used = state.quota.used, in_progress = 0 }
  for _, s in ipairs(state.submissions) do
    if s.state == "created" or s.state == "running" then q.in_progress = q.in_progress + 1 end
  end
  return { quota = q }
end

local function bad_sandbox(body, box, state)
  local odd = unknown_member(body, set "sandbox user_tags send_email_notification")
           or unknown_member(box, SANDBOX_MEMBERS)
  if odd then return "unknown member: " .. odd end
  if box.sha256 and box.url then return "Either sha256 or url attributes needs to be submitted, not both" end
  if not box.sha256 and not box.url then return "sha256 or url is required" end
  if math.type(box.environment_id) ~= "integer" or not ENVIRONMENTS[box.environment_id] then
    return "invalid environment_id"
  end
  if box.network_settings and not NETWORKS[box.network_settings] then return "invalid network_settings" end
  if #(box.command_line or "") > 2048 then return "command_line too long" end
  if #(box.document_password or "") > 32 then return "document_password too long" end
  if box.sha256 and not state.samples[box.sha256] then return "sample not found: " .. box.sha256 end
  return nil
end

local function submission_view(s)
  return { id = s.id, cid = CID, state = s.state, origin = "apigateway", created_timestamp = kit.iso(s.at),
           sandbox = { s.box }, user_tags = s.tags }
end

local function submit(req, state)
  local boxes = req.json.sandbox
  if type(boxes) ~= "table" then return refuse(req, 400, "invalid number of samples") end
  if #boxes ~= 1 then return refuse(req, 400, "Invalid number of sandbox parameters submitted") end
  local why = bad_sandbox(req.json, boxes[1], state)
  if why then return refuse(req, 400, why) end
  if state.quota.used >= state.quota.total then
    return refuse(req, 429, "quota exceeded", 429, quota_meta(state))
  end
  state.quota.used = state.quota.used + 1
  local box = kit.copy(boxes[1])
  local sample = state.samples[box.sha256] or {}
  local s = { id = CID .. "_" .. kit.hex(req.rand, 32), state = "created", at = req.now, box = box,
              tags = req.json.user_tags or json.array {},
              name = box.submit_name or sample.file_name or box.sha256, created_timestamp = kit.iso(req.now),
              sandbox = { box } }
  table.insert(state.submissions, 1, s)
  note(state, req.now, { op = "submit", sha256 = box.sha256, id = s.id })
  return good(req, 200, { submission_view(s) }, quota_meta(state))
end

local function make_report(state, s, now)
  local ending = (s.name or ""):lower():match "%.(%w+)$"
  local known = state.world.verdicts[s.box.sha256]
  local box = { environment_id = s.box.environment_id, sha256 = s.box.sha256, submit_name = s.name,
                environment_description = ENVIRONMENTS[s.box.environment_id] }
  if not ending or not HANDLED[ending] then
    box.verdict, box.error_type, box.error_origin = "no verdict", "FILE_TYPE_BAD_ERROR", "CLIENT"
    box.error_message = "The file type is not supported"
  elseif known then
    box.verdict, box.threat_score, box.classification_tags = known.verdict, known.score, known.tags
    box.incidents = known.score > 50
      and { { name = "Execution", details = { "Starts an interpreter without a window" } } } or json.array {}
  else
    box.verdict, box.threat_score = "no specific threat", 0
  end
  table.insert(state.reports, 1, { id = s.id, cid = CID, verdict = box.verdict, sandbox = { box },
                                   created_timestamp = kit.iso(now), user_tags = s.tags })
end

local function advance(state, s, now)
  local age = now - s.at
  if s.state == "created" and age >= state.analysis.running then s.state = "running" end
  if s.state == "running" and age >= state.analysis.done then s.state = "success" end
  if s.state == "success" and not s.reported and age >= state.analysis.report then
    s.reported = true
    make_report(state, s, s.at + state.analysis.report)
  end
end

local function by_ids(req, all, view, meta)
  local out = {}
  for _, given in ipairs(listed(req.query.ids)) do
    for id in given:gmatch "[^,]+" do
      for _, x in ipairs(all) do
        if x.id == id then out[#out + 1] = view(x) end
      end
    end
  end
  return good(req, 200, out, meta)
end

local function get_submissions(req, state)
  if req.query.ids == nil then return refuse(req, 400, "ids is required") end
  return by_ids(req, state.submissions, submission_view, quota_meta(state))
end

local function query_sandbox(which)
  return function(req, state)
    local sort = kit.first(req.query.sort)
    if sort and sort ~= "asc" and sort ~= "desc" then return refuse(req, 400, "sort: asc or desc") end
    local found, meta = query(req, state, state[which], SANDBOX_FIELDS, 5000)
    if not found then return meta end
    local ids = {}
    for i, x in ipairs(found) do ids[i] = x.id end
    return good(req, 200, ids, meta)
  end
end

local function get_reports(full)
  return function(req, state)
    if req.query.ids == nil then return refuse(req, 400, "ids is required") end
    return by_ids(req, state.reports, function(r)
      local out = kit.copy(r)
      if full then out.sandbox[1].processes, out.sandbox[1].dns_requests = json.array {}, json.array {} end
      return out
    end, quota_meta(state))
  end
end

-- Indicators ----------------------------------------------------------------------------------------------

local TYPES = set "sha256 md5 domain ipv4 ipv6"
local ACTIONS = set "no_action detect prevent prevent_no_ui allow"
local SEVERITIES = set "informational low medium high critical"
local PLATFORMS = set "windows mac linux ios android"
local IOC_MEMBERS = set("type value action severity platforms applied_globally host_groups mobile_action "
  .. "source expiration description tags metadata")
local LENGTH = { sha256 = 64, md5 = 32 }

local function bad_scope(i)
  if i.applied_globally == nil and not i.host_groups then
    return "applied_globally or host_groups is required"
  end
  if i.applied_globally and i.host_groups then return "applied_globally excludes host_groups" end
  for _, p in ipairs(listed(i.platforms)) do
    if not PLATFORMS[p] then return "invalid platform: " .. tostring(p) end
  end
  return nil
end

local function bad_indicator(i)
  local odd = unknown_member(i, IOC_MEMBERS)
  if odd then return "unknown member: " .. odd end
  if not TYPES[i.type or ""] then return "invalid type: " .. tostring(i.type) end
  if type(i.value) ~= "string" or i.value == "" then return "value is required" end
  local n = LENGTH[i.type]
  if n and (#i.value ~= n or i.value:find "%X") then return "invalid " .. i.type end
  if not ACTIONS[i.action or ""] then return "invalid action: " .. tostring(i.action) end
  if not n and i.action ~= "detect" and i.action ~= "no_action" then
    return "action " .. i.action .. " is not supported for type " .. i.type
  end
  if i.action ~= "no_action" and i.action ~= "allow" and not SEVERITIES[i.severity or ""] then
    return "severity is required"
  end
  if #listed(i.platforms) == 0 then return "platforms is required" end
  if i.source and (#i.source == 0 or #i.source > 256) then return "source: 1 to 256 characters" end
  if i.expiration and not kit.seconds(i.expiration) then return "invalid expiration" end
  return bad_scope(i)
end

local function ioc_view(i) return kit.copy(i) end

local function find_ioc(state, id)
  for n, i in ipairs(state.iocs) do
    if i.id == id then return i, n end
  end
  return nil
end

local function same_ioc(state, kind, value)
  for _, i in ipairs(state.iocs) do
    if i.type == kind and i.value:lower() == value:lower() then return i end
  end
  return nil
end

local function create_iocs(req, state)
  if unknown_member(req.json, set "comment indicators") then
    return refuse(req, 400, "Provided data does not match expected format")
  end
  local given = listed(req.json.indicators)
  if #given == 0 or #given > 2000 then return refuse(req, 400, "1 to 2000 indicators") end
  for _, i in ipairs(given) do
    local why = bad_indicator(i)
    if not why and same_ioc(state, i.type, i.value) then
      why = ("Duplicate type: '%s' and value: '%s' combination."):format(i.type, i.value)
    end
    if why then return refuse(req, 400, why) end
  end
  local out = {}
  for n, i in ipairs(given) do
    local x = kit.copy(i)
    x.id, x.created_on, x.modified_on = kit.hex(req.rand, 64), kit.iso(req.now), kit.iso(req.now)
    x.created_by, x.expired, x.deleted = CLIENT, false, false
    state.iocs[#state.iocs + 1], out[n] = x, ioc_view(x)
    note(state, req.now, { op = "create_ioc", id = x.id, type = x.type, value = x.value,
                                  action = x.action })
  end
  return good(req, 201, out, { writes = { resources_affected = #out } })
end

local function update_iocs(req, state)
  if unknown_member(req.json, set "comment indicators bulk_update") or not req.json.indicators then
    return refuse(req, 400, "Provided data does not match expected format")
  end
  local out = {}
  for n, change in ipairs(req.json.indicators) do
    local i = find_ioc(state, change.id)
    if not i then return refuse(req, 404, "indicator not found") end
    local after = kit.copy(i)
    for k, v in pairs(change) do after[k] = v end
    if change.applied_globally then after.host_groups = nil end
    if change.host_groups then after.applied_globally = false end
    if not ACTIONS[after.action] or bad_scope(after) then return refuse(req, 400, "invalid indicator") end
    for k in pairs(kit.copy(i)) do i[k] = after[k] end
    for k, v in pairs(after) do i[k] = v end
    i.modified_on = kit.iso(req.now)
    if change.expiration then i.expired = false end
    out[n] = ioc_view(i)
    note(state, req.now, { op = "update_ioc", id = i.id, action = i.action })
  end
  return good(req, 200, out)
end

local function get_iocs(req, state)
  local out, errors = {}, {}
  for _, id in ipairs(listed(req.query.ids)) do
    local i = find_ioc(state, id)
    if i then out[#out + 1] = ioc_view(i)
    else errors[#errors + 1] = { code = 404, message = "indicator not found", id = id } end
  end
  return envelope(req, 200, { resources = json.array(out), errors = json.array(errors) })
end

local function search_iocs(view)
  return function(req, state)
    if req.query.after and req.query.offset then return refuse(req, 400, "after excludes offset") end
    if req.query.after then req.query.offset = kit.first(req.query.after):match "^after%-(%d+)$" or "x" end
    local found, meta = query(req, state, state.iocs, IOC_FIELDS, 2000)
    if not found then return meta end
    local p = meta.pagination
    if p.offset + #found < p.total then p.after = "after-" .. p.offset + #found end
    local out = {}
    for n, i in ipairs(found) do out[n] = view(i) end
    return good(req, 200, out, meta)
  end
end

local function delete_iocs(req, state)
  local ids, filter = req.query.ids, req.query.filter
  if ids ~= nil and filter ~= nil then
    return refuse(req, 400, "Either IDs or the FQL filter must be provided, not both")
  end
  if filter ~= nil then return refuse(req, 400, "the simulator deletes by id only") end
  if ids == nil then return refuse(req, 400, "ids or filter is required") end
  local gone, errors = {}, {}
  for _, id in ipairs(listed(ids)) do
    local i, at = find_ioc(state, id)
    if i then
      table.remove(state.iocs, at)
      gone[#gone + 1] = id
      note(state, req.now, { op = "delete_ioc", id = id, value = i.value })
    else
      errors[#errors + 1] = { code = 404, message = "indicator not found", id = id }
    end
  end
  return envelope(req, 200, { resources = json.array(gone), errors = json.array(errors) })
end

-- Hosts ---------------------------------------------------------------------------------------------------

local TYPE = { workstation = { "1", "Workstation" }, server = { "3", "Server" },
               domain_controller = { "2", "Domain Controller" } }

local function device_view(d, now)
  local h = d.host
  return { device_id = d.id, cid = CID, hostname = h.hostname, platform_name = h.platform, os_version = h.os,
           os_build = h.build, local_ip = h.ip, external_ip = h.external_ip, mac_address = h.mac,
           machine_domain = h.fqdn:match "%.(.*)$", product_type = TYPE[h.role][1],
           product_type_desc = TYPE[h.role][2], status = "normal", tags = h.tags or json.array {},
           first_seen = kit.iso(now - h.first_seen_ago), last_seen = kit.iso(now - h.seen_ago),
           agent_version = "7.31.19905.0" }
end

local function device_views(state, now)
  local out = {}
  for i, d in ipairs(state.device_list) do out[i] = device_view(d, now) end
  return out
end

local function combined_devices(req, state)
  local after = kit.first(req.query.offset)
  if after and not after:match "^next%-%d+$" then return refuse(req, 400, "invalid offset token") end
  req.query.offset = after and after:match "%d+" or nil
  local all = device_views(state, req.now)
  local by, way = (kit.first(req.query.sort) or ""):match "^([%w_]+)[%.|](%a+)$"
  if req.query.sort and not by then return refuse(req, 400, "invalid sort") end
  if by == "last_seen" then
    table.sort(all, function(a, b)
      if a.last_seen == b.last_seen then return a.device_id < b.device_id end
      if way == "desc" then a, b = b, a end
      return a.last_seen < b.last_seen
    end)
  end
  local found, meta = query(req, state, all, DEVICE_FIELDS, 10000)
  if not found then return meta end
  local p = meta.pagination
  local seen = p.offset + #found
  p.next = seen < p.total and "next-" .. seen or ""        -- here both are texts, and lead to the next page
  p.offset = p.next
  return good(req, 200, found, meta)
end

local function query_devices(req, state)
  local found, meta = query(req, state, device_views(state, req.now), DEVICE_FIELDS, 5000)
  if not found then return meta end
  local ids = {}
  for i, d in ipairs(found) do ids[i] = d.device_id end
  return good(req, 200, ids, meta)
end

local function get_devices(req, state)
  local ids = req.method == "POST" and listed(req.json.ids) or listed(req.query.ids)
  local most = req.method == "POST" and 5000 or 100
  if #ids == 0 or #ids > most then return refuse(req, 400, "ids: 1 to " .. most) end
  local out = {}
  for _, id in ipairs(ids) do
    local d = state.devices[id]
    if d then out[#out + 1] = device_view(d, req.now) end
  end
  return good(req, 200, out)
end

local function online_states(req, state)
  local out, errors = {}, {}
  for _, id in ipairs(listed(req.query.ids)) do
    local d = state.devices[id]
    if d then
      out[#out + 1] = { id = id, cid = CID, state = d.online and "online" or "offline",
                        last_seen = kit.iso(req.now - d.host.seen_ago) }
    else
      errors[#errors + 1] = { code = 404, message = "not found", id = id }
    end
  end
  return envelope(req, 200, { resources = json.array(out), errors = json.array(errors) })
end

local function ioc_devices(req, state)
  local kind, value = kit.first(req.query.type), kit.first(req.query.value)
  if not TYPES[kind or ""] or not value then return refuse(req, 400, "type and value are required") end
  local found = {}
  for _, d in ipairs(state.device_list) do
    if d.seen[value:lower()] then found[#found + 1] = d.id end
  end
  if #found == 0 then return refuse(req, 404, "not found") end
  local limit, offset = tonumber(req.query.limit or 100), tonumber(req.query.offset or 0)
  limit = math.min(limit, state.page)
  return good(req, 200, page_of(found, offset, limit),
              { pagination = { offset = offset, limit = limit, total = #found } })
end

-- What a host does with a command -------------------------------------------------------------------------

local MISSING = "Check your filename. Couldn't find '%s'"

local function has_folder(d, path)
  local prefix = path:lower():gsub("[\\/]$", "")
  for key in pairs(d.files) do
    if key:sub(1, #prefix) == prefix and key:sub(#prefix + 1, #prefix + 1):find "[\\/]" then return true end
  end
  return false
end

local verbs = {}

function verbs.filehash(d, path)
  local f = d.files[path:lower()]
  local form = "%s\r\n  MD5    : %s\r\n  SHA1   : %s\r\n  SHA256 : %s\r\n"
  if f then return form:format(path, f.md5, f.sha1, f.sha256) end
  return "", has_folder(d, path) and path .. " is a directory" or MISSING:format(path)
end

function verbs.ls(d, path)
  local f = d.files[path:lower()]
  if f then return ("%s  %d bytes\r\n"):format(f.path, #f.text) end
  if not has_folder(d, path) then return "", MISSING:format(path) end
  local out, prefix = {}, path:lower():gsub("[\\/]$", "")
  for key, file in pairs(d.files) do
    if key:sub(1, #prefix) == prefix then out[#out + 1] = file.path end
  end
  table.sort(out)
  return table.concat(out, "\r\n") .. "\r\n"
end

-- The host's clock is seven hours behind UTC, and says so in the head of the table.
local function local_time(started)
  local y, m, d, h, rest = kit.iso(kit.seconds(started) - 7 * 3600):match "^(%d+)-(%d+)-(%d+)T(%d+):(%d+:%d+)"
  h = tonumber(h)
  return ("%d/%d/%s %d:%s %s"):format(tonumber(m), tonumber(d), y, (h + 11) % 12 + 1, rest,
                                      h >= 12 and "PM" or "AM")
end

-- A path that is too wide goes on in the next line, broken at a blank.
local WIDE = 46
local function wrapped(path)
  local cut = path:sub(1, WIDE):match ".*() "
  if #path <= WIDE or not cut then return path end
  return path:sub(1, cut - 1) .. "\r\n" .. (" "):rep(76) .. path:sub(cut + 1)
end

function verbs.ps(d)
  local line = "%-16s %6s %22s %17s %9s %11s %s\r\n"
  local out = { "\r\n" .. line:format("Name", "Id", "Start Time (UTC-7)", "WorkingMemory(kb)", "CPU(s)",
                                      "HandleCount", "Path"),
                line:format("----", "--", "------------------", "-----------------", "------", "-----------",
                            "----") }
  for _, p in ipairs(d.processes) do
    out[#out + 1] = line:format((p.name:gsub("%.exe$", "")), p.pid, local_time(p.started), "5,612", "0.05",
                                93, wrapped(p.image or ""))
  end
  return table.concat(out)
end

function verbs.rm(d, path, state, at)
  local f = d.files[path:lower()]
  if not f and has_folder(d, path) then return "", path .. " is a directory: use -Force" end
  if not f then return "", MISSING:format(path) end
  d.files[path:lower()] = nil
  note(state, at, { op = "rm", host = d.id, hostname = d.host.hostname, path = f.path,
                                sha256 = f.sha256 })
  return ""
end

function verbs.kill(d, pid, state, at)
  for i, p in ipairs(d.processes) do
    if p.pid == tonumber(pid) then
      table.remove(d.processes, i)
      note(state, at, { op = "kill", host = d.id, hostname = d.host.hostname, pid = p.pid,
                                    name = p.name })
      return "Process with pid " .. pid .. " was killed.\r\n"
    end
  end
  return "", "Cannot find a process with the process identifier " .. pid .. "."
end

-- The command is over when the host has begun to send; the file is here some seconds later.
function verbs.get(d, path, state, at, command)
  local f = d.files[path:lower()]
  if not f then return "", MISSING:format(path) end
  state.file_number = state.file_number + 1
  table.insert(command.session.files, {
    id = tostring(186811 + state.file_number), cloud_request_id = command.id, session_id = command.session.id,
    name = path:gsub("^%a:", "\\Device\\HarddiskVolume3"), file = f, at = at, ready = at + 6 })
  note(state, at, { op = "get", host = d.id, path = f.path, sha256 = f.sha256 })
  return path .. "\r\n"
end

local READ_ONLY = set "filehash ls ps netstat ipconfig mount"

-- The one argument of a command, without its quotes; nil: not exactly one.
local function argument(text)
  if text == "" then return "" end
  local quoted = text:match '^"([^"]+)"$'
  if quoted then return quoted end
  return not text:find '[%s"]' and text or nil
end

-- Sessions and commands -----------------------------------------------------------------------------------

local IDLE = 600

local function live(state, session, now)
  return session and not session.closed and session.used + IDLE > now and state.sessions[session.id] ~= nil
end

function settle(state, now)
  for _, c in ipairs(state.running) do
    if not c.over and c.ready <= now and c.session.device.online then
      c.over = true
      c.stdout, c.stderr = verbs[c.base](c.session.device, c.argument, state, c.ready, c)
    end
  end
  for _, a in pairs(state.archives) do
    if a.status == "processing" and a.ready <= now then
      a.status, a.error = a.why and "error" or "done", a.why
    end
  end
  for _, x in pairs(state.extractions) do
    if x.status == "processing" and x.ready <= now then
      x.status = "done"
      state.samples[x.sha256] = { sha256 = x.sha256, file_name = x.name, data = x.archive.content,
                                  confidential = x.confidential }
    end
  end
  for _, s in ipairs(state.submissions) do advance(state, s, now) end
  for _, i in ipairs(state.iocs) do
    if i.expiration and kit.seconds(i.expiration) <= now and not i.expired then
      i.expired, i.action = true, "no_action"
    end
  end
end

local function session_view(s, held)
  return { session_id = s.id, created_at = kit.iso(s.at), pwd = "C:\\", scripts = json.array {},
           existing_aid_sessions = held and 1 or 0, offline_queued = not s.device.online }
end

local function open_session(req, state)
  if unknown_member(req.json, set "device_id origin queue_offline") then
    return refuse(req, 400, "unknown member")
  end
  local d = state.devices[req.json.device_id or ""]
  if not d then return refuse(req, 404, "device not found") end
  if not d.online and not req.json.queue_offline then
    return refuse(req, 404, "Could not establish sensor comms", 40401)
  end
  local s = state.session_of[d.id]
  local held = live(state, s, req.now)
  if not held then
    s = { id = kit.uuid(req.rand), device = d, at = req.now, files = {} }
    state.sessions[s.id], state.session_of[d.id] = s, s
    note(state, req.now, { op = "open_session", host = d.id, session = s.id })
  end
  s.used = req.now
  return good(req, 201, { session_view(s, held) })
end

local function refresh_session(req, state)
  local s = state.session_of[req.json.device_id or ""]
  if not live(state, s, req.now) then return refuse(req, 404, "session not found") end
  s.used = req.now
  return good(req, 201, { session_view(s, true) })
end

local function close_session(req, state)
  local s = state.sessions[kit.first(req.query.session_id) or ""]
  if not live(state, s, req.now) then return refuse(req, 404, "session not found") end
  s.closed = true
  note(state, req.now, { op = "close_session", host = s.device.id, session = s.id })
  return { status = 204, body = "", headers = { { "X-Cs-Traceid", kit.uuid(req.rand) } } }
end

local function bad_command(j, level)
  local odd = unknown_member(j, set "session_id base_command command_string device_id id persist")
  if odd then return 400, "unknown member: " .. odd end
  if type(j.base_command) ~= "string" or type(j.command_string) ~= "string" then
    return 400, "base_command and command_string are required"
  end
  if not verbs[j.base_command] then return 400, "unknown command: " .. j.base_command end
  if level == "read" and not READ_ONLY[j.base_command] then
    return 403, "access denied, authorization failed"       -- a command for a higher level
  end
  if j.command_string:sub(1, #j.base_command) ~= j.base_command then
    return 400, "command_string does not begin with base_command"
  end
  return nil
end

local function run_command(level)
  return function(req, state)
    local status, why = bad_command(req.json, level)
    if status then return refuse(req, status, why) end
    local s = state.sessions[req.json.session_id or ""]
    if not live(state, s, req.now) then return refuse(req, 404, "session not found") end
    if not s.device.online then return refuse(req, 404, "Could not establish sensor comms", 40401) end
    local base = req.json.base_command
    local given = argument(req.json.command_string:sub(#base + 1):match "^%s*(.-)%s*$")
    if not given or (base ~= "ps" and given == "") then
      return refuse(req, 400, "Command is not valid: wrong number of arguments", 40012)
    end
    s.used = req.now
    local c = { id = kit.uuid(req.rand), task = kit.uuid(req.rand), session = s, base = base,
                argument = given, level = level, ready = req.now + kit.int(req.rand, 1, 4) }
    state.commands[c.id] = c
    state.running[#state.running + 1] = c
    req.took = level == "active"
    return good(req, 201, { { session_id = s.id, cloud_request_id = c.id, queued_command_offline = false } })
  end
end

local function command_output(level)
  return function(req, state)
    local c = state.commands[kit.first(req.query.cloud_request_id) or ""]
    local n = math.tointeger(tonumber(kit.first(req.query.sequence_id) or ""))
    if not n then return refuse(req, 400, "sequence_id is required") end
    if not c or c.level ~= level then return refuse(req, 404, "command not found") end
    local out = { session_id = c.session.id, task_id = c.task, base_command = c.base, sequence_id = n }
    if not c.over then
      out.complete, out.stdout, out.stderr = false, "", ""
      return good(req, 200, { out })
    end
    local from = n * state.piece + 1
    if n > 0 and from > #c.stdout then return good(req, 200, {}) end
    out.complete, out.stdout = true, c.stdout:sub(from, from + state.piece - 1)
    out.stderr = n == 0 and c.stderr or ""
    return good(req, 200, { out })
  end
end

-- Fetched files -------------------------------------------------------------------------------------------

local function file_view(f, now)
  local here = now >= f.ready
  return { id = f.id, session_id = f.session_id, cloud_request_id = f.cloud_request_id, name = f.name,
           sha256 = here and f.file.sha256 or "", size = here and #f.file.text or 0, complete = here,
           stage = here and "" or "upload", progress = here and 1 or 0.4, status = "", error_message = "",
           created_at = kit.iso(f.at), updated_at = kit.iso(math.min(now, f.ready)), deleted_at = json.null }
end

local function list_files(req, state)
  local s = state.sessions[kit.first(req.query.session_id) or ""]
  if not live(state, s, req.now) then return refuse(req, 404, "session not found") end
  local out = {}
  for i, f in ipairs(s.files) do out[i] = file_view(f, req.now) end
  return good(req, 200, out)
end

local function download(req, state)
  local s = state.sessions[kit.first(req.query.session_id) or ""]
  if not live(state, s, req.now) then return refuse(req, 404, "session not found") end
  for _, f in ipairs(s.files) do
    if f.file.sha256 == kit.first(req.query.sha256) and req.now >= f.ready then
      local name = kit.first(req.query.filename) or f.file.sha256
      return { status = 200, headers = { { "Content-Type", "application/x-7z-compressed" } },
               body = seal(name, f.file.text) }
    end
  end
  return refuse(req, 404, "file not found")
end

local function delete_file(req, state)
  local s = state.sessions[kit.first(req.query.session_id) or ""]
  if not live(state, s, req.now) then return refuse(req, 404, "session not found") end
  for i, f in ipairs(s.files) do
    if f.id == kit.first(req.query.ids) then
      table.remove(s.files, i)
      note(state, req.now, { op = "delete_file", id = f.id, session = s.id })
      return { status = 204, body = "" }
    end
  end
  return refuse(req, 404, "file not found")
end

-- The whole -----------------------------------------------------------------------------------------------

local function device(rand, host)
  local d = { id = kit.hex(rand, 32), host = host, online = host.online, files = {}, seen = {},
              processes = {} }
  for _, f in ipairs(host.files) do
    d.files[f.path:lower()] = f
    d.seen[f.sha256], d.seen[f.md5] = true, true
  end
  for i, p in ipairs(host.processes) do
    d.processes[i] = p
    if p.sha256 then d.seen[p.sha256] = true end
  end
  return d
end

local make_alert

local function new(world, rand)
  local state = { world = world, devices = {}, device_list = {}, tokens = {}, strangers = {}, calls = {},
                  per_minute = 6000, piece = 2048, page = 1000, quota = { total = 500, used = 41 },
                  analysis = { running = 20, done = 240, report = 255 }, samples = {}, archives = {},
                  extractions = {}, submissions = {}, reports = {}, iocs = {}, sessions = {}, session_of = {},
                  commands = {}, running = {}, file_number = 0, log = {}, alerts = {},
                  make_alert = make_alert }
  for i, h in ipairs(world.hosts) do
    local d = device(rand, h)
    state.devices[d.id], state.device_list[i] = d, d
  end
  return state
end

-- Alerts --------------------------------------------------------------------------------------------------

function make_alert(rand, d, process, at)
  local id = ("%s:ind:%s:%s-10303-48"):format(CID, d.id, kit.pick(rand, 12, "0123456789"))
  return { composite_id = id, type = "ldt", product = "epp",
           cid = CID, agent_id = d.id, status = "new", severity = 70, display_name = "Suspicious script",
           tactic = "Execution", tactic_id = "TA0002", technique = "Command and Scripting Interpreter",
           technique_id = "T1059", created_timestamp = kit.iso(at), timestamp = kit.iso(at),
           platform = d.host.platform, cmdline = process.cmd_line, filepath = process.image,
           device = { device_id = d.id, hostname = d.host.hostname, local_ip = d.host.ip } }
end

-- What nobody arranged: one of each host that has processes, a minute old when it is first asked for.
local function some_alerts(state, rand, now)
  for _, d in ipairs(#state.alerts == 0 and state.device_list or {}) do
    local p = d.host.processes
    if p[1] then state.alerts[#state.alerts + 1] = make_alert(rand, d, p[#p], now - 60) end
  end
end

local ALERT_MEMBERS = set "filter limit sort after"

local function combined_alerts(req, state)
  some_alerts(state, req.rand, req.now)
  local asked = req.json
  local odd = unknown_member(asked, ALERT_MEMBERS)
  if odd then return refuse(req, 400, "unknown member " .. odd) end
  local limit = asked.limit or 100
  local from = asked.after == nil and 0 or math.tointeger(tonumber(tostring(asked.after):match "^page%-(%d+)$"))
  if type(limit) ~= "number" or limit < 1 or limit > 1000 or not from then
    return refuse(req, 400, "invalid limit or after")
  end
  if asked.sort ~= nil and not tostring(asked.sort):find "^[%w_]+|%a+$" then
    return refuse(req, 400, "invalid sort")
  end
  local test, why = filter_of(asked.filter, { created_timestamp = field "created_timestamp" })
  if not test then return refuse(req, 400, why) end
  local found, out = {}, {}
  for _, a in ipairs(state.alerts) do
    if test(a) then found[#found + 1] = a end
  end
  table.sort(found, function(a, b) return a.created_timestamp < b.created_timestamp end)
  for i = from + 1, math.min(from + math.min(limit, state.page), #found) do
    out[#out + 1] = kit.copy(found[i])
  end
  local seen = from + #out
  local after = seen < #found and "page-" .. seen or nil
  return good(req, 200, out, { pagination = { limit = limit, total = #found, after = after } })
end

local function alert_by_id(state, id)
  for _, a in ipairs(state.alerts) do
    if a.composite_id == id then return a end
  end
  return nil
end

-- The ids of a body, which may have these members; nil, and why they are none.
local function composite_ids(req, members)
  local body = type(req.json) == "table" and req.json or {}
  local odd = unknown_member(body, members)
  if odd then return nil, "unknown member " .. odd end
  local ids = body.composite_ids
  if type(ids) ~= "table" or #ids == 0 then return nil, "composite_ids is required" end
  return ids
end

local function get_alerts(req, state)
  some_alerts(state, req.rand, req.now)
  local ids, why = composite_ids(req, set "composite_ids")
  if not ids then return refuse(req, 400, why) end
  local out = {}
  for _, id in ipairs(ids) do
    local a = alert_by_id(state, id)
    if a then out[#out + 1] = kit.copy(a) end
  end
  return good(req, 200, out)
end

local STATUSES = set "new in_progress reopened closed"

local ALERT_ACTIONS = {
  update_status = function(a, value) a.status = value end,
  append_comment = function(a, value, now)
    a.comments = a.comments or {}
    a.comments[#a.comments + 1] = { value = value, timestamp = kit.iso(now), falcon_user_id = "api-client" }
  end,
}

-- All values are texts; an alert that is not there is not counted, and costs the others nothing.
local function update_alerts(req, state)
  some_alerts(state, req.rand, req.now)
  local ids, why = composite_ids(req, set "composite_ids action_parameters")
  local actions = ids and listed(req.json.action_parameters) or {}
  if ids and #actions == 0 then why = "action_parameters is required" end
  for _, x in ipairs(actions) do
    if type(x.value) ~= "string" then why = "action_parameters: a value is a string"
    elseif not ALERT_ACTIONS[x.name] then why = "unknown action " .. tostring(x.name)
    elseif x.name == "update_status" and not STATUSES[x.value] then why = "invalid status " .. x.value end
  end
  if why then return refuse(req, 400, why) end
  local n = 0
  for _, id in ipairs(ids) do
    local a = alert_by_id(state, id)
    for _, x in ipairs(a and actions or {}) do ALERT_ACTIONS[x.name](a, x.value, req.now) end
    n = n + (a and 1 or 0)
  end
  if n > 0 then
    local op = actions[1].name == "update_status" and "set_alert_status" or "comment_alerts"
    state.log[#state.log + 1] = { op = op, at = req.now, alerts = ids, value = actions[1].value }
  end
  return good(req, 200, {}, { writes = { resources_affected = n } })
end

local function update_name(req)
  local first = type(req.json) == "table" and listed(req.json.action_parameters)[1]
  return first and first.name == "append_comment" and "comment_alerts" or "set_alert_status"
end

-- Good on the face of it, and an error within.
local function half_done(_, _, _, answer)
  local r = answer()
  local ok, body = pcall(json.decode, r.body)
  if not ok or type(body) ~= "table" or body.access_token then return r end
  body.errors = { { code = 500, message = "internal error: only a part was done" } }
  r.body = json.encode(body)
  return r
end

local OPERATION = { rm = "rtr_rm", kill = "rtr_kill", get = "rtr_get" }

local function active_name(req)
  return OPERATION[type(req.json) == "table" and req.json.base_command or ""] or "rtr_active"
end

local LOOK = { filehash = "rtr_check_hash", ps = "rtr_processes" }

local function look_name(req)
  return LOOK[type(req.json) == "table" and req.json.base_command or ""] or "rtr_command"
end

-- Indicators, and the files of hosts, by the names that the ledger has for them.
local function truth(state, now)
  settle(state, now)
  local out = {}
  for _, i in ipairs(state.iocs) do
    out[#out + 1] = { entity = "crowdstrike:file:" .. i.value, facet = "ioc", state = i.action }
  end
  for _, d in ipairs(state.device_list) do
    for path in pairs(d.files) do
      out[#out + 1] = { entity = "crowdstrike:host:" .. d.id, facet = "file:" .. path, state = "present" }
    end
  end
  return out, { "ioc", "file:" }
end

local simulator = kit.sim {
  vendor = "crowdstrike",
  config = { client_id = CLIENT, client_secret = SECRET },
  new = new,
  before = before,
  none = none,
  truth = truth,
  routes = {
    { "POST", "/oauth2/token", "token", token },
    { "POST", "/oauth2/revoke", "revoke", revoke },
    { "POST", "/samples/entities/samples/v2", "upload_sample", upload_sample },
    { "POST", "/samples/entities/samples/v3", "upload_sample", upload_sample },
    { "POST", "/samples/queries/samples/GET/v1", "samples_known", known_samples },
    { "POST", "/archives/entities/archives/v2", "upload_archive", upload_archive },
    { "GET", "/archives/entities/archives/v1", "archive_status", get_archive },
    { "DELETE", "/archives/entities/archives/v1", "delete_archive", delete_archive },
    { "POST", "/archives/entities/extractions/v1", "extract", extract },
    { "GET", "/archives/entities/extractions/v1", "extraction_status", get_extraction },
    { "POST", "/falconx/entities/submissions/v1", "submit", submit },
    { "GET", "/falconx/entities/submissions/v1", "analysis_status", get_submissions },
    { "GET", "/falconx/queries/submissions/v1", "submissions", query_sandbox "submissions" },
    { "GET", "/falconx/queries/reports/v1", "reports", query_sandbox "reports" },
    { "GET", "/falconx/entities/report-summaries/v1", "report", get_reports(false) },
    { "GET", "/falconx/entities/reports/v1", "report", get_reports(true) },
    { "POST", "/iocs/entities/indicators/v1", "create_ioc", create_iocs },
    { "PATCH", "/iocs/entities/indicators/v1", "create_ioc", update_iocs },
    { "GET", "/iocs/entities/indicators/v1", "iocs_by_id", get_iocs },
    { "DELETE", "/iocs/entities/indicators/v1", "delete_iocs", delete_iocs },
    { "GET", "/iocs/combined/indicator/v1", "iocs", search_iocs(ioc_view) },
    { "GET", "/iocs/queries/indicators/v1", "iocs", search_iocs(function(i) return i.id end) },
    { "GET", "/iocs/queries/indicators/devices/v1", "ioc_hosts", ioc_devices },
    { "POST", "/alerts/combined/alerts/v1", "alerts", combined_alerts },
    { "POST", "/alerts/entities/alerts/v2", "alert_states", get_alerts },
    { "PATCH", "/alerts/entities/alerts/v3", update_name, update_alerts },
    { "GET", "/devices/combined/devices/v1", "hosts", combined_devices },
    { "GET", "/devices/queries/devices/v1", "endpoint_count", query_devices },
    { "GET POST", "/devices/entities/devices/v2", "host_details", get_devices },
    { "GET", "/devices/entities/online-state/v1", "host_states", online_states },
    { "POST", "/real-time-response/entities/sessions/v1", "rtr_session", open_session },
    { "DELETE", "/real-time-response/entities/sessions/v1", "rtr_close", close_session },
    { "POST", "/real-time-response/entities/refresh-session/v1", "rtr_refresh", refresh_session },
    { "POST", "/real-time-response/entities/command/v1", look_name, run_command "read" },
    { "GET", "/real-time-response/entities/command/v1", "rtr_output", command_output "read" },
    { "POST", "/real-time-response/entities/active-responder-command/v1", active_name, run_command "active" },
    { "GET", "/real-time-response/entities/active-responder-command/v1", "rtr_output",
      command_output "active" },
    { "GET", "/real-time-response/entities/file/v2", "rtr_files", list_files },
    { "DELETE", "/real-time-response/entities/file/v2", "rtr_delete_file", delete_file },
    { "GET", "/real-time-response/entities/extracted-file-contents/v1", "rtr_download", download },
  },
  faults = {
    ["429"] = function(req, state, arg) return too_many(req, state.per_minute, math.floor(arg or 2)) end,
    ["409"] = function(req) return refuse(req, 409, "conflict") end,
    ["5xx"] = function(req, _, arg, answer)
      if arg == 504 then answer() end
      return refuse(req, math.floor(arg or 500), "internal error")
    end,
    expire = function(req, state)
      state.tokens = {}
      return refuse(req, 401, "access denied, invalid bearer token")
    end,
    partial = half_done,
  },
}

-- One path runs many commands; each has a name that a fault can be given to.
for _, names in ipairs { LOOK, OPERATION } do
  for _, name in pairs(names) do simulator.operations[#simulator.operations + 1] = name end
end
simulator.operations[#simulator.operations + 1] = "rtr_command"
table.sort(simulator.operations)

return simulator
