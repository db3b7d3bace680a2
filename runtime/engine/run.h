/* run.h: the life of a run, as commands and tests see it. */
#ifndef LN_RUN_H
#define LN_RUN_H

#include "engine/engine.h"

typedef enum ln_approve { LN_APPROVE_WAIT, LN_APPROVE_ASK, LN_APPROVE_DENY, LN_APPROVE_ALL } ln_approve;

typedef struct ln_event { /* what a terminal shows; fed after the commit, but "asked" */
  const char *what; /* "asked" "stage" "step" "waiting" "approval" "signal" "note" "broken" "end" */
  ln_str name, op, state;                                /* of the step or stage                            */
  ln_str text; /* why, title, what sends the signal; of "asked" the arguments, an encoded object or "" */
  const char *cls;
  int64_t ms;                                            /* how long it took                                */
  int64_t approval;
} ln_event;
typedef void (*ln_event_fn)(void *arg, ln_run *r, const ln_event *e);

typedef struct ln_run_options {
  bool plan, sim;
  bool despite_freeze;                                   /* its writes go on under freeze                   */
  ln_approve approve;
  ln_str assume;                                         /* an encoded object: step name -> value; "" none  */
  /* of a test: an encoded object, step name -> { ok, state, value }: what it comes to, and nothing is
  ** asked or done; "" none; lent until the run is closed */
  ln_str recorded;
  ln_event_fn event;
  void *event_arg;
  bool ends_only;                                        /* whoever watches is told of no step or note      */
  int64_t lease; /* of the hold with that id: from its start on somebody looks after its end; 0: none */
  bool attended; /* a session: somebody is there to send it lines; one that nobody attends ends             */
  /* at its start: who asks with that key again is to be told of this run; digest: of what was asked */
  ln_str key, key_digest;
  ln_str trace; /* at its start: the W3C traceparent of what began it; what is none counts as empty */
  ln_str audit, audit_detail; /* at its start: a record of that name, with that JSON; empty: none           */
} ln_run_options;

/* Starts a run of `playbook` (a module name, or a path to a file) with an input (an encoded object, not
** yet coerced).  Its row is durable before this returns.  The loop then carries it; `event` "end" or
** "waiting" says when it has ended, or waits for a person only.  NULL: err says what is wrong with
** playbook or input. */
ln_run *ln_run_start(ln_engine *g, ln_str playbook, ln_str input, const ln_run_options *o,
                     ln_str started_by, ln_err *err);
/* Takes over a run whose owner is gone, and replays it. */
ln_run *ln_run_resume(ln_engine *g, ln_str which, const ln_run_options *o, ln_err *err);
/* For schedulers: takes up a run that is due and nobody's, as its row has it, and replays it; done is called
** once, from the loop, when it is ours, or not ("conflict": another was faster, or it is quarantined).  NULL:
** it could not even be begun, done is not called. */
ln_run *ln_run_wake(ln_engine *g, int64_t id, const ln_run_options *o,
                    void (*done)(ln_run *r, const ln_err *err), ln_err *err);
/* Starts what one operation makes (lunette call): a run whose playbook is that operation. */
ln_run *ln_run_call(ln_engine *g, ln_str op, ln_str args, const ln_run_options *o,
                    ln_str started_by, ln_err *err);
/* --- a prompt (session.c): a run whose lines are sent to it, one after another --- */
/* Starts one.  It waits for lines until it is sent an end, or is cancelled. */
ln_run *ln_session_start(ln_engine *g, const ln_run_options *o, ln_str started_by, ln_err *err);
typedef struct ln_line {
  ln_str text;   /* {NULL, 0}: the end                                                 */
  bool plan;     /* its writes are only planned                                        */
  ln_str assume; /* … and this answers, as of ln_run_options                           */
} ln_line;
/* Sends it a line.  As ln_run_signal. */
bool ln_session_line(ln_engine *g, ln_str which, const ln_line *line, ln_str by, char ulid[LN_ULID + 1],
                     ln_err *err);
/* Sends it the scripts as they are now; it counts as a line.  What was made of the old ones stays. */
bool ln_session_reload(ln_engine *g, ln_str which, ln_str by, char ulid[LN_ULID + 1], ln_err *err);
/* Stops the line under way: reads and waits are let go, a write that was sent is finished.  What the line
** made of variables is gone then.  Quiet when there is none. */
void ln_session_stop(ln_run *r);
void ln_session_stop_of(ln_engine *g, ln_str ulid);      /* the same, of a run here, by its whole id        */
/* The same from a signal handler, where the line computes. */
void ln_session_interrupt(ln_run *r);
bool ln_session_is_idle(const ln_run *r);                /* it waits for its next line                      */
/* What came of a line, from its entry (a "note" event named "line" has it as text): appends an encoded object
** { line, shown?, error?, trace? }.  False: the store lost it, or it is none. */
bool ln_session_said(ln_engine *g, ln_str data, ln_buf *out, ln_err *err);
void ln_run_cancel(ln_run *r, ln_str why);
/* Lets go of it: an unfinished one keeps its row as "waiting" and can be resumed.  What the writer still
** has of it is let go when the loop gives that back: before the loop is freed, ln_runs_drain. */
void ln_run_close(ln_run *r);
/* Outside of the loop, when all runs were closed: runs it until nothing of them is left. */
void ln_runs_drain(ln_engine *g);
/* Writes down what an unfinished one waits for, and gives it up: others may then resume it.  Quiet when it
** has ended.  False: the store failed, and the run's row is still ours: try again. */
bool ln_run_park(ln_run *r);
bool ln_run_is_plan(const ln_run *r);
/* A document rendered for people by stdlib/report.lua: format "text" or "markdown". */
bool ln_render(ln_engine *g, ln_str json, const char *format, ln_buf *out, ln_err *err);

/* Where the store is one of another moment (a backup, a copy): makes it the one of now, before anything of it
** goes on: all is frozen, its live runs wait for people.  Appends to why; nothing: there was nothing to do.
** "store": a process is at work with what was there before. */
bool ln_restore(ln_engine *g, ln_buf *why, ln_err *err);

/* It is to be cancelled, as somebody wants, which is audited.  *running: whoever runs it, this process or
** another, was asked to; else whoever takes it over does. */
bool ln_run_ask_cancel(ln_engine *g, ln_str which, ln_str by, bool *running, ln_err *err);
/* To be called when the store changed (ln_store_changed): has what the runs here wait for (a lock, a signal,
** another run's end) come, or has another process asked one to cancel? */
void ln_runs_look(ln_engine *g);

const char *ln_run_ulid(const ln_run *r);
int64_t ln_run_id(const ln_run *r);
const char *ln_run_state(const ln_run *r); /* "running" "waiting" "completed" "failed" "cancelled" */
uint64_t ln_run_steps(const ln_run *r);                  /* that this process has carried out of it         */
const char *ln_run_outcome(const ln_run *r);             /* "" "complete" "partial" "nothing"               */
const ln_err *ln_run_why(const ln_run *r);
bool ln_run_over(const ln_run *r);                       /* ended, or its attempt broke                     */
/* What it waits for, of the first branch that waits for a person; false: for nothing of that kind. */
typedef struct ln_waiting { char what[16], id[32], step[256], next[320]; int64_t until_ms; } ln_waiting;
bool ln_run_waiting(const ln_run *r, ln_waiting *w);

/* Can nothing go on in this process without somebody else: has every run of it ended, or does it wait for a
** person, a signal, or another run of which that is so? */
bool ln_runs_still(const ln_engine *g);
/* also for the person that a run it waits for waits for */
bool ln_run_waiting_through(const ln_run *r, ln_waiting *w);
/* A person's decision, and the answer of an ask; "conflict", "denied" (four eyes), "not_found", "usage": no
** answer to what was asked. */
bool ln_approval_decide(ln_engine *g, int64_t id, bool yes, ln_str by, ln_str comment, ln_str answer,
                        bool interactive, ln_err *err);
/* Sends a value (encoded, or "": nil) to a run, which takes it with await_signal; its id goes to ulid.
** "not_found", "ambiguous", "conflict": it has ended, "quota". */
bool ln_run_signal(ln_engine *g, ln_str which, ln_str name, ln_str value, ln_str by, char ulid[LN_ULID + 1],
                   ln_err *err);
/* Settles a doubt: step may be empty when there is one.  result: an encoded value or "". */
bool ln_run_settle(ln_engine *g, ln_str which, ln_str step, bool did, ln_str result, ln_str by, ln_err *err);

/* --- taking back (undo.c) --- */
/* What a run that has ended, and those that it began, did to the world, the last first: appends an encoded
** array of { at, before, entity, facet, how, label, op, run, state, step, undo, verdict, why }; `how` is
**   "lift"     `undo` ({ op, args }) takes it back          "cannot"  nothing does: why
**   "note"     neither took nor gave anything: why           "foreign" it was so before
** and `undo`, `label` and `why` are there where they are known.  What was taken back is left out.
** line: of a session that one alone, which has to be over (runs that it began left out); 0: all.
** "conflict": it has not ended. */
bool ln_acts_of(ln_engine *g, ln_str which, int64_t line, ln_buf *out, ln_err *err);
/* The runs that a line of a session began, in the order of its steps: fn as in ln_store_runs.  What they did
** is none of ln_acts_of that line. */
bool ln_line_runs(ln_engine *g, ln_str which, int64_t line, ln_run_fn fn, void *arg, ln_err *err);
/* Starts the run that takes all of that back (stdlib/ledger/undo.lua), on record with who wants it. */
ln_run *ln_undo_start(ln_engine *g, ln_str which, int64_t line, const ln_run_options *o, ln_str by,
                      ln_err *err);

typedef struct ln_release {
  const ln_str *entities;                                /* "vendor:kind:id", or a name: of all vendors     */
  size_t n;
  ln_str run, step;                                      /* with no entities: that one hold                 */
  ln_str why;
} ln_release;
/* Starts the run that lifts holds (stdlib/ledger/release.lua), whoever's they are, on record with who wants
** it and why.  "not_found": nothing of that name is held; "ambiguous" lists what it could mean. */
ln_run *ln_release_start(ln_engine *g, const ln_release *what, const ln_run_options *o, ln_str by,
                         ln_err *err);
/* The leases of an entity, or of a bare name's, end at until_ms instead; *n: how many.  "conflict": one ends
** later than that; "not_found", "ambiguous". */
bool ln_hold_prolong(ln_engine *g, ln_str entity, int64_t until_ms, ln_str by, int64_t *n, ln_err *err);
/* What a name stands for in the ledger: calls fn with each entity.  "not_found", "ambiguous": several of one
** vendor, or of several kinds. */
bool ln_entities_of(ln_engine *g, ln_str name, bool (*fn)(void *arg, ln_str entity), void *arg, ln_err *err);

/* The document of INTERFACE.md, from store and journal. */
bool ln_report_json(ln_engine *g, ln_str which, ln_buf *json, ln_err *err);

/* What a script declares, without running it. */
typedef struct ln_declared {
  char name[128], summary[512], stage[32], alert_input[64]; /* alert_input: the input of type alert, or ""  */
  ln_buf value; /* an encoded object of the declaration's plain parts */
} ln_declared;
bool ln_playbook_declared(ln_engine *g, ln_str playbook, ln_declared *out, ln_err *err);
void ln_declared_free(ln_declared *d);

#endif
