-- stages_test.lua: each T1059 playbook by itself, as an analyst starts it by hand: with what it needs, without it,
-- twice, and on things that are not as it thinks.
local cjson = require "cjson"
local sys = dofile "tests/system/harness.lua"
local eq, has, hasnt = sys.eq, sys.has, sys.hasnt

local LAUNCHER = { name = "launcher.vbs", path = [[C:\Users\pgustavo\Desktop\launcher.vbs]], kind = "script",
                   sha256 = "c1dadf9fb8021aa205bd52604c4d7330c5e1251198322ac4b8a093dc23df1a10",
                   sha1 = "5683729702392da5cfaa8476f96228a9abf08c54" }
local NOTES = { path = [[C:\Users\pgustavo\Documents\notes.txt]],
                sha256 = "88f8421e1fa4468d3d76ac62019ab4a03b3f6af1e17422d722cb46f21df9ec48" }
local NOWHERE = { hostname = "NOWHERE" }

---A copy of a table with some members more.
local function with(t, more)
  local out = {}
  for k, v in pairs(t) do out[k] = v end
  for k, v in pairs(more) do out[k] = v end
  return out
end

---Runs t1059.NAME with an input, against the simulators that were started, else against ones in the process.
local function run(t, name, input, ...)
  t:write("input.json", cjson.encode(input))
  local words = { "run", "t1059." .. name, "--json", "--input", "input.json", "--approve", "all", ... }
  if not t.conf then words[#words + 1] = "--sim" end
  local r = t:run(words)
  local ok, doc = pcall(r.doc)
  if not ok then error(r.err .. r.out, 2) end
  doc.code = r.code
  return doc
end

local function writes(doc, state)
  local out = {}
  for _, s in ipairs(doc.steps) do
    if s.class == "write" and s.state == (state or "done") then out[#out + 1] = s.op end
  end
  return " " .. table.concat(out, " ") .. " "
end

local function not_done(doc)
  local out = {}
  for i, n in ipairs(doc.not_done) do out[i] = n.what .. ": " .. n.why end
  return table.concat(out, "\n")
end

---The holds that were not given back: "entity facet=state", as one text.
local function held(t)
  local out = {}
  for line in t:expect(0, { "entity", "--json" }).out:gmatch "[^\n]+" do
    local h = sys.decode(line)
    out[#out + 1] = h.entity .. " " .. h.facet .. "=" .. h.state .. " " .. h.status
  end
  return table.concat(out, "\n")
end

sys.test("what a playbook wants and was not given is said, with how to give it", function(t)
  local r = t:expect(1, { "run", "t1059.model", "--sim" })
  has(r.err, "input ip is missing (ip): --set ip=…")
end)

-- model ---------------------------------------------------------------------------------------------------

sys.test("model: scanned lately is not scanned again; findings by severity, each with its remedy", function(t)
  local doc = run(t, "model", { ip = "10.20.5.16" })
  eq(doc.code, 0)
  hasnt(writes(doc), "launch_scan")
  assert(#doc.found >= 1)
  for _, f in ipairs(doc.found) do assert(f.remedy and f.severity and f.qid, f.title) end
  doc = run(t, "model", { ip = "10.20.5.16", max_scan_age = "1d" })
  has(writes(doc), "qualys.launch_scan")
  eq(doc.evidence[1].name, "scan results")
  for i = 2, #doc.found do
    local order = { critical = 1, high = 2, medium = 3 }
    assert(order[doc.found[i - 1].severity] <= order[doc.found[i].severity], "the worst stands first")
  end
end)

sys.test("model: a scan that reached nobody is not done, and what was known is told with its age", function(t)
  local doc = run(t, "model", { ip = "10.20.5.17" })
  eq(doc.code, 5)
  has(not_done(doc), "scan 10.20.5.17")
  has(not_done(doc), "says nothing about their holes")
  eq(#doc.evidence, 0)
  assert(doc.found[1].last_found < doc.started, "an old finding says so")
end)

sys.test("model: without a scanner of the site's a private address is not scanned, and the rest goes on", function(t)
  t:write("lunette.conf.lua", "return { playbooks = { [\"t1059.model\"] = { option = \"Initial Options\" } } }\n")
  local doc = run(t, "model", { ip = "10.20.5.15" })
  eq(doc.code, 5)
  has(not_done(doc), "private address")
  assert(#doc.found >= 1)
end)

-- harden --------------------------------------------------------------------------------------------------

sys.test("harden: moved, logged out, and out of the privileged groups by their names; again: as it was", function(t)
  t:sim { "--speed", "1000" }
  local input = { user = [[THESHIRE\pgustavo]], confirmed_by = "alice" }
  local doc = run(t, "harden", input)
  eq(doc.code, 0)
  has(doc.result.before, "Domain Admins")
  hasnt(doc.result.after, "Domain Admins")
  has(doc.result.after, "ir-restricted")
  eq(doc.approvals[#doc.approvals].title, "Take pgustavo@theshire.example out of privileged groups: Domain Admins")
  has(doc.approvals[1].title, "okta.add_to_group: pgustavo@theshire.example (okta:user:")
  doc = run(t, "harden", input)
  eq(writes(doc), " okta.clear_sessions ")
  eq(writes(doc, "joined"), " okta.add_to_group ")
end)

sys.test("harden: who has left, who is nobody, our own account, and a group that is not there", function(t)
  local function error_of(input) return run(t, "harden", with({ confirmed_by = "alice" }, input)).error end
  eq(error_of { user = "rgone@theshire.example" }.code, "skipped")
  eq(error_of { user = "nmartha@theshire.example", confirmed_by = " " }.code, "bad_argument")
  has(error_of { user = "x@theshire.example" }.message, "no Okta user for x@theshire.example")
  eq(error_of { user = "svc-lunette@theshire.example" }.rule, "self")
  has(error_of { user = "nmartha@theshire.example", group = "no-such" }.message, "no group no-such")
end)

-- detect --------------------------------------------------------------------------------------------------

sys.test("detect: a path and a host are enough; the subject comes back with its hashes", function(t)
  local doc = run(t, "detect", { subject = { path = LAUNCHER.path, host = "WORKSTATION6" } })
  eq(doc.result.verdict, "malicious")
  eq(doc.result.subject.sha256, LAUNCHER.sha256)
  eq(doc.result.subject.name, "launcher.vbs")
  eq(doc.found[1].title, "launcher.vbs is malicious")
  has(doc.result.why[1], 'the sandbox says "malicious"')
end)

sys.test("detect: a file that is another by now, one of which nothing is known, and an interpreter", function(t)
  local doc = run(t, "detect", { subject = with(LAUNCHER, { sha256 = ("0"):rep(63) .. "1" }), device = "WORKSTATION6" })
  eq(doc.error.code, "stale")
  has(doc.error.message, "on host WORKSTATION6 has SHA-256 " .. LAUNCHER.sha256)
  eq(run(t, "detect", { subject = { kind = "file" } }).error.code, "bad_argument")
  has(run(t, "detect", { subject = { name = "x.vbs" } }).error.message, "where it is on the host is not known")
  doc = run(t, "detect", { subject = { kind = "interpreter", name = "cmd.exe" } })
  eq(doc.result.verdict, "unknown")
  hasnt(writes(doc), "crowdstrike")
end)

-- isolate -------------------------------------------------------------------------------------------------

sys.test("isolate: what a run of ours made so is left alone, and held by both", function(t)
  t:sim { "--speed", "1000" }
  local input = { subject = LAUNCHER, device = "WORKSTATION6", verdict = "malicious" }
  local doc = run(t, "isolate", input)
  eq(writes(doc), " visionone.block visionone.isolate ")
  has(not_done(doc), "end launcher.vbs: the alert says neither which process it was nor when that started")
  assert(doc.holds[2]["until"], "a lease")
  doc = run(t, "isolate", input)
  eq(writes(doc), "  ")
  eq(writes(doc, "joined"), " visionone.block visionone.isolate ")
  eq(#doc.holds, 2)
  eq(t:did "visionone.isolate", 1)
end)

sys.test("isolate: a host that Vision One does not know: the file is denied all the same", function(t)
  local doc = run(t, "isolate", { subject = LAUNCHER, device = NOWHERE, verdict = "malicious" })
  eq(doc.code, 5)
  eq(writes(doc), " visionone.block ")
  has(not_done(doc), "contain NOWHERE: no endpoint is NOWHERE")
  eq(doc.approvals[1].title, "Deny and end launcher.vbs")
  doc = run(t, "isolate", { subject = { kind = "command", name = "x.ps1", text = "x" }, device = NOWHERE,
                            verdict = "malicious" })
  eq(doc.error.code, "skipped")
end)

sys.test("isolate: a program of its own is ended by image; an interpreter's script by its process", function(t)
  local child = with(LAUNCHER, { kind = "child", name = "odd.exe", path = [[C:\x\odd.exe]], image = [[C:\x\odd.exe]] })
  has(writes(run(t, "isolate", { subject = child, device = "WORKSTATION6", verdict = "malicious" })),
      " visionone.terminate_process ")
  local script = with(LAUNCHER, { pid = 2440, started = "2020-09-04T20:09:55Z", image = [[C:\Windows\System32\wscript.exe]] })
  local doc = run(t, "isolate", { subject = script, device = "WORKSTATION5", verdict = "malicious" })
  has(writes(doc), " crowdstrike.rtr_kill ")
  hasnt(writes(doc), "terminate")
  doc = run(t, "isolate", { subject = script, device = "WORKSTATION6", verdict = "malicious" })
  has(not_done(doc), "end launcher.vbs: process 2440 is")          -- there it is another process
  hasnt(writes(doc), "kill")
end)

sys.test("isolate: a server is contained only when it was approved by its name", function(t)
  local doc = run(t, "isolate", { subject = LAUNCHER, device = "MORDORDC", verdict = "malicious" })
  has(doc.approvals[1].title, "Contain MORDORDC")
  has(writes(doc), " visionone.isolate ")
end)

sys.test("isolate: benign, it comes off the list and onto the exceptions; then it cannot be denied", function(t)
  t:sim { "--speed", "1000" }
  run(t, "isolate", { subject = LAUNCHER, device = "WORKSTATION6", verdict = "malicious" })
  local doc = run(t, "isolate", { subject = LAUNCHER, verdict = "benign" })
  eq(writes(doc), " visionone.unblock visionone.add_exception visionone.add_exception ")
  eq(writes(doc, "unchanged"), " visionone.unblock ")      -- it was denied by one of its hashes
  eq(#doc.approvals, 1)
  hasnt(held(t), "suspicious=block")
  doc = run(t, "isolate", { subject = LAUNCHER, device = "WORKSTATION6", verdict = "malicious" })
  has(not_done(doc), "deny launcher.vbs")
  has(not_done(doc), "exception")
end)

-- evict ---------------------------------------------------------------------------------------------------

sys.test("evict: gone everywhere, our indicator is deleted, and nothing is held of it", function(t)
  t:sim { "--speed", "1000" }
  local doc = run(t, "evict", { subject = NOTES, device = "WORKSTATION5" })
  eq(doc.code, 0)
  eq(writes(doc), " crowdstrike.create_ioc crowdstrike.rtr_rm crowdstrike.delete_iocs ")
  eq(doc.result.gone, 1)
  hasnt(held(t), " ioc=")
end)

sys.test("evict: an indicator that an earlier run of ours made is deleted by the one that ends it", function(t)
  t:sim { "--speed", "1000" }
  t:expect(0, { "call", "crowdstrike.create_ioc", "sha256=" .. NOTES.sha256, "action=prevent", "--act", "--approve", "all" })
  has(writes(run(t, "evict", { subject = NOTES, device = "WORKSTATION5" })), " crowdstrike.delete_iocs ")
  hasnt(held(t), " ioc=")
end)

sys.test("evict: an indicator that was there before us stays, and says why", function(t)
  t:sim { "--speed", "1000" }
  t:expect(0, { "call", "crowdstrike.create_ioc", "sha256=" .. NOTES.sha256, "action=detect", "--act", "--approve", "all" })
  local doc = run(t, "evict", { subject = NOTES, device = "WORKSTATION5" })
  eq(doc.code, 5)
  has(not_done(doc), "delete the indicator of notes.txt: it was there before us")
  has(held(t), "ioc=prevent")
end)

sys.test("evict: a host of the alert that is not known, another path, and no host at all", function(t)
  local doc = run(t, "evict", { subject = NOTES, device = NOWHERE })
  has(not_done(doc), "remove notes.txt from the alert's own host: no host is NOWHERE")
  has(not_done(doc), "delete the indicator of notes.txt: it still prevents the file")
  hasnt(writes(doc), "delete_iocs")
  doc = run(t, "evict", { subject = with(LAUNCHER, { path = [[C:\elsewhere\launcher.vbs]] }), device = "WORKSTATION5" })
  has(not_done(doc), [[remove launcher.vbs from WORKSTATION6: it is not at C:\elsewhere\launcher.vbs there]])
  eq(doc.result.gone, 1)                                  -- from the alert's own host it is gone already
  doc = run(t, "evict", { subject = { name = "x", sha256 = ("ab"):rep(32) } })
  eq(doc.error.code, "nothing_to_evict")
  eq(run(t, "evict", { subject = { name = "x" } }).error.code, "nothing_to_evict")
end)

-- restore -------------------------------------------------------------------------------------------------

sys.test("restore: only what is held, only when it is clean, and only once", function(t)
  t:sim { "--speed", "1000" }
  run(t, "detect", { subject = LAUNCHER, device = "WORKSTATION6" })
  run(t, "isolate", { subject = LAUNCHER, device = "WORKSTATION6", verdict = "malicious" })
  run(t, "evict", { subject = LAUNCHER, device = "WORKSTATION6" })
  eq(run(t, "restore", {}).error.code, "bad_argument")
  has(run(t, "restore", { device = "WORKSTATION6" }).error.message, "the verdict stands")
  has(run(t, "restore", { sha256 = LAUNCHER.sha256 }).error.message, "the verdict stands")
  local doc = run(t, "restore", { device = "WORKSTATION6", sha256 = LAUNCHER.sha256, benign_by = "bob" })
  eq(doc.code, 0)
  has(doc.approvals[1].title, "Give back what 3 acts took from WORKSTATION6, " .. LAUNCHER.sha256 .. ", clean says bob")
  eq(writes(doc), " crowdstrike.delete_iocs visionone.end_isolation visionone.unblock ")
  hasnt(held(t), "isolation=")
  hasnt(held(t), "ioc=")
  hasnt(held(t), "suspicious=")
  eq(run(t, "restore", { device = "WORKSTATION6", sha256 = LAUNCHER.sha256, benign_by = "bob" }).error.code,
     "nothing_to_restore")
  eq(t:did "visionone.restoreIsolate", 1)
end)

sys.test("evict and restore: an indicator that the vendor does not let go of is not done, and still held", function(t)
  t:sim { "--speed", "1000", "--faults", "crowdstrike.delete_iocs=409" }
  local doc = run(t, "evict", { subject = NOTES, device = "WORKSTATION5" })
  eq(doc.code, 5)
  has(not_done(doc), "delete the indicator of notes.txt: ")
  doc = run(t, "restore", { sha256 = NOTES.sha256, benign_by = "bob" })
  eq(doc.code, 5)
  has(not_done(doc), "lift ioc of crowdstrike:file:" .. NOTES.sha256)
  eq(doc.result.lifted, 0)
  has(held(t), "ioc=prevent held")
end)

sys.test("restore: a newer verdict of the site's own list will do; the exception stays", function(t)
  t:sim { "--speed", "1000" }
  run(t, "isolate", { subject = LAUNCHER, device = "WORKSTATION6", verdict = "malicious" })
  run(t, "detect", { subject = LAUNCHER, device = "WORKSTATION6", benign = { LAUNCHER.sha256 } })
  local doc = run(t, "restore", { sha256 = LAUNCHER.sha256 })
  eq(writes(doc), " visionone.unblock ")
  run(t, "isolate", { subject = LAUNCHER, verdict = "benign" })
  eq(run(t, "restore", { sha256 = LAUNCHER.sha256 }).error.code, "nothing_to_restore")
  has(held(t), "exception=excepted")
end)

sys.test("restore: not while another run is open that holds it, nor an account whose password is the old one",
         function(t)
  t:sim { "--speed", "1000" }
  local alert = sys.root .. "/tests/fixtures/alerts/windows/nxlog_sysmon1_wscript_launcher_vbs.json"
  t:playbook("holding", [[
    require("connectors.visionone").isolate { host = require("t1059.resolve").visionone(input.device) }
    approve { title = "Go on?" }]], 'uses = { "visionone" }, input = { device = "device" },')
  t:write("sim.conf.lua", (t:read "sim.conf.lua":gsub("return {\n", function()
    return ("return {\n  scripts = { \"scripts\", %q },\n  guards = { approve = \"never\" },\n"):format(sys.root .. "/scripts")
  end, 1)))
  local open = t:expect(3, { "run", "holding", "--set", "device=WORKSTATION5", "--json" }).doc()
  local refused = run(t, "restore", { device = "WORKSTATION5", benign_by = "bob" }).error
  eq(refused.code, "refused")
  has(refused.message, "is held by run " .. open.run .. ", which has not ended")
  t:expect(0, { "cancel", open.run })
  eq(run(t, "restore", { device = "WORKSTATION5", benign_by = "bob" }).code, 0)
  t:run { "run", "t1059.respond", "--input", alert, "--set", "confirmed_by=alice", "--approve", "all", "--json" }
  has(run(t, "restore", { user = [[THESHIRE\pgustavo]] }).error.message, "the password was not renewed since")
  eq(t:did "okta.remove_from_group", 1)
end)

-- deceive -------------------------------------------------------------------------------------------------

---A folder for decoys, in the configuration that is used.
local function folder(t)
  os.execute(("mkdir '%s/decoys'"):format(t.dir))
  t:write("sim.conf.lua", (t:read "sim.conf.lua":gsub("files = { ", function()
    return ("files = { %q, "):format(t.dir .. "/decoys")
  end, 1)))
  return t.dir .. "/decoys"
end

local STARTS = { txt = "^%u", csv = "^host,address,", json = "^{\"", html = "^<!DOCTYPE html>", docx = "^PK\3\4" }

sys.test("deceive: each format, each decoy another file, watched and never blocked, readable by whoever looks", function(t)
  t:sim { "--speed", "1000" }
  local dir, seen = folder(t), {}
  for format, start in pairs(STARTS) do
    for _ = 1, 2 do
      local doc = run(t, "deceive", { format = format, location = dir })
      eq(writes(doc), " file.write visionone.watch visionone.watch ")
      local data = sys.slurp(doc.result.path)
      assert(data:find(start), format .. ": " .. data:sub(1, 40))
      assert(doc.result.path:find("%." .. format .. "$"))
      assert(not seen[doc.result.sha256], "two decoys are alike")
      seen[doc.result.sha256] = true
      eq(doc.holds[2].entity, "visionone:file:" .. doc.result.sha256)
      eq(doc.holds[3].entity, "visionone:file:" .. doc.result.sha1)
      for i = 2, 3 do eq(doc.holds[i].state, "log") end
      eq(io.popen(("stat -c %%a '%s'"):format(doc.result.path)):read "l", "644")
    end
  end
  for _, line in ipairs(t:log()) do assert(not (line.did and line.did.action == "block"), "one was blocked") end
end)

sys.test("deceive: it writes over nothing, stays below its folder, and a failed one is not watched", function(t)
  t:sim { "--speed", "1000" }
  local dir = folder(t)
  local input = { format = "txt", location = dir, file_name = "plan.txt", content = "Quarterly figures" }
  eq(run(t, "deceive", input).code, 0)
  local before = t:read "decoys/plan.txt"
  has(before, "Quarterly figures")
  has(run(t, "deceive", input).error.message, "is there already")
  eq(t:read "decoys/plan.txt", before)
  t:write("decoys/mine.txt", "mine")
  eq(run(t, "deceive", with(input, { file_name = "mine.txt" })).code, 1)
  eq(t:read "decoys/mine.txt", "mine")
  for _, bad in ipairs { { location = "/etc" }, { location = dir .. "/../.." }, { file_name = "../x" },
                         { location = dir .. "/none" } } do
    eq(run(t, "deceive", with(input, bad)).code, 1)
  end
  eq(t:did "visionone.add_suspicious_object", 2)
end)

sys.test("decoy_touched: an alert that names a decoy by any of its hashes starts it, and no other", function(t)
  t:sim { "--speed", "1000" }
  local decoy = run(t, "deceive", { location = folder(t) }).result
  local touch = { format = "x", source = "x", severity = "low", raw = {}, id = "1", device = { hostname = "WS-042" },
                  user = { name = "ann" }, process = { name = "winword.exe" } }
  for _, kind in ipairs { "sha256", "sha1", "md5" } do
    local alert = with(touch, { files = { { path = "x", [kind] = decoy[kind] } } })
    local doc = run(t, "decoy_touched", { alert = alert })
    eq(doc.code, 0)
    has(doc.found[1].title, "A decoy was touched: " .. decoy.path)
    has(doc.found[1].remedy, "look at WS-042 and ann")
  end
  eq(run(t, "decoy_touched", { alert = with(touch, { files = { { path = "x", sha1 = ("0"):rep(40) } } }) }).code, 1)
  local text = sys.slurp "tests/fixtures/alerts/microsoft/mde_alert_low_reputation_t1064.json"
  local function triggers(document)
    return table.concat(t:expect(0, { "alert", t:write("touch.json", document) }).doc().triggers, " ")
  end
  eq(triggers(text), "t1059.respond")
  eq(triggers((text:gsub("dc0ade0c95d6db98882bc8fa6707e64353cd6f7767ff48d6a81a6c2aef21c608", decoy.sha256))),
     "t1059.decoy_touched t1059.respond")
end)

sys.done()
