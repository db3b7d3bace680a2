/* guards.c: what no script can get round.  They look at a write's resolved names, not at how it was
** called, and without regard to case.  What cannot be resolved does not pass.  Which names are the
** system's is in sysfile.c. */
#include "engine/inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *const empty_hashes[] = {"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                                           "da39a3ee5e6b4b0d3255bfef95601890afd80709",
                                           "d41d8cd98f00b204e9800998ecf8427e"};

/* Names are a text or a list of texts; what is neither cannot be compared, so it does not pass. */
static bool are_names(const ln_effect *e, const char *kind) {
  ln_vitem list, item;
  if (!ln_v_get(ln_buf_view(&e->names), ln_str_of(kind), &list) || list.tag == 'S') return true;
  ln_str rest = list.body;
  bool ok = list.tag == 'A' || (list.tag == 'O' && list.count == 0);
  while (ok && rest.n) ok = ln_v_read(&rest, &item) && item.tag == 'S';
  return ok;
}

/* Calls fn on each name of a kind ("host", "user", "file"); true when one call said so. */
static bool any_name(const ln_effect *e, const char *kind, bool (*fn)(const ln_effect *e, ln_str name),
                     ln_str *which) {
  ln_vitem list, item;
  if (!ln_v_get(ln_buf_view(&e->names), ln_str_of(kind), &list)) return false;
  if (list.tag == 'S') return *which = list.s, fn(e, list.s);
  ln_str rest = list.body;
  while (list.tag == 'A' && rest.n && ln_v_read(&rest, &item))
    if (item.tag == 'S' && fn(e, item.s)) return *which = item.s, true;
  return false;
}

static bool system_name(const ln_effect *e, ln_str name) {
  return ln_is_system_file(name) || ln_seen_has(&e->run->seen, name);
}

static bool empty_file(const ln_effect *e, ln_str name) {
  (void)e;
  for (size_t i = 0; i < sizeof empty_hashes / sizeof *empty_hashes; i++)
    if (ln_str_ieq(ln_str_of(empty_hashes[i]), name)) return true;
  return false;
}

static ln_str label(ln_str host) {
  const char *dot = host.n ? memchr(host.p, '.', host.n) : NULL;
  return dot ? (ln_str){host.p, (size_t)(dot - host.p)} : host;
}

/* Is it this machine's name?  Where one of the two lacks its domain, the first label decides. */
static bool our_host(const ln_effect *e, ln_str name) {
  char own[256] = "";
  (void)e;
  if (gethostname(own, sizeof own - 1) != 0 || !own[0] || ln_str_ieq(ln_str_of(own), LN_STR("localhost")))
    return false;
  ln_str us = ln_str_of(own), short_us = label(us), short_name = label(name);
  bool bare = short_us.n == us.n || short_name.n == name.n;
  return ln_str_ieq(us, name) || (bare && ln_str_ieq(short_us, short_name));
}

static bool globbed(const ln_list *l, ln_str name) {
  for (size_t i = 0; i < l->n; i++)
    if (ln_str_glob(l->v[i], name)) return true;
  return false;
}

static bool protected_host(const ln_effect *e, ln_str name) {
  return globbed(&e->run->engine->config->protect_host, name);
}
static bool protected_user(const ln_effect *e, ln_str name) {
  return globbed(&e->run->engine->config->protect_user, name);
}

static bool protected_role(const ln_effect *e, ln_str role) {
  const ln_list *l = &e->run->engine->config->protect_host;
  for (size_t i = 0; i < l->n; i++)
    if (ln_str_starts(l->v[i], LN_STR("role:")) && ln_str_ieq((ln_str){l->v[i].p + 5, l->v[i].n - 5}, role))
      return true;
  return false;
}

/* A vendor that cannot tell a domain controller from a server says that it may be one. */
static ln_str protected_by_role(const ln_effect *e) {
  ln_str names = ln_buf_view(&e->names), role = ln_v_get_str(names, "role"),
         perhaps = ln_v_get_str(names, "perhaps");
  if (role.n && protected_role(e, role)) return role;
  return perhaps.n && protected_role(e, perhaps) ? perhaps : (ln_str){NULL, 0};
}

static bool refuse(ln_err *err, const char *rule, const ln_effect *e, const char *why, ln_str name) {
  ln_fail(err, "refused", LN_FINAL, "%s (%.*s): %s%s%.*s", e->op->name, LN_STR_ARG(e->w.entity), why,
          name.n ? ": " : "", LN_STR_ARG(name));
  for (size_t i = 0; rule[i] && i + 1 < sizeof err->rule; i++) err->rule[i] = rule[i], err->rule[i + 1] = 0;
  return false;
}

/* To give back what a hold took, where nobody has changed it since, takes nothing from anybody, whatever the
** operation is called that does it: who was put into the group of the suspects is taken out of it. */
bool ln_write_is_destructive(const ln_effect *e) {
  if (e->lift.is && (e->op->move == LN_FREE || !e->lift.gave)) return false;
  return e->op->move != LN_NOTE;
}

bool ln_guard_static(const ln_effect *e, ln_err *err) {
  ln_str names = ln_buf_view(&e->names), which = {NULL, 0}, role = protected_by_role(e);
  if (!ln_write_is_destructive(e)) return true;
  bool known =
      e->resolved && e->w.entity.n && are_names(e, "host") && are_names(e, "user") && are_names(e, "file");
  if (!known && !ln_plan_is_blind(e)) /* else there is nobody yet to resolve */
    return refuse(err, "unresolved", e, "what it would act on could not be resolved to its names", which);
  if (any_name(e, "file", empty_file, &which))
    return refuse(err, "empty_file", e, "this is the hash of the empty file", which);
  if (any_name(e, "file", system_name, &which))
    return refuse(err, "system_file", e,
                  "an interpreter or a file of the operating system is never denied, excepted, evicted or "
                  "ended by image",
                  which);
  if (ln_v_get_bool(names, "self", false) || any_name(e, "host", our_host, &which))
    return refuse(err, "self", e, "this is our own host or account", which);
  if (ln_v_get_bool(names, "last_member", false))
    return refuse(err, "last_member", e, "the last member of a privileged group stays in it", which);
  if (any_name(e, "host", protected_host, &which))
    return refuse(err, "protect.host", e, "the site protects this host", which);
  if (any_name(e, "user", protected_user, &which))
    return refuse(err, "protect.user", e, "the site protects this account", which);
  if (role.n) return refuse(err, "protect.host", e, "the site protects hosts of this role", role);
  return true;
}

/* A server or a domain controller is touched only when a person has approved that host by name. */
static bool needs_a_name(const ln_effect *e) {
  ln_str role = ln_v_get_str(ln_buf_view(&e->names), "role");
  return ln_write_is_destructive(e) &&
         (ln_str_eq(role, LN_STR("server")) || ln_str_eq(role, LN_STR("domain_controller")));
}

bool ln_guard_needs_person(const ln_effect *e) {
  const ln_config *c = e->run->engine->config;
  if (needs_a_name(e) || (e->lift.is && e->lift.malicious)) return true;
  for (size_t i = 0; i < c->unasked.n; i++)
    if (ln_str_ieq(c->unasked.v[i], ln_str_of(e->op->name))) return false;
  return e->w.asks || (ln_write_is_destructive(e) && c->approve_destructive);
}

static bool capped(ln_err *err, const char *rule) {
  snprintf(err->rule, sizeof err->rule, "%s", rule);
  return false;
}

static bool is_endpoint(ln_str entity) {
  ln_str vendor, rest;
  return ln_str_cut(entity, ':', &vendor, &rest) && ln_str_starts(rest, LN_STR("host:"));
}

/* A share of the endpoints that the vendor knows; one may always be acted on.  Where the vendor does not say
** how many there are it is no limit. */
static bool check_share(const ln_effect *e, const ln_acts *acts, ln_err *err) {
  double share = e->run->engine->config->share;
  int64_t most = (int64_t)(share * (double)e->endpoints);
  bool binds = share > 0 && e->endpoints > 0 && is_endpoint(e->w.entity);
  if (!binds || acts->alike < (most < 1 ? 1 : most)) return true;
  ln_fail(err, "refused", LN_AGAIN,
          "%s: %lld of %lld endpoints were acted on within an hour, and a share of %g is the limit"
          " (guards.per_hour.share)",
          e->op->name, (long long)acts->alike, (long long)e->endpoints, share);
  return capped(err, "per_hour.share");
}

/* Looks only: a job that is refused has written nothing. */
bool ln_guard_caps(ln_tx *tx, const ln_effect *e, ln_err *err) {
  const ln_config *c = e->run->engine->config;
  int64_t now = ln_now_ms(e->run->engine->loop->clock);
  ln_acts acts;
  if (!ln_write_is_destructive(e) || !e->w.entity.n) return true;
  if (!ln_tx_act_count(tx, e->run->root_id, e->w.entity, now - 3600000, &acts, err)) return false;
  if (!acts.tree_has_it && c->per_run && acts.in_tree >= c->per_run) {
    ln_fail(err, "refused", LN_FINAL,
            "%s: %lld entities of this run were acted on, which is its limit (guards.per_run)", e->op->name,
            (long long)acts.in_tree);
    return capped(err, "per_run");
  }
  if (acts.window_has_it) return true; /* entities are counted, not calls */
  if (c->per_hour && acts.in_window >= c->per_hour) {
    ln_fail(err, "refused", LN_AGAIN,
            "%s: %lld entities were acted on within an hour, which is the limit (guards.per_hour)",
            e->op->name, (long long)acts.in_window);
    return capped(err, "per_hour");
  }
  return check_share(e, &acts, err);
}

bool ln_guard_count(ln_tx *tx, const ln_effect *e, ln_err *err) {
  int64_t now = ln_now_ms(e->run->engine->loop->clock);
  if (!ln_write_is_destructive(e) || !e->w.entity.n) return true;
  return ln_tx_act_add(tx, e->run->root_id, e->run->id, e->w.entity, ln_str_of(e->op->name), now, err);
}

/* Who is the last one of a group was counted when the write was looked at.  Of two members that are taken
** out at the same time each was one of two: they take turns, and who comes second looks again.  The clock may
** have stepped meanwhile: what was done since the look is dated by the one before, or the one after. */
bool ln_guard_rivals(ln_tx *tx, const ln_effect *e, ln_err *err) {
  ln_vitem counted;
  ln_clock *clock = e->run->engine->loop->clock;
  int64_t under_way = 0, since = 0, now = ln_now_ms(clock);
  int64_t passed = (ln_mono_us(clock) - e->seen_us) / 1000 + 1;
  int64_t from = now - passed < e->seen_ms ? now - passed : e->seen_ms;
  ln_hold h = {.op = ln_str_of(e->op->name), .entity = e->w.entity, .facet = e->w.facet, .state = e->w.to,
               .since_ms = now > e->seen_ms + passed ? now : e->seen_ms + passed};
  if (!ln_v_get(ln_buf_view(&e->names), LN_STR("last_member"), &counted)) return true;
  if (!ln_tx_hold_rivals(tx, &h, from + 1, &under_way, &since, err)) return false;
  if (!under_way && !since) return true;
  return ln_fail(err, under_way ? "rival" : "moved", LN_AGAIN,
                 "%s of another member is under way, or was done meanwhile", e->op->name);
}

/* ------------------------------------------------------------------ what was refused is on record */

typedef struct refusal { ln_run *run; ln_buf detail; } refusal;

static bool refusal_apply(ln_tx *tx, void *arg, ln_err *err) {
  refusal *f = arg;
  return ln_tx_audit(tx, ln_now_ms(f->run->engine->loop->clock), LN_STR("refused"),
                     ln_str_of(f->run->started_by), f->run->id, ln_buf_view(&f->detail), err);
}

static void refusal_done(void *arg, const ln_err *err) {
  refusal *f = arg;
  ln_run *r = ln_job_gone(err) ? NULL : f->run;
  ln_buf_free(&f->detail);
  free(f);
  if (err && r) ln_run_end_attempt(r, err);
}

void ln_guard_audit(ln_effect *e, const ln_err *refused) {
  const ln_act act = {.rule = ln_str_of(refused->rule)};
  refusal *f = calloc(1, sizeof *f);
  if (!f) return;
  f->run = e->run;
  ln_buf_init(&f->detail, (size_t)64 << 20);
  ln_act_describe(e, &act, &f->detail);
  if (ln_run_flush_with(e->run, refusal_apply, refusal_done, f)) return;
  ln_buf_free(&f->detail);
  free(f);
}

/* ------------------------------------------------------------------ permits */

void ln_permit_free(ln_permit *p) {
  if (!p) return;
  free(p->v);
  free(p->effects);
  free(p);
}

static size_t count_values(ln_str list) {
  ln_vitem v;
  size_t n = 0;
  while (list.n && ln_v_read(&list, &v)) n++;
  return n;
}

ln_permit *ln_permit_of(ln_str effects) {
  ln_vitem v;
  size_t n = count_values(effects);
  ln_permit *p = calloc(1, sizeof *p);
  if (!p || !(p->v = calloc(n + 1, sizeof *p->v)) || !(p->effects = ln_str_dup(effects)))
    return ln_permit_free(p), NULL;
  for (ln_str rest = {p->effects, effects.n}; rest.n && ln_v_read(&rest, &v);) {
    ln_str print = ln_v_get_str(v.whole, "print");
    if (print.n != LN_FINGERPRINT) continue;
    ln_permitted *one = &p->v[p->n++];
    memcpy(one->print, print.p, LN_FINGERPRINT);
    one->entity = ln_v_get_str(v.whole, "entity");
    one->facet = ln_v_get_str(v.whole, "facet");
    one->from = ln_v_get_str(v.whole, "from");
  }
  return p;
}

/* Has an earlier write within the same permit changed what this one was shown with? */
static bool is_changed_within(const ln_permit *p, const ln_permitted *one) {
  for (size_t i = 0; i < p->n; i++)
    if (&p->v[i] != one && p->v[i].used && ln_str_eq(p->v[i].entity, one->entity) &&
        ln_str_eq(p->v[i].facet, one->facet))
      return true;
  return false;
}

/* A permit names fingerprints, each as often as it was shown; a use takes one.  What was approved is a
** change of how it was then: a look that finds it otherwise lets the permit lapse. */
void ln_permit_take(ln_effect *e) {
  ln_permit *p = e->branch->permit;
  for (size_t i = 0; p && i < p->n; i++) {
    ln_permitted *one = &p->v[i];
    if (one->used || memcmp(one->print, e->print, LN_FINGERPRINT) != 0) continue;
    one->used = true;
    if (p->old) return;
    e->permitted = true;
    if (is_changed_within(p, one)) return;
    ln_buf_add(&e->before, one->from);
    e->looked_ms = e->asked_ms;
    return;
  }
}
