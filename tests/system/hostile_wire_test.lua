-- hostile_wire_test.lua: values that an attacker chose stay data on the wire: never part of a filter's syntax, a path, a
-- parameter's name, or a header of their own.  What reaches the simulators has the shape that harmless values give it.
local sys = dofile "tests/system/harness.lua"
local cjson = require "cjson"
local hostile = dofile "tests/system/hostile_values.lua"

-- The wire ------------------------------------------------------------------------------------------------

local function skeleton(text)
  -- What is between quotes is data; outside of them nothing may differ.
  local out, at = {}, 1
  while at <= #text do
    local q = text:sub(at, at)
    if q == "'" or q == '"' then
      local to = at + 1
      while to <= #text and text:sub(to, to) ~= q do
        to = to + (q == '"' and text:sub(to, to) == "\\" and 2 or 1)
      end
      out[#out + 1], at = q .. q, to + 1
    else out[#out + 1], at = q, at + 1 end
  end
  return (table.concat(out):gsub("%d+", "0"))
end

local function decoded(s) return (s:gsub("%%(%x%x)", function(h) return string.char(tonumber(h, 16)) end)) end

-- "a=1&b=2" as names, and the values of those that are expressions.
local EXPRESSIONS = { filter = true, search = true }
local function pairs_of(text, kind, out)
  for pair in text:gmatch "[^&]+" do
    local name, value = pair:match "^([^=]*)=?(.*)$"
    out[#out + 1] = kind .. " " .. decoded(name)
    if EXPRESSIONS[decoded(name)] then out[#out + 1] = kind .. " " .. name .. ": " .. skeleton(decoded(value)) end
  end
end

local function members(value, where, out)
  if type(value) ~= "table" then return end
  for k, v in pairs(value) do
    local name = where .. "." .. (math.type(k) and "#" or tostring(k))
    out[#out + 1] = name
    members(v, name, out)
  end
end

-- All of a request that is not data, as a list of texts.
local function shape(w)
  local path, query = w.target:match "^([^?]*)%??(.*)$"
  local out = { "method " .. w.method, "segments " .. select(2, path:gsub("/", "")) }
  pairs_of(query, "query", out)
  for name, value in pairs(w.headers) do
    out[#out + 1] = "header " .. name
    if name:find "^tmv1%-" then out[#out + 1] = "header " .. name .. ": " .. skeleton(value) end
  end
  local kind = w.headers["content-type"] or ""
  if kind:find "urlencoded" then pairs_of(w.body, "form", out)
  elseif kind:find "multipart" then
    for name in w.body:gmatch '\r\nContent%-Disposition: form%-data; name="([^"]*)"' do out[#out + 1] = "part " .. name end
  elseif w.bytes == #w.body and w.body ~= "" then members(sys.decode(w.body), "json", out) end
  return out
end

-- The shapes that harmless values give, by operation.
local function known_shapes(wire)
  local out = {}
  for _, w in ipairs(wire) do
    local op = w.vendor .. "." .. tostring(w.op)
    out[op] = out[op] or {}
    for _, part in ipairs(shape(w)) do out[op][part] = true end
  end
  return out
end

local function check_wire(wire, known)
  local n = 0
  for _, w in ipairs(wire) do
    local op = w.vendor .. "." .. tostring(w.op)
    assert(known[op], "no harmless value ever led to " .. op .. " " .. w.method .. " " .. w.target)
    assert(not w.target:find "[^%w%-._~/?&=%%+,:;@!$'()*]", "not encoded: " .. w.target:sub(1, 300))
    assert(not w.target:gsub("%%%x%x", ""):find("%", 1, true), "half an encoding: " .. w.target:sub(1, 300))
    for segment in w.target:match "^[^?]*":gmatch "[^/]+" do
      local plain = decoded(segment)
      assert(plain ~= "." and plain ~= "..", "a path that climbs: " .. w.target)
    end
    for name, value in pairs(w.headers) do assert(not value:find "%c", op .. ": a control character in " .. name) end
    for _, part in ipairs(shape(w)) do
      assert(known[op][part], ("%s has a shape of its own: %s\n%s %s\n%s"):format(op, part, w.method, w.target, w.body:sub(1, 500)))
    end
    n = n + 1
  end
  return n
end

-- Every operation's every text ----------------------------------------------------------------------------

package.path = "stdlib/?.lua;tests/lua/?.lua;" .. package.path
require "shims"

-- A connector's operations, as they are declared.
local function operations(vendor)
  local env = setmetatable({ connector = function(d) return d end, opaque = function() end }, { __index = _G })
  return assert(loadfile("stdlib/connectors/" .. vendor .. ".lua", "t", env))().operations
end

-- A search is an expression that the author writes; values from alerts go to the other parameters.
local AUTHORS = { search = true }
local PLAIN = { string = "harmless-1", host = "@host", device = "@host", user = "harmless-1", integer = 1, boolean = true,
                ip = "10.20.5.15", sha256 = ("5a"):rep(32), time = "2026-11-01T00:00:00Z", duration = "1h", blob = "@blob",
                table = { sha1 = ("5a"):rep(20), sha256 = ("5a"):rep(32), path = [[C:\Users\x\y.bin]] } }
-- Values without which an operation would not be sent.
local NEEDED = {
  ["okta.user"] = "@user", ["okta.group"] = "@group", ["crowdstrike.path"] = [[C:\Users\pgustavo\Desktop\launcher.vbs]],
  ["crowdstrike.script"] = "default", ["qualys.ref"] = "scan/1234567890.12345", ["qualys.ids"] = "1234",
  ["qualys.ips"] = "10.20.5.15", ["qualys.severities"] = "4,5", ["qualys.status"] = "Active", ["qualys.qids"] = "92155",
  ["qualys.option"] = "Initial Options", ["qualys.scanner"] = "dc1-appliance", ["visionone.sha1"] = ("5a"):rep(20),
  ["visionone.host"] = "@endpoint", ["crowdstrike.host"] = "@host", ["crowdstrike.md5"] = ("5a"):rep(16),
}

local function plain_value(vendor, name, text)
  local kind = text:match "^%s*(.-)%s*%??%s*$":gsub("%s*=.*$", ""):gsub("%?$", "")
  local choice = kind:match "^one of (%S+)"
  local item = kind:match "^%[(.*)%]$"
  local needed = NEEDED[vendor .. "." .. name]
  if choice then return choice end
  if item then return { needed or PLAIN[item] } end
  return needed or PLAIN[kind]
end

local function takes_text(text)
  return text:find "string" and true or text:find "^host" and "host" or text:find "^table" and "table" or false
end

-- Calls of every operation: harmless ones (its arguments one by one and all together), or each text as `value`.
local function calls(value)
  local out = {}
  for _, vendor in ipairs { "okta", "qualys", "crowdstrike", "visionone" } do
    for op, o in pairs(operations(vendor)) do
      local needed, all = {}, {}
      local params = o.params or {}
      for name, text in pairs(params) do
        if not AUTHORS[name] then all[name] = plain_value(vendor, name, text) end
        if not text:find "[?=]" then needed[name] = all[name] end
      end
      local function call(args) out[#out + 1] = { vendor = vendor, op = op, args = args } end
      local function with(name, v)
        local args = {}
        for k, x in pairs(needed) do args[k] = x end
        args[name] = v
        call(args)
      end
      if not value then call(needed) end
      for name, text in pairs(params) do
        local kind = not AUTHORS[name] and takes_text(text)
        if not value and not AUTHORS[name] then with(name, all[name])
        elseif kind == "host" then with(name, { hostname = value, id = value, agents = { crowdstrike = value, visionone = value } })
        elseif kind == "table" then with(name, { sha1 = value, sha256 = value, path = value, name = value })
        elseif kind then with(name, text:find "^%[" and { value } or value) end
      end
    end
  end
  return out
end

local CALL = [[
  local okta, v1, cs = require "connectors.okta", require "connectors.visionone", require "connectors.crowdstrike"
  local known = { ["@user"] = okta.users { login = "nmartha@theshire.example" }[1].id,
    ["@group"] = okta.groups { name = "ir-restricted", type = "OKTA_GROUP" }[1].id,
    ["@endpoint"] = v1.endpoints { hostname = "WORKSTATION6" }[1].id, ["@host"] = cs.hosts { hostname = "WORKSTATION6" }[1].id,
    ["@long"] = ("A"):rep(1 << 20), ["@blob"] = blob("sample.txt", "harmless") }
  local function filled(v)
    if type(v) ~= "table" then return known[v] or v end
    local out = {}
    for k, x in pairs(v) do out[k] = filled(x) end
    return out
  end
  local codes = {}
  for _, c in ipairs(input.calls) do
    local args = filled(c.args)
    args.timeout = "3s"
    local _, e = try(require("connectors." .. c.vendor)[c.op], args)
    local code = e and e.code or "done"
    codes[code] = (codes[code] or 0) + 1
    assert(code ~= "memory" and code ~= "cpu", code)
  end
  return codes]]

local function site(t)
  t:record()
  t:sim { "--speed", "20000" }
  t:write("sim.conf.lua", (t:read "sim.conf.lua":gsub("return {\n", function()
    return ("return {\n  scripts = { \"scripts\", %q },\n  guards = { approve = \"never\", per_run = { destructive = 10000 }, "
            .. "per_hour = { destructive = 10000 } },\n"):format(sys.root .. "/scripts")
  end, 1)))
  t:playbook("calls", CALL, 'uses = { "okta", "qualys", "crowdstrike", "visionone" }, input = { calls = "[table]" },')
end

local function call_all(t, value)
  local input = t:write("calls.json", cjson.encode { calls = calls(value) })
  local r = t:run { "run", "calls", "--input", input, "--approve", "all", "--json", seconds = 200 }
  assert(r.code == 0 or r.code == 5, r.err .. r.out:sub(1, 500))
  return r.doc().result
end

sys.test("every text of every operation: on the wire it has the shape of a harmless one", function(t)
  site(t)
  call_all(t)
  call_all(t)                                             -- what is so already shows another side the second time
  local known = known_shapes(t:wire())
  for _, name in ipairs(hostile.names) do
    local value = name == "long" and "@long" or hostile.values[name]
    local before = #t:wire()
    local codes = call_all(t, value)
    local out = {}
    for code, n in pairs(codes) do out[#out + 1] = code .. " " .. n end
    print("#", name, #t:wire() - before, table.concat(out, ", "))
  end
  assert(check_wire(t:wire(), known) > 500)
end)

-- A whole response ----------------------------------------------------------------------------------------

local function ended_well(r)
  assert(r.code == 0 or r.code == 5, ("exit status %d: %s"):format(r.code, r.err))
  return r
end

-- Several responses at once: most of each is waiting.
local function respond_to_all(t, texts)
  local jobs = {}
  for i, text in ipairs(texts) do
    local input = t:write("hostile" .. i .. ".json", text)
    jobs[i] = t:start { "run", "t1059.respond", "--input", input, "--set", "confirmed_by=alice", "--approve", "all", "--json",
                        seconds = 100 }
    if i > 8 then ended_well(jobs[i - 8].wait()) end
  end
  for i = math.max(1, #jobs - 7), #jobs do ended_well(jobs[i].wait()) end
end

sys.test("an alert all of whose texts are hostile: the whole response keeps its shape on the wire", function(t)
  site(t)
  call_all(t)
  call_all(t)
  local texts = { hostile.genuine "windows/nxlog_sysmon1_wscript_launcher_vbs.json", hostile.alert "harmless" }
  for _, d in ipairs(hostile.documents) do texts[#texts + 1] = hostile.document(d, "harmless") end
  respond_to_all(t, texts)
  local known = known_shapes(t:wire())
  texts = {}
  for i, name in ipairs(hostile.names) do
    local value, d = hostile.values[name], hostile.documents[i % #hostile.documents + 1]
    texts[#texts + 1], texts[#texts + 2] = hostile.alert(value), hostile.document(d, value)
  end
  respond_to_all(t, texts)
  assert(check_wire(t:wire(), known) > 500)
end)

sys.done()
