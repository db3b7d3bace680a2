/* effect.h: the one door.  Whatever a playbook does that reaches beyond its VM is an effect: asked by name
** and fingerprint, carried out according to its class, journaled, and delivered in an order that a replay
** repeats. A module describes each of its operations once, as an ln_op, and ends the C function that Lua
** calls with lnL_effect.  Everything below the ask happens on the worker's loop, outside of Lua. */
#ifndef LN_EFFECT_H
#define LN_EFFECT_H

#include "base/loop.h"
#include "engine/value.h"
#include "net/transport.h"
#include "store/store.h"

#include <lua.h>

#ifndef LN_RAISES
#define LN_RAISES /* may raise a Lua error: nothing that C owns may be held across it */
#endif

typedef struct ln_engine ln_engine;                      /* engine/engine.h                                 */
typedef struct ln_run ln_run;
typedef struct ln_effect ln_effect;                      /* one ask, until it is delivered                  */
typedef struct ln_op ln_op;

typedef enum ln_class { LN_PURE, LN_READ, LN_LOCAL, LN_WRITE, LN_WAIT } ln_class;
typedef enum ln_move { LN_NOTE, LN_CONFINE, LN_FREE } ln_move; /* what a write does to someone or something */

/* What the engine asks of a write's module.  Every function runs on the worker's loop; those marked async
** answer exactly once by the call named with them, at once or later.  None may touch the run's Lua state. */
struct ln_write;
typedef struct ln_write_ops {
  /* What this write is: fills w (see below) from ln_effect_args.  False: refused before anything is sent. */
  bool (*describe)(ln_effect *e, struct ln_write *w, ln_err *err);
  /* async → ln_write_looked: resolve the entity to all its names, and read its live state.  NULL: nothing
  ** to look at. */
  void (*look)(ln_effect *e);
  /* async → ln_write_placed: waits until it may be sent at once (a limit, a place at the vendor, a token),
  ** and keeps that place until send, or until it is dropped; or → ln_write_sent with LN_DID_NOT: it cannot be
  ** sent.  NULL: it never waits. */
  void (*place)(ln_effect *e);
  /* async → ln_write_sent: one attempt on the wire, in this very call, with the tag in it where the vendor
  ** has a place for one. */
  void (*send)(ln_effect *e);
  /* async → ln_write_probed: did it happen?  `since_ms`: when the first attempt was sent.  NULL: cannot be
  ** known. */
  void (*probe)(ln_effect *e, int64_t since_ms);
  /* async → ln_write_followed: one look at the asynchronous work behind e's handle.  NULL: an answer is
  ** the end. */
  void (*follow)(ln_effect *e, ln_str handle);
  /* What takes it back, now that it is done: appends { op, args } to out, from what look kept as `undo` and
  ** the result; nothing when it cannot be taken back.  NULL: what look kept. */
  void (*undo)(ln_effect *e, ln_str kept, ln_str result, ln_buf *out);
} ln_write_ops;

struct ln_op {                                           /* static, or owned by the connector registry      */
  const char *name;                                      /* "okta.add_to_group"                             */
  ln_class cls;
  const char *uses; /* what a playbook's `uses` must grant; NULL: nothing */
  /* PURE, READ: async → ln_effect_done or ln_effect_fail.  On the loop; may be dropped (see
  ** ln_effect_on_drop). */
  void (*start)(ln_effect *e);
  /* LOCAL: on the writer, in the transaction that journals it.  False: an error that Lua may catch;
  ** nothing written. */
  bool (*apply)(ln_tx *tx, ln_effect *e, ln_buf *value, ln_err *err);
  bool quiet; /* LOCAL: changes nothing for others: a plan does it, too */
  bool looks; /* LOCAL: changes nothing at all: what await_until polls may ask it, and leaves no entry */
  /* LOCAL: on the loop, when its change is durable, before it is told; may be NULL */
  void (*done)(ln_effect *e);
  bool own;                                              /* PURE: the author's own work, within the VM      */
  /* WAIT: what it comes to where nobody waits for it, in a plan or over a past run's answers; NULL: nobody
  ** knows. */
  void (*unasked)(ln_effect *e, ln_buf *value);
  /* WRITE */
  const ln_write_ops *write;
  bool idempotent;
  ln_move move;
  const char *const *d3fend;                             /* NULL-ended ids, or NULL                         */
  const char *undo_why; /* why nothing takes it back, where nothing does; NULL: it is not said */
  int64_t settle_ms; /* a probe's "not there" counts only so long after the send */
  void *data;                                            /* the module's own: a connector's declaration     */
};

typedef struct ln_write { /* filled by describe; texts are copied into e by ln_effect_keep */
  ln_str entity, facet;                                  /* "okta:user:00u1", "group:00g1"                  */
  ln_str to; /* the state it puts it in: "member"; "" for a note */
  ln_str would; /* an encoded object: method, url, headers, body: secrets removed */
  ln_str planned; /* an encoded value: what a plan answers (with opaque parts) */
  ln_str console;                                        /* a link for people, or ""                        */
  bool asks;                                             /* the connector's writes = "ask"                  */
  bool never;                                            /* writes = "never": refused, naming --plan        */
} ln_write;

typedef struct ln_look {                                 /* what look found; lent                           */
  ln_str before; /* the live state: "absent", "member", …; "" unknown */
  bool resolved;                                         /* false: the entity could not be resolved         */
  /* an encoded object: { host = [names, ids, addresses], user = […], file = [paths, names, hashes], role =
  ** "server", perhaps = "domain_controller", self = bool, last_member = bool } */
  ln_str names;
  int64_t endpoints; /* how many the vendor knows, for guards.per_hour.share; 0: not known */
  ln_str undo; /* an encoded value kept for taking it back: { op, args } */
  ln_str unchanged;                                      /* the value to answer when before == to; "" none  */
} ln_look;

/* --- asking, in a C function called by a playbook: the last thing it does --- */
/* args: index of the table (0: none).  The engine takes `as`, `wait`, `lease` and `timeout` off it, the
** rest is encoded as the effect's arguments.  Raises what went wrong; else the call returns the effect's
** value. `work` (may be NULL) is the module's own for this ask; free_work(work) is called when the effect
** is gone. */
int lnL_effect(lua_State *L, const ln_op *op, int args, void *work, void (*free_work)(void *work));

/* Of a write that takes back what a hold's write did the arguments have this member, { run, step } (see
** ledger.lift); it is the core's, as `as` is. */
#define LN_LIFTS "lifts"

/* --- carrying out --- */
const ln_op *ln_effect_op(const ln_effect *e);
ln_engine *ln_effect_engine(const ln_effect *e);
ln_str ln_effect_args(const ln_effect *e);               /* an encoded object                               */
/* unique to run and step: "lunette 01JD…/isolate/visionone.isolate#1" */
ln_str ln_effect_tag(const ln_effect *e);
ln_str ln_effect_name(const ln_effect *e);
/* The `traceparent` that its requests carry, until the next call; "": none is told. */
ln_str ln_effect_trace(const ln_effect *e);
void *ln_effect_work(const ln_effect *e);
void ln_effect_set_work(ln_effect *e, void *work, void (*free_work)(void *work));
int64_t ln_effect_timeout_ms(const ln_effect *e);        /* 0: the operation's own                          */
int64_t ln_effect_lease_ms(const ln_effect *e);          /* 0: none                                         */
/* of a write: the live state that look found, also after a restart; "" unknown */
ln_str ln_effect_before(const ln_effect *e);
/* copies s; lives as long as e; NULL: no memory */
char *ln_effect_keep(ln_effect *e, ln_str s, ln_str *kept);
/* Called when the effect is no longer wanted (cancel, end of the attempt): stop the transport; do not
** answer. */
void ln_effect_on_drop(ln_effect *e, void (*drop)(ln_effect *e));

void ln_effect_done(ln_effect *e, ln_str value);         /* an encoded value                                */
void ln_effect_fail(ln_effect *e, const ln_err *err);
/* The vendor's raw answer, kept by its SHA-256 beside the journal; before done.  Secrets must be out
** already. */
void ln_effect_raw(ln_effect *e, ln_str bytes);

/* --- a write's answers --- */
/* err "not_found", "ambiguous", … : cannot be resolved */
void ln_write_looked(ln_effect *e, const ln_look *l, const ln_err *err);
/* Its turn at the vendor has come, and is kept. */
void ln_write_placed(ln_effect *e);
/* The attempt certainly did nothing, and waits for another turn: ln_write_placed follows. */
void ln_write_put_off(ln_effect *e);
typedef enum ln_outcome {
  LN_DID,                                                /* done: value is the result                       */
  LN_DID_UNCHANGED,                                      /* it was so already                               */
  LN_ACCEPTED,                                           /* asynchronous: value is the handle to follow     */
  LN_DID_NOT, /* the vendor refused, or it was not sent: err says why; nothing changed */
  LN_UNKNOWN /* perhaps sent, or an answer that tells nothing: doubt */
} ln_outcome;
void ln_write_sent(ln_effect *e, ln_outcome o, ln_str value, const ln_err *err);
/* DID, ACCEPTED, DID_NOT or UNKNOWN */
void ln_write_probed(ln_effect *e, ln_outcome o, ln_str value, const ln_err *err);
/* ACCEPTED: not finished yet, look again in again_ms; UNKNOWN with err "pending": it waits for someone or
** something (err.message says what); DID_NOT: it ended badly. */
void ln_write_followed(ln_effect *e, ln_outcome o, ln_str value, const ln_err *err, int64_t again_ms);

const char *ln_class_name(ln_class c);                   /* "write"                                         */

#endif
