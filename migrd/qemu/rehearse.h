/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qemu/rehearse.h -- what would a guest find in the QEMU program of this host?
 *
 * A QEMU with the guest's machine, accelerator, CPU and number of CPUs is started in the sandbox of
 * every other, without any device, image or memory of the guest, asked, and ended: 0.1 to 0.3 s.
 * Its CPU is the one that the guest would have, so its features are known before a move; a list of
 * models (query-cpu-definitions) would not tell what machine, accelerator and processor together
 * make of one.  The answers were the same in form with QEMU 7.2.22, 10.0.13 and 11.1.3.  Source:
 * QEMU qapi/machine.json, qapi/qdev.json, target/i386/cpu.c (feature-words).
 */
#ifndef MIGRD_QEMU_REHEARSE_H
#define MIGRD_QEMU_REHEARSE_H

#include "base/err.h"
#include "qmp/conn.h"
#include "wire/evidence.h"
#include "wire/optlist.h"

#define REHEARSAL_MISSING_MAX   16
#define REHEARSAL_DRIVERS_MAX   64
#define REHEARSAL_PROPERTY_SIZE 64
#define REHEARSAL_WORDS_SIZE    256

/* A kind of device that the guest has, with the properties that its definition sets of any of
 * them: the keys of a list. */
struct rehearsal_driver {
	char name[VM_DEF_DRIVER_SIZE];
	struct optlist properties;
};

struct rehearsal_lack {
	char driver[VM_DEF_DRIVER_SIZE];
	char property[REHEARSAL_PROPERTY_SIZE];
};

struct rehearsal {
	/* Not set: QEMU has started and answered.  NOT_FOUND: there is no such program; TIMEOUT;
	 * QEMU: it does not start so, with its own words in it. */
	struct err err;
	struct qmp_version version;
	bool is_deprecated; /* the machine: a later QEMU will not have it */
	/* The guest has devices that this QEMU does not know. */
	char missing[REHEARSAL_MISSING_MAX][VM_DEF_DRIVER_SIZE];
	size_t missing_count;
	/* It knows the device, and not a property that is set of it: it would not start. */
	struct rehearsal_lack lacking[REHEARSAL_MISSING_MAX];
	size_t lacking_count;
};

/* Raw options of DEF count as they do for the guest.  RET_CPU gets the feature words and the vendor
 * of the CPU; none: it is no x86 CPU.  Thread: a worker; it takes a deadline of 10 s at most. */
void rehearse_blocking(const char *binary, const struct vm_def *def, struct rehearsal *ret,
		       struct evidence *ret_cpu);

/* Reads the output of such a QEMU, TEXT: answers, and its own words between them.  DRIVERS (COUNT)
 * are those that were asked for, in the order of the questions.  Pure. */
void rehearsal_read(char *text, const struct vm_def *def, const struct rehearsal_driver *drivers,
		    size_t count, struct rehearsal *ret, struct evidence *ret_cpu);

#endif
