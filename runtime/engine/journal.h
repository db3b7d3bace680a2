/* journal.h: the entries of a run's journal, and the index that a replay reads them through. Two facts
** make an effect: *asked* (its name and fingerprint) and *delivered* (its outcome, in order).  A pure or
** read effect's outcome and delivery are one entry (DONE); a local effect's or a write's outcome is
** durable by itself (RESULT) and its delivery follows (DELIVERED), so that the order of deliveries is the
** order of DONE and DELIVERED entries, whatever the disk did in between.  Entries are appended, never
** rewritten. */
#ifndef LN_JOURNAL_H
#define LN_JOURNAL_H

#include "engine/effect.h"

enum { LN_FINGERPRINT = 16 };

/* What a journal was made for: how entries are matched and replayed, and what the modules promise scripts.
** The first entry of a run ("run.began") has both, so that its segments are read by who understands them. */
enum { LN_SEMANTICS = 1, LN_API = 1 };

typedef enum ln_entry_kind {
  LN_E_DONE = 1,        /* asked, outcome, delivered                                                     */
  LN_E_RESULT,          /* outcome of a local effect, or of a write                                      */
  LN_E_DELIVERED,       /* its delivery                                                                  */
  LN_E_ASKED,           /* a wait began: data says for what, until when                                  */
  LN_E_INTENT,          /* a write may be sent from here on: data has attempt, entity, facet, to, before */
  LN_E_WITHDRAWN,       /* … and was not: a gate said no                                                 */
  LN_E_ACCEPTED,        /* the vendor's handle of asynchronous work: data                                */
  LN_E_DOUBT,           /* nobody knows whether it happened: data says what is known                     */
  LN_E_SETTLED,         /* a person said: data has did, by, result                                       */
  LN_E_NOTE,            /* found, not_done, evidence, log: data has kind                                 */
  LN_E_STAGE,           /* a stage began or ended: data has stage, state, why                            */
  LN_E_RUN,             /* something about the whole run: data has what (cancel, resumed, …)              */
  LN_E_PLANNED          /* a write that a plan did not send: data has would                              */
} ln_entry_kind;

typedef struct ln_entry {
  ln_entry_kind kind;
  ln_str name;                                           /* of the effect, in the tree of branches          */
  ln_str op;
  ln_class cls;
  ln_str fingerprint;                                    /* LN_FINGERPRINT bytes, or none                   */
  int64_t at_ms;                                         /* of this entry                                   */
  int64_t asked_ms;
  bool ok;                                               /* DONE, RESULT: data is a value, else an error    */
  ln_str state;                                          /* DONE, RESULT: "done" "unchanged" "failed" …     */
  ln_str where;                                          /* script line                                     */
  ln_str data;                                           /* an encoded value                                */
} ln_entry;

bool ln_entry_put(ln_buf *out, const ln_entry *e);       /* false: out is full, or data is no whole value   */
/* views into rest; false: the end, or damaged (rest not empty) */
bool ln_entry_read(ln_str *rest, ln_entry *e);

/* --- the index of one journal --- */
typedef struct ln_record {                               /* all that is known of one name                   */
  ln_str name, op, fingerprint, where;
  ln_class cls;
  int64_t asked_ms, done_ms;
  int attempts;
  bool has_result, delivered, ok, in_doubt, settled, withdrawn, planned;
  ln_str state, outcome;                                 /* the value or the error                          */
  ln_str asked, intent, handle, doubt, settled_data;     /* their data; {NULL,0}: none                      */
  int64_t intent_ms;                                     /* of the first intent still open                  */
  int64_t seq;                                           /* of its delivery, from 1; 0: none                */
  bool matched;                                          /* the replay has asked it                         */
  ln_effect *waiting;                                    /* who waits for its delivery in a replay          */
  bool used;                                             /* an aligned replay has given its answer          */
  bool old;                                              /* of before the run was restored from a backup    */
  bool dropped;                                          /* of a session's line that is not run again       */
  bool asked_since;                                      /* `asked` is younger than the last intent         */
} ln_record;

/* "run.dropped/3": the note that says that line 3 of a session was stopped; its steps are no deliveries. */
#define LN_DROPPED_PREFIX "run.dropped/"
#define LN_RESTORED_NAME "run.restored"                  /* of the entry that says so; no step has it       */
typedef struct ln_journal ln_journal;

/* Of a run that was forked from another: the answers before that entry are the other's.  None of what it
** did is this run's doing, and what was approved permits nothing here. */
#define LN_FORKED_NAME "run.forked"                      /* data: { at, began_ms, plan_from, run, step }    */
typedef struct ln_forked {
  ln_str run;                                            /* the other one                                   */
  int64_t step;                                          /* how many answers are its                        */
  int64_t began_ms;                                      /* when the other one began                        */
  int64_t plan_from; /* of a plan: it plans once so many answers have come in; before that they were real */
} ln_forked;
const ln_forked *ln_journal_forked(const ln_journal *j); /* NULL: it was not                                */
/* Reads all of it.  NULL, "store": it is damaged, or made for versions that this program does not know. */
ln_journal *ln_journal_load(ln_store *s, int64_t run, ln_err *err);
ln_journal *ln_journal_of(ln_str entries, ln_err *err);  /* the same, of bytes that one has; copied */
ln_journal *ln_journal_empty(ln_err *err);
/* When the run was last restored from a backup; 0: never. */
int64_t ln_journal_restored(const ln_journal *j);
void ln_journal_rewind(ln_journal *j);                   /* nothing of it is matched, as when it was loaded */
size_t ln_journal_entries(const ln_journal *j);          /* how many, of all kinds                          */
void ln_journal_free(ln_journal *j);
ln_record *ln_journal_find(ln_journal *j, ln_str name);  /* NULL: never asked                               */
size_t ln_journal_deliveries(const ln_journal *j);
ln_record *ln_journal_delivery(const ln_journal *j, size_t i); /* in order                                  */
size_t ln_journal_records(const ln_journal *j);
ln_record *ln_journal_record(const ln_journal *j, size_t i); /* in order of first sight                     */
bool ln_journal_noted(ln_journal *j, ln_str name);       /* was that note or stage entry written already?   */
size_t ln_journal_notes(const ln_journal *j, const char *kind); /* "found" "not_done": how many             */
/* Every entry, in order, as read: for reports. */
bool ln_journal_each(const ln_journal *j, bool (*fn)(void *arg, const ln_entry *e), void *arg);

#endif
