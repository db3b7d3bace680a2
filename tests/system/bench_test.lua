-- bench_test.lua: the programs that `make bench` measures with do what they are to measure.  How quick they are is no
-- test's affair.
local sys = dofile "tests/system/harness.lua"
local eq = sys.eq
local bin = (sys.binary:match "^(.*)/[^/]*$" or ".") .. "/bench/"

-- What a program prints: one JSON object.
local function object(t, command)
  local p = io.popen(("cd '%s' && %s%s"):format(t.dir, bin, command))
  local text = p:read "a"
  if not p:close() then error(command .. " failed: " .. text, 2) end
  return sys.decode(text)
end

sys.test("rows are appended to bare SQLite, and by a store's writers, and nothing is left", function(t)
  local bare = object(t, "sqlite_bench append bare.db 100 7 0.01")
  eq(bare.bytes, 100)
  eq(bare.group, 7)
  assert(bare.rows_per_s > 0 and bare.cpu_us > 0)
  local ours = object(t, "store_bench store.db 100 4 0.01")
  eq(ours.at_once, 4)
  assert(ours.rows_per_s > 0 and ours.group >= 1)
  for _, name in ipairs { "bare.db", "store.db" } do eq(t:read(name), nil, name) end
end)

sys.test("what a store has done is read from it", function(t)
  t:write("two.lua", 'return playbook { name = "two", run = function() step("a", function() return ("x"):rep(1000) end) end }')
  t:expect(0, { "run", "two.lua" })
  local seen = object(t, "sqlite_bench look lunette.db")
  assert(seen.commits >= 1)
  assert(seen.bytes > 1000 and seen.bytes < 3000, seen.bytes)
end)

sys.test("bare curl's requests are all answered by the late server, which ends with whoever started it", function(t)
  local server = io.popen(("'%slate_server' 1 > '%s/port'"):format(bin, t.dir), "w")
  t:until_true(function() return (t:read "port" or ""):find "\n" end)
  local url = ("http://127.0.0.1:%d/"):format(tonumber(t:read "port"))
  local r = object(t, ("curl_bench %s 5 40"):format(url))
  eq(r.requests, 40)
  eq(r.failed, 0)
  eq(r.bytes, 40 * 100)
  assert(server:close(), "it does not end cleanly")
end)

sys.test("a run is taken up again as often as it is measured", function(t)
  local r = object(t, "replay_bench 50 300 2")
  eq(r.entries, 50)
  assert(r.cpu_us > 0)
  eq(t:expect(0, { "runs", "--json" }).doc().state, "waiting")
end)

sys.test("a run is gone through in both directions", function(t)
  local r = object(t, "travel_bench 20 2")
  eq(r.steps, 20)
  assert(r.back_ms > 0 and r.reverse_ms > 0)
  eq(t:expect(0, { "runs", "--json" }).doc().state, "completed")
end)

sys.test("a command is run, and what it took is told", function(t)
  local r = object(t, ("command_bench 2 %sempty_bench"):format(bin))
  assert(r.kib > 0 and r.ms >= 0)
end)

sys.done()
