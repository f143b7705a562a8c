/*
 * What is packed, unpacked
 *
 * Layers are taken off from the outside, each known by its first bytes, until none is left.
 */

#include "ctl/unpack.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ctl/source.h"
#include "ctl/tap.h"
#include "ctl/unseal.h"
#include "pipeline/gzip.h"
#include "pipeline/zstd.h"
#include "util/err.h"
#include "util/file.h"
#include "util/str.h"

enum { LAYERS_MAX = 4, MAGIC_MAX = 24, BLOCK = 1 << 20 };

struct layer {
	const char *magic;
	size_t magic_size;
	bool seals;
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
	{ "\x28\xb5\x2f\xfd", 4, false, open_zstd },
	{ "\x1f\x8b\x08", 3, false, open_gzip },
	{ "age-encryption.org/", 19, true, open_age },
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

bool unpack_is_packed(int fd, bool *ret_sealed)
{
	const struct layer *layer = layer_of(fd);

	*ret_sealed = layer != NULL && layer->seals;
	return layer != NULL;
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

/* Memory, or a file without a name where arrays go into files too; never the latter in clear. */
static int inner_file(const struct unpack *unpack)
{
	int fd;

	if (unpack->spill != NULL && !unpack->sealed)
		return file_nameless(unpack->spill);
	fd = memfd_create("snapshot", MFD_CLOEXEC);
	return fd >= 0 ? fd : -errno;
}

static int too_large(const struct unpack *unpack, const char *path, struct err *err)
{
	char limit[STR_UNIT_MAX];

	return source_fail(err, CTL_REFUSED, -EFBIG,
			   "%s: unpacked it takes more than the %s of memory that may be taken%s",
			   path, str_format_bytes(limit, unpack->memory_max),
			   unpack->sealed ? "" : UNPACK_SPILL_HINT);
}

static int complain(const struct unpack *unpack, const struct stage *stage,
		    const struct outlet *outlet, int r, const char *path, struct err *err)
{
	if (outlet->is_full)
		return too_large(unpack, path, err);
	return source_fail(err, CTL_FAILURE, r, "%s: %s", path, chain_error(stage));
}

/* Another descriptor for what is inside of this one, which is closed. */
static int take_off(struct unpack *unpack, int *fd, const struct layer *layer,
		    const struct identities *identities, const char *path, struct err *err)
{
	struct stage *stage = NULL;
	struct outlet outlet;
	int exit = CTL_OK, r, inner;

	unpack->sealed |= layer->seals;
	inner = inner_file(unpack);
	if (inner < 0)
		return source_fail(err, CTL_FAILURE, inner, "%s: %s", path, strerror(-inner));
	outlet_init(&outlet, inner);
	if (unpack->spill == NULL || unpack->sealed)
		outlet.room = unpack->memory_max;
	err->text[0] = '\0';
	r = layer->open(&stage, identities, &outlet.stage, err);
	if (r == 0) {
		r = pour(*fd, stage);
		if (r != 0)
			exit = complain(unpack, stage, &outlet, r, path, err);
	} else {
		struct err why = *err;

		exit = source_fail(err, CTL_FAILURE, r, "%s: %s", path,
				   why.text[0] != '\0' ? why.text : strerror(-r));
	}
	if (stage != NULL)
		stage->ops->free(stage);
	close(*fd);
	*fd = inner;
	unpack->packed = true;
	return exit;
}

int unpack_all(struct unpack *unpack, int *fd, const char *path, const struct ctl_options *options,
	       struct err *err)
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
		exit = lseek(*fd, 0, SEEK_SET) == 0
			       ? take_off(unpack, fd, layer, &identities, path, err)
			       : source_fail(err, CTL_FAILURE, -errno, "%s: %s", path,
					     strerror(errno));
	}
	identities_fini(&identities);
	return exit;
}
