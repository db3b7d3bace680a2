-- sarif.lua: findings as a SARIF 2.1.0 log, as services for code review read them.

local json = require "json"

local sarif = {}

-- A relative path as a URI reference: what a reviewer's checkout is looked up by.
local function uri(path)
  return (path:gsub("[^%w%-%._~/]", function(c) return ("%%%02X"):format(c:byte()) end))
end

-- Sources by path, as lists of lines, split when they are needed.
local function lines_by_path(sources)
  local text, lines = {}, {}
  for _, s in ipairs(sources) do text[s.path] = s.source end
  return function(path, n)
    if not lines[path] then
      local list = {}
      for line in ((text[path] or "") .. "\n"):gmatch "([^\n]*)\n" do list[#list + 1] = line end
      lines[path] = list
    end
    return lines[path][n] or ""
  end
end

-- SARIF counts characters; findings count bytes.
local function column(line, bytes)
  local before = line:sub(1, bytes - 1)
  return (utf8.len(before) or #before) + 1
end

local function rules_of(severities)
  local names, list, index = {}, {}, {}
  for name in pairs(severities) do names[#names + 1] = name end
  table.sort(names)
  for i, name in ipairs(names) do
    list[i] = { id = name, defaultConfiguration = { level = severities[name] } }
    index[name] = i - 1
  end
  return list, index
end

---@param findings check.Finding[]
---@param sources check.Source[]
---@param severities table<string, string>  all rules
---@return string  one JSON document
function sarif.log(findings, sources, severities)
  local rules, index = rules_of(severities)
  local line_of, results = lines_by_path(sources), {}
  for i, f in ipairs(findings) do
    local start = column(line_of(f.file, f.line), f.column)
    results[i] = {
      ruleId = f.rule, ruleIndex = index[f.rule], level = f.severity, message = { text = f.message },
      locations = { { physicalLocation = { artifactLocation = { uri = uri(f.file) },
                                           region = { startLine = f.line, startColumn = start } } } },
    }
  end
  return json.encode {
    ["$schema"] = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
    version = "2.1.0",
    runs = { { tool = { driver = { name = "lunette check", rules = rules } }, columnKind = "unicodeCodePoints",
               results = json.array(results) } },
  }
end

return sarif
