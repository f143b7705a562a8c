#pragma once

/*
 * The process of a target as the kernel has it: which one it is, and what it uses. For target.c
 * and isolate.c; what others may ask is in watch/target.h.
 */

#include <stdbool.h>
#include "inspect/sample.h"

struct isolate;
struct target;

/*
 * A new connection has told who is there: the same with what the kernel knows of it, its pid where
 * the runtime does not tell that, and its start in ticks.
 */
struct identity target_process_identify(struct target *target, const struct identity *said);

/* Of one process, as far as both tell? */
bool target_process_same(const struct identity *a, const struct identity *b);

/* After a poll: the identity is what its session has told by now, and what was known before. */
void target_process_update(struct target *target);

/* Read what it uses, for target->process. False when it cannot be seen. */
bool target_process_read(struct target *target);

/* A new connection: note whether it has processes of pages, of those that may end without a word.
 */
void target_see_pages(struct target *target);

/* It has had such ones, and has none now. Costs a look at every process. */
bool target_pages_ended(const struct target *target);

/* With its sample: what the process of its own uses, if it has one. */
void target_isolate_read(const struct target *target, struct isolate *isolate);
