/* addr.c: kinds of addresses.  An IPv6 address that carries an IPv4 one is judged by what it carries:
** ::ffff:127.0.0.1 reaches this machine as surely as 127.0.0.1 does, and a translator turns
** 64:ff9b::a9fe:a9fe into 169.254.169.254. */
#include "net/addr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

static ln_addr_kind kind_of_4(const uint8_t a[4]) {
  if (a[0] == 127) return LN_ADDR_LOOPBACK;
  if (a[0] == 169 && a[1] == 254) return LN_ADDR_LINK_LOCAL;
  if (a[0] == 0) return LN_ADDR_UNSPECIFIED;
  return LN_ADDR_OTHER;
}

static ln_addr_kind kind_of_6(const uint8_t a[16]) {
  static const uint8_t zero[16], mapped[12] = {[10] = 0xFF, [11] = 0xFF};
  static const uint8_t one[16] = {[15] = 1}, nat64[12] = {0x00, 0x64, 0xFF, 0x9B};
  if (memcmp(a, one, 16) == 0) return LN_ADDR_LOOPBACK;
  if (memcmp(a, zero, 16) == 0) return LN_ADDR_UNSPECIFIED;
  if (a[0] == 0xFE && (a[1] & 0xC0) == 0x80) return LN_ADDR_LINK_LOCAL;
  if (memcmp(a, zero, 12) == 0 || memcmp(a, mapped, 12) == 0 || memcmp(a, nat64, 12) == 0)
    return kind_of_4(a + 12);
  if (a[0] == 0x20 && a[1] == 0x02) return kind_of_4(a + 2); /* 6to4 */
  return LN_ADDR_OTHER;
}

ln_addr_kind ln_addr_kind_of(const struct sockaddr *sa) {
  struct sockaddr_in v4;
  struct sockaddr_in6 v6;
  uint8_t a[16];
  if (sa->sa_family == AF_INET) {
    memcpy(&v4, sa, sizeof v4);
    memcpy(a, &v4.sin_addr, 4);
    return kind_of_4(a);
  }
  if (sa->sa_family == AF_INET6) {
    memcpy(&v6, sa, sizeof v6);
    memcpy(a, &v6.sin6_addr, 16);
    return kind_of_6(a);
  }
  return LN_ADDR_UNKNOWN;
}

bool ln_addr_parse(const char *ip, unsigned short port, struct sockaddr_storage *out, socklen_t *n) {
  struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
  struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
  char bare[INET6_ADDRSTRLEN + 1];
  size_t len = strcspn(ip, "%"); /* without a zone */
  if (len >= sizeof bare) return false;
  memcpy(bare, ip, len);
  bare[len] = '\0';
  memset(out, 0, sizeof *out);
  if (inet_pton(AF_INET, bare, &v4.sin_addr) == 1) {
    memcpy(out, &v4, *n = sizeof v4);
    return true;
  }
  if (inet_pton(AF_INET6, bare, &v6.sin6_addr) == 1) {
    memcpy(out, &v6, *n = sizeof v6);
    return true;
  }
  return false;
}

ln_addr_kind ln_addr_kind_of_text(const char *ip) {
  struct sockaddr_storage sa;
  socklen_t n;
  return ln_addr_parse(ip, 0, &sa, &n) ? ln_addr_kind_of((struct sockaddr *)&sa) : LN_ADDR_UNKNOWN;
}

const char *ln_addr_kind_name(ln_addr_kind k) {
  static const char *const name[] = {"ordinary", "loopback", "link-local", "unspecified", "unknown"};
  return name[k];
}
