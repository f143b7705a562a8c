/*
 * export: a capture as the tools of the world read it
 *
 *   spool -> sum -> unseal -> expand -> file or stdout
 *
 * The sum is that of what was read, so it shows damage before decryption or decompression would. A
 * file appears under its name only when all of it was right; on stdout it is too late for that, and
 * the exit tells.
 */

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/choose.h"
#include "ctl/command.h"
#include "ctl/tap.h"
#include "ctl/unseal.h"
#include "pipeline/zstd.h"
#include "util/err.h"
#include "util/file.h"
#include "util/str.h"

enum { PATH_BYTES_MAX = 4096 };

/* What is read back, and what it passes. */
struct reading {
	struct tap tap;
	struct identities identities;
	struct stage *unseal, *expand; /* owned, or NULL */
	struct outlet outlet;
};

static void reading_fini(struct reading *reading)
{
	tap_fini(&reading->tap);
	if (reading->unseal != NULL)
		reading->unseal->ops->free(reading->unseal);
	if (reading->expand != NULL)
		reading->expand->ops->free(reading->expand);
	identities_fini(&reading->identities);
}

static bool is(const char *stage, const char *name)
{
	return strcmp(stage, name) == 0;
}

static int add_unseal(struct reading *reading, const struct ctl_options *options,
		      struct stage *next, struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < options->identities_n && r == 0; i++)
		r = identities_read(&reading->identities, options->identities[i], err);
	return r == 0 ? unseal_new(&reading->unseal, &reading->identities, next, err) : r;
}

/* From the end to the beginning: each is made with the one after it. */
static int reading_init(struct reading *reading, const struct manifest *manifest,
			const struct ctl_options *options, int fd, struct err *err)
{
	struct stage *next = &reading->outlet.stage;
	int r = 0;

	*reading = (struct reading){ .unseal = NULL };
	outlet_init(&reading->outlet, fd);
	if (!options->raw && is(manifest->compress, "zstd")) {
		r = zstd_expand_new(&reading->expand, next);
		next = reading->expand;
	}
	if (r == 0 && !options->raw && is(manifest->encrypt, "age")) {
		r = add_unseal(reading, options, next, err);
		next = reading->unseal;
	}
	if (r == 0)
		r = tap_init(&reading->tap, next);
	if (r == -ENOMEM)
		err_set(err, r, "out of memory");
	return r == 0 ? CTL_OK : CTL_FAILURE;
}

static int check_sum(struct reading *reading, const struct manifest *manifest, enum part part,
		     struct err *err)
{
	const char *wanted = part == PART_SCRIPTS ? manifest->scripts_sha256 : manifest->sha256;
	char sum[DIGEST_HEX_MAX];

	if (tap_sum(&reading->tap, sum) < 0)
		return source_fail(err, CTL_FAILURE, -EIO, "no sum could be made");
	if (strcmp(sum, wanted) != 0)
		return source_fail(err, CTL_FAILURE, -EBADMSG,
				   "%s is damaged: its SHA-256 is %s, its manifest says %s",
				   manifest->name, sum, wanted);
	return CTL_OK;
}

/* Read all into fd. What damage made of the stages is of less interest than the damage. */
static int read_into(struct source *source, const struct manifest *manifest,
		     const struct ctl_options *options, int fd, struct err *err)
{
	enum part part = options->scripts ? PART_SCRIPTS : PART_CAPTURE;
	struct reading reading;
	int r, exit = reading_init(&reading, manifest, options, fd, err);

	if (exit == CTL_OK)
		exit = source->ops->fetch(source, manifest, part, &reading.tap.stage, err);
	if (exit == CTL_OK)
		exit = check_sum(&reading, manifest, part, err);
	if (exit == CTL_OK) {
		r = stage_finish(&reading.tap.stage);
		if (r != 0)
			exit = source_fail(err, CTL_FAILURE, r, "%s: %s", manifest->name,
					   chain_error(&reading.tap.stage));
	}
	reading_fini(&reading);
	return exit;
}

/* ---- where it goes ---- */

static int to_stdout(struct source *source, const struct manifest *manifest,
		     const struct ctl_options *options, struct err *err)
{
	if (isatty(STDOUT_FILENO))
		return source_fail(err, CTL_FAILURE, -EINVAL,
				   "refusing to write a capture to a terminal; use -o FILE");
	return read_into(source, manifest, options, STDOUT_FILENO, err);
}

/* A device or a pipe is written to, not replaced. */
static int to_special(struct source *source, const struct manifest *manifest,
		      const struct ctl_options *options, const char *path, struct err *err)
{
	int exit, fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return source_fail(err, CTL_FAILURE, -errno, "%s: %s", path, strerror(errno));
	exit = read_into(source, manifest, options, fd, err);
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

static int to_file(struct source *source, const struct manifest *manifest,
		   const struct ctl_options *options, const char *path, struct err *err)
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
	exit = read_into(source, manifest, options, file.fd, err);
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

static int to_path(struct source *source, const struct manifest *manifest,
		   const struct ctl_options *options, struct err *err)
{
	const char *name = options->scripts ? manifest->scripts_name : manifest->name;
	char own[SPOOL_NAME_MAX];
	const char *path = options->output;
	struct stat status;
	int exit;

	if (path == NULL) {
		if (options->raw)
			str_copy(own, sizeof(own), name);
		else
			select_plain_name(own, sizeof(own), name);
		if (lstat(own, &status) == 0)
			return source_fail(err, CTL_FAILURE, -EEXIST,
					   "%s exists; name another file with -o", own);
		path = own;
	} else if (stat(path, &status) == 0 && !S_ISREG(status.st_mode)) {
		return to_special(source, manifest, options, path, err);
	}
	exit = to_file(source, manifest, options, path, err);
	if (exit == CTL_OK && !options->quiet)
		fprintf(stderr, "heapwatchctl: wrote %s\n", path);
	return exit;
}

static int check_wish(const struct manifest *manifest, const struct ctl_options *options,
		      struct err *err)
{
	if (options->scripts && manifest->scripts_name[0] == '\0')
		return source_fail(err, CTL_FAILURE, -ESRCH,
				   "no list of scripts was kept beside this capture");
	if (!options->raw && is(manifest->encrypt, "age") && options->identities_n == 0)
		return source_fail(err, CTL_FAILURE, -EKEYREJECTED,
				   "the capture is encrypted; --identity FILE names a key that "
				   "opens it, --raw gets it as it is (recipients: %s)",
				   manifest->recipients);
	return CTL_OK;
}

int command_export(struct source *source, const struct ctl_options *options, struct err *err)
{
	struct item_array items = { .items = NULL };
	int exit = choose_each(source, options, &items, err);

	if (exit == CTL_OK)
		exit = check_wish(&items.items[0].manifest, options, err);
	if (exit == CTL_OK && options->output != NULL && strcmp(options->output, "-") == 0)
		exit = to_stdout(source, &items.items[0].manifest, options, err);
	else if (exit == CTL_OK)
		exit = to_path(source, &items.items[0].manifest, options, err);
	item_array_fini(&items);
	return exit;
}
