/* config.h: the configuration, read once: a Lua file that returns a table and can call only `secret` and
** `env`.  An unknown key is an error that names the nearest known one.  Texts live as long as the
** configuration. */
#ifndef LN_CONFIG_H
#define LN_CONFIG_H

#include "engine/values.h"
#include "store/store.h"

typedef enum ln_writes { LN_WRITES_NEVER, LN_WRITES_ASK, LN_WRITES_ALLOW } ln_writes;

typedef struct ln_list { ln_str *v; size_t n; } ln_list;

typedef struct ln_connector_config {
  ln_str name, url;
  ln_writes writes;                                      /* default: never; on loopback: allow              */
  bool loopback;                                         /* http://127.…, localhost, [::1], or simulated    */
  int64_t pace;                                          /* 1, or N on loopback only                        */
  ln_str keys; /* an encoded object: the connector's further keys; a secret stands as { secret = "name" } */
} ln_connector_config;

typedef struct ln_credential {                           /* for http's `auth` and crypto's keys             */
  ln_str name, kind;                                     /* "bearer" "basic" "header" "hmac" "key"          */
  ln_str secret, user, header;                           /* secret: its name                                */
  ln_list hosts;
} ln_credential;

/* Who hands in alerts by itself: signed by HMAC-SHA-256, or with a token that stays the same. */
typedef struct ln_source_config {
  ln_str name, secret;                                   /* secret: its name                                */
  bool token;                                            /* the header has the secret itself                */
  ln_str header, prefix;                                 /* where the signature is, and what is before it   */
  ln_str time, signs;                                    /* the header with the time; "{time}.{body}"       */
  ln_str challenge;                                      /* the header by which it asks whether it may      */
  int64_t window_ms;
  int64_t silent_ms;                                     /* so long nothing may come of it; 0: ever         */
} ln_source_config;

/* Whom people's messages go to: a webhook. */
typedef struct ln_notify_config {
  ln_str name;                                           /* in logs, in the place of the address            */
  ln_str url, secret;                                    /* one of them; secret: its name                   */
  ln_str auth;                                           /* a credential's name, or ""                      */
  ln_str format;                                         /* the module that makes the message               */
  ln_list events;                                        /* of ln_notice_events                             */
} ln_notify_config;

extern const char *const ln_notice_events[];             /* "approval" …; NULL ends it                      */
typedef enum ln_seal_want { LN_SEAL_BEST, LN_SEAL_REQUIRED, LN_SEAL_OFF } ln_seal_want;

/* Which requests say what trace they belong to: none; those to connectors and to hosts that a credential is
** bound to; all. */
typedef enum ln_tell { LN_TELL_KNOWN, LN_TELL_ANY, LN_TELL_NONE } ln_tell;

typedef struct ln_traces_config {
  ln_str url, auth, service;                             /* url "": none; auth: a credential, or "" */
  double sample;                                         /* of the traces that begin here                   */
  bool loopback;
  ln_tell tell;
} ln_traces_config;

/* Where people sign in: an OpenID provider, and what its claims make of them. */
typedef struct ln_oidc_config {
  ln_str issuer, client_id;                              /* issuer "": nowhere                              */
  ln_str secret;                                         /* its name; "": the client has none               */
  bool loopback;                                         /* the issuer is on this machine                   */
  ln_str name;                                           /* for the page that offers it                     */
  ln_list scopes;                                        /* besides "openid"                                */
  ln_str claim, domain;                                  /* which one is the name; less "@" and domain      */
  ln_str roles_claim;
  ln_list viewer, operators, approver, admin;            /* which values of that one make which role        */
} ln_oidc_config;

typedef struct ln_config {
  ln_str file;                                           /* "" : defaults                                   */
  ln_str store, listen;                                  /* listen "": no HTTP; "unix:PATH": a Unix socket  */
  bool listens;                                          /* it says where; else that is the usual address   */
  ln_str public_url;                                     /* "https://ir.example", as browsers know it; ""   */
  int listen_mode;                                       /* of a Unix socket                                */
  ln_str tls_cert, tls_key;                              /* PEM files; "": no TLS                           */
  bool log_json;                                         /* log.format = "json"                             */
  int log_level;                                         /* of log.level, as ln_level; -1: not said         */
  ln_seal_want seal;                                     /* of a process that serves                        */
  bool metrics_open;                                     /* /metrics is for everybody                       */
  ln_list scripts, stdlib, connectors_path, egress, files;
  ln_connector_config *connectors; size_t n_connectors;
  ln_credential *credentials; size_t n_credentials;
  ln_str playbooks;                                      /* an encoded object: playbook name -> site inputs */
  size_t memory, response;
  int64_t slice_us, cpu_us;
  ln_list allow_sha256, allow_path;
  ln_str approvals_self;                                 /* "" (false) or "interactive"                     */
  ln_list protect_host, protect_user;
  int64_t per_run, per_hour;
  double share;                                          /* 0: none                                         */
  bool approve_destructive;                              /* guards.approve == "destructive" (else "never")  */
  ln_list unasked;
  ln_list secrets_helper;                                /* argv; "{name}" is the secret's                  */
  ln_str secrets_key;                                    /* the vault's key file; "": see engine/secret.h   */
  ln_str audit_checkpoints, audit_key;                   /* files; "": none, and beside the store           */
  ln_source_config *sources; size_t n_sources;
  ln_oidc_config oidc;
  ln_str intake_folder;                                  /* "": none is watched                             */
  ln_list intake_poll;                                   /* connectors whose alerts are asked for           */
  ln_notify_config *notify; size_t n_notify;
  int64_t intake_silent_ms;                              /* of the folder, and where a source says nothing  */
  ln_traces_config traces;
} ln_config;

/* Finds and reads it: `path` (may be NULL: $LUNETTE_CONFIG, ./lunette.conf.lua,
** /etc/lunette/lunette.conf.lua, none). */
ln_config *ln_config_load(const char *path, ln_err *err);
void ln_config_free(ln_config *c);
const ln_connector_config *ln_config_connector(const ln_config *c, ln_str name); /* NULL: none              */
/* How many times faster the vendor of a dotted name ("okta.users") lives: its `pace`; 1: no connector's. */
int64_t ln_config_pace(const ln_config *c, ln_str name);
bool ln_config_is_script(const ln_config *c, ln_str path); /* a file below one of the folders of `scripts`  */
bool ln_config_is_library(const ln_config *c, ln_str path); /* below `stdlib`, `connectors_path`; no script */
bool ln_config_all_near(const ln_config *c);             /* every connector is on loopback, or simulated    */
bool ln_config_is_near(const ln_config *c, ln_str connector); /* it is, or it is not configured            */
/* Is every connector of a playbook's `uses` (an encoded list)?  A playbook in there may use any. */
bool ln_config_uses_near(const ln_config *c, ln_str uses);
ln_str ln_config_host(ln_str url);                       /* of a configured address: "127.0.0.1"           */
/* Plainly scheme, host, port and path: https, or http on loopback (*loopback: that it is). */
bool ln_config_is_url(ln_str url, bool *loopback);
const ln_credential *ln_config_credential(const ln_config *c, ln_str name);
/* For run --sim: forgets the configured connectors, then one at a time adds a simulated one at
** "https://NAME.sim", with the keys that reach it; writes allowed, as on loopback. */
void ln_config_clear_connectors(ln_config *c);
bool ln_config_simulate(ln_config *c, ln_str name, ln_str keys, ln_err *err);
/* For the same: facts where the configuration has none (an encoded object), and one more root for files. */
bool ln_config_site(ln_config *c, ln_str playbooks, const char *files, ln_err *err);

#endif
