-- command.lua: what an interpreter was given.  A command line is read as its interpreter would: a script on
-- disk, a command written out or encoded, a library (rundll32, regsvr32), a program that a shell was only a
-- vehicle for. What was encoded is decoded, so that a person and a sandbox see what ran.  Nothing is run, and
-- nothing raises.
--
-- Recorded command lines have lost their quoting (sensors join the arguments with blanks), so this is
-- reading, not parsing: what is unclear stays the text that it is.

local attack = require "attack"
local crypto = require "crypto"
local json   = require "json"
local text   = require "text"

local command = {}

local MAX_LINE  = 256 * 1024                               -- longer ones are not looked into
local MAX_WORDS = 128
local MAX_DEPTH = 4                                        -- cmd /c powershell -c cmd /c …

local SCRIPT_TYPES = {}
for ext in ([[
  ps1 psm1 bat cmd vbs vbe js jse wsf wsh hta sct py pyw sh bash pl rb lua php scpt osa applescript ahk au3
]]):gmatch("%S+") do
  SCRIPT_TYPES[ext] = true
end

local function trim(s) return s:match("^%s*(.-)%s*$") end

---Whether a path's extension is that of a script.
local function is_script(path)
  local ext = path:match("%.(%w+)$")
  return ext ~= nil and SCRIPT_TYPES[ext:lower()] == true
end

---The words of a line with where each begins and ends; double quotes hold a word together.
---@return table[] { text, first, last }
local function words(line)
  local out, at = {}, 1
  while #out < MAX_WORDS do
    local first = line:find("%S", at)
    if first == nil then break end
    local last, quoted = first, false
    while last <= #line do
      local c = line:byte(last)
      if c == 34 then quoted = not quoted end
      if not quoted and (c == 32 or c == 9 or c == 10 or c == 13) then break end
      last = line:find(quoted and '"' or '[%s"]', last + 1) or #line + 1
    end
    out[#out + 1] = { text = line:sub(first, last - 1):gsub('"', ""), first = first, last = last - 1 }
    at = last
  end
  return out
end

---Takes off one pair of quotes that goes around all of it.
local function unquote(s)
  s = trim(s)
  local q = s:sub(1, 1)
  if #s >= 2 and (q == '"' or q == "'") and s:sub(-1) == q then return s:sub(2, -2) end
  return s
end

---The image at the front of a line, and what is behind it.
local function split_image(line)
  line = line:match("^%s*(.*)$")
  if line:sub(1, 1) == '"' then
    local close = line:find('"', 2, true) or #line + 1
    return line:sub(2, close - 1), line:sub(close + 1)
  end
  local stop = line:find("[%s]") or #line + 1
  -- An unquoted C:\Program Files\x\y.exe.
  if line:find("^%a:\\") and not line:sub(1, stop - 1):find("%.%w+\"?$") then
    local _, exe = line:lower():find("%.exe%f[^%w]")
    if exe then stop = exe + 1 end
  end
  return (line:sub(1, stop - 1):gsub('"', "")), line:sub(stop)
end

---Bytes of base64, or nil when it is damaged.
local function unbase64(s)
  s = s:gsub("%s", "")
  if #s < 4 or s:find("[^%w+/=]") then return nil end
  s = s:gsub("=+$", "")
  if #s % 4 == 1 then return nil end
  local ok, bytes = pcall(crypto.unbase64, s .. ("="):rep(-#s % 4))
  return ok and bytes or nil
end

local function readable(s)
  if s == "" or s:find("[\0-\8\14-\31]") then return nil end
  return pcall(json.encode, s) and s or nil                -- which refuses what is not UTF-8
end

---What was encoded: UTF-16LE as PowerShell has it, or plain text as others write it.
local function decode(base64)
  local bytes = unbase64(base64)
  if bytes == nil then return nil end
  local _, zeros = bytes:gsub(".\0", "")
  if #bytes % 2 == 0 and zeros * 4 >= #bytes then
    local ok, out = pcall(text.utf16, bytes)
    return ok and readable(out) or nil
  end
  return readable(bytes)
end

local read                                                 -- a whole line; below

---A command that a shell was given: another interpreter's line, a script, a program, or just the text.
local function inner(line, depth)
  line = unquote(line)
  local image, rest = split_image(line)
  if depth < MAX_DEPTH and attack.interpreter(image) then
    local got = read(line, depth + 1)
    if got.script or got.text or got.library then return got end
  end
  if is_script(image) then return { script = image, text = nil } end
  if image:find("[/\\]") and not line:find("[|&;<>`]") then return { program = image, text = line } end
  return { text = line, args = rest }
end

-- PowerShell's own parameters that take a value, by the shortest spelling that it accepts.
local POWERSHELL_VALUES = {
  { "executionpolicy", 2 }, { "ep", 2 }, { "windowstyle", 1 }, { "inputformat", 2 }, { "if", 2 },
  { "outputformat", 1 },
  { "of", 2 }, { "psconsolefile", 2 }, { "version", 1 }, { "configurationname", 6 },
  { "configurationfile", 14 },
  { "encodedarguments", 8 }, { "ea", 2 }, { "workingdirectory", 2 }, { "wd", 2 }, { "settingsfile", 2 },
  { "custompipename", 2 },
}

local function begins(name, short, least) return #short >= least and name:sub(1, #short) == short end

local function takes_value(short)
  for _, p in ipairs(POWERSHELL_VALUES) do
    if begins(p[1], short, p[2]) then return true end
  end
  return false
end

---A PowerShell command: the script that it only starts, or its text.
local function powershell_text(s, depth)
  s = unquote(s)
  local call = s:match("^[&.]%s+(.*)$") or s:match("^&(.*)$") or s           -- `& x` and `. x` start x
  local path = call:match("^'([^']+)'") or call:match('^"([^"]+)"') or call:match("^([^%s'\"|;]+)")
  if path and is_script(path) then return { script = path } end
  if path and attack.interpreter(path) then return inner(s, depth) end
  return { text = s }
end

local function powershell(rest, depth)
  local list, i = words(rest), 1
  while list[i] do
    local w = list[i].text
    local short = w:lower():match("^[-/](%a+)$") or w:lower():match("^\226\128[\147\148](%a+)$")
    if short == nil then
      return powershell_text(rest:sub(list[i].first), depth)
    elseif begins("encodedcommand", short, 1) or short == "ec" then
      return { text = list[i + 1] and decode(list[i + 1].text), encoded = true }
    elseif begins("command", short, 1) then
      return list[i + 1] and powershell_text(rest:sub(list[i + 1].first), depth) or {}
    elseif begins("file", short, 1) then
      return { script = list[i + 1] and list[i + 1].text }
    end
    i = i + (takes_value(short) and 2 or 1)
  end
  return {}
end

---cmd: everything behind /c, /k or /r, which may stick to it.
local function cmd(rest, depth)
  for _, w in ipairs(words(rest)) do
    local switch = w.text:match("^/(%a)")
    if switch == nil then return {} end
    if switch:lower():find("[ckr]") then
      local body = rest:sub(w.first + 2)
      return trim(body) ~= "" and inner(body, depth) or {}
    end
  end
  return {}
end

---A shell text that only decodes another one and runs it: `echo … | base64 -d | bash`.
local function shell_text(s)
  for _, pattern in ipairs {
    "{echo,([%w+/=]+)}|{base64,%-[dD]", "echo%s+%-?n?%s*['\"]?([%w+/=]+)['\"]?%s*|%s*base64%s+%-+[dD]",
    "base64%s+%-+[dD]%a*%s*<<<%s*['\"]?([%w+/=]+)",
  } do
    local base64 = s:match(pattern)
    local out = base64 and decode(base64)
    if out then return out end
  end
  return nil
end

local function shell(rest, depth)
  local list = words(rest)
  for i, w in ipairs(list) do
    if w.text:find("^%-%a*c$") then
      if list[i + 1] == nil then return {} end
      local body = rest:sub(list[i + 1].first)
      local out = shell_text(body)
      if out then return { text = out, encoded = true } end
      return inner(body, depth)
    elseif not w.text:find("^[-+]") then
      local before = list[i - 1] and list[i - 1].text or ""
      if not before:find("^[-+]o$") and before ~= "--rcfile" and before ~= "--init-file" then
        return { script = w.text }
      end
    end
  end
  return {}
end

local function windows_script_host(rest)
  for _, w in ipairs(words(rest)) do
    if not w.text:find("^//?%a") then return { script = w.text } end
  end
  return {}
end

local function mshta(rest)
  local what = trim(rest)
  local low = what:lower():gsub('^"', "")
  if low:find("^vbscript:") or low:find("^javascript:") or low:find("^https?:") then
    return { text = unquote(what) }
  end
  local first = words(rest)[1]
  return { script = first and first.text }
end

local function rundll32(rest)
  local what = trim(rest)
  if what:lower():find('^"?javascript:') then return { text = unquote(what) } end
  local first = words(rest)[1]
  return { library = first and first.text:match("^([^,]+)") }
end

local function regsvr32(rest)
  local library
  for _, w in ipairs(words(rest)) do
    if w.text:lower():find("^[-/]i:.*://") then return { text = trim(rest) } end
    if not w.text:find("^[-/]") then library = library or w.text end
  end
  return { library = library }
end

---A Python one-liner that only decodes another one and executes it.
local function python_text(s)
  s = unquote(s)
  local base64 = s:match("exec%s*%(.-b64decode%s*%(%s*b?['\"]([%w+/=]+)['\"]")
  local out = base64 and decode(base64)
  if out then return { text = out, encoded = true } end
  return { text = s }
end

local function python(rest)
  local list, i = words(rest), 1
  while list[i] do
    local w = list[i].text
    if w == "-c" then return list[i + 1] and python_text(rest:sub(list[i + 1].first)) or {} end
    if w == "-m" then return { text = trim(rest:sub(list[i].first)) } end
    if not w:find("^%-") then return { script = w } end
    i = i + ((w == "-W" or w == "-X") and 2 or 1)
  end
  return {}
end

---Interpreters whose text follows a switch, and whose script is the first word that is none.
local function plain(...)
  local switches = {}
  for _, s in ipairs { ... } do switches[s] = true end
  return function(rest)
    local list = words(rest)
    for i, w in ipairs(list) do
      if switches[w.text] and list[i + 1] then return { text = unquote(rest:sub(list[i + 1].first)) } end
      if not w.text:find("^%-") and not w.text:find("^/%w+$") then return { script = w.text } end
    end
    return {}
  end
end

local HANDLERS = {
  powershell = powershell, pwsh = powershell, cmd = cmd, command = cmd,
  wscript = windows_script_host, cscript = windows_script_host, mshta = mshta, rundll32 = rundll32,
  regsvr32 = regsvr32,
  python = python, pythonw = python, py = python, pyw = python, pypy = python,
  osascript = plain("-e"), node = plain("-e", "--eval", "-p"), nodejs = plain("-e", "--eval", "-p"),
  lua = plain("-e"), luajit = plain("-e"), perl = plain("-e", "-E"), ruby = plain("-e"), php = plain("-r"),
}
for name in ("sh bash dash zsh ksh ash csh tcsh fish"):gmatch("%S+") do HANDLERS[name] = shell end

function read(line, depth)
  local image, rest = split_image(line)
  local family = attack.interpreter(image)
  local handler = family and (HANDLERS[family] or plain())
  return handler and handler(rest, depth) or {}
end

---The image at the front of a command line, as written there.
---@return string?
function command.image(cmd_line)
  if type(cmd_line) ~= "string" then return nil end
  local image = split_image(cmd_line)
  return image ~= "" and image or nil
end

---Reads what an interpreter was given.
---@param cmd_line string
---@param image string? the interpreter, where the line does not name one
---@return table { script?: a path as written, text?: what was to run, encoded?: it had to be decoded (without
---text: it
---could not be), library?: a path as written, program?: a path as written }; empty: it was given nothing, or
---cannot be read
function command.read(cmd_line, image)
  if type(cmd_line) ~= "string" or #cmd_line > MAX_LINE then return {} end
  local first = split_image(cmd_line)
  if not attack.interpreter(first) and image and attack.interpreter(image) then
    cmd_line = '"' .. image .. '" ' .. cmd_line
  end
  return read(cmd_line, 1)
end

return command
