/* cmd_doctor.c: lunette doctor: is what Lunette stands on in order?  It only reads: the configuration, the
** scripts, the store, the clock, and of each vendor what shows whether the credentials work and what they
** permit. */
#include "cli/doctor.h"

#include "engine/library.h"
#include "engine/notices.h"
#include "engine/silence.h"
#include "modules/connector.h"
#include "server/seal.h"

#include <stdlib.h>
#include <sys/timex.h>

static const struct option options[] = {LN_JSON_OPTION, LN_COMMON_OPTIONS};
static const char help[] =
    "usage: lunette doctor [CONNECTOR] [--json] [--config FILE]\n"
    "Looks, and only looks, whether all is in order: the configuration, the scripts, the store, the clock,\n"
    "and of each connector, or one, the credentials and the rights that they lack, or have in excess, and\n"
    "what runs have seen of operations that end, and of answers that differ from what is expected.\n"
    "Exit status: 0 all is fine; 1 there is something to do; 4 it cannot be used as it is.\n";

/* ------------------------------------------------------------------ telling */

static void say_json(ln_health h, const char *about, const char *text) {
  static const char *const names[] = {"ok", "note", "todo", "unusable"};
  ln_buf b;
  ln_json j;
  ln_buf_init(&b, 1 << 16);
  ln_json_init(&j, &b);
  ln_json_open(&j, '{');
  ln_json_key(&j, LN_STR("about")), ln_json_strz(&j, about);
  ln_json_key(&j, LN_STR("state")), ln_json_strz(&j, names[h]);
  ln_json_key(&j, LN_STR("text")), ln_json_strz(&j, text);
  ln_json_close(&j, '}');
  ln_app_put(stdout, ln_buf_view(&b), 0);
  putchar('\n');
  ln_buf_free(&b);
}

void ln_doctor_say(ln_doctor *d, ln_health h, const char *about, const char *fmt, ...) {
  static const char *const marks[] = {"ok", "note", "TO DO", "BAD"};
  char text[1024];
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(text, sizeof text, fmt, ap);
  va_end(ap);
  if (h > d->worst) d->worst = h;
  if (d->json) {
    say_json(h, about, text);
  } else {
    printf("%-6s %-14s ", marks[h], about);
    ln_app_put(stdout, ln_str_of(text), 0);
    putchar('\n');
  }
}

/* ------------------------------------------------------------------ the scripts */

bool ln_doctor_needs(const ln_doctor *d, ln_str operation) {
  ln_vitem v;
  for (ln_str rest = ln_buf_view(&d->needs); rest.n && ln_v_read(&rest, &v);) {
    bool whole = ln_str_starts(operation, v.s) && (operation.n == v.s.n || operation.p[v.s.n] == '.');
    if (v.tag == 'S' && v.s.n && whole) return true;
  }
  return false;
}

enum { DEPTH = 4 };

/* With it goes what it asks by itself: a flow its operations, a write its looks and probes. */
static void need(ln_doctor *d, ln_str use, int depth) {
  ln_op_info info;
  ln_err err;
  if (depth == DEPTH || (depth && ln_doctor_needs(d, use))) return;
  ln_v_str(&d->needs, use);
  if (ln_str_find(use, LN_STR(".")) < 0 || !ln_connectors_info(&d->app.g, use, &info, &err)) return;
  for (size_t i = 0; i < info.uses.n; i++) need(d, info.uses.v[i], depth + 1);
}

static bool look_at_playbook(ln_doctor *d, ln_str module) {
  ln_declared declared;
  ln_err err = {0};
  ln_vitem uses, use;
  bool ok = ln_playbook_declared(&d->app.g, module, &declared, &err);
  if (ok && ln_v_get(ln_buf_view(&declared.value), LN_STR("uses"), &uses))
    for (ln_str rest = uses.body; rest.n && ln_v_read(&rest, &use);)
      if (use.tag == 'S') need(d, use.s, 0);
  ln_declared_free(&declared);
  if (!ok && !ln_err_is(&err, "no_playbook")) /* that is a library of theirs                     */
    ln_doctor_say(d, LN_HEALTH_TODO, "scripts", "%s", err.message);
  return ok;
}

static void look_at_scripts(ln_doctor *d) {
  ln_err err = {0};
  size_t playbooks = 0;
  ln_snapshot *s = ln_snapshot_take(&d->app.g, (ln_str){NULL, 0}, &err);
  if (!s) ln_doctor_say(d, LN_HEALTH_BAD, "scripts", "%s", err.message);
  for (size_t i = 0; s && i < ln_snapshot_count(s); i++)
    if (ln_config_is_script(d->app.config, ln_str_of(ln_snapshot_path(s, i))))
      playbooks += look_at_playbook(d, ln_snapshot_name(s, i));
  ln_snapshot_drop(s);
  ln_doctor_say(d, playbooks ? LN_HEALTH_OK : LN_HEALTH_TODO, "scripts", "%zu playbooks%s", playbooks,
                playbooks ? "" : ": there is none below the folders of `scripts`");
}

/* ------------------------------------------------------------------ configuration, store, clock */

static void look_at_config(ln_doctor *d) {
  const ln_config *c = d->app.config;
  ln_err err = {0};
  if (!c->file.n)
    ln_doctor_say(d, LN_HEALTH_TODO, "configuration", "there is none: no connector can be asked");
  else if (!ln_connectors_check(&d->app.g, &err))
    ln_doctor_say(d, LN_HEALTH_BAD, "configuration", "%s", err.message);
  else ln_doctor_say(d, LN_HEALTH_OK, "configuration", "%s: %zu connectors", c->file.p, c->n_connectors);
  for (size_t i = 0; i < c->n_connectors; i++)
    if (c->connectors[i].writes == LN_WRITES_ALLOW && !c->connectors[i].loopback)
      ln_doctor_say(d, LN_HEALTH_NOTE, c->connectors[i].name.p,
                    "writes = \"allow\": what guards.unasked lists is not asked");
}

typedef struct waiting {
  size_t people, doubt, quarantined, interrupted, all;
} waiting;

static bool count_waiting(void *arg, const ln_run_row *row) {
  waiting *w = arg;
  ln_str why = ln_v_get_str(row->waiting, "for");
  w->all++;
  w->people += ln_str_eq(why, LN_STR("approval"));
  w->doubt += ln_str_eq(why, LN_STR("doubt"));
  w->quarantined += ln_str_eq(why, LN_STR("quarantined"));
  w->interrupted += ln_str_eq(why, LN_STR("interrupted"));
  return true;
}

static bool say_frozen(void *arg, const ln_freeze *f) {
  ln_doctor_say(arg, LN_HEALTH_TODO, "store", "%.*s is frozen by %.*s (%.*s): lunette thaw lets writes go on",
                f->scope.n ? (int)f->scope.n : 10, f->scope.n ? f->scope.p : "everything", LN_STR_ARG(f->by),
                LN_STR_ARG(f->why));
  return true;
}

static void look_at_store(ln_doctor *d) {
  enum { MOST = 1000 };
  ln_err err = {0};
  waiting w = {0};
  ln_run_query q = {.state = LN_STR("waiting"), .limit = MOST};
  ln_store *s = d->app.g.store;
  if (!ln_store_runs(s, &q, count_waiting, &w, &err) || !ln_store_freezes(s, say_frozen, d, &err))
    ln_doctor_say(d, LN_HEALTH_BAD, "store", "%s", err.message);
  else
    ln_doctor_say(d, LN_HEALTH_OK, "store", "%s: %zu%s runs wait, %zu of them for a person's answer",
                  ln_store_path(s), w.all, w.all == MOST ? " or more" : "", w.people);
  if (w.doubt)
    ln_doctor_say(d, LN_HEALTH_TODO, "store",
                  "%zu runs have a write in doubt: lunette show RUN says what is known", w.doubt);
  if (w.quarantined)
    ln_doctor_say(d, LN_HEALTH_TODO, "store",
                  "%zu runs are quarantined, having ended their process three times: lunette show RUN",
                  w.quarantined);
  if (w.interrupted && !d->app.served)
    ln_doctor_say(d, LN_HEALTH_TODO, "store",
                  "%zu runs were interrupted: lunette serve, or lunette resume RUN, goes on", w.interrupted);
}

/* Whom people's messages go to; nothing is sent. */
static void look_at_notify(ln_doctor *d) {
  const ln_config *c = d->app.config;
  for (size_t i = 0; i < c->n_notify; i++) {
    ln_err err = {0};
    ln_notice_counts n = {0};
    ln_buf why;
    const char *to = c->notify[i].name.p;
    ln_buf_init(&why, 4096);
    if (!ln_notice_check(&d->app.g, &c->notify[i], &err) ||
        !ln_store_notice_counts(d->app.g.store, c->notify[i].name, &n, &why, &err))
      ln_doctor_say(d, LN_HEALTH_BAD, "notify", "%s: %s", to, err.message);
    else if (n.failing || n.given_up)
      ln_doctor_say(d, LN_HEALTH_TODO, "notify",
                    "%s: %lld messages wait, %lld were given up within the last week: %.*s", to,
                    (long long)n.waiting, (long long)n.given_up, LN_STR_ARG(ln_buf_view(&why)));
    else ln_doctor_say(d, LN_HEALTH_OK, "notify", "%s: %lld messages wait", to, (long long)n.waiting);
    ln_buf_free(&why);
  }
  if (c->n_notify && !c->public_url.n)
    ln_doctor_say(d, LN_HEALTH_NOTE, "notify", "messages have no links: notify.public is not set");
}

static void look_at_seal(ln_doctor *d) {
  const char *lacks = ln_seal_lacks();
  ln_seal_want want = d->app.config->seal;
  if (want == LN_SEAL_OFF)
    ln_doctor_say(d, LN_HEALTH_NOTE, "seal",
                  "seal = \"off\": whoever takes over lunette serve has all of its rights");
  else if (lacks)
    ln_doctor_say(d, want == LN_SEAL_REQUIRED ? LN_HEALTH_BAD : LN_HEALTH_NOTE, "seal",
                  "this kernel lacks %s: lunette serve cannot seal itself as it would", lacks);
  else ln_doctor_say(d, LN_HEALTH_OK, "seal", "Landlock and seccomp are there: lunette serve seals itself");
}

static void say_heard(void *arg, const ln_intake_heard *h) {
  ln_doctor *d = arg;
  long long minutes = (ln_now_ms(d->app.g.loop->clock) - h->at_ms) / 60000;
  const char *what = !h->silent            ? ""
                     : h->name[0] == 'p' ? ": `poll.failed` in the log of lunette serve says why"
                                         : ": does it still hand in alerts?";
  if (!h->at_ms)
    ln_doctor_say(d, LN_HEALTH_NOTE, "intake", "%s: nobody has served yet with this configuration", h->name);
  else
    ln_doctor_say(d, h->silent ? LN_HEALTH_TODO : LN_HEALTH_OK, "intake", "%s: nothing for %lld minutes%s",
                  h->name, minutes, what);
}

static void look_at_intake(ln_doctor *d) {
  ln_err err = {0};
  if (!ln_silence_each(&d->app.g, say_heard, d, &err))
    ln_doctor_say(d, LN_HEALTH_BAD, "intake", "%s", err.message);
}

/* Timers, signatures and journals go by it. */
static void look_at_clock(ln_doctor *d) {
  struct timex t = {0};
  int state = adjtimex(&t);
  if (state < 0 || state == TIME_ERROR || (t.status & STA_UNSYNC))
    ln_doctor_say(d, LN_HEALTH_NOTE, "clock",
                  "the kernel does not know it to be synchronised: is NTP running?");
  else ln_doctor_say(d, LN_HEALTH_OK, "clock", "synchronised, within %ld ms", t.maxerror / 1000);
}

/* ------------------------------------------------------------------ the command */

static int look(ln_doctor *d, ln_str only) {
  static const int codes[] = {LN_EXIT_DONE, LN_EXIT_DONE, LN_EXIT_FAILED, LN_EXIT_UNUSABLE};
  if (only.n && !ln_config_connector(d->app.config, only))
    return ln_app_usage("no connector " LN_STR_FMT " is configured", LN_STR_ARG(only));
  ln_buf_init(&d->needs, 1 << 20);
  look_at_config(d);
  look_at_scripts(d);
  look_at_store(d);
  look_at_notify(d);
  look_at_intake(d);
  look_at_clock(d);
  look_at_seal(d);
  ln_doctor_connectors(d, only);
  ln_doctor_drift(d, only);
  ln_buf_free(&d->needs);
  return codes[d->worst];
}

int ln_cmd_doctor(int argc, char **argv) {
  ln_app_opts o = {0};
  ln_doctor d = {0};
  ln_err err = {0};
  int opt;
  optind = 1;
  while ((opt = ln_app_option(argc, argv, options)) != -1) {
    if (opt == LN_OPT_HELP) return fputs(help, stdout), 0;
    if (opt == '?') return LN_EXIT_USAGE;
    if (opt == LN_OPT_CONFIG) o.config = optarg;
    if (opt == LN_OPT_JSON) d.json = true;
  }
  if (optind + 1 < argc) return ln_app_usage("doctor takes one CONNECTOR");
  ln_str only = ln_str_of(optind < argc ? argv[optind] : "");
  int code = ln_app_open(&d.app, &o, &err) ? look(&d, only) : ln_app_fail(&err);
  ln_app_close(&d.app);
  return code;
}
