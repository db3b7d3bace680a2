/* api_events.c: GET /v1/events: what happens, as a stream that goes on. */
#include "server/events.h"
#include "server/handlers.h"

bool ln_api_events(ln_api *a, ln_err *err) {
  ln_events *e = ln_service_events(ln_api_service(a));
  ln_str last = ln_api_header(a, "Last-Event-ID");
  char id[64] = "";
  if (ln_str_eq(ln_api_request(a)->method, LN_STR("HEAD")))
    return ln_api_text(a, "text/event-stream", (ln_str){NULL, 0});
  if (last.n && last.n < sizeof id) memcpy(id, last.p, last.n);
  bool given = last.n > 0; /* one that is too long is one that is not known */
  ln_listener *l = ln_listener_new(e, ln_api_caller(a), err);
  if (!l) return false;
  ln_stream *t = ln_api_stream(a, "text/event-stream", LN_EVENTS_MOST, ln_listener_gone, l);
  if (!t) {
    ln_listener_gone(l);
    return ln_fail(err, "memory", LN_AGAIN, "no memory for a stream");
  }
  ln_listener_begin(l, t, given && !id[0] ? LN_STR("?") : ln_str_of(id));
  return true;
}
