-- decoy_touched.lua: somebody opened a decoy.  Nobody has business there, so an alert that names a decoy's
-- hash is worth more than most: it is reported as such, with who and where.

---What is kept of the decoy that an alert names, or nil.
local function decoy_of(alert)
  local images = { alert.process or {} }
  for _, f in ipairs(alert.files or {}) do images[#images + 1] = f end
  for _, image in ipairs(images) do
    for _, hash in ipairs { image.sha256 or false, image.sha1 or false, image.md5 or false } do
      local known = hash and store.get("decoy/" .. hash:lower())
      if known then return known end
    end
  end
  return nil
end

return playbook {
  name    = "t1059.decoy_touched",
  summary = "An alert names a decoy: somebody looks where nobody should",
  stage   = "deceive",
  attack  = { "T1059" },
  d3fend  = { "D3-DF" },
  uses    = {},
  input   = { alert = "alert" },
  on      = function(alert) return decoy_of(alert) ~= nil end,

  run = function(input)
    local a = input.alert
    local known = decoy_of(a)
    if known == nil then fail("not_found", "the alert names no decoy of ours") end
    local device, user = a.device or {}, a.user or {}
    found { severity = "high", title = "A decoy was touched: " .. known.path, decoy = known.path,
            host = device.hostname, user = user.name, process = (a.process or {}).name,
            remedy = "Nobody has business in this file: look at " .. (device.hostname or "the host") ..
                     " and " .. (user.name or "whoever used it")
                       .. ", and start t1059.respond if they are yours" }
    evidence("alert", a.raw)
    return { decoy = known.path, device = a.device, user = a.user }
  end,
}
