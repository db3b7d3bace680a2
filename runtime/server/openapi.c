/* openapi.c: the API's description (OpenAPI 3.1), made from the table of routes, so that it cannot tell of
** anything that is not there, or leave anything out.  What an answer looks like is said here, a schema
** each. */
#include "server/api.h"

#include "base/units.h"

#include <stdio.h>

/* A member of an answer: type as JSON Schema has it, "?" after it: it may be null; "name*": it may be absent.
** "@X": the schema X; "[@X]": an array of it. */
typedef struct shape {
  const char *name, *type;
} shape;
typedef struct schema {
  const char *name;
  const shape *members;
} schema;

#define SHAPE(NAME, ...) static const shape NAME[] = {__VA_ARGS__, {NULL, NULL}}

SHAPE(problem, {"type", "string"}, {"title", "string"}, {"status", "integer"}, {"detail", "string"},
      {"code", "string"});
SHAPE(started, {"run", "string"});
SHAPE(run_row, {"run", "string"}, {"playbook", "string"}, {"state", "string"}, {"outcome", "string?"},
      {"for", "string?"}, {"started", "string"}, {"started_by", "string"}, {"finished", "string?"});
SHAPE(taken, {"alerts", "[object]"}, {"unknown", "[object]"});
SHAPE(alert, {"alert", "integer"}, {"source", "string"}, {"id", "string"}, {"state", "string"},
      {"received", "string"}, {"by*", "string"}, {"severity*", "string"}, {"title*", "string"},
      {"why*", "string"}, {"runs", "[object]"});
SHAPE(alerts, {"alerts", "[@Alert]"});
SHAPE(runs, {"runs", "[@RunRow]"});
SHAPE(run, {"run", "string"}, {"playbook", "string"}, {"snapshot", "string?"}, {"state", "string"},
      {"outcome", "string?"}, {"plan", "boolean"}, {"input", "any"}, {"result", "any"}, {"error", "object?"},
      {"waiting", "object?"}, {"started", "string?"}, {"started_by", "string?"}, {"finished", "string?"},
      {"forked*", "object"}, {"alerts*", "[object]"}, {"stages", "[object]"}, {"steps", "[object]"},
      {"found", "[object]"}, {"not_done", "[object]"}, {"approvals", "[object]"}, {"holds", "[object]"},
      {"evidence", "[object]"}, {"log*", "[object]"}, {"unknown*", "[object]"});
SHAPE(hold, {"entity", "string"}, {"facet", "string"}, {"state", "string"}, {"before", "string"},
      {"status", "string"}, {"run", "string"}, {"step", "string"}, {"since", "string?"}, {"until", "string?"},
      {"lifted_by*", "string"});
SHAPE(holds, {"entities", "[@Hold]"});
SHAPE(approval, {"id", "string"}, {"run", "string?"}, {"kind", "string?"}, {"step", "string?"},
      {"title", "string?"}, {"detail", "any"}, {"options", "any"}, {"state", "string?"},
      {"digest", "string?"}, {"expires", "string?"}, {"effects", "any"});
SHAPE(approvals, {"approvals", "[@Approval]"});
SHAPE(freeze, {"scope", "string"}, {"why", "string"}, {"by", "string"}, {"since", "string"});
SHAPE(freezes, {"frozen", "[@Freeze]"});
SHAPE(stale, {"module", "string"}, {"at", "string"}, {"why", "string"}, {"since", "string"},
      {"last_good", "boolean"});
SHAPE(playbooks, {"snapshot", "string"}, {"playbooks", "[object]"}, {"stale", "[@Stale]"});
SHAPE(coverage, {"ontology", "any"}, {"attack", "any"}, {"countermeasures", "[object]"},
      {"covered", "integer"}, {"total", "integer"}, {"related", "[object]"}, {"by_tactic", "[object]"},
      {"retired", "any"}, {"unknown", "any"});
SHAPE(record, {"seq", "integer"}, {"time", "string"}, {"ms", "integer"}, {"what", "string"},
      {"who", "string"}, {"run", "string"}, {"run_id", "integer"}, {"detail", "string"}, {"hash", "string"});
SHAPE(audit, {"audit", "[@Record]"});
SHAPE(session, {"who", "string"}, {"role", "string"}, {"expires", "string?"}, {"how", "string"});
SHAPE(sign_in, {"name", "string"}, {"oidc", "boolean"});
SHAPE(signed_out, {"signed_out", "boolean"});
SHAPE(health, {"status", "string"}, {"why", "[string]"});

static const schema schemas[] = {{"Problem", problem},
                                 {"Started", started},
                                 {"RunRow", run_row},
                                 {"Runs", runs},
                                 {"Run", run},
                                 {"Hold", hold},
                                 {"Holds", holds},
                                 {"Approval", approval},
                                 {"Approvals", approvals},
                                 {"Freeze", freeze},
                                 {"Freezes", freezes},
                                 {"Stale", stale},
                                 {"Playbooks", playbooks},
                                 {"Coverage", coverage},
                                 {"Health", health},
                                 {"Taken", taken},
                                 {"Alert", alert},
                                 {"Alerts", alerts},
                                 {"Record", record},
                                 {"Audit", audit},
                                 {"Session", session},
                                 {"SignedOut", signed_out},
                                 {"SignIn", sign_in},
                                 {"Description", NULL}};

/* ------------------------------------------------------------------ schemas */

static void key(ln_json *j, const char *name) { ln_json_key(j, ln_str_of(name)); }

static void text(ln_json *j, const char *name, const char *v) {
  key(j, name);
  ln_json_strz(j, v);
}

static void put_ref(ln_json *j, ln_str name) {
  char where[96];
  snprintf(where, sizeof where, "#/components/schemas/%.*s", LN_STR_ARG(name));
  ln_json_open(j, '{');
  text(j, "$ref", where);
  ln_json_close(j, '}');
}

static void put_type(ln_json *j, ln_str type) {
  bool may_be_null = type.n && type.p[type.n - 1] == '?';
  if (type.n && type.p[0] == '@') {
    put_ref(j, (ln_str){type.p + 1, type.n - 1});
    return;
  }
  ln_json_open(j, '{');
  if (type.p[0] == '[') {
    text(j, "type", "array");
    key(j, "items");
    put_type(j, (ln_str){type.p + 1, type.n - 2});
  } else if (may_be_null) {
    key(j, "type");
    ln_json_open(j, '[');
    ln_json_str(j, (ln_str){type.p, type.n - 1});
    ln_json_strz(j, "null");
    ln_json_close(j, ']');
  } else if (!ln_str_eq(type, LN_STR("any"))) {
    key(j, "type");
    ln_json_str(j, type);
  }
  ln_json_close(j, '}');
}

static bool may_be_absent(const shape *m) { return ln_str_ends(ln_str_of(m->name), LN_STR("*")); }

static void put_schema(ln_json *j, const schema *s) {
  key(j, s->name);
  ln_json_open(j, '{');
  text(j, "type", "object");
  if (s->members) {
    key(j, "properties");
    ln_json_open(j, '{');
    for (const shape *m = s->members; m->name; m++) {
      ln_str name = ln_str_of(m->name);
      ln_json_key(j, (ln_str){name.p, name.n - may_be_absent(m)});
      put_type(j, ln_str_of(m->type));
    }
    ln_json_close(j, '}');
    key(j, "required");
    ln_json_open(j, '[');
    for (const shape *m = s->members; m->name; m++)
      if (!may_be_absent(m)) ln_json_strz(j, m->name);
    ln_json_close(j, ']');
    key(j, "additionalProperties");
    ln_json_bool(j, false);
  }
  ln_json_close(j, '}');
}

/* ------------------------------------------------------------------ what is asked */

static void put_field_type(ln_json *j, const ln_field *f) {
  ln_str rest = ln_str_of(f->type), one;
  ln_json_open(j, '{');
  if (strchr(f->type, '|')) {
    text(j, "type", "string");
    key(j, "enum");
    ln_json_open(j, '[');
    while (rest.n) {
      ln_str_cut(rest, '|', &one, &rest);
      ln_json_str(j, one);
    }
    ln_json_close(j, ']');
  } else if (strcmp(f->type, "any") != 0) {
    text(j, "type", f->type);
  }
  text(j, "description", f->what);
  ln_json_close(j, '}');
}

static void put_parameter(ln_json *j, const char *in, ln_str name, bool required, const ln_field *f) {
  ln_json_open(j, '{');
  text(j, "in", in);
  key(j, "name");
  ln_json_str(j, name);
  key(j, "required");
  ln_json_bool(j, required);
  key(j, "schema");
  if (f) put_field_type(j, f);
  else put_type(j, LN_STR("string"));
  ln_json_close(j, '}');
}

static void put_parameters(ln_json *j, const ln_route *r) {
  key(j, "parameters");
  ln_json_open(j, '[');
  for (const char *p = strchr(r->path, '{'); p; p = strchr(p + 1, '{'))
    put_parameter(j, "path", (ln_str){p + 1, strcspn(p + 1, "}")}, true, NULL);
  for (const ln_field *f = r->query; f && f->name; f++)
    if (f->name[0] != '*') put_parameter(j, "query", ln_str_of(f->name), f->required, f);
  ln_json_close(j, ']');
}

static bool wants_something(const ln_field *f) {
  for (; f->name; f++)
    if (f->required) return true;
  return false;
}

static void put_body(ln_json *j, const ln_route *r) {
  key(j, "requestBody");
  ln_json_open(j, '{');
  key(j, "required");
  ln_json_bool(j, wants_something(r->body));
  key(j, "content");
  ln_json_open(j, '{');
  key(j, "application/json");
  ln_json_open(j, '{');
  key(j, "schema");
  ln_json_open(j, '{');
  text(j, "type", "object");
  key(j, "properties");
  ln_json_open(j, '{');
  for (const ln_field *f = r->body; f->name; f++) {
    key(j, f->name);
    put_field_type(j, f);
  }
  ln_json_close(j, '}');
  key(j, "required");
  ln_json_open(j, '[');
  for (const ln_field *f = r->body; f->name; f++)
    if (f->required) ln_json_strz(j, f->name);
  ln_json_close(j, ']');
  key(j, "additionalProperties");
  ln_json_bool(j, false);
  for (int i = 0; i < 4; i++) ln_json_close(j, '}');
}

/* ------------------------------------------------------------------ what is answered */

static void put_media(ln_json *j, const char *type, const char *name) {
  key(j, type);
  ln_json_open(j, '{');
  key(j, "schema");
  if (name) put_ref(j, ln_str_of(name));
  else put_type(j, LN_STR("string"));
  ln_json_close(j, '}');
}

static void put_content(ln_json *j, const char *type, const char *name) {
  key(j, "content");
  ln_json_open(j, '{');
  put_media(j, type, name);
  ln_json_close(j, '}');
}

static void put_answers(ln_json *j, const ln_route *r) {
  char status[LN_INT_TEXT];
  bool red = r->answer && strcmp(r->answer, "Health") == 0;
  key(j, "responses");
  ln_json_open(j, '{');
  ln_json_key(j, ln_str_int(r->status, status));
  ln_json_open(j, '{');
  text(j, "description", r->summary);
  put_content(j, r->type ? r->type : "application/json", r->answer);
  ln_json_close(j, '}');
  if (red) {
    key(j, "503");
    ln_json_open(j, '{');
    text(j, "description", "something is wrong");
    put_content(j, "application/json", r->answer);
    ln_json_close(j, '}');
  }
  key(j, "default");
  ln_json_open(j, '{');
  text(j, "description", "a refusal, as RFC 9457 has it");
  key(j, "content");
  ln_json_open(j, '{');
  put_media(j, "application/problem+json", "Problem");
  if (r->type && ln_str_starts(ln_str_of(r->type), LN_STR("text/html"))) put_media(j, r->type, NULL);
  ln_json_close(j, '}');
  ln_json_close(j, '}');
  ln_json_close(j, '}');
}

static const char *const role_names[] = {"none", "viewer", "operator", "approver", "admin"};

static const char *const ways[] = {"token", "session"}; /* any of them will do                           */

static void put_route(ln_json *j, const ln_route *r) {
  char method[16] = "";
  for (size_t i = 0; r->method[i] && i + 1 < sizeof method; i++) method[i] = (char)(r->method[i] | 0x20);
  key(j, method);
  ln_json_open(j, '{');
  text(j, "summary", r->summary);
  text(j, "x-role", role_names[r->role]);
  key(j, "x-own-authentication");
  ln_json_bool(j, r->own);
  key(j, "security");
  ln_json_open(j, '[');
  if (r->role == LN_ROLE_NONE || r->own) ln_json_open(j, '{'), ln_json_close(j, '}');
  for (size_t i = 0; r->role != LN_ROLE_NONE && i < sizeof ways / sizeof *ways; i++) {
    ln_json_open(j, '{');
    key(j, ways[i]);
    ln_json_open(j, '[');
    ln_json_close(j, ']');
    ln_json_close(j, '}');
  }
  ln_json_close(j, ']');
  put_parameters(j, r);
  if (r->body) put_body(j, r);
  put_answers(j, r);
  ln_json_close(j, '}');
}

static bool came_before(const ln_route *r) {
  for (const ln_route *q = ln_routes; q != r; q++)
    if (strcmp(q->path, r->path) == 0) return true;
  return false;
}

static void put_paths(ln_json *j) {
  key(j, "paths");
  ln_json_open(j, '{');
  for (const ln_route *r = ln_routes; r->path; r++) {
    if (came_before(r)) continue;
    key(j, r->path);
    ln_json_open(j, '{');
    for (const ln_route *q = r; q->path; q++)
      if (strcmp(q->path, r->path) == 0) put_route(j, q);
    ln_json_close(j, '}');
  }
  ln_json_close(j, '}');
}

static void put_ways(ln_json *j, const char *cookie) {
  key(j, "securitySchemes");
  ln_json_open(j, '{');
  key(j, "token");
  ln_json_open(j, '{');
  text(j, "type", "http");
  text(j, "scheme", "bearer");
  ln_json_close(j, '}');
  key(j, "session");
  ln_json_open(j, '{');
  text(j, "type", "apiKey");
  text(j, "in", "cookie");
  text(j, "name", cookie);
  text(j, "description",
       "set by POST /v1/session, or by signing in; what is not GET or HEAD also wants X-Lunette: 1, and "
       "Origin "
       "or Sec-Fetch-Site to say that a page of this server sends it");
  ln_json_close(j, '}');
  ln_json_close(j, '}');
}

void ln_openapi(ln_json *j, const char *cookie) {
  ln_json_open(j, '{');
  text(j, "openapi", "3.1.0");
  key(j, "info");
  ln_json_open(j, '{');
  text(j, "title", "Lunette");
  text(j, "version", "1");
  ln_json_close(j, '}');
  put_paths(j);
  key(j, "components");
  ln_json_open(j, '{');
  put_ways(j, cookie);
  key(j, "schemas");
  ln_json_open(j, '{');
  for (size_t i = 0; i < sizeof schemas / sizeof *schemas; i++) put_schema(j, &schemas[i]);
  ln_json_close(j, '}');
  ln_json_close(j, '}');
  ln_json_close(j, '}');
}
