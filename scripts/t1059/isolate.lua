-- isolate.lua: malicious: deny the file, then end what runs, and contain the host; benign: off the denylist
-- and onto the exceptions, so that the false positive does not come back.  A person is asked for either.  The
-- order matters: what is not yet denied starts again.  What ran in an interpreter is ended there, one process
-- with this pid, image and start: ending by image would take every PowerShell of the host.

local crowdstrike = require "connectors.crowdstrike"
local resolve     = require "t1059.resolve"
local subject     = require "t1059.subject"
local visionone   = require "connectors.visionone"

---Whether the subject is a file whose hash can be denied or allowed.
local function deniable(s)
  return s.kind ~= "command" and s.kind ~= "interpreter" and (s.sha256 or s.sha1) ~= nil
end

---Whether the subject ran as an image of its own, and not within an interpreter.
local function own_image(s)
  return deniable(s) and s.image ~= nil and s.image:match("[^/\\]*$"):lower() == s.name:lower()
end

local function deny(s)
  if not deniable(s) then fail("not_found", "there is no file whose hash could be denied") end
  return visionone.block { file = s }
end

---Ends what runs: every process of its own image, or the one process that ran it.
local function stop(s, device, endpoint)
  if endpoint and own_image(s) and s.sha1 then
    return visionone.terminate_process { host = endpoint, file = s }
  end
  if not (s.pid and s.started and s.image) then
    fail("not_found", "the alert says neither which process it was nor when that started")
  end
  local host = resolve.crowdstrike(device)
  return crowdstrike.rtr_kill_process { host = host, pid = s.pid, image = s.image, started = s.started }
end

---The acts in their order, each tried whatever became of the one before.  (Contained first, the host could
---not be reached by the vendor that ends the process.)
---@return { what: string, error?: table }[]
local function confine(input, s, device, endpoint, no_endpoint)
  local function contain()
    if no_endpoint then error(no_endpoint, 0) end
    return visionone.isolate { host = endpoint, lease = input.lease }
  end
  local _, denied  = try(deny, s)
  local _, stopped = try(stop, s, device, endpoint)
  local _, contained = try(contain)
  return { { what = "deny " .. s.name, error = denied }, { what = "end " .. s.name, error = stopped },
           { what = "contain " .. (device and device.hostname or "the host"), error = contained } }
end

---Tells what came to nothing.
local function tell(acts)
  local failed = where(acts, function(act) return act.error ~= nil end)
  for _, act in ipairs(failed) do not_done(act.what, act.error.message) end
  if #failed == #acts then
    fail("nothing_done", "nothing of it could be done: " .. failed[#failed].error.message)
  end
end

---The lists go by one hash each: what is denied by the other would stay denied.
local function allow(s)
  if not deniable(s) then fail("skipped", "there is no file whose hash could be allowed: " .. s.name) end
  approved({ title = "Allow " .. s.name, detail = s, expires = "8h" }, function()
    for _, kind in ipairs { "sha1", "sha256" } do
      local file = { name = s.name, path = s.path, [kind] = s[kind] }
      if s[kind] then
        visionone.unblock { file = file, as = "unblock " .. kind }
        visionone.add_exception { file = file, as = "except " .. kind }
      end
    end
  end)
end

return playbook {
  name    = "t1059.isolate",
  summary = "Malicious: deny it, end it, contain the host.  Benign: allow it",
  stage   = "isolate",
  attack  = { "T1059" },
  d3fend  = { "D3-EDL", "D3-EAL", "D3-PT", "D3-NI" },
  uses    = { "visionone.endpoint", "visionone.block", "visionone.unblock", "visionone.isolate",
              "visionone.terminate_process", "visionone.add_exception", "crowdstrike.host",
              "crowdstrike.rtr_kill_process" },
  input   = { subject = "table", device = "device?", verdict = "one of malicious benign",
              lease = "duration = 8h" },

  run = function(input)
    local s = subject.of(input.subject)
    if input.verdict == "benign" then
      allow(s)
      return { verdict = "benign", subject = s.name }
    end
    local device = subject.device(s, input.device)
    local endpoint, unknown = try(resolve.visionone, device)
    if resolve.is_lacking(unknown) and not deniable(s) then fail("skipped", unknown.message) end
    local title = (endpoint and "Contain " .. endpoint.hostname .. ", and deny and end " or "Deny and end ")
                  .. s.name
    tell(approved({ title = title, detail = s, expires = "1h" },
                  function() return confine(input, s, device, endpoint, unknown) end))
    return { verdict = "malicious", subject = s.name, host = endpoint and endpoint.hostname }
  end,
}
