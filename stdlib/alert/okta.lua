-- okta.lua: Okta's System Log.  There is no endpoint in it: the address is the client's.  The person is the
-- target of type User (the actor may be Okta itself, or an administrator who acted on somebody); log
-- pipelines lower some keys.

local fields   = require "alert.fields"
local severity = require "alert.severity"

local okta = {}

---A user out of an actor or a target, or nil when it is none.
local function person(p)
  if type(p) ~= "table" or p.type ~= "User" then return nil end
  local id = fields.text(p.alternateId)
  if id == nil or id == "unknown" then return nil end
  return fields.user { name = id }
end

local function user_of(doc)
  for _, t in ipairs(fields.objects(doc.target)) do
    local u = person(t)
    if u then return u end
  end
  return person(doc.actor)
end

function okta.format(doc)
  local kind = doc.eventType or doc.eventtype
  if type(kind) == "string" and doc.uuid and type(doc.actor) == "table" and doc.published then
    return "okta_system_log"
  end
  return nil
end

function okta.read(doc)
  local client = fields.object(doc.client)
  return {
    id = fields.id(doc.uuid), source = "okta", time = fields.time(doc.published),
    severity = severity.word(doc.severity), severity_raw = doc.severity,
    title = fields.text(doc.displayMessage) or fields.text(doc.displaymessage)
      or fields.text(doc.eventType or doc.eventtype),
    telemetry = true, device = fields.device { ip = fields.ips(client.ipAddress) }, user = user_of(doc),
  }
end

return okta
