-- fields_test.lua: the vendors' spellings: times, hashes, addresses, users.

package.path = "tests/lua/alert/?.lua;" .. package.path
local shim = require "shim"
local test = shim.test
local fields = require "alert.fields"

local function is(got, expected)
  if got ~= expected then error(("got %s, expected %s"):format(tostring(got), tostring(expected)), 2) end
end

test("fields: times in every spelling, at the document's precision", function()
  is(fields.time("2022-05-13T08:54:08.42Z"), "2022-05-13T08:54:08.42Z")
  is(fields.time("2021-03-26T10:40:25.381297100Z"), "2021-03-26T10:40:25.381297100Z")
  is(fields.time("2024-12-03 19:54:30.000000000"), "2024-12-03T19:54:30Z")
  is(fields.time("2021-09-18 20:38:51Z"), "2021-09-18T20:38:51Z")
  is(fields.time("2023-04-18 13:10:09.091320+00:00"), "2023-04-18T13:10:09.091320Z")
  is(fields.time("2024-01-01T01:30:00+0200"), "2023-12-31T23:30:00Z")
  is(fields.time("2024-01-01T01:30:00.5-05:30"), "2024-01-01T07:00:00.5Z")
  is(fields.time(1592479032000), "2020-06-18T11:17:12Z")
  is(fields.time("1689872933259"), "2023-07-20T17:08:53.259Z")
  is(fields.time("1682368414.719"), "2023-04-24T20:33:34.719Z")
  is(fields.time(1739539623), "2025-02-14T13:27:03Z")
  is(fields.time(1592479032.5), "2020-06-18T11:17:12.5Z")
end)

test("fields: what is no time is absent", function()
  for _, v in ipairs { "", "-", "yesterday", "2024-13-01T00:00:00Z", "2024-01-01T25:00:00Z",
                       "10/07/2020 10:29:00 PM", 0, -5, true } do
    is(fields.time(v), nil)
  end
end)

test("fields: hashes", function()
  local h = ("AB"):rep(32)
  is(fields.hash("sha256", h), h:lower())
  is(fields.hash("sha1", ("0"):rep(40)), nil)
  is(fields.hash("sha256", "4208xxxx2554da89f45xxxx3bbd"), nil)
  is(fields.hash("sha256", ("a"):rep(62)), nil)
  is(fields.hash("md5", ("x"):rep(32)), nil)
  local all = fields.hashes("SHA1=" .. ("1"):rep(40) .. ",MD5=" .. ("2"):rep(32) .. ",IMPHASH="
                            .. ("3"):rep(32))
  is(all.sha1, ("1"):rep(40)); is(all.md5, ("2"):rep(32)); is(all.sha256, nil)
end)

test("fields: addresses in their order, each once, and no masked ones", function()
  is(table.concat(fields.ips("10.0.0.1", { "fe80::1", "10.0.0.1" }, "xxxx::xxxx", "1.2.3.999", "text", nil),
                  " "), "10.0.0.1 fe80::1")
  is(fields.ips("xxxx::xxxx:xxxx"), nil)
end)

test("fields: a user's name, domain, email and kind", function()
  local function user(spec, host)
    local u = fields.user(spec, host)
    return u and table.concat({ u.name, u.domain or "-", u.email or "-", u.kind }, " ")
  end
  is(user({ name = "THESHIRE\\pgustavo" }, "WORKSTATION5.theshire.local"), "pgustavo THESHIRE - person")
  is(user({ name = "WORKSTATION5\\wardog" }, "WORKSTATION5"), "wardog WORKSTATION5 - local")
  is(user({ name = "jdoe@acme.example" }), "jdoe - jdoe@acme.example person")
  is(user({ name = "NT AUTHORITY\\SYSTEM" }), "SYSTEM NT AUTHORITY - system")
  is(user({ name = "WIN-1$", domain = "CONTOSO" }), "WIN-1$ CONTOSO - system")
  is(user({ name = "tomcat" }), "tomcat - - service")
  is(user({ name = "root" }), "root - - system")
  is(user({ name = "admin", machine_domain = "PC1" }, "PC1"), "admin - - local")
  is(user({ name = "admin" }), "admin - - unknown")
  is(user({ name = "-", domain = "-" }), nil)
  is(user({}), nil)
end)

test("fields: process ids of the host, and not Falcon's own", function()
  is(fields.pid("0x2564"), 9572)
  is(fields.pid("2440"), 2440)
  is(fields.pid(79867150228), nil)
  is(fields.pid("377077835340488700"), nil)
  is(fields.pid(0), nil)
  is(fields.pid("x"), nil)
end)

shim.done()
