-- SPDX-License-Identifier: LGPL-2.1-or-later
-- Holds of the host and of its VMs, and what keeps new guests away.  The members of struct
-- store_hold (migrd/store/store.h) tell what the columns mean.

CREATE TABLE hold (
	id              TEXT NOT NULL PRIMARY KEY,
	kind            TEXT NOT NULL,
	vm_uuid         TEXT NOT NULL,
	vm_name         TEXT NOT NULL,
	owner           TEXT NOT NULL,
	reason          TEXT NOT NULL,
	created_by      TEXT NOT NULL,
	idempotency_key TEXT NOT NULL,
	request         TEXT,
	created_ms      INTEGER NOT NULL,
	updated_ms      INTEGER NOT NULL,
	until_ms        INTEGER NOT NULL,
	sum             INTEGER NOT NULL DEFAULT 0
) STRICT;
