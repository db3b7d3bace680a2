-- microsoft.lua: Microsoft's five shapes: Graph Security alerts v1 and v2, Defender for Endpoint's own API,
-- Microsoft 365 Defender incidents, and Sentinel's SecurityAlert table (Security Center and Defender alerts).
--
-- Traps: evidence is a list of unlike objects; Sentinel's entities are JSON text within JSON, and point at
-- each other by $id and $ref, nested ones too; the user of an alert and the account of its process need not
-- agree.

local fields   = require "alert.fields"
local json     = require "json"
local severity = require "alert.severity"

local microsoft = {}

-- Graph v1 -----------------------------------------------------------------------------------------------
local function graph_v1_process(p)
  if p == nil then return nil end
  local hash = fields.object(p.fileHash)
  local kind = type(hash.hashType) == "string" and hash.hashType:lower()
  return {
    name = fields.text(p.name), path = fields.text(p.path), cmd_line = fields.text(p.commandLine),
    pid = fields.pid(p.processId), started = fields.time(p.createdDateTime),
    sha256 = kind == "sha256" and fields.hash("sha256", hash.hashValue) or nil,
    sha1 = kind == "sha1" and fields.hash("sha1", hash.hashValue) or nil,
    parent = { name = fields.text(p.parentProcessName), pid = fields.pid(p.parentProcessId) },
  }
end

local function graph_v1_files(list)
  local out = {}
  for _, f in ipairs(fields.objects(list)) do
    local hash = fields.object(f.fileHash)
    local kind = type(hash.hashType) == "string" and hash.hashType:lower() or ""
    local known = kind == "sha256" or kind == "sha1"
    local hashes = known and { [kind] = fields.hash(kind, hash.hashValue) } or {}
    out[#out + 1] = fields.file(fields.text(f.path) or f.name, hashes)
  end
  return out
end

local function graph_v1(doc)
  local host = fields.objects(doc.hostStates)[1] or {}
  local u = fields.objects(doc.userStates)[1] or {}
  local hostname = fields.text(host.netBiosName) or fields.text(host.fqdn)
  return {
    id = fields.id(doc.id), source = "microsoft",
    time = fields.time(doc.eventDateTime) or fields.time(doc.createdDateTime),
    severity = severity.word(doc.severity), severity_raw = doc.severity, title = fields.text(doc.title),
    device = fields.device { hostname = hostname, os = fields.os(host.os),
                             ip = fields.ips(host.privateIpAddress, host.publicIpAddress) },
    user = fields.user({ name = u.accountName, domain = u.domainName, email = u.userPrincipalName },
                       hostname),
    process = graph_v1_process(fields.objects(doc.processes)[1]), files = graph_v1_files(doc.fileStates),
    starts = true,
  }
end

-- Graph v2 -----------------------------------------------------------------------------------------------

---The first piece of evidence of each kind ("deviceEvidence", "processEvidence", …), and all of the files.
local function by_kind(evidence)
  local out, files = {}, {}
  for _, e in ipairs(fields.objects(evidence)) do
    local kind = type(e["@odata.type"]) == "string" and e["@odata.type"]:match("(%w+)$") or ""
    out[kind] = out[kind] or e
    if kind == "fileEvidence" then files[#files + 1] = fields.object(e.fileDetails) end
  end
  return out, files
end

local HASHES = { sha256 = "sha256", sha1 = "sha1", md5 = "md5" }

local function graph_v2_process(p)
  if p == nil then return nil end
  local image, parent = fields.object(p.imageFile), fields.object(p.parentProcessImageFile)
  return fields.take_hashes({
    name = fields.text(image.fileName), path = fields.join(image.filePath, image.fileName),
    cmd_line = fields.text(p.processCommandLine), pid = fields.pid(p.processId),
    started = fields.time(p.processCreationDateTime),
    parent = { name = fields.text(parent.fileName), path = fields.join(parent.filePath, parent.fileName),
               pid = fields.pid(p.parentProcessId) },
  }, image, HASHES)
end

local function graph_v2(doc)
  local e, files = by_kind(doc.evidence)
  local device = e.deviceEvidence or {}
  local account = fields.object(fields.object(e.processEvidence).userAccount)
  if next(account) == nil then account = fields.object(fields.object(e.userEvidence).userAccount) end
  local hostname = fields.text(device.deviceDnsName) or fields.text(device.hostName)
  local out = {}
  for _, f in ipairs(files) do
    out[#out + 1] = fields.file(fields.join(f.filePath, f.fileName), fields.take_hashes({}, f, HASHES))
  end
  return {
    id = fields.id(doc.id), source = "microsoft", time = fields.time(doc.createdDateTime),
    severity = severity.word(doc.severity), severity_raw = doc.severity, title = fields.text(doc.title),
    stated = doc.mitreTechniques, tactic = fields.text(doc.category),
    device = fields.device { hostname = hostname, ip = fields.ips(device.ipInterfaces, device.lastIpAddress,
                                                                  device.lastExternalIpAddress),
                             agent_id = device.mdeDeviceId, whose = "microsoft",
                             os = fields.os(device.osPlatform), role = fields.role(device.osPlatform) },
    user = fields.user({ name = account.accountName, domain = account.domainName,
                         email = account.userPrincipalName }, hostname),
    process = graph_v2_process(e.processEvidence), files = out, starts = true,
  }
end

-- Defender for Endpoint, and the incidents of Microsoft 365 Defender -------------------------------------

---The first entity of each type, and all of the files.  Every entity has all members, mostly empty.
local function by_type(entities)
  local out, files = {}, {}
  for _, e in ipairs(fields.objects(entities)) do
    local kind = type(e.entityType) == "string" and e.entityType or ""
    out[kind] = out[kind] or e
    if kind == "File" then
      files[#files + 1] = fields.file(fields.join(e.filePath, e.fileName), fields.take_hashes({}, e, HASHES))
    end
  end
  return out, files
end

local function entity_process(p)
  if p == nil then return nil end
  return fields.take_hashes({
    name = fields.text(p.fileName), path = fields.join(p.filePath, p.fileName),
    cmd_line = fields.text(p.processCommandLine),
    pid = fields.pid(p.processId), started = fields.time(p.processCreationTime),
    parent = { name = fields.text(p.parentProcessFileName),
               path = fields.join(p.parentProcessFilePath, p.parentProcessFileName),
               pid = fields.pid(p.parentProcessId) },
  }, p, HASHES)
end

local function mde(doc)
  local e, files = by_type(doc.evidence)
  local u, person = fields.object(doc.relatedUser), e.User or {}
  if next(u) == nil then u = { userName = person.accountName, domainName = person.domainName } end
  local hostname = fields.text(doc.computerDnsName)
  return {
    id = fields.id(doc.id), source = "microsoft", time = fields.time(doc.alertCreationTime),
    severity = severity.word(doc.severity), severity_raw = doc.severity, title = fields.text(doc.title),
    stated = doc.mitreTechniques, tactic = fields.text(doc.category),
    device = fields.device { hostname = hostname, agent_id = doc.machineId, whose = "microsoft" },
    user = fields.user({ name = u.userName, domain = u.domainName,
                         email = u.userName == person.accountName and person.userPrincipalName or nil },
                         hostname),
    process = entity_process(e.Process), files = files, starts = true,
  }
end

---An incident is one alert: what its alerts agree on is taken from the first that has it.
local function incident(doc)
  local entities, devices, ids = {}, {}, {}
  for _, a in ipairs(fields.objects(doc.alerts)) do
    for _, e in ipairs(fields.objects(a.entities)) do entities[#entities + 1] = e end
    for _, d in ipairs(fields.objects(a.devices)) do devices[#devices + 1] = d end
    for _, id in ipairs(fields.object(a.mitreTechniques)) do ids[#ids + 1] = id end
  end
  local e, files = by_type(entities)
  local u, device = e.User or e.MailBox or {}, devices[1] or {}
  local hostname = fields.text(device.deviceDnsName)
  return {
    id = fields.id(doc.incidentId), source = "microsoft", time = fields.time(doc.createdTime),
    severity = severity.word(doc.severity), severity_raw = doc.severity,
    title = fields.text(doc.incidentName),
    stated = ids,
    device = fields.device { hostname = hostname, agent_id = device.mdatpDeviceId, whose = "microsoft",
                             os = fields.os(device.osPlatform), role = fields.role(device.osPlatform) },
    user = fields.user({ name = u.accountName, domain = u.domainName,
                         email = u.userPrincipalName or u.mailboxAddress }, hostname),
    process = entity_process(e.Process), files = files, starts = true,
  }
end

-- Sentinel -----------------------------------------------------------------------------------------------

---Sentinel's entities: a flat list, with each $ref replaced by what it points at.  Nested ones carry ids,
---too.
local function entities_of(text)
  local ok, list = pcall(json.decode, text)
  list = fields.objects(ok and list or nil)
  local by_id, depth = {}, 0
  local function index(e)
    if depth > 8 then return end
    depth = depth + 1
    if e["$id"] then by_id[e["$id"]] = e end
    for _, v in pairs(e) do
      if type(v) == "table" then index(v) end
    end
    depth = depth - 1
  end
  index(list)
  return list, function(e) return type(e) == "table" and e["$ref"] and by_id[e["$ref"]] or e end
end

---The process that the alert is about: the first that is no other's parent.
local function leaf(list, deref)
  local parents, first = {}, nil
  for _, e in ipairs(list) do
    if e.Type == "process" then
      local parent = deref(e.ParentProcess)
      if parent then parents[parent] = true end
    end
  end
  for _, e in ipairs(list) do
    if e.Type == "process" and not parents[e] then first = first or e end
  end
  return first
end

local function sentinel_image(p, deref)
  local file = fields.object(deref(p.ImageFile))
  local out = { name = fields.text(file.Name), path = fields.join(file.Directory, file.Name) }
  for _, h in ipairs(fields.objects(file.FileHashes)) do
    h = fields.object(deref(h))
    local kind = type(h.Algorithm) == "string" and h.Algorithm:lower() or ""
    if HASHES[kind] then out[kind] = fields.hash(kind, h.Value) end
  end
  return out
end

local function sentinel_process(list, deref)
  local p = leaf(list, deref)
  if p == nil then return nil end
  local out = sentinel_image(p, deref)
  out.cmd_line, out.pid = fields.text(p.CommandLine), fields.pid(p.ProcessId)
  out.started = fields.time(p.CreationTimeUtc)
  local parent = deref(p.ParentProcess)
  if parent then
    local image = sentinel_image(parent, deref)
    out.parent = { name = image.name, path = image.path, cmd_line = fields.text(parent.CommandLine),
                   pid = fields.pid(parent.ProcessId) }
  end
  return out, fields.object(deref(p.Account))
end

local function sentinel(doc)
  local list, deref = entities_of(doc.Entities)
  local first = {}
  for _, e in ipairs(list) do
    if e.Type then first[e.Type] = first[e.Type] or e end
  end
  local host = first.host or {}
  local process, account = sentinel_process(list, deref)
  if account == nil or next(account) == nil then account = first.account or {} end
  local hostname = fields.text(host.HostName) or fields.text(doc.CompromisedEntity)
  local defender = fields.text(host.MdatpDeviceId)
  local raw = doc.AlertSeverity or doc.Severity
  return {
    id = fields.id(doc.SystemAlertId), source = "microsoft",
    time = fields.time(doc.StartTimeUtc or doc.StartTime),
    severity = severity.word(raw), severity_raw = raw,
    title = fields.text(doc.DisplayName) or fields.text(doc.AlertDisplayName) or fields.text(doc.AlertName),
    stated = { doc.Techniques }, tactic = fields.text(doc.Tactics),
    device = fields.device {
      hostname = hostname, ip = fields.ips(host.LastIpAddress, host.LastExternalIpAddress),
      agent_id = defender or doc.SourceComputerId, whose = defender and "microsoft" or "log_analytics",
      os = fields.os(host.OSFamily),
    },
    user = fields.user({ name = account.Name, domain = account.NTDomain }, hostname), process = process,
    starts = true,
  }
end

local READERS = {
  ms_graph_alert_v1 = graph_v1, ms_graph_alert_v2 = graph_v2, ms_mde_alert = mde,
  ms_m365d_incident = incident,
  ms_sentinel_securityalert = sentinel,
}

function microsoft.format(doc)
  if doc["@odata.type"] == "#microsoft.graph.security.alert" or (doc.providerAlertId and doc.evidence) then
    return "ms_graph_alert_v2"
  end
  if type(doc.vendorInformation) == "table" and doc.eventDateTime then return "ms_graph_alert_v1" end
  if doc.alertCreationTime and doc.machineId then return "ms_mde_alert" end
  if doc.incidentId and doc.incidentName and type(doc.alerts) == "table" then return "ms_m365d_incident" end
  if doc.SystemAlertId and doc.Entities then return "ms_sentinel_securityalert" end
  return nil
end

function microsoft.read(doc, format) return READERS[format](doc) end

return microsoft
