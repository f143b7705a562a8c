/* Indexes: the same as what they are of; and those that are damaged, old, copied or hostile. */

#include "heap/index.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "heap/analysis.h"
#include "heap/extras.h"
#include "heap/index_layout.h"
#include "heap/leaks.h"
#include "heap/retain.h"
#include "heap/retainers.h"
#include "heap/v8_scopes.h"
#include "util/buf.h"
#include "util/err.h"

enum { PATH_BYTES_MAX = 128 };

/* A root, a window with two plain objects of one shape, a text, and one of 5 GB. */
static const char snapshot[] =
	"{\"snapshot\":{\"meta\":{\"node_fields\":[\"type\",\"name\",\"id\",\"self_size\","
	"\"edge_count\",\"detachedness\"],\"node_types\":[[\"synthetic\",\"object\",\"string\"],"
	"\"string\"],\"edge_fields\":[\"type\",\"name_or_index\",\"to_node\"],\"edge_types\":"
	"[[\"element\",\"property\",\"shortcut\"],\"string_or_number\",\"node\"],"
	"\"location_fields\":[\"object_index\",\"script_id\",\"script_object_index\",\"line\","
	"\"column\"]},"
	"\"node_count\":6,\"edge_count\":8},\n"
	"\"nodes\":[0,0,1,0,1,0\n,1,1,3,16,3,0\n,1,2,5,32,2,0\n,1,2,7,32,2,0\n,2,5,9,24,0,0\n"
	",1,1,11,5000000000,0,0],\n"
	"\"edges\":[2,0,6\n,1,3,12\n,1,4,18\n,0,7,30\n,1,3,24\n,1,4,24\n,1,3,24\n,1,4,30],\n"
	"\"locations\":[6,4,24,10,3\n,30,4,24,10,3],\n"
	"\"strings\":[\"\",\"Window\",\"Object\",\"left\",\"right\",\"system / Script / "
	"\\u00e9.js\"]}\n";

static const struct heap_mark source = { .inode = 1, .size = sizeof(snapshot) - 1 };

static void analyse(struct heap_analysis *ret)
{
	struct v8_text text = { .data = snapshot, .size = sizeof(snapshot) - 1 };
	struct heap_load_options options = { .threads = 1 };
	struct err err;

	cr_assert_eq(heap_analyse(ret, &text, &options, &err), 0, "%s", err.text);
	cr_assert_eq(heap_analysis_refer(ret), 0);
	cr_assert_str_eq(heap_script_url(&ret->graph, 4), "\u00e9.js");
}

static int new_file(char path[PATH_BYTES_MAX])
{
	int fd;

	strcpy(path, "/tmp/test_index.XXXXXX");
	fd = mkstemp(path);
	cr_assert_geq(fd, 0);
	return fd;
}

static int written(bool with_text)
{
	struct heap_analysis analysis;
	char path[PATH_BYTES_MAX];
	int fd = new_file(path);

	unlink(path);
	analyse(&analysis);
	cr_assert_eq(heap_index_write(fd, &analysis, &source, with_text), 0);
	heap_analysis_fini(&analysis);
	return fd;
}

static int read_back(struct heap_analysis *ret, int fd, enum heap_parts parts, unsigned threads)
{
	return heap_index_read(ret, fd, &source, snapshot, sizeof(snapshot) - 1, parts, threads);
}

/* As `leaks` does, of a snapshot with itself. */
static void compare(struct heap_analysis *analysis, enum heap_match_by by, struct buf *buf)
{
	struct heap_leaks leaks = { .n = 0 };
	struct heap_past past = { .nodes = 0 };
	struct heap_match match;
	struct heap_side side;

	cr_assert_eq(heap_side_init(&side, analysis), 0);
	cr_assert_eq(heap_match_init(&match, &side, &side, &by), 0);
	for (uint32_t node = 0; node < match.nodes; node++)
		buf_printf(buf, "%u ", match.of[node]);
	cr_assert_eq(heap_past_init(&past, &match, &side, &analysis->shapes), 0);
	cr_assert_eq(heap_leaks_find(&leaks, &side, &past, 1), 0);
	buf_printf(buf, "%zu %zu\n", past.groups.n, leaks.n);
	heap_leaks_fini(&leaks);
	heap_past_fini(&past);
	heap_match_fini(&match);
	heap_side_fini(&side);
}

static void use_node(const struct heap_analysis *analysis, uint32_t node, struct buf *buf)
{
	struct heap_retainers retainers;
	struct heap_path path;

	heap_node_name(&analysis->graph, node, buf);
	buf_printf(buf, " %u %lu", analysis->classes.of[node], heap_size(&analysis->graph, node));
	cr_assert_eq(heap_path_dominators(&path, analysis, node), 0);
	buf_printf(buf, " %zu", path.n);
	heap_path_fini(&path);
	cr_assert_eq(heap_path_shortest(&path, analysis, node), 0);
	buf_printf(buf, " %zu", path.n);
	heap_path_fini(&path);
	cr_assert_eq(heap_path_along(&path, analysis, analysis->ways, node), 0);
	buf_printf(buf, " %zu", path.n);
	heap_path_fini(&path);
	cr_assert_eq(heap_retainers_find(&retainers, analysis, node, 0), 0);
	for (size_t i = 0; i < retainers.n; i++)
		buf_printf(buf, " %u:%u:%u", retainers.items[i].node, retainers.items[i].edge,
			   retainers.items[i].more);
	heap_retainers_fini(&retainers);
	buf_puts(buf, "\n");
}

/* All that commands do with one. */
static void use(struct heap_analysis *analysis, struct buf *buf)
{
	const struct heap_graph *graph = &analysis->graph;
	const struct v8_scopes no_scopes = { .n = 0 };
	struct heap_extras extras;
	struct heap_digest digest =
		heap_digest(graph, &analysis->dominators, analysis->retained, analysis->distances);

	buf_printf(buf, "%u %u\n", digest.id_retained, digest.dom_distance);
	for (uint32_t i = 0; i < analysis->classes.n; i++)
		buf_printf(buf, "%s %s %lu %lu\n", analysis->classes.items[i].key,
			   analysis->classes.items[i].name, analysis->rows[i].count,
			   analysis->rows[i].retained);
	cr_assert_eq(heap_analysis_descend(analysis), 0);
	for (uint32_t node = 0; node < graph->nodes; node++)
		use_node(analysis, node, buf);
	for (uint32_t i = 0; i < graph->scripts_n; i++)
		buf_printf(buf, "%u %s\n", graph->scripts[i].id,
			   graph->scripts[i].url != NULL ? graph->scripts[i].url : "-");
	for (uint32_t edge = 0; edge < graph->edges_n; edge++)
		heap_edge_name(graph, edge, buf);
	compare(analysis, HEAP_MATCH_IDS, buf);
	compare(analysis, HEAP_MATCH_PATHS, buf);
	cr_assert_eq(heap_extras_init(&extras, analysis, &no_scopes, 0, NULL), 0);
	buf_printf(buf, " %lu %zu %d\n", extras.duplicates.texts, extras.collections.n,
		   extras.detached.told);
	heap_extras_fini(&extras);
}

static void use_and_forget(struct heap_analysis *analysis)
{
	struct heap_shapes other = { .n = 0 };
	struct buf buf;

	buf_init(&buf, SIZE_MAX / 2);
	use(analysis, &buf);
	cr_assert_eq(heap_analysis_reshape(analysis, &analysis->shapes), 0);
	cr_assert_eq(heap_analysis_reshape(analysis, &other), 0);
	use(analysis, &buf);
	heap_analysis_fini(analysis);
	buf_fini(&buf);
}

Test(index, what_is_read_is_what_was_written)
{
	struct heap_analysis fresh, again;
	struct buf wanted, found;

	buf_init(&wanted, SIZE_MAX / 2);
	analyse(&fresh);
	use(&fresh, &wanted);
	for (unsigned i = 0; i < 4; i++) {
		bool with_text = i % 2 == 1;
		int fd = written(with_text);
		int r = heap_index_read(&again, fd, &source, with_text ? NULL : snapshot,
					with_text ? 0 : sizeof(snapshot) - 1, HEAP_PARTS_ALL,
					1 + i / 2);

		cr_assert_eq(r, 0);
		buf_init(&found, SIZE_MAX / 2);
		use(&again, &found);
		cr_assert_str_eq(buf_text(&found), buf_text(&wanted));
		buf_fini(&found);
		cr_assert_eq(memcmp(&again.statistics, &fresh.statistics, sizeof(again.statistics)),
			     0);
		cr_assert_eq(again.shapes.n, fresh.shapes.n);
		cr_assert_eq(heap_analysis_digest(&again).id_retained,
			     heap_analysis_digest(&fresh).id_retained);
		cr_assert(heap_index_has(again.index, again.graph.edges));
		cr_assert(heap_index_has(again.index, again.tree.kids));
		cr_assert(heap_index_has(again.index, again.ways));
		cr_assert_not(heap_index_has(again.index, again.rows));
		use_and_forget(&again);
		close(fd);
	}
	heap_analysis_fini(&fresh);
	buf_fini(&wanted);
}

Test(index, what_is_not_wanted_is_not_there)
{
	struct heap_analysis found;
	int fd = written(false);

	cr_assert_eq(read_back(&found, fd, HEAP_PARTS_SUMMARY, 1), 0);
	cr_assert_gt(found.classes.n, 0);
	cr_assert_null(found.retained);
	cr_assert_str_eq(heap_script_url(&found.graph, 4), "\u00e9.js");
	heap_analysis_fini(&found);
	cr_assert_eq(read_back(&found, fd, HEAP_PARTS_NODES, 1), 0);
	cr_assert_not_null(found.retained);
	cr_assert_null(found.dominators.order);
	cr_assert_null(found.graph.edges);
	cr_assert_null(found.referrers.first);
	cr_assert_null(found.tree.first);
	heap_analysis_fini(&found);
	/* Without its text, it takes that of the snapshot. */
	cr_assert_eq(heap_index_read(&found, fd, &source, NULL, 0, HEAP_PARTS_ALL, 1), -ESTALE);
	close(fd);
}

Test(index, it_is_of_one_snapshot_and_no_copy)
{
	struct heap_mark other = source;
	struct heap_analysis found;
	char path[PATH_BYTES_MAX], *bytes;
	int copy, fd = written(false);
	struct stat status;

	other.changed_ns++;
	cr_assert_eq(heap_index_read(&found, fd, &other, snapshot, sizeof(snapshot) - 1,
				     HEAP_PARTS_SUMMARY, 1),
		     -ESTALE);
	cr_assert_eq(fstat(fd, &status), 0);
	bytes = malloc((size_t)status.st_size);
	cr_assert_eq(pread(fd, bytes, (size_t)status.st_size, 0), status.st_size);
	copy = new_file(path);
	unlink(path);
	cr_assert_eq(write(copy, bytes, (size_t)status.st_size), status.st_size);
	cr_assert_eq(read_back(&found, copy, HEAP_PARTS_SUMMARY, 1), -ESTALE);
	free(bytes);
	close(copy);
	close(fd);
}

static void flip(int fd, off_t at)
{
	char c;

	cr_assert_eq(pread(fd, &c, 1, at), 1);
	c ^= 0x10;
	cr_assert_eq(pwrite(fd, &c, 1, at), 1);
}

/* Of every byte that is used: pages are padded. */
Test(index, a_flipped_bit_is_seen)
{
	struct heap_analysis found;
	struct index_header header;
	int fd = written(true);

	cr_assert_eq(pread(fd, &header, sizeof(header), 0), (ssize_t)sizeof(header));
	for (size_t at = 0; at < sizeof(header); at++) {
		flip(fd, (off_t)at);
		cr_assert_lt(read_back(&found, fd, HEAP_PARTS_SUMMARY, 1), 0, "byte %zu", at);
		flip(fd, (off_t)at);
	}
	for (size_t i = 0; i < INDEX_KINDS; i++) {
		const struct index_section *section = &header.sections[i];

		for (uint64_t at = 0; at < index_bytes(section); at++) {
			flip(fd, (off_t)(section->at + at));
			cr_assert_eq(read_back(&found, fd, HEAP_PARTS_ALL, 1 + at % 2), -EBADMSG,
				     "section %zu, byte %lu", i, at);
			flip(fd, (off_t)(section->at + at));
		}
	}
	cr_assert_eq(read_back(&found, fd, HEAP_PARTS_ALL, 1), 0);
	heap_analysis_fini(&found);
	close(fd);
}

Test(index, a_part_of_one_is_none)
{
	struct heap_analysis found;
	struct stat status;
	int fd = written(false);

	cr_assert_eq(fstat(fd, &status), 0);
	for (off_t size = status.st_size; size >= 0; size -= size > 8192 ? 4096 : 512) {
		int r;

		cr_assert_eq(ftruncate(fd, size), 0);
		r = read_back(&found, fd, HEAP_PARTS_ALL, 2);
		cr_assert_eq(r == 0, size == status.st_size, "%ld bytes", (long)size);
		if (r == 0)
			heap_analysis_fini(&found);
	}
	close(fd);
}

/* As one would be who knows how it is made: sums are right. */
static void seal(int fd, struct index_header *header, size_t kind)
{
	struct index_section *section = &header->sections[kind];
	uint64_t per = index_piece(section), sum = 0, bytes = index_bytes(section);
	char *data = malloc(bytes + 1);

	cr_assert_eq(pread(fd, data, bytes, (off_t)section->at), (ssize_t)bytes);
	for (uint64_t at = 0; at < bytes; at += per * section->size) {
		uint64_t n = bytes - at;

		n = n < per * section->size ? n : per * section->size;
		sum = index_sum_more(sum, data + at, n);
	}
	section->sum = sum;
	header->sum = index_sum(header, offsetof(struct index_header, sum));
	cr_assert_eq(pwrite(fd, header, sizeof(*header), 0), (ssize_t)sizeof(*header));
	free(data);
}

static const unsigned char patterns[][8] = {
	{ 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff },
	{ 0 },
	{ 6, 0, 0, 0, 0, 0, 0, 0 },
	{ 0xff, 0xff, 0xff, 0x1f, 0, 0, 0, 0 },
	{ 1, 0, 0, 0, 2, 0, 0, 0 },
};

/* It is refused, or used to the end. */
Test(index, what_a_stranger_made_leads_nowhere, .timeout = 60)
{
	struct heap_analysis found;
	struct index_header header;
	unsigned used = 0, refused = 0;

	for (size_t kind = 0; kind < INDEX_KINDS; kind++) {
		for (size_t p = 0; p < sizeof(patterns) / sizeof(patterns[0]); p++) {
			int fd = written(true);
			uint64_t bytes;

			cr_assert_eq(pread(fd, &header, sizeof(header), 0),
				     (ssize_t)sizeof(header));
			bytes = index_bytes(&header.sections[kind]);
			for (uint64_t at = 0; at < bytes; at += header.sections[kind].size) {
				uint64_t n = header.sections[kind].size;
				char before[64];
				int r;
				off_t place = (off_t)(header.sections[kind].at + at);

				cr_assert_eq(pread(fd, before, n, place), (ssize_t)n);
				cr_assert_gt(pwrite(fd, patterns[p], n < 8 ? n : 8, place), 0);
				seal(fd, &header, kind);
				r = read_back(&found, fd, HEAP_PARTS_ALL, 1);
				cr_assert(r == 0 || r == -EBADMSG);
				used += r == 0;
				refused += r != 0;
				if (r == 0)
					use_and_forget(&found);
				cr_assert_eq(pwrite(fd, before, n, place), (ssize_t)n);
			}
			close(fd);
		}
	}
	cr_assert_gt(used, 100);
	cr_assert_gt(refused, 100);
}

/* Numbers of sections that do not fit each other. */
Test(index, a_header_of_a_stranger_leads_nowhere)
{
	const uint64_t numbers[] = { 0, 1, 5, 7, UINT32_MAX, UINT64_MAX, 1ull << 61 };
	struct index_header header, made;
	struct heap_analysis found;
	int fd = written(true);

	cr_assert_eq(pread(fd, &header, sizeof(header), 0), (ssize_t)sizeof(header));
	for (size_t i = 0; i < INDEX_KINDS * 3 + 3; i++) {
		for (size_t k = 0; k < sizeof(numbers) / sizeof(numbers[0]); k++) {
			struct index_section *section;
			int r;

			made = header;
			section = &made.sections[i / 3 % INDEX_KINDS];
			if (i / 3 < INDEX_KINDS)
				*(i % 3 == 0   ? &section->at
				  : i % 3 == 1 ? &section->n
					       : &section->size) = numbers[k];
			else
				*(i % 3 == 0   ? &made.nodes
				  : i % 3 == 1 ? &made.edges
					       : &made.root) = numbers[k];
			made.sum = index_sum(&made, offsetof(struct index_header, sum));
			cr_assert_eq(pwrite(fd, &made, sizeof(made), 0), (ssize_t)sizeof(made));
			r = read_back(&found, fd, HEAP_PARTS_ALL, 1);
			if (r == 0)
				use_and_forget(&found);
		}
	}
	close(fd);
}
