/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "machine/record.h"

#include "base/mem.h"
#include "machine/machine.h"

/* Delay before facts that the disk refused are written again. */
#define RETRY_MS 1000

struct record_wait {
	STAILQ_ENTRY(record_wait) link;
	uint64_t number; /* answered when that is on disk */
	record_done_fn *done;
	void *data;
};

/* Those that wait for NUMBER or less: it is on disk, or with ERR is not. */
static void answer(struct machine_record *record, uint64_t number, const struct err *err)
{
	struct record_wait *wait;

	while ((wait = STAILQ_FIRST(&record->waits)) && wait->number <= number) {
		STAILQ_REMOVE_HEAD(&record->waits, link);
		wait->done(wait->data, err);
		free(wait);
	}
}

void record_init(struct machine_record *record)
{
	STAILQ_INIT(&record->waits);
}

void record_fini(struct machine_record *record)
{
	struct err err;

	err_set(&err, ERR_UNAVAILABLE, "this coordinator is stopping");
	answer(record, UINT64_MAX, &err);
}

uint64_t record_change(struct machine *machine)
{
	return ++machine->record.change;
}

bool record_has(const struct machine *machine, uint64_t number)
{
	return number <= machine->record.on_disk;
}

void record_wait(struct machine *machine, record_done_fn *done, void *data)
{
	struct record_wait *wait = xnew(struct record_wait);

	*wait = (struct record_wait){ .number = machine->record.change,
				      .done = done,
				      .data = data };
	STAILQ_INSERT_TAIL(&machine->record.waits, wait, link);
}

/* ---- facts are written ------------------------------------------------------------- */

void record_write(struct machine *machine)
{
	struct machine_record *record = &machine->record;
	uint64_t now_ms = loop_now_ms(machine->machines->loop);

	if (machine->is_saving || record->is_writing)
		return;
	if (record->change == record->on_disk) { /* what was asked for changes nothing */
		answer(record, record->on_disk, NULL);
	} else if (now_ms >= record->next_ms) {
		record->is_writing = true;
		machine_save(machine);
	} else if (machine->retry) {
		loop_timer_start(machine->retry, record->next_ms - now_ms);
	}
}

void record_written(struct machine *machine, uint64_t number, const struct err *err)
{
	struct machine_record *record = &machine->record;

	record->is_writing = false;
	record->next_ms =
		loop_now_ms(machine->machines->loop) + (err ? RETRY_MS : record->pause_ms);
	if (!err && number > record->on_disk)
		record->on_disk = number;
	answer(record, err ? number : record->on_disk, err);
	if (err)
		record_write(machine);
}

/* ---- a state is written -------------------------------------------------------------- */

void record_fill(struct machine_record *record)
{
	record->filled = record->change;
}

void record_refused(struct machine_record *record, const struct err *err)
{
	answer(record, record->filled, err);
}

void record_filled_is_on_disk(struct machine_record *record)
{
	if (record->filled > record->on_disk)
		record->on_disk = record->filled;
}

void record_entered(struct machine *machine)
{
	bool is_final = machine_is_final(machine); /* nothing of it is written any more */

	answer(&machine->record, is_final ? UINT64_MAX : machine->record.on_disk, NULL);
}
