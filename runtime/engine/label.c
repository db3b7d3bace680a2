/* label.c: what people call an entity.  Ids are for machines: whoever is asked, or reads a report at night,
** knows a host, an account or a file by its name. */
#include "engine/engine.h"

/* Hashes and the like: long, and of hexadecimal digits and dashes alone. */
static bool is_an_id(ln_str s) {
  for (size_t i = 0; i < s.n; i++)
    if (!strchr("0123456789abcdefABCDEF-", s.p[i])) return false;
  return s.n >= 32;
}

static bool is_label(ln_str s, ln_str entity) {
  return s.n && !is_an_id(s) && ln_str_find(entity, s) < 0;
}

/* The kind of names that an entity's kind goes by: "okta:user:00u1" is known by its users. */
const char *ln_names_key(ln_str entity) {
  ln_str vendor, rest, kind, id;
  ln_str_cut(entity, ':', &vendor, &rest);
  ln_str_cut(rest, ':', &kind, &id);
  if (ln_str_eq(kind, LN_STR("user"))) return "user";
  return ln_str_eq(kind, LN_STR("host")) ? "host" : "file";
}

ln_str ln_label_of(ln_str names, ln_str entity) {
  ln_vitem list, item;
  if (!names.n || !ln_v_get(names, ln_str_of(ln_names_key(entity)), &list)) return (ln_str){NULL, 0};
  if (list.tag == 'S') return is_label(list.s, entity) ? list.s : (ln_str){NULL, 0};
  ln_str rest = list.body;
  while (list.tag == 'A' && rest.n && ln_v_read(&rest, &item))
    if (item.tag == 'S' && is_label(item.s, entity)) return item.s;
  return (ln_str){NULL, 0};
}
