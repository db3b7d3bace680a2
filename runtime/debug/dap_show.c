/* dap_show.c: what an editor looks at: branches as threads, frames, variables a page at a time, what is
** evaluated, and scripts.  A script that is on the disk as it was pinned is the editor's own file; any
** other it gets from here. */
#include "debug/dap_parts.h"

#include <stdio.h>
#include <stdlib.h>

enum { DOC_MOST = 64 << 20, ALL_MOST = 10000, PAGE = 1000, SOURCE_MOST = 2 << 20 };

static void member(ln_json *j, const char *key, ln_str v) {
  ln_json_key(j, ln_str_of(key));
  ln_json_str(j, v);
}

static void number(ln_json *j, const char *key, int64_t v) {
  ln_json_key(j, ln_str_of(key));
  ln_json_int(j, v);
}

void dap_forget(dap *d) { d->n_refs = 0; }

/* 0: no memory; the value is shown without its members then. */
static int64_t add_ref(dap *d, dap_ref ref) {
  if (d->n_refs == d->cap_refs) {
    size_t cap = d->cap_refs ? 2 * d->cap_refs : 64;
    dap_ref *more = cap < INT32_MAX ? realloc(d->refs, cap * sizeof *more) : NULL;
    if (!more) return 0;
    d->refs = more;
    d->cap_refs = cap;
  }
  d->refs[d->n_refs++] = ref;
  return (int64_t)d->n_refs;
}

/* ------------------------------------------------------------------ branches and frames */

bool dap_threads(dap *d, dap_request *q) {
  ln_buf doc;
  ln_vitem all = {0}, b;
  ln_buf_init(&doc, DOC_MOST);
  bool ok = ln_travel_threads(d->t, &doc, q->err);
  ln_str rest = ln_buf_view(&doc);
  if (ok) ln_v_read(&rest, &all);
  ln_json_key(&q->body, LN_STR("threads"));
  ln_json_open(&q->body, '[');
  for (size_t i = 0; i < all.count && ln_v_read(&all.body, &b); i++) {
    ln_str name = ln_v_get_str(b.whole, "name"), waits = ln_v_get_str(b.whole, "waits");
    char text[400];
    snprintf(text, sizeof text, "%.*s%s%.*s", LN_STR_ARG(name.n ? name : LN_STR("the run")),
             waits.n ? ", waits for " : "", LN_STR_ARG(waits));
    ln_json_open(&q->body, '{');
    number(&q->body, "id", ln_v_get_int(b.whole, "id", 1));
    member(&q->body, "name", ln_str_of(text));
    ln_json_close(&q->body, '}');
  }
  if (!all.count) { /* an editor that sees no thread takes the session for over */
    ln_json_open(&q->body, '{');
    number(&q->body, "id", 1);
    member(&q->body, "name", LN_STR("the run"));
    ln_json_close(&q->body, '}');
  }
  ln_json_close(&q->body, ']');
  ln_buf_free(&doc);
  return ok;
}

/* Is the file as it was pinned?  Then its whole path. */
static bool on_disk(const char *path, ln_str pinned, char full[PATH_MAX]) {
  char *bytes = realpath(path, full) ? malloc(pinned.n + 1) : NULL;
  FILE *f = bytes ? fopen(full, "rb") : NULL;
  bool same = f && fread(bytes, 1, pinned.n + 1, f) == pinned.n && memcmp(bytes, pinned.p, pinned.n) == 0;
  if (f) fclose(f);
  free(bytes);
  return same;
}

/* Which of the run's scripts, from 1 on: how an editor asks for one that it has no file of; 0: none. */
static int64_t reference_of(dap *d, ln_str module) {
  ln_buf doc;
  ln_err quiet;
  ln_vitem all, s;
  int64_t found = 0;
  ln_buf_init(&doc, DOC_MOST);
  ln_str rest = ln_travel_sources(d->t, &doc, &quiet) ? ln_buf_view(&doc) : (ln_str){NULL, 0};
  if (ln_v_read(&rest, &all))
    for (int64_t i = 1; !found && ln_v_read(&all.body, &s); i++)
      if (ln_str_eq(ln_v_get_str(s.whole, "module"), module)) found = i;
  ln_buf_free(&doc);
  return found;
}

static void put_source(dap *d, ln_json *j, ln_str path, ln_str module) {
  char full[PATH_MAX];
  ln_buf doc;
  ln_err quiet;
  ln_buf_init(&doc, DOC_MOST);
  bool known = module.n && ln_travel_source(d->t, module, &doc, &quiet);
  ln_str file = ln_v_get_str(ln_buf_view(&doc), "file");
  char *name = ln_str_dup(file.n ? file : path);
  bool same = known && name && on_disk(name, ln_v_get_str(ln_buf_view(&doc), "source"), full);
  ln_json_key(j, LN_STR("source"));
  ln_json_open(j, '{');
  member(j, "name", path);
  member(j, "path", same ? ln_str_of(full) : path);
  if (!same && known) {
    number(j, "sourceReference", reference_of(d, module));
    member(j, "origin", LN_STR("as the run began with it"));
  }
  ln_json_close(j, '}');
  free(name);
  ln_buf_free(&doc);
}

static void put_frame(dap *d, ln_json *j, ln_str f) {
  ln_json_open(j, '{');
  number(j, "id", ln_v_get_int(f, "id", 0));
  member(j, "name", ln_v_get_str(f, "name"));
  number(j, "line", dap_line_out(d, ln_v_get_int(f, "line", 0)));
  number(j, "column", d->lines_at_0 ? 0 : 1);
  put_source(d, j, ln_v_get_str(f, "path"), ln_v_get_str(f, "module"));
  ln_json_close(j, '}');
}

/* Where nothing is about to be run an editor still shows something to step back from. */
static void put_end(ln_json *j, const ln_standing *s) {
  char text[80];
  snprintf(text, sizeof text, "%s%s", s->end ? "the end: " : "the start", s->end ? s->end : "");
  ln_json_open(j, '{');
  number(j, "id", DAP_END_FRAME);
  member(j, "name", ln_str_of(text));
  number(j, "line", 0);
  number(j, "column", 0);
  member(j, "presentationHint", LN_STR("label"));
  ln_json_close(j, '}');
}

bool dap_stack(dap *d, dap_request *q) {
  ln_buf doc;
  ln_vitem all = {0}, f;
  ln_standing s;
  ln_err none;
  int64_t from = ln_v_get_int(q->args, "startFrame", 0), most = ln_v_get_int(q->args, "levels", 0);
  ln_travel_where(d->t, &s);
  ln_buf_init(&doc, DOC_MOST);
  bool any = ln_travel_frames(d->t, ln_v_get_int(q->args, "threadId", 0), &doc, &none);
  ln_str rest = ln_buf_view(&doc);
  if (any) ln_v_read(&rest, &all);
  ln_json_key(&q->body, LN_STR("stackFrames"));
  ln_json_open(&q->body, '[');
  for (int64_t i = 0; i < (int64_t)all.count && ln_v_read(&all.body, &f); i++)
    if (i >= from && (most <= 0 || i < from + most)) put_frame(d, &q->body, f.whole);
  if (!all.count) put_end(&q->body, &s);
  ln_json_close(&q->body, ']');
  number(&q->body, "totalFrames", all.count ? (int64_t)all.count : 1);
  ln_buf_free(&doc);
  return true;
}

/* ------------------------------------------------------------------ variables */

static void put_scope(dap *d, ln_json *j, const char *name, int64_t frame, ln_scope scope) {
  ln_json_open(j, '{');
  member(j, "name", ln_str_of(name));
  if (scope == LN_LOCALS) member(j, "presentationHint", LN_STR("locals"));
  number(j, "variablesReference", add_ref(d, (dap_ref){.frame = frame, .scope = scope}));
  ln_json_key(j, LN_STR("expensive"));
  ln_json_bool(j, scope == LN_GLOBALS);
  ln_json_close(j, '}');
}

bool dap_scopes(dap *d, dap_request *q) {
  int64_t frame = ln_v_get_int(q->args, "frameId", 0);
  ln_json_key(&q->body, LN_STR("scopes"));
  ln_json_open(&q->body, '[');
  if (frame != DAP_END_FRAME) {
    put_scope(d, &q->body, "Locals", frame, LN_LOCALS);
    put_scope(d, &q->body, "Upvalues", frame, LN_UPVALUES);
    put_scope(d, &q->body, "Globals", frame, LN_GLOBALS);
  }
  ln_json_close(&q->body, ']');
  return true;
}

/* What a value is, as members of an object: text is the name of its text. */
static void put_value(dap *d, ln_json *j, const char *text, ln_str v) {
  int64_t members = ln_v_get_int(v, "ref", 0), count = ln_v_get_int(v, "count", 0),
          positions = ln_v_get_int(v, "positions", 0);
  member(j, text, ln_v_get_str(v, "text"));
  member(j, "type", ln_v_get_str(v, "type"));
  number(j, "variablesReference", members ? add_ref(d, (dap_ref){.members = members}) : 0);
  if (members && count > PAGE / 10) {
    number(j, "indexedVariables", positions);
    number(j, "namedVariables", count > positions ? count - positions : 0);
  }
}

static size_t put_variables(dap *d, ln_json *j, const ln_buf *doc) {
  ln_vitem all, v;
  ln_str rest = ln_buf_view(doc);
  if (!ln_v_read(&rest, &all)) return 0;
  for (size_t i = 0; i < all.count && ln_v_read(&all.body, &v); i++) {
    ln_json_open(j, '{');
    member(j, "name", ln_v_get_str(v.whole, "name"));
    put_value(d, j, "value", v.whole);
    ln_json_close(j, '}');
  }
  return all.count;
}

/* A page, as it was asked for; without that all of it, within reason. */
static bool put_members(dap *d, dap_request *q, int64_t members) {
  size_t from = (size_t)llabs(ln_v_get_int(q->args, "start", 0)),
         count = (size_t)llabs(ln_v_get_int(q->args, "count", 0));
  size_t left = count ? count : ALL_MOST, got = 1;
  bool ok = true;
  while (ok && left > 0 && got > 0) {
    ln_buf doc;
    ln_buf_init(&doc, DOC_MOST);
    ok = ln_travel_members(d->t, members, from, left < PAGE ? left : PAGE, &doc, q->err);
    got = ok ? put_variables(d, &q->body, &doc) : 0;
    from += got;
    left -= got < left ? got : left;
    ln_buf_free(&doc);
  }
  return ok;
}

static bool put_scope_variables(dap *d, dap_request *q, const dap_ref *r) {
  ln_buf doc;
  ln_buf_init(&doc, DOC_MOST);
  bool ok = ln_travel_scope(d->t, r->frame, r->scope, &doc, q->err);
  if (ok) put_variables(d, &q->body, &doc);
  ln_buf_free(&doc);
  return ok;
}

bool dap_variables(dap *d, dap_request *q) {
  int64_t ref = ln_v_get_int(q->args, "variablesReference", 0);
  if (ref < 1 || ref > (int64_t)d->n_refs)
    return ln_fail(q->err, "not_found", LN_FINAL, "there are no variables of that number here");
  dap_ref r = d->refs[ref - 1];
  ln_json_key(&q->body, LN_STR("variables"));
  ln_json_open(&q->body, '[');
  bool ok = r.members ? put_members(d, q, r.members) : put_scope_variables(d, q, &r);
  ln_json_close(&q->body, ']');
  return ok;
}

bool dap_evaluate(dap *d, dap_request *q) {
  ln_buf doc;
  int64_t frame = ln_v_get_int(q->args, "frameId", 0);
  ln_buf_init(&doc, DOC_MOST);
  bool ok = ln_travel_eval(d->t, frame == DAP_END_FRAME ? 0 : frame, ln_v_get_str(q->args, "expression"),
                           &doc, q->err);
  if (ok) {
    ln_str out = ln_v_get_str(ln_buf_view(&doc), "out");
    put_value(d, &q->body, "result", ln_buf_view(&doc));
    if (out.n) dap_output(d, "stdout", out);
  }
  ln_buf_free(&doc);
  return ok;
}

/* ------------------------------------------------------------------ scripts */

/* By its number among the run's scripts, else by path. */
static bool named(dap *d, dap_request *q, ln_buf *doc) {
  ln_vitem source = {0}, all, s = {0};
  bool has = ln_v_get(q->args, LN_STR("source"), &source);
  int64_t n = ln_v_get_int(q->args, "sourceReference", 0);
  if (n <= 0 && has) n = ln_v_get_int(source.whole, "sourceReference", 0);
  if (n <= 0)
    return ln_travel_source(d->t, has ? ln_v_get_str(source.whole, "path") : LN_STR(""), doc, q->err);
  ln_buf list;
  ln_buf_init(&list, DOC_MOST);
  bool ok = ln_travel_sources(d->t, &list, q->err), found = false;
  ln_str rest = ln_buf_view(&list);
  if (ok && ln_v_read(&rest, &all))
    for (int64_t i = 1; i <= n && (found = ln_v_read(&all.body, &s)); i++) continue;
  if (ok && !found) ok = ln_fail(q->err, "not_found", LN_FINAL, "the run has no script of that number");
  ok = ok && ln_travel_source(d->t, ln_v_get_str(s.whole, "module"), doc, q->err);
  ln_buf_free(&list);
  return ok;
}

bool dap_source(dap *d, dap_request *q) {
  ln_buf doc;
  ln_buf_init(&doc, SOURCE_MOST);
  bool ok = named(d, q, &doc);
  if (ok) {
    member(&q->body, "content", ln_v_get_str(ln_buf_view(&doc), "source"));
    member(&q->body, "mimeType", LN_STR("text/x-lua"));
  }
  ln_buf_free(&doc);
  return ok;
}

bool dap_sources(dap *d, dap_request *q) {
  ln_buf doc;
  ln_vitem all = {0}, s;
  ln_buf_init(&doc, DOC_MOST);
  bool ok = ln_travel_sources(d->t, &doc, q->err);
  ln_str rest = ln_buf_view(&doc);
  if (ok) ln_v_read(&rest, &all);
  ln_json_key(&q->body, LN_STR("sources"));
  ln_json_open(&q->body, '[');
  for (int64_t i = 1; i <= (int64_t)all.count && ln_v_read(&all.body, &s); i++) {
    ln_json_open(&q->body, '{');
    member(&q->body, "name", ln_v_get_str(s.whole, "module"));
    member(&q->body, "path", ln_v_get_str(s.whole, "path"));
    number(&q->body, "sourceReference", i);
    ln_json_close(&q->body, '}');
  }
  ln_json_close(&q->body, ']');
  ln_buf_free(&doc);
  return ok;
}
