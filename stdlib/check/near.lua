-- near.lua: "did you mean": the name that differs least from one that is not there.

local near = {}

local LONGEST = 64

-- How many letters are put in, left out, changed, or two swapped.
local function distance(a, b)
  local d = { [0] = {} }
  for j = 0, #b do d[0][j] = j end
  for i = 1, #a do
    d[i] = { [0] = i }
    for j = 1, #b do
      local change = a:byte(i) == b:byte(j) and 0 or 1
      local best = math.min(d[i - 1][j - 1] + change, d[i - 1][j] + 1, d[i][j - 1] + 1)
      if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
        best = math.min(best, d[i - 2][j - 2] + 1)
      end
      d[i][j] = best
    end
  end
  return d[#a][#b]
end

---The nearest of the keys of a table, or of the texts of a list; nil when none is near.
---@param name string
---@param names table
---@return string?
function near.of(name, names)
  if #name > LONGEST then return nil end
  local best, least = nil, #name < 3 and 1 or #name < 5 and 2 or #name < 12 and 3 or 5
  local function try(candidate)
    if #candidate > LONGEST or math.abs(#candidate - #name) >= least + 1 then return end
    local d = distance(name:lower(), candidate:lower())
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
