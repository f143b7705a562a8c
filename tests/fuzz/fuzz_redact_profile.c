/*
 * Redaction of hostile profiles. However they are cut, the verdict is the same and so is the
 * result; what was JSON is JSON afterwards, and an ordinary parser finds no text in it that the
 * rules would not have let through: redacted again, it stays as it is.
 *
 * The first byte is the size of the pieces, the second the level.
 */

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "json/tree.h"
#include "pipeline/redact_profile.h"
#include "pipeline/stage.h"
#include "sink.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run(struct sink *sink, enum redact_level level, const char *data, size_t size,
	       size_t step)
{
	struct stage *stage;

	sink_init(sink);
	must(redact_profile_new(&stage, level, &sink->stage) == 0);
	return sink_run(stage, data, size, step);
}

/* Of what is so short that replaced bytes cannot have made a text too long. */
static void check_again(const struct sink *once, enum redact_level level)
{
	struct sink twice;

	if (once->out.size >= REDACT_FRAME_MAX)
		return;
	must(run(&twice, level, once->out.data, once->out.size, SIZE_MAX / 2) == 0);
	must(sink_same(once, &twice));
	sink_fini(&twice);
}

static void check_document(const char *in, size_t size, const struct buf *out)
{
	struct tree *before, *after;

	if (tree_parse(in, size, &before, NULL) != 0)
		return;
	must(tree_parse(out->data, out->size, &after, NULL) == 0);
	must(tree_size(before) == tree_size(after));
	tree_free(before);
	tree_free(after);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sink whole, parts;
	const char *text = (const char *)data + 2;
	enum redact_level level;
	int r;

	if (size < 2)
		return 0;
	level = data[1] & 1 ? REDACT_ALL : REDACT_STRINGS;
	r = run(&whole, level, text, size - 2, SIZE_MAX / 2);
	must(run(&parts, level, text, size - 2, (size_t)data[0] + 1) == r);
	if (r == 0) {
		must(sink_same(&whole, &parts));
		check_again(&whole, level);
		check_document(text, size - 2, &whole.out);
	}
	sink_fini(&whole);
	sink_fini(&parts);
	return 0;
}
