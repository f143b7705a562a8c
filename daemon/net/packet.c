/*
 * The reader keeps nothing but the head of a packet, so that a payload may have any size. What
 * cannot become a head is refused at its first wrong byte: strangers talk too.
 */

#include "net/packet.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* What a length may be: more is no count that JavaScript could have made. */
static const uint64_t length_max = (uint64_t)1 << 53;

static const char bulk[] = "bulk ";

void packet_reader_init(struct packet_reader *reader, const struct packet_events *events,
			void *owner)
{
	*reader = (struct packet_reader){ .events = events, .owner = owner };
}

static bool parse_length(const char *text, uint64_t *ret)
{
	uint64_t length = 0;

	if (*text == '\0')
		return false;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return false;
		length = length * 10 + (uint64_t)(*text - '0');
		if (length > length_max)
			return false;
	}
	*ret = length;
	return true;
}

/* "ACTOR KIND LENGTH"; the kind may be anything: Firefox says "undefined". */
static int begin_bulk(struct packet_reader *reader, char *text)
{
	char *kind = strchr(text, ' '), *length = strrchr(text, ' ');

	if (kind == NULL || kind == length || !parse_length(length + 1, &reader->left))
		return -EPROTO;
	*kind = '\0';
	return reader->events->bulk ? reader->events->bulk(reader->owner, text, reader->left) : 0;
}

static int begin(struct packet_reader *reader)
{
	reader->head[reader->head_n] = '\0';
	reader->head_n = 0;
	reader->in_payload = true;
	reader->is_bulk = strncmp(reader->head, bulk, sizeof(bulk) - 1) == 0;
	if (reader->is_bulk)
		return begin_bulk(reader, reader->head + sizeof(bulk) - 1);
	return parse_length(reader->head, &reader->left) ? 0 : -EPROTO;
}

/* Can it still become a head? So that a stranger is not listened to for long. */
static bool may_be_head(const struct packet_reader *reader)
{
	size_t n = reader->head_n < sizeof(bulk) - 1 ? reader->head_n : sizeof(bulk) - 1;
	char last = reader->head[reader->head_n - 1];

	if (reader->head[0] == bulk[0])
		return strncmp(reader->head, bulk, n) == 0;
	return last >= '0' && last <= '9';
}

/* Returns the bytes of data it took. */
static size_t take_head(struct packet_reader *reader, const char *data, size_t size, int *ret)
{
	size_t n = 0;

	*ret = 0;
	while (n < size && !reader->in_payload && *ret == 0) {
		char c = data[n++];

		if (c == ':') {
			*ret = begin(reader);
		} else if (c == '\0' || reader->head_n == PACKET_HEAD_MAX) {
			*ret = -EPROTO;
		} else {
			reader->head[reader->head_n++] = c;
			if (!may_be_head(reader))
				*ret = -EPROTO;
		}
	}
	return n;
}

static int take_payload(struct packet_reader *reader, const char *data, size_t size)
{
	const struct packet_events *events = reader->events;
	bool last;

	reader->left -= size;
	last = reader->left == 0;
	reader->in_payload = !last;
	if (!reader->is_bulk)
		return events->text(reader->owner, data, size, last);
	return events->data ? events->data(reader->owner, data, size, last) : 0;
}

int packet_feed(struct packet_reader *reader, const char *data, size_t size)
{
	while (size > 0 || (reader->in_payload && reader->left == 0)) {
		size_t n;
		int r;

		if (reader->in_payload) {
			n = reader->left < size ? (size_t)reader->left : size;
			r = take_payload(reader, data, n);
		} else {
			n = take_head(reader, data, size, &r);
		}
		if (r != 0)
			return r;
		data += n;
		size -= n;
	}
	return 0;
}

size_t packet_prefix(char dst[PACKET_PREFIX_MAX], size_t size)
{
	return (size_t)snprintf(dst, PACKET_PREFIX_MAX, "%zu:", size);
}
