-- acme.lua: the connector of lib/sim/acme.lua: every class of write once.
--   lock, unlock  idempotent, probed by the state that they put an account in
--   mark          the same, of a note
--   ticket        not idempotent, found again by its tag
--   mail          not idempotent, and nobody can tell afterwards: doubt is for a person
--   scan          not idempotent, asynchronous, found again by its tag
--   wipe          idempotent, asynchronous, a state and a tag

local SOURCE = "tests/sim/lib/sim/acme.lua"

local function host(a) return { host = { a.id } } end

local function account(key)
  return { op = "account", args = function(a) return { id = a.id } end, of = function(x) return x[key] end }
end

-- The one job or ticket that carries the tag.
local function ours(found, _, ctx)
  for _, x in ipairs(found) do
    if x.tag == ctx.tag then return { id = x.id, job = x.job } end
  end
  return nil
end

local function tagged(_, ctx) return { tag = ctx.tag } end

local function lock_write(summary, path, effect, to, back)
  return {
    summary = summary, source = SOURCE, class = "write", idempotent = true, effect = effect,
    params = { id = "string" },
    method = "PUT", path = "/accounts/{id}/" .. path, json = tagged, expect = { 204 },
    entity = "acme:account:{id}", facet = "lock", to = to,
    state = account "state", resolve = { names = function(_, a) return host(a) end },
    undo = function(a, before) if before ~= to then return { op = "acme." .. back, args = a } end end,
    result = function(_, a) return { id = a.id, state = to } end,
    plan = { id = "{id}", state = to },
  }
end

local function post(summary, path, probed)
  return {
    summary = summary, source = SOURCE, class = "write", idempotent = false, effect = "note",
    params = { title = "string" },
    method = "POST", path = path, json = function(a, ctx) return { title = a.title, tag = ctx.tag } end,
    expect = { 201 },
    entity = "acme:text:{title}", facet = "sent", to = "sent",
    probe = probed and { op = "tickets", args = function(_, ctx) return { tag = ctx.tag } end, found = ours } or nil,
    result = function(body) return { id = body.id } end,
    undo_why = "what was sent stays sent",
    plan = { id = opaque "its number" },
  }
end

local function job_write(summary, path, w)
  local o = {
    summary = summary, source = SOURCE, class = "write", idempotent = w.idempotent, effect = w.effect,
    params = { id = "string" },
    method = "POST", path = path, json = function(a, ctx) return { id = a.id, tag = ctx.tag } end,
    expect = { 202 },
    entity = "acme:account:{id}", facet = w.facet, to = w.to, state = w.state,
    resolve = { names = function(_, a) return host(a) end },
    probe = { op = "jobs", args = function(_, ctx) return { tag = ctx.tag } end, found = ours },
    handle = function(body) return { job = body.job } end,
    follow = { op = "job", args = function(handle) return { job = handle.job } end,
               of = function(j) return j.state end, every = { 2, 5, 10 } },
    result = function(j, a) return { id = a.id, job = j.job } end,
    undo_why = "it cannot be taken back",
    plan = { id = "{id}", job = opaque "the job's number" },
  }
  return o
end

local function list(path)
  return {
    summary = "What carries a tag.", source = SOURCE, class = "read", list = true,
    params = { tag = "string" }, method = "GET", path = path, query = { tag = "{tag}" },
    page = function(answer) return answer.body.found end,
  }
end

local operations = {
  account = { summary = "An account.", source = SOURCE, class = "read", params = { id = "string" },
              method = "GET", path = "/accounts/{id}" },
  marked = { summary = "Whether an account has a mark.", source = SOURCE, class = "read",
             params = { id = "string", mark = "string" }, method = "GET", path = "/accounts/{id}/marks/{mark}" },
  tickets = list "/tickets",
  jobs = list "/jobs",
  job = { summary = "A job.", source = SOURCE, class = "read", params = { job = "integer" },
          method = "GET", path = "/jobs/{job}" },
  lock = lock_write("Locks an account.", "lock", "confine", "locked", "unlock"),
  unlock = lock_write("Unlocks it.", "unlock", "free", "active", "lock"),
  mark = {
    summary = "Marks an account.", source = SOURCE, class = "write", idempotent = true, effect = "note",
    params = { id = "string", mark = "string" },
    method = "PUT", path = "/accounts/{id}/marks/{mark}", json = tagged, expect = { 200 },
    entity = "acme:account:{id}", facet = "mark:{mark}", to = "marked",
    state = { op = "marked", args = function(a) return { id = a.id, mark = a.mark } end,
              of = function(x) return x.mark end },
    undo_why = "marks stay",
    plan = { id = "{id}", mark = "{mark}" },
  },
  ticket = post("Opens a ticket.", "/tickets", true),
  mail = post("Sends a mail.", "/mails", false),
  scan = job_write("Scans an account.", "/scans",
                   { idempotent = false, effect = "note", facet = "scan", to = "scanned" }),
  wipe = job_write("Wipes an account.", "/wipes",
                   { idempotent = true, effect = "confine", facet = "content", to = "wiped", state = account "content" }),
}
-- Who hangs is not waited for any longer.
for _, o in pairs(operations) do o.timeout = 5 end

return connector {
  name = "acme",
  summary = "A vendor for the simulation.",
  config = { token = "secret" },
  auth = { kind = "header", header = "Authorization", prefix = "Bearer ", secret = "token" },
  body = "json",
  operations = operations,
}
