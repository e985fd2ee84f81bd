-- SPDX-License-Identifier: LGPL-2.1-or-later
-- The device that is being added to a VM; NULL if none is.

ALTER TABLE vm ADD COLUMN attaching TEXT;
