-- bad_input_test.lua: what is wrong gets one clear error and the right exit status; the other runs go on, and nothing
-- already journaled is lost.
local sys = dofile "tests/system/harness.lua"
local eq, has = sys.eq, sys.has

-- What happened, from the program, on standard error; beside it at most lines of the log.
local function one_error(r, code, ...)
  eq(r.code, code, "the exit status (" .. r.err .. r.out:sub(-500) .. ")")
  local n = 0
  for line in r.err:gmatch "[^\n]+" do
    local logged = line:find "^time="
    assert(logged or line:find "^lunette: " or n > 0, "it does not begin with who says so: " .. line)
    n = n + (logged and 0 or 1)
  end
  assert(n >= 1 and n <= 3, "not one clear error: " .. r.err)
  for _, part in ipairs { ... } do has(r.err, part) end
  assert(not r.err:find "stack traceback", r.err)
end

-- Playbooks -----------------------------------------------------------------------------------------------

sys.test("a playbook that does not compile: file and line", function(t)
  t:playbook("good", "return 1")
  t:write("scripts/bad.lua", "return playbook {\n  name = \"bad\",\n  run = function(input) return end end\n}\n")
  one_error(t:run { "run", "bad" }, 1, "bad.lua:3")
  t:expect(0, { "run", "good" })                          -- the rest of the folder works
end)

sys.test("a script that is no playbook, or lacks its parts", function(t)
  t:playbook("good", "return 1")
  t:write("scripts/nothing.lua", "local x = 1\n")
  t:write("scripts/number.lua", "return 7\n")
  t:write("scripts/empty.lua", "")
  t:write("scripts/headless.lua", "return playbook { name = \"headless\", summary = \"no run\" }\n")
  one_error(t:run { "run", "nothing" }, 1, "nothing")
  one_error(t:run { "run", "number" }, 1, "number")
  one_error(t:run { "run", "empty" }, 1, "empty")
  one_error(t:run { "run", "headless" }, 1, "run")
  one_error(t:run { "run", "absent" }, 1, "absent")
end)

local ENDLESS = {
  ["for ever in Lua"] = "while true do end",
  ["for ever in Lua, behind pcall"] = "while true do pcall(function() while true do end end) end",
  ["for ever in a coroutine"] = "local c = coroutine.wrap(function() while true do end end) c()",
  ["for ever in a pattern"] = "return ((\"a\"):rep(40000)):find((\"a*\"):rep(30) .. \"b\")",
  ["for ever in string.rep"] = "while true do local _ = (\"x\"):rep(20000000) end",
  ["for ever in a sort"] = "local l = {} for i = 1, 3000 do l[i] = i end\n"
    .. "while true do table.sort(l, function(a, b) return a > b end) table.sort(l) end",
  ["for ever in gsub"] = "while true do local _ = ((\"ab\"):rep(100000)):gsub(\"a\", \"bb\") end",
}
local whats = {}
for what in pairs(ENDLESS) do whats[#whats + 1] = what end
table.sort(whats)
for _, what in ipairs(whats) do
  local body = ENDLESS[what]
  sys.test("a playbook that runs " .. what .. " is ended, with its line", function(t)
    t:write("lunette.conf.lua", "return { scripts = { \"scripts\" }, limits = { cpu = \"300ms\" } }\n")
    t:playbook("endless", body)
    one_error(t:run { "run", "endless", seconds = 20 }, 1, "endless.lua:")
    eq(t:expect(0, { "show", "last", "--json" }).doc().state, "failed")
  end)
end

sys.test("a playbook that eats memory is ended, and the program's own stays small", function(t)
  for name, body in pairs {
    table = "local l = {} while true do l[#l + 1] = { #l, tostring(#l) } end",
    text = "local s = \"x\" while true do s = s .. s end",
    rep = "return (\"x\"):rep(1 << 40)",
    caught = "local l = {} while true do pcall(function() while true do l[#l + 1] = (\"x\"):rep(1000) .. #l end end) end",
  } do
    t:playbook(name, body)
    local r = t:run { "run", name, memory = 1500, seconds = 40 }
    one_error(r, 1, name .. ".lua:")
  end
end)

sys.test("a playbook that recurses without end", function(t)
  t:playbook("deep", "local function f(n) return 1 + f(n + 1) end return f(1)")
  one_error(t:run { "run", "deep", seconds = 20 }, 1, "deep.lua:")
  t:playbook("caught", "local function f() return 1 + (pcall(f) and 1 or 0) end return f()")
  local r = t:run { "run", "caught", seconds = 20 }
  assert(r.code == 1 or r.code == 0, r.err)
end)

sys.test("a playbook that returns nothing has no result", function(t)
  t:playbook("quiet", "local x = 1")
  local doc = t:expect(0, { "run", "quiet", "--json" }).doc()
  eq(doc.state, "completed")
  eq(doc.result, nil, "the result")
end)

sys.test("a word that is used wrongly says what it wanted, where, and how it is written", function(t)
  for call, said in pairs {
    ["not_done()"] = "not_done: its first argument must be a text, got no value: write not_done(what, why)",
    ["not_done('x')"] = "not_done: its second argument must be a text, got no value: write not_done(what, why)",
    ["evidence('x')"] = "evidence: its second argument must be a value, got no value: write evidence(name, value)",
    ["step('x', 1)"] = "step: its second argument must be a function, got number: write step(name, fn)",
    ["map(nil, print)"] = "map: its first argument must be a table, got nil: write map(list, fn, options)",
    ["random('x')"] = "random: its first argument must be a whole number, got string: write random(m, n)",
    ["ask()"] = "ask: its first argument must be a table, got no value: write ask { title = TEXT }",
    ["require()"] = "require: a module's name is wanted, got no value: write require \"json\"",
  } do
    t:playbook("wrong", call)
    local doc = t:expect(1, { "run", "wrong", "--json" }).doc()
    eq(doc.error.code, "bad_argument", call)
    eq(doc.error.message, said)
    has(doc.error.at, "scripts/wrong.lua:")
  end
end)

sys.test("a playbook that calls what does not exist is told the nearest", function(t)
  t:sim { "okta", "--speed", "100" }
  t:write("scripts/wrong.lua", [[
local okta = require "connectors.okta"
return playbook { name = "wrong", summary = "a test", uses = { "okta" },
  run = function() return okta.add_to_grup { group = "g", user = "u" } end }
]])
  t:write("scripts/unused.lua", [[
local okta = require "connectors.okta"
return playbook { name = "unused", summary = "a test", uses = { "okta.users" },
  run = function() return okta.group { id = "00g1" } end }
]])
  local conf = t:read("sim.conf.lua"):gsub("return {", "return { scripts = { \"scripts\" },", 1)
  t:write("sim.conf.lua", conf)
  one_error(t:run { "run", "wrong" }, 1, "add_to_grup", "add_to_group")
  one_error(t:run { "run", "unused" }, 1, "okta.group", "uses")
  t:playbook("word", "return nosuchword(1)")
  one_error(t:run { "run", "word" }, 1, "nosuchword", "word.lua:")
end)

-- The configuration ---------------------------------------------------------------------------------------

sys.test("an unknown key of the configuration names the nearest", function(t)
  for text, parts in pairs {
    ["return { sripts = {} }"] = { "sripts", "scripts" },
    ["return { guards = { aprove = \"never\" } }"] = { "aprove", "approve" },
    ["return { limits = { memry = \"1MiB\" } }"] = { "memry", "memory" },
    ["return { connectors = { okta = { url = \"https://x.okta.com\", tokne = secret \"t\" } } }"] = { "tokne", "token" },
    ["return { connectors = { otka = { url = \"https://x.okta.com\" } } }"] = { "otka", "okta" },
  } do
    t:write("lunette.conf.lua", text)
    one_error(t:run { "run", "t1059.respond" }, 4, table.unpack(parts))
  end
end)

sys.test("a configuration that is wrong in other ways", function(t)
  for text, part in pairs {
    ["return {"] = "lunette.conf.lua:1",
    ["return 7"] = "table",
    ["return { store = os.getenv \"HOME\" }"] = "lunette.conf.lua",
    ["return { connectors = { okta = { url = \"http://acme.okta.com\", token = secret \"t\" } } }"] = "https",
    ["return { connectors = { okta = { url = \"https://acme.okta.com\", token = \"clear\" } } }"] = "secret",
    ["return { store = env \"LUNETTE_TEST_UNSET\" }"] = "LUNETTE_TEST_UNSET",
    ["return { limits = { memory = \"lots\" } }"] = "memory",
    ["return { log = { format = \"xml\" } }"] = "log.format",
    ["return { log = { level = \"loud\" } }"] = "log.level",
    ["while true do end"] = "lunette.conf.lua:1",
    ["local s = \"x\" while true do s = s .. s end"] = "lunette.conf.lua needs more than",
    ["return { credentials = { hook = { hosts = { \"h\" } } } }"] = "credentials.hook",
  } do
    t:write("lunette.conf.lua", text)
    one_error(t:run { "run", "t1059.respond" }, 4, part)
  end
  one_error(t:run { "runs", "--config", "nowhere.lua" }, 4, "nowhere.lua")
end)

-- The store -----------------------------------------------------------------------------------------------

sys.test("a store that is not a database is left alone", function(t)
  t:playbook("good", "return 1")
  t:write("lunette.db", ("this is no database\n"):rep(500))
  one_error(t:run { "run", "good" }, 4, "lunette.db")
  eq(t:read "lunette.db", ("this is no database\n"):rep(500), "the file")
end)

sys.test("a store of a newer version, or another program's", function(t)
  t:playbook("good", "return 1")
  t:expect(0, { "run", "good" })
  local db = t:read "lunette.db"
  -- Bytes 60 to 63 are user_version, 68 to 71 application_id, big-endian.
  t:write("newer.db", db:sub(1, 60) .. string.pack(">I4", 99) .. db:sub(65))
  t:write("other.db", db:sub(1, 68) .. string.pack(">I4", 7) .. db:sub(73))
  t:write("newer.lua", "return { store = \"sqlite:newer.db\", scripts = { \"scripts\" } }")
  t:write("other.lua", "return { store = \"sqlite:other.db\", scripts = { \"scripts\" } }")
  one_error(t:run { "run", "good", "--config", "newer.lua" }, 4, "newer")
  one_error(t:run { "run", "good", "--config", "other.lua" }, 4, "other.db")
end)

sys.test("a store that cannot be written, and one that is not there", function(t)
  t:playbook("good", "return 1")
  t:write("nodir.lua", "return { store = \"sqlite:no/such/folder/x.db\", scripts = { \"scripts\" } }")
  one_error(t:run { "run", "good", "--config", "nodir.lua" }, 4, "no/such/folder")
  one_error(t:run { "resume", "last" }, 4, "lunette.db")
end)

sys.test("a full store ends the attempt, not what was journaled: the run goes on when there is room", function(t)
  t:playbook("big", [[
    step("first", function() return 1 end)
    sleep "200ms"                                         -- what came before is on the disk, while there is room
    for i = 1, 40 do step("part" .. i, function() return ("x"):rep(60000) end) end
    return "all"]])
  t:playbook("good", "return 1")
  t:expect(0, { "run", "good" })
  local r = t:run { "run", "big", "--json", limit = "trap '' XFSZ; ulimit -f 1500" }
  one_error(r, 4)
  assert(r.err:find "full" or r.err:find "large" or r.err:find "disk", r.err)
  local doc = t:expect(0, { "show", "last", "--json" }).doc()
  eq(doc.state, "waiting")
  local kept = #doc.steps
  r = t:expect(0, { "resume", "last", "--json" })
  eq(r.doc().result, "all", "the result once there is room")
  assert(#r.doc().steps >= kept)
end)

-- The input -----------------------------------------------------------------------------------------------

sys.test("an input that is not JSON, or not an object", function(t)
  t:playbook("good", "return 1", "input = { a = \"string?\" },")
  for text, part in pairs { ["{\"a\":"] = "in.json", ["{a:1}"] = "in.json", ["[1,2]"] = "object", ["7"] = "object",
                            [""] = "in.json", ["{\"a\":\"\xff\"}"] = "UTF-8" } do
    t:write("in.json", text)
    local r = t:run { "run", "good", "--input", "in.json" }
    assert(r.code == 1 or r.code == 2, r.code)
    one_error(r, r.code, part)
  end
  one_error(t:run { "run", "good", "--input", "absent.json" }, 1, "absent.json")
  one_error(t:run { "run", "good", "--set", "b=1" }, 1, "b")
end)

sys.test("an input of 100 MB, and one nested 10,000 deep", function(t)
  t:playbook("good", "return 1", "input = { a = \"table?\" },")
  os.execute(("head -c 100000000 /dev/zero | tr '\\0' ' ' > '%s/big.json'"):format(t.dir))
  local r = t:run { "run", "good", "--input", "big.json" }
  one_error(r, r.code == 2 and 2 or 1, "big.json", "64 MiB")
  t:write("deep.json", "{\"a\":" .. ("["):rep(10000) .. ("]"):rep(10000) .. "}")
  r = t:run { "run", "good", "--input", "deep.json" }
  one_error(r, r.code == 2 and 2 or 1, "deep.json")
  r = t:run { "alert", "deep.json" }
  one_error(r, r.code, "deep")
  assert(r.code == 1 or r.code == 2, r.code)
end)

sys.test("inputs of a wrong type say which, and what was wanted", function(t)
  t:playbook("typed", "return input", "input = { n = \"integer\", when_ = \"duration = 1h\", ip = \"ip?\" },")
  one_error(t:run { "run", "typed" }, 1, "n")
  one_error(t:run { "run", "typed", "--set", "n=seven" }, 1, "n", "integer")
  one_error(t:run { "run", "typed", "--set", "n=7", "--set", "when_=1h30m" }, 1, "when_")
  one_error(t:run { "run", "typed", "--set", "n=7", "--set", "ip=300.1.1.1" }, 1, "ip")
  eq(t:expect(0, { "run", "typed", "--set", "n=7", "--json" }).doc().result.n, 7)
end)

sys.done()
