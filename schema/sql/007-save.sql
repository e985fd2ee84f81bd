-- SPDX-License-Identifier: LGPL-2.1-or-later
-- Guests in files.  The members of struct store_save (migrd/store/store.h) tell what the
-- columns mean.

CREATE TABLE save (
	id         TEXT NOT NULL PRIMARY KEY,
	kind       TEXT NOT NULL,
	vm_uuid    TEXT NOT NULL,
	vm_name    TEXT NOT NULL,
	path       TEXT,
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
CREATE INDEX save_ended ON save (ended_ms DESC, id DESC) WHERE is_final = 1;
CREATE TRIGGER save_ends AFTER UPDATE OF is_final ON save
WHEN NEW.is_final = 1 AND OLD.is_final = 0 BEGIN
	DELETE FROM save WHERE id IN (SELECT id FROM save WHERE is_final = 1
		ORDER BY ended_ms DESC, id DESC LIMIT -1 OFFSET 100);
END;

-- The save whose file has the guest as it is now.
ALTER TABLE vm ADD COLUMN save_id TEXT NOT NULL DEFAULT '';
ALTER TABLE vm ADD COLUMN saved_in TEXT;
