/* tallies.c: counters of steps by operation and state, of runs by how they ended, and of requests. */
#include "server/tallies.h"

#include <stdlib.h>

enum { ROWS = 512 };

typedef struct row {
  char *a, *b;
  uint64_t n;
} row; /* two labels                                      */
typedef struct table {
  row v[ROWS];
  size_t n;
  uint64_t other;
} table;

struct ln_tallies {
  table steps, runs, requests;
};

ln_tallies *ln_tallies_new(ln_err *err) {
  ln_tallies *t = calloc(1, sizeof *t);
  if (!t) ln_fail(err, "memory", LN_AGAIN, "no memory for counters");
  return t;
}

static void table_free(table *t) {
  for (size_t i = 0; i < t->n; i++) {
    free(t->v[i].a);
    free(t->v[i].b);
  }
}

void ln_tallies_free(ln_tallies *t) {
  if (!t) return;
  table_free(&t->steps);
  table_free(&t->runs);
  table_free(&t->requests);
  free(t);
}

/* The one that was counted last is likely the next: it moves to the front. */
static void count(table *t, ln_str a, ln_str b) {
  for (size_t i = 0; i < t->n; i++) {
    if (!ln_str_eq(ln_str_of(t->v[i].a), a) || !ln_str_eq(ln_str_of(t->v[i].b), b)) continue;
    row found = t->v[i];
    found.n++;
    t->v[i] = t->v[i / 2];
    t->v[i / 2] = found;
    return;
  }
  row r = {ln_str_dup(a), ln_str_dup(b), 1};
  if (t->n < ROWS && r.a && r.b) {
    t->v[t->n++] = r;
    return;
  }
  free(r.a);
  free(r.b);
  t->other++;
}

void ln_tallies_of_run(ln_tallies *t, const ln_run *r, const ln_event *ev) {
  if (strcmp(ev->what, "step") == 0) count(&t->steps, ev->op, ev->state);
  if (strcmp(ev->what, "end") == 0) count(&t->runs, ln_str_of(ln_run_state(r)), ln_str_of(ln_run_outcome(r)));
}

void ln_tallies_request(ln_tallies *t, const char *route, int status) {
  char text[LN_INT_TEXT];
  count(&t->requests, ln_str_of(route), ln_str_int(status, text));
}

void ln_tallies_label(ln_buf *out, ln_str v) {
  for (size_t i = 0; i < v.n; i++) {
    if (v.p[i] == '\n') ln_buf_addz(out, "\\n");
    else if (v.p[i] == '"' || v.p[i] == '\\') ln_buf_addc(out, '\\'), ln_buf_addc(out, v.p[i]);
    else ln_buf_addc(out, v.p[i]);
  }
}

static void put(const table *t, const char *name, const char *a, const char *b, const char *help,
                ln_buf *out) {
  ln_buf_addf(out, "# TYPE %s counter\n# HELP %s %s\n", name, name, help);
  for (size_t i = 0; i < t->n; i++) {
    ln_buf_addf(out, "%s_total{%s=\"", name, a);
    ln_tallies_label(out, ln_str_of(t->v[i].a));
    ln_buf_addf(out, "\",%s=\"", b);
    ln_tallies_label(out, ln_str_of(t->v[i].b));
    ln_buf_addf(out, "\"} %llu\n", (unsigned long long)t->v[i].n);
  }
  if (t->other)
    ln_buf_addf(out, "%s_total{%s=\"other\",%s=\"other\"} %llu\n", name, a, b, (unsigned long long)t->other);
}

void ln_tallies_put(const ln_tallies *t, ln_buf *out) {
  put(&t->runs, "lunette_runs_ended", "state", "outcome", "Runs that ended since the process began.", out);
  put(&t->steps, "lunette_steps", "operation", "outcome", "Steps that came to an end, by how.", out);
  put(&t->requests, "lunette_http_requests", "route", "status", "HTTP requests that were answered.", out);
}
