/* doctor.h: between the parts of lunette doctor: what is told, and the looks at what vendors grant. */
#ifndef LN_DOCTOR_H
#define LN_DOCTOR_H

#include "cli/app.h"

typedef enum ln_health { LN_HEALTH_OK, LN_HEALTH_NOTE, LN_HEALTH_TODO, LN_HEALTH_BAD } ln_health;

typedef struct ln_doctor {
  ln_app app;
  bool json;
  ln_health worst;
  ln_buf needs;                                          /* encoded texts: operations that playbooks use */
} ln_doctor;

/* One finding: about what, and in words what is so, and what to do. */
void ln_doctor_say(ln_doctor *d, ln_health h, const char *about, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Does some playbook use it?  Full name. */
bool ln_doctor_needs(const ln_doctor *d, ln_str operation);
/* doctor_drift.c: what is on record of operations that end, and of answers that are not as expected; of all
** connectors, or one. */
void ln_doctor_drift(ln_doctor *d, ln_str only);
/* doctor_rights.c: asks each configured connector, or the one that is named, what it is granted. */
void ln_doctor_connectors(ln_doctor *d, ln_str only);

#endif
