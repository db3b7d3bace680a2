/* pattern.h: Lua's patterns, matched by a machine with a backtracking stack of its own, which can stop
** anywhere and go on later.  A pattern's items follow one another and none repeats a group, so the stack
** never holds more than one entry an item; nothing here recurses, allocates or knows Lua. */
#ifndef LN_PATTERN_H
#define LN_PATTERN_H

#include "base/str.h"

enum { LN_CAPTURES = 32, LN_PATTERN_SMALL = 16 };
#define LN_CAPTURE_OPEN ((size_t)-1)
#define LN_CAPTURE_POSITION ((size_t)-2)

typedef struct ln_item {                                 /* compiled                                        */
  uint8_t kind, quantity, a, b;
  uint32_t from, to;                                     /* a set, in the pattern's text                    */
} ln_item;

typedef struct ln_back {                                 /* what to do when it goes no further              */
  uint8_t what, capture;
  bool plus;
  uint32_t pc;
  size_t s, n;
} ln_back;

typedef struct ln_match {
  ln_str subject, pattern;                               /* lent                                            */
  ln_item *items;                                        /* small_items, or room for pattern.n + 1 of them  */
  ln_back *back;
  size_t depth;
  uint32_t pc;
  bool anchored;
  size_t start, s;                                    /* of the try, and where it is: a match is [start, s) */
  size_t avoid;                                          /* a match may not end here; SIZE_MAX: anywhere    */
  unsigned level;                                        /* captures begun                                  */
  struct { size_t start, n; } capture[LN_CAPTURES];      /* n: a length, or LN_CAPTURE_…                    */
  long fuel;
  const char *error;                                     /* of LN_MATCH_ERROR                               */
  char error_text[64];
  ln_item small_items[LN_PATTERN_SMALL];
  ln_back small_back[LN_PATTERN_SMALL];
} ln_match;

typedef enum ln_matched { LN_MATCH_NONE, LN_MATCH_FOUND, LN_MATCH_PAUSED, LN_MATCH_ERROR } ln_matched;

/* How much room beyond the struct does it need?  0: none. */
size_t ln_match_room(ln_str pattern);
/* Begins; room: as many bytes as ln_match_room says, or NULL.  anchors: a '^' at the beginning is an
** anchor (find, match, gsub; to gmatch it is a character).  A malformed item is an error when it is
** reached. */
void ln_match_init(ln_match *m, ln_str subject, ln_str pattern, bool anchors, void *room);
void ln_match_moved(ln_match *m, const ln_match *from);  /* after *m was copied from *from                  */
/* The first match from `from` on (only there, if anchored).  Set fuel before; PAUSED: it is used up, call
** ln_match_more with new fuel. */
ln_matched ln_match_at(ln_match *m, size_t from);
ln_matched ln_match_more(ln_match *m);
bool ln_pattern_plain(ln_str pattern);                   /* no character of it is special                   */

#endif
