/* blob.c: bytes kept beside the journal (see blob.h).  They are sealed under the vault's key and bound to
** their own SHA-256 as additional data, so that whoever can write to the store can neither read them nor
** exchange them. */
#include "modules/blob.h"

#include "base/digest.h"
#include "modules/modules.h"

#include <stdlib.h>

enum { NAME_MAX_BYTES = 255 };
static const int64_t keep_ms = 7 * 86400000LL;

/* --- handles --- */

bool lnL_to_blob(lua_State *L, int idx, ln_blob *out) {
  ln_str encoded;
  return lnL_handle(L, idx, &encoded) && lnL_blob_read(encoded, out);
}

bool lnL_blob_read(ln_str value, ln_blob *out) {
  if (!value.n || value.p[0] != 'B') return false;
  *out = (ln_blob){.name = ln_v_get_str(value, "name"),
                   .sha256 = ln_v_get_str(value, "sha256"),
                   .sha1 = ln_v_get_str(value, "sha1"),
                   .md5 = ln_v_get_str(value, "md5"),
                   .bytes = ln_v_get_int(value, "bytes", 0)};
  return out->sha256.n == 2 * LN_SHA256;
}

static bool handle_value(ln_str name, size_t bytes, const ln_digests *d, ln_buf *value, ln_err *err) {
  size_t mark = ln_v_begin(value, 'B', 5);
  ln_v_key(value, LN_STR("bytes"));
  ln_v_int(value, (int64_t)bytes);
  ln_v_key(value, LN_STR("md5"));
  ln_v_str(value, ln_str_of(d->md5));
  ln_v_key(value, LN_STR("name"));
  ln_v_str(value, name);
  ln_v_key(value, LN_STR("sha1"));
  ln_v_str(value, ln_str_of(d->sha1));
  ln_v_key(value, LN_STR("sha256"));
  ln_v_str(value, ln_str_of(d->sha256));
  ln_v_end(value, mark);
  return ln_buf_ok(value, err);
}

/* --- keeping --- */

/* Where the store keeps a blob: not under its own hash, where a vendor's answer or a script of the same bytes
** may lie unsealed. */
static bool address_of(ln_str sha256, char out[2 * LN_SHA256 + 1], ln_err *err) {
  uint8_t raw[LN_SHA256];
  if (!ln_sha256_2(LN_STR("blob"), sha256, raw)) return ln_fail(err, "failed", LN_FINAL, "no SHA-256");
  ln_hex(raw, sizeof raw, out);
  return true;
}

bool lnL_blob_put(ln_engine *engine, ln_tx *tx, ln_str name, ln_str bytes, ln_buf *value, ln_err *err) {
  ln_digests d;
  ln_buf sealed;
  ln_content c = {.kind = LN_STR("blob"), .expires_ms = ln_now_ms(engine->loop->clock) + keep_ms};
  if (bytes.n > LN_BLOB_MAX)
    return ln_fail(err, "too_big", LN_FINAL, "a blob of %zu bytes, more than the %d that are allowed",
                   bytes.n, LN_BLOB_MAX);
  if (!ln_digests_of(bytes, &d, err) || !address_of(ln_str_of(d.sha256), c.sha256, err)) return false;
  ln_buf_init(&sealed, (size_t)LN_BLOB_MAX + 4096);
  bool ok = ln_seal(engine->vault, tx, bytes, ln_str_of(d.sha256), &sealed, err) &&
            handle_value(name, bytes.n, &d, value, err);
  c.bytes = ln_buf_view(&sealed);
  ok = ok && ln_tx_content_put(tx, &c, err);
  ln_buf_free(&sealed);
  return ok;
}

bool lnL_blob_get(ln_engine *engine, ln_str sha256, ln_buf *bytes, ln_err *err) {
  ln_buf sealed;
  char address[2 * LN_SHA256 + 1];
  if (sha256.n != 2 * LN_SHA256)
    return ln_fail(err, "bad_argument", LN_FINAL, "not a blob: its hash has %zu digits", sha256.n);
  ln_buf_init(&sealed, (size_t)LN_BLOB_MAX + 4096);
  bool ok = address_of(sha256, address, err) &&
            ln_store_content_get(engine->store, ln_str_of(address), &sealed, err);
  if (!ok && ln_err_is(err, "not_found"))
    ln_fail(err, "not_found", LN_FINAL, "the blob %.16s… is not kept any more: blobs expire after a week",
            sha256.p);
  ok = ok && ln_unseal(engine->vault, ln_buf_view(&sealed), sha256, bytes, err);
  ln_buf_free(&sealed);
  return ok;
}

/* --- the word --- */

typedef struct blob_work {
  size_t n;
  char bytes[];
} blob_work;

static bool apply_blob(ln_tx *tx, ln_effect *e, ln_buf *value, ln_err *err) {
  const blob_work *w = ln_effect_work(e);
  ln_str name = ln_v_get_str(ln_effect_args(e), "name");
  if (!w) return ln_fail(err, "failed", LN_FINAL, "blob: its bytes are gone");
  return lnL_blob_put(ln_effect_engine(e), tx, name, (ln_str){w->bytes, w->n}, value, err);
}

/* The journal names the bytes by their hash; the bytes themselves wait here for the writer. */
int lnL_blob(lua_State *L) {
  static const ln_op op = {.name = "blob", .cls = LN_LOCAL, .apply = apply_blob, .quiet = true};
  ln_err err;
  ln_digests d;
  ln_str name = lnL_text(L, "blob", "the name", 1);
  ln_str bytes = lnL_text(L, "blob", "the bytes", 2);
  if (!name.n || name.n > NAME_MAX_BYTES || !ln_str_utf8(name, NULL))
    lnL_bad(L, "blob", "the name", "a text of 1 to 255 bytes in UTF-8", 0);
  if (bytes.n > LN_BLOB_MAX) lnL_bad(L, "blob", "the bytes", "no more than 64 MiB", 0);
  if (!ln_digests_of(bytes, &d, &err)) return lnL_raise_in(L, "blob", &err);
  lua_settop(L, 2);                                       /* name bytes */
  lua_createtable(L, 0, 3);                               /* name bytes args */
  lua_pushvalue(L, 1);
  lua_setfield(L, 3, "name");
  lua_pushinteger(L, (lua_Integer)bytes.n);
  lua_setfield(L, 3, "bytes");
  lua_pushstring(L, d.sha256);
  lua_setfield(L, 3, "sha256");
  blob_work *w = malloc(sizeof *w + bytes.n);
  if (!w) {
    ln_fail(&err, "memory", LN_AGAIN, "no memory for %zu bytes", bytes.n);
    return lnL_raise_in(L, "blob", &err);
  }
  w->n = bytes.n;
  if (bytes.n) memcpy(w->bytes, bytes.p, bytes.n);
  return lnL_effect(L, &op, 3, w, free);
}
