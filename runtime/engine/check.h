/* check.h: examines scripts before they run.  The rules are stdlib/check, in the host state; what there is to
** use (the words, the libraries and their functions) is asked of a fresh VM, so that no list can grow old. */
#ifndef LN_CHECK_H
#define LN_CHECK_H

#include "engine/engine.h"

/* sources: an encoded array of { module, path, report, source }; those without `report` are only what others
** are made of.  connectors: an encoded object: name -> { operations = name -> { class, list, move, params =
** [{ name, type }], select, uses } } or { error, path }.  Appends to findings an encoded array of { column,
** file, line, message, rule, severity }, in the order of files and lines.  False: the examination itself
** failed. */
bool ln_check(ln_engine *g, ln_str connectors, ln_str sources, ln_buf *findings, ln_err *err);
/* What every playbook can name, asked of a fresh VM: appends an encoded object { absent = name -> why,
** globals = name -> true or [member], modules likewise }. */
bool ln_check_names(ln_engine *g, ln_buf *out, ln_err *err);

/* Findings (an encoded array), with the sources that they are of, as a SARIF 2.1.0 log: appends JSON. */
bool ln_check_sarif(ln_engine *g, ln_str findings, ln_str sources, ln_buf *json, ln_err *err);

#endif
