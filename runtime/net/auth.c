/* auth.c: form encoding, and client assertions.  Every assertion is signed afresh, with a jti that its
** caller has drawn: a vendor takes each one once. */
#include "net/auth.h"

#include "base/json.h"
#include "base/jwt.h"

bool ln_percent(ln_buf *out, ln_str s) {
  static const char hex[] = "0123456789ABCDEF";
  for (size_t i = 0; i < s.n; i++) {
    unsigned char c = (unsigned char)s.p[i];
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                 c == '-' || c == '.' || c == '_' || c == '~';
    if (plain) {
      ln_buf_addc(out, (char)c);
    } else {
      char q[3] = {'%', hex[c >> 4], hex[c & 15]};
      ln_buf_add(out, (ln_str){q, 3});
    }
  }
  return !ln_buf_failed(out);
}

bool ln_form_add(ln_buf *out, ln_str name, ln_str value) {
  if (out->n) ln_buf_addc(out, '&');
  ln_percent(out, name);
  ln_buf_addc(out, '=');
  return ln_percent(out, value);
}

/* --- client assertions --- */

static void write_head(const ln_assertion *a, ln_json *j) {
  ln_json_open(j, '{');
  ln_json_key(j, LN_STR("alg"));
  ln_json_str(j, a->alg);
  if (a->kid.n) {
    ln_json_key(j, LN_STR("kid"));
    ln_json_str(j, a->kid);
  }
  ln_json_key(j, LN_STR("typ"));
  ln_json_strz(j, "JWT");
  ln_json_close(j, '}');
}

static void write_claims(const ln_assertion *a, ln_json *j) {
  ln_json_open(j, '{');
  ln_json_key(j, LN_STR("aud"));
  ln_json_str(j, a->audience);
  ln_json_key(j, LN_STR("exp"));
  ln_json_int(j, a->now_s + a->life_s);
  ln_json_key(j, LN_STR("iat"));
  ln_json_int(j, a->now_s);
  ln_json_key(j, LN_STR("iss"));
  ln_json_str(j, a->client);
  ln_json_key(j, LN_STR("jti"));
  ln_json_strz(j, a->jti);
  ln_json_key(j, LN_STR("sub"));
  ln_json_str(j, a->client);
  ln_json_close(j, '}');
}

bool ln_assertion_sign(const ln_assertion *a, ln_str pem, ln_buf *out, ln_err *err) {
  ln_buf head, claims;
  ln_json j;
  ln_buf_init(&head, 4096);
  ln_buf_init(&claims, 8192);
  ln_json_init(&j, &head);
  write_head(a, &j);
  ln_json_init(&j, &claims);
  write_claims(a, &j);
  bool ok = ln_buf_ok(&head, err) && ln_buf_ok(&claims, err) &&
            ln_jwt_sign(a->alg, pem, ln_buf_view(&head), ln_buf_view(&claims), out, err);
  ln_buf_free(&head);
  ln_buf_free(&claims);
  return ok;
}
