/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Networks: a plain virtio NIC becomes one of the definition; what -nic, -net and
 * QEMU's own default made is written out as -netdev and -device. */
#include <stdio.h>
#include <string.h>

#include "adopt/priv.h"
#include "base/mem.h"

/* What -nic can make (`-nic model=help'). */
static const char *const nic_types[] = { "e1000",   "e1000-82544gc",  "e1000-82545em", "e1000e",
					 "i82550",  "i82551",         "i82557a",       "i82557b",
					 "i82557c", "i82558a",        "i82558b",       "i82559a",
					 "i82559b", "i82559c",        "i82559er",      "i82562",
					 "i82801",  "ne2k_pci",       "pcnet",         "rtl8139",
					 "tulip",   "virtio-net-pci", "vmxnet3",       NULL };

/* Interrupt vectors of a virtio NIC with one pair of queues.  A NIC that -nic made has none
 * (QEMU's net/net.c, net_client_init1(), and hw/virtio/virtio-net-pci.c). */
#define PLAIN_VECTORS 4

/* ---- the host's side --------------------------------------------------------- */

/* Backends that a second QEMU may use as well.  A script would need `spawn' (-sandbox). */
static const struct {
	const char *type;
	const char *refused[8]; /* keys, ended by NULL */
} backends[] = {
	{ "user", { "smb", "guestfwd", NULL } },
	{ "tap", { "fd", "fds", "helper", "br", "vhostfd", "vhostfds", NULL } },
};

static bool check_tap(struct adopt_plan *plan, const char *option, const struct optlist *opts)
{
	if (optlist_get(opts, "ifname") && optlist_is(opts, "script", "no", "") &&
	    optlist_is(opts, "downscript", "no", ""))
		return true;
	ADOPT_REFUSE(plan, option,
		     "a tap needs its ifname, script=no and downscript=no: migrd's QEMUs may not "
		     "run "
		     "programs");
	return false;
}

static bool check_backend(struct adopt_plan *plan, const char *option, const struct optlist *opts)
{
	const char *type = optlist_get(opts, "type");

	for (size_t i = 0; type && i < ARRAY_LEN(backends); i++) {
		if (strcmp(backends[i].type, type) != 0)
			continue;
		for (const char *const *key = backends[i].refused; *key; key++) {
			if (!optlist_get(opts, *key))
				continue;
			ADOPT_REFUSE(plan, option, "type '%s' with '%s' cannot be repeated", type,
				     *key);
			return false;
		}
		return strcmp(type, "tap") != 0 || check_tap(plan, option, opts);
	}
	ADOPT_REFUSE(plan, option, "a network of type '%.20s' is not known to move",
		     type ? type : "");
	return false;
}

void adopt_take_netdev(struct adopt_plan *plan, const struct adopt_option *option,
		       const char *value)
{
	struct adopt_item *item = adopt_add_list(plan, ADOPT_NETDEV, option->name, value, "type");

	if (item)
		check_backend(plan, option->name, &item->opts);
}

/* ---- a NIC of the definition ---------------------------------------------------- */

static bool map_backend(const struct optlist *opts, struct vm_def_nic *nic)
{
	static const char *const user[] = { "type", "id", NULL };
	static const char *const tap[] = { "type", "id", "ifname", "script", "downscript", NULL };
	const char *ifname = optlist_get(opts, "ifname");

	if (optlist_is(opts, "type", "user", "")) {
		nic->type = VM_DEF_NIC_TYPE_USER;
		return !optlist_stranger(opts, user);
	}
	nic->type = VM_DEF_NIC_TYPE_TAP;
	if (!ifname || strlen(ifname) >= sizeof(nic->ifname) || optlist_stranger(opts, tap))
		return false;
	snprintf(nic->ifname, sizeof(nic->ifname), "%s", ifname);
	return true;
}

static bool add_nic(struct adopt_plan *plan, const struct optlist *backend, const char *id,
		    const struct adopt_device *fact)
{
	struct vm_def *def = plan->def;
	struct vm_def_nic nic = { 0 };
	const struct adopt_backend *tap;

	if (strcmp(fact->type, "virtio-net-pci") != 0 || !map_backend(backend, &nic) ||
	    !adopt_is_on_root(fact) || fact->devfn % 8 != 0 || !fact->mac[0] ||
	    def->nic_count == VM_DEF_NIC_MAX)
		return false;
	tap = adopt_tap_find(plan->facts, nic.ifname);
	if (tap && tap->has_link)
		snprintf(nic.bridge, sizeof(nic.bridge), "%s", tap->link.master);
	snprintf(nic.mac, sizeof(nic.mac), "%s", fact->mac);
	snprintf(nic.pci_address, sizeof(nic.pci_address), "0x%x", (unsigned)fact->devfn / 8 % 32);
	adopt_make_id(plan, id, "nic", nic.id);
	def->nics[def->nic_count++] = nic;
	return true;
}

bool adopt_map_nic(struct adopt_plan *plan, const struct optlist *device,
		   const struct adopt_device *fact)
{
	static const char *const known[] = { "driver", "id", "netdev", "mac", "addr", "bus", NULL };
	struct adopt_item *backend =
		adopt_find(plan, ADOPT_NETDEV, "id", optlist_get(device, "netdev"));

	if (!backend || optlist_stranger(device, known) ||
	    !add_nic(plan, &backend->opts, optlist_get(device, "id"), fact))
		return false;
	backend->is_gone = true;
	return true;
}

/* ---- -nic, -net, and neither --------------------------------------------------------- */

void adopt_take_nic(struct adopt_plan *plan, const struct adopt_option *option, const char *value)
{
	struct adopt_item *item = adopt_add_list(plan, ADOPT_NIC, option->name, value, "type");

	if (!item)
		return;
	item->is_gone = true;
	if (optlist_is(&item->opts, "type", "none", ""))
		item->kind = ADOPT_PLAIN;
	else
		check_backend(plan, option->name, &item->opts);
}

void adopt_take_net(struct adopt_plan *plan, const struct adopt_option *option, const char *value)
{
	struct adopt_item *item = adopt_add_list(plan, ADOPT_NET, option->name, value, "type");

	if (!item)
		return;
	item->is_gone = true;
	if (!optlist_is(&item->opts, "type", "nic", "") &&
	    !optlist_is(&item->opts, "type", "none", ""))
		check_backend(plan, option->name, &item->opts);
}

/* Makes a NIC that has no -netdev and -device one of the definition, or writes both options.
 * OPTS: the host's side. */
static void write_out(struct adopt_plan *plan, const struct optlist *opts,
		      const struct adopt_device *fact)
{
	struct adopt_item *item;
	CLEANUP(free_charp) char *text = optlist_format(opts);
	char id[VM_DEF_ID_SIZE], addr[16], vectors[32] = "";

	if (fact->vectors == PLAIN_VECTORS && add_nic(plan, opts, optlist_get(opts, "id"), fact))
		return;
	if (fact->vectors >= 0)
		snprintf(vectors, sizeof(vectors), ",vectors=%d", fact->vectors);
	adopt_make_id(plan, NULL, "net", id);
	adopt_print_addr(fact, addr);
	item = adopt_add_list(plan, ADOPT_NETDEV, "-netdev", text, "type");
	if (item)
		adopt_change(item, "id", id);
	adopt_addf(plan, "-device", "%s,netdev=%s,mac=%s,addr=%s%s", fact->type, id, fact->mac,
		   addr, vectors);
}

/* Removes the keys of the guest's side. */
static void strip(struct optlist *opts)
{
	static const char *const keys[] = { "model", "mac", "macaddr", "addr", "vectors", "name" };

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		optlist_remove(opts, keys[i]);
}

/* All of -net are joined in one hub; only one NIC with one backend can be repeated without it. */
static bool find_pair(struct adopt_plan *plan, struct adopt_item **ret_nic,
		      struct adopt_item **ret_backend)
{
	size_t nics = 0, others = 0;

	for (size_t i = 0; i < plan->item_count; i++) {
		struct adopt_item *item = &plan->items[i];

		if (item->kind != ADOPT_NET || optlist_is(&item->opts, "type", "none", ""))
			continue;
		if (optlist_is(&item->opts, "type", "nic", "")) {
			*ret_nic = item;
			nics++;
		} else {
			*ret_backend = item;
			others++;
		}
	}
	if (nics + others > 0 && (nics != 1 || others != 1))
		ADOPT_REFUSE(plan, "-net",
			     "only one '-net nic' with one '-net user' or '-net tap' is carried "
			     "over: "
			     "use -nic");
	return nics == 1 && others == 1;
}

void adopt_nets_end(struct adopt_plan *plan)
{
	struct adopt_item *nic = NULL, *backend = NULL;
	size_t count = adopt_device_count(plan->facts, ADOPT_BOARD, nic_types), used = 0;
	size_t items = plan->item_count;

	if (find_pair(plan, &nic, &backend) && used < count)
		write_out(plan, &backend->opts,
			  adopt_device_nth(plan->facts, ADOPT_BOARD, nic_types, used++));
	for (size_t i = 0; i < items; i++) {
		struct adopt_item *item = &plan->items[i];

		if (item->kind != ADOPT_NIC || used >= count)
			continue;
		strip(&item->opts);
		write_out(plan, &item->opts,
			  adopt_device_nth(plan->facts, ADOPT_BOARD, nic_types, used++));
	}
	if (used == 0 && count == 1) {
		CLEANUP(optlist_fini) struct optlist user = OPTLIST_INIT;

		optlist_set(&user, "type", "user");
		write_out(plan, &user,
			  adopt_device_nth(plan->facts, ADOPT_BOARD, nic_types, used++));
	}
	if (used != count)
		ADOPT_REFUSE(plan, "-nic", "QEMU has %zu NICs, and its command line explains %zu",
			     count, used);
}
