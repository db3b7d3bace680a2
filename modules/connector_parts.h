/* connector_parts.h: what the files connector*.c share.  A connector's declaration stays a Lua table in the
** host state; what the core decides by is read out of it once, into these structs.  Texts live in the
** connector's arena. */
#ifndef LN_CONNECTOR_PARTS_H
#define LN_CONNECTOR_PARTS_H

#include "modules/connector.h"
#include "net/vendor.h"

#include <lauxlib.h>

typedef struct lnC_connector lnC_connector;
typedef struct lnC_registry lnC_registry;

typedef struct lnC_operation {
  ln_op op[3];                                           /* by ln_move: alike but for it */
  ln_op pager;                                           /* of a list: one page */
  ln_move move;                                          /* the one it has, or the gravest */
  lnC_connector *c;
  const char *name, *full, *summary, *source, *undo_why; /* "users", "okta.users" */
  ln_params params;
  ln_list select, secrets, uses, d3fend;
  const char **d3fend_z;
  ln_str one_by;
  int *expect;
  size_t n_expect;
  bool flow, write, list, binary, idempotent, body;      /* body: it has json, form, multipart or raw */
  bool states;                                           /* a live state can be read, and says `to` */
  bool needs;                                            /* it says what has to be in its value */
  bool moves;                                            /* its effect is a function of the arguments */
  int self;                                              /* the host's reference to its declaration */
  int64_t timeout_ms;                                    /* of one attempt; 0: the vendor's */
  double every[16];                                     /* follow: seconds between looks, the last repeated */
  size_t n_every;
  int64_t within_ms;                                     /* follow: 0: no bound */
  struct lnC_operation *follow;                          /* the read that follow asks; NULL: none */
} lnC_operation;

typedef struct lnC_right {                               /* how it is tried */
  lnC_operation *op;                                     /* NULL: no read shows it */
  ln_str args;                                           /* checked, encoded */
} lnC_right;

struct lnC_connector {
  ln_engine *engine;
  char *name, *file;
  char *source;                                          /* of the declaration, for flows */
  size_t source_n;
  char sha[2 * LN_SHA256 + 1];                           /* of the source, in hex */
  struct lnC_text *texts;                                /* the arena */
  int self;
  ln_params config;
  ln_auth *auths;
  ln_str *auth_when;                                     /* of each: the key that must be configured, or "" */
  size_t n_auths;
  lnC_operation *ops;                                    /* operations and flows, sorted by name */
  size_t n_ops;
  int64_t concurrency;
  lnC_operation *endpoints;                              /* the read that counts them; NULL: none */
  ln_right *rights; lnC_right *own_rights; size_t n_rights;
  int64_t n_endpoints, count_after_ms;                   /* what it said (0: nothing yet), and till when */
  /* what the configuration makes of it, at first use */
  const ln_connector_config *site;
  ln_buf settings;                                       /* its keys, checked, defaults put in */
  ln_auth auth;
  ln_vendor *vendor;
};

/* --- connector.c --- */
lnC_connector *lnC_loaded(ln_engine *g, ln_str name,
                          ln_err *err); /* loads it when it is not; NULL: "not_found", "bad_connector" */

/* The one that the file holds now, for one that a run has pinned; NULL: there is none that loads. */
lnC_connector *lnC_current(const lnC_connector *c);
/* As ln_connectors_undo, of a write by that very operation, whose undo needs its result. */
bool lnC_undo(const lnC_operation *o, ln_str undo, ln_str result, ln_buf *out, ln_err *err);
bool lnC_owns(const ln_engine *g, ln_str origin,
              ln_str host); /* is it where a loaded connector may send its token? */
/* A place for what must live as long as the registry; freed with it.  NULL: there is no registry. */
void **lnC_slot(ln_engine *g, void (*free_slot)(void *slot));

/* --- connector_declare.c: a file into structs --- */
/* `source`: as some run has it pinned; empty: the file is read. */
lnC_connector *lnC_declare(ln_engine *g, ln_str name, const char *file, ln_str source, ln_err *err);
void lnC_connector_free(lnC_connector *c);
lnC_operation *lnC_find(const lnC_connector *c, ln_str name); /* "users" or "okta.users"; NULL: none */

/* --- connector_host.c: running a declaration's functions --- */
/* Runs fn(job) in the host state, protected and bounded.  False: err is what it raised (an error made by
** `fail` as it is; anything else is "failed", a mistake of the declaration, behind `what`).  *declared (may
** be NULL): it was made by `fail`. */
bool lnC_run(ln_engine *g, lua_CFunction fn, void *job, const char *what, ln_err *err, bool *declared);
lua_State *lnC_state(const lnC_connector *c);
/* Loads a declaration's text, with the names that declarations may use; pushes what it returns. [-0, +1,
** e] */
void lnC_load(lua_State *L, ln_engine *g, ln_str source, const char *chunk);
/* Pushes the value of a field of the operation's declaration. [-0, +1, m] */
int lnC_field(lua_State *L, const lnC_operation *o, const char *key);
/* Pushes an encoded value; nothing ({NULL,0}) is nil. [-0, +1, m] */
void lnC_push(lua_State *L, ln_str value);
/* Calls or fills the template at tpl: a function is called with the args at `args` and the table at `ctx`;
** in texts and tables "{name}" stands for an argument.  Absent ones leave nil. [-0, +1, e] */
void lnC_fill(lua_State *L, int tpl, int args, int ctx);
/* Fills a path: arguments are percent-encoded, and a missing one is an error. [-0, +1, e] */
void lnC_fill_path(lua_State *L, int tpl, int args, int ctx);
/* Appends the value at idx to out; raises what lnL_encode says. [-0, +0, e] */
void lnC_encode(lua_State *L, int idx, ln_buf *out, const char *what);

/* --- connector_request.c: arguments into a request --- */
typedef struct lnC_ctx {                                 /* what functions get as ctx; borrowed */
  ln_str tag, before, looked, first;                     /* looked, first: encoded; empty: none */
  ln_str trace;                                          /* no function sees it: a request's `traceparent`  */
  int64_t since_ms, lease_ms;                            /* 0: none */
} lnC_ctx;
void lnC_push_ctx(lua_State *L, const lnC_operation *o, const lnC_ctx *ctx); /* [-0, +1, m] */

typedef struct lnC_request {
  char method[8];
  ln_buf path, body, texts;                              /* texts: what the headers point into */
  ln_header headers[32];
  size_t n_headers;
  size_t at[32][4];                                      /* name and value of each header within texts */
  int ref;                                               /* the host's reference to its parts as a table */
  ln_buf would;                                          /* an encoded object, secrets removed; when wanted */
  bool wants_would;
} lnC_request;
void lnC_request_init(lnC_request *r);
void lnC_request_free(ln_engine *g, lnC_request *r);
/* `next`: an encoded object of overrides, or empty. */
bool lnC_request_make(const lnC_operation *o, ln_str args, const lnC_ctx *ctx, ln_str next, lnC_request *r,
                      ln_err *err);

/* --- connector_answer.c: an answer into a verdict, a value, a page --- */
/* Judges an answer; with o NULL as of the token call.  *ref (LUA_NOREF at first; may be NULL): the host's
** reference to the decoded answer. */
void lnC_judge(const lnC_connector *c, const lnC_operation *o, const ln_answer *a, int *ref, ln_verdict *v,
               ln_limit_told *told);
typedef struct lnC_value {                               /* a function's value, encoded */
  ln_buf out;                                            /* to be initialised by the caller */
  bool declared;                                         /* the error was made by `fail` */
  bool nothing, no;                                      /* it was nil; it was false */
  bool unchanged;                                        /* a table with unchanged = true */
  char why[LN_ERR_TEXT];                                 /* a second text that it returned */
} lnC_value;
/* result(body, args, answer, ctx); without one the body. `blob`: an encoded handle that stands in
** answer.blob. */
bool lnC_result(const lnC_operation *o, int answer, ln_str args, const lnC_ctx *ctx, ln_str blob, ln_str head,
                lnC_value *v, ln_err *err);
/* result(value, args, nil, ctx), for what was followed. */
bool lnC_result_of(const lnC_operation *o, ln_str value, ln_str args, const lnC_ctx *ctx, lnC_value *v,
                   ln_err *err);
bool lnC_handle(const lnC_operation *o, int answer, ln_str args, lnC_value *v, ln_err *err);
/* One page: appends the items' encoded values to `items`, counting them, and `next` to v (nothing: the
** end). */
bool lnC_page(const lnC_operation *o, int answer, ln_str args, int request, ln_buf *items, size_t *n,
              lnC_value *v, ln_err *err);
/* Calls the function `key` of the part `part` ("state", …; "": of the operation itself) with n encoded
** values and then ctx unless it is NULL; a template in its place is filled from the first value.  Where the
** part's `op` is a list, nth (from 1) says which of it. */
bool lnC_call(const lnC_operation *o, const char *part, int nth, const char *key, const ln_str *values,
              size_t n, const lnC_ctx *ctx, lnC_value *v, ln_err *err);
bool lnC_has_opaque(ln_str value);                       /* is there an opaque value in it? */
void lnC_unref(const lnC_connector *c, int *ref);

/* --- connector_drift.c: what an answer tells beside what was asked --- */
void lnC_drift_headers(const lnC_operation *o, const ln_answer *a); /* that the operation is deprecated */
/* A function of the declaration could not read a good answer: it is not as it expects. */
void lnC_drift_mistake(const lnC_operation *o, const lnC_value *v, const ln_err *err);
/* Is what the operation `needs` in the value, or the item, that was made of an answer, at idx? [-0, +0, m] */
void lnC_drift_needs(lua_State *L, const lnC_operation *o, int idx);

/* --- connector_ask.c: an operation carried out --- */
typedef struct lnC_end {                                 /* lent */
  bool good;
  ln_acted acted;                                        /* what is known of a deed */
  bool accepted, unchanged;                              /* a deed: value is a handle; it was so already */
  ln_str value;
  ln_err err;                                            /* when not good */
} lnC_end;
typedef struct lnC_ask lnC_ask;
typedef struct lnC_ask_opts {                            /* borrowed until lnC_ask_new returns */
  const lnC_operation *o;
  ln_str args;                                           /* checked */
  lnC_ctx ctx;
  ln_str next;                                           /* of a page */
  bool deed;                                             /* a write's one send: no following */
  bool apart;                                            /* as in ln_request; for what a write rests on */
  bool one_page;                                         /* the value is { items, next } */
  int64_t patience_ms;                                   /* 0: the vendor's */
  ln_effect *raw;                                        /* whose raw answers are kept; NULL: not */
  void (*turn)(void *arg, bool come);                    /* as ln_call's; NULL: it goes when it may */
  int depth;
} lnC_ask_opts;
/* done is called once, later; the ask is gone after it. */
lnC_ask *lnC_ask_new(const lnC_ask_opts *o, void (*done)(void *arg, const lnC_end *end), void *arg,
                     ln_err *err);
void lnC_ask_go(lnC_ask *a);                             /* whose turn has come: on the wire, now */
/* Seconds until look number n (from 0) at what is followed, in ms, paced. */
int64_t lnC_follow_ms(const lnC_operation *o, size_t n);

/* An effect's own, kept as its work. */
typedef struct lnC_work {
  ln_effect *e;
  const lnC_operation *o;
  lnC_ask *ask;
  struct lnC_look *look;                                 /* connector_write.c's */
  bool went;                                             /* the attempt under way has been sent */
} lnC_work;
lnC_work *lnC_work_of(ln_effect *e);                     /* made at first; NULL: no memory */
void lnC_look_free(struct lnC_look *l);
void lnC_start(ln_effect *e);                            /* ln_op.start of reads */
void lnC_start_page(ln_effect *e);
extern const ln_write_ops lnC_write_ops[2][2];           /* [can be probed][is followed] */

/* --- connector_site.c: what the configuration makes of it --- */
/* The vendor, made at first use.  "unavailable": it is not configured; "bad_config". */
ln_vendor *lnC_vendor(lnC_connector *c, ln_err *err);
bool lnC_settings(lnC_connector *c, ln_err *err);        /* fills c->settings */

#endif
