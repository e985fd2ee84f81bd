-- SPDX-License-Identifier: LGPL-2.1-or-later
-- What a store knows of itself (migrd/store/identity.h): one row.

CREATE TABLE identity (
	id       TEXT NOT NULL PRIMARY KEY,
	epoch    INTEGER NOT NULL,
	sequence INTEGER NOT NULL,
	file     TEXT NOT NULL,
	is_open  INTEGER NOT NULL CHECK (is_open IN (0, 1)),
	doubt    TEXT NOT NULL
) STRICT;

-- The hosts that this VM came from or was offered to since, and where it is now
-- if it is no longer here.
ALTER TABLE vm ADD COLUMN hosts TEXT NOT NULL DEFAULT '';
ALTER TABLE vm ADD COLUMN elsewhere TEXT NOT NULL DEFAULT '';
