/* arena.h: where a VM's first objects live: one block that is taken, and given back, as a whole.  A run of a
** few steps fits in it, so that its end costs nothing, however many objects it made, and what it uses lies
** close together.  What does not fit comes from malloc. */
#ifndef LN_ARENA_H
#define LN_ARENA_H

#include <stdbool.h>
#include <stddef.h>

enum { LN_ARENA_CLASSES = 36 };                          /* up to 512 bytes by 16, then powers of two       */

typedef struct ln_arena {
  char *block, *next, *end;
  void *spare[LN_ARENA_CLASSES];                         /* given back, by size                             */
  size_t outside;                                        /* objects that malloc has                         */
} ln_arena;

/* Makes the arena; without memory for its block everything comes from malloc. */
void ln_arena_init(ln_arena *a);
/* As Lua's allocator: osize is the size that p was asked for with; nsize 0 gives it back.  NULL: no memory,
** never when nsize <= osize. */
void *ln_arena_resize(ln_arena *a, void *p, size_t osize, size_t nsize);
/* Does everything live in the block, so that nothing needs to be given back one by one? */
bool ln_arena_is_whole(const ln_arena *a);
void ln_arena_free(ln_arena *a); /* the block; what malloc has is the caller's affair */

#endif
