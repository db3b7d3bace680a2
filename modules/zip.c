/* zip.c: zip archives in memory, by libzip.  An archive that somebody sent is never unpacked as a whole: it
** is listed, and one entry is read, within bounds of size and of how much larger it gets, which its directory
** must promise and its bytes must keep.  What is packed is the same bytes for the same input (sorted, one
** date), as a replay wants. */
#include "modules/modules.h"

#include <stdio.h>
#include <stdlib.h>
#include <zip.h>

enum {
  ENTRIES_MAX = 10000,
  ENTRY_MAX = 16 << 20,       /* bytes of one entry, unpacked                                              */
  PACK_MAX = 64 << 20,        /* bytes that go into an archive, and of an archive                          */
  NAME_MAX_BYTES = 1024,
  RATIO_MAX = 250,            /* unpacked to packed; beyond it is a bomb, where it is more than …         */
  RATIO_FROM = 1 << 20,       /* … this                                                                   */
  END_RECORD = 22,            /* bytes that every archive has at least                                     */
  FIRST_DATE = 1 << 5 | 1     /* 1980-01-01, the earliest that a zip can say                               */
};

static bool zip_fail(ln_err *err, const char *code, const char *what, zip_error_t *e) {
  return ln_fail(err, code, LN_FINAL, "%s: %s", what, zip_error_strerror(e));
}

/* --- reading --- */

/* Opens data, which must outlive the archive; zip_discard it. */
static zip_t *open_data(ln_str data, ln_err *err) {
  zip_error_t e;
  if (data.n < END_RECORD) { /* libzip takes nothing at all for an archive of nothing */
    ln_fail(err, "bad_argument", LN_FINAL, "not a zip archive, or it is cut: %zu bytes", data.n);
    return NULL;
  }
  zip_error_init(&e);
  zip_source_t *source = zip_source_buffer_create(data.p, data.n, 0, &e);
  zip_t *z = source ? zip_open_from_source(source, ZIP_RDONLY, &e) : NULL;
  if (!z) {
    zip_source_free(source);
    zip_fail(err, "bad_argument", "not a zip archive, or it is cut", &e);
  } else if (zip_get_num_entries(z, 0) > ENTRIES_MAX) {
    ln_fail(err, "too_big", LN_FINAL, "the archive has %lld entries, more than the %d that are allowed",
            (long long)zip_get_num_entries(z, 0), ENTRIES_MAX);
    zip_discard(z);
    z = NULL;
  }
  zip_error_fini(&e);
  return z;
}

static bool stat_entry(zip_t *z, zip_uint64_t i, zip_stat_t *st, ln_err *err) {
  const zip_uint64_t needed = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE;
  if (zip_stat_index(z, i, 0, st) != 0) return zip_fail(err, "bad_argument", "an entry", zip_get_error(z));
  if ((st->valid & needed) == needed && st->size <= INT64_MAX && st->comp_size <= INT64_MAX) return true;
  return ln_fail(err, "bad_argument", LN_FINAL, "an entry does not say how large it is");
}

/* The archive's directory as an encoded value. */
static bool list_value(ln_str data, ln_buf *out, ln_err *err) {
  zip_t *z = open_data(data, err);
  if (!z) return false;
  zip_int64_t n = zip_get_num_entries(z, 0);
  size_t array = ln_v_begin(out, 'A', (size_t)n);
  bool ok = true;
  for (zip_int64_t i = 0; ok && i < n; i++) {
    zip_stat_t st;
    if (!(ok = stat_entry(z, (zip_uint64_t)i, &st, err))) break;
    size_t object = ln_v_begin(out, 'O', 3);
    ln_v_key(out, LN_STR("bytes"));
    ln_v_int(out, (int64_t)st.size);
    ln_v_key(out, LN_STR("name"));
    ln_v_str(out, ln_str_of(st.name));
    ln_v_key(out, LN_STR("packed"));
    ln_v_int(out, (int64_t)st.comp_size);
    ln_v_end(out, object);
  }
  ln_v_end(out, array);
  zip_discard(z);
  return ok && ln_buf_ok(out, err);
}

/* zip.list(data) -> array of { name, bytes, packed } */
static int l_list(lua_State *L) {
  ln_err err;
  ln_str data = lnL_text(L, "zip.list", "the archive", 1);
  ln_buf *out = lnL_new_buf(L, PACK_MAX);
  if (!list_value(data, out, &err)) return lnL_raise_in(L, "zip.list", &err);
  lnL_decode(L, ln_buf_view(out));
  ln_buf_free(out);
  return 1;
}

/* May the entry be unpacked? */
static bool check_entry(const zip_stat_t *st, ln_err *err) {
  if (st->size > ENTRY_MAX)
    return ln_fail(err, "too_big", LN_FINAL, "the entry has %llu bytes, more than the %d that are allowed",
                   (unsigned long long)st->size, ENTRY_MAX);
  if (st->size > RATIO_FROM && st->size / RATIO_MAX > st->comp_size)
    return ln_fail(err, "too_big", LN_FINAL, "the entry grows from %llu bytes to %llu: that is a bomb",
                   (unsigned long long)st->comp_size, (unsigned long long)st->size);
  if ((st->valid & ZIP_STAT_ENCRYPTION_METHOD) && st->encryption_method != ZIP_EM_NONE)
    return ln_fail(err, "bad_argument", LN_FINAL, "the entry is encrypted, and cannot be read");
  return true;
}

/* Reads to the very end, where the checksum is compared. */
static bool read_entry(zip_file_t *f, zip_uint64_t size, ln_buf *out, ln_err *err) {
  char chunk[16384];
  for (;;) {
    zip_int64_t n = zip_fread(f, chunk, sizeof chunk);
    if (n < 0) return zip_fail(err, "bad_argument", "the entry is damaged", zip_file_get_error(f));
    if (n == 0) break;
    if (!ln_buf_add(out, (ln_str){chunk, (size_t)n})) return ln_buf_ok(out, err);
    if (out->n > size) break;
  }
  if (out->n == size) return true;
  return ln_fail(err, "bad_argument", LN_FINAL, "the entry is damaged: it says %llu bytes, and has %s",
                 (unsigned long long)size, out->n > size ? "more" : "less");
}

static bool read_named(ln_str data, ln_str name, ln_buf *out, ln_err *err) {
  zip_t *z = open_data(data, err);
  if (!z) return false;
  bool ok = false;
  zip_stat_t st;
  zip_file_t *f = NULL;
  zip_int64_t i = zip_name_locate(z, name.p, ZIP_FL_ENC_RAW);
  if (i < 0) i = zip_name_locate(z, name.p, 0);
  if (i < 0) ln_fail(err, "not_found", LN_FINAL, "the archive has no entry \"%.200s\"", name.p);
  else if (stat_entry(z, (zip_uint64_t)i, &st, err) && check_entry(&st, err)) {
    f = zip_fopen_index(z, (zip_uint64_t)i, 0);
    ok = f ? read_entry(f, st.size, out, err) : zip_fail(err, "bad_argument", "the entry", zip_get_error(z));
  }
  if (f) zip_fclose(f);
  zip_discard(z);
  return ok;
}

/* zip.read(data, name) -> the entry's bytes */
static int l_read(lua_State *L) {
  ln_err err;
  ln_str data = lnL_text(L, "zip.read", "the archive", 1);
  ln_str name = lnL_text(L, "zip.read", "the name", 2);
  if (memchr(name.p, '\0', name.n)) lnL_bad(L, "zip.read", "the name", "without NUL bytes", 0);
  ln_buf *out = lnL_new_buf(L, ENTRY_MAX);
  if (!read_named(data, name, out, &err)) return lnL_raise_in(L, "zip.read", &err);
  return lnL_push_buf(L, out);
}

/* --- packing --- */

typedef struct entry {
  ln_str name, data; /* borrowed from the table */
} entry;

static int by_name(const void *a, const void *b) {
  return ln_str_cmp(((const entry *)a)->name, ((const entry *)b)->name);
}

/* Would unpacking it anywhere stay in that folder, on every system? */
static bool safe_name(ln_str name) {
  if (!name.n || name.n > NAME_MAX_BYTES || !ln_str_utf8(name, NULL)) return false;
  for (size_t i = 0; i < name.n; i++)
    if ((unsigned char)name.p[i] < ' ' || name.p[i] == '\\' || name.p[i] == ':') return false;
  ln_str part, rest = name;
  bool more = true;
  while (more) {
    more = ln_str_cut(rest, '/', &part, &rest);
    if (!part.n || ln_str_eq(part, LN_STR(".")) || ln_str_eq(part, LN_STR(".."))) return false;
  }
  return true;
}

/* May this be packed?  data.p NULL: it was no text. */
static bool check_packed(const entry *e, ln_err *err) {
  if (!safe_name(e->name))
    return ln_fail(err, "bad_argument", LN_FINAL,
                   "\"%.100s\" is no name for an entry: a relative path with / between plain names, in UTF-8",
                   e->name.p);
  return e->data.p ||
         ln_fail(err, "bad_argument", LN_FINAL, "the data of \"%.100s\" must be a text", e->name.p);
}

/* Pushes an array, owned by Lua, of the entries of the table at idx, sorted; the table keeps their bytes.
** [-0, +1, e] */
static entry *gather(lua_State *L, int idx, size_t *count) {
  size_t n = 0;
  for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1)) { /* key value */
    if (lua_type(L, -2) != LUA_TSTRING) lnL_bad(L, "zip.pack", "each name", "a text", 0);
    if (++n > ENTRIES_MAX) lnL_bad(L, "zip.pack", "the entries", "no more than 10000", 0);
  }
  if (!n) lnL_bad(L, "zip.pack", "the entries", "at least one", 0);
  entry *list = lua_newuserdatauv(L, n * sizeof *list, 0); /* list */
  *count = 0;
  for (lua_pushnil(L); *count < n && lua_next(L, idx); lua_pop(L, 1)) { /* list key value */
    entry *e = &list[(*count)++];
    e->name.p = lua_tolstring(L, -2, &e->name.n);
    e->data = (ln_str){0};
    if (lua_type(L, -1) == LUA_TSTRING) e->data.p = lua_tolstring(L, -1, &e->data.n);
  }
  lua_settop(L, idx + 1);                                 /* list */
  qsort(list, *count, sizeof *list, by_name);
  return list;
}

/* In their order, so that of several faults it is always the same one that is told. */
static bool check_all(const entry *list, size_t n, ln_err *err) {
  size_t bytes = 0;
  for (size_t i = 0; i < n; i++) {
    if (!check_packed(&list[i], err)) return false;
    bytes += list[i].data.n;
    if (bytes > PACK_MAX) return ln_fail(err, "too_big", LN_FINAL, "more than %d bytes", PACK_MAX);
  }
  return true;
}

static bool add_entry(zip_t *z, const entry *e) {
  zip_source_t *s = zip_source_buffer(z, e->data.n ? e->data.p : "", e->data.n, 0);
  if (!s) return false;
  zip_int64_t i = zip_file_add(z, e->name.p, s, ZIP_FL_ENC_UTF_8);
  if (i < 0) {
    zip_source_free(s);
    return false;
  }
  return zip_file_set_dostime(z, (zip_uint64_t)i, 0, FIRST_DATE, 0) == 0;
}

/* All that the closed archive's source holds. */
static bool drain(zip_source_t *s, ln_buf *out, ln_err *err) {
  if (zip_source_open(s) != 0) return zip_fail(err, "failed", "packing", zip_source_error(s));
  bool ok = true;
  zip_int64_t n;
  char chunk[16384];
  while (ok && (n = zip_source_read(s, chunk, sizeof chunk)) != 0) {
    if (n < 0) ok = zip_fail(err, "failed", "packing", zip_source_error(s));
    else ok = ln_buf_add(out, (ln_str){chunk, (size_t)n}) || ln_buf_ok(out, err);
  }
  zip_source_close(s);
  return ok;
}

static bool pack(const entry *list, size_t n, ln_buf *out, ln_err *err) {
  zip_error_t e;
  zip_error_init(&e);
  zip_source_t *target = zip_source_buffer_create(NULL, 0, 0, &e);
  zip_t *z = target ? zip_open_from_source(target, ZIP_CREATE | ZIP_TRUNCATE, &e) : NULL;
  bool ok = false;
  if (!z) {
    zip_fail(err, "failed", "packing", &e);
    zip_source_free(target);
  } else {
    zip_source_keep(target);
    ok = true;
    for (size_t i = 0; ok && i < n; i++) ok = add_entry(z, &list[i]);
    if (!ok) zip_fail(err, "failed", "packing", zip_get_error(z));
    if (ok && zip_close(z) != 0) ok = zip_fail(err, "failed", "packing", zip_get_error(z));
    else if (ok) z = NULL;
    if (z) zip_discard(z);
    ok = ok && drain(target, out, err);
    zip_source_free(target);
  }
  zip_error_fini(&e);
  return ok;
}

/* zip.pack { [name] = data } -> archive */
static int l_pack(lua_State *L) {
  ln_err err;
  size_t n = 0;
  if (!lua_istable(L, 1)) lnL_bad(L, "zip.pack", "the entries", "a table of names and texts", 1);
  lua_settop(L, 1);
  entry *list = gather(L, 1, &n);
  ln_buf *out = lnL_new_buf(L, PACK_MAX + (1 << 20));
  if (!check_all(list, n, &err) || !pack(list, n, out, &err)) return lnL_raise_in(L, "zip.pack", &err);
  return lnL_push_buf(L, out);
}

int luaopen_zip(lua_State *L) {
  static const luaL_Reg functions[] = {{"pack", l_pack}, {"list", l_list}, {"read", l_read}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
