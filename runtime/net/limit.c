/* limit.c: a vendor's limits, as its answers tell them.  There is one for the whole vendor and one a name (an
** operation), because vendors count by account as well as by endpoint.  Numbers that nobody told allow
** everything; a count that has run out blocks until its reset; a wait only ever moves forwards, so that an
** older answer that comes late does not open the door again.  Others drink from the same well, so a vendor's
** word always replaces our own count. */
#include "net/limit.h"

#include <stdlib.h>

typedef struct limit {
  struct limit *next;
  char *name;                                            /* NULL: of the whole vendor */
  int64_t remaining;                                     /* -1: not known */
  int64_t reset_at, not_before;
} limit;

enum { MAX_NAMES = 256 };                                /* further names share the vendor's own */

struct ln_limits {
  limit all;
  limit *named;
  size_t names;
  int64_t declared, told;                                /* concurrency; told -1: nothing */
  int64_t others;                                        /* in flight at the vendor that are not ours */
  int64_t in_flight;
};

ln_limits *ln_limits_new(int64_t concurrency) {
  ln_limits *l = calloc(1, sizeof *l);
  if (!l) return NULL;
  l->all.remaining = -1;
  l->declared = concurrency > 0 ? concurrency : 1;
  l->told = -1;
  return l;
}

void ln_limits_free(ln_limits *l) {
  if (!l) return;
  for (limit *n = l->named, *next; n; n = next) {
    next = n->next;
    free(n->name);
    free(n);
  }
  free(l);
}

bool ln_limits_room(const ln_limits *l) {
  int64_t may = l->declared;
  if (l->told >= 0 && l->told - l->others < may) may = l->told - l->others;
  return l->in_flight < (may > 0 ? may : 1);             /* one always: its answer is how we learn */
}

static limit *find(const ln_limits *l, ln_str name) {
  for (limit *n = l->named; n; n = n->next)
    if (ln_str_eq(ln_str_of(n->name), name)) return n;
  return NULL;
}

static limit *make(ln_limits *l, ln_str name) {
  limit *n = find(l, name);
  if (n || l->names >= MAX_NAMES) return n ? n : &l->all;
  n = calloc(1, sizeof *n);
  char *copy = n ? ln_str_dup(name) : NULL;
  if (!copy) {
    free(n);
    return &l->all;                                      /* no memory: too careful is better than too fast */
  }
  *n = (limit){.next = l->named, .name = copy, .remaining = -1};
  l->named = n;
  l->names++;
  return n;
}

static int64_t when(const limit *n, int64_t now) {
  int64_t at = n->not_before > now ? n->not_before : now;
  if (n->remaining == 0 && n->reset_at > at) at = n->reset_at;
  return at;
}

int64_t ln_limits_when(const ln_limits *l, ln_str name, int64_t now) {
  int64_t at = when(&l->all, now);
  const limit *n = find(l, name);
  int64_t own = n ? when(n, now) : now;
  return own > at ? own : at;
}

int64_t ln_limits_remaining(const ln_limits *l) { return l->all.remaining; }

void ln_limits_sent(ln_limits *l, ln_str name) {
  limit *n = find(l, name);
  if (l->all.remaining > 0) l->all.remaining--;
  if (n && n->remaining > 0) n->remaining--;
  l->in_flight++;
}

void ln_limits_back(ln_limits *l) { l->in_flight--; }

void ln_limits_told(ln_limits *l, ln_str name, const ln_limit_told *t, int64_t now) {
  bool tells = t->remaining >= 0 || t->wait_ms > 0;
  limit *n = t->own && tells ? make(l, name) : &l->all;
  if (t->remaining >= 0) {
    n->remaining = t->remaining;
    n->reset_at = now + (t->reset_ms > 0 ? t->reset_ms : 0); /* without a reset a count of 0 blocks nobody */
  }
  if (t->wait_ms > 0 && now + t->wait_ms > n->not_before) n->not_before = now + t->wait_ms;
  if (t->concurrency >= 0) l->told = t->concurrency;
  if (t->running >= 0) {
    int64_t ours = l->in_flight > 0 ? l->in_flight : 1;
    l->others = t->running > ours ? t->running - ours : 0;
  }
}
