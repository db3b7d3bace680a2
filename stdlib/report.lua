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

local function one_line(s) return (tostring(s):gsub("%s+", " ")) end

local function writes(doc)
  local out = {}
  for _, s in ipairs(doc.steps) do
    if s.class == "write" then out[#out + 1] = s end
  end
  return out
end

---Whether it only says what would be done: also a call that is a read has happened.
local function is_plan(doc)
  if not doc.plan then return false end
  for _, s in ipairs(doc.steps) do
    if s.state == "planned" or s.state == "refused" then return true end
  end
  return #doc.unknown > 0 or #doc.stages > 0
end

-- How a value that a plan does not know is spelt in its document.
local UNKNOWN = "⟨unknown⟩"

---What the sections are called: a plan has done nothing.
local function titles(doc)
  if is_plan(doc) then return { done = "planned", not_done = "would not be done" } end
  return { done = "done", not_done = "not done" }
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

local function stage_why(doc, s)
  if not s.why or (s.state == "unknown" and #(doc.unknown or {}) > 0) then return nil end
  return one_line(s.why)
end

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

local function remedy(f)
  local r = f.remedy or f.solution
  return r and r ~= "" and (" (remedy: " .. tostring(r):gsub("%s+", " ") .. ")") or ""
end

local function write_line(s)
  local line = s.op .. "  " .. (s.entity or (s.would and s.would.unknown and UNKNOWN) or s.name)
  if s.state ~= "done" and s.state ~= "planned" then line = line .. "  [" .. s.state .. "]" end
  if s.would then
    line = line .. ("  %s: %s → %s"):format(s.would.facet or "", s.would.from ~= "" and s.would.from or "?", s.would.to or "?")
  end
  if s.would and s.would.unknown then line = line .. "  (with what is not known yet)" end
  if s.error then line = line .. "  " .. s.error.code .. ": " .. one_line(s.error.message) end
  return line
end

local function evidence_line(e)
  if e.value == UNKNOWN then return e.name .. "  " .. UNKNOWN end
  return ("%s  sha256:%s  %d bytes"):format(e.name, e.sha256, e.bytes)
end

local function hold_line(h)
  local line = h.entity .. "  " .. h.facet .. " = " .. h.state .. "  (" .. h.status .. ")"
  return h["until"] and line .. " until " .. h["until"] or line
end

local function section(out, title, list, line)
  if #list == 0 then return end
  out[#out + 1] = ""
  out[#out + 1] = title
  for _, x in ipairs(list) do out[#out + 1] = "  " .. line(x) end
end

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
  local head = indent .. (label and (label .. ": ") or "")
  if type(value) ~= "table" then
    local s = one_line(value)
    out[#out + 1] = head .. (#s > WIDTH and (s:sub(1, WIDTH) .. "…") or s)
    return
  end
  local list = #value > 0
  if label then out[#out + 1] = indent .. label .. (next(value) == nil and ": none" or ":") end
  for _, k in ipairs(sorted_keys(value)) do
    show(out, value[k], label and indent .. "  " or indent, list and "-" or tostring(k))
  end
  if #out == LINES then out[#out + 1] = indent .. "… (--json has all of it)" end
end

local function result_lines(out, doc)
  local result = doc.result
  if result == nil then return end
  if type(result) == "table" and type(result.verdict) == "string" then
    out[#out + 1] = "verdict   " .. result.verdict .. (type(result.why) == "string" and (": " .. one_line(result.why)) or "")
  elseif type(result) ~= "table" or next(result) ~= nil then
    local lines = {}
    show(lines, result, "  ")
    out[#out + 1] = ""
    out[#out + 1] = "result"
    table.move(lines, 1, #lines, #out + 1, out)
  end
end

---The report as plain text.
---@param doc table  a run's document
---@return string
function report.text(doc)
  local out = { "run       " .. doc.run, "playbook  " .. doc.playbook, "state     " .. state_line(doc) }
  if doc.error then
    local at = doc.error.at and " at " .. doc.error.at or ""
    out[#out + 1] = "error     " .. doc.error.code .. ": " .. doc.error.message .. at
  end
  result_lines(out, doc)
  local title = titles(doc)
  section(out, "stages", doc.stages, function(s)
    local why = stage_why(doc, s)
    return ("%-10s %s%s"):format(s.stage, s.state, why and ": " .. why or "")
  end)
  section(out, "found", by_severity(doc.found), function(f) return ("%-13s %s%s"):format(f.severity, one_line(f.title), remedy(f)) end)
  section(out, title.done, writes(doc), write_line)
  section(out, "not known", unknowns(doc), unknown_line)
  section(out, title.not_done, doc.not_done, function(n) return n.what .. ": " .. one_line(n.why) end)
  section(out, "approvals", doc.approvals, function(a)
    return ("%s  %s  %s%s"):format(a.id, a.state, one_line(a.title), a.by and (" by " .. a.by) or "")
  end)
  section(out, "holds", doc.holds, hold_line)
  section(out, "evidence", doc.evidence, evidence_line)
  return table.concat(out, "\n") .. "\n"
end

local function md(s) return (one_line(s):gsub("[|`*_<>\\%[%]]", "\\%0")) end

local function md_section(out, title, list, line)
  if #list == 0 then return end
  out[#out + 1] = ""
  out[#out + 1] = "## " .. title
  out[#out + 1] = ""
  for _, x in ipairs(list) do out[#out + 1] = "- " .. line(x) end
end

local function heading(title) return (title:gsub("^%l", string.upper)) end

---The report as markdown.  Texts of vendors and alerts are escaped: they are data, not markup.
---@param doc table
---@return string
function report.markdown(doc)
  local out = { "# " .. md(doc.playbook) .. " " .. doc.run, "", "- state: " .. md(state_line(doc)), "- started: " .. (doc.started or "?"),
                "- finished: " .. (doc.finished or "not yet") }
  if doc.error then out[#out + 1] = "- error: " .. md(doc.error.code .. ": " .. doc.error.message) end
  if type(doc.result) == "table" and type(doc.result.verdict) == "string" then out[#out + 1] = "- verdict: " .. md(doc.result.verdict) end
  local title = titles(doc)
  md_section(out, "Stages", doc.stages, function(s)
    local why = stage_why(doc, s)
    return "**" .. md(s.stage) .. "** " .. s.state .. (why and ": " .. md(why) or "")
  end)
  md_section(out, "Found", by_severity(doc.found), function(f) return "**" .. md(f.severity) .. "** " .. md(f.title) .. md(remedy(f)) end)
  md_section(out, heading(title.done), writes(doc), function(s) return md(write_line(s)) end)
  md_section(out, "Not known", unknowns(doc), function(u) return md(unknown_line(u)) end)
  md_section(out, heading(title.not_done), doc.not_done, function(n) return md(n.what) .. ": " .. md(n.why) end)
  md_section(out, "Approvals", doc.approvals, function(a)
    return md(a.title) .. ": " .. a.state .. (a.by and " by " .. md(a.by) or "")
  end)
  md_section(out, "Holds", doc.holds, function(h) return md(hold_line(h)) end)
  md_section(out, "Evidence", doc.evidence, function(e) return md(evidence_line(e)) end)
  return table.concat(out, "\n") .. "\n"
end

return report
