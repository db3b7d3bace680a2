/* audit.h: the audit looked at as an auditor does: its checkpoints, whether it is whole, and what goes out of
** it.  What writes records is ln_tx_audit, in the transaction that each tells of. */
#ifndef LN_AUDIT_H
#define LN_AUDIT_H

#include "engine/engine.h"

/* Signs how the audit is now, with the key of the configuration (`audit.key`, else STORE.audit.key, which is
** made at first use), appends the line to the file of the configuration (`audit.checkpoints`), where one is
** named, logs it, and keeps it.  line: what was signed and by whom, as one line without its end.  *made
** false, and true: nothing was recorded since the last one, and line is empty. */
bool ln_audit_checkpoint(ln_engine *g, ln_buf *line, bool *made, ln_err *err);

/* While a process serves the store: a checkpoint now, where one is due, then whenever so many records came or
** an hour has gone by, and at the end.  NULL: no memory. */
typedef struct ln_audit_watch ln_audit_watch;
ln_audit_watch *ln_audit_watch_start(ln_engine *g, ln_err *err);
void ln_audit_watch_stop(ln_audit_watch *w);             /* NULL is welcome */

/* --- is it whole? --- */
typedef struct ln_audit_checks {
  ln_str lines;                                          /* checkpoints that left the machine: any text     */
  ln_str signer;                                         /* whose they have to be, in hex; "": ours         */
  void (*fault)(void *arg, ln_str what);                 /* each, in words                                  */
  void *arg;
} ln_audit_checks;
typedef struct ln_audit_state {
  int64_t records, checkpoints, faults;                  /* checkpoints: kept, and of the lines             */
  char hash[2 * LN_SHA256 + 1], signer[2 * LN_SHA256 + 1]; /* of the last record; "": none                  */
} ln_audit_state;
/* False: it could not be looked at; else out says what was found. */
bool ln_audit_verify(ln_engine *g, const ln_audit_checks *c, ln_audit_state *out, ln_err *err);

/* --- out of it --- */
typedef bool (*ln_audit_line_fn)(void *arg, ln_str json); /* lent; false stops */
/* Records not older than since_ms, as OCSF events (stdlib/ocsf.lua), or, raw, as they are chained. */
bool ln_audit_export(ln_engine *g, int64_t since_ms, bool raw, ln_audit_line_fn fn, void *arg, ln_err *err);
/* One record as JSON: { seq, time, what, who, run, detail, hash }. */
void ln_audit_put(const ln_audit_row *r, ln_json *j);

/* That this configuration came to count in a process that serves, with the hash of its file. */
bool ln_audit_configured(ln_engine *g, ln_str by, ln_err *err);

#endif
