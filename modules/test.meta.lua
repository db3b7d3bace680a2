---@meta

-- What a test of a playbook can say: globals of a file NAME_test.lua, which `lunette test` runs.  A test lives a whole
-- history against the simulators, in virtual time and in a world of its own: nothing that it does is seen by another.
-- It also has `json`, `xml`, `time`, `text`, `crypto` and `zip` by `require`, and Lua's own libraries but those that
-- reach the machine.

---An operation, by its name, or by name and arguments: of a table what is named here has to be so, a function decides
---itself.
---@class test.Act
---@field op string            "add_to_group"; where no vendor is named before it "okta.add_to_group"
---@field [string] any         an argument of the operation

---Something that a run asked for.
---@class test.Effect
---@field op string            "okta.add_to_group"
---@field name string          the step: "harden/okta.add_to_group#1"
---@field run string           whose
---@field class string         "read" "write" "local" "wait" "pure"
---@field args table           as the operation got them
---@field state? string        what became of it: "done" "unchanged" "failed" "refused" …
---@field sent integer         requests that left for it; of a write those that act
---@field did integer          how often it was done, by the vendor's own account
---@field at number            when it was asked for: seconds since 1970

---A run: its document, as `lunette show --json` has it, when it was last looked at.
---@class test.Run
---@field ulid string
---@field state string         "running" "waiting" "completed" "failed" "cancelled"
---@field outcome? string      "complete" "partial" "nothing"
---@field result any
---@field error? table
---@field waiting? table       what it waits for: for, id, step, next
---@field stages table[]
---@field steps table[]
---@field found table[]
---@field not_done table[]
---@field approvals table[]
---@field holds table[]
---@field evidence table[]

---How a person answers what is asked.
---@class test.Answer
---@field title? string        part of the question's title; without it any question
---@field by? string           who answers: "bob"
---@field comment? string
---@field answer? string       of an `ask`
---@field after? duration      how long it takes: a second

---A vendor, or a library that leaves the process, such as `sim.file`.
---@class test.Vendor
---@field state table          of a vendor: what its simulator has; may be changed
local vendor = {}

---What a test is given.
---@class test.Sim
---@field okta test.Vendor
---@field crowdstrike test.Vendor
---@field visionone test.Vendor
---@field qualys test.Vendor
---@field file test.Vendor
---@field store test.Vendor
---@field world table          hosts, people and files, as all simulators know them
local sim = {}

local run = {}

-- The file ------------------------------------------------------------------------------------------------------------

---Declares a test. What it raises, and an expectation that is not met, makes it fail.
---```lua
---test "a decoy is watched" (function(sim)
---  sim:run("t1059.deceive", {})
---  sim.visionone:did "watch"
---end)
---```
---@param name string
---@return fun(body: fun(sim: test.Sim))
function test(name) end

---Expects a value: tables by what is in them.
---```lua
---test "two and two" (function() same(2 + 2, 4, "the sum") end)
---```
---@param actual any
---@param expected any
---@param what? string         what it is, for the message
---@return any                 the value
function same(actual, expected, what) end

---Expects that a text has a part, or a list an item like this one.
---```lua
---test "a list" (function()
---  local item = includes({ { name = "a", size = 1 }, { name = "b" } }, { name = "a" })
---  same(item.size, 1)
---end)
---```
---@param whole string|table[]
---@param what any             of a table what is named has to be so; a function decides itself
---@return any                 the part, or the item
function includes(whole, what) end

---Expects that a text has no such part, or a list no such item.
---```lua
---test "a text" (function() lacks("Everyone, Staff", "Domain Admins") end)
---```
---@param whole string|table[]
---@param what any
function lacks(whole, what) end

-- Runs ----------------------------------------------------------------------------------------------------------------

---Runs a playbook until it has ended, or waits for somebody who does not come.
---```lua
---test "deceive" (function(sim)
---  local run = sim:run("t1059.deceive", { format = "csv" })
---  same(run.outcome, "complete")
---end)
---```
---@param playbook string
---@param input? table         an input of type alert may be the alert's document
---@param options? { by?: string, plan?: boolean, recorded?: table }  `by`: who starts it (alice); `recorded`: what steps come to instead of being carried out, by name: { ok, state, value }
---@return test.Run
function sim:run(playbook, input, options) end

---Begins a run, and does not go on with it yet.
---```lua
---test "two at once" (function(sim)
---  local a, b = sim:start("t1059.deceive", {}), sim:start("t1059.deceive", {})
---  same(sim:go_on(a).state, sim:go_on(b).state)
---end)
---```
---@param playbook string
---@param input? table
---@param options? table       as of `sim:run`
---@return test.Run
function sim:start(playbook, input, options) end

---Goes on with a run, until it has ended, or waits for somebody who does not come; looks at it anew.
---```lua
---test "a person comes late" (function(sim)
---  local run = sim:run("t1059.harden", { user = [[THESHIRE\pgustavo]], confirmed_by = "carol" })
---  same(run.state, "waiting")
---  sim:approve()
---  same(sim:go_on(run).outcome, "complete")
---end)
---```
---@param run test.Run
---@return test.Run
function sim:go_on(run) end

---Lets time pass, with all that happens meanwhile (a question expires, a sleeping run wakes), and looks anew at the run
---that was begun last.
---```lua
---test "nobody answers" (function(sim)
---  local run = sim:run("t1059.harden", { user = [[THESHIRE\pgustavo]], confirmed_by = "carol" })
---  sim:pass "9h"
---  same(run.error.code, "expired")
---end)
---```
---@param duration duration
function sim:pass(duration) end

---Calls a function so much later, while runs go on: somebody changes something, answers, sends a signal.
---```lua
---test "somebody lifts the question" (function(sim)
---  sim:after("20m", function() sim:approve() end)
---  sim:run("t1059.harden", { user = [[THESHIRE\pgustavo]], confirmed_by = "carol" })
---  sim.okta:did "clear_sessions"
---end)
---```
---@param duration duration
---@param fn fun()
function sim:after(duration, fn) end

---Seconds since 1970, in virtual time: two hours that a run waits pass at once.
---```lua
---test "time" (function(sim)
---  local before = sim:now()
---  sim:pass "2h"
---  same(sim:now() - before, 7200.0)
---end)
---```
---@return number
function sim:now() end

---Sends a signal to a run: what `await_signal(name)` returns there.
---```lua
---test "a signal" (function(sim)
---  local run = sim:start("t1059.deceive", {})
---  sim:signal("go", { by = "carol" }, run)
---end)
---```
---@param name string
---@param value? any
---@param run? test.Run             the one begun last
function sim:signal(name, value, run) end

---Cancels a run, which a run that is gone on with then takes notice of.
---```lua
---test "cancelled" (function(sim)
---  local run = sim:start("t1059.deceive", {})
---  sim:cancel(run, "a false alarm")
---  same(sim:go_on(run).state, "cancelled")
---end)
---```
---@param run test.Run
---@param why? string
function sim:cancel(run, why) end

---Settles a doubt, and goes on: a person looked whether a write happened.
---```lua
---test "who looked" (function(sim)
---  sim:faults "qualys.launch_scan#1=reset-before,qualys.scan_list=html"
---  local run = sim:run("t1059.model", { ip = "10.20.5.15", max_scan_age = "1d" })
---  same(run.waiting["for"], "doubt")
---  sim:faults ""
---  sim:pass "1m"
---  sim:settle(run, { did = false })
---  sim.qualys:did("launch_scan", 1)
---end)
---```
---@param run test.Run
---@param how { did: boolean, step?: string, result?: any, by?: string }
---@return test.Run
function sim:settle(run, how) end

---Takes back what a run did, as `lunette undo` does.
---```lua
---test "undone" (function(sim)
---  local run = sim:run("t1059.deceive", {})
---  same(sim:undo(run).state, "completed")
---end)
---```
---@param run test.Run
---@return test.Run                 the run that takes it back
function sim:undo(run) end

-- People --------------------------------------------------------------------------------------------------------------

---From now on questions like this one are answered with yes; of several answers that fit the one said last counts.
---```lua
---test "carol says yes" (function(sim)
---  sim:approve { title = "okta", by = "carol", comment = "seen with the user", after = "10m" }
---  sim:run("t1059.harden", { user = [[THESHIRE\pgustavo]], confirmed_by = "dave" })
---  sim.okta:did "add_to_group"
---end)
---```
---@param which? test.Answer|string  a text: part of the title; nothing: all
function sim:approve(which) end

---From now on questions like this one are answered with no.
---```lua
---test "no" (function(sim)
---  sim:deny()
---  local run = sim:run("t1059.harden", { user = [[THESHIRE\pgustavo]], confirmed_by = "dave" })
---  same(run.error.code, "denied")
---end)
---```
---@param which? test.Answer|string
function sim:deny(which) end

---From now on an `ask` like this one gets this answer.
---```lua
---test "an answer" (function(sim) sim:answer { title = "Whose is it?", answer = "ours" } end)
---```
---@param which test.Answer
function sim:answer(which) end

---What waits for a person.
---```lua
---test "a question" (function(sim)
---  sim:run("t1059.harden", { user = [[THESHIRE\pgustavo]], confirmed_by = "dave" })
---  includes(sim:questions()[1].title, "okta.add_to_group")
---end)
---```
---@return table[]             { id, run, step, kind, title, detail, effects, options } each
function sim:questions() end

-- Vendors -------------------------------------------------------------------------------------------------------------

---From now on the vendors have these faults, and no others: a list as of `lunette sim --faults`.
---```lua
---test "a bad day" (function(sim)
---  sim:faults "visionone=5xx,okta.users#1=429"
---  same(sim:run("t1059.deceive", {}).state, "failed")
---end)
---```
---@param spec string          "": none
function sim:faults(spec) end

---What was asked for, by all runs of this test, in order.
---```lua
---test "effects" (function(sim)
---  sim:run("t1059.deceive", {})
---  assert(#sim:effects() > #sim:effects "visionone.watch")
---end)
---```
---@param what? test.Act|string
---@return test.Effect[]
function sim:effects(what) end

---What the runs of this test asked to be written: at vendors, in files, in the store; in the order of the steps' names.
---```lua
---test "written" (function(sim)
---  sim:run("t1059.deceive", {})
---  includes(sim:written(), { op = "file.write" })
---end)
---```
---@return table[]             { op, step, args } each
function sim:written() end

---Expects that these were done, each after the one before; others may have been done in between.
---```lua
---test "in order" (function(sim)
---  sim:run("t1059.deceive", {})
---  sim:order { "file.write", "visionone.watch" }
---end)
---```
---@param list (test.Act|string)[]
function sim:order(list) end

---Expects that the vendor did this; with a number, so often.
---```lua
---test "watched by both hashes" (function(sim)
---  local run = sim:run("t1059.deceive", {})
---  sim.visionone:did("watch", 2)
---  sim.visionone:did { op = "watch", file = { sha256 = run.result.sha256 } }
---end)
---```
---@param what test.Act|string
---@param n? integer
---@return test.Effect[]            those that did it
function vendor:did(what, n) end

---Expects that this was asked for, whatever became of it; with a number, by so many steps.
---```lua
---test "looked" (function(sim)
---  sim:run("t1059.model", { ip = "10.20.5.15" })
---  sim.qualys:asked { op = "scanned_hosts", ips = "10.20.5.15" }
---end)
---```
---@param what test.Act|string
---@param n? integer
---@return test.Effect[]
function vendor:asked(what, n) end

---Expects that nothing like this was done, nor even sent.
---```lua
---test "never blocked" (function(sim)
---  sim:run("t1059.deceive", {})
---  sim.visionone:never "block"
---end)
---```
---@param what test.Act|string
---@return boolean             true
function vendor:never(what) end

-- What came of it -----------------------------------------------------------------------------------------------------

---The stage of that name.
---```lua
---test "a stage" (function(sim)
---  local run = sim:run("t1059.deceive", {})
---  same(run:stage_of("deceive").state, "done")
---end)
---```
---@param name string
---@return table               { stage, state, why }
function run:stage_of(name) end

---The step of that name.
---```lua
---test "a step" (function(sim)
---  local run = sim:run("t1059.deceive", {})
---  same(run:step("file.write#1").state, "done")
---end)
---```
---@param name string          "harden/okta.users#1"
---@return table
function run:step(name) end

---Expects the report for people that is stored beside the test, in the folder of its name; `lunette test --update` stores
---it.
---```lua
---test "the report" (function(sim)
---  local run = sim:run("t1059.model", { ip = "10.20.5.15" })
---  sim:snapshot(run, "a host")
---end)
---```
---@param run test.Run
---@param name string          of the file, without its ending
function sim:snapshot(run, name) end

---Reads a JSON file, by its path from the test's own folder: an alert, say.
---```lua
---test "an alert" (function(sim)
---  local ok = pcall(sim.json, sim, "alerts/none.json")
---  same(ok, false)
---end)
---```
---@param path string
---@return any
function sim:json(path) end
