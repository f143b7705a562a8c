#pragma once

/* The account: captures and refusals counted, remembered and logged. */

#include "capture/capture.h"

struct collected;
struct collection_run;

void account_init(struct captures *captures);
void account_fini(struct captures *captures);

void account_refused(struct captures *captures, const char *target,
		     const struct capture_request *request, enum capture_refusal refusal,
		     const char *text);
void account_succeeded(struct captures *captures, const struct capture *capture);
void account_collected(struct captures *captures, const struct collection_run *run,
		       const struct collected *collected);
void account_collection_failed(struct captures *captures, const struct collection_run *run,
			       const char *reason, const char *text);
void account_failed(struct captures *captures, const struct capture *capture);
