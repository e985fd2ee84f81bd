/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "preflight/virtqueues.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "preflight/checks.h"

/* "device 'net0'", of "/machine/peripheral/net0/virtio-backend"; a device that was given no id is
 * named by its path. */
static void name_device(const char *path, char *ret_name, size_t size)
{
	static const char parent[] = "/machine/peripheral/";
	const char *id = path + sizeof(parent) - 1;

	if (strncmp(path, parent, sizeof(parent) - 1) == 0)
		snprintf(ret_name, size, "device '%.*s'", (int)strcspn(id, "/"), id);
	else
		snprintf(ret_name, size, "device '%s'", path);
}

static bool is_of_last(const struct evidence *there, size_t index)
{
	return index > 0 && strcmp(there->queues[index].path, there->queues[index - 1].path) == 0;
}

static void add_queue(struct strbuf *list, const struct evidence_queue *queue, uint64_t room,
		      const char *where)
{
	char name[EVIDENCE_QOM_SIZE + 16];

	name_device(queue->path, name, sizeof(name));
	strbuf_addf(list, "%s%s (virtqueue %" PRIu64 ": %" PRIu64 ", and %" PRIu64 " %s)",
		    list->len ? ", " : "", name, queue->queue, queue->entries, room, where);
}

void virtqueues_list_larger(const struct evidence *there, const struct evidence *room,
			    const char *where, struct strbuf *ret)
{
	bool is_told = false;

	for (size_t i = 0; i < there->queue_count && i < room->queue_count; i++) {
		const struct evidence_queue *queue = &there->queues[i];
		uint64_t entries = room->queues[i].entries; /* 0: not known */

		is_told = is_told && is_of_last(there, i);
		if (is_told || !entries || queue->entries <= entries)
			continue;
		is_told = true;
		add_queue(ret, queue, entries, where);
	}
}

void virtqueues_judge(const struct evidence *there, const struct evidence *here,
		      struct preflight_reasons *ret)
{
	CLEANUP(strbuf_fini) struct strbuf list = STRBUF_INIT;

	virtqueues_list_larger(there, here, "here", &list);
	if (list.len)
		preflight_add(
			ret, "virtqueues",
			"virtqueues of the guest have more entries than QEMU here takes, since "
			"QEMU 10.0 makes them larger than their queue-size: %s: move the guest "
			"to a host with QEMU 7.2 or 10.0, or give its host this QEMU and start "
			"the guest anew there",
			list.data);
}
