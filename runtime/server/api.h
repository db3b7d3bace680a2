/* api.h: one request of the HTTP API, as its handler sees it.  The route has matched, whoever asks may do it,
** parameters and body are what the route says; a handler does the deed and answers. */
#ifndef LN_API_H
#define LN_API_H

#include "base/json.h"
#include "net/server.h"
#include "server/auth.h"
#include "server/serve.h"

typedef struct ln_api ln_api;                            /* until it is answered: not to be touched then   */

/* True: it was answered, or will be, by one of the functions below.  False: err is the answer. */
typedef bool (*ln_api_fn)(ln_api *a, ln_err *err);

typedef struct ln_field {                                /* of a query, or of a body                        */
  const char *name;                                      /* NULL ends a list; "*" in a query: others are
                                                            passed over, not refused                        */
  const char *type;                                      /* "string" "integer" "boolean" "object" "array"
                                                            "any", or the words that may be: "yes|no"      */
  bool required;
  const char *what;                                      /* for people: openapi.json has it                 */
} ln_field;

typedef struct ln_route {
  const char *method, *path;                             /* "/v1/runs/{run}": each {part} is one segment    */
  ln_role role;                                          /* what the caller must have; NONE: anybody        */
  bool own;                                              /* it also lets in whom its handler knows (a
                                                            source's signature): without a token the caller's
                                                            role is NONE, and the handler decides           */
  ln_api_fn fn;
  const char *summary;
  const ln_field *query, *body;                          /* NULL: none is taken                             */
  bool raw;                                              /* the body is the handler's: not looked at        */
  int status;                                            /* of the good answer                              */
  const char *answer;                                    /* its schema's name in openapi.c; NULL: text      */
  const char *type;                                      /* its media type; NULL: application/json          */
} ln_route;

extern const ln_route ln_routes[];                       /* routes.c: the one table; path NULL ends it      */

/* --- what was asked --- */
ln_engine *ln_api_engine(const ln_api *a);
ln_service *ln_api_service(const ln_api *a);
const ln_caller *ln_api_caller(const ln_api *a);         /* name "" where nobody had to say who they are    */
const ln_server_request *ln_api_request(const ln_api *a); /* as it came: headers, body                      */
ln_str ln_api_part(const ln_api *a, size_t i);           /* the path's i-th {part}, decoded; NUL-ended      */
ln_str ln_api_query(const ln_api *a, const char *name);  /* decoded; {NULL,0}: not given                    */
ln_str ln_api_header(const ln_api *a, const char *name); /* {NULL,0}: not sent, or sent twice               */
ln_str ln_api_body(const ln_api *a);                     /* an encoded object; "" where there was none      */

bool ln_api_secure(const ln_api *a);                     /* do browsers reach us by https?                  */
struct ln_oidc *ln_api_oidc(const ln_api *a);            /* NULL: people do not sign in at a provider       */
ln_str ln_api_public(const ln_api *a);                   /* the address that they know; "": not configured  */

/* --- answering, once --- */
/* A header of the answer to come; copied.  Quiet when there is no room: there are eight. */
void ln_api_say(ln_api *a, const char *name, ln_str value);
/* JSON, with the route's status. */
bool ln_api_answer(ln_api *a, ln_str json);
/* The same, of another media type. */
bool ln_api_text(ln_api *a, const char *type, ln_str text);
/* Has the service do what an encoded object asks, in the caller's name; answers { "run" } when that is
** durable. */
bool ln_api_do(ln_api *a, ln_str request);
/* Another status than the route's, from here on. */
void ln_api_status(ln_api *a, int status);
/* An error as RFC 9457 has it; for handlers that answer later. */
void ln_api_problem(ln_api *a, const ln_err *err);
/* For handlers that answer later: calls gone(arg) should the server end before the answer; NULL: no more. */
void ln_api_on_gone(ln_api *a, void (*gone)(void *arg), void *arg);
/* Becomes a stream of the media type: NULL when it cannot be (then nothing was answered). */
ln_stream *ln_api_stream(ln_api *a, const char *type, size_t most, void (*gone)(void *arg), void *arg);

/* Which HTTP status an error's code is. */
int ln_api_status_of(const ln_err *err);

/* openapi.c: the description, made from the table.  cookie: what a session's is called. */
void ln_openapi(ln_json *j, const char *cookie);

#endif
