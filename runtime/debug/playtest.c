/* playtest.c: the tests of files, and the children that go through them.  The files are loaded here, by Lua
** alone: no VM of a run is made, so that a child may be forked for each test.  A child writes what came of it
** to a file that both have. */
#include "debug/playtest_parts.h"

#include <errno.h>
#include <ftw.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { JOBS_MOST = 64, PATH = 4096, RESULT_MAX = 256 << 20, CPU_MOST_S = 300 };

typedef struct job {
  pid_t pid;
  size_t number; /* of the test, from 1 */
  FILE *result;
  char folder[PATH];
} job;

typedef struct outcome {
  bool there, ok;
  ln_buf text; /* encoded: { ended, ok, runs, why, written } */
} outcome;

typedef struct going {
  ln_simset *set;
  const ln_playtest_opts *o;
  ln_playtest_sum *sum;
  lua_State *L;
  int kit; /* in the registry */
  const char *const *files;
  size_t n_files;
  size_t tests, told;
  outcome *out;
  job job[JOBS_MOST];
  int jobs;
  size_t wanted; /* the test that is run, or told */
  ln_buf into;   /* a child's: what came of it */
} going;

/* ------------------------------------------------------------------ the tests */

/* Runs fn(going) protected. */
static bool protect(going *w, lua_CFunction fn, ln_err *err) {
  lua_State *L = w->L;
  int top = lua_gettop(L);
  if (!lua_checkstack(L, LUA_MINSTACK)) return ln_fail(err, "memory", LN_AGAIN, "no memory for tests");
  lua_pushcfunction(L, fn);
  lua_pushlightuserdata(L, w);
  bool ok = lua_pcall(L, 1, 0, 0) == LUA_OK;
  if (!ok) {
    ln_err e;
    lnL_to_error(L, -1, &e);
    ln_fail(err, "failed", LN_FINAL, "%s", e.message);
  }
  lua_settop(L, top);
  return ok;
}

static void push_kit(lua_State *L, const going *w, const char *name) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, w->kit);
  lua_getfield(L, -1, name);
  lua_remove(L, -2);
}

static int l_load(lua_State *L) {
  going *w = lua_touserdata(L, 1);
  lnL_playtest_open(L, w->set, w->o); /* job kit */
  w->kit = luaL_ref(L, LUA_REGISTRYINDEX);
  for (size_t i = 0; i < w->n_files; i++) {
    push_kit(L, w, "file");
    lua_pushstring(L, w->files[i]);
    lua_call(L, 1, 0);
  }
  push_kit(L, w, "count");
  lua_call(L, 0, 1);
  w->tests = (size_t)lua_tointeger(L, -1);
  return 0;
}

static int l_run(lua_State *L) {
  going *w = lua_touserdata(L, 1);
  ln_err err = {0};
  push_kit(L, w, "run");
  lua_pushinteger(L, (lua_Integer)w->wanted);
  lua_call(L, 1, 1);
  if (!lnL_encode(L, -1, &w->into, &err)) return luaL_error(L, "%s", err.message);
  return 0;
}

/* ------------------------------------------------------------------ telling */

static int l_told(lua_State *L) {
  going *w = lua_touserdata(L, 1);
  const outcome *r = &w->out[w->wanted - 1];
  ln_vitem runs = {0}, written = {0};
  push_kit(L, w, "info");
  lua_pushinteger(L, (lua_Integer)w->wanted);
  lua_call(L, 1, 2); /* job file name */
  ln_v_get(ln_buf_view(&r->text), LN_STR("runs"), &runs);
  ln_v_get(ln_buf_view(&r->text), LN_STR("written"), &written);
  ln_playtest_result t = {.file = lua_tostring(L, -2),
                          .name = lua_tostring(L, -1),
                          .ok = r->ok,
                          .why = ln_v_get_str(ln_buf_view(&r->text), "why"),
                          .ended = ln_v_get_str(ln_buf_view(&r->text), "ended"),
                          .written = written.whole,
                          .runs = runs.whole};
  w->o->told(w->o->arg, &t);
  return 0;
}

/* Those whose turn it is: in the order of files and lines. */
static bool tell(going *w, ln_err *err) {
  bool ok = true;
  for (; ok && w->told < w->tests && w->out[w->told].there; w->told++) {
    w->wanted = w->told + 1;
    ok = !w->o->told || protect(w, l_told, err);
    ln_buf_free(&w->out[w->told].text);
  }
  return ok;
}

/* ------------------------------------------------------------------ children */

static int remove_one(const char *name, const struct stat *st, int type, struct FTW *where) {
  (void)st, (void)type;
  return where->level > 0 ? remove(name) : 0;
}

static void put_result(ln_buf *b, bool ok, const char *why) {
  size_t mark = ln_v_begin(b, 'O', 2);
  ln_v_key(b, LN_STR("ok"));
  ln_v_bool(b, ok);
  ln_v_key(b, LN_STR("why"));
  ln_v_str(b, ln_str_of(why));
  ln_v_end(b, mark);
}

static void live(going *w, job *j) {
  const struct rlimit cpu = {CPU_MOST_S, CPU_MOST_S};
  ln_err err = {0};
  ln_buf_init(&w->into, RESULT_MAX);
  setrlimit(RLIMIT_CPU, &cpu);
  w->wanted = j->number;
  if (!ln_playtest_be_born(j->folder, &err) || !protect(w, l_run, &err)) {
    ln_buf_cut(&w->into, 0);
    put_result(&w->into, false, err.message);
  }
  ln_str s = ln_buf_view(&w->into);
  fwrite(s.p, 1, s.n, j->result);
  fflush(j->result);
}

static bool start(going *w, job *j, size_t number, ln_err *err) {
  j->number = number;
  rewind(j->result);
  if (ftruncate(fileno(j->result), 0) != 0) return ln_fail(err, "failed", LN_FINAL, "%s", strerror(errno));
  fflush(stdout);
  j->pid = fork();
  if (j->pid < 0) return j->pid = 0, ln_fail(err, "failed", LN_AGAIN, "a test has no process");
  if (j->pid > 0) return true;
  live(w, j);
  _exit(0);
}

static void read_result(job *j, outcome *r, int status) {
  char chunk[65536];
  ln_err err;
  ln_buf_init(&r->text, RESULT_MAX);
  rewind(j->result);
  for (size_t n; (n = fread(chunk, 1, sizeof chunk, j->result)) > 0;)
    ln_buf_add(&r->text, (ln_str){chunk, n});
  r->there = true;
  if (status != 0 || !ln_v_check(ln_buf_view(&r->text), &err)) {
    char why[128];
    snprintf(why, sizeof why, "its process died: %s",
             WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "without a word");
    ln_buf_cut(&r->text, 0);
    put_result(&r->text, false, why);
  }
  r->ok = ln_v_get_bool(ln_buf_view(&r->text), "ok", false);
}

static bool wait_for_one(going *w, ln_err *err) {
  int status;
  pid_t pid = waitpid(-1, &status, 0);
  for (int i = 0; i < w->jobs; i++) {
    job *j = &w->job[i];
    if (pid <= 0 || j->pid != pid) continue;
    outcome *r = &w->out[j->number - 1];
    read_result(j, r, status);
    w->sum->passed += r->ok;
    w->sum->failed += !r->ok;
    nftw(j->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    j->pid = 0;
    return true;
  }
  return pid > 0 || ln_fail(err, "failed", LN_AGAIN, "a test's process is gone");
}

static job *free_job(going *w) {
  for (int i = 0; i < w->jobs; i++)
    if (!w->job[i].pid) return &w->job[i];
  return NULL;
}

static bool run_all(going *w, ln_err *err) {
  size_t next = 1, under_way = 0;
  bool ok = true;
  while (ok && (next <= w->tests || under_way)) {
    job *j = next <= w->tests ? free_job(w) : NULL;
    if (j) ok = start(w, j, next++, err), under_way += ok;
    else ok = wait_for_one(w, err) && tell(w, err), under_way--;
  }
  while (under_way > 0 && wait_for_one(w, err)) under_way--;
  return ok;
}

static bool make_jobs(going *w, ln_err *err) {
  int jobs = w->o->jobs < 1 ? 1 : w->o->jobs > JOBS_MOST ? JOBS_MOST : w->o->jobs;
  w->out = calloc(w->tests + 1, sizeof *w->out);
  if (!w->out) return ln_fail(err, "memory", LN_AGAIN, "no memory for tests");
  for (; w->jobs < jobs; w->jobs++) {
    job *j = &w->job[w->jobs];
    snprintf(j->folder, sizeof j->folder, "%s/%d", w->o->folder, w->jobs);
    if ((mkdir(j->folder, 0700) != 0 && errno != EEXIST) || !(j->result = tmpfile()))
      return ln_fail(err, "failed", LN_FINAL, "%s: %s", j->folder, strerror(errno));
  }
  return true;
}

bool ln_playtest_go(ln_simset *s, const char *const *files, size_t n, const ln_playtest_opts *o,
                    ln_playtest_sum *sum, ln_err *err) {
  going *w = calloc(1, sizeof *w);
  if (!w) return ln_fail(err, "memory", LN_AGAIN, "no memory for tests");
  w->set = s;
  w->o = o;
  w->sum = sum;
  w->L = ln_simhost_state(s->vendors);
  w->files = files;
  w->n_files = n;
  bool ok = protect(w, l_load, err) && make_jobs(w, err) && run_all(w, err);
  for (int i = 0; i < w->jobs; i++) {
    if (w->job[i].result) fclose(w->job[i].result);
    rmdir(w->job[i].folder);
  }
  luaL_unref(w->L, LUA_REGISTRYINDEX, w->kit);
  free(w->out);
  free(w);
  return ok;
}
