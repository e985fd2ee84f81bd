/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "move/outage.h"

#include <stdio.h>
#include <string.h>

static bool has_come_back(const struct outage_basis *basis)
{
	return basis->there == basis->here;
}

const struct nic_frames *outage_nic(const struct nic_frames_list *list, const char *nic)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->nics[i].nic, nic) == 0)
			return &list->nics[i];
	return NULL;
}

/* Writes why there is no figure; false: there is one. */
static bool explain_none(const struct outage_basis *basis, const struct nic_frames *here,
			 const struct nic_frames *there, char note[MOVE_OUTAGE_NOTE_SIZE])
{
	const size_t size = MOVE_OUTAGE_NOTE_SIZE;
	const struct nic_frames_list *list = basis->there;

	if (here->note[0])
		snprintf(note, size, "on host '%s': %s", basis->source, here->note);
	else if (!here->last_us)
		snprintf(note, size, "no frame of the guest was seen on host '%s' before its stop",
			 basis->source);
	else if (!list)
		snprintf(note, size, "%s", basis->no_word);
	else if (!there)
		snprintf(note, size, "on host '%s': %s", basis->host,
			 list->note[0] ? list->note : "the NIC was not watched");
	else if (there->note[0] && !there->own_us)
		snprintf(note, size, "on host '%s': %s", basis->host, there->note);
	else if (!there->own_us && list->is_watching)
		snprintf(note, size, "no frame of the guest was seen yet on host '%s'",
			 basis->host);
	else if (!there->own_us)
		snprintf(note, size, "no frame of the guest was seen on host '%s' within %d s%s",
			 basis->host, OUTAGE_WAIT_MS / 1000,
			 there->first_us ? " but for announcements" : "");
	else if (!has_come_back(basis) && !basis->clocks->is_known)
		snprintf(note, size, "the clocks of the two hosts were not compared");
	else
		return false;
	return true;
}

static double ms_between(const struct outage_basis *basis, uint64_t last_us, uint64_t first_us)
{
	int64_t us = (int64_t)first_us - (int64_t)last_us;

	if (!has_come_back(basis))
		us -= basis->clocks->ahead_us;
	return us > 0 ? (double)us / 1000 : 0;
}

static void show_nic(const struct outage_basis *basis, const struct nic_frames *here,
		     struct move_nic_outage *ret)
{
	const struct nic_frames *there = basis->there ? outage_nic(basis->there, here->nic) : NULL;

	memcpy(ret->id, here->nic, sizeof(ret->id));
	ret->ping = nic_ping_names[here->ping];
	ret->has_pause = here->pause_us > 0;
	ret->pause_ms = (double)here->pause_us / 1000;
	ret->has_outage = !explain_none(basis, here, there, ret->note);
	if (!ret->has_outage || !there)
		return;
	ret->outage_ms = ms_between(basis, here->last_us, there->own_us);
	ret->outage_error_ms = (double)here->late_us / 1000;
	if (!has_come_back(basis))
		ret->outage_error_ms +=
			(double)clocks_error_us(basis->clocks, basis->clocks_at_us) / 1000;
	ret->announced_ms = ms_between(basis, here->last_us, there->first_us);
}

/* The first NIC of which a figure could come; else the first. */
static size_t likeliest(const struct nic_frames_list *here)
{
	for (size_t i = 0; i < here->count; i++)
		if (here->nics[i].last_us)
			return i;
	return 0;
}

/* The worst NIC is that of the guest. */
static void show_worst(const struct nic_frames_list *here, struct move_measured *ret)
{
	const struct move_nic_outage *worst = NULL;

	for (size_t i = 0; i < ret->nic_count; i++) {
		const struct move_nic_outage *nic = &ret->nics[i];

		if (nic->has_outage && (!worst || nic->outage_ms > worst->outage_ms))
			worst = nic;
	}
	if (!worst) {
		memcpy(ret->outage_note, ret->nics[likeliest(here)].note, sizeof(ret->outage_note));
		return;
	}
	ret->has_outage = true;
	ret->outage_ms = worst->outage_ms;
	ret->outage_error_ms = worst->outage_error_ms;
	memcpy(ret->outage_nic, worst->id, sizeof(ret->outage_nic));
}

void outage_of(const struct outage_basis *basis, struct move_measured *ret)
{
	if (!basis->here->count) {
		snprintf(ret->outage_note, sizeof(ret->outage_note), "%s", basis->here->note);
		return;
	}
	for (size_t i = 0; i < basis->here->count; i++)
		show_nic(basis, &basis->here->nics[i], &ret->nics[ret->nic_count++]);
	show_worst(basis->here, ret);
}
