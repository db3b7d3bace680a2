-- Written by docs/reference.lua (make reference): for editors; no run loads it.
---@meta connectors.qualys

---@class connectors.qualys
local qualys = {}

---@class qualys.CancelScanArgs: WriteArgs
---@field ref string

---@class qualys.CancelScan
---@field duration string
---@field ended boolean
---@field kind string
---@field launched string
---@field priority string
---@field processed boolean
---@field reached boolean
---@field ref string
---@field state string
---@field target string
---@field title string
---@field user string

---Cancels a scan, and follows it until it has ended.
---@async
---@param args qualys.CancelScanArgs
---@return qualys.CancelScan
function qualys.cancel_scan(args) end

---@class qualys.DetectionsArgs: FlowArgs
---@field ids? string
---@field ips? string
---@field qids? string
---@field severities? string
---@field show_igs? boolean  default false
---@field status? string
---@field updated_since? moment
---@field vm_scan_since? moment
---@field with? "knowledge"

---@class qualys.Detections
---@field category? string
---@field consequence? string
---@field cve? string[]
---@field cvss? number
---@field diagnosis? string
---@field disabled boolean
---@field dns string
---@field first_found string
---@field host_id string
---@field hostname string
---@field id string
---@field ignored boolean
---@field ip string
---@field kind string
---@field last_found string
---@field last_scan string
---@field level integer
---@field os string
---@field patchable? boolean
---@field port? integer
---@field protocol? string
---@field qid integer
---@field results string
---@field severity string
---@field solution? string
---@field ssl? boolean
---@field status string
---@field times_found integer
---@field title? string

---Lists what was found on hosts; with = "knowledge" adds title, remedy and CVEs to each.
---@async
---@param args qualys.DetectionsArgs
---@return qualys.Detections[]
function qualys.detections(args) end

---@class qualys.HostDetectionsArgs: ListArgs
---@field ids? string
---@field ips? string
---@field qids? string
---@field severities? string
---@field show_igs? boolean  default false
---@field status? string
---@field updated_since? moment
---@field vm_scan_since? moment

---@class qualys.HostDetections
---@field disabled boolean
---@field dns string
---@field first_found string
---@field host_id string
---@field hostname string
---@field id string
---@field ignored boolean
---@field ip string
---@field kind string
---@field last_found string
---@field last_scan string
---@field level integer
---@field os string
---@field port? integer
---@field protocol? string
---@field qid integer
---@field results string
---@field severity string
---@field ssl? boolean
---@field status string
---@field times_found integer

---Lists what was found on hosts, across scans; page by page, without the knowledge base.
---@async
---@param args qualys.HostDetectionsArgs
---@return qualys.HostDetections[]
function qualys.host_detections(args) end

---@class qualys.KnowledgeArgs: ListArgs
---@field qids integer[]|integer

---@class qualys.Knowledge
---@field category string
---@field consequence string
---@field customised boolean
---@field cve string[]
---@field cvss number
---@field diagnosis string
---@field kind string
---@field level integer
---@field patchable boolean
---@field published string
---@field qid integer
---@field severity string
---@field solution string
---@field title string

---Reads what the knowledge base says of QIDs: title, severity, remedy.  Unknown: left out.
---@async
---@param args qualys.KnowledgeArgs
---@return qualys.Knowledge[]
function qualys.knowledge(args) end

---@class qualys.LaunchScanArgs: WriteArgs
---@field ip string
---@field default_scanner? boolean
---@field option? string
---@field option_id? integer
---@field priority? integer  default 0
---@field scanner? string
---@field scanner_id? integer
---@field title? string

---@class qualys.LaunchScan
---@field duration string
---@field ended boolean
---@field kind string
---@field launched string
---@field priority string
---@field processed boolean
---@field reached boolean
---@field ref string
---@field state string
---@field sub_state? string
---@field target string
---@field title string
---@field user string

---Launches a scan and follows it to its end; wait = false returns its reference at once.
---@async
---@param args qualys.LaunchScanArgs
---@return qualys.LaunchScan
function qualys.launch_scan(args) end

---@class qualys.RecentScansArgs: ListArgs
---@field within duration

---@class qualys.RecentScans
---@field duration string
---@field ended boolean
---@field kind string
---@field launched string
---@field priority string
---@field processed boolean
---@field reached boolean
---@field ref string
---@field state string
---@field target string
---@field title string
---@field user string

---Lists the scans that were launched by API in the last seconds of the vendor's clock.
---@async
---@param args qualys.RecentScansArgs
---@return qualys.RecentScans[]
function qualys.recent_scans(args) end

---@class qualys.ScanArgs: FlowArgs
---@field ip string
---@field default_scanner? boolean
---@field option? string
---@field option_id? integer
---@field priority? integer  default 0
---@field scanner? string
---@field scanner_id? integer
---@field title? string

---@class qualys.Scan
---@field dropped table
---@field duration string
---@field ended boolean
---@field kind string
---@field launched string
---@field priority string
---@field processed boolean
---@field reached boolean
---@field ref string
---@field state string
---@field target string
---@field title string
---@field user string

---Scans hosts and follows it; raises not_reached or partial where not all were looked at.
---@async
---@param args qualys.ScanArgs
---@return qualys.Scan
function qualys.scan(args) end

---@class qualys.ScanListArgs: ListArgs
---@field ref string

---Lists the scan of a reference: one, or none while it is not listed or cannot be seen.
---@async
---@param args qualys.ScanListArgs
---@return table[]
function qualys.scan_list(args) end

---@class qualys.ScanResultsArgs: ReadArgs
---@field ref string
---@field ips? string

---@class qualys.ScanResults
---@field active_hosts integer
---@field findings table[]
---@field hosts table[]
---@field launched string
---@field option string
---@field ref string
---@field scanner string
---@field state string
---@field target string
---@field title string
---@field total_hosts integer

---Fetches what one scan found, with severity, title and remedy.
---@async
---@param args qualys.ScanResultsArgs
---@return qualys.ScanResults
function qualys.scan_results(args) end

---@class qualys.ScanStatusArgs: ReadArgs
---@field ref string

---@class qualys.ScanStatus
---@field duration string
---@field ended boolean
---@field kind string
---@field launched string
---@field priority string
---@field processed boolean
---@field reached boolean
---@field ref string
---@field state string
---@field target string
---@field title string
---@field user string

---Reads one scan: its state, and whether anybody was reached.
---@async
---@param args qualys.ScanStatusArgs
---@return qualys.ScanStatus
function qualys.scan_status(args) end

---@class qualys.ScannedHostsArgs: ListArgs
---@field ids? string
---@field ips? string
---@field no_vm_scan_since? moment
---@field os_pattern? string
---@field vm_scan_since? moment

---@class qualys.ScannedHosts
---@field asset_id string
---@field dns string
---@field fqdn string
---@field hostname string
---@field id string
---@field ip string
---@field last_processed string
---@field last_scan string
---@field netbios string
---@field network_id string
---@field os string
---@field tracking string

---Lists the hosts that were scanned, and when; one that never was is not in it.
---@async
---@param args qualys.ScannedHostsArgs
---@return qualys.ScannedHosts[]
function qualys.scanned_hosts(args) end

---@class qualys.WaitScanArgs: FlowArgs
---@field ref string

---@class qualys.WaitScan
---@field dropped table
---@field duration string
---@field ended boolean
---@field kind string
---@field launched string
---@field priority string
---@field processed boolean
---@field reached boolean
---@field ref string
---@field state string
---@field target string
---@field title string
---@field user string

---Waits until a scan has ended; raises as scan does.
---@async
---@param args qualys.WaitScanArgs
---@return qualys.WaitScan
function qualys.wait_scan(args) end

return qualys
