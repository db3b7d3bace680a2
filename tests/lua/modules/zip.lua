-- zip.lua: packing, and reading what others have packed, bombs and damage among it.
local zip = require "zip"

local function fails(code, f, ...)
  local ok, err = pcall(f, ...)
  assert(not ok, "it went well")
  assert(err.code == code, tostring(err))
  return err.message
end

local entries = { ["b/c.xml"] = "<c/>", ["a.txt"] = ("line\n"):rep(1000), ["empty"] = "", ["é.txt"] = "\0\255" }
local archive = zip.pack(entries)
assert(archive == zip.pack(entries), "the same entries make the same bytes")
local list = zip.list(archive)
assert(#list == 4 and list[1].name == "a.txt" and list[2].name == "b/c.xml" and list[4].name == "é.txt")
assert(list[1].bytes == 5000 and list[1].packed < 5000)
for name, data in pairs(entries) do assert(zip.read(archive, name) == data) end
assert(fails("not_found", zip.read, archive, "A.txt"):find "A.txt")
fails("bad_argument", zip.read, archive, "a.txt\0x")

for _, name in ipairs { "../x", "a/../x", "..", ".", "", "/x", "a//b", "a/", "a\\b", "c:x", "a\nb", "\xff", ("x"):rep(1025) } do
  fails("bad_argument", zip.pack, { [name] = "x" })
end
fails("bad_argument", zip.pack, { "by position" })

-- damage: cut anywhere, or one bit changed, it is an error or the same, never a wrong answer
for n = 0, #archive - 1, 7 do
  local ok, got = pcall(zip.read, archive:sub(1, n), "a.txt")
  assert(not ok and got.code == "bad_argument", n .. " " .. tostring(got))
end
for i = 1, #archive, 3 do
  local changed = archive:sub(1, i - 1) .. string.char(archive:byte(i) ~ 1) .. archive:sub(i + 1)
  local ok, got = pcall(zip.read, changed, "a.txt")
  assert(not ok or got == entries["a.txt"], i)
end
fails("bad_argument", zip.list, "")
fails("bad_argument", zip.list, ("PK\3\4"):rep(100))

-- bombs: one entry that grows a thousand times, and one that is simply too large
local bomb = zip.pack { zeros = ("\0"):rep(8 << 20) }
assert(#bomb < 20000 and fails("too_big", zip.read, bomb, "zeros"):find "bomb")
assert(zip.list(bomb)[1].bytes == 8 << 20)
local large = zip.pack { large = ("\0"):rep((16 << 20) + 1) }
assert(fails("too_big", zip.read, large, "large"):find "16777217 bytes")
assert(#zip.read(zip.pack { zeros = ("\0"):rep(1 << 20) }, "zeros") == 1 << 20) -- small enough not to matter
-- an entry that says it is smaller than it is
local lying = zip.pack { a = ("x"):rep(1000) }
local size = string.pack("<I4", 1000)
lying = lying:gsub(size, (string.pack("<I4", 10):gsub("%%", "%%%%")))
assert(not pcall(zip.read, lying, "a"))
