/* travel_stop.c: breakpoints: where they may be, whether one stops a line, and what logpoints say. */
#include "debug/travel_lines.h"
#include "debug/travel_parts.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>

/* ------------------------------------------------------------------ setting */

/* The nearest line that has code, a later one first; 0: none. */
static int64_t nearest(const unsigned char *lines, size_t most, int64_t line) {
  int64_t best = 0;
  for (size_t i = 1; i <= most; i++) {
    if (!lines[i]) continue;
    int64_t far = llabs((int64_t)i - line), now = llabs(best - line);
    if (!best || far < now || (far == now && (int64_t)i > best)) best = (int64_t)i;
  }
  return best;
}

static bool has_code(ln_travel *t, size_t script, int64_t line, int64_t *near, ln_err *err) {
  ln_str source, path;
  size_t most;
  if (!travel_source(t, script, &source, &path, err)) return false;
  unsigned char *lines = ln_lua_lines(source, &most, err);
  if (!lines) return false;
  bool has = line > 0 && line <= (int64_t)most && lines[line];
  *near = has ? line : nearest(lines, most, line);
  free(lines);
  if (has) return true;
  if (!*near) return ln_fail(err, "no_code", LN_FINAL, "%s has no line with code", path.p);
  return ln_fail(err, "no_code", LN_FINAL, "%s:%lld has no code: the nearest line that has is %lld", path.p,
                 (long long)line, (long long)*near);
}

static bool is_expression(ln_str text, ln_err *err) {
  ln_buf b;
  ln_buf_init(&b, 1 << 20);
  ln_buf_addz(&b, "return ");
  ln_buf_add(&b, text);
  bool ok = ln_buf_ok(&b, err) && ln_lua_compiles(ln_buf_view(&b), err);
  ln_buf_free(&b);
  return ok;
}

/* Cuts a logpoint's text: what is said, and the expression after it ("" at the end).  False: nothing is
** left. */
static bool next_part(ln_str *rest, ln_str *said, ln_str *expression) {
  size_t i = 0, deep = 1, from;
  if (!rest->n) return false;
  while (i < rest->n && rest->p[i] != '{') i++;
  *said = (ln_str){rest->p, i};
  *expression = (ln_str){NULL, 0};
  if (i == rest->n) return rest->n = 0, true;
  for (from = ++i; i < rest->n && deep > 0; i++) deep += (rest->p[i] == '{') - (rest->p[i] == '}');
  *expression = (ln_str){rest->p + from, i - from - (deep == 0)};
  *rest = (ln_str){rest->p + i, rest->n - i};
  return true;
}

static bool check_texts(const ln_break *b, ln_err *err) {
  ln_str rest = b->log, said, expression;
  if (b->condition.n && !is_expression(b->condition, err)) return ln_err_prefix(err, "the condition");
  while (next_part(&rest, &said, &expression))
    if (expression.n && !is_expression(expression, err))
      return ln_err_prefix(err, "{%.*s}", LN_STR_ARG(expression));
  return true;
}

static void free_stop(travel_stop *s) { free(s->path), free(s->module), free(s->condition), free(s->log); }

static bool add_stop(ln_travel *t, const ln_break *b, size_t script, ln_err *err) {
  travel_stop *more = realloc(t->stops, (t->n_stops + 1) * sizeof *more);
  if (more) t->stops = more;
  travel_stop s = {.line = b->line,
                   .path = ln_str_dup(ln_str_of(ln_script_shown(ln_snapshot_path(t->scripts, script)))),
                   .module = ln_str_dup(ln_snapshot_name(t->scripts, script)),
                   .condition = ln_str_dup(b->condition),
                   .log = ln_str_dup(b->log)};
  if (more && s.path && s.module && s.condition && s.log) {
    s.id = ++t->last_id;
    t->stops[t->n_stops++] = s;
    return true;
  }
  free_stop(&s);
  return ln_fail(err, "memory", LN_AGAIN, "no memory for a breakpoint");
}

bool ln_travel_unbreak(ln_travel *t, int64_t id) {
  for (size_t i = 0; i < t->n_stops; i++) {
    if (t->stops[i].id != id) continue;
    free_stop(&t->stops[i]);
    memmove(&t->stops[i], &t->stops[i + 1], (--t->n_stops - i) * sizeof *t->stops);
    return true;
  }
  return false;
}

/* Of the last one's line: 0: there is no other. */
static int64_t same_line(const ln_travel *t) {
  const travel_stop *last = &t->stops[t->n_stops - 1];
  for (const travel_stop *s = t->stops; s < last; s++)
    if (s->line == last->line && strcmp(s->module, last->module) == 0) return s->id;
  return 0;
}

int64_t ln_travel_break(ln_travel *t, const ln_break *b, int64_t *near, ln_err *err) {
  size_t script = 0;
  *near = 0;
  if (!travel_script(t, b->file, &script, err) || !has_code(t, script, b->line, near, err) ||
      !check_texts(b, err) || !add_stop(t, b, script, err))
    return 0;
  ln_travel_unbreak(t, same_line(t));
  return t->last_id;
}

bool ln_travel_breaks(ln_travel *t, ln_buf *doc, ln_err *err) {
  size_t all = ln_v_begin(doc, 'A', t->n_stops);
  for (size_t i = 0; i < t->n_stops; i++) {
    const travel_stop *s = &t->stops[i];
    size_t mark = ln_v_begin(doc, 'O', 6);
    ln_doc_text(doc, "condition", ln_str_of(s->condition));
    ln_v_key(doc, LN_STR("id")), ln_v_int(doc, s->id);
    ln_v_key(doc, LN_STR("line")), ln_v_int(doc, s->line);
    ln_doc_text(doc, "log", ln_str_of(s->log));
    ln_doc_text(doc, "module", ln_str_of(s->module));
    ln_doc_text(doc, "path", ln_str_of(s->path));
    ln_v_end(doc, mark);
  }
  ln_v_end(doc, all);
  return ln_buf_ok(doc, err);
}

void travel_stops_free(ln_travel *t) {
  for (size_t i = 0; i < t->n_stops; i++) free_stop(&t->stops[i]);
  for (size_t i = 0; i < t->n_bodies; i++) free(t->bodies[i].path), free(t->bodies[i].step);
  free(t->stops);
  free(t->bodies);
}

/* ------------------------------------------------------------------ at a line */

static void frame_here(lua_State *L, travel_frame *f) { *f = (travel_frame){.co = L, .level = 0}; }

static void say(ln_travel *t, const travel_stop *s, const travel_frame *f) {
  ln_str rest = ln_str_of(s->log), said, expression;
  ln_err err;
  bool truth;
  while (next_part(&rest, &said, &expression)) {
    ln_buf_add(&t->out, said);
    if (expression.n && !travel_evaluate(t, f, expression, false, &t->out, &truth, &err))
      ln_buf_addf(&t->out, "{%s}", err.message);
  }
  ln_buf_addc(&t->out, '\n');
}

/* A condition that raises is no reason to pass by. */
static bool holds(ln_travel *t, const travel_stop *s, const travel_frame *f) {
  ln_err err;
  ln_buf none;
  bool truth = false;
  if (!*s->condition) return true;
  ln_buf_init(&none, 1 << 16);
  bool ok = travel_evaluate(t, f, ln_str_of(s->condition), false, &none, &truth, &err);
  ln_buf_free(&none);
  if (!ok && !t->goal.before)
    travel_note(t, "the condition of breakpoint %lld raised: %s", (long long)s->id, err.message);
  return !ok || truth;
}

int64_t travel_stops_at(ln_travel *t, lua_State *L, int64_t line) {
  lua_Debug ar;
  travel_frame f;
  const char *path = NULL;
  for (size_t i = 0; i < t->n_stops; i++) {
    travel_stop *s = &t->stops[i];
    if (s->line != line) continue;
    if (!path && (!lua_getstack(L, 0, &ar) || !lua_getinfo(L, "S", &ar) || *ar.source != '@')) return 0;
    path = ar.source + 1;
    if (strcmp(path, s->path) != 0) continue;
    frame_here(L, &f);
    if (!holds(t, s, &f)) continue;
    s->met = true;
    if (!*s->log) return s->id;
    if (t->says && !t->goal.before) say(t, s, &f);
  }
  return 0;
}

/* ------------------------------------------------------------------ bodies that are not run again */

/* The function that the C function at the top of co was given: a step's body. */
static bool body_of(lua_State *co, lua_Debug *body) {
  lua_Debug ar;
  if (!lua_checkstack(co, 2) || !lua_getstack(co, 0, &ar)) return false;
  for (int i = 1; i <= 3 && lua_getlocal(co, &ar, i); i++) {
    if (lua_isfunction(co, -1)) return lua_getinfo(co, ">S", body) && *body->source == '@';
    lua_pop(co, 1);
  }
  return false;
}

static void keep_body(ln_travel *t, const lua_Debug *ar, const ln_effect *e) {
  for (size_t i = 0; i < t->n_bodies; i++)
    if (t->bodies[i].first == ar->linedefined && strcmp(t->bodies[i].path, ar->source + 1) == 0) return;
  travel_body *more = realloc(t->bodies, (t->n_bodies + 1) * sizeof *more);
  if (!more) return; /* less is said at the end */
  t->bodies = more;
  travel_body b = {ln_str_dup(ln_str_of(ar->source + 1)), ln_str_dup(ln_str_of(e->name)), ar->linedefined,
                   ar->lastlinedefined};
  if (b.path && b.step) t->bodies[t->n_bodies++] = b;
  else free(b.path), free(b.step);
}

void travel_on_ask(void *travel, ln_effect *e) {
  ln_travel *t = travel;
  lua_Debug body;
  bool polls = e->op->cls == LN_WAIT && strcmp(e->op->name, "await_until") == 0;
  if (!e->op->own && !polls) return;
  if (body_of(e->branch->co, &body)) keep_body(t, &body, e);
  const travel_goal *g = &t->goal;
  if (g->aim == AIM_LINE && g->family && !g->before && travel_thread_of(t, e->branch) == g->thread &&
      !t->note.n)
    travel_note(t, "what %s runs cannot be entered: it is not run again, its recorded answer is taken",
                e->name);
}

void travel_end_note(ln_travel *t) {
  for (size_t i = 0; t->goal.aim == AIM_BREAK && i < t->n_stops; i++)
    for (size_t k = 0; k < t->n_bodies; k++) {
      const travel_stop *s = &t->stops[i];
      const travel_body *b = &t->bodies[k];
      if (s->met || strcmp(s->path, b->path) != 0 || s->line <= b->first || s->line > b->last) continue;
      travel_note(t, "%s:%lld was never met: it is within %s, which is not run again", s->path,
                  (long long)s->line, b->step);
      break;
    }
}
