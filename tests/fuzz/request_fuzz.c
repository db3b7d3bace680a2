/* request_fuzz.c: arguments into a connector's request.  Whatever they hold, they stay within the place that
** the template gives them: one part of the path, one value of the query, one header, one text of the JSON. */
#include "tests/unit/fake_engine.h"

#include "modules/connector_parts.h"
#include "tests/fuzz/fuzz.h"

static const char ACME[] =
    "return connector { name = 'acme', config = { token = 'secret' }, auth = { kind = 'header', secret = "
    "'token' },\n"
    "  operations = {\n"
    "    get = { class = 'read', params = { id = 'string', q = 'string?', n = 'integer?' }, method = 'GET',\n"
    "      path = '/users/{id}/groups', query = { q = 'name eq \"{q}\"', n = '{n}' }, headers = { ['X-Q'] = "
    "'{q}' } },\n"
    "    set = { class = 'write', idempotent = true, effect = 'note', params = { id = 'string', q = 'table?' "
    "},\n"
    "      method = 'POST', path = '/users/{id}', json = { q = '{q}', id = '{id}' }, entity = "
    "'acme:user:{id}' },\n"
    "    form = { class = 'write', idempotent = true, effect = 'note', params = { id = 'string', q = "
    "'string?' },\n"
    "      method = 'POST', path = '/form', form = { id = '{id}', q = '{q}' }, entity = 'acme:user:{id}' } } "
    "}\n";

static fake *f;
static lnC_connector *acme;

static void open_once(void) {
  ln_err err = {0};
  if (f) return;
  f = fake_vm_of = fake_new("stdlib", NULL);
  must(acme = lnC_declare(&f->engine, LN_STR("acme"), "acme.lua", ln_str_of(ACME), &err));
}

static size_t count(ln_str s, char c) {
  size_t n = 0;
  for (size_t i = 0; i < s.n; i++) n += s.p[i] == c;
  return n;
}

static void stays_in_place(const lnC_request *r, ln_str path) {
  ln_str target = ln_buf_view(&r->path), head, query;
  ln_str_cut(target, '?', &head, &query);
  must(count(head, '/') == count(path, '/'));
  must(ln_str_starts(target, (ln_str){path.p, 5}));
  must(count(query, '&') <= 1 && count(target, '#') == 0 && count(target, '?') <= 1);
  for (size_t i = 0; i < target.n; i++) must(target.p[i] > 0x20 && target.p[i] < 0x7f);
  for (size_t i = 0; i < r->n_headers; i++) must(ln_header_value_ok(r->headers[i].value));
}

static void ask(const char *op, ln_str args) {
  static const char *const core[] = {NULL};
  ln_err err = {0};
  ln_buf checked;
  lnC_request r;
  lnC_ctx ctx = {.tag = LN_STR("tag")};
  const lnC_operation *o = lnC_find(acme, ln_str_of(op));
  ln_str path = strcmp(op, "get") == 0   ? LN_STR("/users/x/groups")
                : strcmp(op, "set") == 0 ? LN_STR("/users/x")
                                         : LN_STR("/form");
  ln_buf_init(&checked, 1 << 20);
  lnC_request_init(&r);
  if (ln_params_check(&o->params, op, args, core, &checked, &err) &&
      lnC_request_make(o, ln_buf_view(&checked), &ctx, (ln_str){NULL, 0}, &r, &err))
    stays_in_place(&r, path);
  else must(err.code[0] && err.message[0]);
  lnC_request_free(&f->engine, &r);
  ln_buf_free(&checked);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  ln_err err = {0};
  ln_buf args;
  open_once();
  ln_buf_init(&args, 1 << 20);
  if (ln_host_json(f->engine.host, fuzz_str(data, n), &args, &err)) {
    ask("get", ln_buf_view(&args));
    ask("set", ln_buf_view(&args));
    ask("form", ln_buf_view(&args));
  }
  ln_buf_free(&args);
  return 0;
}
