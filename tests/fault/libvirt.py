# SPDX-License-Identifier: LGPL-2.1-or-later
"""Our measurements of libvirt 9.0.0 (Debian 12, QEMU 7.2, peer to peer, TLS control): rows of
(fault, guests running at the end and for how long the guest stood still).  A is the source, B the
destination."""

LOST = "1 (A), move lost"

LIBVIRT = {
    "0a": ("cancelled", "1 (A), <= 0.1 s"),
    "0b": ("client killed", "1 (B), 0.2 s; nobody is told"),
    "1": ("source's daemon killed in pre-copy", f"{LOST}, <= 0.1 s"),
    "1b": ("the same, away 30 s, guest converges", f"{LOST}, 0.1 s"),
    "2": ("destination's daemon killed in pre-copy", f"{LOST}, <= 0.1 s"),
    "3": ("both daemons killed in pre-copy", f"{LOST}, <= 0.1 s"),
    "3b": ("the same, away 30 s, guest converges", f"{LOST}, 24.5 s"),
    "4": ("source's QEMU killed", "0"),
    "5": ("destination's QEMU killed", "1 (A), <= 0.1 s"),
    "6": ("link down 5 s in pre-copy", "1 (A), <= 0.1 s, survives"),
    "6b": ("the same, guest converges", "1 (B), 0.2 s"),
    "7": ("link down 60 s in pre-copy", f"{LOST} after 27 s, <= 0.3 s"),
    "8a": ("link cut at pre-switchover, 5 s", "1 (B), 6.6 s"),
    "8b": ("link cut at pre-switchover, 60 s", "1 (A), 60.5 s"),
    "8c": ("link cut at completed, 60 s", "1 (A), 28.2 s"),
    "8d": ("link cut at cont, 5 s", "1 (B), 0.2 s"),
    "8e": ("link cut at cont, 60 s", "**2: runs twice**, 3 of 3"),
    "9": ("source's daemon stopped 60 s", f"{LOST}, <= 0.4 s"),
    "9b": ("source's daemon stopped 20 s, guest converges", "1 (B), 14.5 s"),
    "9c": ("destination's daemon stopped 60 s", f"{LOST}, <= 0.4 s"),
    "10": ("destination's disk full", f"{LOST}, <= 0.1 s"),
    "11": ("source's daemon killed at pre-switchover, away 8 s", "1 (A), 8.1 s"),
    "12": ("destination's daemon killed at pre-switchover", f"{LOST}, 0.1 s"),
    "13": ("both daemons killed at pre-switchover, away 8 s", "1 (A), 8.1 s"),
    "14": ("source's daemon killed at completed, away 8 s", "1 (A), 8.3 s"),
    "15": ("destination's daemon killed at completed", f"{LOST}, 0.2 s"),
    "16": ("both daemons killed at completed, away 8 s", "1 (A), 8.2 s"),
    "17": ("destination's daemon killed just after cont", "**2: runs twice**, 6 of 6"),
    "18": ("post-copy: source's daemon killed", "1 (B), 1.4 s; reported as failed"),
    "19": ("post-copy: destination's daemon killed", "1 (B), 1.2 s; reported as failed"),
    "20": ("post-copy: link down 60 s", "1 (B), 60 s and more"),
    "21": ("post-copy: source's QEMU killed", "0, and the name is blocked"),
}
