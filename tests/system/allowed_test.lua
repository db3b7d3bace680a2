-- allowed_test.lua: the word `allowed` and the site's allowlist, through the program: what is listed is benign, and
-- nothing is denied, ended or removed for it; what only looks listed is not.
--
-- Run from the root of the tree, with the program's path in LUNETTE:   lua5.4 tests/system/allowed_test.lua

package.path = "tests/lua/alert/?.lua;" .. package.path
local shim = require "shim"
local json = require "json"
local test = shim.test

local function run_command(command)
  local p <close> = assert(io.popen(command))
  local out = p:read "a"
  local _, _, status = p:close()
  return out, status
end

local ROOT = run_command("pwd"):match "^[^\n]+"
local LUNETTE = os.getenv "LUNETTE" or ROOT .. "/build/lunette"
local WORK = run_command("mktemp -d"):match "^[^\n]+"
local ALERT = ROOT .. "/tests/fixtures/alerts/windows/nxlog_sysmon1_wscript_launcher_vbs.json"

local function write(name, text)
  local f <close> = assert(io.open(WORK .. "/" .. name, "w"))
  f:write(text)
  return WORK .. "/" .. name
end

---Runs a playbook under a configuration; its document.
local function run(playbook, config, options)
  local file = write("lunette.conf.lua", config)
  local out, status = run_command(("cd '%s' && '%s' run %s --config '%s' --json %s 2>&1")
                                  :format(WORK, LUNETTE, playbook, file, options or ""))
  local ok, doc = pcall(json.decode, out)
  assert(ok, out)
  return doc, status
end

local HASH = ("a1"):rep(32)

---What a playbook's body returns under an allowlist.
local function result(allow, body)
  local script = write("one.lua", 'return playbook { name = "one", summary = "One", uses = {}, run = function()\n'
                                  .. body .. "\nend }\n")
  return run("'" .. script .. "'", "return { allow = " .. allow .. " }").result
end

test("allowed: a hash in any case, a path by glob in any case; one of the two is enough", function()
  local got = result('{ sha256 = { "' .. HASH:upper() .. '" }, path = { "C:\\\\Tools\\\\*" } }', ([[
    local h = "%s"
    return { upper = allowed { sha256 = h:upper() }, lower = allowed { sha256 = h },
             path = allowed { path = "c:\\TOOLS\\backup.ps1" }, either = allowed { path = "D:\\x", sha256 = h },
             other = allowed { sha256 = h:gsub("a", "b") }, elsewhere = allowed { path = "C:\\Users\\backup.ps1" } }
  ]]):format(HASH))
  assert(got.upper and got.lower and got.path and got.either)
  assert(got.other == false and got.elsewhere == false)
end)

test("allowed: a path that climbs is in no list", function()
  local got = result('{ path = { "C:\\\\Tools\\\\*", "/opt/it/*" } }', [[
    return { up = allowed { path = "C:\\Tools\\..\\Users\\x.ps1" }, slash = allowed { path = "/opt/it/../../tmp/x" },
             mixed = allowed { path = "C:\\Tools\\a/../../x.ps1" }, still = allowed { path = "/opt/it/./x" },
             last = allowed { path = "/opt/it/.." }, dots = allowed { path = "/opt/it/a..b/.x/c." } }
  ]])
  assert(not (got.up or got.slash or got.mixed or got.still or got.last))
  assert(got.dots == true)
end)

test("allowed: without a list nothing is; misuse is told", function()
  local got = result("{}", ([[
    local out = { nothing = allowed { sha256 = "%s", path = "C:\\Tools\\x" } }
    for i, args in ipairs { {}, { sha256 = "12" }, { path = 3 }, { hash = "x" } } do
      local _, e = try(allowed, args)
      out[i] = e.code .. " " .. e.message
    end
    return { nothing = out.nothing, told = table.concat(out, "\n") }
  ]]):format(HASH))
  assert(got.nothing == false)
  for _, part in ipairs { "a sha256 or a path", "64 hexadecimal digits", "path must be a text", "unknown option 'hash'" } do
    assert(got.told:find(part, 1, true), got.told)
  end
  assert(select(2, got.told:gsub("bad_argument", "")) == 4)
end)

---The writes that a run made, as one text.
local function writes(doc)
  local out = {}
  for _, s in ipairs(doc.steps) do
    if s.class == "write" and s.state == "done" then out[#out + 1] = s.op end
  end
  return table.concat(out, " ")
end

local function has(doc, op) return writes(doc):find(op, 1, true) ~= nil end

local function respond(config)
  return run("t1059.respond", config, "--sim --seed 7 --approve all --input '" .. ALERT .. "'")
end

local function stage_of(doc, name)
  for _, s in ipairs(doc.stages) do
    if s.stage == name then return s end
  end
end

local plain = respond "return {}"

test("without a list the script is malicious, and is denied, ended and contained", function()
  assert(plain.result.verdict == "malicious", plain.result.verdict)
  assert(has(plain, "visionone.block") and has(plain, "visionone.isolate") and has(plain, "rtr_kill"))
end)

test("a listed hash, which is known only once the file was fetched: benign, and nothing is taken away", function()
  local doc = respond('return { allow = { sha256 = { "' .. plain.result.subject.sha256 .. '" } } }')
  assert(doc.result.verdict == "benign" and doc.result.why[1] == "on the site's allowlist")
  assert(not has(doc, "visionone.block") and not has(doc, "visionone.isolate") and not has(doc, "rtr_kill"))
  assert(stage_of(doc, "evict").state == "skipped" and stage_of(doc, "isolate").state == "done")
end)

test("a listed path: benign before anything is fetched or analysed", function()
  local doc = respond [[return { allow = { path = { "C:\\Users\\*\\Desktop\\LAUNCHER.vbs" } } }]]
  assert(doc.result.verdict == "benign" and doc.result.why[1] == "on the site's allowlist")
  assert(not has(doc, "crowdstrike.") and not has(doc, "visionone."), writes(doc))
  assert(stage_of(doc, "isolate").state == "skipped")
end)

os.execute("rm -rf '" .. WORK .. "'")
shim.done()
