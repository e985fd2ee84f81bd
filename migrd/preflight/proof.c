/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What proves that a path leads to the same file on two hosts. */
#include <string.h>

#include "base/mem.h"
#include "preflight/checks.h"

enum verdict {
	SAME,
	OTHER,     /* certainly another file */
	NOT_KNOWN, /* this way proves nothing here */
};

struct pair {
	const struct need_file *need;
	const struct evidence_file *there, *here;
	bool same_kernel;
};

/* The source wrote a random text beside the file.  If the same text is beside the file here,
 * both are in one directory of one file system, where a name stands for one file. */
static enum verdict by_token(const struct pair *pair)
{
	if (!pair->there->token[0] || pair->here->type != EVIDENCE_TYPE_FILE)
		return NOT_KNOWN;
	if (strcmp(pair->there->token, pair->here->token) != 0)
		return OTHER;
	return strcmp(pair->there->name, pair->here->name) == 0 ? SAME : OTHER;
}

/* If both coordinators run on one kernel, device and inode identify a file.  Where a token file
 * could be written, it decides alone: two machines started from one snapshot share boot id and
 * inodes. */
static enum verdict by_inode(const struct pair *pair)
{
	if (!pair->same_kernel || pair->there->token[0] || !pair->there->inode[0])
		return NOT_KNOWN;
	return strcmp(pair->there->inode, pair->here->inode) == 0 ? SAME : OTHER;
}

/* Compares the world-wide names, which the maker of a disk or the volume manager gave. */
static enum verdict by_device(const struct pair *pair)
{
	if (!pair->there->device[0] || !pair->here->device[0])
		return NOT_KNOWN;
	return strcmp(pair->there->device, pair->here->device) == 0 &&
			       pair->there->size == pair->here->size
		       ? SAME
		       : OTHER;
}

/* A copy will do for a file that the guest only reads.  Samples may miss a difference, so
 * then the time of the last change must be the same too. */
static enum verdict by_content(const struct pair *pair)
{
	const struct evidence_file *there = pair->there, *here = pair->here;

	if (pair->need->kind != NEED_SAME_CONTENT || !there->digest[0])
		return NOT_KNOWN;
	if (there->size != here->size || strcmp(there->digest, here->digest) != 0)
		return OTHER;
	return there->sampled && there->mtime_s != here->mtime_s ? NOT_KNOWN : SAME;
}

static const struct proof {
	enum verdict (*judge)(const struct pair *pair);
} proofs[] = {
	{ by_token },
	{ by_inode },
	{ by_device },
	{ by_content },
};

/* One proof that the file is the same is enough.  Without any, it is another file if one of the
 * proofs says so. */
static enum verdict judge(const struct pair *pair)
{
	enum verdict verdict = NOT_KNOWN;

	if (pair->there->type != pair->here->type)
		return OTHER;
	for (size_t i = 0; i < ARRAY_LEN(proofs); i++) {
		enum verdict one = proofs[i].judge(pair);

		if (one == SAME)
			return SAME;
		if (one == OTHER)
			verdict = OTHER;
	}
	return verdict;
}

#define CHECK       "disks"
#define ASSERT_HINT "or, if you know that it is the same, ask with assert_same_disks"

static void tell(const struct preflight *preflight, const struct pair *pair, enum verdict verdict,
		 struct preflight_reasons *ret)
{
	const struct need_file *need = pair->need;

	if (verdict == OTHER && need->kind == NEED_SAME_CONTENT)
		preflight_add(ret, CHECK,
			      "%s: '%s' has another content here than on host '%s': mount the same "
			      "storage here, or copy the file",
			      need->what, need_path(need), preflight->source);
	else if (verdict == OTHER)
		preflight_add(ret, CHECK,
			      "%s: '%s' is another file here than on host '%s': mount the same "
			      "storage here",
			      need->what, need_path(need), preflight->source);
	else if (need->kind == NEED_SAME_CONTENT && pair->there->sampled)
		preflight_add(ret, CHECK,
			      "%s: '%s' is large, and was changed at another time here than on "
			      "host "
			      "'%s': copy it with its time of change, " ASSERT_HINT,
			      need->what, need_path(need), preflight->source);
	else
		preflight_add(ret, CHECK,
			      "%s: nothing proves that '%s' is the same here and on host '%s': use "
			      "storage in whose directory migrd may write, or a block device with "
			      "a "
			      "world-wide name, " ASSERT_HINT,
			      need->what, need_path(need), preflight->source);
}

/* How a file that is at another path here may be found. */
static const char *another_path(const struct need_file *need)
{
	return need->is_firmware ? ", or name another by 'firmware_map' of [storage]"
	       : need->is_base   ? ", or name another by 'map' of [storage], or leave out shared_base "
				   "of the disk, then all is copied"
				 : "";
}

static void judge_file(const struct preflight *preflight, const struct need_file *need,
		       struct preflight_reasons *ret)
{
	static const struct evidence_file nothing = { 0 };
	const struct evidence_file *there = evidence_find(preflight->there, need->path);
	const struct pair pair = {
		.need = need,
		.there = there ? there : &nothing,
		.here = evidence_find(preflight->here, need->path),
		.same_kernel = preflight->there->boot_id[0] &&
			       strcmp(preflight->there->boot_id, preflight->here->boot_id) == 0,
	};
	enum verdict verdict;

	if (need->path[0] == '/' && (!pair.here || pair.here->type == EVIDENCE_TYPE_NONE)) {
		preflight_add(ret, CHECK,
			      "%s: '%s' is not there on this host, or cannot be reached: mount its "
			      "storage, or copy the file%s",
			      need->what, need_path(need), another_path(need));
		return;
	}
	if (need->kind == NEED_PRESENT || preflight->there->assert_disks)
		return;
	verdict =
		pair.here && there && there->type != EVIDENCE_TYPE_NONE ? judge(&pair) : NOT_KNOWN;
	if (verdict != SAME)
		tell(preflight, &pair, verdict, ret);
}

void proof_judge_files(const struct preflight *preflight, struct preflight_reasons *ret)
{
	for (size_t i = 0; i < preflight->needs->file_count; i++)
		judge_file(preflight, &preflight->needs->files[i], ret);
	if (preflight->needs->is_cut && !preflight->there->assert_disks)
		preflight_add(ret, CHECK,
			      "the guest uses more files, or longer paths, than are compared: "
			      "shorten its chains of backing files, " ASSERT_HINT);
}
