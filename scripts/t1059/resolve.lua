-- resolve.lua: who and where that is, for each vendor.  An alert names a user and a device as its own product
-- knows them; every other vendor has names and ids of its own.  Each function here answers with exactly one,
-- or raises `not_found`, `ambiguous` or `stale` with the reason; a stage that needs it is skipped with that
-- reason (`resolve.needed`).  Values from alerts go to operations as arguments, never into a query's text.

local resolve = {}

---What a person is called.
---@param user table an alert's user
---@return string
function resolve.told(user)
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
  if why then fail("not_found", resolve.told(user) .. " " .. why .. ": not looked up in Okta") end
  local alive = where(candidates(require "connectors.okta", user),
                      function(u) return u.status ~= "DEPROVISIONED" end)
  return only(alive, "Okta user for " .. resolve.told(user)).login
end

local function some_device(device)
  if device == nil or (device.hostname == nil and device.agents == nil and device.ip == nil) then
    fail("not_found", "the alert names no device")
  end
end

---Whether a vendor's own agent, or a name, says which host it is: an address may be a router's.
local function is_named(device, agent)
  return device.hostname ~= nil or (device.agents or {})[agent] ~= nil
end

local function some_address(device)
  if not device.ip then fail("not_found", "the alert names the host by no name, address or agent of ours") end
end

local function ask_crowdstrike(device)
  return require("connectors.crowdstrike").host { device = device, seen_within = "7d" }
end

local function ask_visionone(device)
  return require("connectors.visionone").endpoint { device = device, seen_within = "24h" }
end

---The host in CrowdStrike Falcon.  One that the alert knows by Vision One's agent alone is named by that.
---@async
---@param device table an alert's device, or an input of type `device`
---@return table host { id, hostname, ip, … }
function resolve.crowdstrike(device)
  some_device(device)
  if is_named(device, "crowdstrike") then return ask_crowdstrike(device) end
  if is_named(device, "trend_vision_one") then
    return ask_crowdstrike { hostname = ask_visionone(device).hostname }
  end
  some_address(device)
  return ask_crowdstrike(device)
end

---The endpoint in Vision One.  One that the alert knows by Falcon's agent alone is named by that.
---@async
---@return table endpoint
function resolve.visionone(device)
  some_device(device)
  if is_named(device, "trend_vision_one") then return ask_visionone(device) end
  if is_named(device, "crowdstrike") then
    return ask_visionone { hostname = ask_crowdstrike(device).hostname }
  end
  some_address(device)
  return ask_visionone(device)
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

local LACKING = { not_found = true, ambiguous = true, stale = true }

---Whether an error says that a fact is missing, and not that somebody could not be asked.
---@param err table?
---@return boolean
function resolve.is_lacking(err) return err ~= nil and LACKING[err.code] == true end

---What `verb` answers; where the fact is missing the stage that needs it is skipped, with the reason.
---@async
---@param verb function one of those above
---@return any
function resolve.needed(verb, of)
  local out, why = try(verb, of)
  if resolve.is_lacking(why) then fail("skipped", why.message) end
  if why then error(why, 0) end
  return out
end

return resolve
