-- Written by docs/reference.lua (make reference): for editors; no run loads it.
---@meta time

---Points in time, as seconds since 1970 in UTC and as RFC 3339.
---@class time
local time = {}

---Seconds since 1970: an integer, unless the text has a fraction (kept to the millisecond).
---```lua
---assert(time.parse("2026-11-24T12:00:00+02:00") == time.parse("2026-11-24T10:00:00Z"))
---```
---@param text string  RFC 3339, with any offset
---@return number      or raises `bad_argument`
function time.parse(text) end

---The time as RFC 3339, to the millisecond where there is a fraction.
---```lua
---assert(time.format(0) == "1970-01-01T00:00:00Z")
---assert(time.format(0, { zone = "-03:30" }) == "1969-12-31T20:30:00-03:30")
---```
---@param seconds number
---@param options? { zone?: string }  `zone`: "UTC" or a fixed offset such as "+02:00"
---@return string
function time.format(seconds, options) end

return time
