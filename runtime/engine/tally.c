/* tally.c: counts texts: how often a branch asked an operation, which names are taken. */
#include "engine/inside.h"

#include <stdlib.h>

static size_t place(const ln_tally_slot *slots, size_t n, ln_str key) {
  uint64_t h = 1469598103934665603u;
  for (size_t i = 0; i < key.n; i++) h = (h ^ (unsigned char)key.p[i]) * 1099511628211u;
  size_t at = (size_t)(h ^ (h >> 32)) & (n - 1);
  while (slots[at].count && !ln_str_eq(slots[at].key, key)) at = (at + 1) & (n - 1);
  return at;
}

static bool grow(ln_tally *t) {
  size_t n = t->n ? t->n * 2 : 8;
  ln_tally_slot *fresh = calloc(n, sizeof *fresh);
  if (!fresh) return false;
  for (size_t i = 0; i < t->n; i++)
    if (t->slots[i].count) fresh[place(fresh, n, t->slots[i].key)] = t->slots[i];
  free(t->slots);
  t->slots = fresh;
  t->n = n;
  return true;
}

int64_t ln_tally_add(ln_tally *t, ln_str key) {
  if ((t->used + 1) * 2 > t->n && !grow(t)) return 0;
  ln_tally_slot *s = &t->slots[place(t->slots, t->n, key)];
  if (s->count) return ++s->count;
  char *copy = ln_str_dup(key);
  if (!copy) return 0;
  *s = (ln_tally_slot){{copy, key.n}, 1};
  t->used++;
  return 1;
}

bool ln_tally_has(const ln_tally *t, ln_str key) {
  return t->n && t->slots[place(t->slots, t->n, key)].count;
}

void ln_tally_free(ln_tally *t) {
  for (size_t i = 0; i < t->n; i++)
    if (t->slots[i].count) free((char *)(uintptr_t)t->slots[i].key.p);
  free(t->slots);
  *t = (ln_tally){NULL, 0, 0};
}
