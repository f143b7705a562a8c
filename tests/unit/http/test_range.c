#include <criterion/criterion.h>
#include <stdint.h>

#include "http/range.h"

static const struct {
	const char *header;
	uint64_t size;
	enum range_verdict verdict;
	uint64_t first, length;
} cases[] = {
	{ NULL, 100, RANGE_WHOLE, 0, 100 },
	{ "bytes=0-0", 100, RANGE_PART, 0, 1 },
	{ "bytes=10-19", 100, RANGE_PART, 10, 10 },
	{ "BYTES=10-19", 100, RANGE_PART, 10, 10 },
	{ "bytes=10-", 100, RANGE_PART, 10, 90 },
	{ "bytes=0-", 100, RANGE_PART, 0, 100 },
	{ "bytes=90-1000", 100, RANGE_PART, 90, 10 },
	{ "bytes=-10", 100, RANGE_PART, 90, 10 },
	{ "bytes=-1000", 100, RANGE_PART, 0, 100 },
	{ "bytes=99-99", 100, RANGE_PART, 99, 1 },
	{ "bytes=4294967296-", 8589934592, RANGE_PART, 4294967296, 4294967296 },
	{ "bytes=100-", 100, RANGE_UNSATISFIABLE, 0, 100 },
	{ "bytes=100-200", 100, RANGE_UNSATISFIABLE, 0, 100 },
	{ "bytes=-0", 100, RANGE_UNSATISFIABLE, 0, 100 },
	{ "bytes=0-", 0, RANGE_UNSATISFIABLE, 0, 0 },
	{ "bytes=99999999999999999999999-", 100, RANGE_UNSATISFIABLE, 0, 100 },
	/* Ill-formed, or more than we do: the whole file. */
	{ "bytes=20-10", 100, RANGE_WHOLE, 0, 100 },
	{ "bytes=-", 100, RANGE_WHOLE, 0, 100 },
	{ "bytes=a-b", 100, RANGE_WHOLE, 0, 100 },
	{ "bytes=1-2x", 100, RANGE_WHOLE, 0, 100 },
	{ "bytes= 1-2", 100, RANGE_WHOLE, 0, 100 },
	{ "bytes=1-2,4-5", 100, RANGE_WHOLE, 0, 100 },
	{ "lines=1-2", 100, RANGE_WHOLE, 0, 100 },
	{ "", 100, RANGE_WHOLE, 0, 100 },
	{ "bytes=10", 100, RANGE_WHOLE, 0, 100 },
	{ "bytes=-10-20", 100, RANGE_WHOLE, 0, 100 },
};

Test(range, table)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct byte_range range;
		enum range_verdict verdict = range_parse(cases[i].header, cases[i].size, &range);

		cr_expect_eq(verdict, cases[i].verdict, "%s: verdict %d", cases[i].header, verdict);
		cr_expect_eq(range.first, cases[i].first, "%s: first %lu", cases[i].header,
			     (unsigned long)range.first);
		cr_expect_eq(range.size, cases[i].length, "%s: size %lu", cases[i].header,
			     (unsigned long)range.size);
	}
}
