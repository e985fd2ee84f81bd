/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The images of a backup go to NBD exports: qemu-img writes them, and this process stands between
 * it and the server, so that it can end what a server holds up.  QEMU knows nothing of the server.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/mem.h"
#include "base/proc.h"
#include "vmbackup/kinds.h"
#include "vmbackup/nbd.h"
#include "vmbackup/relay.h"

/* ---- before the backup ----------------------------------------------------------------- */

bool vmbackup_push_check_blocking(const char *dirs, const struct vmbackup_target *target,
				  struct err *err)
{
	uint64_t end_ms = clock_monotonic_ms() + NBD_ANSWER_MS, ignored;

	for (size_t i = 0; i < target->export_count; i++) {
		if (!nbd_size_blocking(dirs, target->exports[i].uri, end_ms, &ignored, err))
			return err_wrap(err, "disk '%s'", target->exports[i].disk);
	}
	return true;
}

bool vmbackup_push_check_sizes_blocking(const char *dirs, const struct vmbackup_detail *detail,
					struct err *err)
{
	uint64_t end_ms = clock_monotonic_ms() + NBD_ANSWER_MS, bytes;

	for (size_t i = 0; i < detail->disk_count; i++) {
		const struct vmbackup_disk *disk = &detail->disks[i];

		if (!nbd_size_blocking(dirs, disk->uri, end_ms, &bytes, err))
			return err_wrap(err, "disk '%s'", disk->id);
		if (bytes != disk->virtual_bytes)
			return err_set(err, ERR_CONFLICT,
				       "disk '%s' has %" PRIu64 " bytes, and the export '%s' has "
				       "%" PRIu64 ": make one of the same size",
				       disk->id, disk->virtual_bytes, disk->uri, bytes);
	}
	return true;
}

/* ---- the push ------------------------------------------------------------------------------ */

struct push {
	const struct vmbackup_place *place;
	const struct vmbackup_disk *disk;
	struct vmbackup_gauge *gauge;
	char rate[24]; /* bytes/s; "": no limit */
	struct nbd_uri uri;
	int theirs; /* qemu-img's end of the relay */
	char number[12];
};

/* {"driver": "qcow2", "file": {"driver": "file", "filename": IMAGE, "locking": "off"}}
 * A qemu-img of a coordinator that has crashed may still have it open. */
static struct json_object *image(const struct push *push)
{
	struct json_object *obj = json_object_new_object(), *file = json_object_new_object();
	char path[VM_DEF_PATH_SIZE + 128];

	vmbackup_files_path(push->place, push->disk->file, path);
	json_add_str(file, "driver", "file");
	json_add_str(file, "filename", path);
	json_add_str(file, "locking", "off");
	json_add_str(obj, "driver", "qcow2");
	json_object_object_add(obj, "file", file);
	return obj;
}

/* {"driver": "raw", "file": {"driver": "nbd", "export": NAME, "server": {"type": "fd", "str": N}}}
 */
static struct json_object *export(const struct push *push)
{
	struct json_object *obj = json_object_new_object(), *file = json_object_new_object();
	struct json_object *server = json_object_new_object();

	json_add_str(server, "type", "fd");
	json_add_str(server, "str", push->number);
	json_add_str(file, "driver", "nbd");
	json_add_str(file, "export", push->uri.export);
	json_object_object_add(file, "server", server);
	json_add_str(obj, "driver", "raw");
	json_object_object_add(obj, "file", file);
	return obj;
}

static bool run(struct push *push, const char *const *argv, struct relay *relay, struct err *err)
{
	return proc_run_blocking(&(struct proc_args){ .argv = argv,
						      .keep_fds = &push->theirs,
						      .keep_fd_count = 1,
						      .attend = relay_attend,
						      .attend_data = relay },
				 0, err);
}

/* All of it, with zeroes where nothing is.  Each write is on the server's disk when it is answered
 * (-t writethrough): qemu-img ignores a flush that fails when it closes an image. */
static bool push_full(struct push *push, struct relay *relay, struct err *err)
{
	CLEANUP(json_putp) struct json_object *from = image(push);
	CLEANUP(free_charp) char *source = xasprintf("json:%s", json_text(from, NULL));
	CLEANUP(free_charp)
	char *target = xasprintf("driver=raw,file.driver=nbd,file.server.type=fd,"
				 "file.server.str=%s,file.export=%s",
				 push->number, push->uri.export);
	const char *const argv[] = {
		push->place->qemu_img,
		"convert",
		"-q",
		"-n",
		"-t",
		"writethrough",
		"--target-image-opts",
		source,
		target,
		push->rate[0] ? "-r" : NULL,
		push->rate,
		NULL,
	};

	return run(push, argv, relay, err);
}

/* What the image has: to it the export is its backing file, into which it is committed.  That
 * flushes the export, and fails if a flush does. */
static bool push_incremental(struct push *push, struct relay *relay, struct err *err)
{
	CLEANUP(json_putp) struct json_object *from = image(push);
	CLEANUP(free_charp) char *source = NULL;
	const char *argv[] = {
		push->place->qemu_img,       "commit",   "-q", "-d", NULL,
		push->rate[0] ? "-r" : NULL, push->rate, NULL,
	};

	json_object_object_add(from, "backing", export(push));
	source = xasprintf("json:%s", json_text(from, NULL));
	argv[4] = source;
	return run(push, argv, relay, err);
}

static bool push_disk(struct push *push, struct err *err)
{
	CLEANUP(closep) int server = -1;
	struct relay *relay;
	const char *why;
	bool ok;

	if (!nbd_uri_parse(push->disk->uri, &push->uri, &why))
		return err_set(err, ERR_INTERNAL, "'%s' is %s", push->disk->uri, why);
	if (!nbd_connect(push->place->dirs, push->disk->uri, &server, err))
		return false;
	relay = relay_new(TAKE_FD(server), push->uri.socket, push->gauge, &push->theirs, err);
	if (!relay)
		return false;
	snprintf(push->number, sizeof(push->number), "%d", push->theirs);
	ok = push->disk->mode == VMBACKUP_FULL ? push_full(push, relay, err)
					       : push_incremental(push, relay, err);
	if (!ok)
		relay_explain(relay, err);
	relay_free(relay);
	return ok;
}

bool vmbackup_push_blocking(const struct vmbackup_place *place,
			    const struct vmbackup_detail *detail, struct vmbackup_gauge *gauge,
			    struct err *err)
{
	uint64_t speed = detail->wish.bandwidth_bytes_per_s;

	if (!vmbackup_gauge_begin(gauge))
		return err_set(err, ERR_CANCELLED, "it was stopped");
	for (size_t i = 0; i < detail->disk_count; i++) {
		struct push push = { .place = place, .disk = &detail->disks[i], .gauge = gauge };

		if (speed)
			snprintf(push.rate, sizeof(push.rate), "%" PRIu64, speed);
		if (fault_hit("vmbackup.push", err) || !push_disk(&push, err))
			return err_wrap(err, "disk '%s' cannot be pushed to '%s'", push.disk->id,
					push.disk->uri);
	}
	return !fault_hit("vmbackup.pushed", err);
}
