-- conf.lua: the configuration of the simulation: the playbooks and the vendor of its own beside those that
-- ship.  Nothing may depend on how fast this machine is: no slice ends, no budget is used up.
return {
  store   = "sqlite:unused.db",
  scripts = { "tests/sim/playbooks", "scripts" },
  stdlib  = { "tests/sim/lib", "stdlib" },
  limits  = { slice = "1h", cpu = "2h" },
}
