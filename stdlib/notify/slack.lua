-- notify/slack.lua: a message for an incoming webhook of Slack (Block Kit).  Slack reads `<…>` as links and as
-- mentions (`<!channel>` calls everybody): its three characters are escaped, and `verbatim` keeps it from making
-- links of what only looks like one.  A section takes 3,000 characters.
local say = require "notify.say"

local SECTION = 2900                                       -- bytes, with room for what ends it
local ESCAPES = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;" }

local function escaped(text) return (text:gsub("[&<>]", ESCAPES)) end

-- Neither half a character nor half an escape is left at the end.
local function cut(text)
  if #text <= SECTION then return text end
  return (text:sub(1, SECTION):gsub("[\192-\255][\128-\191]*$", ""):gsub("&%a*$", "")) .. "…"
end

local function section(text)
  text = cut(text)
  return { type = "section", text = { type = "mrkdwn", text = text, verbatim = true } }
end

return function(notice)
  local m = say(notice)
  local blocks = { section("*" .. escaped(m.head) .. "*") }
  for _, l in ipairs(m.lines) do
    blocks[#blocks + 1] = section("*" .. l[1] .. "*: " .. escaped(l[2]))
  end
  if m.foot ~= "" then blocks[#blocks + 1] = section(escaped(m.foot)) end
  if m.link then
    blocks[#blocks + 1] = { type = "actions", elements = {
      { type = "button", text = { type = "plain_text", text = "Sign in and look" }, url = m.link } } }
  end
  return { text = escaped(m.head), unfurl_links = false, unfurl_media = false, blocks = blocks }
end
