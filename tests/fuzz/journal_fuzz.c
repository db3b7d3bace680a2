/* journal_fuzz.c: the bytes of a run's journal.  They are read to their end, or refused as damaged; what was
** read is found again by its name. */
#include "engine/journal.h"
#include "tests/fuzz/fuzz.h"

static bool is_found(void *arg, const ln_entry *e) { return ln_journal_find(arg, e->name) != NULL; }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  ln_err err = {0};
  ln_journal *j = ln_journal_of(fuzz_str(data, n), &err);
  if (!j) {
    must(err.code[0] && err.message[0]);
    return 0;
  }
  must(ln_journal_each(j, is_found, j));
  must(ln_journal_deliveries(j) <= ln_journal_entries(j));
  ln_journal_free(j);
  return 0;
}
