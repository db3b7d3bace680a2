-- seal_test.lua: the process that serves gives up what it has no use for, and all that people do with it works none the
-- less: what they name by a path is read by who asks, secrets come by the command that may still be started.
-- tests/unit/fence_test.c tries what it cannot do any more.
local sys = dofile "tests/system/harness.lua"
local kit = dofile "tests/system/http_kit.lua" (sys)
local eq, has, hasnt = sys.eq, sys.has, sys.hasnt

---The lines of its state, of the process and of each thread.
local function states(pid, name)
  local out = {}
  for task in io.popen("ls /proc/" .. pid .. "/task"):lines() do
    local status = sys.slurp("/proc/" .. pid .. "/task/" .. task .. "/status") or ""
    out[#out + 1] = status:match(name .. ":%s*(%d+)")
  end
  return out
end

local function all(pid, name, value)
  local seen = states(pid, name)
  assert(#seen > 1, "there are no threads")
  for _, v in ipairs(seen) do eq(v, value) end
end

-- The store and the scripts are in a folder of their own, so that what lies beside that is none of its business.
local function site(t, more)
  t:write("site/lunette.conf.lua", ('return { store = "sqlite:site/lunette.db", scripts = { "site/scripts" }, %s }'):format(more or ""))
  t:write("site/scripts/p.lua", [[return playbook { name = "p", summary = "a test", uses = {}, input = {},
    run = function() return step("one", function() return "pinned" end) end }]])
  t.conf = "site/lunette.conf.lua"
end

---Has this kernel what it takes?  Where it has not, that is said, and the rest works as well.
local function can_seal(t) return t:run({ "doctor" }).out:find("lunette serve seals itself", 1, true) end

local function playbook(name, body)
  return ('return playbook { name = %q, summary = "a test", uses = {}, input = {}, run = function() %s end }'):format(name, body)
end

sys.test("every thread of it is sealed, and the log says how", function(t)
  site(t)
  if not can_seal(t) then return end
  local job = t:serve()
  all(job.pid, "Seccomp", "2")
  all(job.pid, "NoNewPrivs", "1")
  t:expect(0, { "run", "p", "--quiet" })
  all(job.pid, "Seccomp", "2")
  has(job.stop().err, " event=seal files=landlock-")
  has(t:run({ "doctor" }).out, "Landlock and seccomp are there")
end)

sys.test("the service manager lets it seal itself", function()
  local allowed = sys.slurp(sys.root .. "/packaging/lunette.service"):match "\nSystemCallFilter=(landlock[^\n]*)"
  for _, call in ipairs { "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self", "seccomp" } do
    has(allowed, call)
  end
end)

sys.test("seal = \"off\" leaves it as it was, and says so", function(t)
  site(t, 'seal = "off"')
  local job = t:serve()
  all(job.pid, "Seccomp", "0")
  has(job.stop().err, "level=warn event=seal files=open calls=open why=configuration")
  has(t:run({ "doctor" }).out, "has all of its rights")
  site(t, 'seal = "perhaps"')
  has(t:expect(4, { "runs" }).err, "seal is one of best, required, off")
  site(t, 'seal = "required"')
  if can_seal(t) then t:serve().stop()
  else has(t:expect(4, { "serve" }).err, "this kernel has no Landlock") end
end)

sys.test("a playbook that is named by its path is begun, and moved to what it is now", function(t)
  site(t)
  local job = t:serve()
  t:write("outside/q.lua", playbook("q", 'await_signal "go" return 1'))
  local run = t:expect(0, { "run", "outside/q.lua", "--detach" }).out:match "%w+"
  local function waits()
    local w = t:expect(0, { "show", run, "--json" }).doc().waiting
    return w and w["for"] == "signal"
  end
  assert(t:until_true(waits), "it does not wait")
  t:write("outside/q.lua", playbook("q", 'await_signal "go" return 2'))
  has(t:expect(0, { "migrate", run }).out, "moved")
  t:expect(0, { "signal", run, "go" })
  assert(t:until_true(function() return t:run({ "show", run, "--json" }).doc().result == 2 end), "it does not end")
  t:write("outside/q.lua", playbook("q", "return 3"))
  eq(t:expect(0, { "run", "outside/q.lua", "--json" }).doc().result, 3)
  t:write("outside/q.lua", "return playbook {")
  has(t:expect(1, { "run", "outside/q.lua" }).err, "q.lua:1")
  t:expect(1, { "run", "outside/none.lua" })
  job.stop()
end)

sys.test("a script may be a link that leads elsewhere", function(t)
  site(t)
  t:write("outside/scripts/l.lua", playbook("l", "return 1"))
  os.execute(("ln -s ../../outside/scripts/l.lua '%s/site/scripts/l.lua'"):format(t.dir))
  local job = t:serve()
  eq(t:expect(0, { "run", "l", "--json" }).doc().result, 1)
  t:write("outside/scripts/new", playbook("l", "return 2"))
  os.execute(("cd '%s/outside/scripts' && mv new l.lua"):format(t.dir))
  assert(t:until_true(function() return t:run({ "run", "l", "--json" }).doc().result == 2 end), "it is not read again")
  job.stop()
end)

sys.test("a fork takes the scripts of any folder", function(t)
  site(t)
  local job = t:serve()
  t:expect(0, { "run", "p", "--quiet" })
  t:write("outside/p.lua", playbook("p", 'step("one", function() return 1 end) return "edited"'))
  local said = t:run { "repl", "--run", "last", stdin = ":goto 0\n:fork with outside\n:fork with nowhere\n" }
  has(said.out .. said.err, "goes on from here")
  has(said.out .. said.err, "nowhere cannot be read")
  assert(t:until_true(function()
    return t:run({ "show", "last", "--json" }).doc().result == "edited"
  end), "the fork does not end")
  job.stop()
end)

sys.test("secrets come by the helper command, and nothing else is started", function(t)
  t:write("outside/helper.sh", "#!/bin/sh\necho \"$1\" >>'" .. t.dir .. "/outside/asked'\nprintf '%s' \"a-Key-for-$1\"\n")
  os.execute("chmod 700 '" .. t.dir .. "/outside/helper.sh'")
  local credential = 'credentials = { hook = { hosts = { "127.0.0.1" }, hmac = secret "hook" } }'
  site(t, ('secrets = { helper = { "%s/outside/helper.sh", "{name}" } }, %s'):format(t.dir, credential))
  t:write("site/scripts/sign.lua", 'local crypto = require "crypto"\n'
                                   .. playbook("sign", 'return { mac = crypto.hmac("sha256", "hook", "text") }'))
  local job = t:serve()
  local mac = t:expect(0, { "run", "sign", "--json" }).doc().result.mac
  local children = sys.slurp("/proc/" .. job.pid .. "/task/" .. job.pid .. "/children")
  local child = children:match "^(%d+) $"
  assert(child, "it has not one child, but: " .. children)
  eq(sys.slurp("/proc/" .. child .. "/status"):match "Seccomp:%s*(%d+)", "0")
  job.stop()
  assert(t:until_true(function() return not sys.slurp("/proc/" .. child .. "/status") end), "its child lives on")
  eq(t:expect(0, { "run", "sign", "--json" }).doc().result.mac, mac)
  eq(t:read "outside/asked", "hook\nhook\n")
end)

-- The superuser could read the file, were it not for the seal.
sys.test("a certificate is renewed beside the old one, and not from elsewhere", function(t)
  local function make(name)
    os.execute(("cd '%s' && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=it "
                .. "-addext subjectAltName=IP:127.0.0.1 -keyout %s.key -out %s.pem 2>/dev/null"):format(t.dir, name, name))
    t:write(name .. "/cert", t:read(name .. ".pem") .. t:read(name .. ".key"))
  end
  for _, name in ipairs { "tls", "next", "outside" } do make(name) end
  t:write("site/scripts/README", "")
  local job = kit.serve(t, { conf = 'store = "sqlite:site/lunette.db", scripts = { "site/scripts" }, '
                                    .. 'tls = { cert = "tls/cert", key = "tls/cert" }' })
  local function renewed(by, says)
    os.execute(("cd '%s' && %s"):format(t.dir, by))
    job.kill "HUP"
    assert(t:until_true(function() return job.seen "err":find(says, 1, true) end), says)
  end
  renewed("mv next/cert tls/cert", "event=serve.reloaded")
  hasnt(job.seen "err", "event=serve.reload ")
  if can_seal(t) then
    renewed("ln -sf ../outside/cert tls/cert", "event=serve.reload ")
    has(job.seen "err", "tls/cert: Error while reading file")
  end
  eq(job.stop().code, 0)
end)

sys.done()
