-- joins.lua: a run for each host, which its further alerts join; says which it has taken.

return playbook {
  name    = "hostile.joins",
  summary = "Is begun by the first alert of a host",
  uses    = {},
  input   = { alert = "alert", quiet = "duration = 4m" },
  on      = function(alert) return alert.source == "falco" end,
  key     = function(alert) return alert.device.hostname end,

  run = function(input)
    local ids = {}
    while true do
      local alert = try(await_signal, "alert", { timeout = input.quiet })
      if not alert then return { ids = ids } end
      ids[#ids + 1] = alert.id
      store.incr "n/joins"
    end
  end,
}
