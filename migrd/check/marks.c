/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What moves left in the storage of this host: marks (storage/image.h, storage/tpm_state.h) of
 * moves that are not under way.  All of it is left to people: an image that was made by a move
 * may have been given to a guest since. */
#include <string.h>

#include "check/kinds.h"

#define SAY(finding, member, ...) \
	snprintf((finding)->member, sizeof((finding)->member), __VA_ARGS__)

/* What the records say of the move of a mark. */
enum fate {
	FATE_UNDER_WAY,
	FATE_KEPT,    /* the guest came here */
	FATE_REFUSED, /* it did not, and never ran here */
	FATE_SENT,    /* the move went from here to another host, which makes the images */
	FATE_OPEN,    /* it has ended, and the guest may have run here (move_images_undo()), or the
		       * record may be old */
	FATE_UNKNOWN, /* there is no record; or it was a refresh */
};

static enum fate fate_of(const struct check_view *view, const struct check_move *move)
{
	if (!move)
		return FATE_UNKNOWN;
	if (!move->is_final)
		return FATE_UNDER_WAY;
	if (move->is_out)
		return FATE_SENT;
	if (view->doubt[0])
		return FATE_OPEN;
	switch (move->verdict) {
	case VERDICT_TAKEN:
		return FATE_KEPT;
	case VERDICT_REFUSED:
		return FATE_REFUSED;
	case VERDICT_NONE:
	case VERDICT_UNKNOWN:
	case VERDICT_COUNT:
		break;
	}
	return FATE_OPEN;
}

/* ---- what is told ------------------------------------------------------------------ */

static void say_explanation(const struct storage_mark *mark, const struct check_move *move,
			    struct check_finding *finding)
{
	static const char *const beside[] = {
		[MARK_BESIDE_NOTHING] = "which is not there any more",
		[MARK_BESIDE_MADE] = "which it made",
		[MARK_BESIDE_OTHER] = "which is another file now, and not the move's",
	};
	const char *what = mark->is_tpm ? "the state of a TPM, with its keys," : "the image";

	if (move)
		SAY(finding, explanation,
		    "the move of VM '%s' %s host '%s' has ended (%s, %s), and its mark is left at "
		    "%s '%s', %s",
		    move->vm, move->is_out ? "to" : "from", move->peer, move->state,
		    verdict_names[move->verdict], what, mark->name, beside[mark->beside]);
	else
		SAY(finding, explanation,
		    "a move of which this host has no record, or a refresh that has ended, %s, has "
		    "its mark at %s '%s', %s",
		    mark->move, what, mark->name, beside[mark->beside]);
}

/* The mark of an image is a name of the image itself. */
static void say_refused(const struct storage_mark *mark, const struct check_move *move,
			struct check_finding *finding)
{
	if (mark->beside == MARK_BESIDE_MADE)
		SAY(finding, remedy,
		    "the guest never ran here. When host '%s' has it, and no VM was given '%s' "
		    "since, remove both, the mark last (rm%s)",
		    move->peer, mark->name, mark->is_tpm ? " -r" : "");
	else
		SAY(finding, remedy, "the guest never ran here: remove the mark (rm)%s",
		    mark->beside == MARK_BESIDE_OTHER ? ", and leave the other file" : "");
}

static void say_kept(const struct storage_mark *mark, struct check_finding *finding)
{
	if (mark->beside == MARK_BESIDE_NOTHING && !mark->is_tpm)
		SAY(finding, remedy,
		    "the guest came here, and the mark may be the last name of its image: look "
		    "where the guest has its disk now before you remove it");
	else
		SAY(finding, remedy,
		    "the guest came here: remove the mark alone (rm), and leave '%s', which may be "
		    "the guest's",
		    mark->name);
}

static void say_remedy(enum fate fate, const struct storage_mark *mark,
		       const struct check_move *move, struct check_finding *finding)
{
	switch (fate) {
	case FATE_KEPT:
		say_kept(mark, finding);
		break;
	case FATE_REFUSED:
		say_refused(mark, move, finding);
		break;
	case FATE_SENT:
		SAY(finding, remedy,
		    "host '%s' made it, so both hosts have this directory: check that host, and do "
		    "what it says",
		    move->peer);
		break;
	case FATE_OPEN:
		SAY(finding, remedy,
		    "the guest may have run here: leave it until you know that host '%s' or "
		    "another "
		    "has the guest, then remove both, the mark last; if this host has it, the mark "
		    "alone",
		    move->peer);
		break;
	case FATE_UNKNOWN:
		SAY(finding, remedy,
		    "another host that has this directory may be making it: leave it unless "
		    "'migrctl "
		    "move show %s' tells on no host of a move that is under way, and no guest uses "
		    "'%.60s'",
		    mark->move, mark->name);
		break;
	case FATE_UNDER_WAY:
		break;
	}
}

/* The mark of a refresh is not in the records of moves. */
static bool is_of_job(const struct check_view *view, const struct storage_mark *mark)
{
	for (size_t i = 0; i < view->vm_count; i++) {
		if (strcmp(view->vms[i].move, mark->move) == 0)
			return true;
	}
	return false;
}

void check_find_mark(const struct check_view *view, const struct check_kind *kind,
		     struct check_findings *findings)
{
	for (size_t i = 0; i < view->marks->count; i++) {
		const struct storage_mark *mark = &view->marks->list[i];
		const struct check_move *move = check_view_move(view, mark->move);
		enum fate fate = is_of_job(view, mark) ? FATE_UNDER_WAY : fate_of(view, move);
		struct check_finding *finding =
			fate == FATE_UNDER_WAY ? NULL
					       : check_findings_add(findings, kind, mark->move);

		if (!finding)
			continue;
		SAY(finding, object, "%s/.%s.migrd-%s", mark->dir, mark->name, mark->move);
		say_explanation(mark, move, finding);
		say_remedy(fate, mark, move, finding);
	}
}
