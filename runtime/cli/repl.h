/* repl.h: a prompt: what its parts (input, lines, commands, time travel) share. */
#ifndef LN_CLI_REPL_H
#define LN_CLI_REPL_H

#include "cli/carry.h"
#include "cli/remote.h"

#include "debug/repl.h"

typedef struct ln_input ln_input; /* repl_input.c */

typedef struct ln_repl {
  ln_app *app;
  ln_input *in;
  bool terminal;          /* somebody types, and looks                       */
  ln_run *run;            /* NULL: the serving process carries it            */
  char ulid[LN_ULID + 1]; /* of the session; "": nothing was run yet         */
  int64_t id;             /* of its row                                      */
  int64_t line;           /* how many were sent                              */
  bool planning;          /* writes are only planned                         */
  ln_buf assume;          /* what answers in a plan, an encoded object; "" none */
  ln_approve approve;
  size_t seen;              /* bytes of the journal that were shown            */
  bool over, ended;         /* what is under way; the session itself           */
  int64_t asked;            /* the last question that was put                  */
  char told[256]; /* the step that it was last said to wait for */
  struct ln_travel *travel; /* a past run that is open; NULL: none             */
  int frame;                /* of it: which one is looked at                   */
  int code;                 /* the exit status                                 */
  ln_loop *watching;        /* of scripts, for nothing else; NULL: not here    */
  ln_reload *scripts;
  char snapshot[LN_SNAPSHOT_TEXT]; /* of the process that serves: as last seen */
  int64_t stale_ms;         /* … and how far it said what is broken            */
} ln_repl;

/* --- repl_input.c: where lines come from --- */
ln_input *ln_input_open(ln_repl *r, ln_err *err); /* a terminal has history and completion           */
void ln_input_close(ln_input *in);                /* keeps the history; NULL is welcome              */
typedef enum ln_typed { LN_TYPED_LINE, LN_TYPED_DROPPED, LN_TYPED_END } ln_typed;
/* The next line, without its end, lent until the next one is asked for; DROPPED: by Ctrl-C. */
ln_typed ln_input_line(ln_input *in, const char *prompt, ln_str *line);
int ln_repl_columns(void); /* how wide the output may be                      */
/* Text that is plain by now: page by page on a terminal, else cut where it is long, with a note. */
void ln_repl_put(const ln_repl *r, ln_str text);

/* --- repl_line.c: what runs --- */
void ln_repl_run(ln_repl *r, ln_str text); /* a line, until it is over; shows what came of it */
void ln_repl_end(ln_repl *r);              /* of the session                                  */
void ln_repl_reload(ln_repl *r);
void ln_repl_undo(ln_repl *r); /* the last line of which something is left        */

/* --- repl_scripts.c: the scripts that people edit meanwhile --- */
void ln_repl_watch(ln_repl *r); /* where the system watches no folders they are as they were when it began */
/* What was saved until now is what lines require from here on; what became broken is told.  The session hears
** of it by a line of its own. */
void ln_repl_catch_up(ln_repl *r);
void ln_repl_unwatch(ln_repl *r);

/* --- repl_words.c: what begins with ":" --- */
void ln_repl_command(ln_repl *r, ln_str text);
/* What there is, for ln_repl_complete: connectors, commands, runs, scripts. */
bool ln_repl_known(ln_repl *r, ln_buf *out, ln_err *err);

typedef struct ln_repl_word {
  const char *name, *args, *what;
  void (*fn)(ln_repl *r, ln_str rest);
} ln_repl_word;

/* --- repl_travel.c: a past run that is open --- */
extern const ln_repl_word ln_repl_travel_words[]; /* name NULL: the end                              */
void ln_repl_open(ln_repl *r, ln_str which);      /* shows where it stands; r->travel NULL: it cannot be */
void ln_repl_close_travel(ln_repl *r);
void ln_repl_travel_prompt(ln_repl *r, ln_buf *b);
void ln_repl_travel_eval(ln_repl *r, ln_str text); /* in the frame that is looked at                  */
void ln_repl_put_source(const ln_repl *r, ln_str source); /* repl_words.c: with its lines' numbers          */

#endif
