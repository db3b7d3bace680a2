/* carry.h: carries one run in the foreground: shows it, asks at the terminal, stops on Ctrl-C, ends with its
** exit status. */
#ifndef LN_CARRY_H
#define LN_CARRY_H

#include "cli/app.h"

typedef struct ln_carrying {
  ln_app *app;
  ln_run *run;                                           /* set after ln_run_start */
  bool json, quiet, ask;                                 /* ask: prompt at the terminal */
} ln_carrying;

/* for ln_run_options.event, with arg = ln_carrying */
void ln_carry_event(void *arg, ln_run *r, const ln_event *e);
void ln_carry_show(const ln_event *e);                   /* a line on standard output */
void ln_carry_asks(ln_str title, int64_t id);            /* the line of a question */
/* What was typed; answer: to an ask, within line. */
typedef struct ln_said {
  char line[512];
  bool yes;
  ln_str answer;
} ln_said;
/* Puts a question to the terminal.  False: there is none, or nobody answered. */
bool ln_carry_prompt(ln_app *app, int64_t approval, ln_said *said);
bool ln_carry_refused(ln_app *app, const ln_buf *doc); /* has a run's document a step that was refused? */
/* a run's document, as it is, or for people */
void ln_carry_report(ln_app *app, bool json, const ln_buf *doc);
int ln_carry(ln_carrying *c); /* until it has ended or waits; prints what is due; the exit status */

#endif
