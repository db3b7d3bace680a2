-- qualys.lua: how vulnerable a host is: what Qualys VM has scanned, a scan now, and what the findings mean.
--
-- Facts: the vendor's VM/PA API manuals (error codes, response headers, host list, detection, scan list,
-- versioning standard of August 2025), recorded replies in JupiterOne's graph-qualys, and the clients
-- qualysdk, pyqualys, demisto/content (Qualysv2), chronicle content-hub (qualys_vm) and
-- terraform-provider-qualys.
--
-- What is not obvious: * A CODE in the reply means failure, whatever the HTTP status: an expired account
-- answers 200.  A blocked call is a
--   409 with CODE 1965 (rate) or 1960 (too many at once); the second says no time to wait.
-- * Lists are cut at `truncation_limit` hosts with WARNING 1980.  Its URL names the vendor's host: only its
-- parameters
--   are used, laid over ours.
-- * A launch is not idempotent, and the title is the only place for a key.  After a doubt the scan list is
-- searched for
--   it, with the vendor's clock (the DATETIME of a reply), not ours.
-- * "Finished" is not "clean": with the sub-state No_Host nobody was reached, targets out of the account's
-- scope are
--   dropped without a word, and without an appliance Qualys scans from the Internet, which cannot reach
--     private
--   addresses.  `scan` raises for each of these.
-- * Each action has a version of its own; they are settings, since private platforms lag behind. * XML comes
-- with padded CDATA and lists of one; SOLUTION and its like are HTML, and become plain text here.

local json = require "json"
local time = require "time"

-- XML -----------------------------------------------------------------------------------------------------

-- The first child of this name, whatever its case (the manual prints one reply in small letters); nil
-- without one.
local function child(node, name)
  if type(node) ~= "table" then return nil end
  for _, c in ipairs(node) do
    if c.name:upper() == name then return c end
  end
  return nil
end

-- All elements named `name` in the list element `list` of `node`: always an array.
local function children(node, list, name)
  local out = json.array {}
  for _, c in ipairs(child(node, list) or {}) do
    if c.name:upper() == name then out[#out + 1] = c end
  end
  return out
end

-- The trimmed text of a child, or nil when it is missing or empty.
local function text(node, name)
  local c = child(node, name)
  local s = c and c.text:match "^%s*(.-)%s*$"
  return s ~= "" and s or nil
end

local function integer(node, name)
  local s = text(node, name)
  return s and math.tointeger(tonumber(s))
end

local function flag(node, name)
  local s = text(node, name)
  if s == nil then return nil end
  return s == "1"
end

local function root_is(body, name)
  return type(body) == "table" and type(body.name) == "string" and body.name:upper() == name
end

-- RESPONSE of a reply whose root has this name.  A page of HTML is not one.
local function response(body, root)
  if not root_is(body, root) then fail("unavailable", "the answer is not a " .. root) end
  return child(body, "RESPONSE") or fail("unavailable", "the " .. root .. " has no RESPONSE")
end

-- KEY and VALUE of a SIMPLE_RETURN, by key.
local function items(node)
  local out = {}
  for _, item in ipairs(children(node, "ITEM_LIST", "ITEM")) do
    local key = text(item, "KEY")
    if key then out[key] = text(item, "VALUE") end
  end
  return out
end

local ENTITIES = { lt = "<", gt = ">", amp = "&", quot = '"', nbsp = " ", apos = "'" }

-- The plain text of the vendor's HTML: breaks become newlines, tags go.  It is still text from outside.
local function plain(html)
  if not html then return nil end
  local s = html:gsub("%s+", " "):gsub("<[/%s]*[bB][rR][^>]*>", "\n"):gsub("<[/%s]*[pP][^>]*>", "\n")
            :gsub("<[^>]*>", ""):gsub("&(%a+);", ENTITIES):gsub(" *\n *", "\n"):gsub("\n\n+", "\n")
  return s:match "^%s*(.-)%s*$"
end

-- Addresses -----------------------------------------------------------------------------------------------

local function ipv4(s)
  local a, b, c, d = s:match "^(%d%d?%d?)%.(%d%d?%d?)%.(%d%d?%d?)%.(%d%d?%d?)$"
  if not a then return nil end
  local n = 0
  for _, part in ipairs { a, b, c, d } do
    local v = math.tointeger(part)
    if v > 255 then return nil end
    n = n << 8 | v
  end
  return n
end

local function dotted(n) return ("%d.%d.%d.%d"):format(n >> 24, n >> 16 & 255, n >> 8 & 255, n & 255) end

-- First and last address of "a", "a-b" or "a/n"; nil for anything else.
local function bounds(part)
  local first, last = part:match "^([%d%.]+)%s*%-%s*([%d%.]+)$"
  local base, bits = part:match "^([%d%.]+)/(%d+)$"
  if base then
    local n, size = ipv4(base), math.tointeger(bits)
    if not n or size > 32 then return nil end
    local mask = 0xffffffff >> size
    return n & ~mask, n | mask
  end
  local a, b = ipv4(first or part), ipv4(last or part)
  if not a or not b or b < a then return nil end
  return a, b
end

-- An author's addresses (a text of addresses, ranges and networks with commas between) as a list of { first,
-- last }.
local function targets(ips, what)
  local out = {}
  for part in ips:gmatch "[^,%s][^,]*" do
    local a, b = bounds(part:match "^(.-)%s*$")
    if not a then
      fail("bad_argument", ("%s: \"%s\" is no IPv4 address, range a-b or network a/n"):format(what, part))
    end
    out[#out + 1] = { a, b }
  end
  if #out == 0 then fail("bad_argument", what .. " names no address") end
  return out
end

-- As Qualys wants them: a network is spelled as a range.
local function spelled(list)
  local out = {}
  for i, r in ipairs(list) do
    out[i] = r[1] == r[2] and dotted(r[1]) or dotted(r[1]) .. "-" .. dotted(r[2])
  end
  return table.concat(out, ",")
end

local PRIVATE = targets("10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,100.64.0.0/10,169.254.0.0/16,127.0.0.0/8",
                        "private")

local function overlaps(a, list)
  for _, r in ipairs(list) do
    if a[1] <= r[2] and r[1] <= a[2] then return true end
  end
  return false
end

-- Whether the whole of range `a` lies in the union of `list`.
local function covered(a, list)
  local at = a[1]
  while at <= a[2] do
    local reach
    for _, r in ipairs(list) do
      if r[1] <= at and at <= r[2] and (not reach or r[2] > reach) then reach = r[2] end
    end
    if not reach then return false end
    at = reach + 1
  end
  return true
end

-- The targets that were asked for and are not in a scan's TARGET.
local function dropped(asked, target)
  local taken, out = {}, json.array {}
  for part in (target or ""):gmatch "[^,%s][^,]*" do
    local a, b = bounds(part:match "^(.-)%s*$")
    if a then taken[#taken + 1] = { a, b } end
  end
  for _, r in ipairs(targets(asked, "ip")) do
    if not covered(r, taken) then out[#out + 1] = spelled { r } end
  end
  return out
end

-- Parameters ----------------------------------------------------------------------------------------------

-- A time as Qualys takes it: UTC, whole seconds.
local function moment(v)
  if v == nil then return nil end
  if type(v) == "string" then v = time.parse(v) end
  return time.format(math.floor(v))
end

local function ips_of(a) return a.ips and spelled(targets(a.ips, "ips")) end

local function bit(v)
  if v == nil then return nil end
  return v and "1" or "0"
end

-- The path of an action, in the version that is configured for it.
local function versioned(key, default, rest)
  return function(_, ctx)
    local version = ctx and ctx.config and ctx.config[key] or default
    if not version:find "^%d+%.%d+$" then
      fail("bad_argument", ("%s = \"%s\" is not a version such as \"%s\""):format(key, version, default))
    end
    return "/api/" .. version .. "/fo/" .. rest
  end
end

local HOSTS      = versioned("host_version", "5.0", "asset/host/")
local DETECTIONS = versioned("detection_version", "5.0", "asset/host/vm/detection/")
local SCAN_LIST  = versioned("scan_list_version", "3.0", "scan/")
local SCAN       = versioned("scan_version", "2.0", "scan/")
local KNOWLEDGE  = versioned("knowledge_version", "4.0", "knowledge_base/vuln/")

local function host_form(a)
  return {
    action = "list", truncation_limit = "500", ips = ips_of(a), ids = a.ids, os_pattern = a.os_pattern,
    vm_scan_since = moment(a.vm_scan_since), no_vm_scan_since = moment(a.no_vm_scan_since),
  }
end

-- Paging --------------------------------------------------------------------------------------------------

local function unescaped(s)
  return (s:gsub("+", " "):gsub("%%(%x%x)", function(h) return string.char(tonumber(h, 16)) end))
end

-- The parameters of the next page, or nil at the end.  Warnings of other codes do not mean "more".
local function more(reply, request)
  for _, w in ipairs(reply) do
    local url = w.name:upper() == "WARNING" and text(w, "CODE") == "1980" and text(w, "URL")
    if url then
      local form = {}
      for name, value in (url:match "%?(.*)$" or ""):gmatch "([^&=]+)=([^&]*)" do
        form[unescaped(name)] = unescaped(value)
      end
      form.action = nil                                  -- what is done stays ours, whatever a reply says
      local before, after = tonumber((request.form or {}).id_min) or 0, tonumber(form.id_min)
      if not after or after <= before then
        local text_of = "the list is cut, and its next page begins at %s, not after %d"
        fail("failed", text_of:format(form.id_min, before))
      end
      return { form = form }
    end
  end
  return nil
end

local function paged(root, list, name)
  return function(answer, _, request)
    local reply = response(answer.body, root)
    return children(reply, list, name), more(reply, request)
  end
end

-- Shapes --------------------------------------------------------------------------------------------------

local SEVERITY = { "informational", "low", "medium", "high", "critical" }

local function host(h)
  local data = child(h, "DNS_DATA")
  local dns, netbios = text(h, "DNS"), text(h, "NETBIOS")
  return {
    id = text(h, "ID"), asset_id = text(h, "ASSET_ID"), ip = text(h, "IP"), ipv6 = text(h, "IPV6"),
    hostname = netbios or text(data, "HOSTNAME") or dns and dns:match "^[^.]+", dns = dns, netbios = netbios,
    fqdn = text(data, "FQDN"), os = text(h, "OS"), tracking = text(h, "TRACKING_METHOD"),
    network_id = text(h, "NETWORK_ID"), last_scan = text(h, "LAST_VM_SCANNED_DATE"),
    last_auth_scan = text(h, "LAST_VM_AUTH_SCANNED_DATE"), last_processed = text(h,
        "LAST_VULN_SCAN_DATETIME"),
  }
end

-- Identity of a detection: UNIQUE_VULN_ID where it is given.
local function detection(h, d)
  local level = integer(d, "SEVERITY")
  local dns, netbios = text(h, "DNS"), text(h, "NETBIOS")
  return {
    id = text(d, "UNIQUE_VULN_ID"), host_id = text(h, "ID"), ip = text(h, "IP"), dns = dns,
    hostname = netbios or dns and dns:match "^[^.]+", os = text(h, "OS"),
    last_scan = text(h, "LAST_SCAN_DATETIME"),
    qid = integer(d, "QID"), kind = text(d, "TYPE"), level = level, severity = SEVERITY[level] or "unknown",
    status = text(d, "STATUS"), port = integer(d, "PORT"), protocol = text(d, "PROTOCOL"),
    ssl = flag(d, "SSL"),
    service = text(d, "SERVICE"), instance = text(d, "INSTANCE"), results = text(d, "RESULTS"),
    first_found = text(d, "FIRST_FOUND_DATETIME"), last_found = text(d, "LAST_FOUND_DATETIME"),
    times_found = integer(d, "TIMES_FOUND"), ignored = flag(d, "IS_IGNORED"),
    disabled = flag(d, "IS_DISABLED"),
  }
end

local function knowledge(v)
  local level = integer(v, "SEVERITY_LEVEL")
  local cve = json.array {}
  for i, c in ipairs(children(v, "CVE_LIST", "CVE")) do cve[i] = text(c, "ID") end
  local cvss = text(child(v, "CVSS_V3"), "BASE")
  return {
    qid = integer(v, "QID"), title = text(v, "TITLE"), level = level, severity = SEVERITY[level] or "unknown",
    kind = text(v, "VULN_TYPE"), category = text(v, "CATEGORY"), cve = cve, cvss = cvss and tonumber(cvss),
    diagnosis = plain(text(v, "DIAGNOSIS")), consequence = plain(text(v, "CONSEQUENCE")),
    solution = plain(text(v, "SOLUTION")), patchable = flag(v, "PATCHABLE"),
    published = text(v, "PUBLISHED_DATETIME"),
    customised = child(v, "LAST_CUSTOMIZATION") ~= nil,
  }
end

local ENDED = { Finished = true, Canceled = true, Error = true }

local function scan(s)
  local status = child(s, "STATUS")
  local state, sub = text(status, "STATE"), text(status, "SUB_STATE")
  return {
    ref = text(s, "REF"), title = text(s, "TITLE"), kind = text(s, "TYPE"), state = state, sub_state = sub,
    ended = ENDED[state] or false, reached = not (sub and sub:lower() == "no_host"),
    target = text(s, "TARGET"),
    user = text(s, "USER_LOGIN"), launched = text(s, "LAUNCH_DATETIME"), duration = text(s, "DURATION"),
    processed = flag(s, "PROCESSED"), priority = text(s, "PROCESSING_PRIORITY"),
  }
end

local function scans(answer)
  local out = {}
  for i, s in ipairs(children(response(answer.body, "SCAN_LIST_OUTPUT"), "SCAN_LIST", "SCAN")) do
    out[i] = s
  end
  return out
end

-- Faults --------------------------------------------------------------------------------------------------

local WRONG = { code = "bad_argument", executed = false }
local CODES = {
  [1901] = WRONG, [1903] = WRONG, [1904] = WRONG, [1905] = WRONG, [1907] = WRONG, [1908] = WRONG,
  [1922] = WRONG,
  [1960] = { code = "rate_limited", retry = true, after = 15, executed = false },
  [1920] = { code = "conflict", executed = false },
  [1965] = { code = "rate_limited", retry = true, executed = false },
  [1999] = { code = "unavailable", retry = true, after = 300, executed = false },
  [2000] = { code = "unauthorised", executed = false }, [2001] = { code = "unauthorised", executed = false },
  [2002] = { code = "forbidden", executed = false }, [2012] = { code = "forbidden", executed = false },
  [2003] = { code = "forbidden", executed = false }, [2011] = { code = "forbidden", executed = false },
  [2014] = { code = "rate_limited", retry = true, after = 60, executed = false },
  [15003] = { code = "not_found", executed = false },
}

-- By status, where there is no CODE.
local STATUSES = {
  [401] = { code = "unauthorised", executed = false }, [403] = { code = "forbidden", executed = false },
  [404] = { code = "not_found", executed = false }, [414] = { code = "bad_argument", executed = false },
  [413] = { code = "too_big", executed = false },
  [409] = { code = "rate_limited", retry = true, after = 15, executed = false },
  [429] = { code = "rate_limited", retry = true, executed = false },
}

-- What a code alone would not tell.
local HINT = {
  [2000] = ": a wrong password, no API access and a wrong `url` (platform) all look like this",
  [15003] = ": ask scan_status first; results can be fetched once the scan is finished",
  [1901] = ": the version of this action may be too old for it, or this user may not use it",
}

local function header(answer, name)
  local v = answer.headers[name]
  if type(v) == "table" then v = v[1] end
  return tonumber(v)
end

-- 999 is "internal error" with 5xx, and with 400 a refusal whose reason stands in the text.
local function kind_of(code, status)
  if code == 999 then
    return status >= 500 and { code = "unavailable", retry = true } or { code = "refused", executed = false }
  end
  return CODES[code] or { code = "failed" }
end

local function waited(answer, reply)
  local seconds = header(answer, "x-ratelimit-towait-sec") or tonumber(items(reply).SECONDS_TO_WAIT)
  return seconds and seconds > 0 and seconds or 60
end

local function coded(answer, reply, code)
  local out = { message = (text(reply, "TEXT") or "no explanation") .. (HINT[code] or ""),
                vendor_code = tostring(code) }
  for k, v in pairs(kind_of(code, answer.status)) do out[k] = v end
  if code == 1965 then out.after = waited(answer, reply) end
  return out
end

local function fault(answer)
  local reply = root_is(answer.body, "SIMPLE_RETURN") and child(answer.body, "RESPONSE")
  local code = reply and integer(reply, "CODE")
  if code then return coded(answer, reply, code) end
  local good = answer.status >= 200 and answer.status < 300
  if good and answer.body and not root_is(answer.body, "HTML") then return nil end
  if good then
    return { code = "unavailable", message = "an answer that is neither XML nor JSON", retry = true }
  end
  local known = STATUSES[answer.status] or answer.status >= 500 and { code = "unavailable", retry = true }
  if not known then return nil end
  local out = { message = ("status %d without a CODE"):format(answer.status) }
  for k, v in pairs(known) do out[k] = v end
  if answer.status == 429 then out.after = waited(answer, nil) end
  return out
end

-- The headers are on good answers too, and speak of one API each.  A concurrency block tells neither what is
-- left nor how long to wait.
local function limit(answer)
  local remaining, wait = header(answer, "x-ratelimit-remaining"), header(answer, "x-ratelimit-towait-sec")
  local running, most = header(answer, "x-concurrency-limit-running"),
    header(answer, "x-concurrency-limit-limit")
  if not remaining and not running then return nil end
  wait = wait and wait > 0 and wait or nil
  return { remaining = remaining, reset_after = wait, wait = wait, running = running, concurrency = most,
           own = true }
end

-- Launching -----------------------------------------------------------------------------------------------

-- A title of our own: ASCII, so that it comes back as it was sent, and no longer than Qualys takes.
local function plain_ascii(s) return (s:gsub("[^\x20-\x7e]", "?")) end

local function title_of(a, ctx)
  return plain_ascii(ctx.tag .. (a.title and " " .. a.title or "")):sub(1, 2000)
end

-- Without an appliance Qualys scans from the Internet, and finds nobody at a private address: "Finished,
-- No_Host".
local function reachable(a, list)
  local named = a.scanner and a.scanner:lower() ~= "external"
  if named or a.scanner_id or a.default_scanner then return end
  for _, r in ipairs(list) do
    if overlaps(r, PRIVATE) then
      fail("bad_argument",
           ("%s is a private address, which Qualys's Internet scanners cannot reach: name an appliance "
                            .. "of yours (scanner = \"…\")"):format(spelled { r }))
    end
  end
end

local function launch_form(a, ctx)
  if (a.option ~= nil) == (a.option_id ~= nil) then
    fail("bad_argument", "launch_scan: exactly one of `option` (a profile's title) and `option_id` is needed")
  end
  if a.scanner and a.scanner_id then fail("bad_argument",
                                          "launch_scan: `scanner` and `scanner_id` exclude each other") end
  if a.priority < 0 or a.priority > 9 then fail("bad_argument",
                                                "launch_scan: priority is 0 (none) or 1 to 9") end
  local list = targets(a.ip, "ip")
  reachable(a, list)
  return {
    action = "launch", scan_title = title_of(a, ctx), ip = spelled(list), option_title = a.option,
    option_id = a.option_id,
    iscanner_name = a.scanner, iscanner_id = a.scanner_id, default_scanner = bit(a.default_scanner),
    priority = tostring(a.priority),
  }
end

local function launched(body)
  local got = items(response(body, "SIMPLE_RETURN"))
  if not got.REFERENCE then fail("failed", "Qualys answered the launch without a reference") end
  return { ref = got.REFERENCE, id = got.ID }
end

-- Where a scan stands, read off the list that holds it, or holds nothing yet.
local function progress(list)
  local s = list[1]
  if not s or not s.ended and s.state ~= "Paused" then return "running" end
  if s.state == "Finished" then return "done" end
  if s.state == "Paused" then
    return "pending", "the scan " .. s.ref .. " is paused: somebody must resume it in Qualys"
  end
  return "failed", ("the scan %s ended as %s"):format(s.ref, s.state)
end

-- A clock that no reply can precede: a list from here on is empty, but says what time it is at the vendor.
local FUTURE = "2199-01-01T00:00:00Z"

-- Asks for the vendor's time first, then for what was launched since `within` seconds before it.
local function recent_page(answer, a, request)
  if request.form.launched_after_datetime ~= FUTURE then return scans(answer) end
  local stamp = text(response(answer.body, "SCAN_LIST_OUTPUT"), "DATETIME")
  if not stamp then fail("failed", "the scan list has no DATETIME") end
  return {}, { form = { launched_after_datetime = moment(time.parse(stamp) - a.within) } }
end

-- Findings of one scan ------------------------------------------------------------------------------------

local function filled(v) return v ~= "" and v or nil end

local function finding(x)
  local level = tonumber(x.severity)
  local cve = json.array {}
  for id in (filled(x.cve_id) or ""):gmatch "[^,%s]+" do cve[#cve + 1] = id end
  return {
    qid = tonumber(x.qid), title = x.title, level = level, severity = SEVERITY[level] or "unknown",
    kind = x.type, ip = x.ip,
    hostname = filled(x.netbios) or filled(x.dns) and x.dns:match "^[^.]+", dns = filled(x.dns),
    os = filled(x.os),
    port = tonumber(x.port), protocol = filled(x.protocol), cve = cve, category = filled(x.category),
    diagnosis = plain(filled(x.threat)), consequence = plain(filled(x.impact)),
    solution = plain(filled(x.solution)),
    results = filled(x.results), instance = filled(x.instance),
  }
end

-- json_extended is one list of several kinds of object, told apart by their keys.
local function results(body, a)
  if type(body) ~= "table" or body.name then fail("unavailable", "the results are not JSON") end
  local out, seen = { ref = a.ref, findings = json.array {}, hosts = json.array {} }, {}
  for _, x in ipairs(body) do
    if x.qid then
      out.findings[#out.findings + 1] = finding(x)
      if not seen[x.ip] then out.hosts[#out.hosts + 1] = { ip = x.ip, hostname = filled(x.netbios),
                                                           os = filled(x.os) } end
      seen[x.ip] = true
    elseif x.reference then
      -- no zone is said
      out.state, out.title, out.target, out.launched = x.status, x.scan_title, x.ips, x.launch_date
      out.active_hosts, out.total_hosts = tonumber(x.active_hosts), tonumber(x.total_hosts)
      out.scanner, out.option = x.scanner_appliance, x.option_profile
    end
  end
  return out
end

-- Flows ---------------------------------------------------------------------------------------------------

-- What an ended scan comes to.  `asked` are the targets, where they are known.
local function judged(s, asked)
  if s.state ~= "Finished" then
    fail("failed", ("the scan %s ended as %s"):format(s.ref, s.state), { scan = s })
  end
  if not s.reached then
    fail("not_reached", ("the scan %s finished, but none of %s answered: that says nothing about their holes")
         :format(s.ref, s.target or "its targets"), { scan = s })
  end
  s.dropped = asked and dropped(asked, s.target) or json.array {}
  if #s.dropped > 0 then
    fail("partial", ("Qualys left out %s: not in this account's scope; the rest was scanned as %s")
         :format(table.concat(s.dropped, ", "), s.ref), { scan = s, dropped = s.dropped })
  end
  return s
end

local function run_scan(a)
  local qualys = require "connectors.qualys"
  local s = qualys.launch_scan {
    ip = a.ip, option = a.option, option_id = a.option_id, scanner = a.scanner, scanner_id = a.scanner_id,
    default_scanner = a.default_scanner, priority = a.priority, title = a.title, wait = a.wait == nil
      and "6h" or a.wait,
  }
  if a.wait == false or s.planned then return s end
  return judged(s, a.ip)
end

local function run_wait(a)
  local qualys = require "connectors.qualys"
  local s = await_until(function()
    local now_is = qualys.scan_status { ref = a.ref }
    return now_is.ended and now_is or nil
  end, { every = "2m", timeout = a.wait or "6h" })
  return judged(s)
end

-- Numbers of a list in batches of what one call takes.
local BATCH = 350

local function batches(qids)
  local out = {}
  for i, q in ipairs(qids) do
    local n = (i - 1) // BATCH + 1
    out[n] = out[n] or {}
    out[n][#out[n] + 1] = q
  end
  return out
end

local function join(found, entries)
  for _, f in ipairs(found) do
    local k = entries[f.qid]
    if k then
      f.title, f.solution, f.cve, f.category = k.title, k.solution, k.cve, k.category
      f.diagnosis, f.consequence, f.cvss, f.patchable = k.diagnosis, k.consequence, k.cvss, k.patchable
      if not f.level then f.level, f.severity = k.level, k.severity end
    end
    f.title = f.title or ("QID %d"):format(f.qid)
  end
end

local function run_detections(a)
  local qualys = require "connectors.qualys"
  local found = qualys.host_detections {
    ips = a.ips, ids = a.ids, qids = a.qids, severities = a.severities, status = a.status,
    show_igs = a.show_igs,
    updated_since = a.updated_since, vm_scan_since = a.vm_scan_since, limit = a.limit, all = a.all,
  }
  if a.with ~= "knowledge" then return found end
  local wanted, seen = {}, {}
  for _, f in ipairs(found) do
    if not seen[f.qid] then wanted[#wanted + 1] = f.qid end
    seen[f.qid] = true
  end
  local entries = {}
  for _, part in ipairs(batches(wanted)) do
    for _, k in ipairs(qualys.knowledge { qids = part }) do entries[k.qid] = k end
  end
  join(found, entries)
  return found
end

-- The connector -------------------------------------------------------------------------------------------

local LAUNCH = {
  ip = "string", option = "string?", option_id = "integer?", scanner = "string?", scanner_id = "integer?",
  default_scanner = "boolean?", priority = "integer = 0", title = "string?",
}

return connector {
  name = "qualys",
  config = {
    username = "string", password = "secret", host_version = "string = 5.0",
    detection_version = "string = 5.0",
    scan_list_version = "string = 3.0", scan_version = "string = 2.0", knowledge_version = "string = 4.0",
  },
  auth = { kind = "basic", user = "username", secret = "password" },
  headers = { ["X-Requested-With"] = "Lunette" },
  body = "xml",
  fault = fault,
  limit = limit,
  -- the standard tier's, which all clients of the customer share
  concurrency = 2,
  -- By the user's role (11): Qualys has no finer rights.  Nothing is so new, or called so: the answer is empty.
  rights = {
    { name = "VM: hosts and detections (Reader or better)", try = "scanned_hosts",
      args = { vm_scan_since = "2099-01-01T00:00:00Z" }, operations = { "scanned_hosts", "host_detections" } },
    { name = "VM: knowledge base (any role but Auditor)", try = "knowledge", args = { qids = { 1 } },
      operations = { "knowledge" } },
    { name = "VM: scans (Scanner or better)", try = "scan_list", args = { ref = "scan/0000000000.00000" },
      operations = { "scan_list", "scan_status", "recent_scans", "scan_results", "launch_scan", "cancel_scan" } },
  },

  operations = {
    scanned_hosts = {
      summary = "Lists the hosts that were scanned, and when; one that never was is not in it.",
      source = "Qualys VM API, Host List (host_list.htm); graph-qualys recordings",
      class = "read", list = true, select = { "ips", "ids", "vm_scan_since", "no_vm_scan_since",
                                              "os_pattern" },
      params = { ips = "string?", ids = "string?", vm_scan_since = "time?", no_vm_scan_since = "time?",
                 os_pattern = "string?" },
      method = "POST", path = HOSTS, form = host_form, expect = { 200 },
      page = paged("HOST_LIST_OUTPUT", "HOST_LIST", "HOST"), item = host,
      needs = { id = "string" },
    },

    host_detections = {
      summary = "Lists what was found on hosts, across scans; page by page, without the knowledge base.",
      source = "Qualys VM API, Host List Detection (host_detection.htm); pyqualys host.py",
      class = "read", list = true, select = { "ips", "ids", "qids", "updated_since", "vm_scan_since" },
      params = { ips = "string?", ids = "string?", qids = "string?", severities = "string?",
                 status = "string?",
                 show_igs = "boolean = false", updated_since = "time?", vm_scan_since = "time?" },
      method = "POST", path = DETECTIONS, expect = { 200 },
      form = function(a)
        local form = host_form(a)
        form.qids, form.severities, form.status, form.show_igs = a.qids, a.severities, a.status,
        bit(a.show_igs)
        form.detection_updated_since = moment(a.updated_since)
        return form
      end,
      page = function(answer, _, request)
        local reply = response(answer.body, "HOST_LIST_VM_DETECTION_OUTPUT")
        local out = {}
        for _, h in ipairs(children(reply, "HOST_LIST", "HOST")) do
          for _, d in ipairs(children(h, "DETECTION_LIST", "DETECTION")) do
            out[#out + 1] = detection(h, d)
          end
        end
        return out, more(reply, request)
      end,
    },

    knowledge = {
      summary = "Reads what the knowledge base says of QIDs: title, severity, remedy.  Unknown: left out.",
      source = "Qualys VM API, KnowledgeBase; at most 350 QIDs a call (BigFix integration requirements)",
      class = "read", list = true, params = { qids = "[integer]" },
      method = "POST", path = KNOWLEDGE, expect = { 200 },
      form = function(a)
        if #a.qids > BATCH then fail("bad_argument",
                                     ("knowledge: %d QIDs, and a call takes %d"):format(#a.qids, BATCH)) end
        return { action = "list", details = "All", ids = table.concat(a.qids, ",") }
      end,
      page = function(answer)
        return children(response(answer.body, "KNOWLEDGE_BASE_VULN_LIST_OUTPUT"), "VULN_LIST", "VULN")
      end,
      item = knowledge,
    },

    scan_list = {
      summary = "Lists the scan of a reference: one, or none while it is not listed or cannot be seen.",
      source = "Qualys VM API, VM scan list (list_vm_scans.htm); a date lifts its window of 30 days",
      class = "read", list = true, params = { ref = "string" },
      method = "POST", path = SCAN_LIST, expect = { 200 },
      form = { action = "list", scan_ref = "{ref}", launched_after_datetime = "2000-01-01T00:00:00Z" },
      page = scans, item = scan, needs = { ref = "string", state = "string" },
    },

    scan_status = {
      summary = "Reads one scan: its state, and whether anybody was reached.",
      source = "Qualys VM API, VM scan list (list_vm_scans.htm); a date lifts its window of 30 days",
      class = "read", params = { ref = "string" },
      method = "POST", path = SCAN_LIST, expect = { 200 },
      form = { action = "list", scan_ref = "{ref}", launched_after_datetime = "2000-01-01T00:00:00Z" },
      result = function(_, a, answer)
        local found = scans(answer)[1]
        if not found then fail("not_found", ("no scan %s, or this user cannot see it"):format(a.ref)) end
        return scan(found)
      end,
    },

    recent_scans = {
      summary = "Lists the scans that were launched by API in the last seconds of the vendor's clock.",
      source = "Qualys VM API, VM scan list; a future date gives an empty list (content-hub, qualys_vm)",
      class = "read", list = true, params = { within = "duration" },
      method = "POST", path = SCAN_LIST, expect = { 200 },
      form = { action = "list", type = "API", launched_after_datetime = FUTURE },
      page = recent_page, item = scan,
    },

    scan_results = {
      summary = "Fetches what one scan found, with severity, title and remedy.",
      source = "Qualys VM API, scan fetch; content-hub (qualys_vm), demisto/content (Qualysv2)",
      class = "read", params = { ref = "string", ips = "string?" },
      method = "POST", path = SCAN, expect = { 200 },
      form = function(a)
        return { action = "fetch", scan_ref = a.ref, output_format = "json_extended", ips = ips_of(a) }
      end,
      result = results,
    },

    launch_scan = {
      summary = "Launches a scan and follows it to its end; wait = false returns its reference at once.",
      source = "Qualys VM API, scan launch; demisto/content (Qualysv2), terraform-provider-qualys",
      class = "write", idempotent = false, effect = "note", d3fend = { "D3-AVE" },
      params = LAUNCH,
      method = "POST", path = SCAN, form = launch_form, expect = { 200 },
      entity = function(a) return "qualys:target:" .. spelled(targets(a.ip, "ip")) end,
      facet = "scan", to = "scanned",
      handle = launched,
      follow = {
        op = "scan_list", args = function(handle) return { ref = handle.ref } end, of = progress,
        every = { 60, 60, 60, 180, 300 },
      },
      -- How soon a new scan is listed is not documented: not before half a minute is "not there" believed.
      settle = 30,
      probe = {
        op = "recent_scans",
        args = function(_, ctx)
          local since = ctx.since or ctx.now - 30 * 86400    -- not known: as far back as a month
          return { within = math.max(ctx.now - since, 0) + 86400 } -- our clock may have been set back since
        end,
        found = function(list, _, ctx)
          for _, s in ipairs(list) do
            if (s.title .. " "):find(plain_ascii(ctx.tag) .. " ", 1, true) == 1 then return { ref = s.ref } end
          end
          return nil
        end,
      },
      result = function(list) return list[1] end,
      -- Needs the result: a call without one fails, and is made again when there is one.
      undo = function(_, _, result)
        if not result.ended then return { op = "qualys.cancel_scan", args = { ref = result.ref } } end
      end,
      undo_why = "the scan has ended; the packets that it sent cannot be taken back",
      plan = { ref = opaque "the scan's reference", state = opaque "the state that the scan ends in",
               target = "{ip}", planned = true },
    },

    cancel_scan = {
      summary = "Cancels a scan, and follows it until it has ended.",
      source = "Qualys VM API, scan cancel; paragbaxi/qualys_stop_all_scans",
      class = "write", idempotent = true, effect = "note",
      params = { ref = "string" },
      method = "POST", path = SCAN, form = { action = "cancel", scan_ref = "{ref}" }, expect = { 200 },
      entity = "qualys:scan:{ref}", facet = "run", to = "ended",
      state = {
        op = "scan_status", args = function(a) return { ref = a.ref } end,
        of = function(s) return s.ended and "ended" or "running" end,
      },
      handle = launched,
      follow = {
        op = "scan_list", args = function(handle) return { ref = handle.ref } end, every = { 10, 30, 60 },
        of = function(list) return list[1] and list[1].ended and "done" or "running" end,
      },
      result = function(list) return list[1] end,
      undo_why = "a scan that was cancelled cannot be resumed; launch another",
      plan = { ref = "{ref}", state = opaque "the state that the scan ends in", planned = true },
    },
  },

  flows = {
    scan = {
      summary = "Scans hosts and follows it; raises not_reached or partial where not all were looked at.",
      source = "Qualys VM API, scan launch and VM scan list; what No_Host and a shorter TARGET mean",
      params = LAUNCH, effect = "note", uses = { "qualys.launch_scan" }, run = run_scan,
    },
    wait_scan = {
      summary = "Waits until a scan has ended; raises as scan does.",
      source = "Qualys VM API, VM scan list (list_vm_scans.htm)",
      params = { ref = "string" }, uses = { "qualys.scan_status" }, run = run_wait,
    },
    detections = {
      summary = "Lists what was found on hosts; with = \"knowledge\" adds title, remedy and CVEs to each.",
      source = "Qualys VM API, Host List Detection and KnowledgeBase",
      params = { ips = "string?", ids = "string?", qids = "string?", severities = "string?",
                 status = "string?",
                 show_igs = "boolean = false", updated_since = "time?", vm_scan_since = "time?",
                 with = "one of knowledge ?" },
      uses = { "qualys.host_detections", "qualys.knowledge" }, run = run_detections,
    },
  },
}
