/* record.c: what the vendors wrote down, read as they write it.  Of most writes their record has the tag,
** and so the step; the others are known by what they were done to. */
#include "tests/crash/crash.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static ln_buf come;
static size_t looked_at;

bool crash_record_open(void) {
  char path[300];
  snprintf(path, sizeof path, "%s/crash.log", tale->folder);
  ln_buf_init(&come, 64 << 20);
  if (mkfifo(path, 0600) != 0) return false;
  tale->log = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC); /* both, so that it never ends */
  return tale->log >= 0;
}

/* ------------------------------------------------------------------ a line */

/* "lunette ULID/STEP", which a title of the author's may follow. */
static bool read_tag(ln_str text, bool cut, deed *d) {
  static const char before[] = "lunette ";
  size_t n = sizeof before - 1, at = n + LN_ULID + 1;
  if (text.n <= at || memcmp(text.p, before, n) != 0 || text.p[at - 1] != '/') return false;
  const char *end = cut ? memchr(text.p + at, ' ', text.n - at) : NULL;
  snprintf(d->ulid, sizeof d->ulid, "%.*s", LN_ULID, text.p + n);
  snprintf(d->step, sizeof d->step, "%.*s", (int)((end ? end : text.p + text.n) - (text.p + at)),
           text.p + at);
  return true;
}

static void add_what(deed *d, const ln_vitem *v) {
  size_t n = strlen(d->what);
  if (v->tag == 'S') snprintf(d->what + n, sizeof d->what - n, "%.*s\n", LN_STR_ARG(v->s));
  else if (v->tag == 'I') snprintf(d->what + n, sizeof d->what - n, "%lld\n", (long long)v->i);
  for (char *p = d->what + n; *p; p++) *p = (char)tolower((unsigned char)*p);
}

static void read_deed(ln_str did, deed *d) {
  ln_vitem v, top;
  ln_str key, rest = did;
  snprintf(d->op, sizeof d->op, "%.*s", LN_STR_ARG(ln_v_get_str(did, "op")));
  if (!ln_v_read(&rest, &top)) return;
  for (rest = top.body; rest.n && ln_v_read_key(&rest, &key) && ln_v_read(&rest, &v);) {
    add_what(d, &v);
    if (v.tag != 'S') continue;
    if (ln_str_eq(key, LN_STR("by"))) d->by = (int)strtol(v.s.p, NULL, 10);
    if (ln_str_eq(key, LN_STR("tag"))) read_tag(v.s, false, d);
    else if (!d->step[0]) read_tag(v.s, ln_str_eq(key, LN_STR("title")), d);
  }
}

/* That work of theirs came to its end is nobody's doing; sessions change nothing. */
static bool counts(const deed *d) {
  return !ln_str_ends(ln_str_of(d->op), LN_STR(" done")) &&
         !ln_str_ends(ln_str_of(d->op), LN_STR("_session"));
}

static void read_line(ln_str line) {
  ln_buf v;
  ln_err err;
  ln_vitem did;
  ln_buf_init(&v, 1 << 20);
  if (!ln_host_json(tale->engine.host, line, &v, &err)) sim_fail("the vendors' log: %s", err.message);
  else if (ln_v_get(ln_buf_view(&v), LN_STR("did"), &did) && tale->n_deeds < DEEDS) {
    deed *d = &tale->deeds[tale->n_deeds];
    *d = (deed){.seen_ms = crash_now()};
    snprintf(d->vendor, sizeof d->vendor, "%.*s", LN_STR_ARG(ln_v_get_str(ln_buf_view(&v), "vendor")));
    read_deed(did.whole, d);
    if (counts(d)) tale->n_deeds++, crash_deed(d);
  }
  ln_buf_free(&v);
}

void crash_record_read(void) {
  char chunk[65536];
  const char *end;
  ssize_t n;
  while ((n = read(tale->log, chunk, sizeof chunk)) > 0) ln_buf_add(&come, (ln_str){chunk, (size_t)n});
  while (come.n > looked_at && (end = memchr(come.p + looked_at, '\n', come.n - looked_at))) {
    ln_str line = {come.p + looked_at, (size_t)(end - come.p) - looked_at};
    looked_at += line.n + 1;
    read_line(line);
  }
}

/* ------------------------------------------------------------------ whose was it? */

/* What the vendors call some of the operations. */
static bool same_op(const deed *d, ln_str op) {
  static const char *const other[][2] = {{"crowdstrike.get", "crowdstrike.rtr_get"},
                                         {"crowdstrike.rm", "crowdstrike.rtr_rm"},
                                         {"crowdstrike.kill", "crowdstrike.rtr_kill"},
                                         {"crowdstrike.delete_file", "crowdstrike.rtr_delete_file"},
                                         {"visionone.add_suspicious_object", "visionone.watch"}};
  char name[64];
  snprintf(name, sizeof name, "%s.%s", d->vendor, d->op);
  for (size_t i = 0; i < sizeof other / sizeof *other; i++)
    if (strcmp(name, other[i][0]) == 0 && ln_str_eq(op, ln_str_of(other[i][1]))) return true;
  return ln_str_eq(op, ln_str_of(name));
}

/* Is what stands behind so many colons, and before an @, among its texts?  ("okta:user:U", "group:G") */
static bool names(const deed *d, ln_str of, int colons) {
  char key[300];
  const char *p = of.p;
  for (; colons && p; colons--) {
    p = of.n ? memchr(p, ':', of.n - (size_t)(p - of.p)) : NULL;
    p = p ? p + 1 : NULL;
  }
  if (!p) return true; /* there is nothing to tell it by */
  snprintf(key, sizeof key, "%.*s", (int)(of.n - (size_t)(p - of.p)), p);
  key[strcspn(key, "@")] = 0;
  for (char *c = key; *c; c++) *c = (char)tolower((unsigned char)*c);
  return strstr(d->what, key) != NULL;
}

static bool is_of(const deed *d, const char *ulid, ln_str step, ln_str op, ln_str entity, ln_str facet) {
  if (d->step[0]) return strcmp(d->ulid, ulid) == 0 && ln_str_eq(step, ln_str_of(d->step));
  return same_op(d, op) && names(d, entity, 2) &&
         (ln_str_eq(op, LN_STR("crowdstrike.submit")) || names(d, facet, 1));
}

int crash_record_did(const char *ulid, ln_str step, ln_str op, ln_str entity, ln_str facet) {
  int n = 0;
  for (int i = 0; i < tale->n_deeds; i++) n += is_of(&tale->deeds[i], ulid, step, op, entity, facet);
  return n;
}

/* A file of our own is no vendor's; what was put away is called by a hash that the vendor gave it. */
bool sim_knows(const char *op) { return strncmp(op, "file.", 5) != 0; }

/* ------------------------------------------------------------------ for the checker */

static void add_request(const char *ulid, ln_str step, const deed *d) {
  if (here->n_req == here->cap_req) {
    here->cap_req = here->cap_req ? 2 * here->cap_req : 256;
    here->req = realloc(here->req, here->cap_req * sizeof *here->req);
    if (!here->req) abort();
  }
  sim_request *q = &here->req[here->n_req++];
  /* A process may send again what can be done twice, if its peer gave it cause.  Where the peer behaves,
  ** nobody has any: each is as if in a life of its own. */
  bool cause = tale->wire > 0 && d->by;
  *q = (sim_request){.acted = 1, .life = cause ? d->by : 1000000 + (int)here->n_req, .at_ms = d->seen_ms};
  snprintf(q->ulid, sizeof q->ulid, "%s", ulid);
  snprintf(q->step, sizeof q->step, "%.*s", LN_STR_ARG(step));
}

/* Of several steps that a deed may belong to, one that says so and has none yet. */
static int worth(const char *ulid, const ln_record *c) {
  if (!c->has_result || sim_acted(ulid, c->name)) return 1;
  return ln_str_eq(c->state, LN_STR("done")) ? 3 : 2;
}

typedef struct owner {
  char ulid[LN_ULID + 1], step[SIM_STEP];
  int worth;
} owner;

static void look_in(const sim_run *r, ln_journal *j, const deed *d, owner *best) {
  for (size_t i = 0; i < ln_journal_records(j); i++) {
    const ln_record *c = ln_journal_record(j, i);
    if (c->cls != LN_WRITE || !c->intent.n) continue;
    if (!is_of(d, r->ulid, c->name, c->op, ln_v_get_str(c->intent, "entity"),
               ln_v_get_str(c->intent, "facet")) ||
        worth(r->ulid, c) <= best->worth)
      continue;
    best->worth = worth(r->ulid, c);
    snprintf(best->ulid, sizeof best->ulid, "%s", r->ulid);
    snprintf(best->step, sizeof best->step, "%.*s", LN_STR_ARG(c->name));
  }
}

static bool take_id(void *arg, const ln_run_row *row) {
  *(int64_t *)arg = row->id;
  return false;
}

void crash_record_check(void) {
  static ln_journal *journals[SIM_ALL];
  ln_err err;
  for (int i = 0; i < here->n_runs; i++) {
    int64_t id = 0;
    ln_str ulid = ln_str_of(here->runs[i].ulid);
    if (ulid.n && ln_store_run_find(here->g->store, ulid, take_id, &id, &err))
      journals[i] = ln_journal_load(here->g->store, id, &err);
  }
  for (int i = 0; i < tale->n_deeds; i++) {
    const deed *d = &tale->deeds[i];
    owner best = {.worth = 0};
    for (int k = 0; k < here->n_runs; k++)
      if (journals[k]) look_in(&here->runs[k], journals[k], d, &best);
    if (best.worth) add_request(best.ulid, ln_str_of(best.step), d);
    else
      sim_fail("unknown: %s did %s%s%s, and no journal has it: %s", d->vendor, d->op, *d->step ? " for " : "",
               d->step, d->what);
  }
  for (int i = 0; i < here->n_runs; i++) ln_journal_free(journals[i]);
}
