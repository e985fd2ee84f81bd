# SPDX-License-Identifier: LGPL-2.1-or-later
"""Support for the system tests: hosts, guests and their consoles."""
