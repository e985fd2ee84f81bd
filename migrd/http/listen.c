/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sockets, and the library's daemons on them. */
#include <errno.h>
#include <netdb.h>
#include <sys/socket.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "http/internal.h"
#include "tls/identity.h"

#define BACKLOG 128
/* Per connection: header block, then reply buffer. Over HTTP_HEADER_MAX, so
 * that too long a header meets our own answer first. */
#define CONNECTION_MEMORY_BYTES ((size_t)32 << 10)
#define PEM_MAX_BYTES           (256u << 10)
/* Room for connections that had to give way and that the library has not closed yet. */
#define ENDING_MAX 128

static void addrinfo_freep(struct addrinfo **list)
{
	if (*list)
		freeaddrinfo(*list);
}

/* "HOST:PORT" or "[V6]:PORT", numeric: nothing here may wait for a resolver. */
static bool parse_address(const char *text, struct addrinfo **ret, struct err *err)
{
	CLEANUP(free_charp) char *host = xstrdup(text);
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
				  .ai_socktype = SOCK_STREAM };
	char *colon = strrchr(host, ':');
	char *name = host;
	size_t len;

	if (!colon)
		return err_set(err, ERR_INVALID, "'%s' is not ADDRESS:PORT", text);
	*colon = '\0';
	len = strlen(name);
	if (len > 2 && name[0] == '[' && name[len - 1] == ']') {
		name[len - 1] = '\0';
		name++;
	}
	if (getaddrinfo(name, colon + 1, &hints, ret) != 0)
		return err_set(err, ERR_INVALID, "'%s' is not a numeric ADDRESS:PORT", text);
	return true;
}

static uint16_t bound_port(int fd)
{
	struct sockaddr_storage address = { 0 };
	socklen_t len = sizeof(address);
	char port[8] = "0";

	if (getsockname(fd, (struct sockaddr *)&address, &len) == 0)
		getnameinfo((struct sockaddr *)&address, len, NULL, 0, port, sizeof(port),
			    NI_NUMERICSERV);
	return (uint16_t)strtoul(port, NULL, 10);
}

bool http_listen_tcp(const char *listen_address, int *ret_fd, uint16_t *ret_port, struct err *err)
{
	CLEANUP(addrinfo_freep) struct addrinfo *info = NULL;
	CLEANUP(closep) int fd = -1;
	int on = 1;

	if (!parse_address(listen_address, &info, err))
		return false;
	fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_errno(err, "cannot make a socket for '%s'", listen_address);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, info->ai_addr, info->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0)
		return err_errno(err, "cannot listen on '%s'", listen_address);
	*ret_port = bound_port(fd);
	*ret_fd = TAKE_FD(fd);
	return true;
}

static void library_log(void *cls, const char *format, va_list ap)
{
	char text[256];

	(void)cls;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	vsnprintf(text, sizeof(text), format, ap);
#pragma GCC diagnostic pop
	text[strcspn(text, "\n")] = '\0';
	log_debug("http", "library", "text=%s", text);
}

/* Routes are matched on the raw path, which the URI callback keeps: the
 * library's own decoding would turn %2F into a separator. */
static size_t keep_escaped(void *cls, struct MHD_Connection *connection, char *text)
{
	(void)cls;
	(void)connection;
	return strlen(text);
}

/* poll() and not epoll: with epoll, libmicrohttpd 0.9.75 (Debian 12) thinks that a connection
 * whose TLS handshake waits for the client has input, and tries to read it again and again, so
 * that a client that sends three bytes keeps a CPU busy. */
static struct MHD_Daemon *start(struct http_server *server, unsigned flags, int listen_fd,
				struct MHD_OptionItem *extra)
{
	return MHD_start_daemon(flags | MHD_USE_POLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME |
					MHD_ALLOW_UPGRADE | MHD_USE_ERROR_LOG,
				0, NULL, NULL, http_on_access, server, MHD_OPTION_EXTERNAL_LOGGER,
				library_log, NULL, MHD_OPTION_LISTEN_SOCKET, listen_fd,
				MHD_OPTION_UNESCAPE_CALLBACK, keep_escaped, NULL,
				MHD_OPTION_URI_LOG_CALLBACK, http_on_uri, server,
				MHD_OPTION_NOTIFY_COMPLETED, http_on_completed, server,
				MHD_OPTION_NOTIFY_CONNECTION, http_conn_notify, server,
				MHD_OPTION_CONNECTION_LIMIT, http_shares_total() + ENDING_MAX,
				MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY_BYTES,
				MHD_OPTION_ARRAY, extra, MHD_OPTION_END);
}

static bool read_pem(const char *path, char **ret, struct err *err)
{
	size_t len;

	return file_read(path, PEM_MAX_BYTES, ret, &len, err);
}

static void wipe_free(char **key)
{
	if (*key)
		explicit_bzero(*key, strlen(*key));
	free(*key);
}

struct MHD_Daemon *http_start_tls(struct http_server *server, const struct http_config *config,
				  int listen_fd, struct err *err)
{
	CLEANUP(wipe_free) char *key = NULL;
	CLEANUP(free_charp) char *ca = NULL;
	CLEANUP(free_charp) char *cert = NULL;
	char priority[] = TLS_PRIORITY;
	struct MHD_Daemon *daemon;

	server->tls =
		tls_live_load_blocking(config->ca_file, config->cert_file, config->key_file, err);
	if (!server->tls || !read_pem(config->ca_file, &ca, err) ||
	    !read_pem(config->cert_file, &cert, err) || !read_pem(config->key_file, &key, err))
		return NULL;
	/* The library wants credentials of its own; each connection gets those of
	 * server->tls in their place (http_tls_prepare()). */
	daemon = start(server, MHD_USE_TLS, listen_fd,
		       (struct MHD_OptionItem[]){ { MHD_OPTION_HTTPS_MEM_TRUST, 0, ca },
						  { MHD_OPTION_HTTPS_MEM_CERT, 0, cert },
						  { MHD_OPTION_HTTPS_MEM_KEY, 0, key },
						  { MHD_OPTION_HTTPS_PRIORITIES, 0, priority },
						  { MHD_OPTION_END, 0, NULL } });
	if (!daemon)
		err_set(err, ERR_INTERNAL, "the HTTPS server did not start on '%s'",
			config->listen);
	return daemon;
}

struct MHD_Daemon *http_start_local(struct http_server *server, int listen_fd, struct err *err)
{
	struct MHD_Daemon *daemon = start(server, 0, listen_fd,
					  (struct MHD_OptionItem[]){ { MHD_OPTION_END, 0, NULL } });

	if (!daemon)
		err_set(err, ERR_INTERNAL, "the server did not start on its UNIX socket '%s'",
			server->socket_path);
	return daemon;
}
