/* replay_bench.c: how quickly a run is brought back to where it was: its journal read and indexed, its script
** run again over what is recorded.  Usage: replay_bench ENTRIES BYTES TIMES; makes a run of so many steps of
** so many bytes in the current folder (lunette.db), takes it up so many times, and prints one JSON object:
** the CPU of the quickest time. */
#include "cli/app.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void die(const char *what) {
  fprintf(stderr, "replay_bench: %s\n", what);
  exit(1);
}

static double cpu_s(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void write_playbook(long entries, long bytes) {
  FILE *f = fopen("replayed.lua", "w");
  if (!f) die("cannot write here");
  fprintf(f, "return playbook { name = 'replayed', uses = {}, run = function()\n"
             "  for _ = 1, %ld do step('s', function() return ('x'):rep(%ld) end) end\n"
             "  approve { title = 'on?' }\n"
             "end }\n", entries, bytes);
  fclose(f);
}

/* The run waits for a person where it has come to its end. */
static void on_event(void *arg, ln_run *r, const ln_event *e) {
  ln_app *a = arg;
  if (strcmp(e->what, "broken") == 0 || strcmp(e->what, "end") == 0) die(ln_run_why(r)->message);
  if (strcmp(e->what, "waiting") == 0) a->g.loop->stop(a->g.loop);
}

static void carry(ln_app *a, ln_run *r, const ln_err *err) {
  if (!r) die(err->message);
  a->g.loop->run(a->g.loop);
  ln_run_close(r);
  ln_runs_drain(&a->g);
}

int main(int argc, char **argv) {
  ln_app a;
  ln_app_opts opts = {.runs = true};
  ln_run_options o = {.event = on_event, .event_arg = &a};
  ln_err err;
  if (argc != 4) die("usage: replay_bench ENTRIES BYTES TIMES");
  long entries = strtol(argv[1], NULL, 10), bytes = strtol(argv[2], NULL, 10);
  double best = 0;
  write_playbook(entries, bytes);
  if (!ln_app_open(&a, &opts, &err)) die(err.message);
  carry(&a, ln_run_start(&a.g, LN_STR("replayed.lua"), LN_STR(""), &o, LN_STR("bench"), &err), &err);
  for (long i = strtol(argv[3], NULL, 10); i > 0; i--) {
    double from = cpu_s();
    carry(&a, ln_run_resume(&a.g, LN_STR("last"), &o, &err), &err);
    double took = cpu_s() - from;
    if (best == 0 || took < best) best = took;
  }
  ln_app_close(&a);
  printf("{\"entries\":%ld,\"bytes\":%ld,\"cpu_us\":%.3f,\"entries_per_s\":%.0f}\n", entries, bytes,
         1e6 * best / (double)entries, (double)entries / best);
  return 0;
}
