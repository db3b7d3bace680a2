-- undo_test.lua: undo, release and hold over real HTTP, with and without a process that serves the store: what the
-- vendors say afterwards is what they said before; what somebody else holds or changed stays; and it is on record.
local cjson = require "cjson"
local sys = dofile "tests/system/harness.lua"
local eq, has, hasnt = sys.eq, sys.has, sys.hasnt

local ALERT = sys.root .. "/tests/fixtures/alerts/windows/nxlog_sysmon1_wscript_launcher_vbs.json"
local LAUNCHER = "c1dadf9fb8021aa205bd52604c4d7330c5e1251198322ac4b8a093dc23df1a10"
local USER = "pgustavo@theshire.example"

---What an operation that reads answers.
local function read(t, op, args, ...) return t:expect(0, { "call", op, cjson.encode(args), "--json", ... }).doc().result end

local function sorted(list, key)
  local out = {}
  for i, x in ipairs(list) do out[i] = key(x) end
  table.sort(out)
  return table.concat(out, "\n")
end

---What the vendors say of all that a response changes and that can be given back, as one text.
local function world(t)
  local user = read(t, "okta.users", { login = USER })[1]
  local hosts = read(t, "visionone.endpoints", { hostname = "WORKSTATION5" })
  local objects = read(t, "visionone.suspicious_objects", { all = true })
  return table.concat({
    sorted(read(t, "okta.user_groups", { user = user.id }), function(g) return g.name end),
    hosts[1].hostname .. " " .. cjson.encode(read(t, "visionone.isolation", { host = hosts[1].id }).state),
    sorted(objects, function(o) return (o.value or o.sha256 or o.sha1) .. " " .. o.action end),
    sorted(read(t, "crowdstrike.iocs", { sha256 = LAUNCHER }), function(i) return i.value .. " " .. i.action end),
    io.popen(("ls %s/lunette.sim 2>/dev/null"):format(t.dir)):read "a",
  }, "\n--\n")
end

local function respond(t)
  local doc = t:run({ "run", "t1059.respond", "--input", ALERT, "--approve", "all", "--json", "--set", "confirmed_by=alice" })
               .doc()
  eq(doc.state, "completed")
  return doc
end

local function held(t)
  local out = {}
  for line in t:expect(0, { "entity", "--json" }).out:gmatch "[^\n]+" do
    local h = sys.decode(line)
    out[#out + 1] = h.facet .. "=" .. h.state
  end
  return table.concat(out, "\n")
end

---Whether that is on record: the store's file is looked into.
local function audited(t, word)
  return (t:read "lunette.db" .. (t:read "lunette.db-wal" or "")):find(word, 1, true) ~= nil
end

for _, served in ipairs { false, true } do
  local how = served and ", through the process that serves" or ""

  sys.test("a whole response is taken back, and the vendors are as they were" .. how, function(t)
    t:sim { "--speed", "800" }
    local before = world(t)
    local job = served and t:serve()
    local run = respond(t).run
    local during = world(t)
    assert(during ~= before, "the response changed nothing")
    local plan = t:expect(0, { "undo", run, "--plan" })
    has(plan.out, "to be taken back, in this order:")
    eq(world(t), during)
    local r = t:expect(5, { "undo", run, "--approve", "all" })   -- a process stays ended
    eq(world(t), before)
    has(r.out, "cannot be taken back:")
    has(r.out, "an ended process is not started again")
    has(r.out, "the scan has ended; the packets that it sent cannot be taken back")
    has(r.out, "rests on a malicious verdict")
    local doc, undone = t:expect(0, { "show", run, "--json" }).doc(), 0
    for _, s in ipairs(doc.steps) do undone = undone + (s.state == "undone" and 1 or 0) end
    eq(undone, 8)
    for _, h in ipairs(doc.holds) do
      if h.facet == "isolation" then eq(h.status, "released") end
    end
    hasnt(held(t), "isolation")
    has(held(t), "sessions=cleared")                       -- and says so still
    r = t:expect(5, { "undo", run, "--json" }).doc()       -- there is nothing left to ask about
    eq(r.result.lifted, 0)
    if job then eq(job.stop().code, 0) end
  end)
end

sys.test("what rests on a malicious verdict waits for a person, who is not the one who began it", function(t)
  t:sim { "--speed", "800" }
  local run = respond(t).run
  local r = t:expect(3, { "undo", run })
  has(r.err, "waits for approval: lunette approve")
  local id = r.err:match "lunette approve (%d+)"
  has(t:expect(1, { "approve", id }).err, "cannot approve it")
  has(held(t), "isolation=isolated")
  t:expect(1, { "undo", run, "--approve", "deny" })
  has(held(t), "isolation=isolated")
end)

sys.test("a simple act is taken back at once, and audited with whoever wanted it", function(t)
  t:sim()
  local user = read(t, "okta.users", { login = USER })[1].id
  local group = read(t, "okta.groups", { name = "ir-restricted" })[1].id
  t:expect(0, { "call", "okta.add_to_group", "user=" .. user, "group=" .. group, "--act", "--approve", "all" })
  has(held(t), "group:" .. group .. "=member")
  t:expect(0, { "undo", "last" })
  eq(held(t), "")
  eq(t:did "okta.remove_from_group", 1)
end)

---Another store: whoever acts through it is somebody else to the first.
local function somebody_else(t)
  t:write("else.conf.lua", (t:read "sim.conf.lua":gsub("return {", 'return { store = "sqlite:else.db",', 1)))
  return "--config", t.dir .. "/else.conf.lua"
end

sys.test("what somebody changed by hand stays, and is said", function(t)
  t:sim { "--speed", "800" }
  local run = respond(t).run
  local conf, path = somebody_else(t)
  local host = read(t, "visionone.endpoints", { hostname = "WORKSTATION5" })[1].id
  t:expect(0, { "call", "visionone.end_isolation", "host=" .. host, "--act", "--approve", "all", conf, path, conf = true })
  t:expect(0, { "call", "crowdstrike.create_ioc", cjson.encode { sha256 = LAUNCHER, action = "detect" }, "--act",
                "--approve", "all", conf, path, conf = true })
  local r = t:expect(5, { "undo", run, "--approve", "all" })
  has(r.out, '"detect" now, and was set to "prevent": somebody has changed it since')
  eq(read(t, "crowdstrike.iocs", { sha256 = LAUNCHER })[1].action, "detect")
  eq(t:did "visionone.restoreIsolate", 1)                         -- theirs
  hasnt(held(t), "ioc=prevent")                            -- it is not ours any more
end)

sys.test("release lifts what is held of a host, by its name, in every vendor, and wants to know why", function(t)
  t:sim { "--speed", "800" }
  respond(t)
  has(t:expect(2, { "release", "WORKSTATION5" }).err, "release wants --why TEXT")
  has(t:expect(1, { "release", "NOWHERE", "--why", "x" }).err, "nothing called NOWHERE is held")
  has(t:expect(0, { "entity", "workstation5" }).out, "isolation = isolated")
  local job = t:serve()
  local r = t:expect(0, { "release", "WORKSTATION5", "--why", "false alarm, says bob", "--approve", "all" })
  has(r.out, "Release WORKSTATION5: false alarm, says bob, which rests on a malicious verdict")
  hasnt(held(t), "isolation")
  has(held(t), "suspicious=block")                         -- another entity's
  eq(job.stop().code, 0)
  assert(audited(t, '"why":"false alarm, says bob"'), "it is not on record")
end)

sys.test("under freeze it waits; with --despite-freeze it goes on", function(t)
  t:sim()
  local user = read(t, "okta.users", { login = USER })[1].id
  local group = read(t, "okta.groups", { name = "ir-restricted" })[1].id
  t:expect(0, { "call", "okta.add_to_group", "user=" .. user, "group=" .. group, "--act", "--approve", "all" })
  local run = t:expect(0, { "runs", "--json" }).out:match '"run":"(%w+)"'
  t:expect(0, { "freeze", "--why", "drill" })
  local job = t:serve()
  local r = t:expect(3, { "undo", run })
  has(r.err, "frozen")
  has(held(t), "member")
  t:expect(0, { "undo", run, "--despite-freeze" })
  eq(held(t), "")
  eq(job.stop().code, 0)
  assert(audited(t, '"despite_freeze":true'), "it is not on record")
end)

sys.test("hold prolongs a lease, and never shortens it", function(t)
  t:sim { "--speed", "800" }
  respond(t)
  has(t:expect(2, { "hold", "WORKSTATION5", "--until", "soon" }).err, "2026-11-24T18:00:00Z")
  has(t:expect(2, { "hold", "WORKSTATION5" }).err, "--until T")
  has(t:expect(1, { "hold", "WORKSTATION5", "--until", "1h" }).err, "already")
  has(t:expect(0, { "hold", "workstation5", "--until", "3d" }).out, "1 hold of workstation5")
  has(t:expect(1, { "hold", "WORKSTATION5", "--until", "2d" }).err, "already")
  has(t:expect(1, { "hold", "okta:user:nobody", "--until", "2d" }).err, "nothing called")
end)

sys.test("a name of several things is listed", function(t)
  t:sim { "--speed", "800" }
  respond(t)
  has(t:expect(3, { "release", "launcher.vbs", "--why", "x" }).out, "Release launcher.vbs")   -- a file, to two vendors
  local decoy = io.popen(("ls %s/lunette.sim/*"):format(t.dir)):read "l"   -- a file here, and two hashes to one vendor
  local r = t:expect(2, { "release", decoy, "--why", "x" })
  has(r.err, "means several things, name one of them: file:path:")
  has(r.err, "visionone:file:")
  has(t:expect(2, { "hold", decoy, "--until", "60d" }).err, "means several things")
  has(t:expect(2, { "entity", decoy }).err, "means several things")
end)

sys.test("cancel says how to take back what is still held", function(t)
  t:sim()
  local user = read(t, "okta.users", { login = USER })[1].id
  local group = read(t, "okta.groups", { name = "ir-restricted" })[1].id
  t:write("scripts/p.lua", ([[ local okta = require "connectors.okta"
    return playbook { name = "p", summary = "s", uses = { "okta" }, input = {}, run = function()
      okta.add_to_group { user = %q, group = %q }
      approve { title = "go on?" }
    end } ]]):format(user, group))
  t:write("sim.conf.lua", (t:read "sim.conf.lua":gsub("return {", 'return { scripts = { "scripts" }, guards = '
          .. '{ unasked = { "okta.add_to_group" } },', 1)))
  t:expect(3, { "run", "p" })
  local run = t:expect(0, { "runs", "--json" }).out:match '"run":"(%w+)"'
  has(t:expect(1, { "undo", run }).err, "has not ended: lunette cancel")
  local r = t:expect(0, { "cancel", run })
  has(r.out, "still held:")
  has(r.out, "lunette undo " .. run .. " takes it back; lunette release ENTITY --why TEXT")
  t:expect(0, { "undo", run })
  eq(held(t), "")
end)

sys.test("what was made against simulators in the process is not undone in the world", function(t)
  t:expect(5, { "run", "t1059.respond", "--sim", "--input", ALERT, "--approve", "all", "--set", "confirmed_by=alice" })
  has(t:expect(1, { "undo", "last" }).err, "was made against simulators")
end)

sys.done()
