-- replay_test.lua: lunette replay from outside: a past run comes to the same again, an edited playbook says what it
-- would have done otherwise, and whoever looks leaves the store as it was, byte for byte, whoever else has it open.
local sys = dofile "tests/system/harness.lua"
local eq, has = sys.eq, sys.has

local ALERTS = sys.root .. "/tests/fixtures/alerts/"

local function sh(t, command)
  local p = io.popen(("cd '%s' && %s"):format(t.dir, command))
  local out = p:read "a"
  p:close()
  return out
end

---The store's files: names, bytes, times of change.
local function files(t)
  return sh(t, "for f in lunette.db lunette.db-wal; do [ -e $f ] && stat -c '%n %s %.Y' $f && sha256sum $f; done; ls")
end

---Replays, and insists that the store's files are what they were.
local function looked(t, code, args)
  local before = files(t)
  table.insert(args, 1, "replay")
  local r = t:expect(code, args)
  eq(files(t), before, "the store after lunette replay")
  return r
end

local STEPS = [[
    local one = step("one", function() return { n = input.n } end)
    store.set("seen", one.n)
    local all = map({ "a", "b" }, function(k) return step(k, function() return k .. one.n end) end, { name = "each" })
    found { severity = "low", title = "seen " .. one.n }
    return { one = one.n, b = all[2].value }]]

local function edited(t, name, from, to)
  local text = t:read("scripts/" .. name .. ".lua")
  local at, upto = text:find(from, 1, true)
  t:write("edited/" .. name .. ".lua", text:sub(1, at - 1) .. to .. text:sub(upto + 1))
end

local function lines(out)
  local list = {}
  for line in out:gmatch "[^\n]+" do list[#list + 1] = sys.decode(line) end
  return list
end

sys.test("a run comes to the same again", function(t)
  t:playbook("p", STEPS, "input = { n = \"integer\" },")
  t:expect(0, { "run", "p", "--set", "n=7" })
  local r = looked(t, 0, { "last" })
  assert(r.out:find "\nreplayed %d+ entries: completed, complete", r.out)
  local d = looked(t, 0, { "last", "--json" }).doc()
  eq(d.same, true)
  eq(d.ends, "completed")
  eq(d.replayed, 4, "deliveries")
  local again = looked(t, 0, { d.run:sub(1, 20):lower(), "--with", "scripts" })
  has(again.out, "replayed " .. d.entries .. " entries")
end)

sys.test("edited scripts: the first difference, both sides", function(t)
  t:playbook("p", STEPS, "input = { n = \"integer\" },")
  t:expect(0, { "run", "p", "--set", "n=7" })
  edited(t, "p", [["seen", one.n]], [["seen", one.n + 1]])
  local r = looked(t, 1, { "last", "--with", "edited" })
  has(r.out, "diverges")
  has(r.out, [[journal  store.set#1  store.set {"key":"seen","value":7}  at scripts/p.lua:4]])
  has(r.out, [[script   store.set#1  store.set {"key":"seen","value":8}  at edited/p.lua:4]])
  local d = looked(t, 1, { "last", "--with", "edited/", "--json" }).doc()
  eq(d.same, false)
  eq(d.divergence.journal.args.value, 7)
  eq(d.divergence.script.args.value, 8)
  edited(t, "p", "b = all[2]", "b = all[1]")
  r = looked(t, 1, { "last", "--with", "edited" })
  has(r.out, "its result is another one")
  has(r.out, [[journal  {"b":"b7","one":7}]])
  has(r.out, [[script   {"b":"a7","one":7}]])
end)

sys.test("many runs: what would have been different, and the exit status for a gate", function(t)
  t:playbook("p", STEPS, "input = { n = \"integer\" },")
  t:playbook("q", "return step('only', function() return 1 end)")
  t:expect(0, { "run", "p", "--set", "n=7" })
  t:expect(0, { "run", "q" })
  t:expect(0, { "run", "p", "--set", "n=8" })
  edited(t, "p", "", "-- only a remark\n")
  local r = looked(t, 0, { "--all", "--with", "edited" })
  has(r.out, "2 runs: 2 the same, 0 different\n")              -- q is not in that folder
  edited(t, "p", [[store.set("seen", one.n)]], [[if one.n == 8 then store.incr "big" end]])
  r = looked(t, 1, { "--all", "--with", "edited" })
  has(r.out, [[added    store.incr#1  {"by":1,"key":"big"}  at edited/p.lua:4; there is no recorded answer: unknown]])
  has(r.out, [[gone     store.set#1  {"key":"seen","value":7}  (was at scripts/p.lua:4)]])
  has(r.out, "2 runs: 0 the same, 2 different\n")
  local list = lines(looked(t, 1, { "--all", "--with", "edited", "--json" }).out)
  eq(#list, 2)
  eq(list[1].effects[1].change, "added")                      -- the newest first
  eq(list[1].effects[1].after.key, "big")
  eq(list[2].effects[1].change, "gone")
  eq(list[2].effects[1].before.value, 7)
  eq(#lines(looked(t, 1, { "--all", "--last", "1", "--with", "edited", "--json" }).out), 1)
end)

sys.test("usage", function(t)
  t:playbook("p", "return 1")
  t:expect(0, { "run", "p" })
  for _, args in ipairs { {}, { "last", "--all" }, { "--all" }, { "a", "b" }, { "last", "--last", "1" },
                          { "--all", "--last", "none", "--with", "scripts" }, { "--all", "--with", "nowhere" },
                          { "last", "--with", "nowhere" }, { "last", "--nonsense" } } do
    table.insert(args, 1, "replay")
    local r = t:expect(2, args)
    assert(#r.err > 0)
  end
  has(t:expect(1, { "replay", "01ZZZZZZ" }).err, "no run is called")
  t:write("other.conf.lua", "return { store = \"sqlite:none.db\" }")
  t:expect(4, { "replay", "last", "--config", "other.conf.lua" })
  eq(t:read "none.db", nil, "a store that was not there")
end)

sys.test("a process that was killed leaves a log: it stays where it is", function(t)
  t:playbook("p", "step('one', function() return 1 end)\nstore.set('k', 1)\nsleep '1h'\nreturn 1")
  local job = t:start { "run", "p" }
  local waits = function() return sh(t, "'" .. sys.binary .. "' show last --json 2>/dev/null"):find("sleep#1", 1, true) end
  for _ = 1, 100 do
    if waits() then break end
    os.execute "sleep 0.05"
  end
  assert(waits(), "it never came to its pause")
  local live = looked(t, 0, { "last" })                       -- while it runs
  has(live.out, ": waits")
  job.kill "KILL"
  job.wait()
  assert(#t:read "lunette.db-wal" > 0, "there is no log to leave")
  local r = looked(t, 0, { "last" })
  has(r.out, ": waits")
  looked(t, 0, { "--all", "--with", "scripts" })
  eq(t:expect(0, { "show", "last", "--json" }).doc().waiting["for"], "interrupted")
end)

sys.test("beside one that serves: what is under way there is gone through as far as it came", function(t)
  t:playbook("asks", "store.set('k', 1)\nlocal a = ask { title = 'go on?' }\nreturn a.answer")
  local job = t:serve()
  local run = t:expect(0, { "run", "asks", "--detach" }).out:match "%w+"
  for _ = 1, 100 do
    local w = t:expect(0, { "show", run, "--json" }).doc().waiting
    if w and w["for"] == "approval" then break end
    os.execute "sleep 0.05"
  end
  has(looked(t, 0, { run }).out, "entries: waits")
  t:expect(0, { "approve", "1", "--answer", "yes" })
  for _ = 1, 100 do
    if t:expect(0, { "show", run, "--json" }).doc().state == "completed" then break end
    os.execute "sleep 0.05"
  end
  has(looked(t, 0, { run }).out, "entries: completed")
  has(looked(t, 0, { "--all", "--with", "scripts" }).out, "1 run: 1 the same")
  job.stop()
end)

---The alerts of T1059 among the fixtures, as this program normalises them; of a long set its first ones.
local function responses(t)
  local list = {}
  for line in io.lines(ALERTS .. "expected.jsonl") do
    local x = sys.decode(line)
    local of = 0
    if x.is_t1059 or x.t1059_lines then
      for alert in t:expect(0, { "alert", ALERTS .. x.file }).out:gmatch "[^\n]+" do
        local a = sys.decode(alert)
        of = of + (a.triggers and a.triggers[1] == "t1059.respond" and 1 or 0)
        if of > 0 and of <= 3 and a.triggers[1] then list[#list + 1] = { file = x.file, text = alert } end
      end
    end
  end
  return list
end

sys.test("the response to every alert of T1059 comes to the same again", function(t)
  local list = responses(t)
  assert(#list >= 25, #list .. " alerts")
  for i, x in ipairs(list) do
    t:write("alert.json", x.text)
    local run = t:run { "run", "t1059.respond", "--sim", "--approve", "all", "--seed", tostring(i), "--input", "alert.json",
                        "--set", i % 2 == 0 and "confirmed_by=alice" or "confirmed_by=", "--json" }
    assert(run.out:sub(1, 1) == "{", x.file .. ": " .. run.err)
    eq(looked(t, 0, { "last", "--json" }).doc().ends, run.doc().state, x.file)
  end
  local out = looked(t, 0, { "--all", "--with", sys.root .. "/scripts" }).out
  has(out, ("%d runs: %d the same, 0 different"):format(#list, #list))
end)

sys.done()
