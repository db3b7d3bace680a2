-- commands_test.lua: docs/commands.md is what the program says of itself: it has every command, each with the
-- usage that --help prints, and no options that are not there; and its examples exit as it says.
local sys = dofile "tests/system/harness.lua"
local eq, has = sys.eq, sys.has

local PAGE = sys.slurp "docs/commands.md"

---A command's section.
local function section(name)
  local from, to = PAGE:find("\n## lunette " .. name .. "\n", 1, true)
  if not from then error("docs/commands.md has no section for lunette " .. name, 2) end
  return PAGE:sub(to + 1, (PAGE:find("\n## ", to, true) or #PAGE + 1) - 1)
end

---The long options within a text, as a sorted line.
local function options(text)
  local seen, out = {}, {}
  for option in text:gmatch "%-%-%a[%a-]*" do
    if not seen[option] then out[#out + 1] = option end
    seen[option] = true
  end
  table.sort(out)
  return table.concat(out, " ")
end

---The lines of --help that begin with "usage:", and those that go on with it.
local function usage(help)
  local first, rest = help:match "^(usage:[^\n]*\n)(.*)$"
  if not first then return nil end
  for line in rest:gmatch "[^\n]*\n" do
    if not line:find "^%s%s%s%s%s%s" then break end
    first = first .. line
  end
  return first
end

local function commands(t)
  local out = {}
  for name in t:expect(0, { "--help" }).out:gmatch "\n  (%l+)  " do out[#out + 1] = name end
  return out
end

sys.test("every command of --help has its section, and every section its command", function(t)
  local known = {}
  for _, name in ipairs(commands(t)) do
    known[name] = true
    section(name)
  end
  for name in PAGE:gmatch "\n## lunette (%S+)" do assert(known[name], "there is no command " .. name) end
end)

sys.test("each usage is the one that --help prints", function(t)
  for _, name in ipairs(commands(t)) do
    local said = usage(t:expect(0, { name, "--help" }).out)
    assert(said, "lunette " .. name .. " --help prints no usage")
    has(section(name), "\n```\n" .. said .. "```\n")
  end
end)

sys.test("options are told only of commands that have them", function(t)
  for _, name in ipairs(commands(t)) do
    local text = section(name):gsub("```sh.-```", "")
    local help = t:expect(0, { name, "--help" }).out
    for option in options(text):gmatch "%S+" do
      if not help:find(option, 1, true) then error(("lunette %s has no %s"):format(name, option)) end
    end
  end
end)

---The lines of the examples: command, and the exit status that they name.
local function examples()
  local out = {}
  for block in PAGE:gmatch "\n```sh\n(.-)```" do
    for line in block:gmatch "[^\n]+" do
      local command, code = line:match "^(.-)%s*# exits (%d+)"
      out[#out + 1] = { command = command or line, code = tonumber(code or 0) }
    end
  end
  return out
end

sys.test("the examples exit as the page says, one after another", function(t)
  t:sim { "--speed", "500" }
  os.rename(t.conf, t.dir .. "/lunette.conf.lua")
  local list = examples()
  assert(#list >= 14, #list .. " examples")
  for _, x in ipairs(list) do
    local script = ('cd "%s"; lunette() { "%s" "$@"; }\n%s'):format(t.dir, sys.binary, x.command)
    local file = t:write("example.sh", script)
    local _, _, code = os.execute(("sh '%s' >%s/out 2>&1 </dev/null"):format(file, t.dir))
    eq(code, x.code, "the exit status of " .. x.command .. "\n" .. t:read "out" .. "\nwhich")
  end
end)

sys.test("a run goes on when nobody reads what it shows any more", function(t)
  t:playbook("p", [[ sleep(0.5); for i = 1, 3 do step("s" .. i, function() return i end); sleep(0.1) end; return "whole" ]])
  os.execute(t:command { "run", "p" } .. " | true")
  local doc = t:expect(0, { "show", "last", "--json" }).doc()
  assert(doc.state == "completed" and doc.result == "whole", "it is " .. doc.state)
end)

sys.done()
