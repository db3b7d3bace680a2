/* units.c: durations, sizes and times.  A duration is one whole number and one unit: what people might mean
** by "1h30m" is told them in the error, so that every duration in a script reads the same way.  Times are
** proleptic Gregorian, counted in days from 1970 by arithmetic, without the C library's time zones. */
#include "base/units.h"

#include <inttypes.h>
#include <stdio.h>

typedef struct unit {
  const char *name;
  uint64_t factor;
} unit;

static const unit durations[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
static const unit sizes[] = {
    {"B", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", (uint64_t)1 << 40}};
enum { N_UNITS = 5 };

static bool digit(char c) { return c >= '0' && c <= '9'; }

/* Takes digits off the front of *s.  False: none, or more than 2^63 - 1. */
static bool take_number(ln_str *s, uint64_t *v) {
  size_t i = 0;
  for (*v = 0; i < s->n && digit(s->p[i]); i++) {
    uint64_t d = (uint64_t)(s->p[i] - '0');
    if (*v > (INT64_MAX - d) / 10) return false;
    *v = *v * 10 + d;
  }
  *s = (ln_str){s->p + i, s->n - i};
  return i > 0;
}

/* A number and a unit off the front of *s; with `rest` more may follow.  The longest unit wins. */
static bool take_quantity(ln_str *s, const unit *units, bool rest, uint64_t *out) {
  uint64_t v;
  if (!take_number(s, &v)) return false;
  const unit *best = NULL;
  for (int i = 0; i < N_UNITS; i++) {
    ln_str name = ln_str_of(units[i].name);
    if (ln_str_starts(*s, name) && (!best || name.n > strlen(best->name))) best = &units[i];
  }
  if (!best || v > INT64_MAX / best->factor) return false;
  *s = (ln_str){s->p + strlen(best->name), s->n - strlen(best->name)};
  *out = v * best->factor;
  return rest || s->n == 0;
}

/* "1h30m": what it would be in one unit; false: it is not of that kind either. */
static bool sum_of_parts(ln_str s, char out[LN_TIME_TEXT]) {
  uint64_t sum = 0, part;
  while (s.n) {
    if (!take_quantity(&s, durations, true, &part) || part > INT64_MAX - sum) return false;
    sum += part;
    s = ln_str_trim(s);
  }
  const unit *u = &durations[N_UNITS - 1];
  while (sum % u->factor) u--;
  snprintf(out, LN_TIME_TEXT, "%" PRIu64 "%s", sum / u->factor, u->name);
  return true;
}

static int shown(ln_str s) { return s.n > 40 ? 40 : (int)s.n; }

bool ln_parse_duration(ln_str s, int64_t *ms, ln_err *err) {
  ln_str all = s;
  uint64_t v;
  char better[LN_TIME_TEXT];
  if (take_quantity(&s, durations, false, &v)) {
    *ms = (int64_t)v;
    return true;
  }
  if (all.n && sum_of_parts(all, better))
    return ln_fail(err, "bad_argument", LN_FINAL,
                   "\"%.*s\" is not a duration: write \"%s\", one number and one unit", shown(all), all.p,
                   better);
  return ln_fail(err, "bad_argument", LN_FINAL,
                 "\"%.*s\" is not a duration: write a whole number and a unit, "
                 "such as \"5ms\" \"30s\" \"5m\" \"2h\" \"7d\"",
                 shown(all), all.p);
}

bool ln_parse_size(ln_str s, uint64_t *bytes, ln_err *err) {
  ln_str all = s, rest = s;
  if (take_number(&rest, bytes) && rest.n == 0) return true;
  if (take_quantity(&s, sizes, false, bytes)) return true;
  return ln_fail(err, "bad_argument", LN_FINAL,
                 "\"%.*s\" is not a size: write a number of bytes, or such as \"64KiB\" \"16MiB\" \"1GiB\"",
                 shown(all), all.p);
}

/* Days from 1970-01-01 to the given day.  Years start in March, so the leap day is a year's last. */
static int64_t days_from_civil(int64_t y, int m, int d) {
  y -= m <= 2;
  int64_t era = (y >= 0 ? y : y - 399) / 400, yoe = y - era * 400;
  int64_t doy = (153 * (m > 2 ? m - 3 : m + 9) + 2) / 5 + d - 1;
  return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static void civil_from_days(int64_t days, int64_t *y, int *m, int *d) {
  days += 719468;
  int64_t era = (days >= 0 ? days : days - 146096) / 146097, doe = days - era * 146097;
  int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
  int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
  *d = (int)(doy - (153 * mp + 2) / 5 + 1);
  *m = (int)(mp < 10 ? mp + 3 : mp - 9);
  *y = yoe + era * 400 + (*m <= 2);
}

static int days_in_month(int64_t y, int m) {
  static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
  return m == 2 && leap ? 29 : days[m - 1];
}

/* Exactly n digits off the front, then one of `then` ("" : nothing).  A value within lo..hi, else false. */
static bool field(ln_str *s, int n, const char *then, int lo, int hi, int *v) {
  if (s->n < (size_t)n + (*then ? 1 : 0)) return false;
  *v = 0;
  for (int i = 0; i < n; i++) {
    if (!digit(s->p[i])) return false;
    *v = *v * 10 + (s->p[i] - '0');
  }
  if (*then && (s->p[n] == '\0' || !strchr(then, s->p[n]))) return false;
  size_t used = (size_t)n + (*then ? 1 : 0);
  *s = (ln_str){s->p + used, s->n - used};
  return *v >= lo && *v <= hi;
}

/* ".123456" to milliseconds, cut, not rounded: a time must not come out later than it was. */
static bool take_fraction(ln_str *s, int *ms) {
  *ms = 0;
  if (!s->n || s->p[0] != '.') return true;
  size_t i = 1;
  for (int unit_ms = 100; i < s->n && digit(s->p[i]); i++, unit_ms /= 10) *ms += (s->p[i] - '0') * unit_ms;
  *s = (ln_str){s->p + i, s->n - i};
  return i > 1;
}

/* "Z" or "+02:00", to the end; minutes east of UTC. */
static bool take_offset(ln_str *s, int *minutes) {
  *minutes = 0;
  if (s->n == 1 && (s->p[0] == 'Z' || s->p[0] == 'z')) return true;
  if (s->n != 6 || (s->p[0] != '+' && s->p[0] != '-')) return false;
  int sign = s->p[0] == '-' ? -1 : 1, h, m;
  *s = (ln_str){s->p + 1, s->n - 1};
  if (!field(s, 2, ":", 0, 23, &h) || !field(s, 2, "", 0, 59, &m)) return false;
  *minutes = sign * (h * 60 + m);
  return true;
}

bool ln_parse_time(ln_str s, int64_t *ms, ln_err *err) {
  ln_str all = s;
  int y, mo, d, h, mi, sec, frac, east;
  bool ok = field(&s, 4, "-", 0, 9999, &y) && field(&s, 2, "-", 1, 12, &mo) &&
            field(&s, 2, "Tt ", 1, 31, &d) && d <= days_in_month(y, mo) && field(&s, 2, ":", 0, 23, &h) &&
            field(&s, 2, ":", 0, 59, &mi) && field(&s, 2, "", 0, 60, &sec) && take_fraction(&s, &frac) &&
            take_offset(&s, &east);
  if (!ok)
    return ln_fail(err, "bad_argument", LN_FINAL,
                   "\"%.*s\" is not a time: write RFC 3339, such as \"2026-11-24T10:00:00Z\"", shown(all),
                   all.p);
  *ms = ((days_from_civil(y, mo, d) * 24 + h) * 60 + mi - east) * 60000 + sec * 1000 + frac;
  return true;
}

void ln_format_time(int64_t ms, char out[LN_TIME_TEXT]) {
  int64_t day_ms = 86400000, days = ms / day_ms, in_day = ms % day_ms, y;
  int m, d;
  if (in_day < 0) days--, in_day += day_ms;
  civil_from_days(days, &y, &m, &d);
  int sec = (int)(in_day / 1000), frac = (int)(in_day % 1000);
  int n = snprintf(out, LN_TIME_TEXT, "%04" PRId64 "-%02d-%02dT%02d:%02d:%02d", y, m, d, sec / 3600,
                   sec / 60 % 60, sec % 60);
  if (n > 0 && n < LN_TIME_TEXT) snprintf(out + n, LN_TIME_TEXT - (size_t)n, frac ? ".%03dZ" : "Z", frac);
}
