/*
 * Verify
 *
 * Sizes first, which cost nothing and tell a capture cut short from one with other bytes. Then all
 * of it is read, in pieces.
 */

#include "spool/verify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spool/digest.h"
#include "spool/manifest.h"
#include "util/err.h"

enum { PIECE_BYTES = 1 << 20 };

/* One of the files of a capture, and what the manifest says of it. */
struct part {
	const char *name, *sha256;
	uint64_t bytes;
};

static int sum(int fd, char *piece, char sha256[DIGEST_HEX_MAX])
{
	struct digest *digest;
	ssize_t n;
	int r = digest_new(&digest);

	if (r < 0)
		return r;
	while ((n = read(fd, piece, PIECE_BYTES)) != 0) {
		if (n > 0)
			digest_update(digest, piece, (size_t)n);
		else if (errno != EINTR)
			break;
	}
	r = n < 0 ? -errno : digest_final(digest, sha256);
	digest_free(digest);
	return r;
}

static int verify_open(int fd, const struct part *part, char *piece, struct err *err)
{
	char sha256[DIGEST_HEX_MAX];
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return err_set(err, -errno, "%s: %s", part->name, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return err_set(err, VERIFY_E_DAMAGED, "%s is no regular file", part->name);
	if (st.st_size != (off_t)part->bytes)
		return err_set(err,
			       (uint64_t)st.st_size < part->bytes ? VERIFY_E_TRUNCATED
								  : VERIFY_E_DAMAGED,
			       "%s has %lld bytes, its manifest says %llu", part->name,
			       (long long)st.st_size, (unsigned long long)part->bytes);
	r = sum(fd, piece, sha256);
	if (r < 0)
		return err_set(err, r, "%s cannot be read: %s", part->name, strerror(-r));
	if (strcmp(sha256, part->sha256) != 0)
		return err_set(err, VERIFY_E_DAMAGED, "%s has the sum %s, its manifest says %s",
			       part->name, sha256, part->sha256);
	return 0;
}

static int verify_part(int ready_fd, const struct part *part, struct err *err)
{
	/* O_NONBLOCK: a FIFO put in the place of a capture must not hold us. */
	int fd = openat(ready_fd, part->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), r;
	char *piece;

	if (fd < 0 && errno == ENOENT)
		return err_set(err, VERIFY_E_MISSING, "%s is missing", part->name);
	if (fd < 0 && errno == ELOOP)
		return err_set(err, VERIFY_E_DAMAGED, "%s is no regular file", part->name);
	if (fd < 0)
		return err_set(err, -errno, "%s: %s", part->name, strerror(errno));
	piece = malloc(PIECE_BYTES);
	r = piece == NULL ? -ENOMEM : verify_open(fd, part, piece, err);
	free(piece);
	close(fd);
	return r;
}

int verify_capture(int ready_fd, const struct manifest *manifest, struct err *err)
{
	const struct part capture = { manifest->name, manifest->sha256, manifest->file_bytes };
	const struct part scripts = { manifest->scripts_name, manifest->scripts_sha256,
				      manifest->scripts_bytes };
	const struct part report = { manifest->analysis.report_name,
				     manifest->analysis.report_sha256,
				     manifest->analysis.report_bytes };
	int r = verify_part(ready_fd, &capture, err);

	if (r == 0 && scripts.name[0] != '\0')
		r = verify_part(ready_fd, &scripts, err);
	if (r == 0 && report.name[0] != '\0')
		r = verify_part(ready_fd, &report, err);
	return r;
}
