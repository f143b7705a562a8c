#pragma once

/* The further headers of requests, those with secrets among them: read when they are needed. */

struct err;
struct item_list;

/*
 * Of struct otlp_header_settings: "Name: value" each, and Content-Encoding unless encoding is NULL;
 * NULL at the end, to be wiped and freed with otlp_header_lines_free(). 0; -errno with text in err:
 * a file cannot be read or is not one line.
 */
int otlp_header_lines(const struct item_list *settings, const char *encoding, char ***ret,
		      struct err *err);
void otlp_header_lines_free(char **lines); /* NULL is fine */
