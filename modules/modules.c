/* modules.c: the list of what `require` gives a playbook from the core. */
#include "modules/modules.h"

const ln_module lnL_modules[] = {
    {"crypto", luaopen_crypto}, {"file", luaopen_file},
    {"http", luaopen_http}, {"json", luaopen_json},
    {"ledger", luaopen_ledger}, {"log", luaopen_log},   {"store", luaopen_store},
    {"text", luaopen_text},     {"time", luaopen_time}, {"xml", luaopen_xml},
    {"zip", luaopen_zip},       {NULL, NULL},
};
