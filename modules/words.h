/* words.h: the words of a playbook, in C: what every run loads. */
#ifndef LN_WORDS_H
#define LN_WORDS_H

#include "engine/inside.h"

#include <lauxlib.h>

void lnL_open_words(lua_State *L);                       /* a VM will know them */

/* of a run that plans: what instrumented scripts call, and library functions that decide nothing on what is
** not known */
void lnL_opaque_words(lua_State *L);

int lnL_flow(lua_State *L); /* (name, uses, run, args), for modules/connector.c */
int lnL_await_line(lua_State *L);                        /* () → a session's next line; nil: there is none  */
int lnL_session(lua_State *L);                           /* the root branch of a session                    */
int lnL_opaque_word(lua_State *L);                       /* (what), for flows: likewise                     */

/* one function a word; each file registers its own */
extern const luaL_Reg lnL_list_words[], lnL_branch_words[], lnL_wait_words[], lnL_note_words[],
    lnL_chance_words[], lnL_page_words[], lnL_site_words[], lnL_run_words[];

/* What stands at idx (1 to 3) must be that, else bad_argument says so, and how the word is used, which is
** `usage`: "not_done(what, why)".  An opaque value is anything, and else ends the branch. */
LN_RAISES void lnL_want(lua_State *L, int idx, int type, const char *usage); /* LUA_TNONE: anything      */
LN_RAISES ln_str lnL_want_text(lua_State *L, int idx, const char *usage); /* or a number; lent by the stack */
LN_RAISES int64_t lnL_want_integer(lua_State *L, int idx, const char *usage);
LN_RAISES int64_t lnL_check_ms(lua_State *L, int idx, const char *what);
/* The duration that the options at t have under key, in ms.  word: whose options they are. */
LN_RAISES int64_t lnL_option_ms(lua_State *L, const char *word, int t, const char *key, int64_t otherwise);
/* title, detail, quorum, expires into e->args */
LN_RAISES void lnL_question_args(lua_State *L, int opts, ln_effect *e);

#endif
