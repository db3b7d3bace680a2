/* addr.h: what kind of place an address is: what a name must not lead to unless somebody meant it. */
#ifndef LN_ADDR_H
#define LN_ADDR_H

#include <stdbool.h>
#include <sys/socket.h>

typedef enum ln_addr_kind {
  LN_ADDR_OTHER,                                         /* neither of these: an ordinary place           */
  LN_ADDR_LOOPBACK,                                      /* 127.0.0.0/8, ::1                              */
  LN_ADDR_LINK_LOCAL,                                    /* 169.254.0.0/16 (clouds' metadata), fe80::/10  */
  LN_ADDR_UNSPECIFIED,                                   /* 0.0.0.0/8, ::                                 */
  LN_ADDR_UNKNOWN                                        /* not an internet address                       */
} ln_addr_kind;

/* IPv4 within IPv6 (mapped, compatible, NAT64, 6to4) is what the IPv4 address is. */
ln_addr_kind ln_addr_kind_of(const struct sockaddr *sa);
ln_addr_kind ln_addr_kind_of_text(const char *ip);       /* "10.0.0.7", "fe80::1%eth0"; else unknown      */
const char *ln_addr_kind_name(ln_addr_kind k);           /* "loopback", for messages                      */
bool ln_addr_parse(const char *ip, unsigned short port, struct sockaddr_storage *out, socklen_t *n);

#endif
