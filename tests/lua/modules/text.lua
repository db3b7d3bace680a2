-- text.lua: UTF-16 and defanging.
local text, crypto = require "text", require "crypto"

local function utf16(hex) return text.utf16(crypto.unhex(hex)) end
assert(utf16 "" == "" and utf16 "6100" == "a")
assert(utf16 "fffe6100" == "a" and utf16 "feff0061" == "a", "a mark decides, and goes")
assert(utf16 "3dd800de" == "\u{1F600}" and utf16 "feffd83dde00" == "\u{1F600}", "a surrogate pair is one character")
assert(utf16 "3dd8" == "\u{FFFD}" and utf16 "00de6100" == "\u{FFFD}a" and utf16 "3dd86100" == "\u{FFFD}a")
assert(utf16 "ff7f0008ffff" == "\u{7FFF}\u{800}\u{FFFF}" and utf16 "0000" == "\0")
local encoded = "SQBFAFgAIAAoAEcAZQB0AC0ARABhAHQAZQApAA=="
assert(text.utf16(crypto.unbase64(encoded)) == "IEX (Get-Date)")
local ok, err = pcall(text.utf16, "abc")
assert(not ok and err.code == "bad_argument" and err.message:find "3")

for from, to in pairs {
  ["http://evil.example"] = "hxxp://evil[.]example",
  ["HTTPS://Evil.Example:8443/a.b/c.exe?q=x.y"] = "hxxps://Evil[.]Example:8443/a.b/c.exe?q=x.y",
  ["ftp://10.0.0.7/x"] = "fxp://10[.]0[.]0[.]7/x",
  ["<a href='http://a.b.cd'>"] = "<a href='hxxp://a[.]b[.]cd'>",
  ["from 192.168.1.250, to evil.example."] = "from 192[.]168[.]1[.]250, to evil[.]example.",
  ["mail bob.smith@evil.example now"] = "mail bob[.]smith[@]evil[.]example now",
  ["bob@evil.example"] = "bob[@]evil[.]example",
  ["no link, e.g. 1.5 or v1.2.3"] = "no link, e.g. 1.5 or v1.2.3",
  ["C:\\Users\\bob\\run.exe"] = "C:\\Users\\bob\\run.exe",
  ["/usr/bin/x.py and bücher.example"] = "/usr/bin/x.py and bücher[.]example",
  [""] = "", ["..."] = "...", ["@"] = "@", ["http://"] = "hxxp://",
} do
  local got = text.defang(from)
  assert(got == to, from .. " -> " .. got)
  assert(text.defang(got) == got, "a second time changes nothing: " .. got)
end
