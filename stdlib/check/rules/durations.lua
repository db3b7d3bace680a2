-- durations.lua: texts that are meant as durations, and are none: "1h30m", "5 minutes", "soon".

local meaning = require "check.meaning"
local types = require "check.types"

local durations = {}

durations.rules = { ["bad-duration"] = "error" }

-- Words: which argument is a duration, or which members of which argument are.
local ARGUMENT = { sleep = 1, ago = 1 }
local MEMBERS = {
  approve = { 1, "expires" }, approved = { 1, "expires" }, ask = { 1, "expires" },
  await_until = { 2, "every", "timeout" }, await_signal = { 2, "timeout" },
}
local OF_OPERATIONS = { "wait", "lease", "timeout" }

local function check(report, what, e)
  e = e and meaning.settled(e)
  if not e or e.tag ~= "String" then return end
  local ok, why = types.duration(e.value)
  if not ok then report("bad-duration", e, ("%s: %s"):format(what, why)) end
end

local function check_members(report, what, e, names)
  e = e and meaning.settled(e)
  if not e or e.tag ~= "Table" then return end
  for _, name in ipairs(names) do
    local item = meaning.member(e, name)
    if item then check(report, what .. ": " .. name, item.value) end
  end
end

local function words(f, world, report)
  for _, c in ipairs(f.tree.all.Call or {}) do
    local word = meaning.word(c, world.known)
    if word and ARGUMENT[word] then check(report, word, c.args[ARGUMENT[word]]) end
    local members = word and MEMBERS[word]
    if members then check_members(report, word, c.args[members[1]], { table.unpack(members, 2) }) end
    local m = meaning.of(c.fn, world.known)
    if m and (m.kind == "library" or m.kind == "member") and m.of == "store" and m.name == "set" then
      check_members(report, "store.set", c.args[3], { "ttl" })
    end
  end
end

function durations.check(f, world, report)
  if f.room ~= "playbook" and f.room ~= "connector" then return end
  words(f, world, report)
  for _, call in ipairs(f.calls) do check_members(report, call.full, call.args, OF_OPERATIONS) end
  if f.playbook then check_members(report, "playbook", f.playbook, { "every" }) end
end

return durations
