/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the QEMU program of a host is asked before a guest comes, and what is made of it.  Texts of
 * QEMU are those of 7.2.22, 10.0.13 and 11.1.3. */
#include "qemu/rehearse.h"

#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"
#include "check_main.h"
#include "move/rehearsed.h"
#include "scratch.h"

#define GREETING                                                                             \
	"{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 13, \"minor\": 0, \"major\": 10}, "  \
	"\"package\": \"Debian 1:10.0.13+ds-0+deb13u1\"}, \"capabilities\": [\"oob\"]}}\r\n" \
	"{\"return\": {}}\r\n"
#define MACHINES                                                                        \
	"{\"return\": [{\"name\": \"pc-q35-7.2\", \"deprecated\": false}, "             \
	"{\"name\": \"pc-q35-5.2\", \"deprecated\": true, \"cpu-max\": 288}], \"id\": " \
	"\"machines\"}\r\n"
#define WORDS                                                                                \
	"{\"return\": [{\"cpuid-register\": \"ECX\", \"cpuid-input-eax\": 1, \"features\": " \
	"8193}], \"id\": \"words\"}\r\n"
#define NO_DEVICE                                                                    \
	"{\"id\": 1, \"error\": {\"class\": \"DeviceNotFound\", \"desc\": \"Device " \
	"'qxl' not found\"}}\r\n"
#define END                                                                                \
	"{\"timestamp\": {\"seconds\": 1796006396, \"microseconds\": 772796}, \"event\": " \
	"\"SHUTDOWN\", \"data\": {\"guest\": false, \"reason\": \"host-qmp-quit\"}}\r\n"   \
	"{\"return\": {}}\r\n"
#define WARNING                                                                                \
	"qemu-system-x86_64: warning: Machine type 'pc-q35-5.2' is deprecated: machines more " \
	"than 3 years old are subject to deletion after 6 years\n"

#define PROPERTIES                                                                          \
	"{\"return\": [{\"name\": \"drive\", \"type\": \"str\"}, {\"name\": "               \
	"\"iothread-vq-mapping\", \"type\": \"IOThreadVirtQueueMappingList\"}, {\"name\": " \
	"\"scsi\", \"type\": \"bool\", \"default-value\": false}], \"id\": 0}\r\n"
#define VENDOR "{\"return\": \"AuthenticAMD\", \"id\": \"vendor\"}\r\n"

static struct rehearsal_driver drivers[] = { { .name = "virtio-blk-pci" }, { .name = "qxl" } };
static struct vm_def def;
static struct rehearsal said;
static struct evidence cpu, there;
static struct preflight_reasons reasons;

static void setup(void)
{
	scratch_setup();
	memset(&def, 0, sizeof(def));
	memset(&said, 0, sizeof(said));
	memset(&cpu, 0, sizeof(cpu));
	memset(&there, 0, sizeof(there));
	memset(&reasons, 0, sizeof(reasons));
	snprintf(def.machine, sizeof(def.machine), "pc-q35-7.2");
	snprintf(def.cpu_model, sizeof(def.cpu_model), "qemu64");
	def.accel = VM_DEF_ACCEL_TCG;
	def.memory_mib = 128;
	def.vcpus = 2;
}

static void teardown(void)
{
	for (size_t i = 0; i < ARRAY_LEN(drivers); i++) {
		optlist_fini(&drivers[i].properties);
		drivers[i].properties = (struct optlist)OPTLIST_INIT;
	}
	scratch_teardown();
}

static void read_text(const char *text)
{
	CLEANUP(free_charp) char *copy = xstrdup(text);

	rehearsal_read(copy, &def, drivers, 2, &said, &cpu);
}

static void judge(void)
{
	const struct rehearsed rehearsed = { .def = &def, .said = said, .cpu = &cpu };

	rehearsed_judge(&rehearsed, &there, &reasons);
}

static void assert_only(const char *check, bool is_warning, const char *words)
{
	judge();
	ck_assert_uint_eq(reasons.count, 1);
	ck_assert_str_eq(reasons.list[0].check, check);
	ck_assert_int_eq(reasons.list[0].is_warning, is_warning);
	ck_assert_msg(strstr(reasons.list[0].text, words) != NULL, "%s", reasons.list[0].text);
}

/* ---- reading ------------------------------------------------------------------------- */

START_TEST(answers_are_read)
{
	read_text(GREETING MACHINES WORDS NO_DEVICE END);
	ck_assert(!err_is_set(&said.err));
	ck_assert_int_eq(said.version.major, 10);
	ck_assert(!said.is_deprecated);
	ck_assert_uint_eq(cpu.word_count, 1);
	ck_assert_uint_eq(cpu.words[0].features, 8193);
	ck_assert_uint_eq(said.missing_count, 1);
	ck_assert_str_eq(said.missing[0], "qxl");
}
END_TEST

START_TEST(good_answers_are_no_reason)
{
	read_text(GREETING MACHINES WORDS END);
	judge();
	ck_assert_uint_eq(reasons.count, 0);
}
END_TEST

/* A warning of QEMU is no reason why it does not start. */
START_TEST(deprecated_machine_is_a_warning)
{
	snprintf(def.machine, sizeof(def.machine), "pc-q35-5.2");
	read_text(WARNING GREETING MACHINES END);
	assert_only("machine", true, "a later one will not");
}
END_TEST

START_TEST(machine_that_is_not_there_is_told_by_its_name)
{
	read_text(WARNING "qemu-system-x86_64: unsupported machine type\n"
			  "Use -machine help to list supported machines\n");
	assert_only("machine", false, "install a newer QEMU here");
}
END_TEST

START_TEST(cpu_model_that_is_not_there_is_told)
{
	read_text("qemu-system-x86_64: unable to find CPU model 'qemu64'\n");
	assert_only("cpu", false, "a cpu_model that both hosts have");
}
END_TEST

START_TEST(qemu_that_does_not_start_is_told_in_its_words)
{
	read_text("bash: line 1: exec: qemu-x: cannot execute: Exec format error\n");
	assert_only("qemu-start", false, "Exec format error");
}
END_TEST

START_TEST(qemu_that_says_nothing_is_told)
{
	read_text("");
	assert_only("qemu-start", false, "it ended without a word");
}
END_TEST

/* Whatever another program prints, nothing is read beyond it. */
START_TEST(strange_answers_are_skipped)
{
	read_text("{\"id\": 7, \"error\": {\"class\": \"DeviceNotFound\"}}\n{\"id\": -1}\n[]\n{\n"
		  "{\"id\": 1, \"error\": 5}\n{\"return\": 3, \"id\": \"words\"}\n"
		  "{\"return\": [1, {}], \"id\": \"machines\"}\n");
	ck_assert_uint_eq(said.missing_count, 0);
	ck_assert_uint_eq(cpu.word_count, 0);
}
END_TEST

START_TEST(vendor_is_read)
{
	read_text(GREETING MACHINES WORDS VENDOR "{\"return\": {}, \"id\": \"vendor\"}\r\n" END);
	ck_assert_str_eq(cpu.cpu_vendor, "");
	read_text(GREETING MACHINES WORDS VENDOR END);
	ck_assert_str_eq(cpu.cpu_vendor, "AuthenticAMD");
}
END_TEST

/* ---- judging ------------------------------------------------------------------------- */

START_TEST(property_that_is_not_there_is_told_by_its_name)
{
	optlist_set(&drivers[0].properties, "drive", "");
	optlist_set(&drivers[0].properties, "queue-size", "");
	read_text(GREETING MACHINES PROPERTIES END);
	assert_only("properties", false, "no property 'queue-size' of device 'virtio-blk-pci'");
}
END_TEST

START_TEST(more_properties_than_are_told_are_left_out)
{
	for (int i = 0; i < 2 * REHEARSAL_MISSING_MAX; i++) {
		char name[16];

		snprintf(name, sizeof(name), "p%d", i);
		optlist_set(&drivers[0].properties, name, "");
	}
	read_text(GREETING MACHINES PROPERTIES END);
	ck_assert_uint_eq(said.lacking_count, REHEARSAL_MISSING_MAX);
}
END_TEST

START_TEST(vendor_that_differs_is_told)
{
	snprintf(there.cpu_vendor, sizeof(there.cpu_vendor), "GenuineIntel");
	read_text(GREETING MACHINES WORDS VENDOR END);
	assert_only("cpu", false, "is one of 'GenuineIntel', and would be one of 'AuthenticAMD'");
}
END_TEST

START_TEST(device_that_is_not_there_is_told_by_its_name)
{
	read_text(GREETING MACHINES NO_DEVICE END);
	assert_only("devices", false, "has no device 'qxl'");
}
END_TEST

START_TEST(feature_that_is_not_there_is_told_by_its_name)
{
	read_text(GREETING MACHINES WORDS END);
	there.words[there.word_count++] =
		(struct evidence_word){ .eax = 1, .reg = "ECX", .features = 8193 | 1 << 25 };
	assert_only("cpu", false, "aes");
}
END_TEST

/* Of a CPU that tells no features nothing is known. */
START_TEST(cpu_without_words_is_not_compared)
{
	read_text(GREETING MACHINES END);
	there.words[there.word_count++] =
		(struct evidence_word){ .eax = 1, .reg = "ECX", .features = 1 };
	judge();
	ck_assert_uint_eq(reasons.count, 0);
}
END_TEST

START_TEST(older_qemu_is_a_warning)
{
	read_text(GREETING MACHINES END);
	snprintf(there.qemu, sizeof(there.qemu), "10.1.0");
	assert_only("qemu-version", true, "QEMU 10.1.0, and this host has the older 10.0");
}
END_TEST

START_TEST(same_qemu_is_no_reason)
{
	read_text(GREETING MACHINES END);
	snprintf(there.qemu, sizeof(there.qemu), "10.0.2");
	judge();
	ck_assert_uint_eq(reasons.count, 0);
}
END_TEST

static void add_queue(uint64_t entries, uint64_t room)
{
	struct evidence_queue *queue = &there.queues[there.queue_count++];

	*queue = (struct evidence_queue){ .entries = entries, .room = room };
	snprintf(queue->path, sizeof(queue->path), "/machine/peripheral/d%zu/virtio-backend",
		 there.queue_count);
}

START_TEST(virtqueues_count_only_for_a_qemu_that_is_strict)
{
	add_queue(1024, 256);
	add_queue(1024, 0);
	read_text(GREETING MACHINES END);
	judge();
	ck_assert_uint_eq(reasons.count, 0);
	said.version = (struct qmp_version){ .major = 11, .minor = 1 };
	assert_only("virtqueues", false, "device 'd1' (virtqueue 0: 1024, and 256 here)");
	ck_assert_ptr_null(strstr(reasons.list[0].text, "d2"));
}
END_TEST

/* ---- asking -------------------------------------------------------------------------- */

static char *path_of(const char *name)
{
	return xasprintf("%s/%s", scratch_dir, name);
}

static char *read_file(const char *name)
{
	CLEANUP(free_charp) char *path = path_of(name);
	char *text;
	struct err err;
	size_t len;

	ck_assert_msg(file_read(path, 1 << 20, &text, &len, &err), "%s", err.msg);
	return text;
}

/* A program that notes what it is told and asked. */
static void rehearse_with_a_script(void)
{
	CLEANUP(free_charp) char *program = path_of("qemu");
	CLEANUP(free_charp)
	char *script =
		xasprintf("#!/bin/sh\nprintf '%%s\\n' \"$@\" >%s/args\ncat >%s/asked\n"
			  "cat <<'E'\n" GREETING MACHINES WORDS PROPERTIES NO_DEVICE END "E\n",
			  scratch_dir, scratch_dir);
	struct err err;

	ck_assert_msg(file_write(program, script, strlen(script), 0700, &err), "%s", err.msg);
	rehearse_blocking(program, &def, &said, &cpu);
}

static void add_extra(const char *option, const char *value)
{
	snprintf(def.extra_args[def.extra_arg_count++], VM_DEF_ARG_SIZE, "%s", option);
	snprintf(def.extra_args[def.extra_arg_count++], VM_DEF_ARG_SIZE, "%s", value);
}

/* The guest's images, memory and sockets stay untouched; raw options that make the CPU count. */
START_TEST(only_machine_and_cpu_of_the_guest_are_started)
{
	CLEANUP(free_charp) char *args = NULL, *asked = NULL;

	def.disk_count = 1;
	snprintf(def.disks[0].id, sizeof(def.disks[0].id), "d0");
	snprintf(def.disks[0].path, sizeof(def.disks[0].path), "/images/d0.raw");
	def.memory_backend.type = VM_DEF_MEMORY_TYPE_MEMFD;
	snprintf(def.firmware.code, sizeof(def.firmware.code), "/firmware/code.fd");
	add_extra("-overcommit", "mem-lock=on,cpu-pm=on");
	add_extra("-global", "kvm-pit.lost_tick_policy=delay");
	add_extra("-device", "{\"driver\":\"e1000\",\"id\":\"n9\"}");
	add_extra("-device", "rtl8139,id=n8");
	add_extra("-device", "virtio-net,id=n7");
	snprintf(def.machine_options, sizeof(def.machine_options), "memory-backend=m0");
	rehearse_with_a_script();
	ck_assert_msg(!err_is_set(&said.err), "%s", said.err.msg);
	args = read_file("args");
	asked = read_file("asked");
	ck_assert_ptr_nonnull(strstr(args, "pc-q35-7.2,accel=tcg"));
	ck_assert_ptr_nonnull(strstr(args, "qemu64"));
	ck_assert_ptr_nonnull(strstr(args, "cpu-pm=on"));
	ck_assert_ptr_nonnull(strstr(args, "kvm-pit.lost_tick_policy=delay"));
	ck_assert_ptr_nonnull(strstr(args, "spawn=deny"));
	ck_assert_ptr_null(strstr(args, "mem-lock"));
	ck_assert_ptr_null(strstr(args, "/images/d0.raw"));
	ck_assert_ptr_null(strstr(args, "/firmware/code.fd"));
	ck_assert_ptr_null(strstr(args, "m0"));
	ck_assert_ptr_null(strstr(args, "memory-backend"));
	ck_assert_ptr_nonnull(strstr(asked, "\"virtio-blk-pci\""));
	ck_assert_ptr_nonnull(strstr(asked, "\"e1000\""));
	ck_assert_ptr_nonnull(strstr(asked, "\"rtl8139\""));
	ck_assert_ptr_nonnull(strstr(asked, "\"virtio-net-pci\""));
	ck_assert_ptr_nonnull(strstr(asked, "feature-words"));
}
END_TEST

/* They may make another CPU; what they name that is not there is left out. */
START_TEST(raw_options_of_machine_and_cpu_count)
{
	CLEANUP(free_charp) char *args = NULL, *asked = NULL;

	add_extra("-machine", "smm=off,pflash0=code");
	add_extra("--M", "hpet=off");
	add_extra("-machine", "memory-backend=m0");
	add_extra("-cpu", "max,-aes");
	rehearse_with_a_script();
	args = read_file("args");
	asked = read_file("asked");
	ck_assert_ptr_nonnull(strstr(args, "-machine\nsmm=off\n"));
	ck_assert_ptr_nonnull(strstr(args, "-M\nhpet=off\n"));
	ck_assert_ptr_nonnull(strstr(args, "-cpu\nqemu64\n"));
	ck_assert_ptr_nonnull(strstr(strstr(args, "qemu64"), "-cpu\nmax,-aes\n"));
	ck_assert_ptr_null(strstr(args, "code"));
	ck_assert_ptr_null(strstr(args, "m0"));
	ck_assert_ptr_nonnull(strstr(asked, "feature-words"));
	ck_assert_ptr_nonnull(strstr(asked, "\"vendor\""));
}
END_TEST

/* Of the guest's definition, and of raw options, in both forms of -device. */
START_TEST(properties_of_the_guests_devices_are_compared)
{
	add_extra("-device", "virtio-blk-pci,id=x,bus=y,drive=z,scsi=off");
	add_extra("-device", "{\"driver\":\"virtio-blk-pci\",\"id\":\"v\",\"iothread-vq-mapping\":"
			     "[{\"iothread\":\"t\"}]}");
	add_extra("-device", "virtio-blk-pci,queue-size=8,drive=w,drive[0]=q");
	add_extra("-device",
		  "{\"driver\":\"virtio-blk-pci\",\"id\":\"u\",\"new\":[{\"a\":1},{\"a\":2}]}");
	rehearse_with_a_script();
	ck_assert_uint_eq(said.lacking_count, 2);
	ck_assert_str_eq(said.lacking[1].property, "new");
	ck_assert_str_eq(said.lacking[0].driver, "virtio-blk-pci");
	ck_assert_str_eq(said.lacking[0].property, "queue-size");
}
END_TEST

START_TEST(program_that_is_not_there_is_told)
{
	rehearse_blocking("/nowhere/qemu", &def, &said, &cpu);
	assert_only("qemu-start", false, "there is no program '/nowhere/qemu' on this host: ");
}
END_TEST

Suite *suite(void)
{
	Suite *s = suite_create("rehearse");
	TCase *tc = tcase_create("rehearse");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, answers_are_read);
	tcase_add_test(tc, good_answers_are_no_reason);
	tcase_add_test(tc, deprecated_machine_is_a_warning);
	tcase_add_test(tc, machine_that_is_not_there_is_told_by_its_name);
	tcase_add_test(tc, cpu_model_that_is_not_there_is_told);
	tcase_add_test(tc, qemu_that_does_not_start_is_told_in_its_words);
	tcase_add_test(tc, qemu_that_says_nothing_is_told);
	tcase_add_test(tc, strange_answers_are_skipped);
	tcase_add_test(tc, vendor_is_read);
	tcase_add_test(tc, property_that_is_not_there_is_told_by_its_name);
	tcase_add_test(tc, more_properties_than_are_told_are_left_out);
	tcase_add_test(tc, vendor_that_differs_is_told);
	tcase_add_test(tc, device_that_is_not_there_is_told_by_its_name);
	tcase_add_test(tc, feature_that_is_not_there_is_told_by_its_name);
	tcase_add_test(tc, cpu_without_words_is_not_compared);
	tcase_add_test(tc, older_qemu_is_a_warning);
	tcase_add_test(tc, same_qemu_is_no_reason);
	tcase_add_test(tc, virtqueues_count_only_for_a_qemu_that_is_strict);
	tcase_add_test(tc, only_machine_and_cpu_of_the_guest_are_started);
	tcase_add_test(tc, raw_options_of_machine_and_cpu_count);
	tcase_add_test(tc, properties_of_the_guests_devices_are_compared);
	tcase_add_test(tc, program_that_is_not_there_is_told);
	suite_add_tcase(s, tc);
	return s;
}
