/* Reading golden cases, and running one: the text becomes a file of an empty folder and is loaded.
 */

#include "golden.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "schema.h"
#include "util/buf.h"
#include "util/file.h"

/* From at to end, owned. */
static char *span(const char *at, const char *end)
{
	char *copy = strndup(at, (size_t)(end - at));

	cr_assert_not_null(copy);
	return copy;
}

static void read_case(const char *at, const char *end, struct golden *ret)
{
	const char *text = strchr(at, '\n') + 1, *cut = strstr(at, "\n--- "), *kind, *expected;

	cr_assert(strncmp(at, "### ", 4) == 0, "expected ###, got %.40s", at);
	cr_assert(cut && cut < end, "%.40s: no ---", at);
	kind = cut + strlen("\n--- ");
	expected = strchr(kind, '\n') + 1;
	ret->name = span(at + 4, text - 1);
	ret->text = span(text, cut + 1);
	ret->kind = span(kind, expected - 1);
	ret->expected = span(expected, end);
}

size_t golden_read(const char *path, struct golden **ret)
{
	char *memory = NULL, *at, *end;
	size_t n = 0, size;

	*ret = NULL;
	cr_assert_eq(file_read(path, 1 << 20, &memory, &size), 0, "%s", path);
	for (at = memory; *at; at = end) {
		*ret = reallocarray(*ret, n + 1, sizeof(**ret));
		cr_assert_not_null(*ret);
		end = strstr(at, "\n### ");
		end = end ? end + 1 : memory + size;
		read_case(at, end, &(*ret)[n++]);
	}
	free(memory);
	return n;
}

void golden_free(struct golden *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(cases[i].name);
		free(cases[i].text);
		free(cases[i].kind);
		free(cases[i].expected);
	}
	free(cases);
}

static void write_file(const char *path, const char *text, size_t size)
{
	FILE *file = fopen(path, "w");

	cr_assert_not_null(file);
	cr_assert_eq(fwrite(text, 1, size, file), size);
	cr_assert_eq(fclose(file), 0);
}

char *golden_run(const char *text, size_t size, const char *kind)
{
	char folder[] = "/tmp/golden.XXXXXX", name[32];
	struct settings *settings = NULL;
	struct problems problems;
	struct flags flags = { .config_file = name };
	struct buf buf;
	int r;

	cr_assert_not_null(mkdtemp(folder));
	cr_assert_eq(chdir(folder), 0);
	snprintf(name, sizeof(name), "c.%s", kind);
	write_file(name, text, size);
	problems_init(&problems);
	r = settings_load(&settings, &flags, &problems);
	cr_assert_eq(r<0, problems.n> 0, "%d with %zu problems", r, problems.n);
	buf_init(&buf, 1 << 20);
	cr_assert_eq(problems_print(&problems, &buf), 0);
	problems_fini(&problems);
	settings_free(settings);
	unlink(name);
	cr_assert_eq(chdir("/"), 0);
	rmdir(folder);
	return buf_text(&buf)[0] ? buf_take(&buf, NULL) : strdup("");
}
