-- detect.lua: what is the subject?  The sandbox's report on it, if there is one; else the file is fetched
-- from its host, or the decoded command made a sample, and analysed.  A sandbox never says benign: only a
-- person or the site's own list does.  The subject comes back completed (a script had no hash until it was
-- fetched), and later stages take that.

local crowdstrike = require "connectors.crowdstrike"
local resolve     = require "t1059.resolve"
local subject     = require "t1059.subject"

local SAID = { malicious = "malicious", suspicious = "suspicious" }

local SEVERITY = { malicious = "critical", suspicious = "medium" }

local function verdict_of(report) return SAID[(report.verdict or ""):lower()] or "unknown" end

local function reasons(report)
  local out = { "the sandbox says \"" .. (report.verdict or "nothing") .. "\"" }
  if report.threat_score then out[#out + 1] = "threat score " .. report.threat_score .. " of 100" end
  for _, box in ipairs(report.sandbox or {}) do
    if box.environment_description then out[#out + 1] = "seen on " .. box.environment_description end
    for _, tag in ipairs(box.classification_tags or {}) do out[#out + 1] = tag end
  end
  return out
end

---Something to analyse: the decoded command, or the file as it is on its host (sealed: its bytes never enter
---Lua).
local function sample_of(s, device)
  if s.text then return blob(s.name, s.text) end
  if not s.path then fail("skipped", s.name .. ": where it is on the host is not known, nor its hash") end
  local host = resolve.needed(resolve.crowdstrike, subject.device(s, device))
  return crowdstrike.rtr_get_file { host = host, path = s.path, sha256 = s.sha256 }
end

---The subject with the hashes that its sample has.
local function completed(s, sample)
  s.sha256 = s.sha256 or (sample and sample.sha256)
  s.sha1 = s.sha1 or (sample and sample.sha1)
  return s
end

---Who says that it is benign, or nil: nobody does.  Only a list that people keep can.
local function benign(input, s)
  if contains(input.benign, s.sha256) then return "the input `benign` names it" end
  if not s.sha256 and not s.path then return nil end
  return allowed { sha256 = s.sha256, path = s.path } and "on the site's allowlist" or nil
end

---A verdict: reported, and kept for t1059.restore, with the file's other hash.
local function kept(verdict, why, s, report)
  if s.sha256 then
    store.set("t1059/verdict/" .. s.sha256, { verdict = verdict, at = now(), sha1 = s.sha1 })
  end
  if SEVERITY[verdict] then
    found { severity = SEVERITY[verdict], title = s.name .. " is " .. verdict, why = why, sha256 = s.sha256 }
  end
  return { verdict = verdict, why = why, subject = s, report = report }
end

return playbook {
  name    = "t1059.detect",
  summary = "Have what ran analysed: a verdict with its reasons",
  stage   = "detect",
  attack  = { "T1059" },
  d3fend  = { "D3-DA", "D3-EFA", "D3-FA" },
  uses    = { "crowdstrike.reports", "crowdstrike.rtr_get_file", "crowdstrike.analyse", "crowdstrike.host",
              "visionone.endpoint" },
  input   = { subject = "table", device = "device?", environment = "integer = 160",
              benign = "[sha256] = []" },

  run = function(input)
    local s = subject.of(input.subject)
    if s.kind == "interpreter" then
      return { verdict = "unknown", why = { "only the interpreter is known: " .. s.name }, subject = s }
    end
    local by = benign(input, s)
    if by then return kept("benign", { by }, s) end
    local report = s.sha256 and crowdstrike.reports { sha256 = s.sha256 }[1]
    local sample = not report and sample_of(s, input.device)
    s = completed(s, sample)
    by = sample and benign(input, s)
    if by then return kept("benign", { by }, s) end
    report = report or crowdstrike.analyse { sample = sample, name = s.name, environment = input.environment,
                                             wait = "1h" }
    if report.planned then return { verdict = report.verdict, subject = s, report = report.id } end
    evidence("sandbox report", report)
    return kept(verdict_of(report), reasons(report), s, report.id)
  end,
}
