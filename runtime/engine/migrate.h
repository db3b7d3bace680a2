/* migrate.h: a waiting run goes on with the newest scripts, if its journal fits them. */
#ifndef LN_MIGRATE_H
#define LN_MIGRATE_H

#include "engine/run.h"

/* Goes through the run's journal with the newest scripts, and moves it to them where they ask all that it has
** asked, in its order: one transaction, after which it is replayed with them, whoever takes it up.  Nothing
** of a run is changed that does not fit.  doc: an encoded object
**   { run, playbook, result, from, to, step, where, was, why }
** result: "moved"; "newest": it has them already; "diverges": at `step`, which the newest scripts ask, or do
** not, at the line `where`, and the run's own asked at the line `was`; "busy": it is under way.  Of these
** nil is what is not known.  by: who wants it.  False: "not_found", "ambiguous"; "conflict": it has ended, is
** being cancelled, or was made against simulators; "store". */
bool ln_migrate(ln_engine *g, ln_str which, ln_str by, ln_buf *doc, ln_err *err);
/* The file that a run's playbook was read from, appended; nothing: it is not known. */
void ln_migrate_path(ln_engine *g, const ln_run_row *row, ln_buf *path);

#endif
