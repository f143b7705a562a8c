/*
 * The way back: what comes in on stdin goes through the opening half to stdout.
 *
 * Usage: open_through [-z] IDENTITY_FILE...
 * -z expands as well. Exits 1 with the reason on stderr; what was written until then counts for
 * nothing.
 */

#include <err.h>
#include <stdbool.h>
#include <string.h>

#include "ctl/unseal.h"
#include "pipeline/stage.h"
#include "pipeline/zstd.h"
#include "through.h"
#include "util/err.h"

enum { PIECE_BYTES = 256 << 10 };

int main(int argc, char **argv)
{
	bool expands = argc > 1 && strcmp(argv[1], "-z") == 0;
	struct stage *out = through_stdout(), *expand = NULL, *unseal = NULL;
	struct identities identities = { 0 };
	struct err reason = { 0 };
	int r = 0;

	for (int i = expands ? 2 : 1; i < argc && r == 0; i++)
		r = identities_read(&identities, argv[i], &reason);
	if (r == 0 && expands)
		r = zstd_expand_new(&expand, out);
	if (r == 0)
		r = unseal_new(&unseal, &identities, expands ? expand : out, &reason);
	if (r != 0)
		errx(1, "%s: %s", reason.text, strerror(-r));
	r = through_pump(unseal, PIECE_BYTES);
	if (r != 0)
		errx(1, "%s%s: %s", unseal->error, expands ? expand->error : "", strerror(-r));
	unseal->ops->free(unseal);
	if (expands)
		expand->ops->free(expand);
	identities_fini(&identities);
	return 0;
}
