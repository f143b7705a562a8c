#pragma once

/* The one table of all metric families: /metrics and docs/METRICS.md are both made from it. */

#include "util/metric.h"

struct buf;

extern const struct metric_desc metric_table[]; /* ends with a NULL name */

int metrics_markdown(struct buf *buf);
