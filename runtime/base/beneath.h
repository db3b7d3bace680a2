/* beneath.h: files below a folder that no path, symbolic link or mount trick can lead out of.  `rel` is a
** path of plain names ("a/b.txt": no "", ".", ".."), below `root`, a folder by its absolute path.  Only
** regular files; symbolic links below the root are refused, not followed.  Failures: "not_found", "refused"
** (a link, not a regular file, no permission), "conflict", "too_big", "failed" (the disk), each naming the
** file. */
#ifndef LN_BENEATH_H
#define LN_BENEATH_H

#include "base/buf.h"

/* Does a path consist of plain names only? */
bool ln_beneath_plain(ln_str rel);
/* Appends the content; stops with "too_big" at out's max. */
bool ln_beneath_read(ln_str root, ln_str rel, ln_buf *out, ln_err *err);
/* Puts data there whole or not at all: written beside under a name made from `mark`, synced, renamed, the
** folder synced.  What an earlier attempt with the same mark left is replaced.  With !replace a file that is
** there stays as it is: "conflict".  The folder must be there. */
bool ln_beneath_write(ln_str root, ln_str rel, ln_str data, ln_str mark, bool replace, ln_err *err);
/* Removes the file, if its content has this SHA-256 in hex ("" : whatever it has), else "conflict"; to
** compare, at most `max` bytes are read. */
bool ln_beneath_remove(ln_str root, ln_str rel, ln_str sha256, size_t max, ln_err *err);

/* For tests: true makes it walk folder by folder, as on a kernel without openat2. */
extern bool ln_beneath_walks;

#endif
