-- life.lua SEED: one life of one response: the program is killed (kill -9) at a moment that the seed says, resumed,
-- killed again, and at last left to end.  The simulators never stop: what they wrote down says what was really done.
-- Prints nothing when all is well, else what is wrong.  Started by kill_test.lua, from the root of the tree.
local sys = dofile "tests/system/harness.lua"

local ALERT = sys.root .. "/tests/fixtures/alerts/windows/nxlog_sysmon1_wscript_launcher_vbs.json"
local SPEED, LONGEST, KILLS = "500", 3, 3             -- LONGEST: about what the whole takes, in seconds
local seed = math.tointeger(arg[1])
math.randomseed(seed, 1059)

-- What makes two deeds the same deed: all but when it was, and names that were given to it only then.
local PASSING = { at = true, task = true, ref = true, title = true, description = true, changed = true }
local GIVEN = { submit = { id = true }, create_ioc = { id = true } }
-- A session is opened as often as somebody needs one, and changes nothing.
local MAY = { open_session = true, close_session = true }

local function deed(line)
  local parts = {}
  for k, v in pairs(line.did) do
    if not PASSING[k] and not (GIVEN[line.did.op] or {})[k] then parts[#parts + 1] = k .. "=" .. tostring(v) end
  end
  table.sort(parts)
  return line.vendor .. " " .. table.concat(parts, " ")
end

local function check_deeds(t)
  local seen = {}
  for _, line in ipairs(t:log()) do
    if line.did and not MAY[line.did.op] then
      local d = deed(line)
      if seen[d] then error("done twice: " .. d, 0) end
      seen[d] = true
    end
  end
  local files = tonumber(io.popen("ls -A '" .. t.dir .. "/lunette.sim' | wc -l"):read "l")
  if files > 1 then error("the decoy was written " .. files .. " times", 0) end
end

local function nap(seconds) os.execute(("sleep %.3f"):format(seconds)) end

local function start(t, first)
  if first then
    return t:start { "run", "t1059.respond", "--input", ALERT, "--set", "confirmed_by=alice", "--approve", "all",
                     "--json" }
  end
  return t:start { "resume", "last", "--approve", "all", "--json" }
end

-- Kills it after a while.  Returns its result if it was quicker.
local function live_and_die(t, first, seconds)
  local job = start(t, first)
  nap(seconds)
  job.kill "KILL"
  local r = job.wait()
  return r.code ~= 137 and r or nil
end

-- A doubt is settled as a person would: by looking at the vendor.
local function settle(t, doc)
  local op = doc.waiting.step:match "([%w_]+%.[%w_]+)#%d+$" or doc.waiting.step
  local vendor, name = op:match "^([^.]+)%.rtr_(.+)$"
  if not vendor then vendor, name = op:match "^([^.]+)%.(.+)$" end
  local done = t:did(vendor .. "." .. name) > 0
  t:run { "resume", "last", done and "--did" or "--did-not", "--approve", "all", "--json" }
end

local function end_it(t)
  local r
  for _ = 1, 6 do
    r = start(t, false).wait()
    if r.code ~= 3 then return r end
    local doc = r.doc()
    if doc.waiting["for"] ~= "doubt" then error("it waits for " .. doc.waiting["for"] .. ": " .. r.err, 0) end
    settle(t, doc)
  end
  return r
end

-- It ended: everything it holds is held, and where the host was to be contained it was, once.
local function check_end(t, r)
  if r.code ~= 0 and r.code ~= 5 then error(("exit status %s: %s"):format(r.code, r.err), 0) end
  local doc, isolated = r.doc(), t:did "visionone.isolate"
  if doc.state ~= "completed" then error("it is " .. doc.state, 0) end
  for _, h in ipairs(doc.holds) do
    if h.status ~= "held" then error(("%s %s is %s at the end"):format(h.entity, h.facet, h.status), 0) end
  end
  local malicious = doc.result.verdict == "malicious"
  if isolated ~= (malicious and 1 or 0) then error("the host was isolated " .. isolated .. " times", 0) end
end

local function live(t)
  t:sim { "--speed", SPEED, "--seed", tostring(seed) }
  local r, first = nil, true
  for _ = 1, KILLS do
    r = live_and_die(t, first, math.random() * LONGEST)
    first = false
    check_deeds(t)
    if r then break end
    if t:run { "runs" }.out == "" then first = true end   -- it died before there was a run
  end
  if not r and first then r = start(t, true).wait() end
  if not r or r.code == 3 then r = end_it(t) end
  -- Killed between its last commit and its exit.
  if r.err:find("has ended", 1, true) then r = t:run { "show", "last", "--json" } end
  check_deeds(t)
  check_end(t, r)
end

sys.alone(live)
