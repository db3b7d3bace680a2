/* page.h: a page for people, where a browser is led to something that no page of the console asked for. */
#ifndef LN_PAGE_H
#define LN_PAGE_H

#include "server/api.h"

/* Answers with a heading, a text and the ways on; both are escaped.  again: offers to sign in once more. */
void ln_page(ln_api *a, int status, const char *title, ln_str text, bool again);
/* Answers with 303: to an address of ours, or of the provider's. */
void ln_page_lead(ln_api *a, ln_str url);

#endif
