-- Written by docs/reference.lua (make reference): for editors; no run loads it.
---@meta file

---Files below the folders that the configuration lists in `files`; symbolic links there are never followed.
---@class file
local file = {}

---@class file.Info
---@field path string
---@field bytes integer
---@field sha256 string
---@field sha1 string
---@field md5 string
---@field unchanged? boolean  it was so already

---Writes a file, whole or not at all. It never writes over another content, unless `new = false` says so.
---Taking it back removes the file if it is unchanged.
---```lua
---local f = file.write { path = ROOT .. "/passwords.txt", data = "changeme" }
---assert(f.bytes == 8 and file.read { path = f.path } == "changeme")
---```
---@async
---@param args { path: string, data: string|blob, new?: boolean }  `path`: absolute, in a folder that is there; `data`: at most 16 MiB
---@return file.Info  or raises `conflict`, `refused`, `not_found` (the folder)
function file.write(args) end

---The content of a file of at most 16 MiB.
---```lua
---file.write { path = ROOT .. "/a.txt", data = "hello" }
---assert(file.read { path = ROOT .. "/a.txt" } == "hello")
---```
---@async
---@param args { path: string }
---@return string     or raises `not_found`, `refused`, `too_big`
function file.read(args) end

---Size and hashes of a file of at most 16 MiB.
---```lua
---local f = file.write { path = ROOT .. "/b.txt", data = "hello" }
---assert(file.hash { path = f.path }.sha1 == f.sha1)
---```
---@async
---@param args { path: string }
---@return file.Info  or raises `not_found`, `refused`, `too_big`
function file.hash(args) end

---Removes a file: with `sha256` only if its content has that hash, else only what was there when it was looked at.
---```lua
---local f = file.write { path = ROOT .. "/c.txt", data = "hello" }
---file.remove { path = f.path, sha256 = f.sha256 }
---assert(not pcall(file.read, { path = f.path }))
---```
---@async
---@param args { path: string, sha256?: string }
---@return { path: string, sha256?: string, unchanged?: boolean }  or raises `conflict`, `refused`
function file.remove(args) end

return file
