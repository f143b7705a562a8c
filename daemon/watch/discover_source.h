#pragma once

/*
 * What the kinds of discovery share. A source consists of parts (the files of a pattern, the answer
 * of a URL); each part keeps its last good targets, the set of the source is all of them.
 */

#include "conf/doc.h"
#include "conf/option.h"
#include "util/list.h"
#include "watch/discover.h"

struct access;
struct source;

struct source_ops {
	const char *kind; /* "file", "http": its name is KIND:WHAT */
	/* One that does not run yet; what is the pattern or URL. 0 or -errno. */
	int (*new)(struct source **ret, struct discovery *discovery, const char *what);
	/*
	 * Take settings (struct file_sd_settings, http_sd_settings; copied) and begin to keep the
	 * set fresh. Nothing happens when they are what it has. 0 or -errno.
	 */
	int (*set)(struct source *source, const void *settings);
	/* Read all again, as if it were new: what was refused may be allowed now. */
	void (*again)(struct source *source);
	/* Stop, and free everything. */
	void (*free)(struct source *source);
};

extern const struct source_ops file_source_ops, http_source_ops;

struct source {
	struct discovery_source shown; /* on discovery->sources */
	const struct source_ops *ops;
	struct discovery *discovery; /* borrowed */
	struct link parts;
	struct access *access; /* of all its targets, held; NULL: nothing special */
	bool wanted; /* the settings that are being applied name it */
};

struct source_part {
	struct link link;
	char *name; /* owned: file or URL, for messages */
	struct item_list targets; /* struct target_settings: the last good ones */
	bool good_once; /* targets is what it once said */
	char error[192]; /* "" when the last refresh of this part succeeded */
};

/* "KIND:WHAT"; unique and without a query, however long it is. */
void source_name(char dst[64], const char *kind, const char *what);

void source_init(struct source *source, struct discovery *discovery, const struct source_ops *ops);
void source_fini(struct source *source);

int source_part_init(struct source *source, struct source_part *part, const char *name);
void source_part_fini(struct source_part *part);

/*
 * The part's new text. When it is good its targets replace the old ones; else the old ones stay
 * and the reason is logged, once. 0, -EINVAL, -ENOMEM.
 */
int source_part_parse(struct source *source, struct source_part *part, const char *text,
		      size_t size);

/* The part cannot be had: its targets stay. Logged when the reason is a new one. */
void source_part_failed(struct source *source, struct source_part *part, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The part is good, whatever was wrong before. */
void source_part_succeeded(struct source *source, struct source_part *part);

/* A refresh is over: count it, set what is shown, hand the set over if it may have changed. */
void source_refreshed(struct source *source, bool changed);

/* Hand the set over. */
void source_publish(struct source *source);

/*
 * May a target of a source be there? Within allowed (watch/allow.h), and not where a token of
 * access (may be NULL) would be sent in clear. 0, -EINVAL with the reason in err.
 */
int source_allows(const struct text_list *allowed, const struct access *access, const char *text,
		  struct err *err);

/*
 * Target groups in Prometheus' format into targets (struct target_settings); one that is not
 * allowed is a mistake like any other. 0, -EINVAL, -ENOMEM.
 */
int groups_parse(const char *text, size_t size, const char *name, const struct text_list *allowed,
		 const struct access *access, struct item_list *targets, struct problems *problems);
void groups_fini(struct item_list *targets);
