-- SPDX-License-Identifier: LGPL-2.1-or-later
-- The disks of a stopped VM are being made what they were at this snapshot; '': they are not.
ALTER TABLE vm ADD COLUMN reverting TEXT NOT NULL DEFAULT '';
