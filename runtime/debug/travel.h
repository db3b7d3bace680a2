/* travel.h: a past run, or one that waits, gone through again and stopped anywhere: forwards and
** backwards, by line and by step, with its frames and values, and what one types evaluated in them.
**
** It is a replay (engine/replay.h): the scripts are those of the run's snapshot, every answer is the one
** that was recorded, nothing is sent and nothing is written.  The engine may have a store that is only
** looked at, of which another process is the owner.
**
** A *point* is a line of a script that is about to be run.  Its `at` counts such lines from the start,
** over all branches: the same line has the same number each time, so points can be kept, and gone back to.
** A *step* is an answer that came in: number N of the list of steps, from 1.  The last point is the end:
** where a run ended, or stopped, nothing is about to be run; of one that waits, the frames that wait are
** still there.
**
** Going back is going through it again from its start.  What one changed by evaluating is gone then.
**
** Every call returns when the run stands again.  All but ln_travel_interrupt are for one thread at a time.
** *Documents* are encoded values (engine/value.h); their texts may hold any bytes unless said otherwise. */
#ifndef LN_TRAVEL_H
#define LN_TRAVEL_H

#include "engine/run.h"

typedef struct ln_travel ln_travel;

/* Opens a run, by its id or what begins it.  It stands before its first line (`at` 0).  NULL: "not_found",
** "ambiguous", "store" (its snapshot or journal is missing or damaged), "bad_argument" (its scripts no longer
** begin), "memory". */
ln_travel *ln_travel_open(ln_engine *g, ln_str which, ln_err *err);
void ln_travel_close(ln_travel *t); /* NULL is welcome */

/* --- where it stands --- */

typedef enum ln_stand_why {
  LN_STANDS_START,  /* nothing was run yet */
  LN_STANDS_POINT,  /* where it was told to go */
  LN_STANDS_BREAK,  /* at a breakpoint: `breakpoint` */
  LN_STANDS_PAUSED, /* interrupted */
  LN_STANDS_END     /* the end: `end` says how */
} ln_stand_why;

typedef struct ln_standing { /* texts are good until the next call that goes */
  ln_stand_why why;
  int64_t at;          /* its number; 0 at the start, one more than the last at the end */
  int64_t step, steps; /* answers that have come in; of the journal */
  ln_str branch;       /* whose line it is; "" the root */
  int64_t thread;      /* … as ln_travel_threads numbers it */
  ln_str path, module; /* of the script; empty at start and end */
  int64_t line;        /* 0: none */
  ln_str text;         /* that line of the pinned source */
  int64_t breakpoint;  /* its id; 0: none */
  const char *end; /* "completed" "failed" "cancelled" "waits" "stopped" "diverged"; NULL: not at the end */
  ln_str note;  /* what one should know, in words, as that a step's body was not entered; "" nothing */
  bool changed; /* an evaluation may have changed what is here */
} ln_standing;
void ln_travel_where(ln_travel *t, ln_standing *s);

/* The run: { run, playbook, snapshot, state, outcome, input, result, error, ends, why }; ends, and why (of
** what stopped it, or of a divergence), at its end only; result and error are there what it came to here. */
bool ln_travel_about(ln_travel *t, ln_buf *doc, ln_err *err);
/* The steps: an array of { n, name, op, class, ok, state, where, asked, at }; where: "FILE:LINE"; asked, at:
** when, in milliseconds since 1970. */
bool ln_travel_steps(ln_travel *t, ln_buf *doc, ln_err *err);
/* What step n answered, as a value to look at (see below); "not_found": there is no such step. */
bool ln_travel_answer(ln_travel *t, int64_t n, ln_buf *doc, ln_err *err);

/* --- going --- */

typedef enum ln_go {
  LN_GO_NEXT,      /* the next line of this branch, not into functions that are called */
  LN_GO_INTO,      /* … or into them */
  LN_GO_OUT,       /* the next line of who called this function */
  LN_GO_BACK,      /* the line of this branch before this one, not into functions */
  LN_GO_BACK_INTO, /* … or into them */
  LN_GO_BACK_OUT,  /* the line that called this function */
  LN_GO_CONTINUE,  /* to the next breakpoint, or the end */
  LN_GO_REVERSE    /* to the last breakpoint before here, or the start */
} ln_go;
/* `thread`: of which branch (ln_travel_threads); 0, or one that is not there: of the one that runs.  Where
** the branch ends, it goes on with whichever line is run next.  At the start there is nothing before,
** and at the end nothing after: it stays, and the note says so.  False: "memory", "store"; it stands at the
** start then. */
bool ln_travel_go(ln_travel *t, ln_go how, int64_t thread, ln_err *err);
/* To the first line that is run after answer `step` came in; 0: the first line of all.  "not_found". */
bool ln_travel_goto(ln_travel *t, int64_t step, ln_err *err);
bool ln_travel_at(ln_travel *t, int64_t at, ln_err *err); /* to a point; past the end: to the end */
bool ln_travel_end(ln_travel *t, ln_err *err);
/* From any thread, or a signal handler: the call under way, else the next one, ends soon: it stands where
** it has come to ("paused"), or the evaluation fails ("cancelled"). */
void ln_travel_interrupt(ln_travel *t);

/* --- breakpoints: kept until the run is closed --- */

typedef struct ln_break {
  ln_str file; /* a path, the end of one, or a module's name */
  int64_t line;
  ln_str condition; /* an expression; "": always.  One that raises counts as true: the note says why */
  ln_str log;       /* not empty: it does not stop there, and says this, with {expressions} in it */
} ln_break;
/* Its id; one that was on that line is gone.  0: "not_found", "ambiguous" (no such script in the snapshot, or
** several); "no_code": nothing of that line is run, *near is the nearest that is (0: none); "syntax": the
** condition, or an expression in log. */
int64_t ln_travel_break(ln_travel *t, const ln_break *b, int64_t *near, ln_err *err);
bool ln_travel_unbreak(ln_travel *t, int64_t id); /* false: there is none of that id */
/* An array of { id, path, module, line, condition, log }. */
bool ln_travel_breaks(ln_travel *t, ln_buf *doc, ln_err *err);

/* What the script printed and logpoints said on the way of the last call that went forwards, a line each;
** taken away by this.  64 KiB at most, then it says that there was more. */
bool ln_travel_output(ln_travel *t, ln_buf *out, ln_err *err);

/* --- what is there --- */

/* The branches that are there: an array of { id, name, state, waits, current }; state: "runs" "ready" "waits"
** "joins"; waits: the name of the step whose answer it waits for. */
bool ln_travel_threads(ln_travel *t, ln_buf *doc, ln_err *err);
/* The frames of a branch (0: the current one), the innermost first: an array of { id, name, path, module,
** line }. Functions of the core are left out.  Ids are good until it goes. */
bool ln_travel_frames(ln_travel *t, int64_t thread, ln_buf *doc, ln_err *err);

typedef enum ln_scope { LN_LOCALS, LN_UPVALUES, LN_GLOBALS } ln_scope;
/* The variables of a frame (0: the innermost), as an array of *values to look at*:
**   { name, text, type, ref, count, positions }
** text: the value on one line, as Lua spells it, cut where it is long, always UTF-8; ref: for
** ln_travel_members, 0 where there is nothing in it; count: how many members it has, positions: how many
** of those are at 1..n. LN_GLOBALS: what scripts added, and the words that were touched. */
bool ln_travel_scope(ln_travel *t, int64_t frame, ln_scope which, ln_buf *doc, ln_err *err);
/* Its members, from `from` (0 is the first) on, `most` at most (0: 1,000): in the order of pairs.
** "not_found": the ref is of another point. */
bool ln_travel_members(ln_travel *t, int64_t ref, size_t from, size_t most, ln_buf *doc, ln_err *err);
/* Evaluates an expression, or statements, in a frame (0: the innermost): reads its locals, upvalues and
** globals; what is assigned to a local or an upvalue takes effect.  doc: a value to look at (of the first
** result), with `value`, the result encoded, where it is plain and below 1 MiB, `results` (how many) and
** `out`, what was printed.  Effects are refused.  False: what it raised; "syntax"; "cpu" (2 s), "memory"
** (64 MiB), "cancelled", "refused"; the run stands as before. */
bool ln_travel_eval(ln_travel *t, int64_t frame, ln_str text, ln_buf *doc, ln_err *err);
/* How the locals and upvalues of the innermost frames of two points differ: an array of { name, before,
** after }, a name being a path ("user.groups[2].name"), a side its text, or nil where it is not there;
** 1,000 at most. It stands where it stood. */
bool ln_travel_diff(ln_travel *t, int64_t at, int64_t other, ln_buf *doc, ln_err *err);
/* A script as it was pinned, by path, the end of one, or module: { file, module, path, source }; file:
** where it was then; path: as people know it.  "not_found". */
bool ln_travel_source(ln_travel *t, ln_str file, ln_buf *doc, ln_err *err);
bool ln_travel_sources(ln_travel *t, ln_buf *doc, ln_err *err); /* all: an array of { module, path } */

/* --- another run from here --- */

typedef struct ln_fork_options {
  const char *with; /* a folder whose scripts win over the run's own; NULL: its own snapshot */
  ln_str snapshot;  /* or what was taken with it, by its hash, in the store; "": with says */
  bool act;         /* it is no plan: what it writes is written */
  ln_str assume;    /* what answers in a plan, as of ln_run_options; "" none */
  ln_str by;        /* who wants it, for the audit record */
} ln_fork_options;
/* Makes a run that shares the journal up to here: the answers that have come in are taken over; what was
** under way is asked anew.  It is a run of its own: what was written before was not its doing, it holds
** nothing, and no approval is taken over.  Its journal says what it was forked from.  `w` is an engine
** that may write to the store (it may be another one than t's).  The row waits for who resumes it
** (ln_run_resume); its id goes to ulid. "conflict": the run was being cancelled there; "syntax",
** "not_found": of the scripts in `with`. */
bool ln_travel_fork(ln_travel *t, ln_engine *w, const ln_fork_options *o, char ulid[LN_ULID + 1],
                    ln_err *err);
typedef struct ln_fork_point {
  int64_t step, at; /* as of ln_standing, where somebody stands; at is for the record */
} ln_fork_point;
/* The same for one who stands in a run of w's store with another engine: nothing is gone through for it. */
bool ln_fork_at(ln_engine *w, ln_str which, const ln_fork_point *p, const ln_fork_options *o,
                char ulid[LN_ULID + 1], ln_err *err);

#endif
