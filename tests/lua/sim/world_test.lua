-- world_test.lua: the world agrees with itself and with the two alerts that it is made of.
package.path = "tests/lua/?.lua;" .. package.path
local harness = require "harness"
local world = require "sim.world"
local test, eq = harness.test, harness.eq

-- SHA-256 (FIPS 180-4), for the tests alone.
local function sha256(text)
  local k, h = {}, {}
  local n, found = 2, 0
  local function root(p, power) return math.floor((p ^ power % 1) * 2 ^ 32) end
  while found < 64 do
    local prime = true
    for d = 2, math.floor(n ^ 0.5) do if n % d == 0 then prime = false break end end
    if prime then
      found = found + 1
      k[found] = root(n, 1 / 3)
      if found <= 8 then h[found] = root(n, 1 / 2) end
    end
    n = n + 1
  end
  local M = 0xffffffff
  local function rotr(x, b) return (x >> b | x << (32 - b)) & M end
  local pad = text .. "\x80" .. ("\0"):rep(-(#text + 9) % 64) .. (">I8"):pack(#text * 8)
  for at = 1, #pad, 64 do
    local w = { (">" .. ("I4"):rep(16)):unpack(pad, at) }
    for i = 17, 64 do
      local s0 = rotr(w[i - 15], 7) ~ rotr(w[i - 15], 18) ~ w[i - 15] >> 3
      local s1 = rotr(w[i - 2], 17) ~ rotr(w[i - 2], 19) ~ w[i - 2] >> 10
      w[i] = (w[i - 16] + s0 + w[i - 7] + s1) & M
    end
    local a, b, c, d, e, f, g, hh = table.unpack(h)
    for i = 1, 64 do
      local s1 = rotr(e, 6) ~ rotr(e, 11) ~ rotr(e, 25)
      local t1 = (hh + s1 + (e & f ~ (~e & M) & g) + k[i] + w[i]) & M
      local s0 = rotr(a, 2) ~ rotr(a, 13) ~ rotr(a, 22)
      local t2 = (s0 + (a & b ~ a & c ~ b & c)) & M
      hh, g, f, e, d, c, b, a = g, f, e, (d + t1) & M, c, b, a, (t1 + t2) & M
    end
    for i, v in ipairs { a, b, c, d, e, f, g, hh } do h[i] = (h[i] + v) & M end
  end
  return (("%08x"):rep(8)):format(table.unpack(h))
end

test("the hash of the tests is right", function()
  eq(sha256 "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
end)

test("files have the hashes and sizes of their texts", function()
  local w = world.new()
  for sha, f in pairs(w.files) do
    eq(sha256(f.text), f.sha256, f.name)
    eq(sha, f.sha256)
    eq(#f.text, f.bytes, f.name)
    assert(#f.sha1 == 40 and #f.md5 == 32)
    assert(f.path:find(f.name, 1, true))
  end
end)

test("the host, the user, the processes and the file of the two alerts", function()
  local w = world.new()
  local h = w.host.ws5
  eq(h.fqdn, "WORKSTATION5.theshire.local")
  eq(h.user, [[THESHIRE\pgustavo]])
  local by = {}
  for _, p in ipairs(h.processes) do by[p.pid] = p end
  eq(by[2440].image, [[C:\Windows\System32\wscript.exe]])
  eq(by[2440].started, "2020-09-04T20:09:55Z")
  eq(by[2440].sha256, "f42201b5d890a96302f90102b16d7c31cfcc3b67c801ba7c6f6be223f16d7011")
  eq(by[2316].ppid, 2440)
  eq(by[2316].sha256, "908b64b1971a979c7e3e8ce4621945cba84854cb98d76367b791a6e22b5f6d53")
  local script = h.files[1]
  eq(script.path, [[C:\Users\pgustavo\Desktop\launcher.vbs]])
  eq(w.verdicts[script.sha256].verdict, "malicious")
  eq(w.verdicts["102c8e3e6bd3bd4bd580c235b739e000d0a65d8ade284ca18d7c3382b4e22c7f"].verdict, "malicious")
end)

test("no interpreter has a verdict", function()
  local w = world.new()
  for sha in pairs(w.system) do eq(w.verdicts[sha], nil) end
end)

test("the file is on other hosts too, one of them off line, and a name has a stale twin", function()
  local w = world.new()
  local has, off, named = 0, 0, 0
  for _, h in ipairs(w.hosts) do
    for _, f in ipairs(h.files) do
      if f.name == "launcher.vbs" then
        has = has + 1
        if not h.online then off = off + 1 end
      end
    end
    if h.hostname == "WORKSTATION5" then named = named + 1 end
    assert(h.ip:match "^10%.20%." or h.ip:match "^198%.51%.100%.", h.ip)
  end
  eq({ has, off, named }, { 3, 1, 2 })
end)

test("names lead somewhere", function()
  local w = world.new()
  local groups, types = {}, {}
  for _, g in ipairs(w.groups) do
    groups[g.key] = g
    types[g.name] = (types[g.name] or "") .. g.type .. " "
  end
  for _, u in ipairs(w.users) do
    for _, key in ipairs(u.groups) do assert(groups[key], key) end
  end
  eq(types["ir-restricted"], "OKTA_GROUP APP_GROUP ")
  eq(types.Everyone, "BUILT_IN ")
  for _, h in ipairs(w.hosts) do
    for _, qid in ipairs(h.vm.qids) do assert(w.qids[qid], qid) end
    eq(w.host[h.key], h)
  end
end)

test("a world is fresh each time", function()
  local a, b = world.new(), world.new()
  a.host.ws5.files[1].text = "changed"
  a.users[1].status = "SUSPENDED"
  assert(b.host.ws5.files[1].text ~= "changed")
  eq(b.users[1].status, "ACTIVE")
end)

harness.done()
