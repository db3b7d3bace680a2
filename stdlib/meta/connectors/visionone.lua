-- Written by docs/reference.lua (make reference): for editors; no run loads it.
---@meta connectors.visionone

---@class connectors.visionone
local visionone = {}

---@class visionone.AddExceptionArgs: WriteArgs
---@field description? string
---@field domain? string
---@field file? table
---@field ip? string
---@field sender? string
---@field sha1? string
---@field sha256? string
---@field url? string

---@class visionone.AddException
---@field ip? string
---@field sha1? string
---@field sha256? string
---@field state string
---@field type string

---Allows an object whatever the lists say: protection against it ends.
---@async
---@param args visionone.AddExceptionArgs
---@return visionone.AddException
function visionone.add_exception(args) end

---@class visionone.AddSuspiciousObjectArgs: WriteArgs
---@field action? "block"|"log"  default block
---@field days? integer
---@field description? string
---@field domain? string
---@field file? table
---@field ip? string
---@field risk? "high"|"medium"|"low"  default high
---@field sender? string
---@field sha1? string
---@field sha256? string
---@field url? string

---@class visionone.AddSuspiciousObject
---@field domain? string
---@field former? table
---@field ip? string
---@field sha256? string
---@field state string
---@field type string

---Puts an object on the list of suspicious objects, to be blocked or only logged.
---@async
---@param args visionone.AddSuspiciousObjectArgs
---@return visionone.AddSuspiciousObject
function visionone.add_suspicious_object(args) end

---@class visionone.AlertArgs: ReadArgs
---@field id string

---How far a Workbench alert has been worked on, and the version that a change of it must name.
---@async
---@param args visionone.AlertArgs
---@return table
function visionone.alert(args) end

---@class visionone.AlertNotesArgs: ListArgs
---@field id string

---@class visionone.AlertNotes
---@field id string
---@field text string

---The notes of a Workbench alert.
---@async
---@param args visionone.AlertNotesArgs
---@return visionone.AlertNotes[]
function visionone.alert_notes(args) end

---@class visionone.AlertsArgs: ListArgs
---@field since moment
---@field before? moment

---@class visionone.Alerts
---@field alertProvider string
---@field createdDateTime string
---@field description string
---@field id string
---@field impactScope table
---@field indicators table[]
---@field investigationResult string
---@field investigationStatus string
---@field matchedRules table[]
---@field model string
---@field modelId string
---@field modelType string
---@field ownerIds table
---@field schemaVersion string
---@field score integer
---@field severity string
---@field status string
---@field updatedDateTime string
---@field workbenchLink string

---Workbench alerts made since a time, and before another, whole as the vendor keeps them.
---@async
---@param args visionone.AlertsArgs
---@return visionone.Alerts[]
function visionone.alerts(args) end

---@class visionone.BlockArgs: WriteArgs
---@field description? string
---@field domain? string
---@field file? table
---@field ip? string
---@field sender? string
---@field sha1? string
---@field sha256? string
---@field url? string

---@class visionone.Block
---@field domain? string
---@field ip? string
---@field sha1? string
---@field sha256? string
---@field state string
---@field type string

---Denies a file, address, domain, URL or sender everywhere; running processes go on.
---@async
---@param args visionone.BlockArgs
---@return visionone.Block
function visionone.block(args) end

---@class visionone.BlockProgressArgs: ListArgs
---@field sha256? string
---@field task? string

---How far a block, or its end, has come.
---@async
---@param args visionone.BlockProgressArgs
---@return table[]
function visionone.block_progress(args) end

---@class visionone.CommentAlertsArgs: WriteArgs
---@field alerts string[]|string
---@field text string[]|string

---@class visionone.CommentAlerts
---@field alert string
---@field note string

---Adds a note to Workbench alerts; its lines, and which run and step it is of.
---@async
---@param args visionone.CommentAlertsArgs
---@return Outcome[]
function visionone.comment_alerts(args) end

---@class visionone.EndIsolationArgs: WriteArgs
---@field host string|table
---@field description? string

---@class visionone.EndIsolation
---@field host string
---@field hostname string
---@field state string
---@field task string
---@field verified boolean

---Connects an isolated endpoint again.
---@async
---@param args visionone.EndIsolationArgs
---@return visionone.EndIsolation
function visionone.end_isolation(args) end

---@class visionone.EndpointArgs: FlowArgs
---@field device? string|table
---@field hostname? string
---@field id? string
---@field ip? string
---@field seen_within? duration

---@class visionone.Endpoint
---@field hostname string
---@field id string
---@field ip string[]
---@field isolation string
---@field last_seen string
---@field mac string[]
---@field os string
---@field os_version string
---@field product string
---@field role string
---@field users string[]

---Exactly one endpoint.  Several of that name are ambiguous, unless `seen_within` leaves one.
---@async
---@param args visionone.EndpointArgs
---@return visionone.Endpoint
function visionone.endpoint(args) end

---@class visionone.EndpointCountArgs: ReadArgs

---How many endpoints Vision One knows.
---@async
---@param args visionone.EndpointCountArgs
---@return integer
function visionone.endpoint_count(args) end

---@class visionone.EndpointsArgs: ListArgs
---@field hostname? string
---@field id? string
---@field ip? string

---@class visionone.Endpoints
---@field hostname string
---@field id string
---@field ip string[]
---@field last_seen string
---@field mac string[]
---@field os string
---@field os_version string
---@field product string
---@field role string
---@field users string[]

---Endpoints by exact name, address or agent GUID.
---@async
---@param args visionone.EndpointsArgs
---@return visionone.Endpoints[]
function visionone.endpoints(args) end

---@class visionone.ExceptionsArgs: ListArgs
---@field domain? string
---@field ip? string
---@field sender? string
---@field sha1? string
---@field sha256? string
---@field url? string

---@class visionone.Exceptions
---@field description string
---@field modified string
---@field type string
---@field value string

---What is on the exception list, which wins over every block.
---@async
---@param args visionone.ExceptionsArgs
---@return visionone.Exceptions[]
function visionone.exceptions(args) end

---@class visionone.IsolateArgs: WriteArgs
---@field host string|table
---@field description? string

---@class visionone.Isolate
---@field host string
---@field hostname string
---@field state string
---@field task string
---@field verified boolean

---Cuts an endpoint off the network, and returns when it says that it is.
---@async
---@param args visionone.IsolateArgs
---@return visionone.Isolate
function visionone.isolate(args) end

---@class visionone.IsolationArgs: ReadArgs
---@field host string|table

---@class visionone.Isolation
---@field hostname string
---@field id string
---@field isolation string

---Whether an endpoint is isolated: on, off or unknown.
---@async
---@param args visionone.IsolationArgs
---@return visionone.Isolation
function visionone.isolation(args) end

---@class visionone.IsolationProgressArgs: ListArgs
---@field host string|table
---@field task string

---How far an isolation, or its end, has come: the task, and then the endpoint.
---@async
---@param args visionone.IsolationProgressArgs
---@return table[]
function visionone.isolation_progress(args) end

---@class visionone.RemoveExceptionArgs: WriteArgs
---@field domain? string
---@field file? table
---@field ip? string
---@field sender? string
---@field sha1? string
---@field sha256? string
---@field url? string

---@class visionone.RemoveException
---@field former table
---@field sha256 string
---@field state string
---@field type string

---Takes an object off the exception list.
---@async
---@param args visionone.RemoveExceptionArgs
---@return visionone.RemoveException
function visionone.remove_exception(args) end

---@class visionone.RemoveSuspiciousObjectArgs: WriteArgs
---@field domain? string
---@field file? table
---@field ip? string
---@field sender? string
---@field sha1? string
---@field sha256? string
---@field url? string

---@class visionone.RemoveSuspiciousObject
---@field domain? string
---@field former table
---@field sha256? string
---@field state string
---@field type string

---Takes an object off the list of suspicious objects; it is kept, to be put back.
---@async
---@param args visionone.RemoveSuspiciousObjectArgs
---@return visionone.RemoveSuspiciousObject
function visionone.remove_suspicious_object(args) end

---@class visionone.SetAlertStatusArgs: WriteArgs
---@field alerts string[]|string
---@field status "new"|"in_progress"|"closed"
---@field finding? string

---@class visionone.SetAlertStatus
---@field alert string
---@field status string

---Says of Workbench alerts how far the work on them is, and what was found, if that is given.
---@async
---@param args visionone.SetAlertStatusArgs
---@return Outcome[]
function visionone.set_alert_status(args) end

---@class visionone.SuspiciousObjectsArgs: ListArgs
---@field action? string
---@field domain? string
---@field ip? string
---@field risk? string
---@field sender? string
---@field sha1? string
---@field sha256? string
---@field url? string

---@class visionone.SuspiciousObjects
---@field action string
---@field description string
---@field excepted boolean
---@field expires string
---@field modified string
---@field risk string
---@field type string
---@field value string

---What is on the list of suspicious objects.
---@async
---@param args visionone.SuspiciousObjectsArgs
---@return visionone.SuspiciousObjects[]
function visionone.suspicious_objects(args) end

---@class visionone.TaskArgs: ReadArgs
---@field id string

---@class visionone.Task
---@field action string
---@field created string
---@field description string
---@field host string
---@field hostname string
---@field id string
---@field name? string
---@field sha1? string
---@field status string
---@field updated string

---One task: queued, running, pendingApproval, succeeded, failed, canceled or rejected.
---@async
---@param args visionone.TaskArgs
---@return visionone.Task
function visionone.task(args) end

---@class visionone.TasksArgs: ListArgs
---@field action? string
---@field since? moment
---@field status? string

---@class visionone.Tasks
---@field action string
---@field created string
---@field description string
---@field host? string
---@field hostname? string
---@field id string
---@field status string
---@field updated string

---Tasks by action or status, from a time on.
---@async
---@param args visionone.TasksArgs
---@return visionone.Tasks[]
function visionone.tasks(args) end

---@class visionone.TerminateProcessArgs: WriteArgs
---@field host string|table
---@field description? string
---@field file? table
---@field name? string
---@field pid? integer
---@field sha1? string

---@class visionone.TerminateProcess
---@field host string
---@field sha1 string
---@field state string
---@field task string

---Ends every process on an endpoint that runs this image file (by its SHA-1).
---@async
---@param args visionone.TerminateProcessArgs
---@return visionone.TerminateProcess
function visionone.terminate_process(args) end

---@class visionone.UnblockArgs: WriteArgs
---@field description? string
---@field domain? string
---@field file? table
---@field ip? string
---@field sender? string
---@field sha1? string
---@field sha256? string
---@field url? string

---@class visionone.Unblock
---@field former table
---@field sha1? string
---@field sha256? string
---@field state string
---@field type string

---Takes an object off the list that `block` put it on.
---@async
---@param args visionone.UnblockArgs
---@return visionone.Unblock
function visionone.unblock(args) end

---@class visionone.WatchArgs: WriteArgs
---@field days? integer
---@field description? string
---@field domain? string
---@field file? table
---@field ip? string
---@field risk? "high"|"medium"|"low"  default high
---@field sender? string
---@field sha1? string
---@field sha256? string
---@field url? string

---@class visionone.Watch
---@field sha256 string
---@field state string
---@field type string

---Has an object reported wherever it is seen, and nothing else done about it.
---@async
---@param args visionone.WatchArgs
---@return visionone.Watch
function visionone.watch(args) end

return visionone
