/* mutants.c: see mutants.h. */
#include "tests/faults/mutants.h"

#include "engine/inside.h"
#include "tests/faults/cases.h"

enum { RESEND, FORGET_RESULT, NO_LEDGER, DEAF_PROBE, SWALLOWED };

const mutant_of_faults faults_mutants[] = {
    [RESEND] = {"found: a write that is not idempotent is sent again after a doubt", "model", false},
    [FORGET_RESULT] = {"found: the result of a write is told, and not written down", "harden", true},
    [NO_LEDGER] = {"found: the ledger's row is left out", "harden", true},
    [DEAF_PROBE] = {"found: what a probe finds is not listened to", "isolate", false},
    [SWALLOWED] = {"found: a playbook says nothing of what failed", "swallowed", false},
    {NULL, NULL, false}};
const mutant_of_faults *faults_mutant;

const fault_case broken_case = {"swallowed", {{"broken.swallows", "{}", NULL, NULL}}};

static bool is_on(int m) { return faults_mutant == &faults_mutants[m]; }

void __real_ln_write_sent(ln_effect *e, ln_outcome o, ln_str value, const ln_err *err);
void __wrap_ln_write_sent(ln_effect *e, ln_outcome o, ln_str value, const ln_err *err);
void __wrap_ln_write_sent(ln_effect *e, ln_outcome o, ln_str value, const ln_err *err) {
  if (is_on(RESEND) && o == LN_UNKNOWN && !e->op->idempotent) {
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
  if (is_on(DEAF_PROBE)) __real_ln_write_probed(e, LN_DID_NOT, (ln_str){NULL, 0}, &not_there);
  else __real_ln_write_probed(e, o, value, err);
}

bool __real_ln_tx_log(ln_tx *tx, int64_t run, ln_str entries, ln_err *err);
bool __wrap_ln_tx_log(ln_tx *tx, int64_t run, ln_str entries, ln_err *err);
bool __wrap_ln_tx_log(ln_tx *tx, int64_t run, ln_str entries, ln_err *err) {
  ln_entry e;
  ln_str rest = entries;
  bool result = is_on(FORGET_RESULT) && ln_entry_read(&rest, &e) && !rest.n && e.kind == LN_E_RESULT &&
                e.cls == LN_WRITE;
  return result || __real_ln_tx_log(tx, run, entries, err);
}

bool __real_ln_tx_hold_begin(ln_tx *tx, const ln_hold *h, ln_err *err);
bool __wrap_ln_tx_hold_begin(ln_tx *tx, const ln_hold *h, ln_err *err);
bool __wrap_ln_tx_hold_begin(ln_tx *tx, const ln_hold *h, ln_err *err) {
  return is_on(NO_LEDGER) || __real_ln_tx_hold_begin(tx, h, err);
}

bool __real_ln_tx_hold_set(ln_tx *tx, int64_t run, ln_str step, ln_str status, ln_str before, ln_str undo,
                           int64_t since_ms, int64_t until_ms, ln_err *err);
bool __wrap_ln_tx_hold_set(ln_tx *tx, int64_t run, ln_str step, ln_str status, ln_str before, ln_str undo,
                           int64_t since_ms, int64_t until_ms, ln_err *err);
bool __wrap_ln_tx_hold_set(ln_tx *tx, int64_t run, ln_str step, ln_str status, ln_str before, ln_str undo,
                           int64_t since_ms, int64_t until_ms, ln_err *err) {
  return is_on(NO_LEDGER) ||
         __real_ln_tx_hold_set(tx, run, step, status, before, undo, since_ms, until_ms, err);
}
