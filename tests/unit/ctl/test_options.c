#include "ctl/options.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/command.h"
#include "util/clock.h"

/* The command line: flags anywhere, values judged, exits as the manual says. */

enum { ARGS_MAX = 16 };

static struct ctl_options options;

static void setup(void)
{
	unsetenv("HEAPWATCH_HOST");
	setenv("TZ", "UTC", 1);
	cr_redirect_stdout();
	cr_redirect_stderr();
}

TestSuite(options, .init = setup);

/* Words separated by blanks. */
static int split(const char *line, char *text, size_t size, char **argv)
{
	int argc = 0;

	snprintf(text, size, "heapwatchctl %s", line);
	for (char *word = strtok(text, " "); word != NULL; word = strtok(NULL, " "))
		argv[argc++] = word;
	argv[argc] = NULL;
	return argc;
}

static char text[512];
static char *argv_[ARGS_MAX + 1];

static int parse(const char *line)
{
	return ctl_options_parse(&options, split(line, text, sizeof(text), argv_), argv_);
}

static int run(const char *line)
{
	return ctl_run(split(line, text, sizeof(text), argv_), argv_, "1", "r");
}

Test(options, defaults)
{
	cr_assert_eq(parse(""), CTL_OK);
	cr_expect_str_eq(options.command, "list");
	cr_expect_str_eq(options.host, "http://127.0.0.1:19229");
	cr_expect_eq(options.args_n, 0);
	cr_expect(options.pager && options.legend && !options.quiet && !options.reverse);
	cr_expect_eq(options.json, JSON_OFF);
}

Test(options, host_of_the_environment)
{
	setenv("HEAPWATCH_HOST", "unix:/run/x.sock", 1);
	cr_assert_eq(parse("list"), CTL_OK);
	cr_expect_str_eq(options.host, "unix:/run/x.sock");
	cr_assert_eq(parse("-H http://[::1]:5 list"), CTL_OK);
	cr_expect_str_eq(options.host, "http://[::1]:5", "a flag is stronger");
}

Test(options, flags_anywhere)
{
	cr_assert_eq(parse("-q export 3fa9 -o out --identity a -i b --raw --json=pretty"), CTL_OK);
	cr_expect_str_eq(options.command, "export");
	cr_assert_eq(options.args_n, 1);
	cr_expect_str_eq(options.args[0], "3fa9");
	cr_expect_str_eq(options.output, "out");
	cr_assert_eq(options.identities_n, 2);
	cr_expect_str_eq(options.identities[1], "b");
	cr_expect(options.quiet && options.raw);
	cr_expect_eq(options.json, JSON_PRETTY);
}

Test(options, counts_and_times)
{
	clock_simulate(0, 1795600800000);
	cr_assert_eq(parse("list -1 -r -S -1h --until=yesterday -F rule -D /spool"), CTL_OK);
	cr_expect_eq(options.count, 1);
	cr_expect(options.reverse);
	cr_expect_eq(options.since_ms, 1795597200000);
	cr_expect_eq(options.until_ms, 1795478400000);
	cr_expect_str_eq(options.field, "rule");
	cr_expect_str_eq(options.directory, "/spool");
	cr_assert_eq(parse("-n 25"), CTL_OK);
	cr_expect_eq(options.count, 25);
	clock_real();
}

Test(options, vacuum)
{
	cr_assert_eq(parse("vacuum --max-use=1GiB --keep-free 2GB --max-files=0 --max-age=14d"),
		     CTL_OK);
	cr_expect_eq(options.vacuum.max_use_bytes, 1 << 30);
	cr_expect_eq(options.vacuum.keep_free_bytes, 2000000000);
	cr_expect(options.vacuum.has_max_files);
	cr_expect_eq(options.vacuum.max_age_ns, 14 * 86400 * NS_PER_S);
	cr_assert_eq(parse("vacuum"), CTL_OK);
	cr_expect_not(options.vacuum.has_max_use || options.vacuum.has_keep_free ||
		      options.vacuum.has_max_age || options.vacuum.has_max_files);
}

Test(options, mistakes_are_usage)
{
	static const char *const lines[] = {
		"--json=xml",
		"-n 0",
		"-n many",
		"-S soon",
		"--until=2026-02-30",
		"--no-such-flag",
		"--max-use=lots",
		"--max-age=x",
		"--max-files=-1",
		"-o",
		"--raw=1",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		cr_expect_eq(parse(lines[i]), CTL_USAGE, "%s", lines[i]);
}

Test(options, exits)
{
	cr_expect_eq(run("--help"), CTL_OK);
	cr_expect_eq(run("--version"), CTL_OK);
	cr_expect_eq(run("lists"), CTL_USAGE);
	cr_expect_eq(run("export"), CTL_USAGE);
	cr_expect_eq(run("export a b"), CTL_USAGE);
	cr_expect_eq(run("rm"), CTL_USAGE);
	cr_expect_eq(run("vacuum now"), CTL_USAGE);
	cr_expect_eq(run("-H unix:relative"), CTL_USAGE);
	cr_expect_eq(run("-H ftp://127.0.0.1"), CTL_USAGE);
	cr_expect_eq(run("-H unix:/no/such.sock"), CTL_UNREACHABLE);
	cr_expect_eq(run("-D /no/such/spool"), CTL_FAILURE);
}
