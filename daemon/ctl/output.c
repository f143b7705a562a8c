/*
 * Where a command writes what it makes
 */

#include "ctl/output.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/options.h"
#include "ctl/source.h"
#include "util/err.h"
#include "util/file.h"
#include "util/str.h"

enum { PATH_BYTES_MAX = 4096 };

struct output {
	output_fn *fn;
	void *owner;
};

static int to_stdout(const struct output *output, struct err *err)
{
	if (isatty(STDOUT_FILENO))
		return source_fail(err, CTL_FAILURE, -EINVAL,
				   "refusing to write a capture to a terminal; use -o FILE");
	return output->fn(output->owner, STDOUT_FILENO, err);
}

/* A device or a pipe is written to, not replaced. */
static int to_special(const struct output *output, const char *path, struct err *err)
{
	int exit, fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return source_fail(err, CTL_FAILURE, -errno, "%s: %s", path, strerror(errno));
	exit = output->fn(output->owner, fd, err);
	if (close(fd) < 0 && exit == CTL_OK)
		return source_fail(err, CTL_FAILURE, -errno, "%s: %s", path, strerror(errno));
	return exit;
}

/* The descriptor of the folder a path names a file in, and the name there; -errno. */
static int open_folder(const char *path, const char **ret_name)
{
	char copy[PATH_BYTES_MAX];
	const char *slash = strrchr(path, '/');
	int fd;

	*ret_name = slash != NULL ? slash + 1 : path;
	if (**ret_name == '\0' || !str_copy(copy, sizeof(copy), path))
		return -EINVAL;
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int to_file(const struct output *output, const char *path, struct err *err)
{
	const char *name;
	struct file file;
	int r, exit, dir_fd = open_folder(path, &name);

	if (dir_fd < 0)
		return source_fail(err, CTL_FAILURE, dir_fd, "%s: %s", path, strerror(-dir_fd));
	r = file_begin(&file, dir_fd, UINT64_MAX);
	if (r != 0) {
		close(dir_fd);
		return source_fail(err, CTL_FAILURE, r, "%s: %s", path,
				   r > 0 ? "no space left" : strerror(-r));
	}
	exit = output->fn(output->owner, file.fd, err);
	if (exit != CTL_OK) {
		file_abort(&file);
	} else {
		r = file_commit(&file, dir_fd, name);
		if (r != 0 && r != FILE_E_UNSURE)
			exit = source_fail(err, CTL_FAILURE, r, "%s: %s", path,
					   r > 0 ? "no space left" : strerror(-r));
	}
	close(dir_fd);
	return exit;
}

int output_write(const struct ctl_options *options, const char *name, output_fn *fn, void *owner,
		 struct err *err)
{
	const struct output output = { fn, owner };
	const char *path = options->output;
	struct stat status;
	int exit;

	if (path != NULL && strcmp(path, "-") == 0)
		return to_stdout(&output, err);
	if (path == NULL) {
		if (lstat(name, &status) == 0)
			return source_fail(err, CTL_FAILURE, -EEXIST,
					   "%s exists; name another file with -o", name);
		path = name;
	} else if (stat(path, &status) == 0 && !S_ISREG(status.st_mode)) {
		return to_special(&output, path, err);
	}
	exit = to_file(&output, path, err);
	if (exit == CTL_OK && !options->quiet)
		fprintf(stderr, "heapwatchctl: wrote %s\n", path);
	return exit;
}

void output_name(char dst[OUTPUT_NAME_MAX], const char *path, const char *ending)
{
	/* Outermost first. */
	static const char *const endings[] = { ".age",  ".zst",          ".gz",
					       ".json", ".jsc",          ".fxsnapshot",
					       ".raw",  ".heapsnapshot", ".heapprofile",
					       ".pb",   ".heaptimeline" };
	const char *slash = strrchr(path, '/');

	str_copy(dst, OUTPUT_NAME_MAX - strlen(ending), slash != NULL ? slash + 1 : path);
	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		size_t length = strlen(dst), cut = strlen(endings[i]);

		if (length > cut && strcmp(dst + length - cut, endings[i]) == 0)
			dst[length - cut] = '\0';
	}
	strcat(dst, ending);
}
