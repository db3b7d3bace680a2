-- world.lua: the small company that all simulators agree on.
--
-- Its people, machines and files are those of two public alerts of the OTRF Security-Datasets
-- ("empire_launcher_vbs"): THESHIRE\pgustavo ran C:\Users\pgustavo\Desktop\launcher.vbs on
-- WORKSTATION5.theshire.local, and wscript (2440) started PowerShell (2316) with an encoded command.  The
-- script here is an inert one of our own.  Around them stand the things that a response must not fall for: a
-- stale twin of the host's name, a machine that is off line, a server, a domain controller, groups of the
-- same name, accounts that nobody may confine.
--
-- Addresses are 10.20.0.0/16 and 198.51.100.0/24.  What matters by its freshness is kept as an age in
-- seconds (`seen_ago = 120`): a simulator subtracts it from the time at which it is asked, so a world is
-- never out of date. What happened in the alerts keeps the time it has there.
--
-- `world.new()` returns fresh tables:
--   domain, netbios_domain, company, mail_domain
--   hosts    list of { key, hostname, fqdn, ip, external_ip, mac, os, os_version, build, platform, role,
--              online, seen_ago, first_seen_ago, user ("DOMAIN\\name"), ou, tags?, processes, files, vm? },
--              found by key in `host`.  role is workstation, server or domain_controller.  vm is what a
--              vulnerability scanner knows: { scanned_ago, alive, qids = { … } }; without it the host was
--              never scanned
--   process  { pid, ppid, image, name, cmd_line, user, started (RFC 3339), sha256, sha1, md5 }
--   file     { path, name, kind, text (the bytes), bytes, sha256, sha1, md5 }: one table shared by all hosts
--              that have it, in host.files; also in `files` by sha256
--   users    list of { key, name, domain, login, email, first, last, department, status, privileged?, groups
--            = { keys } }
--   groups   list of { key, name, type ("OKTA_GROUP", "APP_GROUP", "BUILT_IN"), description, privileged? }
--   qids     the vulnerabilities by number: { qid, title, severity (1..5), type, category, cve, cvss,
--            solution, … }
--   verdicts by sha256: { verdict, score, family?, tags?, sample (its name) }; a hash that is not there is
--     unknown to all
--   system   hashes (sha256) of interpreters and parts of the operating system, by their names
-- A simulator that changes what it was given copies it first (kit.copy), unless it means all others to see
-- the change.

local world = {}

local DAY, HOUR, MINUTE = 86400, 3600, 60

-- Files ---------------------------------------------------------------------------------------------------

-- The hashes are computed from the texts (tests/lua/sim/world_test.lua checks that they agree).
local function make_files()
  local launcher = {
    path = [[C:\Users\pgustavo\Desktop\launcher.vbs]], name = "launcher.vbs", kind = "vbs", bytes = 236,
    text = "' An inert sample: it shows the computer's name and does nothing else.\r\n"
        .. [[Set system = GetObject("winmgmts:\\.\root\cimv2").InstancesOf("Win32_ComputerSystem")]] .. "\r\n"
        .. "For Each item In system\r\n  WScript.Echo \"Computer Name: \" & item.Name\r\nNext\r\n",
    sha256 = "c1dadf9fb8021aa205bd52604c4d7330c5e1251198322ac4b8a093dc23df1a10",
    sha1 = "5683729702392da5cfaa8476f96228a9abf08c54", md5 = "4504fde4a6b57a6b1c9c0ecc011f3013",
  }
  local notes = {
    path = [[C:\Users\pgustavo\Documents\notes.txt]], name = "notes.txt", kind = "txt", bytes = 78,
    text = "Quarterly figures are due on Friday. Please send yours to the team's folder.\r\n",
    sha256 = "88f8421e1fa4468d3d76ac62019ab4a03b3f6af1e17422d722cb46f21df9ec48",
    sha1 = "0798e61a62366d26d6b5e518edb23892fb3bd0fb", md5 = "0caddfad652320180ad6e830c1c15aca",
  }
  local logon = {
    path = [[C:\ProgramData\Theshire\logon.cmd]], name = "logon.cmd", kind = "cmd", bytes = 90,
    text = "@echo off\r\nrem Maps the team's drive at log-on.\r\n"
        .. [[net use S: \\FILE01.theshire.local\team]] .. "\r\n",
    sha256 = "9dd247db1e1c9428daabd47b4affebbe1830261c18598987c3622ef64f305899",
    sha1 = "fee102ba080784115eb8b9c4a46c9fe07452d1b6", md5 = "3892fed91a3474e77a2aebc307b0a13f",
  }
  return { launcher = launcher, notes = notes, logon = logon }
end

-- Interpreters, with the hashes that the alerts carry.
local WSCRIPT = { name = "wscript.exe", image = [[C:\Windows\System32\wscript.exe]],
                  sha256 = "f42201b5d890a96302f90102b16d7c31cfcc3b67c801ba7c6f6be223f16d7011",
                  sha1 = "542c46c652ddefc87414213a8bea0c65dd0377a9",
                  md5 = "563edae37876138fdff47f3e7a9a78fd" }
local POWERSHELL = { name = "powershell.exe",
                     image = [[C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe]],
                     sha256 = "908b64b1971a979c7e3e8ce4621945cba84854cb98d76367b791a6e22b5f6d53",
                     sha1 = "36c5d12033b2eaf251bae61c00690ffb17fddc87",
                     md5 = "cda48fc75952ad12d99e526d0b6bf70a" }
-- Not in the alerts; the hashes are made up.
local EXPLORER = { name = "explorer.exe", image = [[C:\Windows\explorer.exe]],
                   sha256 = "7d9b1c40e2f35a8867c0d4e1ba93f52c6e08d7a1b4f29c3350a6e87d19c4b2f0",
                   sha1 = "0f4c7be21a93d58860e7c1f2ab3d49ce58017b6a",
                   md5 = "6a1f0c93be7d4825906ea7d3c41b28f5" }

-- The decoded command of the encoded PowerShell alert: as UTF-8 text, and as the UTF-16 that the command
-- line held.
local COMMAND_UTF8  = "102c8e3e6bd3bd4bd580c235b739e000d0a65d8ade284ca18d7c3382b4e22c7f"
local COMMAND_UTF16 = "9fce0c55e1d7f1db79415263c268c4939503acc8ccdd63de8f2cc2e1a2d9818e"

local function process(image, fields)
  for k, v in pairs(image) do fields[k] = v end
  return fields
end

-- Hosts ---------------------------------------------------------------------------------------------------

local USER   = [[THESHIRE\pgustavo]]
local SYSTEM = [[NT AUTHORITY\SYSTEM]]

-- What an operating system is called, by a short word.
local OS = {
  win10     = { os = "Windows 10", os_version = "10.0.18362", build = "18362", platform = "Windows" },
  win10_old = { os = "Windows 10", os_version = "10.0.17763", build = "17763", platform = "Windows" },
  win11     = { os = "Windows 11", os_version = "10.0.22631", build = "22631", platform = "Windows" },
  server    = { os = "Windows Server 2019", os_version = "10.0.17763", build = "17763",
                platform = "Windows" },
  linux     = { os = "Linux 6.1", os_version = "6.1.0", build = "6.1.0", platform = "Linux" },
}

-- A host of its own fields; the rest is what a workstation has.
local function host(fields)
  local h = { fqdn = fields.hostname .. ".theshire.local", external_ip = "198.51.100.20",
              role = "workstation",
              online = true, seen_ago = 2 * MINUTE, first_seen_ago = 400 * DAY, user = SYSTEM,
              ou = "Workstations", processes = {}, files = {} }
  for k, v in pairs(OS[fields.system]) do h[k] = v end
  for k, v in pairs(fields) do h[k] = v end
  h.system = nil
  return h
end

-- The processes of the two alerts, as they were when the alerts were written.
local function alert_processes()
  return {
    process(EXPLORER, { pid = 5728, ppid = 5700, user = USER, started = "2020-09-04T19:46:01Z",
                        cmd_line = [[C:\windows\Explorer.EXE]] }),
    process(WSCRIPT, {
      pid = 2440, ppid = 5728, user = USER, started = "2020-09-04T20:09:55Z",
      cmd_line = [["C:\windows\System32\WScript.exe" "C:\Users\pgustavo\Desktop\launcher.vbs" ]] }),
    process(POWERSHELL, {
      pid = 2316, ppid = 2440, user = USER, started = "2020-09-04T20:09:55Z",
      cmd_line = '"' .. POWERSHELL.image .. '" -noP -sta -w 1 -enc  SQBmACgAJABQAFMAVgBFAFIAUwBpAE8A' }),
  }
end

local function workstations(f)
  local martha = [[THESHIRE\nmartha]]
  return {
    host { key = "ws5", hostname = "WORKSTATION5", ip = "10.20.5.15", mac = "00-50-56-9a-05-15",
           system = "win10",
           user = USER, files = { f.launcher, f.notes, f.logon }, processes = alert_processes(),
           vm = { scanned_ago = 12 * DAY, alive = true, qids = { 92155, 91974, 105943, 38173, 45017 } } },
    -- The old entry of a machine that was installed anew: same name, another address, nobody home.
    host { key = "ws5_old", hostname = "WORKSTATION5", ip = "10.20.9.77", mac = "00-50-56-9a-09-77",
           system = "win10_old", user = USER, online = false, seen_ago = 95 * DAY, first_seen_ago = 900 * DAY,
           vm = { scanned_ago = 120 * DAY, alive = false, qids = { 91974 } } },
    -- Here 2440 is another process.
    host { key = "ws6", hostname = "WORKSTATION6", ip = "10.20.5.16", mac = "00-50-56-9a-05-16",
           system = "win10",
           user = martha, seen_ago = 4 * MINUTE, first_seen_ago = 380 * DAY, files = { f.launcher },
           processes = { process(EXPLORER, { pid = 2440, ppid = 2400, user = martha,
                                             started = "2020-09-04T18:02:11Z",
                                             cmd_line = [[C:\windows\Explorer.EXE]] }) },
           vm = { scanned_ago = 2 * DAY, alive = true, qids = { 92155, 38173, 45017 } } },
    host { key = "ws7", hostname = "WORKSTATION7", ip = "10.20.5.17", mac = "00-50-56-9a-05-17",
           system = "win11",
           external_ip = "198.51.100.21", user = [[THESHIRE\sbeavers]], online = false, seen_ago = 9 * HOUR,
           first_seen_ago = 60 * DAY, files = { f.launcher, f.logon },
           vm = { scanned_ago = 20 * DAY, alive = false, qids = { 92155 } } },
  }
end

local function servers()
  return {
    host { key = "file01", hostname = "FILE01", ip = "10.20.1.20", mac = "00-50-56-9a-01-20",
           system = "server",
           external_ip = "198.51.100.22", role = "server", ou = "Servers", tags = { "server" },
           vm = { scanned_ago = DAY, alive = true, qids = { 38173, 45017 } } },
    host { key = "dc", hostname = "MORDORDC", ip = "10.20.1.10", mac = "00-50-56-9a-01-10", system = "server",
           external_ip = "198.51.100.22", role = "domain_controller", ou = "Domain Controllers",
           tags = { "server", "domain_controller" }, vm = { scanned_ago = DAY, alive = true,
                                                            qids = { 45017 } } },
    host { key = "web", hostname = "www", fqdn = "www.theshire.example", ip = "198.51.100.80",
           external_ip = "198.51.100.80", mac = "00-50-56-9a-01-80", system = "linux", role = "server",
           user = "root", ou = "Servers", tags = { "server" },
           vm = { scanned_ago = 3 * DAY, alive = true, qids = { 38173 } } },
  }
end

-- People --------------------------------------------------------------------------------------------------

local function make_groups()
  return {
    { key = "everyone",   name = "Everyone", type = "BUILT_IN",
      description = "All users in your organization" },
    { key = "restricted", name = "ir-restricted", type = "OKTA_GROUP", description = "Step-up and no VPN" },
    { key = "restricted_ad", name = "ir-restricted", type = "APP_GROUP",
      description = "theshire.local/Groups/ir-restricted" },
    { key = "restricted_old", name = "ir-restricted-2019", type = "OKTA_GROUP",
      description = "Not used any more" },
    { key = "admins",     name = "Domain Admins", type = "OKTA_GROUP", description = "Administrators",
      privileged = true },
    { key = "root",       name = "Break Glass", type = "OKTA_GROUP", description = "Emergency access",
      privileged = true },
    { key = "staff",      name = "Staff", type = "OKTA_GROUP", description = "Everybody on the pay-roll" },
    { key = "domain_ad",  name = "Domain Users", type = "APP_GROUP",
      description = "theshire.local/Users/Domain Users" },
    { key = "quoted",     name = [[Sales "EMEA" \ partners]], type = "OKTA_GROUP",
      description = "A name that must be quoted" },
  }
end

local function person(key, name, first, last, status, groups)
  return { key = key, name = name, domain = "THESHIRE", login = name .. "@theshire.example", first = first,
           last = last,
           email = first:lower() .. "." .. last:lower() .. "@theshire.example", department = "Operations",
           status = status, groups = groups }
end

local function make_users()
  local odd = person("odd", "odd", "Ann", "O'Neil", "ACTIVE", { "everyone", "staff", "quoted" })
  odd.login = [[ann/o'neil@theshire.example]]              -- cannot be asked for in a path
  local tokens = person("service", "svc-lunette", "Lunette", "Service", "ACTIVE", { "everyone" })
  tokens.service = true                                    -- whose the connectors' tokens are
  return {
    person("pgustavo", "pgustavo", "Pedro", "Gustavo", "ACTIVE",
           { "everyone", "staff", "admins", "domain_ad" }),
    person("nmartha", "nmartha", "Nadia", "Martha", "ACTIVE", { "everyone", "staff", "domain_ad" }),
    person("sbeavers", "sbeavers", "Sam", "Beavers", "ACTIVE",
           { "everyone", "staff", "admins", "domain_ad" }),
    person("breakglass", "breakglass", "Break", "Glass", "ACTIVE", { "everyone", "root" }),
    person("gone", "rgone", "Rita", "Gone", "DEPROVISIONED", {}),
    person("locked", "lrodriguez", "Luis", "Rodriguez", "LOCKED_OUT", { "everyone", "staff" }),
    odd, tokens,
  }
end

-- Vulnerabilities -----------------------------------------------------------------------------------------

local function make_qids()
  local list = {
    { qid = 92155, title = "SMB Server Update Missing", severity = 4, type = "Vulnerability",
      category = "Windows",
      cve = "CVE-2026-00155", cvss = "8.1", port = "445", protocol = "tcp",
      published = "2026-09-09T17:33:40Z",
      diagnosis = "An update of the SMB server is not installed.",
      consequence = "An attacker on the network can run code on the host.",
      solution = "Install the update of the month from the vendor.",
      results = "%windir%\\System32\\srv2.sys\tVersion is 10.0.18362.1" },
    { qid = 91974, title = "Script Host May Run Files From Download Folders", severity = 3,
      type = "Vulnerability",
      category = "Windows", cve = "CVE-2025-00974", cvss = "6.5", published = "2025-11-20T09:00:00Z",
      diagnosis = "The Windows Script Host is enabled for all users.",
      consequence = "A user who opens a script runs it.",
      solution = "Disable the Windows Script Host by policy, or open .vbs and .js with an editor.",
      results = "HKLM\\Software\\Microsoft\\Windows Script Host\\Settings\tEnabled = 1" },
    { qid = 38173, title = "SSL Certificate - Signature Verification Failed", severity = 2,
      type = "Vulnerability",
      category = "General remote services", cve = nil, cvss = "4.8", port = "3389", protocol = "tcp",
      published = "2015-06-01T00:00:00Z", diagnosis = "The certificate is signed by itself.",
      consequence = "A client cannot tell the host from an impostor.",
      solution = "Install a certificate that is signed by the company's authority.",
      results = "Certificate #0 CN=host" },
    { qid = 105943, title = "End of Support Operating System Detected", severity = 5,
      type = "Potential Vulnerability",
      category = "Security Policy", cvss = "9.8", published = "2025-10-15T00:00:00Z",
      diagnosis = "The operating system gets no more updates.", consequence = "Known holes stay open.",
      solution = "Upgrade to a supported release.", results = "Windows 10 version 1903" },
    { qid = 45017, title = "Operating System Detected", severity = 1, type = "Information Gathered",
      category = "Information gathering", published = "2005-02-14T08:00:00Z",
      diagnosis = "The operating system was identified.",
      consequence = "None.", solution = "None.", results = "Windows\tTCP/IP fingerprint" },
  }
  local by = {}
  for _, q in ipairs(list) do by[q.qid] = q end
  return by
end

-- The whole -----------------------------------------------------------------------------------------------

---A fresh world.
function world.new()
  local f = make_files()
  local hosts = workstations(f)
  for _, h in ipairs(servers()) do hosts[#hosts + 1] = h end

  local by_key, files = {}, {}
  for _, h in ipairs(hosts) do by_key[h.key] = h end
  for _, file in pairs(f) do files[file.sha256] = file end

  return {
    company = "The Shire", domain = "theshire.local", netbios_domain = "THESHIRE",
    mail_domain = "theshire.example",
    hosts = hosts, host = by_key, files = files, users = make_users(), groups = make_groups(),
    qids = make_qids(),
    verdicts = {
      [f.launcher.sha256] = { verdict = "malicious", score = 100, family = "Empire", sample = "launcher.vbs",
                              tags = { "vbs", "downloader" } },
      [COMMAND_UTF8]  = { verdict = "malicious", score = 100, family = "Empire", sample = "command.ps1",
                          tags = { "stager" } },
      [COMMAND_UTF16] = { verdict = "malicious", score = 100, family = "Empire", sample = "command.ps1",
                          tags = { "stager" } },
      [f.notes.sha256] = { verdict = "no specific threat", score = 0, sample = "notes.txt" },
      [f.logon.sha256] = { verdict = "suspicious", score = 45, sample = "logon.cmd" },
    },
    system = { [WSCRIPT.sha256] = WSCRIPT.name, [POWERSHELL.sha256] = POWERSHELL.name,
               [EXPLORER.sha256] = EXPLORER.name },
  }
end

return world
