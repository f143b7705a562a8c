#pragma once

/* A folder of the test's own and what lies in it. All abort with a message when they cannot. */

#include <stdbool.h>
#include <stddef.h>

enum { FOLDER_PATH_MAX = 512 };

void folder_new(char dir[FOLDER_PATH_MAX / 2]); /* a fresh one */
void folder_remove(const char *dir); /* with all in it */

/* The content of DIR/name, to be freed; NULL when there is none. */
char *folder_read(const char *dir, const char *name, size_t *ret_size);
void folder_write(const char *dir, const char *name, const void *data, size_t size);

/* Names in DIR/name that are not "." and "..". */
unsigned folder_count(const char *dir, const char *name);
bool folder_exists(const char *dir, const char *name);
