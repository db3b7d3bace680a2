-- Written by docs/reference.lua (make reference): for editors; no run loads it.
---@meta json

---JSON that keeps its meaning: integers stay integers, empty arrays stay arrays, keys come sorted.
---@class json
---@field null lightuserdata  a null within an array, or one that is to be written; a member that is null is absent when read
local json = {}

---The value as JSON text, its keys sorted.
---```lua
---assert(json.encode({ b = 1, a = { true, "x" } }) == '{"a":[true,"x"],"b":1}')
---```
---@param value any    what cannot be written (a function, text that is not UTF-8) raises `bad_argument`
---@return string
function json.encode(value) end

---The value of a JSON text. A whole number that Lua's 64 bits do not hold (an unsigned id above 2^63 - 1) is a text of
---its digits, so that none is lost.
---```lua
---local v = json.decode('{"id":9007199254740993,"tags":[],"gone":null}')
---assert(v.id == 9007199254740993 and v.gone == nil and json.encode(v.tags) == "[]")
---assert(json.decode("18446744073709551615") == "18446744073709551615")
---```
---@param text string
---@param options? { null?: boolean }  `null = true` keeps members that are null, as `json.null`
---@return any         or raises `bad_argument` with the byte of the fault
function json.decode(text) end

---Marks a table as an array, so that it is one even when it is empty.
---```lua
---assert(json.encode({ ips = json.array() }) == '{"ips":[]}')
---```
---@param list? table
---@return table list  the same one, or a new one
function json.array(list) end

return json
