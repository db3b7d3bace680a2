/* vm_bench.c: what a VM costs: to make with the words of a playbook, to hold, to resume, and what its library
** takes beside Lua's own.  Prints one JSON object a line: { "vm": … }, then { "lua": NAME, … } for each
** script. */
#include "engine/inside.h"
#include "engine/preempt.h"
#include "modules/words.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>

static const ln_vm_limits limits = {64 << 20, 5000, 60000000};

static ln_run run;                                       /* what the words ask for who they are said by */

static int l_words(lua_State *L) {
  lnL_open_words(L);
  return 0;
}

static void die(const char *what) {
  fprintf(stderr, "vm_bench: %s\n", what);
  exit(1);
}

static ln_vm *make(void) {
  ln_err err;
  ln_vm *vm = ln_vm_new(&limits, &err);
  if (!vm) die(err.message);
  *ln_vm_user(vm) = &run;
  if (!ln_vm_protect(vm, l_words, NULL, &err)) die(err.message);
  return vm;
}

static double vm_start_us(size_t *bytes) {
  enum { N = 5000 };
  ln_vm_free(make());
  int64_t from = ln_preempt_now_us();
  for (int i = 0; i < N; i++) {
    ln_vm *vm = make();
    *bytes = ln_vm_memory(vm);
    ln_vm_free(vm);
  }
  return (double)(ln_preempt_now_us() - from) / N;
}

static double stock_start_us(void) {
  enum { N = 2000 };
  int64_t from = ln_preempt_now_us();
  for (int i = 0; i < N; i++) {
    lua_State *L = luaL_newstate();
    luaL_openlibs(L);
    lua_close(L);
  }
  return (double)(ln_preempt_now_us() - from) / N;
}

static int again(lua_State *L, int status, lua_KContext ctx) {
  (void)status, (void)ctx;
  return lnL_wait(L, 0, again);
}

static int l_ask(lua_State *L) { return again(L, 0, 0); }

static double turn_us(void) {
  enum { N = 1000000 };
  ln_vm *vm = make();
  ln_err err;
  int n;
  lua_State *co = lua_newthread(ln_vm_main(vm));
  lua_pushcfunction(co, l_ask);
  int64_t from = ln_preempt_now_us();
  for (int i = 0; i < N; i++) ln_vm_resume(vm, co, 0, &n, &err);
  double us = (double)(ln_preempt_now_us() - from) / N;
  ln_vm_free(vm);
  return us;
}

static double stock_ms(const char *code) {
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  int64_t from = ln_preempt_now_us();
  if (luaL_dostring(L, code)) fprintf(stderr, "vm_bench: %s\n", lua_tostring(L, -1));
  double ms = (double)(ln_preempt_now_us() - from) / 1000;
  lua_close(L);
  return ms;
}

static double ours_ms(const char *code) {
  ln_vm *vm = make();
  ln_err err;
  int n;
  ln_vm_turn t;
  lua_State *co = lua_newthread(ln_vm_main(vm));
  if (!ln_vm_load(vm, co, ln_str_of(code), "@bench", &err)) fprintf(stderr, "vm_bench: %s\n", err.message);
  int64_t from = ln_preempt_now_us();
  do t = ln_vm_resume(vm, co, 0, &n, &err);
  while (t == LN_VM_SLICE);
  if (t != LN_VM_RETURNED)
    fprintf(stderr, "vm_bench: %s: %s\n", code, t == LN_VM_KILLED ? err.message : lua_tostring(co, -1));
  double ms = (double)(ln_preempt_now_us() - from) / 1000;
  ln_vm_free(vm);
  return ms;
}

static const struct { const char *name, *code; } scripts[] = {
    {"loop", "local n = 0 for i = 1, 2e7 do n = n + i end"},
    {"globals", "local n = 0 for i = 1, 2e6 do n = n + math.max(i, 3) end"},
    {"pairs_small",
     "local t = {a = 1, b = 2, c = 3, d = 4, e = 5} for i = 1, 2e5 do for k, v in pairs(t) do end end"},
    {"pairs_array",
     "local t = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10} for i = 1, 2e5 do for k, v in pairs(t) do end end"},
    {"pairs_large",
     "local t = {} for i = 1, 1e5 do t['k' .. i] = i end for i = 1, 3 do for k, v in pairs(t) do end end"},
    {"find", "local s = ('hello '):rep(100) .. 'world' for i = 1, 2e4 do s:find('w%a+d') end"},
    {"match", "for i = 1, 3e5 do ('2026-11-24'):match('^(%d+)-(%d+)-(%d+)$') end"},
    {"gsub", "local s = ('ab '):rep(1000) for i = 1, 100 do s:gsub('%w+', '<%0>') end"},
    {"gmatch", "local s = ('ab '):rep(1000) for i = 1, 100 do for w in s:gmatch('%w+') do end end"},
    {"format", "for i = 1, 5e5 do string.format('%s: %d %5.2f', 'x', i, 1.5) end"},
    {"concat", "local t = {} for i = 1, 1e5 do t[i] = i end for i = 1, 20 do table.concat(t, ',') end"},
    {"insert", "local t = {} for i = 1, 1e6 do table.insert(t, i) end"},
    {"sort_numbers", "local t = {} for i = 1, 1e5 do t[i] = (i * 7919) % 100003 end table.sort(t)"},
    {"sort_by", "local t = {} for i = 1, 1e5 do t[i] = (i * 7919) % 100003 end table.sort(t, function(a, b) "
                "return a > b end)"},
    {"pcall", "for i = 1, 1e6 do pcall(math.abs, 1) end"},
    {"tostring", "for i = 1, 1e6 do tostring(i) end"},
    {"coroutine", "local f = coroutine.wrap(function() while true do coroutine.yield(1) end end) for i = 1, "
                  "1e6 do f() end"}};

int main(void) {
  size_t bytes = 0;
  double start = vm_start_us(&bytes);
  printf("{\"vm\":{\"start_us\":%.1f,\"bytes\":%zu,\"stock_start_us\":%.1f,\"turn_us\":%.3f}}\n", start,
         bytes, stock_start_us(), turn_us());
  for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++) {
    double stock = stock_ms(scripts[i].code), ours = ours_ms(scripts[i].code);
    printf("{\"lua\":\"%s\",\"ms\":%.1f,\"stock_ms\":%.1f}\n", scripts[i].name, ours, stock);
  }
  return 0;
}
