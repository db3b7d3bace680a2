/* local_path.h: what both ends of a Unix socket share: its address, and the length before each message. */
#ifndef LN_LOCAL_PATH_H
#define LN_LOCAL_PATH_H

#include "net/local.h"

#include <sys/socket.h>
#include <sys/un.h>

enum { LN_LOCAL_HEAD = 8 };

/* The address of path, short enough for the kernel: by its folder's descriptor, which stays open in *folder
** (close it) while the address is used. */
bool ln_local_address(const char *path, struct sockaddr_un *at, int *folder);
/* Listens on path, which whoever `mode` lets may reach from its first moment on; a socket that was left there
** is replaced, unless somebody answers on it.  -1: "unavailable". */
int ln_local_socket(const char *path, int mode, int backlog, ln_err *err);
void ln_local_head(size_t n, char head[LN_LOCAL_HEAD]);
/* bytes of the first message, head included; 0: not there yet; SIZE_MAX: too long */
size_t ln_local_whole(ln_str in);

#endif
