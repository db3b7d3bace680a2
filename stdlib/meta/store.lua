-- Written by docs/reference.lua (make reference): for editors; no run loads it.
---@meta store

---Values that runs share, and that outlast them. What one run reads, another has committed.
---@class store
local store = {}

---The value under a key, and its version: nil and 0 when there is none.
---```lua
---store.set("seen/WS-042", { times = 1 })
---local value, version = store.get("seen/WS-042")
---assert(value.times == 1 and version > 0)
---```
---@async
---@param key string        1 to 512 bytes
---@return any value
---@return integer version
function store.get(key) end

---Puts a value under a key, and returns its new version.
---```lua
---local version = store.set("owner/WS-042", "alice", { ttl = "1h" })
---assert(not pcall(store.set, "owner/WS-042", "bob", { if_version = version + 7 }))
---```
---@async
---@param key string
---@param value any         what can be stored, at most 1 MiB
---@param options? { ttl?: number|string, if_version?: integer }  `ttl`: how long it lasts; `if_version`: only if it is this one (0: only if there is none)
---@return integer version  or raises `conflict`, `too_big`
function store.set(key, value, options) end

---Adds to the integer under a key, which begins at 0, and returns the sum. An expiry stays as it is.
---```lua
---assert(store.incr("alerts/today", 5) == store.incr("alerts/today", -1) + 1)
---```
---@async
---@param key string
---@param by? integer       default 1
---@return integer          or raises `conflict` when something else is stored there
function store.incr(key, by) end

---Removes a key, and says whether it was there.
---```lua
---store.set("old", true)
---assert(store.delete("old") and not store.delete("old"))
---```
---@async
---@param key string
---@return boolean
function store.delete(key) end

---All keys with a prefix, in order, each with value and version.
---```lua
---store.set("decoy/a.txt", "one") store.set("decoy/b.txt", "two")
---local list = store.list("decoy/")
---assert(#list == 2 and list[2].key == "decoy/b.txt" and list[2].value == "two")
---```
---@async
---@param prefix string
---@param options? { limit?: integer }  default 1000
---@return { key: string, value: any, version: integer }[]  or raises `too_many` when there are more than `limit`
function store.list(prefix, options) end

return store
