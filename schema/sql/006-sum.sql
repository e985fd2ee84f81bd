-- SPDX-License-Identifier: LGPL-2.1-or-later
-- The checksum of a row (migrd/store/sound.h): a page whose content has changed
-- while its structure is whole is found out.

ALTER TABLE vm ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;
ALTER TABLE move ADD COLUMN sum INTEGER NOT NULL DEFAULT 0;
