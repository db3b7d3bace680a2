-- npm_kit.lua: programs from npm that tests drive the daemon with.  They are kept below the build's folder, so that only
-- the first run fetches them; where Node.js or they cannot be had, a test says so and tests nothing.
--
--   local npm = dofile "tests/system/npm_kit.lua" (sys)
--   npm.can "node --version"                 does a command succeed?
--   npm.kept("dap_client", "@vscode/x")      what tests/system/dap_client/package.json wants, with that package among it:
--                                            the folder that has node_modules; or nil, and what is missing
return function(sys)
  local npm = {}

  function npm.can(command) return os.execute("( " .. command .. " ) >/dev/null 2>&1") end

  function npm.kept(name, package)
    local from, folder = sys.root .. "/tests/system/" .. name, sys.binary:match "^(.*)/[^/]*$" .. "/" .. name
    local made = ("test -f '%s/node_modules/%s/package.json'"):format(folder, package)
    if not npm.can "node --version" then return nil, "it needs Node.js (nodejs)" end
    if npm.can(made) then return folder end
    if not npm.can "npm --version" then return nil, "it needs npm" end
    npm.can(("mkdir -p '%s' && cp '%s/package.json' '%s' && cd '%s' && timeout 120 npm install --no-audit --no-fund")
            :format(folder, from, folder, folder))
    if npm.can(made) then return folder end
    return nil, "npm could not install " .. package
  end

  return npm
end
