/* vm.c: one sandboxed Lua state a run.
**
** A turn (ln_vm_resume) ends when the branch returns, raises, asks for something, or has had its slice.
** The slice costs nothing while it lasts: the clock of preempt.c calls turn_due in a signal handler, on
** the thread that runs the VM, and that arms a count hook on the coroutine that runs; so vm->running
** always names that one.
**
** An attempt that is over (memory, CPU budget, stack, interrupt) is `dead`, once and for all, with the
** reason in `death`.  A dead VM is left by yielding wherever that is possible, so nothing of the
** playbook runs any more; and where a C call is in between, by raising a value of no meaning, which our
** pcall, xpcall and coroutine functions pass on, with the hook armed at every instruction, so that no
** handler gets far.
**
** A yield of the core (`yielding` is set) goes through the author's coroutines: whoever resumed one
** yields as well, and resumes it again later.  That works if each of them could yield when it resumed:
** `blocked` counts those that could not. */
#include "engine/vm.h"

#include "base/log.h"
#include "engine/arena.h"
#include "engine/preempt.h"
#include "engine/values.h"
#include "engine/vm_lib.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

typedef enum yielding { YIELD_AUTHOR, YIELD_ASKED, YIELD_SLICE, YIELD_DEAD } yielding;

struct ln_vm {
  lua_State *main;
  lua_State *volatile running;                           /* NULL: no turn                                   */
  ln_vm_limits limits;
  size_t used, refused;                                  /* refused: a size that was, just now; 0: none     */
  ln_arena arena;
  bool finalises;                                        /* some object has a __gc                          */
  atomic_bool look;                                      /* something is to be looked at                    */
  atomic_bool stop;                                      /* ln_vm_interrupt                                 */
  _Atomic(ln_watch *) watch;                             /* of the turn under way                           */
  ln_turn_of turn;
  yielding yielding;
  bool dead;
  ln_err death;
  ln_link *link;                                         /* the author's resumes under way                  */
  int blocked;
  lua_State *closing;                                    /* a coroutine that is being closed                */
  bool cpu_known;                                     /* has the thread's CPU clock been read in this turn? */
  int64_t began, cpu_start, own_cpu, *cpu_used;
  int64_t numbers[2]; /* given to objects; the second: aside              */
  bool aside;
  lua_State *held;                                       /* may not yield to its author's code              */
  const void *raised;                                    /* the text that the author raised last            */
  ln_line_fn line;                                       /* somebody looks at it line by line; NULL: nobody */
  void *line_arg;
  atomic_bool *guest;                                    /* ln_vm_guest is under way: set, it is to end     */
  ln_print_fn print;
  ln_global_fn global;
  const char *const *global_names;
  void *user;
};

static const char KILLED = 'k';                          /* its address                                     */

enum { BUSY = 1 };                                      /* in a coroutine's extra space, beside the pointer */

/* --- whose is it? --------------------------------------------------------------------------------------- */

static uintptr_t extra(lua_State *L) { return *(uintptr_t *)lua_getextraspace(L); }

ln_vm *ln_vm_of(lua_State *L) { return (ln_vm *)(extra(L) & ~(uintptr_t)BUSY); }

bool lnL_busy(lua_State *co) { return extra(co) & BUSY; }

void lnL_set_busy(lua_State *co, bool busy) {
  *(uintptr_t *)lua_getextraspace(co) = (uintptr_t)ln_vm_of(co) | (busy ? BUSY : 0);
}

lua_State *ln_vm_main(ln_vm *vm) { return vm->main; }
void **ln_vm_user(ln_vm *vm) { return &vm->user; }
size_t ln_vm_memory(const ln_vm *vm) { return vm->used; }
void ln_vm_on_print(ln_vm *vm, ln_print_fn fn) { vm->print = fn; }
ln_print_fn ln_vm_print(const ln_vm *vm) { return vm->print; }
int64_t ln_vm_number(ln_vm *vm) { return ++vm->numbers[vm->aside]; }
bool ln_vm_is_aside(const ln_vm *vm) { return vm->aside; }
void ln_vm_aside(ln_vm *vm, bool aside, lua_State *held) { vm->aside = aside, vm->held = held; }
bool lnL_held(lua_State *L) { return ln_vm_of(L)->held == L; }
ln_global_fn ln_vm_global(const ln_vm *vm) { return vm->global; }
const char *const *ln_vm_global_names(const ln_vm *vm) { return vm->global_names; }

void ln_vm_globals(ln_vm *vm, ln_global_fn fn, const char *const *names) {
  vm->global = fn;
  vm->global_names = names;
}

/* --- where it is ---------------------------------------------------------------------------------------- */

/* "FILE:LINE", as much of it as there is room for.  By hand, for each step asks for it. */
static void put_place(const char *file, int line, char *out, size_t n) {
  char digits[LN_INT_TEXT];
  ln_str number = ln_str_int(line, digits);
  size_t most = n ? n - 1 : 0, k = strlen(file);
  if (k > most) k = most;
  memcpy(out, file, k);
  if (k < most) out[k++] = ':';
  if (number.n > most - k) number.n = most - k;
  memcpy(out + k, number.p, number.n);
  if (n) out[k + number.n] = '\0';
}

/* The nearest Lua function of one coroutine; false: none. */
static bool where_in(lua_State *L, char *out, size_t n) {
  lua_Debug ar;
  for (int level = 0; lua_getstack(L, level, &ar); level++) {
    if (!lua_getinfo(L, "Sl", &ar) || ar.currentline < 1) continue;
    bool named = *ar.source == '@' || *ar.source == '=';
    put_place(named ? ar.source + 1 : ar.short_src, ar.currentline, out, n);
    return true;
  }
  return false;
}

void lnL_where(lua_State *L, char *out, size_t n) {
  ln_vm *vm = ln_vm_of(L);
  if (n) *out = '\0';
  if (where_in(L, out, n)) return;
  for (ln_link *l = vm ? vm->link : NULL; l; l = l->up)
    if (where_in(l->from, out, n)) return;
}

/* --- the end of an attempt ------------------------------------------------------------------------------ */

static void hook(lua_State *L, lua_Debug *ar);

/* Safe in a signal handler, and within the allocator. */
static void arm(lua_State *L) { lua_sethook(L, hook, LUA_MASKCOUNT, 1); }

static void die(ln_vm *vm, lua_State *L, const char *code, const char *what) {
  char at[LN_ERR_TEXT / 2] = "";
  if (vm->dead) return;
  vm->dead = true;
  if (L) lnL_where(L, at, sizeof at);
  ln_fail(&vm->death, code, LN_FINAL, "%s%s%s", at, *at ? ": " : "", what);
  atomic_store(&vm->look, true);
  if (vm->running) arm(vm->running);
}

/* Out of the VM for good. */
static int raise_killed(lua_State *L) {
  lua_pushlightuserdata(L, (void *)&KILLED);
  return lua_error(L);
}

int lnL_give_up(lua_State *L) {
  ln_vm *vm = ln_vm_of(L);
  if (!lnL_can_wait(L)) return raise_killed(L);
  vm->yielding = YIELD_DEAD;
  return lua_yield(L, 0);
}

enum { DEEP = 20000 };                                   /* calls; Lua itself stops at about 200,000        */

/* An endless recursion may find the memory's end before the stack's; it is to be called what it is. */
static void die_of_memory(ln_vm *vm, lua_State *L) {
  char what[LN_ERR_TEXT / 2];
  lua_Debug ar;
  bool deep = lua_getstack(L, DEEP, &ar);
  if (deep)
    snprintf(what, sizeof what, "calls nest so deep that they need more than its %zu bytes of memory "
             "(does a function call itself without end?)", vm->limits.memory);
  else
    snprintf(what, sizeof what, "needs more than its %zu bytes of memory (limits.memory)", vm->limits.memory);
  die(vm, L, deep ? "stack" : "memory", what);
}

/* Lua says "stack overflow" and "C stack overflow" in a text of its own; a text that the author raised is an
** ordinary error, whatever it says. */
static bool is_overflow(ln_vm *vm, lua_State *L) {
  ln_str s;
  if (lua_type(L, -1) != LUA_TSTRING) return false;
  s.p = lua_tolstring(L, -1, &s.n);
  return s.p != vm->raised && ln_str_ends(s, LN_STR("stack overflow"));
}

static void die_of_stack(ln_vm *vm, lua_State *L) {
  const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "stack overflow";
  char what[LN_ERR_TEXT / 2];
  snprintf(what, sizeof what, "%.150s (does a function call itself without end?)", text);
  bool placed = strchr(text, ':') != NULL; /* the text begins with its place */
  die(vm, placed ? NULL : L, "stack", what);
}

bool lnL_fatal(lua_State *L, int status, bool handled) {
  ln_vm *vm = ln_vm_of(L);
  if (vm->dead) return true;
  if (status == LUA_ERRMEM) die_of_memory(vm, L);
  else if (!handled && (status == LUA_ERRERR || is_overflow(vm, L))) die_of_stack(vm, L);
  return vm->dead;
}

void lnL_note_raised(lua_State *L, int idx) {
  ln_vm_of(L)->raised = lua_type(L, idx) == LUA_TSTRING ? (const void *)lua_tostring(L, idx) : NULL;
}

void lnL_note_caught(lua_State *L) { ln_vm_of(L)->raised = NULL; }

/* --- memory --------------------------------------------------------------------------------------------- */

/* Lua collects garbage after the first refusal and asks again for the same: a second one is the end. */
static void *refuse(ln_vm *vm, size_t n) {
  bool again = vm->refused == n;
  vm->refused = again ? 0 : n;
  if (again && vm->running) die_of_memory(vm, vm->running);
  return NULL;
}

static void *allocate(void *ud, void *p, size_t osize, size_t nsize) {
  ln_vm *vm = ud;
  if (!p) osize = 0;
  if (nsize <= osize) {
    vm->used -= osize - nsize;
    return ln_arena_resize(&vm->arena, p, osize, nsize);
  }
  if (nsize - osize > vm->limits.memory - vm->used) return refuse(vm, nsize);
  void *q = ln_arena_resize(&vm->arena, p, osize, nsize);
  if (!q) return refuse(vm, nsize);
  vm->used += nsize - osize;
  vm->refused = 0;
  return q;
}

/* --- CPU ------------------------------------------------------------------------------------------------ */

static int64_t cpu_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* The CPU clock is slow to read (microseconds), and most turns end long before their slice: then it is
** not read at all.  A branch that has used something already has had a whole slice, so its turns are
** measured from the start. */
static void begin_budget(ln_vm *vm) {
  vm->began = ln_preempt_now_us();
  vm->cpu_known = *vm->cpu_used > 0;
  if (vm->cpu_known) vm->cpu_start = cpu_us();
}

void ln_vm_fresh_budget(ln_vm *vm, int64_t *cpu_used_us) {
  vm->cpu_used = cpu_used_us ? cpu_used_us : &vm->own_cpu;
  if (vm->running) begin_budget(vm);                     /* else the turn that comes does                   */
}

static int64_t cpu_spent(ln_vm *vm) {
  int64_t now = cpu_us();
  if (!vm->cpu_known) {                                /* the first reading: before it, time stands for CPU */
    int64_t wall = ln_preempt_now_us() - vm->began;
    vm->cpu_start = now - (wall < vm->limits.slice_us ? wall : vm->limits.slice_us);
    vm->cpu_known = true;
  }
  return *vm->cpu_used + now - vm->cpu_start;
}

static bool is_stopped(ln_vm *vm) { return atomic_load(vm->guest ? vm->guest : &vm->stop); }

static void check_budget(ln_vm *vm, lua_State *L) {
  char what[LN_ERR_TEXT / 2];
  if (is_stopped(vm)) {
    die(vm, L, "cancelled", "stopped");
  } else if (vm->limits.cpu_us > 0 && cpu_spent(vm) > vm->limits.cpu_us) {
    double s = (double)vm->limits.cpu_us / 1e6;
    snprintf(what, sizeof what, "used its CPU budget of %gs%s", s,
             vm->guest ? "" : " between two effects (limits.cpu)");
    die(vm, L, "cpu", what);
  }
}

/* In a signal handler, on the thread that runs the turn. */
static void turn_due(void *arg) {
  ln_vm *vm = arg;
  lua_State *L = vm->running;
  atomic_store(&vm->look, true);
  if (L && !lua_gethookmask(L)) arm(L);
}

static bool slice_over(const ln_vm *vm) { return ln_preempt_now_us() >= vm->turn.at_us; }

/* Of a dead one, in a hook of L. */
static void leave(ln_vm *vm, lua_State *L) {
  atomic_store(&vm->look, true);
  arm(L);
  if (!lnL_can_wait(L)) raise_killed(L);
  vm->yielding = YIELD_DEAD;
  lua_yield(L, 0);
}

/* What is left unsettled here (the slice, where it cannot be given away) the clock brings up again. */
static void hook(lua_State *L, lua_Debug *ar) {
  ln_vm *vm = ln_vm_of(L);
  (void)ar;
  lua_sethook(L, NULL, 0, 0);
  if (!vm->running) return;
  atomic_store(&vm->look, false);
  if (!vm->dead) check_budget(vm, L);
  if (vm->dead) {
    leave(vm, L);
  } else if (slice_over(vm) && lnL_can_wait(L)) {
    vm->yielding = YIELD_SLICE;
    lua_yield(L, 0);
  }
}

static void look(ln_vm *vm, lua_State *L) {
  atomic_store(&vm->look, false);
  if (!vm->dead && vm->running) check_budget(vm, L);
  if (!vm->dead) return;
  atomic_store(&vm->look, true);
  raise_killed(L);
}

void lnL_tick(lua_State *L) {
  ln_vm *vm = ln_vm_of(L);
  if (vm && atomic_load_explicit(&vm->look, memory_order_relaxed)) look(vm, L);
}

bool lnL_turn_over(lua_State *L) {
  ln_vm *vm = ln_vm_of(L);
  if (!vm || !atomic_load_explicit(&vm->look, memory_order_relaxed)) return false;
  look(vm, L);
  return slice_over(vm) && lnL_can_wait(L);
}

int lnL_pass(lua_State *L, lua_KContext ctx, lua_KFunction k) {
  ln_vm_of(L)->yielding = YIELD_SLICE;
  return lua_yieldk(L, 0, ctx, k);
}

/* --- waiting -------------------------------------------------------------------------------------------- */

bool lnL_can_wait(lua_State *L) {
  ln_vm *vm = ln_vm_of(L);
  return vm && vm->running && !vm->guest && vm->blocked == 0 && !vm->closing && lua_isyieldable(L);
}

static const char *const transparent[] = {"pcall", "xpcall", "sort", "resume", "a coroutine.wrap", NULL};

static bool lets_waits_through(lua_CFunction f) {
  const char *name = lnL_lib_name(f);
  if (f == lnL_branch) return true;
  for (const char *const *t = transparent; name && *t; t++)
    if (strcmp(*t, name) == 0) return true;
  return false;
}

static const char *c_name(lua_CFunction f, const lua_Debug *ar) {
  const char *name = f == lnL_xpcall_handler ? "xpcall's message handler" : lnL_lib_name(f);
  return name ? name : ar->name ? ar->name : "a function of the core";
}

/* The nearest C function, from level on, that a wait cannot pass through; without one, the nearest that
** it mostly can (sort without a comparator calls __lt). */
static const char *culprit_in(lua_State *L, int level) {
  const char *second = NULL;
  lua_Debug ar;
  for (; lua_getstack(L, level, &ar); level++) {
    if (!lua_getinfo(L, "Snf", &ar)) continue;
    lua_CFunction f = lua_tocfunction(L, -1);
    lua_pop(L, 1);
    if (*ar.what != 'C') continue;
    if (!lets_waits_through(f)) return c_name(f, &ar);
    if (!second) second = c_name(f, &ar);
  }
  return second;
}

static const char *culprit(ln_vm *vm, lua_State *L) {
  const char *name = NULL;
  luaL_checkstack(L, 1, NULL);
  if (vm->closing) return "coroutine.close";
  if (!lua_isyieldable(L)) return culprit_in(L, 1);
  for (ln_link *l = vm->link; l && !name; l = l->up)
    if (l->blocked) name = culprit_in(l->from, 1);
  return name;
}

static int refuse_wait(lua_State *L) {
  ln_err err;
  char at[LN_ERR_TEXT / 2];
  ln_vm *vm = ln_vm_of(L);
  if (vm && vm->guest) {
    ln_fail(&err, "refused", LN_FINAL,
            "effects cannot be asked here: a past run is only looked at, and nothing leaves it");
    return lnL_raise(L, &err);
  }
  const char *name = vm && vm->running ? culprit(vm, L) : NULL;
  lnL_where(L, at, sizeof at);
  ln_fail(&err, "bad_argument", LN_FINAL, "cannot wait inside %s (at %s): collect first, and wait after it",
          name ? name : "code that the core calls itself", *at ? at : "?");
  return lnL_raise(L, &err);
}

int lnL_wait(lua_State *L, lua_KContext ctx, lua_KFunction k) {
  ln_vm *vm = ln_vm_of(L);
  if (vm && vm->dead) return lnL_give_up(L);
  if (!vm || !lnL_can_wait(L)) return refuse_wait(L);
  vm->yielding = YIELD_ASKED;
  return lua_yieldk(L, 0, ctx, k);
}

/* --- the author's coroutines ---------------------------------------------------------------------------- */

bool lnL_in_author_coroutine(lua_State *L) { return ln_vm_of(L)->link != NULL; }
bool lnL_closing(lua_State *L) { return ln_vm_of(L)->closing == L; }
bool lnL_core_yield(lua_State *L) { return ln_vm_of(L)->yielding != YIELD_AUTHOR; }

static void line_hook(lua_State *L, lua_Debug *ar);

static void hook_lines(ln_vm *vm, lua_State *co) {
  if (vm->line && !vm->guest && !vm->dead) lua_sethook(co, line_hook, LUA_MASKLINE, 0);
}

int lnL_resume(lua_State *L, lua_State *co, int nargs, int *nres) {
  ln_vm *vm = ln_vm_of(L);
  ln_link link = {L, vm->link, !lua_isyieldable(L)};
  vm->link = &link;
  vm->blocked += link.blocked;
  vm->yielding = YIELD_AUTHOR;
  vm->running = co;
  hook_lines(vm, co);
  int status = lua_resume(co, L, nargs, nres);
  vm->running = L;
  vm->blocked -= link.blocked;
  vm->link = link.up;
  if (vm->dead) arm(L);
  return status;
}

int lnL_close_thread(lua_State *L, lua_State *co) {
  ln_vm *vm = ln_vm_of(L);
  lua_State *outer = vm->closing;
  ln_link link = {L, vm->link, true};
  vm->link = &link;
  vm->closing = co;
  vm->running = co;
  int status = lua_resetthread(co);
  vm->running = L;
  vm->closing = outer;
  vm->link = link.up;
  return status;
}

int lnL_pass_up(lua_State *L, lua_KContext ctx, lua_KFunction k) { return lua_yieldk(L, 0, ctx, k); }

/* --- a turn --------------------------------------------------------------------------------------------- */

static ln_vm_turn killed(const ln_vm *vm, ln_err *err) {
  if (err) *err = vm->death;
  return LN_VM_KILLED;
}

static ln_vm_turn verdict(ln_vm *vm, lua_State *co, int status, ln_err *err) {
  if (status != LUA_OK && status != LUA_YIELD) lnL_fatal(co, status, false);
  if (vm->dead) return killed(vm, err);
  if (status == LUA_OK) return LN_VM_RETURNED;
  if (status == LUA_YIELD) return vm->yielding == YIELD_SLICE ? LN_VM_SLICE : LN_VM_ASKED;
  return LN_VM_RAISED;
}

static bool begin_turn(ln_vm *vm, lua_State *co, ln_err *err) {
  begin_budget(vm);
  vm->turn = (ln_turn_of){.due = turn_due, .arg = vm, .at_us = vm->began + vm->limits.slice_us};
  vm->yielding = YIELD_AUTHOR;
  vm->running = co;
  ln_watch *w = ln_preempt_begin(&vm->turn, err);
  if (!w) vm->running = NULL;
  atomic_store(&vm->watch, w);
  return w != NULL;
}

static void end_turn(ln_vm *vm) {
  ln_watch *w = atomic_exchange(&vm->watch, NULL);
  ln_preempt_end(w, &vm->turn);
  vm->running = NULL;
  if (vm->yielding == YIELD_SLICE) *vm->cpu_used = cpu_spent(vm);
}

ln_vm_turn ln_vm_resume(ln_vm *vm, lua_State *co, int nargs, int *nres, ln_err *err) {
  *nres = 0;
  if (!vm->dead && atomic_load(&vm->stop)) die(vm, NULL, "cancelled", "stopped");
  if (vm->dead) return killed(vm, err);
  if (!begin_turn(vm, co, &vm->death)) {
    vm->dead = true;
    return killed(vm, err);
  }
  hook_lines(vm, co);
  int status = lua_resume(co, vm->main, nargs, nres);
  end_turn(vm);
  ln_vm_turn turn = verdict(vm, co, status, err);
  if (turn == LN_VM_ASKED) *vm->cpu_used = 0;
  if (!vm->dead) atomic_store(&vm->look, false);
  return turn;
}

void ln_vm_interrupt(ln_vm *vm) {
  atomic_store(&vm->stop, true);
  ln_watch *w = atomic_load(&vm->watch);
  if (w) ln_preempt_kick(w);
}

bool ln_vm_protect(ln_vm *vm, lua_CFunction fn, void *arg, ln_err *err) {
  lua_State *L = vm->main;
  int top = lua_gettop(L);
  lua_pushcfunction(L, fn);
  lua_pushlightuserdata(L, arg);
  int status = lua_pcall(L, 1, 0, 0);
  if (status == LUA_ERRMEM)
    ln_fail(err, "memory", LN_FINAL, "the run needs more than its %zu bytes of memory (limits.memory)",
            vm->limits.memory);
  else if (status != LUA_OK && err) lnL_to_error(L, -1, err);
  lua_settop(L, top);
  return status == LUA_OK;
}

/* --- looked at from outside ----------------------------------------------------------------------------- */

enum { LINE_COSTS = 8 };                                 /* times what it costs unwatched, at most          */

/* In a hook of lines.  Nothing yields here but what is dead: before Lua 5.4.7 a coroutine that yielded in a
** line hook tells the wrong line.  So a slice passes unnoticed, and a long loop is stopped by its lines. */
static void look_at_line(ln_vm *vm, lua_State *L) {
  if (!vm->dead && !is_stopped(vm) && !atomic_load_explicit(&vm->look, memory_order_relaxed)) return;
  atomic_store(&vm->look, false);
  if (!vm->dead) check_budget(vm, L);
  if (vm->dead) leave(vm, L);
}

static void line_hook(lua_State *L, lua_Debug *ar) {
  ln_vm *vm = ln_vm_of(L);
  if (!vm->running) return;
  if (!vm->guest && !vm->dead) vm->line(L, ar->currentline, vm->line_arg);
  look_at_line(vm, L);
}

void ln_vm_on_line(ln_vm *vm, ln_line_fn fn, void *arg) {
  vm->line = fn;
  vm->line_arg = arg;
  vm->limits.cpu_us *= LINE_COSTS;
}

void ln_vm_stand(ln_vm *vm, void (*wait)(void *arg), void *arg) {
  ln_err none;
  *vm->cpu_used = cpu_spent(vm);
  ln_preempt_end(atomic_exchange(&vm->watch, NULL), &vm->turn);
  wait(arg);
  begin_budget(vm);
  vm->turn.at_us = vm->began + vm->limits.slice_us;
  atomic_store(&vm->watch, ln_preempt_begin(&vm->turn, &none)); /* the thread has its watch already */
}

lua_State *ln_vm_running(const ln_vm *vm, size_t up) {
  const ln_link *l = vm->link;
  if (up == 0) return vm->running;
  while (l && --up > 0) l = l->up;
  return l ? l->from : NULL;
}

bool ln_vm_has_guest(const ln_vm *vm) { return vm->guest != NULL; }

/* What a guest has of its own. */
typedef struct apart {
  ln_vm_limits limits;
  ln_watch *watch;
  lua_State *running, *closing, *held;
  yielding yielding;
  bool dead, cpu_known, aside;
  ln_err death;
  ln_link *link;
  int blocked;
  int64_t began, cpu_start, *cpu_used;
  const void *raised;
  atomic_bool *guest;
} apart;

static apart as_it_is(ln_vm *vm) {
  return (apart){vm->limits,   atomic_load(&vm->watch), vm->running,   vm->closing, vm->held,
                 vm->yielding, vm->dead,                vm->cpu_known, vm->aside,   vm->death,
                 vm->link,     vm->blocked,             vm->began,     vm->cpu_start,
                 vm->cpu_used, vm->raised,              vm->guest};
}

/* The turn under way is not among it: whoever watches that has a pointer to it. */
static void put_back(ln_vm *vm, const apart *a) {
  vm->limits = a->limits;
  atomic_store(&vm->watch, a->watch);
  vm->running = a->running, vm->closing = a->closing, vm->held = a->held;
  vm->yielding = a->yielding;
  vm->dead = a->dead, vm->cpu_known = a->cpu_known, vm->aside = a->aside;
  vm->death = a->death;
  vm->link = a->link, vm->blocked = a->blocked;
  vm->began = a->began, vm->cpu_start = a->cpu_start, vm->cpu_used = a->cpu_used;
  vm->raised = a->raised;
  vm->guest = a->guest;
}

static apart a_guest(const ln_vm *vm, const ln_vm_limits *l, int64_t *cpu_us, atomic_bool *stop) {
  return (apart){.limits = {.memory = vm->used + l->memory, .slice_us = l->slice_us, .cpu_us = l->cpu_us},
                 .aside = true, .cpu_used = cpu_us, .guest = stop};
}

/* Whatever it ended by, the attempt beside it is as it was; what the guest made and others hold now may need
** more memory than the attempt may have. */
static void guest_gone(ln_vm *vm, const apart *was) {
  put_back(vm, was);
  vm->refused = 0;
  if (vm->limits.memory < vm->used) vm->limits.memory = vm->used;
  atomic_store(&vm->look, vm->dead);
}

struct thread { lua_State *co; int ref; };

static int l_guest_thread(lua_State *L) {
  struct thread *t = lua_touserdata(L, 1);
  t->co = lua_newthread(L);                              /* t co            */
  t->ref = luaL_ref(L, LUA_REGISTRYINDEX);               /* t               */
  lua_sethook(t->co, NULL, 0, 0);                        /* it has those of its maker */
  return 0;
}

static bool resume_guest(ln_vm *vm, lua_State *co, lua_State *from, ln_err *err) {
  ln_turn_of turn = {.due = turn_due, .arg = vm};
  int nres;
  vm->running = co;
  begin_budget(vm);
  turn.at_us = vm->began + vm->limits.slice_us;
  ln_watch *w = ln_preempt_begin(&turn, err);
  if (!w) return false;
  int status = lua_resume(co, from, 1, &nres);
  ln_preempt_end(w, &turn);
  if (status != LUA_OK && status != LUA_YIELD) lnL_fatal(co, status, false);
  if (vm->dead) return *err = vm->death, false;
  if (status == LUA_YIELD) return ln_fail(err, "refused", LN_FINAL, "it may not yield here");
  if (status != LUA_OK) lnL_to_error(co, -1, err);
  return status == LUA_OK;
}

bool ln_vm_guest(ln_vm *vm, lua_CFunction fn, void *arg, const ln_vm_limits *l, atomic_bool *stop,
                 ln_err *err) {
  int64_t cpu = 0;
  struct thread t = {NULL, LUA_NOREF};
  apart was = as_it_is(vm), own = a_guest(vm, l, &cpu, stop);
  lua_State *from = vm->running ? vm->running : vm->main;
  put_back(vm, &own);
  bool ok = ln_vm_protect(vm, l_guest_thread, &t, err);
  if (ok) {
    lua_pushcfunction(t.co, fn);
    lua_pushlightuserdata(t.co, arg);
    ok = resume_guest(vm, t.co, from, err);
    luaL_unref(vm->main, LUA_REGISTRYINDEX, t.ref);
  }
  guest_gone(vm, &was);
  if (!ok && ln_err_is(err, "memory"))
    ln_fail(err, "memory", LN_FINAL, "it needs more than %zu MiB beside what the run has", l->memory >> 20);
  return ok;
}

/* --- loading -------------------------------------------------------------------------------------------- */

static const char *read_all(lua_State *L, void *data, size_t *n) {
  ln_str *rest = data;
  (void)L;
  const char *p = rest->p;
  *n = rest->n;
  *rest = (ln_str){NULL, 0};
  return p;
}

static bool load(ln_vm *vm, lua_State *L, ln_str text, const char *mode, const char *chunk, ln_err *err) {
  if (!lua_checkstack(L, 4))
    return ln_fail(err, "memory", LN_FINAL, "no room on the stack to load %s", chunk + 1);
  int status = lua_load(L, read_all, &text, chunk, mode);
  if (status == LUA_OK) {
    lnL_push_env(L);                                     /* f env           */
    lua_setupvalue(L, -2, 1);
    return true;
  }
  if (status == LUA_ERRMEM)
    ln_fail(err, "memory", LN_FINAL, "%s needs more than %zu bytes of memory (limits.memory)", chunk + 1,
            vm->limits.memory);
  else
    ln_fail(err, "syntax", LN_FINAL, "%s", lua_tostring(L, -1) ? lua_tostring(L, -1) : "it does not compile");
  lua_pop(L, 1);
  return false;
}

bool ln_vm_load(ln_vm *vm, lua_State *L, ln_str source, const char *chunk, ln_err *err) {
  if (source.n && source.p[0] == '#')                    /* the line end stays, so lines keep their numbers */
    while (source.n && *source.p != '\n') source = (ln_str){source.p + 1, source.n - 1};
  if (source.n && *source.p == LUA_SIGNATURE[0])
    return ln_fail(err, "syntax", LN_FINAL, "%s is compiled: scripts are loaded as text", chunk + 1);
  return load(vm, L, source, "t", chunk, err);
}

static int write_code(lua_State *L, const void *p, size_t n, void *code) {
  (void)L;
  return ln_buf_add(code, (ln_str){p, n}) ? 0 : 1;
}

bool ln_vm_code(lua_State *L, ln_buf *code) { return lua_dump(L, write_code, code, 0) == 0; }

bool ln_vm_load_code(ln_vm *vm, lua_State *L, ln_str code, const char *chunk, ln_err *err) {
  return load(vm, L, code, "b", chunk, err);
}

/* --- life ----------------------------------------------------------------------------------------------- */

/* What the library consists of comes when it is first touched (lib.c): most runs touch little. */
static int open_library(lua_State *L) {
  lnL_hide_mode(L);
  lua_createtable(L, 0, 1);                              /* loaded          */
  lua_pushglobaltable(L);
  lua_setfield(L, -2, LUA_GNAME);
  lua_setfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lnL_open_texts(L);
  lnL_make_env(L);
  return 0;
}

/* A push into a capped state outside of ln_vm_protect: a fault of the core. */
static int panic(lua_State *L) {
  const char *text = lua_tostring(L, -1);
  ln_log(LN_ERROR, "vm_panic", "error=%s", text ? text : luaL_typename(L, -1));
  return 0; /* Lua aborts */
}

static lua_Hook line_counter;

void ln_vm_watch_lines(lua_Hook fn) { line_counter = fn; }

static void counting_hook(lua_State *L, lua_Debug *ar) {
  ln_vm *vm = ln_vm_of(L);
  line_counter(L, ar);
  if (vm->running) look_at_line(vm, L);
}

/* So much is allocated before garbage is looked for the first time: what a small run leaves fits into the
** block of its arena, and goes with that. */
enum { UNCOLLECTED_KIB = 32 };

ln_vm *ln_vm_new(const ln_vm_limits *l, ln_err *err) {
  ln_vm *vm = calloc(1, sizeof *vm);
  if (!vm) goto fail;
  vm->limits = *l;
  if (!vm->limits.memory) vm->limits.memory = SIZE_MAX;
  vm->cpu_used = &vm->own_cpu;
  ln_arena_init(&vm->arena);
  vm->main = lua_newstate(allocate, vm);
  if (!vm->main) goto fail;
  *(ln_vm **)lua_getextraspace(vm->main) = vm;
  lua_atpanic(vm->main, panic);
  lua_gc(vm->main, LUA_GCSTOP);
  if (!ln_vm_protect(vm, open_library, NULL, err)) {
    ln_vm_free(vm);
    return NULL;
  }
  lua_gc(vm->main, LUA_GCRESTART);
  lua_gc(vm->main, LUA_GCSTEP, -UNCOLLECTED_KIB);
  if (line_counter) lua_sethook(vm->main, counting_hook, LUA_MASKLINE, 0); /* its coroutines take it over */
  return vm;
fail:
  ln_vm_free(vm);
  ln_fail(err, "memory", LN_AGAIN, "no memory for a Lua state");
  return NULL;
}

void lnL_finalises(lua_State *L) {
  ln_vm *vm = ln_vm_of(L);
  if (vm) vm->finalises = true;
}

/* Where all objects lie in the arena, and none is to be told that it ends, they go with it. */
void ln_vm_free(ln_vm *vm) {
  if (!vm) return;
  if (vm->main && (vm->finalises || !ln_arena_is_whole(&vm->arena))) lua_close(vm->main);
  ln_arena_free(&vm->arena);
  free(vm);
}
