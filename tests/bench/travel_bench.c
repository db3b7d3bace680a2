/* travel_bench.c: how quickly one goes back and forth in a past run.  Usage: travel_bench STEPS TIMES;
** makes a run of so many steps, with ten lines run between two, in the current folder (lunette.db), and
** prints one JSON object, in milliseconds, each the quickest of so many times: the run gone through once,
** from its start to its end (`pass_ms`); a line back from there, and one forward (`back_ms`, `next_ms`);
** to the last breakpoint of many whose condition holds (`reverse_ms`); and to the step in the middle
** (`goto_ms`). */
#include "cli/app.h"

#include "debug/travel.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static ln_err err;

static void need(bool ok) {
  if (ok) return;
  fprintf(stderr, "travel_bench: %s\n", err.message);
  exit(1);
}

static double now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

static void write_playbook(long steps) {
  FILE *f = fopen("travelled.lua", "w");
  if (!f) exit(1);
  fprintf(f,
          "return playbook { name = 'travelled', uses = {}, run = function()\n"
          "  local n = 0\n"
          "  for i = 1, %ld do\n"
          "    local x = step('s', function() return { i = i, text = ('x'):rep(200) } end)\n"
          "    for k = 1, 4 do\n"
          "      n = n + k\n"
          "    end\n"
          "    n = n + x.i\n"
          "  end\n"
          "  return n\n"
          "end }\n",
          steps);
  fclose(f);
}

static void on_event(void *arg, ln_run *r, const ln_event *e) {
  (void)r;
  if (strcmp(e->what, "end") == 0) ((ln_app *)arg)->g.loop->stop(((ln_app *)arg)->g.loop);
}

static void make_run(void) {
  ln_app a;
  ln_app_opts opts = {.runs = true};
  ln_run_options o = {.event = on_event, .event_arg = &a};
  need(ln_app_open(&a, &opts, &err));
  ln_run *r = ln_run_start(&a.g, LN_STR("travelled.lua"), LN_STR(""), &o, LN_STR("bench"), &err);
  need(r != NULL);
  a.g.loop->run(a.g.loop);
  ln_run_close(r);
  ln_runs_drain(&a.g);
  ln_app_close(&a);
}

typedef struct quickest {
  double pass, back, next, other, reverse;
} quickest;

static void note(double *best, double from) {
  double took = now_ms() - from;
  if (took < *best) *best = took;
}

static void back_and_forth(ln_travel *t, long steps, quickest *s) {
  need(ln_travel_at(t, 0, &err));
  double from = now_ms();
  need(ln_travel_end(t, &err));
  note(&s->pass, from);
  from = now_ms();
  need(ln_travel_go(t, LN_GO_BACK, 0, &err));
  note(&s->back, from);
  from = now_ms();
  need(ln_travel_go(t, LN_GO_NEXT, 0, &err));
  note(&s->next, from);
  from = now_ms();
  need(ln_travel_go(t, LN_GO_REVERSE, 0, &err));
  note(&s->reverse, from);
  from = now_ms();
  need(ln_travel_goto(t, steps / 2, &err));
  note(&s->other, from);
}

int main(int argc, char **argv) {
  ln_app a;
  ln_app_opts opts = {.must_exist = true, .looks = true};
  ln_break b = {.file = LN_STR("travelled.lua"), .line = 8, .condition = LN_STR("i % 2 == 0")};
  quickest s = {1e9, 1e9, 1e9, 1e9, 1e9};
  int64_t near;
  if (argc != 3) return fprintf(stderr, "usage: travel_bench STEPS TIMES\n"), 1;
  long steps = strtol(argv[1], NULL, 10);
  write_playbook(steps);
  make_run();
  need(ln_app_open(&a, &opts, &err));
  ln_travel *t = ln_travel_open(&a.g, LN_STR("last"), &err);
  need(t != NULL);
  need(ln_travel_break(t, &b, &near, &err) != 0);
  for (long i = strtol(argv[2], NULL, 10); i > 0; i--) back_and_forth(t, steps, &s);
  printf("{\"steps\":%ld,\"pass_ms\":%.2f,\"back_ms\":%.2f,\"next_ms\":%.2f,\"goto_ms\":%.2f,\"reverse_ms\":%"
         ".2f}\n",
         steps, s.pass, s.back, s.next, s.other, s.reverse);
  ln_travel_close(t);
  ln_app_close(&a);
  return 0;
}
