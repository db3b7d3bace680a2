-- fields.lua: what every adapter needs to read a vendor's spelling: text that is there, hashes that are
-- hashes, times as RFC 3339, addresses, users, devices.  A value that says nothing ("", "-", "N/A", forty
-- zeros, a masked hash) is absent.  Nothing here raises on bad input: what cannot be read is nil.

local time = require "time"

local fields = {}

-- Texts that vendors put where they know nothing.
local NOTHING = {
  [""] = true, ["-"] = true, ["n/a"] = true, ["null"] = true, ["none"] = true, ["(null)"] = true,
  ["-\\-"] = true,
}

---A text that says something.
---@return string?
function fields.text(v)
  if type(v) == "string" and not NOTHING[v:lower()] then return v end
  return nil
end

---An id as text, whether the document has a text or a number.  A placeholder such as "<finding_uid>" is none.
---@return string?
function fields.id(v)
  if math.type(v) == "integer" then return tostring(v) end
  local t = fields.text(v)
  if t == nil or t:find("^<.*>$") then return nil end
  return t
end

---A table, or an empty one: for reaching into what may be missing.
---@return table
function fields.object(v) return type(v) == "table" and v or {} end

---The objects of a list, in order; what is none is left out.
---@return table[]
function fields.objects(v)
  local out = {}
  for _, x in ipairs(fields.object(v)) do
    if type(x) == "table" then out[#out + 1] = x end
  end
  return out
end

---The first value, where the document has a list and might have one value or none.
function fields.one(v)
  if type(v) == "table" then return v[1] end
  return v
end

---Its arguments as a list, without those that are nil.
---@return any[]
function fields.list(...)
  local out = {}
  for i = 1, select("#", ...) do out[#out + 1] = (select(i, ...)) end
  return out
end

---The base name of a path of either kind.
---@return string?
function fields.base(path)
  path = fields.text(path)
  return path and fields.text(path:match("[^/\\]*$"))
end

---A folder and a name, joined as the folder is spelt.
---@return string?
function fields.join(folder, name)
  folder, name = fields.text(folder), fields.text(name)
  if folder == nil then return name end
  if name == nil then return folder end
  local sep = folder:find("\\", 1, true) and "\\" or "/"
  return folder:sub(-1) == sep and folder .. name or folder .. sep .. name
end

---Whether a path says where it is, whatever the current folder.
---@return boolean
function fields.absolute(path)
  return path:find("^%a:[\\/]") ~= nil or path:find("^[\\/]") ~= nil
end

local DIGITS = { sha256 = 64, sha1 = 40, md5 = 32 }

---A hash in lower case; zeros, masked values and those of another length are absent.
---@param kind "sha256"|"sha1"|"md5"
---@return string?
function fields.hash(kind, v)
  if type(v) ~= "string" or #v ~= DIGITS[kind] or v:find("%X") or not v:find("[^0]") then return nil end
  return v:lower()
end

---Sysmon's list of hashes: "SHA1=…,MD5=…,SHA256=…".
---@return table { sha256?, sha1?, md5? }
function fields.hashes(list)
  local out = {}
  if type(list) ~= "string" then return out end
  for kind, value in list:gmatch("(%w+)=(%w+)") do
    kind = kind:lower()
    if DIGITS[kind] then out[kind] = fields.hash(kind, value) end
  end
  return out
end

---Copies the hashes that `from` has under the vendor's names.
---@param names table { sha256 = "SHA256String", … }
---@return table into
function fields.take_hashes(into, from, names)
  for kind, name in pairs(names) do into[kind] = into[kind] or fields.hash(kind, from[name]) end
  return into
end

---Seconds and a fraction's digits as RFC 3339.
local function stamp(seconds, fraction)
  local ok, text = pcall(time.format, seconds)
  if not ok or type(text) ~= "string" then return nil end
  if not fraction:find("[^0]") then return text:sub(1, 19) .. "Z" end
  return text:sub(1, 19) .. "." .. fraction .. "Z"
end

---An epoch, whose unit its size tells: seconds, milliseconds, microseconds or nanoseconds.
local function from_epoch(digits, fraction)
  local n = math.tointeger(tonumber(digits))
  if n == nil or n <= 0 then return nil end
  if fraction ~= "" or n < 100000000000 then return stamp(n, fraction) end
  local unit = n < 100000000000000 and 3 or n < 100000000000000000 and 6 or 9
  return stamp(n // math.tointeger(10 ^ unit), digits:sub(-unit))
end

local function offset(zone)
  local sign, h, m = zone:match("^([+-])(%d%d):?(%d%d)$")
  if sign == nil then return (zone == "" or zone == "Z" or zone == "UTC") and 0 or nil end
  local s = tonumber(h) * 3600 + tonumber(m) * 60
  return math.tointeger(sign == "-" and -s or s)
end

local function from_date(text)
  local day, clock, fraction, zone =
    text:match("^(%d%d%d%d%-%d%d%-%d%d)[T ](%d%d:%d%d:%d%d)%.?(%d*)%s*(%S*)$")
  if day == nil then return nil end
  local off = offset(zone)
  local ok, seconds = pcall(time.parse, day .. "T" .. clock .. "Z")
  if off == nil or not ok or type(seconds) ~= "number" then return nil end
  return stamp(math.floor(seconds) - off, fraction)
end

---A time in any of the vendors' spellings (a date with or without T and zone, an epoch as number or text) as
---RFC 3339 in UTC, with the document's own precision.  Without a zone it is taken as UTC.
---@return string?
function fields.time(v)
  if math.type(v) == "float" then
    v = math.tointeger(v) or string.format("%.6f", v):gsub("0+$", "")
  end
  if math.type(v) == "integer" then v = tostring(v) end
  if type(v) ~= "string" then return nil end
  local whole, fraction = v:match("^(%d+)%.?(%d*)$")
  if whole then return from_epoch(whole, fraction) end
  return from_date(v)
end

---A process id of the operating system: a number, or text in decimal or "0x…".  Vendors' own 64-bit process
---ids are none, and are absent.
---@return integer?
function fields.pid(v)
  if type(v) == "string" then v = (v:find("^%d+$") or v:find("^0[xX]%x+$")) and tonumber(v) end
  v = math.tointeger(v)
  if v == nil or v <= 0 or v > 0xFFFFFFFF then return nil end
  return v
end

local function is_address(v)
  if v:find("^%d+%.%d+%.%d+%.%d+$") then
    for part in v:gmatch("%d+") do
      if #part > 3 or tonumber(part) > 255 then return false end
    end
    return true
  end
  return v:find("^[%x:]+$") ~= nil and v:find(":.*:") ~= nil
end

---A list of addresses out of texts and lists of them, in the order given, each once; what is no address is
---dropped.
---@return string[]? nil when there is none
function fields.ips(...)
  local out, seen = {}, {}
  local function add(v)
    if type(v) == "string" and not seen[v] and is_address(v) then
      seen[v] = true
      out[#out + 1] = v
    end
  end
  for i = 1, select("#", ...) do
    local v = select(i, ...)
    if type(v) == "table" then
      for _, one in ipairs(v) do add(one) end
    else
      add(v)
    end
  end
  return out[1] and out or nil
end

---Whether an IPv4 address is one of a private network.
---@return boolean
function fields.private(ip)
  local a, b = ip:match("^(%d+)%.(%d+)%.")
  a, b = tonumber(a), tonumber(b)
  return a == 10 or (a == 172 and b >= 16 and b <= 31) or (a == 192 and b == 168)
end

---The family of an operating system's name.
---@return "windows"|"linux"|"macos"|nil
function fields.os(v)
  local low = type(v) == "string" and v:lower() or ""
  if low:find("^win") or low:find("windows", 1, true) then return "windows" end
  if low:find("^mac") or low:find("darwin", 1, true) or low:find("os x", 1, true) then return "macos" end
  for _, name in ipairs { "linux", "ubuntu", "debian", "centos", "red hat", "rhel", "suse", "lin" } do
    if low == name or (name ~= "lin" and low:find(name, 1, true)) then return "linux" end
  end
  return nil
end

---What a machine is for, by the product's word for it or the operating system's edition.
---@return "workstation"|"server"|"domain_controller"|nil
function fields.role(v)
  local low = type(v) == "string" and v:lower() or ""
  if low:find("domain.?controller") then return "domain_controller" end
  if low:find("server", 1, true) then return "server" end
  for _, word in ipairs { "workstation", "desktop", "laptop", "windows 7", "windows 8", "windows 10",
                          "windows 11",
                          "windows10", "windows11" } do
    if low:find(word, 1, true) then return "workstation" end
  end
  return nil
end

local SYSTEM_DOMAINS = { ["nt authority"] = true, ["window manager"] = true, ["font driver host"] = true }
local SERVICE_DOMAINS = { ["nt service"] = true, ["iis apppool"] = true, ["nt virtual machine"] = true }
local SYSTEM_NAMES = {
  ["system"] = true, ["localsystem"] = true, ["local service"] = true, ["network service"] = true,
  ["root"] = true,
}
local SERVICE_NAMES = {
  tomcat = true, ["www-data"] = true, nginx = true, apache = true, nobody = true, daemon = true,
  postgres = true,
  mysql = true, jenkins = true, sshd = true,
}

---What kind of account it is: only a person is looked for in a directory of people.
local function kind_of(name, domain, email, hostname)
  local low, dom = name:lower(), domain and domain:lower()
  if SYSTEM_DOMAINS[dom] or SYSTEM_NAMES[low] or low:sub(-1) == "$" then return "system" end
  if SERVICE_DOMAINS[dom] or SERVICE_NAMES[low] or low:find("^svc[-_.]") then return "service" end
  if dom and hostname and dom == hostname:lower():match("^[^.]*") then return "local" end
  if email or dom then return "person" end
  return "unknown"
end

---A user as a normalised alert has it: the name without its domain.
---@param u table { name?: "jdoe" | "ACME\\jdoe" | "jdoe@acme.example", domain?, email?, machine_domain? }
---`machine_domain`: tells a local account's domain where the document only has it beside the name
---@param hostname string? to tell a local account
---@return table?
function fields.user(u, hostname)
  local name, domain, email = fields.text(u.name), fields.text(u.domain), fields.text(u.email)
  if name and name:find("\\", 1, true) then domain, name = name:match("^([^\\]*)\\(.*)$") end
  if name and name:find("^[^@%s]+@[^@%s]+%.[^@%s]+$") then email = email or name end
  if email and (name == nil or name == email) then name = email:match("^[^@]*") end
  name, domain = fields.text(name), fields.text(domain)
  if name == nil then return nil end
  return { name = name, domain = domain, email = email,
           kind = kind_of(name, domain or fields.text(u.machine_domain), email, hostname) }
end

---A device as a normalised alert has it, or nil when the document says nothing of one.
---@param d table { hostname?, ip?, agent_id?, whose?: the product of the agent, os?, role? }
---@return table?
function fields.device(d)
  local out = {
    hostname = fields.text(d.hostname), ip = d.ip, agent_id = fields.id(d.agent_id), os = d.os, role = d.role,
  }
  if out.agent_id then out.agents = { [d.whose] = out.agent_id } end
  return next(out) and out or nil
end

---A file of an alert, or nil when neither its path nor a hash is known.
---@return table?
function fields.file(path, hashes)
  local out = { path = fields.text(path), sha256 = hashes.sha256, sha1 = hashes.sha1, md5 = hashes.md5 }
  return next(out) and out or nil
end

return fields
