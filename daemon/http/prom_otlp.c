/* The families of what is pushed by OTLP; none where nothing is. */

#include "http/prom_parts.h"

#include <stdio.h>

#include "http/view.h"
#include "otlp/otlp.h"

enum { MORE_MAX = 32 };

static const struct label_text no_labels = { "", 0 };

static void write_exports(struct exposition_writer *w, const struct otlp *otlp)
{
	char more[MORE_MAX];

	exposition_family(w, METRIC_OTLP_EXPORTS);
	for (int i = 0; i < OTLP_RESULTS; i++) {
		snprintf(more, sizeof(more), "result=\"%s\"",
			 otlp_result_name((enum otlp_result)i));
		sample_uint(w, no_labels, more, otlp->exports[i]);
	}
}

static void write_dropped(struct exposition_writer *w, const struct otlp *otlp)
{
	char more[MORE_MAX];

	exposition_family(w, METRIC_OTLP_DROPPED);
	for (int i = 0; i < OTLP_DROPS; i++) {
		snprintf(more, sizeof(more), "reason=\"%s\"", otlp_drop_name((enum otlp_drop)i));
		sample_uint(w, no_labels, more, otlp->dropped[i]);
	}
}

void prom_write_otlp(struct exposition_writer *w, const struct http_view *view)
{
	const struct otlp *otlp = view->otlp;

	if (otlp == NULL || otlp->endpoint.url == NULL)
		return;
	write_exports(w, otlp);
	exposition_family(w, METRIC_OTLP_SENT);
	sample_uint(w, no_labels, NULL, otlp->sent);
	write_dropped(w, otlp);
	exposition_family(w, METRIC_OTLP_SUCCESS);
	if (otlp->success_wall_ms > 0)
		sample_ms(w, no_labels, NULL, otlp->success_wall_ms);
	exposition_family(w, METRIC_OTLP_DURATION);
	sample_histogram(w, no_labels, &otlp->duration);
}
