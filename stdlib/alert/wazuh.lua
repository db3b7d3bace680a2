-- wazuh.lua: Wazuh alerts, as the manager writes them and as a hit of its indexer (with the alert under
-- _source). data.srcip is the attacker's address, and never the host's.

local fields   = require "alert.fields"
local severity = require "alert.severity"

local wazuh = {}

local function body(doc)
  local s = doc._source
  if type(s) == "table" then return s end
  return doc
end

function wazuh.format(doc)
  local a = body(doc)
  if type(a.rule) == "table" and a.rule.level and type(a.agent) == "table" and type(a.manager) == "table" then
    return a == doc and "wazuh_alert" or "wazuh_indexer"
  end
  return nil
end

function wazuh.read(doc)
  local a = body(doc)
  local data, rule = fields.object(a.data), a.rule
  local event = fields.object(fields.object(data.win).eventdata)
  local hostname = fields.text(a.agent.name)
  local mitre = fields.object(rule.mitre)
  local process
  if next(event) then
    process = { path = fields.text(event.image) or fields.text(event.newProcessName),
                cmd_line = fields.text(event.commandLine),
                pid = fields.pid(event.processId or event.newProcessId), started = fields.time(event.utcTime),
                cwd = fields.text(event.currentDirectory), original = fields.text(event.originalFileName),
                parent = { path = fields.text(event.parentImage),
                           cmd_line = fields.text(event.parentCommandLine),
                           pid = fields.pid(event.parentProcessId) } }
    for kind, value in pairs(fields.hashes(event.hashes)) do process[kind] = value end
  end
  return {
    id = fields.id(a.id) or fields.id(doc._id), source = "wazuh",
    time = fields.time(a.timestamp) or fields.time(a["@timestamp"]),
    severity = severity.wazuh(rule.level), severity_raw = rule.level, title = fields.text(rule.description),
    stated = type(mitre.id) == "table" and mitre.id or { mitre.id },
    tactic = fields.text(fields.one(mitre.tactic)),
    device = fields.device { hostname = hostname, ip = fields.ips(a.agent.ip), agent_id = a.agent.id,
                             whose = "wazuh",
                             os = next(event) and "windows" or nil },
    user = fields.user({ name = fields.text(event.user) or data.dstuser or data.srcuser }, hostname),
    process = process, starts = process ~= nil,
  }
end

return wazuh
