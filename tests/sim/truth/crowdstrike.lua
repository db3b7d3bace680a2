-- What is so at this vendor, as the ledger would spell it: the log gives way to it.  (state, world)
local state = ...
local rows = {}
for _, i in ipairs(state.iocs) do
  rows[#rows + 1] = { "crowdstrike:file:" .. i.value, "ioc", i.action }
end
for _, done in ipairs(state.log) do
  if done.op == "rm" then rows[#rows + 1] = { "crowdstrike:host:" .. done.host, "file:" .. done.path:lower(), "absent" } end
end
for i = #state.log, 1, -1 do state.log[i] = nil end
for i, r in ipairs(rows) do state.log[i] = { entity = r[1], facet = r[2], state = r[3] } end
