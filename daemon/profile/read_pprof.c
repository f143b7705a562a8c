/*
 * Reading pprof's profiles
 *
 * Twice: what samples refer to may stand behind them, in any order. Texts stay where they are in
 * the file; a function goes into the profile when the first sample has it on its stack.
 */

#include "profile/read_pprof.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profile/pprof_fields.h"
#include "profile/profile.h"
#include "util/array.h"
#include "util/clock.h"
#include "util/protobuf.h"

/* As of V8's profiles: the sums of as many samples fit. */
#define VALUE_MAX (1ull << 41)

enum {
	SAMPLES_MAX = PROFILE_NODES_MAX,
	TEXTS_MAX = 4 * PROFILE_NODES_MAX,
	COLUMNS_MAX = 64,
	STEPS_MAX =
		1 << 26, /* calls of all of them: a location may have many, and be named often */
	ADDRESS_TEXT_MAX = 24,
};

struct text {
	const unsigned char *data; /* borrowed */
	size_t size;
};

struct column {
	uint64_t type, unit; /* texts */
};

struct function {
	uint64_t id, name, file; /* texts */
	int32_t line;
};

/* A call: of several at one location, those that were inlined stand first. */
struct line {
	uint64_t function_id;
	int32_t column;
	uint32_t index; /* in the profile; PROFILE_NONE: not there yet */
};

struct location {
	uint64_t id, address;
	uint32_t first, n; /* of lines */
	uint32_t index; /* of one without lines, as theirs */
};

struct reader {
	struct profile *profile; /* borrowed */
	struct text *texts; /* owned, as are all of these */
	struct function *functions; /* sorted by id once all are there */
	struct line *lines;
	struct location *locations; /* sorted likewise */
	uint32_t *stack; /* functions of a sample, the one that allocates first */
	size_t texts_n, texts_capacity, functions_n, functions_capacity, lines_n, lines_capacity;
	size_t locations_n, locations_capacity, stack_n, stack_capacity;
	struct column columns[COLUMNS_MAX], period;
	size_t columns_n;
	size_t bytes, counted; /* columns; counted: columns_n when there is none */
	uint64_t default_type; /* a text */
	size_t samples_n, steps_n;
};

static struct pb inside(const struct pb_field *field)
{
	return (struct pb){ field->data, field->data + field->size };
}

static bool is_number(const struct pb_field *field, uint64_t number)
{
	return field->number == number && field->wire == PB_VARINT;
}

static bool is_bytes(const struct pb_field *field, uint64_t number)
{
	return field->number == number && field->wire == PB_BYTES;
}

/* Lines and columns: what cannot be one is not known. */
static int32_t place_number(uint64_t value)
{
	return value <= INT32_MAX ? (int32_t)value : 0;
}

static bool text_is(const struct reader *reader, uint64_t text, const char *wanted)
{
	return text < reader->texts_n && reader->texts[text].size == strlen(wanted) &&
	       memcmp(reader->texts[text].data, wanted, strlen(wanted)) == 0;
}

/* ---- what samples refer to ---- */

static int take_text(struct reader *reader, const struct pb_field *field)
{
	struct text *texts;

	if (reader->texts_n >= TEXTS_MAX)
		return -E2BIG;
	texts = array_room(reader->texts, reader->texts_n, &reader->texts_capacity, 256,
			   sizeof(*texts));
	if (texts == NULL)
		return -ENOMEM;
	reader->texts = texts;
	texts[reader->texts_n++] = (struct text){ field->data, field->size };
	return 0;
}

static int read_column(const struct pb_field *whole, struct column *ret)
{
	struct pb pb = inside(whole);
	struct pb_field field;
	int r;

	*ret = (struct column){ 0 };
	while ((r = pb_next(&pb, &field)) > 0) {
		if (is_number(&field, VALUE_TYPE_TYPE))
			ret->type = field.value;
		else if (is_number(&field, VALUE_TYPE_UNIT))
			ret->unit = field.value;
	}
	return r;
}

static int take_column(struct reader *reader, const struct pb_field *field)
{
	if (reader->columns_n >= COLUMNS_MAX)
		return -E2BIG;
	return read_column(field, &reader->columns[reader->columns_n++]);
}

static int take_function(struct reader *reader, const struct pb_field *whole)
{
	struct pb pb = inside(whole);
	struct function *function;
	struct pb_field field;
	int r;

	if (reader->functions_n >= PROFILE_NODES_MAX)
		return -E2BIG;
	function = array_room(reader->functions, reader->functions_n, &reader->functions_capacity,
			      256, sizeof(*function));
	if (function == NULL)
		return -ENOMEM;
	reader->functions = function;
	function += reader->functions_n++;
	*function = (struct function){ 0 };
	while ((r = pb_next(&pb, &field)) > 0) {
		if (is_number(&field, FUNCTION_ID))
			function->id = field.value;
		else if (is_number(&field, FUNCTION_NAME))
			function->name = field.value;
		else if (is_number(&field, FUNCTION_FILENAME))
			function->file = field.value;
		else if (is_number(&field, FUNCTION_START_LINE))
			function->line = place_number(field.value);
	}
	return r;
}

static int take_line(struct reader *reader, const struct pb_field *whole)
{
	struct pb pb = inside(whole);
	struct pb_field field;
	struct line *line;
	int r;

	if (reader->lines_n >= PROFILE_NODES_MAX)
		return -E2BIG;
	line = array_room(reader->lines, reader->lines_n, &reader->lines_capacity, 256,
			  sizeof(*line));
	if (line == NULL)
		return -ENOMEM;
	reader->lines = line;
	line += reader->lines_n++;
	*line = (struct line){ .index = PROFILE_NONE };
	while ((r = pb_next(&pb, &field)) > 0) {
		if (is_number(&field, LINE_FUNCTION_ID))
			line->function_id = field.value;
		else if (is_number(&field, LINE_COLUMN))
			line->column = place_number(field.value);
	}
	return r;
}

static int take_location(struct reader *reader, const struct pb_field *whole)
{
	struct pb pb = inside(whole);
	struct location *location;
	struct pb_field field;
	int r, taken = 0;

	if (reader->locations_n >= PROFILE_NODES_MAX)
		return -E2BIG;
	location = array_room(reader->locations, reader->locations_n, &reader->locations_capacity,
			      256, sizeof(*location));
	if (location == NULL)
		return -ENOMEM;
	reader->locations = location;
	location += reader->locations_n++;
	*location = (struct location){ .first = (uint32_t)reader->lines_n, .index = PROFILE_NONE };
	while ((r = pb_next(&pb, &field)) > 0 && taken == 0) {
		if (is_number(&field, LOCATION_ID))
			location->id = field.value;
		else if (is_number(&field, LOCATION_ADDRESS))
			location->address = field.value;
		else if (is_bytes(&field, LOCATION_LINE))
			taken = take_line(reader, &field);
	}
	location->n = (uint32_t)reader->lines_n - location->first;
	return taken < 0 ? taken : r;
}

static void take_number(struct reader *reader, const struct pb_field *field)
{
	struct profile *profile = reader->profile;

	if (field->number == PROFILE_TIME_NANOS && field->value <= INT64_MAX)
		profile->started_wall_ms = (int64_t)(field->value / NS_PER_MS);
	else if (field->number == PROFILE_DURATION_NANOS && field->value <= INT64_MAX)
		profile->duration_ns = field->value;
	else if (field->number == PROFILE_PERIOD && field->value <= VALUE_MAX)
		profile->interval_bytes = field->value;
	else if (field->number == PROFILE_DEFAULT_SAMPLE_TYPE)
		reader->default_type = field->value;
}

static int take_part(struct reader *reader, const struct pb_field *field)
{
	if (field->wire == PB_VARINT) {
		take_number(reader, field);
		return 0;
	}
	if (field->wire != PB_BYTES)
		return 0;
	switch (field->number) {
	case PROFILE_SAMPLE_TYPE:
		return take_column(reader, field);
	case PROFILE_LOCATION:
		return take_location(reader, field);
	case PROFILE_FUNCTION:
		return take_function(reader, field);
	case PROFILE_STRING_TABLE:
		return take_text(reader, field);
	case PROFILE_PERIOD_TYPE:
		return read_column(field, &reader->period);
	default:
		return 0;
	}
}

static int compare_functions(const void *a, const void *b)
{
	const struct function *one = a, *two = b;

	return (one->id > two->id) - (one->id < two->id);
}

static int compare_locations(const void *a, const void *b)
{
	const struct location *one = a, *two = b;

	return (one->id > two->id) - (one->id < two->id);
}

static int read_tables(struct reader *reader, const struct pb *whole)
{
	struct pb_field field;
	struct pb pb = *whole;
	int r, taken = 0;

	while (taken == 0 && (r = pb_next(&pb, &field)) > 0)
		taken = take_part(reader, &field);
	if (taken < 0)
		return taken;
	if (r < 0)
		return r;
	if (!text_is(reader, reader->period.unit, "bytes"))
		reader->profile->interval_bytes = 0;
	if (reader->functions_n > 1)
		qsort(reader->functions, reader->functions_n, sizeof(*reader->functions),
		      compare_functions);
	if (reader->locations_n > 1)
		qsort(reader->locations, reader->locations_n, sizeof(*reader->locations),
		      compare_locations);
	return 0;
}

/* ---- columns ---- */

/* Is it called NAME_WORD, where another is called NAME_OTHER? */
static bool is_twin(const struct reader *reader, uint64_t type, const char *word,
		    uint64_t other_type, const char *other)
{
	struct text one, two;
	size_t n = strlen(word), other_n = strlen(other);

	if (type >= reader->texts_n || other_type >= reader->texts_n)
		return false;
	one = reader->texts[type];
	two = reader->texts[other_type];
	return one.size >= n && two.size >= other_n && one.size - n == two.size - other_n &&
	       memcmp(one.data + one.size - n, word, n) == 0 &&
	       memcmp(two.data + two.size - other_n, other, other_n) == 0 &&
	       memcmp(one.data, two.data, one.size - n) == 0;
}

static void choose_counted(struct reader *reader)
{
	const struct column *columns = reader->columns;
	uint64_t bytes = columns[reader->bytes].type;

	reader->counted = reader->columns_n;
	for (size_t i = 0; i < reader->columns_n; i++) {
		if (!text_is(reader, columns[i].unit, "count"))
			continue;
		if (is_twin(reader, columns[i].type, "objects", bytes, "space")) {
			reader->counted = i;
			reader->profile->has_objects = true;
			return;
		}
		if (text_is(reader, columns[i].type, "samples"))
			reader->counted = i;
	}
}

static int choose_columns(struct reader *reader)
{
	const struct column *columns = reader->columns;
	bool any = false;

	for (size_t i = 0; i < reader->columns_n; i++) {
		if (!text_is(reader, columns[i].unit, "bytes"))
			continue;
		any = true;
		reader->bytes = i;
		if (is_twin(reader, columns[i].type, "", reader->default_type, ""))
			break;
	}
	if (!any)
		return reader->columns_n > 0 ? -ENODATA : -EBADMSG;
	if (text_is(reader, columns[reader->bytes].type, "inuse_space"))
		reader->profile->what = PROFILE_LIVE;
	if (text_is(reader, columns[reader->bytes].type, "alloc_space"))
		reader->profile->what = PROFILE_ALLOCATED;
	choose_counted(reader);
	return 0;
}

/* ---- stacks ---- */

static int enter_line(struct reader *reader, struct line *line)
{
	const struct function key = { .id = line->function_id };
	const struct function *function;
	struct text name, file;

	if (line->index != PROFILE_NONE)
		return 0;
	function = reader->functions_n == 0 ? NULL
					    : bsearch(&key, reader->functions, reader->functions_n,
						      sizeof(*function), compare_functions);
	if (function == NULL || function->name >= reader->texts_n ||
	    function->file >= reader->texts_n)
		return -EBADMSG;
	name = reader->texts[function->name];
	file = reader->texts[function->file];
	if (text_is(reader, function->name, PPROF_ANONYMOUS))
		name.size = 0;
	return profile_function(reader->profile, (const char *)name.data, name.size,
				(const char *)file.data, file.size, function->line, line->column,
				&line->index);
}

static int enter_address(struct reader *reader, struct location *location)
{
	char name[ADDRESS_TEXT_MAX];
	int n = snprintf(name, sizeof(name), "0x%llx", (unsigned long long)location->address);

	if (location->index != PROFILE_NONE)
		return 0;
	return profile_function(reader->profile, name, (size_t)n, "", 0, 0, 0, &location->index);
}

static int push(struct reader *reader, uint32_t function)
{
	uint32_t *stack;

	if (reader->stack_n >= PPROF_STACK_MAX || reader->steps_n >= STEPS_MAX)
		return -E2BIG;
	stack = array_room(reader->stack, reader->stack_n, &reader->stack_capacity, 256,
			   sizeof(*stack));
	if (stack == NULL)
		return -ENOMEM;
	reader->stack = stack;
	stack[reader->stack_n++] = function;
	reader->steps_n++;
	return 0;
}

static int push_location(struct reader *reader, uint64_t id)
{
	const struct location key = { .id = id };
	struct location *location;
	int r;

	location = reader->locations_n == 0 ? NULL
					    : bsearch(&key, reader->locations, reader->locations_n,
						      sizeof(*location), compare_locations);
	if (location == NULL)
		return -EBADMSG;
	if (location->n == 0) {
		r = enter_address(reader, location);
		return r < 0 ? r : push(reader, location->index);
	}
	for (uint32_t i = 0; i < location->n; i++) {
		struct line *line = &reader->lines[location->first + i];

		r = enter_line(reader, line);
		if (r == 0)
			r = push(reader, line->index);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- samples ---- */

struct sample {
	uint64_t bytes, counted;
	size_t values_n;
};

static int take_value(struct reader *reader, struct sample *sample, uint64_t value)
{
	size_t column = sample->values_n++;

	if (column != reader->bytes && column != reader->counted)
		return 0;
	/* Also one below nothing. */
	if (value > VALUE_MAX)
		return -EBADMSG;
	if (column == reader->bytes)
		sample->bytes = value;
	else
		sample->counted = value;
	return 0;
}

static int take_one(struct reader *reader, struct sample *sample, uint64_t number, uint64_t value)
{
	return number == SAMPLE_VALUE ? take_value(reader, sample, value)
				      : push_location(reader, value);
}

/* Numbers come one by one or many in one field. */
static int take_numbers(struct reader *reader, struct sample *sample, const struct pb_field *field)
{
	struct pb pb = inside(field);
	uint64_t value;
	int r = 0;

	if (field->number != SAMPLE_VALUE && field->number != SAMPLE_LOCATION_ID)
		return 0;
	if (field->wire == PB_VARINT)
		return take_one(reader, sample, field->number, field->value);
	if (field->wire != PB_BYTES)
		return -EBADMSG;
	while (r == 0 && pb.at < pb.end) {
		r = pb_varint(&pb, &value);
		if (r == 0)
			r = take_one(reader, sample, field->number, value);
	}
	return r;
}

/* The stack from its outer end on; the root of ours is in no stack but its own. */
static int add_sample(struct reader *reader, const struct sample *sample)
{
	struct profile *profile = reader->profile;
	uint32_t node = 0;
	int r;

	for (size_t i = reader->stack_n; i-- > 0;) {
		if (node == 0 && reader->stack[i] == 0)
			continue;
		r = profile_node(profile, node, reader->stack[i], &node);
		if (r < 0)
			return r;
	}
	profile->nodes[node].self_bytes += sample->bytes;
	profile->nodes[node].self_count += sample->counted;
	return 0;
}

static int take_sample(struct reader *reader, const struct pb_field *whole)
{
	struct pb pb = inside(whole);
	struct sample sample = { 0 };
	struct pb_field field;
	int r, taken = 0;

	if (reader->samples_n++ >= SAMPLES_MAX)
		return -E2BIG;
	reader->stack_n = 0;
	while (taken == 0 && (r = pb_next(&pb, &field)) > 0)
		taken = take_numbers(reader, &sample, &field);
	if (taken < 0)
		return taken;
	if (r < 0 || sample.values_n != reader->columns_n)
		return -EBADMSG;
	return sample.bytes > 0 || sample.counted > 0 ? add_sample(reader, &sample) : 0;
}

static int read_samples(struct reader *reader, const struct pb *whole)
{
	struct pb_field field;
	struct pb pb = *whole;
	int r, taken = 0;

	while (taken == 0 && (r = pb_next(&pb, &field)) > 0)
		if (is_bytes(&field, PROFILE_SAMPLE))
			taken = take_sample(reader, &field);
	return taken < 0 ? taken : r;
}

/* ---- the whole ---- */

static void reader_fini(struct reader *reader)
{
	free(reader->texts);
	free(reader->functions);
	free(reader->lines);
	free(reader->locations);
	free(reader->stack);
}

int profile_parse_pprof(struct profile *ret, const void *data, size_t size)
{
	const struct pb whole = { data, (const unsigned char *)data + size };
	struct reader reader = { .profile = ret };
	int r = profile_init(ret);

	if (r == 0)
		r = read_tables(&reader, &whole);
	if (r == 0)
		r = choose_columns(&reader);
	if (r == 0)
		r = read_samples(&reader, &whole);
	reader_fini(&reader);
	return r;
}
