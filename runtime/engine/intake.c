/* intake.c: documents in, normalised alerts out.  The adapters are Lua (stdlib/alert), and run in a scratch
** VM under the limits of any playbook, because what they read was written by an attacker. */
#include "engine/intake.h"

#include "engine/library.h"
#include "engine/scratch.h"
#include "engine/triggers.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>

enum { DOCUMENT_MAX = 64 << 20 };
#define VALUE_MAX ((size_t)256 << 20)

struct ln_intake { ln_engine *g; ln_run *run; };

struct ln_reading {
  ln_intake *in;
  ln_str rest;                                           /* of the text                                     */
  bool lines;                                            /* each line is a text                             */
  size_t line, element;                                  /* so many were read                               */
  ln_buf value;                                          /* of a set                                        */
  ln_str elements;                                       /* that are left of it                             */
  ln_str doc;                                            /* of the call into Lua under way                  */
  ln_buf *out;
  ln_document_fn fn;
  void *arg;
  ln_err *err;
  char at[80];                                           /* of the document under way                       */
};

/* ------------------------------------------------------------------ normalising */

/* Puts { alerts, documents that nobody knows, why each } of one document. */
static int l_normalise(lua_State *L) {
  ln_reading *r = lua_touserdata(L, lua_upvalueindex(1));
  ln_err err = {0};
  lua_pushcfunction(L, lnL_require);
  lua_pushliteral(L, "alert");
  lua_call(L, 1, 1);                                   /* alert */
  lua_getfield(L, -1, "sort");
  lnL_decode(L, r->doc);
  lua_call(L, 1, 1);                                   /* alert sorted */
  if (!lnL_encode(L, -1, r->out, &err)) return lnL_raise(L, &err);
  return 0;
}

static bool give(ln_reading *r, bool known, ln_str value, ln_str at, ln_str why) {
  ln_document d = {.known = known, .value = value, .at = at.n ? at : ln_str_of(r->at), .why = why};
  return r->fn(r->arg, &d);
}

/* What the adapters made of it: an array of { known, value, at?, why? }. */
static bool give_all(ln_reading *r, ln_str sorted) {
  ln_vitem v, item, value;
  ln_buf at;
  bool ok = true;
  ln_buf_init(&at, 4096);
  ln_str rest = sorted;
  if (rest.n && ln_v_read(&rest, &v) && v.tag == 'A')
    for (rest = v.body; ok && rest.n && ln_v_read(&rest, &item);) {
      if (!ln_v_get(item.whole, LN_STR("value"), &value)) continue;
      ln_str where = ln_v_get_str(item.whole, "at");
      ln_buf_cut(&at, 0);
      ln_buf_addf(&at, "%s%s%.*s", r->at, r->at[0] && where.n ? ", " : "", LN_STR_ARG(where));
      ok = give(r, ln_v_get_bool(item.whole, "known", false), value.whole, ln_buf_view(&at),
                ln_v_get_str(item.whole, "why"));
    }
  ln_buf_free(&at);
  return ok;
}

/* A document that takes its VM down (too large, say) is one that nobody can read. */
static bool one_document(ln_reading *r, ln_str doc) {
  ln_buf sorted;
  ln_err bad = {0};
  ln_buf_init(&sorted, DOCUMENT_MAX);
  r->doc = doc;
  r->out = &sorted;
  bool ok = ln_scratch_call(r->in->run, l_normalise, r, &bad)
                ? give_all(r, ln_buf_view(&sorted))
                : give(r, false, doc, (ln_str){NULL, 0}, ln_str_of(bad.message));
  ln_buf_free(&sorted);
  return ok;
}

/* ------------------------------------------------------------------ a text: JSON, or JSON lines */

static bool no_json(ln_reading *r, ln_str text, const char *why) {
  ln_buf value;
  ln_buf_init(&value, VALUE_MAX);
  bool ok = (ln_v_str(&value, text) || ln_buf_ok(&value, r->err)) &&
            give(r, false, ln_buf_view(&value), (ln_str){NULL, 0}, ln_str_of(why));
  ln_buf_free(&value);
  return ok;
}

static void say_at(ln_reading *r) {
  char line[32] = "", element[32] = "";
  if (r->lines) snprintf(line, sizeof line, "line %zu", r->line);
  if (r->element) snprintf(element, sizeof element, "element %zu", r->element);
  snprintf(r->at, sizeof r->at, "%s%s%s", line, line[0] && element[0] ? ", " : "", element);
}

/* Of a set each element is looked at by itself: within limits that are those of one. */
static bool one_text(ln_reading *r, ln_str text) {
  ln_vitem v;
  ln_err bad = {0};
  ln_buf_cut(&r->value, 0);
  r->element = 0;
  say_at(r);
  if (!ln_host_json(r->in->g->host, text, &r->value, &bad)) return no_json(r, text, bad.message);
  ln_str rest = ln_buf_view(&r->value);
  if (!ln_v_read(&rest, &v) || v.tag != 'A') return one_document(r, ln_buf_view(&r->value));
  r->elements = v.body;
  return true;
}

static bool one_element(ln_reading *r) {
  ln_vitem item;
  if (!ln_v_read(&r->elements, &item)) return r->elements.n = 0, true;
  r->element++;
  say_at(r);
  return one_document(r, item.whole);
}

static bool next(ln_reading *r) {
  ln_str text = r->rest;
  if (r->elements.n) return one_element(r);
  if (r->lines) ln_str_cut(text, '\n', &text, &r->rest);
  else r->rest.n = 0;
  r->line++;
  text = ln_str_trim(text);
  return (r->lines && !text.n) || one_text(r, text);
}

/* JSON lines: a first line that is a whole value, and something after it. */
static bool is_lines(ln_engine *g, ln_str text) {
  ln_str first, rest;
  ln_buf value;
  ln_err quiet = {0};
  if (!ln_str_cut(ln_str_trim(text), '\n', &first, &rest) || !ln_str_trim(rest).n) return false;
  ln_buf_init(&value, VALUE_MAX);
  bool whole = ln_host_json(g->host, ln_str_trim(first), &value, &quiet);
  ln_buf_free(&value);
  return whole;
}

ln_reading *ln_reading_new(ln_intake *in, ln_str text, ln_err *err) {
  ln_reading *r = calloc(1, sizeof *r);
  if (!r) {
    ln_fail(err, "memory", LN_AGAIN, "no memory to read alerts");
    return NULL;
  }
  r->in = in;
  r->rest = text;
  r->lines = is_lines(in->g, text);
  ln_buf_init(&r->value, VALUE_MAX);
  return r;
}

bool ln_reading_step(ln_reading *r, size_t most, ln_document_fn fn, void *arg, bool *more, ln_err *err) {
  bool ok = true;
  r->fn = fn;
  r->arg = arg;
  r->err = err;
  *more = true;
  for (size_t i = 0; ok && *more && i < most; i++) {
    ok = next(r);
    *more = r->elements.n || r->rest.n;
  }
  return ok;
}

void ln_reading_free(ln_reading *r) {
  if (r) ln_buf_free(&r->value);
  free(r);
}

bool ln_intake_read(ln_intake *in, ln_str text, ln_document_fn fn, void *arg, ln_err *err) {
  bool more;
  ln_reading *r = ln_reading_new(in, text, err);
  bool ok = r && ln_reading_step(r, SIZE_MAX, fn, arg, &more, err);
  ln_reading_free(r);
  return ok;
}

ln_intake *ln_intake_new(ln_engine *g, ln_err *err) {
  ln_intake *in = calloc(1, sizeof *in);
  if (!in) {
    ln_fail(err, "memory", LN_AGAIN, "no memory for the intake of alerts");
    return NULL;
  }
  in->g = g;
  if ((in->run = ln_scratch_new(g, false, err))) return in;
  free(in);
  return NULL;
}

const char *ln_intake_scripts(ln_engine *g, ln_err *err) {
  ln_snapshot *s = ln_snapshot_take(g, (ln_str){NULL, 0}, err);
  const char *name = s ? ln_snapshot_hash(s) : NULL;
  ln_snapshot_drop(s);                                   /* the engine keeps the newest one */
  return name;
}

void ln_intake_free(ln_intake *in) {
  if (in) ln_scratch_free(in->run);
  free(in);
}

/* ------------------------------------------------------------------ for people */

typedef struct showing { const ln_alert_show *to; ln_triggers *triggers; ln_err *err; } showing;

static void put_missed(ln_json *m, const char *playbook, const ln_err *why) {
  ln_json_open(m, '{');
  ln_json_key(m, LN_STR("playbook"));
  ln_json_strz(m, playbook);
  ln_json_key(m, LN_STR("why"));
  ln_json_strz(m, why->message);
  ln_json_close(m, '}');
}

static void put_triggers(const showing *s, ln_str alert, ln_json *j) {
  ln_buf missed;
  ln_json m;
  size_t n = 0;
  ln_buf_init(&missed, 1 << 20);
  ln_json_init(&m, &missed);
  ln_json_open(&m, '[');
  ln_json_key(j, LN_STR("triggers"));
  ln_json_open(j, '[');
  for (size_t i = 0; i < ln_triggers_count(s->triggers); i++) {
    ln_err why = {0};
    const char *module = ln_triggers_at(s->triggers, i)->module;
    ln_asked said = ln_trigger_ask(s->triggers, i, alert, false, NULL, NULL, &why);
    if (said == LN_ASKED_YES) ln_json_strz(j, module);
    if (said == LN_ASKED_MISSED) put_missed(&m, module, &why), n++;
  }
  ln_json_close(j, ']');
  ln_json_close(&m, ']');
  if (n) ln_json_key(j, LN_STR("missed")), ln_json_raw(j, ln_buf_view(&missed));
  ln_buf_free(&missed);
}

static bool show_one(void *arg, const ln_document *d) {
  showing *s = arg;
  ln_json j;
  ln_buf out;
  ln_vitem v, item;
  ln_str rest = d->value, key;
  if (!d->known) return s->to->unknown(s->to->arg, d), true;
  ln_buf_init(&out, DOCUMENT_MAX);
  ln_json_init(&j, &out);
  ln_json_open(&j, '{');
  if (ln_v_read(&rest, &v) && v.tag == 'O')
    for (rest = v.body; rest.n && ln_v_read_key(&rest, &key) && ln_v_read(&rest, &item);)
      if (!ln_str_eq(key, LN_STR("triggers"))) ln_json_key(&j, key), ln_v_to_json(item.whole, &j);
  put_triggers(s, d->value, &j);
  ln_json_close(&j, '}');
  bool ok = ln_buf_ok(&out, s->err) && s->to->alert(s->to->arg, ln_buf_view(&out));
  ln_buf_free(&out);
  return ok;
}

bool ln_intake_show(ln_engine *g, ln_str text, const ln_alert_show *to, ln_err *err) {
  showing s = {.to = to, .err = err};
  ln_intake *in = ln_intake_new(g, err);
  bool ok = in && (s.triggers = ln_triggers_new(g, err)) && ln_intake_read(in, text, show_one, &s, err);
  ln_triggers_free(s.triggers);
  ln_intake_free(in);
  return ok;
}
