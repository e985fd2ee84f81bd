-- SPDX-License-Identifier: LGPL-2.1-or-later
-- Backups of guests' disks.  The members of struct store_vmbackup (migrd/store/store.h) tell what
-- the columns mean.

CREATE TABLE vmbackup (
	id         TEXT NOT NULL PRIMARY KEY,
	vm_uuid    TEXT NOT NULL,
	vm_name    TEXT NOT NULL,
	directory  TEXT,
	state      TEXT NOT NULL,
	is_final   INTEGER NOT NULL CHECK (is_final IN (0, 1)),
	error_code TEXT NOT NULL,
	error_text TEXT NOT NULL,
	detail     TEXT,
	created_ms INTEGER NOT NULL,
	updated_ms INTEGER NOT NULL,
	ended_ms   INTEGER NOT NULL,
	sum        INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Of those that have ended the newest are kept.
CREATE INDEX vmbackup_ended ON vmbackup (ended_ms DESC, id DESC) WHERE is_final = 1;
CREATE TRIGGER vmbackup_ends AFTER UPDATE OF is_final ON vmbackup
WHEN NEW.is_final = 1 AND OLD.is_final = 0 BEGIN
	DELETE FROM vmbackup WHERE id IN (SELECT id FROM vmbackup WHERE is_final = 1
		ORDER BY ended_ms DESC, id DESC LIMIT -1 OFFSET 100);
END;
