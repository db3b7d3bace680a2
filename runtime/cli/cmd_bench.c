/* cmd_bench.c: lunette bench: many runs of one playbook in this process, C at a time; what they cost. */
#include "cli/app.h"

#include <stdlib.h>
#include <sys/resource.h>

enum { OPT_RUNS = 256, OPT_CONCURRENCY, OPT_INPUT, OPT_SIM, RUNS_MAX = 1000000, WIDTH_MAX = 100000 };

typedef struct bench {
  ln_app app;
  ln_str playbook;
  const char *user;
  ln_buf input;
  long runs, width, started, ended, failed;
  int64_t *ms;                                           /* of each run, in microseconds */
  struct slot { struct bench *b; ln_run *run; int64_t from_us; bool over; } *slots;
  uint64_t steps;
  bool over;                                             /* measured: what is left of the runs is let go */
  ln_err err;
} bench;

static const struct option options[] = {{"runs", required_argument, NULL, OPT_RUNS},
                                        {"concurrency", required_argument, NULL, OPT_CONCURRENCY},
                                        {"input", required_argument, NULL, OPT_INPUT},
                                        {"sim", no_argument, NULL, OPT_SIM},
                                        LN_JSON_OPTION,
                                        LN_COMMON_OPTIONS};
static const char help[] =
    "usage: lunette bench PLAYBOOK --runs N --concurrency C [--input FILE] [--json] [--config FILE]\n"
    "Runs a playbook N times, C at once, and says what it cost.\n";

static void replace_over(void *arg);

static void on_event(void *arg, ln_run *r, const ln_event *e) {
  struct slot *s = arg;
  bench *b = s->b;
  bool over =
      strcmp(e->what, "end") == 0 || strcmp(e->what, "broken") == 0 || strcmp(e->what, "waiting") == 0;
  if (!over || s->over || b->over) return;
  if (strcmp(ln_run_state(r), "completed") != 0) b->failed++;
  b->steps += ln_run_steps(r); /* its end is durable, and all of them before it */
  b->ms[b->ended++] = ln_mono_us(b->app.g.loop->clock) - s->from_us;
  s->over = true; /* freed from the top of the loop: we are inside of its pump */
  ln_post(b->app.g.loop, replace_over, s);
}

static bool start(struct slot *s) {
  bench *b = s->b;
  ln_run_options o = {.event = on_event,
                      .event_arg = s,
                      .ends_only = true,
                      .sim = b->app.sim,
                      .approve = b->app.sim ? LN_APPROVE_ALL : LN_APPROVE_WAIT};
  s->over = false;
  s->from_us = ln_mono_us(b->app.g.loop->clock);
  s->run = ln_run_start(&b->app.g, b->playbook, ln_buf_view(&b->input), &o, ln_str_of(b->user), &b->err);
  b->started++;
  return s->run != NULL;
}

static void replace_over(void *arg) {
  struct slot *s = arg;
  bench *b = s->b;
  if (b->over) return; /* the loop only empties itself: the runs are closed already */
  ln_run_close(s->run);
  s->run = NULL;
  if (b->ended >= b->runs || (b->started < b->runs && !start(s))) b->app.g.loop->stop(b->app.g.loop);
}

static int by_value(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

static double seconds_of(struct timeval t) { return (double)t.tv_sec + (double)t.tv_usec / 1e6; }

static void print(const bench *b, double seconds, bool json) {
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  double cpu = seconds_of(u.ru_utime) + seconds_of(u.ru_stime), rss = (double)u.ru_maxrss / 1024.0;
  long mid = (long)b->ended / 2, late = (long)b->ended * 99 / 100;
  double p50 = b->ended ? (double)b->ms[mid] / 1000.0 : 0, p99 = b->ended ? (double)b->ms[late] / 1000.0 : 0;
  double runs_s = (double)b->ended / seconds, steps_s = (double)b->steps / seconds;
  if (json)
    printf("{\"runs\":%ld,\"concurrency\":%ld,\"seconds\":%.3f,\"runs_per_s\":%.1f,\"steps_per_s\":%.1f,"
           "\"p50_ms\":%.3f,\"p99_ms\":%.3f,"
           "\"cpu_s\":%.3f,\"peak_rss_mib\":%.1f,\"failed\":%ld}\n",
           b->ended, b->width, seconds, runs_s, steps_s, p50, p99, cpu, rss, b->failed);
  else
    printf("%ld runs, %ld at once: %.3f s, %.1f runs/s, %.1f steps/s; p50 %.3f ms, p99 %.3f ms; CPU %.3f s, "
           "at most %.1f MiB; %ld failed\n",
           b->ended, b->width, seconds, runs_s, steps_s, p50, p99, cpu, rss, b->failed);
}

static int go(bench *b, bool json) {
  b->ms = calloc((size_t)b->runs, sizeof *b->ms);
  b->slots = calloc((size_t)b->width, sizeof *b->slots);
  if (!b->ms || !b->slots) return ln_app_usage("no memory for %ld runs", b->runs), LN_EXIT_FAILED;
  ln_clock *clock = ln_clock_real();
  int64_t from = ln_mono_us(clock);
  bool ok = true;
  for (long i = 0; ok && i < b->width && i < b->runs; i++) {
    b->slots[i].b = b;
    ok = start(&b->slots[i]);
  }
  if (ok) b->app.g.loop->run(b->app.g.loop);
  b->over = true;
  double seconds = (double)(ln_mono_us(clock) - from) / 1e6;
  if (b->err.code[0]) return ln_app_fail(&b->err);
  qsort(b->ms, (size_t)b->ended, sizeof *b->ms, by_value);
  print(b, seconds, json);
  return b->failed ? LN_EXIT_FAILED : LN_EXIT_DONE;
}

static int prepare(bench *b, const char *input, bool json) {
  ln_declared d;
  bool ok = ln_playbook_declared(&b->app.g, b->playbook, &d, &b->err) &&
            ln_app_input(&b->app, input, NULL, 0, &d, &b->input, &b->err);
  ln_declared_free(&d);
  return ok ? go(b, json) : ln_app_fail(&b->err);
}

int ln_cmd_bench(int argc, char **argv) {
  static bench b;
  ln_app_opts o = {.runs = true, .alone = true};
  ln_err err = {0};
  const char *input = NULL;
  bool json = false;
  long long runs = 0, width = 0;
  int opt;
  optind = 1;
  while ((opt = ln_app_option(argc, argv, options)) != -1) {
    if (opt == LN_OPT_HELP) return fputs(help, stdout), 0;
    if (opt == '?') return LN_EXIT_USAGE;
    if (opt == LN_OPT_CONFIG) o.config = optarg;
    if (opt == LN_OPT_JSON) json = true;
    if (opt == OPT_INPUT) input = optarg;
    if (opt == OPT_SIM) o.sim = true;
    if (opt == OPT_RUNS && !ln_app_number("--runs", optarg, 1, RUNS_MAX, &runs)) return LN_EXIT_USAGE;
    if (opt == OPT_CONCURRENCY && !ln_app_number("--concurrency", optarg, 1, WIDTH_MAX, &width))
      return LN_EXIT_USAGE;
  }
  b.runs = (long)runs;
  b.width = (long)width;
  if (optind + 1 != argc || !runs || !width)
    return ln_app_usage("bench takes a PLAYBOOK, --runs N and --concurrency C");
  b.playbook = ln_str_of(argv[optind]);
  b.user = ln_app_user();
  ln_buf_init(&b.input, (size_t)64 << 20);
  int code = ln_app_open(&b.app, &o, &err) ? prepare(&b, input, json) : ln_app_fail(&err);
  ln_app_close(&b.app);
  ln_buf_free(&b.input);
  free(b.ms);
  free(b.slots);
  return code;
}
