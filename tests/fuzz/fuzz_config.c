/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fuzz target: a configuration file of any bytes.  No crash, no leak, and faults
 * exactly when there is no result. */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "migrd/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct faults *faults = faults_new();
	struct config config = { 0 };
	int fd = memfd_create("config", MFD_CLOEXEC);
	char path[64];

	assert(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (config_load(path, &config, faults))
		assert(faults->count == 0 && config.host_id && config.data_advertise);
	else
		assert(faults->count > 0);
	config_fini(&config);
	faults_free(faults);
	close(fd);
	return 0;
}
