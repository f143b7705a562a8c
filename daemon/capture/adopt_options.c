/*
 * Options of adoption.
 */

#include <errno.h>
#include <stddef.h>

#include "capture/settings.h"
#include "util/clock.h"
#include "util/err.h"

#define AT(member) offsetof(struct adopt_settings, member)

static int check_directory(const void *value, struct err *err)
{
	const char *path = *(char *const *)value;

	if (path == NULL || path[0] != '/')
		return err_set(err, -EINVAL, "the path of a directory must be absolute");
	return 0;
}

const struct option_desc adopt_options[] = {
	{ .name = "directory",
	  .type = OPTION_TEXT,
	  .flags = OPTION_REQUIRED,
	  .offset = AT(directory),
	  .check = check_directory,
	  .help = "Where runtimes write, as their --diagnostic-dir says; absolute. Symbolic links "
		  "and files with a second name are left alone; in a directory that everybody may "
		  "write to, so are files of strangers." },
	{ .name = "target",
	  .type = OPTION_TEXT,
	  .offset = AT(target),
	  .help = "Whose files they are; otherwise the target whose process has the pid in the "
		  "file's name, or \"unknown\"." },
	{ .name = "keep",
	  .type = OPTION_BOOL,
	  .offset = AT(keep),
	  .def = "false",
	  .help = "Leave the original where it is, in clear. It is not taken again, also when its "
		  "copy has been vacuumed, until it changes." },
	{ .name = "settle",
	  .type = OPTION_TIME,
	  .offset = AT(settle_ns),
	  .max = 24ull * 3600 * NS_PER_S,
	  .def = "1m",
	  .help = "A file that was there before the daemon is taken when nobody has written to it "
		  "for so long; others when their writer closes them." },
	{ 0 },
};
