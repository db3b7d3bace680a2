/* replaying.h: a run gone through again, as replay.c (in the recorded order, by the recorded names) and
** aligned.c (answers found by name, whatever the order) know it.  Only these, compare.c and runtime/debug's
** time travel include it. */
#ifndef LN_REPLAYING_H
#define LN_REPLAYING_H

#include "engine/inside.h"

/* What a run was, copied from its row and its journal, so that several passes see the same. */
typedef struct ln_past {
  ln_run_row row;                                        /* its texts are in `texts`                        */
  ln_buf texts;
  ln_journal *journal;
} ln_past;
bool ln_past_load(ln_past *p, ln_store *s, const ln_run_row *row, ln_err *err);
void ln_past_free(ln_past *p);
bool ln_past_ended(const ln_past *p);                    /* completed, failed or cancelled                  */

typedef struct ln_asked {                                /* one effect that a script asked                  */
  char *name, *op, *where, *args;                        /* args: encoded                                   */
  size_t args_n;
  ln_class cls;
  bool own;                                              /* it is worked out by the script itself           */
  int64_t wait_ms, lease_ms, timeout_ms;
  uint8_t print[LN_FINGERPRINT];
  /* aligned: */
  const ln_record *rec;                                  /* of the same name; NULL: none                    */
  const ln_record *from;                                 /* whose answer it got; NULL: nobody's             */
  bool same;                                             /* rec is of the same operation and arguments      */
  bool other_terms;                                      /* it is same, but for wait, lease or timeout      */
  bool waits;                                            /* it was never answered then either               */
  bool vague;                                            /* there is something unknown in its arguments     */
  bool other_answer;                                     /* author's own work, which came to something else */
  ln_buf answer;                                         /* … namely                                        */
  size_t delivered;                                      /* as which, from 1; 0: it was not                 */
} ln_asked;

typedef struct ln_noted { char *name, *data; size_t n; } ln_noted;
typedef struct ln_blank { char *branch, *why; } ln_blank; /* a branch that ended for what nobody knows      */

typedef enum ln_replay_end { LN_ENDS, LN_WAITS, LN_STOPPED, LN_DIVERGED, LN_LEFT_OFF } ln_replay_end;

struct ln_replay {                                       /* one pass                                        */
  bool keep;                                             /* what is asked is kept                           */
  bool aligned, opaque;                                  /* opaque: it may meet values that nobody knows    */
  void (*on_ask)(void *arg, ln_effect *e);               /* for each effect that a script asks; or NULL     */
  void *on_ask_arg;
  bool probing;                                          /* left off at the first thing that is different   */
  const ln_replay *before;                               /* the pass of the scripts as they were; or NULL   */
  ln_asked *asked;
  size_t n_asked, cap_asked;
  ln_asked **by_name;                                    /* once the pass is over                           */
  ln_noted *noted;
  size_t n_noted, cap_noted;
  ln_blank *blanks;
  size_t n_blanks;
  ln_record **spare;                                     /* sorted by fingerprint, then by delivery         */
  size_t n_spare, delivered, unknown;
  /* how it ended */
  ln_replay_end end;
  const char *state, *outcome;                           /* LN_ENDS: as of a run                            */
  ln_buf result, error;                                  /* LN_ENDS: encoded, or empty                      */
  const ln_record *journal_side;                         /* LN_DIVERGED                                     */
  ln_asked script_side;                                  /* LN_DIVERGED: name NULL: the script's end        */
  ln_err why;                                            /* LN_STOPPED, LN_DIVERGED                         */
};

/* Goes through p's journal once with the scripts s: one pass after the other, for what is matched is noted
** there.  `with`: they are not its own, so its input is taken as they declare it.  What r came to is in
** r->replay.  NULL: err; "bad_argument", "syntax" and the like when these scripts would not have begun it.
** Free by ln_pass_free, which frees what the replay has gathered, too. */
ln_run *ln_pass(ln_engine *g, const ln_past *p, struct ln_snapshot *s, bool with, ln_replay *replay,
                ln_err *err);
/* The same in two parts: the run stands before its first turn in between.  Drive may be another thread's. */
ln_run *ln_pass_begin(ln_engine *g, const ln_past *p, struct ln_snapshot *s, bool with, ln_replay *replay,
                      ln_err *err);
void ln_pass_drive(ln_run *r);
void ln_pass_free(ln_run *r, ln_replay *replay);

const char *ln_replay_end_name(const ln_replay *x);      /* "completed" … "waits" "stopped" "diverged"      */
const ln_asked *ln_replay_find(const ln_replay *p, ln_str name); /* NULL: it was not asked                  */
bool ln_replay_keep(ln_asked *a, const ln_effect *e);    /* false: no memory                                */
void ln_asked_free(ln_asked *a);

/* --- what of it is shown: encoded objects --- */
void ln_doc_text(ln_buf *b, const char *key, ln_str v);  /* nil when empty                                  */
void ln_doc_value(ln_buf *b, const char *key, ln_str v);
bool ln_same_but_lines(ln_str a,
                       ln_str b); /* two encoded values: equal, or but for line numbers of scripts */

#endif
