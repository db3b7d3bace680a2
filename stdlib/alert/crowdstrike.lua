-- crowdstrike.lua: CrowdStrike Falcon's six shapes: the event stream, Falcon Data Replicator (detections and
-- process telemetry), Alerts v2, the older Detects (nested, and flattened by others), and Detects as LogScale
-- keeps them.
--
-- Traps: ProcessId and TargetProcessId are Falcon's own numbers, and no process ids of the host; SHA1 is
-- forty zeros where it is unknown; Severity is 1 to 5 in the older event and 0 to 100 elsewhere; FilePath is
-- now the folder, now the whole path; the customer's id looks like an agent's.

local command  = require "alert.command"
local fields   = require "alert.fields"
local severity = require "alert.severity"

local crowdstrike = {}

local EVENT_HASHES = { sha256 = "SHA256String", sha1 = "SHA1String", md5 = "MD5String" }
local FDR_HASHES   = { sha256 = "SHA256HashData", sha1 = "SHA1HashData", md5 = "MD5HashData" }
local ENTITY_HASHES = { sha256 = "sha256", sha1 = "sha1", md5 = "md5" }

---The folder or the whole path, and the name: one path.
local function path_of(path, name)
  path, name = fields.text(path), fields.text(name)
  if path and name and fields.base(path) ~= name then return fields.join(path, name) end
  return path or name
end

---The agent's id within Falcon's composite ids: "ldt:AGENT:…", "CUSTOMER:ind:AGENT:…", "ctg:AGENT:…",
---"pid:AGENT:…".
local function agent_in(...)
  for i = 1, select("#", ...) do
    local id = fields.text((select(i, ...)))
    local agent = id and (id:match("^%x+:ind:(%x+):") or id:match("^ldt:(%x+):") or id:match("^ctg:(%x+):")
                          or id:match("^pid:(%x+):"))
    if agent then return agent end
  end
  return nil
end

local PLATFORMS = { win = "windows", mac = "macos", lin = "linux" }

---The system: named, or told by the shape of a path that only Windows has.
local function os_of(name, path)
  name = fields.text(name)
  if name then return PLATFORMS[name:lower()] or fields.os(name) end
  if path and (path:find("^%a:\\") or path:find("^\\")) then return "windows" end
  return nil
end

local function word(name, number)
  local w = severity.word(name)
  if w ~= "unknown" then return w end
  number = tonumber(number)
  if number and number <= 5 then return severity.five(number) end
  return severity.percent(number)
end

-- Detection events: the event stream, and FDR's copy of it -----------------------------------------------
local function detection_process(e)
  local path = path_of(e.FilePath, e.FileName)
  local parent = fields.text(e.ParentImageFileName)
  return fields.take_hashes({
    name = fields.text(e.FileName) or fields.base(path),
    path = path and path:find("[/\\]") and path or nil,
    cmd_line = fields.text(e.CommandLine), started = fields.time(e.ProcessStartTime),
    parent = { name = fields.base(parent), path = parent and parent:find("[/\\]") and parent or nil,
               cmd_line = fields.text(e.ParentCommandLine) },
  }, e, EVENT_HASHES)
end

---Technique ids, which only newer events carry.
local function event_stated(e)
  local out = fields.list(e.TechniqueId)
  for _, m in ipairs(fields.objects(e.MitreAttack)) do out[#out + 1] = m.TechniqueID end
  return out
end

local function detection(e, time)
  local hostname = fields.text(e.ComputerName) or fields.text(e.Hostname)
  local process = detection_process(e)
  return {
    id = fields.id(e.CompositeId) or fields.id(e.DetectId), source = "crowdstrike", time = time,
    severity = word(e.SeverityName, e.Severity), severity_raw = e.Severity,
    title = fields.text(e.DetectName) or fields.text(e.Name),
    stated = event_stated(e), technique_name = fields.text(e.Technique), tactic = e.Tactic,
    device = fields.device {
      hostname = hostname, ip = fields.ips(e.LocalIP), whose = "crowdstrike",
      agent_id = fields.text(e.AgentIdString) or fields.text(e.SensorId) or fields.text(e.AgentId)
        or agent_in(e.DetectId),
      os = os_of(nil, process.path),
    },
    user = fields.user({ name = e.UserName, machine_domain = e.MachineDomain }, hostname),
    process = process, starts = true,
  }
end

local function event_stream(doc)
  return detection(doc.event, fields.time(doc.metadata.eventCreationTime))
end

-- Falcon Data Replicator ---------------------------------------------------------------------------------
local function rollup_process(e)
  return fields.take_hashes({
    path = fields.text(e.ImageFileName), cmd_line = fields.text(e.CommandLine),
    pid = fields.pid(e.RawProcessId),
    started = fields.time(e.ProcessStartTime), parent = { name = fields.text(e.ParentBaseFileName) },
  }, e, FDR_HASHES)
end

local function fdr(doc)
  local e = type(doc.event) == "table" and doc.event or doc
  local kind = e.event_simpleName or doc.event_simpleName
  if kind == nil then return detection(e, fields.time(e.UTCTimestamp) or fields.time(e.timestamp)) end
  local hostname = fields.text(e.ComputerName) or fields.text(doc.Hostname)
  return {
    id = fields.id(e.id), source = "crowdstrike", time = fields.time(e.timestamp), title = kind,
    telemetry = true,
    device = fields.device {
      hostname = hostname, ip = fields.ips(e.LocalAddressIP4, e.aip), agent_id = e.aid, whose = "crowdstrike",
      os = os_of(e.event_platform, fields.text(e.ImageFileName)),
    },
    user = fields.user({ name = e.UserName }, hostname),
    process = rollup_process(e), starts = kind == "ProcessRollup2" or kind == "SyntheticProcessRollup2",
  }
end

-- Entities: Alerts v2, Detects, and Detects in LogScale --------------------------------------------------
local function entity_device(device, agent, path)
  return fields.device {
    hostname = device.hostname, ip = fields.ips(device.local_ip, device.external_ip),
    agent_id = fields.text(device.device_id) or agent, whose = "crowdstrike",
    os = os_of(device.platform_name, path),
    role = fields.role(device.product_type_desc) or fields.role(device.os_version),
  }
end

local function entity_parent(b)
  local p = fields.object(b.parent_details)
  local cmd_line = fields.text(p.cmdline) or fields.text(p.parent_cmdline) or fields.text(b.parent_cmdline)
  return { name = fields.text(p.filename) or fields.base(command.image(cmd_line)),
           path = fields.text(p.filepath),
           cmd_line = cmd_line, pid = fields.pid(p.local_process_id) }
end

local function entity_process(b)
  return fields.take_hashes({
    name = fields.text(b.filename), path = fields.text(b.filepath), cmd_line = fields.text(b.cmdline),
    pid = fields.pid(b.local_process_id), started = fields.time(b.process_start_time),
    parent = entity_parent(b),
  }, b, ENTITY_HASHES)
end

---Files that were quarantined or written: files of the alert beside the process's own.
local function entity_files(b)
  local out = {}
  for _, list in ipairs { fields.objects(b.quarantined_files), fields.objects(b.files_written) } do
    for _, f in ipairs(list) do
      out[#out + 1] = fields.file(path_of(f.filepath, f.filename), fields.take_hashes({}, f, ENTITY_HASHES))
    end
  end
  return out
end

---Every technique that an entity or its behaviours state.
local function entity_stated(doc, b)
  local out = fields.list(b.technique_id, doc.technique_id)
  for _, m in ipairs(fields.objects(doc.mitre_attack)) do out[#out + 1] = m.technique_id end
  for _, other in ipairs(fields.objects(doc.behaviors)) do out[#out + 1] = other.technique_id end
  return out
end

local function entity(doc, b, raw_severity)
  local device = type(doc.device) == "table" and doc.device or doc
  local agent = agent_in(doc.composite_id, doc.detection_id, b.control_graph_id,
                         b.triggering_process_graph_id)
  local principal = fields.text(b.user_principal)          -- "JDOE@ACME.EXAMPLE", where it is one
  if principal and not principal:find("@", 1, true) then principal = nil end
  return {
    id = fields.id(doc.composite_id) or fields.id(doc.detection_id), source = "crowdstrike",
    time = fields.time(b.timestamp) or fields.time(doc.created_timestamp)
      or fields.time(doc.updated_timestamp),
    severity = word(doc.severity_name or doc.max_severity_displayname, raw_severity),
    severity_raw = raw_severity,
    title = fields.text(b.display_name) or fields.text(doc.name) or fields.text(b.scenario),
    stated = entity_stated(doc, b), technique_name = fields.text(b.technique), tactic = b.tactic,
    device = entity_device(device, agent, fields.text(b.filepath)),
    user = fields.user({ name = b.user_name, email = principal }, fields.text(device.hostname)),
    process = entity_process(b), files = entity_files(b), starts = true,
  }
end

local READERS = {
  crowdstrike_event_stream = event_stream,
  crowdstrike_fdr = fdr,
  crowdstrike_alerts_v2 = function(doc) return entity(doc, doc, doc.severity) end,
  crowdstrike_detects = function(doc)
    local b = fields.objects(doc.behaviors)[1] or doc
    return entity(doc, b, doc.max_severity or b.severity)
  end,
  crowdstrike_logscale = function(doc)
    local b = fields.objects(doc.behaviors)[1] or doc
    return entity(doc, b, doc.max_severity or b.severity)
  end,
}

function crowdstrike.format(doc)
  local e = doc.event
  if type(e) == "table" and type(doc.metadata) == "table" and doc.metadata.eventType then
    return "crowdstrike_event_stream"
  end
  e = type(e) == "table" and e or doc
  if e.event_simpleName or doc.event_simpleName or e.ExternalApiType then return "crowdstrike_fdr" end
  if fields.text(doc.composite_id) then return "crowdstrike_alerts_v2" end
  if fields.text(doc.detection_id) then
    return (doc["#repo"] or doc["@rawstring"]) and "crowdstrike_logscale" or "crowdstrike_detects"
  end
  return nil
end

function crowdstrike.read(doc, format) return READERS[format](doc) end

return crowdstrike
