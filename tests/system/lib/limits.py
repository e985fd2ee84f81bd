# SPDX-License-Identifier: LGPL-2.1-or-later
"""The end of a wait that brought nothing."""


class OutOfTime(AssertionError):
    """What a test waits for has not come within the limit.  That may be a fault, or a machine that
    is busy with other things: run.py repeats such a test once, with no other one beside it."""
