/* cases.c: every T1059 playbook, in each of the ways that it can go. */
#include "tests/faults/cases.h"

#include <stddef.h>

#define SHA256 "c1dadf9fb8021aa205bd52604c4d7330c5e1251198322ac4b8a093dc23df1a10"
#define LAUNCHER                                                                                             \
  "\"name\": \"launcher.vbs\", \"kind\": \"script\", \"sha256\": \"" SHA256 "\", "                           \
  "\"sha1\": \"5683729702392da5cfaa8476f96228a9abf08c54\", "                                                 \
  "\"path\": \"C:\\\\Users\\\\pgustavo\\\\Desktop\\\\launcher.vbs\""
#define RUNNING                                                                                              \
  ", \"pid\": 2440, \"started\": \"2020-09-04T20:09:55Z\", "                                                 \
  "\"image\": \"C:\\\\Windows\\\\System32\\\\wscript.exe\""
#define OWN                                                                                                  \
  "\"name\": \"odd.exe\", \"kind\": \"child\", \"sha256\": \"" SHA256 "\", "                                 \
  "\"sha1\": \"5683729702392da5cfaa8476f96228a9abf08c54\", "                                                 \
  "\"path\": \"C:\\\\x\\\\odd.exe\", \"image\": \"C:\\\\x\\\\odd.exe\""
#define NOTES                                                                                                \
  "\"path\": \"C:\\\\Users\\\\pgustavo\\\\Documents\\\\notes.txt\", "                                        \
  "\"sha256\": \"88f8421e1fa4468d3d76ac62019ab4a03b3f6af1e17422d722cb46f21df9ec48\""

#define CONFIRMED "{\"user\": \"THESHIRE\\\\pgustavo\", \"confirmed_by\": \"alice\"}"
/* The last member of a group stays in it: here somebody else is in it, too. */
#define IN_COMPANY                                                                                           \
  "local state = ... for id, g in pairs(state.group) do "                                                    \
  "if g.profile.name == \"ir-restricted\" then for user, u in pairs(state.user) do "                         \
  "if u.profile.login:find \"^lrodriguez@\" then state.members[id][user] = true end end end end"
#define ISOLATE                                                                                              \
  {                                                                                                          \
    "t1059.isolate",                                                                                         \
        "{\"subject\": {" LAUNCHER RUNNING "}, \"device\": \"WORKSTATION5\", "                               \
        "\"verdict\": \"malicious\"}",                                                                       \
        NULL, NULL                                                                                           \
  }
#define RENEWED                                                                                              \
  "local state = ... for _, u in pairs(state.user) do u.passwordChanged = \"2030-01-01T00:00:00.000Z\" end"

/* An alert of an interpreter, of which nothing more is known: its product is told, little else is done. */
#define AID "3f1c9d2be47a4c0f8a6b5d2e91c07f44"
#define FALCON_ID "7a1e0c5d9b3f48e2a6d4c8b0f2e19375:ind:" AID ":104857600123-10303-48"
#define FALCON                                                                                               \
  "{\"composite_id\": \"" FALCON_ID "\", \"type\": \"ldt\", \"product\": \"epp\", "                          \
  "\"status\": \"new\", \"severity\": 70, \"display_name\": \"Suspicious script\", "                         \
  "\"technique_id\": \"T1059.001\", \"timestamp\": \"2026-11-24T05:00:00Z\", "                               \
  "\"cid\": \"7a1e0c5d9b3f48e2a6d4c8b0f2e19375\", \"cmdline\": \"powershell.exe\"}"
#define WORKBENCH                                                                                            \
  "{\"schemaVersion\": \"1.15\", \"id\": \"WB-20417-20261120-00003\", \"model\": \"Script\", "               \
  "\"workbenchLink\": \"https://x.example\", \"severity\": \"high\", "                                       \
  "\"createdDateTime\": \"2026-11-20T08:57:40Z\", \"impactScope\": {\"entities\": []}, "                     \
  "\"indicators\": [], \"matchedRules\": [{\"id\": \"r\", \"name\": \"Script\", "                            \
  "\"matchedFilters\": [{\"id\": \"f\", \"name\": \"Script\", \"mitreTechniqueIds\": [\"T1059\"]}]}]}"
#define CLOSED(ALERT) "{\"confirmed_by\": \"alice\", \"alert_status\": \"closed\", \"alert\": " ALERT "}"

const fault_case fault_cases[] = {
    {"model", {{"t1059.model", "{\"ip\": \"10.20.5.16\", \"max_scan_age\": \"1d\"}", NULL, NULL}}},
    {"harden", {{"t1059.harden", CONFIRMED, NULL, NULL}}},
    {"detect",
     {{"t1059.detect",
       "{\"subject\": {\"path\": \"C:\\\\Users\\\\pgustavo\\\\Desktop\\\\launcher.vbs\", "
       "\"host\": \"WORKSTATION6\"}}",
       NULL, NULL}}},
    {"isolate", {ISOLATE}},
    {"isolate, an image of its own",
     {{"t1059.isolate",
       "{\"subject\": {" OWN "}, \"device\": \"WORKSTATION6\", "
       "\"verdict\": \"malicious\"}",
       NULL, NULL}}},
    {"isolate, benign",
     {ISOLATE, {"t1059.isolate", "{\"subject\": {" LAUNCHER "}, \"verdict\": \"benign\"}", NULL, NULL}}},
    {"deceive", {{"t1059.deceive", "{}", NULL, NULL}}},
    {"evict", {{"t1059.evict", "{\"subject\": {" NOTES "}, \"device\": \"WORKSTATION5\"}", NULL, NULL}}},
    {"restore a host",
     {ISOLATE,
      {"t1059.evict", "{\"subject\": {" LAUNCHER "}, \"device\": \"WORKSTATION5\"}", NULL, NULL},
      {"t1059.restore",
       "{\"device\": \"WORKSTATION5\", \"sha256\": \"" SHA256 "\", "
       "\"benign_by\": \"bob\"}",
       NULL, NULL}}},
    {"restore an account",
     {{"t1059.harden", CONFIRMED, "okta", IN_COMPANY},
      {"t1059.restore", "{\"user\": \"THESHIRE\\\\pgustavo\"}", "okta", RENEWED}}},
    {"respond",
     {{"t1059.respond",
       "{\"confirmed_by\": \"alice\", \"alert\": "
       "$tests/fixtures/alerts/windows/nxlog_sysmon1_wscript_launcher_vbs.json$}",
       NULL, NULL}}},
    {"respond, Falcon's alert is told",
     {{"t1059.respond", CLOSED(FALCON),
       "crowdstrike",
       "local state = ... state.alerts = { { composite_id = \"" FALCON_ID "\", status = \"new\" } }"}}},
    {"respond, a Workbench alert is told",
     {{"t1059.respond", CLOSED(WORKBENCH),
       "visionone",
       "local state = ... state.alerts = { { id = \"WB-20417-20261120-00003\", status = \"Open\" } }"}}},
    {NULL, {{NULL, NULL, NULL, NULL}}}};
