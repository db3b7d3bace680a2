-- pages.lua: annotations and declarations as pages of markdown.

local pages = {}

local function line(out, text, ...) out[#out + 1] = select("#", ...) > 0 and text:format(...) or text end

-- A sentence that begins in the middle of one.
local function sentence(s) return (s:gsub("\n", " ")) end

local function code(s) return "`" .. s:gsub("`", "'") .. "`" end

-- Types hold "|", which ends a table's cell.
local function cell(s) return (s:gsub("|", "\\|"):gsub("\n", " ")) end

local function anchor(title) return (title:lower():gsub("[^%w _-]", ""):gsub(" ", "-")) end

-- Annotated functions and values --------------------------------------------------------------------------

-- What is said of a thing, after its name: "or raises …" goes on where all else begins.
local function said(text)
  if text == "" then return "" end
  return (text:find "^or " and ", " or ": ") .. sentence(text)
end

local function put_params(out, list)
  for _, p in ipairs(list) do
    line(out, "- %s %s%s", code(p.name .. (p.optional and "?" or "")), code(p.type), said(p.text))
  end
  if #list > 0 then line(out, "") end
end

local function put_returns(out, list)
  for i, r in ipairs(list) do
    local name = r.name and " " .. r.name or ""
    line(out, "%s %s%s%s", i == 1 and "Returns" or "and", code(r.type), name, said(r.text))
  end
  if #list > 0 then line(out, "") end
end

local function put_example(out, example)
  if not example then return end
  line(out, "```lua")
  line(out, "%s", example)
  line(out, "```")
  line(out, "")
end

local function put_function(out, x)
  line(out, "### %s(%s)", x.name, x.args)
  line(out, "")
  if x.text ~= "" then
    line(out, "%s", x.text)
    line(out, "")
  end
  put_params(out, x.params)
  put_returns(out, x.returns)
  put_example(out, x.example)
end

local function put_value(out, x)
  line(out, "### %s", x.name)
  line(out, "")
  line(out, "%s", x.text)
  line(out, "")
  if x.type and x.type:find "^{" then
    line(out, "It is %s.", code(x.type))
    line(out, "")
  elseif x.type then
    line(out, "[%s](%s.md) has the whole library.", x.type, x.type)
    line(out, "")
  end
  put_example(out, x.example)
end

local function put_class(out, x)
  line(out, "### %s%s", x.name, x.parent and (" (and what %s has)"):format(x.parent) or "")
  line(out, "")
  if x.text ~= "" then line(out, "%s", x.text) line(out, "") end
  if x.kind == "alias" then
    line(out, "It is %s.", code(x.type))
    line(out, "")
    return
  end
  put_params(out, x.fields)
end

local PUT = { ["function"] = put_function, value = put_value, class = put_class, alias = put_class }

-- A library's own class is its heading, and none of its members.
local function is_heading(x, module) return x.kind == "class" and x.name == module end

---The page of a file of annotations.
---@param options { module: string, title: string, text: string, require?: boolean }
function pages.library(items, options)
  local out = {}
  line(out, "# %s", options.title)
  line(out, "")
  line(out, "%s", options.text)
  line(out, "")
  if options.require then
    line(out, "```lua")
    line(out, 'local %s = require "%s"', options.module, options.module)
    line(out, "```")
    line(out, "")
  end
  for _, x in ipairs(items) do
    if x.kind == "section" then
      line(out, "## %s", x.name)
      line(out, "")
    elseif is_heading(x, options.module) then
      put_params(out, x.fields)
    else
      PUT[x.kind](out, x)
    end
  end
  return (table.concat(out, "\n"):gsub("\n+$", "\n"))
end

-- Connectors ----------------------------------------------------------------------------------------------

-- A table of typed names.
local function put_types(out, what, list)
  if #list == 0 then return end
  line(out, "| %s | type | default |", what)
  line(out, "| --- | --- | --- |")
  for _, p in ipairs(list) do
    local kind = p.written:gsub("%s*=.*$", "")
    line(out, "| %s | %s | %s |", code(p.name), cell(code(kind)), p.default and code(p.default) or "")
  end
  line(out, "")
end

local function put_config(out, c)
  line(out, "## Configuration")
  line(out, "")
  line(out, "`connectors.%s = { url = \"https://…\", writes = \"never\", … }` with", c.name)
  line(out, "")
  put_types(out, "key", c.config)
  for _, a in ipairs(c.auth) do
    local when = a.when and " when " .. code(a.when) .. " is set" or ""
    line(out, "- it authenticates by %s%s", code(a.kind), when)
    if a.regions then line(out, "- the token call may name another of %s", table.concat(a.regions, ", ")) end
  end
  line(out, "- at most %d requests are in flight at once, over all runs", c.concurrency)
  line(out, "")
end

local function put_contents(out, c)
  line(out, "## Operations")
  line(out, "")
  line(out, "| operation | class | |")
  line(out, "| --- | --- | --- |")
  for _, o in ipairs(c.operations) do
    local title = c.name .. "." .. o.name
    local effect = o.effect and #o.effect < 8 and ", " .. o.effect or ""
    line(out, "| [%s](#%s) | %s%s | %s |", title, anchor(title), o.class, effect, cell(o.summary or ""))
  end
  line(out, "")
end

local function names(list)
  local out = {}
  for i, x in ipairs(list) do out[i] = code(x) end
  return table.concat(out, ", ")
end

local function put_selection(out, o)
  if not o.list then return end
  local chosen = #o.select > 0 and not o.selected
  local which = chosen and ": one of " .. names(o.select) .. ", or `all = true`" or ""
  line(out, "It lists%s; more than `limit` (1000) raise `too_many`.", which)
  line(out, "")
end

-- What it answers with, as the connectors' tests saw it.
local function put_answer(out, o, answer)
  local what = (answer and answer.list or o.list) and "a list; each has" or "a table with"
  if o.binary then line(out, "Answers with a blob.") line(out, "") return end
  if answer and answer.type then line(out, "Answers with %s.", code(answer.type)) line(out, "") return end
  if not answer then return end
  local list = {}
  for _, m in ipairs(answer) do
    table.insert(list, ("%s %s"):format(code(m[1] .. (m[3] and "?" or "")), m[2]))
  end
  if o.one_by then what = "an outcome for each of " .. code(o.one_by) .. "; its value has" end
  line(out, "Answers with %s %s.", what, table.concat(list, ", "))
  line(out, "")
end

local function some(list) return list ~= nil and #list > 0 end

-- Two lists as one, each name once, sorted.
local function together(a, b)
  local out, seen = {}, {}
  for _, list in ipairs { a, b or {} } do
    for _, name in ipairs(list) do
      if not seen[name] then out[#out + 1] = name end
      seen[name] = true
    end
  end
  table.sort(out)
  return out
end

-- Of what and into which state: as declared, or, where a function decides, as the tests saw it.
local function put_effect(out, o, answer)
  local entity = o.entity or answer and answer.entities and table.concat(answer.entities, " or ")
  local facet = o.facet or answer and answer.facets and table.concat(answer.facets, " or ")
  line(out, "- it changes %s%s%s", entity and code(entity) or "what its arguments name",
       facet and ", " .. code(facet) or "", o.to and ", to " .. code(o.to) or "")
  if some(o.state) then line(out, "- before it, and in doubt, the live state is read: %s", names(o.state)) end
  if some(o.resolve) then line(out, "- the guards see every name that %s knows", names(o.resolve)) end
  if o.probe then
    local by = #o.probe > 0 and " by " .. names(o.probe) or ""
    line(out, "- in doubt, %g s after the send, it is looked for%s", o.settle, by)
  elseif not o.state then
    line(out, "- nothing tells afterwards whether it happened: in doubt a person decides")
  end
  if o.follows then line(out, "- it ends when %s says so", code(o.follows)) end
  local undo = together(o.undo, answer and answer.undo)
  if #undo > 0 then line(out, "- taken back by %s", names(undo)) end
  if o.undo_why and not o.undoable then line(out, "- it cannot be taken back: %s", o.undo_why)
  elseif o.undo_why then line(out, "- it is not taken back where %s", o.undo_why) end
end

local function put_facts(out, o, answer)
  local words = { o.class }
  if o.class == "write" then table.insert(words, o.idempotent and "idempotent" or "not idempotent") end
  if o.effect then table.insert(words, o.effect) end
  if #o.d3fend > 0 then table.insert(words, table.concat(o.d3fend, ", ")) end
  line(out, "- %s", table.concat(words, "; "))
  if #o.first > 0 then line(out, "- it asks %s first", names(o.first)) end
  if o.class == "write" then put_effect(out, o, answer) end
  if o.class == "read" and o.follows then line(out, "- it asks %s until that has ended", code(o.follows)) end
  if o.uses then line(out, "- made of %s, which it grants", names(o.uses)) end
  if o.source then line(out, "- source: %s", o.source) end
  line(out, "")
end

local function put_operation(out, c, o, answer)
  line(out, "### %s.%s", c.name, o.name)
  line(out, "")
  line(out, "%s", o.summary or "")
  line(out, "")
  put_types(out, "argument", o.params)
  put_selection(out, o)
  put_answer(out, o, answer)
  put_facts(out, o, answer)
end

local ABOUT = [[
Each operation takes one table. Besides its own arguments it takes `as` and `timeout`; a list `limit` and
`all`; a write `wait` and `lease` ([connector.md](connector.md)). A write that found everything so already
answers with `unchanged = true`. What an operation answers with is what its tests saw against the simulator;
`?` may be absent.]]

---The page of a connector.
---@param c table        of declarations.read
---@param answers table  of answers.lua
function pages.connector(c, answers)
  local out = {}
  line(out, "# connectors.%s", c.name)
  line(out, "")
  line(out, "```lua")
  line(out, 'local %s = require "connectors.%s"', c.name, c.name)
  line(out, "```")
  line(out, "")
  line(out, "%s", ABOUT)
  line(out, "")
  put_config(out, c)
  put_contents(out, c)
  for _, o in ipairs(c.operations) do put_operation(out, c, o, answers[c.name .. "." .. o.name]) end
  return (table.concat(out, "\n"):gsub("\n+$", "\n"))
end

-- The list of all pages -----------------------------------------------------------------------------------

---@param list { file: string, name: string, text: string, group: string }[]
function pages.index(list)
  local out, group = {}, nil
  line(out, "# Reference")
  line(out, "")
  line(out, "Written by `make reference` from modules/*.meta.lua, the annotations in stdlib and the")
  line(out, "connectors' declarations.")
  for _, p in ipairs(list) do
    if p.group ~= group then
      group = p.group
      line(out, "")
      line(out, "## %s", group)
      line(out, "")
    end
    line(out, "- [%s](%s): %s", p.name, p.file, p.text)
  end
  line(out, "")
  return table.concat(out, "\n")
end

return pages
