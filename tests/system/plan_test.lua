-- plan_test.lua: a plan decides nothing on what a planned write has not answered.  Wherever a value decides
-- something (a condition, a comparison, a key, a library's function) an opaque one ends the branch, and the
-- error names the step that would tell; it may be passed on, stored and shown; nothing catches it; and
-- --assume answers in its place.
--
-- Run from the root of the tree:   lua5.4 tests/system/plan_test.lua

local sys = dofile "tests/system/harness.lua"
local eq, has = sys.eq, sys.has

-- A playbook whose `x` is a planned indicator: x.id is opaque, x.type is known.
local function playbook(t, body)
  t:playbook("p", [[
    local falcon = require "connectors.crowdstrike"
    local x = falcon.create_ioc { sha256 = ("a"):rep(64), action = "prevent", filename = "f", description = "d" }
    local id = x.id
]] .. body, 'uses = { "crowdstrike" },')
end

local function plan(t, body, more)
  playbook(t, body)
  local args = { "run", "p", "--plan", "--sim", "--json" }
  for _, a in ipairs(more or {}) do args[#args + 1] = a end
  return t:run(args)
end

-- Runs each text as a function of its own, and says which error it ended with, or "ok".
local function each_of(t, texts)
  local parts = {}
  for i, text in ipairs(texts) do parts[i] = "function()\n" .. text .. "\nend" end
  local r = plan(t, "local fs = { " .. table.concat(parts, ",\n") .. " }\n"
    .. "local out = {} for i, o in ipairs(map(fs, function(f) f() end)) do\n"
    .. "out[i] = { ok = o.ok, code = o.error and o.error.code } end return out")
  eq(r.code, 0, "the exit status (" .. r.out:sub(1, 2000) .. r.err:sub(1, 2000) .. ")")
  local ended, codes = {}, {}
  for _, u in ipairs(r.doc().unknown) do ended[u.branch] = true end
  for i, o in ipairs(r.doc().result) do
    local unknown = o.ok == "⟨unknown⟩"
    eq(ended["map/" .. i] or false, unknown, "told of " .. texts[i])
    codes[i] = unknown and "unknown" or o.ok and "ok" or o.code
  end
  return codes
end

sys.test("wherever an opaque value would decide, the branch ends", function(t)
  local texts = {
    "if id then end", "if not id then end", "if x.type and id then end", "while id do end", "repeat until id",
    "return id == 'ab'", "return 'ab' ~= id", "return id == nil", "return id < 1", "return id >= id",
    "return id and 1",
    "return id or 1", "local t = {} return t[id]", "return { [id] = 1 }", "for _ = 1, id do end",
    "for _ in pairs(id) do end",
    "for _ in ipairs(id) do end", "return id .. 'x'", "return id + 1", "return #id", "return id.x",
    "return id:lower()",
    "return id()", "return -id", "id.x = 1",
    "return type(id)", "return tonumber(id)", "return rawequal(id, 1)", "return assert(id)",
    "return math.type(id)",
    "return math.floor(id)", "return string.upper(id)", "return ('x'):rep(id)", "return ('x'):find(id)",
    "return utf8.len(id)",
    "return contains({ 1, 2 }, id)", "return contains({ id }, 1)", "return only(id)",
    "return where({ 1 }, function() return id end)",
    "table.sort({ 2, 1 }, function() return id end)", "sleep(id)",
    "map(id, print)", "local function f(...) if ... then end end f(id)",
    "return (function(...) return ... == 1 end)(id)",
    "local co = coroutine.wrap(function() if id then end end) co()",
    "return #falcon.hosts { id = id }", "return falcon.host { id = id }.hostname",
    "return await_until(function() return id == 1 end).x",
  }
  for i, code in ipairs(each_of(t, texts)) do eq(code, "unknown", texts[i]) end
end)

sys.test("it may be passed on, stored and shown", function(t)
  local texts = {
    "local y = id return { y, z = y }", "return x.type and id", "return x.type == 'sha256'",
    "local t = {} t.id = id t[1] = id return t",
    "return tostring(id)", "return ('%s'):format(id)", "local function f(...) return ... end return f(id)",
    "evidence('indicator', x)", "return select('#', id) == 1", "return table.pack(id)", "print(id)",
    "local t = { b = 1 } if t.b == 1 and not t.c then return id end", "require('store').set('k', { id })",
  }
  for i, code in ipairs(each_of(t, texts)) do eq(code, "ok", texts[i]) end
end)

sys.test("nothing catches it", function(t)
  local texts = {
    "return pcall(function() if id then end end)", "return try(function() if id then end end)",
    "return xpcall(function() return id == 1 end, function() return 'mine' end)",
    "return pcall(string.rep, 'x', id)",
    "return coroutine.resume(coroutine.create(function() return id < 1 end))",
    "return try(function() return falcon.host { id = id }.hostname end)", "return try(pcall, function() return #id end)",
  }
  for i, code in ipairs(each_of(t, texts)) do eq(code, "unknown", texts[i]) end
  for _, code in ipairs(each_of(t, { "return try(string.format, '%d', id)",
    "return pcall(table.concat, id)" })) do
    assert(code ~= "ok", "caught")
  end
  local others = { "assert(not pcall(error, 'x'))",
    "local v, e = try(fail, 'mine', 'm') assert(v == nil and e.code == 'mine')",
                   "assert(select(2, xpcall(error, function(e) return 'handled ' .. e end, 'x')) == 'handled x')",
                   "assert(pcall(function() return sleep(1) == nil end))",
                   "assert(not coroutine.resume(coroutine.create(error)))" }
  for i, code in ipairs(each_of(t, others)) do eq(code, "ok", others[i]) end
end)

sys.test("the error names the step, the line, and what to do; --assume does it", function(t)
  local body = "if id == 'ab' then return 'it was' end return 'it was not'"
  local r = plan(t, body)
  eq(r.code, 0, "a plan that needs to know more has not failed")
  local doc = r.doc()
  eq(doc.state, "completed")
  eq(doc.outcome, "partial")
  eq(doc.result, "⟨unknown⟩")
  eq(#doc.unknown, 1)
  local why = doc.unknown[1].why
  has(why, "the indicator's id before crowdstrike.create_ioc#1 is done")
  has(why, "--assume 'crowdstrike.create_ioc#1=JSON'")
  has(doc.unknown[1].at, "scripts/p.lua:6")
  for _, name in ipairs { "crowdstrike.create_ioc#1", "crowdstrike.create_ioc" } do
    eq(plan(t, body, { "--assume", name .. '={"id":"ab"}' }).doc().result, "it was")
  end
  eq(plan(t, body, { "--assume", 'crowdstrike.create_ioc={"id":"cd"}' }).doc().result, "it was not")
end)

sys.test("what a change to the store would answer is not known, and named after its step", function(t)
  local r = plan(t, 'local v = require("store").set("k", 1)\nif v == 1 then return "new" end')
  has(r.doc().unknown[1].why, "the answer before store.set#1 is done")
end)

sys.test("a module that the playbook requires is seen through as well", function(t)
  t:write("scripts/site/judge.lua", "return { of = function(v) if v then return 1 end return 2 end }\n")
  local r = plan(t, 'return require("site.judge").of(id)')
  has(r.doc().unknown[1].at, "scripts/site/judge.lua:1")
end)

sys.test("a script that cannot be seen through is not planned, and runs", function(t)
  playbook(t, "local _ENV = { id = id }\nreturn id ~= nil")
  local r = t:run { "run", "p", "--plan", "--sim" }
  eq(r.code, 1)
  has(r.out .. r.err, "scripts/p.lua:6:7: a script with an _ENV of its own cannot be planned")
  eq(t:expect(0, { "run", "p", "--sim", "--approve", "all", "--json" }).doc().result, true)
end)

sys.test("a real run is not touched: the same script, with the answer", function(t)
  playbook(t, "return { type(id), id == x.id, ({ [id] = 1 })[id] }")
  local r = t:expect(0, { "run", "p", "--sim", "--approve", "all", "--json" })
  local result = r.doc().result
  eq(result[1], "string")
  eq(result[2], true)
  eq(result[3], 1)
end)

-- Time ---------------------------------------------------------------------------------------------------

sys.test("a plan waits for nothing: time passes as it would, and what does not come of itself is unknown", function(t)
  t:playbook("p", [[
    local began, order, there = now(), {}, nil
    parallel {
      a = function() sleep "2h" there = "it" order[#order + 1] = "a" end,
      b = function()
        local it = await_until(function() return there end, { timeout = "1d" })
        order[#order + 1] = it
      end,
      c = function() sleep "10m" order[#order + 1] = "c" end,
    }
    local n, till = 0, now() + 600
    while now() < till do n = n + 1 sleep "1m" end
    local never = await_until(function() return nil end, { every = "1s", timeout = "7d" })
    return { order = table.concat(order, " "), n = n, never = never,
             late = now() - began >= 7800 and now() - began < 8400 }
  ]], "uses = {},")
  local doc = t:expect(0, { "run", "p", "--plan", "--json" }).doc()
  eq(doc.result.order, "c a it")
  eq(doc.result.n, 10)
  eq(doc.result.late, true)
  eq(doc.result.never, "⟨unknown⟩")
  has(t:expect(0, { "replay", "last" }).out, "replayed")
  t:playbook("p", [[while true do try(sleep, "1d") end]], "uses = {},")
  doc = t:expect(0, { "run", "p", "--plan", "--json" }).doc()
  has(doc.unknown[1].why, "a plan looks no further than 1000 waits ahead")
end)

-- What a whole branch would have come to -----------------------------------------------------------------

sys.test("a branch that ends is unknown to its parent, has not failed, and stops no other", function(t)
  t:write("scripts/s.lua", [[
    return playbook { name = "s", summary = "a stage", uses = { "crowdstrike" }, input = { id = "string" },
      run = function(input) if input.id == "x" then return 1 end return 2 end }
  ]])
  playbook(t, [[
    local out = {}
    local got = parallel {
      stuck = function() if id then return 1 end end,
      fine = function() sleep "10s" return "went on" end,
    }
    out.fine, out.stuck = got.fine, got.stuck
    out.stage = stage("s", { id = id })
    out.asked = ask { title = "which?", options = { "a", "b" } }
    out.when = stage("s", { id = "x" }, { when = function() return id == "x" end, otherwise = 3 })
    out.skipped = stage("s", { id = "x" }, { when = function() return false, "no need" end, otherwise = 4 })
    out.off = stage("s", { id = "x" }, { when = false, why = "never", otherwise = 5 })
    out.done = stage("s", { id = "x" }, { when = function() return true end })
    out.failed = stage("s", {}, { otherwise = 6 })
    return out
  ]])
  t:write("scripts/p.lua", (t:read "scripts/p.lua":gsub('uses = { "crowdstrike" }', 'uses = { "crowdstrike", "s" }')))
  local doc = t:expect(0, { "run", "p", "--plan", "--sim", "--json" }).doc()
  for _, name in ipairs { "stuck", "stage", "asked", "when" } do eq(doc.result[name], "⟨unknown⟩", name) end
  eq(doc.result.fine, "went on")
  eq(doc.result.skipped, 4)
  eq(doc.result.off, 5)
  eq(doc.result.done, 1)
  eq(doc.result.failed, 6)
  eq(#doc.not_done, 0, "not done")
  eq(doc.outcome, "partial")
  local seen = {}
  for _, u in ipairs(doc.unknown) do
    seen[#seen + 1] = u.branch
    has(u.why, "create_ioc#1")
  end
  eq(table.concat(seen, " "), "stuck s s~2")
end)

sys.test("a write of what is not known yet is planned, and says what is missing; approved does not ask for it",
         function(t)
  t:playbook("p", [[
    local falcon = require "connectors.crowdstrike"
    approved({ title = "both" }, function()
      local x = falcon.create_ioc { sha256 = ("a"):rep(64), action = "prevent", filename = "f", description = "d" }
      falcon.delete_iocs { ids = { x.id }, value = ("a"):rep(64) }
    end)
  ]], 'uses = { "crowdstrike" },')
  local doc = t:expect(0, { "run", "p", "--plan", "--sim", "--json" }).doc()
  local step = doc.steps[2]
  eq(step.op, "crowdstrike.delete_iocs")
  eq(step.state, "planned")
  has(step.would.unknown, "the indicator's id before")
  eq(doc.outcome, "complete")
  has(t:expect(0, { "run", "p", "--plan", "--sim" }).out, "ioc: ? → absent  (with what is not known yet)")
  doc = t:expect(0, { "run", "p", "--sim", "--approve", "all", "--json" }).doc()
  eq(#doc.approvals, 2)
  eq(#doc.approvals[1].effects, 1, "what was shown")
  eq(doc.steps[#doc.steps].state, "done")
end)

sys.test("a guard that would refuse is exit status 1", function(t)
  t:playbook("p", [[
    try(require "connectors.crowdstrike".create_ioc,
      { sha256 = ("a"):rep(64), action = "prevent", filename = "powershell.exe", description = "d" })
  ]], 'uses = { "crowdstrike" },')
  eq(t:expect(1, { "run", "p", "--plan", "--sim", "--json" }).doc().steps[1].state, "refused")
end)

-- A whole response ----------------------------------------------------------------------------------------

local ALERTS = sys.root .. "/tests/fixtures/alerts/windows/"

local function respond(t, alert, ...)
  local doc = t:expect(0, { "run", "t1059.respond", "--plan", "--sim", "--json", "--input", ALERTS .. alert,
                            "--set", "confirmed_by=alice", ... }).doc()
  local stages, writes = {}, {}
  for _, s in ipairs(doc.stages) do
    stages[#stages + 1] = s.stage .. " " .. s.state
  end
  for _, s in ipairs(doc.steps) do
    if s.class == "write" then
      assert(s.state == "planned" or s.state == "unchanged", s.name .. " is " .. s.state)
      writes[#writes + 1] = s.op
    end
  end
  table.sort(stages)
  return doc, table.concat(stages, ", "), " " .. table.concat(writes, " ") .. " "
end

local ENCODED, SCRIPT = "nxlog_sysmon1_powershell_enc_huge.json", "nxlog_sysmon1_wscript_launcher_vbs.json"

sys.test("a response is planned as far as its verdict, and the rest says what it needs", function(t)
  for _, alert in ipairs { ENCODED, SCRIPT } do
    local doc, stages, writes = respond(t, alert)
    eq(stages, "deceive unknown, detect planned, evict unknown, harden planned, isolate unknown, model planned")
    for _, op in ipairs { "qualys.launch_scan", "crowdstrike.submit", "okta.add_to_group", "okta.remove_from_group" } do
      has(writes, " " .. op .. " ")
    end
    eq(#doc.not_done, 0)
    eq(#doc.unknown, 3)
    for _, u in ipairs(doc.unknown) do has(u.why, "--assume 'host/detect/crowdstrike.analyse#1=JSON'") end
  end
end)

sys.test("with the verdict assumed it is planned to its end", function(t)
  local malicious = { "--assume", 'crowdstrike.analyse={"id":"r","verdict":"malicious"}' }
  local _, stages, writes = respond(t, SCRIPT, table.unpack(malicious))
  eq(stages, "deceive planned, detect planned, evict planned, harden planned, isolate planned, model planned")
  for _, op in ipairs { "visionone.block", "crowdstrike.rtr_kill", "visionone.isolate", "visionone.watch",
                        "crowdstrike.create_ioc", "crowdstrike.rtr_rm" } do
    has(writes, " " .. op .. " ")
  end
  _, stages, writes = respond(t, ENCODED, table.unpack(malicious))
  eq(stages, "deceive planned, detect planned, evict skipped, harden planned, isolate planned, model planned")
  sys.hasnt(writes, "visionone.block")
end)

sys.done()
