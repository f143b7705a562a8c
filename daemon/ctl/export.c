/*
 * export: a capture as the tools of the world read it
 *
 *   spool -> sum -> unseal -> expand -> file or stdout
 *
 * The sum is that of what was read, so it shows damage before decryption or decompression would.
 */

#include <errno.h>
#include <string.h>

#include "ctl/choose.h"
#include "ctl/command.h"
#include "ctl/output.h"
#include "ctl/tap.h"
#include "ctl/unseal.h"
#include "pipeline/zstd.h"
#include "util/err.h"
#include "util/str.h"

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
	const char *wanted = source_part(manifest, part).sha256;
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

struct exporting {
	struct source *source;
	const struct manifest *manifest;
	const struct ctl_options *options;
};

static int fill(void *owner, int fd, struct err *err)
{
	const struct exporting *exporting = owner;

	return read_into(exporting->source, exporting->manifest, exporting->options, fd, err);
}

static int export(struct source *source, const struct manifest *manifest,
		  const struct ctl_options *options, struct err *err)
{
	struct exporting exporting = { source, manifest, options };
	const char *name = options->scripts ? manifest->scripts_name : manifest->name;
	char own[SPOOL_NAME_MAX];

	if (options->raw)
		str_copy(own, sizeof(own), name);
	else
		select_plain_name(own, sizeof(own), name);
	return output_write(options, own, fill, &exporting, err);
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
	if (exit == CTL_OK)
		exit = export(source, &items.items[0].manifest, options, err);
	item_array_fini(&items);
	return exit;
}
