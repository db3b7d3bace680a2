/* faults_net.c: the way to the vendors, as a story's process has it: whose request it was and whether it was
** done is written down, and at one of them the process may die.  (What else may be wrong with a request the
** simulators do: see stdlib/sim/kit.lua.) */
#include "debug/faults_parts.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct network {
  ln_transport base;
  ln_transport *real;
  ln_story *story;
  ln_str step; /* of the request that passes; "": nobody's */
  bool write;
  ln_f_request *noted; /* NULL: it is not noted */
  size_t nth;          /* in this life, of the run that is hit */
} network;

/* "lunette ULID/STEP" */
static ln_str step_of(ln_str tag) {
  const char *slash = tag.n ? memchr(tag.p, '/', tag.n) : NULL;
  return slash ? (ln_str){slash + 1, tag.n - (size_t)(slash + 1 - tag.p)} : (ln_str){NULL, 0};
}

static int count_call(ln_story *s, const char *vendor) {
  size_t i = 0;
  while (i < LN_F_VENDORS - 1 && s->vendor[i].name && strcmp(s->vendor[i].name, vendor) != 0) i++;
  s->vendor[i].name = vendor;
  return ++s->vendor[i].calls;
}

static int nth_of_step(const ln_f_trace *t, ln_str step) {
  int n = 1;
  for (size_t i = 0; i < t->requests; i++) n += ln_str_eq(ln_str_of(t->request[i].step), step);
  return n;
}

/* Only the first life is the same as that of the story without a fault, up to where it is hit. */
static ln_f_request *note_request(network *n) {
  ln_f_trace *t = n->story->out;
  if (!n->story->hitting || n->story->life > 0 || t->requests == LN_F_REQUESTS) return NULL;
  ln_f_request *r = &t->request[t->requests];
  r->of_step = nth_of_step(t, n->step);
  snprintf(r->step, sizeof r->step, "%.*s", LN_STR_ARG(n->step));
  t->requests++;
  return r;
}

const ln_f_deed *ln_story_deed(const ln_story *s, ln_str step) {
  for (size_t i = 0; i < s->deeds; i++)
    if (ln_str_eq(ln_str_of(s->deed[i].step), step)) return &s->deed[i];
  return NULL;
}

/* One request is one deed, even where the network brings it twice. */
static void note_deed(ln_story *s, ln_str step) {
  ln_f_deed *d = (ln_f_deed *)(uintptr_t)ln_story_deed(s, step);
  if (!d && s->deeds == LN_F_STEPS) return;
  if (!d) {
    d = &s->deed[s->deeds++];
    snprintf(d->step, sizeof d->step, "%.*s", LN_STR_ARG(step));
  }
  d->lives += d->acted == 0 || d->last_life != s->life;
  d->last_life = s->life;
  d->acted++;
}

/* It is the request that the story without a fault had there. */
static bool is_here(const network *n) {
  ln_story *s = n->story;
  if (!s->cell || s->cell->kind > LN_F_ACTED || !s->hitting || s->life > 0 || n->nth != s->cell->at)
    return false;
  return s->out->hit = ln_str_eq(ln_str_of(s->base->request[n->nth].step), n->step);
}

static bool dies_here(const network *n, ln_f_kind kind) { return is_here(n) && n->story->cell->kind == kind; }

static bool handle(void *arg, const ln_request *r, ln_sim_reply *out) {
  network *n = arg;
  ln_story *s = n->story;
  bool there = ln_simhost_handle(s->set->vendors, r, out);
  if (!there) return false;
  const ln_sim_last *last = ln_simhost_last(s->set->vendors);
  int calls = count_call(s, last->vendor);
  if (is_here(n)) s->out->hit = calls == s->base->request[n->nth].of_vendor;
  if (n->noted) {
    n->noted->of_vendor = calls;
    snprintf(n->noted->vendor, sizeof n->noted->vendor, "%s", last->vendor);
    snprintf(n->noted->op, sizeof n->noted->op, "%s", last->op);
  }
  if (s->hitting && n->write && last->did) note_deed(s, n->step);
  if (s->verbose)
    printf("  %s %.*s %.*s -> %d did %d\n", n->write ? "write" : "read", LN_STR_ARG(n->step),
           LN_STR_ARG(r->url), out->answer.status, last->did);
  if (dies_here(n, LN_F_ACTED)) ln_story_die(s);
  return true;
}

static void *send_request(ln_transport *base, const ln_request *r, ln_answer_fn done, void *arg) {
  network *n = (network *)base;
  n->step = step_of(r->who);
  n->write = r->write;
  n->noted = note_request(n);
  if (dies_here(n, LN_F_SENT)) ln_story_die(n->story);
  void *sending = n->real->send(n->real, r, done, arg);
  n->nth += n->story->hitting;
  return sending;
}

static void drop(ln_transport *base, void *sending) {
  network *n = (network *)base;
  n->real->drop(n->real, sending);
}

static void free_network(ln_transport *base) {
  network *n = (network *)base;
  if (!n) return;
  n->real->free(n->real);
  free(n);
}

ln_transport *ln_story_network(ln_story *s, ln_loop *l, ln_err *err) {
  network *n = calloc(1, sizeof *n);
  if (!n || !(n->real = ln_transport_sim(l, handle, n, err))) {
    if (!n) ln_fail(err, "memory", LN_AGAIN, "no memory for a network");
    free(n);
    return NULL;
  }
  n->base = (ln_transport){send_request, drop, free_network};
  n->story = s;
  return &n->base;
}
