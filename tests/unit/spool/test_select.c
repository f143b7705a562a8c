#include "spool/select.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "folder.h"
#include "spool/manifest.h"

static const struct manifest capture = {
	.id = "3fa9c0ffee0000000000000000000001",
	.name = "app.main.20261125T100000Z.5.heapsnapshot.zst.age",
	.kind = "snapshot",
	.target = "[::1]:9229",
	.runtime = "node",
	.rule = "LeakFast",
	.encrypt = "age",
	.compress = "zstd",
	.pinned = 1,
	.file_bytes = 4,
};

Test(select, patterns)
{
	static const char *const good[] = { "*",          "[::1]:9229",
					    "*9229",      "kind=snapshot",
					    "rule=Leak*", "pinned=1",
					    "kind=snap*", "series=" };
	static const char *const bad[] = { "app",      "9229", "kind=profile", "rule=leak*",
					   "nosuch=*", "",     "kind=" };

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		cr_expect(select_matches(&capture, good[i]), "%s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_not(select_matches(&capture, bad[i]), "%s", bad[i]);
	cr_expect(select_is_pattern("a*") && select_is_pattern("rule=x"));
	cr_expect_not(select_is_pattern("nosuch=x"));
}

Test(select, names)
{
	cr_expect(select_is_called(&capture, capture.id));
	cr_expect(select_is_called(&capture, "3fa9"));
	cr_expect_not(select_is_called(&capture, "3fa"), "too short to be meant");
	cr_expect_not(select_is_called(&capture, "3fa8"));
	cr_expect(select_is_called(&capture, capture.name));
	cr_expect(select_is_called(&capture, "app.main.20261125T100000Z.5.heapsnapshot"));
	cr_expect_not(select_is_called(&capture, "app.main.20261125T100000Z.5.heapsnapshot.zst"));
	cr_expect_not(select_is_called(&capture, ""));
}

Test(select, plain_names)
{
	char plain[SPOOL_NAME_MAX];

	select_plain_name(plain, sizeof(plain), "a.heapsnapshot.zst.age");
	cr_expect_str_eq(plain, "a.heapsnapshot");
	select_plain_name(plain, sizeof(plain), "a.heapsnapshot.age");
	cr_expect_str_eq(plain, "a.heapsnapshot");
	select_plain_name(plain, sizeof(plain), "a.diagnostics.json.zst");
	cr_expect_str_eq(plain, "a.diagnostics.json");
	select_plain_name(plain, sizeof(plain), ".age");
	cr_expect_str_eq(plain, ".age", "a name is left");
}

static enum presence with_file(const char *content, const char *encrypt)
{
	struct manifest manifest = capture;
	char dir[FOLDER_PATH_MAX / 2];
	enum presence presence;
	int fd;

	folder_new(dir);
	if (content != NULL)
		folder_write(dir, capture.name, content, strlen(content));
	snprintf(manifest.encrypt, sizeof(manifest.encrypt), "%s", encrypt);
	fd = open(dir, O_RDONLY | O_DIRECTORY);
	presence = select_presence(fd, &manifest);
	close(fd);
	folder_remove(dir);
	return presence;
}

Test(select, presence)
{
	cr_expect_str_eq(presence_name(with_file("1234", "none")), "present");
	cr_expect_str_eq(presence_name(with_file("1234", "age")), "encrypted");
	cr_expect_str_eq(presence_name(with_file("123", "age")), "truncated");
	cr_expect_str_eq(presence_name(with_file("12345", "none")), "error");
	cr_expect_str_eq(presence_name(with_file(NULL, "none")), "missing");
}

Test(select, presence_by_name)
{
	enum presence presence;

	for (int i = PRESENCE_PRESENT; i <= PRESENCE_ERROR; i++) {
		cr_expect_eq(presence_parse(presence_name((enum presence)i), &presence), 0);
		cr_expect_eq((int)presence, i);
	}
	cr_expect_lt(presence_parse("here", &presence), 0);
}

Test(select, members_as_text)
{
	char text[64];

	cr_expect(manifest_format(&capture, "rule", text, sizeof(text)));
	cr_expect_str_eq(text, "LeakFast");
	cr_expect(manifest_format(&capture, "file_bytes", text, sizeof(text)));
	cr_expect_str_eq(text, "4");
	cr_expect(manifest_format(&capture, "cause_value", text, sizeof(text)));
	cr_expect_str_eq(text, "0");
	cr_expect(manifest_format(&capture, "name", text, 4));
	cr_expect_str_eq(text, "app", "cut");
	cr_expect_not(manifest_format(&capture, "version", text, sizeof(text)));
}
