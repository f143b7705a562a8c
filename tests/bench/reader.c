/*
 * The least that a capture can cost
 *
 * Asks a target for a snapshot with the daemon's own requests, reads what comes as fast as it can
 * into one buffer and throws it away. It looks at the headers of the frames only, and into the
 * short ones for the answer that ends the snapshot. Nothing is decoded, summed or written.
 *
 * Usage: bench_reader ADDRESS PATH. Prints seconds from connect to the last answer, and bytes.
 */

#include <err.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#include "net/address.h"
#include "net/wire.h"
#include "util/clock.h"
#include "util/err.h"

enum {
	BUFFER_BYTES = 256 << 10, /* as the daemon's */
	ANSWER_MAX = 512, /* a longer frame is no answer */
	SILENCE_S = 600,
	TAKE_ID = 3,
	DISABLE_ID = 4,
};

static const char *const begin[] = {
	"{\"id\":1,\"method\":\"NodeRuntime.enable\"}",
	"{\"id\":2,\"method\":\"NodeRuntime.notifyWhenWaitingForDisconnect\","
	"\"params\":{\"enabled\":true}}",
	"{\"id\":3,\"method\":\"HeapProfiler.takeHeapSnapshot\",\"params\":{\"reportProgress\":"
	"true}}",
};
static const char end[] = "{\"id\":4,\"method\":\"HeapProfiler.disable\"}";

/* Where in the stream we are. */
struct stream {
	unsigned char header[10];
	size_t header_n;
	uint64_t left, frame; /* bytes of payload still to come; of the whole frame */
	char text[ANSWER_MAX + 1]; /* of a short frame */
	size_t text_n;
	int wanted; /* id of an answer */
	bool heard;
	uint64_t bytes;
};

static size_t header_need(const struct stream *stream)
{
	unsigned length = stream->header_n < 2 ? 0 : stream->header[1] & 0x7f;

	return length == 127 ? 10 : length == 126 ? 4 : 2;
}

static void begin_frame(struct stream *stream)
{
	size_t from = stream->header_n == 2 ? 1 : 2;

	stream->frame = 0;
	for (size_t i = from; i < stream->header_n; i++)
		stream->frame = stream->frame << 8 | stream->header[i];
	stream->left = stream->frame;
	stream->header_n = stream->text_n = 0;
}

static void end_frame(struct stream *stream)
{
	char wanted[32];

	if (stream->frame > ANSWER_MAX)
		return;
	snprintf(wanted, sizeof(wanted), "\"id\":%d", stream->wanted);
	stream->text[stream->text_n] = '\0';
	if (strstr(stream->text, wanted) != NULL) {
		if (strstr(stream->text, "\"error\"") != NULL)
			errx(1, "refused: %s", stream->text);
		stream->heard = true;
	}
}

static void take_payload(struct stream *stream, const char *data, size_t size)
{
	if (stream->frame <= ANSWER_MAX) {
		memcpy(stream->text + stream->text_n, data, size);
		stream->text_n += size;
	}
	stream->left -= size;
	if (stream->left == 0)
		end_frame(stream);
}

static void feed(struct stream *stream, const char *data, size_t size)
{
	size_t at = 0;

	stream->bytes += size;
	while (at < size) {
		size_t n = size - at < stream->left ? size - at : (size_t)stream->left;

		if (stream->left > 0) {
			take_payload(stream, data + at, n);
			at += n;
			continue;
		}
		stream->header[stream->header_n++] = (unsigned char)data[at++];
		if (stream->header_n >= 2 && stream->header_n == header_need(stream))
			begin_frame(stream);
	}
}

static void read_until(struct stream *stream, int fd, int id)
{
	static char buffer[BUFFER_BYTES];

	stream->wanted = id;
	stream->heard = false;
	while (!stream->heard) {
		ssize_t n = recv(fd, buffer, sizeof(buffer), 0);

		if (n <= 0)
			err(1, "the connection ended after %llu bytes",
			    (unsigned long long)stream->bytes);
		feed(stream, buffer, (size_t)n);
	}
}

static double cpu_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void say(struct wire *wire, const char *text)
{
	if (wire_send(wire, text, strlen(text), NS_PER_S) != 0)
		errx(1, "the target does not take a request");
}

int main(int argc, char **argv)
{
	static const struct frame_events none = { 0 };
	static struct stream stream;
	struct timeval silence = { .tv_sec = SILENCE_S };
	struct address address;
	struct wire wire;
	struct err why = { 0 };
	uint64_t start;

	if (argc != 3 || address_parse(&address, argv[1], &why) < 0)
		errx(2, "usage: bench_reader ADDRESS PATH %s", why.text);
	start = clock_mono_ns();
	if (wire_open(&wire, &address, argv[2], -1, 10 * NS_PER_S, &none, NULL, &why) < 0)
		errx(1, "%s", why.text);
	fcntl(wire.fd, F_SETFL, 0);
	setsockopt(wire.fd, SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof(silence));
	for (size_t i = 0; i < sizeof(begin) / sizeof(begin[0]); i++)
		say(&wire, begin[i]);
	read_until(&stream, wire.fd, TAKE_ID);
	say(&wire, end);
	read_until(&stream, wire.fd, DISABLE_ID);
	printf("{\"seconds\": %.6f, \"bytes\": %llu, \"cpu_seconds\": %.6f}\n",
	       (double)(clock_mono_ns() - start) / 1e9, (unsigned long long)stream.bytes,
	       cpu_seconds());
	wire_close(&wire);
	return 0;
}
