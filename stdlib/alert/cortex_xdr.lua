-- cortex_xdr.lua: Cortex XDR incidents.  An incident spans alerts and hosts, and names no process; its
-- techniques are written out ("T1059.001 - Command and Scripting Interpreter: PowerShell"), retired ones
-- beside their successors. Where it names several hosts the first is taken, and all of them stand in `raw`.

local fields   = require "alert.fields"
local severity = require "alert.severity"

local cortex = {}

function cortex.format(doc)
  if doc.incident_id and (doc.mitre_techniques_ids_and_names or doc.xdr_url
                          or doc.alerts_grouping_status) then
    return "cortex_xdr_incident"
  end
  return nil
end

---Hosts are "name" or "name:agent".
local function host_of(text)
  text = fields.text(text)
  if text == nil then return nil end
  return text:match("^([^:]+):?(%x*)$")
end

function cortex.read(doc)
  local hostname, agent = host_of(fields.object(doc.hosts)[1])
  local tactics = fields.object(doc.mitre_tactics_ids_and_names)
  return {
    id = fields.id(doc.incident_id), source = "cortex_xdr",
    time = fields.time(doc.detection_time) or fields.time(doc.creation_time),
    severity = severity.word(doc.severity), severity_raw = doc.severity,
    title = fields.text(doc.incident_name) or fields.text(doc.description),
    stated = doc.mitre_techniques_ids_and_names,
    tactic = type(tactics[1]) == "string" and tactics[1]:match("%- (.+)$") or nil,
    device = fields.device { hostname = hostname, agent_id = agent, whose = "cortex_xdr" },
    user = fields.user({ name = fields.one(doc.users) }, hostname),
  }
end

return cortex
