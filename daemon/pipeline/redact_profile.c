/*
 * Redaction of heap profiles
 *
 * By the name of its member a text is a function's name or a script's address; those names are the
 * same wherever they stand in a profile, so nothing but the last one is remembered.
 */

#include "pipeline/redact_profile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json/copy.h"
#include "pipeline/redact_parts.h"
#include "pipeline/stage.h"
#include "util/buf.h"
#include "util/url.h"

enum {
	OUT_BYTES = 32 << 10, /* handed on in pieces of this */
	/* A control character in a text becomes six bytes. */
	OUT_MAX_BYTES = OUT_BYTES + 8 * REDACT_FRAME_MAX,
	WORD_MAX = 20,
};

enum member { MEMBER_OTHER, MEMBER_NAME, MEMBER_URL, MEMBER_WORD };

static const struct {
	const char *name;
	enum member member;
} members[] = {
	{ "functionName", MEMBER_NAME },
	{ "url", MEMBER_URL },
	{ "scriptId", MEMBER_WORD },
	{ "what", MEMBER_WORD }, /* ours: profile/read_v8.h */
};

/* ---- texts ---- */

/* What V8 calls an allocation that no function of the program has made. */
static bool is_of_v8(const char *text, size_t size)
{
	static const char *const words[] = {
		"(root)",     "(GC)",        "(JS)",   "(PARSER)",        "(COMPILER)",
		"(V8 API)",   "(LOGGING)",   "(IDLE)", "(IDLE_EXTERNAL)", "(BYTECODE_COMPILER)",
		"(EXTERNAL)", "(anonymous)",
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strlen(words[i]) == size && memcmp(words[i], text, size) == 0)
			return true;
	}
	return false;
}

/* Of a text that goes on behind `size` nothing is known: it is dropped, as a name too long is. */
static size_t keep_name(enum redact_level level, char *dst, const char *text, size_t size,
			bool whole)
{
	size_t n = whole ? url_strip(dst, text, size, false) : 0;

	if (level == REDACT_ALL && !redact_name_is_function(dst, n) && !is_of_v8(dst, n))
		return 0;
	return n;
}

/* An address that goes on has an end that is cut off, or is dropped: "@" might come yet. */
static size_t keep_url(char *dst, const char *text, size_t size, bool whole)
{
	bool ends = whole || memchr(text, '?', size) != NULL || memchr(text, '#', size) != NULL ||
		    (size >= 5 && memcmp(text, "data:", 5) == 0);

	return ends ? url_strip(dst, text, size, true) : 0;
}

static size_t keep_word(char *dst, const char *text, size_t size)
{
	if (size > WORD_MAX)
		return 0;
	for (size_t i = 0; i < size; i++) {
		if (!(text[i] >= '0' && text[i] <= '9') && !(text[i] >= 'a' && text[i] <= 'z'))
			return 0;
	}
	memcpy(dst, text, size);
	return size;
}

static size_t keep(struct redact_profile *redact, const char *text, size_t size, bool whole)
{
	switch ((enum member)redact->member) {
	case MEMBER_NAME:
		return keep_name(redact->level, redact->text, text, size, whole);
	case MEMBER_URL:
		return keep_url(redact->text, text, size, whole);
	case MEMBER_WORD:
		return whole ? keep_word(redact->text, text, size) : 0;
	default:
		return 0;
	}
}

static void take_text(struct redact_profile *redact, struct json_event *event)
{
	bool goes_on = event->kind == JSON_STRING_PART, first = !redact->in_text;
	bool whole = !goes_on && event->size <= REDACT_FRAME_MAX;
	size_t size = whole || event->size < REDACT_FRAME_MAX ? event->size : REDACT_FRAME_MAX;

	event->size = first && size > 0 ? keep(redact, event->text, size, whole) : 0;
	event->text = redact->text;
	redact->in_text = goes_on;
}

static enum member member_of(const char *name, size_t size)
{
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		if (strlen(members[i].name) == size && memcmp(members[i].name, name, size) == 0)
			return members[i].member;
	}
	return MEMBER_OTHER;
}

/* Nothing that could be data gets through as a name. */
static bool may_be_member(const char *name, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (!(name[i] >= 'a' && name[i] <= 'z') && !(name[i] >= 'A' && name[i] <= 'Z') &&
		    name[i] != '_')
			return false;
	}
	return size <= REDACT_MEMBER_MAX;
}

void redact_profile_init(struct redact_profile *redact, enum redact_level level)
{
	redact->level = level;
	redact->member = MEMBER_OTHER;
	redact->in_text = false;
}

void redact_profile_wipe(struct redact_profile *redact)
{
	explicit_bzero(redact->text, sizeof(redact->text));
}

int redact_profile_event(struct redact_profile *redact, struct json_event *event)
{
	if (redact->level == REDACT_NONE)
		return 0;
	if (event->kind == JSON_KEY) {
		redact->member = (int)member_of(event->text, event->size);
		return may_be_member(event->text, event->size) ? 0 : -EBADMSG;
	}
	if (event->kind == JSON_STRING || event->kind == JSON_STRING_PART)
		take_text(redact, event);
	if (!redact->in_text)
		redact->member = MEMBER_OTHER;
	return 0;
}

static void copy_text(char *dst, const char *text, size_t size)
{
	size_t n = size < REDACT_FRAME_MAX ? size : REDACT_FRAME_MAX - 1;

	memcpy(dst, text, n);
	dst[n] = '\0';
}

void redact_frame_name(enum redact_level level, char *dst, const char *text, size_t size)
{
	if (level == REDACT_NONE)
		copy_text(dst, text, size);
	else
		dst[keep_name(level, dst, text, size, size < REDACT_FRAME_MAX)] = '\0';
}

void redact_frame_url(enum redact_level level, char *dst, const char *text, size_t size)
{
	bool whole = size < REDACT_FRAME_MAX;

	if (level == REDACT_NONE)
		copy_text(dst, text, size);
	else
		dst[keep_url(dst, text, whole ? size : REDACT_FRAME_MAX - 1, whole)] = '\0';
}

/* ---- the stage ---- */

struct profile_stage {
	struct stage stage; /* first */
	struct redact_profile redact;
	struct json_scan scan;
	struct json_copy copy;
	struct buf out;
	char buffer[REDACT_FRAME_MAX]; /* of the scanner */
};

static struct profile_stage *of(struct stage *stage)
{
	return (struct profile_stage *)stage; /* its first member */
}

static int flush(struct profile_stage *it)
{
	int r = it->out.size > 0 ? stage_put(it->stage.next, it->out.data, it->out.size) : 0;

	buf_clear(&it->out);
	return r;
}

static int on_event(void *owner, const struct json_event *event)
{
	struct profile_stage *it = owner;
	struct json_event seen = *event;
	int r = redact_profile_event(&it->redact, &seen);

	if (r == 0)
		r = json_copy_event(&it->copy, &seen);
	if (r == 0 && it->out.size >= OUT_BYTES)
		r = flush(it);
	return r;
}

static int judge(struct profile_stage *it, int r)
{
	if (r != -EBADMSG && r != -E2BIG)
		return r;
	snprintf(it->stage.error, sizeof(it->stage.error),
		 "not a heap profile as V8 writes it (byte %llu)",
		 (unsigned long long)it->scan.offset);
	return -EBADMSG;
}

static int profile_put(struct stage *stage, const void *data, size_t size)
{
	struct profile_stage *it = of(stage);

	return judge(it, json_scan_feed(&it->scan, data, size));
}

static int profile_finish(struct stage *stage)
{
	struct profile_stage *it = of(stage);
	int r = judge(it, json_scan_end(&it->scan));

	return r == 0 ? flush(it) : r;
}

static void profile_free(struct stage *stage)
{
	struct profile_stage *it = of(stage);

	redact_profile_wipe(&it->redact);
	explicit_bzero(it->buffer, sizeof(it->buffer));
	if (it->out.data != NULL)
		explicit_bzero(it->out.data, it->out.capacity);
	buf_fini(&it->out);
	free(it);
}

int redact_profile_new(struct stage **ret, enum redact_level level, struct stage *next)
{
	static const struct stage_ops ops = {
		.name = "redact",
		.put = profile_put,
		.finish = profile_finish,
		.free = profile_free,
	};
	struct profile_stage *it = calloc(1, sizeof(*it));

	if (it == NULL)
		return -ENOMEM;
	it->stage = (struct stage){ .ops = &ops, .next = next };
	redact_profile_init(&it->redact, level);
	buf_init(&it->out, OUT_MAX_BYTES);
	if (buf_reserve(&it->out, OUT_MAX_BYTES) < 0) { /* it never moves: it can be wiped */
		free(it);
		return -ENOMEM;
	}
	json_copy_init(&it->copy, &it->out, REDACT_FRAME_MAX);
	json_scan_init(&it->scan, it->buffer, sizeof(it->buffer), on_event, it);
	*ret = &it->stage;
	return 0;
}
