/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Clusters and plans as JSON: what is taken, what is refused and where, and that no text does any
 * harm. */
#include <check.h>
#include <string.h>

#include "base/mem.h"
#include "plan/file.h"
#include "tests/lib/check_main.h"

#define MUTATIONS 20000

static const char good[] =
	"{\"format\": \"migrd-cluster/1\", \"x-made-by\": {\"a\": 1},\n"
	" \"hosts\": [{\"name\": \"a\", \"mem_mib\": 1000, \"reserved_mib\": 100, \"cpus\": 8,\n"
	"   \"nic_gbps\": 10, \"rack\": \"r1\", \"state\": \"online\", \"labels\": {\"z\": "
	"\"1\"}},\n"
	"  {\"name\": \"b\", \"mem_mib\": 1000, \"cpus\": 8, \"nic_gbps\": 2.5, \"rack\": null,\n"
	"   \"x-serial\": 17, \"x-huge_2m_mib\": 400, \"labels\": {\"z\": \"1\"}},\n"
	"  {\"name\": \"c\", \"mem_mib\": 500, \"cpus\": 4, \"nic_gbps\": 10, \"hold\": "
	"\"bob\"}],\n"
	" \"vms\": [{\"name\": \"v\", \"host\": \"a\", \"mem_mib\": 300, \"vcpus\": 2,\n"
	"   \"cpu_load\": 0.5, \"dirty_mibps\": 10, \"group\": null, \"movable\": true,\n"
	"   \"labels\": {}, \"requires\": {\"z\": \"1\"}, \"last_moved_s\": 5, \"pins\": [\"b\"],\n"
	"   \"priority\": 3, \"prefers\": {\"z\": \"2\"}, \"forbids\": {\"z\": \"3\"}},\n"
	"  {\"name\": \"w\", \"host\": \"a\", \"mem_mib\": 800, \"vcpus\": 1, \"group\": \"g\",\n"
	"   \"x-huge_page_mib\": 2}],\n"
	" \"limits\": {\"vcpu_ratio\": 4.0, \"out_per_host\": 2, \"in_per_host\": 2}}\n";

START_TEST(whole_cluster_taken)
{
	struct faults *faults = faults_new();
	struct plan_file *file = plan_file_parse(good, strlen(good), faults);
	const struct plan_input *input;

	ck_assert_msg(file != NULL, "%s: %s", faults->list[0].pointer, faults->list[0].detail);
	input = plan_file_input(file);
	ck_assert_uint_eq(input->host_count, 3);
	ck_assert_uint_eq(input->vm_count, 2);
	ck_assert_str_eq(input->hosts[0].rack, "r1");
	ck_assert_ptr_null(input->hosts[1].rack);
	ck_assert(input->hosts[1].nic_gbps > 2.4);
	ck_assert_str_eq(input->hosts[2].hold, "bob");
	ck_assert_str_eq(input->vms[0].requires.list[0].key, "z");
	ck_assert_str_eq(input->vms[0].pins.list[0], "b");
	ck_assert_uint_eq(input->vms[0].priority, 3);
	ck_assert(input->vms[1].is_movable);
	ck_assert_str_eq(input->vms[1].group, "g");
	ck_assert(!input->hosts[0].knows_pages && input->hosts[1].knows_pages);
	ck_assert_uint_eq(input->hosts[1].pages_mib[PLAN_PAGES_ORDINARY], 600);
	ck_assert_uint_eq(input->hosts[1].pages_mib[PLAN_PAGES_2M], 400);
	ck_assert_uint_eq(input->hosts[1].pages_mib[PLAN_PAGES_1G], 0);
	ck_assert_int_eq(input->vms[0].pages, PLAN_PAGES_ORDINARY);
	ck_assert_int_eq(input->vms[1].pages, PLAN_PAGES_2M);
	plan_file_free(file);
	faults_free(faults);
}
END_TEST

/* A plan of that cluster; NULL if it is refused at any stage. */
static char *plan_of(const char *text, size_t len)
{
	struct faults *faults = faults_new();
	struct plan_file *file = plan_file_parse(text, len, faults);
	const uint32_t host = 0;
	const struct plan_evacuate wanted = { &host, 1, 5 };
	struct plan_cluster *cluster = NULL;
	struct plan *plan = NULL;
	struct strbuf out = STRBUF_INIT;
	struct err err = { ERR_NONE, "" };

	ck_assert((file == NULL) == (faults->count > 0));
	if (file)
		cluster = plan_cluster_new(plan_file_input(file), &err);
	if (cluster)
		plan = plan_evacuate(cluster, &wanted, &err);
	ck_assert(!file || plan || err_is_set(&err));
	if (plan)
		plan_file_write(plan, plan_file_input(file), 0.25, &out);
	plan_free(plan);
	plan_cluster_free(cluster);
	plan_file_free(file);
	faults_free(faults);
	return out.data;
}

START_TEST(plan_written_as_the_format_says)
{
	char *text = plan_of(good, strlen(good));
	struct json_object *plan = json_read_back(text), *moves, *stays, *rejected;

	ck_assert_ptr_nonnull(plan);
	moves = json_object_object_get(plan, "moves");
	ck_assert_uint_eq(json_count(moves), 1);
	ck_assert_str_eq(json_get_str(json_object_array_get_idx(moves, 0), "vm"), "v");
	ck_assert_str_eq(json_get_str(json_object_array_get_idx(moves, 0), "to"), "b");
	stays = json_object_object_get(plan, "stays");
	ck_assert_uint_eq(json_count(stays), 1);
	ck_assert_str_eq(json_get_str(json_object_array_get_idx(stays, 0), "vm"), "w");
	rejected = json_object_object_get(json_object_array_get_idx(stays, 0), "rejected");
	ck_assert_uint_eq(json_count(rejected), 3);
	ck_assert_str_eq(json_get_str(json_object_array_get_idx(rejected, 2), "why"),
			 "it is held: bob");
	ck_assert_uint_eq(json_count(json_object_object_get(plan, "hosts")), 3);
	ck_assert_ptr_nonnull(json_get_obj(plan, "before"));
	ck_assert_ptr_nonnull(json_get_obj(plan, "after"));
	json_object_put(plan);
	free(text);
}
END_TEST

START_TEST(same_input_same_plan)
{
	char *first = plan_of(good, strlen(good)), *second = plan_of(good, strlen(good));

	ck_assert_str_eq(first, second);
	free(first);
	free(second);
}
END_TEST

static const struct {
	const char *text, *pointer, *detail;
} refused[] = {
	{ "", "", "line 1, column 1: " },
	{ "[]", "", "found an array where an object is wanted" },
	{ "{\"format\":\"migrd-cluster/2\",\"hosts\":[],\"vms\":[]}", "/format",
	  "'migrd-cluster/2' is none of 'migrd-cluster/1'" },
	{ "{\"format\":\"migrd-cluster/1\",\"vms\":[]}", "/hosts", "required, but missing" },
	{ "{\"format\":\"migrd-cluster/1\",\"hosts\":{},\"vms\":[]}", "/hosts",
	  "an array is wanted" },
	{ "{\"format\":\"migrd-cluster/1\",\"hosts\":[],\"vms\":[],\"more\":1}", "/more",
	  "unknown key" },
	{ "{\"format\":\"migrd-cluster/1\",\"hosts\":[{\"name\":\"a\",\"mem_mib\":1e400}],"
	  "\"vms\":[]}",
	  "/hosts/0/mem_mib", "" },
	{ "{\"format\":\"migrd-cluster/1\",\"hosts\":[{\"name\":\"a\",\"mem_mib\":-1,"
	  "\"cpus\":1,\"nic_gbps\":1}],\"vms\":[]}",
	  "/hosts/0/mem_mib", "-1 is out of range" },
	{ "{\"format\":\"migrd-cluster/1\",\"hosts\":[{\"name\":\"a\",\"mem_mib\":1,"
	  "\"cpus\":1,\"nic_gbps\":1e9}],\"vms\":[]}",
	  "/hosts/0/nic_gbps", "1e9 is out of range: 0 to 1000000" },
	{ "{\"format\":\"migrd-cluster/1\",\"hosts\":[],\"vms\":[{\"name\":\"v\",\"host\":\"a\","
	  "\"mem_mib\":1,\"vcpus\":1,\"requires\":{\"a\":1}}]}",
	  "/vms/0/requires", "the label 'a' is no string" },
	{ "{\"format\":\"migrd-cluster/1\",\"hosts\":[],\"vms\":[{\"name\":\"v\",\"host\":\"a\","
	  "\"mem_mib\":1,\"vcpus\":1,\"pins\":[\"a\",2]}]}",
	  "/vms/0/pins", "the element 1 is no string" },
	{ "{\"format\":\"migrd-cluster/1\",\"hosts\":[],\"vms\":[{\"name\":\"v\",\"host\":\"a\","
	  "\"mem_mib\":1,\"vcpus\":1,\"priority\":8}]}",
	  "/vms/0/priority", "8 is out of range: 0 to 7" },
};

START_TEST(wrong_file_refused_with_its_place)
{
	struct faults *faults = faults_new();

	ck_assert_ptr_null(plan_file_parse(refused[_i].text, strlen(refused[_i].text), faults));
	ck_assert_uint_gt(faults->count, 0);
	ck_assert_str_eq(faults->list[0].pointer, refused[_i].pointer);
	ck_assert_msg(strstr(faults->list[0].detail, refused[_i].detail) != NULL, "%s",
		      faults->list[0].detail);
	faults_free(faults);
}
END_TEST

/* ---- what a text can do ---------------------------------------------------- */

static uint64_t seed;

static unsigned pick(unsigned count)
{
	uint64_t z = (seed += 0x9e3779b97f4a7c15u); /* splitmix64 */

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return (unsigned)((z ^ z >> 31) % count);
}

/* Words that change what a value means, more often than bytes do. */
static const char *const words[] = { "0",    "-1",         "1e308", "18446744073709551615",
				     "null", "true",       "[]",    "{}",
				     "\"\"", "\"a\"",      "0.1",   "\"b\"",
				     "-0.0", "1073741824", "\"c\"" };

/* One change: a byte, a value, or a piece that is cut out or doubled. */
static void mutate(struct strbuf *text)
{
	size_t at = pick((unsigned)text->len), len = pick(20);
	struct strbuf made = STRBUF_INIT;
	const char *value = strchr(text->data + at, ':');
	const char *end = value ? strpbrk(value, ",}\n") : NULL;

	len = at + len > text->len ? text->len - at : len;
	strbuf_add(&made, text->data, at);
	switch (pick(4)) {
	case 0:
		strbuf_addf(&made, "%c", (char)(1 + pick(255)));
		strbuf_adds(&made, text->data + at + (at < text->len));
		break;
	case 1:
		strbuf_adds(&made, text->data + at + len);
		break;
	case 2:
		strbuf_add(&made, text->data + at, len);
		strbuf_adds(&made, text->data + at);
		break;
	case 3:
		if (end) {
			strbuf_add(&made, text->data + at, (size_t)(value + 1 - text->data) - at);
			strbuf_adds(&made, words[pick(ARRAY_LEN(words))]);
			strbuf_adds(&made, end);
		} else {
			strbuf_adds(&made, text->data + at);
		}
		break;
	}
	strbuf_fini(text);
	*text = made;
}

START_TEST(changed_text_is_planned_or_refused)
{
	int planned = 0;

	seed = 47;
	for (int i = 0; i < MUTATIONS; i++) {
		struct strbuf text = STRBUF_INIT;
		char *plan;

		strbuf_adds(&text, good);
		for (unsigned changes = 1 + pick(3); changes > 0 && text.len > 0; changes--)
			mutate(&text);
		plan = plan_of(strbuf_str(&text), text.len);
		planned += plan != NULL;
		if (plan) {
			struct json_object *obj = json_read_back(plan);

			ck_assert_ptr_nonnull(obj);
			json_object_put(obj);
		}
		free(plan);
		strbuf_fini(&text);
	}
	/* Both happen. */
	ck_assert_int_gt(planned, MUTATIONS / 50);
	ck_assert_int_lt(planned, MUTATIONS * 9 / 10);
}
END_TEST

Suite *suite(void)
{
	Suite *suite = suite_create("plan: files");
	TCase *tcase = tcase_create("files");

	tcase_add_test(tcase, whole_cluster_taken);
	tcase_add_test(tcase, plan_written_as_the_format_says);
	tcase_add_test(tcase, same_input_same_plan);
	tcase_add_loop_test(tcase, wrong_file_refused_with_its_place, 0, (int)ARRAY_LEN(refused));
	tcase_add_test(tcase, changed_text_is_planned_or_refused);
	suite_add_tcase(suite, tcase);
	return suite;
}
