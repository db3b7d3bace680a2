-- isolate.lua: malicious: deny the file, then end what runs, and contain the host; benign: off the denylist
-- and onto the exceptions, so that the false positive does not come back.  A person is asked for either.  The
-- order matters: what is not yet denied starts again.  What ran in an interpreter is ended there, one process
-- with this pid, image and start: ending by image would take every PowerShell of the host.

local crowdstrike = require "connectors.crowdstrike"
local resolve     = require "t1059.resolve"
local visionone   = require "connectors.visionone"

---Whether the subject is a file whose hash can be denied or allowed.
local function deniable(s)
  return s.kind ~= "command" and s.kind ~= "interpreter" and (s.sha256 or s.sha1) ~= nil
end

---Whether the subject ran as an image of its own, and not within an interpreter.
local function own_image(s)
  return deniable(s) and s.image ~= nil and s.image:match("[^/\\]*$"):lower() == s.name:lower()
end

---Ends what runs: the one process that ran it, or every process of its own image.
local function stop(s, device, endpoint)
  if own_image(s) then return visionone.terminate_process { host = endpoint, file = s } end
  if not (s.pid and s.started and s.image) then
    fail("not_found", "the alert says neither which process it was nor when that started")
  end
  local host = resolve.crowdstrike(device)
  return crowdstrike.rtr_kill_process { host = host, pid = s.pid, image = s.image, started = s.started }
end

---The acts in their order, each tried whatever became of the one before: deny, end, contain.  (Contained
---first, the host could not be reached by the vendor that ends the process.)  Errors by act.
local function confine(input, s, endpoint)
  local errors, _ = {}, nil
  if deniable(s) then _, errors.deny = try(visionone.block, { file = s }) end
  _, errors.stop = try(stop, s, input.device, endpoint)
  _, errors.contain = try(visionone.isolate, { host = endpoint, lease = input.lease })
  return errors
end

---Tells what came to nothing.
local function tell(errors, s, endpoint)
  if not deniable(s) then not_done("deny " .. s.name, "there is no file whose hash could be denied") end
  local names = { deny = "deny " .. s.name, stop = "end " .. s.name, contain = "contain "
                  .. endpoint.hostname }
  for act, name in pairs(names) do
    if errors[act] then not_done(name, errors[act].message) end
  end
  if errors.contain and errors.stop and (errors.deny or not deniable(s)) then
    fail("nothing_done", "nothing of it could be done: " .. errors.contain.message)
  end
end

local function allow(s)
  if not deniable(s) then fail("skipped", "there is no file whose hash could be allowed: " .. s.name) end
  approved({ title = "Allow " .. s.name, detail = s, expires = "8h" }, function()
    visionone.unblock { file = s }
    visionone.add_exception { file = s }
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
    local s = input.subject
    if input.verdict == "benign" then
      allow(s)
      return { verdict = "benign", subject = s.name }
    end
    local endpoint = resolve.visionone(input.device)
    local title = "Contain " .. endpoint.hostname .. ", and deny and end " .. s.name
    tell(approved({ title = title, detail = s, expires = "1h" },
                  function() return confine(input, s, endpoint) end), s, endpoint)
    return { verdict = "malicious", subject = s.name, host = endpoint.hostname }
  end,
}
