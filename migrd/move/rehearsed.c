/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What speaks against an offered guest by the QEMU program of this host, which was tried with the
 * guest's machine and CPU (qemu/rehearse.h). */
#include "move/rehearsed.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "preflight/virtqueues.h"
#include "vm/virtqueues.h"

struct rehearsed *rehearsed_new(const char *binary, const struct vm_def *def)
{
	struct rehearsed *rehearsed = xnew(struct rehearsed);

	rehearsed->binary = xstrdup(binary);
	rehearsed->def = xnew(struct vm_def);
	*rehearsed->def = *def;
	rehearsed->cpu = xnew(struct evidence);
	return rehearsed;
}

void rehearsed_free(struct rehearsed *rehearsed)
{
	if (!rehearsed)
		return;
	free(rehearsed->binary);
	free(rehearsed->def);
	free(rehearsed->cpu);
	free(rehearsed);
}

void rehearsed_run_blocking(struct rehearsed *rehearsed)
{
	rehearse_blocking(rehearsed->binary, rehearsed->def, &rehearsed->said, rehearsed->cpu);
}

/* ---- the rows --------------------------------------------------------------------- */

/* QEMU's words for what has a row of its own (hw/core/machine.c, target/i386/cpu.c). */
static const struct {
	const char *words, *check, *advice;
} refusals[] = {
	{ "unsupported machine type", "machine",
	  "install a newer QEMU here, or give the VM an older machine" },
	{ "CPU model", "cpu",
	  "install a newer QEMU here, or stop the VM and give it a cpu_model that both hosts "
	  "have" },
	{ "", "qemu-start",
	  "mend that here, or change what it names of the definition; the move would fail so too" },
};

static void judge_start(const struct rehearsed *rehearsed, const struct evidence *there,
			struct preflight_reasons *ret)
{
	const struct err *err = &rehearsed->said.err;
	size_t i = 0;

	(void)there;
	if (!err_is_set(err))
		return;
	if (err->code == ERR_NOT_FOUND) {
		preflight_add(ret, "qemu-start",
			      "%s on this host: install QEMU, or name its program by 'binary' of "
			      "[qemu]",
			      err->msg);
		return;
	}
	while (!strstr(err->msg, refusals[i].words))
		i++;
	preflight_add(ret, refusals[i].check,
		      "the QEMU of this host does not start with machine '%s' and CPU '%.80s': "
		      "%.200s: %s",
		      rehearsed->def->machine, rehearsed->def->cpu_model, err->msg,
		      refusals[i].advice);
}

static void judge_machine(const struct rehearsed *rehearsed, const struct evidence *there,
			  struct preflight_reasons *ret)
{
	const struct qmp_version *version = &rehearsed->said.version;

	(void)there;
	if (rehearsed->said.is_deprecated)
		preflight_warn(ret, "machine",
			       "QEMU %d.%d of this host has machine '%s', and a later one will "
			       "not: "
			       "give the VM a newer machine when it is stopped next",
			       version->major, version->minor, rehearsed->def->machine);
}

/* QEMU promises moves to a later version of itself only (docs/devel/migration/compatibility.rst).
 */
static void judge_version(const struct rehearsed *rehearsed, const struct evidence *there,
			  struct preflight_reasons *ret)
{
	const struct qmp_version *here = &rehearsed->said.version;
	int major, minor;

	if (here->major && sscanf(there->qemu, "%d.%d", &major, &minor) == 2 &&
	    !qmp_version_is_since(here, major, minor))
		preflight_warn(ret, "qemu-version",
			       "the guest runs in QEMU %s, and this host has the older %d.%d: such "
			       "a move is promised by nobody; update QEMU here, or try it with a "
			       "guest of the same kind first",
			       there->qemu, here->major, here->minor);
}

static void judge_cpu(const struct rehearsed *rehearsed, const struct evidence *there,
		      struct preflight_reasons *ret)
{
	if (rehearsed->cpu->word_count)
		cpu_judge(there, rehearsed->cpu, ret);
}

static void judge_properties(const struct rehearsed *rehearsed, const struct evidence *there,
			     struct preflight_reasons *ret)
{
	const struct rehearsal *said = &rehearsed->said;

	(void)there;
	for (size_t i = 0; i < said->lacking_count; i++)
		preflight_add(ret, "properties",
			      "QEMU %d.%d of this host knows no property '%s' of device '%s', and "
			      "would not start with it: install a QEMU that knows it here, or stop "
			      "the VM and take it out of its definition",
			      said->version.major, said->version.minor, said->lacking[i].property,
			      said->lacking[i].driver);
}

static void judge_devices(const struct rehearsed *rehearsed, const struct evidence *there,
			  struct preflight_reasons *ret)
{
	const struct rehearsal *said = &rehearsed->said;

	(void)there;
	for (size_t i = 0; i < said->missing_count; i++)
		preflight_add(ret, "devices",
			      "QEMU %d.%d of this host has no device '%s', which the guest has: "
			      "install the package of QEMU that brings it here, or detach it from "
			      "the guest",
			      said->version.major, said->version.minor, said->missing[i]);
}

/* The source says how many entries its queues have, and how many their queue-size says, which is
 * what this QEMU will make room for. */
static void judge_virtqueues(const struct rehearsed *rehearsed, const struct evidence *there,
			     struct preflight_reasons *ret)
{
	struct evidence *room;

	if (!there->queue_count || !virtqueues_are_strict(&rehearsed->said.version))
		return;
	room = xnew(struct evidence);
	memcpy(room->queues, there->queues, sizeof(room->queues));
	room->queue_count = there->queue_count;
	for (size_t i = 0; i < room->queue_count; i++)
		room->queues[i].entries = room->queues[i].room;
	virtqueues_judge(there, room, ret);
	free(room);
}

void rehearsed_judge(const struct rehearsed *rehearsed, const struct evidence *there,
		     struct preflight_reasons *ret)
{
	static void (*const rows[])(const struct rehearsed *rehearsed, const struct evidence *there,
				    struct preflight_reasons *ret) = {
		judge_start,   judge_machine,    judge_version,    judge_cpu,
		judge_devices, judge_properties, judge_virtqueues,
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		rows[i](rehearsed, there, ret);
}
