#pragma once

/* The report that the daemon's worker wrote of a snapshot, for `info`. */

struct buf;
struct err;
struct manifest;
struct source;

/* The report's text. CTL_OK, or an exit with the reason in err. */
int report_fetch(struct source *source, const struct manifest *manifest, struct buf *ret,
		 struct err *err);

/* The classes that retain most, a line each after `indent` blanks. Nothing when text is no report.
 */
void report_show_classes(struct buf *buf, const struct buf *text, int indent);
