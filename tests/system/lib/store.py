# SPDX-License-Identifier: LGPL-2.1-or-later
"""The checksums of a state database's rows (migrd/store/sound.h), implemented a second time."""
import struct

INTEGER, TEXT, NULL = 1, 3, 5   # SQLite's numbers for types


def fnv(data):
    total = 0xcbf29ce484222325
    for byte in data:
        total = (total ^ byte) * 0x100000001b3 % (1 << 64)
    return total


def row_sum(*values):
    data = b""
    for value in values:
        if value is None:
            data += struct.pack("<Q", NULL)
        elif isinstance(value, int):
            data += struct.pack("<Qq", INTEGER, value)
        else:
            text = value.encode()
            data += struct.pack("<QQ", TEXT, len(text)) + text
    return struct.unpack("<q", struct.pack("<Q", fnv(data)))[0]


def renew_sums(db, *tables):
    """Makes the sums right after rows of DB were changed by hand, so that the change counts as
    written; TABLES: those of VMs and moves by default."""
    db.create_function("row_sum", -1, row_sum)
    for table in tables or ("vm", "move"):
        names = [row[0] for row in db.execute(f"SELECT name FROM pragma_table_info('{table}')")]
        names.remove("sum")
        db.execute(f"UPDATE {table} SET sum = row_sum({', '.join(names)})")
