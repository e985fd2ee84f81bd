/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A cheap process in place of QEMU, for benchmarks with a thousand of them: two
 * monitors that answer, and no guest.  It takes migrd's command line for QEMU, and
 * gets orders on its console (-chardev socket,id=serial0,path=):
 *
 *     event      sends STOP and RESUME in turn, and answers "NANOSECONDS\n": the
 *                monotonic time just before the event
 *     slow MS    from now on answers each command MS late, and in two pieces
 *     flood      sends events on its first monitor for ever, as fast as they are read
 */
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "base/mem.h"

#define MONITORS    2
#define LINE_SIZE   4096
#define PENDING_MAX 64

struct line {
	int fd;
	char text[LINE_SIZE];
	size_t len;
};

struct pending {
	uint64_t due_ms;
	int fd;
	char text[512];
};

static char uuid[64], name[64], console_path[108], pid_file[256];
static int listeners[MONITORS];
static struct line monitors[MONITORS] = { { .fd = -1 }, { .fd = -1 } };
static struct line console = { .fd = -1 };
static struct pending pending[PENDING_MAX];
static size_t pending_count;
static uint64_t slow_ms;
static bool is_running;

static const char flood_event[] =
	"{\"event\":\"BLOCK_IO_ERROR\",\"data\":{\"device\":\"x\",\"node-name\":\"disk-node\","
	"\"operation\":\"write\",\"action\":\"report\",\"nospace\":false,"
	"\"reason\":\"no medium in this drive\"},"
	"\"timestamp\":{\"seconds\":1,\"microseconds\":0}}\r\n";
static bool is_flooding;
static size_t flood_sent; /* bytes of the present event that were sent */

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static uint64_t now_ms(void)
{
	return now_ns() / 1000000;
}

/* ---- the flood ------------------------------------------------------- */

static void end_event(void)
{
	const char *rest = flood_event + flood_sent;

	if (flood_sent && send(monitors[0].fd, rest, strlen(rest), MSG_NOSIGNAL) < 0)
		exit(1);
	flood_sent = 0;
}

/* Sends events until the other end is full. */
static void flood(void)
{
	for (;;) {
		const char *rest = flood_event + flood_sent;
		ssize_t n = send(monitors[0].fd, rest, strlen(rest), MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0)
			return;
		flood_sent = (flood_sent + (size_t)n) % strlen(flood_event);
	}
}

/* ---- words ----------------------------------------------------------- */

static void say(int fd, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(int fd, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (is_flooding && fd == monitors[0].fd)
		end_event();
	if (fd >= 0 && send(fd, text, (size_t)len, MSG_NOSIGNAL) != len)
		exit(1);
}

/* ---- the monitors ---------------------------------------------------- */

static void say_late(int fd, const char *text, size_t len, uint64_t delay_ms)
{
	struct pending *p = &pending[pending_count];

	if (pending_count == PENDING_MAX)
		exit(1);
	pending_count++;
	p->fd = fd;
	p->due_ms = now_ms() + delay_ms;
	snprintf(p->text, sizeof(p->text), "%.*s", (int)len, text);
}

static void say_due(void)
{
	size_t kept = 0;

	for (size_t i = 0; i < pending_count; i++) {
		if (pending[i].due_ms <= now_ms())
			say(pending[i].fd, "%s", pending[i].text);
		else
			pending[kept++] = pending[i];
	}
	pending_count = kept;
}

static void say_event(const char *event)
{
	for (size_t i = 0; i < MONITORS; i++)
		say(monitors[i].fd,
		    "{\"event\":\"%s\",\"timestamp\":{\"seconds\":1,\"microseconds\":0}}\r\n",
		    event);
}

static void set_running(bool running)
{
	if (running != is_running)
		say_event(running ? "RESUME" : "STOP");
	is_running = running;
}

/* The value of a string member; migrd writes members without spaces. */
static void member(const char *line, const char *key, char *ret, size_t size)
{
	char needle[32];
	const char *at;

	snprintf(needle, sizeof(needle), "\"%s\":\"", key);
	at = strstr(line, needle);
	at = at ? at + strlen(needle) : "";
	snprintf(ret, size, "%.*s", (int)strcspn(at, "\""), at);
}

static void result_of(const char *command, char *ret, size_t size)
{
	if (strcmp(command, "query-uuid") == 0)
		snprintf(ret, size, "{\"UUID\":\"%s\"}", uuid);
	else if (strcmp(command, "query-name") == 0)
		snprintf(ret, size, "{\"name\":\"%s\"}", name);
	else if (strcmp(command, "query-status") == 0)
		snprintf(ret, size, "{\"running\":%s,\"status\":\"%s\"}",
			 is_running ? "true" : "false", is_running ? "running" : "paused");
	else
		snprintf(ret, size, "{}");
}

static void on_command(struct line *monitor)
{
	char command[64], id[64], result[256], reply[512];
	size_t len;

	member(monitor->text, "execute", command, sizeof(command));
	member(monitor->text, "id", id, sizeof(id));
	if (strcmp(command, "cont") == 0 || strcmp(command, "stop") == 0)
		set_running(command[0] == 'c');
	result_of(command, result, sizeof(result));
	len = (size_t)snprintf(reply, sizeof(reply), "{\"return\":%s,\"id\":\"%s\"}\r\n", result,
			       id);
	if (slow_ms) {
		say_late(monitor->fd, reply, len / 2, slow_ms / 2);
		say_late(monitor->fd, reply + len / 2, len - len / 2, slow_ms);
	} else {
		say(monitor->fd, "%s", reply);
	}
	if (strcmp(command, "quit") == 0)
		exit(0);
}

static void accept_client(size_t i)
{
	monitors[i].fd = accept4(listeners[i], NULL, NULL, SOCK_CLOEXEC);
	monitors[i].len = 0;
	say(monitors[i].fd, "{\"QMP\":{\"version\":{\"qemu\":{\"micro\":0,\"minor\":2,\"major\":7},"
			    "\"package\":\"\"},"
			    "\"capabilities\":[\"oob\"]}}\r\n");
}

/* ---- the console ----------------------------------------------------- */

static void on_order(struct line *from)
{
	if (strncmp(from->text, "slow ", 5) == 0) {
		slow_ms = strtoull(from->text + 5, NULL, 10);
	} else if (strcmp(from->text, "flood") == 0) {
		is_flooding = true;
	} else if (strcmp(from->text, "event") == 0) {
		uint64_t at_ns = now_ns();

		set_running(!is_running);
		say(from->fd, "%llu\n", (unsigned long long)at_ns);
	}
}

static void connect_console(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", console_path);
	console.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(console.fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		exit(1);
	say(console.fd, "%s\n", name);
}

/* ---- life ------------------------------------------------------------ */

/* False: end of file. */
static bool read_lines(struct line *line, void (*on_line)(struct line *line))
{
	ssize_t n = recv(line->fd, line->text + line->len, sizeof(line->text) - 1 - line->len, 0);
	char *end;

	if (n <= 0)
		return false;
	line->len += (size_t)n;
	line->text[line->len] = '\0';
	while ((end = strchr(line->text, '\n'))) {
		*end = '\0';
		on_line(line);
		line->len -= (size_t)(end + 1 - line->text);
		memmove(line->text, end + 1, line->len + 1);
	}
	return true;
}

static void serve(void)
{
	struct pollfd fds[1 + 2 * MONITORS] = { { console.fd, POLLIN, 0 } };

	for (size_t i = 0; i < MONITORS; i++) {
		short out = is_flooding && i == 0 ? POLLOUT : 0;

		fds[1 + i] = (struct pollfd){ monitors[i].fd, (short)(POLLIN | out), 0 };
		fds[1 + MONITORS + i] =
			(struct pollfd){ monitors[i].fd < 0 ? listeners[i] : -1, POLLIN, 0 };
	}
	if (poll(fds, ARRAY_LEN(fds), pending_count ? 5 : -1) < 0)
		exit(1);
	if (fds[0].revents && !read_lines(&console, on_order))
		exit(0); /* the benchmark has ended */
	for (size_t i = 0; i < MONITORS; i++) {
		if ((fds[1 + i].revents & ~POLLOUT) && !read_lines(&monitors[i], on_command)) {
			close(monitors[i].fd);
			monitors[i].fd = -1;
			flood_sent = 0;
		}
		if (fds[1 + MONITORS + i].revents)
			accept_client(i);
	}
	say_due();
	if (is_flooding && monitors[0].fd >= 0)
		flood();
}

static void write_pid_file(void)
{
	int fd = open(pid_file, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (fd < 0 || fcntl(fd, F_SETLK, &lock) < 0 || dprintf(fd, "%d\n", (int)getpid()) < 0)
		exit(1);
}

static void take_option(const char *option, const char *value)
{
	unsigned number;
	int fd;

	if (strcmp(option, "-uuid") == 0)
		snprintf(uuid, sizeof(uuid), "%s", value);
	else if (strcmp(option, "-name") == 0)
		sscanf(value, "guest=%63[^,]", name);
	else if (strcmp(option, "-pidfile") == 0)
		snprintf(pid_file, sizeof(pid_file), "%s", value);
	else if (strcmp(option, "-chardev") == 0 &&
		 sscanf(value, "socket,id=mon%u,fd=%d", &number, &fd) == 2 && number < MONITORS)
		listeners[number] = fd;
	else if (strcmp(option, "-chardev") == 0)
		sscanf(value, "socket,id=serial0,path=%107[^,]", console_path);
}

int main(int argc, char **argv)
{
	for (int i = 1; i + 1 < argc; i++)
		take_option(argv[i], argv[i + 1]);
	write_pid_file();
	connect_console();
	for (;;)
		serve();
}
