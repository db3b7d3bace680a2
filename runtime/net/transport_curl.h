/* transport_curl.h: between the two halves of the curl transport: transport_curl.c drives many transfers on a
** loop, transport_curl_easy.c knows what one is. */
#ifndef LN_TRANSPORT_CURL_H
#define LN_TRANSPORT_CURL_H

#include "base/buf.h"
#include "net/addr.h"
#include "net/transport.h"

#include <curl/curl.h>

typedef struct ln_sending {
  CURL *easy;                                            /* lives as long as the sending, for many requests */
  CURLU *url;                                            /* of this request, as are the rest              */
  struct curl_slist *headers;
  char *body;                                            /* ours: wiped when the transfer is over         */
  size_t body_n;
  char host[128];                                        /* for messages                                  */
  bool loopback_ok, plain;                               /* plain: http://                                */
  int64_t timeout_ms;
  int tries;                                             /* times that a request was about to be written   */
  bool refused;                                          /* an address was, of the kind led_to            */
  ln_addr_kind led_to;
  ln_buf head, reply;                                    /* header lines; the body                        */
  size_t n_headers, got, max;
  int status;                                            /* of the block of headers that is being read     */
  bool head_over, too_big;
  ln_sink_fn sink;
  void *sink_arg;
  char why[CURL_ERROR_SIZE];

  ln_answer_fn done;
  void *arg;
  ln_err early;                                          /* why curl never saw it, if so                  */
  struct ln_sending *prev, *next;
} ln_sending;

ln_sending *ln_sending_new(void);                        /* NULL: no memory                               */
/* Takes over what r says.  False: "memory", or what is wrong with r. */
bool ln_sending_prepare(ln_sending *s, const ln_request *r, ln_err *err);
void ln_sending_answer(ln_sending *s, CURLcode end);     /* judges how it ended, and calls done           */
void ln_sending_clear(ln_sending *s);                    /* ready for the next request                    */
void ln_sending_free(ln_sending *s);

#endif
