/* write.c: how a write is carried out, so that it is never lost, never done twice, and always explainable.
**
**   describe → look (who is it, how is it now) → guards → a person, where one is needed → its turn on the entity
**   and the intent, in one transaction → the gates once more, in the same task as the send → sent → recorded
**
** An answer that tells nothing, a crash after the intent, or a connection that died is *doubt*: within the horizon
** an idempotent write is done again; else the vendor is asked (probe), once `settle` has passed; what that cannot
** answer waits for a person.  Nothing is sent whose intent is not on disk. */
#include "engine/inside.h"

#include <stdio.h>
#include <stdlib.h>

enum { HORIZON_MS = 60000, ATTEMPTS = 3, PROBES = 3, SETTLE_MS = 5000, WAIT_MS = 20 * 60000, BUSY_MS = 100, AGAIN_MS = 1000 };

static void take_turn(ln_effect *e);
static void begin_look(ln_effect *e);
static void give_up(ln_effect *e, const ln_err *err);
static void in_doubt(ln_effect *e, const ln_err *err);
static void settle_then_probe(ln_effect *e);

static int64_t now_of(const ln_effect *e) { return ln_now_ms(e->run->engine->loop->clock); }

/* ------------------------------------------------------------------ jobs: one entry, and what belongs to it */

typedef struct write_job {
  ln_effect *effect;
  ln_entry entry;
  ln_buf data;
  const char *hold;                                      /* new status of the ledger row, "" drops it, NULL leaves it */
  bool intent;
  void (*then)(ln_effect *e);
} write_job;

static void job_free(write_job *j) {
  ln_buf_free(&j->data);
  free(j);
}

/* The ledger holds what was done to someone or something; of notes only what can be taken back. */
static bool has_hold(const ln_effect *e) {
  return e->w.entity.n && e->w.to.n && (ln_write_is_destructive(e) || e->undo.n);
}

static bool begin_hold(ln_tx *tx, const ln_effect *e, ln_err *err) {
  ln_hold h = {.run = e->run->id, .entity = e->w.entity, .facet = e->w.facet, .step = ln_str_of(e->name),
               .op = ln_str_of(e->op->name), .state = e->w.to, .before = ln_buf_view(&e->before),
               .status = LN_STR("pending"), .undo = ln_buf_view(&e->undo), .since_ms = now_of(e),
               .until_ms = e->lease_ms ? now_of(e) + e->lease_ms : 0};
  return !has_hold(e) || ln_tx_hold_begin(tx, &h, err);
}

static bool change_hold(ln_tx *tx, const write_job *j, ln_err *err) {
  const ln_effect *e = j->effect;
  if (!j->hold || !has_hold(e)) return true;
  if (!j->hold[0]) return ln_tx_hold_drop(tx, e->run->id, ln_str_of(e->name), err);
  return ln_tx_hold_set(tx, e->run->id, ln_str_of(e->name), ln_str_of(j->hold), ln_buf_view(&e->before),
                        ln_buf_view(&e->undo), now_of(e), e->lease_ms ? now_of(e) + e->lease_ms : 0, err);
}

/* What may refuse comes before the first row is written. */
static bool begin_intent(ln_tx *tx, const ln_effect *e, ln_err *err) {
  return ln_guard_rivals(tx, e, err) && ln_guard_caps(tx, e, err) && begin_hold(tx, e, err) && ln_guard_count(tx, e, err);
}

static bool job_apply(ln_tx *tx, void *arg, ln_err *err) {
  write_job *j = arg;
  ln_buf line;
  if (j->intent && !begin_intent(tx, j->effect, err)) return false;
  if (!change_hold(tx, j, err)) return false;
  ln_buf_init(&line, (size_t)64 << 20);
  bool ok = ln_entry_put(&line, &j->entry) && ln_tx_log(tx, j->effect->run->id, ln_buf_view(&line), err);
  ln_buf_free(&line);
  return ok;
}

static void turn_again(void *arg) { take_turn(arg); }

/* Only an intent can be refused: somebody else has the entity (it waits for its turn), what it rests on has changed,
** or a cap is reached. */
static void job_refused(ln_effect *e, const ln_err *err) {
  e->attempts--; /* no intent was written: it was no attempt */
  if (ln_err_is(err, "look")) {
    begin_look(e);
  } else if (ln_err_is(err, "busy")) {
    e->waiting_for = "entity";
    e->stand = LN_W_TURN;
    ln_wait_for(e, now_of(e) + BUSY_MS, turn_again);
  } else {
    ln_guard_audit(e, err);
    give_up(e, err);
  }
}

static void job_done(void *arg, const ln_err *err) {
  write_job *j = arg;
  ln_effect *e = j->effect;
  void (*then)(ln_effect *) = j->then;
  job_free(j);
  if (err) job_refused(e, err);
  else then(e);
}

static write_job *job_new(ln_effect *e, ln_entry_kind kind, void (*then)(ln_effect *e)) {
  write_job *j = calloc(1, sizeof *j);
  static const ln_err none = {.code = "memory", .message = "no memory for a write's entry"};
  if (!j) {
    ln_run_end_attempt(e->run, &none);
    return NULL;
  }
  j->effect = e;
  j->then = then;
  ln_buf_init(&j->data, (size_t)64 << 20);
  ln_effect_entry(e, kind, &j->entry);
  j->entry.data = (ln_str){NULL, 0};
  return j;
}

static void submit(write_job *j) {
  if (j->data.n) j->entry.data = ln_buf_view(&j->data);
  if (!ln_run_flush_with(j->effect->run, j->effect, job_apply, job_done, j)) job_free(j);
}

/* ------------------------------------------------------------------ recording the outcome */

static void recorded(ln_effect *e) {
  ln_buf value = e->outcome;
  bool ok = e->ok;
  const char *state = e->state;
  ln_buf_init(&e->outcome, value.max);
  e->durable = true;
  if (ok) e->run->writes_done++;
  ln_effect_finish(e, ok, state, ln_buf_view(&value));
  ln_buf_free(&value);
}

static void record(ln_effect *e, bool ok, const char *state, ln_str outcome, const char *hold) {
  e->stand = LN_W_RECORDING;
  e->waiting_for = NULL;
  e->ok = ok;
  e->state = state;
  ln_buf_cut(&e->outcome, 0);
  ln_buf_add(&e->outcome, outcome);
  write_job *j = job_new(e, LN_E_RESULT, recorded);
  if (!j) return;
  j->hold = hold;
  ln_buf_add(&j->data, outcome);
  submit(j);
}

static void record_err(ln_effect *e, const char *state, const ln_err *err, const char *hold) {
  ln_err full = *err;
  ln_buf out;
  if (!full.op[0]) snprintf(full.op, sizeof full.op, "%.*s", LN_ERR_WORD - 1, e->op->name);
  ln_buf_init(&out, 1 << 20);
  lnL_error_encode(&full, ln_str_of(e->where), (ln_str){NULL, 0}, &out);
  record(e, false, state, ln_buf_view(&out), hold);
  ln_buf_free(&out);
}

/* It ends without being sent; what an earlier attempt left in the ledger goes with it. */
static void give_up(ln_effect *e, const ln_err *err) {
  bool refused = ln_err_is(err, "refused") || ln_err_is(err, "denied") || ln_err_is(err, "expired");
  if (e->attempts) record_err(e, refused ? "refused" : "failed", err, "");
  else ln_effect_finish_err(e, refused ? "refused" : "failed", err);
}

static void record_done(ln_effect *e, ln_str value) {
  ln_buf nil;
  ln_buf_init(&nil, 16);
  ln_v_nil(&nil);
  record(e, true, "done", value.n ? value : ln_buf_view(&nil), "held");
  ln_buf_free(&nil);
}

/* ------------------------------------------------------------------ following asynchronous work */

static void follow_now(void *arg) {
  ln_effect *e = arg;
  e->op->write->follow(e, ln_buf_view(&e->handle));
}

static void follow(ln_effect *e) {
  e->stand = LN_W_FOLLOWING;
  if (!e->op->write->follow || e->wait_ms == 0) {
    record(e, true, "done", ln_buf_view(&e->handle), e->wait_ms == 0 ? NULL : "held");
    return;
  }
  if (!e->follow_until_ms) e->follow_until_ms = now_of(e) + (e->wait_ms > 0 ? e->wait_ms : WAIT_MS);
  follow_now(e);
}

static void accepted(ln_effect *e, ln_str handle) {
  ln_buf_cut(&e->handle, 0);
  ln_buf_add(&e->handle, handle);
  write_job *j = job_new(e, LN_E_ACCEPTED, follow);
  if (!j) return;
  ln_buf_add(&j->data, handle);
  submit(j);
}

static void still_pending(ln_effect *e, const ln_err *why) {
  ln_err err;
  ln_fail(&err, "pending", LN_AGAIN, "%s is not finished%s%s; it stays in the ledger as pending", e->op->name,
          why && why->message[0] ? ": " : "", why ? why->message : "");
  record_err(e, "pending", &err, "pending");
}

void ln_write_followed(ln_effect *e, ln_outcome o, ln_str value, const ln_err *err, int64_t again_ms) {
  if (e->finished || e->run->broken) return;
  int64_t again = now_of(e) + (again_ms > 0 ? again_ms : 1000);
  switch (o) {
  case LN_DID: record_done(e, value); return;
  case LN_DID_UNCHANGED: record(e, true, "unchanged", value, ""); return;
  case LN_DID_NOT: record_err(e, "failed", err, ""); return;
  case LN_ACCEPTED: case LN_UNKNOWN: break;
  }
  e->state = o == LN_UNKNOWN ? "pending" : "running";
  if (again > e->follow_until_ms) still_pending(e, err);
  else ln_wait_for(e, again, follow_now);
}

/* ------------------------------------------------------------------ the send and its answer */

static void send_again(void *arg) { take_turn(arg); }

static void unknown(ln_effect *e, const ln_err *err) {
  if (e->op->idempotent && !e->recovered && !e->branch->cancelled && now_of(e) - e->first_sent_ms < HORIZON_MS && e->attempts < ATTEMPTS)
    ln_wait_for(e, now_of(e) + AGAIN_MS * e->attempts, send_again);
  else if (e->op->write->probe) settle_then_probe(e);
  else in_doubt(e, err);
}

void ln_write_sent(ln_effect *e, ln_outcome o, ln_str value, const ln_err *err) {
  if (e->finished || e->run->broken || e->stand != LN_W_SENT) return;
  switch (o) {
  case LN_DID: record_done(e, value); break;
  case LN_DID_UNCHANGED: record(e, true, "unchanged", value, ""); break;
  case LN_ACCEPTED: accepted(e, value); break;
  case LN_DID_NOT: record_err(e, ln_err_is(err, "refused") ? "refused" : "failed", err, ""); break;
  case LN_UNKNOWN: unknown(e, err); break;
  }
}

static void withdrawn(ln_effect *e) {
  static const ln_err gone = {.code = "cancelled", .message = "cancelled before it was sent"};
  ln_effect_finish_err(e, "withdrawn", &gone);
}

static void withdraw(ln_effect *e) {
  write_job *j = job_new(e, LN_E_WITHDRAWN, withdrawn);
  if (!j) return;
  j->hold = "";
  submit(j);
}

/* The gates, asked once more in the same task as the send: the intent's transaction has just checked owner, turn
** and caps; what may have come meanwhile is a cancel. */
static void send_now(ln_effect *e) {
  if (e->branch->cancelled) {
    withdraw(e);
    return;
  }
  e->stand = LN_W_SENT;
  e->state = "running";
  e->sent_ms = now_of(e);
  if (!e->first_sent_ms) e->first_sent_ms = e->sent_ms;
  e->op->write->send(e);
}

static void put_pair(ln_buf *b, const char *key, ln_str v) {
  ln_v_key(b, ln_str_of(key));
  ln_v_str(b, v);
}

static void put_intent(const ln_effect *e, ln_buf *b) {
  size_t mark = ln_v_begin(b, 'O', 9);
  ln_v_key(b, LN_STR("attempt"));
  ln_v_int(b, e->attempts);
  put_pair(b, "before", ln_buf_view(&e->before));
  put_pair(b, "console", e->w.console);
  put_pair(b, "entity", e->w.entity);
  put_pair(b, "facet", e->w.facet);
  put_pair(b, "tag", ln_effect_tag(e));
  put_pair(b, "to", e->w.to);
  ln_v_key(b, LN_STR("undo")); /* whoever takes it up has the same ledger row to write */
  if (e->undo.n) ln_v_raw(b, ln_buf_view(&e->undo));
  else ln_v_nil(b);
  ln_v_key(b, LN_STR("would"));
  if (e->w.would.n) ln_v_raw(b, e->w.would);
  else ln_v_nil(b);
  ln_v_end(b, mark);
}

static void take_turn(ln_effect *e) {
  if (e->branch->cancelled && !e->attempts) {
    static const ln_err gone = {.code = "cancelled", .message = "cancelled before it was sent"};
    ln_effect_finish_err(e, "cancelled", &gone);
    return;
  }
  e->waiting_for = NULL;
  e->stand = LN_W_INTENT;
  e->attempts++;
  write_job *j = job_new(e, LN_E_INTENT, send_now);
  if (!j) return;
  j->intent = true;
  put_intent(e, &j->data);
  submit(j);
}

/* ------------------------------------------------------------------ doubt */

static void doubted(ln_effect *e) {
  e->stand = LN_W_DOUBT;
  e->state = "doubt";
  e->waiting_for = "doubt";
  ln_run_event(e->run, "step", e, (ln_str){NULL, 0}, (ln_str){NULL, 0});
  ln_run_pump_soon(e->run);
}

static void in_doubt(ln_effect *e, const ln_err *err) {
  write_job *j = job_new(e, LN_E_DOUBT, doubted);
  if (!j) return;
  j->hold = "doubt";
  size_t mark = ln_v_begin(&j->data, 'O', 3);
  put_pair(&j->data, "console", e->w.console);
  ln_v_key(&j->data, LN_STR("since"));
  ln_v_int(&j->data, e->first_sent_ms);
  put_pair(&j->data, "why", ln_str_of(err && err->message[0] ? err->message : "nobody knows whether it happened"));
  ln_v_end(&j->data, mark);
  submit(j);
}

static void probe_now(void *arg) {
  ln_effect *e = arg;
  e->stand = LN_W_PROBING;
  e->probes++;
  e->op->write->probe(e, e->first_sent_ms);
}

static void settle_then_probe(ln_effect *e) {
  int64_t settle = e->op->settle_ms ? e->op->settle_ms : SETTLE_MS;
  settle /= ln_config_pace(e->run->engine->config, ln_str_of(e->op->name));
  e->stand = LN_W_SETTLING;
  ln_wait_for(e, (e->sent_ms ? e->sent_ms : now_of(e)) + settle * (e->probes + 1), probe_now);
}

static const ln_err cancelled_unsent = {.code = "cancelled", .message = "cancelled; it has not happened"};

/* It certainly did not happen.  Soon after the send it is tried again; later, after a crash, or when a person said
** so, everything that leads to a send is asked anew: the world, the guards and the approval may have moved on. */
static void not_done(ln_effect *e, const ln_err *err) {
  bool fresh = !e->recovered && now_of(e) - e->first_sent_ms < HORIZON_MS;
  if (e->branch->cancelled) record_err(e, "cancelled", &cancelled_unsent, "");
  else if (e->attempts >= ATTEMPTS) record_err(e, "failed", err, "");
  else if (fresh) take_turn(e);
  else begin_look(e);
}

void ln_write_probed(ln_effect *e, ln_outcome o, ln_str value, const ln_err *err) {
  if (e->finished || e->run->broken || e->stand != LN_W_PROBING) return;
  switch (o) {
  case LN_DID: case LN_DID_UNCHANGED: record_done(e, value); return;
  case LN_ACCEPTED: accepted(e, value); return;
  case LN_DID_NOT: not_done(e, err); return;
  case LN_UNKNOWN: break;
  }
  if (e->probes < PROBES) settle_then_probe(e);
  else in_doubt(e, err);
}

/* ------------------------------------------------------------------ before it may be sent */

void ln_write_decided(ln_effect *e, const char *state, const ln_err *why) {
  if (e->finished || e->stand != LN_W_ASKING) return;
  e->waiting_for = NULL;
  if (strcmp(state, "approved") != 0) {
    give_up(e, why);
    return;
  }
  e->permitted = true;
  if (now_of(e) - e->looked_ms > HORIZON_MS) begin_look(e); /* what it rests on is read again */
  else take_turn(e);
}

static void after_guards(ln_effect *e) {
  if (ln_guard_needs_person(e) && !e->permitted) {
    e->stand = LN_W_ASKING;
    e->state = "waiting";
    e->waiting_for = "approval"; /* gathered into one question when the run has nothing else to do */
    e->wanted_ms = now_of(e);
    ln_run_pump_soon(e->run);
    return;
  }
  take_turn(e);
}

/* Nothing will be sent, so no intent says what it was about: this entry does, for the report. */
static void note_entity(ln_effect *e) {
  ln_entry entry;
  ln_buf data;
  ln_buf_init(&data, 1 << 16);
  size_t mark = ln_v_begin(&data, 'O', 3);
  put_pair(&data, "entity", e->w.entity);
  put_pair(&data, "facet", e->w.facet);
  put_pair(&data, "to", e->w.to);
  ln_v_end(&data, mark);
  ln_effect_entry(e, LN_E_ASKED, &entry);
  entry.data = ln_buf_view(&data);
  if (ln_effect_logged(e)) ln_run_put(e->run, &entry);
  ln_buf_free(&data);
}

static void refuse_never(ln_effect *e) {
  ln_err err;
  ln_fail(&err, "refused", LN_FINAL, "%s: writes to this connector are off (`writes = \"never\"`); --plan shows what it would do", e->op->name);
  memcpy(err.rule, "writes", 7);
  ln_guard_audit(e, &err);
  give_up(e, &err);
}

static bool is_plan(const ln_effect *e) { return e->run->planning || e->branch->plan_into; }

static void after_look(ln_effect *e) {
  ln_err err = {0};
  ln_str before = ln_buf_view(&e->before);
  if (before.n && e->w.to.n && ln_str_eq(before, e->w.to) && !is_plan(e)) {
    note_entity(e);
    ln_str value = ln_buf_view(&e->unchanged);
    record(e, true, "unchanged", value.n ? value : e->w.planned, e->attempts ? "" : NULL);
    return;
  }
  if (e->w.never && !is_plan(e)) {
    refuse_never(e);
    return;
  }
  bool passes = ln_guard_static(e, &err);
  if (!passes && !is_plan(e)) ln_guard_audit(e, &err);
  if (is_plan(e)) ln_plan_answer(e, passes ? NULL : &err);
  else if (!passes) give_up(e, &err);
  else after_guards(e);
}

bool ln_write_is_as_shown(const ln_effect *e, ln_str shown, ln_str before) {
  return ln_str_eq(ln_v_get_str(shown, "entity"), e->w.entity) && ln_str_eq(ln_v_get_str(shown, "to"), e->w.to) &&
         ln_str_eq(ln_v_get_str(shown, "from"), before);
}

/* Is it as a person was shown it, or as it was looked at before?  Else what was approved is not what would be done. */
static bool same_before(const ln_effect *e, const ln_look *l) {
  if (e->shown.n) return ln_write_is_as_shown(e, e->shown, l->before);
  return !e->looked_ms || ln_str_eq(ln_buf_view(&e->before), l->before);
}

static void keep_look(ln_effect *e, const ln_look *l) {
  struct { ln_buf *to; ln_str from; } parts[] = {{&e->before, l->before}, {&e->names, l->names}, {&e->undo, l->undo}, {&e->unchanged, l->unchanged}};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    ln_buf_cut(parts[i].to, 0);
    ln_buf_add(parts[i].to, parts[i].from);
  }
  e->resolved = l->resolved;
  e->looked_ms = now_of(e);
}

void ln_write_looked(ln_effect *e, const ln_look *l, const ln_err *err) {
  if (e->finished || e->run->broken || e->stand != LN_W_LOOKING) return;
  if (err) {
    give_up(e, err);
    return;
  }
  if (e->permitted && !same_before(e, l)) {
    e->permitted = false;
    e->approval = 0;
  }
  e->shown = (ln_str){NULL, 0};
  keep_look(e, l);
  after_look(e);
}

static void begin_look(ln_effect *e) {
  ln_look none = {.resolved = false};
  e->recovered = false;
  e->first_sent_ms = 0;
  e->stand = LN_W_LOOKING;
  if (e->op->write->look) e->op->write->look(e);
  else ln_write_looked(e, &none, NULL);
}

/* ------------------------------------------------------------------ starting, and taking up again */

static void settled_by_a_person(ln_effect *e) {
  ln_vitem result;
  bool has = ln_v_get(e->record->settled_data, LN_STR("result"), &result);
  if (!e->record->settled_did) e->attempts = 0, not_done(e, &cancelled_unsent);
  else if (has && e->op->write->follow && result.tag == 'O') accepted(e, result.whole);
  else record_done(e, has ? result.whole : e->w.planned);
}

/* It stood in the journal with an intent and no result: perhaps sent. */
static void take_up(ln_effect *e) {
  ln_record *rec = e->record;
  static const ln_err unsure = {.code = "doubt", .message = "the process ended after it may have been sent"};
  e->recovered = true;
  e->attempts = rec->attempts;
  e->first_sent_ms = e->sent_ms = rec->intent_ms;
  ln_buf_add(&e->before, ln_v_get_str(rec->intent, "before"));
  ln_vitem undo;
  if (ln_v_get(rec->intent, LN_STR("undo"), &undo) && undo.tag != 'n') ln_buf_add(&e->undo, undo.whole);
  if (rec->settled) settled_by_a_person(e);
  else if (rec->in_doubt) doubted(e);
  else if (rec->handle.n) ln_buf_add(&e->handle, rec->handle), follow(e);
  else if (e->op->write->probe) settle_then_probe(e);
  else in_doubt(e, &unsure);
}

void ln_write_start(ln_effect *e) {
  ln_err err = {0};
  if (ln_plan_assumed(e)) return;
  if (!e->op->write->describe(e, &e->w, &err)) {
    ln_effect_fail(e, &err);
    return;
  }
  if (e->record && e->record->asked.n) e->approval = ln_v_get_int(e->record->asked, "approval", 0);
  bool open = e->record && e->record->intent.n && !e->record->withdrawn && !e->record->planned;
  if (open) {
    take_up(e);
    return;
  }
  if (e->w.never && !is_plan(e)) {
    refuse_never(e);
    return;
  }
  begin_look(e);
}
