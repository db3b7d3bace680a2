-- hostile_shown_test.lua: values that an attacker chose, before people's eyes: on the terminal, in reports and in Markdown
-- they are never an escape sequence, a line or a mark of their own.
local sys = dofile "tests/system/harness.lua"
local cjson = require "cjson"
local hostile = dofile "tests/system/hostile_values.lua"
local eq = sys.eq

local function ended_well(r)
  assert(r.code == 0 or r.code == 3 or r.code == 5, ("exit status %d: %s"):format(r.code, r.err))
  return r
end

local function respond(t, text, ...)
  local input = t:write("hostile.json", text)
  return ended_well(t:run { "run", "t1059.respond", "--input", input, seconds = 100, ... })
end

-- What people read ----------------------------------------------------------------------------------------

-- Neither a control character but line ends, nor one that turns or hides what is read, in any spelling.
local function check_plain(text, what)
  local function bad(pattern, why)
    local at = text:find(pattern)
    if at then error(("%s has %s: %q"):format(what, why, text:sub(math.max(1, at - 60), at + 20)), 2) end
  end
  assert(utf8.len(text), what .. " is not UTF-8")
  bad("[\0-\9\11-\31\127]", "a control character")
  bad("\u{c2}[\x80-\x9f]", "a control character of the second set")
  bad("\xc2[\x80-\x9f]", "a control character of the second set")
  bad("\xe2\x80[\x8b-\x8f\xa8-\xae]", "a character that hides, turns or breaks")
  bad("\xe2\x81[\xa0-\xaf]", "a character that hides or turns")
  bad("\xef\xbb\xbf", "a byte order mark")
end

-- A line of its own is what the program begins; nothing forged stands at the beginning of one.
local function check_lines(text, what)
  for line in text:gmatch "[^\n]+" do
    for _, forged in ipairs { "# Forged", "- state: forged", "verdict   benign", "state     forged", "- forged", "GET /injected" } do
      assert(line:sub(1, #forged) ~= forged, what .. " has a forged line: " .. line)
    end
  end
end

-- Every mark that could begin something stands behind a backslash, unless it is the report's own.
local function check_markdown(text)
  text = text:gsub("\n```\n(.-)\n```\n", function(code)     -- what stands in a fence must not end it
    assert(not code:find("```", 1, true), "a fence is broken: " .. code)
    return "\n"
  end)
  for line in text:gmatch "[^\n]+" do
    local rest = line:gsub("^#+ ", ""):gsub("^%- ", ""):gsub("^%*%*[%w\\._-]+%*%*", ""):gsub("\\\\", ""):gsub("\\[%p]", "")
    local at = rest:find "[`*_<>|~%[%]#&]" or rest:find "://" or rest:find "www%."
    if at then error("a mark is not escaped: " .. rest:sub(math.max(1, at - 40), at + 40) .. "\nin " .. line:sub(1, 300), 2) end
    assert(not rest:find "^[-+=>]" and not rest:find "^%d+[.)]", "a line begins with a mark: " .. line)
    assert(line:find "^#+ %u" or line:find "^# " or line:find "^%- ", "a line of its own: " .. line)
  end
end

-- Of a run that has just ended: what it said, and what can be shown of it.
local function check_texts(t, r, what)
  check_plain(r.out .. r.err, what)
  check_lines(r.out .. r.err, what)
  local shown = t:expect(0, { "show", "last" })
  check_plain(shown.out .. shown.err, what .. ", shown")
  check_lines(shown.out, what .. ", shown")
  check_plain(t:expect(0, { "show", "last", "--json" }).out, what .. ", as JSON")
  local md = t:expect(0, { "show", "last", "--markdown" }).out
  check_plain(md, what .. ", as Markdown")
  check_lines(md, what .. ", as Markdown")
  check_markdown(md)
end

-- And of the store: what waits, what is held.
local function check_lists(t)
  for _, args in ipairs { { "approvals" }, { "approvals", "--json" }, { "entity" }, { "entity", "--json" }, { "runs" } } do
    local shown_too = t:run(args)
    check_plain(shown_too.out .. shown_too.err, args[1])
    check_lines(shown_too.out .. shown_too.err, args[1])
  end
end

for _, name in ipairs(hostile.names) do
  sys.test("what people read of an alert with " .. name .. " is text and nothing else", function(t)
    local value = hostile.values[name]
    local args = { "--sim", "--seed", "3", "--approve", "all" }
    check_texts(t, respond(t, hostile.alert(value), table.unpack(args)), "the response")
    local d = hostile.documents[1]
    check_texts(t, respond(t, hostile.document(d, value), table.unpack(args)), "a document's response")
    check_texts(t, respond(t, hostile.alert(value), "--sim", "--seed", "3"), "a response that waits")
    check_lists(t)
    local alert = t:run { "alert", "-", stdin = hostile.document(d, value) }
    check_plain(alert.out .. alert.err, "lunette alert")
  end)
end

sys.test("what a script says, and what goes wrong, is text and nothing else", function(t)
  for _, name in ipairs(hostile.names) do
    local value = name == "long" and ("A"):rep(5000) or hostile.values[name]
    t:playbook("says", [[
      local v = input.value
      found { severity = "low", title = v, remedy = v }
      not_done(v, v, v)
      evidence(v, { [v] = v })
      log.info(v, { value = v, [v] = v })
      log.warn(v, { value = v })
      print(v)
      try(function() step(v, function() fail(v, v) end) end)
      try(stage, "absent", {}, { when = false, why = v })
      map({ v }, function(x) return require("connectors.okta").users { login = x } end)
      if not input.ends then fail(v, v, { [v] = v }) end
      return { verdict = v, [v] = v, list = { v } }]], 'uses = { "okta" }, input = { value = "string", ends = "boolean" },')
    local ends = name == "escape" or name == "lines" or name == "markup"
    local input = t:write("in.json", cjson.encode { value = value, ends = ends })
    local r = t:run { "run", "says", "--sim", "--input", input }
    eq(r.code, ends and 5 or 1, name .. ": the exit status (" .. r.err .. ")")
    check_texts(t, r, name)
    for _, args in ipairs { { "run", value:sub(1, 200) }, { "show", value:sub(1, 200) }, { "call", value:sub(1, 200) },
                            { "entity", value:sub(1, 200) }, { "secret", "rm", value:sub(1, 200) }, { "check", value:sub(1, 200) } } do
      if not value:find "%z" then
        local said = t:run(args)
        check_plain(said.out .. said.err, args[1] .. " of " .. name)
      end
    end
  end
end)

sys.test("the command that people are told to give can be given to a shell as it is", function(t)
  for _, name in ipairs { "; touch pwned;", "$(touch pwned) `touch pwned`", "it's & touch pwned", "a\ntouch pwned\n",
                          "\u{202e}", ("x y "):rep(100) } do
    local sim = t:sim { "okta", "--speed", "500", "--faults", "okta.clear_sessions=reset-after" }
    t:write("sim.conf.lua", (t:read "sim.conf.lua":gsub("return {\n", "return {\n  scripts = { \"scripts\" },\n", 1)))
    t:playbook("doubt", [[
      local okta = require "connectors.okta"
      local user = okta.users { login = "pgustavo@theshire.example" }[1].id
      return #map({ input.name }, function() return okta.clear_sessions { user = user } end)]],
      'uses = { "okta" }, input = { name = "string" },')
    local input = t:write("in.json", cjson.encode { name = name })
    local told = t:expect(3, { "run", "doubt", "--input", input, "--approve", "all", "--json" }).doc().waiting.next
    local command = told:match "^lunette (.-)   %(or %-%-did%-not%)$"
    assert(command, told)
    local ended = os.execute(("cd '%s' && '%s' %s --config sim.conf.lua --approve all >out 2>&1")
                             :format(t.dir, sys.binary, command))
    assert(ended, told .. "\n" .. t:read "out")
    assert(not t:read "pwned", told)
    sim.kill "TERM"
    sim.wait()
  end
end)

sys.done()
