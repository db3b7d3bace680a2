-- alerts_test.lua: kill -9 among alerts that are handed in over HTTP: each that was answered 202 is there once, and its
-- runs were begun and done once.  tests/crash/alerts/run does so with 50,000, and with clients that are not ours.
local sys = dofile "tests/system/harness.lua"
local kit = dofile "tests/crash/alerts/kit.lua" (sys)

local FILES = {
  "crowdstrike/stream_detection_summary_choice.json", "crowdstrike/fdr_epp_detection_sample_echo.json",
  "microsoft/graph_v1_suspicious_powershell.json", "trend_vision_one/workbench_v3_uac_bypass.json",
  "okta/system_log_auth_via_idp.json", "wazuh/indexer_hit_sshd_invalid_user.json",
}
local MOST = os.getenv "SANITIZED" and 500 or 2000
local KILLS = 3

sys.test("killed among posts: every 202 is there once, and so is what it started", function(t)
  local paths = {}
  for i, name in ipairs(FILES) do paths[i] = sys.root .. "/tests/fixtures/alerts/" .. name end
  local world = kit.world(t, paths)
  sys.eq(world.n_templates, #FILES)
  local client = sys.binary:match "^(.*)/[^/]*$" .. "/bench/post_bench"
  local function taken() return select(2, (t:read "taken" or ""):gsub("\n", "")) end
  local out, err = world:under_fire(("'%s' %s %s templates own --connections 16 --most %d --rate %d --ids taken")
    :format(client, world.port, world.token, MOST, MOST * 3 // 4),
    function(n) return n <= KILLS and taken() >= n * MOST // (KILLS + 2) end)
  sys.eq(err, "")
  sys.eq(sys.decode(out).taken, MOST)
  assert(world.kills > 0, "it was too quick to be killed")
  local found = kit.verdict(t, world, kit.ids(t, "taken"))
  sys.eq(found.taken, MOST)
  sys.eq(found.alerts, MOST)                              -- each was handed in until it was taken, under one id
  assert(found.joined > 0)
end)

sys.done()
