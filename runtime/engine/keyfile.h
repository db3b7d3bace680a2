/* keyfile.h: files that hold a key: small texts that their owner alone may read. */
#ifndef LN_KEYFILE_H
#define LN_KEYFILE_H

#include "base/buf.h"

enum { LN_KEY = 32 };

/* Reads one into text, which is to be wiped.  what: "the vault's key file", for messages.  shared: whoever
** made it has seen to who may read it.  *missing: there is no such file, which err ("store") says as well. */
bool ln_keyfile_read(const char *path, const char *what, bool shared, ln_buf *text, bool *missing,
                     ln_err *err);
/* Makes one, of mode 0600, on disk with its name when this returns, and whole as soon as that is there.
** Where the superuser makes it, it belongs to whoever has the store.  *made false, and true: it was there. */
bool ln_keyfile_make(const char *path, const char *store, const char *what, ln_str text, bool *made,
                     ln_err *err);

/* 64 hexadecimal digits, and the line's end or not; false: something else. */
bool ln_key_of(ln_str text, uint8_t key[LN_KEY]);
/* A fresh key, and its text. */
bool ln_key_new(uint8_t key[LN_KEY], ln_buf *text, ln_err *err);

#endif
