-- SPDX-License-Identifier: LGPL-2.1-or-later
-- Policies that users made.  The members of struct store_policy (migrd/store/store.h) tell what
-- the columns mean.

CREATE TABLE policy (
	name       TEXT NOT NULL PRIMARY KEY,
	definition TEXT,
	created_ms INTEGER NOT NULL,
	updated_ms INTEGER NOT NULL,
	sum        INTEGER NOT NULL DEFAULT 0
) STRICT;
