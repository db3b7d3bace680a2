/* engine.h: what a worker stands on: the five seams, the host state, the configuration. */
#ifndef LN_ENGINE_H
#define LN_ENGINE_H

#include "base/steps.h"
#include "engine/config.h"
#include "engine/effect.h"
#include "engine/secret.h"
#include "engine/values.h"
#include "engine/vm.h"

typedef struct ln_module {                               /* what `require NAME` gives a playbook            */
  const char *name;
  lua_CFunction open;                                    /* pushes the module's table; once a VM            */
} ln_module;

struct ln_traces;                                        /* engine/traces.h                                 */
struct ln_vendor;                                        /* net/vendor.h                                    */

struct ln_engine {
  ln_loop *loop;                                         /* its clock is the engine's                       */
  ln_rand *rand;
  ln_transport *transport;
  ln_store *store;
  ln_host *host;
  ln_vault *vault;
  const ln_config *config;
  ln_owner *owner;                                       /* NULL: this process runs nothing                 */
  const ln_module *modules;                              /* ends with { NULL, NULL }                        */
  void (*open_words)(lua_State *L);                      /* modules/words.c                                 */
  int (*open_connector)(lua_State *L, ln_str name);      /* modules/connector.c: [-0, +1, e]                */
  const ln_op *(*find_op)(ln_engine *g, ln_str name);    /* modules/connector.c; NULL: no such operation    */
  /* modules/connector.c: is that text of the connector one that can be used?  "bad_connector". */
  bool (*check_connector)(ln_engine *g, ln_str name, const char *file, ln_str source, ln_err *err);
  /* modules/connector.c: tells of each vendor that something was asked of. */
  void (*each_vendor)(ln_engine *g, void (*fn)(void *arg, const char *name, const struct ln_vendor *v),
                      void *arg);
  void *connectors;                                      /* modules/connector.c's registry                  */
  struct ln_snapshot *library;                           /* the last snapshot (engine/library.h)            */
  struct ln_snapshot *beside;                            /* the last one with a file given by its path      */
  struct {
    ln_str path, text;
  } lent;                                                /* a script that whoever asks has read for us      */
  struct ln_snapshot *snapshots;                         /* all that somebody keeps, the latest first       */
  void *state;                                           /* engine/open.c: the runs under way               */
  void *drift;                                           /* engine/drift.c: what vendors' answers told     */
  void *keyed;                                           /* engine/wait.c: effects that wait to be called   */
  void *leaving;                                         /* closed ones of which the writer still has jobs  */
  struct ln_traces *traces;                              /* NULL: nobody traces                             */
  struct ln_sched *sched; /* engine/sched.h; NULL: runs are carried one by one */
  struct { ln_steps steps; int64_t alive_ms, noted_ms; bool begun, keeps, unsure; } timing; /* timing.h     */
  int64_t epochs;                                        /* runs begun: no two of a process have one epoch  */
};

/* label.c: what people call an entity ("WORKSTATION5", "ann@acme.example"), out of an encoded object of its
** resolved names (see ln_look); a view into names, empty where they hold nothing but ids. */
ln_str ln_label_of(ln_str names, ln_str entity);
const char *ln_names_key(ln_str entity);                 /* "host" "user" "file": which of names it goes by */
ln_engine *lnL_engine(lua_State *L);                     /* of the run that L belongs to                    */
ln_run *lnL_run(lua_State *L);
bool lnL_granted(lua_State *L, ln_str what);             /* does the branch's playbook name it in `uses`?   */

#endif
