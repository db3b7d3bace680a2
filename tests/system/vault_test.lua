-- vault_test.lua: the vault from outside: its key changed, made a passphrase, and lost; a helper command; and no cores.
local sys = dofile "tests/system/harness.lua"
local eq, has, hasnt = sys.eq, sys.has, sys.hasnt

-- A playbook that has the secret `hook` sent, and what hears it.
local SITE = [[
return {
  store = "sqlite:lunette.db", scripts = { "scripts" },
  egress = { "http://127.0.0.1:9" },
  credentials = { hook = { hosts = { "127.0.0.1" }, hmac = secret "hook" } },%s
}]]
local SIGN = [[
return playbook { name = "sign", summary = "Signs", uses = {}, input = {},
  run = function() return { mac = crypto.hmac("sha256", "hook", "text") } end }]]

local function site(t, more)
  t:write("lunette.conf.lua", SITE:format(more or ""))
  t:write("scripts/sign.lua", 'local crypto = require "crypto"\n' .. SIGN)
end

local function mac(t, args)
  args = args or {}
  for i, word in ipairs { "run", "sign", "--json" } do args[i] = word end
  return t:run(args).doc().result.mac
end

sys.test("another key opens what was sealed with the one before", function(t)
  site(t)
  t:expect(0, { "secret", "set", "hook", stdin = "a-Key-to-sign-with" })
  local before, key = mac(t), t:read "lunette.db.key"
  assert(before and #before == 64)
  has(t:expect(0, { "secret", "rotate" }).out, "1 secret sealed anew; the new key is at ")
  assert(t:read "lunette.db.key" ~= key)
  eq(mac(t), before)
  t:write("lunette.db.key", key)
  local refused = t:run { "secret", "set", "other", stdin = "x" }
  eq(refused.code, 4)
  has(refused.err, "is not the one that this vault was sealed with")
  t:expect(2, { "secret", "list", "--to", "key" })
  t:expect(2, { "secret", "rotate", "--to", "nothing" })
end)

sys.test("a process that serves goes on with the new key", function(t)
  site(t)
  t:expect(0, { "secret", "set", "hook", stdin = "a-Key-to-sign-with" })
  local serving = t:serve()
  local before = mac(t)
  t:expect(0, { "secret", "rotate" })
  eq(mac(t), before)
  serving.stop()
end)

sys.test("the key is a passphrase, which comes over a descriptor", function(t)
  site(t)
  local function with(passphrase) return "exec 5<" .. passphrase, { LUNETTE_PASSPHRASE_FD = "5" } end
  t:write("right.in", "correct horse\ncorrect horse\n")
  t:write("wrong.in", "correct house\n")
  t:expect(0, { "secret", "set", "hook", stdin = "a-Key-to-sign-with" })
  local before = mac(t)
  local limit, env = with "right.in"
  t:expect(0, { "secret", "rotate", "--to", "passphrase", limit = limit, env = env })
  has(t:read "lunette.db.key", "scrypt n=17 r=8 p=1 salt=")
  eq(mac(t, { limit = limit, env = env }), before)
  local nobody = t:run { "run", "sign", stdin = "" }
  eq(nobody.code, 4)
  has(nobody.err, "LUNETTE_PASSPHRASE_FD")
  local wrong = t:run { "run", "sign", limit = (with "wrong.in"), env = env }
  eq(wrong.code, 4)
  has(wrong.err, "not the passphrase of this vault")
  t:expect(0, { "secret", "rotate", "--to", "key", limit = limit, env = env })
  eq(mac(t), before)
end)

sys.test("a helper command is asked for what is nowhere else", function(t)
  t:write("helper.sh", "#!/bin/sh\nprintf '%s' \"a-Key-for-$1\"\n")
  os.execute("chmod 700 '" .. t.dir .. "/helper.sh'")
  site(t, ('\n  secrets = { helper = { "%s/helper.sh", "{name}" } },'):format(t.dir))
  local from_helper = mac(t)
  eq(mac(t, { limit = "trap '' CHLD" }), from_helper)        -- whoever starts us ignores the ends of children
  t:expect(0, { "secret", "set", "hook", stdin = "a-Key-for-hook" })
  site(t)
  eq(mac(t), from_helper)
  hasnt(t:read "lunette.db" .. (t:read "lunette.db-wal" or ""), "a-Key-for-hook")
  t:expect(0, { "secret", "rm", "hook" })
  t:write("helper.sh", "#!/bin/sh\necho a-Key-for-$1\nexit 1\n")
  site(t, ('\n  secrets = { helper = { "%s/helper.sh", "{name}" } },'):format(t.dir))
  local failed = t:run { "run", "sign" }
  eq(failed.code, 1)
  has(failed.out .. failed.err, "ended with status 1")
  hasnt(failed.out .. failed.err, "a-Key-for-hook")
  site(t, '\n  secrets = { helper = { "helper.sh" } },')
  eq(t:run({ "runs" }).code, 4)
end)

sys.test("who holds secrets leaves no core", function(t)
  site(t)
  local serving = t:serve()
  local limits = assert(sys.slurp("/proc/" .. serving.pid .. "/limits"))
  eq(limits:match "Max core file size%s+(%d+)", "0")
  serving.stop()
end)

sys.done()
