/* schema.c: the tables, and how a file comes to have them.  Page size and auto_vacuum take only in an empty
** file that is not in WAL mode yet, and are ignored in silence otherwise; so they are set first, everything
** else follows in one transaction, the WAL comes last, and all of it is read back.
**
** The log is append-only, in order of arrival, one row a run a batch, and has no other index: clustered by
** run the same rows cost eleven times as much.  What has been gathered into segments is deleted from its
** front; meta.floor is the lowest id that may still be there, meta.next the one that the next row gets. */
#include "store/schema.h"

static const char tables[] =
    "CREATE TABLE meta("
    " one INTEGER PRIMARY KEY CHECK (one = 1), next INTEGER NOT NULL, floor INTEGER NOT NULL,"
    " version INTEGER NOT NULL,"         /* the last that a value in kv was given */
    " commits INTEGER NOT NULL) STRICT;" /* of all writers: how one learns of another */
    "INSERT INTO meta VALUES(1, 1, 1, 0, 0);"

    "CREATE TABLE log(id INTEGER PRIMARY KEY, run INTEGER NOT NULL, entries BLOB NOT NULL) STRICT;"
    "CREATE TABLE segment(" /* format 1: entries one after the other */
    " id INTEGER PRIMARY KEY, run INTEGER NOT NULL, n INTEGER NOT NULL, upto INTEGER NOT NULL,"
    " format INTEGER NOT NULL, entries BLOB NOT NULL) STRICT;"
    "CREATE UNIQUE INDEX segment_run ON segment(run, n, upto);"

    "CREATE TABLE run(" /* what changes often, without what is big */
    " id INTEGER PRIMARY KEY AUTOINCREMENT, ulid TEXT NOT NULL UNIQUE, owner TEXT NOT NULL, epoch INTEGER "
    "NOT NULL,"
    " parent INTEGER NOT NULL, root INTEGER NOT NULL, playbook TEXT NOT NULL, snapshot TEXT NOT NULL,"
    " state TEXT NOT NULL, outcome TEXT NOT NULL, waiting BLOB NOT NULL, result BLOB NOT NULL, error BLOB "
    "NOT NULL,"
    " started_by TEXT NOT NULL, created_ms INTEGER NOT NULL, finished_ms INTEGER NOT NULL,"
    " seed BLOB NOT NULL, deaths INTEGER NOT NULL) STRICT;"
    "CREATE INDEX run_state ON run(state);"
    "CREATE INDEX run_playbook ON run(playbook);"
    "CREATE TABLE run_input("
    " run INTEGER PRIMARY KEY, input BLOB NOT NULL, options BLOB NOT NULL) STRICT;"

    "CREATE TABLE kv(key TEXT NOT NULL UNIQUE, value BLOB NOT NULL, version INTEGER NOT NULL,"
    " expires_ms INTEGER NOT NULL) STRICT;"

    "CREATE TABLE hold(" /* name: the entity's last part, in lower case */
    " id INTEGER PRIMARY KEY AUTOINCREMENT, run INTEGER NOT NULL, step TEXT NOT NULL, entity TEXT NOT NULL,"
    " facet TEXT NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL, op TEXT NOT NULL, state TEXT NOT NULL,"
    " before TEXT NOT NULL, status TEXT NOT NULL, undo BLOB NOT NULL, since_ms INTEGER NOT NULL,"
    " until_ms INTEGER NOT NULL, UNIQUE(run, step)) STRICT;"
    "CREATE INDEX hold_entity ON hold(entity, facet);"
    "CREATE INDEX hold_name ON hold(name);"
    "CREATE INDEX hold_kind ON hold(kind);"
    "CREATE INDEX hold_open ON hold(id) WHERE status <> 'released';"
    "CREATE TABLE act(" /* the last time a tree of runs touched an entity */
    " root INTEGER NOT NULL, entity TEXT NOT NULL, run INTEGER NOT NULL, op TEXT NOT NULL, ms INTEGER NOT "
    "NULL,"
    " PRIMARY KEY(root, entity)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX act_ms ON act(ms, entity);"

    "CREATE TABLE approval("
    " id INTEGER PRIMARY KEY AUTOINCREMENT, run INTEGER NOT NULL, step TEXT NOT NULL, kind TEXT NOT NULL,"
    " title TEXT NOT NULL, detail BLOB NOT NULL, digest TEXT NOT NULL, effects BLOB NOT NULL, options BLOB "
    "NOT NULL,"
    " state TEXT NOT NULL, by TEXT NOT NULL, comment TEXT NOT NULL, answer TEXT NOT NULL, quorum INTEGER NOT "
    "NULL,"
    " created_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL, decided_ms INTEGER NOT NULL) STRICT;"
    "CREATE INDEX approval_run ON approval(run);"
    "CREATE INDEX approval_waiting ON approval(id) WHERE state = 'waiting';"
    "CREATE TABLE vote("
    " approval INTEGER NOT NULL, by TEXT NOT NULL, yes INTEGER NOT NULL, comment TEXT NOT NULL,"
    " answer TEXT NOT NULL, ms INTEGER NOT NULL, PRIMARY KEY(approval, by)) STRICT, WITHOUT ROWID;"

    "CREATE TABLE content("
    " id INTEGER PRIMARY KEY, sha256 TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, expires_ms INTEGER NOT NULL,"
    " bytes BLOB NOT NULL) STRICT;"
    "CREATE TABLE hint(key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;" /* only for speed */
    "CREATE TABLE secret(name TEXT PRIMARY KEY, sealed BLOB NOT NULL, ms INTEGER NOT NULL) STRICT, WITHOUT "
    "ROWID;"
    "CREATE TABLE audit("
    " id INTEGER PRIMARY KEY AUTOINCREMENT, ms INTEGER NOT NULL, what TEXT NOT NULL, who TEXT NOT NULL,"
    " run INTEGER NOT NULL, detail TEXT NOT NULL) STRICT;";

/* What version 2 has beyond version 1. */
static const char tables2[] =
    "CREATE TABLE wait(" /* of parked runs; key '': a time only */
    " run INTEGER NOT NULL, key TEXT NOT NULL, due INTEGER NOT NULL, PRIMARY KEY(run, key)) STRICT, WITHOUT "
    "ROWID;"
    "CREATE INDEX wait_due ON wait(due);"
    "CREATE INDEX wait_key ON wait(key) WHERE key <> '';"
    "CREATE TABLE signal("
    " id INTEGER PRIMARY KEY AUTOINCREMENT, run INTEGER NOT NULL, name TEXT NOT NULL, value BLOB NOT NULL,"
    " by TEXT NOT NULL, ms INTEGER NOT NULL) STRICT;"
    "CREATE INDEX signal_run ON signal(run, name);"
    "CREATE TABLE lock(name TEXT PRIMARY KEY, run INTEGER NOT NULL, step TEXT NOT NULL, ms INTEGER NOT NULL)"
    " STRICT, WITHOUT ROWID;"
    "CREATE INDEX lock_run ON lock(run);"
    "CREATE TABLE freeze(" /* scope: '' all, "connector:NAME", "playbook:NAME" */
    " scope TEXT PRIMARY KEY, why TEXT NOT NULL, by TEXT NOT NULL, ms INTEGER NOT NULL) STRICT, WITHOUT "
    "ROWID;"
    "CREATE TABLE mark(name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE INDEX run_parent ON run(parent) WHERE parent <> 0;"
    "CREATE INDEX hold_until ON hold(until_ms) WHERE until_ms > 0 AND status = 'held';"
    "PRAGMA user_version = 2;";

/* What version 3 has beyond version 2. */
static const char tables3[] =
    "ALTER TABLE hold ADD COLUMN verdict TEXT NOT NULL DEFAULT '';" /* that it rests on: "malicious", or '' */
    "ALTER TABLE hold ADD COLUMN move TEXT NOT NULL DEFAULT '';" /* "confine" "free" "note"; '': not known */
    "ALTER TABLE hold ADD COLUMN lifted_by INTEGER NOT NULL DEFAULT 0;" /* the run that took it back */
    "ALTER TABLE hold ADD COLUMN ended_ms INTEGER NOT NULL DEFAULT 0;" /* of a lease: looked after */
    "DROP INDEX hold_until;"
    "CREATE INDEX hold_over ON hold(until_ms) WHERE until_ms > ended_ms AND status = 'held';"
    "CREATE TABLE alias(" /* what else an entity is called, in lower case */
    " name TEXT NOT NULL, entity TEXT NOT NULL, PRIMARY KEY(name, entity)) STRICT, WITHOUT ROWID;"
    "PRAGMA user_version = 3;";

/* What version 4 has beyond version 3. */
static const char tables4[] = "CREATE INDEX run_created ON run(created_ms);"
                              "PRAGMA user_version = 4;";

/* What version 5 has beyond version 4. */
static const char tables5[] =
    "CREATE TABLE token(" /* handle: the first 16 digits of sha256; expires_ms, used_ms 0: never */
    " name TEXT PRIMARY KEY, role TEXT NOT NULL, handle TEXT NOT NULL UNIQUE, sha256 TEXT NOT NULL,"
    " created_ms INTEGER NOT NULL, created_by TEXT NOT NULL, expires_ms INTEGER NOT NULL,"
    " used_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "ALTER TABLE audit RENAME TO audit4;" /* chained below */
    "CREATE TABLE audit(" /* audit.c says what hash is over */
    " seq INTEGER PRIMARY KEY, ms INTEGER NOT NULL, what TEXT NOT NULL, who TEXT NOT NULL,"
    " run INTEGER NOT NULL, ulid TEXT NOT NULL, detail TEXT NOT NULL, hash BLOB NOT NULL) STRICT;"
    "CREATE TABLE checkpoint("
    " seq INTEGER PRIMARY KEY, ms INTEGER NOT NULL, hash TEXT NOT NULL, signer TEXT NOT NULL,"
    " signature TEXT NOT NULL) STRICT;";
static const char end5[] = "DROP TABLE audit4; PRAGMA user_version = 5;";

/* What version 6 has beyond those before it.  An alert's row stays for ever; what it said is content, as long
** as something needs it. */
static const char tables6[] =
    "CREATE TABLE alert("
    " id INTEGER PRIMARY KEY AUTOINCREMENT, source TEXT NOT NULL, name TEXT NOT NULL,"
    " state TEXT NOT NULL," /* "new": no trigger was asked yet; "decided"; "kept": nobody knows its format */
    " ms INTEGER NOT NULL, by TEXT NOT NULL, title TEXT NOT NULL, severity TEXT NOT NULL, why TEXT NOT NULL,"
    " sha256 TEXT NOT NULL, UNIQUE(source, name)) STRICT;"
    "CREATE INDEX alert_new ON alert(id) WHERE state = 'new';"
    "CREATE INDEX alert_kept ON alert(id) WHERE state = 'kept';"
    "CREATE INDEX alert_content ON alert(sha256);"
    "CREATE TABLE alert_run(" /* what became of an alert with a playbook whose `on` wanted it, or failed */
    " alert INTEGER NOT NULL, playbook TEXT NOT NULL, what TEXT NOT NULL, why TEXT NOT NULL,"
    " run INTEGER NOT NULL, approval INTEGER NOT NULL, rule TEXT NOT NULL, ms INTEGER NOT NULL,"
    " PRIMARY KEY(alert, playbook)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX alert_run_run ON alert_run(run) WHERE run <> 0;"
    "CREATE INDEX alert_run_held ON alert_run(approval) WHERE approval <> 0;"
    "CREATE INDEX alert_run_rule ON alert_run(playbook, rule, ms) WHERE what = 'started';"
    "CREATE INDEX alert_run_missed ON alert_run(alert) WHERE what = 'missed';"
    "CREATE TABLE run_key("
    " playbook TEXT NOT NULL, key TEXT NOT NULL, run INTEGER NOT NULL, PRIMARY KEY(playbook, key))"
    " STRICT, WITHOUT ROWID;"
    "CREATE INDEX run_key_run ON run_key(run);"
    "CREATE TABLE trigger_rule(" /* starts by one rule count from since_ms on; approval <> 0: it is paused */
    " playbook TEXT NOT NULL, rule TEXT NOT NULL, since_ms INTEGER NOT NULL, approval INTEGER NOT NULL,"
    " PRIMARY KEY(playbook, rule)) STRICT, WITHOUT ROWID;"
    "CREATE INDEX trigger_rule_approval ON trigger_rule(approval) WHERE approval <> 0;"
    "CREATE TABLE schedule(" /* at_ms: on the schedule's own grid; due_ms: with its jitter */
    " playbook TEXT PRIMARY KEY, every_ms INTEGER NOT NULL, at_ms INTEGER NOT NULL, due_ms INTEGER NOT NULL,"
    " run INTEGER NOT NULL, why TEXT NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE delivery(" /* signatures that were seen, until their window is over */
    " source TEXT NOT NULL, mark TEXT NOT NULL, until_ms INTEGER NOT NULL, PRIMARY KEY(source, mark))"
    " STRICT, WITHOUT ROWID;"
    "CREATE INDEX delivery_until ON delivery(until_ms);"
    "CREATE TABLE cursor(name TEXT PRIMARY KEY, value BLOB NOT NULL, ms INTEGER NOT NULL) STRICT,"
    " WITHOUT ROWID;"
    "PRAGMA user_version = 6;";

/* What version 7 has beyond those before it. */
static const char tables7[] =
    "CREATE TABLE request(" /* that came with a key: it is not done again */
    " key TEXT PRIMARY KEY, digest TEXT NOT NULL, ulid TEXT NOT NULL, ms INTEGER NOT NULL) STRICT, WITHOUT "
    "ROWID;"
    "CREATE INDEX request_ms ON request(ms);"
    "PRAGMA user_version = 7;";

/* What version 8 has beyond those before it. */
static const char tables8[] =
    "CREATE TABLE session(" /* handle: the first 16 digits of sha256; origin: what it rests on: the SHA-256 */
    " id INTEGER PRIMARY KEY AUTOINCREMENT," /* of the token, or of what the configuration says of sign-in */
    " handle TEXT NOT NULL UNIQUE, sha256 TEXT NOT NULL, who TEXT NOT NULL, role TEXT NOT NULL,"
    " how TEXT NOT NULL, origin TEXT NOT NULL, made_ms INTEGER NOT NULL, used_ms INTEGER NOT NULL,"
    " ends_ms INTEGER NOT NULL) STRICT;"
    "CREATE INDEX session_who ON session(who);"
    "CREATE INDEX session_origin ON session(origin);"
    "PRAGMA user_version = 8;";

static bool pragma(ln_conn *c, const char *sql, int64_t *value, ln_err *err) {
  return ln_conn_ints(c, value, 1, NULL, err, sql, "");
}

/* Whose file is this?  *has: the version of its tables; 0: nobody's yet. */
static bool look(ln_conn *c, int64_t *has, ln_err *err) {
  int64_t mark, version, things;
  if (!pragma(c, "PRAGMA application_id", &mark, err) || !pragma(c, "PRAGMA user_version", &version, err) ||
      !pragma(c, "SELECT count(*) FROM sqlite_schema", &things, err))
    return false;
  *has = version;
  if (mark == 0 && version == 0 && things == 0) return true;
  if (mark != LN_STORE_MARK)
    return ln_fail(err, "store", LN_FINAL, "%s is another program's SQLite database: name another file",
                   c->path);
  if (version > LN_STORE_VERSION)
    return ln_fail(err, "store", LN_FINAL,
                   "%s was made by a newer Lunette (its version is %lld, this program knows %d): upgrade",
                   c->path, (long long)version, LN_STORE_VERSION);
  if (version > 0 && things > 0) return true;
  return ln_fail(err, "store", LN_FINAL,
                 "%s is no store that this Lunette knows (version %lld): restore a backup", c->path,
                 (long long)version);
}

/* Between the look and the lock another process may have made the tables: look again. */
static bool make(ln_conn *c, ln_err *err) {
  int64_t has = 0;
  if (!ln_conn_script(c, "PRAGMA page_size = 4096; PRAGMA auto_vacuum = INCREMENTAL; BEGIN IMMEDIATE", err))
    return false;
  bool ok = look(c, &has, err);
  if (ok && has == 0)
    ok = ln_conn_script(c, "PRAGMA application_id = 0x4C754E31", err) && ln_conn_script(c, tables, err);
  if (ok && has < 2) ok = ln_conn_script(c, tables2, err);
  if (ok && has < 3) ok = ln_conn_script(c, tables3, err);
  if (ok && has < 4) ok = ln_conn_script(c, tables4, err);
  if (ok && has < 5)
    ok = ln_conn_script(c, tables5, err) && ln_schema_chain(c, err) && ln_conn_script(c, end5, err);
  if (ok && has < 6) ok = ln_conn_script(c, tables6, err);
  if (ok && has < 7) ok = ln_conn_script(c, tables7, err);
  if (ok && has < 8) ok = ln_conn_script(c, tables8, err);
  if (ok) ok = ln_conn_script(c, "COMMIT", err);
  if (!ok) sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL);
  return ok;
}

/* The change of mode wants the file to itself, and SQLite does not wait for that by itself. */
static bool wal(ln_conn *c, ln_err *err) {
  char mode[16] = "";
  for (int tries = 0; tries < LN_BUSY_MS / 10; tries++) {
    sqlite3_stmt *q = NULL;
    int rc = sqlite3_prepare_v2(c->db, "PRAGMA journal_mode = WAL", -1, &q, NULL);
    if (rc == SQLITE_OK) rc = sqlite3_step(q);
    if (rc == SQLITE_ROW) sqlite3_snprintf(sizeof mode, mode, "%s", (const char *)sqlite3_column_text(q, 0));
    sqlite3_finalize(q);
    if (rc == SQLITE_ROW && strcmp(mode, "wal") == 0) return true;
    if (rc != SQLITE_ROW && (rc & 0xff) != SQLITE_BUSY) return ln_conn_fail(c, rc, err);
    if (rc == SQLITE_ROW && tries > 10) break;
    sqlite3_sleep(10);
  }
  return ln_fail(
      err, "store", LN_FINAL,
      "%s: its file system cannot keep a write-ahead log (the mode stays '%s'): put it on a local disk",
      c->path, mode);
}

static bool read_back(ln_conn *c, ln_err *err) {
  int64_t page, vacuum, mark, version, meta[2];
  if (!pragma(c, "PRAGMA page_size", &page, err) || !pragma(c, "PRAGMA auto_vacuum", &vacuum, err) ||
      !pragma(c, "PRAGMA application_id", &mark, err) || !pragma(c, "PRAGMA user_version", &version, err) ||
      !ln_conn_ints(c, meta, 2, NULL, err, "SELECT next, floor FROM meta", ""))
    return false;
  if (page == LN_STORE_PAGE && vacuum == 2 && mark == LN_STORE_MARK && version == LN_STORE_VERSION)
    return true;
  return ln_fail(err, "store", LN_FINAL,
                 "%s did not take its settings (page size %lld, auto_vacuum %lld): name a new file", c->path,
                 (long long)page, (long long)vacuum);
}

bool ln_schema_connect(ln_conn *c, ln_err *err) {
  return ln_conn_script(c,
                        "PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY; PRAGMA cell_size_check = ON;"
                        "PRAGMA journal_size_limit = 67108864",
                        err);
}

bool ln_schema_look(ln_conn *c, ln_err *err) {
  int64_t has = 0;
  if (!ln_schema_connect(c, err) || !look(c, &has, err)) return false;
  return has > 0 || ln_fail(err, "store", LN_FINAL, "%s is empty: name a store that is there", c->path);
}

bool ln_schema_open(ln_conn *c, ln_err *err) {
  int64_t has = 0;
  return ln_schema_connect(c, err) && look(c, &has, err) && (has == LN_STORE_VERSION || make(c, err)) &&
         wal(c, err) && read_back(c, err);
}
