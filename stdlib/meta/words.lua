-- Written by docs/reference.lua (make reference): for editors; no run loads it.
---@meta

-- The words of a playbook: globals of every run.  What a word does beyond its run (ask, wait, write) is a step of the
-- journal: it happens once, and a replay gets the same answer.

---A number of seconds, or a text such as "5ms", "30s", "5m", "2h", "7d": a number and one unit.
---@alias duration number|string

---A point in time: seconds since 1970 in UTC, or RFC 3339 ("2026-11-24T09:58:00Z").
---@alias moment number|string

---What a verb raises: plain data, the same in a replay. `tostring(err)` is the operator's two lines.
---@class Error
---@field code string          not_found ambiguous bad_argument refused denied expired timeout pending partial failed unauthorised forbidden quota rate_limited unavailable conflict stale nothing_done too_many doubt frozen cancelled too_big, or an author's own
---@field message string
---@field retry boolean        may it help to try again later?
---@field status? integer      of the vendor's answer
---@field vendor? string       "okta"
---@field vendor_code? string  as the vendor spells it: "E0000007"
---@field op? string           "okta.add_to_group"
---@field rule? string         the guard that refused
---@field cause? any
---@field at? string           script and line

---What became of one item of `map`.
---@class Outcome
---@field item any
---@field ok boolean
---@field value any            what the function returned, when ok
---@field error? Error         when not

---A playbook, as a script returns it.
---@class Playbook
---@field name string                           "t1059.harden": the file's name, folders and dots
---@field summary string                        what it does, in one sentence
---@field uses string[]                         what it may use: a connector ("okta"), an operation ("okta.users"), a library that leaves the process ("http", "file"), a playbook, or "prefix.*" of playbooks; anything else is refused
---@field run fun(input: table): any            what it does; what it returns is the run's result
---@field stage? string                         its place in the response: model, harden, detect, isolate, deceive, evict, restore
---@field attack? string[]                      ATT&CK ids
---@field d3fend? string[]                      D3FEND ids
---@field input? table<string, string>          types by name: "string", "[host]", "boolean = false", "one of low high", "duration?"
---@field on? fun(alert: table): boolean        does this alert start it?
---@field key? fun(alert: table): string        joins an open run with the same key instead of starting another
---@field every? string                         "1h": starts it that often

---Declares a playbook: what a script returns. Fields that are unknown, missing or of a wrong kind are named with the file.
---```lua
---return playbook {
---  name = "greet", summary = "Greets somebody", uses = {}, input = { who = "string = world" },
---  run = function(input) return { text = "Hello, " .. input.who } end,
---}
---```
---@param declaration Playbook
---@return Playbook
function playbook(declaration) end

---A library, a connector or another module of the scripts, loaded at its first use.
---```lua
---local json = require "json"
---assert(json.encode { 1, 2 } == "[1,2]")
---```
---@param name string  "json", "connectors.okta", "t1059.subject"
---@return any         or raises when there is none
function require(name) end

-- Stages and what the report is made of -----------------------------------------------------------------------------

---Runs another playbook in this run, as a branch of that name, under its own `uses` and inputs, and goes on when it fails.
---The report says: done, failed, skipped or waiting, and why. `skipped` is what it is when the stage raises that code.
---```lua
---local seen = stage("t1059.detect", { subject = { kind = "interpreter", name = "cmd.exe" } })
---assert(seen.verdict == "unknown")
---assert(stage("t1059.evict", {}, { when = false, why = "there is no file" }) == nil)
---```
---@async
---@param name string     in t1059.respond "harden" is t1059.harden; a name with a dot is whole
---@param input? table
---@param options? { when?: boolean|fun(): boolean?, string?; why?: string, otherwise?: any }  `when = false` skips it, and `why` says so;
---  a function is asked within the stage, and may return false and why; `otherwise`: the result when it failed or was skipped
---@return any result     `otherwise`, or nil, when it failed or was skipped; raises only `frozen`, `cancelled`, `doubt`, a divergence, and `refused` when `uses` lacks it
function stage(name, input, options) end

---Puts a finding into the report; further fields are kept with it, and `remedy` is shown.
---```lua
---found { severity = "high", title = "SMB signing is off", remedy = "Require it by policy.", host = "WS-042" }
---```
---@param finding { severity: "informational"|"low"|"medium"|"high"|"critical"|"unknown", title: string, remedy?: string, [string]: any }  or raises `bad_argument`
function found(finding) end

---Says that something was not done, and why: the run's outcome is then partial.
---```lua
---not_done("remove launcher.vbs from WS-042", "the host is off line", { host = "WS-042" })
---```
---@param what string
---@param why string
---@param item? any  what it was about, for machines
function not_done(what, why, item) end

---Keeps a value with the run, under a name; the report gives its hash and size.
---```lua
---evidence("groups before", { "Everyone", "Domain Admins" })
---```
---@param name string
---@param value any  what can be stored: texts, numbers, booleans, lists and tables of these; else raises `bad_argument`
function evidence(name, value) end

-- People ------------------------------------------------------------------------------------------------------------

---Who answered a question.
---@class Answer
---@field by string
---@field comment? string
---@field answer? string  of `ask`: which of the options

---Asks people a question, and goes on when the answer is yes. It permits no write: see `approved`.
---```lua
---local answer = approve { title = "Is the account jdoe compromised?", expires = "1h" }
---assert(answer.by)
---```
---@async
---@param question { title: string, detail?: any, quorum?: integer, expires?: duration }  `detail`: what they should see; `quorum`: how many must say yes, 1; `expires`: "1h"
---@return Answer         or raises `denied`, `expired`
function approve(question) end

---Asks for permission to make exactly the writes of `fn`: it is planned first, people see what it would write, and when
---they say yes it runs for real. Without writes nobody is asked; a write outside of what was shown asks by itself.
---```lua
---local okta = require "connectors.okta"
---local user = only(okta.users { login = "pgustavo@theshire.example" })
---local done = approved({ title = "End the sessions of " .. user.login }, function()
---  return okta.clear_sessions { user = user.id }
---end)
---assert(done.state == "cleared")
---```
---@async
---@generic T
---@param question { title: string, detail?: any, quorum?: integer, expires?: duration }
---@param fn fun(): T  it runs twice, so it must not do the author's own work but in `step`
---@return T           what fn returned; or raises `denied`, `expired`, and what fn raises
function approved(question, fn) end

---Asks people for a decision that is data, and no permission.
---```lua
---local answer = ask { title = "Whose host is this?", options = { "ours", "a guest's" } }
---assert(answer.by)
---```
---@async
---@param question { title: string, options?: string[], detail?: any, quorum?: integer, expires?: duration }
---@return Answer  or raises `denied`, `expired`
function ask(question) end

-- Work and branches -------------------------------------------------------------------------------------------------

---Does the author's own work once: its result is journaled, and a replay takes it from there.
---```lua
---local words = step("split", function()
---  local out = {}
---  for w in ("powershell -enc AAAA"):gmatch "%S+" do out[#out + 1] = w end
---  return out
---end)
---assert(#words == 3)
---```
---@async
---@generic T
---@param name string    a second one of that name is counted: "split#2"
---@param fn fun(): T    it may wait for nothing: no operation, `map`, `approve` or `sleep` within; what it returns must be storable
---@return T             or raises what fn raised
function step(name, fn) end

---Calls fn for each item, several at once, each in a branch NAME/KEY of its own. One that fails does not stop the others.
---```lua
---local outcomes = map({ "WS-042", "WS-043" }, function(host)
---  if host == "WS-043" then fail("not_found", "no such host") end
---  return { host = host }
---end, { name = "host" })
---assert(outcomes[1].value.host == "WS-042" and outcomes[2].error.code == "not_found")
---```
---@async
---@param list any[]     at most 100000 items, else raises `too_many`
---@param fn fun(item: any): any
---@param options? { name?: string, key?: string, concurrency?: integer, on_error?: "collect"|"stop" }  `name`: of the branches, "map"; `key`: the member that an item is known by, else its id, name, hostname, path, or its index; `concurrency`: 8; `on_error = "stop"` cancels the rest and raises the first error
---@return Outcome[]     in the order of the list
function map(list, fn, options) end

---Runs several functions at once, each in a branch of its name.
---```lua
---local got = parallel { a = function() return 1 end, b = function() return 2 end }
---assert(got.a == 1 and got.b == 2)
---```
---@async
---@param branches table<string, fun(): any>
---@param options? { on_error?: "stop"|"collect" }  "stop", the default: the first error cancels the others, and is raised; "collect": each result is an outcome
---@return table<string, any>  results by name; with "collect" outcomes `{ ok, value, error }`
function parallel(branches, options) end

-- Lists -------------------------------------------------------------------------------------------------------------

---The one element of a list.
---```lua
---assert(only({ "one" }, "word") == "one")
---local _, err = try(only, {}, "user named jdoe")
---assert(err.code == "not_found" and err.message:find "user named jdoe")
---```
---@generic T
---@param list T[]
---@param what? string  what it is called in the error
---@return T            or raises `not_found` when there is none, `ambiguous` when there are several
function only(list, what) end

---Is the value in the list?
---```lua
---assert(contains({ "a", "b" }, "b") and not contains({}, "b"))
---```
---@param list any[]
---@param value any   compared as by ==, without metamethods
---@return boolean
function contains(list, value) end

---The elements for which fn is true, in their order; fn may ask and wait.
---```lua
---assert(#where({ 1, 2, 3, 4 }, function(n) return n % 2 == 0 end) == 2)
---```
---@generic T
---@param list T[]
---@param fn fun(item: T): any
---@return T[]
function where(list, fn) end

---Walks through everything that a list operation finds, a page at a time, without holding all of it.
---```lua
---local okta, n = require "connectors.okta", 0
---for user in each(okta.users, { status = "ACTIVE" }) do n = n + (user.id and 1 or 0) end
---assert(n > 0)
---```
---@async
---@param operation function  a list operation of a connector, or one made of several that answers a list (all of it is one page then), else raises `bad_argument`
---@param args? table         its arguments
---@return fun(): any         the next item, or nil at the end
function each(operation, args) end

---True when all outcomes are ok.
---```lua
---assert(all_ok(map({ 1, 2 }, function(n) return n end)))
---local _, err = try(all_ok, {})
---assert(err.code == "nothing_done")
---```
---@param outcomes Outcome[]
---@return true  or raises `partial` with the first error, `nothing_done` when the list is empty
function all_ok(outcomes) end

-- Waiting -----------------------------------------------------------------------------------------------------------

---Waits; a restart does not shorten or lengthen it.
---```lua
---local before = now()
---sleep "2h"
---assert(now() - before >= 7200)
---```
---@async
---@param time duration
function sleep(time) end

---Calls fn again and again until it returns something true. Only what it ended with is journaled. It may read,
---and look into `store` (`get`, `list`).
---```lua
---local n = 0
---assert(await_until(function() n = n + 1 return n == 3 and "ready" end, { every = "10s", timeout = "5m" }) == "ready")
---```
---@async
---@generic T
---@param fn fun(): T
---@param options? { every?: duration, timeout?: duration }  "30s", "1h"
---@return T  what was true; or raises `timeout`, and what fn raises
function await_until(fn, options) end

-- Other runs --------------------------------------------------------------------------------------------------------

---Runs a playbook as a run of its own, with its own id and report, and waits for its end: one step of this one. It is
---of the same snapshot, and its caps are counted with this run's. When this branch is stopped, so is that run.
---```lua
---local seen = run_playbook("t1059.detect", { subject = { kind = "interpreter", name = "cmd.exe" } })
---assert(seen.verdict == "unknown")
---```
---@async
---@param name string     a playbook that `uses` grants
---@param input? table
---@return any result     what it returned; raises its error, `failed` when it was cancelled, `refused`, `bad_argument`
function run_playbook(name, input) end

---Begins a run of its own, and does not wait for it: whoever carries this run carries that one, too.
---```lua
---local id = start("t1059.detect", { subject = { kind = "interpreter", name = "cmd.exe" } })
---assert(#id == 26)
---```
---@async
---@param name string     a playbook that `uses` grants
---@param input? table
---@return string id      raises `refused`, `bad_argument`, and `quota` when runs begin runs more than 16 deep
function start(name, input) end

---Waits until something is sent to this run (by `signal` of another run, or `lunette signal`), and returns what. What
---comes before it is waited for is kept; each is taken once.
---```lua
---signal(run.id, "go", { n = 1 })
---assert(await_signal("go", { timeout = "1h" }).n == 1)
---```
---@async
---@param name string     1 to 200 bytes
---@param options? { timeout?: duration }  without one it waits for ever
---@return any value      or raises `timeout`
function await_signal(name, options) end

---Sends something to a run, which takes it with `await_signal`.
---```lua
---signal(run.id, "done")
---```
---@async
---@param id string       the run's whole id
---@param name string     1 to 200 bytes
---@param value? any      what can be stored
function signal(id, name, value) end

---Waits until no other branch, of this run or another, holds that name, and holds it until it is closed, or the run ends.
---```lua
---do
---  local held <close> = lock "firewall"
---  assert(held.name == "firewall")
---end
---```
---@async
---@param name string     1 to 200 bytes
---@return { name: string, close: fun(self) } held  a value to be closed; raises `bad_argument` when this branch holds it already
function lock(name) end

-- Time and chance ---------------------------------------------------------------------------------------------------

---The time: seconds since 1970 in UTC, as of the run's last step; the same in a replay.
---```lua
---assert(now() > 1.7e9)
---```
---@return number
function now() end

---So long before now().
---```lua
---assert(ago "1d" == now() - 86400)
---```
---@param time duration
---@return number
function ago(time) end

---A random number: 0 ≤ x < 1; with one bound a whole number from 1 to it; with two, from m to n. The same in a replay.
---It is not secret: see crypto.random_bytes.
---```lua
---local n = random(1, 6)
---assert(n >= 1 and n <= 6 and math.type(n) == "integer")
---```
---@param m? integer
---@param n? integer
---@return number  or raises `bad_argument` when there is nothing between the two
function random(m, n) end

---A new UUID (version 4); the same in a replay.
---```lua
---assert(uuid():match "^%x+%-%x+%-4%x+%-%x+%-%x+$")
---```
---@return string
function uuid() end

-- Failure -----------------------------------------------------------------------------------------------------------

---Raises an error with a code.
---```lua
---local _, err = try(fail, "stale", "the report is older than a week", { days = 9 })
---assert(err.code == "stale" and err.days == 9)
---```
---@param code string
---@param message? string   the code, when there is none
---@param fields? table     further members
---@return never
function fail(code, message, fields) end

---Calls a verb, and returns its error instead of raising it. `frozen`, `cancelled`, `doubt` and a divergence pass.
---```lua
---local okta = require "connectors.okta"
---local user, no = try(okta.user, { id = "00u0000000000000000" })
---assert(user == nil and no.code == "not_found")
---```
---@async
---@param verb function
---@param ... any     its arguments
---@return any ...    what it returned; or nil and the Error
function try(verb, ...) end

-- The site ----------------------------------------------------------------------------------------------------------

---Is it on the site's allowlist (`allow` in the configuration)? One of the two is enough. A sandbox never says that
---something is benign: only this, or a person, does.
---```lua
---local hash = ("ab"):rep(32)
---assert(allowed { sha256 = hash, path = "C:\\Tools\\backup.ps1" } == false)
---```
---@async
---@param what { sha256?: string, path?: string }  `path`: compared by the list's globs, without regard to case; one with `.` or `..` in it is in no list
---@return boolean  or raises `bad_argument` when neither is given
function allowed(what) end

-- The run, and libraries that need no require ----------------------------------------------------------------------

---The run that this is.
---```lua
---assert(#run.id == 26 and run.playbook)
---```
---@type { id: string, playbook: string }
run = {}

---Whether an alert is about an ATT&CK technique.
---```lua
---local is_t1059 = attack.is "T1059"
---assert(is_t1059 { technique = { id = "T1059.001", basis = "stated" } })
---```
---@type attack
attack = {}

---MITRE D3FEND's techniques.
---```lua
---assert(d3fend.tactic "D3-UAP" == "Isolate")
---```
---@type d3fend
d3fend = {}

---Remarks in the report.
---```lua
---log.info("the host answers", { after = 3 })
---```
---@type log
log = {}

---Values that runs share.
---```lua
---store.set("seen/WS-042", true)
---assert(store.get "seen/WS-042" == true)
---```
---@type store
store = {}
