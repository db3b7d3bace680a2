/* connector.h: declared connectors, for the rest of the program: which there are, what their operations are
** called and take, and how a run's VM gets them.  They come from the folder "connectors" of each stdlib
** folder and from the folders of connectors_path, and from nowhere else; each is read into the host state
** when it is first needed.  All of it belongs to one worker's thread. */
#ifndef LN_CONNECTOR_H
#define LN_CONNECTOR_H

#include "engine/engine.h"
#include "modules/params.h"

/* Finds the files and puts the registry into g->connectors, and lnL_connector_open into g->open_connector.
** g->host and g->config are needed; loop, transport, rand and vault only once something is called.
** "bad_connector" when two files have one name. */
bool ln_connectors_open(ln_engine *g, ln_err *err);
void ln_connectors_close(ln_engine *g);                  /* drops what is under way */

/* The names of all connectors, sorted; they live as long as the registry. */
ln_list ln_connectors_names(const ln_engine *g);
/* Loads one.  "not_found", or "bad_connector": FILE: what is wrong in which field. */
bool ln_connectors_load(ln_engine *g, ln_str name, ln_err *err);

/* ln_connectors_open, and all of them loaded. */
bool ln_connectors_all(ln_engine *g, ln_err *err);

/* Are all configured connectors there, and do they know their keys?  Loads them.  "config": which does
** not. */
bool ln_connectors_check(ln_engine *g, ln_err *err);

/* Does a configured connector say how many endpoints its vendor knows?  Loads them. */
bool ln_connectors_count_endpoints(ln_engine *g);

typedef struct ln_op_info {                              /* lives as long as the registry */
  ln_str connector, name;                                /* "okta", "okta.users" */
  const char *summary, *source;
  const ln_op *op;                                       /* NULL: a flow */
  const ln_params *params;
  bool list;
  ln_list select;                                        /* of a list: one of these, or all = true */
  ln_str one_by;                                         /* "": one item only */
  ln_list uses; /* full names: a flow's operations, the reads that an operation makes by itself */
} ln_op_info;
/* One operation or flow by its full name; loads its connector.  "not_found" names the nearest. */
bool ln_connectors_info(ln_engine *g, ln_str full, ln_op_info *out, ln_err *err);
/* The same as an operation to perform; NULL for a flow, too. */
const ln_op *ln_connectors_op(ln_engine *g, ln_str full, ln_err *err);
/* Those of one loaded connector, sorted by name; fn answers false to stop. */
bool ln_connectors_each(ln_engine *g, ln_str connector, bool (*fn)(void *arg, const ln_op_info *i), void *arg,
                        ln_err *err);

/* What takes a write back: appends { args, op } to out, from what its look kept as `undo` and from its
** result. "not_found": it cannot be taken back, and why. */
bool ln_connectors_undo(ln_engine *g, ln_str undo, ln_str result, ln_buf *out, ln_err *err);

/* --- what a vendor has to grant (connector_rights.c) --- */
typedef struct ln_right {                                /* lives as long as the registry */
  ln_str name;                                           /* as the vendor calls it: "okta.groups.read" */
  ln_list operations;                                    /* that need it, without the connector's name */
  bool tried;                                            /* a read shows whether it is there */
} ln_right;
/* Those of one connector, which it loads; NULL with *n 0: it declares none, or err says why it cannot
** load. */
const ln_right *ln_connectors_rights(ln_engine *g, ln_str connector, size_t *n, ln_err *err);
/* Asks the vendor what shows whether a right is there; nothing of it is kept.  done is called once, later:
** NULL: it is.  False: it cannot be asked, and why. */
typedef void (*ln_tried_fn)(void *arg, const ln_err *err);
bool ln_connectors_try(ln_engine *g, ln_str connector, size_t right, ln_tried_fn done, void *arg,
                       ln_err *err);

/* --- in a run's VM --- */
/* Pushes the table of `require "connectors.NAME"`: one function an operation or flow. [-0, +1, e] */
int lnL_connector_open(lua_State *L, ln_str name);

/* For the word `each`: of the function of a list operation at idx pushes its pager: pager(args, next) is
** one effect, one page: { items = […], next = … }, to be given back for the page that follows; without
** `next` the list is at its end.  Of a flow all of its list is one page.  Raises bad_argument when the
** value is neither. [-0, +1, e] */
void lnL_connector_pager(lua_State *L, int idx);

/* A flow is run as a branch of its own, under its own grants.  Whoever has branches (words.c) leaves a
** function in the VM's registry under this name, which is called as f(NAME, USES, run, args) and returns
** what run(args) returns: NAME is "crowdstrike.analyse", USES an array of full names.  Without it run(args)
** is called as it is. */
#define LNL_FLOW "lunette.flow"
/* Likewise a function for what flows call as `opaque "what"`.  Without it they get an empty table. */
#define LNL_OPAQUE_WORD "lunette.opaque"

#endif
