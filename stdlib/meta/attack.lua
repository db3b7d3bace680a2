-- Written by docs/reference.lua (make reference): for editors; no run loads it.
---@meta attack

---MITRE ATT&CK as a playbook needs it: is this alert about that technique?
---@class attack
local attack = {}

---The ATT&CK id within a text ("V9.T1059.003", "T1059.001 - Command and Scripting Interpreter: PowerShell"),
---with a retired one replaced by its successor.
---@param text any
---@return string? id      nil when there is none
---@return string? retired  the id as the text has it, if it is retired
function attack.id(text) end

---The name of a technique that is known here.
---@param id string
---@return string?
function attack.name(id) end

---The id that stands in the place of a retired one.
---@param id string
---@return string?          nil when it is not retired, or not known here
function attack.successor(id) end

---Of several ids that a document states, the one that the alert is about: an interpreter's before all others
---(it is what can be acted on), a sub-technique before a technique, then the one named first.
---@param ids string[]
---@return string?
function attack.pick(ids) end

---Whether an image is an interpreter, or a system binary that runs what it is given (mshta, rundll32,
---regsvr32).
---@param image string a path or a name
---@return string? stem "powershell", "python" …; nil: it is not
function attack.interpreter(image) end

---The sub-technique of an interpreter that was started; what it was given decides where one interpreter has
---several.
---@param image string
---@param given string? the script's path or text
---@return string? id
function attack.execution(image, given) end

---A technique, other than an interpreter's, that an image and its command line show.
---@param image string
---@param cmd_line string
---@return string? id
---@return string? name
---@return string? tactic
function attack.observed(image, cmd_line) end

---The sub-technique that an alert's title speaks of.
---@param title string
---@return string? id
function attack.from_title(title) end

---The tactic of a technique that is known here: "execution" for all of T1059.
---@param id string
---@return string?
function attack.tactic(id) end

---Whether an alert is about a technique or one of its sub-techniques.
---@param alert table    a normalised alert
---@param id string      "T1059", or a retired id
---@param opts? { basis?: "stated" }  "stated": only where the document itself names the id
---@return boolean
function attack.under(alert, id, opts) end

---A function for a playbook's `on`: `on = attack.is "T1059"`.
---@param id string
---@param opts? { basis?: "stated" }
---@return fun(alert: table): boolean
function attack.is(id, opts) end

return attack
