-- shims.lua: json, xml, time and crypto for a plain lua5.4, so that connectors and simulators are tested
-- without the core. Only what these files use, and only where the core's own modules are not there.

local function json_module()
  local json, ARRAY = {}, {}
  json.null = setmetatable({}, { __tostring = function() return "null" end })

  function json.array(t) return setmetatable(t or {}, ARRAY) end

  local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\", ["\b"] = "\\b", ["\f"] = "\\f", ["\n"] = "\\n",
                    ["\r"] = "\\r",
                    ["\t"] = "\\t" }
  local function quoted(s)
    return '"' .. s:gsub('[%c"\\]', function(c) return ESCAPES[c] or ("\\u%04x"):format(c:byte()) end) .. '"'
  end

  local encode
  local function encode_table(v)
    local out = {}
    if getmetatable(v) == ARRAY or #v > 0 then
      for i, x in ipairs(v) do out[i] = encode(x) end
      return "[" .. table.concat(out, ",") .. "]"
    end
    local keys = {}
    for k in pairs(v) do keys[#keys + 1] = k end
    table.sort(keys)
    for i, k in ipairs(keys) do out[i] = quoted(k) .. ":" .. encode(v[k]) end
    return "{" .. table.concat(out, ",") .. "}"
  end

  function encode(v)
    local kind = type(v)
    if v == nil or v == json.null then return "null" end
    if kind == "table" then return encode_table(v) end
    if kind == "string" then return quoted(v) end
    if kind == "boolean" then return tostring(v) end
    if kind == "number" then return math.type(v) == "integer" and tostring(v) or ("%.17g"):format(v) end
    error("json: a " .. kind .. " cannot be written")
  end
  json.encode = encode

  local UNESCAPES = { b = "\b", f = "\f", n = "\n", r = "\r", t = "\t" }
  local value

  local function text(s, at)
    local out, from = {}, at + 1
    while true do
      local stop = s:find('["\\]', from)
      if not stop then error("json: a string without an end") end
      out[#out + 1] = s:sub(from, stop - 1)
      if s:sub(stop, stop) == '"' then return table.concat(out), stop + 1 end
      local c = s:sub(stop + 1, stop + 1)
      if c == "u" then
        out[#out + 1] = utf8.char(tonumber(s:sub(stop + 2, stop + 5), 16))
        from = stop + 6
      else
        out[#out + 1] = UNESCAPES[c] or c
        from = stop + 2
      end
    end
  end

  local function skip(s, at) return s:find("[^ \t\r\n]", at) or #s + 1 end

  local function members(s, at, close, one)
    at = skip(s, at + 1)
    if s:sub(at, at) == close then return at + 1 end
    while true do
      at = skip(s, one(at))
      local c = s:sub(at, at)
      if c == close then return at + 1 end
      if c ~= "," then error("json: unexpected text at byte " .. at) end
      at = skip(s, at + 1)
    end
  end

  function value(s, at)
    at = skip(s, at)
    local c = s:sub(at, at)
    if c == '"' then return text(s, at) end
    if c == "{" then
      local out = {}
      return out, members(s, at, "}", function(i)
        if s:sub(i, i) ~= '"' then error("json: a name is missing at byte " .. i) end
        local k, j = text(s, i)
        j = skip(s, j)
        if s:sub(j, j) ~= ":" then error("json: a colon is missing at byte " .. j) end
        local v, after = value(s, j + 1)
        if v ~= json.null then out[k] = v end
        return after
      end)
    elseif c == "[" then
      local out = json.array {}
      return out, members(s, at, "]", function(i)
        local v, after = value(s, i)
        out[#out + 1] = v
        return after
      end)
    end
    local word = s:match("^[%a]+", at)
    local known = ({ ["true"] = true, ["false"] = false, null = json.null })[word]
    if known ~= nil then return known, at + #word end
    local number = s:match("^-?%d+%.?%d*[eE]?[+-]?%d*", at)
    if not number then error("json: unexpected text at byte " .. at) end
    return math.tointeger(number) or tonumber(number), at + #number
  end

  function json.decode(s)
    local v, at = value(s, 1)
    if skip(s, at) <= #s then error("json: text after the end at byte " .. at) end
    return v
  end
  return json
end

local function xml_module()
  local xml = {}
  local ENTITIES = { lt = "<", gt = ">", amp = "&", quot = '"', apos = "'" }

  local function plain(s)
    return (s:gsub("&(#?x?)(%w+);", function(mark, name)
      if mark == "#x" then return utf8.char(tonumber(name, 16)) end
      if mark == "#" then return utf8.char(tonumber(name)) end
      return ENTITIES[name] or error("xml: an undefined entity: " .. name)
    end))
  end

  local function attributes(s)
    local out = {}
    for name, _, v in s:gmatch "([%w_:%-]+)%s*=%s*([\"'])(.-)%2" do out[name] = plain(v) end
    return out
  end

  -- What is passed over wherever it stands: declarations, comments, the document type.
  local function skip(s, at)
    for _, pair in ipairs { { "^<%?", "?>" }, { "^<!%-%-", "-->" }, { "^<!DOCTYPE", ">" } } do
      if s:find(pair[1], at) then
        local _, stop = s:find(pair[2], at, true)
        return (stop or error("xml: no end")) + 1
      end
    end
    return nil
  end

  function xml.decode(s)
    local root = { text = "" }
    local stack, at = { root }, 1
    while at <= #s do
      local top, past = stack[#stack], skip(s, at)
      if past then
        at = past
      elseif s:find("^<!%[CDATA%[", at) then
        local stop = s:find("]]>", at, true) or error "xml: CDATA without an end"
        top.text, at = top.text .. s:sub(at + 9, stop - 1), stop + 3
      elseif s:find("^</", at) then
        local name, stop = s:match("^</([%w_:%.%-]+)%s*>()", at)
        if not name or name ~= top.name then error("xml: the wrong end tag at byte " .. at) end
        stack[#stack], at = nil, stop
      elseif s:find("^<", at) then
        local name, rest, stop = s:match("^<([%a_][%w_:%.%-]*)([^<>]*)>()", at)
        if not name then error("xml: not a tag at byte " .. at) end
        local node = { name = name, attrs = attributes(rest), text = "" }
        top[#top + 1] = node
        if rest:sub(-1) ~= "/" then stack[#stack + 1] = node end
        at = stop
      else
        local stop = s:find("<", at, true) or #s + 1
        top.text, at = top.text .. plain(s:sub(at, stop - 1)), stop
      end
    end
    if #stack > 1 or #root ~= 1 or root.text:find "%S" then error "xml: not one element" end
    return root[1]
  end
  return xml
end

local function time_module()
  local kit = require "sim.kit"
  return { parse = function(t) return kit.seconds(t) or error("time: not a time: " .. t) end,
           format = function(n) return kit.iso(n, n % 1 ~= 0) end }
end

-- SHA-256 (FIPS 180-4), for the hashes of samples.
local function crypto_module()
  local K, H0, n = {}, {}, 2
  while #K < 64 do
    local prime = true
    for d = 2, math.floor(n ^ 0.5) do prime = prime and n % d ~= 0 end
    if prime then
      K[#K + 1] = math.floor(n ^ (1 / 3) % 1 * 2 ^ 32)
      if #H0 < 8 then H0[#H0 + 1] = math.floor(n ^ 0.5 % 1 * 2 ^ 32) end
    end
    n = n + 1
  end
  local function rotate(x, by) return (x >> by | x << 32 - by) & 0xFFFFFFFF end

  local function block(h, w)
    for i = 17, 64 do
      local a, b = w[i - 15], w[i - 2]
      local s0, s1 = rotate(a, 7) ~ rotate(a, 18) ~ a >> 3, rotate(b, 17) ~ rotate(b, 19) ~ b >> 10
      w[i] = (w[i - 16] + s0 + w[i - 7] + s1) & 0xFFFFFFFF
    end
    local a, b, c, d, e, f, g, k = table.unpack(h)
    for i = 1, 64 do
      local s1 = rotate(e, 6) ~ rotate(e, 11) ~ rotate(e, 25)
      local t1 = k + s1 + (e & f ~ ~e & g) + K[i] + w[i]
      local t2 = (rotate(a, 2) ~ rotate(a, 13) ~ rotate(a, 22)) + (a & b ~ a & c ~ b & c)
      k, g, f, e, d, c, b, a = g, f, e, (d + t1) & 0xFFFFFFFF, c, b, a, (t1 + t2) & 0xFFFFFFFF
    end
    for i, x in ipairs { a, b, c, d, e, f, g, k } do h[i] = (h[i] + x) & 0xFFFFFFFF end
  end

  return { hash = function(alg, data)
    assert(alg == "sha256", "the shim knows SHA-256 only")
    local h = { table.unpack(H0) }
    local text = data .. "\x80" .. ("\0"):rep((55 - #data) % 64) .. (">I8"):pack(#data * 8)
    for at = 1, #text, 64 do block(h, { (">" .. ("I4"):rep(16)):unpack(text, at) }) end
    return (("%08x"):rep(8)):format(table.unpack(h))
  end }
end

for name, make in pairs { json = json_module, xml = xml_module, time = time_module, crypto = crypto_module } do
  if not package.loaded[name] and not pcall(require, name) then package.preload[name] = make end
end
