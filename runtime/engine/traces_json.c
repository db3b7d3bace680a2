/* traces_json.c: spans as OTLP/JSON: ids in hex, 64-bit numbers as texts, names in lowerCamelCase, enums as
** numbers.  Attributes have OpenTelemetry's names where there are some, else `lunette.*`. */
#include "engine/traces.h"

#include "base/json.h"
#include "net/vendor.h"

#include <stdio.h>

enum { KIND_INTERNAL = 1, KIND_CLIENT = 3, STATUS_ERROR = 2 };

static void put_id(ln_json *j, const char *key, const uint8_t *id, size_t n) {
  char hex[2 * LN_TRACE_ID + 1];
  ln_hex(id, n, hex);
  ln_json_key(j, ln_str_of(key));
  ln_json_strz(j, hex);
}

static void put_nanos(ln_json *j, const char *key, int64_t ms) {
  char text[LN_INT_TEXT + 6];
  snprintf(text, sizeof text, "%lld000000", (long long)(ms > 0 ? ms : 0));
  ln_json_key(j, ln_str_of(key));
  ln_json_strz(j, ms > 0 ? text : "0");
}

static void open_attribute(ln_json *j, const char *key, const char *type) {
  ln_json_open(j, '{');
  ln_json_key(j, LN_STR("key"));
  ln_json_strz(j, key);
  ln_json_key(j, LN_STR("value"));
  ln_json_open(j, '{');
  ln_json_key(j, ln_str_of(type));
}

static void close_attribute(ln_json *j) {
  ln_json_close(j, '}');
  ln_json_close(j, '}');
}

static void put_text(ln_json *j, const char *key, const char *v) {
  if (!v || !*v) return;
  open_attribute(j, key, "stringValue");
  ln_json_strz(j, v);
  close_attribute(j);
}

static void put_int(ln_json *j, const char *key, int64_t v) {
  char text[LN_INT_TEXT];
  if (!v) return;
  open_attribute(j, key, "intValue");
  ln_json_str(j, ln_str_int(v, text));
  close_attribute(j);
}

static void put_true(ln_json *j, const char *key, bool v) {
  if (!v) return;
  open_attribute(j, key, "boolValue");
  ln_json_bool(j, true);
  close_attribute(j);
}

static void put_d3fend(ln_json *j, const ln_span *s) {
  if (!s->d3fend[0][0]) return;
  open_attribute(j, "lunette.d3fend", "arrayValue");
  ln_json_open(j, '{');
  ln_json_key(j, LN_STR("values"));
  ln_json_open(j, '[');
  for (size_t i = 0; i < LN_SPAN_D3FEND && s->d3fend[i][0]; i++) {
    ln_json_open(j, '{');
    ln_json_key(j, LN_STR("stringValue"));
    ln_json_strz(j, s->d3fend[i]);
    ln_json_close(j, '}');
  }
  ln_json_close(j, ']');
  ln_json_close(j, '}');
  close_attribute(j);
}

static void put_attributes(ln_json *j, const ln_span *s) {
  ln_json_key(j, LN_STR("attributes"));
  ln_json_open(j, '[');
  put_text(j, "lunette.run", s->run);
  put_text(j, "lunette.playbook", s->playbook);
  put_text(j, "lunette.stage", s->stage);
  if (s->what == LN_SPAN_STEP) put_text(j, "lunette.operation", s->name);
  put_text(j, "lunette.step", s->step);
  put_text(j, "lunette.class", s->cls);
  put_text(j, "lunette.state", s->state);
  put_text(j, "lunette.outcome", s->outcome);
  put_text(j, "lunette.entity.kind", s->kind);
  put_true(j, "lunette.plan", s->plan);
  put_d3fend(j, s);
  put_text(j, "threat.technique.id", s->technique);
  put_text(j, "server.address", s->address);
  put_text(j, "http.request.method", s->method);
  put_int(j, "http.response.status_code", s->status);
  put_text(j, "error.type", s->error);
  ln_json_close(j, ']');
}

static void put_events(ln_json *j, const ln_span *s) {
  if (!s->n_events) return;
  ln_json_key(j, LN_STR("events"));
  ln_json_open(j, '[');
  for (size_t i = 0; i < s->n_events; i++) {
    const ln_span_event *e = &s->events[i];
    bool waits = strcmp(e->state, "waiting") == 0;
    ln_json_open(j, '{');
    put_nanos(j, "timeUnixNano", e->ms);
    ln_json_key(j, LN_STR("name"));
    ln_json_strz(j, waits ? "lunette.approval.waiting" : "lunette.approval.decided");
    ln_json_key(j, LN_STR("attributes"));
    ln_json_open(j, '[');
    put_int(j, "lunette.approval", e->approval);
    if (!waits) put_text(j, "lunette.approval.state", e->state);
    ln_json_close(j, ']');
    ln_json_close(j, '}');
  }
  ln_json_close(j, ']');
}

static bool has_parent(const ln_span *s) {
  static const uint8_t none[LN_SPAN_ID];
  return memcmp(s->parent, none, sizeof none) != 0;
}

static void put_span(ln_json *j, const ln_span *s) {
  ln_json_open(j, '{');
  put_id(j, "traceId", s->trace, LN_TRACE_ID);
  put_id(j, "spanId", s->id, LN_SPAN_ID);
  if (has_parent(s)) put_id(j, "parentSpanId", s->parent, LN_SPAN_ID);
  ln_json_key(j, LN_STR("name"));
  ln_json_strz(j, s->name);
  ln_json_key(j, LN_STR("kind"));
  ln_json_int(j, s->client ? KIND_CLIENT : KIND_INTERNAL);
  put_nanos(j, "startTimeUnixNano", s->start_ms);
  put_nanos(j, "endTimeUnixNano", s->end_ms > s->start_ms ? s->end_ms : s->start_ms);
  put_attributes(j, s);
  put_events(j, s);
  ln_json_key(j, LN_STR("status"));
  ln_json_open(j, '{');
  if (s->failed) ln_json_key(j, LN_STR("code")), ln_json_int(j, STATUS_ERROR);
  ln_json_close(j, '}');
  ln_json_close(j, '}');
}

static void open_member(ln_json *j, const char *key, char bracket) {
  ln_json_key(j, ln_str_of(key));
  ln_json_open(j, bracket);
}

void ln_traces_json(const ln_span *const *v, size_t n, ln_str service, ln_buf *out) {
  ln_json j;
  char name[128];
  snprintf(name, sizeof name, "%.*s", LN_STR_ARG(service));
  ln_json_init(&j, out);
  ln_json_open(&j, '{');
  open_member(&j, "resourceSpans", '[');
  ln_json_open(&j, '{');
  open_member(&j, "resource", '{');
  open_member(&j, "attributes", '[');
  put_text(&j, "service.name", name);
  ln_json_close(&j, ']');
  ln_json_close(&j, '}');
  open_member(&j, "scopeSpans", '[');
  ln_json_open(&j, '{');
  open_member(&j, "scope", '{');
  ln_json_key(&j, LN_STR("name"));
  ln_json_strz(&j, "lunette");
  ln_json_key(&j, LN_STR("version"));
  ln_json_strz(&j, LN_USER_AGENT + strlen("lunette/"));
  ln_json_close(&j, '}');
  open_member(&j, "spans", '[');
  for (size_t i = 0; i < n; i++) put_span(&j, v[i]);
  static const char ends[] = "]}]}]}";
  for (size_t i = 0; ends[i]; i++) ln_json_close(&j, ends[i]);
}
