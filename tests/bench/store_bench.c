/* store_bench.c: durable entries a second, as many runs as said writing at once, beside bare SQLite
** appending the same bytes at the same grouping.  Usage: store_bench [FOLDER [SECONDS]]; prints one JSON
** object a line. */
#include "store/store.h"

#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { ENTRY = 300 };

typedef struct bench {
  ln_store *store;
  ln_loop *loop;
  double until;
  int64_t rows;
  int under_way;
} bench;

typedef struct writer {
  bench *b;
  int64_t run;
} writer;

static const char entry[ENTRY];

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
  return ln_tx_log(tx, ((writer *)arg)->run, (ln_str){entry, ENTRY}, err);
}

/* Each writer has one entry under way, and the next as soon as it is durable. */
static void done(void *arg, const ln_err *err) {
  writer *w = arg;
  if (err) die(err->message);
  w->b->rows++;
  if (now(CLOCK_MONOTONIC) < w->b->until && ln_writer_submit(w->b->store, w->b->loop, apply, done, w)) return;
  if (--w->b->under_way == 0) w->b->loop->stop(w->b->loop);
}

static void ours(const char *path, int at_once, double seconds, double *rows_s, double *cpu_us,
                 double *batch) {
  ln_err err;
  char uri[600];
  snprintf(uri, sizeof uri, "sqlite:%s", path);
  bench b = {
      .store = ln_store_open(ln_str_of(uri), NULL, &err), .loop = ln_loop_uv(&err), .under_way = at_once};
  if (!b.store || !b.loop || !ln_writer_start(b.store, NULL, &err)) die(err.message);
  writer *w = calloc((size_t)at_once, sizeof *w);
  double start = now(CLOCK_MONOTONIC), cpu = now(CLOCK_PROCESS_CPUTIME_ID);
  b.until = start + seconds;
  for (int i = 0; i < at_once; i++) {
    w[i] = (writer){&b, i + 1};
    if (!ln_writer_submit(b.store, b.loop, apply, done, &w[i])) die("cannot submit");
  }
  b.loop->run(b.loop);
  *rows_s = (double)b.rows / (now(CLOCK_MONOTONIC) - start);
  *cpu_us = 1e6 * (now(CLOCK_PROCESS_CPUTIME_ID) - cpu) / (double)b.rows;
  ln_writer_stats stats;
  ln_writer_stats_get(b.store, &stats);
  *batch = (double)stats.jobs / (double)stats.commits;
  ln_store_close(b.store);
  b.loop->free(b.loop);
  free(w);
}

static void exec(sqlite3 *db, const char *sql) {
  if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) die(sqlite3_errmsg(db));
}

static void bare(const char *path, int at_once, double seconds, double *rows_s, double *cpu_us) {
  sqlite3 *db;
  sqlite3_stmt *q;
  if (sqlite3_open(path, &db) != SQLITE_OK) die("cannot open");
  exec(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
           "CREATE TABLE log(id INTEGER PRIMARY KEY, run INTEGER, entries BLOB)");
  sqlite3_prepare_v2(db, "INSERT INTO log(run, entries) VALUES(?, ?)", -1, &q, NULL);
  int64_t rows = 0;
  double start = now(CLOCK_MONOTONIC), cpu = now(CLOCK_PROCESS_CPUTIME_ID);
  while (now(CLOCK_MONOTONIC) < start + seconds) {
    exec(db, "BEGIN IMMEDIATE");
    for (int i = 0; i < at_once; i++, rows++) {
      sqlite3_bind_int64(q, 1, i + 1);
      sqlite3_bind_blob(q, 2, entry, ENTRY, SQLITE_STATIC);
      if (sqlite3_step(q) != SQLITE_DONE) die(sqlite3_errmsg(db));
      sqlite3_reset(q);
    }
    exec(db, "COMMIT");
  }
  *rows_s = (double)rows / (now(CLOCK_MONOTONIC) - start);
  *cpu_us = 1e6 * (now(CLOCK_PROCESS_CPUTIME_ID) - cpu) / (double)rows;
  sqlite3_finalize(q);
  sqlite3_close(db);
}

static void remove_store(const char *path) {
  static const char *const ends[] = {"", "-wal", "-shm", "-journal"};
  for (int i = 0; i < 4; i++) {
    char name[600];
    snprintf(name, sizeof name, "%s%s", path, ends[i]);
    unlink(name);
  }
}

int main(int argc, char **argv) {
  const char *folder = argc > 1 ? argv[1] : ".";
  double seconds = argc > 2 ? strtod(argv[2], NULL) : 2;
  static const int at_once[] = {1, 16, 256};
  char path[512];
  snprintf(path, sizeof path, "%s/store_bench-%d.db", folder, (int)getpid());
  for (int i = 0; i < 3; i++) {
    double rows, cpu, batch, bare_rows, bare_cpu;
    ours(path, at_once[i], seconds, &rows, &cpu, &batch);
    remove_store(path);
    bare(path, at_once[i], seconds, &bare_rows, &bare_cpu);
    remove_store(path);
    printf("{\"bench\":\"store\",\"at_once\":%d,\"rows_per_s\":%.0f,\"cpu_us\":%.2f,\"batch\":%.1f,\"sqlite_"
           "rows_per_s\":%.0f,"
           "\"sqlite_cpu_us\":%.2f,\"ratio\":%.2f}\n",
           at_once[i], rows, cpu, batch, bare_rows, bare_cpu, rows / bare_rows);
  }
  return 0;
}
