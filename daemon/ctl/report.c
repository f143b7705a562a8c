/*
 * The report of a snapshot
 */

#include "ctl/report.h"

#include <errno.h>

#include "ctl/show.h"
#include "ctl/source.h"
#include "json/tree.h"
#include "pipeline/stage.h"
#include "util/buf.h"
#include "util/list.h"
#include "util/str.h"

enum { CLASSES_SHOWN = 10 };

/* Keeps what comes. */
struct gather {
	struct stage stage;
	struct buf *buf; /* borrowed */
};

static int gather_put(struct stage *stage, const void *data, size_t size)
{
	return buf_append(container_of(stage, struct gather, stage)->buf, data, size);
}

static int gather_finish(struct stage *stage)
{
	(void)stage;
	return 0;
}

static const struct stage_ops gather_ops = {
	.name = "gather",
	.put = gather_put,
	.finish = gather_finish,
};

int report_fetch(struct source *source, const struct manifest *manifest, struct buf *ret,
		 struct err *err)
{
	struct gather gather = { .stage = { .ops = &gather_ops }, .buf = ret };

	return source->ops->fetch(source, manifest, PART_REPORT, &gather.stage, err);
}

static void show_class(struct buf *buf, const struct tree *class, int indent)
{
	uint64_t retained = 0, count = 0;
	char bytes[STR_UNIT_MAX];
	const char *name = "?";

	tree_uint(class, "retained_bytes", &retained);
	tree_uint(class, "count", &count);
	tree_string(class, "name", &name);
	buf_printf(buf, "%*s%10s in %llu ", indent, "", str_format_bytes(bytes, retained),
		   (unsigned long long)count);
	show_text(buf, name);
	buf_puts(buf, "\n");
}

void report_show_classes(struct buf *buf, const struct buf *text, int indent)
{
	const struct tree *classes;
	struct tree *root;

	if (text->size == 0 || tree_parse(text->data, text->size, &root, NULL) < 0)
		return;
	classes = tree_get(root, "classes");
	for (size_t i = 0; i < tree_size(classes) && i < CLASSES_SHOWN; i++)
		show_class(buf, tree_at(classes, i), indent);
	tree_free(root);
}
