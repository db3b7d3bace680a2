/* carry.h: carries one run in the foreground: shows it, asks at the terminal, stops on Ctrl-C, ends with its
** exit status. */
#ifndef LN_CARRY_H
#define LN_CARRY_H

#include "cli/app.h"

typedef struct ln_carrying {
  ln_app *app;
  ln_run *run;                                           /* set after ln_run_start */
  bool json, quiet;
  ln_approve approve; /* of what waits for a person, see ln_carry_answer */
} ln_carrying;

/* for ln_run_options.event, with arg = ln_carrying */
void ln_carry_event(void *arg, ln_run *r, const ln_event *e);
void ln_carry_show(const ln_event *e);                   /* a line on standard output */
void ln_carry_asks(ln_str title, int64_t id);            /* the line of a question */
void ln_carry_awaits(ln_str step, ln_str next);          /* … of a signal that somebody is to send */
/* "ask", "deny" or "all"; false: another word. */
bool ln_carry_approve(const char *word, ln_approve *out);
/* "all" only against simulators, or where all that it can reach is near; false: said so on standard error. */
bool ln_carry_may_approve(const ln_app *app, ln_approve approve, bool near);
/* Answers a question: as was said with the command (ALL has no answer for an ask), or at the terminal.  True:
** it is decided, by whomever; false: it waits for somebody else, and what went wrong was said. */
bool ln_carry_answer(ln_app *app, ln_approve how, int64_t approval);
bool ln_carry_refused(ln_app *app, const ln_buf *doc); /* has a run's document a step that was refused? */
/* a run's document, as it is, or for people */
void ln_carry_report(ln_app *app, bool json, const ln_buf *doc);
int ln_carry(ln_carrying *c); /* until it has ended or waits; prints what is due; the exit status */

#endif
