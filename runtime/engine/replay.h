/* replay.h: past runs gone through again, from their journals: nothing is sent, nothing is written, and no
** run needs to be owned for it, so it may be another process that runs it. */
#ifndef LN_REPLAY_H
#define LN_REPLAY_H

#include "engine/run.h"

/* Goes through one run as it was, with the scripts that it was begun with, or with those of the folder `with`
** (before the configured ones; NULL: its own).  doc: an encoded object
**   { run, playbook, snapshot, with, state, outcome, entries, replayed, same, ends, divergence, result,
**     error }
** entries: of the journal; replayed: deliveries; ends: "completed" …, "waits", "stopped" or "diverged";
** divergence: nil, or { journal, script, why }, a side being nil (its end) or { name, op, where, args };
** result, error: nil, or { journal, script } where they differ.  *same: it came to what it came to then.
** False: err; there is nothing to say of it. */
bool ln_replay_one(ln_engine *g, ln_str which, const char *with, ln_buf *doc, bool *same, ln_err *err);

/* What the playbooks in the folder `with` would have done otherwise in past runs, newest first, `last` runs
** at most (0: all), of playbooks that are in that folder.  fn gets of each an encoded object
**   { run, playbook, snapshot, state, same, entries, effects, notes, unknown, end, why }
** effects: { change, name, op, class, before, after, where, was, answer, why }; notes: { change, name,
** before, after }; unknown: { branch, why }; end: nil, or { before, after }, each { state, outcome, result,
** error }; why: nil, or why it could not be compared.  fn false stops.  False: err. */
typedef bool (*ln_replay_fn)(void *arg, ln_str doc, bool same);
bool ln_replay_each(ln_engine *g, const char *with, int64_t last, ln_replay_fn fn, void *arg, ln_err *err);

#endif
