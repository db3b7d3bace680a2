/* verdict.c: after the last death: what commands acknowledged is there, and then the checker of the
** simulation, which asks the vendors' truth over HTTP, and has each journal gone through as `lunette replay`
** does. */
#include "tests/crash/crash.h"

#include "engine/replay.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* ------------------------------------------------------------------ the vendors' truth */

static const char *const vendors[VENDORS] = {"acme", "crowdstrike", "okta", "qualys", "visionone"};

static const char *url_of(const char *vendor) {
  for (size_t i = 0; i < VENDORS; i++)
    if (strcmp(vendors[i], vendor) == 0) return tale->url[i];
  return "";
}

int crash_dial(const char *url) {
  const char *port = strrchr(url, ':');
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  to.sin_port = htons((uint16_t)(port ? strtol(port + 1, NULL, 10) : 0));
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0) return fd;
  if (fd >= 0) close(fd);
  return -1;
}

bool sim_truth(const char *vendor, ln_buf *rows) {
  static const char ask[] = "GET /-/truth HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
  char chunk[65536];
  ssize_t n;
  ln_buf all;
  ln_err err;
  int fd = crash_dial(url_of(vendor));
  ln_buf_init(&all, 64 << 20);
  bool ok = fd >= 0 && write(fd, ask, sizeof ask - 1) == sizeof ask - 1;
  while (ok && (n = read(fd, chunk, sizeof chunk)) > 0) ln_buf_add(&all, (ln_str){chunk, (size_t)n});
  if (fd >= 0) close(fd);
  ptrdiff_t at = ln_str_find(ln_buf_view(&all), LN_STR("\r\n\r\n"));
  ln_str body = at < 0 ? (ln_str){NULL, 0} : (ln_str){all.p + at + 4, all.n - (size_t)at - 4};
  ok = ok && ln_host_json(tale->engine.host, body, rows, &err);
  if (!ok) sim_fail("%s does not say what is so: %.*s", vendor, LN_STR_ARG(ln_buf_view(&all)));
  ln_buf_free(&all);
  return ok;
}

/* ------------------------------------------------------------------ replays */

void sim_replays(const sim_row *rows) {
  for (int i = 0; i < here->n_runs; i++) {
    const sim_run *r = &here->runs[i];
    bool same = true;
    ln_buf doc;
    ln_err err;
    if (!r->ulid[0] || !sim_row_ended(&rows[i])) continue;
    ln_buf_init(&doc, 64 << 20);
    if (!ln_replay_one(here->g, ln_str_of(r->ulid), NULL, &doc, &same, &err))
      sim_fail("replay: %s (%s): %s", r->ulid, r->playbook, err.message);
    else if (!same) sim_fail("replay: %s (%s) comes to something else", r->ulid, r->playbook);
    here->out->replayed++;
    ln_buf_free(&doc);
  }
}

/* ------------------------------------------------------------------ what was acknowledged */

static bool take_id(void *arg, const ln_run_row *row) {
  *(int64_t *)arg = row->id;
  return false;
}

static int64_t id_of(const char *ulid) {
  int64_t id = 0;
  ln_err err;
  return ulid[0] && ln_store_run_find(here->g->store, ln_str_of(ulid), take_id, &id, &err) ? id : 0;
}

/* A step that a terminal showed is in the journal, as it was shown. */
static void check_told(void) {
  char of[LN_ULID + 1] = "";
  ln_journal *j = NULL;
  ln_err err;
  for (int i = 0; i < tale->n_told; i++) {
    const told *t = &tale->told[i];
    bool known = t->run >= 0 && !tale->doubled[t->run];
    const char *ulid = t->ulid[0] ? t->ulid : known ? here->runs[t->run].ulid : "";
    if (!ulid[0]) continue;
    if (strcmp(of, ulid) != 0) {
      int64_t id = id_of(ulid);
      ln_journal_free(j);
      snprintf(of, sizeof of, "%s", ulid);
      j = id ? ln_journal_load(here->g->store, id, &err) : NULL;
    }
    const ln_record *c = j ? ln_journal_find(j, ln_str_of(t->step)) : NULL;
    if (!c || !c->has_result || !ln_str_eq(c->state, ln_str_of(t->state)))
      sim_fail("lost: %s of %s was shown as %s, and is %.*s", t->step, ulid, t->state,
               c && c->has_result ? (int)c->state.n : 0, c ? c->state.p : "");
  }
  ln_journal_free(j);
}

static bool check_vote(void *arg, const ln_approval *a) {
  const vote *v = arg;
  bool there = a->quorum > 1 || ln_str_eq(a->state, v->yes ? LN_STR("approved") : LN_STR("denied"));
  if (!there)
    sim_fail("lost: that question %lld was %s, which is %.*s", (long long)a->id,
             v->yes ? "approved" : "denied", LN_STR_ARG(a->state));
  return false;
}

static void check_votes(void) {
  ln_err err;
  for (int i = 0; i < tale->n_votes; i++)
    if (!ln_store_approval(here->g->store, tale->votes[i].approval, check_vote, &tale->votes[i], &err))
      sim_fail("lost: a question that was answered: %s", err.message);
}

/* ------------------------------------------------------------------ all of it */

static bool meet(void *arg, const ln_run_row *row) {
  (void)arg;
  for (int i = 0; i < here->n_runs; i++)
    if (strcmp(here->runs[i].ulid, row->ulid) == 0) return true;
  if (here->n_runs == SIM_ALL) return false;
  sim_run *r = &here->runs[here->n_runs++];
  memcpy(r->ulid, row->ulid, LN_ULID + 1);
  snprintf(r->playbook, sizeof r->playbook, "%.*s", LN_STR_ARG(row->playbook));
  return true;
}

static bool open_files(void) {
  char path[300];
  snprintf(path, sizeof path, "%s/lunette.sim", tale->folder);
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  bool ok = fd >= 0 && dup2(fd, SIM_FOLDER) == SIM_FOLDER;
  if (fd >= 0) close(fd);
  return ok;
}

void crash_verdict(void) {
  char uri[320];
  ln_store_opts o = {.must_exist = true, .clock = ln_clock_real()};
  ln_run_query all = {.limit = 0};
  ln_err err;
  here->g = &tale->engine;
  snprintf(uri, sizeof uri, "sqlite:%s/lunette.db", tale->folder);
  crash_wait(0);                                              /* the last that the vendors wrote down */
  here->g->loop = ln_loop_sim(here->seed, crash_now(), &err); /* replays look at its clock */
  if (!here->g->loop || !open_files() || !(here->g->store = ln_store_open(ln_str_of(uri), &o, &err)) ||
      !ln_store_runs(here->g->store, &all, meet, NULL, &err)) {
    sim_fail("lost: the store: %s", err.message);
    return;
  }
  crash_record_check();
  check_told();
  check_votes();
  sim_check();
  ln_store_close(here->g->store);
  here->g->loop->free(here->g->loop);
}
