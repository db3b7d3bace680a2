/* folder.h: a name is on disk only when its folder is. */
#ifndef LN_FOLDER_H
#define LN_FOLDER_H

#include <stdbool.h>

bool ln_sync_folder(const char *file); /* the folder that file lies in; false: see errno */

#endif
