/*
 * How much of a process's memory a snapshot explains
 */

#include "ctl/memory_share.h"

#include "ctl/beside.h"
#include "json/tree.h"
#include "json/write.h"
#include "util/buf.h"
#include "util/str.h"

struct memory_share memory_share_of(const struct ctl_options *options)
{
	struct tree *manifest = beside_manifest(options->args[0], options);
	struct memory_share ret = { .known = false };

	if (manifest != NULL) {
		ret.known = tree_uint(manifest, "resident_before_bytes", &ret.resident) &&
			    ret.resident > 0;
		if (!tree_uint(manifest, "heap_used_bytes", &ret.heap_used))
			ret.heap_used = 0;
	}
	tree_free(manifest);
	return ret;
}

static double part_of(const struct memory_share *share, const struct heap_analysis *analysis)
{
	return (double)analysis->statistics.total / (double)share->resident;
}

void memory_share_put(struct buf *buf, const struct memory_share *share,
		      const struct heap_analysis *analysis)
{
	char resident[STR_UNIT_MAX];

	if (!share->known) {
		buf_puts(buf, "how much of the process's memory that is: not known without a "
			      "manifest beside the capture\n");
		return;
	}
	buf_printf(buf, "of %s that were resident this explains %.0f %%\n",
		   str_format_bytes(resident, share->resident), 100 * part_of(share, analysis));
}

void memory_share_json(struct json_writer *w, const struct memory_share *share,
		       const struct heap_analysis *analysis)
{
	json_write_key(w, "memory");
	if (!share->known) {
		json_write_null(w);
		return;
	}
	json_write_object(w);
	json_member_uint(w, "resident_bytes", share->resident);
	json_member_uint(w, "heap_used_bytes", share->heap_used);
	json_member_double(w, "explained", part_of(share, analysis));
	json_write_object_end(w);
}
