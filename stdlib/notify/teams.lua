-- notify/teams.lua: a message for a workflow of Teams that posts what a webhook gets (an Adaptive Card).  A
-- TextBlock is read as Markdown, in which `[Approve](https://…)` is a link; the runs of a RichTextBlock are not,
-- so everything is told in these.
local say = require "notify.say"

local function rich(name, text)
  local inlines = {}
  if name then inlines[1] = { type = "TextRun", text = name .. ": ", weight = "Bolder" } end
  inlines[#inlines + 1] = { type = "TextRun", text = text, weight = name and "Default" or "Bolder" }
  return { type = "RichTextBlock", inlines = inlines }
end

return function(notice)
  local m = say(notice)
  local body = { rich(nil, m.head) }
  for _, l in ipairs(m.lines) do body[#body + 1] = rich(l[1], l[2]) end
  if m.foot ~= "" then body[#body + 1] = rich(nil, m.foot) end
  local card = { ["$schema"] = "http://adaptivecards.io/schemas/adaptive-card.json", type = "AdaptiveCard",
                 version = "1.4", body = body }
  if m.link then card.actions = { { type = "Action.OpenUrl", title = "Sign in and look", url = m.link } } end
  return { type = "message",
           attachments = { { contentType = "application/vnd.microsoft.card.adaptive", content = card } } }
end
