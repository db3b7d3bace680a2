/* routes.c: the one table of what the HTTP API does, and for whom; the dispatcher, openapi.json and the tests
** of who may do what all read it. */
#include "server/handlers.h"
#include "server/http.h"

#include <stdlib.h>

static const ln_field start_body[] = {
    {"playbook", "string", true, "its name, such as t1059.respond"},
    {"input", "object", false, "values for its declared inputs"},
    {"plan", "boolean", false, "only say which writes it would make"},
    {NULL, NULL, false, NULL},
};
static const ln_field list_query[] = {
    {"state", "running|waiting|completed|failed|cancelled", false, "only runs in that state"},
    {"playbook", "string", false, "only runs of that playbook"},
    {"for", "string", false, "only runs that wait for one of these, with commas between: doubt,interrupted"},
    {"before", "string", false, "only runs that began before this one: the link to the next page has it"},
    {"limit", "integer", false, "how many at most: 1 to 500, else 100"},
    {NULL, NULL, false, NULL},
};
static const ln_field plan_body[] = {
    {"plan", "boolean", false, "only say what it would take back"},
    {NULL, NULL, false, NULL},
};
static const ln_field signal_body[] = {
    {"value", "any", false, "what await_signal returns"},
    {NULL, NULL, false, NULL},
};
static const ln_field release_body[] = {
    {"why", "string", true, "for the record"},
    {"plan", "boolean", false, "only say what it would lift"},
    {NULL, NULL, false, NULL},
};
static const ln_field decide_body[] = {
    {"decision", "approve|deny", true, "the answer"},
    {"comment", "string", false, "for the record"},
    {"answer", "string", false, "which of the answers that an `ask` offers"},
    {NULL, NULL, false, NULL},
};
static const ln_field freeze_body[] = {
    {"why", "string", true, "for the record"},
    {"connector", "string", false, "only writes of that connector"},
    {"playbook", "string", false, "only writes of that playbook"},
    {NULL, NULL, false, NULL},
};
static const ln_field thaw_query[] = {
    {"connector", "string", false, "only what was frozen for that connector"},
    {"playbook", "string", false, "only what was frozen for that playbook"},
    {NULL, NULL, false, NULL},
};
static const ln_field entities_query[] = {
    {"entity", "string", false, "vendor:kind:id, or a bare name"},
    {"kind", "string", false, "only entities of that kind"},
    {"after", "integer", false, "only holds after that one: the link to the next page has it"},
    {"limit", "integer", false, "how many at most: 1 to 500, else 100"},
    {NULL, NULL, false, NULL},
};
static const ln_field approvals_query[] = {
    {"after", "integer", false, "only questions after that one: the link to the next page has it"},
    {"limit", "integer", false, "how many at most: 1 to 500, else 100"},
    {NULL, NULL, false, NULL},
};

static const ln_field audit_query[] = {
    {"after", "integer", false, "only records after that one: the link to the next page has it"},
    {"limit", "integer", false, "how many at most: 1 to 500, else 100"},
    {NULL, NULL, false, NULL}};

static const ln_field session_body[] = {{"token", "string", true, "an API token"}, {NULL, NULL, false, NULL}};

static const ln_field signin_query[] = {
    {"return", "string", false, "the path on this server that the browser comes back to, else /"},
    {NULL, NULL, false, NULL}};
static const ln_field callback_query[] = {
    {"code", "string", false, "the provider's, for the tokens"},
    {"state", "string", false, "of the sign-in that this browser began"},
    {"iss", "string", false, "which provider it is (RFC 9207)"},
    {"error", "string", false, "why there is no code"},
    {"*", "string", false, "what else providers send"},
    {NULL, NULL, false, NULL}};

#define PAGE "text/html; charset=utf-8"
#define EVENTS "text/event-stream"
#define METRICS "application/openmetrics-text; version=1.0.0; charset=utf-8"

static const ln_field take_query[] = {
    {"source", "string", false, "whose they are: of a source that signs its deliveries its configured name"},
    {NULL, NULL, false, NULL}};
static const ln_field alerts_query[] = {
    {"state", "new|decided|kept", false, "only alerts in that state; kept: in no known format"},
    {"source", "string", false, "of a source that asks whether its deliveries are wanted: its name"},
    {"before", "integer", false, "only alerts that came before that one: the link to the next page has it"},
    {"limit", "integer", false, "how many at most: 1 to 500, else 100"},
    {NULL, NULL, false, NULL}};

const ln_route ln_routes[] = {
    {"POST", "/v1/alerts", LN_ROLE_OPERATOR, true, ln_api_alerts_take,
     "takes alerts in any known format: one, an array, a page, or JSON lines, also gzip; answers when they "
     "are durable",
     take_query, NULL, true, 202, "Taken", NULL},
    {"GET", "/v1/alerts", LN_ROLE_VIEWER, true, ln_api_alerts_list,
     "lists alerts, newest first, and what each started", alerts_query, NULL, false, 200, "Alerts", NULL},
    {"POST", "/v1/runs", LN_ROLE_OPERATOR, false, ln_api_run_start,
     "starts a run; with an Idempotency-Key the same request starts none again", NULL, start_body, false, 202,
     "Started", NULL},
    {"GET", "/v1/runs", LN_ROLE_VIEWER, false, ln_api_run_list, "lists runs, newest first", list_query, NULL,
     false, 200, "Runs", NULL},
    {"GET", "/v1/runs/{run}", LN_ROLE_VIEWER, false, ln_api_run_show, "one run's document", NULL, NULL, false,
     200, "Run", NULL},
    {"POST", "/v1/runs/{run}/cancel", LN_ROLE_OPERATOR, false, ln_api_run_cancel,
     "stops a run; it undoes nothing", NULL, NULL, false, 202, "Started", NULL},
    {"POST", "/v1/runs/{run}/undo", LN_ROLE_OPERATOR, false, ln_api_run_undo,
     "starts a run that takes back what one did", NULL, plan_body, false, 202, "Started", NULL},
    {"POST", "/v1/runs/{run}/signals/{name}", LN_ROLE_OPERATOR, false, ln_api_run_signal,
     "sends a run what it awaits", NULL, signal_body, false, 202, "Started", NULL},
    {"GET", "/v1/entities", LN_ROLE_VIEWER, false, ln_api_entities, "what is held, and by which runs",
     entities_query, NULL, false, 200, "Holds", NULL},
    {"POST", "/v1/entities/{entity}/release", LN_ROLE_OPERATOR, false, ln_api_entity_release,
     "starts a run that lifts what is held of an entity", NULL, release_body, false, 202, "Started", NULL},
    {"GET", "/v1/approvals", LN_ROLE_APPROVER, false, ln_api_approvals, "what waits for a person",
     approvals_query, NULL, false, 200, "Approvals", NULL},
    {"GET", "/v1/approvals/{id}", LN_ROLE_APPROVER, false, ln_api_approval,
     "one question, also when it was answered", NULL, NULL, false, 200, "Approval", NULL},
    {"POST", "/v1/approvals/{id}", LN_ROLE_APPROVER, false, ln_api_decide,
     "answers a question; never of a run that one has started", NULL, decide_body, false, 200, "Approval",
     NULL},
    {"GET", "/v1/freeze", LN_ROLE_VIEWER, false, ln_api_freezes, "what is frozen", NULL, NULL, false, 200,
     "Freezes", NULL},
    {"POST", "/v1/freeze", LN_ROLE_OPERATOR, false, ln_api_freeze, "stops writes; reads go on", NULL,
     freeze_body, false, 200, "Freezes", NULL},
    {"DELETE", "/v1/freeze", LN_ROLE_ADMIN, false, ln_api_thaw, "ends a freeze; without a query every one",
     thaw_query, NULL, false, 200, "Freezes", NULL},
    {"POST", "/v1/session", LN_ROLE_NONE, false, ln_api_session_begin,
     "a token becomes a session, whose cookie comes with the answer", NULL, session_body, false, 200,
     "Session", NULL},
    {"GET", "/v1/session", LN_ROLE_VIEWER, false, ln_api_session_show, "who asks, and what they may", NULL,
     NULL, false, 200, "Session", NULL},
    {"DELETE", "/v1/session", LN_ROLE_VIEWER, false, ln_api_session_end, "signs out", NULL, NULL, false, 200,
     "SignedOut", NULL},
    {"GET", "/v1/signin", LN_ROLE_NONE, false, ln_api_signin, "how people may sign in", NULL, NULL, false,
     200, "SignIn", NULL},
    {"GET", "/v1/signin/oidc", LN_ROLE_NONE, false, ln_api_signin_begin,
     "leads a browser to the provider, where people sign in", signin_query, NULL, false, 303, NULL, PAGE},
    {"GET", "/v1/signin/oidc/callback", LN_ROLE_NONE, false, ln_api_signin_end,
     "takes it back from there, with a session", callback_query, NULL, false, 303, NULL, PAGE},
    {"GET", "/v1/playbooks", LN_ROLE_VIEWER, false, ln_api_playbooks,
     "the playbooks that are loaded, and the scripts that are not as they are on the disk", NULL, NULL, false,
     200, "Playbooks", NULL},
    {"GET", "/v1/coverage", LN_ROLE_VIEWER, false, ln_api_coverage,
     "D3FEND countermeasures against the playbooks that are loaded", NULL, NULL, false, 200, "Coverage",
     NULL},
    {"GET", "/v1/audit", LN_ROLE_ADMIN, false, ln_api_audit,
     "what was decided, refused and done, in order; detail is JSON in a text, as it is chained", audit_query,
     NULL, false, 200, "Audit", NULL},
    {"GET", "/v1/events", LN_ROLE_VIEWER, false, ln_api_events,
     "what happens, as it is committed: run, step, approval, library; Last-Event-ID is honoured", NULL, NULL,
     false, 200, NULL, EVENTS},
    {"GET", "/v1/openapi.json", LN_ROLE_VIEWER, false, ln_api_openapi, "this description", NULL, NULL, false,
     200, "Description", NULL},
    {"GET", "/healthz", LN_ROLE_NONE, false, ln_api_health,
     "is all well? 503 when frozen, or when the newest scripts cannot be used", NULL, NULL, false, 200,
     "Health", NULL},
    {"GET", "/readyz", LN_ROLE_NONE, false, ln_api_ready, "the same, and 503 while it stops", NULL, NULL,
     false, 200, "Health", NULL},
    {"GET", "/metrics", LN_ROLE_VIEWER, true, ln_api_metrics,
     "OpenMetrics; without a token where the configuration opens it", NULL, NULL, false, 200, NULL, METRICS},
    {"GET", "/", LN_ROLE_NONE, false, ln_api_console, "the console, for a browser", NULL, NULL, false, 200,
     NULL, "text/html; charset=utf-8"},
    {"GET", "/console/{file}", LN_ROLE_NONE, false, ln_api_console_file, "what the console's page is made of",
     NULL, NULL, false, 200, NULL, "*/*"},
    {NULL, NULL, LN_ROLE_NONE, false, NULL, NULL, NULL, NULL, false, 0, NULL, NULL},
};

/* ------------------------------------------------------------------ texts of an address */

static int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c |= 0x20;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool ln_url_decode(ln_str s, bool plus, ln_buf *out) {
  size_t from = out->n;
  for (size_t i = 0; i < s.n; i++) {
    int high, low;
    unsigned char c = (unsigned char)s.p[i];
    if (c == '%') {
      if (i + 2 >= s.n || (high = digit(s.p[i + 1])) < 0 || (low = digit(s.p[i + 2])) < 0) return false;
      c = (unsigned char)(high * 16 + low);
      i += 2;
    } else if (c == '+' && plus) {
      c = ' ';
    }
    if (c < 0x20 || c == 0x7f || !ln_buf_addc(out, (char)c)) return false;
  }
  return ln_str_utf8((ln_str){out->p ? out->p + from : "", out->n - from}, NULL);
}

/* ------------------------------------------------------------------ finding a route */

static bool is_part(ln_str pattern) { return pattern.n > 2 && pattern.p[0] == '{'; }

/* Takes the next segment off a path without its first slash; false: there is none. */
static bool segment(ln_str *rest, bool *more, ln_str *out) {
  if (!*more) return false;
  ln_str all = *rest;
  *more = ln_str_cut(all, '/', out, rest);
  return true;
}

static bool same_path(const char *pattern, ln_str path, ln_str parts[LN_PARTS], size_t *n) {
  ln_str want = {pattern + 1, strlen(pattern) - 1}, have = {path.p + 1, path.n - 1}, a, b;
  bool more_want = true, more_have = true;
  *n = 0;
  while (segment(&want, &more_want, &a)) {
    if (!segment(&have, &more_have, &b)) return false;
    if (is_part(a) && b.n && *n < LN_PARTS) parts[(*n)++] = b;
    else if (!ln_str_eq(a, b)) return false;
  }
  return !more_have;
}

static bool add_allowed(ln_match *m, const char *method) {
  size_t n = strlen(m->allow), k = strlen(method);
  if (n + k + 3 > sizeof m->allow) return false;
  if (n) memcpy(m->allow + n, ", ", 2), n += 2;
  memcpy(m->allow + n, method, k + 1);
  return strcmp(method, "GET") != 0 || add_allowed(m, "HEAD");
}

/* A segment that is "." or ".." is none of ours, however it is spelt. */
static bool decode_parts(ln_match *m, const ln_str *raw, size_t n) {
  ln_buf b;
  size_t ends[LN_PARTS];
  bool ok = true;
  ln_buf_init(&b, 16 * 1024);
  for (size_t i = 0; ok && i < n; i++) {
    ok = ln_url_decode(raw[i], false, &b);
    ends[i] = b.n;
    ok = ok && ln_buf_addc(&b, '\0');
  }
  m->texts = ok ? ln_buf_take(&b, NULL) : NULL;
  ln_buf_free(&b);
  for (size_t i = 0, at = 0; m->texts && i < n; at = ends[i] + 1, i++) {
    m->part[i] = (ln_str){m->texts + at, ends[i] - at};
    if (ln_str_eq(m->part[i], LN_STR(".")) || ln_str_eq(m->part[i], LN_STR(".."))) return false;
  }
  return m->texts != NULL;
}

ln_found ln_route_find(ln_str method, ln_str path, ln_match *m) {
  ln_str raw[LN_PARTS], wanted = ln_str_eq(method, LN_STR("HEAD")) ? LN_STR("GET") : method;
  ln_found found = LN_NO_PATH;
  size_t n;
  *m = (ln_match){.route = NULL};
  if (!path.n || path.p[0] != '/') return LN_BAD_PATH;
  for (const ln_route *r = ln_routes; r->path; r++) {
    if (!same_path(r->path, path, raw, &n)) continue;
    found = LN_NO_METHOD;
    add_allowed(m, r->method);
    if (!ln_str_eq(wanted, ln_str_of(r->method))) continue;
    m->route = r;
    return decode_parts(m, raw, n) ? LN_FOUND : LN_BAD_PATH;
  }
  return found;
}
