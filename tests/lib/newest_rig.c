/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "newest_rig.h"

#include <stdio.h>

#include "base/file.h"
#include "base/mem.h"

#define STORE_BYTES_MAX (64u << 20)

struct newest_env newest_rig_env;
struct newest *newest_rig;

/* ---- the daemon ------------------------------------------------------------ */

static void begin(void)
{
	static const char *const peer_ids[] = { "a", "b", "c", NULL };

	newest_rig_env = (struct newest_env){ .loop = rig.loop,
					      .store = rig.store,
					      .vms = rig.vms,
					      .moves = rig.moves,
					      .peers = rig.peers,
					      .peer_ids = peer_ids,
					      .host_id = "a" };
	newest_rig = newest_new(&newest_rig_env);
	newest_begin(newest_rig);
}

void newest_rig_crash(void)
{
	newest_end(newest_rig);
	rig_crash();
	newest_free(TAKE_PTR(newest_rig));
}

void newest_rig_restart(void)
{
	newest_rig_crash();
	rig_start_again();
}

void newest_rig_restart_in_doubt(void)
{
	CLEANUP(free_charp) char *path = xasprintf("%s/migrd.db", rig.dir);
	CLEANUP(free_charp) char *copy = xasprintf("%s/copy", rig.dir);
	CLEANUP(free_charp) char *data = NULL;
	struct err err = { 0 };
	size_t len;

	newest_rig_crash();
	ck_assert_msg(file_read(path, STORE_BYTES_MAX, &data, &len, &err), "%s", err.msg);
	ck_assert_msg(file_write(copy, data, len, 0600, &err), "%s", err.msg);
	ck_assert_int_eq(rename(copy, path), 0);
	rig_start_again();
}

void newest_rig_set_up(void)
{
	rig_set_up();
	rig.is_identified = true;
	rig.begin = begin;
	rig_restart();
	newest_rig_none("b");
	newest_rig_none("c");
	trace_clear();
}

void newest_rig_tear_down(void)
{
	newest_end(newest_rig);
	rig_tear_down();
	newest_free(TAKE_PTR(newest_rig));
}

TCase *newest_rig_add_case(Suite *suite, const char *name)
{
	TCase *tc = tcase_create(name);

	tcase_add_checked_fixture(tc, newest_rig_set_up, newest_rig_tear_down);
	suite_add_tcase(suite, tc);
	return tc;
}

/* ---- the peers -------------------------------------------------------------- */

void newest_rig_none(const char *host)
{
	fake_peer_answer_at(host, "vms", "{\"items\":[],\"next\":null}");
}

void newest_rig_has_by(const char *host, const char *role, const char *state, uint64_t generation,
		       const char *move)
{
	CLEANUP(free_charp)
	char *reply = xasprintf("{\"items\":[{\"uuid\":\"" RIG_VM_UUID "\",\"name\":\"vm1\","
				"\"role\":\"%s\",\"state\":\"%s\",\"move\":\"%s\","
				"\"generation\":%llu}],\"next\":null}",
				role, state, move, (unsigned long long)generation);

	fake_peer_answer_at(host, "vms", reply);
}

void newest_rig_has(const char *host, const char *role, const char *state, uint64_t generation)
{
	newest_rig_has_by(host, role, state, generation, "");
}
