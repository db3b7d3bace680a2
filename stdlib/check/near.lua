-- near.lua: "did you mean": the name that differs least from one that is not there.

local near = {}

-- How many letters are put in, left out or changed.
local function distance(a, b, most)
  local row = {}
  for j = 0, #b do row[j] = j end
  for i = 1, #a do
    local corner, least = row[0], i
    row[0] = i
    for j = 1, #b do
      local change = corner + (a:byte(i) == b:byte(j) and 0 or 1)
      corner = row[j]
      row[j] = math.min(change, row[j - 1] + 1, row[j] + 1)
      least = math.min(least, row[j])
    end
    if least > most then return most + 1 end
  end
  return row[#b]
end

---The nearest of the keys of a table, or of the texts of a list; nil when none is near.
---@param name string
---@param names table
---@return string?
function near.of(name, names)
  if #name > 64 then return nil end
  local best, least = nil, math.min(3, #name // 2) + 1
  local function try(candidate)
    local d = distance(name:lower(), candidate:lower(), least)
    if d < least or (d == least and best and candidate < best) then best, least = candidate, d end
  end
  for k, v in pairs(names) do try(type(k) == "string" and k or v) end
  return best
end

---": did you mean NAME?", or nothing.
function near.hint(name, names)
  local best = near.of(name, names)
  return best and (": did you mean '%s'?"):format(best) or ""
end

return near
