#pragma once

/* Series: the captures of a series that are still to come, each asked for anew when it is due. */

#include "capture/capture.h"

/* The first one has been accepted under this id. -ENOMEM. */
int series_begin(struct captures *captures, const struct capture_request *request,
		 const char *target, const char *id);
void series_forget_all(struct captures *captures);
