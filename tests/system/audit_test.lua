-- audit_test.lua: lunette audit, and who may use the API: what was done is on record, the record can be proved whole, and
-- a token is refused once it was taken away.
local sys = dofile "tests/system/harness.lua"
local eq, has, hasnt = sys.eq, sys.has, sys.hasnt

local function lines(text)
  local out = {}
  for line in text:gmatch "[^\n]+" do out[#out + 1] = line end
  return out
end

---The records, or the events, by `what`.
local function exported(t, ...)
  local out = {}
  for _, line in ipairs(lines(t:expect(0, { "audit", "export", ... }).out)) do out[#out + 1] = sys.decode(line) end
  return out
end

local function by_what(t)
  local out = {}
  for _, r in ipairs(exported(t, "--raw")) do
    out[r.what] = out[r.what] or {}
    table.insert(out[r.what], r)
  end
  return out
end

local HARDEN = { "--set", "user=pgustavo@theshire.example", "--set", "confirmed_by=alice" }

local function harden(t, ...)
  return t:run { "run", "t1059.harden", HARDEN[1], HARDEN[2], HARDEN[3], HARDEN[4], ... }
end

for _, served in ipairs { false, true } do
  local how = served and ", through the process that serves" or ""

  sys.test("every write is on record, as a remediation with its countermeasure" .. how, function(t)
    t:sim { "--speed", "800" }
    local serving = served and t:serve()
    eq(harden(t, "--approve", "all", "--quiet").code, 0)
    if serving then serving.stop() end
    local writes = by_what(t).write
    assert(#writes >= 2, "there are " .. #writes)
    for _, w in ipairs(writes) do has(w.detail, '"outcome":"done"') end
    local remediations = 0
    for _, e in ipairs(exported(t)) do
      if e.class_uid == 7001 then
        remediations = remediations + 1
        eq(e.metadata.version, "1.3.0")
        eq(e.type_uid, 700100 + e.activity_id)
        eq(e.status, "Success")
        assert(e.countermeasures[1].d3f_technique.uid:find "^D3%-")
        eq(e.activity_name, e.countermeasures[1].d3f_tactic.name)
        assert(e.command_uid ~= "" and e.time > 1700000000000)
      end
    end
    eq(remediations, #writes)
    has(t:expect(0, { "audit", "verify" }).out, ": whole")
  end)
end

sys.test("decisions and changes of state are on record, with who and why", function(t)
  t:sim { "--speed", "800" }
  t:expect(3, { "run", "t1059.harden", HARDEN[1], HARDEN[2], HARDEN[3], HARDEN[4], "--quiet" })
  local run = t:run { "runs", "--json" }.doc().run
  t:expect(0, { "deny", "1", "--comment", "not him" })
  t:expect(0, { "cancel", run })
  t:expect(0, { "freeze", "--why", "a drill" })
  t:expect(0, { "thaw" })
  t:expect(0, { "secret", "set", "a_name", stdin = "Value-that-nobody-sees" })
  t:expect(0, { "secret", "rm", "a_name" })
  t:expect(0, { "token", "add", "ann", "--role", "viewer" })
  t:expect(0, { "token", "rm", "ann" })
  local seen = by_what(t)
  for _, what in ipairs { "denied", "cancel", "freeze", "thaw", "secret set", "secret removed", "token added",
                          "token removed" } do
    assert(seen[what], what .. " is not on record")
    assert(seen[what][1].who ~= "")
  end
  has(seen.denied[1].detail, '"comment":"not him"')
  eq(seen.cancel[1].run, run)
  has(seen.freeze[1].detail, "a drill")
  hasnt(t:expect(0, { "audit", "export" }).out .. t:expect(0, { "audit", "export", "--raw" }).out, "Value-that")
  for _, e in ipairs(exported(t)) do
    if e.metadata.event_code == "token removed" then
      eq(e.class_uid, 3004)
      eq(e.activity_name, "Delete")
      eq(e.entity.type, "api_token")
      eq(e.entity.name, "ann")
    end
  end
end)

sys.test("a run that is pruned leaves its records, and the chain whole", function(t)
  t:sim { "--speed", "800" }
  t:expect(3, { "run", "t1059.harden", HARDEN[1], HARDEN[2], HARDEN[3], HARDEN[4], "--quiet" })
  local run = t:run { "runs", "--json" }.doc().run
  t:expect(0, { "cancel", run })
  has(t:expect(0, { "prune", "--older-than", "2999-01-01T00:00:00Z" }).out, "took 1 run")
  eq(t:run({ "show", run }).code, 1)
  local after = by_what(t)
  eq(after.cancel[1].run, run)
  has(after.pruned[1].detail, '"runs":"1"')
  has(t:expect(0, { "audit", "verify" }).out, ": whole")
end)

sys.test("what somebody changes, or cuts off, is found", function(t)
  for i = 1, 4 do
    t:expect(0, { "freeze", "--why", "drill " .. i })
    t:expect(0, { "thaw" })
  end
  local line = t:expect(0, { "audit", "checkpoint" }).out
  t:write("carried.away", "some log\n" .. line)
  has(t:expect(0, { "audit", "verify", "--checkpoint", "carried.away" }).out, "8 records, 2 checkpoints")
  eq(#exported(t, "--raw", "--since", "1h"), 8)
  eq(#exported(t, "--raw", "--since", "2999-01-01T00:00:00Z"), 0)

  -- The same length, so that the file stays a store: the records are at the end of pages of their own.
  local db = assert(t:read "lunette.db")
  local changed, n = db:gsub("drill 2", "drill 9")
  assert(n >= 1, "the record is not in the file")
  t:write("lunette.db", changed)
  local said = t:expect(1, { "audit", "verify" }).out
  has(said, "record 3 does not follow")
  has(said, "fault")
  t:write("lunette.db", db)

  -- A backup from before is one of another time, and what left since knows more.
  t:expect(0, { "backup", "old.db" })
  t:expect(0, { "token", "add", "ann", "--role", "viewer" })
  t:write("carried.away", t:expect(0, { "audit", "checkpoint" }).out)
  t:write("old.conf.lua", 'return { store = "sqlite:old.db" }')
  has(t:expect(1, { "audit", "verify", "--config", "old.conf.lua", "--checkpoint", "carried.away" }).out,
      "the end was cut off")
  t:expect(2, { "audit", "verify", "--since", "1h" })
  t:expect(2, { "audit" })
end)

sys.test("whoever serves signs what was recorded, and the lines leave", function(t)
  t:write("lunette.conf.lua", 'return { audit = { checkpoints = "checkpoints.log", key = "signing.key" } }')
  local serving = t:serve()
  t:expect(0, { "freeze", "--why", "a drill" })
  serving.stop()
  local left = lines(t:read "checkpoints.log")
  eq(#left, 2)                                              -- at its start, and at its end
  has(left[2], "audit.checkpoint seq=2 ")
  local records = by_what(t)
  has(records.configuration[1].detail, '"file":"lunette.conf.lua"')
  has(t:expect(0, { "audit", "verify", "--checkpoint", "checkpoints.log" }).out, "2 records, 4 checkpoints")
  local signer = left[1]:match "signer=(%x+)"
  t:expect(0, { "audit", "verify", "--checkpoint", "checkpoints.log", "--key", signer })
  t:expect(1, { "audit", "verify", "--checkpoint", "checkpoints.log", "--key", ("0"):rep(64) })
  t:expect(0, { "audit", "verify", "--checkpoint", "checkpoints.log", "--key", signer:upper() })
  for _, odd in ipairs { "", signer:sub(2), signer .. "0", "x" .. signer:sub(2) } do
    has(t:expect(2, { "audit", "verify", "--key", odd }).err, "64 hexadecimal digits")
  end
  assert(t:read "signing.key", "there is no key where the configuration names one")
end)

sys.test("checkpoints leave by the log, whatever its level", function(t)
  t:write("lunette.conf.lua", 'return { log = { level = "error" } }')
  local serving = t:serve()
  local log = serving.stop().err
  has(log, "level=info event=audit.checkpoint seq=1 ")
  hasnt(log, "level=info event=serve")
  t:write("log", log)
  t:expect(0, { "audit", "verify", "--checkpoint", "log" })
end)

sys.test("a token is printed once, listed without it, and taken away", function(t)
  local made = t:expect(0, { "token", "add", "ann@acme.example", "--role", "approver", "--expires", "90d" })
  local token = made.out:match "^(lnt_[%w_-]+)\n$"
  eq(#token, 52)
  has(made.err, "not shown again")
  local listed = t:expect(0, { "token", "list" }).out
  has(listed, "ann@acme.example")
  has(listed, "approver")
  hasnt(listed, token:sub(5, 20))
  hasnt(t:read "lunette.db" .. (t:read "lunette.db-wal" or ""), token:sub(5, 20))
  t:expect(1, { "token", "add", "ann@acme.example", "--role", "admin" })
  t:expect(2, { "token", "add", "bob", "--role", "root" })
  t:expect(2, { "token", "add", "bob" })
  t:expect(2, { "token", "add", "bob", "--role", "admin", "--expires", "2001-01-01T00:00:00Z" })
  t:expect(1, { "token", "add", "bob smith", "--role", "admin" })
  t:expect(0, { "token", "rm", "ann@acme.example" })
  t:expect(1, { "token", "rm", "ann@acme.example" })
  eq(t:expect(0, { "token", "list" }).out, "")
end)

sys.done()
