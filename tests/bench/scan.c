/*
 * How fast is the scanner? Two workloads, made in memory in the shape of what V8 sends:
 *
 *   messages   HeapProfiler.addHeapSnapshotChunk events: one long escaped string each, which a
 *              capture un-escapes into its buffer
 *   text       the snapshot those carry: arrays of small integers, then strings, which the analyser
 *              reads
 *
 * Each is copied with memcpy, scanned, and parsed by jansson, in turn and several times; the least
 * CPU time counts. Absolute figures belong to one machine and one moment: compare the ratios of one
 * run. Usage: bench_scan [megabytes of snapshot text]
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "json/scan.h"
#include "json/write.h"
#include "util/buf.h"

#include "scan_jansson.h"

#define METHOD "HeapProfiler.addHeapSnapshotChunk"

enum {
	CHUNK_BYTES = 102400, /* of snapshot text per message: Node 20 and 22 */
	BUFFER_BYTES = 1 << 20, /* of the scanner: a capture's */
	FEED_BYTES = 64 << 10, /* how a socket or a file would bring them */
	ROUNDS_N = 5,
	MEGABYTES = 64, /* far beyond any cache, below a second for jansson */
};

/* Documents one behind the other; ends[i] is where the i-th one ends. */
struct documents {
	struct buf data;
	size_t *ends;
	size_t n;
};

struct sink {
	char *copy; /* where memcpy puts a document */
	char *buffer;
	uint64_t text_bytes, integers; /* what came out, so that nothing is optimised away */
};

typedef bool workload_fn(const char *data, size_t size, struct sink *sink);

static unsigned seed = 1;

static unsigned pick(unsigned n)
{
	return (unsigned)rand_r(&seed) % n;
}

/* The share of each part by bytes: nodes 3, edges 4, strings 2. */
static void put_snapshot(struct buf *text, size_t size)
{
	static const char *const words[] = {
		"Object", "set \"value\"",         "system / Map",
		"",       "C:\\\\app\\\\index.js", "function () {\\n\\treturn 1;\\n}"
	};
	size_t start = text->size, nodes_end = start + size / 9 * 3,
	       edges_end = start + size / 9 * 7;

	buf_puts(text, "{\"snapshot\":{\"node_count\":1},\n\"nodes\":[9,1,1,0,5,0,0\n");
	for (unsigned id = 3; text->size < nodes_end; id += 2)
		buf_printf(text, ",%u,%u,%u,%u,%u,0,%u\n", pick(14), pick(90000), id,
			   16 + 8 * pick(40), pick(12), pick(2));
	buf_puts(text, "],\n\"edges\":[1,1,7\n");
	while (text->size < edges_end)
		buf_printf(text, ",%u,%u,%u\n", pick(7), pick(90000), 7 * pick(900000));
	buf_puts(text, "],\n\"strings\":[\"<dummy>\"");
	while (text->size < start + size) {
		char name[64];

		snprintf(name, sizeof(name), "%s%u", words[pick(6)], pick(100000));
		buf_puts(text, ",\n");
		json_quote(text, name, strlen(name));
	}
	buf_puts(text, "]}");
}

static void end_document(struct documents *documents)
{
	documents->ends = realloc(documents->ends, (documents->n + 1) * sizeof(size_t));
	if (documents->ends == NULL || documents->data.error != 0) {
		fprintf(stderr, "out of memory\n");
		exit(1);
	}
	documents->ends[documents->n++] = documents->data.size;
}

static void make_messages(struct documents *documents, const struct buf *text)
{
	buf_init(&documents->data, SIZE_MAX);
	for (size_t at = 0; at < text->size; at += CHUNK_BYTES) {
		size_t left = text->size - at;

		buf_puts(&documents->data, "{\"method\":\"" METHOD "\",\"params\":{\"chunk\":");
		json_quote(&documents->data, text->data + at,
			   left < CHUNK_BYTES ? left : CHUNK_BYTES);
		buf_puts(&documents->data, "}}");
		end_document(documents);
	}
}

static int count(void *owner, const struct json_event *event)
{
	struct sink *sink = owner;

	if (event->kind == JSON_STRING || event->kind == JSON_STRING_PART)
		sink->text_bytes += event->size;
	else if (event->kind == JSON_INTEGER)
		sink->integers++;
	return 0;
}

static bool by_memcpy(const char *data, size_t size, struct sink *sink)
{
	memcpy(sink->copy, data, size);
	__asm__ volatile("" : : "r"(sink->copy) : "memory"); /* the copy is wanted */
	return true;
}

static bool by_scanner(const char *data, size_t size, struct sink *sink)
{
	struct json_scan scan;

	json_scan_init(&scan, sink->buffer, BUFFER_BYTES, count, sink);
	for (size_t at = 0; at < size; at += FEED_BYTES) {
		if (json_scan_feed(&scan, data + at,
				   size - at < FEED_BYTES ? size - at : FEED_BYTES))
			return false;
	}
	return json_scan_end(&scan) == 0;
}

static bool by_jansson(const char *data, size_t size, struct sink *sink)
{
	(void)sink;
	return scan_jansson(data, size);
}

/* Of CPU: what else the machine does counts less. */
static double cpu_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double seconds_for(workload_fn *work, const struct documents *documents, struct sink *sink)
{
	double started = cpu_seconds();
	size_t at = 0;

	for (size_t i = 0; i < documents->n; i++) {
		if (!work(documents->data.data + at, documents->ends[i] - at, sink)) {
			fprintf(stderr, "document %zu was refused\n", i);
			exit(1);
		}
		at = documents->ends[i];
	}
	return cpu_seconds() - started;
}

static void run(const char *name, const struct documents *documents, struct sink *sink)
{
	static const char *const names[] = { "memcpy", "scanner", "jansson" };
	workload_fn *const works[] = { by_memcpy, by_scanner, by_jansson };
	double best[3] = { 1e9, 1e9, 1e9 };

	for (int round = 0; round < ROUNDS_N; round++) {
		for (int i = 0; i < 3; i++) {
			double seconds = seconds_for(works[i], documents, sink);

			if (seconds < best[i])
				best[i] = seconds;
		}
	}
	printf("%s: %.1f MB in %zu documents\n", name, (double)documents->data.size / 1e6,
	       documents->n);
	for (int i = 0; i < 3; i++)
		printf("  %-8s %6.3f s/GB   %7.3f of memcpy   %7.2f x jansson\n", names[i],
		       best[i] / ((double)documents->data.size / 1e9), best[0] / best[i],
		       best[2] / best[i]);
}

int main(int argc, char **argv)
{
	size_t size = (size_t)(argc > 1 ? atoi(argv[1]) : MEGABYTES) << 20;
	struct documents text = { 0 }, messages = { 0 };
	struct sink sink = { 0 };

	buf_init(&text.data, SIZE_MAX);
	put_snapshot(&text.data, size);
	end_document(&text);
	make_messages(&messages, &text.data);
	sink.copy = malloc(text.data.size);
	sink.buffer = malloc(BUFFER_BYTES);
	if (sink.copy == NULL || sink.buffer == NULL)
		return 1;

	run("messages", &messages, &sink);
	if (sink.text_bytes != ROUNDS_N * (text.data.size + messages.n * strlen(METHOD))) {
		fprintf(stderr, "the chunks do not make the text again\n");
		return 1;
	}
	run("text", &text, &sink);

	buf_fini(&text.data);
	buf_fini(&messages.data);
	free(text.ends);
	free(messages.ends);
	free(sink.copy);
	free(sink.buffer);
	return 0;
}
