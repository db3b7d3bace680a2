-- elastic.lua: Elastic Security alerts and Winlogbeat events, in ECS.  One document may have flat dotted
-- names ("kibana.alert.severity") beside nested objects ("process": { "name": … }); both are read.

local fields   = require "alert.fields"
local severity = require "alert.severity"

local elastic = {}

---A member by its dotted name, flat or nested.
local function get(doc, name)
  if doc[name] ~= nil then return doc[name] end
  local at = doc
  for part in name:gmatch("[^.]+") do
    if type(at) ~= "table" then return nil end
    at = at[part]
  end
  return at
end

---Ids of techniques and sub-techniques within threat[], which is a list of objects, each with lists.
local function threats(list)
  local out, tactic = {}, nil
  if type(list) == "table" and list[1] == nil then list = { list } end
  for _, t in ipairs(fields.objects(list)) do
    tactic = tactic or fields.text(fields.one(fields.object(t.tactic).name))
    local techniques = fields.object(t.technique)
    if techniques[1] == nil then techniques = { techniques } end
    for _, technique in ipairs(fields.objects(techniques)) do
      for _, sub in ipairs(fields.object(technique.subtechnique)) do out[#out + 1] = sub.id end
      out[#out + 1] = fields.one(technique.id)
    end
  end
  return out, tactic
end

local function process_of(doc)
  local p = get(doc, "process")
  if type(p) ~= "table" then return nil end
  local hash, parent = fields.object(p.hash), fields.object(p.parent)
  return {
    name = fields.text(p.name), path = fields.text(p.executable), cmd_line = fields.text(p.command_line),
    pid = fields.pid(p.pid),
    started = fields.time(p.start), cwd = fields.text(p.working_directory),
    original = fields.text(get(p, "pe.original_file_name")),
    sha256 = fields.hash("sha256", hash.sha256), sha1 = fields.hash("sha1", hash.sha1),
    md5 = fields.hash("md5", hash.md5),
    parent = { name = fields.text(parent.name), path = fields.text(parent.executable),
               cmd_line = fields.text(parent.command_line), pid = fields.pid(parent.pid) },
  }
end

local function common(doc)
  local host, user = fields.object(get(doc, "host")), fields.object(get(doc, "user"))
  local os = fields.object(host.os)
  local hostname = fields.text(host.name) or fields.text(host.hostname)
  return {
    source = "elastic", time = fields.time(doc["@timestamp"]), process = process_of(doc),
    device = fields.device { hostname = hostname, ip = fields.ips(host.ip), agent_id = get(doc, "agent.id"),
                             whose = "elastic",
                             os = fields.os(os.type or os.family or os.platform or os.name),
                             role = fields.role(fields.object(os.Ext).variant or os.full or os.name) },
    user = fields.user({ name = user.name, domain = user.domain, email = user.email }, hostname),
  }
end

local function security_alert(doc)
  local r = common(doc)
  local stated, tactic = threats(get(doc, "threat") or get(doc, "kibana.alert.rule.threat"))
  local raw = get(doc, "kibana.alert.severity")
  r.id = fields.id(get(doc, "kibana.alert.uuid"))
  r.severity, r.severity_raw = severity.word(raw), raw
  r.title = fields.text(get(doc, "rule.name")) or fields.text(get(doc, "kibana.alert.rule.name"))
  r.stated, r.tactic, r.starts = stated, tactic, true
  local file = fields.object(get(doc, "file"))
  r.files = { fields.file(file.path, { sha256 = fields.hash("sha256", get(file, "hash.sha256")),
                                       sha1 = fields.hash("sha1", get(file, "hash.sha1")) }) }
  return r
end

local function winlogbeat(doc)
  local r = common(doc)
  local code = tonumber(get(doc, "event.code") or get(doc, "winlog.event_id"))
  r.title, r.telemetry = fields.text(get(doc, "event.action")), true
  r.starts = code == 1 or code == 4688
  return r
end

---A search hit has its document under _source.
local function body(doc) return type(doc._source) == "table" and doc._source or doc end

function elastic.format(hit)
  local doc = body(hit)
  if get(doc, "kibana.alert.rule.uuid") or get(doc, "kibana.alert.severity")
    or get(doc, "kibana.alert.uuid") then
    return "elastic_security_alert"
  end
  if type(doc.winlog) == "table" and type(doc.ecs) == "table" then return "winlogbeat_ecs" end
  return nil
end

function elastic.read(hit, format)
  local r = (format == "winlogbeat_ecs" and winlogbeat or security_alert)(body(hit))
  r.id = r.id or fields.id(hit._id)
  return r
end

return elastic
