-- acme.lua: a vendor that exists only here: one operation of every class of write, each as small as it can
-- be.  Its log has the tag of each write, so its own record says which step it was, and, where each process has
-- a token of its own ("acme.7"), which process (7).

local kit = require "sim.kit"

local TOKEN = "acme"

local function refuse(status, why) return { status = status, json = { error = why } } end

local function note(req, state, entry)
  entry.at, entry.by = req.now, req.by
  entry.tag = req.json.tag
  state.log[#state.log + 1] = entry
end

local function account(state, id)
  local a = state.accounts[id]
  if not a then
    a = { id = id, state = "active", content = "whole", marks = {} }
    state.accounts[id] = a
  end
  return a
end

-- Work that takes a while is over when somebody looks after its time.
local function settle(state, now)
  for _, j in ipairs(state.jobs) do
    if not j.over and now >= j.ready then
      j.over = true
      if j.kind == "wipe" then account(state, j.id).content = "wiped" end
      state.log[#state.log + 1] = { op = j.kind .. " done", at = j.ready, id = j.id, job = j.job }
    end
  end
end

local function get_account(req, state)
  local a = account(state, req.params.id)
  return { status = 200, json = { id = a.id, state = a.state, content = a.content } }
end

local function get_mark(req, state)
  return { status = 200, json = { id = req.params.id, mark = account(state, req.params.id).marks[req.params.mark]
                                                              and "marked" or "absent" } }
end

local function put(to)
  return function(req, state)
    account(state, req.params.id).state = to
    note(req, state, { op = to == "locked" and "lock" or "unlock", id = req.params.id })
    return { status = 204 }
  end
end

local function put_mark(req, state)
  account(state, req.params.id).marks[req.params.mark] = true
  note(req, state, { op = "mark", id = req.params.id, mark = req.params.mark })
  return { status = 200, json = { id = req.params.id, mark = req.params.mark } }
end

-- Who sends twice has two.
local function post(list, op)
  return function(req, state)
    local x = { id = #state[list] + 1, title = req.json.title, tag = req.json.tag }
    state[list][x.id] = x
    note(req, state, { op = op, id = x.id, title = x.title })
    return { status = 201, json = { id = x.id } }
  end
end

local function find(list)
  return function(req, state)
    local out, tag = {}, kit.first(req.query.tag)
    for _, x in ipairs(state[list]) do
      if x.tag == tag then out[#out + 1] = { id = x.id or x.job, job = x.job, tag = x.tag } end
    end
    return { status = 200, json = { found = out } }
  end
end

local function begin(kind)
  return function(req, state)
    if kind == "wipe" and account(state, req.json.id).content == "wiped" then return refuse(409, "wiped already") end
    local j = { job = #state.jobs + 1, kind = kind, id = req.json.id, tag = req.json.tag,
                ready = req.now + kit.int(req.rand, 2, 40) }
    state.jobs[j.job] = j
    note(req, state, { op = kind, id = j.id, job = j.job })
    return { status = 202, json = { job = j.job } }
  end
end

local function get_job(req, state)
  local j = state.jobs[tonumber(req.params.job)]
  if not j then return refuse(404, "there is no such job") end
  return { status = 200, json = { job = j.job, id = j.id, state = j.over and "done" or "running" } }
end

local function before(req, state)
  settle(state, req.now)
  req.by = (kit.first(req.headers.authorization) or ""):match("^Bearer " .. TOKEN .. "%.?(%d*)$")
  if not req.by then return refuse(401, "who are you?") end
  if req.method ~= "GET" and type(req.json) ~= "table" then return refuse(400, "the body must be JSON") end
  return nil
end

return kit.sim {
  vendor = "acme",
  config = { token = TOKEN },
  new = function() return { accounts = {}, tickets = {}, mails = {}, jobs = {}, log = {} } end,
  before = before,
  none = function(req) return refuse(req.allow and 405 or 404, "no such thing") end,
  routes = {
    { "GET", "/accounts/{id}", "account", get_account },
    { "PUT", "/accounts/{id}/lock", "lock", put "locked" },
    { "PUT", "/accounts/{id}/unlock", "unlock", put "active" },
    { "GET", "/accounts/{id}/marks/{mark}", "marked", get_mark },
    { "PUT", "/accounts/{id}/marks/{mark}", "mark", put_mark },
    { "POST", "/tickets", "ticket", post("tickets", "ticket") },
    { "GET", "/tickets", "tickets", find "tickets" },
    { "POST", "/mails", "mail", post("mails", "mail") },
    { "POST", "/scans", "scan", begin "scan" },
    { "POST", "/wipes", "wipe", begin "wipe" },
    { "GET", "/jobs", "jobs", find "jobs" },
    { "GET", "/jobs/{job}", "job", get_job },
  },
}
