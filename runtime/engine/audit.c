/* audit.c: checkpoints, verification and export of the audit.
**
** A checkpoint is an Ed25519 signature of "lunette audit checkpoint 1", the number and the hash of the last
** record and the time, each on a line.  It leaves the machine as one line of text, in the log and in a file
** that somebody carries away: what was signed there can be neither changed nor cut off afterwards, whoever
** has got hold of the store and of the key.  The line has key=value pairs after the word audit.checkpoint (or
** is JSON), so that a log with other things around is as good as the file.  Other lines of a log have texts
** of strangers in them, so the word counts only where the line's own event is. */
#include "engine/audit.h"

#include "base/folder.h"
#include "base/log.h"
#include "base/sign.h"
#include "base/units.h"
#include "engine/hostlib.h"
#include "engine/keyfile.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
  HEX = 2 * LN_SHA256,
  SIGNATURE = 64,
  LINE_BYTES = 4096,
  RECORDS = 256, /* so many since the last checkpoint, or so much time, call for the next */
  EVERY_MS = 3600000,
  LOOK_MS = 60000
};

#define WORD LN_STR("audit.checkpoint")

/* ------------------------------------------------------------------ the key */

static bool key_path(const ln_engine *g, ln_buf *path, ln_err *err) {
  ln_str named = g->config ? g->config->audit_key : (ln_str){NULL, 0};
  ln_buf_init(path, 1 << 14);
  if (named.n) ln_buf_add(path, named);
  else ln_buf_addf(path, "%s.audit.key", ln_store_path(g->store));
  return ln_buf_addc(path, '\0') || ln_buf_ok(path, err);
}

/* A simulated disk has no key file, and proves nothing to anybody: its key follows from its name. */
static bool simulated_key(const ln_engine *g, uint8_t key[LN_KEY], ln_err *err) {
  return ln_sha256_2(LN_STR("simulated audit"), ln_str_of(ln_store_path(g->store)), key) ||
         ln_fail(err, "store", LN_FINAL, "OpenSSL cannot do SHA-256");
}

static bool make_key(const ln_engine *g, const char *path, const char *what, ln_buf *text, ln_err *err) {
  uint8_t key[LN_KEY];
  bool made, missing;
  bool ok = ln_key_new(key, text, err) &&
            ln_keyfile_make(path, ln_store_path(g->store), what, ln_buf_view(text), &made, err);
  OPENSSL_cleanse(key, sizeof key);
  if (!ok || made) return ok;
  ln_buf_cut(text, 0); /* another process was first */
  return ln_keyfile_read(path, what, false, text, &missing, err);
}

/* The signing key; OPENSSL_cleanse it.  *missing: there is none, and it was not to be made. */
static bool get_key(const ln_engine *g, bool make, uint8_t key[LN_KEY], bool *missing, ln_err *err) {
  static const char what[] = "the audit's key file";
  ln_buf path, text;
  *missing = false;
  if (ln_store_simulated(g->store)) return simulated_key(g, key, err);
  ln_buf_init(&text, LINE_BYTES + 1);
  bool ok = key_path(g, &path, err) && (ln_keyfile_read(path.p, what, false, &text, missing, err) ||
                                        (*missing && make && make_key(g, path.p, what, &text, err)));
  if (ok && !ln_key_of(ln_buf_view(&text), key))
    ok = ln_fail(err, "store", LN_FINAL, "%s %s does not hold 64 hexadecimal digits: put the right one back",
                 what, path.p);
  ln_buf_wipe(&text);
  ln_buf_free(&path);
  return ok;
}

static bool signer_of(const uint8_t key[LN_KEY], char hex[HEX + 1], ln_err *err) {
  uint8_t public[LN_KEY];
  if (!ln_ed25519_public(key, public)) return ln_fail(err, "store", LN_FINAL, "OpenSSL cannot do Ed25519");
  ln_hex(public, sizeof public, hex);
  return true;
}

/* ------------------------------------------------------------------ a checkpoint as text */

static void put_signed(const ln_checkpoint *c, ln_buf *out) {
  ln_buf_init(out, LINE_BYTES);
  ln_buf_addf(out, "lunette audit checkpoint 1\n%lld\n%.*s\n%lld\n", (long long)c->seq, LN_STR_ARG(c->hash),
              (long long)c->ms);
}

static void put_line(const ln_checkpoint *c, ln_buf *out) {
  ln_buf_addf(out, "%.*s seq=%lld hash=%.*s ms=%lld signer=%.*s signature=%.*s", LN_STR_ARG(WORD),
              (long long)c->seq, LN_STR_ARG(c->hash), (long long)c->ms, LN_STR_ARG(c->signer),
              LN_STR_ARG(c->signature));
}

static bool number_of(ln_str s, int64_t *out) {
  char text[LN_INT_TEXT], *end;
  if (!s.n || s.n >= sizeof text) return false;
  memcpy(text, s.p, s.n);
  text[s.n] = '\0';
  errno = 0;
  *out = strtoll(text, &end, 10);
  return !*end && !errno && *out >= 0;
}

/* The digits of a member: name=DIGITS, or, where the log is JSON, "name":DIGITS or "name":"DIGITS". */
static ln_str member(ln_str line, const char *name) {
  char forms[2][24];
  snprintf(forms[0], sizeof forms[0], " %s=", name);
  snprintf(forms[1], sizeof forms[1], "\"%s\":", name);
  for (int i = 0; i < 2; i++) {
    ptrdiff_t at = ln_str_find(line, ln_str_of(forms[i]));
    if (at < 0) continue;
    size_t from = (size_t)at + strlen(forms[i]), n = 0;
    if (from < line.n && line.p[from] == '"') from++;
    while (from + n < line.n && isxdigit((unsigned char)line.p[from + n])) n++;
    return (ln_str){line.p + from, n};
  }
  return (ln_str){NULL, 0};
}

/* What follows the word, where the line is of that event: at its start, or behind the first "event" of it, as
** the log writes it (in a text that it quotes a quote has a backslash before it).  NULL: it is of another. */
static ln_str after_word(ln_str line) {
  static const char *const forms[] = {" event=", "\"event\":\""};
  ln_str event = line;
  for (int i = 0; i < 2 && !ln_str_starts(line, WORD); i++) {
    ptrdiff_t at = ln_str_find(line, ln_str_of(forms[i]));
    size_t from = (size_t)at + strlen(forms[i]);
    if (at >= 0 && (event.p == line.p || line.p + from < event.p))
      event = (ln_str){line.p + from, line.n - from};
  }
  if (!ln_str_starts(event, WORD)) return (ln_str){NULL, 0};
  ln_str rest = {event.p + WORD.n, event.n - WORD.n};
  return !rest.n || rest.p[0] == ' ' || rest.p[0] == '"' ? rest : (ln_str){NULL, 0};
}

/* False: the line has none, or something that looks like one and is none (*damaged). */
static bool read_line(ln_str line, ln_checkpoint *c, bool *damaged) {
  ln_str rest = after_word(line);
  *damaged = false;
  if (!rest.p) return false;
  *c = (ln_checkpoint){.hash = member(rest, "hash"),
                       .signer = member(rest, "signer"),
                       .signature = member(rest, "signature")};
  *damaged = !number_of(member(rest, "seq"), &c->seq) || !number_of(member(rest, "ms"), &c->ms) ||
             c->seq < 1 || c->hash.n != HEX || c->signer.n != HEX || c->signature.n != 2 * SIGNATURE;
  return !*damaged;
}

static bool is_signed(const ln_checkpoint *c) {
  uint8_t signer[LN_KEY], signature[SIGNATURE];
  bool valid = false;
  ln_buf text;
  if (!ln_unhex(c->signer, signer, sizeof signer) || !ln_unhex(c->signature, signature, sizeof signature))
    return false;
  put_signed(c, &text);
  bool ok = !ln_buf_failed(&text) &&
            ln_verify(LN_STR("ed25519"), (ln_str){(const char *)signer, sizeof signer}, ln_buf_view(&text),
                      (ln_str){(const char *)signature, sizeof signature}, &valid, NULL);
  ln_buf_free(&text);
  return ok && valid;
}

/* ------------------------------------------------------------------ making one */

typedef struct making {
  ln_checkpoint c;
  char hash[HEX + 1], signer[HEX + 1], signature[2 * SIGNATURE + 1];
} making;

static bool sign(const uint8_t key[LN_KEY], making *m, ln_err *err) {
  ln_buf text, signature;
  put_signed(&m->c, &text);
  ln_buf_init(&signature, LINE_BYTES);
  bool ok = ln_buf_ok(&text, err) && ln_sign(LN_STR("ed25519"), (ln_str){(const char *)key, LN_KEY},
                                             ln_buf_view(&text), &signature, err);
  if (ok) ln_hex((const uint8_t *)signature.p, SIGNATURE, m->signature);
  ln_buf_free(&signature);
  ln_buf_free(&text);
  return ok;
}

static bool apply_kept(ln_tx *tx, void *arg, ln_err *err) {
  const making *m = arg;
  return ln_tx_checkpoint_put(tx, &m->c, err);
}

/* Is there something that nobody ended, since the disk was full or the power went? */
static bool is_torn(int fd) {
  char last;
  off_t n = lseek(fd, 0, SEEK_END);
  return n > 0 && pread(fd, &last, 1, n - 1) == 1 && last != '\n';
}

/* Makes it, where it is not there yet: then it is the store's owner's. */
static int open_checkpoints(const char *file, const char *store) {
  int flags = O_RDWR | O_APPEND | O_CLOEXEC | O_NOCTTY, fd = open(file, flags | O_CREAT | O_EXCL, 0644);
  if (fd < 0) return errno == EEXIST ? open(file, flags) : -1;
  if (ln_give_away(fd, store)) return fd;
  close(fd);
  return -1;
}

/* Only ever added to, and on disk when this returns.  A line begins as one whatever is before it. */
static bool append(const ln_engine *g, ln_str file, ln_str line, ln_err *err) {
  ln_buf b;
  ln_buf_init(&b, LINE_BYTES + 3);
  int fd = open_checkpoints(file.p, ln_store_path(g->store));
  bool whole =
      (fd < 0 || !is_torn(fd) || ln_buf_addc(&b, '\n')) && ln_buf_add(&b, line) && ln_buf_addc(&b, '\n');
  bool ok = fd >= 0 && whole && write(fd, b.p, b.n) == (ssize_t)b.n && fsync(fd) == 0;
  int why = errno;
  if (fd >= 0) close(fd);
  ln_buf_free(&b);
  return ok || ln_fail(err, "store", LN_FINAL, "the audit's checkpoints cannot be appended to %s: %s", file.p,
                       strerror(why));
}

/* It leaves before it is kept: one that was kept alone would never leave. */
static bool publish(ln_engine *g, ln_level level, making *m, ln_buf *line, ln_err *err) {
  ln_str file = g->config ? g->config->audit_checkpoints : (ln_str){NULL, 0};
  put_line(&m->c, line);
  if (!ln_buf_ok(line, err)) return false;
  ln_log(level, "audit.checkpoint", "seq=%lld hash=%.*s ms=%lld signer=%.*s signature=%.*s",
         (long long)m->c.seq, LN_STR_ARG(m->c.hash), (long long)m->c.ms, LN_STR_ARG(m->c.signer),
         LN_STR_ARG(m->c.signature));
  return (!file.n || append(g, file, ln_buf_view(line), err)) && ln_writer_run(g->store, apply_kept, m, err);
}

static bool make(ln_engine *g, ln_level level, ln_buf *line, bool *made, ln_err *err) {
  uint8_t key[LN_KEY];
  bool missing;
  ln_audit_head head;
  making m = {.c = {.ms = ln_now_ms(g->loop->clock)}};
  *made = false;
  if (!ln_store_audit_head(g->store, &head, err)) return false;
  if (head.seq == 0 || head.seq == head.checked_seq) return true;
  ln_hex(head.hash, LN_SHA256, m.hash);
  m.c.seq = head.seq;
  m.c.hash = (ln_str){m.hash, HEX};
  bool ok = get_key(g, true, key, &missing, err) && signer_of(key, m.signer, err) && sign(key, &m, err);
  OPENSSL_cleanse(key, sizeof key);
  m.c.signer = (ln_str){m.signer, HEX};
  m.c.signature = (ln_str){m.signature, 2 * SIGNATURE};
  *made = ok && publish(g, level, &m, line, err);
  return *made;
}

bool ln_audit_checkpoint(ln_engine *g, ln_buf *line, bool *made, ln_err *err) {
  return make(g, LN_INFO, line, made, err);
}

/* ------------------------------------------------------------------ while a store is served */

struct ln_audit_watch {
  ln_engine *g;
  ln_timer timer;
};

static void make_one(ln_engine *g) {
  ln_err err = {0};
  ln_buf line;
  bool made;
  ln_buf_init(&line, LINE_BYTES);
  if (!make(g, LN_PROOF, &line, &made, &err)) ln_log(LN_ERROR, "audit.unsigned", "error=%s", err.message);
  ln_buf_free(&line);
}

static void look(void *arg) {
  ln_audit_watch *w = arg;
  ln_audit_head h;
  ln_err quiet;
  int64_t now = ln_now_ms(w->g->loop->clock);
  if (ln_store_audit_head(w->g->store, &h, &quiet) && h.seq > h.checked_seq &&
      (h.seq - h.checked_seq >= RECORDS || now - h.checked_ms >= EVERY_MS))
    make_one(w->g);
  w->g->loop->timer(w->g->loop, &w->timer, LOOK_MS);
}

ln_audit_watch *ln_audit_watch_start(ln_engine *g, ln_err *err) {
  ln_audit_watch *w = calloc(1, sizeof *w);
  if (!w) return ln_fail(err, "memory", LN_AGAIN, "no memory to watch the audit"), NULL;
  w->g = g;
  w->timer = (ln_timer){.loop = g->loop, .fn = look, .arg = w};
  make_one(g);
  g->loop->timer(g->loop, &w->timer, LOOK_MS);
  return w;
}

void ln_audit_watch_stop(ln_audit_watch *w) {
  if (!w) return;
  w->g->loop->cancel(w->g->loop, &w->timer);
  make_one(w->g);
  free(w);
}

/* ------------------------------------------------------------------ is it whole? */

/* Checkpoints in the order of their records are gone through beside the records; those of a text come in any
** order, and are sorted first. */
typedef struct expected {
  int64_t seq;
  char hash[HEX + 1];
  bool outside;
} expected;

typedef struct verifying {
  const ln_audit_checks *how;
  ln_audit_state *out;
  char signer[HEX + 1]; /* whose checkpoints have to be; "": nobody known  */
  expected *v;
  size_t n, cap, at;
  uint8_t before[LN_SHA256];
  int64_t next;
  bool no_memory;
} verifying;

static void fault(verifying *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void fault(verifying *v, const char *fmt, ...) {
  char text[LINE_BYTES];
  va_list ap;
  va_start(ap, fmt);
  vsnprintf(text, sizeof text, fmt, ap);
  va_end(ap);
  v->out->faults++;
  if (v->how->fault) v->how->fault(v->how->arg, ln_str_of(text));
}

static bool expect(verifying *v, const ln_checkpoint *c, bool outside) {
  if (v->n == v->cap) {
    size_t cap = v->cap ? 2 * v->cap : 64;
    expected *grown = realloc(v->v, cap * sizeof *grown);
    if (!grown) return v->no_memory = true, false;
    v->v = grown;
    v->cap = cap;
  }
  expected *e = &v->v[v->n++];
  *e = (expected){.seq = c->seq, .outside = outside};
  snprintf(e->hash, sizeof e->hash, "%.*s", LN_STR_ARG(c->hash));
  return true;
}

static bool take_checkpoint(verifying *v, const ln_checkpoint *c, bool outside) {
  v->out->checkpoints++;
  if (!v->signer[0]) snprintf(v->signer, sizeof v->signer, "%.*s", LN_STR_ARG(c->signer));
  if (!ln_str_ieq(c->signer, ln_str_of(v->signer)))
    fault(v, "the checkpoint of record %lld was signed by %.*s, not by %s", (long long)c->seq,
          c->signer.n > HEX ? HEX : (int)c->signer.n, c->signer.p, v->signer);
  else if (!is_signed(c))
    fault(v, "the checkpoint of record %lld is not what its signer signed", (long long)c->seq);
  else return expect(v, c, outside);
  return true;
}

static bool take_kept(void *arg, const ln_checkpoint *c) { return take_checkpoint(arg, c, false); }

static void take_lines(verifying *v) {
  ln_str rest = v->how->lines, line;
  ln_checkpoint c;
  bool damaged, some = false;
  int64_t n = 0;
  while (rest.n) {
    ln_str_cut(rest, '\n', &line, &rest);
    n++;
    if (read_line(line, &c, &damaged)) take_checkpoint(v, &c, true);
    else if (damaged) fault(v, "line %lld of the checkpoints is damaged", (long long)n);
    else continue;
    some = true;
  }
  if (v->how->lines.n && !some) fault(v, "there is no checkpoint in what was given as such");
}

static int by_seq(const void *a, const void *b) {
  const expected *x = a, *y = b;
  return x->seq < y->seq ? -1 : x->seq > y->seq;
}

static const char *whose(const expected *e) { return e->outside ? "that left" : "that the store keeps"; }

static void compare(verifying *v, const ln_audit_row *r, const char *hash) {
  for (; v->at < v->n && v->v[v->at].seq <= r->seq; v->at++) {
    const expected *e = &v->v[v->at];
    if (e->seq < r->seq) continue; /* that record is missing, as was said */
    if (strcmp(e->hash, hash) != 0)
      fault(v, "up to record %lld it is not what a checkpoint %s was made of", (long long)e->seq, whose(e));
  }
}

static bool take_record(void *arg, const ln_audit_row *r) {
  verifying *v = arg;
  uint8_t hash[LN_SHA256];
  if (r->seq > v->next && r->seq == v->next + 1) fault(v, "record %lld is missing", (long long)v->next);
  else if (r->seq > v->next)
    fault(v, "records %lld to %lld are missing", (long long)v->next, (long long)r->seq - 1);
  if (!ln_audit_hash(v->before, r, hash)) return v->no_memory = true, false;
  if (memcmp(hash, r->hash, LN_SHA256) != 0)
    fault(v, "record %lld does not follow from the one before it: one of the two was changed or moved",
          (long long)r->seq);
  v->out->records++;
  v->next = r->seq + 1;
  memcpy(v->before, r->hash, LN_SHA256);
  ln_hex(r->hash, LN_SHA256, v->out->hash);
  compare(v, r, v->out->hash);
  return true;
}

static bool our_signer(ln_engine *g, verifying *v, ln_err *err) {
  uint8_t key[LN_KEY];
  bool missing;
  if (v->how->signer.n) {
    snprintf(v->signer, sizeof v->signer, "%.*s", LN_STR_ARG(v->how->signer));
    for (char *c = v->signer; *c; c++) *c = (char)tolower((unsigned char)*c);
    return true;
  }
  bool ok = get_key(g, false, key, &missing, err);
  if (!ok && missing) return true; /* then whoever signed first */
  ok = ok && signer_of(key, v->signer, err);
  OPENSSL_cleanse(key, sizeof key);
  return ok;
}

bool ln_audit_verify(ln_engine *g, const ln_audit_checks *c, ln_audit_state *out, ln_err *err) {
  verifying v = {.how = c, .out = out, .next = 1};
  *out = (ln_audit_state){.records = 0};
  bool ok = our_signer(g, &v, err) && ln_store_checkpoints(g->store, take_kept, &v, err);
  if (ok) take_lines(&v);
  if (v.n) qsort(v.v, v.n, sizeof *v.v, by_seq);
  ok = ok && ln_store_audit(g->store, 0, 0, take_record, &v, err);
  for (; ok && v.at < v.n; v.at++)
    fault(&v, "it ends at record %lld, and a checkpoint %s knows record %lld: the end was cut off",
          (long long)v.next - 1, whose(&v.v[v.at]), (long long)v.v[v.at].seq);
  free(v.v);
  memcpy(out->signer, v.signer, sizeof out->signer);
  return ok && (!v.no_memory || ln_fail(err, "memory", LN_AGAIN, "no memory to verify the audit"));
}

/* ------------------------------------------------------------------ out of it */

static void put_text(ln_json *j, const char *key, ln_str v) {
  ln_json_key(j, ln_str_of(key));
  ln_json_str(j, v);
}

void ln_audit_put(const ln_audit_row *r, ln_json *j) {
  char hash[HEX + 1], at[LN_TIME_TEXT];
  ln_hex(r->hash, LN_SHA256, hash);
  ln_format_time(r->ms, at);
  ln_json_open(j, '{');
  put_text(j, "detail", r->detail);
  put_text(j, "hash", (ln_str){hash, HEX});
  ln_json_key(j, LN_STR("ms"));
  ln_json_int(j, r->ms);
  put_text(j, "run", r->ulid);
  ln_json_key(j, LN_STR("run_id"));
  ln_json_int(j, r->run);
  ln_json_key(j, LN_STR("seq"));
  ln_json_int(j, r->seq);
  put_text(j, "time", ln_str_of(at));
  put_text(j, "what", r->what);
  put_text(j, "who", r->who);
  ln_json_close(j, '}');
}

typedef struct exporting {
  ln_engine *g;
  bool raw, ok;
  ln_audit_line_fn fn;
  void *arg;
  ln_err *err;
  ln_buf line, record;
} exporting;

static int l_event(lua_State *L) {
  exporting *x = lua_touserdata(L, 1);
  ln_str s;
  lnL_host_require(L, x->g, "ocsf"); /* job ocsf */
  lua_getfield(L, -1, "event");      /* job ocsf event */
  lnL_decode(L, ln_buf_view(&x->record));
  lua_call(L, 1, 1); /* job ocsf json */
  s.p = luaL_checklstring(L, -1, &s.n);
  ln_buf_add(&x->line, s);
  return 0;
}

/* The record as an OCSF event, into x->line. */
static bool to_event(exporting *x, const ln_audit_row *r) {
  ln_buf json;
  ln_json j;
  ln_buf_init(&json, (size_t)64 << 20);
  ln_json_init(&j, &json);
  ln_audit_put(r, &j);
  ln_buf_cut(&x->record, 0);
  bool ok = ln_buf_ok(&json, x->err) && ln_host_json(x->g->host, ln_buf_view(&json), &x->record, x->err) &&
            ln_host_run(x->g, l_event, x, "the record cannot be exported", x->err);
  ln_buf_free(&json);
  return ok;
}

static bool export_one(void *arg, const ln_audit_row *r) {
  exporting *x = arg;
  ln_json j;
  ln_buf_cut(&x->line, 0);
  ln_json_init(&j, &x->line);
  if (x->raw) ln_audit_put(r, &j);
  x->ok = (x->raw || to_event(x, r)) && ln_buf_ok(&x->line, x->err);
  return x->ok && x->fn(x->arg, ln_buf_view(&x->line));
}

bool ln_audit_export(ln_engine *g, int64_t since_ms, bool raw, ln_audit_line_fn fn, void *arg, ln_err *err) {
  exporting x = {.g = g, .raw = raw, .ok = true, .fn = fn, .arg = arg, .err = err};
  ln_buf_init(&x.line, (size_t)64 << 20);
  ln_buf_init(&x.record, (size_t)64 << 20);
  bool ok = ln_store_audit(g->store, 0, since_ms, export_one, &x, err) && x.ok;
  ln_buf_free(&x.record);
  ln_buf_free(&x.line);
  return ok;
}

/* ------------------------------------------------------------------ the configuration */

typedef struct configured {
  ln_str by;
  int64_t ms;
  ln_buf detail;
} configured;

static bool apply_configured(ln_tx *tx, void *arg, ln_err *err) {
  const configured *c = arg;
  return ln_tx_audit(tx, c->ms, LN_STR("configuration"), c->by, 0, ln_buf_view(&c->detail), err);
}

/* The hash of the file as it is now; "" : there is none, or it cannot be read any more. */
static void file_hash(const char *path, char hex[HEX + 1]) {
  uint8_t sum[LN_SHA256];
  ln_buf b;
  ssize_t n = 1;
  int fd = *path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  ln_buf_init(&b, 16 << 20);
  for (char *to; fd >= 0 && n > 0 && (to = ln_buf_room(&b, 65536)) && (n = read(fd, to, 65536)) > 0;)
    ln_buf_grew(&b, (size_t)n);
  hex[0] = '\0';
  if (fd >= 0 && n == 0 && ln_sha256(ln_buf_view(&b), sum)) ln_hex(sum, sizeof sum, hex);
  if (fd >= 0) close(fd);
  ln_buf_wipe(&b);
}

bool ln_audit_configured(ln_engine *g, ln_str by, ln_err *err) {
  char hash[HEX + 1];
  ln_json j;
  configured c = {.by = by, .ms = ln_now_ms(g->loop->clock)};
  file_hash(g->config->file.p, hash);
  ln_buf_init(&c.detail, 1 << 16);
  ln_json_init(&j, &c.detail);
  ln_json_open(&j, '{');
  put_text(&j, "file", g->config->file);
  put_text(&j, "sha256", ln_str_of(hash));
  ln_json_close(&j, '}');
  bool ok = ln_buf_ok(&c.detail, err) && ln_writer_run(g->store, apply_configured, &c, err);
  ln_buf_free(&c.detail);
  return ok;
}
