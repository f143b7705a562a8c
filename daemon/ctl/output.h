#pragma once

/*
 * Where a command writes what it makes: a file of the user's, or stdout. A file appears under its
 * name only when all of it was right; on stdout it is too late for that, and the exit tells.
 */

struct ctl_options;
struct err;

/* Writes it all. An enum ctl_exit; err is set when it is not CTL_OK. */
typedef int output_fn(void *owner, int fd, struct err *err);

/*
 * To the file of --output, or of this name in the working directory, where nothing is overwritten.
 * An enum ctl_exit.
 */
int output_write(const struct ctl_options *options, const char *name, output_fn *fn, void *owner,
		 struct err *err);

enum { OUTPUT_NAME_MAX = 256 };

/*
 * What is made of a file is called as it is, with this ending, without what its name says of
 * stages, formats and engines: "app.jsc.json.zst" is "app.heapsnapshot".
 */
void output_name(char dst[OUTPUT_NAME_MAX], const char *path, const char *ending);
