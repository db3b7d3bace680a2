/* scale_bench.c: does what there is already make what comes dearer?  In the current folder (lunette.db):
**
**   scale_bench park N        N runs that wait, a third each for time, a person and a signal
**   scale_bench wake RUNS K   in a store of RUNS such runs: how long until they are looked after, and until
**                             the first 64 of those that will be due are found; three times K of a kind
**                             called, from the call to the run's end: the best of the three
**   scale_bench steps N       one run of N steps
**   scale_bench polls N       one run that polls N times, in virtual time: put away, and woken, each time
**   scale_bench runs N        N runs of one step that end, as a process that serves carries them
**
** Each prints one JSON object.  What is compared is CPU, in microseconds for one: first_us of those in the
** first tenth (of many runs: the second, for the first has what is done once), last_us of those in the last,
** or, within one run, of those beyond the first tenth. */
#include "cli/app.h"
#include "engine/inside.h"
#include "engine/sched.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { AT_ONCE = 256, ROUNDS = 3 };

typedef struct bench {
  ln_app a;
  ln_sched *sched;
  ln_run_options run;
  const char *playbook;
  long total, begun, over, under_way;
  double cpu[11];                                        /* spent by each tenth of them                    */
  long rss_kib;                                          /* at two tenths                                  */
  ln_timer look;
} bench;

static void die(const char *what) {
  fprintf(stderr, "scale_bench: %s\n", what);
  exit(1);
}

static double seconds(clockid_t id) {
  struct timespec t;
  clock_gettime(id, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double cpu_s(void) { return seconds(CLOCK_PROCESS_CPUTIME_ID); }

static long rss_kib(void) {
  FILE *f = fopen("/proc/self/statm", "r");
  long size = 0, pages = 0;
  if (!f || fscanf(f, "%ld %ld", &size, &pages) != 2) die("no /proc/self/statm");
  fclose(f);
  return pages * 4;
}

static void write_playbook(const char *name, const char *body) {
  FILE *f = fopen(name, "w");
  if (!f) die("cannot write here");
  fprintf(f, "return playbook { name = 'scale', uses = {}, input = { n = 'integer = 0' },\n"
             "run = function(input)\n%s\nend }\n", body);
  fclose(f);
}

static void open_app(bench *b, ln_app_opts o, ln_event_fn event) {
  ln_err err;
  ln_sched_opts so = {.event = event, .event_arg = b};
  o.runs = true;
  b->run = (ln_run_options){.event = event, .event_arg = b};
  if (!ln_app_open(&b->a, &o, &err) || !(b->sched = ln_sched_start(&b->a.g, &so, &err))) die(err.message);
}

static void close_app(bench *b) {
  ln_sched_stop(b->sched);
  ln_app_close(&b->a);
}

/* ------------------------------------------------------------------ many runs, one after the other */

static void begin(bench *b) {
  ln_err err;
  ln_buf input;
  ln_buf_init(&input, 256);
  size_t mark = ln_v_begin(&input, 'O', 1);
  ln_v_key(&input, LN_STR("n"));
  ln_v_int(&input, b->begun++);
  ln_v_end(&input, mark);
  if (!ln_run_start(&b->a.g, ln_str_of(b->playbook), ln_buf_view(&input), &b->run, LN_STR("bench"), &err))
    die(err.message);
  ln_buf_free(&input);
  b->under_way++;
}

/* Outside of a run's pump. */
static void begin_more(void *arg) {
  bench *b = arg;
  while (b->begun < b->total && b->under_way < AT_ONCE) begin(b);
}

static bool any(void *arg, ln_str owner) {
  (void)owner;
  *(bool *)arg = true;
  return false;
}

/* The loop stops when no run is under way any more, be it that the last ones are still being put away. */
static void look(void *arg) {
  bench *b = arg;
  ln_err err;
  bool some = b->over < b->total;
  if (!some && !ln_store_owners(b->a.g.store, any, &some, &err)) die(err.message);
  if (some) b->a.g.loop->timer(b->a.g.loop, &b->look, 20);
  else b->a.g.loop->stop(b->a.g.loop);
}

static void note(bench *b) {
  long tenth = b->total / 10;
  b->over++;
  if (b->over % tenth == 0 && b->over <= 10 * tenth) b->cpu[b->over / tenth] = cpu_s();
  if (b->over == 2 * tenth) b->rss_kib = rss_kib();
}

static void count(bench *b) {
  note(b);
  b->under_way--;
  if (b->under_way == AT_ONCE / 2 || b->under_way == 0) ln_post(b->a.g.loop, begin_more, b);
}

/* A run that waits is counted once its first step is durable: it is put away next. */
static void on_parked(void *arg, ln_run *r, const ln_event *e) {
  if (strcmp(e->what, "broken") == 0 || strcmp(e->what, "end") == 0) die(ln_run_why(r)->message);
  if (strcmp(e->what, "step") == 0) count(arg);
}

static void on_ended(void *arg, ln_run *r, const ln_event *e) {
  if (strcmp(e->what, "broken") == 0) die(ln_run_why(r)->message);
  if (strcmp(e->what, "end") == 0) count(arg);
}

static void carry_all(bench *b, const char *playbook, long n) {
  ln_loop *l = b->a.g.loop;
  b->playbook = playbook;
  b->total = n;
  b->look = (ln_timer){.loop = l, .fn = look, .arg = b};
  begin_more(b);
  l->timer(l, &b->look, 20);
  l->run(l);
}

static void carry(const char *body, long n, ln_event_fn event) {
  static bench b;
  write_playbook("scale.lua", body);
  open_app(&b, (ln_app_opts){.alone = true}, event);
  carry_all(&b, "scale.lua", n);
  double tenth = (double)(n / 10);
  printf("{\"runs\":%ld,\"first_us\":%.2f,\"last_us\":%.2f,\"first_rss_kib\":%ld,\"rss_kib\":%ld}\n", n,
         1e6 * (b.cpu[2] - b.cpu[1]) / tenth, 1e6 * (b.cpu[10] - b.cpu[9]) / tenth, b.rss_kib, rss_kib());
  close_app(&b);
}

static void park(long n) {
  carry("  step('look', function() return ('x'):rep(100) end)\n"
        "  if input.n % 3 == 0 then sleep '7d'\n"
        "  elseif input.n % 3 == 1 then approve { title = 'go on?', expires = '30d' }\n"
        "  else await_signal 'go' end", n, on_parked);
}

static void runs(long n) { carry("  return step('look', function() return input.n end)", n, on_ended); }

/* ------------------------------------------------------------------ one long run */

static void on_end(void *arg, ln_run *r, const ln_event *e) {
  bench *b = arg;
  if (strcmp(e->what, "broken") == 0) die(ln_run_why(r)->message);
  if (strcmp(e->what, "end") != 0) return;
  if (strcmp(ln_run_state(r), "completed") != 0) die(ln_run_why(r)->message);
  b->a.g.loop->stop(b->a.g.loop);
}

static double cpu_of(bench *b, long n) {
  double from = cpu_s();
  b->begun = n;                                          /* which is its input */
  begin(b);
  b->a.g.loop->run(b->a.g.loop);
  return cpu_s() - from;
}

/* Two runs, the second ten times as long. */
static void compare(const char *what, const char *body, long n, bool sim) {
  static bench b;
  b.playbook = "scale.lua";
  write_playbook(b.playbook, body);
  open_app(&b, (ln_app_opts){.alone = true, .sim = sim}, on_end);
  cpu_of(&b, 1);
  double few = cpu_of(&b, n / 10);
  long few_rss = rss_kib();
  double many = cpu_of(&b, n);
  printf("{\"%s\":%ld,\"first_us\":%.3f,\"last_us\":%.3f,\"first_rss_kib\":%ld,\"rss_kib\":%ld}\n", what, n,
         1e6 * few / (double)(n / 10), 1e6 * (many - few) / (double)(n - n / 10), few_rss, rss_kib());
  close_app(&b);
}

static void steps(long n) {
  compare("steps", "  for _ = 1, input.n do step('s', function() return ('x'):rep(100) end) end", n, false);
}

static void polls(long n) {
  compare("polls", "  local n = 0\n"
                   "  local function last() n = n + 1 return n == input.n end\n"
                   "  await_until(last, { every = '10s', timeout = '36500d' })",
          n, true);
}

/* ------------------------------------------------------------------ waking */

/* What park made: the run of id I waits for a person where I % 3 is 2, for a signal where it is 0. */
typedef struct waker {
  bench b;
  long runs, calls, left;
  bool person;
  uint64_t random;
  int64_t id, approval;
  double called, sum, worst;
} waker;

static bool take_id(void *arg, const ln_approval *a) {
  ((waker *)arg)->approval = a->id;
  return false;
}

static bool send_apply(ln_tx *tx, void *arg, ln_err *err) {
  return ln_tx_signal_send(tx, ((waker *)arg)->id, LN_STR("go"), LN_STR("n"), LN_STR("bench"), 0, err);
}

/* The next one, chosen by chance; nobody calls one twice. */
static void call(void *arg) {
  waker *w = arg;
  ln_engine *g = &w->b.a.g;
  ln_err err;
  long third = w->runs / 3, part = third / (w->calls * ROUNDS);
  w->random = w->random * 6364136223846793005u + 1442695040888963407u;
  w->id = 3 * (part * --w->left + (long)((w->random >> 33) % (uint64_t)part)) + (w->person ? 2 : 3);
  if (w->person && !ln_store_approvals(g->store, w->id, true, take_id, w, &err)) die(err.message);
  w->called = seconds(CLOCK_MONOTONIC);
  const ln_str none = LN_STR("");
  bool ok = w->person ? ln_approval_decide(g, w->approval, true, LN_STR("somebody"), none, none, false, &err)
                      : ln_writer_run(g->store, send_apply, w, &err);
  if (!ok) die(err.message);
  ln_sched_nudge(w->b.sched);
}

static void on_woken(void *arg, ln_run *r, const ln_event *e) {
  waker *w = arg;
  if (strcmp(e->what, "broken") == 0) die(ln_run_why(r)->message);
  if (strcmp(e->what, "end") != 0) return;
  double ms = 1e3 * (seconds(CLOCK_MONOTONIC) - w->called);
  w->sum += ms;
  if (ms > w->worst) w->worst = ms;
  if (w->left % w->calls > 0) ln_post(w->b.a.g.loop, call, w);
  else w->b.a.g.loop->stop(w->b.a.g.loop);
}

static double least(double a, double b) { return a == 0 || b < a ? b : a; }

static void call_all(waker *w, bool person, const char *name) {
  double ms = 0, cpu = 0, n = (double)w->calls;
  w->person = person;
  w->left = w->calls * ROUNDS;
  w->worst = 0;
  while (w->left > 0) {
    double from = cpu_s();
    w->sum = 0;
    ln_post(w->b.a.g.loop, call, w);
    w->b.a.g.loop->run(w->b.a.g.loop);
    ms = least(ms, w->sum / n);
    cpu = least(cpu, 1e6 * (cpu_s() - from) / n);
  }
  printf("\"%s_ms\":%.3f,\"%s_worst_ms\":%.3f,\"%s_cpu_us\":%.1f,", name, ms, name, w->worst, name, cpu);
}

static double find_due(const waker *w) {
  int64_t found[64], then = ln_now_ms(w->b.a.g.loop->clock) + (int64_t)8 * 86400000;
  size_t n = 64;
  ln_err err;
  double from = seconds(CLOCK_MONOTONIC);
  if (!ln_store_waits_due(w->b.a.g.store, then, found, &n, &err)) die(err.message);
  if (n != 64) die("too few sleep");
  return 1e3 * (seconds(CLOCK_MONOTONIC) - from);
}

static void wake(long runs, long calls) {
  static waker w;
  double from = seconds(CLOCK_MONOTONIC);
  w = (waker){.runs = runs, .calls = calls, .random = 1};
  open_app(&w.b, (ln_app_opts){.alone = true, .must_exist = true}, on_woken);
  printf("{\"runs\":%ld,\"ready_ms\":%.3f,", runs, 1e3 * (seconds(CLOCK_MONOTONIC) - from));
  printf("\"due_ms\":%.3f,", find_due(&w));
  call_all(&w, true, "approve");
  call_all(&w, false, "signal");
  printf("\"rss_kib\":%ld}\n", rss_kib());
  close_app(&w.b);
}

int main(int argc, char **argv) {
  long n = argc > 2 ? strtol(argv[2], NULL, 10) : 0;
  if (argc == 3 && n >= 10 && strcmp(argv[1], "park") == 0) park(n);
  else if (argc == 3 && n >= 10 && strcmp(argv[1], "runs") == 0) runs(n);
  else if (argc == 3 && n >= 10 && strcmp(argv[1], "steps") == 0) steps(n);
  else if (argc == 3 && n >= 10 && strcmp(argv[1], "polls") == 0) polls(n);
  else if (argc == 4 && n >= 10 && strcmp(argv[1], "wake") == 0) wake(n, strtol(argv[3], NULL, 10));
  else die("usage: scale_bench park N | runs N | steps N | polls N | wake RUNS K");
  return 0;
}
