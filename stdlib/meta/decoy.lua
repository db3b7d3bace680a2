-- Written by docs/reference.lua (make reference): for editors; no run loads it.
---@meta decoy

---Files that look worth stealing and hold nothing.
---@class decoy
local decoy = {}

---Makes a decoy.
---```lua
---local d = decoy.make { format = "docx", token = uuid() }
---```
---@param args { format: "txt"|"csv"|"json"|"html"|"docx", token: string, content?: string, name?: string }
---`content`: what it is to say, instead of what is made up; `name`: its file name, without a folder
---@return { name: string, data: string, format: string, token: string }
function decoy.make(args) end

return decoy
