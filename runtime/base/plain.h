/* plain.h: text from outside, for people's eyes.  What a terminal would obey, and what hides, turns or breaks
** a line, is spelt out, so that a value shows as what it is and cannot pass for something else. */
#ifndef LN_PLAIN_H
#define LN_PLAIN_H

#include "base/buf.h"

/* Appends s.  Control characters of both sets, marks of direction, invisible characters and line breaks
** become \u001b and the like (as JSON spells them, so that JSON stays JSON), bytes that are no UTF-8 \x9b.
** `lines`: a line end stays one.  False: out is full. */
bool ln_plain(ln_buf *out, ln_str s, bool lines);

/* Appends s as one word of a command line, quoted for a shell where it must be: for commands that people are
** told to give.  False, and nothing appended: it cannot be shown as it is, or out is full. */
bool ln_shell_word(ln_buf *out, ln_str s);

#endif
