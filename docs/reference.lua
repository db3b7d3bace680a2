-- reference.lua: writes docs/reference (pages for people) and stdlib/meta (definitions for editors) from what
-- stands beside the code: modules/*.meta.lua, the annotations of the libraries in stdlib, the connectors'
-- declarations.
--
--   lua5.4 docs/reference.lua        from the root of the tree; so does `make reference`
--
-- tests/lua/docs/reference_test.lua loads it as a library, and fails when what is committed is out of date.

package.path = "docs/?.lua;" .. package.path
local annotations  = require "generate.annotations"
local declarations = require "generate.declarations"
local meta         = require "generate.meta"
local pages        = require "generate.pages"

local reference = {}

-- Files of modules that are no libraries of their own: their names are globals, or known in declarations
-- only.
local WORDS = {
  words = { title = "Words", text = "The words of a playbook: globals of every run. Lua's own `string`, "
    .. "`table`, `math`, `utf8` and `coroutine` are there, too; `os`, `io`, `debug`, `package` and `load` "
    .. "are not: a run is replayed, and sees only what a replay can repeat." },
  blob = { title = "blob", text = "Bytes kept beside the journal." },
  test = { title = "Tests", text = "What a test of a playbook can say: globals of a file `NAME_test.lua`, "
    .. "and the object that a test is given. `lunette test` runs them." },
  connector = { title = "Operations", text = "What every operation takes beside its own arguments, and the "
    .. "words of a declaration. [docs/connectors.md](../connectors.md) has the contract." },
}

---The libraries in Lua that playbooks require.
reference.LIBRARIES = { "alert", "attack", "d3fend", "decoy" }

local function read(file)
  local f <close> = assert(io.open(file, "rb"))
  return f:read "a"
end

---Names of the files of a folder that end in `ending`, without it; sorted.
function reference.files(folder, ending)
  local out = {}
  local p <close> = assert(io.popen("ls '" .. folder .. "'"))
  for name in p:lines() do
    if name:sub(-#ending) == ending then out[#out + 1] = name:sub(1, -#ending - 1) end
  end
  table.sort(out)
  return out
end

local function capital(s) return (s:gsub("^%l", string.upper)) end

-- What a library's class says of it.
local function about(items, module)
  for _, x in ipairs(items) do
    if x.kind == "class" and x.name == module then return (x.text:gsub("\n", " ")) end
  end
  return nil
end

-- The functions of a module, and nothing else that its file defines.
local function own(items, module)
  local out = {}
  for _, x in ipairs(items) do
    if x.kind ~= "function" or x.name:find("^" .. module .. "%.[%w_]+$") then out[#out + 1] = x end
  end
  return out
end

---What is public, as it is annotated: { module, items, source, text, words? } for each file.
function reference.libraries()
  local out = {}
  for _, name in ipairs(reference.files("modules", ".meta.lua")) do
    local source = read("modules/" .. name .. ".meta.lua")
    local items = annotations.read(source)
    out[#out + 1] = { module = name, items = items, source = source, words = WORDS[name],
                      text = WORDS[name] and WORDS[name].text or about(items, name) or "" }
  end
  for _, name in ipairs(reference.LIBRARIES) do
    local source = read("stdlib/" .. name .. ".lua")
    out[#out + 1] = { module = name, items = own(annotations.read(source), name), lua = true,
                      text = capital(annotations.essay(source)) }
  end
  return out
end

function reference.connectors()
  local out = {}
  for _, name in ipairs(reference.files("stdlib/connectors", ".lua")) do
    out[#out + 1] = declarations.read("stdlib/connectors/" .. name .. ".lua")
  end
  return out
end

local function first_sentence(s) return s:match "^(.-[%.?])%s" or s end

local function add_library(files, index, lib)
  local title = lib.words and lib.words.title or lib.module
  files["docs/reference/" .. lib.module .. ".md"] =
    pages.library(lib.items, { module = lib.module, title = title, text = lib.text, require = not lib.words })
  files["stdlib/meta/" .. lib.module .. ".lua"] = not lib.lua and meta.copy(lib.source)
    or meta.library(lib.items, { module = lib.module, text = first_sentence(lib.text) })
  index[#index + 1] = { file = lib.module .. ".md", name = title, text = first_sentence(lib.text),
                        group = lib.words and "Words" or "Libraries" }
end

local function add_connector(files, index, c, answers)
  files["docs/reference/" .. c.name .. ".md"] = pages.connector(c, answers)
  files["stdlib/meta/connectors/" .. c.name .. ".lua"] = meta.connector(c, answers)
  index[#index + 1] = { file = c.name .. ".md", name = "connectors." .. c.name, group = "Connectors",
                        text = ("%d operations and flows"):format(#c.operations) }
end

local ORDER = { Words = 1, Libraries = 2, Connectors = 3 }

---Everything that is written: file → text.
function reference.files_written()
  local files, index = {}, {}
  local answers = dofile "docs/generate/answers.lua"
  for _, lib in ipairs(reference.libraries()) do add_library(files, index, lib) end
  for _, c in ipairs(reference.connectors()) do add_connector(files, index, c, answers) end
  table.sort(index, function(a, b)
    if ORDER[a.group] ~= ORDER[b.group] then return ORDER[a.group] < ORDER[b.group] end
    return a.file < b.file
  end)
  files["docs/reference/README.md"] = pages.index(index)
  return files
end

---The files that are there and not among those that are written: of things that are no more.
function reference.leftovers(files)
  local out = {}
  local function look(folder, ending)
    for _, name in ipairs(reference.files(folder, ending)) do
      local path = folder .. "/" .. name .. ending
      if not files[path] then out[#out + 1] = path end
    end
  end
  look("docs/reference", ".md")
  look("stdlib/meta", ".lua")
  look("stdlib/meta/connectors", ".lua")
  return out
end

local function write_all()
  local files = reference.files_written()
  assert(os.execute "mkdir -p docs/reference stdlib/meta/connectors")
  for _, path in ipairs(reference.leftovers(files)) do assert(os.remove(path)) end
  for path, text in pairs(files) do
    local f <close> = assert(io.open(path, "wb"))
    f:write(text)
  end
end

if arg and arg[0] and arg[0]:find "reference%.lua$" then write_all() end
return reference
