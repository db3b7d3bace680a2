/* webhook.h: what a source delivers by itself, signed: is it from whom it says, is it new, is it of now? */
#ifndef LN_WEBHOOK_H
#define LN_WEBHOOK_H

#include "engine/engine.h"

enum { LN_WEBHOOK_MARK = 64 };

/* The value of a request's header, without regard to case; {NULL, 0}: not sent, or sent twice. */
typedef ln_str (*ln_header_fn)(void *arg, const char *name);

typedef struct ln_webhook {                              /* for ln_alert_from                               */
  char mark[LN_WEBHOOK_MARK + 1];                        /* of the delivery; "": its sender signs nothing   */
  int64_t until_ms;                                      /* how long it could come again                    */
} ln_webhook;

const ln_source_config *ln_config_source(const ln_config *c, ln_str name); /* NULL: none                    */
/* All that can be told of a delivery without its body: false: "unauthorised" (and why is for our log alone),
** or the secret is empty, or cannot be read: "config", or is not to be had yet. */
bool ln_webhook_look(ln_engine *g, const ln_source_config *s, ln_header_fn header, void *arg, ln_err *err);
/* The rest, of one that passed that; false: as there. */
bool ln_webhook_check(ln_engine *g, const ln_source_config *s, ln_header_fn header, void *arg, ln_str body,
                      ln_webhook *out, ln_err *err);
/* Has the helper of secrets asked for all that deliveries are checked with, before the first one comes. */
void ln_webhook_prepare(ln_engine *g);
/* The challenge by which a sender asks whether we want its deliveries; {NULL, 0}: it asks nothing. */
ln_str ln_webhook_challenge(const ln_source_config *s, ln_header_fn header, void *arg);

#endif
