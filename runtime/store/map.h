/* map.h: a small map from integers to integers, for the files of this folder: which run was where. */
#ifndef LN_STORE_MAP_H
#define LN_STORE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ln_map_slot {
  int64_t key, value;
  uint32_t round;                                        /* in use when it is the map's */
} ln_map_slot;

typedef struct ln_map {                                  /* zeroed: empty */
  ln_map_slot *slot;
  size_t cap, n;                                         /* cap: 0 or a power of two */
  uint32_t round;
} ln_map;

bool ln_map_get(const ln_map *m, int64_t key, int64_t *value);
bool ln_map_set(ln_map *m, int64_t key, int64_t value);  /* false: no memory, nothing changed */
void ln_map_drop(ln_map *m, int64_t key);
void ln_map_clear(ln_map *m);                            /* keeps its memory; takes no time */
void ln_map_free(ln_map *m);

#endif
