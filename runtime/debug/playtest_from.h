/* playtest_from.h: a past run as a test: what it was begun with, what its steps came to, and what people
** said.  The test that is made of it (stdlib/sim/from_run.lua) goes through the same scripts with those
** answers, so what it writes is the same until a script is changed. */
#ifndef LN_PLAYTEST_FROM_H
#define LN_PLAYTEST_FROM_H

#include "engine/engine.h"

/* Appends an encoded object { playbook, run, by, state, outcome, code, input, recorded, answers }:
** recorded: step name -> { ok, state, value }, or { ok, state, encoded } (base64) where Lua has no words for
** the value; answers: [{ kind, title, yes, by, answer }].  "not_found", "ambiguous";
** "conflict": it has not ended. */
bool ln_playtest_from(ln_engine *g, ln_str which, ln_buf *out, ln_err *err);
/* Makes the file's text of that.  written: of each write that the test makes, { args, op, step } (an encoded
** array); "": not known yet. */
bool ln_playtest_text(ln_engine *g, ln_str from, ln_str written, ln_buf *out, ln_err *err);

/* The text of a playbook's first test, from its declaration: it runs it with an input of the declared types.
** file: the test's own name; ended: how that run ends, "" not known yet. */
bool ln_playtest_skeleton(ln_engine *g, ln_str declared, ln_str file, ln_str ended, ln_buf *out, ln_err *err);

#endif
