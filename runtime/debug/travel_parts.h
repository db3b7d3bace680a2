/* travel_parts.h: what the parts of time travel share: travel.c goes, travel_stop.c knows where to stop,
** travel_look.c shows frames and evaluates, travel_show.c shows values, travel_fork.c makes another run. */
#ifndef LN_TRAVEL_PARTS_H
#define LN_TRAVEL_PARTS_H

#include "debug/travel.h"
#include "engine/library.h"
#include "engine/replaying.h"

#include <pthread.h>
#include <stdatomic.h>

typedef struct travel_stop { /* a breakpoint */
  int64_t id, line;
  bool met;                              /* in this pass */
  char *path, *module, *condition, *log; /* path: as the chunk is named */
} travel_stop;

typedef struct travel_body {
  char *path, *step;
  int64_t first, last;
} travel_body; /* that was not run again */

typedef enum travel_aim {
  AIM_AT,    /* line number `at` */
  AIM_STEP,  /* the first line after `step` answers */
  AIM_LINE,  /* the next line of `thread`, no deeper than `deep` */
  AIM_BREAK, /* a breakpoint */
  AIM_END
} travel_aim;

typedef struct travel_goal {
  travel_aim aim;
  int64_t at, step, thread; /* thread 0: any */
  size_t deep;
  bool family;                      /* AIM_LINE: its children's lines, too */
  bool stops;                       /* at breakpoints on the way, too */
  int64_t before;                   /* not 0: a search for the last such line before */
  int64_t found, found_stop, first; /* what it found; the first line of `thread` */
} travel_goal;

struct ln_travel {
  ln_engine *g;
  ln_past past;
  ln_snapshot *scripts;
  /* The pass: it has a thread of its own, which stands within a hook of Lua's while the caller has the turn:
  ** they never run at the same time, so neither the state nor the engine is locked. */
  ln_replay x;
  ln_run *r; /* NULL: it could not be begun */
  pthread_t thread;
  bool threaded, over; /* over: the run has ended, or stopped */
  pthread_mutex_t lock;
  pthread_cond_t turn;
  bool theirs;       /* the pass's turn; under lock */
  atomic_bool pause; /* ln_travel_interrupt */
  bool leaving;      /* the pass is to be given up */
  bool busy;         /* the pass's thread asks for a condition */
  travel_goal goal;
  int64_t at, line;
  size_t base_depth; /* of the run's first line */
  ln_stand_why why;
  int64_t stop; /* the breakpoint it stands at */
  bool changed;
  ln_buf note, out, guest_out;
  bool says;    /* what is printed goes to out */
  char **names; /* of branches: their threads are 1 … */
  size_t n_names;
  const ln_branch *seen; /* the branch of the last line, and its thread */
  int64_t seen_thread;
  travel_stop *stops;
  size_t n_stops;
  int64_t last_id;
  travel_body *bodies;
  size_t n_bodies;
  int64_t refs, refs_before; /* values shown: the last ref; that of before here */
  int refs_ref;              /* registry: the list of them; LUA_NOREF: none */
};

/* A Lua frame. */
typedef struct travel_frame {
  lua_State *co;
  int level;
  int64_t id, line;
  char name[80];
  char path[LN_ERR_TEXT]; /* as its chunk is named */
} travel_frame;

enum { TRAVEL_FRAMES = 1000, TRAVEL_CHAIN = 64 };

/* travel.c */
int64_t travel_thread_of(ln_travel *t, const ln_branch *b); /* 0: no memory */
const ln_branch *travel_branch(ln_travel *t, int64_t thread); /* NULL: gone */
/* The branch whose line it stands at, or, at an end that waits, the first that waits; NULL: none. */
const ln_branch *travel_current(ln_travel *t);
const char *travel_module(const ln_travel *t, ln_str path); /* of a chunk's name; "": none */
/* The script that a person means: its index in the snapshot.  False: "not_found", "ambiguous". */
bool travel_script(ln_travel *t, ln_str file, size_t *i, ln_err *err);
bool travel_source(ln_travel *t, size_t i, ln_str *source, ln_str *path, ln_err *err); /* path: as shown */
ln_str travel_line(ln_travel *t, ln_str path, int64_t line); /* its text; empty: there is none */
void travel_note(ln_travel *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Calls fn in the VM, protected and bounded. */
bool travel_guest(ln_travel *t, lua_CFunction fn, void *arg, ln_err *err);
/* travel_stop.c */
/* Of a line that is about to be run: the breakpoint that stops it there; 0: none. */
int64_t travel_stops_at(ln_travel *t, lua_State *L, int64_t line);
void travel_stops_free(ln_travel *t);
/* A step's own body is not run again: what there is in it cannot be met. */
void travel_on_ask(void *travel, ln_effect *e);
void travel_end_note(ln_travel *t); /* at the end: breakpoints that could not be met */
/* travel_look.c */
size_t travel_depth(ln_travel *t); /* of what runs: frames of all its coroutines */
size_t travel_depth_of(ln_travel *t, const ln_branch *b); /* from its innermost Lua frame on */
/* The frames of a branch, the innermost first; how many. */
size_t travel_frames(ln_travel *t, const ln_branch *b, travel_frame *out, size_t most);
/* Evaluates in a frame (co NULL: globals only): appends the text of the first result (a string as it is), or,
** shown, a value to look at.  *truth: is it true? */
bool travel_evaluate(ln_travel *t, const travel_frame *f, ln_str text, bool shown, ln_buf *doc, bool *truth,
                     ln_err *err);
/* travel_show.c: in the VM, as a guest */
/* Appends { count, name, positions, ref, text, type }; result: with out, results and, where it is plain,
** value. */
void travel_show(ln_travel *t, lua_State *L, int idx, ln_str name, ln_buf *doc);
void travel_show_result(ln_travel *t, lua_State *L, int idx, int64_t results, ln_buf *doc);
void travel_text(lua_State *L, int idx, size_t most, ln_buf *out); /* on one line */

#endif
