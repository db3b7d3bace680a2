-- kit.lua: a daemon that takes alerts, and is killed meanwhile; and the judgement afterwards: whatever was answered 202
-- is there once, and was decided once.
--
--   local kit = dofile "tests/crash/alerts/kit.lua" (sys)
--   local world = kit.world(t, FILES)                 templates of these documents; served
--     world.port, world.token, world.templates        the last one: a file, a document a line
--     world:under_fire(command, ready)                runs a client, and kills and serves whenever ready(n) says so
--                                                     of the n-th death, until it is done; its output
--     world.kills
--   kit.verdict(t, world, ids)                        ids: a set of those that were answered 202; figures, or an error
--
-- Which template an alert is of its id says: NAME-N is of the one of the remainder of N.

local templates = dofile "tests/crash/alerts/templates.lua"

return function(sys)
  local kit = {}
  local world = {}
  world.__index = world

  local EACH = [[
return playbook { name = "each", summary = "a run an alert", uses = { "store" }, input = { alert = "alert" },
  on = function() return true end,
  run = function() store.incr "runs" end }
]]
  local JOINS = [[
return playbook { name = "joins", summary = "a run a host", uses = {}, input = { alert = "alert" },
  on  = function(alert) return alert.device and alert.device.hostname ~= nil end,
  key = function(alert) return alert.device.hostname end,
  run = function() await_signal "over" end }
]]
  local COUNT = [[
return playbook { name = "count", summary = "how many were done", uses = { "store" }, input = {},
  run = function() return { runs = (store.get "runs") } end }
]]

  ---The alert NAME-N as its template has it.
  function kit.fill(list, name, n)
    local rule, left = {}, n
    while left > 0 do rule[#rule + 1], left = string.char(97 + left % 26), left // 26 end
    local text = templates.swap(list[n % #list + 1], "@ID@", name .. "-" .. n)
    return templates.swap(text, "@RULE@", name .. "." .. table.concat(rule))
  end

  -- A daemon ------------------------------------------------------------------------------------------------

  local function serve(self)
    self.job = self.t:serve()
    assert(self.t:until_true(function()
      self.port = self.job.seen "err":match "listening on http://[^:]+:(%d+)"
      return self.port
    end), "it does not listen: " .. self.job.seen "err")
  end

  local function configure(t, port)
    t:write("lunette.conf.lua", ('return { scripts = { "scripts" }, listen = "127.0.0.1:%s" }\n'):format(port))
  end

  function kit.world(t, files)
    local self = setmetatable({ t = t, kills = 0 }, world)
    self.templates = t.dir .. "/templates"
    self.n_templates = templates.make(sys.binary, files, self.templates)
    t:write("scripts/each.lua", EACH)
    t:write("scripts/joins.lua", JOINS)
    t:write("scripts/count.lua", COUNT)
    configure(t, 0)
    self.token = t:expect(0, { "token", "add", "client", "--role", "operator" }).out:match "%S+"
    serve(self)
    configure(t, self.port)                               -- from now on the same: its clients come back
    return self
  end

  function world:kill()
    self.job.kill "KILL"
    self.job.wait()
    self.kills = self.kills + 1
    serve(self)
  end

  function world:under_fire(command, ready)
    local t, done, n = self.t, self.t.dir .. "/client.rc", 1
    os.remove(done)
    os.execute(("cd '%s' && { ( %s ) >client.out 2>client.err </dev/null; echo $? >client.rc; } &"):format(t.dir, command))
    repeat
      os.execute "sleep 0.02"
      if not sys.slurp(done) and ready(n) then
        self:kill()
        n = n + 1
      end
    until sys.slurp(done)
    return t:read "client.out", t:read "client.err"
  end

  -- The judgement -------------------------------------------------------------------------------------------

  local function each_line(t, args, fn)
    for line in t:expect(0, args).out:gmatch "[^\n]+" do fn(sys.decode(line)) end
  end

  local function is_decided(t)
    local open = 0
    each_line(t, { "alerts", "--json" }, function(a) open = open + (a.state == "new" and 1 or 0) end)
    return open == 0
  end

  -- Which run an alert started or joined, by playbook; that it did so once is seen here.
  local function runs_of(alert)
    local of = {}
    for _, r in ipairs(alert.runs or {}) do
      assert(not of[r.playbook], alert.id .. " was decided twice")
      assert(r.run, alert.id .. ": " .. r.playbook .. " was " .. r.what)
      of[r.playbook] = r
    end
    return of
  end

  local function look_at(alert, seen, found)
    assert(not seen.id[alert.id], alert.id .. " is there twice")
    seen.id[alert.id] = true
    sys.eq(alert.state, "decided", alert.id)
    local of = runs_of(alert)
    assert(of.each and of.each.what == "started", alert.id .. " began no run")
    assert(not seen.run[of.each.run], "two alerts began run " .. of.each.run)
    seen.run[of.each.run] = true
    local template = tonumber(alert.id:match "%d+$") % found.templates
    if of.joins then
      seen.joined[template] = seen.joined[template] or of.joins.run
      sys.eq(of.joins.run, seen.joined[template], alert.id .. " joined")
      found.joined = found.joined + (of.joins.what == "joined" and 1 or 0)
    end
    found.alerts = found.alerts + 1
  end

  ---Serves once more until all is decided and done, and judges.
  function kit.verdict(t, self, ids)
    local seen = { id = {}, run = {}, joined = {} }
    local found = { templates = self.n_templates, alerts = 0, joined = 0, runs = 0, taken = 0, lost = 0 }
    assert(t:until_true(function() return is_decided(t) end), "not all is decided")
    assert(t:until_true(function()
      return t:expect(0, { "runs", "--json", "--playbook", "each", "--state", "running" }).out == ""
        and t:expect(0, { "runs", "--json", "--playbook", "each", "--state", "waiting" }).out == ""
    end), "not all is done")
    self.job.stop()
    each_line(t, { "alerts", "--json" }, function(a) look_at(a, seen, found) end)
    for id in pairs(ids) do
      found.taken = found.taken + 1
      if not seen.id[id] then found.lost = found.lost + 1 end
    end
    each_line(t, { "runs", "--json", "--playbook", "each" }, function(r)
      sys.eq(r.state, "completed", r.run)
      assert(seen.run[r.run], "run " .. r.run .. " is of no alert")
      found.runs = found.runs + 1
    end)
    sys.eq(found.lost, 0, "how many were answered 202 and are lost")
    sys.eq(found.runs, found.alerts, "how many runs there are")
    sys.eq(t:expect(0, { "run", "count", "--json" }).doc().result.runs, found.runs, "how often one did its work")
    return found
  end

  ---A set of the lines of a file.
  function kit.ids(t, name)
    local out = {}
    for id in (t:read(name) or ""):gmatch "[^\n]+" do out[id] = true end
    return out
  end

  return kit
end
