-- complete.lua: what a word at a prompt may go on with: words, libraries and their functions, connectors, their
-- operations and an operation's parameters, the session's own variables and their fields, the prompt's own
-- commands, and the ids of runs.

local complete = {}

local MARK = "\0"

local function collect(out, names, prefix, before, after)
  for name in pairs(names) do
    if type(name) == "string" and name ~= MARK and name:sub(1, #prefix) == prefix and name:find "^[%a_][%w_]*$" then
      out[#out + 1] = before .. name .. (after or "")
    end
  end
end

local function set_of(list)
  local out = {}
  for _, name in ipairs(list) do out[name] = true end
  return out
end

-- What stands under a name: of the session first, then connectors, libraries and words.
local function fields_of(name, known, names, variables)
  local own = variables[name]
  if type(own) == "table" then return own end
  local connector = known.connectors[name]
  if connector then return connector.operations or {} end
  local library = names.globals[name] or names.modules[name]
  return type(library) == "table" and set_of(library) or nil
end

local function fields_at(path, known, names, variables)
  local at
  for name in path:gmatch "[^.]+" do
    if at == nil then at = fields_of(name, known, names, variables)
    else at = at[name]
    end
    if type(at) ~= "table" then return nil end
  end
  return at
end

-- Inside the braces of `okta.users { login = "x", …`: the operation's parameters.
local function parameters_at(head, known)
  local open
  local depth = 0
  for i = #head, 1, -1 do
    local c = head:sub(i, i)
    if c == "}" then depth = depth + 1
    elseif c == "{" then
      if depth == 0 then
        open = i
        break
      end
      depth = depth - 1
    end
  end
  local connector, operation = (open and head:sub(1, open - 1) or ""):match "([%w_]+)%.([%w_]+)%s*%(?%s*$"
  local c = connector and known.connectors[connector]
  local op = c and c.operations and c.operations[operation]
  if not op or not head:sub(open + 1):find "^%s*$" and not head:find "[,{]%s*$" then return nil end
  local out = {}
  for _, p in ipairs(op.params) do out[p.name] = true end
  return out
end

local WANTS_RUN = { [":open"] = true, [":watch"] = true }
local WANTS_SCRIPT = { [":source"] = true, [":break"] = true }

local function of_command(line, known)
  local command, from, word = line:match "^(:%S+)%s+()(%S*)$"
  if not command then
    local out = {}
    for _, c in ipairs(known.commands) do
      if c:sub(1, #line) == line then out[#out + 1] = c end
    end
    return out, 1
  end
  local list = WANTS_RUN[command] and known.runs or WANTS_SCRIPT[command] and known.scripts
  if not list then return nil end
  local out = {}
  for _, w in ipairs(list) do
    if w:sub(1, #word) == word then out[#out + 1] = w end
  end
  return out, from
end

---@param line string        up to the cursor
---@param known table        connectors, commands, runs, scripts
---@param names table        globals, modules: what every session has
---@param variables table    the session's own
---@return string[] words    sorted
---@return integer from      where in the line the word begins, from 1
function complete.line(line, known, names, variables)
  if line:sub(1, 1) == ":" then
    local out, from = of_command(line, known)
    if out then return out, from end
  end
  local from, path, word = line:match "()([%w_.]*)%.([%w_]*)$"
  local out = {}
  if path and path ~= "" then
    local fields = fields_at(path, known, names, variables)
    if fields then collect(out, fields, word, path .. ".") end
  else
    from, word = line:match "()([%w_]*)$"
    local params = parameters_at(line:sub(1, from - 1), known)
    if params then collect(out, params, word, "", " = ")
    else
      local all = {}
      for _, t in ipairs { names.globals, names.modules, known.connectors, variables } do
        for k in pairs(t) do all[k] = true end
      end
      collect(out, all, word, "")
    end
    if word ~= "" then
      for _, id in ipairs(known.runs) do
        if id:sub(1, #word) == word then out[#out + 1] = id end
      end
    end
  end
  table.sort(out)
  return out, from
end

return complete
