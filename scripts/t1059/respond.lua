-- respond.lua: all D3FEND stages for a T1059 alert.  Each stage is a playbook of its own; one that fails or
-- has nothing to go by does not stop the rest, and says why.  Whether the account is compromised only a
-- person can say: somebody is asked at once, while the host's side goes on.  How vulnerable the host is takes
-- a scan, which may last for hours or be in doubt: it holds up nothing either, and a host that is contained
-- before the scan has reached it is told as one that was not scanned.  What was done is known from the
-- writes, and needs no telling here.  A stage that was not called for is skipped; one that lacks a fact, or
-- waits for a person's judgement, is reported as not done as well.  The product that the alert is of is told
-- in it that somebody is at work, and what came of it (source.lua).

local resolve = require "t1059.resolve"
local source  = require "t1059.source"
local subject = require "t1059.subject"

---Skips a stage; `what` stays to be done, if anything does.
local function skip(name, why, what)
  stage(name, {}, { when = false, why = why })
  if what then not_done(what, why) end
end

-- Accounts that Okta has nothing to do with: that is no fact that is missing.
local ELSEWHERE = { ["local"] = true, system = true, service = true }

---Who says that the account is compromised; raises `denied`, `expired`, or why nobody can be asked.
local function confirmed(input, login)
  if (input.confirmed_by or ""):find "%S" then return input.confirmed_by end
  local a = input.alert
  local answer = approve { title = "Is the account " .. login .. " compromised?", expires = "1h",
                           detail = { user = a.user, title = a.title, host = (a.device or {}).hostname } }
  return answer.by
end

---The account's side: asked at once, and confined once the subject has been looked at, too.
local function account(input, looked_at)
  local user = input.alert.user
  local login, unknown = try(resolve.okta, user)
  local by, no
  if login then by, no = try(confirmed, input, login) end
  local _, late = try(await_until, looked_at, { every = "1s", timeout = "7d" })
  if late then log.info("the account does not wait for the subject any longer", { why = late.message }) end

  local name = login or user and resolve.told(user) or "the account"
  if by then stage("harden", { user = user, confirmed_by = by })
  elseif unknown then
    local why = resolve.is_lacking(unknown) and unknown.message or "Okta could not be asked: " .. unknown.message
    skip("harden", why, not (user and ELSEWHERE[user.kind]) and "confine " .. name or nil)
  else
    local why = "not confirmed as compromised: " .. no.message
    skip("harden", why, no.code ~= "denied" and "confine " .. name or nil)
  end
end

---How vulnerable the host is, where it has an address.
local function model(device)
  local ip, no_ip = try(resolve.ip, device)
  if ip then stage("model", { ip = ip })
  else skip("model", no_ip.message, "look for vulnerabilities")
  end
end

---What the subject is: a verdict, with its reasons.
local function detect(what, device)
  if what.kind == "interpreter" then
    local why = "the alert says only that " .. what.name .. " ran"
    skip("detect", why, "analyse what it ran")
    return { verdict = "unknown", why = { why }, subject = what }
  end
  return stage("detect", { subject = what, device = device },
               { otherwise = { verdict = "unknown", why = { "it was not analysed" }, subject = what } })
end

---The host's side, once there is a verdict.  (`when` is asked within the stage: a plan, which may not know
---the verdict, still comes to the next.)
local function host(device, seen)
  local s = seen.subject
  local function is(verdict) return seen.verdict == verdict end
  local function undecided(what)
    local why = "the verdict is " .. seen.verdict .. ": a person decides"
    not_done(what, why)
    return false, why
  end

  stage("isolate", { subject = s, device = device, verdict = seen.verdict }, { when = function()
    if is "malicious" or is "benign" then return true end
    return undecided("contain " .. (device and device.hostname or "the host"))
  end })
  stage("deceive", {}, { when = function() return not is "benign", "the verdict is benign" end })
  stage("evict", { subject = s, device = device }, { when = function()
    if is "benign" then return false, "the verdict is benign" end
    if s.kind == "command" or s.kind == "interpreter" then
      return false, "there is no file: " .. s.name .. (s.kind == "interpreter" and " is an " or " is a ") .. s.kind
    end
    if is "malicious" then return true end
    return undecided("remove " .. s.name)
  end })
end

---What the alert itself is to say in the end.  (The verdict is a line of its own: a plan may not know it.)
local function told(a, seen)
  local user = a.user and "account " .. resolve.told(a.user) or "no account"
  local device = a.device and "host " .. (a.device.hostname or "without a name") or "no host"
  return { "t1059.respond has gone through its response: " .. device .. ", " .. user .. ". The verdict:", seen.verdict,
           "What was done, and what was not: lunette show, with the run that stands below." }
end

return playbook {
  name    = "t1059.respond",
  summary = "All D3FEND stages for a T1059 alert; one that fails does not stop the rest",
  attack  = { "T1059" },
  uses    = { "t1059.*", "okta.users", "crowdstrike.host", "visionone.endpoint", "crowdstrike.alert_states",
              "crowdstrike.set_alert_status", "crowdstrike.comment_alerts", "visionone.alert",
              "visionone.set_alert_status", "visionone.comment_alerts" },
  input   = { alert = "alert", confirmed_by = "string?", alert_status = "one of in_progress closed = in_progress" },
  on      = attack.is "T1059",

  run = function(input)
    local a = input.alert
    local what = subject.subject(a)
    local seen
    local from = source.of(a)
    parallel {
      source = function() if from then source.begin(from, "t1059.respond") end end,
      account = function() account(input, function() return seen end) end,
      exposure = function() model(a.device) end,
      host = function()
        seen = detect(what, a.device)
        host(a.device, seen)
      end,
    }
    if from then source.finish(from, told(a, seen), input.alert_status == "closed" and "closed" or nil) end
    return { verdict = seen.verdict, why = seen.why, subject = seen.subject }
  end,
}
