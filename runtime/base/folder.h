/* folder.h: a name is on disk only when its folder is. */
#ifndef LN_FOLDER_H
#define LN_FOLDER_H

#include <stdbool.h>

int ln_open_folder(const char *file);  /* the folder that file lies in; -1: see errno     */
bool ln_sync_folder(const char *file); /* false: see errno                                */
/* What the superuser makes for others is theirs: fd comes to belong to whoever has the file `beside`, else
** its folder.  For anybody else it does nothing.  False: see errno. */
bool ln_give_away(int fd, const char *beside);

#endif
