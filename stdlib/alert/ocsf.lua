-- ocsf.lua: the Open Cybersecurity Schema Framework: Process Activity (1007) and Detection Finding (2004),
-- whoever wrote them; the product is read off metadata.product.
--
-- Traps: what a mapper could not place is under `unmapped` (hashes and parent among it); time is milliseconds
-- by the schema and seconds in practice; actor.process is the parent of the process that was started; a
-- placeholder such as "<finding_uid>" is no id.

local fields   = require "alert.fields"
local severity = require "alert.severity"

local ocsf = {}

local CLASSES = { [1007] = "ocsf_process_activity", [2004] = "ocsf_detection_finding" }

function ocsf.format(doc)
  if doc.category_uid and doc.metadata then return CLASSES[math.tointeger(tonumber(doc.class_uid))] end
  return nil
end

---The product's name as `source` has it.
local function source_of(doc)
  local p = fields.object(fields.object(doc.metadata).product)
  local vendor = (fields.text(p.vendor_name) or ""):lower()
  if vendor:find("crowdstrike", 1, true) then return "crowdstrike" end
  if vendor:find("microsoft", 1, true) then
    return (fields.text(p.name) or ""):lower():find("windows", 1, true) and "windows" or "microsoft"
  end
  if vendor:find("trend micro", 1, true) then return "trend_vision_one" end
  return "ocsf"
end

local ALGORITHMS = { [1] = "md5", [2] = "sha1", [3] = "sha256" }

---A file's hashes: a list by the schema; beside it those that a mapper left unmapped.
local function hashes_of(file, unmapped)
  local out = {}
  for _, h in ipairs(fields.objects(file.hashes or file.fingerprints)) do
    local kind = ALGORITHMS[h.algorithm_id]
    if kind then out[kind] = fields.hash(kind, h.value) end
  end
  return fields.take_hashes(out, unmapped, { sha256 = "SHA256HashData", sha1 = "SHA1HashData",
                                             md5 = "MD5HashData" })
end

---A process object; what is not run by its own image (a module's file) has only the actor's command line.
local function process_of(p, actor, unmapped)
  local file = fields.object(p.file)
  local parent = fields.object(p.parent_process)
  if next(parent) == nil then parent = actor end
  local parent_file = fields.object(parent.file)
  local out = {
    name = fields.text(p.name) or fields.text(file.name), path = fields.text(file.path),
    cmd_line = fields.text(p.cmd_line),
    pid = fields.pid(p.pid), started = fields.time(p.created_time),
    parent = { name = fields.text(parent.name) or fields.text(parent_file.name)
               or fields.text(unmapped.ParentBaseFileName),
               path = fields.text(parent_file.path), cmd_line = fields.text(parent.cmd_line),
               pid = fields.pid(parent.pid) },
  }
  for kind, value in pairs(hashes_of(file, unmapped)) do out[kind] = value end
  return out
end

---Technique ids of attacks[], which stands in the document or in its finding.
local function attacks(...)
  local out, tactic = {}, nil
  for _, list in ipairs { ... } do
    for _, a in ipairs(fields.objects(list)) do
      out[#out + 1] = fields.object(a.sub_technique).uid
      out[#out + 1] = fields.object(a.technique).uid
      tactic = tactic or fields.text(fields.object(a.tactic).name)
    end
  end
  return out, tactic
end

local function device_of(doc, source)
  local d = fields.object(doc.device)
  return fields.device { hostname = d.hostname, ip = fields.ips(d.ip), agent_id = d.uid, whose = source,
                         os = fields.os(fields.object(d.os).name), role = fields.role(d.type) }
end

local function process_activity(doc)
  local actor, source = fields.object(doc.actor), source_of(doc)
  local p, unmapped = fields.object(doc.process), fields.object(doc.unmapped)
  local file = fields.object(p.file)
  local user = fields.object(p.user)
  if next(user) == nil then user = fields.object(actor.user) end
  local stated, tactic = attacks(doc.attacks or {})
  local process = process_of(p, fields.object(actor.process), unmapped)
  local files
  if fields.text(file.name) and not p.cmd_line and fields.object(actor.process).cmd_line then
    process = { cmd_line = fields.text(actor.process.cmd_line), pid = fields.pid(actor.process.pid) }
    files = { fields.file(file.path, hashes_of(file, {})) }
  end
  return {
    id = fields.id(fields.object(doc.metadata).uid), source = source, time = fields.time(doc.time),
    severity = severity.ocsf(doc.severity_id), severity_raw = fields.text(doc.severity) or doc.severity_id,
    title = fields.text(doc.message) or fields.text(doc.activity_name), telemetry = true, stated = stated,
    tactic = tactic,
    device = device_of(doc, source), files = files, process = process,
    user = fields.user({ name = user.name, domain = user.domain, email = user.email_addr },
                       fields.text(fields.object(doc.device).hostname)),
    starts = doc.activity_id == 1,
  }
end

---The first of a finding's evidences that names a process.
local function evidence_of(doc)
  for _, e in ipairs(fields.objects(doc.evidences)) do
    if type(e.process) == "table" then return e end
  end
  return fields.objects(doc.evidences)[1] or {}
end

local function detection_finding(doc)
  local info, source, e = fields.object(doc.finding_info), source_of(doc), evidence_of(doc)
  local stated, tactic = attacks(doc.attacks or {}, info.attacks or {})
  local user = fields.object(fields.object(e.actor).user or e.user)
  return {
    id = fields.id(info.uid), source = source, time = fields.time(doc.time),
    severity = severity.ocsf(doc.severity_id), severity_raw = fields.text(doc.severity) or doc.severity_id,
    title = fields.text(info.title) or fields.text(doc.message), stated = stated, tactic = tactic,
    device = device_of(doc, source),
    user = fields.user({ name = user.name, domain = user.domain, email = user.email_addr },
                       fields.text(fields.object(doc.device).hostname)),
    process = e.process and process_of(e.process, fields.object(fields.object(e.actor).process), {}) or nil,
    starts = e.process ~= nil, telemetry = e.process == nil,
  }
end

function ocsf.read(doc, format)
  if format == "ocsf_process_activity" then return process_activity(doc) end
  return detection_finding(doc)
end

return ocsf
