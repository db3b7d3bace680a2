-- shim.lua: the core's modules that stdlib needs, for running its tests in a plain lua5.4: json, crypto,
-- text, time, zip, with the meaning that the real ones have.  Each test is a program of its own, run from the
-- root of the tree:   lua5.4 tests/lua/alert/expected_test.lua

local shim = {}

package.path = "stdlib/?.lua;scripts/?.lua;tests/lua/alert/?.lua;" .. package.path

-- json: integers stay integers, a null member is absent, keys are sorted ---------------------------------
local json = { null = setmetatable({}, { __tostring = function() return "null" end }) }
local ARRAY = {}
function json.array(t) return setmetatable(t or {}, ARRAY) end

local ESCAPES = { b = "\b", f = "\f", n = "\n", r = "\r", t = "\t", ['"'] = '"', ["\\"] = "\\", ["/"] = "/" }
local value

local function string_at(s, i)
  local out, from = {}, i + 1
  while true do
    local at = assert(s:find('["\\]', from), "an unfinished string")
    out[#out + 1] = s:sub(from, at - 1)
    if s:byte(at) == 34 then return table.concat(out), at + 1 end
    local c = s:sub(at + 1, at + 1)
    if c ~= "u" then
      out[#out + 1] = assert(ESCAPES[c])
      from = at + 2
    else
      local n = tonumber(s:sub(at + 2, at + 5), 16)
      from = at + 6
      if n >= 0xD800 and n < 0xDC00 and s:sub(from, from + 1) == "\\u" then
        n = 0x10000 + ((n - 0xD800) << 10) + (tonumber(s:sub(from + 2, from + 5), 16) - 0xDC00)
        from = from + 6
      end
      out[#out + 1] = utf8.char(n)
    end
  end
end

local function object_at(s, i)
  local out = {}
  i = s:find("%S", i + 1)
  while s:sub(i, i) ~= "}" do
    local k, v
    k, i = string_at(s, i)
    i = assert(s:find("%S", i)); assert(s:sub(i, i) == ":")
    v, i = value(s, s:find("%S", i + 1))
    if v ~= json.null then out[k] = v end
    i = assert(s:find("%S", i))
    if s:sub(i, i) == "," then i = assert(s:find("%S", i + 1)) end
  end
  return out, i + 1
end

local function array_at(s, i)
  local out = json.array {}
  i = s:find("%S", i + 1)
  while s:sub(i, i) ~= "]" do
    out[#out + 1], i = value(s, i)
    i = assert(s:find("%S", i))
    if s:sub(i, i) == "," then i = assert(s:find("%S", i + 1)) end
  end
  return out, i + 1
end

function value(s, i)
  local c = s:sub(i, i)
  if c == "{" then return object_at(s, i) end
  if c == "[" then return array_at(s, i) end
  if c == '"' then return string_at(s, i) end
  for word, v in pairs { ["true"] = true, ["false"] = false, null = json.null } do
    if s:sub(i, i + #word - 1) == word then return v, i + #word end
  end
  local digits = assert(s:match("^-?[%d.eE+-]+", i), "no JSON at byte " .. i)
  return assert(tonumber(digits)), i + #digits
end

function json.decode(s) return (value(s, s:find("%S"))) end

local function quote(s)
  assert(utf8.len(s), "not UTF-8")
  return '"' .. s:gsub('[%c"\\]', function(c) return ("\\u%04x"):format(c:byte()) end) .. '"'
end

function json.encode(v)
  if v == json.null then return "null" end
  if type(v) == "string" then return quote(v) end
  if type(v) ~= "table" then return tostring(v) end
  local out = {}
  if getmetatable(v) == ARRAY or v[1] ~= nil then
    for i, x in ipairs(v) do out[i] = json.encode(x) end
    return "[" .. table.concat(out, ",") .. "]"
  end
  local keys = {}
  for k in pairs(v) do keys[#keys + 1] = k end
  table.sort(keys)
  for i, k in ipairs(keys) do out[i] = quote(k) .. ":" .. json.encode(v[k]) end
  return "{" .. table.concat(out, ",") .. "}"
end

-- crypto: SHA-256 and base64 -----------------------------------------------------------------------------
local crypto = {}

local K = {}
do
  local n, count = 2, 0
  while count < 64 do
    local prime = true
    for d = 2, math.floor(n ^ 0.5) do
      if n % d == 0 then prime = false break end
    end
    if prime then
      count = count + 1
      K[count] = math.floor((n ^ (1 / 3) % 1) * 2 ^ 32)
    end
    n = n + 1
  end
end

local function rotate(x, n) return ((x >> n) | (x << (32 - n))) & 0xFFFFFFFF end

local function block(h, w)
  for i = 17, 64 do
    local a, b = w[i - 15], w[i - 2]
    local s0 = rotate(a, 7) ~ rotate(a, 18) ~ (a >> 3)
    local s1 = rotate(b, 17) ~ rotate(b, 19) ~ (b >> 10)
    w[i] = (w[i - 16] + s0 + w[i - 7] + s1) & 0xFFFFFFFF
  end
  local v = table.move(h, 1, 8, 1, {})
  for i = 1, 64 do
    local e, a = v[5], v[1]
    local t1 = v[8] + (rotate(e, 6) ~ rotate(e, 11) ~ rotate(e,
                                                             25)) + ((e & v[6]) ~ (~e & v[7])) + K[i] + w[i]
    local t2 = (rotate(a, 2) ~ rotate(a, 13) ~ rotate(a, 22)) + ((a & v[2]) ~ (a & v[3]) ~ (v[2] & v[3]))
    table.move(v, 1, 7, 2)
    v[5], v[1] = (v[5] + t1) & 0xFFFFFFFF, (t1 + t2) & 0xFFFFFFFF
  end
  for i = 1, 8 do h[i] = (h[i] + v[i]) & 0xFFFFFFFF end
end

function crypto.hash(algorithm, data)
  assert(algorithm == "sha256", "the shim knows sha256 only")
  local h = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 }
  local all = data .. "\128" .. ("\0"):rep((55 - #data) % 64) .. string.pack(">I8", #data * 8)
  for at = 1, #all, 64 do
    local w = { string.unpack((">" .. ("I4"):rep(16)), all, at) }
    w[17] = nil
    block(h, w)
  end
  return (("%08x"):rep(8)):format(table.unpack(h))
end

local B64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
function crypto.unbase64(s)
  local out, bits, n = {}, 0, 0
  for c in s:gsub("=+$", ""):gmatch(".") do
    bits, n = (bits << 6) | (assert(B64:find(c, 1, true), "not base64") - 1), n + 6
    if n >= 8 then
      n = n - 8
      out[#out + 1] = string.char((bits >> n) & 255)
      bits = bits & ((1 << n) - 1)
    end
  end
  return table.concat(out)
end

-- text, time, zip ----------------------------------------------------------------------------------------
local text = {}
function text.utf16(bytes)
  local out, high = {}, nil
  assert(#bytes % 2 == 0, "half a unit")
  for i = 1, #bytes, 2 do
    local u = string.unpack("<I2", bytes, i)
    local low = u >= 0xDC00 and u < 0xE000
    if high and not low then out[#out + 1] = "\u{FFFD}" end
    if high and low then u = 0x10000 + ((high - 0xD800) << 10) + (u - 0xDC00) end
    high = u >= 0xD800 and u < 0xDC00 and u or nil
    if not high and not (i == 1 and u == 0xFEFF) then
      out[#out + 1] = u >= 0xD800 and u < 0xE000 and "\u{FFFD}" or utf8.char(u)
    end
  end
  return table.concat(out) .. (high and "\u{FFFD}" or "")
end

local time = {}
function time.parse(s)
  local y, mo, d, h, mi, sec = s:match("^(%d+)-(%d%d)-(%d%d)T(%d%d):(%d%d):(%d%d)Z$")
  assert(y, "not RFC 3339")
  y, mo, d = tonumber(y), tonumber(mo), tonumber(d)
  assert(mo >= 1 and mo <= 12 and d >= 1 and d <= 31 and tonumber(h) < 24 and tonumber(mi) < 60, "not a time")
  if mo <= 2 then y, mo = y - 1, mo + 12 end
  local days = 365 * y + y // 4 - y // 100 + y // 400 + (153 * (mo - 3) + 2) // 5 + d - 719469
  return math.tointeger(days * 86400 + h * 3600 + mi * 60 + sec)
end
function time.format(seconds) return os.date("!%Y-%m-%dT%H:%M:%SZ", seconds) end

local zip = {}
function zip.pack(parts)
  local names = {}
  for name in pairs(parts) do names[#names + 1] = name end
  table.sort(names)
  local out = {}
  for _, name in ipairs(names) do out[#out + 1] = ("PK\3\4%s\n%s"):format(name, parts[name]) end
  return table.concat(out, "\n")
end

for name, module in pairs { json = json, crypto = crypto, text = text, time = time, zip = zip } do
  package.loaded[name] = module
end

-- Tests --------------------------------------------------------------------------------------------------
local passed, failed = 0, 0

---Runs a test, and prints a line of TAP.
function shim.test(name, fn)
  local ok, why = xpcall(fn, function(e) return type(e) == "table" and e.message or debug.traceback(e) end)
  if ok then passed = passed + 1 else failed = failed + 1 end
  print(("%s %d - %s"):format(ok and "ok" or "not ok", passed + failed, name))
  if not ok then print("# " .. tostring(why):gsub("\n", "\n# ")) end
end

---Prints the plan and the count, and ends the program.
function shim.done()
  print(("1..%d\n%d passed, %d failed"):format(passed + failed, passed, failed))
  os.exit(failed == 0 and 0 or 1)
end

-- Reading an unknown global, or making one, is an error, as in a run.
setmetatable(_G, {
  __index = function(_, name) error("unknown name '" .. tostring(name) .. "'", 2) end,
  __newindex = function(_, name) error("a global is made: " .. tostring(name), 2) end,
})

---A whole file's bytes.
function shim.slurp(path)
  local f <close> = assert(io.open(path, "rb"))
  return f:read("a")
end

---The decoded document of a file: JSON, or a list of the lines of JSON lines.
function shim.document(path)
  local data = shim.slurp(path)
  if not path:find("%.jsonl$") then return json.decode(data) end
  local out = {}
  for line in data:gmatch("[^\r\n]+") do out[#out + 1] = json.decode(line) end
  return out
end

return shim
