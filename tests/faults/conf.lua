-- conf.lua: the configuration of the fault matrix: the playbooks that ship, and some that are wrong on purpose.
return { store = "sqlite:unused.db", scripts = { "scripts", "tests/faults/playbooks" }, stdlib = { "stdlib" } }
