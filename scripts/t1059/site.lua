-- site.lua: a site's facts for runs against simulators, where nobody has configured any: values for the
-- playbooks' declared inputs, as `playbooks` in lunette.conf.lua gives them.  `root` is a folder that files may
-- be written to.
return function(root)
  return {
    ["t1059.harden"]  = { group = "ir-restricted", privileged = { "Domain Admins" } },
    ["t1059.model"]   = { option = "Initial Options", scanner = "dc1-appliance" },
    ["t1059.deceive"] = { location = root },
  }
end
