-- scope.lua: what a name means where it stands: a local variable, a parameter, or a global.  The parser
-- opens and closes functions and blocks as it goes, so every name is resolved when it is read, as Lua's own
-- compiler does it.  A variable knows where it was declared, what it was first given, and who reads and
-- writes it.

---@class check.Var
---@field name string
---@field node table      the name where it is declared
---@field kind string     "local" "param" "loop" "function" "self"
---@field func table      the function that it belongs to
---@field value table?    the expression that it begins with, when there is one
---@field reads table[]   names that read it
---@field writes table[]  names that assign it later
---@field attrib string?  "const" "close"

local Scope = {}
Scope.__index = Scope

local scope = {}

function scope.new() return setmetatable({ func = nil, block = nil, loop = nil }, Scope) end

---Enters a function: `node` is its node, or the chunk.
function Scope:enter(node)
  node.outer, node.outer_block, node.outer_loop = self.func, self.block, self.loop
  self.func, self.loop = node, nil
  self.block = { outer = self.block, names = {} }
end

function Scope:leave()
  local node = self.func
  self.func, self.block, self.loop = node.outer, node.outer_block, node.outer_loop
  node.outer_block, node.outer_loop = nil, nil
end

---Opens a block; `loop` is its statement when it is a loop's body.
function Scope:open(loop)
  self.block = { outer = self.block, names = {}, outer_loop = self.loop }
  if loop then self.loop = loop end
end

function Scope:close()
  self.loop = self.block.outer_loop
  self.block = self.block.outer
end

---Declares a variable, visible from now on.
---@return check.Var
function Scope:declare(name, node, kind, attrib)
  local var = { name = name, node = node, kind = kind, func = self.func, attrib = attrib,
                reads = {}, writes = {} }
  node.var = var
  self.block.names[name] = var
  return var
end

---The variable that a name means here; nil: a global.
---@return check.Var?
function Scope:find(name)
  local block = self.block
  while block do
    local var = block.names[name]
    if var then return var end
    block = block.outer
  end
  return nil
end

return scope
