/* command_bench.c: what a command costs: the quickest of N runs, and the most memory that one took.
** Usage: command_bench N COMMAND [ARGUMENT…]; its output is dropped, its exit status is not looked at.
** Prints one JSON object. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void die(const char *what) {
  fprintf(stderr, "command_bench: %s\n", what);
  exit(1);
}

static double now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static double ms_of(struct timeval t) { return (double)t.tv_sec * 1e3 + (double)t.tv_usec / 1e3; }

static void become(char **command) {
  int null = open("/dev/null", O_RDWR);
  dup2(null, STDIN_FILENO);
  dup2(null, STDOUT_FILENO);
  dup2(null, STDERR_FILENO);
  execvp(command[0], command);
  _exit(127);
}

int main(int argc, char **argv) {
  double ms = 0, cpu_ms = 0;
  long kib = 0, n = argc > 2 ? strtol(argv[1], NULL, 10) : 0;
  if (n < 1) die("usage: command_bench N COMMAND [ARGUMENT…]");
  for (long i = 0; i < n; i++) {
    struct rusage u;
    int status;
    double from = now_ms();
    pid_t child = fork();
    if (child == 0) become(argv + 2);
    if (child < 0 || wait4(child, &status, 0, &u) != child) die("cannot run it");
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127) die("there is no such command");
    double took = now_ms() - from, cpu = ms_of(u.ru_utime) + ms_of(u.ru_stime);
    if (i == 0 || took < ms) ms = took;
    if (i == 0 || cpu < cpu_ms) cpu_ms = cpu;
    if (u.ru_maxrss > kib) kib = u.ru_maxrss;
  }
  printf("{\"ms\":%.2f,\"cpu_ms\":%.2f,\"kib\":%ld}\n", ms, cpu_ms, kib);
  return 0;
}
