/* Reports of profiles. */

#include "analyze_profile.h"

#include <errno.h>

#include "json/write.h"
#include "profile/profile.h"
#include "profile/read.h"
#include "profile/report.h"
#include "util/buf.h"
#include "util/err.h"

static int fail(struct err *err, int r)
{
	if (r == -ENOMEM)
		return err_set(err, r, "out of memory");
	return err_set(err, r == -E2BIG ? -EFBIG : r, "%s", profile_read_error(r));
}

int analyze_profile_add(struct profile *to, const char *text, size_t size, struct err *err)
{
	struct profile profile = { .nodes = NULL };
	int r;

	if (to->nodes == NULL) {
		r = profile_read(to, text, size);
		return r < 0 ? fail(err, r) : 0;
	}
	r = profile_read(&profile, text, size);
	if (r == 0)
		r = profile_merge(to, &profile);
	profile_fini(&profile);
	return r < 0 ? fail(err, r) : 0;
}

static int write_report(const struct profile *profile, size_t profiles, const char *name,
			size_t top, size_t calls, struct buf *buf)
{
	struct json_writer w;
	int r;

	buf_clear(buf);
	json_write_init(&w, buf);
	json_write_object(&w);
	json_member_string(&w, "file", name);
	json_member_uint(&w, "profiles", profiles);
	r = profile_report_write(profile, top, calls, &w);
	json_write_object_end(&w);
	buf_puts(buf, "\n");
	return r < 0 ? r : buf->error;
}

int analyze_profile_report(const struct profile *profile, size_t profiles, const char *name,
			   size_t top, struct buf *buf, struct err *err)
{
	size_t calls = PROFILE_REPORT_CALLS;
	int r = write_report(profile, profiles, name, top, calls, buf);

	while (r == -E2BIG && buf->error == -E2BIG && calls > 1) {
		top /= 2;
		calls /= 2;
		r = write_report(profile, profiles, name, top, calls, buf);
	}
	return r < 0 ? fail(err, r) : 0;
}
