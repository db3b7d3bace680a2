/* xml_lua.c: XML over expat, streamed into an encoded value.  An element is written when it ends: its
** children's bytes stand at the end of the output already, and its head (attributes, name, text) is put
** in front of them, so nothing but the path of open elements is ever held.  Nothing is fetched; a
** document that declares an entity, or uses one that is not of the five, is refused: that ends both
** "billion laughs" and files read through entities. */
#include "engine/host.h"

#include <expat.h>
#include <lauxlib.h>
#include <stdlib.h>

typedef struct open_element {
  size_t head;                                           /* in heads: attrs and name, encoded               */
  size_t text;                                           /* in texts                                        */
  size_t children;                                       /* in the output                                   */
  size_t count;
} open_element;

typedef struct xml_job {
  XML_Parser parser;
  ln_buf heads, texts, scratch;                          /* the first two are stacks                        */
  ln_buf *out;
  open_element open[LN_VALUE_DEPTH - 1];                 /* an element's attrs are one level more           */
  int depth;
  ln_err *err;
  bool failed;
} xml_job;

enum { DEEPEST = LN_VALUE_DEPTH - 1 };

static void stop(xml_job *x, const char *what, const char *which) {
  if (x->failed) return;
  x->failed = true;
  unsigned long line = XML_GetCurrentLineNumber(x->parser);
  ln_fail(x->err, "bad_argument", LN_FINAL, "at line %lu: %s%s", line, what, which);
  XML_StopParser(x->parser, XML_FALSE);
}

static void stop_full(xml_job *x, const ln_buf *b) {
  if (x->failed) return;
  x->failed = true;
  ln_buf_ok(b, x->err);
  XML_StopParser(x->parser, XML_FALSE);
}

/* --- an element ----------------------------------------------------------------------------------------- */

typedef struct attr { const char *name, *value; } attr;

static int by_name(const void *a, const void *b) {
  return strcmp(((const attr *)a)->name, ((const attr *)b)->name);
}

static bool put_head(xml_job *x, const char *name, const char **atts) {
  size_t n = 0;
  while (atts[2 * n]) n++;
  attr *sorted = calloc(n + 1, sizeof *sorted);
  if (!sorted) return false;
  for (size_t i = 0; i < n; i++) sorted[i] = (attr){atts[2 * i], atts[2 * i + 1]};
  qsort(sorted, n, sizeof *sorted, by_name);
  ln_v_key(&x->heads, LN_STR("attrs"));
  size_t mark = ln_v_begin(&x->heads, 'O', n);
  for (size_t i = 0; i < n; i++) {
    ln_v_key(&x->heads, ln_str_of(sorted[i].name));
    ln_v_str(&x->heads, ln_str_of(sorted[i].value));
  }
  ln_v_end(&x->heads, mark);
  free(sorted);
  ln_v_key(&x->heads, LN_STR("name"));
  return ln_v_str(&x->heads, ln_str_of(name));
}

static void on_start(void *arg, const char *name, const char **atts) {
  xml_job *x = arg;
  if (x->failed) return;
  if (x->depth == DEEPEST) {
    stop(x, "elements are nested deeper than 99, at ", name);
    return;
  }
  if (x->depth) x->open[x->depth - 1].count++;
  x->open[x->depth++] = (open_element){x->heads.n, x->texts.n, x->out->n, 0};
  if (!put_head(x, name, atts)) stop_full(x, &x->heads);
}

/* An element with children is a mixed table: names, and then positions. */
static bool put_element(xml_job *x, const open_element *e) {
  ln_str head = {x->heads.p + e->head, x->heads.n - e->head};
  ln_str text = ln_str_trim((ln_str){x->texts.p ? x->texts.p + e->text : "", x->texts.n - e->text});
  size_t children = x->out->n - e->children;
  ln_buf_cut(&x->scratch, 0);
  size_t mark = ln_v_begin(&x->scratch, e->count ? 'M' : 'O', 3);
  ln_v_raw(&x->scratch, head);
  ln_v_key(&x->scratch, LN_STR("text"));
  ln_v_str(&x->scratch, text);
  if (e->count) ln_v_more(&x->scratch, e->count);
  size_t n = x->scratch.n;
  char *room = ln_buf_failed(&x->scratch) ? NULL : ln_buf_room(x->out, n);
  if (!room) return false;
  char *at = x->out->p + e->children;
  memmove(at + n, at, children);
  memcpy(at, x->scratch.p, n);
  ln_buf_grew(x->out, n);
  return ln_v_end(x->out, e->children + mark);
}

static void on_end(void *arg, const char *name) {
  xml_job *x = arg;
  (void)name;
  if (x->failed) return;
  open_element *e = &x->open[--x->depth];
  if (!put_element(x, e)) stop_full(x, ln_buf_failed(&x->scratch) ? &x->scratch : x->out);
  ln_buf_cut(&x->heads, e->head);
  ln_buf_cut(&x->texts, e->text);
}

static void on_text(void *arg, const char *s, int n) {
  xml_job *x = arg;
  if (!x->failed && !ln_buf_add(&x->texts, (ln_str){s, (size_t)n})) stop_full(x, &x->texts);
}

/* --- what is refused ------------------------------------------------------------------------------------ */

static void on_entity(void *arg, const char *name, int is_parameter, const char *value, int n,
                      const char *base, const char *system_id, const char *public_id, const char *notation) {
  (void)is_parameter, (void)value, (void)n, (void)base, (void)system_id, (void)public_id, (void)notation;
  stop(arg, "it declares an entity, which is not allowed: ", name);
}

static void on_skipped(void *arg, const char *name, int is_parameter) {
  if (!is_parameter) stop(arg, "an entity that is not known: ", name);
}

/* --- the whole ------------------------------------------------------------------------------------------ */

static bool parse(xml_job *x, ln_str xml) {
  XML_SetUserData(x->parser, x);
  XML_SetElementHandler(x->parser, on_start, on_end);
  XML_SetCharacterDataHandler(x->parser, on_text);
  XML_SetEntityDeclHandler(x->parser, on_entity);
  XML_SetSkippedEntityHandler(x->parser, on_skipped);
  if (xml.n > INT32_MAX) {
    ln_fail(x->err, "too_big", LN_FINAL, "an XML text of %zu bytes", xml.n);
    return false;
  }
  enum XML_Status status = XML_Parse(x->parser, xml.p ? xml.p : "", (int)xml.n, XML_TRUE);
  if (status != XML_STATUS_OK) stop(x, XML_ErrorString(XML_GetErrorCode(x->parser)), "");
  return !x->failed;
}

bool ln_host_xml(ln_host *h, ln_str xml, ln_buf *value, ln_err *err) {
  (void)h;
  size_t start = value->n;
  xml_job x = {.out = value, .err = err, .parser = XML_ParserCreate(NULL)};
  if (!x.parser) return ln_fail(err, "memory", LN_AGAIN, "no memory to read XML");
  ln_buf_init(&x.heads, LN_HOST_VALUE_MAX);
  ln_buf_init(&x.texts, LN_HOST_VALUE_MAX);
  ln_buf_init(&x.scratch, LN_HOST_VALUE_MAX);
  bool ok = parse(&x, xml);
  if (!ok) ln_buf_cut(value, start);
  ln_buf_free(&x.heads);
  ln_buf_free(&x.texts);
  ln_buf_free(&x.scratch);
  XML_ParserFree(x.parser);
  return ok;
}

int lnL_xml_decode(lua_State *L) {
  ln_str xml;
  ln_err err;
  xml.p = luaL_checklstring(L, 1, &xml.n);
  ln_buf *value = lnL_new_buf(L, LN_HOST_VALUE_MAX);     /* … value         */
  if (!ln_host_xml(lua_touserdata(L, lua_upvalueindex(1)), xml, value, &err)) return lnL_raise(L, &err);
  lnL_decode(L, ln_buf_view(value));
  ln_buf_free(value);
  return 1;
}
