-- windows.lua: Windows events as four shippers write them: NXLog and the Windows event forwarder (flat), the
-- XML read into JSON (System beside EventData), and the evtx converter that Sigma's regression data comes
-- from ("#attributes").

local event    = require "alert.windows_event"
local fields   = require "alert.fields"
local severity = require "alert.severity"

local windows = {}

---NXLog: AccountName and Domain are the shipping service's, `host` is the collector, EventTime is local.
local function nxlog(doc)
  local r = event.read(doc, {
    id = doc.EventID, provider = doc.SourceName or doc.Channel, host = doc.Hostname, message = doc.Message,
    time = doc["@timestamp"] or doc.EventTime,
  })
  r.severity, r.severity_raw = severity.word(doc.Severity), fields.text(doc.Severity)
  return r
end

local function flat(doc)
  return event.read(doc, {
    id = doc.EventID, provider = doc.SourceName or doc.Channel, host = doc.Hostname or doc.Computer,
    message = doc.Message,
    time = doc["@timestamp"] or doc.TimeCreated, level = doc.Level,
  })
end

local function parsed_xml(doc)
  return event.read(fields.object(doc.EventData), {
    id = doc.EventID, provider = fields.object(doc.Provider).Name, host = doc.Computer, level = doc.Level,
    time = fields.object(doc.TimeCreated).SystemTime, message = fields.object(doc.RenderingInfo).Message,
  })
end

local function attributes(v) return fields.object(fields.object(v)["#attributes"]) end

local function sigma(doc)
  local s = doc.Event.System
  local id = type(s.EventID) == "table" and s.EventID["#text"] or s.EventID
  return event.read(fields.object(doc.Event.EventData), {
    id = id, provider = attributes(s.Provider).Name, host = s.Computer,
    time = attributes(s.TimeCreated).SystemTime,
    level = s.Level,
  })
end

local READERS = { nxlog_flat = nxlog, evtx_flat = flat, windows_parsed_xml = parsed_xml,
                  sigma_evtx_json = sigma }

function windows.format(doc)
  if type(doc.Event) == "table" and type(doc.Event.System) == "table" then return "sigma_evtx_json" end
  if doc.EventID == nil then return nil end
  if type(doc.Provider) == "table" and type(doc.TimeCreated) == "table" then return "windows_parsed_xml" end
  if doc.SourceModuleType or (doc.EventReceivedTime and doc.EventTime) then return "nxlog_flat" end
  if doc.Hostname and (doc.Channel or doc.SourceName) then return "evtx_flat" end
  return nil
end

function windows.read(doc, format)
  local r = READERS[format](doc)
  r.source = "windows"
  return r
end

return windows
