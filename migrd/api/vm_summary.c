/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A VM without its definition: what lists and events show.
 *
 * A summary is made of what look() finds and of the definition, and its text is kept with
 * them.  So a text is right for as long as they are the same: nobody has to tell this file
 * that a VM has changed.
 */
#include "api/api.h"
#include "base/mem.h"
#include "vm/agent.h"
#include "vm/saved.h"

static void look_at_qemu(struct vm_summary *summary, const struct vm *vm)
{
	const struct qemu *qemu = vm_qemu(vm);
	const struct qmp_version *version;
	struct vm_agent_state agent;

	summary->has_agent = vm_agent_state(vm, &agent);
	if (summary->has_agent) {
		summary->agent.connected = agent.is_connected;
		summary->agent.frozen = agent.is_frozen;
		summary->agent.lease_left_ms = agent.lease_left_ms;
	}
	if (!qemu_is_alive(qemu))
		return;
	summary->pid = qemu_proc_id(qemu).pid;
	version = qemu_version(qemu);
	if (version)
		snprintf(summary->qemu_version, sizeof(summary->qemu_version), "%d.%d.%d",
			 version->major, version->minor, version->micro);
}

/* Sets all members but those that follow from the definition.  SUMMARY must be all zero: its
 * members are set one by one, so that its padding stays zero. */
static void look(struct vm_summary *summary, const struct api *api, const struct vm *vm)
{
	const struct vm_job *job = vm_job(vm);

	summary->name = vm_name(vm);
	summary->uuid = vm_uuid(vm);
	summary->host = api->host_id;
	summary->created_at = vm_row(vm)->created_ms;
	summary->started_at = vm_row(vm)->started_ms;
	summary->generation = vm_generation(vm);
	summary->state = vm_state(vm);
	summary->has_job = job != NULL;
	summary->job.kind = job ? job->kind : NULL;
	snprintf(summary->job.id, sizeof(summary->job.id), "%s", job ? job->id : "");
	if (vm_role(vm) == VM_ROLE_FORMER)
		snprintf(summary->elsewhere, sizeof(summary->elsewhere), "%s",
			 vm_row(vm)->elsewhere);
	snprintf(summary->saved_in, sizeof(summary->saved_in), "%s", vm_saved_in(vm));
	snprintf(summary->reason, sizeof(summary->reason), "%s", vm_reason(vm));
	look_at_qemu(summary, vm);
}

/* ---- of the definition ------------------------------------------------------- */

static int64_t count(struct json_object *def, const char *list)
{
	struct json_object *array = NULL;

	json_object_object_get_ex(def, list, &array);
	return (int64_t)json_count(array);
}

static int64_t sum(struct json_object *def, const char *list, const char *member)
{
	struct json_object *array = NULL;
	int64_t total = 0;

	json_object_object_get_ex(def, list, &array);
	for (int64_t i = 0; i < count(def, list); i++)
		total += json_get_int(json_object_array_get_idx(array, (size_t)i), member, 0);
	return total;
}

static void add_sizes(struct vm_summary *summary, struct json_object *def)
{
	summary->memory_mib =
		json_get_int(def, "memory_mib", 0) + sum(def, "memory_devices", "size_mib");
	summary->vcpus = json_get_int(def, "vcpus", 1) + count(def, "vcpu_devices");
}

void api_vm_summary_of(const struct api *api, const struct vm *vm, struct json_object *definition,
		       struct vm_summary *ret)
{
	memset(ret, 0, sizeof(*ret));
	look(ret, api, vm);
	add_sizes(ret, definition);
}

/* Of the text, because vm_def_of() would keep a struct for each VM of a list. */
void api_vm_summary(const struct api *api, const struct vm *vm, struct vm_summary *ret)
{
	CLEANUP(json_putp) struct json_object *definition = json_read_back(vm_definition(vm));

	api_vm_summary_of(api, vm, definition, ret);
}

/* ---- as text that is kept ---------------------------------------------------- */

/* SEEN: a summary as look() fills it, without the members that follow from the definition. */
static bool is_key(const struct vm_kept *kept, const void *seen, const char *definition)
{
	return kept->key && memcmp(kept->key, seen, sizeof(struct vm_summary)) == 0 &&
	       strcmp(kept->key + sizeof(struct vm_summary), definition) == 0;
}

static char *new_key(const void *seen, const char *definition)
{
	struct strbuf key = STRBUF_INIT;

	strbuf_add(&key, seen, sizeof(struct vm_summary));
	strbuf_adds(&key, definition);
	return strbuf_take(&key);
}

static void keep(struct vm_kept *kept, struct vm_summary *summary, const char *definition)
{
	CLEANUP(json_putp) struct json_object *def = json_read_back(definition), *obj = NULL;

	free(kept->key);
	free(kept->text);
	kept->key = new_key(summary, definition);
	add_sizes(summary, def);
	obj = json_encode(vm_summary_fields, summary);
	kept->text = xstrdup(json_text(obj, &kept->len));
}

const char *api_vm_summary_text(const struct api *api, struct vm *vm, size_t *ret_len)
{
	struct vm_kept *kept = vm_kept(vm);
	struct vm_summary summary;

	memset(&summary, 0, sizeof(summary));
	look(&summary, api, vm);
	if (!is_key(kept, &summary, vm_definition(vm)))
		keep(kept, &summary, vm_definition(vm));
	*ret_len = kept->len;
	return kept->text;
}
