-- json_xml.lua: that the two modules give what the core reads and writes.
local json, xml = require "json", require "xml"

for _, n in ipairs { "9223372036854775807", "-9223372036854775808", "0", "-1" } do
  assert(math.type(json.decode(n)) == "integer" and json.encode(json.decode(n)) == n, n)
end
for _, n in ipairs { "9223372036854775808", "18446744073709551615", "-9223372036854775809",
                     "36893488147419103232", ("9"):rep(400) } do
  local got = json.decode('{"id":[' .. n .. ']}').id[1]
  assert(got == n, n)
  assert(json.decode(json.encode(got)) == n)
end
assert(math.type(json.decode "18446744073709551615.0") == "float" and math.type(json.decode "1e19") == "float")
assert(not pcall(json.decode, "1e400"))
assert(json.encode(json.decode '{"b":[],"a":{"n":9223372036854775807,"x":null}}') == '{"a":{"n":9223372036854775807},"b":[]}')
assert(json.decode("[null]")[1] == json.null and json.encode { json.null } == "[null]")
assert(json.encode(json.array { 1 }) == "[1]" and json.encode(json.array()) == "[]" and json.encode {} == "{}")
local same = {}
assert(json.array(same) == same)
local ok, err = pcall(json.decode, '{"a":}')
assert(not ok and err.code == "bad_argument")
ok, err = pcall(json.encode, { "\xff" })
assert(not ok and err.code == "bad_argument")

local root = xml.decode "<?xml version='1.0'?><r a='1'>t<x/><y>é &amp; &lt;</y></r>"
assert(root.name == "r" and root.attrs.a == "1" and root[2].name == "y" and root[2].text == "é & <")
for _, bad in ipairs { "", "<a>", "<a></b>", "<a/><b/>", '<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>' } do
  ok, err = pcall(xml.decode, bad)
  assert(not ok and err.code == "bad_argument", bad)
end
