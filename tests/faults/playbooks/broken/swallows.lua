-- swallows.lua: a playbook that is wrong: what fails within it is told to nobody.
local okta = require "connectors.okta"

return playbook {
  name    = "broken.swallows",
  summary = "Move somebody into the restricted group, and say that it went well whatever happened",
  uses    = { "okta.users", "okta.groups", "okta.add_to_group", "okta.clear_sessions" },

  run = function()
    local user  = only(okta.users { login = "pgustavo@theshire.example" })
    local group = only(okta.groups { name = "ir-restricted", type = "OKTA_GROUP" })
    try(okta.add_to_group, { group = group.id, user = user.id })
    okta.clear_sessions { user = user.id }
    return { user = user.login }
  end,
}
