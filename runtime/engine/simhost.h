/* simhost.h: the simulators of vendors, in one Lua state of their own.  A simulator (stdlib/sim/NAME.lua,
** see stdlib/sim/kit.lua) answers a request with what the wire would show; simhost carries it there: for
** the simulated transport as an answer, for a server as something to do.  One thread. */
#ifndef LN_SIMHOST_H
#define LN_SIMHOST_H

#include "engine/engine.h"

typedef struct ln_simhost ln_simhost;

typedef struct ln_simhost_opts {        /* borrowed until ln_simhost_new returns, but for modules and clock */
  ln_list stdlib;                                        /* folders, each with a folder "sim" */
  const ln_module *modules;                        /* json, xml, crypto, zip, time, text are taken of these */
  ln_clock *clock;
  double speed;                                          /* simulated seconds a second; 0: 1 */
  uint64_t seed;
  const char *faults;                                    /* a fault spec, or NULL */
  double latency_s;                                      /* simulated seconds that each answer takes */
} ln_simhost_opts;

/* "usage": the fault spec is wrong; "not_found": stdlib/sim/kit.lua or world.lua is not there. */
ln_simhost *ln_simhost_new(const ln_simhost_opts *o, ln_err *err);
void ln_simhost_free(ln_simhost *h);
/* As if it had just been made with this seed and spec: no simulator is started, the world is a new one.  What
** was compiled stays: for many short worlds.  Fails as ln_simhost_new. */
bool ln_simhost_again(ln_simhost *h, uint64_t seed, const char *faults, ln_err *err);

/* The names of the simulators that there are, sorted; as long as h lives. */
ln_list ln_simhost_names(const ln_simhost *h);
/* Starts one.  base: how its answers spell its address; NULL: "https://NAME.sim".  "not_found",
** "bad_simulator". */
bool ln_simhost_start(ln_simhost *h, ln_str name, const char *base, ln_err *err);
/* Appends the keys of a configuration that reach it, secrets in clear, as an encoded object. */
bool ln_simhost_config(ln_simhost *h, ln_str name, ln_buf *out, ln_err *err);
/* Appends what was written there, an encoded array of { op, at, … }: for tests and checkers. */
bool ln_simhost_log(ln_simhost *h, ln_str name, ln_buf *out, ln_err *err);
/* What is so there now, as the ledger would spell it: appends an encoded array of { entity, facet, state } to
** facts, in no order, and one of the facets that are covered to facets (kit.lua's instance:truth). */
bool ln_simhost_truth(ln_simhost *h, ln_str name, ln_buf *facts, ln_buf *facets, ln_err *err);
/* Runs a Lua chunk with the simulator's state and world as its arguments: a test arranges things. */
bool ln_simhost_do(ln_simhost *h, ln_str name, const char *chunk, ln_err *err);

/* For playbook tests, which share the simulators' Lua state: its state; and pushes the simulator's instance
** (kit.lua), or nil, and the world. [-0, +1, -] */
lua_State *ln_simhost_state(ln_simhost *h);
void lnL_simhost_instance(lua_State *L, ln_simhost *h, ln_str name);
void lnL_simhost_world(lua_State *L, ln_simhost *h);

typedef enum ln_sim_cut { LN_CUT_NOT, LN_CUT_BEFORE, LN_CUT_AFTER } ln_sim_cut;

typedef struct ln_sim_action {                           /* what the wire shows */
  ln_sim_cut cut;            /* the connection closes without a byte: before the request was seen, or after */
  int status;
  const ln_header *headers;
  size_t n_headers;
  ln_str body;
  int64_t times;                                         /* the body so often in a row */
  int64_t truncate;                             /* so many bytes of it, then the connection closes; -1: all */
  int64_t delay_ms;                                      /* of the carrier's own clock */
  ln_str op, fault;                                      /* for logs; "" none */
  int did;                                               /* how often the vendor did what was asked */
} ln_sim_action;

/* Answers one request.  The action lives until ln_sim_action_free.  A simulator that raises answers 500,
** and says why on standard error. */
ln_sim_action *ln_simhost_ask(ln_simhost *h, ln_str name, ln_str method, ln_str target,
                              const ln_header *headers, size_t n_headers, ln_str body, ln_err *err);
void ln_sim_action_free(ln_sim_action *a);

/* Of the last request that ln_simhost_handle answered: whose it was, what it was, and how often that was
** done.  The texts live until the next one. */
typedef struct ln_sim_last { const char *vendor; char op[64]; int did; } ln_sim_last;
const ln_sim_last *ln_simhost_last(const ln_simhost *h);
/* A ln_sim_handle_fn for ln_transport_sim, with h as its arg: asks the simulator that the url's host
** NAME.sim, or the base it was started with, belongs to.  False: nobody is there. */
bool ln_simhost_handle(void *h, const ln_request *r, ln_sim_reply *out);

#endif
