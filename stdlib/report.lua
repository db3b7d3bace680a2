-- report.lua: a run's document (lunette show --json) for people: plain text, and markdown for a ticket.
-- It invents nothing: what was found, done and not done, and why, is what the document says.
local report = {}

local order = { critical = 1, high = 2, medium = 3, low = 4, informational = 5, unknown = 6 }

local function by_severity(list)
  local out = {}
  for i, f in ipairs(list) do out[i] = f end
  table.sort(out, function(a, b)
    local x, y = order[a.severity] or 9, order[b.severity] or 9
    if x ~= y then return x < y end
    return tostring(a.title) < tostring(b.title)
  end)
  return out
end

---One line, whatever an alert or a vendor wrote: a control character could rewrite the terminal.
local function one_line(s) return (tostring(s):gsub("[%s%c]+", " ")) end

-- Lines as one text: none of them has a line end of its own.
local function joined(out)
  for i, line in ipairs(out) do out[i] = line:gsub("[\r\n]+", " ") end
  return table.concat(out, "\n") .. "\n"
end

local function listed(list, between)
  local out = {}
  for i, v in ipairs(list) do out[i] = one_line(v) end
  return table.concat(out, between)
end

-- Plans ---------------------------------------------------------------------------------------------------

-- How a value that a plan does not know is spelt in its document.
local UNKNOWN = "⟨unknown⟩"

---Whether it only says what would be done: a plan of nothing but reads has happened.
local function is_plan(doc)
  if not doc.plan then return false end
  for _, s in ipairs(doc.steps) do
    if s.state == "planned" or s.state == "refused" then return true end
  end
  return #doc.unknown > 0 or #doc.stages > 0
end

---What a plan does not know, each once, with the branches that ended for it.
local function unknowns(doc)
  local out, at = {}, {}
  for _, u in ipairs(doc.unknown or {}) do
    local branch = u.branch:match "[^/]*$"
    if not at[u.why] then
      at[u.why] = { why = u.why, branches = {} }
      out[#out + 1] = at[u.why]
    end
    if branch ~= "" then table.insert(at[u.why].branches, branch) end
  end
  return out
end

local function unknown_line(u)
  return (#u.branches > 0 and table.concat(u.branches, ", ") .. ": " or "") .. one_line(u.why)
end

-- What it is about ----------------------------------------------------------------------------------------

local function state_line(doc)
  local line = doc.state
  if is_plan(doc) and line == "completed" then
    return doc.outcome == "complete" and "planned" or "planned, not all of it"
  end
  if doc.outcome then line = line .. ", " .. doc.outcome end
  if doc.waiting then
    line = line .. " for " .. tostring(doc.waiting["for"])
    if doc.waiting.next then line = line .. ": " .. doc.waiting.next end
  end
  return line
end

local function user_of(u) return u.email or (u.domain and u.domain .. "\\" .. tostring(u.name)) or u.name end

---The alert that the run was given, in a line: severity and title, technique, who, where, when, from whom.
local function alert_line(doc)
  local a = type(doc.input) == "table" and doc.input.alert
  if type(a) ~= "table" or a.raw == nil then return nil end
  local t, d, u = a.technique or {}, a.device or {}, a.user or {}
  local parts = { tostring(a.severity) .. (a.title and ": " .. a.title or "") }
  for _, part in ipairs { t.id and t.id .. (t.name and " " .. t.name or "") or false,
                          d.hostname or d.agent_id or (d.ip or {})[1] or false, user_of(u) or false,
                          a.time or false, a.source or false } do
    if part then parts[#parts + 1] = part end
  end
  return listed(parts, ", ")
end

---How many alerts it stands for, where they are several, and the last that joined it.
local function alerts_line(doc)
  local list = doc.alerts or {}
  local last = list[#list]
  if #list < 2 then return nil end
  return ("%d, the last %s at %s"):format(#list, one_line(last.title or last.id), last.received)
end

---What the run found to be the matter: a result's `subject`, and its verdict with the reasons.
local function subject_line(result)
  local s = result.subject
  if type(s) ~= "table" or not s.name then return type(s) == "string" and one_line(s) or nil end
  local parts = { (s.kind and s.kind .. " " or "") .. tostring(s.name) }
  if s.path then parts[#parts + 1] = s.path end
  if s.sha256 then parts[#parts + 1] = "sha256 " .. s.sha256 end
  return listed(parts, ", ")
end

local function verdict_line(result)
  local why = type(result.why) == "table" and listed(result.why, "; ") or result.why
  return one_line(result.verdict) .. (type(why) == "string" and why ~= "" and ": " .. one_line(why) or "")
end

local function has_verdict(doc)
  return type(doc.result) == "table" and type(doc.result.verdict) == "string"
end

---Name and text of the lines at the head of a report.
local function head(doc)
  local out = {}
  local function add(name, text) if text then out[#out + 1] = { name, text } end end
  add("state", state_line(doc))
  if doc.error then
    add("error", doc.error.code .. ": " .. one_line(doc.error.message)
                 .. (doc.error.at and " at " .. doc.error.at or ""))
  end
  if doc.forked then add("forked", ("from %s, after %d of its steps"):format(doc.forked.run, doc.forked.step)) end
  add("alert", alert_line(doc))
  add("alerts", alerts_line(doc))
  if has_verdict(doc) then
    add("subject", subject_line(doc.result))
    add("verdict", verdict_line(doc.result))
  end
  return out
end

-- What was found and done ---------------------------------------------------------------------------------

---Where and when something was found, and what helps.
local function detail(f)
  local parts = {}
  if f.host then parts[#parts + 1] = one_line(f.host) end
  if f.last_found then parts[#parts + 1] = "last found " .. one_line(f.last_found) end
  local r = f.remedy or f.solution
  if r and r ~= "" then parts[#parts + 1] = "remedy: " .. one_line(r) end
  return #parts > 0 and " (" .. table.concat(parts, "; ") .. ")" or ""
end

local DONE = { done = true, unchanged = true, joined = true, undone = true }
local PLANNED = { planned = true, assumed = true }
local UNDER_WAY = { running = true, waiting = true, pending = true, doubt = true }

---The writes whose state is one of `states`, or none of those above.
local function writes(doc, states)
  local out = {}
  for _, s in ipairs(doc.steps) do
    local known = DONE[s.state] or PLANNED[s.state] or UNDER_WAY[s.state]
    local wanted = states and states[s.state] or not states and not known
    if s.class == "write" and wanted then out[#out + 1] = s end
  end
  return out
end

---What people call each entity, by what is known of it anywhere in the run.
local function labels_of(doc)
  local out = {}
  for _, s in ipairs(doc.steps) do
    if s.entity and s.label then out[s.entity] = out[s.entity] or s.label end
  end
  return out
end

---An entity by its name, if it has one, and the rest of the line; the id stands at the end.
local function about(labels, entity, rest)
  local label = entity and labels[entity]
  local line = one_line(label or entity or "?") .. (rest ~= "" and "  " .. rest or "")
  return line .. (label and "  (" .. entity .. ")" or "")
end

-- What is known, and where a person finds out.
local function doubt_line(d)
  return one_line(d.why) .. (d.console and d.console ~= "" and ": look at " .. one_line(d.console) or "")
end

local function write_line(s, labels)
  local would = s.would or {}
  local from, to = would.from, would.to or s.to
  local change = {}
  if s.facet then change[1] = one_line(s.facet) .. (s.would and ":" or "") end
  if s.would then change[#change + 1] = from ~= "" and from or "?" end
  if to and to ~= "" then change[#change + 1] = "→ " .. one_line(to) end
  local what = s.entity or would.unknown and UNKNOWN
  local line = s.op .. "  " .. (what and about(labels, what, table.concat(change, " ")) or s.name)
  if s.state ~= "done" and s.state ~= "planned" then line = line .. "  [" .. s.state .. "]" end
  if would.unknown then line = line .. "  (with what is not known yet)" end
  if s.error then line = line .. "  " .. s.error.code .. ": " .. one_line(s.error.message) end
  if s.doubt then line = line .. "  " .. doubt_line(s.doubt) end
  return line
end

local function not_done_line(n) return one_line(n.what) .. ": " .. one_line(n.why) end

local function approval_line(a)
  local line = ("%s  %s  %s"):format(a.id, a.state, one_line(a.title))
  local how = a.kind == "ask" and " --answer TEXT" or ""
  if a.state == "waiting" then return line .. "  (lunette approve " .. a.id .. how .. ")" end
  return line .. (a.by and "  by " .. one_line(a.by) or "")
         .. (a.comment and ": " .. one_line(a.comment) or "")
end

local function hold_line(h, labels)
  local line = one_line(h.facet) .. " = " .. h.state
  if h.status ~= "held" then line = line .. " (" .. h.status .. ")" end
  return about(labels, h.entity, line .. (h["until"] and " until " .. h["until"] or ""))
end

local function evidence_line(e)
  if e.value == UNKNOWN then return one_line(e.name) .. "  " .. UNKNOWN end
  return ("%s  sha256:%s  %d bytes"):format(one_line(e.name), e.sha256, e.bytes)
end

local LEVELS = { info = "info", warn = "warning", error = "error", print = "print" }

---A remark of the playbook, with its fields.
local function log_line(l)
  local parts = {}
  for k, v in pairs(l.fields or {}) do parts[#parts + 1] = k .. " = " .. (type(v) == "table" and "…" or tostring(v)) end
  table.sort(parts)
  return ("%-8s %s%s"):format(LEVELS[l.level] or l.level, one_line(l.message),
                              #parts > 0 and "  (" .. listed(parts, ", ") .. ")" or "")
end

---A stage that a plan does not know the end of: what it would need stands among what is not known.
local function stage_line(s)
  local why = s.why and s.state ~= "unknown" and ": " .. one_line(s.why) or ""
  return ("%-10s %s%s"):format(s.stage, s.state, why)
end

---The sections of a report: title, and a list of lines.
local function sections(doc)
  local labels, out = labels_of(doc), {}
  local function add(title, list, line)
    local lines = {}
    for i, x in ipairs(list) do lines[i] = line(x, labels) end
    if #lines > 0 then out[#out + 1] = { title = title, lines = lines } end
    return lines
  end
  add("stages", doc.stages, stage_line)
  add("found", by_severity(doc.found), function(f)
    return ("%-13s %s%s"):format(f.severity, one_line(f.title), detail(f))
  end)
  add("would do", writes(doc, PLANNED), write_line)
  add("done", writes(doc, DONE), write_line)
  add("under way", writes(doc, UNDER_WAY), write_line)
  add("not known", unknowns(doc), unknown_line)
  local not_done = {}
  for _, n in ipairs(doc.not_done) do not_done[#not_done + 1] = not_done_line(n) end
  for _, s in ipairs(writes(doc, nil)) do not_done[#not_done + 1] = write_line(s, labels) end
  add(is_plan(doc) and "would not be done" or "not done", not_done, function(line) return line end)
  add("approvals", doc.approvals, approval_line)
  local held = {}
  for _, h in ipairs(doc.holds) do
    if h.status ~= "released" then held[#held + 1] = h end
  end
  add("holds", held, hold_line)
  add("evidence", doc.evidence, evidence_line)
  add("log", doc.log or {}, log_line)
  return out
end

-- A result without a verdict ------------------------------------------------------------------------------

local LINES, WIDTH = 200, 160

local function sorted_keys(t)
  local keys = {}
  for k in pairs(t) do keys[#keys + 1] = k end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  return keys
end

---Appends a value, indented, a line a member: `LINES` lines at most, long texts cut.
local function show(out, value, indent, label)
  if #out >= LINES then return end
  local start = indent .. (label and (label .. ": ") or "")
  if type(value) ~= "table" then
    local s = one_line(value)
    out[#out + 1] = start .. (#s > WIDTH and (s:sub(1, WIDTH) .. "…") or s)
    return
  end
  local list = #value > 0
  if label then out[#out + 1] = indent .. label .. (next(value) == nil and ": none" or ":") end
  for _, k in ipairs(sorted_keys(value)) do
    show(out, value[k], label and indent .. "  " or indent, list and "-" or one_line(k))
  end
  if #out == LINES then out[#out + 1] = indent .. "… (--json has all of it)" end
end

local function result_lines(doc)
  local lines = {}
  if doc.result == nil or has_verdict(doc) then return lines end
  if type(doc.result) ~= "table" or next(doc.result) ~= nil then show(lines, doc.result, "  ") end
  return lines
end

-- The two forms -------------------------------------------------------------------------------------------

---The report as plain text.
---@param doc table  a run's document
---@return string
function report.text(doc)
  local out = { "run       " .. doc.run, "playbook  " .. doc.playbook }
  for _, line in ipairs(head(doc)) do out[#out + 1] = ("%-9s %s"):format(line[1], line[2]) end
  local result = result_lines(doc)
  if #result > 0 then
    out[#out + 1] = ""
    out[#out + 1] = "result"
    table.move(result, 1, #result, #out + 1, out)
  end
  for _, s in ipairs(sections(doc)) do
    out[#out + 1] = ""
    out[#out + 1] = s.title
    for _, line in ipairs(s.lines) do out[#out + 1] = "  " .. line end
  end
  return joined(out)
end

-- Marks are escaped wherever they stand; what is one only at a line's beginning, there; and what a renderer
-- would make a link of without any mark.
local function md(s)
  s = one_line(s):gsub("[\\`*_%[%]<>|#~&$!{}]", "\\%0")
  s = s:gsub("^([-+=])", "\\%1"):gsub("^(%d+)([.)])", "%1\\%2")
  return (s:gsub("://", "\\://"):gsub("(%f[%w][wW][wW][wW])%.", "%1\\."))
end

---The report as markdown.  Texts of vendors and alerts are escaped: they are data, not markup.
---@param doc table
---@return string
function report.markdown(doc)
  local out = { "# " .. md(doc.playbook) .. " " .. doc.run, "" }
  for _, line in ipairs(head(doc)) do out[#out + 1] = "- " .. line[1] .. ": " .. md(line[2]) end
  out[#out + 1] = "- started: " .. (doc.started or "?")
  out[#out + 1] = "- finished: " .. (doc.finished or "not yet")
  local result = result_lines(doc)
  if #result > 0 then
    for _, line in ipairs { "", "## Result", "", "```" } do out[#out + 1] = line end
    for _, line in ipairs(result) do out[#out + 1] = (line:gsub("```", "'''")) end
    out[#out + 1] = "```"
  end
  for _, s in ipairs(sections(doc)) do
    for _, line in ipairs { "", "## " .. s.title:sub(1, 1):upper() .. s.title:sub(2), "" } do
      out[#out + 1] = line
    end
    for _, line in ipairs(s.lines) do out[#out + 1] = "- " .. md(line) end
  end
  return joined(out)
end

return report
