/* repl_scripts.c: scripts that are edited while a prompt is open.  What was saved is active at the next line:
** in this process they are watched (engine/reload.h), on a loop of their own, which runs for a moment before
** each line, since real time is none of a simulated session's; a process that serves watches them itself, and
** is asked.  A script that is broken keeps its last good version, and says so. */
#include "cli/repl.h"

static void on_active(void *arg, const char *names) {
  ln_repl *r = arg;
  fputs("scripts as of now: ", stdout);
  ln_app_put(stdout, ln_str_of(names), 0);
  putchar('\n');
  if (r->ulid[0]) ln_repl_reload(r);
}

static void on_broken(void *arg, const ln_stale *s) {
  (void)arg;
  ln_app_say_stale(s);
}

void ln_repl_watch(ln_repl *r) {
  ln_err err = {0};
  if (r->app->served) {
    ln_remote_say_stale(r->app, &r->stale_ms, r->snapshot);
    return;
  }
  ln_reload_opts o = {.active = on_active, .broken = on_broken, .arg = r};
  o.loop = r->watching = ln_loop_uv(&err);
  if (r->watching) r->scripts = ln_reload_start(&r->app->g, &o, &err);
  if (!r->scripts) ln_app_fail(&err);
}

void ln_repl_catch_up(ln_repl *r) {
  char was[LN_SNAPSHOT_TEXT];
  if (r->scripts) ln_reload_settle(r->scripts);
  if (!r->app->served) return;
  memcpy(was, r->snapshot, sizeof was);
  ln_remote_say_stale(r->app, &r->stale_ms, r->snapshot);
  if (strcmp(was, r->snapshot) == 0) return;
  puts("scripts as of now");
  if (r->ulid[0]) ln_repl_reload(r);
}

void ln_repl_unwatch(ln_repl *r) {
  ln_reload_stop(r->scripts);
  if (r->watching) r->watching->free(r->watching);
}
