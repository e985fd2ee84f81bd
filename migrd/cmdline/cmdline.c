/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cmdline/cmdline.h"

#include <inttypes.h>
#include <stdarg.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "cmdline/memory.h"
#include "cmdline/plug.h"

struct cmdline {
	char **argv; /* ended by NULL */
	size_t count;
	size_t size;
};

static void add_owned(struct cmdline *cl, char *arg)
{
	if (cl->count + 2 > cl->size) {
		cl->size = cl->size ? cl->size * 2 : 64;
		cl->argv = xrealloc(cl->argv, cl->size * sizeof(*cl->argv));
	}
	cl->argv[cl->count++] = arg;
	cl->argv[cl->count] = NULL;
}

static void add(struct cmdline *cl, const char *arg)
{
	add_owned(cl, xstrdup(arg));
}

/* An option and its value. */
static void addf(struct cmdline *cl, const char *option, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static void addf(struct cmdline *cl, const char *option, const char *fmt, ...)
{
	struct strbuf sb = STRBUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	strbuf_vaddf(&sb, fmt, ap);
	va_end(ap);
	add(cl, option);
	add_owned(cl, strbuf_take(&sb));
}

/* In QEMU's option lists a comma ends a value, unless it is doubled. */
static char *quote(const char *value)
{
	struct strbuf sb = STRBUF_INIT;

	for (const char *p = value; *p; p++)
		strbuf_add(&sb, *p == ',' ? ",," : p, *p == ',' ? 2 : 1);
	return sb.data ? strbuf_take(&sb) : xstrdup("");
}

static void add_json(struct cmdline *cl, const char *option, struct json_object *args)
{
	add(cl, option);
	add(cl, json_text(args, NULL));
}

static void add_main_memory(struct cmdline *cl, const struct vm_def *def)
{
	CLEANUP(json_putp) struct json_object *args = memory_main(def);

	add_json(cl, "-object", args);
}

static void add_numa_cpus(struct strbuf *sb, const char *cpus)
{
	for (const char *at = cpus; *at; at += strcspn(at, ","), at += *at == ',')
		strbuf_addf(sb, ",cpus=%.*s", (int)strcspn(at, ","), at);
}

static void add_numa_node(struct cmdline *cl, const struct vm_def *def, size_t number)
{
	const struct vm_def_numa_node *node = &def->numa_nodes[number];
	CLEANUP(json_putp) struct json_object *args = memory_of_node(def, number);
	struct strbuf sb = STRBUF_INIT;

	strbuf_addf(&sb, "node,nodeid=%zu", number);
	add_numa_cpus(&sb, node->cpus);
	if (node->memory_mib) {
		add_json(cl, "-object", args);
		strbuf_addf(&sb, ",memdev=%s", json_get_str(args, "id"));
	}
	add(cl, "-numa");
	add_owned(cl, strbuf_take(&sb));
}

static void add_memory(struct cmdline *cl, const struct vm_def *def)
{
	if (memory_is_object(def))
		add_main_memory(cl, def);
	for (size_t i = 0; i < def->numa_node_count; i++)
		add_numa_node(cl, def, i);
	if (def->memory_slots)
		addf(cl, "-m", "%" PRIu64 "M,slots=%" PRIu64 ",maxmem=%" PRIu64 "M",
		     def->memory_mib, def->memory_slots, def->max_memory_mib);
	else
		addf(cl, "-m", "%" PRIu64 "M", def->memory_mib);
}

/* Gives the topology explicitly, since a vCPU is added by its place in it, and some
 * guests count sockets for their licence. */
static void add_vcpus(struct cmdline *cl, const struct vm_def *def)
{
	if (def->max_vcpus)
		addf(cl, "-smp",
		     "cpus=%" PRIu64 ",maxcpus=%" PRIu64 ",sockets=1,cores=%" PRIu64 ",threads=1",
		     def->vcpus, def->max_vcpus, def->max_vcpus);
	else
		addf(cl, "-smp", "%" PRIu64, def->vcpus);
}

#define CODE_NODE "firmware-code-node"

static void add_machine(struct cmdline *cl, const struct vm_def *def,
			const struct qemu_features *features)
{
	addf(cl, "-name", "guest=%s,debug-threads=on", def->name);
	addf(cl, "-uuid", "%s", def->uuid);
	addf(cl, "-machine", "%s,accel=%s%s%s%s%s%s", def->machine, vm_def_accel_names[def->accel],
	     def->machine_options[0] ? "," : "", def->machine_options,
	     memory_is_object(def) ? ",memory-backend=" MEMORY_MAIN_ID : "",
	     vm_def_has_firmware(def) ? ",pflash0=" CODE_NODE ",pflash1=" VM_DEF_VARS_ID "-node"
				      : "",
	     def->memory_share && features->has_aux_ram_share ? ",aux-ram-share=on" : "");
	addf(cl, "-cpu", "%s", def->cpu_model);
	add_memory(cl, def);
	add_vcpus(cl, def);
	add(cl, "-nodefaults");
	add(cl, "-no-user-config");
	addf(cl, "-display", "none");
	addf(cl, "-sandbox", "%s", CMDLINE_SANDBOX);
	addf(cl, "-msg", "timestamp=on");
	addf(cl, "-action", "reboot=%s,shutdown=%s,panic=%s,watchdog=%s",
	     vm_def_reboot_names[def->actions.reboot], vm_def_shutdown_names[def->actions.shutdown],
	     vm_def_panic_names[def->actions.panic], vm_def_watchdog_names[def->actions.watchdog]);
}

/* Not by -mon: QEMU 11.1 prints at each start that -mon is deprecated. */
static void add_monitor(struct cmdline *cl, const char *chardev, bool is_qmp)
{
	addf(cl, is_qmp ? "-qmp" : "-monitor", "chardev:%s", chardev);
}

static void add_monitors(struct cmdline *cl, const struct cmdline_fds *fds)
{
	for (size_t i = 0; i < ARRAY_LEN(fds->monitor); i++) {
		char id[24];

		snprintf(id, sizeof(id), "mon%zu", i);
		addf(cl, "-chardev", "socket,id=%s,fd=%d,server=on,wait=off", id, fds->monitor[i]);
		add_monitor(cl, id, true);
	}
}

static void add_flash(struct cmdline *cl, const char *node, const char *path, bool is_readonly)
{
	CLEANUP(json_putp) struct json_object *args = json_object_new_object();
	struct json_object *file = json_object_new_object();

	json_add_str(args, "driver", "raw");
	json_add_str(args, "node-name", node);
	json_add_bool(args, "read-only", is_readonly);
	json_add_str(file, "driver", "file");
	json_add_str(file, "filename", path);
	json_object_object_add(args, "file", file);
	add_json(cl, "-blockdev", args);
}

/* The variables' node has the name that a disk's would have, since a move copies both alike. */
static void add_firmware(struct cmdline *cl, const struct vm_def_firmware *firmware)
{
	char node[VM_DEF_ID_SIZE + 8];

	plug_disk_node(node, sizeof(node), firmware->vars.id);
	add_flash(cl, CODE_NODE, firmware->code, true);
	add_flash(cl, node, firmware->vars.path, false);
}

/* What a -netdev has that opens its interface by the name. */
static const char *const without_fd[] = { "ifname", "script", "downscript" };

static void add_device(struct cmdline *cl, const struct vm_def *def, struct vm_def_device dev,
		       const struct cmdline_fds *fds)
{
	char fd[16];
	struct plug plug;

	plug_init(&plug, def, dev);
	if (dev.kind == VM_DEF_KIND_NIC && fds->nic[dev.index] >= 0) {
		for (size_t i = 0; i < ARRAY_LEN(without_fd); i++)
			json_object_object_del(plug.backend_args, without_fd[i]);
		snprintf(fd, sizeof(fd), "%d", fds->nic[dev.index]);
		json_add_str(plug.backend_args, "fd", fd);
	}
	if (plug.controller_args)
		add_json(cl, "-device", plug.controller_args);
	if (plug.backend)
		add_json(cl, plug.backend->option, plug.backend_args);
	add_json(cl, "-device", plug.device_args);
	plug_fini(&plug);
}

/* Eight hot-plug ports share a slot, as its functions, so that they take few slots.
 * The firmware reserves room behind each port for devices that may come. */
static void add_ports(struct cmdline *cl, const struct vm_def *def)
{
	for (unsigned i = 0; i < def->hotplug_ports; i++) {
		char id[24];

		plug_port_id(id, sizeof(id), i + 1);
		addf(cl, "-device",
		     "pcie-root-port,id=%s,bus=pcie.0,addr=0x%x.%u,multifunction=on,chassis=%u,"
		     "port=%u,pref64-reserve=%uM",
		     id, VM_DEF_PORT_SLOT - i / VM_DEF_PORTS_PER_SLOT, i % VM_DEF_PORTS_PER_SLOT,
		     i + 1, i + 1, VM_DEF_PORT_RESERVE_MIB);
	}
}

static void add_serial(struct cmdline *cl, const struct vm_def_serial *serial, int console_fd,
		       const struct qemu_features *features)
{
	CLEANUP(free_charp) char *path = quote(serial->path);

	switch ((enum vm_def_serial_type)serial->type) {
	case VM_DEF_SERIAL_TYPE_NONE:
		return;
	case VM_DEF_SERIAL_TYPE_FILE:
		addf(cl, "-chardev", "file,id=serial0,path=%s,append=on", path);
		break;
	case VM_DEF_SERIAL_TYPE_SOCKET:
		/* The program that collects the output may be away: the guest starts,
		 * and QEMU goes on trying to connect. */
		addf(cl, "-chardev", "socket,id=serial0,path=%s,server=off,%s", path,
		     features->has_reconnect_ms ? "reconnect-ms=1000" : "reconnect=1");
		break;
	case VM_DEF_SERIAL_TYPE_CONSOLE:
		addf(cl, "-chardev", "socket,id=serial0,fd=%d,server=on,wait=off", console_fd);
		break;
	}
	addf(cl, "-serial", "chardev:serial0");
}

/* QEMU binds the socket itself: it takes no descriptor for it.  Who may be there at the same time
 * is not for the viewer's program to say (`share'). */
static void add_graphics(struct cmdline *cl, const struct vm_def_graphics *graphics,
			 const char *vnc_path)
{
	CLEANUP(free_charp) char *path = NULL;

	if (graphics->type == VM_DEF_GRAPHICS_TYPE_NONE)
		return;
	path = quote(vnc_path);
	addf(cl, "-vnc", "unix:%s,share=ignore", path);
}

static void add_guest_agent(struct cmdline *cl, const struct cmdline_fds *fds)
{
	addf(cl, "-chardev", "socket,id=agent0,fd=%d,server=on,wait=off", fds->agent);
	addf(cl, "-device", "virtio-serial-pci,id=agent-bus,addr=0x%x", VM_DEF_GUEST_AGENT_SLOT);
	addf(cl, "-device",
	     "virtserialport,id=agent-port,bus=agent-bus.0,chardev=agent0,"
	     "name=org.qemu.guest_agent.0");
}

#define TPM_ID VM_DEF_OWN_PREFIX "tpm"

static void add_tpm(struct cmdline *cl, const struct vm_def_tpm *tpm, const struct cmdline_fds *fds)
{
	addf(cl, "-chardev", "socket,id=" TPM_ID ",fd=%d", fds->tpm);
	addf(cl, "-tpmdev", "emulator,id=" TPM_ID ",chardev=" TPM_ID);
	addf(cl, "-device", "%s,tpmdev=" TPM_ID, vm_def_tpm_model_names[tpm->model]);
}

/* A monitor on the terminal of a QEMU that somebody started by hand becomes one on a
 * pseudo-terminal. */
static void add_extra_monitor(struct cmdline *cl, const struct vm_def_monitor *monitor, int fd)
{
	char id[sizeof("monitor-") + VM_DEF_ID_SIZE];

	if (monitor->type == VM_DEF_MONITOR_TYPE_STDIO)
		addf(cl, "-chardev", "pty,id=monitor-%s", monitor->id);
	else
		addf(cl, "-chardev", "socket,id=monitor-%s,fd=%d,server=on,wait=off", monitor->id,
		     fd);
	snprintf(id, sizeof(id), "monitor-%s", monitor->id);
	add_monitor(cl, id, monitor->protocol == VM_DEF_MONITOR_PROTOCOL_QMP);
}

static void add_incoming(struct cmdline *cl, const struct cmdline_args *args)
{
	struct json_object *channel, *addr;

	add(cl, "-S");
	if (args->incoming != CMDLINE_INCOMING_NONE)
		addf(cl, "-incoming", "defer");
	if (args->incoming != CMDLINE_INCOMING_CPR)
		return;
	channel = json_object_new_object();
	addr = json_object_new_object();
	json_add_str(channel, "channel-type", "cpr");
	json_add_str(addr, "transport", "socket");
	json_add_str(addr, "type", "unix");
	json_add_str(addr, "path", args->cpr_path);
	json_object_object_add(channel, "addr", addr);
	add_json(cl, "-incoming", channel);
	json_object_put(channel);
}

struct cmdline *cmdline_build(const struct cmdline_args *args)
{
	const struct vm_def *def = args->def;
	struct cmdline *cl = xnew(struct cmdline);

	add(cl, args->binary);
	add_machine(cl, def, args->features);
	add_monitors(cl, args->fds);
	addf(cl, "-pidfile", "%s", args->pid_file);
	if (vm_def_has_firmware(def))
		add_firmware(cl, &def->firmware);
	add_ports(cl, def);
	VM_DEF_EACH_DEVICE(def, dev)
	{
		add_device(cl, def, dev, args->fds);
	}
	add_serial(cl, &def->serial, args->fds->console, args->features);
	add_graphics(cl, &def->graphics, args->vnc_path);
	if (def->guest_agent)
		add_guest_agent(cl, args->fds);
	if (vm_def_has_tpm(def))
		add_tpm(cl, &def->tpm, args->fds);
	for (size_t i = 0; i < def->monitor_count; i++)
		add_extra_monitor(cl, &def->monitors[i], args->fds->extra[i]);
	for (size_t i = 0; i < def->extra_arg_count; i++)
		add(cl, def->extra_args[i]);
	add_incoming(cl, args);
	return cl;
}

const char *const *cmdline_argv(const struct cmdline *cmdline)
{
	return (const char *const *)cmdline->argv;
}

void cmdline_free(struct cmdline *cmdline)
{
	if (!cmdline)
		return;
	for (size_t i = 0; i < cmdline->count; i++)
		free(cmdline->argv[i]);
	free(cmdline->argv);
	free(cmdline);
}
