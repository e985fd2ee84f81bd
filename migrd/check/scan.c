/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check/scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"
#include "qemu/qemu.h"

#define PROCESSES_MAX 1024        /* processes of migrd */
#define PROC_MAX      200000      /* processes of the host; the kernel's own limit is 4 million */
#define ENTRIES_MAX   4096        /* of each directory */
#define IN_ENTRY_MAX  64          /* files in one of those */
#define SOCKETS_MAX   200000      /* lines of /proc/net/unix */
#define CMDLINE_MAX   (64u << 10) /* -pidfile stands within the first 2 KiB */

static void note_gap(struct check_seen *seen, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static void note_gap(struct check_seen *seen, const char *fmt, ...)
{
	va_list ap;

	if (seen->gap[0])
		return; /* one gap is enough: the scan is incomplete */
	va_start(ap, fmt);
	vsnprintf(seen->gap, sizeof(seen->gap), fmt, ap);
	va_end(ap);
}

static void closedirp(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static void fclosep(FILE **file)
{
	if (*file)
		fclose(*file);
}

/* ---- command lines --------------------------------------------------------- */

/* The argument after ARG in a list of strings that each end in a NUL. */
static const char *next_arg(const char *arg, const char *end)
{
	arg += strnlen(arg, (size_t)(end - arg)) + 1;
	return arg < end && memchr(arg, '\0', (size_t)(end - arg)) ? arg : NULL;
}

/* Length of the suffix of a VM's second place (qemu/qemu.h) at the end of the LEN bytes at NAME. */
static size_t suffix_len(const char *name, size_t len)
{
	const size_t suffix = strlen(QEMU_PLACE_SUFFIX);

	return len > suffix && memcmp(name + len - suffix, QEMU_PLACE_SUFFIX, suffix) == 0 ? suffix
											   : 0;
}

/* Gets KEY if PATH is "DIR/KEY/REST"; the two places of a VM have the same key. */
static bool key_below(const char *dir, const char *path, char ret_key[ID_NAME_SIZE])
{
	size_t dir_len = strlen(dir), key_len;

	if (strncmp(path, dir, dir_len) != 0 || path[dir_len] != '/')
		return false;
	path += dir_len + 1;
	key_len = strcspn(path, "/");
	if (key_len == 0 || key_len >= ID_NAME_SIZE || path[key_len] != '/')
		return false;
	key_len -= suffix_len(path, key_len);
	memcpy(ret_key, path, key_len);
	ret_key[key_len] = '\0';
	return true;
}

static void set_program(struct check_process *process, const char *path)
{
	const char *slash = strrchr(path, '/');

	snprintf(process->program, sizeof(process->program), "%s", slash ? slash + 1 : path);
}

/* VALUE is "guest=NAME,..." (qemu(1), -name). */
static void set_name(struct check_process *process, const char *value)
{
	const char *name = strncmp(value, "guest=", 6) == 0 ? value + 6 : value;

	snprintf(process->name, sizeof(process->name), "%.*s", (int)strcspn(name, ","), name);
}

bool check_parse_qemu(const char *text, size_t len, const char *vms, struct check_process *ret)
{
	const char *end = text + len;
	struct check_process process = { 0 };
	bool found = false;

	if (!len || !memchr(text, '\0', len))
		return false;
	set_program(&process, text);
	for (const char *arg = text, *value; arg && (value = next_arg(arg, end)); arg = value) {
		if (strcmp(arg, "-pidfile") == 0)
			found = key_below(vms, value, process.key) || found;
		else if (strcmp(arg, "-uuid") == 0)
			snprintf(process.uuid, sizeof(process.uuid), "%s", value);
		else if (strcmp(arg, "-name") == 0)
			set_name(&process, value);
		else if (strcmp(arg, "-incoming") == 0)
			process.is_incoming = true;
	}
	if (found)
		*ret = process;
	return found;
}

bool check_parse_stream(const char *text, size_t len, const char *log, const char *moves,
			struct check_process *ret)
{
	struct check_process process = { .is_stream = true };
	const char *first = len && memchr(text, '\0', len) ? next_arg(text, text + len) : NULL;

	if (!first || strcmp(first, "--control-fd") != 0 || !key_below(moves, log, process.key))
		return false;
	set_program(&process, text);
	*ret = process;
	return true;
}

/* ---- processes --------------------------------------------------------------- */

/* The beginning of a file of /proc; -1 when it cannot be read. */
static ssize_t read_start(const char *path, char *buf, size_t size)
{
	CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n = 1;

	if (fd < 0)
		return -1;
	while (len < size && (n = read(fd, buf + len, size - len)) > 0)
		len += (size_t)n;
	return n < 0 ? -1 : (ssize_t)len;
}

/* Our QEMUs run as the same user as we do, so a process of another user is not ours. */
static bool may_be_ours(pid_t pid)
{
	char path[32];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	return stat(path, &st) == 0 && st.st_uid == geteuid();
}

static bool parse_process(const struct check_dirs *dirs, pid_t pid, const char *text, size_t len,
			  struct check_process *ret)
{
	char path[32], log[CHECK_PATH_SIZE];
	ssize_t log_len;

	if (check_parse_qemu(text, len, dirs->vms, ret))
		return true;
	snprintf(path, sizeof(path), "/proc/%d/fd/1", (int)pid);
	log_len = readlink(path, log, sizeof(log) - 1);
	if (log_len <= 0)
		return false;
	log[log_len] = '\0';
	return check_parse_stream(text, len, log, dirs->moves, ret);
}

/* The start time is read before and after, so that all that was read is of one process. */
static void look_at_process(struct check_seen *seen, const struct check_dirs *dirs, pid_t pid,
			    char *buf)
{
	struct check_process process;
	struct proc_id before, after;
	struct err err;
	char path[32];
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	if (!proc_identify(pid, &before, &err))
		return;
	len = read_start(path, buf, CMDLINE_MAX);
	if (len < 0 && may_be_ours(pid))
		note_gap(seen, "the arguments of process %d cannot be read", (int)pid);
	if (len <= 0 || !parse_process(dirs, pid, buf, (size_t)len, &process))
		return;
	if (!proc_identify(pid, &after, &err) || after.start_time != before.start_time)
		return;
	if (seen->process_count == PROCESSES_MAX) {
		note_gap(seen, "there are more than %d processes of migrd", PROCESSES_MAX);
		return;
	}
	process.id = before;
	seen->processes[seen->process_count++] = process;
}

static void scan_processes(struct check_seen *seen, const struct check_dirs *dirs)
{
	CLEANUP(closedirp) DIR *dir = opendir("/proc");
	CLEANUP(free_charp) char *buf = xcalloc(1, CMDLINE_MAX + 1);
	struct dirent *entry;

	seen->processes = xcalloc(PROCESSES_MAX, sizeof(*seen->processes));
	if (!dir)
		note_gap(seen, "/proc cannot be read: %s", strerror(errno));
	while (dir && (entry = readdir(dir))) {
		long pid = strtol(entry->d_name, NULL, 10);

		if (pid <= 0)
			continue;
		if (seen->looked_at++ == PROC_MAX) {
			note_gap(seen, "this host has more than %d processes", PROC_MAX);
			return;
		}
		look_at_process(seen, dirs, (pid_t)pid, buf);
	}
}

/* ---- directories --------------------------------------------------------------- */

static const char *dir_of(const struct check_dirs *dirs, enum check_place place)
{
	switch (place) {
	case CHECK_VMS:
		return dirs->vms;
	case CHECK_MOVES:
		return dirs->moves;
	case CHECK_TPMS:
		return dirs->tpms;
	case CHECK_LOGS:
	case CHECK_PLACE_COUNT:
		break;
	}
	return dirs->logs;
}

static bool ends_with(const char *name, const char *end)
{
	size_t len = strlen(name), end_len = strlen(end);

	return len > end_len && strcmp(name + len - end_len, end) == 0;
}

/* NAME is a file that migrd or QEMU puts into such a directory.  For the pid file the
 * lock counts, which QEMU holds while it lives (util/oslib-posix.c,
 * qemu_write_pidfile): that is better proof than the number in the file. */
static bool is_ours(const char *dir, const char *name, struct check_entry *entry)
{
	CLEANUP(free_charp) char *path = xasprintf("%s/%s", dir, name);
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT;
	if (S_ISREG(st.st_mode) && strcmp(name, "pid") == 0) {
		entry->is_used = entry->is_used || file_is_locked(path);
		return true;
	}
	if (S_ISREG(st.st_mode) &&
	    (strcmp(name, "output") == 0 || strcmp(name, "tpm") == 0)) /* qemu/output.c, tpm.c */
		return true;
	if (S_ISLNK(st.st_mode)) /* to the socket of a monitor (qemu/extra.c) */
		return strncmp(name, "monitor-", 8) == 0;
	return S_ISSOCK(st.st_mode) || (S_ISREG(st.st_mode) && ends_with(name, ".log"));
}

static void look_into(const char *parent, struct check_entry *entry)
{
	CLEANUP(free_charp) char *path = xasprintf("%s/%s", parent, entry->name);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	CLEANUP(closedirp) DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *file;
	unsigned count = 0;

	if (fd >= 0 && !dir)
		close(fd);
	entry->is_ours = dir != NULL;
	while (dir && entry->is_ours && (file = readdir(dir))) {
		if (strcmp(file->d_name, ".") == 0 || strcmp(file->d_name, "..") == 0)
			continue;
		entry->is_ours = ++count <= IN_ENTRY_MAX && is_ours(path, file->d_name, entry);
	}
}

/* A directory is named by a uuid; a log by a uuid and ".log", or ".log.1". */
static void set_key(struct check_entry *entry)
{
	size_t len = strlen(entry->name);

	if (entry->place == CHECK_LOGS) {
		if (ends_with(entry->name, ".log"))
			len -= strlen(".log");
		else if (ends_with(entry->name, ".log.1"))
			len -= strlen(".log.1");
		else
			return;
	}
	len -= suffix_len(entry->name, len);
	if (len != ID_UUID_SIZE - 1)
		return;
	memcpy(entry->key, entry->name, len);
	if (!id_uuid_is_valid(entry->key))
		entry->key[0] = '\0';
}

static void add_entry(struct check_seen *seen, const char *parent, enum check_place place,
		      const struct dirent *found)
{
	struct check_entry *entry = &seen->entries[seen->entry_count++];

	entry->place = place;
	snprintf(entry->name, sizeof(entry->name), "%.*s", CHECK_ENTRY_SIZE - 1, found->d_name);
	set_key(entry);
	if (place == CHECK_LOGS)
		entry->is_ours = entry->key[0] != '\0' && found->d_type == DT_REG;
	else if (entry->key[0] && place != CHECK_TPMS)
		look_into(parent, entry);
}

static void scan_dir(struct check_seen *seen, const struct check_dirs *dirs, enum check_place place)
{
	const char *path = dir_of(dirs, place);
	CLEANUP(closedirp) DIR *dir = opendir(path);
	const struct dirent *entry;
	unsigned count = 0;

	if (!dir && errno != ENOENT)
		note_gap(seen, "the directory '%s' cannot be read: %s", path, strerror(errno));
	while (dir && (entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (count++ == ENTRIES_MAX) {
			note_gap(seen, "the directory '%s' has more than %d entries", path,
				 ENTRIES_MAX);
			return;
		}
		add_entry(seen, path, place, entry);
	}
}

/* ---- sockets ------------------------------------------------------------------- */

static void mark_used(struct check_seen *seen, enum check_place place, const char *key)
{
	for (size_t i = 0; i < seen->entry_count; i++) {
		struct check_entry *entry = &seen->entries[i];

		if (entry->place == place && strcmp(entry->name, key) == 0)
			entry->is_used = true;
	}
}

/* The path of the socket is the eighth column of LINE, if the socket has one (proc(5),
 * /proc/net/unix). */
static const char *socket_path(char *line)
{
	char *path = strchr(line, '/');

	if (path)
		path[strcspn(path, "\n")] = '\0';
	return path;
}

/* The kernel lists the bound sockets that are open: a file left by a dead process is
 * not among them. */
static void scan_sockets(struct check_seen *seen, const struct check_dirs *dirs)
{
	CLEANUP(fclosep) FILE *file = fopen("/proc/net/unix", "re");
	CLEANUP(free_charp) char *line = NULL;
	char key[ID_NAME_SIZE];
	size_t size = 0;

	if (!file)
		note_gap(seen, "/proc/net/unix cannot be read: %s", strerror(errno));
	for (unsigned count = 0; file && getline(&line, &size, file) >= 0; count++) {
		const char *path = socket_path(line);

		if (count == SOCKETS_MAX) {
			note_gap(seen, "this host has more than %d UNIX sockets", SOCKETS_MAX);
			return;
		}
		if (path && key_below(dirs->vms, path, key))
			mark_used(seen, CHECK_VMS, key);
		else if (path && key_below(dirs->moves, path, key))
			mark_used(seen, CHECK_MOVES, key);
	}
}

/* ---- programs ------------------------------------------------------------------ */

static void scan_programs(struct check_seen *seen, const struct check_dirs *dirs)
{
	CLEANUP(free_charp) char *swtpm = dirs->swtpm[0] ? file_find_program(dirs->swtpm) : NULL;

	seen->lacks_swtpm = dirs->swtpm[0] && !swtpm;
}

/* ---- all ------------------------------------------------------------------------- */

/* Directories first: a process that starts during the scan is then still seen.  The
 * other way round, its directory would seem to belong to none. */
struct check_seen *check_scan_blocking(const struct check_dirs *dirs)
{
	struct check_seen *seen = xnew(struct check_seen);

	seen->entries = xcalloc((size_t)CHECK_PLACE_COUNT * ENTRIES_MAX, sizeof(*seen->entries));
	for (unsigned i = 0; i < CHECK_PLACE_COUNT; i++)
		scan_dir(seen, dirs, (enum check_place)i);
	scan_sockets(seen, dirs);
	scan_processes(seen, dirs);
	scan_programs(seen, dirs);
	return seen;
}

void check_seen_free(struct check_seen *seen)
{
	if (!seen)
		return;
	free(seen->processes);
	free(seen->entries);
	free(seen);
}
