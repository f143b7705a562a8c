/*
 * Stages
 */

#include "pipeline/stage.h"

int stage_put(struct stage *stage, const void *data, size_t size)
{
	stage->bytes += size;
	return stage->ops->put(stage, data, size);
}

int stage_finish(struct stage *stage)
{
	for (; stage != NULL; stage = stage->next) {
		int r = stage->ops->finish(stage);

		if (r != 0)
			return r;
	}
	return 0;
}
