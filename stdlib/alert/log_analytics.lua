-- log_analytics.lua: rows of Azure Log Analytics: SecurityEvent (Windows) and Syslog (Linux).  Sysmon for
-- Linux puts its event as XML into SyslogMessage, where Syslog cuts it off at 2 kB in the middle of an
-- element: it is read piece by piece, for no XML parser takes it.

local event    = require "alert.windows_event"
local fields   = require "alert.fields"
local severity = require "alert.severity"

local log_analytics = {}

function log_analytics.format(doc)
  if type(doc.SyslogMessage) == "string" and (doc.Facility or doc.SeverityLevel) then
    return "loganalytics_syslog"
  end
  if doc.Type == "SecurityEvent" or (doc.EventSourceName and doc.Activity) then
    return "loganalytics_securityevent"
  end
  return nil
end

local ENTITIES = { amp = "&", lt = "<", gt = ">", quot = '"', apos = "'" }

local function unescape(s)
  s = s:gsub("&#(%d%d%d?);", function(n) return tonumber(n) < 128 and string.char(tonumber(n)) or nil end)
  return (s:gsub("&(%a+);?", ENTITIES))
end

---The data of Sysmon's event, as far as it was not cut off; nil when the message is none.
local function sysmon(message)
  local id = message:match("^<Event><System>.-<EventID>(%d+)</EventID>")
  if id == nil then return nil end
  local data = {}
  for name, value in message:gmatch('<Data Name="(%w+)">([^<]*)</Data>') do
    data[name] = fields.text(unescape(value))
  end
  return data, id
end

local function syslog(doc)
  local data, id = sysmon(doc.SyslogMessage)
  local r = event.read(data or {}, {
    id = id, provider = data and "Linux-Sysmon" or nil, time = doc.EventTime or doc.TimeGenerated,
    os = "linux",
    host = doc.Computer or doc.HostName, message = not data and doc.SyslogMessage or nil,
  })
  r.source = "linux"
  r.severity, r.severity_raw = severity.word(doc.SeverityLevel), fields.text(doc.SeverityLevel)
  r.device = fields.device { hostname = doc.Computer or doc.HostName, ip = fields.ips(doc.HostIP),
                             os = "linux" }
  return r
end

local function security_event(doc)
  local r = event.read(doc, {
    id = doc.EventID, provider = doc.EventSourceName, time = doc.TimeGenerated, host = doc.Computer,
    level = doc.Level,
    message = doc.Activity,
  })
  r.source = "windows"
  r.device = fields.device { hostname = doc.Computer, agent_id = doc.SourceComputerId,
                             whose = "log_analytics", os = "windows" }
  return r
end

function log_analytics.read(doc, format)
  if format == "loganalytics_syslog" then return syslog(doc) end
  return security_event(doc)
end

return log_analytics
