/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fuzz target: QEMU's events of a VM.  Each line is an event: its name, and its data
 * behind a blank.  For any input the VM is still there, its shown values are text, no
 * more events are told than the limit allows, and a RESUME takes back the reasons that
 * earlier events gave. */
#include <assert.h>
#include <stdint.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "vm/vm_priv.h"

#define MAX_BYTES (64u << 10)
#define VM_UUID   "6a1b0000-0000-4000-8000-000000000001"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
	struct loop *loop;
	struct vms *vms;
	unsigned taken, told, left_out;
};

static bool is_text(const char *s)
{
	return utf8_valid_prefix(s, strlen(s)) == strlen(s);
}

static void on_told(void *data, const struct vm *vm, const struct qmp_event *event,
		    unsigned left_out)
{
	struct world *w = data;

	assert(vm && event->name);
	w->told++;
	w->left_out += left_out;
}

static struct vm *the_vm(const struct world *w)
{
	return vm_find_uuid(w->vms, VM_UUID);
}

static void make_vm(struct vms *vms)
{
	struct store_vm row = { .uuid = VM_UUID, .name = "vm1", .generation = 1 };

	row.definition = xstrdup("{\"name\":\"vm1\",\"machine\":\"pc-q35-7.2\",\"memory_mib\":64}");
	vm_add(vms, &row);
}

static void take(struct world *w, const char *name, struct json_object *data)
{
	const struct qmp_event event = { name, data, 0 };

	w->taken++;
	vm_events_take(the_vm(w), &event);
	loop_sim_run(w->loop);
	assert(the_vm(w) && vm_state(the_vm(w))[0]);
	assert(is_text(vm_reason(the_vm(w))));
}

/* Like the monitor's codec: a line that is not JSON in UTF-8 never becomes an event, and
 * data is an object or missing. */
static void take_line(struct world *w, char *line)
{
	struct faults *faults = faults_new();
	CLEANUP(json_putp) struct json_object *obj = NULL;
	char *data = strchr(line, ' ');

	if (data) {
		*data++ = '\0';
		obj = json_parse(data, strlen(data), &json_limits_default, faults);
	}
	if (is_text(line))
		take(w, line, json_object_is_type(obj, json_type_object) ? obj : NULL);
	faults_free(faults);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world w = { .loop = loop_new_sim() };
	const struct vms_env env = { .qemu.loop = w.loop, .event = on_told, .data = &w };
	CLEANUP(free_charp) char *text = xcalloc(1, size + 1);
	char *rest = text;

	log_set_level(LOG_LEVEL_ERROR);
	memcpy(text, data, size < MAX_BYTES ? size : MAX_BYTES);
	w.vms = vms_new(&env);
	make_vm(w.vms);
	for (char *line; (line = strsep(&rest, "\n"));)
		take_line(&w, line);
	assert(w.told <= EVENTS_BURST && w.left_out <= w.taken - w.told);
	take(&w, "RESUME", NULL);
	assert(!vm_reason(the_vm(&w))[0] && !vm_end_reason(the_vm(&w)));
	vms_free(w.vms);
	loop_free(w.loop);
	return 0;
}
