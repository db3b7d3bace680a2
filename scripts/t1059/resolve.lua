-- resolve.lua: who and where that is, for each vendor.  An alert names a user and a device as its own product
-- knows them; every other vendor has names and ids of its own.  Each function here answers with exactly one,
-- or raises
-- `not_found`, `ambiguous` or `stale` with the reason; a stage that needs it is skipped with that reason
-- (`try(resolve.okta, alert.user)`).  Values from alerts go to operations as arguments, never into a query's
-- text.

local resolve = {}

local function told(user)
  if user.email then return user.email end
  return user.domain and user.domain .. "\\" .. user.name or user.name
end

local NOBODY = {
  ["local"] = "is an account of the host alone", system = "is an account of the operating system",
  service = "is a service's account", unknown = "has neither domain nor e-mail address",
}

---The users that may be meant.  Without an address a domain account is known by its name alone.
local function candidates(okta, user)
  if not user.email then return okta.users { name = user.name } end
  local found = okta.users { login = user.email }
  if #found > 0 then return found end
  return okta.users { email = user.email }
end

---The Okta login of a person.
---@async
---@param user table an alert's user, or an input of type `user`
---@return string login
function resolve.okta(user)
  if user == nil then fail("not_found", "the alert names no user") end
  local why = user.kind and NOBODY[user.kind]
  if why then fail("not_found", told(user) .. " " .. why .. ": not looked up in Okta") end
  local alive = where(candidates(require "connectors.okta", user),
                      function(u) return u.status ~= "DEPROVISIONED" end)
  return only(alive, "an Okta user for " .. told(user)).login
end

local function some_device(device)
  if device == nil or (device.hostname == nil and device.agents == nil and device.ip == nil) then
    fail("not_found", "the alert names no device")
  end
end

---The host in CrowdStrike Falcon.
---@async
---@param device table an alert's device, or an input of type `device`
---@return table host { id, hostname, ip, … }
function resolve.crowdstrike(device)
  some_device(device)
  return require("connectors.crowdstrike").host { device = device, seen_within = "7d" }
end

---The endpoint in Vision One.
---@async
---@return table endpoint
function resolve.visionone(device)
  some_device(device)
  return require("connectors.visionone").endpoint { device = device, seen_within = "24h" }
end

local function private(ip)
  local a, b = ip:match("^(%d+)%.(%d+)%.%d+%.%d+$")
  a, b = tonumber(a), tonumber(b)
  return a == 10 or (a == 172 and b >= 16 and b <= 31) or (a == 192 and b == 168)
end

---The first address of a host or endpoint, which may be one text or a list.
local function address_of(found)
  local ip = found and found.ip
  if type(ip) ~= "table" then return ip end
  return where(ip, private)[1] or ip[1]
end

---The address at which a host can be scanned: the alert's own, where that is one of a private network (one
---from outside may be a router's), else the one that an EDR knows.
---@async
---@return string ip
function resolve.ip(device)
  some_device(device)
  local own = where(device.ip or {}, private)
  if #own == 1 then return own[1] end
  local host, no_host = try(resolve.crowdstrike, device)
  local ip = address_of(host)
  if ip then return ip end
  local endpoint, no_endpoint = try(resolve.visionone, device)
  ip = address_of(endpoint)
  if ip then return ip end
  local why = no_endpoint or no_host
  return fail("not_found", "no address is known: " .. (why and why.message or "neither EDR records one"))
end

return resolve
