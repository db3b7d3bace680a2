-- responses_test.lua: the response to every genuine T1059 alert there is.  Each ends, and says of each stage that it was
-- done, or why not; and no interpreter and nothing of the operating system is ever what a write is about: neither by the
-- journal, nor by the requests that reached the simulators, nor by what these say that they did.
local sys = dofile "tests/system/harness.lua"
local cjson = require "cjson"
local eq, has = sys.eq, sys.has

local ROOT = sys.root .. "/tests/fixtures/alerts/"
local STAGES = { "model", "detect", "harden", "isolate", "deceive", "evict" }

-- The alerts ----------------------------------------------------------------------------------------------

-- Every document: { file, text, t1059 }; of a set each line that is of T1059.
local function documents()
  local out = {}
  for line in sys.slurp(ROOT .. "expected.jsonl"):gmatch "[^\n]+" do
    local x = sys.decode(line)
    local text, n = sys.slurp(ROOT .. x.file), 0
    local wanted = {}
    for _, i in ipairs(x.t1059_lines or {}) do wanted[i] = true end
    if not x.file:find "^sets/" then out[#out + 1] = { file = x.file, text = text, t1059 = x.is_t1059 }
    else
      for one in text:gmatch "[^\n]+" do
        n = n + 1
        if wanted[n] then out[#out + 1] = { file = x.file .. ":" .. n, text = one, t1059 = true } end
      end
    end
  end
  return out
end

local DOCUMENTS = documents()

-- What must not be acted on -------------------------------------------------------------------------------

local SYSTEM = {}
for name in ([[powershell pwsh powershell_ise cmd command bash sh dash zsh ksh csh tcsh fish wscript cscript mshta rundll32
  regsvr32 osascript python pythonw py node nodejs lua luajit perl ruby php busybox explorer svchost services lsass
  conhost wmic reg regedit schtasks net certutil msiexec msbuild userinit sudo ssh launchd curl]]):gmatch "%S+" do
  SYSTEM[name] = true
end

-- Is a text the name or the path of one?  A path's folder counts, too.
local function of_the_system(text)
  local low = text:lower():gsub('["\']', "")
  local base = low:match "[^/\\]*$":gsub("%.exe$", "")
  if SYSTEM[base] or SYSTEM[base:gsub("[%d.]+$", "")] then return true end
  for _, folder in ipairs { "\\windows\\system32\\", "\\windows\\syswow64\\", "^/bin/", "^/usr/bin/", "^/sbin/", "^/usr/sbin/" } do
    if low:find(folder) then return true end
  end
  return false
end

-- The hashes of an alert's images that are the system's.
local function add_hashes(image, into)
  if type(image) ~= "table" then return end
  if image.interpreter or of_the_system(image.path or image.name or "") then
    for _, kind in ipairs { "sha256", "sha1", "md5" } do
      if image[kind] then into[image[kind]:lower()] = image.name or image.path end
    end
  end
end

local function system_hashes(alerts)
  local out = {}
  for _, a in ipairs(alerts) do
    local p = a.process or {}
    add_hashes(p, out)
    add_hashes(p.parent, out)
    add_hashes(p.child, out)
  end
  return out
end

-- A text of a write, wherever in it: neither such a hash, nor such a name or path.
local function check_text(text, hashes, where)
  for hash in text:lower():gmatch "%x+" do
    if hashes[hash] then error(("%s has the hash of %s"):format(where, hashes[hash]), 0) end
  end
  if of_the_system(text) then error(("%s names %s"):format(where, text), 0) end
end

local function check_value(value, hashes, where)
  if type(value) == "string" then check_text(value, hashes, where)
  elseif type(value) == "table" then
    for k, v in pairs(value) do check_value(v, hashes, where .. "." .. tostring(k)) end
  end
end

-- By the journal, of writes that were not refused.
local function check_steps(doc, hashes)
  local n = 0
  for _, s in ipairs(doc.steps) do
    if s.class == "write" and s.state ~= "refused" then
      n = n + 1
      check_value(s.entity and s.entity:match "^%w+:%w+:(.*)$" or "", hashes, s.name)
    end
  end
  for _, h in ipairs(doc.holds) do
    check_value(h.entity:match "^%w+:%w+:(.*)$", hashes, h.entity)
    check_value({ h.facet, h.state }, hashes, h.entity)
  end
  return n
end

-- The guards would have refused it; that they never had to is the playbooks' doing.
local function never_refused(text)
  sys.hasnt(text, "system_file")
  sys.hasnt(text, "an interpreter or a file of the operating system")
end

-- What a simulator writes down of a kill: the name of the one process that this id was, which is asked for by id.
local SAYS = { kill = { name = true } }

-- By the wire and the simulators' own log.  Returns how often what was done.
local function check_log(t, ops, hashes)
  local done = {}
  for _, line in ipairs(t:log()) do
    local did = line.did
    if did and did.op == "wire" and ops[line.vendor .. "." .. tostring(did.of)] then
      check_text(did.target, hashes, line.vendor .. " " .. did.target)
      local ok, body = pcall(sys.decode, did.body)
      check_value(ok and body or {}, hashes, line.vendor .. "." .. did.of)
      check_value(did.headers, hashes, line.vendor .. "." .. did.of)
    elseif did and did.op ~= "wire" then
      for k, v in pairs(did) do
        if not (SAYS[did.op] or {})[k] then check_value(v, hashes, line.vendor .. "." .. did.op .. "." .. k) end
      end
      done[did.op] = (done[did.op] or 0) + 1
    end
  end
  return done
end

local function write_ops(doc, into)
  for _, s in ipairs(doc.steps) do
    if s.class == "write" then into[s.op] = true end
  end
end

-- The tests -----------------------------------------------------------------------------------------------

local function normalised(t, text)
  local out = {}
  for line in t:expect(0, { "alert", "-", stdin = text }).out:gmatch "[^\n]+" do out[#out + 1] = sys.decode(line) end
  return out
end

local function check_stages(doc, text)
  local seen = {}
  for _, s in ipairs(doc.stages) do
    seen[s.stage] = s
    if s.state ~= "done" then
      assert(s.state == "failed" or s.state == "skipped", s.stage .. " is " .. s.state)
      assert(s.why and s.why ~= "" and s.why ~= "not called for", s.stage .. " does not say why not")
      has(text, s.why:gsub("%s+", " "):sub(1, 60))
    end
  end
  for _, name in ipairs(STAGES) do assert(seen[name], "nothing is said of " .. name) end
  for _, s in ipairs(doc.steps) do
    -- What is written back to the alert itself is of no stage.
    local of_the_alert = s.op:find "%.comment_alerts$" or s.op:find "%.set_alert_status$"
    if of_the_alert then eq(s.stage, nil, s.name)
    elseif s.class == "write" then has("/" .. s.name, "/" .. tostring(s.stage) .. "/") end
  end
  for _, note in ipairs(doc.found) do assert(seen[note.stage], "found in no stage: " .. note.title) end
  return seen
end

local function lacks_a_fact(why)
  for _, part in ipairs { "no address is known", "is known", "names no ", "exactly one", "neither domain nor" } do
    if why:find(part, 1, true) then return true end
  end
  return false
end

local n = 0
for _, document in ipairs(DOCUMENTS) do
  if document.t1059 then
    n = n + 1
    sys.test("respond: " .. document.file, function(t)
      local input = t:write("alert.json", document.text)
      local r = t:run { "run", "t1059.respond", "--sim", "--seed", "7", "--approve", "all", "--input", input, "--json" }
      assert(r.code == 0 or r.code == 5, ("exit status %d: %s"):format(r.code, r.err))
      local doc = r.doc()
      eq(doc.state, "completed")
      local seen = check_stages(doc, t:expect(0, { "show", "last" }).out)
      -- A stage that failed, or that a missing fact kept from being done, makes the response a part of one.
      local whole = #doc.not_done == 0
      for _, s in pairs(seen) do whole = whole and s.state ~= "failed" and not lacks_a_fact(s.why or "") end
      eq(doc.outcome, whole and "complete" or "partial", "the outcome")
      eq(r.code, whole and 0 or 5, "the exit status")
      check_steps(doc, system_hashes(normalised(t, document.text)))
      never_refused(r.out)
    end)
  end
end
sys.test("these are all of them", function() assert(n >= 29, "only " .. n .. " alerts of T1059") end)

sys.test("a stage that is run by itself is told as one, and one that is called twice is told twice", function(t)
  local doc = t:expect(0, { "run", "t1059.deceive", "--sim", "--json" }).doc()
  eq(#doc.stages, 1)
  eq(doc.stages[1].stage .. " " .. doc.stages[1].state, "deceive done")
  for _, s in ipairs(doc.steps) do eq(s.stage, "deceive", s.name) end
  t:write("lunette.conf.lua", ("return { scripts = { \"scripts\", %q } }"):format(sys.root .. "/scripts"))
  t:playbook("twice", [[
    map({ "txt", "nonsense", "csv" }, function(f) stage("t1059.deceive", { format = f }) end, { name = "decoy" })
    return "went on"]], 'uses = { "t1059.*" },')
  doc = t:expect(5, { "run", "twice", "--sim", "--json" }).doc()
  local states = {}
  for i, s in ipairs(doc.stages) do states[i] = s.state end
  table.sort(states)
  eq(table.concat(states, " "), "done done failed")
  for _, s in ipairs(doc.steps) do eq(s.stage, "t1059.deceive", s.name) end
end)

sys.test("what is large is told whole, and does not break the journal", function(t)
  t:playbook("large", [[
    local long = ("x"):rep(100000)
    evidence(long, { long })
    found { severity = "low", title = long }
    not_done(long, long)
    log.info(long)
    stage("nothing", {}, { when = false, why = long })
    pcall(step, "s", function() fail("mine", long, { more = long }) end)
    approve { title = "Go on?" }
    return long]], "uses = {},")
  local doc = t:expect(3, { "run", "large", "--sim", "--json" }).doc()
  t:expect(0, { "approve", doc.waiting.id })
  doc = t:expect(5, { "resume", doc.run, "--sim", "--json" }).doc()
  for what, text in pairs { name = doc.evidence[1].name, value = doc.evidence[1].value[1], title = doc.found[1].title,
                            ["not done"] = doc.not_done[1].why, stage = doc.stages[1].why, result = doc.result } do
    eq(#text, 100000, what)
  end
  eq(doc.steps[1].error.code, "mine")
end)

-- The same, with nothing left to chance: every document, of T1059 or not, is taken for malicious and for benign, on a host
-- that is there.  By the simulators' log some of it is done; none of it to an interpreter.
local ALL = [[
  local subject = require "t1059.subject"
  local device, out = { hostname = "WORKSTATION5.theshire.local" }, {}
  for _, a in ipairs(input.alerts) do
    local s = subject.subject(a)
    s.host = device.hostname
    out[#out + 1] = s.kind .. " " .. s.name
    stage("t1059.isolate", { subject = s, device = device, verdict = "malicious" })
    stage("t1059.evict", { subject = s, device = device })
    stage("t1059.isolate", { subject = s, device = device, verdict = "benign" })
  end
  return out]]

-- Runs it over the alerts.  Returns the run's document, and what it printed.
local function act_on(t, alerts)
  local raw = {}
  for i, a in ipairs(alerts) do raw[i] = cjson.encode(a) end
  local input = t:write("input.json", '{ "alerts": [' .. table.concat(raw, ",") .. "] }")
  local r = t:run { "run", "all", "--input", input, "--approve", "all", "--json", seconds = 200 }
  assert(r.code == 0 or r.code == 5, r.err)
  local doc = r.doc()
  eq(#doc.result, #alerts)
  return doc, r.out
end

sys.test("taken for malicious and for benign, with every host known: by wire and log never an interpreter", function(t)
  t:record()
  t:sim { "--speed", "1000" }
  t:playbook("all", ALL, 'uses = { "t1059.*" }, input = { alerts = "[table]" },')
  t:write("sim.conf.lua", (t:read "sim.conf.lua":gsub("return {\n", function()
    return ("return {\n  scripts = { \"scripts\", %q },\n  guards = { per_run = { destructive = 1000 }, "
            .. "per_hour = { destructive = 1000 } },\n"):format(sys.root .. "/scripts")
  end, 1)))
  local all, ours, others = {}, {}, {}
  for _, document in ipairs(DOCUMENTS) do
    for _, a in ipairs(normalised(t, document.text)) do
      local list = document.t1059 and ours or others
      all[#all + 1], list[#list + 1] = a, a
    end
  end
  assert(#ours >= 29 and #others >= 31, #ours .. " and " .. #others)
  local hashes, ops = system_hashes(all), {}
  local doc, text = act_on(t, ours)
  never_refused(text)
  assert(check_steps(doc, hashes) > 20, "hardly a write was made")
  write_ops(doc, ops)
  doc = act_on(t, others)
  check_steps(doc, hashes)
  write_ops(doc, ops)
  local done = check_log(t, ops, hashes)
  for _, op in ipairs { "block", "add_exception", "isolate", "create_ioc" } do assert(done[op], op .. " was never done") end
end)

sys.done()
