/* journal.c: how entries are spelt, and the index over one run's.  An entry is an encoded array (value.h)
** with fixed places, so that the format of values is the only format there is.  The index holds views into
** one copy of the journal's bytes; names are found through a table of open addressing. */
#include "engine/journal.h"

#include <stdlib.h>

enum { ENTRY_ITEMS = 11 };

/* Data that is half a value would make all that follows it unreadable. */
static bool is_whole(ln_str data) {
  ln_vitem v;
  return !data.n || (ln_v_read(&data, &v) && data.n == 0);
}

bool ln_entry_put(ln_buf *b, const ln_entry *e) {
  if (!is_whole(e->data)) return false;
  size_t mark = ln_v_begin(b, 'A', ENTRY_ITEMS);
  ln_v_int(b, e->kind);
  ln_v_str(b, e->name);
  ln_v_str(b, e->op);
  ln_v_int(b, e->cls);
  ln_v_str(b, e->fingerprint);
  ln_v_int(b, e->at_ms);
  ln_v_int(b, e->asked_ms);
  ln_v_bool(b, e->ok);
  ln_v_str(b, e->state);
  ln_v_str(b, e->where);
  if (e->data.n) ln_v_raw(b, e->data);
  else ln_v_nil(b);
  return ln_v_end(b, mark) && !ln_buf_failed(b);
}

static bool read_head(ln_str *items, ln_entry *e) {
  int64_t kind, cls;
  if (!ln_v_read_int(items, &kind) || !ln_v_read_str(items, &e->name) || !ln_v_read_str(items, &e->op))
    return false;
  if (!ln_v_read_int(items, &cls) || !ln_v_read_str(items, &e->fingerprint)) return false;
  e->kind = (ln_entry_kind)kind;
  e->cls = (ln_class)cls;
  return ln_v_read_int(items, &e->at_ms) && ln_v_read_int(items, &e->asked_ms);
}

bool ln_entry_read(ln_str *rest, ln_entry *e) {
  ln_str at = *rest;
  ln_str items;
  size_t count;
  ln_vitem data;
  if (!ln_v_read_array(&at, &items, &count) || count != ENTRY_ITEMS) return false;
  if (!read_head(&items, e) || !ln_v_read_bool(&items, &e->ok)) return false;
  if (!ln_v_read_str(&items, &e->state) || !ln_v_read_str(&items, &e->where) || !ln_v_read(&items, &data))
    return false;
  e->data = data.tag == 'n' ? (ln_str){NULL, 0} : data.whole;
  *rest = at;
  return true;
}

/* ------------------------------------------------------------------ the index */

typedef struct slot {
  ln_str name;
  size_t record; /* index + 1; 0: the slot is empty */
} slot;

struct ln_journal {
  ln_buf bytes;
  size_t n_entries;
  int64_t restored_ms;
  bool is_fork;
  ln_forked forked;
  ln_record **records;
  size_t n_records, cap_records;
  ln_record **deliveries;
  size_t n_deliveries, cap_deliveries;
  slot *slots;
  size_t n_slots; /* a power of two */
};

static size_t hash_name(ln_str s) {
  uint64_t h = 1469598103934665603u;
  for (size_t i = 0; i < s.n; i++) h = (h ^ (unsigned char)s.p[i]) * 1099511628211u;
  return (size_t)(h ^ (h >> 29));
}

static slot *find_slot(slot *slots, size_t n, ln_str name) {
  size_t i = hash_name(name) & (n - 1);
  while (slots[i].record && !ln_str_eq(slots[i].name, name)) i = (i + 1) & (n - 1);
  return &slots[i];
}

static bool grow_slots(ln_journal *j) {
  size_t n = j->n_slots ? j->n_slots * 2 : 64;
  slot *fresh = calloc(n, sizeof *fresh);
  if (!fresh) return false;
  for (size_t i = 0; i < j->n_slots; i++)
    if (j->slots[i].record) *find_slot(fresh, n, j->slots[i].name) = j->slots[i];
  free(j->slots);
  j->slots = fresh;
  j->n_slots = n;
  return true;
}

static bool push(ln_record ***v, size_t *n, size_t *cap, ln_record *r) {
  if (*n == *cap) {
    size_t more = *cap ? *cap * 2 : 32;
    ln_record **grown = realloc(*v, more * sizeof **v);
    if (!grown) return false;
    *v = grown;
    *cap = more;
  }
  (*v)[(*n)++] = r;
  return true;
}

ln_record *ln_journal_find(ln_journal *j, ln_str name) {
  if (!j->n_records) return NULL;
  slot *s = find_slot(j->slots, j->n_slots, name);
  return s->record ? j->records[s->record - 1] : NULL;
}

static ln_record *record_of(ln_journal *j, ln_str name) {
  ln_record *r = ln_journal_find(j, name);
  if (r) return r;
  if ((j->n_records + 1) * 2 > j->n_slots && !grow_slots(j)) return NULL;
  if (!(r = calloc(1, sizeof *r))) return NULL;
  r->name = name;
  if (!push(&j->records, &j->n_records, &j->cap_records, r)) {
    free(r);
    return NULL;
  }
  *find_slot(j->slots, j->n_slots, name) = (slot){name, j->n_records};
  return r;
}

static void note_outcome(ln_record *r, const ln_entry *e) {
  r->has_result = true;
  r->old = false;
  r->ok = e->ok;
  r->state = e->state;
  r->outcome = e->data;
  r->done_ms = e->at_ms;
  r->in_doubt = false;
}

static bool note_delivery(ln_journal *j, ln_record *r) {
  r->delivered = true;
  r->seq = (int64_t)j->n_deliveries + 1;
  return push(&j->deliveries, &j->n_deliveries, &j->cap_deliveries, r);
}

static void note_settled(ln_record *r, const ln_entry *e) {
  r->settled = true;
  r->old = false;
  r->in_doubt = false;
  r->settled_data = e->data;
}

static void note_ask(ln_record *r, const ln_entry *e) {
  if (e->op.n) {
    r->op = e->op;
    r->cls = e->cls;
  }
  if (e->fingerprint.n) r->fingerprint = e->fingerprint;
  if (e->where.n) r->where = e->where;
  if (!r->asked_ms) r->asked_ms = e->asked_ms ? e->asked_ms : e->at_ms;
}

static void note_intent(ln_record *r, const ln_entry *e) {
  if (!r->intent.n || r->withdrawn || r->settled) r->intent_ms = e->at_ms;
  r->intent = e->data;
  r->attempts++;
  r->asked_since = false;
  r->old = r->withdrawn = r->settled = false; /* a new attempt after a settled doubt is open again */
}

/* All that is known so far was so in another time, or is another run's. */
static void note_run(ln_journal *j, const ln_entry *e) {
  bool forked = ln_str_eq(e->name, LN_STR(LN_FORKED_NAME));
  if (!forked && !ln_str_eq(e->name, LN_STR(LN_RESTORED_NAME))) return;
  if (forked) {
    j->is_fork = true;
    j->forked = (ln_forked){.run = ln_v_get_str(e->data, "run"),
                            .step = ln_v_get_int(e->data, "step", 0),
                            .began_ms = ln_v_get_int(e->data, "began_ms", e->at_ms),
                            .plan_from = ln_v_get_int(e->data, "plan_from", 0)};
  } else {
    j->restored_ms = ln_v_get_int(e->data, "ms", e->at_ms);
  }
  for (size_t i = 0; i < j->n_records; i++) j->records[i]->old = true;
}

/* A line of a session that was dropped is not run again: nobody will ask for its steps. */
static void forget_line(ln_journal *j, ln_str line) {
  size_t kept = 0;
  for (size_t i = 0; i < j->n_records; i++) {
    ln_record *r = j->records[i];
    if (!ln_str_starts(r->name, line) || r->name.n == line.n || r->name.p[line.n] != '/') continue;
    r->fingerprint = (ln_str){NULL, 0};
    r->dropped = true;
  }
  for (size_t i = 0; i < j->n_deliveries; i++)
    if (!j->deliveries[i]->dropped) j->deliveries[kept++] = j->deliveries[i];
  j->n_deliveries = kept;
}

static void note_fact(ln_journal *j, const ln_entry *e) {
  ln_str name = e->name, prefix = LN_STR(LN_DROPPED_PREFIX);
  if (ln_str_starts(name, prefix)) forget_line(j, (ln_str){name.p + prefix.n, name.n - prefix.n});
}

static bool index_entry(ln_journal *j, const ln_entry *e) {
  ln_record *r = record_of(j, e->name);
  if (!r) return false;
  note_ask(r, e);
  switch (e->kind) {
  case LN_E_DONE: note_outcome(r, e); return note_delivery(j, r);
  case LN_E_RESULT: note_outcome(r, e); return true;
  case LN_E_DELIVERED: r->done_ms = e->at_ms; return note_delivery(j, r);
  case LN_E_ASKED: r->asked = e->data; r->asked_since = true; return true;
  case LN_E_INTENT: note_intent(r, e); return true;
  case LN_E_WITHDRAWN: r->withdrawn = true; r->attempts -= r->attempts > 0; return true;
  case LN_E_ACCEPTED: r->handle = e->data; return true;
  case LN_E_DOUBT: r->doubt = e->data; r->in_doubt = true; return true;
  case LN_E_SETTLED: note_settled(r, e); return true;
  case LN_E_PLANNED: r->planned = true; r->intent = e->data; return true;
  case LN_E_RUN: note_run(j, e); return true;
  case LN_E_NOTE: note_fact(j, e); return true;
  case LN_E_STAGE: return true;
  }
  return true;
}

static bool gather(void *arg, ln_str entries) {
  return ln_buf_add(&((ln_journal *)arg)->bytes, entries);
}

ln_journal *ln_journal_empty(ln_err *err) {
  ln_journal *j = calloc(1, sizeof *j);
  if (!j) {
    ln_fail(err, "memory", LN_AGAIN, "no memory for a journal");
    return NULL;
  }
  ln_buf_init(&j->bytes, (size_t)4 << 30);
  return j;
}

/* The first entry says for whom the others are. */
static bool is_for_us(const ln_entry *first, ln_err *err) {
  if (!ln_str_eq(first->name, LN_STR("run.began"))) return true;
  int64_t semantics = ln_v_get_int(first->data, "semantics", 1), api = ln_v_get_int(first->data, "api", 1);
  if (semantics <= LN_SEMANTICS && api <= LN_API) return true;
  return ln_fail(err, "store", LN_FINAL,
                 "this run was made by a newer Lunette (semantics %lld, modules %lld; this one knows %d and "
                 "%d): upgrade to look at it, or to go on with it",
                 (long long)semantics, (long long)api, LN_SEMANTICS, LN_API);
}

static bool index_all(ln_journal *j, ln_err *err) {
  ln_str rest = ln_buf_view(&j->bytes);
  ln_entry e;
  while (rest.n) {
    if (!ln_entry_read(&rest, &e))
      return ln_fail(err, "store", LN_FINAL, "the journal is damaged, %zu bytes before its end", rest.n);
    if (!j->n_entries && !is_for_us(&e, err)) return false;
    if (!index_entry(j, &e)) return ln_fail(err, "memory", LN_AGAIN, "no memory for the journal's index");
    j->n_entries++;
  }
  return true;
}

ln_journal *ln_journal_load(ln_store *s, int64_t run, ln_err *err) {
  ln_journal *j = ln_journal_empty(err);
  if (!j) return NULL;
  if (ln_store_journal(s, run, gather, j, err) && ln_buf_ok(&j->bytes, err) && index_all(j, err)) return j;
  ln_journal_free(j);
  return NULL;
}

ln_journal *ln_journal_of(ln_str entries, ln_err *err) {
  ln_journal *j = ln_journal_empty(err);
  if (!j) return NULL;
  if (gather(j, entries) && ln_buf_ok(&j->bytes, err) && index_all(j, err)) return j;
  if (!err->code[0]) ln_buf_ok(&j->bytes, err);
  ln_journal_free(j);
  return NULL;
}

const ln_forked *ln_journal_forked(const ln_journal *j) { return j->is_fork ? &j->forked : NULL; }
int64_t ln_journal_restored(const ln_journal *j) { return j->restored_ms; }

void ln_journal_rewind(ln_journal *j) {
  for (size_t i = 0; i < j->n_records; i++) {
    j->records[i]->matched = j->records[i]->used = false;
    j->records[i]->waiting = NULL;
  }
}

void ln_journal_free(ln_journal *j) {
  if (!j) return;
  for (size_t i = 0; i < j->n_records; i++) free(j->records[i]);
  free(j->records);
  free(j->deliveries);
  free(j->slots);
  ln_buf_free(&j->bytes);
  free(j);
}

size_t ln_journal_entries(const ln_journal *j) { return j->n_entries; }
size_t ln_journal_deliveries(const ln_journal *j) { return j->n_deliveries; }
ln_record *ln_journal_delivery(const ln_journal *j, size_t i) { return j->deliveries[i]; }
size_t ln_journal_records(const ln_journal *j) { return j->n_records; }
ln_record *ln_journal_record(const ln_journal *j, size_t i) { return j->records[i]; }
bool ln_journal_noted(ln_journal *j, ln_str name) { return ln_journal_find(j, name) != NULL; }

struct counting { const char *kind; size_t n; };

static bool count_note(void *arg, const ln_entry *e) {
  struct counting *c = arg;
  c->n += e->kind == LN_E_NOTE && ln_str_eq(e->op, ln_str_of(c->kind));
  return true;
}

size_t ln_journal_notes(const ln_journal *j, const char *kind) {
  struct counting c = {kind, 0};
  ln_journal_each(j, count_note, &c);
  return c.n;
}

bool ln_journal_each(const ln_journal *j, bool (*fn)(void *arg, const ln_entry *e), void *arg) {
  ln_str rest = ln_buf_view(&j->bytes);
  ln_entry e;
  while (rest.n && ln_entry_read(&rest, &e))
    if (!fn(arg, &e)) return false;
  return true;
}
