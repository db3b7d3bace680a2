#include "debug/travel.h"
bool ln_travel_fork(ln_travel *t, ln_engine *w, const ln_fork_options *o, char ulid[LN_ULID + 1], ln_err *err) {
  (void)t,(void)w,(void)o,(void)ulid; return ln_fail(err,"failed",LN_FINAL,"not yet");
}
