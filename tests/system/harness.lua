-- harness.lua: drives the program as its users do, from a shell, each test in a folder of its own.
--
--   local sys = dofile "tests/system/harness.lua"
--   sys.test("what is so", function(t) … end)
--     t.dir                            the test's folder, which the program runs in; removed afterwards
--     t:write(name, text), t:read(name)
--     t:run { "runs", "--json", env = { K = "v" }, stdin = "text", seconds = 30, memory = 1500, limit = "ulimit …" }
--       → { code, out, err, doc() }    doc: standard output as one JSON document; a null is absent
--                                      memory: in MiB; more is fatal.  seconds: three times as many when sanitized
--     t:sim { "--speed", "500" }       the simulators as servers; sim.conf is written and used from then on
--     t:record { ["vendor"] = { { old, new }, … } }   the next t:sim's simulators write down all that reaches them,
--                                      with texts of their sources replaced first (credentials, say)
--     t:log()                          what they wrote down: a list of { vendor, request, … } and { vendor, did }
--     t:wire()                         what reached recorded ones: { vendor, op, method, target, headers, body, answer }
--     t:start { … }                    a run in the background: { pid, kill(signal), seen("out"|"err"), wait() → code }
--     t:serve()                        `lunette serve` in the background: the same, and stop()
--     t:until_true(fn)                 looks again and again, for half a minute
--   sys.eq(a, b), sys.has(text, part), sys.hasnt(text, part), sys.done()
--   sys.alone(fn)                    one test for a program that reads its own output: quiet unless it fails
--
-- Run from the root of the tree; $LUNETTE is the program (build/lunette).

local cjson = require "cjson"

local sys = {}
local count, failed = 0, 0
local root = io.popen "pwd":read "l"
local sanitized = os.getenv "SANITIZED" ~= nil             -- by tests/run
local binary = os.getenv "LUNETTE" or root .. "/build/lunette"
sys.root, sys.binary = root, binary

-- Texts and shells ----------------------------------------------------------------------------------------

local function quoted(s) return "'" .. tostring(s):gsub("'", [['\'']]) .. "'" end

local function slurp(path)
  local f = io.open(path, "rb")
  if not f then return nil end
  local text = f:read "a"
  f:close()
  return text
end
sys.slurp = slurp

-- A null member is absent, as it is for playbooks.
local function tidy(v)
  if v == cjson.null then return nil end
  if math.type(v) == "float" then return math.tointeger(v) or v end
  if type(v) ~= "table" then return v end
  local out = {}
  for k, x in pairs(v) do out[k] = tidy(x) end
  return out
end

---A JSON text as a value; raises what is wrong with it.
function sys.decode(text) return tidy(cjson.decode(text)) end

local function lines(text)
  local out = {}
  for line in (text or ""):gmatch "[^\n]+" do out[#out + 1] = line end
  return out
end

-- Assertions ----------------------------------------------------------------------------------------------

function sys.eq(got, want, what)
  if got ~= want then
    error(("%s is %s, not %s"):format(what or "it", tostring(got), tostring(want)), 2)
  end
end

function sys.has(text, part)
  if not tostring(text):find(part, 1, true) then
    error(("%q is not in:\n%s"):format(part, tostring(text):sub(1, 4000)), 2)
  end
end

function sys.hasnt(text, part)
  if tostring(text):find(part, 1, true) then error(("%q is in what was written"):format(part), 2) end
end

-- A test's world ------------------------------------------------------------------------------------------

local test = {}
test.__index = test

function test:write(name, text)
  if name:find "/" then os.execute("mkdir -p " .. quoted(self.dir .. "/" .. name:match "^(.*)/")) end
  local f = assert(io.open(self.dir .. "/" .. name, "wb"))
  f:write(text)
  f:close()
  return self.dir .. "/" .. name
end

function test:read(name) return slurp(self.dir .. "/" .. name) end

-- The sanitizers' shadow is terabytes of addresses: there it is what is resident that counts.
local function memory_limit(mib)
  if not sanitized then return ("ulimit -v %d"):format(mib * 1024) end
  return ("export ASAN_OPTIONS=\"$ASAN_OPTIONS:hard_rss_limit_mb=%d\""):format(mib)
end

-- "cd … && env … program 'a' 'b'", with what the options say around it.
function test:command(args)
  local words = { "cd", quoted(self.dir), "&&" }
  if args.limit then words[#words + 1] = args.limit .. " &&" end
  if args.memory then words[#words + 1] = memory_limit(args.memory) .. " &&" end
  words[#words + 1] = args.exec and "exec env -u LUNETTE_CONFIG" or "env -u LUNETTE_CONFIG"
  for k, v in pairs(args.env or {}) do words[#words + 1] = k .. "=" .. quoted(v) end
  local seconds = args.seconds ~= false and (args.seconds or 60) * (sanitized and 3 or 1)
  if seconds then words[#words + 1] = ("timeout -k 2 %d"):format(seconds) end
  words[#words + 1] = quoted(binary)
  for _, a in ipairs(args) do words[#words + 1] = quoted(a) end
  if self.conf and not args.conf then words[#words + 1] = "--config " .. quoted(self.conf) end
  return table.concat(words, " ")
end

local function result(code, out, err)
  return { code = code, out = out, err = err, doc = function()
    local ok, value = pcall(sys.decode, out)
    if not ok then error("no JSON: " .. out:sub(1, 500) .. "\n" .. err:sub(1, 2000), 2) end
    return value
  end }
end

function test:run(args)
  self.turns = self.turns + 1
  local base = ("%s/.%d"):format(self.dir, self.turns)
  if args.stdin then self:write("." .. self.turns .. ".in", args.stdin) end
  local from = args.stdin and base .. ".in" or "/dev/null"
  local _, _, code = os.execute(("( %s ) >%s.out 2>%s.err <%s"):format(self:command(args), base, base, from))
  return result(code, slurp(base .. ".out"), slurp(base .. ".err"))
end

---Runs it and insists on the exit status.
function test:expect(code, args)
  local r = self:run(args)
  if r.code ~= code then
    error(("lunette %s: exit status %d, not %d\n%s%s"):format(table.concat(args, " "), r.code, code,
                                                              r.out:sub(-3000), r.err:sub(-3000)), 2)
  end
  return r
end

---Starts it in the background; its output goes to files.
function test:start(args)
  self.turns = self.turns + 1
  local base = ("%s/.%d"):format(self.dir, self.turns)
  args.exec, args.seconds = true, args.seconds or false
  -- The status is written by the shell that waits, so that it can be read later.
  local p = io.popen(("{ ( %s ) >%s.out 2>%s.err </dev/null & p=$!; echo $p; wait $p; echo $? >%s.rc; } 2>/dev/null")
                     :format(self:command(args), base, base, base))
  local job = { pid = p:read "l" }
  function job.kill(signal) os.execute(("kill -%s %s 2>/dev/null"):format(signal, job.pid)) end
  function job.wait()
    if p then p:close() end
    p = nil
    return result(tonumber(slurp(base .. ".rc")), slurp(base .. ".out"), slurp(base .. ".err"))
  end
  function job.seen(which) return slurp(base .. "." .. which) or "" end
  self.jobs[#self.jobs + 1] = job
  return job
end

---Starts `lunette serve`, and returns once it listens.  job.stop() ends it in order, and returns what it wrote.
function test:serve(args)
  local words = { "serve" }
  for _, a in ipairs(args or {}) do words[#words + 1] = a end
  local job = self:start(words)
  local log = ("%s/.%d.err"):format(self.dir, self.turns)
  for _ = 1, 200 do
    if (slurp(log) or ""):find("serving", 1, true) then
      function job.stop()
        job.kill "TERM"
        return job.wait()
      end
      return job
    end
    os.execute "sleep 0.05"
  end
  error("lunette serve does not listen: " .. tostring(slurp(log)), 2)
end

---Waits until fn() is true; false when it is not within half a minute.
function test.until_true(_, fn)
  for _ = 1, 600 do
    if fn() then return true end
    os.execute "sleep 0.05"
  end
  return false
end

-- Stands in for stdlib/sim/kit.lua: each simulator's log holds what came over the wire, too.
local RECORDER = [[
local kit = require "sim.plain_kit"
local make, MOST = kit.sim, 16384
local function text(s)
  if #s > MOST then s = s:sub(1, MOST) end
  return utf8.len(s) and s or (s:gsub("[\128-\255]", "?"))
end
local function remember(self, raw, reply)
  local headers = {}
  for _, h in ipairs(raw.headers) do headers[h[1]:lower()] = text(h[2]) end
  local body = reply.body or ""
  self.log[#self.log + 1] = { op = "wire", of = reply.op, method = raw.method, target = text(raw.target), headers = headers,
                              body = text(raw.body), bytes = #raw.body, answer = text(body) }
end
function kit.sim(declaration)
  local definition = make(declaration)
  local start = definition.start
  function definition:start(options)
    local it = start(self, options)
    local handle = it.handle
    function it:handle(raw)
      local reply = handle(self, raw)
      remember(self, raw, reply)
      return reply
    end
    return it
  end
  return definition
end
return kit
]]

local VENDORS = { "crowdstrike", "okta", "qualys", "visionone" }

---The simulators that t:sim starts next are copies: they write down every request whole (t:wire).  `swaps`: by vendor,
---texts of its source and what takes their place.
function test:record(swaps)
  local from = root .. "/stdlib/sim/"
  self:write("recorded/sim/plain_kit.lua", slurp(from .. "kit.lua"))
  self:write("recorded/sim/kit.lua", RECORDER)
  for _, vendor in ipairs(VENDORS) do
    local source = slurp(from .. vendor .. ".lua")
    for _, pair in ipairs(swaps and swaps[vendor] or {}) do
      local at, last = source:find(pair[1], 1, true)
      source = source:sub(1, at - 1) .. pair[2] .. source:sub(last + 1)
    end
    self:write("recorded/sim/" .. vendor .. ".lua", source)
  end
  self.recorded = self:write("recorded.lua", ("return { stdlib = { %q, %q } }\n")
                                             :format(self.dir .. "/recorded", root .. "/stdlib"))
end

---Starts the simulators, and has every later command use them.
function test:sim(args)
  local words = { "sim", "--write", "sim.conf.lua", "--log", "sim.log", conf = true, exec = true,
                  seconds = false }
  if self.recorded then
    for _, w in ipairs { "--config", self.recorded, table.unpack(VENDORS) } do words[#words + 1] = w end
  end
  for _, a in ipairs(args or {}) do words[#words + 1] = a end
  local p = io.popen(("echo $$; %s 2>%s/sim.err"):format(self:command(words), quoted(self.dir)))
  local job = { pid = p:read "l" }
  local said = p:read "l"                                 -- once they listen
  if not said then error("no simulators: " .. tostring(self:read "sim.err"), 2) end
  function job.kill(signal) os.execute(("kill -%s %s 2>/dev/null"):format(signal, job.pid)) end
  function job.wait()
    if p then p:close() end
    p = nil
  end
  self.jobs[#self.jobs + 1] = job
  self.conf = self.dir .. "/sim.conf.lua"
  return job
end

---What the simulators wrote down.
function test:log()
  local out = {}
  for i, line in ipairs(lines(self:read "sim.log")) do out[i] = sys.decode(line) end
  return out
end

---What reached recorded simulators, in order.
function test:wire()
  local out = {}
  for _, line in ipairs(self:log()) do
    if line.did and line.did.op == "wire" then
      local w = line.did
      w.vendor, w.op = line.vendor, w.of
      out[#out + 1] = w
    end
  end
  return out
end

---How often the simulators did an operation ("okta.add_to_group"), by their own account.
function test:did(name)
  local vendor, op = name:match "^([^.]+)%.(.+)$"
  local n = 0
  for _, line in ipairs(self:log()) do
    if line.vendor == vendor and line.did and line.did.op == op then n = n + 1 end
  end
  return n
end

---A playbook of one function, as scripts/NAME.lua, where `{ "run", NAME }` finds it.
function test:playbook(name, body, more)
  self:write("scripts/" .. name .. ".lua", ("return playbook { name = %q, summary = \"a test\", %s\n  run = "
                                            .. "function(input)\n%s\n  end }\n"):format(name, more or "", body))
  if not self.conf and not self:read "lunette.conf.lua" then
    self:write("lunette.conf.lua", "return { scripts = { \"scripts\" } }\n")
  end
end

-- Running them --------------------------------------------------------------------------------------------

local function fresh()
  local dir = io.popen "mktemp -d \"${TMPDIR:-/tmp}/lunette-test.XXXXXX\"":read "l"
  return setmetatable({ dir = dir, turns = 0, jobs = {} }, test)
end

local function tidy_up(t, ok)
  local keep = os.getenv "KEEP" and not ok
  for _, job in ipairs(t.jobs) do job.kill "KILL" end
  for _, job in ipairs(t.jobs) do job.wait() end
  if keep then
    print("# kept: " .. t.dir)
    return
  end
  os.execute("chmod -R u+w " .. quoted(t.dir) .. " 2>/dev/null; rm -rf " .. quoted(t.dir))
end

local only = arg and arg[1]

function sys.test(name, fn)
  if only and not name:find(only, 1, true) then return end
  local t = fresh()
  count = count + 1
  local ok, why = xpcall(fn, debug.traceback, t)
  if ok then print("ok " .. count .. " - " .. name)
  else
    failed = failed + 1
    print("not ok " .. count .. " - " .. name)
    print((tostring(why):gsub("[^\n]+", "# %0")))
  end
  io.stdout:flush()
  tidy_up(t, ok)
end

---Runs fn(t) once, quietly; what it raises is said, and ends the program with 1.
function sys.alone(fn)
  local t = fresh()
  local ok, why = xpcall(fn, function(e) return type(e) == "string" and e or debug.traceback(e) end, t)
  if not ok then print(why) end
  tidy_up(t, ok)
  os.exit(ok)
end

function sys.done()
  print("1.." .. count)
  os.exit(failed == 0)
end

return sys
