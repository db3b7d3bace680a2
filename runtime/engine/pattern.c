/* pattern.c: see pattern.h; the meaning is that of the Lua 5.4 reference manual, 6.4.1.  Characters are
** classed by the C locale whatever the process's is.  Fuel is spent by the item and by the character
** that a repeated item takes, so that a pattern that explodes ends at a pause and not in the middle of
** something. */
#include "engine/pattern.h"

#include <stdio.h>

enum {                                                   /* kinds of item                                   */
  ONE_CHAR, ONE_ANY, ONE_CLASS, ONE_SET,                 /* a single character, with a quantity */
  OPEN, OPEN_POSITION, CLOSE, BACK_REFERENCE, BALANCED, FRONTIER, AT_END, DONE, BAD
};
enum { BACK_GREEDY, BACK_LAZY, BACK_OPENED, BACK_CLOSED };

static const char *const bad_texts[] = {
    "malformed pattern (ends with '%')", "malformed pattern (missing ']')",
    "malformed pattern (missing arguments to '%b')", "missing '[' after '%f' in pattern",
    "invalid pattern capture", "unfinished capture", "too many captures", "invalid capture index"};
enum { BAD_PERCENT, BAD_SET, BAD_BALANCE, BAD_FRONTIER, BAD_CLOSE, BAD_OPEN, BAD_MANY, BAD_INDEX };

/* --- characters ----------------------------------------------------------------------------------------- */

static bool is_upper(unsigned c) { return c - 'A' < 26; }
static bool is_lower(unsigned c) { return c - 'a' < 26; }
static bool is_digit(unsigned c) { return c - '0' < 10; }
static bool is_alnum(unsigned c) { return is_upper(c) || is_lower(c) || is_digit(c); }
static bool is_graph(unsigned c) { return c > ' ' && c < 127; }

static bool of_class(unsigned c, char letter) {
  switch (letter) {
  case 'a': return is_upper(c) || is_lower(c);
  case 'c': return c < ' ' || c == 127;
  case 'd': return is_digit(c);
  case 'g': return is_graph(c);
  case 'l': return is_lower(c);
  case 'p': return is_graph(c) && !is_alnum(c);
  case 's': return c == ' ' || c - '\t' < 5;
  case 'u': return is_upper(c);
  case 'w': return is_alnum(c);
  case 'x': return is_digit(c) || (c | 32) - 'a' < 6;
  case 'z': return c == 0;
  default: return false;
  }
}

static bool class_letter(char c) { return strchr("acdglpsuwxz", c | 32) && is_alnum((unsigned char)c); }

/* What % and a character after it stand for. */
static bool escaped(unsigned c, char letter) {
  if (!class_letter(letter)) return c == (unsigned char)letter;
  return of_class(c, (char)(letter | 32)) != is_upper((unsigned char)letter);
}

/* set: what is between the brackets. */
static bool in_set(unsigned c, ln_str set) {
  size_t i = set.n && *set.p == '^';
  bool negated = i == 1;
  while (i < set.n) {
    unsigned first = (unsigned char)set.p[i];
    if (first == '%' && i + 1 < set.n) {
      if (escaped(c, set.p[i + 1])) return !negated;
      i += 2;
    } else if (i + 2 < set.n && set.p[i + 1] == '-') {
      if (first <= c && c <= (unsigned char)set.p[i + 2]) return !negated;
      i += 3;
    } else {
      if (first == c) return !negated;
      i++;
    }
  }
  return negated;
}

static ln_str set_of(const ln_match *m, const ln_item *i) {
  return (ln_str){m->pattern.p + i->from, i->to - i->from};
}

static bool takes(const ln_match *m, const ln_item *i, size_t s) {
  if (s >= m->subject.n) return false;
  unsigned c = (unsigned char)m->subject.p[s];
  switch (i->kind) {
  case ONE_CHAR: return c == i->a;
  case ONE_ANY: return true;
  case ONE_CLASS: return escaped(c, (char)i->a);
  default: return in_set(c, set_of(m, i));
  }
}

/* --- compiling ------------------------------------------------------------------------------------------ */

typedef struct compiler {
  ln_str p;
  size_t at;
  ln_item *item;                                         /* the one that is being made                      */
  unsigned level;
  bool open[LN_CAPTURES];
} compiler;

static bool bad(compiler *c, int which, int index) {
  *c->item = (ln_item){.kind = BAD, .a = (uint8_t)which, .b = (uint8_t)index};
  return false;
}

static bool here(const compiler *c, size_t ahead, char ch) {
  return c->at + ahead < c->p.n && c->p.p[c->at + ahead] == ch;
}

/* The set whose bracket is at c->at; c->at goes past it. */
static bool read_set(compiler *c) {
  size_t i = c->at + 1, from = i;
  if (i < c->p.n && c->p.p[i] == '^') i++;
  do { /* a ']' that comes first is a character */
    if (i >= c->p.n) return bad(c, BAD_SET, 0);
    if (c->p.p[i++] == '%' && i < c->p.n) i++;
  } while (i >= c->p.n || c->p.p[i] != ']');
  c->item->from = (uint32_t)from;
  c->item->to = (uint32_t)i;
  c->at = i + 1;
  return true;
}

static bool read_balanced(compiler *c) {
  if (c->at + 3 >= c->p.n) return bad(c, BAD_BALANCE, 0);
  *c->item = (ln_item){BALANCED, 0, (uint8_t)c->p.p[c->at + 2], (uint8_t)c->p.p[c->at + 3], 0, 0};
  c->at += 4;
  return true;
}

static bool read_frontier(compiler *c) {
  c->at += 2;
  if (!here(c, 0, '[')) return bad(c, BAD_FRONTIER, 0);
  c->item->kind = FRONTIER;
  return read_set(c);
}

static bool read_back_reference(compiler *c) {
  int n = c->p.p[c->at + 1] - '0';
  if (n < 1 || (unsigned)n > c->level || c->open[n - 1]) return bad(c, BAD_INDEX, n);
  *c->item = (ln_item){.kind = BACK_REFERENCE, .a = (uint8_t)(n - 1)};
  c->at += 2;
  return true;
}

static bool read_open(compiler *c) {
  bool position = here(c, 1, ')');
  if (c->level == LN_CAPTURES) return bad(c, BAD_MANY, 0);
  c->open[c->level++] = !position;
  c->item->kind = position ? OPEN_POSITION : OPEN;
  c->at += position ? 2 : 1;
  return true;
}

static bool read_close(compiler *c) {
  unsigned l = c->level;
  while (l && !c->open[l - 1]) l--;
  if (!l) return bad(c, BAD_CLOSE, 0);
  c->open[l - 1] = false;
  *c->item = (ln_item){.kind = CLOSE, .a = (uint8_t)(l - 1)};
  c->at++;
  return true;
}

static void read_quantity(compiler *c) {
  char ch = c->at < c->p.n ? c->p.p[c->at] : '\0';
  if (!ch || !strchr("*+-?", ch)) return;
  c->item->quantity = (uint8_t)ch;
  c->at++;
}

static bool read_single(compiler *c) {
  char ch = c->p.p[c->at];
  if (ch == '[') {
    c->item->kind = ONE_SET;
    if (!read_set(c)) return false;
  } else if (ch == '%') {
    if (c->at + 1 >= c->p.n) return bad(c, BAD_PERCENT, 0);
    *c->item = (ln_item){.kind = ONE_CLASS, .a = (uint8_t)c->p.p[c->at + 1]};
    if (!class_letter(c->p.p[c->at + 1])) c->item->kind = ONE_CHAR;
    c->at += 2;
  } else {
    *c->item = (ln_item){.kind = ch == '.' ? ONE_ANY : ONE_CHAR, .a = (uint8_t)ch};
    c->at++;
  }
  read_quantity(c);
  return true;
}

static bool read_escape(compiler *c) {
  if (here(c, 1, 'b')) return read_balanced(c);
  if (here(c, 1, 'f')) return read_frontier(c);
  if (c->at + 1 < c->p.n && is_digit((unsigned char)c->p.p[c->at + 1])) return read_back_reference(c);
  return read_single(c);
}

static bool read_item(compiler *c) {
  char ch = c->p.p[c->at];
  if (ch == '(') return read_open(c);
  if (ch == ')') return read_close(c);
  if (ch == '%') return read_escape(c);
  if (ch == '$' && c->at + 1 == c->p.n) {
    c->item->kind = AT_END;
    c->at++;
    return true;
  }
  return read_single(c);
}

/* Up to the end, or to the first malformed item, which is an error only if it is reached. */
static void compile(ln_match *m) {
  compiler c = {.p = m->pattern, .at = m->anchored, .item = m->items};
  for (; c.at < c.p.n; c.item++) {
    *c.item = (ln_item){0};
    if (!read_item(&c)) return;
  }
  *c.item = (ln_item){.kind = DONE};
  for (unsigned l = 0; l < c.level; l++)
    if (c.open[l]) bad(&c, BAD_OPEN, 0);
}

/* --- beginning ------------------------------------------------------------------------------------------ */

size_t ln_match_room(ln_str pattern) {
  if (pattern.n < LN_PATTERN_SMALL) return 0;
  return (pattern.n + 1) * (sizeof(ln_back) + sizeof(ln_item));
}

void ln_match_init(ln_match *m, ln_str subject, ln_str pattern, bool anchors, void *room) {
  m->subject = subject;
  m->pattern = pattern;
  m->back = room ? room : m->small_back;
  m->items = room ? (void *)(m->back + pattern.n + 1) : m->small_items;
  m->anchored = anchors && pattern.n && *pattern.p == '^';
  m->avoid = SIZE_MAX;
  m->level = 0;
  m->depth = 0;
  m->error = NULL;
  compile(m);
}

void ln_match_moved(ln_match *m, const ln_match *from) {
  if (m->items == from->small_items) m->items = m->small_items;
  if (m->back == from->small_back) m->back = m->small_back;
}

bool ln_pattern_plain(ln_str pattern) {
  for (size_t i = 0; i < pattern.n; i++)
    if (pattern.p[i] && strchr("^$*+?.([%-", pattern.p[i])) return false;
  return true;
}

/* --- the machine ---------------------------------------------------------------------------------------- */

static ln_back *push(ln_match *m, uint8_t what, uint32_t pc) {
  ln_back *b = &m->back[m->depth++];
  *b = (ln_back){.what = what, .pc = pc, .s = m->s};
  return b;
}

/* A single character with its quantity. */
static bool step_single(ln_match *m, const ln_item *i) {
  size_t n = 0, least = i->quantity == '+' ? 1 : 0;
  switch (i->quantity) {
  case 0:
    if (!takes(m, i, m->s)) return false;
    m->s++;
    break;
  case '-':
    push(m, BACK_LAZY, m->pc);
    break;
  case '?':
    if (!takes(m, i, m->s)) break;
    push(m, BACK_GREEDY, m->pc + 1)->n = 1;
    m->s++;
    break;
  default:
    while (takes(m, i, m->s + n)) n++;
    m->fuel -= (long)n;
    if (n < least) return false;
    if (n > least) {
      ln_back *b = push(m, BACK_GREEDY, m->pc + 1);
      b->n = n;
      b->plus = least == 1;
    }
    m->s += n;
  }
  m->pc++;
  return true;
}

static bool step_open(ln_match *m, size_t kind) {
  m->capture[m->level].start = m->s;
  m->capture[m->level++].n = kind;
  push(m, BACK_OPENED, 0);
  m->pc++;
  return true;
}

static bool step_close(ln_match *m, unsigned l) {
  m->capture[l].n = m->s - m->capture[l].start;
  push(m, BACK_CLOSED, 0)->capture = (uint8_t)l;
  m->pc++;
  return true;
}

static bool step_reference(ln_match *m, unsigned l) {
  size_t n = m->capture[l].n;
  if (n == LN_CAPTURE_POSITION || m->subject.n - m->s < n) return false;
  if (n && memcmp(m->subject.p + m->capture[l].start, m->subject.p + m->s, n) != 0) return false;
  m->fuel -= (long)n;
  m->s += n;
  m->pc++;
  return true;
}

static bool step_balanced(ln_match *m, const ln_item *i) {
  size_t s = m->s, depth = 1;
  if (s >= m->subject.n || (uint8_t)m->subject.p[s] != i->a) return false;
  while (++s < m->subject.n && depth) {
    uint8_t c = (uint8_t)m->subject.p[s];
    if (c == i->b) depth--;
    else if (c == i->a) depth++;
  }
  m->fuel -= (long)(s - m->s);
  if (depth) return false;
  m->s = s;
  m->pc++;
  return true;
}

static bool step_frontier(ln_match *m, const ln_item *i) {
  ln_str set = set_of(m, i);
  unsigned before = m->s ? (unsigned char)m->subject.p[m->s - 1] : 0;
  unsigned after = m->s < m->subject.n ? (unsigned char)m->subject.p[m->s] : 0;
  if (in_set(before, set) || !in_set(after, set)) return false;
  m->pc++;
  return true;
}

/* One item forward; false: it does not match here. */
static bool step(ln_match *m, const ln_item *i) {
  switch (i->kind) {
  case OPEN: return step_open(m, LN_CAPTURE_OPEN);
  case OPEN_POSITION: return step_open(m, LN_CAPTURE_POSITION);
  case CLOSE: return step_close(m, i->a);
  case BACK_REFERENCE: return step_reference(m, i->a);
  case BALANCED: return step_balanced(m, i);
  case FRONTIER: return step_frontier(m, i);
  case AT_END:
    if (m->s != m->subject.n) return false;
    m->pc++;
    return true;
  default: return step_single(m, i);
  }
}

/* To the nearest choice that is left; false: none. */
static bool go_back(ln_match *m) {
  while (m->depth) {
    ln_back *b = &m->back[m->depth - 1];
    m->fuel--;
    switch (b->what) {
    case BACK_OPENED: m->level--; break;
    case BACK_CLOSED: m->capture[b->capture].n = LN_CAPTURE_OPEN; break;
    case BACK_GREEDY:
      m->s = b->s + --b->n;
      m->pc = b->pc;
      if (b->n == b->plus) m->depth--;
      return true;
    default:
      if (!takes(m, &m->items[b->pc], b->s)) break;
      m->s = ++b->s;
      m->pc = b->pc + 1;
      return true;
    }
    m->depth--;
  }
  return false;
}

static ln_matched fail_bad(ln_match *m, const ln_item *i) {
  m->error = bad_texts[i->a];
  if (i->a == BAD_INDEX) {
    snprintf(m->error_text, sizeof m->error_text, "%s %%%d", bad_texts[i->a], i->b);
    m->error = m->error_text;
  }
  return LN_MATCH_ERROR;
}

static void begin_try(ln_match *m, size_t start) {
  m->start = m->s = start;
  m->pc = 0;
  m->depth = 0;
  m->level = 0;
}

/* This try has failed: the next start, or the end. */
static bool next_try(ln_match *m) {
  if (m->anchored || m->start >= m->subject.n) return false;
  begin_try(m, m->start + 1);
  return true;
}

ln_matched ln_match_more(ln_match *m) {
  for (;;) {
    const ln_item *i = &m->items[m->pc];
    if (m->fuel-- <= 0) return LN_MATCH_PAUSED;
    if (i->kind == BAD) return fail_bad(m, i);
    if (i->kind == DONE) {
      if (m->s != m->avoid) return LN_MATCH_FOUND;
      if (!next_try(m)) return LN_MATCH_NONE;
    } else if (!step(m, i) && !go_back(m) && !next_try(m)) {
      return LN_MATCH_NONE;
    }
  }
}

ln_matched ln_match_at(ln_match *m, size_t from) {
  begin_try(m, from);
  return ln_match_more(m);
}
