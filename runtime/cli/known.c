/* known.c: the connectors as they are declared, for what examines or completes Lua. */
#include "cli/known.h"

#include "modules/connector.h"

static void put_texts(ln_buf *b, const char *key, const ln_list *l) {
  ln_v_key(b, ln_str_of(key));
  size_t mark = ln_v_begin(b, 'A', l->n);
  for (size_t i = 0; i < l->n; i++) ln_v_str(b, l->v[i]);
  ln_v_end(b, mark);
}

static void put_params(ln_buf *b, const ln_params *p) {
  ln_v_key(b, LN_STR("params"));
  size_t mark = ln_v_begin(b, 'A', p->n);
  for (size_t i = 0; i < p->n; i++) {
    size_t one = ln_v_begin(b, 'O', 2);
    ln_v_key(b, LN_STR("name"));
    ln_v_str(b, ln_str_of(p->v[i].name));
    ln_v_key(b, LN_STR("type"));
    ln_v_str(b, ln_str_of(p->v[i].type));
    ln_v_end(b, one);
  }
  ln_v_end(b, mark);
}

static const char *move_name(ln_move m) { return m == LN_NOTE ? "note" : m == LN_FREE ? "free" : "confine"; }

static bool put_operation(void *arg, const ln_op_info *i) {
  ln_buf *b = arg;
  ln_v_key(b, (ln_str){i->name.p + i->connector.n + 1, i->name.n - i->connector.n - 1});
  size_t mark = ln_v_begin(b, 'O', 6);
  ln_v_key(b, LN_STR("class"));
  ln_v_str(b, ln_str_of(i->op ? ln_class_name(i->op->cls) : "flow"));
  ln_v_key(b, LN_STR("list"));
  ln_v_bool(b, i->list);
  ln_v_key(b, LN_STR("move"));
  ln_v_str(b, ln_str_of(i->op ? move_name(i->op->move) : "note"));
  put_params(b, i->params);
  put_texts(b, "select", &i->select);
  put_texts(b, "uses", &i->uses);
  return ln_v_end(b, mark);
}

static bool count_operation(void *arg, const ln_op_info *i) {
  (void)i;
  ++*(size_t *)arg;
  return true;
}

static bool put_connector(ln_engine *g, ln_str name, ln_buf *b) {
  ln_err why = {0};
  size_t n = 0;
  ln_v_key(b, name);
  size_t mark = ln_v_begin(b, 'O', 1);
  if (ln_connectors_each(g, name, count_operation, &n, &why)) {
    ln_v_key(b, LN_STR("operations"));
    size_t ops = ln_v_begin(b, 'O', n);
    ln_connectors_each(g, name, put_operation, b, &why);
    ln_v_end(b, ops);
  } else {
    ln_v_key(b, LN_STR("error"));
    ln_v_str(b, ln_str_of(why.message));
  }
  return ln_v_end(b, mark);
}

bool ln_known_connectors(ln_engine *g, ln_buf *b) {
  ln_list names = ln_connectors_names(g);
  size_t mark = ln_v_begin(b, 'O', names.n);
  for (size_t i = 0; i < names.n; i++) put_connector(g, names.v[i], b);
  return ln_v_end(b, mark);
}
