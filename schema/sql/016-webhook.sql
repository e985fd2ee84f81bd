-- SPDX-License-Identifier: LGPL-2.1-or-later
-- Webhooks, and what is to be delivered to them.  The members of struct store_webhook and struct
-- store_delivery (migrd/store/store.h) tell what the columns mean.

CREATE TABLE webhook (
	id              TEXT NOT NULL PRIMARY KEY,
	definition      TEXT,
	disabled        TEXT NOT NULL,
	created_by      TEXT NOT NULL,
	number          INTEGER NOT NULL,
	created_ms      INTEGER NOT NULL,
	updated_ms      INTEGER NOT NULL,
	sum             INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE delivery (
	id              TEXT NOT NULL PRIMARY KEY,
	webhook         TEXT NOT NULL REFERENCES webhook (id) ON DELETE CASCADE,
	number          INTEGER NOT NULL,
	state           TEXT NOT NULL,
	type            TEXT NOT NULL,
	body            TEXT,
	tries           INTEGER NOT NULL,
	status          INTEGER NOT NULL,
	error           TEXT NOT NULL,
	created_ms      INTEGER NOT NULL,
	expires_ms      INTEGER NOT NULL,
	tried_ms        INTEGER NOT NULL,
	retry_ms        INTEGER NOT NULL,
	sum             INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX delivery_webhook ON delivery (webhook);
