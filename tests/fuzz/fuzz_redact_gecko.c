/*
 * Redaction of hostile snapshots of Gecko. However they are cut, the verdict is the same and so is
 * the result, which is as long as the input.
 *
 * The first byte is the size of the pieces.
 */

#include <stdint.h>

#include "pipeline/redact_gecko.h"
#include "pipeline/stage.h"
#include "sink.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run(struct sink *sink, const uint8_t *data, size_t size, size_t step)
{
	struct stage *stage;

	sink_init(sink);
	must(redact_gecko_new(&stage, &sink->stage) == 0);
	return sink_run(stage, data, size, step);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sink whole, parts;
	int r;

	if (size < 1)
		return 0;
	r = run(&whole, data + 1, size - 1, SIZE_MAX / 2);
	must(run(&parts, data + 1, size - 1, (size_t)data[0] + 1) == r);
	if (r == 0) {
		must(sink_same(&whole, &parts));
		must(whole.out.size == size - 1);
	}
	sink_fini(&whole);
	sink_fini(&parts);
	return 0;
}
