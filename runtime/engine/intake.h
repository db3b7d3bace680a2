/* intake.h: alerts of any known product, normalised, with the playbooks that they would start. */
#ifndef LN_INTAKE_H
#define LN_INTAKE_H

#include "engine/engine.h"

/* Called with each alert as JSON, in order; false stops. */
typedef bool (*ln_alert_fn)(void *arg, ln_str json);

/* `text`: one document, an array, a page of some API, or JSON lines.  Every alert gets `triggers`: the
** playbooks whose `on` says so.  An `on` that fails is a missed trigger: it is named in `missed`, and stops
** nothing.  Fails "bad_argument" with the reason when no adapter knows the text. */
bool ln_intake_normalise(ln_engine *g, ln_str text, ln_alert_fn fn, void *arg, ln_err *err);

#endif
