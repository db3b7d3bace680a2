/* mutants.c: the rules broken on purpose, to see that the checker finds each.  Nothing of this is in the
** product: the linker puts these functions in its way (--wrap), in this program only. */
#include "tests/sim/mutants.h"

#include <stdlib.h>

const char *const sim_mutant_names[MUTANTS] = {
    "none",
    "a write is sent before its intent is durable",
    "the epoch is not checked",
    "the result of a write is forgotten",
    "the result of a local effect is forgotten",
    "the disk's syncs do nothing",
    "a write that is not idempotent is sent again after a doubt",
    "what a probe finds is not listened to",
    "a probe does not wait until the vendor has settled",
    "the ledger's row is left out",
    "a replay delivers in another order",
    "a person's no is taken for a yes",
    "who takes back does not look who else holds it",
    "who joins gets no row in the ledger",
    "a write is left out of the audit",
    "an alert is answered before it is on disk",
    "that an alert is decided is written apart from what it starts",
    "who has a key is not looked for",
};

static bool is_on(sim_mutant m) { return here && here->mutant == m; }

/* ------------------------------------------------------------------ forgetting */

bool mutant_forgets(ln_str entries) {
  ln_entry e;
  ln_class cls = is_on(MUTANT_FORGET_RESULT) ? LN_WRITE : LN_LOCAL;
  if (!is_on(MUTANT_FORGET_RESULT) && !is_on(MUTANT_FORGET_LOCAL)) return false;
  bool one = ln_entry_read(&entries, &e) && !entries.n;
  return one && e.kind == LN_E_RESULT && e.cls == cls && sim_chance(&here->luck, 0.1);
}

bool __real_ln_tx_hold_begin(ln_tx *tx, const ln_hold *h, ln_err *err);
bool __wrap_ln_tx_hold_begin(ln_tx *tx, const ln_hold *h, ln_err *err);
bool __wrap_ln_tx_hold_begin(ln_tx *tx, const ln_hold *h, ln_err *err) {
  return is_on(MUTANT_NO_LEDGER) || __real_ln_tx_hold_begin(tx, h, err);
}

bool __real_ln_tx_hold_set(ln_tx *tx, int64_t run, ln_str step, ln_str status, ln_str before, ln_str undo,
                           int64_t since_ms, int64_t until_ms, ln_err *err);
bool __wrap_ln_tx_hold_set(ln_tx *tx, int64_t run, ln_str step, ln_str status, ln_str before, ln_str undo,
                           int64_t since_ms, int64_t until_ms, ln_err *err);
bool __wrap_ln_tx_hold_set(ln_tx *tx, int64_t run, ln_str step, ln_str status, ln_str before, ln_str undo,
                           int64_t since_ms, int64_t until_ms, ln_err *err) {
  return is_on(MUTANT_NO_LEDGER) ||
         __real_ln_tx_hold_set(tx, run, step, status, before, undo, since_ms, until_ms, err);
}

bool __real_ln_tx_hold_alone(ln_tx *tx, int64_t run, ln_str step, bool *held, int64_t *others, ln_err *err);
bool __wrap_ln_tx_hold_alone(ln_tx *tx, int64_t run, ln_str step, bool *held, int64_t *others, ln_err *err);
bool __wrap_ln_tx_hold_alone(ln_tx *tx, int64_t run, ln_str step, bool *held, int64_t *others, ln_err *err) {
  bool ok = __real_ln_tx_hold_alone(tx, run, step, held, others, err);
  if (is_on(MUTANT_ALONE)) *others = 0;
  return ok;
}

bool __real_ln_store_hold_alone(ln_store *s, int64_t run, ln_str step, bool *held, int64_t *others,
                                ln_err *err);
bool __wrap_ln_store_hold_alone(ln_store *s, int64_t run, ln_str step, bool *held, int64_t *others,
                                ln_err *err);
bool __wrap_ln_store_hold_alone(ln_store *s, int64_t run, ln_str step, bool *held, int64_t *others,
                                ln_err *err) {
  bool ok = __real_ln_store_hold_alone(s, run, step, held, others, err);
  if (is_on(MUTANT_ALONE)) *others = 0;
  return ok;
}

bool __real_ln_tx_hold_so(ln_tx *tx, const ln_hold *h, bool waited, bool *joined, ln_err *err);
bool __wrap_ln_tx_hold_so(ln_tx *tx, const ln_hold *h, bool waited, bool *joined, ln_err *err);
bool __wrap_ln_tx_hold_so(ln_tx *tx, const ln_hold *h, bool waited, bool *joined, ln_err *err) {
  bool ok = __real_ln_tx_hold_so(tx, h, waited, joined, err);
  return ok && is_on(MUTANT_NO_JOINER) && *joined ? ln_tx_hold_drop(tx, h->run, h->step, err) : ok;
}

bool __real_ln_act_audit(ln_tx *tx, const ln_effect *e, const ln_act *a, ln_err *err);
bool __wrap_ln_act_audit(ln_tx *tx, const ln_effect *e, const ln_act *a, ln_err *err);
bool __wrap_ln_act_audit(ln_tx *tx, const ln_effect *e, const ln_act *a, ln_err *err) {
  return (is_on(MUTANT_NO_AUDIT) && sim_chance(&here->luck, 0.1)) || __real_ln_act_audit(tx, e, a, err);
}

/* ------------------------------------------------------------------ whose run is it? */

bool __real_ln_tx_run_check(ln_tx *tx, int64_t run, ln_str owner, int64_t epoch, ln_err *err);
bool __wrap_ln_tx_run_check(ln_tx *tx, int64_t run, ln_str owner, int64_t epoch, ln_err *err);
bool __wrap_ln_tx_run_check(ln_tx *tx, int64_t run, ln_str owner, int64_t epoch, ln_err *err) {
  return is_on(MUTANT_NO_EPOCH) || __real_ln_tx_run_check(tx, run, owner, epoch, err);
}

bool __real_ln_tx_run_own(ln_tx *tx, int64_t run, ln_str owner, int64_t epoch_was, ln_err *err);
bool __wrap_ln_tx_run_own(ln_tx *tx, int64_t run, ln_str owner, int64_t epoch_was, ln_err *err);
bool __wrap_ln_tx_run_own(ln_tx *tx, int64_t run, ln_str owner, int64_t epoch_was, ln_err *err) {
  int64_t most = epoch_was + (is_on(MUTANT_NO_EPOCH) ? 100 : 0);
  while (!__real_ln_tx_run_own(tx, run, owner, epoch_was, err))
    if (epoch_was++ == most) return false;
  return true;
}

/* ------------------------------------------------------------------ a write's intent goes with its result */

/* What a job of write.c begins with. */
typedef struct write_job { ln_effect *effect; ln_entry entry; } write_job;
typedef struct late {
  ln_apply_fn apply;
  ln_done_fn done;
  void *arg;
  ln_effect *effect;
  ln_buf line;
  int64_t run;
  bool used;
} late;

static late held[64];
static int held_in;                                      /* what a life holds goes with it                  */

/* The write's; for NULL one that is free. */
static late *held_for(const ln_effect *e) {
  if (held_in != here->life) memset(held, 0, sizeof held);
  held_in = here->life;
  for (size_t i = 0; i < 64; i++)
    if (held[i].used == (e != NULL) && held[i].effect == e) return &held[i];
  return NULL;
}

/* The turn is taken, and nothing is written down of what it is for. */
static bool turn_apply(ln_tx *tx, void *arg, ln_err *err) {
  const ln_effect *e = ((late *)arg)->effect;
  ln_hold h = {.run = e->run->id,
               .entity = e->w.entity,
               .facet = e->w.facet,
               .step = ln_str_of(e->name),
               .op = ln_str_of(e->op->name),
               .state = e->w.to,
               .before = ln_buf_view(&e->before),
               .status = LN_STR("pending"),
               .undo = ln_buf_view(&e->undo),
               .since_ms = ln_now_ms(e->run->engine->loop->clock)};
  bool holds = e->w.entity.n && e->w.to.n && (ln_write_is_destructive(e) || e->undo.n || e->holds);
  return !holds || ln_tx_hold_begin(tx, &h, err);
}

static void drop_held(late *l) {
  ln_buf_free(&l->line);
  *l = (late){.used = false};
}

static void turn_done(void *arg, const ln_err *err) {
  late *l = arg, was = *l;
  l->done = NULL;
  if (err) drop_held(l);
  was.done(was.arg, err);
}

static bool late_apply(ln_tx *tx, void *arg, ln_err *err) {
  late *l = arg;
  return ln_tx_log(tx, l->run, ln_buf_view(&l->line), err);
}

static void late_done(void *arg, const ln_err *err) {
  late *l = arg;
  (void)err;
  drop_held(l);
}

/* The write whose job this is, if it is one: of other jobs the first word is no effect. */
static ln_effect *write_of(const ln_run *r, void *arg) {
  for (const ln_branch *b = r->branches; b; b = b->next) {
    ln_effect *e = b->asked;
    if (e && e->op->cls == LN_WRITE && e->stand >= LN_W_INTENT && *(ln_effect **)arg == e) return e;
  }
  return NULL;
}

bool __real_ln_run_flush_with(ln_run *r, ln_apply_fn apply, ln_done_fn done, void *arg);
bool __wrap_ln_run_flush_with(ln_run *r, ln_apply_fn apply, ln_done_fn done, void *arg);
bool __wrap_ln_run_flush_with(ln_run *r, ln_apply_fn apply, ln_done_fn done, void *arg) {
  ln_effect *e = is_on(MUTANT_SEND_FIRST) ? write_of(r, arg) : NULL;
  late *l = e ? held_for(e) : NULL;
  if (l && !l->done) {                                   /* what comes after the send */
    if (!__real_ln_run_flush_with(r, late_apply, late_done, l)) return false;
    l->effect = NULL;
  } else if (e && e->stand == LN_W_INTENT && (l = held_for(NULL))) {
    *l = (late){.done = done, .arg = arg, .effect = e, .run = r->id, .used = true};
    ln_buf_init(&l->line, 1 << 20);
    ln_entry_put(&l->line, &((write_job *)arg)->entry);
    return __real_ln_run_flush_with(r, turn_apply, turn_done, l);
  }
  return __real_ln_run_flush_with(r, apply, done, arg);
}

/* ------------------------------------------------------------------ doubt */

void __real_ln_write_sent(ln_effect *e, ln_outcome o, ln_str value, const ln_err *err);
void __wrap_ln_write_sent(ln_effect *e, ln_outcome o, ln_str value, const ln_err *err);
void __wrap_ln_write_sent(ln_effect *e, ln_outcome o, ln_str value, const ln_err *err) {
  if (is_on(MUTANT_RESEND) && o == LN_UNKNOWN && !e->op->idempotent) {
    e->own_op = *e->op;
    e->own_op.idempotent = true;
    e->op = &e->own_op;
  }
  __real_ln_write_sent(e, o, value, err);
}

void __real_ln_write_probed(ln_effect *e, ln_outcome o, ln_str value, const ln_err *err);
void __wrap_ln_write_probed(ln_effect *e, ln_outcome o, ln_str value, const ln_err *err);
void __wrap_ln_write_probed(ln_effect *e, ln_outcome o, ln_str value, const ln_err *err) {
  static const ln_err not_there = {.code = "failed", .message = "it is not there"};
  if (is_on(MUTANT_DEAF_PROBE)) __real_ln_write_probed(e, LN_DID_NOT, (ln_str){NULL, 0}, &not_there);
  else __real_ln_write_probed(e, o, value, err);
}

int64_t __real_ln_config_pace(const ln_config *c, ln_str name);
int64_t __wrap_ln_config_pace(const ln_config *c, ln_str name);
int64_t __wrap_ln_config_pace(const ln_config *c, ln_str name) {
  return is_on(MUTANT_HASTY_PROBE) ? 1000 : __real_ln_config_pace(c, name);
}

/* ------------------------------------------------------------------ alerts */

bool __real_ln_tx_alert_decided(ln_tx *tx, int64_t alert, bool *was, ln_err *err);
bool __wrap_ln_tx_alert_decided(ln_tx *tx, int64_t alert, bool *was, ln_err *err);

static bool decide_late(ln_tx *tx, void *arg, ln_err *err) {
  bool was;
  return __real_ln_tx_alert_decided(tx, *(int64_t *)arg, &was, err);
}

static void decided_late(void *arg, const ln_err *err) {
  (void)err;
  free(arg);
}

bool __wrap_ln_tx_alert_decided(ln_tx *tx, int64_t alert, bool *was, ln_err *err) {
  if (!is_on(MUTANT_DECIDE_APART)) return __real_ln_tx_alert_decided(tx, alert, was, err);
  int64_t *id = malloc(sizeof *id);
  if (!id) return false;
  *id = alert;
  *was = true;
  return ln_writer_submit(here->g->store, here->g->loop, decide_late, decided_late, id);
}

bool __real_ln_tx_key_run(ln_tx *tx, ln_str playbook, ln_str key, int64_t *run, ln_buf *ulid, ln_err *err);
bool __wrap_ln_tx_key_run(ln_tx *tx, ln_str playbook, ln_str key, int64_t *run, ln_buf *ulid, ln_err *err);
bool __wrap_ln_tx_key_run(ln_tx *tx, ln_str playbook, ln_str key, int64_t *run, ln_buf *ulid, ln_err *err) {
  *run = 0;
  return is_on(MUTANT_NO_KEY) || __real_ln_tx_key_run(tx, playbook, key, run, ulid, err);
}

/* ------------------------------------------------------------------ the past, and people */

ln_record *__real_ln_journal_delivery(const ln_journal *j, size_t i);
ln_record *__wrap_ln_journal_delivery(const ln_journal *j, size_t i);
ln_record *__wrap_ln_journal_delivery(const ln_journal *j, size_t i) {
  size_t n = ln_journal_deliveries(j);
  if (is_on(MUTANT_DISORDER) && (i ^ 1) < n) i ^= 1;
  return __real_ln_journal_delivery(j, i);
}

void __real_ln_write_decided(ln_effect *e, const char *state, const ln_err *why);
void __wrap_ln_write_decided(ln_effect *e, const char *state, const ln_err *why);
void __wrap_ln_write_decided(ln_effect *e, const char *state, const ln_err *why) {
  __real_ln_write_decided(e, is_on(MUTANT_DENIED) && e->approval ? "approved" : state, why);
}
