/* vm.h: one sandboxed Lua state a run: a memory cap, a slice after which others get a turn, a CPU budget that
** ends a runaway, and the deterministic library.  Memory, budget, stack and being stopped are not errors of
** the language: they end the attempt ("killed"), and our pcall, xpcall and coroutine.* let them through. */
#ifndef LN_VM_H
#define LN_VM_H

#include "base/buf.h"
#include "base/err.h"

#include <lua.h>
#include <stdatomic.h>

typedef struct ln_vm ln_vm;

typedef struct ln_vm_limits {
  size_t memory;                                         /* bytes, all of the state                         */
  int64_t slice_us;                                      /* CPU until others get a turn                     */
  int64_t cpu_us;                                        /* CPU between two effects of a branch             */
} ln_vm_limits;

typedef enum ln_vm_turn {
  LN_VM_RETURNED,                                        /* the function returned: results on co            */
  LN_VM_ASKED,                                           /* it waits: an effect was asked (lnL_wait)        */
  LN_VM_SLICE, /* its slice is over: resume it again with 0 arguments, no other branch before it */
  LN_VM_RAISED,                                          /* a Lua error: its value is on top of co          */
  LN_VM_KILLED /* the attempt is over; err says why and at which line */
} ln_vm_turn;

ln_vm *ln_vm_new(const ln_vm_limits *l, ln_err *err);    /* globals: the deterministic library only         */
void ln_vm_free(ln_vm *vm);
lua_State *ln_vm_main(ln_vm *vm);                        /* never runs playbook code itself                 */
ln_vm *ln_vm_of(lua_State *L);                           /* from any state or coroutine of it               */
void **ln_vm_user(ln_vm *vm);                            /* a slot for the engine                           */
size_t ln_vm_memory(const ln_vm *vm);                    /* bytes in use                                    */

/* Resumes a branch's coroutine with nargs values on its stack. */
ln_vm_turn ln_vm_resume(ln_vm *vm, lua_State *co, int nargs, int *nres, ln_err *err);
/* The branch about to run (or running) has used this much CPU since its last effect; brought up to date after
** each turn, and set to 0 by one that ended in LN_VM_ASKED.  Without it the VM counts for itself. */
void ln_vm_fresh_budget(ln_vm *vm, int64_t *cpu_used_us);
void ln_vm_interrupt(
    ln_vm *vm); /* from any thread or signal: the turn, or the next one, is KILLED "cancelled" */

/* Runs fn protected on the main state, outside of any slice, with memory errors as values: for the core's own
** pushing into a capped state.  False: err "memory". */
bool ln_vm_protect(ln_vm *vm, lua_CFunction fn, void *arg, ln_err *err);

/* In a C function called by a playbook: give the turn back to the engine; goes on in k when resumed.  Raises
** "cannot wait inside gsub (at …)" where waiting is impossible, naming the culprit.  Passes through author
** coroutines.  Must be the last thing a C function does. */
int lnL_wait(lua_State *L, lua_KContext ctx, lua_KFunction k);
bool lnL_can_wait(lua_State *L);

/* For C loops that can run long (string.find, table.concat …): looks at the slice flag; ends the attempt when
** the budget is used up, or when it has ended already (so an effect begins with it: a __close that runs while
** an attempt is dying must not ask for anything).  Cheap: one atomic load. */
void lnL_tick(lua_State *L);
/* The same, and true if the slice is over and this C function may give the turn away: then it ends with
** `return lnL_pass(L, ctx, k)` and goes on in k with its stack as it was. */
bool lnL_turn_over(lua_State *L);
int lnL_pass(lua_State *L, lua_KContext ctx, lua_KFunction k);

/* aside: what runs now is not repeated by a replay (step, a poll): objects that it shows first are numbered
** apart.  held: a coroutine that may not yield to whoever resumed it in the author's code; NULL: none. */
void ln_vm_aside(ln_vm *vm, bool aside, lua_State *held);

/* Every VM made from now on calls fn at each line of Lua that it runs, to count them; its slices do not end
** meanwhile.  fn must not raise.  NULL: none does. */
void ln_vm_watch_lines(lua_Hook fn);

/* What tostring gives: __tostring and __name count, objects are numbered in order of first showing ("table:
** 1"; "table: ~1" where a replay does not come by, see ln_vm_aside).  Pushes the text and returns it.  May
** call playbook code. [-0, +1, e] */
const char *lnL_tolstring(lua_State *L, int idx, size_t *n);
/* print's lines, without the line end; the default drops them. */
typedef void (*ln_print_fn)(ln_vm *vm, ln_str line);
void ln_vm_on_print(ln_vm *vm, ln_print_fn fn);
/* The C function to begin a branch with: calls its first argument with the others as pcall does, so that
** __close runs when it fails, and raises the error again.  lnL_pcall is the global pcall. */
int lnL_branch(lua_State *L);
int lnL_pcall(lua_State *L);

/* Where the playbook is: "scripts/t1059/harden.lua:14" of the nearest Lua function. */
void lnL_where(lua_State *L, char *out, size_t n);

/* Replaces the table on top by a view of it that can be read, walked by pairs, and not changed, not even by
** rawset: for what is shared by playbooks of different rights.  Leaves anything else, and a view, as it is.
** [-1, +1, m] */
void lnL_freeze(lua_State *L);
/* To be called by whoever gives an object of a VM a __gc: it is asked for even when the VM ends.  Quiet in
** other states. */
void lnL_finalises(lua_State *L);
/* the other way, for the core only: a view becomes its table; others stay [-1, +1, m] */
void lnL_thaw(lua_State *L);

/* --- looked at from outside while it runs: for runtime/debug --- */

/* fn is called before each line of a script is run, on the coroutine that is about to run it.  It must not
** raise; it may look around, stand, and have guests.  To be called before the first turn; budgets of CPU are
** eight times as long from then on, since lines cost. */
typedef void (*ln_line_fn)(lua_State *L, int line, void *arg);
void ln_vm_on_line(ln_vm *vm, ln_line_fn fn, void *arg);
/* In such an fn: calls wait(arg).  The time until it returns is none of the turn's; meanwhile another
** thread may use the state. */
void ln_vm_stand(ln_vm *vm, void (*wait)(void *arg), void *arg);
/* The coroutine that runs, and those that have resumed it, outwards; NULL: no more. */
lua_State *ln_vm_running(const ln_vm *vm, size_t up);
/* Calls fn (its argument: arg, as a light userdata) as a *guest*, while the attempt stands or between its
** turns.  It has limits of its own (memory: beyond what is in use), and ends soon after *stop is true; its
** end is none of the attempt's, objects are numbered aside, and nothing in it can wait ("refused").
** False: err is what it raised, or "cpu", "memory", "stack", "cancelled". */
bool ln_vm_guest(ln_vm *vm, lua_CFunction fn, void *arg, const ln_vm_limits *l, atomic_bool *stop,
                 ln_err *err);
bool ln_vm_has_guest(const ln_vm *vm);                   /* is what runs one?                               */

/* Globals read by a name that is absent raise "unknown name 'x'", except those in this hook: the engine
** pushes the value and answers true (lazily loaded words).  Assigning a global from a playbook is an error as
** well. */
typedef bool (*ln_global_fn)(lua_State *L, ln_str name); /* [-0, +1 or 0, e]; asked once a name            */
void ln_vm_globals(
    ln_vm *vm, ln_global_fn fn,
    const char *const *names); /* names: all it knows, NULL-ended, for "did you mean"; may be NULL */
const char *const *ln_vm_global_names(const ln_vm *vm);  /* those names; NULL: none */

/* Loads text (never bytecode; a first line that begins with # is skipped) with the VM's globals as its
** environment; the function is on top of L.  chunk: "@scripts/x.lua".  False: "syntax", "scripts/x.lua:3: …",
** or "memory". */
bool ln_vm_load(ln_vm *vm, lua_State *L, ln_str source, const char *chunk, ln_err *err);
/* Appends what the function on top of L was compiled to; false: no memory.  It is for ln_vm_load_code in
** another VM of this process, and never to be taken from anywhere else: Lua trusts it blindly. [-0, +0, -] */
bool ln_vm_code(lua_State *L, ln_buf *code);
/* as ln_vm_load */
bool ln_vm_load_code(ln_vm *vm, lua_State *L, ln_str code, const char *chunk, ln_err *err);

#endif
