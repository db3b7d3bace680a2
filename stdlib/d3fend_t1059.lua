-- d3fend_t1059.lua: the part of the D3FEND ontology that has to do with ATT&CK T1059: which countermeasures
-- counter it, which are used besides, and what was retired or moved.  Data only; d3fend.lua reads it.
--
-- A countermeasure counters T1059 when the ontology restricts it to an artifact that is an executable script
-- or one of its superclasses (executable file, file …), the one artifact that T1059 and its sub-techniques
-- have.  What acts on processes, accounts, hosts or traffic is therefore not inferred, though responses use
-- it: that is `related`.
--
-- From the D3FEND ontology 1.2.0 of 2025-08-01 (commit f767485ced18), MIT, Copyright (c) 2022 The MITRE
-- Corporation; identifiers and labels as there.  D3FEND is a trademark of The MITRE Corporation; no
-- endorsement is implied.

return {
  ontology = { name = "D3FEND", version = "1.2.0", released = "2025-08-01" },
  attack = "T1059",
  tactics = { "Model", "Harden", "Detect", "Isolate", "Deceive", "Evict", "Restore" },
  countermeasures = {                                       -- inferred by the ontology
    { id = "D3-FE", label = "File Encryption", tactic = "Harden" },
    { id = "D3-DA", label = "Dynamic Analysis", tactic = "Detect" },
    { id = "D3-EFA", label = "Emulated File Analysis", tactic = "Detect" },
    { id = "D3-FA", label = "File Analysis", tactic = "Detect" },
    { id = "D3-FIM", label = "File Integrity Monitoring", tactic = "Detect" },
    { id = "D3-CF", label = "Content Filtering", tactic = "Isolate" },
    { id = "D3-CM", label = "Content Modification", tactic = "Isolate" },
    { id = "D3-CQ", label = "Content Quarantine", tactic = "Isolate" },
    { id = "D3-EAL", label = "Executable Allowlisting", tactic = "Isolate" },
    { id = "D3-EDL", label = "Executable Denylisting", tactic = "Isolate" },
    { id = "D3-LFP", label = "Local File Permissions", tactic = "Isolate" },
    { id = "D3-RFAM", label = "Remote File Access Mediation", tactic = "Isolate" },
    { id = "D3-DF", label = "Decoy File", tactic = "Deceive" },
    { id = "D3-FEV", label = "File Eviction", tactic = "Evict" },
    { id = "D3-RF", label = "Restore File", tactic = "Restore" },
  },
  related = {                                       -- used in responses, and not inferred
    { id = "D3-AVE", label = "Asset Vulnerability Enumeration", tactic = "Model" },
    { id = "D3-CI", label = "Configuration Inventory", tactic = "Model" },
    { id = "D3-NNI", label = "Network Node Inventory", tactic = "Model" },
    { id = "D3-SWI", label = "Software Inventory", tactic = "Model" },
    { id = "D3-SYSVA", label = "System Vulnerability Assessment", tactic = "Model" },
    { id = "D3-ACH", label = "Application Configuration Hardening", tactic = "Harden" },
    { id = "D3-SU", label = "Software Update", tactic = "Harden" },
    { id = "D3-FCR", label = "File Content Rules", tactic = "Detect" },
    { id = "D3-FH", label = "File Hashing", tactic = "Detect" },
    { id = "D3-FHRA", label = "File Hash Reputation Analysis", tactic = "Detect" },
    { id = "D3-PLA", label = "Process Lineage Analysis", tactic = "Detect" },
    { id = "D3-PSA", label = "Process Spawn Analysis", tactic = "Detect" },
    { id = "D3-SEA", label = "Script Execution Analysis", tactic = "Detect" },
    { id = "D3-DNSDL", label = "DNS Denylisting", tactic = "Isolate" },
    { id = "D3-NI", label = "Network Isolation", tactic = "Isolate" },
    { id = "D3-NTF", label = "Network Traffic Filtering", tactic = "Isolate" },
    { id = "D3-OTF", label = "Outbound Traffic Filtering", tactic = "Isolate" },
    { id = "D3-UAP", label = "User Account Permissions", tactic = "Isolate" },
    { id = "D3-DO", label = "Decoy Object", tactic = "Deceive" },
    { id = "D3-DUC", label = "Decoy User Credential", tactic = "Deceive" },
    { id = "D3-AL", label = "Account Locking", tactic = "Evict" },
    { id = "D3-ANCI", label = "Authentication Cache Invalidation", tactic = "Evict" },
    { id = "D3-CR", label = "Credential Revocation", tactic = "Evict" },
    { id = "D3-HS", label = "Host Shutdown", tactic = "Evict" },
    { id = "D3-PS", label = "Process Suspension", tactic = "Evict" },
    { id = "D3-PT", label = "Process Termination", tactic = "Evict" },
    { id = "D3-ST", label = "Session Termination", tactic = "Evict" },
    { id = "D3-RC", label = "Restore Configuration", tactic = "Restore" },
    { id = "D3-RIC", label = "Reissue Credential", tactic = "Restore" },
    { id = "D3-RNA", label = "Restore Network Access", tactic = "Restore" },
    { id = "D3-RUAA", label = "Restore User Account Access", tactic = "Restore" },
    { id = "D3-ULA", label = "Unlock Account", tactic = "Restore" },
  },
  retired = {
    { id = "D3-FR", label = "File Removal", successor = "D3-FEV", last = "0.16.0" },
  },
  moved = {                                          -- the same id under another tactic than before
    { id = "D3-LFP", from = "Harden", to = "Isolate", since = "1.0.0" },
    { id = "D3-UAP", from = "Harden", to = "Isolate", since = "1.0.0" },
  },
}
