/* vm_lib.h: what vm.c and the deterministic library (lib_*.c) share. */
#ifndef LN_VM_LIB_H
#define LN_VM_LIB_H

#include "engine/vm.h"

#include <lauxlib.h>

/* --- the attempt's end ---------------------------------------------------------------------------------- */

/* A protected call came back with an error, whose value is on top: is it the attempt's end, and no error
** of the language?  handled: a message handler of the author's has seen the value. */
bool lnL_fatal(lua_State *L, int status, bool handled);
int lnL_give_up(lua_State *L);                  /* leaves the VM for good; the last thing a C function does */
void lnL_note_raised(lua_State *L, int idx);      /* the author raises this value: it is no failure of ours */
void lnL_note_caught(lua_State *L);                      /* … and has it back                               */

/* --- coroutines of the author --------------------------------------------------------------------------- */

typedef struct ln_link {                                 /* one resume under way, on the C stack */
  lua_State *from;
  struct ln_link *up;
  bool blocked;                                          /* `from` could not yield when it resumed */
} ln_link;

bool lnL_in_author_coroutine(lua_State *L);
bool lnL_busy(lua_State *co);                           /* a core wait passes through it: only that ends it */
void lnL_set_busy(lua_State *co, bool busy);
int lnL_resume(lua_State *L, lua_State *co, int nargs, int *nres); /* lua_resume, with the chain kept */
int lnL_close_thread(lua_State *L, lua_State *co);       /* lua_resetthread: nothing in it can wait */
bool lnL_core_yield(lua_State *L);                       /* was the last yield the core's? */
int lnL_pass_up(lua_State *L, lua_KContext ctx, lua_KFunction k); /* gives it to whoever resumed L */
bool lnL_closing(lua_State *L);

/* --- the library ---------------------------------------------------------------------------------------- */

/* A global of the library that nobody touched yet: a function, or a frozen view of a library.
** [-0, +1 or 0, m] */
bool lnL_push_own(lua_State *L, ln_str name);
const char *lnL_own_name(size_t i);                      /* the names of all of them; NULL: no more */
void lnL_open_texts(lua_State *L);                       /* texts have methods */
extern const luaL_Reg ln_lib_base[], ln_lib_coroutine[], ln_lib_wrapped[], ln_lib_string[], ln_lib_table[];
const char *lnL_lib_name(lua_CFunction f);               /* "gsub"; NULL: not of the library */
const char *lnL_absent(ln_str name);                   /* why a stock global is not there; NULL: it is none */
int lnL_xpcall_handler(lua_State *L);
void lnL_hide_mode(lua_State *L);                  /* no table of the state's scripts is weak  [-0, +0, m] */
void lnL_make_env(lua_State *L);
void lnL_push_env(lua_State *L);                         /* what playbooks run in  [-0, +1, -]              */
bool lnL_is_env(lua_State *L, int idx);                  /* the globals, or what playbooks see of them      */

/* Numbers without NaN, texts or booleans, to be put in order. */
typedef struct ln_order {
  enum { LN_ORDER_INTEGER, LN_ORDER_FLOAT, LN_ORDER_TEXT, LN_ORDER_BOOLEAN } kind;
  uint32_t at;                                           /* which it was: a tie keeps that order */
  union {
    lua_Integer i;
    lua_Number f;
    ln_str s;                                            /* lent                                            */
  } u;
} ln_order;

bool lnL_read_order(lua_State *L, int idx, ln_order *o); /* false: something else                           */
int ln_order_compare(const ln_order *a, const ln_order *b);
void ln_order_sort(ln_order *v, size_t n);

ln_global_fn ln_vm_global(const ln_vm *vm);
ln_print_fn ln_vm_print(const ln_vm *vm);
int64_t ln_vm_number(ln_vm *vm); /* the next object's number, or the next aside */
bool ln_vm_is_aside(const ln_vm *vm);
bool lnL_held(lua_State *L); /* see ln_vm_aside */

/* --- a buffer that survives a yield: its bytes are a userdata in a slot of the caller's frame ----------- */

typedef struct ln_text { char *p; size_t n, cap; int slot; } ln_text;

void lnL_text_init(ln_text *t, int slot);                /* the slot exists, and is the buffer's now */
/* The same, with n bytes to begin with: not across a yield. */
void lnL_text_lend(ln_text *t, int slot, char *p, size_t n);
char *lnL_text_room(lua_State *L, ln_text *t, size_t n); /* n bytes at the end  [-0, +0, m] */
void lnL_text_add(lua_State *L, ln_text *t, ln_str s);
void lnL_text_push(lua_State *L, const ln_text *t);      /* as a string  [-0, +1, m] */

#endif
