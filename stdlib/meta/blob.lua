-- Written by docs/reference.lua (make reference): for editors; no run loads it.
---@meta

---A handle to bytes that are kept with the run for a week, encrypted. A playbook passes it on; it never sees the bytes.
---@class blob
---@field name string
---@field bytes integer
---@field sha256 string
---@field sha1 string
---@field md5 string

---Keeps the bytes, and returns a handle to them, which operations that send or write files take.
---```lua
---local sample = blob("command.ps1", "Get-Date")
---assert(sample.bytes == 8 and sample.sha256 == crypto.hash("sha256", "Get-Date"))
---```
---@async
---@param name string  what a file of it would be called
---@param text string  at most 64 MiB
---@return blob
function blob(name, text) end
