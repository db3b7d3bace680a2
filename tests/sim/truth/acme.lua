-- What is so at this vendor, as the ledger would spell it: the log gives way to it.  (state, world)
local state = ...
local rows = {}
for id, a in pairs(state.accounts) do
  if a.state ~= "active" then rows[#rows + 1] = { "acme:account:" .. id, "lock", a.state } end
  if a.content ~= "whole" then rows[#rows + 1] = { "acme:account:" .. id, "content", a.content } end
end
for i = #state.log, 1, -1 do state.log[i] = nil end
for i, r in ipairs(rows) do state.log[i] = { entity = r[1], facet = r[2], state = r[3] } end
