/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/lib/stream_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>

#include "base/file.h"
#include "base/mem.h"
#include "tests/lib/test_pki.h"

#define LINK_TIMEOUT_MS 20000

#define MUST(condition) MUST_MSG(condition, "%s", "")
#define MUST_MSG(condition, ...)                                                        \
	do {                                                                            \
		if (!(condition)) {                                                     \
			fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition); \
			fprintf(stderr, __VA_ARGS__);                                   \
			fputc('\n', stderr);                                            \
			abort();                                                        \
		}                                                                       \
	} while (0)

/* ---- rig ------------------------------------------------------------- */

char dir[64];
struct loop *loop;
struct stream_port *port;
struct side src, dst, other; /* other: a second source */
char move_id[ID_UUID_SIZE];
static char token[ID_TOKEN_SIZE];
int qemu_listen_fd = -1;

static void on_ready(void *data, const struct err *err)
{
	struct side *side = data;

	side->is_ready = true;
	side->is_refused = err != NULL;
	if (err)
		side->ready_err = *err;
	loop_stop(loop);
}

static void on_status(void *data, const struct stream_status *status)
{
	struct side *side = data;

	side->status = *status;
	side->is_reported = true;
	loop_stop(loop);
}

static void on_exited(void *data)
{
	struct side *side = data;

	side->is_exited = true;
	loop_stop(loop);
}

struct stream_callbacks callbacks_of(struct side *side)
{
	return (struct stream_callbacks){ on_ready, on_status, on_exited, side };
}

bool is_claim_lost, keeps_claims;
unsigned claims;
static int claimed_fds[256]; /* of our own */

bool on_claim(void *data, const struct stream_preamble *preamble, int fd)
{
	(void)data;
	if (is_claim_lost) {
		is_claim_lost = false;
		close(fd);
		return true;
	}
	if (strcmp(preamble->move_id, move_id) != 0 || !dst.stream)
		return false;
	MUST(claims < ARRAY_LEN(claimed_fds));
	claimed_fds[claims++] = keeps_claims ? dup(fd) : -1;
	stream_accept(dst.stream, fd, preamble->channel);
	return true;
}

void cut_claim(unsigned claim)
{
	MUST(claim < claims);
	(void)shutdown(claimed_fds[claim], SHUT_RDWR);
}

static void on_deadline(void *data)
{
	*(bool *)data = true;
	loop_stop(loop);
}

/* Runs the loop until IS_TRUE(SIDE), for at most MS; returns whether it is true. */
bool run_until(condition *is_true, const struct side *side, uint64_t ms)
{
	bool is_late = false;
	struct loop_timer *timer = loop_timer_new(loop, on_deadline, &is_late);

	loop_timer_start(timer, ms);
	while (!is_true(side) && !is_late)
		loop_run(loop);
	loop_timer_free(timer);
	return is_true(side);
}

bool is_ready(const struct side *side)
{
	return side->is_ready;
}

bool is_exited(const struct side *side)
{
	return side->is_exited;
}

bool is_channel_ready(const struct side *side)
{
	return side->status.state >= STREAM_CHANNEL_READY;
}

bool is_open(const struct side *side)
{
	return side->status.state >= STREAM_CHANNEL_OPEN;
}

bool has_ended(const struct side *side)
{
	return side->status.state >= STREAM_CHANNEL_CLOSED;
}

static bool is_reported(const struct side *side)
{
	return side->is_reported;
}

void settle(struct side *side)
{
	/* The first report may be one that was on its way. */
	for (int i = 0; i < 2; i++) {
		side->is_reported = false;
		stream_refresh(side->stream);
		MUST(run_until(is_reported, side, WAIT_MS));
	}
}

/* dst: a connection was refused, and the channel waits for a better one. */
bool has_refused(const struct side *side)
{
	return side->status.error[0] != '\0';
}

bool never(const struct side *side)
{
	(void)side;
	return false;
}

void make_side(struct side *side, enum stream_side which, const char *name, const char *cert,
	       const char *peer_id)
{
	const char *builddir = getenv("builddir");
	struct err err;

	memset(side, 0, sizeof(*side));
	side->config.side = which;
	side->config.link_timeout_ms = LINK_TIMEOUT_MS;
	snprintf(side->config.move_id, sizeof(side->config.move_id), "%s", move_id);
	snprintf(side->config.token, sizeof(side->config.token), "%s", token);
	snprintf(side->config.peer_id, sizeof(side->config.peer_id), "%s", peer_id);
	snprintf(side->config.dir, sizeof(side->config.dir), "%s/%s", dir, name);
	snprintf(side->config.program, sizeof(side->config.program), "%s/bin/migrd-stream",
		 builddir ? builddir : ".");
	snprintf(side->config.ca_file, sizeof(side->config.ca_file), "%s/pki/%sca.pem", dir,
		 strncmp(cert, "stranger", 8) == 0 ? "stranger-" : "");
	snprintf(side->config.cert_file, sizeof(side->config.cert_file), "%s/pki/%s.pem", dir,
		 cert);
	snprintf(side->config.key_file, sizeof(side->config.key_file), "%s/pki/%s-key.pem", dir,
		 cert);
	snprintf(side->config.data_address, sizeof(side->config.data_address), "127.0.0.1:%u",
		 stream_port_number(port));
	MUST(dir_make(side->config.dir, 0700, &err));
}

void start(struct side *side)
{
	const struct stream_callbacks cb = callbacks_of(side);
	struct err err;

	side->stream = stream_start(loop, &side->config, &cb, &side->id, &err);
	MUST_MSG(side->stream != NULL, "%s", err.msg);
	MUST(run_until(is_ready, side, WAIT_MS));
}

void start_well(struct side *side)
{
	start(side);
	MUST_MSG(!side->is_refused, "%s", side->ready_err.msg);
}

void stop(struct side *side)
{
	if (side->stream) {
		stream_kill(side->stream);
		if (!side->is_exited && !side->is_refused)
			MUST(run_until(is_exited, side, WAIT_MS));
	}
	stream_free(side->stream);
	side->stream = NULL;
}

/* A report of a sanitizer is in the process's log, which is deleted with the directory. */
static void check_log(const char *name)
{
	CLEANUP(free_charp) char *text = NULL;
	char path[128];
	struct err err;

	snprintf(path, sizeof(path), "%s/%s/stream.log", dir, name);
	if (file_read_tail(path, 65536, &text, &err))
		MUST_MSG(!strstr(text, "Sanitizer") && !strstr(text, "runtime error:") &&
				 !strstr(text, "ssertion"),
			 "%s", text);
}

static void remove_dir(const char *name)
{
	char path[128];
	struct err err;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	MUST_MSG(dir_remove(path, &err), "%s", err.msg);
}

void set_up(void)
{
	char path[160];
	struct err err;

	snprintf(dir, sizeof(dir), "/tmp/migrd-test-XXXXXX");
	MUST(mkdtemp(dir) != NULL);
	snprintf(path, sizeof(path), "%s/pki", dir);
	MUST(dir_make(path, 0700, &err));
	test_pki_make(path);
	id_uuid_new(move_id);
	id_token_new(token);
	loop = loop_new();
	port = stream_port_new(loop, "127.0.0.1:0", on_claim, NULL, &err);
	MUST_MSG(port != NULL, "%s", err.msg);
	make_side(&src, STREAM_SRC, "src", "a", "b");
	make_side(&dst, STREAM_DST, "dst", "b", "a");
	make_side(&other, STREAM_SRC, "other", "a", "b");
	snprintf(path, sizeof(path), "%s/ram.sock", dst.config.dir);
	MUST_MSG(unix_listen(path, SOCK_STREAM, &qemu_listen_fd, &err), "%s", err.msg);
}

void tear_down(void)
{
	stop(&src);
	stop(&dst);
	stop(&other);
	stream_port_free(port);
	loop_free(loop);
	close(qemu_listen_fd);
	while (claims > 0)
		closep(&claimed_fds[--claims]);
	keeps_claims = false;
	check_log("src");
	check_log("dst");
	check_log("other");
	remove_dir("src");
	remove_dir("dst");
	remove_dir("other");
	remove_dir("pki");
	remove_dir("");
}

/* Both processes run, and their channel is READY. */
void set_up_ready(void)
{
	set_up();
	start_well(&dst);
	start_well(&src);
	MUST_MSG(run_until(is_channel_ready, &src, WAIT_MS), "%s", dst.status.error);
	MUST(run_until(is_channel_ready, &dst, WAIT_MS));
	MUST(src.status.state == STREAM_CHANNEL_READY);
	MUST(dst.status.state == STREAM_CHANNEL_READY);
}

/* ---- QEMUs ----------------------------------------------------------- */

int src_qemu = -1, dst_qemu = -1;

static void set_blocking(int fd)
{
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
}

int connect_qemu(const char *channel)
{
	char path[160];
	struct err err;
	int fd;

	snprintf(path, sizeof(path), "%s/%s.sock", src.config.dir, channel);
	MUST_MSG(unix_connect(path, SOCK_STREAM, &fd, &err), "%s", err.msg);
	set_blocking(fd);
	return fd;
}

void connect_src_qemu(void)
{
	src_qemu = connect_qemu("ram");
}

bool wait_for(int fd, short events, int ms)
{
	struct pollfd pfd = { .fd = fd, .events = events };

	return poll(&pfd, 1, ms) == 1;
}

int accept_qemu(int listen_fd)
{
	int fd;

	MUST(wait_for(listen_fd, POLLIN, WAIT_MS));
	fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
	MUST(fd >= 0);
	return fd;
}

static void accept_dst_qemu(void)
{
	dst_qemu = accept_qemu(qemu_listen_fd);
}

void send_bytes(int fd, const char *text)
{
	MUST(send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text));
}

void expect_bytes(int fd, const char *text)
{
	char buf[64] = "";
	size_t len = 0;

	while (len < strlen(text)) {
		ssize_t rc;

		MUST(wait_for(fd, POLLIN, WAIT_MS));
		rc = recv(fd, buf + len, strlen(text) - len, 0);
		MUST(rc > 0);
		len += (size_t)rc;
	}
	MUST(strcmp(buf, text) == 0);
}

/* Both QEMUs are connected, and a byte has gone each way. */
void set_up_open(void)
{
	set_up_ready();
	connect_src_qemu();
	send_bytes(src_qemu, "Q");
	accept_dst_qemu();
	expect_bytes(dst_qemu, "Q");
	send_bytes(dst_qemu, "R");
	expect_bytes(src_qemu, "R");
	MUST(run_until(is_open, &src, WAIT_MS));
	MUST(run_until(is_open, &dst, WAIT_MS));
}

void tear_down_open(void)
{
	if (src_qemu >= 0)
		close(src_qemu);
	if (dst_qemu >= 0)
		close(dst_qemu);
	tear_down();
}

/* End of file or reset, within MS. */
bool sees_end(int fd, int ms)
{
	char buf[65536];
	ssize_t rc;

	do {
		if (!wait_for(fd, POLLIN, ms))
			return false;
		rc = recv(fd, buf, sizeof(buf), 0);
	} while (rc > 0);
	return true;
}

/* ---- much data ------------------------------------------------------- */

static uint64_t mix(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15u); /* splitmix64 */

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static uint64_t fnv(uint64_t sum, const void *data, size_t len)
{
	const unsigned char *p = data;

	for (size_t i = 0; i < len; i++)
		sum = (sum ^ p[i]) * 0x100000001b3u;
	return sum;
}

void *run_writer(void *arg)
{
	struct flow *flow = arg;
	uint64_t block[4096];
	uint64_t done = 0;

	while (done < flow->bytes) {
		size_t len = sizeof(block), sent = 0;

		for (size_t i = 0; i < ARRAY_LEN(block); i++)
			block[i] = mix(&flow->seed);
		if (len > flow->bytes - done)
			len = (size_t)(flow->bytes - done);
		flow->checksum = fnv(flow->checksum, block, len);
		while (sent < len) {
			ssize_t rc = send(flow->fd, (char *)block + sent, len - sent, MSG_NOSIGNAL);

			if (rc < 0)
				return NULL;
			sent += (size_t)rc;
		}
		done += len;
	}
	shutdown(flow->fd, SHUT_WR);
	flow->is_whole = true;
	return NULL;
}

void *run_reader(void *arg)
{
	struct flow *flow = arg;
	char buf[65536];
	ssize_t rc;

	while ((rc = recv(flow->fd, buf, sizeof(buf), 0)) > 0) {
		flow->checksum = fnv(flow->checksum, buf, (size_t)rc);
		flow->bytes += (uint64_t)rc;
	}
	flow->is_whole = rc == 0;
	return NULL;
}
