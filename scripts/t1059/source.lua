-- source.lua: what a response tells the product that its alert came from: that somebody is at work on it, and in
-- the end what came of it.  People look there first, and would begin anew.
--
-- Only what the vendor's API can name is written to: an alert whose product has no such connector, or whose id is
-- of another kind, is left alone in silence.  What could not be written is told as not done, and costs the
-- response nothing.  A status is only moved on: what somebody has closed stays closed.

local source = {}

local MOST = 100                                           -- alerts that one response writes to

local VENDORS = {
  crowdstrike = {
    name = "crowdstrike", id = "^%x+:%w+:",
    new = function(c, ids)
      return where(c.alert_states { alerts = ids }, function(a) return a.status == "new" or a.status == "reopened" end)
    end,
  },
  trend_vision_one = {
    name = "visionone", id = "^WB%-",
    new = function(c, ids)
      local seen = map(ids, function(id) return c.alert { id = id } end, { name = "alert" })
      local out, err = {}, nil
      for _, o in ipairs(seen) do
        if o.ok and o.value.status == "new" then out[#out + 1] = o.value end
        err = err or o.error
      end
      return out, err
    end,
  },
}

---Who an alert is written back to; nil: nobody.
---@param alert table
---@return table? target for the functions below
function source.of(alert)
  local vendor = VENDORS[alert.source]
  if not vendor or not tostring(alert.id):find(vendor.id) then return nil end
  return { vendor = vendor, source = alert.source, ids = { alert.id } }
end

---What was asked of an operation on several items: the first of their errors, if any.
local function first_error(outcomes)
  for _, o in ipairs(type(outcomes) == "table" and outcomes or {}) do
    if type(o) == "table" and o.ok == false then return o.error end
  end
end

-- A site that has no such connector is not told so with every alert.
local function told(what, err)
  if err and not (err.code == "unavailable" and err.message:find("is not configured", 1, true)) then
    not_done(what, err.message)
  end
end

local function write(target, what, operation, args)
  args.alerts = args.alerts or target.ids
  local value, err = try(function() return require("connectors." .. target.vendor.name)[operation](args) end)
  told(what, err or first_error(value))
end

---That a response to it has begun: "in progress" where nobody has said anything yet, and a comment.
---@async
---@param target table
---@param name string the playbook's
function source.begin(target, name)
  local c, unseen = require("connectors." .. target.vendor.name), nil
  local new, err = try(function()
    local found
    found, unseen = target.vendor.new(c, target.ids)
    return found
  end)
  if err then return told("say in the alert that somebody is at work", err) end
  told("set the alert's status", unseen)
  local ids = {}
  for i, a in ipairs(new) do ids[i] = a.id end
  if #ids > 0 then
    write(target, "set the alert's status", "set_alert_status", { alerts = ids, status = "in_progress" })
  end
  write(target, "say in the alert that somebody is at work", "comment_alerts",
        { text = { name .. " has begun a response to this alert." } })
end

---The alerts that joined this run meanwhile, of the same product; so many at most.
---@async
function source.joined(target)
  while #target.ids < MOST do
    local alert, nobody = try(await_signal, "alert", { timeout = "1s" })
    if nobody then return end
    local other = source.of(alert)
    if other and other.source == target.source and not contains(target.ids, alert.id) then
      target.ids[#target.ids + 1] = alert.id
    end
  end
end

---What came of it.
---@async
---@param target table
---@param lines string[] of the comment
---@param status? string that the alerts are given; nil: it stays
function source.finish(target, lines, status)
  source.joined(target)
  write(target, "say in the alert what was done", "comment_alerts", { text = lines })
  if status then write(target, "set the alert's status", "set_alert_status", { status = status }) end
end

return source
