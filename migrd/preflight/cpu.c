/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The features of two CPUs, as QEMU's feature-words tell them. */
#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "preflight/checks.h"

/* Names of bits, as QEMU takes them behind -cpu (target/i386/cpu.c); "": the bit has none. */
struct word_names {
	uint32_t eax, ecx;
	const char *reg;
	const char *names[32];
};

static const struct word_names known[] = {
	{ 0x1, 0, "EDX", { "fpu",  "vme",   "de",   "pse",     "tsc",  "msr", "pae",  "mce",
			   "cx8",  "apic",  "",     "sep",     "mtrr", "pge", "mca",  "cmov",
			   "pat",  "pse36", "pn",   "clflush", "",     "ds",  "acpi", "mmx",
			   "fxsr", "sse",   "sse2", "ss",      "ht",   "tm",  "ia64", "pbe" } },
	{ 0x1, 0, "ECX", { "sse3",         "pclmulqdq", "dtes64", "monitor", "ds-cpl", "vmx",
			   "smx",          "est",       "tm2",    "ssse3",   "cid",    "",
			   "fma",          "cx16",      "xtpr",   "pdcm",    "",       "pcid",
			   "dca",          "sse4.1",    "sse4.2", "x2apic",  "movbe",  "popcnt",
			   "tsc-deadline", "aes",       "xsave",  "",        "avx",    "f16c",
			   "rdrand",       "hypervisor" } },
	{ 0x7, 0, "EBX", { "fsgsbase",
			   "tsc-adjust",
			   "sgx",
			   "bmi1",
			   "hle",
			   "avx2",
			   "fdp-excptn-only",
			   "smep",
			   "bmi2",
			   "erms",
			   "invpcid",
			   "rtm",
			   "",
			   "zero-fcs-fds",
			   "mpx",
			   "",
			   "avx512f",
			   "avx512dq",
			   "rdseed",
			   "adx",
			   "smap",
			   "avx512ifma",
			   "pcommit",
			   "clflushopt",
			   "clwb",
			   "intel-pt",
			   "avx512pf",
			   "avx512er",
			   "avx512cd",
			   "sha-ni",
			   "avx512bw",
			   "avx512vl" } },
	{ 0x7,
	  0,
	  "ECX",
	  { "",
	    "avx512vbmi",
	    "umip",
	    "pku",
	    "ospke",
	    "waitpkg",
	    "avx512vbmi2",
	    "shstk",
	    "gfni",
	    "vaes",
	    "vpclmulqdq",
	    "avx512vnni",
	    "avx512bitalg",
	    "",
	    "avx512-vpopcntdq",
	    "",
	    "la57",
	    "",
	    "",
	    "",
	    "",
	    "",
	    "rdpid",
	    "",
	    "bus-lock-detect",
	    "cldemote",
	    "",
	    "movdiri",
	    "movdir64b",
	    "",
	    "sgxlc",
	    "pks" } },
	{ 0x7,
	  0,
	  "EDX",
	  { "",
	    "",
	    "avx512-4vnniw",
	    "avx512-4fmaps",
	    "fsrm",
	    "",
	    "",
	    "",
	    "avx512-vp2intersect",
	    "",
	    "md-clear",
	    "",
	    "",
	    "",
	    "serialize",
	    "",
	    "tsx-ldtrk",
	    "",
	    "",
	    "arch-lbr",
	    "ibt",
	    "",
	    "amx-bf16",
	    "avx512-fp16",
	    "amx-tile",
	    "amx-int8",
	    "spec-ctrl",
	    "stibp",
	    "flush-l1d",
	    "arch-capabilities",
	    "core-capability",
	    "ssbd" } },
	{ 0xd, 1, "EAX", { "xsaveopt", "xsavec", "xgetbv1", "xsaves" } },
	{ 0x80000001, 0, "EDX", { "", "",       "",         "",     "",         "",        "",
				  "", "",       "",         "",     "syscall",  "",        "",
				  "", "",       "",         "",     "",         "mp",      "nx",
				  "", "mmxext", "",         "",     "fxsr-opt", "pdpe1gb", "rdtscp",
				  "", "lm",     "3dnowext", "3dnow" } },
	{ 0x80000001, 0, "ECX", { "lahf-lm",   "cmp-legacy",  "svm",
				  "extapic",   "cr8legacy",   "abm",
				  "sse4a",     "misalignsse", "3dnowprefetch",
				  "osvw",      "ibs",         "xop",
				  "skinit",    "wdt",         "",
				  "lwp",       "fma4",        "tce",
				  "",          "nodeid-msr",  "",
				  "tbm",       "topoext",     "perfctr-core",
				  "perfctr-nb" } },
	{ 0x80000007, 0, "EDX", { [8] = "invtsc" } },
	{ 0x80000008,
	  0,
	  "EBX",
	  { [0] = "clzero",
	    [2] = "xsaveerptr",
	    [9] = "wbnoinvd",
	    [12] = "ibpb",
	    [14] = "ibrs",
	    [15] = "amd-stibp",
	    [24] = "amd-ssbd",
	    [25] = "virt-ssbd" } },
};

/* The same register of the same CPUID input.  A word does not tell whether the processor or
 * QEMU's emulation provides a feature, but QEMU sets it in both cases. */
static bool is_word(const struct evidence_word *a, const struct evidence_word *b)
{
	return a->eax == b->eax && a->ecx == b->ecx && strcmp(a->reg, b->reg) == 0;
}

static uint64_t bits_of(const struct evidence *evidence, const struct evidence_word *word)
{
	for (size_t i = 0; i < evidence->word_count; i++) {
		if (is_word(&evidence->words[i], word))
			return evidence->words[i].features;
	}
	return 0;
}

static const char *name_of(const struct evidence_word *word, unsigned bit)
{
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		const char *name = known[i].names[bit];

		if (known[i].eax == word->eax && known[i].ecx == word->ecx &&
		    strcmp(known[i].reg, word->reg) == 0)
			return name && name[0] ? name : NULL;
	}
	return NULL;
}

static void add_names(struct strbuf *names, const struct evidence_word *word, uint64_t lost)
{
	for (unsigned bit = 0; bit < 32; bit++) {
		const char *name = name_of(word, bit);

		if (!(lost & (UINT64_C(1) << bit)))
			continue;
		if (names->len)
			strbuf_addf(names, ", ");
		if (name)
			strbuf_addf(names, "%s", name);
		else
			strbuf_addf(names, "CPUID 0x%" PRIx64 ".%" PRIu64 " %s bit %u", word->eax,
				    word->ecx, word->reg, bit);
	}
}

/* With KVM the vendor is that of the host's processor, whatever the model (host_cpu_vendor_fms() in
 * target/i386/host-cpu.c).  A guest has chosen its instructions by it when it started, so both can
 * have the same features, and the guest fails nevertheless. */
static void judge_vendor(const struct evidence *there, const struct evidence *here,
			 struct preflight_reasons *ret)
{
	if (there->cpu_vendor[0] && here->cpu_vendor[0] &&
	    strcmp(there->cpu_vendor, here->cpu_vendor) != 0)
		preflight_add(ret, "cpu",
			      "the guest's CPU is one of '%s', and would be one of '%s' here, for "
			      "which the guest has not chosen its instructions: move it to a host "
			      "with a processor of the same vendor, or stop it before, or ask with "
			      "assert_same_cpu",
			      there->cpu_vendor, here->cpu_vendor);
}

void cpu_judge(const struct evidence *there, const struct evidence *here,
	       struct preflight_reasons *ret)
{
	struct strbuf names = STRBUF_INIT;

	if (there->assert_cpu)
		return;
	judge_vendor(there, here, ret);
	for (size_t i = 0; i < there->word_count; i++)
		add_names(&names, &there->words[i],
			  there->words[i].features & ~bits_of(here, &there->words[i]));
	if (names.len)
		preflight_add(ret, "cpu",
			      "the guest's CPU would lose features that it has: %s: move it to a "
			      "host whose QEMU and processor have them, or stop it and give it a "
			      "cpu_model that both have, or ask with assert_same_cpu",
			      names.data);
	strbuf_fini(&names);
}
