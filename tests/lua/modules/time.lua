-- time.lua: times as texts and as seconds.
local time = require "time"

assert(time.parse "1970-01-01T00:00:00Z" == 0 and math.type(time.parse "2026-11-24T10:00:00Z") == "integer")
assert(time.parse "2026-11-24T10:00:00.250+01:00" == time.parse "2026-11-24T09:00:00Z" + 0.25)
assert(time.parse "1969-12-31T23:59:59Z" == -1)
for _, bad in ipairs { "", "2026-11-24", "2026-13-01T00:00:00Z", "2026-02-29T00:00:00Z", "2026-11-24T10:00:00", "x" } do
  local ok, err = pcall(time.parse, bad)
  assert(not ok and err.code == "bad_argument", bad)
end

assert(time.format(1.5) == "1970-01-01T00:00:01.500Z" and time.format(-1) == "1969-12-31T23:59:59Z")
assert(time.format(0, { zone = "+05:45" }) == "1970-01-01T05:45:00+05:45" and time.format(0, { zone = "z" }) == "1970-01-01T00:00:00Z")
assert(time.format(0.25, { zone = "-00:30" }) == "1969-12-31T23:30:00.250-00:30")
assert(time.parse(time.format(1234567890.5, { zone = "-11:00" })) == 1234567890.5)
assert(time.format(253402300799) == "9999-12-31T23:59:59Z" and not pcall(time.format, 253402300800))
assert(not pcall(time.format, 253402300799, { zone = "+01:00" }) and not pcall(time.format, 0, { zone = "+24:00" }))
assert(not pcall(time.format, "0") and not pcall(time.format, 0, { zon = "UTC" }))
