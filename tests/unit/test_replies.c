/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Each reply as bytes: keys, their order, and what is null or left out. */
#include "check_main.h"
#include "tests/lib/json_rig.h"
#include "tests/lib/reply_check.h"
#include "wire/adopt_reply.h"
#include "wire/event.h"
#include "wire/hold.h"
#include "wire/host_reply.h"
#include "wire/known_reply.h"
#include "wire/move_reply.h"
#include "wire/vm_reply.h"

#define AT      INT64_C(1795248000123)
#define AT_TEXT "'2026-11-21T08:00:00.123Z'"

/* EXPECTED has ' for ". */
static void assert_sent(const struct json_field *fields, const void *reply, const char *expected)
{
	CLEANUP(json_putp) struct json_object *obj = json_encode(fields, reply);
	CLEANUP(free_charp) char *text = xstrdup(json_text(obj, NULL));

	for (char *p = text; *p; p++)
		if (*p == '"')
			*p = '\'';
	ck_assert_str_eq(text, expected);
	reply_check(obj, fields);
}

START_TEST(host_is_sent)
{
	struct host_reply host = {
		.id = "a",
		.version = "0.1.0",
		.protocol = { 1, 2 },
		.api_address = "h:1",
		.data_address = "h:2",
		.boot_id = "boot",
		.started_at = AT,
		.ready = true,
		.store = { .id = "s", .epoch = 12 },
		.qemu_binary = "q",
		.certificate = { AT, AT, 1075, true },
		.vms = { 3, 2 },
		.moves = { 1 },
		.memory_mib = { 65536, 40211 },
		.shutdown = { .mode = "limit",
			      .logind = "there",
			      .stage = "evacuating",
			      .delays = true,
			      .limit_s = 600,
			      .logind_limit_s = 5,
			      .until = AT,
			      .problem = "p" },
	};

#define HOST(doubt, reload, rest)                                                       \
	"{'id':'a','version':'0.1.0','protocol':{'min':1,'max':2},'api_address':'h:1'," \
	"'data_address':'h:2','boot_id':'boot','started_at':" AT_TEXT ",'ready':true,"  \
	"'store':{'id':'s','epoch':12,'doubt':" doubt "},'qemu_binary':'q',"            \
	"'certificate':{'not_before':" AT_TEXT ",'not_after':" AT_TEXT                  \
	",'days_left':1075,'valid':true}," reload "'vms':{'total':3,'running':2},"      \
	"'moves':{'active':1},'memory_mib':{'total':65536,'available':40211},"          \
	"'shutdown':{'mode':'limit','logind':'there','delays':true,'refuses':false,"    \
	"'stage':'evacuating','limit_s':600,'logind_limit_s':5,'until':" AT_TEXT        \
	",'problem':'p'}," rest "}"
#define NOT_HELD "'cordoned':false,'cordons':[],'creations_under_way':0,'held':null"

	assert_sent(host_reply_fields, &host, HOST("null", "", NOT_HELD));
	host.was_reloaded = true;
	host.reload = (struct host_reload){ .at = AT, .ok = true };
	assert_sent(host_reply_fields, &host,
		    HOST("null", "'reload':{'at':" AT_TEXT ",'ok':true},", NOT_HELD));
	host.reload = (struct host_reload){ .at = AT, .error = "e" };
	snprintf(host.store.doubt, sizeof(host.store.doubt), "d");
	assert_sent(host_reply_fields, &host,
		    HOST("'d'", "'reload':{'at':" AT_TEXT ",'ok':false,'error':'e'},", NOT_HELD));
	host.cordon = (struct cordon_reply){
		.cordoned = true,
		.cordons = { { "person", "firmware", "ops", AT } },
		.cordon_count = 1,
		.creations_under_way = 2,
	};
	snprintf(host.held, sizeof(host.held), "h");
	assert_sent(host_reply_fields, &host,
		    HOST("'d'", "'reload':{'at':" AT_TEXT ",'ok':false,'error':'e'},",
			 "'cordoned':true,'cordons':[{'party':'person','reason':'firmware',"
			 "'by':'ops','since':" AT_TEXT "}],'creations_under_way':2,'held':'h'"));
}
END_TEST

START_TEST(holds_are_sent)
{
	struct hold_reply hold = {
		.id = "i",
		.kind = "vm",
		.host = "a",
		.vm = "v",
		.vm_uuid = "u",
		.applies = true,
		.owner = "o",
		.reason = "r",
		.created_by = "c",
		.until = AT,
		.created_at = AT,
		.updated_at = AT,
	};

#define HOLD(kind, vm, uuid)                                                         \
	"'id':'i','kind':'" kind "','host':'a','vm':" vm ",'vm_uuid':" uuid          \
	",'applies':true,'owner':'o','reason':'r','created_by':'c','until':" AT_TEXT \
	",'created_at':" AT_TEXT ",'updated_at':" AT_TEXT

	assert_sent(hold_reply_fields, &hold, "{" HOLD("vm", "'v'", "'u'") "}");
	hold.kind = "host";
	hold.vm = hold.vm_uuid = NULL;
	assert_sent(event_hold_fields,
		    &(struct event_hold){ .hold = hold, .change = "expired", .by = "", .at = AT },
		    "{" HOLD("host", "null", "null") ",'change':'expired','by':'','at':" AT_TEXT
						     "}");
	assert_sent(event_cordon_fields,
		    &(struct event_cordon){ .host = "a",
					    .change = "removed",
					    .party = "person",
					    .by = "ops",
					    .at = AT },
		    "{'host':'a','change':'removed','party':'person','by':'ops','cordoned':false,"
		    "'cordons':[],'creations_under_way':0,'at':" AT_TEXT "}");
}
END_TEST

START_TEST(peers_and_backups_are_sent)
{
	assert_sent(host_peer_fields, &(struct host_peer){ "b", "h:3" },
		    "{'id':'b','address':'h:3'}");
	assert_sent(host_peer_fields, &(struct host_peer){ .id = "b" },
		    "{'id':'b','address':null}");
	assert_sent(host_backup_fields, &(struct host_backup){ "/f" }, "{'file':'/f'}");
}
END_TEST

START_TEST(check_is_sent)
{
	static const char *const asked[] = { "b" };
	static const struct host_finding findings[] = {
		{ "k", "o", "x", "r", true, "possible", NULL },
		{ "k", "o", "x", "r", false, "failed", "e" },
	};
	struct host_check check = { .host = "a", .clean = true, .processes_looked_at = 212 };

	assert_sent(host_check_fields, &check,
		    "{'host':'a','clean':true,'items':[],'left_out':0,'peers_asked':[],"
		    "'processes_looked_at':212}");
	check.clean = false;
	check.items = findings;
	check.item_count = 2;
	check.peers_asked = asked;
	check.peer_count = 1;
	assert_sent(host_check_fields, &check,
		    "{'host':'a','clean':false,'items':[{'kind':'k','object':'o',"
		    "'explanation':'x','remedy':'r','safe':true,'repair':'possible','error':null},"
		    "{'kind':'k','object':'o','explanation':'x','remedy':'r','safe':false,"
		    "'repair':'failed','error':'e'}],'left_out':0,'peers_asked':['b'],"
		    "'processes_looked_at':212}");
}
END_TEST

/* What says where a guest is may be a move, whose time is known, or a record, which has none. */
START_TEST(what_is_known_of_a_peer_is_sent)
{
	const struct known_guest_reply guests[] = {
		{ "v", "u", "there", "move", NULL, "m", AT, 4, "w", "y", "n" },
		{ "x", "z", "here", "record", "running", NULL, 0, 7, "w", "y", NULL },
	};
	const struct known_reply known = { .id = "b",
					   .address = "h:1",
					   .by = "a",
					   .silent_because = "s",
					   .advice = "d",
					   .at = AT,
					   .guests = guests,
					   .guest_count = 2 };

	assert_sent(known_reply_fields, &known,
		    "{'id':'b','address':'h:1','by':'a','at':" AT_TEXT ",'answers':false,"
		    "'silent_because':'s','advice':'d','told_at':null,'told_stopped':0,'guests':["
		    "{'vm':'v','vm_uuid':'u','where':'there','by':'move','at':" AT_TEXT
		    ",'state':null,'move':'m','generation':4,'what':'w','may':'y','must_not':'n'},"
		    "{'vm':'x','vm_uuid':'z','where':'here','by':'record','at':null,"
		    "'state':'running','move':null,'generation':7,'what':'w','may':'y',"
		    "'must_not':null}],'left_out':0}");
}
END_TEST

/* ---- VMs ------------------------------------------------------------------- */

#define STOPPED                                                                                   \
	"{'name':'v','uuid':'u','state':'stopped','reason':'','host':'a','elsewhere':null,"       \
	"'generation':1,'saved_in':null,'pid':null,'qemu_version':null,'memory_mib':512,'vcpus':" \
	"1,"                                                                                      \
	"'job':null,'agent':null,'created_at':" AT_TEXT ",'started_at':null"

static struct vm_summary stopped_vm(void)
{
	return (struct vm_summary){ .name = "v",
				    .uuid = "u",
				    .state = "stopped",
				    .host = "a",
				    .generation = 1,
				    .memory_mib = 512,
				    .vcpus = 1,
				    .created_at = AT };
}

START_TEST(vm_is_sent)
{
	struct vm_summary vm = stopped_vm();

	assert_sent(vm_summary_fields, &vm, STOPPED "}");
	vm.pid = 4242;
	snprintf(vm.qemu_version, sizeof(vm.qemu_version), "7.2.22");
	snprintf(vm.elsewhere, sizeof(vm.elsewhere), "b");
	snprintf(vm.saved_in, sizeof(vm.saved_in), "/f");
	vm.has_job = vm.has_agent = true;
	vm.job = (struct vm_shown_job){ "j", "MIGRATION_OUT" };
	vm.agent = (struct vm_shown_agent){ true, false, 0 };
	vm.started_at = AT;
	assert_sent(vm_summary_fields, &vm,
		    "{'name':'v','uuid':'u','state':'stopped','reason':'','host':'a',"
		    "'elsewhere':'b','generation':1,'saved_in':'/"
		    "f','pid':4242,'qemu_version':'7.2.22',"
		    "'memory_mib':512,'vcpus':1,'job':{'id':'j','kind':'MIGRATION_OUT'},"
		    "'agent':{'connected':true,'frozen':false,'lease_left_ms':0},"
		    "'created_at':" AT_TEXT ",'started_at':" AT_TEXT "}");
}
END_TEST

#define DEFINITION "{'name':'v','machine':'pc-q35-7.2','memory_mib':512}"

START_TEST(vm_with_its_definition_is_sent)
{
	static const char *const warnings[] = { "w" };
	CLEANUP(json_putp) struct json_object *definition = rig_parse(DEFINITION);
	struct vm_reply reply = { .summary = stopped_vm(), .definition = definition };

	assert_sent(vm_reply_fields, &reply,
		    STOPPED ",'monitor':{'holder':null,'waiting':0},'definition':" DEFINITION
			    ",'autostart':null,'held':null}");
	reply.has_warnings = true;
	assert_sent(vm_reply_fields, &reply,
		    STOPPED ",'monitor':{'holder':null,'waiting':0},'definition':" DEFINITION
			    ",'autostart':null,'held':null,'warnings':[]}");
	reply.held = "h";
	reply.warnings = warnings;
	reply.warning_count = 1;
	reply.monitor = (struct vm_shown_monitor){ 2, true, { "i", "query", NULL, 3 } };
	assert_sent(vm_reply_fields, &reply,
		    STOPPED ",'monitor':{'holder':{'id':'i','kind':'query','command':null,"
			    "'held_ms':3},'waiting':2},'definition':" DEFINITION
			    ",'autostart':null,'held':'h','warnings':['w']}");
}
END_TEST

START_TEST(what_would_be_adopted_is_sent)
{
	static const struct fault notes[] = { { "-smp", "one" } };
	CLEANUP(json_putp) struct json_object *definition = rig_parse(DEFINITION);
	const struct adopt_reply reply = { .definition = definition,
					   .notes = notes,
					   .note_count = 1,
					   .pid = 42,
					   .qemu_version = "7.2.22",
					   .state = "running",
					   .confirm = "c" };

	assert_sent(adopt_reply_fields, &reply,
		    "{'definition':" DEFINITION ",'notes':[{'option':'-smp','note':'one'}],"
		    "'pid':42,'qemu_version':'7.2.22','state':'running','confirm':'c'}");
}
END_TEST

START_TEST(answer_of_a_qemu_is_sent)
{
	CLEANUP(json_putp) struct json_object *any = rig_parse("{'x':1}");

	assert_sent(vm_monitor_fields, &(struct vm_monitor_reply){ any }, "{'return':{'x':1}}");
}
END_TEST

START_TEST(user_of_a_console_is_sent)
{
	assert_sent(vm_console_fields, &(struct vm_console_reply){ "joe" }, "{'user':'joe'}");
	assert_sent(vm_console_fields, &(struct vm_console_reply){ NULL }, "{'user':null}");
}
END_TEST

START_TEST(users_of_a_display_are_sent)
{
	static const char *const users[] = { "joe", "ann" };

	assert_sent(vm_vnc_fields, &(struct vm_vnc_reply){ users, 2 }, "{'users':['joe','ann']}");
	assert_sent(vm_vnc_fields, &(struct vm_vnc_reply){ users, 0 }, "{'users':[]}");
}
END_TEST

/* ---- moves ------------------------------------------------------------------- */

START_TEST(jobs_are_sent)
{
	struct job_reply move = { .id = "i",
				  .kind = "MIGRATION_IN",
				  .vm = "v",
				  .is_move = true,
				  .peer = "b",
				  .state = "begin",
				  .created_at = AT,
				  .updated_at = AT };
	struct job_reply holder = { .id = "i",
				    .kind = "query",
				    .vm = "v",
				    .state = "holds-monitor",
				    .is_holder = true,
				    .created_at = AT };

	assert_sent(job_reply_fields, &move,
		    "{'id':'i','kind':'MIGRATION_IN','vm':'v','peer':'b','state':'begin',"
		    "'final':false,'created_at':" AT_TEXT ",'updated_at':" AT_TEXT
		    ",'ended_at':null}");
	assert_sent(job_reply_fields, &holder,
		    "{'id':'i','kind':'query','vm':'v','state':'holds-monitor','final':false,"
		    "'command':null,'waiting':0,'created_at':" AT_TEXT "}");
	holder.command = "stop";
	assert_sent(job_reply_fields, &holder,
		    "{'id':'i','kind':'query','vm':'v','state':'holds-monitor','final':false,"
		    "'command':'stop','waiting':0,'created_at':" AT_TEXT "}");
}
END_TEST

START_TEST(outcome_of_a_cancel_is_sent)
{
	const struct move_cancel_problem late = {
		.problem = { .type = "about:blank", .title = "Conflict", .status = 409, .detail = "d",
			     .code = "too-late" },
		.cancel = { false, false, NULL, "confirm", "d" },
	};

	assert_sent(move_cancel_fields,
		    &(struct move_cancel_reply){ true, false, "a", "cancelled", "d" },
		    "{'cancelled':true,'under_way':false,'owner':'a','state':'cancelled',"
		    "'detail':'d'}");
	assert_sent(move_cancel_problem_fields, &late,
		    "{'type':'about:blank','title':'Conflict','status':409,'detail':'d',"
		    "'code':'too-late','retry':false,'cancelled':false,'under_way':false,'owner':"
		    "null,"
		    "'state':'confirm'}");
}
END_TEST

START_TEST(timeline_is_sent)
{
	assert_sent(move_timeline_fields, &(struct move_timeline_item){ AT, "state", "d" },
		    "{'at':" AT_TEXT ",'event':'state','detail':'d'}");
}
END_TEST

/* ---- problems ------------------------------------------------------------------ */

#define PROBLEM                                                                                   \
	"{'type':'about:blank','title':'Bad Request','status':400,'detail':'d','code':'invalid'," \
	"'retry':false"

static const struct problem problem = {
	.type = "about:blank",
	.title = "Bad Request",
	.status = 400,
	.detail = "d",
	.code = "invalid",
};

START_TEST(problems_are_sent)
{
	static const struct fault faults[] = { { "/a", "b" } };
	struct problem with_errors = problem;

	with_errors.errors = faults;
	with_errors.error_count = 1;
	assert_sent(problem_fields, &problem, PROBLEM "}");
	assert_sent(problem_fields, &with_errors,
		    PROBLEM ",'errors':[{'pointer':'/a','detail':'b'}]}");
}
END_TEST

START_TEST(problems_with_members_of_their_own_are_sent)
{
	static const struct problem_check checks[] = { { "c", "d" } };
	CLEANUP(json_putp) struct json_object *any = rig_parse("{'x':1}");

	assert_sent(problem_of_readiness_fields,
		    &(struct problem_of_readiness){ problem, checks, 1 },
		    PROBLEM ",'checks':[{'check':'c','detail':'d'}]}");
	assert_sent(problem_of_offer_fields, &(struct problem_of_offer){ problem, checks, 1 },
		    PROBLEM ",'reasons':[{'check':'c','detail':'d'}]}");
	assert_sent(problem_of_offer_fields, &(struct problem_of_offer){ problem, NULL, 0 },
		    PROBLEM ",'reasons':[]}");
	assert_sent(problem_of_qemu_fields, &(struct problem_of_qemu){ problem, any },
		    PROBLEM ",'qemu':{'x':1}}");
	assert_sent(problem_of_qemu_fields, &(struct problem_of_qemu){ problem, NULL },
		    PROBLEM "}");
}
END_TEST

/* ---- events ---------------------------------------------------------------------- */

START_TEST(events_of_a_vm_are_sent)
{
	assert_sent(event_vm_fields, &(struct event_vm){ stopped_vm(), AT },
		    STOPPED ",'at':" AT_TEXT "}");
	assert_sent(event_vm_gone_fields, &(struct event_vm_gone){ "v", "gone", "a", AT },
		    "{'name':'v','state':'gone','host':'a','at':" AT_TEXT "}");
}
END_TEST

START_TEST(event_of_a_qemu_is_sent)
{
	struct event_qemu event = { .at = AT,
				    .vm = "v",
				    .vm_uuid = "u",
				    .host = "a",
				    .name = "STOP",
				    .data_left_out = true,
				    .left_out = 2 };

	assert_sent(event_qemu_fields, &event,
		    "{'at':" AT_TEXT ",'vm':'v','vm_uuid':'u','host':'a','name':'STOP',"
		    "'data':null,'data_left_out':true,'left_out':2}");
}
END_TEST

START_TEST(event_of_a_monitor_is_sent)
{
	const struct event_monitor event = { "v",    "a",      "local", "admin", "human",
					     "stop", "change", "done",  AT };

	assert_sent(event_monitor_fields, &event,
		    "{'vm':'v','host':'a','caller':'local','role':'admin','protocol':'human',"
		    "'command':'stop','class':'change','result':'done','at':" AT_TEXT "}");
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("replies");
	TCase *t = tcase_create("bytes");

	tcase_add_test(t, host_is_sent);
	tcase_add_test(t, holds_are_sent);
	tcase_add_test(t, peers_and_backups_are_sent);
	tcase_add_test(t, check_is_sent);
	tcase_add_test(t, what_is_known_of_a_peer_is_sent);
	tcase_add_test(t, vm_is_sent);
	tcase_add_test(t, vm_with_its_definition_is_sent);
	tcase_add_test(t, what_would_be_adopted_is_sent);
	tcase_add_test(t, answer_of_a_qemu_is_sent);
	tcase_add_test(t, user_of_a_console_is_sent);
	tcase_add_test(t, users_of_a_display_are_sent);
	tcase_add_test(t, jobs_are_sent);
	tcase_add_test(t, outcome_of_a_cancel_is_sent);
	tcase_add_test(t, timeline_is_sent);
	tcase_add_test(t, problems_are_sent);
	tcase_add_test(t, problems_with_members_of_their_own_are_sent);
	tcase_add_test(t, events_of_a_vm_are_sent);
	tcase_add_test(t, event_of_a_qemu_is_sent);
	tcase_add_test(t, event_of_a_monitor_is_sent);
	suite_add_tcase(s, t);
	return s;
}
