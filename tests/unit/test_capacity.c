/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The picture of hosts: how peers are asked, what is taken of their answers, and how old it may be.
 */
#include <string.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "capacity/capacity.h"
#include "check_main.h"
#include "move_rig.h"

#define INTERVAL_S 10

static const char *ids[4];
static struct capacity *capacity;
static struct capacity_picture *picture;
static unsigned asked;

static void begin(const struct capacity_hooks *hooks)
{
	capacity = capacity_new(&(struct capacity_env){
		.loop = rig.loop,
		.vms = rig.vms,
		.moves = rig.moves,
		.peers = rig.peers,
		.peer_ids = ids,
		.host_id = "a",
		.interface_bytes_per_s = 125000000,
		.settings = { .rack = "r1",
			      .labels = "zone=a,disk=ssd",
			      .reserved_mib = 64,
			      .in_max = 4,
			      .out_max = 3,
			      .ask_every_s = INTERVAL_S },
		.hooks = hooks ? *hooks : (struct capacity_hooks){ 0 },
	});
}

static void set_up(void)
{
	ids[0] = "b";
	ids[1] = "c";
	ids[2] = NULL;
	rig_set_up();
	asked = 0;
	begin(NULL);
}

static void tear_down(void)
{
	capacity_picture_free(TAKE_PTR(picture));
	capacity_end(capacity);
	rig_advance(CAPACITY_ASK_MS); /* the last questions end */
	capacity_free(capacity);
	rig_tear_down();
}

static void on_asked(void *data)
{
	(void)data;
	asked++;
}

static void ask(void)
{
	capacity_ask(capacity, on_asked, NULL);
	rig_run();
}

static const struct plan_input *look(void)
{
	capacity_picture_free(picture);
	picture = capacity_take(capacity);
	capacity_work_out(picture);
	return capacity_input(picture);
}

/* ---- answers of peers ---------------------------------------------------------------------- */

#define HOST HOST_WITH("\"huge_total\":0,\"huge_free\":0")
#define HOST_WITH(huge)                                                                    \
	"\"memory_mib\":{\"total\":8192,\"available\":4096,\"reserved\":512,\"guests\":0," \
	"\"incoming\":0," huge "},\"cores\":4,\"vcpus\":0,"                                \
	"\"load\":0.5,\"limits\":{\"out_max\":16,\"in_max\":2,\"vcpus_per_core\":3},"      \
	"\"link_bytes_per_s\":1250000000,\"rack\":\"r2\",\"labels\":{\"zone\":\"b\"},"     \
	"\"guests\":0,\"stopped\":0,\"left_out\":0"

static void add_vm(struct strbuf *text, unsigned number, const char *more)
{
	strbuf_addf(text,
		    "%s{\"name\":\"g%04u\",\"uuid\":\"018f0000-0000-7000-8000-00000000%04x\","
		    "\"state\":\"running\",\"memory_mib\":1024,\"vcpus\":2,\"load\":0.25,"
		    "\"forecast_bytes\":1048576,\"movable\":true%s}",
		    text->data[text->len - 1] == '[' ? "" : ",", number, number, more);
}

/* COUNT guests from the number FIRST on; NEXT is JSON. */
static void answer_page(const char *host, unsigned first, unsigned count, const char *next)
{
	CLEANUP(strbuf_fini) struct strbuf text = STRBUF_INIT;

	strbuf_addf(&text, "{\"id\":\"%s\",\"state\":\"online\"," HOST ",\"vms\":[", host);
	for (unsigned i = 0; i < count; i++)
		add_vm(&text, first + i, "");
	strbuf_addf(&text, "],\"next\":%s}", next);
	fake_peer_answer_at(host, "capacity", strbuf_str(&text));
}

static void answer_with(const char *host, const char *state, const char *vms)
{
	CLEANUP(free_charp)
	char *text = xasprintf("{\"id\":\"%s\",\"state\":\"%s\"," HOST ",\"vms\":[%s],"
			       "\"next\":null}",
			       host, state, vms);

	fake_peer_answer_at(host, "capacity", text);
}

static void answer_all(void)
{
	answer_page("b", 1, 1, "null");
	answer_page("c", 2, 2, "null");
}

START_TEST(picture_has_this_host_first_and_peers_as_they_told)
{
	const struct plan_input *input;
	const struct capacity_host *hosts;
	struct plan_cluster *cluster;
	struct err err;

	rig_run_vm();
	ask();
	ck_assert_uint_eq(asked, 0);
	answer_all();
	rig_run();
	ck_assert_uint_eq(asked, 1);
	input = look();
	hosts = capacity_hosts(picture);
	ck_assert_uint_eq(input->host_count, 3);
	ck_assert_uint_eq(input->vm_count, 4);
	ck_assert_str_eq(input->hosts[0].name, "a");
	ck_assert(hosts[0].is_own && !hosts[1].is_own);
	ck_assert_str_eq(input->hosts[0].rack, "r1");
	ck_assert_uint_eq(input->hosts[0].labels.count, 2);
	ck_assert_str_eq(input->hosts[0].labels.list[1].value, "ssd");
	ck_assert_uint_ge(input->hosts[0].reserved_mib, 64);
	ck_assert_double_eq_tol(input->hosts[0].nic_gbps, 1, 1e-9);
	ck_assert_str_eq(input->hosts[1].name, "b");
	ck_assert_uint_eq(input->hosts[1].mem_mib, 8192);
	ck_assert_uint_eq(input->hosts[1].reserved_mib, 512);
	ck_assert_double_eq_tol(input->hosts[1].nic_gbps, 10, 1e-9);
	ck_assert_int_eq(input->hosts[2].state, PLAN_HOST_ONLINE);
	ck_assert_str_eq(input->vms[0].host, "a");
	ck_assert(input->vms[0].is_movable);
	ck_assert_str_eq(capacity_vms(picture)[0].uuid, RIG_VM_UUID);
	ck_assert_str_eq(input->vms[3].name, "g0003");
	ck_assert_str_eq(input->vms[3].host, "c");
	ck_assert_double_eq_tol(input->vms[3].forecast_mib, 1, 1e-9);
	ck_assert_double_eq_tol(input->limits.vcpu_ratio, 3, 1e-9);
	ck_assert_uint_eq(input->limits.out_per_host, 3);
	ck_assert_uint_eq(input->limits.in_per_host, 2);
	cluster = plan_cluster_new(input, &err);
	ck_assert_msg(cluster != NULL, "%s", err.msg);
	plan_cluster_free(cluster);
}
END_TEST

/* A host that nobody has heard can be planned around, and nothing is known of it. */
START_TEST(unheard_peer_is_offline)
{
	const struct plan_input *input = look();
	struct plan_cluster *cluster;
	struct err err;

	ck_assert_int_eq(input->hosts[1].state, PLAN_HOST_OFFLINE);
	ck_assert_ptr_null(capacity_hosts(picture)[1].told);
	ck_assert_str_eq(capacity_hosts(picture)[1].trouble, "it was not asked yet");
	cluster = plan_cluster_new(input, &err);
	ck_assert_msg(cluster != NULL, "%s", err.msg);
	plan_cluster_free(cluster);
}
END_TEST

START_TEST(ask_is_done_after_3_s_at_most)
{
	ask();
	answer_page("b", 1, 1, "null");
	rig_advance(CAPACITY_ASK_MS - 1);
	ck_assert_uint_eq(asked, 0);
	rig_advance(1);
	rig_run();
	ck_assert_uint_eq(asked, 1);
	look();
	ck_assert_int_eq(capacity_input(picture)->hosts[1].state, PLAN_HOST_ONLINE);
	ck_assert_int_eq(capacity_input(picture)->hosts[2].state, PLAN_HOST_OFFLINE);
	ck_assert_ptr_nonnull(strstr(capacity_hosts(picture)[2].trouble, "did not answer"));
	ck_assert(capacity_is_fresh(capacity)); /* another question would not be answered either */
}
END_TEST

static void on_asked_look(void *data)
{
	(void)data;
	asked++;
	capacity_picture_free(picture);
	picture = capacity_take(capacity);
}

/* Nothing is to be moved to a host that has fallen silent, although what it told is not old. */
START_TEST(peer_that_is_silent_is_in_trouble_when_ask_is_done)
{
	ask();
	answer_all();
	rig_advance(1000);
	capacity_ask(capacity, on_asked_look, NULL);
	rig_run();
	answer_page("b", 1, 1, "null");
	look();
	ck_assert_ptr_null(capacity_hosts(picture)[2].trouble);
	rig_advance(CAPACITY_ASK_MS);
	ck_assert_uint_eq(asked, 2);
	ck_assert_ptr_null(capacity_hosts(picture)[1].trouble);
	ck_assert_ptr_nonnull(capacity_hosts(picture)[2].trouble);
	ck_assert(!capacity_hosts(picture)[2].is_aged);
}
END_TEST

/* Each of many who ask at once is answered, by one question to each peer. */
START_TEST(questions_under_way_are_shared)
{
	ask();
	ask();
	ck_assert_uint_eq(fake_peer_pending("capacity"), 2);
	answer_all();
	rig_run();
	ck_assert_uint_eq(asked, 2);
}
END_TEST

START_TEST(without_peers_there_is_nothing_to_wait_for)
{
	ids[0] = NULL;
	capacity_ask(capacity, on_asked, NULL);
	ck_assert_uint_eq(asked, 0);
	rig_run();
	ck_assert_uint_eq(asked, 1);
	ck_assert(capacity_is_fresh(capacity));
}
END_TEST

/* ---- age -------------------------------------------------------------- */

START_TEST(peer_that_falls_silent_is_offline_after_three_intervals)
{
	ask();
	answer_all();
	for (unsigned i = 0; i < 2; i++) {
		rig_advance(INTERVAL_S * 1100 + CAPACITY_ASK_MS);
		look();
	}
	ck_assert_int_eq(capacity_input(picture)->hosts[1].state, PLAN_HOST_ONLINE);
	ck_assert_ptr_nonnull(strstr(capacity_hosts(picture)[1].trouble, "did not answer"));
	ck_assert_uint_gt(capacity_hosts(picture)[1].age_ms, 20000);
	rig_advance(INTERVAL_S * 1000);
	look();
	ck_assert_int_eq(capacity_input(picture)->hosts[1].state, PLAN_HOST_OFFLINE);
	ck_assert_uint_eq(capacity_input(picture)->hosts[1].mem_mib, 8192); /* what it told stays */
	ck_assert_uint_eq(capacity_hosts(picture)[1].vm_count, 1);
	ask();
	answer_page("b", 1, 1, "null");
	look();
	ck_assert_int_eq(capacity_input(picture)->hosts[1].state, PLAN_HOST_ONLINE);
	ck_assert_ptr_null(capacity_hosts(picture)[1].trouble);
}
END_TEST

/* A host at which nobody looks makes no calls. */
START_TEST(peers_are_asked_on_only_while_somebody_looks)
{
	look();
	rig_run();
	ck_assert_uint_eq(fake_peer_pending("capacity"), 2);
	answer_all();
	rig_advance(INTERVAL_S * 1100);
	ck_assert_uint_eq(fake_peer_pending("capacity"), 2);
	answer_all();
	rig_advance(CAPACITY_WANTED_MS + INTERVAL_S * 1100 + CAPACITY_ASK_MS);
	ck_assert_uint_eq(fake_peer_pending("capacity"), 0);
	ck_assert(!capacity_is_fresh(capacity));
	rig_advance(CAPACITY_WANTED_MS);
	ck_assert_uint_eq(fake_peer_pending("capacity"), 0);
}
END_TEST

START_TEST(peers_follow_the_configuration)
{
	ask();
	answer_all();
	ids[1] = "d";
	look();
	ck_assert_uint_eq(capacity_input(picture)->host_count, 3);
	ck_assert_str_eq(capacity_input(picture)->hosts[2].name, "d");
	ck_assert_int_eq(capacity_input(picture)->hosts[2].state, PLAN_HOST_OFFLINE);
	ask();
	ids[1] = NULL; /* gone before it has answered */
	look();
	ck_assert_uint_eq(capacity_input(picture)->host_count, 2);
	fake_peer_answer_at("d", "capacity", "{}");
	look();
	ck_assert_uint_eq(capacity_input(picture)->host_count, 2);
}
END_TEST

/* ---- states --------------------------------------------------------------------------------- */

START_TEST(host_that_takes_no_guests_is_draining_and_a_held_one_held)
{
	ask();
	answer_with("b", "cordoned", "");
	answer_with("c", "a-word-of-a-newer-version\",\"hold\":\"held by d", "");
	look();
	ck_assert_int_eq(capacity_input(picture)->hosts[1].state, PLAN_HOST_DRAINING);
	ck_assert_ptr_null(capacity_input(picture)->hosts[1].hold);
	ck_assert_int_eq(capacity_input(picture)->hosts[2].state, PLAN_HOST_DRAINING);
	ck_assert_str_eq(capacity_input(picture)->hosts[2].hold, "held by d");
}
END_TEST

static bool say(void *data, struct strbuf *why)
{
	strbuf_adds(why, data);
	return true;
}

static bool say_of_vm(void *data, const char *uuid, struct strbuf *why)
{
	strbuf_addf(why, "%s %s", (const char *)data, uuid);
	return true;
}

static char held[] = "held by d";

START_TEST(hooks_tell_the_state_of_this_host)
{
	static const struct capacity_hooks hooks = {
		.is_cordoned = say, .is_held = say, .is_vm_held = say_of_vm, .data = held
	};

	capacity_end(capacity);
	capacity_free(capacity);
	begin(&hooks);
	rig_run_vm();
	look();
	ck_assert_int_eq(capacity_input(picture)->hosts[0].state, PLAN_HOST_DRAINING);
	ck_assert_str_eq(capacity_own(capacity)->state, "cordoned");
	ck_assert_str_eq(capacity_own(capacity)->why, "held by d");
	ck_assert_str_eq(capacity_input(picture)->hosts[0].hold, "held by d");
	ck_assert_str_eq(capacity_input(picture)->vms[0].hold, "held by d " RIG_VM_UUID);
}
END_TEST

/* ---- placement and names -------------------------------------------------------------------- */

#define VM(name, more)                                                               \
	"{\"name\":\"" name "\",\"uuid\":\"" RIG_VM_UUID "\",\"state\":\"running\"," \
	"\"memory_mib\":1,\"vcpus\":1,\"load\":0,\"forecast_bytes\":0,\"movable\":true" more "}"

START_TEST(placement_reaches_the_plan_and_unknown_pins_do_not)
{
	const struct plan_vm *vms;
	struct plan_cluster *cluster;
	struct err err;

	ask();
	answer_with("b", "online",
		    VM(
			    "g1", ",\"placement\":{\"group\":\"web\",\"affinity\":\"db\","
				  "\"requires\":{\"zone\":\"b\"},\"prefers\":{\"x\":\"\"},"
				  "\"pins\":[\"z\",\"c\"],\"priority\":7,\"on_evacuation\":"
				  "\"save\"}") "," VM("g2", ",\"placement\":{\"pins\":[\"z\"]}"));
	look();
	vms = capacity_input(picture)->vms;
	ck_assert_str_eq(vms[0].group, "web");
	ck_assert_str_eq(vms[0].affinity, "db");
	ck_assert_uint_eq(vms[0].requires.count, 1);
	ck_assert_str_eq(vms[0].prefers.list[0].value, "");
	ck_assert_uint_eq(vms[0].pins.count, 1);
	ck_assert_str_eq(vms[0].pins.list[0], "c");
	ck_assert_uint_eq(vms[0].priority, 7);
	ck_assert_int_eq(capacity_vms(picture)[0].on_evacuation, PLACEMENT_SAVE);
	ck_assert(vms[0].is_movable);
	ck_assert(!vms[1].is_movable);
	ck_assert_ptr_nonnull(strstr(capacity_vms(picture)[1].why, "not known here"));
	cluster = plan_cluster_new(capacity_input(picture), &err);
	ck_assert_msg(cluster != NULL, "%s", err.msg);
	plan_cluster_free(cluster);
}
END_TEST

#define HUGE                                                                             \
	"\"huge_total\":4000,\"huge_free\":1000,\"huge\":["                              \
	"{\"page_mib\":2,\"total\":2976,\"free\":900,\"reserved\":76},"                  \
	"{\"page_mib\":16,\"total\":64,\"free\":64,\"reserved\":0},"                     \
	"{\"page_mib\":1024,\"total\":1024,\"free\":0,\"reserved\":0}],\"huge_nodes\":[" \
	"{\"node\":1,\"page_mib\":2,\"free\":900},{\"node\":99,\"page_mib\":2,\"free\":1}]"
#define HUGE_GUEST(number, page_mib)                                                         \
	"{\"name\":\"g" number "\",\"uuid\":\"018f0000-0000-7000-8000-00000000000" number    \
	"\",\"state\":\"running\",\"memory_mib\":1024,\"huge_page_mib\":" page_mib ","       \
	"\"huge_bound\":[{\"nodes\":\"0-1\",\"mib\":512},{\"nodes\":\"1,99\",\"mib\":512}]," \
	"\"vcpus\":2,\"load\":0,\"forecast_bytes\":0,\"movable\":true}"

#define HUGE_HOST                                                              \
	"{\"id\":\"b\",\"state\":\"online\"," HOST_WITH(                       \
		HUGE) ",\"vms\":[" HUGE_GUEST("1", "1024") "," HUGE_GUEST("2", \
									  "16") "],\"next\":null}"

/* A host of an older version tells no sizes: that is not that it has none. */
START_TEST(huge_pages_reach_the_plan_by_their_size)
{
	const struct plan_input *input;

	ask();
	fake_peer_answer_at("b", "capacity", HUGE_HOST);
	answer_page("c", 3, 1, "null");
	rig_run();
	input = look();
	ck_assert(input->hosts[0].knows_pages);
	ck_assert(input->hosts[1].knows_pages);
	ck_assert_uint_eq(input->hosts[1].pages_mib[PLAN_PAGES_ORDINARY], 8192 - 512 - 4000);
	ck_assert_uint_eq(input->hosts[1].pages_mib[PLAN_PAGES_2M], 2900);
	ck_assert_uint_eq(input->hosts[1].pages_mib[PLAN_PAGES_1G], 1024);
	ck_assert_uint_eq(input->hosts[1].nodes.count, 1);
	ck_assert_uint_eq(input->hosts[1].nodes.list[0].free_mib, 900);
	ck_assert_uint_eq(input->vms[0].bounds.count, 2);
	ck_assert_uint_eq(input->vms[0].bounds.list[0].nodes, 3);
	ck_assert_uint_eq(input->vms[0].bounds.list[0].mib, 512);
	ck_assert_uint_eq(input->vms[0].bounds.list[1].mib, 0);
	ck_assert(!input->hosts[2].knows_pages);
	ck_assert_int_eq(input->vms[0].pages, PLAN_PAGES_1G);
	ck_assert_int_eq(input->vms[1].pages, PLAN_PAGES_ORDINARY);
	ck_assert(!input->vms[1].is_movable);
	ck_assert_int_eq(input->vms[2].pages, PLAN_PAGES_ORDINARY);
}
END_TEST

/* A key is PREFIX/NAME, of 253 and 63 bytes at most. */
START_TEST(longest_label_can_be_planned_with)
{
	CLEANUP(strbuf_fini) struct strbuf text = STRBUF_INIT;
	struct plan_cluster *cluster;
	struct err err;

	strbuf_adds(&text, "{\"id\":\"b\",\"state\":\"online\"," HOST ",\"vms\":[");
	strbuf_adds(&text, "{\"name\":\"g1\",\"uuid\":\"" RIG_VM_UUID "\",\"state\":\"running\","
			   "\"memory_mib\":1,\"vcpus\":1,\"load\":0,\"forecast_bytes\":0,"
			   "\"movable\":true,\"placement\":{\"requires\":{\"");
	for (int i = 0; i < 253; i++)
		strbuf_adds(&text, i % 50 == 49 ? "." : "p");
	strbuf_addf(&text, "/%063d\":\"%063d\"}}}],\"next\":null}", 1, 1);
	ask();
	fake_peer_answer_at("b", "capacity", strbuf_str(&text));
	look();
	ck_assert_uint_eq(capacity_input(picture)->vm_count, 1);
	ck_assert_uint_eq(capacity_input(picture)->vms[0].requires.count, 1);
	cluster = plan_cluster_new(capacity_input(picture), &err);
	ck_assert_msg(cluster != NULL, "%s", err.msg);
	plan_cluster_free(cluster);
}
END_TEST

START_TEST(name_that_is_there_twice_has_its_host_beside_it)
{
	struct plan_cluster *cluster;
	struct err err;

	ask();
	answer_with("b", "online", VM("g1", ""));
	answer_with("c", "online", VM("g1", ""));
	look();
	ck_assert_str_eq(capacity_input(picture)->vms[0].name, "g1");
	ck_assert_str_eq(capacity_input(picture)->vms[1].name, "g1@c");
	ck_assert_str_eq(capacity_vms(picture)[1].name, "g1");
	cluster = plan_cluster_new(capacity_input(picture), &err);
	ck_assert_msg(cluster != NULL, "%s", err.msg);
	plan_cluster_free(cluster);
}
END_TEST

/* ---- pages and bad answers -------------------------------------------- */

START_TEST(pages_are_followed_and_what_comes_again_is_skipped)
{
	ask();
	answer_page("b", 1, CAPACITY_PAGE_VMS, "\"g0128\"");
	ck_assert_uint_eq(fake_peer_pending_at("b", "capacity"), 1);
	answer_page("b", 100, 40, "null");
	look();
	ck_assert_uint_eq(capacity_hosts(picture)[1].vm_count, 139);
	ck_assert_str_eq(capacity_vms(picture)[138].name, "g0139");
}
END_TEST

static void assert_refused(const char *words)
{
	const char *trouble;

	rig_run();
	look();
	trouble = capacity_hosts(picture)[1].trouble;
	ck_assert_ptr_nonnull(trouble);
	ck_assert_msg(strstr(trouble, words) != NULL, "%s", trouble);
	ck_assert_ptr_null(capacity_hosts(picture)[1].told);
}

static const struct {
	const char *answer, *words;
} bad[] = {
	{ "{}", "required" },
	{ "[]", "an object" },
	{ "{\"id\":\"c\",\"state\":\"online\"," HOST ",\"vms\":[],\"next\":null}",
	  "it says that it is host 'c'" },
	{ "{\"id\":\"b\",\"state\":\"online\"," HOST ",\"vms\":{},\"next\":null}", "/vms" },
	{ "{\"id\":\"b\",\"state\":\"online\"," HOST ",\"vms\":[7],\"next\":null}", "/vms/0" },
	{ "{\"id\":\"b\",\"state\":\"online\"," HOST ",\"vms\":[],\"next\":\"g1\"}",
	  "do not go on" },
	{ "{\"id\":\"b\",\"state\":\"online\"," HOST ",\"rack\":\"../x\",\"vms\":[],\"next\":null}",
	  "/rack" },
	{ "{\"id\":\"b\",\"state\":\"online\"," HOST
	  ",\"vms\":[" VM("g1", ",\"load\":-1") "],"
						"\"next\":null}",
	  "/load" },
	{ "{\"id\":\"b\",\"state\":\"online\"," HOST ",\"labels\":{\"a b\":\"c\"},\"vms\":[],"
	  "\"next\":null}",
	  "no label" },
	{ "{\"id\":\"b\",\"state\":\"online\"," HOST
	  ",\"vms\":[" VM("g1", ",\"placement\":{\"pins\":[\"c\",\"c\"]}") "],\"next\":null}",
	  "twice" },
	{ "{\"id\":\"b\",\"state\":\"online\"," HOST ",\"cores\":0,\"vms\":[],\"next\":null}",
	  "no cores" },
};

START_TEST(bad_answer_is_a_reason_and_nothing_else)
{
	ask();
	fake_peer_answer_at("b", "capacity", bad[_i].answer);
	assert_refused(bad[_i].words);
}
END_TEST

START_TEST(too_many_guests_are_refused)
{
	unsigned pages = CAPACITY_VMS_MAX / CAPACITY_PAGE_VMS + 1;

	ask();
	for (unsigned i = 0; i < pages; i++) {
		CLEANUP(free_charp)
		char *next = xasprintf("\"g%04u\"", (i + 1) * CAPACITY_PAGE_VMS);

		answer_page("b", i * CAPACITY_PAGE_VMS + 1, CAPACITY_PAGE_VMS, next);
	}
	ck_assert_uint_eq(fake_peer_pending_at("b", "capacity"), 0);
	assert_refused("over 1000 guests");
}
END_TEST

START_TEST(older_peer_is_told_from_a_silent_one)
{
	ids[1] = NULL;
	ask();
	fake_peer_fail("capacity", ERR_NOT_FOUND);
	assert_refused("its migrd is older");
}
END_TEST

START_TEST(bad_answer_leaves_what_was_told_before)
{
	ask();
	answer_all();
	ask();
	fake_peer_answer_at("b", "capacity", "{}");
	look();
	ck_assert_uint_eq(capacity_hosts(picture)[1].vm_count, 1);
	ck_assert_int_eq(capacity_input(picture)->hosts[1].state, PLAN_HOST_ONLINE);
	ck_assert_ptr_nonnull(strstr(capacity_hosts(picture)[1].trouble, "was not taken"));
}
END_TEST

/* ---- what this host tells --------------------------------------------- */

START_TEST(what_a_host_tells_can_be_read)
{
	struct capacity_page *page = xnew(struct capacity_page);
	struct capacity_vm_told *vm = xnew(struct capacity_vm_told);
	CLEANUP(json_putp) struct json_object *obj = NULL;
	CLEANUP(json_putp) struct json_object *after = NULL;
	struct err err;
	size_t len;

	rig.more_members = ",\"placement\":{\"group\":\"web\",\"requires\":{\"zone\":\"a\"}}";
	rig_run_vm();
	obj = json_read_back(capacity_page_text(capacity, NULL, &len));
	ck_assert_msg(capacity_page_read(obj, page, &err), "%s", err.msg);
	ck_assert_str_eq(page->host.id, "a");
	ck_assert_str_eq(page->host.state, "online");
	ck_assert_uint_eq(page->host.figures.guests, 1);
	ck_assert_uint_eq(page->host.figures.limits.in_max, 4);
	ck_assert_str_eq(page->host.figures.link_by, "interface");
	ck_assert_str_eq(page->next, "");
	ck_assert_msg(capacity_vm_read(page, 0, vm, &err), "%s", err.msg);
	ck_assert_str_eq(vm->uuid, RIG_VM_UUID);
	ck_assert_str_eq(vm->placement.group, "web");
	capacity_page_fini(page);
	memset(page, 0, sizeof(*page));
	after = json_read_back(capacity_page_text(capacity, "zzz", &len));
	ck_assert_msg(capacity_page_read(after, page, &err), "%s", err.msg);
	ck_assert_uint_eq(json_count(page->vms), 0);
	capacity_page_fini(page);
	free(page);
	free(vm);
}
END_TEST

START_TEST(guest_that_moves_is_not_movable)
{
	rig_run_vm();
	rig_start_move();
	rig_advance(1000);
	look();
	ck_assert(!capacity_input(picture)->vms[0].is_movable);
	ck_assert_ptr_nonnull(strstr(capacity_vms(picture)[0].why, "MIGRATION_OUT"));
}
END_TEST

/* It takes nothing, so a plan does not see it. */
START_TEST(stopped_vm_is_only_counted)
{
	rig_create_vm();
	ck_assert_uint_eq(look()->vm_count, 0);
	ck_assert_uint_eq(capacity_own(capacity)->figures.stopped, 1);
}
END_TEST

/* A plan must not miss a guest that was started just before it was asked for. */
START_TEST(change_is_in_the_next_picture)
{
	ck_assert_uint_eq(look()->vm_count, 0);
	rig_run_vm();
	capacity_note(capacity);
	ck_assert_uint_eq(look()->vm_count, 1);
}
END_TEST

static bool may_take = true;

static bool say_cordoned(void *data, struct strbuf *why)
{
	(void)data;
	if (!may_take)
		strbuf_addf(why, "it is cordoned");
	return !may_take;
}

static void assert_page_says(const char *state)
{
	struct capacity_page *page = xnew(struct capacity_page);
	CLEANUP(json_putp) struct json_object *obj = NULL;
	struct err err;
	size_t len;

	obj = json_read_back(capacity_page_text(capacity, NULL, &len));
	ck_assert_msg(capacity_page_read(obj, page, &err), "%s", err.msg);
	ck_assert_str_eq(page->host.state, state);
	ck_assert_str_eq(capacity_own(capacity)->state, state);
	capacity_page_fini(page);
	free(page);
}

/* Else a peer that is to be emptied would be refused, since this host is said to take no guests. */
START_TEST(change_of_its_state_is_told_to_the_next_peer_that_asks)
{
	static const struct capacity_hooks hooks = { .is_cordoned = say_cordoned };

	capacity_end(capacity);
	capacity_free(capacity);
	begin(&hooks);
	for (unsigned i = 0; i < 3; i++) {
		may_take = i % 2;
		capacity_note_state(capacity);
		assert_page_says(may_take ? "online" : "cordoned");
	}
	may_take = true;
	assert_page_says("cordoned"); /* nobody has told of it */
}
END_TEST

/* Who waits is told, and an answer that comes later finds nobody. */
START_TEST(end_answers_who_waits)
{
	ask();
	capacity_end(capacity);
	ck_assert_uint_eq(asked, 1);
	answer_page("b", 1, 1, "null");
	ck_assert_uint_eq(asked, 1);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("capacity");
	TCase *tc = tcase_create("capacity");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, picture_has_this_host_first_and_peers_as_they_told);
	tcase_add_test(tc, unheard_peer_is_offline);
	tcase_add_test(tc, ask_is_done_after_3_s_at_most);
	tcase_add_test(tc, peer_that_is_silent_is_in_trouble_when_ask_is_done);
	tcase_add_test(tc, questions_under_way_are_shared);
	tcase_add_test(tc, without_peers_there_is_nothing_to_wait_for);
	tcase_add_test(tc, peer_that_falls_silent_is_offline_after_three_intervals);
	tcase_add_test(tc, peers_are_asked_on_only_while_somebody_looks);
	tcase_add_test(tc, peers_follow_the_configuration);
	tcase_add_test(tc, host_that_takes_no_guests_is_draining_and_a_held_one_held);
	tcase_add_test(tc, hooks_tell_the_state_of_this_host);
	tcase_add_test(tc, change_of_its_state_is_told_to_the_next_peer_that_asks);
	tcase_add_test(tc, placement_reaches_the_plan_and_unknown_pins_do_not);
	tcase_add_test(tc, huge_pages_reach_the_plan_by_their_size);
	tcase_add_test(tc, longest_label_can_be_planned_with);
	tcase_add_test(tc, name_that_is_there_twice_has_its_host_beside_it);
	tcase_add_test(tc, pages_are_followed_and_what_comes_again_is_skipped);
	tcase_add_test(tc, too_many_guests_are_refused);
	tcase_add_test(tc, older_peer_is_told_from_a_silent_one);
	tcase_add_test(tc, bad_answer_leaves_what_was_told_before);
	tcase_add_test(tc, what_a_host_tells_can_be_read);
	tcase_add_test(tc, guest_that_moves_is_not_movable);
	tcase_add_test(tc, stopped_vm_is_only_counted);
	tcase_add_test(tc, change_is_in_the_next_picture);
	tcase_add_test(tc, end_answers_who_waits);
	tcase_add_loop_test(tc, bad_answer_is_a_reason_and_nothing_else, 0, (int)ARRAY_LEN(bad));
	suite_add_tcase(s, tc);
	return s;
}
