/* http_fuzz.c: bytes on a connection to the HTTP side of a process that serves a store: the server, who
** may do what, the routes and their handlers, the store.  Everything is what runs in production, but for
** the thread of the store's writer, which is a task of the loop here, so that the same bytes do the same.
**
** A byte 1E parts what is sent at once from what comes after a while.  {viewer}, {operator}, {approver}
** and {admin} stand for tokens of these roles, {hook} for the token of a source, {now} for the time,
** {sign} for the signature of what comes after the next blank line, and {sign now} for that with the time
** before it.
**
** What must hold: what is answered is HTTP, nothing fails within (500), nobody is let in without one of
** these, and no answer holds a secret.  With $FUZZ_SHOW what was answered is shown. */
#include "base/digest.h"
#include "base/log.h"
#include "cli/app.h"
#include "engine/timing.h"
#include "server/serve.h"
#include "server/token.h"
#include "tests/fuzz/fuzz.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ftw.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ROLES = 4, WORLD_AGE = 2000, QUIET = 12, AFTER = 4, MOST = 64 << 10 };
#define SIGNS "the secret of what signs"
#define HOOK "the-token-of-the-hook"

static struct {
  char folder[64];
  ln_app app;
  ln_service *s;
  struct sockaddr_in at;
  char token[ROLES][LN_TOKEN_TEXT + 1];
  int age;                                               /* requests that it has seen; 0: there is none     */
} world;

static const char *const roles[ROLES] = {"viewer", "operator", "approver", "admin"};

#define CONF                                                                                                 \
  "return { store = 'sqlite:%s/a.db', scripts = { '%s/scripts' }, stdlib = { 'stdlib' },\n"                  \
  "  listen = '127.0.0.1:0', intake = { sources = {\n"                                                       \
  "    edr   = { secret = secret 'edr', header = 'X-Signature', prefix = 'sha256=',\n"                   \
  "              signs = '{body}' },\n"                                                                   \
  "    timed = { secret = secret 'edr', header = 'X-Signature', time = 'X-Time' },\n"                        \
  "    hooks = { token = secret 'hook', header = 'Authorization', challenge = 'X-Challenge' } } } }\n"
static const char script[] =
    "return playbook { name = 'p', summary = 's', uses = {}, input = { n = 'integer = 1' },\n"
    "  run = function(input) if input.n == 1 then return 1 end return await_signal('go') end }\n";

/* ------------------------------------------------------------------ the world */

static void write_text(const char *name, const char *text) {
  char path[128];
  snprintf(path, sizeof path, "%s/%s", world.folder, name);
  FILE *f = fopen(path, "w");
  must(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at) {
  (void)st, (void)kind, (void)at;
  return remove(path);
}

static void open_store(ln_engine *g) {
  ln_err err = {0};
  const ln_store_opts o = {.clock = g->loop->clock};
  must(g->store = ln_store_open(g->config->store, &o, &err));
  must(ln_writer_start(g->store, g->loop, &err));
  must(g->vault = ln_vault_open(g->store, NULL, &err));
  must(g->owner = ln_owner_take(g->store, ln_rand_real(), ln_now_ms(g->loop->clock), &err));
  must(ln_timing_begin(g, true, &err));
}

static void make_tokens(ln_store *s) {
  ln_err err = {0};
  ln_buf b;
  for (int i = 0; i < ROLES; i++) {
    ln_buf_init(&b, 256);
    must(ln_token_add(s, ln_str_of(roles[i]), ln_role_of(ln_str_of(roles[i])), 0, LN_STR("fuzz"), &b, &err));
    snprintf(world.token[i], sizeof world.token[i], "%.*s", LN_STR_ARG(ln_buf_view(&b)));
    ln_buf_free(&b);
  }
}

static void find_port(void) {
  ln_buf b;
  ln_buf_init(&b, 256);
  ln_service_where(world.s, &b);
  ln_buf_addc(&b, '\0');
  const char *colon = b.p ? strrchr(b.p, ':') : NULL;
  must(colon);
  world.at = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(colon + 1))};
  world.at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ln_buf_free(&b);
}

static void begin_world(void) {
  char path[128], conf[1024];
  ln_err err = {0};
  ln_app_opts o = {.config = path, .no_store = true};
  const ln_service_opts so = {.fd = 0};
  const char *where = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
  snprintf(world.folder, sizeof world.folder, "%s/lunette-fuzz-XXXXXX", where);
  must(mkdtemp(world.folder));
  snprintf(path, sizeof path, "%s/scripts", world.folder);
  must(mkdir(path, 0700) == 0);
  write_text("scripts/p.lua", script);
  snprintf(conf, sizeof conf, CONF, world.folder, world.folder);
  write_text("conf.lua", conf);
  snprintf(path, sizeof path, "%s/conf.lua", world.folder);
  setenv("LUNETTE_SECRET_EDR", SIGNS, 1);
  setenv("LUNETTE_SECRET_HOOK", HOOK, 1);
  if (!ln_app_open(&world.app, &o, &err)) fprintf(stderr, "%s\n", err.message), abort();
  ln_log_level(LN_ERROR);
  open_store(&world.app.g);
  make_tokens(world.app.g.store);
  must(world.s = ln_service_start(&world.app.g, &so, &err));
  find_port();
}

static void end_world(void) {
  if (!world.age) return;
  ln_service_stop(world.s);
  ln_app_close(&world.app);
  nftw(world.folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
  world.age = 0;
}

/* ------------------------------------------------------------------ what is sent */

static bool put_word(ln_buf *out, const char *now, ln_str *rest) {
  const struct { ln_str word, text; } words[] = {{LN_STR("{viewer}"), ln_str_of(world.token[0])},
                                                 {LN_STR("{operator}"), ln_str_of(world.token[1])},
                                                 {LN_STR("{approver}"), ln_str_of(world.token[2])},
                                                 {LN_STR("{admin}"), ln_str_of(world.token[3])},
                                                 {LN_STR("{hook}"), LN_STR(HOOK)},
                                                 {LN_STR("{now}"), ln_str_of(now)}};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    if (!ln_str_starts(*rest, words[i].word)) continue;
    ln_buf_add(out, words[i].text);
    rest->p += words[i].word.n;
    rest->n -= words[i].word.n;
    return true;
  }
  return false;
}

/* The first `word`; what is signed is `head` and the body. */
static void sign(ln_buf *text, ln_str word, const char *head) {
  uint8_t mac[LN_DIGEST_MAX];
  char hex[2 * LN_DIGEST_MAX + 1];
  size_t n;
  ln_err err;
  ln_str all = ln_buf_view(text);
  ptrdiff_t at = ln_str_find(all, word);
  if (at < 0) return;
  ln_str tail = {all.p + at + word.n, all.n - (size_t)at - word.n};
  ptrdiff_t blank = ln_str_find(tail, LN_STR("\r\n\r\n"));
  ln_buf out;
  ln_buf_init(&out, 2 * MOST);
  ln_buf_addz(&out, head);
  if (blank >= 0) ln_buf_add(&out, (ln_str){tail.p + blank + 4, tail.n - (size_t)blank - 4});
  must(ln_hmac(LN_STR("sha256"), LN_STR(SIGNS), ln_buf_view(&out), mac, &n, &err));
  ln_hex(mac, n, hex);
  ln_buf_cut(&out, 0);
  ln_buf_add(&out, (ln_str){all.p, (size_t)at});
  ln_buf_addz(&out, hex);
  ln_buf_add(&out, tail);
  ln_buf_free(text);
  *text = out;
}

static void spell_out(ln_str in, ln_buf *out) {
  char now[32], dot[34];
  snprintf(now, sizeof now, "%lld", (long long)(ln_now_ms(world.app.g.loop->clock) / 1000));
  snprintf(dot, sizeof dot, "%s.", now);
  while (in.n)
    if (!put_word(out, now, &in)) ln_buf_addc(out, in.p[0]), in.p++, in.n--;
  sign(out, LN_STR("{sign}"), "");
  sign(out, LN_STR("{sign now}"), dot);
}

/* ------------------------------------------------------------------ a connection */

typedef struct talk { int fd, quiet; ln_str rest, piece; ln_buf answer; bool over; } talk;

static bool send_some(talk *t) {
  if (!t->piece.n) return false;
  ssize_t k = send(t->fd, t->piece.p, t->piece.n, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (k < 0) return t->piece.n = 0, false;
  t->piece.p += k;
  t->piece.n -= (size_t)k;
  return true;
}

static bool read_some(talk *t) {
  char room[16384];
  ssize_t k = t->over ? -1 : recv(t->fd, room, sizeof room, MSG_DONTWAIT);
  if (k == 0 || (k < 0 && errno != EAGAIN && errno != EINTR)) t->over = true;
  if (k > 0) ln_buf_add(&t->answer, (ln_str){room, (size_t)k});
  return k > 0;
}

/* A turn of the loop: once it is quiet the next piece is sent, or it is over. */
static void turn(void *arg) {
  talk *t = arg;
  ln_loop *l = world.app.g.loop;
  bool moved = send_some(t);
  moved |= read_some(t);
  t->quiet = moved ? 0 : t->quiet + 1;
  if (t->quiet > AFTER && t->rest.n) ln_str_cut(t->rest, '\x1e', &t->piece, &t->rest), t->quiet = 0;
  if (t->over || t->quiet > QUIET) l->stop(l);
  else must(ln_post(l, turn, t));
}

/* The peer sees a reset, also of what it has not been able to send. */
static void hang_up(talk *t) {
  const struct linger now = {.l_onoff = 1, .l_linger = 0};
  setsockopt(t->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  close(t->fd);
  t->fd = -1;
  t->over = false;
  t->quiet = 0;
  t->rest.n = t->piece.n = 0;
}

static void converse(ln_str text, ln_buf *answer) {
  talk t = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .rest = text};
  ln_loop *l = world.app.g.loop;
  must(t.fd >= 0 && connect(t.fd, (struct sockaddr *)&world.at, sizeof world.at) == 0);
  ln_buf_init(&t.answer, 8 << 20);
  ln_str_cut(t.rest, '\x1e', &t.piece, &t.rest);
  must(ln_post(l, turn, &t));
  l->run(l);
  hang_up(&t);
  *answer = t.answer;
}

/* ------------------------------------------------------------------ what must hold */

static bool has(ln_str text, const char *what) { return ln_str_find(text, ln_str_of(what)) >= 0; }

static bool somebody_asks(ln_str sent) {
  for (int i = 0; i < ROLES; i++)
    if (has(sent, world.token[i])) return true;
  return has(sent, HOOK) || has(sent, "X-Challenge") || has(sent, "x-challenge");
}

static void look(ln_str sent, ln_str in, ln_str answer) {
  must(!answer.n || ln_str_starts(answer, LN_STR("HTTP/1.1 ")));
  must(!has(answer, SIGNS) && !has(answer, "HTTP/1.1 500 "));
  if (has(answer, "HTTP/1.1 202 ") || has(answer, "\"runs\":"))
    must(somebody_asks(sent) || has(in, "{sign"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  ln_buf text, answer;
  if (n > MOST) return -1;
  if (!world.age) {
    static bool once;
    if (!once) atexit(end_world), once = true;
    begin_world();
  }
  ln_buf_init(&text, 2 * MOST);
  spell_out(fuzz_str(data, n), &text);
  converse(ln_buf_view(&text), &answer);
  look(ln_buf_view(&text), fuzz_str(data, n), ln_buf_view(&answer));
  if (getenv("FUZZ_SHOW")) fwrite(answer.p, 1, answer.n, stderr);
  ln_buf_free(&text);
  ln_buf_free(&answer);
  if (++world.age > WORLD_AGE) end_world();
  return 0;
}
