-- from_run.lua: a past run as the text of a test (runtime/debug/playtest_from.h has what it is made of).  The
-- steps come to what they came to then; what is expected is what the run wrote.

local literal = require "sim.literal"

local function answer_of(a, by)
  local who = a.by ~= by and a.by ~= "" and not a.by:find "^%-%-" and a.by or "bob"
  local word = a.kind == "ask" and "answer" or a.yes and "approve" or "deny"
  local rule = { title = a.title, by = who }
  if word == "answer" then rule.answer = a.answer end
  return ("  sim:%s %s\n"):format(word, literal(rule, "  "))
end

-- The core asks about writes; here their answers are known.
local function answers(from)
  local out = {}
  for _, a in ipairs(from.answers) do
    if a.kind ~= "write" then out[#out + 1] = answer_of(a, from.by) end
  end
  return table.concat(out)
end

local HEAD = [[
-- What run %s of %s did: its steps come to what they came to then.
-- Written by `lunette test --from-run %s`; it fails when what the scripts write, or how they end, is another.

local INPUT = %s

local RECORDED = %s

local WRITTEN = %s

test %s (function(sim)
%s  local run = sim:run(%s, INPUT, { by = %s, recorded = RECORDED })
%s  same(sim:written(), WRITTEN, "what it wrote")
end)
]]

-- How it ended.
local function ending(from)
  local out = { "  same(run.state, " .. literal(from.state) .. ")\n" }
  if from.outcome ~= "" then out[2] = "  same(run.outcome, " .. literal(from.outcome) .. ")\n" end
  if from.code ~= "" then out[#out + 1] = "  same(run.error.code, " .. literal(from.code) .. ")\n" end
  return table.concat(out)
end

---@param from table      { playbook, run, by, state, outcome, code, input, recorded, answers }
---@param written? table  [{ args, op, step }]
---@return string
return function(from, written)
  return HEAD:format(from.run, from.playbook, from.run, literal(from.input, ""), literal(from.recorded, ""),
                     literal(written or {}, ""), literal("as in run " .. from.run), answers(from),
                     literal(from.playbook), literal(from.by), ending(from))
end
