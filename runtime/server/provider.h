/* provider.h: what an OpenID provider says of itself, and its keys: fetched when they are wanted, on the
** loop, and kept for an hour. */
#ifndef LN_PROVIDER_H
#define LN_PROVIDER_H

#include "engine/engine.h"

typedef struct ln_provider ln_provider;
typedef enum ln_document { LN_DISCOVERY, LN_KEYS } ln_document;

typedef struct ln_awaited {                 /* the caller's; until fn was called               */
  void (*fn)(void *arg, const ln_err *err); /* err: it cannot be had now                       */
  void *arg;
  struct ln_awaited *next; /* provider.c's                                    */
} ln_awaited;

ln_provider *ln_provider_new(ln_engine *g, ln_err *err); /* of the configuration's `oidc`                   */
void ln_provider_free(ln_provider *p);                   /* nobody hears of it any more; NULL is welcome    */
/* Calls w->fn when the document is there, perhaps at once.  The keys want the discovery before. */
void ln_provider_want(ln_provider *p, ln_document which, ln_awaited *w);
void ln_provider_leave(ln_provider *p, ln_awaited *w); /* it is not called any more                       */
/* An encoded object; lent until the loop's next turn.  Empty: it was never fetched. */
ln_str ln_provider_view(const ln_provider *p, ln_document which);
/* A key was not among them: shall they be fetched anew when they are next wanted?  Once a minute. */
bool ln_provider_renew_keys(ln_provider *p);

#endif
