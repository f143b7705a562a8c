#pragma once

/* Classes of two snapshots side by side, for people. */

#include <stdbool.h>
#include <stddef.h>
#include "heap/class_growth.h"

struct buf;

/* A table. 0, -ENOMEM; also buf's error. */
int class_rows_put(struct buf *buf, const struct heap_class_growth *rows, size_t n, bool legend);
