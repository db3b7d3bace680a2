/* words_site.c: allowed: what the site's configuration says is benign.  Only that, and a person, can: a
** sandbox never does.  The answer is journaled: the configuration may be another one when the run goes on. */
#include "modules/words.h"

#include "base/hash.h"
#include "modules/modules.h"

enum { HASH_DIGITS = 64 };

static bool listed_hash(const ln_list *l, ln_str sha256) {
  for (size_t i = 0; sha256.n && i < l->n; i++)
    if (ln_str_ieq(l->v[i], sha256)) return true;
  return false;
}

/* "C:\allowed\..\evil.exe" is not below C:\allowed, though its text matches C:\allowed\*: a path that climbs,
** or stands still, is in no list. */
static bool climbs(ln_str path) {
  size_t from = 0;
  for (size_t i = 0; i <= path.n; i++) {
    if (i < path.n && path.p[i] != '/' && path.p[i] != '\\') continue;
    size_t n = i - from;
    if ((n == 1 || n == 2) && path.p[from] == '.' && path.p[i - 1] == '.') return true;
    from = i + 1;
  }
  return false;
}

static bool listed_path(const ln_list *l, ln_str path) {
  if (!path.n || climbs(path)) return false;
  for (size_t i = 0; i < l->n; i++)
    if (ln_str_glob(l->v[i], path)) return true;
  return false;
}

static void start(ln_effect *e) {
  const ln_config *c = ln_effect_engine(e)->config;
  ln_str args = ln_effect_args(e);
  ln_err err;
  ln_buf value;
  ln_buf_init(&value, 64);
  bool yes = listed_hash(&c->allow_sha256, ln_v_get_str(args, "sha256")) ||
             listed_path(&c->allow_path, ln_v_get_str(args, "path"));
  if (ln_v_bool(&value, yes)) ln_effect_done(e, ln_buf_view(&value));
  else ln_buf_ok(&value, &err), ln_effect_fail(e, &err);
  ln_buf_free(&value);
}

static const ln_op op_allowed = {.name = "allowed", .cls = LN_PURE, .start = start};

static void check_hash(lua_State *L, int idx) {
  uint8_t bin[HASH_DIGITS / 2];
  ln_str s = lnL_text(L, "allowed", "sha256", idx);
  if (!ln_unhex(s, bin, sizeof bin)) lnL_bad(L, "allowed", "sha256", "64 hexadecimal digits", 0);
}

/* allowed { sha256, path }: is one of them on the site's allowlist? */
static int l_allowed(lua_State *L) {
  static const char *const known[] = {"sha256", "path", "as", NULL};
  if (!lua_istable(L, 1)) lnL_bad(L, "allowed", "its argument", "a table with sha256 or path", 1);
  lnL_options(L, "allowed", 1, known);
  lua_settop(L, 1);
  lnL_field(L, 1, "sha256");                              /* args sha256      */
  lnL_field(L, 1, "path");                                /* args sha256 path */
  if (lua_isnil(L, 2) && lua_isnil(L, 3))
    return lnL_raisef(L, "bad_argument", "allowed: a sha256 or a path is wanted");
  if (!lua_isnil(L, 2)) check_hash(L, 2);
  lnL_text_or(L, "allowed", "path", 3, (ln_str){NULL, 0});
  lua_settop(L, 1);
  return lnL_effect(L, &op_allowed, 1, NULL, NULL);
}

const luaL_Reg lnL_site_words[] = {{"allowed", l_allowed}, {NULL, NULL}};
