/* Packets: whole, in drops, and what is none. */

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "net/packet.h"

struct heard {
	char text[512]; /* what came, as it is told below */
	size_t n;
	int stop; /* returned from the first event */
};

static void tell(struct heard *heard, const char *data, size_t size)
{
	cr_assert_lt(heard->n + size, sizeof(heard->text));
	if (size > 0)
		memcpy(heard->text + heard->n, data, size);
	heard->n += size;
	heard->text[heard->n] = '\0';
}

static int on_text(void *owner, const char *data, size_t size, bool last)
{
	struct heard *heard = owner;

	tell(heard, data, size);
	if (last)
		tell(heard, ".", 1);
	return heard->stop;
}

static int on_bulk(void *owner, const char *actor, uint64_t size)
{
	struct heard *heard = owner;
	char text[300];

	tell(heard, text,
	     (size_t)snprintf(text, sizeof(text), "<%s %llu>", actor, (unsigned long long)size));
	return heard->stop;
}

static int on_data(void *owner, const char *data, size_t size, bool last)
{
	struct heard *heard = owner;

	tell(heard, data, size);
	if (last)
		tell(heard, "!", 1);
	return heard->stop;
}

static const struct packet_events events = { .text = on_text, .bulk = on_bulk, .data = on_data };

/* In pieces of this size. */
static int feed(struct heard *heard, const char *data, size_t size, size_t piece)
{
	struct packet_reader reader;
	int r = 0;

	packet_reader_init(&reader, &events, heard);
	for (size_t at = 0; r == 0 && at < size; at += piece)
		r = packet_feed(&reader, data + at, size - at < piece ? size - at : piece);
	return r;
}

Test(packet, texts_and_bulk_in_pieces_of_every_size)
{
	static const char wire[] = "2:{}0:bulk server1.conn3.file4 undefined 5:ab:c\n7:{\"a\":1}"
				   "bulk a b 0:1:x";
	static const char wanted[] = "{}..<server1.conn3.file4 5>ab:c\n!{\"a\":1}.<a 0>!x.";

	for (size_t piece = 1; piece <= sizeof(wire); piece++) {
		struct heard heard = { 0 };

		cr_expect_eq(feed(&heard, wire, sizeof(wire) - 1, piece), 0);
		cr_expect_str_eq(heard.text, wanted, "in pieces of %zu", piece);
	}
}

Test(packet, what_is_none)
{
	static const char *const wrong[] = {
		"HTTP/1.1 400 Bad Request\r\n",
		"SSH-2.0-OpenSSH\r\n",
		":{}",
		"2x:{}",
		"-1:",
		"+2:{}",
		" 2:{}",
		"99999999999999999999:",
		"9007199254740993:",
		"bulk a 5:",
		"bulk a b x:",
		"bulk a b :",
		"bulk:",
		"bulx a b 5:",
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct heard heard = { 0 };

		cr_expect_eq(feed(&heard, wrong[i], strlen(wrong[i]), 1), -EPROTO, "%s", wrong[i]);
		cr_expect_str_eq(heard.text, "");
	}
}

Test(packet, a_zero_in_the_head)
{
	struct heard heard = { 0 };

	cr_expect_eq(feed(&heard, "1\0:x", 4, 4), -EPROTO);
}

Test(packet, a_head_has_an_end)
{
	char wire[PACKET_HEAD_MAX + 8];
	struct heard heard = { 0 };

	memset(wire, '0', sizeof(wire));
	wire[PACKET_HEAD_MAX] = ':';
	cr_expect_eq(feed(&heard, wire, PACKET_HEAD_MAX + 1, 7), 0);
	cr_expect_str_eq(heard.text, ".");
	heard = (struct heard){ 0 };
	wire[PACKET_HEAD_MAX] = '0';
	cr_expect_eq(feed(&heard, wire, sizeof(wire), 7), -EPROTO);
}

Test(packet, an_event_ends_it)
{
	struct heard heard = { .stop = -77 };

	cr_expect_eq(feed(&heard, "1:x1:y", 6, 6), -77);
	cr_expect_str_eq(heard.text, "x.");
}

Test(packet, bulk_that_nobody_wants)
{
	static const struct packet_events texts = { .text = on_text };
	static const char wire[] = "bulk a b 3:xyz1:t";
	struct packet_reader reader;
	struct heard heard = { 0 };

	packet_reader_init(&reader, &texts, &heard);
	cr_expect_eq(packet_feed(&reader, wire, sizeof(wire) - 1), 0);
	cr_expect_str_eq(heard.text, "t.");
}

Test(packet, prefix)
{
	char text[PACKET_PREFIX_MAX];

	cr_expect_eq(packet_prefix(text, 12), 3);
	cr_expect_str_eq(text, "12:");
	cr_expect_lt(packet_prefix(text, SIZE_MAX), sizeof(text));
}
