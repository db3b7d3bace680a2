-- severity.lua: the vendors' scales, each to one of: informational low medium high critical unknown.

local severity = {}

local WORDS = {
  informational = "informational", information = "informational", info = "informational",
  debug = "informational",
  notice = "informational", verbose = "informational",
  low = "low", minor = "low",
  medium = "medium", moderate = "medium", warn = "medium", warning = "medium",
  high = "high", error = "high", err = "high", major = "high",
  critical = "critical", crit = "critical", fatal = "critical", emergency = "critical", emerg = "critical",
  alert = "critical",
}

---The word of a vendor's word.
---@return string
function severity.word(v) return type(v) == "string" and WORDS[v:lower()] or "unknown" end

---The last step whose threshold v reaches.
local function step(v, steps)
  local n, word = tonumber(v), "unknown"
  if n == nil then return word end
  for _, s in ipairs(steps) do
    if n >= s[1] then word = s[2] end
  end
  return word
end

---0 to 100, as Falcon, Defender and Elastic count.
function severity.percent(v)
  return step(v, { { 0, "informational" }, { 20, "low" }, { 40, "medium" }, { 60, "high" },
                   { 80, "critical" } })
end

---1 to 5, as Falcon's older event has it.
function severity.five(v)
  return step(v, { { 1, "informational" }, { 2, "low" }, { 3, "medium" }, { 4, "high" }, { 5, "critical" } })
end

---0 to 15, a Wazuh rule's level.
function severity.wazuh(v)
  return step(v, { { 0, "informational" }, { 4, "low" }, { 7, "medium" }, { 12, "high" },
                   { 15, "critical" } })
end

---OCSF's severity_id: 6 is fatal, 99 other.
function severity.ocsf(v)
  if tonumber(v) == nil or tonumber(v) > 6 then return "unknown" end
  return step(v, { { 1, "informational" }, { 2, "low" }, { 3, "medium" }, { 4, "high" }, { 5, "critical" } })
end

---A Windows event's level: 1 critical, 2 error, 3 warning, 5 verbose.
function severity.windows(v)
  local words = { [1] = "critical", [2] = "high", [3] = "medium", [5] = "informational" }
  return words[tonumber(v)] or "unknown"
end

return severity
