/* library_parts.h: what a snapshot is made of, for library.c and reload.c alone.
**
** A script is one version of one module, shared by all snapshots that have it: with a thousand edits of one
** playbook memory holds what runs have pinned of that one, and everything else once. */
#ifndef LN_LIBRARY_PARTS_H
#define LN_LIBRARY_PARTS_H

#include "engine/library.h"

#include <stdatomic.h>
#include <sys/stat.h>

enum { LN_SCRIPT_MAX = 1 << 20 };

typedef struct ln_script {
  int refs;
  char *module, *path;
  char sha[2 * LN_SHA256 + 1];
  _Atomic(char *) source;                                /* NULL: in the store, not fetched yet             */
  size_t n;                                              /* set before source is: the writer reads both     */
  ln_buf code, seen_through; /* what it was compiled to, once it was; as it is, and for values nobody knows */
  ln_buf loads;                                          /* reload.c: modules that it loads, a line each */
} ln_script;

typedef struct ln_place {                                /* a script in a snapshot                          */
  ln_script *script;
  struct timespec changed;                               /* of the file, when it was read                   */
  off_t size;                                            /* -1: the file holds something else               */
  ino_t inode;
  unsigned char sifted;                                  /* reload.c's                                      */
} ln_place;

/* How files are read while people edit them. */
typedef struct ln_reading {
  ln_snapshot *before;                                   /* what has not changed is taken from; may be NULL */
  int (*open)(void *arg, const char *path, bool *busy);  /* as ln_watch_open                                */
  void *arg;
} ln_reading;

struct index;

struct ln_snapshot {
  ln_engine *engine;
  int refs;
  ln_snapshot *next, **at;                               /* in the engine's list of all                     */
  ln_place *v;                                           /* sorted by module                                */
  size_t n, cap;
  ln_buf manifest;
  char hash[8 + 2 * LN_SHA256];                          /* "sha256:" + hex                                 */
  char extra[1024];                                      /* the file that was given by path                 */
  bool in_scripts;                                       /* while a folder of scripts is walked             */
  bool news;                                             /* some file was read: the index is to be written  */
  bool kept;                                             /* reload.c says when there is a newer one         */
  atomic_bool stored;                                    /* a transaction that put it has been committed    */
  uint64_t put_in;                                       /* the writer's: the transaction that put it last  */
  size_t seen;                                           /* files, while looking whether any changed        */
  struct index *index;                                   /* while it is taken                               */
  const ln_reading *reading;                             /* likewise; NULL: files are read as they are      */
  int64_t looked_us;                                     /* when the files were last seen unchanged         */
  int64_t taken_s;                                       /* when it was begun to be taken                   */
};

/* Reads the folders; not named yet, for reload.c may put other scripts in their places.  Free by drop. */
ln_snapshot *ln_snapshot_read(ln_engine *g, const ln_reading *how, ln_err *err);
bool ln_snapshot_name_it(ln_snapshot *s, ln_err *err);   /* sorts, and makes manifest and hash              */
void ln_snapshot_sort(ln_snapshot *s);
ln_place *ln_snapshot_place(const ln_snapshot *s, ln_str module); /* NULL: it has none                      */
bool ln_snapshot_add(ln_snapshot *s, const ln_place *p, ln_err *err); /* p's script is the snapshot's now   */
/* From here on runs begin with s, until the next one is set.  NULL: files are looked at again. */
void ln_snapshot_set(ln_engine *g, ln_snapshot *s);
/* The one that the store's index names, as far as it is there; NULL: none. */
ln_snapshot *ln_snapshot_last(ln_engine *g);
const char *ln_script_shown(const char *path); /* as people know it: from "scripts/" or "stdlib/" on */
void ln_script_drop(ln_script *c);
ln_script *ln_script_keep(ln_script *c);

#endif
