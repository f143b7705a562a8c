/* A capture's id and its file, for the alert that asked for it. */

#include "capture/tell.h"

#include <limits.h>
#include <stdio.h>

#include "capture/capture.h"
#include "watch/alert.h"

void capture_tell(struct alerts *alerts, const struct capture *capture, const char *spool_path)
{
	const struct manifest *manifest = &capture->manifest;
	char path[PATH_MAX];
	const struct alert_capture done = {
		.target_id = capture->target_id,
		.isolate = manifest->isolate,
		.rule = manifest->rule,
		.step = manifest->rule_step,
		.series = manifest->series,
		.id = manifest->id,
		.path = path,
		.is_minor = capture->kind == CAPTURE_KIND_DIAGNOSTICS,
	};
	int n = snprintf(path, sizeof(path), "%s/ready/%s", spool_path, manifest->name);

	if (manifest->rule[0] != '\0' && n > 0 && (size_t)n < sizeof(path))
		alerts_tell_capture(alerts, &done);
}
