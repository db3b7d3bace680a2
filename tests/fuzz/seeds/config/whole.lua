return { store = "sqlite:l.db", scripts = { "s" }, listen = "127.0.0.1:1",
  connectors = { okta = { url = "https://a.okta.com", token = secret "t", writes = "ask" }, v = { url = "http://127.0.0.1:1", pace = 3 } },
  playbooks = { ["t1059.harden"] = { group = "g", privileged = { "D" } } },
  limits = { memory = "64MiB", slice = "5ms", cpu = "10s", response = "16MiB" }, egress = { "https://h.example.com" },
  files = { "/srv" }, credentials = { hook = { hosts = { "h" }, bearer = secret "h" } }, allow = { sha256 = {}, path = {} },
  connectors_path = {}, approvals = { self = "interactive" },
  guards = { protect = { host = { "*dc*" }, user = { "b@*" } }, per_run = { destructive = 20 },
    per_hour = { destructive = 100, share = 0.01 }, approve = "destructive", unasked = { "okta.clear_sessions" } } }
