-- test.lua: what a test of a playbook can say (modules/test.meta.lua has it for authors).  It runs in the
-- state of the simulators, so that a test sees what a vendor has, and may change it.  `core` is what the
-- program does for it (runtime/debug/playtest_life.c); it calls the hooks while it carries runs.
--
-- An *effect* is what a run asked for: { op, name, run, class, args, state, sent, did, at }.  `sent` counts
-- the requests that left for it (of a write: those that could act), `did` what the vendor did of it, by the
-- vendor's own account; what is no vendor's was done where its step says so.

local json = require "json"
local kit  = require "sim.kit"

local core
local tests = {}                                            -- { file, name, fn, why }, in order
local now                                                   -- the test under way

-- Values as text ------------------------------------------------------------------------------------------

local SHOWN, DEEP = 300, 6

local function sorted_keys(t)
  local keys = {}
  for k in pairs(t) do keys[#keys + 1] = k end
  table.sort(keys, function(a, b)
    if type(a) == type(b) and type(a) ~= "boolean" then return a < b end
    return tostring(a) < tostring(b)
  end)
  return keys
end

local function show(v, depth)
  depth = depth or 0
  if type(v) == "string" then return (("%q"):format(#v > SHOWN and v:sub(1, SHOWN) .. "…" or v):gsub("\\\n", "\\n")) end
  if type(v) ~= "table" then return tostring(v) end
  if depth == DEEP then return "{ … }" end
  local out = {}
  for _, k in ipairs(sorted_keys(v)) do
    local value = show(v[k], depth + 1)
    if math.type(k) == "integer" and k <= #v then out[#out + 1] = value
    elseif type(k) == "string" and k:find "^[%a_][%w_]*$" then out[#out + 1] = k .. " = " .. value
    else out[#out + 1] = "[" .. show(k) .. "] = " .. value end
  end
  return #out == 0 and "{}" or "{ " .. table.concat(out, ", ") .. " }"
end

local function at_path(path, key)
  if type(key) == "string" and key:find "^[%a_][%w_]*$" then return path == "" and key or path .. "." .. key end
  return path .. "[" .. show(key) .. "]"
end

-- Where two values differ first: the place, and what is at it; nil: nowhere.
local function difference(a, b, path)
  if a == b then return nil end
  if type(a) ~= "table" or type(b) ~= "table" then return path, a, b end
  local keys = {}
  for k in pairs(a) do keys[k] = true end
  for k in pairs(b) do keys[k] = true end
  for _, k in ipairs(sorted_keys(keys)) do
    local where, x, y = difference(a[k], b[k], at_path(path, k))
    if where then return where, x, y end
  end
  return nil
end

-- Does a value have all that a pattern says?  Of a table, the named members; a function decides itself.
local function matches(value, pattern)
  if type(pattern) == "function" then return pattern(value) and true or false end
  if type(pattern) ~= "table" or type(value) ~= "table" then return value == pattern end
  for k, p in pairs(pattern) do
    if not matches(value[k], p) then return false end
  end
  return true
end

-- Failing -------------------------------------------------------------------------------------------------

local function fail(...) error(table.concat({ ... }, "\n"), 0) end

local Failure = { __tostring = function(e) return e.what end }

-- Called where something was raised: the line of the test's file is still on the stack.
local function raised(e)
  if getmetatable(e) == Failure then return e end
  local line = core.where(now.file)
  local what = type(e) == "table" and e.message or e
  return setmetatable({ what = type(what) == "string" and what or show(what),
                         at = line and ("%s:%d"):format(now.file, line) or now.file }, Failure)
end

local function same(actual, expected, what)
  local where, a, b = difference(actual, expected, "")
  if not where then return actual end
  local of = (what and what .. ": " or "") .. (where ~= "" and where .. ": " or "")
  fail(of .. "expected " .. show(b), "instead: " .. show(a))
end

local function found_in(whole, what)
  if type(whole) == "string" then return whole:find(what, 1, true) and what end
  for _, item in ipairs(whole or {}) do
    if matches(item, what) then return item end
  end
  return nil
end

local function items_of(whole)
  if type(whole) ~= "table" then return { "instead: " .. show(whole) } end
  local out = { #whole == 0 and "there is nothing in it" or "there is:" }
  for i, item in ipairs(whole) do out[i + 1] = "  " .. show(item) end
  return out
end

local function includes(whole, what)
  local item = found_in(whole, what)
  if item == nil or item == false then fail("expected " .. show(what) .. " in it", table.unpack(items_of(whole))) end
  return item
end

local function lacks(whole, what)
  local item = found_in(whole, what)
  if item then fail("expected nothing like " .. show(what) .. " in it", "instead: " .. show(item)) end
end

-- Effects -------------------------------------------------------------------------------------------------

local function told(e)
  local what = ("%s %s (%s)"):format(e.op, show(e.args), e.name)
  if e.did > 1 then what = what .. (", %d times"):format(e.did) end
  if e.did == 0 then what = what .. ": " .. (e.state or "asked") end
  return what
end

local hooks = { raised = raised }

-- What `approved` asks for to show it (its branch `approved?`) is not asked for yet.
function hooks.asked(run, name, op, class, _, args)
  local key = run .. "/" .. name
  if now.by_key[key] or name:find("approved?", 1, true) then return end
  local e = { run = run, name = name, op = op, class = class, args = args or {}, sent = 0, did = 0, at = core.now() }
  now.by_key[key] = e
  table.insert(now.effects, e)
end

local function done(e, times)
  e.did = e.did + times
  if not e.turn then
    now.turn = now.turn + 1
    e.turn = now.turn
  end
end

local VENDORS

local function is_vendors(e) return VENDORS[e.op:match "^([^.]+)%."] ~= nil end

local HAPPENED = { done = true, pending = true }

function hooks.stepped(run, name, _, _, state)
  local e = now.by_key[run .. "/" .. name]
  if not e then return end
  e.state = state
  if HAPPENED[state] and e.did == 0 and (not is_vendors(e) or e.class ~= "write" or now.recorded) then done(e, 1) end
end

local function sent(who, did, write)
  local e = now.by_key[who:match "^lunette (.*)$" or ""]
  if not e or (e.class == "write") ~= write then return end
  e.sent = e.sent + 1
  if did > 0 then done(e, did) end
end

function hooks.sent(who, _, did) sent(who, did, true) end
function hooks.read(who) sent(who, 0, false) end

-- "add_to_group", or { op = "add_to_group", user = … }, as full name and pattern of arguments.
local function effect_pattern(what, vendor)
  if type(what) == "string" then what = { op = what } end
  if type(what) ~= "table" or type(what.op) ~= "string" then
    fail('an operation is wanted: "add_to_group", or { op = "add_to_group", user = … }')
  end
  local op = vendor and vendor .. "." .. what.op or what.op
  local of, name = op:match "^([^.]+)%.(.+)$"
  if VENDORS[of] and not core.is_op(op) then
    fail(("%s has no operation %s; of one that is made of others, name those"):format(of, name))
  end
  local args = {}
  for k, v in pairs(what) do if k ~= "op" then args[k] = v end end
  return op, args
end

local function effects_like(what, vendor)
  local op, args = effect_pattern(what, vendor)
  local out = {}
  for _, e in ipairs(now.effects) do
    if e.op == op and matches(e.args, args) then out[#out + 1] = e end
  end
  return out, op .. (next(args) and " " .. show(args) or "")
end

-- What happened besides, for the one who looks why: of that vendor's writes, or reads.
local function instead(vendor, class)
  local out = {}
  for _, e in ipairs(now.effects) do
    if e.op:match "^[^.]+" == vendor and (not class or e.class == class) then out[#out + 1] = "  " .. told(e) end
  end
  if #out == 0 then return ("%s was asked for nothing%s"):format(vendor, class == "write" and " of the kind" or "") end
  table.insert(out, 1, "instead:")
  return table.concat(out, "\n")
end

local function times(n) return n == 1 and "once" or n .. " times" end

local vendor = {}

function vendor:did(what, n)
  local out, count = {}, 0
  local like, text = effects_like(what, self.name)
  for _, e in ipairs(like) do
    if e.did > 0 then out[#out + 1], count = e, count + e.did end
  end
  if n and count ~= n then
    fail(("expected %s %s, and it was done %s"):format(text, times(n), times(count)), instead(self.name, "write"))
  elseif count == 0 and n ~= 0 then
    fail("expected " .. text .. ", and it was never done", instead(self.name, "write"))
  end
  return out
end

function vendor:asked(what, n)
  local like, text = effects_like(what, self.name)
  if n and #like ~= n then
    fail(("expected %s asked for %s, and it was %s"):format(text, times(n), times(#like)), instead(self.name))
  elseif #like == 0 and n ~= 0 then
    fail("expected " .. text .. " asked for, and it never was", instead(self.name))
  end
  return like
end

function vendor:never(what)
  local like = effects_like(what, self.name)
  for _, e in ipairs(like) do
    if e.sent > 0 or e.did > 0 then fail("expected never", "instead: " .. told(e)) end
  end
  return true
end

local function vendor_index(v, key)
  if vendor[key] then return vendor[key] end
  local instance = core.instance(v.name)
  if key == "state" and instance then
    now.arranged = true
    return instance.state
  end
  return nil
end

-- Runs ----------------------------------------------------------------------------------------------------

local Run = {}
Run.__index = Run

local function named(list, key, name, what)
  for _, x in ipairs(list) do if x[key] == name then return x end end
  local names = {}
  for i, x in ipairs(list) do names[i] = tostring(x[key]) end
  fail(("the run has no %s %s"):format(what, name), "there is: " .. table.concat(names, ", "))
end

function Run:stage_of(name) return named(self.stages, "stage", name, "stage") end
function Run:step(name) return named(self.steps, "name", name, "step") end

-- Its document, anew.
local function look(run)
  local text, what, id, step, next_ = core.report(run.ulid)
  for k in pairs(run) do
    if k ~= "ulid" then run[k] = nil end
  end
  for k, v in pairs(json.decode(text)) do run[k] = v end
  if what then
    run.state = "waiting"
    run.waiting = { ["for"] = what ~= "" and what or nil, id = id, step = step, next = next_ }
  end
  return run
end

-- People --------------------------------------------------------------------------------------------------

local function decide(q, rule)
  if now.answered[q.id] == "done" then return end
  now.answered[q.id] = "done"
  local no = core.decide(q.id, rule.yes, rule.by or "bob", rule.comment, rule.answer)
  if no then fail(("approval %d, %s, cannot be answered: %s"):format(q.id, q.title, no)) end
end

local function rule_for(q)
  for i = #now.rules, 1, -1 do
    local r = now.rules[i]
    local fits = not r.title or q.title:find(r.title, 1, true)
    if fits and (q.kind == "ask") == (r.answer ~= nil) then return r end
  end
  return nil
end

function hooks.asked_people()
  for _, q in ipairs(core.questions()) do
    local rule = rule_for(q)
    if rule and not now.answered[q.id] then
      now.answered[q.id] = "soon"
      if rule.after then core.at(rule.after, function() decide(q, rule) end) else decide(q, rule) end
    end
  end
end

local RULE = { title = "string", by = "string", comment = "string", answer = "string", after = true }

local function add_rule(yes, given, word)
  if type(given) == "string" then given = { title = given } end
  local rule = { yes = yes }
  for k, v in pairs(given or {}) do
    if not RULE[k] then fail(("%s knows no %s: title, by, comment, answer, after"):format(word, tostring(k))) end
    rule[k] = v
  end
  if (word == "answer") ~= (rule.answer ~= nil) then
    fail(word == "answer" and "answer wants an `answer`" or word .. " gives no `answer`: answer does")
  end
  table.insert(now.rules, rule)
  if now.runs > 0 then hooks.asked_people() end
end

-- The test's own object -----------------------------------------------------------------------------------

local Sim = {}

-- What Lua has no words for is recorded as bytes.
local function recorded(given)
  local out = {}
  for step, r in pairs(given) do
    out[step] = { ok = r.ok, state = r.state, value = r.value }
    if r.encoded then out[step].value = core.decode(r.encoded) end
  end
  now.recorded, now.arranged = true, true
  return out
end

local OPTION = { by = true, plan = true, recorded = true }

function Sim:start(playbook, input, given)
  if type(input) ~= "table" and input ~= nil then fail("the input of " .. playbook .. " must be a table") end
  local options = {}
  for k, v in pairs(given or {}) do
    if not OPTION[k] then fail(("a run has no option %s: by, plan, recorded"):format(tostring(k))) end
    options[k] = v
  end
  if options.recorded then options.recorded = recorded(options.recorded) end
  if options.plan then now.arranged = true end
  local ulid, kept = core.start(playbook, input or {}, options)
  now.runs = now.runs + 1
  now.kept[now.runs] = kept
  if not now.arranged then table.insert(now.ran, { playbook = playbook, input = input or {} }) end
  now.last = setmetatable({ ulid = ulid }, Run)
  return now.last
end

function Sim:go_on(run)
  core.carry(run.ulid)
  return look(run)
end

function Sim:run(playbook, input, options) return self:go_on(self:start(playbook, input, options)) end

function Sim:undo(run)
  now.arranged = true
  now.runs = now.runs + 1
  now.last = setmetatable({ ulid = core.undo(run.ulid, "alice") }, Run)
  return self:go_on(now.last)
end

function Sim:pass(duration)
  core.pass(duration)
  if now.last then look(now.last) end
end

function Sim:after(duration, fn) core.at(duration, fn) end
function Sim:now() return core.now() end
function Sim:approve(which) add_rule(true, which, "approve") end
function Sim:deny(which) add_rule(false, which, "deny") end
function Sim:answer(which) add_rule(true, which, "answer") end
function Sim:questions() return core.questions() end

function Sim:signal(name, value, run)
  run = run or now.last or fail("there is no run to send a signal to")
  local function send() core.signal(run.ulid, name, value, "bob") end
  if run.state then send() else core.at(0, send) end        -- nobody knows a run that nobody went on with
end

function Sim:cancel(run, why) core.cancel(run.ulid, why) end

function Sim:settle(run, how)
  core.settle(run.ulid, how.step, how.did, how.result, how.by or "bob")
  return self:go_on(run)
end

function Sim:faults(spec)
  now.arranged = true
  local names = core.vendors()
  kit.checked(spec, names)
  for _, name in ipairs(names) do core.instance(name).rules = kit.faults(spec) end
end

function Sim:effects(what)
  if what then return (effects_like(what)) end
  return table.move(now.effects, 1, #now.effects, 1, {})
end

-- A value as it is on every machine: without the folder of this test's files.
local function without_folder(v, folder)
  if type(v) == "string" then
    local at = v:find(folder, 1, true)
    return at and v:sub(1, at - 1) .. "FOLDER" .. v:sub(at + #folder) or v
  elseif type(v) ~= "table" then
    return type(v) == "userdata" and tostring(v) or v
  end
  local copy = {}
  for k, x in pairs(v) do copy[k] = without_folder(x, folder) end
  return copy
end

local KEPT = { ["store.set"] = true, ["store.incr"] = true, ["store.delete"] = true }

function Sim:written()
  local list = {}
  for _, e in ipairs(now.effects) do
    if e.class == "write" or KEPT[e.op] then
      list[#list + 1] = { op = e.op, step = e.name, args = without_folder(e.args, (core.folder())) }
    end
  end
  table.sort(list, function(a, b) return a.step < b.step end)
  return list
end

-- All that was done, a line each, in order.
local function in_order()
  local all = {}
  for _, e in ipairs(now.effects) do
    if e.turn and e.class ~= "read" then all[#all + 1] = e end
  end
  table.sort(all, function(a, b) return a.turn < b.turn end)
  for i, e in ipairs(all) do all[i] = "  " .. told(e) end
  return table.concat(all, "\n")
end

function Sim:order(list)
  local turn, before = 0, nil
  for _, what in ipairs(list) do
    local like, text = effects_like(what)
    local first
    for _, e in ipairs(like) do
      if e.turn and e.turn > turn and (not first or e.turn < first.turn) then first = e end
    end
    if not first then
      fail(before and ("expected %s after %s"):format(text, before) or "expected " .. text,
           "in this order was done:", in_order())
    end
    turn, before = first.turn, text
  end
end

-- Files ---------------------------------------------------------------------------------------------------

local function beside(path) return (now.file:match "^(.*/)" or "") .. path end

function Sim:json(path)
  local text, why = core.read(beside(path))
  if not text then fail(beside(path) .. " cannot be read: " .. why) end
  return json.decode(text)
end

local function lines(text)
  local out = {}
  for line in (text .. "\n"):gmatch "([^\n]*)\n" do out[#out + 1] = line end
  return out
end

-- What differs from one machine, or one edit of a script, to the next.
local function settled(run)
  local text = core.report(run.ulid)
  local out = core.render(text, "text")
  local folder = core.folder()
  local at = out:find(folder, 1, true)
  while at do
    out = out:sub(1, at - 1) .. "FOLDER" .. out:sub(at + #folder)
    at = out:find(folder, at, true)
  end
  return (out:gsub(run.ulid, "RUN"))
end

function Sim:snapshot(run, name)
  local folder = now.file:gsub("%.lua$", "")
  local path = ("%s/%s.txt"):format(folder, name)
  local _, update = core.folder()
  local text, stored = settled(run), core.read(path)
  if update then
    if text ~= stored then core.write(folder, path, text) end
    return
  end
  if not stored then fail(path .. " is not there: lunette test --update writes it") end
  local a, b = lines(text), lines(stored)
  for i = 1, math.max(#a, #b) do
    if a[i] ~= b[i] then
      fail(("%s:%d: the report is another one (lunette test --update stores it)"):format(path, i),
           "expected: " .. (b[i] or "its end"), "instead:  " .. (a[i] or "its end"))
    end
  end
end

local sim_meta = {}

function sim_meta.__index(_, key)
  if Sim[key] then return Sim[key] end
  if key == "world" then
    now.arranged = true
    return core.world()
  end
  if type(key) == "string" then return setmetatable({ name = key }, { __index = vendor_index }) end
end

-- Tests ---------------------------------------------------------------------------------------------------

local function printer(...)
  local out = {}
  for i = 1, select("#", ...) do out[i] = tostring((select(i, ...))) end
  local text = table.concat(out, " ")
  if now then table.insert(now.printed, text) end
end

local function env_of(path)
  local env = { same = same, includes = includes, lacks = lacks, print = printer }
  function env.test(name)
    if type(name) ~= "string" or name == "" then error('test "its name" (function(sim) … end)', 2) end
    return function(fn)
      if type(fn) ~= "function" then error(("test %q wants a function"):format(name), 2) end
      table.insert(tests, { file = path, name = name, fn = fn })
    end
  end
  return setmetatable(env, { __index = _G })
end

local out = {}

---Reads a file of tests; one that cannot be read is a test that fails.
function out.file(path)
  local before = #tests
  local text, why = core.read(path)
  local chunk
  if text then chunk, why = core.load(text, path, env_of(path)) end
  now = { file = path, printed = {} }
  if chunk then
    local ok, e = xpcall(chunk, raised)
    why = not ok and e.what .. "\nat " .. e.at or nil
  end
  if why then
    for i = #tests, before + 1, -1 do tests[i] = nil end
    table.insert(tests, { file = path, name = "", why = why })
  end
  now = nil
end

function out.count() return #tests end
function out.info(i) return tests[i].file, tests[i].name end

---Goes through one test, in a world of its own.
function out.run(i)
  local t = tests[i]
  if t.why then return { ok = false, why = t.why } end
  VENDORS = {}
  for _, name in ipairs(core.vendors()) do VENDORS[name] = true end
  now = { file = t.file, effects = {}, by_key = {}, rules = {}, answered = {}, runs = 0, kept = {}, ran = {},
          printed = {}, turn = 0 }
  local ok, e = xpcall(t.fn, raised, setmetatable({}, sim_meta))
  local why = {}
  if not ok then why[1] = e.what end
  if not ok and e.what:sub(1, #e.at + 1) ~= e.at .. ":" then why[2] = "at " .. e.at end
  for _, text in ipairs(now.printed) do why[#why + 1] = text end
  return { ok = ok, why = table.concat(why, "\n"), runs = json.array(now.ran), written = json.array(Sim:written()),
           ended = now.last and now.last.state }
end

return function(given)
  core = given
  return out, hooks
end
