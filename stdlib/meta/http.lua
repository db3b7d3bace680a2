-- Written by docs/reference.lua (make reference): for editors; no run loads it.
---@meta http

---HTTP to addresses that the configuration lists in `egress`; a connector's own address is refused. `get` and `head`
---are reads. Everything else is a write: it is planned, journaled, and sent once; one that was perhaps sent is never
---repeated, unless it is `idempotent`, or a `probe` finds that it did not happen. Redirects are not followed.
---@class http
local http = {}

---@class http.Args
---@field url string            "https://host[:port]/path"
---@field query? table          names and values; a list is repeated
---@field headers? table<string, string>
---@field auth? string          the name of a configured credential, which is shown to its own hosts only
---@field body? string|blob     one of `body`, `json`, `form`, `multipart`
---@field json? any
---@field form? table
---@field multipart? table[]    `{ name, value }` or `{ name, filename, blob, type }`
---@field timeout? number|string  for all of it, with waits and repeats
---@field into? "blob"          the body becomes a blob: `response.blob` instead of `response.body`
---@field class? "write"        a GET that changes something; a class cannot be lowered
---@field idempotent? boolean   doing it twice is as good as once
---@field probe? { url: string, query?: table, headers?: table, auth?: string }  a GET that tells whether it happened: 2xx yes, 404 no

---@class http.Response
---@field status integer        whatever it is: an answer is data, and does not raise
---@field headers table<string, string|string[]>  names in lower case; a repeated one is a list
---@field body string
---@field blob? blob
---@field json fun(): any       the body, decoded

---Reads what is at an address; a text alone is the address.
---```lua
---local function advisories()
---  local r = http.get { url = "https://feeds.example.com/kev.json", timeout = "20s" }
---  if r.status ~= 200 then fail("unavailable", "the feed answered " .. r.status) end
---  return r.json()
---end
---```
---@async
---@param args http.Args|string
---@return http.Response  or raises `unavailable`, `timeout`, `too_big`, `refused`
function http.get(args) end

---Reads the headers alone.
---```lua
---local function size(url) return http.head(url).headers["content-length"] end
---```
---@async
---@param args http.Args|string
---@return http.Response
function http.head(args) end

---Sends a body.
---```lua
---local function tell(text)
---  return http.post { url = "https://hooks.example.com/soc", auth = "hook", json = { text = text } }
---end
---```
---@async
---@param args http.Args
---@return http.Response
function http.post(args) end

---Puts what the body says under the address.
---```lua
---local function note(id, text)
---  local at = "https://wiki.example.com/notes/" .. id
---  return http.put { url = at, body = text, idempotent = true, probe = { url = at } }
---end
---```
---@async
---@param args http.Args
---@return http.Response
function http.put(args) end

---Changes a part of what is under the address.
---```lua
---local function close(ticket) return http.patch { url = ticket, json = { state = "closed" }, idempotent = true } end
---```
---@async
---@param args http.Args
---@return http.Response
function http.patch(args) end

---Removes what is under the address.
---```lua
---local function forget(url) return http.delete { url = url, idempotent = true } end
---```
---@async
---@param args http.Args
---@return http.Response
function http.delete(args) end

---Any of these methods, by its name.
---```lua
---local function read(method, url) return http.request { method = method, url = url } end
---```
---@async
---@param args http.Args  and `method`: "GET", "HEAD", "POST", "PUT", "PATCH" or "DELETE"
---@return http.Response
function http.request(args) end

return http
