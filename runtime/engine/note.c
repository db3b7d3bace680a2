/* note.c: what a report is made of beside the effects: found, not_done, evidence, log, and how stages went.  A note
** waits for nothing; a replay that comes by again finds it written, by its name, and does not write it twice. */
#include "engine/inside.h"
#include "engine/note.h"

#include <stdlib.h>

void ln_note_put(ln_branch *b, ln_entry_kind kind, const char *what, ln_str data) {
  ln_run *r = b->run;
  ln_err err = {0};
  char *name = ln_branch_step_name(b, ln_str_of(what), (ln_str){NULL, 0}, &err);
  if (!name) {
    ln_run_end_attempt(r, &err);
    return;
  }
  if (!b->polling && !b->plan_into && !ln_journal_noted(r->past, ln_str_of(name))) {
    ln_entry e = {.kind = kind, .name = ln_str_of(name), .op = ln_str_of(what), .cls = LN_LOCAL, .ok = true,
                  .at_ms = ln_now_ms(r->engine->loop->clock), .data = data};
    ln_run_put(r, &e);
    ln_run_event(r, kind == LN_E_STAGE ? "stage" : "note", NULL, data, ln_str_of(what));
  }
  free(name);
}

void lnL_note(lua_State *L, const char *kind, int idx) {
  ln_err err = {0};
  ln_buf data;
  ln_branch *b = lnL_here(L);
  ln_buf_init(&data, 16 << 20);
  bool ok = lnL_encode(L, idx, &data, &err);
  if (ok && b) ln_note_put(b, LN_E_NOTE, kind, ln_buf_view(&data));
  if (ok && b && strcmp(kind, "not_done") == 0) b->run->partial++;
  if (ok && b && strcmp(kind, "found") == 0) b->run->notes++;
  ln_buf_free(&data);
  if (!ok) lnL_raise(L, &err);
}
