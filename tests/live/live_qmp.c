/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A monitor connection to a real QEMU, over UNIX and TCP.
 *
 *     live_qmp [QEMU]
 *
 * Starts a QEMU without a machine, whose monitor listens on a socket that was bound
 * here.  Opens the monitor, asks for version and state, sends one command out of band,
 * and ends QEMU with `quit'.  Exit status: 0 success, 1 failure, 77 no QEMU.
 */
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/proc.h"
#include "qmp/conn.h"
#include "qmp/migrate.h"

#define OPEN_MS    10000
#define COMMAND_MS 5000
#define TOTAL_MS   30000

struct world {
	struct loop *loop;
	struct qmp_conn *conn;
	struct proc *proc;
	struct loop_timer *timer;
	const char *step;
	uint64_t start_ms, ready_ms;
	bool has_quit, is_closed, has_ended, has_failed, saw_shutdown;
};

static void fail(struct world *w, const char *what, const char *why)
{
	printf("FAIL %s: %s: %s\n", w->step, what, why);
	w->has_failed = true;
	loop_stop(w->loop);
}

static void stop_if_over(struct world *w)
{
	if (w->is_closed && w->has_ended)
		loop_stop(w->loop);
}

/* ---- the conversation -------------------------------------------------- */

static void on_quit(void *data, struct json_object *result, const struct err *err)
{
	struct world *w = data;

	(void)result;
	if (err)
		fail(w, "quit", err->msg);
	w->has_quit = true;
}

static void on_yank(void *data, struct json_object *result, const struct err *err)
{
	struct world *w = data;

	(void)result;
	if (!err || err->code != ERR_QEMU) { /* there is nothing to yank */
		fail(w, "yank", err ? err->msg : "not refused");
		return;
	}
	printf("  out of band: %s\n", err->msg);
	qmp_command(w->conn, "quit", NULL, COMMAND_MS, on_quit, w);
}

static struct json_object *yank_args(void)
{
	struct json_object *args = json_object_new_object();
	struct json_object *list = json_object_new_array();
	struct json_object *one = json_object_new_object();

	json_add_str(one, "type", "migration");
	json_object_array_add(list, one);
	json_object_object_add(args, "instances", list);
	return args;
}

static void on_status(void *data, struct json_object *result, const struct err *err)
{
	struct world *w = data;

	if (err || qmp_run_state_decode(result) != QMP_RUN_RUNNING) {
		fail(w, "query-status", err ? err->msg : "not running");
		return;
	}
	qmp_command_oob(w->conn, "yank", yank_args(), COMMAND_MS, on_yank, w);
}

static void on_version(void *data, struct json_object *result, const struct err *err)
{
	struct world *w = data;
	struct json_object *qemu = err ? NULL : json_get_obj(result, "qemu");

	if (!qemu || json_get_int(qemu, "major", -1) != qmp_conn_version(w->conn)->major)
		fail(w, "query-version", err ? err->msg : "another version than the greeting's");
}

static void on_ready(void *data, const struct err *err)
{
	struct world *w = data;
	const struct qmp_version *v;

	if (err) {
		fail(w, "open", err->msg);
		return;
	}
	v = qmp_conn_version(w->conn);
	w->ready_ms = loop_now_ms(w->loop);
	printf("  QEMU %d.%d.%d (%s), oob %s\n", v->major, v->minor, v->micro, v->package,
	       qmp_conn_has_oob(w->conn) ? "yes" : "no");
	qmp_command(w->conn, "query-version", NULL, COMMAND_MS, on_version, w);
	qmp_command(w->conn, "query-status", NULL, COMMAND_MS, on_status, w);
}

static void on_event(void *data, const struct qmp_event *event)
{
	struct world *w = data;

	if (strcmp(event->name, "SHUTDOWN") == 0 && event->time_us > 0)
		w->saw_shutdown = true;
}

static void on_closed(void *data, const struct err *why)
{
	struct world *w = data;

	if (!w->has_quit || !w->saw_shutdown)
		fail(w, "closed before its reply to quit, or without SHUTDOWN", why->msg);
	w->is_closed = true;
	stop_if_over(w);
}

static void on_exit_of_qemu(void *data, int status)
{
	struct world *w = data;

	if (status != 0)
		fail(w, "QEMU's exit status", "not 0");
	w->has_ended = true;
	stop_if_over(w);
}

static void on_deadline(void *data)
{
	fail(data, "all of it", "not done in time");
}

/* ---- QEMU -------------------------------------------------------------- */

static bool start_qemu(struct world *w, const char *binary, int listen_fd, struct err *err)
{
	CLEANUP(free_charp) char *chardev = NULL;
	struct proc_id id;

	chardev = xasprintf("socket,id=mon,fd=%d,server=on,wait=off", listen_fd);
	const char *const argv[] = {
		binary, "-M",       "none",  "-nodefaults", "-display",
		"none", "-chardev", chardev, "-mon",        "chardev=mon,mode=control",
		NULL
	};
	const struct proc_args args = { .argv = argv, .keep_fds = &listen_fd, .keep_fd_count = 1 };

	if (!proc_spawn(&args, &id, err))
		return false;
	w->proc = proc_watch(w->loop, id, on_exit_of_qemu, w, err);
	return w->proc != NULL;
}

static bool run(const char *step, const char *binary, int listen_fd, const char *address)
{
	struct world w = { .step = step, .loop = loop_new() };
	const struct qmp_callbacks cb = { on_ready, on_event, on_closed, &w };
	struct err err;

	printf("%s\n", step);
	w.timer = loop_timer_new(w.loop, on_deadline, &w);
	loop_timer_start(w.timer, TOTAL_MS);
	w.start_ms = loop_now_ms(w.loop);
	if (!start_qemu(&w, binary, listen_fd, &err)) {
		fail(&w, "start", err.msg);
	} else {
		w.conn = qmp_conn_open(w.loop, address, OPEN_MS, &cb);
		loop_run(w.loop);
		printf("  ready %u ms after the start, all done after %u ms\n",
		       (unsigned)(w.ready_ms - w.start_ms),
		       (unsigned)(loop_now_ms(w.loop) - w.start_ms));
	}
	if (w.proc && !w.has_ended)
		proc_kill(w.proc, 9);
	qmp_conn_free(w.conn);
	proc_free(w.proc);
	loop_timer_free(w.timer);
	loop_free(w.loop);
	close(listen_fd);
	return !w.has_failed;
}

static bool run_unix(const char *binary)
{
	char dir[] = "/tmp/migrd-live-XXXXXX";
	CLEANUP(free_charp) char *address = NULL;
	struct err err;
	bool ok = false;
	int fd;

	if (!mkdtemp(dir))
		return false;
	address = xasprintf("unix:%s/monitor.sock", dir);
	if (!unix_listen(strchr(address, ':') + 1, SOCK_STREAM, &fd, &err))
		printf("FAIL %s\n", err.msg);
	else
		ok = run("unix", binary, fd, address);
	dir_remove(dir, &err);
	return ok;
}

static bool run_tcp(const char *binary)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	CLEANUP(free_charp) char *address = NULL;
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&in, len) < 0 || listen(fd, 1) < 0 ||
	    getsockname(fd, (struct sockaddr *)&in, &len) < 0) {
		perror("FAIL tcp");
		return false;
	}
	address = xasprintf("tcp:127.0.0.1:%u", ntohs(in.sin_port));
	return run("tcp", binary, fd, address);
}

static bool has_qemu(const char *binary)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		if (!freopen("/dev/null", "w", stdout))
			_exit(127);
		execlp(binary, binary, "--version", (char *)NULL);
		_exit(127);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

int main(int argc, char **argv)
{
	const char *binary = argc > 1 ? argv[1] : "qemu-system-x86_64";
	bool ok;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!has_qemu(binary)) {
		printf("SKIP: no %s\n", binary);
		return 77;
	}
	ok = run_unix(binary);
	ok = run_tcp(binary) && ok;
	return ok ? 0 : 1;
}
