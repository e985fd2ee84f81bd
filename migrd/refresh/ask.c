/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a refresh asks of the two QEMUs. */
#include <string.h>

#include "base/mem.h"
#include "refresh/priv.h"
#include "vm/entry.h"
#include "vm/swap.h"

/* The guest may stand still until QEMU has answered. */
#define COMMAND_DEADLINE_MS 5000
/* More than any host copies; 0 means different things to different versions. */
#define NO_LIMIT (INT64_C(1) << 50)

struct ask {
	struct refreshes *refreshes;
	char id[ID_UUID_SIZE];
	unsigned state;
	enum refresh_side side;
	refresh_answer_fn *fn;
};

static void on_answer(void *data, struct json_object *result, const struct err *err)
{
	struct ask *ask = data;
	struct refresh *refresh = refreshes_find(ask->refreshes, ask->id);

	if (refresh && refresh->machine.state == ask->state && !refresh->machine.is_saving) {
		refresh->facts.seen[ask->side].is_asked = false;
		ask->fn(refresh, result, err);
	}
	free(ask);
}

void refresh_ask(struct refresh *refresh, enum refresh_side side, const char *command,
		 struct json_object *args, refresh_answer_fn *fn)
{
	struct ask *ask = xnew(struct ask);

	ask->refreshes = refresh->refreshes;
	memcpy(ask->id, refresh->row.id, sizeof(ask->id));
	ask->state = refresh->machine.state;
	ask->side = side;
	ask->fn = fn;
	refresh->facts.seen[side].is_asked = true;
	if (side == REFRESH_SIDE_VM)
		vm_job_command(refresh_vm(refresh), &refresh->job, command, args,
			       COMMAND_DEADLINE_MS, on_answer, ask);
	else
		qemu_command(refresh->beside, command, args, COMMAND_DEADLINE_MS, on_answer, ask);
}

/* ---- how QEMU's migration is to be ------------------------------------------------- */

static const char *const wanted[] = {
	"events",
	/* QEMU takes the locks of images at `cont', and so leaves them to the other until then. */
	"late-block-activate",
	/* The old QEMU says `completed' only when the new one has loaded all. */
	"return-path",
	NULL,
};
static const char *const usual[] = { "events", NULL };

/* All that QEMU has, so that nothing of an earlier job is left. */
static struct json_object *capabilities(const struct refresh *refresh, enum refresh_side side,
					const char *const *on)
{
	const struct qemu *qemu = side == REFRESH_SIDE_VM ? refresh_qemu(refresh) : refresh->beside;

	return transfer_capabilities(qemu ? qemu_migration_features(qemu) : NULL, on);
}

static struct json_object *mode(const char *name)
{
	struct json_object *args = json_object_new_object();

	json_add_str(args, "mode", name);
	return args;
}

static struct json_object *parameters(const struct refresh *refresh)
{
	const char *name = refresh_ways[refresh->detail.way].mode;
	struct json_object *args = name ? mode(name) : json_object_new_object();

	json_add_int(args, "max-bandwidth", NO_LIMIT);
	return args;
}

/* The two sides are set up at different times, so they can share `next'. */
static void on_capabilities_of(struct refresh *refresh, enum refresh_side side,
			       const struct err *err)
{
	if (err)
		refresh_fail(refresh, err);
	else
		refresh_ask(refresh, side, "migrate-set-parameters", parameters(refresh),
			    refresh->next);
}

static void on_vm_capabilities(struct refresh *refresh, struct json_object *result,
			       const struct err *err)
{
	(void)result;
	on_capabilities_of(refresh, REFRESH_SIDE_VM, err);
}

static void on_beside_capabilities(struct refresh *refresh, struct json_object *result,
				   const struct err *err)
{
	(void)result;
	on_capabilities_of(refresh, REFRESH_SIDE_BESIDE, err);
}

void refresh_set_up(struct refresh *refresh, enum refresh_side side, refresh_answer_fn *fn)
{
	refresh->next = fn;
	refresh_ask(refresh, side, "migrate-set-capabilities", capabilities(refresh, side, wanted),
		    side == REFRESH_SIDE_VM ? on_vm_capabilities : on_beside_capabilities);
}

static void on_mode_normal(struct refresh *refresh, struct json_object *result,
			   const struct err *err)
{
	if (err)
		refresh->next(refresh, result, err);
	else
		refresh_ask(refresh, REFRESH_SIDE_VM, "migrate-set-capabilities",
			    capabilities(refresh, REFRESH_SIDE_VM, usual), refresh->next);
}

void refresh_tidy(struct refresh *refresh, refresh_answer_fn *fn)
{
	refresh->next = fn;
	if (refresh_ways[refresh->detail.way].mode)
		refresh_ask(refresh, REFRESH_SIDE_VM, "migrate-set-parameters", mode("normal"),
			    on_mode_normal);
	else
		on_mode_normal(refresh, NULL, NULL);
}

/* ---- the address -------------------------------------------------------------------- */

static void add_channel(struct json_object *list, const char *type, char *path)
{
	struct json_object *channel = json_object_new_object();
	struct json_object *addr = json_object_new_object();

	json_add_str(channel, "channel-type", type);
	json_add_str(addr, "transport", "socket");
	json_add_str(addr, "type", "unix");
	json_add_str(addr, "path", path);
	json_object_object_add(channel, "addr", addr);
	json_object_array_add(list, channel);
	free(path);
}

/* The form that all versions take. */
static void add_uri(struct json_object *args, char *path)
{
	CLEANUP(free_charp) char *uri = xasprintf("unix:%s", path);

	json_add_str(args, "uri", uri);
	free(path);
}

struct json_object *refresh_address(const struct refresh *refresh, bool incoming)
{
	const struct vm *vm = refresh_vm(refresh);
	struct json_object *args = json_object_new_object();
	struct json_object *list;

	if (refresh->detail.way != REFRESH_WAY_CPR) {
		add_uri(args, vm_main_path(vm));
		return args;
	}
	list = json_object_new_array();
	add_channel(list, "main", vm_main_path(vm));
	if (!incoming)
		add_channel(list, "cpr", vm_cpr_path(vm));
	json_object_object_add(args, "channels", list);
	return args;
}

void refresh_note_migration(struct refresh *refresh, enum refresh_side side,
			    struct json_object *result, const struct err *err)
{
	struct qmp_mig_info info;
	struct err bad;

	if (err || !qmp_mig_info_decode(result, &info, &bad))
		return;
	refresh->facts.seen[side].migration = info.state;
	if (side == REFRESH_SIDE_VM)
		refresh->info = info;
	if (info.state == QMP_MIG_FAILED && info.error[0])
		err_text(refresh->reason, "%s", info.error);
}
