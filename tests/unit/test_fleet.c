/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a host tells of its own comes back as it was told, and within bounds. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "tests/lib/check_main.h"
#include "wire/fleet.h"

#define UUID "01890a5d-ac96-774b-bcce-b302099a8057"

static struct err err;

/* Sends SENT by its table, and reads it back into READ, which is all zero. */
static void carry(const struct json_field *fields, const void *sent, void *read)
{
	CLEANUP(json_putp) struct json_object *obj = json_encode(fields, sent);
	CLEANUP(json_putp) struct json_object *again = json_read_back(json_text(obj, NULL));

	ck_assert_msg(json_decode_object(again, fields, read, JSON_STRICT, &err), "%s", err.msg);
}

START_TEST(items_come_back_as_they_were_told)
{
	struct fleet_vm *vm = xnew(struct fleet_vm), *vm_read = xnew(struct fleet_vm);
	struct fleet_move move = { .head = { UUID, "a" },
				   .vm = "vm1",
				   .vm_uuid = UUID,
				   .kind = "MIGRATION_OUT",
				   .source = "a",
				   .destination = "b",
				   .state = "done",
				   .final = true,
				   .reason = "r",
				   .created_at = "2026-11-30T10:00:00.000Z" },
			  move_read = { 0 };
	struct fleet_host host = { .head = { "a", "" },
				   .version = "0.1",
				   .ready = true,
				   .held = "h",
				   .vms = 3,
				   .memory_mib = 1,
				   .certificate_days_left = -2,
				   .is_emptied = true,
				   .evacuation = { .id = UUID,
						   .state = "draining",
						   .blocked_by = "db",
						   .blocked_why = "no host takes it",
						   .expected_end = "2026-11-30T10:00:00.000Z",
						   .counts = { .left = 1,
							       .total = 2,
							       .blocked = 1 },
						   .fills = { { "b", 70.5, 81 } },
						   .fill_count = 1 } },
			  host_read = { 0 };

	*vm = (struct fleet_vm){ .head = { "vm1", "a" },
				 .uuid = UUID,
				 .state = "running",
				 .generation = 3,
				 .memory_mib = 64,
				 .vcpus = 1,
				 .labels = "{\"tier\":\"web\"}" };
	carry(fleet_vm_fields, vm, vm_read);
	ck_assert_mem_eq(vm, vm_read, sizeof(*vm));
	carry(fleet_move_fields, &move, &move_read);
	ck_assert_mem_eq(&move, &move_read, sizeof(move));
	carry(fleet_host_fields, &host, &host_read);
	ck_assert_mem_eq(&host, &host_read, sizeof(host));
	free(vm);
	free(vm_read);
}
END_TEST

/* A name is a name, since it becomes a cursor and a path. */
static const char *const bad_vms[] = {
	"{}",
	"{\"name\":\"../x\",\"host\":\"a\",\"uuid\":\"" UUID
	"\",\"state\":\"s\",\"generation\":1,\"memory_mib\":1,\"vcpus\":1}",
	"{\"name\":\"x\",\"host\":\"A\",\"uuid\":\"" UUID
	"\",\"state\":\"s\",\"generation\":1,\"memory_mib\":1,\"vcpus\":1}",
	"{\"name\":\"x\",\"host\":\"a\",\"uuid\":\"u\",\"state\":\"s\",\"generation\":1,"
	"\"memory_mib\":1,\"vcpus\":1}",
	"{\"name\":\"x\",\"host\":\"a\",\"uuid\":\"" UUID
	"\",\"state\":\"s\",\"generation\":-1,\"memory_mib\":1,\"vcpus\":1}",
	"{\"name\":\"x\",\"host\":\"a\",\"uuid\":\"" UUID
	"\",\"state\":\"0123456789012345678901234567890123456789\",\"generation\":1,"
	"\"memory_mib\":1,\"vcpus\":1}",
	"{\"name\":\"x\",\"host\":\"a\",\"uuid\":\"" UUID
	"\",\"state\":\"s\",\"generation\":1,\"memory_mib\":1,\"vcpus\":1,\"labels\":[]}",
};

START_TEST(what_is_no_vm_is_refused)
{
	CLEANUP(json_putp) struct json_object *obj = json_read_back(bad_vms[_i]);
	struct fleet_vm *vm = xnew(struct fleet_vm);

	ck_assert_ptr_nonnull(obj);
	ck_assert(!json_decode_object(obj, fleet_vm_fields, vm, JSON_IGNORE_UNKNOWN, &err));
	free(vm);
}
END_TEST

static bool read_page(const char *text)
{
	CLEANUP(json_putp) struct json_object *obj = json_read_back(text);
	struct fleet_page_read page = { 0 };
	bool ok = fleet_page_read(obj, &page, &err);

	fleet_page_fini(&page);
	return ok;
}

START_TEST(page_is_bounded_and_goes_on_only_behind_an_item)
{
	CLEANUP(strbuf_fini) struct strbuf many = STRBUF_INIT;

	ck_assert(read_page("{\"items\":[],\"more\":false,\"later\":1}"));
	ck_assert(read_page("{\"items\":[{}],\"more\":true}"));
	ck_assert(!read_page("{\"items\":[],\"more\":true}"));
	ck_assert(!read_page("{\"items\":{},\"more\":false}"));
	ck_assert(!read_page("{\"items\":[]}"));
	ck_assert(!read_page("{}"));
	strbuf_adds(&many, "{\"more\":false,\"items\":[{}");
	for (int i = 0; i < FLEET_PAGE_ITEMS; i++)
		strbuf_adds(&many, ",{}");
	strbuf_adds(&many, "]}");
	ck_assert(!read_page(strbuf_str(&many)));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("fleet");
	TCase *tc = tcase_create("fleet");

	tcase_add_test(tc, items_come_back_as_they_were_told);
	tcase_add_loop_test(tc, what_is_no_vm_is_refused, 0, ARRAY_LEN(bad_vms));
	tcase_add_test(tc, page_is_bounded_and_goes_on_only_behind_an_item);
	suite_add_tcase(s, tc);
	return s;
}
