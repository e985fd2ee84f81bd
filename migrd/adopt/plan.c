/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Makes items of the arguments, and the definition of the items. */
#include "adopt/plan.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "adopt/priv.h"
#include "base/mem.h"
#include "base/strbuf.h"

/* ---- items ------------------------------------------------------------- */

struct adopt_item *adopt_add(struct adopt_plan *plan, enum adopt_kind kind, const char *option,
			     const char *text)
{
	struct adopt_item *item = &plan->items[plan->item_count];

	if (plan->item_count == ADOPT_ITEM_MAX) {
		ADOPT_REFUSE(plan, option, "there are more than %d options", ADOPT_ITEM_MAX);
		return NULL;
	}
	plan->item_count++;
	*item = (struct adopt_item){ .kind = kind, .option = option };
	item->text = text ? xstrdup(text) : NULL;
	return item;
}

struct adopt_item *adopt_add_list(struct adopt_plan *plan, enum adopt_kind kind, const char *option,
				  const char *text, const char *implied)
{
	struct optlist opts;
	struct adopt_item *item;
	struct err err;

	if (!optlist_parse(text, implied, &opts, &err)) {
		ADOPT_REFUSE(plan, option, "'%.60s' is not understood: %s", text, err.msg);
		return NULL;
	}
	item = adopt_add(plan, kind, option, text);
	if (item)
		item->opts = opts;
	else
		optlist_fini(&opts);
	return item;
}

struct adopt_item *adopt_addf(struct adopt_plan *plan, const char *option, const char *fmt, ...)
{
	CLEANUP(strbuf_fini) struct strbuf sb = STRBUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	strbuf_vaddf(&sb, fmt, ap);
	va_end(ap);
	return adopt_add(plan, ADOPT_PLAIN, option, strbuf_str(&sb));
}

void adopt_change(struct adopt_item *item, const char *key, const char *value)
{
	optlist_set(&item->opts, key, value);
	item->is_changed = true;
}

struct adopt_item *adopt_find(struct adopt_plan *plan, enum adopt_kind kind, const char *key,
			      const char *value)
{
	for (size_t i = 0; value && *value && i < plan->item_count; i++) {
		struct adopt_item *item = &plan->items[i];

		if (item->kind == kind && optlist_is(&item->opts, key, value, ""))
			return item;
	}
	return NULL;
}

/* ---- ids ----------------------------------------------------------------- */

static bool has_id(const struct adopt_plan *plan, const char *id)
{
	const struct vm_def *def = plan->def;

	for (size_t i = 0; i < def->disk_count; i++) {
		if (strcmp(def->disks[i].id, id) == 0)
			return true;
	}
	for (size_t i = 0; i < def->nic_count; i++) {
		if (strcmp(def->nics[i].id, id) == 0)
			return true;
	}
	for (size_t i = 0; i < def->cdrom_count; i++) {
		if (strcmp(def->cdroms[i].id, id) == 0)
			return true;
	}
	return false;
}

static bool is_used(const struct adopt_plan *plan, const char *id)
{
	for (size_t i = 0; i < plan->item_count; i++) {
		if (optlist_is(&plan->items[i].opts, "id", id, ""))
			return true;
	}
	return has_id(plan, id);
}

static bool may_be_id(const char *id)
{
	static const char more[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				   "0123456789._-";
	size_t len = strlen(id);

	return len > 0 && len < VM_DEF_ID_SIZE && strspn(id, more) == len &&
	       strcspn(id, "0123456789._-") > 0;
}

void adopt_make_id(struct adopt_plan *plan, const char *wanted, const char *prefix,
		   char ret_id[VM_DEF_ID_SIZE])
{
	if (wanted && may_be_id(wanted) && !has_id(plan, wanted)) {
		snprintf(ret_id, VM_DEF_ID_SIZE, "%s", wanted);
		return;
	}
	do
		snprintf(ret_id, VM_DEF_ID_SIZE, "%s%u", prefix, plan->made++);
	while (is_used(plan, ret_id));
}

/* ---- arguments ------------------------------------------------------------- */

struct args {
	const char *at, *end;
};

static const char *next_arg(struct args *args)
{
	const char *arg = args->at;
	const char *nul =
		args->at < args->end ? memchr(arg, '\0', (size_t)(args->end - arg)) : NULL;

	if (!nul)
		return NULL; /* the last one was cut short, or there is none */
	args->at = nul + 1;
	return arg;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* A QEMU of another system may be started through its dynamic loader: `ld.so --library-path X
 * --argv0 Y PROGRAM' (ld.so(8)). */
static const char *skip_loader(struct args *args, const char *program)
{
	static const char *const with_value[] = { "--library-path", "--argv0", "--preload",
						  "--audit", "--inhibit-rpath" };

	if (strncmp(base_name(program), "ld-linux", 8) != 0 &&
	    strncmp(base_name(program), "ld.so", 5) != 0)
		return program;
	while ((program = next_arg(args)) && program[0] == '-') {
		for (size_t i = 0; i < ARRAY_LEN(with_value); i++) {
			if (strcmp(program, with_value[i]) == 0)
				next_arg(args);
		}
	}
	return program;
}

static bool take_program(struct adopt_plan *plan, struct args *args)
{
	const char *program = next_arg(args);

	if (program)
		program = skip_loader(args, program);
	if (program && strstr(base_name(program), "qemu"))
		return true;
	ADOPT_REFUSE(plan, "",
		     "the process that listens there runs '%.80s', which is no QEMU: give a socket "
		     "that QEMU itself listens on",
		     program ? base_name(program) : "nothing");
	return false;
}

/* "-device" and "--device" mean the same. */
static const struct adopt_option *find_option(const char *arg)
{
	return adopt_option_find(arg[1] == '-' && arg[2] ? arg + 1 : arg);
}

/* Skips the value of an unknown option, which would be taken for an image. */
static void refuse_unknown(struct adopt_plan *plan, struct args *args, const char *arg)
{
	ADOPT_REFUSE(plan, arg,
		     "migrd does not know this option, so it could not repeat it on another host");
	if (args->at < args->end && args->at[0] != '-')
		next_arg(args);
}

static void take_arg(struct adopt_plan *plan, struct args *args, const char *arg)
{
	const struct adopt_option *option = arg[0] == '-' ? find_option(arg) : NULL;
	const char *value = NULL;

	if (arg[0] != '-') {
		option = adopt_option_find("-hda");
		value = arg;
	} else if (!option) {
		refuse_unknown(plan, args, arg);
		return;
	} else if (option->has_value) {
		value = next_arg(args);
	}
	if (option->has_value && !value)
		ADOPT_REFUSE(plan, option->name, "its value is missing");
	else
		option->take(plan, option, value);
}

/* ---- the definition ---------------------------------------------------------- */

static void add_extra(struct adopt_plan *plan, const char *option, const char *arg)
{
	struct vm_def *def = plan->def;

	if (strlen(arg) >= VM_DEF_ARG_SIZE)
		ADOPT_REFUSE(plan, option, "it has more than %d bytes", VM_DEF_ARG_SIZE - 1);
	else if (def->extra_arg_count == VM_DEF_EXTRA_ARG_MAX)
		ADOPT_REFUSE(plan, option,
			     "a definition has room for %d arguments that are kept as they are",
			     VM_DEF_EXTRA_ARG_MAX);
	else
		snprintf(def->extra_args[def->extra_arg_count++], VM_DEF_ARG_SIZE, "%s", arg);
}

static void emit(struct adopt_plan *plan)
{
	for (size_t i = 0; i < plan->item_count; i++) {
		const struct adopt_item *item = &plan->items[i];
		CLEANUP(free_charp)
		char *changed = item->is_changed ? optlist_format(&item->opts) : NULL;

		if (item->is_gone)
			continue;
		add_extra(plan, item->option, item->option);
		if (changed || item->text)
			add_extra(plan, item->option, changed ? changed : item->text);
	}
}

/* The rules of a definition that a user posts hold for this one too. */
static void check(struct adopt_plan *plan)
{
	struct vm_def *again = xnew(struct vm_def);
	CLEANUP(json_putp) struct json_object *obj = vm_def_encode(plan->def);

	if (vm_def_decode(obj, again, plan->refused))
		*plan->def = *again;
	free(again);
}

static void take_all(struct adopt_plan *plan, struct args *args)
{
	size_t anonymous;

	if (!take_program(plan, args))
		return;
	adopt_machine_begin(plan);
	for (const char *arg; (arg = next_arg(args));)
		take_arg(plan, args, arg);
	adopt_refuse_changed(plan);
	adopt_follow_drives(plan);
	adopt_follow_netdevs(plan);
	anonymous = adopt_devices_end(plan);
	adopt_cdroms_end(plan);
	adopt_drives_end(plan, anonymous);
	adopt_nets_end(plan);
	adopt_chardevs_end(plan);
	adopt_board_end(plan);
	emit(plan);
}

static void plan_fini(struct adopt_plan *plan)
{
	for (size_t i = 0; i < plan->item_count; i++) {
		free(plan->items[i].text);
		optlist_fini(&plan->items[i].opts);
	}
	free(plan);
}

void adopt_plan(const char *cmdline, size_t len, const struct adopt_facts *facts,
		const struct adopt_wishes *wishes, struct adopt_result *ret)
{
	struct adopt_plan *plan = xnew(struct adopt_plan);
	struct args args = { cmdline, cmdline + len };

	*ret = (struct adopt_result){ xnew(struct vm_def), faults_new(), faults_new() };
	plan->facts = facts;
	plan->wishes = wishes;
	plan->def = ret->def;
	plan->refused = ret->refused;
	plan->notes = ret->notes;
	take_all(plan, &args);
	if (plan->refused->count == 0)
		check(plan);
	plan_fini(plan);
}

void adopt_result_fini(struct adopt_result *result)
{
	free(result->def);
	faults_free(result->refused);
	faults_free(result->notes);
	*result = (struct adopt_result){ 0 };
}
