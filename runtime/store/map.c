/* map.c: open addressing with linear probing, never more than half full.  A slot is in use when its round is
** the map's, so clearing is counting; dropping moves the followers up, so there are no tombstones. */
#include "store/map.h"

#include <stdlib.h>

static size_t home(const ln_map *m, int64_t key) {
  return (size_t)(((uint64_t)key * 0x9E3779B97F4A7C15u) >> 32) & (m->cap - 1);
}

static bool used(const ln_map *m, size_t i) { return m->slot[i].round == m->round; }

/* Where key is, or the free slot where it would go. */
static size_t place(const ln_map *m, int64_t key) {
  size_t i = home(m, key);
  while (used(m, i) && m->slot[i].key != key) i = (i + 1) & (m->cap - 1);
  return i;
}

bool ln_map_get(const ln_map *m, int64_t key, int64_t *value) {
  if (!m->n) return false;
  size_t i = place(m, key);
  if (!used(m, i)) return false;
  *value = m->slot[i].value;
  return true;
}

static bool grow(ln_map *m) {
  ln_map bigger = {.cap = m->cap ? 2 * m->cap : 16, .n = m->n, .round = 1};
  if (!(bigger.slot = calloc(bigger.cap, sizeof *bigger.slot))) return false;
  for (size_t i = 0; i < m->cap; i++)
    if (used(m, i)) {
      ln_map_slot *to = &bigger.slot[place(&bigger, m->slot[i].key)];
      *to = m->slot[i];
      to->round = 1;
    }
  free(m->slot);
  *m = bigger;
  return true;
}

bool ln_map_set(ln_map *m, int64_t key, int64_t value) {
  if (2 * (m->n + 1) > m->cap && !grow(m)) return false;
  size_t i = place(m, key);
  if (!used(m, i)) m->n++;
  m->slot[i] = (ln_map_slot){key, value, m->round};
  return true;
}

void ln_map_drop(ln_map *m, int64_t key) {
  if (!m->n) return;
  size_t hole = place(m, key);
  if (!used(m, hole)) return;
  m->n--;
  for (size_t i = (hole + 1) & (m->cap - 1); used(m, i); i = (i + 1) & (m->cap - 1)) {
    size_t from_home = (i - home(m, m->slot[i].key)) & (m->cap - 1);
    if (from_home < ((i - hole) & (m->cap - 1))) continue; /* it would come before its home */
    m->slot[hole] = m->slot[i];
    hole = i;
  }
  m->slot[hole].round = m->round - 1;
}

void ln_map_clear(ln_map *m) {
  m->n = 0;
  if (!m->cap) return;
  if (++m->round) return;
  for (size_t i = 0; i < m->cap; i++) m->slot[i].round = 0;
  m->round = 1;
}

void ln_map_free(ln_map *m) {
  free(m->slot);
  *m = (ln_map){0};
}
