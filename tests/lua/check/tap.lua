-- tap.lua: tests of stdlib/check in a plain lua5.4, from the root of the tree: lua5.4
-- tests/lua/check/NAME_test.lua

package.path = "stdlib/?.lua;" .. package.path

local tap = {}
local passed, failed = 0, 0

---Runs a test, and prints a line of TAP.
function tap.test(name, fn)
  local ok, why = xpcall(fn, function(e) return debug.traceback(type(e) == "table" and e.message or tostring(e)) end)
  if ok then passed = passed + 1 else failed = failed + 1 end
  print(("%s %d - %s"):format(ok and "ok" or "not ok", passed + failed, name))
  if not ok then print("# " .. why:gsub("\n", "\n# ")) end
end

---Prints the plan and the count, and ends the program.
function tap.done()
  print(("1..%d\n%d passed, %d failed"):format(passed + failed, passed, failed))
  os.exit(failed == 0 and 0 or 1)
end

---Fails unless both are equal, and shows them.
function tap.same(got, want, what)
  if got ~= want then error(("%s\n  got  %s\n  want %s"):format(what or "", tostring(got), tostring(want)), 2) end
end

---Every Lua file of the product, with its source.
function tap.sources()
  local list = {}
  local found <close> = assert(io.popen("find stdlib scripts -name '*.lua' 2>/dev/null | sort"))
  for path in found:lines() do
    local f <close> = assert(io.open(path, "rb"))
    list[#list + 1] = { path = path, source = f:read "a" }
  end
  assert(#list > 0, "run it from the root of the tree")
  return list
end

return tap
