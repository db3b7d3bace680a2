-- model.lua: how vulnerable is the host?  If nobody scanned it lately it is scanned, and whatever is known of
-- it is told by severity, each finding with its remedy.  A scan that reached nobody says nothing about holes:
-- then the older findings stand, and the report says that they are old.

local qualys = require "connectors.qualys"

---Scans the host, unless that was done within `max_scan_age`.  Returns the scan, or nil.
local function scan_if_stale(input)
  local fresh = qualys.scanned_hosts { ips = input.ip, vm_scan_since = ago(input.max_scan_age) }
  if #fresh > 0 then return nil end
  local scan, why = try(qualys.scan, { ip = input.ip, option = input.option, scanner = input.scanner })
  if why then
    not_done("scan " .. input.ip, why.message)
    return nil
  end
  evidence("scan results", qualys.scan_results { ref = scan.ref })
  return scan
end

local function worst_first(a, b) return (a.level or 0) > (b.level or 0) end

return playbook {
  name    = "t1059.model",
  summary = "How vulnerable the host is: scanned if nobody did lately, findings with their remedies",
  stage   = "model",
  attack  = { "T1059" },
  d3fend  = { "D3-AVE" },
  uses    = { "qualys.scanned_hosts", "qualys.scan", "qualys.scan_results", "qualys.detections" },
  input   = { ip = "ip", max_scan_age = "duration = 7d", option = "string?", scanner = "string?",
              severities = "string = 3-5" },

  run = function(input)
    local scan = scan_if_stale(input)
    local list = qualys.detections { ips = input.ip, severities = input.severities, with = "knowledge" }
    table.sort(list, worst_first)
    for _, f in ipairs(list) do
      found { severity = f.severity, title = f.title or ("QID " .. f.qid), remedy = f.solution, qid = f.qid,
              cve = f.cve, host = input.ip, last_found = f.last_found }
    end
    return { ip = input.ip, scan = scan and scan.ref, findings = #list }
  end,
}
