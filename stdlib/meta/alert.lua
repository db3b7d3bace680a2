-- Written by docs/reference.lua (make reference): for editors; no run loads it.
---@meta alert

---A vendor's document in, normalised alerts out.
---@class alert
local alert = {}

---What is in a decoded document: one alert, a page of an API, or a list of documents (a set), in order.
---@param document any
---@return table[] list   of `{ known = true, value = alert }`, the alert normalised, and, of what no adapter
---knows, `{ known = false, value = document, at?, why }`; an empty page gives none
function alert.sort(document) end

---Normalises a decoded document: one alert, a page of an API, or a list of documents (a set), in order.
---@param document table
---@return table[]? alerts   normalised; an empty page gives none.  nil when nothing in it is known
---@return string|string[]|nil why  with nil: why not; else the elements that no adapter knows, or nil when
---there are none
function alert.normalise(document) end

return alert
