-- respond.lua: all D3FEND stages for a T1059 alert.  Each stage is a playbook of its own; one that fails or
-- has nothing to go by does not stop the rest, and says why.  Whether the account is compromised only a
-- person can say: somebody is asked at once, while the host's side goes on.  What was done is known from the
-- writes, and needs no telling here.

local resolve = require "t1059.resolve"
local subject = require "t1059.subject"

---Who says that the account is compromised; raises `denied`, `expired`, or why nobody can be asked.
local function confirmed(input, user)
  if input.confirmed_by then return input.confirmed_by end
  local answer = approve { title = "Is the account " .. user .. " compromised?", expires = "1h",
                           detail = { user = input.alert.user, title = input.alert.title } }
  return answer.by
end

---The account's side: asked at once, and confined once the subject has been looked at, too.
local function account(input, looked_at)
  local user = input.alert.user
  local name = user and (user.email or (user.domain and user.domain .. "\\" .. user.name) or user.name)
  local known, nobody = try(resolve.okta, user)
  local by, why
  if known then by, why = try(confirmed, input, name) end
  await_until(looked_at, { every = "1s", timeout = "1d" })
  stage("harden", { user = user, confirmed_by = by },
        { when = by ~= nil, why = why and "not confirmed as compromised: " .. why.message
                                  or nobody and nobody.message })
end

---The host's side, once there is a verdict.  (`when` is asked within the stage: a plan, which may not know the
---verdict, still comes to the next.)
local function host(input, seen)
  local s, device = seen.subject, input.alert.device
  local undecided = "the verdict is " .. tostring(seen.verdict) .. ": a person decides"
  local function is(verdict) return seen.verdict == verdict end

  stage("isolate", { subject = s, device = device, verdict = seen.verdict },
        { when = function() return is "malicious" or is "benign" end, why = undecided })
  stage("deceive", {}, { when = function() return not is "benign" end, why = "the verdict is benign" })
  local file = s.kind ~= "command" and s.kind ~= "interpreter"
  stage("evict", { subject = s, device = device }, { when = function()
    if not is "malicious" then return false, undecided end
    return file, "there is no file: " .. s.name .. " is a " .. s.kind
  end })
end

return playbook {
  name    = "t1059.respond",
  summary = "All D3FEND stages for a T1059 alert; one that fails does not stop the rest",
  attack  = { "T1059" },
  uses    = { "t1059.*", "okta.users", "crowdstrike.host", "visionone.endpoint" },
  input   = { alert = "alert", confirmed_by = "string?" },
  on      = attack.is "T1059",

  run = function(input)
    local a = input.alert
    local what = subject.subject(a)
    local seen
    parallel {
      account = function() account(input, function() return seen end) end,
      host = function()
        local ip, no_ip = try(resolve.ip, a.device)
        stage("model", { ip = ip }, { when = ip ~= nil, why = no_ip and no_ip.message })
        seen = stage("detect", { subject = what, device = a.device },
                     { when = what.kind ~= "interpreter", why = "only " .. what.name .. " is known",
                       otherwise = { verdict = "unknown", subject = what } })
        host(input, seen)
      end,
    }
    return { verdict = seen.verdict, why = seen.why, subject = seen.subject }
  end,
}
