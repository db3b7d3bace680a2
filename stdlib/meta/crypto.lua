-- Written by docs/reference.lua (make reference): for editors; no run loads it.
---@meta crypto

---Cryptography, all of it OpenSSL's. Where a parameter is a key, it is the name of a credential that the configuration lists with
---`key` or `hmac` (its value never enters Lua), or the key's own bytes.
---@class crypto
local crypto = {}

---Hex digest of `data`. For a blob, `sha256`, `sha1` and `md5` are known without reading it.
---```lua
---assert(crypto.hash("sha256", "abc"):sub(1, 8) == "ba7816bf")
---```
---@param algorithm string  "sha256" "sha512" "sha384" "sha224" "sha3-256" "sha3-384" "sha3-512" "sha1" "md5"
---@param data string|blob
---@return string
function crypto.hash(algorithm, data) end

---Hex HMAC of `data`.
---```lua
---assert(crypto.hmac("md5", "Jefe", "what do ya want for nothing?") == "750c783e6ab0b503eaa86e310a5db738")
---```
---@param algorithm string  as of `hash`
---@param key string
---@param data string
---@return string
function crypto.hmac(algorithm, key, data) end

---Encrypts with AES-256-GCM: nonce, ciphertext and tag, in this order. `aad` is not in it, but must be the same to open it.
---```lua
---local key = crypto.random_bytes(32)
---local sealed = crypto.seal(key, "the text", { aad = "case 7" })
---assert(crypto.open(key, sealed, { aad = "case 7" }) == "the text")
---```
---@async
---@param key string        32 bytes; a credential may have them as hex or base64
---@param text string
---@param options? { aad?: string }
---@return string
function crypto.seal(key, text, options) end

---What `seal` sealed.
---```lua
---local key = ("k"):rep(32)
---assert(not pcall(crypto.open, key, crypto.seal(key, "text") .. "x"))
---```
---@param key string
---@param sealed string
---@param options? { aad?: string }
---@return string           or raises `failed` when it was changed, or sealed with another key or aad
function crypto.open(key, sealed, options) end

---Signature of `data`: "ed25519"; "ecdsa-sha256" (DER) or "ES256" (as in tokens); "rsa-pss-sha256"; "rsa-sha256" (PKCS#1 v1.5);
---with 384 and 512 as well.
---```lua
---local seed, public = crypto.unhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"),
---  crypto.unhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
---assert(crypto.verify("ed25519", public, "", crypto.sign("ed25519", seed, "")))
---```
---@async
---@param algorithm string
---@param key string        a private key in PEM form; for ed25519 the 32 bytes will do
---@param data string
---@return string
function crypto.sign(algorithm, key, data) end

---Is it that key's signature of that data?
---```lua
---local public = crypto.unhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
---assert(crypto.verify("ed25519", public, "", ("x"):rep(64)) == false)
---```
---@param algorithm string
---@param key string        a public key, certificate or private key in PEM form; for ed25519 the 32 bytes will do
---@param data string
---@param signature string
---@return boolean
function crypto.verify(algorithm, key, data, signature) end

---A JSON Web Token. `alg` and `typ` of the header are set.
---```lua
---local token = crypto.jwt_sign("HS256", ("k"):rep(32), { iss = "lunette", exp = 1800000000 }, { kid = "1" })
---assert(crypto.jwt_verify("HS256", ("k"):rep(32), token, { now = 1700000000, iss = "lunette" }).exp == 1800000000)
---```
---@async
---@param algorithm string  "HS256" "RS256" "PS256" "ES256", each with 384 and 512 as well, or "EdDSA"
---@param key string
---@param claims table
---@param header? table     e.g. `kid`
---@return string
function crypto.jwt_sign(algorithm, key, claims, header) end

---The claims and the header of a token whose signature is good, and that holds now.
---```lua
---local token = crypto.jwt_sign("HS256", ("k"):rep(32), { sub = "a" })
---assert(not pcall(crypto.jwt_verify, "HS256", ("x"):rep(32), token))
---```
---@param algorithm string  the one that is expected; what the token names counts for nothing
---@param key string
---@param token string
---@param options? { now?: number|false, leeway?: integer, iss?: string, aud?: string }  `now`: needed where the token has `exp` or `nbf` (`now = now()`); `false`: do not look; `leeway`: seconds
---@return table claims
---@return table header     or raises `unauthorised`, `expired`, `bad_argument`
function crypto.jwt_verify(algorithm, key, token, options) end

---Random bytes; the same ones in a replay.
---```lua
---assert(#crypto.random_bytes(16) == 16)
---```
---@async
---@param n integer         1 to 1048576
---@return string
function crypto.random_bytes(n) end

---Hexadecimal digits, in lower case.
---```lua
---assert(crypto.hex("\0\xff") == "00ff")
---```
---@param bytes string
---@return string
function crypto.hex(bytes) end

---The bytes of hexadecimal digits.
---```lua
---assert(crypto.unhex("4A4b") == "JK")
---```
---@param text string
---@return string           or raises `bad_argument`
function crypto.unhex(text) end

---Base64, padded.
---```lua
---assert(crypto.base64("\xfb\xff") == "+/8=")
---```
---@param bytes string
---@return string
function crypto.base64(bytes) end

---The bytes of base64; blanks are skipped, and padding may be missing.
---```lua
---assert(crypto.unbase64("aGVs bG8") == "hello")
---```
---@param text string
---@return string           or raises `bad_argument` with the offset of the fault
function crypto.unbase64(text) end

---Base64 for links and tokens: - and _, not padded.
---```lua
---assert(crypto.base64url("\xfb\xff") == "-_8")
---```
---@param bytes string
---@return string
function crypto.base64url(bytes) end

---The bytes of base64 for links and tokens.
---```lua
---assert(crypto.unbase64url("-_8") == "\xfb\xff")
---```
---@param text string
---@return string           or raises `bad_argument` with the offset of the fault
function crypto.unbase64url(text) end

---Are the two the same? Takes as long wherever they differ.
---```lua
---assert(crypto.equal("secret", "secret") and not crypto.equal("secret", "secreT"))
---```
---@param a string
---@param b string
---@return boolean
function crypto.equal(a, b) end

---@class crypto.Certificate
---@field subject string      as in RFC 2253
---@field issuer string
---@field serial string       hexadecimal
---@field not_before string   RFC 3339
---@field not_after string
---@field dns string[]        alternative names by kind
---@field ip string[]
---@field email string[]
---@field uri string[]
---@field key { type: string, bits: integer }
---@field ca boolean          may it issue others?
---@field self_issued boolean
---@field sha256 string       fingerprints
---@field sha1 string

---What the first certificate in a PEM text says. It is read, not judged.
---```lua
---assert(not pcall(crypto.x509, "no certificate"))
---```
---@param pem string
---@return crypto.Certificate  or raises `bad_argument`
function crypto.x509(pem) end

return crypto
