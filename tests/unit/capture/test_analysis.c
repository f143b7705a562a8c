/* Analyses with workers that are scripts: what each way of ending comes to, and the queue. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture/analysis.h"
#include "capture/job.h"
#include "capture/step.h"
#include "scene.h"
#include "spool/report.h"
#include "util/clock.h"
#include "util/str.h"

#define REPORT "{\"nodes\":3,\"classes\":[]}"

/* What the daemon's own group has left is the machine's: no test waits for it. */
static struct analysis_settings settings = {
	.enabled = true,
	.max_memory_bytes = 64 << 20,
	.deadline_ns = 20 * NS_PER_S,
	.top = 10,
};
static struct scene scene;
static struct analyses analyses;
static char program[FOLDER_PATH_MAX];
static unsigned made;

static void setup(void)
{
	scene_init(&scene);
	snprintf(program, sizeof(program), "%s/worker", scene.dir);
	analyses_init(&analyses, &scene.loop, &scene.captures, &settings, program);
}

static void teardown(void)
{
	captures_fini(&scene.captures);
	analyses_fini(&analyses);
	scene_fini(&scene);
}

TestSuite(analysis, .init = setup, .fini = teardown);

static void worker(const char *script)
{
	char text[512];

	snprintf(text, sizeof(text), "#!/bin/sh\n%s\n", script);
	folder_write(scene.dir, "worker", text, strlen(text));
	cr_assert_eq(chmod(program, 0700), 0);
}

static struct spool_entry *entry_of(const char *kind, const char *target)
{
	struct spool_entry *entry = calloc(1, sizeof(*entry));
	struct manifest *manifest = &entry->manifest;

	*manifest = (struct manifest){ .compress = "none",
				       .encrypt = "none",
				       .size_bytes = 3,
				       .file_bytes = 3,
				       .started_wall_ms = clock_wall_ms(),
				       .finished_wall_ms = clock_wall_ms() };
	snprintf(manifest->id, sizeof(manifest->id), "%032x", ++made);
	str_copy(manifest->kind, sizeof(manifest->kind), kind);
	str_copy(manifest->target, sizeof(manifest->target), target);
	memset(manifest->sha256, 'a', 64);
	return entry;
}

/* Of three bytes. */
static const struct manifest *publish(struct spool_entry *entry, const char *text)
{
	struct manifest *manifest = &entry->manifest;
	struct file file;

	manifest_set_name(manifest, true);
	manifest_drop_scripts(manifest);
	cr_assert_eq(file_begin(&file, scene.spool.incoming_fd, 100), 0);
	cr_assert_eq(file_write(&file, text, 3), 0);
	cr_assert(spool_claim(&scene.spool, 3, 0));
	cr_assert_eq(spool_publish(&scene.spool, &file, NULL, manifest), 0);
	spool_add(&scene.spool, entry);
	return manifest;
}

/* The series of the second of a tracking; else NULL. */
static const struct manifest *put_of(const char *series)
{
	struct spool_entry *entry = entry_of(series != NULL ? "tracking" : "snapshot", "app");

	if (series != NULL) {
		str_copy(entry->manifest.series, sizeof(entry->manifest.series), series);
		entry->manifest.series_index = entry->manifest.series_count = 2;
	}
	return publish(entry, "abc");
}

static const struct manifest *put(void)
{
	return put_of(NULL);
}

static void overwrite(const struct manifest *manifest, const char *text)
{
	char name[SPOOL_NAME_MAX + 16];

	snprintf(name, sizeof(name), "ready/%s", manifest->name);
	folder_write(scene.dir, name, text, strlen(text));
}

static void settle(void)
{
	uint64_t deadline_ns = clock_mono_ns() + 20 * NS_PER_S;

	while (clock_mono_ns() < deadline_ns) {
		loop_turn(&scene.loop, 10);
		if (analyses.job == NULL && analyses.queue_n == 0)
			return;
	}
	cr_assert_fail("it does not end");
}

static const char *reason_of(const char *script)
{
	const struct manifest *manifest = put();

	worker(script);
	analyses_add(&analyses, manifest);
	settle();
	return spool_find(&scene.spool, manifest->id)->manifest.analysis.reason;
}

static void expect(uint64_t done, uint64_t failed, uint64_t skipped)
{
	cr_expect_eq(analyses.results[ANALYSIS_DONE], done);
	cr_expect_eq(analyses.results[ANALYSIS_FAILED], failed);
	cr_expect_eq(analyses.results[ANALYSIS_SKIPPED], skipped);
}

Test(analysis, a_report_is_kept_as_it_came)
{
	const struct manifest *manifest = put();
	char name[SPOOL_NAME_MAX + 16], *text;
	size_t size;

	worker("[ \"$(cat)\" = abc ] && printf '" REPORT "'");
	analyses_add(&analyses, manifest);
	settle();
	expect(1, 0, 0);
	cr_expect_str_eq(manifest->analysis.state, "done");
	snprintf(name, sizeof(name), "ready/%s", manifest->analysis.report_name);
	text = folder_read(scene.dir, name, &size);
	cr_assert_not_null(text);
	cr_expect_eq(size, strlen(REPORT));
	cr_expect_eq(memcmp(text, REPORT, size), 0);
	free(text);
	cr_expect_eq(analyses.duration.counts[0] + analyses.duration.counts[1] +
				     analyses.duration.counts[2] + analyses.duration.counts[3] >
			     0,
		     true);
}

/* As a capture of which a thread finishes the file. */
static struct capture *add_running(void)
{
	const struct writer_limits limits = { .file_max_bytes = 100 };
	struct capture *capture;

	cr_assert_eq(capture_new(&capture), 0);
	cr_assert_eq(capture_job_new(&capture->job, &scene.spool, &limits, &capture->recipe,
				     CONTENT_OWN, &capture->manifest),
		     0);
	step_enter(&scene.captures, capture, CAPTURE_RUNNING);
	return capture;
}

/* A disk takes its time over the first, without which there is nothing to compare with. */
Test(analysis, the_second_of_a_tracking_waits_for_the_first)
{
	struct capture *first = add_running();
	const struct manifest *second = put_of(first->id), *other = put();
	uint64_t deadline_ns = clock_mono_ns() + 20 * NS_PER_S;

	worker("[ \"$(cat)\" = abc ] && printf '" REPORT "'");
	analyses_add(&analyses, second);
	analyses_add(&analyses, other);
	while (analyses.results[ANALYSIS_DONE] == 0 && clock_mono_ns() < deadline_ns)
		loop_turn(&scene.loop, 10);
	cr_expect_str_eq(other->analysis.state, "done");
	cr_expect_eq(analyses.queue_n, 1);
	cr_expect_null(analyses.job);

	step_fail(&scene.captures, first, "space", "no room");
	analyses_captured(&analyses, first);
	settle();
	cr_expect_str_eq(second->analysis.state, "done");
	expect(2, 0, 0);
}

Test(analysis, what_is_no_report_is_not_kept)
{
	cr_expect_str_eq(reason_of("exit 0"), "the worker wrote no report");
	cr_expect_str_eq(reason_of("echo '{\"nodes\":3'"), "the worker wrote no report");
	cr_expect_str_eq(reason_of("echo '[1]'"), "the worker wrote no report");
	cr_expect_str_eq(reason_of("echo '{\"nodes\":3}'"), "the worker wrote no report");
	expect(0, 4, 0);
}

Test(analysis, too_long_a_report_ends_the_worker)
{
	cr_expect_str_eq(reason_of("exec /usr/bin/head -c 9999999 /dev/zero"),
			 "the worker wrote more than 1048576 bytes");
}

Test(analysis, what_the_worker_says_is_one_plain_line)
{
	cr_expect_str_eq(reason_of("printf 'no \\033[31mnode\\t3\\nmore'; exit 1"),
			 "no ?[31mnode?3");
	cr_expect_str_eq(reason_of("exit 1"), "the worker did not say why");
	cr_expect_str_eq(reason_of("echo 9 GiB; exit 3"), "9 GiB");
	expect(0, 2, 1);
}

Test(analysis, other_ends)
{
	cr_expect_str_eq(reason_of("exit 2"), "the worker ended with status 2");
	cr_expect_str_eq(reason_of("kill -SEGV $$"), "the worker crashed (signal 11)");
	cr_expect(strstr(reason_of("kill -SYS $$"), "(SIGSYS)") != NULL);
	cr_expect(strstr(reason_of("kill -KILL $$"), "killed from outside") != NULL);
	cr_expect(strstr(reason_of("kill -XCPU $$"), "deadline of 20s") != NULL);
}

Test(analysis, a_worker_that_is_not_there)
{
	const struct manifest *manifest = put();

	analyses_add(&analyses, manifest);
	settle();
	cr_expect_str_eq(manifest->analysis.state, "failed");
	cr_expect(strstr(manifest->analysis.reason, "cannot be started: No such file") != NULL);
}

Test(analysis, a_hanging_worker_is_killed)
{
	settings.deadline_ns = 100 * NS_PER_MS;
	cr_expect_str_eq(reason_of("while :; do :; done"),
			 "it took longer than the deadline of 100ms");
}

Test(analysis, a_file_that_was_changed_is_not_opened)
{
	const struct manifest *manifest = put();

	overwrite(manifest, "abcd");
	worker("printf '" REPORT "'");
	analyses_add(&analyses, manifest);
	settle();
	cr_expect_str_eq(manifest->analysis.reason, "the file is not as its manifest says");
}

Test(analysis, of_a_capture_that_is_deleted_meanwhile_nothing_stays)
{
	const struct manifest *manifest = put();

	worker("printf '" REPORT "'; cat >/dev/null; sleep 0.2");
	analyses_add(&analyses, manifest);
	loop_turn(&scene.loop, 0);
	cr_assert_not_null(analyses.job);
	cr_assert_eq(spool_remove(&scene.spool, manifest->id), 0);
	settle();
	expect(0, 0, 0);
	cr_expect_eq(folder_count(scene.dir, "ready"), 0);
	cr_expect_eq(scene.spool.bytes, 0);
}

Test(analysis, one_at_a_time_in_order)
{
	const struct manifest *one = put(), *two = put();
	const char *why;

	worker("printf '" REPORT "'");
	analyses_add(&analyses, one);
	analyses_add(&analyses, two);
	analyses_add(&analyses, two);
	cr_expect_eq(analyses.queue_n, 2);
	loop_turn(&scene.loop, 0);
	cr_expect_str_eq(analyses_state(&analyses, one, &why), "running");
	cr_expect_str_eq(one->analysis.state, "running");
	cr_expect_str_eq(analyses_state(&analyses, two, &why), "queued");
	settle();
	expect(2, 0, 0);
}

Test(analysis, more_than_the_queue_holds_is_skipped)
{
	const struct manifest *last = NULL;

	worker("printf '" REPORT "'");
	for (int i = 0; i <= ANALYSIS_QUEUE_MAX; i++) {
		last = put();
		analyses_add(&analyses, last);
	}
	cr_expect_str_eq(last->analysis.reason, "the queue is full");
	expect(0, 0, 1);
}

Test(analysis, only_snapshots_and_only_when_on)
{
	struct manifest other = *put();
	const char *why;

	str_copy(other.kind, sizeof(other.kind), "diagnostics");
	analyses_add(&analyses, &other);
	cr_expect_eq(analyses.queue_n, 0);
	cr_expect_str_eq(analyses_state(&analyses, &other, &why), "none");
	settings.enabled = false;
	analyses_add(&analyses, put());
	analyses_resume(&analyses);
	cr_expect_eq(analyses.queue_n, 0);
}

Test(analysis, what_waited_while_it_was_off_goes_on)
{
	static struct analysis_settings off;
	const struct manifest *manifest = put();

	worker("printf '" REPORT "'");
	off = settings;
	off.enabled = false;
	analyses_add(&analyses, manifest);
	analyses_set(&analyses, &off);
	loop_turn(&scene.loop, 10);
	cr_expect_null(analyses.job);
	analyses_set(&analyses, &settings);
	settle();
	cr_expect_str_eq(manifest->analysis.state, "done");
}

Test(analysis, what_was_left_is_taken_up_once_more)
{
	struct manifest_analysis begun = { .state = "running", .attempts = 1 };
	struct manifest_analysis again = { .state = "running", .attempts = 2 };
	struct manifest_analysis over = { .state = "failed", .reason = "x" };
	const struct manifest *new = put(), *once = put(), *twice = put(), *failed = put(),
			      *old = put();

	((struct manifest *)(uintptr_t)old)->finished_wall_ms -= 25 * 3600 * 1000;
	cr_assert_eq(report_note(&scene.spool, once->id, &begun), 0);
	cr_assert_eq(report_note(&scene.spool, twice->id, &again), 0);
	cr_assert_eq(report_note(&scene.spool, failed->id, &over), 0);
	worker("printf '" REPORT "'");
	analyses_set(&analyses, &settings);
	cr_expect_eq(analyses.queue_n, 3);
	settle();
	cr_expect_str_eq(new->analysis.state, "done");
	cr_expect_str_eq(once->analysis.state, "done");
	cr_expect_eq(once->analysis.attempts, 2);
	cr_expect_str_eq(twice->analysis.state, "failed");
	cr_expect_str_eq(failed->analysis.reason, "x");
	cr_expect_str_eq(old->analysis.state, "");
}

Test(analysis, a_stop_gives_it_up_as_if_it_had_not_begun)
{
	const struct manifest *manifest = put();

	worker("while :; do :; done");
	analyses_add(&analyses, manifest);
	loop_turn(&scene.loop, 0);
	cr_assert_not_null(analyses.job);
	captures_fini(&scene.captures);
	analyses_fini(&analyses);
	cr_expect_str_eq(manifest->analysis.state, "");
	cr_expect_eq(manifest->analysis.attempts, 0);
}

/* ---- verdicts ---- */

static struct manifest *put_of_series(int64_t index, int64_t count)
{
	struct manifest *manifest = (struct manifest *)(uintptr_t)put();

	str_copy(manifest->series, sizeof(manifest->series), "00000000000000000000000000000abc");
	manifest->series_index = index;
	manifest->series_count = count;
	return manifest;
}

#define LEAK                                                                                       \
	"{\"verdict\":\"leak\",\"text\":\"+7 Session\\u001b[31m\",\"objects\":7,\"bytes\":99,"     \
	"\"path\":\"app > \\u001bcache\",\"more\":\"+3 Ticket (1 MiB)\",\"place\":\"a.js:12\","    \
	"\"class_name\":\"Session\",\"suspects\":[{\"holder_name\":\"Map\",\"held_as\":\"cache\"}" \
	"]}"

static unsigned told;

static void on_verdict(void *owner, const struct manifest *manifest)
{
	cr_expect_eq(owner, &told);
	cr_expect_str_eq(manifest->series, "00000000000000000000000000000abc");
	told++;
}

static const struct manifest_verdict *verdict_of(const struct manifest *manifest,
						 const char *script)
{
	told = 0;
	analyses.on_verdict = on_verdict;
	analyses.owner = &told;
	worker(script);
	analyses_add(&analyses, manifest);
	settle();
	return &manifest->analysis.verdict;
}

Test(analysis, the_last_of_a_series_has_a_verdict)
{
	const struct manifest_verdict *verdict;
	const struct manifest *last;

	put_of_series(1, 3);
	put_of_series(2, 3);
	last = put_of_series(3, 3);
	verdict = verdict_of(last, "printf '{\"nodes\":3,\"classes\":[],\"leaks\":%s}' '" LEAK "'");
	cr_expect_eq(told, 1);
	cr_expect_str_eq(verdict->state, "leak");
	cr_expect_str_eq(verdict->text, "+7 Session?[31m");
	cr_expect_eq(verdict->objects, 7);
	cr_expect_eq(verdict->bytes, 99);
	cr_expect_str_eq(verdict->class, "Session");
	cr_expect_str_eq(verdict->holder, "Map");
	cr_expect_str_eq(verdict->held_as, "cache");
	cr_expect_str_eq(verdict->path, "app > ?cache");
	cr_expect_str_eq(verdict->more, "+3 Ticket (1 MiB)");
	cr_expect_str_eq(verdict->place, "a.js:12");
}

Test(analysis, the_worker_gets_the_earlier_ones)
{
	const struct manifest *last;

	put_of_series(1, 3);
	put_of_series(2, 3);
	last = put_of_series(3, 3);
	verdict_of(last, "printf '%s' \"$*\" | sed 's/.*--top=10 //'; cat <&3; cat <&4; exit 1");
	cr_expect_str_eq(last->analysis.reason, "--earlier=2abcabc");
	cr_expect_str_eq(last->analysis.verdict.text, "no verdict: --earlier=2abcabc");
	cr_expect_eq(told, 1);
}

/* So that it can tell which of them is damaged. */
Test(analysis, the_worker_is_told_the_names_of_the_earlier_ones)
{
	const struct manifest *one = put_of_series(1, 3), *two = put_of_series(2, 3);
	const struct manifest *last = put_of_series(3, 3);
	char wanted[4 * SPOOL_NAME_MAX];

	verdict_of(last,
		   "printf '%s' \"$*\" | sed 's/^--kind=snapshot //; s/ --memory.*//'; exit 1");
	snprintf(wanted, sizeof(wanted), "--name=%s --earlier-name=%s --earlier-name=%s",
		 last->name, one->name, two->name);
	cr_expect_str_eq(last->analysis.reason, wanted);
}

/* The worker tells where it ends. */
Test(analysis, one_that_was_cut_short_is_read)
{
	const struct manifest *one = put_of_series(1, 2), *last = put_of_series(2, 2);

	overwrite(one, "a");
	verdict_of(last, "cat; cat <&3; exit 1");
	cr_expect_str_eq(last->analysis.reason, "abca");
	last = put_of_series(2, 2);
	overwrite(last, "");
	verdict_of(last, "printf 'empty'; cat; exit 1");
	cr_expect_str_eq(last->analysis.reason, "empty");
}

Test(analysis, an_earlier_one_that_is_another_file_is_named)
{
	const struct manifest *last, *two;
	char wanted[2 * SPOOL_NAME_MAX];

	put_of_series(1, 3);
	two = put_of_series(2, 3);
	last = put_of_series(3, 3);
	overwrite(two, "abcd");
	verdict_of(last, "printf '%s' \"$*\" | sed 's/.*--top=10 //'; exit 1");
	snprintf(wanted, sizeof(wanted), "--no-verdict=%s: the file is not as its manifest says",
		 two->name);
	cr_expect_str_eq(last->analysis.reason, wanted);
}

Test(analysis, what_is_missing_for_a_verdict_is_told)
{
	const struct manifest *last = put_of_series(3, 3);

	verdict_of(last, "printf '%s' \"$*\" | sed 's/.*--top=10 //'; exit 1");
	cr_expect_str_eq(last->analysis.reason,
			 "--no-verdict=the earlier snapshots of the series are not in the spool");
}

Test(analysis, snapshots_of_other_processes_are_not_compared)
{
	const struct manifest *last;

	put_of_series(1, 2)->pid = 11;
	last = put_of_series(2, 2);
	((struct manifest *)(uintptr_t)last)->pid = 12;
	verdict_of(last, "printf '%s' \"$*\" | sed 's/.*--no-verdict=//'; exit 1");
	cr_expect_str_eq(last->analysis.reason,
			 "the snapshots of the series are of different processes");
}

static const char *told_of_process(const char *runtime)
{
	struct manifest *one = put_of_series(1, 2);
	struct manifest *last = (struct manifest *)(uintptr_t)put_of_series(2, 2);

	one->pid = last->pid = 11;
	str_copy(last->runtime, sizeof(last->runtime), runtime);
	verdict_of(last, "printf '%s' \"$*\" | sed 's/.*--earlier=[0-9] *//'; exit 1");
	return last->analysis.reason;
}

/* The pid is a browser's, which lives on when a page gets another process. */
Test(analysis, of_pages_nobody_knows_whether_it_is_one_process)
{
	static const char *const browsers[] = { "chromium", "webkit", "safari", "firefox" };

	cr_expect_str_eq(told_of_process("node"), "--same-process");
	for (size_t i = 0; i < sizeof(browsers) / sizeof(browsers[0]); i++)
		cr_expect_str_neq(told_of_process(browsers[i]), "--same-process");
}

Test(analysis, a_worker_that_gives_no_verdict)
{
	put_of_series(1, 2);
	cr_expect_str_eq(verdict_of(put_of_series(2, 2), "printf '" REPORT "'")->text,
			 "no verdict: the worker gave none");
	cr_expect_str_eq(verdict_of(put_of_series(1, 2), "printf '" REPORT "'")->state, "");
	cr_expect_eq(told, 0);
}

/* ---- profiles that follow one another ---- */

/* The file says which it is. */
static const struct manifest *put_profile(const char *target, unsigned n)
{
	struct spool_entry *entry = entry_of("sampling", target);
	char text[8];

	str_copy(entry->manifest.format, sizeof(entry->manifest.format), "heapprofile");
	entry->manifest.continuous = 1;
	snprintf(text, sizeof(text), "%02u ", n);
	return publish(entry, text);
}

#define TELL                                                                                       \
	"for a; do case $a in --earlier=*) printf '%s: ' $a;; esac; done; cat; "                   \
	"for fd in 3 4 5 6 7 8 9 10 11 12 13; do cat /dev/fd/$fd; done; exit 1"

/* Not those of others, nor what came later. */
Test(analysis, of_profiles_the_last_twelve_are_told_together)
{
	const struct manifest *last, *later;

	for (unsigned n = 1; n <= 14; n++) {
		put_profile("app", n);
		put_profile("other", 99);
	}
	last = put_profile("app", 15);
	later = put_profile("app", 16);
	((struct manifest *)(uintptr_t)later)->finished_wall_ms += 1000;
	worker(TELL);
	analyses_add(&analyses, last);
	settle();
	cr_expect_str_eq(last->analysis.reason,
			 "--earlier=11: 15 14 13 12 11 10 09 08 07 06 05 04 ");
}

/* An older one takes its place. */
Test(analysis, a_profile_that_was_changed_is_passed_over)
{
	const struct manifest *changed = NULL, *last;
	char name[SPOOL_NAME_MAX + 16];

	for (unsigned n = 1; n <= 14; n++) {
		const struct manifest *manifest = put_profile("app", n);

		if (n == 12)
			changed = manifest;
	}
	last = put_profile("app", 15);
	snprintf(name, sizeof(name), "ready/%s", changed->name);
	folder_write(scene.dir, name, "12 too long", 11);
	worker(TELL);
	analyses_add(&analyses, last);
	settle();
	cr_expect_str_eq(last->analysis.reason,
			 "--earlier=11: 15 14 13 11 10 09 08 07 06 05 04 03 ");
}
