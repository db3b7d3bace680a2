/* api_console.c: GET / and what the page there needs: a few files that hold nothing of anybody's, so they are
** for everybody; all that they show they ask of the API, which wants to know who asks.
** The files are put into the program by the assembler (the Makefile says which; runtime/server/console), so
** that a program and its console are of one version.  A browser keeps them, and asks each time whether they
** are still so: after an upgrade it has the new ones at once. */
#include "server/handlers.h"

#include "base/hash.h"

#include <stdio.h>

#define FILE_OF(SYMBOL, NAME)                                                                      \
  __asm__(".section .rodata\n" #SYMBOL ":\n.incbin \"runtime/server/console/" NAME "\"\n" #SYMBOL  \
          "_end:\n.byte 0\n.previous\n");                                                          \
  extern const char(SYMBOL)[], SYMBOL##_end[]

FILE_OF(console_page, "index.html");
FILE_OF(console_style, "console.css");
FILE_OF(console_icon, "icon.svg");
FILE_OF(console_main, "main.js");
FILE_OF(console_api, "api.js");
FILE_OF(console_dom, "dom.js");
FILE_OF(console_pure, "pure.js");
FILE_OF(console_lists, "lists.js");
FILE_OF(console_run, "run.js");
FILE_OF(console_people, "people.js");
FILE_OF(console_site, "site.js");

#define SCRIPT "text/javascript; charset=utf-8"

static const struct {
  const char *name, *type, *from, *to;
} files[] = {{"", "text/html; charset=utf-8", console_page, console_page_end},
             {"console.css", "text/css; charset=utf-8", console_style, console_style_end},
             {"icon.svg", "image/svg+xml", console_icon, console_icon_end},
             {"main.js", SCRIPT, console_main, console_main_end},
             {"api.js", SCRIPT, console_api, console_api_end},
             {"dom.js", SCRIPT, console_dom, console_dom_end},
             {"pure.js", SCRIPT, console_pure, console_pure_end},
             {"lists.js", SCRIPT, console_lists, console_lists_end},
             {"run.js", SCRIPT, console_run, console_run_end},
             {"people.js", SCRIPT, console_people, console_people_end},
             {"site.js", SCRIPT, console_site, console_site_end}};

/* Only our own scripts run, and only our own API is asked; nothing inline, nothing framed. */
static const char policy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/* Whether a browser has just that: a tag is quoted, so it is itself wherever it stands. */
static bool has_it(const ln_api *a, ln_str tag) {
  ln_str kept = ln_api_header(a, "If-None-Match");
  return ln_str_find(kept, tag) >= 0 || ln_str_eq(ln_str_trim(kept), LN_STR("*"));
}

static bool answer_file(ln_api *a, ln_str name, ln_err *err) {
  uint8_t sha[LN_SHA256];
  char hex[2 * LN_SHA256 + 1], tag[sizeof hex + 2];
  size_t i = 0, n = sizeof files / sizeof *files;
  while (i < n && !ln_str_eq(name, ln_str_of(files[i].name))) i++;
  if (i == n) return ln_fail(err, "not_found", LN_FINAL, "the console has no such file");
  ln_str text = {files[i].from, (size_t)(files[i].to - files[i].from)};
  ln_sha256(text, sha);
  ln_hex(sha, sizeof sha, hex);
  snprintf(tag, sizeof tag, "\"%s\"", hex);
  ln_api_say(a, "ETag", ln_str_of(tag));
  ln_api_say(a, "Cache-Control", LN_STR("no-cache"));
  ln_api_say(a, "Content-Security-Policy", ln_str_of(policy));
  if (has_it(a, ln_str_of(tag))) ln_api_status(a, 304), text.n = 0;
  return ln_api_text(a, files[i].type, text);
}

bool ln_api_console(ln_api *a, ln_err *err) { return answer_file(a, LN_STR(""), err); }

bool ln_api_console_file(ln_api *a, ln_err *err) { return answer_file(a, ln_api_part(a, 0), err); }
