/* TLS against a server of OpenSSL's own: who is trusted, who is not, and what is said of it. */

#include "net/tls.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/access.h"
#include "peer.h"
#include "tls_gate.h"
#include "util/err.h"

static struct server server;
static struct tls_gate gate;

/* Gives back what it gets, until the client ends. */
static void echo(struct peer *peer)
{
	char data[4096];
	ssize_t n;

	while ((n = read(peer->fd, data, sizeof(data))) > 0)
		if (!peer_write(peer, data, (size_t)n))
			return;
}

static void start(int version, bool demands)
{
	server_start(&server, NULL, echo, NULL);
	tls_gate_start(&gate, &server.address, version, demands);
}

static void stop(void)
{
	tls_gate_stop(&gate);
	(void)server_stop(&server);
}

static struct access_files good_files(void)
{
	return (struct access_files){
		.ca_file = strdup(tls_gate_file(&gate, "ca.pem")),
		.cert_file = strdup(tls_gate_file(&gate, "client.pem")),
		.key_file = strdup(tls_gate_file(&gate, "client.key")),
	};
}

static void drop_files(struct access_files *files)
{
	free((char *)files->ca_file);
	free((char *)files->cert_file);
	free((char *)files->key_file);
}

static void wait_for(const struct tls *tls, int fd)
{
	struct pollfd pollfd = { .fd = fd, .events = tls_wants_write(tls) ? POLLOUT : POLLIN };

	cr_assert_eq(poll(&pollfd, 1, 20000), 1, "nothing comes");
}

/* The result of a handshake with these files, then of a first read where that failed not yet. */
static int handshake(const struct access_files *files, struct err *err, struct tls **ret,
		     int *ret_fd)
{
	struct sockaddr_storage where;
	socklen_t size = (socklen_t)address_to_sockaddr(&gate.address, &where);
	struct address to = gate.address;
	struct tls *tls = NULL;
	int r;

	cr_assert_eq(access_new(&to.access, files), 0);
	*ret_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(connect(*ret_fd, (struct sockaddr *)&where, size), 0);
	cr_assert_eq(fcntl(*ret_fd, F_SETFL, O_NONBLOCK), 0);
	r = tls_new(&tls, *ret_fd, &to, err);
	access_unref(to.access);
	while (r == 0 && (r = tls_handshake(tls, err)) == -EAGAIN) {
		wait_for(tls, *ret_fd);
		r = 0;
		continue;
	}
	*ret = tls;
	return r;
}

static void talk(struct tls *tls, int fd)
{
	static const char words[] = "hear, hear";
	char heard[sizeof(words)] = "";
	size_t got = 0;
	ssize_t n;

	cr_assert_eq(tls_write(tls, words, sizeof(words)), sizeof(words));
	while (got < sizeof(words)) {
		n = tls_read(tls, heard + got, sizeof(heard) - got);
		if (n == -EAGAIN) {
			wait_for(tls, fd);
			continue;
		}
		cr_assert_gt(n, 0, "%s", tls_reason(tls));
		got += (size_t)n;
	}
	cr_expect_str_eq(heard, words);
	cr_expect_eq(tls_read(tls, heard, 1), -EAGAIN);
	cr_expect_not(tls_pending(tls));
}

static void expect_in(const struct access_files *files)
{
	struct err err = { 0 };
	struct tls *tls;
	int fd;

	cr_assert_eq(handshake(files, &err, &tls, &fd), 0, "%s", err.text);
	talk(tls, fd);
	tls_free(tls);
	close(fd);
}

static void expect_out(const struct access_files *files, int wanted, const char *text)
{
	struct err err = { 0 };
	struct tls *tls;
	int fd, r = handshake(files, &err, &tls, &fd);

	cr_expect_eq(r, wanted, "%d, not %d: %s", r, wanted, err.text);
	cr_expect_not_null(strstr(err.text, text), "'%s' is not in '%s'", text, err.text);
	tls_free(tls);
	close(fd);
}

Test(tls, both_versions_with_certificates_of_both)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

	for (size_t i = 0; i < 2; i++) {
		struct access_files files;

		start(versions[i], true);
		files = good_files();
		expect_in(&files);
		drop_files(&files);
		stop();
	}
}

Test(tls, older_versions_are_refused)
{
	struct access_files files;

	start(TLS1_1_VERSION, false);
	files = good_files();
	expect_out(&files, -EPROTO, "TLS: ");
	drop_files(&files);
	stop();
}

Test(tls, whom_we_do_not_trust)
{
	struct access_files files, other;

	start(0, false);
	files = other = good_files();
	other.ca_file = tls_gate_file(&gate, "other.pem");
	expect_out(&other, -EACCES, "certificate");
	other.insecure_skip_verify = true;
	expect_in(&other);
	other = files;
	other.server_name = "inspector.example";
	expect_in(&other);
	other.server_name = "another.example";
	expect_out(&other, -EACCES, "ostname mismatch");
	/* The system knows nothing of our authority. */
	other = files;
	other.ca_file = NULL;
	expect_out(&other, -EACCES, "certificate");
	drop_files(&files);
	stop();
}

/* In TLS 1.2 within the handshake; in TLS 1.3 with the first read. */
Test(tls, who_does_not_trust_us)
{
	struct access_files files, without;
	struct err err = { 0 };
	struct tls *tls;
	char data;
	int fd;
	ssize_t n;

	start(TLS1_2_VERSION, true);
	files = without = good_files();
	without.cert_file = without.key_file = NULL;
	expect_out(&without, -EACCES, "handshake failure");
	drop_files(&files);
	stop();

	start(TLS1_3_VERSION, true);
	files = without = good_files();
	without.cert_file = without.key_file = NULL;
	cr_assert_eq(handshake(&without, &err, &tls, &fd), 0, "%s", err.text);
	while ((n = tls_read(tls, &data, 1)) == -EAGAIN)
		wait_for(tls, fd);
	cr_expect_eq(n, -EACCES, "%zd", n);
	cr_expect_not_null(strstr(tls_reason(tls), "certificate required"));
	tls_free(tls);
	close(fd);
	drop_files(&files);
	stop();
}

Test(tls, files_that_are_no_good)
{
	struct access_files files, bad;

	start(0, true);
	files = bad = good_files();
	bad.ca_file = tls_gate_file(&gate, "none.pem");
	expect_out(&bad, -EINVAL, "ca_file ");
	bad.ca_file = tls_gate_file(&gate, "log");
	expect_out(&bad, -EINVAL, "ca_file ");
	bad = files;
	bad.cert_file = tls_gate_file(&gate, "none.pem");
	expect_out(&bad, -EINVAL, "cert_file ");
	bad = files;
	bad.key_file = tls_gate_file(&gate, "other.key");
	expect_out(&bad, -EINVAL, "key values mismatch");
	bad = files;
	bad.key_file = tls_gate_file(&gate, "locked.key");
	expect_out(&bad, -EINVAL, "key_file ");
	/* Without key_file it is in cert_file, where there is none. */
	bad = files;
	bad.key_file = NULL;
	expect_out(&bad, -EINVAL, "key_file ");
	expect_in(&files);
	drop_files(&files);
	stop();
}

/* A server that speaks no TLS, and one that hangs up. */
static void speak_plainly(struct peer *peer)
{
	peer_puts(peer, "220 mail.example ESMTP\r\n");
	(void)peer_wait_end(peer);
}

static void hang_up(struct peer *peer)
{
	(void)peer;
}

static void expect_no_tls(peer_script *script, int wanted, int or)
{
	struct sockaddr_storage where;
	struct err err = { 0 };
	struct tls *tls;
	socklen_t size;
	int fd, r;

	signal(SIGPIPE, SIG_IGN);
	server_start(&server, NULL, script, NULL);
	server.address.is_tls = true;
	size = (socklen_t)address_to_sockaddr(&server.address, &where);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(connect(fd, (struct sockaddr *)&where, size), 0);
	cr_assert_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	cr_assert_eq(tls_new(&tls, fd, &server.address, &err), 0, "%s", err.text);
	while ((r = tls_handshake(tls, &err)) == -EAGAIN)
		wait_for(tls, fd);
	cr_expect(r == wanted || r == or, "%d: %s", r, err.text);
	tls_free(tls);
	close(fd);
	(void)server_stop(&server);
}

Test(tls, no_tls_there)
{
	expect_no_tls(speak_plainly, -EPROTO, -EPROTO);
	expect_no_tls(hang_up, -ECONNRESET, -EPIPE);
}

Test(tls, nothing_to_free)
{
	tls_free(NULL);
}
