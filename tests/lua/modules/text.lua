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
  ["http://a.example/?to=http://b.example/x.y&z"] = "hxxp://a[.]example/?to=hxxp://b[.]example/x.y&z",
  ["http://http://b.example"] = "hxxp://hxxp://b[.]example",
  ["http://half[.]done.example"] = "hxxp://half[.]done[.]example",
  ["http://bank.example@evil.example/"] = "hxxp://bank[.]example[@]evil[.]example/",
  [""] = "", ["..."] = "...", ["@"] = "@", ["http://"] = "hxxp://",
} do
  local got = text.defang(from)
  assert(got == to, from .. " -> " .. got)
  assert(text.defang(got) == got, "a second time changes nothing: " .. got)
end

-- whatever is put together, nothing is left that could be clicked on
local parts = { "http://", "https:", "//", "a", ".", "com", "@", "-", "10.0.0.1", "é", "\0", " ", "/", "\\", "[.]", "FTP://", "<", "xn--" }
local seed = 7
local function chance(n)
  seed = (seed * 1103515245 + 12345) % 2147483648
  return seed // 65536 % n + 1
end
for _ = 1, 5000 do
  local t = {}
  for i = 1, chance(12) do t[i] = parts[chance(#parts)] end
  local from = table.concat(t)
  local got = text.defang(from):lower()
  assert(not got:find "https?://" and not got:find "ftp://", ("%q"):format(from))
end
