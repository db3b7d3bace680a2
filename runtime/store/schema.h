/* schema.h: the tables of a store: made at creation, checked at every opening. */
#ifndef LN_STORE_SCHEMA_H
#define LN_STORE_SCHEMA_H

#include "store/conn.h"

enum {
  LN_STORE_MARK = 0x4C754E31, /* application_id: "LuN1"                           */
  LN_STORE_VERSION = 8,       /* user_version: of the tables below */
  LN_STORE_PAGE = 4096
};

/* Makes the tables in an empty file; refuses one that is somebody else's or newer; turns the WAL on.  Two
** processes may do it to the same file at once. */
bool ln_schema_open(ln_conn *c, ln_err *err);
/* Refuses what is no store of ours, and changes nothing: also one of an older version stays what it is. */
bool ln_schema_look(ln_conn *c, ln_err *err);
/* Copies the records of audit4 into the chain, in order (audit.c). */
bool ln_schema_chain(ln_conn *c, ln_err *err);
bool ln_schema_connect(ln_conn *c, ln_err *err);         /* what each connection sets for itself */

#endif
