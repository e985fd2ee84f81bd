/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm/cmdline.h"

#include <inttypes.h>
#include <stdarg.h>

#include "base/mem.h"
#include "base/strbuf.h"

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

/* "-device"'s bus is the root bus of both q35 (pcie.0) and i440fx (pci.0): QEMU
 * finds it from the address alone. */
static void add_machine(struct cmdline *cl, const struct vm_def *def)
{
	addf(cl, "-name", "guest=%s,debug-threads=on", def->name);
	addf(cl, "-uuid", "%s", def->uuid);
	addf(cl, "-machine", "%s,accel=%s", def->machine, vm_def_accel_names[def->accel]);
	addf(cl, "-cpu", "%s", def->cpu_model);
	addf(cl, "-m", "%" PRIu64 "M", def->memory_mib);
	addf(cl, "-smp", "%" PRIu64, def->vcpus);
	add(cl, "-nodefaults");
	add(cl, "-no-user-config");
	addf(cl, "-display", "none");
	addf(cl, "-sandbox",
	     "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
	addf(cl, "-msg", "timestamp=on");
}

static void add_monitors(struct cmdline *cl, const struct cmdline_fds *fds)
{
	for (size_t i = 0; i < ARRAY_LEN(fds->monitor); i++) {
		addf(cl, "-chardev", "socket,id=mon%zu,fd=%d,server=on,wait=off", i,
		     fds->monitor[i]);
		addf(cl, "-mon", "chardev=mon%zu,mode=control", i);
	}
}

static void add_disk(struct cmdline *cl, const struct vm_def_disk *disk)
{
	static const struct {
		const char *direct, *no_flush, *write_cache;
	} caches[] = {
		[VM_DEF_DISK_CACHE_WRITEBACK] = { "off", "off", "on" },
		[VM_DEF_DISK_CACHE_NONE] = { "on", "off", "on" },
		[VM_DEF_DISK_CACHE_WRITETHROUGH] = { "off", "off", "off" },
		[VM_DEF_DISK_CACHE_UNSAFE] = { "off", "on", "on" },
	};
	CLEANUP(free_charp) char *path = quote(disk->path);
	char boot[32] = "";

	if (disk->has_boot_index)
		snprintf(boot, sizeof(boot), ",bootindex=%" PRIu64, disk->boot_index);
	addf(cl, "-blockdev",
	     "driver=%s,node-name=%s-node,read-only=%s,file.driver=file,file.filename=%s,"
	     "cache.direct=%s,cache.no-flush=%s,file.cache.direct=%s,file.cache.no-flush=%s",
	     vm_def_disk_format_names[disk->format], disk->id, disk->readonly ? "on" : "off", path,
	     caches[disk->cache].direct, caches[disk->cache].no_flush, caches[disk->cache].direct,
	     caches[disk->cache].no_flush);
	addf(cl, "-device", "virtio-blk-pci,id=%s,drive=%s-node,addr=%s,write-cache=%s%s", disk->id,
	     disk->id, disk->pci_address, caches[disk->cache].write_cache, boot);
}

static void add_nic(struct cmdline *cl, const struct vm_def_nic *nic)
{
	if (nic->type == VM_DEF_NIC_TYPE_TAP)
		addf(cl, "-netdev", "tap,id=%s-net,ifname=%s,script=no,downscript=no", nic->id,
		     nic->ifname);
	else
		addf(cl, "-netdev", "user,id=%s-net", nic->id);
	addf(cl, "-device", "virtio-net-pci,id=%s,netdev=%s-net,mac=%s,addr=%s", nic->id, nic->id,
	     nic->mac, nic->pci_address);
}

static void add_serial(struct cmdline *cl, const struct vm_def_serial *serial)
{
	CLEANUP(free_charp) char *path = quote(serial->path);

	switch ((enum vm_def_serial_type)serial->type) {
	case VM_DEF_SERIAL_TYPE_NONE:
		return;
	case VM_DEF_SERIAL_TYPE_FILE:
		addf(cl, "-chardev", "file,id=serial0,path=%s,append=on", path);
		break;
	case VM_DEF_SERIAL_TYPE_SOCKET:
		/* The collector may be away: the guest starts, and QEMU goes on trying. */
		addf(cl, "-chardev", "socket,id=serial0,path=%s,server=off,reconnect=1", path);
		break;
	}
	addf(cl, "-serial", "chardev:serial0");
}

static void add_guest_agent(struct cmdline *cl, const struct cmdline_fds *fds)
{
	addf(cl, "-chardev", "socket,id=agent0,fd=%d,server=on,wait=off", fds->agent);
	addf(cl, "-device", "virtio-serial-pci,id=agent-bus,addr=0x%x", VM_DEF_GUEST_AGENT_SLOT);
	addf(cl, "-device",
	     "virtserialport,id=agent-port,bus=agent-bus.0,chardev=agent0,"
	     "name=org.qemu.guest_agent.0");
}

static void add_shared_memory(struct cmdline *cl, const struct vm_def_shared_memory *shm)
{
	CLEANUP(free_charp) char *path = quote(shm->path);

	addf(cl, "-object", "memory-backend-file,id=%s-mem,mem-path=%s,size=%" PRIu64 "M,share=on",
	     shm->id, path, shm->size_mib);
	addf(cl, "-device", "ivshmem-plain,id=%s,memdev=%s-mem,master=on,addr=%s", shm->id, shm->id,
	     shm->pci_address);
}

/* A pseudo-terminal is what a terminal was to a QEMU that somebody started by hand. */
static void add_extra_monitor(struct cmdline *cl, const struct vm_def_monitor *monitor, int fd)
{
	if (monitor->type == VM_DEF_MONITOR_TYPE_STDIO)
		addf(cl, "-chardev", "pty,id=monitor-%s", monitor->id);
	else
		addf(cl, "-chardev", "socket,id=monitor-%s,fd=%d,server=on,wait=off", monitor->id,
		     fd);
	addf(cl, "-mon", "chardev=monitor-%s,mode=%s", monitor->id,
	     monitor->protocol == VM_DEF_MONITOR_PROTOCOL_QMP ? "control" : "readline");
}

struct cmdline *cmdline_build(const struct vm_def *def, const char *binary, const char *pid_file,
			      bool incoming, const struct cmdline_fds *fds)
{
	struct cmdline *cl = xnew(struct cmdline);

	add(cl, binary);
	add_machine(cl, def);
	add_monitors(cl, fds);
	addf(cl, "-pidfile", "%s", pid_file);
	for (size_t i = 0; i < def->disk_count; i++)
		add_disk(cl, &def->disks[i]);
	for (size_t i = 0; i < def->nic_count; i++)
		add_nic(cl, &def->nics[i]);
	add_serial(cl, &def->serial);
	if (def->guest_agent)
		add_guest_agent(cl, fds);
	for (size_t i = 0; i < def->shared_memory_count; i++)
		add_shared_memory(cl, &def->shared_memory[i]);
	for (size_t i = 0; i < def->monitor_count; i++)
		add_extra_monitor(cl, &def->monitors[i], fds->extra[i]);
	for (size_t i = 0; i < def->extra_arg_count; i++)
		add(cl, def->extra_args[i]);
	add(cl, "-S");
	if (incoming)
		addf(cl, "-incoming", "defer");
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
