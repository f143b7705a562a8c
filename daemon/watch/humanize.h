#pragma once

/*
 * Numbers as Prometheus' template functions print them (prometheus/template/template.go and
 * prometheus/common/helpers/templates). All return the buffer's error.
 */

struct buf;

/* As Go prints a float64: the shortest text that reads back the same, 1e+06 from a million on. */
int humanize_plain(double value, struct buf *buf);

int humanize(double value, struct buf *buf); /* 1.235M, 120m */
int humanize_1024(double value, struct buf *buf); /* 1.177Mi */
int humanize_percentage(double value, struct buf *buf); /* 0.8 is 80% */
int humanize_duration(double seconds, struct buf *buf); /* 1d 2h 3m 4s, 123.5ms */
