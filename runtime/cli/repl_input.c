/* repl_input.c: lines from a terminal, by libedit, with a history that lasts and completion by Tab; else from
** standard input as they come.  The history lies in the user's state folder, for its user alone. */
#include "cli/repl.h"

#include <errno.h>
#include <fcntl.h>
#include <histedit.h>
#include <limits.h>
#include <locale.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wchar.h>

enum { KEPT = 2000, COLUMNS = 100, COLUMNS_MOST = 1000, LINES_MOST = 500, WORDS_MOST = 400 };

struct ln_input {
  ln_repl *r;
  EditLine *el; /* NULL: no terminal */
  History *history;
  char *path, *plain; /* of the history; the last line read plainly */
  size_t cap;
  const char *prompt;
  char typed[256]; /* by completion: names, and so ASCII; read before anything else */
  bool dropped;
};

/* ------------------------------------------------------------------ the history */

static bool make_folders(char *path) {
  for (char *c = path + 1; *c; c++) {
    if (*c != '/') continue;
    *c = '\0';
    bool ok = mkdir(path, 0700) == 0 || errno == EEXIST;
    *c = '/';
    if (!ok) return false;
  }
  return true;
}

/* $XDG_STATE_HOME/lunette/history, made for its user alone; without a home there is none. */
static char *history_path(void) {
  char path[PATH_MAX];
  const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
  int n = state && *state == '/' ? snprintf(path, sizeof path, "%s/lunette/history", state)
          : home && *home        ? snprintf(path, sizeof path, "%s/.local/state/lunette/history", home)
                                 : -1;
  if (n < 0 || (size_t)n >= sizeof path || !make_folders(path)) return NULL;
  int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return NULL;
  fchmod(fd, 0600);
  close(fd);
  return ln_str_dup(ln_str_of(path));
}

static void load_history(ln_input *in) {
  HistEvent e;
  if (!(in->history = history_init())) return;
  history(in->history, &e, H_SETSIZE, KEPT);
  history(in->history, &e, H_SETUNIQUE, 1);
  if ((in->path = history_path())) history(in->history, &e, H_LOAD, in->path);
  el_set(in->el, EL_HIST, history, in->history);
}

/* ------------------------------------------------------------------ keys */

static char *prompt_of(EditLine *el) {
  ln_input *in = NULL;
  el_get(el, EL_CLIENTDATA, &in);
  return (char *)(uintptr_t)in->prompt;
}

typedef struct words {
  char *v[WORDS_MOST];
  size_t n;
} words;

static void keep_word(void *arg, ln_str word) {
  words *w = arg;
  if (w->n < WORDS_MOST && (w->v[w->n] = ln_str_dup(word))) w->n++;
}

/* What all of them begin with. */
static size_t common(const words *w) {
  size_t n = strlen(w->v[0]);
  for (size_t i = 1; i < w->n; i++) {
    size_t k = 0;
    while (k < n && w->v[i][k] == w->v[0][k]) k++;
    n = k;
  }
  return n;
}

static void list_words(const words *w) {
  int widest = 0, columns = ln_repl_columns();
  for (size_t i = 0; i < w->n; i++)
    if ((int)strlen(w->v[i]) > widest) widest = (int)strlen(w->v[i]);
  int a_row = columns / (widest + 2) > 0 ? columns / (widest + 2) : 1;
  putchar('\n');
  for (size_t i = 0; i < w->n; i++) {
    bool last = i + 1 == w->n || (int)(i + 1) % a_row == 0;
    ln_app_put(stdout, ln_str_of(w->v[i]), last ? 0 : widest + 2);
    if (last) putchar('\n');
  }
  fflush(stdout);
}

/* What the word before the cursor goes on with, as far as all agree, is typed; else they are listed. */
static void complete(ln_input *in) {
  const LineInfo *li = el_line(in->el);
  ln_str line = {li->buffer, (size_t)(li->cursor - li->buffer)};
  words w = {.n = 0};
  ln_buf known;
  ln_err quiet = {0};
  size_t from = 0;
  ln_buf_init(&known, 64 << 20);
  bool ok =
      ln_repl_known(in->r, &known, &quiet) &&
      ln_repl_complete(&in->r->app->g, in->r->run, ln_buf_view(&known), line, &from, keep_word, &w, &quiet);
  size_t typed = ok && from <= line.n ? line.n - from : 0, all = w.n ? common(&w) : 0;
  if (all > typed) {
    snprintf(in->typed, sizeof in->typed, "%.*s", (int)(all - typed), w.v[0] + typed);
  } else if (w.n > 1) {
    list_words(&w);
    el_set(in->el, EL_REFRESH); /* once more, below them */
  }
  for (size_t i = 0; i < w.n; i++) free(w.v[i]);
  ln_buf_free(&known);
}

/* One character, of as many bytes as it has.  Ctrl-C ends the line, which is then dropped. */
static int read_char(EditLine *el, wchar_t *out) {
  ln_input *in = NULL;
  mbstate_t state = {0};
  char byte;
  el_get(el, EL_CLIENTDATA, &in);
  for (;;) {
    if (in->typed[0]) {
      *out = (unsigned char)in->typed[0];
      memmove(in->typed, in->typed + 1, strlen(in->typed));
      return 1;
    }
    if (!ln_app_await_input()) {
      ln_app_interrupt_taken();
      in->dropped = true;
      *out = L'\n';
      return 1;
    }
    ssize_t n = read(STDIN_FILENO, &byte, 1);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return 0;
    size_t used = mbrtowc(out, &byte, 1, &state);
    if (used == (size_t)-2) continue;
    if (used == (size_t)-1) *out = L'?';
    if (used == 0) *out = L'\0';
    if (*out != L'\t') return 1;
    complete(in);
  }
}

/* ------------------------------------------------------------------ lines */

static bool open_terminal(ln_input *in) {
  if (!setlocale(LC_CTYPE, "") || MB_CUR_MAX == 1) setlocale(LC_CTYPE, "C.UTF-8");
  if (!(in->el = el_init("lunette", stdin, stdout, stderr))) return false;
  el_set(in->el, EL_CLIENTDATA, in);
  el_set(in->el, EL_PROMPT_ESC, prompt_of, '\1');
  el_set(in->el, EL_EDITOR, "emacs");
  el_set(in->el, EL_SIGNAL, 0);
  el_set(in->el, EL_BIND, "^R", "em-inc-search-prev", NULL);
  load_history(in);
  el_source(in->el, NULL);
  el_set(in->el, EL_GETCFN, read_char);
  return true;
}

ln_input *ln_input_open(ln_repl *r, ln_err *err) {
  ln_input *in = calloc(1, sizeof *in);
  if (in) in->r = r;
  if (in && (!r->terminal || open_terminal(in))) return in;
  free(in);
  return ln_fail(err, "memory", LN_AGAIN, "no memory for a prompt"), NULL;
}

void ln_input_close(ln_input *in) {
  HistEvent e;
  if (!in) return;
  if (in->history && in->path) history(in->history, &e, H_SAVE, in->path);
  if (in->el) el_end(in->el);
  if (in->history) history_end(in->history);
  free(in->path);
  free(in->plain);
  free(in);
}

static ln_typed edited(ln_input *in, ln_str *line) {
  HistEvent e;
  int n = 0;
  in->dropped = false;
  const char *text = el_gets(in->el, &n);
  if (in->dropped) return fputs("^C\n", stdout), LN_TYPED_DROPPED;
  if (!text || n <= 0) return putchar('\n'), LN_TYPED_END;
  if (ln_str_trim((ln_str){text, (size_t)n}).n && in->history) history(in->history, &e, H_ENTER, text);
  *line = (ln_str){text, (size_t)n - (text[n - 1] == '\n')};
  return LN_TYPED_LINE;
}

ln_typed ln_input_line(ln_input *in, const char *prompt, ln_str *line) {
  in->prompt = prompt;
  if (in->el) return edited(in, line);
  ssize_t n = getline(&in->plain, &in->cap, stdin);
  if (n < 0) return LN_TYPED_END;
  *line = (ln_str){in->plain, (size_t)n - (n && in->plain[n - 1] == '\n')};
  return LN_TYPED_LINE;
}

/* ------------------------------------------------------------------ showing */

static bool window(struct winsize *w) {
  return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, w) == 0 && w->ws_col > 0;
}

/* Elsewhere than at a terminal it is what $COLUMNS says. */
int ln_repl_columns(void) {
  struct winsize w;
  const char *said = getenv("COLUMNS");
  long n = said ? strtol(said, NULL, 10) : 0;
  return window(&w) ? w.ws_col : n > 0 && n <= COLUMNS_MOST ? (int)n : COLUMNS;
}

/* Where the first `rows` rows of a screen end: a line takes as many as it needs. */
static size_t page_end(ln_str s, int rows, int columns) {
  int column = 0;
  for (size_t i = 0; i < s.n; i++) {
    bool begins = ((unsigned char)s.p[i] & 0xc0) != 0x80; /* a character, not its further bytes */
    if (s.p[i] == '\n') {
      if (--rows == 0) return i + 1;
      column = 0;
    } else if (begins && column++ == columns) {
      if (--rows == 0) return i;
      column = 1;
    }
  }
  return s.n;
}

static void put_page(ln_str *rest, int rows, int columns) {
  size_t n = page_end(*rest, rows, columns);
  ln_app_put_lines(stdout, (ln_str){rest->p, n});
  *rest = (ln_str){rest->p + n, rest->n - n};
  if (rest->n && n && rest->p[-1] != '\n') putchar('\n'); /* within a line that is wider than the screen */
}

static size_t count_lines(ln_str s) {
  size_t n = s.n > 0;
  for (size_t i = 0; i + 1 < s.n; i++) n += s.p[i] == '\n';
  return n;
}

/* Enter shows the next page, anything else ends. */
static bool wants_more(size_t lines, int columns) {
  char answer[64];
  printf("-- %zu more lines%s --", lines, columns < 60 ? "" : ": Enter shows them, q leaves");
  fflush(stdout);
  return ln_app_await_input() && fgets(answer, sizeof answer, stdin) && answer[0] == '\n';
}

void ln_repl_put(const ln_repl *r, ln_str text) {
  struct winsize w;
  bool paged = r->terminal && window(&w) && w.ws_row > 3;
  if (!text.n) return;
  if (paged) put_page(&text, w.ws_row - 2, w.ws_col);
  else put_page(&text, LINES_MOST, INT_MAX);
  while (paged && text.n && wants_more(count_lines(text), w.ws_col)) put_page(&text, w.ws_row - 2, w.ws_col);
  if (text.n && !paged) printf("… %zu more lines: look at a part of it\n", count_lines(text));
  fflush(stdout);
}
