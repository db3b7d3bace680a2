-- playbook.lua: what a playbook declares: its fields and inputs, what it may use against what it does use,
-- and the ids of techniques that it names.

local file = require "check.file"
local meaning = require "check.meaning"
local near = require "check.near"
local reach = require "check.reach"
local types = require "check.types"

local playbook = {}

playbook.rules = {
  ["playbook-field"] = "error",
  ["playbook-name"]  = "warning",
  ["unknown-use"]    = "error",
  ["not-granted"]    = "error",
  ["unused-use"]     = "warning",
  ["stage-input"]    = "error",
  ["unknown-id"]     = "warning",
  ["retired-id"]     = "warning",
}

-- Fields ------------------------------------------------------------------------------------------------

local FIELDS = { name = "String", summary = "String", stage = "String", attack = "Table", d3fend = "Table",
                 uses = "Table", input = "Table", on = "Function", key = "Function", every = "String",
                 run = "Function" }
local NEEDED = { "name", "run" }
local WORDS = { String = "a text", Table = "a table", Function = "a function" }
local LITERALS = { String = true, Table = true, Function = true, Number = true, True = true, False = true }

local function check_fields(f, report)
  for _, item in ipairs(f.playbook.items) do
    local name = item.key and item.key.tag == "String" and item.key.value
    if not item.key then
      report("playbook-field", item, "playbook: a field has no name")
    elseif name and not FIELDS[name] then
      report("playbook-field", item.key, ("playbook: there is no field '%s'%s"):format(name,
             near.hint(name, FIELDS)))
    elseif name then
      local e = meaning.settled(item.value)
      if LITERALS[e.tag] and e.tag ~= FIELDS[name] then
        report("playbook-field", item.value, ("playbook: '%s' must be %s"):format(name, WORDS[FIELDS[name]]))
      end
    end
  end
  for _, name in ipairs(NEEDED) do
    if not meaning.open(f.playbook) and not meaning.member(f.playbook, name) then
      report("playbook-field", f.playbook_call, ("playbook: the field '%s' is missing"):format(name))
    end
  end
end

-- The declared inputs of a file: name → type; nil when they are not all in the source.
local function inputs_of(f)
  local item = meaning.member(f.playbook, "input")
  if not item then return {} end
  local tbl = meaning.settled(item.value)
  if tbl.tag ~= "Table" or meaning.open(tbl) then return nil end
  local out = {}
  for _, i in ipairs(tbl.items) do
    if i.key and i.value.tag == "String" then out[i.key.value] = types.read(i.value.value) or false end
  end
  return out
end

local function default_as_node(t)
  return { tag = "String", value = t.default }
end

local function check_inputs(f, report)
  local item = meaning.member(f.playbook, "input")
  local tbl = item and meaning.settled(item.value)
  for _, i in ipairs(tbl and tbl.tag == "Table" and tbl.items or {}) do
    if not i.key or (i.value.tag ~= "String" and LITERALS[i.value.tag]) then
      report("playbook-field", i, "playbook: an input is a name with a type's text, such as \"string?\"")
    elseif i.value.tag == "String" then
      local t, why = types.read(i.value.value)
      if why then
        report("playbook-field", i.value, ("playbook: input '%s': %s"):format(i.key.value or "?", why))
      elseif t.default and not t.list then
        local wrong = types.wrong(t, default_as_node(t))
        if wrong then
          report(t.kind == "duration" and "bad-duration" or "playbook-field", i.value,
                 ("playbook: the default of input '%s': %s"):format(i.key.value or "?", wrong))
        end
      end
    end
  end
end

local function check_name(f, world, report)
  local item = meaning.member(f.playbook, "name")
  if not item or item.value.tag ~= "String" or world.by_module[f.module] ~= f then return end
  if item.value.value ~= f.module then
    report("playbook-name", item.value, ("the playbook calls itself '%s', and its file makes it '%s': stages "
           .. "and runs find it by the file, its settings by the name"):format(item.value.value, f.module))
  end
end

-- What it uses ------------------------------------------------------------------------------------------

-- What leaves the process, and so must be granted: libraries, and a function of one.
local LEAVES = { file = true, http = true, ["ledger.lift"] = true }

local function grants(use, what)
  if use == what then return true end
  if use:sub(-2) == ".*" then return what:sub(1, #use - 1) == use:sub(1, -2) end
  return what:sub(1, #use + 1) == use .. "."
end

-- A flow's grant covers the flow; what it asks for by itself is granted to it alone.
local function granted(uses, what)
  for _, use in ipairs(uses) do
    if grants(use.value, what) then return use end
  end
  return nil
end

local function use_is_known(use, world)
  local known = world.known
  if known.connectors[use] or LEAVES[use] or known.modules[use] then return true end
  local connector, name = use:match "^([^.]+)%.(.+)$"
  local c = connector and known.connectors[connector]
  if c then return not c.operations or c.operations[name] ~= nil end
  if use:sub(-2) == ".*" then
    for module in pairs(world.by_module) do
      if grants(use, module) then return true end
    end
    return false
  end
  return world.by_module[use] ~= nil
end

local function hint_for(use, world)
  local all = {}
  for name, c in pairs(world.known.connectors) do
    all[name] = true
    for op in pairs(c.operations or {}) do all[name .. "." .. op] = true end
  end
  for module, f in pairs(world.by_module) do
    if f.playbook then all[module] = true end
  end
  return near.hint(use, all)
end

local function package_of(f)
  local item = meaning.member(f.playbook, "name")
  local name = item and item.value.tag == "String" and item.value.value
  return name and name:match "^(.*)%.[^.]*$"
end

-- The module that stage "harden" means within a playbook.
local function stage_module(f, name)
  local package = package_of(f)
  if name:find(".", 1, true) or not package then return name end
  return package .. "." .. name
end

-- Calls of stage with a name that stands in the source.
local function stages_of(f, known)
  local out = {}
  for _, c in ipairs(f.tree.all.Call or {}) do
    local word = meaning.word(c, known)
    local name = (word == "stage" or word == "run_playbook" or word == "start") and c.args[1]
    if name and name.tag == "String" then
      out[#out + 1] = { call = c, at = name, word = word,
                        module = word == "stage" and stage_module(f, name.value) or name.value }
    end
  end
  return out
end

local function uses_stages(f, world, found)
  local stages = stages_of(f, world.known)
  for _, s in ipairs(stages) do found(s.module, s.at, nil) end
  local all = 0
  for _, c in ipairs(f.tree.all.Call or {}) do
    local word = meaning.word(c, world.known)
    if word == "stage" or word == "run_playbook" or word == "start" then all = all + 1 end
  end
  return all > #stages
end

local function needs_grant(name, world)
  if LEAVES[name] then return true end
  if not name:find(".", 1, true) then return false end
  return (world.known.connectors[name:match "^[^.]+"] or world.by_module[name]) ~= nil
end

local function is_operation(name, world)
  local connector, op = name:match "^([^.]+)%.(.+)$"
  local c = connector and world.known.connectors[connector]
  return not c or not c.operations or c.operations[op] ~= nil
end

local function check_uses(f, world, report)
  local uses = file.texts(f.playbook, "uses")
  if not uses and meaning.member(f.playbook, "uses") then return end
  uses = uses or {}                                         -- left out: nothing is granted
  local used, told = {}, {}
  local function found(name, node, via)
    if not needs_grant(name, world) then return end
    local use = granted(uses, name)
    if use then
      used[use] = true
    elseif not told[name] and is_operation(name, world) then
      told[name] = true
      report("not-granted", node, ("%s is not in `uses`: add \"%s\"%s"):format(name, name,
             via and (" (%s needs it)"):format(via) or ""))
    end
  end
  local open = reach.of(world, f, f.tree, found)
  open = uses_stages(f, world, found) or open
  for _, use in ipairs(uses) do
    if not use_is_known(use.value, world) then
      report("unknown-use", use, ("`uses` names '%s', which is no connector, operation, library or playbook%s")
                                 :format(use.value, hint_for(use.value, world)))
    elseif not used[use] and not open then
      report("unused-use", use, ("'%s' is granted and never used: a playbook should hold no more than it needs")
                                :format(use.value))
    end
  end
end

-- Stages' inputs ----------------------------------------------------------------------------------------

local function check_stage_item(item, inputs, module, report)
  local name = item.key and item.key.tag == "String" and item.key.value
  if not name then return end
  if inputs[name] == nil then
    report("stage-input", item.key, ("%s has no input '%s'%s"):format(module, name, near.hint(name, inputs)))
  elseif inputs[name] and item.value.tag ~= "Nil" then
    local why, at = types.wrong(inputs[name], item.value)
    if why then report("stage-input", at, ("%s: input '%s': %s"):format(module, name, why)) end
  end
end

local function check_stages(f, world, report)
  for _, s in ipairs(stages_of(f, world.known)) do
    local target = world.by_module[s.module]
    if not target then
      local all = {}
      for module, other in pairs(world.by_module) do
        if other.playbook then all[module] = true end
      end
      report("unknown-module", s.at, ("there is no playbook '%s'%s"):format(s.module, near.hint(s.module, all)))
    elseif target.tree and not target.playbook then
      report("unknown-module", s.at, ("%s is no playbook"):format(s.module))
    elseif target.playbook then
      local inputs, tbl = inputs_of(target), s.call.args[2] and meaning.settled(s.call.args[2])
      for _, item in ipairs(inputs and tbl and tbl.tag == "Table" and tbl.items or {}) do
        check_stage_item(item, inputs, s.module, report)
      end
    end
  end
end

-- Ids ---------------------------------------------------------------------------------------------------

local function check_d3fend(node, world, report)
  local id, d3fend = node.value, world.d3fend
  local successor = d3fend and d3fend.successor(id)
  if not id:find "^D3%-%u+$" then
    report("unknown-id", node, ("'%s' is no D3FEND id: they look like D3-FEV"):format(id))
  elseif successor then
    report("retired-id", node, ("D3FEND has retired %s: write %s"):format(id, successor))
  elseif d3fend and not d3fend.technique(id) then
    report("unknown-id", node, ("%s is not among the D3FEND techniques known here"):format(id))
  end
end

local function check_attack(node, world, report)
  local id, attack = node.value, world.attack
  local successor = attack and attack.successor(id)
  if not (id:find "^T%d%d%d%d$" or id:find "^T%d%d%d%d%.%d%d%d$") then
    report("unknown-id", node, ("'%s' is no ATT&CK id: they look like T1059 or T1059.001"):format(id))
  elseif successor then
    report("retired-id", node, ("ATT&CK has retired %s: write %s"):format(id, successor))
  elseif attack and not attack.name(id) and id:find "%." and attack.name(id:match "^[^.]+") then
    report("unknown-id", node, ("ATT&CK has no %s"):format(id))
  end
end

-- attack.is "T1059", attack.under(alert, "T1059")
local function check_attack_calls(f, world, report)
  for _, c in ipairs(f.tree.all.Call or {}) do
    local m = meaning.of(c.fn, world.known)
    if m and (m.kind == "library" or m.kind == "member") and m.of == "attack" then
      local arg = m.name == "is" and c.args[1] or m.name == "under" and c.args[2]
      if arg and arg.tag == "String" then check_attack(arg, world, report) end
    end
  end
end

local function check_ids(f, world, report)
  for _, node in ipairs(file.texts(f.playbook, "d3fend") or {}) do check_d3fend(node, world, report) end
  for _, node in ipairs(file.texts(f.playbook, "attack") or {}) do check_attack(node, world, report) end
end

-- What the flows of a connector may use -----------------------------------------------------------------

local function check_flow(f, world, report, name, flow)
  local uses, run = file.texts(flow, "uses"), meaning.member(flow, "run")
  local fn = run and meaning.settled(run.value)
  if not uses or not fn or fn.tag ~= "Function" then return end
  local connector, told = f.module:match "([^.]+)$", {}
  reach.of(world, f, fn, function(what, node)
    if not needs_grant(what, world) or granted(uses, what) then return end
    if told[what] or not is_operation(what, world) then return end
    local short = what:match "^([^.]+)%." == connector and what:match "%.(.+)$"
    if short and granted(uses, short) then return end
    told[what] = true
    report("not-granted", node, ("%s is not in `uses` of the flow %s"):format(what, name))
  end)
end

local function check_connector(f, world, report)
  local item = meaning.member(f.connector, "flows")
  local flows = item and meaning.settled(item.value)
  for _, i in ipairs(flows and flows.tag == "Table" and flows.items or {}) do
    local flow = i.key and i.key.tag == "String" and meaning.settled(i.value)
    if flow and flow.tag == "Table" then check_flow(f, world, report, i.key.value, flow) end
  end
end

function playbook.check(f, world, report)
  if f.room ~= "playbook" and f.room ~= "connector" then return end
  check_attack_calls(f, world, report)
  if f.connector then check_connector(f, world, report) end
  if not f.playbook then return end
  check_fields(f, report)
  check_inputs(f, report)
  check_name(f, world, report)
  check_uses(f, world, report)
  check_stages(f, world, report)
  check_ids(f, world, report)
end

return playbook
