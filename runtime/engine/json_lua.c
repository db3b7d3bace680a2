/* json_lua.c: JSON over lua-cjson, with its traps solved.  cjson reads every number as a double, makes
** {} of [], and lets through what is not UTF-8.  So the text is gone through once before: it is checked,
** and every number and every empty array is replaced by a number that counts them, 0, 1, 2 …; cjson
** checks the grammar and builds the tree; and where the tree is taken over, number k becomes what stands
** at the k-th place of the text.
**
** A whole number that 64 bits with a sign do not hold (an unsigned id above 2^63 - 1) becomes a text of its
** digits: as a double it would lose some, and a document is not refused for a field that nobody reads.
**
** What cjson allocates when memory runs out it loses, so it works only in the host's state, which has no
** cap; the value goes on in its encoded form.  Encoding goes through that form as well: keys come
** sorted, and floats with as many digits as they need. */
#include "engine/host.h"

#include <errno.h>
#include <inttypes.h>
#include <lauxlib.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { LITERAL = 512 };                                  /* a number has fewer characters                   */

typedef struct json_job {
  ln_str json;                                           /* without a byte order mark                       */
  size_t bom;
  ln_buf text;                                           /* with counting numbers                           */
  ln_buf places;                                         /* uint32_t: where in json the k-th of them is     */
  ln_buf *value;
  bool drop_nulls, encoded;
  ln_err *err;
} json_job;

static bool bad(json_job *j, size_t at, const char *what) {
  return ln_fail(j->err, "bad_argument", LN_FINAL, "at byte %zu: %s", at + j->bom + 1, what);
}

/* --- before cjson --------------------------------------------------------------------------------------- */

static bool digit(ln_str s, size_t i) { return i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; }

static size_t digits(ln_str s, size_t i) {
  while (digit(s, i)) i++;
  return i;
}

static bool one_of(ln_str s, size_t i, const char *set) { return i < s.n && s.p[i] && strchr(set, s.p[i]); }

/* May a value end before i?  Two counting numbers in a row would read as one. */
static bool ends(ln_str s, size_t i) { return i >= s.n || one_of(s, i, " \t\r\n,:]}"); }

/* Where the number that begins at i ends, by JSON's grammar; i itself when it is none. */
static size_t number_end(ln_str s, size_t i, bool *is_float) {
  size_t from = i;
  *is_float = false;
  if (one_of(s, i, "-")) i++;
  if (!digit(s, i)) return from;
  i = s.p[i] == '0' ? i + 1 : digits(s, i);
  if (one_of(s, i, ".")) {
    if (!digit(s, i + 1)) return from;
    i = digits(s, i + 1);
    *is_float = true;
  }
  if (one_of(s, i, "eE")) {
    i += one_of(s, i + 1, "+-") ? 2 : 1;
    if (!digit(s, i)) return from;
    i = digits(s, i);
    *is_float = true;
  }
  return ends(s, i) ? i : from;
}

static size_t blanks(ln_str s, size_t i) {
  while (one_of(s, i, " \t\r\n")) i++;
  return i;
}

/* Past the text whose quote is at i; at the end of all when it is not closed, which cjson will say.  A
** control character in it is an error by the grammar, and cjson knows it not. */
static bool past_text(json_job *j, size_t *i) {
  ln_str s = j->json;
  for (size_t k = *i + 1; k < s.n; k++) {
    if ((unsigned char)s.p[k] < ' ') return bad(j, k, "a control character in a text: escape it");
    if (s.p[k] == '\\') k++;
    else if (s.p[k] == '"') {
      *i = k + 1;
      return true;
    }
  }
  *i = s.n;
  return true;
}

/* In decimal, as this is done for every number of a text. */
static ln_str decimal(size_t k, char out[24]) {
  size_t i = 24;
  do out[--i] = (char)('0' + k % 10);
  while (k /= 10);
  return (ln_str){out + i, 24 - i};
}

/* Puts the text from *from up to at, then the next counting number; goes on at to. */
static bool put_count(json_job *j, size_t *from, size_t at, size_t to) {
  uint32_t place = (uint32_t)at;
  char digits_of_k[24];
  size_t k = j->places.n / sizeof place;
  ln_buf_add(&j->text, (ln_str){j->json.p + *from, at - *from});
  ln_buf_add(&j->text, decimal(k, digits_of_k));
  ln_buf_add(&j->places, (ln_str){(const char *)&place, sizeof place});
  *from = to;
  return ln_buf_ok(&j->text, j->err) && ln_buf_ok(&j->places, j->err);
}

static bool count_number(json_job *j, size_t *from, size_t *i) {
  bool is_float;
  size_t end = number_end(j->json, *i, &is_float);
  if (end == *i) return bad(j, *i, "this is no number of JSON");
  if (end - *i >= LITERAL) return bad(j, *i, "a number of more than 500 characters");
  if (!put_count(j, from, *i, end)) return false;
  *i = end;
  return true;
}

static bool count_nest(json_job *j, size_t at, int *depth) {
  bool close = j->json.p[at] == ']' || j->json.p[at] == '}';
  *depth += close ? -1 : 1;
  return *depth <= LN_VALUE_DEPTH || bad(j, at, "nested deeper than 100");
}

/* One pass; false: refused. */
static bool prepare(json_job *j) {
  ln_str s = j->json;
  size_t from = 0, i = 0;
  int depth = 0;
  while (i < s.n) {
    char c = s.p[i];
    size_t close = c == '[' ? blanks(s, i + 1) : 0;
    if (close && one_of(s, close, "]")) {
      if (!ends(s, close + 1)) return bad(j, close + 1, "expected ',' or the end of what [] is in");
      if (!put_count(j, &from, i, close + 1)) return false;
      i = close + 1;
    } else if (c == '"') {
      if (!past_text(j, &i)) return false;
    } else if (c == '-' || digit(s, i)) {
      if (!count_number(j, &from, &i)) return false;
    } else {
      if (strchr("[]{}", c) && c && !count_nest(j, i, &depth)) return false;
      i++;
    }
  }
  ln_buf_add(&j->text, (ln_str){s.p + from, s.n - from});
  return ln_buf_ok(&j->text, j->err);
}

/* --- cjson ---------------------------------------------------------------------------------------------- */

static uint32_t place_of(const json_job *j, size_t k) {
  uint32_t place;
  memcpy(&place, j->places.p + k * sizeof place, sizeof place);
  return place;
}

/* Where in the text that we were given is byte `at` of the one that cjson saw? */
static size_t original(const json_job *j, size_t at) {
  size_t shift = 0, end = 0;                           /* given = seen + end - shift, up to the next number */
  for (size_t k = 0; k < j->places.n / sizeof(uint32_t); k++) {
    bool is_float;
    size_t place = place_of(j, k), seen = place - end + shift;
    if (seen >= at) break;
    size_t stop = number_end(j->json, place, &is_float);
    if (stop == place) stop = blanks(j->json, place + 1) + 1;
    shift = seen + (size_t)snprintf(NULL, 0, "%zu", k);
    end = stop;
  }
  return at >= shift ? at - shift + end : end;
}

static const struct { const char *token, *words; } tokens[] = {
    {"T_OBJ_BEGIN", "'{'"}, {"T_OBJ_END", "'}'"}, {"T_ARR_BEGIN", "'['"}, {"T_ARR_END", "']'"},
    {"T_STRING", "a text"}, {"T_NUMBER", "a number or []"}, {"T_BOOLEAN", "true or false"},
    {"T_NULL", "null"}, {"T_COLON", "':'"}, {"T_COMMA", "','"}, {"T_END", "the end"}};

/* "Expected value but found T_END at character 9" */
static void explain(json_job *j, const char *message) {
  const char *at = strstr(message, " at character "), *token = strstr(message, "T_");
  char text[LN_ERR_TEXT];
  if (!at) {
    bad(j, 0, message);
    return;
  }
  size_t n = (size_t)(at - message), seen = strtoul(at + strlen(" at character "), NULL, 10);
  snprintf(text, sizeof text, "%.*s", (int)(n < LN_ERR_TEXT ? n : LN_ERR_TEXT - 1), message);
  for (size_t i = 0; token && token < at && i < sizeof tokens / sizeof tokens[0]; i++) {
    size_t m = strlen(tokens[i].token);
    if (m == (size_t)(at - token) && memcmp(token, tokens[i].token, m) == 0)
      snprintf(text, sizeof text, "%.*s%s", (int)(token - message), message, tokens[i].words);
  }
  if (*text == 'E') *text = 'e';
  bad(j, original(j, seen ? seen - 1 : 0), text);
}

static bool put_number(void *arg, lua_Number n, ln_buf *out, ln_err *err) {
  json_job *j = arg;
  size_t k = (size_t)n;
  char text[LITERAL];
  bool is_float;
  if (n < 0 || k >= j->places.n / sizeof(uint32_t)) return bad(j, 0, "a number that cannot be read");
  size_t at = place_of(j, k);
  size_t len = number_end(j->json, at, &is_float) - at;
  if (len == 0) return ln_v_end(out, ln_v_begin(out, 'A', 0)) || ln_buf_ok(out, err);
  memcpy(text, j->json.p + at, len);
  text[len] = '\0';
  errno = 0;
  int64_t i = is_float ? 0 : strtoll(text, NULL, 10);
  if (!is_float && errno == 0) return ln_v_int(out, i) || ln_buf_ok(out, err);
  if (!is_float) return ln_v_str(out, (ln_str){text, len}) || ln_buf_ok(out, err);
  double d = strtod(text, NULL);
  if (!isfinite(d)) return bad(j, at, "a number that is too large");
  return ln_v_float(out, d) || ln_buf_ok(out, err);
}

/* [-2, +0, e] on the host's working thread: the decoder, and the job. */
static int build(lua_State *L) {
  json_job *j = lua_touserdata(L, 2);
  lua_settop(L, 1);                                      /* decode          */
  lua_pushlstring(L, j->text.p ? j->text.p : "", j->text.n);
  ln_buf_free(&j->text);
  lua_call(L, 1, 1);                                     /* tree            */
  j->encoded = lnL_encode_numbered(L, -1, j->value, put_number, j, j->drop_nulls, j->err);
  return 0;
}

static bool run_job(ln_host *h, json_job *j) {
  lua_State *W = ln_host_work(h);
  lua_pushcfunction(W, build);
  ln_host_push_cjson(h, W);
  lua_pushlightuserdata(W, j);
  int status = lua_pcall(W, 2, 0, 0);
  const char *text = status == LUA_OK ? NULL : lua_tostring(W, -1);
  if (status == LUA_ERRMEM)
    ln_fail(j->err, "memory", LN_AGAIN, "no memory for a JSON text of %zu bytes", j->json.n);
  else if (status != LUA_OK) explain(j, text ? text : "it cannot be read");
  lua_settop(W, 0);
  ln_host_tidy(h, j->json.n);
  return status == LUA_OK && j->encoded;
}

static bool decode(ln_host *h, ln_str json, bool drop_nulls, ln_buf *value, ln_err *err) {
  size_t wrong, bom = ln_str_starts(json, LN_STR("\xEF\xBB\xBF")) ? 3 : 0;
  const char *p = json.n ? json.p : "";                  /* nothing has no address to count from */
  json_job j = {.json = {p + bom, json.n - bom}, .bom = bom, .value = value, .err = err};
  j.drop_nulls = drop_nulls;
  if (json.n > UINT32_MAX) return ln_fail(err, "too_big", LN_FINAL, "a JSON text of %zu bytes", json.n);
  if (!ln_str_utf8(j.json, &wrong)) return bad(&j, wrong, "this is not UTF-8");
  ln_buf_init(&j.text, SIZE_MAX);
  ln_buf_init(&j.places, SIZE_MAX);
  bool ok = prepare(&j) && run_job(h, &j);
  ln_buf_free(&j.text);
  ln_buf_free(&j.places);
  return ok;
}

bool ln_host_json(ln_host *h, ln_str json, ln_buf *value, ln_err *err) {
  return decode(h, json, true, value, err);
}

/* --- encoding ------------------------------------------------------------------------------------------- */

static bool no_json(ln_err *err, const char *what) {
  return ln_fail(err, "bad_argument", LN_FINAL, "%s has no JSON form", what);
}

static bool text_ok(ln_str s, ln_err *err) {
  size_t wrong;
  if (ln_str_utf8(s, &wrong)) return true;
  return ln_fail(err, "bad_argument", LN_FINAL,
                 "a text that is not UTF-8 at its byte %zu has no JSON form: encode it (crypto.base64)",
                 wrong + 1);
}

static bool items_ok(ln_vitem *v, ln_err *err);

static bool value_ok(const ln_vitem *v, ln_err *err) {
  ln_vitem inside = *v;
  switch (v->tag) {
  case 'F': return isfinite(v->f) || no_json(err, isnan(v->f) ? "NaN" : "an infinite number");
  case 'S': return text_ok(v->s, err);
  case 'M': return no_json(err, "a table with both positions and names");
  case 'A': case 'O': case 'B': return items_ok(&inside, err);
  default: return true;
  }
}

static bool items_ok(ln_vitem *v, ln_err *err) {
  for (size_t i = 0; i < v->count; i++) {
    ln_str key;
    ln_vitem item;
    if (v->tag != 'A' && (!ln_v_read_key(&v->body, &key) || !text_ok(key, err))) return false;
    if (!ln_v_read(&v->body, &item)) return ln_fail(err, "corrupt", LN_FINAL, "a stored value is damaged");
    if (!value_ok(&item, err)) return false;
  }
  return true;
}

bool ln_json_encode(ln_str v, ln_buf *out, ln_err *err) {
  ln_json j;
  ln_vitem item;
  ln_str rest = v;
  if (!ln_v_read(&rest, &item)) return ln_fail(err, "corrupt", LN_FINAL, "a stored value is damaged");
  if (!value_ok(&item, err)) return false;
  ln_json_init(&j, out);
  ln_v_to_json(v, &j);
  return ln_buf_ok(out, err);
}

/* --- for Lua -------------------------------------------------------------------------------------------- */

static ln_host *host_of(lua_State *L) { return lua_touserdata(L, lua_upvalueindex(1)); }

int lnL_json_decode(lua_State *L) {
  ln_str json;
  ln_err err;
  bool nulls = false;
  json.p = luaL_checklstring(L, 1, &json.n);
  if (!lua_isnoneornil(L, 2)) {
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_getfield(L, 2, "null");
    nulls = lua_toboolean(L, -1);
  }
  ln_buf *value = lnL_new_buf(L, LN_HOST_VALUE_MAX);     /* … value         */
  if (!decode(host_of(L), json, !nulls, value, &err)) return lnL_raise(L, &err);
  lnL_decode(L, ln_buf_view(value));
  ln_buf_free(value);
  return 1;
}

int lnL_json_encode(lua_State *L) {
  ln_err err;
  luaL_checkany(L, 1);
  lua_settop(L, 1);
  ln_buf *value = lnL_new_buf(L, LN_HOST_VALUE_MAX), *json = lnL_new_buf(L, LN_HOST_VALUE_MAX);
  if (!lnL_encode(L, 1, value, &err) || !ln_json_encode(ln_buf_view(value), json, &err)) {
    ln_err_prefix(&err, "json.encode");
    return lnL_raise(L, &err);
  }
  ln_buf_free(value);
  lua_pushlstring(L, json->p, json->n);
  ln_buf_free(json);
  return 1;
}

static int l_json_array(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  lnL_mark_array(L, 1);
  return 1;
}

void lnL_push_json(lua_State *L, ln_host *h) {
  luaL_checkstack(L, 4, NULL);
  lua_createtable(L, 0, 4);                              /* json            */
  lua_pushlightuserdata(L, h);
  lua_pushcclosure(L, lnL_json_decode, 1);
  lua_setfield(L, -2, "decode");
  lua_pushcfunction(L, lnL_json_encode);
  lua_setfield(L, -2, "encode");
  lua_pushcfunction(L, l_json_array);
  lua_setfield(L, -2, "array");
  lnL_push_null(L);
  lua_setfield(L, -2, "null");
}
