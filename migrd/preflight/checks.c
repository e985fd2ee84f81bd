/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "preflight/checks.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"
#include "net/tap.h"
#include "net/vsock.h"
#include "preflight/look.h"

/* ---- directories ------------------------------------------------------------------ */

static void look_dirs(struct preflight *preflight)
{
	for (size_t i = 0; i < preflight->needs->dir_count; i++) {
		const struct need_dir *dir = &preflight->needs->dirs[i];
		struct stat st;

		preflight->dir_is_there[i] = stat(dir->path, &st) == 0 && S_ISDIR(st.st_mode);
		if (preflight->dir_is_there[i] && dir->socket[0])
			unix_path_is_free(dir->socket, &preflight->socket_err[i]);
	}
}

static void judge_dirs(const struct preflight *preflight, struct preflight_reasons *ret)
{
	for (size_t i = 0; i < preflight->needs->dir_count; i++) {
		const struct need_dir *dir = &preflight->needs->dirs[i];

		if (!preflight->dir_is_there[i])
			preflight_add(ret, "directories",
				      "%s: the directory '%s' is not there on this host: make it",
				      dir->what, dir->path);
		if (err_is_set(&preflight->socket_err[i]))
			preflight_add(ret, "directories",
				      "%s: %s: end what has it, or give the guest another path",
				      dir->what, preflight->socket_err[i].msg);
	}
}

/* ---- ports --------------------------------------------------------------------------- */

static int try_to_bind(const struct addrinfo *address)
{
	CLEANUP(closep)
	int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int one = 1;

	if (fd < 0)
		return 0; /* no such family here: QEMU leaves it out too */
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (address->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (bind(fd, address->ai_addr, address->ai_addrlen) != 0 || listen(fd, 1) != 0)
		return errno;
	return 0;
}

static int port_errno(const struct need_port *port)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
					.ai_flags = AI_PASSIVE | AI_NUMERICSERV };
	struct addrinfo *list;
	char number[8], host[sizeof(port->host)];
	int error = 0;

	snprintf(host, sizeof(host), "%s", port->host);
	if (host[0] == '[' && host[strlen(host) - 1] == ']') {
		memmove(host, host + 1, strlen(host));
		host[strlen(host) - 1] = '\0';
	}
	snprintf(number, sizeof(number), "%u", port->port % 65536);
	if (getaddrinfo(host[0] ? host : NULL, number, &hints, &list) != 0)
		return EADDRNOTAVAIL;
	for (const struct addrinfo *one = list; one && !error; one = one->ai_next)
		error = try_to_bind(one);
	freeaddrinfo(list);
	return error;
}

static void look_ports(struct preflight *preflight)
{
	for (size_t i = 0; i < preflight->needs->port_count; i++)
		preflight->port_errno[i] = port_errno(&preflight->needs->ports[i]);
}

static void judge_ports(const struct preflight *preflight, struct preflight_reasons *ret)
{
	for (size_t i = 0; i < preflight->needs->port_count; i++) {
		const struct need_port *port = &preflight->needs->ports[i];
		int error = preflight->port_errno[i];

		if (error == EADDRINUSE)
			preflight_add(ret, "ports",
				      "%s: port %u of this host is in use: end what listens there, "
				      "or give the guest another port",
				      port->what, port->port);
		else if (error)
			preflight_add(ret, "ports", "%s: port %u at '%s' cannot be had here: %s",
				      port->what, port->port, port->host, strerror(error));
	}
}

/* ---- interfaces ---------------------------------------------------------------------- */

static void look_links(struct preflight *preflight)
{
	for (size_t i = 0; i < preflight->needs->nic_count; i++) {
		const struct need_nic *nic = &preflight->needs->nics[i];

		preflight->has_link[i] = net_link_look_blocking(nic->ifname, &preflight->links[i],
								&preflight->link_err[i]);
		if (preflight->has_link[i])
			net_tap_check_link_blocking(nic->ifname, &preflight->links[i], nic->bridge,
						    &preflight->link_err[i]);
	}
}

static const char *bridge_there(const struct preflight *preflight, const char *id)
{
	for (size_t i = 0; i < preflight->there->nic_count; i++) {
		if (strcmp(preflight->there->nics[i].id, id) == 0)
			return preflight->there->nics[i].bridge;
	}
	return "";
}

/* look_links() has checked a bridge that the definition names.  Without one, the tap must be in
 * a bridge here if it is in a bridge on the source. */
static void judge_bridge(const struct preflight *preflight, const struct need_nic *nic,
			 const struct net_link *link, struct preflight_reasons *ret)
{
	const char *bridge = bridge_there(preflight, nic->id);

	if (!nic->bridge[0] && bridge[0] && !link->master[0])
		preflight_add(ret, "interfaces",
			      "nic '%s': interface '%s' is a port of bridge '%s' on host '%s', and "
			      "of none here: put it into its bridge (ip link set %s master BRIDGE)",
			      nic->id, nic->ifname, bridge, preflight->source, nic->ifname);
}

static void judge_links(const struct preflight *preflight, struct preflight_reasons *ret)
{
	for (size_t i = 0; i < preflight->needs->nic_count; i++) {
		const struct need_nic *nic = &preflight->needs->nics[i];

		if (!preflight->has_link[i])
			preflight_add(ret, "interfaces",
				      "nic '%s': %s: make it, and put it into its bridge", nic->id,
				      preflight->link_err[i].msg);
		else if (err_is_set(&preflight->link_err[i]))
			preflight_add(ret, "interfaces", "nic '%s': %s", nic->id,
				      preflight->link_err[i].msg);
		if (preflight->has_link[i])
			judge_bridge(preflight, nic, &preflight->links[i], ret);
	}
}

/* ---- vsock ------------------------------------------------------------------------- */

static void look_vsock(struct preflight *preflight)
{
	if (preflight->needs->vsock_cid)
		net_vsock_check(NET_VSOCK_DEVICE, preflight->needs->vsock_cid,
				&preflight->vsock_err);
}

static void judge_vsock(const struct preflight *preflight, struct preflight_reasons *ret)
{
	if (err_is_set(&preflight->vsock_err))
		preflight_add(ret, "vsock", "%s", preflight->vsock_err.msg);
}

/* ---- all of them --------------------------------------------------------------------- */

static void look_files(struct preflight *preflight)
{
	look_follow_blocking(preflight->needs);
	look_destination_blocking(preflight->needs, preflight->id, preflight->there,
				  preflight->here);
}

static void look_nothing(struct preflight *preflight)
{
	(void)preflight;
}

/* The features of the CPU and the sizes of virtqueues are no rows: they are known only when QEMU
 * runs here (cpu_judge(), virtqueues_judge()). */
static const struct check {
	const char *name;
	void (*look)(struct preflight *preflight);
	void (*judge)(const struct preflight *preflight, struct preflight_reasons *ret);
} checks[] = {
	{ "disks", look_files, proof_judge_files },
	{ "access", access_look_blocking, access_judge },
	{ "locks", look_nothing, locks_judge }, /* what the first row has found */
	{ "storage", images_look_blocking, images_judge },
	{ "memory", memory_look, memory_judge },
	{ "memory-lock", memory_lock_look, memory_lock_judge },
	{ "postcopy", fetch_look_blocking, fetch_judge },
	{ "tpm", tpm_look_blocking, tpm_judge },
	{ "directories", look_dirs, judge_dirs },
	{ "sockets", sockets_look_blocking, sockets_judge },
	{ "ports", look_ports, judge_ports },
	{ "interfaces", look_links, judge_links },
	{ "vsock", look_vsock, judge_vsock },
};

struct preflight *preflight_new(const char *id, const char *source, const struct vm_def *def,
				struct evidence *there, const struct preflight_images *images)
{
	struct preflight *preflight = xnew(struct preflight);

	snprintf(preflight->id, sizeof(preflight->id), "%s", id);
	snprintf(preflight->source, sizeof(preflight->source), "%s", source);
	preflight->needs = needs_of(def);
	preflight->has_evidence = there != NULL;
	preflight->there = there ? there : xnew(struct evidence);
	preflight->here = xnew(struct evidence);
	images_plan(preflight, images);
	needs_add_bases(preflight->needs, images->copies, images->copy_count);
	needs_place(preflight->needs, &preflight->rules);
	return preflight;
}

void preflight_free(struct preflight *preflight)
{
	if (!preflight)
		return;
	free(preflight->needs);
	free(preflight->there);
	free(preflight->here);
	free(preflight);
}

void preflight_look_blocking(struct preflight *preflight)
{
	for (size_t i = 0; i < ARRAY_LEN(checks); i++)
		checks[i].look(preflight);
}

void preflight_judge(const struct preflight *preflight, struct preflight_reasons *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(checks); i++)
		checks[i].judge(preflight, ret);
}

static void gather_nics(const struct needs *needs, struct evidence *ret)
{
	for (size_t i = 0; i < needs->nic_count; i++) {
		struct evidence_nic *nic = &ret->nics[ret->nic_count++];
		struct net_link link;
		struct err err;

		snprintf(nic->id, sizeof(nic->id), "%s", needs->nics[i].id);
		if (net_link_look_blocking(needs->nics[i].ifname, &link, &err))
			snprintf(nic->bridge, sizeof(nic->bridge), "%s", link.master);
	}
}

void preflight_gather_blocking(struct needs *needs, const char *id, struct evidence *ret)
{
	look_follow_blocking(needs);
	look_source_blocking(needs, id, ret);
	gather_nics(needs, ret);
}
