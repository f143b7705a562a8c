/* Which packing a file has. */

#include "pipeline/packing.h"

#include <string.h>

#include "pipeline/gzip.h"
#include "pipeline/zstd.h"

static const struct packing packings[] = {
	{ "\x28\xb5\x2f\xfd", 4, zstd_expand_new },
	{ "\x1f\x8b\x08", 3, gzip_expand_new },
};

const struct packing *packing_of(const void *head, size_t size)
{
	for (size_t i = 0; i < sizeof(packings) / sizeof(packings[0]); i++) {
		if (size >= packings[i].magic_bytes &&
		    memcmp(head, packings[i].magic, packings[i].magic_bytes) == 0)
			return &packings[i];
	}
	return NULL;
}
