/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/tap_share.h"

#include <dirent.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"

/* Of Linux 6.2. */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

#define FDINFO_MAX 4096

/* ---- the descriptor -------------------------------------------------------------------- */

/* "iff:\tNAME" is a line of what the kernel tells of an open tap. */
static bool is_of_tap(pid_t pid, const char *number, const char *ifname)
{
	CLEANUP(free_charp)
	char *path = xasprintf("/proc/%d/fdinfo/%s", (int)pid, number);
	CLEANUP(free_charp) char *line = xasprintf("\niff:\t%s\n", ifname);
	CLEANUP(free_charp) char *text = NULL;
	struct err ignored;
	size_t len;

	return file_read(path, FDINFO_MAX, &text, &len, &ignored) && strstr(text, line);
}

/* The kernel tells nothing of an open macvtap but its file (net_open_macvtap()). */
static bool is_of_macvtap(pid_t pid, const char *number, const char *ifname)
{
	CLEANUP(free_charp) char *path = xasprintf("/proc/%d/fd/%s", (int)pid, number);
	char device[32], target[32];
	ssize_t len = readlink(path, target, sizeof(target) - 1);

	snprintf(device, sizeof(device), "/dev/tap%u", if_nametoindex(ifname));
	target[len > 0 ? len : 0] = '\0';
	return strcmp(target, device) == 0;
}

static int find(pid_t pid, const char *ifname)
{
	CLEANUP(free_charp) char *path = xasprintf("/proc/%d/fdinfo", (int)pid);
	DIR *dir = opendir(path);
	struct dirent *entry;
	int found = -1;

	if (!dir)
		return -1;
	while (found < 0 && (entry = readdir(dir))) {
		if (entry->d_name[0] != '.' && (is_of_tap(pid, entry->d_name, ifname) ||
						is_of_macvtap(pid, entry->d_name, ifname)))
			found = (int)strtol(entry->d_name, NULL, 10);
	}
	closedir(dir);
	return found;
}

/* Another process could have got the number PID, or the descriptor's number another file. */
static bool is_it(int fd, const char *ifname)
{
	struct ifreq ifr = { 0 };

	return ioctl(fd, TUNGETIFF, &ifr) == 0 && strncmp(ifr.ifr_name, ifname, IFNAMSIZ) == 0;
}

static int take(pid_t pid, int number)
{
	CLEANUP(closep) int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

	return pidfd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, pidfd, number, 0);
}

bool net_tap_take(pid_t pid, const char *ifname, int *ret_fd, struct err *err)
{
	CLEANUP(closep) int fd = -1;
	int number = find(pid, ifname);

	if (number >= 0)
		fd = take(pid, number);
	if (fd < 0 && number >= 0 && errno == EPERM)
		return err_set(err, ERR_FORBIDDEN,
			       "migrd may not take the open interface '%s' from QEMU (process %d): "
			       "run migrd as root, or with the capability CAP_SYS_PTRACE",
			       ifname, (int)pid);
	if (fd < 0 || !is_it(fd, ifname))
		return err_set(err, ERR_CONFLICT,
			       "QEMU (process %d) has not opened interface '%s', or migrd may not "
			       "see it, which root may",
			       (int)pid, ifname);
	*ret_fd = TAKE_FD(fd);
	return true;
}

/* ---- the settings ---------------------------------------------------------------------- */

/* tun_net_fix_features(): what the device can send is what its reader was said to take. */
static const struct {
	const char *name;
	unsigned flags;
} offload_names[] = {
	{ "tx-checksum-ip-generic", TUN_F_CSUM },           { "tx-tcp-segmentation", TUN_F_TSO4 },
	{ "tx-tcp-ecn-segmentation", TUN_F_TSO_ECN },       { "tx-tcp6-segmentation", TUN_F_TSO6 },
	{ "tx-udp-segmentation", TUN_F_USO4 | TUN_F_USO6 },
};

static unsigned offload_of(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(offload_names); i++) {
		if (strncmp(name, offload_names[i].name, ETH_GSTRING_LEN) == 0)
			return offload_names[i].flags;
	}
	return 0;
}

static bool ask(int sock, const char *ifname, void *question)
{
	struct ifreq ifr = { .ifr_data = question };

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", ifname);
	return ioctl(sock, SIOCETHTOOL, &ifr) == 0;
}

/* More than Linux has; its answers are copied up to this. */
#define FEATURES_MAX ((size_t)256)

union feature_names {
	struct ethtool_gstrings head;
	uint8_t room[sizeof(struct ethtool_gstrings) + FEATURES_MAX * ETH_GSTRING_LEN];
};

union feature_values {
	struct ethtool_gfeatures head;
	uint8_t room[sizeof(struct ethtool_gfeatures) +
		     FEATURES_MAX / 32 * sizeof(struct ethtool_get_features_block)];
};

static uint32_t count_features(int sock, const char *ifname)
{
	union {
		struct ethtool_sset_info head;
		uint8_t room[sizeof(struct ethtool_sset_info) + sizeof(uint32_t)];
	} set = { .head = { .cmd = ETHTOOL_GSSET_INFO,
			    .sset_mask = UINT64_C(1) << ETH_SS_FEATURES } };
	uint32_t count;

	if (!ask(sock, ifname, &set) || !set.head.sset_mask)
		return 0;
	count = set.head.data[0];
	return count <= FEATURES_MAX ? count : 0;
}

static bool read_features(int sock, const char *ifname, struct ethtool_gstrings *names,
			  struct ethtool_gfeatures *values)
{
	uint32_t count = count_features(sock, ifname);

	names->cmd = ETHTOOL_GSTRINGS;
	names->string_set = ETH_SS_FEATURES;
	names->len = count;
	values->cmd = ETHTOOL_GFEATURES;
	values->size = (count + 31) / 32;
	return count && ask(sock, ifname, names) && ask(sock, ifname, values);
}

static uint64_t offloads_of(const struct ethtool_gstrings *names,
			    const struct ethtool_gfeatures *values)
{
	uint64_t offloads = 0;

	for (size_t i = 0; i < names->len; i++) {
		const char *name = (const char *)&names->data[i * ETH_GSTRING_LEN];

		if (values->features[i / 32].active & (UINT32_C(1) << i % 32))
			offloads |= offload_of(name);
	}
	return offloads;
}

static bool read_offloads(const char *ifname, uint64_t *ret)
{
	CLEANUP(closep) int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	union feature_names *names = xnew(union feature_names);
	union feature_values values = { .room = { 0 } };
	bool ok = sock >= 0 && read_features(sock, ifname, &names->head, &values.head);

	if (ok)
		*ret = offloads_of(&names->head, &values.head);
	free(names);
	return ok;
}

bool net_tap_settings_get(int fd, const char *ifname, bool is_macvtap, struct net_tap_settings *ret,
			  struct err *err)
{
	uint64_t offloads = 0;
	int header = 0;

	if (ioctl(fd, TUNGETVNETHDRSZ, &header) < 0 ||
	    (!is_macvtap && !read_offloads(ifname, &offloads)))
		return err_errno(err, "cannot read the settings of interface '%s'", ifname);
	*ret = (struct net_tap_settings){ (uint64_t)header, offloads };
	return true;
}

bool net_tap_settings_set(int fd, const struct net_tap_settings *settings, struct err *err)
{
	int header = (int)settings->header_bytes;

	if (ioctl(fd, TUNSETVNETHDRSZ, &header) < 0)
		return err_errno(err, "cannot set the header of a tap to %d bytes", header);
	return ioctl(fd, TUNSETOFFLOAD, (unsigned long)settings->offloads) == 0 ||
	       err_errno(err, "cannot set the offloads of a tap");
}
