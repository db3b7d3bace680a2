/* simset.c: see simset.h. */
#include "debug/simset.h"

#include "engine/library.h"
#include "engine/site.h"

#include <stddef.h>
#include <stdlib.h>

#define STORE LN_STR("sqlite:/sim/a.db")
static const int64_t EPOCH_MS = 1795600000000; /* of what is made before there is a loop */
static const double LATENCY_S = 0.02;

static ln_simset *set_of(ln_clock *c) { return (ln_simset *)((char *)c - offsetof(ln_simset, clock)); }

static int64_t wall(ln_clock *c) {
  ln_simset *s = set_of(c);
  return s->behind ? ln_now_ms(s->behind) - s->set_ms : EPOCH_MS;
}

static int64_t steady(ln_clock *c) {
  ln_simset *s = set_of(c);
  return s->behind ? ln_mono_us(s->behind) : 0;
}

static bool simulate(ln_simset *s, ln_str name, ln_err *err) {
  ln_buf keys;
  ln_buf_init(&keys, 1 << 20);
  bool ok = ln_simhost_start(s->vendors, name, NULL, err) &&
            ln_simhost_config(s->vendors, name, &keys, err) &&
            ln_config_simulate(s->config, name, ln_buf_view(&keys), err);
  ln_buf_free(&keys);
  return ok;
}

static bool make_vendors(ln_simset *s, const ln_simset_opts *o, ln_err *err) {
  ln_simhost_opts so = {.stdlib = s->config->stdlib,
                        .modules = o->like.modules,
                        .clock = &s->clock,
                        .seed = 1,
                        .latency_s = LATENCY_S};
  if (!(s->vendors = ln_simhost_new(&so, err))) return false;
  ln_list names = ln_simhost_names(s->vendors);
  ln_config_clear_connectors(s->config);
  for (size_t i = 0; i < names.n; i++)
    if (!simulate(s, names.v[i], err)) return false;
  return true;
}

static bool make_slot(ln_simset *s, const ln_simset_opts *o, ln_engine *g, ln_err *err) {
  *g = (ln_engine){.config = s->config,
                   .modules = o->like.modules,
                   .open_words = o->like.open_words,
                   .find_op = o->like.find_op};
  if (!(g->host = ln_host_new(err)) || !o->connect(g, err)) return false;
  ln_snapshot *scripts = ln_snapshot_take(g, (ln_str){NULL, 0}, err);
  ln_snapshot_drop(scripts); /* the engine keeps it */
  return scripts != NULL;
}

static bool put_scripts(ln_tx *tx, void *arg, ln_err *err) { return ln_snapshot_put(tx, arg, err); }

static bool make_disk(ln_simset *s, ln_err *err) {
  ln_store_opts o = {.vfs = s->disk_name, .clock = &s->clock};
  if (!(s->disk = ln_vfs_sim_new(s->disk_name, 1, err))) return false;
  ln_store *store = ln_store_open(STORE, &o, err);
  bool ok = store && ln_writer_run(store, put_scripts, s->slot[0].library, err);
  ln_store_close(store);
  for (size_t i = 0; ok && i < s->slots; i++) ln_snapshot_stored(s->slot[i].library);
  return ok;
}

ln_simset *ln_simset_new(const ln_simset_opts *o, ln_err *err) {
  ln_simset *s = calloc(1, sizeof *s);
  if (s) s->slot = calloc(o->slots, sizeof *s->slot);
  if (!s || !s->slot) {
    ln_fail(err, "memory", LN_AGAIN, "no memory for simulations");
    free(s);
    return NULL;
  }
  s->config = o->config;
  s->config->slice_us = INT64_C(3600) * 1000000; /* nothing depends on how fast this machine is */
  s->config->cpu_us = INT64_C(7200) * 1000000;
  s->disk_name = o->disk;
  s->clock = (ln_clock){wall, steady};
  bool ok = make_vendors(s, o, err);
  for (; ok && s->slots < o->slots; s->slots++) ok = make_slot(s, o, &s->slot[s->slots], err);
  return ok && make_disk(s, err) ? s : NULL;
}

bool ln_simset_files(ln_simset *s, const char *folder, ln_err *err) {
  ln_buf facts;
  ln_buf_init(&facts, 1 << 20);
  bool ok = ln_site_facts(&s->slot[0], folder, &facts, err) &&
            ln_config_site(s->config, ln_buf_view(&facts), folder, err);
  ln_buf_free(&facts);
  return ok;
}

bool ln_simset_open(ln_simset *s, size_t n, ln_rand *rand, const ln_store_watch *watch, ln_err *err) {
  ln_engine *g = &s->slot[n];
  ln_store_opts o = {.vfs = s->disk_name, .clock = g->loop->clock, .must_exist = true, .watch = watch};
  g->rand = rand;
  s->behind = g->loop->clock;
  return (g->store = ln_store_open(STORE, &o, err)) && ln_writer_start(g->store, g->loop, err) &&
         (g->vault = ln_vault_open(g->store, NULL, err)) &&
         (g->owner = ln_owner_take(g->store, rand, ln_now_ms(g->loop->clock), err));
}
