-- ocsf.lua: records of the audit as events of the Open Cybersecurity Schema Framework, version 1.3.0, which a SIEM
-- takes as they are:
--
--   a write, or one that a guard refused      Remediation Activity (7001), with D3FEND's tactic and technique
--   a sign-in, refused or not, a sign-out     Authentication (3002)
--   anything else                             Entity Management (3004), of what was decided about
--
-- OCSF's remediations know the tactics Isolate, Evict, Restore and Harden; those of others (Model, Detect, Deceive) are
-- "Other" (99), named.  What OCSF has no field for is in `unmapped`; metadata.uid is the record's hash.

local json = require "json"
local d3fend = require "d3fend"

local ocsf = {}

local VERSION = "1.3.0"
local CREATE, UPDATE, DELETE, OTHER = 1, 3, 4, 99
local ACTIVITY = { [CREATE] = "Create", [UPDATE] = "Update", [DELETE] = "Delete" }
local TACTIC = { Isolate = 1, Evict = 2, Restore = 3, Harden = 4 }
local INFORMATIONAL, LOW, MEDIUM = 1, 2, 3
local SUCCESS, FAILURE = 1, 2

-- What a record is about: the kind of entity, which member of its detail names it, and what was done to it.
local ABOUT = {
  approved           = { "approval", "approval", UPDATE },
  denied             = { "approval", "approval", UPDATE },
  freeze             = { "freeze", "scope", CREATE },
  thaw               = { "freeze", "scope", DELETE },
  hold               = { "hold", "entity", UPDATE },
  ["token added"]    = { "api_token", "name", CREATE },
  ["token removed"]  = { "api_token", "name", DELETE },
  ["secret set"]     = { "secret", "name", UPDATE },
  ["secret removed"] = { "secret", "name", DELETE },
  ["secrets rotated"] = { "vault", nil, UPDATE },
  configuration      = { "configuration", "file", UPDATE },
  pruned             = { "store", nil, DELETE },
  restored           = { "store", nil, UPDATE },
}

-- The states of a write: what OCSF says of a remediation.
local STATUS = { done = SUCCESS, pending = 0, doubt = 0 }
local STATUS_NAME = { [0] = "Unknown", [SUCCESS] = "Success", [FAILURE] = "Failure", [OTHER] = "Other" }

local function base(r, class, name, category, category_name, activity, activity_name)
  return {
    category_uid = category, category_name = category_name, class_uid = class, class_name = name,
    activity_id = activity, activity_name = activity_name, type_uid = class * 100 + activity,
    type_name = name .. ": " .. activity_name, time = r.ms, severity_id = INFORMATIONAL, severity = "Informational",
    metadata = { version = VERSION, uid = r.hash, sequence = r.seq, event_code = r.what,
                 profiles = json.array { "host" },
                 product = { name = "Lunette", vendor_name = "Lunette" } },
  }
end

local function set_status(e, id, detail)
  e.status_id, e.status, e.status_detail = id, STATUS_NAME[id], detail
end

local function set_severity(e, id)
  e.severity_id, e.severity = id, ({ "Informational", "Low", "Medium" })[id]
end

local function actor(r) return { user = { name = r.who } } end

local function countermeasures(ids)
  local out = {}
  for i, id in ipairs(ids or {}) do
    local t = d3fend.technique(d3fend.successor(id) or id)
    out[i] = { d3f_technique = { uid = id, name = t and t.label }, d3f_tactic = t and { name = t.tactic },
               version = d3fend.ontology.version }
  end
  return out
end

-- The first technique that OCSF has an activity for; else the first at all.
local function activity(measures)
  for _, m in ipairs(measures) do
    local tactic = m.d3f_tactic and m.d3f_tactic.name
    if TACTIC[tactic] then return TACTIC[tactic], tactic end
  end
  local first = measures[1] and measures[1].d3f_tactic
  return OTHER, first and first.name or "Other"
end

local function remediation(r, d)
  local measures = countermeasures(d.d3fend)
  local e = base(r, 7001, "Remediation Activity", 7, "Remediation", activity(measures))
  e.command_uid = r.run .. "/" .. d.step
  if #measures > 0 then e.countermeasures = measures end
  if r.what == "refused" then
    set_status(e, FAILURE, "refused by the guard " .. tostring(d.rule))
    set_severity(e, MEDIUM)
  else
    set_status(e, STATUS[d.outcome] or FAILURE, d.code or d.outcome)
    if e.status_id ~= SUCCESS then set_severity(e, LOW) end
  end
  if d.sim then set_status(e, OTHER, "against a simulator: nothing was changed") end
  e.message = ("%s of %s: %s"):format(d.op or d.step, d.entity ~= "" and d.entity or "nothing named",
                                      e.status_detail or "done")
  return e
end

local SIGNING = { ["sign-in"] = { 1, "Logon" }, ["sign-in refused"] = { 1, "Logon" }, ["sign-out"] = { 2, "Logoff" } }

local function sign_in(r, d)
  local e = base(r, 3002, "Authentication", 3, "Identity & Access Management", table.unpack(SIGNING[r.what]))
  e.user = { name = r.who ~= "" and r.who or "unknown", uid = d.sub }
  e.service = { name = "lunette" }
  e.auth_protocol_id, e.auth_protocol = 99, "Bearer token"
  if d.how == "oidc" then e.auth_protocol_id, e.auth_protocol = 4, "OpenID" end
  set_status(e, r.what == "sign-in refused" and FAILURE or SUCCESS, d.why)
  if e.status_id == FAILURE then set_severity(e, LOW) end
  return e
end

local function management(r, d)
  local kind, key, id = table.unpack(ABOUT[r.what] or { "run", nil, UPDATE })
  local e = base(r, 3004, "Entity Management", 3, "Identity & Access Management", id, ACTIVITY[id])
  local name = key and d[key]
  if name == nil or name == "" then name = kind == "run" and r.run ~= "" and r.run or kind end
  e.entity = { type = kind, name = tostring(name), uid = tostring(name) }
  e.actor = actor(r)
  e.comment = d.comment or d.why
  e.message = r.what
  set_status(e, SUCCESS)
  return e
end

---A record of the audit, as `lunette audit export --raw` has it, as one event.
---@param r table
---@return string # JSON
function ocsf.event(r)
  local ok, d = pcall(json.decode, r.detail)
  if not ok or type(d) ~= "table" then d = { text = r.detail } end
  local e
  if (r.what == "write" or r.what == "refused") and d.step then e = remediation(r, d)
  elseif SIGNING[r.what] then e = sign_in(r, d)
  else e = management(r, d) end
  if r.what == "write" or r.what == "refused" then e.actor = actor(r) end
  e.unmapped = { what = r.what, detail = d, run = r.run ~= "" and r.run or nil }
  return json.encode(e)
end

return ocsf
