-- decoy_test.lua: decoys are plausible, unique, repeatable, and harmless.

package.path = "tests/lua/alert/?.lua;" .. package.path
local shim = require "shim"
local test = shim.test
local decoy  = require "decoy"
local crypto = require "crypto"
local json   = require "json"

local TOKEN = "01925b1e-7a3c-4d2f-9e10-000000000001"

test("decoy: each token its own bytes, the same token the same", function()
  local seen = {}
  for _, format in ipairs { "txt", "csv", "json", "html", "docx" } do
    local a = decoy.make { format = format, token = TOKEN }
    assert(a.data == decoy.make { format = format, token = TOKEN }.data)
    assert(a.name:find("%." .. format .. "$") and not a.name:find("[/\\]"))
    for i = 1, 20 do
      local hash = crypto.hash("sha256", decoy.make { format = format, token = TOKEN .. i }.data)
      assert(not seen[hash], "two decoys are alike")
      seen[hash] = true
    end
  end
end)

test("decoy: the same content twice is still two files", function()
  for _, format in ipairs { "txt", "csv", "json", "html", "docx" } do
    local a = decoy.make { format = format, token = TOKEN, content = "Quarterly figures" }
    local b = decoy.make { format = format, token = TOKEN .. "x", content = "Quarterly figures" }
    assert(a.data ~= b.data, format)
    assert(a.data:find("Quarterly figures", 1, true), format)
  end
end)

test("decoy: content cannot break out of its format", function()
  local nasty = '</w:t><script>"&'
  assert(not decoy.make { format = "html", token = TOKEN, content = nasty }.data:find("<script>", 1, true))
  assert(not decoy.make { format = "docx", token = TOKEN, content = nasty }.data:find("<script>", 1, true))
  assert(json.decode(decoy.make { format = "json", token = TOKEN, content = nasty }.data).content == nasty)
end)

---The fields of a table's lines, quotes minded.
local function csv(text)
  local lines = {}
  for line in text:gmatch("([^\r\n]*)\r?\n") do
    local n = select(2, line:gsub('"[^"]*"', ""):gsub(",", ""))
    lines[#lines + 1] = n + 1
  end
  return lines
end

test("decoy: a table has as many fields in each line, a content of one's own as well", function()
  for _, content in ipairs { false, "name,pay\na,\"x, y\"\nb,3\n", "one column", '"a,b",c,d' } do
    local data = decoy.make { format = "csv", token = TOKEN, content = content or nil }.data
    local lines = csv(data)
    assert(#lines >= 2, data)
    for _, n in ipairs(lines) do assert(n == lines[1], data) end
  end
end)

test("decoy: a content that is JSON is one in a JSON file, and stands there for what is made up", function()
  local made = json.decode(decoy.make { format = "json", token = TOKEN, content = '{"a":[1,2]}' }.data)
  assert(made.content.a[2] == 2 and made.entries == nil and made.reference)
  assert(#json.decode(decoy.make { format = "json", token = TOKEN }.data).entries == 6)
end)

test("decoy: nothing in it works: documentation addresses and names, references for secrets", function()
  local data = decoy.make { format = "txt", token = TOKEN }.data
  for ip in data:gmatch("%d+%.%d+%.%d+%.%d+") do assert(ip:find("^192%.0%.2%."), ip) end
  assert(data:find("%.corp%.example") and data:find("vault:", 1, true) and not data:lower():find("password"))
end)

test("decoy: misuse blames the caller", function()
  for _, args in ipairs {
    { format = "exe", token = TOKEN }, { format = "txt" }, { format = "txt", token = "x" },
    { format = "txt", token = TOKEN, name = "../x" }, { format = "txt", token = TOKEN, name = ".hidden" },
    { format = "docx", token = TOKEN, content = "a\0b" },
    { format = "docx", token = TOKEN, content = "a\xffb" },
  } do
    assert(not pcall(decoy.make, args))
  end
end)

shim.done()
