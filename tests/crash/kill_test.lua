-- kill_test.lua: the program is killed at random moments of a response to an alert, and resumed until it ends.  By
-- the simulators' own account nothing is done twice, and every run ends.  $CRASH_LIVES says how many lives
-- (default 16, each with up to 3 kills), $CRASH_SEED where the seeds begin.
local lives = math.tointeger(tonumber(os.getenv "CRASH_LIVES" or "16"))
local from = math.tointeger(tonumber(os.getenv "CRASH_SEED" or "1"))

-- Four at a time: most of a life is waiting.
local lines = io.popen(("seq %d %d | xargs -P 4 -I '{}' sh -c 'out=$(lua5.4 tests/crash/life.lua {} 2>&1) && "
                        .. [[echo "ok {}" || { echo "not ok {}"; echo "$out" | sed "s/^/# /"; }']])
                       :format(from, from + lives - 1))
local failed = false
for line in lines:lines() do
  local verdict, seed = line:match "^(n?o?t? ?ok) (%d+)$"
  if verdict then print(("%s %s - killed, with seed %s"):format(verdict, seed, seed))
  else print(line) end
  failed = failed or verdict == "not ok"
  io.stdout:flush()
end
print("1.." .. lives)
os.exit(not failed)
