/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* check/scan.h -- finds what there is on this host: processes, directories, logs.
 *
 * The scan only looks: no socket is connected to, no lock taken, no process touched.
 * Everything it reads is bounded.  What could not be looked at is said in `gap'; then
 * the absence of something proves nothing.
 *
 * Thread: any; it waits for /proc and a local disk.
 */
#ifndef MIGRD_CHECK_SCAN_H
#define MIGRD_CHECK_SCAN_H

#include "base/id.h"
#include "base/proc.h"

#define CHECK_ENTRY_SIZE 128
#define CHECK_PATH_SIZE  256

/* A QEMU or migrd-stream of our run directory, whoever started it. */
struct check_process {
	struct proc_id id;
	bool is_stream;
	bool is_incoming;           /* QEMU: it was started to wait for a guest */
	char key[ID_NAME_SIZE];     /* directory below RUN_DIR/vms or RUN_DIR/moves */
	char program[ID_NAME_SIZE]; /* without its directory, for messages */
	char uuid[ID_UUID_SIZE];    /* QEMU: as its arguments say, or "" */
	char name[ID_NAME_SIZE];
};

enum check_place { CHECK_VMS, CHECK_MOVES, CHECK_LOGS, CHECK_TPMS, CHECK_PLACE_COUNT };

/* An entry of RUN_DIR/vms, RUN_DIR/moves, the log directory or that of the TPMs. */
struct check_entry {
	enum check_place place;
	char name[CHECK_ENTRY_SIZE];
	char key[ID_UUID_SIZE]; /* of a VM or move; "": it is named after none */
	bool is_ours;           /* it holds only what migrd and QEMU put there */
	bool is_used;           /* a socket in it is open, or its pid file is locked */
};

struct check_seen {
	struct check_process *processes;
	size_t process_count;
	struct check_entry *entries;
	size_t entry_count;
	size_t looked_at; /* processes */
	bool lacks_swtpm; /* there is no such program */
	char gap[256];    /* what could not be looked at; "": nothing */
};

/* Where to look. */
struct check_dirs {
	char vms[CHECK_PATH_SIZE], moves[CHECK_PATH_SIZE], logs[CHECK_PATH_SIZE];
	char tpms[CHECK_PATH_SIZE];
	char swtpm[CHECK_PATH_SIZE]; /* the program; "": it is not looked for */
};

struct check_seen *check_scan_blocking(const struct check_dirs *dirs);
void check_seen_free(struct check_seen *seen); /* accepts NULL */

/* ---- the parts, for tests ------------------------------------------------ */

/* TEXT is /proc/PID/cmdline.  True for a QEMU with `-pidfile VMS/KEY/...': the
 * argument alone tells, whatever the program is called. */
bool check_parse_qemu(const char *text, size_t len, const char *vms, struct check_process *ret);
/* True for a migrd-stream whose output LOG goes to MOVES/KEY/...; the log may be
 * deleted (proc(5), /proc/PID/fd). */
bool check_parse_stream(const char *text, size_t len, const char *log, const char *moves,
			struct check_process *ret);

#endif
