/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The connection is libsystemd's; its descriptor and its deadlines are put on the loop. */
#include "shutdown/logind.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#define LOGIND     "org.freedesktop.login1"
#define PATH       "/org/freedesktop/login1"
#define MANAGER    "org.freedesktop.login1.Manager"
#define PROPERTIES "org.freedesktop.DBus.Properties"
#define DRIVER     "org.freedesktop.DBus"

#define MESSAGES_PER_TURN 16
#define RETRY_MIN_MS      1000
#define RETRY_MAX_MS      60000
/* Of a name on the bus (D-Bus specification, "Message Protocol, Names"). */
#define NAME_SIZE 256

const bool logind_is_built = true;

struct lock {
	struct logind *logind;
	const char *why; /* NULL: not wanted */
	int fd;          /* the lock lasts until it is closed; -1: none */
	bool is_stale;   /* it was of an earlier run of logind, or of the bus */
	sd_bus_slot *asked;
};

struct logind {
	struct loop *loop;
	loop_fn *changed;
	void *data;
	struct logind_state state;
	sd_bus *bus; /* NULL: not connected */
	int watched_fd;
	struct loop_watch *watch;
	struct loop_timer *deadline; /* libsystemd's own; without a connection: the next try */
	struct loop_timer *retry;    /* active: a lock was refused, and is asked for again then */
	uint32_t connect_pause_ms, lock_pause_ms;
	char owner[NAME_SIZE]; /* logind's unique name; "": it is not there */
	bool is_changed;
	struct lock locks[LOGIND_LOCK_COUNT];
};

static uint32_t longer(uint32_t pause_ms)
{
	return pause_ms < RETRY_MAX_MS / 2 ? pause_ms * 2 : RETRY_MAX_MS;
}

/* ---- what is told ------------------------------------------------------------ */

static void note(struct logind *logind, bool *fact, bool value)
{
	logind->is_changed |= *fact != value;
	*fact = value;
}

/* The same error again, as at each try, is not told again. */
static void note_error(struct logind *logind, const char *what, const char *why)
{
	char text[ERR_MSG_SIZE];

	err_text(text, "%s: %s", what, why);
	if (strcmp(text, logind->state.error) == 0)
		return;
	memcpy(logind->state.error, text, sizeof(text));
	logind->is_changed = true;
	log_warning("shutdown", "logind", "reason=%s", text);
}

static void clear_error(struct logind *logind)
{
	logind->is_changed |= logind->state.error[0] != '\0';
	logind->state.error[0] = '\0';
}

/* Last of a turn: who is told may do anything. */
static void tell(struct logind *logind)
{
	if (!logind->is_changed)
		return;
	logind->is_changed = false;
	logind->changed(logind->data);
}

/* ---- locks ------------------------------------------------------------------- */

static void let_go(struct lock *lock)
{
	lock->asked = sd_bus_slot_unref(lock->asked);
	if (lock->fd >= 0)
		close(lock->fd);
	lock->fd = -1;
	lock->is_stale = false;
}

static void note_locks(struct logind *logind)
{
	for (size_t i = 0; i < LOGIND_LOCK_COUNT; i++)
		note(logind, &logind->state.has[i],
		     logind->locks[i].fd >= 0 && !logind->locks[i].is_stale);
}

static const char *words_of(const sd_bus_error *error)
{
	return error->message ? error->message : error->name;
}

/* Asked for again after a while, as it may be a limit of logind that passes. */
static void refused(struct logind *logind, const char *why)
{
	note_error(logind, "logind gives no lock", why);
	loop_timer_start(logind->retry, logind->lock_pause_ms);
	logind->lock_pause_ms = longer(logind->lock_pause_ms);
}

static bool has_what_is_wanted(const struct logind *logind)
{
	for (size_t i = 0; i < LOGIND_LOCK_COUNT; i++)
		if (logind->locks[i].why && !logind->state.has[i])
			return false;
	return true;
}

static void keep(struct lock *lock, int fd)
{
	struct logind *logind = lock->logind;

	let_go(lock);
	lock->fd = fd;
	note_locks(logind);
	logind->lock_pause_ms = RETRY_MIN_MS;
	if (has_what_is_wanted(logind))
		clear_error(logind);
}

static int on_lock(sd_bus_message *m, void *data, sd_bus_error *ignored)
{
	struct lock *lock = data;
	const sd_bus_error *error = sd_bus_message_get_error(m);
	int borrowed, fd = -1;

	(void)ignored;
	lock->asked = sd_bus_slot_unref(lock->asked);
	if (!error && sd_bus_message_read(m, "h", &borrowed) >= 0)
		fd = fcntl(borrowed, F_DUPFD_CLOEXEC, 3);
	if (fd >= 0)
		keep(lock, fd);
	else
		refused(lock->logind, error ? words_of(error) : "its answer has none");
	return 0;
}

static void ask_for(struct logind *logind, enum logind_lock which)
{
	static const char *const modes[] = { [LOGIND_DELAY] = "delay", [LOGIND_BLOCK] = "block" };
	struct lock *lock = &logind->locks[which];

	if (!lock->why || lock->asked || (lock->fd >= 0 && !lock->is_stale))
		return;
	if (sd_bus_call_method_async(logind->bus, &lock->asked, logind->owner, PATH, MANAGER,
				     "Inhibit", on_lock, lock, "ssss", "shutdown", "migrd",
				     lock->why, modes[which]) < 0)
		refused(logind, "it cannot be asked");
}

/* While logind prepares a shutdown it grants none. */
static void ask_for_locks(struct logind *logind)
{
	if (!logind->bus || !logind->state.is_there || logind->state.is_preparing ||
	    loop_timer_is_active(logind->retry))
		return;
	for (size_t i = 0; i < LOGIND_LOCK_COUNT; i++)
		ask_for(logind, (enum logind_lock)i);
}

/* ---- what logind says of itself ------------------------------------------------ */

static int on_delay_max(sd_bus_message *m, void *data, sd_bus_error *ignored)
{
	struct logind *logind = data;
	uint64_t delay_us = 0;

	(void)ignored;
	if (!sd_bus_message_get_error(m))
		(void)sd_bus_message_read(m, "v", "t", &delay_us);
	logind->is_changed |= logind->state.delay_max_ms != delay_us / 1000;
	logind->state.delay_max_ms = delay_us / 1000;
	return 0;
}

/* An answer may come when logind is not there any more. */
static void set_preparing(struct logind *logind, bool is_preparing)
{
	if (!logind->owner[0])
		return;
	note(logind, &logind->state.is_preparing, is_preparing);
	note(logind, &logind->state.is_there, true);
	ask_for_locks(logind);
}

static int on_preparing(sd_bus_message *m, void *data, sd_bus_error *ignored)
{
	struct logind *logind = data;
	const sd_bus_error *error = sd_bus_message_get_error(m);
	int is_preparing;

	(void)ignored;
	if (!error && sd_bus_message_read(m, "v", "b", &is_preparing) >= 0) {
		clear_error(logind);
		set_preparing(logind, is_preparing);
	} else {
		note_error(logind, "logind does not say whether it shuts the host down",
			   error ? words_of(error) : "its answer has another form");
	}
	return 0;
}

static void ask_property(struct logind *logind, const char *name, sd_bus_message_handler_t done)
{
	(void)sd_bus_call_method_async(logind->bus, NULL, logind->owner, PATH, PROPERTIES, "Get",
				       done, logind, "ss", MANAGER, name);
}

static int on_delay_max_of_shutdown(sd_bus_message *m, void *data, sd_bus_error *ignored)
{
	on_delay_max(m, data, ignored);
	set_preparing(data, true);
	return 0;
}

/* Anybody on the bus may send a signal with this name. */
static int on_prepare_signal(sd_bus_message *m, void *data, sd_bus_error *ignored)
{
	struct logind *logind = data;
	const char *sender = sd_bus_message_get_sender(m);
	int is_preparing;

	(void)ignored;
	if (!logind->owner[0] || !sender || strcmp(sender, logind->owner) != 0 ||
	    sd_bus_message_read(m, "b", &is_preparing) < 0)
		return 0;
	if (is_preparing)
		ask_property(logind, "InhibitDelayMaxUSec", on_delay_max_of_shutdown);
	else
		set_preparing(logind, false);
	return 0;
}

/* ---- whether it is there -------------------------------------------------------- */

/* An old lock is kept: a logind that was restarted finds it again. */
static void set_owner(struct logind *logind, const char *owner)
{
	if (strcmp(owner, logind->owner) == 0)
		return;
	for (size_t i = 0; i < LOGIND_LOCK_COUNT; i++) {
		logind->locks[i].asked = sd_bus_slot_unref(logind->locks[i].asked);
		logind->locks[i].is_stale = true;
	}
	note_locks(logind);
	note(logind, &logind->state.is_there, false);
	note(logind, &logind->state.is_preparing, false);
	loop_timer_stop(logind->retry);
	snprintf(logind->owner, sizeof(logind->owner), "%s", owner);
	if (!owner[0])
		return;
	logind->connect_pause_ms = logind->lock_pause_ms = RETRY_MIN_MS;
	ask_property(logind, "InhibitDelayMaxUSec", on_delay_max);
	ask_property(logind, "PreparingForShutdown", on_preparing);
}

static void note_absent(struct logind *logind)
{
	set_owner(logind, "");
	note_error(logind, "logind is not there", "it has no name on the system bus");
}

static int on_owner(sd_bus_message *m, void *data, sd_bus_error *ignored)
{
	struct logind *logind = data;
	const char *owner;

	(void)ignored;
	if (!sd_bus_message_get_error(m) && sd_bus_message_read(m, "s", &owner) >= 0)
		set_owner(logind, owner);
	else
		note_absent(logind);
	return 0;
}

static int on_owner_changed(sd_bus_message *m, void *data, sd_bus_error *ignored)
{
	struct logind *logind = data;
	const char *sender = sd_bus_message_get_sender(m), *name, *before, *after;

	(void)ignored;
	if (!sender || strcmp(sender, DRIVER) != 0 ||
	    sd_bus_message_read(m, "sss", &name, &before, &after) < 0 || strcmp(name, LOGIND) != 0)
		return 0;
	if (after[0])
		set_owner(logind, after);
	else
		note_absent(logind);
	return 0;
}

/* ---- the connection --------------------------------------------------------------- */

static void pump(struct logind *logind);

static void on_ready(void *data, unsigned ready)
{
	(void)ready;
	pump(data);
}

static void watch(struct logind *logind, int fd, int events)
{
	if (fd != logind->watched_fd) {
		loop_watch_free(logind->watch);
		logind->watch = loop_watch_new(logind->loop, fd, on_ready, logind);
		logind->watched_fd = fd;
	}
	loop_watch_set(logind->watch, (events & POLLIN ? (unsigned)LOOP_READ : 0) |
					      (events & POLLOUT ? (unsigned)LOOP_WRITE : 0));
}

/* AT_US: of the monotonic clock. */
static void set_deadline(struct logind *logind, uint64_t at_us)
{
	uint64_t now_us = clock_monotonic_us();

	if (at_us == UINT64_MAX)
		loop_timer_stop(logind->deadline);
	else
		loop_timer_start(logind->deadline,
				 at_us > now_us ? (at_us - now_us) / 1000 + 1 : 0);
}

/* False: the connection is over. */
static bool arm(struct logind *logind)
{
	int fd = sd_bus_get_fd(logind->bus), events = sd_bus_get_events(logind->bus);
	uint64_t at_us;

	if (fd < 0 || events < 0 || sd_bus_get_timeout(logind->bus, &at_us) < 0)
		return false;
	watch(logind, fd, events);
	set_deadline(logind, at_us);
	return true;
}

static void disconnect(struct logind *logind)
{
	loop_watch_free(logind->watch);
	logind->watch = NULL;
	logind->watched_fd = -1;
	set_owner(logind, "");
	logind->bus = sd_bus_close_unref(logind->bus);
}

static void lose(struct logind *logind, int error)
{
	disconnect(logind);
	note_error(logind, "the system bus cannot be reached", strerror(error));
	loop_timer_start(logind->deadline, logind->connect_pause_ms);
	logind->connect_pause_ms = longer(logind->connect_pause_ms);
}

static void pump(struct logind *logind)
{
	int result = 1;

	for (unsigned i = 0; result > 0 && i < MESSAGES_PER_TURN; i++)
		result = sd_bus_process(logind->bus, NULL);
	if (result < 0)
		lose(logind, -result);
	else if (!arm(logind))
		lose(logind, ECONNRESET);
	tell(logind);
}

/* All is sent when the bus has let us in. */
static int greet(struct logind *logind)
{
	int result = sd_bus_add_match_async(logind->bus, NULL,
					    "type='signal',sender='" DRIVER "',interface='" DRIVER
					    "',member='NameOwnerChanged',arg0='" LOGIND "'",
					    on_owner_changed, NULL, logind);

	if (result >= 0)
		result = sd_bus_match_signal_async(logind->bus, NULL, LOGIND, PATH, MANAGER,
						   "PrepareForShutdown", on_prepare_signal, NULL,
						   logind);
	if (result >= 0)
		result = sd_bus_call_method_async(logind->bus, NULL, DRIVER,
						  "/org/freedesktop/DBus", DRIVER, "GetNameOwner",
						  on_owner, logind, "s", LOGIND);
	return result;
}

static void connect_bus(struct logind *logind)
{
	int result = sd_bus_open_system(&logind->bus);

	if (result >= 0)
		result = greet(logind);
	if (result >= 0) {
		pump(logind);
		return;
	}
	lose(logind, -result);
	tell(logind);
}

static void on_deadline(void *data)
{
	struct logind *logind = data;

	if (logind->bus)
		pump(logind);
	else
		connect_bus(logind);
}

static void on_retry(void *data)
{
	struct logind *logind = data;

	ask_for_locks(logind);
	if (logind->bus)
		pump(logind);
}

/* What was asked for outside of a turn is sent in the next. */
static void send_soon(struct logind *logind)
{
	if (logind->bus)
		loop_timer_start(logind->deadline, 0);
}

/* ---- for others --------------------------------------------------------------------- */

const struct logind_state *logind_state(const struct logind *logind)
{
	return &logind->state;
}

void logind_want(struct logind *logind, enum logind_lock which, const char *why)
{
	struct lock *lock = &logind->locks[which];

	lock->why = why;
	if (why) {
		ask_for_locks(logind);
		send_soon(logind);
	} else {
		let_go(lock);
		logind->state.has[which] = false;
	}
}

void logind_look_again(struct logind *logind)
{
	if (!logind->owner[0])
		return;
	ask_property(logind, "InhibitDelayMaxUSec", on_delay_max);
	send_soon(logind);
}

struct logind *logind_new(struct loop *loop, loop_fn *changed, void *data)
{
	struct logind *logind = xnew(struct logind);

	logind->loop = loop;
	logind->changed = changed;
	logind->data = data;
	logind->watched_fd = -1;
	logind->connect_pause_ms = logind->lock_pause_ms = RETRY_MIN_MS;
	for (size_t i = 0; i < LOGIND_LOCK_COUNT; i++)
		logind->locks[i] = (struct lock){ .logind = logind, .fd = -1 };
	logind->deadline = loop_timer_new(loop, on_deadline, logind);
	logind->retry = loop_timer_new(loop, on_retry, logind);
	loop_timer_start(logind->deadline, 0);
	return logind;
}

void logind_free(struct logind *logind)
{
	if (!logind)
		return;
	for (size_t i = 0; i < LOGIND_LOCK_COUNT; i++)
		let_go(&logind->locks[i]);
	disconnect(logind);
	loop_timer_free(logind->deadline);
	loop_timer_free(logind->retry);
	free(logind);
}
