-- parent.lua: begins other runs, waits for some of them, and speaks with one.

local acme = require "connectors.acme"

return playbook {
  name    = "hostile.parent",
  summary = "Begins runs of its own",
  uses    = { "acme", "hostile.kid" },
  input   = { n = "integer", second = "number = 1" },

  run = function(input)
    local kid = start("hostile.kid", { n = input.n, of = run.id, waits = true })
    local out = parallel({
      one = function() return run_playbook("hostile.kid", { n = input.n, of = run.id }).id end,
      two = function()
        acme.mark { id = "parent-" .. input.n, mark = "two" }
        return run_playbook("hostile.kid", { n = input.n, of = run.id }).id
      end,
      talk = function()
        sleep(40 * input.second)
        signal(kid, "go", input.n)
        return (try(await_signal, "done", { timeout = 10800 * input.second }))
      end,
    }, { on_error = "collect" })
    store.incr "n/parent"
    acme.mail { title = "parent " .. input.n }
    return { one = out.one, two = out.two, talk = out.talk }
  end,
}
