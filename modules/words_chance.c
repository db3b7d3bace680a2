/* words_chance.c: time and chance as a replay repeats them: now() is the time of the last delivery; random
** and uuid are a keyed function of the run's seed, the branch and its turn.  They make no entries and
** cannot diverge. */
#include "modules/words.h"

#include <lauxlib.h>
#include <stdio.h>

static void roll(lua_State *L, uint8_t out[LN_SHA256]) {
  ln_branch *b = lnL_here(L);
  char turn[32];
  ln_buf key;
  /* a replay does not run a step: it must not count */
  uint64_t *rolls = b->in_step ? &b->step_rolls : &b->rolls;
  int n = snprintf(turn, sizeof turn, "%llu", (unsigned long long)(*rolls)++);
  ln_buf_init(&key, 8192);
  ln_buf_add(&key, (ln_str){(const char *)b->run->seed, sizeof b->run->seed});
  ln_buf_addz(&key, b->in_step ? b->asked->name : b->name);
  bool ok = !ln_buf_failed(&key) && ln_sha256_2(ln_buf_view(&key), (ln_str){turn, (size_t)n}, out);
  ln_buf_free(&key);
  if (!ok) lnL_raisef(L, "failed", "no random number could be made");
}

static void push_time(lua_State *L, int64_t ms) {
  if (ms % 1000 == 0) lua_pushinteger(L, ms / 1000);
  else lua_pushnumber(L, (double)ms / 1000.0);
}

/* What polls (await_until) is not replayed, and asks what time it is meanwhile. */
static int64_t time_of(lua_State *L) {
  const ln_run *r = lnL_run(L);
  return r->current && r->current->polling ? ln_now_ms(r->engine->loop->clock) : r->now_ms;
}

static int l_now(lua_State *L) { return push_time(L, time_of(L)), 1; }
static int l_ago(lua_State *L) { return push_time(L, time_of(L) - lnL_check_ms(L, 1, "ago")), 1; }

/* random(): 0 <= x < 1; random(n): 1..n; random(m, n): m..n */
static int l_random(lua_State *L) {
  uint8_t bytes[LN_SHA256];
  uint64_t v = 0;
  roll(L, bytes);
  for (int i = 0; i < 8; i++) v = v << 8 | bytes[i];
  if (lua_isnoneornil(L, 1)) return lua_pushnumber(L, (double)(v >> 11) * 0x1p-53), 1;
  lua_Integer lo = lua_isnoneornil(L, 2) ? 1 : lnL_want_integer(L, 1, "random(m, n)"),
              hi = lnL_want_integer(L, lua_isnoneornil(L, 2) ? 1 : 2, "random(m, n)");
  if (lo > hi)
    return lnL_raisef(L, "bad_argument", "random: the interval %lld to %lld is empty", (long long)lo,
                      (long long)hi);
  uint64_t span = (uint64_t)hi - (uint64_t)lo + 1;
  v = (uint64_t)lo + (span ? v % span : v);
  lua_pushinteger(L, (lua_Integer)v);
  return 1;
}

static int l_uuid(lua_State *L) {
  uint8_t b[LN_SHA256];
  char hex[33], text[37];
  roll(L, b);
  b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
  b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
  ln_hex(b, 16, hex);
  snprintf(text, sizeof text, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
  lua_pushstring(L, text);
  return 1;
}

const luaL_Reg lnL_chance_words[] = {
    {"now", l_now}, {"ago", l_ago}, {"random", l_random}, {"uuid", l_uuid}, {NULL, NULL}};
