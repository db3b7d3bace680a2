-- decoy.lua: files that look worth stealing and hold nothing.  Each is made from a token (`uuid()`), so that
-- no two are alike and the same token gives the same bytes: a replay makes the very file that the run wrote,
-- and its hash is known to nobody else.  No real names, addresses from the documentation ranges only, and no
-- credential that works anywhere: where one would stand there is a reference to a vault that does not exist.

local crypto = require "crypto"
local json   = require "json"
local zip    = require "zip"

local decoy = {}

---A source of choices out of a token: each call picks one of a list, the same way for the same token.
local function chooser(token)
  local seed, n = crypto.hash("sha256", "decoy:" .. token), 0
  return function(list)
    n = n + 1
    local digest = crypto.hash("sha256", seed .. ":" .. n)
    local number = math.tointeger(tonumber(digest:sub(1, 12), 16))
    return list[number % #list + 1]
  end, seed
end

local TOPICS = {
  { name = "server-handover", title = "Server handover", unit = "Infrastructure" },
  { name = "vpn-migration", title = "VPN migration plan", unit = "Network Services" },
  { name = "backup-accounts", title = "Backup service accounts", unit = "Platform Operations" },
  { name = "firewall-exceptions", title = "Firewall exceptions under review", unit = "Network Services" },
  { name = "patch-schedule", title = "Patch schedule, second reading", unit = "Platform Operations" },
  { name = "access-review", title = "Access review", unit = "Information Security" },
}
local HOSTS = { "fs01", "fs02", "sql03", "app11", "bkp01", "jump02", "mail01", "ci04" }
local ROLES = { "file server", "database", "application server", "backup target", "jump host",
                "build server" }
local QUARTERS = { "q1", "q2", "q3", "q4" }
local STATES = { "open", "in review", "approved", "postponed" }

---What a document is about: the same facts in every format.
local function facts(token)
  local pick, seed = chooser(token)
  local topic = pick(TOPICS)
  local f = {
    title = topic.title, unit = topic.unit, quarter = pick(QUARTERS), reference = seed:sub(1, 4) .. "-"
      .. seed:sub(5, 10),
    name = topic.name, rows = {},
  }
  for i = 1, 6 do
    f.rows[i] = {
      host = pick(HOSTS) .. ".corp.example", address = "192.0.2." .. (10 + i * 7), role = pick(ROLES),
      state = pick(STATES),
      secret = "vault:ops/" .. seed:sub(10 + i * 4, 13 + i * 4),
    }
  end
  return f
end

local function lines_of(f, content)
  local out = { f.title, f.unit .. ", " .. f.quarter:upper() .. ", ref. " .. f.reference,
                "Internal. Do not forward.", "" }
  if content then
    for line in (content .. "\n"):gmatch("([^\n]*)\r?\n") do out[#out + 1] = line end
    return out
  end
  for _, r in ipairs(f.rows) do
    out[#out + 1] = ("%s (%s), %s, access by %s, %s"):format(r.host, r.address, r.role, r.secret, r.state)
  end
  return out
end

local ENTITIES = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;" }
local function escape(s) return (s:gsub('[&<>"]', ENTITIES)) end

-- One maker a format: (facts, content or nil) → bytes.  Content is what the author wants in it; the reference
-- that makes the file unique is added to it.
local MAKERS = {}

function MAKERS.txt(f, content) return table.concat(lines_of(f, content), "\r\n") .. "\r\n" end

---How many fields the first line of a table has.
local function columns(csv)
  local first = csv:match("^[^\r\n]*"):gsub('"[^"]*"', "")
  return select(2, first:gsub(",", "")) + 1
end

function MAKERS.csv(f, content)
  local out = { "host,address,role,access,state,reference" }
  if content then
    out = { (content:gsub("%s+$", "")), "ref. " .. f.reference .. (","):rep(columns(content) - 1) }
  end
  for _, r in ipairs(content and {} or f.rows) do
    out[#out + 1] = table.concat({ r.host, r.address, r.role, r.secret, r.state, f.reference }, ",")
  end
  return table.concat(out, "\r\n") .. "\r\n"
end

---A content that is JSON itself stays what it is.
function MAKERS.json(f, content)
  local entries = {}
  for i, r in ipairs(f.rows) do
    entries[i] = { host = r.host, address = r.address, role = r.role, secret_ref = r.secret }
  end
  local is_json, value = pcall(json.decode, content or "")
  return json.encode { title = f.title, owner = f.unit, reference = f.reference,
                       content = is_json and value or content, entries = not content and entries or nil }
         .. "\n"
end

function MAKERS.html(f, content)
  local body = {}
  for _, line in ipairs(lines_of(f, content)) do
    if line ~= "" then body[#body + 1] = "<p>" .. escape(line) .. "</p>" end
  end
  return '<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8"><title>' .. escape(f.title) ..
    "</title></head>\n<body>\n" .. table.concat(body, "\n") .. "\n</body>\n</html>\n"
end

local XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
local OFFICE = "http://schemas.openxmlformats.org/"

---The smallest package that a word processor opens: content types, a relation to the document, the document.
function MAKERS.docx(f, content)
  local body = {}
  for _, line in ipairs(lines_of(f, content)) do
    body[#body + 1] = '<w:p><w:r><w:t xml:space="preserve">' .. escape(line) .. "</w:t></w:r></w:p>"
  end
  local main = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
  return zip.pack {
    ["[Content_Types].xml"] = XML .. '<Types xmlns="' .. OFFICE .. 'package/2006/content-types">' ..
      '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>' ..
      '<Default Extension="xml" ContentType="application/xml"/>' ..
      '<Override PartName="/word/document.xml" ContentType="' .. main .. '"/></Types>',
    ["_rels/.rels"] = XML .. '<Relationships xmlns="' .. OFFICE .. 'package/2006/relationships">' ..
      '<Relationship Id="rId1" Type="' .. OFFICE .. 'officeDocument/2006/relationships/officeDocument" ' ..
      'Target="word/document.xml"/></Relationships>',
    ["word/document.xml"] = XML .. '<w:document xmlns:w="' .. OFFICE
      .. 'wordprocessingml/2006/main"><w:body>' ..
      table.concat(body) .. "<w:sectPr/></w:body></w:document>",
  }
end

---What XML and JSON cannot carry is no text.
local function check_text(what, s)
  if type(s) ~= "string" or s:find("[\0-\8\11\12\14-\31]") or not utf8.len(s) then
    error("decoy.make: " .. what .. " must be UTF-8 text without control characters", 3)
  end
end

---Makes a decoy.
---```lua
---local d = decoy.make { format = "docx", token = uuid() }
---```
---@param args { format: "txt"|"csv"|"json"|"html"|"docx", token: string, content?: string, name?: string }
---`content`: what it is to say, instead of what is made up; `name`: its file name, without a folder
---@return { name: string, data: string, format: string, token: string }
function decoy.make(args)
  local make = MAKERS[args.format]
  if make == nil then error("decoy.make: format is one of txt, csv, json, html, docx; got "
                            .. tostring(args.format), 2) end
  if type(args.token) ~= "string"
    or #args.token < 8 then error("decoy.make: token must be a text such as uuid()", 2) end
  if args.content ~= nil then check_text("content", args.content) end
  local f = facts(args.token)
  local name = args.name or (f.name .. "-" .. f.quarter .. "-" .. f.reference:sub(1, 4) .. "." .. args.format)
  if type(name) ~= "string" or name:find("[/\\\0]") or name == "" or name:find("^%.") then
    error("decoy.make: name must be a file name without a folder, got " .. tostring(name), 2)
  end
  return { name = name, data = make(f, args.content), format = args.format, token = args.token }
end

return decoy
