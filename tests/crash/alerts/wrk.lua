-- wrk.lua: what wrk hands in (wrk -s wrk.lua URL -- TOKEN TEMPLATES NAME): alerts NAME.THREAD-N of the templates; the ids
-- that were answered 202 go to the file NAME.THREAD, a line each.
-- luacheck: globals setup init request response, read globals wrk thread
local threads = 0

function setup(thread)
  threads = threads + 1
  thread:set("thread", threads)
end

local token, taken, name
local templates, n = {}, 0

function init(args)
  token = args[1]
  name = args[3] .. "." .. thread
  for line in io.lines(args[2]) do templates[#templates + 1] = line end
  taken = assert(io.open(name, "w"))
  taken:setvbuf "line"
end

local function letters(k)
  local out = {}
  while k > 0 do
    out[#out + 1] = string.char(97 + k % 26)
    k = math.floor(k / 26)
  end
  return table.concat(out)
end

function request()
  n = n + 1
  local body = templates[n % #templates + 1]:gsub("@ID@", name .. "-" .. n):gsub("@RULE@", name .. "." .. letters(n))
  return wrk.format("POST", "/v1/alerts", { Authorization = "Bearer " .. token, ["Content-Type"] = "application/json" }, body)
end

-- Answers on one connection come in order, but those of many do not: whose it is it says itself.
function response(status, _, body)
  if status == 202 then taken:write(body:match '"id":"([^"]*)"', "\n") end
end
