/* guards.c: what no script can get round.  They look at a write's resolved names, not at how it was called, and
** without regard to case.  What cannot be resolved does not pass.  Which names are the system's is in sysfile.c. */
#include "engine/inside.h"

#include "base/json.h"

#include <stdlib.h>
#include <unistd.h>

static const char *const empty_hashes[] = {"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                                           "da39a3ee5e6b4b0d3255bfef95601890afd80709", "d41d8cd98f00b204e9800998ecf8427e"};

/* Calls fn on each name of a kind ("host", "user", "file"); true when one call said so. */
static bool any_name(const ln_effect *e, const char *kind, bool (*fn)(const ln_effect *e, ln_str name), ln_str *which) {
  ln_vitem list, item;
  if (!ln_v_get(ln_buf_view(&e->names), ln_str_of(kind), &list)) return false;
  if (list.tag == 'S') return *which = list.s, fn(e, list.s);
  ln_str rest = list.body;
  while (list.tag == 'A' && rest.n && ln_v_read(&rest, &item))
    if (item.tag == 'S' && fn(e, item.s)) return *which = item.s, true;
  return false;
}

static bool system_name(const ln_effect *e, ln_str name) { return ln_is_system_file(name) || ln_seen_has(&e->run->seen, name); }

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
  if (gethostname(own, sizeof own - 1) != 0 || !own[0] || ln_str_ieq(ln_str_of(own), LN_STR("localhost"))) return false;
  ln_str us = ln_str_of(own), short_us = label(us), short_name = label(name);
  bool bare = short_us.n == us.n || short_name.n == name.n;
  return ln_str_ieq(us, name) || (bare && ln_str_ieq(short_us, short_name));
}

static bool globbed(const ln_list *l, ln_str name) {
  for (size_t i = 0; i < l->n; i++)
    if (ln_str_glob(l->v[i], name)) return true;
  return false;
}

static bool protected_host(const ln_effect *e, ln_str name) { return globbed(&e->run->engine->config->protect_host, name); }
static bool protected_user(const ln_effect *e, ln_str name) { return globbed(&e->run->engine->config->protect_user, name); }

static bool protected_role(const ln_effect *e, ln_str role) {
  const ln_list *l = &e->run->engine->config->protect_host;
  for (size_t i = 0; i < l->n; i++)
    if (ln_str_starts(l->v[i], LN_STR("role:")) && ln_str_ieq((ln_str){l->v[i].p + 5, l->v[i].n - 5}, role)) return true;
  return false;
}

static bool refuse(ln_err *err, const char *rule, const ln_effect *e, const char *why, ln_str name) {
  ln_fail(err, "refused", LN_FINAL, "%s (%.*s): %s%s%.*s", e->op->name, LN_STR_ARG(e->w.entity), why, name.n ? ": " : "", LN_STR_ARG(name));
  for (size_t i = 0; rule[i] && i + 1 < sizeof err->rule; i++) err->rule[i] = rule[i], err->rule[i + 1] = 0;
  return false;
}

bool ln_write_is_destructive(const ln_effect *e) { return e->op->move != LN_NOTE; }

bool ln_guard_static(const ln_effect *e, ln_err *err) {
  ln_str names = ln_buf_view(&e->names), which = {NULL, 0}, role = ln_v_get_str(names, "role");
  if (!ln_write_is_destructive(e)) return true;
  if (!e->resolved || !e->w.entity.n) return refuse(err, "unresolved", e, "what it would act on could not be resolved to its names", which);
  if (any_name(e, "file", empty_file, &which)) return refuse(err, "empty_file", e, "this is the hash of the empty file", which);
  if (any_name(e, "file", system_name, &which))
    return refuse(err, "system_file", e, "an interpreter or a file of the operating system is never denied, excepted, evicted or ended by image", which);
  if (ln_v_get_bool(names, "self", false) || any_name(e, "host", our_host, &which)) return refuse(err, "self", e, "this is our own host or account", which);
  if (ln_v_get_bool(names, "last_member", false)) return refuse(err, "last_member", e, "the last member of a privileged group stays in it", which);
  if (any_name(e, "host", protected_host, &which)) return refuse(err, "protect.host", e, "the site protects this host", which);
  if (any_name(e, "user", protected_user, &which)) return refuse(err, "protect.user", e, "the site protects this account", which);
  if (role.n && protected_role(e, role)) return refuse(err, "protect.host", e, "the site protects hosts of this role", role);
  return true;
}

/* A server or a domain controller is touched only when a person has approved that host by name. */
static bool needs_a_name(const ln_effect *e) {
  ln_str role = ln_v_get_str(ln_buf_view(&e->names), "role");
  return ln_write_is_destructive(e) && (ln_str_eq(role, LN_STR("server")) || ln_str_eq(role, LN_STR("domain_controller")));
}

bool ln_guard_needs_person(const ln_effect *e) {
  const ln_config *c = e->run->engine->config;
  if (needs_a_name(e)) return true;
  for (size_t i = 0; i < c->unasked.n; i++)
    if (ln_str_ieq(c->unasked.v[i], ln_str_of(e->op->name))) return false;
  return e->w.asks || (ln_write_is_destructive(e) && c->approve_destructive);
}

bool ln_guard_caps(ln_tx *tx, const ln_effect *e, ln_err *err) {
  const ln_config *c = e->run->engine->config;
  int64_t now = ln_now_ms(e->run->engine->loop->clock), in_tree = 0, in_hour = 0;
  bool known = false;
  if (!ln_write_is_destructive(e) || !e->w.entity.n) return true;
  if (!ln_tx_act_count(tx, e->run->root_id, e->w.entity, now - 3600000, &in_tree, &in_hour, &known, err)) return false;
  if (!known && c->per_run && in_tree >= c->per_run) {
    ln_fail(err, "refused", LN_FINAL, "%s: %lld entities of this run were acted on, which is its limit (guards.per_run)", e->op->name, (long long)in_tree);
    return memcpy(err->rule, "per_run", 8), false;
  }
  if (!known && c->per_hour && in_hour >= c->per_hour) {
    ln_fail(err, "refused", LN_AGAIN, "%s: %lld entities were acted on within an hour, which is the limit (guards.per_hour)", e->op->name, (long long)in_hour);
    return memcpy(err->rule, "per_hour", 9), false;
  }
  return true;
}

bool ln_guard_count(ln_tx *tx, const ln_effect *e, ln_err *err) {
  if (!ln_write_is_destructive(e)) return true;
  return ln_tx_act_add(tx, e->run->root_id, e->run->id, e->w.entity, ln_str_of(e->op->name), ln_now_ms(e->run->engine->loop->clock), err);
}

/* Who is the last one of a group was counted when the write was looked at.  Of two members that are taken out at the
** same time each was one of two: so they take turns, and who comes second looks again (code "look"). */
bool ln_guard_rivals(ln_tx *tx, const ln_effect *e, ln_err *err) {
  ln_vitem counted;
  int64_t under_way = 0, since = 0;
  ln_hold h = {.op = ln_str_of(e->op->name), .entity = e->w.entity, .facet = e->w.facet, .state = e->w.to};
  if (!ln_v_get(ln_buf_view(&e->names), LN_STR("last_member"), &counted)) return true;
  if (!ln_tx_hold_rivals(tx, &h, e->looked_ms, &under_way, &since, err)) return false;
  if (under_way) return ln_fail(err, "busy", LN_AGAIN, "%s of another member is under way", e->op->name);
  return !since || ln_fail(err, "look", LN_AGAIN, "%s of another member was done meanwhile", e->op->name);
}

/* ------------------------------------------------------------------ what was refused */

typedef struct refusal { int64_t run, ms; char *by; ln_buf detail; } refusal;

static bool audit_apply(ln_tx *tx, void *arg, ln_err *err) {
  refusal *r = arg;
  return ln_tx_audit(tx, r->ms, LN_STR("refused"), ln_str_of(r->by), r->run, ln_buf_view(&r->detail), err);
}

static void audit_done(void *arg, const ln_err *err) {
  refusal *r = arg;
  (void)err; /* the refusal itself is in the journal */
  ln_buf_free(&r->detail);
  free(r->by);
  free(r);
}

static void put_detail(const ln_effect *e, const ln_err *refused, ln_buf *out) {
  ln_json j;
  ln_json_init(&j, out);
  ln_json_open(&j, '{');
  ln_json_key(&j, LN_STR("entity"));
  ln_json_str(&j, e->w.entity);
  ln_json_key(&j, LN_STR("message"));
  ln_json_strz(&j, refused->message);
  ln_json_key(&j, LN_STR("op"));
  ln_json_strz(&j, e->op->name);
  ln_json_key(&j, LN_STR("rule"));
  ln_json_strz(&j, refused->rule);
  ln_json_key(&j, LN_STR("step"));
  ln_json_strz(&j, e->name);
  ln_json_close(&j, '}');
}

void ln_guard_audit(const ln_effect *e, const ln_err *refused) {
  ln_engine *g = e->run->engine;
  refusal *r = refused->rule[0] ? calloc(1, sizeof *r) : NULL;
  if (!r) return;
  *r = (refusal){.run = e->run->id, .ms = ln_now_ms(g->loop->clock), .by = ln_str_dup(ln_str_of(e->run->started_by))};
  ln_buf_init(&r->detail, 1 << 16);
  put_detail(e, refused, &r->detail);
  if (!r->by || ln_buf_failed(&r->detail) || !ln_writer_submit(g->store, g->loop, audit_apply, audit_done, r)) audit_done(r, NULL);
}

/* ------------------------------------------------------------------ permits */

void ln_permit_free(ln_permit *p) {
  if (!p) return;
  free(p->text);
  free(p->shown);
  free(p->used);
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
  if (!p || !(p->text = ln_str_dup(effects)) || !(p->shown = calloc(n + 1, sizeof *p->shown)) || !(p->used = calloc(n + 1, sizeof(bool))))
    return ln_permit_free(p), NULL;
  for (effects.p = p->text; effects.n && ln_v_read(&effects, &v);)
    if (ln_v_get_str(v.whole, "print").n == LN_FINGERPRINT) p->shown[p->n++] = v.whole;
  return p;
}

/* A permit names what was shown, each as often as it was; a use takes one.  Whether it still is what it was then is
** seen when it has been looked at (write.c). */
void ln_permit_take(ln_effect *e) {
  ln_permit *p = e->branch->permit;
  ln_str print = {(const char *)e->print, LN_FINGERPRINT};
  for (size_t i = 0; p && i < p->n; i++)
    if (!p->used[i] && ln_str_eq(ln_v_get_str(p->shown[i], "print"), print)) {
      p->used[i] = e->permitted = true;
      e->shown = p->shown[i];
      return;
    }
}
