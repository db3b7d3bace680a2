-- hostile_values.lua: values that an attacker chose, as an alert may carry them, and alerts that are full of one.
--
--   hostile.values, hostile.names    by name, and the names in order
--   hostile.alert(value)             JSON: a normalised alert all of whose texts are the value
--   hostile.documents                genuine documents, each with words that are about to be followed by a value
--   hostile.document(d, value)       JSON: one of these
--   hostile.genuine(file)            a document as it is
local sys = dofile "tests/system/harness.lua"
local cjson = require "cjson"

local hostile = {}

hostile.values = {
  quotes     = [[x' or "a" eq "a" or (1 eq 1) or '1'='1]],
  fql        = [[x'+hostname:*'*'+platform_name:'Windows]],
  scim       = [[x" or profile.login sw "a]],
  odata      = [[x') or (agentGuid ne ']],
  parameters = [[x&action=launch&ip=0.0.0.0/0&truncation_limit=0#part?more=1;v=2]],
  crlf       = "x\r\nX-Injected: yes\r\n\r\nGET /injected HTTP/1.1\r\nHost: y\r\n\r\n",
  nul        = "x\0y\0",
  climb      = "../../../../v3.0/injected/x?y=z#w",
  climbed    = "..",
  here       = ".",
  encoded    = "..%2f..%2F%2e%2e%5c%0d%0aX-Injected:%20yes%00",
  backslash  = [[..\..\x\"\']],
  holes      = "{id} {host} {tag} ${jndi:ldap://x} %s %n %1$s $(id) `id`",
  star       = "*",
  comma      = "a,b;c|d&&e",
  wide       = "ＷＯＲＫＳＴＡＴＩＯＮ５＇ or １＝１",
  turned     = "invoice\u{202e}sbv.exe\u{2066}\u{200f}\u{feff}\u{200b}",
  beyond     = "\u{1f600}\u{10ffff}",
  markup     = "<script>alert(1)</script> [x](https://injected.example) ![y](https://injected.example/z.png) | `a` *b* _c_ ~d~",
  escape     = "\27[2J\27[31mred\27]0;title\7\27]8;;https://injected.example\27\\x\u{9b}31m\8\8\127",
  lines      = "x\n\n# Forged\n\n- state: forged\nverdict   benign\nstate     forged\r\u{2028}- forged",
  long       = ("A"):rep(1 << 20),
}
hostile.names = {}
for name in pairs(hostile.values) do hostile.names[#hostile.names + 1] = name end
table.sort(hostile.names)
if os.getenv "SANITIZED" then                             -- the same lines of C, many times slower: one in five
  for i = #hostile.names, 1, -1 do
    if i % 5 ~= 1 then table.remove(hostile.names, i) end
  end
end

---A genuine document.
function hostile.genuine(file) return sys.slurp(sys.root .. "/tests/fixtures/alerts/" .. file) end

-- A JSON text with every text in it replaced that `fn` says.
local function replaced(value, fn)
  if type(value) == "string" then return fn(value) end
  if type(value) ~= "table" then return value end
  local out = {}
  for k, v in pairs(value) do out[k] = replaced(v, fn) end
  return out
end

-- The genuine documents, with what they name made hostile: host, user, files, command lines and titles.
hostile.documents = {
  { "windows/nxlog_sysmon1_wscript_launcher_vbs.json", { "WORKSTATION5.theshire.local", "pgustavo", "launcher.vbs", "WScript.exe" } },
  { "microsoft/mde_alert_low_reputation_t1064.json", { "suspicious.dll", "Low" } },
  { "trend_vision_one/workbench_v3_mimikatz_t1059_003.json", { "mimikatz", "-enc" } },
  { "sigma/hit_node_credential_scanner.json", { "trufflehog", "node.exe" } },
  { "linux/loganalytics_syslog_sysmon_bash_c.json", { "bash", "tomcat" } },
}

---One of them, with the value behind each of its words.
function hostile.document(d, value)
  local file, words = table.unpack(d)
  return cjson.encode(replaced(cjson.decode(hostile.genuine(file)), function(text)
    for _, word in ipairs(words) do
      local at, last = text:lower():find(word:lower(), 1, true)
      if at then return text:sub(1, at - 1) .. word .. value .. text:sub(last + 1) end
    end
    return text
  end))
end

---A normalised alert that says all it can, all of it hostile, and what the rest of the response needs true.
function hostile.alert(value)
  return cjson.encode { alert = {
    id = value, source = "windows", format = "nxlog_flat", time = "2026-11-24T09:58:00Z", severity = "high", severity_raw = value,
    title = value, technique = { id = "T1059.005", name = value, tactic = value, basis = "observed" },
    device = { hostname = value, ip = { "10.20.5.15" }, agent_id = value, agents = { crowdstrike = value, visionone = value,
               trend_vision_one = value }, os = value, role = "workstation" },
    user = { name = value, email = value .. "@theshire.example", domain = value, kind = "person" },
    process = { name = value, cmd_line = value, pid = 2440, started = "2020-09-04T20:09:55.035Z", path = value, interpreter = true,
                script = { path = "C:\\Users\\" .. value, text = value }, parent = { name = value, cmd_line = value },
                child = { name = value, path = value, cmd_line = value } },
    files = { { path = value, sha256 = ("7b"):rep(32) } }, raw = { value = value } } }
end

return hostile
