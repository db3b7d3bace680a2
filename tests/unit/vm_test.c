/* vm_test.c: turns, waits and the ends of an attempt. */
#include "engine/values.h"
#include "engine/vm.h"

#include <lauxlib.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

typedef struct bench {                                   /* one VM, and one branch in it                    */
  ln_vm *vm;
  lua_State *co;
  ln_err err;
  int nres, slices;
} bench;

static const ln_vm_limits small = {4 << 20, 2000, 60000};
static const ln_vm_limits brief = {64 << 20, 2000, 60000};
static const ln_vm_limits wide = {4 << 20, 2000, 20000000};
static const ln_vm_limits roomy = {64 << 20, 2000, 20000000};

/* ask(...): waits, and returns what it is resumed with. */
static int asked(lua_State *L, int status, lua_KContext top) {
  (void)status;
  return lua_gettop(L) - (int)top;
}

static int l_ask(lua_State *L) { return lnL_wait(L, lua_gettop(L), asked); }

static int l_can(lua_State *L) {
  lua_pushboolean(L, lnL_can_wait(L));
  return 1;
}

static int l_where(lua_State *L) {
  char at[100];
  lnL_where(L, at, sizeof at);
  lua_pushstring(L, at);
  return 1;
}

static int l_alive(lua_State *L) {
  lnL_tick(L);
  (*(int *)*ln_vm_user(ln_vm_of(L)))++;
  return 0;
}

static int open_words(lua_State *L) {
  lua_register(L, "ask", l_ask);
  lua_register(L, "can", l_can);
  lua_register(L, "where", l_where);
  lua_register(L, "alive", l_alive);
  lua_newtable(L);
  lua_setglobal(L, "shared");
  return 0;
}

static lua_State *branch(ln_vm *vm, const char *code) {
  ln_err err;
  lua_State *co = lua_newthread(ln_vm_main(vm));
  lua_pushcfunction(co, lnL_branch);
  if (!ln_vm_load(vm, co, ln_str_of(code), "@scripts/x.lua", &err)) fail_msg("%s", err.message);
  return co;
}

static void start(bench *b, const ln_vm_limits *l, const char *code) {
  memset(b, 0, sizeof *b);
  b->vm = ln_vm_new(l, &b->err);
  assert_non_null(b->vm);
  assert_true(ln_vm_protect(b->vm, open_words, NULL, &b->err));
  b->co = branch(b->vm, code);
}

static ln_vm_turn go_on(bench *b, lua_State *co, int nargs) {
  ln_vm_turn t = ln_vm_resume(b->vm, co, nargs, &b->nres, &b->err);
  for (; t == LN_VM_SLICE; b->slices++) t = ln_vm_resume(b->vm, co, 0, &b->nres, &b->err);
  return t;
}

static ln_vm_turn begin(bench *b) { return go_on(b, b->co, 1); }

static void end(bench *b) { ln_vm_free(b->vm); }

static void killed(const ln_vm_limits *l, const char *code, const char *why, const char *line) {
  bench b;
  start(&b, l, code);
  ln_vm_turn t = begin(&b);
  if (t != LN_VM_KILLED) fail_msg("%s: turn %d, %s", code, t, lua_tostring(b.co, -1));
  if (strcmp(b.err.code, why) != 0 || !strstr(b.err.message, line))
    fail_msg("%s: %s: %s", code, b.err.code, b.err.message);
  assert_int_equal(ln_vm_resume(b.vm, b.co, 0, &b.nres, &b.err), LN_VM_KILLED);
  end(&b);
}

static void returns(const ln_vm_limits *l, const char *code, const char *text) {
  bench b;
  start(&b, l, code);
  ln_vm_turn t = begin(&b);
  if (t != LN_VM_RETURNED) fail_msg("%s: turn %d, %s, %s", code, t, lua_tostring(b.co, -1), b.err.message);
  assert_string_equal(lua_tostring(b.co, -1), text);
  end(&b);
}

/* --- the end of an attempt ------------------------------------------------------------------------------ */

static void a_runaway_is_ended_with_its_line(void **state) {
  (void)state;
  killed(&small, "\nwhile true do end", "cpu", "scripts/x.lua:2: used its CPU budget of 0.06s");
  killed(&small, "pcall(function()\nwhile true do end end)\nreturn 1", "cpu", "scripts/x.lua:2: used");
  killed(&small, "coroutine.wrap(function() pcall(function()\n while true do end end) end)()", "cpu",
         "scripts/x.lua:2");
  killed(&small, "while true do pcall(function() while true do end end) end", "cpu", "scripts/x.lua:1");
  killed(&small, "xpcall(function() while true do end end, function() while true do end end)", "cpu",
         "x.lua:1");
  killed(&small, "('x'):gsub('x', function() while true do end end)", "cpu", "scripts/x.lua:1");
  killed(&small, "pcall(tostring, setmetatable({}, {__tostring = function() while true do end end}))", "cpu",
         "x.lua:1");
  killed(&small, "table.sort({3, 2, 1}, function() while true do end end)", "cpu", "scripts/x.lua:1");
  killed(&small, "repeat local ok = pcall(coroutine.wrap(function() while true do end end)) until false",
         "cpu", "x.lua:1");
  killed(&small,
         "local c <close> = setmetatable({}, {__close = function() while true do end end}) error('x')", "cpu",
         "x.lua:1");
  killed(&small, "for i in function() return 1 end do end", "cpu", "scripts/x.lua:1");
  killed(&small, "local function f() return f() end f()", "cpu", "scripts/x.lua:1");
  killed(&small, "local t = setmetatable({}, {__index = function(t, k) return t[k + 1] end}) "
         "while true do pcall(function() return t[1] end) end", "stack", "");
}

static void loops_in_c_are_ended(void **state) {
  (void)state;
  killed(&small, "return ('a'):rep(30):find(('a*'):rep(30) .. 'c')", "cpu", "scripts/x.lua:1");
  killed(&small, "return ('a'):rep(30):gsub(('a*'):rep(30) .. 'c', '')", "cpu", "scripts/x.lua:1");
  killed(&small, "for _ in ('a'):rep(30):gmatch(('a*'):rep(30) .. 'c') do end", "cpu", "scripts/x.lua:1");
  killed(&small, "return pcall(string.match, ('a'):rep(30), ('a-'):rep(30) .. 'c')", "cpu",
         "scripts/x.lua:1");
  killed(&small, "return table.move({}, 1, 1 << 60, 2)", "cpu", "scripts/x.lua:1");
  killed(&small, "return table.move({}, 1, 1 << 60, 1 << 61)", "cpu", "scripts/x.lua:1");
  killed(&small, "return table.insert(setmetatable({}, {__len = function() return 1 << 60 end}), 1, 1)",
         "cpu", "x.lua:1");
  killed(&small, "return table.remove(setmetatable({}, {__len = function() return 1 << 60 end}), 1)", "cpu",
         "x.lua:1");
  killed(&brief, /* it gathers what it has gone through */
         "return table.concat(setmetatable({}, {__len = function() return 1 << 60 end, __index = function() "
         "return '' end}))",
         "cpu", "x.lua:1");
}

static void what_needs_too_much_memory_is_ended(void **state) {
  (void)state;
  killed(&wide, "return ('x'):rep(1e9)", "memory", "scripts/x.lua:1: needs more than its 4194304 bytes");
  killed(&wide, "\nlocal s = 'x' while true do s = s .. s end", "memory", "scripts/x.lua:2");
  killed(&roomy, "local t = {} for i = 1, 1e9 do t[i] = 'string number ' .. i end", "memory",
         "scripts/x.lua:1");
  killed(&wide, "local t = {} while true do t = {t} end", "memory", "scripts/x.lua:1");
  killed(&wide, "local t = {} while true do pcall(function() for i = 1, 1e9 do t[#t + 1] = {} end end) end",
         "memory", "x.lua:1");
  killed(&wide, "return string.format('%s%s', ('x'):rep(2e6), ('x'):rep(2e6))", "memory", "scripts/x.lua:1");
  killed(&wide, "local t = {} for i = 1, 1e5 do t[i] = coroutine.create(print) end", "memory",
         "scripts/x.lua:1");
  killed(&wide, "return ('x'):rep(2e6):gsub('x', 'yyyy')", "memory", "scripts/x.lua:1");
  killed(&wide, "local t = {} for i = 1, 60000 do t[i] = 'xxxxxxxxxx' end return #table.concat(t):rep(9)",
         "memory", "x.lua:1");
  returns(&wide, "local n = 0 for i = 1, 3000 do n = n + #('x'):rep(i) end return n", "4501500");
}

static void endless_recursion_is_ended(void **state) {
  (void)state;
  static const ln_vm_limits vast = {(size_t)1 << 30, 2000, 20000000};
  killed(&vast, "local function f() return 1 + f() end\nf()", "stack", "scripts/x.lua:1: stack overflow");
  killed(&vast, "local function f() return 1 + f() end pcall(f)", "stack", "scripts/x.lua:1: stack overflow");
  killed(&roomy, "local function f() return 1 + f() end\nf()", "stack",
         "scripts/x.lua:1: calls nest so deep");
  killed(&roomy, "local function f() pcall(f) end f()", "stack", "C stack overflow");
  killed(&roomy, "local function f() xpcall(f, function(m) return {m} end) end f()", "stack",
         "C stack overflow");
  killed(&roomy, "local function f() coroutine.wrap(f)() end f()", "stack", "C stack overflow");
  killed(&roomy, "local function f() return select(2, coroutine.resume(coroutine.create(f))) end f()",
         "stack", "C stack overflow");
  killed(&roomy,
         "local t = setmetatable({}, {}) getmetatable(t).__index = function(t, k) return t[k] end return t.x",
         "stack", "C stack overflow");
  killed(&roomy, "local s = setmetatable({}, {}) getmetatable(s).__tostring = tostring return tostring(s)",
         "stack", "C stack overflow");
  returns(&roomy, "return select(2, pcall(error, 'C stack overflow', 0))", "C stack overflow");
  returns(&roomy, "local ok, e = pcall(function() error('stack overflow') end) return e",
          "scripts/x.lua:1: stack overflow");
  returns(&roomy, "return select(2, pcall(coroutine.wrap(function() error('stack overflow', 0) end)))",
          "stack overflow");
}

static int counted;

static void nothing_of_the_playbook_runs_after_the_end(void **state) {
  (void)state;
  static const char *const cases[] = {
      "local c <close> = setmetatable({}, {__close = function() alive() end}) while true do end",
      "pcall(function() local c <close> = setmetatable({}, {__close = alive}) while true do end end) alive()",
      "local c <close> = setmetatable({}, {__close = alive}) return ('x'):rep(1e9)",
      "pcall(function() local c <close> = setmetatable({}, {__close = alive}) return ('x'):rep(1e9) end)",
      "pcall(string.gsub, 'x', 'x', function() local c <close> = setmetatable({}, {__close = alive}) while "
      "true do end end) alive()",
      "xpcall(function() while true do end end, function() alive() end)",
      "local function f() pcall(f) alive() end f()",
      NULL};
  for (const char *const *c = cases; *c; c++) {
    bench b;
    counted = 0;
    start(&b, &small, *c);
    *ln_vm_user(b.vm) = &counted;
    assert_int_equal(begin(&b), LN_VM_KILLED);
    if (counted) fail_msg("%s: ran on", *c);
    end(&b);
  }
}

/* --- turns ---------------------------------------------------------------------------------------------- */

static void a_slice_ends_anywhere_and_goes_on(void **state) {
  (void)state;
  static const char *const cases[] = {
      "local n = 0 for i = 1, 3e6 do n = n + i end return n == 4500001500000",
      "local f = coroutine.wrap(function() local n = 0 for i = 1, 3e6 do n = n + 1 end coroutine.yield(n) "
      "end) return f() == 3000000",
      "return select(2, pcall(function() local n = 0 for i = 1, 3e6 do n = n + 1 end return n end)) == "
      "3000000",
      "local t = {} for i = 1, 30000 do t[i] = (i * 7919) % 30011 end table.sort(t, function(a, b) return a "
      "< b end) "
      "for i = 2, #t do if t[i - 1] > t[i] then return false end end return true",
      "local t = {} for i = 1, 300000 do t[i] = (i * 7919) % 300007 end table.sort(t) "
      "for i = 2, #t do if t[i - 1] > t[i] then return false end end return true",
      "local s, n = ('x'):rep(400000):gsub('x', 'yy') return n == 400000 and #s == 800000 and not "
      "s:find('x')",
      "local n = 0 for w in ('ab '):rep(100000):gmatch('%a+') do n = n + #w end return n == 200000",
      "return (('a'):rep(22):match(('a?'):rep(22) .. ('a'):rep(22))) == ('a'):rep(22)",
      "return ('a'):rep(20):find(('a*'):rep(5) .. 'c') == nil",
      "local t = {} for i = 1, 200000 do t[i] = i end local s = table.concat(t, ',') return #s == 1288894",
      "local t = {} for i = 1, 200000 do t[i] = i end table.move(t, 1, 200000, 2) return t[200001] == 200000 "
      "and t[2] == 1",
      "local t = {} for i = 1, 200000 do t[i] = i end for i = 1, 10 do table.insert(t, 1, 0) end for i = 1, "
      "10 do table.remove(t, 1) end return t[200000] == 200000 and t[1] == 1",
      "local t, n = {}, 0 for i = 1, 100000 do t['k' .. i] = i end for k, v in pairs(t) do n = n + v end "
      "return n == 5000050000",
      NULL};
  int slices = 0;
  for (const char *const *c = cases; *c; c++) {
    bench b;
    start(&b, &roomy, *c);
    if (begin(&b) != LN_VM_RETURNED) fail_msg("%s: %s", *c, lua_tostring(b.co, -1));
    if (!lua_toboolean(b.co, -1)) fail_msg("%s: wrong", *c);
    slices += b.slices;
    end(&b);
  }
  assert_true(slices > 10);
}

static void a_branch_waits_and_goes_on_with_what_it_is_given(void **state) {
  (void)state;
  static const char *const cases[] = {
      "return ask()",
      "return (pcall(ask))and 'v'",
      "return select(2, pcall(ask))",
      "return coroutine.wrap(ask)()",
      "return select(2, pcall(coroutine.wrap(function() return select(2, pcall(ask)) end)))",
      "local co = coroutine.create(function() return ask() end) return select(2, coroutine.resume(co))",
      "return coroutine.wrap(function() return coroutine.wrap(function() return ask() end)() end)()",
      "local t = setmetatable({}, {__index = function() return ask() end}) return t.x",
      "local t = setmetatable({}, {__add = function() return ask() end}) return t + 1",
      "local t = setmetatable({}, {__concat = function() return ask() end}) return t .. 'x'",
      "local t = setmetatable({}, {__call = function() return ask() end}) return t()",
      "for v in ask do return v end",
      "for v in coroutine.wrap(function() coroutine.yield((ask())) end) do return v end",
      "local r do local c <close> = setmetatable({}, {__close = function() r = ask() end}) end return r",
      "local r pcall(function() local c <close> = setmetatable({}, {__close = function() r = ask() end}) "
      "error('x') end) return r",
      "local r coroutine.wrap(function() pcall(function() local c <close> = setmetatable({}, {__close = "
      "function() r = ask() end}) error('x') end) end)() return r",
      "local v table.sort({2, 1}, function(a, b) v = v or ask() return a < b end) return v",
      "return (xpcall(ask, print)) and 'v'",
      "for k, v in pairs(setmetatable({}, {__pairs = function() return ask, nil, nil end})) do return k end",
      "local f = coroutine.wrap(function(...) local v = ask() local w = coroutine.yield(v) return w end) "
      "local v = f(1, 2) return f(v)",
      NULL};
  for (const char *const *c = cases; *c; c++) {
    bench b;
    start(&b, &roomy, *c);
    ln_vm_turn t = begin(&b);
    if (t != LN_VM_ASKED) fail_msg("%s: %d %s", *c, t, lua_tostring(b.co, -1));
    assert_int_equal(b.nres, 0);
    lua_pushliteral(b.co, "v");
    t = go_on(&b, b.co, 1);
    if (t != LN_VM_RETURNED) fail_msg("%s: %d %s", *c, t, lua_tostring(b.co, -1));
    assert_string_equal(lua_tostring(b.co, -1), "v");
    end(&b);
  }
}

static void where_waiting_is_impossible_the_culprit_is_named(void **state) {
  (void)state;
  static const struct { const char *code, *culprit; } cases[] = {
      {"\n('x'):gsub('x', function()\n return ask() end)", "cannot wait inside gsub (at scripts/x.lua:3)"},
      {"tostring(setmetatable({}, {__tostring = function() return ask() end}))",
       "cannot wait inside tostring (at"},
      {"print(setmetatable({}, {__tostring = function() return ask() end}))", "cannot wait inside print (at"},
      {"('%s'):format(setmetatable({}, {__tostring = function() return ask() end}))",
       "cannot wait inside format (at"},
      {"table.concat(setmetatable({}, {__len = function() return ask() end}))",
       "cannot wait inside concat (at"},
      {"coroutine.wrap(function() ('x'):gsub('x', function() return ask() end) end)()",
       "cannot wait inside gsub (at"},
      {"('x'):gsub('x', coroutine.wrap(function() return ask() end))", "cannot wait inside gsub (at"},
      {"('x'):gsub('x', function() local co = coroutine.create(function() return ask() end) local _, e = "
       "coroutine.resume(co) error(e) end)",
       "cannot wait inside gsub (at"},
      {"xpcall(error, function() return ask() end)", ""},
      {"local m = {__lt = function() return ask() end} table.sort({setmetatable({}, m), setmetatable({}, "
       "m)})",
       "cannot wait inside sort (at"},
      {"local co = coroutine.create(function() local c <close> = setmetatable({}, {__close = function() "
       "return ask() end}) coroutine.yield() end) "
       "coroutine.resume(co) local _, e = coroutine.close(co) error(e)",
       "cannot wait inside coroutine.close (at"}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    bench b;
    start(&b, &roomy, cases[i].code);
    ln_vm_turn t = begin(&b);
    if (*cases[i].culprit) {
      if (t != LN_VM_RAISED) fail_msg("%s: turn %d", cases[i].code, t);
      ln_err e;
      lnL_to_error(b.co, -1, &e);
      if (!strstr(e.message, cases[i].culprit)) fail_msg("%s: %s", cases[i].code, e.message);
      assert_string_equal(e.code, "bad_argument");
    }
    end(&b);
  }
  returns(&roomy, "return tostring(can()) .. ('x'):gsub('x', function() return tostring(can()) end)",
          "truefalse");
}

static void a_coroutine_that_waits_is_no_other_branchs(void **state) {
  (void)state;
  bench b;
  start(&b, &roomy,
        "shared.co = coroutine.create(function() return ask() end) return coroutine.resume(shared.co)");
  assert_int_equal(begin(&b), LN_VM_ASKED);
  lua_State *other =
      branch(b.vm, "local s = coroutine.status(shared.co) local ok, e = coroutine.resume(shared.co) "
                   "return s, ok, e, pcall(coroutine.close, shared.co)");
  assert_int_equal(go_on(&b, other, 1), LN_VM_RETURNED);
  assert_string_equal(lua_tostring(other, -5), "normal");
  assert_false(lua_toboolean(other, -4));
  assert_string_equal(lua_tostring(other, -3), "cannot resume non-suspended coroutine");
  assert_false(lua_toboolean(other, -2));
  lua_pushinteger(b.co, 42);
  assert_int_equal(go_on(&b, b.co, 1), LN_VM_RETURNED);
  assert_int_equal(lua_tointeger(b.co, -1), 42);
  end(&b);
}

static void the_budget_is_between_two_effects(void **state) {
  (void)state;
  bench b;
  int64_t used = 0;
  start(&b, &small, "for i = 1, 20 do for j = 1, 3e5 do end ask() end return 'v'");
  ln_vm_fresh_budget(b.vm, &used);
  ln_vm_turn t = begin(&b);
  for (int i = 0; i < 20; i++) {
    assert_int_equal(t, LN_VM_ASKED);
    assert_int_equal(used, 0);
    t = go_on(&b, b.co, 0);
  }
  assert_int_equal(t, LN_VM_RETURNED);
  assert_true(used >= 0);
  used = 1000000;
  lua_State *late = branch(b.vm, "while true do end");
  assert_int_equal(go_on(&b, late, 1), LN_VM_KILLED);
  assert_string_equal(b.err.code, "cpu");
  end(&b);
}

static void *stop_it(void *arg) {
  ln_vm_interrupt(arg);
  return NULL;
}

static int l_stop(lua_State *L) { /* as another thread would, while the turn is under way */
  pthread_t t;
  assert_int_equal(pthread_create(&t, NULL, stop_it, ln_vm_of(L)), 0);
  pthread_join(t, NULL);
  return 0;
}

static int open_stop(lua_State *L) {
  lua_register(L, "stop", l_stop);
  return 0;
}

static void a_run_is_stopped_from_another_thread(void **state) {
  (void)state;
  bench b;
  ln_vm_limits l = {64 << 20, 1000000000, 100000000};
  start(&b, &l, "stop()\npcall(function() while true do end end)");
  assert_true(ln_vm_protect(b.vm, open_stop, NULL, &b.err));
  assert_int_equal(begin(&b), LN_VM_KILLED);
  assert_string_equal(b.err.code, "cancelled");
  assert_non_null(strstr(b.err.message, "scripts/x.lua:2"));
  assert_int_equal(b.slices, 0);
  end(&b);
  start(&b, &l, "return 1");
  ln_vm_interrupt(b.vm);
  assert_int_equal(begin(&b), LN_VM_KILLED);
  end(&b);
}

/* --- the rest ------------------------------------------------------------------------------------------- */

static int eat(lua_State *L) {
  lua_newuserdatauv(L, 100 << 20, 0);
  return 0;
}

static int complain(lua_State *L) {
  return luaL_error(L, "a complaint of %p's", lua_touserdata(L, 1) ? "someone" : "x");
}

static void the_core_pushes_under_protection(void **state) {
  (void)state;
  bench b;
  start(&b, &small, "return 1");
  assert_false(ln_vm_protect(b.vm, eat, NULL, &b.err));
  assert_string_equal(b.err.code, "memory");
  assert_false(ln_vm_protect(b.vm, complain, &b, &b.err));
  assert_string_equal(b.err.code, "failed");
  assert_int_equal(begin(&b), LN_VM_RETURNED);
  assert_true(ln_vm_memory(b.vm) > 1000);
  end(&b);
}

static bool a_word(lua_State *L, ln_str name) {
  if (!ln_str_eq(name, LN_STR("answer"))) return false;
  counted++;
  lua_pushinteger(L, 42);
  return true;
}

static void words_come_when_they_are_asked_for(void **state) {
  (void)state;
  static const char *const names[] = {"answer", NULL};
  bench b;
  counted = 0;
  start(&b, &roomy, "return answer + answer");
  ln_vm_globals(b.vm, a_word, names);
  assert_int_equal(begin(&b), LN_VM_RETURNED);
  assert_int_equal(lua_tointeger(b.co, -1), 84);
  assert_int_equal(counted, 1);
  lua_State *other = branch(b.vm, "return anwser");
  assert_int_equal(go_on(&b, other, 1), LN_VM_RAISED);
  assert_string_equal(lua_tostring(other, -1),
                      "scripts/x.lua:1: unknown name 'anwser': did you mean 'answer'?");
  end(&b);
}

static char printed[100];
static void keep(ln_vm *vm, ln_str line) {
  (void)vm;
  snprintf(printed, sizeof printed, LN_STR_FMT, LN_STR_ARG(line));
}

static void print_goes_to_the_engine(void **state) {
  (void)state;
  bench b;
  start(&b, &roomy, "print('a', 1, {}, nil, 2.0)");
  ln_vm_on_print(b.vm, keep);
  assert_int_equal(begin(&b), LN_VM_RETURNED);
  assert_string_equal(printed, "a\t1\ttable: 1\tnil\t2.0");
  end(&b);
}

static void it_says_where_the_playbook_is(void **state) {
  (void)state;
  returns(&roomy, "\n\nreturn (where())", "scripts/x.lua:3");
  returns(&roomy, "\nreturn coroutine.wrap(where)()", "scripts/x.lua:2");
  returns(&roomy, "\nreturn (('x'):gsub('x', where))", "scripts/x.lua:2");
}

static void only_texts_are_loaded(void **state) {
  (void)state;
  bench b;
  start(&b, &roomy, "return 1");
  assert_false(ln_vm_load(b.vm, b.co, LN_STR("\x1bLua"), "@x.lua", &b.err));
  assert_string_equal(b.err.code, "syntax");
  assert_false(ln_vm_load(b.vm, b.co, LN_STR("x = = 1"), "@x.lua", &b.err));
  assert_string_equal(b.err.message, "x.lua:1: unexpected symbol near '='");
  char *deep = malloc(100001);
  assert_non_null(deep);
  memset(deep, '(', 100000);
  assert_false(ln_vm_load(b.vm, b.co, (ln_str){deep, 100000}, "@x.lua", &b.err));
  assert_string_equal(b.err.code, "syntax");
  free(deep);
  end(&b);
}

static void two_vms_take_turns_within_each_other(void **state) {
  (void)state;
  bench a, b;
  start(&a, &roomy, "local n = 0 for i = 1, 1e6 do n = n + 1 end ask() return 'v'");
  start(&b, &roomy, "for i = 1, 1e6 do end ask() return 'v'");
  assert_int_equal(begin(&a), LN_VM_ASKED);
  assert_int_equal(begin(&b), LN_VM_ASKED);
  assert_int_equal(go_on(&a, a.co, 0), LN_VM_RETURNED);
  assert_int_equal(go_on(&b, b.co, 0), LN_VM_RETURNED);
  end(&a);
  end(&b);
}

static const char busy_script[] =
    "local t = {} for i = 1, 40 do t[i] = ('k' .. i):rep(20) end table.sort(t, function(a, b) return a > b "
    "end)\n"
    "local s = table.concat(t, ','):gsub('%d+', function(d) return '<' .. d .. '>' end)\n"
    "for k, v in pairs({a = 1, b = 2, 3}) do s = s .. tostring(k) .. string.format('%5d %s', v, {}) end\n"
    "local f = coroutine.wrap(function() pcall(error, {}) coroutine.yield(select(2, xpcall(error, tostring, "
    "'x'))) end)\n"
    "for w in s:gmatch('%w+') do t[#t + 1] = w end print(f(), #t) return ask(#t)";

static int new_branch(lua_State *L) {
  lua_State **co = lua_touserdata(L, 1);
  *co = lua_newthread(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, co);
  return 0;
}

/* Whatever allocation fails, the VM is made whole or not at all, and a turn ends in one of its ways. */
static void every_memory_limit_is_survived(void **state) {
  (void)state;
  int ends[2] = {0, 0};
  for (size_t memory = 1000; memory < 90000; memory += 93) {
    ln_vm_limits l = {memory, 1000000, 1000000};
    ln_err err;
    int nres;
    lua_State *co = NULL;
    ln_vm *vm = ln_vm_new(&l, &err);
    bool ok = vm && ln_vm_protect(vm, open_words, NULL, &err) && ln_vm_protect(vm, new_branch, &co, &err) &&
              ln_vm_load(vm, co, LN_STR(busy_script), "@scripts/x.lua", &err);
    ln_vm_turn t = ok ? ln_vm_resume(vm, co, 0, &nres, &err) : LN_VM_KILLED;
    if (t == LN_VM_KILLED) assert_string_equal(err.code, "memory");
    else assert_int_equal(t, LN_VM_ASKED);
    ends[t == LN_VM_ASKED]++;
    ln_vm_free(vm);
  }
  assert_true(ends[0] > 100 && ends[1] > 100);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_runaway_is_ended_with_its_line),
      cmocka_unit_test(loops_in_c_are_ended),
      cmocka_unit_test(what_needs_too_much_memory_is_ended),
      cmocka_unit_test(endless_recursion_is_ended),
      cmocka_unit_test(nothing_of_the_playbook_runs_after_the_end),
      cmocka_unit_test(a_slice_ends_anywhere_and_goes_on),
      cmocka_unit_test(a_branch_waits_and_goes_on_with_what_it_is_given),
      cmocka_unit_test(where_waiting_is_impossible_the_culprit_is_named),
      cmocka_unit_test(a_coroutine_that_waits_is_no_other_branchs),
      cmocka_unit_test(the_budget_is_between_two_effects),
      cmocka_unit_test(a_run_is_stopped_from_another_thread),
      cmocka_unit_test(the_core_pushes_under_protection),
      cmocka_unit_test(words_come_when_they_are_asked_for),
      cmocka_unit_test(print_goes_to_the_engine),
      cmocka_unit_test(it_says_where_the_playbook_is),
      cmocka_unit_test(only_texts_are_loaded),
      cmocka_unit_test(two_vms_take_turns_within_each_other),
      cmocka_unit_test(every_memory_limit_is_survived)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
