-- trend_vision_one.lua: Trend Vision One's Workbench alerts (v3, and v2 with its alert as JSON text within
-- JSON) and Observed Attack Techniques.
--
-- Traps: technique ids carry "V9." and the like in front; the facts sit in indicators[] by `field`, several
-- times over; three processes take part (parent, process, object: the object is what the process acted on, a
-- child or a file); hashes are in upper case; in v2 indicators have no field, so which command line is the
-- process's is a guess.

local command  = require "alert.command"
local fields   = require "alert.fields"
local json     = require "json"
local severity = require "alert.severity"

local trend = {}

---What the alert's impact scope says of account and host.
local function scope(entities)
  local out = { ips = {} }
  for _, e in ipairs(fields.objects(entities)) do
    local v = e.entityValue
    if e.entityType == "account" and out.account == nil then out.account = fields.text(v) end
    if e.entityType == "host" and type(v) == "table" and out.hostname == nil then
      out.hostname, out.ips, out.agent = fields.text(v.name), v.ips, fields.text(v.guid)
    end
  end
  -- A masked id is no id: the vendor's are 8-4-4-4-12 hexadecimal digits.
  if out.agent and not out.agent:find("^%x+%-%x+%-%x+%-%x+%-%x+$") then out.agent = nil end
  return out
end

local function scope_device(s, doc)
  local counts = fields.object(doc.impactScope)
  local role = counts.desktopCount == 1 and counts.serverCount == 0 and "workstation"
    or counts.serverCount == 1 and counts.desktopCount == 0 and "server" or nil
  return fields.device { hostname = s.hostname, ip = fields.ips(s.ips), agent_id = s.agent,
                         whose = "trend_vision_one",
                         role = s.hostname and role or nil }
end

---Technique ids of all matched filters, under either spelling of the member.
local function techniques(rules)
  local out = {}
  for _, rule in ipairs(fields.objects(rules)) do
    for _, filter in ipairs(fields.objects(rule.matchedFilters)) do
      for _, id in ipairs(fields.object(filter.mitreTechniqueIds or filter.mitreTechniques)) do
        out[#out + 1] = id
      end
    end
  end
  return out
end

-- Workbench v3 -------------------------------------------------------------------------------------------

---The first value of each field.
local function by_field(indicators)
  local out = {}
  for _, i in ipairs(fields.objects(indicators)) do
    if type(i.field) == "string" and out[i.field] == nil then out[i.field] = fields.text(i.value) end
  end
  return out
end

---An image's name and, where it has one, its folder: of the file's path, else of the command line.
local function image(path, cmd_line)
  path = fields.text(path) or command.image(cmd_line)
  return { name = fields.base(path), path = path and path:find("[/\\]") and path or nil,
           cmd_line = fields.text(cmd_line) }
end

---The process, its parent and the object that it acted on, out of fields named process*, parent* and object*.
local function processes(f)
  local p = image(f.processFilePath, f.processCmd)
  p.pid, p.started = fields.pid(f.processPid), fields.time(f.processLaunchTime)
  p.parent = image(f.parentFilePath, f.parentCmd)
  p.parent.pid = fields.pid(f.parentPid)
  local object = image(f.objectFilePath, f.objectCmd)
  object.pid = fields.pid(f.objectPid)
  for kind, suffix in pairs { sha256 = "Sha256", sha1 = "Sha1", md5 = "Md5" } do
    p[kind] = fields.hash(kind, f["processFileHash" .. suffix])
    object[kind] = fields.hash(kind, f["objectFileHash" .. suffix])
    -- the same image: the same hashes
    if object.path and p.path and object.path:lower() == p.path:lower() then
      p[kind] = p[kind] or object[kind]
    end
  end
  return p, object
end

---An object with a command line is a child; with a path alone it is a file.
local function place(record, p, object)
  record.process = p
  if object.cmd_line then
    p.child = object
  elseif object.path or object.sha256 or object.sha1 then
    record.files = { fields.file(object.path, object) }
  end
  return record
end

local function workbench_v3(doc)
  local s = scope(fields.object(doc.impactScope).entities)
  return place({
    id = fields.id(doc.id), source = "trend_vision_one", time = fields.time(doc.createdDateTime),
    severity = severity.word(doc.severity), severity_raw = doc.severity, title = fields.text(doc.model),
    stated = techniques(doc.matchedRules), device = scope_device(s, doc),
    user = fields.user({ name = s.account }, s.hostname), starts = true,
  }, processes(by_field(doc.indicators)))
end

-- Workbench v2 -------------------------------------------------------------------------------------------
local HASH_TYPES = { file_sha256 = "sha256", file_sha1 = "sha1", file_md5 = "md5" }

---Command lines and hashes by type: the first command line is taken for the process's, a shell's among the
---others for its parent's.
local function guess(indicators)
  local p, others = {}, {}
  for _, i in ipairs(fields.objects(indicators)) do
    local kind = HASH_TYPES[i.objectType]
    if kind then p[kind] = p[kind] or fields.hash(kind, i.objectValue) end
    if i.objectType == "command_line" and p.cmd_line then others[#others + 1] = fields.text(i.objectValue) end
    if i.objectType == "command_line" then p.cmd_line = p.cmd_line or fields.text(i.objectValue) end
  end
  for _, line in ipairs(others) do
    local parent = image(nil, line)
    if parent.name and parent.name:lower() ~= "explorer.exe" then
      p.parent = parent
      break
    end
  end
  return p
end

local function workbench_v2(doc)
  local a = doc
  if type(doc.rawJSON) == "string" then
    local ok, inner = pcall(json.decode, doc.rawJSON)
    a = ok and type(inner) == "table" and inner or doc
  end
  local detail = fields.object(a.detail)
  local s = scope(detail.impactScope)
  return {
    id = fields.id(a.workbenchId), source = "trend_vision_one",
    time = fields.time(a.createdTime) or fields.time(doc.occurred),
    severity = severity.word(a.severity), severity_raw = a.severity, title = fields.text(a.workbenchName),
    stated = techniques(detail.matchedRules), device = scope_device(s, a),
    user = fields.user({ name = s.account }, s.hostname), process = guess(detail.indicators), starts = true,
  }
end

-- Observed Attack Techniques -----------------------------------------------------------------------------
local function oat_user(d, hostname)
  local u = fields.user({ name = d.processUser, domain = d.processUserDomain }, hostname)
  if u and u.kind == "system" then u.domain = nil end       -- a built-in account is the same on every host
  return u
end

local function oat(doc)
  local d, endpoint, filter = fields.object(doc.detail), fields.object(doc.endpoint),
    fields.objects(doc.filters)[1] or {}
  local ids = {}
  for _, f in ipairs(fields.objects(doc.filters)) do
    for _, id in ipairs(fields.object(f.mitreTechniqueIds)) do ids[#ids + 1] = id end
  end
  for _, tag in ipairs(fields.object(d.tags)) do ids[#ids + 1] = tag end
  local hostname = fields.text(endpoint.endpointName) or fields.text(d.endpointHostName)
  local raw = filter.riskLevel or d.filterRiskLevel
  return place({
    id = fields.id(doc.uuid), source = "trend_vision_one", time = fields.time(doc.detectedDateTime),
    severity = severity.word(raw), severity_raw = raw, title = fields.text(filter.name), stated = ids,
    device = fields.device { hostname = hostname, ip = fields.ips(endpoint.ips, d.endpointIp),
                             whose = "trend_vision_one",
                             agent_id = fields.text(endpoint.agentGuid) or fields.text(d.endpointGuid),
                             os = fields.os(d.osName), role = fields.role(d.osDescription) },
    user = oat_user(d, hostname), starts = true,
  }, processes(d))
end

function trend.format(doc)
  if type(doc.rawJSON) == "string" and doc.rawJSON:find('"workbenchId"', 1, true) then
    return "trend_vision_one_workbench_v2"
  end
  if doc.workbenchId and type(doc.detail) == "table" then return "trend_vision_one_workbench_v2" end
  if doc.workbenchLink and type(doc.impactScope) == "table" then return "trend_vision_one_workbench_v3" end
  if type(doc.filters) == "table" and doc.uuid and (doc.endpoint or doc.detail) then
    return "trend_vision_one_oat"
  end
  return nil
end

function trend.read(doc, format)
  if format == "trend_vision_one_oat" then return oat(doc) end
  if format == "trend_vision_one_workbench_v2" then return workbench_v2(doc) end
  return workbench_v3(doc)
end

return trend
