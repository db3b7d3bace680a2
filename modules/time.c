/* time.c: points in time as texts and as seconds since 1970.  Zones are UTC and fixed offsets only: what a
** name such as "Europe/Berlin" means lies in a database that changes, and a replay years later must say the
** same. */
#include "modules/modules.h"

#include "base/units.h"

#include <math.h>

/* time.parse(text) -> seconds; an integer unless the text has a fraction */
static int l_parse(lua_State *L) {
  ln_err err;
  int64_t ms = 0;
  if (!ln_parse_time(lnL_text(L, "time.parse", "the text", 1), &ms, &err))
    return lnL_raise_in(L, "time.parse", &err);
  if (ms % 1000 == 0) lua_pushinteger(L, ms / 1000);
  else lua_pushnumber(L, (double)ms / 1000);
  return 1;
}

static bool two_digits(const char *p, int most, int *v) {
  if (p[0] < '0' || p[0] > '9' || p[1] < '0' || p[1] > '9') return false;
  *v = (p[0] - '0') * 10 + (p[1] - '0');
  return *v <= most;
}

/* "UTC", "Z", "+02:00": minutes east.  False: something else. */
static bool read_zone(ln_str zone, int *east) {
  *east = 0;
  if (ln_str_ieq(zone, LN_STR("UTC")) || ln_str_ieq(zone, LN_STR("Z"))) return true;
  int h, m;
  if (zone.n != 6 || (zone.p[0] != '+' && zone.p[0] != '-') || zone.p[3] != ':') return false;
  if (!two_digits(zone.p + 1, 23, &h) || !two_digits(zone.p + 4, 59, &m)) return false;
  *east = (zone.p[0] == '-' ? -1 : 1) * (60 * h + m);
  return true;
}

/* RFC 3339 has four digits for the year. */
static const int64_t earliest_ms = -62167219200000, latest_ms = 253402300799999;

/* time.format(seconds, { zone = "UTC" }) -> RFC 3339 */
static int l_format(lua_State *L) {
  static const char *const known[] = {"zone", NULL};
  if (lua_type(L, 1) != LUA_TNUMBER)
    lnL_bad(L, "time.format", "the time", "a number of seconds since 1970", 1);
  lnL_options(L, "time.format", 2, known);
  lnL_field(L, 2, "zone");
  ln_str zone = lnL_text_or(L, "time.format", "zone", -1, LN_STR("UTC"));
  int east;
  if (!read_zone(zone, &east))
    lnL_bad(L, "time.format", "zone", "\"UTC\" or an offset such as \"+02:00\" (what a name means changes)",
            0);
  double ms = floor(lua_tonumber(L, 1) * 1000 + 0.5) + east * 60000.0;
  if (!(ms >= (double)earliest_ms && ms <= (double)latest_ms))
    lnL_bad(L, "time.format", "the time", "in the years 0 to 9999", 0);
  char out[LN_TIME_TEXT];
  ln_format_time((int64_t)ms, out);
  if (east == 0) {
    lua_pushstring(L, out);
    return 1;
  }
  out[strlen(out) - 1] = '\0'; /* the Z */
  int east_abs = east < 0 ? -east : east;
  lua_pushfstring(L, "%s%s%d%d:%d%d", out, east < 0 ? "-" : "+", east_abs / 600, east_abs / 60 % 10,
                  east_abs % 60 / 10, east_abs % 10);
  return 1;
}

int luaopen_time(lua_State *L) {
  static const luaL_Reg functions[] = {{"parse", l_parse}, {"format", l_format}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
