/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libmicrohttpd alone: what a coordinator's rate of answers is compared with.
 *
 *     bare_http CA CERT KEY BYTES...
 *
 * Answers GET /0 with the first number of bytes, /1 with the next one and so on, over TLS as migrd
 * has it, by one thread.  Prints its port; ends when its standard input does. */
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
#define SIZES_MAX       32

static struct MHD_Response *responses[SIZES_MAX];
static size_t response_count;

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
	size_t number = strtoul(url + 1, NULL, 10);

	(void)method;
	(void)version;
	(void)upload;
	(void)upload_size;
	/* An answer at the first call, before the request is whole, ends the connection. */
	if (!*request) {
		*request = cls;
		return MHD_YES;
	}
	if (number >= response_count)
		return MHD_NO;
	return MHD_queue_response(connection, MHD_HTTP_OK, responses[number]);
}

static struct MHD_Response *make_response(size_t size)
{
	struct MHD_Response *response;
	char *text = malloc(size + 1);

	if (!text)
		exit(1);
	memset(text, 'x', size);
	response = MHD_create_response_from_buffer(size, text, MHD_RESPMEM_MUST_FREE);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
	return response;
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	struct MHD_Daemon *daemon;

	if (argc < 5 || argc - 4 > SIZES_MAX) {
		fputs("usage: bare_http CA CERT KEY BYTES...\n", stderr);
		return 2;
	}
	for (int i = 4; i < argc; i++)
		responses[response_count++] = make_response(strtoul(argv[i], NULL, 10));
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	daemon = MHD_start_daemon(MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_TLS | MHD_USE_ERROR_LOG, 0,
				  NULL, NULL, answer, responses, MHD_OPTION_SOCK_ADDR, &address,
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
	for (size_t i = 0; i < response_count; i++)
		MHD_destroy_response(responses[i]);
	return 0;
}
