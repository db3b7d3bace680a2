-- Written by docs/reference.lua (make reference): for editors; no run loads it.
---@meta zip

---Zip archives in memory: documents and samples. An archive is never unpacked as a whole.
---@class zip
local zip = {}

---An archive of these entries: the same bytes for the same entries.
---```lua
---local archive = zip.pack { ["word/document.xml"] = "<w/>", ["a.txt"] = "hello" }
---assert(zip.read(archive, "a.txt") == "hello")
---```
---@param entries table<string, string>  names are relative, with / between; `..` and the like raise `bad_argument`
---@return string
function zip.pack(entries) end

---What is in an archive, in its order. Names are told as they are: never use one as a path.
---```lua
---local list = zip.list(zip.pack { ["a.txt"] = "hello" })
---assert(#list == 1 and list[1].name == "a.txt" and list[1].bytes == 5)
---```
---@param data string
---@return { name: string, bytes: integer, packed: integer }[]  or raises `bad_argument` (no archive), `too_big`
function zip.list(data) end

---The bytes of one entry, of at most 16 MiB; what grows like a bomb raises `too_big`.
---```lua
---assert(zip.read(zip.pack { x = ("a"):rep(1000) }, "x") == ("a"):rep(1000))
---```
---@param data string
---@param name string
---@return string  or raises `not_found`, `bad_argument` (damaged, encrypted), `too_big`
function zip.read(data, name) end

return zip
