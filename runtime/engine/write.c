/* write.c: how a write is carried out, so that it is never lost, never done twice, and always explainable.
**
**   describe → look (who is it, how is it now) → guards → a person, where one is needed
**   → its place at the vendor (limit, token, concurrency)
**   → its turn on the entity and the intent, in one transaction
**   → the gates once more, in the same task as the send → sent → recorded
**
** An answer that tells nothing, a crash after the intent, or a connection that died is *doubt*: within the
** horizon an idempotent write is done again; else the vendor is asked (probe), once `settle` has passed;
** what that cannot answer waits for a person.  Nothing is sent whose intent is not on disk.
**
** What turns out not to have happened begins again with a look: the world may have moved on meanwhile, and
** what was approved longer ago than the horizon, or for another state than is there now, is asked again.
**
** Of one entity's facet one write is under way at a time.  Another that wants it, of whatever run, waits for
** the outcome before anybody is asked, and then begins with a look; so does one whose look is older than
** somebody's write there.  What is so by then is *joined*: no second call, but one more who holds it. */
#include "engine/inside.h"
#include "engine/notice.h"

#include <stdio.h>
#include <stdlib.h>

enum {
  HORIZON_MS = 60000,
  ATTEMPTS = 3,
  PROBES = 3,
  SETTLE_MS = 5000,
  WAIT_MS = 20 * 60000,
  CARRIED_MS = 2000, /* is whoever has the turn still alive? */
  RIVAL_MS = 100,
  AGAIN_MS = 1000
};

static void take_place(ln_effect *e);
static void take_turn(ln_effect *e);
static void look(ln_effect *e);
static void refuse(ln_effect *e, const ln_err *err);
static void ask_whether(ln_effect *e, const ln_err *err);
static void give_up(ln_effect *e, const char *state, const ln_err *err);
static void note_entity(ln_effect *e);
static void wait_for_turn(ln_effect *e);
static void go_on(ln_effect *e);
static void let_go(ln_effect *e);

static int64_t now_of(const ln_effect *e) { return ln_now_ms(e->run->engine->loop->clock); }

/* May it be sent (again)?  Within __close it may, although the branch is cancelled. */
static bool may_send(const ln_effect *e) {
  return !e->run->winding && (!e->branch->cancelled || e->in_close);
}

static const ln_err cancelled = {.code = "cancelled", .message = "cancelled before it was sent"};

/* ------------------------------------------------------------------ jobs: one entry, and what belongs to
** it */

typedef struct write_job {
  ln_effect *effect;
  ln_entry entry;
  ln_buf data, name;
  ln_spill *spill;
  const char *hold; /* new status of the ledger row, "" drops it, NULL leaves it */
  bool intent;
  bool so;                                               /* the ledger says whether it is joined            */
  void (*then)(ln_effect *e);
} write_job;

static void job_free(write_job *j) {
  ln_buf_free(&j->data);
  ln_buf_free(&j->name);
  free(j->spill);
  free(j);
}

/* The ledger holds what was done to someone or something; of notes only what can be taken back. */
static bool wants_hold(const ln_effect *e) {
  return e->w.entity.n && e->w.to.n && (ln_write_is_destructive(e) || e->undo.n || e->holds || e->lift.is);
}

static ln_hold hold_of(const ln_effect *e, const char *status) {
  static const char *const moves[] = {[LN_NOTE] = "note", [LN_CONFINE] = "confine", [LN_FREE] = "free"};
  return (ln_hold){.run = e->run->id,
                   .entity = e->w.entity,
                   .facet = e->w.facet,
                   .step = ln_str_of(e->name),
                   .op = ln_str_of(e->op->name),
                   .state = e->w.to,
                   .before = ln_buf_view(&e->before),
                   .status = ln_str_of(status),
                   .undo = ln_buf_view(&e->undo),
                   .since_ms = now_of(e),
                   .move = ln_str_of(moves[e->op->move]),
                   .verdict = ln_str_of(ln_lift_is_malicious(e->branch) ? "malicious" : ""),
                   .until_ms = e->lease_ms ? now_of(e) + e->lease_ms : 0};
}

static bool begin_hold(ln_tx *tx, const ln_effect *e, ln_err *err) {
  ln_hold h = hold_of(e, "pending");
  return !wants_hold(e) || (ln_tx_hold_may(tx, &h, &e->seen, err) && ln_tx_hold_begin(tx, &h, err) &&
                            ln_alias_put_in(tx, e, err));
}

static bool change_row(ln_tx *tx, const write_job *j, ln_err *err) {
  const ln_effect *e = j->effect;
  if (!j->hold || !e->holds) return true;
  if (!j->hold[0]) return ln_tx_hold_drop(tx, e->run->id, ln_str_of(e->name), err);
  return ln_tx_hold_set(tx, e->run->id, ln_str_of(e->name), ln_str_of(j->hold), ln_buf_view(&e->before),
                        ln_buf_view(&e->undo), now_of(e), e->lease_ms ? now_of(e) + e->lease_ms : 0, err);
}

static void put_key(const ln_effect *e, ln_buf *key) {
  ln_buf_init(key, 1 << 16);
  ln_hold_key(e->w.entity, e->w.facet, key);
}

/* Whoever waits for its turn there, put away, looks again. */
static bool call_next(ln_tx *tx, const ln_effect *e, ln_err *err) {
  ln_buf key;
  put_key(e, &key);
  bool ok = ln_tx_wait_call(tx, ln_buf_view(&key), err);
  ln_buf_free(&key);
  return ok;
}

/* Whoever finds or makes it so ends what held it otherwise. */
static bool end_holds(ln_tx *tx, const ln_effect *e, const ln_hold *now, bool so, ln_err *err) {
  bool reached = so && e->w.to.n && e->lift.end == LN_LIFT_REACHED;
  return (!reached || !e->w.entity.n || ln_tx_hold_reached(tx, now, err)) &&
         ln_lift_end_in(tx, e, reached, err);
}

static bool change_hold(ln_tx *tx, const write_job *j, ln_err *err) {
  const ln_effect *e = j->effect;
  ln_hold now = hold_of(e, "held");
  bool result = j->entry.kind == LN_E_RESULT;
  return change_row(tx, j, err) && (!result || end_holds(tx, e, &now, j->entry.ok && j->hold, err)) &&
         (!j->hold || !e->holds || call_next(tx, e, err));
}

/* It is so already.  What was so before us is nobody's hold: it is only known, where it confines someone.
** What gives a hold back is none, whoever holds what it comes to. */
static bool find_so(ln_tx *tx, write_job *j, ln_err *err) {
  ln_effect *e = j->effect;
  bool joined = false, holds = wants_hold(e), ok = true;
  ln_hold h = hold_of(e, e->op->move != LN_FREE ? "foreign" : "");
  h.before = e->w.to;
  h.undo = (ln_str){"", 0};
  if (holds && !ln_tx_hold_may(tx, &h, &e->seen, err)) return false;
  if (holds && e->lift.is) ok = ln_tx_hold_drop(tx, h.run, h.step, err);
  else if (holds) ok = ln_tx_hold_so(tx, &h, e->waited, &joined, err) && ln_alias_put_in(tx, e, err);
  e->state = joined ? "joined" : "unchanged";
  j->entry.state = ln_str_of(e->state);
  return ok && end_holds(tx, e, &h, true, err) && (!e->holds || call_next(tx, e, err));
}

static bool change(ln_tx *tx, write_job *j, ln_err *err) {
  if (!ln_lift_is_kept_in(tx, j->effect, err)) return false;
  return j->so ? find_so(tx, j, err) : change_hold(tx, j, err);
}

/* What may refuse an intent looks before anything is written. */
static bool take_turn_in(ln_tx *tx, const ln_effect *e, ln_err *err) {
  return ln_freeze_passes_in(tx, e, err) && ln_lift_passes_in(tx, e, err) && ln_guard_rivals(tx, e, err) &&
         ln_guard_caps(tx, e, err) && begin_hold(tx, e, err) && ln_guard_count(tx, e, err);
}

/* What may have changed something outside is on record, with what is known of it. */
static bool put_on_record(ln_tx *tx, const write_job *j, ln_err *err) {
  bool doubt = j->entry.kind == LN_E_DOUBT, over = j->entry.kind == LN_E_RESULT && j->effect->first_sent_ms;
  ln_act a = {.outcome = doubt ? LN_STR("doubt") : j->entry.state};
  if (over && !j->entry.ok) a.code = ln_v_get_str(ln_buf_view(&j->data), "code");
  if (doubt && !ln_notice_doubt(tx, j->effect, ln_v_get_str(ln_buf_view(&j->data), "why"), err)) return false;
  return (!doubt && !over) || ln_act_audit(tx, j->effect, &a, err);
}

static bool job_apply(ln_tx *tx, void *arg, ln_err *err) {
  write_job *j = arg;
  ln_buf line;
  if (j->intent ? !take_turn_in(tx, j->effect, err) : !change(tx, j, err)) return false;
  if (!put_on_record(tx, j, err)) return false;
  if (j->spill && !ln_tx_content_put(tx, &j->spill->content, err)) return false;
  ln_buf_init(&line, (size_t)64 << 20);
  bool ok = (ln_entry_put(&line, &j->entry) || ln_buf_ok(&line, err)) &&
            ln_tx_log(tx, j->effect->run->id, ln_buf_view(&line), err);
  ln_buf_free(&line);
  return ok;
}

/* Nobody keeps a place at the vendor while it waits for something else. */
static void leave_place(ln_effect *e) {
  if (e->op->write->place && e->drop) e->drop(e);
}

static bool still_frozen(ln_tx *tx, ln_effect *e, bool *waits, ln_err *err) {
  ln_err why = {0};
  *waits = !ln_freeze_passes_in(tx, e, &why);
  if (!ln_err_is(&why, "store")) return true;
  *err = why;
  return false;
}

/* Under freeze a write does not fail: it waits, with nothing intended, and asks everything anew on thaw.
** That it was asked is an entry, so that a thaw in another process knows since when.  One that may have been
** sent is asked about instead; a call from the command line is told. */
static void wait_for_thaw(ln_effect *e, const ln_err *err) {
  if (e->perhaps) {
    ask_whether(e, err);
  } else if (e->run->is_call) {
    give_up(e, "refused", err);
  } else {
    e->stand = LN_W_TURN;
    e->state = "waiting";
    e->waiting_for = "frozen";
    ln_wait_key(e, LN_STR("thaw"));
    e->still = still_frozen;
    if (!e->frozen) note_entity(e);
    e->frozen = true;
    ln_run_pump_soon(e->run);
  }
}

/* --- time --- */

static bool still_too_early(ln_tx *tx, ln_effect *e, bool *waits, ln_err *err) {
  (void)tx, (void)err;
  *waits = ln_timing_wait(e->run) > 0;
  return true;
}

/* Of one that was put away nothing goes on before it is ours again; then it is looked at. */
static void time_has_come(void *arg) {
  ln_effect *e = arg;
  if (e->run->parked) ln_park_wake(e->run);
  else ln_write_called(e);
}

/* It may have stepped again since the last look. */
static bool wait_on_for_clock(ln_effect *e) {
  int64_t left = ln_timing_wait(e->run);
  if (left) ln_wait_for(e, now_of(e) + left, time_has_come), ln_run_pump_soon(e->run);
  return left > 0;
}

/* A timer has led to it, and the clock that said so has stepped. */
static void wait_for_clock(ln_effect *e) {
  e->stand = LN_W_TURN;
  e->state = "waiting";
  e->waiting_for = "clock";
  e->still = still_too_early;
  ln_wait_key(e, LN_STR(LN_CLOCK_KEY));
  if (!e->noted && e->approval <= 0) note_entity(e);
  wait_on_for_clock(e);
}

/* --- its turn --- */

/* Nobody would ever end it without a person: it is in doubt, or whoever began it is gone, and here nobody
** takes up what others left. */
static bool takes_a_person(const ln_effect *e, const ln_turn *who) {
  const ln_engine *g = e->run->engine;
  return who->doubt || (!g->sched && !(who->owner[0] && ln_owner_alive(g->store, ln_str_of(who->owner))));
}

static bool is_taken(ln_effect *e, ln_turn *who) {
  ln_hold h = hold_of(e, "");
  ln_err quiet;                                          /* then the transaction finds out */
  return wants_hold(e) && ln_store_turn(e->run->engine->store, &h, who, &quiet) && who->taken;
}

static bool still_taken(ln_tx *tx, ln_effect *e, bool *waits, ln_err *err) {
  ln_hold h = hold_of(e, "");
  ln_turn who;
  if (!ln_tx_turn(tx, &h, &who, err)) return false;
  *waits = who.taken;
  return true;
}

static void go_on(ln_effect *e) {
  e->run->engine->loop->cancel(e->run->engine->loop, &e->timer);
  ln_wait_key(e, (ln_str){NULL, 0});
  e->still = NULL;
  e->waiting_for = NULL;
  e->blocked = false;
  if (e->perhaps) take_place(e);
  else look(e);
}

static void look_at_turn(void *arg) { ln_write_called(arg); }

static void say_who(ln_effect *e, const ln_turn *who) {
  memcpy(e->ahead, who->ulid, sizeof e->ahead);
  e->ahead_in_doubt = who->doubt;
  e->blocked = takes_a_person(e, who);
  if (!e->run->engine->sched && !e->blocked) ln_wait_for(e, now_of(e) + CARRIED_MS, look_at_turn);
  ln_run_pump_soon(e->run);
}

/* Another write of the same thing is under way: what comes of it is waited for. */
static void wait_for_turn(ln_effect *e) {
  ln_buf key;
  ln_turn who;
  if (!is_taken(e, &who)) {                              /* by now it is free */
    go_on(e);
    return;
  }
  e->stand = LN_W_TURN;
  e->state = "waiting";
  e->waiting_for = "entity";
  e->waited = true;
  if (!e->noted && e->approval <= 0) note_entity(e);     /* whoever looks learns what it waits for */
  put_key(e, &key);
  ln_wait_key(e, ln_buf_view(&key));
  ln_buf_free(&key);
  e->still = still_taken;
  say_who(e, &who);
}

static bool may_go_on(ln_effect *e) {
  ln_err err = {0};
  ln_turn who;
  if (e->still == still_too_early) return !wait_on_for_clock(e);
  if (e->still != still_taken) return ln_freeze_passes(e, &err);
  if (!is_taken(e, &who)) return true;
  say_who(e, &who);
  return false;
}

void ln_write_called(ln_effect *e) {
  if (e->stand == LN_W_TURN && e->key.n && !e->run->parked && may_go_on(e)) go_on(e);
}

static void place_again(void *arg) { take_place(arg); }

/* One of another entity is under way, which may make this one the last of its kind. */
static void wait_for_rival(ln_effect *e) {
  e->stand = LN_W_TURN;
  e->waiting_for = "entity";
  ln_wait_for(e, now_of(e) + RIVAL_MS, place_again);
  ln_run_pump_soon(e->run);
}

/* Only what needs the turn can be refused: somebody else has it, or had it since the look; a cap is reached,
** or all is frozen; or the last of several holders is not the last, or is it by now. */
static void job_refused(ln_effect *e, bool intent, const ln_err *err) {
  if (intent) e->attempts--, leave_place(e);
  if (ln_err_is(err, "frozen")) wait_for_thaw(e, err);
  else if (ln_err_is(err, "kept")) let_go(e);
  else if (ln_err_is(err, "busy")) wait_for_turn(e);
  else if (ln_err_is(err, "rival")) wait_for_rival(e);
  else if (ln_err_is(err, "moved") && e->perhaps) ask_whether(e, err); /* it needs a new look */
  else if (ln_err_is(err, "moved")) go_on(e);
  else if (ln_err_is(err, "last")) e->lift.end = LN_LIFT_REACHED, go_on(e);
  else if (intent) refuse(e, err);
  else ln_run_end_attempt(e->run, err);
}

/* Whoever waits for its turn here. */
static void wake_next(const ln_effect *e) {
  ln_buf key;
  if (!e->w.entity.n || !e->run->engine->keyed) return;
  put_key(e, &key);
  ln_wait_called(e->run->engine, ln_buf_view(&key));
  ln_buf_free(&key);
}

static void job_done(void *arg, const ln_err *err) {
  write_job *j = arg;
  ln_effect *e = j->effect;
  bool intent = j->intent, so = j->so, changed = j->hold || j->so;
  void (*then)(ln_effect *) = j->then;
  job_free(j);
  if (ln_job_gone(err)) return;
  if (err && (intent || so || e->lift.end == LN_LIFT_LET_GO)) {
    job_refused(e, intent, err);
  } else if (err) {
    ln_run_end_attempt(e->run, err);
  } else {
    if (changed) wake_next(e);
    then(e);
  }
}

static write_job *job_new(ln_effect *e, ln_entry_kind kind, void (*then)(ln_effect *e)) {
  write_job *j = calloc(1, sizeof *j);
  static const ln_err none = {
      .code = "memory", .message = "no memory for a write's entry", .retry = LN_AGAIN};
  if (!j) {
    ln_run_end_attempt(e->run, &none);
    return NULL;
  }
  j->effect = e;
  j->then = then;
  ln_buf_init(&j->data, (size_t)64 << 20);
  ln_buf_init(&j->name, 256);
  ln_effect_entry(e, kind, &j->entry);
  j->entry.data = (ln_str){NULL, 0};
  return j;
}

static void submit(write_job *j) {
  ln_run *r = j->effect->run;
  ln_err err = {0};
  if (j->data.n) j->entry.data = ln_buf_view(&j->data);
  bool whole = ln_buf_ok(&j->data, &err) &&
               (j->entry.kind != LN_E_RESULT || ln_spill_entry(&j->entry, &j->name, &j->spill));
  if (whole && ln_run_flush_with(r, job_apply, job_done, j)) return;
  job_free(j);
  if (whole) return;
  ln_fail(&err, "memory", LN_AGAIN, "no memory for a write's entry");
  ln_run_end_attempt(r, &err);
}

/* ------------------------------------------------------------------ recording the outcome */

/* What was refused is not done, whether the script says so or keeps it to itself. */
void ln_write_count(ln_run *r, ln_class cls, ln_str state) {
  r->writes_done += cls == LN_WRITE && ln_str_eq(state, LN_STR("done"));
  r->partial += cls == LN_WRITE && ln_str_eq(state, LN_STR("refused"));
}

static void recorded(ln_effect *e) {
  ln_buf value = e->outcome;
  bool ok = e->ok;
  const char *state = e->state;
  ln_buf_init(&e->outcome, value.max);
  e->durable = true;
  ln_write_count(e->run, LN_WRITE, ln_str_of(state));
  ln_effect_finish(e, ok, state, ln_buf_view(&value));
  ln_buf_free(&value);
}

static write_job *result_of(ln_effect *e, bool ok, const char *state, ln_str outcome) {
  e->stand = LN_W_RECORDING;
  e->waiting_for = NULL;
  e->ok = ok;
  e->state = state;
  ln_buf_cut(&e->outcome, 0);
  ln_buf_add(&e->outcome, outcome);
  write_job *j = job_new(e, LN_E_RESULT, recorded);
  if (j) ln_buf_add(&j->data, outcome);
  return j;
}

static void record(ln_effect *e, bool ok, const char *state, ln_str outcome, const char *hold) {
  write_job *j = result_of(e, ok, state, outcome);
  if (!j) return;
  j->hold = hold;
  submit(j);
}

/* It was so already, or a write of ours made it so meanwhile: the transaction knows which. */
static void record_so(ln_effect *e, ln_str value) {
  write_job *j = result_of(e, true, "unchanged", value);
  if (!j) return;
  j->so = true;
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

/* What takes it back may depend on what came of it: the id of what was made, or that it is over by now. */
static void complete_undo(ln_effect *e, ln_str result) {
  ln_buf now;
  if (!e->op->write->undo || !e->undo.n) return;
  ln_buf_init(&now, e->undo.max);
  e->op->write->undo(e, ln_buf_view(&e->undo), result, &now);
  ln_buf_free(&e->undo);
  e->undo = now;
}

/* A note that cannot be taken back any more is nothing that we hold; nor is what took a hold back. */
static void record_done(ln_effect *e, ln_str value) {
  ln_buf nil;
  ln_buf_init(&nil, 16);
  ln_v_nil(&nil);
  if (!value.n) value = ln_buf_view(&nil);
  complete_undo(e, value);
  record(e, true, "done", value, !e->lift.is && (ln_write_is_destructive(e) || e->undo.n) ? "held" : "");
  ln_buf_free(&nil);
}

/* It ends without having been sent.  What the journal or the ledger has of it is closed with it. */
static void give_up(ln_effect *e, const char *state, const ln_err *err) {
  if (e->intended || e->holds) {
    record_err(e, state, err, "");
    return;
  }
  ln_write_count(e->run, LN_WRITE, ln_str_of(state));
  ln_effect_finish_err(e, state, err);
}

static void refuse(ln_effect *e, const ln_err *err) {
  if (err->rule[0] && !ln_effect_is_plan(e)) ln_guard_audit(e, err);
  if (e->w.entity.n && !e->intended && !e->holds) note_entity(e);
  give_up(e, ln_err_is(err, "refused") ? "refused" : "failed", err);
}

/* Of a write that takes back a hold: others hold it so, too, or it was taken back before: nothing is sent. */
static void let_go(ln_effect *e) {
  ln_buf value;
  ln_buf_init(&value, 64);
  size_t mark = ln_v_begin(&value, 'O', 1);
  ln_v_key(&value, LN_STR("unchanged"));
  ln_v_bool(&value, true);
  ln_v_end(&value, mark);
  e->lift.end = LN_LIFT_LET_GO;
  if (ln_effect_is_plan(e)) ln_effect_finish(e, true, "unchanged", ln_buf_view(&value));
  else note_entity(e), record(e, true, "unchanged", ln_buf_view(&value), "");
  ln_buf_free(&value);
}

/* The live state is not the one that the hold's write set: whoever changed it wins. */
static void lost(ln_effect *e, const ln_err *err) {
  if (ln_effect_is_plan(e)) ln_effect_finish_err(e, "failed", err);
  else note_entity(e), record_err(e, "failed", err, "");
}

/* ------------------------------------------------------------------ following asynchronous work */

static void follow_now(void *arg) {
  ln_effect *e = arg;
  e->op->write->follow(e, ln_buf_view(&e->handle));
}

static void follow(ln_effect *e) {
  e->stand = LN_W_FOLLOWING;
  if (!e->op->write->follow || e->wait_ms == 0) {
    record(e, true, "done", ln_buf_view(&e->handle), e->wait_ms == 0 ? "left" : "held");
    return;
  }
  if (!e->follow_until_ms)
    e->follow_until_ms = (e->recovered ? e->sent_ms : now_of(e)) + (e->wait_ms > 0 ? e->wait_ms : WAIT_MS);
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
  record_err(e, "pending", &err, "left");
}

void ln_write_followed(ln_effect *e, ln_outcome o, ln_str value, const ln_err *err, int64_t again_ms) {
  if (e->finished || e->run->broken || e->stand != LN_W_FOLLOWING) return;
  int64_t again = now_of(e) + (again_ms > 0 ? again_ms : 1000);
  switch (o) {
  case LN_DID: record_done(e, value); return;
  case LN_DID_UNCHANGED:
    if (e->perhaps) record_done(e, value); /* an earlier attempt of ours was it */
    else record_so(e, value);
    return;
  case LN_DID_NOT:
    if (e->perhaps) ask_whether(e, err); /* this attempt came to nothing; an earlier one may not have */
    else record_err(e, "failed", err, "");
    return;
  case LN_ACCEPTED: case LN_UNKNOWN: break;
  }
  e->state = o == LN_UNKNOWN ? "pending" : "running";
  if (again > e->follow_until_ms) still_pending(e, err);
  else ln_wait_for(e, again, follow_now);
}

/* ------------------------------------------------------------------ the send and its answer */

/* An answer that does not tell whether it happened may well tell why it did not. */
static void keep_answer(ln_effect *e, const ln_err *err) {
  if (err && err->code[0] && (e->told || (e->told = malloc(sizeof *e->told)))) *e->told = *err;
}

/* What was found out later, and how the last send had ended. */
static ln_err with_answer(const ln_effect *e, const ln_err *err) {
  ln_err all = *err;
  const ln_err *told = e->told;
  if (!told || strcmp(told->message, err->message) == 0) return all;
  ln_fail(&all, err->code, err->retry, "%s; the send ended with: %s", err->message, told->message);
  all.status = told->status;
  memcpy(all.vendor, told->vendor, sizeof all.vendor);
  memcpy(all.vendor_code, told->vendor_code, sizeof all.vendor_code);
  return all;
}

static void unknown(ln_effect *e, const ln_err *err) {
  bool soon = now_of(e) - e->first_sent_ms < HORIZON_MS;
  e->perhaps = true;
  keep_answer(e, err);
  if (++e->repeats >= ATTEMPTS) soon = false;
  if (e->op->idempotent && !e->recovered && soon && may_send(e))
    ln_wait_for(e, now_of(e) + AGAIN_MS * e->repeats, place_again);
  else ask_whether(e, err);
}

/* It cannot be sent; what an earlier attempt did is another question. */
static void not_placed(ln_effect *e, const ln_err *err) {
  if (e->perhaps) ask_whether(e, err);
  else give_up(e, "failed", err);
}

void ln_write_sent(ln_effect *e, ln_outcome o, ln_str value, const ln_err *err) {
  if (e->finished || e->run->broken) return;
  if (e->stand == LN_W_PLACING) {
    not_placed(e, err);
    return;
  }
  if (e->stand != LN_W_SENT) return;
  switch (o) {
  case LN_DID: record_done(e, value); break;
  case LN_DID_UNCHANGED:
    if (e->perhaps) record_done(e, value); /* an earlier attempt of ours was it */
    else record_so(e, value);
    break;
  case LN_ACCEPTED: accepted(e, value); break;
  case LN_DID_NOT:
    if (e->perhaps) ask_whether(e, err); /* this attempt did nothing; an earlier one may have */
    else record_err(e, ln_err_is(err, "refused") ? "refused" : "failed", err, "");
    break;
  case LN_UNKNOWN: unknown(e, err); break;
  }
}

static void withdrawn(ln_effect *e) {
  e->intended = e->holds = false;
  if (!may_send(e)) ln_effect_finish_err(e, "withdrawn", &cancelled);
  else look(e);
}

static void probe_now(void *arg);

/* Whatever a restored run is about to do it may have done already, in a time that this store knows nothing of
** (restore.c).  So the vendor is asked first, as if it had been sent; of what he cannot confirm the intent is
** withdrawn, and a person is asked, whatever it is. */
static bool may_be_second(const ln_effect *e) { return e->run->restored_ms && !e->vouched; }

static bool has_to_listen(const ln_effect *e) {
  return may_be_second(e) && !e->heard && e->op->write->probe;
}

static void listen(ln_effect *e) {
  e->intended = false;
  e->heard = e->listening = true;
  e->first_sent_ms = e->run->created_ms;
  probe_now(e);
}

static void withdraw(ln_effect *e) {
  leave_place(e);
  e->attempts--;
  e->stand = LN_W_RECORDING;
  write_job *j = job_new(e, LN_E_WITHDRAWN, withdrawn);
  if (!j) return;
  j->hold = "";
  submit(j);
}

/* The gates, asked once more in the same task as the send: the intent's transaction has just checked
** owner, turn and caps; what may have come meanwhile is a cancel, or another's change of the same thing. */
static void send_now(ln_effect *e) {
  ln_err err = {0};
  e->intended = true;
  e->holds = wants_hold(e);
  if (has_to_listen(e)) {
    listen(e);
  } else if (!may_send(e)) {
    leave_place(e);
    if (e->perhaps) ask_whether(e, NULL);
    else withdraw(e);
  } else if (!ln_freeze_passes(e, &err)) {
    if (e->perhaps) leave_place(e), ask_whether(e, &err);
    else withdraw(e);
  } else if (!e->perhaps && ln_timing_wait(e->run)) {
    withdraw(e);
  } else {
    e->intended = false;
    e->stand = LN_W_SENT;
    e->state = "running";
    e->sent_ms = now_of(e);
    if (!e->first_sent_ms) e->first_sent_ms = e->sent_ms;
    e->op->write->send(e);
  }
}

static void put_pair(ln_buf *b, const char *key, ln_str v) {
  ln_v_key(b, ln_str_of(key));
  ln_v_str(b, v);
}

void ln_write_put_names(ln_buf *b, ln_str names) {
  ln_v_key(b, LN_STR("names"));
  if (names.n) ln_v_raw(b, names);
  else ln_v_nil(b);
}

static void put_intent(const ln_effect *e, ln_buf *b) {
  size_t mark = ln_v_begin(b, 'O', 11);
  ln_v_key(b, LN_STR("attempt"));
  ln_v_int(b, e->attempts);
  put_pair(b, "before", ln_buf_view(&e->before));
  put_pair(b, "console", e->w.console);
  put_pair(b, "entity", e->w.entity);
  put_pair(b, "facet", e->w.facet);
  ln_v_key(b, LN_STR("hold"));
  ln_v_bool(b, wants_hold(e));
  ln_write_put_names(b, ln_buf_view(&e->names));
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

static void refuse_never(ln_effect *e) {
  ln_err err;
  ln_fail(&err, "refused", LN_FINAL,
          "%s: writes to this connector are off (`writes = \"never\"`); --plan shows what it would do",
          e->op->name);
  memcpy(err.rule, "writes", 7);
  refuse(e, &err);
}

static void take_turn(ln_effect *e) {
  e->stand = LN_W_INTENT;
  e->attempts++;
  if (e->record) e->record->asked_since = false;         /* what was asked was asked before this attempt    */
  write_job *j = job_new(e, LN_E_INTENT, send_now);
  if (!j) return;
  j->intent = true;
  put_intent(e, &j->data);
  submit(j);
}

static void placed(ln_effect *e) {
  if (may_send(e)) {
    take_turn(e);
  } else {
    leave_place(e);
    take_place(e);                                       /* which says what a cancelled one comes to */
  }
}

/* Of one that was sent: what it needed first had gone stale, so that it did nothing. */
void ln_write_placed(ln_effect *e) {
  if (e->finished || e->run->broken) return;
  if (e->stand == LN_W_PLACING || e->stand == LN_W_SENT) placed(e);
}

void ln_write_put_off(ln_effect *e) {
  if (e->finished || e->run->broken || e->stand != LN_W_SENT) return;
  e->stand = LN_W_PLACING;
  if (may_send(e)) return;
  leave_place(e);
  take_place(e);
}

static void take_place(ln_effect *e) {
  ln_err err = {0};
  e->waiting_for = NULL;
  if (!may_send(e) && e->perhaps) {
    ask_whether(e, NULL);
  } else if (!may_send(e)) {
    give_up(e, "cancelled", &cancelled);
  } else if (e->w.never) {
    refuse_never(e);
  } else if (!ln_freeze_passes(e, &err)) {
    wait_for_thaw(e, &err);
  } else if (!e->perhaps && ln_timing_wait(e->run)) {
    wait_for_clock(e);
  } else {
    e->stand = LN_W_PLACING;
    if (e->op->write->place) e->op->write->place(e);
    else placed(e);
  }
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
  static const ln_err nobody = {.message = "nobody knows whether it happened"};
  ln_err why = with_answer(e, err && err->message[0] ? err : &nobody);
  write_job *j = job_new(e, LN_E_DOUBT, doubted);
  if (!j) return;
  j->hold = "doubt";
  size_t mark = ln_v_begin(&j->data, 'O', 3);
  put_pair(&j->data, "console", e->w.console);
  ln_v_key(&j->data, LN_STR("since"));
  ln_v_int(&j->data, e->first_sent_ms);
  put_pair(&j->data, "why", ln_str_of(why.message));
  ln_v_end(&j->data, mark);
  submit(j);
}

/* Nobody knows whether it happened: the vendor is asked, else a person. */
static void probe_now(void *arg) {
  ln_effect *e = arg;
  e->stand = LN_W_PROBING;
  e->probes++;
  e->op->write->probe(e, e->first_sent_ms);
}

static void probe_later(ln_effect *e) {
  int64_t settle = e->op->settle_ms ? e->op->settle_ms : SETTLE_MS;
  e->stand = LN_W_SETTLING;
  settle /= ln_config_pace(e->run->engine->config, ln_str_of(e->op->name));
  ln_wait_for(e, now_of(e) + settle, probe_now);
}

/* "Not there" counts only so long after the send; that was at some moment until now. */
static void ask_whether(ln_effect *e, const ln_err *err) {
  if (!e->op->write->probe || e->probes >= PROBES) in_doubt(e, err);
  else probe_later(e);
}

/* The vendor does not say that a restored run has done it. */
static void unheard(ln_effect *e, ln_outcome o) {
  if (o == LN_UNKNOWN && e->probes < PROBES) {
    probe_later(e);
    return;
  }
  e->listening = false;
  e->first_sent_ms = 0;
  e->probes = 0;
  withdraw(e);
}

/* It is not so now, but the store has missed some time: it may have been done, and taken back. */
static void not_now(ln_effect *e) {
  ln_err why;
  ln_fail(&why, "doubt", LN_FINAL,
          "it is not so now; it may have been, between the backup that this run was restored from and now");
  in_doubt(e, &why);
}

/* Its question was put to people before: it is the same one, if the world is the same. */
static void find_question(ln_effect *e) {
  ln_str asked = e->record ? e->record->asked : (ln_str){NULL, 0};
  e->approval = asked.n ? ln_v_get_int(asked, "approval", 0) : 0;
  e->frozen = asked.n && ln_v_get_bool(asked, "frozen", false);
  if (!e->approval) return;
  e->due_ms = ln_v_get_int(asked, "due", 0);
  ln_buf_cut(&e->before, 0);
  ln_buf_add(&e->before, ln_v_get_str(asked, "before"));
  e->looked_ms = e->asked_ms;
  e->run->asked_people = true;
}

/* A process that waited for the answer may have ended, or have put the run away: what it asked after its last
** attempt is still the question, once. */
static void ask_anew(ln_effect *e) {
  e->permitted = false;
  e->approval = 0;
  if (!e->record || !e->record->asked_since) return;
  e->record->asked_since = false;
  find_question(e);
}

/* It did not happen, that is certain now.  It begins again with a look; what was approved too long ago is
** asked anew. */
static void begin_again(ln_effect *e) {
  bool asked = e->record && e->record->asked_since;
  if (asked || now_of(e) - e->first_sent_ms > HORIZON_MS || e->run->restored_ms) ask_anew(e);
  e->recovered = e->perhaps = false;
  e->first_sent_ms = 0;
  e->probes = 0;
  if (may_send(e)) look(e);
  else give_up(e, "cancelled", &cancelled);
}

static void record_failed(ln_effect *e, const ln_err *err) {
  ln_err all = with_answer(e, err);
  record_err(e, "failed", &all, "");
}

void ln_write_probed(ln_effect *e, ln_outcome o, ln_str value, const ln_err *err) {
  if (e->finished || e->run->broken || e->stand != LN_W_PROBING) return;
  if (e->listening && (o == LN_DID_NOT || o == LN_UNKNOWN)) {
    unheard(e, o);
    return;
  }
  e->listening = false;
  switch (o) {
  case LN_DID: case LN_DID_UNCHANGED: record_done(e, value); break;
  case LN_ACCEPTED:
    e->perhaps = e->repeats > 1; /* of one attempt it is known what became of it */
    accepted(e, value);
    break;
  case LN_DID_NOT:
    if (e->old) not_now(e);
    else if (e->repeats < ATTEMPTS) begin_again(e);
    else record_failed(e, err);
    break;
  case LN_UNKNOWN: ask_whether(e, err); break;
  }
}

/* ------------------------------------------------------------------ before it may be sent */

bool ln_write_is_under_way(const ln_effect *e) {
  return e->op->cls == LN_WRITE && (e->stand >= LN_W_INTENT || e->perhaps || e->intended);
}

void ln_write_cancel(ln_effect *e) { give_up(e, "cancelled", &cancelled); }

void ln_write_decided(ln_effect *e, const char *state, const ln_err *why) {
  if (e->finished || e->stand != LN_W_ASKING) return;
  e->waiting_for = NULL;
  if (strcmp(state, "lapsed") == 0) {
    e->approval = 0; /* to be asked again */
    look(e);
  } else if (strcmp(state, "approved") != 0) {
    give_up(e, "refused", why);
  } else {
    e->permitted = true;
    /* what it rests on is read again */
    if (now_of(e) - e->looked_ms >= HORIZON_MS && e->op->write->look) look(e);
    else take_place(e);
  }
}

/* What was frozen for long is asked about, whatever it is: people thought about something else meanwhile. */
static bool is_late(const ln_effect *e) {
  return e->frozen && now_of(e) - e->asked_ms > HORIZON_MS && !e->run->options.despite_freeze;
}

static void after_guards(ln_effect *e) {
  ln_turn who;
  if (!e->holds && is_taken(e, &who)) {                  /* what comes of it may be all that is wanted */
    wait_for_turn(e);
    return;
  }
  if (is_late(e) && e->approval <= 0) e->permitted = false;
  if (has_to_listen(e)) {
    take_turn(e);
    return;
  }
  if ((!ln_guard_needs_person(e) && !is_late(e) && !may_be_second(e)) || e->permitted) {
    take_place(e);
    return;
  }
  e->stand = LN_W_ASKING;
  e->state = "waiting";
  e->waiting_for = "approval"; /* gathered into one question when the run has nothing else to do */
  e->wanted_ms = now_of(e);
  if (e->approval > 0) ln_approval_watch(e->run);
  ln_run_pump_soon(e->run);
}

/* Nothing was sent yet, so no intent says what it is about: this entry does, for the report. */
static void note_entity(ln_effect *e) {
  ln_entry entry;
  ln_buf data;
  bool frozen = e->still == still_frozen;
  e->noted = true;
  ln_buf_init(&data, (size_t)64 << 20);
  size_t mark = ln_v_begin(&data, 'O', frozen ? 5 : 4);
  put_pair(&data, "entity", e->w.entity);
  put_pair(&data, "facet", e->w.facet);
  if (frozen) ln_v_key(&data, LN_STR("frozen")), ln_v_bool(&data, true);
  ln_write_put_names(&data, ln_buf_view(&e->names));
  put_pair(&data, "to", e->w.to);
  ln_v_end(&data, mark);
  ln_effect_entry(e, LN_E_ASKED, &entry);
  entry.data = ln_buf_view(&data);
  if (ln_effect_logged(e)) ln_run_put(e->run, &entry);
  ln_buf_free(&data);
}

static bool is_unchanged(const ln_effect *e) {
  ln_str before = ln_buf_view(&e->before);
  return before.n && e->w.to.n && ln_str_eq(before, e->w.to);
}

static void after_look(ln_effect *e) {
  ln_err err = {0};
  bool plan = ln_effect_is_plan(e);
  if (!ln_lift_compare(e, &err)) {
    lost(e, &err);
    return;
  }
  if (is_unchanged(e) && !plan) {
    ln_str value = ln_buf_view(&e->unchanged);
    if (!e->noted) note_entity(e);
    record_so(e, value.n ? value : e->w.planned);
    return;
  }
  bool passes = ln_guard_static(e, &err);
  if (plan) ln_plan_answer(e, passes ? NULL : &err);
  else if (!passes) refuse(e, &err);
  else after_guards(e);
}

static bool same_before(const ln_effect *e, const ln_look *l) {
  return !e->looked_ms || ln_str_eq(ln_buf_view(&e->before), l->before);
}

static bool keep_look(ln_effect *e, const ln_look *l, ln_err *err) {
  struct {
    ln_buf *to;
    ln_str from;
  } parts[] = {
      {&e->before, l->before}, {&e->names, l->names}, {&e->undo, l->undo}, {&e->unchanged, l->unchanged}};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    ln_buf_cut(parts[i].to, 0);
    if (!ln_buf_add(parts[i].to, parts[i].from))
      return ln_buf_ok(parts[i].to, err) || ln_err_prefix(err, "%s: what it would act on", e->op->name);
  }
  e->endpoints = l->endpoints;
  e->resolved = l->resolved;
  e->looked_ms = now_of(e);
  return true;
}

void ln_write_looked(ln_effect *e, const ln_look *l, const ln_err *err) {
  ln_err why;
  if (e->finished || e->run->broken || e->stand != LN_W_LOOKING) return;
  bool same = !err && same_before(e, l);
  if (!err && !keep_look(e, l, &why)) err = &why;
  if (!err && !same) e->permitted = false, e->approval = 0; /* what was approved is not what would be done */
  if (err) refuse(e, err);
  else after_look(e);
}

/* What cannot be read now is taken for changed: then it is looked at once more. */
static void note_seen(ln_effect *e) {
  ln_hold h = hold_of(e, "");
  ln_err quiet;
  e->seen_ms = now_of(e);
  e->seen_us = ln_mono_us(e->run->engine->loop->clock);
  if (!e->w.entity.n || !ln_store_hold_seen(e->run->engine->store, &h, &e->seen, &quiet))
    e->seen = (ln_seen){.looked = e->w.entity.n > 0, .ids = -1};
}

static void look(ln_effect *e) {
  static const ln_look none = {.resolved = false};
  e->stand = LN_W_LOOKING;
  e->state = "running";
  e->seen_ms = 0;
  e->seen.looked = false;
  if (e->op->write->look) note_seen(e), e->op->write->look(e);
  else ln_write_looked(e, &none, NULL);
}

/* ------------------------------------------------------------------ starting, and taking up again */

static void settled_by_a_person(ln_effect *e, ln_str said) {
  ln_vitem result;
  bool has = ln_v_get(said, LN_STR("result"), &result);
  e->recovered = e->old = false;
  if (!ln_v_get_bool(said, "did", false)) e->vouched = true, e->repeats = 0, begin_again(e);
  else if (has && e->op->write->follow && result.tag == 'O') accepted(e, result.whole);
  else record_done(e, has ? result.whole : e->w.planned);
}

void ln_write_settled(ln_effect *e, ln_str said) {
  e->state = "running";
  e->waiting_for = NULL;
  settled_by_a_person(e, said);
}

/* It stood in the journal with an intent and no result: perhaps sent. */
static void take_up(ln_effect *e, const ln_err *undescribed) {
  ln_record *rec = e->record;
  static const ln_err unsure = {.code = "doubt", .message = "the process ended after it may have been sent"};
  ln_lift_read(e);
  e->recovered = e->perhaps = e->permitted = true;
  e->old = rec->old;
  e->attempts = e->repeats = rec->attempts;
  e->first_sent_ms = e->sent_ms = e->looked_ms = rec->intent_ms;
  e->holds = ln_v_get_bool(rec->intent, "hold", false);
  ln_buf_cut(&e->before, 0);
  ln_buf_add(&e->before, ln_v_get_str(rec->intent, "before"));
  ln_vitem undo;
  if (ln_v_get(rec->intent, LN_STR("undo"), &undo) && undo.tag != 'n') ln_buf_add(&e->undo, undo.whole);
  if (rec->settled) settled_by_a_person(e, rec->settled_data);
  else if (rec->in_doubt) doubted(e);
  else if (undescribed) in_doubt(e, undescribed);
  else if (rec->handle.n) e->perhaps = rec->attempts > 1, ln_buf_add(&e->handle, rec->handle), follow(e);
  else ask_whether(e, &unsure);
}

static void begin(ln_effect *e) {
  ln_err err = {0};
  switch (ln_lift_begin(e, &err)) {
  case LN_LIFT_GO: look(e); break;
  case LN_LIFT_KEPT: let_go(e); break;
  case LN_LIFT_NO: refuse(e, &err); break;
  }
}

void ln_write_start(ln_effect *e) {
  ln_err err = {0};
  bool described = e->op->write->describe(e, &e->w, &err);
  if (ln_effect_is_open(e)) {
    take_up(e, described ? NULL : &err);
  } else if (!described) {
    ln_effect_fail(e, &err);
  } else if (e->w.never && !ln_effect_is_plan(e)) {
    refuse_never(e);
  } else {
    find_question(e);
    begin(e);
  }
}
