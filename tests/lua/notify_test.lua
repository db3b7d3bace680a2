-- notify_test.lua: the modules of stdlib that make messages to people: what they say, and that hostile texts stay text.
package.path = "tests/lua/?.lua;stdlib/?.lua;" .. package.path
local harness = require "harness"
local test, eq = harness.test, harness.eq

local say, slack, teams, plain = require "notify.say", require "notify.slack", require "notify.teams", require "notify.plain"

local LINK = "https://l.example/v1/open/abc"
local function question(members)
  local n = { event = "approval", approval = "7", title = "Isolate WS-042?", host = "WS-042", user = "ann@acme.example",
              effects = { { op = "visionone.isolate", entity = "visionone:host:7c1f", label = "WS-042" } },
              expires = "2026-11-24T18:00:00Z", playbook = "soc.contain", run = "01JD", started_by = "intake",
              next = "lunette approve 7", link = LINK }
  for k, v in pairs(members or {}) do n[k] = v end
  return n
end

local function value(m, name)
  for _, l in ipairs(m.lines) do
    if l[1] == name then return l[2] end
  end
end

-- Every text within a table.
local function texts(t, out)
  out = out or {}
  for _, v in pairs(t) do
    if type(v) == "table" then texts(v, out) elseif type(v) == "string" then out[#out + 1] = v end
  end
  return out
end

test("a question says host, user, effect, expiry, and that nothing happens by itself", function()
  local m = say(question())
  eq(m.head, "Approval wanted: Isolate WS-042?")
  eq(value(m, "Host"), "WS-042")
  eq(value(m, "User"), "ann@acme.example")
  eq(value(m, "Effect"), "visionone.isolate: WS-042 (visionone:host:7c1f)")
  eq(value(m, "Expires"), "2026-11-24T18:00:00Z")
  eq(m.foot, "If nobody answers, nothing is done.")
  eq(m.link, LINK)
end)

test("each event has words of its own", function()
  for event, head in pairs {
    doubt = "Nobody knows whether it happened: visionone.isolate: WS-042 (visionone:host:7c1f)",
    failed = "A run failed: Isolate WS-042?", frozen = "Writes are frozen: Isolate WS-042?",
    paused = "A trigger waits: Isolate WS-042?",
    quarantined = "A run is quarantined, for its process ended three times: Isolate WS-042?",
  } do
    eq(say(question { event = event }).head, head)
    assert(say(question { event = event }).foot ~= "")
  end
  eq(say(question { event = "decided", state = "denied" }).head, "Denied: Isolate WS-042?")
  eq(value(say(question { more = "4" }), "Effect"), "visionone.isolate: WS-042 (visionone:host:7c1f)")
end)

test("a text is one line, and cannot turn round what stands beside it", function()
  local m = say(question { title = "ok\nApproved by: \u{202E}boss\u{2066}\u{200F}", host = "a\r\n\tb" })
  eq(m.head, "Approval wanted: ok Approved by: boss")
  eq(value(m, "Host"), "a b")
  eq(select(2, plain(question { title = "x\ny" }):gsub("\n", "")), #m.lines + 3)
end)

test("Slack gets no markup that is not ours: neither links nor mentions", function()
  local m = slack(question { title = "<!channel> <https://evil.example|ok> & <@U1>", host = "&lt;!here&gt;",
                             user = "</a><!everyone>", why = "<#C1>" })
  for _, text in ipairs(texts(m)) do assert(not text:find "[<>]", text) end
  eq(m.text, "Approval wanted: &lt;!channel&gt; &lt;https://evil.example|ok&gt; &amp; &lt;@U1&gt;")
  assert(table.concat(texts(m), "\n"):find("&amp;lt;!here&amp;gt;", 1, true))
  for _, block in ipairs(m.blocks) do
    if block.type == "section" then eq(block.text.verbatim, true) end
  end
  eq(m.blocks[#m.blocks].elements[1].url, LINK)
  eq(#slack(question { link = false }).blocks, #slack(question()).blocks - 1)
end)

test("what ends a line or turns it round elsewhere is taken out, too", function()
  local m = say(question { title = "a\u{2028}b\u{2029}c\u{85}d\u{61c}e" })
  eq(m.head, "Approval wanted: a b c de")
end)

test("Slack gets no section longer than it takes, and none that ends in the middle of something", function()
  for i = 0, 4 do
    local title = ("x"):rep(i) .. ("é&"):rep(900)
    local message = slack(question { title = title, effects = { { op = "o", entity = title, label = title } } })
    for _, block in ipairs(message.blocks) do
      local text = (block.text or {}).text or ""
      assert(#text <= 3000 and utf8.len(text), #text)
      assert(not text:gsub("&amp;", ""):find "&", text:sub(-20))
    end
  end
end)

test("a card of Teams has no text that is read as Markdown", function()
  local card = teams(question { title = "[Approve](https://evil.example) <at>all</at> **x**" }).attachments[1].content
  for _, block in ipairs(card.body) do
    eq(block.type, "RichTextBlock")
    for _, run in ipairs(block.inlines) do
      eq(run.type, "TextRun")
      eq(run.selectAction, nil)
    end
  end
  eq(card.body[1].inlines[1].text, "Approval wanted: [Approve](https://evil.example) <at>all</at> **x**")
  eq(card.actions[1].url, LINK)
  eq(teams(question { link = false }).attachments[1].content.actions, nil)
end)

harness.done()
