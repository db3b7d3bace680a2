-- alert.lua: a vendor's document in, normalised alerts out.  Which product a document is from is told by its
-- content; an adapter (stdlib/alert/NAME.lua) reads its facts into one record, and what all alerts have in
-- common is done here: the technique and where we have it from, what an interpreter was given, the id of a
-- document that has none.
--
-- An adapter is { format = function(document) → format or nil, read = function(document, format) → record }.
-- Its record is the normalised alert, but for: `stated` (ids as the document spells them), `title`, `starts`
-- (true: the document says that `process` was started, or is an alert about it), `telemetry` (true: an event,
-- whose title is no finding), `technique_name`, `tactic`, and process.cwd and process.original (the name the
-- image was built with), which end here.  Adapters do not raise: what is missing or misspelt is absent.

local attack  = require "attack"
local command = require "alert.command"
local crypto  = require "crypto"
local fields  = require "alert.fields"
local json    = require "json"

local alert = {}

-- In the order in which they are asked: the ones whose marks are plainest first.
local ADAPTERS = {
  require "alert.crowdstrike", require "alert.trend_vision_one", require "alert.okta",
  require "alert.microsoft",
  require "alert.cortex_xdr", require "alert.sentinelone", require "alert.elastic", require "alert.wazuh",
  require "alert.ocsf", require "alert.falco", require "alert.log_analytics", (require "alert.windows"),
}

-- Where the vendors' pages keep their elements, and a member that tells the page from an alert that has such
-- a list.
local PAGES = {
  { "resources", "meta" }, { "value", "@odata.context" }, { "items", "totalCount" }, { "data", "pagination" },
  { "incidents", "total_count" }, { "hits", "total" }, { "Records" },
}

---A path as written, with the folder that the process ran in, where that is known.
local function locate(path, cwd)
  if path == nil or fields.absolute(path) or cwd == nil then return path end
  return fields.join(cwd, (path:gsub("^%.[/\\]", "")))
end

local function image_of(p) return p.path or p.name or "" end

---A file of the alert, unless it is there already.
local function add_file(record, path)
  record.files = record.files or {}
  for _, f in ipairs(record.files) do
    if f.path and f.path:lower() == path:lower() then return end
  end
  table.insert(record.files, { path = path })
end

---What an interpreter was given: a script, a library (a file of the alert), or a program (its child).
local function look_inside(record, p, cwd)
  local got = p.cmd_line and command.read(p.cmd_line, image_of(p)) or {}
  if got.program and p.child == nil then
    p.child = { name = fields.base(got.program), path = locate(got.program, cwd), cmd_line = got.text }
  elseif p.script == nil and (got.script or got.text or got.encoded) then
    p.script = { path = locate(got.script, cwd), text = got.text, encoded = got.encoded }
  end
  if p.script and p.script.text and not p.script.path then
    p.script.sha256 = crypto.hash("sha256", p.script.text)
  end
  if got.library then add_file(record, locate(got.library, cwd)) end
end

---Names, whether it is an interpreter, and what that was given; for a process and for its child.
local function finish_image(record, p, original, cwd)
  p.name = p.name or fields.base(p.path)
  if attack.interpreter(image_of(p)) or attack.interpreter(original or "") then p.interpreter = true end
  if p.interpreter or (p.name == nil and p.cmd_line) then look_inside(record, p, cwd) end
end

local function finish_process(record)
  local p = record.process
  if p == nil then return end
  local cwd = p.cwd
  record.original = p.original
  p.original, p.cwd = nil, nil
  finish_image(record, p, record.original, cwd)
  if p.child then finish_image(record, p.child, nil, cwd) end
  if p.parent then p.parent.name = p.parent.name or fields.base(p.parent.path) end
  for _, role in ipairs { "parent", "child" } do
    if p[role] and next(p[role]) == nil then p[role] = nil end
  end
  if next(p) == nil then record.process = nil end
end

---`tactic`: a vendor's word ("Defense Evasion", "DefenseEvasion"), made ATT&CK's ("defense-evasion").
local function technique(id, basis, tactic, name)
  tactic = tactic and tactic:gsub("(%l)(%u)", "%1-%2"):gsub("%s+", "-"):lower()
  return { id = id, name = attack.name(id) or name, tactic = attack.tactic(id) or tactic, basis = basis }
end

---The ids that the document states, cleaned, each once.
local function stated_ids(list)
  local out, seen = {}, {}
  for _, text in ipairs(fields.object(list)) do
    for word in (type(text) == "string" and text or ""):gmatch('[^%s,;"%[%]]+') do
      local id = attack.id(word)
      if id and not seen[id] then
        seen[id] = true
        out[#out + 1] = id
      end
    end
  end
  return out
end

local function stated(record)
  local ids = stated_ids(record.stated)
  local best = attack.pick(ids)
  if best == nil then return nil end
  local t = technique(best, "stated", fields.text(record.tactic), record.technique_name)
  for _, id in ipairs(ids) do
    if id ~= best then
      t.also = t.also or {}
      table.insert(t.also, id)
    end
  end
  return t
end

---The sub-technique of the interpreter that was started.
local function observed(record)
  local p = record.process
  if not (record.starts and p) then return nil end
  local given = p.script and (p.script.path or p.script.text)
  local image = image_of(p)
  local id = attack.execution(image, given) or (record.original and attack.execution(record.original, given))
  if id == nil and image == "" and p.cmd_line then
    id = attack.execution(p.cmd_line:match('^"([^"]*)"') or p.cmd_line:match("^%S*"), given)
  end
  return id
end

---What the alert is about, and how we know: the document states it, or its title speaks of an interpreter, or
---an interpreter was seen to start.  Where only the title speaks, the process tells which interpreter it was.
local function find_technique(record)
  local t = stated(record)
  if t then return t end
  local seen = observed(record)
  local title = not record.telemetry and
    (attack.from_title(record.title or "") or attack.from_title(record.technique_name or ""))
  if title then return technique(seen or title, "title") end
  if seen then return technique(seen, "observed") end
  local p = record.process
  if record.starts and p and p.cmd_line then
    local id, name, tactic = attack.observed(image_of(p), p.cmd_line)
    if id then return technique(id, "observed", tactic, name) end
  end
  return nil
end

---One document as a normalised alert.
local function normal(document, adapter, format)
  local r = adapter.read(document, format)
  finish_process(r)
  return {
    id = r.id or "sha256:" .. crypto.hash("sha256", json.encode(document)),
    source = r.source, format = format, time = r.time,
    severity = r.severity or "unknown", severity_raw = r.severity_raw, title = fields.text(r.title),
    technique = find_technique(r), device = r.device, user = r.user, process = r.process,
    files = r.files and r.files[1] and r.files or nil, raw = document,
  }
end

local function adapter_of(document)
  for _, adapter in ipairs(ADAPTERS) do
    local format = adapter.format(document)
    if format then return adapter, format end
  end
  return nil
end

---The elements of a page, or nil when it is none.
local function page(document)
  if type(document.reply) == "table" then return page(document.reply) end
  if type(document.hits) == "table" and document.hits.hits then return page(document.hits) end
  if type(document.data) == "table" and document.eventType then return document.data.events end -- a hook's delivery
  for _, p in ipairs(PAGES) do
    local list, mark = document[p[1]], p[2]
    if type(list) == "table" and (mark == nil or document[mark] ~= nil)
      and (list[1] or next(list) == nil) then
      return list
    end
  end
  return nil
end

---What a document looks like to one who has to say which it is.
local function describe(document)
  if type(document) ~= "table" then return "a " .. type(document) end
  local names = {}
  for name in pairs(document) do names[#names + 1] = tostring(name) end
  table.sort(names)
  if #names == 0 then return "an empty object" end
  local more = #names > 8 and " …" or ""
  return "an object with " .. table.concat(names, ", ", 1, math.min(#names, 8)) .. more
end

---Puts what is in a document into `out`: { known = true, value = alert } for each alert, and
---{ known = false, value = document, at, why } for what no adapter knows.  `at`: where in the document.
local function collect(document, out, at)
  local function unknown(why) out[#out + 1] = { known = false, value = document, at = at, why = why } end
  if type(document) ~= "table" then return unknown(describe(document)) end
  local adapter, format = adapter_of(document)
  if adapter then
    -- A document so misshapen that its adapter trips over it must not take the others of its page along.
    local ok, a = pcall(normal, document, adapter, format)
    if not ok then return unknown("a damaged document of " .. format) end
    out[#out + 1] = { known = true, value = a }
    return nil
  end
  local list = document[1] ~= nil and document or page(document)
  if list == nil then return unknown(describe(document)) end
  for i, element in ipairs(list) do collect(element, out, (at and at .. ": " or "") .. "element " .. i) end
  return nil
end

---What is in a decoded document: one alert, a page of an API, or a list of documents (a set), in order.
---@param document any
---@return table[] list   of `{ known = true, value = alert }`, the alert normalised, and, of what no adapter
---knows, `{ known = false, value = document, at?, why }`; an empty page gives none
function alert.sort(document)
  local out = {}
  collect(document, out)
  for _, one in ipairs(out) do
    if not one.known then one.why = "no known alert format: " .. one.why end
  end
  return out
end

---Normalises a decoded document: one alert, a page of an API, or a list of documents (a set), in order.
---@param document table
---@return table[]? alerts   normalised; an empty page gives none.  nil when nothing in it is known
---@return string|string[]|nil why  with nil: why not; else the elements that no adapter knows, or nil when
---there are none
function alert.normalise(document)
  local found, out, skipped = {}, {}, {}
  collect(document, found)
  for _, one in ipairs(found) do
    if one.known then out[#out + 1] = one.value
    else skipped[#skipped + 1] = (one.at and one.at .. ": " or "") .. one.why
    end
  end
  if #out == 0 and #skipped > 0 then return nil, "no known alert format: " .. skipped[1] end
  return out, skipped[1] and skipped or nil
end

return alert
