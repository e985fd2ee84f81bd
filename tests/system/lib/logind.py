# SPDX-License-Identifier: LGPL-2.1-or-later
"""A bus of the test's own, and the logind on it, which does what the test says."""
import json
import pathlib
import signal
import subprocess

from . import procs

CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={path}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/> <allow own="*"/> <allow send_type="method_call"/>
    <allow send_type="signal"/> <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/> <allow receive_type="method_return"/>
    <allow receive_type="error"/> <allow receive_type="signal"/>
  </policy>
</busconfig>
"""


class Bus:
    def __init__(self, directory):
        self.path = pathlib.Path(directory) / "bus"
        self.config = self.path.with_suffix(".conf")
        self.config.write_text(CONFIG.format(path=self.path), encoding="utf-8")
        self.env = {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={self.path}"}
        self.process = None

    def start(self):
        self.path.unlink(missing_ok=True)
        self.process = procs.Child(["dbus-daemon", "--nofork", "--nopidfile", "--print-address",
                                    f"--config-file={self.config}"], stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL, text=True)
        if not self.process.stdout.readline():
            raise AssertionError("dbus-daemon did not start")

    def end(self):
        if self.process:
            self.process.end(signal.SIGTERM)
            self.process.stdout.close()
            self.process = None


class Logind:
    """Its methods are those of lib/logind_mock.py."""

    def __init__(self, bus):
        self.bus = bus
        self.process = None

    def start(self):
        self.process = procs.Child(
            ["/usr/bin/python3", str(pathlib.Path(__file__).with_name("logind_mock.py"))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=self.bus.env)
        if json.loads(self.process.stdout.readline()) != "there":
            raise AssertionError("the mock of logind did not start")

    def end(self):
        if self.process:
            self.process.end(signal.SIGKILL)
            self.process.stdin.close()
            self.process.stdout.close()
            self.process = None

    def __getattr__(self, what):
        def call(argument=None):
            self.process.stdin.write(json.dumps([what, argument]) + "\n")
            self.process.stdin.flush()
            return json.loads(self.process.stdout.readline())
        return call

    def locks(self):
        """{mode: why} of each lock."""
        return {mode: why for _, _, why, mode in self.__getattr__("locks")()}
