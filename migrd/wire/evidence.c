/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire/evidence.h"

#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

static const char *const type_names[] = { "none", "file", "block", "other", NULL };

#define TEXT(owner, name, text)                                                            \
	{                                                                                  \
		.key = #name, .type = JSON_STRING, JSON_MEMBER(owner, name), .help = text, \
	}
#define NUMBER(owner, name, text)                                                        \
	{                                                                                \
		.key = #name, .type = JSON_UINT, JSON_MEMBER(owner, name), .help = text, \
	}
#define FLAG(owner, name, text)                                                          \
	{                                                                                \
		.key = #name, .type = JSON_BOOL, JSON_MEMBER(owner, name), .help = text, \
	}

static const struct json_field file_fields[] = {
	{ .key = "path",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct evidence_file, path),
	  .help = "As the definition or the overlay names it." },
	{ .key = "type",
	  .type = JSON_ENUM,
	  JSON_MEMBER(struct evidence_file, type),
	  .names = type_names,
	  .help = "Type of the file." },
	TEXT(struct evidence_file, name, "Name of the file, without symbolic links."),
	TEXT(struct evidence_file, inode, "Device and inode, within one kernel."),
	NUMBER(struct evidence_file, size, "Bytes."),
	NUMBER(struct evidence_file, mtime_s, "Last change of its content, seconds since 1970."),
	TEXT(struct evidence_file, token, "What the token file in its directory holds."),
	TEXT(struct evidence_file, device, "World-wide name of a block device."),
	TEXT(struct evidence_file, digest, "SHA-256 of what was read of it."),
	FLAG(struct evidence_file, sampled, "The digest is of samples, not of all bytes."),
	{ .key = "locks",
	  .type = JSON_UINT,
	  JSON_MEMBER(struct evidence_file, locks),
	  .present_offset = offsetof(struct evidence_file, has_locks),
	  .help = "Which of QEMU's bytes of the image are locked: bit N for byte 100+N, bit 8+N "
		  "for "
		  "200+N." },
	{ 0 },
};

static const struct json_field nic_fields[] = {
	{ .key = "id",
	  .type = JSON_STRING,
	  .required = true,
	  JSON_MEMBER(struct evidence_nic, id),
	  .help = "Id in the definition." },
	TEXT(struct evidence_nic, bridge, "Bridge that the interface is a port of."),
	{ 0 },
};

static const struct json_field word_fields[] = {
	NUMBER(struct evidence_word, eax, "CPUID's input."),
	{ .key = "ecx",
	  .type = JSON_UINT,
	  JSON_MEMBER(struct evidence_word, ecx),
	  .present_offset = offsetof(struct evidence_word, has_ecx),
	  .help = "CPUID's second input." },
	TEXT(struct evidence_word, reg, "The register of CPUID's answer."),
	NUMBER(struct evidence_word, features, "The bits that the guest has."),
	{ 0 },
};

static const struct json_field queue_fields[] = {
	TEXT(struct evidence_queue, path, "Path of the device in QEMU's object model."),
	NUMBER(struct evidence_queue, queue, "Number of the virtqueue."),
	NUMBER(struct evidence_queue, entries, "Entries that it has."),
	NUMBER(struct evidence_queue, room, "Entries that its queue-size says; 0: not known."),
	{ 0 },
};

const struct json_field evidence_fields[] = {
	TEXT(struct evidence, boot_id, "Of the kernel that gave the inodes."),
	{ .key = "files",
	  .type = JSON_ARRAY,
	  JSON_MEMBERS(struct evidence, files, file_count),
	  .fields = file_fields,
	  .help = "Images, backing files, shared memory." },
	{ .key = "nics",
	  .type = JSON_ARRAY,
	  JSON_MEMBERS(struct evidence, nics, nic_count),
	  .fields = nic_fields,
	  .help = "The host's interfaces of the guest." },
	{ .key = "words",
	  .type = JSON_ARRAY,
	  JSON_MEMBERS(struct evidence, words, word_count),
	  .fields = word_fields,
	  .help = "Features of the guest's CPU." },
	TEXT(struct evidence, cpu_vendor, "Vendor that the guest's CPU tells (CPUID)."),
	{ .key = "queues",
	  .type = JSON_ARRAY,
	  JSON_MEMBERS(struct evidence, queues, queue_count),
	  .fields = queue_fields,
	  .help = "Virtqueues of the guest's devices, where they may be too large for another "
		  "QEMU." },
	TEXT(struct evidence, qemu, "Version of the QEMU in which the guest is."),
	FLAG(struct evidence, assert_disks,
	     "The caller who asked for the move vouches for the disks."),
	FLAG(struct evidence, assert_cpu, "Who asked for the move vouches for the CPU."),
	{ 0 },
};

bool evidence_decode(struct json_object *obj, struct evidence *ret, struct err *err)
{
	memset(ret, 0, sizeof(*ret));
	return json_decode_object(obj, evidence_fields, ret, JSON_IGNORE_UNKNOWN, err) ||
	       err_wrap(err, "evidence");
}

const struct evidence_file *evidence_find(const struct evidence *evidence, const char *path)
{
	for (size_t i = 0; i < evidence->file_count; i++) {
		if (strcmp(evidence->files[i].path, path) == 0)
			return &evidence->files[i];
	}
	return NULL;
}

void evidence_take_words(struct evidence *evidence, struct json_object *words)
{
	size_t count = json_count(words);

	evidence->word_count = 0;
	for (size_t i = 0; i < count && evidence->word_count < EVIDENCE_WORDS_MAX; i++) {
		struct json_object *obj = json_object_array_get_idx(words, i);
		struct evidence_word *word = &evidence->words[evidence->word_count];
		const char *reg = json_get_str(obj, "cpuid-register");
		int64_t ecx = json_get_int(obj, "cpuid-input-ecx", -1);

		if (!reg)
			continue;
		*word = (struct evidence_word){
			.eax = (uint64_t)json_get_int(obj, "cpuid-input-eax", 0) & UINT32_MAX,
			.ecx = ecx >= 0 ? (uint64_t)ecx & UINT32_MAX : 0,
			.has_ecx = ecx >= 0,
			.features = (uint64_t)json_get_int(obj, "features", 0) & UINT32_MAX,
		};
		snprintf(word->reg, sizeof(word->reg), "%s", reg);
		evidence->word_count++;
	}
}

void evidence_take_vendor(struct evidence *evidence, struct json_object *vendor)
{
	const char *text =
		json_object_is_type(vendor, json_type_string) ? json_object_get_string(vendor) : "";

	snprintf(evidence->cpu_vendor, sizeof(evidence->cpu_vendor), "%.*s",
		 (int)sizeof(evidence->cpu_vendor) - 1, text);
	utf8_trim(evidence->cpu_vendor);
}
