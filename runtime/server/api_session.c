/* api_session.c: /v1/session: a token becomes a session, for sites that have no OIDC; who one is; and out. */
#include "server/handlers.h"
#include "server/session.h"

#include "base/units.h"
#include "server/token.h"

static void answer(ln_api *a, const ln_caller *who) {
  char at[LN_TIME_TEXT];
  ln_buf b;
  ln_json j;
  ln_buf_init(&b, 4096);
  ln_json_init(&j, &b);
  ln_format_time(who->expires_ms, at);
  ln_json_open(&j, '{');
  ln_json_key(&j, LN_STR("expires"));
  ln_json_strz(&j, who->expires_ms ? at : NULL);
  ln_json_key(&j, LN_STR("how"));
  ln_json_strz(&j, who->how);
  ln_json_key(&j, LN_STR("role"));
  ln_json_strz(&j, ln_role_name(who->role));
  ln_json_key(&j, LN_STR("who"));
  ln_json_strz(&j, who->name);
  ln_json_close(&j, '}');
  ln_api_answer(a, ln_buf_view(&b));
  ln_buf_free(&b);
}

bool ln_api_session_show(ln_api *a, ln_err *err) {
  (void)err;
  answer(a, ln_api_caller(a));
  return true;
}

static void begun(ln_api *a, const ln_caller *who, ln_str back, const ln_err *err) {
  (void)back;
  if (who) answer(a, who);
  else ln_api_problem(a, err);
}

/* Another site's page must not sign somebody in as somebody else: their work would be done in that name. */
bool ln_api_session_begin(ln_api *a, ln_err *err) {
  const ln_server_request *r = ln_api_request(a);
  ln_engine *g = ln_api_engine(a);
  ln_caller c;
  char detail[64];
  if (ln_from_browser(r) && !ln_from_own_page(r, ln_api_public(a), ln_api_secure(a)))
    return ln_fail(err, "forbidden", LN_FINAL, "another site's page may not sign anybody in");
  if (!ln_auth_bearer(g, ln_v_get_str(ln_api_body(a), "token"), ln_now_ms(g->loop->clock), &c, err))
    return false;
  snprintf(detail, sizeof detail, "{\"how\":\"token\",\"role\":\"%s\"}", ln_role_name(c.role));
  ln_sign_in w = {.who = ln_str_of(c.name),
                  .how = LN_STR("token"),
                  .origin = ln_str_of(c.token),
                  .role = c.role,
                  .expires_ms = c.expires_ms,
                  .detail = ln_str_of(detail)};
  return ln_session_begin(a, &w, begun, err);
}

static void ended(ln_api *a, const ln_caller *who, ln_str back, const ln_err *err) {
  (void)back;
  if (who) ln_api_answer(a, LN_STR("{\"signed_out\":true}"));
  else ln_api_problem(a, err);
}

bool ln_api_session_end(ln_api *a, ln_err *err) {
  if (ln_api_caller(a)->session[0]) return ln_session_end(a, ended, err);
  return ln_fail(err, "conflict", LN_FINAL, "that is a token, not a session: lunette token rm ends it");
}
