-- restore.lua: gives back what was confined in error or is clean again: only what the ledger says that we
-- hold, by what the ledger says takes it back, and where nobody has changed it since.  It refuses while
-- another run that is still open holds the same thing; while the verdict that led to it stands and nobody
-- says otherwise; and, for an account, before its password was renewed.

local ledger  = require "ledger"
local okta    = require "connectors.okta"
local resolve = require "t1059.resolve"
local time    = require "time"

---What only tells, or allows, confines nobody: an exception stays, or the false positive comes back.
local LETS_BE = { excepted = true, log = true }

---What holds an entity and can be lifted; refuses when another open run has one.  What was so before us stays.
local function holds_of(entity)
  local out = {}
  for _, h in ipairs(ledger.holds { entity = entity }) do
    local foreign = h.status == "foreign"
    if h.open and h.run ~= run.id and not foreign then
      fail("refused", ("%s is held by run %s, which has not ended: %s"):format(h.entity, h.run, h.facet))
    end
    if h.status == "held" and h.undo and not LETS_BE[h.state] then out[#out + 1] = h
    elseif h.status ~= "held" and not foreign then
      not_done("lift " .. h.facet .. " of " .. h.entity, "it is " .. h.status)
    end
  end
  return out
end

---What the last look at a file said: { verdict, at, sha1? }, or nil.
local function verdict_on(sha256) return sha256 and store.get("t1059/verdict/" .. sha256) end

---Whether a person, or a verdict newer than the hold, says that the file is benign.  "Unknown" says nothing.
local function cleared(input, hold)
  if (input.benign_by or ""):find "%S" then return true end
  local known = verdict_on(input.sha256)
  return known and known.verdict == "benign" and known.at > time.parse(hold.since)
end

local function check_verdict(input, held)
  for _, h in ipairs(held) do
    if not cleared(input, h) then
      fail("refused", h.entity .. ": the verdict stands, and nothing newer says otherwise: " ..
                      "who says that it is clean goes into benign_by")
    end
  end
  return held
end

local function check_password(user, held)
  for _, h in ipairs(held) do
    if not user.password_changed or time.parse(user.password_changed) < time.parse(h.since) then
      fail("refused", user.login .. ": the password was not renewed since " .. h.since .. ": do that first")
    end
  end
  return held
end

---Everything that is to be lifted, the newest hold first.  A file's hold may be known by either of its hashes.
local function collect(input)
  local out, seen = {}, {}
  local function add(held)
    for _, h in ipairs(held) do
      local which = h.run .. " " .. h.step
      if not seen[which] then out[#out + 1] = h end
      seen[which] = true
    end
  end
  if input.user then
    local user = only(okta.users { login = resolve.okta(input.user) }, "Okta user")
    add(check_password(user, holds_of("okta:user:" .. user.id)))
  end
  if input.device then
    add(check_verdict(input, holds_of("visionone:host:" .. resolve.visionone(input.device).id:lower())))
  end
  if input.sha256 then
    add(check_verdict(input, holds_of(input.sha256)))
    local sha1 = (verdict_on(input.sha256) or {}).sha1     -- a vendor may know the file by that one
    if sha1 then add(check_verdict(input, holds_of(sha1))) end
  end
  table.sort(out, function(a, b) return time.parse(a.since) > time.parse(b.since) end)
  return out
end

local function title_of(input, held)
  local what = {}
  if input.user then what[#what + 1] = resolve.told(input.user) end
  if input.device then what[#what + 1] = input.device.hostname or "the host" end
  if input.sha256 then what[#what + 1] = input.sha256 end
  local by = input.benign_by and ", clean says " .. input.benign_by or ""
  return ("Give back what %d acts took from %s%s"):format(#held, table.concat(what, ", "), by)
end

return playbook {
  name    = "t1059.restore",
  summary = "Give back what was confined in error or is clean again",
  stage   = "restore",
  attack  = { "T1059" },
  d3fend  = { "D3-RF", "D3-RNA", "D3-RUAA" },
  uses    = { "okta.users", "visionone.endpoint", "crowdstrike.host", "ledger.lift" },
  input   = { user = "user?", device = "device?", sha256 = "sha256?", benign_by = "string?" },

  run = function(input)
    if not (input.user or input.device or input.sha256) then
      fail("bad_argument", "restore wants a user, a device or a sha256: nothing says what to give back")
    end
    local held = collect(input)
    if #held == 0 then fail("nothing_to_restore", "nothing of it is held by us") end
    local out = approved({ title = title_of(input, held), detail = held, expires = "8h" }, function()
      return map(held, function(h) return ledger.lift(h) end, { name = "hold", key = "step", concurrency = 1 })
    end)
    local lifted = 0
    for i, o in ipairs(out) do
      if o.ok then lifted = lifted + 1 end
      if not o.ok then not_done("lift " .. held[i].facet .. " of " .. held[i].entity, o.error.message) end
    end
    return { lifted = lifted, held = #held }
  end,
}
