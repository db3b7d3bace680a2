-- reference_test.lua: the reference is what the code is: docs/reference and stdlib/meta are what
-- docs/reference.lua writes today, and everything that has a public name is annotated: words, functions of
-- modules and libraries, operations of connectors.
--
-- Run from the root of the tree:   lua5.4 tests/lua/docs/reference_test.lua

package.path = "docs/?.lua;" .. package.path
local reference = dofile "docs/reference.lua"

local passed, failed = 0, 0
local function test(name, fn)
  local ok, why = xpcall(fn, debug.traceback)
  if ok then passed = passed + 1 else failed = failed + 1 end
  print(("%s %d - %s"):format(ok and "ok" or "not ok", passed + failed, name))
  if not ok then print("# " .. tostring(why):gsub("\n", "\n# ")) end
end

local function read(path)
  local f <close> = io.open(path, "rb")
  return f and f:read "a"
end

---All of a list of complaints at once, or none.
local function none(list, what)
  assert(#list == 0, what .. ":\n  " .. table.concat(list, "\n  "))
end

local libraries = reference.libraries()

---The annotated functions and values of all files: name → item.
local annotated = {}
for _, lib in ipairs(libraries) do
  for _, x in ipairs(lib.items) do
    if x.kind == "function" or x.kind == "value" then annotated[x.name] = x end
  end
end

-- Up to date ----------------------------------------------------------------------------------------------

test("docs/reference and stdlib/meta are what `make reference` writes", function()
  local written, stale = reference.files_written(), {}
  for path, text in pairs(written) do
    if read(path) ~= text then table.insert(stale, path) end
  end
  for _, path in ipairs(reference.leftovers(written)) do table.insert(stale, path .. " (left over)") end
  table.sort(stale)
  none(stale, "out of date: make reference")
end)

test("what the reference tells about answers is of operations that exist", function()
  local exist, gone = {}, {}
  for _, c in ipairs(reference.connectors()) do
    for _, o in ipairs(c.operations) do exist[c.name .. "." .. o.name] = true end
  end
  for name in pairs(dofile "docs/generate/answers.lua") do
    if not exist[name] then table.insert(gone, name) end
  end
  none(gone, "docs/generate/answers.lua knows what is gone: make reference")
end)

test("the definitions for editors are Lua", function()
  for path, text in pairs(reference.files_written()) do
    if path:find "%.lua$" then assert(load(text, "@" .. path)) end
  end
end)

-- Everything is annotated ---------------------------------------------------------------------------------

---The names in the luaL_Reg tables of a C file whose variable is called like `pattern`.
local function registered(path, pattern, out)
  local source = assert(read(path), path)
  for name, body in source:gmatch "luaL_Reg ([%w_]+)%[%]%s*=%s*(%b{})" do
    if name:find(pattern) then
      for word in body:gmatch '{"([%w_]+)"' do out[word] = path end
    end
  end
  return out
end

---The words that every run has: those that are set at once, and those that are loaded at first touch.
local function words()
  local out = {}
  for _, file in ipairs(reference.files("modules", ".c")) do
    if file:find "^words" then registered("modules/" .. file .. ".c", "words$", out) end
  end
  local lazy = assert(read "modules/words.c":match "lazy%[%] = (%b{})")
  for word in lazy:gmatch '"([%w_]+)"' do out[word] = "modules/words.c" end
  out.run = "modules/words.c"
  return out
end

test("every word is annotated, and every annotated word is there", function()
  local missing, gone, known = {}, {}, words()
  assert(known.stage and known.allowed and known.store and known.blob, "the tables of words were not found")
  for word, file in pairs(known) do
    if not annotated[word] then table.insert(missing, word .. " of " .. file) end
  end
  for _, lib in ipairs(libraries) do
    for _, x in ipairs(lib.module == "words" and lib.items or {}) do
      if (x.kind == "function" or x.kind == "value") and not known[x.name] then table.insert(gone, x.name) end
    end
  end
  none(missing, "without an annotation in modules/words.meta.lua")
  none(gone, "annotated, and no word")
end)

test("what a test of a playbook can say is annotated", function()
  local source, missing, n = read "stdlib/sim/test.lua", {}, 0
  for of, name in source:gmatch "\nfunction (%a+):([%w_]+)%(" do
    n = n + 1
    local full = of:lower() .. ":" .. name
    if not annotated[full] then table.insert(missing, full) end
  end
  assert(n > 20, n .. " were found")
  for _, name in ipairs { "test", "same", "includes", "lacks" } do assert(annotated[name], name) end
  none(missing, "without an annotation in modules/test.meta.lua")
end)

test("the words of declarations are annotated", function()
  for word in pairs(registered("modules/connector_host.c", "^own$", {})) do assert(annotated[word], word) end
end)

test("every module of the core has a file of annotations, and every function stands in it", function()
  local missing, n, functions = {}, 0, 0
  for name in read "modules/modules.c":gmatch '{"(%w+)", luaopen_' do
    n = n + 1
    local file = "modules/" .. name
    if not read(file .. ".meta.lua") then table.insert(missing, file .. ".meta.lua") end
    for fn in pairs(registered(file .. ".c", "functions", {})) do
      functions = functions + 1
      if not annotated[name .. "." .. fn] then table.insert(missing, name .. "." .. fn) end
    end
  end
  assert(n >= 10 and functions > 30, ("%d modules with %d functions were found"):format(n, functions))
  none(missing, "without an annotation")
end)

-- Files of stdlib that playbooks have no use for: what the program itself runs.
local INTERNAL = { complete = true, d3fend_t1059 = true, ocsf = true, report = true, show = true }

test("every library of stdlib is in the reference, or is the program's own", function()
  local known, missing = {}, {}
  for _, name in ipairs(reference.LIBRARIES) do known[name] = true end
  for _, name in ipairs(reference.files("stdlib", ".lua")) do
    if not known[name] and not INTERNAL[name] then table.insert(missing, name) end
  end
  none(missing, "neither in docs/reference.lua (LIBRARIES) nor in this test (INTERNAL)")
end)

---What an annotated function lacks.
local function lacks(x, examples)
  if x.text == "" then return "a sentence" end
  if x.kind == "value" then return examples and not x.example and "an example" end
  for arg in x.args:gmatch "[%w_.]+" do
    local found = false
    for _, p in ipairs(x.params) do found = found or p.name == arg end
    if not found then return "@param " .. arg end
  end
  return examples and not x.example and "an example" or nil
end

test("every annotation has a sentence and its parameters; of the core also an example", function()
  local complaints, names = {}, {}
  for name in pairs(annotated) do table.insert(names, name) end
  table.sort(names)
  for _, lib in ipairs(libraries) do
    for _, x in ipairs(lib.items) do
      local lacking = (x.kind == "function" or x.kind == "value") and lacks(x, not lib.lua)
      if lacking then table.insert(complaints, x.name .. " lacks " .. lacking) end
    end
  end
  none(complaints, "incomplete")
end)

test("every operation says what it does, and what its facts rest on", function()
  local complaints, n = {}, 0
  for _, c in ipairs(reference.connectors()) do
    for _, o in ipairs(c.operations) do
      n = n + 1
      local name = c.name .. "." .. o.name
      if not o.summary or o.summary == "" then table.insert(complaints, name .. " has no summary") end
      if o.class ~= "flow" and not o.source then table.insert(complaints, name .. " has no source") end
      if o.class == "write" and not o.undoable and not o.undo_why then
        table.insert(complaints, name .. " has neither undo nor undo_why")
      end
    end
  end
  assert(n > 60, n .. " operations")
  none(complaints, "incomplete")
end)

-- The contract of connectors ------------------------------------------------------------------------------

---The words of a C source's text constants that follow `before`, in all its places.
local function words_after(source, before, out)
  for at in source:gmatch(before .. "()") do
    local text, next_at = source:match('^%s*"([^"]*)"()', at)
    while text do
      for word in text:gmatch "[%w_]+" do out[word] = true end
      text, next_at = source:match('^%s*"([^"]*)"()', next_at)
    end
  end
  return out
end

test("docs/connectors.md and the annotations know every key that a declaration may have", function()
  local source, page, class = read "modules/connector_declare.c", read "docs/connectors.md", {}
  local keys = words_after(source, "OPERATION_KEYS%[%] =%s*", {})
  assert(keys.summary and keys.one_by and keys.timeout, "the keys of operations were not found")
  for _, lib in ipairs(libraries) do
    for _, x in ipairs(lib.module == "connector" and lib.items or {}) do
      for _, f in ipairs(x.name == "Operation" and x.fields or {}) do class[f.name] = true end
    end
  end
  local missing = {}
  for key in pairs(keys) do
    if not class[key] then table.insert(missing, "Operation." .. key .. " in modules/connector.meta.lua") end
  end
  words_after(source, "known_keys%(&?r, ", keys)
  words_after(source, "part%(r, \"%a+\", ", keys)
  for key in pairs(keys) do
    local told = page:find("%f[%w_]" .. key .. "%f[^%w_]")
    if not told then table.insert(missing, key .. " in docs/connectors.md") end
  end
  none(missing, "not told of")
end)

-- What an editor needs ------------------------------------------------------------------------------------

test("the class of an operation's arguments has what it declares", function()
  local text = read "stdlib/meta/connectors/okta.lua"
  local function has(...) assert(text:find(table.concat({ ... }, "\n"), 1, true), (...)) end
  has("---@class okta.AddToGroupArgs: WriteArgs", "---@field group string", "---@field user string")
  has "---@meta connectors.okta"
  has "---@class okta.UsersArgs: ListArgs"
  has '---@field type? "OKTA_GROUP"|"APP_GROUP"|"BUILT_IN"'
  has("---@param args okta.UsersArgs", "---@return okta.Users[]", "function okta.users(args) end")
end)

print(("1..%d\n%d passed, %d failed"):format(passed + failed, passed, failed))
os.exit(failed == 0 and 0 or 1)
