-- wants.lua: begun by each alert.

local acme = require "connectors.acme"

return playbook {
  name    = "hostile.wants",
  summary = "Is begun by an alert",
  uses    = { "acme" },
  input   = { alert = "alert" },
  on      = function(alert) return alert.source == "falco" end,

  run = function(input)
    acme.ticket { title = "alert " .. input.alert.id }
    store.incr "n/wants"
    acme.mark { id = input.alert.id, mark = input.alert.title }
  end,
}
