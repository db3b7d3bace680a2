-- new_test.lua: the skeleton of a playbook's test: an input of the types that it declares, made of what the simulators
-- know.

local literal = require "sim.literal"

local SAMPLES = {
  string = "x", integer = 1, number = 1, boolean = false, duration = "1h", time = "2026-11-24T10:00:00Z",
  ip = "10.20.5.15", sha256 = ("0"):rep(64), host = "WORKSTATION5", device = "WORKSTATION5",
  user = "pgustavo@theshire.example", table = {},
  alert = { rule = "Shell in a container", priority = "Warning", output = "a shell was started",
            output_fields = { ["proc.cmdline"] = "bash -c id" } },
}

-- "[host]?", "one of a b = a" …: nothing where it may be left out.
local function sample(declared)
  local kind = declared:gsub("%s*=.*$", "")
  if kind ~= declared or kind:find "%?%s*$" then return nil end
  local choice = kind:match "^one of (%S+)"
  if choice then return choice end
  local item = kind:match "^%[(.-)%]"
  if item then return { SAMPLES[item] } end
  return SAMPLES[kind:match "^%S+"]
end

local function input_of(declared)
  local out = {}
  for name, kind in pairs(declared.input or {}) do out[name] = sample(kind) end
  return out
end

local TEXT = [[
-- %s: say in a line what of %s has to hold.

test "it comes to its end" (function(sim)
  sim:approve()                                             -- whatever is asked
  local run = sim:run("%s", %s)
  same(run.state, "%s")
end)
]]

---@param declared table    the playbook's declaration
---@param file string       the test's own name
---@param ended? string     how a run with that input ends
---@return string
return function(declared, file, ended)
  return TEXT:format(file, declared.name, declared.name, literal(input_of(declared), "  "), ended or "completed")
end
