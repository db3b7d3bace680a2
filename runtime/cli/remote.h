/* remote.h: what a command does where another process serves the store: asks it over its socket, and follows
** a run in the store's journal. */
#ifndef LN_REMOTE_H
#define LN_REMOTE_H

#include "cli/app.h"
#include "engine/journal.h"
#include "engine/reload.h"

typedef struct ln_following {
  bool json, quiet;
  ln_approve approve; /* of what waits for a person, see ln_carry_answer */
  bool plan;
  bool until_end;                                        /* also while it waits for a person                */
} ln_following;

/* Shows a run from its beginning until it has ended, or waits for a person; then its report.  *state (of 16
** bytes, may be NULL): as its row has it then.  The exit status. */
int ln_follow(ln_app *app, const char *ulid, const ln_following *how, char *state);

/* What an entry says to whoever watches; false: nothing. */
bool ln_remote_event(const ln_entry *e, ln_event *out);
/* Calls fn with each entry of a run's journal after the first *seen bytes, and counts those.  False: err. */
bool ln_remote_entries(ln_app *app, int64_t run, size_t *seen, void (*fn)(void *arg, const ln_entry *e),
                       void *arg, ln_err *err);

/* A playbook that is named by its path, for the process that serves, which may have no right to read it: its
** text.  ln_remote_script reads it ("", and true, where it is a name), ln_remote_source puts it into a
** request. */
bool ln_remote_script(ln_str path, ln_buf *text, ln_err *err);
void ln_remote_source(ln_buf *b, ln_str path, const ln_buf *text);
/* Asks for one thing (an encoded object) and takes the run that is answered; empty: none.  False: err. */
bool ln_remote(ln_app *app, ln_str request, char ulid[LN_ULID + 1], ln_err *err);
/* What a playbook declares, as the process that serves the store has it: its scripts may be others than those
** on the disk.  That some of them are, is said on standard error.  Free d by ln_declared_free in any case. */
bool ln_remote_declared(ln_app *app, ln_str playbook, const ln_buf *text, ln_declared *d, ln_err *err);
/* A script that is not used as it is on the disk, on standard error. */
void ln_app_say_stale(const ln_stale *s);
enum { LN_SNAPSHOT_TEXT = 80 };
/* Says so of all that the process that serves the store has not got since *since (in milliseconds since 1970;
** 0: ever), which becomes the time of the last of these; and with what its next run would begin.  Both stay
** as they are where nobody answers. */
void ln_remote_say_stale(ln_app *app, int64_t *since, char snapshot[LN_SNAPSHOT_TEXT]);
/* A person's answer to a question, by this process where nobody serves; "conflict", "denied", "not_found". */
bool ln_remote_decide(ln_app *app, int64_t id, bool yes, ln_str comment, ln_str answer, ln_err *err);
/* Parts of a request, in the order of their keys. */
void ln_remote_text(ln_buf *b, const char *key, ln_str text);
const char *ln_remote_approve(ln_approve approve);       /* the word for it                                 */
void ln_remote_flag(ln_buf *b, const char *key, bool flag);
void ln_remote_value(ln_buf *b, const char *key,
                     ln_str encoded); /* "" : null                               */

#endif
