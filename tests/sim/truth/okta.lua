-- What is so at this vendor, as the ledger would spell it: the log gives way to it.  (state, world)
local state = ...
local rows, seen = {}, {}
for _, done in ipairs(state.log) do
  local key = done.group and done.user .. "/" .. done.group
  if key and not seen[key] then
    seen[key] = true
    local is = state.members[done.group][done.user] and "member" or "absent"
    rows[#rows + 1] = { "okta:user:" .. done.user, "group:" .. done.group, is }
  end
end
for i = #state.log, 1, -1 do state.log[i] = nil end
for i, r in ipairs(rows) do state.log[i] = { entity = r[1], facet = r[2], state = r[3] } end
