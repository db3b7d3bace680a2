/* seal.h: what `lunette serve` gives up once it knows what it needs: which files it reaches, and the system
** calls that it has no use for. */
#ifndef LN_SEAL_H
#define LN_SEAL_H

#include "engine/config.h"

/* While the process has one thread, the configuration is read and nothing is open: from here on only the
** files that it names, and those of the system, are there.  False only where the configuration requires what
** is not to be had, else what is lacking is told by ln_seal_calls. */
bool ln_seal_files(const ln_config *c, ln_err *err);
/* Once it listens.  Says in the log what is sealed and what is not. */
bool ln_seal_calls(const ln_config *c, ln_err *err);
/* What this kernel lacks for a seal, in words; NULL: nothing. */
const char *ln_seal_lacks(void);

#endif
