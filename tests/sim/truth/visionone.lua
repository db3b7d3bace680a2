-- What is so at this vendor, as the ledger would spell it: the log gives way to it.  (state, world)
local state = ...
local rows = {}
for _, e in ipairs(state.endpoint_list) do
  if e.isolation == "on" then rows[#rows + 1] = { "visionone:host:" .. e.id:lower(), "isolation", "isolated" } end
end
for _, x in ipairs(state.suspicious) do
  rows[#rows + 1] = { "visionone:file:" .. x.value, "suspicious", x.scanAction }
end
for _, x in ipairs(state.excepted) do
  rows[#rows + 1] = { "visionone:file:" .. x.value, "exception", "excepted" }
end
for i = #state.log, 1, -1 do state.log[i] = nil end
for i, r in ipairs(rows) do state.log[i] = { entity = r[1], facet = r[2], state = r[3] } end
