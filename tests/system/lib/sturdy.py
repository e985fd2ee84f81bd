# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tests in which a coordinator ends by itself at some point, which the test only knows afterwards."""
import http.client

from .api import ApiError


class Sturdy:
    """Beside SystemTest: what is asked of host a while it may end."""

    sturdy_seconds = 60
    crashes = 0         # so often it was started again

    def sturdy(self, what, call, timeout=None):
        """CALL until it is answered, with the coordinator started again when it has ended."""
        def once():
            if not self.a.is_up():
                self.crashes += 1
                self.a.start()
            try:
                return call()
            except (OSError, http.client.HTTPException):
                return None
            except ApiError as error:
                if error.status == 503:
                    return None
                raise
        return self.eventually(what, once, timeout or self.sturdy_seconds)
