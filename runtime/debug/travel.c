/* travel.c: going through a past run again, and standing anywhere in it.
**
** A *pass* is one replay, from the start.  Before each line the VM calls on_line, which counts it, and
** stands there when it is the one that was aimed at: within the hook, as a coroutine that yields there
** would tell the wrong line before Lua 5.4.7.  What stands there is a whole stack of C calls, so each pass
** has a thread of its own. It and the caller take turns, and never run at the same time.
**
** The number of a line is the same in each pass, since a run is a pure function of its scripts, its input
** and its journal.  So going back is a pass that looks for the last line before here that is wanted, and
** another one to it. */
#include "debug/travel_parts.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { OUT_MAX = 64 << 10, NOTE_MAX = 4096 };

/* ------------------------------------------------------------------ taking turns */

/* In the pass's thread: the caller goes on, until it gives the turn back. */
static void give_turn(void *travel) {
  ln_travel *t = travel;
  pthread_mutex_lock(&t->lock);
  t->theirs = false;
  pthread_cond_broadcast(&t->turn);
  while (!t->theirs) pthread_cond_wait(&t->turn, &t->lock);
  pthread_mutex_unlock(&t->lock);
}

static void *drive(void *travel) {
  ln_travel *t = travel;
  ln_pass_drive(t->r);
  pthread_mutex_lock(&t->lock);
  t->over = true;
  t->theirs = false;
  pthread_cond_broadcast(&t->turn);
  pthread_mutex_unlock(&t->lock);
  return NULL;
}

/* Signals are the caller's; the VM's own clock takes its out again. */
static bool start_thread(ln_travel *t, ln_err *err) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  t->theirs = true;
  t->threaded = pthread_create(&t->thread, NULL, drive, t) == 0;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return t->threaded || ln_fail(err, "memory", LN_AGAIN, "no thread for a pass");
}

/* Goes on with the pass until it stands, or is over. */
static bool go_on(ln_travel *t, ln_err *err) {
  bool fresh = !t->threaded;
  if (fresh && !start_thread(t, err)) return false;
  pthread_mutex_lock(&t->lock);
  if (!fresh) t->theirs = true;
  pthread_cond_broadcast(&t->turn);
  while (t->theirs) pthread_cond_wait(&t->turn, &t->lock);
  pthread_mutex_unlock(&t->lock);
  if (!t->over) return true;
  pthread_join(t->thread, NULL);
  t->threaded = false;
  return true;
}

/* ------------------------------------------------------------------ branches */

static int64_t thread_named(ln_travel *t, const char *name) {
  for (size_t i = 0; i < t->n_names; i++)
    if (strcmp(t->names[i], name) == 0) return (int64_t)i + 1;
  char **more = realloc(t->names, (t->n_names + 1) * sizeof *more), *copy = ln_str_dup(ln_str_of(name));
  if (more) t->names = more;
  if (!more || !copy) return free(copy), 0;
  t->names[t->n_names++] = copy;
  return (int64_t)t->n_names;
}

int64_t travel_thread_of(ln_travel *t, const ln_branch *b) {
  if (t->seen != b || !t->seen_thread || strcmp(t->names[t->seen_thread - 1], b->name) != 0)
    t->seen_thread = thread_named(t, b->name);
  t->seen = b;
  return t->seen_thread;
}

const ln_branch *travel_branch(ln_travel *t, int64_t thread) {
  if (!t->r || thread < 1 || thread > (int64_t)t->n_names) return NULL;
  for (const ln_branch *b = t->r->branches; b; b = b->next)
    if (b->state != LN_B_ENDED && strcmp(b->name, t->names[thread - 1]) == 0) return b;
  return NULL;
}

const ln_branch *travel_current(ln_travel *t) {
  const ln_branch *first = NULL;
  if (!t->r) return NULL;
  if (t->r->current) return t->r->current;
  for (const ln_branch *b = t->r->branches; b && t->over; b = b->next)
    if (b->state == LN_B_ASKING && b->asked && !b->asked->finished) first = b;
  return first;
}

static bool is_of(const ln_branch *b, const char *name) {
  while (b && strcmp(b->name, name) != 0) b = b->parent;
  return b != NULL;
}

/* ------------------------------------------------------------------ where to stand */

static bool is_next_line(ln_travel *t, const ln_branch *b) {
  const travel_goal *g = &t->goal;
  if (!g->thread) return true;
  const char *name = t->names[g->thread - 1];
  if (g->family ? is_of(b, name) : strcmp(b->name, name) == 0)
    return g->deep == SIZE_MAX || strcmp(b->name, name) != 0 || travel_depth(t) <= g->deep;
  return !g->before && !travel_branch(t, g->thread); /* it has ended: whatever comes next */
}

/* Is it the line that was aimed at?  *why: how it stands there. */
static bool is_aim(ln_travel *t, lua_State *L, ln_stand_why *why) {
  travel_goal *g = &t->goal;
  *why = LN_STANDS_POINT;
  if (g->stops && (t->stop = travel_stops_at(t, L, t->line))) return *why = LN_STANDS_BREAK, true;
  switch (g->aim) {
  case AIM_AT: return t->at >= g->at;
  case AIM_STEP: return (int64_t)t->r->past_at >= g->step;
  case AIM_LINE: return is_next_line(t, t->r->current);
  case AIM_BREAK:
  case AIM_END: break;
  }
  return false;
}

/* Of a search: notes it, and goes on.  True: the search is over. */
static bool searched(ln_travel *t, lua_State *L) {
  travel_goal *g = &t->goal;
  ln_stand_why why;
  if (t->at >= g->before) return true;
  if (!g->first && g->thread && strcmp(t->r->current->name, t->names[g->thread - 1]) == 0) g->first = t->at;
  if (is_aim(t, L, &why)) g->found = t->at, g->found_stop = t->stop;
  return false;
}

static void on_line(lua_State *L, int line, void *travel) {
  ln_travel *t = travel;
  ln_stand_why why = LN_STANDS_POINT;
  if (t->leaving) return;
  t->at++;
  t->line = line;
  t->stop = 0;
  travel_thread_of(t, t->r->current); /* numbers in the order of their first lines */
  if (t->at == 1) t->base_depth = travel_depth(t);
  if (atomic_load_explicit(&t->pause, memory_order_relaxed)) why = LN_STANDS_PAUSED;
  else if (t->goal.before ? !searched(t, L) : !is_aim(t, L, &why)) return;
  t->why = why;
  ln_vm_stand(t->r->vm, give_turn, t);
}

/* ------------------------------------------------------------------ passes */

static void on_print(ln_vm *vm, ln_str line) {
  ln_run *r = *ln_vm_user(vm);
  ln_travel *t = r->replay->on_ask_arg;
  ln_buf *b = ln_vm_has_guest(vm) ? &t->guest_out : &t->out;
  if (b == &t->out) ln_note_print(vm, line);
  if (b == &t->out && !t->says) return;
  ln_buf_add(b, line);
  ln_buf_addc(b, '\n');
}

static void end_pass(ln_travel *t) {
  ln_err quiet;
  if (t->r && t->threaded) {
    t->leaving = true;
    ln_vm_interrupt(t->r->vm);
    go_on(t, &quiet);
    t->leaving = false;
  }
  if (t->r) ln_pass_free(t->r, &t->x);
  t->r = NULL;
  t->over = false;
}

static bool begin_pass(ln_travel *t, ln_err *err) {
  end_pass(t);
  t->x = (ln_replay){.on_ask = travel_on_ask, .on_ask_arg = t};
  if (!(t->r = ln_pass_begin(t->g, &t->past, t->scripts, false, &t->x, err))) return false;
  ln_vm_on_line(t->r->vm, on_line, t);
  ln_vm_on_print(t->r->vm, on_print);
  t->at = t->line = t->stop = 0;
  t->why = LN_STANDS_START;
  t->changed = false;
  t->seen = NULL;
  t->refs_ref = LUA_NOREF;
  for (size_t i = 0; i < t->n_stops; i++) t->stops[i].met = false;
  return true;
}

/* What the store lost is no end of the run. */
static bool arrive(ln_travel *t, ln_err *err) {
  if (!t->over) return true;
  t->why = LN_STANDS_END;
  if (t->x.end == LN_STOPPED && ln_err_is(&t->x.why, "store")) return *err = t->x.why, false;
  travel_end_note(t);
  return true;
}

/* Leaves a point: what was shown there is let go. */
static void leave(ln_travel *t) {
  if (t->r && t->refs_ref != LUA_NOREF) luaL_unref(ln_vm_main(t->r->vm), LUA_REGISTRYINDEX, t->refs_ref);
  t->refs_ref = LUA_NOREF;
  t->refs_before = t->refs;
  ln_buf_cut(&t->note, 0);
}

/* afresh: from the start, in another pass. */
static bool go(ln_travel *t, travel_goal goal, bool afresh, ln_err *err) {
  leave(t);
  if ((afresh || !t->r) && !begin_pass(t, err)) return false;
  t->goal = goal;
  if (t->over) return true;
  return go_on(t, err) && arrive(t, err);
}

/* ------------------------------------------------------------------ opening */

static bool load(void *arg, const ln_run_row *row) {
  struct {
    ln_travel *t;
    ln_err *err;
    bool ok;
  } *l = arg;
  l->ok = ln_past_load(&l->t->past, l->t->g->store, row, l->err);
  return false;
}

ln_travel *ln_travel_open(ln_engine *g, ln_str which, ln_err *err) {
  ln_travel *t = calloc(1, sizeof *t);
  if (!t) return ln_fail(err, "memory", LN_AGAIN, "no memory to open a run"), NULL;
  struct {
    ln_travel *t;
    ln_err *err;
    bool ok;
  } l = {t, err, false};
  t->g = g;
  t->refs_ref = LUA_NOREF;
  pthread_mutex_init(&t->lock, NULL);
  pthread_cond_init(&t->turn, NULL);
  ln_buf_init(&t->note, NOTE_MAX);
  ln_buf_init(&t->out, OUT_MAX);
  ln_buf_init(&t->guest_out, OUT_MAX);
  if (ln_store_run_find(g->store, which, load, &l, err) && l.ok &&
      (t->scripts = ln_snapshot_load(g, t->past.row.snapshot, err)) && begin_pass(t, err))
    return t;
  ln_travel_close(t);
  return NULL;
}

void ln_travel_close(ln_travel *t) {
  if (!t) return;
  end_pass(t);
  travel_stops_free(t);
  for (size_t i = 0; i < t->n_names; i++) free(t->names[i]);
  free(t->names);
  ln_snapshot_drop(t->scripts);
  ln_past_free(&t->past);
  ln_buf_free(&t->note);
  ln_buf_free(&t->out);
  ln_buf_free(&t->guest_out);
  pthread_cond_destroy(&t->turn);
  pthread_mutex_destroy(&t->lock);
  free(t);
}

void ln_travel_interrupt(ln_travel *t) { atomic_store(&t->pause, true); }

/* ------------------------------------------------------------------ going */

static int64_t steps_of(const ln_travel *t) { return (int64_t)ln_journal_deliveries(t->past.journal); }

static void begin_call(ln_travel *t, bool says) {
  t->says = says;
  if (says) ln_buf_cut(&t->out, 0), t->out.failed = t->out.full = false;
}

/* An interruption is used up by the call that it ended. */
static bool end_call(ln_travel *t, bool ok) {
  atomic_store(&t->pause, false);
  return ok;
}

bool ln_travel_at(ln_travel *t, int64_t at, ln_err *err) {
  bool here = t->r && (t->over ? at > t->at : at == t->at), back = t->over || at < t->at;
  begin_call(t, !back);
  if (here) return true;
  if (at < 1) return leave(t), begin_pass(t, err);
  return end_call(t, go(t, (travel_goal){.aim = AIM_AT, .at = at}, back, err));
}

bool ln_travel_goto(ln_travel *t, int64_t step, ln_err *err) {
  if (step < 0 || step > steps_of(t))
    return ln_fail(err, "not_found", LN_FINAL, "there is no step %lld: the journal has %lld", (long long)step,
                   (long long)steps_of(t));
  bool ahead = t->r && !t->over && (t->at == 0 || (int64_t)t->r->past_at < step);
  begin_call(t, ahead);
  return end_call(t, go(t, (travel_goal){.aim = AIM_STEP, .step = step}, !ahead, err));
}

bool ln_travel_end(ln_travel *t, ln_err *err) {
  begin_call(t, true);
  return end_call(t, go(t, (travel_goal){.aim = AIM_END}, false, err));
}

/* The branch of that thread; one that is not there: whichever runs. */
static const ln_branch *meant(ln_travel *t, int64_t thread) {
  const ln_branch *b = travel_branch(t, thread);
  return b ? b : travel_current(t);
}

static bool forwards(ln_travel *t, ln_go how, int64_t thread, ln_err *err) {
  const ln_branch *b = meant(t, thread);
  travel_goal goal = {.aim = how == LN_GO_CONTINUE ? AIM_BREAK : AIM_LINE, .deep = SIZE_MAX, .stops = true};
  begin_call(t, true);
  if (t->over) return leave(t), travel_note(t, "this is the end: there is nothing after it"), true;
  if (b && goal.aim == AIM_LINE) {
    size_t depth = how == LN_GO_INTO ? 0 : travel_depth_of(t, b);
    if (!(goal.thread = travel_thread_of(t, b))) return ln_fail(err, "memory", LN_AGAIN, "no memory");
    goal.family = how == LN_GO_INTO;
    if (how == LN_GO_NEXT) goal.deep = depth;
    if (how == LN_GO_OUT) goal.deep = depth - 1;
  }
  return go(t, goal, false, err);
}

/* From the end of a run that came to its own end one goes back to its own last line; from another end to what
** was run last. */
static travel_goal backwards_from_end(ln_travel *t, const ln_branch *b) {
  if (!b && t->x.end == LN_ENDS && strcmp(t->x.state, "completed") == 0)
    return (travel_goal){.aim = AIM_LINE, .thread = thread_named(t, ""), .deep = t->base_depth};
  if (!b) return (travel_goal){.aim = AIM_AT, .at = t->at};
  return (travel_goal){.aim = AIM_LINE, .thread = travel_thread_of(t, b), .deep = travel_depth_of(t, b)};
}

static travel_goal backwards_goal(ln_travel *t, ln_go how, int64_t thread) {
  const ln_branch *b = meant(t, thread);
  travel_goal goal = {.aim = AIM_AT, .at = t->at - !t->over};
  if (how == LN_GO_REVERSE) return (travel_goal){.aim = AIM_BREAK, .stops = true};
  if (how == LN_GO_BACK_INTO || (!b && !t->over)) return goal;
  if (t->over) goal = backwards_from_end(t, b);
  else goal = (travel_goal){.aim = AIM_LINE, .thread = travel_thread_of(t, b), .deep = travel_depth_of(t, b)};
  if (how == LN_GO_BACK_OUT && goal.aim == AIM_LINE && goal.deep) goal.deep--;
  return goal;
}

static bool back_to(ln_travel *t, int64_t at, int64_t stop, ln_err *err) {
  if (!go(t, (travel_goal){.aim = AIM_AT, .at = at}, true, err)) return false;
  if (stop && t->at == at) t->why = LN_STANDS_BREAK, t->stop = stop;
  return true;
}

static bool backwards(ln_travel *t, ln_go how, int64_t thread, ln_err *err) {
  travel_goal goal = backwards_goal(t, how, thread);
  begin_call(t, false);
  if (t->at == 0 || goal.at < 0)
    return leave(t), travel_note(t, "this is the start: there is nothing before it"), true;
  if (goal.aim == AIM_AT) return goal.at < 1 ? leave(t), begin_pass(t, err) : back_to(t, goal.at, 0, err);
  goal.before = t->at + t->over;
  if (!go(t, goal, true, err) || atomic_load(&t->pause)) return t->r != NULL;
  int64_t to = t->goal.found, stop = t->goal.found_stop;
  if (!to && goal.aim == AIM_LINE) to = (t->goal.first ? t->goal.first : goal.before) - 1;
  if (to > 0) return back_to(t, to, stop, err);
  leave(t);
  if (!begin_pass(t, err)) return false;
  if (how == LN_GO_REVERSE) travel_note(t, "no breakpoint was met before: this is the start");
  return true;
}

bool ln_travel_go(ln_travel *t, ln_go how, int64_t thread, ln_err *err) {
  if (!t->r && !begin_pass(t, err)) return false;
  bool ahead = how < LN_GO_BACK || how == LN_GO_CONTINUE;
  return end_call(t, ahead ? forwards(t, how, thread, err) : backwards(t, how, thread, err));
}

bool ln_travel_output(ln_travel *t, ln_buf *out, ln_err *err) {
  ln_buf_add(out, ln_buf_view(&t->out));
  if (t->out.failed) ln_buf_addz(out, "… and more\n");
  ln_buf_cut(&t->out, 0);
  t->out.failed = t->out.full = false;
  return ln_buf_ok(out, err);
}

/* ------------------------------------------------------------------ where it stands */

void travel_note(ln_travel *t, const char *fmt, ...) {
  va_list ap;
  va_start(ap, fmt);
  if (t->note.n) ln_buf_addz(&t->note, "; ");
  ln_buf_addv(&t->note, fmt, ap);
  va_end(ap);
}

bool travel_source(ln_travel *t, size_t i, ln_str *source, ln_str *path, ln_err *err) {
  ln_str whole;
  if (!ln_snapshot_source(t->scripts, ln_snapshot_name(t->scripts, i), source, &whole, err)) return false;
  *path = ln_str_of(ln_script_shown(whole.p));
  return true;
}

static size_t script_at(const ln_travel *t, ln_str path) {
  size_t i = 0;
  while (i < ln_snapshot_count(t->scripts) &&
         !ln_str_eq(ln_str_of(ln_script_shown(ln_snapshot_path(t->scripts, i))), path))
    i++;
  return i;
}

const char *travel_module(const ln_travel *t, ln_str path) {
  size_t i = script_at(t, path);
  return i < ln_snapshot_count(t->scripts) ? ln_snapshot_name(t->scripts, i).p : "";
}

/* Ends path with file, from a folder's name on? */
static bool is_meant(ln_str path, ln_str file) {
  return ln_str_ends(path, file) && (path.n == file.n || path.p[path.n - file.n - 1] == '/');
}

bool travel_script(ln_travel *t, ln_str file, size_t *found, ln_err *err) {
  size_t n = 0, count = ln_snapshot_count(t->scripts);
  if (ln_str_starts(file, LN_STR("./"))) file.p += 2, file.n -= 2;
  for (size_t i = 0; i < count; i++) {
    ln_str path = ln_str_of(ln_snapshot_path(t->scripts, i)), shown = ln_str_of(ln_script_shown(path.p));
    if (ln_str_eq(file, ln_snapshot_name(t->scripts, i)) || ln_str_eq(file, path) || ln_str_eq(file, shown))
      return *found = i, true;
    if ((file.n && is_meant(path, file)) || is_meant(file, shown)) *found = i, n++; /* or in another folder */
  }
  if (n == 1) return true;
  if (n)
    return ln_fail(err, "ambiguous", LN_FINAL,
                   "%zu scripts of the run are called %.*s: more of its path is needed", n, LN_STR_ARG(file));
  return ln_fail(err, "not_found", LN_FINAL,
                 "the run has no script %.*s: its snapshot is what counts, not the files of now",
                 LN_STR_ARG(file));
}

static ln_str line_of(ln_str source, int64_t line) {
  ln_str l = source, rest = source;
  for (int64_t i = 0; i < line; i++) {
    if (!rest.n) return (ln_str){NULL, 0};
    ln_str_cut(rest, '\n', &l, &rest);
  }
  return line ? l : (ln_str){NULL, 0};
}

ln_str travel_line(ln_travel *t, ln_str path, int64_t line) {
  size_t i = script_at(t, path);
  ln_str source, shown;
  ln_err quiet;
  if (i == ln_snapshot_count(t->scripts) || !travel_source(t, i, &source, &shown, &quiet))
    return (ln_str){NULL, 0};
  return line_of(source, line);
}

static void where_script(ln_travel *t, ln_standing *s, ln_str path) {
  size_t i = script_at(t, path);
  if (i == ln_snapshot_count(t->scripts)) return;
  s->module = ln_snapshot_name(t->scripts, i);
  s->path = ln_str_of(ln_script_shown(ln_snapshot_path(t->scripts, i)));
  s->text = travel_line(t, path, s->line);
}

void ln_travel_where(ln_travel *t, ln_standing *s) {
  travel_frame f;
  const ln_branch *b = travel_current(t);
  *s = (ln_standing){
      .why = t->why, .steps = steps_of(t), .changed = t->changed, .note = ln_buf_view(&t->note)};
  if (!t->r) return;
  s->at = t->at + t->over;
  s->step = (int64_t)t->r->past_at;
  s->breakpoint = t->over ? 0 : t->stop;
  if (t->over) s->end = ln_replay_end_name(&t->x);
  if (!b || !travel_frames(t, b, &f, 1)) return;
  s->branch = ln_str_of(b->name);
  s->thread = travel_thread_of(t, b);
  s->line = f.line;
  where_script(t, s, ln_str_of(f.path));
}

static void put_end(ln_travel *t, ln_buf *doc) {
  bool ends = t->over && t->x.end == LN_ENDS;
  ln_doc_text(doc, "ends", ln_str_of(t->over ? ln_replay_end_name(&t->x) : ""));
  ln_doc_value(doc, "error", ends ? ln_buf_view(&t->x.error) : t->past.row.error);
}

bool ln_travel_about(ln_travel *t, ln_buf *doc, ln_err *err) {
  const ln_run_row *row = &t->past.row;
  size_t mark = ln_v_begin(doc, 'O', 10);
  put_end(t, doc);
  ln_doc_value(doc, "input", row->input);
  ln_doc_text(doc, "outcome", row->outcome);
  ln_doc_text(doc, "playbook", row->playbook);
  bool ends = t->over && t->x.end == LN_ENDS;
  ln_doc_value(doc, "result", ends ? ln_buf_view(&t->x.result) : row->result);
  ln_doc_text(doc, "run", ln_str_of(row->ulid));
  ln_doc_text(doc, "snapshot", row->snapshot);
  ln_doc_text(doc, "state", row->state);
  bool why = t->over && (t->x.end == LN_STOPPED || t->x.end == LN_DIVERGED);
  ln_doc_text(doc, "why", ln_str_of(why ? t->x.why.message : ""));
  ln_v_end(doc, mark);
  return ln_buf_ok(doc, err);
}

static void put_step(ln_buf *doc, const ln_record *rec, int64_t n) {
  size_t mark = ln_v_begin(doc, 'O', 9);
  ln_v_key(doc, LN_STR("asked")), ln_v_int(doc, rec->asked_ms);
  ln_v_key(doc, LN_STR("at")), ln_v_int(doc, rec->done_ms);
  ln_doc_text(doc, "class", ln_str_of(ln_class_name(rec->cls)));
  ln_v_key(doc, LN_STR("n")), ln_v_int(doc, n);
  ln_doc_text(doc, "name", rec->name);
  ln_v_key(doc, LN_STR("ok")), ln_v_bool(doc, rec->ok);
  ln_doc_text(doc, "op", rec->op);
  ln_doc_text(doc, "state", rec->state);
  ln_doc_text(doc, "where", rec->where);
  ln_v_end(doc, mark);
}

bool ln_travel_steps(ln_travel *t, ln_buf *doc, ln_err *err) {
  size_t n = ln_journal_deliveries(t->past.journal), mark = ln_v_begin(doc, 'A', n);
  for (size_t i = 0; i < n; i++) put_step(doc, ln_journal_delivery(t->past.journal, i), (int64_t)i + 1);
  ln_v_end(doc, mark);
  return ln_buf_ok(doc, err);
}

bool ln_travel_source(ln_travel *t, ln_str file, ln_buf *doc, ln_err *err) {
  size_t i = 0;
  ln_str source, path;
  if (!travel_script(t, file, &i, err) || !travel_source(t, i, &source, &path, err)) return false;
  size_t mark = ln_v_begin(doc, 'O', 4);
  ln_doc_text(doc, "file", ln_str_of(ln_snapshot_path(t->scripts, i)));
  ln_doc_text(doc, "module", ln_snapshot_name(t->scripts, i));
  ln_doc_text(doc, "path", path);
  ln_v_key(doc, LN_STR("source")), ln_v_str(doc, source);
  ln_v_end(doc, mark);
  return ln_buf_ok(doc, err);
}

bool ln_travel_sources(ln_travel *t, ln_buf *doc, ln_err *err) {
  size_t n = ln_snapshot_count(t->scripts), all = ln_v_begin(doc, 'A', n);
  for (size_t i = 0; i < n; i++) {
    size_t mark = ln_v_begin(doc, 'O', 2);
    ln_doc_text(doc, "module", ln_snapshot_name(t->scripts, i));
    ln_doc_text(doc, "path", ln_str_of(ln_script_shown(ln_snapshot_path(t->scripts, i))));
    ln_v_end(doc, mark);
  }
  ln_v_end(doc, all);
  return ln_buf_ok(doc, err);
}
