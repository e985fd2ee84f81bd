/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What forbids a background snapshot.
 *
 * The guest runs on after the moment whose memory is in the file.  So what it may change must be in
 * the file too, or, as its disks are, beside it: a later restore would put old memory beside
 * something newer. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "cmdline/plug.h"
#include "qmp/block.h"
#include "save/priv.h"

static void __attribute__((format(printf, 2, 3))) add(struct strbuf *text, const char *fmt, ...)
{
	va_list ap;

	strbuf_adds(text, text->len ? ", " : "");
	va_start(ap, fmt);
	strbuf_vaddf(text, fmt, ap);
	va_end(ap);
}

/* ---- the guest ------------------------------------------------------------------- */

/* Of memory that others write QEMU's write-protection sees nothing.  As a driver's beginning, and
 * anywhere in a raw option. */
static const char *const foreign_writers[] = { "vhost", "vfio-", "usb-host", "ivshmem" };

static bool has_foreign_writer(const char *text)
{
	for (size_t i = 0; i < ARRAY_LEN(foreign_writers); i++) {
		if (strstr(text, foreign_writers[i]))
			return true;
	}
	return false;
}

/* A restore would let swtpm write the state of its TPM over the present one. */
static void find_others(const struct vm_def *def, struct strbuf *text)
{
	if (vm_def_has_tpm(def))
		add(text, "its TPM");
}

static void find_memory_of_others(const struct vm_def *def, struct strbuf *text)
{
	for (size_t i = 0; i < def->shared_memory_count; i++)
		add(text, "shared memory '%s'", def->shared_memory[i].id);
	for (size_t i = 0; i < def->device_count; i++) {
		if (has_foreign_writer(def->devices[i].driver))
			add(text, "device '%s'", def->devices[i].id);
	}
	for (size_t i = 0; i < def->extra_arg_count; i++) {
		if (has_foreign_writer(def->extra_args[i]))
			add(text, "'%.80s' of extra_args", def->extra_args[i]);
	}
}

char *save_live_outside(struct vm *vm)
{
	struct strbuf text = STRBUF_INIT;
	struct err err;
	const struct vm_def *def = vm_def_of(vm, &err);
	char *copy;

	if (def) {
		find_others(def, &text);
		find_memory_of_others(def, &text);
	} else {
		add(&text, "a definition that cannot be read (%s)", err.msg);
	}
	copy = xstrdup(strbuf_str(&text));
	strbuf_fini(&text);
	return copy;
}

static bool has_disk(const struct save_file *head, const char *id)
{
	for (size_t i = 0; i < head->disk_count; i++) {
		if (strcmp(head->disks[i].id, id) == 0)
			return true;
	}
	return false;
}

char *save_live_missing(const struct vm_def *def, const struct save_file *head)
{
	struct strbuf text = STRBUF_INIT;
	const struct vm_def_disk *image;
	char *copy;

	for (size_t i = 0; (image = save_copies_image(def, i)); i++) {
		if (!has_disk(head, image->id))
			add(&text, "disk '%s'", image->id);
	}
	find_others(def, &text);
	find_memory_of_others(def, &text);
	copy = xstrdup(strbuf_str(&text));
	strbuf_fini(&text);
	return copy;
}

/* ---- its QEMU -------------------------------------------------------------------- */

/* 7.2 can leave a guest hanging; 10.0 and 11.1 do not.  The stream goes to a file that is opened by
 * its name (save/ask.c). */
#define NEEDED_MAJOR 9
#define NEEDED_MINOR 0

char *save_live_refused(const struct vm *vm)
{
	const struct qemu *qemu = vm_qemu(vm);
	const struct transfer_features *features = qemu ? qemu_migration_features(qemu) : NULL;
	const struct qmp_version *version = qemu ? qemu_version(qemu) : NULL;

	if (!features || !version)
		return xstrdup("");
	if (!qmp_version_is_since(version, NEEDED_MAJOR, NEEDED_MINOR))
		return xasprintf("a background snapshot of QEMU %d.%d can leave the guest hanging: "
				 "use one since %d.%d",
				 version->major, version->minor, NEEDED_MAJOR, NEEDED_MINOR);
	if (!transfer_features_have(features, "background-snapshot"))
		return xstrdup("its QEMU has no migration capability 'background-snapshot'");
	if (features->background_snapshot_refused[0])
		return xasprintf("QEMU refuses a background snapshot on this host: %s (see "
				 "vm.unprivileged_userfaultfd in sysctl(8))",
				 features->background_snapshot_refused);
	return xstrdup("");
}

/* Of the guest's flash memory QEMU tells a path of its own; its node has the name that the command
 * line gave it. */
bool save_disks_node(struct json_object *blocks, const char *id, char ret[SAVE_NODE_SIZE])
{
	const char *node = qmp_block_node(blocks, id);

	if (strcmp(id, VM_DEF_VARS_ID) == 0)
		plug_disk_node(ret, SAVE_NODE_SIZE, id);
	else
		snprintf(ret, SAVE_NODE_SIZE, "%s", node ? node : "");
	return ret[0] != '\0';
}

/* NODE has the image of one of HEAD's disks. */
static bool is_of_disk(struct json_object *blocks, const struct save_file *head, const char *node)
{
	char known[SAVE_NODE_SIZE];

	for (size_t i = 0; node && i < head->disk_count; i++) {
		if (save_disks_node(blocks, head->disks[i].id, known) && strcmp(known, node) == 0)
			return true;
	}
	return false;
}

/* [{"device": "", "qdev": "/machine/peripheral/vda/virtio-backend", "inserted": {"ro": false}}] */
bool save_live_check_blocks(struct json_object *blocks, const struct save_file *head,
			    struct err *err)
{
	CLEANUP(strbuf_fini) struct strbuf text = STRBUF_INIT;

	for (size_t i = 0; i < json_count(blocks); i++) {
		struct json_object *block = json_object_array_get_idx(blocks, i);
		struct json_object *inserted = json_get_obj(block, "inserted");
		const char *device = json_get_str(block, "device");
		const char *path = json_get_str(block, "qdev");

		if (inserted && !json_get_bool(inserted, "ro", false) &&
		    !is_of_disk(blocks, head, json_get_str(inserted, "node-name")))
			add(&text, "'%.80s'", device && device[0] ? device : path ? path : "?");
	}
	return !text.len ||
	       err_set(err, ERR_CONFLICT,
		       "the guest may write to %s, which the definition does not have, and "
		       "which would be newer than the memory in the file: save it without live",
		       strbuf_str(&text));
}
