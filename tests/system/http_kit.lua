-- http_kit.lua: a client of the HTTP API, for tests: curl, with what it says taken apart.
--
--   local api = require … (dofile "tests/system/http_kit.lua")(sys)
--   local job, http = api.serve(t, { conf = "further lines of the configuration" })
--     http.url, http.token.viewer …                 a token a role, and "second": another approver
--   http:call("GET", "/v1/runs", { as = "viewer", body = "{}", json = table, headers = { ["X-A"] = "1" }, cacert = FILE })
--     with session = "NAME=ID" as a page of the server's own would send it
--     → { status, headers (names in lower case), body, doc() }
--   http:many { { "GET", "/v1/runs", as = "viewer" }, … } → the statuses, over few connections

local cjson = require "cjson"

local ROLES = { viewer = "viewer", operator = "operator", approver = "approver", admin = "admin", second = "approver" }

return function(sys)
  local kit = {}
  local client = {}
  client.__index = client

  local function quoted(s) return "'" .. tostring(s):gsub("'", [['\'']]) .. "'" end

  local function parse(text)
    local at, head = 1
    repeat                                                -- a "100 Continue" comes first, perhaps
      local first, last = text:find("\r?\n\r?\n", at)
      if not first then return { status = 0, headers = {}, body = "" } end
      head, at = text:sub(at, first - 1), last + 1
    until not head:find "^HTTP/%S+ 1%d%d"
    local headers = {}
    for name, value in head:gmatch "\n([^:\r\n]+):%s*([^\r\n]*)" do headers[name:lower()] = value end
    local r = { status = tonumber(head:match "^HTTP/%S+ (%d+)"), headers = headers, body = text:sub(at) }
    function r.doc() return sys.decode(r.body) end
    return r
  end

  -- What a browser sends from a page of the server's own.
  local function of_session(self, cookie)
    return { "Cookie: " .. cookie, "Origin: " .. self.url, "X-Lunette: 1" }
  end

  function client:call(method, path, o)
    o = o or {}
    local words = { "curl -sSi -m", o.seconds or 20, "--path-as-is" }
    if o.cacert then words[#words + 1] = "--cacert " .. quoted(o.cacert) end
    words[#words + 1] = method == "HEAD" and "-I" or "-X " .. quoted(method)
    local token = o.token or self.token[o.as]
    if token then words[#words + 1] = "-H " .. quoted("Authorization: Bearer " .. token) end
    for _, header in ipairs(o.session and of_session(self, o.session) or {}) do words[#words + 1] = "-H " .. quoted(header) end
    local body = o.json and cjson.encode(o.json) or o.body
    if body then
      words[#words + 1] = "-H 'Content-Type: application/json' --data-binary @-"
      self.t:write("body", body)
    end
    for name, value in pairs(o.headers or {}) do words[#words + 1] = "-H " .. quoted(name .. ": " .. value) end
    words[#words + 1] = quoted(self.url .. path)
    words[#words + 1] = "2>/dev/null <" .. (body and quoted(self.t.dir .. "/body") or "/dev/null")
    local p = io.popen(table.concat(words, " "))
    local text = p:read "a"
    p:close()
    return parse(text)
  end

  function client:many(calls)
    local lines = {}
    for i, c in ipairs(calls) do
      if i > 1 then lines[#lines + 1] = "next" end
      lines[#lines + 1] = ('url = "%s%s"\nsilent\nmax-time = 10\noutput = "/dev/null"\nwrite-out = "%%{http_code}\\n"')
                          :format(self.url, c[2])
      lines[#lines + 1] = c[1] == "HEAD" and "head" or ('request = "%s"'):format(c[1])
      local token = c.token or self.token[c.as]
      if token then lines[#lines + 1] = ('header = "Authorization: Bearer %s"'):format(token) end
      for _, header in ipairs(c.session and of_session(self, c.session) or {}) do
        lines[#lines + 1] = ('header = "%s"'):format(header)
      end
      if c.brief then lines[#lines + 1] = "max-time = 1" end
    end
    self.t:write("calls", table.concat(lines, "\n") .. "\n")
    local out = {}
    for line in io.popen("curl -K " .. quoted(self.t.dir .. "/calls") .. " 2>/dev/null"):lines() do
      out[#out + 1] = tonumber(line)
    end
    return out
  end

  ---Exchanges the token of a role for a session: "NAME=ID", as the Cookie header has it.
  function client:sign_in(as)
    local r = self:call("POST", "/v1/session", { json = { token = self.token[as] } })
    assert(r.status == 200, r.body)
    return (r.headers["set-cookie"]:match "^[^;]+")
  end

  ---Listens to the events in the background; stop() ends that, and returns what came.
  function client:listen(as, headers, cacert)
    local file = self.t.dir .. "/events." .. as .. (headers or "")
    local token = self.token[as] and "-H " .. quoted("Authorization: Bearer " .. self.token[as]) or ""
    local p = io.popen(("curl -sN -m 60 %s %s %s %s >%s 2>/dev/null & echo $!")
                       :format(token, headers and "-H " .. quoted(headers) or "",
                               cacert and "--cacert " .. quoted(cacert) or "", quoted(self.url .. "/v1/events"),
                               quoted(file)))
    local pid = p:read "l"
    p:close()
    local ear = {}
    function ear.seen() return sys.slurp(file) or "" end
    function ear.stop()
      os.execute("kill " .. pid .. " 2>/dev/null")
      return ear.seen()
    end
    return ear
  end

  ---Starts `lunette serve` with a door on any free port.  With `tokens`, those of an earlier client.
  function kit.serve(t, o)
    o = o or {}
    if not o.keep then
      t:write("lunette.conf.lua", ("return { scripts = { \"scripts\" }, listen = %q, %s }\n")
                                  :format(o.listen or "127.0.0.1:0", o.conf or ""))
    end
    local self = setmetatable({ t = t, token = o.tokens or {} }, client)
    if not o.tokens then
      for name, role in pairs(ROLES) do
        self.token[name] = t:expect(0, { "token", "add", name, "--role", role }).out:match "%S+"
      end
    end
    local job = t:serve()
    assert(t:until_true(function()
      self.url = job.seen "err":match "listening on (http%S+)"
      return self.url
    end), "it does not listen")
    return job, self
  end

  return kit
end
