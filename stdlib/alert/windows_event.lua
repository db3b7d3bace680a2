-- windows_event.lua: what a Windows event (or one of Sysmon for Linux) says, whichever shipper carried it:
-- the facts of a process that started (Sysmon 1, Security 4688), of a PowerShell script block (4104) or
-- cmdlet (4103), and, of all other events, who and where.
--
-- Traps: Sysmon's UtcTime is right where the shipper's clock is not; 4688's ProcessId is the parent's; the
-- account that shipped an event is not the one that it is about; "Level" is no severity.

local fields   = require "alert.fields"
local severity = require "alert.severity"

local event = {}

local function sysmon_start(d)
  local p = {
    path = fields.text(d.Image), cmd_line = fields.text(d.CommandLine), pid = fields.pid(d.ProcessId),
    started = fields.time(d.UtcTime), cwd = fields.text(d.CurrentDirectory),
    original = fields.text(d.OriginalFileName),
    parent = { path = fields.text(d.ParentImage), cmd_line = fields.text(d.ParentCommandLine),
               pid = fields.pid(d.ParentProcessId) },
  }
  for kind, value in pairs(fields.hashes(d.Hashes)) do p[kind] = value end
  return p
end

local function audit_start(d, time)
  return {
    path = fields.text(d.NewProcessName), cmd_line = fields.text(d.CommandLine),
    pid = fields.pid(d.NewProcessId), started = time,
    parent = { path = fields.text(d.ParentProcessName), pid = fields.pid(d.ProcessId) },
  }
end

---A script block: what PowerShell ran, whoever started it; no process is named.
local function script_block(d)
  return {
    original = "powershell.exe", interpreter = true,
    script = { text = fields.text(d.ScriptBlockText), path = fields.text(d.Path) },
  }
end

---A cmdlet, where its context came as members; the line that started PowerShell stands among them.
local function cmdlet(context)
  local host = fields.text(context["Host Application"])
  return host and { path = host:match("^%S+%.exe"), cmd_line = host }
end

---The process of an event that is about something else.
local function bystander(d)
  local path = fields.text(d.Image) or fields.text(d.SourceImage) or fields.text(d.ProcessName)
  return path and { path = path, pid = fields.pid(d.ProcessId or d.SourceProcessId) }
end

---@return table? process
---@return boolean starts
local function process_of(id, d, sysmon, time)
  if sysmon and id == 1 then return sysmon_start(d), true end
  if id == 4688 then return audit_start(d, time), true end
  if id == 4104 and d.ScriptBlockText then return script_block(d), true end
  if id == 4103 and type(d.ContextInfo) == "table" then return cmdlet(d.ContextInfo), true end
  return bystander(d), false
end

local function user_of(d, hostname)
  local context = fields.object(d.ContextInfo)
  local name = fields.text(d.User) or fields.text(context.User)
  if name then return fields.user({ name = name }, hostname) end
  if d.NewProcessName and fields.text(d.TargetUserName) then            -- started for somebody else
    return fields.user({ name = d.TargetUserName, domain = d.TargetDomainName }, hostname)
  end
  return fields.user({ name = d.SubjectUserName, domain = d.SubjectDomainName }, hostname)
end

---What a Windows level says beyond "this is an event": 0 (always) and 4 (information) say nothing.
local function level_of(level)
  local n = tonumber(level)
  if n == nil or n == 0 or n == 4 then return nil end
  return level
end

---Reads an event.
---@param d table the event's data (Image, CommandLine, …)
---@param m table { id, provider, time, host, level?, message?, os? }: what the shipper says of it
---@return table record as an adapter returns it; the caller adds `source`, and what its shipper knows besides
function event.read(d, m)
  local id = math.tointeger(tonumber(m.id))
  local sysmon = type(m.provider) == "string" and m.provider:lower():find("sysmon", 1, true) ~= nil
  local time = sysmon and fields.time(d.UtcTime) or fields.time(m.time)
  local process, starts = process_of(id, d, sysmon, time)
  local level = level_of(m.level)
  local hostname = fields.text(m.host)
  local title = fields.text(m.message)
  return {
    time = time, severity = level and severity.windows(level) or nil, severity_raw = level,
    title = title and fields.text(title:match("^[^\r\n:]*")) or nil, telemetry = true,
    device = fields.device { hostname = hostname, os = m.os or "windows" },
    user = user_of(d, hostname), process = process, starts = starts,
    files = { fields.file(d.TargetFilename, {}) },
  }
end

return event
