/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net/vsock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/vhost.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/mem.h"

bool net_vsock_check(const char *device, uint64_t cid, struct err *err)
{
	CLEANUP(closep) int fd = open(device, O_RDWR | O_CLOEXEC);

	if (fd < 0 && (errno == ENOENT || errno == ENODEV || errno == ENXIO))
		return err_set(err, ERR_NOT_FOUND,
			       "this host has no '%s', which a guest with a vsock needs: load its "
			       "module (modprobe vhost_vsock)",
			       device);
	if (fd < 0)
		return err_errno(err, "cannot open '%s'", device);
	if (ioctl(fd, VHOST_VSOCK_SET_GUEST_CID, &cid) == 0)
		return true;
	if (errno == EADDRINUSE)
		return err_set(err, ERR_CONFLICT,
			       "the vsock CID %" PRIu64
			       " is in use on this host: stop the guest that has it, or give one "
			       "of them another",
			       cid);
	return err_errno(err, "the kernel refuses the vsock CID %" PRIu64, cid);
}
