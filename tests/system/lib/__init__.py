# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the system tests stand on: hosts, guests and their consoles."""
