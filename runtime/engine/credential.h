/* credential.h: a configured credential, as a header of a request.  It is shown to the hosts that it is bound
** to, and to no others. */
#ifndef LN_CREDENTIAL_H
#define LN_CREDENTIAL_H

#include "engine/engine.h"

bool ln_credential_is_for(const ln_credential *c, ln_str host);
/* Fills header and value (a secret: wipe it) with what the credential shows that host, over that body.
** "refused", rule "credential": not bound to the host; "bad_argument": none of that name, or its kind;
** "unavailable": a helper has to be asked first, and it shall not be waited for. */
bool ln_credential_show(ln_engine *g, ln_str name, ln_str host, ln_str body, bool wait, ln_str *header,
                        ln_buf *value, ln_err *err);

#endif
