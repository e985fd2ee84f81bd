-- SPDX-License-Identifier: LGPL-2.1-or-later
-- The first schema.  The members of struct store_vm and struct store_move
-- (migrd/store/store.h) tell what the columns mean.

CREATE TABLE vm (
	uuid            TEXT NOT NULL PRIMARY KEY,
	name            TEXT NOT NULL UNIQUE,
	role            TEXT NOT NULL,
	intent          TEXT NOT NULL,
	generation      INTEGER NOT NULL,
	definition      TEXT,
	qemu_pid        INTEGER NOT NULL,
	qemu_start_time INTEGER NOT NULL,
	boot_id         TEXT NOT NULL,
	created_ms      INTEGER NOT NULL,
	started_ms      INTEGER NOT NULL
) STRICT;

-- No foreign key to vm: the records of a move outlive the VM on this host.
CREATE TABLE move (
	id              TEXT NOT NULL PRIMARY KEY,
	kind            TEXT NOT NULL,
	vm_uuid         TEXT NOT NULL,
	vm_name         TEXT NOT NULL,
	peer            TEXT NOT NULL,
	generation      INTEGER NOT NULL,
	state           TEXT NOT NULL,
	verdict         TEXT NOT NULL,
	is_final        INTEGER NOT NULL CHECK (is_final IN (0, 1)),
	error_code      TEXT NOT NULL,
	error_text      TEXT NOT NULL,
	idempotency_key TEXT NOT NULL,
	detail          TEXT,
	created_ms      INTEGER NOT NULL,
	updated_ms      INTEGER NOT NULL,
	ended_ms        INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX move_idempotency_key ON move (idempotency_key)
	WHERE idempotency_key <> '';
CREATE INDEX move_ended ON move (ended_ms, id) WHERE is_final = 1;

-- One tree, in the order in which it is read: an entry costs one page more.
CREATE TABLE timeline (
	move_id TEXT NOT NULL REFERENCES move (id) ON DELETE CASCADE,
	seq     INTEGER NOT NULL,
	at_ms   INTEGER NOT NULL,
	event   TEXT NOT NULL,
	detail  TEXT NOT NULL,
	PRIMARY KEY (move_id, seq)
) STRICT, WITHOUT ROWID;
