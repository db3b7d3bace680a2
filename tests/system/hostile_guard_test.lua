-- hostile_guard_test.lua: writes that must not be sent, asked for in every way that a script can think of.  What was
-- sent is what the simulators say that they did, not what the run says.
local sys = dofile "tests/system/harness.lua"
local eq, has = sys.eq, sys.has

-- The simulators, and a configuration of this site's guards.
local function site(t, guards, more, speed)
  t:sim { "--speed", speed or "1000" }
  local conf = t:read "sim.conf.lua"
  t:write("sim.conf.lua", (conf:gsub("return {\n", function()
    return ("return {\n  scripts = { \"scripts\", %q },\n  guards = { %s },\n  %s\n")
           :format(sys.root .. "/scripts", guards or "", more or "")
  end, 1)))
end

-- Who is who, by the names of the simulated company: put in front of every script.
local PEOPLE = [[
  local okta, v1, cs = require "connectors.okta", require "connectors.visionone", require "connectors.crowdstrike"
  local function user(login) return okta.users { login = login .. "@theshire.example" }[1].id end
  local function group(name) return okta.groups { name = name, type = "OKTA_GROUP" }[1].id end
  local function endpoint(name) return v1.endpoints { hostname = name }[1].id end
  local out = {}
  local function try_it(verb, args)
    local ok, why = pcall(verb, args)
    if ok and type(why) == "table" and why[1] and why[1].ok == false then ok, why = false, why[1].error end
    out[#out + 1] = ok and (why.unchanged and "unchanged" or why.planned and "planned" or "done")
                    or type(why) ~= "table" and tostring(why) or why.code .. (why.rule and ":" .. why.rule or "")
    return why
  end
]]

-- Runs a script with --approve all (or what is given); the document, with out as one text.
local function run(t, body, ...)
  t:playbook("hostile", PEOPLE .. body .. "\nreturn out",
             'uses = { "okta", "crowdstrike", "visionone", "file", "t1059.*", "wide" }, input = { '
             .. (body:find "input.alert" and 'alert = "alert"' or 'doc = "table?"') .. " },")
  local args = { "run", "hostile", "--json", ... }
  if not table.concat(args, " "):find "%-%-approve" then args[#args + 1], args[#args + 2] = "--approve", "all" end
  local r = t:run(args)
  local doc = r.doc()
  doc.out = type(doc.result) == "table" and table.concat(doc.result, " ") or nil
  doc.code = r.code
  if not doc.out and doc.state ~= "waiting" then error(r.err, 2) end
  return doc
end

local PS1 = "36c5d12033b2eaf251bae61c00690ffb17fddc87"
local EMPTY = { sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                sha1 = "DA39A3EE5E6B4B0D3255BFEF95601890AFD80709", md5 = "d41d8cd98f00b204e9800998ecf8427e" }

local function none_did(t, ...)
  for _, name in ipairs { ... } do eq(t:did(name), 0, name) end
end

-- System files --------------------------------------------------------------------------------------------

sys.test("an interpreter is not denied, allowed, ended or removed, however its name is spelt", function(t)
  site(t, 'approve = "never"')
  local doc = run(t, [[
    local ws = endpoint "WORKSTATION6"
    local names = { "powershell.exe", "PowerShell.EXE", "powershell.exe ", "powershell.exe.", "powershell", "POWERS~1.EXE",
      "C:/Windows/System32/x.exe", [=[\\?\C:\Windows\.\System32\x.exe]=], "%windir%/x.exe", "python3.11",
      "/bin/../usr/bin/x", [=[D:\tools\cmd.exe::$DATA]=], [=[C:\Windows\SysWOW64\WindowsPowerShell\v1.0\x.exe]=],
      [=[\Device\HarddiskVolume2\Windows\System32\x.exe]=], "osascript", "node18.exe", "lua5.4" }
    for i, name in ipairs(names) do
      local sha1, sha256 = ("%040x"):format(i + 17), ("%064x"):format(i + 17)
      local file = { sha1 = sha1, sha256 = sha256, path = name }
      try_it(v1.block, { file = file })
      try_it(v1.add_exception, { file = file })
      try_it(v1.add_suspicious_object, { file = file, action = "block" })
      try_it(v1.terminate_process, { host = ws, file = file })
      try_it(cs.create_ioc, { sha256 = sha256, filename = name })
      try_it(cs.create_ioc, { sha256 = sha256, filename = name, action = "allow" })
    end]])
  for word in doc.out:gmatch "%S+" do eq(word, "refused:system_file") end
  eq(select(2, doc.out:gsub("%S+", "")), 17 * 6)
  none_did(t, "visionone.block", "visionone.add_exception", "visionone.add_suspicious_object",
           "visionone.terminate_process", "crowdstrike.create_ioc")
  eq(doc.steps[#doc.steps].state, "refused")
end)

sys.test("nor by a hash that the sandbox's report, the input or an earlier answer gives such a name", function(t)
  site(t, 'approve = "never"')
  t:write("input.json", ([[{ "doc": { "any": [ { "thing": { "sha1": "%s", "FileName": "powershell.exe" } } ] } }]]):format(PS1))
  local doc = run(t, ([[
    try_it(v1.block, { sha1 = %q })
    try_it(v1.block, { sha1 = (%q):upper() })]]):format(PS1, PS1), "--input", "input.json")
  eq(doc.out, "refused:system_file refused:system_file")
  doc = run(t, [[
    local sample = blob("powershell.exe", "an inert stand-in")
    cs.analyse { sample = sample, name = sample.name }
    out[1] = sample.sha256]])
  local sha256 = doc.out
  doc = run(t, ([[try_it(cs.create_ioc, { sha256 = %q })]]):format(sha256))
  eq(doc.out, "refused:system_file", "by the guard's own look at the reports")
  doc = run(t, ([[
    cs.reports { sha256 = %q }
    try_it(v1.add_suspicious_object, { sha256 = %q, action = "block" })]]):format(sha256, sha256))
  eq(doc.out, "refused:system_file", "by what another vendor said")
  -- The answers of reads: a file's hash on its host, under its path there.
  doc = run(t, [[
    local ws = cs.hosts { hostname = "WORKSTATION6" }[1].id
    local at = cs.rtr_check_hash { host = ws, path = [=[C:\Windows\explorer.exe]=] }
    if at.exists then try_it(v1.add_suspicious_object, { sha256 = at.sha256 }) end
    out[#out + 1] = tostring(at.exists)]])
  assert(doc.out == "refused:system_file true" or doc.out == "false", doc.out)
  none_did(t, "visionone.block", "crowdstrike.create_ioc", "visionone.add_suspicious_object")
end)

sys.test("the hash of the empty file is nobody's", function(t)
  site(t, 'approve = "never"')
  local doc = run(t, ([[
    try_it(v1.block, { sha1 = %q })
    try_it(v1.block, { sha256 = %q })
    try_it(v1.add_exception, { sha256 = %q })
    try_it(cs.create_ioc, { sha256 = %q })
    try_it(cs.create_ioc, { md5 = %q })]]):format(EMPTY.sha1, EMPTY.sha256, EMPTY.sha256, EMPTY.sha256, EMPTY.md5))
  eq(doc.out, ("refused:empty_file "):rep(5):sub(1, -2))
end)

sys.test("the response to a T1059 alert leaves every image of its process alone", function(t)
  site(t)
  local alert = sys.root .. "/tests/fixtures/alerts/windows/nxlog_sysmon1_wscript_launcher_vbs.json"
  local doc = run(t, [[
    local p = input.alert.process
    try_it(v1.block, { file = { sha1 = p.sha1, sha256 = p.sha256 } })
    try_it(v1.add_exception, { sha256 = p.sha256 })
    try_it(cs.create_ioc, { sha256 = p.sha256 })
    try_it(v1.terminate_process, { host = endpoint "WORKSTATION5", sha1 = p.sha1 })]], "--input", alert)
  eq(doc.out, ("refused:system_file "):rep(4):sub(1, -2))
end)

-- Who and where -------------------------------------------------------------------------------------------

sys.test("a server and a domain controller ask, though nothing else does", function(t)
  site(t, 'approve = "never", unasked = { "visionone.isolate" }')
  local doc = run(t, [[
    try_it(v1.isolate, { host = endpoint "WORKSTATION6", wait = false })
    map({ "FILE01", "MORDORDC" }, function(name) try_it(v1.isolate, { host = endpoint(name), wait = false }) end)]],
    "--approve", "deny")
  eq(doc.out, "done denied denied")
  eq(#doc.approvals, 1, "questions")
  eq(t:did "visionone.isolate", 1)
end)

sys.test("a domain controller that the site protects is safe from a vendor that takes it for a server", function(t)
  site(t, [[protect = { host = { "role:domain_controller" } }]])
  local doc = run(t, [[
    for _, name in ipairs { "MORDORDC", "WORKSTATION6" } do
      try_it(v1.isolate, { host = endpoint(name), wait = false })
    end]], "--approve", "deny")
  eq(doc.out, "refused:protect.host denied")
end)

sys.test("our token's own account, the last member, and whom the site protects, by any of their names", function(t)
  site(t, [[protect = { user = { "SBEAVERS@*", "nadia.martha@*" }, host = { "workstation5", "role:server", "10.20.5.1?" } }]])
  local doc = run(t, [[
    local admins, root, restricted = group "Domain Admins", group "Break Glass", group "ir-restricted"
    try_it(okta.clear_sessions, { user = user "svc-lunette" })
    try_it(okta.add_to_group, { user = user "svc-lunette", group = restricted })
    try_it(okta.remove_from_group, { user = user "breakglass", group = root })
    try_it(okta.remove_from_group, { user = user "sbeavers", group = admins })
    try_it(okta.expire_password, { user = user "nmartha" })
    for _, name in ipairs { "WORKSTATION6", "WORKSTATION7", "FILE01", "MORDORDC" } do
      try_it(v1.isolate, { host = endpoint(name), wait = false })
    end
    try_it(v1.isolate, { host = cs.hosts { hostname = "WORKSTATION5" }[1].id })]])
  eq(doc.out, "refused:self refused:self refused:last_member refused:protect.user refused:protect.user "
              .. "refused:protect.host refused:protect.host refused:protect.host refused:protect.host bad_argument")
  none_did(t, "okta.clear_sessions", "okta.add_to_group", "okta.remove_from_group", "okta.expire_password",
           "visionone.isolate")
end)

sys.test("an account is not taken by a login that only Okta would know for it", function(t)
  site(t, 'approve = "never"')
  local doc = run(t, [[
    for _, name in ipairs { "svc-lunette", "svc-lunette@theshire.example", "me", "..", ".", user("svc-lunette"):lower(), "" } do
      try_it(okta.clear_sessions, { user = name })
      try_it(okta.add_to_group, { user = name, group = group "ir-restricted" })
    end]])
  for word in doc.out:gmatch "%S+" do
    assert(word == "bad_argument" or word == "not_found" or word == "failed" or word == "refused:self", doc.out)
  end
  none_did(t, "okta.clear_sessions", "okta.add_to_group")
end)

sys.test("of two last members that are taken out at once, one stays", function(t)
  site(t)
  local doc = run(t, [[
    local admins = group "Domain Admins"
    local them = { user "pgustavo", user "sbeavers" }
    map(them, function(u) try_it(okta.remove_from_group, { user = u, group = admins }) end)
    out[#out + 1] = tostring(#okta.members { group = admins })]])
  assert(doc.out == "done refused:last_member 1" or doc.out == "refused:last_member done 1", doc.out)
  eq(#doc.approvals, 1, "they were one question")
end)

sys.test("what cannot be found does not pass", function(t)
  site(t, 'approve = "never"')
  local doc = run(t, [[
    try_it(v1.isolate, { host = "00000000-0000-0000-0000-000000000000" })
    try_it(okta.clear_sessions, { user = "00uNOBODY00000000000" })
    try_it(cs.rtr_kill, { host = ("0"):rep(32), pid = 4, image = "x.exe", started = now() })]])
  for word in doc.out:gmatch "%S+" do assert(word == "not_found" or word == "refused:unresolved", doc.out) end
  none_did(t, "visionone.isolate", "okta.clear_sessions")
end)

-- How many ------------------------------------------------------------------------------------------------

sys.test("the cap counts entities, over maps and stages, and what is refused leaves no trace", function(t)
  site(t, 'per_run = { destructive = 3 }')
  t:write("scripts/wide.lua", [[return playbook { name = "wide", summary = "a test", uses = { "okta.clear_sessions" },
    input = { user = "string" }, run = function(input) return require("connectors.okta").clear_sessions { user = input.user } end }]])
  local doc = run(t, [[
    local ids = {}
    for i, name in ipairs { "pgustavo", "nmartha", "sbeavers", "breakglass", "lrodriguez" } do ids[i] = user(name) end
    try_it(okta.clear_sessions, { user = ids[1] })
    try_it(okta.expire_password, { user = ids[1] })
    stage("wide", { user = ids[2] })
    local done = 0
    for _, o in ipairs(map({ ids[3], ids[4], ids[5] }, function(u) return okta.clear_sessions { user = u } end)) do
      if o.ok then done = done + 1 else assert(o.error.rule == "per_run", o.error.message) end
    end
    out[#out + 1] = tostring(done)
    try_it(okta.add_to_group, { user = ids[1], group = group "ir-restricted" })]])
  eq(doc.out, "done done 1 done")
  eq(t:did "okta.clear_sessions", 3)
  eq(#doc.holds, 5, "holds")
  for _, h in ipairs(doc.holds) do eq(h.status, "held") end
end)

sys.test("the hour's cap counts over runs", function(t)
  site(t, 'per_hour = { destructive = 2 }')
  local body = [[
    local ids = {}
    for i, name in ipairs { "pgustavo", "nmartha" } do ids[i] = user(name) end
    for _, u in ipairs(ids) do try_it(okta.clear_sessions, { user = u }) end]]
  eq(run(t, body).out, "done done")
  has(run(t, (body:gsub("pgustavo", "sbeavers"))).out, "refused:per_hour")
  assert(t:did "okta.clear_sessions" <= 3)
end)

sys.test("the hour's share is of the endpoints that the vendor says it knows", function(t)
  site(t, 'approve = "never", per_hour = { share = 0.25 }')
  local doc = run(t, [[
    out[1] = tostring(v1.endpoint_count {})
    for _, name in ipairs { "WORKSTATION5", "WORKSTATION6", "WORKSTATION7" } do
      try_it(v1.isolate, { host = endpoint(name) })
    end]])
  local known, rest = doc.out:match "^(%d+) (.*)$"
  local most = math.floor(known * 0.25)
  assert(most == 1 or most == 2, known .. " endpoints: choose another share")
  eq(rest, ("done "):rep(most) .. ("refused:per_hour.share "):rep(3 - most):sub(1, -2))
  eq(t:did "visionone.isolate", most)
end)

sys.test("a share that nobody can count says that it is no limit", function(t)
  t:sim { "okta" }
  t:write("sim.conf.lua", (t:read "sim.conf.lua":gsub("return {", "return { guards = { per_hour = { share = 0.01 } },")))
  has(t:expect(0, { "call", "okta.me" }).err, "guards.per_hour.share is no limit")
  t:write("sim.conf.lua", (t:read "sim.conf.lua":gsub("share = 0.01", "share = 2")))
  has(t:expect(4, { "call", "okta.me" }).err, "guards.per_hour.share")
end)

sys.test("nothing never means everything", function(t)
  site(t, 'approve = "never"')
  local doc = run(t, [[
    for _, args in ipairs { {}, { all = true }, { user = "" }, { user = false }, { user = {} }, { user = { "a", "b" } },
                            { user = "*" }, { group = "*", user = "*" } } do
      try_it(okta.clear_sessions, args)
      try_it(okta.remove_from_group, args)
    end
    for _, args in ipairs { {}, { all = true }, { ids = {} }, { ids = { "" } }, { ids = "*" }, { ids = { "*" } } } do
      try_it(cs.delete_iocs, args)
    end
    for _, args in ipairs { {}, { all = true }, { host = "" }, { host = {} }, { host = "*" }, { host = { id = "*" } } } do
      try_it(v1.isolate, args)
    end
    for _, args in ipairs { {}, { file = {} }, { sha1 = "" }, { sha1 = "*" }, { url = "" }, { ip = "0.0.0.0/0" }, { domain = "" } } do
      try_it(v1.block, args)
    end
    for _, verb in ipairs { okta.users, okta.groups, okta.user_groups, okta.members, cs.iocs, cs.hosts, v1.endpoints } do
      try_it(verb, {})
      try_it(verb, { login = nil, all = "yes" })
      try_it(verb, { name = "", hostname = "", id = "" })
    end]])
  for word in doc.out:gmatch "%S+" do
    assert(word == "bad_argument" or word == "not_found" or word == "unchanged" or word == "done", doc.out)
  end
  none_did(t, "okta.clear_sessions", "okta.remove_from_group", "crowdstrike.delete_iocs", "visionone.isolate",
           "visionone.block")
end)

-- Permission ----------------------------------------------------------------------------------------------

sys.test("writes = \"never\" refuses and names --plan; a plan shows all the same", function(t)
  site(t)
  t:write("sim.conf.lua", (t:read "sim.conf.lua":gsub("(okta = {\n)", "%1      writes = \"never\",\n")))
  local body = [[out[2] = try_it(okta.clear_sessions, { user = user "pgustavo" }).message]]
  local doc = run(t, body)
  has(doc.out, "refused:writes")
  has(doc.out, "--plan")
  doc = run(t, [[try_it(okta.clear_sessions, { user = user "pgustavo" })]], "--plan")
  local step = doc.steps[#doc.steps]
  eq(step.state, "planned")
  has(step.would.url, "/sessions")
  none_did(t, "okta.clear_sessions")
end)

sys.test("an answer of a playbook's own question permits no write", function(t)
  site(t)
  local doc = run(t, [[
    approve { title = "May I?" }
    ask { title = "Which?", options = { "all" } }
    try_it(okta.clear_sessions, { user = user "pgustavo" })]])
  eq(doc.waiting.id, "2")                                 -- which no yes to all answers
  t:expect(0, { "approve", "2", "--answer", "all" })
  doc = t:expect(0, { "resume", doc.run, "--approve", "all", "--json" }).doc()
  eq(table.concat(doc.result, " "), "done")
  eq(#doc.approvals, 3, "questions")
  doc = run(t, [[try_it(okta.clear_sessions, { user = user "nmartha" })]], "--approve", "deny")
  eq(doc.out, "denied")
end)

sys.test("what was approved is done once, as it was shown, and nothing else with it", function(t)
  site(t)
  local doc = run(t, [[
    local u, g = user "pgustavo", group "ir-restricted"
    local turn, other = 0, user "nmartha"
    approved({ title = "One" }, function()
      turn = turn + 1
      try_it(okta.clear_sessions, { user = u })
      if turn == 2 then
        try_it(okta.clear_sessions, { user = u })
        try_it(okta.clear_sessions, { user = other })
      end
    end)
    try_it(okta.clear_sessions, { user = u })]])
  eq(doc.out, "done done done done done")
  local titles = {}
  for _, a in ipairs(doc.approvals) do titles[#titles + 1] = a.title:match "^[^:]+" end
  eq(table.concat(titles, ","), "One,okta.clear_sessions,okta.clear_sessions,okta.clear_sessions", "questions")
end)

sys.test("a write is asked again when what it would change is no longer as it was shown", function(t)
  site(t)
  local doc = run(t, [[
    local u, g, turn = user "nmartha", group "ir-restricted", 0
    okta.add_to_group { user = user "pgustavo", group = g }
    okta.add_to_group { user = user "sbeavers", group = g }
    approved({ title = "Put in" }, function()
      turn = turn + 1
      if turn == 2 then okta.add_to_group { user = u, group = g, as = "first" } end
      okta.remove_from_group { user = u, group = g }
    end)]])
  local last = doc.approvals[#doc.approvals]
  has(last.title, "okta.remove_from_group")   -- shown as "absent" before, and it was a member when it came to it
  eq(t:did "okta.remove_from_group", 1)
end)

sys.test("--approve all is for simulators and loopback alone", function(t)
  local function at(url)
    t:write("lunette.conf.lua", ([[return { scripts = { "scripts" },
      connectors = { okta = { url = %q, token = secret "okta_token" } } }]]):format(url))
  end
  t:playbook("harmless", "return 1", [[uses = { "okta.users" },]])
  local env = { LUNETTE_SECRET_OKTA_TOKEN = "x" }
  for _, url in ipairs { "http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1", "https://127.5.0.1" } do
    at(url)
    t:expect(0, { "run", "harmless", "--approve", "all", env = env })
  end
  for _, url in ipairs { "https://acme.okta.example", "https://127.0.0.1.example.com", "https://127.evil.example",
                         "https://localhost.example", "https://0x7f.1", "https://2130706433" } do
    at(url)
    for _, args in ipairs { { "run", "harmless" }, { "resume", "last" }, { "call", "okta.users", "name=x" } } do
      args[#args + 1], args[#args + 2], args.env = "--approve", "all", env
      has(t:expect(2, args).err, "--approve all works only against simulators")
    end
  end
  for _, url in ipairs { "http://127.0.0.1@evil.example", "http://127.evil.example", "http://localhost.evil.example",
                         "http://127.0.0.1\\@evil.example", "http://evil.example#@127.0.0.1", "http://0x7f.1",
                         "https://user:pass@okta.example", "ftp://127.0.0.1", "https://", "http://evil.example",
                         "https://a b" } do
    at(url)
    t:expect(4, { "run", "harmless", env = env })
  end
end)

sys.test("who started a run cannot approve it, and a simulated yes is none for the real world", function(t)
  site(t)
  local doc = run(t, [[try_it(okta.clear_sessions, { user = user "pgustavo" })]], "--approve", "ask")
  eq(doc.code, 3)
  local r = t:expect(1, { "approve", doc.waiting.id })
  has(r.err, "cannot approve it")
  local sim = t:run { "run", "hostile", "--sim", "--json", conf = true, env = { LUNETTE_CONFIG = t.conf } }.doc()
  eq(sim.state, "waiting")
  t:expect(0, { "approve", sim.waiting.id })
  has(t:expect(1, { "resume", sim.run }).err, "--sim")
  has(t:expect(1, { "resume", doc.run, "--sim" }).err, "real one")
  has(t:expect(1, { "cancel", sim.run }).err, "--sim")
  t:expect(0, { "cancel", sim.run, "--sim" })
  none_did(t, "okta.clear_sessions")
end)

sys.test("a quorum is of different people, and an expired or decided question takes no vote", function(t)
  site(t, "", "approvals = { self = false },")
  t:playbook("quorum", [[approve { title = "Two?", quorum = 2 } return "passed"]], "uses = {},")
  local doc = t:run { "run", "quorum", "--sim", "--json" }.doc()
  t:expect(0, { "approve", doc.waiting.id })
  has(t:expect(1, { "approve", doc.waiting.id }).err, "has voted")
  eq(t:run { "resume", doc.run, "--sim", "--json" }.doc().state, "waiting")
  t:expect(0, { "deny", t:run({ "run", "quorum", "--sim", "--json" }).doc().waiting.id })
  has(t:expect(1, { "deny", tostring(tonumber(doc.waiting.id) + 1) }).err, "does not wait")
end)

sys.test("a file is not written over unasked, nor outside of the roots, nor through a link", function(t)
  site(t)
  os.execute(("mkdir -p %s/lunette.sim/real && ln -s /etc %s/lunette.sim/link && ln -s /etc/passwd %s/lunette.sim/passwd")
             :format(t.dir, t.dir, t.dir))
  local doc = run(t, ([[
    local file, root = require "file", %q
    try_it(file.write, { path = root .. "/a.txt", data = "one" })
    try_it(file.write, { path = root .. "/a.txt", data = "two" })
    try_it(file.write, { path = root .. "/a.txt", data = "two", new = false })
    for _, path in ipairs { "/etc/x", root, root .. "/", root .. "/../x", root .. "/real/../../x", root .. "x/y", "x",
                            root .. "/link/x", root .. "/passwd", root .. "/b\0c", root .. "/./.", "", ("/x"):rep(3000) } do
      try_it(file.write, { path = path, data = "x", new = false })
      try_it(file.remove, { path = path })
      try_it(file.read, { path = path })
    end]]):format(t.dir .. "/lunette.sim"), "--approve", "deny")
  local first, second, third, rest = doc.out:match "^(%S+) (%S+) (%S+) (.*)$"
  eq(first .. " " .. second .. " " .. third, "done conflict denied")
  for word in rest:gmatch "%S+" do
    assert(word == "refused" or word == "bad_argument" or word == "not_found" or word == "unchanged", doc.out)
  end
end)

sys.test("every refusal of a guard is in the audit", function(t)
  site(t)
  run(t, [[try_it(okta.clear_sessions, { user = user "svc-lunette" })]])
  local db = assert(io.popen(("strings -a %s/lunette.db %s/lunette.db-wal 2>/dev/null"):format(t.dir, t.dir)))
  local text = db:read "a"
  db:close()
  has(text, [["rule":"self","step":"okta.clear_sessions#1"]])
end)

sys.done()
