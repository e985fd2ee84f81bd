/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Many threads ask for the monitors of a few VMs that start and stop meanwhile, on
 * the real loop, as the API's threads do.  The test is meant for the sanitizers. */
#include <ftw.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "check_main.h"
#include "fake_qemu.h"
#include "trace.h"
#include "vm/entry.h"

#define VMS      4
#define THREADS  4
#define REQUESTS 1000 /* per thread */
#define AT_ONCE  50   /* limit of unanswered requests per thread */

static struct loop *loop;
static struct vms *vms;
static struct store *store;
static char dir[64];
static sem_t turns[THREADS];
static unsigned inside[VMS]; /* number of callers inside: 0 or 1 */
static unsigned asked, answered, entered_count;
static unsigned results[ERR_CODE_COUNT];

struct request {
	struct request *next;
	unsigned thread, vm, number;
	struct vm_entry *entry;
	struct loop_timer *timer;
};

static void set_up(void)
{
	struct err err;

	log_set_level(LOG_LEVEL_ERROR);
	snprintf(dir, sizeof(dir), "/tmp/migrd-test-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	loop = loop_new();
	fake_qemu_init(loop);
	store = store_open_blocking(loop, dir, &err);
	ck_assert_msg(store != NULL, "%s", err.msg);
	vms = vms_new(&(struct vms_env){
		.qemu = { .loop = loop, .binary = "qemu", .run_dir = dir, .log_dir = dir },
		.store = store,
		.monitor_wait_ms = 20000,
	});
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void tear_down(void)
{
	vms_clear(vms);
	store_close(store);
	vms_free(vms);
	fake_qemu_fini();
	loop_free(loop);
	nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static const char *name_of(unsigned vm)
{
	static const char *const names[VMS] = { "vm0", "vm1", "vm2", "vm3" };

	return names[vm];
}

/* ---- one request, on the loop --------------------------------------------- */

static void note_answer(struct request *request, enum err_code code)
{
	sem_post(&turns[request->thread]);
	free(request);
	trace_clear(); /* nobody reads the trace, and its room is limited */
	results[code]++;
	if (++answered == asked && asked == THREADS * REQUESTS)
		loop_stop(loop);
}

static void done(struct request *request)
{
	inside[request->vm]--;
	loop_timer_free(request->timer);
	vm_leave(request->entry);
	note_answer(request, ERR_NONE);
}

static void on_timer(void *data)
{
	done(data);
}

static void on_reply(void *data, struct json_object *result, const struct err *err)
{
	(void)result;
	(void)err; /* the VM may have been stopped meanwhile */
	done(data);
}

static void on_entered(void *data, struct vm_entry *entry, const struct err *err)
{
	struct request *request = data;

	if (err) {
		note_answer(request, err->code);
		return;
	}
	ck_assert_uint_eq(inside[request->vm], 0);
	inside[request->vm]++;
	entered_count++;
	request->entry = entry;
	switch (request->number % 3) {
	case 0:
		vm_entry_command(entry, "query-status", NULL, 1000, on_reply, request);
		break;
	case 1:
		request->timer = loop_timer_new(loop, on_timer, request);
		loop_timer_start(request->timer, request->number % 2);
		break;
	default:
		done(request);
	}
}

static void on_acted(void *data, const struct err *err)
{
	note_answer(data, err ? err->code : ERR_NONE);
}

/* Asks mostly questions, and some changes; now and then stops the VM, or starts it again. */
static void ask(void *data)
{
	static const enum vm_sync kinds[] = { VM_SYNC_QUERY, VM_SYNC_QUERY, VM_SYNC_MODIFY,
					      VM_SYNC_DEVICE };
	struct request *request = data;
	struct vm *vm = vm_find(vms, name_of(request->vm));
	bool is_running = vm_is_active(vm);

	asked++;
	if (request->number % 100 == 0)
		vm_act(vm, VM_ACTION_STOP, on_acted, request);
	else if (!is_running && request->number % 5 == 0)
		vm_act(vm, VM_ACTION_START, on_acted, request);
	else
		vm_enter(vm, kinds[request->number % ARRAY_LEN(kinds)],
			 request->number % 8 ? VM_ENTRY_USUAL : request->number % 10, on_entered,
			 request);
}

/* ---- the threads ------------------------------------------------------------- */

static void *run_asker(void *data)
{
	unsigned thread = (unsigned)(uintptr_t)data, seed = thread + 1;

	for (unsigned i = 0; i < REQUESTS; i++) {
		struct request *request = xnew(struct request);

		sem_wait(&turns[thread]);
		request->thread = thread;
		request->number = i + thread * 7;
		request->vm = (unsigned)rand_r(&seed) % VMS;
		loop_post(loop, ask, request);
	}
	return NULL;
}

static unsigned to_start;

static void on_started(void *data, const struct err *err)
{
	(void)data;
	ck_assert(!err);
	if (--to_start == 0)
		loop_stop(loop);
}

static void on_created(void *data, const struct err *err)
{
	ck_assert(!err);
	vm_act(vm_find(vms, data), VM_ACTION_START, on_started, NULL);
}

static void create_all(void)
{
	struct vm_def *def = xnew(struct vm_def);
	struct err err;

	for (to_start = 0; to_start < VMS; to_start++) {
		memset(def, 0, sizeof(*def));
		snprintf(def->name, sizeof(def->name), "%s", name_of(to_start));
		snprintf(def->machine, sizeof(def->machine), "pc-q35-7.2");
		def->memory_mib = 64;
		def->vcpus = 1;
		ck_assert_msg(vm_def_normalize(def, &err), "%s", err.msg);
		vm_create(vms, def, on_created, (void *)(uintptr_t)name_of(to_start));
	}
	free(def);
	loop_run(loop);
}

/* Each caller is answered once, no two are inside together, and at the end none is. */
START_TEST(many_threads_ask_everyone_is_answered_once)
{
	pthread_t threads[THREADS];
	struct vm_holder holder;

	create_all();
	for (uintptr_t i = 0; i < THREADS; i++) {
		ck_assert_int_eq(sem_init(&turns[i], 0, AT_ONCE), 0);
		ck_assert_int_eq(pthread_create(&threads[i], NULL, run_asker, (void *)i), 0);
	}
	loop_run(loop);
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(answered, THREADS * REQUESTS);
	ck_assert_uint_gt(entered_count, THREADS * REQUESTS / 10);
	for (unsigned i = 0; i < VMS; i++) {
		ck_assert_uint_eq(inside[i], 0);
		ck_assert_uint_eq(vm_waiting(vm_find(vms, name_of(i))), 0);
		ck_assert(!vm_holder(vm_find(vms, name_of(i)), &holder));
	}
	ck_assert_uint_eq(results[ERR_NOT_FOUND] + results[ERR_INTERNAL], 0);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("entry_stress");
	TCase *tc = tcase_create("threads");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 240);
	tcase_add_test(tc, many_threads_ask_everyone_is_answered_once);
	suite_add_tcase(s, tc);
	return s;
}
