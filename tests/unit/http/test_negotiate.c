#include <criterion/criterion.h>
#include <string.h>

#include "http/negotiate.h"

#define TEXT        "text/plain; version=0.0.4; charset=utf-8"
#define TEXT_100    "text/plain; version=1.0.0; charset=utf-8; escaping=underscores"
#define OPEN        "application/openmetrics-text; version=1.0.0; charset=utf-8"
#define OPEN_ESCAPE OPEN "; escaping=underscores"
#define OPEN_001    "application/openmetrics-text; version=0.0.1; charset=utf-8"

static const struct {
	const char *accept, *content_type;
} cases[] = {
	{ NULL, TEXT },
	{ "", TEXT },
	{ "*/*", TEXT },
	{ "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", TEXT },
	{ "text/plain", TEXT },
	{ "text/plain;version=0.0.4", TEXT },
	{ "text/*", TEXT },
	{ "application/json", TEXT },
	/* Prometheus 2.42. */
	{ "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;"
	  "q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
	  OPEN },
	/* Prometheus before 2.40. */
	{ "application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
	  OPEN_001 },
	/* Prometheus 3, without and with protobuf. */
	{ "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
	  "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;"
	  "escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
	  OPEN_ESCAPE },
	{ "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding="
	  "delimited;q=0.7,application/openmetrics-text;version=1.0.0;escaping=underscores;q=0.6,"
	  "text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
	  OPEN_ESCAPE },
	{ "text/plain;version=1.0.0;escaping=allow-utf-8", TEXT_100 },
	/* q decides, not the order; of equals the first. */
	{ "application/openmetrics-text;version=1.0.0;q=0.4,text/plain;version=0.0.4;q=0.5", TEXT },
	{ "text/plain;version=0.0.4;q=0.5,application/openmetrics-text;version=1.0.0;q=0.501",
	  OPEN },
	{ "text/plain,application/openmetrics-text", TEXT },
	{ "application/openmetrics-text,text/plain", OPEN },
	{ "application/openmetrics-text;q=0,*/*;q=0.1", TEXT },
	{ "application/openmetrics-text;q=0", TEXT },
	{ "application/openmetrics-text;version=2.0.0,text/plain;q=0.1", TEXT },
	{ "Application/OpenMetrics-Text; Version=\"1.0.0\" ; Q=1", OPEN },
	{ "application/openmetrics-text;version=1.0.0;q=x,text/plain;q=0.001", TEXT },
	{ ",,;;=,application/openmetrics-text", OPEN },
};

Test(negotiate, exposition)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct exposition_choice choice = negotiate_exposition(cases[i].accept);
		bool open = strstr(cases[i].content_type, "openmetrics") != NULL;

		cr_expect_str_eq(choice.content_type, cases[i].content_type, "Accept: %s gave %s",
				 cases[i].accept, choice.content_type);
		cr_expect_eq(choice.format, open ? EXPOSITION_OPENMETRICS : EXPOSITION_TEXT);
	}
}

Test(negotiate, overlong_values_match_nothing)
{
	char accept[4096] = "application/openmetrics-text;version=";

	memset(accept + strlen(accept), '1', 3000);
	cr_expect_str_eq(negotiate_exposition(accept).content_type, TEXT);
}

static const struct {
	const char *accept;
	bool gzip;
} codings[] = {
	{ NULL, false },
	{ "", false },
	{ "gzip", true },
	{ "GZIP", true },
	{ "deflate, gzip;q=1.0, *;q=0.5", true },
	{ "br, zstd", false },
	{ "gzip;q=0", false },
	{ "gzip;q=0.0", false },
	{ "*", true },
	{ "*;q=0", false },
	{ "*, gzip;q=0", false },
	{ "identity", false },
	{ "gzip;q=0.001", true },
};

Test(negotiate, gzip)
{
	for (size_t i = 0; i < sizeof(codings) / sizeof(codings[0]); i++)
		cr_expect_eq(negotiate_gzip(codings[i].accept), codings[i].gzip,
			     "Accept-Encoding: %s", codings[i].accept);
}

Test(negotiate, zstd)
{
	cr_expect(negotiate_zstd("gzip, deflate, br, zstd"));
	cr_expect(negotiate_zstd("ZSTD;q=0.1"));
	cr_expect_not(negotiate_zstd("zstd;q=0"));
	cr_expect_not(negotiate_zstd("gzip, *"));
	cr_expect_not(negotiate_zstd(""));
	cr_expect_not(negotiate_zstd(NULL));
}
