/* common.c: what is the same wherever the checker is: a fault is told, chance is drawn, an engine is made. */
#include "tests/sim/sim.h"

#include "modules/connector.h"
#include "modules/modules.h"
#include "modules/words.h"

#include <stdio.h>

sim *here;

size_t sim_pick(ln_rand *r, size_t below) { return (size_t)(ln_rand_u64(r) % below); }
bool sim_chance(ln_rand *r, double p) { return ln_rand_unit(r) < p; }

uint64_t sim_hash(uint64_t h, ln_str s) {
  h ^= 1469598103934665603u;
  for (size_t i = 0; i < s.n; i++) h = (h ^ (unsigned char)s.p[i]) * 1099511628211u;
  return h;
}

void sim_trace(const char *what, ln_str bytes) {
  here->trace = sim_hash(sim_hash(here->trace, ln_str_of(what)), bytes);
  if (!here->verbose) return;
  double at =
      here->g && here->in_life ? (double)(ln_now_ms(here->g->loop->clock) - here->begin_ms) / 1000 : 0;
  printf("%10.3f %d %-24s %.*s\n", at, here->life, what, bytes.n > 300 ? 300 : (int)bytes.n, bytes.p);
}

void sim_fail(const char *fmt, ...) {
  char text[2000];
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(text, sizeof text, fmt, ap);
  va_end(ap);
  if (here->verbose) printf("WRONG: %s\n", text);
  size_t n = strlen(here->out->why);
  if (here->failed++ < 5)
    snprintf(here->out->why + n, sizeof here->out->why - n, "%s%s", n ? "\n" : "", text);
}

sim_run *sim_run_of(const char *ulid) {
  for (int i = 0; i < here->n_runs; i++)
    if (strcmp(here->runs[i].ulid, ulid) == 0) return &here->runs[i];
  return NULL;
}

int sim_acted(const char *ulid, ln_str step) {
  int n = 0;
  for (size_t i = 0; i < here->n_req; i++)
    if (strcmp(here->req[i].ulid, ulid) == 0 && ln_str_eq(ln_str_of(here->req[i].step), step))
      n += here->req[i].acted;
  return n;
}

static const ln_op *find_op(ln_engine *g, ln_str name) {
  ln_err quiet;
  return ln_connectors_op(g, name, &quiet);
}

bool sim_engine(ln_config *config, ln_engine *g, ln_err *err) {
  *g = (ln_engine){
      .config = config, .modules = lnL_modules, .open_words = lnL_open_words, .find_op = find_op};
  return (g->host = ln_host_new(err)) != NULL && ln_connectors_all(g, err);
}

bool sim_takes_back(const char *playbook) {
  return strcmp(playbook, SIM_UNDO) == 0 || strcmp(playbook, SIM_RELEASE) == 0;
}
