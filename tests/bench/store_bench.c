/* store_bench.c: durable rows a second of the store alone: so many writers, each with one row under way, and
** the next as soon as it is durable.  Usage: store_bench FILE BYTES AT_ONCE SECONDS; removes the file
** afterwards, and prints one JSON object. */
#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

typedef struct bench {
  ln_store *store;
  ln_loop *loop;
  ln_str entry;
  double until;
  int64_t rows;
  long under_way;
} bench;

typedef struct writer {
  bench *b;
  int64_t run;
} writer;

static double now(clockid_t id) {
  struct timespec t;
  clock_gettime(id, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void die(const char *what) {
  fprintf(stderr, "store_bench: %s\n", what);
  exit(1);
}

static bool apply(ln_tx *tx, void *arg, ln_err *err) {
  writer *w = arg;
  return ln_tx_log(tx, w->run, w->b->entry, err);
}

static void done(void *arg, const ln_err *err) {
  writer *w = arg;
  if (err) die(err->message);
  w->b->rows++;
  if (now(CLOCK_MONOTONIC) < w->b->until && ln_writer_submit(w->b->store, w->b->loop, apply, done, w)) return;
  if (--w->b->under_way == 0) w->b->loop->stop(w->b->loop);
}

static void measure(bench *b, long at_once, double seconds) {
  writer *w = calloc((size_t)at_once, sizeof *w);
  ln_writer_stats stats;
  double start = now(CLOCK_MONOTONIC), cpu = now(CLOCK_PROCESS_CPUTIME_ID);
  b->until = start + seconds;
  b->under_way = at_once;
  for (long i = 0; w && i < at_once; i++) {
    w[i] = (writer){b, i + 1};
    if (!ln_writer_submit(b->store, b->loop, apply, done, &w[i])) die("cannot submit");
  }
  b->loop->run(b->loop);
  double took = now(CLOCK_MONOTONIC) - start, rows = (double)b->rows;
  cpu = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
  ln_writer_stats_get(b->store, &stats);
  printf("{\"at_once\":%ld,\"rows_per_s\":%.0f,\"cpu_us\":%.3f,\"group\":%.1f}\n", at_once, rows / took,
         1e6 * cpu / rows, (double)stats.jobs / (double)stats.commits);
  free(w);
}

static void remove_store(const char *path) {
  static const char *const ends[] = {"", "-wal", "-shm"};
  for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
    char name[1024];
    snprintf(name, sizeof name, "%s%s", path, ends[i]);
    unlink(name);
  }
}

int main(int argc, char **argv) {
  ln_err err;
  char uri[1024];
  if (argc != 5) die("usage: store_bench FILE BYTES AT_ONCE SECONDS");
  size_t bytes = (size_t)strtol(argv[2], NULL, 10);
  long at_once = strtol(argv[3], NULL, 10);
  char *entry = calloc(1, bytes + 1);
  snprintf(uri, sizeof uri, "sqlite:%s", argv[1]);
  bench b = {
      .store = ln_store_open(ln_str_of(uri), NULL, &err), .loop = ln_loop_uv(&err), .entry = {entry, bytes}};
  if (!entry || at_once < 1 || !b.store || !b.loop || !ln_writer_start(b.store, NULL, &err))
    die("cannot begin");
  measure(&b, at_once, strtod(argv[4], NULL));
  ln_store_close(b.store);
  b.loop->free(b.loop);
  remove_store(argv[1]);
  free(entry);
  return 0;
}
