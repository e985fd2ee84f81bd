-- SPDX-License-Identifier: LGPL-2.1-or-later
-- Hooks of this host that were begun.  The members of struct store_hook (migrd/store/store.h) tell
-- what the columns mean.

CREATE TABLE hook (
	id              TEXT NOT NULL PRIMARY KEY,
	name            TEXT NOT NULL,
	state           TEXT NOT NULL,
	is_final        INTEGER NOT NULL CHECK (is_final IN (0, 1)),
	boot_id         TEXT NOT NULL,
	detail          TEXT,
	words           TEXT,
	created_ms      INTEGER NOT NULL,
	updated_ms      INTEGER NOT NULL,
	ended_ms        INTEGER NOT NULL,
	sum             INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Of those that have ended the newest are kept.
CREATE INDEX hook_ended ON hook (ended_ms DESC, id DESC) WHERE is_final = 1;
CREATE TRIGGER hook_ends AFTER UPDATE OF is_final ON hook
WHEN NEW.is_final = 1 AND OLD.is_final = 0 BEGIN
	DELETE FROM hook WHERE id IN (SELECT id FROM hook WHERE is_final = 1
		ORDER BY ended_ms DESC, id DESC LIMIT -1 OFFSET 100);
END;
