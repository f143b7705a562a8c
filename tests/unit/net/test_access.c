/* How to be let in: names of files that are counted and compared, and a token that is one word. */

#include "net/access.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/err.h"

static char file_name[] = "/tmp/test_access.XXXXXX";

static void make(void)
{
	int fd = mkstemp(file_name);

	cr_assert_geq(fd, 0);
	close(fd);
}

static void clean(void)
{
	unlink(file_name);
}

static void put(const char *data, size_t size)
{
	FILE *file = fopen(file_name, "w");

	cr_assert_not_null(file);
	cr_assert_eq(fwrite(data, 1, size, file), size);
	cr_assert_eq(fclose(file), 0);
}

static struct access *access_of(const struct access_files *files)
{
	struct access *access;

	cr_assert_eq(access_new(&access, files), 0);
	return access;
}

Test(access, copies_are_its_own)
{
	char ca[] = "/ca", cert[] = "/cert", key[] = "/key", name[] = "host", token[] = "/token";
	struct access *access = access_of(&(struct access_files){
		.ca_file = ca,
		.cert_file = cert,
		.key_file = key,
		.server_name = name,
		.credentials_file = token,
		.insecure_skip_verify = true,
	});

	ca[0] = cert[0] = key[0] = name[0] = token[0] = 'x';
	cr_expect_str_eq(access->files.ca_file, "/ca");
	cr_expect_str_eq(access->files.cert_file, "/cert");
	cr_expect_str_eq(access->files.key_file, "/key");
	cr_expect_str_eq(access->files.server_name, "host");
	cr_expect_str_eq(access->files.credentials_file, "/token");
	cr_expect(access->files.insecure_skip_verify);
	access_unref(access);
}

Test(access, is_counted)
{
	struct access *access = access_of(&(struct access_files){ .ca_file = "/ca" });

	cr_expect_eq(access_ref(access), access);
	access_unref(access);
	cr_expect_str_eq(access->files.ca_file, "/ca");
	access_unref(access);
	cr_expect_null(access_ref(NULL));
	access_unref(NULL);
}

/* What makes no difference here would leave a connection as it was after a reload. */
Test(access, every_member_makes_a_difference)
{
	const struct access_files all = { .ca_file = "/a",
					  .cert_file = "/b",
					  .key_file = "/c",
					  .server_name = "d",
					  .credentials_file = "/e" };
	struct access_files files[6] = { all, all, all, all, all, all };
	struct access *one = access_of(&all), *same = access_of(&all);

	files[0].ca_file = "/x";
	files[1].cert_file = NULL;
	files[2].key_file = "/x";
	files[3].server_name = NULL;
	files[4].credentials_file = "/x";
	files[5].insecure_skip_verify = true;
	cr_expect(access_equal(one, same));
	cr_expect(access_equal(one, one));
	cr_expect(access_equal(NULL, NULL));
	cr_expect_not(access_equal(one, NULL));
	cr_expect_not(access_equal(NULL, one));
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		struct access *other = access_of(&files[i]);

		cr_expect_not(access_equal(one, other), "member %zu", i);
		cr_expect_not(access_equal(other, one), "member %zu", i);
		access_unref(other);
	}
	access_unref(same);
	access_unref(one);
}

static int token_of(const char *data, size_t size, char **ret, struct err *err)
{
	struct access *access = access_of(&(struct access_files){ .credentials_file = file_name });
	int r;

	put(data, size);
	r = access_token(access, ret, err);
	access_unref(access);
	return r;
}

Test(access, token, .init = make, .fini = clean)
{
	static const char *const good[] = { "abc", "abc\n", "abc \t\r\n\n" };
	char *token;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		cr_assert_eq(token_of(good[i], strlen(good[i]), &token, NULL), 0, "%zu", i);
		cr_expect_str_eq(token, "abc");
		access_token_free(token);
	}
}

/* It stands in a header: what could begin another one, or end the head, is refused. */
Test(access, token_that_is_not_one_word, .init = make, .fini = clean)
{
	static const struct {
		const char *data;
		size_t size;
	} bad[] = {
		{ "", 0 },     { "\n", 1 },    { "a b", 3 },      { " a", 2 }, { "a\r\nX-Y: z", 9 },
		{ "a\0b", 3 }, { "a\177", 2 }, { "\303\244", 2 },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err err = { 0 };
		char *token = (char *)1;

		cr_expect_eq(token_of(bad[i].data, bad[i].size, &token, &err), -EINVAL, "%zu", i);
		cr_expect_null(token);
		cr_expect_not_null(strstr(err.text, "not one word"));
		cr_expect_null(strstr(err.text, "X-Y"), "what it holds is not told");
	}
}

Test(access, token_of_no_file_is_none)
{
	struct access *access = access_of(&(struct access_files){ .ca_file = "/ca" });
	char *token = (char *)1;

	cr_expect_eq(access_token(access, &token, NULL), 0);
	cr_expect_null(token);
	cr_expect_eq(access_token(NULL, &token, NULL), 0);
	access_unref(access);
}

Test(access, token_that_cannot_be_read, .init = make, .fini = clean)
{
	static char large[8192];
	struct access *access;
	struct err err = { 0 };
	char *token;

	memset(large, 'a', sizeof(large));
	cr_expect_eq(token_of(large, sizeof(large), &token, &err), -EFBIG);
	access = access_of(&(struct access_files){ .credentials_file = "/tmp/test_access/none" });
	cr_expect_eq(access_token(access, &token, &err), -ENOENT);
	cr_expect_not_null(strstr(err.text, "/tmp/test_access/none"));
	access_unref(access);
}
