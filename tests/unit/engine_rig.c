/* engine_rig.c: the simulated set of the engine's tests; see engine_rig.h. The writer's two doors are
** wrapped by the linker (--wrap), so that a test can let the process die after any job. */
#include "tests/unit/engine_rig.h"

#include "base/log.h"
#include "engine/inside.h"
#include "engine/library.h"
#include "engine/timing.h"
#include "modules/modules.h"
#include "modules/words.h"

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DELAY_MS = 20, STUCK_MS = 30 * 3600 * 1000 };

ln_err rig_err;
static rig *here;                                        /* for the wrapped doors                           */

/* ------------------------------------------------------------------ the writer's doors */

bool __real_ln_writer_submit(ln_store *s, ln_loop *back, ln_apply_fn apply, ln_done_fn done, void *arg);
bool __real_ln_writer_submit_unwaited(ln_store *s, ln_loop *back, ln_apply_fn apply, ln_done_fn done,
                                      void *arg);
bool __real_ln_writer_run(ln_store *s, ln_apply_fn apply, void *arg, ln_err *err);
bool __wrap_ln_writer_submit(ln_store *s, ln_loop *back, ln_apply_fn apply, ln_done_fn done, void *arg);
bool __wrap_ln_writer_submit_unwaited(ln_store *s, ln_loop *back, ln_apply_fn apply, ln_done_fn done,
                                      void *arg);
bool __wrap_ln_writer_run(ln_store *s, ln_apply_fn apply, void *arg, ln_err *err);

typedef struct spy { ln_apply_fn apply; ln_done_fn done; void *arg; } spy;

static const ln_err death = {.code = "store", .message = "the process is dead"};

static void die(void) {
  here->dead = true;
  here->g.loop->stop(here->g.loop);
}

static bool spy_apply(ln_tx *tx, void *arg, ln_err *err) {
  spy *s = arg;
  here->jobs_tried++;
  if (!here->dead && here->death == RIG_BEFORE && here->jobs == here->kill_at) die();
  if (here->dead) return *err = death, false;
  if (!s->apply(tx, s->arg, err)) return false;
  here->jobs++;
  return true;
}

static void spy_done(void *arg, const ln_err *err) {
  spy s = *(spy *)arg;
  free(arg);
  if (!here->dead && here->death == RIG_AFTER && here->kill_at >= 0 && here->jobs >= here->kill_at) die();
  void (*hook)(rig *r) = here->on_done;
  here->on_done = NULL;                                  /* what the hook does is no job of its own */
  if (hook) hook(here), here->on_done = hook;
  if (s.done) s.done(s.arg, here->dead ? &death : err);
}

typedef bool submit_fn(ln_store *s, ln_loop *back, ln_apply_fn apply, ln_done_fn done, void *arg);

static bool spied(submit_fn *real, ln_store *s, ln_loop *back, spy what) {
  if (!here) return real(s, back, what.apply, what.done, what.arg);
  spy *p = here->dead ? NULL : malloc(sizeof *p);
  if (!p) return false;
  *p = what;
  if (real(s, back, spy_apply, spy_done, p)) return true;
  free(p);
  return false;
}

bool __wrap_ln_writer_submit(ln_store *s, ln_loop *back, ln_apply_fn apply, ln_done_fn done, void *arg) {
  return spied(__real_ln_writer_submit, s, back, (spy){apply, done, arg});
}

bool __wrap_ln_writer_submit_unwaited(ln_store *s, ln_loop *back, ln_apply_fn apply, ln_done_fn done,
                                      void *arg) {
  return spied(__real_ln_writer_submit_unwaited, s, back, (spy){apply, done, arg});
}

bool __wrap_ln_writer_run(ln_store *s, ln_apply_fn apply, void *arg, ln_err *err) {
  if (here && here->dead) return *err = death, false;
  void (*hook)(rig *r) = here ? here->on_wait : NULL;
  if (hook) here->on_wait = NULL, hook(here);
  return __real_ln_writer_run(s, apply, arg, err);
}

/* ------------------------------------------------------------------ the world */

static rig *rig_of(const ln_effect *e) { return ln_effect_engine(e)->connectors; }

static rig_thing *thing(rig *r, const char *id) {
  for (size_t i = 0; i < r->n_things; i++)
    if (strcmp(r->things[i].id, id) == 0) return &r->things[i];
  return NULL;
}

const char *rig_thing_is(rig *r, const char *id) {
  rig_thing *t = thing(r, id);
  return t ? t->state : "absent";
}

void rig_thing_set(rig *r, const char *id, const char *state) {
  rig_thing *t = thing(r, id);
  if (!t) {
    assert_true(r->n_things < RIG_WORLD);
    t = &r->things[r->n_things++];
    snprintf(t->id, sizeof t->id, "%s", id);
  }
  snprintf(t->state, sizeof t->state, "%s", state);
}

static void arg_text(const ln_effect *e, const char *key, const char *otherwise, char *out, size_t n) {
  ln_str s = ln_v_get_str(ln_effect_args(e), key);
  if (s.p) snprintf(out, n, "%.*s", LN_STR_ARG(s));
  else snprintf(out, n, "%s", otherwise);
}

static rig_act *note_act(const ln_effect *e, const char *phase) {
  rig *r = rig_of(e);
  if (r->n_acts == r->cap_acts) {
    r->cap_acts = r->cap_acts ? 2 * r->cap_acts : 64;
    r->acts = realloc(r->acts, r->cap_acts * sizeof *r->acts);
    assert_non_null(r->acts);
  }
  rig_act *a = &r->acts[r->n_acts++];
  *a = (rig_act){.life = r->life, .at_ms = ln_now_ms(r->g.loop->clock)};
  snprintf(a->phase, sizeof a->phase, "%s", phase);
  snprintf(a->step, sizeof a->step, "%.*s", LN_STR_ARG(ln_effect_name(e)));
  snprintf(a->tag, sizeof a->tag, "%.*s", LN_STR_ARG(ln_effect_tag(e)));
  arg_text(e, "id", "", a->id, sizeof a->id);
  arg_text(e, "to", strcmp(ln_effect_op(e)->name, "fake.free") == 0 ? "absent" : "held", a->to, sizeof a->to);
  return a;
}

int rig_count(const rig *r, const char *phase, const char *step) {
  int n = 0;
  for (size_t i = 0; i < r->n_acts; i++)
    n += strcmp(r->acts[i].phase, phase) == 0 && (!step || strcmp(r->acts[i].step, step) == 0);
  return n;
}

int rig_acted(const rig *r, const char *step) {
  int n = 0;
  for (size_t i = 0; i < r->n_acts; i++)
    n += r->acts[i].acted && (!step || strcmp(r->acts[i].step, step) == 0);
  return n;
}

/* ------------------------------------------------------------------ what the world says */

void rig_say_(rig *r, const char *step, const char *phase, const char *tokens) {
  assert_true(r->n_says < RIG_SAYS);
  rig_say *s = &r->says[r->n_says++];
  *s = (rig_say){.n = 0};
  snprintf(s->step, sizeof s->step, "%s", step);
  snprintf(s->phase, sizeof s->phase, "%s", phase);
  char copy[256], *rest = copy, *one;
  snprintf(copy, sizeof copy, "%s", tokens);
  while ((one = strtok_r(rest, " ", &rest)) && s->n < RIG_TOKENS)
    snprintf(s->token[s->n++], sizeof s->token[0], "%s", one);
}

/* The next token for this ask ("" when the test said nothing), and after how long it is answered. */
static int64_t next_token(const ln_effect *e, const char *phase, char out[32]) {
  rig *r = rig_of(e);
  int64_t delay = DELAY_MS;
  *out = 0;
  for (size_t i = 0; i < r->n_says; i++) {
    rig_say *s = &r->says[i];
    if (strcmp(s->phase, phase) != 0 || !ln_str_eq(ln_str_of(s->step), ln_effect_name(e)) || s->at == s->n)
      continue;
    snprintf(out, 32, "%s", s->token[s->at++]);
    break;
  }
  char *at = strchr(out, '@');
  if (at) {
    delay = strtoll(at + 1, NULL, 10);
    *at = 0;
  }
  return delay;
}

/* ------------------------------------------------------------------ operations */

typedef struct work { ln_timer timer; ln_effect *e; rig *r; char token[32]; rig_act act; } work;

static void free_work(void *arg) {
  work *w = arg;
  w->r->g.loop->cancel(w->r->g.loop, &w->timer);
  free(w);
}

static void drop_work(ln_effect *e) {
  work *w = ln_effect_work(e);
  if (w) w->r->g.loop->cancel(w->r->g.loop, &w->timer);
}

static work *work_for(ln_effect *e, const char *phase, ln_task_fn then) {
  rig *r = rig_of(e);
  work *w = ln_effect_work(e);
  if (!w) {
    w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->e = e;
    w->r = r;
    ln_effect_set_work(e, w, free_work);
  }
  ln_effect_on_drop(e, drop_work);
  int64_t delay = next_token(e, phase, w->token);
  w->act = *note_act(e, phase);
  w->timer.fn = then;
  w->timer.arg = w;
  assert_true(r->g.loop->timer(r->g.loop, &w->timer, delay));
  return w;
}

static bool is(const work *w, const char *token) { return strcmp(w->token, token) == 0; }

static void put(ln_buf *b, const char *key, const char *value) {
  ln_v_key(b, ln_str_of(key));
  ln_v_str(b, ln_str_of(value));
}

static void put_value(ln_buf *b, const char *id, const char *state) {
  size_t mark = ln_v_begin(b, 'O', 2);
  put(b, "id", id);
  put(b, "state", state);
  ln_v_end(b, mark);
}

static ln_err trouble(const char *code) {
  ln_err err = {.code = ""};
  ln_fail(&err, code, LN_AGAIN, "the world says %s", code);
  return err;
}

static void answer_read(void *arg) {
  work *w = arg;
  ln_buf b;
  ln_err err = trouble("unavailable");
  int64_t big = ln_v_get_int(ln_effect_args(w->e), "bytes", 0);
  ln_buf_init(&b, 64 << 20);
  if (big) {
    char *p = malloc((size_t)big);
    assert_non_null(p);
    for (int64_t i = 0; i < big; i++) p[i] = (char)(i * 7 + i / 251);
    ln_v_str(&b, (ln_str){p, (size_t)big});
    free(p);
  } else {
    put_value(&b, w->act.id, rig_thing_is(w->r, w->act.id));
  }
  if (is(w, "err")) ln_effect_fail(w->e, &err);
  else ln_effect_done(w->e, ln_buf_view(&b));
  ln_buf_free(&b);
}

static void start_read(ln_effect *e) { work_for(e, "read", answer_read); }

/* --- writes --- */

static bool describe(ln_effect *e, ln_write *out, ln_err *err) {
  rig *r = rig_of(e);
  char id[96], to[32], text[256];
  ln_buf b;
  ln_buf_init(&b, 4096);
  arg_text(e, "id", "", id, sizeof id);
  arg_text(e, "to", strcmp(e->op->name, "fake.free") == 0 ? "absent" : "held", to, sizeof to);
  if (!id[0]) return ln_fail(err, "bad_argument", LN_FINAL, "fake: no id");
  *out = (ln_write){.asks = r->writes && strcmp(r->writes, "ask") == 0,
                    .never = r->writes && strcmp(r->writes, "never") == 0};
  snprintf(text, sizeof text, "fake:host:%s", id);
  ln_effect_keep(e, ln_str_of(text), &out->entity);
  out->facet = LN_STR("state");
  ln_effect_keep(e, ln_str_of(to), &out->to);
  size_t mark = ln_v_begin(&b, 'O', 3);
  ln_v_key(&b, LN_STR("handle"));
  size_t opaque = ln_v_begin(&b, 'P', 1);
  put(&b, "what", "fake");
  ln_v_end(&b, opaque);
  put(&b, "id", id);
  put(&b, "state", to);
  ln_v_end(&b, mark);
  ln_effect_keep(e, ln_buf_view(&b), &out->planned);
  ln_buf_cut(&b, 0);
  mark = ln_v_begin(&b, 'O', 2);
  put(&b, "method", "PUT");
  put(&b, "url", "https://fake/");
  ln_v_end(&b, mark);
  ln_effect_keep(e, ln_buf_view(&b), &out->would);
  ln_buf_free(&b);
  return true;
}

static void put_list(ln_buf *b, const char *key, const char *one) {
  ln_v_key(b, ln_str_of(key));
  size_t mark = ln_v_begin(b, 'A', 1);
  ln_v_str(b, ln_str_of(one));
  ln_v_end(b, mark);
}

static void put_names(ln_buf *b, const work *w) {
  bool file = strcmp(w->e->op->name, "fake.file") == 0, server = strncmp(w->act.id, "srv-", 4) == 0;
  size_t mark = ln_v_begin(b, 'O', server ? 2 : 1);
  put_list(b, file ? "file" : "host", w->act.id);
  if (server) put(b, "role", "server");
  ln_v_end(b, mark);
}

static void answer_look(void *arg) {
  work *w = arg;
  ln_buf names, undo, same;
  ln_err err = trouble("not_found");
  ln_buf_init(&names, 4096);
  ln_buf_init(&undo, 4096);
  ln_buf_init(&same, 4096);
  put_names(&names, w);
  size_t mark = ln_v_begin(&undo, 'O', 2), args;
  ln_v_key(&undo, LN_STR("args"));
  args = ln_v_begin(&undo, 'O', 1);
  put(&undo, "id", w->act.id);
  ln_v_end(&undo, args);
  put(&undo, "op", "fake.free");
  ln_v_end(&undo, mark);
  put_value(&same, w->act.id, w->act.to);
  ln_look l = {.before = ln_str_of(w->token[0] == '=' ? w->token + 1 : rig_thing_is(w->r, w->act.id)),
               .resolved = strcmp(w->act.id, "nobody") != 0,
               .names = ln_buf_view(&names),
               .endpoints = w->r->endpoints,
               .undo = ln_buf_view(&undo),
               .unchanged = ln_buf_view(&same)};
  if (is(w, "err")) ln_write_looked(w->e, NULL, &err);
  else ln_write_looked(w->e, &l, NULL);
  ln_buf_free(&names);
  ln_buf_free(&undo);
  ln_buf_free(&same);
}

static void look(ln_effect *e) { work_for(e, "look", answer_look); }

static void answer_place(void *arg) {
  work *w = arg;
  ln_err no = trouble("rate_limited");
  if (is(w, "no")) ln_write_sent(w->e, LN_DID_NOT, (ln_str){NULL, 0}, &no);
  else ln_write_placed(w->e);
}

static void place(ln_effect *e) {
  work *w = work_for(e, "place", answer_place);
  if (is(w, "die")) die();
}

static void put_off(ln_effect *e) {
  ln_write_put_off(e);
  if (!e->finished && e->stand == LN_W_PLACING) place(e); /* else nobody wants it any more */
}

static void answer_send(void *arg) {
  work *w = arg;
  ln_buf b;
  ln_err lost = trouble("timeout"), no = trouble("conflict");
  ln_buf_init(&b, 4096);
  bool task = w->e->op->write->follow != NULL;
  put_value(&b, w->act.id, w->act.to);
  if (strncmp(w->token, "lost", 4) == 0) ln_write_sent(w->e, LN_UNKNOWN, (ln_str){NULL, 0}, &lost);
  else if (is(w, "no")) ln_write_sent(w->e, LN_DID_NOT, (ln_str){NULL, 0}, &no);
  else if (is(w, "off")) put_off(w->e);
  else if (is(w, "same")) ln_write_sent(w->e, LN_DID_UNCHANGED, ln_buf_view(&b), NULL);
  else if (strncmp(w->token, "hang", 4) != 0 && strncmp(w->token, "die", 3) != 0)
    ln_write_sent(w->e, task ? LN_ACCEPTED : LN_DID, ln_buf_view(&b), NULL);
  ln_buf_free(&b);
}

static void send(ln_effect *e) {
  rig *r = rig_of(e);
  if (r->on_send) r->on_send(r, e);
  work *w = work_for(e, "send", answer_send);
  bool nothing = is(w, "lost-") || is(w, "hang-") || is(w, "die-") || is(w, "no") || is(w, "same") ||
                 is(w, "off");
  if (strncmp(w->token, "die", 3) == 0) die();
  r->acts[r->n_acts - 1].acted = !nothing;
  if (!nothing) rig_thing_set(r, w->act.id, w->act.to);
}

static bool happened(const work *w) {
  for (size_t i = 0; i < w->r->n_acts; i++)
    if (w->r->acts[i].acted && strcmp(w->r->acts[i].tag, w->act.tag) == 0) return true;
  return false;
}

static void answer_probe(void *arg) {
  work *w = arg;
  ln_buf b;
  ln_err why = trouble("unavailable"), none = trouble("failed");
  ln_buf_init(&b, 4096);
  put_value(&b, w->act.id, w->act.to);
  bool by_state = w->e->op->write->look && !w->e->op->write->follow;
  bool did = by_state ? strcmp(rig_thing_is(w->r, w->act.id), w->act.to) == 0 : happened(w);
  if (is(w, "unknown")) ln_write_probed(w->e, LN_UNKNOWN, (ln_str){NULL, 0}, &why);
  else if (is(w, "no") || (!is(w, "yes") && !did))
    ln_write_probed(w->e, LN_DID_NOT, (ln_str){NULL, 0}, &none);
  else ln_write_probed(w->e, w->e->op->write->follow ? LN_ACCEPTED : LN_DID, ln_buf_view(&b), NULL);
  ln_buf_free(&b);
}

static void probe(ln_effect *e, int64_t since_ms) {
  (void)since_ms;
  work_for(e, "probe", answer_probe);
}

static void answer_follow(void *arg) {
  work *w = arg;
  ln_buf b;
  ln_err why = trouble("pending"), bad = trouble("failed");
  ln_buf_init(&b, 4096);
  put_value(&b, w->act.id, w->act.to);
  if (is(w, "run")) ln_write_followed(w->e, LN_ACCEPTED, (ln_str){NULL, 0}, NULL, 1000);
  else if (is(w, "wait")) ln_write_followed(w->e, LN_UNKNOWN, (ln_str){NULL, 0}, &why, 60000);
  else if (is(w, "bad")) ln_write_followed(w->e, LN_DID_NOT, (ln_str){NULL, 0}, &bad, 0);
  else if (is(w, "same")) ln_write_followed(w->e, LN_DID_UNCHANGED, ln_buf_view(&b), NULL, 0);
  else ln_write_followed(w->e, LN_DID, ln_buf_view(&b), NULL, 0);
  ln_buf_free(&b);
}

static void follow(ln_effect *e, ln_str handle) {
  (void)handle;
  work_for(e, "follow", answer_follow);
}

static const ln_write_ops seen = {describe, look, NULL, send, probe, NULL, NULL},
                          tagged = {describe, NULL, NULL, send, probe, NULL, NULL},
                          blind = {describe, NULL, NULL, send, NULL, NULL, NULL},
                          task = {describe, look, NULL, send, probe, follow, NULL},
                          queued = {describe, look, place, send, probe, NULL, NULL};

#define WRITES(label, ops, idem, does)                                                                       \
  {                                                                                                          \
    .name = "fake." label, .cls = LN_WRITE, .uses = "fake", .write = &ops, .idempotent = idem, .move = does, \
    .settle_ms = 5000                                                                                        \
  }

static const ln_op ops[] = {{.name = "fake.read", .cls = LN_READ, .uses = "fake", .start = start_read},
                            {.name = "other.read", .cls = LN_READ, .uses = "other", .start = start_read},
                            WRITES("set", seen, true, LN_CONFINE),
                            WRITES("free", seen, true, LN_FREE),
                            WRITES("file", seen, true, LN_CONFINE),
                            WRITES("note", seen, true, LN_NOTE),
                            WRITES("once", seen, false, LN_CONFINE),
                            WRITES("post", tagged, false, LN_NOTE),
                            WRITES("ipost", tagged, true, LN_NOTE),
                            WRITES("blind", blind, false, LN_NOTE),
                            WRITES("iblind", blind, true, LN_NOTE),
                            WRITES("task", task, false, LN_CONFINE),
                            WRITES("itask", task, true, LN_CONFINE),
                            WRITES("queued", queued, true, LN_CONFINE)};

enum { OPS = sizeof ops / sizeof *ops };

static int l_op(lua_State *L) { return lnL_effect(L, lua_touserdata(L, lua_upvalueindex(1)), 1, NULL, NULL); }

static int open_fake(lua_State *L) {
  lua_createtable(L, 0, OPS);
  for (size_t i = 0; i < OPS; i++) {
    lua_pushlightuserdata(L, (void *)&ops[i]);
    lua_pushcclosure(L, l_op, 1);
    lua_setfield(L, -2, strchr(ops[i].name, '.') == ops[i].name + 5 ? "other" : ops[i].name + 5);
  }
  return 1;
}

static const ln_op *find_op(ln_engine *g, ln_str name) {
  (void)g;
  for (size_t i = 0; i < OPS; i++)
    if (ln_str_eq(ln_str_of(ops[i].name), name)) return &ops[i];
  return NULL;
}

static const ln_module modules[] = {{"fake", open_fake},
                                    {"store", luaopen_store},
                                    {"log", luaopen_log},
                                    {"json", luaopen_json},
                                    {"ledger", luaopen_ledger},
                                    {NULL, NULL}};

/* ------------------------------------------------------------------ a rig */

rig *rig_new(uint64_t seed) {
  static int rigs;
  ln_log_level(LN_NOTHING); /* lost batches are what is tested */
  rig *r = calloc(1, sizeof *r);
  assert_non_null(r);
  snprintf(r->folder, sizeof r->folder, "/tmp/lunette-rig-XXXXXX");
  assert_non_null(mkdtemp(r->folder));
  r->seed = seed;
  r->now_ms = 1795600000000;
  r->kill_at = -1;
  snprintf(r->disk, sizeof r->disk, "rig%d", ++rigs); /* one that a failed test left behind does not matter */
  r->vfs = ln_vfs_sim_new(r->disk, seed, &rig_err);
  assert_non_null(r->vfs);
  return here = r;
}

rig *rig_around(ln_loop *l) {
  rig *r = calloc(1, sizeof *r);
  assert_non_null(r);
  r->g.loop = l;
  r->kill_at = -1;
  return here = r;
}

void rig_let_be(rig *r) {
  free(r);
  here = NULL;
}

static int remove_one(const char *name, const struct stat *st, int type, struct FTW *where) {
  (void)st, (void)type, (void)where;
  return remove(name);
}

void rig_free(rig *r) {
  if (r->up) rig_down(r);
  ln_vfs_sim_free(r->vfs);
  nftw(r->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
  free(r->acts);
  free(r);
  here = NULL;
}

void rig_conf(rig *r, const char *lua) { snprintf(r->conf, sizeof r->conf, "%s", lua); }

void rig_conf_stdlib(rig *r, const char *lua) {
  char stdlib[PATH_MAX];
  assert_non_null(realpath("stdlib", stdlib));
  int n = snprintf(r->conf, sizeof r->conf, "stdlib = { \"%s\" }, %s", stdlib, lua);
  assert_true(n < (int)sizeof r->conf);
}

static void write_file(const char *path, const char *text) {
  FILE *f = fopen(path, "w");
  assert_non_null(f);
  fputs(text, f);
  fclose(f);
}

void rig_script(rig *r, const char *module, const char *source) {
  char path[256], *at;
  snprintf(path, sizeof path, "%s/scripts/", r->folder);
  mkdir(path, 0700);
  size_t base = strlen(path);
  snprintf(path + base, sizeof path - base, "%s", module);
  for (at = path + base; (at = strchr(at, '.')); *at++ = '/') {
    *at = 0;
    mkdir(path, 0700);
  }
  snprintf(path + strlen(path), sizeof path - strlen(path), ".lua");
  write_file(path, source);
}

void rig_body(rig *r, const char *body) {
  size_t n = strlen(body) + 512;
  char *text = malloc(n);
  assert_non_null(text);
  snprintf(text, n,
           "local fake = require \"fake\"\nreturn playbook { name = \"t.main\", summary = \"a test\", uses = "
           "{ \"fake\", \"t.*\" },"
           " input = { x = \"string?\" }, run = function(input) %s\nend }\n",
           body);
  rig_script(r, "t.main", text);
  free(text);
}

static void load_config(rig *r) {
  char path[128];
  ln_buf b;
  ln_buf_init(&b, 8192);
  ln_buf_addf(&b, "return { scripts = { \"%s/scripts\" },\n%s\n}\n", r->folder, r->conf);
  snprintf(path, sizeof path, "%s/conf.lua", r->folder);
  write_file(path, b.p);
  ln_buf_free(&b);
  r->config = ln_config_load(path, &rig_err);
  if (!r->config) fail_msg("%s", rig_err.message);
}

/* ------------------------------------------------------------------ lives */

static void need(bool ok) {
  if (!ok) fail_msg("%s: %s", rig_err.code, rig_err.message);
}

static bool run_exists(void *arg, const ln_run_row *row) {
  (void)row;
  *(bool *)arg = true;
  return false;
}

static bool any_run(rig *r) {
  bool any = false;
  ln_run_query q = {.limit = 1};
  need(ln_store_runs(r->g.store, &q, run_exists, &any, &rig_err));
  return any;
}

static void on_event(void *arg, ln_run *run, const ln_event *e);

#define BACKUP "/rig/b.db"

void rig_up(rig *r) {
  assert_false(r->up);
  r->up = true;
  r->life++;
  r->dead = false;
  r->jobs = 0;
  load_config(r);
  ln_rand_seed(&r->rand, r->seed);
  r->g = (ln_engine){.rand = &r->rand,
                     .config = r->config,
                     .modules = modules,
                     .open_words = lnL_open_words,
                     .find_op = find_op,
                     .connectors = r};
  need((r->g.loop = ln_loop_sim(r->seed + (uint64_t)r->life, r->now_ms, &rig_err)) != NULL);
  need((r->g.host = ln_host_new(&rig_err)) != NULL);
  ln_store_opts o = {.vfs = r->disk, .clock = r->g.loop->clock};
  ln_str uri = r->restored ? LN_STR("sqlite:" BACKUP) : LN_STR("sqlite:/rig/a.db");
  need((r->g.store = ln_store_open(uri, &o, &rig_err)) != NULL);
  ln_buf why;
  ln_buf_init(&why, 4096);
  need(ln_restore(&r->g, &why, &rig_err));
  ln_buf_free(&why);
  if (any_run(r)) ln_rand_seed(&r->rand, r->seed * 1000 + (uint64_t)r->life);
  need(ln_writer_start(r->g.store, r->g.loop, &rig_err));
  need((r->g.owner = ln_owner_take(r->g.store, &r->rand, r->now_ms, &rig_err)) != NULL);
  need(ln_timing_begin(&r->g, r->served, &rig_err)); /* else no test's jobs are counted but the run's own */
  ln_sched_opts so = {.warm = r->warm, .event = on_event, .event_arg = r};
  if (r->served) need((r->sched = ln_sched_start(&r->g, &so, &rig_err)) != NULL);
}

void rig_backup(rig *r) { need(ln_store_backup(r->g.store, BACKUP, &rig_err)); }

void rig_down(rig *r) {
  assert_true(r->up);
  r->up = false;
  ln_sched_stop(r->sched);
  r->sched = NULL;
  for (size_t i = 0; i < RIG_RUNS; i++) {
    ln_run_close(r->run[i]);
    r->run[i] = NULL;
    r->told[i][0] = 0;
  }
  r->g.loop->run(r->g.loop); /* what the writer gives back is let go, too */
  assert_null(r->g.leaving);
  r->now_ms = ln_now_ms(r->g.loop->clock) + r->gap_ms;
  ln_store_close(r->g.store);
  ln_owner_drop(r->g.owner);
  ln_snapshot_drop(r->g.library);
  ln_host_free(r->g.host);
  r->g.loop->free(r->g.loop);
  ln_config_free(r->config);
}

void rig_crash(rig *r) {
  r->dead = true;
  rig_down(r);
}

/* ------------------------------------------------------------------ runs */

static size_t slot_of(const rig *r, const ln_run *run) {
  for (size_t i = 0; i < RIG_RUNS; i++)
    if (r->run[i] == run) return i;
  return RIG_RUNS;
}

static bool all_stopped(const rig *r) {
  for (size_t i = 0; i < RIG_RUNS; i++)
    if (r->run[i] && !r->told[i][0]) return false;
  return true;
}

static void add_line(rig *r, const ln_event *e) {
  size_t n = strlen(r->events);
  snprintf(r->events + n, sizeof r->events - n, "%s %.*s %.*s\n", e->what, LN_STR_ARG(e->name),
           LN_STR_ARG(e->state));
}

static void on_event(void *arg, ln_run *run, const ln_event *e) {
  rig *r = arg;
  size_t i = slot_of(r, run);
  add_line(r, e);
  if (r->on_event) r->on_event(r, e);
  if (i == RIG_RUNS) return;
  if (strcmp(e->what, "end") != 0 && strcmp(e->what, "waiting") != 0 && strcmp(e->what, "broken") != 0) {
    r->told[i][0] = 0;
    return;
  }
  snprintf(r->told[i], sizeof r->told[i], "%s", e->what);
  if (r->stop_each || all_stopped(r)) r->g.loop->stop(r->g.loop);
}

static ln_run *take(rig *r, ln_run *run) {
  size_t i = slot_of(r, NULL);
  if (r->sched) return run; /* the scheduler's */
  assert_true(i < RIG_RUNS);
  r->told[i][0] = 0;
  return r->run[i] = run;
}

static ln_run_options options_of(rig *r) {
  ln_run_options o = r->options;
  o.event = on_event;
  o.event_arg = r;
  return o;
}

ln_run *rig_start(rig *r, const char *playbook, const char *input) {
  ln_buf b;
  ln_run_options o = options_of(r);
  ln_buf_init(&b, 1 << 20);
  if (input) need(ln_host_json(r->g.host, ln_str_of(input), &b, &rig_err));
  ln_err_clear(&rig_err);
  ln_run *run = ln_run_start(&r->g, ln_str_of(playbook), ln_buf_view(&b), &o, LN_STR("alice"), &rig_err);
  ln_buf_free(&b);
  return run ? take(r, run) : NULL;
}

ln_run *rig_undo(rig *r, const char *which) {
  ln_run_options o = options_of(r);
  ln_err_clear(&rig_err);
  ln_run *run = ln_undo_start(&r->g, ln_str_of(which), 0, &o, LN_STR("alice"), &rig_err);
  return run ? take(r, run) : NULL;
}

ln_run *rig_release(rig *r, const char *entity, const char *why) {
  ln_run_options o = options_of(r);
  ln_str name = ln_str_of(entity);
  ln_release what = {.entities = &name, .n = 1, .why = ln_str_of(why)};
  ln_err_clear(&rig_err);
  ln_run *run = ln_release_start(&r->g, &what, &o, LN_STR("alice"), &rig_err);
  return run ? take(r, run) : NULL;
}

ln_run *rig_resume(rig *r, const char *which) {
  ln_run_options o = options_of(r);
  ln_err_clear(&rig_err);
  ln_run *run = ln_run_resume(&r->g, ln_str_of(which ? which : "last"), &o, &rig_err);
  return run ? take(r, run) : NULL;
}

static void is_stuck(void *arg) {
  rig *r = arg;
  r->g.loop->stop(r->g.loop);
}

void rig_go(rig *r) {
  ln_timer stuck = {.fn = is_stuck, .arg = r};
  if (r->dead || (all_stopped(r) && !r->stop_each)) return;
  r->g.loop->timer(r->g.loop, &stuck, STUCK_MS);
  r->g.loop->run(r->g.loop);
  r->g.loop->cancel(r->g.loop, &stuck);
}

void rig_pass(rig *r, int64_t ms) {
  ln_timer over = {.fn = is_stuck, .arg = r};
  if (r->dead) return;
  r->g.loop->timer(r->g.loop, &over, ms);
  r->g.loop->run(r->g.loop);
  r->g.loop->cancel(r->g.loop, &over);
}

static bool one_more(void *arg, const ln_run_row *row) {
  (void)row;
  ++*(int *)arg;
  return true;
}

int rig_runs(rig *r, const char *state) {
  int n = 0;
  ln_run_query q = {.state = ln_str_of(state)};
  need(ln_store_runs(r->g.store, &q, one_more, &n, &rig_err));
  return n;
}

static bool first_waiting(void *arg, const ln_approval *a) {
  *(int64_t *)arg = a->id;
  return false;
}

/* What an ask is answered with: its first option, or a word. */
static bool first_option(void *arg, const ln_approval *a) {
  ln_buf *answer = arg;
  ln_vitem list, one = {0};
  ln_str rest = a->options;
  if (!ln_str_eq(a->kind, LN_STR("ask"))) return false;
  if (rest.n && ln_v_read(&rest, &list) && list.count) rest = list.body, ln_v_read(&rest, &one);
  ln_buf_add(answer, one.s.n ? one.s : LN_STR("so"));
  return false;
}

/* A missing question is for ln_approval_decide to tell. */
static bool decide(rig *r, int64_t id, bool yes, ln_str by) {
  ln_buf answer;
  ln_buf_init(&answer, 4096);
  if (yes) ln_store_approval(r->g.store, id, first_option, &answer, &rig_err);
  bool ok = ln_approval_decide(&r->g, id, yes, by, (ln_str){NULL, 0}, ln_buf_view(&answer), false, &rig_err);
  ln_buf_free(&answer);
  return ok;
}

bool rig_approve(rig *r, int64_t id, bool yes, const char *by) {
  bool all = id == 0, ok = true;
  do {
    if (all) {
      id = 0;
      need(ln_store_approvals(r->g.store, 0, true, first_waiting, &id, &rig_err));
      if (!id) break;
    }
    ok = decide(r, id, yes, ln_str_of(by));
  } while (all && ok);
  if (ok)
    for (size_t i = 0; i < RIG_RUNS; i++)
      if (strcmp(r->told[i], "waiting") == 0) r->told[i][0] = 0;
  return ok;
}

bool rig_settle(rig *r, const char *step, bool did, const char *result) {
  ln_buf b;
  ln_buf_init(&b, 1 << 20);
  if (result) need(ln_host_json(r->g.host, ln_str_of(result), &b, &rig_err));
  bool ok = ln_run_settle(&r->g, LN_STR("last"), ln_str_of(step ? step : ""), did, ln_buf_view(&b),
                          LN_STR("bob"), &rig_err);
  ln_buf_free(&b);
  return ok;
}

/* ------------------------------------------------------------------ carrying one to its end */

static void let_go(rig *r) {
  ln_run_close(r->run[0]);
  r->run[0] = NULL;
  r->told[0][0] = 0;
}

static void settle_by_the_world(rig *r, const ln_waiting *w) {
  bool did = rig_acted(r, w->step) > 0;
  let_go(r);
  if (!rig_settle(r, w->step, did, NULL)) fail_msg("%s", rig_err.message);
  need(rig_resume(r, NULL) != NULL);
}

/* The next process finds what the last one left.  False: the run has ended. */
static bool next_life(rig *r, const char *playbook, const char *input) {
  r->kill_at = -1;
  rig_down(r);
  ln_vfs_sim_power_cut(r->vfs);
  ln_vfs_sim_cut_after(r->vfs, -1);
  ln_vfs_sim_fail_after(r->vfs, -1);
  rig_up(r);
  bool begun = any_run(r);
  if (begun && strcmp(rig_state(r), "completed") == 0) return false;
  need(begun ? rig_resume(r, NULL) != NULL : rig_start(r, playbook, input) != NULL);
  return true;
}

/* What a person does.  False: the disk failed meanwhile. */
static bool answer(rig *r) {
  ln_waiting w;
  assert_true(ln_run_waiting(r->run[0], &w));
  if (strcmp(w.what, "doubt") != 0) return rig_approve(r, 0, true, "bob") || !ln_err_is(&rig_err, "store");
  settle_by_the_world(r, &w);
  return true;
}

void rig_carry(rig *r, const char *playbook, const char *input) {
  if (!r->up) rig_up(r);
  need(rig_start(r, playbook, input) != NULL);
  for (int lives = 0; lives < 40; lives++) {
    rig_go(r);
    bool waits = strcmp(r->told[0], "waiting") == 0;
    if (r->dead || strcmp(r->told[0], "broken") == 0 || (waits && !answer(r))) {
      if (!next_life(r, playbook, input)) return;
    } else if (!waits) {
      if (strcmp(r->told[0], "end") != 0) fail_msg("the run neither ended nor waits:\n%s", rig_entries(r));
      return;
    }
  }
  fail_msg("the run does not end: %s\n%s", r->events, rig_entries(r));
}

const char *rig_live(rig *r, const char *playbook, const char *input) {
  if (!r->up) rig_up(r);
  if (playbook) need(rig_start(r, playbook, input) != NULL);
  for (int lives = 0; lives < 10; lives++) {
    rig_go(r);
    if (!r->dead && strcmp(r->told[0], "broken") != 0) break;
    if (!next_life(r, playbook, input)) return "end";
  }
  return r->told[0];
}

/* ------------------------------------------------------------------ what is in the store */

static char out_text[1 << 18];

struct asking { const char *what; };

static bool copy_column(void *arg, const ln_run_row *row) {
  struct asking *a = arg;
  ln_buf b;
  ln_json j;
  ln_str v = strcmp(a->what, "result") == 0 ? row->result : row->error;
  ln_buf_init(&b, 64 << 20);
  ln_json_init(&j, &b);
  if (strcmp(a->what, "state") == 0) ln_buf_add(&b, row->state);
  else if (strcmp(a->what, "outcome") == 0) ln_buf_add(&b, row->outcome);
  else if (v.n) ln_v_to_json(v, &j);
  snprintf(out_text, sizeof out_text, "%.*s", LN_STR_ARG(ln_buf_view(&b)));
  ln_buf_free(&b);
  return false;
}

static const char *column(rig *r, const char *what) {
  struct asking a = {what};
  need(ln_store_run_find(r->g.store, LN_STR("last"), copy_column, &a, &rig_err));
  return out_text;
}

const char *rig_state(rig *r) { return column(r, "state"); }
const char *rig_outcome(rig *r) { return column(r, "outcome"); }
const char *rig_result(rig *r) { return column(r, "result"); }
const char *rig_error(rig *r) { return column(r, "error"); }

const char *rig_doc(rig *r) {
  ln_buf b;
  ln_buf_init(&b, 64 << 20);
  need(ln_report_json(&r->g, LN_STR("last"), &b, &rig_err));
  snprintf(out_text, sizeof out_text, "%.*s", LN_STR_ARG(ln_buf_view(&b)));
  ln_buf_free(&b);
  return out_text;
}

static bool take_id(void *arg, const ln_run_row *row) {
  *(int64_t *)arg = row->id;
  return false;
}

static ln_journal *journal_of(rig *r, int64_t run) {
  if (!run) need(ln_store_run_find(r->g.store, LN_STR("last"), take_id, &run, &rig_err));
  ln_journal *j = ln_journal_load(r->g.store, run, &rig_err);
  need(j != NULL);
  return j;
}

static bool add_entry(void *arg, const ln_entry *e) {
  static const char *const kinds[] = {"?",      "DONE",      "RESULT",   "DELIVERED", "ASKED",
                                      "INTENT", "WITHDRAWN", "ACCEPTED", "DOUBT",     "SETTLED",
                                      "NOTE",   "STAGE",     "RUN",      "PLANNED"};
  size_t *n = arg;
  if (*n < sizeof out_text)
    *n += (size_t)snprintf(out_text + *n, sizeof out_text - *n, "%s %.*s %.*s\n", kinds[e->kind],
                           LN_STR_ARG(e->name), LN_STR_ARG(e->state));
  return true;
}

const char *rig_entries(rig *r) {
  ln_journal *j = journal_of(r, 0);
  size_t n = 0;
  out_text[0] = 0;
  ln_journal_each(j, add_entry, &n);
  ln_journal_free(j);
  return out_text;
}

size_t rig_deliveries(rig *r, int64_t run) {
  ln_journal *j = journal_of(r, run);
  size_t n = ln_journal_deliveries(j);
  ln_journal_free(j);
  return n;
}

bool rig_on_disk(rig *r, int64_t run, const char *step, const char *what) {
  ln_journal *j = journal_of(r, run);
  const ln_record *c = ln_journal_find(j, ln_str_of(step));
  bool is_there = false;
  if (c && strcmp(what, "intent") == 0) is_there = c->intent.n > 0;
  if (c && strcmp(what, "result") == 0) is_there = c->has_result;
  if (c && strcmp(what, "delivered") == 0) is_there = c->delivered;
  if (c && strcmp(what, "doubt") == 0) is_there = c->in_doubt;
  if (c && strcmp(what, "asked") == 0) is_there = c->asked.n > 0;
  ln_journal_free(j);
  return is_there;
}
