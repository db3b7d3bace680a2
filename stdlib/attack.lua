-- attack.lua: MITRE ATT&CK as a playbook needs it: is this alert about that technique?  It knows T1059
-- (Command and Scripting Interpreter) with its sub-techniques, the ids that ATT&CK has retired around it with
-- what replaced them, and which interpreter belongs to which sub-technique.  Everything here is pure.
--
-- Ids and names: MITRE ATT&CK v20.0 (October 2026), (c) The MITRE Corporation, under the ATT&CK Terms of Use.

local attack = { version = "20.0" }

local NAMES = {
  ["T1059"]     = "Command and Scripting Interpreter",
  ["T1059.001"] = "PowerShell",
  ["T1059.002"] = "AppleScript",
  ["T1059.003"] = "Windows Command Shell",
  ["T1059.004"] = "Unix Shell",
  ["T1059.005"] = "Visual Basic",
  ["T1059.006"] = "Python",
  ["T1059.007"] = "JavaScript",
  ["T1059.008"] = "Network Device CLI",
  ["T1059.009"] = "Cloud API",
  ["T1059.010"] = "AutoHotKey & AutoIT",
  ["T1059.011"] = "Lua",
  ["T1059.012"] = "Hypervisor CLI",
  ["T1059.013"] = "Container CLI/API",
}

-- Retired id → what stands in its place.  T1064 (Scripting) was deprecated, and ATT&CK points to T1059.
local SUCCESSORS = {
  T1064 = "T1059",     T1086 = "T1059.001", T1155 = "T1059.002",
  T1028 = "T1021.006", T1035 = "T1569.002", T1050 = "T1543.003",
  T1060 = "T1547.001", T1076 = "T1021.001", T1077 = "T1021.002", T1085 = "T1218.011",
  T1088 = "T1548.002", T1117 = "T1218.010", T1118 = "T1218.004", T1121 = "T1218.009",
  T1154 = "T1546.005", T1156 = "T1546.004", T1170 = "T1218.005", T1183 = "T1546.012",
  T1191 = "T1218.003", T1196 = "T1218.002", T1223 = "T1218.001",
}

-- What an interpreter is: base name without extension or version → sub-technique.  `false`: a system binary
-- that runs what it is given, but whose use is another technique.
local INTERPRETERS = {
  powershell = "T1059.001", pwsh = "T1059.001", powershell_ise = "T1059.001",
  osascript = "T1059.002",
  cmd = "T1059.003", command = "T1059.003",
  sh = "T1059.004", bash = "T1059.004", dash = "T1059.004", zsh = "T1059.004", ksh = "T1059.004",
  ash = "T1059.004",
  csh = "T1059.004", tcsh = "T1059.004", fish = "T1059.004", busybox = "T1059.004",
  wscript = "T1059.005", cscript = "T1059.005",
  python = "T1059.006", pythonw = "T1059.006", py = "T1059.006", pyw = "T1059.006", pypy = "T1059.006",
  node = "T1059.007", nodejs = "T1059.007", deno = "T1059.007", bun = "T1059.007",
  autohotkey = "T1059.010", autohotkeyu = "T1059.010", autoit = "T1059.010",
  lua = "T1059.011", luajit = "T1059.011",
  perl = "T1059", ruby = "T1059", php = "T1059",
  mshta = false, rundll32 = false, regsvr32 = false,
}

-- A word of an alert's title → sub-technique, the most telling first.
local TITLE_WORDS = {
  { "powershell", "T1059.001" }, { "applescript", "T1059.002" }, { "osascript", "T1059.002" },
  { "vbscript", "T1059.005" }, { "visual basic script", "T1059.005" }, { "wscript", "T1059.005" },
  { "cscript", "T1059.005" }, { "jscript", "T1059.007" }, { "javascript", "T1059.007" },
  { "windows command shell", "T1059.003" }, { "cmd.exe", "T1059.003" }, { "unix shell", "T1059.004" },
  { "reverse shell", "T1059.004" }, { "python", "T1059.006" }, { "autohotkey", "T1059.010" },
  { "autoit", "T1059.010" }, { "scripting interpreter", "T1059" },
}

---The ATT&CK id within a text ("V9.T1059.003", "T1059.001 - Command and Scripting Interpreter: PowerShell"),
---with a retired one replaced by its successor.
---@param text any
---@return string? id      nil when there is none
---@return string? retired  the id as the text has it, if it is retired
function attack.id(text)
  if type(text) ~= "string" then return nil end
  local id = text:match("%f[%w]T%d%d%d%d%.%d%d%d%f[%D]") or text:match("%f[%w]T%d%d%d%d%f[^%w]")
  if id == nil then return nil end
  local now = SUCCESSORS[id]
  if now then return now, id end
  return id
end

---The name of a technique that is known here.
---@param id string
---@return string?
function attack.name(id) return NAMES[id] end

---The id that stands in the place of a retired one.
---@param id string
---@return string?          nil when it is not retired, or not known here
function attack.successor(id) return SUCCESSORS[id] end

---True for `family` itself and for its sub-techniques.
local function within(id, family) return id == family or id:sub(1, #family + 1) == family .. "." end

---Of several ids that a document states, the one that the alert is about: an interpreter's before all others
---(it is what can be acted on), a sub-technique before a technique, then the one named first.
---@param ids string[]
---@return string?
function attack.pick(ids)
  local best, rank
  for _, id in ipairs(ids) do
    local r = (within(id, "T1059") and 2 or 0) + (id:find(".", 1, true) and 1 or 0)
    if rank == nil or r > rank then best, rank = id, r end
  end
  return best
end

---Base name of an image without ".exe", version digits and a login shell's dash: "Python3.11" → "python".
local function stem(image)
  local base = image:match("[^/\\]*$"):lower():gsub("^%-", ""):gsub("%.exe$", "")
  if INTERPRETERS[base] ~= nil then return base end
  return (base:gsub("[%d%.]+$", ""))
end

---Whether an image is an interpreter, or a system binary that runs what it is given (mshta, rundll32,
---regsvr32).
---@param image string a path or a name
---@return string? stem "powershell", "python" …; nil: it is not
function attack.interpreter(image)
  local s = stem(image)
  if INTERPRETERS[s] ~= nil then return s end
  return nil
end

---The sub-technique of an interpreter that was started; what it was given decides where one interpreter has
---several.
---@param image string
---@param given string? the script's path or text
---@return string? id
function attack.execution(image, given)
  local s = attack.interpreter(image)
  if s == nil then return nil end
  local low = given and given:lower() or ""
  local javascript = low:find("^%s*javascript:") or low:find("%.jse?$")
  if s == "wscript" or s == "cscript" then return javascript and "T1059.007" or "T1059.005" end
  if s == "mshta" and (javascript or low:find("^%s*vbscript:")) then
    return javascript and "T1059.007" or "T1059.005"
  end
  if s == "rundll32" and javascript then return "T1059.007" end
  return INTERPRETERS[s] or nil
end

-- What else is read off a command line: not interpreters, but close enough to them to be told apart by name.
local OTHERS = {
  { "reg", "userinitmprlogonscript", "T1037.001", "Logon Script (Windows)", "persistence" },
  { "wmic", "/format:", "T1220", "XSL Script Processing", "defense-evasion" },
}

---A technique, other than an interpreter's, that an image and its command line show.
---@param image string
---@param cmd_line string
---@return string? id
---@return string? name
---@return string? tactic
function attack.observed(image, cmd_line)
  local s, low = stem(image), cmd_line:lower()
  for _, o in ipairs(OTHERS) do
    if s == o[1] and low:find(o[2], 1, true) then return o[3], o[4], o[5] end
  end
  return nil
end

---The sub-technique that an alert's title speaks of.
---@param title string
---@return string? id
function attack.from_title(title)
  local low = title:lower()
  for _, w in ipairs(TITLE_WORDS) do
    if low:find(w[1], 1, true) then return w[2] end
  end
  for id, name in pairs(NAMES) do
    if low == name:lower() then return id end
  end
  return nil
end

---The tactic of a technique that is known here: "execution" for all of T1059.
---@param id string
---@return string?
function attack.tactic(id) return NAMES[id] and "execution" or nil end

---Whether an alert is about a technique or one of its sub-techniques.
---@param alert table    a normalised alert
---@param id string      "T1059", or a retired id
---@param opts? { basis?: "stated" }  "stated": only where the document itself names the id
---@return boolean
function attack.under(alert, id, opts)
  local family = attack.id(id)
  if family == nil then error("attack.under: an ATT&CK id such as \"T1059\", got " .. tostring(id), 2) end
  local t = type(alert) == "table" and alert.technique
  if type(t) ~= "table" then return false end
  if opts and opts.basis == "stated" and t.basis ~= "stated" then return false end
  if t.id and within(t.id, family) then return true end
  for _, other in ipairs(t.also or {}) do
    if within(other, family) then return true end
  end
  return false
end

---A function for a playbook's `on`: `on = attack.is "T1059"`.
---@param id string
---@param opts? { basis?: "stated" }
---@return fun(alert: table): boolean
function attack.is(id, opts)
  if attack.id(id) == nil then error("attack.is: an ATT&CK id such as \"T1059\", got " .. tostring(id), 2) end
  return function(alert) return attack.under(alert, id, opts) end
end

return attack
