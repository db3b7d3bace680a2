-- evict.lua: removes the file from every host that has it, and checks that it is gone.  Its hash is prevented
-- first, or it comes back while it is being removed.  A host that is off line, or where the file is at
-- another path, is reported as not done.  Only when it is gone everywhere is our own indicator deleted again,
-- by id, and kept whole for undo.

local crowdstrike = require "connectors.crowdstrike"
local resolve     = require "t1059.resolve"

---The ids of the hosts on which the file was seen, with the alert's own among them.
local function hosts_of(s, device)
  local hosts = crowdstrike.ioc_hosts { sha256 = s.sha256 }
  local own, why = try(resolve.crowdstrike, device)
  if why then not_done("remove " .. s.name .. " from the alert's own host", why.message) end
  if own and not contains(hosts, own.id) then hosts[#hosts + 1] = own.id end
  return hosts, own
end

---Removes the file from one host.  On a host where it was seen and is not at the path, it may be elsewhere.
local function remove(s, host, own)
  if not s.path then fail("not_found", "where it is on the host is not known") end
  local out = crowdstrike.rtr_remove_file { host = host, path = s.path, sha256 = s.sha256 }
  if out.unchanged and not (own and host == own.id) then
    fail("not_found", "it is not at " .. s.path .. " there, and where else is not known")
  end
  return out
end

return playbook {
  name    = "t1059.evict",
  summary = "Remove the file from every host that has it, and check that it is gone",
  stage   = "evict",
  attack  = { "T1059" },
  d3fend  = { "D3-FEV" },
  uses    = { "crowdstrike.create_ioc", "crowdstrike.delete_iocs", "crowdstrike.ioc_hosts",
              "crowdstrike.host", "crowdstrike.rtr_remove_file" },
  input   = { subject = "table", device = "device?", lease = "duration = 30d" },

  run = function(input)
    local s = input.subject
    if s.kind == "command" or s.kind == "interpreter" or not s.sha256 then
      fail("nothing_to_evict", s.name .. " is no file with a known hash")
    end
    local mine = crowdstrike.create_ioc { sha256 = s.sha256, action = "prevent", filename = s.name,
                                          description = "T1059 response", lease = input.lease }
    local hosts, own = hosts_of(s, input.device)
    if #hosts == 0 then fail("nothing_to_evict", "no host is known to have " .. s.name) end

    local out, gone = map(hosts, function(h) return remove(s, h, own) end, { name = "host" }), 0
    for _, o in ipairs(out) do
      if o.ok then gone = gone + 1 end
      if not o.ok then not_done("remove " .. s.name .. " from " .. o.item, o.error.message, o.item) end
    end
    if gone < #hosts then
      not_done("delete the indicator of " .. s.name, "it still prevents the file on hosts that may have it")
    elseif not (mine.former or mine.unchanged) then          -- somebody else's indicator stays
      crowdstrike.delete_iocs { ids = { mine.id }, value = s.sha256 }
    end
    return { sha256 = s.sha256, hosts = #hosts, gone = gone }
  end,
}
