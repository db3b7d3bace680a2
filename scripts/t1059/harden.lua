-- harden.lua: confines the account of somebody whom a person has confirmed to be compromised: into the
-- restricted group, out of all sessions, and, once that was approved, out of the privileged groups.  D3FEND
-- 1.x files User Account Permissions (D3-UAP) under Isolate; the stage keeps the name that responses have for
-- it.

local okta    = require "connectors.okta"
local resolve = require "t1059.resolve"

local function names(groups)
  local out = {}
  for i, g in ipairs(groups) do out[i] = g.name end
  return table.concat(out, ", ")
end

return playbook {
  name    = "t1059.harden",
  summary = "Confine a confirmed compromised account to the restricted group",
  stage   = "harden",
  attack  = { "T1059" },
  d3fend  = { "D3-UAP", "D3-ST" },
  uses    = { "okta.users", "okta.groups", "okta.user_groups", "okta.add_to_group", "okta.remove_from_group",
              "okta.clear_sessions" },
  input   = { user = "user", confirmed_by = "string", group = "string", privileged = "[string] = []" },

  run = function(input)
    if not input.confirmed_by:find "%S" then fail("bad_argument", "confirmed_by names who says so: nobody does") end
    local user   = only(okta.users { login = resolve.needed(resolve.okta, input.user) }, "Okta user")
    local target = only(okta.groups { name = input.group, type = "OKTA_GROUP" }, "group " .. input.group)
    local before = okta.user_groups { user = user.id }
    evidence("groups before", before)

    okta.add_to_group { group = target.id, user = user.id }      -- "unchanged" if it is so already
    okta.clear_sessions { user = user.id, oauth_tokens = true }

    local leave = where(before, function(g) return contains(input.privileged, g.name) end)
    local title = "Take " .. user.login .. " out of privileged groups: " .. names(leave)
    local out = approved({ title = title, expires = "1h" }, function()
      return map(leave, function(g) return okta.remove_from_group { group = g.id, user = user.id } end,
                 { name = "group" })
    end)
    for _, o in ipairs(out) do
      if not o.ok then not_done("take " .. user.login .. " out of " .. o.item.name, o.error.message) end
    end
    return { user = user.login, confirmed_by = input.confirmed_by, group = target.name,
             before = names(before), after = names(okta.user_groups { user = user.id }) }
  end,
}
