---@meta xml

---XML, read into plain tables.  External entities are not followed; depth and size are bounded.
---@class xml
local xml = {}

---@class xml.Element
---@field name string                   with its prefix, as written
---@field attrs table<string, string>
---@field text string                   all text directly within it, without the blanks around it
---@field [integer] xml.Element         its children, in order

---The root element of a document.
---```lua
---local root = xml.decode('<list n="2"><item>one</item><item>two</item></list>')
---assert(root.name == "list" and root.attrs.n == "2" and root[2].text == "two")
---```
---@param text string
---@return xml.Element  or raises `bad_argument` with the line of the fault
function xml.decode(text) end

return xml
