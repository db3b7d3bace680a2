-- attack_test.lua: ids, their successors, and whether an alert is about a technique.

package.path = "tests/lua/alert/?.lua;" .. package.path
local shim = require "shim"
local test = shim.test
local attack = require "attack"

local function about(id, basis, also) return { technique = { id = id, basis = basis or "stated",
                                                             also = also } } end

test("attack: a technique and its sub-techniques, and no namesake", function()
  assert(attack.under(about "T1059", "T1059") and attack.under(about "T1059.001", "T1059"))
  assert(not attack.under(about "T1059", "T1059.001") and not attack.under(about "T1218.005", "T1059"))
  assert(not attack.under(about "T10591", "T1059"))
  assert(not attack.under({}, "T1059") and not attack.under({ technique = {} }, "T1059"))
end)

test("attack: whatever the basis, unless asked to be strict", function()
  local observed = about("T1059.003", "observed")
  assert(attack.under(observed, "T1059") and not attack.under(observed, "T1059", { basis = "stated" }))
  assert(attack.is("T1059")(observed) and not attack.is("T1059", { basis = "stated" })(observed))
end)

test("attack: what a document states besides counts", function()
  local a = about("T1059.003", "stated", { "T1003.001" })
  assert(attack.under(a, "T1003") and not attack.under(a, "T1212"))
end)

test("attack: ids within texts, retired ones with their successors", function()
  local id, retired = attack.id "T1086"
  assert(id == "T1059.001" and retired == "T1086")
  assert(attack.id "V9.T1059.003" == "T1059.003" and attack.id "MITREV9.T1569.002" == "T1569.002")
  assert(attack.id "T1059.001 - Command and Scripting Interpreter: PowerShell" == "T1059.001")
  assert(attack.id "CST0004" == nil and attack.id "T105" == nil and attack.id(7) == nil
         and attack.id "N/A" == nil)
  assert(attack.successor "T1064" == "T1059" and attack.successor "T1059" == nil)
  assert(attack.under(about "T1059.001", "T1086"))
  assert(attack.name "T1059.011" == "Lua")
end)

test("attack: an interpreter's technique is picked before others, the narrower before the wider", function()
  assert(attack.pick { "T1003.001", "T1059", "T1059.003" } == "T1059.003")
  assert(attack.pick { "T1112", "T1548.002" } == "T1548.002")
  assert(attack.pick {} == nil)
end)

test("attack: misuse blames the caller", function()
  local ok, why = pcall(attack.is, "PowerShell")
  assert(not ok and why:find("an ATT&CK id", 1, true))
end)

test("attack: interpreters by their many names", function()
  for image, stem in pairs {
    ["C:\\Windows\\System32\\cmd.exe"] = "cmd", ["/usr/bin/python3.11"] = "python", ["-bash"] = "bash",
    ["lua5.4"] = "lua",
    ["POWERSHELL.EXE"] = "powershell", ["AutoIt3.exe"] = "autoit", ["regsvr32.exe"] = "regsvr32",
  } do
    assert(attack.interpreter(image) == stem, image)
  end
  assert(attack.interpreter "conhost.exe" == nil and attack.interpreter "shell32.dll" == nil)
  assert(attack.execution("wscript.exe", "x.js") == "T1059.007"
         and attack.execution("wscript.exe", "x.vbs") == "T1059.005")
  assert(attack.execution("rundll32.exe", "x.dll") == nil and attack.execution("mshta.exe", "x.hta") == nil)
end)

shim.done()
