/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the kernel and QEMU tell of what a guest uses, from files and answers that a test has
 * written; and rates of two looks. */
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "check_main.h"
#include "json_rig.h"
#include "scratch.h"
#include "vm/stats_take.h"

static struct stats_roots roots;
static struct stats_process *process;
static struct vm_stats *stats, *before;
static struct vm_def *def;
static bool is_tap[VM_STATS_NIC_MAX];

static void define(const char *text)
{
	CLEANUP(json_putp) struct json_object *obj = rig_parse(text);
	struct faults *faults = faults_new();

	ck_assert_msg(vm_def_decode(obj, def, faults), "%s", faults->list[0].detail);
	faults_free(faults);
}

static void set_up(void)
{
	scratch_setup();
	roots = (struct stats_roots){ scratch_dir, scratch_dir };
	process = xnew(struct stats_process);
	process->id = (struct proc_id){ 7, 100 };
	stats = xnew(struct vm_stats);
	before = xnew(struct vm_stats);
	def = xnew(struct vm_def);
	define("{'name':'v','machine':'pc-q35-7.2','memory_mib':64,'disks':["
	       "{'id':'d','path':'/d.raw','format':'raw'}]}");
}

static void tear_down(void)
{
	free(def);
	free(before);
	free(stats);
	free(process);
	scratch_teardown();
}

static void put(const char *path, const char *text)
{
	CLEANUP(free_charp) char *whole = xstrdup(scratch_path(path));
	CLEANUP(free_charp) char *dir = xstrdup(whole);
	struct err err;

	*strrchr(dir, '/') = '\0';
	ck_assert_msg(dir_make(dir, 0700, &err), "%s", err.msg);
	ck_assert_msg(file_write(whole, text, strlen(text), 0600, &err), "%s", err.msg);
}

/* The name has what could be taken for the end of it. */
static void put_stat(const char *times, uint64_t start_time)
{
	CLEANUP(free_charp)
	char *text =
		xasprintf("7 (qemu) x (y) S 1 7 7 0 -1 4194560 5 6 7 8 %s 0 0 20 0 3 0 %llu 1 2\n",
			  times, (unsigned long long)start_time);

	put("7/stat", text);
}

static void read_it(void)
{
	struct err err;

	ck_assert_msg(stats_read_process(&roots, process, stats, &err), "%s", err.msg);
}

/* ---- the kernel's files ------------------------------------------------------------------ */

START_TEST(process_is_read)
{
	uint64_t hz = (uint64_t)sysconf(_SC_CLK_TCK);
	uint64_t lived_ms = clock_boot_ms() - 100 * 1000 / hz;

	put_stat("250 50", 100);
	put("7/status", "Name:\tqemu\nVmHWM:\t  999 kB\nVmRSS:\t  300 kB\nVmSwap:\t  20 kB\n"
			"HugetlbPages:\t  2048 kB\n");
	put("7/task/8/schedstat", "5000000000 20000000 7\n");
	put("7/task/9/schedstat", "1000000000 10000000 7\n");
	process->vcpus[0] = 8;
	process->vcpus[1] = 9;
	process->vcpu_count = 2;
	read_it();
	ck_assert(stats->has_process && stats->cpu.has_vcpus && !stats->pressure.is_there);
	ck_assert_uint_eq(stats->cpu.user_ms, 250 * 1000 / hz);
	ck_assert_uint_eq(stats->cpu.system_ms, 50 * 1000 / hz);
	ck_assert_uint_eq(stats->cpu.time_ms, 300 * 1000 / hz);
	ck_assert_uint_eq(stats->cpu.vcpu_time_ms, 6000);
	ck_assert_uint_eq(stats->cpu.vcpu_wait_ms, 30);
	ck_assert_uint_eq(stats->memory.resident_bytes, 300 << 10);
	ck_assert_uint_eq(stats->memory.swap_bytes, 20 << 10);
	ck_assert_uint_eq(stats->memory.huge_bytes, 2 << 20);
	/* The start is told in ticks, and both clocks go on meanwhile. */
	ck_assert_int_ge(stats->at - stats->since, (int64_t)lived_ms - 20);
	ck_assert_int_le(stats->at - stats->since, (int64_t)lived_ms + 10000);
}
END_TEST

START_TEST(another_process_of_that_pid_is_not_it)
{
	struct err err;

	put_stat("250 50", 101);
	ck_assert(!stats_read_process(&roots, process, stats, &err));
	ck_assert_int_eq(err.code, ERR_NOT_FOUND);
	put("7/stat", "7 (qemu");
	ck_assert(!stats_read_process(&roots, process, stats, &err));
	ck_assert_int_eq(err.code, ERR_NOT_FOUND);
}
END_TEST

/* A sum without one of the threads would go back, or look like a guest that does less. */
START_TEST(missing_thread_leaves_no_sum)
{
	put_stat("250 50", 100);
	put("7/task/8/schedstat", "5000000000 20000000 7\n");
	process->vcpus[0] = 8;
	process->vcpus[1] = 9;
	process->vcpu_count = 2;
	read_it();
	ck_assert(stats->has_process && !stats->cpu.has_vcpus);
	put("7/task/9/schedstat", "no number\n");
	read_it();
	ck_assert(!stats->cpu.has_vcpus);
}
END_TEST

START_TEST(pressure_is_of_a_cgroup_of_its_own)
{
	put_stat("250 50", 100);
	put("self/cgroup", "1:name=x:/\n0::/system/migrd\n");
	put("7/cgroup", "1:name=x:/\n0::/machine/v\n");
	put("machine/v/cpu.pressure", "some avg10=12.50 avg60=0.00 avg300=0.00 total=5\n");
	put("machine/v/memory.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=5\n");
	read_it();
	ck_assert(!stats->pressure.is_there); /* no word of io */
	put("machine/v/io.pressure", "some avg10=1.00 avg60=0.00 avg300=0.00 total=5\nfull ...\n");
	read_it();
	ck_assert(stats->pressure.is_there);
	ck_assert_double_eq_tol(stats->pressure.cpu, 0.125, 1e-9);
	ck_assert_double_eq_tol(stats->pressure.memory, 0, 1e-9);
	ck_assert_double_eq_tol(stats->pressure.io, 0.01, 1e-9);
	put("self/cgroup", "0::/machine/v\n");
	read_it();
	ck_assert(!stats->pressure.is_there);
}
END_TEST

START_TEST(interface_that_is_not_there_is_said)
{
	define("{'name':'v','machine':'pc-q35-7.2','memory_mib':64,'nics':["
	       "{'id':'u','type':'user'},{'id':'t','type':'tap','ifname':'migrdnone'}]}");
	stats_take_nics(def, stats, is_tap);
	stats_read_nics(stats, is_tap);
	ck_assert_uint_eq(stats->nic_count, 2);
	ck_assert(!stats->nics[0].is_counted && strstr(stats->nics[0].note, "type user"));
	ck_assert(!stats->nics[1].is_counted && strstr(stats->nics[1].note, "'migrdnone'"));
}
END_TEST

/* The loopback has as much received as sent, but it is there on each machine. */
START_TEST(interface_is_read)
{
	define("{'name':'v','machine':'pc-q35-7.2','memory_mib':64,'nics':["
	       "{'id':'t','type':'tap','ifname':'lo'}]}");
	stats_take_nics(def, stats, is_tap);
	stats_read_nics(stats, is_tap);
	ck_assert(is_tap[0] && stats->nics[0].is_counted);
	ck_assert_str_eq(stats->nics[0].note, "");
	ck_assert_uint_eq(stats->nics[0].rx.bytes, stats->nics[0].tx.bytes);
}
END_TEST

/* ---- QEMU's answers ----------------------------------------------------------------------- */

static void take_disks(const char *text)
{
	CLEANUP(json_putp) struct json_object *result = rig_parse(text);

	stats_take_disks(result, def, stats);
}

START_TEST(drives_have_the_names_of_the_definition)
{
	take_disks("[{'device':'','qdev':'/machine/peripheral/d/virtio-backend','stats':{"
		   "'rd_bytes':1,'rd_operations':2,'rd_total_time_ns':3,'failed_rd_operations':4,"
		   "'wr_bytes':5,'wr_operations':6,'wr_total_time_ns':7,'failed_wr_operations':8,"
		   "'flush_operations':9,'flush_total_time_ns':10}},"
		   "{'device':'raw0','qdev':'/machine/peripheral-anon/device[3]'},"
		   "{'device':'','qdev':'/machine/system.flash1','stats':{'wr_bytes':-1}},"
		   "{'device':'','node-name':'n'},{'device':''},7]");
	ck_assert_uint_eq(stats->disk_count, 6);
	ck_assert_str_eq(stats->disks[0].id, "d");
	ck_assert_str_eq(stats->disks[1].id, "raw0");
	ck_assert_str_eq(stats->disks[2].id, "system.flash1");
	ck_assert_str_eq(stats->disks[3].id, "n");
	ck_assert_str_eq(stats->disks[4].id, "");
	ck_assert_uint_eq(stats->disks[0].read.bytes, 1);
	ck_assert_uint_eq(stats->disks[0].read.ops, 2);
	ck_assert_uint_eq(stats->disks[0].read.time_ns, 3);
	ck_assert_uint_eq(stats->disks[0].read.failed, 4);
	ck_assert_uint_eq(stats->disks[0].write.bytes, 5);
	ck_assert_uint_eq(stats->disks[0].write.ops, 6);
	ck_assert_uint_eq(stats->disks[0].write.time_ns, 7);
	ck_assert_uint_eq(stats->disks[0].write.failed, 8);
	ck_assert_uint_eq(stats->disks[0].flushes, 9);
	ck_assert_uint_eq(stats->disks[0].flush_time_ns, 10);
	ck_assert_uint_eq(stats->disks[2].write.bytes, 0);
}
END_TEST

START_TEST(no_more_drives_than_there_is_room_for)
{
	CLEANUP(json_putp) struct json_object *result = json_object_new_array();

	for (unsigned i = 0; i < VM_STATS_DISK_MAX + 5; i++)
		json_object_array_add(result, json_object_new_object());
	stats_take_disks(result, def, stats);
	ck_assert_uint_eq(stats->disk_count, VM_STATS_DISK_MAX);
	stats_take_disks(NULL, def, stats);
	ck_assert_uint_eq(stats->disk_count, 0);
}
END_TEST

START_TEST(each_thread_counts_once)
{
	CLEANUP(json_putp)
	struct json_object *result = rig_parse("[{'cpu-index':0,'thread-id':11},{'thread-id':12},"
					       "{'thread-id':11},{'thread-id':-1},{},7]");

	stats_take_cpus(result, process);
	ck_assert_uint_eq(process->vcpu_count, 2);
	ck_assert_int_eq(process->vcpus[0], 11);
	ck_assert_int_eq(process->vcpus[1], 12);
}
END_TEST

START_TEST(balloon_is_told_where_there_is_one)
{
	CLEANUP(json_putp) struct json_object *result = rig_parse("{'actual':67108864}");

	stats_take_balloon(NULL, &stats->memory);
	ck_assert(!stats->memory.has_balloon);
	stats_take_balloon(result, &stats->memory);
	ck_assert(stats->memory.has_balloon);
	ck_assert_uint_eq(stats->memory.balloon_bytes, 64 << 20);
}
END_TEST

START_TEST(nics_of_raw_options_are_told_too)
{
	define("{'name':'v','machine':'pc-q35-7.2','memory_mib':64,'nics':["
	       "{'id':'m','type':'macvtap','ifname':'mv0'}],"
	       "'extra_args':['-netdev','tap,id=raw,ifname=tap9,script=no,downscript=no']}");
	stats_take_nics(def, stats, is_tap);
	ck_assert_uint_eq(stats->nic_count, 2);
	ck_assert_str_eq(stats->nics[0].interface, "mv0");
	ck_assert(!is_tap[0]);
	ck_assert_str_eq(stats->nics[1].id, "raw");
	ck_assert_str_eq(stats->nics[1].interface, "tap9");
	ck_assert(is_tap[1]);
}
END_TEST

/* ---- rates ----------------------------------------------------------------------------------- */

static void fill(struct vm_stats *ret, uint64_t at_us, uint64_t disks_at_us)
{
	*ret = (struct vm_stats){ .at_us = at_us, .disks_at_us = disks_at_us };
	ret->disk_count = ret->nic_count = 1;
	snprintf(ret->disks[0].id, sizeof(ret->disks[0].id), "d");
	snprintf(ret->nics[0].id, sizeof(ret->nics[0].id), "n");
	ret->nics[0].is_counted = true;
}

START_TEST(rates_are_over_the_time_between_two_looks)
{
	fill(before, 1000000, 1500000);
	fill(stats, 3000000, 2000000);
	before->cpu = (struct vm_stats_cpu){ .time_ms = 100, .has_vcpus = true, .vcpu_wait_ms = 5 };
	stats->cpu =
		(struct vm_stats_cpu){ .time_ms = 3100, .has_vcpus = true, .vcpu_wait_ms = 205 };
	before->disks[0].read = (struct vm_stats_io){ .bytes = 10, .ops = 2, .time_ns = 0 };
	stats->disks[0].read = (struct vm_stats_io){ .bytes = 1010, .ops = 4, .time_ns = 6000000 };
	before->nics[0].rx = (struct vm_stats_frames){ .bytes = 50, .packets = 1 };
	stats->nics[0].rx = (struct vm_stats_frames){ .bytes = 250, .packets = 5 };
	stats_take_rates(before, stats);
	ck_assert(stats->has_window && stats->has_disks_window);
	ck_assert_uint_eq(stats->window_ms, 2000);
	ck_assert_uint_eq(stats->disks_window_ms, 500);
	ck_assert(stats->cpu.has_rate && stats->cpu.has_vcpu_rate);
	ck_assert_double_eq_tol(stats->cpu.percent, 150, 1e-9);
	ck_assert_double_eq_tol(stats->cpu.vcpu_wait_percent, 10, 1e-9);
	ck_assert(stats->disks[0].read.has_rate && stats->disks[0].write.has_rate);
	ck_assert_double_eq_tol(stats->disks[0].read.bytes_per_s, 2000, 1e-9);
	ck_assert_double_eq_tol(stats->disks[0].read.ops_per_s, 4, 1e-9);
	ck_assert_double_eq_tol(stats->disks[0].read.latency_ms, 3, 1e-9);
	ck_assert_double_eq_tol(stats->disks[0].write.latency_ms, 0, 1e-9);
	ck_assert_double_eq_tol(stats->nics[0].rx.bytes_per_s, 100, 1e-9);
	ck_assert_double_eq_tol(stats->nics[0].rx.packets_per_s, 2, 1e-9);
}
END_TEST

/* A tap that was made again, another medium in a drive. */
START_TEST(what_began_anew_has_no_rate)
{
	fill(before, 1000000, 1000000);
	fill(stats, 3000000, 3000000);
	before->cpu = (struct vm_stats_cpu){ .time_ms = 100, .has_vcpus = true, .vcpu_wait_ms = 5 };
	stats->cpu = (struct vm_stats_cpu){ .time_ms = 99, .has_vcpus = true, .vcpu_wait_ms = 4 };
	before->disks[0].write = (struct vm_stats_io){ .bytes = 10, .ops = 2 };
	before->nics[0].tx = (struct vm_stats_frames){ .bytes = 50, .packets = 1 };
	stats_take_rates(before, stats);
	ck_assert(stats->has_window && !stats->cpu.has_rate && !stats->cpu.has_vcpu_rate);
	ck_assert(stats->disks[0].read.has_rate && !stats->disks[0].write.has_rate);
	ck_assert(stats->nics[0].rx.has_rate && !stats->nics[0].tx.has_rate);
}
END_TEST

START_TEST(what_was_not_there_before_has_no_rate)
{
	fill(before, 1000000, 0);
	fill(stats, 3000000, 3000000);
	before->disk_count = before->nic_count = 0;
	stats_take_rates(before, stats);
	ck_assert(stats->has_window && !stats->has_disks_window);
	ck_assert(!stats->disks[0].read.has_rate && !stats->nics[0].rx.has_rate);
	fill(before, 3000000, 3000000);
	stats_take_rates(before, stats);
	ck_assert(!stats->has_window && !stats->has_disks_window);
}
END_TEST

Suite *suite(void)
{
	Suite *suite = suite_create("vm-stats");
	TCase *tcase = tcase_create("vm-stats");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, process_is_read);
	tcase_add_test(tcase, another_process_of_that_pid_is_not_it);
	tcase_add_test(tcase, missing_thread_leaves_no_sum);
	tcase_add_test(tcase, pressure_is_of_a_cgroup_of_its_own);
	tcase_add_test(tcase, interface_that_is_not_there_is_said);
	tcase_add_test(tcase, interface_is_read);
	tcase_add_test(tcase, drives_have_the_names_of_the_definition);
	tcase_add_test(tcase, no_more_drives_than_there_is_room_for);
	tcase_add_test(tcase, each_thread_counts_once);
	tcase_add_test(tcase, balloon_is_told_where_there_is_one);
	tcase_add_test(tcase, nics_of_raw_options_are_told_too);
	tcase_add_test(tcase, rates_are_over_the_time_between_two_looks);
	tcase_add_test(tcase, what_began_anew_has_no_rate);
	tcase_add_test(tcase, what_was_not_there_before_has_no_rate);
	suite_add_tcase(suite, tcase);
	return suite;
}
