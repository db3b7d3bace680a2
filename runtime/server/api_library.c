/* api_library.c: the scripts that are loaded: playbooks, what D3FEND says of them; and the API's description.
** Looking at every script takes a while: what came of it is kept for as long as the snapshot is the same. */
#include "server/handlers.h"
#include "server/session.h"

#include "base/units.h"
#include "engine/library.h"
#include "engine/shelf.h"

#include <stdlib.h>

static void put_stale(void *arg, const ln_stale *s) {
  ln_json *j = arg;
  char since[LN_TIME_TEXT];
  ln_format_time(s->since_ms, since);
  const struct {
    const char *key;
    ln_str v;
  } texts[] = {{"module", s->module}, {"at", s->at}, {"why", s->why}, {"since", ln_str_of(since)}};
  ln_json_open(j, '{');
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    ln_json_key(j, ln_str_of(texts[i].key));
    ln_json_str(j, texts[i].v);
  }
  ln_json_key(j, LN_STR("last_good"));
  ln_json_bool(j, s->last);
  ln_json_close(j, '}');
}

/* The playbooks as they are now, out of the shelf; NULL: err. */
static const ln_shelf *shelf_of(ln_api *a, ln_err *err) {
  ln_shelf *shelf = ln_service_shelf(ln_api_service(a));
  ln_engine *g = ln_api_engine(a);
  ln_snapshot *s = ln_snapshot_take(g, (ln_str){NULL, 0}, err);
  if (!s) return NULL;
  bool same = strcmp(shelf->snapshot, ln_snapshot_hash(s)) == 0, ok = true;
  if (!same) {
    shelf->snapshot[0] = '\0';
    ln_buf_cut(&shelf->playbooks, 0);
    ok = ln_shelf_playbooks(g, &shelf->playbooks, err);
  }
  if (!same && ok) memcpy(shelf->snapshot, ln_snapshot_hash(s), strlen(ln_snapshot_hash(s)) + 1);
  ln_snapshot_drop(s);
  return ok ? shelf : NULL;
}

bool ln_api_playbooks(ln_api *a, ln_err *err) {
  const ln_shelf *shelf = shelf_of(a, err);
  ln_buf b;
  ln_json j;
  if (!shelf) return false;
  ln_buf_init(&b, (size_t)64 << 20);
  ln_json_init(&j, &b);
  ln_json_open(&j, '{');
  ln_json_key(&j, LN_STR("snapshot"));
  ln_json_strz(&j, shelf->snapshot);
  ln_json_key(&j, LN_STR("playbooks"));
  ln_v_to_json(ln_buf_view(&shelf->playbooks), &j);
  ln_json_key(&j, LN_STR("stale"));
  ln_json_open(&j, '[');
  ln_reload_stale(ln_service_scripts(ln_api_service(a)), (ln_str){NULL, 0}, put_stale, &j);
  ln_json_close(&j, ']');
  ln_json_close(&j, '}');
  bool ok = ln_buf_ok(&b, err);
  if (ok) ln_api_answer(a, ln_buf_view(&b));
  ln_buf_free(&b);
  return ok;
}

bool ln_api_coverage(ln_api *a, ln_err *err) {
  const ln_shelf *shelf = shelf_of(a, err);
  ln_buf b;
  if (!shelf) return false;
  ln_buf_init(&b, (size_t)16 << 20);
  bool ok = ln_shelf_coverage(ln_api_engine(a), ln_buf_view(&shelf->playbooks), &b, err);
  if (ok) ln_api_answer(a, ln_buf_view(&b));
  ln_buf_free(&b);
  return ok;
}

bool ln_api_openapi(ln_api *a, ln_err *err) {
  ln_buf b;
  ln_json j;
  ln_buf_init(&b, (size_t)1 << 20);
  ln_json_init(&j, &b);
  ln_openapi(&j, ln_session_cookie(ln_api_secure(a)));
  bool ok = ln_buf_ok(&b, err);
  if (ok) ln_api_answer(a, ln_buf_view(&b));
  ln_buf_free(&b);
  return ok;
}
