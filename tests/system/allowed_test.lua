-- allowed_test.lua: the word `allowed` and the site's allowlist: what is listed is benign, and nothing is
-- denied, ended or removed for it; what only looks listed is not.
local sys = dofile "tests/system/harness.lua"
local eq, has = sys.eq, sys.has

local ALERT = sys.root .. "/tests/fixtures/alerts/windows/nxlog_sysmon1_wscript_launcher_vbs.json"
local HASH = ("a1"):rep(32)

---What a playbook's body returns under an allowlist.
local function result(t, allow, body)
  t:write("lunette.conf.lua", 'return { scripts = { "scripts" }, allow = ' .. allow .. " }\n")
  t:playbook("one", body, "uses = {},")
  return t:expect(0, { "run", "one", "--json" }).doc().result
end

sys.test("a hash in any case, a path by glob in any case; one of the two is enough", function(t)
  local allow = '{ sha256 = { "' .. HASH:upper() .. '" }, path = { "C:\\\\Tools\\\\*" } }'
  local got = result(t, allow, ([[
    local h = "%s"
    return { upper = allowed { sha256 = h:upper() }, lower = allowed { sha256 = h },
             path = allowed { path = "c:\\TOOLS\\backup.ps1" },
             either = allowed { path = "D:\\x", sha256 = h },
             other = allowed { sha256 = h:gsub("a", "b") },
             elsewhere = allowed { path = "C:\\Users\\backup.ps1" } }
  ]]):format(HASH))
  assert(got.upper and got.lower and got.path and got.either)
  eq(got.other, false)
  eq(got.elsewhere, false)
end)

sys.test("a path that climbs is in no list", function(t)
  local got = result(t, '{ path = { "C:\\\\Tools\\\\*", "/opt/it/*" } }', [[
    return { up = allowed { path = "C:\\Tools\\..\\Users\\x.ps1" },
             slash = allowed { path = "/opt/it/../../tmp/x" },
             mixed = allowed { path = "C:\\Tools\\a/../../x.ps1" },
             still = allowed { path = "/opt/it/./x" }, last = allowed { path = "/opt/it/.." },
             dots = allowed { path = "/opt/it/a..b/.x/c." } }
  ]])
  assert(not (got.up or got.slash or got.mixed or got.still or got.last))
  eq(got.dots, true)
end)

sys.test("without a list nothing is allowed; misuse is told", function(t)
  local got = result(t, "{}", ([[
    local out = { nothing = allowed { sha256 = "%s", path = "C:\\Tools\\x" } }
    for i, args in ipairs { {}, { sha256 = "12" }, { path = 3 }, { hash = "x" } } do
      local _, e = try(allowed, args)
      out[i] = e.code .. " " .. e.message
    end
    return { nothing = out.nothing, told = table.concat(out, "\n") }
  ]]):format(HASH))
  eq(got.nothing, false)
  for _, part in ipairs { "a sha256 or a path", "64 hexadecimal digits", "path must be a text",
                          "unknown option 'hash'" } do
    has(got.told, part)
  end
  eq(select(2, got.told:gsub("bad_argument", "")), 4)
end)

---The response to the alert under a configuration, against simulators of one seed.
local function respond(t, config)
  t:write("lunette.conf.lua", config)
  return t:run({ "run", "t1059.respond", "--sim", "--seed", "7", "--approve", "all", "--input", ALERT,
                 "--json" }).doc()
end

---The writes that a run made, as one text.
local function writes(doc)
  local out = {}
  for _, s in ipairs(doc.steps) do
    if s.class == "write" and s.state == "done" then out[#out + 1] = s.op end
  end
  return table.concat(out, " ")
end

local function state_of(doc, stage)
  for _, s in ipairs(doc.stages) do
    if s.stage == stage then return s.state end
  end
end

local function benign(doc)
  eq(doc.result.verdict, "benign")
  eq(doc.result.why[1], "on the site's allowlist")
  for _, op in ipairs { "visionone.block", "visionone.isolate", "rtr_kill", "rtr_rm" } do
    sys.hasnt(writes(doc), op)
  end
  eq(state_of(doc, "evict"), "skipped")
end

sys.test("a listed hash, known only once the file was fetched: benign, and nothing is taken away", function(t)
  local plain = respond(t, "return {}")
  eq(plain.result.verdict, "malicious")
  has(writes(plain), "visionone.block")
  has(writes(plain), "crowdstrike.rtr_kill")
  local listed = respond(t, 'return { allow = { sha256 = { "' .. plain.result.subject.sha256 .. '" } } }')
  benign(listed)
  eq(state_of(listed, "isolate"), "done")
end)

sys.test("a listed path: benign before anything is fetched or analysed", function(t)
  local doc = respond(t, [[return { allow = { path = { "C:\\Users\\*\\Desktop\\LAUNCHER.vbs" } } }]])
  benign(doc)
  sys.hasnt(writes(doc), "crowdstrike.")
  eq(state_of(doc, "isolate"), "skipped")
end)

sys.done()
