/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/probe.h"

#include <errno.h>
#include <signal.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json_line.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/strbuf.h"
#include "cmdline/cmdline.h"
#include "qemu/offers.h"
#include "qemu/program.h"
#include "qmp/greeting.h"

/* QEMU without a machine answers within 0.2 s on an idle host. */
#define DEADLINE_MS 10000
/* The schema is 243 KiB in QEMU 11.1, the other answers 4 KiB. */
#define ANSWER_MAX_BYTES (2u << 20)

/* All questions are in the socket before QEMU starts.  The last one makes it quit, so
 * it ends even if we die. */
static const char questions[] =
	"{\"execute\":\"qmp_capabilities\"}\n"
	"{\"execute\":\"query-command-line-options\",\"arguments\":{\"option\":\"chardev\"},"
	"\"id\":\"options\"}\n"
	"{\"execute\":\"query-command-line-options\",\"arguments\":{\"option\":\"machine\"},"
	"\"id\":\"machine\"}\n"
	"{\"execute\":\"query-machines\",\"id\":\"machines\"}\n"
	"{\"execute\":\"query-migrate-capabilities\",\"id\":\"capabilities\"}\n"
	"{\"execute\":\"query-qmp-schema\",\"id\":\"schema\"}\n"
	"{\"execute\":\"migrate-set-capabilities\",\"arguments\":{\"capabilities\":["
	"{\"capability\":\"background-snapshot\",\"state\":true}]},"
	"\"id\":\"background-snapshot\"}\n"
	"{\"execute\":\"migrate-set-capabilities\",\"arguments\":{\"capabilities\":["
	"{\"capability\":\"background-snapshot\",\"state\":false}]}}\n"
	"{\"execute\":\"migrate-set-capabilities\",\"arguments\":{\"capabilities\":["
	"{\"capability\":\"postcopy-ram\",\"state\":true}]},\"id\":\"postcopy\"}\n"
	"{\"execute\":\"migrate-set-capabilities\",\"arguments\":{\"capabilities\":["
	"{\"capability\":\"postcopy-ram\",\"state\":true},"
	"{\"capability\":\"multifd\",\"state\":true}]},\"id\":\"postcopy-multifd\"}\n"
	"{\"execute\":\"quit\"}\n";

struct waiter {
	TAILQ_ENTRY(waiter) link;
	probe_fn *fn;
	void *data;
};
TAILQ_HEAD(waiters, waiter);

struct probe {
	struct loop *loop;
	const char *binary;
	struct program known_of; /* none: nothing is known */
	struct qemu_features known;
	struct qmp_version version; /* of it */
	char *machines;             /* of it: " NAME NAME " */
	struct waiters waiters;
	/* while it is asked */
	struct program asked_of;
	int fd;
	struct loop_watch *watch;
	struct proc *proc;
	struct strbuf answer;
	struct loop_timer *timer; /* the deadline; at once for a QEMU that cannot be started */
	struct err failure;
};

static struct program identify(const struct probe *probe)
{
	CLEANUP(free_charp) char *path = file_find_program(probe->binary);

	return path ? program_at(path) : (struct program){ 0 };
}

/* ---- the answer ------------------------------------------------------ */

/* What has been read of the answers so far. */
struct reading {
	struct qmp_version version; /* of the greeting */
	struct qemu_features features;
	struct strbuf machines;
	bool is_qemu; /* it has answered the first question */
};

/* [{"option": "chardev", "parameters": [{"name": ...}, ...]}] */
static bool has_parameter(struct json_object *options, const char *name)
{
	struct json_object *parameters =
		json_object_object_get(json_object_array_get_idx(options, 0), "parameters");

	for (size_t i = 0; json_object_is_type(parameters, json_type_array) &&
			   i < json_object_array_length(parameters);
	     i++) {
		const char *found = json_get_str(json_object_array_get_idx(parameters, i), "name");

		if (found && strcmp(found, name) == 0)
			return true;
	}
	return false;
}

/* NULL: REPLY is none with a list. */
static struct json_object *list_of(struct json_object *reply)
{
	struct json_object *list = json_object_object_get(reply, "return");

	return json_object_is_type(list, json_type_array) ? list : NULL;
}

static void read_options(struct json_object *reply, struct reading *ret)
{
	struct json_object *list = list_of(reply);

	ret->is_qemu = list != NULL;
	ret->features.has_reconnect_ms = list && has_parameter(list, "reconnect-ms");
}

static void read_machine(struct json_object *reply, struct reading *ret)
{
	struct json_object *list = list_of(reply);

	ret->features.has_aux_ram_share = list && has_parameter(list, "aux-ram-share");
}

static void add_machine(struct strbuf *names, const char *name)
{
	if (name)
		strbuf_addf(names, " %s ", name);
}

static void read_machines(struct json_object *reply, struct reading *ret)
{
	struct json_object *list = list_of(reply);

	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		struct json_object *machine = json_object_array_get_idx(list, i);

		add_machine(&ret->machines, json_get_str(machine, "name"));
		add_machine(&ret->machines, json_get_str(machine, "alias"));
	}
}

static void read_capabilities(struct json_object *reply, struct reading *ret)
{
	offers_read_capabilities(list_of(reply), &ret->features.migration);
}

static void read_schema(struct json_object *reply, struct reading *ret)
{
	if (list_of(reply))
		offers_read_schema(list_of(reply), &ret->features.migration);
}

static void read_background_snapshot(struct json_object *reply, struct reading *ret)
{
	offers_read_background_snapshot(reply, &ret->features.migration);
}

static void read_postcopy(struct json_object *reply, struct reading *ret)
{
	offers_read_postcopy(reply, &ret->features.migration);
}

static void read_postcopy_multifd(struct json_object *reply, struct reading *ret)
{
	offers_read_postcopy_multifd(reply, &ret->version, &ret->features.migration);
}

/* By the `id' of a question. */
static const struct {
	const char *id;
	void (*read)(struct json_object *reply, struct reading *ret);
} readers[] = {
	{ "options", read_options },
	{ "machine", read_machine },
	{ "machines", read_machines },
	{ "capabilities", read_capabilities },
	{ "schema", read_schema },
	{ "postcopy", read_postcopy },
	{ "postcopy-multifd", read_postcopy_multifd },
	{ "background-snapshot", read_background_snapshot },
};

static void read_line(const char *line, size_t len, struct reading *ret)
{
	static const struct json_line_limits limits = { .max_depth = 16, .max_structure = 100000 };
	struct err ignored;
	CLEANUP(json_putp)
	struct json_object *reply = json_line_parse(line, len, &limits, &ignored);
	const char *id = reply ? json_get_str(reply, "id") : NULL;
	bool has_oob;

	if (reply && json_get_obj(reply, "QMP"))
		(void)qmp_greeting_decode(json_get_obj(reply, "QMP"), &ret->version, &has_oob,
					  &ignored);
	for (size_t i = 0; id && i < ARRAY_LEN(readers); i++) {
		if (strcmp(readers[i].id, id) == 0)
			readers[i].read(reply, ret);
	}
}

static bool read_answer(struct probe *probe, struct qemu_features *ret, struct err *err)
{
	const char *text = strbuf_str(&probe->answer);
	struct reading reading = { .machines = STRBUF_INIT };

	for (const char *end; (end = strchr(text, '\n')); text = end + 1)
		read_line(text, (size_t)(end - text), &reading);
	*ret = reading.features;
	probe->version = reading.version;
	free(probe->machines);
	probe->machines = reading.machines.data ? strbuf_take(&reading.machines) : NULL;
	return reading.is_qemu ||
	       err_set(err, ERR_QEMU,
		       "'%s' does not answer as QEMU does; its own words are in "
		       "the log of migrd",
		       probe->binary);
}

/* ---- the process ----------------------------------------------------- */

static void stop_asking(struct probe *probe)
{
	loop_timer_stop(probe->timer);
	loop_watch_free(TAKE_PTR(probe->watch));
	closep(&probe->fd);
	probe->fd = -1; /* else a second call would close what has its number by then */
	if (probe->proc)
		proc_kill(probe->proc, SIGKILL); /* it has quit, or is not wanted any more */
	strbuf_fini(&probe->answer);
	probe->answer = (struct strbuf)STRBUF_INIT;
}

static void answer(struct probe *probe, const struct qemu_features *features, const struct err *err)
{
	struct waiter *waiter;

	stop_asking(probe);
	while ((waiter = TAILQ_FIRST(&probe->waiters))) {
		TAILQ_REMOVE(&probe->waiters, waiter, link);
		waiter->fn(waiter->data, features, err);
		free(waiter);
	}
}

static void on_end(struct probe *probe)
{
	struct qemu_features features = { 0 };
	struct err err;

	if (!read_answer(probe, &features, &err)) {
		answer(probe, NULL, &err);
		return;
	}
	probe->known = features;
	probe->known_of = probe->asked_of;
	log_info("qemu", "probed", "binary=%s reconnect_ms=%d aux_ram_share=%d", probe->binary,
		 features.has_reconnect_ms, features.has_aux_ram_share);
	answer(probe, &features, NULL);
	mem_trim(); /* the schema takes 3 MiB as a tree */
}

static void on_readable(void *data, unsigned ready)
{
	struct probe *probe = data;
	char bytes[32768];
	ssize_t n = read(probe->fd, bytes, sizeof(bytes));

	(void)ready;
	if (n > 0 && probe->answer.len + (size_t)n <= ANSWER_MAX_BYTES)
		strbuf_add(&probe->answer, bytes, (size_t)n);
	else if (n >= 0 || (errno != EAGAIN && errno != EINTR))
		on_end(probe); /* also if it says more than any QEMU would */
}

static void on_timer(void *data)
{
	struct probe *probe = data;
	struct err err = probe->failure;

	probe->failure = (struct err){ 0 };
	if (!err_is_set(&err))
		err_set(&err, ERR_TIMEOUT, "QEMU ('%s') has not said within %d s what it offers",
			probe->binary, DEADLINE_MS / 1000);
	answer(probe, NULL, &err);
}

/* Reaps the process; nobody waits for its exit. */
static void on_exited(void *data, int status)
{
	struct probe *probe = data;

	(void)status;
	proc_free(TAKE_PTR(probe->proc));
}

static bool make_sockets(int fds[2], struct err *err)
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return err_errno(err, "cannot make a pair of sockets");
	if (write(fds[0], questions, sizeof(questions) - 1) == (ssize_t)sizeof(questions) - 1)
		return true;
	return err_errno(err, "cannot write to a new socket");
}

static bool spawn(struct probe *probe, int fd, struct err *err)
{
	CLEANUP(free_charp) char *number = xasprintf("%d", fd);
	/* On stdio QEMU reads all that was written, even if we die meanwhile.  On a
	 * socket that was closed at the other end, it drops what it has not read. */
	const char *const argv[] = {
		"bash", "-c",          "exec \"$@\" <&\"$0\" >&\"$0\"",
		number, probe->binary, "-machine",
		"none", "-nodefaults", "-display",
		"none", "-sandbox",    CMDLINE_SANDBOX,
		"-incoming", "defer", /* as it looks for userfaultfd only when it waits for a guest */
		"-qmp", "stdio",       NULL,
	};
	const struct proc_args args = { .argv = argv, .keep_fds = &fd, .keep_fd_count = 1 };
	struct proc_id id;
	struct err why;

	proc_free(TAKE_PTR(probe->proc)); /* of an earlier question; its exit was not seen yet */
	if (proc_spawn(&args, &id, &why))
		probe->proc = proc_watch(probe->loop, id, on_exited, probe, &why);
	/* One that has ended already has said all that it says. */
	if (probe->proc || why.code == ERR_NOT_FOUND)
		return true;
	*err = why;
	return false;
}

static bool begin(struct probe *probe, struct err *err)
{
	int fds[2] = { -1, -1 };
	bool ok;

	probe->asked_of = identify(probe);
	ok = make_sockets(fds, err) && spawn(probe, fds[1], err);
	closep(&fds[1]);
	probe->fd = fds[0];
	if (!ok)
		return err_wrap(err, "cannot ask QEMU what it offers");
	probe->watch = loop_watch_new(probe->loop, probe->fd, on_readable, probe);
	loop_watch_set(probe->watch, LOOP_READ);
	return true;
}

/* ---- use ------------------------------------------------------------- */

struct probe *probe_new(struct loop *loop, const char *binary)
{
	struct probe *probe = xnew(struct probe);

	probe->loop = loop;
	probe->binary = binary;
	probe->fd = -1;
	probe->timer = loop_timer_new(loop, on_timer, probe);
	TAILQ_INIT(&probe->waiters);
	return probe;
}

void probe_free(struct probe *probe)
{
	struct waiter *waiter;

	if (!probe)
		return;
	while ((waiter = TAILQ_FIRST(&probe->waiters))) {
		TAILQ_REMOVE(&probe->waiters, waiter, link);
		free(waiter);
	}
	stop_asking(probe);
	proc_free(probe->proc);
	loop_timer_free(probe->timer);
	free(probe->machines);
	free(probe);
}

const char *probe_binary(const struct probe *probe)
{
	return probe->binary;
}

const struct qmp_version *probe_version(const struct probe *probe)
{
	return &probe->version;
}

bool probe_has_machine(const struct probe *probe, const char *name)
{
	CLEANUP(free_charp) char *word = xasprintf(" %s ", name);

	return probe->machines && strstr(probe->machines, word);
}

const struct qemu_features *probe_known(const struct probe *probe)
{
	struct program now = identify(probe);

	return program_is_same(&now, &probe->known_of) ? &probe->known : NULL;
}

void probe_ask(struct probe *probe, probe_fn *fn, void *data)
{
	struct waiter *waiter = xnew(struct waiter);

	waiter->fn = fn;
	waiter->data = data;
	TAILQ_INSERT_TAIL(&probe->waiters, waiter, link);
	if (!loop_timer_is_active(probe->timer)) /* else it is being asked already */
		loop_timer_start(probe->timer, begin(probe, &probe->failure) ? DEADLINE_MS : 0);
}

void probe_forget(struct probe *probe, const void *data)
{
	struct waiter *waiter, *next;

	for (waiter = TAILQ_FIRST(&probe->waiters); waiter; waiter = next) {
		next = TAILQ_NEXT(waiter, link);
		if (waiter->data != data)
			continue;
		TAILQ_REMOVE(&probe->waiters, waiter, link);
		free(waiter);
	}
}
