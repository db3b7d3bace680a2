-- Written by docs/reference.lua (make reference): for editors; no run loads it.
---@meta connectors.crowdstrike

---@class connectors.crowdstrike
local crowdstrike = {}

---@class crowdstrike.AlertStatesArgs: ReadArgs
---@field alerts string[]|string

---How far alerts have been worked on, by composite id: the status and the comments of each that is there.
---@async
---@param args crowdstrike.AlertStatesArgs
---@return table
function crowdstrike.alert_states(args) end

---@class crowdstrike.AlertsArgs: ListArgs
---@field since moment
---@field before? moment

---@class crowdstrike.Alerts
---@field agent_id string
---@field cid string
---@field cmdline string
---@field composite_id string
---@field created_timestamp string
---@field device table
---@field display_name string
---@field filepath string
---@field platform string
---@field product string
---@field severity integer
---@field status string
---@field tactic string
---@field tactic_id string
---@field technique string
---@field technique_id string
---@field timestamp string
---@field type string

---Alerts made since a time, and before another, whole as the vendor keeps them; the oldest first.
---@async
---@param args crowdstrike.AlertsArgs
---@return crowdstrike.Alerts[]
function crowdstrike.alerts(args) end

---@class crowdstrike.AnalyseArgs: FlowArgs
---@field again? boolean  default false
---@field command_line? string
---@field environment? integer  default 160
---@field name? string
---@field sample? table
---@field sha256? string

---@class crowdstrike.Analyse
---@field created string
---@field environment integer
---@field id string
---@field sandbox table[]
---@field sha256 string
---@field submit_name string
---@field threat_score integer
---@field verdict string

---The sandbox's report on a sample: the newest there is, else it is submitted and waited for.
---@async
---@param args crowdstrike.AnalyseArgs
---@return crowdstrike.Analyse
function crowdstrike.analyse(args) end

---@class crowdstrike.AnalysisStatusArgs: ReadArgs
---@field id string

---@class crowdstrike.AnalysisStatus
---@field created string
---@field environment integer
---@field id string
---@field sha256 string
---@field state string
---@field tags string[]

---How far an analysis is: created, running, success or error.
---@async
---@param args crowdstrike.AnalysisStatusArgs
---@return crowdstrike.AnalysisStatus
function crowdstrike.analysis_status(args) end

---@class crowdstrike.ArchiveStatusArgs: ReadArgs
---@field archive string

---How far an uploaded archive is, and what is in it.
---@async
---@param args crowdstrike.ArchiveStatusArgs
---@return table
function crowdstrike.archive_status(args) end

---@class crowdstrike.CommentAlertsArgs: WriteArgs
---@field alerts string[]|string
---@field text string[]|string

---@class crowdstrike.CommentAlerts
---@field alerts string[]

---Adds one comment to alerts; its lines, and which run and step it is of.
---@async
---@param args crowdstrike.CommentAlertsArgs
---@return crowdstrike.CommentAlerts
function crowdstrike.comment_alerts(args) end

---@class crowdstrike.CreateIocArgs: WriteArgs
---@field action? "prevent"|"prevent_no_ui"|"detect"|"allow"|"no_action"  default prevent
---@field description? string
---@field domain? string
---@field expires? moment
---@field filename? string
---@field groups? string[]|string
---@field ip? string
---@field md5? string
---@field platforms? string[]|string
---@field severity? "informational"|"low"|"medium"|"high"|"critical"  default high
---@field sha256? string
---@field tags? string[]|string

---@class crowdstrike.CreateIoc
---@field action string
---@field expires? string
---@field former? table
---@field id string
---@field source string
---@field type string
---@field value string

---Makes an indicator of a file, domain or address, or gives the one there is this action.
---@async
---@param args crowdstrike.CreateIocArgs
---@return crowdstrike.CreateIoc
function crowdstrike.create_ioc(args) end

---@class crowdstrike.DeleteArchiveArgs: WriteArgs
---@field archive string

---@class crowdstrike.DeleteArchive
---@field archive string
---@field state string

---Takes an archive that was unpacked out of the store again.
---@async
---@param args crowdstrike.DeleteArchiveArgs
---@return crowdstrike.DeleteArchive
function crowdstrike.delete_archive(args) end

---@class crowdstrike.DeleteIocsArgs: WriteArgs
---@field ids string[]|string
---@field value? string

---@class crowdstrike.DeleteIocs
---@field id string
---@field removed table
---@field state string

---Deletes our own indicators, by id only; each is kept whole, to be made again.
---@async
---@param args crowdstrike.DeleteIocsArgs
---@return Outcome[]
function crowdstrike.delete_iocs(args) end

---@class crowdstrike.EndpointCountArgs: ReadArgs

---How many hosts Falcon knows.
---@async
---@param args crowdstrike.EndpointCountArgs
---@return integer
function crowdstrike.endpoint_count(args) end

---@class crowdstrike.ExtractArgs: WriteArgs
---@field archive string
---@field name string
---@field sha256 string

---@class crowdstrike.Extract
---@field name string
---@field sha256 string

---Makes a sample of one file of an uploaded archive; its hash must be the one named.
---@async
---@param args crowdstrike.ExtractArgs
---@return crowdstrike.Extract
function crowdstrike.extract(args) end

---@class crowdstrike.ExtractionStatusArgs: ReadArgs
---@field id string

---How far an extraction is, and which samples it made.
---@async
---@param args crowdstrike.ExtractionStatusArgs
---@return table
function crowdstrike.extraction_status(args) end

---@class crowdstrike.HostArgs: FlowArgs
---@field device? string|table
---@field hostname? string
---@field id? string
---@field ip? string
---@field seen_within? duration

---@class crowdstrike.Host
---@field agent_version string
---@field domain string
---@field external_ip string
---@field first_seen string
---@field hostname string
---@field id string
---@field ip string
---@field last_seen string
---@field mac string
---@field online boolean
---@field os string
---@field os_version string
---@field role string
---@field status string
---@field tags string[]

---Exactly one host.  Several of that name are ambiguous, unless `seen_within` leaves one.
---@async
---@param args crowdstrike.HostArgs
---@return crowdstrike.Host
function crowdstrike.host(args) end

---@class crowdstrike.HostDetailsArgs: ReadArgs
---@field host string|table

---@class crowdstrike.HostDetails
---@field agent_version string
---@field domain string
---@field external_ip string
---@field first_seen string
---@field hostname string
---@field id string
---@field ip string
---@field last_seen string
---@field mac string
---@field os string
---@field os_version string
---@field role string
---@field status string
---@field tags table

---One host by its id.
---@async
---@param args crowdstrike.HostDetailsArgs
---@return crowdstrike.HostDetails
function crowdstrike.host_details(args) end

---@class crowdstrike.HostStatesArgs: ReadArgs
---@field ids string[]|string

---@class crowdstrike.HostStates
---@field id string
---@field last_seen string
---@field state string

---Which of these hosts are on line: id, state (online, offline, unknown), last_seen.
---@async
---@param args crowdstrike.HostStatesArgs
---@return crowdstrike.HostStates[]
function crowdstrike.host_states(args) end

---@class crowdstrike.HostsArgs: ListArgs
---@field hostname? string
---@field id? string
---@field ip? string

---@class crowdstrike.Hosts
---@field agent_version string
---@field domain string
---@field external_ip string
---@field first_seen string
---@field hostname string
---@field id string
---@field ip string
---@field last_seen string
---@field mac string
---@field os string
---@field os_version string
---@field role string
---@field status string
---@field tags string[]

---Hosts by exact name, address or id, the last seen first.
---@async
---@param args crowdstrike.HostsArgs
---@return crowdstrike.Hosts[]
function crowdstrike.hosts(args) end

---@class crowdstrike.IocHostsArgs: ListArgs
---@field domain? string
---@field ip? string
---@field md5? string
---@field sha256? string

---The ids of the hosts on which a file was seen.
---@async
---@param args crowdstrike.IocHostsArgs
---@return table[]
function crowdstrike.ioc_hosts(args) end

---@class crowdstrike.IocsArgs: ListArgs
---@field action? string
---@field domain? string
---@field ip? string
---@field md5? string
---@field sha256? string
---@field source? string

---@class crowdstrike.Iocs
---@field action string
---@field applied_globally boolean
---@field created_by string
---@field created_on string
---@field deleted boolean
---@field description string
---@field expiration? string
---@field expired boolean
---@field id string
---@field modified_on string
---@field platforms string[]
---@field severity string
---@field source string
---@field type string
---@field value string

---Indicators, whole as the vendor keeps them.
---@async
---@param args crowdstrike.IocsArgs
---@return crowdstrike.Iocs[]
function crowdstrike.iocs(args) end

---@class crowdstrike.IocsByIdArgs: ReadArgs
---@field ids string[]|string

---Indicators by their ids; one that is gone is not in the list.
---@async
---@param args crowdstrike.IocsByIdArgs
---@return table
function crowdstrike.iocs_by_id(args) end

---@class crowdstrike.ReportArgs: ReadArgs
---@field id string
---@field full? boolean  default false

---@class crowdstrike.Report
---@field created string
---@field environment integer
---@field id string
---@field sandbox table[]
---@field sha256 string
---@field submit_name string
---@field threat_score integer
---@field verdict string

---One report; `full` for everything that was observed, which can be megabytes.
---@async
---@param args crowdstrike.ReportArgs
---@return crowdstrike.Report
function crowdstrike.report(args) end

---@class crowdstrike.ReportsArgs: ListArgs
---@field environment? integer
---@field failed? boolean  default false
---@field ids? string[]|string
---@field sha256? string

---@class crowdstrike.Reports
---@field created string
---@field environment integer
---@field error? table
---@field id string
---@field sandbox table[]
---@field sha256 string
---@field submit_name string
---@field threat_score? integer
---@field verdict string

---The sandbox's reports on a file, newest first, at most 50; failed analyses only when asked for.
---@async
---@param args crowdstrike.ReportsArgs
---@return crowdstrike.Reports[]
function crowdstrike.reports(args) end

---@class crowdstrike.RtrCheckHashArgs: ReadArgs
---@field host string|table
---@field path string

---@class crowdstrike.RtrCheckHash
---@field exists boolean
---@field host string
---@field md5? string
---@field path string
---@field sha1? string
---@field sha256? string

---The hashes of a file on a host, or that it is not there.
---@async
---@param args crowdstrike.RtrCheckHashArgs
---@return crowdstrike.RtrCheckHash
function crowdstrike.rtr_check_hash(args) end

---@class crowdstrike.RtrCloseArgs: ReadArgs
---@field session string

---@class crowdstrike.RtrClose
---@field session string
---@field state string

---Closes a session; one that is closed already is fine.
---@async
---@param args crowdstrike.RtrCloseArgs
---@return crowdstrike.RtrClose
function crowdstrike.rtr_close(args) end

---@class crowdstrike.RtrCommandArgs: ReadArgs
---@field command "ls"|"ps"|"filehash"|"netstat"|"ipconfig"|"mount"
---@field host string|table
---@field path? string

---@class crowdstrike.RtrCommand
---@field stderr string
---@field stdout string

---One read-only command on a host: stdout and stderr as it wrote them.
---@async
---@param args crowdstrike.RtrCommandArgs
---@return crowdstrike.RtrCommand
function crowdstrike.rtr_command(args) end

---@class crowdstrike.RtrDeleteFileArgs: WriteArgs
---@field id string
---@field session string

---@class crowdstrike.RtrDeleteFile
---@field id string
---@field state string

---Deletes a fetched file from the vendor's cloud.
---@async
---@param args crowdstrike.RtrDeleteFileArgs
---@return crowdstrike.RtrDeleteFile
function crowdstrike.rtr_delete_file(args) end

---@class crowdstrike.RtrDownloadArgs: ReadArgs
---@field session string
---@field sha256 string
---@field name? string  default sample

---A fetched file, sealed: a 7z with the password "infected".
---@async
---@param args crowdstrike.RtrDownloadArgs
---@return blob
function crowdstrike.rtr_download(args) end

---@class crowdstrike.RtrFilesArgs: ListArgs
---@field session string

---@class crowdstrike.RtrFiles
---@field bytes integer
---@field complete boolean
---@field created string
---@field id string
---@field name string
---@field progress number
---@field request string
---@field session string
---@field sha256? string
---@field stage string

---The files that a session has fetched, those of other runs on that host too.
---@async
---@param args crowdstrike.RtrFilesArgs
---@return crowdstrike.RtrFiles[]
function crowdstrike.rtr_files(args) end

---@class crowdstrike.RtrGetArgs: WriteArgs
---@field host string|table
---@field path string

---@class crowdstrike.RtrGet
---@field host string
---@field path string
---@field request string
---@field session string

---Has a host send a file to the vendor's cloud; it is there once the session says complete.
---@async
---@param args crowdstrike.RtrGetArgs
---@return crowdstrike.RtrGet
function crowdstrike.rtr_get(args) end

---@class crowdstrike.RtrGetFileArgs: FlowArgs
---@field host string|table
---@field path string
---@field sha256? string

---@class crowdstrike.RtrGetFile
---@field archive string
---@field blob blob
---@field bytes integer
---@field host string
---@field md5 string
---@field name string
---@field path string
---@field sha1 string
---@field sha256 string

---A file from a host, sealed in an archive; with `sha256`, only if it is that file.
---@async
---@param args crowdstrike.RtrGetFileArgs
---@return crowdstrike.RtrGetFile
function crowdstrike.rtr_get_file(args) end

---@class crowdstrike.RtrHostFilesArgs: ListArgs
---@field host string|table

---The files that our session on a host has fetched.
---@async
---@param args crowdstrike.RtrHostFilesArgs
---@return table[]
function crowdstrike.rtr_host_files(args) end

---@class crowdstrike.RtrKillArgs: WriteArgs
---@field host string|table
---@field image string
---@field pid integer
---@field started moment

---@class crowdstrike.RtrKill
---@field host string
---@field pid integer
---@field state string

---Ends one process on a host, if pid, image and start are those that are meant.
---@async
---@param args crowdstrike.RtrKillArgs
---@return crowdstrike.RtrKill
function crowdstrike.rtr_kill(args) end

---@class crowdstrike.RtrKillProcessArgs: FlowArgs
---@field host string|table
---@field image string
---@field pid integer
---@field started moment

---@class crowdstrike.RtrKillProcess
---@field host string
---@field pid integer
---@field state string

---Ends a process after checking its image and start, and checks that it has ended.
---@async
---@param args crowdstrike.RtrKillProcessArgs
---@return crowdstrike.RtrKillProcess
function crowdstrike.rtr_kill_process(args) end

---@class crowdstrike.RtrOutputArgs: ListArgs
---@field request string
---@field level? "read"|"active"  default read

---What a command has answered so far, in pieces.
---@async
---@param args crowdstrike.RtrOutputArgs
---@return table[]
function crowdstrike.rtr_output(args) end

---@class crowdstrike.RtrProcessesArgs: ReadArgs
---@field host string|table

---@class crowdstrike.RtrProcesses
---@field name string
---@field path string
---@field pid integer
---@field started string

---What runs on a host: pid, name, path, started.
---@async
---@param args crowdstrike.RtrProcessesArgs
---@return crowdstrike.RtrProcesses[]
function crowdstrike.rtr_processes(args) end

---@class crowdstrike.RtrRefreshArgs: ReadArgs
---@field host string|table

---@class crowdstrike.RtrRefresh
---@field host string

---Keeps a host's session alive.
---@async
---@param args crowdstrike.RtrRefreshArgs
---@return crowdstrike.RtrRefresh
function crowdstrike.rtr_refresh(args) end

---@class crowdstrike.RtrRemoveFileArgs: FlowArgs
---@field host string|table
---@field path string
---@field sha256 string

---@class crowdstrike.RtrRemoveFile
---@field host string
---@field path string
---@field sha256 string
---@field state string

---Removes a file from a host after checking its hash, and checks that it is gone.
---@async
---@param args crowdstrike.RtrRemoveFileArgs
---@return crowdstrike.RtrRemoveFile
function crowdstrike.rtr_remove_file(args) end

---@class crowdstrike.RtrRmArgs: WriteArgs
---@field host string|table
---@field path string
---@field sha256 string

---@class crowdstrike.RtrRm
---@field host string
---@field path string
---@field sha256 string
---@field state string

---Removes one file from a host, if it still has the hash that is meant.
---@async
---@param args crowdstrike.RtrRmArgs
---@return crowdstrike.RtrRm
function crowdstrike.rtr_rm(args) end

---@class crowdstrike.RtrSessionArgs: ReadArgs
---@field host string|table

---@class crowdstrike.RtrSession
---@field created string
---@field host string
---@field session string

---Opens a session on a host that is on line, or gets the one that we hold there.
---@async
---@param args crowdstrike.RtrSessionArgs
---@return crowdstrike.RtrSession
function crowdstrike.rtr_session(args) end

---@class crowdstrike.SamplesKnownArgs: ReadArgs
---@field sha256s string[]|string

---Which of these files are in the sample store.
---@async
---@param args crowdstrike.SamplesKnownArgs
---@return table
function crowdstrike.samples_known(args) end

---@class crowdstrike.SandboxQuotaArgs: ReadArgs

---@class crowdstrike.SandboxQuota
---@field in_progress integer
---@field total integer
---@field used integer

---How much of the sandbox's quota is used; asking spends none of it.
---@async
---@param args crowdstrike.SandboxQuotaArgs
---@return crowdstrike.SandboxQuota
function crowdstrike.sandbox_quota(args) end

---@class crowdstrike.SetAlertStatusArgs: WriteArgs
---@field alerts string[]|string
---@field status "new"|"in_progress"|"reopened"|"closed"

---@class crowdstrike.SetAlertStatus
---@field alerts string[]
---@field status string

---Says of alerts how far the work on them is.
---@async
---@param args crowdstrike.SetAlertStatusArgs
---@return crowdstrike.SetAlertStatus
function crowdstrike.set_alert_status(args) end

---@class crowdstrike.SubmissionsArgs: ListArgs
---@field sha256 string
---@field environment? integer

---What was submitted to the sandbox, newest first (at most 50).
---@async
---@param args crowdstrike.SubmissionsArgs
---@return table[]
function crowdstrike.submissions(args) end

---@class crowdstrike.SubmitArgs: WriteArgs
---@field sha256 string
---@field command_line? string
---@field environment? integer  default 160
---@field name? string
---@field network? "default"|"tor"|"simulated"|"offline"  default default
---@field password? string
---@field script? string  default default
---@field tags? string[]|string

---@class crowdstrike.Submit
---@field environment integer
---@field id string
---@field sha256 string
---@field state string

---Has a stored sample analysed, and waits for the end.  Each call spends quota.
---@async
---@param args crowdstrike.SubmitArgs
---@return crowdstrike.Submit
function crowdstrike.submit(args) end

---@class crowdstrike.UploadArchiveArgs: WriteArgs
---@field name string
---@field sample blob
---@field comment? string
---@field password? string  default infected

---@class crowdstrike.UploadArchive
---@field archive string
---@field files string[]

---Gives the archive service a sealed file, to unpack it there.
---@async
---@param args crowdstrike.UploadArchiveArgs
---@return crowdstrike.UploadArchive
function crowdstrike.upload_archive(args) end

---@class crowdstrike.UploadSampleArgs: WriteArgs
---@field sample blob
---@field comment? string
---@field confidential? boolean  default true
---@field name? string

---@class crowdstrike.UploadSample
---@field name string
---@field sha256 string

---Puts a file into the sample store, for our own eyes only.
---@async
---@param args crowdstrike.UploadSampleArgs
---@return crowdstrike.UploadSample
function crowdstrike.upload_sample(args) end

return crowdstrike
