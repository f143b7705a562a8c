/*
 * Flame graphs
 *
 * Level by level: a queue of frames that have their place, of which each places its calls, widest
 * first. What is narrower than a third of a pixel cannot be seen and is left out, so the size is
 * bounded by the depth.
 */

#include "profile/flame.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "profile/profile.h"
#include "util/buf.h"
#include "util/str.h"

enum {
	WIDTH = 1200,
	ROW = 17,
	TOP = 44, /* of the first row: title and what it is of stand above */
	BOTTOM = 10,
	CHARACTER = 7, /* width of one */
	LABEL_MIN = 3, /* characters */
	LABEL_MAX = 160,
};

#define NARROW (1.0 / 3)

struct frame {
	uint32_t node, depth;
	double x, width;
};

struct child {
	uint32_t node;
	uint64_t bytes;
};

struct flame {
	const struct profile *profile;
	uint64_t *sums, *base_sums; /* owned; base_sums by nodes of profile; NULL: no base */
	struct frame *frames; /* owned: a queue */
	size_t frames_n;
	struct child *children; /* owned: of one frame */
	uint32_t depth;
};

/* ---- places ---- */

static int compare_children(const void *a, const void *b, void *owner)
{
	const struct child *one = a, *two = b;
	const struct profile *profile = owner;
	int order;

	if (one->bytes != two->bytes)
		return one->bytes < two->bytes ? 1 : -1;
	order = strcmp(profile_name(profile, profile->nodes[one->node].function),
		       profile_name(profile, profile->nodes[two->node].function));
	return order != 0 ? order : (one->node > two->node) - (one->node < two->node);
}

static void place_children(struct flame *flame, size_t at)
{
	const struct frame frame = flame->frames[at];
	const struct profile *profile = flame->profile;
	double x = frame.x, all = (double)flame->sums[frame.node];
	size_t n = 0;

	for (uint32_t i = profile->nodes[frame.node].first; i != PROFILE_NONE;
	     i = profile->nodes[i].next)
		flame->children[n++] = (struct child){ .node = i, .bytes = flame->sums[i] };
	qsort_r(flame->children, n, sizeof(*flame->children), compare_children, (void *)profile);
	for (size_t i = 0; i < n; i++) {
		double width = frame.width * (double)flame->children[i].bytes / all;

		if (width < NARROW)
			return;
		flame->frames[flame->frames_n++] = (struct frame){
			.node = flame->children[i].node,
			.depth = frame.depth + 1,
			.x = x,
			.width = width,
		};
		x += width;
	}
}

static void place_all(struct flame *flame)
{
	if (flame->sums[0] == 0)
		return;
	flame->frames[flame->frames_n++] = (struct frame){ .width = WIDTH };
	for (size_t at = 0; at < flame->frames_n; at++) {
		place_children(flame, at);
		if (flame->frames[at].depth > flame->depth)
			flame->depth = flame->frames[at].depth;
	}
}

/* ---- drawing ---- */

/* Without what XML cannot hold, and at most so many characters; cut: with dots. */
static void put_text(struct buf *buf, const char *text, size_t max)
{
	size_t n = 0, size = strlen(text);

	for (size_t at = 0; at < size; n++) {
		size_t length = str_utf8_sequence(text + at, size - at);
		unsigned char c = (unsigned char)text[at];

		if (n == max) {
			buf_puts(buf, "..");
			return;
		}
		if (length == 0 || c < ' ' || c == 0x7f)
			buf_puts(buf, "?");
		else if (c == '<')
			buf_puts(buf, "&lt;");
		else if (c == '>')
			buf_puts(buf, "&gt;"); /* "]]>" is no text */
		else if (c == '&')
			buf_puts(buf, "&amp;");
		else if (length == 3 && c == 0xef && (unsigned char)text[at + 1] == 0xbf &&
			 (unsigned char)text[at + 2] >= 0xbe)
			buf_puts(buf, "?"); /* U+FFFE, U+FFFF */
		else
			buf_append(buf, text + at, length);
		at += length == 0 ? 1 : length;
	}
}

static const char *shown_name(const struct profile *profile, uint32_t node)
{
	const char *name = profile_name(profile, profile->nodes[node].function);

	return name[0] != '\0' ? name : "(anonymous)";
}

/* By the name alone, so that a function has one colour in all graphs: warm ones, as is the custom.
 */
static unsigned colour_of(const char *name)
{
	uint32_t hash = 2166136261u;
	unsigned red, green, blue;

	for (; *name != '\0'; name++)
		hash = (hash ^ (unsigned char)*name) * 16777619u;
	red = 220 + hash % 32;
	green = 120 + (hash >> 8) % 100;
	blue = 50 + (hash >> 16) % 50;
	return red << 16 | green << 8 | blue;
}

/* White is no change; a change by as much as there was, or more, has the full colour. */
static unsigned colour_of_change(uint64_t base, uint64_t now)
{
	uint64_t change = now > base ? now - base : base - now, of = base > 0 ? base : 1;
	double share = change >= of ? 1 : (double)change / (double)of;
	unsigned pale = 255 - (unsigned)(share * 155);

	return now > base ? 0xff0000 | pale << 8 | pale : pale << 16 | pale << 8 | 0xff;
}

static void put_bytes(struct buf *buf, uint64_t bytes)
{
	char text[STR_UNIT_MAX];

	buf_puts(buf, str_format_bytes(text, bytes));
}

static void put_title(const struct flame *flame, const struct frame *frame, struct buf *buf)
{
	const struct profile *profile = flame->profile;
	const struct profile_function *function =
		&profile->functions[profile->nodes[frame->node].function];
	const char *url = profile->text + function->url;
	uint64_t sum = flame->sums[frame->node];

	buf_puts(buf, "<title>");
	put_text(buf, shown_name(profile, frame->node), PROFILE_NAME_MAX);
	if (url[0] != '\0') {
		buf_puts(buf, " ");
		put_text(buf, url, PROFILE_NAME_MAX);
		if (function->line > 0)
			buf_printf(buf, ":%d", function->line);
	}
	buf_puts(buf, "\n");
	put_bytes(buf, sum);
	buf_printf(buf, ", %.1f%%; itself ", 100 * (double)sum / (double)flame->sums[0]);
	put_bytes(buf, profile->nodes[frame->node].self_bytes);
	if (flame->base_sums != NULL) {
		buf_puts(buf, "; before ");
		put_bytes(buf, flame->base_sums[frame->node]);
	}
	buf_puts(buf, "</title>");
}

static void put_frame(const struct flame *flame, const struct frame *frame, struct buf *buf)
{
	const char *name = shown_name(flame->profile, frame->node);
	unsigned y = TOP + frame->depth * ROW;
	int room = (int)(frame->width / CHARACTER) - 1;
	unsigned colour = flame->base_sums == NULL ? colour_of(name)
						   : colour_of_change(flame->base_sums[frame->node],
								      flame->sums[frame->node]);

	buf_puts(buf, "<g>");
	put_title(flame, frame, buf);
	buf_printf(buf,
		   "<rect x=\"%.2f\" y=\"%u\" width=\"%.2f\" height=\"%d\" rx=\"1\" "
		   "fill=\"#%06x\"/>",
		   frame->x, y, frame->width, ROW - 1, colour);
	if (room >= LABEL_MIN) {
		buf_printf(buf, "<text x=\"%.2f\" y=\"%u\">", frame->x + 3, y + ROW - 5);
		put_text(buf, name, room < LABEL_MAX ? (size_t)room : LABEL_MAX);
		buf_puts(buf, "</text>");
	}
	buf_puts(buf, "</g>\n");
}

static void put_what(const struct profile *profile, struct buf *buf)
{
	char text[STR_UNIT_MAX];

	put_bytes(buf, profile_total_bytes(profile));
	if (profile->what == PROFILE_LIVE)
		buf_puts(buf, " alive");
	else if (profile->what == PROFILE_ALLOCATED)
		buf_puts(buf, " allocated");
	if (profile->duration_ns > 0)
		buf_printf(buf, " in %s", str_format_duration(text, profile->duration_ns));
	if (profile->interval_bytes > 0)
		buf_printf(buf, ", a sample every %s",
			   str_format_bytes(text, profile->interval_bytes));
}

static void put_head(const struct flame *flame, const char *title, struct buf *buf)
{
	unsigned height = TOP + (flame->depth + 1) * ROW + BOTTOM;

	if (title == NULL)
		title = "Allocations by call stack";
	buf_printf(buf,
		   "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%u\" "
		   "viewBox=\"0 0 %d %u\" role=\"img\" aria-labelledby=\"title desc\" "
		   "font-family=\"monospace\" font-size=\"12\">\n<title id=\"title\">",
		   WIDTH, height, WIDTH, height);
	put_text(buf, title, PROFILE_NAME_MAX);
	buf_puts(buf, "</title>\n<desc id=\"desc\">Flame graph: ");
	put_what(flame->profile, buf);
	buf_printf(buf,
		   "</desc>\n<rect width=\"%d\" height=\"%u\" fill=\"#ffffff\"/>\n"
		   "<text x=\"3\" y=\"16\" font-size=\"14\" font-weight=\"bold\">",
		   WIDTH, height);
	put_text(buf, title, WIDTH / (CHARACTER + 2));
	buf_puts(buf, "</text>\n<text x=\"3\" y=\"34\">");
	put_what(flame->profile, buf);
	if (flame->base_sums != NULL)
		buf_puts(buf, "; red: more than before, blue: less");
	buf_puts(buf, "</text>\n");
}

/* ---- the base, by the nodes of the profile ---- */

static uint32_t child_like(const struct profile *profile, uint32_t parent,
			   const struct profile *other, uint32_t wanted)
{
	const struct profile_function *b = &other->functions[other->nodes[wanted].function];

	for (uint32_t i = profile->nodes[parent].first; i != PROFILE_NONE;
	     i = profile->nodes[i].next) {
		const struct profile_function *a = &profile->functions[profile->nodes[i].function];

		if (a->line == b->line && a->column == b->column &&
		    strcmp(profile->text + a->name, other->text + b->name) == 0 &&
		    strcmp(profile->text + a->url, other->text + b->url) == 0)
			return i;
	}
	return PROFILE_NONE;
}

static int add_base(struct flame *flame, const struct profile *base)
{
	const struct profile *profile = flame->profile;
	uint64_t *sums = profile_sums(base);
	uint32_t *twin = malloc(profile->nodes_n * sizeof(*twin)); /* in base, of each node */

	flame->base_sums = calloc(profile->nodes_n, sizeof(*flame->base_sums));
	if (sums == NULL || twin == NULL || flame->base_sums == NULL) {
		free(sums);
		free(twin);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < profile->nodes_n; i++) {
		uint32_t parent = i == 0 ? 0 : twin[profile->nodes[i].parent];

		twin[i] = i == 0                   ? 0
			  : parent == PROFILE_NONE ? PROFILE_NONE
						   : child_like(base, parent, profile, i);
		if (twin[i] != PROFILE_NONE)
			flame->base_sums[i] = sums[twin[i]];
	}
	free(sums);
	free(twin);
	return 0;
}

int profile_write_flame(const struct profile *profile, const struct profile *base,
			const char *title, struct buf *buf)
{
	struct flame flame = {
		.profile = profile,
		.sums = profile_sums(profile),
		.frames = calloc(profile->nodes_n, sizeof(*flame.frames)),
		.children = calloc(profile->nodes_n, sizeof(*flame.children)),
	};
	int r = flame.sums == NULL || flame.frames == NULL || flame.children == NULL ? -ENOMEM : 0;

	if (r == 0 && base != NULL)
		r = add_base(&flame, base);
	if (r == 0) {
		place_all(&flame);
		put_head(&flame, title, buf);
		for (size_t i = 0; i < flame.frames_n; i++)
			put_frame(&flame, &flame.frames[i], buf);
		r = buf_puts(buf, "</svg>\n");
	}
	free(flame.sums);
	free(flame.base_sums);
	free(flame.frames);
	free(flame.children);
	return r;
}
