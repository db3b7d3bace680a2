-- store.lua: values that runs share.
local store, json = require "store", require "json"

local function fails(code, f, ...)
  local ok, err = pcall(f, ...)
  assert(not ok, "it went well")
  assert(err.code == code, tostring(err))
  return err.message
end

local value, version = store.get "t/none"
assert(value == nil and version == 0)
local first = store.set("t/a", { list = json.array(), n = 9007199254740993, f = 1.0 })
local second = store.set("t/a", "two")
assert(second > first)
value, version = store.get "t/a"
assert(value == "two" and version == second)
fails("conflict", store.set, "t/a", "three", { if_version = first })
fails("conflict", store.set, "t/a", "three", { if_version = 0 })
assert(store.set("t/a", { list = json.array(), n = 9007199254740993, f = 1.0 }, { if_version = second }) > second)
value = store.get "t/a"
assert(json.encode(value.list) == "[]" and value.n == 9007199254740993 and math.type(value.f) == "float")
assert(store.set("t/b", false) and store.get("t/b") == false)
assert(store.set("t/null", json.null) and store.get("t/null") == json.null)

assert(store.incr "t/n" == 1 and store.incr("t/n", 41) == 42 and store.incr("t/n", -2) == 40)
assert(fails("conflict", store.incr, "t/b"):find "not an integer")
store.set("t/n", math.maxinteger)
fails("conflict", store.incr, "t/n")
assert(store.get "t/n" == math.maxinteger)
fails("bad_argument", store.incr, "t/n", 1.5)
store.set("t/counter", 5)
assert(store.incr "t/count" == 1 and store.get "t/counter" == 5, "a prefix is not the key")

store.set("t/soon", 1, { ttl = "1h" })
assert(store.incr "t/soon" == 2)

local list = store.list "t/"
local names = {}
for i, item in ipairs(list) do names[i] = item.key end
assert(table.concat(names, " ") == "t/a t/b t/count t/counter t/n t/null t/soon", table.concat(names, " "))
assert(list[2].value == false and list[2].version > 0)
assert(fails("too_many", store.list, "t/", { limit = 3 }):find "more than 3 keys")
assert(#store.list("t/cou", { limit = 2 }) == 2 and #store.list "nothing/" == 0)

assert(store.delete "t/a" == true and store.delete "t/a" == false and store.get "t/a" == nil)
fails("too_big", store.set, "t/big", ("x"):rep((1 << 20) + 1))
assert(store.set("t/big", ("x"):rep(1 << 19)) and #store.get "t/big" == 1 << 19)
fails("bad_argument", store.set, "t/f", print)
fails("bad_argument", store.get, ("k"):rep(513))
fails("bad_argument", store.get, "\xff")
