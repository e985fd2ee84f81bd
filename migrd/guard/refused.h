/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* guard/refused.h -- which monitor commands users may send to a QEMU through migrd.
 *
 * Two tables, one of QMP and one of HMP, put each command into a class:
 *
 *   query    only reads.  Always passed on, also during a move.
 *   modify   changes something that neither migrd nor a move controls: a password, a
 *            key press, a throttle, the size of the balloon.  Not passed on during a
 *            move.  The change lasts as long as this QEMU does: neither the definition
 *            nor a moved guest has it.
 *   unknown  is in no row: a command of a newer QEMU, or of a machine we have not seen.
 *            Treated as `modify', and the log says so.  Most unknown commands are
 *            harmless, and QEMU decides what it does with them; families that are known
 *            to be ours (migrate*, block*, ...) are refused by their prefix, so that a
 *            new member is refused too.
 *   refused  is not passed on; the answer has the reason, and the command of migrctl
 *            to use instead, if there is one.
 *
 * Refused is what
 *   - lets the guest run or stops it (only one host may, and only migrd knows which),
 *   - begins, steers or disturbs a move, or uses what moves use (block jobs, NBD,
 *     dirty rates, limits of vCPUs, descriptors that were passed),
 *   - adds or removes devices or what is behind them: the definition would be wrong,
 *     and the destination of a move would build another machine,
 *   - ends or replaces the guest (quit, snapshots),
 *   - makes QEMU write a file whose name the caller chooses,
 *   - can do one of these indirectly: qom-set (`realized' is an unplug), a debugger,
 *     qemu-io, I/O ports (reset and power), record and replay.
 *
 * HMP has names and aliases but no abbreviations, one command a line, and a name ends
 * at a blank or a '/' (QEMU, monitor/hmp.c: get_command_name(), compare_cmd()).
 *
 * Thread: any (pure).  Source: query-commands, `help' and `help info' of QEMU 7.2, 10.0
 * and 11.1; tests compare.
 */
#ifndef MIGRD_GUARD_REFUSED_H
#define MIGRD_GUARD_REFUSED_H

#include "base/err.h"
#include "base/json.h"

enum refused_class {
	REFUSED_CLASS_UNKNOWN,
	REFUSED_CLASS_QUERY,
	REFUSED_CLASS_MODIFY,
	REFUSED_CLASS_REFUSED,
	REFUSED_CLASS_COUNT
};

#define REFUSED_WORD_SIZE 96

struct refused_reason;

struct refused_verdict {
	enum refused_class class;
	const struct refused_reason *reason; /* NULL unless class is REFUSED */
	/* Which command it is, without its arguments (they may be secrets): "cont",
	 * "info network", "human-monitor-command cont". */
	char word[REFUSED_WORD_SIZE];
};

/* ARGS may be NULL; human-monitor-command is judged by the HMP line in its arguments. */
void refused_judge_qmp(const char *name, struct json_object *args, struct refused_verdict *ret);
void refused_judge_hmp(const char *line, struct refused_verdict *ret);
const char *refused_class_name(enum refused_class class);
/* False and FORBIDDEN if the class is REFUSED; ERR says why, and what to do to VM
 * instead. */
bool refused_allows(const struct refused_verdict *verdict, const char *vm, struct err *err);

#endif
