/*
 * A daemon's disk work without the daemon
 *
 * Runs captures through jobs, pipeline, spool and vacuum as the daemon does, one after the other on
 * one thread, and says what came of each. The shim is linked in, so that any call of it can be made
 * to fail. Reads commands from stdin, one on a line:
 *
 *   open                                the spool: sweeps, lists
 *   file PATH REDACT LEVEL [RECIPIENT]  a capture of a file, as adopted ones are
 *   pair PATH REDACT LEVEL [RECIPIENT]  the same with a list of scripts beside it
 *   text BYTES LEVEL [RECIPIENT]        a capture of a text, as diagnostics are
 *   vacuum ROOM_BYTES
 *   pin | unpin | remove                the newest
 *   report                              beside the newest, as an analysis writes it
 *   state NAME                          the state file, of captures of these targets under way
 *   verify                              all that are listed
 *   calm                                no more faults from here on
 *   close                               says also what was not given back: space, descriptors
 *
 * REDACT is none, strings or all; LEVEL that of zstd, 0 for none. Answers `ready NAME SHA256
 * [SHA256]`, the second of the list of scripts, or `failed ERROR TEXT` to captures, `reported NAME
 * SHA256` to reports, `noted NAME` to states, `ok`, `removed NAME` (after `removing NAME`) or
 * `trouble ERROR TEXT` to the others, and trouble to all while the spool is not open.
 *
 * Usage: fault_driver FOLDER MAX_FILES MAX_USE_BYTES KEEP_FREE_BYTES
 */

#include "control.h"

#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture/capture.h"
#include "capture/job.h"
#include "capture/state.h"
#include "pipeline/crypto.h"
#include "spool/report.h"
#include "spool/vacuum.h"
#include "spool/verify.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/rand.h"
#include "util/str.h"

enum { WORDS_MAX = 8, FILE_MAX_MIB = 64, LINE_MAX_BYTES = 1024, SCRIPTS_BYTES = 5000 };

static struct spool spool;
static struct spool_settings limits;
static struct writer_limits writer_limits;
static const char *folder;
static bool is_open;
static struct captures captures; /* as far as its state needs them */
static int state_fd = -1;

static unsigned descriptors_before;

/* How many are open, with the one that looks. */
static unsigned descriptors(void)
{
	DIR *list = opendir("/proc/self/fd");
	unsigned n = 0;

	if (list == NULL)
		err(2, "/proc/self/fd");
	while (readdir(list) != NULL)
		n++;
	closedir(list);
	return n;
}

static void trouble(int r, const char *text)
{
	printf("trouble %d %s\n", r, text);
}

/* Of the newest, whatever kind it is. */
static const struct spool_entry *newest(void)
{
	if (!is_open || list_empty(&spool.ready))
		return NULL;
	return container_of(spool.ready.prev, struct spool_entry, link);
}

/* ---- captures ---- */

static int recipe_of(struct recipe *recipe, const char *redact, const char *level,
		     const char *recipient)
{
	*recipe = (struct recipe){ 0 };
	while (strcmp(redact_level_name(recipe->redact), redact) != 0)
		recipe->redact++;
	recipe->compress_level = strtoull(level, NULL, 10);
	recipe->compress = recipe->compress_level > 0 ? COMPRESS_ZSTD : COMPRESS_NONE;
	return recipient != NULL ? text_list_add(&recipe->encrypt, recipient) : 0;
}

static int describe(struct manifest *manifest, const struct recipe *recipe, const char *kind)
{
	static int64_t last_wall_ms;
	int64_t now = clock_wall_ms();

	int r;

	/* One after the other, so that names and ages differ. */
	last_wall_ms = now > last_wall_ms ? now : last_wall_ms + 1;
	*manifest = (struct manifest){ .started_wall_ms = last_wall_ms, .heap_used_bytes = 1 };
	r = rand_hex(manifest->id, (CAPTURE_ID_MAX - 1) / 2);
	if (r < 0)
		return r;
	str_copy(manifest->kind, sizeof(manifest->kind), kind);
	str_copy(manifest->target, sizeof(manifest->target), "shop");
	str_copy(manifest->isolate, sizeof(manifest->isolate), "main");
	str_copy(manifest->redact, sizeof(manifest->redact), redact_level_name(recipe->redact));
	str_copy(manifest->compress, sizeof(manifest->compress),
		 compress_kind_name(recipe->compress));
	str_copy(manifest->encrypt, sizeof(manifest->encrypt),
		 recipe->encrypt.n > 0 ? "age" : "none");
	manifest_set_name(manifest, false);
	if (spool_name_is_taken(&spool, manifest))
		manifest_set_name(manifest, true);
	return 0;
}

static void run(struct capture_job *job, enum job_phase phase)
{
	job->phase = phase;
	job->pool_job.run(&job->pool_job);
}

/* As finish.c does it: publish, list. */
static void publish(struct capture_job *job)
{
	if (job->result == 0)
		run(job, JOB_PUBLISH);
	if (job->result != 0) {
		printf("failed %d %s\n", job->result, job->err.text);
		return;
	}
	printf("ready %s %s %s\n", job->entry->manifest.name, job->entry->manifest.sha256,
	       job->entry->manifest.scripts_sha256);
	fflush(stdout);
	spool_add(&spool, job->entry);
	job->entry = NULL;
}

static void take(struct capture_job *job)
{
	run(job, JOB_DOWNLOAD);
	publish(job);
}

static int job_new(struct capture_job **ret, const struct recipe *recipe, enum content content,
		   const char *kind)
{
	struct manifest manifest;
	int r = describe(&manifest, recipe, kind);

	if (r < 0)
		return r;
	return capture_job_new(ret, &spool, &writer_limits, recipe, content, &manifest);
}

static void capture_file(char *const words[], int n)
{
	struct capture_job *job = NULL;
	struct recipe recipe;
	int r, fd = open(words[1], O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		err(2, "%s", words[1]);
	r = recipe_of(&recipe, words[2], words[3], n > 4 ? words[4] : NULL);
	if (r == 0)
		r = job_new(&job, &recipe, CONTENT_V8_SNAPSHOT, "snapshot");
	if (r == 0) {
		capture_job_from_file(job, fd);
		take(job);
	} else {
		close(fd);
		trouble(r, "no job");
	}
	capture_job_free(job);
	recipe_fini(&recipe);
}

/* As job.c does it for what comes from a target. */
static int make_pair(struct capture_job *job, int fd)
{
	static char block[65536];
	struct manifest *manifest = &job->entry->manifest;
	struct job_file_sizes sizes;
	ssize_t n = 0;
	int r;

	r = job_file_open(&job->main, &spool, &writer_limits, job->recipe, job->content);
	if (r == 0)
		r = job_file_open(&job->scripts, &spool, &writer_limits, job->recipe, CONTENT_OWN);
	while (r == 0 && (n = read(fd, block, sizeof(block))) > 0) {
		job->bytes += (uint64_t)n;
		r = job_file_put(&job->main, block, (size_t)n);
	}
	if (r == 0)
		r = job_file_put(&job->scripts, block, SCRIPTS_BYTES);
	if (r == 0)
		r = job_file_finish(&job->main, manifest->sha256);
	if (r == 0)
		r = job_file_finish(&job->scripts, manifest->scripts_sha256);
	if (r < 0)
		return r;
	job_file_measure(&job->main, job->recipe, &sizes);
	manifest->size_bytes = job->bytes;
	manifest->redacted_bytes = sizes.redacted;
	manifest->compressed_bytes = sizes.compressed;
	manifest->file_bytes = sizes.file;
	manifest->scripts_bytes = job->scripts.writer.file.size;
	manifest->finished_wall_ms = manifest->started_wall_ms;
	return 0;
}

static void capture_pair(char *const words[], int n)
{
	struct capture_job *job = NULL;
	struct recipe recipe;
	int r, fd = open(words[1], O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		err(2, "%s", words[1]);
	r = recipe_of(&recipe, words[2], words[3], n > 4 ? words[4] : NULL);
	if (r == 0)
		r = job_new(&job, &recipe, CONTENT_V8_SNAPSHOT, "snapshot");
	if (r < 0) {
		trouble(r, "no job");
	} else {
		r = make_pair(job, fd);
		if (r < 0)
			printf("failed %d %s\n", r, strerror(-r));
		else
			publish(job);
	}
	close(fd);
	capture_job_free(job);
	recipe_fini(&recipe);
}

static void capture_text(char *const words[], int n)
{
	size_t size = strtoul(words[1], NULL, 10);
	char *text = malloc(size);
	struct capture_job *job = NULL;
	struct recipe recipe;
	int r = text == NULL ? -ENOMEM : 0;

	if (r == 0)
		r = recipe_of(&recipe, "none", words[2], n > 3 ? words[3] : NULL);
	if (r == 0)
		r = job_new(&job, &recipe, CONTENT_OWN, "diagnostics");
	if (r == 0) {
		memset(text, '.', size);
		capture_job_from_text(job, text, size);
		take(job);
	} else {
		free(text);
		trouble(r, "no job");
	}
	capture_job_free(job);
	recipe_fini(&recipe);
}

/* ---- the spool ---- */

static void open_spool(char *const words[], int n)
{
	int r = is_open ? 0 : spool_open(&spool, folder, &limits);

	(void)words;
	(void)n;
	is_open = r == 0;
	if (r != 0)
		trouble(r, "the spool cannot be opened");
	else
		printf("ok %llu\n", (unsigned long long)spool.files);
}

static void close_spool(char *const words[], int n)
{
	unsigned long long claimed = spool.claimed, bytes = spool.bytes;

	(void)words;
	(void)n;
	if (is_open)
		spool_close(&spool);
	is_open = false;
	if (claimed != bytes)
		printf("trouble 0 %llu bytes are claimed, %llu are listed\n", claimed, bytes);
	else if (descriptors() != descriptors_before)
		printf("trouble 0 %u descriptors, %u before\n", descriptors(), descriptors_before);
	else
		puts("ok");
}

static void calm(char *const words[], int n)
{
	(void)words;
	(void)n;
	fault_calm();
	puts("ok");
}

struct seen {
	char names[256][SPOOL_NAME_MAX];
	unsigned n;
};

static void see(struct seen *seen)
{
	seen->n = 0;
	list_each (link, &spool.ready) {
		const struct spool_entry *entry = container_of(link, struct spool_entry, link);

		if (seen->n < 256)
			strcpy(seen->names[seen->n++], entry->manifest.name);
	}
}

/* A kill may come in the midst of it: whom it will take is said before. */
static void tell_victims(uint64_t room_bytes)
{
	struct vacuum_result result;

	if (vacuum_choose(&spool, &limits, room_bytes, UINT64_MAX, clock_wall_ms(), &result) < 0)
		return;
	list_each (link, &spool.ready) {
		const struct spool_entry *entry = container_of(link, struct spool_entry, link);

		if (entry->fate != SPOOL_STAYS)
			printf("removing %s\n", entry->manifest.name);
	}
	fflush(stdout);
}

static void vacuum(char *const words[], int n)
{
	uint64_t room_bytes = strtoull(words[1], NULL, 10);
	static struct seen before;
	struct vacuum_result result;
	int r;

	(void)n;
	see(&before);
	tell_victims(room_bytes);
	r = vacuum_run(&spool, &limits, room_bytes, &result);
	for (unsigned i = 0; i < before.n; i++)
		if (spool_find_name(&spool, before.names[i]) == NULL)
			printf("removed %s\n", before.names[i]);
	if (r != 0)
		trouble(r, "vacuum");
	else
		puts("ok");
}

static void pin(char *const words[], int n)
{
	const struct spool_entry *entry = newest();
	int r;

	(void)n;
	if (entry == NULL) {
		trouble(-ENOENT, "none");
		return;
	}
	r = spool_pin(&spool, entry->manifest.id, words[0][0] == 'p');
	if (r != 0)
		trouble(r, "pin");
	else
		puts("ok");
}

static void remove_newest(char *const words[], int n)
{
	const struct spool_entry *entry = newest();
	char name[SPOOL_NAME_MAX];
	int r;

	(void)words;
	(void)n;
	if (entry == NULL) {
		trouble(-ENOENT, "none");
		return;
	}
	strcpy(name, entry->manifest.name);
	printf("removing %s\n", name);
	fflush(stdout);
	r = spool_remove(&spool, entry->manifest.id);
	if (r != 0)
		trouble(r, "remove");
	else
		printf("removed %s\n", name);
}

/* As analysis.c does it: the report, then the manifest that names it. */
static void report(char *const words[], int n)
{
	static const char text[] = "{\"nodes\":1,\"classes\":[]}\n";
	const struct spool_entry *entry = newest();
	struct manifest_analysis analysis = { .state = "done", .attempts = 1 };
	int r;

	(void)words;
	(void)n;
	if (entry == NULL) {
		trouble(-ENOENT, "none");
		return;
	}
	r = report_write(&spool, &entry->manifest, text, sizeof(text) - 1, &analysis);
	if (r == 0)
		r = report_note(&spool, entry->manifest.id, &analysis);
	if (r == 0) {
		printf("reported %s %s\n", entry->manifest.name, analysis.report_sha256);
		return;
	}
	report_take_back(&spool, &analysis);
	trouble(r, "report");
}

static int open_state(void)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/../state", folder);
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return -errno;
	state_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (state_fd < 0)
		return -errno;
	descriptors_before++;
	link_init(&captures.history);
	link_init(&captures.series);
	link_init(&captures.kept);
	return state_open(&captures, state_fd);
}

/* As begin.c and job.c do it before a target is asked. */
static void state(char *const words[], int n)
{
	char *text = NULL;
	uint64_t serial;
	size_t size;
	int r = state_fd < 0 ? open_state() : 0;

	(void)n;
	if (r == 0) {
		state_set_open(&captures, words[1], true);
		r = state_text(&captures, &text, &size, &serial);
	}
	if (r == 0)
		r = state_write(captures.state, text, size, serial);
	free(text);
	if (r != 0)
		trouble(r, "state");
	else
		printf("noted %s\n", words[1]);
}

static void verify(char *const words[], int n)
{
	struct err why = { 0 };
	int r = 0;

	(void)words;
	(void)n;
	list_each (link, &spool.ready) {
		const struct spool_entry *entry = container_of(link, struct spool_entry, link);

		if (r == 0)
			r = verify_capture(spool.ready_fd, &entry->manifest, &why);
	}
	if (r != 0)
		trouble(r, why.text);
	else
		puts("ok");
}

static const struct {
	const char *name;
	void (*run)(char *const words[], int n);
	bool always; /* also when the spool is not open */
	int words;
} commands[] = {
	{ "calm", calm, true, 1 },          { "open", open_spool, true, 1 },
	{ "close", close_spool, true, 1 },  { "file", capture_file, false, 4 },
	{ "pair", capture_pair, false, 4 }, { "text", capture_text, false, 3 },
	{ "vacuum", vacuum, false, 2 },     { "pin", pin, false, 1 },
	{ "unpin", pin, false, 1 },         { "remove", remove_newest, false, 1 },
	{ "report", report, false, 1 },     { "state", state, true, 2 },
	{ "verify", verify, false, 1 },
};

static void obey(char *const words[], int n)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(commands[i].name, words[0]) != 0)
			continue;
		if (n < commands[i].words)
			errx(2, "%s wants more", words[0]);
		if (is_open || commands[i].always)
			commands[i].run(words, n);
		else
			trouble(-EBADF, "the spool is not open");
		fflush(stdout);
		return;
	}
	errx(2, "what is %s?", words[0]);
}

int main(int argc, char **argv)
{
	char line[LINE_MAX_BYTES], *words[WORDS_MAX], *rest;

	if (argc != 5)
		errx(2, "usage: fault_driver FOLDER MAX_FILES MAX_USE_BYTES KEEP_FREE_BYTES");
	folder = argv[1];
	limits.max_files = strtoull(argv[2], NULL, 10);
	limits.max_use_bytes = strtoull(argv[3], NULL, 10);
	limits.keep_free_bytes = strtoull(argv[4], NULL, 10);
	writer_limits = (struct writer_limits){
		.file_max_bytes = (uint64_t)FILE_MAX_MIB << 20,
		.max_use_bytes = limits.max_use_bytes,
		.keep_free_bytes = limits.keep_free_bytes,
	};
	descriptors_before = descriptors();
	log_setup(LEVEL_WARN, LOG_LOGFMT);
	if (crypto_setup() < 0)
		errx(1, "libsodium");
	while (fgets(line, sizeof(line), stdin) != NULL) {
		int n = 0;

		for (char *word = strtok_r(line, " \n", &rest); word != NULL && n < WORDS_MAX;
		     word = strtok_r(NULL, " \n", &rest))
			words[n++] = word;
		if (n > 0)
			obey(words, n);
	}
	if (is_open)
		spool_close(&spool);
	state_close(&captures);
	return 0;
}
