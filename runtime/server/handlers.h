/* handlers.h: the handlers that routes.c names, by the file that has them. */
#ifndef LN_HANDLERS_H
#define LN_HANDLERS_H

#include "server/api.h"

/* Of lists: how many a page may have; and the header that leads to the next one: this path with the
** parameters `keep` (names, NULL-ended) as they are, and `cursor` = at. */
int64_t ln_api_limit(const ln_api *a);
void ln_api_link(ln_api *a, const char *path, const char *const *keep, const char *cursor, ln_str at);

/* api_alerts.c */
bool ln_api_alerts_take(ln_api *a, ln_err *err);
bool ln_api_alerts_list(ln_api *a, ln_err *err);
/* api_runs.c */
bool ln_api_run_start(ln_api *a, ln_err *err);
bool ln_api_run_list(ln_api *a, ln_err *err);
bool ln_api_run_show(ln_api *a, ln_err *err);
bool ln_api_run_cancel(ln_api *a, ln_err *err);
bool ln_api_run_undo(ln_api *a, ln_err *err);
bool ln_api_run_signal(ln_api *a, ln_err *err);
/* api_session.c */
bool ln_api_session_show(ln_api *a, ln_err *err);
bool ln_api_session_begin(ln_api *a, ln_err *err);
bool ln_api_session_end(ln_api *a, ln_err *err);
/* api_signin.c */
bool ln_api_signin(ln_api *a, ln_err *err);
bool ln_api_signin_begin(ln_api *a, ln_err *err);
bool ln_api_signin_end(ln_api *a, ln_err *err);
/* api_people.c */
bool ln_api_approvals(ln_api *a, ln_err *err);
bool ln_api_approval(ln_api *a, ln_err *err);
bool ln_api_decide(ln_api *a, ln_err *err);
bool ln_api_freezes(ln_api *a, ln_err *err);
bool ln_api_freeze(ln_api *a, ln_err *err);
bool ln_api_thaw(ln_api *a, ln_err *err);
/* api_entities.c */
bool ln_api_entities(ln_api *a, ln_err *err);
bool ln_api_entity_release(ln_api *a, ln_err *err);
/* api_library.c */
bool ln_api_playbooks(ln_api *a, ln_err *err);
bool ln_api_coverage(ln_api *a, ln_err *err);
bool ln_api_openapi(ln_api *a, ln_err *err);
/* api_events.c */
bool ln_api_events(ln_api *a, ln_err *err);
/* api_audit.c */
bool ln_api_audit(ln_api *a, ln_err *err);
/* api_console.c */
bool ln_api_console(ln_api *a, ln_err *err);
bool ln_api_console_file(ln_api *a, ln_err *err);
/* api_health.c */
bool ln_api_health(ln_api *a, ln_err *err);
bool ln_api_ready(ln_api *a, ln_err *err);
bool ln_api_metrics(ln_api *a, ln_err *err);

#endif
