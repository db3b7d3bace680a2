-- Written by docs/reference.lua (make reference): for editors; no run loads it.
---@meta text

---Texts as they come in alerts, and as they may go into reports.
---@class text
local text = {}

---UTF-8 of UTF-16. A byte order mark decides, and goes; without one it is little-endian, as PowerShell's encoded commands are.
---Half a surrogate pair becomes U+FFFD.
---```lua
---assert(text.utf16("d\0i\0r\0") == "dir")
---```
---@param bytes string
---@return string  or raises `bad_argument` when the number of bytes is odd
function text.utf16(bytes) end

---The same text, in which no link, domain, IPv4 address or mail address is one any more.
---```lua
---assert(text.defang("see https://evil.example/x.ps1") == "see hxxps://evil[.]example/x.ps1")
---assert(text.defang("10.0.0.7, bob@evil.example") == "10[.]0[.]0[.]7, bob[@]evil[.]example")
---```
---@param s string
---@return string
function text.defang(s) end

return text
