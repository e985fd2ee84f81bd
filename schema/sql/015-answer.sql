-- SPDX-License-Identifier: LGPL-2.1-or-later
-- Answers to requests with an Idempotency-Key.  The members of struct store_answer
-- (migrd/store/store.h) tell what the columns mean.

CREATE TABLE answer (
	id              TEXT NOT NULL PRIMARY KEY,
	request         TEXT NOT NULL,
	status          INTEGER NOT NULL,
	body            TEXT,
	created_ms      INTEGER NOT NULL,
	sum             INTEGER NOT NULL DEFAULT 0
) STRICT;
