-- What `make lint` asks of Lua.  Each folder knows what it may: playbooks the words, connectors what the host state
-- gives them, and neither `os` nor `io`; a test what its harness sets.
std = "lua54"
max_line_length = 140
cache = false

-- The words are what the definitions for editors say.
local function defined(...)
  local words = {}
  for _, name in ipairs { ... } do
    for line in io.lines("stdlib/meta/" .. name .. ".lua") do
      words[#words + 1] = line:match "^function ([%w_]+)%(" or line:match "^([%w_]+) = %{"
    end
  end
  return words
end

local OUTSIDE = { "collectgarbage", "debug", "dofile", "io", "load", "loadfile", "os", "package" }

files["scripts"] = { read_globals = defined("words", "blob"), not_globals = OUTSIDE, max_line_length = 120 }
-- What a test of a playbook can say (modules/test.meta.lua).
files["scripts/**/*_test.lua"] = { read_globals = defined("test") }
files["stdlib"] = { read_globals = { "fail" }, not_globals = OUTSIDE, max_line_length = 120 }
files["stdlib/connectors"] = { read_globals = defined("words", "connector") }
files["stdlib/ledger"] = { read_globals = defined("words", "ledger") }   -- what undo and release run
files["stdlib/check/file.lua"] = { read_globals = { "load" } } -- Lua's own compiler has the last word
files["stdlib/check/session.lua"] = { read_globals = { "load" } }
files["stdlib/check/lines.lua"] = { read_globals = { "debug", "load" } }
files["stdlib/sim/literal.lua"] = { read_globals = { "load" } }
files["stdlib/sim/test.lua"] = { self = false }
-- Definitions for editors: functions without a body, in lines as long as the annotations they are copied from.
files["stdlib/meta"] = { globals = defined("words", "blob", "connector", "test"), ignore = { "212" }, max_line_length = false }
files["stdlib/meta/test.lua"] = { ignore = { "212", "241", "431" }, max_line_length = false } -- objects' methods

-- The harnesses stand in for words; the rest is set by the C that runs the file.
local words = { "await_until", "connector", "fail", "log", "map", "now", "opaque", "the_client", "try", "where" }
files["tests/lua/harness.lua"] = { globals = words }
files["tests/lua/engine_harness.lua"] = { globals = words, read_globals = { "core", "the_only", "the_test" } }
files["tests/lua/connectors"] = { read_globals = words }
files["tests/lua/t1059"] = { read_globals = words }
files["tests/lua/modules"] = { read_globals = { "CERTIFICATE" } }
-- The playbooks, the connector and the simulator of the simulation.
files["tests/sim/playbooks"] = { read_globals = defined("words", "blob"), not_globals = OUTSIDE }
files["tests/faults/playbooks"] = { read_globals = defined("words", "blob"), not_globals = OUTSIDE }
files["tests/sim/lib/connectors"] = { read_globals = defined("words", "connector") }
files["tests/sim/lib/sim"] = { read_globals = { "fail" } }
