-- man.lua BINARY FOLDER: the manual's pages, from docs/commands.md and the configuration's chapter of docs/guide.md, so
-- that each thing is written once: lunette(1), a page for each command, lunette.conf(5).  Run from the root of the tree.
local binary, folder = arg[1], arg[2]

local function slurp(path)
  local f = assert(io.open(path, "rb"))
  local text = f:read "a"
  f:close()
  return text
end

local function shown(command)
  local p = assert(io.popen(command))
  local text = p:read "a"
  assert(p:close(), command)
  return text
end

-- Markdown into roff ----------------------------------------------------------------------------------------

local function plain(s)
  s = s:gsub("\\", "\\e"):gsub("%-", "\\-")
  return (s:gsub("^([.'])", "\\&%1"))
end

---Code, bold text and links within a line.  What is code keeps its own characters.
local function inline(s)
  local out, at = {}, 1
  while at <= #s do
    local from, to, code = s:find("`([^`]+)`", at)
    local text = s:sub(at, (from or #s + 1) - 1):gsub("%[([^%]]+)%]%(([^)]+)%)", "%1"):gsub("\\|", "|")
    out[#out + 1] = plain(text):gsub("%*%*(.-)%*%*", "\\fB%1\\fR"):gsub("%*([^*]+)%*", "\\fI%1\\fR")
    if from then out[#out + 1] = "\\fB" .. plain(code:gsub("\\|", "|")):gsub("^\\&", "") .. "\\fR" end
    at = (to or #s) + 1
  end
  return (table.concat(out):gsub("^([.'])", "\\&%1"))
end

local function cells(row)
  local out = {}
  for cell in row:gsub("^|", ""):gsub("\\|", "\1"):gmatch "([^|]*)|" do
    out[#out + 1] = cell:gsub("\1", "|"):gsub("^%s+", ""):gsub("%s+$", "")
  end
  return out
end

local function roff(text)
  local out, paragraph, table_row, code = {}, {}, 0, false
  local function put(...) out[#out + 1] = table.concat { ... } end
  local function flush()
    if #paragraph > 0 then put(".PP\n", inline(table.concat(paragraph, " "))) end
    paragraph = {}
  end
  for line in (text .. "\n"):gmatch "([^\n]*)\n" do
    if line:find "^```" then
      flush()
      put(code and ".fi\n.RE" or ".PP\n.RS 4\n.nf")
      code = not code
    elseif code then put(plain(line))
    elseif line:find "^|" then
      flush()
      table_row = table_row + 1
      local c = cells(line)
      if table_row > 2 then put(".TP\n", inline(c[1]), "\n", inline(table.concat(c, "; ", 2))) end
    else
      table_row = 0
      local title, item = line:match "^#+ (.*)", line:match "^%- (.*)"
      if title then flush() put(".SH ", title:upper())
      elseif item then flush() put(".IP \\(bu 2\n", inline(item))
      elseif line == "" then flush()
      else paragraph[#paragraph + 1] = line
      end
    end
  end
  flush()
  return table.concat(out, "\n") .. "\n"
end

-- Pages -----------------------------------------------------------------------------------------------------

local version = shown(binary .. " --version"):match "%S+%s*$":gsub("%s", "")

local function page(name, section, what, body)
  local f = assert(io.open(("%s/%s.%d"):format(folder, name, section), "wb"))
  f:write((".TH %s %d \"\" \"lunette %s\"\n.SH NAME\n%s \\- %s\n"):format(name:upper():gsub("%-", "\\-"), section, version,
                                                                   plain(name), plain(what)), body)
  f:close()
end

local function chapter(text, title)
  local from, to = text:find("\n## " .. title .. "\n", 1, true)
  assert(from, "no chapter " .. title)
  return text:sub(to + 1, (text:find("\n## ", to, true) or #text + 1) - 1)
end

os.execute(("mkdir -p '%s'"):format(folder))
local commands, list = slurp "docs/commands.md", {}
for name, what in shown(binary .. " --help"):gmatch "\n  (%l+) +([^\n]+)" do
  list[#list + 1] = (".TP\n\\fBlunette\\-%s\\fR(1)\n%s\n"):format(name, plain(what))
  local text = chapter(commands, "lunette " .. name)
  local usage, rest = text:match "^\n```\n(.-)\n```\n(.*)$"
  page("lunette-" .. name, 1, what, ".SH SYNOPSIS\n.nf\n" .. plain(usage):gsub("^usage: ", ""):gsub("\n       ", "\n")
       .. "\n.fi\n.SH DESCRIPTION\n" .. roff(rest) .. ".SH SEE ALSO\nlunette(1), lunette.conf(5)\n")
end
local preamble = commands:match "^# Commands\n(.-)\nThe examples below"
page("lunette", 1, "a durable runtime for incident response", ".SH SYNOPSIS\n\\fBlunette\\fR \\fICOMMAND\\fR [\\fIoptions\\fR]\n"
     .. ".SH DESCRIPTION\n" .. roff(preamble) .. ".SH COMMANDS\n" .. table.concat(list) .. ".SH SEE ALSO\nlunette.conf(5)\n")
page("lunette.conf", 5, "the configuration of lunette", ".SH DESCRIPTION\n" .. roff(chapter(slurp "docs/guide.md", "The configuration"))
     .. ".SH FILES\n/etc/lunette/lunette.conf.lua\n.SH SEE ALSO\nlunette(1)\n")
