-- package_test.lua: what is installed is whole, and works from where it was put; the manual and the completion of
-- shells are those of the program; the Debian package holds the same.
local sys = dofile "tests/system/harness.lua"
local eq, has, hasnt = sys.eq, sys.has, sys.hasnt

local BUILD = sys.binary:match "^(.*)/lunette$"

local function shell(t, command, ...)
  local text = command:format(...)
  t:write("command.sh", text)
  local clean = "env -u MAKEFLAGS -u MAKELEVEL -u LUNETTE_CONFIG"
  local _, _, code = os.execute(("cd '%s' && %s sh -e '%s/command.sh' >'%s/shown' 2>&1 </dev/null")
                                :format(sys.root, clean, t.dir, t.dir))
  return code, t:read "shown"
end

local function shown(t, ...)
  local code, text = shell(t, ...)
  if code ~= 0 then error("exit status " .. tostring(code) .. ":\n" .. text, 2) end
  return text
end

local function commands(t)
  local out = {}
  for name in t:expect(0, { "--help" }).out:gmatch "\n  (%l+)  " do out[#out + 1] = name end
  assert(#out > 30, #out)
  return out
end

local function options(t, command)
  local out = {}
  for name in t:expect(0, { command, "--options" }).out:gmatch "%-%-([%a-]+)=?\n" do out[#out + 1] = name end
  return out
end

---Program, scripts and library below `prefix`, used by somebody elsewhere.
local function runs_from(t, prefix)
  has(shown(t, "cd '%s' && '%s/bin/lunette' run t1059.harden --sim --approve all --quiet "
               .. "--set confirmed_by=alice --set user=pgustavo@theshire.example", t.dir, prefix), "playbook  t1059.harden")
  has(shown(t, "ls '%s/share/lunette/scripts/t1059' '%s/share/lunette/stdlib'", prefix, prefix), "respond.lua")
  hasnt(t:read "shown", "_test.lua")
end

sys.test("make install puts everything below PREFIX, and it works there", function(t)
  shown(t, "make -s BUILD='%s' DESTDIR='%s/root' PREFIX=/opt/l install", BUILD, t.dir)
  local prefix = t.dir .. "/root/opt/l"
  runs_from(t, prefix)
  local unit = sys.slurp(prefix .. "/lib/systemd/system/lunette.service")
  has(unit, "\nExecStart=/opt/l/bin/lunette serve\n")
  hasnt(unit, "@PREFIX@")
  if os.execute "command -v systemd-analyze >/dev/null" then
    shown(t, "sed 's|/opt/l/bin/lunette|%s|' '%s/lib/systemd/system/lunette.service' >'%s/l.service' && "
             .. "systemd-analyze verify --man=no '%s/l.service'", sys.binary, prefix, t.dir, t.dir)
    eq(t:read "shown", "")
    shown(t, "systemd-analyze security --offline=true --threshold=20 '%s/l.service'", t.dir)
  end
  t:expect(0, { "runs", "--config", prefix .. "/share/doc/lunette/lunette.conf.lua", "--store", t.dir .. "/lunette.db" })
end)

sys.test("the manual has a page for each command, with each of its options", function(t)
  shown(t, "lua5.4 packaging/man.lua '%s' '%s/man'", sys.binary, t.dir)
  local all = sys.slurp(t.dir .. "/man/lunette.1")
  for _, name in ipairs(commands(t)) do
    local page = sys.slurp(("%s/man/lunette-%s.1"):format(t.dir, name))
    assert(page, "no page lunette-" .. name)
    has(all, "lunette\\-" .. name .. "\\fR(1)")
    hasnt(page, "```")
    hasnt(page, "`")
    for line in page:gmatch "[^\n]+" do assert(not line:find "^'" and not line:find "^%.%A", line) end
  end
  local conf = sys.slurp(t.dir .. "/man/lunette.conf.5")
  for _, key in ipairs { "store", "scripts", "connectors", "guards", "limits" } do has(conf, "\\fB" .. key .. "\\fR") end
end)

-- What a shell offers for these words, the last of which is being typed.
local OFFERS = {
  bash = { "bash", [[. packaging/lunette.bash
COMP_WORDS=(%s); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _lunette; printf '%%s\n' "${COMPREPLY[@]}"]] },
  zsh = { "zsh -f", [==[compadd() { while [[ $1 != -- ]]; do shift; done; shift; print -rl -- ${(M)@:#$PREFIX*} }
_describe() { local -a names=(${${(P)2}%%%%:*}); print -rl -- ${(M)names:#$PREFIX*} }
_files() { print -rl -- FILES }
words=(%s); CURRENT=${#words}; PREFIX=${words[CURRENT]}
. packaging/lunette.zsh]==] },
  fish = { "fish --no-config", [[source packaging/lunette.fish
function lunette; "%s" $argv; end
complete -C "%s" | string replace -r '\t.*' ''
true]] },
}

local function offered(t, name, ...)
  local words = { ... }
  local program, text = OFFERS[name][1], OFFERS[name][2]
  if name == "fish" then text = text:format(sys.binary, "lunette " .. table.concat(words, " "))
  else
    for i, w in ipairs(words) do words[i] = "'" .. w .. "'" end
    text = text:format("'" .. sys.binary .. "' " .. table.concat(words, " "))
  end
  t:write("offers", text)
  local set = {}
  for line in shown(t, "%s '%s/offers'", program, t.dir):gmatch "[^\n]+" do set[line] = true end
  return set
end

for _, name in ipairs { "bash", "zsh", "fish" } do
  if os.execute(("command -v %s >/dev/null"):format(name)) then
    sys.test(name .. " completes commands, options and runs as the program has them", function(t)
      local some = offered(t, name, "re")
      for _, command in ipairs { "resume", "repl", "replay", "release" } do assert(some[command], command) end
      assert(not some.run and not some.show)
      for _, command in ipairs { "run", "replay", "audit" } do
        local got = offered(t, name, command, "--")
        for _, option in ipairs(options(t, command)) do assert(got["--" .. option], command .. " --" .. option) end
      end
      assert(offered(t, name, "show", "la").last, "the last run")
    end)
  end
end

sys.test("the Debian package holds what was installed, and asks for the libraries it needs", function(t)
  if not os.execute "command -v dpkg-shlibdeps >/dev/null" then return end
  local file = shown(t, "packaging/deb '%s'", BUILD):match "([^\n]*%.deb)\n$"
  shown(t, "dpkg-deb -x '%s' '%s/x' && dpkg-deb -e '%s' '%s/x/DEBIAN'", file, t.dir, file, t.dir)
  runs_from(t, t.dir .. "/x/usr")
  local control = sys.slurp(t.dir .. "/x/DEBIAN/control")
  for _, name in ipairs { "libuv1", "liblua5.4-0", "libsqlite3-0", "libcurl4" } do has(control, name) end
  eq(sys.slurp(t.dir .. "/x/DEBIAN/conffiles"), "/etc/lunette/lunette.conf.lua\n")
  for _, script in ipairs { "postinst", "prerm" } do shown(t, "sh -n '%s/x/DEBIAN/%s'", t.dir, script) end
  assert(sys.slurp(t.dir .. "/x/usr/share/man/man1/lunette-run.1.gz"))
  if sys.slurp "/etc/lunette/lunette.conf.lua" then return end
  -- As on a machine whose administrator removed the configuration; nothing that it calls is the real one.
  for _, name in ipairs { "getent", "useradd", "systemctl" } do t:write("bin/" .. name, "#!/bin/sh\n") end
  t:write("bin/chown", '#!/bin/sh\n[ -e "$2" ]\n')
  shown(t, "chmod 755 '%s'/bin/* && PATH=\"%s/bin:$PATH\" sh '%s/x/DEBIAN/postinst' configure", t.dir, t.dir, t.dir)
end)

sys.done()
