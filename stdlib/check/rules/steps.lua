-- steps.lua: places where not everything may be done: inside step (nothing that leaves, and nothing that a
-- replay would miss), in a playbook's `on` and `key` (which only look), and in what await_until polls
-- (which only reads).

local meaning = require "check.meaning"
local parser = require "check.parser"

local steps = {}

steps.rules = {
  ["effect-in-step"] = "error",
  ["step-assigns"]   = "warning",
  ["acts-in-on"]     = "error",
  ["poll-writes"]    = "error",
}

-- Words that wait, or reach out of the playbook.
local WORDS = { approve = "waits", approved = "waits", ask = "waits", sleep = "waits", await_until = "waits",
                await_signal = "waits", lock = "waits", map = "makes branches", parallel = "makes branches",
                stage = "makes a branch", step = "is a step itself", run_playbook = "starts a run",
                start = "starts a run", each = "asks a vendor" }
-- Libraries whose functions are effects.
local EFFECTS = { store = true, file = true, http = true, ledger = true }
local READS = { get = true, list = true, holds = true, acts = true }

-- What a call does that reaches out: a text, whether it may write; or nil.
local function deed(c, world)
  local m = meaning.of(c.fn, world.known)
  if not m then return nil end
  if m.kind == "operation" then
    return m.of .. "." .. m.name .. " is an effect", world.move(m) ~= nil
  elseif m.kind == "global" and WORDS[m.name] then
    return m.name .. " " .. WORDS[m.name], m.name ~= "each"
  elseif (m.kind == "library" or m.kind == "member") and EFFECTS[m.of] then
    return m.of .. "." .. m.name .. " is an effect", not READS[m.name]
  end
  return nil
end

-- The calls within a function, with what they do.
local function deeds(fn, world, visit)
  parser.walk(fn.body, function(n)
    if n.tag == "Call" then
      local what, writes = deed(n, world)
      if what then visit(n, what, writes) end
    end
  end)
end

-- The function that an expression is, if it stands in this source.
local function function_of(e)
  if not e then return nil end
  if e.tag == "Name" and e.var and e.var.kind == "function" and #e.var.writes == 0 then return e.var.value end
  e = meaning.settled(e)
  return e.tag == "Function" and e or nil
end

local function within(inner, fn)
  while inner do
    if inner == fn then return true end
    inner = inner.func
  end
  return false
end

-- The variable at the root of an assigned place: x, x.y, x[1].z
local function root_of(target)
  while target.tag == "Index" or target.tag == "Paren" do target = target.object or target.inner end
  return target.tag == "Name" and target.var or nil
end

local NOT_REPEATED = {
  step = "'%s' is changed inside step: a replay takes the step's result from the journal, and does not run it: "
         .. "return it instead",
  await_until = "'%s' is changed inside what await_until polls: a replay takes its result from the journal, and "
                .. "does not poll: return it instead",
}

-- What only polls look at may go from one to the next.
local function is_read_outside(var, fn)
  for _, read in ipairs(var.reads) do
    if not within(read.func, fn) then return true end
  end
  return false
end

local function check_assignments(fn, word, report)
  parser.walk(fn.body, function(n)
    if n.tag ~= "Assign" then return end
    for _, target in ipairs(n.targets) do
      local var = root_of(target)
      if var and not within(var.func, fn) and (word == "step" or is_read_outside(var, fn)) then
        report("step-assigns", target, NOT_REPEATED[word]:format(var.name))
      end
    end
  end)
end

local function check_step(c, world, report)
  local fn = function_of(c.args[2])
  if not fn then return end
  deeds(fn, world, function(n, what)
    report("effect-in-step", n, what .. ": a step is the author's own work, and reaches nothing outside")
  end)
  check_assignments(fn, "step", report)
end

local function check_poll(c, world, report)
  local fn = function_of(c.args[1])
  if not fn then return end
  deeds(fn, world, function(n, what, writes)
    if writes then report("poll-writes", n, what .. ": what await_until polls may only read") end
  end)
  check_assignments(fn, "await_until", report)
end

local function check_on(f, world, report)
  for _, name in ipairs { "on", "key" } do
    local item = meaning.member(f.playbook, name)
    local fn = item and function_of(item.value)
    if fn then
      deeds(fn, world, function(n, what)
        local m = meaning.of(n.fn, world.known)
        if not (m.of == "store" and m.name == "get") then
          report("acts-in-on", n, ("%s: `%s` only looks at the alert (and at store.get)"):format(what, name))
        end
      end)
    end
  end
end

function steps.check(f, world, report)
  if f.room ~= "playbook" and f.room ~= "connector" then return end
  for _, c in ipairs(f.tree.all.Call or {}) do
    local word = meaning.word(c, world.known)
    if word == "step" then check_step(c, world, report) end
    if word == "await_until" then check_poll(c, world, report) end
  end
  if f.playbook then check_on(f, world, report) end
end

return steps
