-- secrets_test.lua: secrets of every kind, in a response with all that can go wrong, and then a search for their values
-- wherever somebody could look: the store and what lies beside it, what the commands wrote, logs, and the processes'
-- command lines.  The simulators accept these very values, and write down what reached them: so it is known that they
-- were used.
local sys = dofile "tests/system/harness.lua"
local eq, has = sys.eq, sys.has

local ALERTS = sys.root .. "/tests/fixtures/alerts/windows/"
local SCRIPT, COMMAND = ALERTS .. "nxlog_sysmon1_wscript_launcher_vbs.json",
                        ALERTS .. "nxlog_sysmon1_powershell_enc_huge.json"

-- By name.  Those of connectors have characters that forms, shells and JSON spell in ways of their own.
local VALUES = {
  okta_token      = "00wQ7-okta.Token_under~Test=8Zx1kfR9",
  cs_secret       = [[fAlcon+Secret&under%Test="4/5\6' kW2]],
  qualys_password = "qUalys:Pass word+under%Test;Vd83hs",
  v1_token        = "eyJhbGciOiJub25lIn0.visionOneTokenUnderTest.Jq5cRwP0",
  hook            = "hOok-Bearer-under-Test-b7Tq2LmXz0",
  basic           = "bAsic:Pass-under-Test-9sKf3QwErT",
  header          = "hEader-Key-under-Test-5gHj8KlPoI",
  hmac            = "hMac-Key-under-Test-2zXcVbNmAsD",
  seal            = "73656372657420416573206b657920756e64657220746573742e2e31e5f1a9c7",
}
-- Who the simulators know instead of those that they ship with.
local SWAPS = {
  okta = { { '"00SimulatedOktaToken"', ("%q"):format(VALUES.okta_token) } },
  crowdstrike = { { '"SimulatedFalconSecretOfFortyCharacters01"', ("%q"):format(VALUES.cs_secret) } },
  qualys = { { '"simulated-qualys-password"', ("%q"):format(VALUES.qualys_password) } },
  visionone = { { '"eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.simulated.visionone"', ("%q"):format(VALUES.v1_token) } },
}
local LOGIN = { qualys_password = "theshire_lu1", basic = "soc" }       -- who goes with a password

-- Forms of a value ----------------------------------------------------------------------------------------

local DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
local function base64(s)
  return (s:gsub("..?.?", function(three)
    local a, b, c = three:byte(1, 3)
    local n, out = a << 16 | (b or 0) << 8 | (c or 0), {}
    for i = 1, 4 do
      local digit = (n >> (24 - 6 * i) & 63) + 1
      out[i] = i <= #three + 1 and DIGITS:sub(digit, digit) or "="
    end
    return table.concat(out)
  end))
end

local function encoded(s) return (s:gsub("[^%w%-._~]", function(c) return ("%%%02X"):format(c:byte()) end)) end
local function hex(s) return (s:gsub(".", function(c) return ("%02x"):format(c:byte()) end)) end

-- A value, both of its halves (a page of the store may end in the middle), and what base64 makes of it wherever in a
-- text it stands, less the digits that its neighbours decide.
local function forms(value, login)
  local out = { value, encoded(value), hex(value), (value:gsub('[\\"]', "\\%0")) }
  if #value >= 24 then out[#out + 1], out[#out + 2] = value:sub(1, #value // 2), value:sub(#value // 2 + 1) end
  for shift = 0, 2 do
    local text = base64(("x"):rep(shift) .. value):gsub("=", "")
    out[#out + 1] = text:sub(shift == 0 and 1 or shift == 1 and 3 or 4, -3)
  end
  if login then out[#out + 1] = base64(login .. ":" .. value) end
  return out
end

local function needles(values)
  local out = {}
  for name, value in pairs(values) do
    for _, form in ipairs(forms(value, LOGIN[name])) do out[#out + 1] = { name, form } end
  end
  return out
end

-- Places where somebody could look ------------------------------------------------------------------------

-- What the test itself wrote in clear, or had written by the simulators.
local OWN = { "^recorded", "^sim%.conf", "^sim%.log", "^secrets%.sh$", "^credentials/", "^key%.pem$", "%.in$" }

local function places(t)
  local out = {}
  for path in io.popen("cd '" .. t.dir .. "' && find . -type f"):lines() do
    local name, own = path:sub(3), false
    for _, pattern in ipairs(OWN) do own = own or name:find(pattern) ~= nil end
    if not own then out[name] = sys.slurp(t.dir .. "/" .. name) end
  end
  return out
end

local function command_lines()
  local out = {}
  for pid in io.popen("ls /proc"):lines() do
    if pid:find "^%d+$" then
      out["/proc/" .. pid .. "/cmdline"] = sys.slurp("/proc/" .. pid .. "/cmdline") or ""
      out["/proc/" .. pid .. "/comm"] = sys.slurp("/proc/" .. pid .. "/comm") or ""
    end
  end
  return out
end

local function search(haystacks, wanted)
  for place, text in pairs(haystacks) do
    for _, n in ipairs(wanted) do
      if text:find(n[2], 1, true) then error(("the secret %s is in %s, as %s"):format(n[1], place, n[2]), 2) end
    end
  end
end

-- The tokens that the simulators gave out, by what they are.
local function issued(t)
  local out = {}
  for i, w in ipairs(t:wire()) do
    local token = w.op == "token" and w.answer:match '"access_token":"([^"]+)"'
    if token then out["bearer " .. i .. " of " .. w.vendor] = token end
  end
  return out
end

local function nowhere(t, values)
  local found = places(t)
  assert(found["lunette.db"], "there is no store")
  search(found, needles(values))
  search(found, needles(issued(t)))
end

-- A site --------------------------------------------------------------------------------------------------

-- Simulators that know these values, and a configuration that has their names alone: the environment has one, systemd's
-- folder another, the vault the rest.
local function site(t, faults, more)
  t:record(SWAPS)
  t:sim { "--speed", more and more.speed or "1000", "--faults", faults or "" }
  local known = load(t:read "sim.conf.lua")()
  local c = known.connectors
  t:write("site.conf.lua", ([[return { store = "sqlite:lunette.db", scripts = { "scripts", %q }, files = { %q },
    connectors = {
      okta = { url = %q, pace = 1000, %s },
      crowdstrike = { url = %q, pace = 1000, client_id = %q, client_secret = secret "cs_secret" },
      qualys = { url = %q, pace = 1000, username = %q, password = secret "qualys_password" },
      visionone = { url = %q, pace = 1000, token = secret "v1_token" } },
    playbooks = { ["t1059.harden"] = { group = "ir-restricted", privileged = { "Domain Admins" } },
      ["t1059.model"] = { option = "Initial Options", scanner = "dc1-appliance" },
      ["t1059.deceive"] = { location = %q } },
    %s }]]):format(sys.root .. "/scripts", t.dir .. "/lunette.sim", c.okta.url, more and more.okta or 'token = secret "okta_token"',
                   c.crowdstrike.url, c.crowdstrike.client_id, c.qualys.url, c.qualys.username, c.visionone.url,
                   t.dir .. "/lunette.sim", more and more.rest or ""))
  t.conf = t.dir .. "/site.conf.lua"
  t:write("scripts/README", "for the playbooks of the tests\n")
  t:write("credentials/qualys_password", VALUES.qualys_password .. "\n")
  t:write("secrets.sh", ("export LUNETTE_SECRET_OKTA_TOKEN='%s' CREDENTIALS_DIRECTORY='%s/credentials'\n")
                        :format(VALUES.okta_token, t.dir))
  t.secrets = ". ./secrets.sh"
  for _, name in ipairs { "cs_secret", "v1_token", "hook", "basic", "header", "hmac", "seal" } do
    t:expect(0, { "secret", "set", name, stdin = VALUES[name] .. "\n" })
  end
end

-- A command that has the environment's secrets; they are on nobody's command line.
local function run(t, args)
  args.limit = t.secrets
  return t:run(args)
end

-- All that can be shown of a run and of the store.
local function show_all(t)
  for _, args in ipairs { { "show", "last" }, { "show", "last", "--json" }, { "show", "last", "--markdown" }, { "runs" },
                          { "runs", "--json" }, { "approvals", "--json" }, { "entity" }, { "entity", "--json" },
                          { "secret", "list" }, { "call", "okta.users", "login=pgustavo@theshire.example", "--json" },
                          { "call", "visionone.block", "sha1=5683729702392da5cfaa8476f96228a9abf08c54", "--json" },
                          { "call", "qualys.scanned_hosts", "ip=10.20.5.15" } } do
    run(t, args)
  end
end

local function used(t, vendor, header, value)
  for _, w in ipairs(t:wire()) do
    if w.vendor == vendor and w.headers[header] == value then return end
  end
  error(vendor .. " never got " .. header .. ": " .. value, 2)
end

-- Tests ---------------------------------------------------------------------------------------------------

sys.test("a whole response, past every fault: no value is anywhere but on the wire", function(t)
  site(t, "crowdstrike.token#1=5xx,crowdstrike#4=expire,crowdstrike#7=html,crowdstrike#10=truncate,okta#1=429,"
          .. "okta#3=expire,okta#5=reset-after,visionone#2=5xx:502,visionone#4=reset-after,qualys#2=html,qualys#4=truncate,"
          .. "qualys#5=reset-before,visionone#6=empty")
  local r = run(t, { "run", "t1059.respond", "--input", SCRIPT, "--set", "confirmed_by=alice", "--approve", "all" })
  assert(r.code == 0 or r.code == 5, r.err)
  r = run(t, { "run", "t1059.respond", "--input", COMMAND, "--set", "confirmed_by=alice", "--approve", "all", "--json" })
  assert(r.code == 0 or r.code == 5, r.err)
  assert(#r.doc().evidence > 0)
  run(t, { "run", "t1059.respond", "--input", SCRIPT, "--set", "confirmed_by=alice", "--plan", "--json" })
  show_all(t)
  used(t, "okta", "authorization", "SSWS " .. VALUES.okta_token)
  used(t, "visionone", "authorization", "Bearer " .. VALUES.v1_token)
  used(t, "qualys", "authorization", "Basic " .. base64(LOGIN.qualys_password .. ":" .. VALUES.qualys_password))
  local bearers = 0
  for _ in pairs(issued(t)) do bearers = bearers + 1 end
  assert(bearers >= 2, "tokens were not renewed")
  nowhere(t, VALUES)
end)

sys.test("vendors that only ever fail, each in its way: no error names a value", function(t)
  for i, faults in ipairs { "okta=expire,crowdstrike.token=html,qualys=5xx,visionone=html",
                            "okta=html,crowdstrike=expire,qualys=truncate,visionone=expire",
                            "okta=reset-after,crowdstrike.token=truncate,qualys=empty,visionone=reset-before" } do
    site(t, faults)
    local r = run(t, { "run", "t1059.respond", "--input", SCRIPT, "--set", "confirmed_by=alice", "--approve", "all",
                       i == 2 and "--json" or "--quiet", seconds = 100 })
    assert(r.code == 5 or r.code == 1, r.err)
    show_all(t)
    t.jobs[#t.jobs].kill "KILL"
    t.jobs[#t.jobs].wait()
    nowhere(t, VALUES)
  end
end)

sys.test("values that the vendors refuse, or that cannot be sent, are not told", function(t)
  site(t)
  local wrong = { okta_token = "wRong-Okta-Token-under-Test-00aBcD", cs_secret = "wRong-Falcon-under-Test-11eFgH",
                  qualys_password = "wRong-Qualys-under-Test-22iJkL", v1_token = "wRong-Vision-One-Test-33mNoP" }
  for _, bad in ipairs { "", "\nX-Injected: yes" } do
    local lines = {}
    for name, value in pairs(wrong) do
      lines[#lines + 1] = ("export LUNETTE_SECRET_%s='%s'\n"):format(name:upper(), value .. bad)
    end
    t:write("secrets.sh", table.concat(lines))
    local r = run(t, { "run", "t1059.respond", "--input", SCRIPT, "--set", "confirmed_by=alice", "--approve", "all",
                       "--json" })
    assert(r.code == 5 or r.code == 1, r.err)
    for _, op in ipairs { "okta.users name=x", "crowdstrike.hosts hostname=x", "qualys.scanned_hosts ip=10.20.5.15",
                          "visionone.endpoints hostname=x" } do
      local name, arg = op:match "^(%S+) (%S+)$"
      eq(run(t, { "call", name, arg }).code, 1, name)
    end
  end
  show_all(t)
  for _, w in ipairs(t:wire()) do assert(not w.headers["x-injected"], "a secret became a header of its own") end
  nowhere(t, wrong)
end)

sys.test("a private key signs, and stays where it is", function(t)
  os.execute(("openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out '%s/key.pem' 2>/dev/null"):format(t.dir))
  local pem = t:read "key.pem"
  site(t, "okta.token#1=5xx,okta#4=expire",
       { speed = "1", okta = 'client_id = "0oaSimulatedClient5d7", private_key = secret "okta_key"' })
  t:expect(0, { "secret", "set", "okta_key", stdin = pem })
  local r = run(t, { "run", "t1059.harden", "--set", "user=pgustavo@theshire.example", "--set", "confirmed_by=alice",
                     "--approve", "all", "--json" })
  eq(r.code, 0, "exit status (" .. r.err .. ")")
  local values, n = {}, 0
  for line in pem:gmatch "[^\n]+" do
    if #line == 64 then
      n = n + 1
      values["line " .. n .. " of the key"] = line
    end
  end
  assert(n > 20, pem)
  local signed = false
  for _, w in ipairs(t:wire()) do signed = signed or (w.op == "token" and w.body:find "client_assertion=" ~= nil) end
  assert(signed, "no assertion was sent")
  show_all(t)
  nowhere(t, values)
end)

sys.test("a token with fewer scopes than were asked for is no token, and says which is missing", function(t)
  os.execute(("openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out '%s/key.pem' 2>/dev/null"):format(t.dir))
  local function ask(scopes)
    site(t, nil, { speed = "1", okta = 'client_id = "0oaSimulatedClient5d7", private_key = secret "okta_key", scopes = '
                   .. scopes })
    t:expect(0, { "secret", "set", "okta_key", stdin = t:read "key.pem" })
    return run(t, { "call", "okta.users", "login=pgustavo@theshire.example" })
  end
  eq(ask('{ "okta.groups.manage", "okta.users.manage" }').code, 0)
  local r = ask('{ "okta.users.manage", "okta.logs.read" }')
  eq(r.code, 1)
  sys.has(r.err, "the token lacks the scope okta.logs.read, which was asked for: have it granted, or take it out of "
                 .. "connectors.okta.scopes")
end)

-- Raw http goes to an address that is no connector's: another set of simulators.
local PLAYBOOK = [[
  local http, crypto, store = require "http", require "crypto", require "store"
  local out = {}
  for _, auth in ipairs { "hook", "pair", "named", "signed" } do
    for _, verb in ipairs { "get", "post" } do
      local r, e = try(http[verb], { url = "%s/api/v1/users?" .. auth, auth = auth, json = verb == "post" and { a = auth } or nil,
                                     idempotent = verb == "post" or nil, timeout = "5s" })
      out[#out + 1] = auth .. " " .. verb .. " " .. (r and r.status or e.code .. ": " .. e.message)
    end
  end
  for _, bad in ipairs { { url = "https://elsewhere.example/", auth = "hook" }, { url = "%s/", auth = "keyed" },
                         { url = "%s/", auth = "nobody" }, { url = "%s/", auth = "unset" } } do
    local _, e = try(http.get, bad)
    out[#out + 1] = e.code .. ": " .. e.message
  end
  out[#out + 1] = crypto.hmac("sha256", "signed", "data")
  out[#out + 1] = crypto.base64(crypto.seal("keyed", "text"))
  out[#out + 1] = crypto.open("keyed", crypto.seal("keyed", "text"))
  out[#out + 1] = crypto.jwt_sign("HS256", "signed", { sub = "a" })
  out[#out + 1] = crypto.base64(crypto.sign("rsa-sha256", "private", "data"))
  for _, call in ipairs { function() return crypto.sign("rsa-sha256", "signed", "data") end,
                          function() return crypto.seal("signed", "text") end,
                          function() return crypto.hmac("sha256", "hook", "data") end,
                          function() return crypto.jwt_sign("RS256", "keyed", {}) end } do
    local ok, e = pcall(call)
    out[#out + 1] = tostring(ok) .. " " .. tostring(e)
  end
  log.info("what came of it", { all = table.concat(out, " ") })
  evidence("what came of it", out)
  store.set("out", out)
  print(table.concat(out, "\n"))
  return out]]

sys.test("credentials of http and crypto: named in Lua, and never seen there", function(t)
  local other = t:start { "sim", "okta", "--write", "other.conf.lua", conf = true }
  assert(t:until_true(function() return t:read "other.conf.lua" end))
  local url = load(t:read "other.conf.lua")().connectors.okta.url
  os.execute(("openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out '%s/key.pem' 2>/dev/null"):format(t.dir))
  site(t, "", { rest = ([[egress = { %q }, credentials = {
      hook = { hosts = { "127.0.0.1" }, bearer = secret "hook" },
      pair = { hosts = { "127.0.0.1" }, basic = { "soc", secret "basic" } },
      named = { hosts = { "127.0.0.1" }, header = { "X-Key", secret "header" } },
      signed = { hosts = { "127.0.0.1" }, hmac = secret "hmac" },
      keyed = { key = secret "seal" }, private = { key = secret "private" },
      unset = { hosts = { "127.0.0.1" }, bearer = secret "never_set" } },]]):format(url) })
  t:expect(0, { "secret", "set", "private", stdin = t:read "key.pem" })
  t:playbook("credentials", (PLAYBOOK:gsub("%%s", url)), 'uses = { "http" },')
  local r = run(t, { "run", "credentials", "--approve", "all", "--json" })
  eq(r.code, 0, "exit status (" .. r.err .. r.out:sub(1, 500) .. ")")
  local out = table.concat(r.doc().result, "\n")
  has(out, "hook get 401")                               -- that simulator knows nobody of these
  has(out, "signed post 401")
  has(out, "refused")
  run(t, { "run", "credentials", "--plan", "--json" })
  run(t, { "run", "credentials", "--approve", "all" })
  show_all(t)
  other.kill "TERM"
  local values = { key = t:read("key.pem"):match "\n(%S+)\n" }
  for name, value in pairs(VALUES) do values[name] = value end
  nowhere(t, values)
end)

sys.test("killed in the middle, interrupted, resumed: neither the store nor a command line has a value", function(t)
  site(t, "visionone.isolate#1=slow:60000,crowdstrike.upload_archive#1=slow:60000")
  local wanted = needles(VALUES)
  local function start(args)
    args.limit = t.secrets
    return t:start(args)
  end
  local function until_asked(op)
    assert(t:until_true(function()
      for _, w in ipairs(t:wire()) do if w.vendor .. "." .. w.op == op then return true end end
    end), op .. " was never asked for")
    search(command_lines(), wanted)
    search(places(t), wanted)
  end
  local job = start { "run", "t1059.respond", "--input", SCRIPT, "--set", "confirmed_by=alice", "--approve", "all" }
  until_asked "crowdstrike.upload_archive"
  job.kill "KILL"
  job.wait()
  nowhere(t, VALUES)
  job = start { "resume", "last", "--approve", "all", "--json" }
  until_asked "visionone.isolate"
  job.kill "INT"
  eq(job.wait().code, 130)
  nowhere(t, VALUES)
  local r
  for _ = 1, 5 do                                         -- what was in flight may be in doubt
    local settle = r and r.doc().waiting["for"] == "doubt" and "--did" or nil
    r = run(t, { "resume", "last", "--approve", "all", "--json", settle })
    if r.code ~= 3 then break end
  end
  assert(r.code == 0 or r.code == 5, r.err)
  show_all(t)
  nowhere(t, VALUES)
end)

sys.test("blobs and the vault are sealed on disk, and their key is nobody else's to read", function(t)
  site(t)
  t:playbook("samples", [[
    local text = ("sealed "):rep(3) .. "contents " .. ("of a blob "):rep(20)
    local b = blob("sample.txt", text)
    local host = require("connectors.crowdstrike").host { device = "WORKSTATION5.theshire.local", seen_within = "7d" }
    local f = require("connectors.crowdstrike").rtr_get_file { host = host, path = [=[C:\Users\pgustavo\Desktop\launcher.vbs]=] }
    return { text = b.sha256, file = f.sha256 }]], 'uses = { "crowdstrike" },')
  local r = run(t, { "run", "samples", "--approve", "all", "--json" })
  eq(r.code, 0, "exit status (" .. r.err .. ")")
  eq(r.doc().result.file, "c1dadf9fb8021aa205bd52604c4d7330c5e1251198322ac4b8a093dc23df1a10")
  search(places(t), { { "blob", "sealed sealed sealed contents" }, { "blob", "of a blob of a blob" },
                      { "file", "An inert sample" }, { "file", "Win32_ComputerSystem" }, { "file", "WScript.Echo" } })
  nowhere(t, VALUES)
  eq(io.popen("stat -c %a '" .. t.dir .. "/lunette.db.key'"):read "l", "600", "the key file's mode")
  -- And the same values, in clear beside the store, would be found.
  t:write("lunette.db.copy", t:read "lunette.db" .. VALUES.hook:sub(1, 18))
  assert(not pcall(nowhere, t, VALUES), "a value in the store is not found")
end)

sys.done()
