-- deceive.lua: puts a decoy where an intruder looks, and has its hash watched, never blocked: who opens it
-- shall be seen.  Each decoy is unlike all others, so that its hash means this one file; t1059.decoy_touched
-- starts on an alert that names it.

local decoy     = require "decoy"
local file      = require "file"
local visionone = require "connectors.visionone"

return playbook {
  name    = "t1059.deceive",
  summary = "Put a decoy where the intruder looks, have its hash watched, and be told",
  stage   = "deceive",
  attack  = { "T1059" },
  d3fend  = { "D3-DF" },
  uses    = { "visionone.watch", "file" },
  input   = { location = "string", format = "one of docx csv txt json html = docx", content = "string?",
              file_name = "string?", lease = "duration = 30d" },

  run = function(input)
    local d = decoy.make { format = input.format, content = input.content, name = input.file_name,
                           token = uuid() }
    local f = file.write { path = input.location .. "/" .. d.name, data = d.data, new = true,
                           lease = input.lease }
    for _, hash in ipairs { f.sha256, f.sha1, f.md5 } do     -- an alert names it by any of these
      store.set("decoy/" .. hash, { path = f.path, sha256 = f.sha256 })
    end
    for _, kind in ipairs { "sha256", "sha1" } do            -- not every product looks for both
      visionone.watch { file = { path = f.path, [kind] = f[kind] }, lease = input.lease, as = "watch " .. kind }
    end
    return { path = f.path, sha256 = f.sha256, sha1 = f.sha1, md5 = f.md5 }
  end,
}
