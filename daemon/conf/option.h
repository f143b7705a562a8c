#pragma once

/*
 * Options
 *
 * A module exports constant tables; the loader, the reload diff, `heapwatchd --options` and
 * docs/CONFIG.md are all made from them. Type, unit, range and default stand in the table and
 * nowhere else. A table describes the members of one YAML mapping and where each lands in a struct
 * of settings; mappings nest by OPTION_TABLE, sequences of mappings by OPTION_LIST.
 *
 * A value may be quoted or not, whatever its type: "5" is the number 5, and 5 is the text "5" where
 * a text is wanted. Only null is told apart: an empty value, ~ and null without quotes are no value
 * (a mistake for an option, empty for a list or table). Booleans are true and false, nothing else.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "conf/doc.h"

enum option_type {
	OPTION_BOOL, /* bool */
	OPTION_UINT, /* uint64_t */
	OPTION_BYTES, /* uint64_t, bytes: 64KiB, 2GiB */
	OPTION_TIME, /* uint64_t, nanoseconds: 500ms, 10s, 1h30m */
	OPTION_RATIO, /* double: 80% or 0.8 */
	OPTION_NUMBER, /* double */
	OPTION_TEXT, /* char *, owned, NULL when absent and without default */
	OPTION_ENUM, /* int: index into choices */
	OPTION_TEXT_LIST, /* struct text_list */
	OPTION_DAY_TIMES, /* struct day_times: "08:00-09:00", or a list of such */
	OPTION_LABELS, /* struct labels */
	OPTION_TEXT_MAP, /* struct text_map: a mapping of any names to texts */
	OPTION_TABLE, /* struct described by `table`, at offset */
	OPTION_LIST, /* struct item_list of structs described by `table` */
	OPTION_INCLUDE, /* the options of `table` stand in this mapping, their struct at offset */
	OPTION_REFUSED, /* nothing: a key that is known elsewhere, refused with its help */
};

enum option_flags {
	OPTION_RESTART = 1, /* a change takes effect at the next start only */
	OPTION_SECRET = 2, /* never shown */
	OPTION_REQUIRED = 4, /* must be given */
	OPTION_ELSEWHERE = 8, /* its table is printed where it stands first, not here again */
};

struct text_list {
	char **items; /* owned, each owned */
	size_t n;
};

struct text_pair {
	char *name, *text; /* owned */
};

struct text_map {
	struct text_pair *items; /* owned, in the order of the file, no name twice */
	size_t n;
};

struct item_list {
	void *items; /* owned array of n structs of item_size bytes */
	size_t n, item_size;
};

/* Add a copy at the end. 0, -ENOMEM. */
int text_list_add(struct text_list *list, const char *text);
void text_list_fini(struct text_list *list);

/* The text of that name, or NULL. */
const char *text_map_get(const struct text_map *map, const char *name);
void text_map_fini(struct text_map *map);

struct option_desc {
	const char *name; /* the key; a table ends with a NULL name */
	enum option_type type;
	unsigned flags;
	size_t offset;
	size_t present; /* offset of a bool set when the key was given; 0: none (never offset 0) */
	uint64_t min,
		max; /* UINT, BYTES, TIME; of a TEXT_LIST, TEXT_MAP max items; max 0: no bound */
	const char *def; /* as one would write it, a list as "a, b"; NULL: zero, empty */
	const char *const *choices; /* ENUM, NULL-terminated */
	const struct option_desc *table; /* TABLE, LIST */
	size_t item_size; /* LIST */
	/*
	 * More checks on one value (of a TEXT_LIST: on each item, a char *; of a TEXT_MAP: on each
	 * struct text_pair); may be NULL. 0 or -EINVAL with the reason in err.
	 */
	int (*check)(const void *value, struct err *err);
	const char *help; /* one or two sentences */
};

/*
 * Fill settings (zeroed by the caller) with the defaults of a table, nested tables included. 0,
 * -ENOMEM; fini in any case.
 */
int options_defaults(const struct option_desc *table, void *settings);

/*
 * Fill settings from a mapping: defaults first, then what is given. Unknown, doubled and missing
 * keys, wrong types and values out of range all become problems; it goes on after each. 0, -EINVAL,
 * -ENOMEM; fini in any case. node may be NULL or an empty scalar: all defaults. path is the
 * mapping's own for messages, "" for the root.
 */
int options_load(const struct option_desc *table, const struct doc *doc, const struct node *node,
		 const char *path, void *settings, struct problems *problems);

/*
 * Set one scalar option of a table from text, for values that come from elsewhere (flags, labels).
 * 0; -EINVAL with the reason in err and the option untouched; -ENOENT; -ENOMEM.
 */
int options_set(const struct option_desc *table, void *settings, const char *name, const char *text,
		struct err *err);
void options_fini(const struct option_desc *table, void *settings);

/* True when two settings structs are equal as far as the table says. */
bool options_equal(const struct option_desc *table, const void *a, const void *b);

/*
 * The dotted names of options flagged RESTART that differ, into names (at most max). Returns how
 * many.
 */
size_t options_need_restart(const struct option_desc *table, const void *a, const void *b,
			    char names[][96], size_t max);

struct buf;

/*
 * The table as text for `--options`, and as Markdown for docs/CONFIG.md. prefix is the path of the
 * mapping, "" for the root.
 */
int options_print(const struct option_desc *table, const char *prefix, struct buf *buf);
int options_markdown(const struct option_desc *table, const char *prefix, struct buf *buf);
