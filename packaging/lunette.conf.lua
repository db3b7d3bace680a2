-- The configuration of lunette: lunette.conf(5) has every key.  `lunette doctor` says what is still to be done.
return {
  store   = "sqlite:/var/lib/lunette/lunette.db",
  scripts = { "/etc/lunette/scripts", "@PREFIX@/share/lunette/scripts" },
  connectors = {
    -- okta = { url = "https://acme.okta.com", token = secret "okta_token", writes = "ask" },
  },
}
