/* library.h: the scripts: found below the configured folders, compiled, and pinned.  A snapshot is a manifest
** of module name -> SHA-256, its sources kept by content in the store: a run keeps the one it began with. */
#ifndef LN_LIBRARY_H
#define LN_LIBRARY_H

#include "engine/engine.h"

typedef struct ln_snapshot ln_snapshot;

/* Reads every script below `scripts` and `stdlib`, and the connectors of connectors_path (as modules
** connectors.NAME, which no folder of scripts can have); `extra` (may be empty) is one more file, whose
** module name is its base name.  Does not compile: a script that does not compile fails whoever loads it.
** Free by drop. */
ln_snapshot *ln_snapshot_take(ln_engine *g, ln_str extra, ln_err *err);
/* The same with a folder whose scripts win over all others.  Not the one that later runs share. */
ln_snapshot *ln_snapshot_with(ln_engine *g, const char *folder, ln_err *err);
/* As pinned, from the store.  "store": it has lost some of it. */
ln_snapshot *ln_snapshot_load(ln_engine *g, ln_str hash, ln_err *err);
ln_snapshot *ln_snapshot_keep(ln_snapshot *s);
void ln_snapshot_drop(ln_snapshot *s);
const char *ln_snapshot_hash(const ln_snapshot *s); /* "sha256:…"                                        */
/* manifest and sources, if they are not there */
bool ln_snapshot_put(ln_tx *tx, ln_snapshot *s, ln_err *err);
void ln_snapshot_stored(ln_snapshot *s); /* that transaction was committed: it need not be put again */
void ln_snapshot_forget(ln_engine *g);   /* the next one is taken anew */
/* --- retention --- */
bool ln_manifest_sources(ln_str manifest, ln_name_fn fn, void *arg); /* the hashes of its sources */
/* The hash of the snapshot that the next command would begin with, appended. */
bool ln_snapshot_indexed(ln_tx *tx, ln_buf *hash, ln_err *err);
/* Puts a snapshot of one store into another's; quiet when it is lost. */
bool ln_snapshot_copy(ln_engine *from, ln_str hash, ln_tx *to, ln_err *err);
/* A module's source and the path it came from; false: none.  Fetched from the store when the snapshot was
** loaded. */
bool ln_snapshot_source(ln_snapshot *s, ln_str module, ln_str *source, ln_str *path, ln_err *err);
/* The module that a playbook's name or path means. */
bool ln_snapshot_module(ln_snapshot *s, ln_str playbook, char *out, size_t n, ln_err *err);
size_t ln_snapshot_count(const ln_snapshot *s);
/* A path as people know it, and chunks are called: from "scripts/" or "stdlib/" on; a view into it. */
const char *ln_script_shown(const char *path);
ln_str ln_snapshot_name(const ln_snapshot *s, size_t i); /* module names, sorted */
const char *ln_snapshot_path(const ln_snapshot *s, size_t i); /* the file that it was */

/* Of the run that L belongs to: the SHA-256 of a module as it is pinned, in hex (NULL: it has none), and its
** source. */
const char *lnL_pinned_sha(lua_State *L, ln_str module);
bool lnL_pinned_source(lua_State *L, ln_str module, ln_str *source, ln_str *path, ln_err *err);

/* Does any snapshot in memory, so any run, have that version of a module? */
bool ln_library_pins(const ln_engine *g, ln_str module, const char *sha);

/* In a VM: `require NAME` of a playbook: a core module, a connector, or a module of the snapshot. */
int lnL_require(lua_State *L);
/* Pushes what a module's chunk is, not yet called: each call of it has its own upvalues. [-0, +1, e] */
void lnL_push_chunk(lua_State *L, ln_str module);

#endif
