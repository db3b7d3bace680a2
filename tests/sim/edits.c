/* edits.c: playbooks that somebody edits while runs wait: the edited ones differ by a remark, so every run
** that waits fits them, and goes on with them once it was moved; whatever process takes it up. */
#include "tests/sim/sim.h"

#include "engine/library_parts.h"
#include "engine/migrate.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OF_A_HUNDRED = 8 };                               /* times that people look, somebody edits          */

static char folder[128];
static size_t root;                                      /* bytes of the root's name                        */

static FILE *make(const char *relative) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", folder, relative);
  for (char *at = path + strlen(folder) + 1; (at = strchr(at, '/')); *at++ = '/') {
    *at = 0;
    mkdir(path, 0700);
  }
  return fopen(path, "w");
}

static int copy(const char *path, const struct stat *st, int kind, struct FTW *at) {
  int c;
  (void)st, (void)at;
  if (kind != FTW_F || !ln_str_ends(ln_str_of(path), LN_STR(".lua"))) return 0;
  FILE *from = fopen(path, "r"), *to = make(path + root + 1);
  while (from && to && (c = fgetc(from)) != EOF) fputc(c, to);
  if (to) fputs("\n-- edited\n", to);
  bool ok = from && to && !ferror(from);
  if (from) fclose(from);
  return to && fclose(to) == 0 && ok ? 0 : -1;
}

static int take_away(const char *path, const struct stat *st, int kind, struct FTW *at) {
  (void)st, (void)kind, (void)at;
  return remove(path);
}

/* Their sources are in memory: the folder goes. */
bool sim_edits_prepare(sim_world *w, ln_err *err) {
  static const char *const roots[] = {"scripts", "tests/sim/playbooks"};
  const char *tmp = getenv("TMPDIR");
  snprintf(folder, sizeof folder, "%.80s/lunette-edits.XXXXXX", tmp ? tmp : "/tmp");
  bool ok = mkdtemp(folder) != NULL;
  for (size_t i = 0; ok && i < 2; i++) {
    root = strlen(roots[i]);
    ok = nftw(roots[i], copy, 16, FTW_PHYS) == 0;
  }
  if (!ok) ln_fail(err, "failed", LN_FINAL, "edited playbooks cannot be written below %s", folder);
  for (size_t i = 0; ok && i < SIM_SLOTS; i++) {
    w->scripts[i][0] = ln_snapshot_keep(w->slot[i].library);
    ok = (w->scripts[i][1] = ln_snapshot_with(&w->slot[i], folder, err)) != NULL;
  }
  nftw(folder, take_away, 16, FTW_DEPTH | FTW_PHYS);
  return ok;
}

/* ------------------------------------------------------------------ within a history */

typedef struct waiting { char ulid[SIM_ALL][LN_ULID + 1]; size_t n; } waiting;

static bool note(void *arg, const ln_run_row *row) {
  waiting *w = arg;
  memcpy(w->ulid[w->n++], row->ulid, LN_ULID + 1);
  return w->n < SIM_ALL;
}

static void move(const char *ulid) {
  ln_buf doc;
  ln_err err;
  ln_buf_init(&doc, 1 << 16);
  bool ok = ln_migrate(here->g, ln_str_of(ulid), LN_STR("bob"), &doc, &err);
  ln_str result = ln_v_get_str(ln_buf_view(&doc), "result"), why = ln_v_get_str(ln_buf_view(&doc), "why");
  if (!ok && !ln_err_is(&err, "store") && !ln_err_is(&err, "conflict"))
    sim_fail("a run cannot be moved: %s", err.message);
  if (ln_str_eq(result, LN_STR("diverges")))
    sim_fail("%s does not fit scripts that do the same: %.*s", ulid, LN_STR_ARG(why));
  if (ln_str_eq(result, LN_STR("moved"))) here->out->moves++, sim_trace("moved", ln_str_of(ulid));
  ln_buf_free(&doc);
}

/* By a chance of its own, so that nothing else of a history is another for it. */
void sim_edit_some(void) {
  static int turn;
  waiting w = {.n = 0};
  ln_err err;
  static const ln_run_query q = {.state = {"waiting", 7}};
  uint64_t chance = sim_hash(here->seed + (uint64_t)++turn * 1000003, LN_STR("edit"));
  if (chance % 100 >= OF_A_HUNDRED) return;
  ln_snapshot_set(here->g, here->w->scripts[here->g - here->w->slot][chance / 100 % 2]);
  if (!ln_store_runs(here->g->store, &q, note, &w, &err)) return;
  for (size_t i = 0; i < w.n; i++) move(w.ulid[i]);
}
