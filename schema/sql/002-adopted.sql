-- SPDX-License-Identifier: LGPL-2.1-or-later
-- The monitor of a QEMU that somebody else started: '' for those of our own.

ALTER TABLE vm ADD COLUMN monitor TEXT NOT NULL DEFAULT '';
