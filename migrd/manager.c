/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "manager.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"

#define READY_AGAIN_MS 1000

struct manager {
	const char *path; /* NULL: nobody wants to know */
	struct loop_timer *watchdog, *again;
	uint64_t every_ms; /* 0: nobody waits for a sign of life */
};

static bool send_state(const char *path, const char *state, struct err *err)
{
	CLEANUP(closep) int fd = -1;

	if (!unix_connect(path, SOCK_DGRAM, &fd, err))
		return false;
	return send(fd, state, strlen(state), MSG_NOSIGNAL) >= 0 ||
	       err_errno(err, "cannot write to '%s'", path);
}

static bool say(struct manager *manager, const char *state)
{
	struct err err;

	if (!manager->path || send_state(manager->path, state, &err))
		return true;
	log_warning("manager", "notify", "state=%s reason=%s", state, err.msg);
	return false;
}

static void on_watchdog(void *data)
{
	struct manager *manager = data;

	say(manager, "WATCHDOG=1");
	loop_timer_start(manager->watchdog, manager->every_ms);
}

static void say_ready(void *data)
{
	struct manager *manager = data;

	if (!say(manager, "READY=1"))
		loop_timer_start(manager->again, READY_AGAIN_MS);
}

static bool read_number(const char *name, uint64_t *ret)
{
	const char *text = getenv(name);
	char *end = NULL;

	if (!text || *text < '0' || *text > '9')
		return false;
	errno = 0;
	*ret = strtoull(text, &end, 10);
	return errno == 0 && *end == '\0';
}

/* Half of the time after which the manager ends the service; the variables may be those of a
 * parent, whose pid stands beside them. */
static uint64_t watchdog_every_ms(void)
{
	uint64_t limit_us, pid;

	if (!read_number("WATCHDOG_USEC", &limit_us))
		return 0;
	if (read_number("WATCHDOG_PID", &pid) && pid != (uint64_t)getpid())
		return 0;
	return limit_us / 2000;
}

struct manager *manager_new(struct loop *loop)
{
	struct manager *manager = xnew(struct manager);

	manager->path = getenv("NOTIFY_SOCKET");
	manager->watchdog = loop_timer_new(loop, on_watchdog, manager);
	manager->again = loop_timer_new(loop, say_ready, manager);
	manager->every_ms = manager->path ? watchdog_every_ms() : 0;
	if (manager->every_ms)
		on_watchdog(manager);
	return manager;
}

void manager_free(struct manager *manager)
{
	if (!manager)
		return;
	say(manager, "STOPPING=1");
	loop_timer_free(manager->watchdog);
	loop_timer_free(manager->again);
	free(manager);
}

void manager_ready(struct manager *manager)
{
	say_ready(manager);
}

void manager_reloading(struct manager *manager)
{
	CLEANUP(free_charp)
	char *state = xasprintf("RELOADING=1\nMONOTONIC_USEC=%" PRIu64, clock_monotonic_us());

	loop_timer_stop(manager->again);
	say(manager, state);
}
