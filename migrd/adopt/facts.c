/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "adopt/facts.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define QUERY_DEADLINE_MS 5000

/* ---- what the answers say ------------------------------------------------ */

#define COPY(to, from) snprintf(to, sizeof(to), "%s", (from) ? (from) : "")

static bool take_name(struct adopt_facts *facts, struct json_object *result, struct err *err)
{
	(void)err;
	COPY(facts->name, json_get_str(result, "name"));
	return true;
}

static bool take_uuid(struct adopt_facts *facts, struct json_object *result, struct err *err)
{
	(void)err;
	COPY(facts->uuid, json_get_str(result, "UUID"));
	return true;
}

static bool take_status(struct adopt_facts *facts, struct json_object *result, struct err *err)
{
	(void)err;
	facts->run_state = qmp_run_state_decode(result);
	return true;
}

static bool take_kvm(struct adopt_facts *facts, struct json_object *result, struct err *err)
{
	(void)err;
	facts->is_kvm = json_get_bool(result, "enabled", false);
	return true;
}

static bool take_migration(struct adopt_facts *facts, struct json_object *result, struct err *err)
{
	const char *status = json_get_str(result, "status");

	(void)err;
	facts->migration = status ? qmp_mig_state_from_name(status) : QMP_MIG_NONE;
	return true;
}

static bool take_memory(struct adopt_facts *facts, struct json_object *result, struct err *err)
{
	facts->memory_bytes = (uint64_t)json_get_int(result, "base-memory", 0);
	facts->plugged_bytes = (uint64_t)json_get_int(result, "plugged-memory", 0);
	return facts->memory_bytes > 0 || err_set(err, ERR_QEMU, "QEMU does not tell its memory");
}

static bool take_cpus(struct adopt_facts *facts, struct json_object *result, struct err *err)
{
	if (json_object_is_type(result, json_type_array))
		facts->vcpus = json_object_array_length(result);
	return facts->vcpus > 0 || err_set(err, ERR_QEMU, "QEMU does not tell its CPUs");
}

/* The answer is the type of the object: "pc-q35-7.2-machine". */
static bool take_machine(struct adopt_facts *facts, struct json_object *result, struct err *err)
{
	const char *type = json_object_get_string(result);
	size_t len = type ? strlen(type) : 0;

	if (len < 8 || len - 8 >= sizeof(facts->machine) || strcmp(type + len - 8, "-machine") != 0)
		return err_set(err, ERR_QEMU, "QEMU does not tell its machine type");
	snprintf(facts->machine, sizeof(facts->machine), "%.*s", (int)(len - 8), type);
	return true;
}

static bool take_blocks(struct adopt_facts *facts, struct json_object *result, struct err *err)
{
	return adopt_blocks_take(&facts->blocks, result, err);
}

static bool take_nodes(struct adopt_facts *facts, struct json_object *result, struct err *err)
{
	return adopt_blocks_take_nodes(&facts->blocks, result, err);
}

static bool take_jobs(struct adopt_facts *facts, struct json_object *result, struct err *err)
{
	return adopt_blocks_take_jobs(&facts->blocks, result, err);
}

/* ---- backends --------------------------------------------------------------- */

static struct adopt_backend *add_backend(struct adopt_backends *backends, struct err *err)
{
	if (backends->count < ADOPT_BACKEND_MAX)
		return &backends->list[backends->count++];
	err_set(err, ERR_LIMIT, "it has more than %d of them", ADOPT_BACKEND_MAX);
	return NULL;
}

static bool take_chardevs(struct adopt_facts *facts, struct json_object *result, struct err *err)
{
	size_t count = json_count(result);

	for (size_t i = 0; i < count; i++) {
		struct json_object *info = json_object_array_get_idx(result, i);
		struct adopt_backend *chardev = add_backend(&facts->chardevs, err);

		if (!chardev)
			return false;
		COPY(chardev->id, json_get_str(info, "label"));
		COPY(chardev->type, json_get_str(info, "filename"));
	}
	return true;
}

/* The word behind KEY in "index=0,type=tap,ifname=tap0". */
static void copy_word(char *to, size_t size, const char *line, const char *key)
{
	const char *at = strstr(line, key);

	if (at)
		snprintf(to, size, "%.*s", (int)strcspn(at + strlen(key), ",\r\n"),
			 at + strlen(key));
}

static bool take_net(struct adopt_facts *facts, const char *line, struct err *err)
{
	const char *name = line + strspn(line, " \\");
	const char *end = strstr(name, ": ");
	struct adopt_backend *net;

	if (!end || !strstr(end, "type=") || strstr(end, "type=nic"))
		return true;
	net = add_backend(&facts->nets, err);
	if (!net)
		return false;
	snprintf(net->id, sizeof(net->id), "%.*s", (int)(end - name), name);
	copy_word(net->type, sizeof(net->type), end, "type=");
	copy_word(net->ifname, sizeof(net->ifname), end, "ifname=");
	return true;
}

/* The answer of the human monitor is a text with one item per line. */
static bool take_lines(struct adopt_facts *facts, struct json_object *result,
		       bool (*take)(struct adopt_facts *facts, const char *line, struct err *err),
		       struct err *err)
{
	CLEANUP(free_charp) char *text = xstrdup(json_object_get_string(result));
	char *rest = NULL;

	for (char *line = strtok_r(text, "\r\n", &rest); line; line = strtok_r(NULL, "\r\n", &rest))
		if (!take(facts, line, err))
			return false;
	return true;
}

/* QMP has no command that lists networks, so "info network" is asked (QEMU's
 * net/net.c, print_net_client()). */
static bool take_nets(struct adopt_facts *facts, struct json_object *result, struct err *err)
{
	return take_lines(facts, result, take_net, err);
}

static bool take_objects(struct adopt_facts *facts, struct json_object *result, struct err *err)
{
	size_t count = json_count(result);

	for (size_t i = 0; i < count; i++) {
		struct json_object *info = json_object_array_get_idx(result, i);
		const char *type = json_get_str(info, "type");
		struct adopt_backend *object;

		if (!type || strncmp(type, "child<", 6) != 0)
			continue;
		object = add_backend(&facts->objects, err);
		if (!object)
			return false;
		COPY(object->id, json_get_str(info, "name"));
		snprintf(object->type, sizeof(object->type), "%.*s", (int)strcspn(type + 6, ">"),
			 type + 6);
	}
	return true;
}

static bool take_display(struct adopt_facts *facts, struct json_object *info, struct err *err)
{
	struct json_object *servers = json_object_object_get(info, "server");

	for (size_t i = 0; i < json_count(servers); i++) {
		struct adopt_backend *server = add_backend(&facts->vnc, err);

		if (!server)
			return false;
		COPY(server->id, json_get_str(info, "id"));
		COPY(server->type, json_get_str(json_object_array_get_idx(servers, i), "service"));
	}
	return true;
}

static bool take_vnc(struct adopt_facts *facts, struct json_object *result, struct err *err)
{
	for (size_t i = 0; i < json_count(result); i++) {
		if (!take_display(facts, json_object_array_get_idx(result, i), err))
			return false;
	}
	return true;
}

/* Takes lines like "  TCP[HOST_FORWARD]  10  127.0.0.1 2222  10.0.2.15  22  0  0" (libslirp's
 * src/misc.c, slirp_connection_info()), and skips others. */
static bool take_forward(struct adopt_facts *facts, const char *line, struct err *err)
{
	struct adopt_backend *forward;
	unsigned host, guest;
	char protocol[4];

	if (sscanf(line, " %3[A-Z][HOST_FORWARD] %*d %*s %5u %*s %5u", protocol, &host, &guest) !=
	    3)
		return true;
	forward = add_backend(&facts->forwards, err);
	if (!forward)
		return false;
	snprintf(forward->type, sizeof(forward->type), "%s:%u-%u",
		 strcmp(protocol, "UDP") == 0 ? "udp" : "tcp", host, guest);
	return true;
}

static bool take_forwards(struct adopt_facts *facts, struct json_object *result, struct err *err)
{
	return take_lines(facts, result, take_forward, err);
}

static const struct adopt_backend *find_backend(const struct adopt_backends *backends,
						const char *id)
{
	for (size_t i = 0; i < backends->count; i++) {
		if (strcmp(backends->list[i].id, id) == 0)
			return &backends->list[i];
	}
	return NULL;
}

const struct adopt_backend *adopt_backend_find(const struct adopt_facts *facts, const char *id)
{
	return find_backend(&facts->nets, id);
}

const struct adopt_backend *adopt_chardev_find(const struct adopt_facts *facts, const char *id)
{
	return find_backend(&facts->chardevs, id);
}

const struct adopt_backend *adopt_object_find(const struct adopt_facts *facts, const char *id)
{
	return find_backend(&facts->objects, id);
}

bool adopt_vnc_listens(const struct adopt_facts *facts, const char *display, const char *port)
{
	for (size_t i = 0; i < facts->vnc.count; i++) {
		if (strcmp(facts->vnc.list[i].id, display) == 0 &&
		    strcmp(facts->vnc.list[i].type, port) == 0)
			return true;
	}
	return false;
}

const struct adopt_backend *adopt_tap_find(const struct adopt_facts *facts, const char *ifname)
{
	for (size_t i = 0; i < facts->nets.count; i++) {
		if (*ifname && strcmp(facts->nets.list[i].ifname, ifname) == 0)
			return &facts->nets.list[i];
	}
	return NULL;
}

/* ---- devices -------------------------------------------------------------- */

static const char *const places[ADOPT_PLACE_COUNT] = {
	[ADOPT_NAMED] = "/machine/peripheral",
	[ADOPT_ANONYMOUS] = "/machine/peripheral-anon",
	[ADOPT_BOARD] = "/machine/unattached",
};

/* The machine holds these objects too, which are no devices. */
static bool is_device_type(const char *type)
{
	return strcmp(type, "irq") != 0 && strcmp(type, "memory-region") != 0 &&
	       strcmp(type, "System") != 0 && !strstr(type, "memory-region");
}

static bool add_device(struct adopt_facts *facts, enum adopt_place place, const char *name,
		       const char *type, struct err *err)
{
	struct adopt_device *device = &facts->devices[facts->device_count];
	size_t len = strlen(type);

	if (strncmp(type, "child<", 6) != 0 || len < 8)
		return true;
	if (facts->device_count == ADOPT_DEVICE_MAX)
		return err_set(err, ERR_LIMIT, "it has more than %d devices", ADOPT_DEVICE_MAX);
	*device = (struct adopt_device){
		.place = place, .devfn = ADOPT_NO_PCI, .vectors = -1, .units = { -1, -1, -1, -1 }
	};
	snprintf(device->type, sizeof(device->type), "%.*s", (int)(len - 7), type + 6);
	COPY(device->name, name);
	if (strncmp(name, "device[", 7) == 0)
		device->number = (unsigned)strtoul(name + 7, NULL, 10);
	facts->device_count += is_device_type(device->type);
	return true;
}

static bool take_devices(struct adopt_facts *facts, enum adopt_place place,
			 struct json_object *result, struct err *err)
{
	size_t count = json_count(result);
	bool ok = true;

	for (size_t i = 0; ok && i < count; i++) {
		struct json_object *child = json_object_array_get_idx(result, i);
		const char *name = json_get_str(child, "name");
		const char *type = json_get_str(child, "type");

		ok = !name || !type || add_device(facts, place, name, type, err);
	}
	return ok;
}

char *adopt_object_path(const struct adopt_device *device)
{
	return xasprintf("%s/%s", places[device->place], device->name);
}

bool adopt_is_cdrom(const struct adopt_device *device)
{
	return strcmp(device->type, "ide-cd") == 0 || strcmp(device->type, "scsi-cd") == 0;
}

/* ---- their properties ------------------------------------------------------- */

static bool is_any(const struct adopt_device *device)
{
	(void)device;
	return true;
}

/* The board's own devices are not on the command line. */
static bool is_given(const struct adopt_device *device)
{
	return device->place != ADOPT_BOARD;
}

static bool is_scsi_cdrom(const struct adopt_device *device)
{
	return strcmp(device->type, "scsi-cd") == 0;
}

static int number_in(struct json_object *result, int otherwise)
{
	return json_object_is_type(result, json_type_int) ? json_object_get_int(result) : otherwise;
}

static void take_addr(struct adopt_device *device, int index, struct json_object *result)
{
	(void)index;
	device->devfn = number_in(result, ADOPT_NO_PCI);
}

static void take_bus(struct adopt_device *device, int index, struct json_object *result)
{
	const char *path = json_object_get_string(result);
	const char *end = path ? strrchr(path, '/') : NULL;

	(void)index;
	COPY(device->bus, end ? end + 1 : NULL);
	snprintf(device->bus_owner, sizeof(device->bus_owner), "%.*s", end ? (int)(end - path) : 0,
		 path ? path : "");
}

static void take_mac(struct adopt_device *device, int index, struct json_object *result)
{
	(void)index;
	COPY(device->mac, json_object_get_string(result));
}

static void take_vectors(struct adopt_device *device, int index, struct json_object *result)
{
	(void)index;
	device->vectors = number_in(result, -1);
}

static void take_now(struct adopt_device *device, int index, struct json_object *result)
{
	device->has[index] = true;
	COPY(device->now[index], json_object_get_string(result));
}

static void take_unit(struct adopt_device *device, int index, struct json_object *result)
{
	device->units[index] = number_in(result, -1);
}

static void take_device_id(struct adopt_device *device, int index, struct json_object *result)
{
	(void)index;
	COPY(device->device_id, json_object_get_string(result));
}

static const struct {
	const char *name;
	bool (*is_asked)(const struct adopt_device *device);
	void (*take)(struct adopt_device *device, int index, struct json_object *result);
	int index;
} properties[] = {
	{ "addr", is_any, take_addr, 0 },
	{ "parent_bus", is_any, take_bus, 0 },
	{ "mac", is_any, take_mac, 0 },
	{ "vectors", is_any, take_vectors, 0 },
	{ "netdev", is_given, take_now, ADOPT_NETDEV_NOW },
	{ "chardev", is_given, take_now, ADOPT_CHARDEV_NOW },
	{ "bootindex", is_given, take_now, ADOPT_BOOTINDEX_NOW },
	{ "serial", is_given, take_now, ADOPT_SERIAL_NOW },
	{ "unit", adopt_is_cdrom, take_unit, ADOPT_UNIT },
	{ "channel", is_scsi_cdrom, take_unit, ADOPT_CHANNEL },
	{ "scsi-id", is_scsi_cdrom, take_unit, ADOPT_SCSI_ID },
	{ "lun", is_scsi_cdrom, take_unit, ADOPT_LUN },
	{ "device_id", is_scsi_cdrom, take_device_id, 0 },
};

/* ---- the questions -------------------------------------------------------- */

static const struct {
	const char *command, *path;
	bool (*take)(struct adopt_facts *facts, struct json_object *result, struct err *err);
	bool may_be_refused;
} questions[] = {
	{ "query-name", NULL, take_name, false },
	{ "query-uuid", NULL, take_uuid, false },
	{ "query-status", NULL, take_status, false },
	{ "query-kvm", NULL, take_kvm, false },
	{ "query-migrate", NULL, take_migration, false },
	{ "query-memory-size-summary", NULL, take_memory, false },
	{ "query-cpus-fast", NULL, take_cpus, false },
	{ "query-block", NULL, take_blocks, false },
	{ "query-named-block-nodes", NULL, take_nodes, false },
	{ "query-block-jobs", NULL, take_jobs, false },
	{ "query-chardev", NULL, take_chardevs, false },
	{ "human-monitor-command", "info network", take_nets, false },
	{ "human-monitor-command", "info usernet", take_forwards, false },
	{ "query-vnc-servers", NULL, take_vnc, true }, /* refused if built without VNC */
	{ "qom-list", "/objects", take_objects, false },
	{ "qom-get", "/machine", take_machine, false },
	{ "qom-list", "/machine/peripheral", NULL, false },
	{ "qom-list", "/machine/peripheral-anon", NULL, false },
	{ "qom-list", "/machine/unattached", NULL, false },
};

static bool take_list(struct adopt_facts *facts, const char *path, struct json_object *result,
		      struct err *err)
{
	for (int i = 0; i < ADOPT_PLACE_COUNT; i++) {
		if (strcmp(places[i], path) == 0)
			return take_devices(facts, (enum adopt_place)i, result, err);
	}
	return true;
}

bool adopt_facts_take(struct adopt_facts *facts, const char *command, const char *path,
		      struct json_object *result, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(questions); i++) {
		if (strcmp(questions[i].command, command) != 0 ||
		    (path && questions[i].path && strcmp(questions[i].path, path) != 0))
			continue;
		if (questions[i].take)
			return questions[i].take(facts, result, err);
		return take_list(facts, path ? path : "", result, err);
	}
	return true;
}

bool adopt_facts_asks(const char *command)
{
	for (size_t i = 0; i < ARRAY_LEN(questions); i++) {
		if (strcmp(questions[i].command, command) == 0)
			return true;
	}
	return false;
}

struct adopt_inquiry {
	struct qemu *qemu;
	struct adopt_facts facts;
	size_t question;
	size_t device, property; /* asked after all questions are answered */
	adopt_facts_fn *fn;      /* NULL: cancelled */
	void *data;
};

static void ask(struct adopt_inquiry *inquiry);

static void finish(struct adopt_inquiry *inquiry, const struct err *err)
{
	if (inquiry->fn)
		inquiry->fn(inquiry->data, err ? NULL : &inquiry->facts, err);
	free(inquiry);
}

static void on_answer(void *data, struct json_object *result, const struct err *err)
{
	struct adopt_inquiry *inquiry = data;
	const char *command = questions[inquiry->question].command;
	struct err wrong;

	if (!inquiry->fn || (err && !questions[inquiry->question].may_be_refused)) {
		finish(inquiry, err);
		return;
	}
	if (!err && !adopt_facts_take(&inquiry->facts, command, questions[inquiry->question].path,
				      result, &wrong)) {
		err_wrap(&wrong, "%s", command);
		finish(inquiry, &wrong);
		return;
	}
	inquiry->question++;
	ask(inquiry);
}

/* A device without this property refuses, which is an answer too. */
static void on_property(void *data, struct json_object *result, const struct err *err)
{
	struct adopt_inquiry *inquiry = data;
	struct adopt_device *device = &inquiry->facts.devices[inquiry->device];

	if (!inquiry->fn || (err && err->code != ERR_QEMU)) {
		finish(inquiry, err);
		return;
	}
	if (!err)
		properties[inquiry->property].take(device, properties[inquiry->property].index,
						   result);
	inquiry->property++;
	ask(inquiry);
}

static void ask_property(struct adopt_inquiry *inquiry)
{
	const struct adopt_device *device = &inquiry->facts.devices[inquiry->device];
	CLEANUP(free_charp) char *path = adopt_object_path(device);
	struct json_object *args = json_object_new_object();

	json_add_str(args, "path", path);
	json_add_str(args, "property", properties[inquiry->property].name);
	qemu_command(inquiry->qemu, "qom-get", args, QUERY_DEADLINE_MS, on_property, inquiry);
}

static void ask_question(struct adopt_inquiry *inquiry)
{
	struct json_object *args = NULL;

	const char *command = questions[inquiry->question].command;

	if (questions[inquiry->question].path) {
		args = json_object_new_object();
		json_add_str(args, *command == 'h' ? "command-line" : "path",
			     questions[inquiry->question].path);
		if (strcmp(command, "qom-get") == 0)
			json_add_str(args, "property", "type");
	}
	qemu_command(inquiry->qemu, command, args, QUERY_DEADLINE_MS, on_answer, inquiry);
}

/* Goes to the next property that is asked for; false: there is none left. */
static bool find_property(struct adopt_inquiry *inquiry)
{
	for (; inquiry->device < inquiry->facts.device_count; inquiry->device++) {
		const struct adopt_device *device = &inquiry->facts.devices[inquiry->device];

		for (; inquiry->property < ARRAY_LEN(properties); inquiry->property++)
			if (properties[inquiry->property].is_asked(device))
				return true;
		inquiry->property = 0;
	}
	return false;
}

static void ask(struct adopt_inquiry *inquiry)
{
	if (inquiry->question < ARRAY_LEN(questions))
		ask_question(inquiry);
	else if (find_property(inquiry))
		ask_property(inquiry);
	else
		finish(inquiry, NULL);
}

struct adopt_inquiry *adopt_facts_ask(struct qemu *qemu, adopt_facts_fn *fn, void *data)
{
	struct adopt_inquiry *inquiry = xnew(struct adopt_inquiry);

	inquiry->qemu = qemu;
	inquiry->fn = fn;
	inquiry->data = data;
	ask_question(inquiry);
	return inquiry;
}

void adopt_facts_cancel(struct adopt_inquiry *inquiry)
{
	if (inquiry)
		inquiry->fn = NULL;
}
