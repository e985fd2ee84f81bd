/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A VM without its definition: what lists and events show.
 *
 * A summary is made of the facts below and of nothing else, and its text is kept with
 * them.  So a text is right for as long as the facts are the same: nobody has to tell
 * this file that a VM has changed.
 */
#include "api/api.h"
#include "base/mem.h"
#include "vm/agent.h"

/* Filled from zero, so that two can be compared byte for byte. */
struct facts {
	int64_t created_ms, started_ms;
	uint64_t generation;
	struct vm_agent_state agent;
	struct qmp_version version;
	const char *state, *job_kind; /* constants */
	pid_t pid;                    /* 0: no QEMU */
	bool has_version, has_agent, has_job;
	char job_id[ID_UUID_SIZE];
	char elsewhere[ID_NAME_SIZE];
	char reason[ERR_MSG_SIZE];
};

static void look_at_qemu(struct facts *facts, const struct vm *vm)
{
	const struct qemu *qemu = vm_qemu(vm);
	struct vm_agent_state agent;

	facts->has_agent = vm_agent_state(vm, &agent);
	if (facts->has_agent) { /* one by one: no padding comes along */
		facts->agent.is_connected = agent.is_connected;
		facts->agent.is_frozen = agent.is_frozen;
		facts->agent.lease_left_ms = agent.lease_left_ms;
	}
	if (!qemu_is_alive(qemu))
		return;
	facts->pid = qemu_proc_id(qemu).pid;
	facts->has_version = qemu_version(qemu) != NULL;
	if (facts->has_version) {
		facts->version.major = qemu_version(qemu)->major;
		facts->version.minor = qemu_version(qemu)->minor;
		facts->version.micro = qemu_version(qemu)->micro;
	}
}

/* FACTS: all zero. */
static void look(struct facts *facts, const struct vm *vm)
{
	const struct vm_job *job = vm_job(vm);

	facts->created_ms = vm_row(vm)->created_ms;
	facts->started_ms = vm_row(vm)->started_ms;
	facts->generation = vm_generation(vm);
	facts->state = vm_state(vm);
	facts->has_job = job != NULL;
	facts->job_kind = job ? job->kind : NULL;
	snprintf(facts->job_id, sizeof(facts->job_id), "%s", job ? job->id : "");
	if (vm_role(vm) == VM_ROLE_FORMER)
		snprintf(facts->elsewhere, sizeof(facts->elsewhere), "%s", vm_row(vm)->elsewhere);
	snprintf(facts->reason, sizeof(facts->reason), "%s", vm_reason(vm));
	look_at_qemu(facts, vm);
}

/* ---- as JSON --------------------------------------------------------------- */

static struct json_object *job_json(const struct facts *facts)
{
	struct json_object *obj;

	if (!facts->has_job)
		return NULL;
	obj = json_object_new_object();
	json_add_str(obj, "id", facts->job_id);
	json_add_str(obj, "kind", facts->job_kind);
	return obj;
}

/* NULL: it has no channel for one, or does not run. */
static struct json_object *agent_json(const struct facts *facts)
{
	struct json_object *obj;

	if (!facts->has_agent)
		return NULL;
	obj = json_object_new_object();
	json_add_bool(obj, "connected", facts->agent.is_connected);
	json_add_bool(obj, "frozen", facts->agent.is_frozen);
	json_add_uint(obj, "lease_left_ms", facts->agent.lease_left_ms);
	return obj;
}

static void add_qemu(struct json_object *obj, const struct facts *facts)
{
	char text[48];

	if (facts->pid)
		json_add_int(obj, "pid", facts->pid);
	else
		json_add_str(obj, "pid", NULL);
	snprintf(text, sizeof(text), "%d.%d.%d", facts->version.major, facts->version.minor,
		 facts->version.micro);
	json_add_str(obj, "qemu_version", facts->has_version ? text : NULL);
}

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

/* HOST, NAME and UUID are those of the VM for all its life. */
static struct json_object *to_json(const struct facts *facts, const char *definition,
				   const char *host, const char *name, const char *uuid)
{
	struct json_object *obj = json_object_new_object();
	CLEANUP(json_putp) struct json_object *def = json_read_back(definition);

	json_add_str(obj, "name", name);
	json_add_str(obj, "uuid", uuid);
	json_add_str(obj, "state", facts->state);
	json_add_str(obj, "reason", facts->reason);
	json_add_str(obj, "host", host);
	json_add_str(obj, "elsewhere", facts->elsewhere[0] ? facts->elsewhere : NULL);
	json_add_uint(obj, "generation", facts->generation);
	add_qemu(obj, facts);
	json_add_int(obj, "memory_mib",
		     json_get_int(def, "memory_mib", 0) + sum(def, "memory_devices", "size_mib"));
	json_add_int(obj, "vcpus", json_get_int(def, "vcpus", 1) + count(def, "vcpu_devices"));
	json_object_object_add(obj, "job", job_json(facts));
	json_object_object_add(obj, "agent", agent_json(facts));
	json_add_time(obj, "created_at", facts->created_ms);
	json_add_time(obj, "started_at", facts->started_ms);
	return obj;
}

static struct json_object *show(const struct api *api, const struct vm *vm,
				const struct facts *facts)
{
	return to_json(facts, vm_definition(vm), api->host_id, vm_name(vm), vm_uuid(vm));
}

struct json_object *api_vm_summary(const struct api *api, const struct vm *vm)
{
	struct facts facts;

	memset(&facts, 0, sizeof(facts));
	look(&facts, vm);
	return show(api, vm, &facts);
}

/* ---- as text that is kept ---------------------------------------------------- */

/* FACTS: the bytes of a struct facts. */
static bool is_key(const struct vm_kept *kept, const void *facts, const char *definition)
{
	return kept->key && memcmp(kept->key, facts, sizeof(struct facts)) == 0 &&
	       strcmp(kept->key + sizeof(struct facts), definition) == 0;
}

static char *new_key(const void *facts, const char *definition)
{
	struct strbuf key = STRBUF_INIT;

	strbuf_add(&key, facts, sizeof(struct facts));
	strbuf_adds(&key, definition);
	return strbuf_take(&key);
}

const char *api_vm_summary_text(const struct api *api, struct vm *vm, size_t *ret_len)
{
	struct vm_kept *kept = vm_kept(vm);
	struct facts facts;

	memset(&facts, 0, sizeof(facts));
	look(&facts, vm);
	if (!is_key(kept, &facts, vm_definition(vm))) {
		CLEANUP(json_putp) struct json_object *obj = show(api, vm, &facts);

		free(kept->key);
		free(kept->text);
		kept->key = new_key(&facts, vm_definition(vm));
		kept->text = xstrdup(json_text(obj, &kept->len));
	}
	*ret_len = kept->len;
	return kept->text;
}
