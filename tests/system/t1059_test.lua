-- t1059_test.lua: the playbooks, each by itself and all of them in a response, where facts are missing, people say
-- no, hosts are off line and files are gone.  What was done is what the simulators' answers led to; what was not
-- done says why.
local cjson = require "cjson"
local sys = dofile "tests/system/harness.lua"
local eq, has, hasnt = sys.eq, sys.has, sys.hasnt

local ALERTS = sys.root .. "/tests/fixtures/alerts/windows/"
local SCRIPT, ENCODED = "nxlog_sysmon1_wscript_launcher_vbs.json", "nxlog_sysmon1_powershell_enc_huge.json"
local LAUNCHER = "c1dadf9fb8021aa205bd52604c4d7330c5e1251198322ac4b8a093dc23df1a10"

---Writes an alert like one of the fixtures, but for some members.
local function alert(t, file, members)
  local document = cjson.decode(sys.slurp(ALERTS .. file))
  for k, v in pairs(members or {}) do document[k] = v end
  return t:write("alert.json", cjson.encode(document))
end

---Runs a playbook against simulators in the process; args: further ones.
local function run(t, name, args)
  local words = { "run", name, "--sim", "--json", table.unpack(args) }
  local r = t:run(words)
  local ok, doc = pcall(r.doc)
  if not ok then error(r.err .. r.out, 2) end
  doc.code = r.code
  return doc
end

local function respond(t, file, members, ...)
  local args = { "--input", alert(t, file, members), ... }
  if not table.concat(args, " "):find "%-%-approve" then args[#args + 1], args[#args + 2] = "--approve", "all" end
  return run(t, "t1059.respond", args)
end

---Its stages as one text: "model done, detect failed, …", by name.
local function stages(doc)
  local out = {}
  for i, s in ipairs(doc.stages) do out[i] = s.stage .. " " .. s.state end
  table.sort(out)
  return table.concat(out, ", ")
end

local function why(doc, stage)
  for _, s in ipairs(doc.stages) do
    if s.stage == stage then return s.why end
  end
end

---The writes that were done, as one text with a blank at both ends.
local function did(doc)
  local out = {}
  for _, s in ipairs(doc.steps) do
    if s.class == "write" and s.state == "done" then out[#out + 1] = s.op end
  end
  return " " .. table.concat(out, " ") .. " "
end

local function not_done(doc)
  local out = {}
  for i, n in ipairs(doc.not_done) do out[i] = (n.stage or "-") .. " " .. n.what .. ": " .. n.why end
  return table.concat(out, "\n")
end

---Milliseconds from one time to another, less than a day later.
local function ms_between(from, to)
  local function ms(t)
    local h, m, s = t:match "T(%d+):(%d+):([%d.]+)Z$"
    return (h * 60 + m) * 60000 + s * 1000
  end
  return (ms(to) - ms(from)) % 86400000
end

-- A whole response ----------------------------------------------------------------------------------------

sys.test("a script on disk goes through every stage, and each step and finding knows its own", function(t)
  local doc = respond(t, SCRIPT, nil, "--set", "confirmed_by=alice")
  eq(stages(doc), "deceive done, detect done, evict done, harden done, isolate done, model done")
  eq(doc.code, 5)                                          -- one host is off line
  local of = {}
  for _, s in ipairs(doc.steps) do
    if s.class == "write" then of[s.op] = s.stage end
  end
  for op, stage in pairs { ["qualys.launch_scan"] = "model", ["crowdstrike.submit"] = "detect",
                           ["okta.add_to_group"] = "harden", ["visionone.block"] = "isolate",
                           ["crowdstrike.rtr_kill"] = "isolate", ["visionone.isolate"] = "isolate",
                           ["visionone.watch"] = "deceive", ["crowdstrike.rtr_rm"] = "evict" } do
    eq(of[op], stage, op)
  end
  for _, f in ipairs(doc.found) do eq(f.stage, f.qid and "model" or "detect", f.title) end
  has(not_done(doc), "evict remove launcher.vbs from WORKSTATION7: the host is off line")
  has(not_done(doc), "evict delete the indicator of launcher.vbs: it still prevents the file")
  -- denied before it was ended, ended before the host was cut off
  local order = did(doc)
  assert(order:find("visionone.block", 1, true) < order:find("crowdstrike.rtr_kill", 1, true))
  assert(order:find("crowdstrike.rtr_kill", 1, true) < order:find("visionone.isolate", 1, true))
  hasnt(order, "visionone.terminate_process")
end)

sys.test("a scan that takes its time, or of which nobody knows whether it began, holds up nothing else", function(t)
  local function step(doc, op)
    for _, s in ipairs(doc.steps) do if s.op == op then return s end end
  end
  local slow = respond(t, SCRIPT, nil, "--set", "confirmed_by=alice")
  local scan, isolation = step(slow, "qualys.launch_scan"), step(slow, "visionone.isolate")
  eq(scan.state, "done")
  assert(ms_between(scan.started, isolation.started) < scan.ms, "it waited for the scan")

  local doubt = respond(t, SCRIPT, nil, "--set", "confirmed_by=alice", "--faults",
                        "qualys.launch_scan#1=reset-after,qualys.scan_list@1=html")
  eq(doubt.code, 3)
  eq(doubt.waiting["for"], "doubt")
  eq(stages(doubt), "deceive done, detect done, evict done, harden done, isolate done, model waiting")
end)

sys.test("an encoded command: no file is denied or evicted, and the report says so", function(t)
  local doc = respond(t, ENCODED, nil, "--set", "confirmed_by=alice")
  eq(stages(doc), "deceive done, detect done, evict skipped, harden done, isolate done, model done")
  has(why(doc, "evict"), "there is no file: command.ps1 is a command")
  has(not_done(doc), "isolate deny command.ps1: there is no file whose hash could be denied")
  for _, op in ipairs { "visionone.block", "crowdstrike.create_ioc", "crowdstrike.rtr_rm" } do hasnt(did(doc), op) end
  has(did(doc), "crowdstrike.rtr_kill")
end)

sys.test("a host that nobody knows: its stages say so, the account's goes on", function(t)
  local doc = respond(t, SCRIPT, { Hostname = "NOWHERE.theshire.local" }, "--set", "confirmed_by=alice")
  eq(stages(doc), "deceive done, detect skipped, evict skipped, harden done, isolate skipped, model skipped")
  eq(doc.code, 5)
  eq(doc.result.verdict, "unknown")
  has(why(doc, "model"), "NOWHERE")
  has(why(doc, "detect"), "no host is NOWHERE.theshire.local")
  has(not_done(doc), "look for vulnerabilities: no address is known")
  has(not_done(doc), "isolate contain NOWHERE.theshire.local: the verdict is unknown: a person decides")
end)

for name, x in pairs {
  ["is not in Okta"] = { [[THESHIRE\nnobody]], [[no Okta user for THESHIRE\nnobody]] },
  ["is the system's"] = { [[NT AUTHORITY\SYSTEM]], "an account of the operating system: not looked up in Okta" },
  ["is the host's own"] = { [[WORKSTATION5\wardog]], "an account of the host alone: not looked up in Okta" },
} do
  sys.test("an account that " .. name .. " is not asked about", function(t)
    local doc = respond(t, SCRIPT, { User = x[1] }, "--set", "confirmed_by=alice")
    eq(stages(doc), "deceive done, detect done, evict done, harden skipped, isolate done, model done")
    has(why(doc, "harden"), x[2])
    if x[1]:find "nnobody" then has(not_done(doc), "confine " .. x[1]) else hasnt(not_done(doc), "confine") end
    hasnt(did(doc), "okta.")
    local asked = 0
    for _, s in ipairs(doc.steps) do asked = asked + (s.op == "okta.users" and 1 or 0) end
    eq(asked, x[1]:find "nnobody" and 1 or 0, "how often Okta was asked for it")
  end)
end

sys.test("a sandbox that knows nothing, or is in doubt, decides nothing", function(t)
  for path, verdict in pairs { [ [[C:\Users\pgustavo\Documents\notes.txt]] ] = "unknown",
                               [ [[C:\ProgramData\Theshire\logon.cmd]] ] = "suspicious" } do
    local doc = respond(t, SCRIPT, { CommandLine = ('"C:\\windows\\System32\\WScript.exe" "%s" '):format(path) })
    eq(doc.result.verdict, verdict)
    eq(stages(doc), "deceive done, detect done, evict skipped, harden done, isolate skipped, model done")
    eq(doc.code, 5)
    has(doc.result.why[1], "the sandbox says")
    has(not_done(doc), "the verdict is " .. verdict .. ": a person decides")
    hasnt(did(doc), "visionone.block")
    hasnt(did(doc), "visionone.isolate")
    hasnt(did(doc), "crowdstrike.create_ioc")
  end
end)

sys.test("a file that is gone, and one whose place is not known", function(t)
  local gone = respond(t, SCRIPT, { CommandLine = [["WScript.exe" "C:\Users\pgustavo\Desktop\gone.vbs"]] })
  eq(why(gone, "detect"), [[C:\Users\pgustavo\Desktop\gone.vbs is not on host WORKSTATION5]])
  local lost = respond(t, SCRIPT, { CommandLine = [["WScript.exe" launcher.vbs]], CurrentDirectory = "" })
  has(why(lost, "detect"), "launcher.vbs: where it is on the host is not known, nor its hash")
  for _, doc in ipairs { gone, lost } do
    eq(doc.result.verdict, "unknown")
    eq(doc.result.why[1], "it was not analysed")
  end
end)

sys.test("a host that is off line: not scanned, not analysed, nothing done to it", function(t)
  local doc = respond(t, SCRIPT, { Hostname = "WORKSTATION7.theshire.local" }, "--set", "confirmed_by=alice")
  eq(stages(doc), "deceive done, detect failed, evict skipped, harden done, isolate skipped, model done")
  has(why(doc, "detect"), "the host is off line")
  has(not_done(doc), "model scan 10.20.5.17")
  assert(#doc.found > 0, "what is known from before stands")
end)

sys.test("who allows: off the denylist and onto the exceptions, asked; nothing is laid out or removed", function(t)
  t:write("lunette.conf.lua", ('return { allow = { sha256 = { "%s" } } }\n'):format(LAUNCHER))
  local doc = respond(t, SCRIPT, nil, "--set", "confirmed_by=alice")
  eq(stages(doc), "deceive skipped, detect done, evict skipped, harden done, isolate done, model done")
  eq(doc.result.verdict, "benign")
  eq(why(doc, "evict"), "the verdict is benign")
  has(did(doc), "visionone.add_exception")
  local asked = {}
  for _, a in ipairs(doc.approvals) do asked[a.title] = true end
  assert(asked["Allow launcher.vbs"], "nobody was asked")
  eq(#doc.not_done, 0, not_done(doc))
end)

sys.test("a vendor that cannot be asked is named, and what depends on it is not done", function(t)
  local doc = respond(t, SCRIPT, nil, "--faults", "okta=expire,qualys=empty")
  eq(stages(doc), "deceive done, detect done, evict done, harden skipped, isolate done, model failed")
  has(why(doc, "model"), "qualys.scanned_hosts: an answer that is neither XML nor JSON")
  has(why(doc, "harden"), "Okta could not be asked: ")
  has(not_done(doc), [[confine THESHIRE\pgustavo: Okta could not be asked]])
end)

sys.test("people who say no: each stage says who, and nothing that was asked is done", function(t)
  local doc = respond(t, SCRIPT, nil, "--approve", "deny")
  eq(stages(doc), "deceive done, detect done, evict failed, harden skipped, isolate failed, model done")
  eq(doc.code, 5)
  has(why(doc, "harden"), "not confirmed as compromised: approval 1 was denied by --approve deny")
  has(why(doc, "isolate"), "was denied by")
  for _, op in ipairs { "okta.", "visionone.block", "visionone.isolate", "crowdstrike.rtr_kill",
                        "crowdstrike.create_ioc", "crowdstrike.rtr_rm" } do
    hasnt(did(doc), op)
  end
end)

sys.test("the account is asked about at once, and the host's side does not wait for the answer", function(t)
  local doc = run(t, "t1059.respond", { "--input", alert(t, SCRIPT) })
  eq(doc.code, 3)
  eq(stages(doc), "detect done, isolate waiting, model done")
  eq(doc.approvals[1].title, "Is the account pgustavo@theshire.example compromised?")
  has(doc.approvals[2].title, "Contain WORKSTATION5, and deny and end launcher.vbs")
  eq(doc.waiting.step:match "^[^/]+", "account")
end)

-- No hash of an interpreter -------------------------------------------------------------------------------

---Everything that a response would write, or be refused, were the alert's host one of ours, and what it was
---given malicious.
local function planned(t, a)
  a.device = { hostname = "WORKSTATION6" }
  local doc = run(t, "t1059.respond", { "--plan", "--input", t:write("one.json", cjson.encode(a)),
    "--set", "confirmed_by=alice", "--assume", 'crowdstrike.analyse={"id":"r","verdict":"malicious"}',
    "--assume", 'crowdstrike.rtr_get_file={"sha256":"' .. ("ab"):rep(32) .. '","name":"sample","planned":true}' })
  local writes = {}
  for _, s in ipairs(doc.steps) do
    if s.class == "write" then
      writes[#writes + 1] = cjson.encode { s.op, s.entity or "", s.facet or "", s.would or {} }
    end
  end
  return doc, table.concat(writes, "\n"):lower()
end

local SYSTEM = { powershell = 1, pwsh = 1, cmd = 1, bash = 1, sh = 1, wscript = 1, cscript = 1, mshta = 1, rundll32 = 1,
                 regsvr32 = 1, osascript = 1, python = 1, python3 = 1, node = 1, lua = 1, dash = 1, echo = 1 }

---The hashes of every image in an alert that is an interpreter or the system's.
local function forbidden(a)
  local p, out = a.process or {}, {}
  for _, image in ipairs { p, p.parent or {}, p.child or {} } do
    local name = (image.name or ""):lower():gsub("%.exe$", "")
    for _, kind in ipairs { "sha256", "sha1", "md5" } do
      if image[kind] and (SYSTEM[name] or image.interpreter) then out[#out + 1] = image[kind]:lower() end
    end
  end
  return out
end

sys.test("of every T1059 alert, no hash of an interpreter reaches a write, though all of it were malicious", function(t)
  local alerts, seen, acted = 0, 0, {}
  for line in sys.slurp(sys.root .. "/tests/fixtures/alerts/expected.jsonl"):gmatch "[^\n]+" do
    local x = sys.decode(line)
    local r = t:expect(0, { "alert", sys.root .. "/tests/fixtures/alerts/" .. x.file })
    for one in r.out:gmatch "[^\n]+" do
      local a = sys.decode(one)
      if table.concat(a.triggers, " "):find("t1059.respond", 1, true) then
        alerts = alerts + 1
        local doc, writes = planned(t, cjson.decode(one))
        eq(doc.state, "completed", x.file)
        for _, s in ipairs(doc.stages) do acted[s.stage .. " " .. s.state] = true end
        for _, hash in ipairs(forbidden(a)) do
          seen = seen + 1
          assert(not writes:find(hash, 1, true), x.file .. ": " .. hash .. " is in\n" .. writes)
        end
      end
    end
  end
  for _, stage in ipairs { "isolate", "evict", "deceive" } do assert(acted[stage .. " planned"], stage) end
  assert(alerts >= 29 and seen > 20, alerts .. " alerts, " .. seen .. " hashes")
end)

sys.done()
