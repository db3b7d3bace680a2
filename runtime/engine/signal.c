/* signal.c: what a person sends to a run.  It is kept until the run takes it with await_signal, and whoever
** waits for it is due: both in one transaction, as for what one run sends to another. */
#include "engine/inside.h"

#include "base/json.h"

struct sending {
  ln_engine *g;
  int64_t run;
  char *ulid;
  ln_str name, value, by;
};

static bool read_row(void *arg, const ln_run_row *row) {
  struct sending *s = arg;
  s->run = row->id;
  memcpy(s->ulid, row->ulid, sizeof row->ulid);
  return false;
}

static bool send_apply(ln_tx *tx, void *arg, ln_err *err) {
  struct sending *s = arg;
  int64_t now = ln_now_ms(s->g->loop->clock);
  const ln_audit_row r = {.ms = now, .what = LN_STR("signal"), .who = s->by, .run = s->run};
  return ln_tx_signal_send(tx, s->run, s->name, s->value, s->by, now, err) &&
         ln_audit_one(tx, &r, "name", s->name, err);
}

static void call_those_here(const struct sending *s) {
  ln_buf key;
  ln_buf_init(&key, 1024);
  ln_signal_key(ln_str_of(s->ulid), s->name, &key);
  ln_wait_called(s->g, ln_buf_view(&key));
  ln_buf_free(&key);
}

bool ln_signal_is_ours(ln_str name) { return ln_str_starts(name, LN_STR("run.")); }

bool ln_run_signal(ln_engine *g, ln_str which, ln_str name, ln_str value, ln_str by, char ulid[LN_ULID + 1],
                   ln_err *err) {
  if (!name.n || name.n > LN_SIGNAL_NAME)
    return ln_fail(err, "usage", LN_FINAL, "a signal's name has 1 to %d bytes", LN_SIGNAL_NAME);
  if (ln_signal_is_ours(name))
    return ln_fail(err, "usage", LN_FINAL,
                   "names that begin with \"run.\" are the core's own: choose another");
  return ln_signal_send(g, which, name, value, by, ulid, err);
}

bool ln_signal_send(ln_engine *g, ln_str which, ln_str name, ln_str value, ln_str by, char ulid[LN_ULID + 1],
                    ln_err *err) {
  struct sending s = {.g = g, .ulid = ulid, .name = name, .value = value.n ? value : LN_STR("n"), .by = by};
  if (!ln_store_run_find(g->store, which, read_row, &s, err)) return false;
  if (!ln_writer_run(g->store, send_apply, &s, err)) return ln_err_prefix(err, "run %s", ulid);
  call_those_here(&s);
  return true;
}
