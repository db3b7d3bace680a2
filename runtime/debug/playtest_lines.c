/* playtest_lines.c: see playtest_lines.h.  Hits are counted in memory that all children share. */
#include "debug/playtest_lines.h"

#include "engine/hostlib.h"
#include "engine/library.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

typedef struct looking {
  ln_engine *g;
  ln_str source;
  bool *code;
  size_t lines;
} looking;

static int l_look(lua_State *L) {
  looking *j = lua_touserdata(L, 1);
  lnL_host_require(L, j->g, "check.lines"); /* job module */
  lua_getfield(L, -1, "of");
  lua_pushlstring(L, j->source.p, j->source.n);
  lua_call(L, 1, 1); /* job module lines */
  for (lua_Integer i = 1; i <= luaL_len(L, -1); i++) {
    lua_geti(L, -1, i);
    lua_Integer line = lua_tointeger(L, -1);
    if (line > 0 && (size_t)line <= j->lines) j->code[line] = true;
    lua_pop(L, 1);
  }
  return 0;
}

static size_t count_lines(ln_str source) {
  size_t n = 1;
  for (size_t i = 0; i < source.n; i++) n += source.p[i] == '\n';
  return n;
}

static const char *from_here(const char *path) {
  char here[4096];
  size_t n = getcwd(here, sizeof here) ? strlen(here) : 0;
  return n && strncmp(path, here, n) == 0 && path[n] == '/' ? path + n + 1 : path;
}

static bool add(ln_coverage *c, ln_engine *g, ln_str source, ln_str path, ln_err *err) {
  looking j = {.g = g, .source = source, .lines = count_lines(source)};
  size_t bytes = (j.lines + 1) * sizeof(uint32_t);
  char *name = ln_str_dup(path);
  uint32_t *hits = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  c->code[c->n] = j.code = calloc(j.lines + 1, sizeof *j.code);
  if (!name || hits == MAP_FAILED || !j.code) {
    free(name);
    return ln_fail(err, "memory", LN_AGAIN, "no memory for coverage");
  }
  c->file[c->n] = from_here(name);
  c->v[c->n++] = (ln_lines){.path = ln_script_shown(name), .hits = hits, .lines = j.lines};
  return ln_host_run(g, l_look, &j, name, err);
}

bool ln_coverage_new(ln_coverage *c, ln_simset *s, ln_err *err) {
  ln_engine *g = &s->slot[0];
  size_t all = ln_snapshot_count(g->library);
  *c = (ln_coverage){.v = calloc(all + 1, sizeof *c->v),
                     .code = calloc(all + 1, sizeof *c->code),
                     .file = calloc(all + 1, sizeof *c->file)};
  if (!c->v || !c->code || !c->file) return ln_fail(err, "memory", LN_AGAIN, "no memory for coverage");
  for (size_t i = 0; i < all; i++) {
    ln_str source, path;
    if (!ln_snapshot_source(g->library, ln_snapshot_name(g->library, i), &source, &path, err)) return false;
    if (ln_config_is_script(s->config, path) && !add(c, g, source, path, err)) return false;
  }
  return true;
}

static bool is_missed(const ln_coverage *c, size_t i, size_t line) {
  return c->code[i][line] && !c->v[i].hits[line];
}

/* Lines without code do not part those around them. */
void ln_coverage_missed(const ln_coverage *c, size_t i, ln_buf *out, size_t *missed, size_t *all) {
  size_t from = 0, to = 0;
  *missed = *all = 0;
  for (size_t line = 1; line <= c->v[i].lines + 1; line++) {
    bool end = line > c->v[i].lines, code = !end && c->code[i][line], miss = code && is_missed(c, i, line);
    *all += code;
    *missed += miss;
    if (miss && !from) from = line;
    if (miss) to = line;
    if (!from || miss || !(code || end)) continue;
    if (out->n) ln_buf_addz(out, ", ");
    if (from == to) ln_buf_addf(out, "%zu", from);
    else ln_buf_addf(out, "%zu-%zu", from, to);
    from = 0;
  }
}

void ln_coverage_lcov(const ln_coverage *c, ln_buf *out) {
  for (size_t i = 0; i < c->n; i++) {
    size_t found = 0, hit = 0;
    ln_buf_addf(out, "TN:\nSF:%s\n", c->file[i]);
    for (size_t line = 1; line <= c->v[i].lines; line++) {
      if (!c->code[i][line]) continue;
      found++;
      hit += c->v[i].hits[line] > 0;
      ln_buf_addf(out, "DA:%zu,%u\n", line, c->v[i].hits[line]);
    }
    ln_buf_addf(out, "LF:%zu\nLH:%zu\nend_of_record\n", found, hit);
  }
}
