-- SPDX-License-Identifier: LGPL-2.1-or-later
-- VMs that are started after a boot of the host.  The members of struct store_vm
-- (migrd/store/store.h) tell what the columns mean.

ALTER TABLE vm ADD COLUMN seen_boot TEXT NOT NULL DEFAULT '';
ALTER TABLE vm ADD COLUMN autostart_due INTEGER NOT NULL DEFAULT 0;
