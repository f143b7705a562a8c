#include "scene.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "folder.h"
#include "json/tree.h"
#include "pipeline/stage.h"
#include "pipeline/zstd.h"
#include "spool/digest.h"
#include "util/clock.h"
#include "util/str.h"

/* Downloads in every form, pins and vacuum, on a spool with real files in it. */

#define PLAIN_ID  "11110000000000000000000000000000"
#define ZSTD_ID   "22220000000000000000000000000000"
#define SEALED_ID "33330000000000000000000000000000"
#define BROKEN_ID "44440000000000000000000000000000"

enum { TEXT_BYTES = 300000, ZERO_BYTES = 4 << 20 };

static struct view_scene scene;
static struct client client;
static struct buf text, packed; /* the same capture, plain and compressed */
static char dir[FOLDER_PATH_MAX / 2];

static int gather(struct stage *stage, const void *data, size_t size)
{
	(void)stage;
	return buf_append(&packed, data, size);
}

static int gathered(struct stage *stage)
{
	(void)stage;
	return 0;
}

static void pack(const void *data, size_t size)
{
	static const struct stage_ops ops = { .name = "end", .put = gather, .finish = gathered };
	struct stage end = { .ops = &ops }, *zstd;

	buf_clear(&packed);
	cr_assert_eq(zstd_compress_new(&zstd, 1, &end), 0);
	cr_assert_eq(stage_put(zstd, data, size), 0);
	cr_assert_eq(stage_finish(zstd), 0);
	zstd->ops->free(zstd);
}

static void store(const char *id, const char *name, const void *data, size_t size,
		  const char *compress, const char *encrypt)
{
	struct manifest manifest = { .kind = "snapshot", .target = "app", .isolate = "main" };
	struct digest *digest;
	char path[256];
	struct buf json;

	str_copy(manifest.id, sizeof(manifest.id), id);
	str_copy(manifest.name, sizeof(manifest.name), name);
	str_copy(manifest.compress, sizeof(manifest.compress), compress);
	str_copy(manifest.encrypt, sizeof(manifest.encrypt), encrypt);
	manifest.started_wall_ms = 1000000 * (id[0] - '0');
	manifest.file_bytes = size;
	cr_assert_eq(digest_new(&digest), 0);
	digest_update(digest, data, size);
	digest_final(digest, manifest.sha256);
	digest_free(digest);
	buf_init(&json, MANIFEST_BYTES_MAX);
	cr_assert_eq(manifest_write(&manifest, &json), 0);
	snprintf(path, sizeof(path), "ready/%s", name);
	folder_write(dir, path, data, size);
	snprintf(path, sizeof(path), "ready/%s.json", name);
	folder_write(dir, path, json.data, json.size);
	buf_fini(&json);
}

/* The third is not read: that its name says so is enough. The fourth ends in the middle. */
static void fill(void)
{
	store(PLAIN_ID, "a.heapsnapshot", text.data, text.size, "none", "none");
	store(ZSTD_ID, "b.heapsnapshot.zst", packed.data, packed.size, "zstd", "none");
	store(SEALED_ID, "c.heapsnapshot.zst.age", "sealed", 6, "zstd", "age");
	store(BROKEN_ID, "d.heapsnapshot.zst", packed.data, packed.size / 2, "zstd", "none");
}

static void setup(void)
{
	const struct spool_settings limits = { .max_use_bytes = UINT64_MAX, .max_files = 100 };
	struct spool spool;

	buf_init(&text, TEXT_BYTES + 100);
	buf_init(&packed, 1 << 20);
	while (text.size < TEXT_BYTES)
		buf_printf(&text, "{\"snapshot\":%zu},\n", text.size * 7919 % 10007);
	pack(text.data, text.size);
	folder_new(dir);
	cr_assert_eq(spool_open(&spool, dir, &limits), 0);
	fill();
	spool_close(&spool);
	view_start(&scene);
	cr_assert_eq(spool_open(&scene.spool, dir, &limits), 0);
	cr_assert_eq(scene.spool.files, 4);
}

static void teardown(void)
{
	spool_close(&scene.spool);
	view_stop(&scene);
	folder_remove(dir);
	buf_fini(&text);
	buf_fini(&packed);
}

TestSuite(files, .init = setup, .fini = teardown);

/* Until the end of the connection, so that chunks need not be counted to know it. */
static void get(const char *path, const char *extra)
{
	char request[512];

	client_open(&client, &scene.web.loop, scene.web.port);
	snprintf(request, sizeof(request),
		 "GET /api/v1/captures/%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
		 "%s\r\n",
		 path, extra);
	client_send(&client, request);
	cr_assert(client_ends(&client, CLIENT_WAIT_MS));
}

/* The body without its chunks; false when the last one is missing. */
static bool unchunk(struct buf *ret)
{
	const char *at = client_body(&client), *end = client.data + client.size;

	while (at < end) {
		char *data;
		size_t size = strtoul(at, &data, 16);

		if (size == 0)
			return true;
		data += 2;
		if (size > (size_t)(end - data))
			return false;
		buf_append(ret, data, size);
		at = data + size + 2;
	}
	return false;
}

static void expect_header(const char *name, const char *wanted)
{
	const char *value = client_header(&client, name);

	cr_expect_str_eq(value != NULL ? value : "(none)", wanted, "%s", name);
}

static void expect_body(const struct buf *wanted)
{
	cr_expect_eq(client_body_size(&client), wanted->size);
	cr_expect_eq(memcmp(client_body(&client), wanted->data, wanted->size), 0);
}

Test(files, plain_as_it_is)
{
	get(PLAIN_ID "/file", "Accept-Encoding: zstd\r\n");
	cr_expect_eq(client_status(&client), 200);
	cr_expect_null(client_header(&client, "Content-Encoding"));
	expect_header("Content-Disposition", "attachment; filename=\"a.heapsnapshot\"");
	expect_body(&text);
	client_close(&client);
}

Test(files, expanded_on_the_way)
{
	struct buf body;

	buf_init(&body, SIZE_MAX);
	get(ZSTD_ID "/file", "Accept-Encoding: gzip, br\r\nRange: bytes=0-9\r\n");
	cr_expect_eq(client_status(&client), 200, "no ranges of what is made on the way");
	cr_expect_null(client_header(&client, "Content-Encoding"));
	cr_expect_null(client_header(&client, "Accept-Ranges"));
	expect_header("Transfer-Encoding", "chunked");
	expect_header("Content-Disposition", "attachment; filename=\"b.heapsnapshot\"");
	cr_assert(unchunk(&body));
	cr_expect_eq(body.size, text.size);
	cr_expect_eq(memcmp(body.data, text.data, text.size), 0);
	buf_fini(&body);
	client_close(&client);
}

Test(files, as_a_coding_of_the_transfer)
{
	get(ZSTD_ID "/file", "Accept-Encoding: gzip, zstd\r\n");
	expect_header("Content-Encoding", "zstd");
	expect_header("Vary", "Accept-Encoding");
	expect_header("Content-Disposition", "attachment; filename=\"b.heapsnapshot\"");
	expect_body(&packed);
	client_close(&client);
	get(ZSTD_ID "/file", "Accept-Encoding: zstd;q=0\r\n");
	cr_expect_null(client_header(&client, "Content-Encoding"));
	client_close(&client);
}

/* The text of an error is none, and no file to be saved. */
Test(files, range_outside_of_a_coding)
{
	get(ZSTD_ID "/file", "Accept-Encoding: zstd\r\nRange: bytes=99999999-\r\n");
	cr_expect_eq(client_status(&client), 416);
	cr_expect_null(client_header(&client, "Content-Encoding"));
	cr_expect_null(client_header(&client, "Content-Disposition"));
	cr_expect_not_null(strstr(client_body(&client), "range outside of the file"));
	client_close(&client);
}

Test(files, raw)
{
	const struct spool_entry *entry = spool_find(&scene.spool, ZSTD_ID);
	char tag[80];

	snprintf(tag, sizeof(tag), "\"%s\"", entry->manifest.sha256);
	get(ZSTD_ID "/file?raw=1", "Accept-Encoding: zstd\r\n");
	cr_expect_null(client_header(&client, "Content-Encoding"));
	expect_header("Content-Disposition", "attachment; filename=\"b.heapsnapshot.zst\"");
	expect_header("ETag", tag);
	expect_body(&packed);
	client_close(&client);
	get(ZSTD_ID "/file?raw=1", "Range: bytes=2-5\r\n");
	cr_expect_eq(client_status(&client), 206);
	cr_expect_eq(client_body_size(&client), 4);
	cr_expect_eq(memcmp(client_body(&client), packed.data + 2, 4), 0);
	client_close(&client);
}

Test(files, sealed_goes_out_sealed)
{
	get(SEALED_ID "/file", "");
	expect_header("Content-Disposition", "attachment; filename=\"c.heapsnapshot.zst.age\"");
	cr_expect_str_eq(client_body(&client), "sealed");
	client_close(&client);
}

Test(files, damaged_breaks_off)
{
	struct buf body;

	buf_init(&body, SIZE_MAX);
	get(BROKEN_ID "/file", "");
	cr_expect_not(unchunk(&body), "the client has to see that something is missing");
	cr_expect_lt(body.size, text.size);
	buf_fini(&body);
	client_close(&client);
}

Test(files, head)
{
	client_get(&client, &scene.web.loop, scene.web.port, "HEAD",
		   "/api/v1/captures/" ZSTD_ID "/file", "");
	cr_expect_eq(client_status(&client), 200);
	client_close(&client);
}

Test(files, no_scripts)
{
	get(PLAIN_ID "/scripts", "");
	cr_expect_eq(client_status(&client), 404);
	client_close(&client);
}

Test(files, scripts)
{
	struct spool_entry *entry = (struct spool_entry *)spool_find(&scene.spool, ZSTD_ID);
	struct buf body;

	buf_init(&body, SIZE_MAX);
	str_copy(entry->manifest.scripts_name, SPOOL_NAME_MAX, "b.scripts.json.zst");
	folder_write(dir, "ready/b.scripts.json.zst", packed.data, packed.size);
	get(ZSTD_ID "/scripts", "");
	expect_header("Content-Disposition", "attachment; filename=\"b.scripts.json\"");
	cr_assert(unchunk(&body));
	cr_expect_eq(body.size, text.size);
	buf_fini(&body);
	client_close(&client);
}

Test(files, no_report)
{
	struct spool_entry *entry = (struct spool_entry *)spool_find(&scene.spool, PLAIN_ID);

	get(PLAIN_ID "/report", "");
	cr_expect_eq(client_status(&client), 404);
	client_close(&client);
	str_copy(entry->manifest.analysis.state, 16, "skipped");
	str_copy(entry->manifest.analysis.reason, 64, "it needs 1.9 GiB");
	get(PLAIN_ID "/report", "");
	cr_expect_eq(client_status(&client), 404);
	cr_expect_not_null(
		strstr(client_body(&client), "there is no report: skipped: it needs 1.9 GiB"));
	client_close(&client);
}

Test(files, report)
{
	struct spool_entry *entry = (struct spool_entry *)spool_find(&scene.spool, PLAIN_ID);

	str_copy(entry->manifest.analysis.state, 16, "done");
	str_copy(entry->manifest.analysis.report_name, SPOOL_NAME_MAX, "a.report.json");
	folder_write(dir, "ready/a.report.json", "{}", 2);
	get(PLAIN_ID "/report", "");
	cr_expect_eq(client_status(&client), 200);
	expect_header("Content-Type", "application/json");
	cr_expect_str_eq(client_body(&client), "{}");
	client_close(&client);
}

/* The most compressible there is: the loop turns for others while it goes out. */
Test(files, a_large_one_does_not_keep_others_waiting)
{
	struct client other;
	char *zeros = calloc(1, ZERO_BYTES);
	uint64_t began_ns;

	cr_assert_not_null(zeros);
	pack(zeros, ZERO_BYTES);
	free(zeros);
	folder_write(dir, "ready/b.heapsnapshot.zst", packed.data, packed.size);
	client_open(&client, &scene.web.loop, scene.web.port);
	client_send(&client, "GET /api/v1/captures/" ZSTD_ID "/file HTTP/1.1\r\n"
			     "Host: localhost\r\nConnection: close\r\n\r\n");
	while (client.size < 1 << 20)
		client_turn(&client, 10);
	began_ns = clock_mono_ns();
	client_get(&other, &scene.web.loop, scene.web.port, "GET", "/-/healthy", "");
	cr_expect_eq(client_status(&other), 200);
	cr_expect_lt(clock_mono_ns() - began_ns, NS_PER_S);
	cr_expect_not(client.ended);
	client_close(&other);
	cr_expect(client_ends(&client, CLIENT_WAIT_MS));
	cr_expect_gt(client.size, (size_t)ZERO_BYTES);
	client_close(&client);
}

/* ---- the list ---- */

/* The ids' first digits, in order. */
static const char *listed(const char *query)
{
	static char digits[16];
	const struct tree *ready;
	struct tree *all;
	char path[128];
	size_t n;

	snprintf(path, sizeof(path), "/api/v1/captures%s", query);
	client_get(&client, &scene.web.loop, scene.web.port, "GET", path, "");
	cr_assert_eq(client_status(&client), 200, "%s: %s", query, client_body(&client));
	cr_assert_eq(tree_parse(client_body(&client), client_body_size(&client), &all, NULL), 0);
	ready = tree_get(all, "data.ready");
	n = tree_size(ready);
	for (size_t i = 0; i < n; i++) {
		const char *id = "?";

		tree_string(tree_at(ready, i), "id", &id);
		digits[i] = id[0];
	}
	digits[n] = '\0';
	tree_free(all);
	client_close(&client);
	return digits;
}

Test(files, filters_of_the_list)
{
	cr_expect_str_eq(listed(""), "4321", "newest first");
	cr_expect_str_eq(listed("?limit=2"), "43");
	cr_expect_str_eq(listed("?match=a*&kind=snapshot"), "4321");
	cr_expect_str_eq(listed("?match=web"), "");
	cr_expect_str_eq(listed("?match=compress%3Dzstd"), "432");
	cr_expect_str_eq(listed("?kind=diagnostics"), "");
	cr_expect_str_eq(listed("?since=@2000&until=@3000"), "32");
}

Test(files, filters_that_are_none)
{
	static const char *const queries[] = { "?since=soon", "?until=never", "?limit=many",
					       "?match=nosuch%3Dx" };
	char path[128];

	for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
		snprintf(path, sizeof(path), "/api/v1/captures%s", queries[i]);
		client_get(&client, &scene.web.loop, scene.web.port, "GET", path, "");
		cr_expect_eq(client_status(&client), 400, "%s", queries[i]);
		client_close(&client);
	}
}

/* ---- changes ---- */

static int send_body(const char *method, const char *path, const char *body)
{
	char request[512];

	client_open(&client, &scene.web.loop, scene.web.port);
	snprintf(request, sizeof(request),
		 "%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n\r\n%s", method, path,
		 strlen(body), body);
	client_send(&client, request);
	client_wait(&client, false);
	return client_status(&client);
}

static int change(const char *method, const char *path, const char *body)
{
	int status = send_body(method, path, body);

	client_close(&client);
	return status;
}

Test(files, pins)
{
	static const char path[] = "/api/v1/captures/" PLAIN_ID;

	cr_expect_eq(change("PATCH", path, "{\"pinned\":true}"), 200);
	cr_expect_eq(spool_find(&scene.spool, PLAIN_ID)->manifest.pinned, 1);
	cr_expect_eq(change("PATCH", path, "{\"pinned\":false}"), 200);
	cr_expect_eq(spool_find(&scene.spool, PLAIN_ID)->manifest.pinned, 0);
	cr_expect_eq(change("PATCH", path, "{\"pinned\":1}"), 400);
	cr_expect_eq(change("PATCH", path, "{}"), 400);
	cr_expect_eq(change("PATCH", path, "{"), 400);
	cr_expect_eq(change("PATCH", path, ""), 400);
	cr_expect_eq(change("PATCH", "/api/v1/captures/0123", "{\"pinned\":true}"), 404);
}

Test(files, vacuum)
{
	static const char path[] = "/api/v1/spool/vacuum";

	cr_expect_eq(change("POST", path, "[]"), 400);
	cr_expect_eq(change("POST", path, "{"), 400);
	cr_expect_eq(change("POST", path, "{\"max_files\":\"few\"}"), 400);
	cr_expect_eq(change("POST", path, "{\"max_moons\":1}"), 400);
	cr_expect_eq(change("POST", path, "{\"max_age_seconds\":-1}"), 400);
	cr_expect_eq(scene.spool.files, 4, "mistakes delete nothing");
	cr_expect_eq(change("POST", path, ""), 200);
	cr_expect_eq(scene.spool.files, 4, "within the limits");
	cr_expect_eq(send_body("POST", path, "{\"max_files\":2}"), 200);
	cr_expect_not_null(strstr(client_body(&client), "\"removed\":2"), "%s",
			   client_body(&client));
	client_close(&client);
	cr_expect_eq(scene.spool.files, 2);
	cr_expect_not_null(spool_find(&scene.spool, BROKEN_ID), "the newest stays");
}
