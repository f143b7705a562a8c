#pragma once

/* What the configuration says about pushing metrics by OTLP. */

#include <stdint.h>
#include "conf/option.h"
#include "notify/settings.h"

struct otlp_header_settings {
	char *name;
	char *value, *value_file; /* one of them */
};

struct otlp_attribute_settings {
	char *name, *value;
};

enum otlp_compression { OTLP_PLAIN, OTLP_GZIP };

struct otlp_settings {
	char *endpoint; /* URL; NULL: nothing is pushed */
	uint64_t interval_ns;
	int compression; /* enum otlp_compression */
	struct item_list headers; /* struct otlp_header_settings */
	struct item_list resource_attributes; /* struct otlp_attribute_settings */
	struct endpoint_settings access;
};

extern const struct option_desc otlp_options[];
