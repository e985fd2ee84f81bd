-- SPDX-License-Identifier: LGPL-2.1-or-later
-- Maintenances that this host conducts.  The members of struct store_maintenance
-- (migrd/store/store.h) tell what the columns mean.

CREATE TABLE maintenance (
	id              TEXT NOT NULL PRIMARY KEY,
	state           TEXT NOT NULL,
	is_final        INTEGER NOT NULL CHECK (is_final IN (0, 1)),
	error_code      TEXT NOT NULL,
	error_text      TEXT NOT NULL,
	request         TEXT,
	hosts           TEXT,
	detail          TEXT,
	created_ms      INTEGER NOT NULL,
	updated_ms      INTEGER NOT NULL,
	ended_ms        INTEGER NOT NULL,
	sum             INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Of those that have ended the newest are kept.
CREATE INDEX maintenance_ended ON maintenance (ended_ms DESC, id DESC) WHERE is_final = 1;
CREATE TRIGGER maintenance_ends AFTER UPDATE OF is_final ON maintenance
WHEN NEW.is_final = 1 AND OLD.is_final = 0 BEGIN
	DELETE FROM maintenance WHERE id IN (SELECT id FROM maintenance WHERE is_final = 1
		ORDER BY ended_ms DESC, id DESC LIMIT -1 OFFSET 100);
END;
