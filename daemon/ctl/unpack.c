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
#include "pipeline/packing.h"
#include "pipeline/stage.h"
#include "util/err.h"
#include "util/file.h"
#include "util/str.h"

enum { LAYERS_MAX = 4, HEAD_BYTES = 24, BLOCK = 1 << 20 };

static const char age_magic[] = "age-encryption.org/";

/* The outermost one. */
struct layer {
	bool seals;
	const struct packing *packing; /* when it does not */
};

/* False: there is none. */
static bool layer_of(int fd, struct layer *ret)
{
	char head[HEAD_BYTES] = { 0 };
	ssize_t n = pread(fd, head, sizeof(head), 0);

	ret->seals = memcmp(head, age_magic, sizeof(age_magic) - 1) == 0;
	ret->packing = packing_of(head, n > 0 ? (size_t)n : 0);
	return ret->seals || ret->packing != NULL;
}

static int layer_open(const struct layer *layer, struct stage **ret,
		      const struct identities *identities, struct stage *next, struct err *err)
{
	if (!layer->seals)
		return layer->packing->expand_new(ret, next);
	if (identities->n == 0) {
		source_fail(err, CTL_FAILURE, -ENOKEY,
			    "it is encrypted; --identity FILE names a key that opens it");
		return -ENOKEY;
	}
	return unseal_new(ret, identities, next, err);
}

bool unpack_is_packed(int fd, bool *ret_sealed)
{
	struct layer layer;
	bool packed = layer_of(fd, &layer);

	*ret_sealed = layer.seals;
	return packed;
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

static int complain(struct unpack *unpack, const struct stage *stage, const struct outlet *outlet,
		    int r, const char *path, struct err *err)
{
	if (outlet->is_full)
		return too_large(unpack, path, err);
	unpack->part = r == -EBADMSG;
	str_copy(unpack->damage, sizeof(unpack->damage), chain_error(stage));
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
	r = layer_open(layer, &stage, identities, &outlet.stage, err);
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

static int next_layer(struct unpack *unpack, int *fd, const struct layer *layer,
		      const struct identities *identities, const char *path, struct err *err)
{
	if (lseek(*fd, 0, SEEK_SET) != 0)
		return source_fail(err, CTL_FAILURE, -errno, "%s: %s", path, strerror(errno));
	return take_off(unpack, fd, layer, identities, path, err);
}

/*
 * The layers inside of a part, n at the most: that they break off as well is no news. False: what
 * is in it cannot be told.
 */
static bool take_off_rest(struct unpack *unpack, int *fd, const struct identities *identities,
			  const char *path, int n)
{
	struct unpack rest = *unpack;
	struct layer layer;
	struct err ignored;
	bool ret = true;

	while (ret && n-- > 0 && layer_of(*fd, &layer)) {
		rest.part = false;
		ret = next_layer(&rest, fd, &layer, identities, path, &ignored) == CTL_OK ||
		      rest.part;
	}
	unpack->sealed = rest.sealed;
	return ret;
}

int unpack_all(struct unpack *unpack, int *fd, const char *path, const struct ctl_options *options,
	       struct err *err)
{
	struct identities identities = { .n = 0 };
	struct layer layer;
	int exit = CTL_OK, n = LAYERS_MAX;

	for (size_t i = 0; i < options->identities_n && exit == CTL_OK; i++) {
		if (identities_read(&identities, options->identities[i], err) < 0)
			exit = CTL_FAILURE;
	}
	for (; n > 0 && exit == CTL_OK && layer_of(*fd, &layer); n--)
		exit = next_layer(unpack, fd, &layer, &identities, path, err);
	if (unpack->part)
		unpack->part = take_off_rest(unpack, fd, &identities, path, n);
	identities_fini(&identities);
	return exit;
}
