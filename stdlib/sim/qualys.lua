-- qualys.lua: a strict simulator of the Qualys VM/VMDR XML API, as far as the connector uses it.
--
-- Facts: the vendor's manuals (error codes, response headers, host lists, scan list, versioning), recorded
-- replies in JupiterOne's graph-qualys, and the clients qualysdk, pyqualys, demisto/content, content-hub and
-- terraform-provider-qualys.  It refuses what Qualys refuses (no X-Requested-With, an unknown, missing,
-- doubled, empty or malformed parameter, GET where POST is needed) with the CODE that it gives, and keeps
-- Qualys's habits: errors are XML whatever was asked for, a blocked call is a 409, nothing found is a reply
-- without its list, lists are cut with WARNING 1980 and an address on the vendor's own name, text is CDATA
-- among newlines, comments stand before and after the root, results are JSON called text/html, targets out
-- of scope vanish without a word, and a scan passes through Queued, Running and Loading before it is
-- Finished, perhaps with nobody reached.
--
-- Where no source tells a status it is a guess: no X-Requested-With is 400, results
-- too early are 409 with CODE 15003, an end of a scan that has ended is 409 with CODE 1920.
--
-- What a test may set: state.limit (calls an hour for each API, 300), state.concurrency (2), state.page
-- (hosts a page at most, 1000), state.times ({ queued, running, loading, processing } in seconds),
-- state.forced[ref] = { state, sub_state } (a scan that a person paused, that failed …), state.listed_after
-- (seconds until a scan shows in the list).

local kit  = require "sim.kit"
local json = require "json"

local USER, PASSWORD = "theshire_lu1", "simulated-qualys-password"
-- Absolute addresses in replies are on the vendor's own name, where nobody of ours must go.
local PLATFORM = "https://qualysapi.qg2.apps.qualys.example"

-- XML -----------------------------------------------------------------------------------------------------

local function escape(s) return (tostring(s):gsub("[&<>]", { ["&"] = "&amp;", ["<"] = "&lt;",
                                                             [">"] = "&gt;" })) end

local function element(name, value)
  if value == nil then return "" end
  if value == "" then return ("<%s />\n"):format(name) end
  return ("<%s>%s</%s>\n"):format(name, escape(value), name)
end

-- Text as the vendor writes it: CDATA, padded.
local function cdata(name, value)
  if value == nil then return "" end
  return ("<%s><![CDATA[\n%s\n]]></%s>\n"):format(name, (tostring(value):gsub("]]>", "]] >")), name)
end

local function wrap(name, inner) return ("<%s>\n%s</%s>\n"):format(name, inner, name) end

local function document(root, dtd, inner)
  local head = '<?xml version="1.0" encoding="UTF-8" ?>\n<!DOCTYPE %s SYSTEM "%s%s">\n<!-- for %s -->\n'
  local tail = "<!-- CONFIDENTIAL AND PROPRIETARY INFORMATION. -->\n"
  return head:format(root, PLATFORM, dtd, USER) .. wrap(root, inner) .. tail
end

local function xml_response(status, body, kind)
  return { status = status, headers = { { "Content-Type", kind or "application/xml" } }, body = body }
end

local function simple(req, status, code, text, items)
  local list = ""
  for _, kv in ipairs(items or {}) do list = list .. wrap("ITEM",
                                                          element("KEY", kv[1]) .. element("VALUE",
                                                                                           kv[2])) end
  local inner = element("DATETIME", kit.iso(req.now)) .. element("CODE", code) .. element("TEXT", text)
                .. (list ~= "" and wrap("ITEM_LIST", list) or "")
  local dtd = code and "/api/2.0/simple_return.dtd" or "/api/2.0/fo/scan/dtd/launch_output.dtd"
  return xml_response(status, document("SIMPLE_RETURN", dtd, wrap("RESPONSE", inner)),
                      code and "text/xml;charset=UTF-8" or nil)
end

local function listing(req, root, dtd, inner)
  return xml_response(200, document(root, dtd, wrap("RESPONSE",
                                                    element("DATETIME", kit.iso(req.now)) .. inner)))
end

-- Parameters ----------------------------------------------------------------------------------------------

-- The parameters of a call; a repeated one keeps its last value.
local function given(req)
  local out = {}
  for k, v in pairs(req.method == "POST" and (req.form or {}) or req.query) do
    out[k] = type(v) == "table" and v[#v] or v
  end
  return out
end

local function number_of_ip(text)
  local a, b, c, d = text:match "^(%d+)%.(%d+)%.(%d+)%.(%d+)$"
  if not a then return nil end
  local n = 0
  for _, part in ipairs { a, b, c, d } do
    if #part > 3 or tonumber(part) > 255 then return nil end
    n = n << 8 | math.tointeger(part)
  end
  return n
end

-- "198.51.100.7,198.51.100.20-198.51.100.40" as a list of { first, last }; nil when it is malformed.
local function ranges(text, read)
  local out = {}
  for part in (text .. ","):gmatch "([^,]*)," do
    local first, last = part:match "^%s*([^%s%-]+)%s*%-?%s*([^%s]*)%s*$"
    local a = first and read(first)
    local b = last == "" and a or last and read(last)
    if not a or not b or b < a then return nil end
    out[#out + 1] = { a, b }
  end
  return out
end

local function within(list, n)
  for _, r in ipairs(list) do if n >= r[1] and n <= r[2] then return true end end
  return false
end

local function positive(text)
  local n = text:match "^%d+$" and math.tointeger(text)
  return n and n > 0 and n or nil
end

local READ = {
  ips   = function(v) return ranges(v, number_of_ip) end,
  ids   = function(v) return ranges(v, positive) end,
  id    = positive,
  count = function(v) return v:match "^%d+$" and math.tointeger(v) or nil end,
  date  = kit.seconds,
  flag  = function(v)
    if v == "1" or v == "0" then return v == "1" end
    return nil
  end,
  text  = function(v) return v end,
}

local function one_of(words)
  local known = {}
  for w in words:gmatch "%S+" do known[w] = true end
  return function(v)
    for w in (v .. ","):gmatch "([^,]*)," do if not known[w] then return nil end end
    return v
  end
end

local function merged(a, b)
  local out = {}
  for k, v in pairs(a) do out[k] = v end
  for k, v in pairs(b) do out[k] = v end
  return out
end

local function severity(s) return s:match "^[1-5]$" and math.tointeger(s) end

local function severities(v) return ranges(v, severity) end

local HOST = {
  action = "text", details = one_of "None Basic Basic/AGs All All/AGs", ips = "ips", ids = "ids",
  id_min = "id", id_max = "id",
  truncation_limit = "count", vm_scan_since = "date", no_vm_scan_since = "date", vm_processed_after = "date",
  vm_processed_before = "date", vm_scan_date_after = "date", vm_scan_date_before = "date",
  os_pattern = "text",
  ag_ids = "ids", ag_titles = "text", show_tags = "flag", show_asset_id = "flag", echo_request = "flag",
}
local DETECTION = merged(HOST, {
  qids = "ids", severities = severities, status = one_of "New Active Re-Opened Fixed", show_igs = "flag",
  include_ignored = "flag", include_disabled = "flag", show_results = "flag", show_qds = "flag",
  detection_updated_since = "date", detection_updated_before = "date", output_format = one_of "XML",
})
local SCAN_LIST = {
  action = "text", scan_ref = "text", state = one_of "Running Paused Canceled Finished Error Queued Loading",
  processed = "flag", type = one_of "On-Demand API Scheduled", target = "ips", user_login = "text",
  launched_after_datetime = "date", launched_before_datetime = "date", show_ags = "flag", show_op = "flag",
  show_status = "flag", show_last = "flag", ignore_target = "flag", echo_request = "flag",
}
local LAUNCH = {
  action = "text", scan_title = "text", option_id = "id", option_title = "text", ip = "ips",
  asset_group_ids = "ids",
  asset_groups = "text", fqdn = "text", exclude_ip_per_scan = "ips", target_from = one_of "assets tags",
  iscanner_name = "text", iscanner_id = "ids", default_scanner = "flag", scanners_in_ag = "flag",
  priority = "count",
  ip_network_id = "count", runtime_http_header = "text", include_agent_targets = "flag",
  echo_request = "flag",
}
local FETCH = { action = "text", scan_ref = "text", ips = "ips", mode = one_of "brief extended",
                echo_request = "flag",
                output_format = one_of "csv json csv_extended json_extended" }
local CONTROL = { action = "text", scan_ref = "text", echo_request = "flag" }
local KNOWLEDGE = { action = "text", ids = "ids", id_min = "id", id_max = "id",
                    details = one_of "Basic All None",
                    is_patchable = "flag", last_modified_after = "date", published_after = "date",
                    echo_request = "flag" }

-- Reads the parameters by their table.  Returns them (dates as seconds, lists as ranges), or a refusal.
local function parameters(req, known)
  local raw, out = given(req), {}
  for name, v in pairs(raw) do
    local kind = known[name]
    if not kind then return nil, simple(req, 400, 1901, "Unrecognized parameter(s): " .. name) end
    if v == "" then return nil, simple(req, 400, 1905,
                                       ("parameter %s has invalid value: (Empty)"):format(name)) end
    local read = type(kind) == "string" and READ[kind] or kind
    local value = read(v)
    if value == nil then return nil, simple(req, 400, 1905,
                                            ("parameter %s has invalid value: %s"):format(name, v)) end
    out[name] = value
  end
  return out
end

local function missing(req, name) return simple(req, 400, 1903, "Missing required parameter(s): " .. name) end

local function exclusive(req, p, a, b)
  if p[a] ~= nil and p[b] ~= nil then
    return simple(req, 400, 1904, ("The following parameters cannot be used together: %s, %s"):format(a, b))
  end
end

-- State ---------------------------------------------------------------------------------------------------

local function make_host(h, i)
  return {
    id = 70412930 + i, asset_id = 118820466 + i, ip = h.ip, number = number_of_ip(h.ip), dns = h.fqdn:lower(),
    netbios = h.platform == "Windows" and h.hostname or nil,
    os = h.os .. (h.build and " Build " .. h.build or ""),
    scanned_ago = h.vm.scanned_ago, alive = h.vm.alive, qids = h.vm.qids, detections = {},
  }
end

-- What the scanner knows of a host at the first request: times are counted back from it.
local function born(state, now)
  if state.born then return end
  state.born = now
  for _, h in ipairs(state.hosts) do
    h.last_scan = now - h.scanned_ago
    for i, qid in ipairs(h.qids) do
      h.detections[qid] = { unique = h.id * 10 + i, qid = qid, first = h.last_scan - 30 * 86400,
                            last = h.last_scan, times = 4,
                            status = "Active" }
    end
  end
end

local function new(world)
  local state = {
    qids = world.qids, hosts = {}, by_ip = {}, scans = {}, by_ref = {}, forced = {}, log = {}, calls = {},
    limit = 300, window = 3600, concurrency = 2, page = 1000, listed_after = 0,
    times = { queued = 30, running = 600, loading = 60, processing = 120 },
    scanners = { ["dc1-appliance"] = true, is_hq_01 = true },
    options = { ["Initial Options"] = 1001, ["Emergency light"] = 1002 },
  }
  for i, h in ipairs(world.hosts) do
    if h.vm then
      local made = make_host(h, i)
      state.hosts[#state.hosts + 1] = made
      state.by_ip[made.number] = made
    end
  end
  return state
end

-- Scans ---------------------------------------------------------------------------------------------------

local PRIVATE = { { 0x0a000000, 0x0affffff }, { 0xac100000, 0xac1fffff }, { 0xc0a80000, 0xc0a8ffff } }

-- The hosts of a scan that its scanners can reach and that answer.
local function reached(state, scan)
  local out = {}
  for _, n in ipairs(scan.targets) do
    local h = state.by_ip[n]
    if h and h.alive and (scan.appliance or not within(PRIVATE, n)) then out[#out + 1] = h end
  end
  return out
end

-- When a scan has ended its findings are merged into the hosts, once, some time later.
local function merge(state, scan, now)
  if scan.merged or scan.state ~= "Finished" or now < scan.ended + state.times.processing then return end
  scan.merged = true
  for _, h in ipairs(reached(state, scan)) do
    h.last_scan = scan.ended
    for i, qid in ipairs(h.qids) do
      local d = h.detections[qid] or { unique = h.id * 10 + i, qid = qid, first = scan.ended, times = 0,
                                       status = "New" }
      d.last, d.times = scan.ended, d.times + 1
      h.detections[qid] = d
    end
  end
end

-- The state of a scan at this time; it goes forward only.
local function advance(state, scan, now)
  local forced = state.forced[scan.ref]
  local t = state.times
  if forced then
    scan.state, scan.sub_state = forced.state, forced.sub_state
  elseif scan.cancelled then
    scan.state = now >= scan.cancelled + 20 and "Canceled" or "Canceling"
  elseif now < scan.at + t.queued then scan.state = "Queued"
  elseif now < scan.at + t.queued + t.running then scan.state = "Running"
  elseif now < scan.at + t.queued + t.running + t.loading then scan.state = "Loading"
  else
    scan.state, scan.ended = "Finished", scan.at + t.queued + t.running + t.loading
    local hosts = reached(state, scan)
    local bad = false
    for _, h in ipairs(hosts) do
      for _, q in ipairs(h.qids) do bad = bad or state.qids[q].type ~= "Information Gathered" end
    end
    scan.sub_state = #hosts == 0 and "No_Host" or not bad and "No_Vuln" or nil
    merge(state, scan, now)
  end
  return scan
end

local ENDED = { Finished = true, Canceled = true, Error = true }

local function spelled(seconds)
  local s = math.floor(seconds)
  local days = s // 86400
  local clock = ("%02d:%02d:%02d"):format(s % 86400 // 3600, s // 60 % 60, s % 60)
  return days > 0 and ("%d days %s"):format(days, clock) or clock
end

local PRIORITY = { [0] = "0 - No Priority", "1 - Emergency", "2 - Ultimate", "3 - Critical", "4 - Major",
                   "5 - High",
                   "6 - Standard", "7 - Medium", "8 - Minor", "9 - Low" }

local function duration(scan, now)
  if scan.state == "Queued" then return "Pending" end
  if not ENDED[scan.state] then return "Running" end
  return spelled((scan.ended or now) - scan.at)
end

local function ip_text(n) return ("%d.%d.%d.%d"):format(n >> 24, n >> 16 & 255, n >> 8 & 255, n & 255) end

local function target_text(scan)
  local out = {}
  for i, n in ipairs(scan.targets) do out[i] = ip_text(n) end
  return table.concat(out, ", ")
end

local function scan_xml(scan, now)
  return wrap("SCAN", element("REF", scan.ref) .. element("TYPE", scan.type) .. cdata("TITLE", scan.title)
    .. element("USER_LOGIN", USER) .. element("LAUNCH_DATETIME", kit.iso(scan.at))
    .. element("DURATION", duration(scan, now)) .. element("PROCESSING_PRIORITY", PRIORITY[scan.priority])
    .. element("PROCESSED", scan.merged and 1 or 0)
    .. wrap("STATUS", element("STATE", scan.state) .. element("SUB_STATE", scan.sub_state))
    .. cdata("TARGET", target_text(scan)) .. "<ASSET_GROUP_TITLE_LIST />\n")
end

local function list_scans(req, state)
  local p, no = parameters(req, SCAN_LIST)
  if no then return no end
  local after = p.launched_after_datetime
  if not after and not p.launched_before_datetime then after = req.now - 30 * 86400 end
  local words = p.state and "," .. p.state .. ","
  local inner = ""
  for _, scan in ipairs(state.scans) do
    advance(state, scan, req.now)
    local hit = req.now >= scan.at + state.listed_after and (not after or scan.at >= after)
      and (not p.launched_before_datetime or scan.at <= p.launched_before_datetime)
      and (not p.scan_ref or p.scan_ref == scan.ref) and (not p.type or p.type == scan.type)
      and (not words or words:find("," .. scan.state .. ",", 1, true))
    if hit then inner = inner .. scan_xml(scan, req.now) end
  end
  return listing(req, "SCAN_LIST_OUTPUT", "/api/3.0/fo/scan/scan_list_output.dtd",
                 inner ~= "" and wrap("SCAN_LIST", inner) or "")
end

-- The option profile that was asked for, or a refusal.
local function profile(req, state, p)
  if not p.option_id and not p.option_title then return nil, missing(req, "option_id or option_title") end
  for title, id in pairs(state.options) do
    if p.option_title == title or p.option_id == id then return title end
  end
  return nil, simple(req, 400, 1905, "parameter option_title has invalid value: no such option profile")
end

-- Whether an appliance of our own scans; or a refusal.
local function appliance(req, state, p)
  for name in ((p.iscanner_name or "External") .. ","):gmatch "%s*([^,]*)," do
    if name ~= "External" and not state.scanners[name] then
      return nil, simple(req, 400, 1905, "parameter iscanner_name has invalid value: " .. name)
    end
    if name ~= "External" then return true end
  end
  return p.default_scanner == true or p.scanners_in_ag == true or p.iscanner_id ~= nil
end

-- The targets that are in the account's scope: the others are dropped without a word.
local function in_scope(state, p)
  local out = {}
  for _, h in ipairs(state.hosts) do
    if within(p.ip, h.number) and not (p.exclude_ip_per_scan and within(p.exclude_ip_per_scan, h.number)) then
      out[#out + 1] = h.number
    end
  end
  return out
end

local function launch_refused(req, p)
  local no = exclusive(req, p, "option_id", "option_title") or exclusive(req, p, "iscanner_id",
                                                                         "iscanner_name")
    or exclusive(req, p, "asset_groups", "asset_group_ids")
  if no then return no end
  if not p.ip then
    if p.asset_groups or p.asset_group_ids or p.fqdn then
      return simple(req, 400, 999, "No asset groups or names are defined in this account.")
    end
    return simple(req, 400, 1922,
                  "At least one of the parameters is required: ip, asset_groups, asset_group_ids, fqdn")
  end
  if p.target_from == "tags" then return simple(req, 400, 1907, "target_from=tags cannot be used with ip") end
  if p.scan_title and (#p.scan_title > 2000 or p.scan_title:find "[\x80-\xff]") then
    return simple(req, 400, 1905, "parameter scan_title has invalid value (2000 ASCII characters at most)")
  end
  if p.priority and p.priority > 9 then
    return simple(req, 400, 1905, "parameter priority has invalid value: " .. p.priority)
  end
end

local function add_scan(req, state, fields)
  local id = 21877409 + #state.scans + 1
  local scan = { id = id, ref = ("scan/%d.%05d"):format(math.floor(req.now), id % 100000), type = "API",
                 at = req.now }
  for k, v in pairs(fields) do scan[k] = v end
  state.scans[#state.scans + 1] = scan
  state.by_ref[scan.ref] = scan
  return scan
end

local function launch(req, state)
  local p, no = parameters(req, LAUNCH)
  no = no or launch_refused(req, p)
  if no then return no end
  local title, bad = profile(req, state, p)
  if bad then return bad end
  local own, wrong = appliance(req, state, p)
  if wrong then return wrong end
  local targets = in_scope(state, p)
  if req.partial and #targets > 1 then targets[#targets] = nil end
  if #targets == 0 then return simple(req, 400, 999, "IPs are not approved for this account") end
  local scan = add_scan(req, state, { title = p.scan_title or "", targets = targets, appliance = own,
                                      profile = title,
                                      scanner = p.iscanner_name or "External", priority = p.priority or 0 })
  state.log[#state.log + 1] = { op = "launch_scan", at = req.now, ref = scan.ref, title = scan.title }
  return simple(req, 200, nil, "New vm scan launched", { { "ID", scan.id }, { "REFERENCE", scan.ref } })
end

local function cancel(req, state)
  local p, no = parameters(req, CONTROL)
  if no then return no end
  if not p.scan_ref then return missing(req, "scan_ref") end
  local scan = state.by_ref[p.scan_ref]
  if not scan then return simple(req, 400, 1905, "parameter scan_ref has invalid value: " .. p.scan_ref) end
  if ENDED[advance(state, scan, req.now).state] or scan.cancelled then
    return simple(req, 409, 1920, "This scan cannot be canceled: it is not running.")
  end
  scan.cancelled = req.now
  state.log[#state.log + 1] = { op = "cancel_scan", at = req.now, ref = scan.ref }
  return simple(req, 200, nil, "Canceling scan", { { "ID", scan.id }, { "REFERENCE", scan.ref } })
end

-- Results -------------------------------------------------------------------------------------------------

local function american(seconds)
  local y, m, d, clock = kit.iso(seconds):match "^(%d+)%-(%d+)%-(%d+)T(.*)Z$"
  return ("%s/%s/%s %s"):format(m, d, y, clock)
end

local WORD = { ["Vulnerability"] = "Vuln", ["Potential Vulnerability"] = "Practice",
               ["Information Gathered"] = "Ig" }

local function finding(h, q)
  return {
    ip = h.ip, dns = h.dns, netbios = h.netbios or "", os = h.os, ip_status = "host scanned, found vuln",
    qid = q.qid,
    title = q.title, type = WORD[q.type], severity = tostring(q.severity), port = q.port or "",
    protocol = q.protocol or "",
    fqdn = "", ssl = "no", cve_id = q.cve or json.null, vendor_reference = json.null, threat = q.diagnosis,
    impact = q.consequence, solution = q.solution, results = q.results,
    pci_vuln = q.severity >= 4 and "yes" or "no",
    instance = json.null, category = q.category,
  }
end

local function extended(state, scan, hosts, now)
  local out = {
    { scan_report_template_title = "Scan Results", result_date = american(now), company = "The Shire",
      add1 = "",
      name = "Lunette Service", username = USER, role = "Scanner" },
    { launch_date = american(scan.at), active_hosts = tostring(#hosts), total_hosts = tostring(#scan.targets),
      type = "API",
      status = scan.state, reference = scan.ref, scanner_appliance = scan.scanner,
      duration = duration(scan, now),
      scan_title = scan.title, asset_groups = json.null, ips = target_text(scan), excluded_ips = "",
      option_profile = scan.profile },
  }
  for _, h in ipairs(hosts) do
    for _, qid in ipairs(h.qids) do out[#out + 1] = finding(h, state.qids[qid]) end
  end
  local spread = scan.scanner .. " : " .. target_text(scan)
  out[#out + 1] = { target_distribution_across_scanner_appliances = spread }
  return json.array(out)
end

local function brief(state, hosts)
  local out = json.array {}
  for _, h in ipairs(hosts) do
    for _, qid in ipairs(h.qids) do
      local q = state.qids[qid]
      out[#out + 1] = { ip = h.ip, dns = h.dns, netbios = h.netbios or "", qid = qid, instance = "",
                        result = q.results }
    end
  end
  return out
end

local function csv(list)
  local out = { '"Scan Results"', '""', '"IP","DNS","NetBIOS","QID","Result"' }
  for _, x in ipairs(list) do
    out[#out + 1] = ('"%s","%s","%s","%d","%s"'):format(x.ip, x.dns, x.netbios, x.qid,
                                                        (x.result:gsub('"', '""')))
  end
  return table.concat(out, "\n") .. "\n"
end

local function fetch(req, state)
  local p, no = parameters(req, FETCH)
  if no then return no end
  if not p.scan_ref then return missing(req, "scan_ref") end
  local scan = state.by_ref[p.scan_ref]
  local now = scan and advance(state, scan, req.now).state
  if not ENDED[now] and now ~= "Paused" then
    return simple(req, 409, 15003, "The scan does not exist, or it is not finished.")
  end
  local hosts = {}
  for _, h in ipairs(now == "Finished" and reached(state, scan) or {}) do
    if not p.ips or within(p.ips, h.number) then hosts[#hosts + 1] = h end
  end
  local format = p.output_format or "csv"
  local body
  if format == "csv" or format == "csv_extended" then body = csv(brief(state, hosts))
  elseif format == "json_extended" or p.mode == "extended" then body = json.encode(extended(state, scan,
                                                                                            hosts, req.now))
  else body = json.encode(brief(state, hosts)) end
  return { status = 200, headers = { { "Content-Type", "text/html; charset=UTF-8" } }, body = body }
end

-- Hosts ---------------------------------------------------------------------------------------------------

local function host_matches(h, p)
  return (not p.ips or within(p.ips, h.number)) and (not p.ids or within(p.ids, h.id))
    and (not p.id_min or h.id >= p.id_min) and (not p.id_max or h.id <= p.id_max)
    and (not p.vm_scan_since or h.last_scan >= p.vm_scan_since)
    and (not p.no_vm_scan_since or h.last_scan < p.no_vm_scan_since)
    and (not p.vm_scan_date_after or h.last_scan >= p.vm_scan_date_after)
    and (not p.vm_scan_date_before or h.last_scan <= p.vm_scan_date_before)
    and (not p.vm_processed_after or h.last_scan >= p.vm_processed_after)
    and (not p.vm_processed_before or h.last_scan <= p.vm_processed_before)
    and (not p.ag_titles and not p.ag_ids)
end

local function host_xml(h)
  return wrap("HOST", element("ID", h.id) .. element("ASSET_ID", h.asset_id) .. element("IP", h.ip)
    .. element("TRACKING_METHOD", "IP") .. element("NETWORK_ID", 0) .. cdata("DNS", h.dns)
    .. wrap("DNS_DATA", cdata("HOSTNAME", h.dns:match "^[^.]*") .. cdata("DOMAIN", h.dns:match "%.(.*)$")
                        .. cdata("FQDN", h.dns))
    .. (h.netbios and cdata("NETBIOS", h.netbios) or "") .. cdata("OS", h.os)
    .. element("LAST_VULN_SCAN_DATETIME", kit.iso(h.last_scan + 68))
    .. element("LAST_VM_SCANNED_DATE", kit.iso(h.last_scan)) .. element("LAST_VM_SCANNED_DURATION", 611))
end

-- The address of the next page: on the vendor's own name, with all parameters.
local function next_url(req, p, id)
  local all, out = given(req), {}
  all.id_min, all.truncation_limit = id, all.truncation_limit or p.truncation_limit
  for k, v in pairs(all) do out[#out + 1] = kit.encode(k) .. "=" .. kit.encode(tostring(v)) end
  table.sort(out)
  return PLATFORM .. req.path .. "?" .. table.concat(out, "&")
end

-- One page of hosts by ascending id, each written by `write`, which returns "" for a host to leave out.
local function hosts_page(req, state, p, write)
  local most = p.truncation_limit or 1000
  if most == 0 then most = math.huge end
  most = math.min(most, state.page)
  local inner, n = "", 0
  for _, h in ipairs(state.hosts) do
    local one = host_matches(h, p) and write(h) or ""
    if one ~= "" and n == most then
      local text = n .. " record limit exceeded. Use URL to get next batch of results."
      local warning = element("CODE", 1980) .. element("TEXT", text) .. cdata("URL", next_url(req, p, h.id))
      return wrap("HOST_LIST", inner) .. wrap("WARNING", warning)
    elseif one ~= "" then
      inner, n = inner .. (n % 2 == 1 and "<!-- keep-alive 1 -->\n" or "") .. one, n + 1
    end
  end
  return inner ~= "" and wrap("HOST_LIST", inner) or ""
end

local function list_hosts(req, state)
  local p, no = parameters(req, HOST)
  no = no or exclusive(req, p, "ag_ids", "ag_titles")
  if no then return no end
  local dtd = "/api/5.0/fo/asset/host/host_list_output.dtd"
  if p.details ~= "None" then return listing(req, "HOST_LIST_OUTPUT", dtd,
                                             hosts_page(req, state, p, host_xml)) end
  local ids = ""
  for _, h in ipairs(state.hosts) do if host_matches(h, p) then ids = ids .. element("ID", h.id) end end
  return listing(req, "HOST_LIST_OUTPUT", dtd, ids ~= "" and wrap("ID_SET", ids) or "")
end

local KIND = { ["Vulnerability"] = "Confirmed", ["Potential Vulnerability"] = "Potential",
               ["Information Gathered"] = "Info" }

local function detection_xml(d, q, p)
  return wrap("DETECTION", element("UNIQUE_VULN_ID", d.unique) .. element("QID", q.qid)
    .. element("TYPE", KIND[q.type]) .. element("SEVERITY", q.severity) .. element("PORT", q.port)
    .. element("PROTOCOL", q.protocol) .. (q.port and element("SSL", 0) or "")
    .. (p.show_results ~= false and cdata("RESULTS", q.results) or "")
    .. element("STATUS", d.status) .. element("FIRST_FOUND_DATETIME", kit.iso(d.first))
    .. element("LAST_FOUND_DATETIME", kit.iso(d.last)) .. element("TIMES_FOUND", d.times)
    .. element("IS_IGNORED", 0) .. element("IS_DISABLED", 0))
end

local function detection_matches(d, q, p)
  local words = "," .. (p.status or "New,Active,Re-Opened") .. ","
  return words:find("," .. d.status .. ",", 1, true) and (not p.qids or within(p.qids, d.qid))
    and (not p.severities or within(p.severities, q.severity))
    and (p.show_igs or q.type ~= "Information Gathered")
    and (not p.detection_updated_since or d.last >= p.detection_updated_since)
    and (not p.detection_updated_before or d.last <= p.detection_updated_before)
end

local function list_detections(req, state)
  local p, no = parameters(req, DETECTION)
  no = no or exclusive(req, p, "ag_ids", "ag_titles")
  if no then return no end
  local function write(h)
    local inner, qids = "", {}
    for qid in pairs(h.detections) do qids[#qids + 1] = qid end
    table.sort(qids)
    for _, qid in ipairs(qids) do
      local d, q = h.detections[qid], state.qids[qid]
      if detection_matches(d, q, p) then inner = inner .. detection_xml(d, q, p) end
    end
    if inner == "" then return "" end
    return wrap("HOST", element("ID", h.id) .. element("IP", h.ip) .. element("TRACKING_METHOD",
                                                                              "IP") .. cdata("OS", h.os)
      .. cdata("DNS", h.dns) .. (h.netbios and cdata("NETBIOS", h.netbios) or "")
      .. element("LAST_SCAN_DATETIME", kit.iso(h.last_scan)) .. wrap("DETECTION_LIST", inner))
  end
  return listing(req, "HOST_LIST_VM_DETECTION_OUTPUT", "/api/5.0/fo/asset/host/vm/detection/output.dtd",
                 hosts_page(req, state, p, write))
end

-- Knowledge base ------------------------------------------------------------------------------------------

local function vuln_xml(q, details)
  local link = q.cve and cdata("URL", "https://example.org/" .. q.cve)
  local cve = q.cve and wrap("CVE_LIST", wrap("CVE", cdata("ID", q.cve) .. link))
  local all = details == "All"
  return wrap("VULN", element("QID", q.qid) .. element("VULN_TYPE", q.type) .. element("SEVERITY_LEVEL",
                                                                                       q.severity)
    .. cdata("TITLE", q.title) .. element("CATEGORY", q.category)
    .. element("LAST_SERVICE_MODIFICATION_DATETIME", "2026-09-30T11:02:51Z")
    .. element("PUBLISHED_DATETIME", q.published) .. element("PATCHABLE",
                                                             q.cve and 1 or 0) .. (cve or "<CVE_LIST />\n")
    .. (all and cdata("DIAGNOSIS", "<P>" .. q.diagnosis) .. cdata("CONSEQUENCE", "<P>" .. q.consequence)
                .. cdata("SOLUTION", "<P>" .. q.solution .. "<BR>") or "")
    .. (q.cvss and wrap("CVSS_V3", element("BASE", q.cvss)) or "") .. element("PCI_FLAG",
                                                                              q.severity >= 4 and 1 or 0)
    .. wrap("DISCOVERY", element("REMOTE", q.port and 1 or 0)))
end

local function knowledge(req, state)
  local p, no = parameters(req, KNOWLEDGE)
  if no then return no end
  local numbers, inner = {}, ""
  for qid in pairs(state.qids) do
    local low, high = p.id_min or qid, p.id_max or qid
    if qid >= low and qid <= high and (not p.ids or within(p.ids, qid)) then numbers[#numbers + 1] = qid end
  end
  table.sort(numbers)
  for _, qid in ipairs(numbers) do
    inner = inner .. (p.details == "None" and element("ID", qid) or vuln_xml(state.qids[qid], p.details))
  end
  local list = p.details == "None" and "ID_SET" or "VULN_LIST"
  return listing(req, "KNOWLEDGE_BASE_VULN_LIST_OUTPUT", "/api/4.0/fo/knowledge_base/vuln/output.dtd",
                 inner ~= "" and wrap(list, inner) or "")
end

-- The gate ------------------------------------------------------------------------------------------------

local function unbase64(s)
  local digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
  local out, bits, n = {}, 0, 0
  for c in s:gmatch "[^=]" do
    local v = digits:find(c, 1, true)
    if not v then return nil end
    bits, n = (bits << 6 | (v - 1)) & 0xffffff, n + 6
    if n >= 8 then
      n = n - 8
      out[#out + 1] = string.char(bits >> n & 0xff)
    end
  end
  return table.concat(out)
end

-- Which of the limited APIs a call counts for.
local function api_of(req) return req.path:match "/fo/(.*)$" or "other" end

-- Calls of the last hour, this one not among them.
local function used(state, api, now)
  local still = {}
  for _, at in ipairs(state.calls[api] or {}) do
    if at > now - state.window then still[#still + 1] = at end
  end
  state.calls[api] = still
  return still
end

local function rate_headers(state, left, wait, running)
  return { { "X-RateLimit-Limit", state.limit }, { "X-RateLimit-Window-Sec", state.window },
           { "X-RateLimit-Remaining", left }, { "X-RateLimit-ToWait-Sec", wait },
           { "X-Concurrency-Limit-Limit", state.concurrency }, { "X-Concurrency-Limit-Running", running } }
end

local function concurrency_block(req, state)
  local r = simple(req, 409, 1960,
                   "This API cannot be run again until 1 currently running API instance has finished.",
                   { { "CALLS_TO_FINISH", 1 } })
  r.headers[#r.headers + 1] = { "X-Concurrency-Limit-Limit", state.concurrency }
  r.headers[#r.headers + 1] = { "X-Concurrency-Limit-Running", req.running }
  return r
end

local function rate_block(req, state, wait)
  local text = ("This API cannot be run again for another %d minutes and %d seconds."):format(wait // 60,
                                                                                              wait % 60)
  local r = simple(req, 409, 1965, text, { { "SECONDS_TO_WAIT", wait } })
  for _, h in ipairs(rate_headers(state, 0, wait, req.running)) do r.headers[#r.headers + 1] = h end
  return r
end

local function limits(req, state)
  if req.running > state.concurrency then return concurrency_block(req, state) end
  local calls = used(state, api_of(req), req.now)
  if #calls >= state.limit then
    return rate_block(req, state, math.ceil(calls[#calls - state.limit + 1] + state.window - req.now))
  end
  calls[#calls + 1] = req.now
  req.rate = rate_headers(state, state.limit - #calls, 0, req.running)
  return nil
end

local function authenticate(req)
  local requested = kit.first(req.headers["x-requested-with"])
  if not requested or requested == "" then
    return simple(req, 400, 999, "Missing required header: X-Requested-With")
  end
  local pair = (kit.first(req.headers.authorization) or ""):match "^Basic (.+)$"
  if not pair or unbase64(pair) ~= USER .. ":" .. PASSWORD then
    return simple(req, 401, 2000, "Bad Login/Password")
  end
  if req.method == "POST" and not req.form then
    return simple(req, 400, 1907, "The Content-Type must be application/x-www-form-urlencoded")
  end
  return nil
end

-- Every answer carries the limits.
local function finished(req, r)
  for _, h in ipairs(req.rate or {}) do r.headers[#r.headers + 1] = h end
  return r
end

local function before(req, state)
  born(state, req.now)
  local no = authenticate(req) or limits(req, state)
  return no and finished(req, no)
end

local function none()
  return { status = 404, headers = { { "Content-Type", "text/html" } },
           body = "<html><head><title>404 Not Found</title></head><body>Not Found</body></html>" }
end

-- The actions ---------------------------------------------------------------------------------------------

-- By action: its name as an operation, what does it, whether it needs POST, and the versions that are
-- served.
local LISTS = { ["2.0"] = true, ["3.0"] = true, ["4.0"] = true, ["5.0"] = true }
local SCANS = {
  list = { name = "scan_list", run = list_scans, versions = { ["2.0"] = true, ["3.0"] = true } },
  fetch = { name = "scan_results", run = fetch, versions = { ["2.0"] = true, ["3.0"] = true } },
  launch = { name = "launch_scan", run = launch, post = true, versions = { ["2.0"] = true, ["3.0"] = true } },
  cancel = { name = "cancel_scan", run = cancel, post = true, versions = { ["2.0"] = true } },
}

local function act(actions)
  local function name(req)
    local a = actions[given(req).action]
    return a and a.name
  end
  local function run(req, state)
    local p = given(req)
    local a = actions[p.action]
    if not p.action then return finished(req, missing(req, "action")) end
    if not a then return finished(req, simple(req, 400, 1905,
                                              "parameter action has invalid value: " .. p.action)) end
    if not a.versions[req.params.version] then return finished(req, none()) end
    if a.post and req.method ~= "POST" then
      return finished(req, simple(req, 400, 1908, "This action needs the method POST."))
    end
    return finished(req, a.run(req, state))
  end
  return name, run
end

local function route(path, actions)
  local name, run = act(actions)
  return { "GET POST", path, name, run }
end

local function list_of(name, run) return { list = { name = name, run = run, versions = LISTS } } end

return kit.sim {
  vendor = "qualys",
  config = { username = USER, password = PASSWORD },
  operations = { "scanned_hosts", "host_detections", "scan_list", "scan_results", "launch_scan",
                 "cancel_scan", "knowledge" },
  new = new,
  before = before,
  none = none,
  routes = {
    route("/api/{version}/fo/asset/host/", list_of("scanned_hosts", list_hosts)),
    route("/api/{version}/fo/asset/host/vm/detection/", list_of("host_detections", list_detections)),
    route("/api/{version}/fo/knowledge_base/vuln/", list_of("knowledge", knowledge)),
    route("/api/{version}/fo/scan/", SCANS),
  },
  faults = {
    ["429"] = function(req, state, arg) return rate_block(req, state, math.floor(arg or 30)) end,
    ["409"] = function(req, state) return concurrency_block(req, state) end,
    ["5xx"] = function(req, _, arg, answer)
      if arg == 504 then
        answer()
        return { status = 504, headers = { { "Content-Type", "text/html" } },
                 body = "<html>Gateway Timeout</html>" }
      end
      if arg == 503 then return simple(req, 503, 1999, "The service is under maintenance.") end
      return simple(req, 501, 999, "Internal error. Please contact customer support.")
    end,
    -- The account has expired: said with status 200.
    expire = function(req) return simple(req, 200, 2001, "Your account has expired.") end,
    -- A target is dropped, and nobody is told.
    partial = function(req, _, _, answer)
      if req.op ~= "launch_scan" then return nil end
      req.partial = true
      return answer()
    end,
  },
}
