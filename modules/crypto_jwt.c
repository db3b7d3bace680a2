/* crypto_jwt.c: signing and checking JSON Web Tokens.  base/jwt sees to the signature; what header and claims
** say is looked at here, where JSON is at hand: the algorithm is the caller's, extensions that are not known
** refuse the token, and times are compared with a clock that the caller gives. */
#include "modules/crypto.h"

#include "base/jwt.h"

/* Replaces the table at the top by its JSON text. */
static void to_json(lua_State *L) {
  lua_pushcfunction(L, lnL_json_encode);                  /* table f */
  lua_insert(L, -2);                                      /* f table */
  lua_call(L, 1, 1);                                      /* text */
}

/* Replaces the JSON text at the top by its value. */
static void from_json(lua_State *L) {
  lua_pushlightuserdata(L, lnL_host(L));
  lua_pushcclosure(L, lnL_json_decode, 1);                /* text f */
  lua_insert(L, -2);
  lua_call(L, 1, 1);
}

/* The algorithm at idx as tokens spell it, or an error. */
static const char *jwt_alg(lua_State *L, const char *fn, int idx) {
  const char *alg = ln_jwt_alg(lnL_text(L, fn, "the algorithm", idx));
  if (!alg) lnL_bad(L, fn, "the algorithm", "one of HS256, RS256, PS256, ES256 (or 384, 512), EdDSA", 0);
  return alg;
}

/* Pushes the header: the author's members, with alg, and typ unless it is there. */
static void push_header(lua_State *L, int given, const char *alg) {
  lua_newtable(L);                                        /* header */
  if (lua_istable(L, given))
    for (lua_pushnil(L); lua_next(L, given); lua_pop(L, 1)) { /* header key value */
      lua_pushvalue(L, -2);
      lua_pushvalue(L, -2);                               /* header key value key value */
      lua_rawset(L, -5);                                  /* header key value */
    }
  lua_pushstring(L, alg);
  lua_setfield(L, -2, "alg");
  lnL_field(L, -1, "typ");                                /* header typ */
  if (lua_isnil(L, -1)) {
    lua_pushliteral(L, "JWT");
    lua_setfield(L, -3, "typ");
  }
  lua_pop(L, 1);                                          /* header */
}

/* crypto.jwt_sign(alg, key, claims, header) -> token */
int lnL_crypto_jwt_sign(lua_State *L) {
  const char *alg = jwt_alg(L, "crypto.jwt_sign", 1);
  ln_str key = lnL_crypto_key(L, JWT_SIGN, 2);
  if (!lua_istable(L, 3)) lnL_bad(L, "crypto.jwt_sign", "the claims", "a table", 3);
  if (!lua_isnoneornil(L, 4) && !lua_istable(L, 4)) lnL_bad(L, "crypto.jwt_sign", "the header", "a table", 4);
  lua_settop(L, 4);                                       /* alg key claims header */
  push_header(L, 4, alg);
  to_json(L);                                             /* alg key claims header htext */
  lua_pushvalue(L, 3);
  to_json(L);                                             /* alg key claims header htext ctext */
  return lnL_crypto(L, &(task){.kind = JWT_SIGN, .alg = ln_str_of(alg), .key = key,
                           .extra = lnL_text(L, "crypto.jwt_sign", "the header", 5),
                           .data = lnL_text(L, "crypto.jwt_sign", "the claims", 6)});
}

/* What makes a token invalid besides its signature; never returns. */
static int refuse_token(lua_State *L, const char *code, const char *why) {
  ln_err err;
  ln_fail(&err, code, LN_FINAL, "%s", why);
  return lnL_raise_in(L, "crypto.jwt_verify", &err);
}

enum { JWT_ALG = 1, JWT_KEY, JWT_TOKEN, JWT_OPTIONS, JWT_HEADER, JWT_CLAIMS };

/* A numeric date of the claims; false: it is absent. */
static bool claim_time(lua_State *L, const char *key, double *out) {
  lnL_field(L, JWT_CLAIMS, key);                          /* value */
  int type = lua_type(L, -1);
  *out = lua_tonumber(L, -1);
  lua_pop(L, 1);
  if (type != LUA_TNIL && type != LUA_TNUMBER) refuse_token(L, "unauthorised", "exp and nbf must be numbers");
  return type == LUA_TNUMBER;
}

/* The clock is the caller's: a module has none that a replay would repeat. */
static void check_times(lua_State *L) {
  double exp, nbf, leeway = 0;
  bool has_exp = claim_time(L, "exp", &exp), has_nbf = claim_time(L, "nbf", &nbf);
  if (!has_exp && !has_nbf) return;
  lnL_field(L, JWT_OPTIONS, "now");                       /* now */
  if (lua_isboolean(L, -1) && !lua_toboolean(L, -1)) {
    lua_pop(L, 1);
    return;
  }
  if (lua_type(L, -1) != LUA_TNUMBER)
    lnL_bad(L, "crypto.jwt_verify", "now",
            "given (now = now()), as the token holds for a time only, or false", 0);
  double now = lua_tonumber(L, -1);
  lnL_field(L, JWT_OPTIONS, "leeway");                    /* now leeway */
  if (!lua_isnil(L, -1)) leeway = (double)lnL_whole(L, "crypto.jwt_verify", "leeway", -1, 0, 86400);
  lua_pop(L, 2);
  if (has_exp && now >= exp + leeway) refuse_token(L, "expired", "the token has expired");
  if (has_nbf && now < nbf - leeway) refuse_token(L, "unauthorised", "the token does not hold yet");
}

/* Is `wanted`, a text, the value at the top or in the list at the top? */
static bool is_or_has(lua_State *L, ln_str wanted) {
  ln_str s;
  if (lua_type(L, -1) == LUA_TSTRING) {
    s.p = lua_tolstring(L, -1, &s.n);
    return ln_str_eq(s, wanted);
  }
  bool found = false;
  lua_Integer n = lua_istable(L, -1) ? (lua_Integer)lua_rawlen(L, -1) : 0;
  for (lua_Integer i = 1; i <= n && !found; i++) {
    if (lua_rawgeti(L, -1, i) == LUA_TSTRING) {           /* list item */
      s.p = lua_tolstring(L, -1, &s.n);
      found = ln_str_eq(s, wanted);
    }
    lua_pop(L, 1);
  }
  return found;
}

/* `iss` and `aud`, where the caller says what they must be. */
static void check_member(lua_State *L, const char *key, const char *why) {
  lnL_field(L, JWT_OPTIONS, key);                         /* wanted */
  if (!lua_isnil(L, -1)) {
    ln_str wanted = lnL_text(L, "crypto.jwt_verify", key, -1);
    lnL_field(L, JWT_CLAIMS, key);                        /* wanted value */
    if (!is_or_has(L, wanted)) refuse_token(L, "unauthorised", why);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

/* The signature was good: { header, claims }, as JSON texts, is at the top.  Looks at what they say. */
static int jwt_opened(lua_State *L, int status, lua_KContext ctx) {
  (void)status, (void)ctx;
  const char *alg = jwt_alg(L, "crypto.jwt_verify", JWT_ALG);
  lua_rawgeti(L, 5, 1);
  from_json(L);
  lua_rawgeti(L, 5, 2);
  from_json(L);                                           /* … texts header claims */
  lua_remove(L, 5);                                       /* … header claims */
  if (!lua_istable(L, JWT_HEADER) || !lua_istable(L, JWT_CLAIMS))
    return refuse_token(L, "unauthorised", "header and claims must be JSON objects");
  lnL_field(L, JWT_HEADER, "alg");
  if (!is_or_has(L, ln_str_of(alg)))
    return refuse_token(L, "unauthorised", "the token names another algorithm");
  lnL_field(L, JWT_HEADER, "crit");
  if (!lua_isnil(L, -1))
    return refuse_token(L, "unauthorised", "the token wants extensions that are not known here");
  lua_pop(L, 2);
  check_times(L);
  check_member(L, "iss", "the token was issued by somebody else");
  check_member(L, "aud", "the token is meant for somebody else");
  lua_insert(L, JWT_HEADER);                              /* … claims header */
  return 2;
}

static int jwt_open(lua_State *L) {                      /* alg key token */
  ln_str alg = lnL_text(L, "crypto.jwt_verify", "the algorithm", 1);
  ln_str key = lnL_crypto_key(L, JWT_OPEN, 2);
  return lnL_crypto(
      L, &(task){
             .kind = JWT_OPEN, .alg = alg, .key = key, .data = lnL_crypto_data(L, JWT_OPEN, "the token", 3)});
}

/* crypto.jwt_verify(alg, key, token, { now, leeway, iss, aud }) -> claims, header */
int lnL_crypto_jwt_verify(lua_State *L) {
  static const char *const known[] = {"now", "leeway", "iss", "aud", NULL};
  jwt_alg(L, "crypto.jwt_verify", JWT_ALG);
  lnL_options(L, "crypto.jwt_verify", JWT_OPTIONS, known);
  lua_settop(L, JWT_OPTIONS);
  lua_pushcfunction(L, jwt_open);
  for (int i = JWT_ALG; i <= JWT_TOKEN; i++) lua_pushvalue(L, i);
  lua_callk(L, 3, 1, 0, jwt_opened);                      /* alg key token options texts */
  return jwt_opened(L, LUA_OK, 0);
}
