-- service_test.lua: `lunette serve` as a service: TLS and its renewal, what the service manager hears, a socket that was
-- handed over, and the end in order.
local sys = dofile "tests/system/harness.lua"
local kit = dofile "tests/system/http_kit.lua" (sys)
local eq, has, hasnt = sys.eq, sys.has, sys.hasnt

local function shell(t, command)
  local p = io.popen(("cd '%s' && %s 2>&1"):format(t.dir, command))
  local text = p:read "a"
  p:close()
  return text
end

---A certificate and its key, for 127.0.0.1.
local function certificate(t, name)
  shell(t, ("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=%s "
            .. "-addext subjectAltName=IP:127.0.0.1 -keyout %s.key -out %s.pem"):format(name, name, name))
  assert(t:read(name .. ".pem") and t:read(name .. ".key"))
end

local function use(t, name)
  t:write("cert.pem", t:read(name .. ".pem"))
  t:write("key.pem", t:read(name .. ".key"))
end

sys.test("TLS: renewed without a restart; a bad renewal changes nothing", function(t)
  certificate(t, "old")
  certificate(t, "new")
  use(t, "old")
  local job, http = kit.serve(t, { conf = 'tls = { cert = "cert.pem", key = "key.pem" }' })
  has(http.url, "https://")
  local function status(ca, as)
    return http:call("GET", "/v1/runs", { as = as or "viewer", cacert = t.dir .. "/" .. ca .. ".pem" }).status
  end
  local function renew(part)
    local n = select(2, job.seen "err":gsub(part, ""))
    job.kill "HUP"
    assert(t:until_true(function() return select(2, job.seen "err":gsub(part, "")) > n end), part)
  end
  eq(status "old", 200)
  has(http:call("GET", "/healthz", { cacert = t.dir .. "/old.pem" }).headers["strict-transport-security"], "max-age")
  eq(status "new", 0)
  local function spoken(most)
    return shell(t, ("curl -s -o /dev/null -w '%%{http_code}' --tls-max %s --cacert old.pem %s/healthz"):format(most, http.url))
  end
  eq(spoken "1.1", "000")
  eq(spoken "1.2", "200")
  use(t, "new")
  eq(status "old", 200)                                   -- nobody has said so yet
  renew "event=serve.reloaded"
  eq(status "new", 200)
  eq(status "old", 0)
  t:write("cert.pem", t:read "old.pem")                   -- its key is another
  renew "event=serve.reload "
  has(job.seen "err", "not that of the certificate")
  eq(status "new", 200)
  t:write("cert.pem", "nothing")
  renew "event=serve.reload "
  eq(status "new", 200)
  eq(job.stop().code, 0)
end)

sys.test("TLS: what is refused is refused there, too", function(t)
  certificate(t, "it")
  use(t, "it")
  local job, http = kit.serve(t, { conf = 'tls = { cert = "cert.pem", key = "key.pem" }' })
  local curl = "curl -s -m 10 -o /dev/null -w '%{http_code}' --cacert it.pem "
  eq(shell(t, curl .. "-H 'Content-Length: 3' -H 'Transfer-Encoding: chunked' -d abc " .. http.url .. "/v1/runs"), "400")
  eq(shell(t, curl .. "-H 'Content-Length: 99999999999' -d abc " .. http.url .. "/v1/runs"), "413")
  eq(shell(t, curl .. http.url .. "/healthz"), "200")
  local ear = http:listen("viewer", nil, t.dir .. "/it.pem")
  assert(t:until_true(function() return ear.seen():find "retry" end))
  job.kill "TERM"
  eq(job.wait().code, 0)
  has(ear.stop(), "event: bye")
end)

sys.test("a certificate that cannot be used is said at the start, with its file", function(t)
  certificate(t, "a")
  certificate(t, "b")
  local function fails(cert, key, part)
    t:write("lunette.conf.lua", ('return { listen = "127.0.0.1:0", tls = { cert = %q, key = %q } }'):format(cert, key))
    has(t:expect(4, { "serve" }).err, part)
  end
  fails("none.pem", "a.key", "none.pem")
  fails("a.pem", "none.key", "none.key")
  fails("a.pem", "b.key", "not that of the certificate")
  fails("a.key", "a.key", "a.key")
end)

-- Writes down what comes to a socket.
local LISTEN = [[$| = 1; my $s = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => "notify") or die;
  my $said; while (defined $s->recv($said, 4096)) { print $said, "\n" }]]

sys.test("the service manager hears READY, RELOADING and STOPPING, and that the loop turns", function(t)
  t:write("lunette.conf.lua", 'return { listen = "127.0.0.1:0" }')
  local ear = io.popen(("cd '%s' && { perl -MIO::Socket::UNIX -e '%s' >heard & echo $!; }"):format(t.dir, LISTEN))
  local pid = ear:read "l"
  ear:close()
  assert(t:until_true(function() return os.execute(("test -S '%s/notify'"):format(t.dir)) end))
  local job = t:start { "serve", env = { NOTIFY_SOCKET = t.dir .. "/notify", WATCHDOG_USEC = "300000" } }
  local function hears(part)
    assert(t:until_true(function() return (t:read "heard" or ""):find(part, 1, true) end), part)
  end
  hears "READY=1"
  hears "WATCHDOG=1"
  job.kill "HUP"
  hears "RELOADING=1\nMONOTONIC_USEC="
  job.kill "TERM"
  eq(job.wait().code, 0)
  hears "STOPPING=1"
  os.execute("kill " .. pid .. " 2>/dev/null")
end)

-- Opens a socket, and becomes lunette serve with it as descriptor 3.
local HAND_OVER = [[$^F = 9; my $s = IO::Socket::INET->new(Listen => 5, LocalAddr => $ENV{AT}) or die;
  die "not 3" unless $s->fileno == 3; print STDERR "port ", $s->sockport, "\n"; $ENV{LISTEN_PID} = $$;
  $ENV{LISTEN_FDS} = 1; exec @ARGV]]

sys.test("a socket that was handed over is the door", function(t)
  t:write("lunette.conf.lua", 'return { listen = "127.0.0.1:1" }') -- nobody may listen there
  local p = io.popen(("cd '%s' && { AT=127.0.0.1:0 perl -MIO::Socket::INET -e '%s' '%s' serve 2>log >/dev/null </dev/null & echo $!; }")
                     :format(t.dir, HAND_OVER, sys.binary))
  local pid = p:read "l"
  local job = { kill = function(signal) os.execute(("kill -%s %s 2>/dev/null"):format(signal, pid)) end,
                wait = function() end }
  t.jobs[#t.jobs + 1] = job
  local port
  assert(t:until_true(function()
    port = (t:read "log" or ""):match "port (%d+)"
    return port and t:read "log":find "listening"
  end), t:read "log")
  eq(shell(t, "curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:" .. port .. "/healthz"), "200")
  job.kill "TERM"
  assert(t:until_true(function() return t:read "log":find "stopped" end))
  p:close()
  has(shell(t, ("AT=0.0.0.0:0 perl -MIO::Socket::INET -e '%s' '%s' serve"):format(HAND_OVER, sys.binary)), "TLS")
end)

sys.test("the end in order hears what a write on the wire came to", function(t)
  t:sim { "--faults", "okta.clear_sessions#1=slow:3" }
  t:playbook("p", [[ local okta = require "connectors.okta"
    okta.clear_sessions { user = only(okta.users { login = "pgustavo@theshire.example" }).id }
    sleep "1h" ]], 'uses = { "okta" },')
  t:write("lunette.conf.lua", (t:read "sim.conf.lua":gsub("return {", 'return { listen = "127.0.0.1:0", scripts = { "scripts" },'
          .. ' guards = { unasked = { "okta.clear_sessions" } },', 1)))
  t.conf = nil
  local job, http = kit.serve(t, { keep = true })
  local run = http:call("POST", "/v1/runs", { as = "operator", json = { playbook = "p" } }).doc().run
  local function write()
    for _, step in ipairs(t:expect(0, { "show", run, "--json" }).doc().steps) do
      if step.op == "okta.clear_sessions" then return step.state end
    end
  end
  assert(t:until_true(function() return write() == "running" and t:did "okta.clear_sessions" == 1 end), "it is not sent")
  eq(job.stop().code, 0)
  eq(write(), "done")
  hasnt(job.seen "err", "serve.drain")
end)

sys.test("reloading has edited scripts, and no run under way is touched", function(t)
  t:playbook("p", 'sleep "400ms"; return 1')
  local job, http = kit.serve(t)
  local run = http:call("POST", "/v1/runs", { as = "operator", json = { playbook = "p" } }).doc().run
  t:write("scripts/p.lua", t:read "scripts/p.lua":gsub("return 1", "return 2"))
  job.kill "HUP"
  assert(t:until_true(function() return job.seen "err":find "serve.reloaded" end))
  local function result(id)
    local doc
    assert(t:until_true(function()
      doc = http:call("GET", "/v1/runs/" .. id, { as = "viewer" }).doc()
      return doc.state == "completed"
    end))
    return doc.result
  end
  local later = http:call("POST", "/v1/runs", { as = "operator", json = { playbook = "p" } }).doc().run
  eq(result(run), 1)
  eq(result(later), 2)
  hasnt(job.seen "err", "level=error")
  job.stop()
end)

sys.done()
