#pragma once

/*
 * The part of Prometheus' template language that annotations need: {{ $labels.NAME }}, {{ $value
 * }}, and the filters humanize, humanize1024, humanizePercentage, humanizeDuration, with the
 * spacing free.
 */

#include "conf/labels.h"
#include "util/err.h"

struct buf;

/* Check only: 0 or -EINVAL with the column in err. */
int template_check(const char *text, struct err *err);

/* Expand into buf; unknown labels are empty. */
int template_expand(const char *text, const struct labels *labels, double value, struct buf *buf);
