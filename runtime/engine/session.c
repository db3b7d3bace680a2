/* session.c: a prompt is a run like any other.  What is typed is sent to it as a signal, and each line runs
** as a branch of it (modules/words_session.c): so variables live on from line to line, every effect goes
** through the one door and is journaled, and a crash, a doubt, an approval, a cap and time travel find
** nothing new.
**
** One thing is: a line may be stopped (Ctrl-C, a budget) while others are to go on, and where it was then no
** replay could repeat.  So it counts as never run: its writes under way are finished and recorded, a note
** says that it was dropped, and the run is resumed: the lines before it are replayed, so that variables are
** what they were, and its own steps are nobody's (journal.c).  What it did to the world is on record, as its
** steps, and in the ledger. */
#include "engine/inside.h"
#include "engine/library.h"

#include <stdio.h>

enum { LINE_MAX_BYTES = 1 << 20 };

/* Frees value. */
static bool send_line(ln_engine *g, ln_str which, ln_buf *value, ln_str by, char ulid[LN_ULID + 1],
                      ln_err *err) {
  bool ok = ln_buf_ok(value, err) &&
            ln_signal_send(g, which, LN_STR(LN_LINE_SIGNAL), ln_buf_view(value), by, ulid, err);
  ln_buf_free(value);
  return ok;
}

bool ln_session_line(ln_engine *g, ln_str which, const ln_line *line, ln_str by, char ulid[LN_ULID + 1],
                     ln_err *err) {
  ln_buf value;
  ln_buf_init(&value, LINE_MAX_BYTES + 64 + line->assume.n);
  if (line->text.p) {
    size_t mark = ln_v_begin(&value, 'O', 2 + (line->assume.n > 0));
    if (line->assume.n) ln_v_key(&value, LN_STR("assume")), ln_v_raw(&value, line->assume);
    ln_v_key(&value, LN_STR("plan"));
    ln_v_bool(&value, line->plan);
    ln_v_key(&value, LN_STR("text"));
    ln_v_str(&value, line->text);
    ln_v_end(&value, mark);
  }
  return send_line(g, which, &value, by, ulid, err);
}

static bool put_snapshot(ln_tx *tx, void *s, ln_err *err) { return ln_snapshot_put(tx, s, err); }

bool ln_session_reload(ln_engine *g, ln_str which, ln_str by, char ulid[LN_ULID + 1], ln_err *err) {
  static const ln_str none = {NULL, 0};
  ln_buf value;
  ln_snapshot_forget(g);
  ln_snapshot *s = ln_snapshot_take(g, none, err);
  if (!s) return false;
  ln_buf_init(&value, 4096);
  size_t mark = ln_v_begin(&value, 'O', 1);
  ln_v_key(&value, LN_STR("snapshot"));
  ln_v_str(&value, ln_str_of(ln_snapshot_hash(s)));
  ln_v_end(&value, mark);
  bool ok = ln_writer_run(g->store, put_snapshot, s, err) && send_line(g, which, &value, by, ulid, err);
  if (!ok) ln_buf_free(&value);
  ln_snapshot_drop(s);
  return ok;
}

bool ln_session_is_idle(const ln_run *r) {
  return r->live && !r->line && r->root && r->root->state == LN_B_ASKING && !r->broken && !r->ended;
}

/* ------------------------------------------------------------------ lines that are stopped */

void ln_session_stop(ln_run *r) {
  static const ln_err stopped = {.code = "cancelled", .message = "stopped"};
  if (r->is_session && r->line) ln_run_end_attempt(r, &stopped);
}

void ln_session_stop_of(ln_engine *g, ln_str ulid) {
  for (ln_run *r = g->state; r; r = r->next)
    if (ln_str_eq(ln_str_of(r->ulid), ulid) && !ln_park_is_away(r)) ln_session_stop(r);
}

void ln_session_interrupt(ln_run *r) {
  if (r->line && r->vm) ln_vm_interrupt(r->vm);
}

static ln_str dropped_name(int64_t line, char out[40]) {
  int n = snprintf(out, 40, LN_DROPPED_PREFIX "%lld", (long long)line);
  return (ln_str){out, n > 0 ? (size_t)n : 0};
}

bool ln_session_dropped(ln_run *r, int64_t line) {
  char name[40];
  return ln_journal_noted(r->past, dropped_name(line, name));
}

bool ln_session_drops(ln_run *r) {
  char name[40];
  ln_buf data;
  if (!r->is_session || !r->line || r->cancelling || r->replay || ln_err_is(&r->why, "divergence"))
    return false;
  ln_buf_init(&data, 4096);
  size_t mark = ln_v_begin(&data, 'O', 3);
  ln_v_key(&data, LN_STR("code"));
  ln_v_str(&data, ln_str_of(r->why.code));
  ln_v_key(&data, LN_STR("error"));
  ln_v_str(&data, ln_str_of(r->why.message));
  ln_v_key(&data, LN_STR("line"));
  ln_v_int(&data, r->line);
  ln_v_end(&data, mark);
  ln_entry e = {.kind = LN_E_NOTE,
                .name = dropped_name(r->line, name),
                .op = LN_STR("line"),
                .cls = LN_LOCAL,
                .ok = true,
                .at_ms = ln_run_clock_ms(r),
                .data = ln_buf_view(&data)};
  r->line = 0;
  bool ok = ln_run_put(r, &e) && ln_run_flush(r);
  ln_buf_free(&data);
  r->broken = ok; /* what comes next is of another attempt */
  return ok;
}

bool ln_session_said(ln_engine *g, ln_str data, ln_buf *out, ln_err *err) {
  ln_str whole;
  ln_buf hold = {0};
  bool ok = ln_entry_data(g, LN_STR("a line"), data, &hold, &whole, err) &&
            (ln_v_get_int(whole, "line", 0) || ln_fail(err, "not_found", LN_FINAL, "it is no line")) &&
            (ln_buf_add(out, whole) || ln_buf_ok(out, err));
  ln_buf_free(&hold);
  return ok;
}
