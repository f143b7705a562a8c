#include "tls_gate.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char make_certificates[] =
	"cd '%s' && exec >log 2>&1 && new='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1' && "
	"for ca in ca other; do openssl req -x509 $new -nodes -keyout $ca.key -subj /CN=$ca -days "
	"2 "
	"-out $ca.pem || exit 1; done && "
	"echo subjectAltName=IP:127.0.0.1,DNS:inspector.example >ext && "
	"for who in server client; do openssl req $new -nodes -keyout $who.key -subj /CN=$who "
	"-out $who.csr && openssl x509 -req -in $who.csr -CA ca.pem -CAkey ca.key -CAcreateserial "
	"-days 2 -extfile ext -out $who.pem || exit 1; done && "
	"openssl ec -in client.key -aes128 -passout pass:secret -out locked.key";

const char *tls_gate_file(const struct tls_gate *gate, const char *name)
{
	static char paths[4][128];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", gate->folder, name);
	return path;
}

static bool write_all(int fd, const char *data, int size)
{
	while (size > 0) {
		ssize_t n = write(fd, data, (size_t)size);

		if (n <= 0)
			return false;
		data += n;
		size -= (int)n;
	}
	return true;
}

/* Until one side ends. */
static void pump(SSL *ssl, int server)
{
	struct pollfd fds[2] = { { .fd = SSL_get_fd(ssl), .events = POLLIN },
				 { .fd = server, .events = POLLIN } };
	char data[16384];

	for (;;) {
		bool pending = SSL_pending(ssl) > 0;
		int n;

		if (!pending && poll(fds, 2, 20000) <= 0)
			return;
		if (pending || fds[0].revents != 0) {
			n = SSL_read(ssl, data, sizeof(data));
			if (n <= 0 || !write_all(server, data, n))
				return;
		}
		if (!pending && fds[1].revents != 0) {
			n = (int)read(server, data, sizeof(data));
			if (n <= 0 || SSL_write(ssl, data, n) != n)
				return;
		}
	}
}

static void serve(struct tls_gate *gate, int client)
{
	struct sockaddr_storage where;
	socklen_t size = (socklen_t)address_to_sockaddr(&gate->to, &where);
	SSL *ssl = SSL_new(gate->context);
	int server = -1;

	if (ssl != NULL && SSL_set_fd(ssl, client) == 1 && SSL_accept(ssl) == 1) {
		server = socket(where.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (connect(server, (struct sockaddr *)&where, size) == 0)
			pump(ssl, server);
		(void)SSL_shutdown(ssl);
	}
	SSL_free(ssl);
	if (server >= 0)
		close(server);
}

static void *run(void *arg)
{
	struct tls_gate *gate = arg;

	for (;;) {
		int client = accept4(gate->fd, NULL, NULL, SOCK_CLOEXEC);

		if (__atomic_load_n(&gate->stopping, __ATOMIC_SEQ_CST) || client < 0) {
			if (client >= 0)
				close(client);
			return NULL;
		}
		serve(gate, client);
		close(client);
	}
}

static void make_context(struct tls_gate *gate, int version, bool demands)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());

	cr_assert_not_null(context);
	cr_assert_eq(SSL_CTX_use_certificate_file(context, tls_gate_file(gate, "server.pem"),
						  SSL_FILETYPE_PEM),
		     1);
	cr_assert_eq(SSL_CTX_use_PrivateKey_file(context, tls_gate_file(gate, "server.key"),
						 SSL_FILETYPE_PEM),
		     1);
	cr_assert_eq(SSL_CTX_load_verify_file(context, tls_gate_file(gate, "ca.pem")), 1);
	SSL_CTX_set_verify(context,
			   demands ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT
				   : SSL_VERIFY_NONE,
			   NULL);
	if (version != 0) {
		SSL_CTX_set_min_proto_version(context, version);
		SSL_CTX_set_max_proto_version(context, version);
	}
	gate->context = context;
}

void tls_gate_start(struct tls_gate *gate, const struct address *to, int version, bool demands)
{
	struct sockaddr_in where = { .sin_family = AF_INET,
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(where);
	char command[2048];

	signal(SIGPIPE, SIG_IGN);
	*gate = (struct tls_gate){ .to = *to };
	snprintf(gate->folder, sizeof(gate->folder), "/tmp/test_tls_gate.XXXXXX");
	cr_assert_not_null(mkdtemp(gate->folder));
	snprintf(command, sizeof(command), make_certificates, gate->folder);
	cr_assert_eq(system(command), 0, "see %s/log", gate->folder);
	make_context(gate, version, demands);
	gate->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(gate->fd, (struct sockaddr *)&where, size), 0);
	cr_assert_eq(listen(gate->fd, 8), 0);
	cr_assert_eq(getsockname(gate->fd, (struct sockaddr *)&where, &size), 0);
	gate->address = (struct address){ .family = ADDRESS_INET,
					  .host = "127.0.0.1",
					  .port = ntohs(where.sin_port),
					  .is_tls = true };
	cr_assert_eq(pthread_create(&gate->thread, NULL, run, gate), 0);
}

void tls_gate_stop(struct tls_gate *gate)
{
	char command[128];

	__atomic_store_n(&gate->stopping, true, __ATOMIC_SEQ_CST);
	shutdown(gate->fd, SHUT_RDWR);
	pthread_join(gate->thread, NULL);
	close(gate->fd);
	SSL_CTX_free(gate->context);
	snprintf(command, sizeof(command), "rm -r '%s'", gate->folder);
	cr_assert_eq(system(command), 0);
}
