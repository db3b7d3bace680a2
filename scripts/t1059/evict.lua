-- evict.lua: removes the file from every host that has it, and checks that it is gone.  Its hash is prevented
-- first, or it comes back while it is being removed.  A host that is off line, or where the file is at
-- another path, is reported as not done.  Only when it is gone everywhere is our own indicator deleted again,
-- by id, and kept whole for undo.

local crowdstrike = require "connectors.crowdstrike"
local ledger      = require "ledger"
local resolve     = require "t1059.resolve"
local subject     = require "t1059.subject"

---The ids of the hosts on which the file was seen, with the alert's own among them; the latter; and whether
---that one is known, if the alert has one.
local function hosts_of(s, device)
  local hosts = crowdstrike.ioc_hosts { sha256 = s.sha256 }
  local own, why = try(resolve.crowdstrike, device)
  if why then not_done("remove " .. s.name .. " from the alert's own host", why.message) end
  if own and not contains(hosts, own.id) then hosts[#hosts + 1] = own.id end
  return hosts, own, why == nil
end

---Removes the file from one host.  On a host where it was seen and is not at the path, it may be elsewhere.
local function remove(s, id, own)
  local host = crowdstrike.host_details { host = id }
  local function removed()
    if not s.path then fail("not_found", "where it is on the host is not known") end
    local out = crowdstrike.rtr_remove_file { host = host, path = s.path, sha256 = s.sha256 }
    if out.unchanged and not (own and id == own.id) then
      fail("not_found", "it is not at " .. s.path .. " there, and where else is not known")
    end
  end
  local _, err = try(removed)
  if err then not_done("remove " .. s.name .. " from " .. (host.hostname or id), err.message, id) end
  return err == nil
end

---Why the indicator is not ours to delete, or nil.
local function kept_because(mine, s)
  if mine.former then return "it was there before us, and does more now: undo gives it back as it was" end
  if mine.source ~= "lunette" then return "it is not ours: its source is " .. tostring(mine.source) end
  for _, h in ipairs(ledger.holds { entity = "crowdstrike:file:" .. s.sha256, facet = "ioc" }) do
    if h.open and h.run ~= run.id and h.status ~= "foreign" then return "run " .. h.run .. " is not done with it" end
  end
  return nil
end

local function delete_indicator(mine, s, gone_everywhere)
  local why = not gone_everywhere and "it still prevents the file on hosts that may have it"
              or not mine.planned and kept_because(mine, s)
  if why then
    not_done("delete the indicator of " .. s.name, why)
    return
  end
  for _, o in ipairs(crowdstrike.delete_iocs { ids = { mine.id }, value = s.sha256 }) do
    if not o.ok then not_done("delete the indicator of " .. s.name, o.error.message) end
  end
end

return playbook {
  name    = "t1059.evict",
  summary = "Remove the file from every host that has it, and check that it is gone",
  stage   = "evict",
  attack  = { "T1059" },
  d3fend  = { "D3-FEV" },
  uses    = { "crowdstrike.create_ioc", "crowdstrike.delete_iocs", "crowdstrike.ioc_hosts",
              "crowdstrike.host", "crowdstrike.host_details", "crowdstrike.rtr_remove_file",
              "visionone.endpoint" },
  input   = { subject = "table", device = "device?", lease = "duration = 30d",
              verdict = "one of malicious = malicious" },           -- nothing else is evicted

  run = function(input)
    local s = subject.of(input.subject)
    if s.kind == "command" or s.kind == "interpreter" or not s.sha256 then
      fail("nothing_to_evict", s.name .. " is no file with a known hash")
    end
    local mine = crowdstrike.create_ioc { sha256 = s.sha256, action = "prevent", filename = s.name,
                                          description = "T1059 response", lease = input.lease }
    local hosts, own, all_known = hosts_of(s, subject.device(s, input.device))
    if #hosts == 0 then fail("nothing_to_evict", "no host is known to have " .. s.name) end

    local gone = 0
    for i, o in ipairs(map(hosts, function(h) return remove(s, h, own) end, { name = "host" })) do
      if o.value then gone = gone + 1 end
      if not o.ok then not_done("remove " .. s.name .. " from " .. hosts[i], o.error.message, hosts[i]) end
    end
    delete_indicator(mine, s, all_known and gone == #hosts)
    return { sha256 = s.sha256, hosts = #hosts, gone = gone }
  end,
}
