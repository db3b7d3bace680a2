/* faults_parts.h: what the files faults*.c share.  A story is one going-through of a case, in a process of
** its own (a child), which tells its parent what it saw by memory that both have (a trace). */
#ifndef LN_FAULTS_PARTS_H
#define LN_FAULTS_PARTS_H

#include "debug/faults.h"
#include "engine/journal.h"
#include "engine/run.h"

#include <setjmp.h>

enum {
  LN_F_REQUESTS = 1024,
  LN_F_COMMITS = 1024,
  LN_F_STEPS = 512,
  LN_F_VENDORS = 32,
  LN_F_FACETS = 128,
  LN_F_OP = 96,
  LN_F_TOLD = 16 << 10,
  LN_F_FACTS = 64 << 10,
  LN_F_LIVES = 3
};

typedef struct ln_f_request {
  char step[LN_FAULTS_STEP], vendor[32], op[64]; /* step "": nobody's, such as a token */
  int of_vendor, of_step;                        /* it is its Nth */
} ln_f_request;

typedef struct ln_f_commit {
  char step[LN_FAULTS_STEP];
  int others;
} ln_f_commit; /* others: steps beside it */

typedef struct ln_f_trace {   /* what a story tells */
  bool finished, hit;         /* hit: as the cell says */
  uint64_t trace;             /* of the journal */
  char wrong[LN_FAULTS_TEXT]; /* "" */
  ln_f_request request[LN_F_REQUESTS];
  ln_f_commit commit[LN_F_COMMITS];
  char done[LN_F_STEPS][LN_F_OP]; /* operations of writes that were done */
  size_t requests, commits, dones, effects;
  char state[16], outcome[16];
  char told[LN_F_TOLD]; /* what was not done, and warnings: a line each */
  int doubts, lives, approvals;
  char facts[LN_F_FACTS]; /* what the vendors have at the end: sorted lines */
} ln_f_trace;

typedef enum ln_f_kind { LN_F_FAULT, LN_F_SENT, LN_F_ACTED, LN_F_BEFORE, LN_F_AFTER } ln_f_kind;

typedef struct ln_f_cell { /* where it is hit, and by what */
  ln_f_kind kind;
  size_t at;               /* of the trace's requests, or commits */
  const char *name, *spec; /* spec: of a fault, as the simulators spell it */
} ln_f_cell;

typedef struct ln_f_deed {
  char step[LN_FAULTS_STEP];
  int acted, lives;
  size_t last_life;
} ln_f_deed;

typedef struct ln_f_facet {
  ln_str vendor, name;
} ln_f_facet;

typedef enum ln_f_told { LN_F_NOTHING, LN_F_END, LN_F_BROKEN, LN_F_DOUBT, LN_F_STUCK } ln_f_told;

typedef struct ln_story {
  ln_simset *set;
  const ln_faults_case *c;
  const ln_f_cell *cell;  /* NULL: nothing is hit */
  const ln_f_trace *base; /* of the story without a fault; NULL: this is it */
  ln_f_trace *out;
  uint64_t seed;
  bool verbose;
  /* a life */
  ln_engine *g;
  size_t life;
  int64_t now_ms;
  ln_rand rand[LN_F_LIVES];
  jmp_buf out_of_life;
  ln_timer people, stuck;
  ln_f_told told;
  char doubt[LN_FAULTS_STEP], doubtful[LN_ULID + 1]; /* the step, and whose */
  /* the run under way: the last one is hit */
  size_t at;
  bool hitting, begun, begun_anew;
  char ulid[LN_ULID + 1];
  int64_t run_id, last_id;
  bool waits; /* it has not ended */
  /* records */
  ln_store_watch watch;
  ln_buf going, committed; /* entries of the run: in the commit, on the disk */
  ln_f_deed deed[LN_F_STEPS];
  size_t deeds;
  struct {
    const char *name;
    int calls;
  } vendor[LN_F_VENDORS];
  ln_buf facts;                  /* of the vendors, before the first run */
  ln_buf facets[LN_F_VENDORS];   /* what `facet` points into */
  ln_f_facet facet[LN_F_FACETS]; /* of which the vendors say all */
  size_t n_facets;
  const char *folder; /* of files */
  int files;          /* that were there before */
} ln_story;

/* The first thing that is wrong counts. */
void ln_story_wrong(ln_story *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* faults_life.c: goes through it; then ln_story_check, in the last of its lives. */
void ln_story_live(ln_story *s);
const ln_f_deed *ln_story_deed(const ln_story *s, ln_str step); /* NULL: the vendors know nothing of it */
/* faults_net.c: a process's way to the vendors. */
ln_transport *ln_story_network(ln_story *s, ln_loop *l, ln_err *err);
void ln_story_die(ln_story *s) __attribute__((noreturn));
/* faults_check.c */
void ln_story_check(ln_story *s);
/* What the vendors have now: sorted lines "ENTITY\tFACET\tSTATE\n". */
bool ln_story_facts(ln_story *s, ln_buf *out, ln_err *err);
int ln_story_files(const ln_story *s); /* in the folder, now */

#endif
