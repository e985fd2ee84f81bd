/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* owner/autostart.h -- VMs that are started when the host was booted.
 *
 * The first coordinator of a boot notes in the record of each VM that it was seen in that boot and,
 * if its definition has `autostart', that it is to be started: in one record, before anything is
 * started (vm/boot.h).  So a crash at any moment leaves each VM decided once for each boot, and one
 * that is to be started is so until a QEMU of it was there, whoever has started it.
 *
 * The start itself is the one of a user (owner/start.h): the peers that may have the VM must say
 * that they have not, so one that was moved away, or may have been, is not started by this.  What
 * fails is tried again, after 5 s at first and 60 s at most, as peers, storage and networks come up
 * later than this host; but no longer than `give_up_s'.  What is not tried again is told, also that
 * a guest whose QEMU is there does not run.  Nothing is started while `may' says no:
 * that time does not count.  Not started either: a VM whose guest is in a file, which a start would
 * make worthless.
 *
 * A VM that is moved stopped before it was started is to be started where it goes: that it is so
 * comes with the move (vm_autostart_comes()).
 *
 * Thread: loop.
 */
#ifndef MIGRD_OWNER_AUTOSTART_H
#define MIGRD_OWNER_AUTOSTART_H

#include "base/strbuf.h"
#include "owner/newest.h"

enum autostart_result { AUTOSTART_STARTED, AUTOSTART_FAILED, AUTOSTART_GAVE_UP };
extern const char *const autostart_result_names[];

/* What came of one VM.  Borrowed. */
struct autostart_told {
	const struct vm *vm;
	enum autostart_result result;
	const char *reason; /* NULL: it was started */
	uint64_t tries;
	uint64_t again_ms; /* when it is tried again, from now; 0: it is not */
};

struct autostart_env {
	struct loop *loop;
	struct vms *vms;
	const struct newest_env *newest_env;
	const struct newest *newest;
	unsigned at_once;  /* so many starts are under way at most */
	uint32_t pause_ms; /* between the beginnings of two */
	uint32_t give_up_s;
	/* False: none may be started now, and one sentence is added to WHY; autostart_look() tells
	 * that this may have changed. */
	bool (*may)(void *data, struct strbuf *why);
	void (*told)(void *data, const struct autostart_told *told);
	void *data;
};

struct autostart;

struct autostart *autostart_new(const struct autostart_env *env);
/* To be called before the VMs are cleared: starts that are under way are still answered. */
void autostart_end(struct autostart *autostart);
void autostart_free(struct autostart *autostart); /* once the VMs are cleared; accepts NULL */
/* The VMs are settled. */
void autostart_begin(struct autostart *autostart);
/* Something has changed that may be waited for.  AUTOSTART may be NULL. */
void autostart_look(struct autostart *autostart);
/* The same, of VM, which may be to be started since now; NULL: it is gone. */
void autostart_note(struct autostart *autostart, const struct vm *vm);
/* VM is to be started since its host was booted: adds to WHY what it waits for. */
bool autostart_waits(const struct autostart *autostart, const struct vm *vm, struct strbuf *why);

#endif
