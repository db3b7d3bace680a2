-- subject.lua: what is malicious here.  The process of a T1059 alert is an interpreter nearly always:
-- PowerShell, cmd, bash, wscript, mshta, python.  Blocking, ending or removing that would take it from the
-- whole company, or allow the attack.  So a response first asks what the interpreter was given: a script or
-- library, a command (written out or decoded, and kept as a sample with its own hash), a dropped file, a
-- child that is not a system binary.  Where none is known the subject is the interpreter by name alone,
-- without hash or path, and nothing is done to it.

local attack = require "attack"

local subject = {}

-- Binaries that belong to the operating system, wherever an alert says that they are: a copy of cmd.exe in a
-- user's folder has the hash of cmd.exe.
local SYSTEM = {}
for name in ([[
  explorer svchost services lsass csrss smss wininit winlogon spoolsv taskhost taskhostw dllhost
  conhost userinit sihost ctfmon runtimebroker sppsvc wmiprvse wmic reg regedit schtasks at net net1
  sc tasklist taskkill whoami ipconfig nltest systeminfo quser query hostname ping nslookup arp
  route netsh certutil bitsadmin msiexec msbuild installutil regasm regsvcs cmstp forfiles vssadmin
  wbadmin bcdedit wevtutil fsutil icacls takeown attrib copy xcopy robocopy find findstr choice
  timeout notepad calc dsregcmd curl tar ssh launchd sudo su env xargs nohup find awk sed cat echo
  cp mv rm chmod chown ls ps base64 wget java git
]]):gmatch("%S+") do
  SYSTEM[name] = true
end

local SYSTEM_FOLDERS = {
  "^%a:\\windows\\system32\\", "^%a:\\windows\\syswow64\\", "^\\device\\[^\\]+\\windows\\system32\\",
  "^\\device\\[^\\]+\\windows\\syswow64\\", "^\\systemroot\\",
  "^/bin/", "^/sbin/", "^/usr/bin/", "^/usr/sbin/", "^/usr/lib/", "^/usr/libexec/", "^/lib/",
  "^/system/library/",
}

local function base(path) return path and path:match("[^/\\]*$") or nil end

---Whether an image is an interpreter or belongs to the operating system, by its name or by its folder.
---@param path string
---@return boolean
function subject.is_system(path)
  local name = base(path):lower()
  if attack.interpreter(name) or SYSTEM[name] or SYSTEM[name:match("^(.*)%.exe$") or name] then
    return true
  end
  for _, folder in ipairs(SYSTEM_FOLDERS) do
    if path:lower():find(folder) then return true end
  end
  return false
end

local function absolute(path) return path:find("^%a:[\\/]") ~= nil or path:find("^[\\/]") ~= nil end

---The hashes of every image in the alert that is a system binary: whatever else carries one of them is that
---binary.
local function system_hashes(p)
  local out = {}
  for _, image in ipairs { p, p.parent or {}, p.child or {} } do
    local path = image.path or image.name
    if image.interpreter or (path and subject.is_system(path)) then
      for _, kind in ipairs { "sha256", "sha1" } do
        if image[kind] then out[image[kind]] = true end
      end
    end
  end
  return out
end

---The hashes that the alert has for a path, or for a lone name.
local function hashes_for(alert, path, never)
  for _, f in ipairs(alert.files or {}) do
    local same = f.path and (f.path:lower() == path:lower() or base(f.path):lower() == path:lower())
    if same and not never[f.sha256] and not never[f.sha1] then return f end
  end
  return {}
end

---A subject on disk.  A path that does not say where it is names the file, and leads nowhere.
local function on_disk(kind, path, hashes)
  return { kind = kind, name = base(path), path = absolute(path) and path or nil, sha256 = hashes.sha256,
           sha1 = hashes.sha1 }
end

local TYPES = { powershell = "ps1", pwsh = "ps1", cmd = "cmd", python = "py", pythonw = "py", node = "js",
                lua = "lua",
                osascript = "applescript", mshta = "hta", perl = "pl", ruby = "rb", php = "php" }

---What the command is called as a sample: a sandbox goes by the extension.
local function sample_name(p, technique)
  local stem = p.name and attack.interpreter(p.name)
  local ext = stem and TYPES[stem] or technique == "T1059.001" and "ps1" or technique == "T1059.004" and "sh"
  return "command." .. (ext or "txt")
end

local function as_command(p, script, technique)
  return { kind = "command", name = sample_name(p, technique), text = script.text, sha256 = script.sha256 }
end

---A file that came with the alert and is nobody's system binary.
local function dropped(alert, never)
  for _, f in ipairs(alert.files or {}) do
    if f.path and not subject.is_system(f.path) and not never[f.sha256] and not never[f.sha1] then
      if absolute(f.path) or f.sha256 or f.sha1 then return on_disk("file", f.path, f) end
    end
  end
  return nil
end

---A program that was started by the interpreter, and is not the system's.
local function own_child(p, never)
  local c = p.child
  local path = c and (c.path or c.name)
  if path == nil or c.interpreter or subject.is_system(path) then return nil end
  local hashes = (never[c.sha256] or never[c.sha1]) and {} or c
  return on_disk("child", path, hashes)
end

---The process's own image, where that is no interpreter and not the system's.
local function own_image(p)
  local path = p.path or p.name
  if path == nil or p.interpreter or subject.is_system(path) then return nil end
  return on_disk("file", path, p)
end

---What `p` was given as a script or a command.
local function given(alert, p, never)
  local script = p.script
  if script == nil then return nil end
  if script.path then return on_disk("script", script.path, hashes_for(alert, script.path, never)) end
  return script.text and as_command(p, script, alert.technique and alert.technique.id) or nil
end

---A system binary's command line, where the interpreter was only its vehicle.
local function child_command(p)
  local c = p.child
  if c == nil or c.cmd_line == nil or p.interpreter == nil then return nil end
  return { kind = "command", name = "command.txt", text = c.cmd_line }
end

---What is malicious in an alert, never the interpreter.
---@param alert table a normalised alert
---@return { kind: "script"|"command"|"file"|"child"|"interpreter", name: string, path?: string, sha256?:
---string,
---  sha1?: string, text?: string, host?: string, pid?: integer, started?: string, image?: string }
---`path`: only where it says where it is; `sha256` of a command is that of its text; `pid`, `started` and
---`image` are of the process that ran it
function subject.subject(alert)
  local p = alert.process or {}
  local never = system_hashes(p)
  local child = p.child or {}
  local found = given(alert, p, never) or dropped(alert, never) or own_child(p, never)
    or given(alert, child, never)
             or own_image(p) or child_command(p)
             or { kind = "interpreter", name = p.name or (alert.technique or {}).name or "unknown" }
  local runs = found.kind == "child" and child or p
  found.host = (alert.device or {}).hostname
  found.pid, found.started = runs.pid, runs.started
  found.image = runs.path and not runs.path:find("^\\[Dd]evice\\") and runs.path or runs.name
  return found
end

---A subject as somebody wrote it down for one stage, with the name and kind that are always there.
---@param s table            `name`, `path`, `sha256` or `text` at least
---@return table             a copy, as subject.subject answers it
function subject.of(s)
  local out = {}
  for k, v in pairs(s) do out[k] = v end
  out.name = s.name or base(s.path) or s.sha256 or s.text and "command.txt"
  if not out.name then fail("bad_argument", "a subject has a name, path, sha256 or text at least") end
  out.kind = s.kind or (s.text and "command" or "file")
  return out
end

---Where a subject is: the device that is given, else the host that the subject names.
---@return table? device
function subject.device(s, device) return device or s.host and { hostname = s.host } or nil end

return subject
