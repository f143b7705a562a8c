#pragma once

/* What `leaks` found, for people and for programs (docs/ANALYSIS.md). */

#include "ctl/places.h"
#include "heap/class_growth.h"
#include "heap/leaks.h"

struct buf;

/* Why objects are not compared one by one, which `classes` says. */
enum leaks_apart { LEAKS_SAME, LEAKS_ASKED, LEAKS_OTHER_PROCESS, LEAKS_OTHER_PROGRAM };

struct leaks_answer {
	const struct heap_side *last; /* borrowed */
	struct places *places; /* borrowed: files are read as they are needed */
	struct heap_leaks leaks; /* owned, as is what follows */
	struct heap_past pasts[HEAP_PASTS_MAX];
	size_t pasts_n;
	enum heap_match_by by;
	struct heap_agreement agreement; /* the worse of the two */
	enum leaks_apart apart;
	struct heap_class_growth *classes; /* when it is not LEAKS_SAME */
	size_t classes_n;
};

/* top: so many suspects or rows, 0: all. 0, -ENOMEM; also buf's error. */
int leaks_put_text(struct buf *buf, const struct leaks_answer *answer, uint64_t top, bool legend);
int leaks_put_json(struct buf *buf, const struct leaks_answer *answer, uint64_t top);
