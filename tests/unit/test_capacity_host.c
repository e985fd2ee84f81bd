/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the kernel tells of a host, from files that a test has written. */
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"
#include "capacity/host.h"
#include "check_main.h"
#include "scratch.h"

static struct host_roots roots;

static void set_up(void)
{
	scratch_setup();
	roots = (struct host_roots){ scratch_dir, scratch_dir };
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

START_TEST(memory_is_told_with_all_sizes_of_huge_pages)
{
	struct host_memory_found found;

	put("meminfo", "MemTotal:       16384000 kB\nMemFree:         1024 kB\n"
		       "MemAvailable:    8192000 kB\n");
	put("kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "512\n");
	put("kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "100\n");
	put("kernel/mm/hugepages/hugepages-2048kB/resv_hugepages", "30\n");
	put("kernel/mm/hugepages/hugepages-2048kB/nr_overcommit_hugepages", "10\n");
	put("kernel/mm/hugepages/hugepages-2048kB/surplus_hugepages", "4\n");
	put("kernel/mm/hugepages/hugepages-64kB/nr_hugepages", "0\n");
	put("kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages", "2\n");
	put("kernel/mm/hugepages/hugepages-1048576kB/free_hugepages", "1\n");
	put("devices/system/node/node1/hugepages/hugepages-2048kB/free_hugepages", "60\n");
	put("devices/system/node/node0/hugepages/hugepages-2048kB/free_hugepages", "40\n");
	put("devices/system/node/node0/hugepages/hugepages-1048576kB/free_hugepages", "1\n");
	put("devices/system/node/has_cpu", "0-1\n");
	found = host_memory_look(&roots);
	ck_assert_uint_eq(found.total_mib, 16000);
	ck_assert_uint_eq(found.available_mib, 8000);
	ck_assert_uint_eq(found.huge_total_mib, 1024 + 2048);
	ck_assert_uint_eq(found.huge_free_mib, 200 + 1024);
	ck_assert_uint_eq(found.huge_count, 2);
	ck_assert_uint_eq(found.huge[0].page_mib, 2);
	ck_assert_uint_eq(found.huge[0].total, 1024 + 12);
	ck_assert_uint_eq(found.huge[0].free, 200 - 60 + 12);
	ck_assert_uint_eq(found.huge[1].page_mib, 1024);
	ck_assert_uint_eq(found.huge[1].total, 2048);
	ck_assert_uint_eq(found.huge[1].free, 1024);
	ck_assert_uint_eq(found.huge_node_count, 3);
	ck_assert_uint_eq(found.huge_nodes[0].node, 0);
	ck_assert_uint_eq(found.huge_nodes[0].free, 80);
	ck_assert_uint_eq(found.huge_nodes[1].page_mib, 1024);
	ck_assert_uint_eq(found.huge_nodes[2].node, 1);
	ck_assert_uint_eq(found.huge_nodes[2].free, 120);
}
END_TEST

/* A peer refuses all that is told by a host with more memory than there can be. */
START_TEST(huge_pages_without_a_limit_are_no_more_than_memory)
{
	struct host_memory_found found;

	put("meminfo", "MemTotal:       16384000 kB\n");
	put("kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "512\n");
	put("kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "100\n");
	put("kernel/mm/hugepages/hugepages-2048kB/nr_overcommit_hugepages",
	    "18446744073709551615\n");
	found = host_memory_look(&roots);
	ck_assert_uint_eq(found.huge[0].total, 1024 + 16000);
	ck_assert_uint_eq(found.huge[0].free, 200 + 16000);
	ck_assert_uint_eq(found.huge_total_mib, 1024);
}
END_TEST

/* Free huge pages are for guests, though the kernel does not count them as available. */
START_TEST(what_others_use_is_memory_that_is_for_no_guest)
{
	struct host_memory_found found = { .total_mib = 6400,
					   .available_mib = 1000,
					   .huge_total_mib = 4000,
					   .huge_free_mib = 4000 };
	uint64_t step = 6400 / 64 + 1;

	/* 5400 are used: 4000 by huge pages, 500 by guests beside them. */
	ck_assert_uint_ge(host_others_mib(&found, 500), 900);
	ck_assert_uint_lt(host_others_mib(&found, 500), 900 + step);
	ck_assert_uint_eq(host_others_mib(&found, 500) % step, 0);
	found.huge_free_mib = 0;
	ck_assert_uint_lt(host_others_mib(&found, 500), 900 + step);
	ck_assert_uint_eq(host_others_mib(&found, 2000), 0);
	found.available_mib = 7000;
	ck_assert_uint_eq(host_others_mib(&found, 0), 0);
}
END_TEST

START_TEST(missing_or_strange_files_tell_nothing)
{
	struct capacity_pressure pressure;

	ck_assert_uint_eq(host_memory_look(&roots).total_mib, 0);
	ck_assert_uint_eq(host_cpu_look(&roots).cores, 0);
	ck_assert(!host_pressure_look(&roots, &pressure));
	ck_assert_uint_eq(host_interface_rate_blocking(&roots), 0);
	put("meminfo", "nonsense");
	put("stat", "cpu0 1 2 3\n");
	put("pressure/cpu", "some avg10=nan avg60=0.00\n");
	put("pressure/memory", "full\n");
	put("pressure/io", "");
	ck_assert_uint_eq(host_memory_look(&roots).total_mib, 0);
	ck_assert_uint_eq(host_cpu_look(&roots).cores, 0);
	ck_assert(!host_pressure_look(&roots, &pressure));
}
END_TEST

/* Idle and waiting for a disk are no use; the time of guests is part of user's. */
START_TEST(use_is_what_ran)
{
	struct host_cpu_found found;
	uint64_t hz = (uint64_t)sysconf(_SC_CLK_TCK);

	put("stat", "cpu  100 20 30 4000 500 6 4 40 90 0\ncpu0 50 10 15 2000 250 3 2 20 45 0\n"
		    "cpu1 50 10 15 2000 250 3 2 20 45 0\nintr 5 1 2\nctxt 7\n");
	found = host_cpu_look(&roots);
	ck_assert_uint_eq(found.cores, 2);
	ck_assert_uint_eq(found.used_ms, 160 * 1000 / hz);
}
END_TEST

START_TEST(pressure_needs_all_three_and_is_a_percentage)
{
	struct capacity_pressure pressure;

	put("pressure/cpu", "some avg10=1.50 avg60=0.30 avg300=0.10 total=1\n");
	put("pressure/memory", "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\nfull avg10=9.00\n");
	ck_assert(!host_pressure_look(&roots, &pressure));
	put("pressure/io", "some avg10=123.45 avg60=0.00 avg300=0.00 total=0\n");
	ck_assert(host_pressure_look(&roots, &pressure));
	ck_assert_double_eq_tol(pressure.cpu, 1.5, 1e-9);
	ck_assert_double_eq_tol(pressure.memory, 0, 1e-9);
	ck_assert_double_eq_tol(pressure.io, 100, 1e-9);
}
END_TEST

/* A tap tells 10 Mbit/s, whatever it is; an interface that is down tells -1. */
START_TEST(fastest_interface_with_a_device_counts)
{
	put("class/net/eth0/device/uevent", "");
	put("class/net/eth0/speed", "1000\n");
	put("class/net/eth1/device/uevent", "");
	put("class/net/eth1/speed", "-1\n");
	put("class/net/tap0/speed", "10000\n");
	ck_assert_uint_eq(host_interface_rate_blocking(&roots), 125000000);
}
END_TEST

START_TEST(load_follows_in_about_half_a_minute)
{
	struct host_load load = { 0 };
	uint64_t used_ms = 5000;

	host_load_look(&load, used_ms, 1000, 10000); /* half a core since its start */
	ck_assert_double_eq_tol(load.cores, 0.5, 1e-9);
	host_load_look(&load, used_ms + 9999, 1000 + HOST_LOAD_LEAST_MS - 1, 0); /* too soon */
	ck_assert_double_eq_tol(load.cores, 0.5, 1e-9);
	for (uint64_t now_ms = 2000; now_ms <= 31000; now_ms += 1000)
		host_load_look(&load, used_ms += 2000, now_ms, 0); /* two cores */
	ck_assert_double_gt(load.cores, 1.3);
	ck_assert_double_lt(load.cores, 1.6);
	host_load_look(&load, 0, 200000, 0); /* a counter that went back */
	ck_assert_double_lt(load.cores, 0.1);
	ck_assert_double_ge(load.cores, 0);
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("capacity_host");
	TCase *tc = tcase_create("host");

	tcase_add_checked_fixture(tc, set_up, scratch_teardown);
	tcase_add_test(tc, memory_is_told_with_all_sizes_of_huge_pages);
	tcase_add_test(tc, huge_pages_without_a_limit_are_no_more_than_memory);
	tcase_add_test(tc, what_others_use_is_memory_that_is_for_no_guest);
	tcase_add_test(tc, missing_or_strange_files_tell_nothing);
	tcase_add_test(tc, use_is_what_ran);
	tcase_add_test(tc, pressure_needs_all_three_and_is_a_percentage);
	tcase_add_test(tc, fastest_interface_with_a_device_counts);
	tcase_add_test(tc, load_follows_in_about_half_a_minute);
	suite_add_tcase(s, tc);
	return s;
}
