-- SPDX-License-Identifier: LGPL-2.1-or-later
-- An ended move is settled when the other host has noted its end, so that nobody
-- will ask for its verdict again; only then may it go.  Of the moves of before, the
-- one that brought a VM its present generation may still be asked for.

ALTER TABLE move ADD COLUMN settled INTEGER NOT NULL DEFAULT 0 CHECK (settled IN (0, 1));

UPDATE move SET settled = 1 WHERE is_final = 1 AND NOT (verdict = 'taken' AND EXISTS (
	SELECT 1 FROM vm WHERE vm.uuid = move.vm_uuid AND vm.generation = move.generation + 1));

DROP INDEX move_ended;
CREATE INDEX move_ended ON move (verdict = 'unknown', ended_ms DESC, id DESC)
	WHERE is_final = 1 AND settled = 1;
