/*
 * A heap snapshot in a file
 *
 * Layers are taken off from the outside, each known by its first bytes, until none is left.
 */

#include "ctl/heap_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/progress.h"
#include "ctl/source.h"
#include "ctl/tap.h"
#include "ctl/unseal.h"
#include "pipeline/gzip.h"
#include "pipeline/zstd.h"
#include "util/err.h"

enum { LAYERS_MAX = 4, MAGIC_MAX = 24, BLOCK = 1 << 20 };

struct layer {
	const char *magic;
	size_t magic_size;
	int (*open)(struct stage **ret, const struct identities *identities, struct stage *next,
		    struct err *err);
};

static int open_zstd(struct stage **ret, const struct identities *identities, struct stage *next,
		     struct err *err)
{
	(void)identities;
	(void)err;
	return zstd_expand_new(ret, next);
}

static int open_gzip(struct stage **ret, const struct identities *identities, struct stage *next,
		     struct err *err)
{
	(void)identities;
	(void)err;
	return gzip_expand_new(ret, next);
}

static int open_age(struct stage **ret, const struct identities *identities, struct stage *next,
		    struct err *err)
{
	if (identities->n == 0) {
		source_fail(err, CTL_FAILURE, -ENOKEY,
			    "it is encrypted; --identity FILE names a key that opens it");
		return -ENOKEY;
	}
	return unseal_new(ret, identities, next, err);
}

static const struct layer layers[] = {
	{ "\x28\xb5\x2f\xfd", 4, open_zstd },
	{ "\x1f\x8b\x08", 3, open_gzip },
	{ "age-encryption.org/", 19, open_age },
};

static const struct layer *layer_of(int fd)
{
	char first[MAGIC_MAX] = { 0 };
	ssize_t n = pread(fd, first, sizeof(first), 0);

	for (size_t i = 0; i < sizeof(layers) / sizeof(layers[0]); i++) {
		if (n >= (ssize_t)layers[i].magic_size &&
		    memcmp(first, layers[i].magic, layers[i].magic_size) == 0)
			return &layers[i];
	}
	return NULL;
}

static int pour(int fd, struct stage *stage)
{
	static char block[BLOCK];
	ssize_t n;
	int r = 0;

	while (r == 0 && (n = read(fd, block, sizeof(block))) != 0) {
		if (n > 0)
			r = stage_put(stage, block, (size_t)n);
		else if (errno != EINTR)
			r = -errno;
	}
	return r == 0 ? stage_finish(stage) : r;
}

/* Another descriptor for what is inside of this one, which is closed. */
static int take_off(int *fd, const struct layer *layer, const struct identities *identities,
		    const char *path, struct err *err)
{
	struct stage *stage = NULL;
	struct outlet outlet;
	int r, inner = memfd_create("snapshot", MFD_CLOEXEC);

	if (inner < 0)
		return source_fail(err, CTL_FAILURE, -errno, "%s: %s", path, strerror(errno));
	outlet_init(&outlet, inner);
	err->text[0] = '\0';
	r = layer->open(&stage, identities, &outlet.stage, err);
	if (r == 0) {
		r = pour(*fd, stage);
		if (r != 0)
			source_fail(err, CTL_FAILURE, r, "%s: %s", path, chain_error(stage));
	} else {
		struct err why = *err;

		source_fail(err, CTL_FAILURE, r, "%s: %s", path,
			    why.text[0] != '\0' ? why.text : strerror(-r));
	}
	if (stage != NULL)
		stage->ops->free(stage);
	close(*fd);
	*fd = inner;
	return r == 0 ? CTL_OK : CTL_FAILURE;
}

static int unpack(int *fd, const char *path, const struct ctl_options *options, struct err *err)
{
	struct identities identities = { .n = 0 };
	const struct layer *layer;
	int exit = CTL_OK;

	for (size_t i = 0; i < options->identities_n && exit == CTL_OK; i++) {
		if (identities_read(&identities, options->identities[i], err) < 0)
			exit = CTL_FAILURE;
	}
	for (int i = 0; i < LAYERS_MAX && exit == CTL_OK; i++) {
		layer = layer_of(*fd);
		if (layer == NULL)
			break;
		exit = lseek(*fd, 0, SEEK_SET) == 0 ? take_off(fd, layer, &identities, path, err)
						    : source_fail(err, CTL_FAILURE, -errno,
								  "%s: %s", path, strerror(errno));
	}
	identities_fini(&identities);
	return exit;
}

static int map(struct heap_file *file, int fd, const char *path, struct err *err)
{
	struct stat status;
	void *data;

	if (fstat(fd, &status) < 0)
		return source_fail(err, CTL_FAILURE, -errno, "%s: %s", path, strerror(errno));
	if (S_ISDIR(status.st_mode))
		return source_fail(err, CTL_FAILURE, -EISDIR, "%s: is a directory", path);
	file->text.size = (uint64_t)status.st_size;
	if (status.st_size == 0)
		return CTL_OK;
	data = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED)
		return source_fail(err, CTL_FAILURE, -errno, "%s: %s", path, strerror(errno));
	file->mapped = (size_t)status.st_size;
	file->text.data = data;
	file->text.mapped = true;
	return CTL_OK;
}

int heap_file_open(struct heap_file *ret, const char *path, const struct ctl_options *options,
		   struct err *err)
{
	int exit, fd = open(path, O_RDONLY | O_CLOEXEC);

	*ret = (struct heap_file){ .text = { .data = "" } };
	if (fd < 0)
		return source_fail(err, CTL_FAILURE, -errno, "%s: %s", path, strerror(errno));
	exit = unpack(&fd, path, options, err);
	if (exit == CTL_OK)
		exit = map(ret, fd, path, err);
	close(fd);
	return exit;
}

void heap_file_fini(struct heap_file *file)
{
	if (file->mapped > 0)
		munmap((void *)(uintptr_t)file->text.data, file->mapped);
	file->mapped = 0;
}

struct heap_load_options heap_file_load_options(const char *path, const struct ctl_options *options)
{
	unsigned threads = (unsigned)options->heap.threads;
	cpu_set_t set;

	if (threads == 0)
		threads =
			sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) > 1 ? 2 : 1;
	return (struct heap_load_options){ threads, options->heap.memory_max_bytes,
					   progress_begin(path, options) };
}

int heap_file_failed(struct err *err, const char *path, int r, const struct err *why)
{
	return source_fail(err, r == -EFBIG ? CTL_REFUSED : CTL_FAILURE, r, "%s: %s", path,
			   why->text);
}

int heap_file_analyse(struct heap_file *file, struct heap_analysis *ret,
		      const struct ctl_options *options, struct err *err)
{
	struct heap_load_options load;
	struct err why;
	int r, exit = heap_file_open(file, options->args[0], options, err);

	*ret = (struct heap_analysis){ .retained = NULL };
	if (exit != CTL_OK)
		return exit;
	load = heap_file_load_options(options->args[0], options);
	r = heap_analyse(ret, &file->text, &load, &why);
	progress_end();
	return r < 0 ? heap_file_failed(err, options->args[0], r, &why) : CTL_OK;
}
