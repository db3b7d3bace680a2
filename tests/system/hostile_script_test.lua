-- hostile_script_test.lua: scripts that try to get out of their box: to lend their code another playbook's rights,
-- to be taken for something else in the journal, or to live on after their end.
local sys = dofile "tests/system/harness.lua"
local eq, has, hasnt = sys.eq, sys.has, sys.hasnt

local CONF = [[return { scripts = { "scripts", "%s/scripts" }, limits = { cpu = "300ms", memory = "8MiB" } }]]
local USES = 'uses = { "okta", "crowdstrike", "visionone", "t1059.*", "wide", "file" },'

-- Runs a playbook of this body against simulators.
local function run(t, name, body, ...)
  t:write("lunette.conf.lua", CONF:format(sys.root))
  t:playbook(name, body, USES)
  return t:run { "run", name, "--sim", "--approve", "all", "--json", ... }
end

local function completed(t, name, body, ...)
  local r = run(t, name, body, ...)
  eq(r.code, 0, "exit status (" .. r.err:sub(1, 500) .. ")")
  return r.doc()
end

local function names(doc)
  local out = {}
  for _, s in ipairs(doc.steps) do
    assert(not out[s.name], "two steps are called " .. s.name)
    out[s.name] = s
  end
  return out
end

-- Rights --------------------------------------------------------------------------------------------------

sys.test("what all scripts share cannot be changed, by any way", function(t)
  local doc = completed(t, "tamper", [[
    local okta, json = require "connectors.okta", require "json"
    local function no(fn, ...)
      local ok, why = pcall(fn, ...)
      assert(not ok and tostring(why):find "cannot be assigned", tostring(why))
    end
    for _, lib in ipairs { string, table, math, utf8, coroutine, okta, json, log, store, attack, d3fend, run } do
      local name = next({}) or "format"
      for key in pairs(lib) do name = key break end
      no(function() lib[name] = print end)
      no(function() lib.new = print end)
      no(rawset, lib, name, print)
      assert(not pcall(setmetatable, lib, {}))
      assert(getmetatable(lib) == false)
      local _, copy = pairs(lib)
      copy[name] = nil
      assert(lib[name] ~= nil)
    end
    assert(getmetatable "" == false)
    no(rawset, _ENV, "map", print)
    assert(not pcall(function() map = print end))
    assert(not pcall(function() newglobal = 1 end))
    assert(run.id ~= nil and ("%d"):format(1) == "1")
    return "as before"]])
  eq(doc.result, "as before")
end)

sys.test("a stage gets plain data: a caller's function or metatable does not run with its rights", function(t)
  t:write("scripts/wide.lua", [[return playbook { name = "wide", summary = "a test",
    uses = { "okta.clear_sessions" }, input = { thing = "table" },
    run = function(input) return { kind = input.thing.kind, meta = getmetatable(input.thing) ~= nil } end }]])
  t:write("lunette.conf.lua", CONF:format(sys.root))
  t:playbook("narrow", [[
    local function evil() require("connectors.okta").clear_sessions { user = "00u1" } return "mine" end
    local a = stage("wide", { thing = setmetatable({ n = 1 }, { __index = evil }) })
    local b = stage("wide", { thing = { kind = evil } })
    local c = stage("wide", { thing = { n = coroutine.create(evil) } })
    return { a = a, b = b or "refused", c = c or "refused" }]], 'uses = { "wide" },')
  local doc = t:run { "run", "narrow", "--sim", "--approve", "all", "--json" }.doc()
  eq(doc.result.a.kind, nil, "the member that only a metatable has")
  eq(doc.result.a.meta, false, "a metatable came along")
  eq(doc.result.b, "refused")
  eq(doc.result.c, "refused")
  eq(#doc.steps, 0, "steps")
  has(doc.stages[#doc.stages].why, "cannot be stored")
end)

sys.test("a module that the caller has changed is not the one that a stage gets", function(t)
  t:write("scripts/helper.lua", [[return { name = function() return "honest" end }]])
  t:write("scripts/wide.lua", [[local helper = require "helper"
    return playbook { name = "wide", summary = "a test", uses = { "okta.clear_sessions" },
      run = function() return { helper.name(), require("helper").name() } end }]])
  local doc = completed(t, "poison", [[
    require("helper").name = function() return "changed" end
    local got = stage("wide", {})
    return { got[1], got[2], require("helper").name() }]])
  eq(table.concat(doc.result, " "), "honest honest changed")
end)

sys.test("an operation that `uses` does not name is refused, however it is come by", function(t)
  t:write("lunette.conf.lua", CONF:format(sys.root))
  t:playbook("narrow", [[
    local okta = require "connectors.okta"
    local out = {}
    local function try_it(fn) local ok, why = pcall(fn) out[#out + 1] = ok and "done" or why.code end
    try_it(function() return okta.users { login = "a@b.example" } end)
    try_it(function() return okta.add_to_group { group = "g", user = "u" } end)
    try_it(coroutine.wrap(function() return okta.add_to_group { group = "g", user = "u" } end))
    try_it(function() for u in each(okta.groups, { name = "x" }) do end end)
    try_it(function() return require("connectors.visionone").isolate { host = "x" } end)
    try_it(function() return require("file").write { path = "/tmp/x", data = "x" } end)
    try_it(function() return stage("t1059.isolate", {}) end)
    out[#out + 1] = map({ 1 }, function() return okta.add_to_group { group = "g", user = "u" } end)[1].error.code
    return out]], 'uses = { "okta.users" },')
  local doc = t:run { "run", "narrow", "--sim", "--json" }.doc()
  eq(table.concat(doc.result, " "), "done refused refused refused refused refused refused refused")
  eq(#doc.steps, 1, "steps")
end)

sys.test("a script's module cannot stand in for a connector or a core library", function(t)
  for _, name in ipairs { "connectors/okta", "json", "crypto", "file", "store" } do
    t:write("scripts/" .. name .. ".lua", "return { users = function() return { 'mine' } end, encode = 'mine' }")
  end
  local doc = completed(t, "shadow", [[
    local json = require "json"
    assert(json.encode { 1 } == "[1]" and type(require("crypto").hash) == "function")
    return #require("connectors.okta").users { login = "pgustavo@theshire.example" }]])
  eq(doc.result, 1)
  eq(doc.steps[1].op, "okta.users")
end)

sys.test("what leads out of the sandbox is not there", function(t)
  local doc = completed(t, "absent", [[
    for _, name in ipairs { "load", "loadstring", "loadfile", "dofile", "os", "io", "debug", "package",
                            "collectgarbage", "_G", "newproxy", "warn" } do
      assert(not pcall(function() return _ENV[name] end), name)
    end
    assert(string.dump == nil)
    for _, event in ipairs { "__gc", "__mode" } do
      assert(not pcall(setmetatable, {}, { [event] = function() end }), event)
    end
    for _, name in ipairs { "../lunette.conf", "a/b", "/etc/passwd", "x\0y", "json\0", "connectors.../okta", "",
                            "connectors.okta\0", ".", "..", "connectors." } do
      assert(not pcall(require, name), name)
    end
    return "nothing"]])
  eq(doc.result, "nothing")
end)

-- Names ---------------------------------------------------------------------------------------------------

sys.test("no two steps share a name, and none is the core's", function(t)
  local doc = completed(t, "names", [[
    local okta = require "connectors.okta"
    local function ask(as) return okta.users { login = "pgustavo@theshire.example", as = as } end
    ask()
    assert(not pcall(ask, "run.cancel"))
    ask "okta.users#1"
    ask "a\0b"
    ask "a\0c"
    ask "a/step#1"
    assert(not pcall(ask, "a/step#1"))
    step("a/step", function() return 1 end)
    step("a/step", function() return 2 end)
    step("run.cancel", function() return 3 end)
    parallel { a = function() step("step", function() return 4 end) ask "b" end }
    map({ "a", "a", "a~2", "a~2", "a" }, function() return ask() end, { name = "m" })
    map({ "k" }, function() return ask() end, { name = "x/y" })
    parallel { x = function() return map({ "k" }, function() return ask() end, { name = "y" }) end }
    return "done"]])
  eq(doc.result, "done")
  local n = 0
  for _ in pairs(names(doc)) do n = n + 1 end
  eq(n, #doc.steps, "different names")
end)

sys.test("a step with a cancel's name does not cancel the run when it is taken up again", function(t)
  t:write("lunette.conf.lua", CONF:format(sys.root))
  t:playbook("cancel", [[
    local okta = require "connectors.okta"
    pcall(okta.users, { login = "pgustavo@theshire.example", as = "run.cancel" })
    approve { title = "Go on?" }
    return "went on"]], USES)
  local r = t:expect(3, { "run", "cancel", "--sim", "--json" })
  t:expect(0, { "approve", r.doc().waiting.id })
  eq(t:expect(0, { "resume", r.doc().run, "--sim", "--json" }).doc().result, "went on")
end)

-- Arguments that lie --------------------------------------------------------------------------------------

sys.test("an argument's metatable is not asked: what was checked is what is sent", function(t)
  local doc = completed(t, "proxy", [[
    local okta, n = require "connectors.okta", 0
    local liar = setmetatable({ login = "pgustavo@theshire.example" }, {
      __index = function(_, k) n = n + 1 return k == "login" and "x@y" .. n or error("asked for " .. k) end,
      __pairs = function() error "asked for pairs" end, __len = function() error "asked for len" end })
    local found = okta.users(liar)
    local hidden = pcall(okta.users, setmetatable({}, { __index = { login = "pgustavo@theshire.example" } }))
    return { #found, hidden, n }]])
  eq(doc.result[1], 1)
  eq(doc.result[2], false, "a member that only a metatable has")
  eq(doc.result[3], 0, "metamethods that ran")
end)

sys.test("a word that raised half-way leaves nothing behind that a later step would wait for", function(t)
  local doc = completed(t, "halfway", [[
    local okta = require "connectors.okta"
    local bomb = setmetatable({}, { __index = function() error "half-way" end })
    for _ = 1, 20 do
      assert(not pcall(map, { bomb }, print))
      assert(not pcall(map, { 1, 2 }, print, { name = bomb }))
      assert(not pcall(approve, bomb))
      assert(not pcall(ask, setmetatable({ title = "x" }, getmetatable(bomb))))
      assert(not pcall(okta.users, { login = {} }))
    end
    return #okta.users { login = "pgustavo@theshire.example" }]])
  eq(doc.result, 1)
end)

-- Ends ----------------------------------------------------------------------------------------------------

local KILLED = {
  ["loops for ever"] = { "cpu", [[while true do end]] },
  ["catches for ever"] = { "cpu", [[while true do pcall(function() while true do end end) end]] },
  ["catches in coroutines"] = { "cpu", [[
    local co = coroutine.wrap(function() while true do pcall(function() while true do end end) end end)
    while true do pcall(co) end]] },
  ["loops in gsub's function"] = { "cpu", [[("x"):gsub(".", function() while true do end end)]] },
  ["loops in __tostring"] = { "cpu", [[tostring(setmetatable({}, { __tostring = function() while true do end end }))]] },
  ["loops in a message handler"] = { "cpu", [[xpcall(error, function() while true do end end)]] },
  ["loops in __close, closing"] = { "cpu", [[
    local co = coroutine.create(function()
      local x <close> = setmetatable({}, { __close = function() while true do end end })
      coroutine.yield()
    end)
    coroutine.resume(co) coroutine.close(co)]] },
  ["loops in sort's comparison"] = { "cpu", [[table.sort({ 3, 1, 2 }, function() while true do end end)]] },
  ["loops in an argument's __index"] = { "cpu", [[
    map({ setmetatable({}, { __index = function() while true do end end }) }, print)]] },
  ["has a pattern that never ends"] = { "cpu", [[("a"):rep(40):find(("a*"):rep(30) .. "b")]] },
  ["goes round by goto"] = { "cpu", [[::again:: goto again]] },
  ["hoards texts"] = { "memory", [[local t = {} for i = 1, 1e9 do t[i] = ("x"):rep(1000) .. i end]] },
  ["repeats a text"] = { "memory", [[local n = #("x"):rep(1e10)]] },
  ["doubles a text, and catches"] = { "memory", [[
    while true do pcall(function() local s = "x" while true do s = s .. s end end) end]] },
  ["calls itself through __index"] = { "stack", [[
    local t, m = {}, {}
    m.__index = function(_, k) return t[k .. "x"] end
    setmetatable(t, m)
    pcall(function() return t.x end)]] },
  ["fails in failing"] = { "stack", [[local function h() error "again" end xpcall(error, h, "x")]] },
}

for what, case in pairs(KILLED) do
  sys.test("ended, with the line, and for good: a script that " .. what, function(t)
    local r = run(t, "hostile", case[2] .. "\nreturn 'alive'")
    local doc = r.doc()
    eq(doc.state, "failed", "state")
    eq(r.code, 1, "exit status")
    eq(doc.error.code, case[1])
    has(doc.error.message, "scripts/hostile.lua:")
    has(t:expect(0, { "runs" }).out, "failed")
    t:expect(1, { "resume", doc.run, "--sim" })
  end)
end

sys.test("a dying script's __close asks for nothing", function(t)
  local doc = run(t, "dying", [[
    local okta = require "connectors.okta"
    local x <close> = setmetatable({}, { __close = function() okta.users { login = "late@b.example" } end })
    pcall(function() while true do end end)
    okta.users { login = "later@b.example" }]]).doc()
  eq(doc.error.code, "cpu")
  eq(#doc.steps, 0, "steps")
end)

sys.test("an error object's metamethods do not run outside of the script's turn", function(t)
  for _, body in ipairs {
    [[error(setmetatable({}, { __index = function() while true do end end, __tostring = function() while true do end end }))]],
    [[error(setmetatable({ code = "x" }, { __index = error, __name = {}, __len = error, __pairs = error, __eq = error }))]],
    [[map({ 1 }, function() error(setmetatable({}, { __index = function() while true do end end })) end, { on_error = "stop" })]],
    [[await_until(function() error(setmetatable({}, { __index = function() while true do end end })) end)]],
    [[return setmetatable({ a = 1 }, { __index = error, __len = error, __pairs = function() while true do end end })]] } do
    local r = run(t, "objects", body)
    assert(r.code == 0 or r.code == 1, r.err)
    assert(r.doc().state == "failed" or r.doc().state == "completed")
  end
end)

sys.test("what cannot be kept is an error of the script, not of the core", function(t)
  for what, body in pairs {
    ["a function"] = [[return print]], ["a thread"] = [[return { coroutine.create(print) }]],
    ["contains itself"] = [[local t = {} t.t = t return t]],
    ["nested deeper"] = [[local t = {} local u = t for _ = 1, 1e4 do u.a = {} u = u.a end return t]],
    ["nested more than"] = [[local function down() return parallel { a = down } end down()]],
    ["items"] = [[local l = {} for i = 1, 100001 do l[i] = i end return map(l, print)]] } do
    local r = run(t, "odd", body)
    eq(r.code, 1, "exit status for " .. what)
    has(r.doc().error.message, what)
  end
end)

sys.test("a declaration with functions in odd places, or none at all, is refused by field", function(t)
  t:write("lunette.conf.lua", CONF:format(sys.root))
  for text, why in pairs {
    ['return playbook { name = function() end, summary = "x", uses = {}, run = print }'] = "'name' must be a string",
    ['return playbook { name = "x", summary = "x", uses = { print }, run = print }'] = "uses[1] must be a text",
    ['return playbook { name = "x", summary = "x", uses = {}, run = print, guard = false }'] = "no field 'guard'",
    ['return playbook { name = "x", summary = "x", run = function() require("connectors.okta").users { login = "a@b" } end }'] =
      "not in `uses`",
    ['return { name = "x", run = print }'] = "returns no playbook",
    ['return setmetatable({}, { __index = function() while true do end end })'] = "returns no playbook",
    ['while true do end'] = "CPU budget",
    ['\27Lua'] = "hostile.lua is compiled",
    ['return playbook { name = "x", summary = "x", uses = {}, run = print }, ('] = "hostile.lua" } do
    t:write("scripts/hostile.lua", text)
    has(t:expect(1, { "run", "hostile", "--sim" }).err, why)
  end
end)

sys.test("a trigger that loops, acts or fails does not hold up the others", function(t)
  t:write("lunette.conf.lua", CONF:format(sys.root))
  local on = { loops = "while true do end", fails = "error 'x'", hoards = "return ('x'):rep(1e10) ~= nil",
               acts = "return require('connectors.okta').users { login = 'a@b.c' }", good = "return true" }
  for name, body in pairs(on) do
    t:write("scripts/on" .. name .. ".lua", ([[return playbook { name = "on%s", summary = "x", uses = { "okta" },
      input = { alert = "alert" }, on = function(alert) %s end, run = function() end }]]):format(name, body))
  end
  local alert = sys.slurp(sys.root .. "/tests/fixtures/alerts/windows/nxlog_sysmon1_wscript_launcher_vbs.json")
  local r = t:run { "alert", "-", stdin = alert }
  local triggers = table.concat(r.doc().triggers, " ")
  has(triggers, "ongood")
  hasnt(triggers, "onloops")
  hasnt(triggers, "onacts")
  eq(#r.doc().missed, 4, "triggers that could not be asked")
end)

sys.done()
