/* page.c: the few words that Lunette says to a browser itself; without scripts, styles or pictures, which the
** policy that goes along forbids. */
#include "server/page.h"

#define HTML "text/html; charset=utf-8"

static void escaped(ln_buf *b, ln_str s) {
  for (size_t i = 0; i < s.n; i++) {
    switch (s.p[i]) {
    case '&': ln_buf_addz(b, "&amp;"); break;
    case '<': ln_buf_addz(b, "&lt;"); break;
    case '>': ln_buf_addz(b, "&gt;"); break;
    case '"': ln_buf_addz(b, "&quot;"); break;
    case '\'': ln_buf_addz(b, "&#39;"); break;
    default: ln_buf_addc(b, s.p[i]);
    }
  }
}

void ln_page(ln_api *a, int status, const char *title, ln_str text, bool again) {
  ln_buf b;
  ln_buf_init(&b, 1 << 16);
  ln_buf_addz(&b, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Lunette: ");
  escaped(&b, ln_str_of(title));
  ln_buf_addz(&b, "</title></head><body><main><h1>");
  escaped(&b, ln_str_of(title));
  ln_buf_addz(&b, "</h1><p>");
  escaped(&b, text);
  ln_buf_addz(&b, "</p><p>");
  if (again) ln_buf_addz(&b, "<a href=\"/v1/signin/oidc\">Sign in again</a>, or go ");
  else ln_buf_addz(&b, "Go ");
  ln_buf_addz(&b, "<a href=\"/\">to Lunette</a>.</p></main></body></html>\n");
  ln_api_status(a, status);
  ln_api_text(a, HTML, ln_buf_view(&b));
  ln_buf_free(&b);
}

void ln_page_lead(ln_api *a, ln_str url) {
  ln_api_say(a, "Location", url);
  ln_page(a, 303, "On the way", LN_STR("Your browser is led on."), false);
}
