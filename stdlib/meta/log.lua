-- Written by docs/reference.lua (make reference): for editors; no run loads it.
---@meta log

---Remarks, kept with the run and shown in its report.
---@class log
local log = {}

---Notes something worth knowing.
---```lua
---log.info("the host answers", { host = "WS-042", after = 3 })
---```
---@param message string
---@param fields? table  what can be stored: texts, numbers, booleans, lists and tables of these
function log.info(message, fields) end

---Notes something that somebody should look at.
---```lua
---log.warn("the report is older than a week", { days = 9 })
---```
---@param message string
---@param fields? table
function log.warn(message, fields) end

---Notes something that went wrong, and was lived with.
---```lua
---log.error("the mail could not be sent", { to = "soc@acme.example" })
---```
---@param message string
---@param fields? table
function log.error(message, fields) end

return log
