/* How often the file of alerts is written, and that nothing is left out of it at the end. */

#include "watch/alert_file.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "json/write.h"
#include "util/clock.h"
#include "watch/alert.h"
#include "watch/target.h"

static struct loop loop;
static struct targets targets;
static struct alerts alerts;
static struct alert_file file;
static char dir[] = "/tmp/alert_file.XXXXXX";
static int dir_fd;
static unsigned saved, texts;

static void on_saved(void *owner)
{
	(void)owner;
	saved++;
}

/* Each text asks for it once. */
static void write_ended(void *owner, struct json_writer *w)
{
	(void)owner, (void)w;
	texts++;
}

static void set_up(void)
{
	const struct session_context context = { .loop = &loop };

	saved = texts = 0;
	cr_assert_not_null(mkdtemp(dir));
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_geq(dir_fd, 0);
	cr_assert_eq(loop_init(&loop), 0);
	cr_assert_eq(targets_init(&targets, &context), 0);
	cr_assert_eq(alerts_init(&alerts, &loop, &targets), 0);
	alerts.write_ended = write_ended;
	cr_assert_eq(alert_file_init(&file, &loop, &alerts, dir_fd), 0);
	file.on_saved = on_saved;
}

static void tear_down(void)
{
	alert_file_fini(&file);
	alerts_fini(&alerts);
	targets_fini(&targets);
	loop_fini(&loop);
	cr_expect(unlinkat(dir_fd, "alerts.json", 0) == 0 || texts == 0);
	cr_expect_eq(rmdir(dir), 0);
	close(dir_fd);
}

TestSuite(alert_file, .init = set_up, .fini = tear_down, .timeout = 20);

static void wait_saved(unsigned n)
{
	while (saved < n)
		loop_turn(&loop, 100);
}

Test(alert_file, what_only_shortens_it_is_written_once_in_a_while)
{
	uint64_t begun_ns = clock_mono_ns();

	while (saved == 0) {
		alert_file_touch_later(&file);
		cr_expect_not(alert_file_is_behind(&file) && texts == 0, "nobody waits for it");
		loop_turn(&loop, 1);
	}
	cr_expect_eq(texts, 1);
	cr_expect_geq(clock_mono_ns() - begun_ns, 900 * NS_PER_MS);
}

Test(alert_file, what_has_changed_does_not_wait_for_that)
{
	uint64_t begun_ns = clock_mono_ns();

	alert_file_touch_later(&file);
	alert_file_touch(&file);
	cr_expect(alert_file_is_behind(&file));
	wait_saved(1);
	cr_expect_lt(clock_mono_ns() - begun_ns, 900 * NS_PER_MS);
	cr_expect_eq(texts, 1, "both are in it");
	cr_expect_not(file.timer.armed, "so nothing is left to be written");
}

Test(alert_file, the_end_writes_what_is_left)
{
	struct stat st;

	alert_file_touch_later(&file);
	alert_file_fini(&file);
	cr_expect_eq(texts, 1);
	cr_expect_eq(fstatat(dir_fd, "alerts.json", &st, 0), 0);
}
