/* rows.h: rows of the store as JSON objects, as commands print them and the HTTP API answers with them. */
#ifndef LN_ROWS_H
#define LN_ROWS_H

#include "engine/engine.h"

/* A run whose owner is dead is not running: it waits to be resumed.  Lent by the row, or static. */
ln_str ln_run_true_state(const ln_store *s, const ln_run_row *row);
/* What a waiting run waits for: "approval", "timer", …; "" when it does not wait.  Lent by the row, or
** static. */
ln_str ln_run_waits_for(const ln_store *s, const ln_run_row *row);
bool ln_run_is_state(ln_str word);                       /* one of INTERFACE.md's states of a run?          */
/* Looks for runs that may be in that state: what a person calls running or waiting depends on whether the
** owner lives, so whoever asks still compares ln_run_true_state. */
void ln_run_query_state(ln_run_query *q, ln_str state);

/* { run, playbook, state, outcome, for, started, started_by, finished } */
void ln_run_row_json(const ln_store *s, const ln_run_row *row, ln_json *j);
/* { entity, facet, state, before, status, run, step, since, until, lifted_by? } */
void ln_hold_json(const ln_hold *h, ln_json *j);
/* { id, run, kind, step, title, detail, options, state, digest, expires, effects } */
void ln_approval_json(const ln_approval *a, ln_json *j);

/* { alert, source, id, state, received, by?, severity?, title?, why?, runs }, with what became of it; or only
** its members, within an object that the caller opened.  False: the store failed. */
bool ln_alert_row_json(ln_store *s, const ln_alert_row *a, ln_json *j, ln_err *err);
bool ln_alert_row_members(ln_store *s, const ln_alert_row *a, ln_json *j, ln_err *err);

#endif
