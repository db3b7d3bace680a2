/* note.c: what a report is made of beside the effects: found, not_done, evidence, log, and how stages
** went.  A note waits for nothing; a replay that comes by again finds it written, by its name, and does
** not write it twice. */
#include "engine/inside.h"

#include "base/log.h"
#include "engine/note.h"

#include <stdlib.h>

/* Within step it is named after the step: a replay, which does not run that again, must count the others
** alike. */
static char *name_note(ln_branch *b, const char *what, ln_err *err) {
  ln_buf own;
  ln_buf_init(&own, 4096);
  if (b->in_step) ln_buf_addf(&own, "%s/", b->asked->name + (b->name[0] ? strlen(b->name) + 1 : 0));
  ln_buf_addz(&own, what);
  char *name =
      ln_buf_ok(&own, err) ? ln_branch_step_name(b, ln_buf_view(&own), (ln_str){NULL, 0}, err) : NULL;
  ln_buf_free(&own);
  return name;
}

bool ln_note_put(ln_branch *b, ln_entry_kind kind, const char *what, ln_str data, ln_err *err) {
  ln_run *r = b->run;
  if (ln_vm_has_guest(r->vm))
    return ln_fail(err, "refused", LN_FINAL, "%s: a past run is looked at, and nothing is written", what);
  char *name = name_note(b, what, err);
  if (!name) return false;
  bool anew = ln_replay_is_aligned(r) || !ln_journal_noted(r->past, ln_str_of(name));
  if (!b->polling && !b->plan_into && anew) {
    ln_entry e = {.kind = kind, .name = ln_str_of(name), .op = ln_str_of(what), .cls = LN_LOCAL, .ok = true,
                  .at_ms = ln_run_clock_ms(r), .data = data};
    r->partial += strcmp(what, "not_done") == 0;
    r->notes += strcmp(what, "found") == 0;
    if (r->replay) ln_replay_noted(r, &e);
    if (kind == LN_E_STAGE) ln_spans_stage(r, &e);
    ln_run_put(r, &e);
  }
  free(name);
  return true;
}

void lnL_note(lua_State *L, const char *kind, int idx) {
  ln_err err = {0};
  ln_buf data;
  ln_branch *b = lnL_here(L);
  ln_buf_init(&data, 16 << 20);
  bool ok = (lnL_encode(L, idx, &data, &err) || ln_err_prefix(&err, "%s", kind)) &&
            (!b || ln_note_put(b, LN_E_NOTE, kind, ln_buf_view(&data), &err));
  ln_buf_free(&data);
  if (!ok) lnL_raise(L, &err);
}

/* A line of print is a remark like any other; before a run has begun there is nobody who would read it. */
void ln_note_print(ln_vm *vm, ln_str line) {
  ln_run *r = *ln_vm_user(vm);
  ln_buf data;
  ln_err err = {0};
  if (!r || !r->current) return;
  ln_buf_init(&data, 16 << 20);
  size_t mark = ln_v_begin(&data, 'O', 2);
  ln_v_key(&data, LN_STR("level"));
  ln_v_str(&data, LN_STR("print"));
  ln_v_key(&data, LN_STR("message"));
  ln_v_str(&data, line);
  ln_v_end(&data, mark);
  if (!ln_buf_ok(&data, &err) || !ln_note_put(r->current, LN_E_NOTE, "log", ln_buf_view(&data), &err))
    ln_log(LN_WARN, "run.print", "run=%s error=%s", r->ulid, err.message);
  ln_buf_free(&data);
}
