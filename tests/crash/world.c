/* world.c: the folder of a story: the simulators' library, the configuration, and an engine that reads the
** store. */
#include "tests/crash/crash.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

/* ------------------------------------------------------------------ files */

static bool add_file(ln_buf *out, const char *dir, const char *below, const char *name) {
  char path[600], chunk[8192];
  size_t n;
  snprintf(path, sizeof path, "%s/%s%s", dir, below, name);
  FILE *f = fopen(path, "re");
  while (f && (n = fread(chunk, 1, sizeof chunk, f)) > 0) ln_buf_add(out, (ln_str){chunk, n});
  if (f) fclose(f);
  else sim_fail("%s cannot be read", path);
  return f != NULL;
}

static bool write_file(const char *name, const ln_buf *text) {
  char path[600];
  snprintf(path, sizeof path, "%s/%s", tale->folder, name);
  FILE *f = fopen(path, "we");
  bool ok = f && fwrite(text->p, 1, text->n, f) == text->n;
  if (f && fclose(f) != 0) ok = false;
  if (!ok) sim_fail("%s cannot be written", path);
  return ok;
}

static void make_folder(const char *name) {
  char path[600];
  snprintf(path, sizeof path, "%s/%s", tale->folder, name);
  mkdir(path, 0700);
}

/* ------------------------------------------------------------------ the simulators' library */

static bool put_truth(ln_buf *b) {
  static const char *const vendors[] = {"acme.lua", "crowdstrike.lua", "okta.lua", "visionone.lua"};
  bool ok = true;
  ln_buf_addz(b, "return {\n");
  for (size_t i = 0; i < 4; i++) {
    ln_buf_addf(b, "%.*s = function(...)\n", (int)strcspn(vendors[i], "."), vendors[i]);
    ok = ok && add_file(b, tale->root, "tests/sim/truth/", vendors[i]);
    ln_buf_addz(b, "\nend,\n");
  }
  ln_buf_addz(b, "}\n");
  return ok;
}

bool crash_library(void) {
  ln_buf b[4];
  for (size_t i = 0; i < 4; i++) ln_buf_init(&b[i], 1 << 20);
  make_folder("lib");
  make_folder("lib/sim");
  ln_buf_addf(&b[3], "return { stdlib = { \"%s/lib\", \"%s/tests/sim/lib\", \"%s/stdlib\" } }\n",
              tale->folder, tale->root, tale->root);
  bool ok = add_file(&b[0], tale->root, "stdlib/sim/", "kit.lua") &&
            write_file("lib/sim/plain_kit.lua", &b[0]) &&
            add_file(&b[1], tale->root, "tests/crash/", "kit.lua") && write_file("lib/sim/kit.lua", &b[1]) &&
            put_truth(&b[2]) && write_file("lib/sim/truth.lua", &b[2]) && write_file("sim.lua", &b[3]);
  for (size_t i = 0; i < 4; i++) ln_buf_free(&b[i]);
  return ok;
}

/* ------------------------------------------------------------------ the configuration */

static void swap(ln_buf *text, const char *what, const char *with) {
  ptrdiff_t at = ln_str_find(ln_buf_view(text), ln_str_of(what));
  ln_buf rest;
  if (at < 0) {
    sim_fail("the simulators' configuration has no %s", what);
    return;
  }
  ln_buf_init(&rest, 1 << 20);
  ln_buf_add(&rest, (ln_str){text->p + at + strlen(what), text->n - (size_t)at - strlen(what)});
  ln_buf_cut(text, (size_t)at);
  ln_buf_addz(text, with);
  ln_buf_add(text, ln_buf_view(&rest));
  ln_buf_free(&rest);
}

/* A second of the playbooks takes some milliseconds: what they wait for comes while somebody lives. */
static void put_facts(ln_buf *facts) {
  static const char *const slow[] = {"ask", "fan", "kid", "locks", "parent", "poll", "race", "walk"};
  double second = 0.002 + 0.001 * (double)sim_pick(&here->plan, 4);
  ln_buf_addz(facts, "  playbooks = {\n");
  for (size_t i = 0; i < sizeof slow / sizeof *slow; i++)
    ln_buf_addf(facts, "    [\"hostile.%s\"] = { second = %g },\n", slow[i], second);
}

static bool put_config(void) {
  ln_buf text, top, facts;
  ln_buf_init(&text, 1 << 20);
  ln_buf_init(&top, 1 << 20);
  ln_buf_init(&facts, 1 << 20);
  bool ok = add_file(&text, tale->folder, "", "sim.conf.lua");
  ln_buf_addf(
      &top,
      "return {\n  store = \"sqlite:%s/lunette.db\",\n  scripts = { \"%s/tests/sim/playbooks\", "
      "\"%s/scripts\" },\n"
      "  stdlib = { \"%s/tests/sim/lib\", \"%s/stdlib\" },\n  approvals = { self = \"interactive\" },\n",
      tale->folder, tale->root, tale->root, tale->root, tale->root);
  ln_buf_addc(&top, 0);
  put_facts(&facts);
  ln_buf_addc(&facts, 0);
  if (ok) swap(&text, "return {\n", top.p);
  if (ok) swap(&text, "  playbooks = {\n", facts.p);
  if (ok && tale->wire > 0) {
    char url[64];
    memcpy(url, tale->url[0], sizeof url);
    if (!crash_wire(url, tale->wire)) sim_fail("there is no bad peer");
    swap(&text, tale->url[0], url);
  }
  if (ok) swap(&text, "[\"token\"] = \"acme\"", "[\"token\"] = secret \"acme_token\"");
  ok = ok && write_file("conf.lua", &text);
  ln_buf_free(&text);
  ln_buf_free(&top);
  ln_buf_free(&facts);
  return ok;
}

/* The simulators have said where they listen: "acme http://127.0.0.1:1234", a line each, by name. */
static bool take_urls(void) {
  ln_str line, rest = ln_buf_view(&tale->procs[0].text), name, url;
  for (size_t i = 0; i < VENDORS; i++) {
    ln_str_cut(rest, '\n', &line, &rest);
    if (!ln_str_cut(line, ' ', &name, &url)) return false;
    snprintf(tale->url[i], sizeof tale->url[i], "%.*s", LN_STR_ARG(url));
  }
  return true;
}

bool crash_world(void) {
  ln_err err = {.message = ""};
  snprintf(tale->config, sizeof tale->config, "%s/conf.lua", tale->folder);
  setenv("LUNETTE_SECRET_ACME_TOKEN", "acme", 1);
  ln_config *c = take_urls() && put_config() ? ln_config_load(tale->config, &err) : NULL;
  ln_host *first = tale->engine.host; /* with which the log was read so far */
  bool ok = c && sim_engine(c, &tale->engine, &err);
  if (ok) ln_host_free(first);
  if (!ok) sim_fail("%s", err.message);
  return ok;
}
