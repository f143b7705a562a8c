#pragma once

/* What the filters of this folder have in common: stdin into a stage, a stage onto stdout. */

#include <stddef.h>

struct stage;

struct stage *through_stdout(void);

/* All of stdin in pieces of this size, and the end. As stage_finish(). */
int through_pump(struct stage *first, size_t piece);
