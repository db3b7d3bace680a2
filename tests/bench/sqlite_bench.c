/* sqlite_bench.c: what bare SQLite does where a store would, and what a store has done.
**
**   sqlite_bench append FILE BYTES GROUP SECONDS [RATE]
**                                                  appends rows of so many bytes, so many a transaction with
**                                                  its sync, to a fresh file that it removes afterwards;
**                                                  p50_ms and p99_ms are of transactions: one after the
**                                                  other, or, with RATE, so many due a second, from then on
**   sqlite_bench look STORE                        how many transactions a store has seen; bytes: of its
**                                                  runs' journals; inputs: of what they were given
**
** Prints one JSON object. */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static sqlite3 *db;

static void die(const char *what) {
  fprintf(stderr, "sqlite_bench: %s\n", what);
  exit(1);
}

static double now(clockid_t id) {
  struct timespec t;
  clock_gettime(id, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void exec(const char *sql) {
  if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) die(sqlite3_errmsg(db));
}

static sqlite3_stmt *prepare(const char *sql) {
  sqlite3_stmt *q;
  if (sqlite3_prepare_v2(db, sql, -1, &q, NULL) != SQLITE_OK) die(sqlite3_errmsg(db));
  return q;
}

static void remove_files(const char *file) {
  static const char *const ends[] = {"", "-wal", "-shm"};
  for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
    char name[1024];
    snprintf(name, sizeof name, "%s%s", file, ends[i]);
    unlink(name);
  }
}

/* ------------------------------------------------------------------ how long transactions took */

static double *took_ms;
static size_t n_took, took_room;

static void note(double ms) {
  if (n_took == took_room) {
    took_room = took_room ? 2 * took_room : 4096;
    if (!(took_ms = realloc(took_ms, took_room * sizeof *took_ms))) die("no memory");
  }
  took_ms[n_took++] = ms;
}

static int by_time(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double part_ms(double p) { return took_ms[(size_t)(p * (double)(n_took - 1))]; }

static void append_group(sqlite3_stmt *q, const char *entry, int bytes, long group) {
  exec("BEGIN IMMEDIATE");
  for (long i = 0; i < group; i++) {
    sqlite3_bind_int64(q, 1, i);
    sqlite3_bind_blob(q, 2, entry, bytes, SQLITE_STATIC);
    if (sqlite3_step(q) != SQLITE_DONE) die(sqlite3_errmsg(db));
    sqlite3_reset(q);
  }
  exec("COMMIT");
}

static void sleep_until(double at) {
  double left = at - now(CLOCK_MONOTONIC);
  struct timespec t = {.tv_sec = (time_t)left, .tv_nsec = (long)(1e9 * (left - (double)(time_t)left))};
  if (left > 0) nanosleep(&t, NULL);
}

/* per_s > 0: transactions are due by that schedule, and each one's time counts from then. */
static void append(const char *file, int bytes, long group, double seconds, double per_s) {
  char *entry = calloc(1, (size_t)bytes);
  long rows = 0;
  if (!entry || group < 1) die("append FILE BYTES GROUP SECONDS");
  remove_files(file);
  if (sqlite3_open(file, &db) != SQLITE_OK) die("cannot open");
  exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
       "CREATE TABLE log(id INTEGER PRIMARY KEY, run INTEGER, entries BLOB)");
  sqlite3_stmt *q = prepare("INSERT INTO log(run, entries) VALUES(?, ?)");
  double start = now(CLOCK_MONOTONIC), cpu = now(CLOCK_PROCESS_CPUTIME_ID), took = 0;
  do {
    double due = per_s > 0 ? (double)(rows / group) / per_s : took;
    if (due > took) sleep_until(start + due);
    append_group(q, entry, bytes, group);
    rows += group;
    took = now(CLOCK_MONOTONIC) - start;
    note(1000 * (took - due));
  } while (took < seconds);
  cpu = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
  qsort(took_ms, n_took, sizeof *took_ms, by_time);
  printf("{\"bytes\":%d,\"group\":%ld,\"rows_per_s\":%.0f,\"cpu_us\":%.3f,\"p50_ms\":%.3f,\"p99_ms\":%.3f}\n",
         bytes, group, (double)rows / took, 1e6 * cpu / (double)rows, part_ms(0.5), part_ms(0.99));
  sqlite3_finalize(q);
  sqlite3_close(db);
  remove_files(file);
  free(entry);
  free(took_ms);
}

static sqlite3_int64 number(const char *sql) {
  sqlite3_stmt *q = prepare(sql);
  if (sqlite3_step(q) != SQLITE_ROW) die(sqlite3_errmsg(db));
  sqlite3_int64 n = sqlite3_column_int64(q, 0);
  sqlite3_finalize(q);
  return n;
}

static void look(const char *store) {
  if (sqlite3_open_v2(store, &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK) die("cannot open");
  printf("{\"commits\":%lld,\"bytes\":%lld,\"inputs\":%lld}\n", (long long)number("SELECT commits FROM meta"),
         (long long)number("SELECT coalesce(sum(length(entries)), 0) FROM segment"),
         (long long)number("SELECT coalesce(sum(length(input)), 0) FROM run_input"));
  sqlite3_close(db);
}

int main(int argc, char **argv) {
  if ((argc == 6 || argc == 7) && strcmp(argv[1], "append") == 0)
    append(argv[2], (int)strtol(argv[3], NULL, 10), strtol(argv[4], NULL, 10), strtod(argv[5], NULL),
           argc == 7 ? strtod(argv[6], NULL) : 0);
  else if (argc == 3 && strcmp(argv[1], "look") == 0) look(argv[2]);
  else die("usage: sqlite_bench append FILE BYTES GROUP SECONDS [RATE] | look STORE");
  return 0;
}
