/* arena.c: see arena.h.  Sizes are rounded up to a class; what is given back waits in the list of its class
** for the next of that size.  So the block can be wasted by a script that uses one size after another, which
** is why there is only one of it. */
#include "engine/arena.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#if defined __SANITIZE_ADDRESS__
enum { BLOCK = 0 };                                      /* who looks for faults wants to see each object   */
#else
enum { BLOCK = 64 << 10 };
#endif
enum { STEP = 16, FINE = 32, LARGEST = 8 << 10, SPARE_MAX = 64 };

/* Blocks of VMs that ended, for those that begin. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char *spare[SPARE_MAX];
static size_t n_spare;

static size_t class_of(size_t n) {
  size_t c = FINE;
  if (n <= STEP * FINE) return (n - 1) / STEP;
  for (size_t most = 2 * STEP * FINE; n > most; most *= 2) c++;
  return c;
}

static size_t size_of(size_t c) {
  return c < FINE ? (c + 1) * STEP : (size_t)(2 * STEP * FINE) << (c - FINE);
}

static bool is_inside(const ln_arena *a, const void *p) {
  return a->block && (const char *)p >= a->block && (const char *)p < a->end;
}

static void *take(ln_arena *a, size_t n) {
  if (n > LARGEST) return NULL;
  size_t c = class_of(n), size = size_of(c);
  void *p = a->spare[c];
  if (p) {
  /* cppcheck-suppress pointerSize */
    memcpy(&a->spare[c], p, sizeof p);
    return p;
  }
  if ((size_t)(a->end - a->next) < size) return NULL;
  p = a->next;
  a->next += size;
  return p;
}

static void give(ln_arena *a, void *p, size_t n) {
  if (!is_inside(a, p)) {
    free(p);
    a->outside--;
    return;
  }
  size_t c = class_of(n);
  /* cppcheck-suppress pointerSize */
  memcpy(p, &a->spare[c], sizeof p);
  a->spare[c] = p;
}

static void *take_anywhere(ln_arena *a, size_t n) {
  void *p = take(a, n);
  if (p) return p;
  p = malloc(n);
  a->outside += p != NULL;
  return p;
}

static void *move(ln_arena *a, void *p, size_t osize, size_t nsize) {
  void *q = take_anywhere(a, nsize);
  if (!q) return nsize <= osize ? p : NULL;
  memcpy(q, p, osize < nsize ? osize : nsize);
  give(a, p, osize);
  return q;
}

/* An object never leaves its class in place: its size says where it belongs when it is given back. */
void *ln_arena_resize(ln_arena *a, void *p, size_t osize, size_t nsize) {
  if (!p) return nsize ? take_anywhere(a, nsize) : NULL;
  if (nsize == 0) {
    give(a, p, osize);
    return NULL;
  }
  if (!is_inside(a, p)) {
    void *q = realloc(p, nsize);
  /* cppcheck-suppress memleak */
    return q || nsize > osize ? q : p;
  }
  return osize <= LARGEST && nsize <= LARGEST && class_of(osize) == class_of(nsize)
             ? p
             : move(a, p, osize, nsize);
}

static char *take_block(void) {
  char *b = NULL;
  pthread_mutex_lock(&lock);
  if (n_spare) b = spare[--n_spare];
  pthread_mutex_unlock(&lock);
  return b || !BLOCK ? b : malloc(BLOCK);
}

static void give_block(char *b) {
  pthread_mutex_lock(&lock);
  bool keep = b && n_spare < SPARE_MAX;
  if (keep) spare[n_spare++] = b;
  pthread_mutex_unlock(&lock);
  if (!keep) free(b);
}

void ln_arena_init(ln_arena *a) {
  *a = (ln_arena){.block = take_block()};
  a->next = a->block;
  a->end = a->block ? a->block + BLOCK : NULL;
}

bool ln_arena_is_whole(const ln_arena *a) { return a->outside == 0; }

void ln_arena_free(ln_arena *a) {
  give_block(a->block);
  *a = (ln_arena){0};
}
