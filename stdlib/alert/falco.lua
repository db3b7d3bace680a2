-- falco.lua: Falco events.  What happened is in output_fields under dotted keys ("proc.cmdline", "fd.name"),
-- each there only when the rule's output names it.

local attack   = require "attack"
local fields   = require "alert.fields"
local severity = require "alert.severity"

local falco = {}

function falco.format(doc)
  if doc.output and doc.priority and doc.rule and type(doc.output_fields) == "table" then return "falco" end
  return nil
end

---"mitre_execution" and "T1059" stand among a rule's tags.
local function tags(list)
  local out, tactic = {}, nil
  for _, tag in ipairs(fields.object(list)) do
    if attack.id(tag) then out[#out + 1] = tag end
    tactic = tactic or (type(tag) == "string" and tag:match("^mitre_([%l_]+)$")) or nil
  end
  return out, tactic and (tactic:gsub("_", "-"))
end

function falco.read(doc)
  local f = doc.output_fields
  local stated, tactic = tags(doc.tags)
  local hostname = fields.text(doc.hostname)
  return {
    id = fields.id(doc.uuid), source = "falco", time = fields.time(doc.time),
    severity = severity.word(doc.priority), severity_raw = doc.priority, title = fields.text(doc.rule),
    stated = stated, tactic = tactic,
    device = fields.device { hostname = hostname, os = "linux" },
    user = fields.user({ name = f["user.name"] }, hostname),
    process = { name = fields.text(f["proc.name"]), path = fields.text(f["proc.exepath"]),
                cmd_line = fields.text(f["proc.cmdline"]),
                pid = fields.pid(f["proc.pid"]), cwd = fields.text(f["proc.cwd"]),
                parent = { name = fields.text(f["proc.pname"]),
                           cmd_line = fields.text(f["proc.pcmdline"]) } },
    files = { fields.file(f["fd.name"], {}) }, starts = f["proc.name"] ~= nil,
  }
end

return falco
