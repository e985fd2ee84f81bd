/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu/offers.h"

#include <string.h>

#include "qmp/schema.h"

/* Adds NAME to a list of *COUNT names; one that is too long, or too much, is left out. */
static void add_name(char (*names)[TRANSFER_NAME_SIZE], size_t *count, size_t max, const char *name)
{
	if (name && strlen(name) < TRANSFER_NAME_SIZE && *count < max)
		snprintf(names[(*count)++], TRANSFER_NAME_SIZE, "%s", name);
}

/* ANSWER: [{"capability": "xbzrle", "state": false}, ...] */
void offers_read_capabilities(struct json_object *answer, struct transfer_features *ret)
{
	ret->capability_count = 0;
	for (size_t i = 0; i < json_count(answer); i++)
		add_name(ret->capabilities, &ret->capability_count, TRANSFER_NAMES_MAX,
			 json_get_str(json_object_array_get_idx(answer, i), "capability"));
}

void offers_read_version(const struct qmp_version *version, struct transfer_features *ret)
{
	ret->preempt = qmp_version_is_since(version, 8, 0);
	ret->cancel_keeps_images = qmp_version_is_since(version, 10, 0);
}

static void add_parameter(void *data, const char *name)
{
	struct transfer_features *features = data;

	add_name(features->parameters, &features->parameter_count, TRANSFER_NAMES_MAX, name);
}

/* Beside the parameters, since an older coordinator reads names only
 * (transfer_features_compress()). */
static void add_compression(void *data, const char *value)
{
	char name[TRANSFER_NAME_SIZE];

	if ((size_t)snprintf(name, sizeof(name), "multifd-compression=%s", value) < sizeof(name))
		add_parameter(data, name);
}

void offers_read_schema(struct json_object *answer, struct transfer_features *ret)
{
	ret->parameter_count = 0;
	qmp_schema_each_argument(answer, "migrate-set-parameters", add_parameter, ret);
	qmp_schema_each_value(answer, "migrate-set-parameters", "multifd-compression",
			      add_compression, ret);
	ret->has_schema = true;
	ret->form.channels = qmp_schema_has(answer, "migrate", "channels") &&
			     !qmp_schema_recommends(answer, "migrate", "uri");
	ret->form.capabilities_as_parameters =
		!qmp_schema_recommends(answer, "migrate-set-capabilities", NULL);
}

static void read_refusal(struct json_object *reply, char ret[TRANSFER_WHY_SIZE])
{
	const char *why = json_get_str(json_get_obj(reply, "error"), "desc");

	snprintf(ret, TRANSFER_WHY_SIZE, "%s", why ? why : "");
}

void offers_read_postcopy(struct json_object *reply, struct transfer_features *ret)
{
	read_refusal(reply, ret->postcopy_refused);
}

void offers_read_background_snapshot(struct json_object *reply, struct transfer_features *ret)
{
	read_refusal(reply, ret->background_snapshot_refused);
}

void offers_read_postcopy_multifd(struct json_object *reply, const struct qmp_version *version,
				  struct transfer_features *ret)
{
	ret->postcopy_multifd =
		qmp_version_is_since(version, 10, 1) && !json_get_obj(reply, "error");
}
