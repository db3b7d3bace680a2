-- run.lua: runs tests of stdlib in a plain lua5.4, from the root of the source tree:
--   lua5.4 tests/lua/alert/run.lua [FILE…]
-- Prints TAP, and "N passed, N failed" alone on the last line; exits with 1 when one failed.

package.path = "tests/lua/alert/?.lua;" .. package.path
require "shim"

local FILES = {
  "tests/lua/alert/expected.lua", "tests/lua/alert/command.lua", "tests/lua/alert/fields.lua", "tests/lua/alert/attack.lua",
  "tests/lua/alert/d3fend.lua", "tests/lua/alert/decoy.lua", "tests/lua/t1059/subject.lua", "tests/lua/t1059/resolve.lua",
}

local passed, failed = 0, 0
function test(name, fn)
  local ok, why = xpcall(fn, debug.traceback)
  if ok then passed = passed + 1 else failed = failed + 1 end
  print(("%s %d - %s"):format(ok and "ok" or "not ok", passed + failed, name))
  if not ok then print("  # " .. tostring(why):gsub("\n", "\n  # ")) end
end

-- Reading an unknown global, or making one, is an error, as in a run.
setmetatable(_G, {
  __index = function(_, name) error("unknown name '" .. tostring(name) .. "'", 2) end,
  __newindex = function(_, name) error("a global is made: " .. tostring(name), 2) end,
})

for _, file in ipairs(arg[1] and arg or FILES) do dofile(file) end
print(("%d passed, %d failed"):format(passed, failed))
os.exit(failed == 0 and 0 or 1)
