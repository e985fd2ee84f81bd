/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A UEFI application that proves what travels beside a guest's memory: a variable of the firmware,
 * a disk, and the TPM's NV memory and PCR 16.  In each tick it compares each with what the tick
 * before has left there, writes the next (the variable only now and then), and prints a line:
 *
 *     begin var=N nv=N disk=yes tpm=yes      what an earlier boot has left
 *     tick N pcr=HEX                         PCR 16 after it was extended by N
 *     WRONG WHAT STATUS
 *
 * Made by tests/system/lib/uefi.py.  Sources: UEFI 2.10 (tables of services), TCG EFI Protocol
 * Specification (EFI_TCG2_PROTOCOL), TPM 2.0 Part 3 (commands). */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EFI           __attribute__((ms_abi))
#define TICK_US       100000
#define VAR_TICKS     20 /* between two writes of the variable */
#define BLOCK         512
#define BLOCKS        1024 /* of the disk, by turns */
#define NV_INDEX      0x01500000
#define OWNER         0x40000001
#define VARIABLE_KEPT 7 /* non-volatile, also after the boot */

typedef uint64_t efi_fn() EFI;
struct guid {
	uint32_t a;
	uint16_t b, c;
	uint8_t d[8];
};

/* The services by their number after the header of 24 bytes. */
struct table {
	uint8_t header[24];
	efi_fn *fn[64];
};
enum { GET_VARIABLE = 6, SET_VARIABLE = 8 };
enum {
	CONNECT_CONTROLLER = 30,
	STALL = 28,
	SET_WATCHDOG = 29,
	LOCATE_HANDLES = 36,
	LOCATE_PROTOCOL = 37,
};
struct console {
	efi_fn *reset, *output_string;
};
struct system_table {
	uint8_t header[24], before[40];
	struct console *out;
	uint8_t errors[16];
	struct table *runtime, *boot;
};
struct block_io {
	uint64_t revision;
	const uint32_t *media;
	efi_fn *reset, *read, *write, *flush;
};
struct tcg2 {
	efi_fn *get_capability, *get_event_log, *hash_log_extend, *submit_command;
};

static struct system_table *sys;
static struct block_io *disk;
static struct tcg2 *tpm;
static struct guid own = { 0x6d677264, 0x7465, 0x7374, { 1, 2, 3, 4, 5, 6, 7, 8 } };
static uint64_t variable; /* as it was written last */
static uint8_t block[BLOCK], command[128], reply[256];
static size_t command_len;

/* ---- printing ----------------------------------------------------------------------- */

static void say(const char *text)
{
	uint16_t wide[2] = { 0, 0 };

	for (; *text; text++) {
		wide[0] = (uint8_t)*text;
		sys->out->output_string(sys->out, wide);
	}
}

static void say_number(uint64_t number)
{
	char text[24];
	char *at = text + sizeof(text) - 1;

	*at = '\0';
	do
		*--at = (char)('0' + number % 10);
	while (number /= 10);
	say(at);
}

static void say_hex(const uint8_t *bytes, size_t count)
{
	char text[3] = "";

	for (size_t i = 0; i < count; i++) {
		text[0] = "0123456789abcdef"[bytes[i] >> 4];
		text[1] = "0123456789abcdef"[bytes[i] & 15];
		say(text);
	}
}

static void check(bool is_right, const char *what, uint64_t status)
{
	if (is_right)
		return;
	say("WRONG ");
	say(what);
	say(" ");
	say_number(status);
	say("\r\n");
}

/* ---- the variable --------------------------------------------------------------------- */

static uint64_t read_variable(void)
{
	uint64_t value = 0, size = sizeof(value);

	if (sys->runtime->fn[GET_VARIABLE](L"Tick", &own, NULL, &size, &value))
		return 0;
	return value;
}

static void write_variable(uint64_t value)
{
	uint64_t status = sys->runtime->fn[SET_VARIABLE](L"Tick", &own, (uint64_t)VARIABLE_KEPT,
							 (uint64_t)sizeof(value), &value);

	check(!status, "variable-write", status);
	variable = value;
}

/* ---- the disk --------------------------------------------------------------------------- */

static uint64_t read_disk(uint64_t tick)
{
	uint64_t status =
		disk->read(disk, (uint64_t)disk->media[0], tick % BLOCKS, (uint64_t)BLOCK, block);

	check(!status, "disk-read", status);
	return *(uint64_t *)block;
}

static void write_disk(uint64_t tick)
{
	uint64_t status;

	for (size_t i = 0; i < BLOCK / sizeof(tick); i++)
		((uint64_t *)block)[i] = tick;
	status = disk->write(disk, (uint64_t)disk->media[0], tick % BLOCKS, (uint64_t)BLOCK, block);
	if (!status)
		status = disk->flush(disk);
	check(!status, "disk-write", status);
}

/* ---- the TPM ---------------------------------------------------------------------------- */

static void put(uint64_t value, size_t bytes)
{
	while (bytes--)
		command[command_len++] = (uint8_t)(value >> 8 * bytes);
}

static void begin_command(bool has_session, uint32_t code)
{
	command_len = 0;
	put(has_session ? 0x8002 : 0x8001, 2);
	put(0, 4); /* the length comes last */
	put(code, 4);
}

/* The session of an empty password. */
static void put_password(void)
{
	put(9, 4);
	put(0x40000009, 4);
	put(0, 5);
}

static uint32_t run_command(void)
{
	size_t len = command_len;
	uint64_t status;

	command_len = 2;
	put(len, 4);
	status = tpm->submit_command(tpm, (uint64_t)len, command, (uint64_t)sizeof(reply), reply);
	if (status)
		return (uint32_t)status;
	return (uint32_t)reply[6] << 24 | (uint32_t)reply[7] << 16 | (uint32_t)reply[8] << 8 |
	       reply[9];
}

static void define_nv(void)
{
	begin_command(true, 0x12a);
	put(OWNER, 4);
	put_password();
	put(0, 2);
	put(14, 2);
	put(NV_INDEX, 4);
	put(0x000b, 2);
	put(0x02060006, 4); /* read and written by the owner; no dictionary attacks */
	put(0, 2);
	put(8, 2);
	run_command(); /* it may be there */
}

static void write_nv(uint64_t value)
{
	uint32_t status;

	begin_command(true, 0x137);
	put(OWNER, 4);
	put(NV_INDEX, 4);
	put_password();
	put(8, 2);
	put(value, 8);
	put(0, 2);
	status = run_command();
	check(!status, "nv-write", status);
}

/* 0: nothing was written yet. */
static uint64_t read_nv(void)
{
	uint64_t value = 0;

	begin_command(true, 0x14e);
	put(OWNER, 4);
	put(NV_INDEX, 4);
	put_password();
	put(8, 2);
	put(0, 2);
	if (run_command())
		return 0;
	for (size_t i = 0; i < 8; i++)
		value = value << 8 | reply[16 + i];
	return value;
}

static void extend_pcr(uint64_t value)
{
	uint32_t status;

	begin_command(true, 0x182);
	put(16, 4);
	put_password();
	put(1, 4);
	put(0x000b, 2);
	put(value, 8);
	for (int i = 0; i < 3; i++)
		put(0, 8);
	status = run_command();
	check(!status, "pcr-extend", status);
}

static void say_pcr(void)
{
	uint32_t status;

	begin_command(false, 0x17e);
	put(1, 4);
	put(0x000b, 2);
	put(3, 1);
	put(1, 3);
	status = run_command();
	check(!status, "pcr-read", status);
	say(" pcr=");
	say_hex(reply + 30, 32);
}

/* ---- all of them --------------------------------------------------------------------------- */

/* The firmware connects no device before it runs the kernel of fw_cfg. */
static void connect_all(void)
{
	uint64_t count = 0;
	void **handles;

	if (sys->boot->fn[LOCATE_HANDLES](0ULL, NULL, NULL, &count, &handles))
		return;
	for (uint64_t i = 0; i < count; i++)
		sys->boot->fn[CONNECT_CONTROLLER](handles[i], NULL, NULL, 1ULL);
}

static void find_all(void)
{
	struct guid block_io = {
		0x964e5b21, 0x6459, 0x11d2, { 0x8e, 0x39, 0, 0xa0, 0xc9, 0x69, 0x72, 0x3b }
	};
	struct guid tcg2 = {
		0x607f766c, 0x7455, 0x42be, { 0x93, 0x0b, 0xe4, 0xd7, 0x6d, 0xb2, 0x72, 0x0f }
	};

	connect_all();
	if (sys->boot->fn[LOCATE_PROTOCOL](&block_io, NULL, &disk))
		disk = NULL;
	if (sys->boot->fn[LOCATE_PROTOCOL](&tcg2, NULL, &tpm))
		tpm = NULL;
}

static void tick(uint64_t number, bool is_first)
{
	if (!is_first) {
		check(read_variable() == variable, "variable", read_variable());
		if (disk)
			check(read_disk(number - 1) == number - 1, "disk", *(uint64_t *)block);
		if (tpm)
			check(read_nv() == number - 1, "nv", read_nv());
	}
	if (number % VAR_TICKS == 1)
		write_variable(number);
	if (disk)
		write_disk(number);
	if (tpm) {
		write_nv(number);
		extend_pcr(number);
	}
	say("tick ");
	say_number(number);
	if (tpm)
		say_pcr();
	say("\r\n");
}

EFI uint64_t efi_main(void *image, struct system_table *table)
{
	uint64_t last;

	(void)image;
	sys = table;
	sys->boot->fn[SET_WATCHDOG](0ULL, 0ULL, 0ULL, NULL);
	find_all();
	if (tpm)
		define_nv();
	last = variable = read_variable();
	say("\r\nbegin var=");
	say_number(last);
	say(" nv=");
	say_number(tpm ? read_nv() : 0);
	say(disk ? " disk=yes" : " disk=no");
	say(tpm ? " tpm=yes\r\n" : " tpm=no\r\n");
	for (bool is_first = true;; is_first = false) {
		tick(++last, is_first);
		sys->boot->fn[STALL]((uint64_t)TICK_US);
	}
}
