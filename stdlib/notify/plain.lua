-- notify/plain.lua: a message as plain text, for services that take a body as it is.
local say = require "notify.say"

return function(notice)
  local m = say(notice)
  local out = { m.head }
  for _, l in ipairs(m.lines) do out[#out + 1] = l[1] .. ": " .. l[2] end
  if m.foot ~= "" then out[#out + 1] = m.foot end
  out[#out + 1] = m.link
  return table.concat(out, "\n") .. "\n"
end
