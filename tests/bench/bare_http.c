/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libmicrohttpd alone: what a coordinator's rate of answers is compared with.
 *
 *     bare_http CA CERT KEY BYTES
 *
 * Answers each request with so many bytes, over TLS as migrd has it, by one thread.  Prints its
 * port; ends when its standard input does. */
#include <arpa/inet.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PRIORITY        "NORMAL:-VERS-ALL:+VERS-TLS1.3"
#define FILE_MAX        (1 << 16)
#define CONNECTIONS_MAX 256

static char *read_file(const char *path)
{
	FILE *file = fopen(path, "re");
	char *text = calloc(1, FILE_MAX);

	if (!file || !text || fread(text, 1, FILE_MAX - 1, file) == 0) {
		fprintf(stderr, "bare_http: cannot read %s\n", path);
		exit(1);
	}
	fclose(file);
	return text;
}

static enum MHD_Result answer(void *cls, struct MHD_Connection *connection, const char *url,
			      const char *method, const char *version, const char *upload,
			      size_t *upload_size, void **request)
{
	(void)url;
	(void)method;
	(void)version;
	(void)upload;
	(void)upload_size;
	/* An answer at the first call, before the request is whole, ends the connection. */
	if (!*request) {
		*request = cls;
		return MHD_YES;
	}
	return MHD_queue_response(connection, MHD_HTTP_OK, cls);
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	struct MHD_Response *response;
	struct MHD_Daemon *daemon;
	size_t size;
	char *text;

	if (argc != 5) {
		fputs("usage: bare_http CA CERT KEY BYTES\n", stderr);
		return 2;
	}
	size = strtoul(argv[4], NULL, 10);
	text = malloc(size + 1);
	if (!text)
		return 1;
	memset(text, 'x', size);
	response = MHD_create_response_from_buffer(size, text, MHD_RESPMEM_MUST_FREE);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	daemon = MHD_start_daemon(MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_TLS | MHD_USE_ERROR_LOG, 0,
				  NULL, NULL, answer, response, MHD_OPTION_SOCK_ADDR, &address,
				  MHD_OPTION_HTTPS_MEM_TRUST, read_file(argv[1]),
				  MHD_OPTION_HTTPS_MEM_CERT, read_file(argv[2]),
				  MHD_OPTION_HTTPS_MEM_KEY, read_file(argv[3]),
				  MHD_OPTION_HTTPS_PRIORITIES, PRIORITY,
				  MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX, MHD_OPTION_END);
	if (!daemon)
		return 1;
	printf("%u\n", MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
	fflush(stdout);
	while (getchar() != EOF)
		;
	MHD_stop_daemon(daemon);
	MHD_destroy_response(response);
	return 0;
}
