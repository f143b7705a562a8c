#pragma once

/* The account: captures and refusals counted, remembered and logged. */

#include "capture/capture.h"

void account_init(struct captures *captures);
void account_fini(struct captures *captures);

void account_refused(struct captures *captures, const char *target,
		     const struct capture_request *request, enum capture_refusal refusal,
		     const char *text);
void account_succeeded(struct captures *captures, const struct capture *capture);
void account_failed(struct captures *captures, const struct capture *capture);
