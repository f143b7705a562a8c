/*
 * Reading V8's profiles
 *
 * What each open object or array is, is kept by its depth, so that nothing here recurses. A node is
 * entered into the profile when the first of its children opens or when it ends: its call frame
 * stands before its children in all that V8 and DevTools write.
 */

#include "profile/read_v8.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/array.h"
#include "util/buf.h"

/* No program has allocated more; the sums of PROFILE_NODES_MAX of them fit. */
#define BYTES_MAX (1ull << 41)

enum { SCAN_BUFFER_BYTES = 8192 };

enum place {
	PLACE_OTHER,
	PLACE_ROOT,
	PLACE_NODE,
	PLACE_FRAME,
	PLACE_CHILDREN,
	PLACE_SAMPLES,
	PLACE_SAMPLE,
	PLACE_OURS,
};

enum key {
	KEY_OTHER,
	KEY_HEAD,
	KEY_SAMPLES,
	KEY_OURS,
	KEY_FRAME,
	KEY_SELF_SIZE,
	KEY_ID,
	KEY_CHILDREN,
	KEY_NAME,
	KEY_URL,
	KEY_LINE,
	KEY_COLUMN,
	KEY_NODE_ID,
	KEY_WHAT,
	KEY_OBJECTS,
	KEY_INTERVAL,
	KEY_STARTED,
	KEY_DURATION,
	KEY_COUNT,
};

static const struct {
	enum place in;
	enum key key;
	const char *name;
} keys[] = {
	{ PLACE_ROOT, KEY_HEAD, "head" },
	{ PLACE_ROOT, KEY_SAMPLES, "samples" },
	{ PLACE_ROOT, KEY_OURS, "heapwatchd" },
	{ PLACE_NODE, KEY_FRAME, "callFrame" },
	{ PLACE_NODE, KEY_SELF_SIZE, "selfSize" },
	{ PLACE_NODE, KEY_ID, "id" },
	{ PLACE_NODE, KEY_CHILDREN, "children" },
	{ PLACE_FRAME, KEY_NAME, "functionName" },
	{ PLACE_FRAME, KEY_URL, "url" },
	{ PLACE_FRAME, KEY_LINE, "lineNumber" },
	{ PLACE_FRAME, KEY_COLUMN, "columnNumber" },
	{ PLACE_SAMPLE, KEY_NODE_ID, "nodeId" },
	{ PLACE_SAMPLE, KEY_COUNT, "count" },
	{ PLACE_OURS, KEY_WHAT, "what" },
	{ PLACE_OURS, KEY_OBJECTS, "objects" },
	{ PLACE_OURS, KEY_INTERVAL, "interval" },
	{ PLACE_OURS, KEY_STARTED, "started" },
	{ PLACE_OURS, KEY_DURATION, "duration" },
};

/* An object or array that is open. */
struct open {
	uint8_t place, key; /* enum place; enum key of the member under way */
	/* Of a node. */
	bool entered; /* into the profile, as `node` */
	uint32_t node;
	int64_t id;
	uint64_t self_bytes;
};

struct id {
	int64_t id;
	uint32_t node;
};

struct profile_reader {
	struct profile *profile; /* borrowed */
	struct open open[JSON_DEPTH_MAX];
	struct buf name, url, text; /* of the frame; a short text of another member */
	int64_t line, column;
	int64_t sample_node, sample_count;
	struct id *ids; /* owned: sorted once the samples come */
	size_t ids_n, ids_capacity;
	bool sorted, has_head;
};

/* ---- nodes ---- */

static int add_id(struct profile_reader *reader, int64_t id, uint32_t node)
{
	struct id *ids =
		array_room(reader->ids, reader->ids_n, &reader->ids_capacity, 256, sizeof(*ids));

	if (ids == NULL)
		return -ENOMEM;
	reader->ids = ids;
	ids[reader->ids_n++] = (struct id){ .id = id, .node = node };
	return 0;
}

/* Lines and columns count from 0 there, and -1 is not known. */
static int32_t place_number(int64_t value)
{
	return value < 0 || value >= INT32_MAX ? 0 : (int32_t)(value + 1);
}

static int enter_node(struct profile_reader *reader, unsigned depth)
{
	struct open *open = &reader->open[depth];
	/* Its parent is two levels up: between them is the array. The head has none. */
	uint32_t parent = depth > 1 ? reader->open[depth - 2].node : PROFILE_NONE, function = 0;
	int r = 0;

	if (open->entered)
		return 0;
	open->entered = true;
	if (depth > 1)
		r = profile_function(reader->profile, reader->name.data, reader->name.size,
				     reader->url.data, reader->url.size, place_number(reader->line),
				     place_number(reader->column), &function);
	if (r == 0 && depth > 1)
		r = profile_node(reader->profile, parent, function, &open->node);
	return r;
}

static int end_node(struct profile_reader *reader, unsigned depth)
{
	struct open *open = &reader->open[depth];
	int r = enter_node(reader, depth);

	if (r < 0)
		return r;
	if (open->self_bytes > BYTES_MAX)
		return -EBADMSG;
	reader->profile->nodes[open->node].self_bytes += open->self_bytes;
	return add_id(reader, open->id, open->node);
}

/* ---- samples ---- */

static int compare_ids(const void *a, const void *b)
{
	const struct id *one = a, *two = b;

	return (one->id > two->id) - (one->id < two->id);
}

/* What names no node counts for none. */
static void end_sample(struct profile_reader *reader)
{
	const struct id key = { .id = reader->sample_node };
	const struct id *found;

	if (!reader->sorted && reader->ids_n > 1)
		qsort(reader->ids, reader->ids_n, sizeof(*reader->ids), compare_ids);
	reader->sorted = true;
	found = reader->ids_n == 0 ? NULL
				   : bsearch(&key, reader->ids, reader->ids_n, sizeof(*reader->ids),
					     compare_ids);
	if (found != NULL && reader->sample_count > 0 && reader->sample_count <= (int64_t)BYTES_MAX)
		reader->profile->nodes[found->node].self_count += (uint64_t)reader->sample_count;
}

/* ---- members ---- */

static enum key key_of(enum place in, const char *name, size_t size)
{
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (keys[i].in == in && strlen(keys[i].name) == size &&
		    memcmp(keys[i].name, name, size) == 0)
			return keys[i].key;
	}
	return KEY_OTHER;
}

static enum place place_of(const struct open *around, bool object)
{
	if (around->place == PLACE_ROOT)
		return around->key == KEY_HEAD && object       ? PLACE_NODE
		       : around->key == KEY_SAMPLES && !object ? PLACE_SAMPLES
		       : around->key == KEY_OURS && object     ? PLACE_OURS
							       : PLACE_OTHER;
	if (around->place == PLACE_NODE)
		return around->key == KEY_FRAME && object       ? PLACE_FRAME
		       : around->key == KEY_CHILDREN && !object ? PLACE_CHILDREN
								: PLACE_OTHER;
	if (around->place == PLACE_CHILDREN)
		return object ? PLACE_NODE : PLACE_OTHER;
	return around->place == PLACE_SAMPLES && object ? PLACE_SAMPLE : PLACE_OTHER;
}

static int begin(struct profile_reader *reader, unsigned depth, bool object)
{
	struct open *open;
	enum place place;
	int r = 0;

	if (depth >= JSON_DEPTH_MAX)
		return -E2BIG;
	place = depth > 0 ? place_of(&reader->open[depth - 1], object)
		: object  ? PLACE_ROOT
			  : PLACE_OTHER;
	if (place == PLACE_CHILDREN)
		r = enter_node(reader, depth - 1);
	open = &reader->open[depth];
	*open = (struct open){ .place = (uint8_t)place };
	if (place == PLACE_NODE && depth == 1) {
		if (reader->has_head)
			return -EBADMSG;
		reader->has_head = true;
	}
	if (place == PLACE_NODE) {
		buf_clear(&reader->name);
		buf_clear(&reader->url);
		reader->line = reader->column = -1;
	}
	if (place == PLACE_SAMPLE) {
		reader->sample_node = -1;
		reader->sample_count = 1;
	}
	return r;
}

static int end(struct profile_reader *reader, unsigned depth)
{
	const struct open *open = &reader->open[depth];

	if (open->place == PLACE_NODE)
		return end_node(reader, depth);
	if (open->place == PLACE_FRAME && reader->open[depth - 1].entered)
		return -EBADMSG; /* it came after its children */
	if (open->place == PLACE_SAMPLE)
		end_sample(reader);
	return 0;
}

static void integer(struct profile_reader *reader, struct open *open, int64_t value)
{
	switch ((enum key)open->key) {
	case KEY_SELF_SIZE:
		open->self_bytes = value > 0 ? (uint64_t)value : 0;
		break;
	case KEY_ID:
		open->id = value;
		break;
	case KEY_LINE:
		reader->line = value;
		break;
	case KEY_COLUMN:
		reader->column = value;
		break;
	case KEY_NODE_ID:
		reader->sample_node = value;
		break;
	case KEY_COUNT:
		reader->sample_count = value;
		break;
	case KEY_INTERVAL:
		reader->profile->interval_bytes = value > 0 ? (uint64_t)value : 0;
		break;
	case KEY_STARTED:
		reader->profile->started_wall_ms = value;
		break;
	case KEY_DURATION:
		reader->profile->duration_ns = value > 0 ? (uint64_t)value : 0;
		break;
	default:
		break;
	}
}

/* Texts are cut where they are longer than anything wants them. */
static int gather(struct buf *buf, const struct json_event *event)
{
	size_t room = buf->limit - buf->size;
	int r = buf_append(buf, event->text, event->size < room ? event->size : room);

	return r == -ENOMEM ? r : 0;
}

static int text(struct profile_reader *reader, const struct open *open,
		const struct json_event *event)
{
	int r;

	if (open->key == KEY_NAME)
		return gather(&reader->name, event);
	if (open->key == KEY_URL)
		return gather(&reader->url, event);
	if (open->key != KEY_WHAT)
		return 0;
	r = gather(&reader->text, event);
	if (r < 0 || event->kind == JSON_STRING_PART)
		return r;
	for (int what = PROFILE_UNKNOWN; what <= PROFILE_ALLOCATED; what++) {
		const char *name = profile_what_name((enum profile_what)what);

		if (reader->text.size == strlen(name) &&
		    memcmp(reader->text.data, name, reader->text.size) == 0)
			reader->profile->what = (enum profile_what)what;
	}
	buf_clear(&reader->text);
	return 0;
}

int profile_reader_event(void *owner, const struct json_event *event)
{
	struct profile_reader *reader = owner;
	/* The one around what this event is about. */
	struct open *around = event->depth > 0 ? &reader->open[event->depth - 1] : NULL;

	switch (event->kind) {
	case JSON_OBJECT:
	case JSON_ARRAY:
		return begin(reader, event->depth, event->kind == JSON_OBJECT);
	case JSON_OBJECT_END:
	case JSON_ARRAY_END:
		return end(reader, event->depth);
	case JSON_KEY:
		around->key = (uint8_t)key_of(around->place, event->text, event->size);
		return 0;
	case JSON_STRING:
	case JSON_STRING_PART:
		return around != NULL ? text(reader, around, event) : -EBADMSG;
	case JSON_INTEGER:
		if (around != NULL)
			integer(reader, around, event->integer);
		return 0;
	case JSON_TRUE:
		if (around != NULL && around->key == KEY_OBJECTS)
			reader->profile->has_objects = true;
		return 0;
	default:
		return 0;
	}
}

int profile_reader_finish(struct profile_reader *reader)
{
	return reader->has_head ? 0 : -EBADMSG;
}

int profile_reader_new(struct profile_reader **ret, struct profile *profile)
{
	struct profile_reader *reader = calloc(1, sizeof(*reader));
	int r = profile_init(profile);

	if (reader == NULL || r < 0) {
		free(reader);
		return r < 0 ? r : -ENOMEM;
	}
	reader->profile = profile;
	buf_init(&reader->name, PROFILE_NAME_MAX);
	buf_init(&reader->url, PROFILE_NAME_MAX);
	buf_init(&reader->text, 64);
	*ret = reader;
	return 0;
}

void profile_reader_free(struct profile_reader *reader)
{
	if (reader == NULL)
		return;
	buf_fini(&reader->name);
	buf_fini(&reader->url);
	buf_fini(&reader->text);
	free(reader->ids);
	free(reader);
}

int profile_parse(struct profile *ret, const char *text, size_t size)
{
	struct profile_reader *reader = NULL;
	struct json_scan scan;
	char *buffer;
	int r = profile_reader_new(&reader, ret);

	if (r < 0)
		return r;
	buffer = malloc(SCAN_BUFFER_BYTES);
	if (buffer == NULL) {
		profile_reader_free(reader);
		return -ENOMEM;
	}
	json_scan_init(&scan, buffer, SCAN_BUFFER_BYTES, profile_reader_event, reader);
	r = json_scan_feed(&scan, text, size);
	if (r == 0)
		r = json_scan_end(&scan);
	if (r == 0)
		r = profile_reader_finish(reader);
	free(buffer);
	profile_reader_free(reader);
	return r;
}
