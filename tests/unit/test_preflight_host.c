/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a host has for a guest beside its files: CPU features, memory, virtqueues, vsock. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"
#include "check_main.h"
#include "net/vsock.h"
#include "preflight/checks.h"
#include "preflight/look.h"
#include "scratch.h"

static struct needs needs;
static struct evidence there, here;
static struct preflight_reasons reasons;

static void setup(void)
{
	memset(&needs, 0, sizeof(needs));
	memset(&there, 0, sizeof(there));
	memset(&here, 0, sizeof(here));
	memset(&reasons, 0, sizeof(reasons));
	scratch_setup();
}

static void teardown(void)
{
	scratch_teardown();
}

static char *path_of(const char *name)
{
	return xasprintf("%s/%s", scratch_dir, name);
}

static void write_text(const char *name, const char *text)
{
	CLEANUP(free_charp) char *path = path_of(name);
	struct err err;

	ck_assert_msg(file_write(path, text, strlen(text), 0600, &err), "%s", err.msg);
}

/* ---- cpu ---------------------------------------------------------------------------- */

static void add_word(struct evidence *evidence, uint64_t eax, const char *reg, uint64_t features)
{
	struct evidence_word *word = &evidence->words[evidence->word_count++];

	word->eax = eax;
	word->features = features;
	snprintf(word->reg, sizeof(word->reg), "%s", reg);
}

START_TEST(lost_features_are_named)
{
	add_word(&there, 1, "ECX", 1u << 28 | 1u << 20 | 1);
	add_word(&there, 0x12345, "EAX", 1u << 3);
	add_word(&here, 1, "ECX", 1u << 20);
	cpu_judge(&there, &here, &reasons);
	ck_assert_uint_eq(reasons.count, 1);
	ck_assert_ptr_nonnull(strstr(reasons.list[0].text, "sse3, avx, CPUID 0x12345.0 EAX bit 3"));
}
END_TEST

/* A guest does not look at CPU features again, so additional ones do it no harm. */
START_TEST(new_features_are_no_reason)
{
	add_word(&there, 1, "ECX", 1);
	add_word(&here, 1, "ECX", 3);
	cpu_judge(&there, &here, &reasons);
	ck_assert_uint_eq(reasons.count, 0);
}
END_TEST

/* A guest has chosen its instructions by the vendor. */
START_TEST(other_vendor_is_told_unless_it_is_asserted_or_not_known)
{
	snprintf(there.cpu_vendor, sizeof(there.cpu_vendor), "GenuineIntel");
	cpu_judge(&there, &here, &reasons);
	ck_assert_uint_eq(reasons.count, 0); /* of an older migrd */
	snprintf(here.cpu_vendor, sizeof(here.cpu_vendor), "AuthenticAMD");
	there.assert_cpu = true;
	cpu_judge(&there, &here, &reasons);
	ck_assert_uint_eq(reasons.count, 0);
	there.assert_cpu = false;
	cpu_judge(&there, &here, &reasons);
	ck_assert_uint_eq(reasons.count, 1);
	ck_assert_ptr_nonnull(strstr(reasons.list[0].text, "'GenuineIntel'"));
}
END_TEST

/* ---- memory that is fetched ---------------------------------------------------------- */

static bool is_plain(const char *extra_args)
{
	CLEANUP(free_charp)
	char *text = xasprintf("{\"name\":\"g\",\"machine\":\"pc-q35-7.2\",\"memory_mib\":64,"
			       "\"extra_args\":[%s]}",
			       extra_args);
	CLEANUP(json_putp) struct json_object *obj = json_tokener_parse(text);
	struct vm_def *def = xnew(struct vm_def);
	struct faults *faults = faults_new();
	bool ret;

	ck_assert_msg(vm_def_decode(obj, def, faults), "%s", faults->list[0].detail);
	ret = needs_has_plain_memory(def);
	faults_free(faults);
	free(def);
	return ret;
}

START_TEST(memory_in_a_file_is_found_by_its_place)
{
	ck_assert(!is_plain("\"-object\",\"memory-backend-ram,id=m,size=64M\""));
	ck_assert(
		!is_plain("\"-object\",\"memory-backend-file,id=m,mem-path=/dev/shm/m,size=64M\""));
	ck_assert(!is_plain("\"-mem-path\",\"/dev/hugepages\""));
	ck_assert(is_plain("\"-object\",\"memory-backend-file,id=m,mem-path=/x/m,size=64M\""));
	ck_assert(is_plain("\"-object\",\"{\\\"qom-type\\\":\\\"memory-backend-file\\\","
			   "\\\"id\\\":\\\"m\\\",\\\"mem-path\\\":\\\"/x/m\\\"}\""));
	ck_assert(is_plain("\"-mem-path\",\"/x\""));
}
END_TEST

/* /proc is there on each machine, and neither tmpfs nor huge pages. */
START_TEST(plain_file_cannot_be_fetched_into)
{
	struct preflight preflight = { .needs = &needs };
	static const char *const paths[] = { "/dev/shm/not-there", "/proc/version",
					     "/proc/not-there", "/nowhere/at/all" };

	for (size_t i = 0; i < ARRAY_LEN(paths); i++)
		snprintf(needs.memory_files[i].path, VM_DEF_PATH_SIZE, "%s", paths[i]);
	needs.memory_file_count = ARRAY_LEN(paths);
	fetch_look_blocking(&preflight);
	fetch_judge(&preflight, &reasons);
	ck_assert_uint_eq(reasons.count, 0); /* nothing is fetched without post-copy */
	preflight.fetches = true;
	fetch_look_blocking(&preflight);
	fetch_judge(&preflight, &reasons);
	ck_assert_uint_eq(reasons.count, 2);
	ck_assert_str_eq(reasons.list[0].check, "postcopy");
	ck_assert_ptr_nonnull(strstr(reasons.list[0].text, "'/proc/version' is a plain file"));
	ck_assert_ptr_nonnull(strstr(reasons.list[1].text, "'/proc/not-there'"));
}
END_TEST

/* ---- memory ------------------------------------------------------------------------ */

static struct memory_found found;

/* A guest of 128 MiB in huge pages of 2 MiB, and a host that has 64 of them. */
static void need_huge_pages(void)
{
	needs.memory.huge_page_mib = 2;
	needs.memory.huge_mib = 128;
	found = (struct memory_found){ .pages = { .exists = true, .free = 64 } };
}

static const char *judge_memory(void)
{
	const struct preflight preflight = { .needs = &needs, .memory = found };

	memory_judge(&preflight, &reasons);
	return reasons.count ? reasons.list[0].text : "";
}

START_TEST(enough_huge_pages_are_fine)
{
	need_huge_pages();
	ck_assert_str_eq(judge_memory(), "");
}
END_TEST

START_TEST(one_huge_page_too_few_is_told_with_the_figures)
{
	need_huge_pages();
	found.pages.free = 63;
	ck_assert_ptr_nonnull(
		strstr(judge_memory(), "needs 64 huge pages of 2 MiB, and 63 are free"));
	ck_assert_ptr_nonnull(strstr(reasons.list[0].text, "hugepages-2048kB/nr_hugepages"));
}
END_TEST

START_TEST(host_without_the_size_is_told)
{
	need_huge_pages();
	found.pages.exists = false;
	ck_assert_ptr_nonnull(
		strstr(judge_memory(), "huge pages of 2 MiB, which this host does not"));
}
END_TEST

START_TEST(other_mount_than_the_guest_wants_is_told)
{
	need_huge_pages();
	snprintf(needs.memory.path, sizeof(needs.memory.path), "/huge");
	found.is_hugetlbfs = true;
	found.page_mib = 1024;
	ck_assert_ptr_nonnull(
		strstr(judge_memory(), "mount -t hugetlbfs -o pagesize=2M none /huge"));
}
END_TEST

START_TEST(mount_that_is_full_is_told)
{
	need_huge_pages();
	snprintf(needs.memory.path, sizeof(needs.memory.path), "/huge");
	found.is_hugetlbfs = true;
	found.page_mib = 2;
	ck_assert_str_eq(judge_memory(), "");
	found.is_limited = true;
	found.left = 10;
	ck_assert_ptr_nonnull(strstr(judge_memory(), "whose mount has 10 left"));
}
END_TEST

static void need_bound(void)
{
	need_huge_pages();
	needs.memory.bound_count = 1;
	needs.memory.bound[0].size_mib = 64;
	snprintf(needs.memory.bound[0].what, NEED_WHAT_SIZE, "NUMA node 1");
	snprintf(needs.memory.bound[0].host_nodes, VM_DEF_NUMBERS_SIZE, "0-1");
	found.bound[0].pages = (struct memory_pages){ .exists = true, .free = 32 };
}

START_TEST(host_node_that_is_not_there_is_told)
{
	need_bound();
	ck_assert_str_eq(judge_memory(), "");
	found.bound[0].has_missing = true;
	found.bound[0].missing = 1;
	ck_assert_ptr_nonnull(strstr(judge_memory(), "NUMA nodes 0-1, and node 1 is not there"));
}
END_TEST

START_TEST(too_few_pages_on_the_host_nodes_are_told)
{
	need_bound();
	found.bound[0].pages.free = 31;
	ck_assert_ptr_nonnull(strstr(judge_memory(), "NUMA node 1: it needs 32 huge pages"));
}
END_TEST

static void write_sysfs(const char *dir, const char *file, const char *text)
{
	CLEANUP(free_charp) char *name = xasprintf("%s/%s", dir, file);

	for (const char *end = strchr(dir, '/');; end = strchr(end + 1, '/')) {
		CLEANUP(free_charp)
		char *parent = xasprintf("%s/%.*s", scratch_dir,
					 (int)(end ? (size_t)(end - dir) : strlen(dir)), dir);

		ck_assert(mkdir(parent, 0700) == 0 || errno == EEXIST);
		if (!end)
			break;
	}
	write_text(name, text);
}

/* What is reserved is not free, and what the kernel may make is. */
START_TEST(free_huge_pages_are_read)
{
	need_bound();
	write_sysfs("kernel/mm/hugepages/hugepages-2048kB", "free_hugepages", "50\n");
	write_sysfs("kernel/mm/hugepages/hugepages-2048kB", "resv_hugepages", "20\n");
	write_sysfs("kernel/mm/hugepages/hugepages-2048kB", "nr_overcommit_hugepages", "8\n");
	write_sysfs("kernel/mm/hugepages/hugepages-2048kB", "surplus_hugepages", "3\n");
	write_sysfs("devices/system/node/node0/hugepages/hugepages-2048kB", "free_hugepages",
		    "9\n");
	memory_look_blocking(scratch_dir, &needs.memory, &found);
	ck_assert(found.pages.exists);
	ck_assert_uint_eq(found.pages.free, 35);
	ck_assert_uint_eq(found.bound[0].pages.free, 9);
	ck_assert(found.bound[0].has_missing);
	ck_assert_uint_eq(found.bound[0].missing, 1);
}
END_TEST

/* Before a plain start: all that is missing in one text, and no word while all is there. */
START_TEST(memory_that_a_start_lacks_is_told_at_once)
{
	struct err why = { .code = ERR_NONE };

	need_bound();
	write_sysfs("kernel/mm/hugepages/hugepages-2048kB", "free_hugepages", "63\n");
	ck_assert(!memory_check_blocking(scratch_dir, &needs.memory, &why));
	ck_assert_int_eq(why.code, ERR_CONFLICT);
	ck_assert_ptr_nonnull(strstr(why.msg, "2 reasons: "));
	ck_assert_ptr_nonnull(strstr(why.msg, "needs 64 huge pages of 2 MiB, and 63 are free"));
	ck_assert_ptr_nonnull(strstr(why.msg, "node 0 is not there"));
	why = (struct err){ .code = ERR_NONE };
	needs.memory.bound_count = 0;
	write_sysfs("kernel/mm/hugepages/hugepages-2048kB", "free_hugepages", "64\n");
	ck_assert(memory_check_blocking(scratch_dir, &needs.memory, &why));
	ck_assert(!err_is_set(&why));
}
END_TEST

START_TEST(directory_that_is_no_hugetlbfs_is_seen)
{
	need_huge_pages();
	snprintf(needs.memory.path, sizeof(needs.memory.path), "%s", scratch_dir);
	memory_look_blocking(scratch_dir, &needs.memory, &found);
	ck_assert(!found.pages.exists);
	ck_assert(!found.is_hugetlbfs);
}
END_TEST

START_TEST(memory_of_a_definition_is_needed)
{
	struct vm_def *def = xnew(struct vm_def);
	struct needs *all;

	def->memory_mib = 64;
	def->memory_backend.huge_page_mib = 2;
	def->numa_node_count = 2;
	def->numa_nodes[1].memory_mib = 24;
	snprintf(def->numa_nodes[1].host_nodes, VM_DEF_NUMBERS_SIZE, "3");
	def->memory_devices[def->memory_device_count++].size_mib = 128;
	all = needs_of(def);
	ck_assert_uint_eq(all->memory.huge_mib, 192);
	ck_assert_uint_eq(all->memory.bound_count, 1);
	ck_assert_str_eq(all->memory.bound[0].what, "NUMA node 1");
	ck_assert_uint_eq(all->memory.bound[0].size_mib, 24);
	ck_assert_uint_eq(all->vsock_cid, 0);
	free(all);
	free(def);
}
END_TEST

/* ---- virtqueues ---------------------------------------------------------------------- */

static void add_queue(const char *path, uint64_t number, uint64_t entries, uint64_t room)
{
	struct evidence_queue *queue = &there.queues[there.queue_count++];

	snprintf(queue->path, sizeof(queue->path), "%s", path);
	queue->queue = number;
	queue->entries = entries;
	here.queues[here.queue_count] = *queue;
	here.queues[here.queue_count++].entries = room;
}

#define NET  "/machine/peripheral/net0/virtio-backend"
#define DISK "/machine/peripheral/vda/virtio-backend"

/* Each device once, by the first queue that does not fit. */
START_TEST(virtqueues_without_room_are_told_by_device)
{
	add_queue(NET, 0, 256, 256);
	add_queue(NET, 1, 1024, 256);
	add_queue(NET, 2, 1024, 64);
	add_queue(DISK, 0, 1024, 128);
	virtqueues_judge(&there, &here, &reasons);
	ck_assert_uint_eq(reasons.count, 1);
	ck_assert_ptr_nonnull(strstr(reasons.list[0].text,
				     ": device 'net0' (virtqueue 1: 1024, and 256 here), "
				     "device 'vda' (virtqueue 0: 1024, and 128 here): "));
}
END_TEST

/* 0: QEMU here did not tell. */
START_TEST(virtqueues_with_room_are_no_reason)
{
	add_queue(NET, 0, 256, 256);
	add_queue(NET, 1, 256, 1024);
	add_queue(DISK, 0, 1024, 0);
	virtqueues_judge(&there, &here, &reasons);
	ck_assert_uint_eq(reasons.count, 0);
}
END_TEST

/* ---- vsock ------------------------------------------------------------------------- */

START_TEST(host_without_the_vsock_device_is_told)
{
	CLEANUP(free_charp) char *device = path_of("vhost-vsock");
	struct err err;

	ck_assert(!net_vsock_check(device, 42, &err));
	ck_assert_int_eq(err.code, ERR_NOT_FOUND);
	ck_assert_ptr_nonnull(strstr(err.msg, "modprobe vhost_vsock"));
}
END_TEST

START_TEST(file_that_is_no_vsock_device_is_told)
{
	CLEANUP(free_charp) char *device = path_of("vhost-vsock");
	struct err err;

	write_text("vhost-vsock", "");
	ck_assert(!net_vsock_check(device, 42, &err));
	ck_assert_ptr_nonnull(strstr(err.msg, "refuses the vsock CID 42"));
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("preflight_host");
	TCase *tc = tcase_create("preflight_host");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, lost_features_are_named);
	tcase_add_test(tc, new_features_are_no_reason);
	tcase_add_test(tc, other_vendor_is_told_unless_it_is_asserted_or_not_known);
	tcase_add_test(tc, memory_in_a_file_is_found_by_its_place);
	tcase_add_test(tc, plain_file_cannot_be_fetched_into);
	tcase_add_test(tc, enough_huge_pages_are_fine);
	tcase_add_test(tc, one_huge_page_too_few_is_told_with_the_figures);
	tcase_add_test(tc, host_without_the_size_is_told);
	tcase_add_test(tc, other_mount_than_the_guest_wants_is_told);
	tcase_add_test(tc, mount_that_is_full_is_told);
	tcase_add_test(tc, host_node_that_is_not_there_is_told);
	tcase_add_test(tc, too_few_pages_on_the_host_nodes_are_told);
	tcase_add_test(tc, free_huge_pages_are_read);
	tcase_add_test(tc, memory_that_a_start_lacks_is_told_at_once);
	tcase_add_test(tc, directory_that_is_no_hugetlbfs_is_seen);
	tcase_add_test(tc, memory_of_a_definition_is_needed);
	tcase_add_test(tc, virtqueues_without_room_are_told_by_device);
	tcase_add_test(tc, virtqueues_with_room_are_no_reason);
	tcase_add_test(tc, host_without_the_vsock_device_is_told);
	tcase_add_test(tc, file_that_is_no_vsock_device_is_told);
	suite_add_tcase(s, tc);
	return s;
}
