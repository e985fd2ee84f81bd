/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qmp/migrate.h"

#include <math.h>

static const char *const mig_state_names[QMP_MIG_COUNT] = {
#define X(code, name) [QMP_MIG_##code] = (name),
	QMP_MIG_STATES(X)
#undef X
};

static const char *const run_state_names[QMP_RUN_COUNT] = {
#define X(code, name) [QMP_RUN_##code] = (name),
	QMP_RUN_STATES(X)
#undef X
};

static int find_name(const char *const *names, int count, const char *name, int fallback)
{
	for (int i = 0; name && i < count; i++)
		if (strcmp(names[i], name) == 0)
			return i;
	return fallback;
}

const char *qmp_mig_state_name(enum qmp_mig_state state)
{
	return mig_state_names[state < QMP_MIG_COUNT ? state : QMP_MIG_UNKNOWN];
}

enum qmp_mig_state qmp_mig_state_from_name(const char *name)
{
	return (enum qmp_mig_state)find_name(mig_state_names, QMP_MIG_COUNT, name, QMP_MIG_UNKNOWN);
}

const char *qmp_run_state_name(enum qmp_run_state state)
{
	return run_state_names[state < QMP_RUN_COUNT ? state : QMP_RUN_UNKNOWN];
}

enum qmp_run_state qmp_run_state_from_name(const char *name)
{
	return (enum qmp_run_state)find_name(run_state_names, QMP_RUN_COUNT, name, QMP_RUN_UNKNOWN);
}

enum qmp_run_state qmp_run_state_decode(struct json_object *reply)
{
	if (!json_object_is_type(reply, json_type_object))
		return QMP_RUN_UNKNOWN;
	return qmp_run_state_from_name(json_get_str(reply, "status"));
}

static uint64_t get_uint(struct json_object *obj, const char *key)
{
	int64_t v = json_get_int(obj, key, 0);

	return v > 0 ? (uint64_t)v : 0;
}

/* QEMU's writer knows no NaN and prints integral doubles without a point. */
static double get_double(struct json_object *obj, const char *key)
{
	struct json_object *v = NULL;
	double d;

	if (!json_object_object_get_ex(obj, key, &v) ||
	    (!json_object_is_type(v, json_type_double) && !json_object_is_type(v, json_type_int)))
		return 0;
	d = json_object_get_double(v);
	return isfinite(d) && d > 0 ? d : 0;
}

/* Absent members count as 0 (the incoming side has next to none of them). */
static void decode_ram(struct json_object *ram, struct qmp_mig_info *info)
{
	info->ram_total_bytes = get_uint(ram, "total");
	info->ram_remaining_bytes = get_uint(ram, "remaining");
	info->ram_transferred_bytes = get_uint(ram, "transferred");
	info->ram_dirty_pages_per_s = get_uint(ram, "dirty-pages-rate");
	info->ram_page_bytes = get_uint(ram, "page-size");
	info->ram_visited_bytes =
		(get_uint(ram, "normal") + get_uint(ram, "duplicate")) * info->ram_page_bytes;
	info->ram_passes = get_uint(ram, "dirty-sync-count");
	info->throughput_mbit_per_s = get_double(ram, "mbps");
}

bool qmp_mig_info_decode(struct json_object *reply, struct qmp_mig_info *ret, struct err *err)
{
	struct qmp_mig_info info = { .state = QMP_MIG_NONE };
	struct json_object *v, *ram;
	const char *text;
	uint64_t percent;

	if (!json_object_is_type(reply, json_type_object))
		return err_set(err, ERR_INVALID, "the reply of query-migrate is not an object");
	if (json_object_object_get_ex(reply, "status", &v)) {
		if (!json_object_is_type(v, json_type_string))
			return err_set(err, ERR_INVALID, "query-migrate: 'status' is not a string");
		info.state = qmp_mig_state_from_name(json_object_get_string(v));
	}
	text = json_get_str(reply, "error-desc");
	snprintf(info.error, sizeof(info.error), "%s", text ? text : "");
	info.total_time_ms = get_uint(reply, "total-time");
	info.setup_time_ms = get_uint(reply, "setup-time");
	info.downtime_ms = get_uint(reply, "downtime");
	info.expected_downtime_ms = get_uint(reply, "expected-downtime");
	percent = get_uint(reply, "cpu-throttle-percentage");
	info.throttle_percent = percent > 100 ? 100 : (unsigned)percent;
	ram = json_get_obj(reply, "ram");
	if (ram)
		decode_ram(ram, &info);
	*ret = info;
	return true;
}
