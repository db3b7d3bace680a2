-- templates.lua: documents as templates, for clients that hand in many: returns make(LUNETTE, FILES, OUT), which writes OUT,
-- a document a line, and returns how many they are.  A template has @ID@ in the place of its alert's id, and @RULE@ behind
-- its title: alerts of one title start twenty runs in five minutes at most.  A document is one if the program finds in it
-- what was put there; others are passed over.
local cjson = require "cjson"

local function swap(text, part, by)
  local out, at = {}, 1
  while true do
    local first, last = text:find(part, at, true)
    if not first then return table.concat(out) .. text:sub(at) end
    out[#out + 1] = text:sub(at, first - 1) .. by
    at = last + 1
  end
end

local function as_json(s) return (s:gsub('["\\]', "\\%0")) end

-- The one alert that the program sees in a file; nil: none, or several.
local function alert_in(lunette, path)
  local p = io.popen(("'%s' alert '%s' 2>/dev/null"):format(lunette, path))
  local out = p:read "a"
  p:close()
  local ok, alert = pcall(cjson.decode, out)
  return ok and select(2, out:gsub("\n", "")) == 1 and alert or nil
end

local function template_of(lunette, path, scratch)
  local f = assert(io.open(path))
  local text = f:read "a":gsub("[\r\n]+", " ")
  f:close()
  local was = alert_in(lunette, path)
  if not was or not was.title or not text:find(as_json(was.id), 1, true) then return nil end
  text = swap(text, as_json(was.id), "@ID@")
  text = swap(text, as_json(was.title), as_json(was.title) .. " @RULE@")
  f = assert(io.open(scratch, "w"))
  f:write((swap(swap(text, "@ID@", "proof-1"), "@RULE@", "proof.b")))
  f:close()
  local now = alert_in(lunette, scratch)
  return now and now.id == "proof-1" and now.title == was.title .. " proof.b" and text or nil
end

return { swap = swap, make = function(lunette, files, out)
  local list = {}
  for _, path in ipairs(files) do list[#list + 1] = template_of(lunette, path, out .. ".one") end
  os.remove(out .. ".one")
  assert(#list > 0, "no document can be a template")
  local f = assert(io.open(out, "w"))
  f:write(table.concat(list, "\n"), "\n")
  f:close()
  return #list
end }
