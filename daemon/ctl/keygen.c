/*
 * heapwatchctl keygen
 *
 * A key that is lost takes every capture sealed to it along, and one that is replaced as well: the
 * file is synced before the recipient is told to anybody, and an older file is never written over.
 */

#include "ctl/keygen.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ctl/identity.h"
#include "pipeline/age.h"
#include "util/str.h"

enum { FAILED = 1, MISUSED = 2, STAMP_MAX = 32, TEXT_MAX = 256 };

struct pair {
	char recipient[AGE_RECIPIENT_MAX];
	char text[TEXT_MAX]; /* secret: the file */
	size_t size;
};

/* RFC 3339 in local time: "2026-01-31T23:59:59+01:00". */
static void format_stamp(char dst[STAMP_MAX])
{
	time_t seconds = time(NULL);
	struct tm local;
	size_t n;

	localtime_r(&seconds, &local);
	n = strftime(dst, STAMP_MAX, "%Y-%m-%dT%H:%M:%S%z", &local);
	if (local.tm_gmtoff == 0) {
		memcpy(dst + n - 5, "Z", 2);
	} else {
		memmove(dst + n - 1, dst + n - 2, 3);
		dst[n - 2] = ':';
	}
}

static void make_pair(struct pair *pair)
{
	uint8_t secret[CRYPTO_KEY_BYTES], key[CRYPTO_KEY_BYTES];
	char identity[IDENTITY_TEXT_MAX], stamp[STAMP_MAX];

	crypto_random(secret, sizeof(secret));
	crypto_public_key(key, secret);
	age_recipient_format(pair->recipient, key);
	identity_format(identity, secret);
	format_stamp(stamp);
	pair->size = (size_t)snprintf(pair->text, sizeof(pair->text),
				      "# created: %s\n# public key: %s\n%s\n", stamp,
				      pair->recipient, identity);
	crypto_wipe(secret, sizeof(secret));
	crypto_wipe(identity, sizeof(identity));
}

static int write_all(int fd, const char *text, size_t size)
{
	while (size > 0) {
		ssize_t n = write(fd, text, size);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			text += n;
			size -= (size_t)n;
		}
	}
	return 0;
}

static int sync_folder_of(const char *path)
{
	char copy[PATH_MAX];
	int fd, r;

	if (!str_copy(copy, sizeof(copy), path))
		return -ENAMETOOLONG;
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = fsync(fd) < 0 ? -errno : 0;
	close(fd);
	return r;
}

static int write_file(const char *path, const struct pair *pair)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	int r;

	if (fd < 0)
		return -errno;
	r = write_all(fd, pair->text, pair->size);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (close(fd) < 0 && r == 0)
		r = -errno;
	if (r == 0)
		r = sync_folder_of(path);
	if (r < 0)
		unlink(path);
	return r;
}

/* Whoever sends the key elsewhere than to the screen still wants to see the recipient. */
static int deliver(const struct pair *pair, const char *path)
{
	int r = path != NULL ? write_file(path, pair)
			     : write_all(STDOUT_FILENO, pair->text, pair->size);

	if (r < 0) {
		fprintf(stderr, "keygen: %s: %s\n", path != NULL ? path : "stdout", strerror(-r));
		return FAILED;
	}
	if (path != NULL || !isatty(STDOUT_FILENO))
		fprintf(stderr, "Public key: %s\n", pair->recipient);
	return 0;
}

static int usage(FILE *to, int status)
{
	fputs("Usage: heapwatchctl keygen [-o FILE]\n"
	      "\n"
	      "Make a pair of age keys. Captures are sealed to the public key (capture.encrypt in\n"
	      "the configuration); the secret key opens them (export --identity FILE, or age -d).\n"
	      "Keep it off the machine the daemon runs on: nobody can open a capture without it.\n"
	      "\n"
	      "  -o, --output=FILE  Write to FILE, which must not exist, readable by you only\n"
	      "  -h, --help         Show this\n",
	      to);
	return status;
}

int keygen_command(int argc, char **argv)
{
	static const struct option options[] = {
		{ "output", required_argument, NULL, 'o' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	const char *path = NULL;
	struct pair pair;
	int option, r;

	optind = 0;
	while ((option = getopt_long(argc, argv, "o:h", options, NULL)) >= 0) {
		if (option == 'h')
			return usage(stdout, 0);
		if (option != 'o')
			return usage(stderr, MISUSED);
		path = optarg;
	}
	if (optind < argc)
		return usage(stderr, MISUSED);
	r = crypto_setup();
	if (r < 0) {
		fprintf(stderr, "keygen: libsodium does not start\n");
		return FAILED;
	}
	make_pair(&pair);
	r = deliver(&pair, path);
	crypto_wipe(&pair, sizeof(pair));
	return r;
}
