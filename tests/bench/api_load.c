/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Clients of an HTTPS server that ask at a rate, or as fast as they are answered; one thread.
 *
 *     api_load PORT NAME CA CERT KEY CONNECTIONS RATE SECONDS PATH...
 *
 * The server at 127.0.0.1 proves to be NAME.  With a RATE (requests a second, of all connections)
 * the time of an answer counts from when the request was due, so a server that holds requests up is
 * not asked less for it; a connection has one request at a time.  RATE 0: as fast as answered.
 * Prints a JSON object. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX 256
#define ANSWER_MAX      (1 << 20)
#define PRIORITY        "NORMAL:-VERS-ALL:+VERS-TLS1.3"
#define SILENT_NS       UINT64_C(10000000000)

struct client {
	int fd;
	gnutls_session_t session;
	char *got;
	size_t len;
	size_t path;     /* of the next request */
	uint64_t due_ns; /* with a rate: of the next request; of the one under way before that */
	uint64_t since_ns;
	bool is_waiting; /* for an answer */
};

static struct client clients[CONNECTIONS_MAX];
static size_t client_count;
static char **paths;
static size_t path_count;
static uint64_t every_ns; /* 0: as fast as answered */
static uint32_t *times_us;
static size_t time_count, time_size;
static uint64_t bytes, errors;

static void die(const char *what)
{
	fprintf(stderr, "api_load: %s\n", what);
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void open_client(struct client *client, int port, const char *name,
			gnutls_certificate_credentials_t cred)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int rc;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(client->fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		die("cannot connect");
	if (gnutls_init(&client->session, GNUTLS_CLIENT) < 0 ||
	    gnutls_priority_set_direct(client->session, PRIORITY, NULL) < 0 ||
	    gnutls_credentials_set(client->session, GNUTLS_CRD_CERTIFICATE, cred) < 0)
		die("no session");
	gnutls_session_set_verify_cert(client->session, name, 0);
	gnutls_transport_set_int(client->session, client->fd);
	do
		rc = gnutls_handshake(client->session);
	while (rc < 0 && !gnutls_error_is_fatal(rc));
	if (rc < 0)
		die(gnutls_strerror(rc));
	client->got = malloc(ANSWER_MAX);
	if (!client->got)
		die("no memory");
}

static void lose(struct client *client)
{
	errors++;
	client->is_waiting = false;
	close(client->fd);
	client->fd = -1; /* poll() leaves it out */
}

static void send_request(struct client *client, uint64_t now)
{
	char text[512];
	int len = snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n",
			   paths[client->path++ % path_count]);
	ssize_t sent;

	client->since_ns = every_ns ? client->due_ns : now;
	client->due_ns += every_ns;
	client->is_waiting = true;
	client->len = 0;
	do
		sent = gnutls_record_send(client->session, text, (size_t)len);
	while (sent == GNUTLS_E_AGAIN || sent == GNUTLS_E_INTERRUPTED);
	if (sent != len)
		lose(client);
}

static void note_time(uint64_t ns)
{
	if (time_count == time_size) {
		time_size = time_size ? 2 * time_size : 65536;
		times_us = realloc(times_us, time_size * sizeof(*times_us));
		if (!times_us)
			die("no memory");
	}
	times_us[time_count++] = (uint32_t)(ns / 1000);
}

/* 0: it is not whole yet. */
static size_t answer_len(struct client *client)
{
	const char *end, *length;

	client->got[client->len] = '\0';
	end = strstr(client->got, "\r\n\r\n");
	length = strcasestr(client->got, "content-length:");
	if (!end || !length || length > end)
		return 0;
	return (size_t)(end - client->got) + 4 + strtoul(length + 15, NULL, 10);
}

static void receive(struct client *client)
{
	size_t wanted;
	ssize_t got;

	while (client->fd >= 0) {
		got = gnutls_record_recv(client->session, client->got + client->len,
					 ANSWER_MAX - 1 - client->len);
		if (got == GNUTLS_E_AGAIN)
			return;
		if (got == GNUTLS_E_INTERRUPTED)
			continue;
		if (got <= 0) {
			lose(client);
			return;
		}
		client->len += (size_t)got;
		wanted = answer_len(client);
		if (!wanted || client->len < wanted)
			continue;
		errors += strncmp(client->got, "HTTP/1.1 200 ", 13) != 0;
		bytes += wanted;
		note_time(now_ns() - client->since_ns);
		client->is_waiting = false;
		return;
	}
}

static void begin_due(uint64_t now)
{
	for (size_t i = 0; i < client_count; i++) {
		struct client *client = &clients[i];

		if (client->fd < 0)
			continue;
		if (client->is_waiting && now > client->since_ns + SILENT_NS)
			lose(client);
		else if (!client->is_waiting && now >= client->due_ns)
			send_request(client, now);
	}
}

static void run(uint64_t end_ns)
{
	struct pollfd fds[CONNECTIONS_MAX];
	uint64_t now;

	while ((now = now_ns()) < end_ns) {
		begin_due(now);
		for (size_t i = 0; i < client_count; i++)
			fds[i] = (struct pollfd){ .fd = clients[i].fd, .events = POLLIN };
		if (poll(fds, client_count, 1) < 0 && errno != EINTR)
			die("poll");
		for (size_t i = 0; i < client_count; i++)
			if (fds[i].fd >= 0 && fds[i].revents)
				receive(&clients[i]);
	}
}

/* A handshake of TLS 1.3 is over for a client before the server has verified it: with the first
 * answer it is over for both.  Connections that are not verified have little room. */
static void ask_once(struct client *client)
{
	send_request(client, 0);
	while (client->is_waiting)
		receive(client);
	if (errors)
		die("the first request has failed");
	fcntl(client->fd, F_SETFL, O_NONBLOCK);
	time_count = bytes = 0;
}

static int by_size(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	return (left > right) - (left < right);
}

static double percentile_ms(double share)
{
	return time_count ? times_us[(size_t)(share * (double)(time_count - 1))] / 1000.0 : 0;
}

int main(int argc, char **argv)
{
	gnutls_certificate_credentials_t cred;
	uint64_t begun_ns;
	double seconds;

	if (argc < 10)
		die("usage: api_load PORT NAME CA CERT KEY CONNECTIONS RATE SECONDS PATH...");
	gnutls_certificate_allocate_credentials(&cred);
	if (gnutls_certificate_set_x509_trust_file(cred, argv[3], GNUTLS_X509_FMT_PEM) < 1 ||
	    gnutls_certificate_set_x509_key_file(cred, argv[4], argv[5], GNUTLS_X509_FMT_PEM) < 0)
		die("cannot read the certificates");
	client_count = strtoul(argv[6], NULL, 10);
	if (client_count < 1 || client_count > CONNECTIONS_MAX)
		die("so many connections cannot be made");
	if (strtoul(argv[7], NULL, 10))
		every_ns = client_count * UINT64_C(1000000000) / strtoul(argv[7], NULL, 10);
	paths = argv + 9;
	path_count = (size_t)argc - 9;
	for (size_t i = 0; i < client_count; i++) {
		open_client(&clients[i], (int)strtol(argv[1], NULL, 10), argv[2], cred);
		ask_once(&clients[i]);
		clients[i].path = i;
	}
	begun_ns = now_ns();
	for (size_t i = 0; i < client_count; i++)
		clients[i].due_ns = begun_ns + i * every_ns / client_count;
	run(begun_ns + strtoul(argv[8], NULL, 10) * UINT64_C(1000000000));
	seconds = (double)(now_ns() - begun_ns) / 1e9;
	if (time_count)
		qsort(times_us, time_count, sizeof(*times_us), by_size);
	printf("{\"answers\": %zu, \"errors\": %llu, \"a_second\": %.1f, \"mean_bytes\": %llu, "
	       "\"p50_ms\": %.3f, \"p99_ms\": %.3f, \"p999_ms\": %.3f, \"max_ms\": %.3f}\n",
	       time_count, (unsigned long long)errors, (double)time_count / seconds,
	       (unsigned long long)(time_count ? bytes / time_count : 0), percentile_ms(0.5),
	       percentile_ms(0.99), percentile_ms(0.999), percentile_ms(1));
	return 0;
}
