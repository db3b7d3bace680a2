/* helper.c: what the site's command says of secrets (command.c), kept in memory: a value for five minutes,
** for connectors ask for it again with each request, and a failure for half a minute.
**
** Whoever asks for the first time waits for the answer, as the request that needs it cannot go on without it;
** but nobody who is not known yet has us wait: for them it is fetched beside (ln_secret_at_hand).  In its
** last minute a value that is asked for is fetched anew beside, so that what is in use does not wait
** again. */
#include "base/loop.h"
#include "engine/command.h"
#include "engine/vault.h"

#include <stdlib.h>

enum { KEPT_MS = 300000, FRESH_MS = 240000, FAILED_MS = 30000 };

struct ln_kept_answer {
  ln_kept_answer *next;
  int64_t fresh_ms, until_ms; /* until: 0, nothing is known yet                  */
  bool asking;
  char name[LN_SECRET_NAME + 1];
  ln_buf value;
  ln_err failed; /* code "": it did not                             */
};

typedef struct asking {
  ln_vault *v;
  char name[LN_SECRET_NAME + 1];
} asking;

static int64_t now(void) { return ln_mono_us(ln_clock_real()) / 1000; }

/* ------------------------------------------------------------------ what is kept; with v->helper_mx held */

static void drop(ln_kept_answer *a) {
  ln_buf_wipe(&a->value);
  free(a);
}

void ln_helper_forget(ln_vault *v) {
  pthread_mutex_lock(&v->helper_mx);
  while (v->asking) pthread_cond_wait(&v->told, &v->helper_mx);
  while (v->answers) {
    ln_kept_answer *a = v->answers;
    v->answers = a->next;
    drop(a);
  }
  pthread_mutex_unlock(&v->helper_mx);
}

/* Nothing stays in memory for longer than it is of use. */
static void wipe_old(ln_vault *v) {
  for (ln_kept_answer *a = v->answers; a; a = a->next)
    if (now() >= a->until_ms) ln_buf_wipe(&a->value);
}

/* NULL: no memory. */
static ln_kept_answer *answer_of(ln_vault *v, ln_str name) {
  for (ln_kept_answer *a = v->answers; a; a = a->next)
    if (ln_str_eq(name, ln_str_of(a->name))) return a;
  ln_kept_answer *a = calloc(1, sizeof *a);
  if (!a) return NULL;
  memcpy(a->name, name.p, name.n);
  ln_buf_init(&a->value, LN_SECRET_MAX + 1);
  ln_buf_secret(&a->value);
  a->next = v->answers;
  return v->answers = a;
}

/* What was true a minute ago is better than nothing. */
static void keep(ln_kept_answer *a, ln_str value, const ln_err *failed) {
  bool had = a->until_ms > now() && !a->failed.code[0];
  a->fresh_ms = now() + (failed->code[0] ? FAILED_MS : FRESH_MS);
  if (had && failed->code[0]) return;
  ln_buf_wipe(&a->value);
  ln_buf_init(&a->value, LN_SECRET_MAX + 1);
  ln_buf_secret(&a->value);
  a->failed = *failed;
  bool whole = failed->code[0] || ln_buf_add(&a->value, value);
  a->until_ms =
      !whole ? 0 : now() + (failed->code[0] ? FAILED_MS : KEPT_MS); /* no memory: it is asked again */
}

/* ------------------------------------------------------------------ asking */

static bool judge(const ln_vault *v, ln_str name, ln_ended how, int status, const ln_buf *value,
                  ln_err *err) {
  ln_str command = v->o.helper[0];
  if (how == LN_ENDED && status == 0 && value->n) return true;
  if (how == LN_NOT_STARTED)
    return ln_fail(err, "unavailable", LN_FINAL, "the helper of secrets %.*s cannot be started",
                   LN_STR_ARG(command));
  if (how == LN_TOO_MUCH)
    return ln_fail(err, "too_big", LN_FINAL, "the helper of secrets printed more than 64 KiB for '%.*s'",
                   LN_STR_ARG(name));
  if (how == LN_TOO_LATE)
    return ln_fail(err, "unavailable", LN_AGAIN, "the helper of secrets did not end within %d s for '%.*s'",
                   LN_COMMAND_MS / 1000, LN_STR_ARG(name));
  if (status == 0)
    return ln_fail(err, "not_found", LN_FINAL, "the helper of secrets printed nothing for '%.*s'",
                   LN_STR_ARG(name));
  return ln_fail(err, "not_found", LN_FINAL,
                 "the secret '%.*s' is nowhere here, and the helper %.*s ended with status %d for it",
                 LN_STR_ARG(name), LN_STR_ARG(command), status);
}

/* With v->helper_mx held, which others have meanwhile; a->asking is set, so that a stays. */
static void ask(ln_vault *v, ln_kept_answer *a) {
  ln_buf value;
  ln_err failed = {.code = ""};
  int status = 0;
  ln_str name = ln_str_of(a->name);
  ln_buf_init(&value, LN_COMMAND_MAX);
  ln_buf_secret(&value);
  pthread_mutex_unlock(&v->helper_mx);
  ln_ended how = v->o.launcher ? ln_launcher_run(v->o.launcher, name, &value, &status)
                               : ln_command_run(v->o.helper, v->o.n_helper, name, &value, &status);
  if (value.n && value.p[value.n - 1] == '\n') ln_buf_cut(&value, value.n - 1);
  if (value.n > LN_SECRET_MAX) how = LN_TOO_MUCH;
  judge(v, name, how, status, &value, &failed);
  pthread_mutex_lock(&v->helper_mx);
  keep(a, ln_buf_view(&value), &failed);
  a->asking = false;
  v->asking--;
  pthread_cond_broadcast(&v->told);
  ln_buf_wipe(&value);
}

static void *ask_beside(void *arg) {
  asking *x = arg;
  ln_vault *v = x->v;
  pthread_mutex_lock(&v->helper_mx);
  ask(v, answer_of(v, ln_str_of(x->name)));
  pthread_mutex_unlock(&v->helper_mx);
  free(x);
  return NULL;
}

/* On a thread of its own; where there is none to be had, whoever comes next tries again. */
static void start_asking(ln_vault *v, ln_kept_answer *a) {
  asking *x = calloc(1, sizeof *x);
  pthread_attr_t attr;
  pthread_t thread;
  if (!x) return;
  x->v = v;
  memcpy(x->name, a->name, sizeof x->name);
  pthread_attr_init(&attr);
  pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
  a->asking = pthread_create(&thread, &attr, ask_beside, x) == 0;
  pthread_attr_destroy(&attr);
  if (a->asking) v->asking++;
  else free(x);
}

static bool answer_from(const ln_kept_answer *a, ln_buf *out, ln_err *err) {
  if (!a->failed.code[0]) return ln_buf_add(out, ln_buf_view(&a->value)) || ln_buf_ok(out, err);
  if (err) *err = a->failed;
  return false;
}

bool ln_helper_get(ln_vault *v, ln_str name, bool wait, ln_buf *out, ln_err *err) {
  pthread_mutex_lock(&v->helper_mx);
  wipe_old(v);
  ln_kept_answer *a = answer_of(v, name);
  if (a && wait && !a->asking && now() >= a->until_ms) {
    a->asking = true;
    v->asking++;
    ask(v, a);
  } else if (a && !a->asking && now() >= a->fresh_ms) start_asking(v, a);
  while (a && wait && a->asking && now() >= a->until_ms) pthread_cond_wait(&v->told, &v->helper_mx);
  bool known = a && now() < a->until_ms, ok = known && answer_from(a, out, err);
  pthread_mutex_unlock(&v->helper_mx);
  if (!a || (!known && wait)) return ln_fail(err, "memory", LN_AGAIN, "no memory for a secret");
  return known ? ok
               : ln_fail(err, "unavailable", LN_AGAIN, "the helper of secrets is being asked for '%.*s'",
                         LN_STR_ARG(name));
}
