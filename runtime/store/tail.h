/* tail.h: which rows of the log's tail belong to which run, in memory, because the log has no such index. */
#ifndef LN_STORE_TAIL_H
#define LN_STORE_TAIL_H

#include "store/conn.h"
#include "store/map.h"

typedef struct ln_tail_row {
  int64_t run;                                           /* 0: gone, or nobody's */
  uint32_t back; /* so many ids before is the run's previous row; 0: none */
} ln_tail_row;

typedef struct ln_tail {                                 /* zeroed: knows nothing */
  int64_t base, end;                                     /* knows the ids base <= id < end */
  int64_t first;                                         /* no row below it has a run */
  ln_tail_row *row;                                      /* of id at id - base */
  size_t cap;
  ln_map last;                                           /* run -> its last id */
} ln_tail;

void ln_tail_start(ln_tail *t, int64_t id);              /* forgets all; goes on from id */
void ln_tail_free(ln_tail *t);
bool ln_tail_add(ln_tail *t, int64_t id, int64_t run); /* id >= end; false: no memory, t knows nothing now */
void ln_tail_gone(ln_tail *t, int64_t run, int64_t upto);/* the run's rows up to there are not needed */
int64_t ln_tail_first(ln_tail *t, int64_t *run); /* the lowest id that is needed, and whose; end: none */

/* The run's ids above `after`, ascending; free() them.  *n 0: none.  False: no memory. */
bool ln_tail_of(const ln_tail *t, int64_t run, int64_t after, int64_t **ids, size_t *n);

/* Learns the ids floor <= id < next from the log, as far as it does not know them; nothing below floor is
** kept. */
bool ln_tail_read(ln_tail *t, ln_conn *c, int64_t floor, int64_t next, ln_err *err);

#endif
