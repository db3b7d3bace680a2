-- ask.lua: people: questions, answers that expire, a quorum, and writes that are approved as they were shown.

local acme = require "connectors.acme"

return playbook {
  name    = "hostile.ask",
  summary = "People say yes, no, or nothing",
  uses    = { "acme" },
  input   = { n = "integer", second = "number = 1" },

  run = function(input)
    local said, ids = {}, {}
    for i = 1, 3 do ids[i] = ("ask-%d-%d"):format(input.n, i) end
    local function told(name, value, why) said[#said + 1] = name .. ": " .. (why and why.code or tostring(value)) end

    local a, no = try(approve, { title = "May it go on?", expires = 1800 * input.second })
    told("approve", a and a.by, no)
    local b, nobody = try(approve, { title = "Do two agree?", quorum = 2, expires = 600 * input.second })
    told("quorum", b and b.by, nobody)
    local c, silent = try(ask, { title = "Left or right?", options = { "left", "right" }, expires = 300 * input.second })
    told("ask", c and c.answer, silent)
    local out, refused = try(approved, { title = "Lock three, and one of them again", expires = 3600 * input.second }, function()
      local done = map(ids, function(id) return acme.lock { id = id } end, { name = "lock" })
      acme.ticket { title = "locked " .. input.n }
      return done
    end)
    told("approved", out and #out, refused)
    store.incr "n/ask"
    local wiped, kept = try(acme.wipe, { id = ids[1] })
    told("wipe", wiped and wiped.id, kept)
    for _, o in ipairs(out or {}) do
      if not o.ok then not_done("lock " .. o.item, o.error.message, o.item) end
    end
    acme.mail { title = "asked " .. input.n }
    return said
  end,
}
