-- crypto.lua: hashes, sealing, signatures, tokens and certificates as a playbook sees them.
local crypto, json = require "crypto", require "json"

local function fails(code, f, ...)
  local ok, err = pcall(f, ...)
  assert(not ok, "it went well")
  assert(err.code == code, tostring(err))
  return err.message
end

-- hashes
assert(crypto.hash("sha256", "") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
assert(crypto.hash("MD5", "\0") == "93b885adfe0da089cdf634904fd59f71")
assert(crypto.hmac("sha256", "Jefe", "what do ya want for nothing?")
  == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")

-- encodings
assert(crypto.unhex(crypto.hex("\0\1\255")) == "\0\1\255" and crypto.hex("") == "" and crypto.unhex("") == "")
for n = 0, 20 do
  local bytes = ("\xfb\xff\0"):rep(7):sub(1, n)
  assert(crypto.unbase64(crypto.base64(bytes)) == bytes and crypto.unbase64url(crypto.base64url(bytes)) == bytes)
  assert(not crypto.base64url(bytes):find "[+/=]")
end
assert(crypto.equal("", "") and not crypto.equal("", "a") and crypto.equal("a\0b", "a\0b"))

-- sealing
local key = crypto.random_bytes(32)
local sealed = crypto.seal(key, "attack at dawn\0", { aad = "header" })
assert(crypto.open(key, sealed, { aad = "header" }) == "attack at dawn\0")
assert(crypto.seal(key, "same") ~= crypto.seal(key, "same"), "a nonce was used twice")
assert(crypto.open(key, crypto.seal(key, "")) == "")
fails("failed", crypto.open, key, sealed)
fails("failed", crypto.open, key, sealed, { aad = "Header" })
fails("failed", crypto.open, crypto.random_bytes(32), sealed, { aad = "header" })
fails("failed", crypto.open, key, sealed:sub(1, -2), { aad = "header" })
fails("failed", crypto.open, key, "short")
-- NIST's case 16 of McGrew and Viega, nonce first
local k16 = crypto.unhex "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"
local text16 = crypto.open(k16, crypto.unhex("cafebabefacedbaddecaf888"
  .. "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838"
  .. "c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b"),
  { aad = crypto.unhex "feedfacedeadbeeffeedfacedeadbeefabaddad2" })
assert(crypto.hex(text16):sub(1, 16) == "d9313225f88406e5")

-- signatures: RFC 8032, test 2
local seed = crypto.unhex "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"
local public = crypto.unhex "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
local sig = crypto.sign("ed25519", seed, "\x72")
assert(crypto.hex(sig):sub(1, 16) == "92a009a9f0d4cab8")
assert(crypto.verify("ed25519", public, "\x72", sig) == true)
assert(crypto.verify("ed25519", public, "\x73", sig) == false)
fails("bad_argument", crypto.sign, "ed25519", "no key", "x")
fails("bad_argument", crypto.sign, "rot13", seed, "x")
local ec = [[
-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIP/8/mnzkC9pLT/eV0eZUNDoFQGlrH0AwRdQ4B0U1IB6oAoGCCqGSM49
AwEHoUQDQgAEXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX
-----END EC PRIVATE KEY-----
]]
fails("bad_argument", crypto.sign, "ES256", ec, "x") -- looks like one, and is none

-- tokens
local secret = ("s"):rep(32)
local token = crypto.jwt_sign("hs256", secret, { iss = "lunette", aud = { "a", "b" }, exp = 2000, nbf = 1000, n = 1 }, { kid = "7" })
local claims, header = crypto.jwt_verify("HS256", secret, token, { now = 1500, iss = "lunette", aud = "b" })
assert(claims.n == 1 and math.type(claims.exp) == "integer" and header.kid == "7" and header.alg == "HS256" and header.typ == "JWT")
assert(fails("bad_argument", crypto.jwt_verify, "HS256", secret, token):find "now = now%(%)")
fails("expired", crypto.jwt_verify, "HS256", secret, token, { now = 2000 })
assert(crypto.jwt_verify("HS256", secret, token, { now = 2000, leeway = 60 }))
fails("unauthorised", crypto.jwt_verify, "HS256", secret, token, { now = 999 })
assert(crypto.jwt_verify("HS256", secret, token, { now = false }))
fails("unauthorised", crypto.jwt_verify, "HS256", secret, token, { now = 1500, aud = "c" })
fails("unauthorised", crypto.jwt_verify, "HS256", secret, token, { now = 1500, iss = "other" })
fails("unauthorised", crypto.jwt_verify, "HS256", "other", token, { now = 1500 })
fails("unauthorised", crypto.jwt_verify, "HS384", secret, token, { now = 1500 })
fails("bad_argument", crypto.jwt_verify, "none", secret, token)
local function forged(h, c)
  local body = crypto.base64url(h) .. "." .. crypto.base64url(c)
  return body .. "." .. crypto.base64url(crypto.unhex(crypto.hmac("sha256", secret, body)))
end
assert(crypto.jwt_verify("HS256", secret, forged('{"alg":"HS256"}', "{}")))
fails("unauthorised", crypto.jwt_verify, "HS256", secret, forged('{"alg":"none"}', "{}"))
fails("unauthorised", crypto.jwt_verify, "HS256", secret, forged("{}", "{}"))
fails("unauthorised", crypto.jwt_verify, "HS256", secret, forged('{"alg":"HS256","crit":["x"]}', "{}"))
fails("unauthorised", crypto.jwt_verify, "HS256", secret, forged('{"alg":"HS256"}', '{"exp":"never"}'))
fails("unauthorised", crypto.jwt_verify, "HS256", secret, forged('{"alg":"HS256"}', "7"))
assert(not pcall(crypto.jwt_verify, "HS256", secret, forged("{", "{}")))
local ed = crypto.jwt_sign("EdDSA", seed, { sub = "x" })
assert(crypto.jwt_verify("EdDSA", public, ed).sub == "x")

-- a certificate, made for this test (the harness gives it)
if CERTIFICATE then
  local cert = crypto.x509(CERTIFICATE)
  assert(cert.subject == "CN=müller.example,O=Acme" and cert.issuer == cert.subject and cert.self_issued and not cert.ca)
  assert(cert.dns[1] == "a.example" and cert.dns[2] == "b.example" and cert.ip[1] == "10.0.0.7" and cert.ip[2] == "2001:db8::1")
  assert(cert.key.type == "EC" and cert.key.bits == 256 and cert.serial == "1234")
  assert(cert.not_before == "2026-01-01T00:00:00Z" and cert.not_after == "2027-01-01T00:00:00Z" and #cert.sha256 == 64)
  assert(json.encode(cert.uri) == "[]" and #cert.email == 0)
  assert(crypto.verify("ES256", CERTIFICATE, "x", "y") == false) -- its key can verify
end
fails("bad_argument", crypto.x509, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
