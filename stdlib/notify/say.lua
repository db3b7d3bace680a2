-- notify/say.lua: the words of a message to people: what waits, of what host and whose account, until when, and
-- what happens if nobody answers: nothing.  What a message is made of may be an attacker's (a title, a host's
-- name), so every text is one line, and what turns its direction round is taken out.  How it is put for a
-- service that reads markup is for that service's module.
--
--   say(notice) → { head, lines = { { "Host", "WS-042" }, … }, foot, link? }
--
-- A notice has `event`, and of these what is known: approval, by, comment, expires, host, link, more, next,
-- playbook, run, started_by, state, step, title, user, why (texts), and effects, a list of { entity, label?, op }.

local HEADS = {
  approval    = "Approval wanted: %s",
  decided     = "%s",
  doubt       = "Nobody knows whether it happened: %s",
  failed      = "A run failed: %s",
  frozen      = "Writes are frozen: %s",
  paused      = "A trigger waits: %s",
  quarantined = "A run is quarantined, for its process ended three times: %s",
}

local FEET = {
  approval    = "If nobody answers, nothing is done.",
  doubt       = "It is not done again. If nobody says whether it happened, the run waits.",
  failed      = "It does not go on by itself.",
  frozen      = "Runs that would write wait until somebody thaws.",
  paused      = "If nobody answers, nothing is started.",
  quarantined = "If nobody resumes it, it stays as it is.",
}

local STATES = { approved = "Approved", denied = "Denied", expired = "Nobody answered, so nothing is done",
                 lapsed = "Not needed any more" }

-- U+202A to U+202E, U+2066 to U+2069, U+200E, U+200F and U+061C; and what ends a line: U+2028, U+2029 and U+0085.
local TURNS = { "\226\128[\170-\174]", "\226\129[\166-\169]", "\226\128[\142\143]", "\216\156" }
local ENDS = { "\226\128[\168\169]", "\194\133" }

local function line(text)
  text = text:gsub("[%c]+", " ")
  for _, ending in ipairs(ENDS) do text = text:gsub(ending, " ") end
  for _, turn in ipairs(TURNS) do text = text:gsub(turn, "") end
  return text
end

local function what(effect)
  local of = effect.label and effect.label .. " (" .. effect.entity .. ")" or effect.entity
  return effect.op .. (of ~= "" and ": " .. of or "")
end

local function about(n)
  if n.event == "doubt" then return what(n.effects[1]) end
  return n.title or n.playbook or n.run or ""
end

return function(n)
  local lines = {}
  local function add(name, value) if value and value ~= "" then lines[#lines + 1] = { name, line(value) } end end
  local head = line(HEADS[n.event]:format(about(n)))
  if n.event == "decided" then head = line((STATES[n.state] or n.state) .. ": " .. about(n)) end
  add("Host", n.host)
  add("User", n.user)
  for _, effect in ipairs(n.effects) do add("Effect", what(effect)) end
  if n.more then add("Effect", "and " .. n.more .. " more") end
  add("Why", n.why)
  add("By", n.by)
  add("Comment", n.comment)
  add("Playbook", n.playbook)
  add("Run", n.run)
  add("Started by", n.started_by)
  if n.event ~= "decided" then add("Expires", n.expires) end
  add("Command", n.next)
  return { head = head, lines = lines, foot = FEET[n.event] or "", link = n.link }
end
