-- sentinelone.lua: SentinelOne threats, the older flat shape and the newer one with threatInfo.  What is
-- named is the file that the agent stopped; fileContentHash is a SHA-1 or an MD5, which only its length
-- tells.

local fields   = require "alert.fields"

local sentinelone = {}

function sentinelone.format(doc)
  if doc.agentComputerName and (doc.threatName or doc.fileContentHash) then return "sentinelone_threat" end
  if type(doc.threatInfo) == "table" and type(doc.agentRealtimeInfo) == "table" then
    return "sentinelone_threat"
  end
  return nil
end

---The newer shape under the older one's names.
local function flat(doc)
  local t, a = doc.threatInfo, fields.object(doc.agentRealtimeInfo)
  if type(t) ~= "table" then return doc end
  return {
    id = t.threatId or doc.id, createdAt = t.identifiedAt or t.createdAt, threatName = t.threatName,
    agentComputerName = a.agentComputerName, agentId = a.agentId, agentOsType = a.agentOsType,
    agentMachineType = a.agentMachineType, agentIp = fields.object(doc.agentDetectionInfo).agentIpV4,
    externalIp = fields.object(doc.agentDetectionInfo).externalIp, username = t.processUser,
    filePath = t.filePath, fileSha256 = t.sha256, fileContentHash = t.sha1, md5 = t.md5,
    maliciousProcessArguments = t.maliciousProcessArguments, description = t.classification,
    indicators = doc.indicators,
  }
end

---Ids of the techniques within indicators[].tactics[].techniques[]; the older shape has numbers there.
local function stated(indicators)
  local out = {}
  for _, i in ipairs(fields.objects(indicators)) do
    for _, tactic in ipairs(fields.objects(i.tactics)) do
      for _, t in ipairs(fields.objects(tactic.techniques)) do out[#out + 1] = t.name end
    end
  end
  return out
end

function sentinelone.read(doc)
  local d = flat(doc)
  local hostname = fields.text(d.agentComputerName)
  local hashes = {
    sha256 = fields.hash("sha256", d.fileSha256), sha1 = fields.hash("sha1", d.fileContentHash),
    md5 = fields.hash("md5", d.md5) or fields.hash("md5", d.fileContentHash),
  }
  local path = fields.text(d.filePath)
  return {
    id = fields.id(d.id), source = "sentinelone", time = fields.time(d.createdAt),
    title = fields.text(d.threatName), stated = stated(d.indicators), telemetry = true,
    device = fields.device { hostname = hostname, ip = fields.ips(d.agentIp, d.externalIp),
                             agent_id = d.agentId,
                             whose = "sentinelone", os = fields.os(d.agentOsType),
                             role = fields.role(d.agentMachineType) },
    user = fields.user({ name = d.username }, hostname),
    process = { cmd_line = fields.text(d.maliciousProcessArguments), sha256 = hashes.sha256,
                sha1 = hashes.sha1,
                md5 = hashes.md5 },
    files = { fields.file(path and path:gsub("\\\\", "\\"), hashes) },
  }
end

return sentinelone
